"""Signing up: an account for who has the mail and the password, and not a word to anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.core.upkeep import delete_old_sign_ups
from app.kit.embedded import Embedded
from app.kit.password import Hasher
from app.settings import Settings
from tests.conftest import Answer, Api, copy_of
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import listen, serving
from tests.factory.outbox import APP, Outbox

SIGN_UP = "mutation SignUp($input: SignUpInput!) { signUp(input: $input) { email } }"
CONFIRM = """
mutation Confirm($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) { tokens { accessToken refreshToken } } }
"""
SIGN_IN = "mutation SignIn($input: SignInInput!) { signIn(input: $input) { tokens { accessToken } } }"
VIEWER = "{ viewer { role account { email displayName locale timeZone emailVerifiedAt } workspace { kind } } }"
GOOD = "correct horse battery staple"
EVIL = "an attacker's own password"


@pytest.fixture(scope="module")
async def unlimited(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """The API of this file, for tests that are not about limits."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, sign_in_attempts=0) as api:
            yield api


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "mail")


async def sign_up(api: Api, email: str, password: str = GOOD, **given: Any) -> Answer:
    return await api(SIGN_UP, {"input": {"email": email, "password": password, "displayName": "Ada"} | given})


async def confirm(api: Api, token: str, password: str = GOOD) -> Answer:
    return await api(CONFIRM, {"input": {"token": token, "password": password}})


async def sign_in(api: Api, email: str, password: str = GOOD) -> Answer:
    return await api(SIGN_IN, {"input": {"email": email, "password": password}})


async def accounts(api: Api, email: str) -> int:
    async with api.database.connect() as admin:
        return int(await admin.fetchval("SELECT count(*) FROM core.account WHERE email = $1", email))


async def test_who_has_mail_and_password_gets_an_account(unlimited: Api, outbox: Outbox) -> None:
    given = {"displayName": " Grace ", "locale": "en-US", "timeZone": "America/New_York"}
    assert (await sign_up(unlimited, " Grace@Example.com", **given)).data == {"signUp": {"email": "grace@example.com"}}
    assert await accounts(unlimited, "grace@example.com") == 0
    assert (await sign_in(unlimited, "grace@example.com")).codes == ["UNAUTHENTICATED"], "nothing tells that it is under way"
    (mail,) = await outbox.receive(unlimited)
    assert (mail.to, mail.subject) == ("grace@example.com", "Confirm your address")
    assert f"{APP}/confirm-sign-up#token=" in mail.text
    tokens = (await confirm(unlimited, mail.token)).data["confirmSignUp"]["tokens"]
    viewer = (await unlimited(VIEWER, token=tokens["accessToken"])).data["viewer"]
    assert viewer["account"].pop("emailVerifiedAt") is not None
    assert viewer == {"role": "OWNER", "workspace": {"kind": "PERSONAL"},
                      "account": {"email": "grace@example.com", **given, "displayName": "Grace"}}  # fmt: skip
    assert not (await sign_in(unlimited, "grace@example.com")).codes
    assert (await confirm(unlimited, mail.token)).codes == ["BAD_INPUT"], "a token is good once"


