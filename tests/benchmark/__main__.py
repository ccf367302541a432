"""Fivefold beside its peers, in turn, in one run, on one database with equal answers: a table, JSON and a chart."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import uvloop

from app.kit import log
from app.kit.embedded import Embedded
from tests.benchmark import data, live, load, peer, postgraphile, proxy, reads, record, report, server
from tests.benchmark.contender import NAMES, NODE, PYTHON, Contender, in_node, in_python
from tests.benchmark.server import spent
from tests.benchmark.workload import Workload, workloads

READS = ("lookup", "light", "full", "list", "page", "nested")
LATEST = Path(__file__).parent / "latest"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each contender in each round")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--workloads", nargs="+", default=[*READS, "record", "start", "live"])
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--delays", type=float, nargs="+", default=[0.0, 1.0], help="milliseconds to the database")
    parser.add_argument("--accounts", type=int, default=1_000, help="other people in the database")
    parser.add_argument("--data", type=Path, help="a folder that keeps the database for the next run")
    parser.add_argument("--installed-only", action="store_true", help="leave out peers that are not installed yet")
    parser.add_argument("--out", type=Path, default=LATEST, help="where report.json and chart.svg go")
    return parser.parse_args(words)


async def main(given: argparse.Namespace) -> dict[str, Any]:
    """Run it, print as it goes, and write the report."""
    begun = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fivefold-")))
        kept = (given.data or folder).resolve()
        kept.mkdir(parents=True, exist_ok=True)
        postgres = stack.enter_context(Embedded.start(kept / "postgres"))
        key, database = kept / "jwt.pem", f"benchmark_{given.accounts}"
        world = await data.prepare(postgres.url(database), key, given.accounts)
        admin = await asyncpg.connect(postgres.url(database))
        await postgraphile.extend(admin)
        await admin.close()
        asked = [each for each in workloads(world) if each.name in given.workloads]
        trusted = folder / "trusted.json"
        trusted.write_text(json.dumps({each.name: each.query for each in asked if each.trusted}))
        url = postgres.url(database, "fivefold_api")
        there = peer.install(only_if_there=given.installed_only)
        found: dict[str, Any] = {
            "command": report.command("tests.benchmark", sys.argv[1:]),
            "machine": report.machine(),
            "accounts": given.accounts,
            "ceiling": await _ceiling(given.connections),
            "missing": {name: there.trouble for name in given.only if name in NODE and there.trouble},
            "cases": [],
            "record": [],
        }
        for delay in given.delays:
            away, trips = url, None
            if delay:
                further = stack.enter_context(proxy.delaying(socket_of(url), folder / f"away-{delay:g}", delay))
                away, trips = at(url, further.folder), further.trips
            found[f"round_trip_ms_{delay:g}"] = await _round_trip(away)
            async with (
                server.in_python(away, key, folder, trusted) as python,
                peers(given.only, asked, there, away, key, folder, found["missing"]) as others,
            ):
                contenders = [each for each in in_python(python) if each.name in given.only or each.name == PYTHON[0]]
                contenders += others
                for workload in asked:
                    for connections in given.connections:
                        case = await reads.measure(
                            workload,
                            contenders,
                            connections=connections,
                            delay=delay,
                            rounds=given.rounds,
                            seconds=given.seconds,
                            trips=trips,
                        )
                        report.show_case(case)
                        found["cases"].append(case.as_json())
                        report.write(given.out, found)
                if "record" in given.workloads:
                    settings = server.settings_of(away, key)
                    times = {"connections": given.connections, "rounds": given.rounds, "seconds": given.seconds}
                    postmaster = int((postgres.data / "cluster" / "postmaster.pid").read_text().split()[0])
                    place = postgres.url(database), folder, postmaster
                    cases = await record.compare(python, world, settings, *place, **times)
                    report.show_record(cases, delay)
                    found["record"] += [{"delay_ms": delay, **case} for case in cases]
        if "start" in given.workloads:
            found["start"] = await _start(given.only, workloads(world), there, url, key, folder, trusted)
            report.show_start(found["start"])
        if "live" in given.workloads:
            found["live"] = await live.compare(
                postgres,
                database,
                key,
                folder,
                idle=1_000,
                fan=100,
                rounds=given.rounds,
                seconds=5.0,
                only=given.only,
                there=there,
            )
        for name, why in found["missing"].items():
            report.CONSOLE.print(f"not measured: {name}: {why}")
        found["minutes"] = round((time.monotonic() - begun) / 60, 1)
        report.write(given.out, found)
        report.CONSOLE.print(f"written to {given.out}")
        return found


@asynccontextmanager
async def peers(
    only: Sequence[str],
    asked: Sequence[Workload],
    there: peer.Installation,
    url: str,
    key: Path,
    folder: Path,
    missing: dict[str, str],
) -> AsyncIterator[list[Contender]]:
    """Those of the peers that were asked for and can be started; why others cannot goes into ``missing``."""
    async with AsyncExitStack() as stack:
        contenders = []
        for name, script in NODE.items():
            if name in only and there.node is not None:
                try:
                    node = await stack.enter_async_context(server.in_node(there, script, url, key, folder))
                    contenders.append(await in_node(name, node, asked))
                except RuntimeError as error:
                    missing[name] = str(error)
        yield contenders


async def _ceiling(connections: Sequence[int]) -> dict[str, float]:
    """Answers per second that the load generator takes from a server that does nothing."""
    found: dict[str, float] = {}
    for size in (300, 90_000):
        for number in connections:
            found[f"{size} bytes, {number} at once"] = round(await load.ceiling(size, number))
    report.show_rows("the load generator alone", ("answers of", "per second"), found.items())
    return found


async def _round_trip(url: str) -> float:
    """Milliseconds of the smallest statement, as one connection sees it."""
    connection = await asyncpg.connect(url)
    try:
        await connection.fetchval("SELECT 1")
        begun = time.perf_counter()
        for _ in range(200):
            await connection.fetchval("SELECT 1")
        return round((time.perf_counter() - begun) * 5, 3)
    finally:
        await connection.close()


async def _start(
    only: Sequence[str], asked: Sequence[Workload], there: peer.Installation, url: str, key: Path, folder: Path, trusted: Path
) -> dict[str, dict[str, float]]:
    """Each alone: seconds and processor seconds until its first answer, and its memory then and with 64 requests at once."""
    found = {}
    light, full = [each for each in asked if each.name in ("light", "full")]
    starts: dict[str, Callable[[], AbstractAsyncContextManager[server.Server]]] = {
        PYTHON[0]: partial(server.alone, url, key, folder, trusted)
    }
    if there.node is not None:
        starts |= {name: partial(server.in_node, there, NODE[name], url, key, folder) for name in only if name in NODE}
    for name, start in starts.items():
        with suppress(RuntimeError):  # told with the workloads
            async with start() as running:
                contender = in_python(running)[0] if name == PYTHON[0] else await in_node(name, running, [])
                await contender.answer(light)
                ready, processor, idle = time.perf_counter(), spent(running.pid), running.memory()
                figures = reads.Figures()
                await reads.stretch(contender, full, figures, 64, 1.0, keep=False)
            found[name] = {"seconds": ready - running.begun, "processor": processor, "memory": idle, "memory_64": figures.peak}
    return found


def socket_of(url: str) -> Path:
    """Where a database listens."""
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"


def at(url: str, folder: Path) -> str:
    """The same database behind a socket in another folder."""
    return url.replace(quote(str(socket_of(url).parent)), quote(str(folder)))


if __name__ == "__main__":
    log.configure("json")
    uvloop.run(main(parse(sys.argv[1:])))
