"""Organizations: made, named, branded, chosen by header, and changed by those alone whose role allows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.kit.graphql import global_id
from tests.conftest import Answer, Api
from tests.factory.kit import root_fields
from tests.factory.organization import ROLES, account, ask, do, everyone, organize, prove_address, roles_of, state

Given = Callable[[Api, UUID], Awaitable[dict[str, Any]]]
HOUR = timedelta(hours=1)
MINE = "{ workspaces(first: 100) { edges { node { workspaceId kind name color logoUrl role joinedAt } } } }"
ACTIVE = "{ workspace { id kind name version color logoUrl defaultRole keyDays plan { slug } } viewer { role } }"
MADE, CHANGED = "membership { workspaceId name role kind }", "workspace { version name color logoUrl defaultRole keyDays }"


# Who may what


@dataclass(frozen=True)
class Rule:
    """Which roles may run a mutation of the active organization, with what, and what is selected of its answer."""

    may: str
    fields: str
    given: Given | None = None


async def _rename(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"version": 1, "name": "Renamed"}


async def _confirmed(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"confirmName": "O"}


async def _promote(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"accountId": await account(api, "other"), "role": "AUDITOR"}


async def _other(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"accountId": await account(api, "other")}


async def _made(api: Api, workspace_id: UUID, name: str, fields: str, /, **given: Any) -> str:
    """The id of something that the owner made."""
    answer = await do(api, "owner", workspace_id, name, f"{fields} {{ id }}", **given)
    return str(answer.data[name][fields]["id"])


async def _invitation(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"id": await _made(api, workspace_id, "inviteMember", "invitation", email="new@example.net")}


async def _domain(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"id": await _made(api, workspace_id, "addDomain", "domain", name="example.net")}


async def _team(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"id": await _made(api, workspace_id, "createTeam", "team", name="Red")}


async def _in_team(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return await _other(api, workspace_id) | {"teamId": (await _team(api, workspace_id))["id"]}


async def _out_of_team(api: Api, workspace_id: UUID) -> dict[str, Any]:
    given = await _in_team(api, workspace_id)
    assert (await do(api, "owner", workspace_id, "addTeamMember", "member { role }", **given)).data
    return given


async def _address(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"email": "new@example.net"}


async def _new_domain(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"name": "example.net"}


async def _new_team(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return {"name": "Blue"}


async def _joining(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return await _domain(api, workspace_id) | {"joining": "OFFERED"}


async def _team_name(api: Api, workspace_id: UUID) -> dict[str, Any]:
    return await _team(api, workspace_id) | {"version": 1, "name": "Green"}


RULES = {
    "addDomain": Rule("owner admin", "domain { id }", _new_domain),
    "addTeamMember": Rule("owner admin", "member { role }", _in_team),
    "createTeam": Rule("owner admin", "team { id }", _new_team),
    "deleteTeam": Rule("owner admin", "team { id }", _team),
    "inviteMember": Rule("owner admin", "invitation { id }", _address),
    "removeDomain": Rule("owner admin", "domain { id }", _domain),
    "removeTeamMember": Rule("owner admin", "member { role }", _out_of_team),
    "resendInvitation": Rule("owner admin", "invitation { id }", _invitation),
    "revokeInvitation": Rule("owner admin", "invitation { id }", _invitation),
    "updateDomain": Rule("owner admin", "domain { id }", _joining),
    "updateTeam": Rule("owner admin", "team { id }", _team_name),
    "deleteWorkspace": Rule("owner", "deletedWorkspace { workspaceId name }", _confirmed),
    "leaveWorkspace": Rule("admin member viewer auditor", "workspaceId"),
    "removeMember": Rule("owner admin", "accountId", _other),
    "transferOwnership": Rule("owner", "member { role }", _other),
    "updateMember": Rule("owner admin", "member { role }", _promote),
    "updateWorkspace": Rule("owner admin", "workspace { name }", _rename),
}
"""Every mutation of an organization; what else a role may not do is LAST_OWNER's or FORBIDDEN."""


