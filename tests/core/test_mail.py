"""Mail of notifications: all that waits in one message, when the hours are not quiet, once as far as SMTP allows."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.mail import FOOTER, Letter, Member, find_mail, gather_mail, send_mail
from app.core.notification import NotificationKind
from app.core.upkeep import Nothing
from app.kit.db import open_as
from app.kit.jobs import Job, Work, enqueue, enqueue_many
from app.settings import Settings
from tests.conftest import Api
from tests.core.test_member import gather
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.notification import alerted, notifications, tell, update
from tests.factory.smtp import Smtp, smtp_server

JOBS: list[Job[Any]] = [find_mail, gather_mail, send_mail]


@pytest.fixture
async def post() -> AsyncIterator[Smtp]:
    async with smtp_server() as found:
        yield found


def mailing(post: Smtp) -> Settings:
    return Settings.model_validate({"smtp_url": post.url, "mail_from": "Fivefold <no-reply@example.com>"})


async def minute(api: Api, settings: Settings) -> None:
    """What happens in a minute: somebody looks who waits, and what is due is done."""
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        await enqueue(db, find_mail, Nothing())
    await run_jobs(api, JOBS, settings)


async def tell_failing(api: Api, person: Person, times: int = 1) -> None:
    for _ in range(times):
        await tell(api, person.actor, person.account_id, NotificationKind.LINK_FAILING, uuid4())


async def state(api: Api) -> list[str]:
    """Of each notification in the order of telling: waits, is held by a mail, or sent."""
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT send_at, sent_at FROM core.notification ORDER BY id")
    return ["sent" if sent else "waits" if send else "held" for send, sent in rows]


async def test_an_alert_is_mailed_with_its_hashes(api: Api, post: Smtp) -> None:
    ada = await api.person("ada")
    await alerted(api, ada)
    await minute(api, mailing(post))
    (message,) = post.received
    (told,) = await notifications(api, ada.token)
    assert message["To"] == "ada <ada@example.com>"
    assert message["Subject"] == told["text"]["title"] == "Google (Personal): 1 setting changed"
    body = message.get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert told["text"]["body"] in text
    assert "Before: sha256:" in text
    assert FOOTER in text
    assert told["sentAt"] is not None
    await minute(api, mailing(post))
    assert len(post.received) == 1


async def test_several_that_wait_are_one_mail(api: Api, post: Smtp) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    await tell_failing(api, ada, 3)
    await tell_failing(api, ben)
    await minute(api, mailing(post))
    subjects = {str(message["To"]): str(message["Subject"]) for message in post.received}
    assert subjects == {
        "ada <ada@example.com>": "A platform cannot be read any more, and 2 more",
        "ben <ben@example.com>": "A platform cannot be read any more",
    }
    await tell_failing(api, ada)
    await minute(api, mailing(post))
    assert len(post.received) == 3
    assert len(set(post.ids)) == 3
    assert await state(api) == ["sent"] * 5


async def test_a_mail_of_very_many_counts_the_rest(api: Api, post: Smtp) -> None:
    await tell_failing(api, await api.person("ada"), 60)
    await minute(api, mailing(post))
    (message,) = post.received
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().count("Its last scans failed.") == 50
    assert "and 10 more" in body.get_content()
    assert await state(api) == ["sent"] * 60


async def test_each_workspace_writes_for_itself(api: Api, post: Smtp) -> None:
    """What an organization tells and what one's own workspace tells do not meet in a mail."""
    workspace, people = await gather(api)
    viewer = people["viewer"]
    await tell_failing(api, viewer)
    async with api.database.connect() as admin:
        organization: UUID = await admin.fetchval("SELECT id FROM core.workspace WHERE kind = 'organization'")
        await admin.execute(
            "INSERT INTO core.notification (workspace_id, account_id, kind, send_at) VALUES ($1, $2, 3, now())",
            organization,
            viewer.account_id,
        )
    await minute(api, mailing(post))
    assert [str(message["To"]) for message in post.received] == ["viewer <viewer@example.com>"] * 2
    assert len(set(post.ids)) == 2
    assert workspace


