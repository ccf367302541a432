"""A server that webhooks are sent to: it keeps what came and answers as it was told, in turn."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ERROR = b"HTTP/1.1 500 Oh\r\nContent-Length: 6\r\n\r\nsecret"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
HANG = b"hang"
RESET = b"reset"
FLOOD = b"flood"


@dataclass
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """What the body says."""
        return orjson.loads(self.body)

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> bool:
        """As a receiver would: by the standard's words and not by our code."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = [each.split(",", 1) for each in self.headers["webhook-signature"].split(" ")]
        return any(version == "v1" and hmac.compare_digest(expected, each) for version, each in given)


@dataclass
class Receiver:
    """``answers`` are used up one by one, the last again and again."""

    port: int = 0
    answers: list[bytes] = field(default_factory=lambda: [OK])
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.received.append(Received(headers, body))
            said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if said == HANG:
                await reader.read()
            elif said == RESET:
                writer.transport.abort()
            elif said == FLOOD:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
                while not reader.at_eof() and not writer.is_closing():
                    writer.write(b"x" * 65_536)
                    await writer.drain()
            else:
                writer.write(said)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(*answers: bytes) -> AsyncIterator[Receiver]:
    """A receiver on this machine."""
    receiver = Receiver(answers=list(answers) or [OK])
    async with await asyncio.start_server(receiver.answer, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
