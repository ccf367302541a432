"""Security alerts: what an attacker would do is seen in the audit, and told to whom it concerns. It cannot be muted.

``watch_security`` looks every minute at what the audit recorded since its last look and a while before it, so that what
committed late is not passed over; what was seen before has the same key and is no second alert. The rules are one function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.notification import NotificationKind, NotificationText, tells
from app.core.outbox import announce
from app.core.upkeep import Nothing
from app.kit.context import Info
from app.kit.db import Db
from app.kit.graphql import MANAGERS, Node, query
from app.kit.jobs import Work, job
from app.kit.page import Page, page
from app.kit.sql import File

OVERLAP = timedelta(minutes=10)
"""No transaction lasts so long."""
MOST_LOOKED_BACK = timedelta(days=2)
"""After a longer time without a worker, what is older is told nobody any more."""

SECURITY_ALERT = announce("core.security_alert", "SecurityAlert", "Something that an attacker would do; `alert` is its kind.")


class AlertSettings(Protocol):
    """From when on something is suspicious, see app/settings.py."""

    alert_refused: int
    alert_refused_minutes: int
    alert_exports: int
    alert_reads: int


@strawberry.enum(description="What happened that an attacker would do.")
class AlertKind(Enum):
    """Values as in the database."""

    SIGN_INS_REFUSED = strawberry.enum_value("SIGN_INS_REFUSED", description="Many sign-ins to an account were refused.")
    NEW_CLIENT = strawberry.enum_value("NEW_CLIENT", description="A sign-in came from a client that was not seen before.")
    TOKEN_REUSED = strawberry.enum_value("TOKEN_REUSED", description="A refresh token came twice: somebody has a copy.")
    MASS_EXPORT = strawberry.enum_value("MASS_EXPORT", description="Somebody exported data again and again.")
    MASS_READ = strawberry.enum_value("MASS_READ", description="Somebody read very much of what is about others.")
    NEW_DEVICE = strawberry.enum_value("NEW_DEVICE", description="A device was registered.")
    NEW_API_KEY = strawberry.enum_value("NEW_API_KEY", description="An API key was made.")
    NEW_WEBHOOK = strawberry.enum_value("NEW_WEBHOOK", description="A webhook was made, or goes elsewhere.")
    PASSWORD_CHANGED = strawberry.enum_value("PASSWORD_CHANGED", description="The password was set or changed.")
    EMAIL_CHANGED = strawberry.enum_value("EMAIL_CHANGED", description="The e-mail address was changed.")
    OWNER_ADDED = strawberry.enum_value("OWNER_ADDED", description="A member became an owner.")
    WEBHOOK_DISABLED = strawberry.enum_value("WEBHOOK_DISABLED", description="A webhook fails and is told nothing any more.")
    KEY_ELSEWHERE = strawberry.enum_value("KEY_ELSEWHERE", description="An API key was used from a network where it never was.")
    WORKSPACE_DELETED = strawberry.enum_value(
        "WORKSPACE_DELETED", description="Another owner deleted an organization; told in the personal workspaces of the others."
    )


@strawberry.type(description="Something that an attacker would do. Kept for 90 days.")
class SecurityAlert(Node):
    """``detail`` holds what the words need."""

    node_statement = "core/security_alert.edge_security_alert"
    node_roles = MANAGERS

    object_id: strawberry.Private[UUID]
    detail: strawberry.Private[Any]

    kind: AlertKind
    event_at: datetime = strawberry.field(description="When it happened, or was seen to.")


@dataclass(frozen=True)
class Watched:
    """What the audit recorded. ``recent`` counts what is counted: how often it happened lately, this one too."""

    told_workspace_id: UUID
    event_id: UUID
    concerned_id: UUID
    object_id: UUID
    event_at: datetime
    action: str
    object: str
    detail: Any
    recent: int
    client_known: bool
    signed_in_before: bool


@dataclass(frozen=True)
class WatchedUntil:
    """Where the last look ended."""

    watched_until: datetime


@dataclass(frozen=True)
class OtherOwner:
    """An owner of a deleted workspace, which was called so."""

    owner_id: UUID
    personal_workspace_id: UUID
    name: str


@dataclass(frozen=True)
class Raised:
    """How many alerts were new."""

    raised: int


sql = File("core/security_alert")
alerts_by_id = sql.edge("edge_security_alert", SecurityAlert)
insert_security_alerts = sql.one("insert_security_alerts", Raised)
list_other_owner = sql.many("list_other_owner", OtherOwner)
list_watched = sql.many("list_watched", Watched)
page_security_alert = sql.page("page_security_alert", SecurityAlert)
take_security_watch = sql.one("take_security_watch", WatchedUntil)

_NEW = {
    "core.device": AlertKind.NEW_DEVICE,
    "core.api_key": AlertKind.NEW_API_KEY,
    "core.webhook": AlertKind.NEW_WEBHOOK,
}


def judge(event: Watched, limits: AlertSettings) -> tuple[AlertKind, timedelta | None] | None:
    """What an event is suspected of, and in which stretch of time it is told once; None for one alert each."""
    match event.action, event.object:
        case "SIGN_IN_REFUSED", _:
            if event.recent >= limits.alert_refused:
                return AlertKind.SIGN_INS_REFUSED, timedelta(hours=1)
        case "SIGN_IN", "core.api_key":
            if event.detail.get("networks", 0) > 0:
                return AlertKind.KEY_ELSEWHERE, timedelta(days=1)
        case "SIGN_IN", _:
            if event.signed_in_before and not event.client_known:
                return AlertKind.NEW_CLIENT, None
        case "TOKEN_REUSED", _:
            return AlertKind.TOKEN_REUSED, None
        case "EXPORT", _:
            if event.recent >= limits.alert_exports:
                return AlertKind.MASS_EXPORT, timedelta(days=1)
        case "READ", _:
            if event.recent >= limits.alert_reads:
                return AlertKind.MASS_READ, timedelta(days=1)
        case "INSERT", object if object in _NEW:
            return _NEW[object], None
        case "UPDATE", "core.webhook" if "url" in event.detail:
            return AlertKind.NEW_WEBHOOK, None
        case "UPDATE", "core.credential":
            return AlertKind.PASSWORD_CHANGED, None
        case "UPDATE", "core.account" if "email" in event.detail:
            return AlertKind.EMAIL_CHANGED, None
        case "UPDATE", "core.member" if _becomes(event.detail.get("role"), "owner"):
            return AlertKind.OWNER_ADDED, None
    return None


def _becomes(change: Any, value: str) -> bool:
    """Whether a change of the audit ends in a value."""
    return (change.get("new") if isinstance(change, dict) else change[-1] if isinstance(change, list) else change) == value


def alert_of(event: Watched, limits: AlertSettings) -> dict[str, Any] | None:
    """The alert that an event leads to; the same one for what is told once in a stretch of time."""
    judged = judge(event, limits)
    if judged is None:
        return None
    kind, stretch = judged
    name = kind.name
    subject, place = event.event_id, "once"
    if stretch is not None:
        subject = event.object_id if event.action in ("SIGN_IN_REFUSED", "SIGN_IN") else event.concerned_id
        place = str((event.event_at - datetime(1970, 1, 1, tzinfo=UTC)) // stretch)
    told = {each: event.detail[each] for each in ("client", "address", "name") if isinstance(event.detail.get(each), str)}
    return {
        "workspace_id": str(event.told_workspace_id),
        "account_id": str(event.concerned_id),
        "object_id": str(event.object_id),
        "event_at": event.event_at,
        "kind": name,
        "key": f"{name}:{subject}:{place}",
        "detail": told | ({"count": event.recent} if event.recent > 1 else {}),
    }


@job("core.watch_security", Nothing, cron="* * * * *")
async def watch_security(work: Work, payload: Nothing) -> None:
    """Every minute. The look and what it led to commit together: one that was cut off is made again."""
    db, settings = work.db, work.settings
    async with db.transaction():
        before = await take_security_watch(db)
        assert before is not None
        since = max(before.watched_until - OVERLAP, datetime.now(UTC) - MOST_LOOKED_BACK)
        window = timedelta(minutes=settings.alert_refused_minutes)
        judged = [alert_of(event, settings) for event in await list_watched(db, since=since, refused_window=window)]
        found = [alert for alert in judged if alert is not None]
        if found:
            await insert_security_alerts(db, alerts=found)


class DeletedBy(BaseModel, frozen=True):
    """Which workspace was deleted, and by whom. Jobs that name a workspace_id rest while it is deleted; this one does not."""

    deleted_id: UUID
    account_id: UUID


@job("core.tell_deleted", DeletedBy)
async def tell_deleted(work: Work, payload: DeletedBy) -> None:
    """Tell the other owners, where they can still read it. Twice is once: the key of the alert is the same."""
    async with work.db.transaction():
        owners = await list_other_owner(work.db, of_workspace_id=payload.deleted_id, but_account_id=payload.account_id)
        now = datetime.now(UTC)
        alerts = [
            {
                "workspace_id": str(owner.personal_workspace_id),
                "account_id": str(owner.owner_id),
                "object_id": str(payload.deleted_id),
                "event_at": now,
                "kind": AlertKind.WORKSPACE_DELETED.name,
                "key": f"WORKSPACE_DELETED:{payload.deleted_id}:{now:%Y-%m-%d}",
                "detail": {"name": owner.name},
            }
            for owner in owners
        ]
        if alerts:
            await insert_security_alerts(work.db, alerts=alerts)


async def tell_managers(db: Db, kind: AlertKind, object_id: UUID, detail: dict[str, Any]) -> None:
    """Raise an alert of the workspace, in the worker's open transaction."""
    now = datetime.now(UTC)
    alert = {
        "workspace_id": str(db.actor.workspace_id),
        "account_id": None,
        "object_id": str(object_id),
        "event_at": now,
        "kind": kind.value,
        "key": f"{kind.value}:{object_id}:{now.isoformat()}",
        "detail": detail,
    }
    await insert_security_alerts(db, alerts=[alert])


