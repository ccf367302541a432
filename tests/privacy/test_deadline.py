"""Deadlines: by calendar, law and clock; right on the edges of months, weekends, leap years and daylight saving."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.privacy.deadline import (
    OPT_OUTS,
    RightsAction,
    business_days_later,
    expected_by,
    last_day,
    months_later,
    next_working_day,
)
from app.privacy.platform_contact import Regime

GDPR, CCPA = Regime.GDPR, Regime.CCPA
days = st.dates(date(2020, 1, 1), date(2060, 1, 1))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
zones = st.sampled_from(sorted(available_timezones()))


@pytest.mark.parametrize(
    ("asked", "extended", "expected"),
    [
        ("2026-03-02", False, "2026-04-02"),
        ("2026-01-31", False, "2026-03-02"),  # no 31st of February; its 28th is a Saturday
        ("2027-01-31", False, "2027-03-01"),  # a Sunday
        ("2028-01-31", False, "2028-02-29"),  # a leap year
        ("2026-08-31", False, "2026-09-30"),
        ("2026-11-21", False, "2026-12-21"),
        ("2026-12-31", False, "2027-02-01"),  # the 31st of January is a Sunday
        ("2026-03-02", True, "2026-06-02"),
        ("2026-11-30", True, "2027-03-01"),  # the 28th of February is a Sunday
    ],
)
def test_a_month_of_the_gdpr(asked: str, extended: bool, expected: str) -> None:
    day = date.fromisoformat(asked)
    assert last_day(GDPR, RightsAction.ACCESS, day, extended=extended).isoformat() == expected


@pytest.mark.parametrize(
    ("action", "asked", "extended", "expected"),
    [
        (RightsAction.DELETION, "2026-03-02", False, "2026-04-16"),
        (RightsAction.ACCESS, "2026-03-02", True, "2026-05-31"),
        (RightsAction.CORRECTION, "2027-12-31", False, "2028-02-14"),
        (RightsAction.SALE_OPT_OUT, "2026-03-02", False, "2026-03-23"),  # from Monday to Monday
        (RightsAction.SALE_OPT_OUT, "2026-03-06", False, "2026-03-27"),
        (RightsAction.SALE_OPT_OUT, "2026-03-07", False, "2026-03-27"),  # a Saturday counts as the Friday before
        (RightsAction.SALE_OPT_IN, "2026-03-08", True, "2026-03-27"),  # never longer
    ],
)
def test_days_of_the_ccpa(action: RightsAction, asked: str, extended: bool, expected: str) -> None:
    assert last_day(CCPA, action, date.fromisoformat(asked), extended=extended).isoformat() == expected


@given(days, st.integers(0, 40))
def test_a_month_later_is_the_same_day_or_the_last(day: date, months: int) -> None:
    later = months_later(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and later.day == monthrange(later.year, later.month)[1])


@given(days)
def test_a_working_day_is_the_next_that_is_none_of_a_weekend(day: date) -> None:
    found = next_working_day(day)
    between = [day + timedelta(days=n) for n in range((found - day).days)]
    assert found.weekday() < 5
    assert all(each.weekday() >= 5 for each in between)


@given(days, st.integers(0, 40))
def test_business_days_are_counted_one_by_one(day: date, count: int) -> None:
    expected, left = day, count
    if left == 0 and day.weekday() >= 5:
        return  # no business day lies between a weekend and itself
    while left:
        expected += timedelta(days=1)
        left -= expected.weekday() < 5
    assert business_days_later(day, count) == expected


@given(moments, zones, st.sampled_from([*Regime]), st.sampled_from([*RightsAction]), st.booleans())
def test_the_last_day_is_over_where_the_person_lives(
    moment: datetime, zone: str, regime: Regime, action: RightsAction, extended: bool
) -> None:
    found = expected_by(regime, action, moment, zone, extended=extended)
    here = ZoneInfo(zone)
    asked = moment.astimezone(here).date()
    last = last_day(regime, action, asked, extended=extended)
    midnight = datetime.combine(last + timedelta(days=1), time(), here).astimezone(UTC)
    assert found == midnight > moment
    assert (found - timedelta(minutes=61)).astimezone(here).date() <= last  # the hour before may be skipped, or doubled
    if regime is GDPR and action not in OPT_OUTS:
        assert timedelta(days=27) < found - moment < timedelta(days=97)
        assert last.weekday() < 5


@given(moments, zones)
def test_an_extension_never_shortens(moment: datetime, zone: str) -> None:
    for regime in Regime:
        for action in RightsAction:
            short = expected_by(regime, action, moment, zone)
            long = expected_by(regime, action, moment, zone, extended=True)
            assert long == short if action in OPT_OUTS else long > short


def test_a_clock_that_skips_midnight() -> None:
    """In Santiago the 6th of September 2026 began at one o'clock."""
    found = expected_by(CCPA, RightsAction.SALE_OPT_OUT, datetime(2026, 8, 14, 15, tzinfo=UTC), "America/Santiago")
    assert found == datetime(2026, 9, 5, 4, tzinfo=UTC)
    asked = datetime(2026, 7, 22, 15, tzinfo=UTC)
    assert expected_by(CCPA, RightsAction.DELETION, asked, "America/Santiago") == datetime(2026, 9, 6, 4, tzinfo=UTC)
