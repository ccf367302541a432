"""Many people at once: a million in minutes, where ``fivefold seed perf`` takes half an hour.

Two hundred are made by ``seed perf`` itself, with triggers and audit. A hundred of them, one busy, are then copied, with ids
and names of their own, while triggers are off and indexes are not kept. Indexes are made afresh afterwards, so uniqueness is
proven; foreign keys hold because they held between the rows that were copied. Every table is as full as ``seed perf`` leaves
it, audit included; but salt, detail and commitment of a copied audit event are those of its original.
For databases that nobody else uses, by a superuser.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import uvloop

from app import seed
from app.kit import log

BLOCK = 100
AT_ONCE = 2
COPIES = 200
"""In one statement."""
SYSTEM = "00000000-0000-7000-8000-000000000000"
TABLES = {
    "core.account": "t.id IN (SELECT id FROM crowd.block)",
    "core.identity": "t.account_id IN (SELECT id FROM crowd.block)",
    "core.workspace": "t.personal_account_id IN (SELECT id FROM crowd.block)",
    "core.member": "t.account_id IN (SELECT id FROM crowd.block)",
    "privacy.platform_link": "t.account_id IN (SELECT id FROM crowd.block)",
    "privacy.snapshot": "t.workspace_id IN (SELECT workspace_id FROM crowd.block)",
    "privacy.change": "t.workspace_id IN (SELECT workspace_id FROM crowd.block)",
    "core.audit_event": (
        f"t.workspace_id IN (SELECT workspace_id FROM crowd.block) OR t.workspace_id = '{SYSTEM}' AND t.object_id IN ("
        "SELECT id FROM crowd.block UNION SELECT i.id FROM core.identity AS i JOIN crowd.block AS b ON b.id = i.account_id)"
    ),
    "core.audit_detail": "(t.workspace_id, t.event_id) IN (SELECT e.workspace_id, e.id FROM crowd.audit_event AS e)",
}
"""What a person has rows in, and which of them are those of the block."""
OWN = ["id", "workspace_id", "account_id", "personal_account_id", "link_id", "latest_snapshot_id", "snapshot_id"]
OWN += ["event_id", "object_id"]
"""Columns whose ids are those of a person's own rows."""
WRITTEN = {
    ("core.account", "email"): "'perf-' || (substr(split_part(t.email, '@', 1), 6)::bigint + c.n * 100) || '@example.invalid'",
    ("core.account", "display_name"): "'Perf ' || (substr(t.display_name, 6)::bigint + c.n * 100)",
    ("core.workspace", "name"): "'Perf ' || (substr(t.name, 6)::bigint + c.n * 100)",
    ("core.identity", "subject"): "crowd.copy_of(t.subject::uuid, c.n)::text",
    ("core.audit_event", "xid"): "pg_current_xact_id()",
}
PREPARE = f"""
CREATE SCHEMA crowd;
CREATE UNLOGGED TABLE crowd.block AS
SELECT a.id, w.id AS workspace_id FROM core.account AS a JOIN core.workspace AS w ON w.personal_account_id = a.id
WHERE a.email IN (SELECT 'perf-' || n || '@example.invalid' FROM generate_series({BLOCK + 1}, {2 * BLOCK}) AS n);
ANALYZE crowd.block;
CREATE FUNCTION crowd.copy_of(id uuid, n integer) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN
CASE
    WHEN id = '00000000-0000-7000-8000-000000000000' THEN id
    ELSE overlay(id::text PLACING to_hex(256 + n / 4096 % 256) || '-' || lpad(to_hex(n % 4096), 3, '0') FROM 21 FOR 7)::uuid
END
"""
STRANGERS = """
SELECT c.table_schema || '.' || c.table_name FROM information_schema.columns AS c
JOIN pg_class AS r ON r.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
WHERE c.column_name = 'workspace_id' AND c.table_schema IN ('core', 'privacy', 'scans')
    AND r.relkind IN ('r', 'p') AND NOT r.relispartition
"""
COLUMNS = """
SELECT a.attname FROM pg_attribute AS a
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""
LEAVES = """
SELECT coalesce(t.relid, n.name::regclass)::regclass::text
FROM unnest($1::text[]) AS n (name) LEFT JOIN LATERAL pg_partition_tree(n.name::regclass) AS t ON true
WHERE coalesce(t.isleaf, true)
"""
NOT_KEPT = "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = ANY ($1::text[]::regclass[])"
TRIGGERS = """
SELECT g.tgrelid::regclass::text AS "table", quote_ident(g.tgname) AS name, g.tgenabled FROM pg_trigger AS g
WHERE g.tgrelid = ANY ($1::text[]::regclass[]) AND NOT g.tgisinternal
"""


@dataclass(frozen=True)
class Copied:
    """How many there are now, and how long it took: the rows, and then indexes and statistics."""

    people: int
    rows_seconds: float
    rest_seconds: float


async def fill(url: str, count: int, tell: Callable[[str], None] = lambda line: None) -> Copied:
    """At least ``count`` people of ``seed perf`` in a database that has none of them yet. Says what it does."""
    begun = time.perf_counter()
    admin = await asyncpg.connect(url)
    try:
        if await admin.fetchval("SELECT to_regnamespace('crowd') IS NOT NULL"):
            raise SystemExit("An earlier copying was broken off here, so indexes and triggers are missing: drop this database.")
        await seed.load_perf(url, min(count, 2 * BLOCK), seed.Progress(lambda total: None, lambda: None))
        copies = -(-max(0, count - 2 * BLOCK) // BLOCK)
        if copies:
            await _copy(url, admin, copies, tell)
        copied = time.perf_counter()
        tell(f"rows written after {copied - begun:.0f} s")
        leaves = [row[0] for row in await admin.fetch(LEAVES, list(TABLES))]
        await share(url, [[(f"VACUUM (ANALYZE) {table}", ())] for table in leaves])
        await admin.execute("ANALYZE core.audit_event")
        people = await admin.fetchval("SELECT count(*) FROM core.account WHERE email LIKE 'perf-%'")
    finally:
        await admin.close()
    return Copied(people, copied - begun, time.perf_counter() - copied)


async def _copy(url: str, admin: asyncpg.Connection, copies: int, tell: Callable[[str], None]) -> None:
    await admin.execute(PREPARE)
    for (table,) in await admin.fetch(STRANGERS):
        found = await admin.fetchval(f"SELECT count(*) FROM {table} AS t JOIN crowd.block AS b USING (workspace_id)")
        if found and table not in TABLES:
            raise SystemExit(f"{table} has rows of people too, and is not among those that are copied")
    statements = []
    for table, where in TABLES.items():
        name, columns = f"crowd.{table.partition('.')[2]}", [row[0] for row in await admin.fetch(COLUMNS, table)]
        order = "workspace_id, id" if {"workspace_id", "id"} <= set(columns) else columns[0]
        await admin.execute(f"CREATE UNLOGGED TABLE {name} AS SELECT t.* FROM {table} AS t WHERE {where} ORDER BY {order}")
        copied = {column: f"crowd.copy_of(t.{column}, c.n)" for column in OWN}
        written = [WRITTEN.get((table, column)) or copied.get(column, f"t.{column}") for column in columns]
        # The rows of a person stay together: the copies are the outer loop.
        statements.append(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT r.* FROM generate_series($1::int, $2::int) AS c (n)"
            f" CROSS JOIN LATERAL (SELECT {', '.join(written)} FROM {name} AS t OFFSET 0) AS r"
        )
    async with bulk(url, admin, tell):
        ranges = [(low, min(low + COPIES - 1, copies)) for low in range(1, copies + 1, COPIES)]

        await share(url, [[(statement, bounds) for statement in statements] for bounds in ranges])
    await admin.execute("DROP SCHEMA crowd CASCADE")


@asynccontextmanager
async def bulk(url: str, admin: asyncpg.Connection, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Without triggers and without keeping indexes; afterwards both are as they were."""
    leaves = [row[0] for row in await admin.fetch(LEAVES, list(TABLES))]
    triggers = await admin.fetch(TRIGGERS, leaves)
    await admin.execute("SET fivefold.audit_ddl = 'allowed'")
    for table in leaves:
        await admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    await admin.execute(NOT_KEPT, leaves)
    begun = time.perf_counter()
    yield
    tell(f"{time.perf_counter() - begun:.0f} s of writing; now indexes")
    await share(url, [[(f"REINDEX TABLE {table}", ())] for table in leaves])
    for table in leaves:
        await admin.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
    for table, name, enabled in triggers:
        how = {"A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}.get(enabled.decode())
        if how:
            await admin.execute(f"ALTER TABLE {table} {how} TRIGGER {name}")


async def share(url: str, work: Sequence[Sequence[tuple[str, Sequence[int]]]]) -> None:
    """Do pieces of work, statements with arguments, over some connections, whichever is free."""
    left = iter(work)

    async def one() -> None:
        options = {"synchronous_commit": "off", "maintenance_work_mem": "512MB", "jit": "off"}
        connection = await asyncpg.connect(url, server_settings=options)
        try:
            for piece in left:
                for statement, arguments in piece:
                    await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.crowd", description=__doc__)
    parser.add_argument("url", help="an administrator's, of a migrated database")
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    log.configure("json")
    print(uvloop.run(fill(given.url, given.count, print)))
