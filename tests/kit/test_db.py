"""The database as one operation sees it: one connection, one picture, given back clean whatever happened."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kit.context import Actor
from app.kit.db import Db, look_up, open_as
from app.kit.embedded import Embedded
from app.kit.errors import AppError, SetupError
from app.kit.pool import open_pool
from app.kit.sql import Literal, Statement, literal
from tests.conftest import Answer, Api, Database, copy_of
from tests.factory.kit import db_of, inhabit, pool_of, serving, statement
from tests.factory.privacy import link

DASHBOARD = """
{
  privacyDashboard { overallScore links { edges { node { label platform { slug } latestSnapshot { id settings { key } } } } } }
  platformLinks { edges { node { label snapshots { edges { node { id changes { setting } } } } } } }
}
"""
STOCK = "{ __typename __schema { queryType { name } } " + DASHBOARD.strip()[1:]
"""The same on the stock executor: a plan does not describe the schema."""
LABELS = "{ platformLinks { edges { node { label } } } }"
LINK = 'mutation { linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { label } } }'

PID = statement("SELECT pg_backend_pid() AS pid")
SETTINGS = statement(
    """
    SELECT current_setting('fivefold.workspace_id', true) AS workspace_id,
        current_setting('fivefold.account_id', true) AS account_id,
        current_setting('fivefold.api_key_id', true) AS api_key_id, current_setting('fivefold.request_id', true) AS request_id,
        current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS read_only
    """
)
INSERT = statement(
    """
    INSERT INTO privacy.platform_link (workspace_id, account_id, platform_id, label)
    SELECT :workspace_id, :account_id, p.id, :label FROM privacy.platform AS p WHERE p.slug = 'google' RETURNING id
    """
)
COUNT = statement("SELECT count(*) AS count FROM privacy.platform_link WHERE workspace_id = :workspace_id")


@pytest.fixture(scope="module")
async def shared(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """An API with a person who has rows."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, pool_size=5) as api:
            await inhabit(api, "ada")
            yield api


@pytest.fixture
async def db(api: Api) -> AsyncIterator[Db]:
    """An operation of a person."""
    opened = await db_of(api)
    yield opened
    await opened.close()


async def dirt(api: Api, name: str = "fivefold-api") -> dict[str, Any]:
    """What the requests before left behind: busy connections, open transactions, identities. Empty when all is well."""
    pool = pool_of(api)
    for _ in range(200):
        if pool.get_idle_size() == pool.get_size():
            break
        await asyncio.sleep(0.01)
    left: dict[str, Any] = {}
    if pool.get_idle_size() != pool.get_size():
        left["busy"] = pool.get_size() - pool.get_idle_size()
    held = [await pool.acquire(timeout=5) for _ in range(pool.get_max_size())]
    try:
        for connection in held:
            row = await connection.fetchrow(SETTINGS.body)
            assert row is not None
            names = ("workspace_id", "account_id", "api_key_id", "request_id")
            if any(row[each] for each in names):
                left["identity"] = dict(row)
            if connection.is_in_transaction():
                left["transaction"] = True
    finally:
        for connection in held:
            await pool.release(connection)
    async with api.database.connect() as admin:
        states = await admin.fetch(
            "SELECT state FROM pg_stat_activity WHERE application_name = $1 AND datname = $2 AND state <> 'idle'",
            name,
            api.database.name,
        )
        if states:
            left["states"] = [state for (state,) in states]
    return left


async def kill(database: Database, where: str = "true") -> int:
    """End the backends of the API, and wait until they are gone."""
    async with database.connect() as admin:
        who = f"usename = 'fivefold_api' AND datname = current_database() AND {where}"
        killed = await admin.fetch(f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {who}")
        pids = [pid for pid, _ in killed]

        async def gone() -> bool:
            return not await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)", pids)

        await until(gone)
    return len(pids)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, for ten seconds at most."""
    for _ in range(2000):
        if await holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


@asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[None]:
    """A table that nobody else can read for a while."""
    async with database.connect() as admin, admin.transaction():
        await admin.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting(database: Database, count: int = 1) -> None:
    """Until so many of the API's statements wait for a lock."""
    async with database.connect() as admin:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'fivefold_api' AND wait_event_type = 'Lock' AND datname = $1"
        )

        async def wait() -> bool:
            return bool(await admin.fetchval(query, database.name) >= count)

        await until(wait)


