"""Platform links: a person's accounts on platforms. Owned by the workspace, ended rather than deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, tells
from app.core.outbox import Told
from app.core.plan import check_limit
from app.core.usage_counter import counts
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge, page_edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.subscription import Event, Source, subscription
from app.privacy.platform import ANY_KEY, Platform, get_platform_by_slug, platforms_by_id
from app.privacy.playbook import FEW, LinkPlaybook, playbooks_of_links
from app.privacy.schedule import SCAN_REQUESTED, begin
from app.privacy.score import MOST_GROUPS, SubScore, sub_scores_of_links

if TYPE_CHECKING:
    from app.privacy.failure import LastScan
    from app.privacy.schedule import ScanSchedule
    from app.privacy.snapshot import Snapshot

constraint(
    "platform_link_label_idx",
    ErrorCode.ALREADY_LINKED,
    "This platform is linked under this label. Choose another label for a second account.",
    field="label",
)
constraint("platform_link_label_length", ErrorCode.BAD_INPUT, "A label has 1 to 100 characters.", field="label")
constraint("platform_link_unlink_reason_length", ErrorCode.BAD_INPUT, "A reason has at most 500 characters.", field="reason")


@strawberry.enum(description="An ended link keeps its history and takes no more snapshots.")
class PlatformLinkStatus(Enum):
    """Values as in the database."""

    ACTIVE = "ACTIVE"
    UNLINKED = "UNLINKED"


@strawberry.enum(description="How scans of a link have gone lately.")
class PlatformLinkHealth(Enum):
    """Values as in the database, which derives them."""

    HEALTHY = strawberry.enum_value("HEALTHY", description="The last scan came, or none was due yet.")
    WARNING = strawberry.enum_value("WARNING", description="The last scan failed; it is tried again.")
    FAILING = strawberry.enum_value(
        "FAILING",
        description="No scans are requested by schedule, until one comes, the platform has another config, or resumeScans.",
    )
    DISCONNECTED = strawberry.enum_value(
        "DISCONNECTED", description="The person is signed out of the platform: no scans until one comes, or resumeScans."
    )


@strawberry.type(description="One account of a person on one platform.")
class PlatformLink(Node):
    """Two accounts on one platform differ by their label."""

    node_statement = "privacy/platform_link.edge_platform_link"
    node_scopes = frozenset({"privacy:read"})

    platform_id: strawberry.Private[UUID]
    latest_snapshot_id: strawberry.Private[UUID | None]

    label: str
    status: PlatformLinkStatus
    health: PlatformLinkHealth
    linked_at: datetime
    unlinked_at: datetime | None
    unlink_reason: str | None
    seen_until: datetime | None = strawberry.field(description="Until when the latest snapshot is known to hold.")

    signed_since: datetime | None = strawberry.field(
        description="Since when only signed scans are taken: from the first one on. Null while unsigned ones are taken too."
    )

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")
    schedule: Annotated[ScanSchedule, strawberry.lazy("app.privacy.schedule")] = edge(
        "privacy/schedule.edge_schedule", link_ids="id", description="When its scans are requested."
    )
    last_scan: Annotated[LastScan, strawberry.lazy("app.privacy.failure")] | None = edge(
        "privacy/failure.edge_last_scan", link_ids="id", description="How the last scan went; null before the first."
    )
    latest_snapshot: Annotated[Snapshot, strawberry.lazy("app.privacy.snapshot")] | None = edge(
        "privacy/snapshot.edge_snapshot",
        ids="latest_snapshot_id",
        scope="privacy:read",
        description="The snapshot captured last; null before the first.",
    )
    snapshots: Page[Annotated[Snapshot, strawberry.lazy("app.privacy.snapshot")]] = page_edge(
        "privacy/snapshot.edge_snapshot_of_link",
        link_ids="id",
        scope="privacy:read",
        description="Its history, the newest capture first.",
    )
    sub_scores: list[SubScore] = edge(
        lambda db, links: sub_scores_of_links(db, [link.id for link in links]),
        scope="privacy:read",
        size=MOST_GROUPS,
        description="The latest snapshot's risk score by group of categories; empty before the first.",
    )
    playbooks: list[LinkPlaybook] = edge(
        lambda db, links: playbooks_of_links(db, links),
        scope="privacy:read",
        size=FEW,
        description="The platform's playbooks, with the steps that the latest snapshot shows done.",
    )


@dataclass(frozen=True)
class ScannedLink:
    """A link whose turn it is, and what its scan was taken against; ``template_id`` is None where its platform has no such."""

    id: UUID
    platform_id: UUID
    latest_snapshot_id: UUID | None
    status: PlatformLinkStatus
    health: PlatformLinkHealth
    seen_until: datetime | None
    signed_since: datetime | None
    template_id: UUID | None
    config_version: int


@dataclass(frozen=True)
class LinkCount:
    """How many links are active."""

    active: int


sql = File("privacy/platform_link")
count_platform_link = sql.one("count_platform_link", LinkCount)
links_by_id = sql.edge("edge_platform_link", PlatformLink)
get_link_by_label = sql.one("get_platform_link_by_label", PlatformLink)
insert_platform_link = sql.one("insert_platform_link", PlatformLink)
lock_scanned_link = sql.one("lock_scanned_link", ScannedLink)
page_platform_link = sql.page("page_platform_link", PlatformLink)
unlink = sql.one("unlink_platform_link", PlatformLink)
update_link_signing = sql.one("update_link_signing", PlatformLink)
update_seen_until = sql.exec("update_seen_until")


async def require_link(db: Db, link_id: UUID, *, field: str) -> PlatformLink:
    """The link. Raises NOT_FOUND when there is none in the workspace."""
    (found,) = await links_by_id(db, ids=[link_id])
    if found is None:
        raise no_link(field)
    return found


@counts("privacy.platform_links")
async def count_links(db: Db) -> int:
    """How many links of the workspace are active."""
    found = await count_platform_link(db)
    assert found is not None  # a count always has a row
    return found.active


def no_link(field: str) -> AppError:
    """The same for a link that never was and one of somebody else."""
    return AppError(ErrorCode.NOT_FOUND, "There is no such platform link in this workspace.", field=field)


async def link_account(db: Db, *, platform_slug: str, label: str, linked_at: datetime | None = None) -> PlatformLink:
    """Link an account on a platform, in the open transaction. Raises NOT_FOUND, ALREADY_LINKED, BAD_INPUT."""
    platform = await get_platform_by_slug(db, slug=platform_slug)
    if platform is None:
        raise AppError(
            ErrorCode.NOT_FOUND,
            "There is no platform of this slug; the query platforms lists them.",
            field="platformSlug",
        )
    made = await insert_platform_link(db, platform_id=platform.id, label=label.strip(), linked_at=linked_at)
    assert made is not None
    await begin(db, made.id, datetime.now(UTC))
    return made


_FAILURES = {
    "BLOCKED": "The platform keeps scans out.",
    "LAYOUT_CHANGED": "Its settings page is not the one that we know.",
    "SIGNED_OUT": "Sign in to the platform in your browser, and the next scan will work.",
}


@tells(NotificationKind.LINK_FAILING, "PlatformLink")
async def tell_failing_links(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """Which link, and what to do; ``detail`` may hold the class of the failure as ``failure``."""
    links = await links_by_id(db, ids=[notification.object_id for notification in notifications])
    platforms = await platforms_by_id(db, ids=[found.platform_id if found else None for found in links])
    texts = []
    for notification, found, platform in zip(notifications, links, platforms, strict=True):
        name = f"{platform.name} ({found.label})" if found is not None and platform is not None else "A platform"
        why = _FAILURES.get((notification.detail or {}).get("failure", ""), "Its last scans failed.")
        texts.append(NotificationText(title=f"{name} cannot be read any more", body=why))
    return texts


@strawberry.enum(description="Why a scan is asked for.")
class ScanReason(Enum):
    """Values as in the outbox."""

    SCHEDULE = "SCHEDULE"
    MANUAL = "MANUAL"


@strawberry.type(description="A scan that is asked for: the extension that hears it makes one.")
class ScanRequested(Event):
    """One event for each request."""

    link: PlatformLink
    requested_at: datetime
    reason: ScanReason


async def _read_requested(db: Db, rows: Sequence[Told]) -> list[ScanRequested]:
    """The requests for links that are still active."""
    links = await links_by_id(db, ids=[row.object_id for row in rows])
    return [
        ScanRequested(
            position=(row.xid, row.id, ""), link=link, requested_at=row.created_at, reason=ScanReason(row.detail["reason"])
        )
        for row, link in zip(rows, links, strict=True)
        if link is not None and link.status is PlatformLinkStatus.ACTIVE
    ]


@strawberry.input(description="An account on a platform; the label tells two of them apart.")
class LinkPlatformInput:
    """``label`` tells two accounts on one platform apart."""

    platform_slug: str
    label: str
    idempotency_key: str


@strawberry.input(description="Which link to end, and why in the person's own words.")
class UnlinkPlatformInput:
    """``reason`` is the person's own words, kept with the link."""

    id: strawberry.ID
    reason: str | None = None


