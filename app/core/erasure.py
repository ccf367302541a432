"""Erasure: who asks to be forgotten is forgotten, after a time to think, in one transaction that proves that nothing is left.

What goes, what is overwritten and what stays is said by the data inventory, column by column, and the order by foreign keys:
see the functions of the database, core.list_erasure_step() and core.erase(). What stays is a ledger that names nobody. It is
kept outside of the database too, because an old dump brings people back: ``replay`` erases them again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import orjson
import strawberry
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.core.account import get_account
from app.core.billing_customer import stop_paying
from app.core.credential import prove_again
from app.core.data_inventory import EraseRule
from app.core.erased_identity import remember
from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.core.upkeep import Nothing
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, SetupError
from app.kit.graphql import BigInt, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, job
from app.kit.log import log
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.vault import VaultSettings

AT_ONCE = 100
"""So many are erased in one run of the job; the next comes in five minutes."""
PROVIDER_AWAY = timedelta(days=7)
"""So long an erasure waits for the payment provider to end what is paid for; then it happens, and the log says so."""


class ErasureSettings(Protocol):
    """What the operator says of erasures, see app/settings.py."""

    erasure_days: int
    erasure_folder: Path | None


@strawberry.enum(description="What becomes of organizations that nobody but the person owns.")
class SoleOrganizations(Enum):
    """An organization that nobody else is in goes in any case."""

    ERASE = strawberry.enum_value("ERASE", description="They are erased, with what others have there.")
    HAND_OVER = strawberry.enum_value("HAND_OVER", description="Who is there longest owns them, an admin first.")


@strawberry.type(description="That a person asked to be forgotten.")
class Erasure(Node):
    """Seen by nobody but the person."""

    node_statement = "core/erasure.edge_erasure"

    organizations: strawberry.Private[bool]

    requested_at: datetime
    due_at: datetime = strawberry.field(description="Until then it can be canceled.")
    canceled_at: datetime | None
    erased_at: datetime | None

    @field(name="soleOrganizations", description="What becomes of organizations that nobody else owns.")
    def sole_organizations(self) -> SoleOrganizations:
        """As it was asked for."""
        return SoleOrganizations.ERASE if self.organizations else SoleOrganizations.HAND_OVER


@strawberry.type(description="What an erasure would do to the rows of one table.")
class ErasureCount:
    """Counted, and nothing changed."""

    object: str = strawberry.field(description="The table, such as core.account.")
    rule: EraseRule
    amount: BigInt = strawberry.field(description="How many rows.")
    reason: str | None = strawberry.field(description="Why they stay, where they do.")


@strawberry.type(description="An organization that nobody but the caller owns.")
class SoleOwnership:
    """It needs another owner, or goes too."""

    workspace_id: strawberry.Private[UUID]

    name: str
    others: int = strawberry.field(description="How many others are in it; with none, it is erased.")

    @field(name="workspaceId", description="Global id of the organization.")
    def workspace_global_id(self) -> strawberry.ID:
        """For the header Fivefold-Workspace, to hand it over."""
        return global_id("Workspace", str(self.workspace_id))


@strawberry.type(description="What an erasure would do.")
class ErasurePreview:
    """As things are now."""

    counts: list[ErasureCount] = strawberry.field(description="By table; tables without the caller's rows are left out.")
    sole_ownerships: list[SoleOwnership] = strawberry.field(description="Say in requestErasure what becomes of them.")


@dataclass(frozen=True)
class Due:
    """A line of the ledger. ``account_id`` or ``workspace_id`` says who, or what as a whole."""

    id: UUID
    account_id: UUID | None
    workspace_id: UUID | None
    organizations: bool
    requested_at: datetime
    due_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True)
class Erased:
    """Whether it was due."""

    erased: bool


class Line(BaseModel, extra="ignore"):
    """A line of the ledger's file."""

    id: UUID
    account_id: UUID | None = None
    workspace_id: UUID | None = None
    organizations: bool = False
    requested_at: datetime


