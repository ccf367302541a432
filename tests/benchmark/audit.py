"""What the audit costs: scans over GraphQL with its triggers and without, in turn, in one run: the ratio with its spread."""

from __future__ import annotations

import argparse
import json
import tempfile
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
from tests.benchmark.server import in_python

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


def scans(link_id: str, number: int, changes: int, token: str) -> Iterator[bytes]:
    """Requests that record scans of one link without end: each changes so many settings of the one before."""
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
        yield load.request("/graphql", json.dumps({"query": RECORD, "variables": {"input": given}}).encode(), token)


async def links_of(port: int, token: str) -> list[tuple[str, int]]:
    """The ids of a person's links, each with the number of its platform."""
    answer = await load.ask(port, load.request("/graphql", json.dumps({"query": LINKS}).encode(), token))
    nodes = [edge["node"] for edge in answer["privacyDashboard"]["links"]["edges"]]
    return [(node["id"], int(node["platform"]["slug"].rpartition("-")[2])) for node in nodes]


@asynccontextmanager
async def _prepared(server: Embedded, folder: Path) -> AsyncIterator[tuple[dict[str, int], str]]:
    """Two databases with the same data, one of them without audit, and a server on each: their ports, and a token."""
    key = folder / "jwt.pem"
    world = await data.prepare(server.url("audited"), key)
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
            python = await stack.enter_async_context(in_python(server.url(name, "fivefold_api"), key, folder))
            ports[name] = python.port
        yield ports, world.token


async def main(rounds: int, seconds: float, connections: int) -> None:
    """Run it and print the table."""
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder, Embedded.start(Path(folder) / "postgres") as server:
        async with _prepared(server, Path(folder)) as (ports, token):
            links = (await links_of(ports["audited"], token))[:connections]
            for changes in (1, 12):
                bodies = {name: [scans(link_id, number, changes, token) for link_id, number in links] for name in ports}
                found: dict[str, list[float]] = {name: [] for name in ports}
                for turn in range(rounds + 1):
                    for name, port in ports.items():
                        measured = await load.measure(port, bodies[name], seconds)
                        if turn:  # the first round warms up
                            found[name].append(measured.rate)
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
