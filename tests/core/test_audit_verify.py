"""Verifying: whatever a superuser alters in what is sealed is found, and named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import audit
from app.core.audit_block import Block, Sealer, list_audit_block
from app.core.audit_verify import Report
from app.kit.db import open_as
from app.kit.embedded import Embedded
from app.kit.errors import SetupError
from app.kit.note import PrivateKey, read_private_key
from app.kit.token import create_key
from app.settings import Settings
from tests.conftest import Database, copy_of
from tests.core.test_audit_block import happen, seal
from tests.factory.kit import inhabit, serving

FREE = ("audit_event", "audit_detail", "audit_block", "audit_node", "audit_key")


@dataclass(frozen=True)
class Sealed:
    """A database with some blocks, and what was kept elsewhere."""

    name: str
    key: PrivateKey
    key_file: Path
    checkpoint: Path
    early: Path


@pytest.fixture(scope="module")
async def sealed(
    server: Embedded, template: str, jwt_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sealed]:
    """Made once, copied for each test."""
    folder = tmp_path_factory.mktemp("sealed")
    create_key(folder / "audit.pem")
    key = read_private_key(folder / "audit.pem", "fivefold/audit")
    (folder / "public.txt").write_text(f"{key.public}\n", encoding="utf-8")
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            await inhabit(api, "ada")
        sealer = Sealer(key)
        await seal(database, sealer)
        early = await audit.checkpoint(database.url())
        for count in (2, 300, 3):
            await happen(database, count)
            await seal(database, sealer)
        (folder / "early.txt").write_text(early, encoding="utf-8")
        (folder / "checkpoint.txt").write_text(await audit.checkpoint(database.url()), encoding="utf-8")
        yield Sealed(database.name, key, folder / "public.txt", folder / "checkpoint.txt", folder / "early.txt")


@pytest.fixture(scope="module")
async def altered(server: Embedded, sealed: Sealed) -> AsyncIterator[Database]:
    """A copy in which nothing is in the way of a superuser, and what it was."""
    with copy_of(server, sealed.name) as database:
        async with database.connect() as admin:
            await admin.execute("SET fivefold.audit_ddl = 'allowed'; CREATE SCHEMA was")
            for table in FREE:
                await admin.execute(f"ALTER TABLE core.{table} DISABLE TRIGGER USER")
                await admin.execute(f"CREATE TABLE was.{table} AS SELECT * FROM core.{table}")
        yield database


@pytest.fixture
async def copy(altered: Database) -> AsyncIterator[Database]:
    """The same for each test: it is put back afterwards."""
    yield altered
    async with altered.connect() as admin:
        for table in FREE:
            await admin.execute(f"DELETE FROM core.{table}; INSERT INTO core.{table} SELECT * FROM was.{table}")


async def tamper(database: Database, *texts: str) -> list[asyncpg.Record]:
    """As a superuser who has switched off all that is in the way."""
    async with database.connect() as admin:
        await admin.execute("SET session_replication_role = replica")
        rows: list[asyncpg.Record] = []
        for text in texts:
            rows = await admin.fetch(text)
        return rows


async def examine(database: Database, sealed: Sealed, *, early: bool = False, **options: Any) -> Report:
    kept = {"checkpoints": [sealed.early if early else sealed.checkpoint], "keys": [sealed.key_file]}
    return await audit.verify(database.url(), Settings(), **(kept | options))


def kinds(report: Report) -> list[tuple[str, str]]:
    return sorted((finding.kind, finding.what) for finding in report.findings)


async def test_what_nobody_touched_is_as_it_was(copy: Database, sealed: Sealed) -> None:
    report = await examine(copy, sealed)
    assert (report.findings, report.more, report.unsealed, report.blocks) == ([], 0, 0, 5)
    assert report.events == 305 + report.details
    assert "ok: the audit is as it was sealed" in audit.show(report)
    assert (await examine(copy, sealed, early=True)).findings == []
    for first in range(1, 6):
        for last in range(first, 6):
            assert (await examine(copy, sealed, first=first, last=last, checkpoints=[])).findings == []
    assert (await examine(copy, sealed, first=3, early=True)).findings == []


async def test_an_auditor_verifies_without_details(copy: Database, sealed: Sealed) -> None:
    report = await audit.verify(copy.url("fivefold_auditor"), Settings(), keys=[sealed.key_file])
    assert (report.findings, report.details_read, report.details) == ([], False, 0)
    assert "may not" in audit.show(report)
    with pytest.raises(SetupError, match="fivefold_auditor"):
        await audit.verify(copy.url("fivefold_api"), Settings())


ANY = "(SELECT id FROM core.audit_event WHERE object <> 'test.row' ORDER BY id OFFSET 9 LIMIT 1)"
OTHER = "(SELECT id FROM core.audit_event WHERE object = 'test.row' ORDER BY id OFFSET 50 LIMIT 1)"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        *(
            (f"UPDATE core.audit_event SET {change} WHERE id = {ANY} RETURNING id", "EVENT_CHANGED")
            for change in (
                "actor_id = uuidv7()",
                "actor_id = NULL, api_key_id = uuidv7()",
                "request_id = uuidv7()",
                "object_id = uuidv7()",
                "action = 'DELETE'",
                "object = object || 'x'",
                "form = 2",
                "workspace_id = uuidv7()",
                "xid = (xid::text::bigint + 1)::text::xid8",
                "xid = '99999999999'",
                "xid = '3'",
            )
        ),
        (f"DELETE FROM core.audit_event WHERE id = {OTHER} RETURNING id", "EVENT_DELETED"),
        (
            "INSERT INTO core.audit_event (workspace_id, object_id, form, action, object, commitment, xid)"
            " SELECT workspace_id, object_id, form, action, object, commitment, xid FROM core.audit_event"
            f" WHERE id = {OTHER} RETURNING id",
            "EVENT_INSERTED",
        ),
        (
            "INSERT INTO core.audit_event (workspace_id, id, object_id, form, action, object, commitment)"
            " SELECT workspace_id, core.uuidv7_floor(now() - interval '10 minutes'), object_id, form, action, object,"
            f" commitment FROM core.audit_event WHERE id = {OTHER} RETURNING id",
            "EVENT_MISDATED",
        ),
        (f"UPDATE core.audit_detail SET detail = '{{}}' WHERE event_id = {ANY} RETURNING event_id AS id", "DETAIL_CHANGED"),
        (f"UPDATE core.audit_detail SET salt = sha256('x') WHERE event_id = {ANY} RETURNING event_id AS id", "DETAIL_CHANGED"),
        (
            "INSERT INTO core.audit_detail SELECT workspace_id, uuidv7(), salt, detail FROM core.audit_detail LIMIT 1"
            " RETURNING event_id AS id",
            "DETAIL_WITHOUT_EVENT",
        ),
    ],
)
async def test_an_altered_event_is_named(copy: Database, sealed: Sealed, change: str, kind: str) -> None:
    (row,) = await tamper(copy, change)
    expected = {(kind, str(row["id"]))}
    report = await examine(copy, sealed)
    if "99999999999" in change:  # it waits to be sealed again, by its own word
        expected = {("EVENT_DELETED", str(row["id"]))}
    if "workspace_id =" in change:  # and its detail has lost it
        expected.add(("DETAIL_WITHOUT_EVENT", str(row["id"])))
    misdated = {("EVENT_MISDATED", str(row["id"]))} if "99999999999" in change else set()  # once a minute has passed
    assert expected <= set(kinds(report)) <= expected | misdated
    assert "FAILED" in audit.show(report)


async def test_the_commitment_holds_the_detail(copy: Database, sealed: Sealed) -> None:
    """Detail, salt and commitment changed together are the event's change."""
    (row,) = await tamper(
        copy,
        f"UPDATE core.audit_detail SET detail = '{{}}', salt = sha256('x') WHERE event_id = {ANY}",
        "UPDATE core.audit_event SET commitment = sha256(sha256('x') || convert_to('{}', 'UTF8'))"
        f" WHERE id = {ANY} RETURNING id",
    )
    assert kinds(await examine(copy, sealed)) == [("EVENT_CHANGED", str(row["id"]))]


