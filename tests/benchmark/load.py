"""A load generator for one endpoint: some connections, each sending the next request when it has the answer to the last."""

from __future__ import annotations

import asyncio
import json
import time


async def measure(port: int, path: str, body: bytes, token: str, *, connections: int, seconds: float) -> float:
    """Requests per second."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    deadline = time.perf_counter() + seconds
    begun = time.perf_counter()
    counts = await asyncio.gather(*(_client(port, request, deadline) for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - begun)


async def ask(port: int, path: str, body: bytes, token: str) -> object:
    """The data of one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    answer = await _read(reader)
    writer.close()
    content = json.loads(answer)
    return content.get("errors") or content["data"]


async def _client(port: int, request: bytes, deadline: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.perf_counter() < deadline:
        writer.write(request)
        await _read(reader)
        done += 1
    writer.close()
    return done


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer, which must be a success."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)
