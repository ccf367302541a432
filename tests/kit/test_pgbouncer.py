"""Through PgBouncer in transaction mode: sessions are shared, and nobody finds anything of the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from app import doctor
from app.kit.context import OPERATOR
from app.kit.db import Db, look_up
from app.kit.embedded import Embedded
from app.kit.errors import AppError, SetupError
from app.kit.pool import Pooler, find_pooler, open_pool
from app.kit.runner import open_queue
from app.serve import check_login, check_migrations
from app.settings import Settings
from tests.conftest import Database, copy_of
from tests.factory.cluster import Cluster, cluster_of
from tests.factory.kit import inhabit, serving, statement
from tests.factory.pgbouncer import PgBouncer, pgbouncer_to

LINK = 'mutation { linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { label } } }'
DASHBOARD = """
{
  privacyDashboard { overallScore links { edges { node { id label latestSnapshot { id settings { key observed } } } } } }
  platformLinks(first: 50) { edges { node { label snapshots { edges { node { id changes { setting } } } } } } }
}
"""
SETTINGS = """
SELECT name, setting, reset_val FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'jit', 'plan_cache_mode')
ORDER BY name
"""
IDENTITY = """
SELECT current_setting('fivefold.workspace_id', true) AS workspace_id,
    current_setting('fivefold.account_id', true) AS account_id, current_setting('fivefold.request_id', true) AS request_id
"""


@pytest.fixture(scope="module")
def primary(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server with a TCP port."""
    with cluster_of(server, tmp_path_factory.mktemp("cluster") / "primary") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pooled(primary: Cluster, template: str) -> Iterator[Database]:
    """A database on it."""
    with copy_of(primary, template) as database:
        yield database


@pytest.fixture(scope="module")
def bouncer(primary: Cluster, pooled: Database) -> Iterator[PgBouncer]:
    """Two sessions for everybody."""
    with pgbouncer_to(primary) as started:
        yield started


async def test_it_is_found(bouncer: PgBouncer, pooled: Database) -> None:
    assert await find_pooler(pooled.url("fivefold_api")) is None
    for _ in range(5):  # and asking leaves nothing behind
        found = await find_pooler(bouncer.url(pooled.name, "fivefold_api"))
        assert found == Pooler(keeps_statements=bouncer.keeps_statements)


async def test_callers_alternate_and_see_their_own(bouncer: PgBouncer, pooled: Database, jwt_key: Path) -> None:
    """More clients than sessions, in every order: the walls stand as they do without it."""
    url = bouncer.url(pooled.name, "fivefold_api")
    async with serving(pooled, jwt_key, pool_size=8, database_url=url) as api, serving(pooled, jwt_key) as plain:
        people = {name: await inhabit(api, name, name) for name in ("ada", "ben")}
        expected = {name: (await plain(DASHBOARD, token=person.token)).data for name, person in people.items()}
        assert expected["ada"] != expected["ben"]

        async def read(name: str) -> None:
            for _ in range(6):
                assert (await api(DASHBOARD, token=people[name].token)).data == expected[name]

        await asyncio.gather(*(read(name) for name in ("ada", "ben") * 4))

        async def write(name: str, number: int) -> None:
            document = LINK % (f"{name}{number}", f"{name}{number}")
            answers = await asyncio.gather(*(api(document, token=people[name].token) for _ in range(2)))
            assert all(answer.data for answer in answers)

        await asyncio.gather(*(write(name, number) for name in ("ada", "ben") for number in range(5)))
        for name, person in people.items():
            data = (await api(DASHBOARD, token=person.token)).data
            made = {edge["node"]["label"] for edge in data["platformLinks"]["edges"]}
            assert {f"{name}{number}" for number in range(5)} <= made
            assert not any(label.startswith({"ada": "ben", "ben": "ada"}[name]) for label in made)
        async with pooled.connect() as admin:
            assert await admin.fetchval("SELECT count(*) FROM privacy.platform_link WHERE label ~ '[0-9]$'") == 10
    for _ in range(4):  # each session as the next client finds it
        connection = await asyncpg.connect(url, statement_cache_size=0)
        row = await connection.fetchrow(IDENTITY)
        await connection.close()
        assert row is not None
        assert not any(row.values())


async def test_settings_hold_for_our_transactions_alone(bouncer: PgBouncer, pooled: Database) -> None:
    pool = await open_pool(bouncer.url(pooled.name, "fivefold_api"), size=2, name="test", statement_seconds=0.5)
    try:
        db = Db(pool, OPERATOR, uuid4())
        inside = {row["name"]: row["setting"] for row in await db.fetch(statement(SETTINGS), {})}
        assert inside == {
            "idle_in_transaction_session_timeout": "1000",
            "jit": "off",
            "plan_cache_mode": "force_generic_plan",
            "statement_timeout": "500",
            "transaction_timeout": "2000",
        }
        with pytest.raises(AppError) as refused:
            await db.fetch(statement("SELECT pg_sleep(5)"), {})
        assert refused.value.code_name == "TIMED_OUT"
        await db.close()
        # asyncpg switches jit off for its own questions, and on again perhaps in another session: that harms nobody.
        outside = [row for row in await look_up(pool, statement(SETTINGS), {}) if row["name"] != "jit"]
        assert [row["setting"] for row in outside] == [row["reset_val"] for row in outside]
    finally:
        await pool.close()


async def test_who_needs_a_session_is_told(bouncer: PgBouncer, pooled: Database) -> None:
    with pytest.raises(SetupError, match="the worker listens"):
        async with open_queue(bouncer.url(pooled.name, "fivefold_worker")):
            raise AssertionError("no queue is opened here")
    with pytest.raises(SetupError, match="connect to PostgreSQL itself"):
        await open_pool(bouncer.url(pooled.name, "postgres"), size=1, name="x", statement_seconds=1, role="fivefold_owner")


async def test_a_server_starts_through_it(bouncer: PgBouncer, pooled: Database) -> None:
    url = bouncer.url(pooled.name, "fivefold_api")
    await check_login(url, "fivefold_api")
    await asyncio.to_thread(check_migrations, url)
    (check,) = [each for each in await doctor.examine(url, Settings()) if each.name == "pooler"]
    assert check.state == ("ok" if bouncer.keeps_statements else "warning")


async def test_it_and_the_server_may_restart(primary: Cluster, bouncer: PgBouncer, pooled: Database, jwt_key: Path) -> None:
    url = bouncer.url(pooled.name, "fivefold_api")
    async with serving(pooled, jwt_key, database_url=url, acquire_seconds=20) as api:
        cleo = await api.person("cleo")
        for number, (stop, start) in enumerate(((bouncer.stop, bouncer.start), (primary.stop, primary.start))):
            stop()
            asked = [asyncio.create_task(api(LINK % (number * 9 + n, number * 9 + n), token=cleo.token)) for n in range(6)]
            await asyncio.to_thread(start)
            answers = await asyncio.gather(*asked)
            assert {code for answer in answers for code in answer.codes} <= {"UNAVAILABLE"}
            again = [await api(LINK % (number * 9 + n, number * 9 + n), token=cleo.token) for n in range(6)]
            assert all(answer.data for answer in again)
        async with pooled.connect() as admin:
            assert (
                await admin.fetchval("SELECT count(*) FROM privacy.platform_link WHERE account_id = $1", cleo.account_id) == 12
            )
