"""Pools of connections: to one server or several, with PgBouncer between or not, and what holds for every session.

All that is set on a session is set when it connects, or for one transaction: nothing is left to reset.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import asyncpg
import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.kit.announce import Announcer
from app.kit.errors import AppError, ErrorCode, SetupError

Connection = asyncpg.pool.PoolConnectionProxy

ACQUIRE_SECONDS = 5.0
"""How long an operation waits for a connection: because all are busy, or because the database is away."""
CONNECT_SECONDS = 4.0
"""How long connecting may take, all hosts of an address together."""
SILENT_SECONDS = 15
"""A server that acknowledges nothing for so long is gone: the kernel says so, whatever waits for it."""
LINGER_SECONDS = 0.02
"""So long a reading transaction that is over waits for the next BEGIN, to end in the same round trip."""
_PAUSE = 0.05
_PROBE = "fivefold_probe"
_AWAY = (asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError, asyncpg.OperatorInterventionError, OSError)
"""What connecting ends in while a database starts, stops, fails over or is full: it is tried again."""


class Session(asyncpg.Connection):
    """A connection that may be given back while its reading transaction is open: whoever takes it next ends that first.

    What is open then can see nothing new and change nothing; it ends on its own if nobody comes.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        protocol, transport, *_ = args
        self._announcer = Announcer(protocol, transport)
        self.lingering = False
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def announce(self, text: str) -> bool:
        """Send it ahead of the statement that is sent next, without a turn of the loop between. Whether that can be."""
        if self._announcer.waiting or self.is_closed():
            return False
        self._announcer.announce(text)
        return True

    def linger(self) -> None:
        """What is open may end with the next BEGIN, from when it is given back."""
        self.lingering = True

    async def resume(self, *, lingering: bool, seconds: float) -> bool:
        """It is taken. Whether it is there, with nothing open; where ``lingering``, what lingers may be open still."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ending is not None:
            await asyncio.shield(self._ending)
        if self.lingering and not lingering:
            await self._end(seconds)
        return not self.is_closed()

    def settle(self) -> bool:
        """Whether something lingers, which its holder ends now."""
        lingering, self.lingering = self.lingering, False
        return lingering

    def _end_soon(self) -> None:
        self._timer, self._ending = None, asyncio.create_task(self._end_alone())

    async def _end_alone(self) -> None:
        await self._end(1.0)
        self._ending = None

    async def _end(self, seconds: float) -> None:
        """End what is open; who cannot be told so is closed."""
        self.lingering = False
        try:
            async with asyncio.timeout(seconds):
                await self.execute("COMMIT")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):  # a TimeoutError is one
            self.terminate()

    async def _reset(self) -> None:
        if self._announcer.waiting:  # nobody waited for what went ahead, and its answer is nobody else's
            self.terminate()
        elif self.lingering:  # asyncpg would roll it back
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._end_soon)
        else:
            await super()._reset()


def session_of(connection: Connection) -> Session:
    """The session that a pool's connection stands for."""
    return cast("Session", connection._con)  # type: ignore[attr-defined]  # it has no public name


