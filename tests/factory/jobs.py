"""Jobs to test with: what is due is run as the worker would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from app.core.workspace import is_resting
from app.kit.db import Db, open_as
from app.kit.jobs import Job
from app.kit.pool import open_pool
from app.kit.runner import Runner, open_queue
from app.schema import JOBS
from app.settings import Settings

FOLDER = TemporaryDirectory(prefix="fivefold-mail-")
"""Mail that no test looks at."""

if TYPE_CHECKING:
    from tests.conftest import Api, Database


async def run_jobs(api: Api, jobs: Sequence[Job[Any]] = JOBS, settings: Settings | None = None) -> None:
    """Run what is due, and what that asks for, until nothing is."""
    async with runner(api.database, jobs, settings) as started:
        await started.drain()


@asynccontextmanager
async def runner(database: Database, jobs: Sequence[Job[Any]], settings: Settings | None = None) -> AsyncIterator[Runner]:
    """What a worker process holds."""
    url = database.url("fivefold_worker")
    pool = await open_pool(url, size=10, name="test-worker", statement_seconds=30)
    try:
        async with open_queue(url) as queue:
            yield Runner(jobs, pool, queue, settings or Settings(mail_folder=Path(FOLDER.name)), is_resting)
    finally:
        await pool.close()


@asynccontextmanager
async def worker_db(database: Database) -> AsyncIterator[Db]:
    """The database as the worker sees it outside a workspace."""
    async with open_as(database.url(), "fivefold_worker") as (_, db):
        yield db
