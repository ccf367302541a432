"""An OpenID Connect provider on loopback, real but for its people, which can be made to misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

CLIENT_ID = "fivefold-client"
CLIENT_SECRET = "a secret: of/the client"  # with what must be escaped in Basic
AUDIENCE = "fivefold-app"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class SigningKey:
    """A private key with its name."""

    kid: str
    algorithm: str
    private: Private

    @classmethod
    def new(cls, kid: str, algorithm: str = "ES256") -> SigningKey:
        match algorithm:
            case "RS256":
                return cls(kid, algorithm, rsa.generate_private_key(65537, 2048))
            case "ES256":
                return cls(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        return cls(kid, algorithm, Ed25519PrivateKey.generate())

    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        made: Any
        if isinstance(public, rsa.RSAPublicKey):
            made = RSAAlgorithm.to_jwk(public, as_dict=True)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            made = ECAlgorithm.to_jwk(public, as_dict=True)
        else:
            made = OKPAlgorithm.to_jwk(public, as_dict=True)
        made.pop("key_ops", None)
        return {**made, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """A token; ``header`` may say what it likes."""
        both = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | (header or {})
        head = encoded(json.dumps({name: value for name, value in both.items() if value is not None}).encode())
        message = f"{head}.{encoded(json.dumps(claims).encode())}"
        how = jwt.get_algorithm_by_name(self.algorithm)
        return f"{message}.{encoded(how.sign(message.encode(), self.private))}"


@dataclass
class Grant:
    """What a code stands for."""

    redirect_uri: str
    challenge: str
    nonce: str | None


@dataclass
class TestProvider:
    """The provider: what its people are, and how it misbehaves. Everything may be changed between requests."""

    __test__ = False

    url: str = ""
    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.new("one")])
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    github: dict[str, Any] = field(default_factory=dict)
    forge: Callable[[str], str] | None = None
    misbehave: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    grants: dict[str, Grant] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """As it was at first, but for its keys."""
        self.person = {"sub": secrets.token_hex(8), "email": f"{secrets.token_hex(6)}@example.com", "email_verified": True}
        self.person["name"] = "Grace Hopper"
        self.claims, self.header, self.description, self.answer, self.info, self.github = {}, {}, {}, {}, {}, {}
        self.forge = None
        self.misbehave, self.hits, self.grants, self.asked = {}, Counter(), {}, []

    def token(self, claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, key: int = 0) -> str:
        """A bearer token for the API, as Clerk or Supabase would make it. A claim or parameter that is None is left out."""
        now = int(time.time())
        both = {"iss": self.url, "aud": AUDIENCE, "iat": now, "exp": now + 300} | self.person | (claims or {})
        return self.keys[key].sign({name: value for name, value in both.items() if value is not None}, header)

    async def well_known(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "authorization_response_iss_parameter_supported": True,
            }
            | self.description
        )

    async def jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": [key.jwk() for key in self.keys]})

    async def authorize(self, request: Request) -> Response:
        """Everybody agrees at once."""
        asked = dict(request.query_params)
        self.asked.append(asked)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.grants[code] = Grant(asked["redirect_uri"], asked["code_challenge"], asked.get("nonce"))
        answer = {"code": code, "state": asked["state"], "iss": self.url} | self.answer
        answer = {name: value for name, value in answer.items() if value != "-"}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def exchange(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if request.headers.get("authorization") != f"Basic {basic}" and not posted:
            return JSONResponse({"error": "invalid_client"}, 401)
        grant = self.grants.pop(str(form.get("code")), None)
        shown = encoded(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        if grant is None or grant.challenge != shown or grant.redirect_uri != form.get("redirect_uri"):
            return JSONResponse({"error": "invalid_grant", "error_description": "<b>no</b>"}, 400)
        access = secrets.token_urlsafe(16)
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": grant.nonce}
        claims |= {"at_hash": encoded(hashlib.sha256(access.encode()).digest()[:16])} | self.person | self.claims
        token = self.keys[0].sign({name: value for name, value in claims.items() if value is not None}, self.header)
        if self.forge is not None:
            token = self.forge(token)
        return JSONResponse({"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token})

    async def userinfo(self, request: Request) -> Response:
        return JSONResponse(self.info)

    async def github_user(self, request: Request) -> Response:
        return JSONResponse({"id": 583231, "login": "grace", "name": "Grace"} | self.github.get("user", {}))

    async def github_emails(self, request: Request) -> Response:
        return JSONResponse(self.github.get("emails", []))

    def app(self) -> Starlette:
        """The whole of it. What misbehaves takes the place of an endpoint."""

        def endpoint(path: str, usual: Callable[[Request], Any]) -> Callable[[Request], Any]:
            async def answer(request: Request) -> Response:
                self.hits[path] += 1
                return self.misbehave[path](request) if path in self.misbehave else await usual(request)

            return answer

        paths = {
            "/.well-known/openid-configuration": self.well_known,
            "/jwks": self.jwks,
            "/authorize": self.authorize,
            "/token": self.exchange,
            "/userinfo": self.userinfo,
            "/login/oauth/authorize": self.authorize,
            "/login/oauth/access_token": self.exchange,
            "/api/v3/user": self.github_user,
            "/api/v3/user/emails": self.github_emails,
        }
        return Starlette(routes=[Route(path, endpoint(path, usual), methods=["GET", "POST"]) for path, usual in paths.items()])


def endless(request: Request) -> Response:
    """More than anybody should read."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"[" * 65_536

    return StreamingResponse(parts(), media_type="application/json")


def slow(request: Request) -> Response:
    """Nothing for a long time."""

    async def parts() -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b"{}"

    return StreamingResponse(parts(), media_type="application/json")


def elsewhere(request: Request) -> Response:
    """To where machines of a cloud are told their secrets."""
    return RedirectResponse("http://169.254.169.254/latest/meta-data/", 302)


@contextmanager
def running() -> Iterator[TestProvider]:
    """The provider, in a thread of its own."""
    provider = TestProvider()
    server = uvicorn.Server(
        uvicorn.Config(provider.app(), host="127.0.0.1", port=0, log_level="critical", lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ends = time.monotonic() + 20
    while not server.started and time.monotonic() < ends:
        time.sleep(0.01)
    assert server.started
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        provider.url = f"http://127.0.0.1:{port}"
        provider.reset()
        yield provider
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)
