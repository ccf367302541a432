"""Deliveries: at least once and under one id, whatever the receiver does and whoever is killed."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import upkeep
from app.core.outbox import publish
from app.core.webhook_delivery import LONGEST_DELAY, MOST_TRIES, find_deliveries, next_delay, sign
from app.kit.graphql import global_id
from app.kit.house import root
from tests.conftest import Api, Database
from tests.factory.jobs import worker_db
from tests.factory.kit import db_of, serving
from tests.factory.notification import notifications
from tests.factory.receiver import ERROR, FLOOD, GONE, HANG, OK, RESET, Received, receiving
from tests.factory.webhook import CHANGE, by_id, deliver, deliveries, happen, hurry, made

TEST = (
    "mutation($id: ID!, $key: String!) { testWebhook(input: {id: $id, idempotencyKey: $key}) { delivery { id kind status } } }"
)
REPLAY = "mutation($input: ReplayWebhookDeliveriesInput!) { replayWebhookDeliveries(input: $input) { count } }"
HOOKS = "{ webhooks { edges { node { disabledAt disabledReason failingSince } } } }"


@pytest.fixture
async def told(database: Database, jwt_key: Path) -> AsyncIterator[Api]:
    """An API whose webhooks may go to this machine."""
    async with serving(database, jwt_key, webhook_loopback=True) as api:
        await api.person("ada")
        yield api


async def state(api: Api) -> dict[str, Any]:
    """The only webhook's."""
    ada = await api.person("ada")
    ((edge,),) = [(await api(HOOKS, token=ada.token)).data["webhooks"]["edges"]]
    found: dict[str, Any] = edge["node"]
    return found


