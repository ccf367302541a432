"""Security alerts: what an attacker would do is told at once to whom it concerns, once, and cannot be muted."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.notification import NotificationKind
from app.core.security_alert import WORDS, AlertKind, Watched, alert_of, judge, watch_security, words
from app.settings import Settings
from tests.conftest import Api
from tests.core.test_workspace import organize
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.kit import inhabit
from tests.factory.notification import notifications

ALERTS = "{ securityAlerts(first: 100) { edges { node { id kind eventAt } } } }"
LIMITS = Settings()


async def record(
    api: Api, person: Person, action: str, count: int = 1, *, detail: Any = None, object: str = "core.account"
) -> None:
    """As sign-in and its like record it: in the person's own workspace."""
    async with api.database.connect() as admin:
        for _ in range(count):
            await admin.execute(
                "SELECT core.append_audit($1, $2, $3, $4, $5, $6::text::jsonb)",
                person.workspace_id,
                None if action == "SIGN_IN_REFUSED" else person.account_id,
                action,
                object,
                person.account_id if object == "core.account" else uuid4(),
                json.dumps(detail or {}),
            )


async def watch(api: Api, **given: Any) -> None:
    """Look through the audit as the worker does every minute."""
    async with api.database.connect() as admin:
        ask = "SELECT jobs.enqueue($1, ARRAY['{}'::bytea], ARRAY[NULL::text], interval '0', 0)"
        await admin.execute(ask, watch_security.name)
    await run_jobs(api, settings=Settings(**given))


async def alerts(api: Api, person: Person, **headers: Any) -> list[str]:
    """The kinds, oldest first."""
    edges = (await api(ALERTS, token=person.token, **headers)).data["securityAlerts"]["edges"]
    return [edge["node"]["kind"] for edge in reversed(edges)]


async def told(api: Api, person: Person, **headers: Any) -> list[dict[str, Any]]:
    return await notifications(api, person.token, kind="SECURITY_ALERT", **headers)


