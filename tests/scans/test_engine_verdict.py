"""Verdicts of engines: their rows are what the engines said."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from app.kit.graphql import parse_uuid
from app.scans.engine.found import Found, Unchecked
from app.scans.judgement import WEIGHTS, Engine, Verdict, _verdict
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.kit import spend
from tests.factory.scans import RESULT, VERDICT, completed, judged


def test_an_engine_that_cannot_look_says_so() -> None:
    blind = _verdict(Engine.FEED, "feed-1", Found(unchecked=[Unchecked.FEED_MISSING], blind=True), 0)
    assert (blind.verdict, blind.score, blind.confidence, blind.unchecked) == (Verdict.UNKNOWN, None, 0, Unchecked.FEED_MISSING)


def test_what_it_found_counts_even_where_it_did_not_see_all() -> None:
    partly = _verdict(Engine.PAGE, "page-1", Found({"BRAND_CLAIMED"}, [Unchecked.TRUNCATED]), 0.0016)
    assert (partly.verdict, partly.score, partly.unchecked) == (Verdict.MALICIOUS, 74, Unchecked.TRUNCATED)
    assert partly.weight == WEIGHTS[Engine.PAGE]
    assert partly.milliseconds == 2
    (indicator,) = partly.indicators
    assert (indicator.engine, indicator.kind, indicator.weight) == ("PAGE", "BRAND_CLAIMED", 74)


async def payer(api: Api) -> Person:
    """Somebody whose scans are paid for."""
    await spend(api, "ada", "plain")
    return await api.person("ada")


async def test_a_verdict_is_of_a_result_and_keeps_it(shared: Api) -> None:
    """As a foreign key would have it, whoever writes and whatever the session says."""
    ada = await payer(shared)
    whole = parse_uuid(await judged(shared, ada), "Scan", field="id")
    bare = parse_uuid(await completed(shared, ada), "Scan", field="id")
    async with shared.database.connect() as admin:
        for role in ("origin", "replica"):
            await admin.execute(f"SET session_replication_role = {role}")
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await admin.execute(VERDICT, bare)
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await admin.execute("DELETE FROM scans.scan_result WHERE scan_id = $1", whole)
            for table in ("scan_result", "engine_verdict"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await admin.execute(f"UPDATE scans.{table} SET scan_id = $2 WHERE scan_id = $1", whole, bare)
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # of another workspace
            await admin.execute(VERDICT.replace("SELECT workspace_id,", "SELECT uuidv7(),"), whole)


async def test_a_result_does_not_go_while_a_verdict_is_written(shared: Api) -> None:
    """Who deletes it waits for who writes, and is refused then."""
    ada = await payer(shared)
    scan_id = parse_uuid(await completed(shared, ada), "Scan", field="id")
    async with shared.database.connect() as one, shared.database.connect() as other:
        await one.execute(RESULT, scan_id)
        async with one.transaction():
            await one.execute(VERDICT, scan_id)
            gone = asyncio.create_task(other.execute("DELETE FROM scans.scan_result WHERE scan_id = $1", scan_id))
            asked = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
            pid = other.get_server_pid()
            while not await one.fetchval(asked, pid):
                assert not gone.done()
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await gone
