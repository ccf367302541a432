"""Scans: what is refused and why, what counts as unchanged, and that neither order nor haste nor a kill can bend a history."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kit.graphql import global_id, parse_global_id
from app.kit.house import root
from app.privacy.scan import EARLIEST, LOOK_BACK, MAX_BATCH
from tests.conftest import Answer, Api, Database
from tests.factory.kit import serving
from tests.factory.privacy import (
    RECORD,
    RECORD_MANY,
    START,
    api_key,
    counts,
    history,
    link,
    link_state,
    load_files,
    nothing_written,
    record,
    recorded,
    scan,
    template_of,
    unlink,
    write_platform,
    write_template,
)
from tests.privacy.conftest import CONFIG_DAY, FIRST, SECOND, Small, make_small

Scan = dict[str, Any]
Mutate = Callable[[Scan, "World"], Any]


def uuid_of(global_id_: str) -> UUID:
    return UUID(parse_global_id(global_id_, field="id")[1])


def moment(day: float) -> str:
    """As the API writes it."""
    return (START + timedelta(days=day)).isoformat().replace("+00:00", "Z")


async def record_many(api: Api, token: str, inputs: Sequence[Scan]) -> Answer:
    return await api(RECORD_MANY, {"inputs": list(inputs)}, token=token)


# What is refused


@dataclass(frozen=True)
class World:
    """What bad input needs to point at."""

    small: Small
    link_id: str
    ended: str
    others: str
    google: str
    proposed: str
    used_key: str


@pytest.fixture(scope="module")
async def world(shared: Small, tmp_path_factory: pytest.TempPathFactory) -> World:
    api, token = shared.api, shared.ada.token
    ben = await api.person("ben")
    link_id = await link(api, token, "small", "refusals")
    ended = await link(api, token, "small", "ended")
    await unlink(api, token, ended)
    data = tmp_path_factory.mktemp("proposed")
    write_platform(data, "small", FIRST, SECOND)
    write_template(data, "small", 3, SECOND[:3])
    await load_files(api.database, data)
    async with api.database.connect() as connection:
        proposed = await connection.fetchval("SELECT structure_hash FROM privacy.template WHERE summary = 'Version 3.'")
    done = scan(link_id, shared.second, idempotencyKey="used")
    await recorded(api, token, done)
    google = (await template_of(api, token))["hash"]
    return World(shared, link_id, ended, await link(api, ben.token, "small"), google, proposed.hex(), "used")


def value(**changes: Any) -> Mutate:
    """Change the first value that is sent."""
    return lambda given_, _: given_["values"][0].update(changes)


def top(**changes: Any) -> Mutate:
    return lambda given_, _: given_.update(changes)


def ahead(seconds: float) -> Mutate:
    return lambda given_, _: given_.update(capturedAt=(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat())


# What is wrong, how to send it, its code, the field to blame, and a word of what to change.
BAD: list[tuple[str, Mutate, str, str | None, str]] = [
    ("an unknown key", value(key="no_such_setting"), "UNKNOWN_SETTING", "values", "template.settings"),
    ("a key in capitals", value(key="ADS"), "UNKNOWN_SETTING", "values", "template.settings"),
    ("a key of another version", value(key="gone"), "UNKNOWN_SETTING", "values", "template.settings"),
    ("a key with a NUL", value(key="ads\0"), "UNKNOWN_SETTING", "values", "template.settings"),
    ("an endless key", value(key="x" * 100_000), "UNKNOWN_SETTING", "values", "template.settings"),
    ("an unknown option", value(value="maybe"), "UNKNOWN_OPTION", "values", "'on', 'off'"),
    ("an option in capitals", value(value="On"), "UNKNOWN_OPTION", "values", "'on', 'off'"),
    ("an empty value", value(value=""), "UNKNOWN_OPTION", "values", "'on', 'off'"),
    ("an option with a blank", value(value="on "), "UNKNOWN_OPTION", "values", "'on', 'off'"),
    ("a value with a NUL", value(value="on\0"), "UNKNOWN_OPTION", "values", "'on', 'off'"),
    ("a setting twice", lambda g, _: g["values"].append(g["values"][0]), "DUPLICATE_SETTING", "values", "once"),
    ("a setting twice, once unread", lambda g, _: g["values"].append({"key": "ads"}), "DUPLICATE_SETTING", "values", "once"),
    ("a long value", value(value="x" * 101), "VALUE_TOO_LONG", "values", "100"),
    ("an endless value", value(value="x" * 500_000), "VALUE_TOO_LONG", "values", "100"),
    ("confidence above 1", value(confidence=1.0000001), "BAD_INPUT", "values", "between 0 and 1"),
    ("confidence below 0", value(confidence=-0.1), "BAD_INPUT", "values", "between 0 and 1"),
    ("confidence of an unread value", value(value=None, confidence=7), "BAD_INPUT", "values", "between 0 and 1"),
    ("a huge confidence", value(confidence=1e308), "BAD_INPUT", "values", "between 0 and 1"),
    ("confidence as text", value(confidence="1"), "BAD_VARIABLES", None, "confidence"),
    ("confidence NaN", value(confidence="NaN"), "BAD_VARIABLES", None, "confidence"),
    ("5m01s ahead", ahead(301), "CAPTURED_IN_FUTURE", "capturedAt", "5 minutes"),
    ("a year ahead", ahead(366 * 86400), "CAPTURED_IN_FUTURE", "capturedAt", "5 minutes"),
    ("a century ahead", top(capturedAt="2126-12-31T23:59:59.999999Z"), "CAPTURED_IN_FUTURE", "capturedAt", "5 minutes"),
    ("the last moment of all", top(capturedAt="9999-12-31T23:59:59.999999Z"), "BAD_VARIABLES", None, "DateTime"),
    ("before all of this", top(capturedAt="2014-12-31T23:59:59.999999Z"), "BAD_INPUT", "capturedAt", "2015"),
    ("the epoch", top(capturedAt="1970-01-01T00:00:00Z"), "BAD_INPUT", "capturedAt", "2015"),
    ("no zone", top(capturedAt="2026-03-02T09:00:00"), "BAD_VARIABLES", None, "offset"),
    ("only a date", top(capturedAt="2026-03-02"), "BAD_VARIABLES", None, "DateTime"),
    ("a number for a moment", top(capturedAt=1772442000), "BAD_VARIABLES", None, "DateTime"),
    ("no moment at all", top(capturedAt="yesterday"), "BAD_VARIABLES", None, "DateTime"),
    ("the 30th of February", top(capturedAt="2026-02-30T09:00:00Z"), "BAD_VARIABLES", None, "DateTime"),
    ("a bare uuid", lambda g, w: g.update(linkId=str(uuid_of(w.link_id))), "BAD_ID", "linkId", "global id"),
    ("no id", top(linkId=""), "BAD_ID", "linkId", "global id"),
    ("an id with a NUL", top(linkId=global_id("PlatformLink", "\0")), "BAD_ID", "linkId", "PlatformLink"),
    ("the id of a platform", top(linkId=global_id("Platform", str(uuid4()))), "BAD_ID", "linkId", "PlatformLink"),
    (
        "the same uuid as another type",
        lambda g, w: g.update(linkId=global_id("Snapshot", str(uuid_of(w.link_id)))),
        "BAD_ID",
        "linkId",
        "PlatformLink",
    ),
    ("another workspace's link", lambda g, w: g.update(linkId=w.others), "NOT_FOUND", "linkId", "this workspace"),
    ("a link that never was", top(linkId=global_id("PlatformLink", str(uuid4()))), "NOT_FOUND", "linkId", "this workspace"),
    ("an ended link", lambda g, w: g.update(linkId=w.ended), "LINK_ENDED", "linkId", "again"),
    ("an unknown template", top(templateHash="0" * 64), "UNKNOWN_TEMPLATE", "templateHash", "lower-case"),
    ("no hash", top(templateHash=""), "UNKNOWN_TEMPLATE", "templateHash", "lower-case"),
    ("no hexadecimal", top(templateHash="g" * 64), "UNKNOWN_TEMPLATE", "templateHash", "lower-case"),
    ("a hash with a NUL", top(templateHash="\0" * 64), "UNKNOWN_TEMPLATE", "templateHash", "lower-case"),
    (
        "an upper-case hash",
        lambda g, _: g.update(templateHash=g["templateHash"].upper()),
        "UNKNOWN_TEMPLATE",
        "templateHash",
        "lower-case",
    ),
    (
        "a hash with blanks",
        lambda g, _: g.update(templateHash=g["templateHash"][:2] + " " + g["templateHash"][2:]),
        "UNKNOWN_TEMPLATE",
        "templateHash",
        "lower-case",
    ),
    (
        "half a hash",
        lambda g, _: g.update(templateHash=g["templateHash"][:32]),
        "UNKNOWN_TEMPLATE",
        "templateHash",
        "lower-case",
    ),
    (
        "another platform's template",
        lambda g, w: g.update(templateHash=w.google),
        "UNKNOWN_TEMPLATE",
        "templateHash",
        "This platform",
    ),
    (
        "a template that is only proposed",
        lambda g, w: g.update(templateHash=w.proposed),
        "UNKNOWN_TEMPLATE",
        "templateHash",
        "hash",
    ),
    (
        "a used key with other content",
        lambda g, w: g.update(idempotencyKey=w.used_key),
        "IDEMPOTENCY_CONFLICT",
        "idempotencyKey",
        "new key",
    ),
    ("an empty key", top(idempotencyKey=""), "BAD_INPUT", "idempotencyKey", "1 to 200"),
    ("a long key", top(idempotencyKey="x" * 201), "BAD_INPUT", "idempotencyKey", "1 to 200"),
    ("a key with a NUL", top(idempotencyKey="a\0"), "BAD_INPUT", None, "NUL"),
    ("251 values", top(values=[{"key": f"k{n}", "value": "on"} for n in range(251)]), "BAD_INPUT", "values", "250"),
    ("values null", top(values=None), "BAD_VARIABLES", None, "values"),
    ("a value null", top(values=[None]), "BAD_VARIABLES", None, "values"),
    ("another scan method", top(scanMethod="GUESS"), "BAD_VARIABLES", None, "ScanMethod"),
    ("a field that does not exist", top(workspaceId="x"), "BAD_VARIABLES", None, "workspaceId"),
]


@pytest.mark.parametrize(("mutate", "code", "field", "hint"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
async def test_bad_input_is_refused_and_nothing_is_written(
    world: World, mutate: Mutate, code: str, field: str | None, hint: str
) -> None:
    given_ = scan(world.link_id, world.small.second, day=1, values={"history": "off"})
    mutate(given_, world)
    async with nothing_written(world.small.api):
        answer = await record(world.small.api, world.small.ada.token, given_)
    assert answer.code == code
    (error,) = answer.body["errors"]
    assert error["extensions"].get("field") == field
    assert hint in error["message"]
    assert error["message"].endswith((".", "'"))
    assert len(error["message"]) < 2_000 or len(str(given_)) > 50_000


def test_each_bad_input_of_the_list_has_a_code_of_its_own() -> None:
    assert {b[2] for b in BAD} == {
        "UNKNOWN_SETTING", "UNKNOWN_OPTION", "DUPLICATE_SETTING", "VALUE_TOO_LONG", "CAPTURED_IN_FUTURE", "BAD_ID", "NOT_FOUND",
        "LINK_ENDED", "UNKNOWN_TEMPLATE", "IDEMPOTENCY_CONFLICT", "BAD_INPUT", "BAD_VARIABLES",
    }  # fmt: skip


@pytest.mark.parametrize("confidence", ["1e400", "-1e400", "1.1"])
async def test_a_literal_confidence_out_of_range(world: World, confidence: str) -> None:
    document = f"""mutation {{ recordSnapshot(input: {{ linkId: "{world.link_id}", capturedAt: "{moment(1)}", scanMethod: OCR,
      templateHash: "{world.small.second["hash"]}", values: [{{ key: "ads", value: "on", confidence: {confidence} }}],
      idempotencyKey: "literal" }}) {{ unchanged }} }}"""
    async with nothing_written(world.small.api):
        answer = await world.small.api(document, token=world.small.ada.token)
    assert answer.code in ("BAD_INPUT", "BAD_DOCUMENT")


async def test_a_literal_moment_without_zone(world: World) -> None:
    document = f"""mutation {{ recordSnapshot(input: {{ linkId: "{world.link_id}", capturedAt: "2026-03-02T09:00:00",
      scanMethod: OCR, templateHash: "x", values: [], idempotencyKey: "literal" }}) {{ unchanged }} }}"""
    answer = await world.small.api(document, token=world.small.ada.token)
    assert answer.code == "BAD_DOCUMENT"
    assert "offset" in answer.body["errors"][0]["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_json_that_is_none(world: World, number: str) -> None:
    body = json.dumps({"query": RECORD, "variables": {"input": scan(world.link_id, world.small.second)}})
    body = body.replace('"value": "on"', f'"value": "on", "confidence": {number}', 1)
    async with nothing_written(world.small.api):
        response = await world.small.api.http.post(
            "/graphql",
            content=body,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {world.small.ada.token}"},
        )
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("seconds", [0, 299])
async def test_a_clock_may_be_ahead_a_little(shared: Small, seconds: float) -> None:
    link_id = await link(shared.api, shared.ada.token, "small", f"ahead {seconds}")
    captured_at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    assert not (await recorded(shared.api, shared.ada.token, scan(link_id, shared.second, capturedAt=captured_at)))["unchanged"]


@pytest.mark.parametrize("text", ["2026-03-02T09:00:00Z", "2026-03-02T10:30:00+01:30", "2026-03-02T09:00:00.000000Z"])
async def test_one_moment_in_any_spelling(shared: Small, text: str) -> None:
    link_id = await link(shared.api, shared.ada.token, "small", text)
    found = await recorded(shared.api, shared.ada.token, scan(link_id, shared.second, capturedAt=text))
    assert found["snapshot"]["capturedAt"] == "2026-03-02T09:00:00Z"


async def test_the_earliest_moment(shared: Small) -> None:
    link_id = await link(shared.api, shared.ada.token, "small", "earliest")
    given_ = scan(link_id, shared.second, capturedAt=EARLIEST.isoformat())
    assert (await recorded(shared.api, shared.ada.token, given_))["snapshot"]["capturedAt"] == "2015-01-01T00:00:00Z"


@pytest.mark.parametrize("values", [[], [{"key": s["key"], "value": None} for s in SECOND], [{"key": "ads"}]], ids=len)
async def test_a_scan_that_read_nothing_says_so(small: Small, values: list[Any]) -> None:
    """It is no error: the page was there, and nothing of it could be read."""
    link_id = await link(small.api, small.ada.token, "small")
    found = await recorded(small.api, small.ada.token, scan(link_id, small.second) | {"values": values})
    assert found["snapshot"]["riskScore"] is None
    assert found["snapshot"]["completionRate"] == found["snapshot"]["confidence"] == 0
    assert found["changes"] == []
    again = await recorded(small.api, small.ada.token, scan(link_id, small.second, day=1) | {"values": []})
    assert again["unchanged"] is True


async def test_a_failure_leaves_its_key_free(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    wrong = scan(link_id, small.second, values={"ads": "maybe"})
    assert (await record(small.api, small.ada.token, wrong)).code == "UNKNOWN_OPTION"
    right = scan(link_id, small.second, idempotencyKey=wrong["idempotencyKey"])
    assert (await recorded(small.api, small.ada.token, right))["unchanged"] is False


# Keys


async def test_the_same_key_is_answered_the_same(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second))
    given_ = scan(link_id, small.second, day=1, values={"ads": "on"})
    same = scan(link_id, small.second, day=2, values={"ads": "on"})
    first, unchanged = await recorded(small.api, token, given_), await recorded(small.api, token, same)
    assert (first["unchanged"], len(first["changes"]), unchanged["unchanged"]) == (False, 1, True)
    await recorded(small.api, token, scan(link_id, small.second, day=3))
    async with nothing_written(small.api):
        for _ in range(3):
            assert await recorded(small.api, token, given_) == first
            assert await recorded(small.api, token, same) == unchanged


@pytest.mark.parametrize(
    "other",
    [
        {"capturedAt": "2026-03-02T09:00:01Z"},
        {"scanMethod": "OCR"},
        {"values": []},
        {"values": [{"key": "ads", "value": "on", "userAction": True}]},
        {"values": [{"key": "ads", "value": "on", "confidence": 0.5}]},
    ],
)
async def test_a_key_belongs_to_its_content(small: Small, other: dict[str, Any]) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    given_ = scan(link_id, small.second) | {"values": [{"key": "ads", "value": "on"}]}
    await recorded(small.api, small.ada.token, given_)
    async with nothing_written(small.api):
        answer = await record(small.api, small.ada.token, given_ | other)
    assert answer.code == "IDEMPOTENCY_CONFLICT"


async def test_people_may_use_the_same_key(small: Small) -> None:
    ben = await small.person()
    ids = []
    for person in (small.ada, ben):
        link_id = await link(small.api, person.token, "small")
        given_ = scan(link_id, small.second, idempotencyKey="scan-1")
        ids.append((await recorded(small.api, person.token, given_))["snapshot"]["id"])
    assert len(set(ids)) == 2


async def test_a_longest_key_of_any_text(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    given_ = scan(link_id, small.second, idempotencyKey="🔑" * 200)
    first = await recorded(small.api, small.ada.token, given_)
    assert await recorded(small.api, small.ada.token, given_) == first


async def test_an_extension_s_key_acts_for_its_workspace(small: Small) -> None:
    key = await api_key(small.api, small.ada.token)
    link_id = await link(small.api, small.ada.token, "small")
    found = await recorded(small.api, key, scan(link_id, small.second))
    assert found["unchanged"] is False
    ben = await small.person()
    reader = await api_key(small.api, small.ada.token, "privacy:read")
    for token, code in ((await api_key(small.api, ben.token), "NOT_FOUND"), (reader, "FORBIDDEN")):
        async with nothing_written(small.api):
            assert (await record(small.api, token, scan(link_id, small.second, day=1, values={"ads": "on"}))).code == code
    async with small.api.database.connect() as connection:
        row = await connection.fetchrow(
            "SELECT actor_id, api_key_id FROM core.audit_event WHERE object = 'privacy.snapshot' AND workspace_id = $1",
            small.ada.workspace_id,
        )
    assert row is not None
    assert row["actor_id"] == small.ada.account_id
    assert row["api_key_id"] is not None


# Unchanged scans


async def test_an_unchanged_scan_only_moves_seen_until(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    first = await recorded(small.api, token, scan(link_id, small.second))
    before = await counts(small.api)
    for day, expected in ((3, 3), (1, 3), (7, 7), (7, 7), (0.5, 7)):
        found = await recorded(small.api, token, scan(link_id, small.second, day=day))
        assert found == {"unchanged": True, "snapshot": first["snapshot"], "changes": []}
        assert (await link_state(small.api, token, link_id))["seenUntil"] == moment(expected)
    after = await counts(small.api)
    assert after == before | {"core.idempotency": before["core.idempotency"] + 5}


async def test_neither_method_nor_confidence_makes_a_scan_new(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second))
    again = scan(link_id, small.second, day=1, scanMethod="OCR")
    for one in again["values"]:
        one.update(confidence=0.4, userAction=True)
    assert (await recorded(small.api, token, again))["unchanged"] is True


@pytest.mark.parametrize(("method", "expected"), [("EXTENSION", 1), ("CRAWLER", 0.9), ("OCR", 0.7)])
async def test_a_reading_that_says_nothing_of_it_is_as_sure_as_its_method(small: Small, method: str, expected: float) -> None:
    link_id = await link(small.api, small.ada.token, "small", label=method)
    given = scan(link_id, small.second, scanMethod=method)
    assert (await recorded(small.api, small.ada.token, given))["snapshot"]["confidence"] == expected
    given = scan(link_id, small.second, day=1, scanMethod=method, values={"ads": "on"})
    for one in given["values"]:
        one["confidence"] = 0.8
    assert (await recorded(small.api, small.ada.token, given))["snapshot"]["confidence"] == 0.8


async def test_what_is_not_sure_enough_counts_as_not_read(own: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = own.api.http._transport.app.state.service.settings  # type: ignore[attr-defined]
    monkeypatch.setattr(settings, "setting_confidence", 0.6)
    monkeypatch.setattr(settings, "scan_confidence", 0.7)
    link_id = await link(own.api, own.ada.token, "small")
    given = scan(link_id, own.second)
    given["values"][0]["confidence"] = 0.59
    snapshot = (await recorded(own.api, own.ada.token, given))["snapshot"]
    count = len(given["values"])
    assert (snapshot["confidence"], snapshot["completionRate"]) == (1, pytest.approx((count - 1) / count))
    unsure = scan(link_id, own.second, day=1, scanMethod="OCR", idempotencyKey="again")
    for one in unsure["values"]:
        one["confidence"] = 0.69
    before = await counts(own.api)
    answer = await record(own.api, own.ada.token, unsure)
    assert (answer.code, await counts(own.api)) == ("UNSURE_SCAN", before)
    for one in unsure["values"]:
        one["confidence"] = 0.7
    assert (await recorded(own.api, own.ada.token, unsure))["snapshot"]["completionRate"] == 1


async def test_other_templates_and_other_reach_make_a_scan_new(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.first))
    assert (await recorded(small.api, token, scan(link_id, small.second, day=1)))["unchanged"] is False
    partial = scan(link_id, small.second, day=2, values={"ads": None})
    found = await recorded(small.api, token, partial)
    assert (found["unchanged"], found["changes"]) == (False, [])
    assert (await recorded(small.api, token, partial | {"capturedAt": moment(3), "idempotencyKey": "x"}))["unchanged"] is True


async def test_there_and_back_are_two_changes(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    for day, ads in enumerate(("off", "on", "off")):
        found = await recorded(small.api, token, scan(link_id, small.second, day=day, values={"ads": ads}))
        assert found["unchanged"] is False
    assert [(c["oldValue"], c["newValue"]) for s in await history(small.api, token, link_id) for c in s["changes"]] == [
        ("off", "on"),
        ("on", "off"),
    ]


# Partial scans


def told(snapshot: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What its changes say, but for how sure they are."""
    names = ("setting", "oldValue", "newValue", "origin", "significance")
    return sorted(tuple(str(change[name]) for name in names) for change in snapshot["changes"])


