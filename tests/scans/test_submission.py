"""Submissions: what is paid for once, what is refused, and what is answered again for nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.kit.embedded import Embedded
from tests.conftest import Api, copy_of
from tests.core.test_data_export import made
from tests.factory.kit import give, serving
from tests.factory.scans import credits_of, run, states, submit, submitted
from tests.factory.web import PAGE, Web, hostile_web, reply
from tests.scans.test_secret import JWT

BULK = """
mutation($inputs: [SubmitScanInput!]!) { submitScans(inputs: $inputs) { cost scan { state maskedUrl } } }
"""


@pytest.fixture(scope="module")
async def local(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """An API that takes addresses of this machine, and its worker does."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, scan_loopback=True) as api:
            yield api


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with hostile_web() as listening:
        listening.pages["/page"] = reply(PAGE)
        yield listening


async def test_what_is_asked_for_twice_is_paid_once(local: Api) -> None:
    ada = await local.person("twice")
    await give(local, ada, 5)
    first = await submitted(local, ada, "https://example.com/", idempotencyKey="one")
    assert first["scan"] | {"id": ""} == {
        "id": "",
        "state": "QUEUED",
        "version": 1,
        "visibility": "PRIVATE",
        "maskedUrl": "https://example.com/",
        "host": "example.com",
        "hasSecrets": False,
        "progress": 0,
    }
    assert await submitted(local, ada, "https://example.com/", idempotencyKey="one") == first
    assert (await submit(local, ada, "https://example.org/", idempotencyKey="one")).code == "IDEMPOTENCY_CONFLICT"
    assert await credits_of(local, ada) == (4, 1)
    assert await states(local, ada) == ["QUEUED"]


async def test_who_cannot_pay_gets_nothing(local: Api) -> None:
    eve = await local.person("poor")
    answer = await submit(local, eve, "https://example.com/")
    assert answer.code == "INSUFFICIENT_CREDITS"
    assert answer.body["errors"][0]["extensions"]["credits"] == {"unit": "credit", "needed": 1, "available": 0}
    assert await states(local, eve) == []
    async with local.database.connect() as admin:
        told = "SELECT count(*) FROM core.outbox WHERE workspace_id = $1"
        assert await admin.fetchval(told, eve.workspace_id) == 0
        asked = "SELECT count(*) FROM jobs.pgqueuer WHERE convert_from(payload, 'UTF8') LIKE '%' || $1 || '%'"
        assert await admin.fetchval(asked, str(eve.workspace_id)) == 0


async def test_k_credits_pay_for_k_scans_whoever_asks_at_once(local: Api) -> None:
    bob = await local.person("bob")
    await give(local, bob, 7)
    answers = await asyncio.gather(*(submit(local, bob, f"https://example.com/{n}") for n in range(20)))
    assert sorted(",".join(answer.codes) for answer in answers) == [""] * 7 + ["INSUFFICIENT_CREDITS"] * 13
    assert await credits_of(local, bob) == (0, 7)
    assert await states(local, bob) == ["QUEUED"] * 7


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://user:pass@example.com/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": f"https://example.com/?token={JWT}", "visibility": "PUBLIC"}, "visibility"),
        ({"url": "https://example.com/reset/ada@example.org", "visibility": "PUBLIC"}, "visibility"),
        ({"url": "https://example.com/", "idempotencyKey": ""}, "idempotencyKey"),
    ],
    ids=["scheme", "empty", "user", "private", "metadata", "token", "address", "key"],
)
async def test_what_cannot_be_is_refused_and_costs_nothing(local: Api, given: dict[str, Any], field: str) -> None:
    ada = await local.person("refused")
    if await credits_of(local, ada) == (0, 0):
        await give(local, ada, 1)
    answer = await submit(local, ada, **given)
    assert answer.code == "BAD_INPUT"
    assert answer.body["errors"][0]["extensions"]["field"] == field
    assert await credits_of(local, ada) == (1, 0)


@pytest.mark.parametrize("freshness", [-1, "P1Y", "soon", "PT", "P", 1.5, True, "-PT1H", 10**12])
async def test_what_is_no_length_of_time(local: Api, freshness: object) -> None:
    ada = await local.person("refused")
    assert (await submit(local, ada, "https://example.com/", freshness=freshness)).code == "BAD_VARIABLES"