@pytest.mark.parametrize("who", [*ROLES, "stranger"])
@pytest.mark.parametrize("name", RULES)
async def test_who_may_changes_it_and_who_may_not_changes_nothing(shared: Api, name: str, who: str) -> None:
    rule = RULES[name]
    workspace_id = await everyone(shared, other="member")
    given = {} if rule.given is None else await rule.given(shared, workspace_id)
    before = await state(shared, workspace_id)
    if rule.given is None:
        answer = await ask(shared, who, workspace_id, f"mutation {{ {name} {{ {rule.fields} }} }}")
    elif given.keys() == {"id"}:
        answer = await ask(shared, who, workspace_id, f"mutation($id: ID!) {{ {name}(id: $id) {{ {rule.fields} }} }}", given)
    else:
        answer = await do(shared, who, workspace_id, name, rule.fields, **given)
    if who in rule.may.split():
        assert answer.data[name]
        assert await state(shared, workspace_id) != before
    else:
        expected = "NOT_FOUND" if who == "stranger" else "LAST_OWNER" if name == "leaveWorkspace" else "FORBIDDEN"
        assert answer.codes == [expected]
        assert await state(shared, workspace_id) == before


async def _membership(api: Api, who: str, workspace_id: UUID, name: str) -> Answer:
    """Another organization invites somebody, who answers out of this one."""
    host = await organize(api, "Host", host="owner")
    await prove_address(api, who)
    address = (await api.person(who)).email
    invited = (await do(api, "host", host, "inviteMember", "invitation { id }", email=address)).data["inviteMember"][
        "invitation"
    ]
    fields = "declined" if name == "declineInvitation" else "membership { role }"
    return await do(api, who, workspace_id, name, fields, id=invited["id"])


@pytest.mark.parametrize("who", ["owner", "member", "viewer", "stranger"])
async def test_what_is_ones_own_needs_no_role(shared: Api, who: str) -> None:
    """Whoever is in the active organization; who is not is told that there is none, whatever is asked."""
    workspace_id = await everyone(shared)
    answers = [
        await do(shared, who, workspace_id, "createOrganization", MADE, name="Another"),
        await _membership(shared, who, workspace_id, "acceptInvitation"),
        await _membership(shared, who, workspace_id, "declineInvitation"),
    ]
    # Who has made as many as the plan allows hears that: it is not the role that keeps anybody from it.
    codes = [[code for code in answer.codes if code != "LIMIT_REACHED"] for answer in answers]
    assert codes == [["NOT_FOUND"] if who == "stranger" else []] * 3
    answer = await do(shared, who, None, "createOrganization", MADE, name="From one's own workspace")
    assert answer.codes in ([], ["LIMIT_REACHED"])


# Making


async def make(api: Api, who: str, name: str = "New", **given: Any) -> Answer:
    return await do(api, who, None, "createOrganization", MADE, name=name, **given)


async def test_who_makes_an_organization_owns_it(shared: Api) -> None:
    made = (await make(shared, "mia", "  Fivefold e.V. ", idempotencyKey="1")).data["createOrganization"]["membership"]
    assert (made["name"], made["role"], made["kind"]) == ("Fivefold e.V.", "OWNER", "ORGANIZATION")
    again = await make(shared, "mia", "  Fivefold e.V. ", idempotencyKey="1")
    assert again.data["createOrganization"]["membership"] == made
    assert (await make(shared, "mia", "Other", idempotencyKey="1")).code == "IDEMPOTENCY_CONFLICT"
    mia = await shared.person("mia")
    active = (await shared(ACTIVE, token=mia.token, fivefold_workspace=made["workspaceId"])).data
    assert active["workspace"]["id"] == made["workspaceId"]
    assert active["viewer"] == {"role": "OWNER"}
    assert active["workspace"]["plan"] == {"slug": "free"}
    seen = [edge["node"]["workspaceId"] for edge in (await shared(MINE, token=mia.token)).data["workspaces"]["edges"]]
    assert seen == [made["workspaceId"], mia.workspace]
    (audited,) = (
        await shared(
            '{ auditEvents(object: "core.workspace") { edges { node { action actorId } } } }',
            token=mia.token,
            fivefold_workspace=made["workspaceId"],
        )
    ).data["auditEvents"]["edges"]
    assert audited["node"] == {"action": "INSERT", "actorId": await account(shared, "mia")}


