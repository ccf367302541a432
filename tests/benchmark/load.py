"""A load generator for one endpoint: some connections, each sending the next request when it has the answer to the last."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from itertools import repeat
from typing import Any


async def measure(port: int, path: str, body: bytes, token: str, *, connections: int, seconds: float) -> float:
    """Requests per second."""
    begun = time.perf_counter()
    deadline = begun + seconds
    counts = await asyncio.gather(*(client(port, path, repeat(body), token, deadline) for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - begun)


async def ask(port: int, path: str, body: bytes, token: str) -> Any:
    """The data of one answer, or its errors."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(path, body, token))
    answer = await _read(reader)
    writer.close()
    content = json.loads(answer)
    return content.get("errors") or content["data"]


async def client(port: int, path: str, bodies: Iterator[bytes], token: str, deadline: float) -> int:
    """Sends one body after the other until the deadline; how many were answered. An answer with errors ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.perf_counter() < deadline:
        writer.write(_request(path, next(bodies), token))
        answer = await _read(reader)
        if answer.startswith(b'{"errors"') or b'"errors":[' in answer[:2000]:
            raise RuntimeError(answer[:500].decode())
        done += 1
    writer.close()
    return done


def tell(title: str, found: dict[str, list[float]]) -> None:
    """Print the rates of each, per second, and the first beside every other, round by round."""
    print(f"\n{title} per second")
    for name, rates in found.items():
        print(f"  {name:18} {statistics.median(rates):8.0f}   {min(rates):.0f} to {max(rates):.0f}")
    first, *others = found
    for other in others:
        ratios = [ours / theirs for ours, theirs in zip(found[first], found[other], strict=True)]
        print(f"  {first} / {other:18} {statistics.median(ratios):5.2f}   {min(ratios):.2f} to {max(ratios):.2f}", flush=True)


def _request(path: str, body: bytes, token: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer, which must be a success."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)
