"""Notifications: what members are told, in the app and by mail. Kept for 90 days; the words are made when they are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, cast
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, field, global_id, mutation, parse_uuid, query
from app.kit.page import Page, check_size, page
from app.kit.sql import File


@strawberry.enum(description="What a notification tells.")
class NotificationKind(Enum):
    """Values as in the database. The list is closed: a product adds its kinds here and says with ``tells`` how they read."""

    PRIVACY_CHANGE = strawberry.enum_value(1, description="A scan found what the person was not seen changing.")
    TEMPLATE_CHANGE = strawberry.enum_value(2, description="A platform changed its settings page.")
    LINK_FAILING = strawberry.enum_value(3, description="A link cannot be read any more.")
    WEEKLY_DIGEST = strawberry.enum_value(4, description="How the week was.")
    RIGHTS_REQUEST_OVERDUE = strawberry.enum_value(5, description="A platform did not answer a request in time.")

    EXPORT_READY = strawberry.enum_value(7, description="What is known of the person can be downloaded.")
    ERASURE_SCHEDULED = strawberry.enum_value(8, description="The person will be erased.")
    SECURITY_ALERT = strawberry.enum_value(6, description="Something that an attacker would do. It cannot be switched off.")
    PAYMENT_FAILED = strawberry.enum_value(9, description="A payment for the workspace's plan failed.")
    DISPUTE_RESOLVED = strawberry.enum_value(20, description="A curator has decided on a dispute of a scan.")
    SCAN_CHANGED = strawberry.enum_value(21, description="A monitored URL is not what it was.")
    MONITOR_PAUSED = strawberry.enum_value(22, description="A URL is not monitored any more until somebody sees to it.")

    SCANS_FINISHED = strawberry.enum_value(23, description="All scans that were submitted together have ended.")

    @property
    def bit(self) -> int:
        """Which bit of a set of kinds stands for it."""
        return 1 << cast("int", self.value)


@strawberry.enum(description="What kind of change it is, from the least to the most; alerts filter on it.")
class Significance(Enum):
    """Values as in the database. A product says what its change is; a person, from which on to be told."""

    NOISE = strawberry.enum_value("NOISE", description="No change for the person.")
    WORDING = strawberry.enum_value("WORDING", description="The same option in other words.")
    VALUE = strawberry.enum_value("VALUE", description="The setting has another value.")
    DEFAULT_FLIP = strawberry.enum_value("DEFAULT_FLIP", description="The value followed a new default.")
    NEW_SETTING = strawberry.enum_value("NEW_SETTING", description="The setting appeared.")
    REMOVED_SETTING = strawberry.enum_value("REMOVED_SETTING", description="The setting is gone.")

    @property
    def rank(self) -> int:
        """Its place in the list."""
        return list(Significance).index(self)


@strawberry.type(description="A notification in words.")
class NotificationText:
    """Plain text, never markup."""

    title: str
    body: str


async def _texts(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    return await render(db, notifications)


@strawberry.type(description="Something that the caller is told.")
class Notification(Node):
    """``object_id`` is of the type that belongs to the kind; a digest has none."""

    node_statement = "core/notification.edge_notification"

    object_id: strawberry.Private[UUID | None]
    detail: strawberry.Private[Any]

    kind: NotificationKind
    created_at: datetime = strawberry.field(description="When it was told.")
    read_at: datetime | None
    sent_at: datetime | None = strawberry.field(description="When it was mailed, with what else waited then.")

    text: NotificationText = edge(_texts, description="Made when it is read: it tells of things as they are now.")

    @field(name="objectId", description="Global id of what it is about; null when that is nothing that can be fetched.")
    def object_global_id(self) -> strawberry.ID | None:
        """By the type that belongs to the kind."""
        type_name = TELLERS[NotificationKind(self.kind)].type_name
        return global_id(type_name, str(self.object_id)) if type_name else None


@dataclass(frozen=True)
class Unread:
    """How many."""

    unread: int


@dataclass(frozen=True)
class Waiting:
    """A notification that waited to be mailed; after three days it is not ``fresh`` any more."""

    id: UUID
    kind: NotificationKind
    fresh: bool


Teller = Callable[[Db, Sequence[Any]], Awaitable[list[NotificationText]]]


@dataclass(frozen=True)
class Telling:
    """The type of what notifications of a kind are about, and how they read."""

    type_name: str | None
    teller: Teller


TELLERS: dict[NotificationKind, Telling] = {}
"""How each kind reads. Filled by the nouns that own them."""

sql = File("core/notification")
count_unread = sql.one("count_unread_notification", Unread)
insert_notification = sql.exec("insert_notification")
insert_notifications = File("core/across").exec("insert_notifications")
list_in_mail = sql.many("list_notification_in_mail", Notification)
notifications_by_id = sql.edge("edge_notification", Notification)
page_notification = sql.page("page_notification", Notification)
take_waiting = sql.many("take_waiting_mail", Waiting)
update_mail_time = sql.exec("update_mail_time")
update_mailed = sql.exec("update_mailed")
update_read = sql.exec("update_read")
update_waiting_mail = sql.exec("update_waiting_mail")


def tells(kind: NotificationKind, type_name: str | None) -> Callable[[Teller], Teller]:
    """Say how notifications of a kind read, all of a level at once, and of which type their object is."""

    def register(teller: Teller) -> Teller:
        TELLERS[kind] = Telling(type_name, teller)
        return teller

    return register


async def render(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """The words of each, in their order."""
    texts: dict[int, NotificationText] = {}
    kinds = [NotificationKind(notification.kind) for notification in notifications]
    for kind in dict.fromkeys(kinds):
        places = [place for place, each in enumerate(kinds) if each is kind]
        told = await TELLERS[kind].teller(db, [notifications[place] for place in places])
        texts.update(zip(places, told, strict=True))
    return [texts[place] for place in range(len(kinds))]


async def notify(
    db: Db,
    account_id: UUID,
    kind: NotificationKind,
    object_id: UUID | None,
    detail: Mapping[str, Any] | None = None,
    *,
    significance: Significance | None = None,
) -> None:
    """Tell a member of the workspace, in the open transaction, unless their preferences say that they do not want it.

    ``detail`` holds what the words need and the object does not tell. The mail goes out by a job, with all that waits then.
    """
    await insert_notification(
        db,
        member_id=account_id,
        object_id=object_id,
        kind=kind.value,
        detail=None if detail is None else dict(detail),
        reached=None if significance is None else [each.value for each in Significance if each.rank <= significance.rank],
    )


async def notify_many(
    db: Db,
    told: Sequence[tuple[UUID, UUID, UUID | None]],
    kind: NotificationKind,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """As ``notify``, for members of any workspaces, (workspace, account, object) each, in one statement.

    Only for a job that acts as the system.
    """
    await insert_notifications(
        db,
        workspace_ids=[workspace_id for workspace_id, _, _ in told],
        account_ids=[account_id for _, account_id, _ in told],
        object_ids=[object_id for _, _, object_id in told],
        kind=kind.value,
        detail=None if detail is None else dict(detail),
    )


@strawberry.type(description="The notifications, read.")
class MarkNotificationsReadPayload:
    """The notifications, read."""

    notifications: list[Notification]
    unread_count: int = strawberry.field(description="How many are unread now.")


async def unread_count(db: Db) -> int:
    """Of the caller, in the active workspace."""
    found = await count_unread(db)
    assert found is not None  # an aggregate always has a row
    return found.unread


@strawberry.type
class NotificationQuery:
    """Root fields that read what the caller is told."""

    @query()
    async def notifications(
        self,
        info: Info,
        unread_only: bool = False,
        kind: NotificationKind | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[Notification] | None:
        """What the caller is told in the active workspace, the newest first."""
        return await page(
            page_notification, info.context.db, first, after, kind=kind.value if kind else None, unread=unread_only or None
        )

    @query()
    async def unread_notification_count(self, info: Info) -> int | None:
        """How many notifications the caller has not read."""
        return await unread_count(info.context.db)


@strawberry.type
class NotificationMutation:
    """Root fields by which people say what they have read."""

    @mutation(roles=None)
    async def mark_notifications_read(self, info: Info, ids: list[strawberry.ID]) -> MarkNotificationsReadPayload | None:
        """Mark 1 to 100 of the caller's notifications as read. What was read before keeps its moment."""
        check_size(len(ids), field="ids")
        keys = [parse_uuid(each, "Notification", field="ids") for each in ids]
        db = info.context.db
        async with db.transaction():
            await update_read(db, ids=keys)
            found = [each for each in await notifications_by_id(db, ids=keys) if each is not None]
            if len(found) < len(keys):
                raise AppError(
                    ErrorCode.NOT_FOUND,
                    "One of these is no notification of yours in this workspace. Pass ids that `notifications` returned.",
                    field="ids",
                )
            return MarkNotificationsReadPayload(notifications=found, unread_count=await unread_count(db))
