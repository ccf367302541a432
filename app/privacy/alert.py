"""Alerts: one for each snapshot whose changes the person was not seen making. It carries the two hashes it compares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from app.core.notification import (
    Notification,
    NotificationKind,
    NotificationText,
    Significance,
    notify,
    tells,
)
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.graphql import parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.change import Change, changes_by_snapshot, page_labels
from app.privacy.origin import Finding, Origin
from app.privacy.platform_link import PlatformLink, require_link
from app.privacy.snapshot import Snapshot, hashes_by_snapshot

MOST_CHANGES = 20
"""An alert's words name so many changes, and count the others."""


async def _before(db: Db, alerts: Sequence[Any]) -> list[str | None]:
    return await hashes_by_snapshot(db, [alert.previous_id for alert in alerts])


async def _after(db: Db, alerts: Sequence[Any]) -> list[str | None]:
    return await hashes_by_snapshot(db, [alert.snapshot_id for alert in alerts])


@strawberry.type(description="What a scan found changed that the person was not seen changing: a notification in full.")
class Alert:
    """``id`` is that of its notification."""

    id: strawberry.Private[UUID]
    snapshot_id: strawberry.Private[UUID]
    link_id: strawberry.Private[UUID]
    previous_id: strawberry.Private[UUID | None]

    created_at: datetime = strawberry.field(description="When it was told.")
    read_at: datetime | None = strawberry.field(description="See markNotificationsRead, which takes the id of `notification`.")
    before_hash: str | None = edge(
        _before, description="Snapshot.contentHash of `previousSnapshot`; null once retention took that away."
    )
    after_hash: str = edge(_after, description="Snapshot.contentHash of `snapshot`.")

    notification: Notification = edge("core/notification.edge_notification", ids="id")
    link: PlatformLink = edge("privacy/platform_link.edge_platform_link", ids="link_id")
    snapshot: Snapshot = edge("privacy/snapshot.edge_snapshot", ids="snapshot_id")
    previous_snapshot: Snapshot | None = edge("privacy/snapshot.edge_snapshot", ids="previous_id")
    changes: list[Change] = edge(
        "privacy/change.edge_change_of_snapshot",
        many=True,
        snapshot_ids="snapshot_id",
        description="All that the scan found changed, what the person did themselves too.",
    )


@dataclass(frozen=True)
class AlertedScan:
    """What the words of an alert need."""

    id: UUID
    previous_id: UUID | None
    label: str
    platform: str


@dataclass(frozen=True)
class Recipient:
    """Whom to tell."""

    id: UUID


sql = File("privacy/alert")
get_recipient = sql.one("get_recipient", Recipient)
page_alert = sql.page("page_alert", Alert)
scans_by_alert = sql.edge("edge_alert", AlertedScan)


def worth_telling(findings: Iterable[Finding]) -> Significance | None:
    """The greatest significance of what the person was not seen changing; None where there is nothing but noise."""
    told = [f.significance for f in findings if not (f.origin is Origin.USER and f.confidence == 1)]
    greatest = max(told, key=lambda significance: significance.rank, default=Significance.NOISE)
    return None if greatest is Significance.NOISE else greatest


async def alert(db: Db, snapshot: Snapshot, findings: Sequence[Finding]) -> None:
    """Tell the link's person of a new snapshot's changes, in the open transaction, if there is anything to tell."""
    significance = worth_telling(findings)
    if significance is None:
        return
    recipient = await get_recipient(db, link_id=snapshot.link_id)
    assert recipient is not None  # the scan holds the link's row
    await notify(db, recipient.id, NotificationKind.PRIVACY_CHANGE, snapshot.id, significance=significance)


@tells(NotificationKind.PRIVACY_CHANGE, "Snapshot")
async def tell_alerts(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """What changed, who is likely to have done it, and both hashes."""
    ids = [notification.object_id for notification in notifications]
    scans = await scans_by_alert(db, snapshot_ids=ids)
    changes = await changes_by_snapshot.groups(db, snapshot_ids=ids)
    after = await hashes_by_snapshot(db, ids)
    before = await hashes_by_snapshot(db, [scan.previous_id if scan else None for scan in scans])
    every = [change for of_scan in changes for change in of_scan]
    pages = zip(every, await page_labels(db, every), strict=True)
    labels = {change.node_key(): page.page_label for change, page in pages if page is not None}
    return [_words(*each, labels) for each in zip(scans, changes, before, after, strict=True)]


def _words(
    scan: AlertedScan | None, changes: Sequence[Change], before: str | None, after: str | None, labels: dict[str, str]
) -> NotificationText:
    if scan is None:
        return NotificationText(title="Your settings changed", body="The scan that found it is not kept any more.")
    told = [change for change in changes if change.significance is not Significance.NOISE]
    hashes = f"Before: sha256:{before or 'not kept any more'}\nAfter:  sha256:{after}"
    if not told:  # a scan that arrived later lies between, and has an alert of its own
        body = f"A scan that arrived later shows that this was so before.\n\n{hashes}"
        return NotificationText(title=f"{scan.platform} ({scan.label}): changed earlier", body=body)
    what = "1 setting" if len(told) == 1 else f"{len(told)} settings"
    lines = [_line(change, labels.get(change.node_key(), change.setting)) for change in told[:MOST_CHANGES]]
    if len(told) > MOST_CHANGES:
        lines.append(f"and {len(told) - MOST_CHANGES} more")
    lines += ["", hashes]
    return NotificationText(title=f"{scan.platform} ({scan.label}): {what} changed", body="\n".join(lines))


_WHO = {
    Origin.PLATFORM_DEFAULT: "the platform has a new default",
    Origin.PLATFORM_STRUCTURE: "the platform changed its page",
    Origin.TECHNICAL: "the page is read differently",
    Origin.UNKNOWN: "it is not clear by whom",
}


def _line(change: Change, label: str) -> str:
    who = _WHO.get(change.origin, "you, it seems" if change.confidence < 1 else "you")
    if change.old_value is None:
        return f"{label}: new, set to {change.new_value} ({who})"
    if change.new_value is None:
        return f"{label}: gone, was {change.old_value} ({who})"
    return f"{label}: {change.old_value} -> {change.new_value} ({who})"


@strawberry.type
class AlertQuery:
    """The root field that reads alerts."""

    @query("privacy:read")
    async def alerts(
        self,
        info: Info,
        link_id: strawberry.ID | None = None,
        unread_only: bool = False,
        first: int = 20,
        after: str | None = None,
    ) -> Page[Alert] | None:
        """What scans found that the caller was not seen changing, of all links or of one, newest first."""
        db = info.context.db
        link = parse_uuid(link_id, "PlatformLink", field="linkId") if link_id else None
        found = await page(page_alert, db, first, after, link_id=link, unread=unread_only or None)
        if link is not None and not found.rows:
            await require_link(db, link, field="linkId")
        return found
