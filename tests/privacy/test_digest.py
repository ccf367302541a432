"""Digests: on Monday from eight by the person's clock, once a week however often it is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.core.notification import TELLERS, NotificationKind
from app.core.notification_preference import week_of, zone_of
from app.core.upkeep import Nothing
from app.kit.context import SYSTEM_ID, Actor
from app.kit.db import Db, open_as
from app.kit.jobs import enqueue
from app.privacy.digest import digest, find_digests, make_digest
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.notification import notifications, update
from tests.factory.privacy import link, recorded, scan, template_of

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
"""08:00 in Berlin, where the people of the tests live."""


async def written(api: Api, person: Person, now: datetime) -> bool:
    """Whether a worker writes the digest at a moment."""
    async with open_as(api.database.url(), "fivefold_worker") as (pool, _):
        db = Db(pool, Actor(SYSTEM_ID, person.workspace_id, "owner"), uuid4())
        try:
            return await digest(db, person.account_id, now)
        finally:
            await db.close()


async def had(api: Api, person: Person, week: int) -> None:
    """The week of the last digest."""
    async with api.database.connect() as admin:
        await admin.execute(
            "UPDATE core.notification_preference SET digest_week = $1 WHERE account_id = $2", week, person.account_id
        )


async def reading(api: Api, name: str, week: int = 202601) -> Person:
    """A person with a link who wants digests."""
    person = await api.person(name)
    await link(api, person.token)
    await update(api, person.token, weeklyDigest=True)
    await had(api, person, week)
    return person


async def digests(api: Api, person: Person) -> list[dict[str, Any]]:
    return [each["text"] for each in await notifications(api, person.token, kind="WEEKLY_DIGEST")]


async def hour(api: Api) -> None:
    """What happens in an hour."""
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        await enqueue(db, find_digests, Nothing())
    await run_jobs(api, [find_digests, make_digest])


def test_every_kind_has_words() -> None:
    assert TELLERS.keys() == set(NotificationKind)


async def test_how_the_week_was(api: Api) -> None:
    ada = await reading(api, "ada")
    template = await template_of(api, ada.token)
    one, two = await link(api, ada.token, label="one"), await link(api, ada.token, label="two")
    toggles = [s for s in template["settings"] if s["type"] == "TOGGLE" and s["default"] == "on"][:3]
    now = datetime.now(UTC)

    async def seen(link_id: str, ago: timedelta, count: int, acted: bool = False) -> dict[str, Any]:
        given = scan(link_id, template, values={s["key"]: "off" for s in toggles[:count]}, capturedAt=(now - ago).isoformat())
        for value in given["values"]:
            value["userAction"] = acted
        found: dict[str, Any] = (await recorded(api, ada.token, given))["snapshot"]
        return found

    before = [await seen(one, timedelta(days=9), 0), await seen(two, timedelta(days=8), 0)]
    await seen(one, timedelta(days=2), 1)
    after = [await seen(one, timedelta(days=1), 2, acted=True), await seen(two, timedelta(days=1), 1)]
    assert await written(api, ada, now)
    (text,) = await digests(api, ada)
    score, was = (round(sum(s["riskScore"] for s in found) / 2) for found in (after, before))
    week = week_of(now, zone_of("Europe/Berlin"))
    assert text == {
        "title": f"Your privacy in week {week // 100}-W{week % 100:02}",
        "body": f"Your risk score is {score} of 100; a week ago it was {was}.\nSettings that changed: 3.\n  3 by you",
    }


async def test_without_a_scan_and_without_a_link(api: Api) -> None:
    ada, ben = await reading(api, "ada"), await api.person("ben")
    await update(api, ben.token, weeklyDigest=True)
    await had(api, ben, 202601)
    assert await written(api, ada, MONDAY)
    (text,) = await digests(api, ada)
    assert text["body"] == "Nothing was scanned yet.\nSettings that changed: 0."
    assert not await written(api, ben, MONDAY)
    assert await digests(api, ben) == []


async def test_links_that_cannot_be_read_are_counted(api: Api) -> None:
    ada = await reading(api, "ada")
    async with api.database.connect() as admin:
        await admin.execute(
            "UPDATE privacy.platform_link SET consecutive_failures = 5, stopped_at = now(), last_failure_at = now(),"
            " last_failure = 'BLOCKED'"
        )
    assert await written(api, ada, MONDAY)
    (text,) = await digests(api, ada)
    assert text["body"].endswith("Links that cannot be read: 1.")


async def test_a_week_is_told_once(api: Api) -> None:
    ada = await reading(api, "ada")
    assert [await written(api, ada, MONDAY + timedelta(hours=hours)) for hours in (0, 1, 24, 167)] == [
        True,
        False,
        False,
        False,
    ]
    assert await written(api, ada, MONDAY + timedelta(hours=168))
    assert len(await digests(api, ada)) == 2


async def test_at_once_it_is_written_once(api: Api) -> None:
    ada = await reading(api, "ada")
    assert sorted(await asyncio.gather(*(written(api, ada, MONDAY) for _ in range(6)))) == [False] * 5 + [True]
    assert len(await digests(api, ada)) == 1


async def test_before_eight_it_is_still_last_week(api: Api) -> None:
    ada = await reading(api, "ada", 202647)
    assert not await written(api, ada, MONDAY - timedelta(seconds=1))
    assert await written(api, ada, MONDAY)


async def test_who_moves_gets_no_second_one(api: Api) -> None:
    """From where Monday comes early to where it comes late, and back."""
    ada = await reading(api, "ada", 202647)
    told = []
    async with api.database.connect() as admin:
        for number, zone in enumerate(["Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Kiritimati", "Europe/Berlin"] * 6):
            await admin.execute("UPDATE core.account SET time_zone = $1 WHERE id = $2", zone, ada.account_id)
            if await written(api, ada, MONDAY - timedelta(hours=15) + timedelta(hours=2 * number)):
                told.append(zone)
    assert told == ["Pacific/Kiritimati"]


async def test_only_for_who_wants_it(api: Api) -> None:
    ada = await reading(api, "ada")
    await update(api, ada.token, weeklyDigest=False)
    assert not await written(api, ada, MONDAY)
    await update(api, ada.token, weeklyDigest=True)
    now = datetime.now(UTC)
    assert not await written(api, ada, now), "the first one comes with the next Monday"
    assert await written(api, ada, now + timedelta(days=7))


@pytest.mark.parametrize("channel", ["inApp", "email"])
async def test_one_channel_is_enough(api: Api, channel: str) -> None:
    ada = await reading(api, "ada")
    other = {"inApp": "email", "email": "inApp"}[channel]
    await update(api, ada.token, channels=[{"kind": "WEEKLY_DIGEST", channel: True, other: False}])
    assert await written(api, ada, MONDAY)
    assert len(await digests(api, ada)) == (channel == "inApp")


async def test_the_hour_finds_whose_week_has_begun(api: Api) -> None:
    """Everybody in one look, whatever their zone; a zone that is none any more stops nobody."""
    people = [await reading(api, name) for name in ("ada", "ben", "cleo")]
    current = week_of(datetime.now(UTC), zone_of("Europe/Berlin"))
    await had(api, people[1], current)
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.account SET time_zone = 'Mars/Base' WHERE id = $1", people[2].account_id)
    await hour(api)
    await hour(api)
    assert [len(await digests(api, person)) for person in people] == [1, 0, 1]


async def test_a_member_reads_of_their_own_links_alone(api: Api) -> None:
    """In an organization each member's digest is about the accounts that they linked."""
    from tests.core.test_member import gather

    workspace, people = await gather(api)
    linking = "mutation L($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id } } }"
    asked = {"platformSlug": "google", "label": "Ours", "idempotencyKey": "ours"}
    token = people["member"].token
    assert (await api(linking, {"input": asked}, token=token, fivefold_workspace=workspace)).data
    wanting = "mutation { updateNotificationPreferences(input: {weeklyDigest: true}) { preferences { weeklyDigest } } }"
    for role in ("member", "owner"):
        assert (await api(wanting, token=people[role].token, fivefold_workspace=workspace)).data
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.notification_preference SET digest_week = 202601")
    await hour(api)
    found = {
        role: len(await notifications(api, people[role].token, workspace=workspace, kind="WEEKLY_DIGEST"))
        for role in ("member", "owner")
    }
    assert found == {"member": 1, "owner": 0}
