"""Upkeep: what must be done from time to time, whoever calls: partitions ahead of the clock, keys past their week."""

from __future__ import annotations

from app.kit.db import Db
from app.kit.sql import File

MONTHS_AHEAD = 12

sql = File("core/across")
create_audit_partitions = sql.exec("create_audit_partition")
delete_old_keys = sql.exec("delete_idempotency")


async def run(db: Db) -> None:
    """All of it, each in its own transaction; running it twice does no harm."""
    async with db.transaction():
        await create_audit_partitions(db, months_ahead=MONTHS_AHEAD)
    async with db.transaction():
        await delete_old_keys(db)
