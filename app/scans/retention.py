"""Retention: a workspace keeps its scans for as long as it says. What is older goes, with all that came of it.

What a monitor compares with, what is not finished, and what is disputed until that is decided, stays. Of what went three things
are left: which scan it was, how it ended and when it went; the log of what it touched, for its own 400 days; and the events of
the audit, which never told of the page or the URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import strawberry

from app.core.retention import WORKSPACES, Night, OfWorkspace, Retention, UpdateRetentionInput, ask_each
from app.kit.context import Info
from app.kit.db import Db
from app.kit.graphql import MANAGERS, field, global_id, mutation, query
from app.kit.jobs import Work, job
from app.kit.page import Page, page
from app.kit.sql import File
from app.scans.scan import ScanState

BATCH = 500
"""So many scans go in one transaction."""


@strawberry.type(description="What is left of a scan that was kept as long as the workspace chose.")
class PurgedScan:
    """Nothing of its URL, nor of what came of it."""

    id: strawberry.Private[UUID]

    state: ScanState
    finished_at: datetime
    purged_at: datetime

    @field(name="scanId", description="As it was known; accessLog takes it for 400 days.")
    def scan_global_id(self) -> strawberry.ID:
        """Of no use elsewhere."""
        return global_id("Scan", str(self.id))


@dataclass(frozen=True)
class Purged:
    """How many scans went."""

    count: int


@dataclass(frozen=True)
class Named:
    """A workspace."""

    id: UUID


sql = File("scans/retention")
delete_old_scan = sql.one("delete_old_scan", Purged)
get_retention = sql.one("get_retention", Retention)
page_purged_scan = sql.page("page_purged_scan", PurgedScan)
upsert_retention = sql.one("upsert_retention", Retention)
list_purgeable = File("scans/across").many("list_purgeable", Named)


@job("scans.purge_workspace", OfWorkspace, concurrency=2, priority=-10)
async def purge_workspace(work: Work, payload: OfWorkspace) -> None:
    """A batch at a time, each complete in itself: cut off anywhere, the rest is found again."""
    while await purge_some(work.db, datetime.now(UTC)):
        pass


@job("scans.purge", Night, cron="50 2 * * *")
async def purge(work: Work, payload: Night) -> None:
    """Every night, for each workspace with something to purge, a job of its own."""
    await find_purgeable(work.db, datetime.now(UTC))


async def find_purgeable(db: Db, now: datetime) -> None:
    """Ask for the purge of all workspaces in which something is due at a moment, as the worker."""

    async def find(after: UUID) -> list[UUID]:
        return [each.id for each in await list_purgeable(db, now=now, after=after, limit=WORKSPACES)]

    await ask_each(db, purge_workspace, find)


async def purge_some(db: Db, now: datetime) -> bool:
    """Purge a batch of the workspace, in a transaction of its own; whether there may be more."""
    async with db.transaction():
        purged = await delete_old_scan(db, now=now, limit=BATCH)
    return purged is not None and purged.count == BATCH


@strawberry.type(description="What is chosen now.")
class UpdateScanRetentionPayload:
    """What is chosen now."""

    retention: Retention


@strawberry.type
class RetentionQuery:
    """Root fields that tell what is kept."""

    @query("scans:read")
    async def scan_retention(self, info: Info) -> Retention | None:
        """How long the workspace keeps its scans."""
        return await get_retention(info.context.db)

    @query("scans:read")
    async def purged_scans(self, info: Info, first: int = 20, after: str | None = None) -> Page[PurgedScan] | None:
        """What is left of scans that are no longer kept, the newest first."""
        return await page(page_purged_scan, info.context.db, first, after)


@strawberry.type
class RetentionMutation:
    """The root field that says what to keep."""

    @mutation(roles=MANAGERS)
    async def update_scan_retention(self, info: Info, input: UpdateRetentionInput) -> UpdateScanRetentionPayload | None:
        """Choose how long scans are kept. What is older goes within a day and does not come back by choosing longer; what was
        published of it goes along."""
        async with info.context.db.transaction():
            kept = await upsert_retention(info.context.db, keep=input.keep.value)
        assert kept is not None
        return UpdateScanRetentionPayload(retention=kept)
