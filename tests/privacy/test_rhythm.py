"""The schedule's arithmetic: every zone, every jump of clocks, failures in any order; and what a scheduler makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.privacy.rhythm import (
    MOST_FAILURES,
    SPREAD,
    STOPPING,
    WINDOW,
    ScanFailure,
    ScanFrequency,
    ScanPlan,
    Weekday,
    distance,
    fail,
    is_early,
    miss,
    moment_of,
    next_scan,
    request,
    reschedule,
    resume,
    spread,
    spread_weekday,
    zone_of,
)

LINK = UUID("0199aaaa-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime"})
REPEATING = [f for f in ScanFrequency if f is not ScanFrequency.MANUAL]

zones = st.sampled_from(ZONES)
minutes = st.integers(0, 1439)
days = st.dates(date(2000, 1, 1), date(2060, 12, 31))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))
links = st.uuids()


def plan(**other: object) -> ScanPlan:
    """A daily plan at 09:00 UTC of a link that was never scanned."""
    fresh = ScanPlan(
        workspace_id=LINK,
        id=LINK,
        account_id=LINK,
        platform_id=LINK,
        seen_until=None,
        next_scan_at=None,
        requested_at=None,
        awaited_until=None,
        last_failure_at=None,
        stopped_at=None,
        consecutive_failures=0,
        failed_config_version=None,
        cooldown_minutes=15,
        scan_minute=540,
        weekday=None,
        frequency=ScanFrequency.DAILY,
        last_failure=None,
        failure_detail=None,
        time_zone="UTC",
    )
    return replace(fresh, **other)  # type: ignore[arg-type]


plans = st.builds(
    lambda link, frequency, minute, weekday, zone, cooldown: plan(
        id=link, frequency=frequency, scan_minute=minute, weekday=weekday, time_zone=zone, cooldown_minutes=cooldown
    ),
    links,
    st.sampled_from(REPEATING),
    minutes,
    st.none() | st.sampled_from(Weekday),
    zones,
    st.integers(0, 10_080),
)


def soon(before: datetime | None, after: datetime) -> timedelta:
    assert before is not None
    return after - before


# A local time on a date


@pytest.mark.parametrize(
    ("zone", "day", "minute", "local"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 150, "2026-03-29T03:00:00+02:00"),  # does not exist: the jump
        ("Europe/Berlin", date(2026, 3, 29), 119, "2026-03-29T01:59:00+01:00"),
        ("Europe/Berlin", date(2026, 3, 29), 120, "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", date(2026, 3, 29), 180, "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", date(2026, 10, 25), 150, "2026-10-25T02:30:00+02:00"),  # twice: the first
        ("Europe/Berlin", date(2026, 10, 25), 180, "2026-10-25T03:00:00+01:00"),
        ("America/New_York", date(2026, 3, 8), 150, "2026-03-08T03:00:00-04:00"),
        ("America/Sao_Paulo", date(2018, 11, 4), 10, "2018-11-04T01:00:00-02:00"),  # midnight does not exist
        ("Australia/Lord_Howe", date(2026, 10, 4), 135, "2026-10-04T02:30:00+11:00"),  # a jump of half an hour
        ("Pacific/Apia", date(2011, 12, 30), 540, "2011-12-31T00:00:00+14:00"),  # a day that does not exist
        ("Pacific/Kiritimati", date(2026, 1, 1), 0, "2026-01-01T00:00:00+14:00"),
        ("Etc/GMT+12", date(2026, 1, 1), 1439, "2026-01-01T23:59:00-12:00"),
        ("Asia/Kathmandu", date(2028, 2, 29), 0, "2028-02-29T00:00:00+05:45"),
    ],
)
def test_a_local_time_is_one_moment(zone: str, day: date, minute: int, local: str) -> None:
    assert moment_of(day, minute, ZoneInfo(zone)) == datetime.fromisoformat(local)


@given(zones, days, minutes)
def test_a_moment_shows_its_local_time_or_the_first_one_after_the_jump(zone: str, day: date, minute: int) -> None:
    info = ZoneInfo(zone)
    moment = moment_of(day, minute, info)
    asked = datetime(day.year, day.month, day.day, minute // 60, minute % 60)
    shown = moment.astimezone(info).replace(tzinfo=None)
    assert shown >= asked
    a_second_before = (moment - timedelta(seconds=1)).astimezone(info).replace(tzinfo=None)
    assert a_second_before < asked, "there is no earlier one"


@given(zones, days, minutes, minutes)
def test_moments_of_a_day_keep_their_order(zone: str, day: date, one: int, other: int) -> None:
    info = ZoneInfo(zone)
    first, second = sorted((one, other))
    assert moment_of(day, first, info) <= moment_of(day, second, info)


# The next one


@given(plans, moments)
def test_the_next_scan_lies_ahead_at_its_time(given_plan: ScanPlan, now: datetime) -> None:
    moment = next_scan(given_plan, now)
    assert moment is not None
    period = timedelta(days=1) if given_plan.frequency is ScanFrequency.DAILY else timedelta(days=7)
    assert now < moment <= now + period + timedelta(hours=49), "a day may be left out, and zones differ by 26 hours"
    zone = zone_of(given_plan.time_zone)
    unspread = moment - spread(given_plan.id)
    local = unspread.astimezone(zone)
    shown = local.hour * 60 + local.minute
    if shown != given_plan.scan_minute:
        before = (unspread - timedelta(seconds=1)).astimezone(zone)
        assert before.utcoffset() != local.utcoffset(), "only a jump moves it"
    elif given_plan.frequency is ScanFrequency.WEEKLY:
        assert local.isoweekday() == (given_plan.weekday or spread_weekday(given_plan.id)).value


@given(plans, moments, st.timedeltas(timedelta(), timedelta(days=400)))
def test_two_scans_are_far_enough_apart(given_plan: ScanPlan, now: datetime, ago: timedelta) -> None:
    for last in ({"requested_at": now - ago}, {"seen_until": now - ago}, {"seen_until": now + timedelta(minutes=5)}):
        scanned = replace(given_plan, **last)  # type: ignore[arg-type]
        moment = next_scan(scanned, now)
        at = scanned.last_at(now)
        assert moment is not None
        assert at is not None
        assert moment >= at + distance(scanned)
        assert moment > now


@given(links)
def test_people_are_spread_and_a_link_is_always_as_late(link: UUID) -> None:
    assert timedelta() <= spread(link) < SPREAD
    assert spread(link) == spread(UUID(str(link)))
    assert spread_weekday(link) == spread_weekday(UUID(str(link)))


def test_the_spread_covers_its_half_hour_and_the_week() -> None:
    many = [UUID(int=0x0199_0000_0000_7000_8000_0000_0000_0000 + n) for n in range(3000)]
    per_minute = [0] * 30
    for link in many:
        per_minute[int(spread(link).total_seconds() // 60)] += 1
    assert min(per_minute) > 50
    assert {spread_weekday(link) for link in many} == set(Weekday)


def test_manual_has_no_next_one() -> None:
    assert next_scan(plan(frequency=ScanFrequency.MANUAL), NOON) is None
    assert reschedule(plan(frequency=ScanFrequency.MANUAL, next_scan_at=NOON), NOON).next_scan_at is None


def test_an_unknown_zone_is_utc() -> None:
    for name in ("Mars/Olympus", "", "../../etc/passwd", "Europe"):
        assert zone_of(name) == ZoneInfo("UTC")


def test_a_week_has_its_day_in_the_persons_zone() -> None:
    monday = plan(frequency=ScanFrequency.WEEKLY, weekday=Weekday.MONDAY, scan_minute=30, time_zone="Pacific/Kiritimati")
    moment = next_scan(monday, NOON)
    assert moment is not None
    local = moment.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert local.isoweekday() == 1
    assert moment.isoweekday() == 7, "which is Sunday elsewhere"


# A scheduler that asks every minute, or does not


def run(start: ScanPlan, begin: datetime, end: datetime, step: timedelta) -> tuple[ScanPlan, list[datetime]]:
    """What is requested by a scheduler that looks once a step, and nobody answers late: scans come at once."""
    found, now, asked = reschedule(start, begin), begin, []
    while now < end:
        if found.next_scan_at is not None and found.next_scan_at <= now and found.stopped_at is None:
            if is_early(found, now):
                found = reschedule(found, now)
            else:
                found = replace(request(found, now), awaited_until=None, seen_until=now)
                asked.append(now)
        now += step
    return found, asked


@given(plans, moments)
def test_a_year_has_as_many_scans_as_periods(given_plan: ScanPlan, begin: datetime) -> None:
    chosen = replace(given_plan, cooldown_minutes=15)
    period = timedelta(days=1) if chosen.frequency is ScanFrequency.DAILY else timedelta(days=7)
    _, asked = run(chosen, begin, begin + 10 * period, timedelta(hours=1))
    assert 9 <= len(asked) <= 11 or chosen.time_zone in ("Pacific/Apia", "Pacific/Kwajalein", "Pacific/Fakaofo")
    assert all(b - a >= distance(chosen) for a, b in pairwise(asked))


@given(plans, moments, st.timedeltas(timedelta(days=3), timedelta(days=300)))
def test_a_scheduler_that_slept_asks_once(given_plan: ScanPlan, begin: datetime, slept: timedelta) -> None:
    chosen = replace(given_plan, cooldown_minutes=0)
    found = reschedule(chosen, begin)
    woke = begin + timedelta(days=8) + slept
    found, asked = run(replace(found, next_scan_at=found.next_scan_at), woke, woke + timedelta(minutes=5), timedelta(minutes=1))
    assert len(asked) <= 1
    overdue = reschedule(chosen, begin)
    assert overdue.next_scan_at is not None
    assert overdue.next_scan_at <= woke
    assert not is_early(overdue, woke)
    again = request(overdue, woke)
    assert again.next_scan_at is not None
    assert again.next_scan_at >= woke + distance(chosen)


@given(plans, moments, st.timedeltas(timedelta(seconds=1), timedelta(days=3)))
def test_a_clock_that_is_set_back_asks_no_second_time(given_plan: ScanPlan, now: datetime, back: timedelta) -> None:
    asked = request(reschedule(given_plan, now - timedelta(days=9)), now)
    earlier = now - back
    assert asked.next_scan_at is not None
    assert asked.next_scan_at > now > earlier, "not due by the clock that was set back"
    assert is_early(asked, earlier), "and if it were, it would not be requested"


@given(plans, st.sampled_from(REPEATING), minutes, zones, moments)
def test_another_frequency_time_or_zone_keeps_the_distance(
    given_plan: ScanPlan, frequency: ScanFrequency, minute: int, zone: str, now: datetime
) -> None:
    asked = request(given_plan, now)
    other = replace(asked, frequency=frequency, scan_minute=minute, time_zone=zone)
    later = now + timedelta(minutes=1)
    moment = reschedule(other, later).next_scan_at
    assert moment is not None
    assert moment >= now + distance(other)


# Failures

FAILURES = st.sampled_from(ScanFailure)


@given(plans, moments, st.lists(st.tuples(FAILURES, st.timedeltas(timedelta(), timedelta(days=2))), min_size=1, max_size=8))
def test_failures_in_any_order_stop_in_time_and_wait_longer_each_time(
    given_plan: ScanPlan, now: datetime, reports: list[tuple[ScanFailure, timedelta]]
) -> None:
    found = reschedule(given_plan, now)
    for number, (failure, ago) in enumerate(reports, 1):
        found = fail(found, failure, now - ago, now)
        assert found.consecutive_failures == number
        assert found.awaited_until is None
        if number >= MOST_FAILURES:
            assert found.stopped_at is not None
        if found.stopped_at is None:
            assert found.next_scan_at is not None
            assert found.next_scan_at > now
    if len(reports) < MOST_FAILURES:
        assert (found.stopped_at is not None) is (found.last_failure in STOPPING)
    well = resume(found, now)
    assert (well.consecutive_failures, well.stopped_at) == (0, None)
    assert well.next_scan_at == next_scan(found, now)


def test_the_transient_is_tried_again_soon_then_later() -> None:
    found = reschedule(plan(frequency=ScanFrequency.WEEKLY, weekday=Weekday.SUNDAY, cooldown_minutes=0), NOON)
    waits = []
    for _ in range(4):
        found = fail(found, ScanFailure.TRANSIENT, NOON, NOON)
        waits.append(soon(NOON, found.next_scan_at or NOON))
        assert found.stopped_at is None
    assert waits == [timedelta(minutes=m) for m in (5, 20, 80, 320)]
    assert fail(found, ScanFailure.TRANSIENT, NOON, NOON).stopped_at == NOON


def test_a_retry_waits_for_the_cooldown_and_no_longer_than_the_schedule() -> None:
    asked = request(plan(cooldown_minutes=60), NOON)
    assert fail(asked, ScanFailure.TRANSIENT, NOON, NOON).next_scan_at == NOON + timedelta(hours=1)
    late = plan(consecutive_failures=3, last_failure=ScanFailure.TRANSIENT, last_failure_at=NOON, scan_minute=13 * 60)
    tried = fail(late, ScanFailure.TRANSIENT, NOON, NOON).next_scan_at
    assert tried == next_scan(late, NOON)
    assert tried is not None
    assert tried < NOON + timedelta(minutes=320)


def test_the_blocked_is_left_alone_for_days() -> None:
    found = reschedule(plan(), NOON)
    for days_ in (1, 2, 4, 8):
        found = fail(found, ScanFailure.BLOCKED, NOON, NOON)
        assert found.next_scan_at is not None
        assert NOON + timedelta(days=days_) <= found.next_scan_at <= NOON + timedelta(days=days_ + 1)


@pytest.mark.parametrize("failure", [ScanFailure.LAYOUT_CHANGED, ScanFailure.SIGNED_OUT])
def test_what_waiting_does_not_help_stops_at_once(failure: ScanFailure) -> None:
    found = fail(reschedule(plan(), NOON), failure, NOON, NOON)
    assert found.stopped_at == NOON
    later = NOON + timedelta(minutes=1)
    found = fail(found, ScanFailure.TRANSIENT, later, later)
    assert found.last_failure is failure, "what it waits for stays"
    assert found.stopped_at == NOON


def test_the_latest_moment_names_the_cause() -> None:
    found = fail(plan(), ScanFailure.BLOCKED, NOON, NOON, detail="newer")
    found = fail(found, ScanFailure.TRANSIENT, NOON - timedelta(hours=1), NOON, detail="older")
    assert (found.last_failure, found.failure_detail, found.last_failure_at) == (ScanFailure.BLOCKED, "newer", NOON)
    assert found.consecutive_failures == 2


def test_a_missed_request_is_a_transient_failure() -> None:
    asked = request(plan(), NOON)
    late = NOON + WINDOW + timedelta(minutes=3)
    found = miss(asked, late)
    assert (found.last_failure, found.last_failure_at) == (ScanFailure.TRANSIENT, NOON + WINDOW)
    assert found.awaited_until is None
    assert not is_early(found, found.next_scan_at or NOON), "a retry is not held back by half a period"


@given(plans, moments)
def test_a_failing_manual_link_is_never_requested(given_plan: ScanPlan, now: datetime) -> None:
    assume(given_plan.id != LINK)
    manual = reschedule(replace(given_plan, frequency=ScanFrequency.MANUAL), now)
    for failure in ScanFailure:
        assert fail(manual, failure, now, now).next_scan_at is None
