"""Reading from a replica: one's own writes are seen, a lost or late replica is left, another primary is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import ANY
from uuid import uuid4

import httpx
import pytest

from app import doctor
from app.kit.context import OPERATOR
from app.kit.db import Db
from app.kit.embedded import Embedded
from app.kit.pool import Lost
from app.kit.replica import HEADER, Replica
from app.settings import Settings
from tests.conftest import Answer, Api, Database, copy_of
from tests.factory.cluster import HOST, Cluster, cluster_of
from tests.factory.kit import inhabit, pool_of, serving, statement

LABELS = "{ platformLinks(first: 50) { edges { node { label } } } }"
DASHBOARD = """
{
  privacyDashboard { overallScore links { edges { node { id label latestSnapshot { id settings { key observed } } } } } }
  platformLinks { edges { node { label snapshots { edges { node { id changes { setting } } } } } } }
}
"""
LINK = 'mutation { linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { label } } }'


@pytest.fixture(scope="module")
def primary(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server of the module's own."""
    with cluster_of(server, tmp_path_factory.mktemp("cluster") / "primary") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def standby(primary: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """What streams from it."""
    cluster = primary.standby(tmp_path_factory.mktemp("cluster") / "standby")
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def copied(primary: Cluster, standby: Cluster, template: str) -> Iterator[Database]:
    """A database on both."""
    with copy_of(primary, template) as database:
        caught_up(primary, standby)
        yield database


def caught_up(primary: Cluster, standby: Cluster) -> None:
    """Until the standby has replayed all that there is."""
    ((position,),) = primary.execute("SELECT pg_current_wal_insert_lsn()")
    while standby.execute(f"SELECT 1 WHERE pg_last_wal_replay_lsn() < '{position}'"):
        pass


@asynccontextmanager
async def replicated(database: Database, standby: Cluster, jwt_key: Path, **settings: Any) -> AsyncIterator[Api]:
    """The API, reading from the standby."""
    async with serving(database, jwt_key, read_url=standby.url(database.name, "fivefold_api"), **settings) as api:
        yield api


def replica_of(api: Api) -> Replica:
    """The replica behind an API."""
    app = cast(Any, cast(httpx.ASGITransport, api.http._transport).app)
    return cast(Replica, app.state.service.replica)


def labels(answer: Answer) -> set[str]:
    """What a caller has linked."""
    return {edge["node"]["label"] for edge in answer.data["platformLinks"]["edges"]}


async def reads(api: Api) -> dict[str, int]:
    """How many queries read where."""
    text = (await api.http.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("fivefold_reads_total{")]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines}


async def seen(api: Api, label: str, token: str) -> Answer:
    """Link something, and read with what the answer said."""
    made = await api(LINK % (label, label), token=token)
    assert made.data
    return await api(LABELS, token=token, fivefold_position=made.headers[HEADER])


async def test_queries_read_there_and_find_the_same(
    primary: Cluster, standby: Cluster, copied: Database, jwt_key: Path
) -> None:
    async with replicated(copied, standby, jwt_key) as api, serving(copied, jwt_key) as plain:
        ada = await inhabit(api, "ada")
        await asyncio.to_thread(caught_up, primary, standby)
        before = await reads(api)
        for document in (LABELS, DASHBOARD, "{ __typename __schema { queryType { name } } " + LABELS[1:]):
            assert (await api(document, token=ada.token)).data == (await plain(document, token=ada.token)).data
        assert (await reads(api)).get("replica", 0) == before.get("replica", 0) + 3
        assert HEADER not in (await plain(LINK % ("x", "x"), token=ada.token)).headers


