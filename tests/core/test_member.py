"""Members: who may act in a workspace, who may say so, and what ends when somebody goes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.kit import db_of
from tests.factory.organization import ROLES, account, ask, do, everyone, organize, roles_of
from tests.factory.privacy import scan, template_of

MEMBERS = """
query Members($first: Int!, $after: String, $role: Role) {
  members(first: $first, after: $after, role: $role) {
    edges { cursor node { accountId role joinedAt } } pageInfo { hasNextPage endCursor }
  }
}
"""
PEOPLE = "{ members { edges { node { accountId person { displayName email } } } } }"
UPDATED, REMOVED, LEAVE = "member { accountId role }", "accountId", "mutation { leaveWorkspace { workspaceId } }"


async def gather(api: Api) -> tuple[str, dict[str, Person]]:
    """An organization with one member of each role; its global id and the people by role."""
    return global_id("Workspace", str(await everyone(api))), {role: await api.person(role) for role in ROLES}


async def waits(admin: asyncpg.Connection) -> None:
    """Until somebody waits for a lock."""
    while not await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - the database says it
        await asyncio.sleep(0.01)


# Reading


async def test_every_member_sees_all_members_by_name_and_those_who_manage_them_by_address(shared: Api) -> None:
    workspace_id = await everyone(shared)
    for role in ROLES:
        edges = (await ask(shared, role, workspace_id, PEOPLE)).data["members"]["edges"]
        seen = {edge["node"]["person"]["displayName"]: edge["node"]["person"]["email"] for edge in edges}
        assert set(seen) == set(ROLES)
        shown = set(ROLES) if role in ("owner", "admin") else {role}
        assert {name for name, email in seen.items() if email is not None} == shown
        assert all(email in (None, f"{name}@example.com") for name, email in seen.items())


async def test_a_member_is_no_node_of_others(shared: Api) -> None:
    workspace_id = await everyone(shared)
    asked = {"id": await account(shared, "admin")}
    answer = await ask(shared, "owner", workspace_id, "query($id: ID!) { node(id: $id) { id } }", asked)
    assert answer.data == {"node": None}


async def test_people_of_another_workspace_have_no_name(shared: Api) -> None:
    """The function behind it asks who the caller is and where, whatever ids it is given."""
    ben = await shared.person("ben")
    db = await db_of(shared, "ada")
    try:
        from app.core.member import persons_by_account

        assert await persons_by_account(db, account_ids=[ben.account_id, uuid4()]) == [None, None]
        (own,) = await persons_by_account(db, account_ids=[db.actor.account_id])
        assert own is not None
        assert own.email == "ada@example.com"
    finally:
        await db.close()


async def test_alone_one_is_the_only_member(shared: Api) -> None:
    ada = await shared.person("ada")
    (edge,) = (await shared(MEMBERS, {"first": 1}, token=ada.token)).data["members"]["edges"]
    assert edge["node"]["accountId"] == global_id("Account", str(ada.account_id))
    assert edge["node"]["role"] == "OWNER"


async def test_pages_of_members_meet_each_once(shared: Api) -> None:
    workspace, people = await gather(shared)
    seen: list[str] = []
    after = None
    for _ in range(10):
        page = (
            await shared(MEMBERS, {"first": 2, "after": after}, token=people["viewer"].token, fivefold_workspace=workspace)
        ).data["members"]
        seen += [edge["node"]["accountId"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    ids = sorted((person.account_id for person in people.values()), reverse=True)
    assert seen == [global_id("Account", str(each)) for each in ids]


async def test_members_of_one_role(shared: Api) -> None:
    workspace_id = await everyone(shared, ada="viewer")
    edges = (await ask(shared, "owner", workspace_id, MEMBERS, {"first": 9, "role": "VIEWER"})).data["members"]["edges"]
    assert {edge["node"]["accountId"] for edge in edges} == {await account(shared, "viewer"), await account(shared, "ada")}


async def test_a_stranger_sees_no_members(shared: Api) -> None:
    workspace, _ = await gather(shared)
    eve = await shared.person("eve")
    assert (await shared(MEMBERS, {"first": 1}, token=eve.token, fivefold_workspace=workspace)).code == "NOT_FOUND"


async def test_a_role_is_one_of_five(shared: Api) -> None:
    ada = await shared.person("ada")
    async with shared.database.connect() as admin:
        for role in ("OWNER", "superuser", "", "system"):
            with pytest.raises(asyncpg.CheckViolationError):
                await admin.execute("UPDATE core.member SET role = $1 WHERE account_id = $2", role, ada.account_id)


# Roles


RULES = [
    ("admin", "owner", "MEMBER", "FORBIDDEN"),
    ("admin", "member", "OWNER", "FORBIDDEN"),
    ("admin", "admin", "OWNER", "FORBIDDEN"),
    ("admin", "member", "ADMIN", None),
    ("admin", "admin", "VIEWER", None),
    ("owner", "member", "OWNER", None),
    ("owner", "admin", "AUDITOR", None),
    ("owner", "owner", "ADMIN", "LAST_OWNER"),
    ("owner", "owner", "OWNER", None),
    ("owner", "eve", "MEMBER", "NOT_FOUND"),
]


@pytest.mark.parametrize(("who", "whom", "role", "code"), RULES)
async def test_who_makes_whom_what(shared: Api, who: str, whom: str, role: str, code: str | None) -> None:
    workspace_id = await everyone(shared)
    before = await roles_of(shared, workspace_id)
    answer = await do(shared, who, workspace_id, "updateMember", UPDATED, accountId=await account(shared, whom), role=role)
    assert answer.codes == ([code] if code else [])
    assert await roles_of(shared, workspace_id) == before | ({} if code else {whom: role.lower()})


GOING = [
    ("admin", "owner", "FORBIDDEN"),
    ("owner", "owner", "BAD_INPUT"),
    ("admin", "admin", "BAD_INPUT"),
    ("owner", "eve", "NOT_FOUND"),
    ("admin", "member", None),
    ("owner", "admin", None),
]


@pytest.mark.parametrize(("who", "whom", "code"), GOING)
async def test_who_removes_whom(shared: Api, who: str, whom: str, code: str | None) -> None:
    workspace_id = await everyone(shared)
    before = await roles_of(shared, workspace_id)
    answer = await do(shared, who, workspace_id, "removeMember", REMOVED, accountId=await account(shared, whom))
    assert answer.codes == ([code] if code else [])
    assert await roles_of(shared, workspace_id) == {name: role for name, role in before.items() if code or name != whom}


async def test_an_owner_removes_another_but_not_the_last_leaves(shared: Api) -> None:
    workspace_id = await organize(shared, ada="owner", ben="owner")
    assert (await do(shared, "ada", workspace_id, "removeMember", REMOVED, accountId=await account(shared, "ben"))).data
    assert (await ask(shared, "ada", workspace_id, LEAVE)).code == "LAST_OWNER"
    assert await roles_of(shared, workspace_id) == {"ada": "owner"}


async def test_ownership_is_handed_over_at_once(shared: Api) -> None:
    workspace_id = await everyone(shared)
    for whom, code in (("eve", "NOT_FOUND"), ("owner", "BAD_INPUT")):
        given = {"accountId": await account(shared, whom)}
        assert (await do(shared, "owner", workspace_id, "transferOwnership", UPDATED, **given)).code == code
    given = {"accountId": await account(shared, "viewer")}
    assert (await do(shared, "owner", workspace_id, "transferOwnership", UPDATED, **given)).data
    found = await roles_of(shared, workspace_id)
    assert (found["viewer"], found["owner"]) == ("owner", "admin")
    assert (await do(shared, "owner", workspace_id, "transferOwnership", UPDATED, **given)).code == "FORBIDDEN"
    assert (await ask(shared, "owner", workspace_id, LEAVE)).data
    async with shared.database.connect() as admin:
        told = await admin.fetch(
            "SELECT e.action, d.detail ->> 'role' AS role FROM core.audit_event AS e"
            " JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id"
            " WHERE e.workspace_id = $1 AND e.object = 'core.member' AND e.actor_id IS NOT NULL ORDER BY e.id",
            workspace_id,
        )
    assert [tuple(row) for row in told] == [
        ("UPDATE", '["viewer", "owner"]'),
        ("UPDATE", '["owner", "admin"]'),
        ("DELETE", "admin"),
    ]


@pytest.mark.parametrize("act", ["demote", "remove", "leave", "transfer"])
async def test_two_owners_who_act_at_the_same_moment_leave_one(shared: Api, act: str) -> None:
    for _ in range(4):
        workspace_id = await organize(shared, ada="owner", ben="owner")

        async def go(who: str, other: str, workspace_id: UUID = workspace_id) -> list[str]:
            given: dict[str, Any] = {"accountId": await account(shared, other)}
            if act == "leave":
                return (await ask(shared, who, workspace_id, LEAVE)).codes
            if act == "demote":
                return (await do(shared, who, workspace_id, "updateMember", UPDATED, role="VIEWER", **given)).codes
            name, fields = ("removeMember", REMOVED) if act == "remove" else ("transferOwnership", UPDATED)
            return (await do(shared, who, workspace_id, name, fields, **given)).codes

        codes = await asyncio.gather(go("ada", "ben"), go("ben", "ada"))
        assert [] in codes
        assert {code for each in codes for code in each} <= {"FORBIDDEN", "LAST_OWNER", "NOT_FOUND"}
        assert "owner" in (await roles_of(shared, workspace_id)).values()


async def test_the_database_itself_keeps_an_owner(shared: Api) -> None:
    """Whatever code there will be: also for two who do not know of each other, and for the administrator."""
    workspace_id = await organize(shared, ada="owner", ben="owner")
    demote = "UPDATE core.member SET role = 'admin' WHERE workspace_id = $1 AND account_id = $2"
    ada, ben = await shared.person("ada"), await shared.person("ben")
    async with shared.database.connect() as one, shared.database.connect() as two:
        first, second = one.transaction(), two.transaction()
        await first.start()
        await second.start()
        await one.execute(demote, workspace_id, ada.account_id)
        await two.execute(demote, workspace_id, ben.account_id)
        await first.commit()
        with pytest.raises(asyncpg.CheckViolationError):
            await second.commit()
        with pytest.raises(asyncpg.CheckViolationError):
            await one.execute("DELETE FROM core.member WHERE workspace_id = $1", workspace_id)
        async with one.transaction():  # whole, it may go
            await one.execute("DELETE FROM core.member WHERE workspace_id = $1", workspace_id)
            await one.execute("DELETE FROM core.workspace WHERE id = $1", workspace_id)


async def test_what_is_made_while_its_maker_goes_ends_too(shared: Api) -> None:
    """A request that was let in before makes a key; who goes waits for it, and afterwards nothing can be made."""
    workspace_id = await organize(shared, ada="owner", hal="admin")
    hal = await shared.person("hal")
    making = (
        "INSERT INTO core.api_key (workspace_id, account_id, name, hint, secret_hash, scopes)"
        " VALUES ($1, $2, 'k', 'ffk_xxxx', sha256('k'), ARRAY['privacy:read'])"
    )
    async with shared.database.connect() as admin:
        turn = admin.transaction()
        await turn.start()
        await admin.execute(making, workspace_id, hal.account_id)
        given = {"accountId": await account(shared, "hal")}
        going = asyncio.create_task(do(shared, "ada", workspace_id, "removeMember", REMOVED, **given))
        await waits(admin)
        await turn.commit()
        assert (await going).data
        assert await admin.fetchval("SELECT revoked_at FROM core.api_key WHERE workspace_id = $1", workspace_id) is not None
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await admin.execute(making.replace("'k')", "'l')"), workspace_id, hal.account_id)


async def test_a_personal_workspace_has_one_member_for_good(shared: Api) -> None:
    ada = await account(shared, "ada")
    assert (await ask(shared, "ada", None, LEAVE)).code == "BAD_INPUT"
    assert (await do(shared, "ada", None, "removeMember", REMOVED, accountId=ada)).code == "BAD_INPUT"
    assert (await do(shared, "ada", None, "updateMember", UPDATED, accountId=ada, role="VIEWER")).code == "BAD_INPUT"
    assert (await do(shared, "ada", None, "transferOwnership", UPDATED, accountId=ada)).code == "BAD_INPUT"


async def test_a_role_that_was_taken_meanwhile_counts_no_more(shared: Api) -> None:
    """The request was let in as an owner's; when its turn comes, it is none."""
    workspace_id = await organize(shared, ada="owner", ben="owner", cora="viewer")
    ben = await shared.person("ben")
    async with shared.database.connect() as admin:
        turn = admin.transaction()
        await turn.start()
        await admin.execute("SELECT FROM core.workspace WHERE id = $1 FOR UPDATE", workspace_id)
        given = {"accountId": await account(shared, "cora"), "role": "ADMIN"}
        waiting = asyncio.create_task(do(shared, "ben", workspace_id, "updateMember", UPDATED, **given))
        await waits(admin)
        await admin.execute(
            "UPDATE core.member SET role = 'viewer' WHERE workspace_id = $1 AND account_id = $2", workspace_id, ben.account_id
        )
        await turn.commit()
    assert (await waiting).code == "FORBIDDEN"
    assert (await roles_of(shared, workspace_id))["cora"] == "viewer"