@strawberry.input(description="Whether a link takes signed scans only.")
class RequireSignatureInput:
    """``required`` false lets unsigned scans in again, until the next signed one."""

    link_id: strawberry.ID
    required: bool


@strawberry.type(description="The link.")
class LinkPlatformPayload:
    """The link."""

    link: PlatformLink


@strawberry.type(description="The link, ended.")
class UnlinkPlatformPayload:
    """The link, ended."""

    link: PlatformLink


@strawberry.type(description="The link, with what it takes now.")
class RequireSignaturePayload:
    """The link, with what it takes now."""

    link: PlatformLink


@strawberry.type
class PlatformLinkQuery:
    """Root fields that read links."""

    @query(*ANY_KEY)
    async def platform_links(
        self, info: Info, status: PlatformLinkStatus | None = None, first: int = 20, after: str | None = None
    ) -> Page[PlatformLink] | None:
        """The links of the workspace, newest first."""
        return await page(page_platform_link, info.context.db, first, after, status=status.value if status else None)

    @query("privacy:read")
    async def platform_link(self, info: Info, id: strawberry.ID) -> PlatformLink | None:
        """One link of the workspace."""
        (found,) = await links_by_id(info.context.db, ids=[parse_uuid(id, "PlatformLink", field="id")])
        return found


