"""Fetching: whatever an address leads to, nothing of ours is reached, and nothing of theirs is taken beyond the bounds."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit import egress
from app.kit.errors import AppError
from app.scans.fetch import DEFAULT_LIMITS, FetchLimits, observe
from app.scans.observation import FetchFailure, Observation, TlsProblem
from app.scans.url import parse_url
from tests.factory.web import (
    ICON,
    INSTRUCTING,
    PAGE,
    PHISHING,
    Web,
    certificate,
    hostile_web,
    rebinding,
    redirect,
    reply,
    trusting,
)

BARE = replace(DEFAULT_LIMITS, favicon=False)
SHORT = replace(BARE, seconds=0.3)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlc2lnbmF0dXJl"


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with hostile_web() as listening:
        yield listening


async def seen(web: Web, path: str, limits: FetchLimits = BARE) -> Observation:
    return await observe(web.url(path), limits, loopback=True)


# Where this machine listens, {port} being where. Each spells an address that is not to be asked, or that could be read as one.
HOSTILE = (Path(__file__).parent / "hostile_urls.txt").read_text().splitlines()


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 80


async def test_hostile_urls_are_refused_before_a_connection_is_made(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is even resolved: the names are refused as they are written."""
    opened, asked = [], rebinding(monkeypatch, ["127.0.0.1"])

    async def open_nothing(*given: object, **named: object) -> None:
        opened.append(given)
        raise OSError

    monkeypatch.setattr(asyncio, "open_connection", open_nothing)
    for url in HOSTILE:
        found = await observe(url.replace("{port}", str(web.port)), BARE)
        assert found.failure in (FetchFailure.URL_REFUSED, FetchFailure.ADDRESS_REFUSED, FetchFailure.PORT_REFUSED), url
        (hop,) = found.hops
        assert (hop.address, hop.status, hop.failure) == (None, None, found.failure), url
    assert (web.connections, opened, asked) == (0, [], [])


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["1.1.1.1", "127.0.0.1"],
        ["127.0.0.1", "1.1.1.1"],
        ["1.1.1.1", "2606:4700::1", "::1"],
        ["1.1.1.1", "::ffff:10.0.0.1"],
        ["1.1.1.1", "64:ff9b::7f00:1"],
        ["169.254.169.254"],
        [f"1.1.1.{last}" for last in range(33)],
    ],
    ids=lambda addresses: "_".join(addresses[:3]).replace(":", "-"),
)
async def test_one_bad_address_of_a_name_is_enough(web: Web, monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    rebinding(monkeypatch, addresses)
    found = await observe(f"http://mixed.example.com:{web.port}/", BARE)
    assert (found.failure, found.hops[0].address, web.connections) == (FetchFailure.ADDRESS_REFUSED, None, 0)


async def test_a_name_that_changes_its_mind_is_asked_once_for_each_hop(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rebinding(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"])
    web.pages["/start"] = redirect("/next")
    web.pages["/next"] = redirect("/last")
    found = await observe(f"http://rebinding.example.com:{web.port}/start", BARE, loopback=True)
    assert [hop.failure for hop in found.hops] == [None, None, FetchFailure.ADDRESS_REFUSED]
    assert (len(asked), web.connections, found.hops[2].address) == (3, 2, None)


async def test_public_first_and_this_machine_then(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at is what is connected to, though the name means this machine by then."""
    rebinding(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    met = []

    async def connect(host: str, port: int, **named: object) -> None:
        met.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", connect)
    found = await observe(f"http://rebinding.example.com:{web.port}/", BARE)
    assert (met, found.failure, web.connections) == (["93.184.216.34"], FetchFailure.CONNECTION_FAILED, 0)
    assert str(found.hops[0].address) == "93.184.216.34"
    again = await observe(f"http://rebinding.example.com:{web.port}/", BARE)
    assert (len(met), again.failure) == (1, FetchFailure.ADDRESS_REFUSED)


async def test_a_name_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    rebinding(monkeypatch, [])
    assert (await observe("http://nobody.example.com/")).failure is FetchFailure.NAME_NOT_FOUND


async def test_nobody_listens() -> None:
    async with hostile_web() as gone:
        url = gone.url()
    found = await observe(url, loopback=True)
    assert (found.failure, str(found.hops[0].address)) == (FetchFailure.CONNECTION_FAILED, "127.0.0.1")


OCTETS = st.tuples(*[st.integers(0, 255)] * 4)


@st.composite
def spellings(draw: st.DrawFn, octets: tuple[int, ...]) -> str:
    """An IPv4 address as resolvers and browsers read it: one to four parts, each in a base of its own."""
    count = draw(st.integers(1, 4))
    parts = [*octets[: count - 1], int.from_bytes(bytes(octets[count - 1 :]))]
    forms = [draw(st.sampled_from(["{}", "0x{:x}", "0X{:X}", "0{:o}", "0000{:o}"])).format(part) for part in parts]
    return ".".join(forms) + draw(st.sampled_from(["", "."]))


@given(st.data(), OCTETS)
def test_however_an_address_is_written_it_is_the_same(data: st.DataObject, octets: tuple[int, ...]) -> None:
    """It is refused, or it is the very address that passes its own check."""

    text, meant = data.draw(spellings(octets)), ip_address(bytes(octets))
    try:
        url = parse_url(f"http://{text}/").canonical
        target = egress.read_target(url, schemes=("http",))
    except (AppError, egress.BadUrl):
        return
    assert target.literal == meant
    assert egress.is_public(meant)


@given(OCTETS, st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "::ffff:0:{}", "2606:4700::5efe:{}"]))
def test_no_ipv4_address_hides_in_an_ipv6_address(octets: tuple[int, ...], form: str) -> None:
    host = form.format(".".join(map(str, octets)))
    with pytest.raises(egress.BadUrl):
        egress.read_target(f"http://[{host}]/", schemes=("http",), loopback=octets == (0, 0, 0, 2))


async def test_what_is_sent(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for everybody, and nothing that was learnt on the way."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://10.0.0.1:1")
    monkeypatch.setenv("NETRC", "/dev/null")
    web.pages["/start"] = reply(status="302 X", Location="/phishing", Set_Cookie="session=1; path=/")
    await seen(web, "/start?q=ü", DEFAULT_LIMITS)
    assert web.paths == ["/start?q=%C3%BC", "/phishing", "/favicon.ico"]
    for head in web.heads:
        names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:-2]]
        assert names == [b"host", b"user-agent", b"accept", b"accept-language", b"accept-encoding"]
        assert b"Accept-Encoding: gzip, deflate\r\n" in head
        assert f"Host: 127.0.0.1:{web.port}\r\n".encode() in head


async def test_a_page(web: Web) -> None:
    found = await seen(web, "/phishing", DEFAULT_LIMITS)
    assert (found.status, found.failure, found.truncated, found.body) == (200, None, False, PHISHING)
    assert found.content_sha256 == hashlib.sha256(PHISHING).digest()
    assert found.favicon_sha256 == hashlib.sha256(ICON).digest()
    assert (found.content_type, found.size, found.cookie_names) == ("text/html", len(PHISHING), ("phpsessid",))
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert [hop.status for hop in found.requests] == [200, 200]
    assert web.connections == 1, "the icon comes over the connection that is open"
    assert found.loopback


# redirects


@pytest.mark.parametrize("path", ["/loop", "/ping", "/pong"])
async def test_loops_end(web: Web, path: str) -> None:
    found = await seen(web, path)
    assert found.failure is FetchFailure.REDIRECT_LOOP
    assert web.connections == len(found.hops) - 1


@pytest.mark.parametrize("count", [0, 1, 3, 4, 50])
async def test_chains_are_followed_so_far(web: Web, count: int) -> None:
    found = await seen(web, f"/chain?n={count}", replace(BARE, redirects=3))
    if count <= 3:
        assert (found.failure, found.status, len(found.hops)) == (None, 200, count + 1)
        assert [hop.seq for hop in found.hops] == list(range(count + 1))
    else:
        assert (found.failure, len(found.hops), web.connections) == (FetchFailure.TOO_MANY_REDIRECTS, 5, 4)


@pytest.mark.parametrize(
    ("location", "failure"),
    [
        ("file:///etc/passwd", FetchFailure.URL_REFUSED),
        ("data:text/html,x", FetchFailure.URL_REFUSED),
        ("gopher://127.0.0.1/", FetchFailure.URL_REFUSED),
        ("javascript:alert(1)", FetchFailure.URL_REFUSED),
        ("ftp://127.0.0.1/", FetchFailure.URL_REFUSED),
        ("//10.0.0.1/", FetchFailure.ADDRESS_REFUSED),
        ("\\\\10.0.0.1\\", FetchFailure.ADDRESS_REFUSED),
        ("/\\10.0.0.1/", FetchFailure.ADDRESS_REFUSED),
        ("///10.0.0.1/", FetchFailure.ADDRESS_REFUSED),
        ("http:////10.0.0.1/", FetchFailure.ADDRESS_REFUSED),
        ("/\\/\\10.0.0.1/", FetchFailure.ADDRESS_REFUSED),
        ("http:\\\\10.0.0.1/", FetchFailure.ADDRESS_REFUSED),
        ("http://[::ffff:10.0.0.1]/", FetchFailure.ADDRESS_REFUSED),
        ("http://169.254.169.254/latest/meta-data/", FetchFailure.ADDRESS_REFUSED),
        ("http://2852039166/", FetchFailure.ADDRESS_REFUSED),
        ("http://metadata/", FetchFailure.ADDRESS_REFUSED),
        ("http://10.0.0.1.:80/", FetchFailure.ADDRESS_REFUSED),
        ("http://user:pass@1.1.1.1/", FetchFailure.URL_REFUSED),
        ("http://1.1.1.1:25/", FetchFailure.URL_REFUSED),
        ("http://1.1.1.1:3306/", FetchFailure.PORT_REFUSED),
        ("http://[::1", FetchFailure.BAD_REDIRECT),
        ("http://" + "x" * 3000, FetchFailure.URL_REFUSED),
        ("#", FetchFailure.REDIRECT_LOOP),
        ("?", FetchFailure.REDIRECT_LOOP),
    ],
    ids=lambda value: value.name if isinstance(value, FetchFailure) else value[:24],
)
async def test_hostile_locations(web: Web, location: str, failure: FetchFailure) -> None:
    web.pages["/away"] = redirect(location)
    found = await seen(web, "/away")
    assert (found.failure, web.connections) == (failure, 1)
    assert all(len(hop.url) <= 2048 for hop in found.hops)


@pytest.mark.parametrize("path", ["/nowhere", "/empty-location"])
async def test_a_redirect_to_nowhere_is_a_page(web: Web, path: str) -> None:
    found = await seen(web, path)
    assert (found.status, found.failure, found.body) == (302, None, b"moved")


async def test_a_redirect_to_two_places_is_none(web: Web) -> None:
    assert (await seen(web, "/two-locations")).failure is FetchFailure.BAD_REDIRECT


async def test_the_other_ways_to_write_a_location(web: Web) -> None:
    for location in ("/", "//127.0.0.1:{port}/", "http://127.0.0.1:{port}", " / ", "./", "/#fragment", "HTTP:/\\127.1:{port}/"):
        web.pages["/away"] = redirect(location.replace("{port}", str(web.port)))
        found = await seen(web, "/away")
        assert (found.failure, found.status, found.final_url) == (None, 200, web.url("/")), location
    found = await seen(web, "/non-ascii-location")
    assert (found.status, found.final_url) == (200, web.url("/p%C3%A4ge?%C3%BC=1"))


@pytest.mark.parametrize(("path", "to"), [("/meta-refresh", "/phishing"), ("/header-refresh", "http://10.0.0.1/")])
async def test_refreshes_are_told_and_not_followed(web: Web, path: str, to: str) -> None:
    found = await seen(web, path)
    assert found.refresh == (web.url(to) if to.startswith("/") else to)
    assert web.connections == 1


@pytest.mark.parametrize("content", ["5", "", "0;", " " * 5000, "0" * 5000, "0; url=", "a" * 5000, "0;url='" + "x" * 5000])
async def test_refreshes_that_lead_nowhere(web: Web, content: str) -> None:
    web.pages["/x"] = reply(f'<meta http-equiv=refresh content="{content}">'.encode())
    begun = perf_counter()
    await seen(web, "/x")
    assert perf_counter() - begun < 5


# time and size


@pytest.mark.parametrize("path", ["/hang", "/slow-head"])
async def test_who_takes_his_time_is_left(web: Web, path: str) -> None:
    found = await seen(web, path, SHORT)
    assert (found.failure, found.status, found.hops[0].failure) == (FetchFailure.TIMED_OUT, None, FetchFailure.TIMED_OUT)


async def test_a_slow_body_is_kept_as_far_as_it_came(web: Web) -> None:
    found = await seen(web, "/slow-body", SHORT)
    assert (found.failure, found.status, found.truncated) == (FetchFailure.TIMED_OUT, 200, True)
    assert found.body.startswith(b"<p>x")
    assert found.content_sha256 == hashlib.sha256(found.body).digest()


async def test_time_is_over_all_hops(web: Web) -> None:
    async def late(web: Web, query: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(redirect(f"/late?{int(query or 0) + 1}"))

    web.pages["/late"] = late
    found = await seen(web, "/late", replace(SHORT, redirects=1000))
    assert found.failure is FetchFailure.TIMED_OUT
    assert 2 <= len(found.hops) < 10


async def test_names_that_never_resolve_take_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(host: str, port: int) -> list[egress.Address]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(egress, "resolve", never)
    found = await observe("http://slow.example.com/", SHORT)
    assert (found.failure, found.hops[0].address) == (FetchFailure.TIMED_OUT, None)


async def test_who_is_called_off_is_called_off(web: Web) -> None:
    """A worker that stops is not told that the page was slow."""
    task = asyncio.create_task(seen(web, "/hang"))
    await web.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("path", ["/endless", "/bomb", "/deflate-bomb"])
async def test_of_what_is_huge_only_the_bound_is_taken(web: Web, path: str) -> None:
    web.pages[path]  # made before memory is measured
    await seen(web, path)
    tracemalloc.start()
    try:
        found = await seen(web, path, replace(BARE, body_bytes=100_000))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.failure, found.size, found.truncated) == (None, 100_000, True)
    assert most < 5_000_000


async def test_bodies_in_crumbs_end(web: Web) -> None:
    found = await seen(web, "/crumbs")
    assert (found.status, found.failure, found.truncated) == (200, None, True)
    assert found.size <= 20_000


@pytest.mark.parametrize("size", [99, 100, 101])
@pytest.mark.parametrize("packed", [False, True])
async def test_the_bound_is_exact(web: Web, size: int, packed: bool) -> None:
    body = bytes(range(97, 97 + 20)) * 6
    body = body[:size]
    web.pages["/x"] = reply(gzip.compress(body), Content_Encoding="gzip") if packed else reply(body)
    found = await seen(web, "/x", replace(BARE, body_bytes=100))
    assert (found.body, found.truncated) == (body[:100], size > 100)


@pytest.mark.parametrize("path", ["/many-headers", "/long-header"])
async def test_headers_are_bounded(web: Web, path: str) -> None:
    found = await seen(web, path)
    assert (found.failure, found.headers) == (FetchFailure.HEADERS_TOO_LARGE, {})


async def test_promises_are_bounded(web: Web) -> None:
    assert (await seen(web, "/promises")).failure is FetchFailure.HEADERS_TOO_LARGE


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gzip", PAGE),
        ("/deflate", PAGE),
        ("/raw-deflate", PAGE),
        ("/members", PAGE + PHISHING),
        ("/smuggled", b"ok"),
        ("/too-long", b"whole"),
        ("/instructing", INSTRUCTING),
    ],
)
async def test_bodies_as_browsers_read_them(web: Web, path: str, body: bytes) -> None:
    found = await seen(web, path)
    assert (found.body, found.failure, found.truncated) == (body, None, False)


@pytest.mark.parametrize("path", ["/not-gzip", "/half-gzip", "/too-short", "/break", "/bad-chunk"])
async def test_bodies_that_break_off(web: Web, path: str) -> None:
    found = await seen(web, path)
    assert (found.failure, found.status, found.truncated) == (None, 200, True)


@pytest.mark.parametrize("path", ["/brotli", "/double-bomb"])
async def test_packings_that_were_not_asked_for(web: Web, path: str) -> None:
    found = await seen(web, path)
    assert (found.failure, found.status, found.body) == (FetchFailure.ENCODING_REFUSED, 200, b"")


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/reset", FetchFailure.CONNECTION_FAILED),
        ("/mail", FetchFailure.BAD_ANSWER),
        ("/status", FetchFailure.BAD_ANSWER),
        ("/upgrade", FetchFailure.BAD_ANSWER),
        ("/two-lengths", FetchFailure.BAD_ANSWER),
        ("/negative", FetchFailure.BAD_ANSWER),
        ("/crlf", FetchFailure.BAD_ANSWER),
        ("/nul", FetchFailure.BAD_ANSWER),
    ],
)
async def test_what_is_not_http(web: Web, path: str, failure: FetchFailure) -> None:
    found = await seen(web, path)
    assert (found.failure, found.body) == (failure, b"")


async def test_headers_beyond_ascii(web: Web) -> None:
    found = await seen(web, "/non-ascii")
    assert found.failure is None
    assert all(value.isascii() for value in found.headers.values())
    assert found.headers["x-frame-options"] == "other"


@pytest.mark.parametrize("path", ["/missing", "/gzip"])
async def test_a_page_is_one_whatever_its_status(web: Web, path: str) -> None:
    found = await seen(web, path)
    assert (found.failure, found.status) == (None, 404 if path == "/missing" else 200)


PIECES = (
    *(b"\r\n", b"\r\n\r\n", b"\0", b"\xff", b"HTTP/1.1 302 X\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"Content-Type: ;;;\r\n"),
    *(b"Location: http://[::1\r\n", b"Location: //\x80\xff/\r\n", b"Location: /\r\n", b"Refresh: 0;url=http://\xe9\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Content-Length: 9999999999999999\r\n", b"-1\r\n"),
    *(b"Set-Cookie: =\r\n", b"Set-Cookie: \xff=\r\n", b"<meta http-equiv=refresh content='0;url=http://[x'>"),
    *(b"<link rel=icon href='http://[::'>", b"<link rel=icon href='&#x110000;'>", b"<link rel=icon href='\xff\xfe'>"),
)
PLACED = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(PIECES) | st.binary(max_size=8)), max_size=4)


@given(st.sampled_from([reply(PAGE), reply(PHISHING, Server="x"), redirect("/x"), reply(gzip.compress(PAGE))]), PLACED)
@settings(max_examples=80, deadline=None)
def test_whatever_is_answered_is_an_observation(answer: bytes, pieces: list[tuple[int, bytes]]) -> None:
    for place, piece in pieces:
        answer = answer[:place] + piece + answer[place:]

    async def ask() -> Observation:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            return await observe(url, replace(DEFAULT_LIMITS, redirects=2, seconds=5), loopback=True)

    found = asyncio.run(ask())
    assert found.failure is None or found.hops[-1].failure is found.failure
    assert all(value.isascii() for hop in found.requests for value in hop.headers.values())
    assert str(found.hops[0].address) == "127.0.0.1"


# the icon


async def test_no_icon_is_asked_for_that_no_page_speaks_of(web: Web) -> None:
    found = await seen(web, "/", DEFAULT_LIMITS)
    assert (found.favicon, found.favicon_sha256, web.paths) == (None, None, ["/"])


async def test_the_icon_is_where_the_page_says(web: Web) -> None:
    web.pages |= {"/x": reply(b"<link rel='shortcut ICON' href=/own.png>"), "/own.png": reply(b"png", kind="image/png")}
    found = await seen(web, "/x", DEFAULT_LIMITS)
    assert found.favicon_sha256 == hashlib.sha256(b"png").digest()
    assert found.favicon is not None
    assert (found.favicon.url, found.favicon.seq) == (web.url("/own.png"), 1)


@pytest.mark.parametrize("href", ["http://10.0.0.1/x.ico", "file:///etc/passwd", "http://2130706433:25/", "//metadata/x.ico"])
async def test_the_icon_is_guarded_as_the_page_is(web: Web, href: str) -> None:
    web.pages["/x"] = reply(f'<link rel="icon" href="{href}">'.encode())
    found = await seen(web, "/x", DEFAULT_LIMITS)
    assert (found.failure, found.favicon_sha256, web.connections) == (None, None, 1)
    assert found.favicon is not None
    assert found.favicon.address is None


@pytest.mark.parametrize("path", ["/endless", "/loop", "/hang", "/reset", "/phishing", "/bomb"])
async def test_an_icon_that_misbehaves_costs_no_page(web: Web, path: str) -> None:
    web.pages["/x"] = reply(f'<link rel="icon" href="{path}">'.encode())
    found = await seen(web, "/x", replace(DEFAULT_LIMITS, seconds=0.5))
    assert (found.failure, found.status, found.favicon_sha256) == (None, 200, None)


# TLS


async def test_what_is_told_of_a_good_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = certificate(tmp_path, "good.example.com", "*.wild.example.com")
    trusting(monkeypatch, tmp_path)
    rebinding(monkeypatch, ["127.0.0.1"])
    async with hostile_web(context) as web:
        for host in ("good.example.com", "a.wild.example.com"):
            found = await observe(web.url("/", host), BARE, loopback=True)
            assert (found.failure, found.status) == (None, 200)
            tls = found.hops[0].tls
            assert tls is not None
            assert (tls.problem, tls.names_match, tls.issuer, tls.protocol) == (None, True, "good.example.com", "TLSv1.3")
            der = ssl.PEM_cert_to_DER_cert((tmp_path / "ca.pem").read_text())
            assert tls.certificate_sha256 == hashlib.sha256(der).digest()
            assert tls.not_before < tls.not_after


@pytest.mark.parametrize(
    ("host", "begin", "end", "trusted", "problem", "match"),
    [
        ("good.example.com", -1, 1, False, TlsProblem.SELF_SIGNED, True),
        ("other.example.com", -1, 1, True, TlsProblem.WRONG_NAME, False),
        ("a.b.wild.example.com", -1, 1, True, TlsProblem.WRONG_NAME, False),
        ("good.example.com", -2, -1, True, TlsProblem.EXPIRED, True),
        ("good.example.com", 1, 2, True, TlsProblem.NOT_YET_VALID, True),
    ],
)
async def test_a_certificate_that_nobody_vouches_for_is_a_fact(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    begin: int,
    end: int,
    trusted: bool,
    problem: TlsProblem,
    match: bool,
) -> None:
    context = certificate(
        tmp_path, "good.example.com", "*.wild.example.com", begin=timedelta(days=begin), end=timedelta(days=end)
    )
    rebinding(monkeypatch, ["127.0.0.1"])
    if trusted:
        trusting(monkeypatch, tmp_path)
    async with hostile_web(context) as web:
        found = await observe(web.url("/phishing", host), BARE, loopback=True)
        assert (found.failure, found.status, found.body) == (None, 200, PHISHING)
        tls = found.hops[0].tls
        assert tls is not None
        assert (tls.problem, tls.names_match, tls.issuer) == (problem, match, "")
        secret = await observe(web.url(f"/reset?token={JWT}", host), BARE, loopback=True)
        assert (secret.failure, secret.status) == (FetchFailure.TLS_FAILED, None)
        assert secret.hops[0].tls is not None
        assert web.paths == ["/phishing"], "a secret is told to nobody whom nobody vouches for"


async def test_no_tls_where_it_should_be(web: Web) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.com ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        found = await observe(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", BARE, loopback=True)
    assert found.failure is FetchFailure.TLS_FAILED


async def test_a_handshake_without_end(web: Web) -> None:
    found = await observe(web.url().replace("http:", "https:"), SHORT, loopback=True)
    assert (found.failure, found.hops[0].tls) == (FetchFailure.TIMED_OUT, None)


async def test_who_is_connected_to_is_asked_once_more(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a loop ever resolve what it is given, nothing is sent to whom it found."""
    rebinding(monkeypatch, ["93.184.215.14"])
    connect = asyncio.open_connection

    async def elsewhere(host: str, port: int, **named: Any) -> Any:
        return await connect("127.0.0.1", port, **named)

    monkeypatch.setattr(asyncio, "open_connection", elsewhere)
    found = await observe(f"http://example.com:{web.port}/", BARE)
    assert (found.failure, web.heads) == (FetchFailure.CONNECTION_FAILED, [])


async def test_nothing_is_left_open(web: Web) -> None:
    for path in ("/", "/chain?n=3", "/loop", "/brotli", "/endless", "/hang"):
        await seen(web, path, SHORT)
    async with asyncio.timeout(20):
        await web.idle()
