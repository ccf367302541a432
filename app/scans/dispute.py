"""Disputes: somebody says that a verdict is wrong, and a curator decides.

A scan is what was seen at its time and stays so. What an accepted dispute changes is who is told: the verdict is no longer
published and no longer the answer of ``lookup``.

| from | to |
|------|----|
| OPEN | ACCEPTED, REJECTED (by a curator), WITHDRAWN (by the workspace) |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.core.outbox import announce, publish
from app.core.plan import check_limit
from app.core.usage_counter import counts
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue, job
from app.kit.page import Page, page
from app.kit.sql import File
from app.scans.scan import Scan, scans_by_id

DISPUTE_RESOLVED = announce("scans.dispute_resolved", "Dispute", "A curator has decided on a dispute.")
MOST_WORDS = 500
READS = frozenset({"scans:read", "scans:write"})

constraint("dispute_open_scan_idx", ErrorCode.BAD_INPUT, "A dispute of this scan is open already.", field="scanId")


@strawberry.enum(description="What is wrong with a verdict.")
class DisputeClaim(Enum):
    """Values as in the database."""

    FALSE_ALARM = strawberry.enum_value("FALSE_ALARM", description="It is harmless.")
    MISSED_THREAT = strawberry.enum_value("MISSED_THREAT", description="It is not harmless.")


@strawberry.enum(description="How far a dispute is.")
class DisputeState(Enum):
    """Values as in the database."""

    OPEN = strawberry.enum_value("OPEN", description="A curator will look at it.")
    ACCEPTED = strawberry.enum_value(
        "ACCEPTED", description="The verdict was wrong: it is not published and not answered by lookup any more. Final."
    )
    REJECTED = strawberry.enum_value("REJECTED", description="The verdict stands. Final.")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="The workspace thought better of it. Final.")


@strawberry.type(description="Somebody says that a verdict is wrong.")
class Dispute(Node):
    """Seen by all members of its workspace; while it is open curators see the masked URL and the reason."""

    node_statement = "scans/dispute.edge_dispute"
    node_scopes = READS

    scan_id: strawberry.Private[UUID]

    state: DisputeState
    claim: DisputeClaim
    reason: str
    answer: str | None = strawberry.field(description="What the curator said.")
    created_at: datetime
    resolved_at: datetime | None

    scan: Scan = edge("scans/scan.edge_scan", ids="scan_id")


@strawberry.type(description="A dispute as curators see it: of whom it is they are not told.")
class OpenDispute:
    """``disputeId`` is what ``resolveDispute`` takes."""

    id: strawberry.Private[UUID]

    claim: DisputeClaim
    reason: str
    host: str
    masked_url: str = strawberry.field(description="The URL without what might be secret in it.")
    created_at: datetime

    @field(name="disputeId", description="Global id of the dispute.")
    def dispute(self) -> strawberry.ID:
        """As its workspace knows it."""
        return global_id("Dispute", str(self.id))


@dataclass(frozen=True)
class Used:
    """How many are open."""

    used: int


@dataclass(frozen=True)
class Disputed:
    """The dispute that was written."""

    id: UUID


@dataclass(frozen=True)
class Resolved:
    """In whose workspace it was, and how it ended."""

    of_workspace_id: UUID
    state: str


@dataclass(frozen=True)
class Teller:
    """Who disputed, and how it ended."""

    member_id: UUID
    state: str


OLDEST_FIRST = (("id", str(UUID(int=0))),)

sql = File("scans/dispute")
count_open_dispute = sql.one("count_open_dispute", Used)
disputes_by_id = sql.edge("edge_dispute", Dispute)
get_dispute_teller = sql.one("get_dispute_teller", Teller)
insert_dispute = sql.one("insert_dispute", Disputed)
page_dispute = sql.page("page_dispute", Dispute)
page_open_dispute = sql.page("page_open_dispute", OpenDispute, OLDEST_FIRST)
resolve = sql.one("resolve_dispute", Resolved)
withdraw = sql.one("withdraw_dispute", Disputed)


class TellDispute(BaseModel, frozen=True):
    """Whom to tell how a dispute ended."""

    workspace_id: UUID
    dispute_id: UUID


@job("scans.tell_dispute", TellDispute)
async def tell_dispute(work: Work, payload: TellDispute) -> None:
    """In the workspace of the dispute, which the curator does not act in."""
    async with work.once() as db:
        teller = await get_dispute_teller(db, id=payload.dispute_id)
        if teller is not None:  # or it went with its scan
            await notify(db, teller.member_id, NotificationKind.DISPUTE_RESOLVED, payload.dispute_id)
            await publish(db, DISPUTE_RESOLVED, payload.dispute_id, {"state": teller.state})


@tells(NotificationKind.DISPUTE_RESOLVED, "Dispute")
async def tell_resolved(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """Of which host, and how it ended."""
    disputes = await disputes_by_id(db, ids=[notification.object_id for notification in notifications])
    scans = await scans_by_id(db, ids=[dispute.scan_id if dispute else None for dispute in disputes])
    return [_words(dispute, scan) for dispute, scan in zip(disputes, scans, strict=True)]


def _words(dispute: Dispute | None, scan: Scan | None) -> NotificationText:
    if dispute is None or scan is None:
        return NotificationText(title="Your dispute was resolved", body="The scan is not kept any more.")
    ended = "accepted" if DisputeState(dispute.state) is DisputeState.ACCEPTED else "rejected"
    body = f"{scan.masked_url}\n\n{dispute.answer}" if dispute.answer else scan.masked_url
    return NotificationText(title=f"{scan.host}: your dispute was {ended}", body=body)


@strawberry.input(description="Which verdict is wrong, and why.")
class DisputeScanInput:
    """Curators will see the masked URL and the reason."""

    scan_id: strawberry.ID
    claim: DisputeClaim
    reason: str = strawberry.field(
        description="1 to 500 characters, for a curator. No secrets, and nothing quoted of the page."
    )
    idempotency_key: str


@strawberry.input(description="How a dispute ends.")
class ResolveDisputeInput:
    """``answer`` is for whoever disputed."""

    id: strawberry.ID
    accepted: bool
    answer: str | None = None


@strawberry.type(description="The dispute.")
class DisputeScanPayload:
    """The dispute."""

    dispute_id: strawberry.Private[UUID]

    dispute: Dispute = edge("scans/dispute.edge_dispute", ids="dispute_id")


@strawberry.type(description="The dispute, withdrawn.")
class WithdrawDisputePayload:
    """The dispute, withdrawn."""

    dispute_id: strawberry.Private[UUID]

    dispute: Dispute = edge("scans/dispute.edge_dispute", ids="dispute_id")


@strawberry.type(description="How the dispute ended.")
class ResolveDisputePayload:
    """Whoever disputed is told."""

    state: DisputeState


def check_words(text: str, name: str) -> str:
    """1 to 500 characters. Raises BAD_INPUT."""
    if not 1 <= len(text.strip()) <= MOST_WORDS or len(text) > MOST_WORDS:
        raise AppError(ErrorCode.BAD_INPUT, f"{name} has 1 to {MOST_WORDS} characters.", field=name)
    return text


@counts("scans.open_disputes")
async def _count(db: Db) -> int:
    found = await count_open_dispute(db)
    assert found is not None
    return found.used


@strawberry.type
class DisputeQuery:
    """Root fields that read disputes."""

    @query("scans:read")
    async def disputes(
        self, info: Info, state: DisputeState | None = None, first: int = 20, after: str | None = None
    ) -> Page[Dispute] | None:
        """The workspace's disputes, the newest first."""
        return await page(page_dispute, info.context.db, first, after, state=state.value if state else None)

    @query(curator=True)
    async def open_disputes(self, info: Info, first: int = 20, after: str | None = None) -> Page[OpenDispute] | None:
        """What waits for a curator, in all workspaces, the longest waiting first."""
        return await page(page_open_dispute, info.context.db, first, after)