class _Line(asyncpg.pool._PoolConnectionHolderQueue):  # type: ignore[name-defined,misc]  # it has no public name
    """Free places, the latest first. What comes free is handed to who waits longest: asyncio's queues leave it to anybody who
    asks at that moment, so that one who waits may do so for seconds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line: deque[asyncio.Future[Any]] = deque()

    async def get(self) -> Any:
        """See asyncio.Queue. Where something is free, nobody waits."""
        if not self.empty():
            return self.get_nowait()
        waiter = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it was handed over, and is not wanted any more
                self.put_nowait(waiter.result())
            raise

    def put_nowait(self, item: Any) -> None:
        """See asyncio.Queue."""
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(item)
                return
        super().put_nowait(item)


class Pool(asyncpg.Pool):
    """asyncpg's pool, which knows when all its connections are of no use, and counts what an operator wants to see.

    ``round`` is how often that was. A connection of an earlier round is closed when it comes back or is asked for.
    ``pooler`` is what lies between, if something does; ``prelude`` is then what each transaction sets first.
    ``patient``: a database that is away is waited for, as a connection is while all are busy.
    ``answer_seconds``: who hears nothing from the server for longer closes the connection.
    """

    def __init__(
        self,
        *args: Any,
        acquire_seconds: float = ACQUIRE_SECONDS,
        patient: bool = True,
        pooler: Pooler | None = None,
        prelude: str = "",
        answer_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.acquire_seconds, self.patient, self.pooler, self.prelude = acquire_seconds, patient, pooler, prelude
        self.answer_seconds = answer_seconds
        self.round = 0
        self.waiting = 0

    async def _initialize(self) -> None:
        await super()._initialize()  # type: ignore[misc]  # it has no public name
        line = _Line(maxsize=self._maxsize)  # type: ignore[attr-defined]  # nor has this
        for holder in self._holders:  # type: ignore[attr-defined]
            line.put_nowait(holder)
        self._queue = line

    async def take(self, *, lingering: bool = False) -> Connection:
        """A connection. First come, first served; raises Lost when there is none within ``acquire_seconds``.

        Nothing is open on it, unless the caller says that it ends what is ``lingering`` there.
        """
        if self._is_ready():
            return await self._acquire(None, lingering=lingering)
        away: Exception | None = None
        self.waiting += 1
        try:
            async with asyncio.timeout(self.acquire_seconds):
                while True:
                    try:
                        return await self._acquire(None, lingering=lingering)
                    except (*_AWAY, asyncpg.TargetServerAttributeNotMatched) as error:
                        away = error
                    if not self.patient:
                        raise TimeoutError
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            why = "cannot be reached" if away else "is busy: all connections are in use"
            raise Lost(f"The database {why}. Nothing was changed; try again in a moment.", written=False) from away
        finally:
            self.waiting -= 1

    async def _acquire(  # asyncpg names its time so
        self,
        timeout: float | None,  # noqa: ASYNC109
        *,
        lingering: bool = False,
    ) -> Connection:
        """What ``acquire`` comes down to as well: nobody gets a connection on which something is open without asking for it."""
        while True:
            connection: Connection = await super()._acquire(timeout)  # type: ignore[misc]  # it has no public name
            try:
                if await session_of(connection).resume(lingering=lingering, seconds=self.answer_seconds):
                    return connection
            except BaseException:
                connection.terminate()
                await self.release(connection)
                raise
            await self.release(connection)

    async def release(
        self,
        connection: Connection,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncpg names its time so
    ) -> None:
        """As asyncpg's, but in no task of its own: who is cancelled meanwhile has closed the connection and freed its place."""
        session = session_of(connection)
        if session is not None:  # else it was given back
            session._on_release()  # type: ignore[attr-defined]  # it has no public name
            await connection._holder.release(timeout)

    def _is_ready(self) -> bool:
        """Whether the next connection is there and free, so that nothing is waited for, nor a limit needed."""
        free = self._queue._queue  # the last one in is the next one out
        return bool(free) and free[-1].is_connected() and free[-1]._generation == self._generation  # type: ignore[attr-defined]

    async def expire(self, round_: int) -> None:
        """A connection of this round was lost with its server: the others are of no use either. Once for each round."""
        if round_ == self.round and not self.is_closing():
            self.round += 1
            await self.expire_connections()


class Lost(AppError):
    """There is no connection, or no more. ``extensions.written``: no, or unknown where the answer to COMMIT was lost."""

    def __init__(self, message: str, *, written: bool | None) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, message)
        self.written = written
        self.extensions = {**(self.extensions or {}), "written": "no" if written is False else "unknown"}

    def copy(self) -> Lost:
        """See AppError."""
        return Lost(self.message, written=self.written)


def in_doubt() -> Lost:
    """What is said where a change may have been made or not."""
    return Lost(
        "The database was lost while it saved the change: it may have been made or not. Look, or send it again with the "
        "same idempotencyKey.",
        written=None,
    )


