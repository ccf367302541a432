"""Deliveries of webhooks: what happened, told at least once to whoever wants to be told.

The outbox's trigger makes a delivery for each webhook in the transaction of the event itself, so none is lost and none made
twice, whoever is killed when. A job hands it over; what fails is tried again later and later for about a day, then it is a
dead letter that people can replay. All attempts bear the same ``webhook-id``, by which receivers know a repetition.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
import strawberry
from pydantic import BaseModel

from app.core.data_key import unseal
from app.core.idempotency import claim, settle
from app.core.outbox import ANNOUNCED, announce
from app.core.security_alert import AlertKind, tell_managers
from app.core.upkeep import Nothing
from app.core.webhook import (
    TABLE,
    DisableWebhookPayload,
    disable,
    required,
    update_webhook_health,
    update_webhook_rest,
    webhooks_by_id,
)
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.egress import BadUrl, Reply, Unreachable, send
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import MANAGERS, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue, enqueue_many, job
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.vault import Sealed

FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=6)
MOST_TRIES = 11
"""The delays between them make up about a day."""
LONGEST_REST = timedelta(minutes=5)
MOST_AT_ONCE = 10_000
"""So many are looked after in a minute, or replayed by one request."""
KEPT = timedelta(days=30)

TESTED = announce("core.webhook_tested", "Webhook", "Nothing happened: somebody tries whether a webhook works.")


@strawberry.enum(description="What became of a delivery.")
class WebhookDeliveryStatus(Enum):
    """Values as in the database."""

    WAITING = strawberry.enum_value("WAITING", description="It will be tried, or tried again.")
    DELIVERED = strawberry.enum_value("DELIVERED", description="The server took it: it answered 2xx.")
    DEAD = strawberry.enum_value("DEAD", description="A dead letter: nothing tries it any more, until it is replayed.")


@strawberry.type(description="One request of a delivery.")
class WebhookAttempt:
    """What was answered is not kept."""

    created_at: datetime
    milliseconds: int
    http_status: int | None = strawberry.field(description="Null when there was no answer.")
    failure: str | None = strawberry.field(description="Null for a success; else a word such as STATUS or TIMED_OUT.")


@strawberry.type(description="One event for one webhook. Kept for 30 days.")
class WebhookDelivery(Node):
    """``id`` as a uuid is the header webhook-id of every attempt."""

    node_statement = "core/webhook_delivery.edge_webhook_delivery"
    node_roles = MANAGERS

    webhook_id: strawberry.Private[UUID]
    object_id: strawberry.Private[UUID]

    kind: str
    event_at: datetime = strawberry.field(description="When it happened.")
    next_at: datetime | None = strawberry.field(name="nextAttemptAt", description="Null once it has ended.")
    ended_at: datetime | None
    tries: int = strawberry.field(description="Attempts since it was made or last replayed.")
    status: WebhookDeliveryStatus

    attempts: list[WebhookAttempt] = edge("core/webhook_delivery.edge_webhook_attempt", many=True, delivery_ids="id")

    @field(name="webhookId", description="Global id of the webhook.")
    def webhook_global_id(self) -> strawberry.ID:
        """Of type Webhook."""
        return global_id("Webhook", str(self.webhook_id))

    @field(name="messageId", description="The header webhook-id of every attempt.")
    def message_id(self) -> str:
        """The row's uuid."""
        return str(self.id)

    @field(name="objectId", description="Global id of what the event is about.")
    def object_global_id(self) -> strawberry.ID:
        """By the type that belongs to the kind."""
        return object_of(self.kind, self.object_id)


@dataclass(frozen=True)
class Parcel:
    """All that one attempt needs."""

    id: UUID
    webhook_id: UUID
    object_id: UUID
    kind: str
    event_at: datetime
    detail: Any
    tries: int
    turn: int
    status: str
    url: str
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    resting_until: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True)
class Turn:
    """What is to be done next of a delivery."""

    id: UUID
    turn: int


@dataclass(frozen=True)
class Overdue:
    """A delivery that nobody has tried."""

    workspace_id: UUID
    id: UUID
    turn: int


class DeliveryTurn(BaseModel, frozen=True):
    """One attempt. A job whose ``turn`` has passed has nothing to do."""

    workspace_id: UUID
    delivery_id: UUID
    turn: int

    @property
    def key(self) -> str:
        """Under which it waits once, whoever asked for it."""
        return f"{self.delivery_id}:{self.turn}"


