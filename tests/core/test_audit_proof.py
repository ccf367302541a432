"""Proofs: everybody proves what is one's own, and anyone verifies it with nothing but a key."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app import audit
from app.core.audit_block import Sealer
from app.kit.embedded import Embedded
from app.kit.errors import SetupError
from app.kit.graphql import global_id, parse_global_id
from app.kit.house import root
from app.kit.note import read_private_key
from app.kit.token import create_key
from app.settings import Settings
from tests.conftest import Api, copy_of
from tests.core.test_audit_block import happen, seal
from tests.core.test_member import gather
from tests.factory.kit import inhabit, serving

PROOF = """
query($id: ID!, $since: BigInt) {
  auditProof(id: $id, since: $since) { eventId leaf index size path checkpoint consistency }
}
"""
OWN = "{ auditEvents(first: 100) { edges { node { id actorId } } } }"


@pytest.fixture(scope="module")
async def proving(
    server: Embedded, template: str, jwt_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """An API whose audit is sealed, and in the folder ``files`` what was kept elsewhere."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            await inhabit(api, "ada")
            yield api


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proofs")
    for name in ("audit", "other"):
        create_key(folder / f"{name}.pem")
        key = read_private_key(folder / f"{name}.pem", "fivefold/audit")
        (folder / f"{name}.key").write_text(f"{key.public}\n", encoding="utf-8")
    return folder


def sealer(files: Path) -> Sealer:
    return Sealer(read_private_key(files / "audit.pem", "fivefold/audit"))


def offline(files: Path, proof: Path, *checkpoints: Path, key: str = "audit") -> tuple[bool, str]:
    """Whether it is proven, and what is said of it."""
    *_, found = audit.verify_offline(Settings(), [proof], checkpoints, [files / f"{key}.key"])
    return found["proven"], found["message"]


async def test_everything_of_ones_own_is_proven_to_anyone(proving: Api, files: Path, tmp_path: Path) -> None:
    ada = await proving.person("ada")
    await seal(proving.database, sealer(files))
    (files / "early.txt").write_text(await audit.checkpoint(proving.database.url()), encoding="utf-8")
    early = (await proving("{ auditCheckpoint { checkpoint size publicKey sealedAt } }", token=ada.token)).data[
        "auditCheckpoint"
    ]
    assert early["checkpoint"] == (files / "early.txt").read_text()
    assert early["publicKey"] == (files / "audit.key").read_text().strip()
    await happen(proving.database, 700)
    await seal(proving.database, sealer(files))
    events = (await proving(OWN, token=ada.token)).data["auditEvents"]["edges"]
    assert len(events) > 15
    for place, edge in enumerate(events):
        answer = await proving(PROOF, {"id": edge["node"]["id"], "since": early["size"]}, token=ada.token)
        proof = answer.data["auditProof"]
        assert proof["eventId"] == edge["node"]["id"]
        path = tmp_path / f"{place}.json"
        path.write_text(json.dumps(proof), encoding="utf-8")
        assert offline(files, path) == (True, "")
        assert offline(files, path, files / "early.txt") == (True, "")
        assert offline(files, path, key="other")[0] is False


async def test_twenty_lines_verify_it(proving: Api, files: Path, tmp_path: Path) -> None:
    """Those of the README, as they stand there."""
    found = re.search(r"```python\n(import base64, hashlib.*?)```", (root() / "README.md").read_text(encoding="utf-8"), re.S)
    assert found is not None
    assert len(found[1].splitlines()) <= 20
    script = tmp_path / "verify.py"
    script.write_text(found[1], encoding="utf-8")
    await seal(proving.database, sealer(files))
    ada = await proving.person("ada")
    event = (await proving(OWN, token=ada.token)).data["auditEvents"]["edges"][3]["node"]["id"]
    by_api = (await proving(PROOF, {"id": event}, token=ada.token)).data["auditProof"]
    by_command = await audit.prove(proving.database.url(), event, None)
    for proof in (by_api, by_command):
        assert [proof[name] for name in ("leaf", "path", "checkpoint")] == [by_api[n] for n in ("leaf", "path", "checkpoint")]
        for change, right in (({}, True), ({"index": 0}, False), ({"leaf": "AAAA"}, False), ({"path": []}, False)):
            (tmp_path / "proof.json").write_text(json.dumps(proof | change, default=str), encoding="utf-8")
            key = (files / "audit.key").read_text().strip()
            words = [sys.executable, str(script), str(tmp_path / "proof.json"), key]
            ran = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL, stderr=DEVNULL)
            assert (await ran.wait() == 0) is right, change


async def test_a_proof_of_something_else_fails(proving: Api, files: Path, tmp_path: Path) -> None:
    ada = await proving.person("ada")
    await seal(proving.database, sealer(files))
    one, other = [
        await audit.prove(proving.database.url(), edge["node"]["id"], None)
        for edge in (await proving(OWN, token=ada.token)).data["auditEvents"]["edges"][2:4]
    ]
    path = tmp_path / "proof.json"
    changes: list[dict[str, Any]] = [
        {"leaf": other["leaf"]},
        {"index": other["index"]},
        {"path": other["path"]},
        {"path": one["path"][:-1]},
        {"checkpoint": one["checkpoint"].replace("block ", "block 1")},
        {"checkpoint": one["checkpoint"].replace(f"\n{one['size']}\n", f"\n{one['size'] + 1}\n")},
    ]
    for change in changes:
        path.write_text(json.dumps(one | change, default=str), encoding="utf-8")
        assert offline(files, path)[0] is False, change
    for bad in (b"", b"{}", b"[]", b"null", b"\xff", json.dumps(one | {"leaf": "!"}, default=str).encode()):
        path.write_bytes(bad)
        with pytest.raises(SetupError, match="no proof"):
            offline(files, path)