def pairs(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(c["setting"], c["oldValue"], c["newValue"]) for c in found["changes"]]


async def test_a_setting_that_was_not_seen_is_compared_with_when_it_was(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "off", "history": "on"}))
    blind = await recorded(small.api, token, scan(link_id, small.second, day=1, values={"ads": None, "history": "off"}))
    assert pairs(blind) == [("history", "on", "off")]
    other = scan(link_id, small.second, day=2, values={"ads": None, "history": None, "keep": "A month"})
    assert pairs(await recorded(small.api, token, other)) == [("keep", "A year", "A month")]
    seen = scan(link_id, small.second, day=3, values={"ads": "on", "history": "off", "keep": "A month"})
    assert pairs(await recorded(small.api, token, seen)) == [("ads", "off", "on")]


async def test_a_setting_that_came_back_as_it_was_did_not_change(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second))
    await recorded(small.api, token, scan(link_id, small.second, day=1, values={"ads": None}))
    assert (await recorded(small.api, token, scan(link_id, small.second, day=2)))["changes"] == []


WHOLE = """
fragment Whole on Snapshot {
  id capturedAt scanMethod configVersion riskScore riskFormula riskLevel confidence completionRate previousSeenUntil contentHash
  template { id } link { id } device { id } settings { key value } changes { ...Each }
}
fragment Each on Change {
  id setting oldValue newValue origin significance confidence detectedAt label snapshot { id } acknowledgement { mine }
}
"""
RECORD_WHOLE = (
    "mutation ($input: RecordSnapshotInput!) { recordSnapshot(input: $input) { snapshot { ...Whole } changes { ...Each } } }"
    + WHOLE
)
READ_WHOLE = "query ($id: ID!) { node(id: $id) { ...Whole } }" + WHOLE


