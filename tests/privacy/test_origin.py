"""The rule table, against another reading of it: random pages that change in every way, judged by a table of facts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.privacy.origin import Finding, Origin, Sight, Significance, compare
from app.privacy.template import SettingType, TemplateSetting, structure_hash
from tests.factory.privacy import setting

LISTS = [
    ["on", "off"],
    ["Everyone", "Friends", "Only me"],
    ["everyone", "Friends", "Only  me"],
    ["Everyone", "Friends"],
    ["Everyone", "Friends", "Only me", "Nobody"],
]
KEYS = "abcdef"
ANY = {"same", "changed", "none"}

# structure, config, default, what is seen of the setting -> origin, at most how sure. The first line that fits counts.
TABLE: list[tuple[set[str], set[str], set[str], set[str], str, float]] = [
    ({"same"}, {"same"}, {"same"}, {"acted"}, "USER", 1.0),
    ({"same"}, {"same"}, {"same"}, {"differs"}, "USER", 0.99),
    (ANY, {"same"}, {"changed"}, {"follows the default"}, "PLATFORM_DEFAULT", 0.99),
    ({"changed"}, {"same"}, ANY, {"appeared", "vanished", "other options"}, "PLATFORM_STRUCTURE", 0.99),
    (ANY, {"changed"}, ANY, {"same words"}, "TECHNICAL", 0.99),
    (ANY, ANY, ANY, {"differs", "appeared", "vanished"}, "UNKNOWN", 0.99),
]


def hash_of(page: dict[str, TemplateSetting]) -> bytes:
    return structure_hash((s.key, s.type, s.options) for s in page.values())


@st.composite
def pages(draw: st.DrawFn) -> tuple[dict[str, TemplateSetting], dict[str, TemplateSetting]]:
    """A settings page and what became of it: mostly the same, so that every line of the table is met."""
    before, after = {}, {}
    for place, key in enumerate(KEYS):
        options = draw(st.sampled_from(LISTS))
        was = setting(place, key, options, default_value=draw(st.sampled_from(options)))
        fate = draw(st.sampled_from(["same", "same", "same", "default", "options", "type", "gone", "new"]))
        if fate != "new":
            before[key] = was
        if fate == "gone":
            continue
        if fate == "options":
            options = draw(st.sampled_from(LISTS))
        default = was.default_value if was.default_value in options and fate != "default" else draw(st.sampled_from(options))
        other = {"type": SettingType.SELECT} if fate == "type" else {}
        after[key] = setting(place, key, options, default_value=default, **other)
    return before, after


@st.composite
def sights(draw: st.DrawFn) -> tuple[Sight, Sight]:
    """Two captures, each of which saw some of its settings."""
    before, after = draw(pages())

    def sight(page: dict[str, TemplateSetting]) -> Sight:
        values = {}
        for key, one in page.items():
            value = draw(st.sampled_from([None, *one.options]))
            if value is not None:
                values[key] = value
        return Sight(hash_of(page), draw(st.sampled_from([1, 1, 2])), page, values)

    return sight(before), sight(after)


def words(text: str) -> list[str]:
    return text.casefold().split()


def facts(before: Sight, after: Sight, key: str, acted: bool) -> tuple[str, str, str, set[str]] | None:
    """What the table asks of one setting, or None where there is nothing to tell."""
    was, now = before.settings.get(key), after.settings.get(key)
    old, new = before.values.get(key), after.values.get(key)
    structure = "same" if before.structure_hash == after.structure_hash else "changed"
    config = "same" if before.config_version == after.config_version else "changed"
    if was is None or now is None:
        if old is None and new is None:
            return None
        return structure, config, "none", {"appeared" if was is None else "vanished"}
    if old is None or new is None or old == new:
        return None
    seen = {"differs"}
    if acted:
        seen.add("acted")
    if new == now.default_value:
        seen.add("follows the default")
    if list(was.options) != list(now.options):
        seen.add("other options")
    if words(old) == words(new):
        seen.add("same words")
    return structure, config, "same" if words(was.default_value) == words(now.default_value) else "changed", seen


def judged(before: Sight, after: Sight, key: str, acted: bool) -> tuple[str, str, float, set[str]] | None:
    """Origin, significance, how sure it may be, and what was seen."""
    found = facts(before, after, key, acted)
    if found is None:
        return None
    structure, config, default, seen = found
    for structures, configs, defaults, shapes, origin, sure in TABLE:
        if structure in structures and config in configs and default in defaults and seen & shapes:
            return origin, significance(origin, seen), sure, seen
    raise AssertionError(found)


def significance(origin: str, seen: set[str]) -> str:
    if "appeared" in seen:
        return "NEW_SETTING"
    if "vanished" in seen:
        return "REMOVED_SETTING"
    if origin == "PLATFORM_STRUCTURE" and "same words" in seen:
        return "WORDING"
    return {"PLATFORM_DEFAULT": "DEFAULT_FLIP", "TECHNICAL": "NOISE"}.get(origin, "VALUE")


def essence(finding: Finding) -> tuple[Any, ...]:
    return finding.old_value, finding.new_value, finding.origin.value, finding.significance.value


@given(sights(), st.sets(st.sampled_from(KEYS)), st.dictionaries(st.sampled_from(KEYS), st.floats(0, 1)), st.floats(0, 1))
@settings(deadline=None, max_examples=400)
def test_compare_follows_the_rule_table(
    pair: tuple[Sight, Sight], acted: set[str], confidence: dict[str, float], otherwise: float
) -> None:
    before, after = pair
    found = {f.setting: f for f in compare(before, after, acted=acted, confidence=confidence, otherwise=otherwise)}
    for key in KEYS:
        expected = judged(before, after, key, key in acted)
        if expected is None:
            assert key not in found
            continue
        origin, kind, sure, _ = expected
        assert essence(found[key]) == (before.values.get(key), after.values.get(key), origin, kind)
        assert 0 <= found[key].confidence <= sure
        assert (found[key].confidence == 1) == (origin == "USER" and key in acted)


@given(sights())
@settings(deadline=None)
def test_findings_come_once_and_in_order(pair: tuple[Sight, Sight]) -> None:
    found = [f.setting for f in compare(*pair, acted=set(), confidence={}, otherwise=1)]
    assert found == sorted(set(found))


@given(sights())
@settings(deadline=None)
def test_nothing_differs_from_itself(pair: tuple[Sight, Sight]) -> None:
    for sight in pair:
        assert compare(sight, sight, acted=set(KEYS), confidence={}, otherwise=1) == []


@given(sights(), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_a_surer_reading_never_makes_the_origin_less_sure(pair: tuple[Sight, Sight], one: float, other: float) -> None:
    low, high = sorted((one, other))
    less = compare(*pair, acted=set(), confidence={}, otherwise=low)
    more = compare(*pair, acted=set(), confidence={}, otherwise=high)
    assert all(a.confidence <= b.confidence for a, b in zip(less, more, strict=True))


def sight(page: dict[str, TemplateSetting], values: dict[str, str], config: int = 1) -> Sight:
    return Sight(hash_of(page), config, page, values)


def one(before: Sight, after: Sight, *acted: str) -> tuple[Origin, float]:
    (finding,) = compare(before, after, acted=set(acted), confidence={}, otherwise=1)
    return finding.origin, finding.confidence


AUDIENCE = {"a": setting(0, "a", LISTS[1])}


def test_the_lines_one_by_one() -> None:
    flipped = {"a": setting(0, "a", LISTS[1], default_value="Friends")}
    recased = {"a": setting(0, "a", LISTS[2])}
    before = sight(AUDIENCE, {"a": "Everyone"})
    assert one(before, sight(AUDIENCE, {"a": "Friends"}), "a") == (Origin.USER, 1.0)
    assert one(before, sight(AUDIENCE, {"a": "Friends"})) == (Origin.USER, 0.8)
    assert one(before, sight(flipped, {"a": "Friends"})) == (Origin.PLATFORM_DEFAULT, 0.95)
    assert one(before, sight(flipped, {"a": "Only me"})) == (Origin.UNKNOWN, 0.5)
    assert one(before, sight({}, {})) == (Origin.PLATFORM_STRUCTURE, 0.95)
    assert one(sight({}, {}), before) == (Origin.PLATFORM_STRUCTURE, 0.95)
    assert one(before, sight(recased, {"a": "Friends"})) == (Origin.PLATFORM_STRUCTURE, 0.95)
    assert one(sight(AUDIENCE, {"a": "Only me"}), sight(recased, {"a": "Only  me"}, 2)) == (Origin.TECHNICAL, 0.95)
    assert one(before, sight(AUDIENCE, {"a": "Friends"}, 2)) == (Origin.UNKNOWN, 0.5)
    assert one(before, sight({}, {}, 2)) == (Origin.UNKNOWN, 0.5)


def test_a_default_in_other_words_is_no_flip() -> None:
    """It would alarm people about a capital letter."""
    recased = {"a": setting(0, "a", LISTS[2])}
    before, after = sight(AUDIENCE, {"a": "Everyone"}), sight(recased, {"a": "everyone"})
    (found,) = compare(before, after, acted=set(), confidence={}, otherwise=1)
    assert (found.origin, found.significance) == (Origin.PLATFORM_STRUCTURE, Significance.WORDING)


def test_a_default_that_is_not_known_did_not_change() -> None:
    """A template that people proposed has the first option in its place."""
    for before, after in ((True, False), (False, True), (False, False)):
        was = {"a": setting(0, "a", LISTS[1], default_value="Only me", default_known=before)}
        is_ = {"a": setting(0, "a", LISTS[1], default_value="Everyone", default_known=after)}
        sights_ = Sight(b"1", 1, was, {"a": "Friends"}), Sight(b"1", 1, is_, {"a": "Everyone"})
        (finding,) = compare(*sights_, acted=frozenset(), confidence={}, otherwise=1.0)
        assert (finding.origin, finding.significance) == (Origin.USER, Significance.VALUE)


def test_an_act_proves_nothing_where_the_page_changed() -> None:
    flipped = {"a": setting(0, "a", LISTS[1], default_value="Friends")}
    assert one(sight(AUDIENCE, {"a": "Everyone"}), sight(flipped, {"a": "Friends"}), "a") == (Origin.PLATFORM_DEFAULT, 0.95)


def test_a_poor_reading_weakens_what_is_assumed_but_not_what_was_seen() -> None:
    before, after = sight(AUDIENCE, {"a": "Everyone"}), sight(AUDIENCE, {"a": "Friends"})
    (assumed,) = compare(before, after, acted=set(), confidence={"a": 0.5}, otherwise=1)
    (certain,) = compare(before, after, acted={"a"}, confidence={"a": 0.5}, otherwise=1)
    assert (assumed.confidence, certain.confidence) == (0.4, 1.0)


def reading(count: int, differing: int, *, config: int = 2, other: bool = False) -> list[Finding]:
    """A page of so many toggles of which some are read otherwise, by that config."""
    page = {f"s{n}": setting(n, f"s{n}") for n in range(count)}
    after = page | ({"new": setting(count, "new")} if other else {})
    values = dict.fromkeys(page, "on")
    flipped = values | {f"s{n}": "off" for n in range(differing)}
    sight = Sight(hash_of(page), 1, page, values), Sight(hash_of(after), config, after, flipped)
    return compare(*sight, acted=frozenset(), confidence={}, otherwise=1.0)


def test_a_page_that_is_read_anew_is_technical() -> None:
    assert {f.origin for f in reading(16, 8)} == {Origin.TECHNICAL}
    assert {f.significance for f in reading(16, 8)} == {Significance.VALUE}, "alerts still see that values differ"


@pytest.mark.parametrize(
    "findings",
    [reading(14, 7), reading(17, 8), reading(16, 8, other=True)],
    ids=["seven", "less than half", "another structure"],
)
def test_a_few_settings_are_not_a_page(findings: list[Finding]) -> None:
    assert {f.origin for f in findings} == {Origin.UNKNOWN}


def test_without_a_new_config_it_is_the_person() -> None:
    assert {f.origin for f in reading(16, 16, config=1)} == {Origin.USER}
