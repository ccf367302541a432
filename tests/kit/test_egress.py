"""Egress: whatever address others name, nothing of ours is reached."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit import egress
from app.kit.egress import BadUrl, Failure, Reply, Unreachable, check_url, is_public, may_ask, read_target, send
from tests.factory.web import certificate, rebinding, trusting

HOSTILE_URLS = [
    "",
    "https://",
    "https:///path",
    "example.com",
    "//example.com",
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@169.254.169.254/",
    "https://169.254.169.254\\@example.com/",
    "https://example.com\\@169.254.169.254/",
    "https://example.com#@169.254.169.254/",
    "https://example.com/#fragment",
    "https://exa mple.com/",
    "https://example.com/ x",
    "https://example.com/\nHost: x",
    "https://example.com/\r\n\r\nGET",
    "https://example.com\t/",
    "https://example.com\0/",
    "https://exämple.com/",
    "https://example。com/",
    "https://①②⑦.0.0.1/",
    "https://example.com./",
    "https://127.0.0.1./",
    "https://.example.com/",
    "https://example..com/",
    "https://-example.com/",
    "https://%31%32%37.0.0.1/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:x/",
    "https://example.com:/",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:587/",
    "https://example.com:993/",
    "https://example.com:2375/",
    "https://example.com:3306/",
    "https://example.com:5432/",
    "https://example.com:6379/",
    "https://example.com:6667/",
    "https://example.com:11211/",
    "https://db.internal/",
    "https://printer.local/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://hidden.onion/",
    "https://api.localhost/",
    "https://localhost/",
    "https://localhost:8080/",
    "https://metadata/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0x/",
    "https://1.1.1.0x7f/",
    "https://127.0.0.1.1/",
    "https://256.1.1.1/",
    "https://08.8.8.8/",
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://168.63.129.16/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://192.0.0.192/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2606:4700::5efe:a9fe:a9fe]/",
    "https://[2606:4700::200:5efe:7f00:1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[2606:4700:4700::1111%25eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[2001:db8::1]/",
    "https://[v1.x]/",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://example.com/" + "x" * 2000,
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
]

GOOD_URLS = [
    "https://example.com",
    "https://example.com/",
    "https://Example.COM/Path?query=1&x=%20",
    "https://a.b.c.example.com:8443/x",
    "https://xn--exmple-cua.com/",
    "https://1.1.1.1/",
    "https://[2606:4700:4700::1111]/",
    "https://[2606:4700:4700::1111]:8443/x",
    "https://under_score.example.com/",
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_hostile_urls_are_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(BadUrl) as refused:
        check_url(url)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("url", GOOD_URLS)
def test_good_urls_are_left_as_they_are(url: str) -> None:
    assert check_url(url) == url


def test_this_machine_is_reached_only_where_a_setting_says_so() -> None:
    for url in ("http://127.0.0.1:8000/", "http://localhost/", "https://[::1]/", "http://127.8.8.8/"):
        assert check_url(url, loopback=True) == url
        with pytest.raises(BadUrl):
            check_url(url)
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "https://metadata/"):
        with pytest.raises(BadUrl):
            check_url(url, loopback=True)


def test_a_target_is_read_once() -> None:
    target = read_target("http://[2606:4700:4700::1111]:8080/a?b#c", schemes=("http",))
    assert (target.host, target.port, target.path, target.authority) == (
        "2606:4700:4700::1111",
        8080,
        "/a?b",
        "[2606:4700:4700::1111]:8080",
    )
    assert target.literal == ip_address("2606:4700:4700::1111")
    assert read_target("https://example.com", schemes=("https",)).authority == "example.com"
    assert read_target("http://example.com:443", schemes=("http",)).authority == "example.com:443"
    with pytest.raises(BadUrl) as refused:
        read_target("http://10.0.0.1/", schemes=("http",))
    assert refused.value.failure is Failure.ADDRESS_REFUSED


@given(st.integers(-10, 70_000))
def test_ports_of_the_web(port: int) -> None:
    assert may_ask(port) == (port in (80, 443) or (1024 <= port <= 65535 and port not in egress._CLOSED_PORTS))


NOT_PUBLIC = """
0.0.0.1 10.255.255.255 100.127.255.255 127.0.0.1 168.63.129.16 169.254.169.254 172.31.255.255 192.0.0.192
192.0.2.1 192.88.99.1 192.168.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1
:: ::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:808:808::1
2606:4700::5efe:808:808 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff0e::1
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_what_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


