"""Subscriptions: the plan of a workspace is what it pays for or tries, and nobody tries twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.core.billing_event import apply_billing_event
from app.core.subscription import end_subscriptions, find_ending_subscriptions
from app.core.upkeep import Nothing
from app.kit.embedded import Embedded
from app.kit.jobs import Work
from tests.conftest import Answer, Api, copy_of
from tests.core.test_workspace import organize
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import serving
from tests.factory.stripe import BEGIN, KEY, SECRET, Provider, event, plan_of, provider, sell, subscription, tell

FIELDS = "id plan status periodEnd trialEndsAt graceUntil endedAt cancelAtPeriodEnd"
SUBSCRIPTION = f"{{ subscription {{ {FIELDS} }} viewer {{ workspace {{ plan {{ slug }} }} }} }}"
TRIAL = f"mutation($input: StartTrialInput!) {{ startTrial(input: $input) {{ subscription {{ {FIELDS} }} }} }}"
CANCEL = f"mutation {{ cancelSubscription {{ subscription {{ {FIELDS} }} }} }}"


@pytest.fixture(scope="module")
async def booth(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    with provider() as at, copy_of(server, template) as database:
        given = {"stripe_webhook_secrets": [SECRET], "stripe_secret_key": KEY, "stripe_url": at.url}
        async with serving(database, jwt_key, **given) as api:
            await sell(api)
            api.http.headers["x-test-provider"] = at.url
            PROVIDERS[at.url] = at
            yield api


PROVIDERS: dict[str, Provider] = {}


async def anybody(api: Api) -> Person:
    return await api.person(f"p{uuid4().hex[:10]}", plan="free")


async def start(api: Api, token: str, plan: str = "pro", key: str = "", **headers: str) -> Answer:
    return await api(TRIAL, {"input": {"plan": plan, "idempotencyKey": key or str(uuid4())}}, token=token, **headers)


async def standing(api: Api, token: str) -> Any:
    data = (await api(SUBSCRIPTION, token=token)).data
    return data["subscription"], data["viewer"]["workspace"]["plan"]["slug"]


async def end_what_is_over(api: Api) -> None:
    async with worker_db(api.database) as db:
        await find_ending_subscriptions.run(Work(db, 0), Nothing())
    await run_jobs(api, [end_subscriptions])


async def test_a_trial_begins_once_and_ends_by_itself(booth: Api) -> None:
    ada = await anybody(booth)
    assert await standing(booth, ada.token) == (None, "free")
    tried = (await start(booth, ada.token, key="once")).data["startTrial"]["subscription"]
    assert (tried["plan"], tried["status"]) == ("pro", "TRIAL")
    lasts = datetime.fromisoformat(tried["trialEndsAt"]) - datetime.now(UTC)
    assert timedelta(days=13) < lasts <= timedelta(days=14)
    assert (await start(booth, ada.token, key="once")).data["startTrial"]["subscription"] == tried
    assert (await start(booth, ada.token, "premium", key="once")).code == "IDEMPOTENCY_CONFLICT"
    assert (await start(booth, ada.token, "premium")).code == "TRIAL_USED"
    await end_what_is_over(booth)
    assert (await standing(booth, ada.token))[1] == "pro"
    async with booth.database.connect() as admin:
        await admin.execute(
            "UPDATE core.subscription SET trial_ends_at = now() - interval '1 minute' WHERE workspace_id = $1", ada.workspace_id
        )
    for _ in range(2):
        await end_what_is_over(booth)
        found, plan = await standing(booth, ada.token)
        assert (found["status"], plan) == ("CANCELED", "free")
    assert (await start(booth, ada.token)).code == "TRIAL_USED"


async def test_of_many_trials_at_once_one_begins(booth: Api) -> None:
    ada = await anybody(booth)
    answers = await asyncio.gather(*(start(booth, ada.token, ["pro", "premium"][n % 2]) for n in range(16)))
    codes = [answer.codes for answer in answers]
    assert (codes.count([]), codes.count(["TRIAL_USED"])) == (1, 15)


@pytest.mark.parametrize("plan", ["free", "enterprise", "gold", "", "x" * 300])
async def test_some_plans_cannot_be_tried(booth: Api, plan: str) -> None:
    ada = await anybody(booth)
    assert (await start(booth, ada.token, plan)).code == "NOT_FOUND"


async def test_who_has_more_tries_nothing(booth: Api) -> None:
    ada = await booth.person(f"p{uuid4().hex[:10]}", plan="enterprise")
    assert (await start(booth, ada.token)).code == "ALREADY_SUBSCRIBED"
    ben = await anybody(booth)
    await tell(booth, event("customer.subscription.created", subscription(ben.workspace_id)))
    assert (await start(booth, ben.token, "premium")).code == "ALREADY_SUBSCRIBED"


@pytest.mark.parametrize(
    ("status", "ours", "plan"),
    [
        ("trialing", "TRIAL", "pro"), ("active", "ACTIVE", "pro"), ("past_due", "PAST_DUE", "pro"),
        ("canceled", "CANCELED", "free"),
        ("unpaid", "UNPAID", "free"), ("incomplete", "UNPAID", "free"), ("incomplete_expired", "CANCELED", "free"),
        ("paused", "UNPAID", "free"),
    ],
)  # fmt: skip
async def test_the_plan_follows_what_the_provider_says(booth: Api, status: str, ours: str, plan: str) -> None:
    ada = await anybody(booth)
    now = int(datetime.now(UTC).timestamp())
    await tell(booth, event("customer.subscription.updated", subscription(ada.workspace_id, status), now))
    found, has = await standing(booth, ada.token)
    assert (found["status"], has) == (ours, plan)
    node = "query($id: ID!) { node(id: $id) { ... on PlanSubscription { status } } }"
    assert (await booth(node, {"id": found["id"]}, token=ada.token)).data["node"] == {"status": ours}


async def test_a_failed_payment_keeps_the_plan_for_some_days(booth: Api) -> None:
    ada = await anybody(booth)
    later = int(datetime.now(UTC).timestamp())
    for number, status in enumerate(("active", "past_due")):
        await tell(booth, event("customer.subscription.updated", subscription(ada.workspace_id, status), later - 10 + number))
    found, plan = await standing(booth, ada.token)
    assert (found["status"], plan) == ("PAST_DUE", "pro")
    lasts = datetime.fromisoformat(found["graceUntil"]) - datetime.now(UTC)
    assert timedelta(days=6) < lasts <= timedelta(days=7)
    told = "{ notifications { edges { node { kind objectId text { title body } } } } }"
    (note,) = [edge["node"] for edge in (await booth(told, token=ada.token)).data["notifications"]["edges"]]
    assert (note["kind"], note["objectId"], note["text"]["title"]) == ("PAYMENT_FAILED", found["id"], "A payment failed")
    assert found["graceUntil"][:10] in note["text"]["body"]
    await tell(booth, event("customer.subscription.updated", subscription(ada.workspace_id, "past_due"), later))
    assert (await standing(booth, ada.token))[0]["graceUntil"] == found["graceUntil"], "asking again is no new grace"
    assert len((await booth(told, token=ada.token)).data["notifications"]["edges"]) == 1
    async with booth.database.connect() as admin:
        await admin.execute("UPDATE core.subscription SET grace_until = now() WHERE workspace_id = $1", ada.workspace_id)
    await end_what_is_over(booth)
    found, plan = await standing(booth, ada.token)
    assert (found["status"], found["graceUntil"], plan) == ("PAST_DUE", None, "free")
    await tell(booth, event("customer.subscription.updated", subscription(ada.workspace_id, "active"), later + 1))
    assert (await standing(booth, ada.token))[1] == "pro"


async def test_of_two_subscriptions_the_larger_plan_counts(booth: Api) -> None:
    ada = await anybody(booth)
    large = subscription(ada.workspace_id, "active", "sub_2")
    large["items"]["data"][0]["price"]["id"] = "price_premium"
    await tell(
        booth,
        event("customer.subscription.created", large),
        event("customer.subscription.created", subscription(ada.workspace_id)),
    )
    assert (await standing(booth, ada.token))[1] == "premium"
    await tell(booth, event("customer.subscription.deleted", large | {"status": "canceled"}, BEGIN + 9))
    assert (await standing(booth, ada.token))[1] == "pro"


async def assign(api: Api, person: Person, plan: str) -> None:
    curator = await api.person("assigner", curator=True)
    giving = "mutation($input: AssignPlanInput!) { assignPlan(input: $input) { plan { slug } } }"
    given = {"workspaceId": person.workspace, "plan": plan}
    assert (await api(giving, {"input": given}, token=curator.token)).data["assignPlan"]["plan"] == {"slug": plan}


async def test_what_a_curator_gave_is_not_taken_by_what_is_told(booth: Api) -> None:
    ada = await anybody(booth)
    await assign(booth, ada, "premium")
    for past, status in enumerate(("incomplete", "active", "past_due", "unpaid", "active", "canceled")):
        await tell(booth, event("customer.subscription.updated", subscription(ada.workspace_id, status), BEGIN + past))
        assert (await standing(booth, ada.token))[1] == "premium", status


async def test_a_larger_subscription_counts_while_it_lasts(booth: Api) -> None:
    ada = await anybody(booth)
    await assign(booth, ada, "pro")
    large = subscription(ada.workspace_id)
    large["items"]["data"][0]["price"]["id"] = "price_premium"
    await tell(booth, event("customer.subscription.created", large))
    assert (await standing(booth, ada.token))[1] == "premium"
    await assign(booth, ada, "free")
    assert (await standing(booth, ada.token))[1] == "premium", "it is paid for"
    await assign(booth, ada, "enterprise")
    assert (await standing(booth, ada.token))[1] == "enterprise"
    await assign(booth, ada, "pro")
    assert (await standing(booth, ada.token))[1] == "premium"
    await tell(booth, event("customer.subscription.deleted", large | {"status": "canceled"}, BEGIN + 9))
    assert (await standing(booth, ada.token))[1] == "pro", "what was given comes back"
    await assign(booth, ada, "free")
    assert (await standing(booth, ada.token))[1] == "free"


async def test_after_a_trial_what_was_given_comes_back(booth: Api) -> None:
    ada = await anybody(booth)
    await assign(booth, ada, "pro")
    assert (await start(booth, ada.token, "pro")).code == "ALREADY_SUBSCRIBED"
    await start(booth, ada.token, "premium")
    assert (await standing(booth, ada.token))[1] == "premium"
    assert (await booth(CANCEL, token=ada.token)).codes == []
    assert (await standing(booth, ada.token))[1] == "pro"


async def test_assigning_and_telling_at_once_end_the_same(booth: Api) -> None:
    ada = await anybody(booth)
    active = event("customer.subscription.created", subscription(ada.workspace_id))
    await asyncio.gather(assign(booth, ada, "premium"), tell(booth, active))
    assert (await standing(booth, ada.token))[1] == "premium"


async def test_what_was_canceled_stays_so(booth: Api) -> None:
    ada = await anybody(booth)
    for number, status in enumerate(("active", "canceled", "active")):
        await tell(booth, event("customer.subscription.updated", subscription(ada.workspace_id, status), BEGIN + number))
    assert (await standing(booth, ada.token))[1] == "free"
    change = "UPDATE core.subscription SET status = 'active', ended_at = NULL WHERE workspace_id = $1"
    async with booth.database.connect() as admin:
        with pytest.raises(asyncpg.CheckViolationError, match="subscription_transition_allowed"):
            await admin.execute(change, ada.workspace_id)


async def test_a_trial_does_not_become_paid_by_itself(booth: Api) -> None:
    ada = await anybody(booth)
    await start(booth, ada.token)
    async with booth.database.connect() as admin:
        for status in ("active", "past_due", "unpaid"):
            with pytest.raises(asyncpg.CheckViolationError):
                await admin.execute(
                    "UPDATE core.subscription SET status = $2 WHERE workspace_id = $1", ada.workspace_id, status
                )
    async with booth.database.connect("fivefold_api") as login:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute("UPDATE core.subscription SET plan = 'enterprise'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute("SELECT core.follow_subscription()")


async def test_canceling_a_trial_ends_it_and_a_paid_one_goes_on_to_its_end(booth: Api) -> None:
    ada, ben = await anybody(booth), await anybody(booth)
    assert (await booth(CANCEL, token=ada.token)).code == "NOT_FOUND"
    await start(booth, ada.token)
    ended = (await booth(CANCEL, token=ada.token)).data["cancelSubscription"]["subscription"]
    assert ended["status"] == "CANCELED"
    assert await plan_of(booth, ada.workspace_id) == "free"
    at, name = PROVIDERS[booth.http.headers["x-test-provider"]], f"sub_{ben.workspace_id}"
    at.objects[f"/v1/subscriptions/{name}"] = subscription(ben.workspace_id, "active", name)
    await tell(booth, event("customer.subscription.created", subscription(ben.workspace_id, "active", name)))
    asked = (await booth(CANCEL, token=ben.token)).data["cancelSubscription"]["subscription"]
    assert (asked["status"], asked["cancelAtPeriodEnd"]) == ("ACTIVE", True)
    told = subscription(ben.workspace_id, "active", name, cancel_at_period_end=True)
    await tell(booth, event("customer.subscription.updated", told, BEGIN + 1))
    assert (await standing(booth, ben.token))[0]["cancelAtPeriodEnd"] is True
    at.broken = True
    try:
        assert (await booth(CANCEL, token=ben.token)).code == "BILLING_UNAVAILABLE"
    finally:
        at.broken = False


@pytest.mark.parametrize(
    ("role", "may"), [("owner", True), ("admin", True), ("member", False), ("viewer", False), ("stranger", False)]
)
async def test_owners_and_admins_see_to_it_and_members_see_it(booth: Api, role: str, may: bool) -> None:
    name = f"r{uuid4().hex[:10]}"
    person = await booth.person(name)
    members = {name: role} if role != "stranger" else {(await anybody(booth)).email.partition("@")[0]: "owner"}
    workspace = await organize(booth, f"O {name}", **members)
    for answer in (
        await start(booth, person.token, fivefold_workspace=workspace),
        await booth(CANCEL, token=person.token, fivefold_workspace=workspace),
    ):
        assert answer.codes == ([] if may else ["NOT_FOUND"] if role == "stranger" else ["FORBIDDEN"])
    seen = await booth(SUBSCRIPTION, token=person.token, fivefold_workspace=workspace)
    assert seen.codes == (["NOT_FOUND"] if role == "stranger" else [])


async def test_a_price_that_nobody_published_waits(booth: Api) -> None:
    ada = await anybody(booth)
    strange = subscription(ada.workspace_id)
    strange["items"]["data"][0]["price"]["id"] = "price_of_tomorrow"
    await tell(booth, event("customer.subscription.created", strange))
    async with booth.database.connect() as admin:
        state = await admin.fetchval("SELECT state FROM core.billing_event WHERE workspace_id = $1", ada.workspace_id)
        assert state == "RECEIVED"
        await admin.execute(
            "INSERT INTO core.plan_price (plan_id, amount, valid_from, currency, billing_interval, provider_price_id)"
            " SELECT id, 1900, now(), 'EUR', 'MONTH', 'price_of_tomorrow' FROM core.plan WHERE slug = 'pro'"
        )
        await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now()")
    await run_jobs(booth, [apply_billing_event])
    assert await plan_of(booth, ada.workspace_id) == "pro"
