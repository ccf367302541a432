"""Many clients on few connections: 200 share the server's pool of 10, in turn with 10 who have a connection each.

Half of them record scans and half read. Shown are answers a second and their ratio, how long the slowest waited, what was
refused and with which code, and whether each acknowledged scan is in the database, once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from pathlib import Path
from uuid import uuid4

import asyncpg
import uvloop

from app.kit import log
from app.kit.embedded import Embedded
from app.privacy.template import structure_hash
from tests.benchmark import data, load
from tests.benchmark.record import RECORD
from tests.benchmark.server import POOL, alone

LINKS = "{ platformLinks(first: 100) { edges { node { id platform { slug } } } } }"
READ = "{ platformLinks(first: 20) { edges { node { id label status platform { slug name } } } } }"
TAKEN = "SELECT count(*) FROM core.idempotency WHERE field = 'recordSnapshot' AND result_id IS NOT NULL"
"""Each scan has a key of its own, also one that changes nothing."""
_moments = count(1)


class Client(load._Client):
    """One who goes on after a refusal, and notes its code."""

    def __init__(self, requests: Iterator[bytes], refused: Counter[str]) -> None:
        super().__init__(requests)
        self.refused = refused

    def _fail(self, told: bytes) -> None:
        found = re.search(rb'"code":"([A-Z_]+)"', told)
        self.refused[found[1].decode() if found else f"no code: {told[:80]!r}"] += 1
        if time.perf_counter() < self.until:
            return self.send()
        self.transport.close()
        self.done.set_result(None)
        return None


def scans(link_id: str, number: int, token: str) -> Iterator[bytes]:
    """Requests that record scans of a link without end, no two of anybody at the same moment."""
    settings = data.platform(number).template[0].setting
    hashed = structure_hash((s.key, s.type, s.options) for s in settings).hex()
    begin = datetime.now(UTC) - timedelta(days=200)
    for turn in count():
        given = {
            "linkId": link_id,
            "capturedAt": (begin + timedelta(seconds=next(_moments))).isoformat(),
            "scanMethod": "EXTENSION",
            "templateHash": hashed,
            "values": [{"key": s.key, "value": s.options[turn % 2], "userAction": True} for s in settings],
            "idempotencyKey": str(uuid4()),
        }
        yield load.request("/graphql", json.dumps({"query": RECORD, "variables": {"input": given}}).encode(), token)


async def press(port: int, links: list[tuple[str, int]], token: str, clients: int, seconds: float) -> tuple[load.Measured, int]:
    """So many at once for so long; and how many scans were acknowledged."""
    refused: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    read = load.request("/graphql", json.dumps({"query": READ}).encode(), token)
    writers = [Client(scans(*links[at % len(links)], token), refused) for at in range(clients // 2)]
    everyone = [*writers, *(Client(repeat(read), refused) for _ in range(clients - len(writers)))]
    for client in everyone:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    begun = time.perf_counter()
    for client in everyone:
        client.until = begun + seconds
        client.send()
    await asyncio.gather(*(client.done for client in everyone))
    took = time.perf_counter() - begun
    if refused:
        print(f"  {clients} clients: refused {dict(refused)}")
    times = sorted(each for client in everyone for each in client.times)
    return load.Measured(len(times) / took, times), sum(len(client.times) for client in writers)


async def main(rounds: int, seconds: float, many: int) -> None:
    """Run it and print what came."""
    with tempfile.TemporaryDirectory(prefix="fivefold-") as name, Embedded.start(Path(name) / "postgres") as server:
        folder = Path(name)
        world = await data.prepare(server.url("pool"), folder / "jwt.pem")
        admin = await asyncpg.connect(server.url("pool"))
        async with alone(server.url("pool", "fivefold_api"), folder / "jwt.pem", folder) as running:
            answer = await load.ask(running.port, load.request("/graphql", json.dumps({"query": LINKS}).encode(), world.lister))
            nodes = [edge["node"] for edge in answer["platformLinks"]["edges"]]
            links = [(node["id"], int(node["platform"]["slug"].rpartition("-")[2])) for node in nodes]
            before = await admin.fetchval(TAKEN)
            found: dict[str, list[float]] = {f"{many} clients": [], f"{POOL} clients": []}
            slowest: dict[str, list[float]] = {title: [] for title in found}
            acknowledged = 0
            for turn in range(rounds + 1):
                for title in found:
                    measured, written = await press(running.port, links, world.lister, int(title.split()[0]), seconds)
                    acknowledged += written
                    if turn:  # the first round warms up
                        found[title].append(measured.rate)
                        slowest[title].append(measured.percentile(99))
            load.tell(f"a pool of {POOL}, half scans and half reads, {rounds} rounds of {seconds:g} s in turn; answers", found)
            for title, times in slowest.items():
                print(f"  {title:18} p99 {sorted(times)[len(times) // 2]:.0f} ms, worst round {max(times):.0f} ms")
            there = await admin.fetchval(TAKEN) - before
            await admin.close()
        print(f"  {acknowledged} scans acknowledged, {there} done in the database")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=200)
    given = parser.parse_args()
    log.configure("json")
    uvloop.run(main(given.rounds, given.seconds, given.clients))
