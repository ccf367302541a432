"""Workspaces: the tenants. Everything owned is owned by one of them; people switch between those they are in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from urllib.parse import urlsplit
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.member import Role
from app.core.plan import LimitReached, Plan
from app.core.security_alert import DeletedBy, tell_deleted
from app.core.text import check_line
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import enqueue
from app.kit.page import Page, page
from app.kit.sql import File

MOST_NAME = 200
MOST_URL = 500
_COLOR = re.compile(r"#[0-9a-f]{6}")

constraint("workspace_key_days_range", ErrorCode.BAD_INPUT, "keyDays is 1 to 3650, or null for no limit.", field="keyDays")
constraint(
    "workspace_default_role_known", ErrorCode.BAD_INPUT, "defaultRole is MEMBER, VIEWER or AUDITOR.", field="defaultRole"
)


@strawberry.enum(description="Every account has one personal workspace; organizations have members.")
class WorkspaceKind(Enum):
    """Values as in the database; the system workspace is never anyone's."""

    PERSONAL = "personal"
    ORGANIZATION = "organization"


@strawberry.type(description="What people, keys and all data belong to.")
class Workspace(Node):
    """The caller's active workspace."""

    node_statement = "core/workspace.edge_workspace"

    kind: WorkspaceKind
    name: str
    created_at: datetime
    version: int = strawberry.field(description="Pass it to updateWorkspace: it tells which state you have seen.")
    color: str | None = strawberry.field(description="Branding, such as #3366cc.")
    logo_url: str | None = strawberry.field(description="Branding: an https address, for browsers to fetch.")
    default_role: Role = strawberry.field(description="What who is invited becomes, where the invitation says nothing else.")
    key_days: int | None = strawberry.field(description="New API keys end after so many days at the latest; null for no limit.")

    plan: Plan = edge("core/plan.edge_plan_of_workspace", workspace_ids="id")


@strawberry.type(description="A workspace that the caller is in, active or not: enough to choose it.")
class Membership:
    """Pass ``workspace_id`` in the header Fivefold-Workspace."""

    workspace_id: strawberry.Private[UUID]
    kind: WorkspaceKind
    name: str
    color: str | None
    logo_url: str | None
    role: Role = strawberry.field(description="The caller's role there.")
    joined_at: datetime

    @field(name="workspaceId", description="Global id of the workspace, for the header Fivefold-Workspace.")
    def workspace_global_id(self) -> strawberry.ID:
        """The id as the API writes it."""
        return global_id("Workspace", str(self.workspace_id))


@strawberry.type(description="An organization that was deleted, of which the caller is an owner.")
class DeletedWorkspace:
    """Nobody gets in. ``restoreWorkspace`` brings it back as it was."""

    workspace_id: strawberry.Private[UUID]
    name: str
    deleted_at: datetime
    restorable_until: datetime = strawberry.field(description="Then it is erased.")

    @field(name="workspaceId", description="Global id of the workspace, for restoreWorkspace.")
    def workspace_global_id(self) -> strawberry.ID:
        """The id as the API writes it."""
        return global_id("Workspace", str(self.workspace_id))


@dataclass(frozen=True)
class DeleteOutcome:
    """DELETED, or why not: UNKNOWN, FORBIDDEN, PERSONAL, NAME."""

    outcome: str
    name: str | None
    deleted_at: datetime | None
    restorable_until: datetime | None


@dataclass(frozen=True)
class RestoreOutcome:
    """Whether it is there again."""

    restored: bool


@dataclass(frozen=True)
class Rest:
    """Whether the jobs of a workspace wait."""

    resting: bool


@dataclass(frozen=True)
class MadeOrganization:
    """The new organization, or the limit of the caller's plan that was ``reached``."""

    id: UUID | None
    reached: int | None
    used: int | None
    plan: str | None


