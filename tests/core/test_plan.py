"""Plans: data that curators change, and limits that let exactly the limit through."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import Answer, Api
from tests.factory.core import Person
from tests.factory.privacy import LINK, api_key, unlink

PLANS = "{ plans { id slug name limits { name amount } } viewer { workspace { plan { slug } } } }"
ASSIGN = "mutation A($input: AssignPlanInput!) { assignPlan(input: $input) { plan { slug limits { name amount } } } }"
UPDATE = "mutation U($input: UpdatePlanLimitInput!) { updatePlanLimit(input: $input) { plan { slug limits { name amount } } } }"


async def try_link(api: Api, token: str, label: str, key: str | None = None) -> Answer:
    return await api(LINK, {"input": {"platformSlug": "google", "label": label, "idempotencyKey": key or label}}, token=token)


async def assign(api: Api, curator: Person, person: Person, plan: str) -> Answer:
    return await api(ASSIGN, {"input": {"workspaceId": person.workspace, "plan": plan}}, token=curator.token)


async def test_a_new_workspace_has_the_least(api: Api) -> None:
    ada = await api.person("ada", plan="free")
    data = (await api(PLANS, token=ada.token)).data
    assert [plan["slug"] for plan in data["plans"]] == ["free", "pro", "premium", "enterprise"]
    assert data["viewer"]["workspace"]["plan"] == {"slug": "free"}
    limits = {limit["name"]: limit["amount"] for limit in data["plans"][0]["limits"]}
    assert limits == {
        "core.domains": "1",
        "core.invitations": "20",
        "core.members": "5",
        "core.organizations": "1",
        "core.webhooks": "1",
        "privacy.analysis": "0",
        "privacy.daily_scans": "0",
        "privacy.platform_links": "3",
        "scans.monitor_daily_scans": "1",
        "scans.monitors": "1",
        "scans.open_disputes": "5",
        "scans.scans": "2000",
    }
    by_id = "query N($id: ID!) { node(id: $id) { id ... on Plan { slug } } }"
    node = await api(by_id, {"id": data["plans"][1]["id"]}, token=ada.token)
    assert node.data["node"]["slug"] == "pro"


async def test_one_more_than_the_limit(api: Api) -> None:
    ada = await api.person("ada", plan="free")
    links = [(await try_link(api, ada.token, str(n))).data["linkPlatform"]["link"]["id"] for n in range(3)]
    refused = await try_link(api, ada.token, "4")
    assert refused.code == "LIMIT_REACHED"
    found = refused.body["errors"][0]["extensions"]["limit"]
    assert found == {"name": "privacy.platform_links", "limit": 3, "used": 3, "plan": "free"}
    # A retry of what succeeded is answered as it was, and what was refused may be tried again with the same key.
    assert (await try_link(api, ada.token, "2")).data["linkPlatform"]["link"]["id"] == links[2]
    await unlink(api, ada.token, links[0])
    assert (await try_link(api, ada.token, "4")).data["linkPlatform"]["link"]["label"] == "4"


@pytest.mark.parametrize("by_key", [False, True])
async def test_parallel_attempts_let_exactly_the_limit_through(api: Api, by_key: bool) -> None:
    ada = await api.person("ada", plan="free")
    token = await api_key(api, ada.token) if by_key else ada.token
    answers = await asyncio.gather(*(try_link(api, token, str(n)) for n in range(20)))
    codes = [answer.codes for answer in answers]
    assert codes.count([]) == 3
    assert codes.count(["LIMIT_REACHED"]) == 17


async def test_a_plan_is_given_by_a_curator_alone(api: Api) -> None:
    ada, curator = await api.person("ada", plan="free"), await api.person("curator", curator=True)
    assert (await assign(api, ada, ada, "pro")).code == "FORBIDDEN"
    assert (await assign(api, curator, ada, "gold")).code == "NOT_FOUND"
    given: dict[str, Any] = (await assign(api, curator, ada, "pro")).data["assignPlan"]["plan"]
    assert {limit["name"]: limit["amount"] for limit in given["limits"]}["privacy.platform_links"] is None
    for n in range(5):
        assert (await try_link(api, ada.token, str(n))).codes == []
    # Back to a smaller plan: what there is stays, nothing is added.
    await assign(api, curator, ada, "free")
    refused = await try_link(api, ada.token, "one more")
    assert refused.body["errors"][0]["extensions"]["limit"]["used"] == 5


async def test_no_plan_for_what_is_no_workspace(api: Api) -> None:
    ada, curator = await api.person("ada"), await api.person("curator", curator=True)
    system = "V29ya3NwYWNlOjAwMDAwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMA=="
    for id_, code in ((system, "NOT_FOUND"), (str(ada.workspace_id), "BAD_ID")):
        answer = await api(ASSIGN, {"input": {"workspaceId": id_, "plan": "pro"}}, token=curator.token)
        assert answer.code == code


async def test_a_limit_is_changed_by_a_curator_alone(api: Api) -> None:
    ada, curator = await api.person("ada", plan="free"), await api.person("curator", curator=True)
    given: dict[str, Any] = {"plan": "free", "name": "privacy.platform_links", "amount": "1"}
    assert (await api(UPDATE, {"input": given}, token=ada.token)).code == "FORBIDDEN"
    assert (await api(UPDATE, {"input": given | {"amount": "-1"}}, token=curator.token)).code == "BAD_INPUT"
    assert (await api(UPDATE, {"input": given | {"name": "privacy.none"}}, token=curator.token)).code == "NOT_FOUND"
    assert (await api(UPDATE, {"input": given}, token=curator.token)).codes == []
    await try_link(api, ada.token, "1")
    assert (await try_link(api, ada.token, "2")).code == "LIMIT_REACHED"
    assert (await api(UPDATE, {"input": given | {"amount": None}}, token=curator.token)).codes == []
    assert (await try_link(api, ada.token, "2")).codes == []
    async with api.database.connect() as connection:
        told = await connection.fetchval(
            "SELECT count(*) FROM core.audit_event WHERE object = 'core.plan_limit' AND action = 'UPDATE'"
        )
    assert told == 2