sql = File("core/webhook_delivery")
deliveries_by_id = sql.edge("edge_webhook_delivery", WebhookDelivery)
attempts_by_delivery = sql.edge("edge_webhook_attempt", WebhookAttempt)
get_parcel = sql.one("get_parcel", Parcel)
insert_missed_deliveries = sql.exec("insert_missed_deliveries")
insert_test_delivery = sql.one("insert_test_delivery", WebhookDelivery)
insert_webhook_attempt = sql.exec("insert_webhook_attempt")
list_overdue_delivery = File("core/across").many("list_overdue_delivery", Overdue)
list_waiting_turn = sql.many("list_waiting_turn", Turn)
page_webhook_delivery = sql.page("page_webhook_delivery", WebhookDelivery)
update_deliveries_dead = sql.exec("update_deliveries_dead")
update_deliveries_replayed = sql.exec("update_deliveries_replayed")
update_delivery_next = sql.one("update_delivery_next", Turn)
update_delivery_replayed = sql.one("update_delivery_replayed", WebhookDelivery)


def object_of(kind: str, object_id: UUID) -> strawberry.ID:
    """The global id of what news of a kind are about."""
    announced = ANNOUNCED.get(kind)
    return global_id(announced.type_name if announced else "Object", str(object_id))


def sign(secrets: list[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: one signature for each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return " ".join(f"v1,{signature}" for signature in made)


def body_of(parcel: Parcel, workspace_id: UUID) -> bytes:
    """What is posted: the same bytes at every attempt."""
    data = {"objectId": object_of(parcel.kind, parcel.object_id), **parcel.detail}
    told = {
        "id": str(parcel.id),
        "type": parcel.kind,
        "createdAt": parcel.event_at,
        "workspace": global_id("Workspace", str(workspace_id)),
        "data": data,
    }
    return orjson.dumps(told, option=orjson.OPT_UTC_Z)


def next_delay(tries: int, chance: float) -> timedelta | None:
    """How long to wait after so many failures (1 and more): three times as long each time, a fifth more or less by chance.

    None when it was tried often enough. ``chance`` is 0..1.
    """
    if tries >= MOST_TRIES:
        return None
    delay: timedelta = min(FIRST_DELAY * 3 ** (tries - 1), LONGEST_DELAY)
    return delay * (0.8 + 0.4 * chance)


async def hand_over(work: Work, parcel: Parcel, workspace_id: UUID) -> tuple[Reply | None, str | None]:
    """Post it once; (the answer, what failed). Outside of any transaction: it may take seconds."""
    db, settings, now = work.db, work.settings, datetime.now(UTC)
    try:
        secrets = [await unseal(db, settings, TABLE, "secret", parcel.webhook_id, parcel.secret)]
        if parcel.previous_secret is not None and parcel.previous_until is not None and parcel.previous_until > now:
            previous = await unseal(db, settings, TABLE, "previous_secret", parcel.webhook_id, parcel.previous_secret)
            secrets.append(previous)
    except Sealed:
        return None, "SECRET_LOST"
    await db.restart()
    body, timestamp = body_of(parcel, workspace_id), int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Fivefold-Webhooks",
        "Accept": "*/*",
        "webhook-id": str(parcel.id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, str(parcel.id), timestamp, body),
    }
    try:
        reply = await send(
            "POST",
            parcel.url,
            headers=headers,
            body=body,
            seconds=settings.webhook_seconds,
            loopback=settings.webhook_loopback,
        )
    except Unreachable as unreachable:
        return None, unreachable.failure.name
    except BadUrl:
        return None, "ADDRESS_REFUSED"
    return reply, None if 200 <= reply.status < 300 else "STATUS"


@job("core.deliver_webhook", DeliveryTurn, concurrency=8)
async def deliver_webhook(work: Work, payload: DeliveryTurn) -> None:
    """One attempt, and what comes after it. A worker that is killed in between posts it again, under the same webhook-id."""
    db, now = work.db, datetime.now(UTC)
    parcel = await get_parcel(db, id=payload.delivery_id)
    if parcel is None or parcel.turn != payload.turn or parcel.status != WebhookDeliveryStatus.WAITING.name:
        return
    if parcel.disabled_at is not None:
        async with work.once():
            await _go_on(db, payload, WebhookDeliveryStatus.DEAD, None, tried=False)
        return
    if parcel.resting_until is not None and parcel.resting_until > now:
        rest = parcel.resting_until - now + timedelta(seconds=5 * random.random())  # noqa: S311
        async with work.once():
            await _go_on(db, payload, WebhookDeliveryStatus.WAITING, rest, tried=False)
        return
    begun = datetime.now(UTC)
    reply, failure = await hand_over(work, parcel, payload.workspace_id)
    took = (datetime.now(UTC) - begun) // timedelta(milliseconds=1)
    async with work.once():
        await insert_webhook_attempt(
            db,
            delivery_id=parcel.id,
            milliseconds=reply.milliseconds if reply else max(took, 0),
            http_status=reply.status if reply else None,
            failure=failure,
        )
        delay = next_delay(parcel.tries + 1, random.random()) if failure else None  # noqa: S311
        rest = min(delay or LONGEST_REST, LONGEST_REST)
        health = await update_webhook_health(
            db, id=parcel.webhook_id, failed=failure is not None, resting_until=datetime.now(UTC) + rest if failure else None
        )
        status = WebhookDeliveryStatus.DELIVERED if failure is None else WebhookDeliveryStatus.DEAD
        await _go_on(db, payload, WebhookDeliveryStatus.WAITING if delay else status, delay, tried=True)
        longest = timedelta(days=work.settings.webhook_failing_days)
        if reply is not None and reply.status == 410:
            await give_up(db, parcel.webhook_id, "GONE")
        elif health is not None and health.failing_since is not None and now - health.failing_since > longest:
            await give_up(db, parcel.webhook_id, "FAILING")


async def _go_on(db: Db, payload: DeliveryTurn, status: WebhookDeliveryStatus, delay: timedelta | None, *, tried: bool) -> None:
    """What comes next, in the open transaction; nothing where a replay has changed that meanwhile."""
    next_at = datetime.now(UTC) + delay if delay is not None else None
    turn = await update_delivery_next(
        db, id=payload.delivery_id, turn=payload.turn, status=status.value, next_at=next_at, tried=int(tried)
    )
    if turn is not None and delay is not None:
        following = DeliveryTurn(workspace_id=payload.workspace_id, delivery_id=turn.id, turn=turn.turn)
        await enqueue(db, deliver_webhook, following, dedupe=following.key, delay=delay)


async def give_up(db: Db, webhook_id: UUID, reason: str) -> None:
    """Disable a webhook and tell those who can do something about it."""
    found = await disable(db, id=webhook_id, reason=reason)
    await update_deliveries_dead(db, webhook_id=webhook_id)
    if found is not None:
        await tell_managers(db, AlertKind.WEBHOOK_DISABLED, webhook_id, {"reason": reason})


@job("core.find_deliveries", Nothing, cron="* * * * *")
async def find_deliveries(work: Work, payload: Nothing) -> None:
    """Every minute: what should have been tried a while ago and was not, because a job was lost. It is asked for again."""
    due = await list_overdue_delivery(work.db, limit=MOST_AT_ONCE)
    turns = [DeliveryTurn(workspace_id=each.workspace_id, delivery_id=each.id, turn=each.turn) for each in due]
    if turns:
        async with work.db.transaction():
            await enqueue_many(work.db, deliver_webhook, [(turn, turn.key) for turn in turns])


async def ask_for(db: Db, webhook_id: UUID) -> int:
    """Let everything of a webhook that waits be tried now; how much that is."""
    waiting = await list_waiting_turn(db, webhook_id=webhook_id, limit=MOST_AT_ONCE)
    turns = [DeliveryTurn(workspace_id=db.actor.workspace_id, delivery_id=each.id, turn=each.turn) for each in waiting]
    await enqueue_many(db, deliver_webhook, [(turn, turn.key) for turn in turns])
    return len(turns)


@strawberry.input(description="Which webhook is to be tried.")
class TestWebhookInput:
    """The event tells nothing but the webhook itself."""

    id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="What is to be told again.")
