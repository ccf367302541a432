"""Customers: orders lead to the provider's page, once for each key, for those who see to payments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import asyncpg
import pytest

from app import people
from app.core.erasure import erase_due
from app.core.upkeep import Nothing
from app.kit.embedded import Embedded
from app.kit.errors import SetupError
from app.kit.jobs import Work
from app.settings import Settings
from tests.conftest import Answer, Api, copy_of
from tests.core.test_workspace import organize
from tests.factory.core import Person
from tests.factory.jobs import worker_db
from tests.factory.kit import serving
from tests.factory.stripe import KEY, SECRET, Provider, event, provider, sell, subscription, tell

CHECKOUT = "mutation($input: StartCheckoutInput!) { startCheckout(input: $input) { url } }"
ERASE = 'mutation($email: String!) { requestErasure(input: {confirmEmail: $email, idempotencyKey: "k"}) { erasure { id } } }'
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


async def customer_of(shop: Shop, name: str) -> tuple[Person, str]:
    """Somebody who ordered, and who they are to the provider."""
    person = await shop.api.person(name, plan="free")
    await order(shop.api, person.token, plan="pro")
    async with shop.api.database.connect() as admin:
        asked = "SELECT provider_customer_id FROM core.billing_customer WHERE workspace_id = $1"
        return person, await admin.fetchval(asked, person.workspace_id)


async def ask_to_be_erased(shop: Shop, person: Person, days: int = 0) -> None:
    assert (await shop.api(ERASE, {"email": person.email}, token=person.token)).data
    async with shop.api.database.connect() as admin:
        moved = "UPDATE core.erasure SET due_at = now() - make_interval(days => $2) WHERE account_id = $1"
        await admin.execute(moved, person.account_id, days)


async def erase(shop: Shop, **given: Any) -> None:
    async with worker_db(shop.api.database) as db:
        settings = Settings(**({"stripe_secret_key": KEY, "stripe_url": shop.at.url} | given))
        await erase_due.run(Work(db, 1, settings=settings), Nothing())


async def is_there(shop: Shop, person: Person) -> bool:
    async with shop.api.database.connect() as admin:
        return bool(await admin.fetchval("SELECT count(*) FROM core.account WHERE id = $1", person.account_id))


async def test_who_is_erased_pays_no_more(shop: Shop) -> None:
    hugo, customer = await customer_of(shop, "hugo")
    ines, other = await customer_of(shop, "ines")
    for number, status in enumerate(("active", "past_due", "canceled", "trialing")):
        told = subscription(hugo.workspace_id, status, f"sub_h{number}", customer=customer)
        shop.at.objects[f"/v1/subscriptions/sub_h{number}"] = told
    shop.at.objects["/v1/subscriptions/sub_i"] = subscription(ines.workspace_id, "active", "sub_i", customer=other)
    await ask_to_be_erased(shop, hugo)
    before = len(shop.at.calls)
    await erase(shop)
    assert not await is_there(shop, hugo)
    sent = [call[:2] for call in shop.at.calls[before:]]
    assert [path for method, path in sent if method == "DELETE"] == [f"/v1/subscriptions/sub_h{n}" for n in (0, 1, 3)]
    assert shop.at.objects["/v1/subscriptions/sub_i"]["status"] == "active"
    # What the provider tells of it afterwards is nobody's.
    await tell(shop.api, event("customer.subscription.deleted", shop.at.objects["/v1/subscriptions/sub_h0"]))
    async with shop.api.database.connect() as admin:
        for table in ("billing_event", "subscription", "billing_customer"):
            asked = f"SELECT count(*) FROM core.{table} WHERE workspace_id = $1"
            assert await admin.fetchval(asked, hugo.workspace_id) == 0, table


async def test_an_erasure_waits_for_the_provider_and_not_for_ever(shop: Shop) -> None:
    (jana, customer), karl = await customer_of(shop, "jana"), await shop.api.person("karl")
    lena, other = await customer_of(shop, "lena")
    for number, (person, name) in enumerate(((jana, customer), (lena, other))):
        told = subscription(person.workspace_id, "active", f"sub_w{number}", customer=name)
        shop.at.objects[f"/v1/subscriptions/sub_w{number}"] = told
    await ask_to_be_erased(shop, jana, days=6)
    await ask_to_be_erased(shop, karl)
    await ask_to_be_erased(shop, lena, days=8)
    shop.at.broken = True
    try:
        await erase(shop)
        await erase(shop)
    finally:
        shop.at.broken = False
    there = [await is_there(shop, person) for person in (jana, karl, lena)]
    assert there == [True, False, False], "who waits keeps nobody, and after a week nobody waits"
    await erase(shop)
    assert not await is_there(shop, jana)
    assert shop.at.objects["/v1/subscriptions/sub_w0"]["status"] == "canceled"


async def test_those_who_wait_do_not_fill_the_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.erasure.AT_ONCE", 1)
    (mia, _), nora = await customer_of(shop, "mia"), await shop.api.person("nora")
    await ask_to_be_erased(shop, mia, days=1)
    await ask_to_be_erased(shop, nora)
    shop.at.broken = True
    try:
        await erase(shop)
    finally:
        shop.at.broken = False
    assert (await is_there(shop, mia), await is_there(shop, nora)) == (True, False)
    await erase(shop, stripe_secret_key="")
    assert not await is_there(shop, mia), "without a provider there is nothing to wait for"


async def test_only_what_is_due_is_told_to_the_provider(shop: Shop) -> None:
    olga, _ = await customer_of(shop, "olga")
    await ask_to_be_erased(shop, olga, days=-1)
    async with shop.api.database.connect() as admin:
        erasure_id = await admin.fetchval("SELECT id FROM core.erasure WHERE account_id = $1", olga.account_id)
    async with shop.api.database.connect("fivefold_worker") as worker:
        assert await worker.fetch("SELECT * FROM core.list_leaving_customer($1)", erasure_id) == []
    async with shop.api.database.connect("fivefold_api") as stranger:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stranger.fetch("SELECT * FROM core.list_leaving_customer($1)", erasure_id)


async def test_the_command_line_ends_what_is_paid_for_too(shop: Shop) -> None:
    paul, customer = await customer_of(shop, "paul")
    told = subscription(paul.workspace_id, "active", "sub_p", customer=customer)
    shop.at.objects["/v1/subscriptions/sub_p"] = told
    settings, url = Settings(stripe_secret_key=KEY, stripe_url=shop.at.url), shop.api.database.url()
    shop.at.broken = True
    try:
        with pytest.raises(SetupError, match="a worker tries again"):
            await people.request_erasure(url, paul.email, days=0, organizations=False, settings=settings)
    finally:
        shop.at.broken = False
    assert await is_there(shop, paul)
    await people.request_erasure(url, paul.email, days=0, organizations=False, settings=settings)
    assert not await is_there(shop, paul)
    assert shop.at.objects["/v1/subscriptions/sub_p"]["status"] == "canceled"


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
