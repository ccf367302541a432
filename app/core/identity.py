"""Identities: from a bearer token to the caller. Reached before anyone is known, only through core.authenticate_*."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import strawberry

from app.core.erased_identity import erased_names
from app.kit.context import Actor, Info
from app.kit.db import Db, look_up
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import UNAUTHENTICATED, Node, mutation, parse_uuid, public_mutation
from app.kit.pool import Pool
from app.kit.sql import File, Literal, literal, make
from app.kit.token import Claims, KeyRing, Profile

API_KEY_PREFIX = "ffk_"

ACCOUNT_DELETED = (
    "This account is deleted, and will be erased. Until then restoreAccount brings it back: by its password, by signing in at "
    "a provider, or by a mail that requestAccountRestore sends."
)

constraint("account_not_deleted", ErrorCode.ACCOUNT_DELETED, ACCOUNT_DELETED)
constraint("identity_issuer_subject_key", ErrorCode.IDENTITY_TAKEN, "This identity signs in to another account.")


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
class MetIdentity:
    """Whose it is now; ``outcome`` is KNOWN, CREATED, LINKED, TAKEN_OVER, or why it is nobody's, see ``own_by``."""

    outcome: str
    met_id: UUID | None


@dataclass(frozen=True)
class UnlinkedIdentity:
    """UNLINKED, or why not: UNKNOWN, OWN, LAST."""

    outcome: str


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


REFUSED = (ErrorCode.UNAUTHENTICATED, ErrorCode.ADDRESS_TAKEN, ErrorCode.ACCOUNT_DELETED, ErrorCode.ACCOUNT_ERASED)
"""What strangers are told. It is charged to their network, so that nobody tries tokens for nothing."""

MAX_CALLERS = 10_000

sql = File("core/identity")
confirm_caller = sql.exec("confirm_caller")
list_caller = sql.many("list_caller", ValidCaller)
list_identity = sql.many("list_identity", Identity)
identities_by_id = sql.edge("edge_identity", Identity)
get_caller_by_identity = sql.one("get_caller_by_identity", IdentityCaller)
unlink = sql.one("unlink_identity", UnlinkedIdentity)
identity_linked = sql.one("link_identity", Identity)
meet_identity = sql.one("meet_identity", MetIdentity)
get_caller_by_api_key = sql.one("get_caller_by_api_key", ApiKeyCaller)


@dataclass(frozen=True)
class Caller:
    """Who a request comes from. Of one who is remembered from an earlier request, ``check`` must pass: see ``Db.begin``."""

    actor: Actor
    check: Literal | None = None


