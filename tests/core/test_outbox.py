"""Outbox: told in the transaction that made it happen, for a week."""

from __future__ import annotations

from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest

from app.core.outbox import publish
from app.core.upkeep import run as upkeep
from app.kit.db import Db, open_as
from tests.conftest import Api
from tests.factory.jobs import worker_db


async def test_what_is_rolled_back_is_not_told(api: Api) -> None:
    ada = await api.person("ada")
    async with open_as(api.database.url(), "fivefold_api") as (pool, _):
        db = Db(pool, ada.actor, uuid4())
        with suppress(RuntimeError):
            async with db.transaction():
                await publish(db, "privacy.test", uuid4())
                raise RuntimeError("no")
        async with db.transaction():
            await publish(db, "privacy.test", ada.account_id, {"reason": "TEST"})
        await db.close()
    async with api.database.connect() as connection:
        rows = await connection.fetch("SELECT workspace_id, object_id, kind, detail::text FROM core.outbox")
    assert [tuple(row) for row in rows] == [(ada.workspace_id, ada.account_id, "privacy.test", '{"reason": "TEST"}')]


async def test_nobody_tells_in_another_name(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    async with api.database.connect("fivefold_api") as connection, connection.transaction():
        await connection.execute("SELECT set_config('fivefold.workspace_id', $1, true)", str(ada.workspace_id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO core.outbox (workspace_id, object_id, kind, detail) VALUES ($1, $1, 'privacy.test', '{}')",
                ben.workspace_id,
            )


async def test_it_is_kept_for_a_week(api: Api) -> None:
    ada = await api.person("ada")
    async with api.database.connect() as connection:
        await connection.execute(
            "INSERT INTO core.outbox (workspace_id, object_id, kind, detail, created_at)"
            " SELECT $1, uuidv7(), 'privacy.test', '{}', now() - make_interval(hours => hours)"
            " FROM unnest(ARRAY[1, 167, 169, 1000]) AS hours",
            ada.workspace_id,
        )
        async with worker_db(api.database) as db:
            await upkeep(db)
        assert await connection.fetchval("SELECT count(*) FROM core.outbox") == 2
