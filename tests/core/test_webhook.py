"""Webhooks: made by who may, shown without their secret, sealed, limited by plan."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.kit.embedded import Embedded
from app.kit.graphql import global_id
from tests.conftest import Api, copy_of
from tests.core.test_workspace import organize
from tests.factory.core import Person
from tests.factory.kit import serving
from tests.factory.receiver import receiving
from tests.factory.webhook import CHANGE, CREATE, WEBHOOK, WEBHOOKS, by_id, create, deliver, happen, made

URL = "https://hooks.example.com/x"
ROTATE = "mutation($input: RotateWebhookSecretInput!) { rotateWebhookSecret(input: $input) { secret webhook { id } } }"
UPDATE = f"mutation($input: UpdateWebhookInput!) {{ updateWebhook(input: $input) {{ webhook {{ {WEBHOOK} }} }} }}"
REPLAY = "mutation($input: ReplayWebhookDeliveriesInput!) { replayWebhookDeliveries(input: $input) { count } }"
TEST = (
    "mutation($id: ID!, $key: String!) { testWebhook(input: {id: $id, idempotencyKey: $key}) { delivery { id kind status } } }"
)


@pytest.fixture(scope="module")
async def told(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """An API whose webhooks may go to this machine; the tests of this file share it."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, webhook_loopback=True) as api:
            yield api


async def gather(api: Api, name: str, *roles: str) -> tuple[str, dict[str, Person]]:
    """An organization that may have webhooks, with a member of each role."""
    workspace = await organize(api, name, **{f"{name.lower()}_{role}": role for role in roles})
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.workspace SET plan = 'pro' WHERE name = $1", name)
    return workspace, {role: await api.person(f"{name.lower()}_{role}") for role in roles}


async def listed(api: Api, token: str) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await api(WEBHOOKS, token=token)).data["webhooks"]["edges"]]


async def test_a_webhook_is_made_once_and_shows_its_secret_once(told: Api) -> None:
    ada = await told.person("once")
    given = {"url": URL, "kinds": [CHANGE, CHANGE], "description": "Ours", "idempotencyKey": "k"}
    first = (await told(CREATE, {"input": given}, token=ada.token)).data["createWebhook"]
    assert first["secret"].startswith("whsec_")
    assert len(first["secret"]) == 50
    assert first["webhook"]["kinds"] == [CHANGE]
    again = (await told(CREATE, {"input": given}, token=ada.token)).data["createWebhook"]
    assert again == {"secret": None, "webhook": first["webhook"]}
    assert (await told(CREATE, {"input": given | {"url": URL + "y"}}, token=ada.token)).code == "IDEMPOTENCY_CONFLICT"
    assert await listed(told, ada.token) == [first["webhook"]]
    node = "query($id: ID!) { node(id: $id) { ... on Webhook { url } } }"
    assert (await told(node, {"id": first["webhook"]["id"]}, token=ada.token)).data["node"] == {"url": URL}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://u:p@example.com/"}, "url"),
        ({"url": ""}, "url"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["privacy.nothing"]}, "kinds"),
        ({"kinds": ["x" * 5000]}, "kinds"),
        ({"description": "x" * 201}, "description"),
        ({"description": "a\0b"}, None),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_bad_input_makes_no_webhook(shared: Api, given: dict[str, Any], field: str | None) -> None:
    ada = await shared.person("bad")
    answer = await create(shared, ada.token, **{"url": URL} | given)
    assert answer.code == "BAD_INPUT"
    assert answer.body["errors"][0]["extensions"].get("field") == field
    assert await listed(shared, ada.token) == []


async def test_the_plan_limits_webhooks(told: Api) -> None:
    ada = await told.person("poor", plan="free")
    webhook, _ = await made(told, ada.token, URL)
    answer = await create(told, ada.token, URL)
    assert answer.code == "LIMIT_REACHED"
    assert answer.body["errors"][0]["extensions"]["limit"] == {"name": "core.webhooks", "limit": 1, "used": 1, "plan": "free"}
    await told(by_id("deleteWebhook", "deletedId"), {"id": webhook}, token=ada.token)
    await made(told, ada.token, URL)


async def test_webhooks_are_for_owners_and_admins(told: Api) -> None:
    workspace, people = await gather(told, "Hooks", "owner", "admin", "member", "viewer")
    people["stranger"] = await told.person("stranger")
    answer = await create(told, people["owner"].token, URL, kinds=["core.security_alert"], workspace=workspace)
    hook = answer.data["createWebhook"]["webhook"]["id"]
    calls: list[tuple[str, dict[str, Any]]] = [
        (WEBHOOKS, {}),
        ("{ webhookDeliveries { edges { cursor } } }", {}),
        ("{ securityAlerts { edges { cursor } } }", {}),
        (CREATE, {"input": {"url": URL, "kinds": ["core.security_alert"], "idempotencyKey": "r"}}),
        (UPDATE, {"input": {"id": hook, "description": "d"}}),
        (ROTATE, {"input": {"id": hook}}),
        (TEST, {"id": hook, "key": "t"}),
        (by_id("disableWebhook", "webhook { id }"), {"id": hook}),
        (by_id("enableWebhook", "webhook { id }"), {"id": hook}),
        (REPLAY, {"input": {"webhookId": hook, "since": "2026-11-21T00:00:00Z"}}),
        (by_id("replayWebhookDelivery", "delivery { id }"), {"id": global_id("WebhookDelivery", str(uuid4()))}),
        (by_id("deleteWebhook", "deletedId"), {"id": global_id("Webhook", str(uuid4()))}),
    ]
    for role, person in people.items():
        for document, variables in calls:
            said = await told(document, variables, token=person.token, fivefold_workspace=workspace)
            if role in ("owner", "admin"):
                assert said.codes in ([], ["NOT_FOUND"], ["IDEMPOTENCY_CONFLICT"]), (role, document, said.body)
            else:
                assert said.codes == ["NOT_FOUND" if role == "stranger" else "FORBIDDEN"], (role, document)
    for document, variables in calls[4:]:  # with the id, from one's own workspace
        said = await told(document, variables, token=people["stranger"].token)
        assert said.codes == ["NOT_FOUND"], document