async def test_who_has_written_reads_it_however_late_the_replica_is(
    primary: Cluster, standby: Cluster, copied: Database, jwt_key: Path
) -> None:
    async with replicated(copied, standby, jwt_key) as api:
        ada = await api.person("ada")
        await asyncio.to_thread(caught_up, primary, standby)
        standby.execute("SELECT pg_wal_replay_pause()")
        try:
            made = await api(LINK % ("mine", "1"), token=ada.token)
            token = made.headers[HEADER]
            assert labels(await api(LABELS, token=ada.token)) == set()  # who does not ask for it reads an older picture
            assert labels(await api(LABELS, token=ada.token, fivefold_position=token)) == {"mine"}
            assert (await reads(api)) == {"replica": 1, "primary": 1}
        finally:
            standby.execute("SELECT pg_wal_replay_resume()")
        await asyncio.to_thread(caught_up, primary, standby)
        assert labels(await api(LABELS, token=ada.token, fivefold_position=token)) == {"mine"}
        assert (await reads(api)) == {"replica": 2, "primary": 1}


async def test_written_and_read_again_and_again(standby: Cluster, copied: Database, jwt_key: Path) -> None:
    """While replaying goes on, many at once: nobody misses what is his own, and most need no primary for it."""
    async with replicated(copied, standby, jwt_key) as api:
        ada = await api.person("ada")

        async def go(name: str) -> None:
            for number in range(8):
                assert f"{name}{number}" in labels(await seen(api, f"{name}{number}", ada.token))

        await asyncio.gather(*(go(name) for name in "abcd"))


async def test_positions_that_nobody_gave_do_no_harm(standby: Cluster, copied: Database, jwt_key: Path) -> None:
    async with replicated(copied, standby, jwt_key) as api:
        ada = await api.person("ada")
        good = (await api(LINK % ("x", "1"), token=ada.token)).headers[HEADER]
        cluster, _, position = good.partition("-")
        evil = ["x", "-", f"{cluster}-", f"{cluster}-{position}'", f"{cluster}-g", f"{cluster}-{'1' * 17}", "é", "9" * 5000, ""]
        for bad in evil:
            sent = [(b"Authorization", f"Bearer {ada.token}".encode()), (HEADER.encode(), bad.encode())]
            answer = await api.http.post("/graphql", json={"query": LABELS}, headers=sent)
            assert answer.status_code == 400, bad
            assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
        before = await reads(api)
        for huge in (f"{cluster}-{'f' * 16}", f"{cluster}-7fffffffffffffff"):  # nobody waits for what will never come
            assert labels(await api(LABELS, token=ada.token, fivefold_position=huge)) == {"x"}
        assert (await reads(api))["primary"] == before.get("primary", 0) + 2
        for harmless in (f"{cluster}-0", f"00000000-{position}", "ffffffff-ffffffffffffffff"):
            assert (await api(LABELS, token=ada.token, fivefold_position=harmless)).data
        assert (await reads(api))["replica"] == before.get("replica", 0) + 3


async def test_a_browser_may_send_and_read_positions(standby: Cluster, copied: Database, jwt_key: Path) -> None:
    async with replicated(copied, standby, jwt_key, allowed_origins=["http://localhost:*"]) as api:
        asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
        allowed = await api.http.options("/graphql", headers={**asked, "Access-Control-Request-Headers": HEADER})
        assert allowed.status_code == 200
        assert HEADER.lower() in allowed.headers["access-control-allow-headers"].lower()
        answer = await api.http.post("/graphql", json={"query": "{ viewer { role } }"}, headers={"Origin": asked["Origin"]})
        assert HEADER in answer.headers["access-control-expose-headers"]


async def test_a_replica_that_is_gone_is_left_and_found_again(
    primary: Cluster, standby: Cluster, copied: Database, jwt_key: Path
) -> None:
    async with replicated(copied, standby, jwt_key) as api:
        ada = await api.person("ada")
        assert "one" in labels(await seen(api, "one", ada.token))
        standby.stop()
        try:
            for _ in range(3):
                answers = await asyncio.gather(*(api(LABELS, token=ada.token) for _ in range(10)))
                assert all(labels(answer) == {"one"} for answer in answers)
            assert replica_of(api).lag is None
            assert "fivefold_replica_lag_seconds -1.0" in (await api.http.get("/metrics")).text
        finally:
            await asyncio.to_thread(standby.start)
        await asyncio.to_thread(caught_up, primary, standby)
        await replica_of(api).look()
        before = (await reads(api)).get("replica", 0)
        assert labels(await api(LABELS, token=ada.token)) == {"one"}
        assert (await reads(api))["replica"] == before + 1


