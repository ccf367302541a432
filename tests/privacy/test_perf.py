"""Perf: made-up people are people like others, and with many of them no statement of a request reads a whole table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from app import seed
from app.core.account import get_account_by_email
from app.core.workspace import get_personal_workspace
from app.kit.db import open_as
from app.kit.sql import Statement
from app.privacy import perf
from tests.conftest import Api, Database
from tests.factory.privacy import history, link_state, record, scan, template_of
from tests.house.code import statements
from tests.house.test_statements import role_of

SMALL = 200
"""A table with fewer rows is one that everybody shares, such as plans: reading it whole is right."""

NOT_HOT = {
    "core/data_export.list_export_column": "reads all that the inventory says, and does so in a job",
    "core/data_inventory.list_data_inventory": "answers what the inventory holds: a row for each column of each table",
    "core/audit_event.page_audit_event": "reads partitions by their bounds: those without events are read whole",
}
"""Statements that may read a table whole, with the reason."""


ASKED = "{ platformLinks(first: 100) { edges { node { id platform { slug } } } } privacyDashboard { overallScore } }"


TOLD = """
INSERT INTO core.notification (workspace_id, account_id, object_id, kind)
SELECT l.workspace_id, l.account_id, l.latest_snapshot_id, 1 FROM privacy.platform_link AS l
"""
WANTED = """
INSERT INTO core.notification_preference (workspace_id, account_id) SELECT m.workspace_id, m.account_id FROM core.member AS m
"""
ROWS = "SELECT oid::regclass::text, reltuples FROM pg_class WHERE relkind = 'r'"


async def seeded(database: Database, count: int) -> list[str]:
    return await seed.load_perf(database.url(), count, seed.Progress(lambda total: None, lambda: None))


async def test_they_are_people_like_others(api: Api) -> None:
    lines = await seeded(api.database, 3)
    assert lines[-1] == "3 people, perf-1@example.invalid to perf-3@example.invalid; every 100th is busy"
    assert (await seeded(api.database, 98))[-1].startswith("98 people, perf-4@example.invalid to perf-101@example.invalid")
    async with open_as(api.database.url(), "fivefold_owner") as (_, db):
        for email, links in (("perf-1@example.invalid", perf.LINKS), ("perf-100@example.invalid", perf.BUSY_LINKS)):
            account = await get_account_by_email(db, email=email)
            assert account is not None
            workspace = await get_personal_workspace(db, personal_account_id=account.id)
            assert workspace is not None
            token = api.keys.sign(str(account.id), lifetime=timedelta(hours=1))
            data = (await api(ASKED, token=token)).data
            assert len(data["platformLinks"]["edges"]) == links
            assert 0 < data["privacyDashboard"]["overallScore"] < 100
            link = data["platformLinks"]["edges"][0]["node"]
            snapshots = await history(api, token, link["id"])
            assert len(snapshots) == (perf.BUSY_SCANS if links == perf.BUSY_LINKS else perf.SCANS)
            assert (await link_state(api, token, link["id"]))["latestSnapshot"]["id"] == snapshots[-1]["id"]
            # They go on as anyone does.
            template = await template_of(api, token, link["platform"]["slug"])
            assert (await record(api, token, scan(link["id"], template, day=300))).codes in ([], ["CAPTURED_IN_FUTURE"])
    async with api.database.connect() as admin:
        people, events = [
            await admin.fetchval(text)
            for text in (
                "SELECT count(*) FROM core.account WHERE email LIKE 'perf-%'",
                "SELECT count(*) FROM core.audit_event WHERE object = 'core.account'",
            )
        ]
    assert (people, events) == (101, 101)


def whole_tables(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from end to end."""
    found = {f"{plan['Schema']}.{plan['Relation Name']}"} if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(whole_tables(child) for child in plan.get("Plans", ())))


def plan_of(connection: psycopg.Connection[Any], statement: Statement, text: str) -> set[str]:
    row = connection.execute(f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    return whole_tables(row[0][0]["Plan"])


@pytest.mark.slow
async def test_no_statement_of_a_request_reads_a_whole_table(database: Database) -> None:
    """Every statement and every variant of it that the API sends, as its plan is made without looking at the values."""
    await seeded(database, 3000)
    problems, planned = set(), 0
    options = "-c role=fivefold_api -c plan_cache_mode=force_generic_plan"
    with psycopg.connect(database.url(), autocommit=True) as admin:
        admin.execute(TOLD)
        admin.execute(WANTED)
        admin.execute("ANALYZE")
        rows: dict[str, float] = dict(admin.execute(ROWS).fetchall())
    with psycopg.connect(database.url(), options=options, autocommit=True) as connection:
        for statement in statements().values():
            if role_of(statement) == "fivefold_api" and statement.id not in NOT_HOT:
                for text, _ in statement.variants():
                    planned += 1
                    read = {table for table in plan_of(connection, statement, text) if rows.get(table, 0) > SMALL}
                    problems |= {f"{statement.id} reads all of {table}" for table in read}
    assert planned > 80
    assert sorted(problems) == []
