"""E-mail tokens: proof that somebody reads an address, for a new password, for the own address, and for another one.

A request asks for a mail and makes no secret. The job that mails makes it, commits its hash, and sends it: a secret is in the
mail and nowhere else, and another attempt makes another one. A token is good once.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.account import Account, check_email, get_account
from app.core.rate_bucket import Attempts, take
from app.core.session import Tokens, open_session
from app.kit.context import Context, Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, public_mutation
from app.kit.jobs import Work, enqueue, job
from app.kit.log import log
from app.kit.mail import AddressRefused, Mail, outgoing, send
from app.kit.password import check_password
from app.kit.sql import File

ATTEMPTS = 16
"""Some hours: a mail server may be away for so long, and after that nobody waits for the mail."""
FOOTER = "\n\nNobody from us will ever ask you for your password."

TO_ADDRESS = Attempts(5, 600)
"""An address gets five mails that strangers ask for, and one more every ten minutes."""
FROM_NETWORK = Attempts(30, 60)
"""A network asks for thirty mails, and one more each minute."""


class AppSettings(Protocol):
    """What the operator says of the front end, see app/settings.py."""

    app_url: str


@dataclass(frozen=True)
class Token:
    """What is mailed, and what is kept of it."""

    secret: str
    hash: bytes


@dataclass(frozen=True)
class AskedToken:
    """A mail that was asked for."""

    email_token_id: UUID


@dataclass(frozen=True)
class TokenMail:
    """What is to be mailed."""

    kind: str
    email: str
    display_name: str
    taken: bool


@dataclass(frozen=True)
class ResetFor:
    """Whose password it is."""

    email: str


@dataclass(frozen=True)
class ResetDone:
    """Whose password it was, and the mail that tells of it."""

    owner_id: UUID
    notice_id: UUID


@dataclass(frozen=True)
class VerifiedEmail:
    """An address that is proven; ``notice_id`` is the mail to the one before, if it is another."""

    email: str
    notice_id: UUID | None


class EmailTokenAsked(BaseModel, frozen=True):
    """Which mail is to be sent."""

    id: UUID


sql = File("core/email_token")
get_password_reset = sql.one("get_password_reset", ResetFor)
get_reset = sql.one("reset_password", ResetDone)
get_verified = sql.one("verify_email", VerifiedEmail)
request_password_notice = sql.one("request_password_notice", AskedToken)
request_reset = sql.one("request_password_reset", AskedToken)
request_token = sql.one("request_email_token", AskedToken)
take_email_token = sql.one("take_email_token", TokenMail)


def new_token() -> Token:
    """256 random bits."""
    secret = secrets.token_urlsafe(32)
    return Token(secret, hash_token(secret))


def hash_token(secret: str) -> bytes:
    """What is kept of it."""
    return hashlib.sha256(secret.encode()).digest()


def link(settings: AppSettings, page: str, secret: str = "") -> str:
    """Where the front end goes on. The token is in the fragment, which no server gets to see and no log keeps."""
    if not settings.app_url:
        return f"\n\nThe token is {secret}" if secret else ""
    return f"\n\n{settings.app_url.rstrip('/')}/{page}" + (f"#token={secret}" if secret else "")


async def post(work: Work, name: str, email: str, display_name: str, subject: str, text: str) -> None:
    """Hand a mail over; an address that takes none is left alone."""
    await work.db.pause()  # no connection is held while a server takes its time
    try:
        await send(Mail(name, email, display_name, subject, text), outgoing(work.settings))
    except AddressRefused as refused:
        log.warning("mail not sent", reason=str(refused), mail=name)


@job("core.mail_email_token", EmailTokenAsked, attempts=ATTEMPTS, concurrency=4)
async def mail_email_token(work: Work, payload: EmailTokenAsked) -> None:
    """Make the secret, keep its hash, send it."""
    token = new_token()
    async with work.db.transaction():
        asked = await take_email_token(work.db, id=payload.id, token_hash=token.hash)
    if asked is None:
        return
    subject, text = compose(work.settings, asked, token.secret)
    await post(work, f"account-{payload.id}", asked.email, asked.display_name, subject, text + FOOTER)


def compose(settings: AppSettings, asked: TokenMail, secret: str) -> tuple[str, str]:
    """Subject and text."""
    if asked.taken:
        return "You have an account", (
            "Somebody wanted to use this address for another account. It stays yours, and nothing was changed."
        )
    if asked.kind == "PASSWORD_RESET":
        return "A new password", (
            f"Somebody, perhaps you, asked for a new password for your account. Within an hour you can choose one:"
            f"{link(settings, 'reset-password', secret)}\n\n"
            f"If it was not you, do nothing: your password stays as it is."
        )
    if asked.kind == "ACCOUNT_RESTORE":
        return "Your account is deleted", (
            f"Your account is deleted, and nobody can sign in to it. Until it is erased, you can have it back as it was:"
            f"{link(settings, 'restore-account', secret)}\n\n"
            f"If it was not you who deleted it, restore it, and change how you sign in. If it was, do nothing."
        )
    if asked.kind == "PASSWORD_CHANGED":
        return "Your password was changed", (
            f"The password of your account was changed, and other sessions have ended.\n\n"
            f"If it was not you, ask for a new password at once.{link(settings, 'reset-password')}"
        )
    if asked.kind == "EMAIL_CHANGED":
        return "Your address was changed", (
            "Your account has another e-mail address from now on; this one is used no longer.\n\n"
            "If it was not you, answer to this mail at once: somebody else has your account."
        )
    return "Confirm your address", (
        f"Confirm within two days, where you are signed in, that this is your address:"
        f"{link(settings, 'verify-email', secret)}\n\n"
        f"If you know nothing of this, do nothing: without it nothing is changed."
    )


async def charge_mail(context: Context, email: str) -> None:
    """Strangers get only so many mails sent. Raises RATE_LIMITED, whether or not the address has an account."""
    if context.settings.sign_in_attempts:
        await take(context.db, FROM_NETWORK, "mail", context.client.network)
        await take(context.db, TO_ADDRESS, "mail", "to", email)


async def ask_for_token(context: Context, new_email: str | None, goes_to: str) -> None:
    """A mail with a token for verifyEmail: for the caller's own address, or for one that is to take its place."""
    await charge_mail(context, goes_to)
    async with context.db.transaction():
        asked = await request_token(context.db, email=new_email)
        assert asked is not None
        await enqueue(context.db, mail_email_token, EmailTokenAsked(id=asked.email_token_id))


