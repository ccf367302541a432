"""Purchases of credits: what is refunded or disputed is taken back once, in any order, and never more than is there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.billing_event import apply_billing_event
from app.core.credit_purchase import Standing, total
from app.core.wallet import reserve, settle
from app.kit.embedded import Embedded
from app.settings import Settings
from tests.conftest import Api, copy_of
from tests.core.test_wallet import balance, check
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.kit import db_of, serving
from tests.factory.stripe import KEY, SECRET, bought, charge, dispute, event, provider, sell, send, tell

PAID = "checkout.session.completed"
REFUNDED = "charge.refunded"


@pytest.fixture(scope="module")
async def booth(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """An API that sells 100 credits for 500 cents."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, stripe_webhook_secrets=[SECRET]) as api:
            await sell(api)
            yield api


async def order_of(api: Api, name: str) -> tuple[Person, dict[str, Any]]:
    """Somebody, and the order of a pack that was paid."""
    person = await api.person(name)
    return person, await bought(api, person.workspace_id, f"cs_{name}", payment_intent=f"pi_{name}", amount_total=500)


async def use_up(api: Api, name: str, amount: int) -> None:
    db = await db_of(api, name)
    try:
        async with db.transaction():
            await settle(db, await reserve(db, amount, key=str(uuid4()), purpose="core.test"))
    finally:
        await db.close()


async def outcomes(api: Api, person: Person) -> list[Any]:
    """What was noted with the events that moved something."""
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT (detail ->> 'taken')::bigint AS taken, (detail ->> 'spent')::bigint AS spent FROM core.billing_event"
            " WHERE workspace_id = $1 AND detail ? 'taken' ORDER BY id",
            person.workspace_id,
        )
    return [tuple(row) for row in rows]


async def test_partial_refunds_add_up_to_what_was_bought_and_no_more(booth: Api) -> None:
    ada, order = await order_of(booth, "ada")
    first = event(REFUNDED, charge(order, 3))
    await tell(booth, event(PAID, order), first)
    assert await balance(booth) == (100, 0), "three cents are less than a credit"
    for cents, left in ((52, 90), (499, 1), (500, 0), (500, 0), (9000, 0)):
        await tell(booth, event(REFUNDED, charge(order, cents)))
        assert await balance(booth) == (left, 0), cents
    await tell(booth, first, event(PAID, order), event("checkout.session.async_payment_succeeded", order))
    assert await balance(booth) == (0, 0)
    assert await outcomes(booth, ada) == [(10, 0), (89, 0), (1, 0)]
    assert (await check(booth.database)).wrong == 0


async def test_any_order_and_any_repetition_end_the_same(booth: Api) -> None:
    for number, places in enumerate(permutations(range(4))):
        if number % 4 == 0:
            name = f"order{number}"
            _, order = await order_of(booth, name)
            told = [event(PAID, order), *(event(REFUNDED, charge(order, cents)) for cents in (100, 150, 333))]
            for place in places:
                for _ in range(2):
                    assert (await send(booth, told[place])).status_code == 200
            await run_jobs(booth, [apply_billing_event])
            assert await balance(booth, name) == (34, 0), places


async def test_what_is_spent_stays_spent(booth: Api) -> None:
    ben, order = await order_of(booth, "ben")
    await tell(booth, event(PAID, order))
    await use_up(booth, "ben", 80)
    await tell(booth, event(REFUNDED, charge(order, 250)))
    assert await balance(booth, "ben") == (0, 0)
    again = await bought(booth, ben.workspace_id, "cs_ben2", payment_intent="pi_ben2", amount_total=500)
    await tell(booth, event(PAID, again), event(REFUNDED, charge(order, 250)))
    assert await balance(booth, "ben") == (100, 0), "what was spent then is not taken from what is bought now"
    await tell(booth, event(REFUNDED, charge(order, 500)))
    assert await balance(booth, "ben") == (50, 0)
    assert await outcomes(booth, ben) == [(20, 30), (50, 0)]


async def test_what_is_held_for_work_is_not_taken(booth: Api) -> None:
    _, order = await order_of(booth, "cora")
    await tell(booth, event(PAID, order))
    db = await db_of(booth, "cora")
    try:
        async with db.transaction():
            held = await reserve(db, 70, key="work", purpose="core.test")
        await tell(booth, event(REFUNDED, charge(order, 500)))
        assert await balance(booth, "cora") == (0, 70)
        async with db.transaction():
            await settle(db, held, 10)
    finally:
        await db.close()
    assert await balance(booth, "cora") == (60, 0)


@pytest.mark.parametrize(
    ("statuses", "left"),
    [
        (["needs_response"], 40), (["needs_response", "under_review", "lost"], 40), (["needs_response", "won"], 100),
        (["won", "needs_response"], 100), (["lost", "needs_response"], 40), (["warning_needs_response", "warning_closed"], 100),
        (["warning_needs_response", "needs_response", "lost", "lost"], 40),
    ],
)  # fmt: skip
async def test_a_dispute_takes_while_the_bank_does(booth: Api, statuses: list[str], left: int) -> None:
    name = f"d{uuid4().hex[:10]}"
    _, order = await order_of(booth, name)
    await tell(booth, event(PAID, order))
    for status in statuses:
        kind = "closed" if status in ("won", "lost", "warning_closed") else "created"
        await tell(booth, event(f"charge.dispute.{kind}", dispute(order, status, 300)))
    assert await balance(booth, name) == (left, 0)
    assert (await check(booth.database)).wrong == 0


