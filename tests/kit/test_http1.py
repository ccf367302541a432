"""HTTP/1.1 on one link: h11 decides what is a message, and this that nothing is asked out of turn."""

from __future__ import annotations

import h11
import pytest

from app.kit.http1 import Http1

HEADERS = [(b"Host", b"rowing.example.org")]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


class Answers:
    """A stream that was answered before it was asked, piece by piece."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces, self.sent = list(pieces), b""

    async def read(self, most: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def write(self, data: bytes) -> None:
        self.sent += data


async def body_of(http: Http1) -> bytes:
    parts = b""
    while (part := await http.part()) is not None:
        parts += part
    return parts


async def test_one_request_after_the_other() -> None:
    stream = Answers(HEAD, b"first", HEAD[:20], HEAD[20:] + b"again")
    http = Http1(stream)
    assert not http.ready
    assert (await http.ask("GET", b"/a", HEADERS)).status_code == 200
    assert not http.ready
    assert await body_of(http) == b"first"
    assert http.ready
    await http.ask("GET", b"/b", HEADERS)
    assert await body_of(http) == b"again"
    assert stream.sent.count(b"GET /") == 2
    assert stream.sent.startswith(b"GET /a HTTP/1.1\r\nHost: rowing.example.org\r\n\r\n")


async def test_who_wants_to_close_is_asked_no_more() -> None:
    http = Http1(Answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"until the end"))
    await http.ask("GET", b"/", HEADERS)
    assert await body_of(http) == b"until the end"
    assert not http.ready
    with pytest.raises(h11.LocalProtocolError):
        await http.ask("GET", b"/", HEADERS)


async def test_what_comes_before_the_answer_is_passed_over() -> None:
    http = Http1(Answers(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"first"))
    assert (await http.ask("GET", b"/", HEADERS)).status_code == 200
    other = Http1(Answers(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"))
    with pytest.raises(h11.ProtocolError):
        await other.ask("GET", b"/", HEADERS)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", EOFError),
        (b"HTTP/1.1 200 OK\r\nContent-", EOFError),
        (b"hello\r\n\r\n", h11.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 110_000, h11.RemoteProtocolError),
    ],
    ids=["nothing", "half", "other", "long"],
)
async def test_no_answer(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Http1(Answers(answer)).ask("GET", b"/", HEADERS)


async def test_what_breaks_off_is_told() -> None:
    http = Http1(Answers(HEAD, b"fir"))
    await http.ask("GET", b"/", HEADERS)
    assert await http.part() == b"fir"
    with pytest.raises(h11.RemoteProtocolError):
        await http.part()
    assert not http.ready
