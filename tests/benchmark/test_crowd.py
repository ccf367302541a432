"""People who were copied are people like others, and the database is as it was but for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.benchmark import crowd
from tests.conftest import Api

DASHBOARD = """{ privacyDashboard { overallScore coverage
  links(first: 20) { edges { node { label status platform { slug } latestSnapshot { riskScore capturedAt } } } } } }"""
INDEXES = "SELECT i.indexrelid::regclass::text, i.indisvalid, i.indisready FROM pg_index AS i ORDER BY 1"
TRIGGERS = "SELECT t.tgrelid::regclass::text, t.tgname, t.tgenabled FROM pg_trigger AS t WHERE NOT t.tgisinternal ORDER BY 1, 2"
INTERNAL_OFF = "SELECT count(*) FROM pg_trigger AS t WHERE t.tgisinternal AND t.tgenabled <> 'O'"
KEYS = """
SELECT c.conname, format(
    'SELECT count(*) FROM %s AS a WHERE %s AND NOT EXISTS (SELECT FROM %s AS b WHERE %s)', c.conrelid::regclass,
    string_agg(format('a.%I IS NOT NULL', x.attname), ' AND '), c.confrelid::regclass,
    string_agg(format('a.%I = b.%I', x.attname, y.attname), ' AND ')) AS orphans
FROM pg_constraint AS c
CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there)
JOIN pg_attribute AS x ON (x.attrelid, x.attnum) = (c.conrelid, k.here)
JOIN pg_attribute AS y ON (y.attrelid, y.attnum) = (c.confrelid, k.there)
WHERE c.contype = 'f' AND c.conrelid = ANY ($1::text[]::regclass[])
GROUP BY c.oid
"""
SUBJECT = (
    "SELECT i.subject FROM core.account AS a JOIN core.identity AS i ON i.account_id = a.id"
    " WHERE a.email = 'perf-' || $1::int || '@example.invalid'"
)
UNPROVEN = """
SELECT count(*) FROM core.audit_event AS e
LEFT JOIN core.audit_detail AS d ON (d.workspace_id, d.event_id) = (e.workspace_id, e.id)
WHERE e.commitment IS DISTINCT FROM sha256(d.salt || convert_to(d.detail::text, 'UTF8'))
"""


async def rows(admin: asyncpg.Connection) -> dict[str, int]:
    return {table: await admin.fetchval(f"SELECT count(*) FROM {table}") for table in crowd.TABLES}


async def test_copied_people_are_people_like_others(api: Api) -> None:
    url = api.database.url()
    async with api.database.connect() as admin:
        indexes, triggers, before = await admin.fetch(INDEXES), await admin.fetch(TRIGGERS), await rows(admin)
        filled = await crowd.fill(url, 450)
        assert filled.people == 500
        after = await rows(admin)
        assert await admin.fetch(INDEXES) == indexes
        assert await admin.fetch(TRIGGERS) == triggers
        assert await admin.fetchval(INTERNAL_OFF) == 0
        for table in crowd.TABLES:
            if "audit" not in table:
                assert (after[table] - before[table]) % 5 == 0, table
        told = await admin.fetchval("SELECT count(*) FROM core.audit_event AS e WHERE e.object = 'privacy.snapshot'")
        assert told == after["privacy.snapshot"]
        for name, orphans in await admin.fetch(KEYS, list(crowd.TABLES)):
            assert await admin.fetchval(orphans) == 0, name
        assert await admin.fetchval(UNPROVEN) == 0
        seen: dict[int, Any] = {}
        for number in (101, 200, 401, 500):
            token = api.keys.sign(await admin.fetchval(SUBJECT, number), lifetime=timedelta(hours=1))
            seen[number] = (await api(DASHBOARD, token=token)).data
    assert seen[401] == seen[101]
    assert seen[500] == seen[200]
    assert len(seen[500]["privacyDashboard"]["links"]["edges"]) == 20


async def test_what_was_broken_off_is_not_gone_on_with(api: Api) -> None:
    async with api.database.connect() as admin:
        await admin.execute("CREATE SCHEMA crowd")
    with pytest.raises(SystemExit, match="broken off"):
        await crowd.fill(api.database.url(), 300)
