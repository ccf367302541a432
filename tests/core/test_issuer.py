"""Tokens of other issuers: who comes with one for the first time has an account, and forgers do not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.kit import jwks
from app.kit.jwks import IssuerConfig
from tests.conftest import Answer, Api, Database, copy_of
from tests.core.test_identity import VIEWER, assert_refused
from tests.factory.kit import serving
from tests.factory.provider import AUDIENCE, SigningKey, TestProvider, running
from tests.factory.session import sign_in

OTHER_ISSUER = "https://issuer.example"


@pytest.fixture(scope="module")
def provider() -> Iterator[TestProvider]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
async def trusting(server: Any, template: str, jwt_key: Path, provider: TestProvider) -> AsyncIterator[Api]:
    """The API, which takes the issuer's tokens but not its word for whose an address is."""
    issuers = [
        IssuerConfig(issuer=provider.url, audience=[AUDIENCE], algorithm="ES256"),
        IssuerConfig(
            issuer=OTHER_ISSUER, audience=[AUDIENCE], algorithm="ES256", jwks_url=f"{provider.url}/jwks", trust_email=True
        ),
    ]
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, issuers=issuers) as api:
            yield api


@pytest.fixture(autouse=True)
def fresh(provider: TestProvider) -> None:
    provider.reset()


async def test_the_first_sight_makes_an_account(trusting: Api, provider: TestProvider) -> None:
    token = provider.token()
    seen = (await trusting(VIEWER, token=token)).data["viewer"]
    assert (seen["role"], seen["curator"], seen["account"]["email"]) == ("OWNER", False, provider.person["email"])
    again = (await trusting(VIEWER, token=provider.token())).data["viewer"]
    assert again == seen
    identities = (await trusting("{ viewer { identities { issuer subject } } }", token=token)).data["viewer"]["identities"]
    assert {"issuer": provider.url, "subject": provider.person["sub"]} in identities
    told = (await trusting("{ auditEvents(first: 5) { edges { node { action detail } } } }", token=token)).data
    (signed,) = [edge["node"]["detail"] for edge in told["auditEvents"]["edges"] if edge["node"]["action"] == "SIGN_IN"]
    assert (signed["outcome"], signed["issuer"]) == ("CREATED", provider.url)


async def test_twenty_first_sights_at_once_make_one_account(trusting: Api, provider: TestProvider) -> None:
    tokens = [provider.token({"jti": str(number)}) for number in range(20)]
    answers = await asyncio.gather(*(trusting(VIEWER, token=token) for token in tokens))
    assert len({answer.data["viewer"]["account"]["id"] for answer in answers}) == 1


async def test_two_people_with_one_address_are_not_one(trusting: Api, provider: TestProvider) -> None:
    """At once, so that both may believe to be the first."""
    answers = await asyncio.gather(*(trusting(VIEWER, token=provider.token({"sub": f"both {n}"})) for n in range(8)))
    assert sorted(answer.body.get("errors", [{}])[0].get("extensions", {}).get("code", "") for answer in answers) == [
        "",
        *["ADDRESS_TAKEN"] * 7,
    ]


async def test_what_a_token_may_not_say_of_itself(trusting: Api, provider: TestProvider) -> None:
    """Scopes, workspaces and sessions of ours are not another issuer's to give or to end."""
    ada = await trusting.person("ada")
    answer = await trusting(VIEWER, token=provider.token({"scope": "nothing", "workspace": str(ada.workspace_id), "sid": "x"}))
    assert answer.data["viewer"]["account"]["email"] == provider.person["email"]
    assert answer.data["viewer"]["workspace"]["id"] != ada.workspace


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"email": None}, "names no e-mail address"),
        ({"email": "no address"}, "names no e-mail address"),
        ({"email": "a@b\n.example"}, "names no e-mail address"),
        ({"email": "a" * 250 + "@example.com"}, "names no e-mail address"),
        ({"email": ["a@example.com"]}, "names no e-mail address"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": None}, "not verified"),
        ({"email_verified": "true"}, "not verified"),
        ({"email_verified": 1}, "not verified"),
    ],
)
async def test_no_account_without_an_address_that_counts(
    trusting: Api, provider: TestProvider, claims: dict[str, Any], sentence: str
) -> None:
    answer = await trusting(VIEWER, token=provider.token(claims))
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert sentence in answer.body["errors"][0]["message"]