async def test_an_address_with_an_account_is_answered_alike_and_its_owner_is_told(
    unlimited: Api, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes, the same statements, the same work."""
    await unlimited.person("taken")
    lines, hashed = listen(monkeypatch), []
    hash_ = Hasher.hash

    async def counted(self: Hasher, password: str) -> str:
        hashed.append(password)
        return await hash_(self, password)

    monkeypatch.setattr(Hasher, "hash", counted)
    answers, statements = [], []
    for email in ("taken@example.com", "fresh@example.com"):
        answers.append(await sign_up(unlimited, email))
        statements.append(lines.request["statements"])
    assert repr(answers[0].body).replace("taken", "fresh") == repr(answers[1].body)
    assert statements[0] == statements[1]
    assert len(hashed) == 2
    mails = {mail.to: mail for mail in await outbox.receive(unlimited)}
    assert mails["taken <taken@example.com>"].subject == "You have an account"
    assert "#token=" not in mails["taken <taken@example.com>"].text
    assert mails["fresh@example.com"].subject == "Confirm your address"
    assert (await sign_in(unlimited, "taken@example.com")).codes == ["UNAUTHENTICATED"], "the password is not the account's"


async def test_an_attacker_prepares_no_account_for_its_victim(unlimited: Api, outbox: Outbox) -> None:
    """Neither by a link that the victim follows, nor by being first."""
    await sign_up(unlimited, "victim@example.com", EVIL)
    (trap,) = await outbox.receive(unlimited)
    await sign_up(unlimited, "victim@example.com", GOOD)
    (own,) = await outbox.receive(unlimited)
    assert (await confirm(unlimited, trap.token, GOOD)).codes == ["UNAUTHENTICATED"], "the mail alone is not enough"
    assert (await confirm(unlimited, own.token, EVIL)).codes == ["UNAUTHENTICATED"], "nor is the password"
    assert not (await confirm(unlimited, own.token, GOOD)).codes
    assert (await confirm(unlimited, trap.token, EVIL)).codes == ["BAD_INPUT"]
    assert (await sign_in(unlimited, "victim@example.com", EVIL)).codes == ["UNAUTHENTICATED"]
    assert not (await sign_in(unlimited, "victim@example.com", GOOD)).codes


async def test_what_a_stranger_typed_is_not_mailed(unlimited: Api, outbox: Outbox) -> None:
    """A name may be an advertisement, or a header."""
    for name in ("Buy at http://evil.example", "a\r\nBcc: x@evil.example"):
        assert not (await sign_up(unlimited, "advertised@example.com", displayName=name)).codes
        (mail,) = await outbox.receive(unlimited)
        assert "evil" not in mail.text + mail.to + mail.subject


async def test_of_many_who_confirm_at_once_one_makes_the_account(unlimited: Api, outbox: Outbox) -> None:
    for _ in range(2):
        await sign_up(unlimited, "race@example.com")
    one, other = await outbox.receive(unlimited)
    answers = await asyncio.gather(*(confirm(unlimited, mail.token) for mail in (one, other) * 4))
    assert sum(not answer.codes for answer in answers) == 1
    assert {code for answer in answers for code in answer.codes} <= {"BAD_INPUT", "UNAVAILABLE"}  # as many hash at once as may
    assert await accounts(unlimited, "race@example.com") == 1


@pytest.mark.parametrize(
    "given",
    [
        {"email": ""},
        {"email": "ada"},
        {"email": "ada@"},
        {"email": "ada@example.com, eve@example.com"},
        {"email": "ada@example.com\r\nBcc: eve@example.com"},
        {"email": "a" * 250 + "@example.com"},
        {"email": "\u0430da@example.com"},
        {"password": "short"},
        {"password": "bad@example.com"},
        {"displayName": " "},
        {"displayName": "x" * 201},
        {"locale": "english"},
        {"timeZone": "Mars/Olympus"},
        {"timeZone": "localtime"},
    ],
)
async def test_bad_input_is_refused_before_anything_is_kept(unlimited: Api, given: dict[str, Any]) -> None:
    answer = await unlimited(SIGN_UP, {"input": {"email": "bad@example.com", "password": GOOD, "displayName": "x"} | given})
    assert answer.codes == ["BAD_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == next(iter(given))
    async with unlimited.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.sign_up WHERE email LIKE '%bad%'") == 0


@pytest.mark.parametrize("token", ["", "x", "\0", "A" * 43, "A" * 100_000])
async def test_a_guess_confirms_nothing(unlimited: Api, token: str) -> None:
    assert (await confirm(unlimited, token)).codes == ["BAD_INPUT"]


async def test_a_token_expires_and_its_wish_is_deleted(unlimited: Api, outbox: Outbox) -> None:
    await sign_up(unlimited, "slow@example.com")
    (mail,) = await outbox.receive(unlimited)
    async with unlimited.database.connect() as admin:
        await admin.execute("UPDATE core.sign_up SET expires_at = now() - interval '1 s' WHERE email = 'slow@example.com'")
    assert (await confirm(unlimited, mail.token)).codes == ["BAD_INPUT"]
    async with worker_db(unlimited.database) as db, db.transaction():
        await delete_old_sign_ups(db)
    async with unlimited.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.sign_up WHERE email = 'slow@example.com'") == 0


async def test_a_mail_that_is_tried_again_holds_another_token(unlimited: Api, outbox: Outbox, tmp_path: Path) -> None:
    """The first attempt committed its hash and could not send."""
    await sign_up(unlimited, "again@example.com")
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    await run_jobs(unlimited, settings=Settings(mail_folder=blocked / "mail"))
    async with unlimited.database.connect() as admin:
        kept = "SELECT token_hash FROM core.sign_up WHERE email = 'again@example.com'"
        first = await admin.fetchval(kept)
        assert first is not None
        await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now() WHERE entrypoint = 'core.mail_sign_up'")
        (mail,) = await outbox.receive(unlimited)
        assert await admin.fetchval(kept) != first
    assert not (await confirm(unlimited, mail.token)).codes


async def test_no_secret_is_anywhere_but_in_the_mail(unlimited: Api, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listen(monkeypatch)
    await sign_up(unlimited, "secret@example.com", "a very secret canary")
    async with unlimited.database.connect() as admin:
        queue = await admin.fetchval("SELECT string_agg(convert_from(payload, 'UTF8'), ' ') FROM jobs.pgqueuer")
    assert "@" not in queue
    (mail,) = await outbox.receive(unlimited)
    tables = "SELECT format('%s', c.oid::regclass) FROM pg_class AS c WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('core', 'jobs')"  # noqa: E501
    async with unlimited.database.connect() as admin:
        for (table,) in await admin.fetch(tables):
            text = await admin.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} AS t") or ""
            assert mail.token not in text
            assert "very secret canary" not in text
    assert mail.token not in repr(lines)
    assert "very secret canary" not in repr(lines)


async def test_nobody_is_flooded_with_mail(api: Api) -> None:
    """Five to an address, whether or not it has an account; thirty from a network, whoever they are for."""
    await api.person("ada")
    for email in ("ada@example.com", "nobody@example.com"):
        answers = [await sign_up(api, email) for _ in range(7)]
        assert [answer.codes for answer in answers] == [[]] * 5 + [["RATE_LIMITED"]] * 2, email
        assert answers[-1].status == 429
    answers = [await sign_up(api, f"p{n}@example.com") for n in range(30)]
    assert [] in [answer.codes for answer in answers[:10]]
    assert answers[-1].codes == ["RATE_LIMITED"]
