"""Diffs: the small platform's two pages, hidden ones, and any two pages at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.privacy.template import TemplateSetting
from app.privacy.template_diff import SettingAspect, differ
from tests.factory.privacy import proposed, setting, template_of, template_proposed
from tests.privacy.conftest import Small

DIFF = """
query Diff($from: ID!, $to: ID!, $locale: String) {
  templateDiff(fromId: $from, toId: $to, locale: $locale) {
    sameStructure from { version } to { version previous { version } }
    added { key label } removed { key }
    changed { key aspects addedOptions removedOptions before { default label } after { default label } }
  }
}
"""


async def diff(small: Small, before: dict[str, Any], after: dict[str, Any], **other: Any) -> Any:
    """Between two templates, as ada sees it."""
    return await small.api(DIFF, {"from": before["id"], "to": after["id"]} | other, token=small.ada.token)


async def test_every_kind_of_change_is_told(small: Small) -> None:
    found = (await diff(small, small.first, small.second)).data["templateDiff"]
    assert found["from"] == {"version": 1}
    assert found["to"] == {"version": 2, "previous": {"version": 1}}
    assert found["sameStructure"] is False
    assert found["added"] == [{"key": "news", "label": "News"}]
    assert found["removed"] == [{"key": "gone"}]
    assert [(c["key"], c["aspects"]) for c in found["changed"]] == [
        ("ads", ["DEFAULT"]),
        ("audience", ["DEFAULT", "OPTIONS", "RECOMMENDED"]),
        ("keep", ["DEFAULT", "OPTIONS", "RECOMMENDED"]),
    ]
    ads, audience, keep = found["changed"]
    assert (ads["before"]["default"], ads["after"]["default"]) == ("on", "off")
    assert (audience["addedOptions"], audience["removedOptions"]) == (["everyone", "Only  me"], ["Everyone", "Only me"])
    assert (keep["addedOptions"], keep["removedOptions"]) == (["A day"], [])
    back = (await diff(small, small.second, small.first)).data["templateDiff"]
    assert [s["key"] for s in back["added"]] == ["gone"]
    same = (await diff(small, small.first, small.first)).data["templateDiff"]
    assert (same["sameStructure"], same["added"], same["removed"], same["changed"]) == (True, [], [], [])


async def test_what_is_hidden_has_no_diff(small: Small) -> None:
    bob = await small.person()
    hidden = await template_proposed(small.api, bob.token, [proposed("history")], "small")
    for before, after, field in ((small.first, hidden, "toId"), (hidden, small.first, "fromId")):
        answer = await diff(small, before, after)
        assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NOT_FOUND", field)
    answer = await small.api(DIFF, {"from": small.second["id"], "to": hidden["id"]}, token=bob.token)
    found = answer.data["templateDiff"]
    assert (found["added"], [s["key"] for s in found["removed"]]) == ([], ["ads", "audience", "keep", "news"])
    assert found["changed"] == [], "what is not known does not differ"


@pytest.mark.parametrize("other", [{"locale": "no tag"}, {"to": "x"}])
async def test_what_is_wrong(small: Small, other: dict[str, str]) -> None:
    answer = await diff(small, small.first, small.second, **other)
    assert answer.code in ("BAD_INPUT", "BAD_ID")


async def test_two_platforms_are_not_compared(small: Small) -> None:
    google = await template_of(small.api, small.ada.token, "google")
    assert (await diff(small, small.first, google)).code == "BAD_INPUT"


@st.composite
def pages(draw: st.DrawFn) -> list[TemplateSetting]:
    """Any page of up to six settings."""
    found = []
    for place, key in enumerate(draw(st.lists(st.sampled_from("abcdef"), unique=True))):
        options = draw(st.sampled_from([["on", "off"], ["x", "y"], ["x", "y", "z"], ["y", "x"]]))
        found.append(
            setting(
                place,
                key,
                options,
                default_value=draw(st.sampled_from(options)),
                default_known=draw(st.booleans()),
                risk=draw(st.sampled_from([0, 50])),
                label=draw(st.sampled_from(["One", "Two"])),
            )
        )
    return found


@given(pages(), pages())
def test_a_diff_there_and_back_says_the_same(before: list[TemplateSetting], after: list[TemplateSetting]) -> None:
    there, back = differ(before, after), differ(after, before)
    assert ([s.key for s in there.added], [s.key for s in there.removed]) == (
        [s.key for s in back.removed],
        [s.key for s in back.added],
    )
    assert [(c.key, c.aspects, c.added_options) for c in there.changed] == [
        (c.key, c.aspects, c.removed_options) for c in back.changed
    ]
    for one in there.changed:
        unknown = not (one.before.default_known and one.after.default_known)
        assert not (unknown and SettingAspect.DEFAULT in one.aspects)
    same = differ(before, before)
    assert (same.added, same.removed, same.changed) == ([], [], [])
