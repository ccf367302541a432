"""A process that pays, for tests that kill it: ``python -m tests.factory.payer ACCOUNT WORKSPACE HOW_OFTEN``.

Each payment is two transactions with work in between, under a key of its own: who begins anew repeats what was done.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID, uuid4

from app.core.wallet import reserve, settle
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.pool import open_pool
from app.settings import Settings


async def pay(account_id: UUID, workspace_id: UUID, times: int) -> None:
    """One credit each time."""
    pool = await open_pool(Settings().require_database_url(), size=2, name="payer", statement_seconds=10)
    db = Db(pool, Actor(account_id, workspace_id, "owner"), uuid4())
    for number in range(times):
        async with db.transaction():
            held = await reserve(db, 1, key=f"payment {number}", purpose="core.test")
        async with db.transaction():
            await settle(db, held)


if __name__ == "__main__":
    asyncio.run(pay(UUID(sys.argv[1]), UUID(sys.argv[2]), int(sys.argv[3])))
