"""Connections that are lost: what is run again, what is said, and that nobody waits longer than told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import OperationDefinitionNode, parse

from app.kit.context import OPERATOR
from app.kit.db import Db
from app.kit.embedded import Embedded
from app.kit.errors import AppError
from app.kit.executor import has_keys
from app.kit.pool import Lost, open_pool
from tests.conftest import Api, Database, copy_of
from tests.factory.cluster import HOST, Cluster, Wire, cluster_of, wire_to
from tests.factory.kit import pool_of, serving, statement

LABELS = "{ platformLinks { edges { node { label } } } }"
LINK = 'mutation { linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { label } } }'
PID = statement("SELECT pg_backend_pid() AS pid")
SLEEP = statement("SELECT pg_sleep(4)")


@pytest.fixture(scope="module")
def primary(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server of the module's own."""
    with cluster_of(server, tmp_path_factory.mktemp("cluster") / "primary") as cluster:
        yield cluster


@pytest.fixture
def lonely(primary: Cluster, template: str) -> Iterator[Database]:
    """A database on it."""
    with copy_of(primary, template) as database:
        yield database


def through(database: Database, *ports: int) -> str:
    """The address of a database by way of other ports."""
    places = ",".join(f"{HOST}:{port}" for port in ports)
    return f"postgresql://fivefold_api@{places}/{database.name}?sslmode=disable&target_session_attrs=read-write"


async def links(api: Api) -> list[str]:
    """The labels that are there, from behind."""
    async with api.database.connect() as admin:
        return [label for (label,) in await admin.fetch("SELECT label FROM privacy.platform_link ORDER BY id")]


