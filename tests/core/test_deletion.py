"""Deleted accounts: shut for every way in, restored by proof for a while, erased after it; and what proof it takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.core.credential import set_password
from app.core.erasure import erase_due
from app.core.identity import find_valid
from app.core.upkeep import Nothing
from app.kit.context import Actor
from app.kit.db import open_as
from app.kit.graphql import global_id
from app.kit.jobs import Work
from app.settings import Settings
from tests.conftest import Answer, Api
from tests.factory.core import Person
from tests.factory.jobs import worker_db
from tests.factory.kit import HASHER, pool_of
from tests.factory.organization import organize, prove_address
from tests.factory.outbox import Outbox
from tests.factory.session import sign_in

VIEWER = "{ viewer { account { email } } }"
PASSWORD = "correct horse battery staple"
DELETE = (
    "mutation($email: String!, $password: String) { deleteAccount(input: {confirmEmail: $email, password: $password})"
    " { deletedAt restorableUntil } }"
)
RESTORE = "mutation($input: RestoreAccountInput!) { restoreAccount(input: $input) { tokens { accessToken refreshToken } } }"
ASK = "mutation($email: String!) { requestAccountRestore(input: {email: $email}) { email } }"
SIGN_IN = (
    "mutation($email: String!, $password: String!) { signIn(input: {email: $email, password: $password})"
    " { tokens { accessToken } } }"
)
RESET = "mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, password: $p}) { tokens { accessToken } } }"
WRONG = {"password": "not the one"}
REFRESH = "mutation($token: String!) { refreshSession(input: {refreshToken: $token}) { tokens { accessToken } } }"
ERASE = (
    "mutation($email: String!, $password: String, $key: String!) { requestErasure(input: {confirmEmail: $email,"
    " password: $password, idempotencyKey: $key}) { erasure { dueAt } } }"
)
KEY = 'mutation { createApiKey(input: {name: "K", scopes: ["privacy:read"], idempotencyKey: "k"}) { secret } }'
PLATFORMS = "{ platforms { edges { node { id } } } }"


async def with_password(api: Api, name: str) -> Person:
    """A person who has one."""
    person = await api.person(name)
    async with open_as(api.database.url(), "fivefold_owner") as (_, db), db.transaction():
        await set_password(db, owner_id=person.account_id, password_hash=await HASHER.hash(PASSWORD))
    return person


async def delete(api: Api, person: Person, token: str | None = None, **given: str) -> Answer:
    return await api(DELETE, {"email": person.email} | given, token=token or person.token)


def at(place: UUID | None) -> dict[str, Any]:
    """The header for a workspace."""
    return {} if place is None else {"Fivefold_Workspace": global_id("Workspace", str(place))}


async def restore(api: Api, **given: str) -> Answer:
    return await api(RESTORE, {"input": given})


async def deleted(api: Api, person: Person) -> bool:
    async with api.database.connect() as admin:
        found: bool = await admin.fetchval(
            "SELECT deleted_at IS NOT NULL FROM core.workspace WHERE id = $1", person.workspace_id
        )
        return found


async def test_every_way_in_is_shut_at_once_and_opens_again(shared: Api) -> None:
    ada = await with_password(shared, "shut")
    place = await organize(shared, shut="admin", kept="owner")
    tokens = await sign_in(shared, ada)
    keys = [(await shared(KEY, token=ada.token, **at(where))) for where in (None, place)]
    secrets = [key.data["createApiKey"]["secret"] for key in keys]
    actors = [Actor(ada.account_id, ada.workspace_id, "owner"), Actor(ada.account_id, place, "admin")]
    assert await find_valid(pool_of(shared), actors) == set(actors)
    answer = (await delete(shared, ada)).data["deleteAccount"]
    assert answer["deletedAt"] < answer["restorableUntil"]
    for token in (ada.token, tokens.access_token, *secrets):
        assert (await shared(PLATFORMS, token=token)).codes == ["UNAUTHENTICATED"]
        assert (await shared(PLATFORMS, token=token, **at(place))).codes == ["UNAUTHENTICATED"]
    assert (await shared(REFRESH, {"token": tokens.refresh_token})).codes == ["UNAUTHENTICATED"]
    assert await find_valid(pool_of(shared), actors) == set(), "so sockets end"
    assert (await delete(shared, ada)).codes == ["UNAUTHENTICATED"]
    right = await shared(SIGN_IN, {"email": ada.email, "password": PASSWORD})
    assert right.codes == ["ACCOUNT_DELETED"]
    assert "restoreAccount" in right.body["errors"][0]["message"]
    wrong = await shared(SIGN_IN, {"email": ada.email, "password": f"{PASSWORD}?"})
    nobody = await shared(SIGN_IN, {"email": "nobody@example.com", "password": PASSWORD})
    assert wrong.body["errors"] == nobody.body["errors"], "only the right password hears that there was an account"
    assert (await restore(shared, email=ada.email, password=f"{PASSWORD}?")).codes == ["UNAUTHENTICATED"]
    back = (await restore(shared, email=ada.email, password=PASSWORD)).data["restoreAccount"]["tokens"]
    assert (await shared(VIEWER, token=back["accessToken"])).data["viewer"]["account"]["email"] == ada.email
    for token in (ada.token, *secrets):
        assert (await shared(PLATFORMS, token=token)).data, "as it was"
    assert (await shared(PLATFORMS, token=tokens.access_token)).codes == ["UNAUTHENTICATED"], "sessions stay ended"
    assert (await restore(shared, email=ada.email, password=PASSWORD)).codes == ["NOT_FOUND"]
    async with shared.database.connect() as admin:
        open_ = "SELECT count(*) FROM core.erasure WHERE account_id = $1 AND canceled_at IS NULL"
        assert await admin.fetchval(open_, ada.account_id) == 0


async def test_what_is_refused(shared: Api) -> None:
    ada = await with_password(shared, "refused")
    secret = (await shared(KEY, token=ada.token)).data["createApiKey"]["secret"]
    assert (await delete(shared, ada, secret)).codes == ["FORBIDDEN"]
    assert (await shared(DELETE, {"email": "other@example.com"}, token=ada.token)).codes == ["BAD_INPUT"]
    assert (await delete(shared, ada, **WRONG)).codes == ["BAD_INPUT"]
    for given in ({}, {"email": ada.email}, {"password": PASSWORD}, {"token": "x", "email": ada.email}, {"verifier": "x" * 40},
                  {"token": "x", "email": ada.email, "password": PASSWORD}):  # fmt: skip
        assert (await restore(shared, **given)).codes == ["BAD_INPUT"]
    assert (await restore(shared, token="x" * 43)).codes == ["BAD_INPUT"]
    assert (await restore(shared, returnCode="x" * 43, verifier="y" * 43)).codes == ["UNAUTHENTICATED"]
    assert not await deleted(shared, ada)


async def test_a_stolen_token_deletes_and_erases_nobody(shared: Api) -> None:
    """Neither an old session, however often it is refreshed, nor a narrow token; a password or a new sign-in does."""
    ada = await with_password(shared, "stolen")
    tokens = await sign_in(shared, ada)
    async with shared.database.connect() as admin:
        await admin.execute(
            "UPDATE core.session SET created_at = now() - interval '16 minutes' WHERE account_id = $1", ada.account_id
        )
    refreshed = (await shared(REFRESH, {"token": tokens.refresh_token})).data["refreshSession"]["tokens"]["accessToken"]
    narrow = shared.keys.sign(str(ada.account_id), lifetime=timedelta(hours=1), scopes=["privacy:read"])
    linking = (
        'mutation { prepareLink(input: {provider: "x", returnTo: "x", challenge: "x"}) { url } }',
        'mutation { changeEmail(input: {email: "thief@example.com"}) { email } }',
    )
    for token in (tokens.access_token, refreshed):
        assert (await delete(shared, ada, token)).codes == ["PROOF_NEEDED"]
        erasing = await shared(ERASE, {"email": ada.email, "key": "e"}, token=token)
        assert erasing.codes == ["PROOF_NEEDED"]
        assert [(await shared(each, token=token)).codes for each in linking] == [["BAD_INPUT"], ["BAD_INPUT"]]
    assert (await delete(shared, ada, narrow)).codes == ["FORBIDDEN"]
    assert (await shared(ERASE, {"email": ada.email, "key": "e", "password": "wrong"}, token=refreshed)).codes == ["BAD_INPUT"]
    assert not await deleted(shared, ada)
    assert (await shared(ERASE, {"email": ada.email, "key": "e", "password": PASSWORD}, token=refreshed)).data
    assert (await delete(shared, ada, (await sign_in(shared, ada)).access_token)).data
    eve = await shared.person("passwordless")
    old = await sign_in(shared, eve)
    async with shared.database.connect() as admin:
        await admin.execute(
            "UPDATE core.session SET created_at = now() - interval '1 day' WHERE account_id = $1", eve.account_id
        )
    assert (await shared(linking[1], token=old.access_token)).codes == ["PROOF_NEEDED"], "or the address would be a way around"
    assert (await delete(shared, eve, old.access_token, password=PASSWORD)).codes == ["BAD_INPUT"]
    assert (await delete(shared, eve, (await sign_in(shared, eve)).access_token)).data


async def test_who_would_leave_others_alone_hands_over_first(shared: Api) -> None:
    """Whoever is deleted is no owner who is there, also when two go at once, or one leaves while another is deleted."""
    ann, ben, cyn = [await shared.person(name) for name in ("ann", "ben", "cyn")]
    place = await organize(shared, ann="owner", ben="owner", cyn="member")
    alone = await organize(shared, ann="owner")
    answers = await asyncio.gather(delete(shared, ann), delete(shared, ben))
    assert sorted(answer.codes for answer in answers) == [[], ["SOLE_OWNER"]]
    gone, here = (ann, ben) if not answers[0].codes else (ben, ann)
    leaving = await shared("mutation { leaveWorkspace { workspaceId } }", token=here.token, **at(place))
    assert leaving.codes == ["LAST_OWNER"], "the other one is deleted"
    async with shared.database.connect() as admin:
        await admin.execute(
            "UPDATE core.member SET role = 'owner' WHERE workspace_id = $1 AND account_id = $2", place, cyn.account_id
        )
    assert (await delete(shared, here)).data
    assert await deleted(shared, gone)
    assert (await shared("{ workspace { name } }", token=cyn.token, **at(place))).data
    assert alone != place


async def test_the_mail_brings_it_back_once(api: Api, tmp_path: Path) -> None:
    ada, eve, ben = await api.person("ada"), await api.person("eve"), await api.person("ben")
    await prove_address(api, "ada", "ben")
    assert (await delete(api, ada)).data
    assert (await delete(api, eve)).data
    outbox = Outbox(tmp_path)
    (mail,) = await outbox.receive(api)
    assert (mail.to, mail.subject) == ("ada <ada@example.com>", "Your account is deleted"), "eve's address is not proven"
    asked = [(await api(ASK, {"email": each})).data for each in (ada.email, ben.email, "x@example.com")]
    assert {tuple(each["requestAccountRestore"]) for each in asked} == {("email",)}
    (again,) = await outbox.receive(api)
    assert again.to == mail.to, "nobody who is not deleted is mailed"
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT t::text FROM core.email_token AS t UNION ALL SELECT q::text FROM jobs.pgqueuer_log AS q"
        )
    assert [row for (row,) in rows if again.token in row or mail.token in row] == []
    assert (await api(RESET, {"t": again.token, "p": PASSWORD})).codes == ["BAD_INPUT"], "of another kind"
    tokens = (await restore(api, token=again.token)).data["restoreAccount"]["tokens"]
    assert (await api(VIEWER, token=tokens["accessToken"])).data
    for token in (again.token, mail.token):
        assert (await restore(api, token=token)).codes == ["BAD_INPUT"]
    assert (await delete(api, ada)).data
    async with api.database.connect() as admin:
        await admin.execute(
            "UPDATE core.erasure SET due_at = now() WHERE account_id = $1 AND canceled_at IS NULL", ada.account_id
        )
    (late,) = await outbox.receive(api)
    assert (await restore(api, token=late.token)).codes == ["BAD_INPUT"], "its time is over"


async def test_a_forgotten_password_does_not_open_a_deleted_account(api: Api, tmp_path: Path) -> None:
    ada = await with_password(api, "ada")
    await prove_address(api, "ada")
    ask = 'mutation { requestPasswordReset(input: {email: "ada@example.com"}) { email } }'
    outbox = Outbox(tmp_path)
    assert (await delete(api, ada, password=PASSWORD)).data
    assert (await api(ask)).data
    token = next(mail.token for mail in await outbox.receive(api) if mail.subject == "A new password")
    assert (await api(RESET, {"t": token, "p": f"another {PASSWORD}"})).codes == ["ACCOUNT_DELETED"]
    assert await deleted(api, ada)
    assert (await restore(api, email=ada.email, password=PASSWORD)).data, "nothing was changed"


async def test_after_its_time_it_is_erased_and_a_restore_waits_or_is_late(api: Api) -> None:
    ada, ben = await with_password(api, "ada"), await api.person("ben")
    assert (await api(ERASE, {"email": ada.email, "key": "sooner"}, token=ada.token)).data
    until = (await delete(api, ada)).data["deleteAccount"]
    async with api.database.connect() as admin:
        lines = await admin.fetch("SELECT id, due_at FROM core.erasure")
        assert len(lines) == 1, "one line of the ledger, at the nearer moment"
        assert until["restorableUntil"][:10] == lines[0]["due_at"].date().isoformat()
        await admin.execute("UPDATE core.erasure SET due_at = now()")
        async with worker_db(api.database) as db:
            async with admin.transaction():
                await admin.execute("SELECT core.erase($1)", lines[0]["id"])
                late = asyncio.create_task(restore(api, email=ada.email, password=PASSWORD))
                waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
                async with api.database.connect() as other:
                    while not late.done() and not await other.fetchval(waits, api.database.name):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            assert (await late).codes in (["NOT_FOUND"], ["UNAUTHENTICATED"])
            await erase_due.run(Work(db, 1, settings=Settings()), Nothing())
        assert await admin.fetchval("SELECT count(*) FROM core.account WHERE id = $1", ada.account_id) == 0
    assert (await api(VIEWER, token=ben.token)).data


async def test_jobs_of_a_deleted_person_rest(api: Api) -> None:
    ada = await api.person("ada")
    assert (await delete(api, ada)).data
    async with api.database.connect("fivefold_worker") as worker:
        await worker.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
        assert await worker.fetchval("SELECT deleted_at IS NOT NULL FROM core.workspace WHERE id = $1", ada.workspace_id)


@pytest.mark.parametrize("function", ["delete_account(1)", "restore_account($1)", "take_account_restore('')"])
async def test_nobody_but_the_api_calls_it(shared: Api, function: str) -> None:
    async with shared.database.connect("fivefold_worker") as worker:
        with pytest.raises(Exception, match="permission denied"):
            await worker.fetchval(f"SELECT core.{function}", *([UUID(int=0)] if "$1" in function else []))
