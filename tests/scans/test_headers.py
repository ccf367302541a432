"""Headers: told in words of our own, whatever stands in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.scans.fetch import DEFAULT_LIMITS, observe
from app.scans.headers import MOST_COOKIES, cookie_names, header_sha256, last_of, summarize
from app.scans.observation import Observation
from tests.factory.web import MARKER, PAGE, Web, hostile_web, reply


async def seen(web: Web, path: str) -> Observation:
    return await observe(web.url(path), replace(DEFAULT_LIMITS, favicon=False), loopback=True)


async def test_the_header_hash_is_of_names_alone() -> None:
    one, other = [(b"Server", b"x"), (b"ETag", b"1")], [(b"server", b"y"), (b"etag", b"2")]
    assert header_sha256(one) == header_sha256(other) != header_sha256(one[::-1])
    async with hostile_web() as web:
        web.pages |= {"/a": reply(PAGE, Server="x"), "/b": reply(b"other", Server="y"), "/c": reply(PAGE, ETag="x")}
        first, second, third = [(await seen(web, path)).header_sha256 for path in ("/a", "/b", "/c")]
    assert first == second != third


async def test_nothing_that_a_site_writes_into_headers_is_kept() -> None:
    async with hostile_web() as web:
        for path in ("/markers", "/phishing", "/secrets"):
            found = await seen(web, path)
            kept = [found.headers, found.content_type, found.cookie_names, [(hop.headers, hop.tls) for hop in found.hops]]
            assert MARKER.lower() not in repr(kept).lower()
            assert MARKER not in repr(found), "nor shown by what shows objects in logs"
        told = (await seen(web, "/markers")).headers
    assert told["content-security-policy"] == "script-src hosts nonce 'unsafe-inline'"
    assert told["strict-transport-security"] == "max-age=31536000"
    assert told["cache-control"] == "no-store, other"
    assert told["content-type"] == "text/other; charset=other"


def test_what_is_known_is_told() -> None:
    told = summarize(
        [
            (b"Strict-Transport-Security", b"max-age=63072000; includeSubDomains; preload"),
            (b"Content-Security-Policy", b"default-src 'self'; script-src 'sha256-abc' https: x.example.com; report-uri /x"),
            (b"X-Frame-Options", b"DENY"),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Content-Type", b'Text/HTML ;charset="UTF-8"'),
            (b"Content-Type", b"text/plain"),
            (b"Content-Disposition", b"attachment; filename=x.exe"),
            (b"Server", b"Apache/2.4.1 (Unix) PHP/5"),
            (b"Access-Control-Allow-Origin", b"https://x.example.com"),
            (b"Location", b"https://x.example.com/reset?token=1"),
            (b"Set-Cookie", b"a=b"),
            (b"X-Own", b"c"),
        ]
    )
    assert told == {
        "strict-transport-security": "max-age=63072000; includesubdomains; preload",
        "content-security-policy": "default-src 'self'; script-src hash https: hosts; report-uri hosts",
        "x-frame-options": "deny",
        "x-content-type-options": "nosniff",
        "content-type": "text/html; charset=utf-8",
        "content-disposition": "attachment",
        "server": "apache, php",
        "access-control-allow-origin": "origin",
        "location": "present",
    }


NAMES = st.sampled_from(
    (
        *("content-type", "content-security-policy", "strict-transport-security", "server", "cache-control", "refresh"),
        *("x-xss-protection", "www-authenticate", "content-encoding", "referrer-policy", "content-disposition"),
        *("set-cookie", "x-robots-tag"),
    )
)


@given(st.lists(st.tuples(NAMES.map(str.encode), st.binary(max_size=200)), max_size=20))
def test_whatever_stands_there(headers: list[tuple[bytes, bytes]]) -> None:
    for value in summarize(headers).values():
        assert value.isascii()
        assert value.isprintable()
        assert len(value) < 9000
    assert all(name.isascii() and len(name) <= 24 for name in cookie_names(headers))


@given(st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=12, max_size=20))
def test_a_word_of_a_site_is_in_no_summary(word: str) -> None:
    """However it is put: alone, in a list, behind a name, in quotes."""
    forms = [word, f"x, {word}", f"{word}=1", f"max-age={word}", f"text/html; charset={word}", f"script-src {word}; {word} x"]
    for name in ("content-type", "content-security-policy", "server", "cache-control", "strict-transport-security", "refresh"):
        for form in forms:
            assert word.lower() not in str(summarize([(name.encode(), form.encode())])).lower()
    assert word not in str(cookie_names([(b"Set-Cookie", f"{word}={word}".encode())]))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1251", "cp1251"),
        ("Shift_JIS", "shift-jis"),
        ("../x", "other"),
        ("", "other"),
        ("x" * 100, "other"),
    ],
)
def test_charsets(said: str, told: str) -> None:
    assert summarize([(b"Content-Type", f'text/html; charset="{said}"'.encode())]) == {
        "content-type": f"text/html; charset={told}"
    }


def test_cookies() -> None:
    headers = [
        (b"Set-Cookie", b"PHPSESSID=1; HttpOnly"),
        (b"set-cookie", b"mine=2"),
        (b"set-cookie", b"mine=3"),
        (b"X", b"y=1"),
    ]
    known, *others = sorted(cookie_names(headers), reverse=True)
    assert (known, len(others)) == ("phpsessid", 1)
    assert others[0].startswith("#")
    many = [(b"set-cookie", str(number).encode()) for number in range(1000)]
    assert len(cookie_names(many)) == MOST_COOKIES


def test_the_last_of_several() -> None:
    assert last_of([(b"A", b"1"), (b"a", b" 2 ")], b"a") == "2"
    assert last_of([], b"a") is None