async def mail_password_notice(db: Db) -> None:
    """In the open transaction: tell the caller's address that the password was changed."""
    asked = await request_password_notice(db)
    assert asked is not None
    await enqueue(db, mail_email_token, EmailTokenAsked(id=asked.email_token_id))


@strawberry.input(description="Whose password is to be another.")
class RequestPasswordResetInput:
    """Repeating it mails again."""

    email: str


@strawberry.type(description="A mail is on its way, if the address has an account.")
class RequestPasswordResetPayload:
    """The same for every address."""

    email: str = strawberry.field(description="Where the mail would go.")


@strawberry.input(description="What was mailed, and the new password.")
class ResetPasswordInput:
    """Used up by this."""

    token: str
    password: str = strawberry.field(description="12 to 200 characters.")


@strawberry.type(description="The password is set, and the person is signed in.")
class ResetPasswordPayload:
    """All sessions before have ended."""

    tokens: Tokens


@strawberry.type(description="A mail is on its way.")
class RequestEmailVerificationPayload:
    """With a token for verifyEmail."""

    email: str = strawberry.field(description="Where the mail goes.")


@strawberry.input(description="What was mailed.")
class VerifyEmailInput:
    """Used up by this."""

    token: str


@strawberry.type(description="The account with its proven address.")
class VerifyEmailPayload:
    """As it is now."""

    account: Account


@strawberry.type
class EmailTokenMutation:
    """Root fields that take a proof that somebody reads an address."""

    @public_mutation()
    async def request_password_reset(self, info: Info, input: RequestPasswordResetInput) -> RequestPasswordResetPayload | None:
        """Mail a token for a new password, if the address has an account. The answer does not tell whether it has."""
        context, db = info.context, info.context.db
        email = check_email(input.email, field="email")
        await charge_mail(context, email)
        async with db.transaction():
            asked = await request_reset(db, email=email)
            assert asked is not None
            await enqueue(db, mail_email_token, EmailTokenAsked(id=asked.email_token_id))
        return RequestPasswordResetPayload(email=email)

    @public_mutation()
    async def reset_password(self, info: Info, input: ResetPasswordInput) -> ResetPasswordPayload | None:
        """Set a password by a token that was mailed. All sessions end, a new one begins; the address is proven."""
        context, db = info.context, info.context.db
        wrong = AppError(ErrorCode.BAD_INPUT, "This token is not good any more. Ask for another.", field="token")
        token_hash = hash_token(input.token)
        await db.restart()
        records = await db.look_up(get_password_reset.statement, {"token_hash": token_hash})
        if not records:
            raise wrong
        check_password(input.password, records[0]["email"], field="password")
        await db.pause()
        hashed = await context.hasher.hash(input.password)
        async with db.transaction():
            done = await get_reset(db, token_hash=token_hash, password_hash=hashed)
            if done is None:
                raise wrong
            await enqueue(db, mail_email_token, EmailTokenAsked(id=done.notice_id))
            tokens = await open_session(
                db,
                done.owner_id,
                keys=context.keys,
                settings=context.settings,
                client=context.client,
                method="PASSWORD_RESET",
            )
        return ResetPasswordPayload(tokens=tokens)

    @mutation(roles=None)
    async def request_email_verification(self, info: Info) -> RequestEmailVerificationPayload | None:
        """Mail a token for verifyEmail to the caller's own address."""
        account = await get_account(info.context.db)
        assert account is not None  # or the token would not have been accepted
        await ask_for_token(info.context, None, account.email)
        return RequestEmailVerificationPayload(email=account.email)

    @mutation(roles=None)
    async def verify_email(self, info: Info, input: VerifyEmailInput) -> VerifyEmailPayload | None:
        """Prove an address by the token that was mailed to it, signed in as who asked for it."""
        db = info.context.db
        async with db.transaction():
            verified = await get_verified(db, token_hash=hash_token(input.token))
            if verified is None:
                raise AppError(ErrorCode.BAD_INPUT, "This token is not good any more, or is not yours.", field="token")
            if verified.notice_id is not None:
                await enqueue(db, mail_email_token, EmailTokenAsked(id=verified.notice_id))
            account = await get_account(db)
        assert account is not None
        return VerifyEmailPayload(account=account)
