"""Signing in at a provider, and linking one, against a real provider on loopback, as people and as those who mean harm."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from app.core.sign_in import check_return
from app.kit.errors import AppError
from app.kit.oidc import ProviderConfig
from tests.conftest import Answer, Api, copy_of
from tests.core.test_identity import VIEWER
from tests.factory.kit import serving
from tests.factory.provider import CLIENT_ID, CLIENT_SECRET, SigningKey, TestProvider, elsewhere, encoded, endless, running
from tests.factory.session import sign_in

PUBLIC = "http://localhost:8000"
FRONT = "https://app.example"
BACK = f"{FRONT}/signed-in"
TENANT = "11111111-2222-3333-4444-555555555555"

COMPLETE = """mutation ($returnCode: String!, $verifier: String!) {
  completeSignIn(input: {returnCode: $returnCode, verifier: $verifier}) { created tokens { accessToken refreshToken } }
}"""
LINK = """mutation ($provider: String!, $returnTo: String!, $challenge: String!) {
  prepareLink(input: {provider: $provider, returnTo: $returnTo, challenge: $challenge}) { url }
}"""
COMPLETE_LINK = """mutation ($returnCode: String!, $verifier: String!) {
  completeLink(input: {returnCode: $returnCode, verifier: $verifier}) { identity { id issuer subject } }
}"""
UNLINK = "mutation ($id: ID!) { unlinkIdentity(id: $id) { identity { id } } }"
IDENTITIES = "{ viewer { identities { id issuer subject } } }"


@pytest.fixture(scope="module")
def provider() -> Iterator[TestProvider]:
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def fresh(provider: TestProvider) -> None:
    provider.reset()


def configs(provider: TestProvider) -> list[ProviderConfig]:
    """One of each kind, all of them at the same provider."""
    known: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": SecretStr(CLIENT_SECRET), "algorithm": "ES256"}
    discovery = f"{provider.url}/.well-known/openid-configuration"
    tenants = f"{provider.url}/common/v2.0/.well-known/openid-configuration"
    return [
        ProviderConfig(name="local", url=discovery, trust_email=True, **known),
        ProviderConfig(name="careless", url=discovery, **known),
        ProviderConfig(name="mailbox", kind="google", url=discovery, trust_email=True, **known),
        ProviderConfig(name="tenants", kind="microsoft", url=tenants, require_verified_email=False, **known),
        ProviderConfig(
            name="octo", kind="github", url=provider.url, trust_email=True, client_authentication="client_secret_post", **known
        ),
    ]


@pytest.fixture(scope="module")
async def site(server: Any, template: str, jwt_key: Path, provider: TestProvider) -> AsyncIterator[Api]:
    with copy_of(server, template) as database:
        origins = [FRONT, "http://localhost:*"]
        async with serving(database, jwt_key, providers=configs(provider), public_url=PUBLIC, allowed_origins=origins) as api:
            yield api


class Browser:
    """A browser with cookies of its own, and a front end in it that keeps a verifier."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.http = httpx.AsyncClient(transport=api.http._transport, base_url=PUBLIC)
        self.verifier = secrets.token_urlsafe(32)

    @property
    def challenge(self) -> str:
        return encoded(hashlib.sha256(self.verifier.encode()).digest())

    async def start(self, name: str = "local", **given: str) -> httpx.Response:
        asked = {"return_to": BACK, "challenge": self.challenge} | given
        return await self.http.get(f"/auth/{name}/start", params=asked)

    async def visit(self, started: httpx.Response) -> str:
        """At the provider, which agrees: the address that it sends the browser to."""
        assert started.status_code == 303, started.text
        async with httpx.AsyncClient() as outside:
            answer = await outside.get(started.headers["location"])
        return str(answer.headers["location"])

    async def arrive(self, address: str) -> httpx.Response:
        return await self.http.get(address)

    async def journey(self, name: str = "local") -> dict[str, str]:
        """All of it: what the front end is told."""
        return told(await self.arrive(await self.visit(await self.start(name))))

    async def complete(self, given: dict[str, str]) -> Answer:
        return await self.api(COMPLETE, {"returnCode": given["code"], "verifier": self.verifier})

    async def sign_in(self, name: str = "local") -> Answer:
        given = await self.journey(name)
        assert "error" not in given, given
        return await self.complete(given)