# One connection, one picture


async def test_an_operation_has_one_connection(db: Db) -> None:
    pids = {(await db.fetch(PID, {}))[0]["pid"] for _ in range(5)}
    async with db.transaction():
        pids.add((await db.fetch(PID, {}))[0]["pid"])
    pids.add((await db.fetch(PID, {}))[0]["pid"])
    assert len(pids) == 1


async def test_one_connection_is_enough_for_a_dashboard(database: Database, jwt_key: Path) -> None:
    """Also on the stock executor, whose fields run at the same time, and for several requests at once."""
    async with serving(database, jwt_key, pool_size=1) as api:
        ada = await inhabit(api, "ada")
        for document in (DASHBOARD, STOCK):
            answers = await asyncio.gather(*(api(document, token=ada.token) for _ in range(5)))
            assert all(answer.data == answers[0].data for answer in answers)


async def test_nothing_is_acquired_where_nothing_is_asked(api: Api) -> None:
    pool = pool_of(api)
    assert (await api("{ viewer { role } }", authorization="Bearer x")).code == "UNAUTHENTICATED"  # leases tokens of strangers
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    try:
        db = await db_of(api)
        await db.close()
        assert (await api("{ viewer { role } }", authorization="Bearer x")).code == "UNAUTHENTICATED"
    finally:
        for connection in held:
            await pool.release(connection)


