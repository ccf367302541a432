"""Organizations: aggregates from five people on, and nothing of one person, whoever asks and however."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.kit.graphql import parse_global_id
from tests.conftest import Answer, Api
from tests.core.test_workspace import organize
from tests.factory.core import Person
from tests.factory.privacy import RECORD, load_files, scan, template_of, toggle, write_platform

AGGREGATE = """
{ organizationPrivacy {
  people reason linkedPlatforms averageScore level coverage
  subScores { group people averageScore level coverage reason }
  platforms { platform { slug } people averageScore level coverage reason }
  topExposures { platform { slug } setting label share recommendedValue directLink }
} }
"""
DISMISS = """
mutation($id: ID!) { dismissRecommendation(input: {linkId: $id, setting: "track"}) { recommendation { setting } } }
"""
LINK = "mutation($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id } } }"

SETTINGS = [
    toggle("track", category="location", risk=60),
    toggle("lock", category="security", default="on", recommended="on", risk=40),
    toggle("ads", category="ads", risk=100),
]


@dataclass
class Organization:
    """An organization whose page of settings is ``team``'s."""

    api: Api
    workspace: str
    people: list[Person]
    template: dict[str, Any]

    async def ask(self, person: Person, document: str, variables: dict[str, Any] | None = None) -> Answer:
        """As a member."""
        return await self.api(document, variables, token=person.token, fivefold_workspace=self.workspace)

    async def scan(self, person: Person, *, slug: str = "team", label: str = "Work", **values: str | None) -> str:
        """A link of a member with a scan; its global id."""
        given = {"platformSlug": slug, "label": label, "idempotencyKey": str(uuid4())}
        made = await self.ask(person, LINK, {"input": given})
        link_id = str(made.data["linkPlatform"]["link"]["id"])
        template = self.template if slug == "team" else await template_of(self.api, person.token, slug)
        assert (await self.ask(person, RECORD, {"input": scan(link_id, template, values=values)})).data
        return link_id

    async def told(self) -> dict[str, Any]:
        """The aggregate, as its owner sees it."""
        found: dict[str, Any] = (await self.ask(self.people[0], AGGREGATE)).data["organizationPrivacy"]
        return found


async def found(api: Api, data: Path, size: int) -> Organization:
    """An organization of an owner and members; its plan allows what the tests link."""
    write_platform(data, "team", SETTINGS)
    write_platform(data, "tools", [toggle("share", category="sharing")])
    await load_files(api.database, data)
    names = [f"member-{number}" for number in range(size)]
    workspace = await organize(api, "Team", **{name: "member" if number else "owner" for number, name in enumerate(names)})
    async with api.database.connect() as admin:
        key = parse_global_id(workspace, field="id")[1]
        await admin.execute("UPDATE core.workspace SET plan = 'enterprise' WHERE id = $1", key)
    people = [await api.person(name) for name in names]
    return Organization(api, workspace, people, await template_of(api, people[0].token, "team"))


NOTHING = {"people": None, "averageScore": None, "level": None, "coverage": None}


async def test_below_five_people_nothing_is_told(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 6)
    for number in range(5):
        shown = await team.told()
        assert shown["reason"] == "TOO_FEW_PEOPLE"
        assert {key: shown[key] for key in (*NOTHING, "linkedPlatforms")} == NOTHING | {"linkedPlatforms": None}
        assert shown["topExposures"] == []
        for row in (*shown["subScores"], *shown["platforms"]):
            assert {key: row[key] for key in (*NOTHING, "reason")} == NOTHING | {"reason": "TOO_FEW_PEOPLE"}
        assert {row["platform"]["slug"] for row in shown["platforms"]} >= {"team", "tools", "google"}
        await team.scan(team.people[number])
        await team.scan(team.people[number], label="second", ads="off")  # a person counts once
    assert (await team.told())["people"] == 5


