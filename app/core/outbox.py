"""Outbox: what happened, told to those who listen when it has committed, and never otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db, look_up
from app.kit.graphql import query
from app.kit.pool import Pool
from app.kit.sql import File, make
from app.kit.subscription import FIRST, LAST, Position, moment_cursor


@dataclass(frozen=True)
class Told:
    """Something that happened; ``(xid, id)`` is its place in the order of delivery."""

    id: UUID
    object_id: UUID
    created_at: datetime
    xid: int
    detail: Any


@dataclass(frozen=True)
class Moment:
    """What a transaction sees, as PostgreSQL writes a pg_snapshot."""

    snapshot: str


@dataclass(frozen=True)
class News:
    """A workspace that was told something, or None for both when none was; ``horizon`` is up to where that is known."""

    horizon: int
    told_workspace_id: UUID | None
    kind: str | None


@dataclass(frozen=True)
class AnyNews:
    """Whether anybody was told anything."""

    found: bool


sql = File("core/outbox")
get_moment = sql.one("get_moment", Moment)
get_news = sql.one("get_news", AnyNews)
insert_outbox = sql.exec("insert_outbox")
list_news = sql.many("list_news", News)
list_outbox = sql.many("list_outbox", Told)


@dataclass(frozen=True)
class Announced:
    """A kind of news: of which type its object is, and what it says. ``personal`` is told to nobody but the person."""

    type_name: str
    description: str
    personal: bool


ANNOUNCED: dict[str, Announced] = {}
"""What webhooks may ask for. Filled by the nouns that publish it."""


def announce(kind: str, type_name: str, description: str, *, personal: bool = False) -> str:
    """Let webhooks ask for a kind of news; returns it. What is ``personal`` is for personal workspaces only."""
    ANNOUNCED[kind] = Announced(type_name, description, personal)
    return kind


async def publish(db: Db, kind: str, object_id: UUID, detail: Mapping[str, Any] | None = None) -> None:
    """Tell that something happened to an object of the workspace, in the open transaction.

    ``kind`` is product and event, such as privacy.change_detected; ``detail`` holds what listeners filter by, and no
    personal data: it is kept for seven days, whatever becomes of the object.
    """
    await insert_outbox(db, object_id=object_id, kind=kind, detail=dict(detail or {}))
    db.news = True


async def read_news(pool: Pool, workspace_ids: Sequence[UUID], since: int | None) -> tuple[int, list[tuple[UUID, str]]]:
    """Which of the workspaces were told what kind of thing by transactions from ``since`` on, and where to ask from next."""
    if since is not None:
        (found,) = await look_up(pool, get_news.statement, {"since": since})
        if not found["found"]:
            return since, []
    records = await look_up(pool, list_news.statement, {"workspace_ids": workspace_ids, "since": since})
    news = [make(News, record) for record in records]
    return news[0].horizon, [(n.told_workspace_id, n.kind) for n in news if n.told_workspace_id is not None and n.kind]


async def read_told(db: Db, kind: str, position: Position, limit: int) -> list[Told]:
    """What the workspace was told behind a position; a row of which only some events were sent is read again."""
    xid, row, place = position
    since = row if place == LAST or row == FIRST else UUID(int=row.int - 1)
    return await list_outbox(db, kind=kind, since_xid=xid, since_id=since, limit=limit)


async def read_moment(db: Db) -> str:
    """What the open transaction sees."""
    found = await get_moment(db)
    assert found is not None
    return found.snapshot


@strawberry.type
class OutboxQuery:
    """The root field that notes a moment."""

    @query("privacy:read", "snapshots:write")
    async def event_cursor(self, info: Info) -> str | None:
        """A cursor for subscriptions: what they bring `after` it is exactly what the rest of this answer does not know yet."""
        return moment_cursor(await read_moment(info.context.db))