@pytest.mark.parametrize("document", [DASHBOARD, STOCK], ids=["planned", "stock"])
async def test_a_dashboard_is_one_picture(api: Api, monkeypatch: pytest.MonkeyPatch, document: str) -> None:
    """What is committed between two of its statements is seen by none of them, and by the next request."""
    ada = await api.person("ada")
    await link(api, ada.token, label="before")
    fetch = Db.fetch
    ran: list[str] = []

    async def interrupted(self: Db, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        records = await fetch(self, statement, args)
        ran.append(statement.id)
        async with api.database.connect() as admin:
            await admin.execute(
                """
                INSERT INTO privacy.platform_link (workspace_id, account_id, platform_id, label)
                SELECT $1, $2, p.id, $3 FROM privacy.platform AS p WHERE p.slug = 'google'
                """,
                ada.workspace_id,
                ada.account_id,
                f"meanwhile {uuid4()}",
            )
        return records

    monkeypatch.setattr(Db, "fetch", interrupted)
    data = (await api(document, token=ada.token)).data
    monkeypatch.undo()
    for edges in (data["privacyDashboard"]["links"]["edges"], data["platformLinks"]["edges"]):
        assert [edge["node"]["label"] for edge in edges] == ["before"]
    assert len(ran) >= 4
    assert len((await api(LABELS, token=ada.token)).data["platformLinks"]["edges"]) == min(20, 1 + len(ran))


async def test_a_query_cannot_write(db: Db) -> None:
    settings = (await db.fetch(SETTINGS, {}))[0]
    assert (settings["isolation"], settings["read_only"]) == ("repeatable read", "on")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await db.fetch(INSERT, {"label": "x"})


async def test_a_mutation_sees_what_others_commit(db: Db) -> None:
    async with db.transaction():
        settings = (await db.fetch(SETTINGS, {}))[0]
        assert (settings["isolation"], settings["read_only"]) == ("read committed", "off")


# Identity


async def test_the_identity_is_declared_for_the_transaction_alone(api: Api) -> None:
    ada = await api.person("ada")
    key_id, request_id = uuid4(), uuid4()
    db = Db(pool_of(api), Actor(ada.account_id, ada.workspace_id, "owner", api_key_id=key_id), request_id)
    (settings,) = await db.fetch(SETTINGS, {})
    assert [settings[name] for name in ("workspace_id", "account_id", "api_key_id", "request_id")] == [
        str(each) for each in (ada.workspace_id, ada.account_id, key_id, request_id)
    ]
    await db.close()
    assert await dirt(api) == {}


async def test_a_key_that_was_used_before_is_not_the_next_callers(api: Api) -> None:
    """A person has no key: nothing may be left of the one that the connection served before."""
    ada = await api.person("ada")
    pool = pool_of(api)
    for key_id in (uuid4(), None, uuid4(), None):
        db = Db(pool, Actor(ada.account_id, ada.workspace_id, "owner", api_key_id=key_id), uuid4())
        for _ in range(2):
            async with db.transaction():
                assert ((await db.fetch(SETTINGS, {}))[0]["api_key_id"] or None) == (str(key_id) if key_id else None)
        await db.close()


async def test_no_caller_passes_the_identity_of_another(db: Db, api: Api) -> None:
    """Whatever a resolver passes, the two parameters of the identity are the caller's."""
    ben = await api.person("ben")
    asked = statement("SELECT :workspace_id::uuid AS workspace_id, :account_id::uuid AS account_id")
    (row,) = await db.fetch(asked, {"workspace_id": ben.workspace_id, "account_id": ben.account_id})
    ada = await api.person("ada")
    assert (row["workspace_id"], row["account_id"]) == (ada.workspace_id, ada.account_id)


async def test_only_uuids_become_part_of_a_text(api: Api) -> None:
    ada = await api.person("ada")
    evil: Any = f"{ada.workspace_id}', true), set_config('role', 'postgres"
    for actor in (
        Actor(ada.account_id, evil, "owner"),
        Actor(evil, ada.workspace_id, "owner"),
        Actor(ada.account_id, ada.workspace_id, "owner", api_key_id=evil),
    ):
        db = Db(pool_of(api), actor, uuid4())
        with pytest.raises(AssertionError):
            await db.fetch(PID, {})
        await db.close()
    assert await dirt(api) == {}


def written(text: str, **values: Any) -> Literal:
    return literal(statement(text), values)


EVIL = ["it's", "\\'; SELECT 1; --", "$1", ":name", "é\u2028\U0001f600", "a\\", "'", "", "x" * 5000]


@pytest.mark.parametrize("value", EVIL, ids=range(len(EVIL)))
async def test_a_text_in_a_text_stays_a_text(db: Db, value: str) -> None:
    check = "SELECT CASE WHEN md5(:value) = :digest THEN 1 ELSE 1 / (length(:value) - length(:value)) END"
    digest = hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()
    assert await db.begin(written(check, value=value, digest=digest), writing=False)
    assert (await db.fetch(PID, {}))[0]["pid"]


# What lingers


async def states(database: Database) -> list[str]:
    """What the server's connections are doing."""
    async with database.connect() as admin:
        found = await admin.fetch(
            "SELECT state FROM pg_stat_activity WHERE application_name = 'fivefold-api' AND datname = current_database()"
        )
    return sorted(state for (state,) in found)


async def test_what_was_read_in_ends_with_the_next_begin(api: Api) -> None:
    """On the same connection, as somebody else, with a picture of this moment."""
    ada, ben = await api.person("ada"), await api.person("ben")
    pool, pids = pool_of(api), set()
    for person in (ada, ben, ada, ben):
        db = Db(pool, Actor(person.account_id, person.workspace_id, "owner"), uuid4())
        (settings,) = await db.fetch(SETTINGS, {})
        assert (settings["workspace_id"], settings["isolation"]) == (str(person.workspace_id), "repeatable read")
        pids.add((await db.fetch(PID, {}))[0]["pid"])
        before = (await db.fetch(COUNT, {}))[0]["count"]
        await db.close()
        assert (await api(LINK % (uuid4(), uuid4()), token=person.token)).data
        again = Db(pool, Actor(person.account_id, person.workspace_id, "owner"), uuid4())
        assert (await again.fetch(COUNT, {}))[0]["count"] == before + 1
        await again.close()
    assert len(pids) == 1


async def test_what_lingers_ends_by_itself(api: Api) -> None:
    for _ in range(3):
        db = await db_of(api)
        await db.fetch(PID, {})
        await db.close()
        for _ in range(500):
            if "idle in transaction" not in await states(api.database):
                break
            await asyncio.sleep(0.002)
        assert "idle in transaction" not in await states(api.database)


async def test_nobody_is_handed_what_lingers_without_asking(api: Api) -> None:
    for _ in range(10):
        db = await db_of(api)
        await db.fetch(PID, {})
        await db.close()
        (settings,) = await look_up(pool_of(api), SETTINGS, {})
        assert not settings["workspace_id"]
        assert settings["isolation"] == "read committed"
        db = await db_of(api)
        await db.fetch(PID, {})
        await db.close()
        async with pool_of(api).acquire() as connection:
            assert not connection.is_in_transaction()


async def test_a_connection_that_died_while_something_lingered_is_replaced(api: Api) -> None:
    for wait in (0, 0.05):
        db = await db_of(api)
        await db.fetch(PID, {})
        await db.close()
        assert await kill(api.database)
        await asyncio.sleep(wait)
        ada = await api.person("ada")
        assert (await api(LABELS, token=ada.token)).data


async def test_whoever_asks_in_whatever_order_is_nobody_else(api: Api) -> None:
    """Three people on two connections: they read, write, look up, are refused and are cancelled."""
    people = [await api.person(name) for name in ("ada", "ben", "cy")]
    no = written("SELECT core.confirm_caller('x', 'x', NULL, NULL, NULL, NULL, NULL, NULL)")
    yes = written("SELECT 1")

    async def operate(chance: random.Random) -> None:
        person = chance.choice(people)
        db = Db(pool_of(api), Actor(person.account_id, person.workspace_id, "owner"), uuid4())
        try:
            if chance.random() < 0.5:
                good = chance.random() < 0.7
                assert await db.begin(yes if good else no, writing=chance.random() < 0.5) == good
            for _ in range(chance.randrange(4)):
                step = chance.choice(["read", "write", "nobody", "restart", "pause"])
                if step == "nobody":
                    await db.restart()
                    (found,) = await db.look_up(SETTINGS, {})
                    assert not found["workspace_id"]
                elif step == "write":
                    async with db.transaction():
                        (found,) = await db.fetch(SETTINGS, {})
                    assert (found["workspace_id"], found["read_only"]) == (str(person.workspace_id), "off")
                elif step == "read":
                    (found,) = await db.fetch(SETTINGS, {})
                    assert (found["workspace_id"], found["read_only"]) == (str(person.workspace_id), "on")
                else:
                    await (db.restart() if step == "restart" else db.pause())
        finally:
            await db.close()

    async def hurry(chance: random.Random) -> None:
        task = asyncio.create_task(operate(chance))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.004)
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    for seed in range(60):
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        await asyncio.gather(*(hurry(random.Random(chance.random())) for _ in range(8)))  # noqa: S311
    assert await dirt(api) == {}


