"""The report in Markdown: what a reader asks first, each table with its spread. Nothing in it names a machine's folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

MIB = 2**20


def draw(report: dict[str, Any]) -> str:
    """All that was found."""
    machine = report.get("machine", {})
    told = ", ".join(str(each) for each in (machine.get("processor"), f"{machine.get('cores')} cores") if each)
    parts = ["# Fivefold beside its peers", "", f"`{report.get('command', '')}`", ""]
    parts += [f"{told}; Python {machine.get('python')}; {report['accounts']:,} other accounts in the database."]
    if "minutes" in report:
        parts += [f"The run took {report['minutes']} minutes."]
    parts += [
        "",
        "Ratios are Fivefold's rate through the other's: the median of the rounds, and lowest to highest. Below 1 the other",
    ]
    parts += ["wins. Behind each stand milliseconds of the server's own processor time for an answer.", ""]
    cases = report["cases"]
    for delay in sorted({case["delay_ms"] for case in cases}):
        for number in sorted({case["connections"] for case in cases}):
            chosen = [case for case in cases if (case["delay_ms"], case["connections"]) == (delay, number)]
            away = f", the database {delay:g} ms away" if delay else ""
            parts += [f"## {number} at once{away}", "", *_ratios(chosen), ""]
    counted = [case for case in cases if any("round_trips" in each for each in case["contenders"].values())]
    if counted:
        least = min(case["connections"] for case in counted)
        chosen = [case for case in counted if case["connections"] == least]
        parts += ["## Round trips to the database for an answer", "", *_trips(chosen), ""]
    for title, rows in (
        ("recordSnapshot", _record(report)),
        ("Start and memory", _start(report)),
        ("Subscriptions", _live(report)),
    ):
        if rows:
            parts += [f"## {title}", "", *rows, ""]
    parts += [f"Not measured: {name}: {why}" for name, why in report.get("missing", {}).items()]
    return "\n".join(parts).rstrip() + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Lines of a table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def spread(figures: Sequence[float]) -> str:
    """A median and its range."""
    middle, low, high = figures
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def names_of(cases: Sequence[dict[str, Any]]) -> list[str]:
    """Who is in any of them, Fivefold first."""
    return list(dict.fromkeys(name for case in cases for name in case["contenders"]))


def _ratios(cases: Sequence[dict[str, Any]]) -> list[str]:
    others = [name for name in names_of(cases) if name != "Fivefold"]
    rows = []
    for case in cases:
        own = case["contenders"].get("Fivefold", {})
        row = [case["title"], f"{own.get('requests_per_second', 0):.0f}; {own.get('processor_ms', 0):.1f}"]
        for name in others:
            found = case["fivefold_through"].get(name)
            row.append(f"{spread(found)}; {case['contenders'][name]['processor_ms']:.1f}" if found else "fails")
        rows.append(row)
    return table(["", "Fivefold: requests/s; ms", *others], rows)


def _trips(cases: Sequence[dict[str, Any]]) -> list[str]:
    names = names_of(cases)
    rows = []
    for case in cases:
        trips = [case["contenders"].get(name, {}).get("round_trips") for name in names]
        rows.append([case["title"], *("fails" if each is None else f"{each:.1f}" for each in trips)])
    return table(["", *names], rows)


def _record(report: dict[str, Any]) -> list[str]:
    rows = [
        [
            each["connections"],
            f"{each['delay_ms']:g}",
            *(each["scans_per_second"][name] for name in ("Fivefold", "pgbench")),
            spread(each["fivefold_through_pgbench"]),
            each["p95_ms"],
            "; ".join(f"{one:.1f}" for one in each["processor_ms"].values()),
        ]
        for each in report.get("record", ())
    ]
    heads = ["at once", "ms to the database", "Fivefold: scans/s", "pgbench, the same statements", "ratio", "Fivefold: p95 ms"]
    heads += ["processor ms of a scan: Fivefold; its PostgreSQL; pgbench's"]
    return table(heads, rows) if rows else []


def _start(report: dict[str, Any]) -> list[str]:
    rows = [
        [
            name,
            f"{each['seconds']:.2f}",
            f"{each['processor']:.2f}",
            *(f"{each[size] / MIB:.0f}" for size in ("memory", "memory_64")),
        ]
        for name, each in report.get("start", {}).items()
    ]
    heads = ["", "seconds to the first answer", "of processor", "MiB then", "MiB with 64 at once"]
    return table(heads, rows) if rows else []


def _live(report: dict[str, Any]) -> list[str]:
    rows = [
        [
            name,
            each["idle"],
            f"{each['idle_bytes_each'] / 1024:.1f}",
            f"{each['idle_server_percent']:.0f} + {each['idle_postgres_percent']:.0f}",
            each["listeners"],
            f"{each['told_p50_ms']:.0f}",
            f"{each['told_p99_ms']:.0f}",
        ]
        if "idle" in each
        else [name, each["trouble"], "", "", "", "", ""]
        for name, each in report.get("live", {}).items()
    ]
    heads = ["", "idle", "KiB each", "% of a processor: server + PostgreSQL", "told at once", "p50 ms", "p99 ms"]
    return table(heads, rows) if rows else []
