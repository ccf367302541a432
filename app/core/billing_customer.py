"""Customers: ordering a plan or credits at the payment provider, and the pages where it lets people see to their payments.

The provider keeps the idempotency key of an order, because an order is a call and no row of ours: the same key leads to the
same page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import strawberry

from app.core.plan_price import BillingInterval, get_credit_pack, get_plan_price
from app.core.subscription import get_live_subscription
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import MANAGERS, mutation
from app.kit.provider import ask, is_configured
from app.kit.sql import File


@dataclass(frozen=True)
class BillingCustomer:
    """Who the workspace is to the provider."""

    provider_customer_id: str


@dataclass(frozen=True)
class LeavingCustomer:
    """Who is erased, to the provider."""

    workspace_id: UUID
    provider_customer_id: str


sql = File("core/billing_customer")
get_billing_customer = sql.one("get_billing_customer", BillingCustomer)
insert_billing_customer = sql.exec("insert_billing_customer")
list_leaving_customer = sql.many("list_leaving_customer", LeavingCustomer)

AT_MOST = 100
"""Subscriptions of a workspace at the provider: we sell one at a time."""
ENDED = frozenset({"canceled", "incomplete_expired"})


async def stop_paying(db: Db, settings: Any, erasure_id: UUID) -> None:
    """Cancel all that the workspaces of a due erasure pay for, at once. Raises BILLING_UNAVAILABLE; may be called again.

    Call it outside of any transaction. Without a provider there is nothing to do.
    """
    if not is_configured(settings):
        return
    leaving = await list_leaving_customer(db, erasure_id=erasure_id)
    await db.restart()
    for customer in leaving:
        asked: dict[str, Any] = {"customer": customer.provider_customer_id, "limit": AT_MOST}
        found = await ask(settings, lambda client, asked=asked: client.v1.subscriptions.list(asked))  # type: ignore[misc]
        for each in found["data"]:
            if each["status"] not in ENDED:
                await ask(settings, lambda client, name=each["id"]: client.v1.subscriptions.cancel(name))  # type: ignore[misc]


@strawberry.input(description="What is ordered: either a plan or a pack of credits.")
class StartCheckoutInput:
    """Exactly one of ``plan`` and ``credit_pack``."""

    plan: str | None = strawberry.field(default=None, description="The slug of a plan.")
    billing_interval: BillingInterval = BillingInterval.MONTH
    credit_pack: str | None = strawberry.field(default=None, description="The slug of a pack.")
    currency: str = "EUR"
    idempotency_key: str


@strawberry.type(description="Where to go on.")
class StartCheckoutPayload:
    """The provider's page."""

    url: str = strawberry.field(description="The payment provider's page: send the person there.")


@strawberry.type(description="Where to go on.")
class OpenBillingPortalPayload:
    """The provider's page."""

    url: str = strawberry.field(description="The payment provider's page: send the person there.")


def return_url(settings: Any) -> str:
    """Where the provider sends people back to. Raises BILLING_NOT_CONFIGURED."""
    if not is_configured(settings) or not settings.billing_return_url:
        raise AppError(
            ErrorCode.BILLING_NOT_CONFIGURED,
            "This installation takes no payments: its operator has not set FIVEFOLD_STRIPE_SECRET_KEY and"
            " FIVEFOLD_BILLING_RETURN_URL.",
        )
    return str(settings.billing_return_url)


async def find_customer(info: Info) -> str:
    """Who the workspace is to the provider; made at the first order."""
    db, settings, workspace = info.context.db, info.context.settings, str(info.context.actor.workspace_id)
    known = await get_billing_customer(db)
    await db.restart()
    if known is not None:
        return known.provider_customer_id
    made = await ask(
        settings,
        lambda client: client.v1.customers.create(
            {"metadata": {"workspace_id": workspace}}, {"idempotency_key": f"customer:{workspace}"}
        ),
    )
    async with db.transaction():
        await insert_billing_customer(db, provider_customer_id=made["id"])
    return str(made["id"])


@strawberry.type
class BillingCustomerMutation:
    """Root fields that lead to the provider's pages."""

    @mutation(roles=MANAGERS)
    async def start_checkout(self, info: Info, input: StartCheckoutInput) -> StartCheckoutPayload | None:
        """Order a plan or credits. The plan changes, and the credits come, when the provider says that it was paid."""
        db, settings, workspace = info.context.db, info.context.settings, str(info.context.actor.workspace_id)
        back = return_url(settings)
        if not 1 <= len(input.idempotency_key) <= 200:
            raise AppError(ErrorCode.BAD_INPUT, "An idempotency key has 1 to 200 characters.", field="idempotencyKey")
        metadata = {"workspace_id": workspace}
        params: dict[str, Any] = {"success_url": back, "cancel_url": back, "client_reference_id": workspace}
        if (input.plan is None) == (input.credit_pack is None):
            raise AppError(ErrorCode.BAD_INPUT, "Pass either plan or creditPack.", field="plan")
        if input.plan is not None:
            if (live := await get_live_subscription(db)) is not None and live.provider_subscription_id is not None:
                raise AppError(
                    ErrorCode.ALREADY_SUBSCRIBED,
                    "The workspace pays for a plan; change it by openBillingPortal.",
                    field="plan",
                )
            price = await get_plan_price(
                db, plan=input.plan, currency=input.currency, billing_interval=input.billing_interval.value
            )
            if price is None:
                raise AppError(ErrorCode.NOT_FOUND, "This plan is not sold so; see plans { prices }.", field="plan")
            params |= {"mode": "subscription", "subscription_data": {"metadata": metadata}}
            line = price.provider_price_id
        else:
            pack = await get_credit_pack(db, slug=input.credit_pack, currency=input.currency)
            if pack is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such pack; see creditPacks.", field="creditPack")
            metadata["credit_pack_id"] = str(pack.id)
            params |= {"mode": "payment", "payment_intent_data": {"metadata": metadata}}
            line = pack.provider_price_id
        await db.restart()
        params |= {"metadata": metadata, "line_items": [{"price": line, "quantity": 1}]}
        params["customer"] = await find_customer(info)
        key = f"checkout:{workspace}:{input.idempotency_key}"
        made = await ask(settings, lambda client: client.v1.checkout.sessions.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]
        return StartCheckoutPayload(url=made["url"])

    @mutation(roles=MANAGERS)
    async def open_billing_portal(self, info: Info) -> OpenBillingPortalPayload | None:
        """The provider's page for payment methods, invoices, and changes of the subscription."""
        settings = info.context.settings
        back = return_url(settings)
        known = await get_billing_customer(info.context.db)
        await info.context.db.restart()
        if known is None:
            raise AppError(ErrorCode.NOT_FOUND, "Nothing was ordered in this workspace yet; see startCheckout.")
        made = await ask(
            settings,
            lambda client: client.v1.billing_portal.sessions.create(
                {"customer": known.provider_customer_id, "return_url": back}
            ),
        )
        return OpenBillingPortalPayload(url=made["url"])