class Callers:
    """The callers of one process. Who came with the same token before is remembered, and confirmed as the operation begins:
    that costs no round trip of its own, and nobody gets in for a moment longer than the database says."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._met: OrderedDict[tuple[Claims, UUID | None], Caller] = OrderedDict()

    async def authenticate(self, db: Db, authorization: str | None, workspace: str | None, *, anew: bool) -> Caller:
        """The caller of an ``Authorization`` header in the workspace of a ``Fivefold-Workspace`` header; ``anew``: by the
        database alone. Raises UNAUTHENTICATED, or NOT_FOUND when the caller is no member of the workspace."""
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise AppError(ErrorCode.UNAUTHENTICATED, UNAUTHENTICATED)
        asked = parse_uuid(workspace, "Workspace", field="Fivefold-Workspace") if workspace else None
        if secret.startswith(API_KEY_PREFIX):
            return Caller(await _authenticate_api_key(db, secret, asked))
        claims = await self._keys.identify(secret)
        if claims.workspace_id is not None and asked not in (None, claims.workspace_id):
            raise _no_workspace()
        known = self._met.pop((claims, asked), None)
        if known is not None and not anew:
            self._met[claims, asked] = known  # behind all others
            return known
        found = await _authenticate_token(db, self._keys, claims, claims.workspace_id or asked)
        self._met[claims, asked] = found
        if len(self._met) > MAX_CALLERS:
            self._met.popitem(last=False)
        return Caller(found.actor)


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


async def _authenticate_token(db: Db, keys: KeyRing, claims: Claims, asked: UUID | None) -> Caller:
    wanted = {
        "issuer": claims.issuer,
        "subject": claims.subject,
        "asked_workspace_id": asked,
        "session_id": claims.session_id,
    }
    records = await db.look_up(get_caller_by_identity.statement, wanted)
    if not records and claims.profile is not None:
        stranger = {
            "digests": erased_names(keys, claims.issuer, claims.subject),
            "again": False,
            "issued_at": datetime.fromtimestamp(claims.issued_at, UTC),
            "issuer": claims.issuer,
            "subject": claims.subject,
            "email": claims.profile.email,
            "display_name": name_of(claims.profile),
            "acceptable": claims.profile.acceptable,
            "proven": claims.profile.proven,
        }
        (met,) = await db.look_up(meet_identity.statement, stranger)
        own_by(make(MetIdentity, met))
        records = await db.look_up(get_caller_by_identity.statement, wanted)
    if not records and claims.session_id is not None:
        raise AppError(ErrorCode.UNAUTHENTICATED, "The session of this token has ended. Sign in again.")
    if not records:
        raise AppError(ErrorCode.UNAUTHENTICATED, "No account belongs to this token.")
    caller = make(IdentityCaller, records[0])
    if caller.member_workspace_id is None or caller.role is None:
        raise _no_workspace()
    actor = Actor(
        caller.account_id,
        caller.member_workspace_id,
        caller.role,
        curator=caller.curator and claims.scopes is None,
        scopes=claims.scopes,
        session_id=claims.session_id,
        expires_at=claims.expires_at,
        signed_in_at=claims.signed_in_at,
    )
    check = literal(
        confirm_caller.statement,
        {
            "issuer": claims.issuer,
            "subject": claims.subject,
            "asked_workspace_id": asked,
            "session_id": claims.session_id,
            "found_account_id": caller.account_id,
            "found_member_workspace_id": caller.member_workspace_id,
            "found_role": caller.role,
            "found_curator": caller.curator,
        },
    )
    return Caller(actor, check)


@strawberry.type(description="The identity that opens the account no longer.")
class UnlinkIdentityPayload:
    """It may be linked again, to this account or to another."""

    identity: Identity


@strawberry.input(description="A token of another issuer, whose account was erased.")
class StartAnewInput:
    """It must have been issued since."""

    token: str


@strawberry.type(description="The person has an account again, a new one.")
class StartAnewPayload:
    """The token opens it from now on."""

    created: bool = strawberry.field(description="False where there is one already.")


@strawberry.type
class IdentityMutation:
    """Root fields that remove a way to sign in, and that begin again with one."""

    @public_mutation()
    async def start_anew(self, info: Info, input: StartAnewInput) -> StartAnewPayload | None:
        """After an erasure: make a new account for a token of another issuer. Without this, nobody gets one by accident."""
        context = info.context
        await context.db.pause()
        claims = await context.keys.identify(input.token)
        if claims.profile is None:
            raise AppError(ErrorCode.BAD_INPUT, "This is no token of another issuer. To begin anew, sign up.", field="token")
        async with context.db.transaction():
            met = await meet_identity(
                context.db,
                issuer=claims.issuer,
                subject=claims.subject,
                email=claims.profile.email,
                display_name=name_of(claims.profile),
                acceptable=claims.profile.acceptable,
                proven=claims.profile.proven,
                digests=erased_names(context.keys, claims.issuer, claims.subject),
                again=True,
                issued_at=datetime.fromtimestamp(claims.issued_at, UTC),
            )
            assert met is not None
            own_by(met)
        return StartAnewPayload(created=met.outcome == "CREATED")

    @mutation(roles=None)
    async def unlink_identity(self, info: Info, id: strawberry.ID) -> UnlinkIdentityPayload | None:
        """Remove one of the caller's ways to sign in, unless it is the last; a password counts as one."""
        identity_id = parse_uuid(id, "Identity", field="id")
        async with info.context.db.transaction():
            (identity,) = await identities_by_id(info.context.db, ids=[identity_id])
            done = await unlink(info.context.db, id=identity_id)
        assert done is not None
        if done.outcome == "LAST":
            raise AppError(ErrorCode.LAST_WAY_IN, "This is your last way to sign in: set a password or link another first.")
        if done.outcome == "OWN":
            raise AppError(ErrorCode.BAD_INPUT, "This identity is the account itself; it cannot be removed.", field="id")
        if identity is None or done.outcome == "UNKNOWN":
            raise AppError(ErrorCode.NOT_FOUND, "You have no such identity.", field="id")
        return UnlinkIdentityPayload(identity=identity)


def name_of(profile: Profile) -> str:
    """What a new account is called: who is given no name, as the address begins."""
    return profile.name or (profile.email or "").partition("@")[0]


def own_by(met: MetIdentity) -> UUID:
    """The account that an identity opens. Raises UNAUTHENTICATED, ADDRESS_TAKEN, ACCOUNT_DELETED, ACCOUNT_ERASED."""
    match met.outcome:
        case "NO_ADDRESS":
            raise AppError(
                ErrorCode.UNAUTHENTICATED,
                "No account belongs to this sign-in, and it names no e-mail address to make one with: add the claim there.",
            )
        case "NOT_VERIFIED":
            raise AppError(
                ErrorCode.UNAUTHENTICATED,
                "No account belongs to this sign-in, and its e-mail address is not verified at its issuer: verify it there.",
            )
        case "DELETED":
            raise AppError(ErrorCode.ACCOUNT_DELETED, ACCOUNT_DELETED)
        case "ERASED":
            raise AppError(
                ErrorCode.ACCOUNT_ERASED,
                "The account of this sign-in was erased. To begin anew, pass a token that was issued since to startAnew.",
            )
        case "ADDRESS_TAKEN":
            raise AppError(
                ErrorCode.ADDRESS_TAKEN,
                "An account with this e-mail address exists. Sign in to it as before and link this identity there.",
            )
    assert met.met_id is not None
    return met.met_id


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
