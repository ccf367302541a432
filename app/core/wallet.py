"""The wallet: credits in double-entry books, reserved before work begins, taken or given back when it has ended.

A product calls these functions in its own transaction, so that the credits move together with what they pay for::

    async with db.transaction():
        held = await reserve(db, 3, key=f"scan:{scan_id}", purpose="scans.scan")
        ...  # the row, the job, the outbox
    async with work.once() as db:
        await settle(db, held, 2)  # the third comes back

Every function may be called again: what was done is not done twice. Amounts are whole numbers, 1 to 10^12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.idempotency import claim
from app.core.idempotency import settle as settle_key
from app.core.upkeep import Nothing
from app.kit.context import Info
from app.kit.db import Db, look_up
from app.kit.edge import page_edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import BigInt, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue_many, job
from app.kit.page import Page
from app.kit.pool import Pool
from app.kit.sql import File, make

CREDIT = "credit"
MOST = 10**12
"""More than that moves in no single transfer."""
HOLD = timedelta(hours=1)
MOST_WORKSPACES = 1000
"""So many are looked after in a minute."""

constraint("ledger_account_unit_form", ErrorCode.BAD_INPUT, "A unit has 2 to 20 small letters, such as credit.", field="unit")
constraint("ledger_transfer_reason_length", ErrorCode.BAD_INPUT, "A reason has 1 to 300 characters.", field="reason")
constraint("reservation_key_key", ErrorCode.IDEMPOTENCY_CONFLICT, "This key was used for a reservation in another unit.")


@strawberry.enum(description="How a reservation stands.")
class ReservationStatus(Enum):
    """Values as in the database. Held, then settled or released; what was settled may be refunded."""

    HELD = strawberry.enum_value("HELD", description="The credits wait for the end of the work.")
    SETTLED = strawberry.enum_value("SETTLED", description="The work took them, or some; the rest came back.")
    RELEASED = strawberry.enum_value("RELEASED", description="All of them came back.")
    REFUNDED = strawberry.enum_value("REFUNDED", description="What the work took was given back later.")


@strawberry.enum(description="Why credits moved.")
class TransferKind(Enum):
    """Values as in the database."""

    PURCHASE = strawberry.enum_value("PURCHASE", description="Bought.")
    GRANT = strawberry.enum_value("GRANT", description="Given by a curator.")
    WITHDRAW = strawberry.enum_value("WITHDRAW", description="Taken back by a curator.")
    RESERVE = strawberry.enum_value("RESERVE", description="Held for work.")
    SETTLE = strawberry.enum_value("SETTLE", description="Taken by work.")
    RELEASE = strawberry.enum_value("RELEASE", description="Given back by work that took less or nothing.")
    EXPIRE = strawberry.enum_value("EXPIRE", description="Given back because the work never said how it ended.")
    REFUND = strawberry.enum_value("REFUND", description="Given back after work had taken it.")
    REVERSE = strawberry.enum_value("REVERSE", description="Taken back because the payment was.")


@strawberry.enum(description="The side of the books that an entry is on.")
class LedgerSide(Enum):
    """Values as in the database."""

    AVAILABLE = strawberry.enum_value("AVAILABLE", description="What can be spent.")
    RESERVED = strawberry.enum_value("RESERVED", description="What is held for work under way.")
    REVENUE = strawberry.enum_value("REVENUE", description="What was used up.")
    PURCHASE = strawberry.enum_value("PURCHASE", description="What was bought.")
    GRANT = strawberry.enum_value("GRANT", description="What was given.")


@strawberry.type(description="Credits held for work that is under way, and what became of them.")
class Reservation(Node):
    """``purpose`` is product and work."""

    node_statement = "core/wallet.edge_reservation"

    amount: BigInt
    settled_amount: BigInt | None = strawberry.field(description="What the work took.")
    unit: str
    status: ReservationStatus
    purpose: str = strawberry.field(description="Product and what it pays for, such as scans.scan.")
    created_at: datetime
    expires_at: datetime = strawberry.field(description="What is still held then comes back by itself.")
    ended_at: datetime | None


@strawberry.type(description="One side of a movement of credits.")
class LedgerEntry:
    """The entries of a wallet add up to its balance."""

    id: strawberry.Private[UUID]
    reservation_id: strawberry.Private[UUID | None]

    kind: TransferKind
    account: LedgerSide = strawberry.field(description="AVAILABLE or RESERVED: those of each add up to what is there.")
    amount: BigInt = strawberry.field(description="Below zero for what went out.")
    reason: str | None
    created_at: datetime

    @field(name="reservationId", description="The reservation that it belongs to, if one.")
    def reservation(self) -> strawberry.ID | None:
        """The id as the API writes it."""
        return global_id("Reservation", str(self.reservation_id)) if self.reservation_id else None


@strawberry.type(description="The credits of the workspace.")
class Wallet:
    """``balance`` is what is available and what is reserved."""

    unit: str
    balance: BigInt
    available: BigInt
    reserved: BigInt

    entries: Page[LedgerEntry] = page_edge(
        "core/wallet.edge_ledger_entry", units="unit", description="What came in and went out, the newest first."
    )
    reservations: Page[Reservation] = page_edge(
        "core/wallet.edge_reservation_of_wallet", units="unit", description="The newest first."
    )


@dataclass(frozen=True)
class Balance:
    """What a wallet holds."""

    available: int
    reserved: int


@dataclass(frozen=True)
class Reserved:
    """What became of an attempt to reserve, and how much was available before."""

    reservation_id: UUID | None
    outcome: str
    available: int


@dataclass(frozen=True)
class EndedOf:
    """A reservation of a batch that was still held."""

    id: UUID


@dataclass(frozen=True)
class Ended:
    """What became of an attempt to end a reservation."""

    outcome: str


@dataclass(frozen=True)
class Expired:
    """How many reservations were given back."""

    expired: int


@dataclass(frozen=True)
class Granted:
    """What became of a grant; ``available`` is afterwards."""

    transfer_id: UUID | None
    outcome: str
    available: int | None


@dataclass(frozen=True)
class Bought:
    """Whether the credits are new, and not those of an earlier call."""

    bought: bool


@dataclass(frozen=True)
class LedgerCheck:
    """The books added up: all that is wrong is zero, or somebody altered them."""

    accounts: int
    wrong_balances: int
    wrong_transfers: int
    wrong_reserves: int

    @property
    def wrong(self) -> int:
        """How much is."""
        return self.wrong_balances + self.wrong_transfers + self.wrong_reserves


@dataclass(frozen=True)
class Forgetful:
    """A workspace in which a reservation was forgotten."""

    workspace_id: UUID


class Tenant(BaseModel, frozen=True):
    """The workspace that a job is for."""

    workspace_id: UUID


sql = File("core/wallet")
buy_credits = sql.one("buy_credits", Bought)
end_reservation = sql.one("end_reservation", Ended)
end_reservations = sql.many("end_reservations", EndedOf)
entries_by_unit = sql.edge("edge_ledger_entry", LedgerEntry)
expire_reservations = sql.one("expire_reservations", Expired)
get_ledger_check = sql.one("get_ledger_check", LedgerCheck)
get_wallet = sql.one("get_wallet", Balance)
grant_credits = sql.one("grant_credits", Granted)
list_expired_reservation = File("core/across").many("list_expired_reservation", Forgetful)
reservations_by_id = sql.edge("edge_reservation", Reservation)
reservations_by_unit = sql.edge("edge_reservation_of_wallet", Reservation)
reserve_credits = sql.one("reserve_credits", Reserved)


class InsufficientCredits(AppError):
    """There are fewer available than needed; ``extensions.credits`` says of what, how many, and how many there are."""

    def __init__(self, unit: str, needed: int, available: int) -> None:
        super().__init__(
            ErrorCode.INSUFFICIENT_CREDITS,
            f"This takes {needed} of {unit}, and {available} are available. Buy more, or wait for what is reserved.",
        )
        self.extensions = {
            **(self.extensions or {}),
            "credits": {"unit": unit, "needed": needed, "available": available},
        }


def check_amount(amount: int) -> None:
    """Raise BAD_INPUT for what no transfer can move."""
    if not 1 <= amount <= MOST:
        raise AppError(ErrorCode.BAD_INPUT, f"An amount is a whole number from 1 to {MOST}.", field="amount")


async def reserve(db: Db, amount: int, *, key: str, purpose: str, unit: str = CREDIT, hold: timedelta = HOLD) -> UUID:
    """Hold credits of the workspace in the open transaction; the reservation's id. Raises INSUFFICIENT_CREDITS.

    The same ``key`` with the same amount is the same reservation, however it stands; with another it raises
    IDEMPOTENCY_CONFLICT. What is still held after ``hold`` is given back by a job.
    """
    check_amount(amount)
    made = await reserve_credits(
        db, unit=unit, amount=amount, key=key, purpose=purpose, seconds=max(1, int(hold.total_seconds()))
    )
    assert made is not None
    if made.outcome == "INSUFFICIENT":
        raise InsufficientCredits(unit, amount, made.available)
    if made.outcome == "CONFLICT":
        raise AppError(ErrorCode.IDEMPOTENCY_CONFLICT, "This key was used for another reservation. Use a new key.")
    assert made.reservation_id is not None
    return made.reservation_id


async def settle(db: Db, reservation_id: UUID, amount: int | None = None) -> bool:
    """Take what the work took, the whole without ``amount``; the rest comes back. False when that was done before.

    Raises RESERVATION_CLOSED when it ended otherwise: released, expired, or settled with another amount.
    """
    return await _end(db, reservation_id, ReservationStatus.SETTLED, amount)


async def release(db: Db, reservation_id: UUID) -> bool:
    """Give all of it back: the work did not happen. False when that was done before. Raises RESERVATION_CLOSED."""
    return await _end(db, reservation_id, ReservationStatus.RELEASED)


async def refund(db: Db, reservation_id: UUID) -> bool:
    """Give back what was settled. False when that was done before. Raises RESERVATION_CLOSED."""
    return await _end(db, reservation_id, ReservationStatus.REFUNDED)


async def settle_all(db: Db, reservation_ids: Sequence[UUID]) -> None:
    """Take what a batch of work took, each the whole. Raises RESERVATION_CLOSED when one of them is not held any more."""
    if not reservation_ids:
        return
    ended = await end_reservations(db, ids=list(reservation_ids), status=ReservationStatus.SETTLED.value)
    if len(ended) != len(reservation_ids):
        raise AppError(ErrorCode.RESERVATION_CLOSED, "A reservation of this work has ended before it.")


async def release_all(db: Db, reservation_ids: Sequence[UUID]) -> None:
    """Give all of them back that are still held: the work did not happen."""
    if reservation_ids:
        await end_reservations(db, ids=list(reservation_ids), status=ReservationStatus.RELEASED.value)


async def _end(db: Db, reservation_id: UUID, status: ReservationStatus, amount: int | None = None) -> bool:
    ended = await end_reservation(db, id=reservation_id, status=status.value, amount=amount)
    assert ended is not None
    if ended.outcome == "MISSING":
        raise AppError(ErrorCode.NOT_FOUND, "There is no such reservation in this workspace.")
    if ended.outcome == "CLOSED":
        raise AppError(ErrorCode.RESERVATION_CLOSED, f"This reservation has ended and cannot become {status.value}.")
    if ended.outcome == "TOO_MUCH":
        raise AppError(ErrorCode.BAD_INPUT, "Settle 1 to as many as are reserved.", field="amount")
    return ended.outcome == "DONE"


async def check_books(pool: Pool) -> LedgerCheck:
    """Everybody's books, added up again. Raises UNAVAILABLE or TIMED_OUT."""
    (record,) = await look_up(pool, get_ledger_check.statement, {})
    return make(LedgerCheck, record)


