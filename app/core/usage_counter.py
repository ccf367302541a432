"""Usage: what a plan allows a day or a month is counted where it is used, and parallel requests get exactly that much.

A product uses some in its own transaction::

    async with db.transaction():
        used = await use(db, "scans.urls", 3)
        ...  # and gives it back with give_back(db, "scans.urls", used) when it was for nothing

Days and months are those of the calendar in UTC, for everybody: an upgrade in the middle of one adds to it and begins no other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import strawberry

from app.core.plan import LimitPeriod, LimitReached
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import BigInt, query
from app.kit.sql import File

MOST = 10**9
"""More than that is not used at once."""

Count = Callable[[Db], Awaitable[int]]

COUNTED: dict[str, Count] = {}
"""How many there are of what is limited by its number and not by time. Filled by the products."""


def counts(name: str) -> Callable[[Count], Count]:
    """Say how many there are of a thing that plans limit, for those who ask what they have used."""

    def register(count: Count) -> Count:
        COUNTED[name] = count
        return count

    return register


@dataclass(frozen=True)
class Used:
    """What the day or month has used, and which one it is."""

    used: int
    period_start: datetime


@dataclass(frozen=True)
class Metered:
    """A limit of the workspace's plan, and what was counted of it."""

    name: str
    amount: int | None
    period: LimitPeriod | None
    used: int | None
    plan: str
    resets_at: datetime | None


@strawberry.type(description="What the workspace has used of something that its plan limits.")
class Usage:
    """``name`` is product and what is counted."""

    name: str
    used: BigInt | None = strawberry.field(description="Null for what is allowed or not, and is not counted.")
    limit: BigInt | None = strawberry.field(description="Null is without limit, 0 is not at all.")
    period: LimitPeriod | None = strawberry.field(description="Null where it is limited how many there are.")
    resets_at: datetime | None = strawberry.field(description="When the day or month ends.")


sql = File("core/usage_counter")
list_usage = sql.many("list_usage", Metered)
update_usage = sql.one("update_usage", Used)
use_allowance = sql.one("use_allowance", Used)


async def use(db: Db, name: str, amount: int = 1) -> Used:
    """Count some, in the transaction that uses it. Raises LIMIT_REACHED, and then has counted nothing.

    Whoever uses of the same in the same workspace waits until this transaction ends.
    """
    if not 1 <= amount <= MOST:
        raise AppError(ErrorCode.BAD_INPUT, f"1 to {MOST} can be used at once.", field="amount")
    used = await use_allowance(db, name=name, amount=amount)
    if used is None:
        known = {each.name: each for each in await list_usage(db)}[name]
        raise LimitReached(name, known.amount or 0, known.used or 0, known.plan)
    return used


async def give_back(db: Db, name: str, used: Used, amount: int = 1) -> None:
    """What was used for nothing, to the day or month that it was taken from; never below nothing."""
    await update_usage(db, name=name, amount=amount, period_start=used.period_start)


@strawberry.type
class UsageCounterQuery:
    """The root field that tells what was used."""

    @query()
    async def usage(self, info: Info) -> list[Usage] | None:
        """What the active workspace has used of all that its plan limits."""
        db = info.context.db
        found = []
        for each in await list_usage(db):
            used = each.used or 0 if each.period else None
            if each.period is None and each.name in COUNTED:
                used = await COUNTED[each.name](db)
            found.append(
                Usage(
                    name=each.name,
                    used=None if used is None else BigInt(used),
                    limit=None if each.amount is None else BigInt(each.amount),
                    period=each.period,
                    resets_at=each.resets_at,
                )
            )
        return found
