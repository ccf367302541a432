"""Digests: how a person's week was, on Monday from 08:00 by their own clock, once a week whatever happens.

That it is once is a number that only grows: the ISO week of the last digest, taken in the transaction that writes the digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.core.notification_preference import get_reader, list_digest_readers, week_of, zone_of
from app.core.upkeep import Nothing
from app.kit.db import Db
from app.kit.jobs import Work, enqueue_many, job
from app.kit.sql import File
from app.privacy.origin import Origin

AHEAD = timedelta(hours=14)
"""No clock on Earth is further ahead of UTC."""
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class DigestFigures:
    """Of a member's active links: how many, how many cannot be read, and their mean score now and when the week began."""

    links: int
    failing: int
    score: int | None
    score_before: int | None


@dataclass(frozen=True)
class ChangeCount:
    """How many changes of one origin."""

    origin: Origin
    changes: int


@dataclass(frozen=True)
class DigestWeek:
    """The week that was taken."""

    digest_week: int


class DigestReader(BaseModel, frozen=True):
    """Whose digest is due."""

    workspace_id: UUID
    account_id: UUID


sql = File("privacy/digest")
get_digest = sql.one("get_digest", DigestFigures)
list_change_by_origin = sql.many("list_change_by_origin", ChangeCount)
take_digest_week = sql.one("update_digest_week", DigestWeek)


@job("privacy.find_digests", Nothing, cron="4 * * * *")
async def find_digests(work: Work, payload: Nothing) -> None:
    """Every hour: for whom a new week has begun. An hour that was missed is made up for by the next."""
    now = datetime.now(UTC)
    readers = await list_digest_readers(work.db, newest_week=week_of(now + AHEAD, zone_of("UTC")))
    due = [reader for reader in readers if week_of(now, zone_of(reader.time_zone)) > reader.digest_week]
    if due:
        asked = [
            (DigestReader(workspace_id=each.workspace_id, account_id=each.account_id), f"{each.workspace_id}:{each.account_id}")
            for each in due
        ]
        async with work.db.transaction():
            await enqueue_many(work.db, make_digest, asked)


@job("privacy.make_digest", DigestReader)
async def make_digest(work: Work, payload: DigestReader) -> None:
    """Take the week, and tell how it was."""
    await digest(work.db, payload.account_id, datetime.now(UTC))


async def digest(db: Db, account_id: UUID, now: datetime) -> bool:
    """Write the digest of a member's week as of a moment; False where there is none to write, or it was written."""
    async with db.transaction():
        reader = await get_reader(db, member_id=account_id)
        if reader is None:
            return False
        week = week_of(now, zone_of(reader.time_zone))
        if await take_digest_week(db, member_id=account_id, week=week) is None:
            return False
        since = now - WEEK
        figures = await get_digest(db, member_id=account_id, since=since)
        assert figures is not None  # an aggregate always has a row
        if not figures.links:
            return False
        counts = await list_change_by_origin(db, member_id=account_id, since=since)
        detail = {
            "week": f"{week // 100}-W{week % 100:02}",
            "score": figures.score,
            "score_before": figures.score_before,
            "failing": figures.failing,
            "changes": {count.origin.value: count.changes for count in counts},
        }
        await notify(db, account_id, NotificationKind.WEEKLY_DIGEST, None, detail)
        return True


_ORIGINS = {
    "USER": "by you",
    "PLATFORM_DEFAULT": "by a platform's new default",
    "PLATFORM_STRUCTURE": "by a platform's new page",
    "TECHNICAL": "only read differently",
    "UNKNOWN": "it is not clear by whom",
}


@tells(NotificationKind.WEEKLY_DIGEST, None)
async def tell_digests(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """The figures in words."""
    return [_words(notification.detail or {}) for notification in notifications]


def _words(figures: Mapping[str, Any]) -> NotificationText:
    now, before = figures.get("score"), figures.get("score_before")
    if now is None:
        score = "Nothing was scanned yet."
    elif before is None:
        score = f"Your risk score is {now} of 100."
    else:
        score = f"Your risk score is {now} of 100; a week ago it was {before}."
    changes = figures.get("changes", {})
    lines = [score, f"Settings that changed: {sum(changes.values())}."]
    lines += [f"  {count} {_ORIGINS.get(origin, 'by others')}" for origin, count in sorted(changes.items())]
    if figures.get("failing"):
        lines.append(f"Links that cannot be read: {figures['failing']}.")
    return NotificationText(title=f"Your privacy in week {figures.get('week', '')}", body="\n".join(lines))