async def test_names_are_made_fit(trusting: Api, provider: TestProvider) -> None:
    name = "{ viewer { account { displayName } } }"
    for stated, shown in (("  \u202eEve\0\n ", "Eve"), ("x" * 900, "x" * 200), ("", None), (["x"], None), (None, None)):
        provider.reset()
        answer = await trusting(name, token=provider.token({"name": stated}))
        expected = provider.person["email"].partition("@")[0] if shown is None else shown
        assert answer.data["viewer"]["account"]["displayName"] == expected


async def test_an_address_that_is_somebodys_is_not_merged(trusting: Api, provider: TestProvider) -> None:
    ada = await trusting.person("ada")
    answer = await trusting(VIEWER, token=provider.token({"email": ada.email.upper()}))
    assert (answer.status, answer.code) == (403, "ADDRESS_TAKEN")
    assert ada.email not in json.dumps(answer.body)


async def test_a_trusted_issuer_opens_the_account_of_a_proven_address(trusting: Api, provider: TestProvider) -> None:
    ada = await trusting.person("proven")
    async with trusting.database.connect() as admin:
        await admin.execute("UPDATE core.account SET email_verified_at = now() WHERE id = $1", ada.account_id)
    theirs = await sign_in(trusting, ada)
    token = provider.token({"iss": OTHER_ISSUER, "email": ada.email})
    assert (await trusting(VIEWER, token=token)).data["viewer"]["workspace"]["id"] == ada.workspace
    assert (await trusting(VIEWER, token=theirs.access_token)).data
    unverified = provider.token({"iss": OTHER_ISSUER, "email": ada.email, "email_verified": False, "sub": "mallory"})
    assert (await trusting(VIEWER, token=unverified)).code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "other", ["{}", "\u212aeno@example.com", "keno@example.com\u212a", "keno@\uff45xample.com", "keno@example\uff0ecom"]
)
async def test_an_address_that_only_looks_like_another_opens_nothing(trusting: Api, provider: TestProvider, other: str) -> None:
    """The Kelvin sign is another character than K, until it is made small: then its mailbox would be somebody else's."""
    keno = await trusting.person("keno")
    token = provider.token({"iss": OTHER_ISSUER, "email": other.format(keno.email)})
    answer = await trusting(VIEWER, token=token)
    if other == "{}":
        assert answer.data["viewer"]["workspace"]["id"] == keno.workspace, "the address itself does"
    else:
        assert answer.codes or answer.data["viewer"]["workspace"]["id"] != keno.workspace


async def test_who_proves_an_address_gets_an_account_that_nobody_else_can_enter(trusting: Api, provider: TestProvider) -> None:
    """Somebody made it in the owner's name, and left ways in: a session, a key, an identity of a careless issuer."""
    made = await trusting.person("hijacked")
    thief = await sign_in(trusting, made)
    asked = 'mutation { createApiKey(input: {name: "back door", scopes: ["privacy:read"]}) { createdApiKey: secret } }'
    key = (await trusting(asked, token=thief.access_token)).data["createApiKey"]["createdApiKey"]
    async with trusting.database.connect() as admin:
        insert = "INSERT INTO core.identity (account_id, issuer, subject) VALUES ($1, $2, 'thief')"
        await admin.execute(insert, made.account_id, provider.url)
    back_door = provider.token({"sub": "thief"})
    assert (await trusting(VIEWER, token=back_door)).data["viewer"]["workspace"]["id"] == made.workspace
    owner = provider.token({"iss": OTHER_ISSUER, "email": made.email})
    assert (await trusting(VIEWER, token=owner)).data["viewer"]["workspace"]["id"] == made.workspace
    for token in (thief.access_token, key):
        assert (await trusting(VIEWER, token=token)).code == "UNAUTHENTICATED"
    other = await trusting(VIEWER, token=back_door)
    assert other.data["viewer"]["workspace"]["id"] != made.workspace
    refresh = "mutation ($t: String!) { refreshSession(input: {refreshToken: $t}) { tokens { accessToken } } }"
    assert (await trusting(refresh, {"t": thief.refresh_token})).code == "UNAUTHENTICATED"