async def test_a_refused_beginning_leaves_nothing_open(api: Api) -> None:
    db = await db_of(api)
    assert not await db.begin(written("SELECT core.confirm_caller('x', 'x', NULL, NULL, NULL, NULL, NULL, NULL)"), writing=True)
    assert len(await db.fetch(PID, {})) == 1
    await db.close()
    assert await dirt(api) == {}


async def test_what_is_begun_to_write_in_is_not_read_in(db: Db) -> None:
    """A mutation that reads before its transaction has one picture, in which nothing can be written; then it writes."""
    assert await db.begin(written("SELECT 1"), writing=True)
    (settings,) = await db.fetch(SETTINGS, {})
    assert (settings["isolation"], settings["read_only"]) == ("repeatable read", "on")
    async with db.transaction():
        (settings,) = await db.fetch(SETTINGS, {})
        assert (settings["isolation"], settings["read_only"]) == ("read committed", "off")


async def test_a_transaction_is_not_begun_within_another(db: Db) -> None:
    async def nest() -> None:
        async with db.transaction():
            await db.fetch(INSERT, {"label": "kept by nobody"})
            async with db.transaction():
                pass

    with pytest.raises(RuntimeError, match="open already"):
        await nest()
    assert [row["count"] for row in await db.fetch(COUNT, {})] == [0]


async def test_before_it_is_known_who_calls_nothing_is_seen(shared: Api) -> None:
    pool = pool_of(shared)
    rows = await look_up(pool, statement("SELECT count(*) AS count FROM privacy.platform_link"), {})
    assert [row["count"] for row in rows] == [0]
    db = Db(pool, None, uuid4())
    with pytest.raises(AssertionError):
        await db.fetch(PID, {})
    await db.close()
    assert await dirt(shared) == {}


