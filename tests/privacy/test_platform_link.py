"""Platform links: made once, told apart by their labels, ended without losing their history."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id, parse_global_id
from tests.conftest import Answer, Api
from tests.factory.privacy import (
    LINK,
    api_key,
    counts,
    history,
    link,
    link_state,
    nothing_written,
    record,
    recorded,
    scan,
    template_of,
    unlink,
)
from tests.privacy.conftest import Small

LINKS = """
query Links($status: PlatformLinkStatus, $first: Int!, $after: String) {
  platformLinks(status: $status, first: $first, after: $after) {
    edges { node { id label status } } pageInfo { hasNextPage endCursor }
  }
}
"""
ONE = """
query One($id: ID!) {
  platformLink(id: $id) { id label status linkedAt unlinkedAt unlinkReason seenUntil platform { slug } latestSnapshot { id } }
}
"""


async def make(api: Api, token: str, **other: Any) -> Answer:
    given = {"platformSlug": "google", "label": "Personal", "idempotencyKey": str(uuid4())} | other
    return await api(LINK, {"input": given}, token=token)


async def listed(api: Api, token: str, status: str | None = None, first: int = 100) -> list[str]:
    """The labels of all pages."""
    found: list[str] = []
    after = None
    while True:
        given = {"status": status, "first": first, "after": after}
        page = (await api(LINKS, given, token=token)).data["platformLinks"]
        found += [edge["node"]["label"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


# Making


async def test_a_link_is_made_and_found_again(api: Api) -> None:
    ada = await api.person()
    made = (await make(api, ada.token)).data["linkPlatform"]["link"]
    assert made["status"] == "ACTIVE"
    found = (await api(ONE, {"id": made["id"]}, token=ada.token)).data["platformLink"]
    assert found["label"] == "Personal"
    assert found["platform"] == {"slug": "google"}
    assert found["linkedAt"]
    for unknown in ("unlinkedAt", "unlinkReason", "seenUntil", "latestSnapshot"):
        assert found[unknown] is None
    query = "query N($id: ID!) { node(id: $id) { ... on PlatformLink { label } } }"
    node = await api(query, {"id": made["id"]}, token=ada.token)
    assert node.data["node"] == {"label": "Personal"}


async def test_two_accounts_on_one_platform_differ_by_label(api: Api) -> None:
    ada = await api.person()
    await link(api, ada.token, label="Personal")
    await link(api, ada.token, label="Work")
    assert await listed(api, ada.token) == ["Work", "Personal"]


async def test_the_same_label_twice_is_a_mistake(api: Api) -> None:
    ada = await api.person()
    await link(api, ada.token)
    async with nothing_written(api):
        for label in ("Personal", "  Personal "):
            answer = await make(api, ada.token, label=label)
            assert answer.code == "ALREADY_LINKED"
            assert answer.body["errors"][0]["extensions"]["field"] == "label"


async def test_people_do_not_meet_each_other_s_labels(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    await link(api, ada.token)
    assert (await make(api, ben.token)).data["linkPlatform"]["link"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("other", "code", "field"),
    [
        ({"platformSlug": "no-such"}, "NOT_FOUND", "platformSlug"),
        ({"platformSlug": "Google"}, "NOT_FOUND", "platformSlug"),
        ({"label": ""}, "BAD_INPUT", "label"),
        ({"label": " \t\n"}, "BAD_INPUT", "label"),
        ({"label": "x" * 101}, "BAD_INPUT", "label"),
        ({"label": "a\0b"}, "BAD_INPUT", None),
        ({"platformSlug": "\0"}, "BAD_INPUT", None),
        ({"idempotencyKey": ""}, "BAD_INPUT", "idempotencyKey"),
        ({"idempotencyKey": "x" * 201}, "BAD_INPUT", "idempotencyKey"),
        ({"idempotencyKey": "\0"}, "BAD_INPUT", None),
        ({"label": None}, "BAD_VARIABLES", None),
    ],
)
async def test_bad_input_makes_no_link(shared: Small, other: dict[str, Any], code: str, field: str | None) -> None:
    async with nothing_written(shared.api):
        answer = await make(shared.api, shared.ada.token, **other)
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"].get("field") == field


@pytest.mark.parametrize("label", ["x" * 100, "私の", "🔒" * 100, "O'Brien; DROP TABLE --", "مرحبا"])
async def test_any_text_is_a_label(shared: Small, label: str) -> None:
    found = (await make(shared.api, shared.ada.token, label=label)).data["linkPlatform"]["link"]
    assert found["label"] == label


async def test_the_same_key_is_one_link(api: Api) -> None:
    ada = await api.person()
    answers = await asyncio.gather(*(make(api, ada.token, idempotencyKey="once") for _ in range(20)))
    assert len({answer.data["linkPlatform"]["link"]["id"] for answer in answers}) == 1
    async with nothing_written(api):
        assert (await make(api, ada.token, idempotencyKey="once", label="Work")).code == "IDEMPOTENCY_CONFLICT"


async def test_a_key_counts_within_its_workspace_and_field(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    one = (await make(api, ada.token, idempotencyKey="k")).data["linkPlatform"]["link"]["id"]
    other = (await make(api, ben.token, idempotencyKey="k")).data["linkPlatform"]["link"]["id"]
    assert one != other
    given = scan(one, await template_of(api, ada.token), idempotencyKey="k")
    assert (await recorded(api, ada.token, given))["unchanged"] is False


async def test_of_many_at_once_one_wins(api: Api) -> None:
    ada = await api.person()
    answers = await asyncio.gather(*(make(api, ada.token) for _ in range(20)))
    assert sorted(code for answer in answers for code in answer.codes) == ["ALREADY_LINKED"] * 19
    rows = await counts(api)
    assert (rows["privacy.platform_link"], rows["core.idempotency"]) == (1, 1)


async def test_an_extension_links_with_its_key(api: Api) -> None:
    ada = await api.person()
    key = await api_key(api, ada.token)
    link_id = await link(api, key)
    assert await listed(api, key) == ["Personal"]
    assert (await unlink(api, key, link_id)).code == "FORBIDDEN"
    assert (await api(ONE, {"id": link_id}, token=key)).code == "FORBIDDEN"


# Listing


@pytest.mark.parametrize("first", [1, 2, 3, 100])
async def test_the_newest_come_first_page_by_page(api: Api, first: int) -> None:
    ada = await api.person()
    ids = [await link(api, ada.token, label=str(n)) for n in range(5)]
    await unlink(api, ada.token, ids[1])
    assert await listed(api, ada.token, first=first) == ["4", "3", "2", "1", "0"]
    assert await listed(api, ada.token, "ACTIVE", first) == ["4", "3", "2", "0"]
    assert await listed(api, ada.token, "UNLINKED", first) == ["1"]


# Ending


async def test_an_ended_link_keeps_its_history_and_takes_no_more(api: Api) -> None:
    ada = await api.person()
    template = await template_of(api, ada.token)
    link_id = await link(api, ada.token)
    given = scan(link_id, template)
    await recorded(api, ada.token, given)
    ended = (await unlink(api, ada.token, link_id, "I left")).data["unlinkPlatform"]["link"]
    assert (ended["status"], ended["unlinkReason"]) == ("UNLINKED", "I left")
    assert len(await history(api, ada.token, link_id)) == 1
    async with nothing_written(api):
        answer = await record(api, ada.token, scan(link_id, template, day=1))
        assert answer.code == "LINK_ENDED"
        assert answer.body["errors"][0]["extensions"]["field"] == "linkId"
        assert (await recorded(api, ada.token, given))["unchanged"] is False, "what was done before is still answered"


async def test_the_label_is_free_again(api: Api) -> None:
    ada = await api.person()
    first = await link(api, ada.token)
    await unlink(api, ada.token, first)
    second = await link(api, ada.token)
    assert second != first
    assert (await link_state(api, ada.token, second))["status"] == "ACTIVE"


async def test_ending_twice_keeps_the_first_moment_and_reason(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    first = (await unlink(api, ada.token, link_id, "one")).data
    async with nothing_written(api):
        assert (await unlink(api, ada.token, link_id, "two")).data == first


async def test_ends_at_once_are_one_end(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    answers = await asyncio.gather(*(unlink(api, ada.token, link_id, str(n)) for n in range(10)))
    assert len({str(answer.data) for answer in answers}) == 1


async def test_scans_and_an_end_at_once(api: Api) -> None:
    """Each scan is either kept whole or told that the link has ended."""
    ada = await api.person()
    template = await template_of(api, ada.token)
    link_id = await link(api, ada.token)
    key = template["settings"][0]["key"]
    scans = [scan(link_id, template, day=n, values={key: "on" if n % 2 else "off"}) for n in range(20)]
    tasks = [record(api, ada.token, given) for given in scans]
    tasks.insert(10, unlink(api, ada.token, link_id))
    answers = await asyncio.gather(*tasks)
    refused = [answer.code for answer in answers if answer.codes]
    assert set(refused) <= {"LINK_ENDED"}
    rows = await counts(api)
    assert rows["core.idempotency"] == 1 + 20 - len(refused)


@pytest.mark.parametrize(
    ("other", "code", "field"),
    [
        ({"id": global_id("PlatformLink", str(uuid4()))}, "NOT_FOUND", "id"),
        ({"id": global_id("Platform", str(uuid4()))}, "BAD_ID", "id"),
        ({"id": str(uuid4())}, "BAD_ID", "id"),
        ({"reason": "x" * 501}, "BAD_INPUT", "reason"),
        ({"reason": "\0"}, "BAD_INPUT", None),
    ],
)
async def test_bad_input_ends_nothing(api: Api, other: dict[str, Any], code: str, field: str | None) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    given = {"id": link_id, "reason": None} | other
    async with nothing_written(api):
        answer = await unlink(api, ada.token, given["id"], given["reason"])
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"].get("field") == field
    assert (await link_state(api, ada.token, link_id))["status"] == "ACTIVE"


async def test_nobody_ends_or_sees_the_link_of_another(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    link_id = await link(api, ada.token)
    async with nothing_written(api):
        assert (await unlink(api, ben.token, link_id)).code == "NOT_FOUND"
    assert (await api(ONE, {"id": link_id}, token=ben.token)).data == {"platformLink": None}
    assert await listed(api, ben.token) == []


async def test_a_link_cannot_point_into_another_workspace(api: Api) -> None:
    """The composite keys hold even against the owner's own mistakes."""
    ada, ben = await api.person("ada"), await api.person("ben")
    template = await template_of(api, ada.token)
    theirs = (await recorded(api, ada.token, scan(await link(api, ada.token), template)))["snapshot"]["id"]
    mine = await link(api, ben.token)
    snapshot_id, link_id = parse_global_id(theirs, field="id")[1], parse_global_id(mine, field="id")[1]
    async with api.database.connect() as connection:
        with pytest.raises(asyncpg.ForeignKeyViolationError, match="platform_link_latest_snapshot_fkey"):
            await connection.execute(
                "UPDATE privacy.platform_link SET latest_snapshot_id = $1::uuid WHERE id = $2::uuid", snapshot_id, link_id
            )
