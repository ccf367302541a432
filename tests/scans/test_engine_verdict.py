"""Verdicts of engines: their rows are what the engines said."""

from __future__ import annotations

from app.scans.engine.found import Found, Unchecked
from app.scans.judgement import WEIGHTS, Engine, Verdict, _verdict


def test_an_engine_that_cannot_look_says_so() -> None:
    blind = _verdict(Engine.FEED, "feed-1", Found(unchecked=[Unchecked.FEED_MISSING], blind=True), 0)
    assert (blind.verdict, blind.score, blind.confidence, blind.unchecked) == (Verdict.UNKNOWN, None, 0, Unchecked.FEED_MISSING)


def test_what_it_found_counts_even_where_it_did_not_see_all() -> None:
    partly = _verdict(Engine.PAGE, "page-1", Found({"BRAND_CLAIMED"}, [Unchecked.TRUNCATED]), 0.0016)
    assert (partly.verdict, partly.score, partly.unchecked) == (Verdict.MALICIOUS, 74, Unchecked.TRUNCATED)
    assert partly.weight == WEIGHTS[Engine.PAGE]
    assert partly.milliseconds == 2
    (indicator,) = partly.indicators
    assert (indicator.engine, indicator.kind, indicator.weight) == ("PAGE", "BRAND_CLAIMED", 74)
