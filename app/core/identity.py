"""Identities: from a bearer token to the caller. Reached before anyone is known, only through core.authenticate_*."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from app.kit.context import Actor
from app.kit.db import Db, Pool, look_up
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import UNAUTHENTICATED, Node, parse_uuid
from app.kit.sql import File, make
from app.kit.token import KeyRing

API_KEY_PREFIX = "ffk_"


@strawberry.type(description="A way in which an account signs in.")
class Identity(Node):
    """The subject of one token issuer."""

    node_statement = "core/identity.edge_identity"

    issuer: str
    subject: str
    created_at: datetime


@dataclass(frozen=True)
class IdentityCaller:
    """Who stands behind a token; workspace and role are None when the account is no member there."""

    account_id: UUID
    member_workspace_id: UUID | None
    role: str | None
    curator: bool


@dataclass(frozen=True)
class ApiKeyCaller:
    """Who stands behind a key."""

    account_id: UUID
    member_workspace_id: UUID
    role: str
    api_key_id: UUID
    scopes: list[str]


@dataclass(frozen=True)
class ValidCaller:
    """Who may still call: the caller at ``place`` (from 1) of those asked about."""

    place: int
    role: str
    curator: bool


sql = File("core/identity")
list_caller = sql.many("list_caller", ValidCaller)
list_identity = sql.many("list_identity", Identity)
identities_by_id = sql.edge("edge_identity", Identity)
get_caller_by_identity = sql.one("get_caller_by_identity", IdentityCaller)
get_caller_by_api_key = sql.one("get_caller_by_api_key", ApiKeyCaller)


async def authenticate(db: Db, keys: KeyRing, authorization: str | None, workspace: str | None) -> Actor:
    """The caller of an ``Authorization`` header in the workspace of a ``Fivefold-Workspace`` header.

    Raises UNAUTHENTICATED, or NOT_FOUND when the caller is no member of the workspace.
    """
    scheme, _, secret = (authorization or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise AppError(ErrorCode.UNAUTHENTICATED, UNAUTHENTICATED)
    asked = parse_uuid(workspace, "Workspace", field="Fivefold-Workspace") if workspace else None
    if secret.startswith(API_KEY_PREFIX):
        return await _authenticate_api_key(db, secret, asked)
    return await _authenticate_token(db, keys, secret, asked)


async def _authenticate_api_key(db: Db, secret: str, asked: UUID | None) -> Actor:
    secret_hash = hashlib.sha256(secret.encode()).digest()
    records = await db.look_up(get_caller_by_api_key.statement, {"secret_hash": secret_hash})
    if not records:
        raise AppError(ErrorCode.UNAUTHENTICATED, "This API key is not known, or expired, or was revoked.")
    caller = make(ApiKeyCaller, records[0])
    if asked not in (None, caller.member_workspace_id):
        raise _no_workspace()
    return Actor(
        caller.account_id,
        caller.member_workspace_id,
        caller.role,
        api_key_id=caller.api_key_id,
        scopes=frozenset(caller.scopes),
    )


async def _authenticate_token(db: Db, keys: KeyRing, token: str, asked: UUID | None) -> Actor:
    claims = keys.verify(token)
    if claims.workspace_id is not None and asked not in (None, claims.workspace_id):
        raise _no_workspace()
    records = await db.look_up(
        get_caller_by_identity.statement,
        {
            "issuer": claims.issuer,
            "subject": claims.subject,
            "asked_workspace_id": claims.workspace_id or asked,
            "session_id": claims.session_id,
        },
    )
    if not records and claims.session_id is not None:
        raise AppError(ErrorCode.UNAUTHENTICATED, "The session of this token has ended. Sign in again.")
    if not records:
        raise AppError(ErrorCode.UNAUTHENTICATED, "No account belongs to this token.")
    caller = make(IdentityCaller, records[0])
    if caller.member_workspace_id is None or caller.role is None:
        raise _no_workspace()
    return Actor(
        caller.account_id,
        caller.member_workspace_id,
        caller.role,
        curator=caller.curator and claims.scopes is None,
        scopes=claims.scopes,
        session_id=claims.session_id,
        expires_at=claims.expires_at,
    )


async def find_valid(pool: Pool, actors: Sequence[Actor]) -> set[Actor]:
    """Those of the callers whose key, session and membership are still good, and whose role is still the same."""
    callers = {
        "account_ids": [actor.account_id for actor in actors],
        "workspace_ids": [actor.workspace_id for actor in actors],
        "api_key_ids": [actor.api_key_id for actor in actors],
        "session_ids": [actor.session_id for actor in actors],
    }
    found = [make(ValidCaller, record) for record in await look_up(pool, list_caller.statement, callers)]
    pairs = [(actors[caller.place - 1], caller) for caller in found]
    return {actor for actor, now in pairs if actor.role == now.role and (now.curator or not actor.curator)}


def _no_workspace() -> AppError:
    return AppError(
        ErrorCode.NOT_FOUND,
        "You are in no such workspace. Leave the header out to use your own.",
        field="Fivefold-Workspace",
    )