async def test_figures_against_a_computation_by_hand(api: Api, tmp_path: Path) -> None:
    """Weights: track 60, lock 40, ads 100. By default track and ads expose: 80 of 100."""
    team = await found(api, tmp_path, 7)
    for person in team.people[:5]:
        await team.scan(person)  # 80 each
    await team.scan(team.people[5], ads="off", track=None)  # 0, of two settings seen
    await team.scan(team.people[0], slug="tools")  # 100; the first has 90 on average
    await team.scan(team.people[6], track=None, lock=None, ads=None)  # no score: does not count
    shown = await team.told()
    assert shown | {"subScores": 0, "platforms": 0, "topExposures": 0} == {
        "people": 6,
        "reason": None,
        "linkedPlatforms": 1,
        "averageScore": 70,  # (90 + 4 * 80 + 0) / 6 = 68.3
        "level": "HIGH",
        "coverage": 0.95,  # (5 * 1 + 2/3) / 6 = 0.944
        "subScores": 0,
        "platforms": 0,
        "topExposures": 0,
    }
    groups = {row.pop("group"): row for row in shown["subScores"]}
    # Online safety: five times 60 and once 0: 50. Digital wellbeing: five times 100 and once 0: 83. One person shares.
    assert groups["ONLINE_SAFETY"] == {"people": 6, "averageScore": 50, "level": "MODERATE", "coverage": 0.9, "reason": None}
    assert groups["DIGITAL_WELLBEING"]["averageScore"] == 85
    assert groups["DATA_OWNERSHIP"] == NOTHING | {"reason": "TOO_FEW_PEOPLE"}
    platforms = {row["platform"]["slug"]: row for row in shown["platforms"]}
    assert (platforms["team"]["people"], platforms["team"]["averageScore"]) == (6, 65)  # 400 / 6 = 66.7
    assert platforms["tools"] == NOTHING | {"platform": {"slug": "tools"}, "reason": "TOO_FEW_PEOPLE"}
    assert [(e["setting"], e["share"]) for e in shown["topExposures"]] == [("ads", "MOST"), ("track", "MOST")]
    assert shown["topExposures"][0] == {
        "platform": {"slug": "team"},
        "setting": "ads",
        "label": "Ads",
        "share": "MOST",
        "recommendedValue": "off",
        "directLink": "https://example.com/settings",
    }


async def test_one_person_does_not_show_in_what_is_told(api: Api, tmp_path: Path) -> None:
    """What five people show is the same whether all of them expose a setting or one does not."""
    team = await found(api, tmp_path, 5)
    for person in team.people[:4]:
        await team.scan(person)
    link_id = await team.scan(team.people[4])
    all_of_them = (await team.told())["topExposures"]
    given = scan(link_id, team.template, day=1, values={"ads": "off"})
    assert (await team.ask(team.people[4], RECORD, {"input": given})).data["recordSnapshot"]["unchanged"] is False
    assert (await team.told())["topExposures"] == all_of_them


async def test_half_are_many_and_fewer_are_nobody(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 6)
    for number, person in enumerate(team.people):
        await team.scan(person, ads="on" if number < 3 else "off", track="on" if number < 2 else "off")
    assert [(e["setting"], e["share"]) for e in (await team.told())["topExposures"]] == [("ads", "MANY")]


async def test_ended_links_and_personal_workspaces_do_not_count(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 5)
    links = [await team.scan(person) for person in team.people]
    assert (await team.told())["people"] == 5
    ending = "mutation($id: ID!) { unlinkPlatform(input: {id: $id}) { link { id } } }"
    assert (await team.ask(team.people[1], ending, {"id": links[1]})).data
    own = {"input": {"platformSlug": "team", "label": "own", "idempotencyKey": "own"}}
    assert (await api(LINK, own, token=team.people[1].token)).data
    assert (await team.told())["reason"] == "TOO_FEW_PEOPLE"


async def test_who_may_ask(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 5)
    for person in team.people:
        await team.scan(person)
    async with api.database.connect() as admin:
        for role, allowed in (("owner", True), ("admin", True), ("auditor", True), ("member", False), ("viewer", False)):
            await admin.execute("UPDATE core.member SET role = $1 WHERE account_id = $2", role, team.people[4].account_id)
            answer = await team.ask(team.people[4], AGGREGATE)
            assert answer.codes == ([] if allowed else ["FORBIDDEN"]), role
    stranger = await api.person("stranger")
    assert (await team.ask(stranger, AGGREGATE)).code == "NOT_FOUND"


async def test_a_person_alone_is_no_organization(api: Api) -> None:
    ada = await api.person("ada")
    shown = (await api(AGGREGATE, token=ada.token)).data["organizationPrivacy"]
    assert (shown["reason"], shown["people"]) == ("NOT_AN_ORGANIZATION", None)
    assert {row["reason"] for row in (*shown["subScores"], *shown["platforms"])} == {"NOT_AN_ORGANIZATION"}


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_the_function_itself_knows_who_may_ask(api: Api, tmp_path: Path, role: str) -> None:
    """Whatever the API would let through."""
    team = await found(api, tmp_path, 5)
    for person in team.people:
        await team.scan(person)
    workspace_id = parse_global_id(team.workspace, field="id")[1]
    counted = "SELECT count(*) FROM privacy.organization_aggregate(ARRAY['ads'], ARRAY['G'])"
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.member SET role = $1 WHERE account_id = $2", role, team.people[4].account_id)
    for account_id, told in ((team.people[0].account_id, True), (team.people[4].account_id, False), (uuid4(), False)):
        async with api.database.connect("fivefold_api") as connection, connection.transaction():
            for name, value in (("workspace_id", workspace_id), ("account_id", str(account_id))):
                await connection.execute("SELECT set_config($1, $2, true)", f"fivefold.{name}", value)
            assert (await connection.fetchval(counted) > 0) is told