async def test_what_is_answered_is_what_is_read_later(small: Small) -> None:
    """Neither the snapshot nor its changes are read back for the answer."""
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.first, values={"ads": "on"}))
    elsewhere = (START + timedelta(days=2.5, microseconds=7)).astimezone(timezone(timedelta(hours=2))).isoformat()
    for sent in (
        scan(link_id, small.second, day=2, values={"ads": "off", "history": None, "keep": "A month"}, scanMethod="OCR"),
        scan(link_id, small.second, day=3, values={"ads": None, "history": "off"}),
        scan(link_id, small.second, values={"ads": "on", "history": "on"}, capturedAt=elsewhere),  # late
    ):
        answered = (await small.api(RECORD_WHOLE, {"input": sent}, token=token)).data["recordSnapshot"]
        read = (await small.api(READ_WHOLE, {"id": answered["snapshot"]["id"]}, token=token)).data["node"]
        assert answered["changes"] == read["changes"] != []
        assert answered["snapshot"] == read


async def test_what_was_never_seen_before_is_no_change(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": None}))
    assert (await recorded(small.api, token, scan(link_id, small.second, day=1, values={"ads": "on"})))["changes"] == []


async def test_it_is_looked_for_as_far_back_as_promised(small: Small) -> None:
    token = small.ada.token
    for blind, expected in ((LOOK_BACK, [("ads", "off", "on")]), (LOOK_BACK + 1, [])):
        link_id = await link(small.api, token, "small", f"blind {blind}")
        inputs = [scan(link_id, small.second, values={"ads": "off"})]
        for day in range(1, blind + 1):
            inputs.append(scan(link_id, small.second, day=day, values={"ads": None, "history": ("on", "off")[day % 2]}))
        assert (await record_many(small.api, token, inputs)).codes == []
        last = {"ads": "on", "history": ("on", "off")[blind % 2]}
        assert pairs(await recorded(small.api, token, scan(link_id, small.second, day=blind + 1, values=last))) == expected


async def test_a_partial_scan_of_the_new_page_is_compared_with_the_old_one(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.first, values={"audience": "Friends"}))
    values = {"audience": None, "ads": None}
    await recorded(small.api, token, scan(link_id, small.second, day=1, values=values))
    found = await recorded(small.api, token, scan(link_id, small.second, day=2, values={"audience": "everyone"}))
    assert ("audience", "Friends", "everyone") in pairs(found)


