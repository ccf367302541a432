"""Canaries: recognizable secrets go through a server and a worker as they run in production, and are found nowhere after.

A secret of something new is one line more: plant it with ``canaries.plant`` where the test first knows it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
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
from tests.factory import stripe
from tests.factory.core import create_person
from tests.factory.kit import HASHER
from tests.factory.provider import CLIENT_ID, CLIENT_SECRET, encoded, running
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
        "FIVEFOLD_REFRESH_GRACE_SECONDS": "0",
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
        await ask("{ webhooks { edges { node { url } } } webhookDeliveries { edges { node { id } } } }", ada.token)
        await ask("{ auditEvents(first: 100) { edges { node { detail } } } }", ada.token)
        answers.extend(await told_by(api))
    assert b"COPY core.audit_detail" in await asyncio.to_thread(dump, database)
    await nothing_is_found(canaries, database, log, bytes(answers))


async def told_by(api: Api) -> bytes:
    """What a server tells an operator of itself."""
    return b"".join([(await api.http.get(path)).content for path in ("/metrics", "/readyz", "/healthz")])


async def nothing_is_found(canaries: Canaries, database: Database, log: Path, answers: bytes) -> None:
    """None of them is in a dump of everything, in the logs of server and worker, or in what was answered."""
    written, everything = await asyncio.to_thread(log.read_bytes), await asyncio.to_thread(dump, database)
    assert b"graphql" in written, "there is something to look through"
    assert b"job" in written
    assert b"ada@example.com" in everything
    assert canaries.found(everything) == [], "in the dump"
    assert canaries.found(written) == [], "in the logs"
    assert canaries.found(answers) == [], "in answers, metrics, health"


@dataclass
class Mailbox:
    """The folder of the worker's mails: the one place where tokens are."""

    folder: Path
    canaries: Canaries
    read: set[Path] = field(default_factory=set)

    async def token(self, name: str, address: str) -> str:
        """The token of the next mail to an address, planted from now on."""
        async with asyncio.timeout(60):
            while True:
                for file in set(await asyncio.to_thread(lambda: list(self.folder.glob("*.eml")))) - self.read:
                    message = message_from_bytes(await asyncio.to_thread(file.read_bytes), policy=default)
                    self.read.add(file)
                    body = message.get_body(("plain",))
                    found = re.search(r"[A-Za-z0-9_-]{43}", body.get_content() if body is not None else "")
                    if address in message["To"] and found is not None:
                        self.canaries.plant(name, found[0])
                        return found[0]
                await asyncio.sleep(0.1)