WORDS: dict[AlertKind, tuple[str, str]] = {
    AlertKind.SIGN_INS_REFUSED: (
        "Somebody tries to sign in as you",
        "{count} sign-ins to your account were refused within a short time. If that was not you, no one has got in; a long "
        "password that you use nowhere else keeps it so.",
    ),
    AlertKind.NEW_CLIENT: (
        "A sign-in from a new browser or program",
        "Somebody signed in to your account{origin}. If that was not you, end all sessions and change your password now.",
    ),
    AlertKind.TOKEN_REUSED: (
        "Somebody may have a copy of your session",
        "A session of yours was used from two places{origin}, and was ended. If you did not copy it yourself, change your "
        "password and look at your devices.",
    ),
    AlertKind.MASS_EXPORT: (
        "Data was exported again and again",
        "There were {count} exports within a day. If you do not know why, end all sessions and change your password.",
    ),
    AlertKind.MASS_READ: (
        "Very much was read",
        "One member read what is about others {count} times within an hour. Ask them why; the audit says who and what.",
    ),
    AlertKind.NEW_DEVICE: (
        "A new device was registered",
        "The device {name} may sign scans now. If nobody of you registered it, revoke it and the API key that did.",
    ),
    AlertKind.NEW_API_KEY: (
        "A new API key was made",
        "The key {name} may act for this workspace now. If nobody of you made it, revoke it and change your password.",
    ),
    AlertKind.NEW_WEBHOOK: (
        "A webhook was made or changed",
        "What happens in this workspace is told to a server that it was not told before. If nobody of you wanted that, delete "
        "it.",
    ),
    AlertKind.PASSWORD_CHANGED: (
        "Your password was changed",
        "If that was not you, set a new one by mail at once and end all sessions.",
    ),
    AlertKind.EMAIL_CHANGED: (
        "Your e-mail address was changed",
        "If that was not you, somebody else has your account: change it back, set a new password, and end all sessions.",
    ),
    AlertKind.OWNER_ADDED: (
        "A member became an owner",
        "Owners may do everything in this workspace. If you did not expect that, look at its members.",
    ),
    AlertKind.WEBHOOK_DISABLED: (
        "A webhook is told nothing any more",
        "Its server says that it is gone, or has taken nothing for days. Enable it again once it answers; what it missed can "
        "be replayed.",
    ),
    AlertKind.KEY_ELSEWHERE: (
        "An API key was used from a new place",
        "The key {name} was used from a network where it never was before. If none of you went there, revoke the key and make "
        "another.",
    ),
    AlertKind.WORKSPACE_DELETED: (
        "An organization of yours was deleted",
        "Another owner deleted {name}. As an owner you can restore it for some days: deletedWorkspaces says how long.",
    ),
}


def words(alert: SecurityAlert | None) -> NotificationText:
    """An alert in words; of one that was deleted, that there was one."""
    if alert is None:
        return NotificationText(title="A security alert", body="What it told of is not kept any more.")
    title, body = WORDS[AlertKind(alert.kind)]
    detail = alert.detail
    origin = "".join(f", {word} {detail[key]}" for key, word in (("client", "with"), ("address", "from")) if key in detail)
    name = f"“{detail['name']}”" if "name" in detail else ""
    return NotificationText(title=title, body=body.format(count=detail.get("count", "Many"), origin=origin, name=name))


@tells(NotificationKind.SECURITY_ALERT, "SecurityAlert")
async def tell_alerts(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """All of a level at once."""
    return [words(alert) for alert in await alerts_by_id(db, ids=[each.object_id for each in notifications])]


@strawberry.type
class SecurityAlertQuery:
    """The root field that reads alerts."""

    @query(roles=MANAGERS)
    async def security_alerts(self, info: Info, first: int = 20, after: str | None = None) -> Page[SecurityAlert] | None:
        """What an attacker would have done in the active workspace, newest first. Owners and admins only."""
        return await page(page_security_alert, info.context.db, first, after)
