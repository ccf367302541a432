"""Subscriptions: trial, active, past due, canceled, unpaid; the plan of the workspace follows what they say.

What the provider says wins when it is newer than what is known. Without it there is one trial for each workspace, which a job
ends. Active and trial give the plan, past due keeps it for some days, canceled and unpaid take it away.

A workspace has the largest plan of what it pays for, what it tries, and what a curator gave it (``assignPlan``). So nothing
that a provider tells takes away what a curator gave, and what was given comes back when a larger subscription ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.core.upkeep import Nothing
from app.core.wallet import Tenant
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, Node, mutation, query
from app.kit.jobs import Work, enqueue_many, job
from app.kit.provider import ask
from app.kit.sql import File

MOST_WORKSPACES = 1000
"""So many are looked after in a minute."""

PROVIDER = {
    "trialing": "trial",
    "active": "active",
    "past_due": "past_due",
    "canceled": "canceled",
    "incomplete_expired": "canceled",
    "unpaid": "unpaid",
    "incomplete": "unpaid",
    "paused": "unpaid",
}
"""The provider's states as ours. What was never paid, and what pauses, gives no plan."""

TRIED = "This workspace has tried a plan before; see startCheckout."
constraint("subscription_one_trial_idx", ErrorCode.TRIAL_USED, TRIED)


@strawberry.enum(description="How a subscription stands.")
class SubscriptionStatus(Enum):
    """Values as in the database."""

    TRIAL = strawberry.enum_value("trial", description="Being tried; nothing is paid.")
    ACTIVE = strawberry.enum_value("active", description="Paid.")
    PAST_DUE = strawberry.enum_value("past_due", description="A payment failed; the plan stays until graceUntil.")
    CANCELED = strawberry.enum_value("canceled", description="Ended, for good.")
    UNPAID = strawberry.enum_value("unpaid", description="Not paid, and without the plan until it is.")


@strawberry.type(description="What the workspace pays for or tries.")
class PlanSubscription(Node):
    """A trial that no provider knows has no ``provider_subscription_id``."""

    node_statement = "core/subscription.edge_subscription"

    provider_subscription_id: strawberry.Private[str | None]

    plan: str = strawberry.field(description="The slug of the plan.")
    status: SubscriptionStatus
    period_start: datetime | None
    period_end: datetime | None = strawberry.field(description="Until when it is paid or tried.")
    trial_ends_at: datetime | None
    grace_until: datetime | None = strawberry.field(description="A payment failed; the plan stays until then.")
    ended_at: datetime | None
    cancel_at_period_end: bool = strawberry.field(description="It goes on until periodEnd and is not renewed.")


@dataclass(frozen=True)
class Upserted:
    """How it stands now, and whether that is new."""

    id: UUID
    status: SubscriptionStatus
    changed: bool


@dataclass(frozen=True)
class Sold:
    """A plan."""

    slug: str


@dataclass(frozen=True)
class Followed:
    """The plan that the workspace has now."""

    plan: str


@dataclass(frozen=True)
class Tried:
    """What became of an attempt to begin a trial."""

    subscription_id: UUID | None
    outcome: str


@dataclass(frozen=True)
class TrialEnded:
    """Whether there was one."""

    ended: bool


@dataclass(frozen=True)
class Manager:
    """Who sees to payments."""

    account_id: UUID


@dataclass(frozen=True)
class Ending:
    """A workspace in which a trial or the days of grace are over."""

    workspace_id: UUID


sql = File("core/subscription")
end_trial = sql.one("end_trial", TrialEnded)
follow = sql.one("update_plan_followed", Followed)
get_latest_subscription = sql.one("get_latest_subscription", PlanSubscription)
get_live_subscription = sql.one("get_live_subscription", PlanSubscription)
get_sold_plan = sql.one("get_sold_plan", Sold)
list_ending_subscription = File("core/across").many("list_ending_subscription", Ending)
list_manager = sql.many("list_manager", Manager)
start_trial = sql.one("start_trial", Tried)
subscriptions_by_id = sql.edge("edge_subscription", PlanSubscription)
update_ended_grace = sql.exec("update_ended_grace")
update_ended_trial = sql.exec("update_ended_trial")
upsert_subscription = sql.one("upsert_subscription", Upserted)


class UnknownPrice(Exception):
    """The provider sold something that no price of ours is for: a curator publishes it, then the job may run again."""


def moment(seconds: object) -> datetime | None:
    """A time as the provider writes it."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None


def first_item(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is subscribed to; we sell one thing at a time."""
    items = (facts.get("items") or {}).get("data") or [{}]
    found: Mapping[str, Any] = items[0]
    return found


async def apply_subscription(db: Db, facts: Mapping[str, Any], as_of: datetime, grace_days: int) -> Upserted | None:
    """What the provider says of a subscription, in the open transaction of a job; the plan follows.

    None when something newer is known. Raises UnknownPrice, KeyError for a state that we do not know.
    """
    item = first_item(facts)
    price = (item.get("price") or {}).get("id")
    sold = await get_sold_plan(db, provider_price_id=price)
    if sold is None:
        raise UnknownPrice
    status = PROVIDER[facts["status"]]
    ended = moment(facts.get("ended_at")) or moment(facts.get("canceled_at")) or as_of
    done = await upsert_subscription(
        db,
        provider_subscription_id=facts["id"],
        plan=sold.slug,
        status=status,
        observed_at=as_of,
        period_start=moment(item.get("current_period_start") or facts.get("current_period_start")),
        period_end=moment(item.get("current_period_end") or facts.get("current_period_end")),
        trial_ends_at=moment(facts.get("trial_end")),
        grace_until=as_of + timedelta(days=grace_days) if status == "past_due" else None,
        ended_at=ended if status == "canceled" else None,
        cancel_at_period_end=bool(facts.get("cancel_at_period_end")),
    )
    if done is not None:
        await follow(db)
    return done


