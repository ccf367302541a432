"""Fivefold beside stock Strawberry and a hand-written endpoint, in turn, in one run: ratios with their spread."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from app.kit import log
from app.kit.embedded import Embedded
from tests.benchmark import data, load

ENDPOINTS = {"fivefold": "/graphql", "hand-written": "/dashboard", "stock strawberry": "/stock/"}
WORKLOADS = {"full": data.FULL, "light": data.LIGHT}


async def main(rounds: int, seconds: float, connections: int) -> None:
    """Run it and print the table."""
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder, Embedded.start(Path(folder) / "postgres") as server:
        key = Path(folder) / "jwt.pem"
        token = await data.prepare(server.url("fivefold"), key)
        port = free_port()
        async with serving(server.url("fivefold", "fivefold_api"), key, port):
            for name, query in WORKLOADS.items():
                await _compare(name, query, port, token, rounds, seconds, connections)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(url: str, key: Path, port: int) -> AsyncIterator[None]:
    """All endpoints on a database, in a process of their own."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "FIVEFOLD_JWT_KEYS": str(key),
        "FIVEFOLD_RATE_PER_SECOND": "10000000",  # charged like any other, never refused
        "FIVEFOLD_RATE_BURST": "10000000",
    }
    process = subprocess.Popen(  # noqa: ASYNC220 - it runs beside everything
        [sys.executable, "-m", "tests.benchmark.serve", str(port)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        await _wait(port)
        yield
    finally:
        process.terminate()
        process.wait()


async def _wait(port: int) -> None:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise SystemExit("the server did not start")


async def _compare(name: str, query: str, port: int, token: str, rounds: int, seconds: float, connections: int) -> None:
    body = json.dumps({"query": query}).encode()
    answers = {endpoint: await load.ask(port, path, body, token) for endpoint, path in ENDPOINTS.items()}
    if any(answer != answers["fivefold"] for answer in answers.values()):
        told = {endpoint: json.dumps(answer)[:300] for endpoint, answer in answers.items()}
        raise SystemExit(f"{name}: the answers differ, so the comparison would say nothing: {told}")
    found: dict[str, list[float]] = {endpoint: [] for endpoint in ENDPOINTS}
    for turn in range(rounds + 1):
        for endpoint, path in ENDPOINTS.items():
            rate = await load.measure(port, path, body, token, connections=connections, seconds=seconds)
            if turn:  # the first round warms up
                found[endpoint].append(rate)
    load.tell(f"{name}: {connections} clients, {rounds} rounds of {seconds:g} s in turn; requests", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    log.configure("json")
    uvloop.run(main(given.rounds, given.seconds, given.connections))
