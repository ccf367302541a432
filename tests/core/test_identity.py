"""Who is calling: tokens, API keys and the workspace header, as an attacker would send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from app.core.identity import Callers
from app.kit.context import SYSTEM_ID
from app.kit.db import Db
from app.kit.graphql import global_id
from tests.conftest import Answer, Api
from tests.factory.kit import pool_of
from tests.factory.session import sign_in

VIEWER = "{ viewer { role curator workspace { id } account { id email } } }"
HOUR = timedelta(hours=1)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Forge:
    """Makes tokens by hand: everything that is not said otherwise is as in a good one."""

    def __init__(self, path: Path, good: str) -> None:
        key = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        self.key = key
        self.header: dict[str, Any] = jwt.get_unverified_header(good)
        self.claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})

    def __call__(
        self,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        *,
        without: str = "",
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """A token with these header parameters and claims; ``without`` names one of either to be left out."""
        parts = [self.header | (header or {}), self.claims | (claims or {})]
        for part in parts:
            part.pop(without, None)
        return self.raw(*(json.dumps(part).encode() for part in parts), sign=sign)

    def raw(self, header: bytes, claims: bytes, *, sign: Callable[[bytes], bytes] | None = None) -> str:
        """A token of these bytes."""
        signed = f"{encoded(header)}.{encoded(claims)}"
        return f"{signed}.{encoded((sign or self.key.sign)(signed.encode()))}"

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
async def forge(shared: Api, jwt_key: Path) -> Forge:
    return Forge(jwt_key, (await shared.person("ada")).token)


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def assert_refused(answer: Answer) -> None:
    """401, one error, and not a word of why the library refused."""
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "data" not in answer.body
    message = answer.body["errors"][0]["message"]
    assert message in ("This token is not valid.", "This token has expired. Get a new one.", "This token is too long.")


def without(claim: str) -> Callable[[Forge], str]:
    return lambda forge: forge(without=claim)


NOW = int(time.time())
FORGERIES: dict[str, Callable[[Forge], str]] = {
    "expired": lambda f: f(claims={"exp": NOW - 1}),
    "expired long ago": lambda f: f(claims={"exp": 0}),
    "expiry is a word": lambda f: f(claims={"exp": "tomorrow"}),
    "expiry is null": lambda f: f(claims={"exp": None}),
    "expiry is infinite": lambda f: f(claims={"exp": float("inf")}),
    "expiry is no number": lambda f: f(claims={"exp": float("nan")}),
    "issued tomorrow": lambda f: f(claims={"iat": NOW + 86_400}),
    "not valid before tomorrow": lambda f: f(claims={"nbf": NOW + 86_400}),
    "other issuer": lambda f: f(claims={"iss": "https://evil.example"}),
    "issuer in other case": lambda f: f(claims={"iss": "FIVEFOLD"}),
    "list of issuers": lambda f: f(claims={"iss": ["fivefold"]}),
    "other audience": lambda f: f(claims={"aud": "fivefold"}),
    "no audience in a list": lambda f: f(claims={"aud": []}),
    "other audiences": lambda f: f(claims={"aud": ["a", "b"]}),
    "audience is a number": lambda f: f(claims={"aud": 1}),
    "subject is a number": lambda f: f(claims={"sub": 1}),
    "subject is null": lambda f: f(claims={"sub": None}),
    **{f"without {claim}": without(claim) for claim in ("iss", "aud", "sub", "iat", "exp", "kid", "alg")},
    "workspace is no uuid": lambda f: f(claims={"workspace": "mine"}),
    "workspace is a number": lambda f: f(claims={"workspace": 1}),
    "workspace is a list": lambda f: f(claims={"workspace": []}),
    "scope is a number": lambda f: f(claims={"scope": 1}),
    "scope is a list": lambda f: f(claims={"scope": ["privacy:read"]}),
    "issued in the future": lambda f: f(claims={"iat": NOW + 600}),
    "session is no uuid": lambda f: f(claims={"sid": "mine"}),
    "session is a number": lambda f: f(claims={"sid": 1}),
    "session is a list": lambda f: f(claims={"sid": [str(uuid4())]}),
    "session is an object": lambda f: f(claims={"sid": {"id": str(uuid4())}}),
    "session is empty": lambda f: f(claims={"sid": ""}),
    "alg none": lambda f: f({"alg": "none"}, sign=lambda _: b""),
    "alg None": lambda f: f({"alg": "None"}, sign=lambda _: b""),
    "alg none, signed": lambda f: f({"alg": "none"}),
    "alg empty": lambda f: f({"alg": ""}),
    "alg a list": lambda f: f({"alg": ["EdDSA"]}),
    "alg in other case": lambda f: f({"alg": "eddsa"}),
    "HS256 with the public key": lambda f: f({"alg": "HS256"}, sign=hs256(f.public)),
    "HS256 with the public key's PEM": lambda f: f({"alg": "HS256"}, sign=hs256(f.public_pem)),
    "HS256 called EdDSA": lambda f: f(sign=hs256(f.public)),
    "RS256": lambda f: f({"alg": "RS256"}),
    "no signature": lambda f: f(sign=lambda _: b""),
    "signature of zeros": lambda f: f(sign=lambda _: bytes(64)),
    "signature of another key": lambda f: f(sign=Ed25519PrivateKey.generate().sign),
    "signature of other words": lambda f: f(sign=lambda _: f.key.sign(b"other words")),
    "unknown kid": lambda f: f({"kid": "unknown"}),
    "kid of a file": lambda f: f({"kid": "../../../dev/null"}),
    "kid is a number": lambda f: f({"kid": 1}),
    "kid is null": lambda f: f({"kid": None}),
    "brings its key": lambda f: f({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": encoded(f.public)}}),
    "says where its key is": lambda f: f({"jku": "https://evil.example/keys"}),
    "says where its certificate is": lambda f: f({"x5u": "https://evil.example/cert"}),
    "brings its certificate": lambda f: f({"x5c": ["AAAA"]}),
    "critical extension": lambda f: f({"crit": ["b64"], "b64": False}),
    "unencoded payload": lambda f: f({"b64": False, "crit": ["b64"]}),
    "more than 8 KiB": lambda f: f(claims={"more": "x" * 8192}),
    "header is a list": lambda f: f.raw(b"[]", b"{}"),
    "header is no JSON": lambda f: f.raw(b"{", b"{}"),
    "header not UTF-8": lambda f: f.raw(b'{"alg": "\xff"}', b"{}"),
    "header deeply nested": lambda f: f.raw(b"[" * 2500 + b"]" * 2500, b"{}"),
    "header with a huge number": lambda f: f.raw(b'{"alg": ' + b"1" * 5500 + b"}", b"{}"),
    "payload is a list": lambda f: f.raw(json.dumps(f.header).encode(), b"[]"),
    "payload is no JSON": lambda f: f.raw(json.dumps(f.header).encode(), b"no"),
    "payload deeply nested": lambda f: f.raw(json.dumps(f.header).encode(), b"[" * 2000 + b"]" * 2000),
    "expiry with too many digits": lambda f: f.raw(json.dumps(f.header).encode(), b'{"exp": ' + b"9" * 5000 + b"}"),
    "one part": lambda f: f().split(".")[0],
    "two parts": lambda f: f().rpartition(".")[0],
    "four parts": lambda f: f() + ".AAAA",
    "five parts": lambda f: f() + ".AAAA.AAAA",
    "only dots": lambda f: "..",
    "a word": lambda f: "token",
    "a token and a word": lambda f: f() + " x",
    "two tokens": lambda f: f"{f()},{f()}",
    "payload of one, signature of another": lambda f: (
        f(claims={"sub": str(uuid4())}).rpartition(".")[0] + "." + f().split(".")[2]
    ),
}


@pytest.mark.parametrize("forged", FORGERIES)
async def test_a_forged_token_is_refused(shared: Api, forge: Forge, forged: str) -> None:
    assert_refused(await shared(VIEWER, token=FORGERIES[forged](forge)))


async def test_the_forge_makes_good_tokens_too(shared: Api, forge: Forge) -> None:
    """Or the refusals above would prove nothing."""
    ada = await shared.person("ada")
    listed = forge(claims={"aud": ["other", "fivefold-api"], "jti": "1", "more": {"x": [1]}})
    for token in (forge(), listed):
        assert (await shared(VIEWER, token=token)).data["viewer"]["account"]["email"] == ada.email


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer    ",
        "Basic YWRhOnNlY3JldA==",
        "Token {}",
        "{}",
        "Bearer{}",
        "Bearer\t{}",
        ": Bearer {}",
    ],
)
async def test_without_a_bearer_there_is_no_caller(shared: Api, sent: str) -> None:
    ada = await shared.person("ada")
    answer = await shared(VIEWER, authorization=sent.format(ada.token))
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_no_header_at_all_is_no_caller(shared: Api) -> None:
    answer = await shared(VIEWER)
    assert (answer.status, answer.code, "data" in answer.body) == (401, "UNAUTHENTICATED", False)


async def test_characters_beyond_ascii_are_refused(shared: Api) -> None:
    for value in (b"Bearer \xff\xfe", "Bearer tökén".encode(), b"Bearer ffk_\xe9"):
        answer = await shared.http.post("/graphql", json={"query": VIEWER}, headers={b"Authorization": value})
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("sent", ["bearer {}", "BEARER {}", "Bearer  {}", "Bearer {} "])
async def test_the_scheme_may_be_written_as_one_likes(shared: Api, sent: str) -> None:
    ada = await shared.person("ada")
    made = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"]}) { secret } }'
    secret = (await shared(made, token=ada.token)).data["createApiKey"]["secret"]
    for token in (ada.token, secret):
        assert (await shared("{ platforms { edges { cursor } } }", authorization=sent.format(token))).data


async def test_a_token_of_nobody_is_refused(shared: Api, forge: Forge) -> None:
    ada = await shared.person("ada")
    strangers = [str(uuid4()), str(ada.account_id).upper(), f" {ada.account_id}", "", "x" * 5000, "a'; DROP TABLE x; --"]
    for subject in strangers:
        answer = await shared(VIEWER, token=forge(claims={"sub": subject}))
        assert (answer.status, answer.code, subject) == (401, "UNAUTHENTICATED", subject)


async def test_a_session_that_is_none_or_somebody_elses_is_refused(shared: Api, forge: Forge) -> None:
    """The claim is signed, so only a key of ours could write it; it is looked up all the same."""
    ada, ben = await shared.person("ada"), await shared.person("ben")
    foreign = jwt.decode((await sign_in(shared, ben)).access_token, options={"verify_signature": False})["sid"]
    own = jwt.decode((await sign_in(shared, ada)).access_token, options={"verify_signature": False})["sid"]
    for sid in (str(uuid4()), str(SYSTEM_ID), str(ada.account_id), foreign):
        answer = await shared(VIEWER, token=forge(claims={"sid": sid}))
        assert (answer.status, answer.code) == (401, "UNAUTHENTICATED"), sid
    for sid in (own, own.upper(), None):
        assert (await shared(VIEWER, token=forge(claims={"sid": sid}))).data, sid


async def test_a_subject_with_nul_is_no_accident(shared: Api, forge: Forge) -> None:
    answer = await shared(VIEWER, token=forge(claims={"sub": "a\0b"}))
    assert answer.code in ("UNAUTHENTICATED", "BAD_INPUT")


async def test_a_token_means_the_personal_workspace(shared: Api) -> None:
    ada = await shared.person("ada")
    viewer = (await shared(VIEWER, token=ada.token)).data["viewer"]
    assert viewer == {
        "role": "OWNER",
        "curator": False,
        "workspace": {"id": ada.workspace},
        "account": {"id": global_id("Account", str(ada.account_id)), "email": ada.email},
    }


async def test_the_workspace_header_names_one_of_ours(shared: Api) -> None:
    ada, ben = await shared.person("ada"), await shared.person("ben")
    assert (await shared(VIEWER, token=ada.token, fivefold_workspace=ada.workspace)).data
    refusals = []
    for other in (ben.workspace, global_id("Workspace", str(uuid4())), global_id("Workspace", str(SYSTEM_ID))):
        answer = await shared(VIEWER, token=ada.token, fivefold_workspace=other)
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
        refusals.append(answer.body)
    assert refusals[0] == refusals[1] == refusals[2], "one can tell which workspaces exist"


@pytest.mark.parametrize(
    "header",
    [
        "x",
        "%",
        "'; DROP TABLE core.workspace; --",
        str(UUID(int=7)),
        global_id("Account", str(UUID(int=7))),
        global_id("Workspace", "x"),
        global_id("Workspace", "{uuid}', true), set_config('fivefold.account_id', '"),
        global_id("Workspace", ""),
        "A" * 5000,
    ],
)
async def test_a_workspace_header_that_is_no_id_is_refused(shared: Api, header: str) -> None:
    ada = await shared.person("ada")
    answer = await shared(VIEWER, token=ada.token, fivefold_workspace=header)
    assert (answer.status, answer.code) == (400, "BAD_ID")
    assert answer.body["errors"][0]["extensions"]["field"] == "Fivefold-Workspace"


async def test_the_workspace_of_a_token_binds_it(shared: Api) -> None:
    ada, ben = await shared.person("ada"), await shared.person("ben")

    def signed(workspace_id: Any) -> str:
        return shared.keys.sign(str(ada.account_id), lifetime=HOUR, workspace_id=workspace_id)

    own = signed(ada.workspace_id)
    assert (await shared(VIEWER, token=own)).data["viewer"]["workspace"]["id"] == ada.workspace
    assert (await shared(VIEWER, token=own, fivefold_workspace=ada.workspace)).data
    for token, header in (
        (own, ben.workspace),
        (signed(ben.workspace_id), ben.workspace),
        (signed(ben.workspace_id), ada.workspace),
        (signed(ben.workspace_id), ""),
        (signed(uuid4()), ""),
        (signed(SYSTEM_ID), ""),
    ):
        answer = await shared(VIEWER, token=token, fivefold_workspace=header)
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_the_scopes_of_a_token_limit_it(shared: Api) -> None:
    cora = await shared.person("cora", curator=True)
    fields = {
        "viewer": VIEWER,
        "platforms": "{ platforms { edges { cursor } } }",
        "dashboard": "{ privacyDashboard { coverage } }",
        "link": """mutation { linkPlatform(input: {platformSlug: "none", label: "x", idempotencyKey: "1"}) { link { id } } }""",
        "activate": f'mutation {{ activateTemplate(id: "{global_id("Template", str(uuid4()))}") {{ template {{ id }} }} }}',
    }
    expected: dict[str, set[str]] = {
        "privacy:read": {"platforms", "dashboard"},
        "snapshots:write": {"platforms", "link"},
        "snapshots:write privacy:read": {"platforms", "dashboard", "link"},
        "": set(),
        "unknown:scope": set(),
        "PRIVACY:READ": set(),
        "privacy:read,snapshots:write": set(),
    }
    for scope, allowed in expected.items():
        token = shared.keys.sign(str(cora.account_id), lifetime=HOUR, scopes=scope.split())
        for name, document in fields.items():
            codes = (await shared(document, token=token)).codes
            assert ("FORBIDDEN" not in codes) == (name in allowed), (scope, name, codes)
    for name, document in fields.items():
        assert "FORBIDDEN" not in (await shared(document, token=cora.token)).codes, name


async def test_a_limited_token_of_a_curator_is_no_curators(shared: Api) -> None:
    cora = await shared.person("cora", curator=True)
    for scopes, curator in ((None, True), (["privacy:read", "snapshots:write"], False), ([], False)):
        db = Db(pool_of(shared), None, uuid4())
        token = shared.keys.sign(str(cora.account_id), lifetime=HOUR, scopes=scopes)
        actor = (await Callers(shared.keys).authenticate(db, f"Bearer {token}", None, anew=True)).actor
        await db.close()
        assert (actor.account_id, actor.curator) == (cora.account_id, curator)


async def test_a_person_who_leaves_is_out_at_once(shared: Api) -> None:
    ada, ben = await shared.person("ada"), await shared.person("ben")
    async with shared.database.connect() as admin:
        workspace_id = await admin.fetchval("INSERT INTO core.workspace (kind, name) VALUES ('organization', 'O') RETURNING id")
        for person, role in ((ada, "owner"), (ben, "viewer")):
            await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, person.account_id, role)
        organization = global_id("Workspace", str(workspace_id))
        answer = await shared(VIEWER, token=ben.token, fivefold_workspace=organization)
        assert answer.data["viewer"]["role"] == "VIEWER"
        await admin.execute("UPDATE core.member SET role = 'admin' WHERE workspace_id = $1 AND role = 'viewer'", workspace_id)
        answer = await shared(VIEWER, token=ben.token, fivefold_workspace=organization)
        assert answer.data["viewer"]["role"] == "ADMIN"
        await admin.execute("DELETE FROM core.member WHERE workspace_id = $1 AND account_id = $2", workspace_id, ben.account_id)
    assert (await shared(VIEWER, token=ben.token, fivefold_workspace=organization)).code == "NOT_FOUND"
    assert (await shared(VIEWER, token=ben.token)).data["viewer"]["role"] == "OWNER"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (VIEWER, {}),
        ("{ __typename }", {}),
        ("query($on: Boolean!) { __typename @skip(if: $on) }", {"on": "yes"}),
    ],
    ids=["reads", "asks-nothing", "is-wrong"],
)
async def test_an_account_that_is_gone_has_no_caller(shared: Api, text: str, variables: dict[str, Any]) -> None:
    dora = await shared.person(f"dora-{len(text)}")
    assert (await shared(VIEWER, token=dora.token)).data
    async with shared.database.connect() as admin:
        await admin.execute("DELETE FROM core.identity WHERE account_id = $1", dora.account_id)
    answer = await shared(text, variables, token=dora.token)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED"), "the token is remembered, the account is not"


async def test_who_was_known_is_let_in_no_moment_longer(shared: Api) -> None:
    """Remembered by this process, and changed behind its back: reads say so at once, and nothing is written."""
    ada, ben = await shared.person("ada"), await shared.person("ben")
    link = 'mutation { linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { label } } }'
    async with shared.database.connect() as admin:
        workspace_id = await admin.fetchval("INSERT INTO core.workspace (kind, name) VALUES ('organization', 'P') RETURNING id")
        for person, role in ((ada, "owner"), (ben, "member")):
            await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, person.account_id, role)
        organization = global_id("Workspace", str(workspace_id))
        for _ in range(2):  # the second time, he is remembered
            answer = await shared(link % (uuid4(), uuid4()), token=ben.token, fivefold_workspace=organization)
            assert answer.data["linkPlatform"]["link"]
        await admin.execute("UPDATE core.member SET role = 'viewer' WHERE workspace_id = $1 AND role = 'member'", workspace_id)
        answer = await shared(link % (uuid4(), uuid4()), token=ben.token, fivefold_workspace=organization)
        assert answer.code == "FORBIDDEN"
        await admin.execute("DELETE FROM core.member WHERE workspace_id = $1 AND account_id = $2", workspace_id, ben.account_id)
        answer = await shared(link % (uuid4(), uuid4()), token=ben.token, fivefold_workspace=organization)
        assert answer.code == "NOT_FOUND"
        assert await admin.fetchval("SELECT count(*) FROM privacy.platform_link WHERE workspace_id = $1", workspace_id) == 2
        await admin.execute("INSERT INTO core.curator (account_id) VALUES ($1)", ben.account_id)
        assert (await shared(VIEWER, token=ben.token)).data["viewer"]["curator"] is True
        await admin.execute("DELETE FROM core.curator WHERE account_id = $1", ben.account_id)
        assert (await shared(VIEWER, token=ben.token)).data["viewer"]["curator"] is False


async def test_only_the_server_looks_up_callers(shared: Api) -> None:
    """The look-ups see every account and key: no other login may call them, and nobody gets a row for a guess."""
    ada = await shared.person("ada")
    calls = [
        f"SELECT * FROM core.authenticate_identity('fivefold', '{ada.account_id}', NULL, NULL)",
        "SELECT * FROM core.authenticate_api_key(sha256('x'))",
        f"SELECT core.confirm_caller('fivefold', '{ada.account_id}', NULL, NULL, NULL, NULL, NULL, NULL)",
    ]
    for role in ("fivefold_worker", "fivefold_auditor", "fivefold_migrator"):
        async with shared.database.connect(role) as connection:
            for text in calls:
                with pytest.raises(Exception, match="permission denied"):
                    await connection.execute(text)
    async with shared.database.connect("fivefold_api") as connection:
        assert len(await connection.fetch(calls[0])) == 1
        assert await connection.fetch(calls[1]) == []
        with pytest.raises(Exception, match="not who it was"):
            await connection.fetch(calls[2])
        assert await connection.fetch("SELECT * FROM core.identity") == []
