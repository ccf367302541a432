"""Accounts: one person each, made whole or not at all, seen by nobody but themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.core.account import check_email, create_account, get_account_by_email
from app.kit.db import Db, open_as
from app.kit.errors import AppError
from app.kit.graphql import global_id
from tests.conftest import Api, Database
from tests.factory.privacy import api_key

ACCOUNT = "{ viewer { account { id email displayName locale timeZone createdAt } } }"


@pytest.fixture
async def operator(database: Database) -> AsyncIterator[Db]:
    """The command line's view of the database."""
    async with open_as(database.url(), "fivefold_owner") as (_, db):
        yield db


async def counts(database: Database) -> dict[str, int]:
    tables = ("account", "identity", "workspace", "member", "audit_event")
    async with database.connect() as admin:
        return {table: await admin.fetchval(f"SELECT count(*) FROM core.{table}") for table in tables}


async def test_an_account_comes_with_its_identity_and_its_workspace(operator: Db, database: Database) -> None:
    before = await counts(database)
    account = await create_account(
        operator, email="Ada@Example.COM", display_name="Ada", locale="sv-SE", time_zone="Europe/Stockholm"
    )
    assert account.email == "ada@example.com"
    after = await counts(database)
    assert {table: after[table] - before[table] for table in after} == {
        "account": 1,
        "identity": 1,
        "workspace": 1,
        "member": 1,
        "audit_event": 4,
    }
    async with database.connect() as admin:
        row = await admin.fetchrow(
            """
            SELECT i.issuer, i.subject, w.kind, w.name, m.role
            FROM core.identity AS i
            JOIN core.workspace AS w ON w.personal_account_id = i.account_id
            JOIN core.member AS m ON m.workspace_id = w.id AND m.account_id = i.account_id
            WHERE i.account_id = $1
            """,
            account.id,
        )
    assert row is not None
    assert tuple(row) == ("fivefold", str(account.id), "personal", "Ada", "owner")


@pytest.mark.parametrize(
    "text", ["\u212aim@example.com", "kim@example\uff0ecom", "kim@ex\u0430mple.com", "ki\u0307m@example.com"]
)
def test_an_address_is_never_read_as_one_that_it_only_looks_like(text: str) -> None:
    with pytest.raises(AppError):
        check_email(text, field="email")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "ada@example.com"}, "email"),
        ({"email": "ADA@EXAMPLE.COM"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "@example.com"}, "email"),
        ({"email": "ada@"}, "email"),
        ({"email": "x" * 255 + "@example.com"}, "email"),
        ({"display_name": ""}, "displayName"),
        ({"display_name": "x" * 201}, "displayName"),
        ({"locale": ""}, "locale"),
        ({"locale": "EN"}, "locale"),
        ({"locale": "en_US"}, "locale"),
        ({"locale": "en-US\n"}, "locale"),
        ({"time_zone": ""}, "timeZone"),
        ({"time_zone": "+02:00"}, "timeZone"),
        ({"time_zone": "Mars/Olympus"}, "timeZone"),
        ({"time_zone": "../../etc/passwd"}, "timeZone"),
        ({"display_name": "a\0b"}, None),
        ({"email": "a\0b@example.com"}, None),
    ],
)
async def test_a_bad_value_makes_nothing(operator: Db, database: Database, given: dict[str, str], field: str | None) -> None:
    await create_account(operator, email="ada@example.com", display_name="Ada")
    before = await counts(database)
    with pytest.raises(AppError) as refused:
        await create_account(operator, **({"email": "other@example.com", "display_name": "Other"} | given))
    assert refused.value.code_name == "BAD_INPUT"
    assert (refused.value.extensions or {}).get("field") == field
    assert await counts(database) == before


async def test_names_of_all_scripts_are_kept_as_they_are(operator: Db) -> None:
    for number, name in enumerate(
        ("Zoë", "王小明", "محمد", "\U0001f9d1\u200d\U0001f680", "a\u0301", "x" * 200, "'; DROP TABLE x; --")
    ):
        made = await create_account(operator, email=f"{number}@example.com", display_name=name)
        found = await get_account_by_email(operator, email=f"{number}@EXAMPLE.com")
        assert found is not None
        assert (found.id, found.display_name) == (made.id, name)


