"""Devices: which keys are taken, who may register and revoke them, and what is told of it."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.core.device import check_key, decode, encode
from app.kit.errors import AppError
from app.kit.graphql import global_id
from tests.conftest import Api
from tests.core.test_api_key import organization
from tests.factory.device import REGISTER, REVOKE, new_device, register, register_key, revoke
from tests.factory.privacy import api_key

VECTORS = json.loads((Path(__file__).parents[1] / "privacy" / "signature.json").read_text(encoding="utf-8"))
DEVICES = "{ devices(first: 100) { edges { node { id name publicKey createdAt lastUsedAt revokedAt } } } }"


async def devices(api: Api, token: str, **headers: Any) -> list[dict[str, Any]]:
    """All devices that the caller sees, newest first."""
    edges = (await api(DEVICES, token=token, **headers)).data["devices"]["edges"]
    return [edge["node"] for edge in edges]


async def test_a_key_registers_a_device_once(api: Api) -> None:
    ada = await api.person("ada")
    secret, pair = await api_key(api, ada.token), new_device()
    given = {"input": {"name": "Firefox", "publicKey": pair.public_key, "idempotencyKey": "once"}}
    first = (await api(REGISTER, given, token=secret)).data["registerDevice"]["device"]
    assert (first["name"], first["publicKey"], first["lastUsedAt"], first["revokedAt"]) == (
        "Firefox",
        pair.public_key,
        None,
        None,
    )
    assert (await api(REGISTER, given, token=secret)).data["registerDevice"]["device"] == first
    changed = {"input": given["input"] | {"name": "Chromium"}}
    assert (await api(REGISTER, changed, token=secret)).code == "IDEMPOTENCY_CONFLICT"
    assert await devices(api, ada.token) == [first]
    assert (await api(DEVICES, token=secret)).code == "FORBIDDEN"


async def test_fifty_at_once_are_one_device(api: Api) -> None:
    ada = await api.person("ada")
    given = {"input": {"name": "Firefox", "publicKey": new_device().public_key, "idempotencyKey": "once"}}
    answers = await asyncio.gather(*(api(REGISTER, given, token=ada.token) for _ in range(50)))
    assert len({answer.data["registerDevice"]["device"]["id"] for answer in answers}) == 1
    assert len(await devices(api, ada.token)) == 1


async def test_a_key_belongs_to_one_device_and_never_comes_back(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    pair = await register(api, ada.token)
    answer = await register_key(api, ada.token, pair.public_key)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "publicKey")
    await revoke(api, ada.token, pair.id)
    assert (await register_key(api, ada.token, pair.public_key)).code == "BAD_INPUT"
    assert len(await devices(api, ada.token)) == 1
    # What another workspace has registered is nobody's business, and of no use to who lacks the private half.
    assert (await register_key(api, ben.token, pair.public_key)).codes == []


@pytest.mark.parametrize("weak", VECTORS["weakKeys"], ids=[weak["why"] for weak in VECTORS["weakKeys"]])
def test_weak_keys_are_refused(weak: dict[str, str]) -> None:
    assert decode(weak["publicKey"], 32) is not None, "its form is right"
    with pytest.raises(AppError, match="weak"):
        check_key(weak["publicKey"])


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "A",
        "A" * 42,
        "A" * 44,
        VECTORS["publicKey"] + "=",
        VECTORS["publicKey"][:-1] + "p",  # the last character has two bits that say nothing
        " " + VECTORS["publicKey"][1:],
        base64.b64encode(b"\xff" * 32).decode().rstrip("="),
        VECTORS["publicKey"][:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "00" * 32,
    ],
)
async def test_what_is_no_key_is_refused(shared: Api, bad: str) -> None:
    ada = await shared.person("ada")
    answer = await register_key(shared, ada.token, bad)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "publicKey")
    assert await devices(shared, ada.token) == []


@pytest.mark.parametrize("name", ["", "x" * 101])
async def test_a_name_has_a_length(shared: Api, name: str) -> None:
    ada = await shared.person("ada")
    answer = await register_key(shared, ada.token, new_device().public_key, name=name)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "name")


def test_one_text_stands_for_the_same_bytes() -> None:
    for value in (b"\xff" * 32, bytes(32), bytes(range(32))):
        assert decode(encode(value), 32) == value
        assert decode(encode(value) + "=", 32) is None
        assert decode(encode(value), 31) is None


async def test_revoking_ends_it_at_once_and_once(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    pair = await register(api, ada.token)
    secret = await api_key(api, ada.token)
    assert (await revoke(api, secret, pair.id)).code == "FORBIDDEN", "a stolen key must not lock the owner out"
    assert (await revoke(api, ben.token, pair.id)).code == "NOT_FOUND"
    first = (await revoke(api, ada.token, pair.id)).data["revokeDevice"]["device"]
    assert first["revokedAt"] is not None
    assert (await revoke(api, ada.token, pair.id)).data["revokeDevice"]["device"] == first
    assert [device["revokedAt"] for device in await devices(api, ada.token)] == [first["revokedAt"]]
    assert (await revoke(api, ada.token, global_id("Device", str(uuid4())))).code == "NOT_FOUND"
    assert (await revoke(api, ada.token, global_id("ApiKey", str(uuid4())))).code == "BAD_ID"


async def test_devices_are_their_workspaces_own(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    pair = await register(api, ada.token)
    assert await devices(api, ben.token) == []
    node = "query($id: ID!) { node(id: $id) { id ... on Device { name } } }"
    assert (await api(node, {"id": pair.id}, token=ada.token)).data["node"] == {"id": pair.id, "name": "Browser"}
    assert (await api(node, {"id": pair.id}, token=ben.token)).data["node"] is None


async def test_viewers_look_and_writers_register(api: Api) -> None:
    workspace, people = await organization(api, ada="owner", ben="admin", cora="member", dora="viewer", emil="auditor")
    for role, person in people.items():
        allowed = role in ("owner", "admin", "member")
        given = {"input": {"name": role, "publicKey": new_device().public_key, "idempotencyKey": role}}
        answer = await api(REGISTER, given, token=person.token, fivefold_workspace=workspace)
        assert answer.codes == ([] if allowed else ["FORBIDDEN"]), role
    found = await devices(api, people["viewer"].token, fivefold_workspace=workspace)
    assert [device["name"] for device in found] == ["member", "admin", "owner"]
    for role, person in people.items():
        answer = await api(REVOKE, {"id": found[0]["id"]}, token=person.token, fivefold_workspace=workspace)
        assert answer.codes == ([] if role in ("owner", "admin", "member") else ["FORBIDDEN"]), role


async def test_the_audit_tells_of_both(api: Api) -> None:
    ada = await api.person("ada")
    pair = await register(api, ada.token)
    await revoke(api, ada.token, pair.id)
    await revoke(api, ada.token, pair.id)
    events = '{ auditEvents(object: "core.device") { edges { node { action detail } } } }'
    found = [edge["node"] for edge in (await api(events, token=ada.token)).data["auditEvents"]["edges"]]
    assert [event["action"] for event in found] == ["UPDATE", "INSERT"]
    assert list(found[0]["detail"]) == ["revoked_at"]
    assert found[1]["detail"]["public_key"] == "\\x" + base64.urlsafe_b64decode(pair.public_key + "=").hex()