async def test_refused_sign_ins_are_told_once_when_they_are_many(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    await record(api, ada, "SIGN_IN_REFUSED", 4)
    await record(api, ben, "SIGN_IN_REFUSED", 1)
    await watch(api)
    assert await told(api, ada) == []
    await record(api, ada, "SIGN_IN_REFUSED", 1)
    await watch(api)
    (alert,) = await told(api, ada)
    assert alert["text"]["title"] == "Somebody tries to sign in as you"
    assert alert["text"]["body"].startswith("5 sign-ins")
    assert alert["objectId"] is not None
    await record(api, ada, "SIGN_IN_REFUSED", 20)
    await watch(api)
    await watch(api)
    assert len(await told(api, ada)) == 1
    assert await told(api, ben) == []
    assert await alerts(api, ada) == ["SIGN_INS_REFUSED"]


async def test_refusals_count_within_their_window(api: Api) -> None:
    ada = await api.person("ada")
    await record(api, ada, "SIGN_IN_REFUSED", 3)
    await watch(api, alert_refused=3, alert_refused_minutes=1)
    assert await alerts(api, ada) == ["SIGN_INS_REFUSED"]


async def test_a_sign_in_from_a_new_client_is_told_and_a_new_version_is_not(api: Api) -> None:
    ada = await api.person("ada")
    firefox = {"client": "Mozilla/5.0 Firefox/140.0", "address": "203.0.113.7"}
    await record(api, ada, "SIGN_IN", detail=firefox)
    await record(api, ada, "SIGN_IN", detail=firefox)
    await record(api, ada, "SIGN_IN", detail=firefox | {"client": "Mozilla/5.0 Firefox/141.0.1"})
    await watch(api)
    assert await told(api, ada) == [], "the first client is no new one"
    await record(api, ada, "SIGN_IN", detail={"client": "curl/8", "address": "198.51.100.9"})
    await watch(api)
    await watch(api)
    (alert,) = await told(api, ada)
    assert "with curl/8" in alert["text"]["body"]
    assert "from 198.51.100.9" in alert["text"]["body"]
    await record(api, ada, "SIGN_IN", detail={"client": "curl/8"})
    await watch(api)
    assert len(await told(api, ada)) == 1


async def test_a_token_that_came_twice_is_told_each_time(api: Api) -> None:
    ada = await api.person("ada")
    await record(api, ada, "TOKEN_REUSED", 2)
    await watch(api)
    assert await alerts(api, ada) == ["TOKEN_REUSED", "TOKEN_REUSED"]


async def test_exports_and_reads_in_a_row_are_told_once(api: Api) -> None:
    ada = await api.person("ada")
    await record(api, ada, "EXPORT", 2, object="core.data_export")
    await record(api, ada, "READ", 9, object="core.member")
    await watch(api, alert_reads=10)
    assert await alerts(api, ada) == []
    await record(api, ada, "EXPORT", 2, object="core.data_export")
    await record(api, ada, "READ", 2, object="core.member")
    await watch(api, alert_reads=10)
    await watch(api, alert_reads=10)
    assert sorted(await alerts(api, ada)) == ["MASS_EXPORT", "MASS_READ"]


async def test_what_is_new_and_what_is_changed_is_told(api: Api) -> None:
    ada = await inhabit(api, "ada")
    await watch(api)
    found = set(await alerts(api, ada))
    assert found >= {"NEW_DEVICE", "NEW_API_KEY"}
    bodies = {each["text"]["title"]: each["text"]["body"] for each in await told(api, ada)}
    assert "“plain device”" in bodies["A new device was registered"]
    assert "“plain key”" in bodies["A new API key was made"]
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.account SET email = 'new@example.com' WHERE id = $1", ada.account_id)
        await admin.execute("UPDATE core.account SET display_name = 'x' WHERE id = $1", ada.account_id)
    await watch(api)
    assert "EMAIL_CHANGED" in await alerts(api, ada)
    before = len(await alerts(api, ada))
    await watch(api)
    assert len(await alerts(api, ada)) == before


async def test_an_owner_more_is_told_to_owners_and_admins(api: Api) -> None:
    workspace = await organize(api, "O", ada="owner", ben="admin", cora="member", dora="viewer")
    people = {name: await api.person(name) for name in ("ada", "ben", "cora", "dora")}
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.member SET role = 'viewer' WHERE role = 'member'")
        await admin.execute("UPDATE core.member SET role = 'owner' WHERE account_id = $1", people["cora"].account_id)
    await watch(api)
    here: Any = {"fivefold_workspace": workspace}
    assert await alerts(api, people["ada"], **here) == ["OWNER_ADDED"]
    for name, expected in (("ada", 1), ("ben", 1), ("cora", 1), ("dora", 0)):
        answer = await api(
            "{ notifications(kind: SECURITY_ALERT) { edges { node { text { title } } } } }", token=people[name].token, **here
        )
        assert len(answer.data["notifications"]["edges"]) == expected, name
    assert (await api(ALERTS, token=people["dora"].token, **here)).code == "FORBIDDEN"


async def test_it_cannot_be_muted_and_no_hour_is_quiet_for_it(api: Api, tmp_path: Path) -> None:
    ada = await api.person("ada")
    muting = (
        "mutation($c: [NotificationChannelsInput!]) { updateNotificationPreferences(input: {channels: $c}) "
        "{ preferences { weeklyDigest } } }"
    )
    for channel in ("inApp", "email"):
        answer = await api(muting, {"c": [{"kind": "SECURITY_ALERT", channel: False}]}, token=ada.token)
        assert answer.code == "BAD_INPUT"
    hour = datetime.now(UTC).hour
    quiet = f'{{from: "{(hour - 2) % 24:02}:00", until: "{(hour + 3) % 24:02}:00"}}'
    quieting = f"mutation {{ updateNotificationPreferences(input: {{quietHours: {quiet}}}) {{ preferences {{ timeZone }} }} }}"
    assert (await api(quieting, token=ada.token)).data
    async with api.database.connect() as admin:  # something else waits as well
        await admin.execute("UPDATE core.account SET time_zone = 'UTC'")
        await admin.execute(
            "INSERT INTO core.notification (workspace_id, account_id, send_at, kind) VALUES ($1, $2, now(), 4)",
            ada.workspace_id,
            ada.account_id,
        )
    await record(api, ada, "TOKEN_REUSED")
    await watch(api, mail_folder=tmp_path)
    async with api.database.connect() as admin:
        ask = "SELECT jobs.enqueue('core.find_mail', ARRAY['{}'::bytea], ARRAY[NULL::text], interval '0', 0)"
        await admin.execute(ask)
    await run_jobs(api, settings=Settings(mail_folder=tmp_path))
    (mail,) = os.listdir(tmp_path)
    assert "Somebody may have a copy of your session" in await asyncio.to_thread((tmp_path / mail).read_text)
    async with api.database.connect() as admin:
        waiting = await admin.fetchval("SELECT send_at FROM core.notification WHERE kind = 4")
        assert waiting > datetime.now(UTC), "the other one waits for the morning"


async def test_what_happened_while_no_worker_ran_is_told_later(api: Api) -> None:
    ada = await api.person("ada")
    await record(api, ada, "TOKEN_REUSED")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.security_watch SET watched_until = now() - interval '3 hours'")
    await watch(api)
    assert await alerts(api, ada) == ["TOKEN_REUSED"]


async def test_an_alert_is_published_to_webhooks(api: Api) -> None:
    ada = await api.person("ada")
    await record(api, ada, "TOKEN_REUSED")
    await watch(api)
    async with api.database.connect() as admin:
        row = await admin.fetchrow("SELECT kind, detail FROM core.outbox")
    assert row is not None
    assert (row["kind"], row["detail"]) == ("core.security_alert", '{"alert": "TOKEN_REUSED"}')


async def test_workers_see_and_raise_and_others_do_not(api: Api) -> None:
    async with api.database.connect("fivefold_api") as other:
        for call in (
            "core.take_security_watch()",
            "core.list_watched(now(), interval '1 hour')",
            "core.raise_security_alerts('[]')",
        ):
            with pytest.raises(Exception, match="permission denied"):
                await other.execute(f"SELECT {call}")


def event(action: str, object: str = "core.account", **given: Any) -> Watched:
    defaults: dict[str, Any] = {
        "told_workspace_id": UUID(int=1),
        "event_id": uuid4(),
        "concerned_id": UUID(int=2),
        "object_id": UUID(int=3),
        "event_at": datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
        "detail": {},
        "recent": 1,
        "client_known": False,
        "signed_in_before": False,
    }
    return Watched(action=action, object=object, **defaults | given)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (event("SIGN_IN_REFUSED", recent=4), None),
        (event("SIGN_IN_REFUSED", recent=5), AlertKind.SIGN_INS_REFUSED),
        (event("SIGN_IN"), None),
        (event("SIGN_IN", signed_in_before=True, client_known=True), None),
        (event("SIGN_IN", signed_in_before=True), AlertKind.NEW_CLIENT),
        (event("SIGN_OUT"), None),
        (event("ERASE"), None),
        (event("TOKEN_REUSED"), AlertKind.TOKEN_REUSED),
        (event("EXPORT", recent=2), None),
        (event("EXPORT", recent=3), AlertKind.MASS_EXPORT),
        (event("READ", recent=99), None),
        (event("READ", recent=100), AlertKind.MASS_READ),
        (event("INSERT", "core.device"), AlertKind.NEW_DEVICE),
        (event("DELETE", "core.device"), None),
        (event("INSERT", "core.api_key"), AlertKind.NEW_API_KEY),
        (event("UPDATE", "core.api_key"), None),
        (event("INSERT", "core.webhook"), AlertKind.NEW_WEBHOOK),
        (event("UPDATE", "core.webhook", detail={"url": ["a", "b"]}), AlertKind.NEW_WEBHOOK),
        (event("UPDATE", "core.webhook", detail={"kinds": ["a", "b"]}), None),
        (event("INSERT", "core.credential"), None),
        (event("UPDATE", "core.credential"), AlertKind.PASSWORD_CHANGED),
        (event("INSERT"), None),
        (event("UPDATE", detail={"locale": ["a", "b"]}), None),
        (event("UPDATE", detail={"email": ["a", "b"]}), AlertKind.EMAIL_CHANGED),
        (event("UPDATE", "core.member", detail={"role": ["owner", "viewer"]}), None),
        (event("UPDATE", "core.member", detail={"role": ["viewer", "owner"]}), AlertKind.OWNER_ADDED),
        (event("INSERT", "core.member", detail={"role": "owner"}), None),
    ],
)
def test_what_is_suspicious(seen: Watched, kind: AlertKind | None) -> None:
    judged = judge(seen, LIMITS)
    assert (judged[0] if judged else None) is kind
    alert = alert_of(seen, LIMITS)
    assert (alert is None) == (kind is None)
    assert alert is None or kind is None or (alert["kind"] == kind.name and len(alert["key"]) <= 200)


def test_every_alert_reads() -> None:
    assert set(WORDS) == set(AlertKind)
    for kind in AlertKind:
        for detail in ({}, {"client": "{x}", "address": "::1", "name": "{0}", "count": 3}):
            text = words(SimpleNamespace(kind=kind.name, detail=detail))  # type: ignore[arg-type]
            assert text.title
            assert "{count}" not in text.body
    assert words(None).title
    assert NotificationKind(6) is NotificationKind.SECURITY_ALERT
