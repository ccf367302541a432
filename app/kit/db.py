"""One operation, one connection, one transaction at a time.

A query reads in one REPEATABLE READ READ ONLY transaction, so a dashboard is one consistent picture. A mutation writes in
one READ COMMITTED transaction per root field. The identity travels in the same round trip as BEGIN.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from prometheus_client import Histogram

from app.kit.context import NOBODY, OPERATOR, SYSTEM_ID, Actor
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
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
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
            reset=_keep_session,
            record_class=Row,
            statement_cache_size=500,
            server_settings={
                "application_name": name,
                "statement_timeout": str(milliseconds),
                # The backstop: it closes the connection, so it comes later than the limit that does not.
                "transaction_timeout": str(milliseconds * 4),
                "timezone": "UTC",
                "jit": "off",
                # Statements are written so that their plan does not depend on the values: planning each time is waste.
                "plan_cache_mode": "force_generic_plan",
                **({"role": role} if role else {}),
            },
        )
    except asyncpg.UndefinedObjectError:
        raise SetupError("Fivefold needs PostgreSQL 18 or newer; the server of DATABASE_URL is older.") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        raise SetupError(f"cannot connect to the database of DATABASE_URL: {error}") from error


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Nothing: all that we set ends with its transaction, so that a reset would be a round trip for nothing."""


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
    """The database as one caller sees it, for the length of one operation, on one connection. Close it with ``close()``.

    Until it is known who calls, ``actor`` is None and only ``look_up`` works.
    ``keep_rows``: rows that are only shown may stay as they came, see app/kit/executor.py.
    ``languages``: what the caller reads, the dearest first.
    """

    def __init__(
        self,
        pool: Pool,
        actor: Actor | None,
        request_id: UUID,
        statements: list[str] | None = None,
        seconds: Histogram | None = None,
    ) -> None:
        self.statements: list[str] = [] if statements is None else statements
        self.keep_rows = False
        self.request_id = request_id
        self.languages: tuple[str, ...] = ()
        self._actor = actor
        self._seconds = seconds
        self._pool = pool
        self._connection: Connection | None = None
        self._begun: str | None = None
        self._closed = False
        self._turn = asyncio.Lock()

    @property
    def actor(self) -> Actor:
        """Who calls."""
        assert self._actor is not None
        return self._actor

    def enter(self, actor: Actor) -> None:
        """It is known now who calls."""
        self._actor = actor

    async def look_up(self, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        """Run a statement by nobody, in a transaction of its own, before the first of the operation. Raises AppError.

        Every policy hides every row from it: it calls the few functions that may see more.
        """
        assert self._begun is None
        return await self._send(statement, args, None)

    async def fetch(self, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        """Run a statement in the open transaction, or in a reading one that it begins. Raises AppError."""
        actor = self.actor
        given = {**args, "workspace_id": actor.workspace_id, "account_id": actor.account_id}
        return await self._send(statement, given, _READ)

    async def _send(self, statement: Statement, args: dict[str, Any], begin: str | None) -> list[asyncpg.Record]:
        text, params = statement.variant(frozenset(p for p in statement.optional if args.get(p) is not None))
        self.statements.append(statement.id)
        async with self._turn:
            try:
                connection = self._connection or await self._connect()
                if self._begun is None and begin is not None:
                    await self._begin(begin)
                begun = perf_counter()
                records: list[asyncpg.Record] = await connection.fetch(text, *(args[p] for p in params))
            except Exception as error:
                if self._begun == _READ:  # it is of no use any more; what is read next begins another
                    await self._undo()
                known = _explain(error)
                if known is None:
                    raise
                raise known from error
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
            await self._undo()
            raise
        async with self._turn, _translated():
            await self._end("COMMIT")

    async def restart(self) -> None:
        """Leave a reading transaction; the next statement begins another."""
        async with self._turn:
            await self._undo()

    async def close(self) -> None:
        """End what is open and give the connection back clean. A caller that is cancelled meanwhile does not stop it."""
        self._closed = True
        if self._turn.locked():  # a task that was left alone has a statement under way, which ends first
            await asyncio.shield(self._give_back())
        elif self._connection is not None:
            await self._give_back()

    async def _give_back(self) -> None:
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                try:
                    if self._begun and not connection.is_closed():
                        await connection.execute("COMMIT" if self._begun == _READ else "ROLLBACK")
                except _LOST:
                    pass  # the pool closes a broken connection when it gets it back
                finally:
                    self._begun = None
                    with suppress(*_LOST):
                        await self._pool.release(connection)

    async def _connect(self) -> Connection:
        if self._closed:
            raise AppError(ErrorCode.UNAVAILABLE, "The operation has ended.")
        self._connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        return self._connection

    async def _begin(self, begin: str) -> None:
        connection = self._connection or await self._connect()
        self._begun = begin  # before it is sent: a cancelled BEGIN may have begun
        await connection.execute(f"{begin}; {_identity(self.actor, self.request_id)}")

    async def _end(self, end: str) -> None:
        """Raises RuntimeError where PostgreSQL answers COMMIT with ROLLBACK: somebody caught the error of a statement."""
        if self._begun is None or self._connection is None:
            return
        done = await self._connection.execute(end)
        begun, self._begun = self._begun, None
        if begun == _WRITE and done != end:
            raise RuntimeError("a statement of this transaction failed and its error was caught: nothing was committed")

    async def _undo(self) -> None:
        """Roll back. A connection that is lost has nothing to undo."""
        with suppress(*_LOST):
            await self._end("ROLLBACK")


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
        "account_id": actor.account_id if actor.account_id not in (SYSTEM_ID, NOBODY.account_id) else None,
        "api_key_id": actor.api_key_id,
        "request_id": request_id,
    }
    assert all(value is None or isinstance(value, UUID) for value in names.values())
    return "SELECT " + ", ".join(
        f"set_config('fivefold.{name}', '{value}', true)" for name, value in names.items() if value is not None
    )


async def look_up(pool: Pool, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
    """One statement by nobody, outside an operation: for health checks. Raises AppError."""
    db = Db(pool, None, uuid4())
    try:
        return await db.look_up(statement, args)
    finally:
        await db.close()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:
        known = _explain(error)
        if known is None:
            raise
        raise known from error


def _explain(error: Exception) -> AppError | None:
    """What a database error means to a client; None for what is unknown, which passes through and is masked later."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        known = CONSTRAINTS.get(error.constraint_name or "")
        return known.copy() if known is not None else None
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return AppError(ErrorCode.BAD_INPUT, "A text contains the character NUL, which no text may. Remove it.")
    if isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
        return AppError(ErrorCode.UNAVAILABLE, "Others changed the same at the same moment. Try again.")
    if isinstance(error, asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError):
        return AppError(ErrorCode.TIMED_OUT, "The database took too long. Ask for less, or try again later.")
    if isinstance(error, _UNREACHABLE):
        return AppError(ErrorCode.UNAVAILABLE, "The database cannot be reached. Try again in a moment.")
    return None
