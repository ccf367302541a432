"""Notification preferences: what a member wants to be told, how, and when not. Each has their own, in each workspace."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import strawberry

from app.core.account import get_account
from app.core.notification import NotificationKind, Significance, update_waiting_mail
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, query
from app.kit.sql import File

DIGEST_TIME = timedelta(hours=8)
"""On Mondays, from this time of the day on, the digest of the week is due."""
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@strawberry.type(description="How notifications of one kind reach the person.")
class NotificationChannels:
    """Both are on by default."""

    kind: NotificationKind
    in_app: bool = strawberry.field(description="They are shown in `notifications`, and counted.")
    email: bool = strawberry.field(description="They are mailed.")


@strawberry.type(description="Hours without mail, by the clock of the account's time zone.")
class QuietHours:
    """What comes up then is mailed when they end; in the app it shows at once."""

    from_: str = strawberry.field(name="from", description="HH:MM, 00:00 to 23:59.")
    until: str = strawberry.field(description="HH:MM; earlier than `from` when midnight lies between.")


@strawberry.type(description="What the caller wants to be told in the active workspace, how, and when not.")
class NotificationPreferences:
    """As the API shows a row, or its absence."""

    channels: list[NotificationChannels] = strawberry.field(description="Every kind, once.")
    weekly_digest: bool = strawberry.field(
        description="A summary each week, on Monday from 08:00 by the clock of the account's time zone. Off by default."
    )
    minimum_significance: Significance = strawberry.field(
        description="Alerts of changes begin here, in the order of the enum; WORDING by default."
    )
    quiet_hours: QuietHours | None
    time_zone: str = strawberry.field(description="The account's: IANA name, such as Europe/Berlin.")


@dataclass(frozen=True)
class NotificationPreference:
    """A row. Minutes count from midnight; bit n of ``in_app_off`` and ``email_off`` stands for kind n."""

    digest_week: int = 0
    in_app_off: int = 0
    email_off: int = 0
    quiet_from: int | None = None
    quiet_until: int | None = None
    weekly_digest: bool = False
    minimum_significance: Significance = Significance.WORDING

    def mails(self, kind: NotificationKind) -> bool:
        """Whether notifications of the kind are mailed."""
        return not self.email_off & kind.bit

    def quiet_end(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours end that it is now; None when it is none."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        return end_of_quiet(now, zone, self.quiet_from, self.quiet_until)


@dataclass(frozen=True, kw_only=True)
class Reader(NotificationPreference):
    """Whom a mail goes to, by whose clock, and what they want."""

    email: str
    display_name: str
    time_zone: str


@dataclass(frozen=True)
class DigestReader:
    """Who wants digests, by whose clock, and the week of the last."""

    workspace_id: UUID
    account_id: UUID
    time_zone: str
    digest_week: int


DEFAULTS = NotificationPreference()

sql = File("core/notification_preference")
get_preference = sql.one("get_notification_preference", NotificationPreference)
get_reader = sql.one("get_reader", Reader)
list_digest_readers = File("core/across").many("list_digest_reader", DigestReader)
insert_preference = sql.exec("insert_notification_preference")
lock_preference = sql.one("lock_notification_preference", NotificationPreference)
update_preference = sql.exec("update_notification_preference")


def zone_of(name: str) -> ZoneInfo:
    """The time zone; UTC where its name means nothing any more."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_quiet(moment: datetime, zone: ZoneInfo, start: int, end: int) -> bool:
    """Whether the zone's clock shows a minute of the window, which may lie over midnight."""
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    return start <= minute < end if start < end else minute >= start or minute < end


def end_of_quiet(now: datetime, zone: ZoneInfo, start: int, end: int) -> datetime | None:
    """The first moment from which the zone's clock shows a minute outside of the window; None when it does now.

    The minutes are walked one by one: clocks jump and repeat hours, and this is right whatever they do.
    """
    if not is_quiet(now, zone, start, end):
        return None
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    while is_quiet(moment, zone, start, end):
        moment += timedelta(minutes=1)
    return moment


def week_of(now: datetime, zone: ZoneInfo) -> int:
    """The ISO year and week, such as 202647, whose digest is due: a new one from Monday, 08:00 on the zone's clock."""
    clock = now.astimezone(zone).replace(tzinfo=None) - DIGEST_TIME
    year, week, _ = clock.isocalendar()
    return year * 100 + week


@strawberry.input(description="How notifications of one kind are to reach the person. What is left out stays.")
class NotificationChannelsInput:
    """One kind."""

    kind: NotificationKind
    in_app: bool | None = None
    email: bool | None = None


@strawberry.input(description="Hours without mail; with both null there are none.")
class QuietHoursInput:
    """HH:MM by the clock of the account's time zone."""

    from_: str | None = strawberry.field(name="from", description="HH:MM, 00:00 to 23:59.")
    until: str | None = strawberry.field(description="HH:MM; earlier than `from` when midnight lies between.")


