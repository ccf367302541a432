"""Team members: members of the organization, by team, and gone with either."""

from __future__ import annotations

from tests.conftest import Api
from tests.core.test_team import DELETE, made
from tests.factory.organization import account, ask, do, everyone, organize

MEMBER = "member { accountId teams { name } }"
IN_TEAM = "query($id: ID) { members(teamId: $id, first: 100) { edges { node { person { displayName } teams { name } } } } }"


async def names(api: Api, workspace_id: object, team_id: str | None) -> dict[str, list[str]]:
    answer = await ask(api, "viewer", workspace_id, IN_TEAM, {"id": team_id})  # type: ignore[arg-type]
    nodes = [edge["node"] for edge in answer.data["members"]["edges"]]
    return {node["person"]["displayName"]: [team["name"] for team in node["teams"]] for node in nodes}


async def test_members_by_team_and_teams_by_member(shared: Api) -> None:
    workspace_id = await everyone(shared)
    red, blue = await made(shared, workspace_id, "Red"), await made(shared, workspace_id, "Blue")
    for team, who in ((red, "viewer"), (red, "member"), (blue, "viewer"), (red, "viewer")):
        given = {"teamId": team, "accountId": await account(shared, who)}
        answer = await do(shared, "admin", workspace_id, "addTeamMember", MEMBER, **given)
        assert answer.data["addTeamMember"]["member"]["accountId"] == given["accountId"]
    assert await names(shared, workspace_id, red) == {"viewer": ["Red", "Blue"], "member": ["Red"]}
    everybody = await names(shared, workspace_id, None)
    assert (len(everybody), everybody["owner"], everybody["viewer"]) == (5, [], ["Red", "Blue"])
    given = {"teamId": blue, "accountId": await account(shared, "viewer")}
    for _ in range(2):
        answer = await do(shared, "owner", workspace_id, "removeTeamMember", MEMBER, **given)
        assert answer.data["removeTeamMember"]["member"]["teams"] == [{"name": "Red"}]
    assert await names(shared, workspace_id, blue) == {}
    gone = {"accountId": await account(shared, "member")}
    assert (await do(shared, "owner", workspace_id, "removeMember", "accountId", **gone)).data
    assert await names(shared, workspace_id, red) == {"viewer": ["Red"]}
    assert (await ask(shared, "owner", workspace_id, DELETE, {"id": red})).data
    assert (await names(shared, workspace_id, None))["viewer"] == []


async def test_a_key_repeats_nothing(shared: Api) -> None:
    workspace_id = await everyone(shared)
    given = {"teamId": await made(shared, workspace_id), "accountId": await account(shared, "viewer")}
    for _ in range(2):
        assert (await do(shared, "owner", workspace_id, "addTeamMember", MEMBER, idempotencyKey="a", **given)).data
    assert (await do(shared, "owner", workspace_id, "removeTeamMember", MEMBER, **given)).data
    answer = await do(shared, "owner", workspace_id, "addTeamMember", MEMBER, idempotencyKey="a", **given)
    assert answer.data["addTeamMember"]["member"]["teams"] == []


async def test_teams_and_people_of_other_workspaces_are_none(shared: Api) -> None:
    workspace_id, other = await everyone(shared), await organize(shared, owner="owner", eve="member")
    ours, theirs = await made(shared, workspace_id), await made(shared, other)
    for team, who, field in ((theirs, "viewer", "teamId"), (ours, "eve", "accountId")):
        given = {"teamId": team, "accountId": await account(shared, who)}
        for name in ("addTeamMember", "removeTeamMember"):
            answer = await do(shared, "owner", workspace_id, name, MEMBER, **given)
            assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NOT_FOUND", field)
    assert await names(shared, workspace_id, theirs) == {}
