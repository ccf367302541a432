"""A network between server and database: a proxy that hands on what the database says a while after it was said, and counts.

Round trips then cost what they cost between two machines. Bytes are delayed, not slowed down: what comes together stays so.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop


@dataclass(frozen=True)
class Away:
    """Where the database seems to be, and how many round trips there have been: changes from hearing to speaking."""

    folder: Path
    counter: Any

    def trips(self) -> int:
        """So far, of all connections."""
        return int(self.counter.value)


class _There(asyncio.Protocol):
    """The connection to the database."""

    def __init__(self, here: _Here, client: asyncio.Transport, delay: float) -> None:
        self.here, self.client, self.delay, self.loop = here, client, delay, asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.here.spoken = False
        self.loop.call_later(self.delay, self.client.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.client.close()


class _Here(asyncio.Protocol):
    """The connection of a server."""

    def __init__(self, path: str, delay: float, counter: Any) -> None:
        self.path, self.delay, self.counter = path, delay, counter
        self.spoken = False
        self.early: list[bytes] = []
        self.there: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        there, _ = await loop.create_unix_connection(lambda: _There(self, self.transport, self.delay), self.path)
        self.there = there
        for data in self.early:
            there.write(data)

    def data_received(self, data: bytes) -> None:
        if not self.spoken:
            self.spoken = True
            self.counter.value += 1  # nobody else writes it
        if self.there is None:
            self.early.append(data)
        else:
            self.there.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.there is not None:
            self.there.close()


@contextmanager
def delaying(socket: Path, folder: Path, milliseconds: float) -> Iterator[Away]:
    """A folder whose socket leads to the one of the database, so many milliseconds away."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    counter = context.Value("q", 0, lock=False)
    words = (theirs, str(socket), str(folder / socket.name), milliseconds / 1000, counter)
    process = context.Process(target=_serve, args=words, daemon=True)
    process.start()
    try:
        ours.recv()
        yield Away(folder, counter)
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Any, there: str, here: str, delay: float, counter: Any) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_unix_server(lambda: _Here(there, delay, counter), here)
        pipe.send(None)
        await server.serve_forever()

    uvloop.run(serve())
