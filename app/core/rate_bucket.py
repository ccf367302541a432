"""Rate buckets: a workspace may ask for so many objects a second, with a burst; the bucket is the database's, leased in blocks.

Strangers have buckets too, named by a hash of what they are told by: a network, an address, or both. What they try (passwords,
mails to somebody) is charged one by one and not leased, so that all processes together allow for as much as one does.

A server process takes a block of tokens at once and gives it out itself, so that most requests cost no statement. What a
process still holds when it ends is lost, which harms nobody: it is a fraction of a burst.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.sql import File, make

MAX_LEASES = 10_000
BLOCKS_OF_BURST = 50


@dataclass(frozen=True)
class RateTokens:
    """Whether tokens were granted, and if not, in how many seconds they are there."""

    granted: bool
    wait_seconds: float


@dataclass(frozen=True)
class Attempts:
    """So many at once, and one more every ``seconds``; ``at_once`` 0 is without limit."""

    at_once: float
    seconds: float


take_rate_tokens = File("core/rate_bucket").one("take_rate_tokens", RateTokens)


class RateLimiter:
    """The leases of one process. ``per_second`` 0 switches it off."""

    def __init__(self, *, per_second: float, burst: float, whom: str = "This workspace") -> None:
        self.per_second, self.burst, self.whom = per_second, burst, whom
        self._leases: OrderedDict[UUID, float] = OrderedDict()

    async def charge(self, db: Db, workspace_id: UUID, cost: int) -> None:
        """Take ``cost`` tokens, at least one. Raises RATE_LIMITED with ``retryAfter`` in seconds."""
        if not self.per_second:
            return
        wanted = float(max(1, cost))
        held = self._leases.get(workspace_id, 0.0)
        if held < wanted:
            held += await self._lease(db, workspace_id, wanted - held)
        self._leases[workspace_id] = held - wanted
        self._leases.move_to_end(workspace_id)
        if len(self._leases) > MAX_LEASES:
            self._leases.popitem(last=False)

    async def _lease(self, db: Db, workspace_id: UUID, missing: float) -> float:
        """A block if there is one, or just what is missing."""
        block = max(missing, self.burst / BLOCKS_OF_BURST)
        for wanted in dict.fromkeys((block, missing)):
            arguments = {"workspace_id": workspace_id, "wanted": wanted, "burst": self.burst, "per_second": self.per_second}
            (record,) = await db.look_up(take_rate_tokens.statement, arguments)
            taken = make(RateTokens, record)
            if taken.granted:
                return wanted
        seconds = max(1, math.ceil(taken.wait_seconds))
        raise RateLimited(seconds, self.burst, self.per_second, self.whom)


class RateLimited(AppError):
    """Too much was asked for lately."""

    def __init__(self, seconds: int, burst: float, per_second: float, whom: str) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, f"{whom} asks for too much. Try again in {seconds} seconds.")
        limit = {"retryAfter": seconds, "burst": int(burst), "perSecond": per_second}
        self.extensions = {**(self.extensions or {}), "retryAfter": seconds, "rateLimit": limit}


def bucket_id(*names: str) -> UUID:
    """The bucket of what these name together. A hash, so that the table tells nobody who tried what."""
    digests = b"".join(hashlib.sha256(name.encode()).digest() for name in names)  # of each: no word reaches into the next
    return UUID(bytes=hashlib.sha256(digests).digest()[:16])


async def take(db: Db, attempts: Attempts, *names: str) -> None:
    """One attempt of what the names name, at once and for good. Raises RATE_LIMITED with ``retryAfter`` in seconds."""
    if attempts.at_once and (wait := await _move(db, attempts, 1.0, names)):
        seconds = max(1, math.ceil(wait))
        error = AppError(ErrorCode.RATE_LIMITED, f"Too many attempts. Try again in {seconds} seconds.")
        error.extensions = {**(error.extensions or {}), "retryAfter": seconds}
        raise error


async def give_back(db: Db, attempts: Attempts, *names: str) -> None:
    """An attempt that was none: it succeeded."""
    if attempts.at_once:
        await _move(db, attempts, -1.0, names)


async def _move(db: Db, attempts: Attempts, wanted: float, names: tuple[str, ...]) -> float:
    """Seconds to wait, 0 where it was granted."""
    await db.restart()
    (record,) = await db.look_up(
        take_rate_tokens.statement,
        {
            "workspace_id": bucket_id(*names),
            "wanted": wanted,
            "burst": attempts.at_once,
            "per_second": 1 / attempts.seconds,
        },
    )
    return 0.0 if record["granted"] else float(record["wait_seconds"])
