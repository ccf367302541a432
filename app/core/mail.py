"""Mail: what waits for a member goes out as one message, when their hours are not quiet, and is sent once.

Three jobs: ``find_mail`` sees who waits, ``gather_mail`` decides what one mail holds, ``send_mail`` hands it over. Between the
last two lies a commit, so what a mail holds stays the same however often it is tried, and its Message-ID too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.notification import (
    Notification,
    NotificationKind,
    NotificationText,
    list_in_mail,
    render,
    take_waiting,
    update_mail_time,
    update_mailed,
)
from app.core.notification_preference import get_reader, zone_of
from app.core.upkeep import Nothing
from app.kit.jobs import Work, enqueue, enqueue_many, job
from app.kit.log import log
from app.kit.mail import AddressRefused, Mail, outgoing, send
from app.kit.sql import File

MOST_PEOPLE = 10_000
"""So many are looked after in a minute."""
MOST_TEXTS = 50
"""A mail tells so many in full, and counts the others."""

ATTEMPTS = 40
"""About a day and a half: servers are away for hours, and many put off mail from a stranger."""

FOOTER = "What is mailed to you, and when, you say in your notification preferences."


@dataclass(frozen=True)
class MailDue:
    """For whom something waits."""

    workspace_id: UUID
    account_id: UUID


class Member(BaseModel, frozen=True):
    """Whose mail it is."""

    workspace_id: UUID
    account_id: UUID


class Letter(Member, frozen=True):
    """What one mail holds."""

    notification_ids: list[UUID]


list_mail_due = File("core/across").many("list_mail_due", MailDue)


@job("core.find_mail", Nothing, cron="* * * * *")
async def find_mail(work: Work, payload: Nothing) -> None:
    """Every minute: who waits. A look that was missed is made up for by the next."""
    due = await list_mail_due(work.db, limit=MOST_PEOPLE)
    if not due:
        return
    people = [Member(workspace_id=each.workspace_id, account_id=each.account_id) for each in due]
    async with work.db.transaction():
        asked = [(member, f"{member.workspace_id}:{member.account_id}") for member in people]
        await enqueue_many(work.db, gather_mail, asked)


@job("core.gather_mail", Member)
async def gather_mail(work: Work, payload: Member) -> None:
    """All that waits for one member becomes one mail, or waits for the end of their quiet hours."""
    db = work.db
    async with db.transaction():
        reader = await get_reader(db, member_id=payload.account_id)
        if reader is None:
            return
        until = reader.quiet_end(datetime.now(UTC), zone_of(reader.time_zone))
        urgent = NotificationKind.SECURITY_ALERT.value if until is not None else None
        waiting = await take_waiting(db, member_id=payload.account_id, kind=urgent)
        if until is not None:  # what is not urgent waits for the end of the hours
            await update_mail_time(db, member_id=payload.account_id, send_at=until)
        ids = sorted(each.id for each in waiting if each.fresh and reader.mails(each.kind))
        if ids:
            letter = Letter(workspace_id=payload.workspace_id, account_id=payload.account_id, notification_ids=ids)
            await enqueue(db, send_mail, letter)


@job("core.send_mail", Letter, attempts=ATTEMPTS, concurrency=4)
async def send_mail(work: Work, payload: Letter) -> None:
    """Hand a mail over, then say so. A worker that is killed in between sends it again, under the same Message-ID."""
    to = outgoing(work.settings)
    reader = await get_reader(work.db, member_id=payload.account_id)
    told = await list_in_mail(work.db, member_id=payload.account_id, ids=payload.notification_ids)
    if reader is None or not told:
        return
    texts = await render(work.db, told[:MOST_TEXTS])
    await work.db.restart()  # no transaction is held open while a server takes its time
    letter = compose(told, texts)
    name = f"notification-{payload.notification_ids[0]}"
    try:
        await send(Mail(name, reader.email, reader.display_name, *letter), to)
    except AddressRefused as refused:
        log.warning("mail not sent", reason=str(refused), notification_id=str(payload.notification_ids[0]))
        return
    async with work.db.transaction():
        await update_mailed(work.db, member_id=payload.account_id, ids=[each.id for each in told])


def compose(told: Sequence[Notification], texts: Sequence[NotificationText]) -> tuple[str, str]:
    """Subject and text of a mail."""
    subject = texts[0].title if len(told) == 1 else f"{texts[0].title}, and {len(told) - 1} more"
    parts = [f"{text.title}\n{'-' * min(len(text.title), 60)}\n{text.body}" for text in texts]
    if len(told) > len(texts):
        parts.append(f"and {len(told) - len(texts)} more")
    return subject, "\n\n".join([*parts, FOOTER])