# Late captures


async def test_a_late_capture_takes_its_place(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "off"}))
    last = await recorded(small.api, token, scan(link_id, small.second, day=10, values={"ads": "on", "history": "off"}))
    assert pairs(last) == [("ads", "off", "on"), ("history", "on", "off")]
    before = await link_state(small.api, token, link_id)
    late = scan(link_id, small.second, day=5, values={"ads": "on"})
    found = await recorded(small.api, token, late)
    assert (found["unchanged"], pairs(found)) == (False, [("ads", "off", "on")])
    assert await link_state(small.api, token, link_id) == before, "the latest is the one captured last"
    assert [told(s) for s in await history(small.api, token, link_id)] == [
        [],
        [("ads", "off", "on", "USER", "VALUE")],
        [("history", "on", "off", "USER", "VALUE")],
    ]
    async with nothing_written(small.api):
        assert await recorded(small.api, token, late) == found
    async with small.api.database.connect() as connection:
        deleted = await connection.fetchval(
            "SELECT count(*) FROM core.audit_event WHERE object = 'privacy.change' AND action = 'DELETE' AND object_id = $1",
            uuid_of(last["snapshot"]["id"]),
        )
    assert deleted == 2, "that changes were told anew is itself told"


async def test_a_capture_before_the_first(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "on"}))
    found = await recorded(small.api, token, scan(link_id, small.second, day=-1))
    assert found["changes"] == []
    assert [told(s) for s in await history(small.api, token, link_id)] == [[], [("ads", "off", "on", "USER", "VALUE")]]


