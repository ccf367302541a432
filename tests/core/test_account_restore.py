"""Restoring a deleted account by a sign-in at a provider: its owner's alone, once, and with nobody let in beside."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from app.core.credential import set_password
from app.kit.db import open_as
from tests.conftest import Answer, Api
from tests.core.test_deletion import DELETE, KEY, PASSWORD, PLATFORMS, RESTORE, SIGN_IN
from tests.factory.journey import VIEWER, Browser, another
from tests.factory.kit import HASHER
from tests.factory.provider import TestProvider

SESSIONS = "{ sessions { edges { node { method } } } }"


async def restore(api: Api, browser: Browser, name: str = "local") -> Answer:
    """All of the journey, and its code shown to restoreAccount."""
    given = await browser.journey(name)
    return await api(RESTORE, {"input": {"returnCode": given["code"], "verifier": browser.verifier}})


def access(answer: Answer, field: str = "completeSignIn") -> str:
    return str(answer.data[field]["tokens"]["accessToken"])


async def sign_in_and_delete(api: Api, browser: Browser, email: str, name: str = "local") -> dict[str, Any]:
    """Somebody who has no password signs in, and goes: a sign-in of just now is proof enough. Who it was."""
    token = access(await browser.sign_in(name))
    seen = (await api(VIEWER, token=token)).data["viewer"]
    assert (await api(DELETE, {"email": email}, token=token)).data
    assert (await api(VIEWER, token=token)).code == "UNAUTHENTICATED"
    return dict(seen)


async def count(api: Api, email: str) -> int:
    async with api.database.connect() as admin:
        return int(await admin.fetchval("SELECT count(*) FROM core.account WHERE email = $1", email))


async def test_who_signs_in_at_the_provider_is_there_again(site: Api, browser: Browser, provider: TestProvider) -> None:
    seen = await sign_in_and_delete(site, browser, provider.person["email"])
    refused = await browser.sign_in()
    assert refused.code == "ACCOUNT_DELETED"
    assert "restoreAccount" in refused.body["errors"][0]["message"]
    given = await browser.journey()
    values = {"input": {"returnCode": given["code"], "verifier": browser.verifier}}
    back = (await site(RESTORE, values)).data["restoreAccount"]["tokens"]
    assert (await site(VIEWER, token=back["accessToken"])).data["viewer"] == seen
    methods = (await site(SESSIONS, token=back["accessToken"])).data["sessions"]["edges"]
    assert [edge["node"]["method"] for edge in methods] == ["LOCAL"], "the sessions of before stay ended"
    assert (await site(RESTORE, values)).code == "UNAUTHENTICATED", "a code is good once"
    assert (await restore(site, browser)).code == "NOT_FOUND", "nothing is deleted any more"
    assert access(await browser.sign_in())
    async with site.database.connect() as admin:
        query = "SELECT count(*) FROM core.erasure AS e JOIN core.account AS a ON a.id = e.account_id WHERE a.email = $1"
        assert await admin.fetchval(f"{query} AND e.canceled_at IS NULL", provider.person["email"]) == 0


async def test_a_code_restores_for_its_front_end_alone(site: Api, browser: Browser, provider: TestProvider) -> None:
    await sign_in_and_delete(site, browser, provider.person["email"])
    for verifier in ("", secrets.token_urlsafe(32), browser.challenge):
        given = await browser.journey()
        assert (await site(RESTORE, {"input": {"returnCode": given["code"], "verifier": verifier}})).code == "UNAUTHENTICATED"
    linking = "mutation($c: String!, $v: String!) { completeLink(input: {returnCode: $c, verifier: $v}) { identity { id } } }"
    given = await browser.journey()
    other = await site.person("somebody")
    assert (await site(linking, {"c": given["code"], "v": browser.verifier}, token=other.token)).code == "BAD_INPUT"
    answers = await asyncio.gather(*(restore(site, each) for each in (browser, browser, browser)))
    assert sorted(answer.codes for answer in answers) == [[], ["NOT_FOUND"], ["NOT_FOUND"]], "of three at once, one"


async def test_strangers_restore_nobody_and_make_no_account(site: Api, browser: Browser, provider: TestProvider) -> None:
    """Neither another person of the same provider, nor one of a provider whose word for an address does not count."""
    email = provider.person["email"]
    await sign_in_and_delete(site, browser, email)
    async with another(site) as mallory:
        provider.person = provider.person | {"sub": "mallory", "email": "mallory@example.com"}
        assert (await restore(site, mallory)).code == "NOT_FOUND"
        assert await count(site, "mallory@example.com") == 0
        provider.person = provider.person | {"email": email, "email_verified": True}
        assert (await restore(site, mallory, "careless")).code == "NOT_FOUND"
    async with site.database.connect() as admin:
        query = (
            "SELECT w.deleted_at IS NOT NULL FROM core.workspace AS w JOIN core.account AS a ON a.id = w.personal_account_id"
        )
        assert await admin.fetchval(f"{query} WHERE a.email = $1", email)
        assert await admin.fetchval("SELECT count(*) FROM core.identity WHERE subject = 'mallory'") == 0


async def test_a_proven_address_brings_back_what_has_a_password(site: Api, browser: Browser, provider: TestProvider) -> None:
    """Whose address it is may be told by a provider as well: then that is a way in from now on, beside the password."""
    person = await site.person("worded")
    provider.person["email"] = person.email
    async with open_as(site.database.url(), "fivefold_owner") as (admin, db):
        async with db.transaction():
            await set_password(db, owner_id=person.account_id, password_hash=await HASHER.hash(PASSWORD))
        await admin.execute("UPDATE core.account SET email_verified_at = now() WHERE id = $1", person.account_id)
    secret = (await site(KEY, token=person.token)).data["createApiKey"]["secret"]
    assert (await site(DELETE, {"email": person.email, "password": PASSWORD}, token=person.token)).data
    assert (await site(PLATFORMS, token=secret)).code == "UNAUTHENTICATED"
    assert access(await restore(site, browser), "restoreAccount")
    assert (await site(PLATFORMS, token=secret)).data, "nobody else was there: keys work again"
    assert (await site(SIGN_IN, {"email": person.email, "password": PASSWORD})).data
    assert (await browser.sign_in()).data["completeSignIn"]["created"] is False


async def test_whose_address_it_is_ends_the_ways_in_of_who_took_it(site: Api, browser: Browser, provider: TestProvider) -> None:
    """A thief had an account at an address that nobody had proven, and deleted it. Its owner restores what is there, and the
    thief is out at once, not only at the owner's next sign-in."""
    email, owner = provider.person["email"], dict(provider.person)
    async with another(site) as thief:
        provider.person = owner | {"sub": "thief"}
        token = access(await thief.sign_in("careless"))
        secret = (await site(KEY, token=token)).data["createApiKey"]["secret"]
        assert (await site(DELETE, {"email": email}, token=token)).data
        provider.person = owner
        tokens = access(await restore(site, browser), "restoreAccount")
        provider.person = owner | {"sub": "thief"}
        assert (await thief.sign_in("careless")).code == "ADDRESS_TAKEN"
    assert (await site(PLATFORMS, token=secret)).code == "UNAUTHENTICATED"
    assert (await site(VIEWER, token=tokens)).data["viewer"]["account"]["email"] == email
    proven = await site("{ viewer { account { emailVerifiedAt } identities { subject } } }", token=tokens)
    assert proven.data["viewer"]["account"]["emailVerifiedAt"] is not None
    assert {each["subject"] for each in proven.data["viewer"]["identities"]} & {owner["sub"], "thief"} == {owner["sub"]}


async def test_after_its_time_a_sign_in_restores_nothing(site: Api, browser: Browser, provider: TestProvider) -> None:
    await sign_in_and_delete(site, browser, provider.person["email"])
    async with site.database.connect() as admin:
        await admin.execute(
            "UPDATE core.erasure AS e SET due_at = now() FROM core.account AS a WHERE a.id = e.account_id AND a.email = $1",
            provider.person["email"],
        )
    assert (await restore(site, browser)).code == "NOT_FOUND"
