"""One operation, one connection, one transaction at a time.

A query reads in one REPEATABLE READ READ ONLY transaction, so a dashboard is one consistent picture. A mutation writes in
one READ COMMITTED transaction per root field. The identity travels in the same round trip as BEGIN.

A connection that is lost ends the operation: what it asks after that fails at once with the same error, until ``renew()``.
Whether to run it once more is for the caller, who knows what it was; ``lost`` and ``commits`` say what happened here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg

from app.kit.context import NOBODY, OPERATOR, SYSTEM_ID, Actor
from app.kit.errors import CONSTRAINTS, AppError, ErrorCode, SetupError
from app.kit.pool import Connection, Lost, Pool, in_doubt, open_pool, session_of
from app.kit.sql import Literal, Shown, Statement

if TYPE_CHECKING:
    from app.kit.replica import Replica


UNDO_SECONDS = 1.0
"""How long giving a connection back may take; then it is closed instead."""
_WAS_LOST = "The connection to the database was lost. Nothing was changed; try again in a moment."
REPLICA_PATIENCE = 0.02
"""How long a query waits for a replica to replay what its caller has written."""
_REPLICA_BEGIN_SECONDS = 1.0
_REACH = 16 * 2**20
"""Bytes of write-ahead log: a replica that is further behind does not catch up within that time."""
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
_TOLD = "fivefold.position "
# A notice is the only thing that a text of several statements can answer. The SELECT fails where COMMIT would roll back.
_COMMIT_AND_TELL = f"SELECT; COMMIT; DO $$BEGIN RAISE NOTICE '{_TOLD}%', pg_current_wal_insert_lsn() - '0/0'::pg_lsn; END$$"
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_OLDER = asyncpg.UndefinedFunctionError, asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError
_ENDED_BY_TIME = frozenset({"25P03", "25P04"})
"""The transaction was open for too long, and PostgreSQL has closed the connection."""


class Db:
    """The database as one caller sees it, for the length of one operation, on one connection. Close it with ``close()``.

    Until it is known who calls, ``actor`` is None and only ``look_up`` works.
    ``keep_rows``: rows that are only shown may stay as they came, see app/kit/executor.py; ``shown``: what of a page's.
    ``tell``: after each commit, ``position`` is to be where it stands in the write-ahead log.
    ``lost``: the connection is, and the operation might be run again; ``commits`` counts what may have been written by then.
    ``refused``: the database says that the caller is not who it was, see ``expect``.
    ``languages``: what the caller reads, the dearest first. ``told``: what hears of each statement how many seconds it took.
    ``news``: something that others listen for may have been written.
    """

    def __init__(
        self,
        pool: Pool,
        actor: Actor | None,
        request_id: UUID,
        statements: list[str] | None = None,
        told: Callable[[str, float], None] | None = None,
    ) -> None:
        self.statements: list[str] = [] if statements is None else statements
        self.keep_rows = False
        self.shown: Shown | None = None
        self.request_id = request_id
        self.lost = self.refused = False
        self.commits = 0
        self.tell = False
        self.position: int | None = None
        self.languages: tuple[str, ...] = ()
        self.news = False
        self._actor = actor
        self._told = told
        self._pool = self._held = pool
        self._replica: Replica | None = None
        self._after: int | None = None
        self._connection: Connection | None = None
        self._begun: str | None = None
        self._fresh = False
        self._check: Literal | None = None
        self._round = 0
        self._failure: AppError | None = None
        self._committing = False
        self._closed = False
        self._turn = asyncio.Lock()
        self._asked: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def actor(self) -> Actor:
        """Who calls."""
        assert self._actor is not None
        return self._actor

    def beside(self) -> Db:
        """Another for the same caller, with a connection of its own, for what is written meanwhile. Close it, too."""
        return Db(self._pool, self._actor, self.request_id, self.statements, self._told)

    def enter(self, actor: Actor) -> None:
        """It is known now who calls."""
        self._actor = actor

    def read_from(self, replica: Replica, after: int | None) -> None:
        """Read from a replica, once it has replayed the log up to ``after``; from the primary if it does not soon."""
        self._replica, self._after = replica, after

    def expect(self, check: Literal) -> None:
        """Nothing is read before this statement has passed; it goes with BEGIN. Ask ``is_confirmed()`` before the answer."""
        assert self._begun is None
        self.statements.append(check.id)
        self._check = check

    async def is_confirmed(self) -> bool:
        """Whether what is expected holds; it is asked now where nothing was read. If not, all begins anew. Raises AppError."""
        if self.refused:
            await self.renew()
            self.refused = False
            return False
        check, self._check = self._check, None
        if check is None or self.lost:
            return True
        await self._give_back()
        self.statements.remove(check.id)
        return await self.begin(check, writing=False)

    async def begin(self, check: Literal, *, writing: bool) -> bool:
        """Begin the first transaction with a statement that must not fail: one round trip for both. Whether it may go on.

        ``writing``: the first ``transaction()`` is this one. The statement says no with the SQLSTATE 28000. Where the
        connection was lost, nothing is known: the answer is no.
        """
        assert self._begun is None
        self.statements.append(check.id)
        try:
            async with self._turn, self._translated():
                await self._begin(_WRITE if writing else _READ, f"; {check.text}")
                self._fresh = True
        except asyncpg.InvalidAuthorizationSpecificationError:
            await self.restart()
            return False
        except AppError:
            if not self.lost:
                raise
            await self.renew()
            return False
        return True

    async def look_up(self, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        """Run a statement by nobody, in a transaction of its own, before the first of the operation. Raises AppError.

        Every policy hides every row from it: it calls the few functions that may see more. When its connection is lost it
        is run once more, so it must be one that does no harm twice.
        """
        if self._fresh:
            await self.restart()
        assert self._begun is None
        try:
            return await self._send(statement, args, reading=False)
        except AppError:
            if not self.lost:
                raise
            await self.renew()
            return await self._send(statement, args, reading=False)

    async def fetch(self, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        """Run a statement in the open transaction, or in a reading one that it begins. Raises AppError."""
        actor = self.actor
        given = {**args, "workspace_id": actor.workspace_id, "account_id": actor.account_id}
        return await self._send(statement, given, reading=True)

    async def stream(self, statement: Statement, args: dict[str, Any], *, prefetch: int) -> AsyncIterator[asyncpg.Record]:
        """The rows of a statement as they come, so many at a time in memory, in the reading transaction. Raises AppError.

        Others may be streamed or fetched meanwhile, by the same task.
        """
        text, params = statement.variant(frozenset(p for p in statement.optional if args.get(p) is not None))
        self.statements.append(statement.id)
        async with self._translated():
            connection = self._connection or await self._connect()
            if not self._is_reading():
                await self._begin(_READ)
            values = [args[p] for p in params]
            async for record in connection.cursor(text, *values, prefetch=prefetch, timeout=self._held.answer_seconds):
                yield record

    async def _send(self, statement: Statement, args: dict[str, Any], *, reading: bool) -> list[asyncpg.Record]:
        text, params = statement.variant(frozenset(p for p in statement.optional if args.get(p) is not None))
        self.statements.append(statement.id)
        async with self._turn:
            try:
                if reading and not self._is_reading() and not (self._replica and await self._begin_there(self._replica)):
                    await self._begin(_READ, ahead=True)
                connection = self._connection or await self._connect()
                begun = self._asked = perf_counter()
                records: list[asyncpg.Record] = await connection.fetch(text, *(args[p] for p in params))
            except Exception as error:
                known = await self._explain(error)
                if self._begun == _READ:  # it is of no use any more; what is read next begins another
                    await self._undo()
                if known is None:
                    raise
                raise known from error
            finally:
                self._asked = None
            if reading:
                self._check = None  # it has passed, or nothing would have been read
            if self._told is not None:
                self._told(statement.id, perf_counter() - begun)
            return records

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """One writing transaction: committed at the end, rolled back when anything is raised."""
        async with self._turn, self._translated():
            if self._held is not self._pool:
                await self._end("COMMIT")
                await self._release()
            self._replica = None  # what is read from now on must see what is written
            if self._begun == _WRITE and not self._fresh:
                raise RuntimeError("a transaction is open already: its changes must not be committed by another")
            if self._begun != _WRITE:
                await self._begin(_WRITE)
            self._fresh = False
        try:
            yield
        except BaseException:
            await self._undo()
            raise
        async with self._turn, self._translated():
            await self._end("COMMIT")

    async def renew(self) -> None:
        """Let go of a connection that was lost; the next statement takes another. What was done before stays done."""
        await self._give_back()
        self.lost, self._failure, self._replica = False, None, None

    async def restart(self) -> None:
        """Leave a reading transaction; the next statement begins another."""
        async with self._turn:
            await self._undo()

    async def pause(self) -> None:
        """Give the connection back until the next statement, for what takes long and asks nothing; what was read is over."""
        await self._give_back()

    async def close(self) -> None:
        """End what is open and give the connection back clean. A caller that is cancelled meanwhile does not stop it."""
        self._closed = True
        if self._turn.locked():  # a task that was left alone has a statement under way, which ends first
            await asyncio.shield(self._give_back())
        elif self._connection is not None:
            await self._give_back()

    async def _give_back(self) -> None:
        connection = self._connection
        self._unwatch()
        try:
            async with asyncio.timeout(UNDO_SECONDS) if self._turn.locked() else nullcontext(), self._turn:
                connection, self._connection = self._connection, None
                if connection is None or _is_gone(connection):
                    pass
                elif session_of(connection).lingering or (self._begun == _READ and self._may_linger):
                    session_of(connection).linger()
                elif self._begun:
                    self._watch = asyncio.get_running_loop().call_later(UNDO_SECONDS, _terminate, connection)
                    await connection.execute("COMMIT" if self._begun == _READ else "ROLLBACK")
        except _LOST:
            _terminate(connection)
        except BaseException:
            _terminate(connection)
            raise
        finally:
            self._unwatch()
            self._begun, self._fresh, self._connection = None, False, None
            held, self._held = self._held, self._pool
            if connection is not None:
                with suppress(*_LOST):
                    await held.release(connection, timeout=UNDO_SECONDS)

    @property
    def _may_linger(self) -> bool:
        """Not at a pooler, where the session is somebody else's in the next moment, nor on a replica."""
        return self._held is self._pool and self._pool.pooler is None

    async def _release(self) -> None:
        """Give back a connection on which nothing is open."""
        self._unwatch()
        connection, self._connection = self._connection, None
        held, self._held = self._held, self._pool
        if connection is not None:
            with suppress(*_LOST):
                await held.release(connection, timeout=UNDO_SECONDS)

    def _is_reading(self) -> bool:
        """Whether what is open is there to be read in. A transaction that is to be written in is left as it is."""
        fresh, self._fresh = self._fresh, False
        return self._begun is not None and not (fresh and self._begun == _WRITE)

    async def _connect(self, *, lingering: bool = False) -> Connection:
        if self._closed:
            raise AppError(ErrorCode.UNAVAILABLE, "The operation has ended.")
        self._still_there()
        self._round = self._pool.round
        self._connection = await self._pool.take(lingering=lingering)
        self._watch_over(self._pool.answer_seconds)
        return self._connection

    def _watch_over(self, seconds: float) -> None:
        """Look after so many seconds whether the connection owes an answer for too long; then close it, else look again.

        One timer for each operation: a limit for each command costs as much again with each of them.
        """
        limit = self._pool.answer_seconds

        def look() -> None:
            waiting = 0.0 if self._asked is None else perf_counter() - self._asked
            if waiting >= limit:
                _terminate(self._connection)
            elif self._connection is not None:
                self._watch_over(limit - waiting)

        self._watch = asyncio.get_running_loop().call_later(seconds, look)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _still_there(self) -> None:
        """Raises what ended the operation's connection, if that has happened."""
        if self._failure is not None:
            raise self._failure.copy()

    async def _begin(self, begin: str, check: str = "", *, ahead: bool = False) -> None:
        """Begin a transaction, and declare who asks; what is open, of this operation or an earlier one, ends before.

        ``ahead``: a statement is sent next, and may go in the same round trip.
        """
        connection = self._connection or await self._connect(lingering=True)
        self._still_there()
        lingers = session_of(connection).settle()
        end = "COMMIT; " if self._begun is not None or lingers else ""
        self._begun, self._fresh = begin, False  # before it is sent: a cancelled BEGIN may have begun
        if self._check is not None:
            check = f"; {self._check.text}"
        text = f"{end}{begin}; {self._held.prelude}{_identity(self.actor, self.request_id)}{check}"
        if ahead and self._may_linger and session_of(connection).announce(text):
            return
        self._asked = perf_counter()
        try:
            await connection.execute(text)
        finally:
            self._asked = None
        self._check = None

    async def _begin_there(self, replica: Replica) -> bool:
        """Begin to read on the replica. False when it is away, busy, or has not replayed what the caller has written."""
        self._replica = None  # an operation tries once
        self._still_there()
        pool = replica.pool
        if self._closed or pool is None or not replica.usable:
            replica.count("primary")
            return False
        await self._release()
        try:
            self._connection, self._held, self._round = await pool.take(), pool, pool.round
            self._watch_over(pool.answer_seconds)
            self._begun = _READ
            async with asyncio.timeout(_REPLICA_BEGIN_SECONDS):
                if await self._catch_up(self._connection):
                    replica.count("replica")
                    return True
                await self._end("ROLLBACK")
        except (*_LOST, Lost):
            replica.leave()
            _terminate(self._connection)
            self._begun = None
        await self._release()
        replica.count("primary")
        return False

    async def _catch_up(self, connection: Connection) -> bool:
        """Begin, and find out in the same round trip whether the replica is there yet; else again, for a short while."""
        begin = f"{_READ}; {self._held.prelude}{_identity(self.actor, self.request_id)}"
        if self._after is None:
            await connection.execute(begin)
            return True
        until = perf_counter() + REPLICA_PATIENCE
        text = f"{_behind(self._after)} {begin}; SELECT FROM generate_series(1, current_setting('fivefold.behind')::int)"
        while True:
            behind = (await connection.execute(text)).removeprefix("SELECT ")
            if behind == "0":
                return True
            if behind != "1" or perf_counter() > until:
                return False
            await connection.execute("ROLLBACK")
            await asyncio.sleep(REPLICA_PATIENCE / 5)

    async def _end(self, end: str) -> None:
        """Raises RuntimeError where PostgreSQL answers COMMIT with ROLLBACK: somebody caught the error of a statement."""
        if self._begun is None or self._connection is None:
            return
        self._still_there()
        if end == "COMMIT" and self._begun == _WRITE and not _is_gone(self._connection):
            self._committing = True  # before it is sent: its answer may be lost
            self.commits += 1
        self._asked = perf_counter()
        try:
            done = await (self._commit(self._connection) if self.tell and self._committing else self._connection.execute(end))
        finally:
            self._asked = None
        begun, self._begun, self._fresh, self._committing = self._begun, None, False, False
        if begun == _WRITE and done != end:
            self.commits -= 1
            raise RuntimeError("a statement of this transaction failed and its error was caught: nothing was committed")

    async def _commit(self, connection: Connection) -> str:
        """COMMIT, and note the position after it, in one round trip."""
        told: list[int] = []

        def hear(_: Any, message: asyncpg.PostgresLogMessage) -> None:
            if (message.message or "").startswith(_TOLD):
                told.append(int(str(message.message).removeprefix(_TOLD)))

        connection.add_log_listener(hear)
        try:
            await connection.execute(_COMMIT_AND_TELL)
        except asyncpg.InFailedSQLTransactionError:
            return await connection.execute("COMMIT")
        finally:
            with suppress(asyncpg.InterfaceError):
                connection.remove_log_listener(hear)
        self.position = told[0] if told else self.position
        return "COMMIT"

    async def _undo(self) -> None:
        """Roll back. A connection that is lost has nothing to undo; one that does not answer is closed."""
        if self._failure is not None:
            return
        try:
            async with asyncio.timeout(UNDO_SECONDS):
                await self._end("ROLLBACK")
        except _LOST:
            _terminate(self._connection)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            known = await self._explain(error)
            if known is None:
                raise
            raise known from error

    async def _explain(self, error: Exception) -> AppError | None:
        """What a database error means to a client; None for what is unknown, which passes through and is masked later.

        What has ended the connection is kept, and is the answer to whatever is asked of it from now on.
        """
        committing, self._committing = self._committing, False
        if self._check is not None and isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
            await self._undo()
            self._check, self.refused = None, True
            self._failure = AppError(ErrorCode.UNAUTHENTICATED, "The caller is not who it was.")
            return self._failure.copy()
        if self._is_loss(error):
            self.lost = True
            self._failure = in_doubt() if committing else Lost(_WAS_LOST, written=False)
            if isinstance(error, OSError | asyncpg.InternalClientError):  # it says nothing, or is about to be closed
                _terminate(self._connection)
            if not self._on_replica(error):  # which has many reasons of its own to give a query up
                await self._held.expire(self._round)
            return self._failure.copy()
        if committing:
            self.commits -= 1
        known = _meaning(error)
        if getattr(error, "sqlstate", None) in _ENDED_BY_TIME:
            self._failure = known
        return known

    def _on_replica(self, error: Exception) -> bool:
        """Whether a replica could not answer what the primary perhaps can: it cancels what stands in the way of replaying."""
        slow = asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError
        return (
            self._held is not self._pool
            and isinstance(error, asyncpg.PostgresError)
            and not isinstance(error, slow)
            and not (error.sqlstate or "").startswith(("08", "57P"))
        )

    def _is_loss(self, error: Exception) -> bool:
        """Whether the connection is lost with its server, or leads to one that became a standby."""
        if self._on_replica(error):
            return True
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            return self._begun != _READ  # there it is a mistake of ours
        if isinstance(error, asyncpg.PostgresError):
            return (error.sqlstate or "").startswith(("08", "57P"))
        if isinstance(error, asyncpg.InterfaceError):
            return self._connection is not None and _is_gone(self._connection)
        # The last one: the server has said farewell, and the end of the stream is not read yet.
        return isinstance(error, OSError | asyncpg.InternalClientError)


