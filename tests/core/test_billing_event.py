"""Billing events: what is signed is taken once, however often and in whatever order it comes; what is not is not taken."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from app.core.billing_event import apply_billing_event, keep
from app.kit.embedded import Embedded
from app.settings import Settings
from tests.conftest import Api, copy_of
from tests.core.test_wallet import balance, check
from tests.factory.jobs import run_jobs
from tests.factory.kit import serving
from tests.factory.stripe import BEGIN, KEY, SECRET, Provider, bought, event, plan_of, provider, sell, send, subscription, tell

OTHER = "whsec_of_somebody_else"
SECRETS = {"stripe_webhook_secrets": [SECRET, "whsec_the_next"]}


@pytest.fixture
async def shop(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """An API that takes events, with something to sell."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, **SECRETS) as api:
            await sell(api)
            yield api


@pytest.fixture(scope="module")
async def booth(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """The same, for tests that leave no mark on each other."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, **SECRETS) as api:
            await sell(api)
            yield api


async def rows(api: Api) -> list[tuple[str, str]]:
    async with api.database.connect() as admin:
        return [tuple(row) for row in await admin.fetch("SELECT type, state FROM core.billing_event ORDER BY id")]


async def test_the_same_event_fifty_times_at_once_is_one(shop: Api) -> None:
    ada = await shop.person("ada")
    told = event("checkout.session.completed", await bought(shop, ada.workspace_id, "cs_1"))
    answers = await asyncio.gather(*(send(shop, told) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {'{"received":true}'}
    await run_jobs(shop, [apply_billing_event])
    assert await balance(shop) == (100, 0)
    assert await rows(shop) == [("checkout.session.completed", "APPLIED")]
    await tell(shop, told, event("checkout.session.async_payment_succeeded", told["data"]["object"]))
    assert await balance(shop) == (100, 0), "one payment, told by two events"
    assert (await check(shop.database)).wrong == 0


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("forged", 400), ("unsigned", 400), ("too old", 400), ("altered", 400), ("other scheme", 400), ("empty signature", 400),
        ("wrong type", 400), ("form", 400), ("long", 413), ("long without length", 413), ("no json", 400), ("a list", 400),
        ("no event", 400), ("no object", 400), ("bad moment", 400), ("empty", 400), ("not text", 400), ("long id", 400),
    ],
)  # fmt: skip
async def test_what_is_not_the_providers_is_refused(booth: Api, what: str, status: int) -> None:
    ada = await booth.person("ada")
    good = event("checkout.session.completed", await bought(booth, ada.workspace_id, "cs_1"))
    body = json.dumps(good).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    answer = await {
        "forged": lambda: send(booth, good, secret=OTHER),
        "unsigned": lambda: booth.http.post("/webhooks/stripe", json=good),
        "too old": lambda: send(booth, good, at=int(time.time()) - 301),
        "altered": lambda: send(booth, good, Stripe_Signature=f"t={int(time.time())},v1={'0' * 64}"),
        "other scheme": lambda: send(booth, good, Stripe_Signature=f"t={int(time.time())},v0={'0' * 64}"),
        "empty signature": lambda: send(booth, good, Stripe_Signature=""),
        "wrong type": lambda: send(booth, good, Content_Type="text/plain"),
        "form": lambda: send(booth, good, Content_Type="application/x-www-form-urlencoded"),
        "long": lambda: send(booth, body + b" " * 2_000_000),
        "long without length": lambda: booth.http.post(
            "/webhooks/stripe", content=chunks(), headers={"Content-Type": "application/json"}
        ),
        "no json": lambda: send(booth, b"{"),
        "a list": lambda: send(booth, b"[]"),
        "no event": lambda: send(booth, good | {"object": "account"}),
        "no object": lambda: send(booth, good | {"data": {"object": 5}}),
        "bad moment": lambda: send(booth, good | {"created": 10**20}),
        "empty": lambda: send(booth, b""),
        "not text": lambda: send(booth, b"\xff\xfe"),
        "long id": lambda: send(booth, good | {"id": "x" * 201}),
    }[what]()
    assert answer.status_code == status, answer.text
    assert answer.json()["received"] is False
    assert await rows(booth) == []


async def test_a_secret_is_rotated_without_a_gap(booth: Api) -> None:
    told = event("ping.of.rotation", {"id": "x"})
    for secret in (SECRET, "whsec_the_next"):
        assert (await send(booth, told, secret=secret)).status_code == 200
    assert (await send(booth, told, secret=OTHER)).status_code == 400


async def test_without_a_secret_nothing_is_taken(api: Api) -> None:
    answer = await send(api, event("ping", {"id": "x"}))
    assert (answer.status_code, answer.json()["received"]) == (503, False)


async def test_what_means_nothing_to_us_is_written_down(shop: Api) -> None:
    ada = await shop.person("ada")
    stranger = subscription(ada.workspace_id, customer="cus_x", metadata={})
    await tell(
        shop,
        event("charge.dispute.created", {"id": "x", "customer": "cus_1"}),
        event("customer.subscription.created", stranger),
        event("invoice.paid", {"id": "in_1", "metadata": {"workspace_id": "nonsense"}}),
        event("customer.subscription.created", subscription(ada.workspace_id, metadata={"workspace_id": str(ada.account_id)})),
    )
    assert [state for _, state in await rows(shop)] == ["IGNORED"] * 4
    async with shop.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.billing_event WHERE detail <> '{}'") == 0, (
            "of strangers nothing is kept"
        )
    assert await plan_of(shop, ada.workspace_id) == "enterprise"


def history(workspace_id: Any, name: str) -> list[dict[str, Any]]:
    """A life of a subscription, in order."""
    steps = [("created", "incomplete"), ("updated", "active"), ("updated", "past_due"), ("deleted", "canceled")]
    return [
        event(f"customer.subscription.{kind}", subscription(workspace_id, status, name), BEGIN + 60 * number)
        for number, (kind, status) in enumerate(steps)
    ]


async def test_events_may_come_in_any_order(booth: Api) -> None:
    for number, order in enumerate(permutations(range(4))):
        if number % 3 == 0:
            one = await booth.person(f"person{number}", plan="free")
            told = history(one.workspace_id, f"sub_{number}")
            for place in order:
                assert (await send(booth, told[place])).status_code == 200
            await run_jobs(booth, [apply_billing_event])
            assert await plan_of(booth, one.workspace_id) == "free", order
            async with booth.database.connect() as admin:
                found = await admin.fetch("SELECT status FROM core.subscription WHERE workspace_id = $1", one.workspace_id)
            assert [row["status"] for row in found] == ["canceled"], order


async def test_what_is_older_does_not_win(booth: Api) -> None:
    one = await booth.person("late", plan="free")
    newer = event("customer.subscription.updated", subscription(one.workspace_id, "active", "sub_late"), BEGIN + 100)
    older = event("customer.subscription.updated", subscription(one.workspace_id, "unpaid", "sub_late"), BEGIN + 50)
    await tell(booth, newer, older)
    assert await plan_of(booth, one.workspace_id) == "pro"
    newest = event("customer.subscription.updated", subscription(one.workspace_id, "unpaid", "sub_late"), BEGIN + 150)
    await tell(booth, newest)
    assert await plan_of(booth, one.workspace_id) == "free"


def asking(at: Provider) -> Settings:
    return Settings(stripe_secret_key=KEY, stripe_url=at.url)


async def test_the_provider_is_asked_how_things_stand_now(shop: Api) -> None:
    ada = await shop.person("ada", plan="free")
    with provider() as at:
        at.objects["/v1/subscriptions/sub_1"] = subscription(ada.workspace_id, "canceled")
        await tell(shop, event("customer.subscription.updated", subscription(ada.workspace_id, "active")), settings=asking(at))
        assert await plan_of(shop, ada.workspace_id) == "free"
        assert [call[:2] for call in at.calls] == [("GET", "/v1/subscriptions/sub_1")]


async def test_a_provider_that_is_away_is_asked_again(shop: Api) -> None:
    ada = await shop.person("ada", plan="free")
    with provider() as at:
        at.broken = True
        at.objects["/v1/subscriptions/sub_1"] = subscription(ada.workspace_id, "active")
        await tell(shop, event("customer.subscription.updated", subscription(ada.workspace_id)), settings=asking(at))
        assert await rows(shop) == [("customer.subscription.updated", "RECEIVED")]
        at.broken = False
        async with shop.database.connect() as admin:
            await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now()")
            log = await admin.fetchval("SELECT string_agg(traceback::text, '') FROM jobs.pgqueuer_log")
        assert KEY not in (log or "")
        await run_jobs(shop, [apply_billing_event], asking(at))
    assert await plan_of(shop, ada.workspace_id) == "pro"


async def test_what_we_cannot_write_down_is_to_be_sent_again(shop: Api) -> None:
    ada = await shop.person("ada")
    told = event("checkout.session.completed", await bought(shop, ada.workspace_id, "cs_1"))
    async with shop.database.connect() as admin:
        await admin.execute("REVOKE EXECUTE ON FUNCTION jobs.enqueue FROM fivefold_api")
        assert (await send(shop, told)).status_code >= 500
        assert await rows(shop) == [], "the event and its job are one transaction"
        await admin.execute("GRANT EXECUTE ON FUNCTION jobs.enqueue TO fivefold_api")
    await tell(shop, told)
    assert await balance(shop) == (100, 0)


async def test_what_was_not_paid_buys_nothing(booth: Api) -> None:
    one = await booth.person("unpaid")
    await tell(
        booth,
        event("checkout.session.completed", await bought(booth, one.workspace_id, "cs_2", payment_status="unpaid")),
        event("checkout.session.completed", await bought(booth, one.workspace_id, "cs_3", mode="subscription")),
        event("checkout.session.expired", await bought(booth, one.workspace_id, "cs_4")),
    )
    assert await balance(booth, "unpaid") == (0, 0)


def test_no_name_no_address_no_card_is_kept() -> None:
    found = {
        "id": "in_1", "customer": {"id": "cus_1", "email": "ada@example.com"}, "customer_email": "ada@example.com",
        "customer_address": {"city": "Berlin"}, "payment_method_details": {"card": {"last4": "4242"}}, "amount_due": 5,
        "metadata": {"workspace_id": "w", "note": "4242"},
        "items": {"data": [{"id": "si", "card": "4242", "price": {"id": "p"}}]},
        "parent": {"subscription_details": {"metadata": {"workspace_id": "v", "note": "4242"}}},
    }  # fmt: skip
    kept = keep(found)
    assert kept == {
        "id": "in_1", "amount_due": 5, "metadata": {"workspace_id": "w"},
        "items": {"data": [{"id": "si", "price": {"id": "p"}}]},
    }  # fmt: skip


def start_biller(api: Api) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DATABASE_URL": api.database.url("fivefold_worker")}
    command = [sys.executable, "-m", "tests.factory.biller"]
    return subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)


@pytest.mark.slow
async def test_a_worker_killed_between_any_two_steps_books_every_payment_once(shop: Api) -> None:
    ada, wanted, kills = await shop.person("ada"), 60, 0
    for number in range(wanted):
        told = event("checkout.session.completed", await bought(shop, ada.workspace_id, f"cs_{number}"))
        assert (await send(shop, told)).status_code == 200
    async with shop.database.connect() as admin:

        async def count() -> int:
            return int(await admin.fetchval("SELECT count(*) FROM core.billing_event WHERE state = 'APPLIED'"))

        while (done := await count()) < wanted:
            biller = start_biller(shop)
            while await count() < min(done + 12, wanted):
                assert biller.poll() is None
                await asyncio.sleep(0.002)
            biller.send_signal(signal.SIGKILL)
            biller.wait()
            kills += 1
    assert kills >= 4
    await run_jobs(shop, [apply_billing_event])
    assert await balance(shop) == (100 * wanted, 0)
    assert (await check(shop.database)).wrong == 0
