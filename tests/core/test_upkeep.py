"""Upkeep: the worker makes the audit's next partitions and drops keys past their week, and can do nothing else by it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from app.core import upkeep
from app.kit.db import open_as
from tests.conftest import Api, Database
from tests.core.test_health import alter, partition
from tests.factory.kit import call, claim_as

PARTITIONS = """
SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, r.rolname::text AS owner,
    ARRAY(
        SELECT t.tgname || ':' || t.tgenabled::text FROM pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal ORDER BY 1
    ) AS triggers,
    ARRAY(SELECT p.polname || ':' || p.polcmd::text FROM pg_policy AS p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
    ARRAY(SELECT DISTINCT a.grantee::regrole::text FROM aclexplode(c.relacl) AS a ORDER BY 1) AS grantees,
    pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_roles AS r ON r.oid = c.relowner
WHERE i.inhparent = 'core.audit_event'::regclass
ORDER BY 1
"""


async def run(database: Database) -> None:
    async with open_as(database.url("fivefold_worker"), "fivefold_worker") as (_, db):
        await upkeep.run(db)


async def partitions(database: Database) -> list[dict[str, Any]]:
    async with database.connect() as admin:
        return [dict(row) for row in await admin.fetch(PARTITIONS)]


async def test_partitions_reach_a_year_ahead_again(database: Database) -> None:
    before = await partitions(database)
    assert len(before) == 13
    await alter(database, *(f"DROP TABLE {partition(months)}" for months in (1, 5, 12)))
    assert len(await partitions(database)) == 10
    await run(database)
    assert await partitions(database) == before, "what upkeep makes is what the migration made"


async def test_every_partition_has_the_walls_of_the_first(database: Database) -> None:
    found = await partitions(database)
    for row in found:
        assert row["forced"]
        assert row["owner"] == "fivefold_owner"
        assert row["triggers"] == ["append_only:A", "append_only_truncate:A"]
        assert row["policies"] == ["owner:*"]
        assert set(row["grantees"]) <= {"fivefold_owner"}
    bounds = [row["bound"] for row in found]
    ends = [bound.rpartition("TO ")[2] for bound in bounds]
    assert [bound.partition("FROM ")[2].partition(" TO")[0] for bound in bounds[1:]] == ends[:-1], "months without a gap"


async def test_running_it_again_changes_nothing(database: Database) -> None:
    before = await partitions(database)
    for _ in range(2):
        await run(database)
    assert await partitions(database) == before


async def test_upkeep_does_not_wait_for_mutations(api: Api) -> None:
    """Beside an open transaction that has written to the audit."""
    ada = await api.person("ada")
    await alter(api.database, f"DROP TABLE {partition(12)}")
    async with api.database.connect() as admin, admin.transaction():
        await admin.execute("UPDATE core.account SET display_name = 'x'")
        await asyncio.wait_for(run(api.database), 10)
    assert len(await partitions(api.database)) == 13
    linking = call("mutation", "linkPlatform", {"platformSlug": "google", "label": "x", "idempotencyKey": "1"})
    assert (await api(*linking, token=ada.token)).data


async def test_only_keys_past_their_week_go(api: Api) -> None:
    for name in ("ada", "ben"):
        for days in (6, 8, 400):
            await claim_as(api, name, f"{days} days")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.idempotency SET created_at = now() - replace(key, ' ', '')::interval")
        await run(api.database)
        left = await admin.fetch("SELECT workspace_id, key FROM core.idempotency")
        assert {workspace_id for workspace_id, _ in left} == {(await api.person(n)).workspace_id for n in ("ada", "ben")}
        assert {key for _, key in left} == {"6 days"}
        assert len(left) == 2


async def test_the_worker_can_drop_no_younger_key(api: Api) -> None:
    await claim_as(api, "ada", "young")
    async with api.database.connect("fivefold_worker") as worker:
        assert await worker.execute("DELETE FROM core.idempotency") == "DELETE 0"
        for text in ("UPDATE core.idempotency SET created_at = now() - interval '1 year'", "TRUNCATE core.idempotency"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await worker.execute(text)


async def test_what_a_payment_provider_told_goes_after_400_days(api: Api) -> None:
    people = [await api.person(name) for name in ("ada", "ben")]
    insert = (
        "INSERT INTO core.billing_event (workspace_id, id, occurred_at, provider_event_id, type, state, detail)"
        " SELECT $1::uuid, uuidv7(make_interval(days => -d)), now(), $1::text || d, 'ping', 'IGNORED', '{}'"
        " FROM unnest(ARRAY[1, 399, 401, 900]) AS d"
    )
    asked = "SELECT split_part(provider_event_id, $1, 2)::int FROM core.billing_event WHERE workspace_id::text = $1 ORDER BY id"
    async with api.database.connect() as admin:
        for person in people:
            await admin.execute(insert, str(person.workspace_id))
        async with api.database.connect("fivefold_worker") as worker:
            await worker.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(people[0].workspace_id))
            assert (
                await worker.execute("DELETE FROM core.billing_event WHERE id > core.uuidv7_floor('2000-01-01')") == "DELETE 2"
            )
        await run(api.database)
        for person in people:
            assert [row[0] for row in await admin.fetch(asked, str(person.workspace_id))] == [399, 1]
        told = "SELECT count(*) FROM core.audit_event WHERE object = 'core.billing_event' AND action = 'DELETE'"
        assert await admin.fetchval(told) == 4


@pytest.mark.parametrize("role", ["fivefold_api", "fivefold_auditor", "fivefold_migrator"])
async def test_nobody_else_makes_partitions(database: Database, role: str) -> None:
    async with database.connect(role) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT core.create_audit_partition('2099-01-01')")


async def test_the_partition_maker_takes_a_month_and_nothing_else(database: Database) -> None:
    """Its argument is a date: what it names and executes cannot be steered."""
    async with database.connect("fivefold_worker") as worker:
        await worker.execute("SET search_path = pg_temp, public")
        await worker.execute("SET DateStyle = 'German'")
        await worker.execute("SET TimeZone = 'Pacific/Auckland'")
        for day in ("2099-03-31", "2099-03-01", "2099-03-15"):
            await worker.execute(f"SELECT core.create_audit_partition('{day}')")
        for text in ("infinity", "x'); DROP TABLE core.account; --"):
            with pytest.raises(asyncpg.PostgresError):
                await worker.execute("SELECT core.create_audit_partition($1::text::date)", text)
    (made,) = [row for row in await partitions(database) if row["name"].endswith("209903")]
    async with database.connect() as admin:
        for moment, inside in (
            ("2099-02-28T23:59:59.999Z", False),
            ("2099-03-01T00:00:00Z", True),
            ("2099-03-31T23:59:59.999Z", True),
            ("2099-04-01T00:00:00Z", False),
        ):
            low, high = (part.strip("()' ") for part in made["bound"].removeprefix("FOR VALUES FROM ").split(" TO "))
            row = await admin.fetchval(f"SELECT core.uuidv7_floor('{moment}') BETWEEN '{low}' AND '{high}'")
            assert row == inside or moment.startswith("2099-04"), (moment, made["bound"])


async def test_two_at_once_do_no_harm(database: Database) -> None:
    await alter(database, *(f"DROP TABLE {partition(months)}" for months in range(1, 13)))
    done = await asyncio.gather(run(database), run(database), return_exceptions=True)
    assert list(done) == [None, None]
    assert len(await partitions(database)) == 13
