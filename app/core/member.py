"""Members: who may act in a workspace, and as what. Whoever manages them takes turns under the lock of the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from app.core.team import Team
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, field, global_id, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File

constraint(
    "member_owner_stays",
    ErrorCode.LAST_OWNER,
    "The other owners of this organization deleted their accounts. Make somebody else an owner first.",
)

OWNERS = frozenset({"owner"})


@strawberry.enum(description="What a member may do: viewers and auditors read, auditors also the audit log.")
class Role(Enum):
    """Values as in the database."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    AUDITOR = "auditor"


@strawberry.type(description="Who a member is.")
class Person:
    """As the account says."""

    display_name: str
    email: str | None = strawberry.field(description="For oneself, owners and admins; null for others.")


@strawberry.type(description="An account in a workspace.")
class Member:
    """Found by workspace and account."""

    account_id: strawberry.Private[UUID]
    role: Role
    joined_at: datetime

    person: Person = edge("core/member.edge_person", account_ids="account_id")

    teams: list[Team] = edge("core/team_member.edge_team_of_member", many=True, account_ids="account_id")

    @field(name="accountId", description="Global id of the account.")
    def account_global_id(self) -> strawberry.ID:
        """The id as the API writes it."""
        return global_id("Account", str(self.account_id))


@dataclass(frozen=True)
class Locked:
    """The workspace whose members wait."""

    id: UUID


@dataclass(frozen=True)
class Standing:
    """What the caller and another member are now, and how many owners there are."""

    kind: str
    role: Role
    other_role: Role | None
    owners: int


