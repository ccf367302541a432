"""Organizations to test with: a workspace of several people, and all that is kept of it."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from app.core.invitation import mail_invitation
from app.kit.graphql import global_id
from app.settings import Settings
from tests.conftest import Answer, Api
from tests.factory.jobs import run_jobs

ROLES = ("owner", "admin", "member", "viewer", "auditor")
KEPT = (
    "core.workspace",
    "core.member",
    "core.api_key",
    "core.domain",
    "core.invitation",
    "core.team",
    "core.team_member",
)
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


async def prove_address(api: Api, *names: str) -> None:
    """As if they had followed the mail that asks for it."""
    async with api.database.connect() as admin:
        for name in names:
            person = await api.person(name)
            await admin.execute("UPDATE core.account SET email_verified_at = now() WHERE id = $1", person.account_id)


async def mails(api: Api, folder: Path) -> list[str]:
    """Run the job that mails invitations; the texts of all mails since, which are taken away."""
    await run_jobs(api, [mail_invitation], Settings.model_validate({"mail_folder": folder}))
    files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)  # noqa: ASYNC240 - a handful
    texts = []
    for file in files:
        message = message_from_bytes(file.read_bytes(), policy=default)
        body = message.get_body(("plain",))
        assert body is not None
        texts.append(f"To: {message['To']}\nSubject: {message['Subject']}\n\n{body.get_content()}")
        file.unlink()
    return texts


async def invite(api: Api, who: str, workspace_id: UUID, email: str, folder: Path, **given: Any) -> tuple[str, str]:
    """An invitation by somebody: its global id, and the token that was mailed."""
    answer = await do(api, who, workspace_id, "inviteMember", "invitation { id }", email=email, **given)
    (text,) = [text for text in await mails(api, folder) if text.startswith(f"To: {email}\n")]
    return answer.data["inviteMember"]["invitation"]["id"], token_in(text)


def token_in(text: str) -> str:
    """The token in a mail."""
    found = re.search(r"[A-Za-z0-9_-]{43}", text)
    assert found is not None
    return found[0]