async def test_as_many_as_the_plan_allows_and_none_more_at_once(api: Api) -> None:
    await api.person("pia", plan="pro")
    answers = await asyncio.gather(*(make(api, "pia", f"O {number}") for number in range(9)))
    assert sorted(code for answer in answers for code in answer.codes) == ["LIMIT_REACHED"] * 4
    (refused, *_) = [answer for answer in answers if answer.codes]
    limit = refused.body["errors"][0]["extensions"]["limit"]
    assert limit == {"name": "core.organizations", "limit": 5, "used": 5, "plan": "pro"}
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.workspace WHERE kind = 'organization'") == 5
        owners = await admin.fetchval("SELECT count(DISTINCT workspace_id) FROM core.member WHERE role = 'owner'")
    assert owners == 6


@pytest.mark.parametrize(
    "name",
    ["", "   ", "x" * 201, "two\nlines", "a\u202eb", "a\x00b", "a\x07b", "Prize! https://evil.example/x"],
)
async def test_a_name_is_one_line_that_can_be_read(shared: Api, name: str) -> None:
    workspace_id = await organize(shared, ada="owner")
    assert (await make(shared, "ada", name)).code == "BAD_INPUT"
    assert (await do(shared, "ada", workspace_id, "updateWorkspace", CHANGED, version=1, name=name)).code == "BAD_INPUT"


# Naming


async def test_branding_and_settings_are_changed_and_cleared(shared: Api) -> None:
    workspace_id = await organize(shared, ada="owner")
    given = {"name": "Ünï", "color": "#AABBCC", "logoUrl": "https://cdn.example.com/l.svg?v=1"}
    answer = await do(
        shared, "ada", workspace_id, "updateWorkspace", CHANGED, version=1, defaultRole="VIEWER", keyDays=30, **given
    )
    expected = given | {"color": "#aabbcc", "defaultRole": "VIEWER", "keyDays": 30}
    assert answer.data["updateWorkspace"]["workspace"] == expected | {"version": 2}
    answer = await do(shared, "ada", workspace_id, "updateWorkspace", CHANGED, version=2)
    assert answer.data["updateWorkspace"]["workspace"] == expected | {"version": 3}
    cleared = {"color": None, "logoUrl": None, "keyDays": None}
    answer = await do(shared, "ada", workspace_id, "updateWorkspace", CHANGED, version=3, **cleared)
    assert answer.data["updateWorkspace"]["workspace"] == expected | cleared | {"version": 4}


async def test_who_has_seen_another_state_decides_anew(shared: Api) -> None:
    workspace_id = await organize(shared, ada="owner", ben="admin")
    answers = await asyncio.gather(
        *(do(shared, who, workspace_id, "updateWorkspace", CHANGED, version=1, name=who) for who in ("ada", "ben"))
    )
    assert sorted(code for answer in answers for code in answer.codes) == ["STALE_VERSION"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("color", "red"),
        ("color", "#fff"),
        ("color", "#ffffff;}"),
        ("color", ""),
        ("logoUrl", ""),
        ("logoUrl", "http://example.com/l.png"),
        ("logoUrl", "javascript:alert(1)"),
        ("logoUrl", "https://user:password@example.com/l.png"),
        ("logoUrl", "https://example.com:8080/l.png"),
        ("logoUrl", "https://example.com:x/l.png"),
        ("logoUrl", "https://localhost/l.png"),
        ("logoUrl", "https://[::1"),
        ("logoUrl", 'https://example.com/"onload="x'),
        ("logoUrl", "https://example.com/\n"),
        ("logoUrl", "https://exämple.com/l.png"),
        ("logoUrl", "https://example.com/#x"),
        ("logoUrl", "https://example.com/" + "x" * 500),
        ("defaultRole", "OWNER"),
        ("defaultRole", "ADMIN"),
        ("keyDays", 0),
        ("keyDays", 3651),
        ("keyDays", -(2**31)),
    ],
)
async def test_what_is_no_branding_and_no_setting_changes_nothing(shared: Api, field: str, value: Any) -> None:
    workspace_id = await organize(shared, ada="owner")
    before = await state(shared, workspace_id)
    answer = await do(shared, "ada", workspace_id, "updateWorkspace", CHANGED, version=1, **{field: value})
    assert answer.code == "BAD_INPUT"
    assert answer.body["errors"][0]["extensions"]["field"] == field
    assert await state(shared, workspace_id) == before


