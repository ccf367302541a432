"""Notifications: told to one member, shown to nobody else, read once, gone after 90 days."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.core import upkeep
from app.core.notification import NotificationKind, notify_many
from app.kit.context import Actor
from app.kit.db import open_as
from app.kit.graphql import global_id, parse_global_id
from tests.conftest import Api
from tests.core.test_member import gather
from tests.factory.notification import MARK, NOTIFICATIONS, alerted, notifications, tell, unread, update
from tests.factory.privacy import api_key, template_of


@pytest.fixture
async def ada_is_told(api: Api) -> Api:
    await alerted(api, await api.person("ada"))
    return api


async def test_a_person_is_told_and_reads(ada_is_told: Api) -> None:
    api, ada = ada_is_told, await ada_is_told.person("ada")
    (found,) = await notifications(api, ada.token)
    assert found["kind"] == "PRIVACY_CHANGE"
    assert found["text"]["title"] == "Google (Personal): 1 setting changed"
    assert found["objectId"].startswith("U25hcHNob3Q6"), "a Snapshot"
    assert (found["readAt"], found["sentAt"]) == (None, None)
    assert datetime.now(UTC) - datetime.fromisoformat(found["createdAt"]) < timedelta(minutes=5)
    assert await unread(api, ada.token) == 1
    marked = (await api(MARK, {"ids": [found["id"]]}, token=ada.token)).data["markNotificationsRead"]
    assert marked["unreadCount"] == 0
    (first,) = marked["notifications"]
    assert first["readAt"] is not None
    again = (await api(MARK, {"ids": [found["id"], found["id"]]}, token=ada.token)).data["markNotificationsRead"]
    assert again["notifications"] == [first, first], "the first moment stays"
    assert await notifications(api, ada.token, unreadOnly=True) == []
    assert len(await notifications(api, ada.token, kind="PRIVACY_CHANGE")) == 1
    assert await notifications(api, ada.token, kind="WEEKLY_DIGEST") == []
    node = "query N($id: ID!) { node(id: $id) { id ... on Notification { kind text { title } } } }"
    shown = (await api(node, {"id": found["id"]}, token=ada.token)).data["node"]
    assert shown == {"id": found["id"], "kind": "PRIVACY_CHANGE", "text": {"title": found["text"]["title"]}}


async def test_what_was_read_is_not_mailed_any_more(ada_is_told: Api) -> None:
    api, ada = ada_is_told, await ada_is_told.person("ada")
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT send_at FROM core.notification") is not None
        (found,) = await notifications(api, ada.token)
        await api(MARK, {"ids": [found["id"]]}, token=ada.token)
        assert await admin.fetchval("SELECT send_at FROM core.notification") is None


async def test_marking_is_of_ones_own_and_all_or_nothing(ada_is_told: Api) -> None:
    api, ada, ben = ada_is_told, await ada_is_told.person("ada"), await ada_is_told.person("ben")
    (found,) = await notifications(api, ada.token)
    gone = global_id("Notification", str(uuid4()))
    assert (await api(MARK, {"ids": [found["id"]]}, token=ben.token)).code == "NOT_FOUND"
    assert (await api(MARK, {"ids": [found["id"], gone]}, token=ada.token)).code == "NOT_FOUND"
    assert (await api(MARK, {"ids": [global_id("Snapshot", str(uuid4()))]}, token=ada.token)).code == "BAD_ID"
    assert (await api(MARK, {"ids": ["x"]}, token=ada.token)).code == "BAD_ID"
    assert (await api(MARK, {"ids": []}, token=ada.token)).code == "BAD_PAGE_SIZE"
    assert (await api(MARK, {"ids": [found["id"]] * 101}, token=ada.token)).code == "BAD_PAGE_SIZE"
    assert await unread(api, ada.token) == 1


async def test_marking_at_once_is_one_moment(ada_is_told: Api) -> None:
    api, ada = ada_is_told, await ada_is_told.person("ada")
    (found,) = await notifications(api, ada.token)
    answers = await asyncio.gather(*(api(MARK, {"ids": [found["id"]]}, token=ada.token) for _ in range(10)))
    assert len({a.data["markNotificationsRead"]["notifications"][0]["readAt"] for a in answers}) == 1


async def test_pages_hold_each_once(api: Api) -> None:
    ada = await api.person("ada")
    for label in ("one", "two", "three"):
        await alerted(api, ada, label)
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = (await api(NOTIFICATIONS, {"first": 1, "after": after}, token=ada.token)).data["notifications"]
        seen += [edge["node"]["text"]["title"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == [f"Google ({label}): 1 setting changed" for label in ("three", "two", "one")]
    assert not page["pageInfo"]["hasNextPage"]


async def test_keys_are_not_told(ada_is_told: Api) -> None:
    """A key reads `alerts`; what a person is told, and what they have read, is the person's."""
    api, ada = ada_is_told, await ada_is_told.person("ada")
    (found,) = await notifications(api, ada.token)
    key = await api_key(api, ada.token, "privacy:read", "snapshots:write")
    for answer in (
        await api("{ notifications { edges { node { id } } } }", token=key),
        await api("{ unreadNotificationCount }", token=key),
        await api("{ notificationPreferences { weeklyDigest } }", token=key),
        await api(MARK, {"ids": [found["id"]]}, token=key),
        await update(api, key, weeklyDigest=True),
    ):
        assert answer.code == "FORBIDDEN"
    node = await api("query N($id: ID!) { node(id: $id) { id } }", {"id": found["id"]}, token=key)
    assert node.data == {"node": None}


