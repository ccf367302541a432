"""Billing events: what the payment provider tells, taken once however often and in whatever order it comes.

The request only looks at the signature and writes the event down, together with the job that does it. The job asks the provider
how things stand now, because events come late and in any order, and does it in one transaction. So whatever is killed whenever,
either the provider sends the event again, or the job is done again, and each does it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app.core.credit_purchase import DISPUTE, Followed, Standing, follow, is_reversal, look_at_payment, told
from app.core.invoice import apply_invoice
from app.core.subscription import SubscriptionStatus, apply_subscription, tell_of_failure
from app.core.wallet import buy
from app.kit.context import NOBODY
from app.kit.db import Db
from app.kit.errors import AppError
from app.kit.jobs import Work, enqueue, job
from app.kit.log import log
from app.kit.provider import ask, is_configured, is_signed
from app.kit.sql import File

MOST_BYTES = 1024 * 1024
ATTEMPTS = 12
"""Some hours: a provider that is away comes back."""

SUBSCRIPTION = "customer.subscription."
INVOICE = "invoice."
PAID = ("checkout.session.completed", "checkout.session.async_payment_succeeded")

KEPT = frozenset(
    {
        "id", "object", "customer", "status", "items", "current_period_start", "current_period_end", "cancel_at_period_end",
        "canceled_at", "ended_at", "trial_end", "metadata", "number", "amount_due", "amount_paid", "currency", "created",
        "hosted_invoice_url", "subscription", "mode", "payment_status", "client_reference_id", "payment_intent", "amount",
        "amount_total", "amount_refunded",
    }
)  # fmt: skip
"""What is kept of an object: no name, no address, no card."""
KEPT_OF_ITEM = frozenset({"id", "quantity", "current_period_start", "current_period_end"})
KEPT_OF_METADATA = frozenset({"workspace_id", "credit_pack_id"})


FAILED = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)


@dataclass(frozen=True)
class BillingEvent:
    """What the provider told, as far as it is kept."""

    provider_event_id: str
    type: str
    state: str
    occurred_at: datetime
    detail: Any


@dataclass(frozen=True)
class Received:
    """The event, if it is new, and whose it is, if somebody's here."""

    event_id: UUID | None
    tenant: UUID | None


@dataclass(frozen=True)
class SoldPack:
    """What a pack holds."""

    credits: int
    unit: str


class Event(BaseModel, frozen=True):
    """An event to do."""

    workspace_id: UUID
    event_id: UUID


sql = File("core/billing_event")
get_billing_event = sql.one("get_billing_event", BillingEvent)
get_pack_by_id = sql.one("get_pack_by_id", SoldPack)
receive_billing_event = sql.one("receive_billing_event", Received)
update_billing_event = sql.exec("update_billing_event")


def is_known(kind: str) -> bool:
    """Whether an event of this type means something to us; others are written down and that is all."""
    return kind.startswith((SUBSCRIPTION, INVOICE)) or kind in PAID or is_reversal(kind)


def text(value: object) -> str | None:
    """A text that a column takes, or none."""
    return value if isinstance(value, str) and value and "\0" not in value and len(value) <= 200 else None