async def test_events_that_swapped_their_contents_are_both_named(copy: Database, sealed: Sealed) -> None:
    rows = await tamper(
        copy,
        "UPDATE core.audit_event AS e SET object_id = o.object_id, commitment = o.commitment FROM core.audit_event AS o"
        f" WHERE e.id = {ANY} AND o.id = {OTHER} OR e.id = {OTHER} AND o.id = {ANY} RETURNING e.id",
    )
    assert len(rows) == 2
    found = {what for kind, what in kinds(await examine(copy, sealed)) if kind == "EVENT_CHANGED"}
    assert found == {str(row["id"]) for row in rows}


async def test_events_that_swapped_their_names_are_both_named(copy: Database, sealed: Sealed) -> None:
    rows = await tamper(
        copy,
        f"CREATE TABLE was.two AS SELECT {ANY} AS one, {OTHER} AS other, core.uuidv7_floor(now()) AS between",
        "UPDATE core.audit_event SET id = (SELECT between FROM was.two) WHERE id = (SELECT one FROM was.two)",
        "UPDATE core.audit_event SET id = (SELECT one FROM was.two) WHERE id = (SELECT other FROM was.two)",
        "UPDATE core.audit_event SET id = (SELECT other FROM was.two) WHERE id = (SELECT between FROM was.two)",
        "SELECT one AS id FROM was.two UNION ALL SELECT other FROM was.two",
    )
    found = {what for _, what in kinds(await examine(copy, sealed))}
    assert {str(row["id"]) for row in rows} <= found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE core.audit_block SET sealed_at = sealed_at + interval '1 second' WHERE number = 2",
            {("BLOCK_CHANGED", "block 2"), ("LINK_BROKEN", "block 3")}),
        ("UPDATE core.audit_block SET root = sha256('x') WHERE number = 5",
            {("BLOCK_CHANGED", "block 5"), ("UNTRUSTED", "block 5")}),
        ("UPDATE core.audit_block SET signature = signature || '' , key_id = '\\x00000000' WHERE number = 2",
            {("KEY_UNKNOWN", "block 2")}),
        ("UPDATE core.audit_block SET signature = overlay(signature PLACING '\\x00' FROM 5) WHERE number = 3",
            {("BLOCK_CHANGED", "block 3")}),
        ("UPDATE core.audit_block SET horizon = (horizon::text::bigint - 1)::text::xid8 WHERE number = 3", None),
        ("DELETE FROM core.audit_block WHERE number = 2", None),
        ("DELETE FROM core.audit_block WHERE number = 1", None),
        ("UPDATE core.audit_block SET leaves = overlay(leaves PLACING sha256('x') FROM 17) WHERE number = 3", None),
        ("UPDATE core.audit_block SET leaves = substring(leaves FROM 49) || substring(leaves FOR 48) WHERE number = 3",
            {("BLOCK_CHANGED", "block 3"), ("BLOCKS_UNCHECKED", "block 4 to 5")}),
        ("UPDATE core.audit_node SET hash = sha256('x')", {("NODE_CHANGED", "node 8/0")}),
        ("DELETE FROM core.audit_node", {("NODE_CHANGED", "node 8/0")}),
    ],
)  # fmt: skip
async def test_an_altered_block_is_named(
    copy: Database, sealed: Sealed, change: str, expected: set[tuple[str, str]] | None
) -> None:
    await tamper(copy, change)
    found = set(kinds(await examine(copy, sealed)))
    assert {pair for pair in found if not pair[1].startswith("checkpoint")} == expected or expected is None
    assert found
    assert found == set(kinds(await examine(copy, sealed))), "it says the same again"


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (3, 4), (2, 4)])
async def test_blocks_that_changed_places_are_named(copy: Database, sealed: Sealed, one: int, other: int) -> None:
    await tamper(
        copy,
        f"UPDATE core.audit_block SET number = 99 WHERE number = {one}",
        f"UPDATE core.audit_block SET number = {one} WHERE number = {other}",
        f"UPDATE core.audit_block SET number = {other} WHERE number = 99",
    )
    found = kinds(await examine(copy, sealed))
    assert {("BLOCK_CHANGED", f"block {one}"), ("BLOCK_CHANGED", f"block {other}")} <= set(found)


