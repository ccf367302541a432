"""Erased identities: whoever was erased gets no account by accident, and a new one by saying so."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.erased_identity import erased_names
from app.core.erasure import Line, erase_due, replay
from app.core.upkeep import Nothing
from app.core.upkeep import run as upkeep
from app.kit.db import open_as
from app.kit.embedded import Embedded
from app.kit.jobs import Work
from app.kit.jwks import IssuerConfig
from app.kit.vault import create_key, vault_of
from app.settings import Settings
from tests.conftest import Answer, Api, copy_of
from tests.core.test_erasure import dump
from tests.factory.jobs import worker_db
from tests.factory.kit import serving
from tests.factory.provider import AUDIENCE, TestProvider, running

VIEWER = "{ viewer { account { id email } } }"
ERASE = 'mutation($email: String!) { requestErasure(input: {confirmEmail: $email, idempotencyKey: "e"}) { erasure { id } } }'
DELETE = "mutation($email: String!) { deleteAccount(input: {confirmEmail: $email}) { restorableUntil } }"
ANEW = "mutation($token: String!) { startAnew(input: {token: $token}) { created } }"


@pytest.fixture(scope="module")
def provider() -> Iterator[TestProvider]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
async def trusting(server: Embedded, template: str, jwt_key: Path, provider: TestProvider) -> AsyncIterator[Api]:
    issuers = [IssuerConfig(issuer=provider.url, audience=[AUDIENCE], algorithm="ES256", trust_email=True)]
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, issuers=issuers) as api:
            yield api


@pytest.fixture(autouse=True)
def fresh(provider: TestProvider) -> None:
    provider.reset()


def fresh_token(provider: TestProvider, **more: Any) -> str:
    """Of somebody who has just signed in at the issuer."""
    return provider.token({"auth_time": int(time.time())} | more)


async def erased(api: Api, provider: TestProvider, settings: Settings | None = None) -> tuple[str, Answer]:
    """A token whose account was erased, and what it hears."""
    token = fresh_token(provider)
    email = (await api(VIEWER, token=token)).data["viewer"]["account"]["email"]
    assert (await api(ERASE, {"email": email}, token=token)).data
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.erasure SET due_at = now() WHERE erased_at IS NULL AND canceled_at IS NULL")
    async with worker_db(api.database) as db:
        await erase_due.run(Work(db, 1, settings=settings or Settings()), Nothing())
    return token, await api(VIEWER, token=token)


async def accounts(api: Api, email: str) -> int:
    async with api.database.connect() as admin:
        found: int = await admin.fetchval("SELECT count(*) FROM core.account WHERE email = $1", email)
        return found


async def test_a_token_that_comes_again_makes_no_account(trusting: Api, provider: TestProvider, server: Embedded) -> None:
    """Neither the old one nor a new one that an app fetches by itself; beginning again takes a new one and a word."""
    token, answer = await erased(trusting, provider)
    assert (answer.status, answer.code) == (403, "ACCOUNT_ERASED")
    assert (await trusting(VIEWER, token=provider.token({"jti": "newer"}))).code == "ACCOUNT_ERASED"
    assert await accounts(trusting, provider.person["email"]) == 0
    text = dump(server, trusting.database.name)
    assert provider.person["sub"] not in text
    assert provider.person["email"] not in text
    assert (await trusting(ANEW, {"token": token})).codes == ["ACCOUNT_ERASED"], "issued before"
    newer = provider.token({"iat": int(time.time()) + 1})
    assert (await trusting(ANEW, {"token": newer})).data["startAnew"] == {"created": True}
    assert (await trusting(ANEW, {"token": newer})).data["startAnew"] == {"created": False}
    assert (await trusting(VIEWER, token=newer)).data["viewer"]["account"]["email"] == provider.person["email"]
    assert (await trusting(VIEWER, token=token)).data, "the same subject, which said so"


async def test_who_was_not_erased_begins_as_ever(trusting: Api, provider: TestProvider) -> None:
    await erased(trusting, provider)
    provider.reset()
    assert (await trusting(VIEWER, token=provider.token())).data
    assert (await trusting(ANEW, {"token": "x"})).codes == ["UNAUTHENTICATED"]
    ada = await trusting.person("ada")
    assert (await trusting(ANEW, {"token": ada.token})).codes == ["BAD_INPUT"]


async def test_a_token_alone_erases_nobody(trusting: Api, provider: TestProvider) -> None:
    """That it is new tells nothing, for apps fetch new ones by themselves; auth_time does, where it is true."""
    now = int(time.time())
    for told in (None, now - 3600, now + 3600, True, "now", -1):
        token = provider.token({"auth_time": told} if told is not None else {})
        email = (await trusting(VIEWER, token=token)).data["viewer"]["account"]["email"]
        for what in (ERASE, DELETE):
            assert (await trusting(what, {"email": email}, token=token)).codes == ["PROOF_NEEDED"], told


async def test_a_deleted_account_is_met_as_such(trusting: Api, provider: TestProvider) -> None:
    """By every identity: by its own, and by another of the same proven address, which is not linked to it."""
    token = fresh_token(provider)
    email = (await trusting(VIEWER, token=token)).data["viewer"]["account"]["email"]
    assert (await trusting(DELETE, {"email": email}, token=token)).data
    answer = await trusting(VIEWER, token=token)
    assert (answer.status, answer.code) == (403, "ACCOUNT_DELETED")
    other = provider.token({"sub": f"other {provider.person['sub']}"})
    assert (await trusting(VIEWER, token=other)).code == "ACCOUNT_DELETED"
    assert (await trusting(ANEW, {"token": other})).codes == ["ACCOUNT_DELETED"]
    async with trusting.database.connect() as admin:
        linked = await admin.fetchval("SELECT count(*) FROM core.identity WHERE subject LIKE 'other%'")
    assert linked == 0


async def test_it_is_forgotten_after_its_time(trusting: Api, provider: TestProvider) -> None:
    token, _ = await erased(trusting, provider)
    async with trusting.database.connect() as admin:
        await admin.execute("UPDATE core.erased_identity SET expires_at = now() - interval '1 second'")
    assert (await trusting(VIEWER, token=token)).data, "from then on a first sight is one"
    async with worker_db(trusting.database) as db:
        await upkeep(db)
    async with trusting.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.erased_identity") == 0


async def test_a_rotated_vault_still_knows(trusting: Api, provider: TestProvider, tmp_path: Path) -> None:
    """What one key has written is found while that key is there; nobody without it can tell whose it is."""
    create_key(tmp_path / "new.key")
    before, after = Settings(), Settings(vault_keys=[tmp_path / "new.key", *Settings().vault_keys])
    old, both = (erased_names(vault_of(each), "issuer", "subject") for each in (before, after))
    assert old[0] in both[1:]
    assert both[0] != old[0]
    assert erased_names(vault_of(before), "issuer", "subject2")[0] != old[0]
    assert erased_names(vault_of(before), "issuers", "ubject")[0] != old[0]


async def test_a_replayed_erasure_is_remembered_too(trusting: Api, provider: TestProvider) -> None:
    """After an old dump was restored the person is there again, and their token with them."""
    token = fresh_token(provider)
    seen = (await trusting(VIEWER, token=token)).data["viewer"]["account"]
    async with trusting.database.connect() as admin:
        account_id = await admin.fetchval("SELECT id FROM core.account WHERE email = $1", seen["email"])
        erasure_id = await admin.fetchval(
            "INSERT INTO core.erasure (account_id, due_at) VALUES ($1, now()) RETURNING id", account_id
        )
        line = await admin.fetchrow(
            "SELECT id, account_id, workspace_id, organizations, requested_at FROM core.erasure WHERE id = $1", erasure_id
        )
    assert line is not None
    async with open_as(trusting.database.url(), "fivefold_owner") as (_, db):
        assert await replay(db, [Line(**dict(line))], Settings()) == 1
    assert (await trusting(VIEWER, token=token)).code == "ACCOUNT_ERASED"
