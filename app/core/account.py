"""Accounts: one person each, seen by nobody but themselves."""

from __future__ import annotations

from datetime import datetime

import strawberry

from app.kit.errors import ErrorCode, constraint
from app.kit.graphql import Node
from app.kit.sql import File

constraint("account_email_key", ErrorCode.BAD_INPUT, "An account with this e-mail exists.", field="email")
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