async def buy(db: Db, amount: int, *, key: str, unit: str = CREDIT) -> bool:
    """Credits that were paid for, in a job's transaction; ``key`` names the payment. False when they were booked before."""
    check_amount(amount)
    made = await buy_credits(db, unit=unit, amount=amount, key=key)
    assert made is not None
    return made.bought


@job("core.find_expired_reservations", Nothing, cron="* * * * *")
async def find_expired_reservations(work: Work, payload: Nothing) -> None:
    """Every minute: where something is held for longer than it was meant to be. A look that was missed is made up for."""
    found = await list_expired_reservation(work.db, limit=MOST_WORKSPACES)
    async with work.db.transaction():
        asked = [(Tenant(workspace_id=each.workspace_id), str(each.workspace_id)) for each in found]
        await enqueue_many(work.db, release_expired, asked)


@job("core.release_expired", Tenant, rests=False)
async def release_expired(work: Work, payload: Tenant) -> None:
    """Give it back. Doing it twice finds nothing the second time."""
    async with work.db.transaction():
        await expire_reservations(work.db)


@strawberry.input(description="Credits for a workspace, or taken back from it.")
class GrantCreditsInput:
    """``amount`` below zero takes back what is available."""

    workspace_id: strawberry.ID
    amount: BigInt
    reason: str = strawberry.field(description="Why, 1 to 300 characters: the workspace reads it.")
    unit: str = CREDIT
    idempotency_key: str


