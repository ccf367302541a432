"""Retention: what is older than chosen goes without a trace of what it was, and nothing else does, whatever comes between."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.core.retention import Night
from app.kit.context import SYSTEM_ID, Actor
from app.kit.db import Db, open_as
from app.kit.graphql import parse_global_id
from app.kit.jobs import enqueue
from app.privacy.retention import BATCH, find_purgeable, purge, purge_some
from tests.conftest import Answer, Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.privacy import api_key, history, link, recorded, scan, template_of

KEEP = """
mutation Keep($input: UpdateRetentionInput!) { updateRetention(input: $input) { retention { keep } } }
"""
PURGED = """
query Purged($id: ID!, $first: Int!, $after: String) { purgedSnapshots(linkId: $id, first: $first, after: $after) {
  edges { cursor node { capturedAt purgedAt changeCount changeHash } } pageInfo { hasNextPage endCursor }
} }
"""
AS_OF = "query AsOf($id: ID!, $at: DateTime!) { settingsAsOf(linkId: $id, at: $at) { snapshot { id } } }"
PROVEN = """
SELECT d.salt, (
    SELECT jsonb_agg(jsonb_build_array(c.setting, c.old_value, c.new_value, c.origin, c.significance) ORDER BY c.setting)::text
    FROM privacy.change AS c WHERE c.snapshot_id = s.id) AS changes
FROM privacy.snapshot AS s
JOIN core.audit_event AS e ON e.object_id = s.id AND e.action = 'INSERT'
JOIN core.audit_detail AS d ON d.event_id = e.id
WHERE s.id = $1
"""
LEFT = (
    "SELECT count(*) FROM core.audit_detail AS d JOIN core.audit_event AS e ON e.id = d.event_id WHERE e.object_id = ANY ($1)"
)


async def keep(api: Api, token: str, period: str) -> Answer:
    return await api(KEEP, {"input": {"keep": period}}, token=token)


async def purged(api: Api, token: str, link_id: str) -> list[dict[str, Any]]:
    page = (await api(PURGED, {"id": link_id, "first": 100}, token=token)).data["purgedSnapshots"]
    return [edge["node"] for edge in page["edges"]]


@asynccontextmanager
async def worker_of(api: Api, person: Person) -> AsyncIterator[Db]:
    """The database as the worker sees it in a person's workspace."""
    async with open_as(api.database.url(), "fivefold_worker") as (pool, _):
        db = Db(pool, Actor(SYSTEM_ID, person.workspace_id, "owner"), uuid4())
        try:
            yield db
        finally:
            await db.close()


async def purge_all(api: Api, person: Person, now: datetime | None = None) -> None:
    async with worker_of(api, person) as db:
        while await purge_some(db, now or datetime.now(UTC)):
            pass


async def flips(api: Api, token: str, link_id: str, *ago: float) -> list[dict[str, Any]]:
    """Scans so many days ago, each of which differs from the one before."""
    template = await template_of(api, token)
    toggle = next(s for s in template["settings"] if s["type"] == "TOGGLE")
    made = []
    for number, days in enumerate(sorted(ago, reverse=True)):
        moment = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        values = {toggle["key"]: ("on", "off")[number % 2]}
        made.append(await recorded(api, token, scan(link_id, template, capturedAt=moment, values=values)))
    return made


def uuid_of(snapshot: dict[str, Any]) -> UUID:
    return UUID(parse_global_id(snapshot["snapshot"]["id"], field="id")[1])


