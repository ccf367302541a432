"""Retirement: old months go whole, their seals stay, and nothing else passes for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson
import pytest

from app import audit
from app.core import audit_retirement
from app.core.audit_block import Sealer
from app.kit.embedded import Embedded
from app.kit.note import read_private_key
from app.kit.token import create_key
from app.settings import Settings
from tests.conftest import Database, copy_of
from tests.core.test_audit_block import happen, seal
from tests.core.test_audit_verify import kinds
from tests.factory.jobs import worker_db


def month(ago: int) -> str:
    """The first day of a month so long ago."""
    today = datetime.now(UTC)
    count = today.year * 12 + today.month - 1 - ago
    return f"{count // 12:04}-{count % 12 + 1:02}-01"


def partition(ago: int) -> str:
    return f"core.audit_event_{month(ago)[:7].replace('-', '')}"


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    path = tmp_path_factory.mktemp("retire") / "audit.pem"
    create_key(path)
    return Sealer(read_private_key(path, "fivefold/audit"))


@pytest.fixture
async def aged(server: Embedded, template: str, sealer: Sealer) -> AsyncIterator[Database]:
    """Events and details of six months ago, four, and two, written by a clock that was wrong, and sealed."""
    with copy_of(server, template) as database:
        async with database.connect() as admin:
            for ago in (6, 4, 2):
                await admin.execute(f"SELECT core.create_audit_partition('{month(ago)}')")
                await admin.execute(
                    f"""
                    WITH made AS (
                        SELECT core.uuidv7_floor('{month(ago)}'::timestamptz + make_interval(hours => n)) AS id
                        FROM generate_series(1, 20) AS n
                    ),
                    told AS (
                        INSERT INTO core.audit_detail SELECT core.system_workspace_id(), id, sha256('salt'), '{{}}' FROM made
                    )
                    INSERT INTO core.audit_event (workspace_id, id, object_id, form, action, object, commitment)
                    SELECT core.system_workspace_id(), id, id, 1, 'DELETE', 'test.row',
                        sha256(sha256('salt') || convert_to('{{}}', 'UTF8'))
                    FROM made
                    """
                )
        await happen(database, 5)
        await seal(database, Sealer(sealer._key))
        yield database


async def examine(database: Database) -> list[tuple[str, str]]:
    report = await audit.verify(database.url(), Settings())
    return [pair for pair in kinds(report) if pair[0] != "EVENT_MISDATED"]


async def retire(database: Database, months: int) -> list[str]:
    return await audit.retire(database.url(), Settings(audit_months=months))


async def test_old_months_go_and_their_seals_stay(aged: Database, sealer: Sealer, tmp_path: Path) -> None:
    path, kept = tmp_path / "proof.json", tmp_path / "audit.key"
    path.write_bytes(orjson.dumps(await audit.prove(aged.url(), await an_event(aged, 6), None), default=str))
    kept.write_text(str(sealer._key.public), encoding="utf-8")
    assert await retire(aged, 5) == [month(6)]
    assert await retire(aged, 5) == []
    async with aged.connect() as admin:
        assert await admin.fetchval(f"SELECT to_regclass('{partition(6)}')") is None
        details = await admin.fetchval("SELECT count(*) FROM core.audit_detail WHERE salt = sha256('salt')")
        assert details == 40, "those of the month went, and no others"
    for _ in range(2):
        report = await audit.verify(aged.url(), Settings())
        assert {f.kind for f in report.findings} <= {"EVENT_MISDATED"}
        assert (report.retired, report.retired_months) == (20, 1)
        await seal(aged, Sealer(sealer._key))
    assert await retire(aged, 3) == [month(4)]
    await seal(aged, Sealer(sealer._key))
    assert await examine(aged) == []
    (found,) = audit.verify_offline(Settings(), [path], [], [kept])
    assert found["proven"], "a proof that was kept needs no row"


async def an_event(database: Database, ago: int) -> str:
    async with database.connect() as admin:
        return str(await admin.fetchval(f"SELECT id FROM {partition(ago)} LIMIT 1"))


async def test_a_retirement_outlives_the_month_of_its_own_event(aged: Database, sealer: Sealer) -> None:
    await retire(aged, 5)
    await seal(aged, Sealer(sealer._key))
    async with aged.connect() as admin:
        await admin.execute("SET fivefold.audit_ddl = 'allowed'")
        await admin.execute("ALTER TABLE core.audit_event DISABLE TRIGGER USER")
        gone = await admin.fetchval("DELETE FROM core.audit_event WHERE action = 'RETIRE' RETURNING id")
    found = await examine(aged)
    assert found == [("DETAIL_WITHOUT_EVENT", str(gone)), ("EVENT_DELETED", str(gone))], "the months are still retired"


async def test_what_is_not_sealed_or_was_altered_stays(aged: Database, sealer: Sealer) -> None:
    async with aged.connect() as admin:
        await admin.execute("SET fivefold.audit_ddl = 'allowed'")
        await admin.execute(f"ALTER TABLE {partition(6)} DISABLE TRIGGER USER")
        await admin.execute(f"UPDATE {partition(6)} SET actor_id = id WHERE id = '{await an_event(aged, 6)}'")
        await admin.execute(
            "INSERT INTO core.audit_event (workspace_id, id, object_id, form, action, object, commitment) SELECT workspace_id,"
            f" core.uuidv7_floor('{month(4)}'), object_id, form, action, object, commitment FROM {partition(4)} LIMIT 1"
        )
    assert await retire(aged, 3) == []
    await seal(aged, Sealer(sealer._key))
    assert await retire(aged, 3) == [month(4)]


async def test_nobody_retires_a_young_month_or_an_unsealed_one(aged: Database, server: Embedded, template: str) -> None:
    async with worker_db(aged) as db:
        for ago, events in ((2, 20), (0, 5), (6, 19), (6, 21)):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with db.transaction():
                    await audit_retirement.retire_audit_month(db, month=month(ago), events=events)
    with pytest.raises(ValueError, match="greater than or equal to 3"):
        Settings(audit_months=2)
    for login in ("fivefold_api", "fivefold_auditor", "fivefold_migrator"):
        async with aged.connect(login) as connection:
            for text in (
                f"SELECT core.retire_audit_month('{month(6)}', 20)",
                "SELECT core.forget_retired_detail(uuidv7(), uuidv7())",
                "INSERT INTO core.audit_retirement VALUES (uuidv7(), uuidv7(), uuidv7(), 0, now(), '')",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(text)


async def test_a_stolen_month_does_not_pass_for_a_retired_one(aged: Database, sealer: Sealer) -> None:
    """A superuser drops two months, and writes a row, or a row and an event, that say they were retired."""
    async with aged.connect() as admin:
        await admin.execute("SET fivefold.audit_ddl = 'allowed'")
        await admin.execute(f"DROP TABLE {partition(6)}")
        await admin.execute(f"DROP TABLE {partition(2)}")
        await admin.execute("SET fivefold.audit_ddl = ''")
        for ago in (6, 2):
            await admin.execute(
                "INSERT INTO core.audit_retirement SELECT core.uuidv7_floor($1::text::timestamptz),"
                " core.uuidv7_floor($1::text::timestamptz + interval '1 month'), uuidv7(), 20, now(), '\\x00'",
                month(ago),
            )
    found = await examine(aged)
    assert [kind for kind, _ in found].count("RETIREMENT_FORGED") == 2
    assert [kind for kind, _ in found].count("EVENT_DELETED") == 40


async def test_a_busy_table_is_tried_again(aged: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutation is open: the drop gives way each time, and what it left is done by the next run."""
    monkeypatch.setattr(audit_retirement, "ATTEMPTS", 2)
    async with aged.connect() as admin:
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute("UPDATE core.account SET locale = 'fr'")
        await admin.execute("SELECT count(*) FROM core.audit_event")
        with pytest.raises(Exception, match="too long"):
            await retire(aged, 5)
        await transaction.rollback()
    assert await retire(aged, 5) == [month(6)]
