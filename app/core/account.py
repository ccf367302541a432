"""Accounts: one person each, seen by nobody but themselves."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, mutation
from app.kit.mail import is_address
from app.kit.sql import File

constraint("account_email_key", ErrorCode.BAD_INPUT, "An account with this e-mail exists.", field="email")
constraint("account_display_name_length", ErrorCode.BAD_INPUT, "A name has 1 to 200 characters.", field="displayName")
constraint("account_locale_form", ErrorCode.BAD_INPUT, "A locale is like de or en-US.", field="locale")
constraint("account_email_form", ErrorCode.BAD_INPUT, "This is not an e-mail address.", field="email")


@strawberry.type(description="A person.")
class Account(Node):
    """The caller's own account."""

    node_statement = "core/account.edge_account"

    email: str
    display_name: str
    locale: str = strawberry.field(description="Language and region, such as de or en-US.")
    time_zone: str = strawberry.field(description="IANA name, such as Europe/Berlin.")
    created_at: datetime
    email_verified_at: datetime | None = strawberry.field(
        description="When its owner proved the address; null where nobody has, and what takes a proven address is refused."
    )


sql = File("core/account")
get_account = sql.one("get_account", Account)
get_account_by_email = sql.one("get_account_by_email", Account)
accounts_by_id = sql.edge("edge_account", Account)
make_account = sql.one("create_account", Account)
update_account = sql.one("update_account", Account)


@cache
def _time_zones() -> frozenset[str]:
    """The names of the zone data, without those that mean another zone on each machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def check_time_zone(name: str) -> None:
    """Raise BAD_INPUT for a name that is none."""
    if name not in _time_zones():
        raise AppError(ErrorCode.BAD_INPUT, f"There is no time zone {name[:64]!r}; use an IANA name.", field="timeZone")


def normalize_email(text: str) -> str:
    """As accounts keep it, so that equality finds it."""
    return text.strip().lower()


def check_email(text: str, *, field: str) -> str:
    """The address as accounts keep it. Raises BAD_INPUT for what no mail could be sent to."""
    email = normalize_email(text)
    if not is_address(email) or not text.isascii():  # a Kelvin sign is no k, though it becomes one when it is made small
        raise AppError(ErrorCode.BAD_INPUT, "This is not an e-mail address.", field=field)
    return email


async def create_account(db: Db, *, email: str, display_name: str, locale: str = "en", time_zone: str = "UTC") -> Account:
    """An account with its identity and personal workspace, in a transaction of its own. Raises AppError for a bad value."""
    check_time_zone(time_zone)
    async with db.transaction():
        made = await make_account(
            db,
            email=email,
            display_name=display_name,
            locale=locale,
            time_zone=time_zone,
            issuer=None,
            subject=None,
            email_verified=False,
        )
    assert made is not None
    return made


@strawberry.input(description="What is to change. What is left out stays.")
class UpdateAccountInput:
    """All of it is optional."""

    display_name: str | None = strawberry.field(default=None, description="1 to 200 characters.")
    locale: str | None = strawberry.field(default=None, description="Language and region, such as de or en-US.")
    time_zone: str | None = strawberry.field(default=None, description="IANA name, such as Europe/Berlin.")


@strawberry.type(description="The account as it is now.")
class UpdateAccountPayload:
    """The account as it is now."""

    account: Account


@strawberry.type
class AccountMutation:
    """The root field by which people change their account."""

    @mutation(roles=None)
    async def update_account(self, info: Info, input: UpdateAccountInput) -> UpdateAccountPayload | None:
        """Change the caller's own name, locale or time zone: quiet hours, digests and schedules go by its clock from now on."""
        if input.time_zone is not None:
            check_time_zone(input.time_zone)
        db = info.context.db
        name = None if input.display_name is None else input.display_name.strip()
        async with db.transaction():
            account = await update_account(db, display_name=name, locale=input.locale, time_zone=input.time_zone)
        assert account is not None  # or the token would not have been accepted
        return UpdateAccountPayload(account=account)
