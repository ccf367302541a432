"""The demo: three people and a curator with half a year of scans, the same however often it was interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import seed
from app.core.account import create_account
from app.core.plan import update_plan
from app.kit.db import Db, open_as
from app.kit.embedded import Embedded
from app.privacy import demo
from tests.conftest import Database, copy_of
from tests.factory.kit import serving
from tests.factory.privacy import COUNTED

ORIGINS = """
query Origins($user: Int!) {
  u: changes(origin: USER, first: $user) { edges { node { confidence detectedAt } } }
  d: changes(origin: PLATFORM_DEFAULT, first: 1) { edges { node { setting oldValue newValue } } }
  s: changes(origin: PLATFORM_STRUCTURE, first: 1) { edges { node { setting } } }
  t: changes(origin: TECHNICAL, first: 1) { edges { node { setting oldValue newValue } } }
}
"""
STORED = """
SELECT a.email, p.slug, l.label, count(s.id) AS snapshots,
    sum((SELECT count(*) FROM privacy.change c WHERE c.snapshot_id = s.id)) AS changes,
    string_agg(encode(s.packed, 'hex') || coalesce(encode(s.observed, 'hex'), ''), ',' ORDER BY s.id) AS values,
    string_agg(
        (s.captured_at - (SELECT min(h.captured_at) FROM privacy.snapshot h WHERE h.link_id = l.id))::text, ',' ORDER BY s.id
    ) AS moments
