"""Rights requests: what a person asks of a platform by law, until when it must answer, and what became of it.

States and reasons are those of the Data Rights Protocol. What may follow what is a constraint of the table; the history is
one append-only row for each version.

| from                  | to |
|-----------------------|----|
| OPEN, IN_PROGRESS     | IN_PROGRESS (also NEED_USER_VERIFICATION, or with a later deadline), FULFILLED, DENIED, REVOKED |
| OPEN, IN_PROGRESS     | EXPIRED, by the hourly job once `expectedBy` has passed |
| all others            | nothing: they are final |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import strawberry
from pydantic import BaseModel

from app.core.account import get_account
from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge, page_edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue_many, job
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.deadline import OPT_OUTS, RightsAction, expected_by, last_day
from app.privacy.letter import RightsLetter, Words, write
from app.privacy.platform import Platform, get_platform_by_slug, platforms_by_id
from app.privacy.platform_contact import PlatformContact, Regime, contacts_by_id, contacts_by_platform

constraint(
    "rights_request_transition_allowed",
    ErrorCode.REQUEST_CLOSED,
    "This request has ended and stays as it is. Create another one.",
    field="id",
)
constraint("rights_request_details_length", ErrorCode.BAD_INPUT, "Details have 1 to 2000 characters.", field="details")
constraint("rights_request_event_note_length", ErrorCode.BAD_INPUT, "A note has 1 to 2000 characters.", field="note")
constraint(
    "rights_request_reason_fits_status",
    ErrorCode.BAD_INPUT,
    "NEED_USER_VERIFICATION is a reason of IN_PROGRESS, any other one of DENIED, which needs one; FULFILLED has none.",
    field="reason",
)
constraint(
    "rights_request_action_fits_regime",
    ErrorCode.BAD_INPUT,
    "Opting out of sale and in again are of the CCPA, portability is of the GDPR. Choose another action or regime.",
    field="action",
)
constraint(
    "rights_request_extension_fits_action",
    ErrorCode.BAD_INPUT,
    "What is to be done within 15 business days cannot be extended.",
    field="extended",
)

CLOCK_TOLERANCE = timedelta(minutes=5)
LONGEST_AGO = timedelta(days=365)
BATCH = 1000


@strawberry.enum(description="Where a request stands: states of the Data Rights Protocol.")
class RightsRequestStatus(Enum):
    """Values as in the database."""

    OPEN = strawberry.enum_value("OPEN", description="It was made; the platform has not answered.")
    IN_PROGRESS = strawberry.enum_value("IN_PROGRESS", description="The platform has confirmed it.")
    FULFILLED = strawberry.enum_value("FULFILLED", description="The platform has done what was asked. Final.")
    DENIED = strawberry.enum_value("DENIED", description="The platform refused. Final.")
    REVOKED = strawberry.enum_value("REVOKED", description="The person took it back. Final.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="The platform did not answer in time. Final.")


@strawberry.enum(description="Why a request stands where it does: reasons of the Data Rights Protocol.")
class RightsRequestReason(Enum):
    """Values as in the database."""

    NEED_USER_VERIFICATION = strawberry.enum_value(
        "NEED_USER_VERIFICATION", description="In progress: the person must prove who they are."
    )
    SUSPECTED_FRAUD = strawberry.enum_value("SUSPECTED_FRAUD", description="Denied: held to be made by somebody else.")
    INSUF_VERIFICATION = strawberry.enum_value("INSUF_VERIFICATION", description="Denied: the proof did not suffice.")
    NO_MATCH = strawberry.enum_value("NO_MATCH", description="Denied: no data of the person was found.")
    CLAIM_NOT_COVERED = strawberry.enum_value("CLAIM_NOT_COVERED", description="Denied: the law does not cover this.")
    OUTSIDE_JURISDICTION = strawberry.enum_value(
        "OUTSIDE_JURISDICTION", description="Denied: the law does not cover the person."
    )
    TOO_MANY_REQUESTS = strawberry.enum_value("TOO_MANY_REQUESTS", description="Denied: asked more often than the law allows.")
    OTHER = strawberry.enum_value("OTHER", description="Denied: something else.")


@strawberry.enum(description="What a platform answers.")
class RightsResponse(Enum):
    """The states that a platform can bring about."""

    IN_PROGRESS = strawberry.enum_value("IN_PROGRESS", description="It has confirmed the request, or wants something.")
    FULFILLED = strawberry.enum_value("FULFILLED", description="It has done what was asked.")
    DENIED = strawberry.enum_value("DENIED", description="It refuses.")


@strawberry.type(description="One version of a request, in its history.")
class RightsRequestEvent:
    """Append-only."""

    id: strawberry.Private[UUID]

    version: int
    occurred_at: datetime
    status: RightsRequestStatus
    reason: RightsRequestReason | None
    note: str | None = strawberry.field(description="The person's own words.")
    expected_by: datetime


@strawberry.type(description="What a person asked of a platform by law.")
class RightsRequest(Node):
    """Seen by that person alone, in an organization too."""

    node_statement = "privacy/rights_request.edge_rights_request"

    account_id: strawberry.Private[UUID]
    platform_id: strawberry.Private[UUID]
    contact_id: strawberry.Private[UUID | None]

    action: RightsAction
    regime: Regime
    status: RightsRequestStatus
    reason: RightsRequestReason | None
    version: int = strawberry.field(description="Pass it when you change the request.")
    extended: bool = strawberry.field(description="Whether the platform has taken the longer time that the law allows once.")
    details: str | None = strawberry.field(description="What is asked for in particular, in the person's own words.")
    opened_at: datetime
    expected_by: datetime = strawberry.field(
        description="When the last day for an answer is over, in the person's time zone: GDPR one month, extended three (what "
        "would end on a weekend ends on Monday); CCPA 45 days, extended 90; opting out of sale 15 business days."
    )
    closed_at: datetime | None

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")
    contact: PlatformContact | None = edge(
        "privacy/platform_contact.edge_platform_contact",
        ids="contact_id",
        description="The version of the contact that was the newest when the request was made; null where none was known.",
    )
    letter: RightsLetter = edge(
        lambda db, requests: write_letters(db, requests), description="What to write. Sending it is the person's own doing."
    )
    events: Page[RightsRequestEvent] = page_edge(
        "privacy/rights_request.edge_rights_request_event", request_ids="id", description="Its history, the newest first."
    )


@dataclass(frozen=True)
class OverdueRequest:
    """A request whose deadline has passed."""

    workspace_id: UUID
    id: UUID


sql = File("privacy/rights_request")
requests_by_id = sql.edge("edge_rights_request", RightsRequest)
events_by_request = sql.edge("edge_rights_request_event", RightsRequestEvent)
insert_rights_request = sql.one("insert_rights_request", RightsRequest)
insert_rights_request_event = sql.exec("insert_rights_request_event")
page_rights_request = sql.page("page_rights_request", RightsRequest)
update_rights_request = sql.one("update_rights_request", RightsRequest)
update_expired = sql.one("update_rights_request_expired", RightsRequest)
update_revoked = sql.one("update_rights_request_revoked", RightsRequest)
list_overdue_rights_request = File("privacy/across").many("list_overdue_rights_request", OverdueRequest)


async def write_letters(db: Db, requests: Sequence[Any]) -> list[RightsLetter]:
    """The letters of the caller's own requests."""
    account = await get_account(db)
    assert account is not None
    platforms = await platforms_by_id(db, ids=[request.platform_id for request in requests])
    contacts = await contacts_by_id(db, ids=[request.contact_id for request in requests])
    zone = ZoneInfo(account.time_zone)
    letters = []
    for request, platform, contact in zip(requests, platforms, contacts, strict=True):
        assert platform is not None
        regime, action = Regime(request.regime), RightsAction(request.action)
        asked = request.opened_at.astimezone(zone).date()
        words = Words(
            organization=contact.organization if contact else platform.name,
            platform=platform.name,
            name=account.display_name,
            email=account.email,
            date=asked.isoformat(),
            deadline=last_day(regime, action, asked).isoformat(),
            elements=contact.required_elements if contact else [],
            details=request.details,
        )
        letters.append(write(regime, action, words, contact))
    return letters