@asynccontextmanager
async def timed(seconds: float) -> AsyncIterator[None]:
    """What must not hang."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


async def all_given_back(api: Api) -> None:
    """Until no connection is in use."""
    pool = pool_of(api)
    for _ in range(500):
        if pool.get_idle_size() == pool.get_size() and pool.waiting == 0:
            held = [await pool.acquire(timeout=5) for _ in range(pool.get_max_size())]  # every place can be used
            for connection in held:
                await pool.release(connection)
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a connection was kept")


# The server goes and comes back


async def test_a_restarted_server_is_noticed_by_nobody(primary: Cluster, lonely: Database, jwt_key: Path) -> None:
    """Killed at once, not shut down: queries and mutations that come next find new connections."""
    async with serving(lonely, jwt_key) as api:
        ada = await api.person("ada")
        await asyncio.gather(*(api(LABELS, token=ada.token) for _ in range(10)))
        for number in range(2):
            primary.stop()
            primary.start()
            answers = await asyncio.gather(
                *(api(LABELS, token=ada.token) for _ in range(10)), api(LINK % (number, number), token=ada.token)
            )
            assert all(answer.data for answer in answers)
        assert await links(api) == ["0", "1"]
        await all_given_back(api)


async def test_requests_wait_for_a_server_that_starts(primary: Cluster, lonely: Database, jwt_key: Path) -> None:
    async with serving(lonely, jwt_key, acquire_seconds=20) as api:
        ada = await api.person("ada")
        primary.stop()
        asked = [asyncio.create_task(api(document, token=ada.token)) for document in (LABELS, LINK % ("late", "late"))]
        while pool_of(api).waiting < 2:  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.start)
        assert all(answer.data for answer in await asyncio.gather(*asked))
        assert await links(api) == ["late"]


async def test_a_server_that_is_away_is_said_so_in_time(primary: Cluster, lonely: Database, jwt_key: Path) -> None:
    async with serving(lonely, jwt_key, acquire_seconds=0.5) as api:
        ada = await api.person("ada")
        primary.stop()
        try:
            async with timed(5):
                answers = await asyncio.gather(
                    *(api(document, token=ada.token) for document in [LABELS, LINK % ("x", "x")] * 20)
                )
            for answer in answers:
                assert (answer.status, answer.code) == (503, "UNAVAILABLE")
                assert answer.body["errors"][0]["extensions"]["written"] == "no"
        finally:
            primary.start()
        assert (await api(LABELS, token=ada.token)).data
        await all_given_back(api)


async def test_what_was_lost_at_work_is_run_once_more(lonely: Database, jwt_key: Path) -> None:
    """Queries, and mutations of which nothing was committed; on both executors, and whatever the statement was."""
    async with serving(lonely, jwt_key) as api:
        ada = await api.person("ada")
        stock = "{ __typename __schema { queryType { name } } " + LABELS[1:]
        for table in ("privacy.platform_link", "core.idempotency"):
            async with lonely.connect() as admin, lonely.connect() as other:
                transaction = admin.transaction()
                await transaction.start()
                await admin.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                documents = [LINK % (table, table)] + ([LABELS, stock] if table == "privacy.platform_link" else [])
                asked = [asyncio.create_task(api(document, token=ada.token)) for document in documents]
                waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                while await other.fetchval(f"SELECT count(*) {waiting}") < len(documents):
                    pass
                await other.fetch(f"SELECT pg_terminate_backend(pid) {waiting}")
                await transaction.rollback()
            for answer in await asyncio.gather(*asked):
                assert answer.data
        text = (await api.http.get("/metrics")).text
        assert "fivefold_retries_total 4.0" in text
        assert await links(api) == ["privacy.platform_link", "core.idempotency"]
        await all_given_back(api)


# COMMIT whose answer is lost


def lose_commits(monkeypatch: pytest.MonkeyPatch, wire: Wire, times: int) -> list[str]:
    """Commit so many times without hearing of it. Gives what was lost."""
    end = Db._end
    lost: list[str] = []

    async def deaf(self: Db, text: str) -> None:
        if text == "COMMIT" and self._begun == "BEGIN ISOLATION LEVEL READ COMMITTED" and len(lost) < times:
            lost.append(text)
            wire.silent_back = True
            committed = asyncio.create_task(end(self, text))
            await wire.answered.wait()
            wire.cut()
            wire.silent_back = False
            wire.answered.clear()
            await committed
        else:
            await end(self, text)

    monkeypatch.setattr(Db, "_end", deaf)
    return lost


async def test_a_commit_whose_answer_is_lost_is_asked_for_by_its_key(
    primary: Cluster, lonely: Database, jwt_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was committed, nobody heard of it: the second run finds the key, and gives the answer of the first."""
    async with wire_to(primary) as wire, serving(lonely, jwt_key, database_url=through(lonely, wire.port)) as api:
        ada = await api.person("ada")
        lost = lose_commits(monkeypatch, wire, 1)
        answer = await api(LINK % ("once", "once"), token=ada.token)
        assert lost == ["COMMIT"]
        assert answer.data["linkPlatform"]["link"]["label"] == "once"
        assert await links(api) == ["once"]
        lost = lose_commits(monkeypatch, wire, 2)  # and twice is too much
        answer = await api(LINK % ("twice", "twice"), token=ada.token)
        assert (answer.code, answer.body["errors"][0]["extensions"]["written"]) == ("UNAVAILABLE", "unknown")
        monkeypatch.undo()
        assert (await api(LINK % ("twice", "twice"), token=ada.token)).data
        assert await links(api) == ["once", "twice"]
        await all_given_back(api)


