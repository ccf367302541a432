"""API keys: an extension acting for a workspace, in the scopes it was given."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.identity import API_KEY_PREFIX
from app.core.workspace import get_workspace
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, Node, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File

HINT_LENGTH = 8

constraint("api_key_name_length", ErrorCode.BAD_INPUT, "A name has 1 to 100 characters.", field="name")


@strawberry.type(description="A key of the workspace; its secret is shown once, when it is made.")
class ApiKey(Node):
    """Revoked and expired keys stay in the list."""

    node_statement = "core/api_key.edge_api_key"
    node_roles = MANAGERS

    name: str
    hint: str = strawberry.field(description="How the secret begins.")
    scopes: list[str] = strawberry.field(description="What the key may do, such as snapshots:write.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = strawberry.field(description="Noted at most once a minute.")
    revoked_at: datetime | None


sql = File("core/api_key")
api_keys_by_id = sql.edge("edge_api_key", ApiKey)
insert_api_key = sql.one("insert_api_key", ApiKey)
page_api_key = sql.page("page_api_key", ApiKey)
revoke = sql.one("revoke_api_key", ApiKey)


@strawberry.input(description="What a new key is called and may do, and until when.")
class CreateApiKeyInput:
    """A key without ``expires_at`` lives until it is revoked."""

    name: str
    scopes: list[str] = strawberry.field(description="snapshots:write, privacy:read, or both.")
    expires_at: datetime | None = None
    idempotency_key: str | None = None


@strawberry.type(description="The new key, with its secret this once.")
class CreateApiKeyPayload:
    """The new key."""

    api_key: ApiKey
    secret: str | None = strawberry.field(
        description="Shown this once and kept nowhere; null when the request repeats an earlier one."
    )


@strawberry.type(description="The key that works no longer.")
class RevokeApiKeyPayload:
    """The key that works no longer."""

    api_key: ApiKey


def check_scopes(scopes: list[str], known: frozenset[str]) -> list[str]:
    """The scopes without repetitions. Raises UNKNOWN_SCOPE."""
    wrong = [scope for scope in scopes if scope not in known]
    if wrong or not scopes:
        what = f"There is no scope {wrong[0][:60]!r}" if wrong else "A key needs at least one scope"
        raise AppError(ErrorCode.UNKNOWN_SCOPE, f"{what}; use {' or '.join(sorted(known))}.", field="scopes")
    return sorted(set(scopes))


async def check_end(db: Db, expires_at: datetime | None) -> datetime | None:
    """When a new key ends, if it does: by the workspace's settings where nothing is asked for. Raises BAD_INPUT."""
    now, workspace = datetime.now(UTC), await get_workspace(db)
    assert workspace is not None  # or the token would not have been accepted
    if expires_at is not None and expires_at <= now:
        raise AppError(ErrorCode.BAD_INPUT, "expiresAt lies in the past; pass a later moment.", field="expiresAt")
    if workspace.key_days is None:
        return expires_at
    latest = now + timedelta(days=workspace.key_days)
    if expires_at is not None and expires_at > latest:
        message = f"Keys of this workspace end after {workspace.key_days} days at the latest. Pass an earlier moment, or none."
        raise AppError(ErrorCode.BAD_INPUT, message, field="expiresAt")
    return expires_at or latest


@strawberry.type
class ApiKeyQuery:
    """Root fields that read keys."""

    @query(roles=MANAGERS)
    async def api_keys(self, info: Info, first: int = 20, after: str | None = None) -> Page[ApiKey] | None:
        """The keys of the active workspace, newest first. Owners and admins only."""
        return await page(page_api_key, info.context.db, first, after)


@strawberry.type
class ApiKeyMutation:
    """Root fields that make and revoke keys."""

    @mutation(roles=MANAGERS)
    async def create_api_key(self, info: Info, input: CreateApiKeyInput) -> CreateApiKeyPayload | None:
        """Make a key. Its secret is in this answer and nowhere else."""
        db = info.context.db
        given = [input.name, input.scopes, input.expires_at]
        async with db.transaction():
            if input.idempotency_key is not None:
                done = await claim(db, "createApiKey", input.idempotency_key, given)
                if done is not None:
                    assert done.result_id is not None  # settled by whoever claimed it
                    return CreateApiKeyPayload(api_key=await get_api_key(info, done.result_id), secret=None)
            scopes = check_scopes(input.scopes, info.context.scopes)
            expires_at = await check_end(db, input.expires_at)
            secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
            made = await insert_api_key(
                db,
                name=input.name,
                hint=secret[:HINT_LENGTH],
                secret_hash=hashlib.sha256(secret.encode()).digest(),
                scopes=scopes,
                expires_at=expires_at,
            )
            assert made is not None
            if input.idempotency_key is not None:
                await settle(db, "createApiKey", input.idempotency_key, made.id)
        return CreateApiKeyPayload(api_key=made, secret=secret)

    @mutation(roles=MANAGERS)
    async def revoke_api_key(self, info: Info, id: strawberry.ID) -> RevokeApiKeyPayload | None:
        """End a key at once. Revoking it again changes nothing."""
        key_id = parse_uuid(id, "ApiKey", field="id")
        async with info.context.db.transaction():
            revoked = await revoke(info.context.db, id=key_id)
        if revoked is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no such key in this workspace.", field="id")
        return RevokeApiKeyPayload(api_key=revoked)


async def get_api_key(info: Info, key_id: UUID) -> ApiKey:
    """A key that is known to exist."""
    (found,) = await api_keys_by_id(info.context.db, ids=[key_id])
    assert found is not None
    return found