FROM privacy.platform_link l
JOIN privacy.platform p ON p.id = l.platform_id
JOIN core.account a ON a.id = l.account_id
LEFT JOIN privacy.snapshot s ON s.link_id = l.id
GROUP BY a.email, p.slug, l.label, l.id
ORDER BY a.email, p.slug, l.label
"""


class Interrupted(Exception):
    """Ctrl-C in the middle of seeding."""


def progress(stop_at: int | None = None) -> tuple[seed.Progress, list[int]]:
    """Where seeding reports: (total, done); stops it at a step."""
    told = [0, 0]

    def total(count: int) -> None:
        told[0] = count

    def step() -> None:
        told[1] += 1
        if told[1] == stop_at:
            raise Interrupted

    return seed.Progress(total, step), told


async def stored(database: Database) -> list[dict[str, Any]]:
    """What was recorded, but for ids and the day it was seeded on."""
    async with database.connect() as connection:
        return [dict(row) for row in await connection.fetch(STORED)]


async def counts(database: Database) -> dict[str, int]:
    tables = (*COUNTED, "core.account", "core.workspace", "core.curator")
    async with database.connect() as connection:
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


@pytest.fixture(scope="module")
async def seeded(server: Embedded, template: str) -> AsyncIterator[Database]:
    """A database with the demo in it; questions only."""
    with copy_of(server, template) as database:
        reports, told = progress()
        lines = await seed.load_demo(database.url(), reports)
        assert told == [demo.size(), demo.size()]
        assert lines == ["people: ada@example.com, ben@example.com, chiara@example.com; curator: curator@example.com"]
        yield database


async def test_there_are_three_people_and_a_curator(seeded: Database) -> None:
    async with seeded.connect() as connection:
        emails = [row["email"] for row in await connection.fetch("SELECT email FROM core.account ORDER BY email")]
        curators = [row["email"] for row in await connection.fetch(
            "SELECT a.email FROM core.curator c JOIN core.account a ON a.id = c.account_id")]  # fmt: skip
    assert emails == ["ada@example.com", "ben@example.com", "chiara@example.com", "curator@example.com"]
    assert curators == ["curator@example.com"]


async def test_each_has_links_with_half_a_year_of_scans(seeded: Database) -> None:
    rows = await stored(seeded)
    assert {(r["email"], r["slug"], r["label"]) for r in rows} == {
        (email, slug, label) for email, accounts in demo.ACCOUNTS.items() for slug, label in accounts
    }
    assert {r["slug"] for r in rows} == {"anthropic", "facebook", "google", "linkedin", "openai"}
    assert all(r["snapshots"] >= 2 for r in rows)
    async with seeded.connect() as connection:
        spans = await connection.fetch(
            "SELECT l.seen_until - min(s.captured_at) AS span, l.seen_until <= now() AS past,"
            " l.linked_at <= min(s.captured_at) AS since"
            " FROM privacy.platform_link l JOIN privacy.snapshot s ON s.link_id = l.id"
            " GROUP BY l.workspace_id, l.id"
        )
        keys = await connection.fetchval("SELECT count(*) FROM core.idempotency WHERE field = 'recordSnapshot'")
    assert all(row["span"].days >= 170 and row["past"] and row["since"] for row in spans)
    assert sum(r["snapshots"] for r in rows) < keys <= demo.size(), "weeks without a change add no snapshot"


async def test_every_kind_of_origin_is_there(seeded: Database) -> None:
    async with seeded.connect() as connection:
        found = {row["origin"]: row["n"] for row in await connection.fetch(
            "SELECT origin, count(*) AS n FROM privacy.change GROUP BY origin")}  # fmt: skip
        flips = await connection.fetch("SELECT DISTINCT setting FROM privacy.change WHERE significance = 'DEFAULT_FLIP'")
        sure = await connection.fetchval("SELECT count(*) FROM privacy.change WHERE origin = 'USER' AND confidence = 1")
    assert found.keys() >= {"USER", "PLATFORM_DEFAULT", "PLATFORM_STRUCTURE", "TECHNICAL"}
    assert "marketing_privacy" in {row["setting"] for row in flips}
    assert 0 < sure < found["USER"]


async def test_links_are_scheduled_and_some_fail(seeded: Database) -> None:
    async with seeded.connect() as connection:
        rows = await connection.fetch("SELECT frequency, health, next_scan_at > now() AS ahead FROM privacy.platform_link")
    assert {row["frequency"] for row in rows} == {"DAILY", "WEEKLY", "MANUAL"}
    assert {row["health"] for row in rows} == {"HEALTHY", "WARNING", "FAILING", "DISCONNECTED"}
    assert sum(bool(row["ahead"]) for row in rows) >= 8


async def test_everything_went_the_way_of_the_api(seeded: Database) -> None:
    """One audit event for each snapshot, by the person; no key without its result."""
    async with seeded.connect() as connection:
        strange = await connection.fetchval(
            "SELECT count(*) FROM privacy.snapshot s JOIN privacy.platform_link l ON l.id = s.link_id"
            " WHERE 1 <> (SELECT count(*) FROM core.audit_event e WHERE e.object_id = s.id AND e.actor_id = l.account_id)"
        )
        unsettled = await connection.fetchval(
            "SELECT count(*) FROM core.idempotency WHERE result_id IS NULL OR created IS NULL"
        )
        latest = await connection.fetchval(
            "SELECT count(*) FROM privacy.platform_link l WHERE latest_snapshot_id <>"
            " (SELECT s.id FROM privacy.snapshot s WHERE s.link_id = l.id ORDER BY s.captured_at DESC LIMIT 1)"
        )
    assert (strange, unsettled, latest) == (0, 0, 0)


async def test_running_it_again_changes_nothing(seeded: Database) -> None:
    before = await counts(seeded)
    reports, told = progress()
    assert await seed.load_demo(seeded.url(), reports) == ["the demo's people are there"]
    assert told == [0, 0]
    assert await counts(seeded) == before


async def test_interrupted_and_run_again_it_is_the_same(seeded: Database, database: Database) -> None:
    """At the first scan, before and after the new templates, and again at the last."""
    for stop in (1, 90, 200, demo.size()):
        reports, told = progress(stop)
        with pytest.raises(Interrupted):
            await seed.load_demo(database.url(), reports)
        assert told[1] == stop
    await seed.load_demo(database.url(), progress()[0])
    assert await stored(database) == await stored(seeded)
    for table, rows in (await counts(seeded)).items():
        if not table.startswith("core.audit_"):  # what is activated again is audited again
            assert (await counts(database))[table] == rows, table


async def test_canceled_at_any_moment_and_run_again_it_is_the_same(seeded: Database, database: Database) -> None:
    for seconds in (0.15, 0.4, 0.7):
        task = asyncio.create_task(seed.load_demo(database.url(), progress()[0]))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await seed.load_demo(database.url(), progress()[0])
    assert await stored(database) == await stored(seeded)


async def test_stopped_before_the_curator_it_still_makes_one(
    seeded: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(db: Db, **_: Any) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(seed, "insert_curator", stop)
        with pytest.raises(Interrupted):
            await seed.load_demo(database.url(), progress()[0])
    await seed.load_demo(database.url(), progress()[0])
    assert await counts(database) | await audit_only(database) == await counts(seeded) | await audit_only(database)


async def audit_only(database: Database) -> dict[str, int]:
    return {table: rows for table, rows in (await counts(database)).items() if table.startswith("core.audit_")}


@pytest.mark.parametrize("weeks", [12, 60])
async def test_the_day_does_not_matter(database: Database, weeks: int) -> None:
    """Files say since when a config is valid; the demo ends today. The same story is told where the two do not meet."""
    async with open_as(database.url(), "fivefold_owner") as (pool, db):
        people = {}
        for email in demo.ACCOUNTS:
            account = await create_account(db, email=email, display_name=email)
            async with db.transaction():
                await update_plan(db, personal_account_id=account.id, plan="enterprise")
            people[email] = await seed.as_person(pool, db, account)
        end = datetime(2026, 11, 20, tzinfo=UTC) - timedelta(weeks=weeks)
        try:
            for _ in range(2):
                await demo.load(people, db, end, lambda: None)
        finally:
            for person in people.values():
                await person.close()
    async with database.connect() as connection:
        found = {row["origin"] for row in await connection.fetch("SELECT DISTINCT origin FROM privacy.change")}
        configs = await connection.fetchval(
            "SELECT max(count) FROM (SELECT count(*) FROM privacy.platform_config GROUP BY platform_id)"
        )
    assert found >= {"USER", "PLATFORM_DEFAULT", "PLATFORM_STRUCTURE", "TECHNICAL"}
    assert configs == 3


async def test_a_person_sees_every_origin(seeded: Database, jwt_key: Path) -> None:
    async with seeded.connect() as connection:
        account_id = await connection.fetchval("SELECT id FROM core.account WHERE email = 'ada@example.com'")
    async with serving(seeded, jwt_key) as api:
        token = api.keys.sign(str(account_id), lifetime=timedelta(hours=1))
        data = (await api(ORIGINS, {"user": 20}, token=token)).data
    assert all(data[name]["edges"] for name in "udst")
    technical = data["t"]["edges"][0]["node"]
    assert technical["oldValue"] != technical["newValue"]
    assert technical["oldValue"].casefold() == technical["newValue"].casefold()


async def test_templates_are_analyzed_and_shown_to_those_whose_plan_has_it(seeded: Database, jwt_key: Path) -> None:
    """By rules, and approved: the demo needs no model."""
    asked = "{ platforms { edges { node { activeTemplate { analysisAvailability analysis { model riskScore } } } } } }"
    async with serving(seeded, jwt_key) as api, seeded.connect() as connection:
        for name, state in (("ada", "AVAILABLE"), ("ben", "NOT_IN_PLAN")):
            id_ = await connection.fetchval("SELECT id FROM core.account WHERE email = $1", f"{name}@example.com")
            data = (await api(asked, token=api.keys.sign(str(id_), lifetime=timedelta(hours=1)))).data
            shown = [edge["node"]["activeTemplate"] for edge in data["platforms"]["edges"]]
            assert {template["analysisAvailability"] for template in shown} == {state}
            models = {(template["analysis"] or {}).get("model") for template in shown}
            assert models == ({"rules-1"} if state == "AVAILABLE" else {None})