@strawberry.input(description="What is to change. What is left out stays.")
class UpdateNotificationPreferencesInput:
    """All of it is optional."""

    channels: list[NotificationChannelsInput] | None = None
    weekly_digest: bool | None = None
    minimum_significance: Significance | None = None
    quiet_hours: QuietHoursInput | None = None


@strawberry.type(description="The preferences as they are now.")
class UpdateNotificationPreferencesPayload:
    """The preferences as they are now."""

    preferences: NotificationPreferences


def changed(row: NotificationPreference, given: UpdateNotificationPreferencesInput) -> NotificationPreference:
    """The row with what was given. Raises BAD_INPUT."""
    in_app_off, email_off = row.in_app_off, row.email_off
    kinds = [channels.kind for channels in given.channels or ()]
    if len(set(kinds)) < len(kinds):
        raise AppError(ErrorCode.BAD_INPUT, "A kind is given twice. Send each kind once.", field="channels")
    for channels in given.channels or ():
        if channels.kind is NotificationKind.SECURITY_ALERT and False in (channels.in_app, channels.email):
            message = "Security alerts cannot be switched off: they tell of what an attacker would do."
            raise AppError(ErrorCode.BAD_INPUT, message, field="channels")
        bit = channels.kind.bit
        if channels.in_app is not None:
            in_app_off = in_app_off & ~bit if channels.in_app else in_app_off | bit
        if channels.email is not None:
            email_off = email_off & ~bit if channels.email else email_off | bit
    quiet = row.quiet_from, row.quiet_until
    if given.quiet_hours is not None:
        quiet = _minutes(given.quiet_hours)
    return replace(
        row,
        in_app_off=in_app_off,
        email_off=email_off,
        quiet_from=quiet[0],
        quiet_until=quiet[1],
        weekly_digest=row.weekly_digest if given.weekly_digest is None else given.weekly_digest,
        minimum_significance=given.minimum_significance or row.minimum_significance,
    )


def _minutes(given: QuietHoursInput) -> tuple[int | None, int | None]:
    if given.from_ is None and given.until is None:
        return None, None
    times = [_TIME.fullmatch(text or "") for text in (given.from_, given.until)]
    if times[0] is None or times[1] is None:
        raise AppError(
            ErrorCode.BAD_INPUT,
            "Quiet hours are two times of the day such as 22:00 and 07:00; send null for both to have none.",
            field="quietHours",
        )
    start, end = (int(time[1]) * 60 + int(time[2]) for time in times if time is not None)
    if start == end:
        raise AppError(
            ErrorCode.BAD_INPUT,
            "Quiet hours that end when they begin would be all day. Switch the channel off, or choose other times.",
            field="quietHours",
        )
    return start, end


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def shown(row: NotificationPreference, time_zone: str) -> NotificationPreferences:
    """A row as the API shows it."""
    quiet = row.quiet_from is not None and row.quiet_until is not None
    return NotificationPreferences(
        channels=[
            NotificationChannels(kind=kind, in_app=not row.in_app_off & kind.bit, email=row.mails(kind))
            for kind in NotificationKind
        ],
        weekly_digest=row.weekly_digest,
        minimum_significance=row.minimum_significance,
        quiet_hours=QuietHours(from_=_text(row.quiet_from or 0), until=_text(row.quiet_until or 0)) if quiet else None,
        time_zone=time_zone,
    )


async def _time_zone(db: Db) -> str:
    account = await get_account(db)
    assert account is not None  # or the token would not have been accepted
    return account.time_zone


@strawberry.type
class NotificationPreferenceQuery:
    """The root field that reads preferences."""

    @query()
    async def notification_preferences(self, info: Info) -> NotificationPreferences | None:
        """What the caller wants to be told in the active workspace, how, and when not."""
        db = info.context.db
        return shown(await get_preference(db) or DEFAULTS, await _time_zone(db))


@strawberry.type
class NotificationPreferenceMutation:
    """The root field that changes preferences."""

    @mutation(roles=None)
    async def update_notification_preferences(
        self, info: Info, input: UpdateNotificationPreferencesInput
    ) -> UpdateNotificationPreferencesPayload | None:
        """Change what the caller wants to be told in the active workspace. Every member may, for themselves."""
        db = info.context.db
        async with db.transaction():
            await insert_preference(db)
            row = await lock_preference(db)
            assert row is not None
            new = changed(row, input)
            time_zone = await _time_zone(db)
            if new.weekly_digest and not row.weekly_digest:  # the first one comes with the next Monday
                new = replace(new, digest_week=max(row.digest_week, week_of(datetime.now(UTC), zone_of(time_zone))))
            await update_preference(
                db,
                digest_week=new.digest_week,
                in_app_off=new.in_app_off,
                email_off=new.email_off,
                quiet_from=new.quiet_from,
                quiet_until=new.quiet_until,
                weekly_digest=new.weekly_digest,
                minimum_significance=new.minimum_significance.value,
            )
            if (new.quiet_from, new.quiet_until) != (row.quiet_from, row.quiet_until):
                await update_waiting_mail(db)
        return UpdateNotificationPreferencesPayload(preferences=shown(new, time_zone))