async def test_a_late_capture_that_agrees_with_the_one_before_adds_nothing(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    first = await recorded(small.api, token, scan(link_id, small.second))
    await recorded(small.api, token, scan(link_id, small.second, day=10, values={"ads": "on"}))
    before = await counts(small.api)
    state = await link_state(small.api, token, link_id)
    found = await recorded(small.api, token, scan(link_id, small.second, day=5))
    assert (found["unchanged"], found["snapshot"]) == (True, first["snapshot"])
    assert await counts(small.api) == before | {"core.idempotency": before["core.idempotency"] + 1}
    assert await link_state(small.api, token, link_id) == state


async def test_a_late_capture_does_not_hide_what_was_confirmed_after_it(small: Small) -> None:
    """Seen off on day 0 and again on day 10, which added no row; then the day 5 arrives, on which it was on."""
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "off"}))
    await recorded(small.api, token, scan(link_id, small.second, day=10, values={"ads": "off"}))
    found = await recorded(small.api, token, scan(link_id, small.second, day=5, values={"ads": "on"}))
    assert (found["snapshot"]["capturedAt"], pairs(found)) == (moment(5), [("ads", "off", "on")])
    snapshots = await history(small.api, token, link_id)
    assert [s["capturedAt"] for s in snapshots] == [moment(0), moment(5), moment(10)]
    assert [s["values"]["ads"] for s in snapshots] == ["off", "on", "off"]
    assert [told(s) for s in snapshots][1:] == [
        [("ads", "off", "on", "USER", "VALUE")],
        [("ads", "on", "off", "USER", "VALUE")],
    ]
    state = await link_state(small.api, token, link_id)
    assert (state["latestSnapshot"]["id"], state["seenUntil"]) == (snapshots[-1]["id"], moment(10))


async def test_a_late_capture_reaches_through_blind_scans(small: Small) -> None:
    """The change of day 3 was told against day 0; now it is known that it came about before day 1."""
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "off"}))
    await recorded(small.api, token, scan(link_id, small.second, day=2, values={"ads": None}))
    told_early = await recorded(small.api, token, scan(link_id, small.second, day=3, values={"ads": "on"}))
    assert pairs(told_early) == [("ads", "off", "on")]
    await recorded(small.api, token, scan(link_id, small.second, day=1, values={"ads": "on"}))
    assert [[c["setting"] for c in s["changes"]] for s in await history(small.api, token, link_id)] == [[], ["ads"], [], []]


async def test_a_change_that_was_seen_stays_certain(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"keep": "A month"}))
    acted = scan(link_id, small.second, day=10, values={"ads": "on", "keep": "A month"})
    acted["values"][0]["userAction"] = True
    (change,) = (await recorded(small.api, token, acted))["changes"]
    assert (change["setting"], change["confidence"]) == ("ads", 1)
    await recorded(small.api, token, scan(link_id, small.second, day=5, values={"keep": "A day"}))
    last = (await history(small.api, token, link_id))[-1]["changes"]
    assert {c["setting"]: c["confidence"] for c in last} == {"ads": 1, "keep": 0.8}


