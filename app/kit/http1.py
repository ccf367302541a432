"""HTTP/1.1 as a client on one open link: one request after the other, in the words of **h11**.

h11 reads and writes the messages, strictly, and does no input or output. A pool's connection does around it what this does with
locks, traces and models for all that it might be used for: a third of what fetching a page took.
"""

from __future__ import annotations

from typing import Protocol

import h11

MOST_HEAD = 102_400
"""Bytes of headers that are read before it is said that they are too many."""
_READ = 65_536


class Stream(Protocol):
    """What is read from and written to."""

    async def read(self, most: int) -> bytes:
        """What has come, b"" at the end."""
        ...

    def write(self, data: bytes) -> None:
        """As soon as may be."""
        ...


class Http1:
    """A request at a time: ``ask`` it, then take ``part`` after part of the answer. Both raise h11.ProtocolError."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)

    @property
    def ready(self) -> bool:
        """Whether another request may follow: the last answer was read to its end, and nobody wants to close."""
        return self._state.our_state is h11.DONE and self._state.their_state is h11.DONE

    async def ask(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> h11.Response:
        """The head of the answer. Raises EOFError where there is none, and what reading raises."""
        if self.ready:
            self._state.start_next_cycle()
        asked = self._state.send(h11.Request(method=method, target=target, headers=headers)) or b""
        self._stream.write(asked + (self._state.send(h11.EndOfMessage()) or b""))
        while isinstance(event := await self._next(), h11.InformationalResponse):
            pass
        assert isinstance(event, h11.Response)
        return event

    async def part(self) -> bytes | None:
        """What comes next of the body, None at its end. Raises what reading raises."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            data = await self._stream.read(_READ)
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                raise EOFError
            self._state.receive_data(data)
        return event  # type: ignore[return-value]  # not NEED_DATA
