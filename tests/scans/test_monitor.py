"""Monitors: what is due is scanned and paid for once, and somebody is told what is other than it was."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from app.kit.context import Actor
from app.kit.db import Db
from app.kit.graphql import parse_uuid
from app.scans.monitor import find_due, next_due, run_monitors
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import worker_db
from tests.factory.kit import give
from tests.factory.scans import RESULT, STEP

CREATE = (
    "mutation($input: CreateMonitorInput!) { createMonitor(input: $input) { monitor { id maskedUrl intervalHours alertOn } } }"
)
UPDATE = (
    "mutation($input: UpdateMonitorInput!)"
    " { updateMonitor(input: $input) { monitor { intervalHours alertOn pausedAt pauseReason } } }"
)
DELETE = "mutation($id: ID!) { deleteMonitor(id: $id) { deleted } }"
LIST = "{ monitors { edges { node { id dueAt pausedAt pauseReason latestScan { id } pendingScan { id state } } } } }"
TOLD = "{ notifications { edges { node { kind objectId text { title body } } } } }"


def asked(address: str, **other: Any) -> dict[str, Any]:
    return {"input": {"url": address, "intervalHours": 24, "idempotencyKey": str(uuid4())} | other}


async def person(api: Api, name: str, credits: int = 5, **how: Any) -> Person:
    found = await api.person(name, **how)
    if credits:
        await give(api, found, credits)
    return found


async def made(api: Api, who: Person, url: str, **other: Any) -> str:
    return str((await api(CREATE, asked(url, **other), token=who.token)).data["createMonitor"]["monitor"]["id"])


async def mine(api: Api, who: Person) -> dict[str, Any]:
    (edge,) = (await api(LIST, token=who.token)).data["monitors"]["edges"]
    return dict(edge["node"])


def settings(api: Api) -> Any:
    return api.http._transport.app.state.service.settings  # type: ignore[attr-defined]


async def run(api: Api, who: Person, now: datetime | None = None) -> None:
    """What the job of a workspace does."""
    async with worker_db(api.database) as worker:
        db = Db(worker._pool, Actor(who.account_id, who.workspace_id, "owner"), uuid4())
        try:
            await run_monitors(db, settings(api), now or datetime.now(UTC))
        finally:
            await db.close()


async def end(api: Api, who: Person, verdict: str | None = "SUSPICIOUS") -> None:
    """The scans under way end, as a worker would end them."""
    async with api.database.connect() as admin:
        for (scan_id,) in await admin.fetch(
            "SELECT id FROM scans.scan WHERE workspace_id = $1 AND state = 'QUEUED'", who.workspace_id
        ):
            for state in ("FETCHING", "ANALYZING", "COMPLETED") if verdict else ("FAILED",):
                await admin.execute(STEP, scan_id, state)
            if verdict:
                await admin.execute(RESULT.replace("'SUSPICIOUS'", f"'{verdict}'"), scan_id)


async def later(api: Api, who: Person) -> None:
    """It is due again."""
    async with api.database.connect() as admin:
        await admin.execute(
            "UPDATE scans.monitor SET due_at = now() - interval '1 minute' WHERE workspace_id = $1", who.workspace_id
        )


async def test_a_monitored_url_is_scanned_and_told_of(shared: Api) -> None:
    ada = await person(shared, "ada")
    monitor = await made(shared, ada, "https://shop.example.com/login")
    for _ in range(2):
        await asyncio.gather(*(run(shared, ada) for _ in range(3)))
    first = await mine(shared, ada)
    assert first["latestScan"] is None
    assert first["pendingScan"]["state"] == "QUEUED"
    async with shared.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM scans.scan WHERE workspace_id = $1", ada.workspace_id) == 1
    await later(shared, ada)
    await run(shared, ada)
    assert (await mine(shared, ada))["pendingScan"] == first["pendingScan"], "while one is under way no other is asked for"
    await end(shared, ada)
    await run(shared, ada)
    second = await mine(shared, ada)
    assert second["latestScan"]["id"] == first["pendingScan"]["id"]
    assert (await shared(TOLD, token=ada.token)).data == {"notifications": {"edges": []}}, "there was nothing to compare with"
    await end(shared, ada, "MALICIOUS")
    await run(shared, ada)
    (told,) = [edge["node"] for edge in (await shared(TOLD, token=ada.token)).data["notifications"]["edges"]]
    assert told == {
        "kind": "SCAN_CHANGED",
        "objectId": monitor,
        "text": {"title": "shop.example.com: changed", "body": "https://shop.example.com/login\n\nChanged: verdict"},
    }
    async with shared.database.connect() as admin:
        (news,) = await admin.fetch("SELECT detail FROM core.outbox WHERE kind = 'scans.monitor_changed'")
    assert news["detail"] == '{"changes": ["VERDICT"]}'
    await later(shared, ada)
    await run(shared, ada)
    await end(shared, ada, None)
    await run(shared, ada)
    after = await mine(shared, ada)
    assert (after["pendingScan"], after["latestScan"]) == (None, after["latestScan"]), "what failed is nothing to compare with"
    assert len((await shared(TOLD, token=ada.token)).data["notifications"]["edges"]) == 1


async def test_without_credits_it_is_paused_and_says_so(shared: Api) -> None:
    poor = await person(shared, "poor", credits=0)
    monitor = await made(shared, poor, "https://poor.example.com/")
    await asyncio.gather(*(run(shared, poor) for _ in range(3)))
    found = await mine(shared, poor)
    assert (found["pauseReason"], found["pendingScan"]) == ("NO_CREDITS", None)
    (told,) = [edge["node"] for edge in (await shared(TOLD, token=poor.token)).data["notifications"]["edges"]]
    assert (told["kind"], told["objectId"]) == ("MONITOR_PAUSED", monitor)
    async with shared.database.connect() as admin:
        used = await admin.fetchval(
            "SELECT coalesce(sum(used), 0) FROM core.usage_counter WHERE workspace_id = $1", poor.workspace_id
        )
    assert used == 0, "what was not scanned counts as nothing"
    await run(shared, poor)
    assert len((await shared(TOLD, token=poor.token)).data["notifications"]["edges"]) == 1, "it is told once"
    await give(shared, poor, 1)
    going = await shared(UPDATE, {"input": {"id": monitor, "paused": False}}, token=poor.token)
    assert going.data["updateMonitor"]["monitor"]["pausedAt"] is None
    await run(shared, poor)
    assert (await mine(shared, poor))["pendingScan"]


async def test_what_can_be_said_of_a_monitor(shared: Api) -> None:
    grace, eve = await person(shared, "grace"), await person(shared, "eve")
    given = asked("https://grace.example.com/?token=abc", alertOn=["CONTENT", "VERDICT", "CONTENT"])
    first = (await shared(CREATE, given, token=grace.token)).data["createMonitor"]["monitor"]
    assert (await shared(CREATE, given, token=grace.token)).data["createMonitor"]["monitor"] == first
    assert (first["maskedUrl"], first["alertOn"]) == ("https://grace.example.com/?token=***", ["VERDICT", "CONTENT"])
    assert (await shared(CREATE, asked("https://grace.example.com:443/?token=abc"), token=grace.token)).code == "BAD_INPUT"
    refused: list[dict[str, Any]] = [{"intervalHours": 0}, {"intervalHours": 721}, {"alertOn": []}]
    refused += [{"url": "ftp://x"}, {"url": "http://10.0.0.1/"}]
    for wrong in refused:
        assert (await shared(CREATE, asked("https://x.example/", **wrong), token=grace.token)).code == "BAD_INPUT", wrong
    changed = {"input": {"id": first["id"], "intervalHours": 1, "alertOn": ["TARGET"], "paused": True}}
    assert (await shared(UPDATE, changed, token=grace.token)).data["updateMonitor"]["monitor"] | {"pausedAt": ""} == {
        "intervalHours": 1,
        "alertOn": ["TARGET"],
        "pausedAt": "",
        "pauseReason": "ASKED",
    }
    await run(shared, grace)
    assert (await mine(shared, grace))["pendingScan"] is None, "paused is paused"
    for document, variables in ((UPDATE, changed), (DELETE, {"id": first["id"]})):
        assert (await shared(document, variables, token=eve.token)).code == "NOT_FOUND"
    assert (await shared(LIST, token=eve.token)).data == {"monitors": {"edges": []}}
    assert (await shared(DELETE, {"id": first["id"]}, token=grace.token)).data == {"deleteMonitor": {"deleted": True}}
    assert (await shared(DELETE, {"id": first["id"]}, token=grace.token)).code == "NOT_FOUND"
    assert (await shared(CREATE, given, token=grace.token)).code == "NOT_FOUND", "its key made it once"


async def test_no_more_are_watched_than_the_plan_allows(shared: Api) -> None:
    free = await person(shared, "free", plan="free")
    answers = await asyncio.gather(*(shared(CREATE, asked(f"https://{n}.example.com/"), token=free.token) for n in range(4)))
    assert sorted(str(each.code) for each in answers if "errors" in each.body) == ["LIMIT_REACHED"] * 3
    usage = (await shared("{ usage { name used limit } }", token=free.token)).data["usage"]
    assert [each for each in usage if each["name"] == "scans.monitors"] == [
        {"name": "scans.monitors", "used": "1", "limit": "1"}
    ]


async def test_no_url_is_scanned_more_often_than_the_plan_allows(shared: Api) -> None:
    free, curator = await person(shared, "seldom", plan="free"), await shared.person("curator", curator=True)
    refused = await shared(CREATE, asked("https://seldom.example.com/", intervalHours=23), token=free.token)
    assert (refused.code, refused.body["errors"][0]["extensions"]["field"]) == ("LIMIT_REACHED", "intervalHours")
    monitor = await made(shared, free, "https://seldom.example.com/")
    change = {"input": {"id": monitor, "intervalHours": 6}}
    assert (await shared(UPDATE, change, token=free.token)).code == "LIMIT_REACHED"
    plan = "mutation($id: ID!, $plan: String!) { assignPlan(input: {workspaceId: $id, plan: $plan}) { plan { slug } } }"
    assert (await shared(plan, {"id": free.workspace, "plan": "pro"}, token=curator.token)).data
    assert (await shared(UPDATE, change, token=free.token)).data["updateMonitor"]["monitor"]["intervalHours"] == 6
    change["input"]["intervalHours"] = 5
    assert (await shared(UPDATE, change, token=free.token)).code == "LIMIT_REACHED"
    assert (await shared(plan, {"id": free.workspace, "plan": "free"}, token=curator.token)).data
    now = datetime.now(UTC)
    await run(shared, free)
    due = datetime.fromisoformat((await mine(shared, free))["dueAt"])
    assert due - now > timedelta(hours=22), "what was chosen under another plan is slowed down"


async def test_who_left_is_monitored_for_no_longer(shared: Api) -> None:
    """What they made stays, and says why it rests."""
    joan = await person(shared, "joan")
    monitor = parse_uuid(await made(shared, joan, "https://joan.example.com/"), "Monitor", field="id")
    other = await person(shared, "other")
    async with shared.database.connect() as admin:
        await admin.execute("ALTER TABLE scans.monitor DISABLE TRIGGER require_member")
        await admin.execute("UPDATE scans.monitor SET account_id = $2 WHERE id = $1", monitor, other.account_id)
        await admin.execute("ALTER TABLE scans.monitor ENABLE ALWAYS TRIGGER require_member")
    await run(shared, joan)
    assert (await mine(shared, joan))["pauseReason"] == "MEMBER_LEFT"


async def test_the_worker_finds_where_something_is_due(shared: Api) -> None:
    mary = await person(shared, "mary")
    await made(shared, mary, "https://mary.example.com/")
    async with worker_db(shared.database) as worker:
        await find_due(worker, datetime.now(UTC))
        await find_due(worker, datetime.now(UTC))
    async with shared.database.connect() as admin:
        due = await admin.fetch("SELECT payload FROM jobs.pgqueuer WHERE entrypoint = 'scans.watch_over'")
    assert sum(str(mary.workspace_id).encode() in bytes(row["payload"]) for row in due) == 1, "once, however often one looks"


MOMENT = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(MOMENT, st.integers(1, 720), st.timedeltas(timedelta(0), timedelta(days=400)), st.floats(-1, 1))
def test_the_next_moment_lies_ahead(due_at: datetime, hours: int, late: timedelta, share: float) -> None:
    """However late it is: what was missed is not made up for, and the rhythm stays within the jitter."""
    now, interval = due_at + late, timedelta(hours=hours)
    following = next_due(due_at, hours, now, share)
    assert now < following <= now + interval * 1.05 + timedelta(minutes=1)
    steady = due_at + interval * (late // interval + 1)
    assert next_due(due_at, hours, now, 0) == max(steady, now + timedelta(minutes=1)), "never within the minute"