async def test_without_a_key_nobody_guesses(
    primary: Cluster, lonely: Database, jwt_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wire_to(primary) as wire, serving(lonely, jwt_key, database_url=through(lonely, wire.port)) as api:
        ada = await api.person("ada")
        lost = lose_commits(monkeypatch, wire, 1)
        creating = 'mutation { createApiKey(input: {name: "x", scopes: ["privacy:read"]}) { secret } }'
        answer = await api(creating, token=ada.token)
        assert (answer.code, answer.body["errors"][0]["extensions"]["written"]) == ("UNAVAILABLE", "unknown")
        assert lost == ["COMMIT"]
        async with lonely.connect() as admin:
            assert await admin.fetchval("SELECT count(*) FROM core.api_key") == 1
        await all_given_back(api)


# A server that says nothing more


@pytest.mark.parametrize("document", [LABELS, LINK % ("x", "silent")], ids=["query", "mutation"])
async def test_a_silent_server_costs_nobody_more_than_the_time_of_a_request(
    primary: Cluster, lonely: Database, jwt_key: Path, document: str
) -> None:
    """No reset, no refusal: bytes go out and nothing comes back."""
    limits = {"request_seconds": 3, "statement_seconds": 60, "acquire_seconds": 1, "connect_seconds": 1, "pool_size": 4}
    async with (
        wire_to(primary) as wire,
        serving(lonely, jwt_key, database_url=through(lonely, wire.port), **limits) as api,
    ):
        ada = await api.person("ada")
        assert (await api(LABELS, token=ada.token)).data
        wire.silent = True
        for _ in range(2):
            async with timed(4.0):
                answers = await asyncio.gather(*(api(document, token=ada.token) for _ in range(12)))
            assert {answer.code for answer in answers} <= {"TIMED_OUT", "UNAVAILABLE"}
        wire.silent = False
        wire.cut()
        assert (await api(LINK % ("y", "heard"), token=ada.token)).data
        await all_given_back(api)


async def test_a_statement_that_is_not_answered_ends_the_connection(primary: Cluster, lonely: Database) -> None:
    """Jobs and subscriptions have no request around them: the time of a statement is the limit, with little on top."""
    async with wire_to(primary) as wire:
        pool = await open_pool(
            through(lonely, wire.port), size=1, name="test", statement_seconds=0.2, acquire_seconds=1, connect_seconds=1
        )
        try:
            db = Db(pool, None, uuid4())
            assert await db.look_up(PID, {})
            wire.silent = True
            async with timed(8):
                with pytest.raises(Lost):
                    await db.look_up(PID, {})
            await db.close()
            assert pool.round >= 1
        finally:
            wire.silent = False
            await pool.close()


async def test_who_owes_no_answer_may_take_time(lonely: Database) -> None:
    """The watch over an operation looks again and again; it ends what waits, not what rests."""
    pool = await open_pool(lonely.url("fivefold_api"), size=1, name="test", statement_seconds=5)
    pool.answer_seconds = 0.05
    try:
        db = Db(pool, OPERATOR, uuid4())
        ((pid,),) = await db.fetch(PID, {})
        looked = db._watch
        while db._watch is looked:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert [tuple(row) for row in await db.fetch(PID, {})] == [(pid,)]
        with pytest.raises(Lost):
            await db.fetch(SLEEP, {})
        await db.close()
        assert db._watch is None
    finally:
        await pool.close()


async def test_a_request_ends_in_time_whatever_it_waits_for(lonely: Database, jwt_key: Path) -> None:
    """Here for a lock, with a limit for statements that is longer; the lock's owner then finds nothing done."""
    async with serving(lonely, jwt_key, request_seconds=1) as api:
        ada = await api.person("ada")
        async with lonely.connect() as admin, admin.transaction():
            await admin.execute("LOCK TABLE privacy.platform_link IN ACCESS EXCLUSIVE MODE")
            async with timed(3):
                answers = await asyncio.gather(*(api(each, token=ada.token) for each in (LABELS, LINK % ("x", "x"))))
            assert [(answer.status, answer.code) for answer in answers] == [(503, "TIMED_OUT")] * 2
        await all_given_back(api)
        assert await links(api) == []
        assert (await api(LINK % ("x", "x"), token=ada.token)).data


async def test_a_transaction_that_idles_is_ended_by_the_server(lonely: Database) -> None:
    """A process that hangs must not hold its locks for ever."""
    pool = await open_pool(lonely.url("fivefold_api"), size=1, name="test", statement_seconds=0.1)
    try:
        async with lonely.connect() as admin:
            db = Db(pool, OPERATOR, uuid4())

            async def hang() -> None:
                async with db.transaction():
                    ((pid,),) = await db.fetch(PID, {})
                    while await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):
                        pass
                    await db.fetch(PID, {})

            with pytest.raises(AppError) as refused:
                await hang()
            assert refused.value.code_name in ("TIMED_OUT", "UNAVAILABLE")
            await db.close()
            assert pool.get_idle_size() == pool.get_size()
    finally:
        await pool.close()