async def test_two_scans_at_one_moment_stand_as_they_arrived(small: Small) -> None:
    """Extensions that cut a moment to the minute send such."""
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    values = ("off", "on", "off", "on")
    for ads in values:
        assert (await recorded(small.api, token, scan(link_id, small.second, values={"ads": ads})))["unchanged"] is False
    assert (await recorded(small.api, token, scan(link_id, small.second, values={"ads": "on"})))["unchanged"] is True
    snapshots = await history(small.api, token, link_id)
    assert [s["values"]["ads"] for s in snapshots] == list(values)
    assert [len(s["changes"]) for s in snapshots] == [0, 1, 1, 1]
    state = await link_state(small.api, token, link_id)
    assert state["latestSnapshot"]["id"] == snapshots[-1]["id"]


async def test_blind_scans_at_one_moment_do_not_see_themselves(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "off"}))
    await recorded(small.api, token, scan(link_id, small.second, day=1, values={"ads": None}))
    found = await recorded(small.api, token, scan(link_id, small.second, day=1, values={"ads": "on"}))
    assert pairs(found) == [("ads", "off", "on")]


# Any order

Sent = tuple[int, bool, tuple[tuple[str, str | None], ...]]
OPTIONS = {version: {s["key"]: [*s["options"][:3], None] for s in page} for version, page in ((False, FIRST), (True, SECOND))}
ONLY_SHARED = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """One scan: its day, whether it shows the second page, and what it saw of three settings; the rest as the default."""
    second = draw(st.booleans())
    keys = draw(st.sampled_from([("ads", "history", "audience"), ("audience", "keep", "news" if second else "gone")]))
    # Mostly the first of the options, so that scans often agree.
    values = tuple((key, draw(st.sampled_from([OPTIONS[second][key][0], *OPTIONS[second][key]]))) for key in keys)
    return draw(st.integers(0, 2 * CONFIG_DAY)), second, values


def inputs_of(small: Small, link_id: str, scans: Sequence[Sent]) -> list[Scan]:
    templates = {False: small.first, True: small.second}
    return [scan(link_id, templates[second], day=day, values=dict(values)) for day, second, values in scans]


async def record_all(small: Small, scans: Sequence[Sent]) -> str:
    """Record scans on a link of their own, in this order; its id."""
    link_id = await link(small.api, small.ada.token, "small", str(uuid4()))
    assert (await record_many(small.api, small.ada.token, inputs_of(small, link_id, scans))).codes == []
    return link_id


async def picture(small: Small, link_id: str) -> tuple[Any, ...]:
    """All that a link's history says, without ids and without how sure it is."""
    snapshots = await history(small.api, small.ada.token, link_id)
    state = await link_state(small.api, small.ada.token, link_id)
    assert state["latestSnapshot"]["id"] == snapshots[-1]["id"]
    same = ("capturedAt", "template", "values", "riskScore", "completionRate", "confidence", "configVersion")
    return state["seenUntil"], [({name: s[name] for name in same}, told(s)) for s in snapshots]


def content(one: Sent) -> tuple[bool, frozenset[tuple[str, str | None]]]:
    """What is stored of a scan, but for its moment."""
    _, second, values = one
    defaults = {s["key"]: s["default"] for s in (SECOND if second else FIRST)}
    return second, frozenset((defaults | dict(values)).items())


@given(st.lists(sent(), min_size=2, max_size=7, unique_by=(lambda s: s[0], content)), st.randoms(use_true_random=False))
@ONLY_SHARED
async def test_the_order_of_arrival_does_not_matter(shared: Small, scans: list[Sent], random: Any) -> None:
    """For scans that all differ. One that repeats another's values may be stored or not, as it depends on what was known
    when it came; snapshots are never taken back. What holds for those is the next property."""
    arrived = list(scans)
    random.shuffle(arrived)
    in_order = await record_all(shared, sorted(scans))
    shuffled = await record_all(shared, arrived)
    assert await picture(shared, shuffled) == await picture(shared, in_order)
    assert len((await picture(shared, in_order))[1]) == len(scans)


def expected_changes(snapshots: list[dict[str, Any]], index: int, pages: dict[str, set[str]]) -> set[tuple[Any, ...]]:
    """What differs from the snapshot before, worked out from what the history itself shows."""
    if index == 0:
        return set()
    before, after = snapshots[index - 1], snapshots[index]
    old_keys, new_keys = pages[before["template"]["hash"]], pages[after["template"]["hash"]]
    known: dict[str, str] = {}
    since = index - 1 if before["completionRate"] == 1 else 0
    for older in snapshots[since:index]:
        known |= older["values"]
    found = set()
    for key in old_keys | new_keys:
        old = known.get(key) if key in old_keys else None
        new = after["values"].get(key)
        if key in old_keys and key in new_keys and None in (old, new):
            continue
        if old != new:
            found.add((key, old, new))
    return found


@given(st.lists(sent(), min_size=1, max_size=9, unique_by=lambda s: s[0]))
@ONLY_SHARED
async def test_a_history_agrees_with_itself_whatever_arrives_when(shared: Small, scans: list[Sent]) -> None:
    link_id = await record_all(shared, scans)
    snapshots = await history(shared.api, shared.ada.token, link_id)
    pages = {t["hash"]: {s["key"] for s in t["settings"]} for t in (shared.first, shared.second)}
    captured = [s["capturedAt"] for s in snapshots]
    assert captured == sorted(set(captured))
    assert set(captured) <= {moment(day) for day, _, _ in scans}
    for index, snapshot in enumerate(snapshots):
        assert set(pairs(snapshot)) == expected_changes(snapshots, index, pages)
    last = inputs_of(shared, link_id, [max(scans)])[0]
    assert snapshots[-1]["values"] == {v["key"]: v["value"] for v in last["values"] if v["value"] is not None}
    assert snapshots[-1]["template"]["hash"] == last["templateHash"]
    state = await link_state(shared.api, shared.ada.token, link_id)
    assert (state["latestSnapshot"]["id"], state["seenUntil"]) == (snapshots[-1]["id"], moment(max(scans)[0]))


# Batches


