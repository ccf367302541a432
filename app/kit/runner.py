"""The runner of jobs: PgQueuer, under the safe defaults that jobs.py tells of. Only a worker loads it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
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
from app.kit.jobs import Count, Done, Job, Work, count_jobs, enqueue
from app.kit.log import log
from app.kit.pool import Pool, find_pooler
from app.kit.sql import make

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
        except Done:
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
