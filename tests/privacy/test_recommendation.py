"""Recommendations: what exposes, the most first, with points that are the score's; dismissed until something changes."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import uuid4

import pytest

from app.kit.db import open_as
from app.kit.graphql import global_id
from app.kit.page import encode_cursor
from app.privacy.template import settings_of
from app.privacy.values import pack, unpack
from tests.conftest import Answer, Api
from tests.core.test_workspace import organize
from tests.factory.privacy import api_key, link, recorded, scan, template_of, unlink
from tests.privacy.conftest import Small

RECOMMENDATIONS = """
query Recommendations($linkId: ID, $level: RiskLevel, $dismissed: Boolean! = false, $first: Int! = 20, $after: String) {
  recommendations(linkId: $linkId, level: $level, dismissed: $dismissed, first: $first, after: $after) {
    edges { cursor node {
      setting label description category group level currentValue recommendedValue points directLink
      dismissedAt dismissalReason link { id label }
    } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
DISMISS = """
mutation Dismiss($input: DismissRecommendationInput!) {
  dismissRecommendation(input: $input) { recommendation { setting currentValue dismissedAt dismissalReason } }
}
"""
RESTORE = """
mutation Restore($input: RestoreRecommendationInput!) {
  restoreRecommendation(input: $input) { recommendation { setting dismissedAt } }
}
"""
CONTRIBUTIONS = "query Score($id: ID!) { snapshot(id: $id) { riskScore riskContributions { key points } } }"


async def listed(api: Api, token: str, **asked: Any) -> list[dict[str, Any]]:
    answer = await api(RECOMMENDATIONS, asked, token=token)
    return [edge["node"] for edge in answer.data["recommendations"]["edges"]]


async def dismiss(api: Api, token: str, link_id: str, setting: str, **other: Any) -> Answer:
    return await api(DISMISS, {"input": {"linkId": link_id, "setting": setting} | other}, token=token)


async def restore(api: Api, token: str, link_id: str, setting: str) -> Answer:
    return await api(RESTORE, {"input": {"linkId": link_id, "setting": setting}}, token=token)


async def exposed(small: Small, **values: str | None) -> str:
    """A scanned link of Ada: history 90 and audience 70 expose by default, of 260 together."""
    link_id = await link(small.api, small.ada.token, "small", str(uuid4()))
    await recorded(small.api, small.ada.token, scan(link_id, small.second, values=values))
    return link_id


async def test_what_exposes_the_most_comes_first(small: Small) -> None:
    link_id = await exposed(small)
    shown = await listed(small.api, small.ada.token)
    assert [(r["setting"], r["level"], r["points"]) for r in shown] == [
        ("history", "HIGH", 35),
        ("audience", "HIGH", 27),
        ("news", "LOW", 11),
        ("keep", "LOW", 8),
    ]  # 210 of 260 is 81 points
    assert shown[1] | {"link": None} == {
        "setting": "audience",
        "label": "Audience",
        "description": "Says what it does.",
        "category": "ads",
        "group": "DIGITAL_WELLBEING",
        "level": "HIGH",
        "currentValue": "everyone",
        "recommendedValue": "Only  me",
        "points": 27,
        "directLink": "https://example.com/settings",
        "dismissedAt": None,
        "dismissalReason": None,
        "link": None,
    }
    assert {r["link"]["id"] for r in shown} == {link_id}
    assert [r["setting"] for r in await listed(small.api, small.ada.token, level="LOW")] == ["news", "keep"]
    assert await listed(small.api, small.ada.token, level="MEDIUM") == []


async def test_points_are_those_of_the_score_whatever_was_seen(small: Small) -> None:
    """Python and SQL unpack and share out alike."""
    random = Random("recommendations")  # noqa: S311 - examples, no secret
    template = await template_of(small.api, small.ada.token, "linkedin")
    link_id = await link(small.api, small.ada.token, "linkedin")
    for day in range(40):
        values = {s["key"]: random.choice([*s["options"], None]) for s in template["settings"]}
        made = await recorded(small.api, small.ada.token, scan(link_id, template, day=day, values=values))
        shown = await listed(small.api, small.ada.token, linkId=link_id, first=100)
        asked = {"id": made["snapshot"]["id"]}
        snapshot = (await small.api(CONTRIBUTIONS, asked, token=small.ada.token)).data["snapshot"]
        assert {r["setting"]: r["points"] for r in shown} == {c["key"]: c["points"] for c in snapshot["riskContributions"]}
        assert sum(r["points"] for r in shown) == (snapshot["riskScore"] or 0)
        assert [r["points"] for r in shown] == sorted((r["points"] for r in shown), reverse=True)
        assert {r["setting"]: r["currentValue"] for r in shown}.items() <= values.items()


async def test_the_database_unpacks_as_python_does(api: Api) -> None:
    """Of every curated template, with any of its values: all seen, some, none."""
    random = Random("unpack")  # noqa: S311 - examples, no secret
    async with open_as(api.database.url(), "fivefold_owner") as (_, db), api.database.connect() as admin:
        for (template_id,) in await admin.fetch("SELECT id FROM privacy.template ORDER BY id"):
            settings = (await settings_of(db, [template_id]))[template_id]
            for unseen in (0, 1, 5, 10**6):
                values = {s.key: random.choice(s.options) for s in settings if random.randrange(10) >= unseen}
                packed, observed = pack(settings, values)
                rows = await admin.fetch(
                    "SELECT key, value FROM privacy.seen_setting($1, $2, $3)", template_id, packed, observed
                )
                assert {row["key"]: row["value"] for row in rows} == values == unpack(settings, packed, observed)


async def test_pages_hold_each_once(small: Small) -> None:
    for _ in range(3):
        await exposed(small)
    whole = await listed(small.api, small.ada.token, first=100)
    assert len(whole) == 12
    found: list[Any] = []
    after = None
    while True:
        page = (await small.api(RECOMMENDATIONS, {"first": 5, "after": after}, token=small.ada.token)).data["recommendations"]
        found += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == whole


@pytest.mark.parametrize(
    "keys", [["x"], ["x", "y", "z"], ["~", "ffffffff-ffff-ffff-ffff-ffffffffffff", ""], ["", str(uuid4()), "x"]]
)
async def test_any_cursor_is_a_place_or_none(small: Small, keys: list[str]) -> None:
    await exposed(small)
    answer = await small.api(RECOMMENDATIONS, {"after": encode_cursor(["Recommendation", *keys])}, token=small.ada.token)
    assert answer.codes in ([], ["BAD_CURSOR"])


async def test_what_was_not_seen_and_ended_links_recommend_nothing(small: Small) -> None:
    link_id = await exposed(small, history=None, audience=None, keep=None)
    assert [r["setting"] for r in await listed(small.api, small.ada.token)] == ["news"]
    await unlink(small.api, small.ada.token, link_id)
    assert await listed(small.api, small.ada.token) == []
    assert (await dismiss(small.api, small.ada.token, link_id, "news")).code == "NOT_FOUND"


async def test_one_that_was_dismissed_stays_away_until_its_value_changes(small: Small) -> None:
    token = small.ada.token
    link_id = await exposed(small)
    answer = await dismiss(small.api, token, link_id, "audience", reason="I sell things there")
    made = answer.data["dismissRecommendation"]["recommendation"]
    assert (made["setting"], made["dismissalReason"]) == ("audience", "I sell things there")
    assert made["dismissedAt"]
    assert "audience" not in [r["setting"] for r in await listed(small.api, token)]
    assert [r["setting"] for r in await listed(small.api, token, dismissed=True)] == ["audience"]
    await recorded(small.api, token, scan(link_id, small.second, day=1, values={"audience": "Friends"}))
    assert "audience" in [r["setting"] for r in await listed(small.api, token)]
    assert await listed(small.api, token, dismissed=True) == []
    again = await dismiss(small.api, token, link_id, "audience")
    assert again.data["dismissRecommendation"]["recommendation"]["currentValue"] == "Friends"
    assert [r["dismissalReason"] for r in await listed(small.api, token, dismissed=True)] == [None]


async def test_one_that_is_restored_is_shown_again(small: Small) -> None:
    token = small.ada.token
    link_id = await exposed(small)
    await dismiss(small.api, token, link_id, "history")
    for _ in range(2):  # the second time there is nothing to restore
        answer = await restore(small.api, token, link_id, "history")
        assert answer.data["restoreRecommendation"]["recommendation"] == {"setting": "history", "dismissedAt": None}
    assert "history" in [r["setting"] for r in await listed(small.api, token)]
    assert (await restore(small.api, token, link_id, "nothing")).data["restoreRecommendation"]["recommendation"] is None


async def test_refusals(small: Small) -> None:
    token = small.ada.token
    link_id = await exposed(small)
    for setting in ("ads", "nothing", "", "x" * 5000):
        answer = await dismiss(small.api, token, link_id, setting)
        assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NOT_FOUND", "setting")
    answer = await dismiss(small.api, token, link_id, "history", reason="x" * 501)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "reason")
    assert (await dismiss(small.api, token, link_id, "history", reason="\0")).code == "BAD_INPUT"
    assert (await dismiss(small.api, token, str(uuid4()), "history")).code == "BAD_ID"
    assert (await small.api(RECOMMENDATIONS, {"first": 101}, token=token)).code == "BAD_PAGE_SIZE"
    assert (await small.api(RECOMMENDATIONS, {"linkId": global_id("Snapshot", str(uuid4()))}, token=token)).code == "BAD_ID"
    assert await listed(small.api, token, dismissed=True) == []


async def test_links_of_others_are_not_found(small: Small) -> None:
    link_id = await exposed(small)
    ben = (await small.person()).token
    assert await listed(small.api, ben) == []
    assert (await small.api(RECOMMENDATIONS, {"linkId": link_id}, token=ben)).code == "NOT_FOUND"
    assert (await dismiss(small.api, ben, link_id, "history")).code == "NOT_FOUND"
    assert (await restore(small.api, ben, link_id, "history")).code == "NOT_FOUND"


async def test_viewers_and_keys_decide_nothing(small: Small) -> None:
    link_id = await exposed(small)
    viewer = await small.person()
    name = viewer.email.partition("@")[0]
    workspace = await organize(small.api, "O", **{name: "viewer"})
    given = {"input": {"linkId": link_id, "setting": "history"}}
    assert (await small.api(DISMISS, given, token=viewer.token, fivefold_workspace=workspace)).code == "FORBIDDEN"
    key = await api_key(small.api, small.ada.token, "snapshots:write", "privacy:read")
    assert (await dismiss(small.api, key, link_id, "history")).code == "FORBIDDEN"
    assert len(await listed(small.api, key)) == 4
    assert (await small.api(RECOMMENDATIONS, token=await api_key(small.api, small.ada.token))).code == "FORBIDDEN"
