"""The processes of a run: servers in Python and Node, what they need to start, and what they take."""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import uvicorn

from app.settings import Settings
from tests.benchmark.peer import Installation

POOL = 10
"""Connections of each server: Fivefold's default."""
UNLIMITED = {"FIVEFOLD_RATE_PER_SECOND": "10000000", "FIVEFOLD_RATE_BURST": "10000000"}
"""Requests are charged like any other, and never refused."""


def settings_of(url: str, key: Path) -> Settings:
    """The same for a server in this process."""
    return Settings(
        database_url=url,
        jwt_keys=[key],
        vault_keys=[Path(fivefold_environment(url, key)["FIVEFOLD_VAULT_KEYS"])],
        rate_per_second=10**7,
        rate_burst=10**7,
    )


@dataclass(frozen=True)
class Server:
    """A running server, and the clock when it was started and when it listened."""

    pid: int
    port: int
    begun: float
    ready: float

    def memory(self) -> int:
        """Bytes, as Linux tells it."""
        return memory(self.pid)


def memory(pid: int) -> int:
    """Bytes of memory of a process, as Linux tells it."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def spent(pid: int) -> float:
    """Seconds of processor time of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def all_spent(pid: int) -> float:
    """Seconds of processor time of a process, of those it has started, and of those that have ended."""
    while True:
        ended, total = _spent_by_ended(pid), spent(pid)
        for child in children_of(pid):
            with suppress(OSError):  # ended a moment ago
                total += spent(child)
        if _spent_by_ended(pid) == ended:  # else one that ended meanwhile is counted twice, or not at all
            return total + ended


def _spent_by_ended(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    """The processes that it has started and that run."""
    return [int(each) for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fivefold_environment(url: str, key: Path) -> dict[str, str]:
    """What Fivefold's own processes read."""
    vault = key.with_name("vault.key")
    if not vault.exists():
        vault.write_text(base64.b64encode(os.urandom(32)).decode())
    words = {"DATABASE_URL": url, "FIVEFOLD_JWT_KEYS": str(key), "FIVEFOLD_VAULT_KEYS": str(vault)}
    words["PYTHONDONTWRITEBYTECODE"] = ""  # as an installation, whose start compiles nothing
    return {**words, "FIVEFOLD_POOL_SIZE": str(POOL), **UNLIMITED}


@asynccontextmanager
async def running(words: Sequence[str], port: int, environment: dict[str, str], log: Path) -> AsyncIterator[Server]:
    """A process that will listen on the port, until the end. Raises RuntimeError with its last words when it does not."""
    begun = time.perf_counter()
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: ASYNC220 - it runs beside everything
            words, env=os.environ | environment, stdout=stderr, stderr=stderr
        )
    try:
        await until_open(process, port, log)
        yield Server(process.pid, port, begun, time.perf_counter())
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def until_open(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait for the port. Raises RuntimeError."""
    for _ in range(6000):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if process.poll() is not None:
                break
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return
    raise RuntimeError(" ".join(log.read_text(errors="replace").split()[-60:]) or "it did not start")


@asynccontextmanager
async def in_python(url: str, key: Path, folder: Path, trusted: Path | None = None) -> AsyncIterator[Server]:
    """Fivefold, the hand-written endpoints, the single statements and stock Strawberry, in one process."""
    port = free_port()
    environment = fivefold_environment(url, key)
    if trusted is not None:
        environment["FIVEFOLD_TRUSTED_DOCUMENTS"] = str(trusted)
    words = [sys.executable, "-m", "tests.benchmark.serve", str(port)]
    async with running(words, port, environment, folder / f"python-{port}.log") as server:
        yield server


@asynccontextmanager
async def in_this_process(given: Settings) -> AsyncIterator[Server]:
    """The endpoints in Python, in this very process: for what is to be overheard, and not timed."""
    from tests.benchmark import serve  # what is measured runs elsewhere, and needs not be imported here

    port = free_port()
    uvicorn_server = uvicorn.Server(uvicorn.Config(serve.create(given), port=port, log_level="warning", access_log=False))
    running = asyncio.create_task(uvicorn_server.serve())
    while not uvicorn_server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield Server(os.getpid(), port, 0.0, 0.0)
    uvicorn_server.should_exit = True
    await running


@asynccontextmanager
async def alone(url: str, key: Path, folder: Path, trusted: Path | None = None) -> AsyncIterator[Server]:
    """Fivefold as it is served in production, and nothing beside it."""
    port = free_port()
    environment = fivefold_environment(url, key)
    if trusted is not None:
        environment["FIVEFOLD_TRUSTED_DOCUMENTS"] = str(trusted)
    words = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    async with running(words, port, environment, folder / f"fivefold-{port}.log") as server:
        yield server


@asynccontextmanager
async def in_node(there: Installation, name: str, url: str, key: Path, folder: Path) -> AsyncIterator[Server]:
    """A peer on the same database, as the same login role."""
    port = free_port()
    parts = urlsplit(url)
    environment = {
        "HOST": parse_qs(parts.query)["host"][0],
        "DATABASE": parts.path.lstrip("/"),
        "LOGIN": parts.username or "",
        "POOL": str(POOL),
        "KEY": str(key),
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
    }
    words = [str(there.node), str(there.folder / f"{name}.js"), str(port)]
    async with running(words, port, environment, folder / f"{name}-{port}.log") as server:
        yield server
