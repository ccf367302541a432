"""Seals after a restore: where transactions are counted anew, nothing waits for ever and nothing is sealed twice."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app import audit
from app.core.audit_block import Sealer
from app.kit import bootstrap
from app.kit.embedded import Embedded, program
from app.kit.note import PrivateKey, read_private_key
from app.kit.token import create_key
from app.settings import Settings
from tests.conftest import Database
from tests.core.test_audit_block import blocks, happen, seal, sealed_once


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Another cluster, whose transactions have lesser numbers."""
    with Embedded.start(tmp_path_factory.mktemp("elsewhere"), durable=False) as running:
        bootstrap.run(running.url("fivefold_roles"))
        yield running


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    create_key(tmp_path / "audit.pem")
    return read_private_key(tmp_path / "audit.pem", "fivefold/audit")


def restore(database: Database, elsewhere: Embedded, name: str, folder: Path) -> Database:
    """What a DBA does with a dump."""
    dump = folder / f"{name}.dump"
    subprocess.run([program("pg_dump"), "-Fc", "-f", dump, database.url()], check=True)
    target = Database(name, elsewhere)
    subprocess.run(
        [program("psql"), "-q", "-c", f"CREATE DATABASE {name} OWNER fivefold_owner TEMPLATE template0", elsewhere.url()],
        check=True,
    )
    subprocess.run([program("pg_restore"), "--exit-on-error", "-d", target.url(), dump], check=True)
    return target


async def counts(database: Database) -> tuple[int, int]:
    """The next transaction's number, and the highest that an event has."""
    async with database.connect() as admin:
        row = await admin.fetchrow(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, max(xid::text::bigint) FROM core.audit_event"
        )
    assert row is not None
    return row[0], row[1]


async def wait_for(database: Database, xid: int) -> None:
    """Let transactions pass until one has this number."""
    connection = await asyncpg.connect(database.url())
    try:
        while await connection.fetchval("SELECT pg_current_xact_id()::text::bigint") < xid:
            await connection.execute("DO $$ BEGIN FOR i IN 1..500 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    finally:
        await connection.close()


@pytest.mark.parametrize("sealed_before", [True, False])
async def test_a_restored_dump_is_sealed_on(
    database: Database, elsewhere: Embedded, key: PrivateKey, tmp_path: Path, sealed_before: bool
) -> None:
    """What was sealed stays so, what was not is at once, what comes is, also when it has a number that was used before."""
    await wait_for(database, 12_000 if sealed_before else 26_000)
    await happen(database, 3)
    if sealed_before:
        await seal(database, Sealer(key))
        await happen(database, 4)
        await seal(database, Sealer(key))
    kept = tmp_path / "checkpoint.txt"
    if sealed_before:
        kept.write_text(await audit.checkpoint(database.url()), encoding="utf-8")
    await happen(database, 5)
    copy = restore(database, elsewhere, f"restored_{int(sealed_before)}", tmp_path)
    upcoming, highest = await counts(copy)
    assert upcoming < highest, "or this proves nothing"
    old = len(await blocks(copy))
    sealer = Sealer(key)
    assert await seal(copy, sealer) >= 5
    assert (await blocks(copy))[old].era == 1
    await sealed_once(copy)
    await happen(copy, 6)
    assert await seal(copy, sealer) >= 6
    await sealed_once(copy)
    async with copy.connect() as admin:
        numbers = await admin.fetch(
            "SELECT DISTINCT xid::text::bigint AS xid FROM core.audit_event WHERE xid >= $1::bigint::text::xid8 ORDER BY 1",
            upcoming,
        )
    await wait_for(copy, numbers[-1]["xid"] + 2)
    await happen(copy, 2)
    assert await seal(copy, Sealer(key)) == 2, "those that had these numbers before are not sealed again"
    await sealed_once(copy)
    report = await audit.verify(copy.url(), Settings(), checkpoints=[kept] if sealed_before else [])
    assert (report.findings, report.eras) == ([], 2 if sealed_before else 1)
    events = await audit.prove(copy.url(), await any_event(copy, 0), kept if sealed_before else None)
    assert events["index"] >= 0

    async with copy.connect() as admin:
        await admin.execute("SET fivefold.audit_ddl = 'allowed'; ALTER TABLE core.audit_event DISABLE TRIGGER USER")
        changed = await any_event(copy, 1)
        await admin.execute(f"UPDATE core.audit_event SET actor_id = uuidv7() WHERE id = '{changed}'")
        deleted = await any_event(copy, 5)
        await admin.execute(f"DELETE FROM core.audit_event WHERE id = '{deleted}'")
    report = await audit.verify(copy.url(), Settings())
    found = {(finding.kind, finding.what) for finding in report.findings}
    assert {("EVENT_CHANGED", changed), ("EVENT_DELETED", deleted)} <= found


async def any_event(database: Database, place: int) -> str:
    async with database.connect() as admin:
        return str(await admin.fetchval("SELECT id FROM core.audit_event ORDER BY id DESC OFFSET $1 LIMIT 1", place))