# An organization


async def test_the_others_of_an_organization_neither_see_nor_mark(api: Api) -> None:
    """Whatever their role. Each member, a viewer too, has their own."""
    workspace, people = await gather(api)
    workspace_id = UUID(parse_global_id(workspace, field="id")[1])
    teller = Actor(people["member"].account_id, workspace_id, "member")
    template = UUID(parse_global_id((await template_of(api, people["owner"].token))["id"], field="id")[1])
    await tell(api, teller, people["viewer"].account_id, NotificationKind.TEMPLATE_CHANGE, template)
    (mine,) = await notifications(api, people["viewer"].token, workspace=workspace)
    assert mine["text"]["title"] == "Google changed its privacy settings"
    assert await notifications(api, people["viewer"].token) == [], "it was told in the organization"
    node = "query N($id: ID!) { node(id: $id) { id } }"
    for role, person in people.items():
        if role != "viewer":
            assert await notifications(api, person.token, workspace=workspace) == []
            marked = await api(MARK, {"ids": [mine["id"]]}, token=person.token, fivefold_workspace=workspace)
            assert marked.code == "NOT_FOUND"
            answer = await api(node, {"id": mine["id"]}, token=person.token, fivefold_workspace=workspace)
            assert answer.data == {"node": None}
    marked = await api(MARK, {"ids": [mine["id"]]}, token=people["viewer"].token, fivefold_workspace=workspace)
    assert marked.data["markNotificationsRead"]["unreadCount"] == 0


async def test_the_database_hides_them_too(api: Api) -> None:
    """A statement that forgot the account would still show no row of another member, and change none."""
    workspace, people = await gather(api)
    workspace_id = UUID(parse_global_id(workspace, field="id")[1])
    for role in ("owner", "viewer"):
        actor = Actor(people["owner"].account_id, workspace_id, "owner")
        await tell(api, actor, people[role].account_id, NotificationKind.LINK_FAILING, uuid4())
    async with api.database.connect("fivefold_api") as connection, connection.transaction():
        await connection.execute("SELECT set_config('fivefold.workspace_id', $1, true)", str(workspace_id))
        await connection.execute("SELECT set_config('fivefold.account_id', $1, true)", str(people["owner"].account_id))
        assert [row[0] for row in await connection.fetch("SELECT account_id FROM core.notification")] == [
            people["owner"].account_id
        ]
        assert await connection.execute("UPDATE core.notification SET read_at = now()") == "UPDATE 1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM core.notification")


