"""Live updates of one process: what idle listeners cost, and how long a change takes to many."""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import orjson
import uvloop

from app.kit import bootstrap, log, migrate
from app.kit.embedded import Embedded
from app.kit.token import KeyRing, create_key
from tests.benchmark import crowd, peer
from tests.benchmark.contender import NAMES, NODE
from tests.benchmark.peer import Installation
from tests.benchmark.server import alone, children_of, in_node, memory, spent

LISTEN = """
subscription { scanRequested { cursor requestedAt reason link { id label status platform { id slug name } } } }
"""
TELL = """
WITH told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    VALUES ($1, $2, 'privacy.scan_requested', '{"reason": "MANUAL"}') RETURNING id, created_at
)
SELECT %s FROM told
"""
NOTIFY = """pg_notify(%s, json_build_object('cursor', id, 'workspace', $1::uuid, 'link', $2::uuid, 'requestedAt', created_at,
    'reason', 'MANUAL')::text)"""
BY_ROW_ID = LISTEN.replace("{ id ", "{ id: rowId ").replace("platform {", "platform: platformByPlatformId {")
ASKED = {
    "Fivefold": (LISTEN, TELL % "id"),
    "PostGraphile": (BY_ROW_ID, TELL % NOTIFY % "'scan_' || $1"),
    "Mercurius": (LISTEN, TELL % NOTIFY % "'scan_requested'"),
    "Yoga + Drizzle": (LISTEN, TELL % NOTIFY % "'scan_requested'"),
}
"""What each is asked, and what tells it: Fivefold reads its outbox, the others hear a NOTIFY that goes with the same row."""
PATIENCE = 20.0
AT_ONCE = 50


