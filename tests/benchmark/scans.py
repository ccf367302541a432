"""One worker's scans per second beside a bare client's: ``python -m tests.benchmark.scans [--scans N] [--rounds N]``.

Both fetch the same pages of a server on this machine, with the same bounds and as many at once, in one process; the pages are
served by another, and a third judges for the worker. The bare client does nothing else. The worker takes scans from the queue,
writes what it is about to touch, has them judged, ends and settles. Rounds alternate, and the ratio is that of the medians.
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


async def worker(server: Embedded, person: Person, urls: list[str], settings: Settings) -> float:
    """Scans per second of a worker, from its start until the last one has ended."""
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
    login = server.url("bench", "fivefold_worker")
    pool = await open_pool(login, size=10, name="bench-worker", statement_seconds=30)
    try:
        async with open_queue(login) as queue:
            jobs: list[Job[Any]] = [run_scans]
            runner = Runner(jobs, pool, queue, settings)
            begun = time.perf_counter()
            await runner.drain()
            spent = time.perf_counter() - begun
    finally:
        await pool.close()
    return len(urls) / spent


async def measure(server: Embedded, folder: Path, port: int, scans: int, rounds: int) -> None:
    """Print each round, and the ratio."""
    create_key(folder / "jwt.pem")
    create_vault_key(folder / "vault.key")
    settings = Settings(vault_keys=[folder / "vault.key"], mail_folder=folder, scan_loopback=True)
    async with open_as(server.url("bench"), "fivefold_owner") as (_, db):
        person = await create_person(db, KeyRing([folder / "jwt.pem"]), "ada@example.com")
    judges = judges_of(settings)  # a worker has them from its start
    assert judges is not None
    await judges.start()
    limits = FetchLimits(seconds=settings.scan_seconds)
    found: list[tuple[float, float]] = []
    for round_ in range(rounds + 1):
        urls = [f"http://127.0.0.1:{port}/{round_}/{n}" for n in range(scans)]
        pair = await bare(urls, settings.scan_at_once, limits), await worker(server, person, urls, settings)
        if round_:  # the first one warms up
            found.append(pair)
            print(f"bare {pair[0]:7.1f}/s   worker {pair[1]:7.1f}/s   {pair[1] / pair[0]:.2f}", flush=True)
    await end_judges()
    client, ours = (statistics.median(side) for side in zip(*found, strict=True))
    print(f"ratio of medians: {ours / client:.2f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=300, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
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
        uvloop.run(measure(server, Path(folder), ours.recv(), given.scans, given.rounds))
    web.terminate()


if __name__ == "__main__":
    main()