# Going


async def test_who_goes_leaves_nothing_that_works_and_nothing_that_is_lost(shared: Api) -> None:
    """Key, device and link end; history is there again for its person, and for nobody else, when they come back."""
    workspace_id = await organize(shared, ada="owner", gus="admin")
    header: dict[str, Any] = {"fivefold_workspace": global_id("Workspace", str(workspace_id))}
    gus = await shared.person("gus")
    making = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"]}) { secret } }'
    secret = (await shared(making, token=gus.token, **header)).data["createApiKey"]["secret"]
    async with shared.database.connect() as admin:
        registering = "INSERT INTO core.device (workspace_id, account_id, name, public_key) VALUES ($1, $2, 'b', sha256('b'))"
        await admin.execute(registering, workspace_id, gus.account_id)
    template = await template_of(shared, gus.token)
    linking = 'mutation { linkPlatform(input: {platformSlug: "google", label: "l", idempotencyKey: "g"}) { link { id } } }'
    link_id = (await shared(linking, token=gus.token, **header)).data["linkPlatform"]["link"]["id"]
    recording = "mutation($input: RecordSnapshotInput!) { recordSnapshot(input: $input) { snapshot { id } } }"
    assert (await shared(recording, {"input": scan(link_id, template)}, token=gus.token, **header)).data
    assert (await shared("{ platformLinks { edges { cursor } } }", token=secret)).data
    given: dict[str, Any] = {"accountId": await account(shared, "gus")}
    assert (await do(shared, "ada", workspace_id, "removeMember", REMOVED, **given)).data
    assert (await do(shared, "ada", workspace_id, "removeMember", REMOVED, **given)).code == "NOT_FOUND"
    assert (await shared("{ platformLinks { edges { cursor } } }", token=secret)).code == "UNAUTHENTICATED"
    assert (await shared("{ viewer { role } }", token=gus.token, **header)).code == "NOT_FOUND"
    async with shared.database.connect() as admin:
        for question in (
            "SELECT count(*) FROM core.api_key WHERE revoked_at IS NULL AND workspace_id = $1",
            "SELECT count(*) FROM core.device WHERE revoked_at IS NULL AND workspace_id = $1",
            "SELECT count(*) FROM privacy.platform_link WHERE status = 'ACTIVE' AND workspace_id = $1",
            "SELECT count(*) FROM core.notification_preference WHERE workspace_id = $1",
        ):
            assert await admin.fetchval(question, workspace_id) == 0, question
        await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), 'viewer')", workspace_id, gus.account_id)
    assert (await shared("{ platformLinks { edges { cursor } } }", token=secret)).code == "UNAUTHENTICATED"
    history = "{ platformLinks { edges { node { id status unlinkReason latestSnapshot { id } } } } }"
    (edge,) = (await shared(history, token=gus.token, **header)).data["platformLinks"]["edges"]
    assert (edge["node"]["id"], edge["node"]["status"]) == (link_id, "UNLINKED")
    assert edge["node"]["unlinkReason"] == "The member left the workspace."
    assert edge["node"]["latestSnapshot"] is not None
    ada = await shared.person("ada")
    assert (await shared(history, token=ada.token, **header)).data["platformLinks"]["edges"] == []
