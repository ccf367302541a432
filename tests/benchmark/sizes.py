"""The dashboard at several sizes of the database: a server on each, asked in turn by people chosen at random."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import uvloop

from app.kit import log
from app.kit.embedded import Embedded
from app.kit.token import KeyRing
from tests.benchmark import data, load, report
from tests.benchmark.server import Server, alone, children_of, spent
from tests.benchmark.workload import DASHBOARD, SETTINGS

QUESTIONS = {"light": DASHBOARD % "", "full": DASHBOARD % SETTINGS}
CALLERS = 2_000
"""Of those with 20 links, so many at most: each asks in its own name, and all have asked once before anything is measured."""
BUSY = """
SELECT i.subject FROM core.account AS a JOIN core.identity AS i ON i.account_id = a.id
WHERE a.email LIKE 'perf-%00@example.invalid' ORDER BY random() LIMIT $1
"""


@dataclass
class Size:
    """A database of so many people, a server on it, and requests of some of them."""

    accounts: int
    server: Server
    tokens: list[str]
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)
    """Milliseconds of processor time for each answer: the server's own, and PostgreSQL's."""

    async def greet(self) -> None:
        """Everybody's first request: whose token is verified, and who is leased a block of the rate."""
        body, left = json.dumps({"query": QUESTIONS["light"]}).encode(), iter(self.tokens)

        async def ask() -> None:
            for token in left:
                await load.ask(self.server.port, load.request("/graphql", body, token))

        await asyncio.gather(*(ask() for _ in range(8)))

    def requests(self, query: str, seed: int) -> Iterator[bytes]:
        """Without end, each of somebody else."""
        random, body = Random(seed), json.dumps({"query": query}).encode()  # noqa: S311 - data, no secret
        while True:
            yield load.request("/graphql", body, random.choice(self.tokens))


async def compare(
    postgres: Embedded,
    accounts: Sequence[int],
    key: Path,
    folder: Path,
    *,
    connections: Sequence[int],
    rounds: int,
    seconds: float,
) -> list[dict[str, Any]]:
    """All sizes in turn, each question at each concurrency. The databases are those of the harness."""
    found = []
    keys = KeyRing([key])
    async with AsyncExitStack() as stack:
        sizes = []
        for count in accounts:
            database = f"benchmark_{count}"
            admin = await asyncpg.connect(postgres.url(database))
            subjects = [row[0] for row in await admin.fetch(BUSY, CALLERS)]
            await admin.close()
            server = await stack.enter_async_context(alone(postgres.url(database, "fivefold_api"), key, folder))
            sizes.append(Size(count, server, [keys.sign(subject, lifetime=timedelta(days=1)) for subject in subjects]))
            await sizes[-1].greet()
        backends = children_of(int((postgres.data / "cluster" / "postmaster.pid").read_text().split()[0]))
        for name, query in QUESTIONS.items():
            for number in connections:
                for size in sizes:
                    size.p50, size.p95, size.processor, size.postgres = [], [], [], []
                for turn in range(rounds + 1):
                    for size in sizes[turn % len(sizes) :] + sizes[: turn % len(sizes)]:
                        before = spent(size.server.pid), sum(map(spent, backends))
                        asked = [size.requests(query, turn * 1000 + each) for each in range(number)]
                        measured = await load.measure(size.server.port, asked, seconds)
                        if turn:  # the first round warms up
                            size.p50.append(measured.percentile(50))
                            size.p95.append(measured.percentile(95))
                            after = spent(size.server.pid), sum(map(spent, backends))
                            size.processor.append((after[0] - before[0]) * 1000 / len(measured.times))
                            size.postgres.append((after[1] - before[1]) * 1000 / len(measured.times))
                found += [_told(name, number, size, sizes[0]) for size in sizes]
    return found


def _told(name: str, number: int, size: Size, smallest: Size) -> dict[str, Any]:
    ratios = [here / there for here, there in zip(size.p95, smallest.p95, strict=True)]
    return {
        "workload": name,
        "connections": number,
        "accounts": size.accounts,
        "callers": len(size.tokens),
        "p50_ms": round(statistics.median(size.p50), 2),
        "p95_ms": round(statistics.median(size.p95), 2),
        "processor_ms": round(statistics.median(size.processor), 3),
        "postgres_ms": round(statistics.median(size.postgres), 3),
        "p95_through_smallest": [round(figure(ratios), 3) for figure in (statistics.median, min, max)],
    }


def show(found: Sequence[dict[str, Any]]) -> None:
    """As a table."""
    rows = []
    for each in found:
        middle, low, high = each["p95_through_smallest"]
        names = "workload", "connections", "accounts", "p50_ms", "p95_ms", "processor_ms", "postgres_ms"
        rows.append((*(each[name] for name in names), f"{middle:.2f}", f"{low:.2f} to {high:.2f}"))
    heads = ("dashboard", "at once", "accounts", "p50 ms", "p95 ms", "server ms", "PostgreSQL ms", "p95 / smallest", "spread")
    report.show_rows("sizes: dashboards of people chosen at random, 20 links each", heads, rows)


async def main(given: argparse.Namespace) -> None:
    """Fill what is missing, then measure."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fivefold-")))
        kept = (given.data or folder).resolve()
        kept.mkdir(parents=True, exist_ok=True)
        await prepare(kept, given.accounts)
        postgres = stack.enter_context(Embedded.start(kept / "postgres"))
        times = {"connections": given.connections, "rounds": given.rounds, "seconds": given.seconds}
        found = await compare(postgres, given.accounts, kept / "jwt.pem", folder, **times)
        show(found)
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / "sizes.json").write_text(json.dumps({"machine": report.machine(), "cases": found}, indent=1) + "\n")


async def prepare(kept: Path, accounts: Sequence[int]) -> None:
    """The databases that are missing, by a server that does not wait for the disk."""
    with Embedded.start(kept / "postgres", durable=False) as postgres:
        for count in accounts:
            await data.prepare(postgres.url(f"benchmark_{count}"), kept / "jwt.pem", count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.sizes", description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--data", type=Path, help="a folder that keeps the databases for the next run")
    parser.add_argument("--out", type=Path, help="where sizes.json goes")
    given = parser.parse_args()
    log.configure("json")
    uvloop.run(main(given))
