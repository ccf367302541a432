"""Failures: an extension tells why a scan did not come, and the schedule takes it into account. See app/privacy/rhythm.py."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, notify
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import ErrorCode, constraint
from app.kit.graphql import mutation, parse_uuid
from app.kit.sql import File
from app.privacy.rhythm import ScanFailure, ScanPlan, fail
from app.privacy.scan import check_moment
from app.privacy.schedule import hold_plan, keep_plan, told_failure
from app.privacy.snapshot import ScanMethod

if TYPE_CHECKING:
    from app.privacy.platform_link import PlatformLink

constraint(
    "platform_link_failure_detail_length",
    ErrorCode.BAD_INPUT,
    "A detail has at most 200 characters, and nothing that was read on the page.",
    field="detail",
)


@strawberry.enum(description="How a scan ended.")
class ScanStatus(Enum):
    """Derived from the link's last scan and last failure."""

    COMPLETED = strawberry.enum_value("COMPLETED", description="Every setting was read.")
    PARTIAL = strawberry.enum_value("PARTIAL", description="Some settings could not be read.")
    FAILED = strawberry.enum_value("FAILED", description="Nothing came of it.")


@strawberry.type(description="How the last scan of a link went.")
class LastScan:
    """What was last heard of, a scan or a failure, with the last of each."""

    status: ScanStatus
    ended_at: datetime = strawberry.field(description="When it ended.")
    succeeded_at: datetime | None = strawberry.field(description="When a scan came last.")
    duration_milliseconds: int | None = strawberry.field(description="How long that scan took, where the extension told.")
    failed_at: datetime | None = strawberry.field(description="When one failed last.")
    failure: ScanFailure | None = strawberry.field(description="Why it failed.")
    detail: str | None = strawberry.field(description="What the extension said of that failure.")
    consecutive_failures: int = strawberry.field(description="Failures since the last scan; at the fifth, requests stop.")


@dataclass(frozen=True)
class ConfigVersion:
    """Of a platform, at a moment."""

    version: int


sql = File("privacy/failure")
last_scans_by_link = sql.edge("edge_last_scan", LastScan)
get_config_version = sql.one("get_config_version", ConfigVersion)


@strawberry.input(description="A scan that failed.")
class ReportScanFailureInput:
    """``detail`` is the extension's own words, such as a name of an error."""

    link_id: strawberry.ID
    occurred_at: datetime
    failure: ScanFailure
    scan_method: ScanMethod
    idempotency_key: str
    detail: str | None = strawberry.field(
        default=None, description="At most 200 characters: the name of an error, never anything that was read on the page."
    )


@strawberry.type(description="What a failure led to.")
class ReportScanFailurePayload:
    """What a failure led to."""

    link_id: strawberry.Private[UUID]

    counted: bool = strawberry.field(description="False for a failure from before the last scan: it says nothing any more.")
    link: Annotated[PlatformLink, strawberry.lazy("app.privacy.platform_link")] = edge(
        "privacy/platform_link.edge_platform_link", ids="link_id"
    )


async def report(db: Db, given: ReportScanFailureInput, now: datetime) -> ReportScanFailurePayload:
    """Take a failure into account, in the open transaction, unless a scan came after it. Raises AppError."""
    done = await claim(db, "reportScanFailure", given.idempotency_key, asdict(given))
    link_id = parse_uuid(given.link_id, "PlatformLink", field="linkId")
    if done is not None:
        return ReportScanFailurePayload(link_id=link_id, counted=bool(done.created))
    check_moment(given.occurred_at, field="occurredAt")
    plan = await hold_plan(db, link_id, now)
    counted = plan.seen_until is None or given.occurred_at > plan.seen_until
    if counted:
        await _count(db, plan, given, now)
    await settle(db, "reportScanFailure", given.idempotency_key, link_id, created=counted)
    return ReportScanFailurePayload(link_id=link_id, counted=counted)


async def _count(db: Db, plan: ScanPlan, given: ReportScanFailureInput, now: datetime) -> None:
    failed = fail(plan, given.failure, given.occurred_at, now, detail=given.detail)
    if given.failure is ScanFailure.LAYOUT_CHANGED:
        config = await get_config_version(db, platform_id=plan.platform_id, at=given.occurred_at)
        failed = replace(failed, failed_config_version=config.version if config else None)
    await keep_plan(db, failed)
    if failed.stopped_at is not None and plan.stopped_at is None:
        await notify(db, plan.account_id, NotificationKind.LINK_FAILING, plan.id, told_failure(failed))


@strawberry.type
class FailureMutation:
    """The root field by which extensions tell of failures."""

    @mutation("snapshots:write")
    async def report_scan_failure(self, info: Info, input: ReportScanFailureInput) -> ReportScanFailurePayload | None:
        """Tell that a scan failed, and why. After five in a row, or at once where waiting is all that helps, requests stop."""
        async with info.context.db.transaction():
            return await report(info.context.db, input, datetime.now(UTC))
