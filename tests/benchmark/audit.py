"""What the audit costs: scans over GraphQL with its triggers and without, in turn, in one run: the ratio with its spread."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import uvloop

from app.kit import log
from app.kit.embedded import Embedded
from tests.benchmark import data, load
from tests.benchmark.record import links_of, scans
from tests.benchmark.server import in_python

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
                bodies = {
                    name: [(scan.request for scan in scans(link_id, number, changes, token)) for link_id, number in links]
                    for name in ports
                }
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
