"""Invitations: made by those who may, mailed with a token that nothing else holds, answered by whom they are for."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.kit.graphql import global_id
from tests.conftest import Answer, Api
from tests.factory.jobs import worker_db
from tests.factory.organization import (
    account,
    ask,
    do,
    everyone,
    invite,
    mails,
    organize,
    prove_address,
    roles_of,
    state,
    token_in,
)

FIELDS = "invitation { id email role state createdAt expiresAt sentAt closedAt invitedBy { displayName } }"
LIST = "query($open: Boolean!) { invitations(openOnly: $open) { edges { node { id email role state sentAt } } } }"
MINE = (
    "query($after: String) { myInvitations(after: $after)"
    " { edges { cursor node { id workspaceName color logoUrl role createdAt expiresAt } } } }"
)
JOINED = "membership { workspaceId role }"
RESEND = "mutation($id: ID!) { resendInvitation(id: $id) { invitation { id state expiresAt } } }"
REVOKE = "mutation($id: ID!) { revokeInvitation(id: $id) { invitation { id state } } }"


async def accept(api: Api, who: str, **given: Any) -> Answer:
    return await do(api, who, None, "acceptInvitation", JOINED, **given)


async def decline(api: Api, who: str, **given: Any) -> Answer:
    return await do(api, who, None, "declineInvitation", "declined", **given)


async def move(api: Api, column: str, value: str, workspace_id: UUID) -> None:
    async with api.database.connect() as admin:
        await admin.execute(f"UPDATE core.invitation SET {column} = {value} WHERE workspace_id = $1", workspace_id)


async def test_who_is_invited_comes_in_once(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, "Fivefold e.V.", ada="owner")
    given = {"email": " Ben@Example.com ", "role": "VIEWER", "idempotencyKey": "1"}
    made = (await do(shared, "ada", workspace_id, "inviteMember", FIELDS, **given)).data["inviteMember"]["invitation"]
    assert (made["email"], made["role"], made["state"]) == ("ben@example.com", "VIEWER", "OPEN")
    assert made["invitedBy"] == {"displayName": "ada"}
    again = (await do(shared, "ada", workspace_id, "inviteMember", FIELDS, **given)).data["inviteMember"]["invitation"]
    assert again == made
    (text,) = await mails(shared, tmp_path)
    assert "Subject: You are invited to Fivefold e.V." in text
    assert "To: ben@example.com" in text
    token = token_in(text)
    assert (await accept(shared, "ben", token=token)).code == "EMAIL_NOT_VERIFIED"
    await prove_address(shared, "ben", "eve")
    assert (await accept(shared, "eve", token=token)).code == "FORBIDDEN"
    assert (await accept(shared, "ben", token=token[:-1])).code == "NOT_FOUND"
    answers = await asyncio.gather(*(accept(shared, "ben", token=token) for _ in range(5)))
    assert sorted(code for answer in answers for code in answer.codes) == ["NOT_FOUND"] * 4
    (joined,) = [answer.data["acceptInvitation"]["membership"] for answer in answers if not answer.codes]
    assert joined == {"workspaceId": global_id("Workspace", str(workspace_id)), "role": "VIEWER"}
    assert await roles_of(shared, workspace_id) == {"ada": "owner", "ben": "viewer"}
    assert (await accept(shared, "ben", token=token)).code == "NOT_FOUND"
    (edge,) = (await ask(shared, "ada", workspace_id, LIST, {"open": False})).data["invitations"]["edges"]
    assert edge["node"]["state"] == "ACCEPTED"
    assert (await ask(shared, "ada", workspace_id, LIST, {"open": True})).data["invitations"]["edges"] == []
    assert (await ask(shared, "ada", workspace_id, REVOKE, {"id": made["id"]})).code == "INVITATION_CLOSED"
    assert (await ask(shared, "ada", workspace_id, RESEND, {"id": made["id"]})).code == "INVITATION_CLOSED"


async def test_a_token_is_in_the_mail_and_nowhere_else(api: Api, tmp_path: Path) -> None:
    workspace_id = await organize(api, ada="owner")
    answer = await do(api, "ada", workspace_id, "inviteMember", FIELDS, email="ben@example.com")
    assert answer.data
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT token_hash FROM core.invitation") is None, "made by who mails it"
        (text,) = await mails(api, tmp_path)
        token = token_in(text)
        assert token not in str(answer.body)
        tables = await admin.fetch(
            "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = 'r'"
            " AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
        )
        places = {}
        for what, word in (("token", token), ("hash", hashlib.sha256(token.encode()).hexdigest())):
            places[what] = [
                table
                for (table,) in tables
                if await admin.fetchval(f"SELECT EXISTS (SELECT FROM {table} AS t WHERE strpos(t::text, $1) > 0)", word)
            ]
    assert places == {"token": [], "hash": ["core.invitation"]}


async def test_whose_address_it_is_needs_no_token(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, "Hers", ada="owner")
    id_, _ = await invite(shared, "ada", workspace_id, "fay@example.com", tmp_path)
    assert (await ask(shared, "fay", None, MINE)).data["myInvitations"]["edges"] == []
    assert (await accept(shared, "fay", id=id_)).code == "NOT_FOUND", "not before the address is proven"
    await prove_address(shared, "fay", "eve")
    look = {"color": "#aabbcc", "logoUrl": "https://cdn.example.com/l.svg"}
    assert (await do(shared, "ada", workspace_id, "updateWorkspace", "workspace { version }", version=1, **look)).data
    (edge,) = (await ask(shared, "fay", None, MINE)).data["myInvitations"]["edges"]
    assert (edge["node"]["id"], edge["node"]["workspaceName"], edge["node"]["role"]) == (id_, "Hers", "MEMBER")
    assert edge["node"].items() >= look.items()
    assert edge["node"]["createdAt"] < edge["node"]["expiresAt"]
    assert (await ask(shared, "fay", None, MINE, {"after": edge["cursor"]})).data["myInvitations"]["edges"] == []
    assert (await accept(shared, "eve", id=id_)).code == "NOT_FOUND"
    assert (await decline(shared, "eve", id=id_)).code == "NOT_FOUND"
    assert (await accept(shared, "fay", id=id_)).data
    assert (await ask(shared, "fay", None, MINE)).data["myInvitations"]["edges"] == []
    assert (await roles_of(shared, workspace_id))["fay"] == "member"
    for given in ({}, {"id": id_, "token": "x"}):
        assert (await accept(shared, "fay", **given)).code == "BAD_INPUT"


async def test_who_declines_is_asked_no_more_until_invited_anew(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner")
    await prove_address(shared, "gil")
    _, token = await invite(shared, "ada", workspace_id, "gil@example.com", tmp_path)
    assert (await decline(shared, "gil", token=token)).data == {"declineInvitation": {"declined": True}}
    assert (await decline(shared, "gil", token=token)).code == "NOT_FOUND"
    assert (await accept(shared, "gil", token=token)).code == "NOT_FOUND"
    _, other = await invite(shared, "ada", workspace_id, "gil@example.com", tmp_path, role="AUDITOR")
    assert (await accept(shared, "gil", token=other)).data
    assert (await roles_of(shared, workspace_id))["gil"] == "auditor"


async def test_an_address_is_invited_once_and_whether_it_has_an_account_shows_nowhere(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner", cora="member")
    await shared.person("ben")
    known, unknown = [
        await do(shared, "ada", workspace_id, "inviteMember", FIELDS, email=email)
        for email in ("ben@example.com", "nobody@example.com")
    ]
    assert known.data["inviteMember"]["invitation"].keys() == unknown.data["inviteMember"]["invitation"].keys()
    assert len(await mails(shared, tmp_path)) == 2
    for email, code in (
        ("BEN@example.com", "ALREADY_INVITED"),
        ("nobody@example.com", "ALREADY_INVITED"),
        ("cora@example.com", "ALREADY_MEMBER"),
        ("ada@example.com", "ALREADY_MEMBER"),
        ("", "BAD_INPUT"),
        ("no address", "BAD_INPUT"),
        ("a@b@example.com", "BAD_INPUT"),
        ("a@example.com\nBcc: x@example.com", "BAD_INPUT"),
        ("x" * 250 + "@example.com", "BAD_INPUT"),
    ):
        assert (await do(shared, "ada", workspace_id, "inviteMember", FIELDS, email=email)).code == code, email
    answers = await asyncio.gather(
        *(do(shared, "ada", workspace_id, "inviteMember", FIELDS, email="two@example.com") for _ in range(4))
    )
    assert sorted(code for answer in answers for code in answer.codes) == ["ALREADY_INVITED"] * 3


async def test_nobody_is_invited_to_a_personal_workspace_nor_above_the_inviter(shared: Api) -> None:
    assert (await do(shared, "ada", None, "inviteMember", FIELDS, email="x@example.com")).code == "BAD_INPUT"
    workspace_id = await everyone(shared)
    given = {"email": "x@example.com", "role": "OWNER"}
    assert (await do(shared, "admin", workspace_id, "inviteMember", FIELDS, **given)).code == "FORBIDDEN"
    made = (await do(shared, "owner", workspace_id, "inviteMember", FIELDS, **given)).data["inviteMember"]["invitation"]
    for document in (RESEND, REVOKE):
        assert (await ask(shared, "admin", workspace_id, document, {"id": made["id"]})).code == "FORBIDDEN"
    assert (await ask(shared, "owner", workspace_id, REVOKE, {"id": made["id"]})).data


async def test_what_has_expired_works_no_longer_and_can_be_sent_anew(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner")
    await prove_address(shared, "hal")
    id_, first = await invite(shared, "ada", workspace_id, "hal@example.com", tmp_path)
    soon = await ask(shared, "ada", workspace_id, RESEND, {"id": id_})
    assert soon.code == "TOO_SOON"
    assert soon.body["errors"][0]["extensions"]["retryAt"].endswith("Z")
    await move(shared, "expires_at", "now() - interval '1 second'", workspace_id)
    await move(shared, "sent_at", "now() - interval '7 days'", workspace_id)
    assert (await accept(shared, "hal", token=first)).code == "NOT_FOUND"
    assert (await accept(shared, "hal", id=id_)).code == "NOT_FOUND"
    assert (await ask(shared, "hal", None, MINE)).data["myInvitations"]["edges"] == []
    (edge,) = (await ask(shared, "ada", workspace_id, LIST, {"open": False})).data["invitations"]["edges"]
    assert edge["node"]["state"] == "EXPIRED"
    assert (await ask(shared, "ada", workspace_id, RESEND, {"id": id_})).data["resendInvitation"]["invitation"]["id"] == id_
    (text,) = await mails(shared, tmp_path)
    assert (await accept(shared, "hal", token=first)).code == "NOT_FOUND"
    await move(shared, "expires_at", "now() - interval '1 second'", workspace_id)
    other, token = await invite(shared, "ada", workspace_id, "hal@example.com", tmp_path)
    assert other != id_, "an expired one makes room"
    assert (await accept(shared, "hal", token=token_in(text))).code == "NOT_FOUND"
    assert (await accept(shared, "hal", token=token)).data


async def test_a_revoked_one_works_no_longer(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner")
    await prove_address(shared, "ivo")
    id_, token = await invite(shared, "ada", workspace_id, "ivo@example.com", tmp_path)
    assert (await ask(shared, "ada", workspace_id, REVOKE, {"id": id_})).data
    assert (await accept(shared, "ivo", token=token)).code == "NOT_FOUND"
    assert (await accept(shared, "ivo", id=id_)).code == "NOT_FOUND"
    assert await roles_of(shared, workspace_id) == {"ada": "owner"}


async def end_of(api: Api, end: str, who: str, workspace_id: UUID) -> None:
    """Somebody may not invite any more."""
    given = {"accountId": await account(api, who)}
    if end == "removed":
        assert (await do(api, "ada", workspace_id, "removeMember", "accountId", **given)).data
    elif end == "demoted":
        assert (await do(api, "ada", workspace_id, "updateMember", "member { role }", role="MEMBER", **given)).data
    elif end == "left":
        assert (await ask(api, who, workspace_id, "mutation { leaveWorkspace { workspaceId } }")).data
    else:
        deleting = "deletedAt restorableUntil"
        assert (await do(api, who, None, "deleteAccount", deleting, confirmEmail=f"{who}@example.com")).data


async def state_of(api: Api, workspace_id: UUID) -> str:
    """How the only invitation stands, as its list says, also of those that are open."""
    (edge,) = (await ask(api, "ada", workspace_id, LIST, {"open": True})).data["invitations"]["edges"]
    return str(edge["node"]["state"])


@pytest.mark.parametrize("end", ["removed", "demoted", "left", "deleted"])
async def test_an_invitation_counts_while_its_sender_may_invite(shared: Api, tmp_path: Path, end: str) -> None:
    """A way back in for who was let go would be to invite oneself in time."""
    mal = f"mal_{end}"
    workspace_id = await organize(shared, ada="owner", **{mal: "admin"})
    await prove_address(shared, "mal2")
    id_, token = await invite(shared, mal, workspace_id, "mal2@example.com", tmp_path, role="ADMIN")
    assert await state_of(shared, workspace_id) == "OPEN"
    await end_of(shared, end, mal, workspace_id)
    assert await state_of(shared, workspace_id) == "LAPSED"
    assert (await accept(shared, "mal2", token=token)).code == "NOT_FOUND"
    assert (await accept(shared, "mal2", id=id_)).code == "NOT_FOUND"
    assert (await decline(shared, "mal2", token=token)).code == "NOT_FOUND"
    assert (await ask(shared, "mal2", None, MINE)).data["myInvitations"]["edges"] == []
    await move(shared, "sent_at", "now() - interval '1 day'", workspace_id)
    assert (await ask(shared, "ada", workspace_id, RESEND, {"id": id_})).data, "sent anew, it is another's"
    assert await state_of(shared, workspace_id) == "OPEN"
    (text,) = await mails(shared, tmp_path)
    assert (await accept(shared, "mal2", token=token)).code == "NOT_FOUND"
    assert (await accept(shared, "mal2", token=token_in(text))).data


async def test_an_owners_invitation_of_an_owner_lapses_when_the_sender_is_an_admin(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner", oda="owner")
    await prove_address(shared, "pia", "quin")
    _, token = await invite(shared, "oda", workspace_id, "pia@example.com", tmp_path, role="OWNER")
    given = {"accountId": await account(shared, "oda"), "role": "ADMIN"}
    assert (await do(shared, "ada", workspace_id, "updateMember", "member { role }", **given)).data
    assert await state_of(shared, workspace_id) == "LAPSED"
    assert (await accept(shared, "pia", token=token)).code == "NOT_FOUND"
    _, other = await invite(shared, "oda", workspace_id, "quin@example.com", tmp_path, role="ADMIN")
    assert (await accept(shared, "quin", token=other)).data, "what an admin may still promise"


async def test_nobody_is_mailed_for_somebody_who_is_gone_already(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner", ned="admin")
    assert (await do(shared, "ned", workspace_id, "inviteMember", FIELDS, email="rex@example.com")).data
    await end_of(shared, "removed", "ned", workspace_id)
    assert await mails(shared, tmp_path) == []


async def test_who_comes_back_keeps_the_promises_that_are_open(shared: Api, tmp_path: Path) -> None:
    """A deleted account that is restored is as it was: so are its invitations, within their seven days."""
    sam = await shared.person("sam")
    workspace_id = await organize(shared, ada="owner", sam="admin")
    await prove_address(shared, "tom")
    _, token = await invite(shared, "sam", workspace_id, "tom@example.com", tmp_path)
    await end_of(shared, "deleted", "sam", workspace_id)
    assert (await accept(shared, "tom", token=token)).code == "NOT_FOUND"
    async with shared.database.connect() as admin:
        assert await admin.fetchval("SELECT core.restore_account($1)", sam.account_id)
    assert (await accept(shared, "tom", token=token)).data


async def test_a_deleted_organization_lets_nobody_in(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, "Gone", ada="owner")
    await prove_address(shared, "uma")
    id_, token = await invite(shared, "ada", workspace_id, "uma@example.com", tmp_path)
    gone = global_id("Workspace", str(workspace_id))
    assert (await do(shared, "ada", None, "deleteWorkspace", "deletedWorkspace { name }", id=gone, confirmName="Gone")).data
    for by in ({"token": token}, {"id": id_}):
        assert (await accept(shared, "uma", **by)).code == "NOT_FOUND"
    assert (await ask(shared, "uma", None, MINE)).data["myInvitations"]["edges"] == []
    restoring = "mutation($id: ID!) { restoreWorkspace(id: $id) { membership { role } } }"
    assert (await ask(shared, "ada", None, restoring, {"id": gone})).data
    assert (await accept(shared, "uma", token=token)).data


async def test_as_many_as_the_plan_allows_come_in_and_none_more(api: Api, tmp_path: Path) -> None:
    workspace_id = await organize(api, ada="owner", plan="free")
    names = [f"guest{number}" for number in range(8)]
    await prove_address(api, *names)
    tokens = {name: (await invite(api, "ada", workspace_id, f"{name}@example.com", tmp_path))[1] for name in names}
    answers = await asyncio.gather(*(accept(api, name, token=token) for name, token in tokens.items()))
    assert sorted(code for answer in answers for code in answer.codes) == ["LIMIT_REACHED"] * 4
    assert len(await roles_of(api, workspace_id)) == 5
    (late, *_) = [name for name, answer in zip(names, answers, strict=True) if answer.codes]
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.workspace SET plan = 'pro' WHERE id = $1", workspace_id)
    assert (await accept(api, late, token=tokens[late])).data, "a refusal uses no invitation up"


async def test_a_member_who_accepts_keeps_its_role(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner")
    await prove_address(shared, "kim")
    _, token = await invite(shared, "ada", workspace_id, "kim@example.com", tmp_path, role="VIEWER")
    kim = await shared.person("kim")
    async with shared.database.connect() as admin:
        await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), 'admin')", workspace_id, kim.account_id)
    assert (await accept(shared, "kim", token=token)).data["acceptInvitation"]["membership"]["role"] == "ADMIN"


async def test_only_so_many_wait(api: Api) -> None:
    workspace_id = await organize(api, ada="owner", plan="free")
    answers = [
        await do(api, "ada", workspace_id, "inviteMember", FIELDS, email=f"x{number}@example.com") for number in range(21)
    ]
    assert [answer.codes for answer in answers] == [[]] * 20 + [["LIMIT_REACHED"]]


async def test_a_key_neither_invites_nor_accepts(shared: Api, tmp_path: Path) -> None:
    workspace_id = await organize(shared, ada="owner", lea="admin")
    making = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read", "snapshots:write"]}) { secret } }'
    secret = (await ask(shared, "lea", workspace_id, making)).data["createApiKey"]["secret"]
    for document in (
        'mutation { inviteMember(input: {email: "x@example.com"}) { invitation { id } } }',
        'mutation { acceptInvitation(input: {token: "x"}) { membership { role } } }',
        "{ invitations { edges { node { email } } } }",
        MINE,
    ):
        assert (await shared(document, token=secret)).code == "FORBIDDEN"
    assert (await state(shared, workspace_id))["core.invitation"] == []
    assert await roles_of(shared, workspace_id) == {"ada": "owner", "lea": "admin"}


async def test_old_ones_are_dropped_and_no_others(api: Api) -> None:
    from app.core import upkeep

    workspace_id = await organize(api, ada="owner")
    for email in ("old@example.com", "gone@example.com", "new@example.com"):
        assert (await do(api, "ada", workspace_id, "inviteMember", FIELDS, email=email)).data
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.invitation SET expires_at = now() - interval '31 days' WHERE email LIKE 'old%'")
        closing = "UPDATE core.invitation SET state = 'REVOKED', closed_at = now() - interval '31 days' WHERE email = $1"
        await admin.execute(closing, "gone@example.com")
        async with worker_db(api.database) as db:
            await upkeep.run(db)
        assert [row[0] for row in await admin.fetch("SELECT email FROM core.invitation")] == ["new@example.com"]
