"""Credentials: signing in with a password, and changing it.

Whoever tries learns nothing but whether address and password fit together: the answer, its time and its limits are the same for
an address without an account. Limits are for an account from one network first, so that a stranger who tries somebody's
passwords is stopped, and the owner, who comes from elsewhere, is not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn
from uuid import UUID

import strawberry

from app.core.account import check_email, get_account, normalize_email
from app.core.email_token import ask_for_token, mail_password_notice
from app.core.rate_bucket import Attempts, give_back, take
from app.core.session import OpenedSession, RefreshToken, Tokens, get_session_age, make_tokens
from app.kit.context import Context, Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, public_mutation
from app.kit.password import LONGEST, check_password
from app.kit.sql import File

WRONG = "Address and password do not fit together."


@dataclass(frozen=True)
class Credential:
    """The caller's own."""

    password_hash: str


@dataclass(frozen=True)
class FoundCredential:
    """What belongs to an address. ``known``: somebody signed in to the account from this network of late."""

    owner_id: UUID | None
    password_hash: str | None
    known: bool


@dataclass(frozen=True)
class Refused:
    """The event that tells it."""

    event_id: UUID


@dataclass(frozen=True)
class ChangedPassword:
    """How many sessions ended by it; None where the old password was not that any more."""

    ended: int | None


sql = File("core/credential")
get_credential = sql.one("get_credential", Credential)
get_credential_by_email = sql.one("get_credential_by_email", FoundCredential)
insert_session_by_password = sql.one("open_session_by_password", OpenedSession)
refuse_sign_in = sql.one("refuse_sign_in", Refused)
renew_password_hash = sql.exec("renew_password_hash")
set_password = sql.exec("set_password")
update_password = sql.one("change_password", ChangedPassword)


@strawberry.input(description="An address and its password.")
class SignInInput:
    """Both are secret from everybody else."""

    email: str
    password: str


@strawberry.type(description="The tokens of a new session.")
class SignInPayload:
    """Kept by the client."""

    tokens: Tokens


@strawberry.input(description="The password as it is, and as it is to be.")
class ChangePasswordInput:
    """The old one, because a token alone may have been stolen."""

    current_password: str
    new_password: str = strawberry.field(description="12 to 200 characters.")


@strawberry.type(description="The password is changed.")
class ChangePasswordPayload:
    """All other sessions have ended."""

    ended_sessions: int = strawberry.field(description="How many other sessions ended by it.")


@strawberry.input(description="The address that is to take the place of the own one.")
class ChangeEmailInput:
    """Nothing changes until the token that is mailed there was shown to verifyEmail."""

    email: str
    password: str | None = strawberry.field(default=None, description="The account's; needed where it has one.")


@strawberry.type(description="A mail is on its way to the new address.")
class ChangeEmailPayload:
    """The same whether or not the address has an account."""

    email: str = strawberry.field(description="Where the mail goes.")


@strawberry.type
class CredentialMutation:
    """Root fields that take a password."""

    @public_mutation()
    async def sign_in(self, info: Info, input: SignInInput) -> SignInPayload | None:
        """Open a session with a password. Why it is refused is not told; too many attempts are RATE_LIMITED for a while.

        Who has deleted the account hears ACCOUNT_DELETED, by the right password alone: see restoreAccount.
        """
        found = await prove_sign_in(info.context, input.email, input.password)
        tokens = await _open(info.context, found, input.password)
        if tokens is None:
            await _refuse(info.context, found)
        return SignInPayload(tokens=tokens)

    @mutation(roles=None)
    async def change_password(self, info: Info, input: ChangePasswordInput) -> ChangePasswordPayload | None:
        """Change the caller's password. All sessions end but that of this request."""
        context, db = info.context, info.context.db
        known = await prove_password(context, input.current_password, field="currentPassword")
        account = await get_account(db)
        assert account is not None  # or the token would not have been accepted
        check_password(input.new_password, account.email, field="newPassword")
        await db.pause()
        hashed = await context.hasher.hash(input.new_password)
        async with db.transaction():
            changed = await update_password(db, old_hash=known, new_hash=hashed, but_session_id=context.actor.session_id)
            if changed is None or changed.ended is None:
                raise AppError(ErrorCode.STALE_VERSION, "The password was changed meanwhile. Sign in again.")
            await mail_password_notice(db)
        return ChangePasswordPayload(ended_sessions=changed.ended)

    @mutation(roles=None)
    async def change_email(self, info: Info, input: ChangeEmailInput) -> ChangeEmailPayload | None:
        """Mail a token for verifyEmail to another address, which becomes the caller's by it; the old address is told then."""
        context = info.context
        email = check_email(input.email, field="email")
        if await get_credential(context.db) is not None:
            await prove_password(context, input.password or "", field="password")
        else:
            await prove_again(context, None)
        await ask_for_token(context, email, email)
        return ChangeEmailPayload(email=email)


