"""Schedules: when scans of a link are requested. Extensions scan; the server could not, it has nobody's credentials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, notify_many
from app.core.outbox import announce, publish
from app.core.plan import LimitReached, get_allowance
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, parse_uuid
from app.kit.jobs import Work, job
from app.kit.sql import File
from app.privacy.rhythm import (
    ScanFrequency,
    ScanPlan,
    Weekday,
    is_early,
    miss,
    request,
    reschedule,
    resume,
)

if TYPE_CHECKING:
    from app.privacy.platform_link import PlatformLink

SCAN_REQUESTED = announce("privacy.scan_requested", "PlatformLink", "A link is to be scanned now.", personal=True)

BATCH = 200
"""How many links the scheduler holds at once."""

_LOCAL_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@strawberry.type(description="When scans of a link are requested of the person's extension.")
class ScanSchedule:
    """Times are told as moments; ``at`` and ``weekday`` are by the person's clock."""

    frequency: ScanFrequency
    at: str = strawberry.field(
        description="Preferred local time, such as 09:00; a few minutes later, so that people are spread."
    )
    weekday: Weekday | None = strawberry.field(
        description="Preferred day of a weekly schedule. Null when none was chosen: links are spread over the week."
    )
    time_zone: str = strawberry.field(description="IANA name of the zone of `at`, that of the person whose link it is.")
    next_scan_at: datetime | None = strawberry.field(
        description="When a scan is requested next; null where none is: MANUAL, ended, or stopped by failures."
    )
    requested_at: datetime | None = strawberry.field(description="When a scan was requested last.")
    awaited_until: datetime | None = strawberry.field(
        description="Until when the last request is waited for; null when it was answered. Then it counts as missed."
    )
    stopped_at: datetime | None = strawberry.field(
        description="Since when no scans are requested by schedule, because of what failed."
    )


@dataclass(frozen=True)
class LockedScanPlan(ScanPlan):
    """A plan that is held, of a link that may have ended."""

    ended: bool


@dataclass(frozen=True)
class Pace:
    """How many requests were granted."""

    granted: int


@dataclass(frozen=True)
class DuePlatform:
    """A platform with links that are due."""

    id: UUID


sql = File("privacy/schedule")
schedules_by_link = sql.edge("edge_schedule", ScanSchedule)
lock_scan_plan = sql.one("lock_scan_plan", LockedScanPlan)
take_scan_pace = sql.one("take_scan_pace", Pace)
update_scan_plan = sql.exec("update_scan_plan")

across = File("privacy/across")
insert_scan_request = across.exec("insert_scan_request")
list_due_platform = across.many("list_due_platform", DuePlatform)
lock_due_plan = across.many("lock_due_plan", ScanPlan)
lock_missed_plan = across.many("lock_missed_plan", ScanPlan)
lock_outdated_plan = across.many("lock_outdated_plan", ScanPlan)
update_scan_plan_of_any = across.exec("update_scan_plan_of_any")


async def hold_plan(db: Db, link_id: UUID, now: datetime) -> LockedScanPlan:
    """The plan of a link, held to the end of the transaction. Raises NOT_FOUND, LINK_ENDED."""
    plan = await lock_scan_plan(db, id=link_id, now=now)
    if plan is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such platform link in this workspace.", field="linkId")
    if plan.ended:
        raise AppError(ErrorCode.LINK_ENDED, "This link was ended. Link the platform again to go on.", field="linkId")
    return plan


async def keep_plan(db: Db, plan: ScanPlan) -> None:
    """Write what a link's plan has become."""
    await update_scan_plan(
        db,
        id=plan.id,
        frequency=plan.frequency.value,
        scan_minute=plan.scan_minute,
        weekday=plan.weekday.value if plan.weekday else None,
        next_scan_at=plan.next_scan_at,
        requested_at=plan.requested_at,
        awaited_until=plan.awaited_until,
        consecutive_failures=plan.consecutive_failures,
        last_failure=plan.last_failure.value if plan.last_failure else None,
        last_failure_at=plan.last_failure_at,
        failure_detail=plan.failure_detail,
        failed_config_version=plan.failed_config_version,
        stopped_at=plan.stopped_at,
    )


async def begin(db: Db, link_id: UUID, now: datetime) -> None:
    """The first moment of a new link's schedule, in the transaction that makes the link."""
    await keep_plan(db, reschedule(await hold_plan(db, link_id, now), now))


async def recover(db: Db, link_id: UUID, now: datetime) -> None:
    """The schedule goes on after a scan has ended what failed, in the transaction that records it."""
    plan = await hold_plan(db, link_id, now)
    if not plan.consecutive_failures:
        await keep_plan(db, reschedule(plan, now))


# The scheduler


class Tick(BaseModel, frozen=True):
    """Nothing but that it is time."""


@job("privacy.request_scans", Tick, cron="* * * * *", concurrency=1)
async def request_scans(work: Work, payload: Tick) -> None:
    """Every minute. What was done stands in the rows, so that a run that was cut off is simply done again."""
    await run_scheduler(work.db, datetime.now(UTC))