async def test_keys_end_when_the_workspace_says(shared: Api) -> None:
    workspace_id = await organize(shared, ada="owner")
    assert (await do(shared, "ada", workspace_id, "updateWorkspace", CHANGED, version=1, keyDays=7)).data
    given: dict[str, Any] = {"name": "k", "scopes": ["privacy:read"]}
    fields = "apiKey { createdAt expiresAt }"
    late = await do(shared, "ada", workspace_id, "createApiKey", fields, expiresAt="2099-01-01T00:00:00Z", **given)
    assert late.code == "BAD_INPUT"
    key = (await do(shared, "ada", workspace_id, "createApiKey", fields, **given)).data["createApiKey"]["apiKey"]
    async with shared.database.connect() as admin:
        days = "SELECT extract(epoch FROM $2::text::timestamptz - $1::text::timestamptz) / 86400.0"
        assert abs(float(await admin.fetchval(days, key["createdAt"], key["expiresAt"])) - 7) < 0.01
    unbound = (await do(shared, "ada", None, "createApiKey", fields, **given)).data["createApiKey"]["apiKey"]
    assert unbound["expiresAt"] is None


# Choosing


async def test_the_header_chooses_and_a_key_has_its_own(shared: Api) -> None:
    """A person by header; a key and a token bound to a workspace only that one, whatever the header says."""
    first, second = await organize(shared, "First", ada="owner"), await organize(shared, "Second", ada="viewer")
    ada, asking = await shared.person("ada"), "{ workspace { name } viewer { role } }"
    for workspace_id, name, role in ((first, "First", "OWNER"), (second, "Second", "VIEWER"), (None, "ada", "OWNER")):
        data = (await ask(shared, "ada", workspace_id, asking)).data
        assert (data["workspace"]["name"], data["viewer"]["role"]) == (name, role)
    making = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"]}) { secret } }'
    secret = (await ask(shared, "ada", first, making)).data["createApiKey"]["secret"]
    labels = "{ platformLinks { edges { node { label } } } }"
    ids = {name: global_id("Workspace", str(each)) for name, each in (("first", first), ("second", second))}
    assert (await shared(labels, token=secret)).data
    assert (await shared(labels, token=secret, fivefold_workspace=ids["first"])).data
    for other in (ids["second"], ada.workspace):
        assert (await shared(labels, token=secret, fivefold_workspace=other)).code == "NOT_FOUND"
    bound = shared.keys.sign(str(ada.account_id), lifetime=HOUR, workspace_id=second)
    assert (await shared(asking, token=bound)).data["workspace"]["name"] == "Second"
    assert (await shared(asking, token=bound, fivefold_workspace=ids["first"])).code == "NOT_FOUND"
    for wrong, code in (("x", "BAD_ID"), (str(first), "BAD_ID"), (global_id("Account", str(first)), "BAD_ID")):
        assert (await shared(asking, token=ada.token, fivefold_workspace=wrong)).code == code


async def test_one_chooses_among_ones_own_alone(shared: Api) -> None:
    workspace_id = await organize(shared, "Theirs", ben="owner")
    names = {edge["node"]["name"] for edge in (await ask(shared, "zoe", None, MINE)).data["workspaces"]["edges"]}
    assert names == {"zoe"}
    assert (await ask(shared, "zoe", workspace_id, MINE)).code == "NOT_FOUND"
    await organize(shared, "Ours", zoe="auditor", ben="owner")
    pages, after = [], None
    for _ in range(3):
        asked = "query($after: String) { workspaces(first: 1, after: $after) { edges { cursor node { name role } } } }"
        (edge,) = (await ask(shared, "zoe", None, asked, {"after": after})).data["workspaces"]["edges"] or [None]
        if edge is None:
            break
        pages.append((edge["node"]["name"], edge["node"]["role"]))
        after = edge["cursor"]
    assert pages == [("Ours", "AUDITOR"), ("zoe", "OWNER")]
    assert await roles_of(shared, workspace_id) == {"ben": "owner"}


def test_every_mutation_of_the_file_is_in_the_schema() -> None:
    assert {name for kind, name, _ in root_fields() if kind == "mutation"} >= set(RULES)
