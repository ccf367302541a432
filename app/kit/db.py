"""One operation, one connection, one transaction at a time.

A query reads in one REPEATABLE READ READ ONLY transaction, so a dashboard is one consistent picture. A mutation writes in
one READ COMMITTED transaction per root field. The identity travels in the same round trip as BEGIN.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from prometheus_client import Histogram

from app.kit.context import OPERATOR, SYSTEM_ID, Actor
from app.kit.errors import CONSTRAINTS, AppError, ErrorCode, SetupError
from app.kit.sql import Statement

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

ACQUIRE_SECONDS = 5.0
_UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    OSError,
    TimeoutError,
)
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"


async def open_pool(url: str, *, size: int, name: str, statement_seconds: float, role: str | None = None) -> Pool:
    """A pool whose sessions end a statement after ``statement_seconds`` and have become ``role``, if one is given.

    Raises SetupError when nothing answers.
    """
    milliseconds = int(statement_seconds * 1000)
    try:
        return await asyncpg.create_pool(
            url,
            min_size=min(2, size),
            max_size=size,
            init=_prepare_connection,
            record_class=Row,
            statement_cache_size=500,
            server_settings={
                "application_name": name,
                "statement_timeout": str(milliseconds),
                # The backstop: it closes the connection, so it comes later than the limit that does not.
                "transaction_timeout": str(milliseconds * 4),
                "timezone": "UTC",
                **({"role": role} if role else {}),
            },
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        raise SetupError(f"cannot connect to the database of DATABASE_URL: {error}") from error


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
    )
    # Preparing leaves an implicit transaction open, and the next BEGIN ISOLATION LEVEL would fail in it.
    await connection.execute("SELECT 1")


class Row(asyncpg.Record):
    """A row as it came: ``row["label"]`` where speed counts, ``row.label`` where a rule reads it as its class."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Db:
    """The database as one caller sees it, for the length of one operation. Close it with ``close()``.

    ``keep_rows``: rows that are only shown may stay as they came, see app/kit/executor.py.
    """

    def __init__(
        self,
        pool: Pool,
        actor: Actor,
        request_id: UUID,
        statements: list[str] | None = None,
        seconds: Histogram | None = None,
    ) -> None:
        self.actor = actor
        self.statements: list[str] = [] if statements is None else statements
        self._seconds = seconds
        self.keep_rows = False
        self._pool = pool
        self._identity = _identity(actor, request_id)
        self._connection: Connection | None = None
        self._begun: str | None = None
        self._turn = asyncio.Lock()

    async def fetch(self, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        """Run a statement in the open transaction, or in a reading one that it begins. Raises AppError."""
        given = {**args, "workspace_id": self.actor.workspace_id, "account_id": self.actor.account_id}
        text, params = statement.variant(frozenset(p for p in statement.optional if args.get(p) is not None))
        self.statements.append(statement.id)
        async with self._turn, _translated():
            if self._begun is None:
                await self._begin(_READ)
            assert self._connection is not None
            begun = perf_counter()
            records: list[asyncpg.Record] = await self._connection.fetch(text, *(given[p] for p in params))
            if self._seconds is not None:
                self._seconds.labels(statement.id).observe(perf_counter() - begun)
            return records

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """One writing transaction: committed at the end, rolled back when anything is raised."""
        async with self._turn, _translated():
            await self._end("COMMIT")
            await self._begin(_WRITE)
        try:
            yield
        except BaseException:
            await self._end("ROLLBACK")
            raise
        async with self._turn, _translated():
            await self._end("COMMIT")

    async def restart(self) -> None:
        """Leave a reading transaction that may have failed; the next statement begins another."""
        async with self._turn, _translated():
            await self._end("ROLLBACK")

    async def close(self) -> None:
        """End what is open and give the connection back clean, also when the request was cancelled."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._begun and not connection.is_closed():
                await connection.execute("COMMIT" if self._begun == _READ else "ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass  # the pool closes a broken connection when it gets it back
        finally:
            self._begun = None
            await self._pool.release(connection)

    async def _begin(self, begin: str) -> None:
        if self._connection is None:
            self._connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        self._begun = begin  # before it is sent: a cancelled BEGIN may have begun
        await self._connection.execute(f"{begin}; {self._identity}")

    async def _end(self, end: str) -> None:
        if self._begun is not None and self._connection is not None:
            self._begun = None
            if not self._connection.is_closed():
                await self._connection.execute(end)


@asynccontextmanager
async def open_as(url: str, role: str) -> AsyncIterator[tuple[Pool, Db]]:
    """A pool that has become ``role``, and a Db of the operator on it: for the command line. Raises SetupError."""
    pool = await open_pool(url, size=4, name="fivefold-operator", statement_seconds=60, role=role)
    try:
        db = Db(pool, OPERATOR, uuid4())
        try:
            yield pool, db
        finally:
            await db.close()
    finally:
        await pool.close()


def _identity(actor: Actor, request_id: UUID) -> str:
    """The text that declares the caller. Only UUID objects are written into it, so nothing can break out."""
    names: dict[str, UUID | None] = {
        "workspace_id": actor.workspace_id,
        "account_id": actor.account_id if actor.account_id != SYSTEM_ID else None,
        "api_key_id": actor.api_key_id,
        "request_id": request_id,
    }
    assert all(value is None or isinstance(value, UUID) for value in names.values())
    return "SELECT " + ", ".join(
        f"set_config('fivefold.{name}', '{value}', true)" for name, value in names.items() if value is not None
    )


async def fetch_without_identity(pool: Pool, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
    """One statement by nobody: before it is known who calls, when every policy hides every row, and for health checks."""
    text, params = statement.variant()
    async with _translated():
        connection = await pool.acquire(timeout=ACQUIRE_SECONDS)
        try:
            records: list[asyncpg.Record] = await connection.fetch(text, *(args[p] for p in params))
            return records
        finally:
            await pool.release(connection)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Database errors as what they mean to a client; anything unknown passes through and is masked later."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        known = CONSTRAINTS.get(error.constraint_name or "")
        if known is None:
            raise
        raise known.copy() from error
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        raise AppError(ErrorCode.BAD_INPUT, "A text contains the character NUL, which no text may. Remove it.") from error
    except asyncpg.QueryCanceledError as error:
        raise AppError(ErrorCode.TIMED_OUT, "The database took too long. Ask for less, or try again later.") from error
    except _UNREACHABLE as error:
        raise AppError(ErrorCode.UNAVAILABLE, "The database cannot be reached. Try again in a moment.") from error