async def test_no_token_of_strangers_guests_and_providers_is_found_anywhere(
    database: Database, jwt_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sign-up, verification, reset, invitation, export, sign-in at a provider, payment: good tokens, used and wrong ones."""
    canaries, log, answers = Canaries(), tmp_path / "log", bytearray()
    with running() as oidc, stripe.provider() as payments:
        known: dict[str, Any] = {"name": "local", "url": f"{oidc.url}/.well-known/openid-configuration", "algorithm": "ES256"}
        known |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "trust_email": True}
        settings = {
            "FIVEFOLD_MAIL_FOLDER": str(tmp_path / "mails"),
            "FIVEFOLD_PROVIDERS": json.dumps([known]),
            "FIVEFOLD_PUBLIC_URL": "http://localhost:8000",
            "FIVEFOLD_ALLOWED_ORIGINS": "https://app.example",
            "FIVEFOLD_STRIPE_SECRET_KEY": "sk_test_canary_5a6b7c8d",
            "FIVEFOLD_STRIPE_WEBHOOK_SECRETS": "whsec_canary_9e0f1a2b",
            "FIVEFOLD_STRIPE_URL": payments.url,
            "FIVEFOLD_BILLING_RETURN_URL": "https://app.example/paid",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        for name, secret in (
            ("client secret", CLIENT_SECRET),
            ("Stripe key", settings["FIVEFOLD_STRIPE_SECRET_KEY"]),
            ("Stripe webhook secret", settings["FIVEFOLD_STRIPE_WEBHOOK_SECRETS"]),
            ("password", PASSWORD),
            ("new password", OTHER),
            ("wrong password", WRONG),
        ):
            canaries.plant(name, secret)
        mailbox = Mailbox(tmp_path / "mails", canaries)
        async with served(database, jwt_key, log) as api:
            with working(database, log):
                async with open_as(database.url(), "fivefold_owner") as (_, db):
                    ada = await create_person(db, api.keys, "ada@example.com", plan="enterprise")

                async def do(name: str, fields: str, token: str | None = None, /, secret: bool = False, **given: Any) -> Any:
                    kind = f"{name[0].upper()}{name[1:]}Input"
                    document = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} }} }}"
                    answer = await api(document, {"input": given}, token=token)
                    if not secret:
                        answers.extend(str(answer.body).encode())
                    return answer

                # Somebody signs up, proves another address, and forgets the password
                both = "tokens { accessToken refreshToken }"
                await do("signUp", "email", email="ben@example.com", password=PASSWORD, displayName="Ben")
                token = await mailbox.token("sign-up token", "ben@example.com")
                await do("confirmSignUp", both, token=token, password=WRONG)
                await do("confirmSignUp", both, token=f"{token}x", password=PASSWORD)
                good = await do("confirmSignUp", both, None, True, token=token, password=PASSWORD)
                ben = good.data["confirmSignUp"]["tokens"]
                canaries.plant("access token", ben["accessToken"])
                canaries.plant("refresh token", ben["refreshToken"])
                await do("confirmSignUp", both, token=token, password=PASSWORD)
                assert (await do("changeEmail", "email", ben["accessToken"], email="new@example.com", password=PASSWORD)).data
                token = await mailbox.token("verification token", "new@example.com")
                await do("verifyEmail", "account { id }", ben["accessToken"], token=token[:-1])
                assert (await do("verifyEmail", "account { id }", ben["accessToken"], token=token)).data
                await do("requestPasswordReset", "email", email="new@example.com")
                token = await mailbox.token("reset token", "new@example.com")
                await do("resetPassword", both, token=token, password="short")  # noqa: S106
                good = await do("resetPassword", both, None, True, token=token, password=OTHER)
                tokens = good.data["resetPassword"]["tokens"]
                canaries.plant("access token of the reset", tokens["accessToken"])
                await do("resetPassword", both, token=token, password=OTHER)

                # A guest
                made = await do("createOrganization", "membership { workspaceId }", ada.token, name="O")
                here = {"fivefold_workspace": made.data["createOrganization"]["membership"]["workspaceId"]}
                invite = 'mutation { inviteMember(input: {email: "new@example.com"}) { invitation { id } } }'
                assert (await api(invite, token=ada.token, **here)).data
                token = await mailbox.token("invitation token", "new@example.com")
                await do("acceptInvitation", "membership { role }", ada.token, token=token)
                assert (await do("acceptInvitation", "membership { role }", tokens["accessToken"], token=token)).data
                await do("acceptInvitation", "membership { role }", tokens["accessToken"], token=token)

                # An export's link
                assert (await do("requestExport", "export { id }", ada.token, idempotencyKey="1")).data
                export = await finished(api, ada.token)
                link = "mutation($id: ID!) { createExportLink(id: $id) { path } }"
                path = (await api(link, {"id": export}, token=ada.token)).data["createExportLink"]["path"]
                canaries.plant("export link", path.rpartition("/")[2])
                assert [(await api.http.get(path)).status_code for _ in range(2)] == [200, 404]

                # A sign-in at a provider
                verifier = "canary-verifier-of-the-front-end-0123456789-abcdef"
                canaries.plant("verifier", verifier)
                challenge = encoded(hashlib.sha256(verifier.encode()).digest())
                for wrong in (False, True):
                    asked = {"return_to": "https://app.example/back", "challenge": challenge}
                    started = await api.http.get("/auth/local/start", params=asked)
                    (cookie,) = SimpleCookie(started.headers["set-cookie"]).values()
                    canaries.plant("browser cookie", cookie.value)
                    async with httpx.AsyncClient() as outside:
                        back = str((await outside.get(started.headers["location"])).headers["location"])
                    arrived = {key: values[0] for key, values in parse_qs(urlsplit(back).query).items()}
                    canaries.plant("state", arrived["state"])
                    canaries.plant("code of the provider", arrived["code"])
                    path = f"/auth/local/callback?{urlencode(arrived | ({'code': 'canary-wrong-code'} if wrong else {}))}"
                    # By hand: the cookie's path is that of the public address.
                    landed = await api.http.get(path, headers={"Cookie": f"{cookie.key}={cookie.value}"})
                    told = parse_qs(urlsplit(landed.headers["location"]).query)
                    if wrong:
                        assert told["error"] == ["PROVIDER_REFUSED"]
                        continue
                    canaries.plant("return code", told["code"][0])
                    good = await do("completeSignIn", both, None, True, returnCode=told["code"][0], verifier=verifier)
                    canaries.plant("access token of the sign-in", good.data["completeSignIn"]["tokens"]["accessToken"])
                    await do("completeSignIn", both, returnCode=told["code"][0], verifier=WRONG)

                # A payment
                await stripe.sell(api)
                payments.broken = True  # its error message has our key in it
                buying: dict[str, Any] = {"plan": "pro", "idempotencyKey": "1"}
                assert (await do("startCheckout", "url", ada.token, **buying)).code == "BILLING_UNAVAILABLE"
                event = stripe.event("customer.created", {"id": "cus_1", "object": "customer"})
                for secret in ("whsec_canary_9e0f1a2b", "whsec_of_nobody"):
                    answers.extend((await stripe.send(api, event, secret=secret)).content)
            answers.extend(await told_by(api))
    await nothing_is_found(canaries, database, log, bytes(answers))


async def finished(api: Api, token: str) -> str:
    """The id of a person's export, once it is made."""
    async with asyncio.timeout(60):
        while True:
            edges = (await api("{ dataExports { edges { node { id finishedAt } } } }", token=token)).data["dataExports"][
                "edges"
            ]
            if edges[0]["node"]["finishedAt"] is not None:
                return str(edges[0]["node"]["id"])
            await asyncio.sleep(0.1)