sql = File("core/erasure")
cancel = sql.one("update_canceled_erasure", Erasure)
erase = sql.one("take_erased", Erased)
erasures_by_id = sql.edge("edge_erasure", Erasure)
insert_erasure = sql.one("insert_erasure", Erasure)
insert_erasure_by_email = sql.one("insert_erasure_by_email", Due)
list_due_erasure = File("core/across").many("list_due_erasure", Due)
list_erasure_count = sql.many("list_erasure_count", ErasureCount)
list_ledger = sql.many("list_ledger", Due)
list_sole_ownership = sql.many("list_sole_ownership", SoleOwnership)
page_erasure = sql.page("page_erasure", Erasure)
supersede = sql.exec("update_superseded_erasure")
upsert_erasure = sql.one("upsert_erasure", Due)


@job("core.erase_due", Nothing, cron="*/5 * * * *")
async def erase_due(work: Work, payload: Nothing) -> None:
    """Each in a transaction of its own: cut off anywhere, it has happened or it has not, and the next run finds it."""
    failure = None
    waiting: list[UUID] = []
    while due := await list_due_erasure(work.db, limit=AT_ONCE, waiting_ids=waiting):
        await work.db.restart()
        before = len(waiting)
        failure = await _erase(work, due, waiting) or failure
        if len(waiting) == before:
            break
    if failure is not None:
        raise failure


async def _erase(work: Work, due: Sequence[Due], waiting: list[UUID]) -> Exception | None:
    """Erase them; those that have to wait, or fail, are added to ``waiting``: they keep nobody else. The last failure."""
    failure = None
    for each in due:
        try:
            if not await _may_go(work, each):
                waiting.append(each.id)
                continue
            # Before it happens: what is noted and does not happen is still due, and is erased by the next run.
            await asyncio.to_thread(note, work.settings.erasure_folder, each)
            async with work.db.transaction():
                await remember(work.db, work.settings, each.id)
                await erase(work.db, id=each.id)
        except Exception as error:  # noqa: BLE001 - one that fails keeps nobody else waiting; it is raised below
            log.error("erasure failed", erasure_id=str(each.id), exc_info=error)
            waiting.append(each.id)
            failure = error
    return failure


async def _may_go(work: Work, due: Due) -> bool:
    """Whether nothing is paid for any more; a provider that is away is waited for, some days."""
    try:
        await stop_paying(work.db, work.settings, due.id)
    except AppError as error:
        late = datetime.now(UTC) - due.due_at > PROVIDER_AWAY
        log.error("subscription not canceled", erasure_id=str(due.id), reason=error.code_name, erased_anyway=late)
        return late
    return True


def note(folder: Path | None, due: Due) -> None:
    """A whole file of one line, on the disk, or none."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{due.id}.{os.getpid()}"
    with part.open("wb") as file:
        file.write(line_of(due))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / f"{due.id}.jsonl")


def line_of(due: Due) -> bytes:
    """One line of the ledger's file."""
    return orjson.dumps(asdict(due), default=str) + b"\n"