async def run_scheduler(db: Db, now: datetime) -> int:
    """Ask for the scans that are due at a moment, across workspaces, as the worker; how many were asked for."""
    while await _resume_outdated(db, now) == BATCH:
        pass
    while await _count_missed(db, now) == BATCH:
        pass
    requested = 0
    for platform in await list_due_platform(db, now=now):
        while True:
            async with db.transaction():
                found, asked, refused = await _request_due(db, platform.id, now)
            requested += asked
            if refused or found < BATCH:
                break
    return requested


async def _resume_outdated(db: Db, now: datetime) -> int:
    """Links that waited for another config go on with it; how many were found."""
    async with db.transaction():
        plans = await lock_outdated_plan(db, now=now, limit=BATCH)
        await _keep_plans(db, [resume(plan, now) for plan in plans])
    return len(plans)


async def _count_missed(db: Db, now: datetime) -> int:
    """Requests that nobody answered in time have failed; how many were found."""
    async with db.transaction():
        plans = await lock_missed_plan(db, now=now, limit=BATCH)
        missed = [miss(plan, now) for plan in plans]
        await _keep_plans(db, missed)
        await _tell_stopped(db, plans, missed)
    return len(plans)


async def _tell_stopped(db: Db, before: Sequence[ScanPlan], after: Sequence[ScanPlan]) -> None:
    """Tell those whose links are not scanned by schedule any more, from now on."""
    stopped = [new for old, new in zip(before, after, strict=True) if new.stopped_at is not None and old.stopped_at is None]
    for failure in {plan.last_failure for plan in stopped}:
        plans = [plan for plan in stopped if plan.last_failure is failure]
        told = [(plan.workspace_id, plan.account_id, plan.id) for plan in plans]
        await notify_many(db, told, NotificationKind.LINK_FAILING, told_failure(plans[0]))


def told_failure(plan: ScanPlan) -> dict[str, Any]:
    """What a notification of a link that cannot be read says of it."""
    return {"failure": plan.last_failure.value if plan.last_failure else None}


async def _request_due(db: Db, platform_id: UUID, now: datetime) -> tuple[int, int, int]:
    """How many due links of a platform were found, requested, and left due because its limit for this minute is reached.

    What is left is the first to be found a minute later: the order is by how long a link has been due.
    """
    plans = await lock_due_plan(db, platform_id=platform_id, now=now, limit=BATCH)
    wanted = [plan for plan in plans if not is_early(plan, now)]
    pace = await take_scan_pace(db, platform_id=platform_id, now=now, wanted=len(wanted)) if wanted else None
    granted = wanted[: pace.granted] if pace else []
    early = [reschedule(plan, now) for plan in plans if is_early(plan, now)]
    await _keep_plans(db, early + [request(plan, now) for plan in granted])
    if granted:
        await insert_scan_request(
            db, workspace_ids=[plan.workspace_id for plan in granted], link_ids=[plan.id for plan in granted]
        )
    return len(plans), len(granted), len(wanted) - len(granted)


async def _keep_plans(db: Db, plans: Sequence[ScanPlan]) -> None:
    if plans:
        await update_scan_plan_of_any(
            db,
            workspace_ids=[plan.workspace_id for plan in plans],
            ids=[plan.id for plan in plans],
            next_scan_ats=[plan.next_scan_at for plan in plans],
            requested_ats=[plan.requested_at for plan in plans],
            awaited_untils=[plan.awaited_until for plan in plans],
            consecutive_failures=[plan.consecutive_failures for plan in plans],
            last_failures=[plan.last_failure.value if plan.last_failure else None for plan in plans],
            last_failure_ats=[plan.last_failure_at for plan in plans],
            failure_details=[plan.failure_detail for plan in plans],
            stopped_ats=[plan.stopped_at for plan in plans],
        )


# What a person does


@strawberry.input(description="How often scans of a link are requested, and when by the person's clock.")
class ScheduleScansInput:
    """What is left out stays as it was; a weekday goes with WEEKLY alone."""

    link_id: strawberry.ID
    frequency: ScanFrequency
    at: str | None = strawberry.field(
        default=None, description="Local time from 00:00 to 23:59; kept as it was when left out, 09:00 at first."
    )
    weekday: Weekday | None = strawberry.field(
        default=None, description="For WEEKLY: kept as it was when left out. It goes with no other frequency."
    )


@strawberry.input(description="Which link to scan now.")
class RequestScanInput:
    """Asked of the person's extension."""

    link_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="Which link to scan by schedule again.")
class ResumeScansInput:
    """After what kept scans from coming was put right."""

    link_id: strawberry.ID


@strawberry.type(description="The link with its schedule.")
class ScheduleScansPayload:
    """The link with its schedule."""

    link_id: strawberry.Private[UUID]

    link: Annotated[PlatformLink, strawberry.lazy("app.privacy.platform_link")] = edge(
        "privacy/platform_link.edge_platform_link", ids="link_id"
    )


@strawberry.type(description="The link of which a scan was requested.")
class RequestScanPayload:
    """The link of which a scan was requested."""

    link_id: strawberry.Private[UUID]

    link: Annotated[PlatformLink, strawberry.lazy("app.privacy.platform_link")] = edge(
        "privacy/platform_link.edge_platform_link", ids="link_id"
    )


