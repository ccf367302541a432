"""Linking one more way to sign in, and taking one away: the starter's alone, and never the last."""

from __future__ import annotations

import asyncio
import hashlib
import secrets

from tests.conftest import Answer, Api
from tests.factory.journey import BACK, VIEWER, Browser, another, told, viewer
from tests.factory.provider import TestProvider

LINK = """mutation ($provider: String!, $returnTo: String!, $challenge: String!) {
  prepareLink(input: {provider: $provider, returnTo: $returnTo, challenge: $challenge}) { url }
}"""
COMPLETE_LINK = """mutation ($returnCode: String!, $verifier: String!) {
  completeLink(input: {returnCode: $returnCode, verifier: $verifier}) { identity { id issuer subject } }
}"""
UNLINK = "mutation ($id: ID!) { unlinkIdentity(id: $id) { identity { id } } }"
IDENTITIES = "{ viewer { identities { id issuer subject } } }"


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