@strawberry.type(description="What the workspace can spend now.")
class GrantCreditsPayload:
    """What the workspace can spend now."""

    available: BigInt


UNIT = Annotated[str, strawberry.argument(description="What is counted, such as credit.")]


@strawberry.type
class WalletQuery:
    """The root field that reads the wallet."""

    @query()
    async def wallet(self, info: Info, unit: UNIT = CREDIT) -> Wallet | None:
        """The credits of the active workspace: of any unit, an empty wallet where it never had some."""
        found = await get_wallet(info.context.db, unit=unit)
        assert found is not None  # an aggregate always has a row
        return Wallet(
            unit=unit,
            balance=BigInt(found.available + found.reserved),
            available=BigInt(found.available),
            reserved=BigInt(found.reserved),
        )


@strawberry.type
class WalletMutation:
    """The root field by which curators correct the books."""

    @mutation(curator=True)
    async def grant_credits(self, info: Info, input: GrantCreditsInput) -> GrantCreditsPayload | None:
        """Give a workspace credits, or take back what it has not spent. The books say so, with the reason."""
        to = parse_uuid(input.workspace_id, "Workspace", field="workspaceId")
        db = info.context.db
        async with db.transaction():
            given = [str(to), input.unit, input.amount, input.reason]
            await claim(db, "grantCredits", input.idempotency_key, given)
            if input.amount == 0 or abs(input.amount) > MOST:
                raise AppError(ErrorCode.BAD_INPUT, f"Give or take 1 to {MOST}.", field="amount")
            key = f"{info.context.actor.workspace_id}:{input.idempotency_key}"
            made = await grant_credits(
                db, to_workspace_id=to, unit=input.unit, amount=input.amount, key=key, reason=input.reason
            )
            assert made is not None
            if made.outcome == "MISSING":
                raise AppError(ErrorCode.NOT_FOUND, "There is no such workspace.", field="workspaceId")
            if made.outcome == "INSUFFICIENT":
                raise InsufficientCredits(input.unit, -input.amount, made.available or 0)
            if made.transfer_id is not None:
                await settle_key(db, "grantCredits", input.idempotency_key, made.transfer_id)
        return GrantCreditsPayload(available=BigInt(made.available or 0))
