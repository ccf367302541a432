"""Scores: sub-scores, levels and contributions, right by hand and adding up whatever the numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.server
from app.privacy import risk
from app.privacy.category import CategoryGroup, group_of
from app.privacy.score import ScoreLevel, level_of, platform_contributions, sub_scores
from tests.conftest import Api
from tests.factory.kit import Lines
from tests.factory.privacy import (
    api_key,
    link,
    load_files,
    recorded,
    scan,
    setting,
    template_of,
    toggle,
    unlink,
    write_platform,
)
from tests.privacy.conftest import Small

SCORES = """
{ privacyDashboard {
  overallScore overallLevel coverage formula
  contributions { points links platform { slug } }
  subScores { group score level coverage links settings formula contributions { points links platform { slug } } }
  links { edges { node {
    label
    subScores { group score level coverage settings formula contributions { key label points directLink } }
    latestSnapshot { riskScore riskLevel subScores { group score } riskContributions { key points } }
  } } }
} }
"""

CATEGORIES = ["ads", "location", "retention", "security", "weather"]


async def scores(api: Api, token: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api(SCORES, token=token)).data["privacyDashboard"]
    return found


async def two_platforms(own: Small, data: Any) -> str:
    """Ada has a link of each of two platforms, and one that was never scanned."""
    first = [toggle("ads", risk=60), toggle("feed", category="personalization", risk=30), toggle("keep", category="retention")]
    write_platform(data, "one", first)
    write_platform(data, "two", [toggle("track", category="location", risk=90), toggle("lock", category="security", risk=10)])
    await load_files(own.api.database, data)
    token = own.ada.token
    one, two = await template_of(own.api, token, "one"), await template_of(own.api, token, "two")
    given = scan(await link(own.api, token, "one", "a"), one, values={"feed": "off", "keep": None})
    await recorded(own.api, token, given)
    await recorded(own.api, token, scan(await link(own.api, token, "two", "b"), two, values={"lock": "off"}))
    await link(own.api, token, "one", "never")
    return token


async def test_figures_against_a_computation_by_hand(own: Small, tmp_path: Any) -> None:
    """One: ads 60 exposed, feed 30 safe, keep not seen. Two: track 90 exposed, lock 10 safe. One more link of one, unseen."""
    token = await two_platforms(own, tmp_path / "two")
    shown = await scores(own.api, token)
    links = {edge["node"]["label"]: edge["node"] for edge in shown["links"]["edges"]}
    assert links["never"]["subScores"] == []
    of_a = {s.pop("group"): s for s in links["a"]["subScores"]}
    assert of_a == {
        "ONLINE_SAFETY": {"score": None, "level": None, "coverage": 0, "settings": 0, "formula": 1, "contributions": []},
        "DIGITAL_WELLBEING": {
            "score": 67,
            "level": "HIGH",
            "coverage": 1,
            "settings": 2,
            "formula": 1,
            "contributions": [
                {"key": "ads", "label": "Ads", "points": 67, "directLink": "https://example.com/settings"},
            ],
        },
        "DATA_OWNERSHIP": {"score": None, "level": None, "coverage": 0, "settings": 1, "formula": 1, "contributions": []},
    }
    assert {s["group"]: s["score"] for s in links["b"]["subScores"]} == {
        "ONLINE_SAFETY": 90,
        "DIGITAL_WELLBEING": None,
        "DATA_OWNERSHIP": None,
    }
    assert (shown["overallScore"], shown["overallLevel"], shown["formula"]) == (79, "HIGH", 1)  # (67 + 90) / 2 = 78.5
    assert shown["contributions"] == [
        {"points": 45, "links": 1, "platform": {"slug": "two"}},
        {"points": 34, "links": 1, "platform": {"slug": "one"}},
    ]
    overall = {s.pop("group"): s for s in shown["subScores"]}
    assert overall == {
        "ONLINE_SAFETY": {
            "score": 90,
            "level": "HIGH",
            "coverage": 1,
            "links": 1,
            "settings": 2,
            "formula": 1,
            "contributions": [{"points": 90, "links": 1, "platform": {"slug": "two"}}],
        },
        "DIGITAL_WELLBEING": {
            "score": 67,
            "level": "HIGH",
            "coverage": 0.5,
            "links": 1,
            "settings": 4,
            "formula": 1,
            "contributions": [{"points": 67, "links": 1, "platform": {"slug": "one"}}],
        },
        "DATA_OWNERSHIP": {
            "score": None,
            "level": None,
            "coverage": 0,
            "links": 0,
            "settings": 2,
            "formula": 1,
            "contributions": [],
        },
    }
    node = links["a"]["latestSnapshot"]
    assert (node["riskScore"], node["riskLevel"]) == (67, "HIGH")
    assert [s["score"] for s in node["subScores"]] == [None, 67, None]


async def test_before_the_first_link_there_is_nothing(small: Small) -> None:
    shown = await scores(small.api, small.ada.token)
    assert (shown["overallScore"], shown["overallLevel"], shown["contributions"]) == (None, None, [])
    assert [(s["score"], s["coverage"], s["links"]) for s in shown["subScores"]] == [(None, 0, 0)] * 3


async def test_ended_links_and_those_of_others_do_not_count(small: Small) -> None:
    ben = await small.person()
    for person in (small.ada, ben):
        given = scan(await link(small.api, person.token, "small"), small.second, values={"ads": "on"})
        await recorded(small.api, person.token, given)
    before = await scores(small.api, small.ada.token)
    assert [s["links"] for s in before["subScores"]] == [0, 1, 0]
    (edge,) = (await small.api("{ platformLinks { edges { node { id } } } }", token=ben.token)).data["platformLinks"]["edges"]
    await unlink(small.api, ben.token, edge["node"]["id"])
    assert await scores(small.api, small.ada.token) == before
    assert [s["links"] for s in (await scores(small.api, ben.token))["subScores"]] == [0, 0, 0]


async def test_the_link_of_a_platform_without_an_active_template(own: Small) -> None:
    """Nothing is known of its settings, so that it counts nowhere."""
    await link(own.api, own.ada.token, "small")
    async with own.api.database.connect() as admin:
        await admin.execute("UPDATE privacy.template SET state = 'RETIRED'")
    assert [s["settings"] for s in (await scores(own.api, own.ada.token))["subScores"]] == [0, 0, 0]


async def test_a_writing_key_does_not_see_sub_scores(small: Small) -> None:
    """It may see links, to know which there are."""
    await link(small.api, small.ada.token, "small")
    key = await api_key(small.api, small.ada.token, "snapshots:write")
    asked = "{ platformLinks { edges { node { subScores { group } } } } }"
    assert (await small.api(asked, token=key)).code == "FORBIDDEN"


async def test_statements_do_not_grow_with_links(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(app.server, "log", lines.logger())
    counts = []
    for number in range(1, 7):
        link_id = await link(small.api, small.ada.token, "small", str(number))
        await recorded(small.api, small.ada.token, scan(link_id, small.second))
        if number in (1, 6):
            await scores(small.api, small.ada.token)  # its settings are kept from now on
            await scores(small.api, small.ada.token)
            counts.append(sorted(lines.request["statements"]))
    assert counts[0] == counts[1]
    assert counts[0].count("privacy/score.list_scored_link") == 2


# Arithmetic

settings_of_all_groups = st.lists(st.tuples(st.sampled_from(CATEGORIES), st.integers(1, 100)), min_size=1, max_size=12).map(
    lambda drawn: [setting(n, f"s{n}", category=category, risk=weight) for n, (category, weight) in enumerate(drawn)]
)


@given(settings_of_all_groups, st.lists(st.sampled_from(["on", "off", None]), min_size=12, max_size=12))
def test_contributions_add_up_and_groups_part_the_settings(settings: Any, drawn: list[str | None]) -> None:
    values = {s.key: v for s, v in zip(settings, drawn, strict=False) if v is not None}
    found = sub_scores(settings, values)
    assert [s.group for s in found][:3] == list(CategoryGroup)[:3]
    assert sum(s.settings for s in found) == len(settings)
    for each in found:
        members = [s for s in settings if group_of(s.category) is each.group]
        seen = [s for s in members if s.key in values]
        assert each.coverage == (len(seen) / len(members) if members else 0)
        assert (each.score is None) is (not seen)
        assert sum(c.points for c in each.contributions) == (each.score or 0)
        if seen:
            exposed = sum(s.risk for s in seen if values[s.key] != s.recommended)
            assert each.score is not None
            assert abs(Fraction(100 * exposed, sum(s.risk for s in seen)) - each.score) <= Fraction(1, 2)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), max_size=40))
def test_platforms_add_up_to_the_mean(drawn: list[tuple[int, int]]) -> None:
    found = platform_contributions([(UUID(int=platform), score) for platform, score in drawn])
    mean = Fraction(sum(score for _, score in drawn), len(drawn) or 1)
    assert abs(sum(c.points for c in found) - mean) <= Fraction(1, 2)
    assert sum(c.links for c in found) == len(drawn)
    for each in found:
        exact = Fraction(sum(score for platform, score in drawn if UUID(int=platform) == each.platform_id), len(drawn))
        assert abs(each.points - exact) <= 1


@given(st.integers(0, 100))
def test_levels_are_thirds(score: int) -> None:
    expected = ScoreLevel.MINIMAL if score * 3 < 100 else ScoreLevel.MODERATE if score * 3 < 200 else ScoreLevel.HIGH
    assert level_of(score) is expected
    assert level_of(None) is None


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 5000), max_size=8), st.integers(1, 300))
def test_points_are_near_and_add_up(parts: dict[str, int], whole: int) -> None:
    score = risk.rounded(sum(parts.values()), whole)
    if not parts:
        return
    points = risk.share_out(score, parts, whole)
    assert sum(points.values()) == score
    assert all(abs(points[key] - Fraction(part, whole)) < 1 for key, part in parts.items())
