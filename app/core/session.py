"""Sessions: one sign-in of an account, by a short access token and a refresh token that is new each time.

A refresh token has two halves. The first is the session's and stays, the second is new with each refresh. Who shows the
first half with a second one that is not the newest holds a token that was used before: it was stolen, or the newest was. Nobody
can tell who is the thief, so the session ends for both.

One thing looks like that and is none: the answer to a refresh was lost, or two tabs were as fast as each other. Each second
half is made of the one before with a key that only the server has, so the last token that was used, shown again within some
seconds by the same program from the same network, gets the same answer; nothing is stored for it. Any other ends the session.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import strawberry

from app.kit.context import Client, Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, field, mutation, parse_uuid, public_mutation, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.token import KeyRing

REFRESH_PREFIX = "ffr_"
HALF = 32
"""Bytes of each half of a refresh token, all of them random."""


class SessionSettings(Protocol):
    """What the operator says of sessions, see app/settings.py."""

    access_minutes: float
    session_days: float
    session_idle_days: float
    refresh_grace_seconds: float


@strawberry.type(description="A sign-in of the caller.")
class Session(Node):
    """Ended ones are found by their id for a month."""

    node_statement = "core/session.edge_session"

    created_at: datetime
    refreshed_at: datetime = strawberry.field(description="When its tokens were last renewed.")
    idle_until: datetime = strawberry.field(description="It ends then, unless it is refreshed.")
    expires_at: datetime = strawberry.field(description="It ends then, however often it is refreshed.")
    ended_at: datetime | None = strawberry.field(description="When it was ended; null where nobody did.")
    method: str = strawberry.field(description="How the person signed in, such as PASSWORD.")
    client: str = strawberry.field(description="What the browser or app called itself.")
    address: str = strawberry.field(description="From where: an IPv4 address, or the network of an IPv6 address.")

    @field(description="Whether it is that of the token of this request.")
    def current(self, info: Info) -> bool:
        """Tokens of the command line belong to none."""
        return self.id == info.context.actor.session_id


@strawberry.type(description="What a person who is signed in sends with requests.")
class Tokens:
    """Kept nowhere: the database has hashes of the refresh token's halves."""

    access_token: str = strawberry.field(description="For the header `Authorization: Bearer ...`.")
    access_expires_at: datetime = strawberry.field(description="Refresh the session before.")
    refresh_token: str = strawberry.field(description="Good for one refreshSession. Keep it from everybody.")
    refresh_expires_at: datetime = strawberry.field(description="Sign in again after that.")


@dataclass(frozen=True)
class OpenedSession:
    """A new session."""

    id: UUID
    idle_until: datetime
    expires_at: datetime


@dataclass(frozen=True)
class RefreshedSession:
    """``outcome`` is REFRESHED, REPEATED, ENDED, or REUSED."""

    outcome: str
    session_id: UUID
    owner_id: UUID
    idle_until: datetime
    expires_at: datetime


@dataclass(frozen=True)
class SessionAge:
    """Since the person signed in; refreshing makes no session younger."""

    seconds: float


@dataclass(frozen=True)
class EndedSessions:
    """How many were ended."""

    ended: int


sql = File("core/session")
end_sessions = sql.one("end_sessions", EndedSessions)
get_session_age = sql.one("get_session_age", SessionAge)
insert_session = sql.one("open_session", OpenedSession)
page_session = sql.page("page_session", Session)
refresh = sql.one("refresh_session", RefreshedSession)
sessions_by_id = sql.edge("edge_session", Session)


@dataclass(frozen=True)
class RefreshToken:
    """The two halves."""

    family: bytes
    turn: bytes

    @classmethod
    def new(cls) -> RefreshToken:
        """The first of a session."""
        return cls(secrets.token_bytes(HALF), secrets.token_bytes(HALF))

    def following(self, keys: KeyRing) -> RefreshToken:
        """The next of the same session. Who holds a token cannot tell which will follow."""
        return RefreshToken(self.family, keys.derive("refresh", self.family + self.turn))

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """None for what was never a refresh token of ours."""
        if not text.startswith(REFRESH_PREFIX) or len(text) > 200:
            return None
        encoded = text.removeprefix(REFRESH_PREFIX)
        try:
            both = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        return cls(both[:HALF], both[HALF:]) if len(both) == 2 * HALF else None

    def __str__(self) -> str:
        return REFRESH_PREFIX + base64.urlsafe_b64encode(self.family + self.turn).rstrip(b"=").decode()

    @property
    def family_hash(self) -> bytes:
        """What names the session in the database."""
        return hashlib.sha256(self.family).digest()

    @property
    def turn_hash(self) -> bytes:
        """What tells the newest token from the others."""
        return hashlib.sha256(self.turn).digest()