async def test_a_won_dispute_gives_back_only_what_was_taken(booth: Api) -> None:
    _, order = await order_of(booth, "dora")
    await tell(booth, event(PAID, order))
    await use_up(booth, "dora", 75)
    await tell(booth, event("charge.dispute.created", dispute(order, "needs_response")))
    assert await balance(booth, "dora") == (0, 0)
    await tell(booth, event("charge.dispute.closed", dispute(order, "won")))
    assert await balance(booth, "dora") == (25, 0)
    await tell(booth, event(REFUNDED, charge(order, 50)))
    assert await balance(booth, "dora") == (15, 0)


async def test_a_refund_and_a_dispute_take_no_more_than_all(booth: Api) -> None:
    _, order = await order_of(booth, "emil")
    await tell(
        booth,
        event(PAID, order),
        event(REFUNDED, charge(order, 300)),
        event("charge.dispute.closed", dispute(order, "lost")),
    )
    assert await balance(booth, "emil") == (0, 0)


async def test_other_payments_are_left_alone(booth: Api) -> None:
    """Of a subscription, of an order that we never saw, and of somebody else under the same payment."""
    fritz, order = await order_of(booth, "fritz")
    gina, _ = await order_of(booth, "gina")
    await tell(booth, event(PAID, order))
    theirs = charge(order, 500, customer="cus_gina", metadata={"workspace_id": str(gina.workspace_id), "credit_pack_id": "x"})
    await tell(
        booth,
        event(REFUNDED, charge(order, 500, payment_intent="pi_of_an_invoice", metadata={})),
        event(REFUNDED, charge(order, 500, payment_intent=None)),
        event(REFUNDED, charge(order, 500, payment_intent="pi_unseen")),
        event("charge.dispute.created", dispute(order | {"payment_intent": "pi_nobody"}, "lost")),
        event(REFUNDED, theirs),
    )
    assert await balance(booth, "fritz") == (100, 0)
    async with booth.database.connect() as admin:
        found = await admin.fetch(
            "SELECT state, detail FROM core.billing_event WHERE detail = '{}' AND type LIKE 'charge.dis%'"
        )
        asked = "SELECT provider_payment_id FROM core.credit_purchase WHERE workspace_id = $1"
        payments = await admin.fetch(asked, fritz.workspace_id)
    assert [tuple(row) for row in found] == [("IGNORED", "{}")]
    assert {row[0] for row in payments} == {"pi_fritz", "pi_unseen"}


async def test_many_at_once_take_once(booth: Api) -> None:
    _, order = await order_of(booth, "hana")
    told = [event(PAID, order), event("charge.dispute.created", dispute(order, "lost", 100))]
    told += [event(REFUNDED, charge(order, cents)) for cents in range(0, 401, 25)]
    random.shuffle(told)
    await tell(booth, event(PAID, order))
    answers = await asyncio.gather(*(send(booth, each) for each in told * 2))
    assert {answer.status_code for answer in answers} == {200}
    await run_jobs(booth, [apply_billing_event])
    assert await balance(booth, "hana") == (0, 0)
    assert (await check(booth.database)).wrong == 0


async def test_the_provider_says_how_the_payment_stands(booth: Api) -> None:
    """Whatever an event says, and before the dispute of a payment that we did not know was told."""
    _, order = await order_of(booth, "ida")
    with provider() as at:
        asking = Settings(stripe_secret_key=KEY, stripe_url=at.url)
        failed = charge(order, 0, status="failed", amount=9)
        at.objects |= {"/v1/charges/ch_0": failed, "/v1/charges/ch_1": charge(order, 100, disputed=True)}
        at.objects["/v1/charges/ch_2"] = charge(order | {"payment_intent": "pi_other"}, 500)
        at.objects["/v1/disputes/dp_1"] = dispute(order, "won", 400)
        at.objects["/v1/disputes/dp_2"] = dispute(order, "under_review", 100)
        await tell(booth, event("charge.dispute.created", dispute(order, "under_review", 100)), settings=asking)
        await tell(booth, event(PAID, order), settings=asking)
        assert await balance(booth, "ida") == (60, 0)
        await tell(booth, event(REFUNDED, charge(order, 500)), settings=asking)
        assert await balance(booth, "ida") == (60, 0)
        at.broken = True
        at.objects["/v1/charges/ch_1"]["amount_refunded"] = 200
        await tell(booth, event(REFUNDED, charge(order, 200)), settings=asking)
        assert await balance(booth, "ida") == (60, 0)
        at.broken = False
        async with booth.database.connect() as admin:
            await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now()")
        await run_jobs(booth, [apply_billing_event], asking)
        assert await balance(booth, "ida") == (40, 0)
    assert all("pi_ida" in path for _, path, _, _ in at.calls)


async def test_nobody_who_logs_in_writes_it(booth: Api) -> None:
    async with booth.database.connect("fivefold_api") as login:
        for text in ("SELECT core.settle_payment('p', 'k', 'credit', 5, 5, 0, 0, false)", "DELETE FROM core.credit_purchase"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(text)
    async with booth.database.connect("fivefold_worker") as login:
        for text in ("UPDATE core.credit_purchase SET taken = 0", "INSERT INTO core.credit_purchase DEFAULT VALUES"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(text)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["won", "lost", "needs_response", "warning_closed", "?"]), st.integers(0, 500))))
def test_of_disputes_what_is_with_the_bank_counts(given_: list[tuple[str, int]]) -> None:
    standing = total([{"status": status, "amount": amount} for status, amount in given_])
    if not given_:
        assert standing == Standing()
    else:
        assert standing.disputed == sum(amount for status, amount in given_ if status in ("lost", "needs_response"))
        assert standing.closed == all(status in ("won", "lost", "warning_closed") for status, _ in given_)
