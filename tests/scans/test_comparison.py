"""Comparisons and what scans have in common: facts of the workspace's own scans."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app import people
from app.core.erasure import erase_due
from app.core.upkeep import Nothing
from app.kit.graphql import parse_uuid
from app.kit.jobs import enqueue
from app.scans.comparison import HopChange, ScanChange, ScanFact, changes, compare
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import give, spend
from tests.factory.scans import DISPUTE, judged, published, queued
from tests.scans.test_publication import UNPUBLISH

COMPARE = (
    "query($a: ID!, $b: ID!) { compareScans(beforeId: $a, afterId: $b) { sameUrl changes addedCategories removedCategories"
    " indicators { engine kind weight added } facts { name before after } hops { changes"
    " before { seq maskedUrl address asn status } after { seq maskedUrl address asn status } } before { id } after { id } } }"
)
RELATED = "query($id: ID!, $by: ScanRelation!) { relatedScans(scanId: $id, by: $by) { edges { node { id } } } }"
PUBLISHED = (
    "query($id: ID!, $by: ScanRelation!, $after: String) { relatedPublishedScans(scanId: $id, by: $by, first: 1, after: $after)"
    " { edges { node { publicationId maskedUrl } } pageInfo { hasNextPage endCursor } } }"
)
ACCESS = (
    "INSERT INTO scans.access (workspace_id, scan_id, address, asn, port, milliseconds, seq, kind, masked_url, url_hash,"
    " status) SELECT workspace_id, id, $2::text::inet, $4::bigint, 443, 1, 0, 'PAGE', masked_url,"
    " sha256(convert_to($3, 'UTF8')), 200"
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


def step(seq: int = 0, **other: Any) -> dict[str, Any]:
    known = {"seq": seq, "url_hash": "01", "masked_url": "https://a.example/", "address": "192.0.2.1", "asn": 1, "status": 200}
    return known | other


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
        "hops": [step()],
    }
    return ScanFact(**(known | other))


async def test_two_scans_are_compared(shared: Api) -> None:
    ada, eve = await person(shared, "ada"), await person(shared, "eve")
    one, other, waiting = await judged(shared, ada, "one"), await judged(shared, ada, "other"), await queued(shared, ada)
    async with shared.database.connect() as admin:
        for scan_id, address, target, asn in ((one, "93.184.216.34", "t", 15133), (other, "93.184.216.35", "u", 2**32 - 1)):
            await admin.execute(ACCESS, parse_uuid(scan_id, "Scan", field="id"), address, target, asn)
        await admin.execute(GROUND, parse_uuid(other, "Scan", field="id"))
    found = (await shared(COMPARE, {"a": one, "b": other}, token=ada.token)).data["compareScans"]
    assert found["sameUrl"] is False
    assert found["changes"] == ["CONTENT", "TARGET"]
    assert [fact["name"] for fact in found["facts"]] == ["finalHost", "contentSha256"]
    assert found["indicators"] == [{"engine": "ADDRESS", "kind": "BRAND_IN_HOST", "weight": 32, "added": True}]
    (hop,) = found["hops"]
    shown = {"seq": 0, "maskedUrl": "https://one.example.com/", "address": "93.184.216.34", "asn": "15133", "status": 200}
    later = shown | {"maskedUrl": "https://other.example.com/", "address": "93.184.216.35", "asn": str(2**32 - 1)}
    assert hop == {"changes": ["URL", "ADDRESS", "NETWORK"], "before": shown, "after": later}
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
            await admin.execute(ACCESS, parse_uuid(scan_id, "Scan", field="id"), "93.184.216.34", "t", 15133)
        await admin.execute(
            "UPDATE scans.scan_result SET favicon_hash = sha256('f'), certificate_hash = sha256('c') WHERE favicon_hash IS NULL"
        )
    for by in ("CONTENT", "FAVICON", "CERTIFICATE", "ADDRESS", "NETWORK"):
        for scan_id, related in ((here, there), (there, here)):
            edges = (await shared(RELATED, {"id": scan_id, "by": by}, token=grace.token)).data["relatedScans"]["edges"]
            assert [edge["node"]["id"] for edge in edges] == [related], by
        assert (await shared(RELATED, {"id": here, "by": by}, token=eve.token)).code == "NOT_FOUND"
    lonely, unjudged = await judged(shared, grace, "lonely"), await queued(shared, grace, "waiting")
    for scan_id in (lonely, unjudged):
        for by in ("FAVICON", "CERTIFICATE", "ADDRESS", "NETWORK"):
            found = (await shared(RELATED, {"id": scan_id, "by": by}, token=grace.token)).data
            assert found == {"relatedScans": {"edges": []}}, "what none has in common"


async def test_scans_of_others_are_found_as_far_as_they_are_public(shared: Api) -> None:
    """By all that scans have in common; what is not published, or not any more, is as if it never was."""
    joan, eve, mary = await person(shared, "joan"), await person(shared, "eve2"), await person(shared, "mary")
    here = await judged(shared, joan, "common")
    public, hidden = await judged(shared, eve, "common"), await judged(shared, eve, "common")
    secret, unlisted = await judged(shared, mary, "common"), await judged(shared, mary, "common")
    async with shared.database.connect() as admin:
        for scan_id in (here, public, hidden, secret, unlisted):
            key = parse_uuid(scan_id, "Scan", field="id")
            for address, asn in (("93.184.216.77", 77), ("93.184.216.78", 77)):
                await admin.execute(ACCESS, key, address, "t", asn)
            await admin.execute(
                "UPDATE scans.scan_result SET favicon_hash = sha256('ff'), certificate_hash = sha256('cc') WHERE scan_id = $1",
                key,
            )
    everything = ("CONTENT", "FAVICON", "CERTIFICATE", "ADDRESS", "NETWORK")

    async def found(scan_id: str, who: Person) -> list[list[str]]:
        """What is found by each, page by page."""
        told = []
        for by in everything:
            after, ids = None, []
            while True:
                page = (await shared(PUBLISHED, {"id": scan_id, "by": by, "after": after}, token=who.token)).data[
                    "relatedPublishedScans"
                ]
                ids += [edge["node"]["publicationId"] for edge in page["edges"]]
                after = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
            told.append(ids)
        return told

    await published(shared, mary, unlisted, "UNLISTED")
    assert await found(here, joan) == [[]] * 5, "nothing is public yet"
    first, _ = await published(shared, eve, public)
    assert await found(here, joan) == [[first]] * 5
    assert await found(hidden, eve) == [[first]] * 5, "one's own too"
    assert await found(public, eve) == [[]] * 5, "but not the scan itself"
    second, _ = await published(shared, mary, secret)
    assert await found(here, joan) == [[second, first]] * 5, "the newest first"
    assert (await shared(PUBLISHED, {"id": public, "by": "CONTENT"}, token=joan.token)).code == "NOT_FOUND", "no own"
    lonely = await queued(shared, joan, "alone")
    assert await found(lonely, joan) == [[]] * 5
    async with shared.database.connect() as admin:
        kept = "SELECT count(*) FROM scans.publication_address WHERE workspace_id = $1"
        assert await admin.fetchval(kept, mary.workspace_id) == 2, "of what is public alone"
    given = {"scanId": secret, "claim": "FALSE_ALARM", "reason": "r", "idempotencyKey": "mary"}
    dispute = (await shared(DISPUTE, {"input": given}, token=mary.token)).data["disputeScan"]["dispute"]["id"]
    curator = await shared.person("cu", curator=True)
    resolve = "mutation($input: ResolveDisputeInput!) { resolveDispute(input: $input) { state } }"
    assert (await shared(resolve, {"input": {"id": dispute, "accepted": True}}, token=curator.token)).data
    assert await found(here, joan) == [[first]] * 5, "a verdict that was wrong is nobody's"
    assert (await shared(UNPUBLISH, {"id": public}, token=eve.token)).data
    assert await found(here, joan) == [[]] * 5, "it was taken back"
    async with shared.database.connect() as admin:
        assert await admin.fetchval(kept, eve.workspace_id) == 0
    again, _ = await published(shared, eve, hidden)
    assert await found(here, joan) == [[again]] * 5
    await people.request_erasure(shared.database.url(), eve.email, days=0, organizations=False)
    async with worker_db(shared.database) as db, db.transaction():
        await enqueue(db, erase_due, Nothing())
    await run_jobs(shared, [erase_due])
    assert await found(here, joan) == [[]] * 5, "its owner was forgotten"


def test_what_a_comparison_tells() -> None:
    later = plain(
        verdict="MALICIOUS",
        score=90,
        categories=["PHISHING"],
        headers={"server": "apache", "via": "x"},
        indicators=["ADDRESS BRAND 40", "TLS OLD 9"],
        certificate="cc",
        hops=[step(), step(1, url_hash="02", address=None, asn=None, status=None)],
    )
    found = compare(plain(categories=["SPAM"]), later)
    assert found.changes == [ScanChange.VERDICT, ScanChange.SCORE, ScanChange.CERTIFICATE, ScanChange.TARGET]
    assert [(each.kind, each.added) for each in found.indicators] == [("BRAND", True)], "another weight is no other ground"
    assert [each.value for each in found.added_categories] == ["PHISHING"]
    assert [each.value for each in found.removed_categories] == ["SPAM"]
    headers = {each.name: (each.before, each.after) for each in found.facts if each.name.startswith("header:")}
    assert headers == {"header:server": ("nginx", "apache"), "header:via": (None, "x")}
    (added,) = found.hops
    assert (added.before, added.after and added.after.seq, added.changes) == (None, 1, [HopChange.ADDED])


def test_steps_are_told_apart_by_what_is_other() -> None:
    """One more step in the middle does not make those behind it others, and what is not known of a network is no change."""
    first, middle, last = step(), step(1, url_hash="02", status=302), step(2, url_hash="03", asn=None)
    longer = [first, middle, last | {"asn": 5, "address": None}]
    moved = compare(plain(hops=[first, last | {"seq": 1}]), plain(hops=longer)).hops
    assert [(each.before and each.before.seq, each.after and each.after.seq, each.changes) for each in moved] == [
        (None, 1, [HopChange.ADDED]),
        (1, 2, [HopChange.ADDRESS]),
    ]
    gone = compare(plain(hops=[first, middle]), plain(hops=[first | {"status": None, "asn": 9}])).hops
    assert [each.changes for each in gone] == [[HopChange.NETWORK, HopChange.STATUS], [HopChange.REMOVED]]
    secret = compare(plain(hops=[first]), plain(hops=[first | {"url_hash": "ff"}])).hops
    assert [each.changes for each in secret] == [[HopChange.URL]], "it looks the same, and is another"


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