class ReplayWebhookDeliveriesInput:
    """``since`` reaches back 30 days at most; what the webhook was never told, seven."""

    webhook_id: strawberry.ID
    since: datetime
    delivered: bool = strawberry.field(default=False, description="Also what the server took; else what it did not.")


@strawberry.type(description="The delivery, which waits to be tried.")
class ReplayWebhookDeliveryPayload:
    """The delivery."""

    delivery: WebhookDelivery


@strawberry.type(description="How much is told again.")
class ReplayWebhookDeliveriesPayload:
    """How many deliveries wait to be tried now."""

    count: int


@strawberry.type(description="The delivery of the test, which waits to be tried.")
class TestWebhookPayload:
    """The delivery."""

    delivery: WebhookDelivery


@strawberry.type
class WebhookDeliveryQuery:
    """Root fields that read deliveries."""

    @query(roles=MANAGERS)
    async def webhook_deliveries(
        self,
        info: Info,
        webhook_id: strawberry.ID | None = None,
        status: WebhookDeliveryStatus | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[WebhookDelivery] | None:
        """What the active workspace's webhooks were told, newest first. Owners and admins only."""
        of = None if webhook_id is None else parse_uuid(webhook_id, "Webhook", field="webhookId")
        return await page(
            page_webhook_delivery,
            info.context.db,
            first,
            after,
            webhook_id=of,
            status=status.value if status else None,
        )


@strawberry.type
class WebhookDeliveryMutation:
    """Root fields that have something delivered."""

    @mutation(roles=MANAGERS)
    async def disable_webhook(self, info: Info, id: strawberry.ID) -> DisableWebhookPayload | None:
        """Tell it nothing any more; what waits becomes a dead letter. Disabling it again changes nothing."""
        db, webhook_id = info.context.db, parse_uuid(id, "Webhook", field="id")
        async with db.transaction():
            found = required(await disable(db, id=webhook_id, reason="ASKED"))
            await update_deliveries_dead(db, webhook_id=webhook_id)
        return DisableWebhookPayload(webhook=found)

    @mutation(roles=MANAGERS)
    async def test_webhook(self, info: Info, input: TestWebhookInput) -> TestWebhookPayload | None:
        """Send a webhook core.webhook_tested, whatever it asked for."""
        db, webhook_id = info.context.db, parse_uuid(input.id, "Webhook", field="id")
        async with db.transaction():
            done = await claim(db, "testWebhook", input.idempotency_key, [input.id])
            if done is not None:
                (found,) = await deliveries_by_id(db, ids=[done.result_id])
            else:
                _refuse_disabled((await webhooks_by_id(db, ids=[webhook_id]))[0])
                found = await insert_test_delivery(db, webhook_id=webhook_id, kind=TESTED)
                assert found is not None
                turn = DeliveryTurn(workspace_id=db.actor.workspace_id, delivery_id=found.id, turn=0)
                await enqueue(db, deliver_webhook, turn, dedupe=turn.key)
                await settle(db, "testWebhook", input.idempotency_key, found.id)
        if found is None:
            raise AppError(ErrorCode.NO_LONGER_KEPT, "This delivery was deleted with its webhook, or after 30 days.")
        return TestWebhookPayload(delivery=found)

    @mutation(roles=MANAGERS)
    async def replay_webhook_delivery(self, info: Info, id: strawberry.ID) -> ReplayWebhookDeliveryPayload | None:
        """Have one delivery tried again from the beginning, at once and under its webhook-id."""
        db, delivery_id = info.context.db, parse_uuid(id, "WebhookDelivery", field="id")
        async with db.transaction():
            found = await update_delivery_replayed(db, id=delivery_id)
            if found is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such delivery in this workspace.", field="id")
            _refuse_disabled((await webhooks_by_id(db, ids=[found.webhook_id]))[0])
            await update_webhook_rest(db, id=found.webhook_id)
            await ask_for(db, found.webhook_id)
        return ReplayWebhookDeliveryPayload(delivery=found)

    @mutation(roles=MANAGERS)
    async def replay_webhook_deliveries(
        self, info: Info, input: ReplayWebhookDeliveriesInput
    ) -> ReplayWebhookDeliveriesPayload | None:
        """Have dead letters tried again, and what happened while the webhook was disabled, from a moment on."""
        db, webhook_id = info.context.db, parse_uuid(input.webhook_id, "Webhook", field="webhookId")
        statuses = [WebhookDeliveryStatus.DEAD.value]
        if input.delivered:
            statuses.append(WebhookDeliveryStatus.DELIVERED.value)
        async with db.transaction():
            (webhook,) = await webhooks_by_id(db, ids=[webhook_id])
            _refuse_disabled(webhook, field="webhookId")
            if input.since < datetime.now(UTC) - KEPT:
                raise AppError(ErrorCode.BAD_INPUT, "Deliveries are kept for 30 days; pass a later moment.", field="since")
            await update_deliveries_replayed(db, webhook_id=webhook_id, since=input.since, statuses=statuses)
            await insert_missed_deliveries(db, webhook_id=webhook_id, since=input.since)
            await update_webhook_rest(db, id=webhook_id)
            count = await ask_for(db, webhook_id)
        return ReplayWebhookDeliveriesPayload(count=count)


def _refuse_disabled(webhook: Any, *, field: str = "id") -> None:
    if webhook is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such webhook in this workspace.", field=field)
    if webhook.disabled_at is not None:
        raise AppError(ErrorCode.BAD_INPUT, "This webhook is disabled; enable it first.", field=field)