sql = File("core/workspace")
create_organization = sql.one("create_organization", MadeOrganization)
delete_workspace = sql.one("delete_workspace", DeleteOutcome)
get_membership = sql.one("get_membership", Membership)
get_personal_workspace = sql.one("get_personal_workspace", Workspace)
get_rest = sql.one("get_rest", Rest)
get_workspace = sql.one("get_workspace", Workspace)
lock_workspace = sql.one("lock_workspace", Workspace)
page_deleted_workspace = sql.page(
    "page_deleted_workspace", DeletedWorkspace, keyset=(("workspace_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),)
)
page_membership = sql.page("page_membership", Membership, keyset=(("workspace_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),))
update_restored_workspace = sql.one("update_restored_workspace", RestoreOutcome)
update_workspace = sql.one("update_workspace", Workspace)
workspaces_by_id = sql.edge("edge_workspace", Workspace)


async def is_resting(db: Db) -> bool:
    """Whether jobs of the worker's workspace wait, because somebody deleted it and may restore it."""
    found = await get_rest(db)
    return found is not None and found.resting


def check_color(color: str) -> str:
    """Lower case. Raises BAD_INPUT."""
    color = color.lower()
    if not _COLOR.fullmatch(color):
        raise AppError(ErrorCode.BAD_INPUT, "A color is # and six hexadecimal digits, such as #3366cc.", field="color")
    return color


def check_logo_url(url: str) -> str:
    """An address that a browser may fetch: https, a host, nobody's password, nothing to break out of an attribute with.

    Raises BAD_INPUT.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \"'<>\\`{}|^")
    if not plain or len(url) > MOST_URL or not url.startswith("https://") or not host or "." not in host:
        message = f"logoUrl is an https address of at most {MOST_URL} characters, with a host and without spaces or quotes."
        raise AppError(ErrorCode.BAD_INPUT, message, field="logoUrl")
    if "@" in parts.netloc or port not in (None, 443) or parts.fragment:
        raise AppError(ErrorCode.BAD_INPUT, "logoUrl has no user, port or fragment.", field="logoUrl")
    return url


@strawberry.input(description="A new organization.")
class CreateOrganizationInput:
    """Its maker is its owner."""

    name: str = strawberry.field(description="1 to 200 characters.")
    idempotency_key: str | None = None


@strawberry.input(description="What is to change. What is left out stays; null clears what may be empty.")
class UpdateWorkspaceInput:
    """``version`` is that of the state which the caller has seen."""

    version: int
    name: str | None = strawberry.field(default=None, description="1 to 200 characters.")
    color: str | None = strawberry.field(default=strawberry.UNSET, description="Such as #3366cc.")
    logo_url: str | None = strawberry.field(default=strawberry.UNSET, description="An https address.")
    default_role: Role | None = strawberry.field(default=None, description="MEMBER, VIEWER or AUDITOR.")
    key_days: int | None = strawberry.field(default=strawberry.UNSET, description="1 to 3650.")


@strawberry.input(description="Which organization is to go.")
class DeleteWorkspaceInput:
    """A person's own token is needed; no API key may ask."""

    id: strawberry.ID | None = strawberry.field(default=None, description="Without it, the active one.")
    confirm_name: str = strawberry.field(description="Its name, typed by the person.")


@strawberry.type(description="What is deleted.")
class DeleteWorkspacePayload:
    """What is deleted."""

    deleted_workspace: DeletedWorkspace


@strawberry.type(description="The organization that is there again, as its owner.")
class RestoreWorkspacePayload:
    """The organization that is there again."""

    membership: Membership


@strawberry.type(description="The new organization, as its owner.")
class CreateOrganizationPayload:
    """The new organization, as its owner."""

    membership: Membership


@strawberry.type(description="The workspace as it is now.")
class UpdateWorkspacePayload:
    """The workspace as it is now."""

    workspace: Workspace


@strawberry.type
class WorkspaceQuery:
    """Root fields that read workspaces."""

    @query()
    async def workspace(self, info: Info) -> Workspace | None:
        """The active workspace: the one of the header Fivefold-Workspace, or else the personal one."""
        return await get_workspace(info.context.db)

    @query()
    async def workspaces(self, info: Info, first: int = 20, after: str | None = None) -> Page[Membership] | None:
        """The workspaces that the caller is in, the newest first, whichever is active."""
        return await page(page_membership, info.context.db, first, after)

    @query()
    async def deleted_workspaces(self, info: Info, first: int = 20, after: str | None = None) -> Page[DeletedWorkspace] | None:
        """The organizations of which the caller is an owner that are deleted and may be restored, whichever is active."""
        return await page(page_deleted_workspace, info.context.db, first, after)


@strawberry.type
class WorkspaceMutation:
    """Root fields that make and change workspaces."""

    @mutation(roles=None)
    async def create_organization(self, info: Info, input: CreateOrganizationInput) -> CreateOrganizationPayload | None:
        """Make an organization and become its owner. The plan of one's personal workspace says how many one may own."""
        db = info.context.db
        async with db.transaction():
            if input.idempotency_key is not None:
                done = await claim(db, "createOrganization", input.idempotency_key, [input.name])
                if done is not None:
                    return CreateOrganizationPayload(membership=await _membership(info, done.result_id))
            name = check_line(input.name, MOST_NAME)
            made = await create_organization(db, name=name)
            assert made is not None  # everybody has a personal workspace with a plan
            if made.id is None:
                raise LimitReached("core.organizations", made.reached or 0, made.used or 0, str(made.plan))
            if input.idempotency_key is not None:
                await settle(db, "createOrganization", input.idempotency_key, made.id)
            return CreateOrganizationPayload(membership=await _membership(info, made.id))

    @mutation(roles=MANAGERS)
    async def update_workspace(self, info: Info, input: UpdateWorkspaceInput) -> UpdateWorkspacePayload | None:
        """Change name, branding or settings of the active workspace. Owners and admins only."""
        db = info.context.db
        name = None if input.name is None else check_line(input.name, MOST_NAME)
        color = check_color(input.color) if isinstance(input.color, str) else input.color
        logo_url = check_logo_url(input.logo_url) if isinstance(input.logo_url, str) else input.logo_url
        async with db.transaction():
            seen = await lock_workspace(db)
            assert seen is not None  # or the token would not have been accepted
            if seen.version != input.version:
                raise AppError(
                    ErrorCode.STALE_VERSION,
                    f"The workspace has version {seen.version}, not {input.version}. Read it again and decide anew.",
                    field="version",
                )
            workspace = await update_workspace(
                db,
                name=name or seen.name,
                color=seen.color if color is strawberry.UNSET else color,
                logo_url=seen.logo_url if logo_url is strawberry.UNSET else logo_url,
                default_role=(input.default_role or seen.default_role).value,
                key_days=seen.key_days if input.key_days is strawberry.UNSET else input.key_days,
            )
        assert workspace is not None
        return UpdateWorkspacePayload(workspace=workspace)

    @mutation(roles=None)
    async def delete_workspace(self, info: Info, input: DeleteWorkspaceInput) -> DeleteWorkspacePayload | None:
        """Delete an organization, for its owners: at once nobody gets in. It can be restored for some days, then it is erased.

        What it is subscribed to is not canceled by this.
        """
        db, context = info.context.db, info.context
        chosen = context.actor.workspace_id if input.id is None else parse_uuid(input.id, "Workspace", field="id")
        async with db.transaction():
            done = await delete_workspace(
                db, of_workspace_id=chosen, confirm_name=input.confirm_name.strip(), days=context.settings.restore_days
            )
            assert done is not None
            if done.outcome == "DELETED":
                by = DeletedBy(deleted_id=chosen, account_id=context.actor.account_id)
                await enqueue(db, tell_deleted, by, dedupe=str(chosen))
        match done.outcome:
            case "UNKNOWN":
                message = "You are in no such workspace, or it is deleted already: deletedWorkspaces says so."
                raise AppError(ErrorCode.NOT_FOUND, message, field="id")
            case "FORBIDDEN":
                raise AppError(ErrorCode.FORBIDDEN, "Only its owners delete an organization.")
            case "PERSONAL":
                message = "A personal workspace goes with its account: see requestErasure. Name an organization."
                raise AppError(ErrorCode.BAD_INPUT, message, field="id")
            case "NAME":
                message = "confirmName is not the name of this organization: type it as it is, to show that you mean it."
                raise AppError(ErrorCode.BAD_INPUT, message, field="confirmName")
        assert done.name is not None and done.deleted_at is not None and done.restorable_until is not None  # noqa: PT018
        return DeleteWorkspacePayload(
            deleted_workspace=DeletedWorkspace(
                workspace_id=chosen,
                name=done.name,
                deleted_at=done.deleted_at,
                restorable_until=done.restorable_until,
            )
        )

    @mutation(roles=None)
    async def restore_workspace(self, info: Info, id: strawberry.ID) -> RestoreWorkspacePayload | None:
        """Bring back a deleted organization as it was, with members and keys. For its owners, while there is time."""
        workspace_id = parse_uuid(id, "Workspace", field="id")
        async with info.context.db.transaction():
            done = await update_restored_workspace(info.context.db, of_workspace_id=workspace_id)
            assert done is not None
            if not done.restored:
                message = "You own no deleted organization by this id, or its time is over: deletedWorkspaces lists them."
                raise AppError(ErrorCode.NOT_FOUND, message, field="id")
            return RestoreWorkspacePayload(membership=await _membership(info, workspace_id))


async def _membership(info: Info, workspace_id: UUID | None) -> Membership:
    found = await get_membership(info.context.db, of_workspace_id=workspace_id)
    if found is None:
        raise AppError(ErrorCode.NOT_FOUND, "You are not in this workspace any more.")
    return found
