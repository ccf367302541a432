"""A read replica: who reads there, and when one must not.

Queries read from ``FIVEFOLD_READ_URL`` where one is set. Who has changed something sends back the position that the answer to
the mutation carried, and reads from the replica only once it has replayed that much; otherwise, and whenever the replica is
lost or far behind, from the primary. A position costs no round trip: it is told with COMMIT, and asked for with BEGIN.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from prometheus_client import Counter

from app.kit.db import look_up
from app.kit.errors import AppError, ErrorCode, SetupError
from app.kit.log import log
from app.kit.pool import Pool
from app.kit.sql import File, make

HEADER = "Fivefold-Position"
WATCH_SECONDS = 1.0
LOOK_SECONDS = 8.0
_TOKEN = re.compile(r"([0-9a-f]{8})-([0-9a-f]{1,16})")


@dataclass(frozen=True)
class WalPosition:
    """Bytes of write-ahead log. ``cluster`` tells one database cluster, standbys included, from another."""

    cluster: str
    standby: bool
    position: int


get_wal_position = File("kit/replica").one("get_wal_position", WalPosition)


async def fetch_position(pool: Pool) -> WalPosition:
    """Where the server of a pool stands. Raises UNAVAILABLE or TIMED_OUT."""
    (record,) = await look_up(pool, get_wal_position.statement, {})
    return make(WalPosition, record)


class Replica:
    """The replica of one process. Once started, it looks every second how far behind the replica is.

    ``lag`` is how long the primary has been ahead of it, in seconds; None while it cannot be used at all.
    """

    def __init__(self, primary: Pool, connect: Callable[[], Awaitable[Pool]], *, max_lag: float, reads: Counter) -> None:
        self.pool: Pool | None = None
        self.lag: float | None = None
        self.cluster: str | None = None
        self._primary, self._connect, self._max_lag, self._reads = primary, connect, max_lag, reads
        self._seen: deque[tuple[float, int]] = deque(maxlen=int(max_lag / WATCH_SECONDS) + 60)
        self._said: str | None = ""
        self._watching: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether queries may read there."""
        return self.lag is not None and self.lag <= self._max_lag

    def count(self, pool: str) -> None:
        """A query has read from the replica or the primary."""
        self._reads.labels(pool).inc()

    def leave(self) -> None:
        """It failed somebody: nobody reads there until it was looked at again."""
        self.lag = None

    def token(self, position: int) -> str | None:
        """A position as clients keep it."""
        return f"{self.cluster}-{position:x}" if self.cluster else None

    def read_token(self, token: str | None) -> int | None:
        """The position that a client sent back; None where it sent none, or one of another cluster. Raises BAD_REQUEST."""
        if token is None:
            return None
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise AppError(
                ErrorCode.BAD_REQUEST,
                f"{HEADER} is not what a mutation answered. Send it back as it came, or leave it out.",
                field=HEADER,
            )
        return int(match[2], 16) if match[1] == self.cluster else None

    def size(self) -> tuple[int, int]:
        """Its connections, and those that are idle."""
        return (self.pool.get_size(), self.pool.get_idle_size()) if self.pool is not None else (0, 0)

    async def start(self) -> None:
        """Look, and look again and again from now on. A replica that is not there yet is no reason not to start."""
        await self.look()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Give everything up."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        pool, self.pool, self.lag = self.pool, None, None
        if pool is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(pool.close(), 10)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Find out how far behind the replica is."""
        problem: str | None = None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._look()
        except TimeoutError:
            problem, self.lag = "it does not answer", None
        except (AppError, SetupError) as error:
            problem, self.lag = str(error).replace("DATABASE_URL", "FIVEFOLD_READ_URL"), None
        if problem is None and not self.usable:
            problem = f"it is {self.lag:.0f} seconds behind" if self.lag is not None else "it belongs to another cluster"
        if problem != self._said:
            if problem is None:
                log.info("replica in use")
            else:
                log.warning("replica not in use", reason=problem)
            self._said = problem

    async def _look(self) -> None:
        with suppress(AppError):  # without the primary the replica is as good as it was
            here = await fetch_position(self._primary)
            if not here.standby:
                self.cluster = here.cluster
                self._seen.append((monotonic(), here.position))
        if self.pool is None:
            self.pool = await self._connect()
        there = await fetch_position(self.pool)
        if there.cluster != self.cluster:
            self.lag = None
            return
        while len(self._seen) > 1 and self._seen[0][1] <= there.position:
            self._seen.popleft()
        at, position = self._seen[0]
        self.lag = 0.0 if position <= there.position else monotonic() - at
