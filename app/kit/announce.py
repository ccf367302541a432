"""What goes ahead of a statement and is not waited for: a transaction begins in the round trip of its first query.

asyncpg asks one thing at a time. So what goes ahead is written past it, as one simple query, and its answer is taken out of
what PostgreSQL sends before asyncpg sees it. Where it failed, its error is the answer to the statement that follows it, and
what that one says is dropped: it ran in a transaction that had failed, or that is not its own.
"""

from __future__ import annotations

import asyncio

_ERROR, _READY = b"EZ"
_AT_ANY_TIME = b"NSA"
"""Notices, parameters and notifications."""
_TELLING = b"EZNSA"
_HEAD = 5
"""Bytes of a message that say what it is, and how long but for the first."""


class Announcer(asyncio.Protocol):
    """Stands between a transport and asyncpg's protocol, from when the connection is made.

    ``waiting``: the answer to what went ahead is not here yet, or where that failed, the one behind it.
    """

    def __init__(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._protocol, self._transport = protocol, transport
        self.waiting = self._failed = False
        self._rest = self._error = b""
        transport.set_protocol(self)

    def announce(self, text: str) -> None:
        """Send it ahead of the next statement, which is sent in the same turn of the loop."""
        assert not self.waiting
        self.waiting, self._failed = True, False
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
            if self._failed:
                self._drop(data[at], data[at:end])
            elif data[at] in _TELLING:
                self._hear(data[at], data[at:end])
            at = end
        self._rest = data[at:] if self.waiting else b""
        return b"" if self.waiting else data[at:]

    def _hear(self, kind: int, message: bytes) -> None:
        """Of the answer to what went ahead, what tells how it ended."""
        if kind == _ERROR:
            self._error = message
        elif kind == _READY:
            self.waiting = self._failed = bool(self._error)
        else:
            self._protocol.data_received(message)

    def _drop(self, kind: int, message: bytes) -> None:
        """Of the answer behind it, all but its end: in its place, the error is heard."""
        if kind in _AT_ANY_TIME:
            self._protocol.data_received(message)
            return
        if self._error:  # at once: where it has only prepared, asyncpg asks for the end of the answer when it hears that
            error, self._error = self._error, b""
            self._protocol.data_received(error)
        if kind == _READY:
            self.waiting = False
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