async def test_a_missing_end_is_told_by_a_checkpoint(copy: Database, sealed: Sealed) -> None:
    """Events, details and blocks cut off together leave nothing inside that would tell."""
    await tamper(
        copy,
        "DELETE FROM core.audit_event WHERE xid >= (SELECT horizon FROM core.audit_block WHERE number = 2)",
        "DELETE FROM core.audit_block WHERE number > 2",
        "DELETE FROM core.audit_node",
    )
    assert (await examine(copy, sealed, checkpoints=[])).findings == []
    assert (await examine(copy, sealed, early=True)).findings == []
    (finding,) = (await examine(copy, sealed)).findings
    assert finding.kind == "TRUNCATED"


async def rewrite(copy: Database, key: PrivateKey) -> None:
    """A superuser changes an event and makes all seals anew."""
    await tamper(
        copy,
        f"UPDATE core.audit_event SET actor_id = uuidv7() WHERE id = {ANY}",
        "DELETE FROM core.audit_block",
        "DELETE FROM core.audit_node",
        "DELETE FROM core.audit_key",
    )
    await seal(copy, Sealer(key))


async def test_a_log_made_anew_is_told_by_key_and_checkpoint(copy: Database, sealed: Sealed, tmp_path: Path) -> None:
    create_key(tmp_path / "own.pem")
    await rewrite(copy, read_private_key(tmp_path / "own.pem", "fivefold/audit"))
    assert (await examine(copy, sealed, keys=[], checkpoints=[])).findings == [], "alone it is whole"
    assert {"UNTRUSTED"} == {kind for kind, _ in kinds(await examine(copy, sealed, checkpoints=[]))}
    for early in (True, False):
        assert "CHECKPOINT_DIFFERS" in {kind for kind, _ in kinds(await examine(copy, sealed, early=early))}