EVERYTHING = """
query($link: ID!, $snapshot: ID!, $ids: [ID!]!) {
  platformLinks(first: 100) { edges { node { id } } }
  platformLink(id: $link) { id }
  snapshot(id: $snapshot) { id }
  node(id: $link) { id }
  nodes(ids: $ids) { id }
  changes(first: 100) { edges { node { id } } }
  recommendations(first: 100) { edges { node { setting } } }
  privacyDashboard {
    overallScore coverage contributions { points } subScores { links }
    links(first: 100) { edges { node { id } } } recentChanges(first: 100) { edges { node { id } } }
  }
  platformComparison(slugs: ["team"]) { own { links } }
}
"""


async def test_members_see_nothing_of_each_other(api: Api, tmp_path: Path) -> None:
    """Not even the owner: by any field that reads or writes, with the other's ids in hand."""
    team = await found(api, tmp_path, 3)
    owner, member, _ = team.people
    link_id = await team.scan(member)
    given = scan(link_id, team.template, day=1, values={"ads": "off"})
    made = (await team.ask(member, RECORD, {"input": given})).data["recordSnapshot"]
    ids = [link_id, made["snapshot"]["id"]]
    asked = {"link": link_id, "snapshot": ids[1], "ids": ids}
    nothing: dict[str, Any] = {
        "platformLinks": {"edges": []},
        "platformLink": None,
        "snapshot": None,
        "node": None,
        "nodes": [None, None],
        "changes": {"edges": []},
        "recommendations": {"edges": []},
        "privacyDashboard": {
            "overallScore": None,
            "coverage": 0,
            "contributions": [],
            "subScores": [{"links": 0}] * 3,
            "links": {"edges": []},
            "recentChanges": {"edges": []},
        },
        "platformComparison": [{"own": None}],
    }
    assert (await team.ask(owner, EVERYTHING, asked)).data == nothing
    seen = (await team.ask(member, EVERYTHING, asked)).data
    assert (seen["platformLink"], seen["privacyDashboard"]["overallScore"]) == ({"id": link_id}, 30)
    assert len(seen["changes"]["edges"]) == 1
    for document, variables in (
        ("query($id: ID!) { snapshots(linkId: $id) { edges { cursor } } }", {"id": link_id}),
        ("query($id: ID!) { changes(linkId: $id) { edges { cursor } } }", {"id": link_id}),
        ("query($id: ID!) { recommendations(linkId: $id) { edges { cursor } } }", {"id": link_id}),
        (RECORD, {"input": scan(link_id, team.template, day=2)}),
        ("mutation($id: ID!) { unlinkPlatform(input: {id: $id}) { link { id } } }", {"id": link_id}),
        (DISMISS, {"id": link_id}),
    ):
        assert (await team.ask(owner, document, variables)).code == "NOT_FOUND", document


async def test_the_audit_tells_that_a_member_did_something_and_not_what(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 2)
    owner, member = team.people
    await team.scan(member, label="A secret")
    events = "{ auditEvents(first: 100) { edges { node { object detail } } } }"
    answer = await team.ask(owner, events)
    seen = [edge["node"] for edge in answer.data["auditEvents"]["edges"]]
    assert {"privacy.platform_link", "privacy.snapshot"} <= {event["object"] for event in seen}
    assert {event["detail"] is None for event in seen if event["object"].startswith("privacy.")} == {True}
    assert {event["detail"] is None for event in seen if event["object"].startswith("core.member")} == {False}
    assert "A secret" not in str(answer.body)
    await team.scan(owner, label="My own")
    assert "My own" in str((await team.ask(owner, events)).body)


async def test_a_label_of_one_member_is_free_for_another(api: Api, tmp_path: Path) -> None:
    """Or it would tell that somebody has linked the platform, too."""
    team = await found(api, tmp_path, 2)
    for person in team.people:
        await team.scan(person, label="Work")
    given = {"input": {"platformSlug": "team", "label": "Work", "idempotencyKey": str(uuid4())}}
    assert (await team.ask(team.people[0], LINK, given)).code == "ALREADY_LINKED"


async def test_a_key_acts_for_the_member_who_made_it(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 2)
    owner, member = team.people
    await team.scan(member)
    mine = await team.scan(owner)
    making = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"]}) { secret } }'
    secret = (await team.ask(owner, making)).data["createApiKey"]["secret"]
    edges = (await api("{ platformLinks { edges { node { id } } } }", token=secret)).data["platformLinks"]["edges"]
    assert [edge["node"]["id"] for edge in edges] == [mine]


async def test_a_plan_counts_the_links_of_all_members(api: Api, tmp_path: Path) -> None:
    team = await found(api, tmp_path, 4)
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.workspace SET plan = 'free'")
    for person in team.people[:3]:
        await team.scan(person)
    given = {"input": {"platformSlug": "team", "label": "Work", "idempotencyKey": "1"}}
    assert (await team.ask(team.people[3], LINK, given)).code == "LIMIT_REACHED"
