"""The worker: composition root of the jobs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from app.kit.db import open_pool
from app.kit.errors import SetupError
from app.kit.jobs import MAX_RUNNING, Job, Runner, open_queue
from app.kit.log import log
from app.privacy.analyzer import analyzer_of
from app.schema import JOBS
from app.settings import Settings

DRAIN_SECONDS = 30.0


async def run(settings: Settings, *, jobs: Sequence[Job[Any]] = JOBS, drain: bool = False) -> None:
    """Work until a signal comes; what runs then has half a minute to end. With ``drain``, until nothing is due."""
    url = settings.require_database_url()
    analyzer_of(settings)  # an operator learns now what is missing, not from the first job
    pool = await open_pool(url, size=MAX_RUNNING, name="fivefold-worker", statement_seconds=settings.job_seconds)
    try:
        async with open_queue(url) as queue:
            runner = Runner(jobs, pool, queue, settings)
            if drain:
                await runner.drain()
            else:
                await _until_signal(runner)
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), 10)


async def _until_signal(runner: Runner) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    working, waiting = asyncio.create_task(runner.run()), asyncio.create_task(stopped.wait())
    log.info("worker started")
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        raise SetupError("The worker lost its database. Start it again.") from working.exception()
    runner.stop()
    done, _ = await asyncio.wait({working}, timeout=DRAIN_SECONDS)
    if not done:  # what is cut off here is picked up again by another worker, and its work is done once
        log.warning("worker stopped before its jobs ended")
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    log.info("worker stopped")