async def test_even_with_the_true_key_a_checkpoint_tells(copy: Database, sealed: Sealed) -> None:
    await rewrite(copy, sealed.key)
    assert (await examine(copy, sealed, checkpoints=[])).findings == []
    for early in (True, False):
        assert {"CHECKPOINT_DIFFERS"} == {kind for kind, _ in kinds(await examine(copy, sealed, early=early))}


async def test_a_forged_checkpoint_proves_nothing(copy: Database, sealed: Sealed, tmp_path: Path) -> None:
    create_key(tmp_path / "own.pem")
    async with open_as(copy.url(), "fivefold_owner") as (_, db):
        (block,) = await list_audit_block(db, first_number=2, last_number=2)
    forged = read_private_key(tmp_path / "own.pem", "fivefold/audit")
    fields = {name: value for name, value in block.__dict__.items() if name != "leaves"}
    note = Block(**{**fields, "key_id": forged.public.id, "signature": forged.sign(block.text)}).checkpoint
    (tmp_path / "forged.txt").write_text(note, encoding="utf-8")
    report = await examine(copy, sealed, checkpoints=[tmp_path / "forged.txt"])
    assert [kind for kind, _ in kinds(report)] == ["CHECKPOINT_UNSIGNED"]
    (tmp_path / "bad.txt").write_text("x", encoding="utf-8")
    with pytest.raises(SetupError, match="no checkpoint"):
        await examine(copy, sealed, checkpoints=[tmp_path / "bad.txt"])


async def test_many_findings_are_counted(copy: Database, sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.audit_verify.MAX_FINDINGS", 10)
    await tamper(copy, "DELETE FROM core.audit_event WHERE object = 'test.row'")
    report = await examine(copy, sealed)
    assert (len(report.findings), report.more) == (10, 295)
    assert "and 295 more" in audit.show(report)
