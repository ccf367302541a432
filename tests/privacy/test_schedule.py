"""Schedules: who is asked for a scan and when, across people, platforms' limits, workers and clocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from app.kit.graphql import global_id, parse_global_id
from app.kit.jobs import enqueue
from app.privacy.rhythm import SPREAD, WINDOW
from app.privacy.schedule import BATCH, Tick, request_scans, run_scheduler
from tests.conftest import Answer, Api
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.privacy import PUBLISH, api_key, link, nothing_written, recorded, scan, template_of, unlink
from tests.privacy.conftest import Small

SCHEDULE = """
mutation Schedule($input: ScheduleScansInput!) { scheduleScans(input: $input) { link {
  id health schedule { frequency at weekday timeZone nextScanAt requestedAt awaitedUntil stoppedAt }
} } }
"""
REQUEST = """
mutation Request($input: RequestScanInput!) { requestScan(input: $input) { link {
  id schedule { frequency nextScanAt requestedAt awaitedUntil }
} } }
"""
RESUME = """
mutation Resume($input: ResumeScansInput!) { resumeScans(input: $input) { link {
  id health schedule { nextScanAt stoppedAt }
} } }
"""
LINK = """
query Link($id: ID!) { platformLink(id: $id) {
  health seenUntil
  schedule { frequency at weekday timeZone nextScanAt requestedAt awaitedUntil stoppedAt }
  lastScan { status endedAt succeededAt durationMilliseconds failedAt failure detail consecutiveFailures }
} }
"""
BERLIN = ZoneInfo("Europe/Berlin")


async def schedule(api: Api, token: str, link_id: str, frequency: str = "DAILY", **other: Any) -> Answer:
    return await api(SCHEDULE, {"input": {"linkId": link_id, "frequency": frequency} | other}, token=token)


async def request(api: Api, token: str, link_id: str, key: str | None = None) -> Answer:
    return await api(REQUEST, {"input": {"linkId": link_id, "idempotencyKey": key or str(uuid4())}}, token=token)


async def resume(api: Api, token: str, link_id: str) -> Answer:
    return await api(RESUME, {"input": {"linkId": link_id}}, token=token)


async def state(api: Api, token: str, link_id: str) -> dict[str, Any]:
    """A link with its schedule and last scan."""
    found: dict[str, Any] = (await api(LINK, {"id": link_id}, token=token)).data["platformLink"]
    return found


async def next_at(api: Api, token: str, link_id: str) -> datetime:
    return datetime.fromisoformat((await state(api, token, link_id))["schedule"]["nextScanAt"])


async def tick(api: Api, now: datetime) -> int:
    """What the worker does every minute."""
    async with worker_db(api.database) as db:
        return await run_scheduler(db, now)


async def asked(api: Api) -> list[tuple[str, str]]:
    """Link and reason of every request, in order."""
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT object_id, detail ->> 'reason' FROM core.outbox WHERE kind = 'privacy.scan_requested' ORDER BY id"
        )
    return [(global_id("PlatformLink", str(row[0])), row[1]) for row in rows]


async def owners(api: Api) -> list[tuple[str, str]]:
    """The workspaces of requests and of their links."""
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT o.workspace_id, l.workspace_id FROM core.outbox AS o JOIN privacy.platform_link AS l ON l.id = o.object_id"
            " WHERE o.kind = 'privacy.scan_requested'"
        )
    return [(str(row[0]), str(row[1])) for row in rows]


async def execute(api: Api, text: str, *values: Any) -> None:
    async with api.database.connect() as admin:
        await admin.execute(text, *values)


async def limit(api: Api, per_minute: int, cooldown: int, slug: str = "google") -> None:
    """Publish a config of these limits, valid since yesterday."""
    curator = await api.person("curator", curator=True)
    given = {
        "platformSlug": slug,
        "urlPatterns": ["https://example.com/*"],
        "selectors": {"a": "#a"},
        "validFrom": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        "idempotencyKey": str(uuid4()),
        "rateLimit": {"requestsPerMinute": per_minute, "cooldownMinutes": cooldown},
    }
    assert (await api(PUBLISH, {"input": given}, token=curator.token)).data


# What is chosen


async def test_a_new_link_is_scanned_once_a_week(api: Api) -> None:
    ada = await api.person()
    found = (await state(api, ada.token, await link(api, ada.token)))["schedule"]
    assert (found["frequency"], found["at"], found["timeZone"]) == ("WEEKLY", "09:00", "Europe/Berlin")
    for unknown in ("weekday", "requestedAt", "awaitedUntil", "stoppedAt"):
        assert found[unknown] is None
    ahead = datetime.fromisoformat(found["nextScanAt"]) - datetime.now(UTC)
    assert timedelta() < ahead <= timedelta(days=7, hours=1)


async def test_a_day_and_a_time_are_by_the_persons_clock(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    answer = await schedule(api, ada.token, link_id, "WEEKLY", at="23:45", weekday="SATURDAY")
    found = answer.data["scheduleScans"]["link"]["schedule"]
    assert (found["frequency"], found["at"], found["weekday"]) == ("WEEKLY", "23:45", "SATURDAY")
    moment = datetime.fromisoformat(found["nextScanAt"])
    assert moment > datetime.now(UTC)
    low = (moment - SPREAD).astimezone(BERLIN)
    assert timedelta(hours=23, minutes=15) < timedelta(hours=low.hour, minutes=low.minute, seconds=low.second)
    assert low.isoweekday() == 6
    again = (await schedule(api, ada.token, link_id, "DAILY")).data["scheduleScans"]["link"]["schedule"]
    assert (again["frequency"], again["at"], again["weekday"]) == ("DAILY", "23:45", "SATURDAY"), "what is left out stays"
    manual = (await schedule(api, ada.token, link_id, "MANUAL")).data["scheduleScans"]["link"]["schedule"]
    assert (manual["frequency"], manual["nextScanAt"]) == ("MANUAL", None)


async def test_choosing_is_told_in_the_audit_and_the_next_moment_is_not(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    events = "{ auditEvents(first: 50) { edges { node { object action detail } } } }"
    before = len((await api(events, token=ada.token)).data["auditEvents"]["edges"])
    await schedule(api, ada.token, link_id, "DAILY", at="10:00")
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = now() - interval '1 hour'")
    assert await tick(api, datetime.now(UTC)) == 1
    edges = (await api(events, token=ada.token)).data["auditEvents"]["edges"]
    assert len(edges) == before + 1
    assert edges[0]["node"]["detail"] == {"frequency": ["WEEKLY", "DAILY"], "scan_minute": [540, 600]}


@pytest.mark.parametrize(
    ("other", "code", "field"),
    [
        ({"at": "24:00"}, "BAD_INPUT", "at"),
        ({"at": "9:00"}, "BAD_INPUT", "at"),
        ({"at": "09:60"}, "BAD_INPUT", "at"),
        ({"at": "09:00:00"}, "BAD_INPUT", "at"),
        ({"at": " 09:00"}, "BAD_INPUT", "at"),
        ({"at": "09:00\n"}, "BAD_INPUT", "at"),
        ({"at": "\0"}, "BAD_INPUT", "at"),
        ({"at": "\u0660\u0669:\u0660\u0660"}, "BAD_INPUT", "at"),
        ({"at": ""}, "BAD_INPUT", "at"),
        ({"weekday": "MONDAY"}, "BAD_INPUT", "weekday"),
        ({"frequency": "MANUAL", "weekday": "MONDAY"}, "BAD_INPUT", "weekday"),
        ({"weekday": 1}, "BAD_VARIABLES", None),
        ({"frequency": "HOURLY"}, "BAD_VARIABLES", None),
        ({"linkId": "x"}, "BAD_ID", "linkId"),
        ({"linkId": global_id("PlatformLink", str(uuid4()))}, "NOT_FOUND", "linkId"),
    ],
)
async def test_bad_choices_change_nothing(small: Small, other: dict[str, Any], code: str, field: str | None) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    before = await state(small.api, small.ada.token, link_id)
    given = {"linkId": link_id, "frequency": "DAILY"} | other
    answer = await small.api(SCHEDULE, {"input": given}, token=small.ada.token)
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"].get("field") == field
    assert await state(small.api, small.ada.token, link_id) == before


async def test_the_link_of_another_is_none(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    link_id = await link(api, ada.token)
    async with nothing_written(api):
        for answer in (
            await schedule(api, ben.token, link_id),
            await request(api, ben.token, link_id),
            await resume(api, ben.token, link_id),
        ):
            assert answer.code == "NOT_FOUND"


async def test_an_ended_link_is_neither_scheduled_nor_asked(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await request(api, ada.token, link_id)
    await unlink(api, ada.token, link_id)
    for answer in (
        await schedule(api, ada.token, link_id),
        await request(api, ada.token, link_id),
        await resume(api, ada.token, link_id),
    ):
        assert answer.code == "LINK_ENDED"
    found = (await state(api, ada.token, link_id))["schedule"]
    assert (found["nextScanAt"], found["awaitedUntil"]) == (None, None)
    assert await tick(api, datetime.now(UTC) + timedelta(days=30)) == 0


async def test_keys_may_ask_and_not_choose(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    writing, reading = await api_key(api, ada.token, "snapshots:write"), await api_key(api, ada.token, "privacy:read")
    assert (await schedule(api, writing, link_id)).code == "FORBIDDEN"
    assert (await resume(api, writing, link_id)).code == "FORBIDDEN"
    assert (await request(api, reading, link_id)).code == "FORBIDDEN"
    assert (await request(api, writing, link_id)).data
    assert (await state(api, reading, link_id))["schedule"]["requestedAt"]


@pytest.mark.parametrize("role", ["viewer", "auditor"])
async def test_who_only_looks_changes_nothing(api: Api, role: str) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await execute(api, "UPDATE core.member SET role = $1", role)
    for answer in (
        await schedule(api, ada.token, link_id),
        await request(api, ada.token, link_id),
        await resume(api, ada.token, link_id),
    ):
        assert answer.code == "FORBIDDEN"


async def test_the_free_plan_has_no_daily_scans(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await execute(api, "UPDATE core.workspace SET plan = 'free'")
    answer = await schedule(api, ada.token, link_id, "DAILY")
    assert answer.code == "LIMIT_REACHED"
    assert answer.body["errors"][0]["extensions"]["limit"] == {
        "name": "privacy.daily_scans",
        "limit": 0,
        "used": 0,
        "plan": "free",
    }
    assert (await state(api, ada.token, link_id))["schedule"]["frequency"] == "WEEKLY"
    assert (await schedule(api, ada.token, link_id, "WEEKLY", weekday="FRIDAY")).data


# The scheduler


async def test_what_is_due_is_asked_for_once(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    links = [await link(api, ada.token), await link(api, ben.token, "linkedin")]
    now = max([await next_at(api, ada.token, links[0]), await next_at(api, ben.token, links[1])])
    assert await tick(api, now) == 2
    assert sorted(await asked(api)) == sorted((id_, "SCHEDULE") for id_ in links)
    assert all(one == other for one, other in await owners(api))
    assert await tick(api, now) == 0
    assert await tick(api, now - timedelta(hours=3)) == 0, "nor by a clock that was set back"
    found = (await state(api, ada.token, links[0]))["schedule"]
    assert datetime.fromisoformat(found["requestedAt"]) == now
    assert datetime.fromisoformat(found["awaitedUntil"]) == now + WINDOW
    assert datetime.fromisoformat(found["nextScanAt"]) - now >= timedelta(days=3.5)


async def test_nothing_is_asked_before_its_time(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    assert await tick(api, await next_at(api, ada.token, link_id) - timedelta(seconds=1)) == 0


async def test_the_job_asks(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = now() - interval '1 minute'")
    async with worker_db(api.database) as db, db.transaction():
        await enqueue(db, request_scans, Tick())
    await run_jobs(api)
    assert await asked(api) == [(link_id, "SCHEDULE")]


async def test_a_worker_that_slept_asks_once(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await schedule(api, ada.token, link_id, "DAILY")
    woke = await next_at(api, ada.token, link_id) + timedelta(days=3)
    for minute in range(10):
        await tick(api, woke + timedelta(minutes=minute))
    assert await asked(api) == [(link_id, "SCHEDULE")]


async def test_many_workers_ask_once(api: Api) -> None:
    ada = await api.person()
    links = [await link(api, ada.token, label=str(number)) for number in range(12)]
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = now() - interval '1 minute'")
    now = datetime.now(UTC)
    counts = await asyncio.gather(*(tick(api, now) for _ in range(4)))
    assert sum(counts) <= 12
    await tick(api, now)
    assert sorted(await asked(api)) == sorted((id_, "SCHEDULE") for id_ in links)


async def test_a_scan_makes_the_scheduled_one_needless(api: Api) -> None:
    """A scan by hand shortly before: the scheduled one is left out, and comes at its next time."""
    ada = await api.person()
    link_id = await link(api, ada.token)
    await schedule(api, ada.token, link_id, "DAILY")
    now = datetime.now(UTC)
    template = await template_of(api, ada.token)
    await recorded(api, ada.token, scan(link_id, template, capturedAt=(now - timedelta(minutes=20)).isoformat()))
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = $1", now)
    assert await tick(api, now) == 0
    assert await next_at(api, ada.token, link_id) >= now + timedelta(hours=11, minutes=40)
    assert await asked(api) == []


async def test_a_link_that_a_scan_holds_is_left_for_the_next_minute(api: Api) -> None:
    ada = await api.person()
    await link(api, ada.token)
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = now() - interval '1 minute'")
    now = datetime.now(UTC)
    async with api.database.connect() as admin, admin.transaction():
        await admin.execute("SELECT FROM privacy.platform_link FOR NO KEY UPDATE")
        assert await tick(api, now) == 0
    assert await tick(api, now + timedelta(minutes=1)) == 1


async def test_a_batch_is_not_the_end(api: Api) -> None:
    """More links than are held at once, most of them scanned lately."""
    ada = await api.person()
    link_id = await link(api, ada.token)
    await limit(api, 10_000, 0)
    await execute(
        api,
        """
        INSERT INTO privacy.platform_link (workspace_id, account_id, platform_id, label, frequency, next_scan_at, seen_until)
        SELECT l.workspace_id, l.account_id, l.platform_id, n::text, 'DAILY', now() - interval '1 hour',
            CASE WHEN n % 2 = 0 THEN now() - interval '1 hour' END
        FROM privacy.platform_link AS l, generate_series(1, $1::integer) AS n
        """,
        2 * BATCH,
    )
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = now() WHERE label = 'Personal'")
    assert await tick(api, datetime.now(UTC)) == BATCH + 1
    assert len(await asked(api)) == BATCH + 1
    assert (await asked(api))[-1] == (link_id, "SCHEDULE"), "the one that was due last"


async def test_the_time_zone_of_the_person_is_followed(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await schedule(api, ada.token, link_id, "DAILY", at="07:00")
    due = await next_at(api, ada.token, link_id)
    await execute(api, "UPDATE core.account SET time_zone = 'Pacific/Kiritimati'")
    assert await tick(api, due) == 1
    local = (await next_at(api, ada.token, link_id)).astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert local.hour == 7
    assert (await state(api, ada.token, link_id))["schedule"]["timeZone"] == "Pacific/Kiritimati"


# A platform's limits


async def test_no_more_is_asked_of_a_platform_than_its_limit_and_nobody_is_passed_over(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    await limit(api, 3, 0)
    links = [await link(api, (ada, ben)[number % 2].token, label=str(number)) for number in range(8)]
    other = await link(api, ben.token, "linkedin")
    for number, id_ in enumerate(links):
        uuid = parse_global_id(id_, field="id")[1]
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        await execute(api, "UPDATE privacy.platform_link SET next_scan_at = $2 WHERE id = $1::text::uuid", uuid, moment)
    await execute(api, "UPDATE privacy.platform_link SET next_scan_at = now() WHERE label = 'Personal'")
    now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=5)
    assert await tick(api, now) == 4, "three of one platform, and the one of the other"
    assert await tick(api, now + timedelta(seconds=30)) == 0, "the same minute"
    assert await tick(api, now + timedelta(minutes=1)) == 3
    assert await tick(api, now + timedelta(minutes=2)) == 2
    assert [id_ for id_, _ in await asked(api) if id_ != other] == links, "in the order in which they were due"


async def test_workers_and_people_share_the_limit(api: Api) -> None:
    ada = await api.person()
    await limit(api, 2, 0)
    links = [await link(api, ada.token, label=str(number)) for number in range(6)]
    answers = await asyncio.gather(*(request(api, ada.token, id_) for id_ in links))
    refused = [answer for answer in answers if answer.codes]
    # The minute may end between two of them.
    assert len(refused) in (2, 3, 4)
    for answer in refused:
        assert answer.code == "TOO_SOON"
        retry = datetime.fromisoformat(answer.body["errors"][0]["extensions"]["retryAt"])
        assert (retry.second, retry.microsecond) == (0, 0)
    async with api.database.connect() as admin:
        most = await admin.fetchval(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM core.outbox GROUP BY date_trunc('minute', created_at)) AS c"
        )
        assert most <= 2
        await admin.execute("UPDATE privacy.platform_link SET next_scan_at = now() WHERE requested_at IS NULL")
        minute = await admin.fetchval("SELECT minute FROM privacy.scan_pace")
        used = await admin.fetchval("SELECT requested FROM privacy.scan_pace")
    assert await tick(api, minute + timedelta(seconds=59)) == 2 - used, "what is left of that minute"


async def test_the_default_limit_holds_where_no_config_is(api: Api) -> None:
    await api.person()
    async with api.database.connect("fivefold_worker") as worker, worker.transaction():
        platform = await worker.fetchval("SELECT id FROM privacy.platform LIMIT 1")
        early = datetime(2016, 1, 1, tzinfo=UTC)
        take = "SELECT privacy.take_scan_pace($1, $2, $3)"
        assert [await worker.fetchval(take, platform, early, n) for n in (29, 2, 1, -5)] == [29, 1, 0, 0]


async def test_a_scan_is_asked_for_now(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    before = datetime.now(UTC)
    found = (await request(api, ada.token, link_id, "one")).data["requestScan"]["link"]["schedule"]
    assert datetime.fromisoformat(found["requestedAt"]) >= before
    assert await asked(api) == [(link_id, "MANUAL")]
    assert (await request(api, ada.token, link_id, "one")).data["requestScan"]["link"]["id"] == link_id
    other = await link(api, ada.token, label="Work")
    assert (await request(api, ada.token, other, "one")).code == "IDEMPOTENCY_CONFLICT"
    assert len(await asked(api)) == 1


async def test_the_cooldown_says_when_to_try_again(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    first = (await request(api, ada.token, link_id)).data["requestScan"]["link"]["schedule"]["requestedAt"]
    answer = await request(api, ada.token, link_id, "again")
    assert answer.code == "TOO_SOON"
    retry = datetime.fromisoformat(answer.body["errors"][0]["extensions"]["retryAt"])
    assert retry == datetime.fromisoformat(first) + timedelta(minutes=15)
    await execute(api, "UPDATE privacy.platform_link SET requested_at = now() - interval '15 minutes 1 second'")
    assert (await request(api, ada.token, link_id, "again")).data, "a failure keeps no key"


async def test_a_scan_begins_the_cooldown_too(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    moment = datetime.now(UTC) - timedelta(minutes=5)
    await recorded(api, ada.token, scan(link_id, await template_of(api, ada.token), capturedAt=moment.isoformat()))
    answer = await request(api, ada.token, link_id)
    assert answer.code == "TOO_SOON"
    retry = datetime.fromisoformat(answer.body["errors"][0]["extensions"]["retryAt"])
    assert retry == moment + timedelta(minutes=15)


async def test_of_many_at_once_one_is_asked(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    answers = await asyncio.gather(*(request(api, ada.token, link_id) for _ in range(10)))
    assert sorted(code for answer in answers for code in answer.codes) == ["TOO_SOON"] * 9
    assert len(await asked(api)) == 1


# What the worker may


async def test_the_worker_changes_no_link_without_a_schedule(api: Api) -> None:
    ada = await api.person()
    await link(api, ada.token)
    gone = await link(api, ada.token, label="Gone")
    await unlink(api, ada.token, gone)
    manual = await link(api, ada.token, label="Manual")
    await schedule(api, ada.token, manual, "MANUAL")
    async with api.database.connect("fivefold_worker") as worker:
        assert await worker.fetch("SELECT label FROM privacy.platform_link") == [], "it acts for nobody"
        await worker.execute("SELECT set_config('fivefold.workspace_id', core.system_workspace_id()::text, false)")
        assert await worker.execute("UPDATE privacy.platform_link SET next_scan_at = next_scan_at") == "UPDATE 1"
        for text in (
            "UPDATE privacy.platform_link SET label = 'x'",
            "UPDATE privacy.platform_link SET latest_snapshot_id = NULL",
            "DELETE FROM privacy.platform_link",
            "SELECT FROM privacy.scan_pace",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await worker.execute(text)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await worker.execute(
                "INSERT INTO core.outbox (workspace_id, object_id, kind, detail) VALUES ($1, $1, 'privacy.other', '{}')",
                ada.workspace_id,
            )
