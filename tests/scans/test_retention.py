"""Retention: scans that are older than chosen go with all that came of them, and nothing else does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.core.retention import Night
from app.core.wallet import check_books
from app.kit.context import SYSTEM_ID, Actor
from app.kit.db import Db
from app.kit.graphql import global_id, parse_uuid
from app.kit.jobs import enqueue
from app.scans.retention import BATCH, find_purgeable, purge, purge_some, purge_workspace
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import give, pool_of
from tests.factory.scans import DISPUTE, judged, monitored, published, queued, submitted, touched

KEEP = "mutation($keep: RetentionPeriod!) { updateScanRetention(input: {keep: $keep}) { retention { keep } } }"
KEPT = "{ scanRetention { keep } }"
PURGED = "{ purgedScans { edges { node { scanId state finishedAt purgedAt } } } }"
LOG = "query($id: ID!) { accessLog(scanId: $id) { edges { node { maskedUrl scanId } } } }"


async def person(api: Api, name: str, keep: str = "THIRTY_DAYS", **how: Any) -> Person:
    """Somebody with something to spend, who has chosen."""
    found = await api.person(name, **how)
    await give(api, found, 5)
    await submitted(api, found, f"https://{name}.example.com/")  # a reservation for scans to hang on
    assert (await api(KEEP, {"keep": keep}, token=found.token)).data["updateScanRetention"]["retention"]["keep"] == keep
    return found


async def aged(admin: Any, scan_id: str, days: int) -> str:
    """The same scan, with all that came of it, as if it had been made so many days ago; its new global id."""
    old, new = parse_uuid(scan_id, "Scan", field="id"), None
    tables = ("scan_result", "engine_verdict", "indicator", "publication", "dispute", "access")
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica; SET LOCAL fivefold.audit_ddl = 'allowed'")
        for table in ("scan", *tables):
            await admin.execute(f"ALTER TABLE scans.{table} DISABLE TRIGGER ALL")
        new = await admin.fetchval("SELECT uuidv7(make_interval(days => $1))", -days)
        await admin.execute("UPDATE scans.scan SET id = $2 WHERE id = $1", old, new)
        for table in tables:
            await admin.execute(f"UPDATE scans.{table} SET scan_id = $2 WHERE scan_id = $1", old, new)
        for table in ("scan", *tables):
            await admin.execute(f"ALTER TABLE scans.{table} ENABLE TRIGGER ALL")
            await admin.execute(ALWAYS.format(table=table))
    return global_id("Scan", str(new))


ALWAYS = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'scans.{table}'::regclass AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE scans.{table} ENABLE ALWAYS TRIGGER %I', name);
    END LOOP;
END $$
"""


async def purged(api: Api, who: Person) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await api(PURGED, token=who.token)).data["purgedScans"]["edges"]]


async def night(api: Api) -> None:
    """What the night does, as a worker."""
    async with worker_db(api.database) as db, db.transaction():
        await enqueue(db, purge, Night())
    await run_jobs(api, [purge, purge_workspace])


async def rows(admin: Any, who: Person) -> dict[str, int]:
    tables = ("scan", "scan_result", "engine_verdict", "indicator", "publication", "dispute", "access", "purged_scan")
    count = "SELECT count(*) FROM scans.{} WHERE workspace_id = $1"
    return {table: await admin.fetchval(count.format(table), who.workspace_id) for table in tables}


async def test_what_is_older_than_chosen_goes_with_all_that_came_of_it(shared: Api) -> None:
    ada, year = await person(shared, "ada"), await person(shared, "year", "ONE_YEAR")
    async with shared.database.connect() as admin:
        old, young = await judged(shared, ada, "old"), await judged(shared, ada, "young")
        await published(shared, ada, old)
        await touched(shared, ada, old, "old")
        old, young = await aged(admin, old, 31), await aged(admin, young, 29)
        others = await aged(admin, await judged(shared, year, "old"), 364)
        before = await rows(admin, ada)
        assert before | {"access": 1} == {
            "scan": 3, "scan_result": 2, "engine_verdict": 2, "indicator": 2, "publication": 1, "dispute": 0, "access": 1,
            "purged_scan": 0,
        }  # fmt: skip
        await night(shared)
        await night(shared)
        assert await rows(admin, ada) == before | {
            "scan": 2, "scan_result": 1, "engine_verdict": 1, "indicator": 1, "publication": 0, "purged_scan": 1,
        }  # fmt: skip
        events = "SELECT action FROM core.audit_event WHERE object = 'scans.scan' AND object_id = $1"
        told = [row["action"] for row in await admin.fetch(events, parse_uuid(old, "Scan", field="id"))]
        assert told == ["DELETE"], "and the events of its making stay under the id that it had"
    (left,) = await purged(shared, ada)
    assert (left["scanId"], left["state"]) == (old, "COMPLETED")
    assert await purged(shared, year) == []
    seen = "query($id: ID!) { scan(id: $id) { id } }"
    assert (await shared(seen, {"id": old}, token=ada.token)).data == {"scan": None}
    for scan, who in ((young, ada), (others, year)):
        assert (await shared(seen, {"id": scan}, token=who.token)).data == {"scan": {"id": scan}}
    log = (await shared(LOG, {"id": old}, token=ada.token)).data["accessLog"]["edges"]
    assert [edge["node"] for edge in log] == [{"maskedUrl": "https://old.example.com/", "scanId": old}]
    assert (await shared(LOG, {"id": old}, token=year.token)).code == "NOT_FOUND", "of others nothing is told"
    assert (await shared('{ publishedScans(host: "old.example.com") { edges { cursor } } }', token=year.token)).data == {
        "publishedScans": {"edges": []}
    }


