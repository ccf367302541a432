"""New passwords and addresses by mail: good once, for an hour or two days, for whom it was mailed to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.upkeep import delete_old_email_tokens
from app.kit.embedded import Embedded
from tests.conftest import Answer, Api, copy_of
from tests.core.test_credential import GOOD, OTHER, attempt, with_password, works
from tests.factory.jobs import worker_db
from tests.factory.kit import listen, serving
from tests.factory.outbox import APP, Outbox
from tests.factory.session import sign_in

ASK = "mutation Ask($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) { email } }"
RESET = "mutation Reset($input: ResetPasswordInput!) { resetPassword(input: $input) { tokens { accessToken } } }"
VERIFICATION = "mutation { requestEmailVerification { email } }"
VERIFY = "mutation Verify($input: VerifyEmailInput!) { verifyEmail(input: $input) { account { email emailVerifiedAt } } }"
CHANGE = "mutation Change($input: ChangeEmailInput!) { changeEmail(input: $input) { email } }"


@pytest.fixture(scope="module")
async def unlimited(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """The API of this file, for tests that are not about limits."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, sign_in_attempts=0) as api:
            yield api


@pytest.fixture
async def outbox(tmp_path: Path, unlimited: Api) -> AsyncIterator[Outbox]:
    """Empty at the beginning; what is left at the end is no other test's."""
    made = Outbox(tmp_path / "mail")
    yield made
    await made.receive(unlimited)


async def ask(api: Api, email: str) -> Answer:
    return await api(ASK, {"input": {"email": email}})


async def reset(api: Api, token: str, password: str = OTHER) -> Answer:
    return await api(RESET, {"input": {"token": token, "password": password}})


async def verify(api: Api, token: str, mailed: str) -> Answer:
    return await api(VERIFY, {"input": {"token": mailed}}, token=token)


async def verified_at(api: Api, email: str) -> object:
    async with api.database.connect() as admin:
        return await admin.fetchval("SELECT email_verified_at FROM core.account WHERE email = $1", email)


async def test_a_reset_sets_the_password_and_ends_every_session(unlimited: Api, outbox: Outbox) -> None:
    ada = await with_password(unlimited, "ada")
    thief = await sign_in(unlimited, ada)
    assert (await ask(unlimited, " ADA@example.com")).data == {"requestPasswordReset": {"email": "ada@example.com"}}
    (mail,) = await outbox.receive(unlimited)
    assert f"{APP}/reset-password#token=" in mail.text
    assert await verified_at(unlimited, "ada@example.com") is None
    tokens = (await reset(unlimited, mail.token)).data["resetPassword"]["tokens"]
    assert await works(unlimited, tokens["accessToken"])
    assert not await works(unlimited, thief.access_token)
    assert (await attempt(unlimited, ada.email)).codes == ["UNAUTHENTICATED"]
    assert not (await attempt(unlimited, ada.email, OTHER)).codes
    assert await verified_at(unlimited, "ada@example.com") is not None
    assert (await reset(unlimited, mail.token)).codes == ["BAD_INPUT"], "once"
    (notice,) = await outbox.receive(unlimited)
    assert notice.subject == "Your password was changed"


async def test_who_has_no_password_gets_one(unlimited: Api, outbox: Outbox) -> None:
    await unlimited.person("first")
    await ask(unlimited, "first@example.com")
    (mail,) = await outbox.receive(unlimited)
    assert not (await reset(unlimited, mail.token, GOOD)).codes
    assert not (await attempt(unlimited, "first@example.com", GOOD)).codes


