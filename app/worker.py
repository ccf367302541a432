"""The worker: composition root of the jobs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from app.core.audit_block import Sealer, open_sealer, seal_all, seal_until
from app.core.workspace import is_resting
from app.kit.errors import SetupError
from app.kit.jobs import Job
from app.kit.log import log
from app.kit.mail import outgoing
from app.kit.pool import Pool, open_pool
from app.kit.runner import MAX_RUNNING, Runner, open_queue
from app.privacy.analyzer import analyzer_of
from app.scans.judges import end_judges, judges_of
from app.scans.network import networks_of
from app.schema import JOBS
from app.settings import Settings

DRAIN_SECONDS = 30.0
RECONNECT_SECONDS = 2.0


async def run(settings: Settings, *, jobs: Sequence[Job[Any]] = JOBS, drain: bool = False) -> None:
    """Work until a signal comes; what runs then has half a minute to end. With ``drain``, until nothing is due.

    A database that is lost is waited for. Raises SetupError when there is none at the start, or for wrong settings.
    """
    analyzer_of(settings)  # an operator learns now what is missing, not from the first job
    networks_of(settings)
    mail = outgoing(settings)
    (log.info if mail.chosen else log.warning)("mail goes out", to=str(mail))
    open_sealer(settings)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    judges = None if drain else judges_of(settings)  # what takes a second to start does so now, and not with the first page
    starting = asyncio.create_task(judges.start()) if judges is not None else None
    try:
        await _work(settings, jobs, stopped, drain)
    finally:
        if starting is not None:
            await asyncio.gather(starting, return_exceptions=True)
        await end_judges()


async def _work(settings: Settings, jobs: Sequence[Job[Any]], stopped: asyncio.Event, drain: bool) -> None:
    started = False
    while not stopped.is_set():
        try:
            await _connected(settings, jobs, stopped, drain)
        except Exception as error:
            if drain or (not started and isinstance(error, SetupError)):
                raise
            log.warning("worker lost its database", exc_info=error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), RECONNECT_SECONDS)
        if drain:
            return
        started = True
    log.info("worker stopped")


async def _connected(settings: Settings, jobs: Sequence[Job[Any]], stopped: asyncio.Event, drain: bool) -> None:
    """Work as long as the database is there."""
    url = settings.require_database_url()
    pool = await open_pool(url, size=MAX_RUNNING, name="fivefold-worker", statement_seconds=settings.job_seconds)
    try:
        async with open_queue(url) as queue:
            runner, sealer = Runner(jobs, pool, queue, settings, is_resting), open_sealer(settings)
            if drain:
                await runner.drain()
                if sealer is not None:
                    await seal_all(sealer, pool)
            else:
                await _until(stopped, runner, sealer, pool)
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), 10)


async def _until(stopped: asyncio.Event, runner: Runner, sealer: Sealer | None, pool: Pool) -> None:
    """Run, and seal the audit, until it is stopped; raise what ended it otherwise."""
    working, waiting = asyncio.create_task(runner.run()), asyncio.create_task(stopped.wait())
    sealing = asyncio.create_task(seal_until(stopped, sealer, pool))
    log.info("worker started")
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        runner.stop()
        done, _ = await asyncio.wait({working}, timeout=DRAIN_SECONDS)
        if done:
            working.result()
        else:  # what is cut off here is picked up again by another worker, and its work is done once
            log.warning("worker stopped before its jobs ended")
    finally:
        for task in (working, waiting, sealing):
            task.cancel()
        await asyncio.gather(working, waiting, sealing, return_exceptions=True)
