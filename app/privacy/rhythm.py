"""When a link is scanned next, and what a failure changes about that: arithmetic on values, without a clock or a database.

A schedule names a local time, and for a week a day. The moment of it is found anew for every date, in the zone that the
person has then: where clocks jump over it, it is the first moment after the jump; where they show it twice, the first. A few
minutes that depend on the link alone spread people who chose the same time. Two scans of one schedule lie half its period
apart at least, whatever is done to clock, zone and frequency; a scheduler that slept asks once, not once for each date.

| failure        | the next request                                                    | scans stop                    |
|----------------|---------------------------------------------------------------------|-------------------------------|
| TRANSIENT      | after 5 minutes, then 20, 80, 320; the schedule's own if that is sooner | at the fifth in a row         |
| BLOCKED        | the schedule's first after 1 day, then 2, 4, 8                      | at the fifth in a row         |
| LAYOUT_CHANGED | when the platform has another config                                | at once                       |
| SIGNED_OUT     | when the person says so                                             | at once                       |

A recorded scan sets all of this right, whoever asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

import strawberry

SPREAD = timedelta(minutes=30)
WINDOW = timedelta(hours=12)
"""How long a requested scan is waited for: the extension sees the request when its browser runs."""
MOST_FAILURES = 5
FIRST_RETRY = timedelta(minutes=5)
FIRST_BLOCK = timedelta(days=1)


@strawberry.enum(description="How often scans of a link are requested.")
class ScanFrequency(Enum):
    """Values as in the database."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MANUAL = strawberry.enum_value("MANUAL", description="Only when the person asks.")


PERIODS = {ScanFrequency.DAILY: timedelta(days=1), ScanFrequency.WEEKLY: timedelta(days=7)}


@strawberry.enum(description="A day of the week.")
class Weekday(Enum):
    """Numbers of ISO 8601, as in the database."""

    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6
    SUNDAY = 7


@strawberry.enum(description="Why a scan failed, which decides when the next one is requested.")
class ScanFailure(Enum):
    """Values as in the database."""

    TRANSIENT = strawberry.enum_value(
        "TRANSIENT", description="The network, a time-out, no answer to a request: tried again within minutes, then hours."
    )
    BLOCKED = strawberry.enum_value("BLOCKED", description="The platform refused, or asked for proof of a human: left alone.")
    LAYOUT_CHANGED = strawberry.enum_value(
        "LAYOUT_CHANGED", description="The settings were not found on the page: waits for another config of the platform."
    )
    SIGNED_OUT = strawberry.enum_value(
        "SIGNED_OUT", description="The person is not signed in to the platform: waits for a scan or resumeScans."
    )


STOPPING = frozenset({ScanFailure.LAYOUT_CHANGED, ScanFailure.SIGNED_OUT})


@dataclass(frozen=True)
class ScanPlan:
    """What is scheduled for a link, and what is known of its last scans."""

    workspace_id: UUID
    id: UUID
    account_id: UUID
    platform_id: UUID
    seen_until: datetime | None
    next_scan_at: datetime | None
    requested_at: datetime | None
    awaited_until: datetime | None
    last_failure_at: datetime | None
    stopped_at: datetime | None
    consecutive_failures: int
    failed_config_version: int | None
    cooldown_minutes: int
    scan_minute: int
    weekday: Weekday | None
    frequency: ScanFrequency
    last_failure: ScanFailure | None
    failure_detail: str | None
    time_zone: str

    def last_at(self, now: datetime) -> datetime | None:
        """When it was requested or scanned last, as far as clocks agree."""
        known = [moment for moment in (self.requested_at, self.seen_until) if moment is not None]
        return min(max(known), now) if known else None

    def free_at(self, now: datetime) -> datetime:
        """From when on the platform's limit lets it be requested."""
        last = self.last_at(now)
        return now if last is None else max(now, last + timedelta(minutes=self.cooldown_minutes))


def spread(link_id: UUID) -> timedelta:
    """How long after its local time a link's scans are requested: always the same, 0 to 30 minutes."""
    return timedelta(seconds=_number(link_id, "spread") % int(SPREAD.total_seconds()))


def spread_weekday(link_id: UUID) -> Weekday:
    """The day of a weekly schedule for which none was chosen."""
    return Weekday(_number(link_id, "weekday") % 7 + 1)


def _number(link_id: UUID, purpose: str) -> int:
    return int.from_bytes(sha256(link_id.bytes + purpose.encode()).digest()[:4])


