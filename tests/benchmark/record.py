"""recordSnapshot beside pgbench, which runs the very statements that the API runs for it, audit and all, and nothing else.

Two scans of one link are recorded with all statements that they lead to. What differs from scan to scan (ids, moments,
idempotency keys) becomes an expression of pgbench's counter, everything else a literal: the script does as much as the API.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import asyncpg

from app.kit.embedded import program
from app.kit.graphql import global_id
from app.privacy.snapshot import new_id
from app.privacy.template import structure_hash
from app.settings import Settings
from tests.benchmark import data, load
from tests.benchmark.data import World
from tests.benchmark.handwritten import uuid_of
from tests.benchmark.server import Server, all_spent, in_this_process, spent

RECORD = """
mutation Record($input: RecordSnapshotInput!) {
  recordSnapshot(input: $input) { unchanged snapshot { id riskScore } changes { setting origin } }
}
"""
PGBENCH_SECONDS = 4
"""At least: each of its clients prepares each statement before it has done the first scan."""
LINKS = "{ platformLinks(first: 100) { edges { node { id platform { slug } } } } }"
LATER = 0.2
"""Seconds: what is read in ends behind the answer, and is heard too."""
ALL_LINKS = """
SELECT l.id, p.slug FROM privacy.platform_link AS l JOIN privacy.platform AS p ON p.id = l.platform_id
WHERE l.workspace_id = $1 ORDER BY l.id DESC
"""


@dataclass(frozen=True)
class Scan:
    """A scan as it is sent."""

    key: str
    captured_at: datetime
    request: bytes


def scans(link_id: str, number: int, changes: int, token: str) -> Iterator[Scan]:
    """Scans of one link of a platform without end: each changes so many settings of the one before."""
    settings = data.platform(number).template[0].setting
    values = {s.key: s.options[0] for s in settings}
    captured_at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
    turn = 0
    while True:
        captured_at += timedelta(milliseconds=1)
        for setting in (settings * 2)[turn % len(settings) :][:changes]:
            values[setting.key] = setting.options[1] if values[setting.key] == setting.options[0] else setting.options[0]
        turn += changes
        key = str(uuid4())
        given = {
            "linkId": link_id,
            "capturedAt": captured_at.isoformat(),
            "scanMethod": "EXTENSION",
            "templateHash": structure_hash((s.key, s.type, s.options) for s in settings).hex(),
            "values": [{"key": key, "value": value, "userAction": True} for key, value in values.items()],
            "idempotencyKey": key,
        }
        body = json.dumps({"query": RECORD, "variables": {"input": given}}).encode()
        yield Scan(key, captured_at, load.request("/graphql", body, token))


async def links_of(port: int, token: str) -> list[tuple[str, int]]:
    """The ids of a person's latest links, each with the number of its platform."""
    answer = await load.ask(port, load.request("/graphql", json.dumps({"query": LINKS}).encode(), token))
    nodes = [edge["node"] for edge in answer["platformLinks"]["edges"]]
    return [(node["id"], int(node["platform"]["slug"].rpartition("-")[2])) for node in nodes]


async def all_links_of(url: str, workspace: str) -> list[tuple[str, int]]:
    """All of them, more than a page holds."""
    admin = await asyncpg.connect(url)
    try:
        rows = await admin.fetch(ALL_LINKS, UUID(workspace))
    finally:
        await admin.close()
    return [(global_id("PlatformLink", str(row["id"])), int(row["slug"].rpartition("-")[2])) for row in rows]


@contextmanager
def overheard(into: list[tuple[str, tuple[Any, ...]]]) -> Iterator[None]:
    """Notes every statement that this process sends to a database."""
    fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

    async def noted_fetch(self: Any, query: str, *args: Any, **options: Any) -> Any:
        into.append((query, args))
        return await fetch(self, query, *args, **options)

    async def noted_execute(self: Any, query: str, *args: Any, **options: Any) -> Any:
        into.append((query, args))
        return await execute(self, query, *args, **options)

    connection = asyncpg.Connection
    with patch.object(connection, "fetch", noted_fetch), patch.object(connection, "execute", noted_execute):
        yield


async def write_script(port: int, token: str, url: str, links: Sequence[tuple[str, int]], path: Path) -> None:
    """The script of two scans, each client's on a link of its own. The server of ``port`` runs in this very process."""
    # Links of one platform: their templates are the same. What is heard is on one of its own, where pgbench never wrote.
    number = links[0][1]
    *others, link_id = [link for link, of in links if of == number]
    own = ", ".join(f"'{uuid_of(link)}'" for link in others)
    before, first, second, third = islice(scans(link_id, number, 1, token), 4)
    for scan in (before, first):  # by now every statement is prepared and every cache is filled
        await load.ask(port, scan.request)
        await asyncio.sleep(LATER)
    parts = ["\\set n :n + 2"]
    admin = await asyncpg.connect(url)
    try:
        for back, (scan, previous) in enumerate(((second, first), (third, second))):
            heard: list[tuple[str, tuple[Any, ...]]] = []
            with overheard(heard):
                await load.ask(port, scan.request)
                await asyncio.sleep(LATER)
            known: dict[Any, str] = {
                uuid_of(link_id): f"(ARRAY[{own}]::uuid[])[:client_id + 1]",
                scan.key: f"'pgbench ' || :client_id || ' ' || (:n::bigint + {back})",
            }
            for place, one in ((back, scan), (back - 1, previous)):
                counter = f"(:n::bigint + {place})"
                in_hex = f"lpad(to_hex(:client_id::int), 4, '0') || '-7000-8000-' || lpad(to_hex({counter}), 12, '0')"
                known[_moment(new_id(one.captured_at))] = f"('01fffff0-' || {in_hex})::uuid"
                known[one.captured_at] = f"to_timestamp(1900000000 + {counter} / 1000.0)"
            for text, args in heard:
                parts += await _statement(admin, text, args, known)
    finally:
        await admin.close()
    path.write_text("\n".join(parts) + "\n")


