"""Members: who may act in a workspace, shown by their id alone."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from app.kit.graphql import global_id
from tests.conftest import Api
from tests.factory.core import Person

MEMBERS = """
query Members($first: Int!, $after: String) {
  members(first: $first, after: $after) { edges { cursor node { accountId role joinedAt } } pageInfo { hasNextPage endCursor } }
}
"""
ROLES = ("owner", "admin", "member", "viewer", "auditor")


async def gather(api: Api) -> tuple[str, dict[str, Person]]:
    """An organization with one member of each role; its global id and the people by role."""
    people = {role: await api.person(role) for role in ROLES}
    async with api.database.connect() as admin:
        workspace_id: UUID = await admin.fetchval(
            "INSERT INTO core.workspace (kind, name) VALUES ('organization', 'O') RETURNING id"
        )
        for role, person in people.items():
            await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, person.account_id, role)
    return global_id("Workspace", str(workspace_id)), people


async def test_every_member_sees_all_members_and_no_name(shared: Api) -> None:
    workspace, people = await gather(shared)
    expected = {(global_id("Account", str(person.account_id)), role.upper()) for role, person in people.items()}
    for person in people.values():
        answer = await shared(MEMBERS, {"first": 100}, token=person.token, fivefold_workspace=workspace)
        edges = answer.data["members"]["edges"]
        assert {(edge["node"]["accountId"], edge["node"]["role"]) for edge in edges} == expected
        assert "@example.com" not in str(answer.body)
    other = people["admin"]
    node = "query($id: ID!) { node(id: $id) { id } }"
    asked = {"id": global_id("Account", str(other.account_id))}
    assert (await shared(node, asked, token=people["owner"].token, fivefold_workspace=workspace)).data == {"node": None}


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