async def open_pool(
    url: str,
    *,
    size: int,
    name: str,
    statement_seconds: float,
    role: str | None = None,
    acquire_seconds: float = ACQUIRE_SECONDS,
    connect_seconds: float = CONNECT_SECONDS,
    patient: bool = True,
) -> Pool:
    """A pool whose sessions end a statement after ``statement_seconds`` and have become ``role``, if one is given.

    ``url`` may name several hosts and say which of them is wanted (``target_session_attrs``). Raises SetupError when
    nothing answers.
    """
    milliseconds = int(statement_seconds * 1000)
    settings = {
        "statement_timeout": str(milliseconds),
        # The backstops: they close the connection, so they come later than the limit that does not.
        "transaction_timeout": str(milliseconds * 4),
        "idle_in_transaction_session_timeout": str(milliseconds * 2),
        "timezone": "UTC",
        "jit": "off",
        # Statements are written so that their plan does not depend on the values: planning each time is waste.
        "plan_cache_mode": "force_generic_plan",
        **({"role": role} if role else {}),
    }
    connect = _connector(url, connect_seconds)
    try:
        pooler = await find_pooler(url, connect)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        raise SetupError(f"cannot connect to the database of DATABASE_URL: {error or type(error).__name__}") from error
    if pooler is not None and role is not None:
        raise SetupError(f"This command becomes {role}, and DATABASE_URL leads to a pooler: connect to PostgreSQL itself.")
    pool = Pool(
        url,
        connect=connect,
        min_size=0,
        init_size=min(2, size),
        max_size=size,
        max_queries=1_000_000,
        max_inactive_connection_lifetime=300.0,
        loop=None,
        connection_class=Session,
        init=_prepare_connection,
        reset=_keep_session,
        record_class=Row,
        statement_cache_size=500 if pooler is None or pooler.keeps_statements else 0,
        acquire_seconds=acquire_seconds,
        patient=patient,
        pooler=pooler,
        # A pooler does not take settings at the start, and its sessions are other people's in the next moment.
        prelude=_settings(settings) if pooler is not None else "",
        # The server ends a statement before that.
        answer_seconds=statement_seconds + 2,
        server_settings={"application_name": name} | (settings if pooler is None else {}),
    )
    try:
        return await pool
    except asyncpg.UndefinedObjectError:
        raise SetupError("Fivefold needs PostgreSQL 18 or newer; the server of DATABASE_URL is older.") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        raise SetupError(f"cannot connect to the database of DATABASE_URL: {error or type(error).__name__}") from error


@dataclass(frozen=True)
class Pooler:
    """Something between us and PostgreSQL that gives a session to one transaction after the other, such as PgBouncer.

    ``keeps_statements``: it prepares on each session what a client has prepared (PgBouncer since 1.21).
    """

    keeps_statements: bool


async def find_pooler(url: str, connect: Callable[..., Awaitable[asyncpg.Connection]] = asyncpg.connect) -> Pooler | None:
    """The pooler that an address leads to, if it does. Raises what connecting raises.

    A pooler invents the process id that it greets with, and PostgreSQL lists prepared statements by the name they have there.
    """
    connection = await connect(url, statement_cache_size=0, server_settings={"application_name": "fivefold"})
    try:
        greeted = connection.get_server_pid()
        await connection.execute("BEGIN")
        pid: int = await connection.fetchval("SELECT pg_backend_pid()")
        if pid == greeted:
            return None
        prepared = await connection.prepare("SELECT 1", name=_PROBE)
        names = await connection.fetch("SELECT name FROM pg_prepared_statements")
        passed = _PROBE in {name for (name,) in names}
        if passed:
            await connection.execute(f"DEALLOCATE {_PROBE}")
        del prepared
        return Pooler(keeps_statements=not passed)
    finally:
        connection.terminate()


def _settings(settings: dict[str, str]) -> str:
    """The text that sets them for one transaction."""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items()) + "; "


def _connector(url: str, seconds: float) -> Callable[..., Awaitable[asyncpg.Connection]]:
    """How a pool connects: to the hosts of the address in turn, each with its share of the time.

    asyncpg gives all of it to the first one, and would wait in vain for a host whose machine is off.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        given = {}
    hosts = str(given.get("host") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    if len(hosts) == 1:
        return partial(asyncpg.connect, timeout=seconds)
    places = list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True))
    wanted = str(given.get("target_session_attrs") or "any")
    rounds = ("standby", "any") if wanted == "prefer-standby" else (wanted,)

    async def connect(*args: Any, **options: Any) -> asyncpg.Connection:
        failure: Exception | None = None
        for attribute in rounds:
            for place in list(places):
                options |= {"host": place[0], "port": int(place[1] or 5432), "target_session_attrs": attribute}
                try:
                    connection: asyncpg.Connection = await asyncpg.connect(*args, timeout=seconds / len(places), **options)
                except (*_AWAY, asyncpg.TargetServerAttributeNotMatched) as error:
                    failure = error
                else:
                    places.sort(key=place.__ne__)  # it answers: the next connection is tried here first
                    return connection
        assert failure is not None
        raise failure

    return connect


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Nothing: all that we set ends with its transaction, so that a reset would be a round trip for nothing."""


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    _watch(connection)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
    )
    # Preparing leaves an implicit transaction open, and the next BEGIN ISOLATION LEVEL would fail in it.
    await connection.execute("SELECT 1")


def _watch(connection: asyncpg.Connection) -> None:
    """Let the kernel find out when the server's machine is gone without a word."""
    opened = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # it has no public name
    if opened is None or opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in {
        "TCP_KEEPIDLE": 5,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": SILENT_SECONDS * 1000,
    }.items():
        if hasattr(socket, option):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class Row(asyncpg.Record):
    """A row as it came: ``row["label"]`` where speed counts, ``row.label`` where a rule reads it as its class."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
