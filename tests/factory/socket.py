"""A real server on a real port, and clients of graphql-transport-ws, to test with."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app import serve
from app.kit.token import KeyRing
from app.live import Live
from app.server import create_app
from app.settings import Settings
from tests.conftest import Api, Database

PROTOCOL = Subprotocol("graphql-transport-ws")
PATIENCE = 20.0
"""How long a test waits for what must come, in seconds."""


@dataclass
class Server:
    """A process's server as its clients know it, and what it holds."""

    api: Api
    url: str
    service: Live
    uvicorn: uvicorn.Server

    @asynccontextmanager
    async def open(self, token: str | None = None, **payload: Any) -> AsyncIterator[Client]:
        """A connection that was acknowledged."""
        async with self.handshake() as client:
            await client.init(token, **payload)
            yield client

    @asynccontextmanager
    async def handshake(self, **options: Any) -> AsyncIterator[Client]:
        """A connection on which nothing was said."""
        given: dict[str, Any] = {
            "uri": self.url,
            "proxy": None,
            "subprotocols": [PROTOCOL],
            "ping_interval": None,
            "max_queue": None,
        } | options
        async with connect(**given) as connection:
            yield Client(connection)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what the server does in its own time."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)


def narrow(url: str) -> socket.socket:
    """A connection to a server over which little can be under way."""
    host, port = url.split("/")[2].split(":")
    opened = socket.create_connection((host, int(port)))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    return opened


@dataclass
class Client:
    """The other end of a connection."""

    connection: ClientConnection
    received: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, message: Any) -> None:
        """Text and bytes as they are, else as JSON."""
        await self.connection.send(message if isinstance(message, str | bytes) else orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            text = await self.connection.recv()
        assert isinstance(text, str), "messages are text"
        return cast("dict[str, Any]", orjson.loads(text))

    async def init(self, token: str | None, **payload: Any) -> None:
        """Say who calls, and be acknowledged."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        await self.send({"type": "connection_init", "payload": given | payload})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str, variables: dict[str, Any] | None = None) -> None:
        """Begin to listen; when this returns, the server listens too."""
        await self.send({"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables}})
        await self.settle()

    async def settle(self) -> None:
        """Wait until the server has read all that was sent; what comes meanwhile is kept."""
        await self.send({"type": "ping", "payload": {"settle": True}})
        while (message := await self.receive()) != {"type": "pong", "payload": {"settle": True}}:
            self.received.append(message)

    async def message(self) -> dict[str, Any]:
        """The next message that is kept or comes."""
        return self.received.pop(0) if self.received else await self.receive()

    async def event(self, id_: str = "1") -> Any:
        """What the next message brings for an operation: the value of its only field."""
        message = await self.message()
        assert (message["type"], message["id"]) == ("next", id_), message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def events(self, count: int, id_: str = "1") -> list[Any]:
        """The next so many."""
        return [await self.event(id_) for _ in range(count)]

    async def silence(self) -> list[dict[str, Any]]:
        """What comes until the server has surely told all that it knows."""
        await self.settle()
        found, self.received = self.received, []
        return found

    async def error(self, id_: str = "1") -> str:
        """The code of the error that an operation is answered with."""
        message = await self.message()
        assert (message["type"], message["id"]) == ("error", id_), message
        (error,) = message["payload"]
        return str(error["extensions"]["code"])

    async def closed(self) -> tuple[int, str]:
        """With which code and reason the server closes; what it says before is kept."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionClosed):
                while True:
                    self.received.append(orjson.loads(await self.connection.recv()))
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def listening(
    database: Database, jwt_key: Path, *, send_buffer: int | None = None, **settings: Any
) -> AsyncIterator[Server]:
    """The API on a real port of this machine, as `fivefold serve` runs it; with little room in the system's own buffers."""
    given: dict[str, Any] = {"database_url": database.url("fivefold_api"), "jwt_keys": [jwt_key], "pool_size": 10}
    given |= {"rate_per_second": 0, "allowed_origins": ["http://localhost:*"]} | settings
    app = create_app(Settings(**given))
    opened = serve.listen("127.0.0.1", 0)
    if send_buffer is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    server = uvicorn.Server(serve.config(app))
    task = asyncio.create_task(server._serve([opened]))
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done()
    address = f"127.0.0.1:{opened.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http:
            api = Api(http, database, KeyRing([jwt_key]))
            yield Server(api, f"ws://{address}/graphql", app.state.service.live, server)
    finally:
        server.should_exit = True
        await task
