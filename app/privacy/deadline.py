"""Deadlines: until when a platform must answer, by calendar, law and the person's own clock.

| law  | asked for                    | deadline                                   | extended once                 |
|------|------------------------------|--------------------------------------------|-------------------------------|
| GDPR | anything                     | one month (Art. 12 (3))                    | three months from the request |
| CCPA | access, deletion, correction | 45 calendar days (Cal. Civ. Code 1798.130) | 90 days from the request      |
| CCPA | sale opt-out, opt-in         | 15 business days (11 CCR 7026)             | never                         |

A month ends on the same day of the next, or on its last where it has no such day. A period of the GDPR that would end on a
Saturday or Sunday ends with the next Monday (Regulation 1182/71, Art. 3 (4)). Public holidays differ from place to place and
are not counted, so that none is told too late by them. The day of the request does not count; the last day counts whole.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

import strawberry

from app.privacy.platform_contact import Regime


@strawberry.enum(description="What a person asks of a platform.")
class RightsAction(Enum):
    """Values as in the database; the Data Rights Protocol's, and two that only the GDPR has a name for."""

    ACCESS = strawberry.enum_value("ACCESS", description="A copy of all data.")
    DELETION = strawberry.enum_value("DELETION", description="That all data be deleted.")
    CORRECTION = strawberry.enum_value("CORRECTION", description="That wrong data be put right.")
    PORTABILITY = strawberry.enum_value("PORTABILITY", description="The data in a form that another service reads. GDPR only.")
    SALE_OPT_OUT = strawberry.enum_value("SALE_OPT_OUT", description="That data be neither sold nor shared. CCPA only.")
    SALE_OPT_IN = strawberry.enum_value("SALE_OPT_IN", description="To take an opt-out back. CCPA only.")


OPT_OUTS = frozenset({RightsAction.SALE_OPT_OUT, RightsAction.SALE_OPT_IN})
"""What is to be done within days, and cannot be extended."""


def expected_by(regime: Regime, action: RightsAction, asked_at: datetime, zone: str, *, extended: bool = False) -> datetime:
    """The moment at which the last day for an answer is over where the person lives."""
    here = ZoneInfo(zone)
    last = last_day(regime, action, asked_at.astimezone(here).date(), extended=extended)
    return datetime.combine(last + timedelta(days=1), time(), here).astimezone(UTC)


def last_day(regime: Regime, action: RightsAction, asked: date, *, extended: bool = False) -> date:
    """The last day on which an answer is in time."""
    if action in OPT_OUTS:
        return business_days_later(asked, 15)
    if regime is Regime.CCPA:
        return asked + timedelta(days=90 if extended else 45)
    return next_working_day(months_later(asked, 3 if extended else 1))


def months_later(day: date, months: int) -> date:
    """The same day some months later, or the last of a month that has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def next_working_day(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)


def business_days_later(day: date, count: int) -> date:
    """The day after so many days from Monday to Friday."""
    weeks, rest = divmod(count, 5)
    start = day - timedelta(days=max(0, day.weekday() - 4))  # a weekend counts from its Friday
    later = start + timedelta(weeks=weeks)
    for _ in range(rest):
        later += timedelta(days=3 if later.weekday() == 4 else 1)
    return later
