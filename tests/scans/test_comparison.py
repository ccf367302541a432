"""Comparisons and what scans have in common: facts of the workspace's own scans."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.kit.graphql import parse_uuid
from app.scans.comparison import ScanChange, ScanFact, changes, compare
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.kit import give, spend
from tests.factory.scans import judged, queued

COMPARE = (
    "query($a: ID!, $b: ID!) { compareScans(beforeId: $a, afterId: $b) { sameUrl changes addedCategories removedCategories"
    " indicators { engine kind weight added } facts { name before after } hops { place before after }"
    " before { id } after { id } } }"
)
RELATED = "query($id: ID!, $by: ScanRelation!) { relatedScans(scanId: $id, by: $by) { edges { node { id } } } }"
ACCESS = (
    "INSERT INTO scans.access (workspace_id, scan_id, address, port, milliseconds, seq, kind, masked_url, url_hash, status)"
    " SELECT workspace_id, id, $2::text::inet, 443, 1, 0, 'PAGE', masked_url, sha256(convert_to($3, 'UTF8')), 200"
    " FROM scans.scan WHERE id = $1"
)
GROUND = (
    "INSERT INTO scans.indicator (workspace_id, scan_id, engine, kind, weight, evidence)"
    " SELECT workspace_id, id, 'ADDRESS', 'BRAND_IN_HOST', 32, 'ADDRESS' FROM scans.scan WHERE id = $1"
)


async def person(api: Api, name: str) -> Person:
    found = await api.person(name)
    await give(api, found, 5)
    await spend(api, name, name)
    return found


def plain(**other: Any) -> ScanFact:
    known: dict[str, Any] = {
        "id": None,
        "url_hash": "00",
        "verdict": "HARMLESS",
        "score": 10,
        "categories": [],
        "http_status": 200,
        "content_type": "text/html",
        "final_host": "a.example",
        "tls_protocol": "TLSv1.3",
        "tls_issuer": "CA",
        "headers": {"server": "nginx"},
        "content": "aa",
        "certificate": "bb",
        "favicon": None,
        "indicators": ["TLS OLD 5"],
        "hops": ["01 192.0.2.1 https://a.example/"],
    }
    return ScanFact(**(known | other))


async def test_two_scans_are_compared(shared: Api) -> None:
    ada, eve = await person(shared, "ada"), await person(shared, "eve")
    one, other, waiting = await judged(shared, ada, "one"), await judged(shared, ada, "other"), await queued(shared, ada)
    async with shared.database.connect() as admin:
        for scan_id, address, target in ((one, "93.184.216.34", "t"), (other, "93.184.216.35", "u")):
            await admin.execute(ACCESS, parse_uuid(scan_id, "Scan", field="id"), address, target)
        await admin.execute(GROUND, parse_uuid(other, "Scan", field="id"))
    found = (await shared(COMPARE, {"a": one, "b": other}, token=ada.token)).data["compareScans"]
    assert found["sameUrl"] is False
    assert found["changes"] == ["CONTENT", "TARGET"]
    assert [fact["name"] for fact in found["facts"]] == ["finalHost", "contentSha256"]
    assert found["indicators"] == [{"engine": "ADDRESS", "kind": "BRAND_IN_HOST", "weight": 32, "added": True}]
    (hop,) = found["hops"]
    assert hop["before"] == "https://one.example.com/ 93.184.216.34"
    assert (found["before"]["id"], found["after"]["id"]) == (one, other)
    same = (await shared(COMPARE, {"a": one, "b": one}, token=ada.token)).data["compareScans"]
    assert (same["sameUrl"], same["changes"], same["facts"], same["hops"], same["indicators"]) == (True, [], [], [], [])
    for a, b, who in ((one, waiting, ada), (one, other, eve)):
        assert (await shared(COMPARE, {"a": a, "b": b}, token=who.token)).data == {"compareScans": None}


async def test_related_scans_are_the_workspaces_own(shared: Api) -> None:
    grace, eve = await person(shared, "grace"), await person(shared, "mallory")
    here, there, far = (
        await judged(shared, grace, "same"),
        await judged(shared, grace, "same"),
        await judged(shared, eve, "same"),
    )
    async with shared.database.connect() as admin:
        for scan_id in (here, there, far):
            await admin.execute(ACCESS, parse_uuid(scan_id, "Scan", field="id"), "93.184.216.34", "t")
        await admin.execute(
            "UPDATE scans.scan_result SET favicon_hash = sha256('f'), certificate_hash = sha256('c') WHERE favicon_hash IS NULL"
        )
    for by in ("CONTENT", "FAVICON", "CERTIFICATE", "ADDRESS"):
        for scan_id, related in ((here, there), (there, here)):
            edges = (await shared(RELATED, {"id": scan_id, "by": by}, token=grace.token)).data["relatedScans"]["edges"]
            assert [edge["node"]["id"] for edge in edges] == [related], by
        assert (await shared(RELATED, {"id": here, "by": by}, token=eve.token)).code == "NOT_FOUND"
    lonely, unjudged = await judged(shared, grace, "lonely"), await queued(shared, grace, "waiting")
    for scan_id in (lonely, unjudged):
        for by in ("FAVICON", "CERTIFICATE", "ADDRESS"):
            found = (await shared(RELATED, {"id": scan_id, "by": by}, token=grace.token)).data
            assert found == {"relatedScans": {"edges": []}}, "what none has in common"


def test_what_a_comparison_tells() -> None:
    later = plain(
        verdict="MALICIOUS",
        score=90,
        categories=["PHISHING"],
        headers={"server": "apache", "via": "x"},
        indicators=["ADDRESS BRAND 40", "TLS OLD 9"],
        certificate="cc",
        hops=["01 192.0.2.1 https://a.example/", "02 - https://b.example/"],
    )
    found = compare(plain(categories=["SPAM"]), later)
    assert found.changes == [ScanChange.VERDICT, ScanChange.SCORE, ScanChange.CERTIFICATE, ScanChange.TARGET]
    assert [(each.kind, each.added) for each in found.indicators] == [("BRAND", True)], "another weight is no other ground"
    assert [each.value for each in found.added_categories] == ["PHISHING"]
    assert [each.value for each in found.removed_categories] == ["SPAM"]
    headers = {each.name: (each.before, each.after) for each in found.facts if each.name.startswith("header:")}
    assert headers == {"header:server": ("nginx", "apache"), "header:via": (None, "x")}
    assert [(each.place, each.before, each.after) for each in found.hops] == [(1, None, "https://b.example/ -")]


def test_what_is_not_known_is_no_change() -> None:
    unknown = plain(verdict="HARMLESS", score=None, content=None, certificate=None, hops=[], final_host=None)
    assert changes(plain(), unknown) == changes(unknown, plain()) == []


@given(st.integers(0, 100), st.integers(0, 100))
def test_scores_move_by_bands(before: int, after: int) -> None:
    """Both ways alike; what is far apart is always told, and what stands still never."""
    told = ScanChange.SCORE in changes(plain(score=before), plain(score=after))
    assert told is (ScanChange.SCORE in changes(plain(score=after), plain(score=before)))
    assert told or abs(before - after) <= 20
    assert not told or before != after
