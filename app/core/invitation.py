"""Invitations: somebody is asked by mail to become a member, and says so as the owner of that address.

A request makes no secret: the job that mails an invitation makes its token, commits the hash and sends it. A token is good for
seven days and once, for the account whose proven address it was sent to. Whoever has proven the address needs no token at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.account import check_email
from app.core.email_token import AppSettings, hash_token, link, new_token, post
from app.core.idempotency import claim, settle
from app.core.member import Person, Role, stand
from app.core.plan import LimitReached, check_limit
from app.core.workspace import Membership, get_membership, get_workspace
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue, job
from app.kit.page import Page, page
from app.kit.sql import File

ATTEMPTS = 40
"""About a day and a half of trying to hand a mail over."""
PAUSE = timedelta(minutes=5)
"""An address is not mailed more often than that."""

constraint(
    "invitation_email_idx",
    ErrorCode.ALREADY_INVITED,
    "This address is invited. Send the mail again by resendInvitation, or revoke that invitation.",
    field="email",
)


@strawberry.enum(description="How an invitation stands.")
class InvitationState(Enum):
    """Values as in the database, and two that OPEN becomes by itself."""

    OPEN = strawberry.enum_value("OPEN", description="It waits for an answer.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Nobody answered for seven days; it can be mailed again.")
    LAPSED = strawberry.enum_value(
        "LAPSED",
        description="Its sender may not invite so any more, and it lets nobody in. Whoever mails it again is its sender then.",
    )
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="The person is a member.")
    DECLINED = strawberry.enum_value("DECLINED", description="The person does not want to.")
    REVOKED = strawberry.enum_value("REVOKED", description="It was taken back.")


@strawberry.type(description="Somebody is asked to become a member. For owners and admins.")
class Invitation(Node):
    """Nothing here tells whether the address has an account."""

    node_statement = "core/invitation.edge_invitation"
    node_roles = MANAGERS
    node_reads = "core.invitation"

    account_id: strawberry.Private[UUID]

    email: str
    role: Role
    state: InvitationState
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None = strawberry.field(description="When it was handed to the mail last.")
    closed_at: datetime | None

    invited_by: Person | None = edge(
        "core/member.edge_person",
        account_ids="account_id",
        description="Null when that is no member any more. An invitation counts only while its sender may invite so.",
    )


@strawberry.type(description="An invitation for the caller.")
class ReceivedInvitation:
    """It waits for the address that the caller has proven."""

    id: strawberry.Private[UUID]

    workspace_name: str
    color: str | None
    logo_url: str | None
    role: Role
    created_at: datetime
    expires_at: datetime

    @field(name="id", description="Pass it to acceptInvitation or declineInvitation.")
    def invitation_global_id(self) -> strawberry.ID:
        """The id as the API writes it."""
        return global_id("Invitation", str(self.id))


@dataclass(frozen=True)
class Answered:
    """What became of an answer, and of which limit."""

    outcome: str
    of_workspace_id: UUID | None
    reached: int | None
    used: int | None
    plan: str | None


@dataclass(frozen=True)
class Taken:
    """Whether an address is a member's."""

    taken: bool


@dataclass(frozen=True)
class Open:
    """How many wait."""

    open: int


@dataclass(frozen=True)
class InvitationMail:
    """What is to be mailed."""

    email: str
    role: Role
    expires_at: datetime
    name: str


class Asked(BaseModel, frozen=True):
    """Which invitation is to be mailed."""

    workspace_id: UUID
    invitation_id: UUID


sql = File("core/invitation")
answer = sql.one("answer_invitation", Answered)
count_open = sql.one("count_invitation", Open)
get_email_member = sql.one("get_email_member", Taken)
insert_invitation = sql.one("insert_invitation", Invitation)
invitations_by_id = sql.edge("edge_invitation", Invitation)
page_invitation = sql.page("page_invitation", Invitation)
page_own_invitation = sql.page("page_own_invitation", ReceivedInvitation)
revoke_expired = sql.exec("revoke_expired_invitation")
revoke = sql.one("revoke_invitation", Invitation)
take_invitation = sql.one("take_invitation", InvitationMail)
update_invitation = sql.one("update_invitation", Invitation)


@strawberry.input(description="Who is asked to become what.")
class InviteMemberInput:
    """Whether the address has an account makes no difference."""

    email: str
    role: Role | None = strawberry.field(default=None, description="By default the workspace's defaultRole.")
    idempotency_key: str | None = None


@strawberry.input(description="Which invitation: by the token of the mail, or by an id of myInvitations.")
class AcceptInvitationInput:
    """One of the two."""

    token: str | None = None
    id: strawberry.ID | None = None


