"""Jobs: work that is done later, or again until it succeeds, by ``fivefold worker``.

The queue is PgQueuer's. What is added here are its safe defaults: a job joins the transaction that asks for it; a failure is
tried again later and later and held in the end, never dropped; and what a job does to the database happens once, even if a
worker is killed between doing it and saying so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.executors import EntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Schedule
from pgqueuer.domain.models import Job as QueuedJob
from pgqueuer.domain.settings import DBSettings
from pydantic import BaseModel

from app.kit.context import SYSTEM_ID, Actor
from app.kit.db import Db, look_up
from app.kit.errors import SetupError
from app.kit.log import log
from app.kit.pool import Pool, find_pooler
from app.kit.sql import File, make

Payload = TypeVar("Payload", bound=BaseModel)

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(hours=1)
HEARTBEAT = timedelta(seconds=10)
"""A job whose worker says nothing for so long is given to another."""
POLL = timedelta(milliseconds=250)
"""Nothing notifies: a mutation that did would take PostgreSQL's one lock for it at its commit."""
REST = timedelta(hours=1)
"""What may not run now is asked about again so often."""
BATCH = 10
MAX_RUNNING = 20


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


class _Done(Exception):
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
                raise _Done
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


@dataclass
class _Executor(EntrypointExecutor):
    """Runs a job, and asks for another attempt when it failed."""

    attempts: int = 8

    async def execute(self, job: QueuedJob, context: Context) -> None:
        try:
            await super().execute(job, context)
        except Resting:
            raise RetryRequested(delay=REST, reason="Resting") from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            log.warning("job failed", job=job.entrypoint, job_id=job.id, attempt=job.attempts + 1, exc_info=error)
            # The queue keeps what it is told about a failure. An exception's text may hold personal data; its type does not.
            reason = type(error).__name__
            if job.attempts + 1 >= self.attempts:
                raise JobFailed(reason) from None
            raise RetryRequested(delay=retry_delay(job.attempts, random.random()), reason=reason) from None  # noqa: S311


class Resting(Exception):
    """The job's workspace rests. However often it is asked, that is no failure."""


class JobFailed(Exception):
    """The last attempt failed; the job is held until somebody queues it again."""


def retry_delay(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many failures: twice as long each time, half of it by chance (0..1), an hour at most."""
    longest: timedelta = min(FIRST_DELAY * 2 ** min(attempts, 20), LONGEST_DELAY)
    return longest / 2 + longest / 2 * chance


class Runner:
    """Takes jobs from the queue and runs them, until ``stop`` or, with ``drain``, until nothing waits."""

    def __init__(
        self,
        jobs: Sequence[Job[BaseModel]],
        pool: Pool,
        queue: asyncpg.Pool,
        settings: object = None,
        rests: Callable[[Db], Awaitable[bool]] | None = None,
    ) -> None:
        """``rests`` says whether the jobs of the workspace that a ``Db`` acts in wait."""
        tables = DBSettings(db_schema="jobs")
        queries = Queries(
            AsyncpgPoolDriver(queue),
            qb.QueryBuilderEnvironment(tables),
            qb.QueryQueueBuilder(tables),
            qb.QuerySchedulerBuilder(tables),
        )
        self._pool, self._settings, self._rests = pool, settings, rests
        self._queuer = PgQueuer(queries.driver, queries=queries)
        self._names = [job.name for job in jobs]
        for job in jobs:
            self._register(job)

    def _register(self, job: Job[BaseModel]) -> None:
        async def run(queued: QueuedJob) -> None:
            await self._run(job, queued)

        def make(parameters: EntrypointExecutorParameters) -> _Executor:
            return _Executor(parameters, attempts=job.attempts)

        limit = job.concurrency
        self._queuer.entrypoint(job.name, concurrency_limit=limit, on_failure="hold", executor_factory=make)(run)
        if job.cron is not None:

            async def ask(schedule: Schedule) -> None:
                db = Db(self._pool, _actor(None), uuid4())
                try:
                    async with db.transaction():
                        await enqueue(db, job, job.payload(), dedupe="cron")
                finally:
                    await db.close()

            self._queuer.schedule(job.name, job.cron)(ask)

    async def _run(self, job: Job[BaseModel], queued: QueuedJob) -> None:
        payload = job.payload.model_validate_json(queued.payload or b"{}")
        workspace_id = getattr(payload, "workspace_id", None)
        db = Db(self._pool, _actor(workspace_id), uuid4())
        try:
            if workspace_id is not None and job.rests and self._rests is not None:
                if await self._rests(db):
                    raise Resting
                await db.restart()
            await job.run(Work(db, int(queued.id), queued.attempts + 1, self._settings), payload)
        except _Done:
            log.info("job done before", job=job.name, job_id=queued.id)
        else:
            log.info("job done", job=job.name, job_id=queued.id, statements=db.statements)
        finally:
            await db.close()

    def stop(self) -> None:
        """Take no more jobs; those that run are finished."""
        self._queuer.shutdown.set()

    async def run(self) -> None:
        """Until ``stop``."""
        await self._queuer.run(
            dequeue_timeout=POLL, batch_size=BATCH, max_concurrent_tasks=MAX_RUNNING, heartbeat_timeout=HEARTBEAT
        )

    async def drain(self) -> None:
        """Run what is due of its kinds, and what that asks for. Repeated jobs, and attempts to come, are left alone."""
        running = asyncio.create_task(
            self._queuer.qm.run(
                dequeue_timeout=POLL / 10,
                batch_size=BATCH,
                max_concurrent_tasks=MAX_RUNNING,
                heartbeat_timeout=HEARTBEAT,
                log_aggregation_interval=timedelta(),
            )
        )
        try:
            while not running.done() and await self._under_way():  # noqa: ASYNC110 - the queue is another process's too
                await asyncio.sleep(0.02)
        finally:
            self.stop()
            await running

    async def _under_way(self) -> bool:
        (record,) = await look_up(self._pool, count_jobs.statement, {"names": self._names})
        return make(Count, record).jobs > 0


async def fetch_queue(pool: Pool) -> Queue:
    """How the queue stands. Raises asyncpg's InsufficientPrivilegeError for a login that may not see it."""
    (record,) = await look_up(pool, get_queue.statement, {})
    return make(Queue, record)


def _actor(workspace_id: UUID | None) -> Actor:
    """The worker in a workspace; without one it sees what the policies show the worker."""
    return Actor(account_id=SYSTEM_ID, workspace_id=workspace_id or SYSTEM_ID, role="owner")


@asynccontextmanager
async def open_queue(url: str) -> AsyncIterator[asyncpg.Pool]:
    """The queue's own connections: it keeps one to listen on, and its statements want plans of their own.

    Raises SetupError where they would not be its own.
    """
    if await find_pooler(url) is not None:
        raise SetupError("DATABASE_URL leads to a pooler, and the worker listens: connect it to PostgreSQL itself.")
    pool = await asyncpg.create_pool(
        url, min_size=2, max_size=4, server_settings={"application_name": "fivefold-queue", "timezone": "UTC", "jit": "off"}
    )
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), 10)