def _part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


def _raw(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return f"{'.'.join(parts)}.{base64.urlsafe_b64encode(sign('.'.join(parts).encode())).rstrip(b'=').decode()}"


def hmac_with_public_key(provider: TestProvider) -> str:
    """The oldest trick: the public key is known to all."""
    pem = provider.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = provider.token()
    header = _part(good, 0) | {"alg": "HS256"}
    return _raw(header, _part(good, 1), lambda message: hmac.digest(pem, message, hashlib.sha256))


def own_key(provider: TestProvider, name: str) -> str:
    """A token that brings the key that it is signed with."""
    mallory = SigningKey.new("one")
    brought = mallory.jwk() if name == "jwk" else "https://mallory.example/jwks"
    return mallory.sign(_part(provider.token(), 1), {name: brought})


NOW = int(time.time())
FORGERIES: dict[str, Callable[[TestProvider], str]] = {
    "padded": lambda p: p.token() + "==",
    "alg none": lambda p: p.token(header={"alg": "none"}).rpartition(".")[0] + ".",
    "alg none with a signature": lambda p: p.token(header={"alg": "none"}),
    "HS256 by the public key": hmac_with_public_key,
    "another algorithm's name": lambda p: p.token(header={"alg": "RS256"}),
    "EdDSA's name": lambda p: p.token(header={"alg": "EdDSA"}),
    "alg left out": lambda p: p.token(header={"alg": None}),
    "another key by the same name": lambda p: SigningKey.new("one").sign(_part(p.token(), 1)),
    "brings its key": lambda p: own_key(p, "jwk"),
    "says where its key is": lambda p: own_key(p, "jku"),
    "says where its certificate is": lambda p: own_key(p, "x5u"),
    "brings its certificate": lambda p: own_key(p, "x5c"),
    "critical extension": lambda p: p.token(header={"crit": ["x"], "x": 1}),
    "unknown key": lambda p: p.token(header={"kid": "two"}),
    "key's name is a number": lambda p: p.token(header={"kid": 1}),
    "a logout token": lambda p: p.token(header={"typ": "logout+jwt"}),
    "a logout token by its claims": lambda p: p.token({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
    "bound to a key of its holder": lambda p: p.token({"cnf": {"jkt": "x"}}),
    "type is a number": lambda p: p.token(header={"typ": 1}),
    "another audience": lambda p: p.token({"aud": "another-app"}),
    "no audience": lambda p: p.token({"aud": None}),
    "expired": lambda p: p.token({"exp": NOW - 300}),
    "no expiry": lambda p: p.token({"exp": None}),
    "expiry is no number": lambda p: p.token({"exp": "tomorrow"}),
    "not yet": lambda p: p.token({"nbf": NOW + 3000}),
    "made in the future": lambda p: p.token({"iat": NOW + 3000}),
    "no time of making": lambda p: p.token({"iat": None}),
    "no subject": lambda p: p.token({"sub": None}),
    "empty subject": lambda p: p.token({"sub": ""}),
    "subject is a number": lambda p: p.token({"sub": 7}),
    "subject with NUL": lambda p: p.token({"sub": "a\0b"}),
    "long subject": lambda p: p.token({"sub": "x" * 401}),
    "an issuer that nobody named": lambda p: p.token({"iss": "https://mallory.example"}),
    "issuer with a slash more": lambda p: p.token({"iss": f"{p.url}/"}),
    "issuer is a list": lambda p: p.token({"iss": [p.url]}),
    "issuer is ours": lambda p: p.token({"iss": "fivefold", "aud": "fivefold-api"}),
    "one byte too long": lambda p: p.token({"x": "x" * 8192}),
}


@pytest.mark.parametrize("forged", FORGERIES)
async def test_a_forged_token_is_refused(trusting: Api, provider: TestProvider, forged: str) -> None:
    assert_refused(await trusting(VIEWER, token=FORGERIES[forged](provider)))


async def test_the_forge_makes_good_tokens_too(trusting: Api, provider: TestProvider) -> None:
    for token in (
        provider.token({"aud": [AUDIENCE, "other"]}, {"typ": "at+jwt"}),
        provider.token(header={"typ": None}),
        provider.token({"exp": int(time.time()) - 10}),
    ):
        assert (await trusting(VIEWER, token=token)).data


async def test_the_tokens_of_one_issuer_are_not_anothers(trusting: Api, provider: TestProvider) -> None:
    """The same subject of two issuers is two people, be the keys the same."""
    token, other = provider.token(), provider.token({"iss": OTHER_ISSUER, "email": "other@example.com"})
    ids = {(await trusting(VIEWER, token=each)).data["viewer"]["account"]["id"] for each in (token, other)}
    assert len(ids) == 2


async def test_a_verified_token_is_remembered_but_not_past_its_end(
    trusting: Api, provider: TestProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = provider.token({"exp": int(time.time()) + 20})
    assert (await trusting(VIEWER, token=token)).data
    clock = time.time
    monkeypatch.setattr("app.kit.jwks.time.time", lambda: clock() + 15)
    monkeypatch.setattr(jwks, "verify", None)  # so that it must come from memory
    assert (await trusting(VIEWER, token=token)).data

    async def asked_again(*_: Any, **__: Any) -> Any:
        raise jwks.refused()

    monkeypatch.setattr(jwks, "verify", asked_again)
    monkeypatch.setattr("app.kit.jwks.time.time", lambda: clock() + 25)
    assert_refused(await trusting(VIEWER, token=token))


async def test_authorized_parties_stand_for_an_audience(database: Database, jwt_key: Path, provider: TestProvider) -> None:
    """Clerk's session tokens have no audience; they name the page that they are for."""
    page = "https://app.example"
    issuers = [IssuerConfig(issuer=provider.url, authorized_parties=[page], algorithm="ES256")]
    async with serving(database, jwt_key, issuers=issuers) as api:
        assert (await api(VIEWER, token=provider.token({"aud": None, "azp": page}))).data
        for azp in (None, "https://mallory.example", [page], f"{page}/"):
            assert_refused(await api(VIEWER, token=provider.token({"aud": None, "azp": azp})))


async def test_claims_have_names_of_their_own(database: Database, jwt_key: Path, provider: TestProvider) -> None:
    issuer = IssuerConfig(
        issuer=provider.url,
        audience=[AUDIENCE],
        algorithm="ES256",
        email_claim="https://app.example/email",
        email_verified_claim=["user", "verified"],
        name_claim=["user", "name", "full"],
    )
    claims = {"https://app.example/email": "dotted@example.com", "user": {"verified": True, "name": {"full": "Dot"}}}
    async with serving(database, jwt_key, issuers=[issuer]) as api:
        answer = await api("{ viewer { account { email displayName } } }", token=provider.token(claims))
        assert answer.data["viewer"]["account"] == {"email": "dotted@example.com", "displayName": "Dot"}


async def test_keys_that_cannot_be_read_are_the_issuers_fault(
    database: Database, jwt_key: Path, provider: TestProvider
) -> None:
    """And nobody else's: our own tokens go on, and who asks is told to try again."""
    issuers = [IssuerConfig(issuer=provider.url, audience=[AUDIENCE], algorithm="ES256")]
    provider.description = {"issuer": "https://mallory.example"}
    async with serving(database, jwt_key, issuers=issuers) as api:
        answers: list[Answer] = [await api(VIEWER, token=provider.token()) for _ in range(3)]
        assert {(answer.status, answer.code) for answer in answers} == {(503, "UNAVAILABLE")}
        assert provider.hits["/.well-known/openid-configuration"] == 1
        assert (await api(VIEWER, token=(await api.person()).token)).data


async def test_people_of_the_command_line_sign_in_as_before(trusting: Api) -> None:
    person = await trusting.person("own")
    assert (await trusting(VIEWER, token=person.token)).data["viewer"]["account"]["email"] == person.email