@strawberry.input(description="Which invitation: by the token of the mail, or by an id of myInvitations.")
class DeclineInvitationInput:
    """One of the two."""

    token: str | None = None
    id: strawberry.ID | None = None


@strawberry.type(description="The invitation; its mail is on its way.")
class InviteMemberPayload:
    """The invitation."""

    invitation: Invitation


@strawberry.type(description="The invitation; another mail is on its way, and the token of the last works no longer.")
class ResendInvitationPayload:
    """The invitation."""

    invitation: Invitation


@strawberry.type(description="The invitation that works no longer.")
class RevokeInvitationPayload:
    """The invitation that works no longer."""

    invitation: Invitation


@strawberry.type(description="The workspace that the caller is in now.")
class AcceptInvitationPayload:
    """The workspace that the caller is in now."""

    membership: Membership


@strawberry.type(description="The invitation is closed.")
class DeclineInvitationPayload:
    """The invitation is closed."""

    declined: bool


async def _ask(db: Db, invitation_id: UUID) -> None:
    asked = Asked(workspace_id=db.actor.workspace_id, invitation_id=invitation_id)
    await enqueue(db, mail_invitation, asked, dedupe=str(invitation_id))


def _missing() -> AppError:
    return AppError(ErrorCode.NOT_FOUND, "There is no such invitation in this workspace.", field="id")


def _check_closed(found: Invitation) -> None:
    if found.state not in (InvitationState.OPEN, InvitationState.EXPIRED, InvitationState.LAPSED):
        message = f"This invitation is {found.state.value.lower()}; it stays as it is."
        raise AppError(ErrorCode.INVITATION_CLOSED, message, field="id")


async def _require(db: Db, id: str) -> Invitation:
    """An invitation of the workspace that is not closed, in the hands of somebody who may. Raises AppError."""
    key = parse_uuid(id, "Invitation", field="id")
    (found,) = await invitations_by_id(db, ids=[key])
    if found is None:
        raise _missing()
    standing = await stand(db, db.actor.account_id)
    if found.role is Role.OWNER and standing.role is not Role.OWNER:
        raise AppError(ErrorCode.FORBIDDEN, "Only an owner may invite owners, or take that back.")
    (found,) = await invitations_by_id(db, ids=[key])  # under the lock now
    if found is None:
        raise _missing()
    _check_closed(found)
    return found


async def _answer(db: Db, token: str | None, id: str | None, *, accept: bool) -> Answered:
    key = None if id is None else parse_uuid(id, "Invitation", field="id")
    if (token is None) is (key is None):
        raise AppError(ErrorCode.BAD_INPUT, "Pass the token of the mail, or an id of myInvitations.", field="token")
    done = await answer(db, token_hash=None if token is None else hash_token(token), id=key, accept=accept)
    assert done is not None
    if done.outcome == "GONE":
        message = "This invitation does not work: it was used, taken back or has expired. Ask for another."
        raise AppError(ErrorCode.NOT_FOUND, message, field="token" if id is None else "id")
    if done.outcome == "ADDRESS":
        message = "This invitation is for another address. Sign in with the account that has it."
        raise AppError(ErrorCode.FORBIDDEN, message, field="token")
    if done.outcome == "UNVERIFIED":
        raise AppError(ErrorCode.EMAIL_NOT_VERIFIED, "Prove first that the address of your account is yours.", field="token")
    if done.outcome == "LIMIT":
        raise LimitReached("core.members", done.reached or 0, done.used or 0, str(done.plan))
    return done


@strawberry.type
class InvitationQuery:
    """Root fields that read invitations."""

    @query(roles=MANAGERS, reads="core.invitation")
    async def invitations(
        self, info: Info, open_only: bool = False, first: int = 20, after: str | None = None
    ) -> Page[Invitation] | None:
        """The invitations of the active workspace, the newest first. Owners and admins only."""
        return await page(page_invitation, info.context.db, first, after, open=open_only or None)

    @query()
    async def my_invitations(self, info: Info, first: int = 20, after: str | None = None) -> Page[ReceivedInvitation] | None:
        """What waits for the caller's answer, in whichever workspace; nothing while the own address is not proven."""
        return await page(page_own_invitation, info.context.db, first, after)


