"""Signing in at a provider, against a real provider on loopback, as people and as those who mean harm."""

from __future__ import annotations

import asyncio
import secrets
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.sign_in import check_return
from app.kit.errors import AppError
from tests.conftest import Api, copy_of
from tests.factory.journey import BACK, COMPLETE, FRONT, PUBLIC, Browser, another, configs, told, viewer
from tests.factory.kit import serving
from tests.factory.provider import CLIENT_ID, CLIENT_SECRET, TestProvider


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