async def look_up(db: Db, email: str, network: str) -> FoundCredential:
    """What belongs to an address, in the same time whatever that is."""
    await db.restart()
    (record,) = await db.look_up(get_credential_by_email.statement, {"email": email, "address": network})
    return FoundCredential(record["owner_id"], record["password_hash"], record["known"])


async def prove_sign_in(context: Context, address: str, password: str) -> FoundCredential:
    """Whose password it is, by somebody who is not signed in. Raises UNAUTHENTICATED, which tells nothing, and RATE_LIMITED."""
    db, email, network = context.db, normalize_email(address), context.client.network
    each = context.settings.sign_in_attempts
    limits = (
        (("sign in", network), Attempts(5 * each, 600 / (5 * each or 1))),
        (("sign in", email, network), Attempts(each, 600 / (each or 1))),
    )
    for key, attempts in limits:
        await take(db, attempts, *key)
    found = await look_up(db, email, network)
    if not found.known:  # strangers from everywhere share this one; where the owner has been before, it does not count
        await take(db, Attempts(10 * each, 1800 / (each or 1)), "sign in", email)
    await db.pause()
    if len(password) > LONGEST or not await context.hasher.verify(found.password_hash, password):
        await _refuse(context, found)
    for key, attempts in limits:
        await give_back(db, attempts, *key)
    return found


async def _refuse(context: Context, found: FoundCredential) -> NoReturn:
    """Say so in the audit, whoever's account it is. Raises UNAUTHENTICATED."""
    async with context.db.transaction():
        client = context.client
        await refuse_sign_in(context.db, refused_for_id=found.owner_id, client=client.agent, address=client.network)
    raise AppError(ErrorCode.UNAUTHENTICATED, WRONG)


async def prove_password(context: Context, password: str, *, field: str) -> str:
    """The hash of the caller's password, which was given. Raises BAD_INPUT for another, RATE_LIMITED for too many others."""
    db = context.db
    each = context.settings.sign_in_attempts
    attempts, key = Attempts(each, 600 / (each or 1)), ("password", str(context.actor.account_id))
    await take(db, attempts, *key)
    own = await get_credential(db)
    if own is None:
        raise AppError(ErrorCode.BAD_INPUT, "This account has no password. Get one by requestPasswordReset.", field=field)
    await db.pause()
    if len(password) > LONGEST or not await context.hasher.verify(own.password_hash, password):
        raise AppError(ErrorCode.BAD_INPUT, "This is not the password of your account.", field=field)
    await give_back(db, attempts, *key)
    return own.password_hash


async def prove_again(context: Context, password: str | None) -> None:
    """Proof that the person is there, and not only somebody who has their token: the password, or a sign-in of just now.

    Raises BAD_INPUT for another password, PROOF_NEEDED where there is no proof, RATE_LIMITED for too many tries.
    """
    if password is not None:
        await prove_password(context, password, field="password")
        return
    actor, age = context.actor, None
    if actor.session_id is not None:
        found = await get_session_age(context.db, id=actor.session_id)
        age = None if found is None else found.seconds
    elif actor.signed_in_at is not None:
        age = time.time() - actor.signed_in_at
    if age is None or age > context.settings.proof_minutes * 60:
        message = "Pass the password of your account, or sign in again and do it then: a token alone may have been stolen."
        raise AppError(ErrorCode.PROOF_NEEDED, message, field="password")


async def _open(context: Context, found: FoundCredential, password: str) -> Tokens | None:
    """A session, by a password that was verified; None where it became another meanwhile."""
    db, settings, token = context.db, context.settings, RefreshToken.new()
    assert found.owner_id is not None
    assert found.password_hash is not None
    async with db.transaction():
        opened = await insert_session_by_password(
            db,
            opened_for_id=found.owner_id,
            password_hash=found.password_hash,
            family_hash=token.family_hash,
            turn_hash=token.turn_hash,
            client=context.client.agent,
            address=context.client.network,
            idle=timedelta(days=settings.session_idle_days),
            lifetime=timedelta(days=settings.session_days),
        )
    if opened is None:
        return None
    if context.hasher.is_old(found.password_hash):
        await db.pause()
        renewed = await context.hasher.hash(password)
        async with db.transaction():
            await renew_password_hash(db, owner_id=found.owner_id, old_hash=found.password_hash, new_hash=renewed)
    return make_tokens(context.keys, settings, found.owner_id, opened.id, token, opened.idle_until, opened.expires_at)