sql = File("core/member")
delete_member = sql.one("delete_member", Member)
members_by_account = sql.edge("edge_member", Member)
get_standing = sql.one("get_standing", Standing)
lock_workspace = sql.one("lock_member", Locked)
page_member = sql.page("page_member", Member, keyset=(("account_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),))
persons_by_account = sql.edge("edge_person", Person)
update_role = sql.one("update_role", Member)


@strawberry.input(description="Who is to become what.")
class UpdateMemberInput:
    """``account_id`` as `members` shows it."""

    account_id: strawberry.ID
    role: Role


@strawberry.input(description="Who is to go.")
class RemoveMemberInput:
    """``account_id`` as `members` shows it."""

    account_id: strawberry.ID


@strawberry.input(description="Who is to be the owner instead.")
class TransferOwnershipInput:
    """``account_id`` as `members` shows it."""

    account_id: strawberry.ID


@strawberry.type(description="The member as it is now.")
class UpdateMemberPayload:
    """The member as it is now."""

    member: Member


@strawberry.type(description="Who is no member any more.")
class RemoveMemberPayload:
    """Who is no member any more."""

    account_id: strawberry.ID


@strawberry.type(description="The new owner.")
class TransferOwnershipPayload:
    """The new owner."""

    member: Member


@strawberry.type(description="The workspace that the caller is no member of any more.")
class LeaveWorkspacePayload:
    """The workspace that the caller is no member of any more."""

    workspace_id: strawberry.ID


async def stand(db: Db, account_id: UUID, roles: frozenset[str] | None = MANAGERS) -> Standing:
    """How the caller, in one of the roles, stands to another member, under the lock that all who change members take.

    Raises FORBIDDEN, NOT_FOUND, and BAD_INPUT in a personal workspace.

    The role by which the caller was let in may have been taken meanwhile: what counts is the one under the lock.
    """
    if await lock_workspace(db) is None:
        raise _gone()
    found = await get_standing(db, other_id=account_id)
    if found is None:
        raise _gone()
    if roles is not None and found.role.value not in roles:
        raise AppError(ErrorCode.FORBIDDEN, f"Your role in this workspace, {found.role.value}, may not do this.")
    if found.other_role is None:
        raise no_member()
    if found.kind != "organization":
        message = "A personal workspace has one member for good. Make an organization to work with others."
        raise AppError(ErrorCode.BAD_INPUT, message)
    return found


def check_not_last(standing: Standing, role: Role | None) -> None:
    """Raise LAST_OWNER where ``role`` is that of the only owner, who is about to be none."""
    if role is Role.OWNER and standing.owners == 1:
        message = "This is the only owner, and an organization has one. Make somebody else an owner first."
        raise AppError(ErrorCode.LAST_OWNER, message)


def _gone() -> AppError:
    return AppError(ErrorCode.FORBIDDEN, "You are no member of this workspace any more.")


def no_member() -> AppError:
    """There is none."""
    message = "There is no such member in this workspace. Pass an accountId that `members` returned."
    return AppError(ErrorCode.NOT_FOUND, message, field="accountId")


def _owners_matter() -> AppError:
    return AppError(ErrorCode.FORBIDDEN, "Only an owner may make owners, or change and remove them.")


@strawberry.type
class MemberQuery:
    """Root fields that read members."""

    @query(reads="core.member")
    async def members(
        self,
        info: Info,
        role: Role | None = None,
        team_id: strawberry.ID | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[Member] | None:
        """The members of the active workspace; of one role, of one team."""
        team = None if team_id is None else parse_uuid(team_id, "Team", field="teamId")
        return await page(page_member, info.context.db, first, after, role=role.value if role else None, team_id=team)


@strawberry.type
class MemberMutation:
    """Root fields that change who may do what."""

    @mutation(roles=MANAGERS)
    async def update_member(self, info: Info, input: UpdateMemberInput) -> UpdateMemberPayload | None:
        """Give a member another role. Admins neither make owners nor change them, and there is always an owner."""
        other = parse_uuid(input.account_id, "Account", field="accountId")
        db = info.context.db
        async with db.transaction():
            standing = await stand(db, other)
            if Role.OWNER in (standing.other_role, input.role) and standing.role is not Role.OWNER:
                raise _owners_matter()
            if input.role is not Role.OWNER:
                check_not_last(standing, standing.other_role)
            member = await update_role(db, member_id=other, role=input.role.value)
        assert member is not None
        return UpdateMemberPayload(member=member)

    @mutation(roles=MANAGERS)
    async def remove_member(self, info: Info, input: RemoveMemberInput) -> RemoveMemberPayload | None:
        """End a membership at once: keys and devices of the member there are revoked, listening ends, links are not read
        any more. Their history stays theirs: nobody sees it, and it is exported and erased with their account."""
        other = parse_uuid(input.account_id, "Account", field="accountId")
        db = info.context.db
        async with db.transaction():
            standing = await stand(db, other)
            if other == db.actor.account_id:
                raise AppError(ErrorCode.BAD_INPUT, "This is yourself: use leaveWorkspace.", field="accountId")
            if standing.other_role is Role.OWNER and standing.role is not Role.OWNER:
                raise _owners_matter()
            check_not_last(standing, standing.other_role)
            await delete_member(db, member_id=other)
        return RemoveMemberPayload(account_id=input.account_id)

    @mutation(roles=None)
    async def leave_workspace(self, info: Info) -> LeaveWorkspacePayload | None:
        """Leave the active organization, as removeMember by oneself. Its only owner makes somebody else an owner first."""
        db = info.context.db
        async with db.transaction():
            standing = await stand(db, db.actor.account_id, None)
            check_not_last(standing, standing.role)
            await delete_member(db, member_id=db.actor.account_id)
        return LeaveWorkspacePayload(workspace_id=global_id("Workspace", str(db.actor.workspace_id)))

    @mutation(roles=OWNERS)
    async def transfer_ownership(self, info: Info, input: TransferOwnershipInput) -> TransferOwnershipPayload | None:
        """Make another member an owner and become an admin oneself, both at once. Owners only."""
        other = parse_uuid(input.account_id, "Account", field="accountId")
        db = info.context.db
        async with db.transaction():
            await stand(db, other, OWNERS)
            if other == db.actor.account_id:
                raise AppError(ErrorCode.BAD_INPUT, "This is yourself; pass another member.", field="accountId")
            member = await update_role(db, member_id=other, role=Role.OWNER.value)
            await update_role(db, member_id=db.actor.account_id, role=Role.ADMIN.value)
        assert member is not None
        return TransferOwnershipPayload(member=member)
