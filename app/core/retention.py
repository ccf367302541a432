"""Retention: for how long a workspace keeps what it has recorded, as it chooses for each product; what is older goes at night.

A product says what it deletes and what stays; the choices, and finding the workspaces in which something is due, are here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.kit.db import Db
from app.kit.jobs import Job, enqueue_many

WORKSPACES = 500
"""So many are asked for at once."""
FIRST = UUID(int=0)


@strawberry.enum(description="How long history is kept.")
class RetentionPeriod(Enum):
    """Values as in the database."""

    THIRTY_DAYS = "THIRTY_DAYS"
    NINETY_DAYS = "NINETY_DAYS"
    ONE_YEAR = strawberry.enum_value("ONE_YEAR", description="365 days.")
    FOREVER = "FOREVER"


DAYS = {RetentionPeriod.THIRTY_DAYS: 30, RetentionPeriod.NINETY_DAYS: 90, RetentionPeriod.ONE_YEAR: 365}


@strawberry.type(description="How long a workspace keeps what a product has recorded.")
class Retention:
    """Chosen, or a year."""

    keep: RetentionPeriod = strawberry.field(
        description="What is older is deleted every night: of privacy snapshots with their changes, the latest of each link "
        "apart; of scans what is finished, those that a monitor compares with or that are disputed apart."
    )


@strawberry.input(description="How long to keep history.")
class UpdateRetentionInput:
    """``keep`` holds for everything that the workspace has recorded with the product."""

    keep: RetentionPeriod


class Night(BaseModel, frozen=True):
    """Nothing but that it is time."""


class OfWorkspace(BaseModel, frozen=True):
    """Whose history is due."""

    workspace_id: UUID


def oldest_kept(retention: Retention, now: datetime) -> datetime | None:
    """The moment before which nothing is kept; None where all is."""
    days = DAYS.get(retention.keep)
    return None if days is None else now - timedelta(days=days)


async def ask_each(db: Db, job: Job[OfWorkspace], find: Callable[[UUID], Awaitable[Sequence[UUID]]]) -> None:
    """A job for each workspace that ``find`` knows behind one, in the order of their ids, as the worker."""
    after = FIRST
    while found := await find(after):
        async with db.transaction():
            await enqueue_many(db, job, [(OfWorkspace(workspace_id=each), str(each)) for each in found])
        after = found[-1]