async def test_what_happened_is_told_signed(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving() as receiver:
        webhook, secret = await made(told, ada.token, receiver.url)
        (snapshot,) = await happen(told, settings=["a", "b"])
        await happen(told, "ben")
        await happen(told, kind="privacy.scan_requested")
        await deliver(told)
        (came,) = receiver.received
    assert came.verify(secret)
    assert not Received(came.headers, came.body + b" ").verify(secret)
    assert not Received(came.headers | {"webhook-timestamp": "1"}, came.body).verify(secret)
    assert not Received(came.headers | {"webhook-id": "x"}, came.body).verify(secret)
    assert abs(int(came.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert came.headers["content-type"] == "application/json"
    assert came.told["id"] == came.id
    assert came.told == {
        "id": came.id,
        "type": CHANGE,
        "createdAt": came.told["createdAt"],
        "workspace": ada.workspace,
        "data": {"objectId": global_id("Snapshot", str(snapshot)), "settings": ["a", "b"]},
    }
    assert came.told["createdAt"].endswith("Z")
    (delivery,) = await deliveries(told, ada.token)
    assert (delivery["status"], delivery["tries"], delivery["nextAttemptAt"]) == ("DELIVERED", 1, None)
    assert (delivery["webhookId"], delivery["messageId"], delivery["kind"]) == (webhook, came.id, CHANGE)
    assert delivery["attempts"] == [{"httpStatus": 200, "failure": None}]
    assert (await deliveries(told, ada.token, status="DEAD"), await deliveries(told, ada.token, webhookId=webhook)) == (
        [],
        [delivery],
    )


async def test_what_was_rolled_back_is_told_nobody(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving() as receiver:
        await made(told, ada.token, receiver.url)
        db = await db_of(told)
        with suppress(ZeroDivisionError):
            async with db.transaction():
                await publish(db, CHANGE, uuid4())
                raise ZeroDivisionError
        await db.close()
        await deliver(told)
        assert receiver.received == []
    assert await deliveries(told, ada.token) == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(ERROR, "STATUS"), (RESET, "CONNECTION_FAILED"), (HANG, "TIMED_OUT"), (b"nonsense\r\n\r\n", "BAD_ANSWER")],
)
async def test_what_failed_is_tried_again_under_the_same_id(told: Api, answer: bytes, failure: str) -> None:
    ada = await told.person("ada")
    async with receiving(answer, answer, OK) as receiver:
        _, secret = await made(told, ada.token, receiver.url)
        await happen(told)
        await deliver(told, webhook_seconds=0.5)
        (waiting,) = await deliveries(told, ada.token)
        assert (waiting["status"], waiting["tries"]) == ("WAITING", 1)
        assert datetime.fromisoformat(waiting["nextAttemptAt"]) > datetime.now(UTC)
        assert (await state(told))["failingSince"] is not None
        for _ in range(2):
            await hurry(told)
            await deliver(told, webhook_seconds=0.5 if len(receiver.received) < 2 else 5)
    (delivery,) = await deliveries(told, ada.token)
    assert [each["failure"] for each in delivery["attempts"]] == [failure, failure, None]
    assert delivery["status"] == "DELIVERED"
    assert len({each.id for each in receiver.received}) == 1
    assert len({each.body for each in receiver.received}) == 1
    assert all(each.verify(secret) for each in receiver.received)
    assert (await state(told))["failingSince"] is None


async def test_a_huge_answer_is_not_read(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving(FLOOD) as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told)
        await deliver(told)
    assert [each["status"] for each in await deliveries(told, ada.token)] == ["DELIVERED"]


async def test_who_does_not_answer_rests_and_others_are_told(told: Api) -> None:
    """One failure for many events: the others wait, so that they hold up nobody."""
    ada = await told.person("ada")
    async with receiving(ERROR) as bad, receiving() as good:
        await made(told, ada.token, bad.url)
        await made(told, ada.token, good.url)
        await happen(told)
        await deliver(told)
        await happen(told, count=20)
        await deliver(told)
        assert len(good.received) == 21
        assert len(bad.received) == 1


async def test_dead_letters_can_be_replayed(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving(ERROR) as receiver:
        webhook, _ = await made(told, ada.token, receiver.url)
        await happen(told, count=2)
        async with told.database.connect() as admin:
            await admin.execute("UPDATE core.webhook_delivery SET tries = $1", MOST_TRIES - 1)
        await deliver(told)
        await hurry(told)
        await deliver(told)
        dead = await deliveries(told, ada.token, status="DEAD")
        assert [each["tries"] for each in dead] == [MOST_TRIES, MOST_TRIES]
        await hurry(told)
        await deliver(told)
        assert len(receiver.received) == 2, "nothing tries them any more"
        receiver.answers = [OK]
        one = await told(by_id("replayWebhookDelivery", "delivery { id status tries }"), {"id": dead[0]["id"]}, token=ada.token)
        assert one.data["replayWebhookDelivery"]["delivery"] == {"id": dead[0]["id"], "status": "WAITING", "tries": 0}
        await deliver(told)
        assert len(await deliveries(told, ada.token, status="DELIVERED")) == 1
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        replay = {"input": {"webhookId": webhook, "since": since}}
        assert (await told(REPLAY, replay, token=ada.token)).data["replayWebhookDeliveries"]["count"] == 1
        await deliver(told)
        assert (await told(REPLAY, replay, token=ada.token)).data["replayWebhookDeliveries"]["count"] == 0
        replay["input"]["delivered"] = True  # type: ignore[assignment]
        assert (await told(REPLAY, replay, token=ada.token)).data["replayWebhookDeliveries"]["count"] == 2
        assert (await told(REPLAY, replay, token=ada.token)).data["replayWebhookDeliveries"]["count"] == 2, "they wait already"
        await deliver(told)
    assert Counter(each.id for each in receiver.received) == {each["messageId"]: 3 for each in dead}
    old = {"webhookId": webhook, "since": "2020-01-01T00:00:00Z"}
    assert (await told(REPLAY, {"input": old}, token=ada.token)).code == "BAD_INPUT"


async def test_a_disabled_webhook_is_told_what_it_missed_when_asked(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving() as receiver:
        webhook, _ = await made(told, ada.token, receiver.url)
        await happen(told)
        disabling = by_id("disableWebhook", "webhook { disabledReason }")
        disabled = (await told(disabling, {"id": webhook}, token=ada.token)).data["disableWebhook"]
        assert disabled["webhook"]["disabledReason"] == "ASKED"
        await happen(told)
        await deliver(told)
        assert receiver.received == []
        replay = {"input": {"webhookId": webhook, "since": (datetime.now(UTC) - timedelta(days=1)).isoformat()}}
        assert (await told(REPLAY, replay, token=ada.token)).code == "BAD_INPUT"
        assert (await told(TEST, {"id": webhook, "key": "1"}, token=ada.token)).code == "BAD_INPUT"
        await told(by_id("enableWebhook", "webhook { id }"), {"id": webhook}, token=ada.token)
        assert (await told(REPLAY, replay, token=ada.token)).data["replayWebhookDeliveries"]["count"] == 2
        await deliver(told)
        assert len({each.id for each in receiver.received}) == len(receiver.received) == 2


async def test_gone_disables_at_once_and_tells_the_owner(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving(GONE) as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told)
        await deliver(told)
        await happen(told)
        await deliver(told)
        assert len(receiver.received) == 1
    assert (await state(told))["disabledReason"] == "GONE"
    assert [each["status"] for each in await deliveries(told, ada.token)] == ["DEAD"]
    (alert,) = await notifications(told, ada.token, kind="SECURITY_ALERT")
    assert alert["text"]["title"] == "A webhook is told nothing any more"


async def test_who_fails_for_days_is_disabled(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving(ERROR) as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told)
        await deliver(told, webhook_failing_days=2)
        assert (await state(told))["disabledAt"] is None
        async with told.database.connect() as admin:
            await admin.execute("UPDATE core.webhook SET failing_since = now() - interval '49 hours'")
        await hurry(told)
        await deliver(told, webhook_failing_days=2)
    assert (await state(told))["disabledReason"] == "FAILING"
    assert len(await notifications(told, ada.token, kind="SECURITY_ALERT")) == 1


async def test_a_test_is_delivered_whatever_was_asked_for(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving() as receiver:
        webhook, secret = await made(told, ada.token, receiver.url)
        first = (await told(TEST, {"id": webhook, "key": "1"}, token=ada.token)).data["testWebhook"]
        assert (await told(TEST, {"id": webhook, "key": "1"}, token=ada.token)).data["testWebhook"] == first
        await deliver(told)
        (came,) = receiver.received
    assert came.verify(secret)
    assert (came.told["type"], came.told["data"]) == ("core.webhook_tested", {"objectId": webhook})


async def test_a_secret_that_is_lost_sends_nothing(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving() as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told)
        async with told.database.connect() as admin:
            await admin.execute("DELETE FROM core.data_key")
        await deliver(told)
        assert receiver.received == []
    (delivery,) = await deliveries(told, ada.token)
    assert [each["failure"] for each in delivery["attempts"]] == ["SECRET_LOST"]


async def test_an_address_of_ours_is_refused_when_sending_too(told: Api) -> None:
    """The setting changed, or the name leads elsewhere now."""
    ada = await told.person("ada")
    async with receiving() as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told)
        await deliver(told, webhook_loopback=False)
        assert receiver.received == []
    (delivery,) = await deliveries(told, ada.token)
    assert [each["failure"] for each in delivery["attempts"]] == ["ADDRESS_REFUSED"]


async def test_a_lost_job_is_asked_for_again(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving() as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told, count=3)
        async with told.database.connect() as admin:
            await admin.execute("DELETE FROM jobs.pgqueuer")
            await admin.execute("UPDATE core.webhook_delivery SET next_at = now() - interval '3 minutes'")
            enqueue = "SELECT jobs.enqueue('core.find_deliveries', ARRAY['{}'::bytea], ARRAY[NULL::text], interval '0', 0)"
            await admin.execute(enqueue)
        await deliver(told)
        assert len(receiver.received) == 3
    assert find_deliveries.cron is not None


async def test_old_deliveries_go(told: Api) -> None:
    ada = await told.person("ada")
    async with receiving(ERROR) as receiver:
        await made(told, ada.token, receiver.url)
        await happen(told, count=2)
        await deliver(told)
        async with told.database.connect() as admin:
            await admin.execute(
                "UPDATE core.webhook_delivery SET event_at = now() - interval '31 days'"
                " WHERE id = (SELECT id FROM core.webhook_delivery ORDER BY id LIMIT 1)"
            )
        async with worker_db(told.database) as db:
            await upkeep.run(db)
    assert len(await deliveries(told, ada.token)) == 1


async def test_two_workers_and_a_kill_deliver_everything_once_in_the_books(told: Api) -> None:
    """kill -9 amid deliveries: each event arrives at least once under one id, and there is one delivery of each."""
    ada = await told.person("ada")
    async with receiving() as receiver:
        _, secret = await made(told, ada.token, receiver.url)
        environment = {
            **os.environ,
            "DATABASE_URL": told.database.url("fivefold_worker"),
            "FIVEFOLD_WEBHOOK_LOOPBACK": "true",
        }
        words = [sys.executable, "-m", "tests.factory.deliverer"]
        workers = [await asyncio.to_thread(subprocess.Popen, words, env=environment, cwd=root()) for _ in range(2)]
        try:
            objects = await happen(told, count=60)
            async with asyncio.timeout(60):
                while len(receiver.received) < 10:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            workers[0].send_signal(signal.SIGKILL)
            objects += await happen(told, count=20)
            expected = {global_id("Snapshot", str(each)) for each in objects}
            async with asyncio.timeout(60):
                while {each.told["data"]["objectId"] for each in receiver.received} != expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                while await deliveries(told, ada.token, status="WAITING"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        assert all(each.verify(secret) for each in receiver.received)
    found = await deliveries(told, ada.token)
    assert len(found) == len({each["objectId"] for each in found}) == 80
    ids: dict[str, set[str]] = {}
    for each in receiver.received:
        ids.setdefault(each.told["data"]["objectId"], set()).add(each.id)
    assert {len(each) for each in ids.values()} == {1}
    assert {each["status"] for each in found} == {"DELIVERED"}


@given(tries=st.integers(1, 30), chance=st.floats(0, 1))
def test_waits_grow_up_to_a_limit_and_end(tries: int, chance: float) -> None:
    delay = next_delay(tries, chance)
    if tries >= MOST_TRIES:
        assert delay is None
        return
    assert delay is not None
    assert timedelta(seconds=8) <= delay <= LONGEST_DELAY * 1.2
    longer = next_delay(tries + 1, 0.5)
    middle = next_delay(tries, 0.5)
    assert longer is None or middle is None or longer >= middle


def test_the_waits_make_up_about_a_day() -> None:
    delays = [next_delay(tries, 0.5) for tries in range(1, MOST_TRIES)]
    assert timedelta(hours=20) < sum((each for each in delays if each), timedelta()) < timedelta(hours=30)


def test_the_signature_is_that_of_the_standard() -> None:
    """An example that other implementations of Standard Webhooks agree on."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signed = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert orjson.loads(body)