async def test_a_query_that_the_replica_ends_is_answered_by_the_primary(
    primary: Cluster, standby: Cluster, copied: Database, jwt_key: Path
) -> None:
    """Ended in the middle, as by a conflict with replaying."""
    async with replicated(copied, standby, jwt_key) as api:
        ada = await api.person("ada")
        await asyncio.to_thread(caught_up, primary, standby)
        # An exclusive lock of the primary holds on the standby as well, once it is replayed.
        async with copied.connect() as admin, admin.transaction():
            await admin.execute("LOCK TABLE privacy.platform_link IN ACCESS EXCLUSIVE MODE")
            await admin.execute("SELECT pg_log_standby_snapshot()")
            await asyncio.to_thread(caught_up, primary, standby)
            asked = asyncio.create_task(api(LABELS, token=ada.token))
            waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'fivefold_api'"
            while not standby.execute(f"SELECT 1 {waiting}"):  # noqa: ASYNC110 - a server tells nobody
                await asyncio.sleep(0.01)
            standby.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        assert labels(await asked) == set()
        assert "fivefold_retries_total 1.0" in (await api.http.get("/metrics")).text


async def test_what_is_audited_when_it_is_read_is_read_there_too(standby: Cluster, copied: Database, jwt_key: Path) -> None:
    """The event is written on the primary, and the rest of the query is as any other."""
    async with replicated(copied, standby, jwt_key) as api:
        ada = await api.person("ada")
        answer = await api("{ auditEvents(first: 2) { edges { node { id } } } }", token=ada.token)
        assert "errors" not in answer.body
        assert await reads(api) == {"replica": 1}


async def test_what_only_a_primary_can_is_asked_there(standby: Cluster, copied: Database, jwt_key: Path) -> None:
    async with replicated(copied, standby, jwt_key) as api:
        replica = replica_of(api)
        db = Db(pool_of(api), OPERATOR, uuid4())
        db.read_from(replica, None)
        where = statement("SELECT pg_is_in_recovery() AS standby")
        assert [row["standby"] for row in await db.fetch(where, {})] == [True]
        async with db.transaction():
            assert [row["standby"] for row in await db.fetch(where, {})] == [False]
        assert [row["standby"] for row in await db.fetch(where, {})] == [False]  # and stays there, with what it wrote
        await db.close()
        db = Db(pool_of(api), OPERATOR, uuid4())
        db.read_from(replica, None)
        with pytest.raises(Lost):
            await db.fetch(statement("SELECT pg_current_wal_insert_lsn()"), {})
        assert db.lost
        await db.renew()
        assert await db.fetch(statement("SELECT pg_current_wal_insert_lsn()::text AS lsn"), {})
        await db.close()
        assert replica.pool is not None
        for pool in (pool_of(api), replica.pool):
            assert pool.get_idle_size() == pool.get_size()


async def test_a_replica_that_is_far_behind_is_not_read(
    primary: Cluster, standby: Cluster, copied: Database, jwt_key: Path
) -> None:
    async with replicated(copied, standby, jwt_key, read_lag_seconds=0.2) as api:
        ada = await api.person("ada")
        standby.execute("SELECT pg_wal_replay_pause()")
        try:
            assert (await api(LINK % ("late", "late"), token=ada.token)).data
            replica = replica_of(api)
            while replica.usable:
                await asyncio.sleep(0.05)
                await replica.look()
            assert labels(await api(LABELS, token=ada.token)) == {"late"}
        finally:
            standby.execute("SELECT pg_wal_replay_resume()")
        await asyncio.to_thread(caught_up, primary, standby)
        await replica.look()
        assert replica.lag == 0.0


