"""What the audit costs: scans over GraphQL with its triggers and without, in turn, in one run: the ratio with its spread."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import uvloop

from app.kit import log
from app.kit.embedded import Embedded
from app.privacy.template import structure_hash
from tests.benchmark import data, load
from tests.benchmark.__main__ import free_port, serving

RECORD = """
mutation Record($input: RecordSnapshotInput!) {
  recordSnapshot(input: $input) { unchanged snapshot { id riskScore } changes { setting origin } }
}
"""
LINKS = "{ privacyDashboard { links(first: 20) { edges { node { id platform { slug } } } } } }"
SILENCE = """
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT tgrelid::regclass AS name, tgname FROM pg_trigger
        WHERE tgname IN ('audit_insert', 'audit_update', 'audit_delete') AND tgparentid = 0
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', t.name, t.tgname);
    END LOOP;
END
$$
"""


def scans(link_id: str, number: int, changes: int) -> Iterator[bytes]:
    """The bodies of scans of one link without end: each changes so many settings of the one before."""
    settings = data.platform(number).template[0].setting
    values = {s.key: s.options[0] for s in settings}
    captured_at = datetime.now(UTC) - timedelta(days=300)
    turn = 0
    while True:
        captured_at += timedelta(minutes=1)
        for setting in (settings * 2)[turn % len(settings) :][:changes]:
            values[setting.key] = setting.options[1] if values[setting.key] == setting.options[0] else setting.options[0]
        turn += changes
        given = {
            "linkId": link_id,
            "capturedAt": captured_at.isoformat(),
            "scanMethod": "EXTENSION",
            "templateHash": structure_hash((s.key, s.type, s.options) for s in settings).hex(),
            "values": [{"key": key, "value": value, "userAction": True} for key, value in values.items()],
            "idempotencyKey": str(uuid4()),
        }
        yield json.dumps({"query": RECORD, "variables": {"input": given}}).encode()


async def _rate(port: int, token: str, bodies: list[Iterator[bytes]], seconds: float) -> float:
    """Scans per second, a client for each link."""
    deadline = time.perf_counter() + seconds
    begun = time.perf_counter()
    counts = await asyncio.gather(*(load.client(port, "/graphql", each, token, deadline) for each in bodies))
    return sum(counts) / (time.perf_counter() - begun)


@asynccontextmanager
async def _prepared(server: Embedded, key: Path) -> AsyncIterator[tuple[dict[str, int], str]]:
    """Two databases with the same data, one of them without audit, and a server on each: their ports, and a token."""
    token = await data.prepare(server.url("audited"), key)
    admin = await asyncpg.connect(server.url())
    await admin.execute("CREATE DATABASE unaudited TEMPLATE audited OWNER fivefold_owner")
    await admin.close()
    admin = await asyncpg.connect(server.url("unaudited"))
    await admin.execute("SET event_triggers = off")  # they refuse just this, and rightly
    await admin.execute(SILENCE)
    await admin.close()
    async with AsyncExitStack() as stack:
        ports = {}
        for name in ("audited", "unaudited"):
            ports[name] = free_port()
            await stack.enter_async_context(serving(server.url(name, "fivefold_api"), key, ports[name]))
        yield ports, token


async def main(rounds: int, seconds: float, connections: int) -> None:
    """Run it and print the table."""
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder, Embedded.start(Path(folder) / "postgres") as server:
        async with _prepared(server, Path(folder) / "jwt.pem") as (ports, token):
            answer = await load.ask(ports["audited"], "/graphql", json.dumps({"query": LINKS}).encode(), token)
            links = [edge["node"] for edge in answer["privacyDashboard"]["links"]["edges"]][:connections]
            for changes in (1, 12):
                bodies = {
                    name: [scans(link["id"], int(link["platform"]["slug"].rpartition("-")[2]), changes) for link in links]
                    for name in ports
                }
                found: dict[str, list[float]] = {name: [] for name in ports}
                for turn in range(rounds + 1):
                    for name, port in ports.items():
                        rate = await _rate(port, token, bodies[name], seconds)
                        if turn:  # the first round warms up
                            found[name].append(rate)
                load.tell(
                    f"{changes} changes each: {connections} clients, {rounds} rounds of {seconds:g} s in turn; scans", found
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    log.configure("json")
    uvloop.run(main(given.rounds, given.seconds, given.connections))
