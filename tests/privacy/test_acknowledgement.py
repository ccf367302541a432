"""Acknowledgements: seen once, open again when the setting is another one, kept with the change whatever comes late."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id
from tests.conftest import Answer, Api
from tests.factory.privacy import api_key, link, recorded, scan
from tests.privacy.conftest import Small
from tests.privacy.test_change import STORY, changes, row, tell_story

ACKNOWLEDGE = """
mutation Acknowledge($input: AcknowledgeChangesInput!) {
  acknowledgeChanges(input: $input) {
    changes { id setting origin confidence acknowledgement { acknowledgedAt mine note reopenedAt reopenReason } }
  }
}
"""
READ = """
query Read($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Change { id setting origin confidence acknowledgement { acknowledgedAt mine note reopenedAt reopenReason } }
  }
}
"""
FILTER = """
query Filter($acknowledged: Boolean, $origin: Origin) {
  changes(acknowledged: $acknowledged, origin: $origin, first: 100) { edges { node { id setting } } }
}
"""


async def send(api: Api, token: str, ids: list[str], **given_: Any) -> Answer:
    return await api(ACKNOWLEDGE, {"input": {"ids": ids} | given_}, token=token)


async def acknowledge(small: Small, ids: list[str], **given_: Any) -> list[dict[str, Any]]:
    """What changes became."""
    found: list[dict[str, Any]] = (await send(small.api, small.ada.token, ids, **given_)).data["acknowledgeChanges"]["changes"]
    return found


async def read(small: Small, id_: str) -> Any:
    (found,) = (await small.api(READ, {"ids": [id_]}, token=small.ada.token)).data["nodes"]
    return found


async def listed(small: Small, *, acknowledged: bool | None, origin: str | None = None) -> set[str]:
    answer = await small.api(FILTER, {"acknowledged": acknowledged, "origin": origin}, token=small.ada.token)
    return {edge["node"]["setting"] for edge in answer.data["changes"]["edges"]}


async def flip(small: Small, link_id: str, *steps: tuple[float, str]) -> list[dict[str, Any]]:
    """Scans that saw ``ads`` so; the changes of the workspace after them, the newest first."""
    for day, value in steps:
        await recorded(small.api, small.ada.token, scan(link_id, small.second, day=day, values={"ads": value}))
    return await changes(small.api, small.ada.token)


async def test_what_was_seen_is_told_and_found(small: Small) -> None:
    await tell_story(small, small.ada)
    found = {c["setting"]: c["id"] for c in await changes(small.api, small.ada.token, origin="PLATFORM_STRUCTURE")}
    ids = [found["news"], found["gone"]]
    assert (await read(small, ids[0]))["acknowledgement"] is None
    told = await acknowledge(small, ids, note="Looked at it.")
    assert [one["id"] for one in told] == ids
    for one in told:
        assert one["acknowledgement"].pop("acknowledgedAt")
        assert one["acknowledgement"] == {"mine": False, "note": "Looked at it.", "reopenedAt": None, "reopenReason": None}
    assert {one["origin"] for one in told} == {"PLATFORM_STRUCTURE"}
    assert await listed(small, acknowledged=True) == {"news", "gone"}
    assert await listed(small, acknowledged=False) == {r[0] for r in STORY} - {"news", "gone"}
    assert await listed(small, acknowledged=None) == {r[0] for r in STORY}
    assert await listed(small, acknowledged=False, origin="PLATFORM_STRUCTURE") == {"audience"}


async def test_again_it_keeps_its_first_moment(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    (change,) = await flip(small, link_id, (0, "off"), (1, "on"))
    (first,) = await acknowledge(small, [change["id"]], note="first")
    (second,) = await acknowledge(small, [change["id"]] * 3)
    assert second == first
    (third,) = await acknowledge(small, [change["id"]], note="third", mine=True)
    assert third["acknowledgement"] == first["acknowledgement"] | {"note": "third", "mine": True}
    (last,) = await acknowledge(small, [change["id"]])
    assert last == third, "what the person once said they did, they did"


async def test_one_s_own_change_is_certain(small: Small) -> None:
    await tell_story(small, small.ada)
    found = {c["setting"]: c for c in await changes(small.api, small.ada.token)}
    ids = [found[key]["id"] for key in ("ads", "history")]
    assert {c["origin"] for c in (found["ads"], found["history"])} == {"PLATFORM_DEFAULT", "USER"}
    for one in await acknowledge(small, ids, mine=True):
        assert (one["origin"], one["confidence"]) == ("USER", 1)
    async with small.api.database.connect() as connection:
        told = await connection.fetchval(
            "SELECT d.detail ->> 'origin' FROM core.audit_event AS e JOIN core.audit_detail AS d ON d.event_id = e.id"
            " WHERE e.object = 'privacy.change' AND e.action = 'UPDATE' AND e.workspace_id = $1",
            small.ada.workspace_id,
        )
    assert told == '["PLATFORM_DEFAULT", "USER"]', "that an origin is another one is told"


@pytest.mark.parametrize("setting", ["news", "gone"])
async def test_nobody_makes_a_setting_come_or_go(small: Small, setting: str) -> None:
    await tell_story(small, small.ada)
    found = {c["setting"]: c["id"] for c in await changes(small.api, small.ada.token, origin="PLATFORM_STRUCTURE")}
    answer = await send(small.api, small.ada.token, [found["audience"], found[setting]], mine=True)
    assert answer.code == "BAD_INPUT"
    assert answer.body["errors"][0]["extensions"]["field"] == "mine"
    assert await listed(small, acknowledged=True) == set(), "all or none"


# Open again


async def test_the_next_change_opens_the_one_before(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    other = await link(small.api, small.ada.token, "small", "other")
    (theirs,) = await flip(small, other, (0, "off"), (1, "on"))
    first = (await flip(small, link_id, (0, "off"), (1, "on")))[0]
    await acknowledge(small, [first["id"], theirs["id"]])
    await recorded(small.api, small.ada.token, scan(link_id, small.second, day=2, values={"ads": "on", "history": "off"}))
    assert (await read(small, first["id"]))["acknowledgement"]["reopenedAt"] is None, "another setting"
    second = (await flip(small, link_id, (3, "off")))[0]
    found = (await read(small, first["id"]))["acknowledgement"]
    assert found["reopenReason"] == "CHANGED_AGAIN"
    assert (await read(small, theirs["id"]))["acknowledgement"]["reopenedAt"] is None, "another link"
    assert (await read(small, second["id"]))["acknowledgement"] is None
    (again,) = await acknowledge(small, [first["id"]])
    assert (again["acknowledgement"]["reopenedAt"], again["acknowledgement"]["reopenReason"]) == (None, None)
    assert again["acknowledgement"]["acknowledgedAt"] > found["acknowledgedAt"]


async def test_a_change_before_it_opens_nothing(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    change = (await flip(small, link_id, (0, "on"), (8, "off"), (9, "on")))[0]
    await acknowledge(small, [change["id"]])
    await flip(small, link_id, (4, "off"), (5, "on"))
    assert (await read(small, change["id"]))["acknowledgement"]["reopenedAt"] is None


# Late scans


async def test_it_stays_with_a_change_that_is_told_anew(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"keep": "A month"}))
    await recorded(small.api, token, scan(link_id, small.second, day=10, values={"keep": "A month", "ads": "on"}))
    (change,) = await changes(small.api, token)
    (before,) = await acknowledge(small, [change["id"]], note="mine", mine=True)
    await recorded(small.api, token, scan(link_id, small.second, day=5, values={"keep": "A day"}))
    assert len(await changes(small.api, token)) == 3, "its snapshot has another change beside it now"
    assert await read(small, change["id"]) == before


async def test_it_goes_where_a_late_scan_shows_the_change(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    (change,) = await flip(small, link_id, (0, "off"), (10, "on"))
    (before,) = await acknowledge(small, [change["id"]], note="mine", mine=True)
    (moved,) = await flip(small, link_id, (5, "on"))
    assert moved["id"] != change["id"]
    assert await read(small, moved["id"]) == before | {"id": moved["id"]}
    assert await read(small, change["id"]) is None


async def test_it_goes_with_a_change_that_was_none(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second, values={"audience": "everyone"}))
    await recorded(small.api, token, scan(link_id, small.second, day=10, values={"audience": "Only  me"}))
    (change,) = await changes(small.api, token)
    await acknowledge(small, [change["id"]])
    await recorded(small.api, token, scan(link_id, small.second, day=5, values={"audience": "Friends"}))
    assert [row(c)[:3] for c in await changes(small.api, token)] == [
        ("audience", "Friends", "Only  me"),
        ("audience", "everyone", "Friends"),
    ]
    assert await listed(small, acknowledged=True) == set()


# Who may


async def test_others_and_keys_may_not(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    (change,) = await flip(small, link_id, (0, "off"), (1, "on"))
    ben = await small.person()
    for token, code in (
        (ben.token, "NOT_FOUND"),
        (await api_key(small.api, small.ada.token, "privacy:read", "snapshots:write"), "FORBIDDEN"),
    ):
        assert (await send(small.api, token, [change["id"]])).code == code
    assert (await read(small, change["id"]))["acknowledgement"] is None


async def test_a_viewer_may_not(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    (change,) = await flip(small, link_id, (0, "off"), (1, "on"))
    async with small.api.database.connect() as connection:
        await connection.execute("UPDATE core.member SET role = 'viewer' WHERE account_id = $1", small.ada.account_id)
    assert (await send(small.api, small.ada.token, [change["id"]])).code == "FORBIDDEN"


@pytest.mark.parametrize(
    ("ids", "other", "code", "field"),
    [
        ([], {}, "BAD_PAGE_SIZE", "ids"),
        (["x"] * 101, {}, "BAD_PAGE_SIZE", "ids"),
        (["x"], {}, "BAD_ID", "ids"),
        ([global_id("Change", "x:ads")], {}, "BAD_ID", "ids"),
        ([global_id("Change", str(uuid4()))], {}, "NOT_FOUND", "ids"),
        ([global_id("Snapshot", str(uuid4()))], {}, "BAD_ID", "ids"),
        ([global_id("Change", f"{uuid4()}:ads")], {}, "NOT_FOUND", "ids"),
        (None, {"note": "x" * 501}, "BAD_INPUT", "note"),
        (None, {"note": "\0"}, "BAD_INPUT", None),
        (None, {"mine": None}, "BAD_VARIABLES", None),
    ],
)
async def test_bad_input(small: Small, ids: list[str] | None, other: dict[str, Any], code: str, field: str | None) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    (change,) = await flip(small, link_id, (0, "off"), (1, "on"))
    answer = await send(small.api, small.ada.token, [change["id"]] if ids is None else ids, **other)
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"].get("field") == field
    assert await listed(small, acknowledged=True) == set()


async def test_twenty_at_once_are_one(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    (change,) = await flip(small, link_id, (0, "off"), (1, "on"))
    answers = await asyncio.gather(*(acknowledge(small, [change["id"]]) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)


async def test_a_person_may_claim_a_change_and_write_nothing_else_of_it(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await flip(small, link_id, (0, "off"), (1, "on"))
    async with small.api.database.connect("fivefold_api") as connection:
        for name, id_ in (("workspace_id", small.ada.workspace_id), ("account_id", small.ada.account_id)):
            await connection.execute("SELECT set_config($1, $2, false)", f"fivefold.{name}", str(id_))
        for sql in ("origin = 'TECHNICAL'", "confidence = 0.5", "new_value = 'off'", "origin = 'USER', confidence = 0.99"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE privacy.change SET {sql}")
