"""Members: who may act in a workspace, and as what."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.graphql import field, global_id, query
from app.kit.page import Page, page
from app.kit.sql import File


@strawberry.enum(description="What a member may do: viewers and auditors read, auditors also the audit log.")
class Role(Enum):
    """Values as in the database."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    AUDITOR = "auditor"


@strawberry.type(description="An account in a workspace.")
class Member:
    """Names are the account's own; a member shows no more than its id."""

    account_id: strawberry.Private[UUID]
    role: Role
    joined_at: datetime

    @field(name="accountId", description="Global id of the account.")
    def account_global_id(self) -> strawberry.ID:
        """The id as the API writes it."""
        return global_id("Account", str(self.account_id))


sql = File("core/member")
page_member = sql.page("page_member", Member, keyset=(("account_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),))


@strawberry.type
class MemberQuery:
    """Root fields that read members."""

    @query()
    async def members(self, info: Info, first: int = 20, after: str | None = None) -> Page[Member] | None:
        """The members of the active workspace."""
        return await page(page_member, info.context.db, first, after)
