"""A journey to a provider and back, as a browser makes it, with a front end in it that keeps a verifier."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from app.kit.oidc import ProviderConfig
from tests.conftest import Answer, Api
from tests.factory.provider import CLIENT_ID, CLIENT_SECRET, TestProvider, encoded

PUBLIC = "http://localhost:8000"
FRONT = "https://app.example"
BACK = f"{FRONT}/signed-in"
VIEWER = "{ viewer { account { id email displayName } workspace { id } role } }"

COMPLETE = """mutation ($returnCode: String!, $verifier: String!) {
  completeSignIn(input: {returnCode: $returnCode, verifier: $verifier}) { created tokens { accessToken refreshToken } }
}"""


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
