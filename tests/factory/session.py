"""People who have signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from app.core.session import Tokens, open_session
from app.kit.context import NOBODY, Client
from app.kit.db import Db
from app.kit.pool import open_pool
from app.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import Api
    from tests.factory.core import Person


async def sign_in(api: Api, person: Person, *, agent: str = "test", network: str = "192.0.2.1", **settings: float) -> Tokens:
    """A session, as a sign-in that has seen a proof would open it."""
    pool = await open_pool(api.database.url("fivefold_api"), size=1, name="sign-in", statement_seconds=10)
    db = Db(pool, NOBODY, uuid4())
    given = Settings(**settings)  # type: ignore[arg-type]
    try:
        async with db.transaction():
            return await open_session(
                db, person.account_id, keys=api.keys, settings=given, client=Client(network, agent), method="PASSWORD"
            )
    finally:
        await db.close()
        await pool.close()
