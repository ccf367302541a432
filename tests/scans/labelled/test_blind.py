"""Precision and recall on the blind set, half by half. The floors are below what was reached, so that a change is noticed.

``pytest -s`` prints the figures, for verdicts that say harm is likely and for those that say it is certain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from app.kit.errors import AppError
from app.scans.judgement import Verdict, engines_of, judge
from app.scans.observation import FetchFailure
from app.scans.url import parse_url
from app.settings import Settings
from tests.factory.observed import observed
from tests.scans.labelled.blind import fresh, halves
from tests.scans.labelled.blind.case import Blind

LIKELY = (Verdict.SUSPICIOUS, Verdict.MALICIOUS)


async def verdict_of(case: Blind) -> Verdict | None:
    """None where the address is refused before anything is asked."""
    first, *way = [url for url, _ in case.hops] + [case.url]
    there = case.body is not None
    seen = observed(
        first,
        case.body or b"",
        way=way,
        content_type=case.kind,
        status=case.status if there else None,
        headers={name.lower(): value for name, value in case.headers.items()},
        failure=None if there else FetchFailure.NAME_NOT_FOUND,
    )
    try:
        url = parse_url(first)
    except AppError:
        return None
    return (await judge(url, seen, engines_of(Settings()))).verdict


SETS: dict[str, Callable[[], list[Blind]]] = {
    "seen": lambda: [case for case in halves() if not case.sealed],
    "sealed": lambda: [case for case in halves() if case.sealed],
    "fresh": lambda: fresh("fresh"),
    "last": lambda: fresh("last"),
    "whole": lambda: fresh("whole"),
    "later": lambda: fresh("later"),
    "third": lambda: fresh("third"),
    "fourth": lambda: fresh("fourth"),
    "fifth": lambda: fresh("fifth"),
    "sixth": lambda: fresh("sixth"),
}


@pytest.mark.parametrize("name", SETS)
async def test_precision_and_recall(name: str) -> None:
    counts: Counter[tuple[bool, str]] = Counter()
    for case in SETS[name]():
        verdict = await verdict_of(case)
        counts[case.harmful, verdict.name if verdict else "REFUSED"] += 1
    for told in (LIKELY, (Verdict.MALICIOUS,)):
        right = sum(counts[True, each.name] for each in told)
        wrong = sum(counts[False, each.name] for each in told)
        missed = sum(counts[True, each.name] for each in (Verdict.HARMLESS, *LIKELY) if each not in told)
        precision, recall = right / (right + wrong), right / (right + missed)
        names = " or ".join(each.name for each in told)
        print(f"{name}, {names}: precision {precision:.3f}, recall {recall:.3f}, {counts.total()} cases")  # noqa: T201
        if told is LIKELY:
            assert precision >= 0.93
            assert recall >= 0.93
    print({f"{'hostile' if harmful else 'honest'} {verdict}": n for (harmful, verdict), n in sorted(counts.items())})  # noqa: T201
    assert counts[True, "UNKNOWN"] <= 0.1 * counts.total()


def test_there_are_enough_and_all_kinds() -> None:
    found = [case for each in SETS.values() for case in each()]
    assert len(found) >= 650
    assert len({case.name for case in found}) == len(found)
    assert sum(case.harmful for case in found) >= 290
    assert 0.4 < sum(case.sealed for case in halves()) / len(halves()) < 0.6
