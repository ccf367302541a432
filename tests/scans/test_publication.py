"""Publications: who is told what of whose scans, and how it is taken back."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

from app.kit.graphql import parse_uuid
from app.scans.url import expression_hash
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.kit import give, spend
from tests.factory.scans import DISPUTE, judged, queued

PUBLISH = (
    "mutation($input: PublishScanInput!) { publishScan(input: $input)"
    " { token published { publicationId maskedUrl verdict score categories scannedAt contentSha256 } } }"
)
UNPUBLISH = "mutation($id: ID!) { unpublishScan(scanId: $id) { scan { visibility } } }"
ONE = "query($id: ID!) { publishedScan(id: $id) { maskedUrl } }"
SHARED = "query($token: String!) { sharedScan(token: $token) { maskedUrl verdict } }"
LIST = "query($host: String) { publishedScans(host: $host, first: 100) { edges { node { publicationId host } } } }"
LOOKUP = (
    "query($prefix: String!) { lookup(hashPrefix: $prefix) { fullHash source verdict score categories scannedAt scan { id } } }"
)


async def person(api: Api, name: str) -> Person:
    found = await api.person(name)
    await give(api, found, 5)
    await spend(api, name, name)
    return found


def asked(scan_id: str, visibility: str = "PUBLIC", key: str | None = None) -> dict[str, Any]:
    return {"input": {"scanId": scan_id, "visibility": visibility, "idempotencyKey": key or str(uuid4())}}


async def found(api: Api, who: Person, prefix: str) -> list[dict[str, Any]]:
    return list((await api(LOOKUP, {"prefix": prefix}, token=who.token)).data["lookup"])


async def test_what_is_public_is_found_until_it_is_taken_back(shared: Api) -> None:
    ada, eve = await person(shared, "ada"), await person(shared, "eve")
    scan_id = await judged(shared, ada, "ada")
    given = asked(scan_id)
    assert (await shared(PUBLISH, given, token=eve.token)).code == "NOT_FOUND"
    made = (await shared(PUBLISH, given, token=ada.token)).data["publishScan"]
    assert made["token"] is None
    assert (made["published"]["verdict"], made["published"]["score"]) == ("SUSPICIOUS", 45)
    assert (await shared(PUBLISH, given, token=ada.token)).data["publishScan"] == made, "again, by its key"
    assert (await shared(PUBLISH, asked(scan_id), token=ada.token)).code == "BAD_INPUT", "it is published"
    one = {"id": made["published"]["publicationId"]}
    whole = expression_hash("ada.example.com/").hex()
    for who in (ada, eve):
        assert (await shared(ONE, one, token=who.token)).data == {"publishedScan": {"maskedUrl": "https://ada.example.com/"}}
        for host, count in (("ada.example.com", 1), ("example.com", 0)):
            assert len((await shared(LIST, {"host": host}, token=who.token)).data["publishedScans"]["edges"]) == count
        for length in (8, 20, 64):
            (match,) = await found(shared, who, whole[:length])
            assert match == {
                "fullHash": whole,
                "source": "PUBLISHED",
                "verdict": "SUSPICIOUS",
                "score": 45,
                "categories": ["PHISHING"],
                "scannedAt": made["published"]["scannedAt"],
                "scan": None,
            }
    assert await found(shared, eve, expression_hash("example.com/").hex()[:8]) == [], "others of its host inherit nothing"
    assert (await shared(UNPUBLISH, {"id": scan_id}, token=eve.token)).code == "NOT_FOUND"
    taken = await shared(UNPUBLISH, {"id": scan_id}, token=ada.token)
    assert taken.data == {"unpublishScan": {"scan": {"visibility": "PRIVATE"}}}
    assert (await shared(ONE, one, token=eve.token)).data == {"publishedScan": None}
    assert await found(shared, eve, whole[:8]) == []
    assert (await shared(LIST, {}, token=eve.token)).data == {"publishedScans": {"edges": []}}
    assert (await shared(PUBLISH, given, token=ada.token)).code == "NOT_FOUND", "its key published it once"
    assert (await shared(UNPUBLISH, {"id": scan_id}, token=ada.token)).code == "NOT_FOUND"


async def test_what_is_unlisted_is_for_who_has_the_token(shared: Api) -> None:
    grace, eve = await person(shared, "grace"), await person(shared, "eve")
    scan_id = await judged(shared, grace, "grace")
    given = asked(scan_id, "UNLISTED")
    made = (await shared(PUBLISH, given, token=grace.token)).data["publishScan"]
    token = made["token"]
    assert len(token) == 43
    assert (await shared(PUBLISH, given, token=grace.token)).data["publishScan"]["token"] is None, "it is told once"
    seen = {"sharedScan": {"maskedUrl": "https://grace.example.com/", "verdict": "SUSPICIOUS"}}
    assert (await shared(SHARED, {"token": token}, token=eve.token)).data == seen
    for other in ("", token[:-1], token + "x", made["published"]["publicationId"]):
        assert (await shared(SHARED, {"token": other}, token=eve.token)).data == {"sharedScan": None}
    one = {"id": made["published"]["publicationId"]}
    assert (await shared(ONE, one, token=eve.token)).data == {"publishedScan": None}, "its id is no secret"
    assert await found(shared, eve, expression_hash("grace.example.com/").hex()[:8]) == []
    assert (await shared(LIST, {"host": "grace.example.com"}, token=eve.token)).data == {"publishedScans": {"edges": []}}
    async with shared.database.connect() as admin:
        kept = await admin.fetchval("SELECT token_hash FROM scans.publication WHERE token_hash IS NOT NULL")
    assert kept == hashlib.sha256(token.encode()).digest()
    assert (await shared(UNPUBLISH, {"id": scan_id}, token=grace.token)).data
    assert (await shared(SHARED, {"token": token}, token=eve.token)).data == {"sharedScan": None}


async def test_what_cannot_be_published(shared: Api) -> None:
    mary = await person(shared, "mary")
    waiting, secret = await queued(shared, mary, "waiting"), await judged(shared, mary, "secret")
    async with shared.database.connect() as admin:
        await admin.execute("ALTER TABLE scans.scan DISABLE TRIGGER step")
        await admin.execute("UPDATE scans.scan SET has_secrets = true WHERE id = $1", parse_uuid(secret, "Scan", field="id"))
        await admin.execute("ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER step")
    assert (await shared(PUBLISH, asked(waiting), token=mary.token)).code == "BAD_INPUT"
    assert (await shared(PUBLISH, asked(secret, "PRIVATE"), token=mary.token)).code == "BAD_INPUT"
    assert (await shared(PUBLISH, asked(secret), token=mary.token)).code == "BAD_INPUT", "something in it is a secret"
    assert (await shared(PUBLISH, asked(secret, "UNLISTED"), token=mary.token)).data, "whoever has the link sees it masked"


async def test_a_verdict_that_was_wrong_is_answered_to_nobody(shared: Api) -> None:
    joan, curator = await person(shared, "joan"), await shared.person("cu", curator=True)
    scan_id = await judged(shared, joan, "joan")
    made = (await shared(PUBLISH, asked(scan_id), token=joan.token)).data["publishScan"]["published"]
    given = {"scanId": scan_id, "claim": "FALSE_ALARM", "reason": "r", "idempotencyKey": "joan"}
    dispute = (await shared(DISPUTE, {"input": given}, token=joan.token)).data["disputeScan"]["dispute"]["id"]
    whole = expression_hash("joan.example.com/").hex()
    own = hashlib.sha256(b"joan").hexdigest()  # as the factory hashes it
    assert len(await found(shared, joan, whole[:8])) == len(await found(shared, joan, own[:8])) == 1
    resolve = "mutation($input: ResolveDisputeInput!) { resolveDispute(input: $input) { state } }"
    assert (await shared(resolve, {"input": {"id": dispute, "accepted": True}}, token=curator.token)).data
    assert await found(shared, joan, whole[:8]) == await found(shared, joan, own[:8]) == []
    assert (await shared(ONE, {"id": made["publicationId"]}, token=joan.token)).data == {"publishedScan": None}
    listed = (await shared(LIST, {"host": "joan.example.com"}, token=joan.token)).data
    assert listed == {"publishedScans": {"edges": []}}
