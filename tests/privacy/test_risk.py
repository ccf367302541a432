"""The risk score can be explained: it is made of its points, grows with what exposes, and ignores what was not seen."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from app.privacy.risk import FORMULA, assess, exposes
from app.privacy.template import TemplateSetting
from tests.conftest import Api
from tests.factory.privacy import link, record, scan, setting, template_of

Seen = tuple[list[TemplateSetting], dict[str, str]]

CONTRIBUTIONS = """
query Contributions($id: ID!) {
  snapshot(id: $id) {
    riskScore riskFormula riskContributions { key label points directLink } settings { key label directLink }
  }
}
"""


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    """Settings with weights and advice of all kinds, and the values of some."""
    template, values = [], {}
    for place in range(draw(st.integers(1, 30))):
        options = draw(st.sampled_from([["on", "off"], ["a", "b"], ["a", "b", "c", "d"]]))
        recommended = draw(st.sampled_from(options))
        template.append(setting(place, f"key_{place}", options, risk=draw(st.integers(1, 100)), recommended=recommended))
        value = draw(st.sampled_from([None, *options]))
        if value is not None:
            values[f"key_{place}"] = value
    return template, values


@given(seen())
@settings(deadline=None)
def test_points_add_up_to_the_score(example: Seen) -> None:
    found = assess(*example)
    assert sum(found.points.values()) == (found.score or 0)
    assert found.score is None or 0 <= found.score <= 100
    assert all(points >= 0 for points in found.points.values())


@given(seen())
@settings(deadline=None)
def test_the_score_is_the_exposing_share_of_what_was_seen(example: Seen) -> None:
    template, values = example
    weights = {s.key: s.risk for s in template if s.key in values}
    exposed = {s.key for s in template if s.key in values and exposes(s, values[s.key])}
    found = assess(template, values)
    if not weights:
        assert found.score is None
        return
    share = Fraction(100 * sum(weights[key] for key in exposed), sum(weights.values()))
    assert found.score == int(share + Fraction(1, 2))
    assert found.points.keys() == exposed
    for key, points in found.points.items():
        assert abs(points - Fraction(100 * weights[key], sum(weights.values()))) < 1


@given(seen(), st.data())
@settings(deadline=None)
def test_exposing_one_setting_more_never_lowers_the_score(example: Seen, data: st.DataObject) -> None:
    template, values = example
    safe = [s for s in template if s.key in values and not exposes(s, values[s.key])]
    risky = [(s, o) for s in safe for o in s.options if exposes(s, o)]
    if not risky:
        return
    one, option = data.draw(st.sampled_from(risky))
    before, after = assess(template, values).score, assess(template, values | {one.key: option}).score
    assert before is not None
    assert after is not None
    assert before <= after


@given(seen())
@settings(deadline=None)
def test_advice_that_is_followed_everywhere_scores_nothing(example: Seen) -> None:
    template, _ = example
    assert assess(template, {s.key: s.recommended for s in template}).score == 0


def test_everything_exposed_is_a_hundred() -> None:
    template = [setting(n, f"key_{n}", risk=n + 1) for n in range(7)]
    assert assess(template, {s.key: "on" for s in template}).score == 100


def test_an_option_beyond_the_recommended_is_as_good() -> None:
    audience = setting(0, "audience", ["Everyone", "Friends", "Only me"], recommended="Friends")
    assert [exposes(audience, option) for option in audience.options] == [True, False, False]


def test_a_toggle_that_protects_exposes_when_off() -> None:
    lock = setting(0, "two_steps", recommended="on")
    assert [exposes(lock, value) for value in ("on", "off")] == [False, True]


def test_unseen_settings_neither_help_nor_harm() -> None:
    template = [setting(0, "a", risk=30), setting(1, "b", risk=70)]
    assert assess(template, {"a": "on", "b": "off"}).score == 30
    assert assess(template, {"a": "on"}).score == 100
    assert assess(template, {}).score is None


async def test_the_api_lists_what_makes_the_score(api: Api) -> None:
    ada = await api.person()
    template = await template_of(api, ada.token)
    given = scan(await link(api, ada.token), template)
    snapshot_id = (await record(api, ada.token, given)).data["recordSnapshot"]["snapshot"]["id"]
    shown = (await api(CONTRIBUTIONS, {"id": snapshot_id}, token=ada.token)).data["snapshot"]
    contributions = shown["riskContributions"]
    assert shown["riskFormula"] == FORMULA
    assert sum(c["points"] for c in contributions) == shown["riskScore"] > 0
    assert contributions == sorted(contributions, key=lambda c: (-c["points"], c["key"]))
    exposed = {s["key"] for s in template["settings"] if s["default"] != s["recommended"]}
    assert {c["key"] for c in contributions} == exposed
    named = {s["key"]: (s["label"], s["directLink"]) for s in shown["settings"]}
    assert all((c["label"], c["directLink"]) == named[c["key"]] for c in contributions)


def test_what_nobody_judged_exposes_nobody() -> None:
    judged, not_judged = setting(0, "judged", risk=10), setting(1, "not_judged", risk=0)
    assert not exposes(not_judged, "on")
    assert assess([not_judged], {"not_judged": "on"}).score is None
    found = assess([judged, not_judged], {"judged": "on", "not_judged": "on"})
    assert (found.score, found.points) == (100, {"judged": 100})
