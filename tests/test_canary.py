"""Canaries: recognizable secrets go through a server and a worker as they run in production, and are found nowhere after.

A secret of something new is one line more: plant it with ``canaries.plant`` where the test first knows it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from app.core.credential import set_password
from app.kit.db import open_as
from app.kit.embedded import program
from app.kit.house import root
from app.kit.password import Hasher
from app.kit.token import KeyRing
from tests.conftest import Api, Database
from tests.factory.core import create_person
from tests.factory.kit import HASHER
from tests.factory.receiver import ERROR, receiving
from tests.privacy.test_scan import start_server

PASSWORD = "canary-password-4f1d horse"
OTHER = "canary-other-password-77aa horse"
WRONG = "canary-wrong-password-90cc horse"


@dataclass
class Canaries:
    """What was planted, by name, in each form in which it could be found again."""

    planted: dict[str, set[bytes]] = field(default_factory=dict)

    def plant(self, name: str, secret: str | bytes) -> None:
        """Look for it from now on: as it is, and as base64, hex and part of a URL."""
        raw = secret.encode() if isinstance(secret, str) else secret
        assert len(raw) >= 12, "too short to be told from chance"
        forms = {raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")}
        self.planted.setdefault(name, set()).update(forms | {quote(raw).encode()})

    def found(self, text: bytes) -> list[str]:
        """The names of those that are in there."""
        return sorted(name for name, forms in self.planted.items() if any(form in text for form in forms))


def test_canaries_are_found_where_they_are() -> None:
    canaries, secret = Canaries(), b"a secret of some length"
    canaries.plant("x", secret)
    for text in (secret, secret.hex().encode(), base64.b64encode(secret), b"a%20secret%20of%20some%20length"):
        assert canaries.found(b"{" + text + b"}") == ["x"]
    assert canaries.found(b"a secret of another") == []


@contextmanager
def working(database: Database, log: Path, **environment: str) -> Iterator[None]:
    """A worker as an operator runs it."""
    given = {**os.environ, "DATABASE_URL": database.url("fivefold_worker"), **environment}
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", "app", "worker"], env=given, stdout=output, stderr=output, cwd=root())
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def served(database: Database, jwt_key: Path, log: Path) -> AsyncIterator[Api]:
    """A server as an operator runs it."""
    process, url = await asyncio.to_thread(start_server, database, jwt_key, log)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            async with asyncio.timeout(30):
                while True:
                    try:
                        await http.get("/healthz")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)
            yield Api(http, database, KeyRing([jwt_key]))
    finally:
        process.terminate()
        process.wait()


def dump(database: Database) -> bytes:
    """Everything, jobs and audit too."""
    words = [str(program("pg_dump")), database.url()]
    return subprocess.run(words, check=True, capture_output=True).stdout


async def test_no_secret_is_found_anywhere(
    database: Database, jwt_key: Path, vault_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canaries, log, answers = Canaries(), tmp_path / "log", bytearray()
    settings = {
        "FIVEFOLD_SMTP_URL": "smtp://canary-user:canary-smtp-password-1b2c@127.0.0.1:1",
        "FIVEFOLD_ANALYSIS_MODEL": "canary",
        "FIVEFOLD_ANALYSIS_URL": "http://127.0.0.1:1/v1",
        "FIVEFOLD_ANALYSIS_KEY": "canary-analysis-key-3d4e",
        "FIVEFOLD_WEBHOOK_LOOPBACK": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    canaries.plant("smtp password", "canary-smtp-password-1b2c")
    canaries.plant("analysis key", "canary-analysis-key-3d4e")
    canaries.plant("vault key", base64.b64decode(await asyncio.to_thread(vault_key.read_bytes)))
    canaries.plant("jwt key", (await asyncio.to_thread(jwt_key.read_bytes)).splitlines()[1])
    for name, password in (("password", PASSWORD), ("new password", OTHER), ("wrong password", WRONG)):
        canaries.plant(name, password)
    hasher: Hasher = HASHER
    async with served(database, jwt_key, log) as api, receiving(ERROR) as receiver:
        async with open_as(database.url(), "fivefold_owner") as (_, db):
            ada = await create_person(db, api.keys, "ada@example.com", plan="enterprise")
            async with db.transaction():
                await set_password(db, owner_id=ada.account_id, password_hash=await hasher.hash(PASSWORD))

        async def ask(document: str, token: str | None = None, /, secret: bool = False, **variables: Any) -> Any:
            """Ask; what is answered must hold no secret, unless it is the one answer that may."""
            answer = await api(document, variables, token=token)
            if not secret:
                answers.extend(str(answer.body).encode())
            return answer

        sign_in = (
            "mutation($email: String!, $password: String!) { signIn(input: {email: $email, password: $password})"
            " { tokens { accessToken refreshToken } } }"
        )
        await ask(sign_in, email=ada.email, password=WRONG)
        await ask(sign_in, email="nobody@example.com", password=WRONG)
        await ask(sign_in, email=ada.email, password=[WRONG])
        await ask(sign_in, email=[WRONG], password={"x": WRONG})
        await ask(sign_in.replace("$password}", f'"{WRONG}", x: 1}}'), email="x", password=None)
        await ask("mutation($x: Int) { signIn(input: {email: $x, password: $y}) { x } }", x=1, y=WRONG)
        tokens = (await ask(sign_in, secret=True, email=ada.email, password=PASSWORD)).data["signIn"]["tokens"]
        canaries.plant("access token", tokens["accessToken"])
        canaries.plant("refresh token", tokens["refreshToken"])
        refresh = (
            "mutation($token: String!) { refreshSession(input: {refreshToken: $token})"
            " { tokens { accessToken refreshToken } } }"
        )
        again = (await ask(refresh, secret=True, token=tokens["refreshToken"])).data["refreshSession"]["tokens"]
        canaries.plant("second refresh token", again["refreshToken"])
        await ask(refresh, token=tokens["refreshToken"])
        change = (
            "mutation($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new})"
            " { endedSessions } }"
        )
        await ask(change, ada.token, old=WRONG, new=OTHER)
        await ask(change, ada.token, old=PASSWORD, new=OTHER)
        await ask("mutation($email: String!) { requestPasswordReset(input: {email: $email}) { __typename } }", email=ada.email)
        key = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read", "snapshots:write"]}) { secret } }'
        secret = (await ask(key, ada.token, secret=True)).data["createApiKey"]["secret"]
        canaries.plant("API key", secret)
        await ask("{ platforms { edges { cursor } } }", secret)
        await ask("{ platforms { edges { cursor } } }", secret[:-1] + "!")
        await ask("{ apiKeys { edges { node { id } } } }", secret)
        hook = (
            'mutation($url: String!) { createWebhook(input: {url: $url, idempotencyKey: "1",'
            ' kinds: ["privacy.scan_requested"]}) { secret webhook { id } } }'
        )
        made = (await ask(hook, ada.token, secret=True, url=receiver.url)).data["createWebhook"]
        canaries.plant("webhook secret", made["secret"])
        canaries.plant("webhook secret", base64.b64decode(made["secret"].removeprefix("whsec_")))
        rotate = "mutation($id: ID!) { rotateWebhookSecret(input: {id: $id}) { secret } }"
        rotated = (await ask(rotate, ada.token, secret=True, id=made["webhook"]["id"])).data["rotateWebhookSecret"]["secret"]
        canaries.plant("new webhook secret", base64.b64decode(rotated.removeprefix("whsec_")))
        test = 'mutation($id: ID!) { testWebhook(input: {id: $id, idempotencyKey: "t"}) { delivery { id } } }'
        assert (await ask(test, ada.token, id=made["webhook"]["id"])).data
        for bad in (tokens["accessToken"], rotated, OTHER, str(uuid4())):  # where they do not belong
            await ask("query($id: ID!) { node(id: $id) { id } }", ada.token, id="x")
            await api.http.post("/graphql", content=bad, headers={"Authorization": f"Basic {bad}"})
            await api.http.get(f"/{quote(bad, safe='')}")
        with working(database, log):
            async with asyncio.timeout(60):
                while not receiver.received:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            async with database.connect() as admin, asyncio.timeout(60):
                while await admin.fetchval("SELECT count(*) FROM core.webhook_attempt") == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        metrics = (await api.http.get("/metrics")).content
        vitals = (await api.http.get("/readyz")).content + (await api.http.get("/healthz")).content
        await ask("{ webhooks { edges { node { url } } } webhookDeliveries { edges { node { id } } } }", ada.token)
        await ask("{ auditEvents(first: 100) { edges { node { detail } } } }", ada.token)
    written = await asyncio.to_thread(log.read_bytes)
    assert b"graphql" in written, "there is something to look through"
    assert b"job" in written
    everything = await asyncio.to_thread(dump, database)
    assert b"COPY core.audit_detail" in everything
    assert b"ada@example.com" in everything
    assert canaries.found(everything) == [], "in the dump"
    assert canaries.found(written) == [], "in the logs"
    assert canaries.found(metrics) == [], "in the metrics"
    assert canaries.found(vitals) == []
    assert canaries.found(bytes(answers)) == [], "in answers"
