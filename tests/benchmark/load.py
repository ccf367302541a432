"""A load generator: some connections, each sending the next request when it has the answer to the last.

It is one asyncio protocol that looks for the end of an answer and nothing else, so one process of it asks more than any
server here answers; ``ceiling()`` measures how much, and every report shows it.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, cast

import uvloop

HEADERS = b"Content-Type: application/json\r\nAccept: application/json\r\nHost: localhost\r\n"


@dataclass(frozen=True)
class Measured:
    """One stretch of load: answers per second, and each answer's time in milliseconds, sorted."""

    rate: float
    times: list[float]

    def percentile(self, p: float) -> float:
        """The time within which that share of the answers came."""
        return self.times[min(int(len(self.times) * p / 100), len(self.times) - 1)]


def request(path: str, body: bytes, token: str) -> bytes:
    """The bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + HEADERS + b"\r\n" + body


async def measure(port: int, requests: Sequence[Iterator[bytes]], seconds: float) -> Measured:
    """Send requests for so long, each iterator's over a connection of its own. An answer with errors ends it."""
    loop = asyncio.get_running_loop()
    clients = [_Client(each) for each in requests]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    begun = time.perf_counter()
    for client in clients:
        client.until = begun + seconds
        client.send()
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - begun
    times = sorted(each for client in clients for each in client.times)
    return Measured(len(times) / took, times)


async def ask(port: int, sent: bytes) -> Any:
    """The data of one answer, or its errors."""
    client = _Client(repeat(sent), keep=True)
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    client.send()
    await client.done
    content = json.loads(client.body)
    return content.get("errors") or content["data"]


class _Client(asyncio.Protocol):
    """One connection. Knows answers with a length and answers in chunks."""

    def __init__(self, requests: Iterator[bytes], *, keep: bool = False) -> None:
        self.requests, self.keep = requests, keep
        self.until = 0.0
        self.times: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parts: list[bytes] = []
        self.body = b""
        self.left: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        """Send the next request."""
        self.parts, self.left = [], None
        self.sent = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        if self.left is None:
            data = b"".join(self.parts)
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                return None
            if not head.startswith(b"HTTP/1.1 200"):
                return self._fail(data)
            self.parts = [rest]
            _, sized, length = head.lower().partition(b"content-length:")
            self.left = int(length.partition(b"\r\n")[0]) - len(rest) if sized else -1
        elif self.left > 0:
            self.left -= len(data)
        if self.left == 0 or (self.left < 0 and b"".join(self.parts[-2:]).endswith(b"\r\n0\r\n\r\n")):
            self._answered()
        return None

    def _answered(self) -> None:
        now = time.perf_counter()
        if b'"errors":' in self.parts[0][:300]:
            return self._fail(self.parts[0])
        self.times.append((now - self.sent) * 1000)
        if self.keep:
            self.body = b"".join(self.parts)
            if self.left:
                self.body = _join_chunks(self.body)
        if now < self.until:
            return self.send()
        self.transport.close()
        self.done.set_result(None)
        return None

    def _fail(self, told: bytes) -> None:
        self.transport.close()
        if not self.done.done():
            self.done.set_exception(RuntimeError(told[:1000].decode(errors="replace")))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the server closed the connection: {exc}"))


def _join_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        size, _, _ = body[at:].partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return b"".join(parts)
        at += len(size) + 2
        parts.append(body[at : at + length])
        at += length + 2


async def ceiling(size: int, connections: int, seconds: float = 1.0) -> float:
    """Answers per second from a server that does nothing but send so many bytes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve_nothing, args=(theirs, size), daemon=True)
    server.start()
    try:
        port = await asyncio.to_thread(ours.recv)
        found = await measure(port, [repeat(request("/", b"{}", ""))] * connections, seconds)
        return found.rate
    finally:
        server.terminate()
        server.join()


def _serve_nothing(pipe: Any, size: int) -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(text)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


def tell(title: str, found: dict[str, list[float]]) -> None:
    """Print the rates of each, per second, and the first beside every other, round by round."""
    print(f"\n{title} per second")
    for name, rates in found.items():
        print(f"  {name:18} {statistics.median(rates):8.0f}   {min(rates):.0f} to {max(rates):.0f}")
    first, *others = found
    for other in others:
        ratios = [ours / theirs for ours, theirs in zip(found[first], found[other], strict=True)]
        print(f"  {first} / {other:18} {statistics.median(ratios):5.2f}   {min(ratios):.2f} to {max(ratios):.2f}", flush=True)