@strawberry.type
class PlatformLinkMutation:
    """Root fields that make and end links."""

    @mutation("snapshots:write")
    async def link_platform(self, info: Info, input: LinkPlatformInput) -> LinkPlatformPayload | None:
        """Begin to watch an account on a platform. No credentials are asked for, ever."""
        db = info.context.db
        async with db.transaction():
            done = await claim(db, "linkPlatform", input.idempotency_key, [input.platform_slug, input.label])
            if done is None:
                await check_limit(db, "privacy.platform_links", count_links)
                link = await link_account(db, platform_slug=input.platform_slug, label=input.label)
                await settle(db, "linkPlatform", input.idempotency_key, link.id)
            else:
                assert done.result_id is not None
                link = await require_link(db, done.result_id, field="idempotencyKey")
        return LinkPlatformPayload(link=link)

    @mutation()
    async def unlink_platform(self, info: Info, input: UnlinkPlatformInput) -> UnlinkPlatformPayload | None:
        """End a link. Its history stays; the label is free again."""
        link_id = parse_uuid(input.id, "PlatformLink", field="id")
        async with info.context.db.transaction():
            link = await unlink(info.context.db, id=link_id, reason=input.reason)
            if link is None:
                raise no_link("id")
        return UnlinkPlatformPayload(link=link)

    @mutation()
    async def require_signature(self, info: Info, input: RequireSignatureInput) -> RequireSignaturePayload | None:
        """Take only signed scans of a link, or unsigned ones again. For people: no key can open what a device has closed."""
        link_id = parse_uuid(input.link_id, "PlatformLink", field="linkId")
        async with info.context.db.transaction():
            link = await update_link_signing(info.context.db, id=link_id, required=input.required)
            if link is None:
                raise no_link("linkId")
        return RequireSignaturePayload(link=link)


@strawberry.type
class PlatformLinkSubscription:
    """The root field that tells of links that should be scanned."""

    @subscription(ScanRequested, SCAN_REQUESTED, *ANY_KEY)
    async def scan_requested(self, info: Info, after: str | None = None) -> Source:
        """Each request to scan a link, scheduled or by hand; behind the cursor `after`, or from now on."""
        return Source(after, _read_requested)
