"""GraphQL over WebSocket: the protocol graphql-transport-ws of one connection, and nothing of any other.

Messages are read one after the other, so what comes behind a ``subscribe`` is answered when that has begun. What is sent
waits in a queue: one who does not read is not read from, and after a while is let go. Nothing but the connection's own task
lives as long as the connection.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.kit.context import Actor
from app.kit.errors import AppError, ErrorCode
from app.kit.http import GraphQLRequest, check, describe

SUBPROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
STUCK_SECONDS = 30.0
"""How long a connection may have no room before it is let go."""
MAX_OPERATIONS = 20
MAX_MESSAGE_BYTES = 128 * 1024
"""What is asked is kept as long as it is listened to, so it is bounded more than a request that passes."""
MAX_ID = 256
MAX_WAITING = 200
MAX_WAITING_CHARACTERS = 1024 * 1024
"""Beyond either a connection is full."""

BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, NO_SUBPROTOCOL, INIT_TIMEOUT = 4400, 4401, 4403, 4406, 4408
NOT_UNIQUE, INIT_TWICE, TRY_LATER, FAILED = 4409, 4429, 1013, 4500


class Close(Exception):
    """The connection ends with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end of a connection, as ``connection_init`` said."""

    actor: Actor
    request_id: UUID


class Operation(Protocol):
    """A subscription that runs."""

    def stop(self, reason: str) -> None:
        """It is over; nothing is sent for it any more."""


class Service(Protocol):
    """What a connection asks for the rest."""

    async def connect(self, socket: Socket, authorization: str | None, workspace: str | None) -> Client:
        """Who calls. Raises AppError."""

    async def subscribe(self, socket: Socket, client: Client, id_: str, asked: GraphQLRequest) -> Operation:
        """Begin a subscription. Raises AppError."""

    def describe(self, error: Exception) -> list[dict[str, Any]]:
        """What a client is told of it."""


@dataclass(slots=True, eq=False)
class Socket:
    """One connection."""

    websocket: WebSocket
    service: Service
    client: Client | None = None
    operations: dict[str, Operation] = field(default_factory=dict)
    closed: tuple[int, str] | None = None
    _waiting: list[str] = field(default_factory=list)  # short, and a twelfth of an empty deque
    _size: int = 0
    _rooms: list[asyncio.Future[None]] = field(default_factory=list)
    _writer: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _initialized: bool = False
    _dropped: bool = False

    async def run(self) -> None:
        """From the handshake to the end."""
        if SUBPROTOCOL not in self.websocket.scope["subprotocols"]:
            self.closed = NO_SUBPROTOCOL, "Subprotocol not acceptable"
            await self.websocket.accept()
            await self.websocket.close(*self.closed)
            return
        self._task = asyncio.current_task()
        try:
            await self.websocket.accept(SUBPROTOCOL)
            self.end_in(INIT_SECONDS, INIT_TIMEOUT, "Connection initialisation timeout")
            await self._converse()
        except asyncio.CancelledError:
            if not self._dropped or self._task is None:
                raise
            self._task.uncancel()
        except WebSocketDisconnect:
            pass
        finally:
            self._finish()

    async def _converse(self) -> None:
        while True:
            message = await self.websocket.receive()
            if message["type"] == "websocket.disconnect":
                if self.closed is None:
                    self.closed = message.get("code", 1006), message.get("reason") or ""
                return
            if self.closed is not None:
                continue
            await self.room()
            try:
                await self._handle(message)
            except Close as close:
                self.close(close.code, close.reason)

    async def _handle(self, event: Any) -> None:
        message = parse(event.get("text"))
        match message["type"]:
            case "connection_init":
                await self._connect(message.get("payload") or {})
            case "ping":
                payload = message.get("payload")
                self._send({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})
            case "subscribe":
                await self._subscribe(message["id"], message["payload"])
            case "complete":
                self._complete(message["id"])

    async def _connect(self, payload: dict[str, Any]) -> None:
        if self._initialized:
            raise Close(INIT_TWICE, "Too many initialisation requests")
        self._initialized = True
        self._stop_timer()
        given = {name.lower(): value for name, value in payload.items()}
        headers = self.websocket.headers
        authorization = given.get("authorization", headers.get("authorization"))
        workspace = given.get("fivefold-workspace", headers.get("fivefold-workspace"))
        if not isinstance(authorization, str | None) or not isinstance(workspace, str | None):
            raise Close(BAD_MESSAGE, "Authorization and Fivefold-Workspace of connection_init are strings")
        try:
            self.client = await self.service.connect(self, authorization, workspace)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service says what of it is for clients
            (told,) = self.service.describe(error)
            later = ErrorCode.UNAVAILABLE.name, ErrorCode.TIMED_OUT.name, ErrorCode.RATE_LIMITED.name
            passing = told["extensions"]["code"] in later
            internal = told["extensions"]["code"] == ErrorCode.INTERNAL.name
            raise Close(TRY_LATER if passing else FAILED if internal else FORBIDDEN, told["message"]) from None
        if self.client.actor.expires_at is not None:
            self.end_in(self.client.actor.expires_at - time.time(), FORBIDDEN, "This token has expired. Get a new one.")
        self._send({"type": "connection_ack"})

    async def _subscribe(self, id_: str, payload: Any) -> None:
        if self.client is None:
            raise Close(UNAUTHORIZED, "Unauthorized")
        if id_ in self.operations:
            raise Close(NOT_UNIQUE, f"Subscriber for {id_} already exists")
        try:
            asked = check(payload, reading=False)
        except AppError as error:
            raise Close(BAD_MESSAGE, error.message) from None
        try:
            if len(self.operations) >= MAX_OPERATIONS:
                most = f"This connection has {MAX_OPERATIONS} subscriptions. Complete one, or open another connection."
                raise AppError(ErrorCode.TOO_COMPLEX, most)
            operation = await self.service.subscribe(self, self.client, id_, asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service says what of it is for clients
            self._send({"id": id_, "type": "error", "payload": self.service.describe(error)})
            return
        if self.closed is None:
            self.operations[id_] = operation
        else:
            operation.stop("closed")

    def _complete(self, id_: str) -> None:
        operation = self.operations.pop(id_, None)
        if operation is not None:
            operation.stop("completed")

    def fail(self, id_: str, error: AppError) -> None:
        """End an operation with an error."""
        if self.operations.pop(id_, None) is not None:
            self._send({"id": id_, "type": "error", "payload": [describe(error)]})

    # What is sent

    @property
    def full(self) -> bool:
        """Whether too much waits to be sent."""
        return len(self._waiting) > MAX_WAITING or self._size > MAX_WAITING_CHARACTERS

    async def room(self) -> None:
        """Wait until it is full no longer, or closed."""
        if self.full and self.closed is None:
            room = asyncio.get_running_loop().create_future()
            self._rooms.append(room)
            await room

    def _send(self, message: dict[str, Any]) -> None:
        self.send(orjson.dumps(message, default=str).decode())

    def send(self, text: str) -> None:
        """Put a message at the end of those that wait."""
        if self.closed is not None:
            return
        self._waiting.append(text)
        self._size += len(text)
        if self._stuck is None and self.full:
            self._stuck = asyncio.get_running_loop().call_later(STUCK_SECONDS, self.drop, "too slow")
        self._write_soon()

    def _write_soon(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting:
                text = self._waiting.pop(0)
                self._size -= len(text)
                await self.websocket.send({"type": "websocket.send", "text": text})
                if not self.full:
                    self._give_room()
            if self.closed is not None:
                await self.websocket.close(*self.closed)
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._waiting.clear()  # it is gone, and the reader is told so
        finally:
            self._writer = None

    def _give_room(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        for room in self._rooms:
            if not room.done():
                room.set_result(None)
        self._rooms.clear()

    # How it ends

    def end_in(self, seconds: float, code: int, reason: str) -> None:
        """Close after so long."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self.close, code, reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self, code: int, reason: str) -> None:
        """Say why, and end: what waits is not sent any more."""
        if self.closed is not None:
            return
        self.closed = code, _short(reason)
        self._stop_timer()
        self._stop_operations()
        self._waiting.clear()
        self._size = 0
        self._give_room()
        self._stuck = asyncio.get_running_loop().call_later(STUCK_SECONDS, self.drop, "too slow")
        self._write_soon()

    def drop(self, reason: str) -> None:
        """End without a word: nobody reads."""
        self.closed = self.closed or (TRY_LATER, reason)
        self._dropped = True
        if self._task is not None:
            self._task.cancel()

    def _stop_operations(self) -> None:
        operations, self.operations = self.operations, {}
        for operation in operations.values():
            operation.stop("closed")

    def _finish(self) -> None:
        self.closed = self.closed or (1006, "")
        self._stop_timer()
        self._stop_operations()
        self._waiting.clear()
        self._give_room()
        if self._writer is not None:
            self._writer.cancel()


