"""Processes that kill themselves (SIGKILL) at a step that a test names: ``python -m tests.factory.mortal FOLDER``.

Its first line is the port of its servers. Each line of its input starts a process of its own, a fork that has imported
everything already: ``{"what": "work", "step": ..., "when": "before"|"inside"|"after", "nth": 1}``, without a step for one that
lives. A step is a statement's id, or COMMIT of a writing transaction. ``work`` does exports and erasures that are due, ``bill``
what the payment provider told, ``pay`` spends a credit, ``serve`` answers one request. The answer is a line with its exit
status: -9 where the step was reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import httpx
import uvicorn

from app.core.billing_event import apply_billing_event
from app.core.erasure import erase_due
from app.core.upkeep import Nothing
from app.core.workspace import is_resting
from app.kit.db import Db, open_as
from app.kit.jobs import Work
from app.kit.pool import open_pool
from app.kit.runner import Runner, open_queue
from app.schema import JOBS
from app.serve import config
from app.server import create_app
from app.settings import Settings
from tests.factory.payer import pay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.conftest import Api, Database

Found = TypeVar("Found")


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

    async def mortal_send(self: Db, statement: Any, args: Any, *, reading: bool) -> Any:
        die(statement.id, "before")
        if (statement.id, "inside") == (step, when):  # sent, and held up by a lock that the test has
            asyncio.get_running_loop().call_later(0.2, die, statement.id, "inside")
        found = await send(self, statement, args, reading=reading)
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


async def bill() -> None:
    """What the payment provider told."""
    url = os.environ["DATABASE_URL"]
    pool = await open_pool(url, size=4, name="mortal", statement_seconds=30)
    try:
        async with open_queue(url) as queue:
            jobs = [job for job in JOBS if job.name == apply_billing_event.name]
            await Runner(jobs, pool, queue, Settings(), is_resting).drain()
    finally:
        await pool.close()


async def serve(opened: socket.socket, given: dict[str, Any]) -> None:
    """One request, over HTTP."""
    served = config(create_app(Settings(**given)))
    served.limit_max_requests = 1
    await uvicorn.Server(served).serve(sockets=[opened])


@dataclass
class Mortals:
    """Starts them. Each method answers whether the process was killed at its step, but for ``serve``."""

    process: asyncio.subprocess.Process
    database: Database
    port: int

    async def __call__(self, step: str = "", when: str = "before", nth: int = 1) -> bool:
        """A worker that does exports and erasures."""
        return await self._work("work", step, when, nth)

    async def bill(self, step: str = "", when: str = "before", nth: int = 1) -> bool:
        """A worker that does what the payment provider told."""
        return await self._work("bill", step, when, nth)

    async def pay(self, account_id: UUID, workspace_id: UUID, step: str = "", when: str = "before", nth: int = 1) -> bool:
        """Something that reserves a credit, and settles."""
        url = self.database.url("fivefold_api")
        self._start("pay", step, when, nth, url=url, who=[str(account_id), str(workspace_id)])
        return await self._ended()

    async def serve(
        self, api: Api, ask: Callable[[Api], Awaitable[Found]], step: str = "", when: str = "before", nth: int = 1, **given: Any
    ) -> Found | None:
        """What a server with these settings answers; None where it was killed."""
        settings = {"database_url": self.database.url("fivefold_api"), "rate_per_second": 0} | given
        self._start("serve", step, when, nth, settings=settings)
        found = None
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as http:
            with suppress(httpx.TransportError):  # as a provider or a client sees it
                found = await ask(replace(api, http=http))
        assert await self._ended() is (found is None)
        return found

    def _start(self, what: str, step: str, when: str, nth: int, **more: Any) -> None:
        assert self.process.stdin is not None
        line = json.dumps({"what": what, "step": step, "when": when, "nth": nth} | more)
        self.process.stdin.write(line.encode() + b"\n")

    async def _ended(self) -> bool:
        assert self.process.stdout is not None
        status = int(await self.process.stdout.readline())
        assert status in (0, -signal.SIGKILL), status
        return status != 0

    async def _work(self, what: str, step: str, when: str, nth: int) -> bool:
        self._start(what, step, when, nth)
        killed = await self._ended()
        async with self.database.connect() as admin:
            if when == "inside":
                waits = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'fivefold_worker' AND wait_event_type = 'Lock'"
                assert await admin.fetchval(waits) == 1, "PostgreSQL was in the middle of it"
            # What the killed one had picked is found again after a heartbeat; here it is not waited for.
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fivefold_worker'")
            await admin.execute("UPDATE jobs.pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL")
        return killed


@asynccontextmanager
async def mortals(database: Database, folder: Path) -> AsyncIterator[Mortals]:
    """For tests."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.factory.mortal", str(folder),
        env=os.environ | {"DATABASE_URL": database.url("fivefold_worker")},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Mortals(process, database, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


def be(what: str, opened: socket.socket, place: Path, asked: dict[str, Any]) -> None:
    """The life of a child."""
    install(asked["step"], asked["when"], asked["nth"])
    if what == "serve":
        asyncio.run(serve(opened, asked["settings"]))
    elif what == "pay":
        os.environ["DATABASE_URL"] = asked["url"]
        asyncio.run(pay(UUID(asked["who"][0]), UUID(asked["who"][1]), 1))
    else:
        asyncio.run(bill() if what == "bill" else work(place))


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # what it logs is no answer
            given = json.loads(line)
            be(given.pop("what"), listening, Path(sys.argv[1]), given)
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
