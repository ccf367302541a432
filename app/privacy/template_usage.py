"""Usage: how much a template is used, what sharing it saves in bytes, whom activating it concerns. Counts of enough people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from app.core.upkeep import Nothing
from app.kit.context import Info
from app.kit.db import Db
from app.kit.graphql import BigInt, parse_uuid, query
from app.kit.jobs import Work, job
from app.kit.sql import File
from app.privacy.template import Template, no_template, templates_by_id

FEW = 5
"""Counts of fewer people than these are about somebody."""


@strawberry.type(description="How much a template is used, over all workspaces. Measured every quarter of an hour.")
class TemplateUsage:
    """Of five people or more."""

    snapshots: BigInt
    users: BigInt = strawberry.field(description="How many people have a snapshot against it.")
    last_used_at: datetime = strawberry.field(description="The day of the last capture, in UTC.")
    average_scan_milliseconds: BigInt | None = strawberry.field(
        description="Of the last scans of the links that show it; null when no scan said how long it took."
    )
    measured_at: datetime


@strawberry.type(description="Bytes of snapshots, beside what as many full copies of the settings would take.")
class StorageFigures:
    """Rows as they are stored, without indexes, which both ways would have."""

    snapshots: BigInt
    snapshot_bytes: BigInt = strawberry.field(description="What the rows of the snapshots hold, as stored.")
    full_copy_bytes: BigInt | None = strawberry.field(description="As many copies as JSON text.")
    full_copy_stored_bytes: BigInt | None = strawberry.field(description="The same as PostgreSQL stores it, compressed.")
    saving: float | None = strawberry.field(
        description="0..1: the share that sharing the template saves of full copies as JSON text, with the template counted; "
        "below 0 where it does not pay yet; null without snapshots."
    )
    stored_saving: float | None = strawberry.field(description="The same of full copies as they would be stored.")


@strawberry.type(description="What a template and the snapshots against it take, measured in the database.")
class StorageReport:
    """Of the workspace, and of everybody where enough people share it."""

    template: Template
    template_bytes: BigInt = strawberry.field(description="Its row and settings, with labels in all languages and advice.")
    full_copy_bytes: BigInt | None = strawberry.field(
        description="One full copy of the settings as JSON text; null until it was measured, a quarter of an hour at most."
    )
    full_copy_stored_bytes: BigInt | None = strawberry.field(description="The same as PostgreSQL stores it, compressed.")
    break_even_users: int | None = strawberry.field(
        description="From how many people on, with one snapshot each, sharing takes less than full copies as JSON text; "
        "null without snapshots, or if never."
    )
    stored_break_even_users: int | None = strawberry.field(description="The same against full copies as they would be stored.")
    own: StorageFigures = strawberry.field(description="Of the active workspace.")
    everyone: StorageFigures | None = strawberry.field(description="Of all workspaces; null for fewer than five people.")
    measured_at: datetime | None = strawberry.field(description="When everyone's figures were measured.")


@strawberry.type(description="Whom activating a template concerns: people whose settings were last seen with another.")
class BlastRadius:
    """Counts only, and none of fewer than five people."""

    people: BigInt | None
    links: BigInt | None
    reason: str | None = strawberry.field(description="Why the counts are null.")
    template: Template


@dataclass(frozen=True)
class Storage:
    """What was measured; copies are measured by the job first."""

    template_bytes: int
    copy_bytes: int | None
    copy_stored_bytes: int | None
    own_snapshots: int
    own_snapshot_bytes: int
    snapshots: int | None
    people: int | None
    snapshot_bytes: int | None
    measured_at: datetime | None


@dataclass(frozen=True)
class Affected:
    """How many a template concerns."""

    people: int
    links: int


sql = File("privacy/template_usage")
count_affected = sql.one("count_affected", Affected)
usage_by_template = sql.edge("edge_template_usage", TemplateUsage)
get_storage = sql.one("get_storage", Storage)

measure = File("privacy/across").exec("measure_template_usage")


@job("privacy.template_usage", Nothing, cron="*/15 * * * *", concurrency=1)
async def measure_template_usage(work: Work, payload: Nothing) -> None:
    """Count over all workspaces how much templates are used."""
    async with work.once() as db:
        await measure(db)


def break_even(template_bytes: int, copy_bytes: int | None, snapshots: int, snapshot_bytes: int) -> int | None:
    """The least number of snapshots n with template + n * mean snapshot < n * copy; None where there is none."""
    spared = snapshots * (copy_bytes or 0) - snapshot_bytes
    if not snapshots or spared <= 0:
        return None
    return template_bytes * snapshots // spared + 1


def figures(
    template_bytes: int, copy_bytes: int | None, stored_bytes: int | None, snapshots: int, snapshot_bytes: int
) -> StorageFigures:
    """The snapshots beside as many copies."""
    copies = None if copy_bytes is None else BigInt(snapshots * copy_bytes)
    stored = None if stored_bytes is None else BigInt(snapshots * stored_bytes)

    def saving(whole: int | None) -> float | None:
        return round(1 - (template_bytes + snapshot_bytes) / whole, 6) if whole else None

    return StorageFigures(
        snapshots=BigInt(snapshots),
        snapshot_bytes=BigInt(snapshot_bytes),
        full_copy_bytes=copies,
        full_copy_stored_bytes=stored,
        saving=saving(copies),
        stored_saving=saving(stored),
    )


def report(template: Template, found: Storage) -> StorageReport:
    """What was measured, in relation."""
    copy, stored = found.copy_bytes, found.copy_stored_bytes
    everyone = None
    counted = (found.own_snapshots, found.own_snapshot_bytes)
    if found.snapshots is not None and found.snapshot_bytes is not None:
        everyone = figures(found.template_bytes, copy, stored, found.snapshots, found.snapshot_bytes)
        counted = (found.snapshots, found.snapshot_bytes)
    return StorageReport(
        template=template,
        template_bytes=BigInt(found.template_bytes),
        full_copy_bytes=None if copy is None else BigInt(copy),
        full_copy_stored_bytes=None if stored is None else BigInt(stored),
        break_even_users=break_even(found.template_bytes, copy, *counted),
        stored_break_even_users=break_even(found.template_bytes, stored, *counted),
        own=figures(found.template_bytes, copy, stored, found.own_snapshots, found.own_snapshot_bytes),
        everyone=everyone,
        measured_at=found.measured_at,
    )


async def _require(db: Db, template_id: strawberry.ID) -> Template:
    key: UUID = parse_uuid(template_id, "Template", field="templateId")
    (found,) = await templates_by_id(db, ids=[key])
    if found is None:
        raise no_template("templateId")
    return found


@strawberry.type
class TemplateUsageQuery:
    """Root fields that tell counts."""

    @query("privacy:read")
    async def storage_report(self, info: Info, template_id: strawberry.ID) -> StorageReport | None:
        """What a template and the snapshots against it take, and from how many people on sharing it pays."""
        template = await _require(info.context.db, template_id)
        found = await get_storage(info.context.db, id=template.id)
        assert found is not None
        return report(template, found)

    @query(curator=True)
    async def blast_radius(self, info: Info, template_id: strawberry.ID) -> BlastRadius | None:
        """How many people and links activating a template concerns. For curators."""
        template = await _require(info.context.db, template_id)
        found = await count_affected(info.context.db, template_id=template.id)
        if found is None:
            reason = f"Fewer than {FEW} people: a count of so few would be about somebody."
            return BlastRadius(people=None, links=None, reason=reason, template=template)
        return BlastRadius(people=BigInt(found.people), links=BigInt(found.links), reason=None, template=template)
