"""What is acknowledged stays, once, whoever is killed: the database ten times under load, then the server itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.kit.embedded import Embedded
from tests.conftest import Database, copy_of
from tests.factory.cluster import HOST, Cluster, cluster_of, free_port
from tests.factory.kit import pool_of, serving

pytestmark = pytest.mark.slow

LINK = "mutation ($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id label } } }"
RESTARTS = 10
KILLS = 3
REQUEST_SECONDS = 10.0
TYPED = {"UNAVAILABLE", "TIMED_OUT"}


@pytest.fixture
def primary(server: Embedded, template: str, tmp_path: Path) -> Iterator[Cluster]:
    """A server to be killed."""
    with cluster_of(server, tmp_path / "primary") as cluster:
        yield cluster


@dataclass
class Load:
    """Clients that link platforms under labels of their own, one after the other, until they are stopped."""

    send: Callable[[str, dict[str, object]], Awaitable[dict[str, object] | None]]
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    stopped: bool = False

    async def run(self, client: str) -> None:
        """One client. Every other mutation that failed is sent again until it is acknowledged, as an extension would."""
        while not self.stopped:
            label, again = f"{client} {uuid4()}", bool(len(self.unknown) % 2)
            given: dict[str, object] = {"platformSlug": "google", "label": label, "idempotencyKey": label}
            while True:
                begun = time.monotonic()
                body = await self.send(LINK, {"input": given})
                self.longest = max(self.longest, time.monotonic() - begun)
                errors = (body or {}).get("errors")
                if body is not None and errors is None:
                    self.acknowledged.add(label)
                    self.unknown.discard(label)
                    break
                self.unknown.add(label)
                self.codes.update(e["extensions"]["code"] for e in errors or ())  # type: ignore[attr-defined]
                if not again or self.stopped:
                    break

    async def reach(self, count: int) -> None:
        """Until so many more are acknowledged."""
        until = len(self.acknowledged) + count
        async with asyncio.timeout(60):
            while len(self.acknowledged) < until:  # noqa: ASYNC110 - the clients are what is waited for
                await asyncio.sleep(0.01)


@asynccontextmanager
async def under(load: Load, clients: int) -> AsyncIterator[Load]:
    """While so many clients work."""
    tasks = [asyncio.create_task(load.run(f"c{number}")) for number in range(clients)]
    try:
        yield load
    finally:
        load.stopped = True
        await asyncio.gather(*tasks)


async def check(load: Load, database: Database) -> None:
    """Each acknowledged write is there once, with its audit event; of the others, at most one each; nothing else is."""
    async with database.connect() as admin:
        rows = await admin.fetch("SELECT id, label FROM privacy.platform_link")
        events = await admin.fetch(
            "SELECT object_id FROM core.audit_event WHERE object = 'privacy.platform_link' AND action = 'INSERT'"
        )
        keys = await admin.fetch("SELECT key FROM core.idempotency WHERE result_id IS NOT NULL")
    there = Counter(row["label"] for row in rows)
    assert set(there.values()) <= {1}
    assert load.acknowledged <= set(there)
    assert set(there) <= load.acknowledged | load.unknown
    assert Counter(event["object_id"] for event in events) == Counter(row["id"] for row in rows)
    assert {key for (key,) in keys} == set(there)
    assert set(load.codes) <= TYPED
    assert load.longest < REQUEST_SECONDS + 1


async def test_no_acknowledged_write_is_lost_when_the_database_dies(primary: Cluster, template: str, jwt_key: Path) -> None:
    """Killed as by pg_ctl's immediate, ten times, while twenty clients write through a pool of ten."""
    with copy_of(primary, template) as database:
        async with serving(database, jwt_key, pool_size=10, request_seconds=REQUEST_SECONDS, acquire_seconds=5) as api:
            ada = await api.person("ada")

            async def send(document: str, variables: dict[str, object]) -> dict[str, object]:
                return (await api(document, dict(variables), token=ada.token)).body

            async with under(Load(send), 20) as load:
                for _ in range(RESTARTS):
                    await load.reach(10)
                    await asyncio.to_thread(primary.stop)
                    await asyncio.to_thread(primary.start)
                await load.reach(10)
            await check(load, database)
            pool = pool_of(api)
            assert pool.get_idle_size() == pool.get_size()
            assert pool.round >= 1


async def test_no_acknowledged_write_is_lost_when_the_server_dies(primary: Cluster, template: str, jwt_key: Path) -> None:
    """The API's process, by SIGKILL in the middle of its work."""
    with copy_of(primary, template) as database:
        async with serving(database, jwt_key) as api:
            ada = await api.person("ada")
        port = free_port()
        environment = os.environ | {
            "DATABASE_URL": primary.url(database.name, "fivefold_api"),
            "FIVEFOLD_JWT_KEYS": str(jwt_key),
            "FIVEFOLD_POOL_SIZE": "5",
        }

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "app", "serve", "--host", HOST, "--port", str(port)]
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=REQUEST_SECONDS) as http:

            async def send(document: str, variables: dict[str, object]) -> dict[str, object] | None:
                try:
                    asked = {"query": document, "variables": variables}
                    answer = await http.post("/graphql", json=asked, headers={"Authorization": f"Bearer {ada.token}"})
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    return None
                body: dict[str, object] = answer.json()
                return body

            process = start()
            try:
                async with under(Load(send), 10) as load:
                    for _ in range(KILLS):
                        await load.reach(20)
                        process.kill()
                        process.wait()
                        process = start()
                    await load.reach(20)
            finally:
                process.kill()
                process.wait()
        await check(load, database)