@strawberry.type
class DisputeMutation:
    """Root fields that dispute, withdraw and resolve."""

    @mutation("scans:write")
    async def dispute_scan(self, info: Info, input: DisputeScanInput) -> DisputeScanPayload | None:
        """Say that the verdict of a completed scan is wrong."""
        scan_id = parse_uuid(input.scan_id, "Scan", field="scanId")
        db = info.context.db
        async with db.transaction():
            given = [str(scan_id), input.claim.value, input.reason]
            done = await claim(db, "disputeScan", input.idempotency_key, given)
            if done is not None:
                assert done.result_id is not None
                return DisputeScanPayload(dispute_id=done.result_id)
            await check_limit(db, "scans.open_disputes", _count)
            reason = check_words(input.reason, "reason")
            made = await insert_dispute(db, scan_id=scan_id, claim=input.claim.value, reason=reason)
            if made is None:
                raise await _why_not(db, scan_id)
            await settle(db, "disputeScan", input.idempotency_key, made.id)
        return DisputeScanPayload(dispute_id=made.id)

    @mutation("scans:write")
    async def withdraw_dispute(self, info: Info, id: strawberry.ID) -> WithdrawDisputePayload | None:
        """Take a dispute back, as long as nobody has decided. Withdrawing it again changes nothing."""
        dispute_id = parse_uuid(id, "Dispute", field="id")
        db = info.context.db
        async with db.transaction():
            if await withdraw(db, id=dispute_id) is None:
                (found,) = await disputes_by_id(db, ids=[dispute_id])
                if found is None:
                    raise AppError(ErrorCode.NOT_FOUND, "There is no such dispute in this workspace.", field="id")
                raise AppError(ErrorCode.BAD_INPUT, "A curator has decided on this dispute; that stays.", field="id")
        return WithdrawDisputePayload(dispute_id=dispute_id)

    @mutation(curator=True)
    async def resolve_dispute(self, info: Info, input: ResolveDisputeInput) -> ResolveDisputePayload | None:
        """Accept or reject a dispute. Whoever disputed is told."""
        dispute_id = parse_uuid(input.id, "Dispute", field="id")
        db = info.context.db
        async with db.transaction():
            answer = None if input.answer is None else check_words(input.answer, "answer")
            done = await resolve(db, id=dispute_id, accepted=input.accepted, answer=answer)
            if done is None:
                raise AppError(ErrorCode.NOT_FOUND, "No such dispute is open; see openDisputes.", field="id")
            await enqueue(db, tell_dispute, TellDispute(workspace_id=done.of_workspace_id, dispute_id=dispute_id))
        return ResolveDisputePayload(state=DisputeState(done.state))


async def _why_not(db: Db, scan_id: UUID) -> AppError:
    (found,) = await scans_by_id(db, ids=[scan_id])
    if found is None:
        return AppError(ErrorCode.NOT_FOUND, "There is no such scan in this workspace.", field="scanId")
    return AppError(ErrorCode.BAD_INPUT, "Only what was judged can be disputed: the scan is not COMPLETED.", field="scanId")
