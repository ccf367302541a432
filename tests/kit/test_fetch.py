"""Documents of other services: what the other side may not do to us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.kit import fetch
from app.kit.fetch import Bounded, FetchError, check_url, fetch_json, is_loopback
from tests.factory.provider import TestProvider, elsewhere, endless, running, slow


@pytest.fixture(scope="module")
def provider() -> Iterator[TestProvider]:
    with running() as started:
        yield started


@pytest.mark.parametrize(
    "url",
    [
        "https://keys.example/a?b=c",
        "https://keys.example:8443/",
        "https://10.0.0.7/internal",
        "http://127.0.0.1:8080/jwks",
        "http://[::1]/jwks",
        "http://localhost/jwks",
    ],
)
def test_addresses_that_may_be_asked(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys.example",
        "http://keys.example/",
        "http://169.254.169.254/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "https://user:secret@keys.example/",
        "https://@keys.example/",
        "https://keys.example/#x",
        "https://keys.example\\@evil.example/",
        "https://keys.example/\r\nHost: evil",
        "https://keys.example/ x",
        "https://keys.éxample/",
        "https://:443/",
        "https://keys.example:99999/",
        "https://keys.example:0/",
        "https://[::1/",
        "file:///etc/passwd",
        "ftp://keys.example/",
        "javascript:alert(1)",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not|has a user|must begin"):
        check_url(url)


def test_what_is_this_machine() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.9.9.9", "::1")] == [True] * 3
    assert [is_loopback(host) for host in ("localhost.", "0.0.0.0", "10.0.0.1", "x")] == [False] * 4  # noqa: S104


async def test_json_comes_as_it_is(provider: TestProvider) -> None:
    provider.misbehave["/jwks"] = lambda request: JSONResponse(
        {"as": request.headers["authorization"], "encoding": request.headers["accept-encoding"]}
    )
    assert await fetch_json(f"{provider.url}/jwks", bearer="x") == {"as": "Bearer x", "encoding": "identity"}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (endless, "sends more than"),
        (elsewhere, "sends us elsewhere"),
        (lambda _: RedirectResponse("/userinfo", 308), "sends us elsewhere"),
        (lambda _: Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "compressed"),
        (lambda _: Response(status_code=500), "answers 500"),
        (lambda _: Response("<html>"), "is not JSON"),
        (lambda _: Response("[" * 10_000), "is not JSON"),
        (lambda _: Response(b'{"a": "\xff"}'), "is not JSON"),
        (lambda _: Response(), "is not JSON"),
    ],
)
async def test_what_is_not_taken(provider: TestProvider, answer: Any, problem: str) -> None:
    provider.misbehave["/jwks"] = answer
    with pytest.raises(FetchError, match=problem):
        await fetch_json(f"{provider.url}/jwks")


async def test_nobody_makes_us_wait(provider: TestProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.misbehave["/jwks"] = slow
    monkeypatch.setattr(fetch, "Bounded", lambda: Bounded(seconds=0.3))
    with pytest.raises(FetchError, match=r"took more than 0\.3 seconds"):
        await fetch_json(f"{provider.url}/jwks")


async def test_nobody_is_there(provider: TestProvider) -> None:
    with pytest.raises(FetchError, match="cannot be read: ConnectError"):
        await fetch_json("http://127.0.0.1:1/jwks?secret=x")


async def test_proxies_of_the_environment_are_not_asked(provider: TestProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    provider.reset()
    assert "keys" in await fetch_json(f"{provider.url}/jwks")