async def test_each_item_of_a_batch_stands_alone(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    good = [scan(link_id, small.second, day=day, values={"ads": ("off", "on")[day % 2]}) for day in range(6)]
    bad = {
        1: good[1] | {"values": [{"key": "ads", "value": "maybe"}]},
        2: good[2] | {"idempotencyKey": "\0"},
        4: good[4] | {"linkId": global_id("PlatformLink", str(uuid4()))},
    }
    answer = await record_many(small.api, token, [bad.get(n, one) for n, one in enumerate(good)])
    assert answer.status == 200
    items = answer.body["data"]["recordSnapshots"]
    assert [item is None for item in items] == [n in bad for n in range(6)]
    errors = {tuple(e["path"]): e["extensions"]["code"] for e in answer.body["errors"]}
    assert errors == {
        ("recordSnapshots", 1): "UNKNOWN_OPTION",
        ("recordSnapshots", 2): "BAD_INPUT",
        ("recordSnapshots", 4): "NOT_FOUND",
    }
    assert [s["capturedAt"] for s in await history(small.api, token, link_id)] == [moment(0), moment(3)], "day 5 is as day 3"
    assert [item["unchanged"] for item in items if item] == [False, False, True]
    retried = await record_many(small.api, token, good)
    assert retried.codes == []
    assert [item["unchanged"] for item in retried.data["recordSnapshots"]][::5] == [False, True]


@pytest.mark.parametrize("size", [0, MAX_BATCH + 1])
async def test_a_batch_has_1_to_50(small: Small, size: int) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    async with nothing_written(small.api):
        answer = await record_many(small.api, small.ada.token, [scan(link_id, small.second, day=n) for n in range(size)])
    assert answer.code == "BAD_PAGE_SIZE"
    assert answer.body["errors"][0]["extensions"]["field"] == "inputs"


async def test_fifty_scans_of_a_person_who_was_offline(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    inputs = [scan(link_id, small.second, day=n, values={"ads": ("off", "on")[n // 5 % 2]}) for n in range(MAX_BATCH)]
    answer = await record_many(small.api, small.ada.token, inputs)
    assert Counter(item["unchanged"] for item in answer.data["recordSnapshots"]) == {True: 40, False: 10}
    async with nothing_written(small.api):
        assert (await record_many(small.api, small.ada.token, inputs)).data == answer.data


async def test_a_batch_may_hold_the_same_key_twice(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    one = scan(link_id, small.second)
    other = one | {"capturedAt": moment(1)}
    answer = await record_many(small.api, small.ada.token, [one, one, other])
    first, second, third = answer.body["data"]["recordSnapshots"]
    assert first == second
    assert third is None
    assert answer.code == "IDEMPOTENCY_CONFLICT"


async def test_a_batch_in_which_all_fail(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    async with nothing_written(small.api):
        inputs = [scan(link_id, small.second, values={"ads": "maybe"}) for _ in range(3)]
        answer = await record_many(small.api, small.ada.token, inputs)
    assert answer.body["data"] == {"recordSnapshots": [None] * 3}
    assert answer.codes == ["UNKNOWN_OPTION"] * 3


async def test_a_batch_crosses_links_but_not_workspaces(small: Small) -> None:
    ben = await small.person()
    mine = [await link(small.api, small.ada.token, "small", label) for label in ("one", "two")]
    theirs = await link(small.api, ben.token, "small")
    inputs = [scan(link_id, small.second) for link_id in (mine[0], theirs, mine[1])]
    answer = await record_many(small.api, small.ada.token, inputs)
    assert [item is None for item in answer.body["data"]["recordSnapshots"]] == [False, True, False]
    assert answer.code == "NOT_FOUND"


# Races


async def test_200_at_once_with_one_key_are_one(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second))
    before = await counts(small.api)
    given_ = scan(link_id, small.second, day=1, values={"ads": "on", "history": "off"})
    answers = await asyncio.gather(*(recorded(small.api, token, given_) for _ in range(200)))
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]["changes"]) == 2
    added = {table: rows - before[table] for table, rows in (await counts(small.api)).items() if rows != before[table]}
    assert added == {
        "privacy.snapshot": 1,
        "privacy.change": 2,
        "core.idempotency": 1,
        "core.audit_event": 1,
        "core.audit_detail": 1,
    }


async def test_20_unchanged_at_once_with_keys_of_their_own(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second))
    before = await counts(small.api)
    scans = [scan(link_id, small.second, day=1 + n) for n in range(20)]
    answers = await asyncio.gather(*(recorded(small.api, token, given_) for given_ in scans))
    assert all(answer["unchanged"] for answer in answers)
    assert await counts(small.api) == before | {"core.idempotency": before["core.idempotency"] + 20}
    assert (await link_state(small.api, token, link_id))["seenUntil"] == moment(20)


async def test_20_first_scans_at_once_are_one_snapshot(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    scans = [scan(link_id, small.second) for _ in range(20)]
    answers = await asyncio.gather(*(recorded(small.api, token, given_) for given_ in scans))
    assert Counter(answer["unchanged"] for answer in answers) == {True: 19, False: 1}
    assert len({answer["snapshot"]["id"] for answer in answers}) == 1


async def test_scans_that_arrive_at_once_make_the_same_history(shared: Small) -> None:
    audiences = [(False, "Friends"), (False, "Only me"), (True, "everyone")]
    scans: list[Sent] = [(n, new, (("audience", value_), ("keep", None))) for n, (new, value_) in enumerate(audiences)]
    scans += [(10 + n, True, (("ads", "on"), ("keep", SECOND[3]["options"][n]))) for n in range(4)]
    in_order = await record_all(shared, scans)
    link_id = await link(shared.api, shared.ada.token, "small", str(uuid4()))
    inputs = inputs_of(shared, link_id, scans)
    await asyncio.gather(*(recorded(shared.api, shared.ada.token, given_) for given_ in inputs))
    assert await picture(shared, link_id) == await picture(shared, in_order)


async def test_batches_in_opposite_order_do_not_wait_for_each_other_for_ever(small: Small) -> None:
    token = small.ada.token
    ids = [await link(small.api, token, "small", str(n)) for n in range(4)]
    for turn in range(3):
        values = {"ads": ("off", "on")[turn % 2]}
        inputs = [scan(ids[n % 4], small.second, day=100 * turn + n, values=values | {"keep": SECOND[3]["options"][n % 3]})
                  for n in range(20)]  # fmt: skip
        there, back = await asyncio.gather(record_many(small.api, token, inputs), record_many(small.api, token, inputs[::-1]))
        assert there.codes == back.codes == []
        strip = [{k: v for k, v in item.items() if k != "changes"} for item in there.data["recordSnapshots"]]
        assert strip == [{k: v for k, v in item.items() if k != "changes"} for item in back.data["recordSnapshots"][::-1]]


# kill -9


@asynccontextmanager
async def a_server(database: Database, jwt_key: Path, log: Path) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """`fivefold serve` in a process of its own, and its url; killed at the end where it still runs."""
    process, url = start_server(database, jwt_key, log)
    try:
        async with httpx.AsyncClient() as http:
            for _ in range(200):
                with suppress(httpx.TransportError):
                    if (await http.get(f"{url}/readyz")).status_code == 200:
                        break
                assert process.poll() is None, said(log)
                await asyncio.sleep(0.1)
            else:
                raise AssertionError(said(log))
        yield process, url
    finally:
        process.kill()
        process.wait()


def said(log: Path) -> str:
    return log.read_text()


def start_server(database: Database, jwt_key: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": database.url("fivefold_api"),
        "FIVEFOLD_JWT_KEYS": str(jwt_key),
        "FIVEFOLD_POOL_SIZE": "16",
        "FIVEFOLD_RATE_PER_SECOND": "0",
    }
    with log.open("ab") as output:
        command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=root())
    return process, f"http://127.0.0.1:{port}"


async def send(http: httpx.AsyncClient, token: str, given_: Scan) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = (await http.post("/graphql", json={"query": RECORD, "variables": {"input": given_}}, headers=headers)).json()
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["recordSnapshot"]
    return found


HALVES = {
    "a snapshot without exactly one event": """
        SELECT count(*) FROM privacy.snapshot s WHERE 1 <> (
            SELECT count(*) FROM core.audit_event e JOIN core.audit_detail d ON d.event_id = e.id
            WHERE e.object = 'privacy.snapshot' AND e.object_id = s.id AND e.workspace_id = s.workspace_id)""",
    "an event without its snapshot": """
        SELECT count(*) FROM core.audit_event e WHERE e.object = 'privacy.snapshot'
            AND NOT EXISTS (SELECT FROM privacy.snapshot s WHERE s.id = e.object_id)""",
    "a key without a result": "SELECT count(*) FROM core.idempotency WHERE result_id IS NULL OR created IS NULL",
    "a key whose result is not there": """
        SELECT count(*) FROM core.idempotency i WHERE i.field = 'recordSnapshot'
            AND NOT EXISTS (SELECT FROM privacy.snapshot s WHERE s.id = i.result_id)""",
    "a snapshot that no key made": """
        SELECT count(*) FROM privacy.snapshot s
        WHERE NOT EXISTS (SELECT FROM core.idempotency i WHERE i.result_id = s.id AND i.created)""",
    "a link whose latest is not the last": """
        SELECT count(*) FROM privacy.platform_link l WHERE l.latest_snapshot_id IS DISTINCT FROM
            (SELECT s.id FROM privacy.snapshot s WHERE s.link_id = l.id ORDER BY s.captured_at DESC LIMIT 1)""",
}


async def check_no_half_pair(database: Database, acknowledged: dict[str, str]) -> None:
    """Once the sessions of the killed server are gone: what was told is there, and nothing is there by half."""
    async with database.connect() as connection:
        for _ in range(200):
            sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'fivefold_api'"
            if not await connection.fetchval(sql):
                break
            await asyncio.sleep(0.05)
        assert {what: await connection.fetchval(sql) for what, sql in HALVES.items()} == dict.fromkeys(HALVES, 0)
        rows = await connection.fetch("SELECT key, result_id FROM core.idempotency WHERE field = 'recordSnapshot'")
        kept = {row["key"]: row["result_id"] for row in rows}
    assert {key: kept.get(key) for key in acknowledged} == {key: uuid_of(id_) for key, id_ in acknowledged.items()}


@pytest.mark.slow
async def test_kill_9_in_a_stream_of_scans(database: Database, jwt_key: Path, tmp_path: Path) -> None:
    links, scans_each = 8, 40
    async with serving(database, jwt_key) as api:
        small = await make_small(api, tmp_path / "curated")
        token = small.ada.token
        ids = [await link(api, token, "small", str(n)) for n in range(links)]
    todo: dict[str, Scan] = {}
    different = list(product(*([*s["options"]] for s in SECOND)))
    for day in range(scans_each):
        for link_id in ids:
            values = dict(zip((s["key"] for s in SECOND), different[day], strict=True))
            one = scan(link_id, small.second, day=day, values=values)
            todo[one["idempotencyKey"]] = one
    acknowledged: dict[str, str] = {}
    killed_with_work_left = 0

    async def worker(http: httpx.AsyncClient, queue: list[Scan], enough: asyncio.Event, stop_at: int) -> None:
        with suppress(httpx.TransportError):
            while queue:
                one = queue.pop()
                found = await send(http, token, one)
                acknowledged[one["idempotencyKey"]] = found["snapshot"]["id"]
                if len(acknowledged) >= stop_at:
                    enough.set()

    for stop_at in (15, 45, 90, len(todo)):
        queue = [todo[key] for key in reversed(todo) if key not in acknowledged]
        enough = asyncio.Event()
        async with (
            a_server(database, jwt_key, tmp_path / "server.log") as (process, url),
            httpx.AsyncClient(base_url=url, timeout=20, limits=httpx.Limits(max_connections=20)) as http,
        ):
            workers = [asyncio.create_task(worker(http, queue, enough, stop_at)) for _ in range(16)]
            async with asyncio.timeout(60):
                await enough.wait()
            process.kill()
            await asyncio.gather(*workers)
        killed_with_work_left += len(acknowledged) < len(todo)
        await check_no_half_pair(database, acknowledged)
    assert killed_with_work_left == 3
    assert acknowledged.keys() == todo.keys(), "sent again, each is answered"
    async with database.connect() as connection:
        assert await connection.fetchval("SELECT count(*) FROM core.idempotency WHERE field = 'recordSnapshot'") == len(todo)
        assert await connection.fetchval("SELECT count(*) FROM privacy.snapshot") == len(todo)
    async with serving(database, jwt_key) as api:
        for link_id in ids:
            assert (await history(api, token, link_id))[-1]["capturedAt"] == moment(scans_each - 1)
