"""What goes ahead of a statement: its answer is nobody's, its failure is that of the statement, however the bytes come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any, cast

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.announce import Announcer
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.pool import session_of
from app.kit.sql import literal
from tests.conftest import Api
from tests.factory.kit import db_of, pool_of, statement

NO = literal(statement("SELECT core.confirm_caller('x', 'x', NULL, NULL, NULL, NULL, NULL, NULL)"), {})
YES = literal(statement("SELECT 1"), {})
PID = statement("SELECT pg_backend_pid() AS pid")
WHO = statement(
    """
    SELECT current_setting('fivefold.workspace_id', true) AS workspace_id,
        current_setting('transaction_read_only') AS read_only
    """
)
TYPED = statement("SELECT :id::uuid AS id")
SLOW = statement("SELECT pg_sleep(30)")
BAD = statement("SELECT 1 / :zero::int AS one")


class Wire:
    """Both ends of an announcer."""

    def __init__(self) -> None:
        self.sent = self.heard = b""
        self.lost = False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.sent += data

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


DONE = message(b"C", b"BEGIN\0") + message(b"C", b"SET\0") + message(b"T", b"row") + message(b"D", b"Z" * 300) + message(b"C")
READY, FAILED = message(b"Z", b"T"), message(b"Z", b"E")
ROWS = message(b"2") + message(b"D", b"E" * 40) + message(b"C", b"SELECT 1\0") + READY
ERROR, OTHER = message(b"E", b"ours"), message(b"E", b"theirs")
NOTICE = message(b"N", b"by the way")


def hear(parts: list[bytes]) -> Wire:
    wire = Wire()
    announcer = Announcer(cast("Any", wire), cast("Any", wire))
    announcer.announce("BEGIN")
    for part in parts:
        announcer.data_received(part)
    assert wire.sent == message(b"Q", b"BEGIN\0")
    wire.protocol.connection_lost(None)
    return wire


@given(st.sampled_from([0, 1, 2]), st.lists(st.integers(0, 1500)))
def test_however_the_bytes_come(kind: int, cuts: list[int]) -> None:
    """It passed; it failed, and so did the statement; it failed, and the statement ran as nobody."""
    told, heard = [
        (DONE + NOTICE + READY + ROWS + ROWS, NOTICE + ROWS + ROWS),
        (DONE + ERROR + FAILED + OTHER + FAILED + ROWS, ERROR + FAILED + ROWS),
        (ERROR + NOTICE + READY + ROWS + NOTICE + ROWS, NOTICE + ERROR + READY + NOTICE + ROWS),
    ][kind]
    places = sorted({min(cut, len(told)) for cut in cuts} | {0, len(told)})
    assert hear([told[a:b] for a, b in pairwise(places)]).heard == heard


def test_a_farewell_is_heard() -> None:
    wire = hear([DONE + ERROR[:-2], ERROR[-2:]])
    assert (wire.heard, wire.lost) == (ERROR, True)


@pytest.fixture
async def db(api: Api) -> AsyncIterator[Db]:
    opened = await db_of(api)
    yield opened
    await opened.close()


async def test_it_is_one_round_trip(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []

    async def execute(connection: Any, text: str, *args: Any, **options: Any) -> Any:
        waited.append(text)

    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    db.expect(YES)
    (who,) = await db.fetch(WHO, {})
    assert (who["workspace_id"], who["read_only"]) == (str(db.actor.workspace_id), "on")
    assert await db.is_confirmed()
    assert waited == []


async def test_who_is_refused_sees_nothing_until_it_begins_anew(db: Db) -> None:
    db.expect(NO)
    for _ in range(2):
        with pytest.raises(AppError) as refused:
            await db.fetch(PID, {})
        assert refused.value.code is ErrorCode.UNAUTHENTICATED
    with pytest.raises(AppError):
        async with db.transaction():
            pytest.fail("nothing is written either")
    assert db.refused
    assert not await db.is_confirmed()
    assert len(await db.fetch(PID, {})) == 1
    assert await db.is_confirmed()


async def test_who_only_writes_is_refused_too(db: Db) -> None:
    db.expect(NO)
    with pytest.raises(AppError) as refused:
        async with db.transaction():
            pytest.fail("nothing is written")
    assert refused.value.code is ErrorCode.UNAUTHENTICATED
    assert not await db.is_confirmed()


@pytest.mark.parametrize("good", [True, False])
async def test_where_nothing_was_asked_the_check_is(db: Db, good: bool) -> None:
    db.expect(YES if good else NO)
    assert await db.is_confirmed() == good
    assert len(await db.fetch(PID, {})) == 1


async def test_it_is_checked_again_where_the_statement_failed(db: Db) -> None:
    """Whether what went ahead has passed is not known then."""
    await db.fetch(TYPED, {"id": db.request_id})
    await db.restart()
    db.expect(YES)
    with pytest.raises(asyncpg.DataError):
        await db.fetch(TYPED, {"id": "no uuid, which is found before anything is sent"})
    with pytest.raises(asyncpg.DivisionByZeroError):
        await db.fetch(BAD, {"zero": 0})
    (who,) = await db.fetch(WHO, {})
    assert who["workspace_id"] == str(db.actor.workspace_id)
    await db.restart()
    db.expect(NO)
    with pytest.raises(AppError) as refused:
        await db.fetch(BAD, {"zero": 0})
    assert refused.value.code is ErrorCode.UNAUTHENTICATED
    assert not await db.is_confirmed()


async def test_what_went_ahead_of_nothing_is_nobody_elses(api: Api) -> None:
    """A connection that comes back before the answer is closed, whatever the answer would be."""
    pool = pool_of(api)
    for text in ("SELECT 1 / 0", "SELECT 1"):
        connection = await pool.take()
        assert session_of(connection).announce(text)
        assert not session_of(connection).announce("not before the first is answered")
        await pool.release(connection)
        again = await pool.take()
        assert await again.fetchval("SELECT 2") == 2
        await pool.release(again)


async def test_who_is_cancelled_leaves_nothing(api: Api) -> None:
    chance = random.Random(1)  # noqa: S311 - to be repeated
    ada, ben = await api.person("ada"), await api.person("ben")
    for _ in range(40):
        hasty = Db(pool_of(api), Actor(ada.account_id, ada.workspace_id, "owner"), ada.account_id)
        hasty.expect(chance.choice([YES, NO]))
        task = asyncio.create_task(hasty.fetch(SLOW, {}))
        await asyncio.sleep(chance.random() * 0.004)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hasty.close()
        other = Db(pool_of(api), Actor(ben.account_id, ben.workspace_id, "owner"), ben.account_id)
        other.expect(YES)
        (who,) = await other.fetch(WHO, {})
        assert who["workspace_id"] == str(ben.workspace_id)
        await other.close()
