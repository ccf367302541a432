"""Curators: named on the command line, audited, and the only ones who write what all share."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from app import people
from app.kit.context import SYSTEM_ID
from app.kit.errors import SetupError
from app.kit.graphql import global_id
from tests.conftest import Api

VIEWER = "{ viewer { curator } }"
ACTIVATE = "mutation($id: ID!) { activateTemplate(id: $id) { template { id state } } }"


async def test_a_grant_counts_at_once_and_so_does_its_end(api: Api) -> None:
    ada = await api.person("ada")
    url = api.database.url()
    template = {"id": global_id("Template", str(uuid4()))}
    assert (await api(VIEWER, token=ada.token)).data == {"viewer": {"curator": False}}
    assert (await api(ACTIVATE, template, token=ada.token)).code == "FORBIDDEN"
    assert await people.grant_curator(url, "ADA@example.com") == "ada@example.com is a curator now"
    assert (await api(VIEWER, token=ada.token)).data == {"viewer": {"curator": True}}
    assert (await api(ACTIVATE, template, token=ada.token)).code == "NOT_FOUND"
    assert [c.email for c in await people.list_curators(url)] == ["ada@example.com"]
    assert await people.revoke_curator(url, "ada@example.com") == "ada@example.com is no curator any more"
    assert (await api(ACTIVATE, template, token=ada.token)).code == "FORBIDDEN"
    assert await people.list_curators(url) == []


async def test_granting_and_revoking_twice_is_said_and_not_audited_twice(api: Api) -> None:
    await api.person("ada")
    url = api.database.url()
    said = [await change(url, "ada@example.com") for change in (people.grant_curator,) * 2 + (people.revoke_curator,) * 2]
    assert said == [
        "ada@example.com is a curator now",
        "ada@example.com is a curator already",
        "ada@example.com is no curator any more",
        "ada@example.com was no curator",
    ]
    ada = await api.person("ada")
    async with api.database.connect() as admin:
        events = await admin.fetch(
            "SELECT workspace_id, action, actor_id, object_id FROM core.audit_event WHERE object = 'core.curator' ORDER BY id"
        )
    assert [tuple(event) for event in events] == [
        (SYSTEM_ID, "INSERT", None, ada.account_id),
        (SYSTEM_ID, "DELETE", None, ada.account_id),
    ]


async def test_a_stranger_cannot_be_granted(api: Api) -> None:
    for change in (people.grant_curator, people.revoke_curator):
        with pytest.raises(SetupError, match=r"no account nobody@example\.com"):
            await change(api.database.url(), "nobody@example.com")


async def test_a_key_of_a_curator_is_no_curator(api: Api) -> None:
    cora = await api.person("cora", curator=True)
    made = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read", "snapshots:write"]}) { secret apiKey { id } } }'
    key = (await api(made, token=cora.token)).data["createApiKey"]
    assert (await api(ACTIVATE, {"id": global_id("Template", str(uuid4()))}, token=key["secret"])).code == "FORBIDDEN"
    async with api.database.connect("fivefold_api") as connection:
        await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(cora.account_id))
        assert await connection.fetchval("SELECT core.is_curator()") is True
        await connection.execute("SELECT set_config('fivefold.api_key_id', $1, false)", str(uuid4()))
        assert await connection.fetchval("SELECT core.is_curator()") is False


async def test_shared_rows_are_closed_to_everyone_else(api: Api) -> None:
    """By SQL: without a curator's identity nothing is changed, and a curator changes no more than a state."""
    ada, cora = await api.person("ada"), await api.person("cora", curator=True)
    update = "UPDATE privacy.template SET state = 'RETIRED'"
    insert = """
        INSERT INTO privacy.platform_config (platform_id, version, valid_from, url_patterns, selectors)
        SELECT id, 99, now(), ARRAY['https://x.example/'], '{}' FROM privacy.platform LIMIT 1
    """
    for person, curator in ((None, False), (ada, False), (cora, True)):
        async with api.database.connect("fivefold_api") as connection, connection.transaction():
            if person is not None:
                await connection.execute("SELECT set_config('fivefold.account_id', $1, true)", str(person.account_id))
                await connection.execute("SELECT set_config('fivefold.workspace_id', $1, true)", str(person.workspace_id))
            assert (await connection.execute(update) != "UPDATE 0") == curator
            for text in (
                "UPDATE privacy.template SET structure_hash = sha256('x')",
                "UPDATE privacy.platform SET slug = 'x'",
                "DELETE FROM privacy.platform_config",
                "INSERT INTO core.curator (account_id) SELECT core.current_account_id()",
                "DELETE FROM core.curator",
                "INSERT INTO privacy.platform (slug) VALUES ('x')",
                "UPDATE privacy.template_setting SET risk = 1",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute(text)
            if curator:
                assert await connection.execute(insert) == "INSERT 0 1"
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute(insert)


async def test_the_list_of_curators_is_hidden(api: Api) -> None:
    ada, cora = await api.person("ada"), await api.person("cora", curator=True)
    for role in ("fivefold_api", "fivefold_worker"):
        async with api.database.connect(role) as connection:
            for person, seen in ((ada, 0), (cora, 1)):
                await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(person.account_id))
                assert await connection.fetchval("SELECT count(*) FROM core.curator") == seen
