"""Webhooks: where a workspace is told what happened. How it is told stands in app/core/webhook_delivery.py."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol
from uuid import UUID

import strawberry

from app.core.data_key import seal, unseal
from app.core.idempotency import claim, settle
from app.core.outbox import ANNOUNCED
from app.core.plan import check_limit
from app.core.workspace import WorkspaceKind, get_workspace
from app.kit.context import Info
from app.kit.db import Db
from app.kit.egress import BadUrl, check_url
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, Node, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.vault import VaultSettings, new_id

TABLE = "core.webhook"
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins in Standard Webhooks
MOST_OVERLAP_HOURS = 168

constraint("webhook_description_length", ErrorCode.BAD_INPUT, "A description has at most 200 characters.", field="description")


class WebhookSettings(VaultSettings, Protocol):
    """What the operator says of webhooks, see app/settings.py."""

    webhook_loopback: bool
    webhook_seconds: float
    webhook_failing_days: float


@strawberry.enum(description="Why a webhook is told nothing.")
class WebhookDisabledReason(Enum):
    """Values as in the database."""

    ASKED = strawberry.enum_value("ASKED", description="Somebody disabled it.")
    FAILING = strawberry.enum_value("FAILING", description="No attempt has succeeded for days.")
    GONE = strawberry.enum_value("GONE", description="Its server answered 410 Gone.")


@strawberry.type(description="Where the workspace is told what happened, by POST, signed as Standard Webhooks describe.")
class Webhook(Node):
    """Its secret is shown once, when it is made."""

    node_statement = "core/webhook.edge_webhook"
    node_roles = MANAGERS

    url: str
    description: str
    kinds: list[str] = strawberry.field(description="What it is told, such as privacy.change_detected.")
    created_at: datetime
    disabled_at: datetime | None = strawberry.field(description="Since when it is told nothing; null while it is.")
    disabled_reason: WebhookDisabledReason | None
    failing_since: datetime | None = strawberry.field(description="Since when every attempt failed; null if the last did not.")
    previous_until: datetime | None = strawberry.field(
        name="previousSecretUntil", description="Until then what is sent is signed with the previous secret as well."
    )


@dataclass(frozen=True)
class WebhookCount:
    """How many the workspace has."""

    count: int


@dataclass(frozen=True)
class LockedWebhook:
    """A webhook whose secret is about to change."""

    id: UUID
    secret: bytes


@dataclass(frozen=True)
class DeletedWebhook:
    """It is gone."""

    id: UUID


@dataclass(frozen=True)
class Health:
    """How it stands with a webhook after an attempt."""

    failing_since: datetime | None


sql = File("core/webhook")
count_webhook = sql.one("count_webhook", WebhookCount)
delete = sql.one("delete_webhook", DeletedWebhook)
insert_webhook = sql.one("insert_webhook", Webhook)
lock_webhook = sql.one("lock_webhook", LockedWebhook)
page_webhook = sql.page("page_webhook", Webhook)
update = sql.one("update_webhook", Webhook)
disable = sql.one("update_webhook_disabled", Webhook)
enable = sql.one("update_webhook_enabled", Webhook)
update_webhook_health = sql.one("update_webhook_health", Health)
update_webhook_rest = sql.exec("update_webhook_rest")
update_webhook_secret = sql.one("update_webhook_secret", Webhook)
webhooks_by_id = sql.edge("edge_webhook", Webhook)


def show_secret(secret: bytes) -> str:
    """As Standard Webhooks write it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def checked_url(url: str, settings: WebhookSettings) -> str:
    """The URL. Raises BAD_INPUT for one that leads into networks of ours; names are looked up whenever something is sent."""
    try:
        return check_url(url, loopback=settings.webhook_loopback)
    except BadUrl as bad:
        raise AppError(ErrorCode.BAD_INPUT, str(bad), field="url") from None


async def checked_kinds(db: Db, kinds: list[str]) -> list[str]:
    """The kinds, each once. Raises BAD_INPUT for those that there are not, and for those of others in an organization."""
    workspace = await get_workspace(db)
    assert workspace is not None
    own = WorkspaceKind(workspace.kind) is WorkspaceKind.PERSONAL
    allowed = sorted(name for name, announced in ANNOUNCED.items() if own or not announced.personal)
    wrong = [kind for kind in kinds if kind not in allowed]
    if wrong or not kinds:
        what = f"A webhook of this workspace cannot be told {wrong[0][:60]!r}" if wrong else "A webhook is told something"
        raise AppError(ErrorCode.BAD_INPUT, f"{what}; choose from {', '.join(allowed)}.", field="kinds")
    return sorted(set(kinds))


async def count_used(db: Db) -> int:
    """How many of the plan's webhooks are used."""
    found = await count_webhook(db)
    assert found is not None
    return found.count


def required(found: Webhook | None) -> Webhook:
    """The webhook. Raises NOT_FOUND."""
    if found is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such webhook in this workspace.", field="id")
    return found


@strawberry.input(description="Where to tell what.")
class CreateWebhookInput:
    """``kinds`` are listed in the error that a wrong one leads to, and in the README."""

    url: str = strawberry.field(description="An https address that everybody can reach.")
    kinds: list[str]
    description: str = ""
    idempotency_key: str


@strawberry.input(description="What is to change. What is left out stays.")
class UpdateWebhookInput:
    """A new URL is tried at once, whatever the old one did."""

    id: strawberry.ID
    url: str | None = None
    kinds: list[str] | None = None
    description: str | None = None


@strawberry.input(description="Whose secret is to change.")
class RotateWebhookSecretInput:
    """With 0 hours the old secret signs nothing any more, at once: for one that others have seen."""

    id: strawberry.ID
    overlap_hours: int = strawberry.field(
        default=24, description="For so many hours, 0 to 168, what is sent bears two signatures, of the new secret and the old."
    )


