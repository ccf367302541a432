"""Processor time of judging one page: ``python -m tests.benchmark.judging [--hostile] [--size BYTES]``.

Ordinary pages of several lengths, as tests/benchmark/scans.py serves them; with ``--hostile`` the pages of
tests/factory/hostile.py, at the largest length that a fetch takes, the slowest last, and beside each how much longer it takes
than one of a quarter of that length: four times where the work grows with the length.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from app.scans.fetch import DEFAULT_LIMITS
from app.scans.judgement import Engines, engines_of, judge
from app.scans.url import parse_url
from app.settings import Settings
from tests.benchmark.scans import BEGIN, END, PARAGRAPH
from tests.factory.hostile import PAGES
from tests.factory.observed import observed

ADDRESS = "https://rowing.example.org/x"


def seconds(engines: Engines, body: bytes, times: int) -> float:
    """The least of so many."""
    url, seen = parse_url(ADDRESS), observed(ADDRESS, body)
    found = []
    for _ in range(times):
        started = time.process_time()
        asyncio.run(judge(url, seen, engines))
        found.append(time.process_time() - started)
    return min(found)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--size", type=int, default=DEFAULT_LIMITS.body_bytes)
    given = parser.parse_args()
    engines = engines_of(Settings())
    seconds(engines, PAGES["phrases"](1000), 3)
    idle = min(_idle() for _ in range(200))
    if not given.hostile:
        for paragraphs in (5, 20, 310, 1000):
            body = BEGIN + PARAGRAPH * paragraphs + END
            print(f"{len(body):8} bytes {1000 * (seconds(engines, body, 200) - idle):8.2f} ms")
        return
    taken = []
    for name, make in PAGES.items():
        quarter, whole = (seconds(engines, make(size)[:size], 1) for size in (given.size // 4, given.size))
        taken.append((whole, whole / quarter, name))
    for whole, ratio, name in sorted(taken):
        print(f"{1000 * whole:8.1f} ms  {ratio:4.1f} times a quarter of it  {name}")


def _idle() -> float:
    """What starting a loop takes, which is no judging."""

    async def nothing() -> None:
        return None

    started = time.process_time()
    asyncio.run(nothing())
    return time.process_time() - started


if __name__ == "__main__":
    main()
