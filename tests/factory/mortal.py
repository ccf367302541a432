"""A worker that kills itself (SIGKILL) at a step that a test names: ``python -m tests.factory.mortal FOLDER``.

Each line of its input starts a worker process of its own, a fork that has imported everything already: ``{"step": ..., "when":
"before"|"after", "nth": 1}``, or ``{}`` for one that lives. A step is a statement's id, or COMMIT of a writing transaction. It
does what is due, export jobs and erasures, and the answer is a line with its exit status: -9 where the step was reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.erasure import erase_due
from app.core.upkeep import Nothing
from app.core.workspace import is_resting
from app.kit.db import Db, open_as
from app.kit.jobs import Runner, Work, open_queue
from app.kit.pool import open_pool
from app.schema import JOBS
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.conftest import Database


def install(step: str, when: str, nth: int) -> None:
    """Kill this process at the step."""
    passed = 0
    send, ends = Db._send, Db._end

    def die(name: str, moment: str) -> None:
        nonlocal passed
        if (name, moment) == (step, when):
            passed += 1
            if passed == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    async def mortal_send(self: Db, statement: Any, args: Any, begin: Any) -> Any:
        die(statement.id, "before")
        found = await send(self, statement, args, begin)
        die(statement.id, "after")
        return found

    async def mortal_end(self: Db, end: str) -> None:
        writes = bool(self._begun) and "READ ONLY" not in str(self._begun)
        if end == "COMMIT" and writes:
            die("COMMIT", "before")
        await ends(self, end)
        if end == "COMMIT" and writes:
            die("COMMIT", "after")

    Db._send, Db._end = mortal_send, mortal_end  # type: ignore[method-assign]


async def work(folder: Path) -> None:
    """What is due."""
    url = os.environ["DATABASE_URL"]
    settings = Settings(mail_folder=folder / "mail", erasure_folder=folder / "ledger", app_url="https://app.example/at")
    pool = await open_pool(url, size=4, name="mortal", statement_seconds=30)
    try:
        async with open_queue(url) as queue:
            await Runner([job for job in JOBS if "export" in job.name], pool, queue, settings, is_resting).drain()
        async with open_as(url, "fivefold_worker") as (_, db):
            await erase_due.run(Work(db, 1, settings=settings), Nothing())
    finally:
        await pool.close()


@asynccontextmanager
async def mortals(database: Database, folder: Path) -> AsyncIterator[Callable[..., Any]]:
    """For tests: call it with step, when and nth; it answers whether the worker was killed there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.factory.mortal", str(folder),
        env=os.environ | {"DATABASE_URL": database.url("fivefold_worker")},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    asks, answers = process.stdin, process.stdout

    async def run(step: str = "", when: str = "before", nth: int = 1) -> bool:
        asks.write(json.dumps({"step": step, "when": when, "nth": nth}).encode() + b"\n")
        status = int(await answers.readline())
        assert status in (0, -signal.SIGKILL), status
        async with database.connect() as admin:
            # What the killed one had picked is found again after a heartbeat; here it is not waited for.
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fivefold_worker'")
            await admin.execute("UPDATE jobs.pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL")
        return status != 0

    try:
        yield run
    finally:
        asks.close()
        await process.wait()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # what it logs is no answer
            install(**json.loads(line))
            asyncio.run(work(place))
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
