# ruff: noqa: RUF001
"""Addresses: one form of each, what is refused, and the expressions that Safe Browsing documents."""

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.errors import AppError, ErrorCode
from app.scans import secret, url
from app.scans.url import MOST_URL, expression_hash, parse_url, url_hash

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TRICKY = st.text(st.sampled_from("%25432fF.eE/\\;&=?#@:+ äé。\tx0123456789[]~-_"), max_size=60)
ADDRESS = st.builds(
    "{}://{}{}{}".format, st.sampled_from(["http", "HTTPS"]), st.sampled_from(["a.example", "0x7f.1"]), TRICKY, TEXT
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://example.com", "https://example.com/"),
        ("  HTTPS://EXAMPLE.com:443/a \n", "https://example.com/a"),
        ("http://example.com:080/", "http://example.com/"),
        ("http://example.com:8080", "http://example.com:8080/"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com./", "http://example.com/"),
        ("http://example.com?x", "http://example.com/?x"),
        ("http://example.com/?", "http://example.com/?"),
        ("http://example.com/a#b?c", "http://example.com/a"),
        ("http://example.com/a/./b/../../c/.", "http://example.com/c/"),
        ("http://example.com/%2e%2E/%2e/a/%2e.", "http://example.com/"),
        ("http://example.com/../../..", "http://example.com/"),
        ("http://example.com//a//", "http://example.com//a//"),
        ("http://example.com/%7euser/%41%2f%3a", "http://example.com/~user/A%2F%3A"),
        ("http://example.com/100%/%zz/%%34%31", "http://example.com/100%25/%25zz/%2541"),
        ("http://example.com/ä b?ö=<'>", "http://example.com/%C3%A4%20b?%C3%B6=%3C'%3E"),
        ("http://example.com/?a=\\b", "http://example.com/?a=%5Cb"),
        ("http://MÜNCHEN.example/", "http://xn--mnchen-3ya.example/"),
        ("http://xn--MNCHEN-3YA.example/", "http://xn--mnchen-3ya.example/"),
        ("http://faß.example/", "http://xn--fa-hia.example/"),
        ("http://ＥＸＡＭＰＬＥ。com/", "http://example.com/"),
        ("http://ex%61mple.com/", "http://example.com/"),
        ("http://a_b.example.com/", "http://a_b.example.com/"),
        ("http://[2001:DB8:0:0::1]:80/", "http://[2001:db8::1]/"),
        ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("http://[::127.0.0.1]/", "http://[::7f00:1]/"),
    ],
)
def test_one_form(text: str, canonical: str) -> None:
    assert parse_url(text).canonical == canonical


THIS_MACHINE = (
    "127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0X7F.0x0.0x0.0x1 017700000001 0177.0.0.01 "
    "%31%32%37.0.0.1 127.0x.0.1 １２７.０.０.１ 127。0。0。1 ①②⑦.0.0.1 0177.0x0.1"
)


@pytest.mark.parametrize("host", THIS_MACHINE.split())
def test_this_machine_has_one_name(host: str) -> None:
    """Whatever a resolver would read as an address is seen as that address."""
    assert parse_url(f"http://{host}/").host == "127.0.0.1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "example.com",
        "//example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/_x",
        "javascript:alert(1)",
        "data:text/html,x",
        "http:example.com",
        "http:/example.com",
        "http:///example.com",
        "http:\\\\example.com",
        "http://",
        "http://?x",
        "http://#x",
        "http://:80/",
        "http://example.com\\@evil.example/",
        "http://example.com/a\\..\\b",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://@example.com/",
        "http://example.com:80@evil.example/",
        "http://example.com%40evil.example/",
        "http://example.com%2f@evil.example/",
        "http://example.com%00.evil.example/",
        "http://example.com%0d%0aHost:evil.example/",
        "http://exam\tple.com/",
        "http://example.com/\r\nHost: evil.example",
        "http://example.com/\x00",
        "http://example.com/\u202egpj.exe",
        "http://example.com/\ud800",
        "http://exa mple.com/",
        "http://example..com/",
        "http://.example.com/",
        "http://example.com../",
        "http://-example.com/",
        "http://exa*mple.com/",
        "http://exa|mple.com/",
        "http://℀.example/",
        "http://a.example／b/",
        "http://xn--zzzzzz99999999.example/",
        "http://xn--a-.example/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:+80/",
        "http://example.com:80a/",
        "http://example.com:８０/",
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:6667/",
        "http://256.0.0.1/",
        "http://1.2.3.4.5/",
        "http://1.2.3.08/",
        "http://4294967296/",
        "http://0x100000000/",
        "http://127.0.0.1.1e3.9/",
        "http://example.1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1%]/",
        "http://[v1.a]/",
        "http://::1/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 126 + "aa/",
        "http://example.com/" + "a" * MOST_URL,
        "http://example.com/" + "ä" * 600,
    ],
    ids=str.__repr__,
)
def test_refused(text: str) -> None:
    """And what was written is not repeated: it may be a secret."""
    with pytest.raises(AppError) as refused:
        parse_url(text)
    assert refused.value.extensions is not None
    assert refused.value.extensions["code"] == ErrorCode.BAD_INPUT.value
    assert "evil" not in refused.value.message


@given(ADDRESS | TEXT)
def test_the_form_is_one(text: str) -> None:
    """What is canonical is its own canonical form, in ASCII, and no longer than allowed; nothing else is raised."""
    try:
        url = parse_url(text)
    except AppError:
        return
    again = parse_url(url.canonical)
    assert again == url
    assert again.canonical == url.canonical
    assert url.canonical.isascii()
    assert url.canonical.isprintable()
    assert max(len(url.canonical), len(url.masked)) <= MOST_URL
    assert 1 <= len(url.expressions()) <= 30
    assert (url.masked == url.canonical) or url.has_secrets