def moment_of(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """When a local time is on a date: the first of two, or the first moment after one that clocks jump over."""
    local = datetime.combine(day, time(minute // 60, minute % 60), zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    before, after = local.replace(fold=1).astimezone(UTC), moment  # the jump lies between
    new = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=1) // 2)
        if middle.astimezone(zone).utcoffset() == new:
            after = middle
        else:
            before = middle
    return after


def zone_of(name: str) -> ZoneInfo:
    """The zone, or UTC where this machine's data has none of the name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def next_scan(plan: ScanPlan, now: datetime, *, not_before: datetime | None = None) -> datetime | None:
    """The schedule's first moment that is later than now and far enough from the last scan; None for MANUAL."""
    if plan.frequency is ScanFrequency.MANUAL:
        return None
    earliest = max(now, not_before or now)
    last = plan.last_at(now)
    if last is not None:
        earliest = max(earliest, last + distance(plan))
    return next(moment for moment in _moments(plan, earliest) if moment > now and moment >= earliest)


def distance(plan: ScanPlan) -> timedelta:
    """How far two scans of a schedule lie apart at least."""
    return max(PERIODS[plan.frequency] / 2, timedelta(minutes=plan.cooldown_minutes))


def _moments(plan: ScanPlan, begin: datetime) -> Iterator[datetime]:
    """The schedule's moments, from before ``begin`` on."""
    zone = zone_of(plan.time_zone)
    day = begin.astimezone(zone).date() - timedelta(days=2)  # one that clocks or the spread move past midnight
    weekday = plan.weekday or spread_weekday(plan.id)
    while True:
        if plan.frequency is ScanFrequency.DAILY or day.isoweekday() == weekday.value:
            yield moment_of(day, plan.scan_minute, zone) + spread(plan.id)
        day += timedelta(days=1)


def reschedule(plan: ScanPlan, now: datetime) -> ScanPlan:
    """The next moment anew: after another frequency, time or zone, and after a success."""
    return replace(plan, next_scan_at=next_scan(plan, now))


def is_early(plan: ScanPlan, now: datetime) -> bool:
    """Whether a due link was scanned or requested so short a while ago that it is not requested again.

    What failed is tried again before half a period is over, though never within the platform's cooldown.
    """
    last = plan.last_at(now)
    apart = timedelta(minutes=plan.cooldown_minutes) if plan.consecutive_failures else distance(plan)
    return last is not None and now < last + apart


def request(plan: ScanPlan, now: datetime) -> ScanPlan:
    """A scan is requested now, by schedule or by the person."""
    requested = replace(plan, requested_at=now, awaited_until=now + WINDOW)
    return reschedule(requested, now)


def fail(plan: ScanPlan, failure: ScanFailure, at: datetime, now: datetime, *, detail: str | None = None) -> ScanPlan:
    """A scan failed at a moment, of which is heard now. Reports may come in any order: the latest moment names the cause.

    While a link waits for a person or a config, it does not wait for less.
    """
    count = plan.consecutive_failures + 1
    waiting = plan.stopped_at is not None and plan.last_failure in STOPPING and failure not in STOPPING
    if not waiting and (plan.last_failure_at is None or not plan.consecutive_failures or at >= plan.last_failure_at):
        plan = replace(plan, last_failure=failure, failure_detail=detail)
    at = at if plan.last_failure_at is None else max(at, plan.last_failure_at)
    stops = count >= MOST_FAILURES or plan.last_failure in STOPPING
    failed = replace(
        plan,
        consecutive_failures=count,
        last_failure_at=at,
        awaited_until=None,
        stopped_at=plan.stopped_at or (now if stops else None),
    )
    return replace(failed, next_scan_at=_next_try(failed, count, now))


def _next_try(plan: ScanPlan, count: int, now: datetime) -> datetime | None:
    if plan.frequency is ScanFrequency.MANUAL:
        return None
    back_off = min(count, MOST_FAILURES) - 1
    if plan.last_failure is ScanFailure.BLOCKED:
        return next_scan(plan, now, not_before=now + FIRST_BLOCK * 2**back_off)
    scheduled = next_scan(plan, now)
    if plan.last_failure is not ScanFailure.TRANSIENT or scheduled is None:
        return scheduled
    retry: timedelta = FIRST_RETRY * 4**back_off
    return min(scheduled, max(now + retry, plan.free_at(now)))


def miss(plan: ScanPlan, now: datetime) -> ScanPlan:
    """Nobody answered the open request."""
    return fail(plan, ScanFailure.TRANSIENT, min(plan.awaited_until or now, now), now, detail="No scan came after a request.")


def resume(plan: ScanPlan, now: datetime) -> ScanPlan:
    """As if nothing had failed: the person says so, or the platform has another config."""
    return reschedule(replace(plan, consecutive_failures=0, stopped_at=None, awaited_until=None), now)
