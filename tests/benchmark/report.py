"""What was found: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmark import chart, markdown
from tests.benchmark.reads import Case

CONSOLE = Console(width=150)


def machine() -> dict[str, Any]:
    """Where it was measured."""
    model = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "processor": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def command(module: str, words: Sequence[str]) -> str:
    """What was typed, without the folders of this machine."""
    told: list[str] = []
    for word, before in zip(words, ["", *words], strict=False):
        if word not in ("--out", "--data") and before not in ("--out", "--data"):
            told.append(word)
    return " ".join([f"python -m {module}", *told])


def show_case(case: Case) -> None:
    """One case, as soon as it is measured."""
    away = f", {case.delay:g} ms from the database" if case.delay else ""
    table = Table(title=f"{case.workload.name}: {case.workload.title}; {case.connections} at once{away}", title_justify="left")
    table.add_column("")
    heads = (
        "requests/s",
        "lowest to highest",
        "p50 ms",
        "p95 ms",
        "processor ms",
        "KiB each",
        "trips",
        "Fivefold / it",
        "spread",
    )
    for head in heads:
        table.add_column(head, justify="right")
    for name, each in case.found.items():
        middle, low, high = [figure(case.ratios(name)) for figure in (statistics.median, min, max)]
        table.add_row(
            name,
            f"{statistics.median(each.rates):.0f}",
            f"{min(each.rates):.0f} to {max(each.rates):.0f}",
            f"{statistics.median(each.p50):.2f}",
            f"{statistics.median(each.p95):.2f}",
            f"{statistics.median(each.processor):.2f}",
            f"{each.grown(case.connections) / 1024:.0f}",
            f"{statistics.median(each.trips):.1f}" if each.trips else "",
            f"{middle:.2f}" if name != "Fivefold" else "",
            f"{low:.2f} to {high:.2f}" if name != "Fivefold" else "",
        )
    for name, why in case.trouble.items():
        table.add_row(name, "fails", why[:60])
    CONSOLE.print(table)


def show_record(cases: Iterable[dict[str, Any]], delay: float) -> None:
    """Scans beside pgbench."""
    away = f", {delay:g} ms from the database" if delay else ""
    rows = []
    for case in cases:
        middle, low, high = case["fivefold_through_pgbench"]
        rates = case["scans_per_second"]
        spread = f"{low:.2f} to {high:.2f}"
        spent = "; ".join(f"{each:.1f}" for each in case["processor_ms"].values())
        rows.append((case["connections"], rates["Fivefold"], rates["pgbench"], case["p95_ms"], spent, f"{middle:.2f}", spread))
    processor = "ms: Fivefold; PostgreSQL; under pgbench"
    heads = ("at once", "Fivefold, scans/s", "pgbench, scans/s", "Fivefold p95 ms", processor, "Fivefold / it", "spread")
    show_rows(f"record: recordSnapshot and pgbench with the same statements, audit included{away}", heads, rows)


def show_start(found: dict[str, dict[str, float]]) -> None:
    """Starts and memory."""
    rows = [
        (
            name,
            *(f"{each[figure]:.2f}" for figure in ("seconds", "processor")),
            *(f"{each[size] / 2**20:.0f}" for size in SIZES),
        )
        for name, each in found.items()
    ]
    heads = ("", "seconds to the first answer", "of processor", "MiB then", "MiB with 64 at once")
    show_rows("start: from the command to the first dashboard, and memory", heads, rows)


SIZES = ("memory", "memory_64")


def show_rows(title: str, heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A plain table."""
    table = Table(title=title, title_justify="left")
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left")
    for row in rows:
        table.add_row(*map(str, row))
    CONSOLE.print(table)


def write(folder: Path, report: dict[str, Any]) -> None:
    """Keep it, with its chart: after each case, so that a run that is ended leaves what it has found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown.draw(report), encoding="utf-8")
    (folder / "chart.svg").write_text(chart.draw(report), encoding="utf-8")