# Transactions


async def test_what_is_raised_undoes_its_transaction_alone(db: Db) -> None:
    async with db.transaction():
        await db.fetch(INSERT, {"label": "kept"})

    async def insert_and_raise(error: type[BaseException]) -> None:
        async with db.transaction():
            await db.fetch(INSERT, {"label": "undone"})
            raise error

    for error in (ValueError, ZeroDivisionError, KeyboardInterrupt, asyncio.CancelledError):
        with pytest.raises(error):
            await insert_and_raise(error)
    assert (await db.fetch(COUNT, {}))[0]["count"] == 1
    async with db.transaction():
        await db.fetch(INSERT, {"label": "kept too"})
    assert (await db.fetch(COUNT, {}))[0]["count"] == 2


async def test_a_transaction_that_was_not_ended_is_undone(api: Api) -> None:
    db = await db_of(api)
    transaction = db.transaction()
    await transaction.__aenter__()
    await db.fetch(INSERT, {"label": "forgotten"})
    await db.close()
    other = await db_of(api)
    assert (await other.fetch(COUNT, {}))[0]["count"] == 0
    await other.close()
    assert await dirt(api) == {}


async def test_a_commit_that_did_not_happen_is_no_success(api: Api) -> None:
    """The connection is lost between the last statement and COMMIT: the caller must not be told that it was done."""
    db = await db_of(api)

    async def lose() -> None:
        async with db.transaction():
            await db.fetch(INSERT, {"label": "lost"})
            await kill(api.database, "state = 'idle in transaction'")
            await asyncio.sleep(0.05)  # the loop hears of it

    with pytest.raises(AppError) as refused:
        await lose()
    assert refused.value.code_name == "UNAVAILABLE"
    await db.close()
    other = await db_of(api)
    assert (await other.fetch(COUNT, {}))[0]["count"] == 0
    await other.close()


async def test_a_commit_of_what_failed_is_no_success(db: Db) -> None:
    """A resolver that swallows the error of a statement has a transaction that PostgreSQL will not commit."""

    async def swallow() -> None:
        async with db.transaction():
            await db.fetch(INSERT, {"label": "half"})
            with pytest.raises(AppError):
                await db.fetch(INSERT, {"label": ""})

    with pytest.raises(RuntimeError, match="nothing was committed"):
        await swallow()
    assert (await db.fetch(COUNT, {}))[0]["count"] == 0


async def test_an_error_in_one_mutation_undoes_that_one_alone(api: Api) -> None:
    ada = await api.person("ada")
    link_field = LINK.removeprefix("mutation { ").removesuffix(" }")
    document = f"mutation {{ a: {link_field % ('one', '1')} b: {link_field % ('one', '2')} }}"
    answer = await api(document, token=ada.token)
    assert (answer.code, answer.body["errors"][0]["path"]) == ("ALREADY_LINKED", ["b"])
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT label FROM privacy.platform_link")
        keys = await admin.fetch("SELECT key FROM core.idempotency")
    assert [label for (label,) in rows] == ["one"]
    assert [key for (key,) in keys] == ["1"]
    assert (await api(LINK % ("one", "1"), token=ada.token)).data["linkPlatform"]["link"]["label"] == "one"


@pytest.mark.parametrize("stock", ["", "__schema { queryType { name } }"], ids=["planned", "stock"])
async def test_an_error_in_one_field_leaves_the_others(shared: Api, stock: str) -> None:
    """A failed statement ends the transaction; what is read after it begins another."""
    ada = await shared.person("ada")
    bad, good = '"a\\u0000"', '"google"'
    for slugs in ((bad, good, good), (good, bad, good), (good, good, bad), (bad, bad, good), (bad, good, bad), (bad, bad, bad)):
        fields = [
            f"{name}: platform(slug: {slug}) {{ slug activeTemplate {{ version }} }}"
            for name, slug in zip("abc", slugs, strict=True)
        ]
        answer = await shared(f"{{ {' '.join(fields)} {stock} }}", token=ada.token)
        failed = [name for name, slug in zip("abc", slugs, strict=True) if slug == bad]
        assert answer.codes == ["BAD_INPUT"] * len(failed)
        assert sorted(error["path"] for error in answer.body["errors"]) == [[name] for name in failed]
        assert [name for name in "abc" if answer.body["data"][name] is None] == failed
    assert await dirt(shared) == {}


