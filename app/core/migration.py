"""Migrations: what was applied to the database, for those who look after it."""

from __future__ import annotations

from datetime import datetime

import strawberry

from app.kit.context import Info
from app.kit.graphql import BigInt, query
from app.kit.page import Page, page
from app.kit.sql import File


@strawberry.type(description="A step by which the database came to be what it is.")
class Migration:
    """Named by its file, not by a global id."""

    name: str = strawberry.field(description="Its file's name, which begins with its day.")
    app_release: str = strawberry.field(name="release", description="The release that applied it.")
    applied_at: datetime
    milliseconds: BigInt = strawberry.field(description="How long it took.")


sql = File("core/migration")
page_migration = sql.page("page_migration", Migration, keyset=(("name", "~"),))


@strawberry.type
class MigrationQuery:
    """The root field that says what was applied."""

    @query(curator=True)
    async def migrations(self, info: Info, first: int = 20, after: str | None = None) -> Page[Migration] | None:
        """What was applied to the database, the newest first. For curators."""
        return await page(page_migration, info.context.db, first, after)
