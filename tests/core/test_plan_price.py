"""Prices: data that curators add and nobody changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import Answer, Api

PLAN = "mutation($input: PublishPlanPriceInput!) { publishPlanPrice(input: $input) { plan published } }"
PACK = "mutation($input: PublishCreditPackInput!) { publishCreditPack(input: $input) { slug published } }"
PRICES = (
    "{ plans { slug trialDays prices { currency billingInterval amount validFrom } }"
    " creditPacks { slug unit credits currency amount validFrom } }"
)


async def price(api: Api, token: str, **given: Any) -> Answer:
    wanted = {"plan": "pro", "currency": "EUR", "billingInterval": "MONTH", "amount": "900", "providerPrice": "price_1"}
    return await api(PLAN, {"input": wanted | {"idempotencyKey": str(uuid4())} | given}, token=token)


async def pack(api: Api, token: str, **given: Any) -> Answer:
    wanted = {"slug": "small", "credits": "100", "currency": "EUR", "amount": "500", "providerPrice": "price_2"}
    return await api(PACK, {"input": wanted | {"idempotencyKey": str(uuid4())} | given}, token=token)


async def test_the_newest_price_of_a_currency_and_interval_holds(api: Api) -> None:
    ada, curator = await api.person("ada"), await api.person("curator", curator=True)
    once = {"amount": "1900", "idempotencyKey": "once"}
    for given in (
        {},
        {"billingInterval": "YEAR", "amount": "9000"},
        once,
        once,
        {"validFrom": "2099-01-01T00:00:00Z", "amount": "1"},
    ):
        assert (await price(api, curator.token, **given)).data["publishPlanPrice"] == {"plan": "pro", "published": True}
    assert (await price(api, curator.token, **once | {"amount": "5"})).code == "IDEMPOTENCY_CONFLICT"
    for given in ({}, {"credits": "120"}, {"slug": "large", "credits": "1000"}):
        assert (await pack(api, curator.token, **given)).data
    data = (await api(PRICES, token=ada.token)).data
    now = datetime.now(UTC).isoformat()
    assert all(each.pop("validFrom") < now for each in (*data["plans"][1]["prices"], *data["creditPacks"]))
    assert {plan["slug"]: plan["trialDays"] for plan in data["plans"]} == {"free": 0, "pro": 14, "premium": 14, "enterprise": 0}
    assert data["plans"][1]["prices"] == [
        {"currency": "EUR", "billingInterval": "MONTH", "amount": "1900"},
        {"currency": "EUR", "billingInterval": "YEAR", "amount": "9000"},
    ]
    assert [(each["slug"], each["credits"]) for each in data["creditPacks"]] == [("small", "120"), ("large", "1000")]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"plan": "gold"}, "NOT_FOUND"),
        ({"currency": "euro"}, "BAD_INPUT"),
        ({"amount": "-1"}, "BAD_INPUT"),
        ({"amount": str(10**12 + 1)}, "BAD_INPUT"),
        ({"amount": "9.99"}, "BAD_VARIABLES"),
        ({"providerPrice": ""}, "BAD_INPUT"),
        ({"validFrom": "2020-01-01T00:00:00Z"}, "BAD_INPUT"),
    ],
)
async def test_bad_prices_are_not_published(shared: Api, given: dict[str, Any], code: str) -> None:
    curator = await shared.person("curator", curator=True)
    assert (await price(shared, curator.token, **given)).code == code
    if "plan" not in given:
        assert (await pack(shared, curator.token, **given)).code == code


@pytest.mark.parametrize("given", [{"slug": "A b"}, {"credits": "0"}, {"credits": str(10**12 + 1)}, {"unit": "C"}])
async def test_bad_packs_are_not_published(shared: Api, given: dict[str, Any]) -> None:
    curator = await shared.person("curator", curator=True)
    assert (await pack(shared, curator.token, **given)).code == "BAD_INPUT"
    assert (await shared(PRICES, token=curator.token)).data["creditPacks"] == []


async def test_two_prices_do_not_begin_at_the_same_moment(shared: Api) -> None:
    curator = await shared.person("curator", curator=True)
    later = {"validFrom": "2098-01-01T00:00:00Z"}
    for publish in (price, pack):
        assert (await publish(shared, curator.token, **later)).codes == []
        assert (await publish(shared, curator.token, **later)).code == "BAD_INPUT"


async def test_curators_alone_say_what_things_cost(shared: Api) -> None:
    ada = await shared.person("ada")
    assert (await price(shared, ada.token)).code == "FORBIDDEN"
    assert (await pack(shared, ada.token)).code == "FORBIDDEN"
    async with shared.database.connect() as admin:
        for table in ("plan_price", "credit_pack"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(f"UPDATE core.{table} SET amount = 0")