# What the database says


async def test_a_statement_that_takes_too_long_is_said_so(api: Api, jwt_key: Path) -> None:
    ada = await api.person("ada")
    await link(api, ada.token, label="x")
    async with serving(api.database, jwt_key, statement_seconds=0.2) as slow:
        async with locked(api.database, "privacy.platform_link"):
            answer = await slow(
                "{ platforms { edges { cursor } } platformLinks { edges { cursor } } viewer { role } }", token=ada.token
            )
            assert (answer.code, answer.body["errors"][0]["path"]) == ("TIMED_OUT", ["platformLinks"])
            assert answer.body["data"]["platforms"]["edges"]
            assert answer.body["data"]["viewer"] == {"role": "OWNER"}
            assert (await slow(LINK % ("y", "1"), token=ada.token)).code == "TIMED_OUT"
        assert len((await slow(LABELS, token=ada.token)).data["platformLinks"]["edges"]) == 1
        assert await dirt(slow) == {}


async def test_a_lock_that_is_not_given_is_said_so(api: Api, jwt_key: Path) -> None:
    ada = await api.person("ada")
    link_id = await link(api, ada.token, label="x")
    unlinking = "mutation($id: ID!) { unlinkPlatform(input: {id: $id}) { link { status } } }"
    async with api.database.connect() as admin:
        await admin.execute(f"ALTER ROLE fivefold_api IN DATABASE {api.database.name} SET lock_timeout = '100ms'")
        async with serving(api.database, jwt_key) as hasty:
            async with admin.transaction():
                await admin.execute("SELECT FROM privacy.platform_link FOR UPDATE")
                assert (await hasty(unlinking, {"id": link_id}, token=ada.token)).code == "TIMED_OUT"
            assert (await hasty(unlinking, {"id": link_id}, token=ada.token)).data
            assert await dirt(hasty) == {}


async def test_a_transaction_without_end_is_ended(api: Api) -> None:
    """The backstop closes the connection: an error that says to try again, and a pool that is whole."""
    ada = await api.person("ada")
    pool = await open_pool(api.database.url("fivefold_api"), size=1, name="test", statement_seconds=0.05)
    db = Db(pool, Actor(ada.account_id, ada.workspace_id, "owner"), uuid4())
    await db.fetch(PID, {})
    await asyncio.sleep(0.4)
    with pytest.raises(AppError) as refused:
        await db.fetch(PID, {})
    assert refused.value.code_name == "UNAVAILABLE"
    await db.close()
    again = Db(pool, Actor(ada.account_id, ada.workspace_id, "owner"), uuid4())
    assert len(await again.fetch(PID, {})) == 1
    await again.close()
    await pool.close()


async def test_two_that_wait_for_each_other_are_told_to_try_again(api: Api) -> None:
    ada = await api.person("ada")
    for label in ("one", "two"):
        await link(api, ada.token, label=label)
    update = statement(
        "UPDATE privacy.platform_link SET unlink_reason = 'x' WHERE workspace_id = :workspace_id AND label = :label"
    )

    async def take(first: str, second: str, both: asyncio.Barrier) -> str:
        db = await db_of(api)
        try:
            async with db.transaction():
                await db.fetch(update, {"label": first})
                await both.wait()
                await db.fetch(update, {"label": second})
        except AppError as error:
            return error.code_name
        finally:
            await db.close()
        return "done"

    both = asyncio.Barrier(2)
    assert sorted(await asyncio.gather(take("one", "two", both), take("two", "one", both))) == ["UNAVAILABLE", "done"]


async def test_an_unknown_error_is_not_explained(db: Db) -> None:
    """It passes through, so that the server logs it and tells the client nothing. What is read next is not touched by it."""
    for text, error in {
        "SELECT FROM no_such_table": asyncpg.UndefinedTableError,
        "SELECT FROM pg_authid": asyncpg.InsufficientPrivilegeError,
        "SELECT 1 / 0": asyncpg.DivisionByZeroError,
    }.items():
        with pytest.raises(error):
            await db.fetch(statement(text), {})
        assert len(await db.fetch(PID, {})) == 1


