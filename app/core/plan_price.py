"""Prices: what plans and packs of credits cost from a moment on. A price never changes; a newer one takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.wallet import CREDIT
from app.kit.context import Info
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import BigInt, mutation, query
from app.kit.sql import File

TOLERANCE = timedelta(minutes=5)

for _table in ("plan_price", "credit_pack"):
    constraint(f"{_table}_amount_range", ErrorCode.BAD_INPUT, "A price is 0 to 10^12 cents.", field="amount")
    constraint(f"{_table}_currency_form", ErrorCode.BAD_INPUT, "A currency is three capitals, such as EUR.", field="currency")
    constraint(
        f"{_table}_provider_price_id_length",
        ErrorCode.BAD_INPUT,
        "The provider's id of a price has 1 to 200 characters.",
        field="providerPriceId",
    )
    constraint(f"{_table}_valid_from_key", ErrorCode.BAD_INPUT, "Another price begins at this very moment.", field="validFrom")
constraint("credit_pack_credits_range", ErrorCode.BAD_INPUT, "A pack holds 1 to 10^12 credits.", field="credits")
constraint("credit_pack_slug_form", ErrorCode.BAD_INPUT, "A slug is small letters, digits and hyphens.", field="slug")
constraint("credit_pack_unit_form", ErrorCode.BAD_INPUT, "A unit has 2 to 20 small letters, such as credit.", field="unit")


@strawberry.enum(description="How often is paid.")
class BillingInterval(Enum):
    """Values as in the database."""

    MONTH = "MONTH"
    YEAR = "YEAR"


@strawberry.type(description="What a plan costs now.")
class PlanPrice:
    """``amount`` is in the smallest unit of the currency."""

    currency: str = strawberry.field(description="ISO 4217.")
    billing_interval: BillingInterval = strawberry.field(description="How often is paid.")
    amount: BigInt = strawberry.field(description="In the smallest unit of the currency: cents.")
    valid_from: datetime


@strawberry.type(description="Credits that can be bought at once, and what they cost now.")
class CreditPack:
    """``amount`` is in the smallest unit of the currency."""

    slug: str
    unit: str
    credits: BigInt
    currency: str = strawberry.field(description="ISO 4217.")
    amount: BigInt = strawberry.field(description="In the smallest unit of the currency: cents.")
    valid_from: datetime


@dataclass(frozen=True)
class Price:
    """A price as the provider knows it."""

    id: UUID
    provider_price_id: str
    plan: str


@dataclass(frozen=True)
class Pack:
    """A pack as the provider knows it."""

    id: UUID
    credits: int
    unit: str
    provider_price_id: str


@dataclass(frozen=True)
class Published:
    """What was written."""

    id: UUID


sql = File("core/plan_price")
get_credit_pack = sql.one("get_credit_pack", Pack)
get_plan_price = sql.one("get_plan_price", Price)
insert_credit_pack = sql.one("insert_credit_pack", Published)
insert_plan_price = sql.one("insert_plan_price", Published)
list_credit_pack = sql.many("list_credit_pack", CreditPack)
prices_by_plan = sql.edge("edge_plan_price", PlanPrice)


@strawberry.input(description="What a plan costs from now on, or from a moment to come.")
class PublishPlanPriceInput:
    """``amount`` is in cents."""

    plan: str
    currency: str
    billing_interval: BillingInterval
    amount: BigInt
    provider_price_id: str = strawberry.field(name="providerPrice", description="What the payment provider calls it.")
    valid_from: datetime | None = None
    idempotency_key: str


@strawberry.input(description="A pack of credits that can be bought from now on, or from a moment to come.")
class PublishCreditPackInput:
    """``amount`` is in cents."""

    slug: str
    credits: BigInt
    currency: str
    amount: BigInt
    provider_price_id: str = strawberry.field(name="providerPrice", description="What the payment provider calls it.")
    unit: str = CREDIT
    valid_from: datetime | None = None
    idempotency_key: str


@strawberry.type(description="From when on it holds.")
class PublishPlanPricePayload:
    """From when on it holds."""

    plan: str
    published: bool


@strawberry.type(description="From when on it can be bought.")
class PublishCreditPackPayload:
    """From when on it can be bought."""

    slug: str
    published: bool


def check_moment(valid_from: datetime | None) -> None:
    """Raise BAD_INPUT for a price that began in the past: who paid then saw another."""
    if valid_from is not None and valid_from < datetime.now(UTC) - TOLERANCE:
        raise AppError(ErrorCode.BAD_INPUT, "validFrom lies in the past; pass a later moment.", field="validFrom")


@strawberry.type
class PlanPriceQuery:
    """The root field that lists what can be bought."""

    @query()
    async def credit_packs(self, info: Info) -> list[CreditPack] | None:
        """The packs of credits that can be bought now; a hundred at most."""
        return await list_credit_pack(info.context.db)


@strawberry.type
class PlanPriceMutation:
    """Root fields by which curators say what things cost."""

    @mutation(curator=True)
    async def publish_plan_price(self, info: Info, input: PublishPlanPriceInput) -> PublishPlanPricePayload | None:
        """Say what a plan costs. Who has subscribed pays what the provider agreed with them."""
        db, key = info.context.db, input.idempotency_key
        given = [
            input.plan,
            input.currency,
            input.billing_interval.value,
            input.amount,
            input.provider_price_id,
            input.valid_from,
        ]
        async with db.transaction():
            if await claim(db, "publishPlanPrice", key, given) is None:
                check_moment(input.valid_from)
                made = await insert_plan_price(
                    db,
                    plan=input.plan,
                    currency=input.currency,
                    billing_interval=input.billing_interval.value,
                    amount=input.amount,
                    provider_price_id=input.provider_price_id,
                    valid_from=input.valid_from,
                )
                if made is None:
                    raise AppError(ErrorCode.NOT_FOUND, "There is no such plan; see plans { slug }.", field="plan")
                await settle(db, "publishPlanPrice", key, made.id)
        return PublishPlanPricePayload(plan=input.plan, published=True)

    @mutation(curator=True)
    async def publish_credit_pack(self, info: Info, input: PublishCreditPackInput) -> PublishCreditPackPayload | None:
        """Say what a pack of credits holds and costs."""
        db, key = info.context.db, input.idempotency_key
        given = [input.slug, input.unit, input.credits, input.currency, input.amount, input.provider_price_id, input.valid_from]
        async with db.transaction():
            if await claim(db, "publishCreditPack", key, given) is None:
                check_moment(input.valid_from)
                made = await insert_credit_pack(
                    db,
                    slug=input.slug,
                    unit=input.unit,
                    credits=input.credits,
                    currency=input.currency,
                    amount=input.amount,
                    provider_price_id=input.provider_price_id,
                    valid_from=input.valid_from,
                )
                assert made is not None
                await settle(db, "publishCreditPack", key, made.id)
        return PublishCreditPackPayload(slug=input.slug, published=True)
