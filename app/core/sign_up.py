"""Signing up: a wish first, an account once the address is proven.

A request keeps the wish and asks for a mail, whether or not the address has an account, so nothing tells a stranger which. The
mail's token makes the wish an account, together with the password of the wish: who signs up with somebody else's address has
the password and not the mail, its owner has the mail and not the password, and neither gets an account that is the other's too.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.account import check_email, check_time_zone
from app.core.email_token import ATTEMPTS, FOOTER, charge_mail, hash_token, link, new_token, post
from app.core.rate_bucket import Attempts, take
from app.core.session import Tokens, open_session
from app.kit.context import Info
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import public_mutation
from app.kit.jobs import Work, enqueue, job
from app.kit.password import check_password
from app.kit.sql import File

constraint("sign_up_display_name_length", ErrorCode.BAD_INPUT, "A name has 1 to 200 characters.", field="displayName")
constraint("sign_up_locale_form", ErrorCode.BAD_INPUT, "A locale is like de or en-US.", field="locale")


@dataclass(frozen=True)
class FoundSignUp:
    """The wish that a token belongs to."""

    sign_up_id: UUID
    password_hash: str


@dataclass(frozen=True)
class StartedSignUp:
    """A new wish."""

    sign_up_id: UUID


@dataclass(frozen=True)
class ConfirmedSignUp:
    """The account that it became."""

    owner_id: UUID


@dataclass(frozen=True)
class SignUpMail:
    """``taken``: the address has an account, whose name this is."""

    email: str
    display_name: str
    taken: bool


class SignUpAsked(BaseModel, frozen=True):
    """Which wish is to be mailed."""

    id: UUID


sql = File("core/sign_up")
get_confirmed = sql.one("confirm_sign_up", ConfirmedSignUp)
get_sign_up = sql.one("get_sign_up", FoundSignUp)
start_sign_up = sql.one("start_sign_up", StartedSignUp)
take_sign_up = sql.one("take_sign_up", SignUpMail)


@job("core.mail_sign_up", SignUpAsked, attempts=ATTEMPTS, concurrency=4)
async def mail_sign_up(work: Work, payload: SignUpAsked) -> None:
    """Mail the token of a wish, or tell the owner of the address that there is an account."""
    token = new_token()
    async with work.db.transaction():
        asked = await take_sign_up(work.db, id=payload.id, token_hash=token.hash)
    if asked is None:
        return
    if asked.taken:
        subject = "You have an account"
        text = (
            f"Somebody, perhaps you, signed up with this address, which has an account already.\n\n"
            f"Sign in with it; if you do not know the password, ask for a new one.{link(work.settings, 'reset-password')}"
        )
    else:  # the name is what a stranger may have typed, so it is not repeated
        subject = "Confirm your address"
        text = (
            f"Somebody, perhaps you, signed up with this address.\n\n"
            f"If it was you, confirm it within two days, with the password that you chose:"
            f"{link(work.settings, 'confirm-sign-up', token.secret)}\n\n"
            f"If it was not you, do nothing: without this there will be no account."
        )
    await post(work, f"sign-up-{payload.id}", asked.email, asked.display_name if asked.taken else "", subject, text + FOOTER)


@strawberry.input(description="Who wants an account.")
class SignUpInput:
    """Repeating it mails again."""

    email: str = strawberry.field(description="A mail goes there, with a token for confirmSignUp.")
    password: str = strawberry.field(description="12 to 200 characters; asked for again by confirmSignUp.")
    display_name: str = strawberry.field(description="1 to 200 characters.")
    locale: str = strawberry.field(default="en", description="Language and region, such as de or en-US.")
    time_zone: str = strawberry.field(default="UTC", description="IANA name, such as Europe/Berlin.")


@strawberry.type(description="A mail is on its way, whatever the address.")
class SignUpPayload:
    """The same for an address that has an account: its owner is told by mail."""

    email: str = strawberry.field(description="Where the mail goes.")


@strawberry.input(description="What was mailed, and the password of the sign-up.")
class ConfirmSignUpInput:
    """Both, because either may be in foreign hands."""

    token: str
    password: str


@strawberry.type(description="The account is there, and the person is signed in.")
class ConfirmSignUpPayload:
    """Its first session."""

    tokens: Tokens


@strawberry.type
class SignUpMutation:
    """Root fields by which accounts come to be."""

    @public_mutation()
    async def sign_up(self, info: Info, input: SignUpInput) -> SignUpPayload | None:
        """Ask for an account. The answer is the same whether or not the address has one; the rest goes by mail."""
        context, db = info.context, info.context.db
        email = check_email(input.email, field="email")
        check_time_zone(input.time_zone)
        check_password(input.password, email, field="password")
        await charge_mail(context, email)
        await db.pause()
        hashed = await context.hasher.hash(input.password)
        async with db.transaction():
            started = await start_sign_up(
                db,
                email=email,
                display_name=input.display_name.strip(),
                locale=input.locale,
                time_zone=input.time_zone,
                password_hash=hashed,
            )
            assert started is not None
            await enqueue(db, mail_sign_up, SignUpAsked(id=started.sign_up_id))
        return SignUpPayload(email=email)

    @public_mutation()
    async def confirm_sign_up(self, info: Info, input: ConfirmSignUpInput) -> ConfirmSignUpPayload | None:
        """Make a sign-up an account, with the token that was mailed and the password that was chosen; signs in."""
        context, db = info.context, info.context.db
        token_hash = hash_token(input.token)
        await db.restart()
        records = await db.look_up(get_sign_up.statement, {"token_hash": token_hash})
        if not records:
            raise AppError(ErrorCode.BAD_INPUT, "This token is not good any more. Sign up again.", field="token")
        found = FoundSignUp(records[0]["sign_up_id"], records[0]["password_hash"])
        await take(db, Attempts(context.settings.sign_in_attempts, 60), "sign up", str(found.sign_up_id))
        await db.pause()
        if not await context.hasher.verify(found.password_hash, input.password[:300]):
            raise AppError(ErrorCode.UNAUTHENTICATED, "This is not the password of this sign-up.")
        async with db.transaction():
            made = await get_confirmed(db, id=found.sign_up_id, token_hash=token_hash)
            if made is not None:
                tokens = await open_session(
                    db,
                    made.owner_id,
                    keys=context.keys,
                    settings=context.settings,
                    client=context.client,
                    method="PASSWORD",
                )
        if made is None:
            raise AppError(ErrorCode.BAD_INPUT, "This address has an account by now. Sign in.", field="token")
        return ConfirmSignUpPayload(tokens=tokens)