def _short(reason: str) -> str:
    """A reason has 123 bytes at most."""
    return reason.encode()[:123].decode(errors="ignore")


def parse(text: str | None) -> dict[str, Any]:
    """A message of a client, as the protocol has it. Raises Close."""
    if text is None:
        raise Close(BAD_MESSAGE, "Messages are text, not binary")
    if len(text) > MAX_MESSAGE_BYTES:
        raise Close(BAD_MESSAGE, "A message is larger than 128 KiB")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Close(BAD_MESSAGE, "A message is not JSON") from None
    if not isinstance(message, dict):
        raise Close(BAD_MESSAGE, "A message is not an object")
    kind, payload, id_ = message.get("type"), message.get("payload"), message.get("id")
    if kind in ("connection_init", "ping", "pong"):
        if not isinstance(payload, dict | None):
            raise Close(BAD_MESSAGE, f"The payload of {kind} is an object")
    elif kind in ("subscribe", "complete"):
        if not isinstance(id_, str) or not id_ or len(id_) > MAX_ID:
            raise Close(BAD_MESSAGE, f"The id of {kind} is a string of 1 to {MAX_ID} characters")
        if kind == "subscribe" and not isinstance(payload, dict):
            raise Close(BAD_MESSAGE, "The payload of subscribe is an object")
    elif isinstance(kind, str):
        raise Close(BAD_MESSAGE, f"Clients send no message of type {kind[:40]!r}")
    else:
        raise Close(BAD_MESSAGE, "The type of a message is a string")
    return message


async def refuse_handshake(websocket: WebSocket) -> None:
    """Answer it with 403."""
    with suppress(WebSocketDisconnect):
        await websocket.close()
