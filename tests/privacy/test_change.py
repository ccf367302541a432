"""Changes: found by link, origin and significance, each with who is likely to have made it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.privacy import link, recorded, scan, template_of
from tests.privacy.conftest import CONFIG_DAY, Small

CHANGES = """
query Changes($link: ID, $origin: Origin, $significance: Significance, $first: Int!, $after: String) {
  changes(linkId: $link, origin: $origin, significance: $significance, first: $first, after: $after) {
    edges { node { id setting label oldValue newValue origin significance confidence detectedAt snapshot { id capturedAt } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

Row = tuple[str, str | None, str | None, str, str]


async def changes(api: Api, token: str, *, first: int = 100, **filters: Any) -> list[dict[str, Any]]:
    """The changes of all pages."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await api(CHANGES, {"first": first, "after": after} | filters, token=token)).data["changes"]
        found += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def row(change: dict[str, Any]) -> Row:
    return change["setting"], change["oldValue"], change["newValue"], change["origin"], change["significance"]


async def tell_story(small: Small, person: Person, label: str = "Personal") -> str:
    """A link that meets every line of the rule table."""
    link_id = await link(small.api, person.token, "small", label)
    mine: dict[str, str | None] = {"audience": "Only me"}
    await recorded(small.api, person.token, scan(link_id, small.first, values=mine))
    mine["history"] = "off"
    acted = scan(link_id, small.first, day=1, values=mine)
    next(v for v in acted["values"] if v["key"] == "history")["userAction"] = True
    await recorded(small.api, person.token, acted)
    mine["keep"] = "A month"
    await recorded(small.api, person.token, scan(link_id, small.first, day=2, values=mine))
    mine["audience"] = "everyone"
    await recorded(small.api, person.token, scan(link_id, small.second, day=3, values=mine))
    mine["keep"] = "A day"
    await recorded(small.api, person.token, scan(link_id, small.second, day=CONFIG_DAY + 1, values=mine))
    return link_id


STORY: list[Row] = [
    ("keep", "A month", "A day", "UNKNOWN", "VALUE"),
    ("news", None, "on", "PLATFORM_STRUCTURE", "NEW_SETTING"),
    ("gone", "on", None, "PLATFORM_STRUCTURE", "REMOVED_SETTING"),
    ("audience", "Only me", "everyone", "PLATFORM_STRUCTURE", "VALUE"),
    ("ads", "on", "off", "PLATFORM_DEFAULT", "DEFAULT_FLIP"),
    ("keep", "For ever", "A month", "USER", "VALUE"),
    ("history", "on", "off", "USER", "VALUE"),
]


async def test_a_story_is_told_newest_first(small: Small) -> None:
    await tell_story(small, small.ada)
    found = await changes(small.api, small.ada.token)
    assert [row(change) for change in found] == STORY
    assert [change["confidence"] for change in found] == [0.5, 0.95, 0.95, 0.95, 0.95, 0.8, 1]
    assert [change["label"] for change in found][:3] == ["Keep", "News", "Gone"], "a setting that is gone keeps its name"
    assert all(change["detectedAt"] == change["snapshot"]["capturedAt"] for change in found)


async def test_what_reads_differently_since_another_config_is_technical(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.first, values={"audience": "Only me"}))
    values = {"audience": "Only  me"}
    await recorded(small.api, small.ada.token, scan(link_id, small.second, day=CONFIG_DAY + 1, values=values))
    found = {row(change)[0]: row(change)[1:] for change in await changes(small.api, small.ada.token)}
    assert found["audience"] == ("Only me", "Only  me", "TECHNICAL", "NOISE")
    assert found["gone"] == ("on", None, "UNKNOWN", "REMOVED_SETTING")
    assert found["ads"] == ("on", "off", "UNKNOWN", "VALUE")


async def test_the_same_words_in_another_spelling_are_wording(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.first))
    await recorded(small.api, small.ada.token, scan(link_id, small.second, day=1))
    (found,) = await changes(small.api, small.ada.token, significance="WORDING")
    assert row(found) == ("audience", "Everyone", "everyone", "PLATFORM_STRUCTURE", "WORDING")


async def test_filters_combine(small: Small) -> None:
    one = await tell_story(small, small.ada, "one")
    await tell_story(small, small.ada, "two")
    token = small.ada.token
    assert len(await changes(small.api, token)) == 2 * len(STORY)
    assert [row(c) for c in await changes(small.api, token, link=one)] == STORY
    for origin in ("USER", "PLATFORM_DEFAULT", "PLATFORM_STRUCTURE", "TECHNICAL", "UNKNOWN"):
        expected = [r for r in STORY if r[3] == origin]
        assert [row(c) for c in await changes(small.api, token, link=one, origin=origin)] == expected
        assert len(await changes(small.api, token, origin=origin)) == 2 * len(expected)
    for kind in ("NOISE", "WORDING", "VALUE", "DEFAULT_FLIP", "NEW_SETTING", "REMOVED_SETTING"):
        expected = [r for r in STORY if r[4] == kind]
        assert [row(c) for c in await changes(small.api, token, link=one, significance=kind)] == expected
    both = await changes(small.api, token, origin="PLATFORM_STRUCTURE", significance="VALUE", link=one)
    assert [row(c)[0] for c in both] == ["audience"]


@pytest.mark.parametrize("first", [1, 2, 3, 7, 100])
async def test_pages_hold_each_once(small: Small, first: int) -> None:
    """Also where a page ends within the changes of one snapshot."""
    await tell_story(small, small.ada)
    assert [row(c) for c in await changes(small.api, small.ada.token, first=first)] == STORY


async def test_a_change_is_a_node(small: Small) -> None:
    await tell_story(small, small.ada)
    found = await changes(small.api, small.ada.token)
    query = "query N($ids: [ID!]!) { nodes(ids: $ids) { id ... on Change { setting newValue label } } }"
    ids = [change["id"] for change in found]
    assert len(set(ids)) == len(ids)
    nodes = (await small.api(query, {"ids": ids}, token=small.ada.token)).data["nodes"]
    assert nodes == [{k: change[k] for k in ("id", "setting", "newValue", "label")} for change in found]
    ben = await small.person()
    assert (await small.api(query, {"ids": ids}, token=ben.token)).data["nodes"] == [None] * len(ids)
    for key in ("x", f"{uuid4()}", f"{uuid4()}:", f"{uuid4()}:no_such", "x:ads"):
        answer = await small.api(query, {"ids": [global_id("Change", key)]}, token=small.ada.token)
        assert answer.codes == ["BAD_ID"] or answer.data["nodes"] == [None]


async def test_others_see_nothing_of_it(small: Small) -> None:
    link_id = await tell_story(small, small.ada)
    ben = await small.person()
    assert await changes(small.api, ben.token) == []
    answer = await small.api(CHANGES, {"link": link_id, "first": 1}, token=ben.token)
    assert answer.code == "NOT_FOUND"
    assert answer.body["errors"][0]["extensions"]["field"] == "linkId"


async def test_a_link_without_changes_has_none(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await recorded(api, ada.token, scan(link_id, await template_of(api, ada.token)))
    assert await changes(api, ada.token, link=link_id) == []


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"link": str(uuid4())}, "BAD_ID"),
        ({"link": global_id("Snapshot", str(uuid4()))}, "BAD_ID"),
        ({"link": global_id("PlatformLink", str(uuid4()))}, "NOT_FOUND"),
        ({"first": 0}, "BAD_PAGE_SIZE"),
        ({"first": 101}, "BAD_PAGE_SIZE"),
        ({"after": "x"}, "BAD_CURSOR"),
        ({"after": ""}, "BAD_CURSOR"),
        ({"origin": "SOMEBODY"}, "BAD_VARIABLES"),
    ],
)
async def test_bad_questions(api: Api, variables: dict[str, Any], code: str) -> None:
    ada = await api.person()
    answer = await api(CHANGES, {"first": 5} | variables, token=ada.token)
    assert answer.code == code


async def test_a_change_is_not_rewritten(small: Small) -> None:
    await tell_story(small, small.ada)
    for user in ("fivefold_api", "fivefold_worker"):
        async with small.api.database.connect(user) as connection:
            await connection.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(small.ada.workspace_id))
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("UPDATE privacy.change SET origin = 'USER'")
