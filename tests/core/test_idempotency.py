"""Idempotency: the same request any number of times is one effect and equal answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.core import upkeep
from app.kit.db import open_as
from tests.conftest import Answer, Api
from tests.factory.kit import claim_as

LINK = (
    "mutation Link($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id label linkedAt platform { slug } } } }"
)
LINKS = "{ platformLinks(first: 100) { edges { node { id label } } } }"


async def link_with(api: Api, token: str, key: str, *, slug: str = "google", label: str = "Home") -> Answer:
    return await api(LINK, {"input": {"platformSlug": slug, "label": label, "idempotencyKey": key}}, token=token)


async def links_of(api: Api, token: str) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await api(LINKS, token=token)).data["platformLinks"]["edges"]]


async def test_two_hundred_equal_requests_at_once_are_one_link_and_one_answer(api: Api) -> None:
    ada = await api.person("ada")
    answers = await asyncio.gather(*(link_with(api, ada.token, "the same") for _ in range(200)))
    bodies = [answer.body for answer in answers]
    assert bodies.count(bodies[0]) == 200
    (only,) = await links_of(api, ada.token)
    assert answers[0].data["linkPlatform"]["link"]["id"] == only["id"]
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM privacy.platform_link") == 1
        assert await admin.fetchval("SELECT count(*) FROM core.idempotency") == 1
        assert await admin.fetchval("SELECT count(*) FROM core.audit_event WHERE object = 'privacy.platform_link'") == 1


async def test_keys_at_once_in_any_order_are_each_one_link(api: Api) -> None:
    """Many keys, each many times, in an order that differs: no dead end, no double."""
    ada = await api.person("ada")
    wanted = [(f"key {n}", f"label {n}") for n in range(10)]
    mixed = [wanted[(turn * step) % 10] for turn in range(10) for step in (1, 3, 7, 9)]
    answers = await asyncio.gather(*(link_with(api, ada.token, key, label=label) for key, label in mixed))
    made = {label: answer.data["linkPlatform"]["link"] for (_, label), answer in zip(mixed, answers, strict=True)}
    for (_, label), answer in zip(mixed, answers, strict=True):
        assert answer.data["linkPlatform"]["link"] == made[label]
    assert len(await links_of(api, ada.token)) == len({label for _, label in mixed})


async def test_one_of_many_inputs_wins_a_key(api: Api) -> None:
    """The same key with twenty inputs at once: one link, the others are told of the conflict."""
    ada = await api.person("ada")
    answers = await asyncio.gather(*(link_with(api, ada.token, "contested", label=f"L{n}") for n in range(20)))
    won = [answer for answer in answers if not answer.codes]
    assert len(won) == 1
    assert [answer.code for answer in answers if answer.codes] == ["IDEMPOTENCY_CONFLICT"] * 19
    assert [link["id"] for link in await links_of(api, ada.token)] == [won[0].data["linkPlatform"]["link"]["id"]]


@pytest.mark.parametrize("other", [{"label": "Work"}, {"slug": "openai"}, {"label": "home"}, {"label": "Home "}])
async def test_a_key_with_other_input_is_a_conflict(api: Api, other: dict[str, str]) -> None:
    ada = await api.person("ada")
    first = await link_with(api, ada.token, "1")
    answer = await link_with(api, ada.token, "1", **other)
    assert answer.code == "IDEMPOTENCY_CONFLICT"
    assert answer.body["errors"][0]["extensions"]["field"] == "idempotencyKey"
    assert (await link_with(api, ada.token, "1")).body == first.body, "the conflict changed nothing"
    assert len(await links_of(api, ada.token)) == 1


async def test_a_failure_is_not_replayed(api: Api) -> None:
    ada = await api.person("ada")
    assert (await link_with(api, ada.token, "again", slug="none")).code == "NOT_FOUND"
    assert (await link_with(api, ada.token, "again", label="x" * 101)).code == "BAD_INPUT"
    taken = await link_with(api, ada.token, "other")
    assert (await link_with(api, ada.token, "again")).code == "ALREADY_LINKED"
    answer = await link_with(api, ada.token, "again", label="Work")
    assert answer.data["linkPlatform"]["link"]["label"] == "Work"
    assert (await link_with(api, ada.token, "other")).body == taken.body
    async with api.database.connect() as admin:
        kept = [key for (key,) in await admin.fetch("SELECT key FROM core.idempotency ORDER BY key")]
    assert kept == ["again", "other"]


async def test_a_key_is_known_before_input_is_judged(api: Api) -> None:
    """A replay is answered even where the same request could not be carried out now."""
    ada = await api.person("ada")
    first = await link_with(api, ada.token, "1")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE privacy.platform SET slug = 'renamed' WHERE slug = 'google'")
    answer = await link_with(api, ada.token, "1")
    assert answer.data["linkPlatform"]["link"]["id"] == first.data["linkPlatform"]["link"]["id"]


async def test_the_keys_of_two_workspaces_do_not_meet(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    answers = await asyncio.gather(*(link_with(api, person.token, "1") for person in (ada, ben) * 10))
    ids = {answer.data["linkPlatform"]["link"]["id"] for answer in answers}
    assert len(ids) == 2
    assert len(await links_of(api, ada.token)) == len(await links_of(api, ben.token)) == 1
    assert (await link_with(api, ben.token, "1", label="Other")).code == "IDEMPOTENCY_CONFLICT"


async def test_the_keys_of_two_fields_do_not_meet(api: Api) -> None:
    ada = await api.person("ada")
    assert (await link_with(api, ada.token, "1")).data
    made = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"], idempotencyKey: "1"}) { secret } }'
    assert (await api(made, token=ada.token)).data["createApiKey"]["secret"] is not None


@pytest.mark.parametrize(
    ("key", "taken"), [("", False), ("x" * 201, False), ("x" * 200, True), ("\U0001f511" * 200, True), (" ", True)]
)
async def test_a_key_has_1_to_200_characters(api: Api, key: str, taken: bool) -> None:
    ada = await api.person("ada")
    answer = await link_with(api, ada.token, key)
    assert answer.codes == ([] if taken else ["BAD_INPUT"])
    assert len(await links_of(api, ada.token)) == int(taken)


async def test_a_key_with_nul_is_refused_and_nothing_is_written(api: Api) -> None:
    ada = await api.person("ada")
    assert (await link_with(api, ada.token, "a\0b")).code == "BAD_INPUT"
    assert await links_of(api, ada.token) == []


async def test_two_keys_of_one_document_are_two_effects(api: Api) -> None:
    ada = await api.person("ada")
    one = 'linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { id } }'
    document = f"mutation {{ a: {one % ('A', '1')} b: {one % ('B', '2')} c: {one % ('A', '1')} }}"
    data = (await api(document, token=ada.token)).data
    assert data["a"] == data["c"] != data["b"]
    assert len(await links_of(api, ada.token)) == 2


async def test_a_key_may_be_used_again_after_a_week(api: Api) -> None:
    ada = await api.person("ada")
    await link_with(api, ada.token, "weekly")
    await claim_as(api, "ada", "younger")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.idempotency SET created_at = now() - interval '7 days 1 second' WHERE key = 'weekly'")
        await admin.execute("UPDATE core.idempotency SET created_at = now() - interval '6 days 23 hours' WHERE key = 'younger'")
    async with open_as(api.database.url("fivefold_worker"), "fivefold_worker") as (_, db):
        await upkeep.run(db)
    answer = await link_with(api, ada.token, "weekly", label="Work")
    assert answer.data["linkPlatform"]["link"]["label"] == "Work"
    assert (await link_with(api, ada.token, "younger", label="New")).code == "IDEMPOTENCY_CONFLICT"