@strawberry.type
class InvitationMutation:
    """Root fields that invite, and by which those who are invited answer."""

    @mutation(roles=MANAGERS)
    async def invite_member(self, info: Info, input: InviteMemberInput) -> InviteMemberPayload | None:
        """Ask somebody by mail to become a member. The mail holds a token, good for seven days and once. Admins invite no
        owners."""
        db = info.context.db
        async with db.transaction():
            if input.idempotency_key is not None:
                given = [input.email, input.role.value if input.role else None]
                done = await claim(db, "inviteMember", input.idempotency_key, given)
                if done is not None:
                    (found,) = await invitations_by_id(db, ids=[done.result_id])
                    if found is None:
                        raise _missing()
                    return InviteMemberPayload(invitation=found)
            standing = await stand(db, db.actor.account_id)
            workspace = await get_workspace(db)
            assert workspace is not None
            role = input.role or workspace.default_role
            if role is Role.OWNER and standing.role is not Role.OWNER:
                raise AppError(ErrorCode.FORBIDDEN, "Only an owner may invite owners.")
            email = check_email(input.email, field="email")
            taken = await get_email_member(db, email=email)
            if taken is not None and taken.taken:
                raise AppError(ErrorCode.ALREADY_MEMBER, "This is the address of a member.", field="email")
            await revoke_expired(db, email=email)
            await check_limit(db, "core.invitations", _count)
            made = await insert_invitation(db, email=email, role=role.value)
            assert made is not None
            await _ask(db, made.id)
            if input.idempotency_key is not None:
                await settle(db, "inviteMember", input.idempotency_key, made.id)
        return InviteMemberPayload(invitation=made)

    @mutation(roles=MANAGERS)
    async def resend_invitation(self, info: Info, id: strawberry.ID) -> ResendInvitationPayload | None:
        """Mail an open or expired invitation once more, at most every five minutes: with another token and seven days more."""
        db = info.context.db
        async with db.transaction():
            found = await _require(db, id)
            if found.sent_at is not None and (free_at := found.sent_at + PAUSE) > datetime.now(UTC):
                raise SentLately(free_at)
            invitation = await update_invitation(db, id=found.id)
            assert invitation is not None
            await _ask(db, invitation.id)
        return ResendInvitationPayload(invitation=invitation)

    @mutation(roles=MANAGERS)
    async def revoke_invitation(self, info: Info, id: strawberry.ID) -> RevokeInvitationPayload | None:
        """Take an open or expired invitation back: its token works no longer."""
        db = info.context.db
        async with db.transaction():
            found = await _require(db, id)
            invitation = await revoke(db, id=found.id)
        assert invitation is not None
        return RevokeInvitationPayload(invitation=invitation)

    @mutation(roles=None)
    async def accept_invitation(self, info: Info, input: AcceptInvitationInput) -> AcceptInvitationPayload | None:
        """Become a member: with the token of the mail, or with an id of `myInvitations`, as the account whose proven address
        was invited, while the plan of that workspace allows a member more."""
        db = info.context.db
        async with db.transaction():
            done = await _answer(db, input.token, input.id, accept=True)
            membership = await get_membership(db, of_workspace_id=done.of_workspace_id)
        assert membership is not None
        return AcceptInvitationPayload(membership=membership)

    @mutation(roles=None)
    async def decline_invitation(self, info: Info, input: DeclineInvitationInput) -> DeclineInvitationPayload | None:
        """Say no, as acceptInvitation says yes."""
        db = info.context.db
        async with db.transaction():
            await _answer(db, input.token, input.id, accept=False)
        return DeclineInvitationPayload(declined=True)


async def _count(db: Db) -> int:
    found = await count_open(db)
    assert found is not None
    return found.open


class SentLately(AppError):
    """``extensions.retryAt`` says from when on another mail may be sent."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(ErrorCode.TOO_SOON, "This invitation was mailed a short while ago. Send it again later.", field="id")
        self.extensions = {**(self.extensions or {}), "retryAt": retry_at.isoformat().replace("+00:00", "Z")}


@job("core.mail_invitation", Asked, attempts=ATTEMPTS, concurrency=4)
async def mail_invitation(work: Work, payload: Asked) -> None:
    """Make the token, keep its hash, send it. Another attempt makes another; a kill in between leaves one that nobody has."""
    token = new_token()
    async with work.db.transaction():
        asked = await take_invitation(work.db, id=payload.invitation_id, token_hash=token.hash)
    if asked is not None:
        name = f"invitation-{payload.invitation_id}-{token.hash.hex()[:8]}"
        await post(work, name, asked.email, "", *compose(work.settings, asked, token.secret))


def compose(settings: AppSettings, asked: InvitationMail, secret: str) -> tuple[str, str]:
    """Subject and text. Of what others wrote it holds the name of the workspace alone: one line without an address."""
    until = asked.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"You are invited to {asked.name}", (
        f"You are invited to the organization “{asked.name}” as {asked.role.value}."
        f"{link(settings, 'accept-invitation', secret)}\n\n"
        f"It works until {until}, once, for an account with this address. If you know nothing of this, do nothing."
    )
