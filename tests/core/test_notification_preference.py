"""Preferences: each member's own; hours that are quiet on the clock of a zone, whatever that clock does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.notification import NotificationKind
from app.core.notification_preference import NotificationPreference, end_of_quiet, is_quiet, week_of, zone_of
from tests.conftest import Api
from tests.core.test_member import gather
from tests.factory.notification import PREFERENCES, preferences, tell, update

KINDS = [kind.name for kind in NotificationKind]
MUTABLE = [kind for kind in KINDS if kind != "SECURITY_ALERT"]
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "Africa/Casablanca",  # the other way around
    "Africa/Cairo",  # clocks jump at midnight
    "America/Asuncion",
]
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
minutes = st.integers(0, 1439)
zones = st.sampled_from(ZONES).map(ZoneInfo)


async def test_by_default(api: Api) -> None:
    ada = await api.person("ada")
    assert await preferences(api, ada.token) == {
        "channels": [{"kind": kind, "inApp": True, "email": True} for kind in KINDS],
        "weeklyDigest": False,
        "minimumSignificance": "WORDING",
        "quietHours": None,
        "timeZone": "Europe/Berlin",
    }


async def test_what_is_left_out_stays(api: Api) -> None:
    ada = await api.person("ada")
    wanted = await preferences(api, ada.token)
    for given_ in (
        {"weeklyDigest": True},
        {"quietHours": {"from": "22:30", "until": "07:00"}},
        {"minimumSignificance": "DEFAULT_FLIP"},
        {},
    ):
        wanted |= given_
        answer = await update(api, ada.token, **given_)
        assert answer.data["updateNotificationPreferences"]["preferences"] == wanted
    await update(api, ada.token, channels=[{"kind": "LINK_FAILING", "email": False}, {"kind": "WEEKLY_DIGEST", "inApp": False}])
    wanted["channels"][2]["email"] = wanted["channels"][3]["inApp"] = False
    assert await preferences(api, ada.token) == wanted
    await update(api, ada.token, quietHours={"from": None, "until": None}, weeklyDigest=False)
    assert await preferences(api, ada.token) == wanted | {"quietHours": None, "weeklyDigest": False}


@pytest.mark.parametrize(
    ("given_", "code", "field"),
    [
        ({"quietHours": {"from": "24:00", "until": "07:00"}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "7:00", "until": "08:00"}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "07:60", "until": "08:00"}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "07:00\n", "until": "08:00"}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "\u0660\u0667:\u0660\u0660", "until": "08:00"}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "", "until": ""}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "07:00", "until": None}}, "BAD_INPUT", "quietHours"),
        ({"quietHours": {"from": "07:00", "until": "07:00"}}, "BAD_INPUT", "quietHours"),
        ({"channels": [{"kind": "LINK_FAILING"}, {"kind": "LINK_FAILING"}]}, "BAD_INPUT", "channels"),
        ({"channels": [{"kind": "NOTHING"}]}, "BAD_VARIABLES", None),
        ({"minimumSignificance": "HUGE"}, "BAD_VARIABLES", None),
        ({"weeklyDigest": "yes"}, "BAD_VARIABLES", None),
    ],
)
async def test_wrong_ones_change_nothing(api: Api, given_: dict[str, object], code: str, field: str | None) -> None:
    ada = await api.person("ada")
    answer = await update(api, ada.token, **given_)
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"].get("field") == field
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.notification_preference") == 0


async def test_each_member_has_their_own_a_viewer_too(api: Api) -> None:
    workspace, people = await gather(api)
    change = {"query": PREFERENCES, "operationName": "Update", "variables": {"input": {"weeklyDigest": True}}}
    for role in ("viewer", "auditor"):
        headers = {"Authorization": f"Bearer {people[role].token}", "Fivefold-Workspace": workspace}
        response = await api.http.post("/graphql", json=change, headers=headers)
        assert response.json()["data"]["updateNotificationPreferences"]["preferences"]["weeklyDigest"] is True
    ask = "{ notificationPreferences { weeklyDigest } }"
    found = {
        role: (await api(ask, token=person.token, fivefold_workspace=workspace)).data["notificationPreferences"]["weeklyDigest"]
        for role, person in people.items()
    }
    assert found == {"owner": False, "admin": False, "member": False, "viewer": True, "auditor": True}
    assert (await preferences(api, people["viewer"].token))["weeklyDigest"] is False, "in another workspace"


async def test_two_changes_at_once_are_both_made(api: Api) -> None:
    ada = await api.person("ada")
    await asyncio.gather(*(update(api, ada.token, channels=[{"kind": kind, "email": False}]) for kind in MUTABLE * 3))
    channels = (await preferences(api, ada.token))["channels"]
    assert [channel["kind"] for channel in channels if not channel["email"]] == MUTABLE


async def test_changes_are_audited_and_the_digest_s_week_is_not(api: Api) -> None:
    ada = await api.person("ada")
    await update(api, ada.token, weeklyDigest=True)
    await update(api, ada.token, weeklyDigest=True)
    query = '{ auditEvents(object: "core.notification_preference") { edges { node { action detail } } } }'
    found = [edge["node"] for edge in (await api(query, token=ada.token)).data["auditEvents"]["edges"]]
    assert [(event["action"], sorted(event["detail"])) for event in found] == [
        ("UPDATE", ["weekly_digest"]),
        (
            "INSERT",
            ["account_id", "email_off", "in_app_off", "minimum_significance", "quiet_from", "quiet_until", "weekly_digest"],
        ),
    ]


async def test_mail_that_waits_for_quiet_hours_is_looked_at_again_when_they_change(api: Api) -> None:
    ada = await api.person("ada")
    await tell(api, ada.actor, ada.account_id, NotificationKind.LINK_FAILING, ada.account_id)
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.notification SET send_at = now() + interval '5 hours'")
        await update(api, ada.token, weeklyDigest=False)
        assert await admin.fetchval("SELECT send_at > now() FROM core.notification")
        await update(api, ada.token, quietHours={"from": "01:00", "until": "01:01"})
        assert not await admin.fetchval("SELECT send_at > now() FROM core.notification")


# Quiet hours


@given(moments, zones, minutes, minutes)
@example(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin"), 60, 150)  # ends in an hour that is left out
@example(datetime(2026, 10, 25, 0, 15, tzinfo=UTC), ZoneInfo("Europe/Berlin"), 60, 150)  # ends in an hour that comes twice
@example(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), ZoneInfo("Europe/Berlin"), 60, 150)
@example(datetime(2024, 4, 25, 21, 59, tzinfo=UTC), ZoneInfo("Africa/Cairo"), 1380, 0)
def test_mail_goes_out_in_the_first_minute_that_is_not_quiet(now: datetime, zone: ZoneInfo, start: int, end: int) -> None:
    if start == end:
        return
    until = end_of_quiet(now, zone, start, end)
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    assert (until is not None) is (start <= minute < end if start < end else minute >= start or minute < end)
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
        assert not is_quiet(until, zone, start, end)
        each = now
        while each < until:
            assert is_quiet(each, zone, start, end)
            each += timedelta(minutes=1)


@pytest.mark.parametrize(
    ("now", "zone", "start", "end", "until"),
    [
        ("2026-11-21T23:15:30Z", "Europe/Berlin", "22:00", "07:00", "2026-11-22T06:00:00Z"),
        ("2026-11-21T20:59:59Z", "Europe/Berlin", "22:00", "07:00", None),
        ("2026-11-21T21:00:00Z", "Europe/Berlin", "22:00", "07:00", "2026-11-22T06:00:00Z"),
        ("2026-11-22T06:00:00Z", "Europe/Berlin", "22:00", "07:00", None),
        ("2026-03-28T22:00:00Z", "Europe/Berlin", "22:00", "07:00", "2026-03-29T05:00:00Z"),  # the short night
        ("2026-10-24T21:00:00Z", "Europe/Berlin", "22:00", "07:00", "2026-10-25T06:00:00Z"),  # the long one
        ("2026-03-29T00:30:00Z", "Europe/Berlin", "01:00", "02:30", "2026-03-29T01:00:00Z"),  # 02:30 is left out
        ("2026-10-25T00:15:00Z", "Europe/Berlin", "01:00", "02:30", "2026-10-25T00:30:00Z"),  # 02:30 comes twice
        ("2026-10-25T01:15:00Z", "Europe/Berlin", "01:00", "02:30", "2026-10-25T01:30:00Z"),
        ("2026-11-21T12:00:00Z", "Pacific/Kiritimati", "00:00", "23:59", "2026-11-22T09:59:00Z"),
    ],
)
def test_hours_by_hand(now: str, zone: str, start: str, end: str, until: str | None) -> None:
    window = [int(text[:2]) * 60 + int(text[3:]) for text in (start, end)]
    row = NotificationPreference(quiet_from=window[0], quiet_until=window[1])
    assert row.quiet_end(datetime.fromisoformat(now), ZoneInfo(zone)) == (datetime.fromisoformat(until) if until else None)
    assert NotificationPreference().quiet_end(datetime.fromisoformat(now), ZoneInfo(zone)) is None


def test_a_zone_that_is_none_is_utc() -> None:
    for name in ("Mars/Base", "", "../etc/passwd", "Europe", "a" * 300):
        assert zone_of(name) == ZoneInfo("UTC")
    assert zone_of("Asia/Kolkata") == ZoneInfo("Asia/Kolkata")


# The week of a digest


@given(moments, zones)
def test_a_week_begins_on_monday_at_eight(now: datetime, zone: ZoneInfo) -> None:
    week, local = week_of(now, zone), now.astimezone(zone).replace(tzinfo=None)
    monday = datetime.fromisocalendar(week // 100, week % 100, 1) + timedelta(hours=8)
    assert monday <= local < monday + timedelta(days=7)


@given(moments, zones, zones)
def test_weeks_follow_each_other_and_a_journey_skips_none_twice(now: datetime, one: ZoneInfo, other: ZoneInfo) -> None:
    """Hour by hour through two weeks, in the middle of which the zone changes: the greatest week so far only grows."""
    due: list[int] = []
    last = week_of(now, one)
    for hour in range(24 * 14):
        week = week_of(now + timedelta(hours=hour), one if hour < 24 * 7 else other)
        if week > last:
            due.append(week)
            last = week
    assert len(due) == len(set(due))
    assert 1 <= len(due) <= 3
    for before, after in pairwise(due):
        step = datetime.fromisocalendar(after // 100, after % 100, 1) - datetime.fromisocalendar(before // 100, before % 100, 1)
        assert step == timedelta(days=7)