def told(response: httpx.Response) -> dict[str, str]:
    """What the front end finds in its address."""
    assert response.status_code == 303, response.text
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == BACK
    return {name: values[0] for name, values in parse_qs(location.query, strict_parsing=True).items()}


@pytest.fixture
async def browser(site: Api) -> AsyncIterator[Browser]:
    async with another(site) as opened:
        yield opened


@asynccontextmanager
async def another(api: Api) -> AsyncIterator[Browser]:
    opened = Browser(api)
    try:
        yield opened
    finally:
        await opened.http.aclose()


async def viewer(api: Api, answer: Answer) -> dict[str, Any]:
    token = answer.data["completeSignIn"]["tokens"]["accessToken"]
    return dict((await api(VIEWER, token=token)).data["viewer"])


async def test_a_front_end_knows_what_to_offer(site: Api, shared: Api) -> None:
    """Without a token: names and paths, and nothing else of what the operator has set up."""
    answer = await site("{ signInProviders { name kind startPath } }")
    told = answer.data["signInProviders"]
    kinds = {"local": "oidc", "careless": "oidc", "mailbox": "google", "tenants": "microsoft", "octo": "github"}
    assert told == [{"name": name, "kind": kind, "startPath": f"/auth/{name}/start"} for name, kind in kinds.items()]
    assert CLIENT_ID not in str(answer.body)
    assert CLIENT_SECRET not in str(answer.body)
    assert {(await site.http.get(each["startPath"])).status_code for each in told} == {400}, "there, and asks for more"
    assert (await shared("{ signInProviders { name } }")).data["signInProviders"] == []


async def test_who_signs_in_has_an_account_and_a_session(site: Api, browser: Browser, provider: TestProvider) -> None:
    answer = await browser.sign_in()
    assert answer.data["completeSignIn"]["created"] is True
    seen = await viewer(site, answer)
    assert seen["account"]["email"] == provider.person["email"]
    again = await browser.sign_in()
    assert again.data["completeSignIn"]["created"] is False
    assert await viewer(site, again) == seen
    token = again.data["completeSignIn"]["tokens"]["accessToken"]
    sessions = (await site("{ sessions { edges { node { method } } } }", token=token)).data["sessions"]["edges"]
    assert [edge["node"]["method"] for edge in sessions] == ["LOCAL", "LOCAL"]
    told_of = (await site("{ auditEvents(first: 20) { edges { node { action } } } }", token=token)).data["auditEvents"]
    assert [edge["node"]["action"] for edge in told_of["edges"]].count("SIGN_IN") == 3
    asked = provider.asked[-1]
    assert asked["redirect_uri"] == f"{PUBLIC}/auth/local/callback"
    assert len({each["nonce"] for each in provider.asked} | {each["state"] for each in provider.asked}) == 4