async def open_session(
    db: Db, account_id: UUID, *, keys: KeyRing, settings: SessionSettings, client: Client, method: str
) -> Tokens:
    """Sign an account in, in the open transaction: its caller has seen proof of who the person is. Writes SIGN_IN.

    ``method`` is in capitals, such as PASSWORD or the name of a provider.
    """
    token = RefreshToken.new()
    opened = await insert_session(
        db,
        opened_for_id=account_id,
        family_hash=token.family_hash,
        turn_hash=token.turn_hash,
        method=method,
        client=client.agent,
        address=client.network,
        idle=timedelta(days=settings.session_idle_days),
        lifetime=timedelta(days=settings.session_days),
    )
    assert opened is not None
    return make_tokens(keys, settings, account_id, opened.id, token, opened.idle_until, opened.expires_at)


def make_tokens(
    keys: KeyRing,
    settings: SessionSettings,
    account_id: UUID,
    session_id: UUID,
    token: RefreshToken,
    idle_until: datetime,
    expires_at: datetime,
) -> Tokens:
    """The pair for a session. The access token ends with the session at the latest."""
    now = time.time()
    ends = min(now + settings.access_minutes * 60, expires_at.timestamp())
    access = keys.sign(str(account_id), lifetime=timedelta(seconds=max(1, int(ends - now))), session_id=session_id)
    return Tokens(
        access_token=access,
        access_expires_at=datetime.fromtimestamp(int(ends), UTC),
        refresh_token=str(token),
        refresh_expires_at=idle_until,
    )


@strawberry.input(description="The newest refresh token of a session.")
class RefreshSessionInput:
    """Used up by this."""

    refresh_token: str


@strawberry.type(description="The next pair of tokens.")
class RefreshSessionPayload:
    """The one before is used up."""

    tokens: Tokens


@strawberry.type(description="The session that has ended.")
class SignOutPayload:
    """Null for a token that belongs to no session."""

    session: Session | None


@strawberry.type(description="The session that has ended.")
class RevokeSessionPayload:
    """Its tokens work no longer."""

    session: Session


@strawberry.type(description="How many sessions were ended.")
class SignOutEverywherePayload:
    """Their tokens work no longer."""

    revoked: int


@strawberry.type
class SessionQuery:
    """The root field that lists sessions."""

    @query()
    async def sessions(self, info: Info, first: int = 20, after: str | None = None) -> Page[Session] | None:
        """Where the caller is signed in, newest first."""
        return await page(page_session, info.context.db, first, after)


@strawberry.type
class SessionMutation:
    """Root fields that renew and end sessions."""

    @public_mutation()
    async def refresh_session(self, info: Info, input: RefreshSessionInput) -> RefreshSessionPayload | None:
        """Get the next pair of tokens. One that was used before ends its session, for whoever has the newest too.

        The last one that was used gets the same answer again for a few seconds, for the client that used it: answers get lost.
        """
        context = info.context
        token = RefreshToken.parse(input.refresh_token)
        found = None
        if token is not None:
            following = token.following(context.keys)
            async with context.db.transaction():
                found = await refresh(
                    context.db,
                    family_hash=token.family_hash,
                    turn_hash=token.turn_hash,
                    next_turn_hash=following.turn_hash,
                    client=context.client.agent,
                    address=context.client.network,
                    idle=timedelta(days=context.settings.session_idle_days),
                    grace=timedelta(seconds=context.settings.refresh_grace_seconds),
                )
        if found is None or found.outcome not in ("REFRESHED", "REPEATED"):
            raise AppError(ErrorCode.UNAUTHENTICATED, "This refresh token is not good any more. Sign in again.")
        tokens = make_tokens(
            context.keys, context.settings, found.owner_id, found.session_id, following, found.idle_until, found.expires_at
        )
        return RefreshSessionPayload(tokens=tokens)

    @mutation(roles=None)
    async def sign_out(self, info: Info) -> SignOutPayload | None:
        """End the session of this request's token: neither of its tokens works any longer."""
        own = info.context.actor.session_id
        if own is None:
            return SignOutPayload(session=None)
        async with info.context.db.transaction():
            await end_sessions(info.context.db, only_id=own, but_id=None, reason="SIGNED_OUT")
            (session,) = await sessions_by_id(info.context.db, ids=[own])
        return SignOutPayload(session=session)

    @mutation(roles=None)
    async def revoke_session(self, info: Info, id: strawberry.ID) -> RevokeSessionPayload | None:
        """End one of the caller's sessions at once. Ending it again changes nothing."""
        session_id = parse_uuid(id, "Session", field="id")
        async with info.context.db.transaction():
            await end_sessions(info.context.db, only_id=session_id, but_id=None, reason="REVOKED")
            (session,) = await sessions_by_id(info.context.db, ids=[session_id])
        if session is None:
            raise AppError(ErrorCode.NOT_FOUND, "You have no such session.", field="id")
        return RevokeSessionPayload(session=session)

    @mutation(roles=None)
    async def sign_out_everywhere(self, info: Info, keep_current: bool = False) -> SignOutEverywherePayload | None:
        """End all sessions of the caller at once; with `keepCurrent` all but that of this request."""
        kept = info.context.actor.session_id if keep_current else None
        async with info.context.db.transaction():
            done = await end_sessions(info.context.db, only_id=None, but_id=kept, reason="REVOKED")
        assert done is not None
        return SignOutEverywherePayload(revoked=done.ended)