def test_shows_itself_masked() -> None:
    url = parse_url("https://example.com/reset/9f86d081884c7d65?email=anna%40example.com#access_token=abc")
    assert str(url) == "https://example.com/reset/***?email=***"
    assert "9f86d081884c7d65" not in repr(url)
    assert "anna" not in repr(url)
    assert "access_token" not in url.canonical


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        (
            "http://a.b.c/1/2.html?param=1",
            "a.b.c/1/2.html?param=1 a.b.c/1/2.html a.b.c/ a.b.c/1/ b.c/1/2.html?param=1 b.c/1/2.html b.c/ b.c/1/",
        ),
        (
            "http://a.b.c.d.e.f.g/1.html",
            "a.b.c.d.e.f.g/1.html a.b.c.d.e.f.g/ c.d.e.f.g/1.html c.d.e.f.g/ d.e.f.g/1.html d.e.f.g/ e.f.g/1.html e.f.g/ "
            "f.g/1.html f.g/",
        ),
        ("http://1.2.3.4/1/", "1.2.3.4/1/ 1.2.3.4/"),
        ("http://[2001:db8::1]/", "[2001:db8::1]/"),
        ("https://bad.example.co.uk/", "bad.example.co.uk/ example.co.uk/"),
        ("https://bad.github.io/x", "bad.github.io/x bad.github.io/"),
        ("https://github.io/", "github.io/"),
        ("http://e.f/1/2/3/4/5/6.html?q", "e.f/1/2/3/4/5/6.html?q e.f/1/2/3/4/5/6.html e.f/ e.f/1/ e.f/1/2/ e.f/1/2/3/"),
    ],
)
def test_expressions(text: str, expressions: str) -> None:
    """The documented examples, and that nothing is looked up for all whom one suffix serves."""
    assert sorted(parse_url(text).expressions()) == sorted(expressions.split())


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("http://host/%25%32%35", "host/%25"),
        ("http://host/%25%32%35%25%32%35", "host/%25%25"),
        ("http://host/%2525252525252525", "host/%25"),
        ("http://host/asdf%25%32%35asd", "host/asdf%25asd"),
        ("http://host/%%%25%32%35asd%%", "host/%25%25%25asd%25%25"),
        ("http://www.google.com/", "www.google.com/"),
        (
            "http://%31%36%38%2e%31%38%38%2e%39%39%2e%32%36/%2E%73%65%63%75%72%65/%77%77%77%2E%65%62%61%79%2E%63%6F%6D/",
            "168.188.99.26/.secure/www.ebay.com/",
        ),
        (
            "http://host%23.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E00%252611%252A22%252833%252944_55%252B",
            None,
        ),
        ("http://3279880203/blah", "195.127.0.11/blah"),
        ("http://www.google.com/blah/..", "www.google.com/"),
        ("http://www.evil.com/blah#frag", "www.evil.com/blah"),
        ("http://www.GOOgle.com/", "www.google.com/"),
        ("http://www.google.com/foo\tbar\rbaz\n2", None),
        ("http://www.google.com/q?", "www.google.com/q?"),
        ("http://www.google.com/q?r?", "www.google.com/q?r?"),
        ("http://evil.com/foo#bar#baz", "evil.com/foo"),
        ("http://evil.com/foo;", "evil.com/foo;"),
        ("http://evil.com/foo?bar;", "evil.com/foo?bar;"),
        ("http://notrailingslash.com", "notrailingslash.com/"),
        ("http://www.gotaport.com:1234/", "www.gotaport.com/"),
        ("  http://www.google.com/  ", "www.google.com/"),
        ("http://host.com/ab%23cd", "host.com/ab%23cd"),
        ("http://host.com//twoslashes?more//slashes", "host.com/twoslashes?more//slashes"),
    ],
)
def test_documented_forms(text: str, first: str | None) -> None:
    """As Safe Browsing documents them; null where we refuse what browsers would ask for."""
    if first is None:
        with pytest.raises(AppError):
            parse_url(text)
    else:
        assert parse_url(text).expressions()[0] == first


def test_hashes() -> None:
    assert expression_hash("b.c/") == hashlib.sha256(b"b.c/").digest()
    one, other = url_hash(b"k" * 32, "https://example.com/"), url_hash(b"l" * 32, "https://example.com/")
    assert len(one) == 32
    assert one != other


@pytest.mark.parametrize("part", ["a", "1", "%25", ",", "a1", "A", "a@", "-", "1 ", "=", "%2525", "&a=b", ";", "/a"])
def test_no_address_takes_long(part: str) -> None:
    """No text makes the expressions go back and forth: far below what one request may take."""
    began = time.process_time()
    parse_url("https://example.com/?" + part * ((MOST_URL - 21) // len(part) // (3 if part == "1 " else 1)))
    assert time.process_time() - began < 2


def test_nothing_is_remembered_of_an_address_that_nobody_holds() -> None:
    """It is read once while it is held; afterwards neither it nor what was looked at in it is in memory."""
    text = "https://example.com/reset/Zm9vYmFyYmF6?token=4f9a8b7c6d5e"
    held = parse_url(text)
    assert parse_url(text) is held
    before = len(url._IN_USE)
    del held
    assert len(url._IN_USE) == before - 1
    assert {type(key) for key in secret._KNOWN} == {int}
