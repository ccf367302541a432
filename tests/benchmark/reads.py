"""The workloads that read: every contender in turn, round by round, on the same data and with equal answers."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from tests.benchmark import load
from tests.benchmark.contender import Contender
from tests.benchmark.server import spent
from tests.benchmark.workload import Workload


@dataclass
class Figures:
    """One contender in one case: a value for each round."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Milliseconds of the server's own processor time for each answer."""
    trips: list[float] = field(default_factory=list)
    """Round trips to the database for each answer, where a proxy counts them."""
    begun: int = 0
    peak: int = 0
    """Bytes of memory that its process had before it was first asked, and at most while it was."""

    def grown(self, connections: int) -> float:
        """Bytes for each request that was under way at once."""
        return max(self.peak - self.begun, 0) / connections


@dataclass
class Case:
    """One workload at one concurrency and distance from the database."""

    workload: Workload
    connections: int
    delay: float
    found: dict[str, Figures]
    trouble: dict[str, str]

    def ratios(self, other: str, first: str = "Fivefold") -> list[float]:
        """Fivefold's rate through another's, round by round."""
        return [ours / theirs for ours, theirs in zip(self.found[first].rates, self.found[other].rates, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        contenders = {
            name: {
                "requests_per_second": round(statistics.median(each.rates), 1),
                "rates": [round(rate, 1) for rate in each.rates],
                "p50_ms": round(statistics.median(each.p50), 2),
                "p95_ms": round(statistics.median(each.p95), 2),
                "processor_ms": round(statistics.median(each.processor), 3),
                "memory_per_request": round(each.grown(self.connections)),
                **({"round_trips": round(statistics.median(each.trips), 2)} if each.trips else {}),
            }
            for name, each in self.found.items()
        }
        ratios = {
            name: [round(figure(self.ratios(name)), 3) for figure in (statistics.median, min, max)]
            for name in self.found
            if name != "Fivefold" and "Fivefold" in self.found
        }
        return {
            "workload": self.workload.name,
            "title": self.workload.title,
            "connections": self.connections,
            "delay_ms": self.delay,
            "contenders": contenders,
            "fivefold_through": ratios,
            "trouble": self.trouble,
        }


async def compare_answers(workload: Workload, contenders: Sequence[Contender]) -> dict[str, str]:
    """Why some of them cannot be measured here. Raises SystemExit where an answer differs from the first's."""
    trouble = {}
    expected = await contenders[0].answer(workload)
    for contender in contenders:
        try:
            answer = await contender.answer(workload)
        except RuntimeError as error:
            trouble[contender.name] = " ".join(str(error).split())[-400:]
            continue
        if answer != expected:
            raise SystemExit(
                f"{workload.name}: {contender.name} answers something else, so the comparison would say nothing: "
                f"{difference(expected, answer)}"
            )
    return trouble


def difference(one: Any, other: Any, path: str = "") -> str:
    """Where two answers differ first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if one.get(key) != other.get(key):
                return difference(one.get(key), other.get(key), f"{path}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            if pair[0] != pair[1]:
                return difference(*pair, f"{path}[{index}]")
    return f"{path}: {str(one)[:200]} against {str(other)[:200]}"


async def measure(
    workload: Workload,
    contenders: Sequence[Contender],
    *,
    connections: int,
    delay: float,
    rounds: int,
    seconds: float,
    trips: Callable[[], int] | None = None,
) -> Case:
    """Every contender in turn, so many rounds; the first of them warms up and is not counted. ``trips`` counts round trips."""
    trouble = await compare_answers(workload, contenders)
    able = [contender for contender in contenders if contender.name not in trouble]
    found = {contender.name: Figures() for contender in able}
    for turn in range(rounds + 1):
        for contender in able[turn % len(able) :] + able[: turn % len(able)]:  # nobody always comes after the same one
            begun = trips() if trips else 0
            answers = await stretch(contender, workload, found[contender.name], connections, seconds, keep=turn > 0)
            if trips and turn:
                found[contender.name].trips.append((trips() - begun) / answers)
    return Case(workload, connections, delay, found, trouble)


async def stretch(
    contender: Contender, workload: Workload, figures: Figures, connections: int, seconds: float, *, keep: bool
) -> int:
    """How many answers there were."""
    server = contender.server
    figures.begun = figures.begun or server.memory()
    taken = spent(server.pid)
    watch = asyncio.create_task(_peak(contender, figures))
    measured = await load.measure(server.port, [repeat(contender.request(workload))] * connections, seconds)
    taken = spent(server.pid) - taken
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    if keep:
        figures.rates.append(measured.rate)
        figures.p50.append(measured.percentile(50))
        figures.p95.append(measured.percentile(95))
        figures.processor.append(taken * 1000 / len(measured.times))
    return len(measured.times)


async def _peak(contender: Contender, figures: Figures) -> None:
    while True:
        await asyncio.sleep(0.05)
        figures.peak = max(figures.peak, contender.server.memory())