async def test_who_is_no_member_is_not_told(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    await tell(api, ada.actor, ben.account_id, NotificationKind.LINK_FAILING, uuid4())
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.notification") == 0


# What is wanted


async def test_what_is_switched_off_in_the_app_is_not_shown(ada_is_told: Api) -> None:
    api, ada = ada_is_told, await ada_is_told.person("ada")
    await update(api, ada.token, channels=[{"kind": "PRIVACY_CHANGE", "inApp": False}])
    assert await notifications(api, ada.token) == []
    assert await unread(api, ada.token) == 0
    await update(api, ada.token, channels=[{"kind": "PRIVACY_CHANGE", "inApp": True}])
    assert len(await notifications(api, ada.token)) == await unread(api, ada.token) == 1


@pytest.mark.parametrize(("in_app", "email"), [(True, True), (True, False), (False, True), (False, False)])
async def test_a_row_is_written_only_for_a_channel(api: Api, in_app: bool, email: bool) -> None:
    ada = await api.person("ada")
    await update(api, ada.token, channels=[{"kind": "PRIVACY_CHANGE", "inApp": in_app, "email": email}])
    await alerted(api, ada)
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT send_at FROM core.notification")
    assert [row[0] is not None for row in rows] == ([email] if in_app or email else [])


# Many, and the end


async def test_many_are_told_by_one_statement_each_as_they_want(api: Api) -> None:
    people = [await api.person(name) for name in ("ada", "ben", "cleo", "dora")]
    await update(api, people[1].token, channels=[{"kind": "TEMPLATE_CHANGE", "email": False}])
    await update(api, people[2].token, channels=[{"kind": "TEMPLATE_CHANGE", "inApp": False, "email": False}])
    template = UUID(parse_global_id((await template_of(api, people[0].token))["id"], field="id")[1])
    told = [(person.workspace_id, person.account_id, template) for person in people[:3]]
    async with open_as(api.database.url(), "fivefold_worker") as (_, db), db.transaction():
        before = len(db.statements)
        await notify_many(db, told, NotificationKind.TEMPLATE_CHANGE)
        assert len(db.statements) == before + 1
    assert [len(await notifications(api, person.token)) for person in people] == [1, 1, 0, 0]
    async with api.database.connect() as admin:
        waiting = await admin.fetch("SELECT account_id FROM core.notification WHERE send_at IS NOT NULL")
    assert [row[0] for row in waiting] == [people[0].account_id]


async def test_a_worker_in_a_workspace_tells_nobody_elsewhere(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    async with api.database.connect("fivefold_worker") as connection, connection.transaction():
        await connection.execute("SELECT set_config('fivefold.workspace_id', $1, true)", str(ada.workspace_id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO core.notification (workspace_id, account_id, kind) VALUES ($1, $2, 2)",
                ben.workspace_id,
                ben.account_id,
            )


async def test_after_90_days_they_are_gone(api: Api) -> None:
    ada = await api.person("ada")
    for _ in range(2):
        await tell(api, ada.actor, ada.account_id, NotificationKind.LINK_FAILING, uuid4())
    async with api.database.connect() as admin:
        ids = [row[0] for row in await admin.fetch("SELECT id FROM core.notification ORDER BY id")]
        for age, id_ in zip((91, 89), ids, strict=True):
            await admin.execute(
                "UPDATE core.notification SET id = uuidv7(make_interval(days => -$1::integer)), send_at = NULL WHERE id = $2",
                age,
                id_,
            )
        async with open_as(api.database.url(), "fivefold_worker") as (_, db):
            await upkeep.run(db)
        assert await admin.fetchval("SELECT count(*) FROM core.notification") == 1
    (left,) = await notifications(api, ada.token)
    assert datetime.now(UTC) - datetime.fromisoformat(left["createdAt"]) < timedelta(days=90)


async def test_a_failing_link_is_told_with_what_to_do(api: Api) -> None:
    ada = await api.person("ada")
    link_id = UUID(parse_global_id(await alerted(api, ada), field="id")[1])
    for detail in ({"failure": "SIGNED_OUT"}, {"failure": "TRANSIENT"}, None):
        await tell(api, ada.actor, ada.account_id, NotificationKind.LINK_FAILING, link_id, detail)
    texts = [each["text"] for each in await notifications(api, ada.token, kind="LINK_FAILING")]
    assert {text["title"] for text in texts} == {"Google (Personal) cannot be read any more"}
    assert [text["body"] for text in reversed(texts)] == [
        "Sign in to the platform in your browser, and the next scan will work.",
        "Its last scans failed.",
        "Its last scans failed.",
    ]


async def test_what_is_gone_is_still_told_in_general_words(api: Api) -> None:
    ada = await api.person("ada")
    kinds = [NotificationKind.PRIVACY_CHANGE, NotificationKind.TEMPLATE_CHANGE, NotificationKind.LINK_FAILING]
    for kind in kinds:
        await tell(api, ada.actor, ada.account_id, kind, uuid4())
    assert [each["text"]["title"] for each in await notifications(api, ada.token)] == [
        "A platform cannot be read any more",
        "A platform changed its privacy settings",
        "Your settings changed",
    ]


async def test_a_notification_is_small(api: Api) -> None:
    """Row and index entry of an alert that waits to be mailed, in bytes as PostgreSQL lays them out."""
    await alerted(api, await api.person("ada"))
    async with api.database.connect() as admin:
        row = await admin.fetchval("SELECT pg_column_size(n.*) FROM core.notification AS n")
    assert row <= 112
