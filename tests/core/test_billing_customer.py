"""Customers: orders lead to the provider's page, once for each key, for those who see to payments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from app.kit.embedded import Embedded
from tests.conftest import Answer, Api, copy_of
from tests.core.test_workspace import organize
from tests.factory.kit import serving
from tests.factory.stripe import KEY, SECRET, Provider, event, provider, sell, subscription, tell

CHECKOUT = "mutation($input: StartCheckoutInput!) { startCheckout(input: $input) { url } }"
PORTAL = "mutation { openBillingPortal { url } }"


@dataclass(frozen=True)
class Shop:
    api: Api
    at: Provider


@pytest.fixture(scope="module")
async def shop(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Shop]:
    with provider() as at, copy_of(server, template) as database:
        given = {"stripe_webhook_secrets": [SECRET], "stripe_secret_key": KEY, "stripe_url": at.url}
        async with serving(database, jwt_key, billing_return_url="https://app.example/billing", **given) as api:
            await sell(api)
            yield Shop(api, at)


async def order(api: Api, token: str, key: str = "", *, more: dict[str, str] | None = None, **given: Any) -> Answer:
    return await api(CHECKOUT, {"input": {"idempotencyKey": key or str(uuid4())} | given}, token=token, **(more or {}))


async def test_an_order_leads_to_the_providers_page(shop: Shop) -> None:
    ada = await shop.api.person("ada")
    answer = await order(shop.api, ada.token, "once", plan="pro")
    url = answer.data["startCheckout"]["url"]
    assert url.startswith("https://pay.example/checkout_sessions/")
    method, path, body, key = shop.at.calls[-1]
    assert (method, path, key) == ("POST", "/v1/checkout/sessions", f"checkout:{ada.workspace_id}:once")
    sent = {name: value for name, (value,) in parse_qs(body).items()}
    assert sent["mode"] == "subscription"
    assert sent["line_items[0][price]"] == "price_pro"
    assert sent["metadata[workspace_id]"] == sent["subscription_data[metadata][workspace_id]"] == str(ada.workspace_id)
    assert sent["success_url"] == "https://app.example/billing"
    assert (await order(shop.api, ada.token, "once", plan="pro")).data["startCheckout"]["url"] == url
    assert (await order(shop.api, ada.token, "once", plan="premium")).code == "IDEMPOTENCY_CONFLICT"
    other = (await order(shop.api, ada.token, creditPack="small")).data["startCheckout"]["url"]
    assert other != url
    sent = {name: value for name, (value,) in parse_qs(shop.at.calls[-1][2]).items()}
    assert (sent["mode"], sent["line_items[0][price]"]) == ("payment", "price_small")
    assert len([call for call in shop.at.calls if call[1] == "/v1/customers"]) == 1
    assert (await shop.api(PORTAL, token=ada.token)).data["openBillingPortal"]["url"].startswith("https://pay.example/")


async def test_orders_at_once_are_of_one_customer(shop: Shop) -> None:
    ben = await shop.api.person("ben")
    answers = await asyncio.gather(*(order(shop.api, ben.token, plan="pro") for _ in range(8)))
    assert len({answer.data["startCheckout"]["url"] for answer in answers}) == 8
    async with shop.api.database.connect() as admin:
        found = await admin.fetch("SELECT FROM core.billing_customer WHERE workspace_id = $1", ben.workspace_id)
    assert len(found) == 1
    bodies = {
        parse_qs(call[2])["customer"][0]
        for call in shop.at.calls
        if str(ben.workspace_id) in call[2] and "line_items" in call[2]
    }
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "BAD_INPUT"),
        ({"plan": "pro", "creditPack": "small"}, "BAD_INPUT"),
        ({"plan": "free"}, "NOT_FOUND"),
        ({"plan": "gold"}, "NOT_FOUND"),
        ({"plan": "pro", "currency": "XXX"}, "NOT_FOUND"),
        ({"plan": "pro", "billingInterval": "YEAR"}, "NOT_FOUND"),
        ({"creditPack": "huge"}, "NOT_FOUND"),
        ({"plan": "pro", "idempotencyKey": ""}, "BAD_INPUT"),
        ({"plan": "pro", "idempotencyKey": "x" * 201}, "BAD_INPUT"),
    ],
)
async def test_what_is_not_sold_is_not_ordered(shop: Shop, given: dict[str, Any], code: str) -> None:
    cora = await shop.api.person("cora")
    before = len(shop.at.calls)
    assert (await order(shop.api, cora.token, **given) if "idempotencyKey" not in given else await shop.api(
        CHECKOUT, {"input": given}, token=cora.token)).code == code  # fmt: skip
    assert len(shop.at.calls) == before
    assert (await shop.api(PORTAL, token=cora.token)).code == "NOT_FOUND"


async def test_who_has_subscribed_goes_to_the_portal(shop: Shop) -> None:
    dora = await shop.api.person("dora")
    await tell(shop.api, event("customer.subscription.created", subscription(dora.workspace_id)))
    assert (await order(shop.api, dora.token, plan="premium")).code == "ALREADY_SUBSCRIBED"
    assert (await order(shop.api, dora.token, creditPack="small")).codes == []


async def test_a_provider_that_does_not_take_it_is_told_without_its_words(shop: Shop) -> None:
    emil = await shop.api.person("emil")
    shop.at.broken = True
    try:
        answer = await order(shop.api, emil.token, plan="pro")
    finally:
        shop.at.broken = False
    assert answer.code == "BILLING_UNAVAILABLE"
    assert KEY not in str(answer.body)


async def test_without_a_provider_nothing_is_sold(shared: Api) -> None:
    ada = await shared.person("ada")
    assert (await order(shared, ada.token, plan="pro")).code == "BILLING_NOT_CONFIGURED"
    assert (await shared(PORTAL, token=ada.token)).code == "BILLING_NOT_CONFIGURED"


@pytest.mark.parametrize(
    ("role", "may"), [("owner", True), ("admin", True), ("member", False), ("viewer", False), ("stranger", False)]
)
async def test_owners_and_admins_order(shop: Shop, role: str, may: bool) -> None:
    name = f"r{uuid4().hex[:10]}"
    person = await shop.api.person(name)
    members = {name: role} if role != "stranger" else {"ada": "owner"}
    await shop.api.person("ada")
    workspace = await organize(shop.api, f"O {name}", **members)
    header: dict[str, Any] = {"fivefold_workspace": workspace}
    for answer in (
        await order(shop.api, person.token, plan="pro", more=header),
        await shop.api(PORTAL, token=person.token, **header),
    ):
        assert answer.codes == ([] if may else ["NOT_FOUND"] if role == "stranger" else ["FORBIDDEN"])