async def test_the_viewer_is_the_only_account_one_sees(shared: Api) -> None:
    ada, ben = await shared.person("ada"), await shared.person("ben")
    account = (await shared(ACCOUNT, token=ada.token)).data["viewer"]["account"]
    assert account["email"] == ada.email
    assert account["timeZone"] == "Europe/Berlin"
    assert datetime.fromisoformat(account["createdAt"]).utcoffset() is not None
    node = "query($id: ID!) { node(id: $id) { ... on Account { id email } } }"
    assert (await shared(node, {"id": account["id"]}, token=ada.token)).data["node"]["email"] == ada.email
    for other in (ben.account_id, uuid4()):
        assert (await shared(node, {"id": global_id("Account", str(other))}, token=ada.token)).data == {"node": None}


@pytest.mark.parametrize("role", ["fivefold_api", "fivefold_worker", "fivefold_auditor", "fivefold_migrator"])
async def test_no_login_role_writes_accounts(shared: Api, role: str) -> None:
    ada = await shared.person("ada")
    statements: list[tuple[str, Any]] = [
        ("INSERT INTO core.account (email, display_name, locale, time_zone) VALUES ($1, 'x', 'en', 'UTC')", "x@example.com"),
        ("UPDATE core.account SET email = $1", "x@example.com"),
        ("INSERT INTO core.member VALUES (core.system_workspace_id(), $1, now(), 'owner')", ada.account_id),
        ("INSERT INTO core.identity (account_id, issuer, subject) VALUES ($1, 'fivefold', 'me')", ada.account_id),
        ("UPDATE core.workspace SET kind = $1", "organization"),
        ("UPDATE core.workspace SET plan = $1", "enterprise"),
        ("DELETE FROM core.account WHERE id = $1", ada.account_id),
    ]
    async with shared.database.connect(role) as connection:
        await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(ada.account_id))
        await connection.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
        for text, value in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(text, value)


# Changes

UPDATE = """
mutation Update($input: UpdateAccountInput!) { updateAccount(input: $input) { account { displayName locale timeZone email } } }
"""


async def test_people_change_their_own_account_and_what_is_left_out_stays(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    before = (await api(ACCOUNT, token=ben.token)).data
    for given, expected in (
        ({"timeZone": "Asia/Kolkata"}, ("ada", "en", "Asia/Kolkata")),
        ({"displayName": "  Ada L. ", "locale": "sv-SE"}, ("Ada L.", "sv-SE", "Asia/Kolkata")),
        ({}, ("Ada L.", "sv-SE", "Asia/Kolkata")),
    ):
        account = (await api(UPDATE, {"input": given}, token=ada.token)).data["updateAccount"]["account"]
        assert (account["displayName"], account["locale"], account["timeZone"]) == expected
        assert account["email"] == "ada@example.com"
    assert (await api(ACCOUNT, token=ben.token)).data == before
    async with api.database.connect() as admin:
        told = await admin.fetch("SELECT action FROM core.audit_event WHERE object_id = $1 ORDER BY id", ada.account_id)
    assert [row[0] for row in told if row[0] == "UPDATE"] == ["UPDATE", "UPDATE"], "what changed nothing is no event"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"timeZone": "Mars/Base"}, "timeZone"),
        ({"timeZone": ""}, "timeZone"),
        ({"timeZone": "+02:00"}, "timeZone"),
        ({"timeZone": "localtime"}, "timeZone"),
        ({"timeZone": "../../etc/passwd"}, "timeZone"),
        ({"displayName": "   "}, "displayName"),
        ({"displayName": "x" * 201}, "displayName"),
        ({"locale": "german"}, "locale"),
    ],
)
async def test_a_wrong_value_changes_nothing(api: Api, given: dict[str, str], field: str) -> None:
    ada = await api.person("ada")
    before = (await api(ACCOUNT, token=ada.token)).data
    answer = await api(UPDATE, {"input": {"displayName": "Other", "locale": "de"} | given}, token=ada.token)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", field)
    assert (await api(ACCOUNT, token=ada.token)).data == before


async def test_a_key_changes_no_account(api: Api) -> None:
    ada = await api.person("ada")
    key = await api_key(api, ada.token, "privacy:read", "snapshots:write")
    assert (await api(UPDATE, {"input": {"displayName": "Eve"}}, token=key)).code == "FORBIDDEN"


async def test_the_database_lets_nobody_change_another_account_nor_an_address(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    async with api.database.connect("fivefold_api") as connection, connection.transaction():
        await connection.execute("SELECT set_config('fivefold.account_id', $1, true)", str(ada.account_id))
        assert await connection.execute("UPDATE core.account SET display_name = 'x'") == "UPDATE 1"
        changed = await connection.execute("UPDATE core.account SET display_name = 'x' WHERE id = $1", ben.account_id)
        assert changed == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE core.account SET email = 'x@example.com'")