def read_ledger(path: Path) -> list[Line]:
    """The lines of a file, or of all files of a folder. Raises SetupError."""
    try:
        files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        texts = [(file, line) for file in files for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise SetupError(f"the ledger of erasures cannot be read: {error}") from None
    lines = {}
    for file, text in texts:
        try:
            line = TypeAdapter(Line).validate_json(text)
        except ValidationError:
            raise SetupError(f"{file} is not a ledger of erasures: one of its lines does not name one") from None
        lines[line.id] = line
    return list(lines.values())


async def replay(db: Db, lines: Iterable[Line], vault: VaultSettings | None = None) -> int:
    """Erase again whom a restored dump brought back, as the owner of the tables; how many there were."""
    count = 0
    for line in lines:
        async with db.transaction():
            await supersede(db, id=line.id, subject_id=line.account_id or line.workspace_id)
            found = await upsert_erasure(
                db,
                id=line.id,
                subject_account_id=line.account_id,
                subject_workspace_id=line.workspace_id,
                organizations=line.organizations,
                requested_at=line.requested_at,
            )
            if found is not None:
                await remember(db, vault, line.id)
                done = await erase(db, id=line.id)
                count += bool(done and done.erased)
    return count


@tells(NotificationKind.ERASURE_SCHEDULED, None)
async def _scheduled(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    return [_text(each.detail or {}) for each in notifications]


def _text(detail: Mapping[str, Any]) -> NotificationText:
    day = str(detail.get("due_at", ""))[:10]
    body = f"All that is known of you here is erased on {day}. Until then you can cancel it. If it was not you who asked, "
    return NotificationText(title="Your account will be erased", body=body + "cancel it now and change how you sign in.")


@strawberry.input(description="That one wants to be forgotten.")
class RequestErasureInput:
    """A person's own token is needed; no API key may ask."""

    confirm_email: str = strawberry.field(description="The account's own e-mail, typed by the person.")
    sole_organizations: SoleOrganizations | None = strawberry.field(
        default=None, description="Needed where nobody else owns an organization that others are in."
    )
    password: str | None = strawberry.field(default=None, description="The account's, unless the person signed in just now.")
    idempotency_key: str


@strawberry.type(description="What was asked for.")
class RequestErasurePayload:
    """What was asked for."""

    erasure: Erasure


@strawberry.type(description="What does not happen.")
class CancelErasurePayload:
    """What does not happen."""

    erasure: Erasure


@strawberry.type
class ErasureQuery:
    """Root fields that tell of one's own erasure."""

    @query()
    async def erasures(self, info: Info, first: int = 20, after: str | None = None) -> Page[Erasure] | None:
        """What the caller asked for, newest first."""
        return await page(page_erasure, info.context.db, first, after)

    @query()
    async def preview_erasure(
        self, info: Info, sole_organizations: SoleOrganizations = SoleOrganizations.HAND_OVER
    ) -> ErasurePreview | None:
        """What an erasure of the caller would delete, overwrite and keep, in numbers. Changes nothing."""
        db = info.context.db
        counts = await list_erasure_count(db, organizations=sole_organizations is SoleOrganizations.ERASE)
        return ErasurePreview(counts=counts, sole_ownerships=await list_sole_ownership(db))


@strawberry.type
class ErasureMutation:
    """Root fields that ask for one's own erasure, and take it back."""

    @mutation(roles=None)
    async def request_erasure(self, info: Info, input: RequestErasureInput) -> RequestErasurePayload | None:
        """Ask to be forgotten: account, personal workspace, and what is the caller's in organizations. It happens later."""
        db, settings = info.context.db, info.context.settings
        given = [input.confirm_email, input.sole_organizations and input.sole_organizations.value]
        await prove_again(info.context, input.password)
        async with db.transaction():
            done = await claim(db, "requestErasure", input.idempotency_key, given)
            if done is not None:
                (found,) = await erasures_by_id(db, ids=[done.result_id])
                assert found is not None
                return RequestErasurePayload(erasure=found)
            account = await get_account(db)
            assert account is not None
            if input.confirm_email.strip().lower() != account.email:
                message = "confirmEmail is not the e-mail of this account: type it as it is, to show that you mean it."
                raise AppError(ErrorCode.BAD_INPUT, message, field="confirmEmail")
            if input.sole_organizations is None and any(each.others for each in await list_sole_ownership(db)):
                message = (
                    "Nobody but you owns an organization that others are in: hand it over first, or say in "
                    "soleOrganizations what becomes of it. previewErasure lists them."
                )
                raise AppError(ErrorCode.BAD_INPUT, message, field="soleOrganizations")
            organizations = input.sole_organizations is SoleOrganizations.ERASE
            made = await insert_erasure(db, days=settings.erasure_days, organizations=organizations)
            if made is None:
                message = "Your erasure is scheduled already; cancel it to ask for it otherwise."
                raise AppError(ErrorCode.BAD_INPUT, message)
            await notify(
                db,
                info.context.actor.account_id,
                NotificationKind.ERASURE_SCHEDULED,
                None,
                {"due_at": made.due_at.isoformat()},
            )
            await settle(db, "requestErasure", input.idempotency_key, made.id)
        return RequestErasurePayload(erasure=made)

    @mutation(roles=None)
    async def cancel_erasure(self, info: Info, id: strawberry.ID) -> CancelErasurePayload | None:
        """Stay. Until it has happened."""
        erasure_id = parse_uuid(id, "Erasure", field="id")
        async with info.context.db.transaction():
            canceled = await cancel(info.context.db, id=erasure_id)
        if canceled is None:
            raise AppError(ErrorCode.NOT_FOUND, "Nothing of yours is scheduled by this id.", field="id")
        return CancelErasurePayload(erasure=canceled)