async def test_without_its_consistency_another_checkpoint_is_not_met(proving: Api, files: Path, tmp_path: Path) -> None:
    url, ada = proving.database.url(), await proving.person("ada")
    await seal(proving.database, sealer(files))
    old = tmp_path / "old.txt"
    old.write_text(await audit.checkpoint(url), encoding="utf-8")
    await happen(proving.database, 3)
    await seal(proving.database, sealer(files))
    event = (await proving(OWN, token=ada.token)).data["auditEvents"]["edges"][0]["node"]["id"]
    path = tmp_path / "proof.json"
    for against, right in ((None, False), (old, True)):
        path.write_text(json.dumps(await audit.prove(url, event, against), default=str), encoding="utf-8")
        assert offline(files, path, old)[0] is right
    new = tmp_path / "new.txt"
    new.write_text(await audit.checkpoint(url), encoding="utf-8")
    assert offline(files, path, old, new)[0] is True
    (only,) = audit.verify_offline(Settings(), [], [new], [files / "audit.key"])
    assert only["proven"] is True
    (only,) = audit.verify_offline(Settings(), [], [new], [files / "other.key"])
    assert only["proven"] is False
    with pytest.raises(SetupError, match="--key"):
        audit.verify_offline(Settings(), [path], [], [])


async def test_an_event_that_is_not_sealed_yet_is_said_so(proving: Api, files: Path) -> None:
    ben = await proving.person("ben")
    event = (await proving(OWN, token=ben.token)).data["auditEvents"]["edges"][0]["node"]["id"]
    assert (await proving(PROOF, {"id": event}, token=ben.token)).code == "NOT_SEALED"
    with pytest.raises(SetupError, match="not sealed"):
        await audit.prove(proving.database.url(), event, None)
    await seal(proving.database, sealer(files))
    assert (await proving(PROOF, {"id": event}, token=ben.token)).data["auditProof"]["eventId"] == event
    asked = {"id": event, "since": "99999999"}
    assert (await proving(PROOF, asked, token=ben.token)).code == "BAD_INPUT"
    assert (await proving(PROOF, {"id": event, "since": "-1"}, token=ben.token)).code == "BAD_INPUT"
    for bad in ("x", global_id("Account", str(UUID(int=1))), str(UUID(int=1))):
        assert (await proving(PROOF, {"id": bad}, token=ben.token)).code == "BAD_ID"
    with pytest.raises(SetupError, match="no event"):
        await audit.prove(proving.database.url(), str(UUID(int=1)), None)


async def test_others_get_no_proof(proving: Api, files: Path) -> None:
    """A stranger none; a member those of what it did itself; who reads the log all."""
    await seal(proving.database, sealer(files))
    ada, eve = await proving.person("ada"), await proving.person("eve")
    event = (await proving(OWN, token=ada.token)).data["auditEvents"]["edges"][0]["node"]["id"]
    assert (await proving(PROOF, {"id": event}, token=eve.token)).data == {"auditProof": None}
    workspace, people = await gather(proving)
    async with proving.database.connect() as admin:
        for role in ("member", "admin"):
            await admin.execute(
                "INSERT INTO core.audit_event (workspace_id, actor_id, object_id, form, action, object, commitment)"
                " SELECT id, $2, id, 1, 'READ', 'core.member', sha256('x') FROM core.workspace WHERE id = $1",
                UUID(parse_global_id(workspace, field="id")[1]),
                people[role].account_id,
            )
    await seal(proving.database, sealer(files))
    edges = (await proving(OWN, token=people["owner"].token, fivefold_workspace=workspace)).data["auditEvents"]["edges"]
    by_actor = {edge["node"]["actorId"]: edge["node"]["id"] for edge in edges}
    for role, person in people.items():
        for actor in ("member", "admin"):
            event = by_actor[global_id("Account", str(people[actor].account_id))]
            found = (await proving(PROOF, {"id": event}, token=person.token, fivefold_workspace=workspace)).data["auditProof"]
            assert (found is not None) is (role in ("owner", "admin", "auditor") or role == actor), (role, actor)


async def test_the_lag_is_a_metric(proving: Api, files: Path) -> None:
    async def lag() -> dict[str, float]:
        text = (await proving.http.get("/metrics")).text
        return {n: float(re.search(rf"^fivefold_audit_{n} (\S+)$", text, re.M)[1])  # type: ignore[index]
                for n in ("sealing_lag_seconds", "unsealed_events")}  # fmt: skip

    await seal(proving.database, sealer(files))
    assert await lag() == {"sealing_lag_seconds": 0, "unsealed_events": 0}
    await happen(proving.database, 7)
    found = await lag()
    assert found["unsealed_events"] == 7
    assert 0 <= found["sealing_lag_seconds"] < 60