async def _require(db: Db, request_id: UUID) -> RightsRequest:
    (found,) = await requests_by_id(db, ids=[request_id])
    if found is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such rights request of yours in this workspace.", field="id")
    return found


def _check_moment(opened_at: datetime) -> None:
    now = datetime.now(UTC)
    if opened_at > now + CLOCK_TOLERANCE:
        raise AppError(ErrorCode.BAD_INPUT, "openedAt lies in the future. Leave it out to mean this moment.", field="openedAt")
    if opened_at < now - LONGEST_AGO:
        raise AppError(ErrorCode.BAD_INPUT, "openedAt is more than a year ago. Make the request anew.", field="openedAt")


@strawberry.input(description="What to ask of a platform, and by which law.")
class CreateRightsRequestInput:
    """``details`` go into the letter."""

    platform_slug: str
    action: RightsAction
    regime: Regime
    idempotency_key: str
    details: str | None = strawberry.field(
        default=None, description="What is asked for in particular; it goes into the letter."
    )
    opened_at: datetime | None = strawberry.field(
        default=None, description="When it was sent, where that is past; at most a year ago. Now when left out."
    )


@strawberry.input(description="What a platform answered.")
class RecordRightsResponseInput:
    """``version`` is that of the request as it was read."""

    id: strawberry.ID
    version: int
    status: RightsResponse
    idempotency_key: str
    reason: RightsRequestReason | None = None
    extended: bool = strawberry.field(
        default=False, description="The platform takes the longer time that the law allows once; only with IN_PROGRESS."
    )
    note: str | None = None