# One pool for many


async def test_many_clients_share_few_connections(lonely: Database, jwt_key: Path) -> None:
    """200 at once on a pool of 10: each has an answer, first come, first served."""
    async with serving(lonely, jwt_key, pool_size=10, acquire_seconds=30) as api:
        ada = await api.person("ada")
        order: list[int] = []

        async def ask(number: int) -> None:
            document = LABELS if number % 2 else LINK % (number, number)
            assert (await api(document, token=ada.token)).data
            order.append(number)

        await asyncio.gather(*(ask(number) for number in range(200)))
        assert len(await links(api)) == 100
        queries = [number for number in order if number % 2]
        assert (
            sum(abs(at - number // 2) for at, number in enumerate(queries)) / len(queries) < 25
        )  # nobody is overtaken by many
        await all_given_back(api)


async def test_who_gives_up_leaves_the_connection_to_others(lonely: Database, jwt_key: Path) -> None:
    async with serving(lonely, jwt_key, pool_size=2, acquire_seconds=0.3) as api:
        ada = await api.person("ada")
        async with lonely.connect() as admin, admin.transaction():
            await admin.execute("LOCK TABLE privacy.platform_link IN ACCESS EXCLUSIVE MODE")
            slow = [asyncio.create_task(api(LABELS, token=ada.token)) for _ in range(2)]
            while pool_of(api).get_idle_size() or pool_of(api).get_size() < 2:  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0.01)
            answer = await api("{ viewer { role } }", token=ada.token)
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
            assert "busy" in answer.body["errors"][0]["message"]
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            assert (await api("{ viewer { role } }", token=ada.token)).data
        await all_given_back(api)


# The rules by themselves


def test_a_lost_connection_says_what_was_written() -> None:
    for written, word in ((False, "no"), (None, "unknown")):
        copy = Lost("x", written=written).copy()
        assert (copy.extensions or {}) == {"code": "UNAVAILABLE", "written": word}


@pytest.mark.parametrize(
    ("document", "variables", "keyed"),
    [
        (LINK % ("a", "a"), {}, True),
        (LINK % ("a", ""), {}, False),
        ("mutation ($i: I!) { a(input: $i) { x } }", {"i": {"idempotencyKey": "k"}}, True),
        ("mutation ($i: I!) { a(input: $i) { x } }", {"i": {"name": "k"}}, False),
        ("mutation ($i: I!) { a(input: $i) { x } }", {}, False),
        ("mutation ($i: I!) { a(input: $i) { x } b(input: {}) { x } }", {"i": {"idempotencyKey": "k"}}, False),
        ("mutation ($i: I!) { a(input: {scans: $i}) { x } }", {"i": [{"idempotencyKey": "k"}, {"idempotencyKey": "l"}]}, True),
        ("mutation ($i: I!) { a(input: {scans: $i}) { x } }", {"i": [{"idempotencyKey": "k"}, {}]}, False),
        ("mutation ($i: I!) { a(input: {scans: $i}) { x } }", {"i": []}, False),
        ("mutation { a { x } }", {}, False),
        ("mutation { ... on Mutation { a(input: {idempotencyKey: 1}) { x } } }", {}, False),
    ],
)
def test_only_what_has_keys_throughout_is_sent_twice(document: str, variables: dict[str, Any], keyed: bool) -> None:
    (operation,) = parse(document).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert has_keys(operation, variables) is keyed


async def test_another_operation_does_not_give_up_the_pool_again(lonely: Database) -> None:
    """Ten that lose their connections at once are one failover, and the connections opened since stay."""
    pool = await open_pool(lonely.url("fivefold_api"), size=2, name="test", statement_seconds=5)
    try:
        for _ in range(3):
            await pool.expire(0)
        assert pool.round == 1
        await pool.release(await pool.take())
        (opened,) = await pool.fetch("SELECT pg_backend_pid()")
        await pool.expire(0)
        assert await pool.fetch("SELECT pg_backend_pid()") == [opened]
    finally:
        await pool.close()
