"""Purchases of credits: what a payment bought, and what goes back when its money does.

Refunds and disputes take back the share of the credits that the money is of the payment, rounded down, as far as they are
there: a wallet is never below zero, and what was spent stays spent. A dispute counts from the moment that the bank takes the
money, and gives the credits back if it is won. What is booked is worked out from how the payment stands, not from what an event
adds, so events may come twice and in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.kit.db import Db
from app.kit.log import log
from app.kit.provider import ask
from app.kit.sql import File

REFUNDED = "charge.refunded"
DISPUTE = "charge.dispute."
AT_MOST = 100
"""A payment has a few charges, of which one succeeded, and hardly ever a dispute."""

WITHDRAWN = frozenset({"needs_response", "under_review", "lost"})
"""The bank has taken the money. Before, there is but a question (warning_...)."""
CLOSED = frozenset({"won", "lost", "warning_closed", "prevented"})


@dataclass(frozen=True)
class Standing:
    """How a payment stands, in the smallest unit of its currency; None is what is not known."""

    amount: int | None = None
    refunded: int | None = None
    disputed: int | None = None
    closed: bool | None = None


@dataclass(frozen=True)
class Followed:
    """What was booked: credits bought, taken back (below zero: given back), and not taken because they were spent."""

    bought: bool
    taken: int
    spent: int


sql = File("core/credit_purchase")
settle_payment = sql.one("settle_payment", Followed)


def is_reversal(kind: str) -> bool:
    """Whether an event of this type tells that money went back."""
    return kind == REFUNDED or kind.startswith(DISPUTE)


def whole(value: object) -> int | None:
    """An amount, or none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def told(kind: str, found: Mapping[str, Any]) -> Standing:
    """What an event says by itself."""
    if kind == REFUNDED:
        return Standing(amount=whole(found.get("amount")), refunded=whole(found.get("amount_refunded")))
    if kind.startswith(DISPUTE):
        return total([found])
    return Standing(amount=whole(found.get("amount_total")))


def total(disputes: list[Mapping[str, Any]]) -> Standing:
    """What the bank has taken, and whether that is the last word."""
    if not disputes:
        return Standing()
    taken = [whole(each.get("amount")) or 0 for each in disputes if each.get("status") in WITHDRAWN]
    return Standing(disputed=sum(taken), closed=all(each.get("status") in CLOSED for each in disputes))


async def look_at_payment(settings: Any, payment: str, before: Standing) -> Standing:
    """How it stands now, as the provider says; what that leaves open is as told ``before``. Call it outside of transactions."""
    charges = await ask(settings, lambda client: client.v1.charges.list({"payment_intent": payment, "limit": AT_MOST}))
    disputes = await ask(settings, lambda client: client.v1.disputes.list({"payment_intent": payment, "limit": AT_MOST}))
    paid = [each for each in charges["data"] if each.get("status") == "succeeded"]
    withdrawn = total(disputes["data"])
    return Standing(
        amount=sum(whole(each.get("amount")) or 0 for each in paid) if paid else before.amount,
        refunded=sum(whole(each.get("amount_refunded")) or 0 for each in paid) if paid else before.refunded,
        disputed=before.disputed if withdrawn.disputed is None else withdrawn.disputed,
        closed=before.closed if withdrawn.closed is None else withdrawn.closed,
    )


async def follow(
    db: Db, payment: str, standing: Standing, *, key: str | None = None, credits: int | None = None, unit: str | None = None
) -> Followed:
    """Book what is new, in the open transaction of a job; with ``credits``, that the payment bought them under this ``key``."""
    done = await settle_payment(
        db,
        payment=payment,
        key=key,
        unit=unit,
        credits=credits,
        amount=standing.amount,
        refunded=standing.refunded,
        disputed=standing.disputed,
        closed=standing.closed,
    )
    assert done is not None
    if done.taken or done.spent:
        log.warning("credits reversed", taken=done.taken, spent=done.spent)
    return done
