"""Invoices: what the payment provider asked for, as it told us. The provider keeps the documents, and all of cards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from app.core.subscription import moment
from app.kit.context import Info
from app.kit.db import Db
from app.kit.graphql import MANAGERS, BigInt, query
from app.kit.page import Page, page
from app.kit.sql import File


@strawberry.enum(description="How an invoice stands.")
class InvoiceStatus(Enum):
    """Values as in the database, and as the provider's."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


@strawberry.type(description="What the payment provider asked for.")
class Invoice:
    """Amounts are in the smallest unit of the currency."""

    id: strawberry.Private[UUID]

    number: str | None
    amount_due: BigInt = strawberry.field(description="In the smallest unit of the currency: cents.")
    amount_paid: BigInt = strawberry.field(description="In the smallest unit of the currency: cents.")
    currency: str = strawberry.field(description="ISO 4217.")
    status: InvoiceStatus
    hosted_url: str | None = strawberry.field(description="Where the provider shows it.")
    issued_at: datetime


sql = File("core/invoice")
page_invoice = sql.page("page_invoice", Invoice)
upsert_invoice = sql.exec("upsert_invoice")


async def apply_invoice(db: Db, facts: Mapping[str, Any], as_of: datetime) -> None:
    """What the provider says of an invoice, in the open transaction of a job. Raises KeyError for what is none."""
    url = facts.get("hosted_invoice_url")
    await upsert_invoice(
        db,
        provider_invoice_id=facts["id"],
        observed_at=as_of,
        issued_at=moment(facts.get("created")) or as_of,
        amount_due=int(facts["amount_due"]),
        amount_paid=int(facts.get("amount_paid") or 0),
        currency=str(facts["currency"]).upper(),
        status=facts.get("status") or "draft",
        number=facts.get("number"),
        hosted_url=url if isinstance(url, str) and url.startswith("https://") else None,
    )


@strawberry.type
class InvoiceQuery:
    """The root field that lists invoices."""

    @query(roles=MANAGERS)
    async def invoices(self, info: Info, first: int = 20, after: str | None = None) -> Page[Invoice] | None:
        """What the active workspace was asked to pay, newest first. Owners and admins only."""
        return await page(page_invoice, info.context.db, first, after)