async def tell_of_failure(db: Db, subscription_id: UUID) -> None:
    """A payment failed: those who can do something about it are told."""
    for manager in await list_manager(db):
        await notify(db, manager.account_id, NotificationKind.PAYMENT_FAILED, subscription_id)


@tells(NotificationKind.PAYMENT_FAILED, "PlanSubscription")
async def tell_of_payments(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """In words, with the days that are left."""
    told = []
    for found in await subscriptions_by_id(db, ids=[each.object_id for each in notifications]):
        plan = found.plan if found else "your plan"
        until = found.grace_until.date().isoformat() if found and found.grace_until else None
        rest = f"The workspace keeps it until {until}." if until else "It is kept no longer than it was paid for."
        body = f"The payment for the plan {plan} failed. {rest} See to it in the billing portal."
        told.append(NotificationText(title="A payment failed", body=body))
    return told


@job("core.find_ending_subscriptions", Nothing, cron="* * * * *")
async def find_ending_subscriptions(work: Work, payload: Nothing) -> None:
    """Every minute: where a trial or the days of grace are over. A look that was missed is made up for."""
    found = await list_ending_subscription(work.db, limit=MOST_WORKSPACES)
    async with work.db.transaction():
        asked = [(Tenant(workspace_id=each.workspace_id), str(each.workspace_id)) for each in found]
        await enqueue_many(work.db, end_subscriptions, asked)


@job("core.end_subscriptions", Tenant, rests=False)
async def end_subscriptions(work: Work, payload: Tenant) -> None:
    """The plan goes. Doing it twice finds nothing the second time."""
    async with work.db.transaction():
        await update_ended_trial(work.db)
        await update_ended_grace(work.db)
        await follow(work.db)


@strawberry.input(description="Which plan is tried.")
class StartTrialInput:
    """``plan`` is a slug."""

    plan: str
    idempotency_key: str


@strawberry.type(description="The trial.")
class StartTrialPayload:
    """The trial."""

    subscription: PlanSubscription


@strawberry.type(description="The subscription as it stands now.")
class CancelSubscriptionPayload:
    """The subscription as it stands now."""

    subscription: PlanSubscription


@strawberry.type
class SubscriptionQuery:
    """The root field that tells what is subscribed."""

    @query()
    async def subscription(self, info: Info) -> PlanSubscription | None:
        """What the active workspace pays for or tries, or did last; null when it never has."""
        return await get_latest_subscription(info.context.db)


@strawberry.type
class SubscriptionMutation:
    """Root fields that begin a trial and end a subscription."""

    @mutation(roles=MANAGERS)
    async def start_trial(self, info: Info, input: StartTrialInput) -> StartTrialPayload | None:
        """Try a plan without paying, once for each workspace and as long as the plan's trialDays."""
        db, key = info.context.db, input.idempotency_key
        async with db.transaction():
            known = await claim(db, "startTrial", key, [input.plan])
            if known is not None:
                id_ = known.result_id
            else:
                made = await start_trial(db, plan=input.plan)
                assert made is not None
                if made.outcome == "UNKNOWN":
                    raise AppError(ErrorCode.NOT_FOUND, "No such plan can be tried; see plans { trialDays }.", field="plan")
                if made.outcome == "USED":
                    raise AppError(ErrorCode.TRIAL_USED, TRIED)
                if made.outcome == "SUBSCRIBED":
                    raise AppError(ErrorCode.ALREADY_SUBSCRIBED, "The workspace has this plan, a larger one, or pays for one.")
                assert made.subscription_id is not None
                id_ = made.subscription_id
                await settle(db, "startTrial", key, id_)
            (found,) = await subscriptions_by_id(db, ids=[id_])
        assert found is not None
        return StartTrialPayload(subscription=found)

    @mutation(roles=MANAGERS)
    async def cancel_subscription(self, info: Info) -> CancelSubscriptionPayload | None:
        """End a trial at once; of what is paid for, not renew it: it goes on until it is over."""
        db, settings = info.context.db, info.context.settings
        live = await get_live_subscription(db)
        await db.restart()
        if live is None:
            raise AppError(ErrorCode.NOT_FOUND, "Nothing is subscribed in this workspace.")
        if live.provider_subscription_id is None:
            async with db.transaction():
                await end_trial(db)
                (found,) = await subscriptions_by_id(db, ids=[live.id])
            assert found is not None
            return CancelSubscriptionPayload(subscription=found)
        name = live.provider_subscription_id
        await ask(settings, lambda client: client.v1.subscriptions.update(name, {"cancel_at_period_end": True}))
        # Our row follows when the provider tells; until then what it has agreed to is shown.
        live.cancel_at_period_end = True
        return CancelSubscriptionPayload(subscription=live)