async def test_what_is_personal_is_not_told_to_an_organization(told: Api) -> None:
    workspace, people = await gather(told, "Ears", "owner")
    answer = await create(told, people["owner"].token, URL, workspace=workspace)
    assert answer.code == "BAD_INPUT"
    assert "core.security_alert" in answer.body["errors"][0]["message"]


async def test_the_secret_is_in_no_table_and_no_audit(told: Api) -> None:
    ada = await told.person("sealed")
    _, secret = await made(told, ada.token, URL)
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    async with told.database.connect() as admin:
        rows = await admin.fetch("SELECT w::text AS row FROM core.webhook w UNION ALL SELECT d::text FROM core.audit_detail d")
    for (row,) in rows:
        assert raw.hex() not in row
        assert secret not in row
        assert secret.removeprefix("whsec_") not in row


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_while(told: Api) -> None:
    ada = await told.person("rotating")
    async with receiving() as receiver:
        webhook, old = await made(told, ada.token, receiver.url)
        new = (await told(ROTATE, {"input": {"id": webhook}}, token=ada.token)).data["rotateWebhookSecret"]["secret"]
        (shown,) = await listed(told, ada.token)
        assert shown["previousSecretUntil"] is not None
        await happen(told, "rotating")
        await deliver(told)
        assert receiver.received[-1].verify(old)
        assert receiver.received[-1].verify(new)
        at_once = {"input": {"id": webhook, "overlapHours": 0}}
        newest = (await told(ROTATE, at_once, token=ada.token)).data["rotateWebhookSecret"]["secret"]
        await happen(told, "rotating")
        await deliver(told)
        assert [receiver.received[-1].verify(each) for each in (old, new, newest)] == [False, False, True]
        await told(ROTATE, {"input": {"id": webhook, "overlapHours": 1}}, token=ada.token)
        async with told.database.connect() as admin:
            await admin.execute("UPDATE core.webhook SET previous_until = now() WHERE url = $1", receiver.url)
        await happen(told, "rotating")
        await deliver(told)
        assert not receiver.received[-1].verify(newest), "its time is over"
    for hours in (-1, 169):
        assert (await told(ROTATE, {"input": {"id": webhook, "overlapHours": hours}}, token=ada.token)).code == "BAD_INPUT"


async def test_what_is_changed_counts_for_what_comes(told: Api) -> None:
    ada = await told.person("changing")
    async with receiving() as receiver:
        webhook, _ = await made(told, ada.token, "https://nowhere.invalid/")
        change = {"id": webhook, "url": receiver.url, "kinds": ["privacy.scan_requested"], "description": "new"}
        changed = (await told(UPDATE, {"input": change}, token=ada.token)).data["updateWebhook"]["webhook"]
        assert (changed["url"], changed["kinds"], changed["description"]) == (receiver.url, change["kinds"], "new")
        await happen(told, "changing")
        await happen(told, "changing", kind="privacy.scan_requested")
        await deliver(told)
        assert [each.told["type"] for each in receiver.received] == ["privacy.scan_requested"]
    for wrong in ({"url": "https://127.1/"}, {"kinds": ["x"]}, {"description": "x" * 201}):
        assert (await told(UPDATE, {"input": {"id": webhook} | wrong}, token=ada.token)).code == "BAD_INPUT"


async def test_a_deleted_webhook_is_gone_with_its_deliveries(told: Api) -> None:
    ada = await told.person("deleting")
    async with receiving() as receiver:
        webhook, _ = await made(told, ada.token, receiver.url)
        await happen(told, "deleting")
        deleted = (await told(by_id("deleteWebhook", "deletedId"), {"id": webhook}, token=ada.token)).data
        assert deleted["deleteWebhook"]["deletedId"] == webhook
        assert (await told(by_id("deleteWebhook", "deletedId"), {"id": webhook}, token=ada.token)).code == "NOT_FOUND"
        await happen(told, "deleting")
        await deliver(told)
        assert receiver.received == []
    async with told.database.connect() as admin:
        count = "SELECT count(*) FROM core.webhook_delivery WHERE workspace_id = $1"
        assert await admin.fetchval(count, ada.workspace_id) == 0


async def test_bad_ids_are_named(told: Api) -> None:
    ada = await told.person("ids")
    for bad in ("", "x", str(uuid4()), global_id("ApiKey", str(uuid4()))):
        for name, selection in (("deleteWebhook", "deletedId"), ("enableWebhook", "webhook { id }")):
            assert (await told(by_id(name, selection), {"id": bad}, token=ada.token)).code == "BAD_ID"