async def test_a_secret_is_shown_to_nobody_and_unlisted_at_most(local: Api) -> None:
    ada = await local.person("secret")
    await give(local, ada, 5)
    made = await submitted(local, ada, f"https://example.com/?token={JWT}", visibility="UNLISTED")
    assert made["scan"]["hasSecrets"]
    assert JWT not in str(made)
    async with local.database.connect() as admin:
        rows = await admin.fetch("SELECT * FROM scans.scan WHERE workspace_id = $1", ada.workspace_id)
    assert JWT.encode() not in str(rows).encode()
    assert all(JWT.encode() not in value for row in rows for value in row.values() if isinstance(value, bytes))


async def test_what_is_fresh_is_answered_again_for_nothing(local: Api, web: Web) -> None:
    ada = await local.person("fresh")
    await give(local, ada, 5)
    first = await submitted(local, ada, web.url("/page"), freshness="PT1H")
    assert (first["reused"], first["cost"]) == (False, 1)
    waiting = await submitted(local, ada, web.url("/page"), freshness="PT1H")
    assert not waiting["reused"], "what is not completed is no answer"
    await run(local)
    assert await states(local, ada) == ["COMPLETED", "COMPLETED"]
    for freshness in ("PT1H", 3600, "P1D", "P1W"):
        again = await submitted(local, ada, web.url("/page"), freshness=freshness, idempotencyKey=f"again {freshness}")
        assert (again["reused"], again["cost"], again["scan"]["id"]) == (True, 0, waiting["scan"]["id"])
    repeated = await submitted(local, ada, web.url("/page"), freshness="PT1H", idempotencyKey="again PT1H")
    assert (repeated["reused"], repeated["cost"]) == (True, 0)
    assert await credits_of(local, ada) == (3, 0)
    for given in ({}, {"freshness": 0}, {"freshness": "PT1H", "visibility": "UNLISTED"}):
        assert not (await submitted(local, ada, web.url("/page"), **given))["reused"]
    assert (await submit(local, ada, web.url("/page?x"), freshness="PT1H")).code == "INSUFFICIENT_CREDITS", "another URL"


async def test_of_many_each_is_paid_for_by_itself(local: Api) -> None:
    ada = await local.person("many")
    await give(local, ada, 3)
    urls = ["https://example.com/1", "nothing", *(f"https://example.com/{n}" for n in range(2, 6))]
    inputs = [{"url": url, "idempotencyKey": f"many {n}"} for n, url in enumerate(urls)]
    answer = await local(BULK, {"inputs": inputs}, token=ada.token)
    made = answer.body["data"]["submitScans"]
    assert [each and each["scan"]["maskedUrl"] for each in made] == [
        "https://example.com/1",
        None,
        "https://example.com/2",
        "https://example.com/3",
        None,
        None,
    ]
    assert [(error["path"], error["extensions"]["code"]) for error in answer.body["errors"]] == [
        (["submitScans", 1], "BAD_INPUT"),
        (["submitScans", 4], "INSUFFICIENT_CREDITS"),
        (["submitScans", 5], "INSUFFICIENT_CREDITS"),
    ]
    again = await local(BULK, {"inputs": inputs}, token=ada.token)
    assert again.body["data"]["submitScans"] == made, "the same keys again change nothing"
    assert await credits_of(local, ada) == (0, 3)
    for wrong in ([], inputs[:1] * 101):
        assert (await local(BULK, {"inputs": wrong}, token=ada.token)).code == "BAD_PAGE_SIZE"


async def test_a_plan_limits_the_month(local: Api) -> None:
    ada = await local.person("limited", plan="free")
    await give(local, ada, 5)
    async with local.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.usage_counter (workspace_id, name, period_start, used)"
            " VALUES ($1, 'scans.scans', date_trunc('month', now(), 'UTC'), 1999)",
            ada.workspace_id,
        )
    assert (await submit(local, ada, "https://example.com/")).codes == []
    answer = await submit(local, ada, "https://example.com/")
    assert answer.code == "LIMIT_REACHED"
    assert answer.body["errors"][0]["extensions"]["limit"]["name"] == "scans.scans"


async def test_an_export_says_the_url(local: Api) -> None:
    ada = await local.person("exporter")
    await give(local, ada, 5)
    await submitted(local, ada, f"https://example.com/?token={JWT}")
    async with local.database.connect() as admin:
        await admin.execute("DELETE FROM jobs.pgqueuer")  # scans that nobody runs here
    archive, _ = await made(local, ada.token)
    row = json.loads(archive.read("scans.scan.jsonl"))
    assert row["url"] == f"https://example.com/?token={JWT}"
    assert "url_sealed" not in row
