"""Usage: exactly as much as the plan allows, however many ask at the same time, and anew each day or month."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.plan import LimitReached
from app.core.usage_counter import Used, give_back, use
from app.kit.errors import AppError
from tests.conftest import Api, Database
from tests.factory.kit import db_of
from tests.factory.privacy import link

USAGE = "{ usage { name used limit period resetsAt } }"


async def limit(database: Database, name: str, amount: int | None, period: str | None = "month") -> None:
    async with database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.plan_limit (plan_id, name, amount, period) SELECT id, $1, $2, $3 FROM core.plan"
            " ON CONFLICT (plan_id, name) DO UPDATE SET amount = excluded.amount, period = excluded.period",
            name, amount, period,
        )  # fmt: skip


async def take(api: Api, name: str, amount: int = 1) -> Used:
    db = await db_of(api)
    try:
        async with db.transaction():
            return await use(db, name, amount)
    finally:
        await db.close()


async def usage(api: Api, name: str) -> Any:
    ada = await api.person("ada")
    found = {each["name"]: each for each in (await api(USAGE, token=ada.token)).data["usage"]}
    return found[name]


@pytest.mark.parametrize("most", [0, 1, 7])
async def test_exactly_the_limit_of_many_at_once(api: Api, most: int) -> None:
    await limit(api.database, "core.test", most)
    await api.person("ada")
    outcomes = await asyncio.gather(*(take(api, "core.test") for _ in range(40)), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, Used)]) == most
    refused = [each for each in outcomes if isinstance(each, LimitReached)]
    assert len(refused) == 40 - most
    told = {"name": "core.test", "limit": most, "used": most, "plan": "enterprise"}
    assert (refused[-1].extensions or {})["limit"] == told
    assert (await usage(api, "core.test"))["used"] == str(most)


async def test_what_does_not_fit_takes_nothing_and_less_may_fit(api: Api) -> None:
    await limit(api.database, "core.test", 10)
    await take(api, "core.test", 7)
    for amount in (4, 10, 11, 10**9):
        with pytest.raises(LimitReached):
            await take(api, "core.test", amount)
    assert (await take(api, "core.test", 3)).used == 10
    for amount in (0, -1, 10**9 + 1, 2**63 - 1):
        with pytest.raises(AppError) as refused:
            await take(api, "core.test", amount)
        assert refused.value.code_name == "BAD_INPUT"


async def test_what_was_used_for_nothing_is_given_back_and_no_more(api: Api) -> None:
    await limit(api.database, "core.test", 3)
    used = await take(api, "core.test", 3)
    db = await db_of(api)
    for amount, left in ((1, "2"), (5, "0"), (1, "0")):
        async with db.transaction():
            await give_back(db, "core.test", used, amount)
        assert (await usage(api, "core.test"))["used"] == left
    earlier = Used(1, used.period_start - timedelta(days=40))
    async with db.transaction():
        await give_back(db, "core.test", earlier)
    await db.close()


async def test_a_rolled_back_use_is_none(api: Api) -> None:
    await limit(api.database, "core.test", 1)
    db = await db_of(api)
    with pytest.raises(RuntimeError):
        await fail(db)
    await db.close()
    assert (await take(api, "core.test")).used == 1


async def fail(db: Any) -> None:
    async with db.transaction():
        await use(db, "core.test")
        raise RuntimeError


@pytest.mark.parametrize("period", ["day", "month"])
async def test_a_new_day_or_month_begins_anew(api: Api, period: str) -> None:
    await limit(api.database, "core.test", 1, period)
    used = await take(api, "core.test")
    now = datetime.now(UTC)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert used.period_start == (start if period == "day" else start.replace(day=1))
    told = await usage(api, "core.test")
    assert (told["period"], told["limit"]) == (period.upper(), "1")
    assert now < datetime.fromisoformat(told["resetsAt"]) <= now + timedelta(days=1 if period == "day" else 31)
    async with api.database.connect() as admin:
        await admin.execute(f"UPDATE core.usage_counter SET period_start = period_start - interval '1 {period}'")
    assert (await usage(api, "core.test"))["used"] == "0"
    assert (await take(api, "core.test")).used == 1


async def test_a_larger_limit_adds_to_what_was_used(api: Api) -> None:
    await limit(api.database, "core.test", 2)
    await take(api, "core.test", 2)
    await limit(api.database, "core.test", 5)
    assert (await take(api, "core.test", 3)).used == 5
    await limit(api.database, "core.test", None)
    assert (await take(api, "core.test", 10**9)).used == 10**9 + 5
    assert (await usage(api, "core.test"))["limit"] is None
    await limit(api.database, "core.test", 1)
    with pytest.raises(LimitReached):
        await take(api, "core.test")


async def test_what_no_plan_lists_is_counted_and_not_limited(api: Api) -> None:
    assert (await take(api, "core.unlisted", 5)).used == 5
    assert (await take(api, "core.unlisted", 10**9)).used == 10**9 + 5


async def test_what_is_limited_by_number_is_counted_too(api: Api) -> None:
    ada = await api.person("ada")
    await link(api, ada.token, label="one")
    told = await usage(api, "privacy.platform_links")
    assert told == {"name": "privacy.platform_links", "used": "1", "limit": None, "period": None, "resetsAt": None}
    assert (await usage(api, "privacy.analysis"))["used"] is None