async def test_nobody_reads_from_a_stranger(copied: Database, jwt_key: Path, tmp_path: Path) -> None:
    """A server of another cluster, by a mistake in a setting."""
    with Embedded.start(tmp_path / "other", durable=False) as other:
        async with serving(copied, jwt_key, read_url=other.url()) as api:
            await replica_of(api).look()
            assert not replica_of(api).usable
            ada = await api.person("ada")
            assert "x" in labels(await seen(api, "x", ada.token))
            assert await reads(api) == {"primary": 1}


async def test_doctor_looks_at_the_replica(standby: Cluster, copied: Database, tmp_path: Path) -> None:
    async def found(read_url: str) -> tuple[str, str]:
        checks = await doctor.examine(copied.url(), Settings(read_url=read_url))
        return next((check.state, check.found) for check in checks if check.name == "replica")

    assert await found(standby.url(copied.name)) == ("ok", ANY)
    assert await found(copied.url()) == ("warning", "is no standby")
    state, said = await found("postgresql://127.0.0.1:1/none")
    assert (state, "FIVEFOLD_READ_URL" in said) == ("failed", True)
    with Embedded.start(tmp_path / "other", durable=False) as other:
        state, said = await found(other.url())
    assert (state, "another database cluster" in said) == ("failed", True)


async def test_another_primary_is_found(server: Embedded, template: str, jwt_key: Path, tmp_path: Path) -> None:
    """The standby becomes the primary and the old one dies: the same process goes on, and nothing acknowledged is gone."""
    with cluster_of(server, tmp_path / "one") as one, copy_of(one, template) as database:
        two = one.standby(tmp_path / "two")
        try:
            await asyncio.to_thread(caught_up, one, two)
            hosts = f"{HOST}:{one.port},{HOST}:{two.port}"
            url = f"postgresql://fivefold_api@{hosts}/{database.name}?sslmode=disable&target_session_attrs="
            async with serving(
                database, jwt_key, database_url=url + "read-write", read_url=url + "prefer-standby", acquire_seconds=10
            ) as api:
                ada = await api.person("ada")
                assert "before" in labels(await seen(api, "before", ada.token))
                await asyncio.to_thread(caught_up, one, two)
                one.stop()
                moving = asyncio.create_task(asyncio.to_thread(two.promote))
                answers = await asyncio.gather(
                    *(api(LINK % (number, number), token=ada.token) for number in range(10)),
                    *(api(LABELS, token=ada.token) for _ in range(10)),
                )
                await moving
                assert all(answer.data for answer in answers)
                assert labels(await seen(api, "after", ada.token)) == {"before", "after", *map(str, range(10))}
        finally:
            two.stop()
            one.start()


async def test_a_primary_that_became_a_standby_is_left(server: Embedded, template: str, jwt_key: Path, tmp_path: Path) -> None:
    """Demoted under open connections: the write is refused with 25006, the pool is emptied, the other one is found."""
    with cluster_of(server, tmp_path / "one") as one, copy_of(one, template) as database:
        two = one.standby(tmp_path / "two")
        try:
            await asyncio.to_thread(caught_up, one, two)
            hosts = f"{HOST}:{one.port},{HOST}:{two.port}"
            url = f"postgresql://fivefold_api@{hosts}/{database.name}?sslmode=disable&target_session_attrs=read-write"
            async with serving(database, jwt_key, database_url=url) as api:
                ada = await api.person("ada")
                assert (await api(LABELS, token=ada.token)).data
                one.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                one.execute("SELECT pg_reload_conf()")
                two.promote()
                answers = await asyncio.gather(*(api(LINK % (n, n), token=ada.token) for n in range(5)))
                assert all(answer.data for answer in answers)
                async with serving(database, jwt_key, database_url=two.url(database.name, "fivefold_api")) as other:
                    assert labels(await other(LABELS, token=ada.token)) == set("01234")
        finally:
            two.stop()
            one.execute("ALTER SYSTEM RESET default_transaction_read_only; ")
            one.execute("SELECT pg_reload_conf()")