@strawberry.input(description="A request to take back.")
class RevokeRightsRequestInput:
    """``note`` is the person's own words."""

    id: strawberry.ID
    note: str | None = None


@strawberry.type(description="The request, open.")
class CreateRightsRequestPayload:
    """The request, open."""

    request: RightsRequest


@strawberry.type(description="The request as it stands now.")
class RecordRightsResponsePayload:
    """The request as it stands now."""

    request: RightsRequest


@strawberry.type(description="The request, revoked.")
class RevokeRightsRequestPayload:
    """The request, revoked."""

    request: RightsRequest


@strawberry.type
class RightsRequestQuery:
    """Root fields that read rights requests."""

    @query()
    async def rights_requests(
        self,
        info: Info,
        status: RightsRequestStatus | None = None,
        platform_slug: str | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[RightsRequest] | None:
        """The caller's own requests, the newest first."""
        db = info.context.db
        platform_id = None
        if platform_slug is not None:
            platform = await get_platform_by_slug(db, slug=platform_slug)
            if platform is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no platform of this slug.", field="platformSlug")
            platform_id = platform.id
        status_value = status.value if status else None
        return await page(page_rights_request, db, first, after, status=status_value, platform_id=platform_id)

    @query()
    async def rights_request(self, info: Info, id: strawberry.ID) -> RightsRequest | None:
        """One of the caller's own requests."""
        (found,) = await requests_by_id(info.context.db, ids=[parse_uuid(id, "RightsRequest", field="id")])
        return found


@strawberry.type
class RightsRequestMutation:
    """Root fields by which people ask platforms for their rights, and keep what became of it."""

    @mutation()
    async def create_rights_request(self, info: Info, input: CreateRightsRequestInput) -> CreateRightsRequestPayload | None:
        """Make a request: its letter is written and its deadline kept. Sending the letter is the person's own doing."""
        db = info.context.db
        given = [input.platform_slug, input.action.name, input.regime.name, input.details, input.opened_at]
        async with db.transaction():
            done = await claim(db, "createRightsRequest", input.idempotency_key, given)
            if done is not None:
                assert done.result_id is not None
                request = await _require(db, done.result_id)
            else:
                request = await _create(db, input)
                await settle(db, "createRightsRequest", input.idempotency_key, request.id)
        return CreateRightsRequestPayload(request=request)

    @mutation()
    async def record_rights_response(self, info: Info, input: RecordRightsResponseInput) -> RecordRightsResponsePayload | None:
        """Keep what the platform answered. A request that has ended stays as it is."""
        request_id = parse_uuid(input.id, "RightsRequest", field="id")
        reason = input.reason.name if input.reason else None
        given = [str(request_id), input.version, input.status.name, reason, input.extended, input.note]
        db = info.context.db
        async with db.transaction():
            done = await claim(db, "recordRightsResponse", input.idempotency_key, given)
            if done is None:
                request = await _respond(db, request_id, input)
                await settle(db, "recordRightsResponse", input.idempotency_key, request.id)
            else:
                request = await _require(db, request_id)
        return RecordRightsResponsePayload(request=request)

    @mutation()
    async def revoke_rights_request(self, info: Info, input: RevokeRightsRequestInput) -> RevokeRightsRequestPayload | None:
        """Take a request back. Again it stays revoked; one that ended otherwise stays as it is."""
        request_id = parse_uuid(input.id, "RightsRequest", field="id")
        db = info.context.db
        async with db.transaction():
            request = await update_revoked(db, id=request_id)
            if request is None:
                request = await _require(db, request_id)
            else:
                await insert_rights_request_event(db, request_id=request_id, note=input.note)
        return RevokeRightsRequestPayload(request=request)


async def _create(db: Db, given: CreateRightsRequestInput) -> RightsRequest:
    platform = await get_platform_by_slug(db, slug=given.platform_slug)
    if platform is None:
        raise AppError(
            ErrorCode.NOT_FOUND, "There is no platform of this slug; the query platforms lists them.", field="platformSlug"
        )
    opened_at = given.opened_at or datetime.now(UTC)
    _check_moment(opened_at)
    account = await get_account(db)
    assert account is not None
    (contacts,) = await contacts_by_platform.groups(db, platform_ids=[platform.id])
    contact = next((each for each in contacts if each.regime is given.regime), None)
    request = await insert_rights_request(
        db,
        platform_id=platform.id,
        contact_id=contact.id if contact else None,
        action=given.action.value,
        regime=given.regime.value,
        details=given.details,
        opened_at=opened_at,
        expected_by=expected_by(given.regime, given.action, opened_at, account.time_zone),
    )
    assert request is not None
    await insert_rights_request_event(db, request_id=request.id, note=None)
    return request


async def _respond(db: Db, request_id: UUID, given: RecordRightsResponseInput) -> RightsRequest:
    found = await _require(db, request_id)
    deadline = None
    if given.extended:
        deadline = await _extend(db, found, given)
    request = await update_rights_request(
        db,
        id=request_id,
        version=given.version,
        status=given.status.value,
        reason=given.reason.value if given.reason else None,
        extended=given.extended,
        expected_by=deadline,
    )
    if request is None:
        raise AppError(
            ErrorCode.STALE_VERSION,
            f"The request has another version than {given.version}. Read it again and decide anew.",
            field="version",
        )
    await insert_rights_request_event(db, request_id=request_id, note=given.note)
    return request


async def _extend(db: Db, found: RightsRequest, given: RecordRightsResponseInput) -> datetime | None:
    """The later deadline. Raises BAD_INPUT where there is none; a request that has ended says so itself."""
    if given.status is not RightsResponse.IN_PROGRESS:
        raise AppError(ErrorCode.BAD_INPUT, "A deadline is extended with the status IN_PROGRESS.", field="extended")
    if found.action in OPT_OUTS or found.closed_at is not None:
        return None  # the table's constraints say no
    if found.extended:
        raise AppError(ErrorCode.BAD_INPUT, "The deadline was extended before; the law allows it once.", field="extended")
    account = await get_account(db)
    assert account is not None
    return expected_by(found.regime, found.action, found.opened_at, account.time_zone, extended=True)


# Jobs


class Nothing(BaseModel, frozen=True):
    """A job that needs to be told nothing."""


class Overdue(BaseModel, frozen=True):
    """A request whose deadline has passed."""

    workspace_id: UUID
    request_id: UUID


@job("privacy.expire_rights_request", Overdue)
async def expire_rights_request(work: Work, payload: Overdue) -> None:
    """End a request that was not answered in time, and tell the person; nothing where it was answered meanwhile."""
    async with work.once() as db:
        request = await update_expired(db, id=payload.request_id)
        if request is not None:
            await insert_rights_request_event(db, request_id=request.id, note=None)
            await notify(db, request.account_id, NotificationKind.RIGHTS_REQUEST_OVERDUE, request.id)


@job("privacy.expire_rights_requests", Nothing, cron="23 * * * *")
async def expire_rights_requests(work: Work, payload: Nothing) -> None:
    """Look for requests whose deadline has passed; each is a job of its own, so that one that fails holds none up."""
    async with work.once() as db:
        due = await list_overdue_rights_request(db, limit=BATCH)
        asked = [(Overdue(workspace_id=each.workspace_id, request_id=each.id), str(each.id)) for each in due]
        if asked:
            await enqueue_many(db, expire_rights_request, asked)


@tells(NotificationKind.RIGHTS_REQUEST_OVERDUE, "RightsRequest")
async def tell_overdue(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """Which platform, and what one can do."""
    requests = await requests_by_id(db, ids=[notification.object_id for notification in notifications])
    platforms = await platforms_by_id(db, ids=[request.platform_id if request else None for request in requests])
    names = [platform.name if platform is not None else "A platform" for platform in platforms]
    return [
        NotificationText(
            title=f"{name} did not answer your request in time",
            body="Remind them, ask again, or complain to the authority that watches over them.",
        )
        for name in names
    ]
