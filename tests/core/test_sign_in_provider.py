"""What providers say and do, and what of it is believed: the shapes of Google, Microsoft and GitHub, and every misbehavior."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import JSONResponse, Response

from app.kit.oidc import MOST_AT_ONCE
from tests.conftest import Api
from tests.factory.journey import VIEWER, Browser, another, told, viewer
from tests.factory.provider import CLIENT_ID, SigningKey, TestProvider, elsewhere, encoded, endless
from tests.factory.session import sign_in

TENANT = "11111111-2222-3333-4444-555555555555"
IDENTITIES = "{ viewer { identities { id issuer subject } } }"


def hs256(provider: TestProvider) -> Callable[[str], str]:
    """The ID token again, signed with the public key as a secret, or with the client's secret."""

    def forge(token: str, secret: bytes) -> str:
        head, body, _ = token.split(".")
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))) | {"alg": "HS256"}
        message = f"{encoded(json.dumps(header).encode())}.{body}"
        return f"{message}.{encoded(hmac.digest(secret, message.encode(), hashlib.sha256))}"

    pem = provider.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return lambda token: forge(token, pem)


MISBEHAVIOR: dict[str, Callable[[TestProvider], Any]] = {
    "another nonce": lambda p: p.claims.update(nonce="another"),
    "no nonce": lambda p: p.claims.update(nonce=None),
    "another audience": lambda p: p.claims.update(aud="another-client"),
    "no audience": lambda p: p.claims.update(aud=None),
    "two audiences and no authorized party": lambda p: p.claims.update(aud=[CLIENT_ID, "another"]),
    "another authorized party": lambda p: p.claims.update(azp="another"),
    "another issuer": lambda p: p.claims.update(iss="https://mallory.example"),
    "expired": lambda p: p.claims.update(exp=int(time.time()) - 120),
    "from the future": lambda p: p.claims.update(iat=int(time.time()) + 3000),
    "no subject": lambda p: p.claims.update(sub=None),
    "of another access token": lambda p: p.claims.update(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "alg none": lambda p: p.header.update(alg="none"),
    "no signature": lambda p: setattr(p, "forge", lambda token: token.rpartition(".")[0] + "."),
    "HS256 by the public key": lambda p: setattr(p, "forge", hs256(p)),
    "signed by another key": lambda p: setattr(p, "forge", lambda t: SigningKey.new("one").sign(claims_of(t))),
    "brings its key": lambda p: p.header.update(jwk=SigningKey.new("one").jwk()),
    "an access token": lambda p: p.header.update(typ="at+jwt"),
    "no ID token": lambda p: setattr(p, "forge", lambda token: None),
    "a huge one": lambda p: p.claims.update(x="x" * 9000),
    "not JSON": lambda p: p.misbehave.update({"/token": lambda _: Response("no")}),
    "a list": lambda p: p.misbehave.update({"/token": lambda _: JSONResponse([])}),
    "userinfo about another": lambda p: (
        p.claims.update(email=None),
        p.person.pop("email"),
        p.info.update(sub="x", email="a@b.c"),
    ),
}


def claims_of(token: str) -> dict[str, Any]:
    text = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


@pytest.mark.parametrize("what", MISBEHAVIOR)
async def test_what_a_provider_must_not_say(browser: Browser, provider: TestProvider, what: str) -> None:
    MISBEHAVIOR[what](provider)
    given = await browser.journey()
    assert (given["error"], "code" in given) == ("PROVIDER_INVALID", False), given


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("/token", lambda _: Response("", 500)),
        ("/token", elsewhere),
        ("/token", endless),
        ("/token", lambda _: Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})),
        ("/userinfo", elsewhere),
        ("/userinfo", endless),
    ],
)
async def test_what_a_provider_must_not_do(browser: Browser, provider: TestProvider, path: str, how: Any) -> None:
    provider.misbehave[path] = how
    if path == "/userinfo":
        del provider.person["email"]
    assert (await browser.journey())["error"] == "PROVIDER_UNAVAILABLE"


