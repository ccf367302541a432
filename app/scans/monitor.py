"""Monitors: a URL is scanned again by schedule, and somebody is told what became other than it was.

Every minute a job looks where something is due, or has ended and was not compared yet; what was done stands in the rows, so a
run that was cut off or comes twice asks for nothing twice. Each scan costs what a scan costs: where that is not there the
monitor is paused, says why, and goes on when somebody says so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.data_export import decodes
from app.core.data_key import derive_key, seal, unseal, unseal_all
from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.core.outbox import announce, publish
from app.core.plan import LimitReached, check_limit, get_allowance
from app.core.usage_counter import counts
from app.core.wallet import InsufficientCredits
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue_many, job
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.vault import new_id
from app.scans.comparison import ScanChange, changes_between
from app.scans.flow import ScanSettings
from app.scans.scan import URL_KEY, Scan, ScanState, ScanVisibility
from app.scans.submission import check_target, create
from app.scans.url import parse_url, url_hash

TABLE = "scans.monitor"
MONITOR_CHANGED = announce("scans.monitor_changed", "Monitor", "A monitored URL is not what it was: `changes` says what.")
MONITOR_PAUSED = announce("scans.monitor_paused", "Monitor", "A URL is not monitored any more: `reason` says why.")
READS = frozenset({"scans:read", "scans:write"})
JITTER = 0.05
"""So much of an interval a scan may be early or late, so that what was made at once is not due at once forever."""
MOST_HOURS = 720
DAILY = "scans.monitor_daily_scans"
WORKSPACES = 1000

constraint("monitor_url_hash_key", ErrorCode.BAD_INPUT, "This URL is monitored already; see monitors.", field="url")


@strawberry.enum(description="Why a URL is not monitored at present.")
class PauseReason(Enum):
    """Values as in the database."""

    ASKED = strawberry.enum_value("ASKED", description="Somebody said so.")
    NO_CREDITS = strawberry.enum_value("NO_CREDITS", description="The wallet did not hold what a scan costs.")
    LIMIT_REACHED = strawberry.enum_value("LIMIT_REACHED", description="The plan allows no more scans this month.")
    MEMBER_LEFT = strawberry.enum_value("MEMBER_LEFT", description="Whoever made it is no member of the workspace any more.")


@strawberry.type(description="A URL that is scanned again and again.")
class Monitor(Node):
    """Seen by all members of its workspace; who made it is told what changed."""

    node_statement = "scans/monitor.edge_monitor"
    node_scopes = READS

    latest_scan_id: strawberry.Private[UUID | None]
    pending_scan_id: strawberry.Private[UUID | None]

    host: str
    masked_url: str = strawberry.field(description="The URL without what might be secret in it.")
    interval_hours: int
    alert_on: list[ScanChange] = strawberry.field(description="What is told.")
    due_at: datetime = strawberry.field(description="When it is scanned next, unless it is paused.")
    paused_at: datetime | None
    pause_reason: PauseReason | None
    created_at: datetime

    latest_scan: Scan | None = edge(
        "scans/scan.edge_scan", ids="latest_scan_id", description="The last that completed: what the next is compared with."
    )
    pending_scan: Scan | None = edge("scans/scan.edge_scan", ids="pending_scan_id", description="The one under way.")


@dataclass(frozen=True)
class Used:
    """How many there are."""

    used: int


@dataclass(frozen=True)
class Named:
    """A monitor or a workspace."""

    id: UUID


@dataclass(frozen=True)
class Due:
    """A monitor that is held, to be scanned."""

    id: UUID
    member_id: UUID
    due_at: datetime
    interval_hours: int
    url_hash: bytes
    url_sealed: bytes
    is_member: bool


@dataclass(frozen=True)
class Ended:
    """A monitor that is held, whose scan has ended."""

    id: UUID
    member_id: UUID
    latest_scan_id: UUID | None
    pending_scan_id: UUID | None
    alert_on: list[str]
    state: str


sql = File("scans/monitor")
count_monitor = sql.one("count_monitor", Used)
delete = sql.one("delete_monitor", Named)
monitors_by_id = sql.edge("edge_monitor", Monitor)
insert_monitor = sql.one("insert_monitor", Named)
lock_compared_monitor = sql.one("lock_compared_monitor", Ended)
lock_due_monitor = sql.one("lock_due_monitor", Due)
page_monitor = sql.page("page_monitor", Monitor)
update_compared = sql.exec("update_compared")
update = sql.one("update_monitor", Named)
update_paused = sql.one("update_paused", Named)
update_pending = sql.exec("update_pending")
list_watchful = sql.many("list_watchful", Named)


class Tick(BaseModel, frozen=True):
    """Nothing but that it is time."""


class WatchOver(BaseModel, frozen=True):
    """Whose monitors are due."""

    workspace_id: UUID


def next_due(due_at: datetime, interval_hours: int, now: datetime, share: float) -> datetime:
    """When a monitor that is due is scanned next: in the rhythm that it has, and never for what was missed.

    ``share`` is -1 to 1, of the jitter. Always after ``now``, at most an interval and its jitter later.
    """
    interval = timedelta(hours=interval_hours)
    passed = max(0, (now - due_at) // interval)
    return max(due_at + interval * (passed + 1 + JITTER * share), now + timedelta(minutes=1))


@job("scans.watch_over", WatchOver, concurrency=2)
async def watch_over(work: Work, payload: WatchOver) -> None:
    """A monitor at a time, each complete in itself: cut off anywhere, the rest is found again."""
    await run_monitors(work.db, work.settings, datetime.now(UTC))


@job("scans.watch", Tick, cron="* * * * *", concurrency=1)
async def watch(work: Work, payload: Tick) -> None:
    """Every minute, for each workspace with something to do, a job of its own."""
    await find_due(work.db, datetime.now(UTC))


async def find_due(db: Db, now: datetime) -> None:
    """Ask for what is due at a moment, across workspaces, as the worker."""
    async with db.transaction():
        found = await list_watchful(db, now=now, limit=WORKSPACES)
        await enqueue_many(db, watch_over, [(WatchOver(workspace_id=each.id), str(each.id)) for each in found])


async def run_monitors(db: Db, settings: ScanSettings, now: datetime) -> None:
    """Compare what has ended, then scan what is due, in the workspace of the job."""
    while await _compare_one(db):
        pass
    while await _scan_one(db, settings, now):
        pass


async def _scan_one(db: Db, settings: ScanSettings, now: datetime) -> bool:
    """Whether there was one."""
    refused: tuple[UUID, UUID, PauseReason] | None = None
    try:
        async with db.transaction():
            due = await lock_due_monitor(db, now=now)
            if due is None:
                return False
            refused = (due.id, due.member_id, PauseReason.MEMBER_LEFT)
            if due.is_member:
                url = parse_url((await unseal(db, settings, TABLE, "url_sealed", due.id, due.url_sealed)).decode())
                made = await create(db, settings, url, due.url_hash, ScanVisibility.PRIVATE, due.member_id)
                share = random.uniform(-1, 1)  # noqa: S311 - nothing depends on whether it can be guessed
                # A plan that was changed meanwhile slows down what was chosen under another, and says nothing of it.
                hours = max(due.interval_hours, (await _shortest_interval(db)).hours)
                await update_pending(db, id=due.id, scan_id=made.id, due_at=next_due(due.due_at, hours, now, share))
                return True
    except (InsufficientCredits, LimitReached) as error:  # what this transaction did is undone
        assert refused is not None
        reason = PauseReason.NO_CREDITS if isinstance(error, InsufficientCredits) else PauseReason.LIMIT_REACHED
        refused = (refused[0], refused[1], reason)
    await _pause(db, *refused)
    return True


async def _pause(db: Db, monitor_id: UUID, member_id: UUID, reason: PauseReason) -> None:
    async with db.transaction():
        if await update_paused(db, id=monitor_id, reason=reason.value) is None:
            return  # another job was refused at the same time, and has told it
        await notify(db, member_id, NotificationKind.MONITOR_PAUSED, monitor_id, {"reason": reason.value})
        await publish(db, MONITOR_PAUSED, monitor_id, {"reason": reason.value})


async def _compare_one(db: Db) -> bool:
    """Whether there was one."""
    async with db.transaction():
        return await compare_next(db)


async def compare_next(db: Db) -> bool:
    """Compare a scan that ended with the one before and tell what changed, in the open transaction; whether there was one."""
    ended = await lock_compared_monitor(db)
    if ended is None:
        return False
    completed = ScanState(ended.state) is ScanState.COMPLETED
    if completed and ended.latest_scan_id is not None and ended.pending_scan_id is not None:
        found = await changes_between(db, ended.latest_scan_id, ended.pending_scan_id)
        told = [each.name for each in found if each.name in ended.alert_on]
        if told:
            await notify(db, ended.member_id, NotificationKind.SCAN_CHANGED, ended.id, {"changes": told})
            await publish(db, MONITOR_CHANGED, ended.id, {"changes": told})
    await update_compared(db, id=ended.id, completed=completed)
    return True


@tells(NotificationKind.SCAN_CHANGED, "Monitor")
async def tell_changed(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """Of which URL, and what is other than it was."""
    return await _tell(db, notifications, "changed", lambda detail: "Changed: " + ", ".join(map(_word, detail["changes"])))


@tells(NotificationKind.MONITOR_PAUSED, "Monitor")
async def tell_paused(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """Of which URL, and why."""
    return await _tell(db, notifications, "not monitored any more", lambda detail: f"Why: {_word(detail['reason'])}")


def _word(value: str) -> str:
    return value.lower().replace("_", " ")


async def _tell(db: Db, notifications: Sequence[Any], what: str, say: Any) -> list[NotificationText]:
    monitors = await monitors_by_id(db, ids=[notification.object_id for notification in notifications])
    return [
        NotificationText(
            title=f"{monitor.host if monitor else 'A URL'}: {what}",
            body=f"{monitor.masked_url if monitor else 'The monitor was deleted.'}\n\n{say(notification.detail)}",
        )
        for notification, monitor in zip(notifications, monitors, strict=True)
    ]


@strawberry.input(description="What to scan again, and how often.")
class CreateMonitorInput:
    """The first scan is due at once."""

    url: str = strawberry.field(description="As submitScan takes it.")
    interval_hours: int = strawberry.field(
        description="1 to 720, and no less than 24 by the plan's scans.monitor_daily_scans; a scan comes up to a twentieth of "
        "it earlier or later."
    )
    idempotency_key: str
    alert_on: list[ScanChange] | None = strawberry.field(
        default=None,
        description="What to be told: everything but CONTENT when left out, for most pages are never the same twice.",
    )


@strawberry.input(description="What is to be other about a monitor.")
class UpdateMonitorInput:
    """What is left out stays as it is."""

    id: strawberry.ID
    interval_hours: int | None = None
    alert_on: list[ScanChange] | None = None
    paused: bool | None = strawberry.field(default=None, description="False goes on, also after credits ran out.")


@strawberry.type(description="The monitor.")
class CreateMonitorPayload:
    """The monitor."""

    monitor_id: strawberry.Private[UUID]

    monitor: Monitor = edge("scans/monitor.edge_monitor", ids="monitor_id")


@strawberry.type(description="The monitor as it is now.")
class UpdateMonitorPayload:
    """The monitor as it is now."""

    monitor_id: strawberry.Private[UUID]

    monitor: Monitor = edge("scans/monitor.edge_monitor", ids="monitor_id")


@strawberry.type(description="The monitor is gone; its scans stay.")
class DeleteMonitorPayload:
    """The monitor is gone; its scans stay."""

    deleted: bool


def check_interval(hours: int | None) -> int | None:
    """1 to 720. Raises BAD_INPUT."""
    if hours is not None and not 1 <= hours <= MOST_HOURS:
        raise AppError(ErrorCode.BAD_INPUT, f"intervalHours is 1 to {MOST_HOURS}.", field="intervalHours")
    return hours


def check_alerts(chosen: list[ScanChange] | None) -> list[str] | None:
    """Each once, in their order. Raises BAD_INPUT."""
    if chosen is not None and not chosen:
        raise AppError(ErrorCode.BAD_INPUT, "alertOn names at least one kind of change.", field="alertOn")
    return None if chosen is None else [each.name for each in ScanChange if each in chosen]


@dataclass(frozen=True)
class Shortest:
    """The shortest interval that a plan allows, in whole hours."""

    hours: int
    plan: str


async def _shortest_interval(db: Db) -> Shortest:
    """Of the workspace's plan, which says how many scans a day one monitor may have."""
    allowance = await get_allowance(db, name=DAILY)
    assert allowance is not None  # every workspace has a plan
    daily = 24 if allowance.amount is None else min(allowance.amount, 24)
    return Shortest(-(-24 // daily) if daily > 0 else MOST_HOURS, allowance.plan)


async def check_plan(db: Db, hours: int | None) -> None:
    """Whether the plan allows an interval. Raises LIMIT_REACHED."""
    if hours is None or hours >= (shortest := await _shortest_interval(db)).hours:
        return
    message = f"The plan {shortest.plan} allows an intervalHours of {shortest.hours} or more. Choose one, or change the plan."
    raise AppError(ErrorCode.LIMIT_REACHED, message, field="intervalHours")


@counts("scans.monitors")
async def _count(db: Db) -> int:
    found = await count_monitor(db)
    assert found is not None
    return found.used


@strawberry.type
class MonitorQuery:
    """Root fields that read monitors."""

    @query("scans:read")
    async def monitors(self, info: Info, first: int = 20, after: str | None = None) -> Page[Monitor] | None:
        """The workspace's monitors, the newest first."""
        return await page(page_monitor, info.context.db, first, after)


@strawberry.type
class MonitorMutation:
    """Root fields that say what is monitored."""

    @mutation("scans:write")
    async def create_monitor(self, info: Info, input: CreateMonitorInput) -> CreateMonitorPayload | None:
        """Have a URL scanned again and again, each time for what a scan costs."""
        db, settings = info.context.db, info.context.settings
        async with db.transaction():
            chosen = None if input.alert_on is None else [each.name for each in input.alert_on]
            done = await claim(db, "createMonitor", input.idempotency_key, [input.url, input.interval_hours, chosen])
            if done is not None:
                assert done.result_id is not None
                (found,) = await monitors_by_id(db, ids=[done.result_id])
                if found is None:
                    raise AppError(ErrorCode.NOT_FOUND, "The monitor that this key made was deleted. Use a new key.")
                return CreateMonitorPayload(monitor_id=done.result_id)
            await check_limit(db, "scans.monitors", _count)
            hours = check_interval(input.interval_hours)
            await check_plan(db, hours)
            alert_on = check_alerts(input.alert_on) or [e.name for e in ScanChange if e is not ScanChange.CONTENT]
            url = parse_url(input.url)
            check_target(url, loopback=settings.scan_loopback)
            monitor_id = new_id()
            made = await insert_monitor(
                db,
                id=monitor_id,
                interval_hours=hours,
                host=url.masked_host,
                masked_url=url.masked,
                alert_on=alert_on,
                url_hash=url_hash(await derive_key(db, settings, URL_KEY), url.canonical),
                url_sealed=await seal(db, settings, TABLE, "url_sealed", monitor_id, url.canonical.encode()),
            )
            assert made is not None
            await settle(db, "createMonitor", input.idempotency_key, monitor_id)
        return CreateMonitorPayload(monitor_id=monitor_id)

    @mutation("scans:write")
    async def update_monitor(self, info: Info, input: UpdateMonitorInput) -> UpdateMonitorPayload | None:
        """Change how often a URL is scanned and what is told, pause it, or let it go on."""
        monitor_id = parse_uuid(input.id, "Monitor", field="id")
        hours, alert_on = check_interval(input.interval_hours), check_alerts(input.alert_on)
        async with info.context.db.transaction():
            await check_plan(info.context.db, hours)
            found = await update(info.context.db, id=monitor_id, interval_hours=hours, alert_on=alert_on, paused=input.paused)
        if found is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no such monitor in this workspace.", field="id")
        return UpdateMonitorPayload(monitor_id=monitor_id)

    @mutation("scans:write")
    async def delete_monitor(self, info: Info, id: strawberry.ID) -> DeleteMonitorPayload | None:
        """Monitor a URL no longer. Its scans stay; deleting it again says that there is none."""
        monitor_id = parse_uuid(id, "Monitor", field="id")
        async with info.context.db.transaction():
            gone = await delete(info.context.db, id=monitor_id)
        if gone is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no such monitor in this workspace.", field="id")
        return DeleteMonitorPayload(deleted=True)


@decodes(
    TABLE, "url_sealed", name="url", schema={"type": ["string", "null"], "description": "The URL; null where its key is gone."}
)
async def _urls(db: Db, settings: ScanSettings, rows: Sequence[dict[str, Any]]) -> list[str | None]:
    sealed = [(UUID(row["id"]), bytes.fromhex(row["url_sealed"].removeprefix("\\x"))) for row in rows]
    return [None if url is None else url.decode() for url in await unseal_all(db, settings, TABLE, "url_sealed", sealed)]