class Listener(asyncio.Protocol):
    """A client with one subscription, as small as can be: it notes when messages came, and does not look into them."""

    def __init__(self, token: str, query: str) -> None:
        self.token, self.query, self.ready = token, query, asyncio.get_running_loop().create_future()
        self.came: list[float] = []
        self.buffer = b""
        self.open = False
        self.trouble = ""

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
            elif opcode == 8 or b'"error"' in text or b'"errors"' in text:
                self.fail(text)
            elif b'"next"' in text:
                self.came.append(time.perf_counter())
            elif b'"connection_ack"' in text:
                self.send({"id": "1", "type": "subscribe", "payload": {"query": self.query}})
                self.ready.set_result(None)

    def fail(self, text: bytes) -> None:
        """The server wants it no longer."""
        self.trouble = text[:300].decode(errors="replace")
        if not self.ready.done():
            self.ready.set_exception(RuntimeError(self.trouble))

    def send(self, message: Any) -> None:
        self.frame(1, orjson.dumps(message))

    def frame(self, opcode: int, payload: bytes) -> None:
        size = bytes([128 + len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self.transport.write(bytes([128 + opcode]) + size + b"\0\0\0\0" + payload)  # masked with nothing


async def connect(port: int, tokens: list[str], query: str = LISTEN) -> list[Listener]:
    """So many connections that listen. Raises RuntimeError."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(token: str) -> Listener:
        async with turns:
            _, listener = await asyncio.get_running_loop().create_connection(lambda: Listener(token, query), "127.0.0.1", port)
            await asyncio.wait_for(listener.ready, 60)
            return listener

    return await asyncio.gather(*(one(token) for token in tokens))


async def main(idle: int, fan: int, rounds: int, seconds: float, only: Sequence[str]) -> None:
    """Run it and print what was found."""
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder, Embedded.start(Path(folder) / "postgres") as server:
        url, key = server.url("fivefold"), Path(folder) / "jwt.pem"
        bootstrap.run(url)
        migrate.up(url)
        create_key(key)
        await crowd.fill(url, max(idle, 10))
        there = peer.install(only_if_there=True)
        place = server, "fivefold", key, Path(folder)
        await compare(*place, idle=idle, fan=fan, rounds=rounds, seconds=seconds, only=only, there=there)


async def compare(
    postgres: Embedded,
    database: str,
    key: Path,
    folder: Path,
    *,
    idle: int,
    fan: int,
    rounds: int,
    seconds: float,
    only: Sequence[str] = NAMES,
    there: Installation | None = None,
) -> dict[str, dict[str, Any]]:
    """Of each: one change to ``fan`` listeners, and ``idle`` ones in as many workspaces, as many as there are people."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 100_000), hard))  # servers have it from here
    keys = KeyRing([key])
    admin = await asyncpg.connect(postgres.url(database))
    found: dict[str, dict[str, Any]] = {}
    try:
        subjects = [row[0] for row in await admin.fetch("SELECT subject FROM core.identity ORDER BY id LIMIT $1", idle)]
        tokens = [keys.sign(subject, lifetime=timedelta(days=1)) for subject in subjects]
        link = await admin.fetchrow(
            "SELECT l.workspace_id, l.id, i.subject FROM privacy.platform_link AS l JOIN core.identity AS i USING (account_id)"
            " WHERE l.status = 'ACTIVE' LIMIT 1"
        )
        assert link is not None
        token = keys.sign(link["subject"], lifetime=timedelta(days=1))
        pid = int((postgres.data / "cluster" / "postmaster.pid").read_text().split()[0])
        url = postgres.url(database, "fivefold_api")
        for name, (query, tell) in ASKED.items():
            if name not in only or (name in NODE and (there is None or there.node is None)):
                continue
            try:
                async with (
                    in_node(there, NODE[name], url, key, folder) if name in NODE and there else alone(url, key, folder) as on
                ):
                    print(f"{name}: ", end="")
                    told = await fan_out(on.port, token, query, tell, admin, link, fan, rounds)
                    found[name] = told | await idle_ones(on.port, tokens, query, on.pid, pid, seconds)
            except (RuntimeError, OSError, TimeoutError) as error:
                found[name] = {"trouble": " ".join(str(error).split())[-300:] or type(error).__name__}
                print(found[name]["trouble"], flush=True)
    finally:
        await admin.close()
    return found


async def fan_out(
    port: int,
    token: str,
    query: str,
    tell: str,
    admin: asyncpg.Connection,
    link: asyncpg.Record,
    fan: int,
    rounds: int,
) -> dict[str, Any]:
    """One change to many who listen to the same workspace. Raises RuntimeError where one of them does not hear it."""
    listeners = await connect(port, [token] * fan, query)
    # The protocol does not say from when on one is heard: it is told until everybody has heard it once, and plans are made.
    until = time.perf_counter() + PATIENCE
    while not all(each.came for each in listeners):
        await admin.execute(tell, link["workspace_id"], link["id"])
        await asyncio.sleep(1)
        _check(listeners, until, lambda each: bool(each.came))
    await asyncio.sleep(1)
    delays: list[float] = []
    last: list[float] = []
    for _ in range(rounds):
        heard = {each: len(each.came) for each in listeners}
        told = time.perf_counter()
        await admin.execute(tell, link["workspace_id"], link["id"])
        while any(len(each.came) == count for each, count in heard.items()):
            await asyncio.sleep(0.01)
            _check(listeners, told + PATIENCE, lambda each: len(each.came) > heard[each])  # noqa: B023
        delays += [each.came[count] - told for each, count in heard.items()]
        last.append(max(delays[-fan:]))
    delays.sort()
    shown = " ".join(f"p{p} {delays[int(len(delays) * p / 100)] * 1000:.0f} ms" for p in (50, 95, 99))
    print(f"a change to {fan} listeners, {rounds} times: {shown}; the last of them after {max(last) * 1000:.0f} ms", flush=True)
    for each in listeners:
        each.transport.abort()
    p50, p95, p99 = [round(delays[int(len(delays) * p / 100)] * 1000, 1) for p in (50, 95, 99)]
    return {"listeners": fan, "told_p50_ms": p50, "told_p95_ms": p95, "told_p99_ms": p99}


def _check(listeners: Sequence[Listener], until: float, has_heard: Callable[[Listener], bool]) -> None:
    """Raise RuntimeError when one was refused, or it has taken too long."""
    trouble = next((each.trouble for each in listeners if each.trouble), "")
    if trouble or time.perf_counter() > until:
        deaf = sum(not has_heard(each) for each in listeners)
        raise RuntimeError(trouble or f"{deaf} of {len(listeners)} were not told within {PATIENCE:g} s")


async def idle_ones(port: int, tokens: list[str], query: str, served: int, postgres: int, seconds: float) -> dict[str, Any]:
    """Many who listen, each in a workspace of its own, and hear nothing."""
    await asyncio.sleep(2)
    before = memory(served)
    begun = time.perf_counter()
    listeners = await connect(port, tokens, query)
    took = time.perf_counter() - begun
    await asyncio.sleep(2)
    after = memory(served)
    if trouble := next((each.trouble for each in listeners if each.trouble), ""):
        raise RuntimeError(trouble)
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
    parser.add_argument("--only", nargs="+", default=["Fivefold"], choices=list(ASKED), metavar="NAME", help=", ".join(ASKED))
    given = parser.parse_args()
    log.configure("json")
    uvloop.run(main(given.idle, given.fan, given.rounds, given.seconds, given.only))