async def test_what_a_provider_says_instead_of_a_code(browser: Browser, provider: TestProvider) -> None:
    words = {
        "access_denied": "ACCESS_DENIED",
        "server_error": "PROVIDER_UNAVAILABLE",
        "invalid_scope": "PROVIDER_REFUSED",
        "<script>": "PROVIDER_REFUSED",
    }
    for word, expected in words.items():
        provider.answer = {"code": "-", "error": word, "error_description": "<b>Call this number</b>"}
        given = await browser.journey()
        assert given["error"] == expected
        assert "<" not in json.dumps(given)
    provider.answer = {"code": "made-up"}
    assert (await browser.journey())["error"] == "PROVIDER_REFUSED"
    provider.answer = {"code": "-"}
    assert (await browser.journey())["error"] == "PROVIDER_REFUSED"


async def test_an_answer_of_another_provider_is_mixed_up(browser: Browser, provider: TestProvider) -> None:
    for stated in ("https://mallory.example", f"{provider.url}/", "-"):
        provider.answer = {"iss": stated}
        given = await browser.journey()
        assert given["error"] == "PROVIDER_MISMATCH"
    assert provider.hits["/token"] == 0


async def test_keys_that_rotate(site: Api, browser: Browser, provider: TestProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    await browser.sign_in()
    provider.keys.insert(0, SigningKey.new("two"))
    try:
        assert (await browser.journey())["error"] == "PROVIDER_INVALID", "they were fetched a moment ago"
        monkeypatch.setattr("app.kit.jwks.PAUSE_SECONDS", 0.0)
        assert "code" in await browser.journey()
    finally:
        provider.keys.pop(0)


async def test_the_address_may_be_told_apart(site: Api, browser: Browser, provider: TestProvider) -> None:
    email = provider.person.pop("email")
    provider.info = {"sub": provider.person["sub"], "email": email, "email_verified": True}
    assert (await viewer(site, await browser.sign_in()))["account"]["email"] == email
    provider.reset()
    provider.person["email_verified"] = False
    assert (await browser.sign_in()).code == "UNAUTHENTICATED"
    del provider.person["email"]
    provider.misbehave["/userinfo"] = lambda _: JSONResponse({"sub": provider.person["sub"]})
    assert "names no e-mail address" in (await browser.sign_in()).body["errors"][0]["message"]


async def email_proven(api: Api, token: str) -> bool:
    found = (await api("{ viewer { account { emailVerifiedAt } } }", token=token)).data["viewer"]["account"]
    return found["emailVerifiedAt"] is not None


async def test_whose_word_counts_for_an_address(site: Api, provider: TestProvider) -> None:
    """Of a careless provider's people none gets into an account by its address; Google's word counts for its own mailboxes."""
    cases: list[tuple[str, dict[str, Any], bool]] = [
        ("local", {}, True),
        ("careless", {}, False),
        ("mailbox", {}, False),
        ("mailbox", {"hd": "example.com"}, True),
        ("mailbox", {"email": "somebody.of.the.tests@gmail.com"}, True),
        ("mailbox", {"email": "x@gmail.com.evil.example"}, False),
    ]
    for name, claims, proven in cases:
        provider.reset()
        provider.person.update(claims)
        async with another(site) as browser:
            answer = await browser.sign_in(name)
            token = answer.data["completeSignIn"]["tokens"]["accessToken"]
            assert await email_proven(site, token) is proven, (name, claims)


async def test_an_address_that_is_somebodys(site: Api, browser: Browser, provider: TestProvider) -> None:
    """Nobody gets in by an address that their provider only claims; who proves it gets in, and ends what others made there."""
    ada = await site.person("ada")
    provider.person["email"] = ada.email
    assert (await browser.sign_in("careless")).code == "ADDRESS_TAKEN"
    thief = await sign_in(site, ada)
    seen = await viewer(site, await browser.sign_in("local"))
    assert seen["workspace"]["id"] == ada.workspace
    assert (await site(VIEWER, token=thief.access_token)).code == "UNAUTHENTICATED"


async def test_microsoft_has_many_tenants(site: Api, browser: Browser, provider: TestProvider) -> None:
    """The issuer is a template; the token's tenant must be that of its issuer, and no tenant's word counts for an address."""
    provider.misbehave["/.well-known/openid-configuration"] = lambda _: Response("", 404)
    template_issuer = f"{provider.url}/{{tenantid}}/v2.0"
    description = {
        "issuer": template_issuer,
        "authorization_endpoint": f"{provider.url}/authorize",
        "token_endpoint": f"{provider.url}/token",
        "jwks_uri": f"{provider.url}/jwks",
    }
    service = site.http._transport.app.state.service  # type: ignore[attr-defined]
    found = service.providers["tenants"]
    usual = found.fetch

    async def fetch(url: str) -> Any:
        return description if url.endswith("openid-configuration") else await usual(url)

    found.fetch = found.keys._fetch = fetch
    provider.answer = {"iss": "-"}
    provider.claims = {"iss": f"{provider.url}/{TENANT}/v2.0", "tid": TENANT, "email_verified": None}
    answer = await browser.sign_in("tenants")
    assert not await email_proven(site, answer.data["completeSignIn"]["tokens"]["accessToken"])
    wrong: list[dict[str, Any]] = [
        {"tid": "22222222-2222-3333-4444-555555555555"},
        {"tid": "x/../y"},
        {"tid": None},
        {"tid": [TENANT]},
        {"iss": template_issuer},
        {"iss": provider.url},
    ]
    for claims in wrong:
        provider.claims = {"iss": f"{provider.url}/{TENANT}/v2.0", "tid": TENANT} | claims
        assert (await browser.journey("tenants"))["error"] == "PROVIDER_INVALID", claims


async def test_github_is_asked_who_it_is(site: Api, browser: Browser, provider: TestProvider) -> None:
    provider.answer = {"iss": "-"}
    provider.github = {
        "emails": [
            {"email": "second@example.com", "primary": False, "verified": True},
            {"email": "Octo@Example.com", "primary": True, "verified": True},
        ]
    }
    answer = await browser.sign_in("octo")
    assert (await viewer(site, answer))["account"]["email"] == "octo@example.com"
    token = answer.data["completeSignIn"]["tokens"]["accessToken"]
    identities = (await site(IDENTITIES, token=token)).data["viewer"]["identities"]
    assert [(each["issuer"], each["subject"]) for each in identities][1:] == [(provider.url, "583231")]
    provider.github = {"user": {"id": 2}, "emails": [{"email": "new@example.com", "primary": True, "verified": False}]}
    assert (await browser.sign_in("octo")).code == "UNAUTHENTICATED"
    for user in ({"id": "583231"}, {"id": True}, {"id": None}):
        provider.github = {"user": user}
        assert (await browser.journey("octo"))["error"] == "PROVIDER_INVALID"


async def test_a_provider_that_is_slow_keeps_32_waiting_and_sends_others_away(
    site: Api, provider: TestProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more callbacks at once the rest hear so in a moment, no connection is held, and a free place is taken by the next."""
    more, gate, asking = 8, asyncio.Event(), 0
    service = site.http._transport.app.state.service  # type: ignore[attr-defined]
    usual = type(service.providers["local"])._prove

    async def slow(self: Any, *given: Any) -> Any:
        nonlocal asking
        asking += 1
        await gate.wait()
        return await usual(self, *given)

    monkeypatch.setattr(type(service.providers["local"]), "_prove", slow)
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(another(site)) for _ in range(MOST_AT_ONCE + more)]
        addresses = [await each.visit(await each.start()) for each in browsers]
        arriving = [asyncio.create_task(each.arrive(to)) for each, to in zip(browsers, addresses, strict=True)]
        done, waiting = set[asyncio.Task[Any]](), set(arriving)
        while len(done) < more:
            now, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= now
        assert [told(each.result())["error"] for each in done] == ["PROVIDER_UNAVAILABLE"] * more
        assert (asking, len(waiting)) == (MOST_AT_ONCE, MOST_AT_ONCE)
        assert (await site("{ signInProviders { name } }")).data, "everybody else is served"
        gate.set()
        assert all("code" in told(each) for each in await asyncio.gather(*waiting))
        assert "code" in await browsers[0].journey()
