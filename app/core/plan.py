"""Plans: what a workspace may use, as data. A limit is checked where something is added, under the workspace's lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import BigInt, Node, mutation, parse_uuid, query
from app.kit.sql import File

if TYPE_CHECKING:
    from app.core.plan_price import PlanPrice

constraint("plan_limit_amount_range", ErrorCode.BAD_INPUT, "A limit is 0 or more, or null for none.", field="amount")


@strawberry.enum(description="How often a limit begins anew, by the calendar in UTC.")
class LimitPeriod(Enum):
    """Values as in the database."""

    DAY = "day"
    MONTH = "month"


@strawberry.type(description="How much of something a plan allows.")
class PlanLimit:
    """``name`` is product and what is counted."""

    name: str = strawberry.field(description="Product and what is counted, such as privacy.platform_links.")
    amount: BigInt | None = strawberry.field(description="Null is without limit, 0 is not at all.")
    period: LimitPeriod | None = strawberry.field(description="Null where it is limited how many there are.")


@strawberry.type(description="What a workspace may use.")
class Plan(Node):
    """Found by its slug."""

    node_statement = "core/plan.edge_plan"

    slug: str
    name: str
    trial_days: int = strawberry.field(description="For how long a workspace may try it, once; 0 is not at all.")

    limits: list[PlanLimit] = edge("core/plan.edge_plan_limit", many=True, plan_ids="id")
    prices: list[Annotated[PlanPrice, strawberry.lazy("app.core.plan_price")]] = edge(
        "core/plan_price.edge_plan_price",
        many=True,
        size=10,
        plan_ids="id",
        description="What it costs now, by currency and interval; none where it is not sold.",
    )


@dataclass(frozen=True)
class Allowance:
    """What the workspace's plan says of one thing."""

    plan: str
    amount: int | None


@dataclass(frozen=True)
class Assigned:
    """The plan is the workspace's now."""

    assigned: bool


@dataclass(frozen=True)
class AssignedTo:
    """The workspace that has the plan now."""

    id: UUID


sql = File("core/plan")
assign_plan = sql.one("assign_plan", Assigned)
plans_by_id = sql.edge("edge_plan", Plan)
limits_by_plan = sql.edge("edge_plan_limit", PlanLimit)
plans_by_workspace = sql.edge("edge_plan_of_workspace", Plan)
get_allowance = sql.one("get_allowance", Allowance)
list_plan = sql.many("list_plan", Plan)
lock_allowance = sql.one("lock_allowance", Allowance)
update_plan = sql.one("update_plan", AssignedTo)
update_plan_limit = sql.one("update_plan_limit", Plan)


class LimitReached(AppError):
    """The plan allows no more of something; ``extensions.limit`` says of what, how much, and how much is used."""

    def __init__(self, name: str, limit: int, used: int, plan: str) -> None:
        super().__init__(
            ErrorCode.LIMIT_REACHED,
            f"The plan {plan} allows {limit} of {name}, and {used} are used. Free one, or change the plan.",
        )
        self.extensions = {**(self.extensions or {}), "limit": {"name": name, "limit": limit, "used": used, "plan": plan}}


async def check_limit(db: Db, name: str, count: Callable[[Db], Awaitable[int]]) -> None:
    """Whether one more fits, in the transaction that adds it. Raises LIMIT_REACHED.

    Whoever adds to the same workspace waits until this transaction ends: ``count`` sees what they added.
    """
    allowance = await lock_allowance(db, name=name)
    assert allowance is not None  # every workspace has a plan
    if allowance.amount is not None and (used := await count(db)) >= allowance.amount:
        raise LimitReached(name, allowance.amount, used, allowance.plan)


async def has_feature(db: Db, name: str) -> bool:
    """Whether the workspace's plan allows any of something."""
    allowance = await get_allowance(db, name=name)
    return allowance is not None and allowance.amount != 0


@strawberry.input(description="Which workspace gets which plan.")
class AssignPlanInput:
    """``plan`` is the slug of a plan."""

    workspace_id: strawberry.ID
    plan: str


@strawberry.input(description="How much of something a plan allows from now on.")
class UpdatePlanLimitInput:
    """``amount`` is null for no limit."""

    plan: str
    name: str
    amount: BigInt | None


@strawberry.type(description="The plan that the workspace has now.")
class AssignPlanPayload:
    """The plan that the workspace has now."""

    plan: Plan


@strawberry.type(description="The plan with its limits.")
class UpdatePlanLimitPayload:
    """The plan with its limits."""

    plan: Plan


@strawberry.type
class PlanQuery:
    """Root fields that read plans."""

    @query("privacy:read")
    async def plans(self, info: Info) -> list[Plan] | None:
        """All plans, from the least to the most."""
        return await list_plan(info.context.db)


@strawberry.type
class PlanMutation:
    """Root fields by which curators say who may use what."""

    @mutation(curator=True)
    async def assign_plan(self, info: Info, input: AssignPlanInput) -> AssignPlanPayload | None:
        """Give a workspace a plan; what it pays for stays while that is larger, and this comes back afterwards.

        What it has beyond a smaller plan's limits stays; nothing can be added.
        """
        to = parse_uuid(input.workspace_id, "Workspace", field="workspaceId")
        db = info.context.db
        async with db.transaction():
            plans = {plan.slug: plan for plan in await list_plan(db)}
            if input.plan not in plans:
                raise AppError(ErrorCode.NOT_FOUND, f"There is no such plan; there are {', '.join(plans)}.", field="plan")
            if await assign_plan(db, to_workspace_id=to, plan=input.plan) is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such workspace.", field="workspaceId")
        return AssignPlanPayload(plan=plans[input.plan])

    @mutation(curator=True)
    async def update_plan_limit(self, info: Info, input: UpdatePlanLimitInput) -> UpdatePlanLimitPayload | None:
        """Change what a plan allows, for everybody who has it."""
        async with info.context.db.transaction():
            plan = await update_plan_limit(info.context.db, plan=input.plan, name=input.name, amount=input.amount)
            if plan is None:
                raise AppError(
                    ErrorCode.NOT_FOUND, "This plan limits no such thing; see plans { limits { name } }.", field="name"
                )
        return UpdatePlanLimitPayload(plan=plan)