def keep(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is needed of an object, of which we have all."""
    kept = {name: value for name, value in found.items() if name in KEPT}
    parent = found.get("parent")
    of = parent.get("subscription_details") if isinstance(parent, dict) else None
    metadata = [each.get("metadata") for each in (of, found) if isinstance(each, dict)]
    merged = {k: v for each in metadata if isinstance(each, dict) for k, v in each.items() if k in KEPT_OF_METADATA}
    kept["metadata"] = {name: value for name, value in merged.items() if text(value)}
    if isinstance(items := kept.pop("items", None), dict) and isinstance(data := items.get("data"), list):
        kept["items"] = {"data": [keep_item(each) for each in data[:20] if isinstance(each, dict)]}
    plain = (str, int, bool, type(None))
    return {name: value for name, value in kept.items() if isinstance(value, plain) or name in ("items", "metadata")}


def keep_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is subscribed to, which price and until when."""
    price = item.get("price")
    kept = {name: value for name, value in item.items() if name in KEPT_OF_ITEM and isinstance(value, str | int)}
    return kept | {"price": {"id": price.get("id") if isinstance(price, dict) else None}}


def workspace_of(metadata: Mapping[str, Any]) -> UUID | None:
    """The workspace that we gave the provider with the order."""
    try:
        return UUID(metadata.get("workspace_id", ""))
    except ValueError:
        return None


def refuse(status: int, reason: str) -> Response:
    """A sentence for whoever reads the provider's log."""
    return JSONResponse({"received": False, "reason": reason}, status)


async def read_body(request: Request) -> bytes | None:
    """The raw body, or None when it is too long: what is beyond is not even read."""
    if (said := request.headers.get("content-length", "0")).isdigit() and int(said) > MOST_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


async def receive_stripe(request: Request) -> Response:
    """The endpoint. 200 when it is written down, for the first time or again; 5xx when it is to be sent again."""
    service = request.app.state.service
    settings = service.settings
    if not settings.stripe_webhook_secrets:
        return refuse(503, "FIVEFOLD_STRIPE_WEBHOOK_SECRETS is not set.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return refuse(400, "Send application/json.")
    try:
        body = await read_body(request)
    except ClientDisconnect:
        return refuse(400, "The body ended early.")
    if body is None:
        return refuse(413, "The body is too long.")
    if not is_signed(settings, body, request.headers.get("stripe-signature")):
        return refuse(400, "The signature is missing, wrong or too old.")
    try:
        event = orjson.loads(body)
        provider_event_id, kind = text(event["id"]), text(event["type"])
        occurred_at, found = datetime.fromtimestamp(int(event["created"]), UTC), event["data"]["object"]
        if event["object"] != "event" or provider_event_id is None or kind is None or not isinstance(found, dict):
            raise ValueError
        detail = keep(found) if is_known(kind) else {}
        orjson.dumps(detail)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return refuse(400, "This is no event.")
    db = Db(service.pool, NOBODY, uuid4())
    try:
        async with db.transaction():
            made = await receive_billing_event(
                db,
                provider_event_id=provider_event_id,
                type=kind,
                occurred_at=occurred_at,
                customer=text(detail.get("customer")),
                given_workspace_id=workspace_of(detail.get("metadata", {})),
                known=is_known(kind),
                detail=detail,
            )
            assert made is not None
            if made.event_id is not None and made.tenant is not None and is_known(kind):
                await enqueue(db, apply_billing_event, Event(workspace_id=made.tenant, event_id=made.event_id))
    except AppError as error:
        log.warning("billing event not taken", reason=error.code_name, type=kind)
        return refuse(503, "Try again later.")
    except Exception as error:  # noqa: BLE001 - whatever it is, its text is not for clients
        log.error("billing event not taken", exc_info=error, type=kind)
        return refuse(500, "Something went wrong on our side.")
    finally:
        await db.close()
    log.info("billing event", type=kind, known=is_known(kind), new=made.event_id is not None, somebodys=made.tenant is not None)
    return JSONResponse({"received": True})


async def look_now(work: Work, event: BillingEvent) -> tuple[Mapping[str, Any], datetime]:
    """How the object stands, and as of when: as the provider says now, or as it said then where it cannot be asked."""
    name, settings = event.detail.get("id"), work.settings
    if not is_configured(settings) or not isinstance(name, str):
        return event.detail, event.occurred_at
    as_of = datetime.now(UTC)  # before it is asked: who asked later knows at least as much
    if event.type.startswith(SUBSCRIPTION):
        return keep(await ask(settings, lambda client: client.v1.subscriptions.retrieve(name))), as_of
    if event.type.startswith(INVOICE) and event.type != "invoice.deleted":
        return keep(await ask(settings, lambda client: client.v1.invoices.retrieve(name))), as_of
    return event.detail, event.occurred_at


async def look_at_money(work: Work, event: BillingEvent) -> Standing:
    """How the payment of an order or a reversal stands: as the provider says now, or as was told where it cannot be asked."""
    standing, payment = told(event.type, event.detail), event.detail.get("payment_intent")
    if not is_configured(work.settings) or payment is None or not (event.type in PAID or is_reversal(event.type)):
        return standing
    return await look_at_payment(work.settings, payment, standing)


async def sell(db: Db, order: Mapping[str, Any], standing: Standing) -> Followed | None:
    """The credits of an order that was paid."""
    pack = await get_pack_by_id(db, id=UUID(order["metadata"]["credit_pack_id"]))
    assert pack is not None  # the order named it, and packs are never deleted
    if payment := text(order.get("payment_intent")):
        return await follow(db, payment, standing, key=order["id"], credits=pack.credits, unit=pack.unit)
    await buy(db, pack.credits, key=order["id"], unit=pack.unit)
    return None


async def reverse(db: Db, event: BillingEvent, standing: Standing) -> Followed | None:
    """Money went back. A refund that comes before its order waits for it; charges that bought no credits are of no interest."""
    payment = text(event.detail.get("payment_intent"))
    bought_credits = "credit_pack_id" in event.detail.get("metadata", {}) or event.type.startswith(DISPUTE)
    return await follow(db, payment, standing) if payment is not None and bought_credits else None


@job("core.apply_billing_event", Event, attempts=ATTEMPTS, rests=False)
async def apply_billing_event(work: Work, payload: Event) -> None:
    """Do what an event says, with the note that it was done, in one transaction."""
    event = await get_billing_event(work.db, id=payload.event_id)
    if event is None or event.state != "RECEIVED":
        return
    await work.db.restart()  # no transaction is held open while the provider takes its time
    facts, as_of = await look_now(work, event)
    standing, booked = await look_at_money(work, event), None
    async with work.once() as db:
        if event.type.startswith(SUBSCRIPTION):
            done = await apply_subscription(db, facts, as_of, work.settings.billing_grace_days)
            if done is not None and done.status in FAILED and done.changed:
                await tell_of_failure(db, done.id)
        elif event.type.startswith(INVOICE):
            if event.type != "invoice.deleted" and facts.get("id"):
                await apply_invoice(db, facts, as_of)
        elif is_reversal(event.type):
            booked = await reverse(db, event, standing)
        elif facts.get("payment_status") == "paid" and facts.get("mode") == "payment":
            booked = await sell(db, facts, standing)
        outcome = {"taken": booked.taken, "spent": booked.spent} if booked and (booked.taken or booked.spent) else {}
        await update_billing_event(db, id=payload.event_id, state="APPLIED", outcome=outcome)
