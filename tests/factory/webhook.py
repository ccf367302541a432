"""Webhooks to test with."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from app.core.outbox import publish
from app.settings import Settings
from tests.conftest import Api
from tests.factory.jobs import run_jobs
from tests.factory.kit import db_of

WEBHOOK = "id url description kinds createdAt disabledAt disabledReason failingSince previousSecretUntil"
CREATE = f"mutation($input: CreateWebhookInput!) {{ createWebhook(input: $input) {{ secret webhook {{ {WEBHOOK} }} }} }}"
WEBHOOKS = f"{{ webhooks {{ edges {{ node {{ {WEBHOOK} }} }} }} }}"
DELIVERY = "id messageId webhookId kind objectId eventAt nextAttemptAt endedAt tries status attempts { httpStatus failure }"
DELIVERIES = (
    "query($webhookId: ID, $status: WebhookDeliveryStatus, $first: Int! = 100) { webhookDeliveries(webhookId: $webhookId,"
    f" status: $status, first: $first) {{ edges {{ node {{ {DELIVERY} }} }} }} }}"
)
CHANGE = "privacy.change_detected"


def by_id(name: str, selection: str) -> str:
    """A mutation that takes an id alone."""
    return f"mutation($id: ID!) {{ {name}(id: $id) {{ {selection} }} }}"


async def create(api: Api, token: str, url: str, **given: Any) -> Any:
    """The answer to making a webhook."""
    said = {"url": url, "kinds": [CHANGE], "idempotencyKey": str(uuid4())} | given
    headers = {"fivefold_workspace": said.pop("workspace")} if "workspace" in said else {}
    return await api(CREATE, {"input": said}, token=token, **headers)


async def made(api: Api, token: str, url: str, **given: Any) -> tuple[str, str]:
    """A new webhook: (id, secret)."""
    payload = (await create(api, token, url, **given)).data["createWebhook"]
    return payload["webhook"]["id"], payload["secret"]


async def happen(api: Api, name: str = "ada", *, count: int = 1, kind: str = CHANGE, **detail: Any) -> list[UUID]:
    """Things happen in a person's workspace, in a transaction each; the ids of what they happened to."""
    db, ids = await db_of(api, name), [uuid4() for _ in range(count)]
    try:
        for each in ids:
            async with db.transaction():
                await publish(db, kind, each, detail)
    finally:
        await db.close()
    return ids


def settings(**given: Any) -> Settings:
    """A worker's, which may deliver to this machine."""
    return Settings(**{"webhook_loopback": True, "webhook_seconds": 5.0} | given)


async def deliver(api: Api, **given: Any) -> None:
    """Run what is due now."""
    await run_jobs(api, settings=settings(**given))


async def hurry(api: Api) -> None:
    """Let what waits to be tried again be due now, and nobody rest."""
    async with api.database.connect() as admin:
        await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now() WHERE status = 'queued'")
        await admin.execute("UPDATE core.webhook SET resting_until = NULL")


async def deliveries(api: Api, token: str, **variables: Any) -> list[dict[str, Any]]:
    """Newest first."""
    found = (await api(DELIVERIES, variables, token=token)).data["webhookDeliveries"]["edges"]
    return [edge["node"] for edge in found]