async def test_what_is_needed_stays(shared: Api) -> None:
    """What a monitor compares with, what is disputed, what waits: until that is over."""
    grace = await person(shared, "grace")
    async with shared.database.connect() as admin:
        watched, argued, waiting = [
            await aged(admin, each, 40)
            for each in (
                await judged(shared, grace, "watched"),
                await judged(shared, grace, "argued"),
                await queued(shared, grace, "waiting"),
            )
        ]
        monitor = parse_uuid(await monitored(shared, grace, "watched"), "Monitor", field="id")
        latest = "UPDATE scans.monitor SET latest_scan_id = $2 WHERE id = $1"
        await admin.execute(latest, monitor, parse_uuid(watched, "Scan", field="id"))
        given = {"scanId": argued, "claim": "FALSE_ALARM", "reason": "It is not.", "idempotencyKey": "argued"}
        dispute = (await shared(DISPUTE, {"input": given}, token=grace.token)).data["disputeScan"]["dispute"]["id"]
        await night(shared)
        assert await purged(shared, grace) == []
        withdrawing = "mutation($id: ID!) { withdrawDispute(id: $id) { dispute { state } } }"
        assert (await shared(withdrawing, {"id": dispute}, token=grace.token)).data
        await admin.execute(latest, monitor, None)
        await night(shared)
        assert {each["scanId"] for each in await purged(shared, grace)} == {watched, argued}
        assert (await rows(admin, grace))["dispute"] == 0
        seen = await shared("query($id: ID!) { scan(id: $id) { state } }", {"id": waiting}, token=grace.token)
        assert seen.data == {"scan": {"state": "QUEUED"}}
        await check_books(pool_of(shared))


async def test_batches_in_parallel_lose_nothing(shared: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once share the work; each scan goes once."""
    monkeypatch.setattr("app.scans.retention.BATCH", 2)
    joan = await person(shared, "joan", "NINETY_DAYS")
    async with shared.database.connect() as admin:
        old = {await aged(admin, await judged(shared, joan, f"joan{n}"), 100 + n) for n in range(5)}
    assert BATCH > 5

    async def work() -> None:
        async with worker_db(shared.database) as worker:
            db = Db(worker._pool, Actor(SYSTEM_ID, joan.workspace_id, "owner"), uuid4())
            try:
                while await purge_some(db, datetime.now(UTC)):
                    pass
            finally:
                await db.close()

    await asyncio.gather(work(), work(), work())
    await work()
    assert {each["scanId"] for each in await purged(shared, joan)} == old


async def test_nobody_can_purge_what_is_kept(shared: Api) -> None:
    """Neither by a moment that is yet to come, nor with a statement of their own."""
    mary = await person(shared, "mary")
    async with shared.database.connect() as admin:
        await aged(admin, await judged(shared, mary, "mary"), 29)
    async with worker_db(shared.database) as worker:
        db = Db(worker._pool, Actor(SYSTEM_ID, mary.workspace_id, "owner"), uuid4())
        await purge_some(db, datetime.now(UTC) + timedelta(days=400))
        await db.close()
        await find_purgeable(worker, datetime.now(UTC))
    assert await purged(shared, mary) == []
    for role in ("fivefold_api", "fivefold_worker"):
        connection = await asyncpg.connect(shared.database.url(role))
        try:
            for text in ("DELETE FROM scans.scan", "DELETE FROM scans.scan_result", "TRUNCATE scans.scan CASCADE"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(text)
        finally:
            await connection.close()


async def test_who_may_choose(shared: Api) -> None:
    ruth, eve = await shared.person("ruth"), await shared.person("eve")
    assert (await shared(KEPT, token=ruth.token)).data == {"scanRetention": {"keep": "ONE_YEAR"}}
    for keep in ("FOREVER", "THIRTY_DAYS"):
        assert (await shared(KEEP, {"keep": keep}, token=ruth.token)).data
    assert (await shared(KEPT, token=ruth.token)).data == {"scanRetention": {"keep": "THIRTY_DAYS"}}
    assert (await shared(KEPT, token=eve.token)).data == {"scanRetention": {"keep": "ONE_YEAR"}}
    assert (await shared("{ retention { keep } }", token=ruth.token)).data == {"retention": {"keep": "ONE_YEAR"}}, (
        "privacy's own"
    )