def _is_gone(connection: Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # closed, and back in the pool already
        return True


def _terminate(connection: Connection | None) -> None:
    """Close a connection without a word, so that it costs nobody any more time."""
    if connection is not None:
        with suppress(asyncpg.InterfaceError):
            connection.terminate()


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
    except _OLDER as error:
        raise SetupError("The database lacks what this program needs: run `fivefold migrate up` on it first.") from error
    finally:
        await pool.close()


def _behind(position: int) -> str:
    """The text that compares a server's log with a position, before BEGIN, whose snapshot is not to be older than the answer.

    It leaves 0 for there, 1 for close, 2 for far in a setting of the session, where the end of the same text finds it.
    """
    wanted = f"'{position >> 32:X}/{position & 0xFFFFFFFF:X}'::pg_lsn"
    here = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END"
    code = f"CASE WHEN here >= {wanted} THEN '0' WHEN here + {_REACH} >= {wanted} THEN '1' ELSE '2' END"
    compare = f"SELECT set_config('fivefold.behind', {code}, false) FROM (SELECT {here} AS here) AS log"  # noqa: S608 - of a number
    return f"BEGIN; {compare}; COMMIT;"


def _identity(actor: Actor, request_id: UUID) -> str:
    """The text that declares the caller. Only UUID objects are written into it, so nothing can break out."""
    names: dict[str, UUID | None] = {
        "workspace_id": actor.workspace_id,
        "account_id": actor.account_id if actor.account_id not in (SYSTEM_ID, NOBODY.account_id) else None,
        "api_key_id": actor.api_key_id,
        "request_id": request_id,
    }
    assert all(value is None or isinstance(value, UUID) for value in names.values())
    # A call of set_config() is a query to plan: half of all that beginning costs.
    return "; ".join(f"SET LOCAL fivefold.{name} = '{value}'" for name, value in names.items() if value is not None)


async def look_up(pool: Pool, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
    """One statement by nobody, outside an operation: for health checks. Raises AppError."""
    db = Db(pool, None, uuid4())
    try:
        return await db.look_up(statement, args)
    finally:
        await db.close()


def _meaning(error: Exception) -> AppError | None:
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        known = CONSTRAINTS.get(error.constraint_name or "")
        return known.copy() if known is not None else None
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return AppError(ErrorCode.BAD_INPUT, "A text contains the character NUL, which no text may. Remove it.")
    if isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
        return AppError(ErrorCode.UNAVAILABLE, "Others changed the same at the same moment. Try again.")
    if isinstance(error, asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError):
        return AppError(ErrorCode.TIMED_OUT, "The database took too long. Ask for less, or try again later.")
    if getattr(error, "sqlstate", None) in _ENDED_BY_TIME:
        return AppError(ErrorCode.TIMED_OUT, "The operation took too long. Ask for less, or try again later.")
    return None
