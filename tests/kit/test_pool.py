"""Who waits for a connection."""

from __future__ import annotations

import asyncio

from app.kit.embedded import Embedded
from app.kit.pool import Pool, open_pool


async def test_who_waits_is_served_before_who_comes(server: Embedded) -> None:
    """Also where somebody asks in the moment in which a connection comes free, and where some of those who wait have gone."""
    pool: Pool = await open_pool(server.url("postgres"), size=1, name="test", statement_seconds=10)
    served: list[int] = []
    asked: list[asyncio.Task[None]] = []

    async def ask(number: int) -> None:
        connection = await pool.take()
        served.append(number)
        if number < 10:
            asked.append(asyncio.create_task(ask(number + 10)))
        await pool.release(connection)
        if number < 10:
            asked.append(asyncio.create_task(ask(number + 20)))

    held = await pool.take()
    asked += [asyncio.create_task(ask(number)) for number in range(6)]
    await asyncio.sleep(0)
    asked[1].cancel()
    await pool.release(held)  # to 0, who is gone now as well
    asked[0].cancel()
    while not all(task.done() for task in asked):
        await asyncio.gather(*asked, return_exceptions=True)
    assert served[:4] == [2, 3, 4, 5]
    assert sorted(served[4:]) == [12, 13, 14, 15, 22, 23, 24, 25]
    assert pool.get_idle_size() == pool.get_size() == 1
    await pool.close()
