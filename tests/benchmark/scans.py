"""One worker's scans per second beside those of bare clients: ``python -m tests.benchmark.scans [--scans N] [--rounds N]``.

All fetch the same pages of a server on this machine, with the same bounds and as many at once, in one process; the pages are
served by another, and a third judges for the worker. The bare clients do nothing else: one is the fetcher of scans itself, the
other a plain httpx client. The worker takes scans from the queue, writes what it is about to touch, has them judged, ends and
settles. Rounds alternate, and the ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import structlog
import uvloop

from app.core.wallet import buy
from app.kit import bootstrap, migrate
from app.kit.context import Actor
from app.kit.db import Db, open_as
from app.kit.embedded import Embedded
from app.kit.jobs import Job
from app.kit.pool import open_pool
from app.kit.runner import Runner, open_queue
from app.kit.token import KeyRing, create_key
from app.kit.vault import create_key as create_vault_key
from app.scans.fetch import FetchLimits, observe
from app.scans.flow import run_scans
from app.scans.judges import end_judges, judges_of
from app.scans.submission import SubmitScanInput, submit
from app.settings import Settings
from tests.factory.core import Person, create_person

PARAGRAPH = b"<p>Some words of a page that is as long as pages are, with <a href='/next'>a link</a> in it.</p>\n"
BEGIN, END = b"<!doctype html><html><head><title>Page</title></head><body>", b"</body></html>"


def answer_of(paragraphs: int) -> bytes:
    """A page of so many paragraphs, as it is sent."""
    page = BEGIN + PARAGRAPH * paragraphs + END
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(page) + page


def serve(told: Connection, page: bytes, delay: float) -> None:
    """Answer every request with the page, ``delay`` seconds late; tell the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(delay)
                writer.write(page)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


async def bare(urls: list[str], at_once: int, limits: FetchLimits) -> float:
    """Pages per second of a client that fetches them and does nothing else."""
    waiting = list(reversed(urls))

    async def fetch() -> None:
        while waiting:
            seen = await observe(waiting.pop(), limits, loopback=True)
            assert seen.status == 200

    begun = time.perf_counter()
    await asyncio.gather(*(fetch() for _ in range(at_once)))
    return len(urls) / (time.perf_counter() - begun)


async def plain(urls: list[str], at_once: int, limits: FetchLimits) -> float:
    """As ``bare``, of a client as others would write it: httpx, which is faster here where it keeps no connections."""
    waiting = list(reversed(urls))

    async def fetch(client: httpx.AsyncClient) -> None:
        while waiting:
            async with asyncio.timeout(limits.seconds), client.stream("GET", waiting.pop()) as answer:
                size = 0
                async for part in answer.aiter_bytes():
                    size += len(part)
                    if size > limits.body_bytes:
                        break
            assert answer.status_code == 200

    most = httpx.Limits(max_connections=at_once, max_keepalive_connections=0)
    begun = time.perf_counter()
    async with httpx.AsyncClient(timeout=limits.seconds, trust_env=False, follow_redirects=False, limits=most) as client:
        await asyncio.gather(*(fetch(client) for _ in range(at_once)))
    return len(urls) / (time.perf_counter() - begun)


async def submit_all(server: Embedded, person: Person, urls: list[str], settings: Settings) -> None:
    """In one workspace, with the credits for them."""
    actor = Actor(person.account_id, person.workspace_id, "owner")
    async with open_as(server.url("bench"), "fivefold_worker") as (pool, _):
        db = Db(pool, actor, uuid4())
        async with db.transaction():
            await buy(db, len(urls), key=str(uuid4()))
        await db.close()
    async with open_as(server.url("bench"), "fivefold_api") as (pool, _):
        db = Db(pool, actor, uuid4())
        for url in urls:
            async with db.transaction():
                await submit(db, settings, SubmitScanInput(url=url, idempotency_key=str(uuid4())))
        await db.close()


async def worker(server: Embedded, scans: int, settings: Settings) -> float:
    """Scans per second of a worker as it runs in life, from its start until the last one has ended."""
    login = server.url("bench", "fivefold_worker")
    pool = await open_pool(login, size=10, name="bench-worker", statement_seconds=30)
    looking = await asyncpg.connect(server.url("bench"))
    try:
        async with open_queue(login) as queue:
            jobs: list[Job[Any]] = [run_scans]
            runner = Runner(jobs, pool, queue, settings)
            begun = time.perf_counter()
            running = asyncio.create_task(runner.run())
            while await looking.fetchval("SELECT EXISTS (SELECT FROM scans.scan WHERE finished_at IS NULL)"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            spent = time.perf_counter() - begun
            runner.stop()
            await running
    finally:
        await looking.close()
        await pool.close()
    return scans / spent


async def measure(server: Embedded, folder: Path, port: int, given: argparse.Namespace) -> None:
    """Print each round, and the ratios."""
    create_key(folder / "jwt.pem")
    create_vault_key(folder / "vault.key")
    settings = Settings(vault_keys=[folder / "vault.key"], mail_folder=folder, scan_loopback=True)
    async with open_as(server.url("bench"), "fivefold_owner") as (_, db):
        keys = KeyRing([folder / "jwt.pem"])
        people = [await create_person(db, keys, f"ada{n}@example.com") for n in range(given.workspaces)]
    judges = judges_of(settings)  # a worker has them from its start
    assert judges is not None
    await judges.start()
    limits = FetchLimits(seconds=settings.scan_seconds)
    found: list[tuple[float, float, float]] = []
    for round_ in range(given.rounds + 1):
        urls = [f"http://127.0.0.1:{port}/{round_}/{n}" for n in range(given.scans)]
        for n, person in enumerate(people):
            await submit_all(server, person, urls[n :: len(people)], settings)
        ours = await bare(urls, settings.scan_at_once, limits)
        theirs = await plain(urls, settings.scan_at_once, limits)
        whole = await worker(server, len(urls), settings)
        if round_:  # the first one warms up
            found.append((ours, theirs, whole))
            told = f"worker {whole:7.1f}/s   fetcher alone {ours:7.1f}/s: {whole / ours:.2f}   httpx alone {theirs:7.1f}/s"
            print(f"{told}: {whole / theirs:.2f}", flush=True)
    await end_judges()
    ours, theirs, whole = (statistics.median(side) for side in zip(*found, strict=True))
    print(f"ratios of medians: to the fetcher alone {whole / ours:.2f}, to httpx alone {whole / theirs:.2f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=300, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workspaces", type=int, default=1, help="so many share the scans")
    parser.add_argument("--paragraphs", type=int, default=20, help="so long is a page, 95 bytes each")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds by which the server is late, as networks are")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    ours, theirs = multiprocessing.Pipe()
    web = multiprocessing.Process(target=serve, args=(theirs, answer_of(given.paragraphs), given.delay), daemon=True)
    web.start()
    with tempfile.TemporaryDirectory() as folder, Embedded.start(Path(folder) / "postgres", durable=False) as server:
        bootstrap.run(server.url("bench"))
        migrate.up(server.url("bench"))
        uvloop.run(measure(server, Path(folder), ours.recv(), given))
    web.terminate()


if __name__ == "__main__":
    main()