async def test_an_address_without_an_account_is_answered_alike(
    unlimited: Api, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await unlimited.person("known")
    lines, answers, statements = listen(monkeypatch), [], []
    for email in ("known@example.com", "other@example.com"):
        answers.append(await ask(unlimited, email))
        statements.append(lines.request["statements"])
    assert repr(answers[0].body).replace("known", "other") == repr(answers[1].body)
    assert statements[0] == statements[1]
    assert [mail.to for mail in await outbox.receive(unlimited)] == ["known <known@example.com>"]
    async with unlimited.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.email_token WHERE email = 'other@example.com'") == 0


async def test_a_reset_throws_out_whoever_was_there_before(unlimited: Api, outbox: Outbox) -> None:
    """An attacker with session and password has asked for another address; the owner's reset forgets that too."""
    person = await with_password(unlimited, "hijacked")
    thief = await sign_in(unlimited, person)
    asked = {"input": {"email": "thief@example.com", "password": GOOD}}
    assert not (await unlimited(CHANGE, asked, token=thief.access_token)).codes
    await ask(unlimited, person.email)
    mails = {mail.to: mail for mail in await outbox.receive(unlimited)}
    assert not (await reset(unlimited, mails["hijacked <hijacked@example.com>"].token)).codes
    trap = mails["hijacked <thief@example.com>"].token
    assert (await verify(unlimited, thief.access_token, trap)).code == "UNAUTHENTICATED"
    assert (await verify(unlimited, person.token, trap)).codes == ["BAD_INPUT"]


@pytest.mark.parametrize("proven", [False, True])
async def test_a_first_proof_ends_every_way_in_that_somebody_else_prepared(
    unlimited: Api, outbox: Outbox, *, proven: bool
) -> None:
    """An account that nobody had proven may be a stranger's trap; one that was proven is its owner's, keys and all."""
    person = await with_password(unlimited, f"trap{proven}".lower())
    key = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"]}) { secret } }'
    secret = (await unlimited(key, token=person.token)).data["createApiKey"]["secret"]
    async with unlimited.database.connect() as admin:
        await admin.execute("INSERT INTO core.identity (account_id, issuer, subject) VALUES ($1, 'https://idp.example', $2)",
                            person.account_id, f"trap {proven}")  # fmt: skip
        if proven:
            await admin.execute("UPDATE core.account SET email_verified_at = now() WHERE id = $1", person.account_id)
    await ask(unlimited, person.email)
    (mail,) = await outbox.receive(unlimited)
    token = (await reset(unlimited, mail.token)).data["resetPassword"]["tokens"]["accessToken"]
    left = (await unlimited("{ viewer { identities { issuer } } }", token=token)).data["viewer"]["identities"]
    assert [each["issuer"] for each in left] == (["fivefold", "https://idp.example"] if proven else ["fivefold"])
    used = await unlimited("{ platforms { edges { cursor } } }", token=secret)
    assert used.status == (200 if proven else 401)


async def test_of_many_resets_at_once_one_succeeds(unlimited: Api, outbox: Outbox) -> None:
    person = await with_password(unlimited, "racing")
    await ask(unlimited, person.email)
    (mail,) = await outbox.receive(unlimited)
    answers = await asyncio.gather(*(reset(unlimited, mail.token, f"{OTHER} {n}") for n in range(6)))
    good = [n for n, answer in enumerate(answers) if not answer.codes]
    assert len(good) == 1
    assert not (await attempt(unlimited, person.email, f"{OTHER} {good[0]}")).codes


@pytest.mark.parametrize("token", ["", "x", "\0", "A" * 43, "A" * 100_000])
async def test_a_guess_resets_nothing_and_hashes_nothing(unlimited: Api, token: str) -> None:
    assert (await reset(unlimited, token)).codes == ["BAD_INPUT"]


async def test_a_weak_password_does_not_use_the_token_up(unlimited: Api, outbox: Outbox) -> None:
    person = await with_password(unlimited, "weak")
    await ask(unlimited, person.email)
    (mail,) = await outbox.receive(unlimited)
    for password in ("short", person.email):
        assert (await reset(unlimited, mail.token, password)).codes == ["BAD_INPUT"]
    assert not (await reset(unlimited, mail.token)).codes


async def test_a_reset_expires_within_the_hour(unlimited: Api, outbox: Outbox) -> None:
    person = await with_password(unlimited, "slow")
    await ask(unlimited, person.email)
    (mail,) = await outbox.receive(unlimited)
    async with unlimited.database.connect() as admin:
        left = await admin.fetchval("SELECT expires_at - created_at FROM core.email_token WHERE email = $1", person.email)
        assert left.total_seconds() == 3600
        await admin.execute("UPDATE core.email_token SET expires_at = now() - interval '1 s' WHERE email = $1", person.email)
    assert (await reset(unlimited, mail.token)).codes == ["BAD_INPUT"]
    async with worker_db(unlimited.database) as db, db.transaction():
        await delete_old_email_tokens(db)
    async with unlimited.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.email_token WHERE email = $1", person.email) == 0


async def test_a_person_proves_the_own_address(unlimited: Api, outbox: Outbox) -> None:
    person, other = await unlimited.person("proving"), await unlimited.person("prying")
    assert (await unlimited(VERIFICATION, token=person.token)).data == {"requestEmailVerification": {"email": person.email}}
    (mail,) = await outbox.receive(unlimited)
    assert f"{APP}/verify-email#token=" in mail.text
    assert (await verify(unlimited, other.token, mail.token)).codes == ["BAD_INPUT"], "it is not the other's"
    assert (await reset(unlimited, mail.token)).codes == ["BAD_INPUT"], "and for nothing else"
    account = (await verify(unlimited, person.token, mail.token)).data["verifyEmail"]["account"]
    assert account["email"] == person.email
    assert account["emailVerifiedAt"] is not None
    assert (await verify(unlimited, person.token, mail.token)).codes == ["BAD_INPUT"]


async def change(api: Api, token: str, email: str, password: str | None = GOOD) -> Answer:
    return await api(CHANGE, {"input": {"email": email, "password": password}}, token=token)


async def test_an_address_changes_once_the_new_one_is_proven(unlimited: Api, outbox: Outbox) -> None:
    person = await with_password(unlimited, "moving")
    for password in (None, "", OTHER):
        assert (await change(unlimited, person.token, "moved@example.com", password)).codes == ["BAD_INPUT"]
    assert not (await change(unlimited, person.token, "Moved@example.com")).codes
    assert not (await attempt(unlimited, "moving@example.com")).codes, "nothing has changed yet"
    (mail,) = await outbox.receive(unlimited)
    assert mail.to == "moving <moved@example.com>"
    account = (await verify(unlimited, person.token, mail.token)).data["verifyEmail"]["account"]
    assert (account["email"], account["emailVerifiedAt"] is not None) == ("moved@example.com", True)
    assert (await attempt(unlimited, "moving@example.com")).codes == ["UNAUTHENTICATED"]
    assert not (await attempt(unlimited, "moved@example.com")).codes
    (notice,) = await outbox.receive(unlimited)
    assert (notice.to, notice.subject) == ("moving <moving@example.com>", "Your address was changed")


async def test_nobody_takes_the_address_of_another(unlimited: Api, outbox: Outbox) -> None:
    """Asking tells nothing; the owner is told; who reads the mail and is not signed in as the asker can do nothing with it."""
    thief, owner = await with_password(unlimited, "taker"), await unlimited.person("robbed")
    answers = [await change(unlimited, thief.token, email) for email in ("robbed@example.com", "unused@example.com")]
    assert repr(answers[0].body).replace("robbed", "unused") == repr(answers[1].body)
    mails = {mail.to: mail for mail in await outbox.receive(unlimited)}
    assert mails["robbed <robbed@example.com>"].subject == "You have an account"
    assert "#token=" not in mails["robbed <robbed@example.com>"].text
    token = mails["taker <unused@example.com>"].token
    assert (await verify(unlimited, owner.token, token)).codes == ["BAD_INPUT"]
    async with unlimited.database.connect() as admin:
        await admin.execute("UPDATE core.account SET email = 'unused@example.com' WHERE id = $1", owner.account_id)
    assert (await verify(unlimited, thief.token, token)).codes == ["BAD_INPUT"], "it was taken meanwhile"


async def test_a_reset_for_an_address_that_was_left_is_worth_nothing(unlimited: Api, outbox: Outbox) -> None:
    person = await with_password(unlimited, "leaving")
    await ask(unlimited, person.email)
    (old,) = await outbox.receive(unlimited)
    async with unlimited.database.connect() as admin:
        await admin.execute("UPDATE core.account SET email = 'left@example.com' WHERE id = $1", person.account_id)
    assert (await reset(unlimited, old.token)).codes == ["BAD_INPUT"]
    assert not (await attempt(unlimited, "left@example.com")).codes


async def test_mail_that_strangers_ask_for_is_limited(api: Api) -> None:
    await api.person("ada")
    for email in ("ada@example.com", "nobody@example.com"):
        answers = [await ask(api, email) for _ in range(7)]
        assert [answer.codes for answer in answers] == [[]] * 5 + [["RATE_LIMITED"]] * 2