def test_what_is_public() -> None:
    for address in ("1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700:4700::1111"):
        assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_python_never_knows_an_address_as_private_that_is_public_here(address: Any) -> None:
    assert address.is_global or not is_public(address)


Answerer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def listening(answerer: Answerer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answerer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def says(text: bytes) -> Answerer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()

    return answer


async def post(port: int, *, host: str = "127.0.0.1", scheme: str = "http", seconds: float = 5, most: int = 0) -> Reply:
    url = f"{scheme}://{host}:{port}/x"
    return await send("POST", url, headers={"X": "y"}, body=b"{}", seconds=seconds, most_bytes=most, loopback=True)


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    met = []

    async def inner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(await reader.readuntil(b"\r\n\r\n"))

    async with listening(inner) as hidden:
        location = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{hidden}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(says(location)) as port:
            assert (await post(port)).status == 302
    assert met == []


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["::ffff:127.0.0.1"], ["1.1.1.1"] * 33],
)
async def test_one_bad_address_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    rebinding(monkeypatch, addresses)
    with pytest.raises(Unreachable) as refused:
        await post(443, host="example.com")
    assert refused.value.failure is Failure.ADDRESS_REFUSED


async def test_a_name_that_changes_its_mind_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: what was looked at is what is connected to."""
    async with listening(says(b"HTTP/1.1 204 No Content\r\n\r\n")) as port:
        asked = rebinding(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
        assert (await post(port, host="rebinding.example.com")).status == 204
        assert asked == ["rebinding.example.com"]
        with pytest.raises(Unreachable):
            await post(port, host="rebinding.example.com")


async def test_the_host_is_the_name_and_not_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    rebinding(monkeypatch, ["127.0.0.1"])
    async with listening(answer) as port:
        await post(port, host="name.example.com")
    assert f"host: name.example.com:{port}\r\n".encode() in heads[0].lower()
    assert b"accept-encoding" not in heads[0].lower(), "nothing is asked for that would have to be unpacked"


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(says(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://10.0.0.1:1")
        assert (await post(port)).status == 200


async def test_a_name_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", none)
    with pytest.raises(Unreachable) as refused:
        await post(443, host="none.example.com", scheme="https")
    assert refused.value.failure is Failure.NAME_NOT_FOUND


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not reader.at_eof():
        writer.write(b"X: y\r\n")
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(1000), 0.05)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.parametrize(
    ("answerer", "failure"),
    [
        (hang, Failure.TIMED_OUT),
        (drip, Failure.TIMED_OUT),
        (reset, Failure.CONNECTION_FAILED),
        (says(b"220 smtp.example.com ESMTP\r\n\r\n"), Failure.BAD_ANSWER),
        (says(b"HTTP/1.1 999999 X\r\n\r\n"), Failure.BAD_ANSWER),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n"), Failure.BAD_ANSWER),
    ],
)
async def test_who_does_not_answer_well_is_left(answerer: Answerer, failure: Failure) -> None:
    async with listening(answerer) as port:
        with pytest.raises(Unreachable) as left:
            await post(port, seconds=0.5 if failure is Failure.TIMED_OUT else 20)
    assert left.value.failure is failure or (failure is Failure.BAD_ANSWER and left.value.failure is Failure.CONNECTION_FAILED)


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable) as left:
        await post(port)
    assert left.value.failure is Failure.CONNECTION_FAILED


@pytest.mark.parametrize("most", [0, 10, 100_000])
async def test_of_a_huge_answer_only_what_was_agreed_is_read(most: int) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99999999999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with listening(flood) as port:
        reply = await post(port, most=most, seconds=20)
    assert (reply.status, reply.body) == (200, b"x" * most)


async def test_a_certificate_is_for_the_name_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = certificate(tmp_path, "good.example.com")
    names: list[str | None] = []
    context.sni_callback = lambda sock, name, context: names.append(name)
    rebinding(monkeypatch, ["127.0.0.1"])
    async with listening(says(b"HTTP/1.1 200 OK\r\n\r\n"), context) as port:
        with pytest.raises(Unreachable) as refused:  # nobody whom this machine trusts has signed it
            await post(port, host="good.example.com", scheme="https")
        assert refused.value.failure is Failure.TLS_FAILED
        trusting(monkeypatch, tmp_path)
        assert (await post(port, host="good.example.com", scheme="https")).status == 200
        with pytest.raises(Unreachable) as refused:
            await post(port, host="other.example.com", scheme="https")
        assert refused.value.failure is Failure.TLS_FAILED
    assert names == ["good.example.com", "good.example.com", "other.example.com"]
