"""What goes ahead of a statement and is not waited for: a transaction begins in the round trip of its first query.

asyncpg asks one thing at a time. So what goes ahead is written past it, as one simple query, and its answer is taken out of
what PostgreSQL sends before asyncpg sees it. Where it failed, its error is the answer to the statement that follows it, and
what that one says is dropped: it ran in a transaction that had failed, or that is not its own.
"""

from __future__ import annotations

import asyncio
from enum import Enum

_ERROR, _READY = b"EZ"
_AT_ANY_TIME = b"NSA"
"""Notices, parameters and notifications."""
_HEAD = 5
"""Bytes of a message that say what it is, and how long but for the first."""


class _Now(Enum):
    """Whose answer is heard: that of asyncpg's statement, that of what went ahead, or one that is dropped."""

    THEIRS = 0
    AHEAD = 1
    DROPPED = 2


class Announcer(asyncio.Protocol):
    """Stands between a transport and asyncpg's protocol, from when the connection is made."""

    def __init__(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._protocol, self._transport = protocol, transport
        self._now = _Now.THEIRS
        self._rest = self._error = b""
        transport.set_protocol(self)

    @property
    def waiting(self) -> bool:
        """Whether the answer to what went ahead is not here yet."""
        return self._now is not _Now.THEIRS

    def announce(self, text: str) -> None:
        """Send it ahead of the next statement, which is sent in the same turn of the loop."""
        assert not self.waiting
        self._now = _Now.AHEAD
        body = text.encode() + b"\0"
        self._transport.write(b"Q" + (len(body) + 4).to_bytes(4, "big") + body)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.waiting:
            data = self._take_out(self._rest + data)
        if data:
            self._protocol.data_received(data)

    def _take_out(self, data: bytes) -> bytes:
        """What of it is for asyncpg as it is."""
        at = 0
        while self.waiting and len(data) >= at + _HEAD:
            end = at + 1 + int.from_bytes(data[at + 1 : at + _HEAD], "big")
            if end > len(data):
                break
            self._hear(data[at], data[at:end])
            at = end
        self._rest = data[at:] if self.waiting else b""
        return b"" if self.waiting else data[at:]

    def _hear(self, kind: int, message: bytes) -> None:
        if kind in _AT_ANY_TIME:
            self._protocol.data_received(message)
        elif self._now is _Now.AHEAD:
            if kind == _ERROR:
                self._error = message
            elif kind == _READY:
                self._now = _Now.DROPPED if self._error else _Now.THEIRS
        else:
            if self._error:  # at once: where it has only prepared, asyncpg asks for the end of the answer when it hears that
                error, self._error = self._error, b""
                self._protocol.data_received(error)
            if kind == _READY:
                self._now = _Now.THEIRS
                self._protocol.data_received(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. A server that says farewell says it to what went ahead."""
        if self._error:
            self._protocol.data_received(self._error)
        self._protocol.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._protocol.resume_writing()
