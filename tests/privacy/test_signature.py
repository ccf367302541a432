"""Signed scans: what is signed, what a forged or repeated one meets, and what a link takes once it has seen a signature."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import MISSING, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from app.core.device import canonical as by_app
from app.core.device import decode
from app.kit.graphql import global_id
from app.privacy.scan import SIGNED_FORM, RecordSnapshotInput, SettingValueInput
from app.privacy.snapshot import ScanMethod
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.device import Signer, canonical, encode, new_device, register, require_signature, revoke
from tests.factory.privacy import (
    RECORD_MANY,
    api_key,
    counts,
    history,
    link,
    link_state,
    nothing_written,
    record,
    recorded,
    scan,
    unlink,
)
from tests.privacy.conftest import Small

FILE = json.loads((Path(__file__).parent / "signature.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = FILE["vectors"]
NAMES = [vector["name"] for vector in VECTORS]
LINK = "query Link($id: ID!) { platformLink(id: $id) { signedSince latestSnapshot { device { id name } } } }"


def read(given_: dict[str, Any]) -> RecordSnapshotInput:
    """The input as the resolver gets it."""
    values = [
        SettingValueInput(
            key=v["key"], value=v.get("value"), confidence=v.get("confidence"), user_action=v.get("userAction") or False
        )
        for v in given_["values"]
    ]
    return RecordSnapshotInput(
        link_id=given_["linkId"],
        captured_at=datetime.fromisoformat(given_["capturedAt"]),
        scan_method=ScanMethod[given_["scanMethod"]],
        template_hash=given_["templateHash"],
        values=values,
        idempotency_key=given_["idempotencyKey"],
        device_id=given_["deviceId"],
    )


# What is signed


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_vectors_hold(vector: dict[str, Any]) -> None:
    """For the app, and for the few lines of the factory that know nothing of it."""
    text = vector["canonical"].encode()
    assert by_app(SIGNED_FORM, read(vector["input"])) == text
    assert canonical(vector["input"]) == text
    signature, key = decode(vector["signature"], 64), decode(FILE["publicKey"], 32)
    assert key is not None
    try:
        holds = signature is not None and VerifyKey(key).verify(text, signature) == text
    except BadSignatureError:
        holds = False
    assert holds is vector["holds"]


def test_vectors_show_what_counts() -> None:
    by_name = {vector["name"]: vector["canonical"] for vector in VECTORS}
    assert by_name["null and false"] == by_name["one setting"] == by_name["null as it is"]
    assert by_name["composed"] != by_name["decomposed"]
    assert {vector["holds"] for vector in VECTORS} == {True, False}


def test_what_is_left_out_is_what_null_and_false_stand_for() -> None:
    """A field with another default would be left out of what is signed by one side only."""
    for kind in (RecordSnapshotInput, SettingValueInput):
        for one in fields(kind):
            assert one.default in (MISSING, None, False), f"{kind.__name__}.{one.name}"
            assert one.default_factory is MISSING


text = st.text(st.characters(codec="utf-8"), max_size=8)
entries = st.lists(
    st.fixed_dictionaries(
        {"key": text},
        optional={
            "value": st.none() | text,
            "confidence": st.none() | st.floats(0, 1) | st.integers(0, 1),
            "userAction": st.booleans(),
        },
    ),
    max_size=4,
)


@given(entries, text, st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)))
def test_both_sides_sign_the_same_bytes(values: list[dict[str, Any]], key: str, moment: datetime) -> None:
    sent = VECTORS[0]["input"] | {
        "values": values,
        "idempotencyKey": key,
        "capturedAt": moment.isoformat(timespec="milliseconds") + "Z",
    }
    assert by_app(SIGNED_FORM, read(sent)) == canonical(sent)


# What is refused


async def signing(small: Small) -> tuple[Signer, str, str]:
    """A device of a person, a link, and an API key, with which the rest is sent."""
    api, token = small.api, small.ada.token
    return await register(api, token), await link(api, token, "small"), await api_key(api, token)


async def field_of(api: Api, token: str, sent: dict[str, Any]) -> tuple[str, str | None]:
    """The code and the field to blame of a scan that is refused and leaves nothing behind."""
    async with nothing_written(api):
        answer = await record(api, token, sent)
    return answer.code, answer.body["errors"][0]["extensions"].get("field")


async def test_a_signed_scan_is_taken_and_names_its_device(small: Small) -> None:
    api, token = small.api, small.ada.token
    device, link_id, secret = await signing(small)
    made = await recorded(api, secret, device.sign(scan(link_id, small.second)))
    assert made["unchanged"] is False
    found = (await api(LINK, {"id": link_id}, token=token)).data["platformLink"]
    assert found["signedSince"] is not None
    assert found["latestSnapshot"]["device"] == {"id": device.id, "name": "Browser"}
    used = "{ devices { edges { node { lastUsedAt } } } }"
    assert (await api(used, token=token)).data["devices"]["edges"][0]["node"]["lastUsedAt"] is not None


async def test_an_unsigned_scan_names_none(small: Small) -> None:
    api, token = small.api, small.ada.token
    link_id = await link(api, token, "small")
    await recorded(api, token, scan(link_id, small.second))
    found = (await api(LINK, {"id": link_id}, token=token)).data["platformLink"]
    assert found == {"signedSince": None, "latestSnapshot": {"device": None}}


CHANGES: dict[str, dict[str, Any]] = {
    "the key": {"idempotencyKey": "another"},
    "the moment": {"capturedAt": "2026-03-05T09:00:00.000Z"},
    "the method": {"scanMethod": "CRAWLER"},
    "the hash": {"templateHash": "0" * 64},
    "a value": {"values": [{"key": "ads", "value": "on"}]},
    "an action": {"values": [{"key": "ads", "value": "off", "userAction": True}]},
    "the confidence": {"values": [{"key": "ads", "value": "off", "confidence": 0.9}]},
    "nothing read": {"values": []},
    "no signature": {"signature": "A" * 86},
    "an empty one": {"signature": ""},
    "an endless one": {"signature": "A" * 100_000},
    "one of text": {"signature": "\N{SNOWMAN}" * 86},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
async def test_what_was_changed_on_the_way_is_refused(small: Small, change: dict[str, Any]) -> None:
    """The first scan and every later one, whether its key was used or not."""
    device, link_id, secret = await signing(small)
    sent = device.sign(scan(link_id, small.second, values={"ads": "off"}))
    sent = device.sign({**sent, "values": [{"key": "ads", "value": "off"}]})
    assert await field_of(small.api, secret, {**sent, **change}) == ("SIGNATURE_INVALID", "signature")
    await recorded(small.api, secret, sent)
    assert await field_of(small.api, secret, {**sent, **change}) == ("SIGNATURE_INVALID", "signature")


async def test_a_scan_is_of_one_link_one_device_and_one_workspace(small: Small) -> None:
    api, token = small.api, small.ada.token
    device, link_id, secret = await signing(small)
    second, other = await register(api, token), await link(api, token, "small", "other")
    ben = await api.person("ben")
    bens, bens_link = await register(api, ben.token, device), await link(api, ben.token, "small", str(uuid4()))
    sent = device.sign(scan(link_id, small.second))
    await recorded(api, secret, sent)
    assert await field_of(api, secret, {**sent, "linkId": other}) == ("SIGNATURE_INVALID", "signature")
    assert await field_of(api, secret, {**sent, "deviceId": second.id}) == ("SIGNATURE_INVALID", "signature")
    # The same key registered elsewhere is another device: what it signed here says nothing there.
    assert await field_of(api, ben.token, sent) == ("NOT_FOUND", "deviceId")
    assert await field_of(api, ben.token, {**sent, "deviceId": bens.id}) == ("SIGNATURE_INVALID", "signature")
    there = {**sent, "deviceId": bens.id, "linkId": bens_link}
    assert await field_of(api, ben.token, there) == ("SIGNATURE_INVALID", "signature")
    assert await field_of(api, ben.token, bens.sign(sent)) == ("NOT_FOUND", "linkId")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"signature": None}, ("BAD_INPUT", "signature")),
        ({"deviceId": None}, ("BAD_INPUT", "deviceId")),
        ({"deviceId": global_id("Device", str(uuid4()))}, ("NOT_FOUND", "deviceId")),
        ({"deviceId": global_id("ApiKey", str(uuid4()))}, ("BAD_ID", "deviceId")),
        ({"deviceId": str(uuid4())}, ("BAD_ID", "deviceId")),
        ({"deviceId": ""}, ("BAD_ID", "deviceId")),
    ],
)
async def test_half_a_signature_is_none(small: Small, wrong: dict[str, Any], expected: tuple[str, str]) -> None:
    device, link_id, secret = await signing(small)
    assert await field_of(small.api, secret, device.sign(scan(link_id, small.second)) | wrong) == expected


@pytest.mark.parametrize("vector", [v for v in VECTORS if not v["holds"] and "order" in v["name"]])
async def test_a_signature_has_one_form(small: Small, vector: dict[str, Any]) -> None:
    """S + L is the same point: who could send it could make two signatures of one."""
    device, link_id, secret = await signing(small)
    sent = device.sign(scan(link_id, small.second))
    raw = base64.urlsafe_b64decode(sent["signature"] + "==")
    order = 2**252 + 27742317777372353535851937790883648493
    more = encode(raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little"))
    for forged in (more, sent["signature"] + "==", sent["signature"][:-1] + "_", vector["signature"]):
        assert await field_of(small.api, secret, {**sent, "signature": forged}) == ("SIGNATURE_INVALID", "signature")
    await recorded(small.api, secret, sent)


async def test_a_signed_moment_has_milliseconds(small: Small) -> None:
    """What JavaScript cannot say is not signed, so it must not be there."""
    device, link_id, secret = await signing(small)
    sent = device.sign(scan(link_id, small.second))
    finer = sent["capturedAt"].replace(".000Z", ".000001Z")
    assert await field_of(small.api, secret, {**sent, "capturedAt": finer}) == ("BAD_INPUT", "capturedAt")
    elsewhere = sent["capturedAt"].replace("T09:00:00.000Z", "T11:00:00.000000+02:00")
    await recorded(small.api, secret, {**sent, "capturedAt": elsewhere})


async def test_a_batch_answers_at_its_places(small: Small) -> None:
    api, token = small.api, small.ada.token
    device, link_id, secret = await signing(small)
    good = [device.sign(scan(link_id, small.second, day=day, values={"ads": ("on", "off")[day % 2]})) for day in range(3)]
    forged = {**good[1], "idempotencyKey": "forged"}
    unsigned = scan(link_id, small.second, day=9)
    answer = await api(RECORD_MANY, {"inputs": [good[0], forged, unsigned, good[1], good[2]]}, token=secret)
    assert [payload is None for payload in answer.body["data"]["recordSnapshots"]] == [False, True, True, False, False]
    assert answer.codes == ["SIGNATURE_INVALID", "SIGNATURE_REQUIRED"]
    assert len(await history(api, token, link_id)) == 3


# What a link takes


async def test_the_first_signature_closes_a_link_to_unsigned_scans(small: Small) -> None:
    """Whoever sends them, and of whichever moment."""
    api, token = small.api, small.ada.token
    device, link_id, secret = await signing(small)
    before = scan(link_id, small.second)
    await recorded(api, secret, before)
    await recorded(api, secret, device.sign(scan(link_id, small.second, day=2, values={"ads": "on"})))
    for day in (1, 3):
        for bearer in (secret, token):
            unsigned = scan(link_id, small.second, day=day, values={"ads": "off"})
            assert await field_of(api, bearer, unsigned) == ("SIGNATURE_REQUIRED", "signature")
    assert (await recorded(api, secret, before))["unchanged"] is False, "what was taken is answered as then"
    other = await link(api, token, "small", "other")
    await recorded(api, secret, scan(other, small.second))


async def test_a_refused_first_signature_closes_nothing(small: Small) -> None:
    device, link_id, secret = await signing(small)
    bad = device.sign(scan(link_id, small.second, values={"ads": "maybe"}))
    assert (await field_of(small.api, secret, bad))[0] == "UNKNOWN_OPTION"
    await recorded(small.api, secret, scan(link_id, small.second))


async def test_a_person_opens_and_closes_a_link(small: Small) -> None:
    api, ada = small.api, small.ada
    device, link_id, secret = await signing(small)
    assert (await require_signature(api, secret, link_id, required=False)).code == "FORBIDDEN"
    ben = await api.person("ben")
    assert (await require_signature(api, ben.token, link_id, required=True)).code == "NOT_FOUND"
    assert (await require_signature(api, ada.token, device.id, required=True)).code == "BAD_ID"
    closed = (await require_signature(api, ada.token, link_id, required=True)).data["requireSignature"]["link"]
    assert closed["signedSince"] is not None
    again = (await require_signature(api, ada.token, link_id, required=True)).data["requireSignature"]["link"]
    assert again == closed, "closing it again keeps the first moment"
    assert (await record(api, secret, scan(link_id, small.second))).code == "SIGNATURE_REQUIRED"
    opened = (await require_signature(api, ada.token, link_id, required=False)).data["requireSignature"]["link"]
    assert opened["signedSince"] is None
    await recorded(api, secret, scan(link_id, small.second))
    await recorded(api, secret, device.sign(scan(link_id, small.second, day=1)))
    assert (await record(api, secret, scan(link_id, small.second, day=2))).code == "SIGNATURE_REQUIRED", "closed again"
    query_ = '{ auditEvents(object: "privacy.platform_link") { edges { node { action detail } } } }'
    events = [edge["node"] for edge in (await api(query_, token=ada.token)).data["auditEvents"]["edges"]]
    assert [list(e["detail"]) for e in events if e["action"] == "UPDATE"] == [["signed_since"]] * 3


async def test_an_ended_link_says_so_first(small: Small) -> None:
    device, link_id, secret = await signing(small)
    await recorded(small.api, secret, device.sign(scan(link_id, small.second)))
    await unlink(small.api, small.ada.token, link_id)
    for sent in (scan(link_id, small.second, day=1), device.sign(scan(link_id, small.second, day=1))):
        assert (await record(small.api, secret, sent)).code == "LINK_ENDED"


async def test_what_a_revoked_device_signed_is_refused_whenever_it_was(small: Small) -> None:
    """Captured before it was revoked, too: whoever has the key writes any moment."""
    api, token = small.api, small.ada.token
    device, link_id, secret = await signing(small)
    taken = device.sign(scan(link_id, small.second))
    first = await recorded(api, secret, taken)
    await revoke(api, token, device.id)
    for day in (-1, 0.5, 400):
        sent = device.sign(scan(link_id, small.second, day=day, values={"ads": "on"}))
        expected = ("CAPTURED_IN_FUTURE", "capturedAt") if day == 400 else ("DEVICE_REVOKED", "deviceId")
        assert await field_of(api, secret, sent) == expected
    assert await recorded(api, secret, taken) == first, "what was taken is answered as then"
    assert await field_of(api, secret, {**taken, "signature": "A" * 86}) == ("SIGNATURE_INVALID", "signature")
    successor = await register(api, token)
    await recorded(api, secret, successor.sign(scan(link_id, small.second, day=1, values={"ads": "on"})))


# What is sent again


async def test_the_same_scan_again_is_answered_the_same(small: Small) -> None:
    device, link_id, secret = await signing(small)
    sent = device.sign(scan(link_id, small.second))
    first = await recorded(small.api, secret, sent)
    async with nothing_written(small.api):
        answers = await asyncio.gather(*(record(small.api, secret, sent) for _ in range(20)))
    assert [answer.data["recordSnapshot"] for answer in answers] == [first] * 20


async def forget_keys(api: Api) -> None:
    """Eight days later, as far as idempotency keys go."""
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM core.idempotency")


async def picture(api: Api, person: Person, link_id: str) -> tuple[Any, ...]:
    """All that a person sees of a link."""
    return await history(api, person.token, link_id), await link_state(api, person.token, link_id)


@settings(max_examples=25, deadline=None)
@given(
    seen=st.lists(st.tuples(st.sampled_from(["on", "off", None]), st.booleans()), min_size=2, max_size=7),
    order=st.randoms(use_true_random=False),
    late=st.booleans(),
)
async def test_a_signed_scan_sent_again_after_its_key_is_forgotten_changes_nothing(
    shared: Small, seen: Sequence[tuple[str | None, bool]], order: Any, late: bool
) -> None:
    """It says what was seen at a moment, and that is what is stored of that moment, whatever the order of arrival was."""
    api, ada = shared.api, await shared.person()
    device, link_id = await register(api, ada.token), await link(api, ada.token, "small")
    sent = []
    for day, (value, acted) in enumerate(seen):
        values = [{"key": "ads", "value": value, "userAction": acted}, {"key": "history", "value": "on"}]
        sent.append(device.sign(scan(link_id, shared.second, day=day) | {"values": values}))
    arrived = order.sample(sent, len(sent)) if late else sent
    for one in arrived:
        await recorded(api, ada.token, one)
    before = await picture(api, ada, link_id)
    await forget_keys(api)
    written = await counts(api)
    again = sent * 2
    order.shuffle(again)
    for one in again:
        assert (await recorded(api, ada.token, one))["unchanged"] is True
    assert await picture(api, ada, link_id) == before
    after = await counts(api)
    assert {t for t, n in after.items() if n != written[t]} == {"core.idempotency"}


async def test_one_moment_says_one_thing(small: Small) -> None:
    """Else the first, sent again when its key is forgotten, would undo the second."""
    device, link_id, secret = await signing(small)
    first = device.sign(scan(link_id, small.second, values={"ads": "on"}))
    await recorded(small.api, secret, first)
    other = device.sign(scan(link_id, small.second, values={"ads": "off"}))
    assert await field_of(small.api, secret, other) == ("BAD_INPUT", "capturedAt")
    same = device.sign(scan(link_id, small.second, values={"ads": "on"}))
    assert (await recorded(small.api, secret, same))["unchanged"] is True
    assert new_device().public_key != device.public_key


async def test_one_moment_says_one_thing_whoever_was_overtaken(small: Small) -> None:
    """The first waits for whoever holds its key; the second overtakes it."""
    device, link_id, secret = await signing(small)
    await recorded(small.api, secret, device.sign(scan(link_id, small.second, values={"keep": "A month"})))
    first, second = (device.sign(scan(link_id, small.second, day=1, values={"ads": ads})) for ads in ("on", "off"))
    async with small.api.database.connect() as admin, asyncio.TaskGroup() as group:
        held = admin.transaction()
        await held.start()
        await admin.execute(
            "INSERT INTO core.idempotency (workspace_id, field, key, input_hash)"
            " VALUES ($1, 'recordSnapshot', $2, sha256('another'))",
            small.ada.workspace_id,
            first["idempotencyKey"],
        )
        overtaken = group.create_task(record(small.api, secret, first))
        while not await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.01)
        assert (await recorded(small.api, secret, second))["unchanged"] is False
        await held.rollback()
    assert overtaken.result().code == "BAD_INPUT"
