"""Health: what would break a mutation tomorrow is said today, by readyz and by doctor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app import doctor, serve
from app.core import health
from app.kit import bootstrap
from app.kit.errors import SetupError
from app.settings import Settings
from tests.conftest import Api, Database
from tests.factory.kit import call, pool_of

MAILING = Settings(mail_folder=Path("mail"))
ALLOWED = "SET LOCAL fivefold.audit_ddl = 'allowed'"


async def ready(api: Api) -> tuple[int, list[str]]:
    answer = await api.http.get("/readyz")
    body = answer.json()
    assert body["ready"] == (answer.status_code == 200) == (body["problems"] == [])
    return answer.status_code, body["problems"]


async def checks(database: Database) -> dict[str, tuple[str, str]]:
    found = [asdict(check) for check in await doctor.examine(database.url(), MAILING)]
    return {check["name"]: (check["state"], check["found"]) for check in found}


async def alter(database: Database, *texts: str) -> None:
    """As an administrator who says that the audit may be altered."""
    async with database.connect() as admin, admin.transaction():
        await admin.execute(ALLOWED)
        for text in texts:
            await admin.execute(text)


def partition(months: int) -> str:
    """The partition of so many months from now."""
    today = datetime.now(UTC)
    count = today.year * 12 + today.month - 1 + months
    return f"core.audit_event_{count // 12:04}{count % 12 + 1:02}"


async def test_a_fresh_database_is_ready(api: Api) -> None:
    assert await ready(api) == (200, [])
    found = await checks(api.database)
    seals, told = found.pop("audit seals")  # nobody seals here, which becomes a warning when events are a minute old
    assert seals in ("ok", "warning"), told
    assert "0 blocks" in told
    state, told = found.pop("feed")  # the list that comes with the program protects nobody
    assert (state, "FIVEFOLD_SCAN_FEED" in told) == ("warning", True)
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["audit partitions"] == ("ok", "12 months ahead")
    assert list(found)[:3] == ["connection", "version", "roles"]


@asynccontextmanager
async def altered(database: Database, *texts: str) -> AsyncIterator[dict[str, Any]]:
    """What the database says of itself once it was altered. It is put back as it was."""
    async with database.connect() as admin:
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute(ALLOWED)
        for text in texts:
            await admin.execute(text)
        row = await admin.fetchrow(health.get_health.statement.variant()[0])
        assert row is not None
        yield dict(row)
        await transaction.rollback()


@pytest.mark.parametrize(
    ("dropped", "ahead"),
    [
        ([], 12),
        ([12], 11),
        (range(1, 13), 0),
        (range(2, 13), 1),
        (range(3, 13), 2),
        ([1], 0),
        ([2], 1),
        ([3], 2),
        ([0], 0),
        ([0, 1], 0),
        ([5, 9], 4),
    ],
)
async def test_months_count_as_far_as_they_go_without_a_gap(shared: Api, dropped: Any, ahead: int) -> None:
    async with altered(shared.database, *(f"DROP TABLE {partition(months)}" for months in dropped)) as said:
        assert said["audit_months_ahead"] == ahead


async def test_a_detached_partition_is_none(shared: Api) -> None:
    detaching = f"ALTER TABLE core.audit_event DETACH PARTITION {partition(3)}"
    for more in ([], [f"ALTER TABLE {partition(3)} RENAME TO elsewhere"]):
        async with altered(shared.database, detaching, *more) as said:
            assert said["audit_months_ahead"] == 2


async def test_a_missing_partition_is_told_before_it_is_needed(api: Api) -> None:
    """By readyz to who sends requests, by doctor to who can do something."""
    for months, ready_still in ((4, True), (2, False)):
        await alter(api.database, f"DROP TABLE {partition(months)}")
        status, problems = await ready(api)
        state, found = (await checks(api.database))["audit partitions"]
        assert found.startswith(f"{months - 1} months")
        assert (status, len(problems), state) == ((200, 0, "ok") if ready_still else (503, 1, "failed"))
    assert "1 months" in problems[0]
    assert "fivefold upkeep" in problems[0]


async def test_without_its_partition_a_mutation_fails_whole(api: Api) -> None:
    ada = await api.person("ada")
    await alter(api.database, f"DROP TABLE {partition(0)}")
    linking = call("mutation", "linkPlatform", {"platformSlug": "google", "label": "x", "idempotencyKey": "1"})
    assert (await api(*linking, token=ada.token)).code == "INTERNAL"
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM privacy.platform_link") == 0
        assert await admin.fetchval("SELECT count(*) FROM core.idempotency") == 0
    assert (await api("{ platformLinks { edges { cursor } } }", token=ada.token)).data


@pytest.mark.parametrize(
    "weakened",
    [
        "ALTER TABLE core.audit_event DISABLE TRIGGER append_only",
        "ALTER TABLE core.audit_event ENABLE TRIGGER append_only",
        "ALTER TABLE core.audit_event ENABLE REPLICA TRIGGER append_only_truncate",
        "ALTER TABLE core.audit_detail DISABLE TRIGGER ALL",
        "ALTER TABLE {partition} DISABLE TRIGGER append_only_truncate",
        "ALTER TABLE {partition} ENABLE TRIGGER append_only",
        "DROP TRIGGER append_only ON core.audit_detail",
        "DROP TRIGGER append_only_truncate ON {partition}",
        "DROP TRIGGER append_only ON core.audit_event",
        "ALTER TABLE core.api_key DISABLE TRIGGER audit_insert",
        "ALTER TABLE scans.access DISABLE TRIGGER append_only_delete",
        "ALTER TABLE core.ledger_entry ENABLE TRIGGER append_only",
        "ALTER TABLE privacy.platform_link ENABLE TRIGGER audit_update",
    ],
)
async def test_a_weakened_trigger_is_counted(shared: Api, weakened: str) -> None:
    async with altered(shared.database) as said:
        assert said["audit_triggers_off"] == 0
    async with altered(shared.database, weakened.format(partition=partition(0))) as said:
        assert said["audit_triggers_off"] >= 1


async def test_a_weakened_trigger_is_told(api: Api) -> None:
    await alter(api.database, "ALTER TABLE core.audit_event DISABLE TRIGGER append_only")
    status, problems = await ready(api)
    assert (status, len(problems)) == (503, 1)
    assert "triggers of the audit" in problems[0]
    assert (await checks(api.database))["audit triggers"][0] == "failed"


async def test_missing_event_triggers_are_a_warning(api: Api) -> None:
    """They need a superuser, so a managed database goes without them. One that is missing is as bad as all."""
    await alter(api.database, "ALTER EVENT TRIGGER fivefold_guard_after DISABLE")
    assert (await checks(api.database))["event triggers"][0] == "warning"
    assert (await ready(api))[0] == 200


async def test_clocks_that_differ_are_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "datetime", SimpleNamespace(now=lambda tz: datetime.now(tz) + timedelta(seconds=90)))
    status, problems = await ready(api)
    assert (status, len(problems)) == (503, 1)
    assert "clocks" in problems[0]
    assert (await checks(api.database))["clock"][0] == "failed"


async def test_a_database_that_is_gone_is_a_sentence(api: Api) -> None:
    async with api.database.connect() as admin:
        await admin.execute("ALTER ROLE fivefold_api CONNECTION LIMIT 0")
        try:
            await pool_of(api).expire_connections()
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fivefold_api'")
            status, problems = await ready(api)
            assert (status, problems) == (503, ["The database cannot be reached. Nothing was changed; try again in a moment."])
            answer = await api("{ viewer { role } }", token=(await api.person("ada")).token)
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
            assert (await api.http.get("/healthz")).status_code == 200, "the process itself lives"
        finally:
            await admin.execute("ALTER ROLE fivefold_api CONNECTION LIMIT -1")
    assert await ready(api) == (200, [])


async def test_health_needs_no_caller_and_tells_nothing_of_people(shared: Api) -> None:
    ada = await shared.person("ada")
    answers: list[httpx.Response] = [await shared.http.get(path) for path in ("/healthz", "/readyz")]
    assert answers[0].json().keys() == {"status", "version", "schema"}
    for answer in answers:
        assert answer.status_code == 200
        for secret in (ada.email, str(ada.workspace_id), "fivefold_api", "postgresql://"):
            assert secret not in answer.text


async def test_doctor_stops_where_nothing_can_be_asked(database: Database) -> None:
    for url in ("postgresql://127.0.0.1:1/none", database.url().replace(database.name, "no_such_database")):
        found = await doctor.examine(url, MAILING)
        assert [(check.name, check.state) for check in found] == [("connection", "failed")]


async def test_doctor_looks_at_the_queue(api: Api) -> None:
    """Jobs that nobody takes, and jobs that were given up."""
    async with api.database.connect() as admin:
        add = "SELECT jobs.enqueue('core.none', ARRAY['{}'::bytea], ARRAY[NULL], $1, 0)"
        await admin.execute(add, timedelta(hours=1))
        assert (await checks(api.database))["queue"] == ("ok", "0 due, 0 running, 0 held after their last attempt")
        await admin.execute("UPDATE jobs.pgqueuer SET status = 'failed'")
        assert (await checks(api.database))["queue"] == ("warning", "0 due, 0 running, 1 held after their last attempt")
        await admin.execute(add, timedelta(hours=-1))
        state, found = (await checks(api.database))["queue"]
        assert (state, "fivefold worker" in found) == ("failed", True)
    found_by_api = {check.name: check.found for check in await doctor.examine(api.database.url("fivefold_api"), MAILING)}
    assert found_by_api["queue"] == "only the worker and administrators see it"


async def test_serve_refuses_who_passes_by_the_policies(database: Database) -> None:
    bootstrap.run(database.url())
    with pytest.raises(SetupError, match="postgres passes by the isolation"):
        await serve.check_login(database.url(), "fivefold_api")
    for role in ("fivefold_api", "fivefold_worker"):
        await serve.check_login(database.url(role), "fivefold_api")