async def _statement(admin: asyncpg.Connection, text: str, args: tuple[Any, ...], known: dict[Any, str]) -> list[str]:
    if not args:
        several = [part.strip() for part in text.split(";") if part.strip()]
        return ["\\startpipeline", *(f"{part};" for part in several), "\\endpipeline"] if several[1:] else [f"{several[0]};"]
    types = [f"{each.schema}.{each.name}" for each in (await admin.prepare(text)).get_parameters()]
    types = [name.removeprefix("pg_catalog.") for name in types]

    def written(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        value = json.dumps(args[place], default=str) if types[place].startswith("json") else args[place]
        return f"({_literal(value, known)})::{types[place]}"

    return [re.sub(r"\$(\d+)", written, text).rstrip().rstrip(";") + ";"]


def _moment(id_: UUID) -> tuple[str, int]:
    """What is known of a snapshot's id: the milliseconds in it. The rest is random."""
    return ("id of", id_.int >> 80)


def _literal(value: Any, known: dict[Any, str]) -> str:
    """SQL of a value. No colon before a word: pgbench would take it for a variable, in a text too."""
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(_literal(one, known) for one in value)}]"
    if isinstance(value, UUID | datetime | str):
        found = known.get(value) or (isinstance(value, UUID) and known.get(_moment(value)))
        if found:
            return found
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return f"decode('{value.hex()}', 'hex')"
    if isinstance(value, datetime):
        return f"to_timestamp({value.timestamp()!r})"
    text = value.value if hasattr(value, "value") else str(value)
    return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"


@dataclass(frozen=True)
class Bench:
    """What pgbench did: scans per second in the second half of its time, when all is prepared, and scans in all."""

    rate: float
    scans: int


async def pgbench(script: Path, url: str, clients: int, seconds: int) -> Bench:
    """Run the script for so long: two scans each time."""
    parts = urlsplit(url)
    words = [
        str(program("pgbench")),
        "-n",
        "-M",
        "prepared",
        "-f",
        str(script),
        "-c",
        str(clients),
        "-T",
        str(seconds),
        "-P",
        "1",
    ]
    words += ["-h", parse_qs(parts.query)["host"][0], "-U", str(parts.username), "-D", f"n={_turn()}", parts.path.lstrip("/")]
    # As the API's own sessions: otherwise each client would plan each statement five times first.
    environment = os.environ | {"PGOPTIONS": "-c plan_cache_mode=force_generic_plan -c jit=off"}
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    out, err = await process.communicate()
    found = re.search(r"number of transactions actually processed: (\d+)", out.decode())
    failed = re.search(r"number of failed transactions: (\d+)", out.decode())
    if process.returncode or found is None or (failed and int(failed[1])):
        raise RuntimeError(f"pgbench: {err.decode()[-500:]}")
    each_second = [float(tps) for tps in re.findall(r"progress: [\d.]+ s, ([\d.]+) tps", err.decode())] or [
        int(found[1]) / seconds
    ]
    return Bench(2 * statistics.mean(each_second[len(each_second) // 2 :]), 2 * int(found[1]))


def _turn() -> int:
    """Where the counter begins: behind every earlier run's."""
    return int((datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000


async def compare(
    server: Server,
    world: World,
    settings: Settings,
    admin_url: str,
    folder: Path,
    postmaster: int,
    *,
    connections: Sequence[int],
    rounds: int,
    seconds: float,
) -> list[dict[str, Any]]:
    """Fivefold and pgbench in turn, at each concurrency that there are links for."""
    script = folder / "record.sql"
    url = settings.require_database_url()
    async with in_this_process(settings) as here:
        links = await all_links_of(admin_url, world.listers_workspace)
        await write_script(here.port, world.lister, url, links, script)
        own = [link for link in links if link[1] != links[0][1]]  # pgbench has those of one platform
    cases = []
    for clients in sorted({min(number, len(own)) for number in connections}):
        requests = [(scan.request for scan in scans(link_id, number, 1, world.lister)) for link_id, number in own[:clients]]
        found: dict[str, list[float]] = {"Fivefold": [], "pgbench": []}
        marks: dict[str, list[float]] = {"Fivefold": [], "PostgreSQL": [], "PostgreSQL under pgbench": []}
        for turn in range(rounds + 1):
            before = spent(server.pid), all_spent(postmaster)
            measured = await load.measure(server.port, requests, seconds)
            between = spent(server.pid), all_spent(postmaster)
            bench = await pgbench(script, url, clients, max(PGBENCH_SECONDS, round(seconds), clients // 8))
            if turn:  # the first round warms up
                found["Fivefold"].append(measured.rate)
                found["pgbench"].append(bench.rate)
                marks["Fivefold"].append((between[0] - before[0]) * 1000 / len(measured.times))
                marks["PostgreSQL"].append((between[1] - before[1]) * 1000 / len(measured.times))
                marks["PostgreSQL under pgbench"].append((all_spent(postmaster) - between[1]) * 1000 / max(bench.scans, 1))
        ratios = [ours / theirs for ours, theirs in zip(*found.values(), strict=True)]
        cases.append(
            {
                "connections": clients,
                "scans_per_second": {name: round(statistics.median(rates), 1) for name, rates in found.items()},
                "p95_ms": round(measured.percentile(95), 2),
                "processor_ms": {name: round(statistics.median(each), 2) for name, each in marks.items()},
                "fivefold_through_pgbench": [round(figure(ratios), 3) for figure in (statistics.median, min, max)],
            }
        )
    return cases