async def test_a_year_is_kept_until_something_else_is_chosen(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    query = "{ retention { keep } }"
    assert (await api(query, token=ada.token)).data["retention"]["keep"] == "ONE_YEAR"
    for period in ("THIRTY_DAYS", "NINETY_DAYS", "FOREVER", "ONE_YEAR", "THIRTY_DAYS"):
        assert (await keep(api, ada.token, period)).data["updateRetention"]["retention"]["keep"] == period
        assert (await api(query, token=ada.token)).data["retention"]["keep"] == period
    assert (await api(query, token=ben.token)).data["retention"]["keep"] == "ONE_YEAR"
    events = '{ auditEvents(object: "privacy.retention", first: 1) { edges { node { action detail } } } }'
    (edge,) = (await api(events, token=ada.token)).data["auditEvents"]["edges"]
    assert edge["node"] == {"action": "UPDATE", "detail": {"keep": ["ONE_YEAR", "THIRTY_DAYS"]}}


async def test_only_owners_and_admins_choose(api: Api) -> None:
    ada = await api.person()
    assert (await keep(api, await api_key(api, ada.token, "snapshots:write", "privacy:read"), "FOREVER")).code == "FORBIDDEN"
    assert (await keep(api, ada.token, "A_DAY")).code == "BAD_VARIABLES"
    for role, allowed in (("member", False), ("viewer", False), ("auditor", False), ("admin", True)):
        async with api.database.connect() as admin:
            await admin.execute("UPDATE core.member SET role = $1", role)
        assert bool((await keep(api, ada.token, "FOREVER")).codes) is not allowed


@pytest.mark.parametrize(("period", "left"), [("THIRTY_DAYS", 2), ("NINETY_DAYS", 3), ("ONE_YEAR", 4), ("FOREVER", 5)])
async def test_what_is_older_goes(api: Api, period: str, left: int) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    link_id, other = await link(api, ada.token), await link(api, ben.token)
    for person, id_ in ((ada, link_id), (ben, other)):
        await flips(api, person.token, id_, 400, 200, 60, 29, 1)
    await keep(api, ada.token, period)
    await purge_all(api, ada)
    assert len(await history(api, ada.token, link_id)) == left
    assert len(await purged(api, ada.token, link_id)) == 5 - left
    assert len(await history(api, ben.token, other)) == 5, "another workspace's stays"
    await purge_all(api, ada)
    assert len(await history(api, ada.token, link_id)) == left


async def test_the_latest_stays_however_old_it_is(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    *_, latest = await flips(api, ada.token, link_id, 1200, 1100, 1000)
    await purge_all(api, ada)
    (found,) = await history(api, ada.token, link_id)
    assert found["id"] == latest["snapshot"]["id"]
    assert found["changes"], "with the changes that it brought"


async def test_nothing_of_what_was_seen_is_left(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    made = await flips(api, ada.token, link_id, 500, 450, 400, 10)
    gone, kept = [uuid_of(snapshot) for snapshot in made[:3]], uuid_of(made[3])
    async with api.database.connect() as admin:
        proof = await admin.fetchrow(PROVEN, gone[1])
        assert proof is not None
        events = await admin.fetchval("SELECT count(*) FROM core.audit_event")
        await purge_all(api, ada)
        assert await admin.fetchval("SELECT count(*) FROM privacy.change WHERE snapshot_id = ANY ($1)", gone) == 0
        assert await admin.fetchval(LEFT, gone) == 0
        assert await admin.fetchval(LEFT, [kept]) == 1
        assert await admin.fetchval("SELECT count(*) FROM core.audit_event") > events, "that it was purged is told"
    found = await purged(api, ada.token, link_id)
    assert [node["changeCount"] for node in found] == [1, 1, 0]
    assert found[1]["changeHash"] == hashlib.sha256(proof["salt"] + proof["changes"].encode()).hexdigest()
    assert [node["capturedAt"] for node in found] == [made[n]["snapshot"]["capturedAt"] for n in (2, 1, 0)]


async def test_what_is_no_longer_kept_is_said_to_be(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await flips(api, ada.token, link_id, 500, 400, 10)
    moment = (datetime.now(UTC) - timedelta(days=420)).isoformat()
    assert (await api(AS_OF, {"id": link_id, "at": moment}, token=ada.token)).data["settingsAsOf"]
    await purge_all(api, ada)
    for at in (moment, "2001-01-01T00:00:00Z"):
        answer = await api(AS_OF, {"id": link_id, "at": at}, token=ada.token)
        assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NO_LONGER_KEPT", "at")
    assert (await api(AS_OF, {"id": link_id, "at": datetime.now(UTC).isoformat()}, token=ada.token)).data["settingsAsOf"]
    fresh = await link(api, ada.token, label="Fresh")
    assert (await api(AS_OF, {"id": fresh, "at": moment}, token=ada.token)).data["settingsAsOf"] is None


async def test_the_list_is_paged_and_of_ones_own(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    link_id = await link(api, ada.token)
    await flips(api, ada.token, link_id, *range(400, 407), 1)
    await purge_all(api, ada)
    found, after = [], None
    while True:
        page = (await api(PURGED, {"id": link_id, "first": 3, "after": after}, token=ada.token)).data["purgedSnapshots"]
        found += [edge["node"]["capturedAt"] for edge in page["edges"]]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert found == sorted(found, reverse=True)
    assert len(found) == 7
    assert (await api(PURGED, {"id": link_id, "first": 3}, token=ben.token)).code == "NOT_FOUND"
    key = await api_key(api, ada.token, "snapshots:write")
    assert (await api(PURGED, {"id": link_id, "first": 3}, token=key)).code == "FORBIDDEN"


async def test_every_workspace_with_something_due_is_found(api: Api) -> None:
    people = [await api.person(name) for name in ("ada", "ben", "cora")]
    links = [await link(api, person.token) for person in people]
    for person, link_id in zip(people, links, strict=True):
        await flips(api, person.token, link_id, 500, 400)
    await keep(api, people[2].token, "FOREVER")
    async with worker_db(api.database) as db, db.transaction():
        await enqueue(db, purge, Night())
    await run_jobs(api)
    assert [len(await history(api, p.token, id_)) for p, id_ in zip(people, links, strict=True)] == [1, 1, 2]
    async with worker_db(api.database) as db:
        await find_purgeable(db, datetime.now(UTC))
    async with api.database.connect() as admin:
        waiting = await admin.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'privacy.purge_workspace'")
    assert waiting == 0, "a latest snapshot that is old is nothing to purge"


async def test_scans_beside_a_purge_lose_nothing(api: Api) -> None:
    """Late captures among those that are being purged, and new ones: every scan is answered, and the history stays whole."""
    ada = await api.person()
    link_id = await link(api, ada.token)
    await flips(api, ada.token, link_id, *[400 + number for number in range(30)], 20)
    template = await template_of(api, ada.token)
    toggle = next(s for s in template["settings"] if s["type"] == "TOGGLE")

    async def send(number: int) -> None:
        days = 410.5 + number if number % 2 else 10 - number / 10
        moment = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        values = {toggle["key"]: ("on", "off")[number // 2 % 2]}
        await recorded(api, ada.token, scan(link_id, template, capturedAt=moment, values=values))

    await asyncio.gather(*(send(number) for number in range(12)), purge_all(api, ada))
    await purge_all(api, ada)
    found = await history(api, ada.token, link_id)
    old = (datetime.now(UTC) - timedelta(days=365)).isoformat()
    assert all(node["capturedAt"] > old for node in found)
    for before, after in pairwise(found):
        changed = {c["setting"] for c in after["changes"]}
        differ = {key for key in after["values"] if before["values"].get(key) != after["values"][key]}
        assert changed == differ


async def test_a_batch_is_not_the_end(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await flips(api, ada.token, link_id, 1)
    await copy_snapshots(api, 2 * BATCH + 7)
    async with worker_of(api, ada) as db:
        rounds = 0
        while await purge_some(db, datetime.now(UTC)):
            rounds += 1
    assert rounds == 3
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM privacy.snapshot") == 1
        assert await admin.fetchval("SELECT count(*) FROM privacy.purged_snapshot") == 2 * BATCH + 7


async def copy_snapshots(api: Api, count: int) -> None:
    """So many snapshots of two years ago, as the one that is there."""
    async with api.database.connect() as admin:
        await admin.execute(
            """
            INSERT INTO privacy.snapshot (
                workspace_id, id, link_id, template_id, captured_at, scan_method, config_version, risk_score, risk_formula,
                confidence, packed, observed)
            SELECT workspace_id, core.uuidv7_floor(now() - interval '2 years' + n * interval '1 minute'), link_id, template_id,
                now() - interval '2 years' + n * interval '1 minute', scan_method, config_version, risk_score, risk_formula,
                confidence, packed, observed
            FROM privacy.snapshot, generate_series(1, $1::integer) AS n
            """,
            count,
        )


async def test_workers_that_are_killed_purge_all_in_the_end(api: Api) -> None:
    ada = await api.person()
    await flips(api, ada.token, await link(api, ada.token), 1)
    await copy_snapshots(api, 20 * BATCH)
    async with worker_db(api.database) as db, db.transaction():
        await enqueue(db, purge, Night())
    async with api.database.connect() as admin:
        left, killed = 20 * BATCH + 1, 0
        for _ in range(3):
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app", "worker",
                env=os.environ | {"DATABASE_URL": api.database.url("fivefold_worker")},
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            now = left
            while now == left and now > 1:
                now = await admin.fetchval("SELECT count(*) FROM privacy.snapshot")
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
            killed += now > 1
            left = await admin.fetchval("SELECT count(*) FROM privacy.snapshot")
            # What the killed one had picked is found again after a heartbeat; here it is not waited for.
            await admin.execute("UPDATE jobs.pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL")
            kept = await admin.fetchval("SELECT count(*) FROM privacy.purged_snapshot")
            assert kept + left == 20 * BATCH + 1, "each is either there or purged, never neither nor both"
        assert killed
    await run_jobs(api)
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM privacy.snapshot") == 1
        assert await admin.fetchval("SELECT count(*) FROM privacy.purged_snapshot") == 20 * BATCH
        ids = [row[0] for row in await admin.fetch("SELECT id FROM privacy.purged_snapshot")]
        assert await admin.fetchval(LEFT, ids) == 0


# The door of the audit


async def test_a_detail_of_what_is_there_is_never_forgotten(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    made = await flips(api, ada.token, link_id, 500, 10)
    here = [uuid_of(snapshot) for snapshot in made]
    async with api.database.connect() as admin:
        before = await admin.fetchval("SELECT count(*) FROM core.audit_detail")
        async with api.database.connect("fivefold_worker") as worker:
            await worker.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
            for ids in (here, here[:1], [ada.account_id], [UUID(parse_global_id(link_id, field="id")[1])]):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="still there"):
                    await worker.execute("SELECT core.forget_audit_detail($1)", ids)
            assert await worker.fetchval("SELECT core.forget_audit_detail($1)", [uuid4()]) == 0
            for text in (
                "DELETE FROM core.audit_detail",
                "SET ROLE fivefold_definer",
                "ALTER FUNCTION core.forget_audit_detail(uuid[]) SECURITY INVOKER",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await worker.execute(text)
        assert await admin.fetchval("SELECT count(*) FROM core.audit_detail") == before
        await admin.execute("SET ROLE fivefold_definer")
        await admin.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
        for text in ("DELETE FROM core.audit_detail", "UPDATE core.audit_detail SET salt = salt", "TRUNCATE core.audit_detail"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(text)


async def test_a_worker_forgets_in_its_own_workspace_alone(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    made = await flips(api, ada.token, await link(api, ada.token), 500, 10)
    gone = [uuid_of(made[0])]
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM privacy.snapshot WHERE id = ANY ($1)", gone)
        before = await admin.fetchval(LEFT, gone)
        assert before >= 2
        async with api.database.connect("fivefold_worker") as worker:
            assert await worker.fetchval("SELECT core.forget_audit_detail($1)", gone) == 0, "of no workspace"
            await worker.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ben.workspace_id))
            assert await worker.fetchval("SELECT core.forget_audit_detail($1)", gone) == 0
            await worker.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
            assert await worker.fetchval("SELECT core.forget_audit_detail($1)", gone) == before


@pytest.mark.parametrize("who", ["fivefold_api", "fivefold_auditor", "fivefold_migrator"])
async def test_nobody_else_has_the_door(api: Api, who: str) -> None:
    await api.person()
    async with api.database.connect(who) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT core.forget_audit_detail('{}')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT privacy.list_purgeable(now(), core.system_workspace_id(), 1)")