@strawberry.type(description="The link, whose scans go on.")
class ResumeScansPayload:
    """The link, whose scans go on."""

    link_id: strawberry.Private[UUID]

    link: Annotated[PlatformLink, strawberry.lazy("app.privacy.platform_link")] = edge(
        "privacy/platform_link.edge_platform_link", ids="link_id"
    )


def parse_local_time(text: str) -> int:
    """The minute of the day. Raises BAD_INPUT."""
    match = _LOCAL_TIME.fullmatch(text)
    if match is None:
        raise AppError(ErrorCode.BAD_INPUT, "at is a local time from 00:00 to 23:59, such as 09:30.", field="at")
    return int(match[1]) * 60 + int(match[2])


async def choose(db: Db, given: ScheduleScansInput, now: datetime) -> UUID:
    """Schedule a link's scans in the open transaction. Raises BAD_INPUT, LIMIT_REACHED, NOT_FOUND, LINK_ENDED."""
    link_id = parse_uuid(given.link_id, "PlatformLink", field="linkId")
    if given.weekday is not None and given.frequency is not ScanFrequency.WEEKLY:
        raise AppError(ErrorCode.BAD_INPUT, "A weekday goes with the frequency WEEKLY; leave it out.", field="weekday")
    minute = None if given.at is None else parse_local_time(given.at)
    if given.frequency is ScanFrequency.DAILY:
        await _check_daily(db)
    plan = await hold_plan(db, link_id, now)
    chosen = replace(
        plan,
        frequency=given.frequency,
        scan_minute=plan.scan_minute if minute is None else minute,
        weekday=given.weekday or plan.weekday,
    )
    await keep_plan(db, reschedule(chosen, now))
    return link_id


async def check_pace(db: Db, plan: ScanPlan, now: datetime) -> None:
    """Take one request from the platform's limits. Raises TOO_SOON, which says from when on there is one."""
    free_at = plan.free_at(now)
    if free_at > now:
        message = f"A scan of this link was made or requested less than {plan.cooldown_minutes} minutes ago. Ask again later."
    else:
        pace = await take_scan_pace(db, platform_id=plan.platform_id, now=now, wanted=1)
        assert pace is not None
        if pace.granted:
            return
        free_at = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        message = "As many scans of this platform were requested in this minute as it bears. Ask again in the next."
    raise TooSoon(message, free_at)


async def _check_daily(db: Db) -> None:
    """Raises LIMIT_REACHED where the workspace's plan has weekly scans at most."""
    allowance = await get_allowance(db, name="privacy.daily_scans")
    if allowance is None or allowance.amount == 0:
        raise LimitReached("privacy.daily_scans", 0, 0, allowance.plan if allowance else "none")


class TooSoon(AppError):
    """The platform's limit leaves no request now; ``extensions.retryAt`` says from when on there may be one."""

    def __init__(self, message: str, retry_at: datetime) -> None:
        super().__init__(ErrorCode.TOO_SOON, message, field="linkId")
        self.extensions = {**(self.extensions or {}), "retryAt": retry_at.isoformat().replace("+00:00", "Z")}


@strawberry.type
class ScheduleMutation:
    """Root fields by which people say when to scan."""

    @mutation()
    async def schedule_scans(self, info: Info, input: ScheduleScansInput) -> ScheduleScansPayload | None:
        """Choose how often scans of a link are requested. Two of them lie half a day, or half a week, apart at least."""
        async with info.context.db.transaction():
            link_id = await choose(info.context.db, input, datetime.now(UTC))
        return ScheduleScansPayload(link_id=link_id)

    @mutation("snapshots:write")
    async def request_scan(self, info: Info, input: RequestScanInput) -> RequestScanPayload | None:
        """Ask the person's extension for a scan now. Raises TOO_SOON within the platform's limits."""
        link_id = parse_uuid(input.link_id, "PlatformLink", field="linkId")
        db, now = info.context.db, datetime.now(UTC)
        async with db.transaction():
            done = await claim(db, "requestScan", input.idempotency_key, [input.link_id])
            if done is None:
                plan = await hold_plan(db, link_id, now)
                await check_pace(db, plan, now)
                await keep_plan(db, request(plan, now))
                await publish(db, SCAN_REQUESTED, link_id, {"reason": "MANUAL"})
                await settle(db, "requestScan", input.idempotency_key, link_id)
        return RequestScanPayload(link_id=link_id)

    @mutation()
    async def resume_scans(self, info: Info, input: ResumeScansInput) -> ResumeScansPayload | None:
        """Forget what failed: scans are requested by schedule again. A link that is well stays as it is."""
        link_id = parse_uuid(input.link_id, "PlatformLink", field="linkId")
        db, now = info.context.db, datetime.now(UTC)
        async with db.transaction():
            plan = await hold_plan(db, link_id, now)
            if plan.consecutive_failures:
                await keep_plan(db, resume(plan, now))
        return ResumeScansPayload(link_id=link_id)
