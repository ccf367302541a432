"""Organizations to test with: a workspace of several people, and all that is kept of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from app.kit.graphql import global_id
from tests.conftest import Answer, Api

ROLES = ("owner", "admin", "member", "viewer", "auditor")
KEPT = ("core.workspace", "core.member", "core.api_key")
"""Tables whose rows tell the state of an organization."""


async def organize(api: Api, name: str = "O", *, plan: str = "enterprise", **roles: str) -> UUID:
    """An organization with people, who => role."""
    people = {who: await api.person(who) for who in roles}
    async with api.database.connect() as admin:
        workspace_id: UUID = await admin.fetchval(
            "INSERT INTO core.workspace (kind, name, plan) VALUES ('organization', $1, $2) RETURNING id", name, plan
        )
        for who, role in roles.items():
            await admin.execute(
                "INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, people[who].account_id, role
            )
    return workspace_id


async def everyone(api: Api, **more: str) -> UUID:
    """An organization in which somebody of each role is named as the role is."""
    return await organize(api, **{role: role for role in ROLES}, **more)


async def ask(api: Api, who: str, workspace_id: UUID | None, query: str, variables: dict[str, Any] | None = None) -> Answer:
    """As somebody, in a workspace."""
    person = await api.person(who)
    header = {} if workspace_id is None else {"fivefold_workspace": global_id("Workspace", str(workspace_id))}
    return await api(query, variables, token=person.token, **header)


async def do(api: Api, who: str, workspace_id: UUID | None, name: str, fields: str, /, **given: Any) -> Answer:
    """A mutation with one input, as somebody in a workspace; without input where none is given."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} }} }}"
    return await ask(api, who, workspace_id, document, {"input": given})


async def account(api: Api, who: str) -> str:
    """The global id of somebody's account."""
    return global_id("Account", str((await api.person(who)).account_id))


async def state(api: Api, workspace_id: UUID) -> dict[str, list[Any]]:
    """Every row of the organization in the tables above."""
    found = {}
    async with api.database.connect() as admin:
        for table in KEPT:
            key = "id" if table == "core.workspace" else "workspace_id"
            rows = await admin.fetch(f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE {key} = $1 ORDER BY 1", workspace_id)
            found[table] = [orjson.loads(row[0]) for row in rows]
    return found


async def roles_of(api: Api, workspace_id: UUID) -> dict[str, str]:
    """Who is what, by name."""
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT account_id, role FROM core.member WHERE workspace_id = $1", workspace_id)
    names = {person.account_id: name for name, person in api.people.items()}
    return {names[row["account_id"]]: row["role"] for row in rows}
