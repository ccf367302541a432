"""Teams: named by those who manage members, listed for all of the organization."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import Api
from tests.factory.organization import ask, do, everyone, organize, state

TEAM = "team { id name description version }"
TEAMS = "{ teams { edges { node { id name } } } }"
DELETE = "mutation($id: ID!) { deleteTeam(id: $id) { team { id } } }"


async def made(api: Api, workspace_id: Any, name: str = "Red") -> str:
    answer = await do(api, "owner", workspace_id, "createTeam", TEAM, name=name, description="", idempotencyKey=name)
    return str(answer.data["createTeam"]["team"]["id"])


async def test_a_team_is_made_changed_and_ended(shared: Api) -> None:
    workspace_id = await everyone(shared)
    id_ = await made(shared, workspace_id)
    assert await made(shared, workspace_id) == id_
    for role in ("member", "viewer", "auditor"):
        edges = (await ask(shared, role, workspace_id, TEAMS)).data["teams"]["edges"]
        assert [edge["node"] for edge in edges] == [{"id": id_, "name": "Red"}]
    answers = await asyncio.gather(
        *(do(shared, who, workspace_id, "updateTeam", TEAM, id=id_, version=1, name=who) for who in ("owner", "admin"))
    )
    assert sorted(code for answer in answers for code in answer.codes) == ["STALE_VERSION"]
    answer = await do(shared, "owner", workspace_id, "updateTeam", TEAM, id=id_, version=2, description="all of us")
    assert (answer.data["updateTeam"]["team"]["description"], answer.data["updateTeam"]["team"]["version"]) == ("all of us", 3)
    assert (await ask(shared, "admin", workspace_id, DELETE, {"id": id_})).data
    assert (await ask(shared, "admin", workspace_id, DELETE, {"id": id_})).code == "NOT_FOUND"
    assert (await ask(shared, "admin", workspace_id, TEAMS)).data["teams"]["edges"] == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "Red"}, "name"),
        ({"name": " Red "}, "name"),
        ({"name": "Blue", "description": "x" * 501}, "description"),
    ],
)
async def test_what_is_no_team_makes_none(shared: Api, given: dict[str, Any], field: str) -> None:
    workspace_id = await everyone(shared)
    await made(shared, workspace_id)
    before = await state(shared, workspace_id)
    answer = await do(shared, "owner", workspace_id, "createTeam", TEAM, **given)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", field)
    assert await state(shared, workspace_id) == before


async def test_a_workspace_has_a_hundred_at_most_and_a_personal_one_none(api: Api) -> None:
    workspace_id = await organize(api, ada="owner")
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.team (workspace_id, name, description) SELECT $1, n::text, '' FROM generate_series(1, 99) AS n",
            workspace_id,
        )
    answers = await asyncio.gather(*(do(api, "ada", workspace_id, "createTeam", TEAM, name=f"T{n}") for n in range(3)))
    assert sorted(code for answer in answers for code in answer.codes) == ["BAD_INPUT"] * 2
    assert (await do(api, "ada", None, "createTeam", TEAM, name="Me")).code == "BAD_INPUT"
