"""What goes out together, and that nothing stays behind."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from app.kit.joined import _Joining


class Wire:
    """A transport that notes what is written to it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, parts: Any) -> None:
        self.sent.append(b"".join(parts))

    def close(self) -> None:
        self.sent.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.sent


@pytest.fixture
def wire() -> Wire:
    return Wire()


def joining(wire: Wire) -> _Joining:
    return _Joining(cast("asyncio.Transport", wire), asyncio.get_running_loop())


async def test_a_head_goes_out_with_its_body(wire: Wire) -> None:
    joined = joining(wire)
    for number in (b"1", b"2"):
        joined.write(b"head " + number)
        joined.write(b", body " + number)
    await asyncio.sleep(0)
    assert wire.sent == [b"head 1, body 1", b"head 2, body 2"]


async def test_what_nothing_follows_goes_out_in_the_same_turn(wire: Wire) -> None:
    joined = joining(wire)
    joined.write(b"HTTP/1.1 100 Continue")
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [b"HTTP/1.1 100 Continue"]
    joined.write(b"head")
    joined.write(b"body")
    joined.write(b"more")
    await asyncio.sleep(0)
    assert wire.sent[1:] == [b"headbody", b"more"]


@pytest.mark.parametrize("end", ["close", "release"])
async def test_nothing_stays_behind_at_the_end(wire: Wire, end: str) -> None:
    joined = joining(wire)
    joined.write(b"the last words")
    if end == "close":
        joined.close()
        assert wire.sent == [b"the last words", "closed"]
        assert joined.is_closing()
    else:
        assert cast("Any", joined.release()) is wire
        assert wire.sent == [b"the last words"]
    await asyncio.sleep(0)
    assert wire.sent.count(b"the last words") == 1