# What is not mailed


async def test_what_was_switched_off_meanwhile_is_not_mailed(api: Api, post: Smtp) -> None:
    ada = await api.person("ada")
    await tell_failing(api, ada)
    await update(api, ada.token, channels=[{"kind": "LINK_FAILING", "email": False}])
    await minute(api, mailing(post))
    assert post.received == []
    assert await state(api) == ["held"], "it does not wait any more"


async def test_what_waited_for_days_is_not_mailed(api: Api, post: Smtp) -> None:
    """Such as when mail was set up late: nobody wants a letter of old news."""
    ada = await api.person("ada")
    await tell_failing(api, ada, 2)
    async with api.database.connect() as admin:
        oldest = await admin.fetchval("SELECT id FROM core.notification ORDER BY id LIMIT 1")
        await admin.execute("UPDATE core.notification SET id = uuidv7(interval '-4 days') WHERE id = $1", oldest)
    await minute(api, mailing(post))
    assert len(post.received) == 1
    assert await state(api) == ["held", "sent"]


async def test_without_a_place_for_it_mail_becomes_files(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await tell_failing(api, await api.person("ada"))
    await minute(api, Settings())
    assert await state(api) == ["sent"]
    assert len(list((tmp_path / ".fivefold-mail").glob("notification-*.eml"))) == 1


async def test_an_address_that_is_none_stops_nobody_else(api: Api, post: Smtp) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    async with api.database.connect() as admin:
        await admin.execute(
            "UPDATE core.account SET email = $1 WHERE id = $2", "a@b.c>\r\nbcc: eve@example.org", ada.account_id
        )
    await tell_failing(api, ada)
    await tell_failing(api, ben)
    await minute(api, mailing(post))
    assert post.envelopes == [("MAIL FROM:<no-reply@example.com>", ["RCPT TO:<ben@example.com>"])]


# Quiet hours


def window(zone_minutes: int, before: int, after: int) -> dict[str, str]:
    """Quiet hours around now, on a clock that is so many minutes ahead of UTC."""
    now = datetime.now(UTC) + timedelta(minutes=zone_minutes)
    return {"from": f"{now - timedelta(minutes=before):%H:%M}", "until": f"{now + timedelta(minutes=after):%H:%M}"}


async def test_quiet_hours_hold_mail_until_they_end(api: Api, post: Smtp) -> None:
    """By the clock of the person's zone; in the app it shows at once."""
    ada = await api.person("ada")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.account SET time_zone = 'Asia/Kolkata'")
        await update(api, ada.token, quietHours=window(330, 60, 60))
        await tell_failing(api, ada, 2)
        assert len(await notifications(api, ada.token)) == 2
        await minute(api, mailing(post))
        assert post.received == []
        ends = {row[0] for row in await admin.fetch("SELECT send_at FROM core.notification")}
        assert len(ends) == 1
        assert timedelta(minutes=58) < ends.pop() - datetime.now(UTC) <= timedelta(minutes=60)
        await tell_failing(api, ada)
        await minute(api, mailing(post))
        assert post.received == []
        await update(api, ada.token, quietHours=window(330, 120, -60))  # they ended an hour ago
        await minute(api, mailing(post))
    (message,) = post.received
    assert str(message["Subject"]).endswith(", and 2 more")
    assert await state(api) == ["sent"] * 3


# Once, as far as SMTP allows


async def test_a_refusal_is_tried_again_with_the_same_name(api: Api, post: Smtp) -> None:
    ada = await api.person("ada")
    await tell_failing(api, ada)
    post.refuse["END"] = "DROP"
    await minute(api, mailing(post))
    assert await state(api) == ["held"]
    await tell_failing(api, ada)  # what comes meanwhile is another mail
    post.refuse.clear()
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT attempts FROM jobs.pgqueuer WHERE entrypoint = 'core.send_mail'") == 1
        await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now()")
    await minute(api, mailing(post))
    assert await state(api) == ["sent"] * 2
    assert len(post.received) == 3
    assert len(set(post.ids)) == 2, "the one that may have arrived twice has one name"


async def test_a_mail_that_was_sent_is_not_sent_again(api: Api, post: Smtp) -> None:
    """A worker was killed after the commit, before the queue knew."""
    ada = await api.person("ada")
    await tell_failing(api, ada)
    await minute(api, mailing(post))
    async with api.database.connect() as admin:
        ids = [row[0] for row in await admin.fetch("SELECT id FROM core.notification")]
    letter = Letter(workspace_id=ada.workspace_id, account_id=ada.account_id, notification_ids=ids)
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        await enqueue_many(db, send_mail, [(letter, None)] * 3)
    await run_jobs(api, JOBS, mailing(post))
    assert len(post.received) == 1


async def test_two_who_gather_at_once_make_one_mail(api: Api, post: Smtp) -> None:
    ada = await api.person("ada")
    await tell_failing(api, ada, 5)
    member = Member(workspace_id=ada.workspace_id, account_id=ada.account_id)
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        await enqueue_many(db, gather_mail, [(member, None)] * 5)
    await run_jobs(api, JOBS, mailing(post))
    assert len(post.received) == 1


async def test_a_worker_killed_between_sending_and_saying_so(api: Api, post: Smtp) -> None:
    """With -9, in the moment in which the server has the mail and the worker has not heard it."""
    ada = await api.person("ada")
    await tell_failing(api, ada)
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        await enqueue(db, gather_mail, Member(workspace_id=ada.workspace_id, account_id=ada.account_id))
    environment = {
        **os.environ,
        "DATABASE_URL": api.database.url("fivefold_worker"),
        "FIVEFOLD_SMTP_URL": post.url,
        "FIVEFOLD_MAIL_FROM": "no-reply@example.com",
    }
    taken = asyncio.Event()
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "app", "worker", env=environment, stderr=DEVNULL)
    try:

        def kill() -> None:
            worker.send_signal(signal.SIGKILL)
            taken.set()

        post.accepted = kill
        await asyncio.wait_for(taken.wait(), 60)
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()
    post.accepted = lambda: None
    assert await state(api) == ["held"]
    async with api.database.connect() as admin:  # its heartbeat ended long ago
        await admin.execute("UPDATE jobs.pgqueuer SET heartbeat = now() - interval '1 day', updated = now() - interval '1 day'")
    await run_jobs(api, JOBS, mailing(post))
    assert await state(api) == ["sent"]
    assert len(post.ids) == 2
    assert len(set(post.ids)) == 1


