"""Notifications to test with: what asks for them, and what brings some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from app.core.notification import NotificationKind, notify
from app.kit.context import Actor
from app.kit.db import Db
from tests.factory.kit import pool_of
from tests.factory.privacy import link, recorded, scan, template_of

if TYPE_CHECKING:
    from tests.conftest import Answer, Api
    from tests.factory.core import Person

NOTIFICATIONS = """
query Notifications($unreadOnly: Boolean! = false, $kind: NotificationKind, $first: Int! = 100, $after: String) {
  notifications(unreadOnly: $unreadOnly, kind: $kind, first: $first, after: $after) {
    edges { cursor node { id kind createdAt readAt sentAt objectId text { title body } } }
    pageInfo { hasNextPage endCursor }
  }
  unreadNotificationCount
}
"""
MARK = """
mutation Mark($ids: [ID!]!) { markNotificationsRead(ids: $ids) { unreadCount notifications { id readAt text { title } } } }
"""
PREFERENCES = """
fragment All on NotificationPreferences {
  channels { kind inApp email } weeklyDigest minimumSignificance quietHours { from until } timeZone
}
query Preferences { notificationPreferences { ...All } }
mutation Update($input: UpdateNotificationPreferencesInput!) {
  updateNotificationPreferences(input: $input) { preferences { ...All } }
}
"""


async def notifications(api: Api, token: str, **given: Any) -> list[dict[str, Any]]:
    """What a person is told, newest first."""
    headers = {"fivefold_workspace": given.pop("workspace")} if "workspace" in given else {}
    data = (await api(NOTIFICATIONS, given, token=token, **headers)).data
    return [edge["node"] for edge in data["notifications"]["edges"]]


async def unread(api: Api, token: str) -> int:
    """The number on the bell."""
    return int((await api("{ unreadNotificationCount }", token=token)).data["unreadNotificationCount"])


async def update(api: Api, token: str, **given: Any) -> Answer:
    """Change preferences."""
    body = {"query": PREFERENCES, "operationName": "Update", "variables": {"input": given}}
    return await send(api, body, token)


async def preferences(api: Api, token: str) -> dict[str, Any]:
    """What a person wants."""
    answer = await send(api, {"query": PREFERENCES, "operationName": "Preferences"}, token)
    found: dict[str, Any] = answer.data["notificationPreferences"]
    return found


async def send(api: Api, body: dict[str, Any], token: str) -> Answer:
    """A document of several operations."""
    from tests.conftest import Answer

    response = await api.http.post("/graphql", json=body, headers={"Authorization": f"Bearer {token}"})
    return Answer(response.status_code, response.json(), response.headers)


async def alerted(api: Api, person: Person, label: str = "Personal") -> str:
    """A link with a change that the person was not seen making: its id."""
    template = await template_of(api, person.token)
    toggle = next(s for s in template["settings"] if s["type"] == "TOGGLE" and s["default"] == "on")
    link_id = await link(api, person.token, label=label)
    await recorded(api, person.token, scan(link_id, template))
    await recorded(api, person.token, scan(link_id, template, day=1, values={toggle["key"]: "off"}))
    return link_id


async def tell(
    api: Api, actor: Actor, account_id: UUID, kind: NotificationKind, object_id: UUID | None, detail: Any = None
) -> None:
    """Notify as a caller would."""
    db = Db(pool_of(api), actor, uuid4())
    try:
        async with db.transaction():
            await notify(db, account_id, kind, object_id, detail)
    finally:
        await db.close()
