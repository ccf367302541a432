"""Audit functions that are written for one table: they tell of a row exactly what the function for all tables tells."""

from __future__ import annotations

import asyncpg
import pytest

from tests.conftest import Api

TABLE = """
CREATE TABLE core.sample (
    workspace_id uuid, id uuid NOT NULL, "Part" integer NOT NULL, note text, amount bigint, few smallint, ratio numeric,
    span interval, flag boolean, at timestamptz, day date, address inet, body jsonb, words text[], packed bytea,
    word text, untold text
);
"""
TOLD = 'id,"Part",note,amount,few,ratio,span,flag,at,day,address,body,words,sha256:packed,sha256:word'.replace('"', "")
TRIGGERS, OTHERS, WRITTEN = (
    "".join(
        f"""
    CREATE OR REPLACE TRIGGER {name}_{action} AFTER {action} ON core.sample REFERENCING {rows}
    FOR EACH STATEMENT EXECUTE FUNCTION core.{function}('{{tenant}}', 'id,Part', '{TOLD}');
    """
        for action, rows in (
            ("insert", "NEW TABLE AS new_rows"),
            ("update", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
            ("delete", "OLD TABLE AS old_rows"),
        )
    )
    for name, function in (("audit", "record_audit"), ("other", "record_audit"), ("audit", "audit_core_sample"))
)
ONE = "'00000000-0000-7000-8000-00000000000"
STATEMENTS = [
    f"""
    INSERT INTO core.sample VALUES
    ({ONE}1', {ONE}2', 1, 'it''s', 5, 6, 1.0, '1 day', true, '2026-01-01 12:00+01', '2026-01-01', '::1', '{{"a": [null]}}',
     '{{b,NULL}}', '\\x00ff', 'word', 'untold'),
    ({ONE}1', {ONE}2', 2, '"\\u0000 {{', -5, NULL, 'NaN', '-3 days 04:05', false, 'infinity', NULL, '10.0.0.0/8', 'null',
     '{{}}', '', '', NULL),
    (NULL, {ONE}3', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    """,
    "INSERT INTO core.sample SELECT * FROM core.sample WHERE false",
    "UPDATE core.sample SET untold = 'other'",
    "UPDATE core.sample SET ratio = 1.00, span = '24 hours', body = NULL",
    "UPDATE core.sample SET note = note || '!', amount = amount + 1, flag = NOT flag, packed = packed || '\\x01', word = 'w'",
    "UPDATE core.sample SET note = NULL, few = 1, at = now(), day = '2026-02-02', body = '[]' WHERE amount > 0",
    "UPDATE core.sample SET words = '[0:0]={b}'",
    "UPDATE core.sample SET note = 'again', address = '::2', words = '{b}'",
    f'UPDATE core.sample SET "Part" = "Part" + 1, amount = 9 WHERE id = {ONE}2\'',
    f"UPDATE core.sample SET id = {ONE}4', flag = true WHERE workspace_id IS NULL",
    f"UPDATE core.sample SET workspace_id = {ONE}5'",
    'DELETE FROM core.sample WHERE "Part" = 3',
    "DELETE FROM core.sample",
    "DELETE FROM core.sample",
]


@pytest.mark.parametrize("tenant", ["workspace_id", ""])
async def test_both_forms_tell_the_same(shared: Api, tenant: str) -> None:
    """Two triggers for each action, one of them written out: events come in pairs, and each is proven."""
    async with shared.database.connect() as admin:
        whole = admin.transaction()
        await whole.start()
        await admin.execute((TABLE + TRIGGERS + OTHERS).replace("{tenant}", tenant))
        await admin.execute("SELECT core.write_audit('core.sample')")
        await admin.execute(WRITTEN.replace("{tenant}", tenant))
        told: list[asyncpg.Record] = []
        for number, statement in enumerate(STATEMENTS):
            await admin.execute(statement)
            rows = await admin.fetch(
                "SELECT e.workspace_id, e.action, e.object_id, d.detail, e.actor_id, e.api_key_id, e.request_id, e.form,"
                " e.commitment = sha256(d.salt || convert_to(d.detail::text, 'UTF8')) AS proven"
                " FROM core.audit_event AS e JOIN core.audit_detail AS d"
                " ON d.workspace_id = e.workspace_id AND d.event_id = e.id"
                " WHERE e.object = 'core.sample' ORDER BY e.id OFFSET $1",
                len(told),
            )
            told += rows
            assert all(row["proven"] for row in rows)
            half = len(rows) // 2
            assert sorted(map(repr, rows[:half])) == sorted(map(repr, rows[half:])), STATEMENTS[number]
        salts = await admin.fetchval(
            "SELECT count(DISTINCT d.salt) FROM core.audit_detail AS d JOIN core.audit_event AS e ON d.event_id = e.id"
            " AND d.workspace_id = e.workspace_id WHERE e.object = 'core.sample'"
        )
        await whole.rollback()
    assert len(told) == salts > 40


async def test_nobody_who_logs_in_writes_one(shared: Api) -> None:
    async with shared.database.connect() as admin:
        for who in ("fivefold_api", "fivefold_worker", "fivefold_auditor", "fivefold_migrator"):
            for name in ("core.write_audit(regclass)", "core.audit_scans_scan()"):
                assert not await admin.fetchval("SELECT has_function_privilege($1, $2, 'EXECUTE')", who, name)
