"""Accounts: one person each, seen by nobody but themselves."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import available_timezones

import strawberry

from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node
from app.kit.sql import File
from app.kit.token import ISSUER

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


sql = File("core/account")
get_account = sql.one("get_account", Account)
get_account_by_email = sql.one("get_account_by_email", Account)
accounts_by_id = sql.edge("edge_account", Account)
insert_account = sql.one("insert_account", Account)


async def create_account(db: Db, *, email: str, display_name: str, locale: str = "en", time_zone: str = "UTC") -> Account:
    """An account with its identity and personal workspace, as the operator. Raises AppError for a bad value."""
    if time_zone not in available_timezones():
        raise AppError(ErrorCode.BAD_INPUT, f"There is no time zone {time_zone[:64]!r}; use an IANA name.", field="timeZone")
    async with db.transaction():
        made = await insert_account(
            db, email=email, display_name=display_name, locale=locale, time_zone=time_zone, issuer=ISSUER
        )
    assert made is not None
    return made