@strawberry.type(description="The new webhook, with its secret this once.")
class CreateWebhookPayload:
    """The new webhook."""

    webhook: Webhook
    secret: str | None = strawberry.field(
        description="whsec_ and 32 bytes in base64; shown this once; null when the request repeats an earlier one."
    )


@strawberry.type(description="The webhook with its new secret, shown this once.")
class RotateWebhookSecretPayload:
    """The new secret."""

    webhook: Webhook
    secret: str


@strawberry.type(description="The webhook as it is now.")
class UpdateWebhookPayload:
    """The webhook as it is now."""

    webhook: Webhook


@strawberry.type(description="The webhook is gone, with its deliveries.")
class DeleteWebhookPayload:
    """What was deleted."""

    deleted_id: strawberry.ID


@strawberry.type(description="The webhook, which is told again.")
class EnableWebhookPayload:
    """The webhook."""

    webhook: Webhook


@strawberry.type(description="The webhook, which is told nothing now.")
class DisableWebhookPayload:
    """The webhook."""

    webhook: Webhook


@strawberry.type
class WebhookQuery:
    """Root fields that read webhooks."""

    @query(roles=MANAGERS)
    async def webhooks(self, info: Info, first: int = 20, after: str | None = None) -> Page[Webhook] | None:
        """The webhooks of the active workspace, newest first. Owners and admins only."""
        return await page(page_webhook, info.context.db, first, after)


@strawberry.type
class WebhookMutation:
    """Root fields that make and change webhooks."""

    @mutation(roles=MANAGERS)
    async def create_webhook(self, info: Info, input: CreateWebhookInput) -> CreateWebhookPayload | None:
        """Tell a server from now on what happens. The secret by which it knows us is in this answer and nowhere else."""
        db, settings = info.context.db, info.context.settings
        given = [input.url, input.kinds, input.description]
        async with db.transaction():
            done = await claim(db, "createWebhook", input.idempotency_key, given)
            if done is not None:
                (found,) = await webhooks_by_id(db, ids=[done.result_id])
                return CreateWebhookPayload(webhook=required(found), secret=None)
            await check_limit(db, "core.webhooks", count_used)
            url, kinds = checked_url(input.url, settings), await checked_kinds(db, input.kinds)
            webhook_id, secret = new_id(), secrets.token_bytes(SECRET_BYTES)
            sealed = await seal(db, settings, TABLE, "secret", webhook_id, secret)
            made = await insert_webhook(db, id=webhook_id, url=url, description=input.description, kinds=kinds, secret=sealed)
            assert made is not None
            await settle(db, "createWebhook", input.idempotency_key, made.id)
        return CreateWebhookPayload(webhook=made, secret=show_secret(secret))

    @mutation(roles=MANAGERS)
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> UpdateWebhookPayload | None:
        """Change where a webhook goes or what it is told. What was made before goes to the new URL."""
        db, settings = info.context.db, info.context.settings
        webhook_id = parse_uuid(input.id, "Webhook", field="id")
        url = None if input.url is None else checked_url(input.url, settings)
        async with db.transaction():
            kinds = None if input.kinds is None else await checked_kinds(db, input.kinds)
            return UpdateWebhookPayload(
                webhook=required(await update(db, id=webhook_id, url=url, description=input.description, kinds=kinds))
            )

    @mutation(roles=MANAGERS)
    async def delete_webhook(self, info: Info, id: strawberry.ID) -> DeleteWebhookPayload | None:
        """Delete a webhook with its deliveries. Deleting it again is NOT_FOUND."""
        async with info.context.db.transaction():
            gone = await delete(info.context.db, id=parse_uuid(id, "Webhook", field="id"))
        if gone is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no such webhook in this workspace.", field="id")
        return DeleteWebhookPayload(deleted_id=id)

    @mutation(roles=MANAGERS)
    async def enable_webhook(self, info: Info, id: strawberry.ID) -> EnableWebhookPayload | None:
        """Tell it again what happens from now on; `replayWebhookDeliveries` tells it what happened meanwhile."""
        async with info.context.db.transaction():
            found = await enable(info.context.db, id=parse_uuid(id, "Webhook", field="id"))
        return EnableWebhookPayload(webhook=required(found))

    @mutation(roles=MANAGERS)
    async def rotate_webhook_secret(self, info: Info, input: RotateWebhookSecretInput) -> RotateWebhookSecretPayload | None:
        """Give a webhook a new secret. The old one signs as well, until the overlap ends or the next rotation."""
        db, settings = info.context.db, info.context.settings
        webhook_id = parse_uuid(input.id, "Webhook", field="id")
        if not 0 <= input.overlap_hours <= MOST_OVERLAP_HOURS:
            message = f"The overlap is 0 to {MOST_OVERLAP_HOURS} hours."
            raise AppError(ErrorCode.BAD_INPUT, message, field="overlapHours")
        secret = secrets.token_bytes(SECRET_BYTES)
        async with db.transaction():
            held = await lock_webhook(db, id=webhook_id)
            if held is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such webhook in this workspace.", field="id")
            previous = previous_until = None
            if input.overlap_hours:
                old = await unseal(db, settings, TABLE, "secret", webhook_id, held.secret)
                previous = await seal(db, settings, TABLE, "previous_secret", webhook_id, old)
                previous_until = datetime.now(UTC) + timedelta(hours=input.overlap_hours)
            changed = await update_webhook_secret(
                db,
                id=webhook_id,
                secret=await seal(db, settings, TABLE, "secret", webhook_id, secret),
                previous_secret=previous,
                previous_until=previous_until,
            )
        return RotateWebhookSecretPayload(webhook=required(changed), secret=show_secret(secret))
