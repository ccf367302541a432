"""Jobs: work that is done later, or again until it succeeds, by ``fivefold worker``.

The queue is PgQueuer's. What is added here are its safe defaults: a job joins the transaction that asks for it; a failure is
tried again later and later and held in the end, never dropped; and what a job does to the database happens once, even if a
worker is killed between doing it and saying so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.kit.db import Db, look_up
from app.kit.pool import Pool
from app.kit.sql import File, make

Payload = TypeVar("Payload", bound=BaseModel)


@dataclass(frozen=True)
class Effect:
    """A job whose work is being done for the first time."""

    job_id: int


@dataclass(frozen=True)
class Count:
    """How many jobs run or are due."""

    jobs: int


@dataclass(frozen=True)
class Queue:
    """``due`` jobs wait, the oldest for ``oldest_seconds``; ``held`` ones were given up after their last attempt.

    ``horizon_seconds`` is the age of the oldest transaction that this login sees: while it lasts, vacuum removes no dead row.
    """

    due: int
    running: int
    held: int
    oldest_seconds: float
    horizon_seconds: float


sql = File("kit/jobs")
count_jobs = sql.one("count_job", Count)
delete_effects = sql.exec("delete_effect")
delete_job_log = sql.exec("delete_job_log")
delete_job_statistics = sql.exec("delete_job_statistics")
enqueue_jobs = sql.exec("enqueue_jobs")
get_queue = sql.one("get_queue", Queue)
insert_effect = sql.one("insert_effect", Effect)
lock_job_key = sql.exec("lock_job_key")
update_job_key = sql.exec("update_job_key")


class Done(Exception):
    """The work of this job has committed before."""


@dataclass(frozen=True)
class Work:
    """One run of a job. ``db`` is the worker's, acting in the workspace that the payload names.

    ``attempt`` counts from 1; ``settings`` are the operator's, see app/settings.py.
    """

    db: Db
    job_id: int
    attempt: int = 1
    settings: Any = None

    @asynccontextmanager
    async def once(self) -> AsyncIterator[Db]:
        """The transaction that does the work: entered at most once to a commit. What it cannot take back goes before it."""
        async with self.db.transaction():
            if await insert_effect(self.db, job_id=self.job_id) is None:
                raise Done
            yield self.db

    async def take_over(self, job: Job[Any], dedupe: str) -> None:
        """From now on the same may be asked for again; what was asked before with ``gather`` has committed, and is seen here.

        Without it, what is asked for while the last look of this job is over and its row still there would be lost.
        """
        async with self.db.transaction():
            await lock_job_key(self.db, shared=False, dedupe_key=f"{job.name}:{dedupe}")
            await update_job_key(self.db, job_id=self.job_id)


@dataclass(frozen=True)
class Job(Generic[Payload]):
    """A kind of work. ``cron`` repeats it, with a payload of defaults; ``concurrency`` 0 is without a cap over all workers.

    ``rests`` lets it wait while the workspace of its payload rests.
    """

    name: str
    run: Callable[[Work, Payload], Awaitable[None]]
    payload: type[Payload]
    cron: str | None
    attempts: int
    concurrency: int
    priority: int
    rests: bool


def job(
    name: str,
    payload: type[Payload],
    *,
    cron: str | None = None,
    attempts: int = 8,
    concurrency: int = 0,
    priority: int = 0,
    rests: bool = True,
) -> Callable[[Callable[[Work, Payload], Awaitable[None]]], Job[Payload]]:
    """Make a function a job. List it in the product's front door; ``name`` is product and work, such as privacy.purge."""
    return lambda run: Job(name, run, payload, cron, attempts, concurrency, priority, rests)


async def enqueue(
    db: Db, job: Job[Payload], payload: Payload, *, dedupe: str | None = None, delay: timedelta = timedelta()
) -> None:
    """Ask for a job in the open transaction. While one with the same ``dedupe`` waits or runs, nothing is added."""
    await enqueue_many(db, job, [(payload, dedupe)], delay=delay)


async def gather(db: Db, job: Job[Payload], payload: Payload, dedupe: str) -> None:
    """As ``enqueue``, for a job that does all that waits and begins with ``take_over``: it sees what this transaction adds."""
    await lock_job_key(db, shared=True, dedupe_key=f"{job.name}:{dedupe}")
    await enqueue(db, job, payload, dedupe=dedupe)


async def enqueue_many(
    db: Db, job: Job[Payload], asked: Sequence[tuple[Payload, str | None]], *, delay: timedelta = timedelta()
) -> None:
    """As ``enqueue``, for any number of (payload, dedupe), in one statement."""
    await enqueue_jobs(
        db,
        entrypoint=job.name,
        payloads=[payload.model_dump_json().encode() for payload, _ in asked],
        dedupe_keys=[f"{job.name}:{dedupe}" if dedupe else None for _, dedupe in asked],
        delay=delay,
        priority=job.priority,
    )


async def fetch_queue(pool: Pool) -> Queue:
    """How the queue stands. Raises asyncpg's InsufficientPrivilegeError for a login that may not see it."""
    (record,) = await look_up(pool, get_queue.statement, {})
    return make(Queue, record)
