"""Retention: a workspace keeps its history for as long as it says. What is older goes, the latest of each link apart.

Of a snapshot that was purged three things stay: that it was captured and deleted, told by two audit events without their
details; how many changes it brought; and a hash of those changes. The hash is salted with the salt of the snapshot's own
audit detail. Whoever kept detail, salt and changes can prove what they were; without the salt nobody can guess them, though
there are only so many settings and options.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import strawberry

from app.core.retention import WORKSPACES, Night, OfWorkspace, Retention, UpdateRetentionInput, ask_each, oldest_kept
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import MANAGERS, mutation, parse_uuid, query
from app.kit.jobs import Work, job
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.platform_link import require_link

BATCH = 100
"""How many snapshots go in one transaction, for which scans of their link wait."""


@strawberry.type(description="What is left of a snapshot that was kept as long as the workspace chose.")
class PurgedSnapshot:
    """Nothing of what it saw."""

    id: strawberry.Private[UUID]

    captured_at: datetime
    purged_at: datetime
    change_count: int = strawberry.field(description="How many changes it brought.")
    change_hash: str = strawberry.field(
        description="SHA-256 in hex of a salt and the changes as [[setting, old, new, origin, significance], ...], by setting, "
        "as PostgreSQL writes jsonb. The salt, that of the snapshot's audit detail, is deleted: the hash tells nothing."
    )


@dataclass(frozen=True)
class Named:
    """A link, a snapshot or a workspace."""

    id: UUID


@dataclass(frozen=True)
class Forgotten:
    """How many details there were."""

    count: int


@dataclass(frozen=True)
class Purge:
    """What was purged of a link."""

    count: int
    purged_until: datetime | None


sql = File("privacy/retention")
delete_snapshots = sql.exec("delete_snapshot")
delete_snapshot_detail = sql.one("delete_snapshot_detail", Forgotten)
get_purge = sql.one("get_purge", Purge)
get_retention = sql.one("get_retention", Retention)
insert_purged_snapshots = sql.exec("insert_purged_snapshot")
list_old_snapshot = sql.many("list_old_snapshot", Named)
lock_old_link = sql.one("lock_old_link", Named)
page_purged_snapshot = sql.page("page_purged_snapshot", PurgedSnapshot)
upsert_retention = sql.one("upsert_retention", Retention)
list_purgeable = File("privacy/across").many("list_purgeable", Named)


@job("privacy.purge_workspace", OfWorkspace, concurrency=2, priority=-10)
async def purge_workspace(work: Work, payload: OfWorkspace) -> None:
    """A batch at a time, each complete in itself: cut off anywhere, the rest is found again."""
    while await purge_some(work.db, datetime.now(UTC)):
        pass


@job("privacy.purge", Night, cron="40 2 * * *")
async def purge(work: Work, payload: Night) -> None:
    """Every night, for each workspace with something to purge, a job of its own."""
    await find_purgeable(work.db, datetime.now(UTC))


async def find_purgeable(db: Db, now: datetime) -> None:
    """Ask for the purge of all workspaces in which something is due at a moment, as the worker."""

    async def find(after: UUID) -> list[UUID]:
        return [each.id for each in await list_purgeable(db, now=now, after=after, limit=WORKSPACES)]

    await ask_each(db, purge_workspace, find)


async def purge_some(db: Db, now: datetime) -> bool:
    """Purge a batch of one link of the workspace, in a transaction of its own; whether there was one."""
    async with db.transaction():
        retention = await get_retention(db)
        assert retention is not None  # it always has a row
        bound = oldest_kept(retention, now)
        if bound is None:
            return False
        link = await lock_old_link(db, bound=bound)
        if link is None:
            return False
        old = await list_old_snapshot(db, link_id=link.id, bound=bound, limit=BATCH)
        ids = [snapshot.id for snapshot in old]
        if ids:
            await insert_purged_snapshots(db, ids=ids)
            await delete_snapshots(db, ids=ids)
            await delete_snapshot_detail(db, ids=ids)
    return True


async def refuse_purged(db: Db, link_id: UUID) -> None:
    """Raises NO_LONGER_KEPT for a moment before all that is left, if anything of the link was purged."""
    purged = await get_purge(db, link_id=link_id)
    if purged is not None and purged.count:
        raise AppError(
            ErrorCode.NO_LONGER_KEPT,
            "The history of that moment is no longer kept: the workspace chose so, see retention.",
            field="at",
        )


@strawberry.type(description="What is chosen now.")
class UpdateRetentionPayload:
    """What is chosen now."""

    retention: Retention


@strawberry.type
class RetentionQuery:
    """Root fields that tell what is kept."""

    @query("privacy:read")
    async def retention(self, info: Info) -> Retention | None:
        """How long the workspace keeps its history."""
        return await get_retention(info.context.db)

    @query("privacy:read")
    async def purged_snapshots(
        self, info: Info, link_id: strawberry.ID, first: int = 20, after: str | None = None
    ) -> Page[PurgedSnapshot] | None:
        """What is left of a link's snapshots that are no longer kept, the newest capture first."""
        link = await require_link(info.context.db, parse_uuid(link_id, "PlatformLink", field="linkId"), field="linkId")
        return await page(page_purged_snapshot, info.context.db, first, after, link_id=link.id)


@strawberry.type
class RetentionMutation:
    """The root field that says what to keep."""

    @mutation(roles=MANAGERS)
    async def update_retention(self, info: Info, input: UpdateRetentionInput) -> UpdateRetentionPayload | None:
        """Choose how long history is kept. What is older goes within a day and does not come back by choosing longer."""
        async with info.context.db.transaction():
            kept = await upsert_retention(info.context.db, keep=input.keep.value)
        assert kept is not None
        return UpdateRetentionPayload(retention=kept)