async def test_a_folder_holds_one_file_of_what_is_sent_twice(api: Api, tmp_path: Path) -> None:
    ada = await api.person("ada")
    await tell_failing(api, ada)
    settings = Settings(mail_folder=tmp_path)
    await minute(api, settings)
    async with api.database.connect() as admin:
        ids = [row[0] for row in await admin.fetch("UPDATE core.notification SET sent_at = NULL RETURNING id")]
    letter: dict[str, Any] = {"workspace_id": ada.workspace_id, "account_id": ada.account_id, "notification_ids": ids}
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        await enqueue(db, send_mail, Letter(**letter))
    await run_jobs(api, JOBS, settings)
    assert os.listdir(tmp_path) == [f"notification-{ids[0]}.eml"]


async def test_nobody_who_left_is_written_to(api: Api, post: Smtp) -> None:
    """A job that comes late for a member that is gone ends without a word."""
    ada = await api.person("ada")
    async with open_as(api.database.url(), "fivefold_worker") as (_, db):
        gone = {"workspace_id": ada.workspace_id, "account_id": uuid4()}
        await gather_mail.run(Work(db, 1, settings=mailing(post)), Member(**gone))
        await send_mail.run(Work(db, 2, settings=mailing(post)), Letter(**gone, notification_ids=[uuid4()]))
    assert post.sessions == 0
