"""The wallet: books that add up whatever happens, and credits that are spent once however many spend at the same time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import doctor
from app.core.upkeep import Nothing
from app.core.wallet import (
    Balance,
    InsufficientCredits,
    LedgerCheck,
    buy,
    check_books,
    find_expired_reservations,
    get_wallet,
    refund,
    release,
    release_expired,
    reserve,
    settle,
)
from app.kit.db import Db
from app.kit.errors import AppError
from app.kit.graphql import global_id
from app.kit.jobs import Work
from app.settings import Settings
from tests.conftest import Answer, Api, Database
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import db_of, give

WALLET = """query($unit: String! = "credit") { wallet(unit: $unit) { unit balance available reserved
    entries(first: 100) { edges { node { kind account amount reason reservationId createdAt } } }
    reservations(first: 100) { edges { node { id status amount settledAmount purpose expiresAt endedAt } } } } }"""
GRANT = "mutation($input: GrantCreditsInput!) { grantCredits(input: $input) { available } }"


@asynccontextmanager
async def acting(api: Api, name: str = "ada") -> AsyncIterator[Db]:
    db = await db_of(api, name)
    try:
        yield db
    finally:
        await db.close()


async def hold(api: Api, amount: int, key: str, name: str = "ada") -> UUID:
    async with acting(api, name) as db, db.transaction():
        return await reserve(db, amount, key=key, purpose="core.test")


async def end(api: Api, how: Any, *args: Any, name: str = "ada") -> bool:
    async with acting(api, name) as db, db.transaction():
        return bool(await how(db, *args))


async def balance(api: Api, name: str = "ada") -> tuple[int, int]:
    async with acting(api, name) as db:
        found: Balance | None = await get_wallet(db, unit="credit")
    assert found is not None
    return found.available, found.reserved


async def check(database: Database) -> LedgerCheck:
    async with worker_db(database) as db:
        return await check_books(db._pool)


async def person(api: Api, credits: int, name: str | None = None) -> Person:
    made = await api.person(name or f"p{uuid4().hex[:10]}")
    if credits:
        await give(api, made, credits)
    return made


def name_of(one: Person) -> str:
    return one.email.partition("@")[0]


async def test_a_new_workspace_has_an_empty_wallet(shared: Api) -> None:
    ada = await person(shared, 0)
    for unit in ("credit", "minute", "nonsense", ""):
        wallet = (await shared(WALLET, {"unit": unit}, token=ada.token)).data["wallet"]
        assert (wallet["balance"], wallet["available"], wallet["reserved"]) == ("0", "0", "0")
        assert wallet["entries"]["edges"] == wallet["reservations"]["edges"] == []


async def test_a_reservation_is_settled_in_part_and_refunded(shared: Api) -> None:
    ada = await person(shared, 10)
    name = name_of(ada)
    held = await hold(shared, 4, "work", name)
    assert await balance(shared, name) == (6, 4)
    assert await end(shared, settle, held, 3, name=name)
    assert await balance(shared, name) == (7, 0)
    assert await end(shared, refund, held, name=name)
    wallet = (await shared(WALLET, token=ada.token)).data["wallet"]
    assert (wallet["balance"], wallet["available"], wallet["reserved"]) == ("10", "10", "0")
    entries = [edge["node"] for edge in wallet["entries"]["edges"]]
    assert sum(int(entry["amount"]) for entry in entries) == 10
    moved = sorted((entry["kind"], entry["account"], int(entry["amount"])) for entry in entries)
    assert moved == [
        ("GRANT", "AVAILABLE", 10),
        ("REFUND", "AVAILABLE", 3),
        ("RELEASE", "AVAILABLE", 1),
        ("RELEASE", "RESERVED", -1),
        ("RESERVE", "AVAILABLE", -4),
        ("RESERVE", "RESERVED", 4),
        ("SETTLE", "RESERVED", -3),
    ]
    (reservation,) = [edge["node"] for edge in wallet["reservations"]["edges"]]
    assert reservation["id"] == global_id("Reservation", str(held))
    assert (reservation["status"], reservation["amount"], reservation["settledAmount"]) == ("REFUNDED", "4", "3")
    node = "query($id: ID!) { node(id: $id) { ... on Reservation { status } } }"
    assert (await shared(node, {"id": reservation["id"]}, token=ada.token)).data["node"] == {"status": "REFUNDED"}


async def test_every_step_may_be_repeated_and_none_undone(shared: Api) -> None:
    ada = await person(shared, 10)
    name = name_of(ada)
    taken, back = await hold(shared, 2, "taken", name), await hold(shared, 3, "back", name)
    assert await hold(shared, 2, "taken", name) == taken
    assert await balance(shared, name) == (5, 5)
    with pytest.raises(AppError, match="another reservation"):
        await hold(shared, 1, "taken", name)
    assert [await end(shared, settle, taken, name=name) for _ in range(3)] == [True, False, False]
    assert [await end(shared, release, back, name=name) for _ in range(3)] == [True, False, False]
    for how, *args in ((settle, taken, 1), (release, taken), (settle, back), (refund, back)):
        with pytest.raises(AppError) as refused:
            await end(shared, how, *args, name=name)
        assert refused.value.code_name == "RESERVATION_CLOSED"
    assert [await end(shared, refund, taken, name=name) for _ in range(2)] == [True, False]
    assert await end(shared, settle, taken, name=name) is False, "a worker that comes back says again what it said"
    assert await hold(shared, 2, "taken", name) == taken, "what has ended is not reserved a second time"
    assert await balance(shared, name) == (10, 0)


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1, 2**63 - 1])
async def test_amounts_are_whole_and_bounded(shared: Api, amount: int) -> None:
    ada = await person(shared, 5)
    with pytest.raises(AppError) as refused:
        await hold(shared, amount, "x", name_of(ada))
    assert refused.value.code_name == "BAD_INPUT"
    held = await hold(shared, 1, "y", name_of(ada))
    with pytest.raises(AppError) as refused:
        await end(shared, settle, held, amount, name=name_of(ada))
    assert refused.value.code_name == "BAD_INPUT"
    assert await balance(shared, name_of(ada)) == (4, 1)


async def test_nobody_ends_a_reservation_of_somebody_else(shared: Api) -> None:
    ada, ben = await person(shared, 5), await person(shared, 5)
    held = await hold(shared, 2, "x", name_of(ada))
    for how in (settle, release, refund):
        with pytest.raises(AppError) as refused:
            await end(shared, how, held, name=name_of(ben))
        assert refused.value.code_name == "NOT_FOUND"
    assert await hold(shared, 2, "x", name_of(ben)) != held, "a key belongs to its workspace"
    assert (await balance(shared, name_of(ada)), await balance(shared, name_of(ben))) == ((3, 2), (3, 2))


async def test_of_many_at_once_exactly_as_many_as_there_are_credits_succeed(api: Api) -> None:
    """Each with what it pays for in the same transaction: whoever gets none has written nothing."""
    await give(api, await api.person("ada"), 7)

    async def buy_something(number: int) -> str:
        async with acting(api) as db:
            try:
                async with db.transaction():
                    held = await reserve(db, 1, key=f"work {number}", purpose="core.test")
                    await settle(db, held)
            except InsufficientCredits as refused:
                return str(refused.extensions)
        return "DONE"

    outcomes = await asyncio.gather(*(buy_something(number) for number in range(60)))
    assert outcomes.count("DONE") == 7
    assert len(set(outcomes)) == 2
    assert "'needed': 1, 'available': 0" in max(outcomes, key=len)
    assert await balance(api) == (0, 0)
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.reservation") == 7
    assert (await check(api.database)).wrong == 0


async def test_the_same_key_at_once_is_one_reservation(api: Api) -> None:
    await give(api, await api.person("ada"), 50)
    ids = await asyncio.gather(*(hold(api, 5, "same") for _ in range(20)))
    assert len(set(ids)) == 1
    done = await asyncio.gather(*(end(api, settle, ids[0]) for _ in range(20)))
    assert done.count(True) == 1
    refunds = await asyncio.gather(*(end(api, refund, ids[0]) for _ in range(20)))
    assert refunds.count(True) == 1
    assert await balance(api) == (50, 0)
    assert (await check(api.database)).wrong == 0


async def test_settle_and_release_at_once_have_one_winner(api: Api) -> None:
    await give(api, await api.person("ada"), 40)
    for number in range(8):
        held = await hold(api, 1, f"{number}")
        found = await asyncio.gather(end(api, settle, held), end(api, release, held), return_exceptions=True)
        assert [each for each in found if each is True] == [True]
        (lost,) = [each for each in found if each is not True]
        assert isinstance(lost, AppError)
        assert lost.code_name == "RESERVATION_CLOSED"
    assert (await check(api.database)).wrong == 0


async def test_what_is_rolled_back_moved_nothing(shared: Api) -> None:
    ada = await person(shared, 3)
    async with acting(shared, name_of(ada)) as db:
        with suppress(RuntimeError):
            async with db.transaction():
                await reserve(db, 3, key="x", purpose="core.test")
                raise RuntimeError
    assert await balance(shared, name_of(ada)) == (3, 0)


async def test_what_was_forgotten_comes_back(api: Api) -> None:
    ada = await api.person("ada")
    await give(api, ada, 5)
    forgotten, under_way = await hold(api, 2, "forgotten"), await hold(api, 1, "under way")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.reservation SET expires_at = now() WHERE id = $1", forgotten)
    async with worker_db(api.database) as db:
        await find_expired_reservations.run(Work(db, 0), Nothing())
    await run_jobs(api, [release_expired])
    assert await balance(api) == (4, 1)
    with pytest.raises(AppError) as refused:
        await end(api, settle, forgotten)
    assert refused.value.code_name == "RESERVATION_CLOSED"
    assert await end(api, settle, under_way)
    kinds = [e["node"]["kind"] for e in (await api(WALLET, token=ada.token)).data["wallet"]["entries"]["edges"]]
    assert kinds.count("EXPIRE") == 2
    assert (await check(api.database)).wrong == 0


async def test_credits_are_booked_once_for_each_payment(shared: Api) -> None:
    ada = await person(shared, 0)
    bought = []
    for key in ("p1", "p1", "p2"):
        async with worker_db(shared.database) as system:
            db = Db(system._pool, ada.actor, uuid4())
            async with db.transaction():
                bought.append(await buy(db, 5, key=key))
            await db.close()
    assert bought == [True, False, True]
    assert await balance(shared, name_of(ada)) == (10, 0)


# Who may


async def grant(api: Api, token: str, workspace: str, amount: Any, **given: Any) -> Answer:
    wanted = {"workspaceId": workspace, "amount": amount, "reason": "r", "idempotencyKey": str(uuid4())}
    return await api(GRANT, {"input": wanted | given}, token=token)


async def test_curators_alone_give_and_take(shared: Api) -> None:
    ada, curator = await person(shared, 0), await shared.person("curator", curator=True)
    assert (await grant(shared, ada.token, ada.workspace, "5")).code == "FORBIDDEN"
    once = {"idempotencyKey": str(uuid4()), "reason": "a gift"}
    for _ in range(3):
        given = await grant(shared, curator.token, ada.workspace, "5", **once)
        assert given.data["grantCredits"] == {"available": "5"}
    assert (await grant(shared, curator.token, ada.workspace, "6", **once)).code == "IDEMPOTENCY_CONFLICT"
    taken = await grant(shared, curator.token, ada.workspace, "-6")
    assert taken.code == "INSUFFICIENT_CREDITS"
    assert taken.body["errors"][0]["extensions"]["credits"] == {"unit": "credit", "needed": 6, "available": 5}
    assert (await grant(shared, curator.token, ada.workspace, "-5", reason="a mistake")).data["grantCredits"][
        "available"
    ] == "0"
    wallet = (await shared(WALLET, token=ada.token)).data["wallet"]
    assert [(e["node"]["kind"], e["node"]["reason"]) for e in wallet["entries"]["edges"]] == [
        ("WITHDRAW", "a mistake"),
        ("GRANT", "a gift"),
    ]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"amount": "0"}, "BAD_INPUT"),
        ({"amount": str(10**12 + 1)}, "BAD_INPUT"),
        ({"amount": str(-(2**63))}, "BAD_INPUT"),
        ({"amount": "1.5"}, "BAD_VARIABLES"),
        ({"reason": ""}, "BAD_INPUT"),
        ({"reason": "x" * 301}, "BAD_INPUT"),
        ({"unit": "Credit"}, "BAD_INPUT"),
        ({"unit": "x" * 21}, "BAD_INPUT"),
        ({"workspaceId": global_id("Workspace", str(uuid4()))}, "NOT_FOUND"),
        ({"workspaceId": global_id("Workspace", "00000000-0000-7000-8000-000000000000")}, "NOT_FOUND"),
    ],
)
async def test_bad_grants_move_nothing(shared: Api, given: dict[str, Any], code: str) -> None:
    ada, curator = await person(shared, 1), await shared.person("curator", curator=True)
    assert (await grant(shared, curator.token, ada.workspace, **({"amount": "5"} | given))).code == code
    assert await balance(shared, name_of(ada)) == (1, 0)


@pytest.mark.parametrize("role", ["fivefold_api", "fivefold_worker"])
async def test_no_login_writes_the_books(shared: Api, role: str) -> None:
    ada = await person(shared, 5)
    attempts = [
        "UPDATE core.ledger_account SET balance = balance + 1",
        "INSERT INTO core.ledger_entry (workspace_id, transfer_id, ledger_account_id, amount)"
        " SELECT workspace_id, transfer_id, ledger_account_id, 5 FROM core.ledger_entry",
        "DELETE FROM core.ledger_entry",
        "INSERT INTO core.reservation (workspace_id, amount, expires_at, unit, purpose, key)"
        " SELECT workspace_id, 1, now(), 'credit', 'core.test', 'x' FROM core.ledger_account",
        "SELECT core.post_transfer(core.current_workspace_id(), 'credit', 'GRANT', 5, 'x', NULL, NULL)",
    ]
    attempts += {
        "fivefold_api": ["SELECT core.buy_credits('credit', 5, 'x')", "SELECT core.expire_reservations()"],
        "fivefold_worker": ["SELECT core.grant_credits(core.current_workspace_id(), 'credit', 5, 'x', 'y')"],
    }[role]
    async with shared.database.connect(role) as connection:
        await connection.execute(f"SELECT set_config('fivefold.workspace_id', '{ada.workspace_id}', false)")
        for attempt in attempts:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(attempt)


async def test_who_is_no_curator_gives_nothing_by_sql_either(shared: Api) -> None:
    ada = await person(shared, 0)
    async with shared.database.connect("fivefold_api") as connection, connection.transaction():
        for name, value in (("workspace_id", ada.workspace_id), ("account_id", ada.account_id)):
            await connection.execute(f"SELECT set_config('fivefold.{name}', '{value}', true)")
        given = await connection.fetchrow("SELECT * FROM core.grant_credits($1, 'credit', 5, 'x', 'y')", ada.workspace_id)
    assert given is not None
    assert given["outcome"] == "MISSING"


# The books


async def test_the_owner_cannot_unbalance_the_books_either(api: Api) -> None:
    await give(api, await api.person("ada"), 5)
    one_sided = (
        "INSERT INTO core.ledger_entry (workspace_id, transfer_id, ledger_account_id, amount)"
        " SELECT workspace_id, transfer_id, ledger_account_id, {amount} FROM core.ledger_entry WHERE amount > 0"
    )
    async with api.database.connect() as admin:
        for amount in ("5", "-5", "1"):
            with pytest.raises(asyncpg.CheckViolationError):
                await admin.execute(one_sided.format(amount=amount))
        again = (
            "INSERT INTO core.ledger_entry (workspace_id, transfer_id, ledger_account_id, amount)"
            " SELECT workspace_id, transfer_id, ledger_account_id, amount FROM core.ledger_entry"
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(again)
        for statement in (
            "UPDATE core.ledger_entry SET amount = amount * 2",
            "DELETE FROM core.ledger_entry",
            "TRUNCATE core.ledger_entry CASCADE",
            "UPDATE core.ledger_transfer SET amount = 9",
            "DELETE FROM core.ledger_transfer",
            "DELETE FROM core.ledger_account",
            "TRUNCATE core.ledger_account CASCADE",
            "UPDATE core.ledger_account SET kind = 'REVENUE'",
            "UPDATE core.ledger_account SET id = uuidv7()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(statement)
        # Of what is not there no entry is made, although no foreign key is asked, and although foreign keys would sleep.
        await admin.execute("SET session_replication_role = replica")
        for column in ("transfer_id", "ledger_account_id", "workspace_id"):
            columns = "workspace_id, transfer_id, ledger_account_id, amount"
            with pytest.raises(asyncpg.CheckViolationError):
                await admin.execute(
                    f"INSERT INTO core.ledger_entry ({columns})"
                    f" SELECT {columns.replace(column, 'uuidv7()')} FROM core.ledger_entry"
                )
        await admin.execute("RESET session_replication_role")
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute("UPDATE core.ledger_account SET balance = -1 WHERE kind = 'AVAILABLE'")
    assert (await check(api.database)).wrong == 0


READ = """
SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::integer
FROM pg_stat_xact_user_tables WHERE schemaname = 'core' AND relname IN ('ledger_transfer', 'ledger_entry')
"""


async def test_the_books_read_what_is_written_alone(api: Api) -> None:
    """Also by plans that were made while there was one: rows are counted, not time."""
    ada = await api.person("ada")
    await give(api, ada, 900)
    async with api.database.connect() as admin:
        await admin.execute("SET plan_cache_mode = force_generic_plan")
        await admin.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
        hold_many = (
            "SELECT r.reservation_id FROM generate_series($1::integer, $2) AS g (number)"
            " CROSS JOIN LATERAL core.reserve_credits('credit', 1, 'many ' || g.number, 'core.test', 60) AS r"
        )
        end = "SELECT count(*) FROM core.end_reservations($1::uuid[], 'SETTLED')"
        assert await admin.fetchval(end, [row[0] for row in await admin.fetch(hold_many, 1, 1)]) == 1
        held = [row[0] for row in await admin.fetch(hold_many, 2, 800)]
        read = []
        for some in (held[:4], held[-4:], [*held[4:8], held[0], held[4]]):
            async with admin.transaction():
                before = await admin.fetchval(READ)
                assert await admin.fetchval(end, some) == 4
                read.append(await admin.fetchval(READ) - before)
    assert max(read) < 100, "of 800 and more"
    assert (await check(api.database)).wrong == 0


async def test_whoever_alters_a_balance_is_found_out(api: Api) -> None:
    await give(api, await api.person("ada"), 5)
    held = await hold(api, 2, "x")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.ledger_account SET balance = balance + 1 WHERE kind = 'AVAILABLE'")
        found = await check(api.database)
        (said,) = [each for each in await doctor.examine(api.database.url(), Settings()) if each.name == "ledger"]
        assert (said.state, said.found[:12]) == ("failed", "1 balances, ")
        assert (found.accounts, found.wrong_balances, found.wrong_transfers, found.wrong_reserves) == (3, 1, 0, 0)
        await admin.execute("UPDATE core.ledger_account SET balance = balance - 1 WHERE kind = 'AVAILABLE'")
        await admin.execute("SET session_replication_role = replica")
        await admin.execute(
            "UPDATE core.reservation SET status = 'RELEASED', ended_at = now(), previous_status = 'HELD' WHERE id = $1", held
        )
        assert (await check(api.database)).wrong_reserves == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [("SETTLED", "HELD"), ("SETTLED", "RELEASED"), ("RELEASED", "SETTLED"), ("RELEASED", "HELD"), ("HELD", "REFUNDED"),
     ("REFUNDED", "SETTLED"), ("REFUNDED", "HELD")],
)  # fmt: skip
async def test_a_reservation_takes_no_step_back(shared: Api, before: str, after: str) -> None:
    """Not by the owner either: the database knows what may follow what."""
    ada = await person(shared, 5)
    held = await hold(shared, 2, "x", name_of(ada))
    steps: dict[str, list[Any]] = {"SETTLED": [settle], "RELEASED": [release], "REFUNDED": [settle, refund], "HELD": []}
    for step in steps[before]:
        await end(shared, step, held, name=name_of(ada))
    change = (
        "UPDATE core.reservation SET status = $2, ended_at = CASE WHEN $2 = 'HELD' THEN NULL ELSE now() END,"
        " settled_amount = CASE WHEN $2 IN ('SETTLED', 'REFUNDED') THEN 2 END WHERE id = $1"
    )
    async with shared.database.connect() as admin:
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)):
            await admin.execute(change, held, after)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.integers(1, 20)),
        st.tuples(st.just("reserve"), st.integers(1, 8), st.integers(0, 6)),
        st.tuples(st.just("settle"), st.integers(0, 6), st.integers(1, 8)),
        st.tuples(st.sampled_from(["release", "refund"]), st.integers(0, 6)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
async def test_any_sequence_leaves_the_books_as_a_model_says(shared: Api, steps: list[tuple[Any, ...]]) -> None:
    ada = await person(shared, 0)
    available, held = 0, dict[int, tuple[UUID, str, int, int]]()
    async with acting(shared, name_of(ada)) as db:
        for kind, *numbers in steps:
            if kind == "give":
                await give(shared, ada, numbers[0])
                available += numbers[0]
                continue
            which = numbers[-1] if kind == "reserve" else numbers[0]
            known = held.get(which)
            try:
                async with db.transaction():
                    if kind == "reserve":
                        made = await reserve(db, numbers[0], key=str(which), purpose="core.test")
                        if known is None:
                            held[which] = (made, "HELD", numbers[0], 0)
                            available -= numbers[0]
                        assert held[which][0] == made
                        assert held[which][2] == numbers[0]
                    elif known is not None:
                        id_, status, amount, taken = known
                        if kind == "settle":
                            done = await settle(db, id_, numbers[1])
                            assert numbers[1] <= amount
                            assert done is (status == "HELD")
                            if done:
                                held[which] = (id_, "SETTLED", amount, numbers[1])
                                available += amount - numbers[1]
                            else:
                                assert taken == numbers[1]
                        elif kind == "release":
                            done = await release(db, id_)
                            assert done is (status == "HELD")
                            if done:
                                held[which] = (id_, "RELEASED", amount, 0)
                                available += amount
                        else:
                            done = await refund(db, id_)
                            assert done is (status == "SETTLED")
                            if done:
                                held[which] = (id_, "REFUNDED", amount, taken)
                                available += taken
            except AppError as refused:
                if refused.code_name == "INSUFFICIENT_CREDITS":
                    assert known is None
                    assert numbers[0] > available
                elif refused.code_name == "IDEMPOTENCY_CONFLICT":
                    assert known is not None
                    assert known[2] != numbers[0]
                elif refused.code_name not in ("RESERVATION_CLOSED", "BAD_INPUT"):
                    raise
    reserved = sum(amount for _, status, amount, _ in held.values() if status == "HELD")
    assert await balance(shared, name_of(ada)) == (available, reserved)
    assert (await check(shared.database)).wrong == 0


# A process that dies


def start_payer(api: Api, one: Person) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.factory.payer", str(one.account_id), str(one.workspace_id), "40"]
    environment = {**os.environ, "DATABASE_URL": api.database.url("fivefold_api")}
    return subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)


async def test_killed_between_any_two_steps_nothing_is_lost_or_doubled(api: Api) -> None:
    """A payer reserves, does its work and settles, each in a transaction; it is killed again and again, and begins anew."""
    await give(api, await api.person("ada"), 60)
    ada, done, kills = await api.person("ada"), 0, 0
    async with api.database.connect() as admin:
        while done < 40:
            payer = start_payer(api, ada)
            target = done + 7
            while payer.poll() is None and done < target:
                await asyncio.sleep(0.002)
                done = await admin.fetchval("SELECT count(*) FROM core.reservation WHERE status = 'SETTLED'")
            if payer.poll() is None and done < 40:
                payer.send_signal(signal.SIGKILL)
                kills += 1
            payer.communicate()
            assert (await check(api.database)).wrong == 0
    assert kills >= 3
    assert await balance(api) == (20, 0)