# Connections that die


async def test_a_connection_that_died_idle_is_replaced(shared: Api) -> None:
    ada = await shared.person("ada")
    assert (await shared(LABELS, token=ada.token)).data
    assert await kill(shared.database) >= 1
    answers = [await shared(LABELS, token=ada.token) for _ in range(6)]
    assert {code for answer in answers for code in answer.codes} <= {"UNAVAILABLE"}
    assert answers[-1].data
    assert await dirt(shared) == {}


async def test_a_connection_that_dies_at_work_is_said_so(shared: Api) -> None:
    ada = await shared.person("ada")
    async with locked(shared.database, "privacy.platform_link"):
        asked = [asyncio.create_task(shared(document, token=ada.token)) for document in (LABELS, STOCK, LINK % ("x", "killed"))]
        await waiting(shared.database, 3)
        assert await kill(shared.database, "wait_event_type = 'Lock'") == 3
        # A plan that lost its connection is run once more, and waits again.
        for _ in range(200):
            if all(task.done() for task in asked):
                break
            await asyncio.sleep(0.01)
            await kill(shared.database, "wait_event_type = 'Lock'")
        answers: list[Answer] = await asyncio.gather(*asked)
    for answer in answers:
        assert set(answer.codes) == {"UNAVAILABLE"}, answer.body
    assert (await shared(LABELS, token=ada.token)).data["platformLinks"]["edges"]
    async with shared.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.idempotency WHERE key = 'killed'") == 0
    assert await dirt(shared) == {}


async def test_a_pool_that_is_used_up_is_said_so(database: Database, jwt_key: Path) -> None:
    async with serving(database, jwt_key, pool_size=2, acquire_seconds=0.05) as api:
        ada = await api.person("ada")
        pool = pool_of(api)
        held = [await pool.acquire() for _ in range(2)]
        for document in (LABELS, LINK % ("x", "1"), "{ viewer { role } }"):
            answer = await api(document, token=ada.token)
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert (await api.http.get("/readyz")).status_code == 503
        for connection in held:
            await pool.release(connection)
        assert (await api(LINK % ("x", "1"), token=ada.token)).data
        assert await dirt(api) == {}


async def test_a_database_that_does_not_answer_is_a_setup_error(server: Embedded) -> None:
    for url in (
        "postgresql://127.0.0.1:1/none",
        server.url("no_such_database"),
        "postgresql://[::1/none",
        server.url("postgres", "no_such_role"),
    ):
        with pytest.raises(SetupError, match="DATABASE_URL") as refused:
            await open_pool(url, size=1, name="test", statement_seconds=1)
        assert "password" not in str(refused.value).lower()


# Requests that are cancelled


UNAWAITED = "ignore:coroutine .* was never awaited:RuntimeWarning"
"""What the stock executor had not begun when it was cancelled; see ``swept``."""


@pytest.fixture
def swept() -> Iterator[None]:
    """What a cancelled request left is collected in the test that cancelled it, where its warnings are expected."""
    yield
    gc.collect()


STEPS: list[Callable[[Api, str], Any]] = [
    lambda api, token: api(DASHBOARD, token=token),
    lambda api, token: api(STOCK, token=token),
    lambda api, token: api(LINK % (uuid4(), uuid4()), token=token),
]


@pytest.mark.filterwarnings(UNAWAITED)
@pytest.mark.parametrize("step", STEPS, ids=["planned", "stock", "mutation"])
async def test_a_cancelled_request_leaves_nothing_behind(shared: Api, swept: None, step: Callable[[Api, str], Any]) -> None:
    """Cancelled after any number of turns of the loop, and again while it cleans up."""
    ada = await shared.person("ada")
    finished = cancelled = 0
    for turns in [*range(60), *range(60, 600, 15)]:
        task = asyncio.create_task(step(shared, ada.token))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        if turns % 2:
            await asyncio.sleep(0)
            task.cancel()
        try:
            await task
            finished += 1
        except asyncio.CancelledError:
            cancelled += 1
        if turns % 15 == 0:
            assert await dirt(shared) == {}, turns
    assert await dirt(shared) == {}
    assert cancelled >= 40
    assert (await shared(DASHBOARD, token=ada.token)).data