async def test_what_the_browser_is_given(browser: Browser) -> None:
    started = await browser.start()
    (cookie,) = SimpleCookie(started.headers["set-cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/auth/local/callback")
    assert (cookie["max-age"], started.headers["cache-control"]) == ("600", "no-store")
    state = parse_qs(urlsplit(started.headers["location"]).query)["state"][0]
    assert cookie.value not in started.headers["location"]
    assert state not in started.headers["set-cookie"]
    ended = await browser.arrive(await browser.visit(started))
    assert f'{cookie.key}=""' in ended.headers["set-cookie"]
    assert "Max-Age=0" in ended.headers["set-cookie"]


async def test_over_https_the_cookie_is_for_https_alone(
    server: Any, template: str, jwt_key: Path, provider: TestProvider
) -> None:
    with copy_of(server, template) as database:
        given = {"providers": configs(provider), "public_url": "https://api.example/v1/", "allowed_origins": [FRONT]}
        async with serving(database, jwt_key, **given) as api:
            opened = Browser(api)
            started = await opened.start()
            (cookie,) = SimpleCookie(started.headers["set-cookie"]).values()
            assert (cookie["secure"], cookie["path"]) == (True, "/v1/auth/local/callback")
            assert cookie.key.startswith("__Secure-")
            assert provider.hits["/.well-known/openid-configuration"] == 1
            where = parse_qs(urlsplit(started.headers["location"]).query)["redirect_uri"]
            assert where == ["https://api.example/v1/auth/local/callback"]
            await opened.http.aclose()


async def test_no_secret_is_kept(site: Api, browser: Browser) -> None:
    """Neither state, cookie, code nor verifier: hashes of them."""
    started = await browser.start()
    (cookie,) = SimpleCookie(started.headers["set-cookie"]).values()
    address = await browser.visit(started)
    given = told(await browser.arrive(address))
    known = [cookie.value, parse_qs(urlsplit(address).query)["state"][0], given["code"], browser.verifier]
    async with site.database.connect() as admin:
        rows = await admin.fetch("SELECT to_jsonb(s)::text AS text FROM core.sign_in AS s")
    assert rows
    for secret in known:
        spellings = (secret, secret.encode().hex())
        assert not any(spelling in row["text"] for row in rows for spelling in spellings)


@pytest.mark.parametrize(
    "return_to",
    [
        "",
        "/signed-in",
        "//evil.example/",
        "https:/app.example/",
        "https:app.example",
        "https://app.example.evil.example/",
        "https://app.example@evil.example/",
        "https://app.example:443@evil.example/",
        "https://evil.example/https://app.example",
        "https://evil.example#https://app.example/",
        "https://evil.example\\@app.example/",
        "https://app.example\\@evil.example/",
        "https://app.example\\.evil.example/",
        "https://app.example:8443/",
        "https://app.example./",
        "https://APP.example/",
        "https://app%2eexample/",
        "https://app.example%2f@evil.example/",
        "https://evil.example/\\..\\app.example",
        "http://app.example/",
        "javascript://app.example/%0aalert(1)",
        "data:text/html,x",
        " https://app.example/",
        "https://app.example/\r\nSet-Cookie: a=b",
        "https://app.example/\t",
        "https://\u0430pp.example/",
        "https://app.example/ü",
        "https://app.example/#code=x",
        "http://localhost:8000:80/",
        "http://localhost:x/",
        "http://localhost:123456/",
        "http://localhost:80@evil.example/",
        "http://localhost/",
        "https://app.example/" + "x" * 500,
    ],
)
async def test_nobody_is_sent_elsewhere(browser: Browser, return_to: str) -> None:
    started = await browser.start(return_to=return_to)
    assert (started.status_code, "location" in started.headers) == (400, False)
    assert "set-cookie" not in started.headers
    with pytest.raises(AppError):
        check_return(return_to, [FRONT, "http://localhost:*"])


async def test_return_addresses_that_are_allowed(browser: Browser) -> None:
    for return_to in (FRONT, f"{FRONT}/", f"{FRONT}?a=b", f"{BACK}/x?y=//z@w:8", "http://localhost:5173/a"):
        assert (await browser.start(return_to=return_to)).status_code == 303
    given = await browser.arrive(await browser.visit(await browser.start(return_to=f"{BACK}?tab=1")))
    assert set(told(given)) == {"tab", "code"}


async def test_what_a_start_must_have(browser: Browser) -> None:
    for given in (
        {"challenge": ""},
        {"challenge": "short"},
        {"challenge": "ä" * 43},
        {"ticket": "made-up"},
        {"challenge": "=" * 43},
    ):
        assert (await browser.start(**given)).status_code == 400
    assert (await browser.http.get("/auth/local/start?ticket=made-up-by-somebody")).status_code == 400
    twice = f"/auth/local/start?return_to={BACK}&return_to=https://evil.example&challenge={browser.challenge}"
    assert (await browser.http.get(twice)).status_code == 400
    for path in ("/auth/unknown/start", "/auth/unknown/callback", "/auth/%2e%2e/start"):
        assert (await browser.http.get(path)).status_code == 404


async def assert_stranded(browser: Browser, address: str) -> None:
    """No redirect, no code, and not a word of what was sent."""
    answer = await browser.arrive(address)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("This sign-in is over")


async def test_a_state_is_good_in_its_browser_once(site: Api, browser: Browser, provider: TestProvider) -> None:
    address = await browser.visit(await browser.start())
    async with another(site) as mallory:
        await assert_stranded(mallory, address)  # the victim's address in another browser
        mine = await mallory.visit(await mallory.start())
        state, stolen = (parse_qs(urlsplit(each).query) for each in (mine, address))
        await assert_stranded(mallory, mine.replace(state["state"][0], stolen["state"][0]))
        await assert_stranded(browser, mine)  # forced sign-in: the attacker's address in the victim's browser
    assert provider.hits["/token"] == 0
    assert "code" in told(await browser.arrive(address))
    await assert_stranded(browser, address)
    for forged in (address.replace("state=", "state=x"), address.replace("state=", "status="), f"{address}&state=again"):
        await assert_stranded(browser, forged)
    await assert_stranded(browser, "/auth/local/callback")


async def test_of_twenty_at_once_one_gets_through(browser: Browser) -> None:
    address = await browser.visit(await browser.start())
    answers = await asyncio.gather(*(browser.arrive(address) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [303, *[400] * 19]


async def test_another_providers_door_is_no_way_in(browser: Browser) -> None:
    address = await browser.visit(await browser.start("local"))
    await assert_stranded(browser, address.replace("/auth/local/", "/auth/careless/"))


async def test_what_takes_too_long_is_over(site: Api, browser: Browser) -> None:
    address, late = await browser.visit(await browser.start()), "UPDATE core.sign_in SET expires_at = now() - interval '1 s'"
    async with site.database.connect() as admin:
        await admin.execute(late)
        await assert_stranded(browser, address)
        given = await browser.journey()
        await admin.execute(late)
        assert (await browser.complete(given)).code == "UNAUTHENTICATED"
        for _ in range(3):
            await browser.start()
        assert await admin.fetchval("SELECT count(*) FROM core.sign_in WHERE expires_at < now()") == 0


async def test_a_code_is_good_once_and_with_its_verifier(site: Api, browser: Browser) -> None:
    given = await browser.journey()
    assert (await browser.complete(given)).data
    assert (await browser.complete(given)).code == "UNAUTHENTICATED"
    given = await browser.journey()
    for verifier in ("", "x", secrets.token_urlsafe(32), browser.challenge, "x" * 10_000):
        answer = await site(COMPLETE, {"returnCode": given["code"], "verifier": verifier})
        assert answer.code == "UNAUTHENTICATED"
    assert (await browser.complete(given)).code == "UNAUTHENTICATED", "a wrong guess uses it up"
    given = await browser.journey()
    answers = await asyncio.gather(*(browser.complete(given) for _ in range(10)))
    assert sorted("errors" in answer.body for answer in answers) == [False, *[True] * 9]
    for made_up in ("", "x", secrets.token_urlsafe(32), "\0", "ä" * 40):
        assert (await browser.complete({"code": made_up})).code == "UNAUTHENTICATED"


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


async def link(api: Api, browser: Browser, token: str, name: str = "local") -> Answer:
    """Ask for a link, go where it leads, and end it."""
    given = {"provider": name, "returnTo": BACK, "challenge": browser.challenge}
    url = (await api(LINK, given, token=token)).data["prepareLink"]["url"]
    back = told(await browser.arrive(await browser.visit(await browser.http.get(url))))
    return await api(COMPLETE_LINK, {"returnCode": back["code"], "verifier": browser.verifier}, token=token)


async def test_the_first_proof_of_an_address_is_for_its_owner_alone(
    site: Api, browser: Browser, provider: TestProvider
) -> None:
    """A careless provider's person took the address of another, who then resets the password by mail."""
    thief = await viewer(site, await browser.sign_in("careless"))
    token = secrets.token_urlsafe(32)
    async with site.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.email_token (account_id, kind, email, token_hash) SELECT id, 'PASSWORD_RESET', email, $2"
            " FROM core.account WHERE email = $1",
            provider.person["email"],
            hashlib.sha256(token.encode()).digest(),
        )
    resetting = "mutation ($input: ResetPasswordInput!) { resetPassword(input: $input) { tokens { accessToken } } }"
    answer = await site(resetting, {"input": {"token": token, "password": secrets.token_urlsafe(20)}})
    access = answer.data["resetPassword"]["tokens"]["accessToken"]
    assert (await site(VIEWER, token=access)).data["viewer"]["workspace"] == thief["workspace"]
    assert (await browser.sign_in("careless")).code == "ADDRESS_TAKEN"
    first = (await link(site, browser, access)).data["completeLink"]["identity"]
    assert (await site(UNLINK, {"id": first["id"]}, token=access)).data, "a password is a way to sign in"


async def test_a_person_links_and_unlinks(site: Api, browser: Browser, provider: TestProvider) -> None:
    person = await site.person("linking")
    first = (await link(site, browser, person.token)).data["completeLink"]["identity"]
    assert (first["issuer"], first["subject"]) == (provider.url, provider.person["sub"])
    assert (await link(site, browser, person.token)).data["completeLink"]["identity"] == first
    assert (await viewer(site, await browser.sign_in()))["workspace"]["id"] == person.workspace
    assert (await site(UNLINK, {"id": first["id"]}, token=person.token)).code == "LAST_WAY_IN"
    other = await site.person("other")
    assert (await link(site, browser, other.token)).code == "IDENTITY_TAKEN"
    assert (await site(UNLINK, {"id": first["id"]}, token=other.token)).code == "NOT_FOUND"
    provider.person["sub"] = "a second one"
    second = (await link(site, browser, person.token)).data["completeLink"]["identity"]
    answers = await asyncio.gather(*(site(UNLINK, {"id": each["id"]}, token=person.token) for each in (first, second)))
    assert sorted(answer.code if "errors" in answer.body else "" for answer in answers) == ["", "LAST_WAY_IN"]
    identities = (await site(IDENTITIES, token=person.token)).data["viewer"]["identities"]
    own = next(each for each in identities if each["issuer"] == "fivefold")
    assert len(identities) == 2
    assert (await site(UNLINK, {"id": own["id"]}, token=person.token)).code == "BAD_INPUT"


async def test_who_lures_another_browser_into_a_link_gains_nothing(site: Api, browser: Browser, provider: TestProvider) -> None:
    """The victim opens the attacker's address, signed in at the provider: the code comes to the victim's front end, which has
    no verifier for it, and is nobody's to sign in with; of the attacker's front end it never comes to be known."""
    mallory = await site.person("mallory")
    async with another(site) as attacker:
        given = {"provider": "local", "returnTo": BACK, "challenge": attacker.challenge}
        url = (await site(LINK, given, token=mallory.token)).data["prepareLink"]["url"]
        back = told(await browser.arrive(await browser.visit(await browser.http.get(url))))
        assert (await browser.complete(back)).code == "UNAUTHENTICATED"
        late = {"returnCode": back["code"], "verifier": attacker.verifier}
        assert (await site(COMPLETE_LINK, late, token=mallory.token)).code == "BAD_INPUT"
    async with site.database.connect() as admin:
        query = "SELECT count(*) FROM core.identity WHERE subject = $1"
        assert await admin.fetchval(query, provider.person["sub"]) == 0


async def test_a_link_is_its_starters(site: Api, browser: Browser) -> None:
    person, other = await site.person("starter"), await site.person("finisher")
    given = {"provider": "local", "returnTo": BACK, "challenge": browser.challenge}
    url = (await site(LINK, given, token=person.token)).data["prepareLink"]["url"]
    again = (await site(LINK, given, token=person.token)).data["prepareLink"]["url"]
    assert (await browser.http.get(url)).status_code == 400, "the newer one took its place"
    back = told(await browser.arrive(await browser.visit(await browser.http.get(again))))
    assert (await browser.http.get(again)).status_code == 400
    values = {"returnCode": back["code"], "verifier": browser.verifier}
    assert (await site(COMPLETE_LINK, values, token=other.token)).code == "BAD_INPUT"
    for wrong in ({"provider": "unknown"}, {"returnTo": "https://evil.example"}, {"challenge": "x"}):
        assert (await site(LINK, given | wrong, token=person.token)).code == "BAD_INPUT"
    assert (await site(LINK, given)).code == "UNAUTHENTICATED"
