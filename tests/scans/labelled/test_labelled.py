"""Precision and recall of the default engines on labelled cases; a third of them is held out, see tests/scans/labelled."""

from __future__ import annotations

from collections import Counter

import pytest

from app.scans.judgement import Verdict, engines_of, judge
from app.scans.observation import FetchFailure
from app.scans.url import parse_url
from app.settings import Settings
from tests.factory.observed import observed
from tests.scans.labelled import Case, cases

FLAGGED = (Verdict.SUSPICIOUS, Verdict.MALICIOUS)


async def verdict_of(case: Case) -> Verdict:
    there = case.html is not None
    seen = observed(
        case.url,
        case.html or "",
        way=case.way,
        content_type=case.content_type,
        status=200 if there else None,
        failure=None if there else FetchFailure.NAME_NOT_FOUND,
    )
    return (await judge(parse_url(case.url), seen, engines_of(Settings()))).verdict


@pytest.mark.parametrize("held_out", [False, True])
async def test_precision_and_recall(held_out: bool) -> None:
    """UNKNOWN is counted apart: it is neither right nor wrong, but there may be few of them."""
    counts: Counter[tuple[bool, str]] = Counter()
    wrong = []
    for case in cases():
        if case.held_out is not held_out:
            continue
        verdict = await verdict_of(case)
        outcome = "unknown" if verdict is Verdict.UNKNOWN else "flagged" if verdict in FLAGGED else "passed"
        counts[case.harmful, outcome] += 1
        if outcome != ("flagged" if case.harmful else "passed") and not held_out:
            wrong.append((case.name, verdict.name))
    precision = counts[True, "flagged"] / (counts[True, "flagged"] + counts[False, "flagged"])
    recall = counts[True, "flagged"] / (counts[True, "flagged"] + counts[True, "passed"])
    unknown = (counts[True, "unknown"] + counts[False, "unknown"]) / counts.total()
    print(f"{counts.total()} cases: precision {precision:.3f}, recall {recall:.3f}, unknown {unknown:.3f}")  # noqa: T201
    assert precision >= 0.95, wrong
    assert recall >= 0.85, wrong
    assert unknown <= 0.1


def test_there_are_enough_and_all_kinds() -> None:
    found = list(cases())
    assert len(found) >= 150
    assert len({case.name for case in found}) == len(found)
    assert min(sum(case.harmful for case in found), sum(not case.harmful for case in found)) >= 60
    assert sum(case.held_out for case in found) >= 40
