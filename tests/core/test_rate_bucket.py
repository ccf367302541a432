"""Rate buckets: exact in the database, leased to processes, refused with the seconds to wait."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.core.rate_bucket import RateLimiter, bucket_id, take_rate_tokens
from app.core.upkeep import delete_old_buckets
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.pool import open_pool
from app.server import create_app
from app.settings import Settings
from tests.conftest import Api, Database
from tests.factory.jobs import worker_db


async def test_many_at_once_get_no_more_than_there_is(database: Database) -> None:
    workspace = uuid4()
    pool = await open_pool(database.url("fivefold_api"), size=10, name="test", statement_seconds=10)

    async def take() -> bool:
        db = Db(pool, None, uuid4())
        try:
            # So slow a refill that nothing comes back while the test runs.
            arguments = {"workspace_id": workspace, "wanted": 10.0, "burst": 200.0, "per_second": 1e-6}
            (row,) = await db.look_up(take_rate_tokens.statement, arguments)
            return bool(row["granted"])
        finally:
            await db.close()

    try:
        granted = await asyncio.gather(*(take() for _ in range(60)))
    finally:
        await pool.close()
    assert granted.count(True) == 20


async def test_a_process_leases_blocks_and_says_how_long_to_wait(database: Database) -> None:
    pool = await open_pool(database.url("fivefold_api"), size=2, name="test", statement_seconds=10)
    limiter = RateLimiter(per_second=10.0, burst=1000.0)
    workspace = uuid4()
    db = Db(pool, None, uuid4())
    try:
        for _ in range(20):
            await limiter.charge(db, workspace, 1)
        assert db.statements == ["core/rate_bucket.take_rate_tokens"], "one block of a fiftieth of the burst"
        await limiter.charge(db, workspace, 900)
        with pytest.raises(AppError) as caught:
            await limiter.charge(db, workspace, 500)
        assert caught.value.code is ErrorCode.RATE_LIMITED
        assert 35 <= (caught.value.extensions or {})["retryAfter"] <= 50
        await limiter.charge(db, uuid4(), 500)  # another workspace has a bucket of its own
        await RateLimiter(per_second=0, burst=1000.0).charge(db, workspace, 10**9)  # switched off
    finally:
        await db.close()
        await pool.close()


async def test_the_bucket_fills_again(database: Database) -> None:
    workspace = uuid4()
    pool = await open_pool(database.url("fivefold_api"), size=2, name="test", statement_seconds=10)
    db = Db(pool, None, uuid4())
    arguments = {"workspace_id": workspace, "wanted": 100.0, "burst": 100.0, "per_second": 1.0}
    try:
        assert (await db.look_up(take_rate_tokens.statement, arguments))[0]["granted"]
        assert not (await db.look_up(take_rate_tokens.statement, arguments))[0]["granted"]
        async with database.connect() as admin:
            await admin.execute("UPDATE core.rate_bucket SET refilled_at = refilled_at - interval '101 seconds'")
        assert (await db.look_up(take_rate_tokens.statement, arguments))[0]["granted"]
    finally:
        await db.close()
        await pool.close()


async def test_429_over_http(database: Database, api: Api, jwt_key: Path) -> None:
    ada = await api.person()
    settings = Settings(database_url=database.url("fivefold_api"), jwt_keys=[jwt_key], rate_per_second=0.01, rate_burst=50_000)
    app = create_app(settings)
    query = "{ platformLinks(first: 100) { edges { node { snapshots(first: 100) { edges { node { link { id } } } } } } } }"
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http,
    ):
        statuses = []
        for _ in range(4):
            answer = await http.post("/graphql", json={"query": query}, headers={"Authorization": f"Bearer {ada.token}"})
            statuses.append(answer.status_code)
        assert statuses == [200, 200, 429, 429]
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert int(answer.headers["Retry-After"]) == error["extensions"]["rateLimit"]["retryAfter"] > 0


async def test_buckets_of_strangers_are_forgotten_once_they_are_full(api: Api) -> None:
    """There is one for whatever somebody tries, so they would be many."""
    person = await api.person("ada")
    await api("{ viewer { role } }", token=person.token)
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.rate_bucket (workspace_id, refilled_at, tokens) VALUES ($1, now() - interval '25 h', 0),"
            " ($2, now() - interval '23 h', 0)",
            bucket_id("sign in", "192.0.2.1"),
            bucket_id("sign in", "192.0.2.2"),
        )
    async with worker_db(api.database) as db, db.transaction():
        await delete_old_buckets(db)
    async with api.database.connect() as admin:
        left = {row["workspace_id"] for row in await admin.fetch("SELECT workspace_id FROM core.rate_bucket")}
    assert left == {person.workspace_id, bucket_id("sign in", "192.0.2.2")}


def test_a_bucket_is_named_by_all_of_its_words() -> None:
    names = [("a", "b"), ("ab",), ("a", "", "b"), ("b", "a"), ("a",), ("",), ("a\0b", "c"), ("a", "b\0c")]
    assert len({bucket_id(*each) for each in names}) == len(names)