@pytest.mark.filterwarnings(UNAWAITED)
@pytest.mark.parametrize("step", STEPS, ids=["planned", "stock", "mutation"])
async def test_a_request_cancelled_at_work_leaves_nothing_behind(
    shared: Api, swept: None, step: Callable[[Api, str], Any]
) -> None:
    """While the database works for it: the statement is ended there too."""
    ada = await shared.person("ada")
    for _ in range(3):
        async with locked(shared.database, "privacy.platform_link"):
            task = asyncio.create_task(step(shared, ada.token))
            await waiting(shared.database)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)
            assert await dirt(shared) == {}
    assert (await shared(DASHBOARD, token=ada.token)).data


@pytest.mark.filterwarnings(UNAWAITED)
async def test_many_cancelled_at_once_do_not_use_up_the_pool(shared: Api, swept: None) -> None:
    ada = await shared.person("ada")
    for delay in range(12):
        tasks = [asyncio.create_task(step(shared, ada.token)) for step in STEPS * 5]
        await asyncio.sleep(delay * 0.004)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await dirt(shared) == {}
    assert (await shared(DASHBOARD, token=ada.token)).data


async def test_who_comes_after_the_end_gets_no_connection(api: Api) -> None:
    """An edge that is still under way when its request has ended must not take another connection, which nobody gives back."""
    db = await db_of(api)
    await db.fetch(PID, {})
    await db.close()
    with pytest.raises(AppError):
        await db.fetch(PID, {})
    with pytest.raises(AppError):
        async with db.transaction():
            raise AssertionError("no transaction begins here")
    assert await dirt(api) == {}


async def test_the_end_waits_for_what_is_under_way(api: Api) -> None:
    """A statement of a task that was left alone: the connection is not given back under its feet."""
    for seconds in (0, 0.001, 0.02):
        db = await db_of(api)
        await db.fetch(PID, {})
        left = [asyncio.create_task(db.fetch(statement("SELECT pg_sleep(0.05)"), {})) for _ in range(3)]
        await asyncio.sleep(seconds)
        await db.close()
        results = await asyncio.gather(*left, return_exceptions=True)
        assert all(isinstance(result, list | AppError) for result in results), results
        assert await dirt(api) == {}


async def test_closing_twice_does_no_harm(api: Api) -> None:
    db = await db_of(api)
    await db.fetch(PID, {})
    await db.close()
    await db.close()
    assert await dirt(api) == {}


# Values


async def test_values_go_and_come_as_they_are(db: Db) -> None:
    documents: list[Any] = [{"a": [1, None, {"b": "é\U0001f511"}]}, [], "text", 0.5, None, True]
    for document in documents:
        (row,) = await db.fetch(statement("SELECT :value::jsonb AS value"), {"value": document})
        assert row["value"] == document
    (row,) = await db.fetch(
        statement("SELECT :id::uuid AS id, 'ok' AS text, :blob::bytea AS blob"), {"id": UUID(int=1), "blob": b"\0\xff"}
    )
    assert (row["id"], row.text, row["blob"]) == (UUID(int=1), "ok", b"\0\xff")  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = row.nothing  # type: ignore[attr-defined]


async def test_a_statement_is_noted_by_name_whether_it_works_or_not(db: Db) -> None:
    broken = replace(statement("SELECT 1 / 0"), name="broken")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await db.fetch(broken, {})
    assert db.statements == ["test/statement.broken"]


@pytest.mark.parametrize(
    "text", ["SELECT core.no_such_function()", "SELECT FROM core.no_such_table", "SELECT x FROM core.plan"]
)
async def test_a_command_says_that_the_database_is_older(database: Database, text: str) -> None:
    """A restored dump, of which nobody has applied the migrations since."""
    with pytest.raises(SetupError, match="migrate up"):
        async with open_as(database.url(), "fivefold_owner") as (_, db):
            await db.fetch(statement(text), {})
