"""Live updates of one process: what idle listeners cost, and how long a change takes to many."""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import orjson
import uvloop

from app import seed
from app.kit import bootstrap, log, migrate
from app.kit.embedded import Embedded
from app.kit.token import KeyRing, create_key
from tests.benchmark.server import alone, children_of, memory, spent

LISTEN = """
subscription { scanRequested { cursor requestedAt reason link { id label status platform { id slug name } } } }
"""
TELL = (
    "INSERT INTO core.outbox (workspace_id, object_id, kind, detail)"
    " VALUES ($1, $2, 'privacy.scan_requested', '{\"reason\": \"MANUAL\"}')"
)
AT_ONCE = 50


class Listener(asyncio.Protocol):
    """A client with one subscription, as small as can be: it notes when messages came, and does not look into them."""

    def __init__(self, token: str) -> None:
        self.token, self.ready = token, asyncio.get_running_loop().create_future()
        self.came: list[float] = []
        self.buffer = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open and b"\r\n\r\n" in self.buffer:
            self.open, self.buffer = True, self.buffer.partition(b"\r\n\r\n")[2]
            self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}})
            self.send({"id": "1", "type": "subscribe", "payload": {"query": LISTEN}})
            self.send({"type": "ping"})
        while self.open and len(self.buffer) >= 2:
            length, at = self.buffer[1] & 127, 2
            if length == 126:
                length, at = int.from_bytes(self.buffer[2:4], "big"), 4
            if len(self.buffer) < at + length:
                break
            opcode, text = self.buffer[0] & 15, self.buffer[at : at + length]
            self.buffer = self.buffer[at + length :]
            if opcode == 9:
                self.frame(10, text)
            elif opcode == 1 and b'"next"' in text:
                self.came.append(time.perf_counter())
            elif opcode == 1 and b'"pong"' in text:
                self.ready.set_result(None)

    def send(self, message: Any) -> None:
        self.frame(1, orjson.dumps(message))

    def frame(self, opcode: int, payload: bytes) -> None:
        size = bytes([128 + len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self.transport.write(bytes([128 + opcode]) + size + b"\0\0\0\0" + payload)  # masked with nothing


async def connect(port: int, tokens: list[str]) -> list[Listener]:
    """So many connections that listen."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(token: str) -> Listener:
        async with turns:
            _, listener = await asyncio.get_running_loop().create_connection(lambda: Listener(token), "127.0.0.1", port)
            await asyncio.wait_for(listener.ready, 60)
            return listener

    return await asyncio.gather(*(one(token) for token in tokens))


async def main(idle: int, fan: int, rounds: int, seconds: float) -> None:
    """Run it and print what was found."""
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder, Embedded.start(Path(folder) / "postgres") as server:
        url, key = server.url("fivefold"), Path(folder) / "jwt.pem"
        bootstrap.run(url)
        migrate.up(url)
        create_key(key)
        await seed.load_perf(url, max(idle, 10), seed.Progress(lambda count: None, lambda: None))
        await compare(server, "fivefold", key, Path(folder), idle=idle, fan=fan, rounds=rounds, seconds=seconds)


async def compare(
    postgres: Embedded, database: str, key: Path, folder: Path, *, idle: int, fan: int, rounds: int, seconds: float
) -> dict[str, Any]:
    """One change to ``fan`` listeners, and ``idle`` ones in as many workspaces, as many as there are people."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 100_000), hard))
    keys = KeyRing([key])
    admin = await asyncpg.connect(postgres.url(database))
    try:
        subjects = [row[0] for row in await admin.fetch("SELECT subject FROM core.identity ORDER BY id LIMIT $1", idle)]
        tokens = [keys.sign(subject, lifetime=timedelta(days=1)) for subject in subjects]
        link = await admin.fetchrow(
            "SELECT l.workspace_id, l.id, i.subject FROM privacy.platform_link AS l JOIN core.identity AS i USING (account_id)"
            " WHERE l.status = 'ACTIVE' LIMIT 1"
        )
        assert link is not None
        pid = int((postgres.data / "cluster" / "postmaster.pid").read_text().split()[0])
        async with alone(postgres.url(database, "fivefold_api"), key, folder) as served:
            token = keys.sign(link["subject"], lifetime=timedelta(days=1))
            told = await fan_out(served.port, token, admin, link, fan, rounds)
            return told | await idle_ones(served.port, tokens, served.pid, pid, seconds)
    finally:
        await admin.close()


async def fan_out(
    port: int, token: str, admin: asyncpg.Connection, link: asyncpg.Record, fan: int, rounds: int
) -> dict[str, Any]:
    """One change to many who listen to the same workspace."""
    listeners = await connect(port, [token] * fan)
    delays: list[float] = []
    last: list[float] = []
    for turn in range(rounds + 1):
        told = time.perf_counter()
        await admin.execute(TELL, link["workspace_id"], link["id"])
        while any(len(each.came) <= turn for each in listeners):  # noqa: ASYNC110 - a listener has no event, to be small
            await asyncio.sleep(0.01)
        if turn:  # the first makes the plan
            delays += [each.came[turn] - told for each in listeners]
            last.append(max(each.came[turn] for each in listeners) - told)
    delays.sort()
    shown = " ".join(f"p{p} {delays[int(len(delays) * p / 100)] * 1000:.0f} ms" for p in (50, 95, 99))
    print(f"a change to {fan} listeners, {rounds} times: {shown}; the last of them after {max(last) * 1000:.0f} ms", flush=True)
    for each in listeners:
        each.transport.abort()
    p50, p95, p99 = [round(delays[int(len(delays) * p / 100)] * 1000, 1) for p in (50, 95, 99)]
    return {"listeners": fan, "told_p50_ms": p50, "told_p95_ms": p95, "told_p99_ms": p99}


async def idle_ones(port: int, tokens: list[str], served: int, postgres: int, seconds: float) -> dict[str, Any]:
    """Many who listen, each in a workspace of its own, and hear nothing."""
    await asyncio.sleep(2)
    before = memory(served)
    begun = time.perf_counter()
    listeners = await connect(port, tokens)
    took = time.perf_counter() - begun
    after = memory(served)
    asked = [served, postgres, *children_of(postgres)]
    marks = [spent(pid) for pid in asked]
    await asyncio.sleep(seconds)
    percents = [(spent(pid) - mark) / seconds * 100 for pid, mark in zip(asked, marks, strict=True)]
    busy = percents[0], sum(percents[1:])
    print(
        f"{len(listeners)} idle listeners in as many workspaces: {(after - before) / 2**20:.0f} MiB"
        f" ({(after - before) / len(listeners) / 1024:.1f} KiB each), connected in {took:.1f} s;"
        f" then server {busy[0]:.0f} % and PostgreSQL {busy[1]:.0f} % of a processor",
        flush=True,
    )
    return {
        "idle": len(listeners),
        "idle_bytes_each": round((after - before) / len(listeners)),
        "idle_server_percent": round(busy[0], 1),
        "idle_postgres_percent": round(busy[1], 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--fan", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    log.configure("json")
    uvloop.run(main(given.idle, given.fan, given.rounds, given.seconds))
