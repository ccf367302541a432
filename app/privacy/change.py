"""Changes: one setting that differs from the snapshot before, with who is likely to have changed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from app.core.notification import Significance
from app.core.outbox import Told, announce
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, parse_uuid, query
from app.kit.locale import parse_locale
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.subscription import Event, Source, subscription
from app.privacy.origin import Finding, Origin
from app.privacy.platform_link import require_link
from app.privacy.template import settings_of

if TYPE_CHECKING:
    from app.privacy.acknowledgement import Acknowledgement
    from app.privacy.crowd_evidence import CrowdEvidence
    from app.privacy.snapshot import Snapshot


@strawberry.type(description="A setting that differs from the snapshot before.")
class Change(Node):
    """Named by its snapshot, whose uuid is ``id``, and its setting."""

    node_statement = "privacy/change.edge_change"
    node_scopes = frozenset({"privacy:read"})

    setting: str = strawberry.field(description="Key of the setting.")
    old_value: str | None = strawberry.field(description="Null when the setting is new.")
    new_value: str | None = strawberry.field(description="Null when the setting is gone.")
    origin: Origin
    significance: Significance
    confidence: float = strawberry.field(description="0..1: how sure the origin is.")
    detected_at: datetime = strawberry.field(description="When the snapshot that shows it was captured.")

    label: str = edge(
        lambda db, changes, locale=None: list_change_labels(db, changes, locale),
        localized=True,
        description="The words on the page, of the newest template that has the setting.",
    )
    snapshot: Annotated[Snapshot, strawberry.lazy("app.privacy.snapshot")] = edge("privacy/snapshot.edge_snapshot", ids="id")
    acknowledgement: Annotated[Acknowledgement, strawberry.lazy("app.privacy.acknowledgement")] | None = edge(
        "privacy/acknowledgement.edge_acknowledgement",
        snapshot_ids="id",
        settings="setting",
        scope="privacy:read",
        description="That the person has seen it; null until then.",
    )
    evidence: Annotated[CrowdEvidence, strawberry.lazy("app.privacy.crowd_evidence")] | None = edge(
        "privacy/crowd_evidence.edge_crowd_evidence",
        snapshot_ids="id",
        settings="setting",
        scope="privacy:read",
        description="The proof where the origin is PLATFORM_CROWD.",
    )

    def node_key(self) -> str:
        """See Node."""
        return f"{self.id}:{self.setting}"

    @classmethod
    def node_arguments(cls, keys: list[str]) -> dict[str, list[Any]]:
        """See Node."""
        pairs = [key.partition(":") for key in keys]
        return {"snapshot_ids": [UUID(pair[0]) for pair in pairs], "settings": [pair[2] for pair in pairs]}


@dataclass(frozen=True)
class LabelOfChange:
    """The words on the page, and the template that has them in other languages."""

    template_id: UUID
    setting: str
    page_label: str


@dataclass(frozen=True)
class LinkOfSnapshot:
    """Which link a snapshot is of."""

    link_id: UUID


CHANGE_DETECTED = announce(
    "privacy.change_detected", "Snapshot", "A scan found settings that changed; the object is the scan.", personal=True
)

BEHIND_ALL = (("id", "ffffffff-ffff-ffff-ffff-ffffffffffff"), ("setting", ""))

sql = File("privacy/change")
delete_changes = sql.exec("delete_change")
changes_by_key = sql.edge("edge_change", Change)
changes_by_snapshot = sql.edge("edge_change_of_snapshot", Change)
labels_by_change = sql.edge("edge_label_of_change", LabelOfChange)
insert_changes = sql.exec("insert_change")
link_by_snapshot = sql.edge("edge_link_of_snapshot", LinkOfSnapshot)
page_change = sql.page("page_change", Change, keyset=BEHIND_ALL)


async def list_labels(db: Db, named: Sequence[Any], locale: str | None = None) -> list[str]:
    """The label of each ``setting`` of a ``template_id`` in a language, or in the caller's; else its ``page_label``.

    Raises BAD_INPUT.
    """
    tag = None if locale is None else parse_locale(locale, field="locale")
    settings = await settings_of(db, [each.template_id for each in named], tag)
    labels = {template_id: {s.key: s.label for s in of_template} for template_id, of_template in settings.items()}
    return [labels[each.template_id].get(each.setting, each.page_label) for each in named]


async def list_change_labels(db: Db, changes: Sequence[Change], locale: str | None = None) -> list[str]:
    """The same for changes. Raises BAD_INPUT."""
    pages = await page_labels(db, changes)
    labels = iter(await list_labels(db, [page for page in pages if page is not None], locale))
    return [change.setting if page is None else next(labels) for change, page in zip(changes, pages, strict=True)]


async def page_labels(db: Db, changes: Sequence[Change]) -> list[LabelOfChange | None]:
    """The label of each change as it stands on the page; None where no template that the caller sees has the setting."""
    if not changes:
        return []
    return await labels_by_change(
        db, snapshot_ids=[change.id for change in changes], settings=[change.setting for change in changes]
    )


async def keep_findings(db: Db, snapshot_id: UUID, findings: Sequence[Finding]) -> None:
    """Write what differs as the changes of a snapshot."""
    if findings:
        await insert_changes(
            db,
            snapshot_id=snapshot_id,
            settings=[f.setting for f in findings],
            old_values=[f.old_value for f in findings],
            new_values=[f.new_value for f in findings],
            origins=[f.origin.value for f in findings],
            significances=[f.significance.value for f in findings],
            confidences=[f.confidence for f in findings],
        )


def shown(snapshot: Snapshot, findings: Sequence[Finding]) -> list[Change]:
    """What differs as the changes of a snapshot, as they would be read."""
    return [Change(id=snapshot.id, detected_at=snapshot.captured_at, **vars(finding)) for finding in findings]


@strawberry.type
class ChangeQuery:
    """Root fields that read changes."""

    @query("privacy:read")
    async def changes(
        self,
        info: Info,
        link_id: strawberry.ID | None = None,
        origin: Origin | None = None,
        significance: Significance | None = None,
        acknowledged: bool | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[Change] | None:
        """Changes of the workspace or of one link, the newest capture first. `acknowledged` false: those to be looked at, also
        such as are open again."""
        link = parse_uuid(link_id, "PlatformLink", field="linkId") if link_id else None
        found = await page(
            page_change,
            info.context.db,
            first,
            after,
            link_id=link,
            origin=origin.value if origin else None,
            significance=significance.value if significance else None,
            acknowledged=acknowledged,
        )
        if link is not None and not found.rows:
            await require_link(info.context.db, link, field="linkId")
        return found


@strawberry.type(description="A change that a scan has shown.")
class ChangeDetected(Event):
    """One event for each change of a snapshot."""

    change: Change


async def _read_detected(
    db: Db, rows: Sequence[Told], *, link_id: UUID | None, significance: frozenset[Significance] | None
) -> list[ChangeDetected]:
    """The changes of the snapshots that were told, as they are now, by setting."""
    if link_id is not None:
        links = await link_by_snapshot(db, snapshot_ids=[row.object_id for row in rows])
        rows = [row for row, link in zip(rows, links, strict=True) if link is not None and link.link_id == link_id]
    found = await changes_by_snapshot.groups(db, snapshot_ids=[row.object_id for row in rows]) if rows else []
    return [
        ChangeDetected(position=(row.xid, row.id, change.setting), change=change)
        for row, changes in zip(rows, found, strict=True)
        for change in sorted(changes, key=lambda change: change.setting)
        if change.setting in row.detail.get("settings", (change.setting,))
        and (significance is None or change.significance in significance)
    ]


@strawberry.type
class ChangeSubscription:
    """The root field that tells of changes."""

    @subscription(ChangeDetected, CHANGE_DETECTED, "privacy:read")
    async def change_detected(
        self,
        info: Info,
        after: str | None = None,
        link_id: strawberry.ID | None = None,
        significance: list[Significance] | None = None,
    ) -> Source:
        """Each change as soon as a scan shows it, of all links or of one; behind the cursor `after`, or from now on."""
        link = parse_uuid(link_id, "PlatformLink", field="linkId") if link_id else None
        if link is not None:
            await require_link(info.context.db, link, field="linkId")
        if significance is not None and not significance:
            raise AppError(
                ErrorCode.BAD_INPUT, "significance is empty. Leave it out to be told of everything.", field="significance"
            )
        wanted = frozenset(significance) if significance is not None else None
        return Source(after, partial(_read_detected, link_id=link, significance=wanted))
