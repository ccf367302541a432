"""Proposals: who sees what before enough different people agree, what is shared then, and races for the last place."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id, parse_global_id
from app.privacy.proposal import MAX_OPEN
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.privacy import (
    ACTIVATE,
    api_key,
    history,
    link,
    nothing_written,
    propose,
    proposed,
    record,
    recorded,
    scan,
    template_of,
    template_proposed,
)
from tests.privacy.conftest import Small

STRUCTURE = [
    proposed("history", label="My secret diary", category="diary"),
    proposed("audience", ["everyone", "Friends", "Only  me"], label="Who sees me", category="people"),
    proposed("brand_new", label="Brand new", category="ads"),
]
"""``history`` and ``audience`` are as in the small platform's active template."""

SEE = """
query See($id: ID!, $slug: String!) {
  node(id: $id) { id }
  nodes(ids: [$id]) { id }
  platform(slug: $slug) {
    activeTemplate { id version settingCount previous { version } }
    templates(first: 100) { edges { node { id version state settings { label category } } cursor } pageInfo { hasNextPage } }
  }
}
"""
WAITING = "{ proposedTemplates { edges { node { id state version summary } } } }"
REJECT = """
mutation Reject($id: ID!, $reason: String!) { rejectTemplate(id: $id, reason: $reason) { template { state rejectionReason } } }
"""
FREEZE = "mutation F($slug: String!, $on: Boolean!) { freezePlatform(platformSlug: $slug, frozen: $on) { platform { slug } } }"


async def people(small: Small, count: int) -> list[Person]:
    """So many who have proposed nothing yet."""
    return [await small.person() for _ in range(count)]


async def seen(small: Small, person: Person, template_id: str) -> Any:
    """All routes to templates, as a person sees them."""
    return (await small.api(SEE, {"id": template_id, "slug": "small"}, token=person.token)).data


async def waiting(small: Small) -> list[str]:
    """What waits for a curator."""
    edges = (await small.api(WAITING, token=small.curator.token)).data["proposedTemplates"]["edges"]
    return [edge["node"]["id"] for edge in edges]


async def state(api: Api, template_id: str) -> str:
    """Whatever anybody sees."""
    async with api.database.connect() as connection:
        key = UUID(parse_global_id(template_id, field="id")[1])
        return str(await connection.fetchval("SELECT state FROM privacy.template WHERE id = $1", key))


# Before enough people agree


async def test_a_proposal_is_a_template_at_once_for_its_workspace_alone(own: Small) -> None:
    ada, bob, curator = own.ada, await own.person(), own.curator
    nothing = await seen(own, bob, own.first["id"])
    before = datetime.now(UTC)
    template = await template_proposed(own.api, ada.token, STRUCTURE, "small")
    assert (template["state"], template["version"]) == ("PROPOSED", 0)
    assert (template["sharedAt"], template["activatedAt"]) == (None, None)
    assert template["settingCount"] == 3
    assert datetime.fromisoformat(template["createdAt"]) >= before
    assert (await seen(own, ada, template["id"]))["node"] == {"id": template["id"]}
    for stranger in (bob, curator):
        found = await seen(own, stranger, template["id"])
        assert found["node"] is None
        assert found["nodes"] == [None]
        assert found["platform"] == nothing["platform"]
        answer = await record(own.api, stranger.token, scan(await link(own.api, stranger.token, "small"), template))
        assert answer.code == "UNKNOWN_TEMPLATE"
    assert template["id"] not in await waiting(own)


async def test_scans_against_it_are_taken_at_once_and_stay_as_they_are(own: Small) -> None:
    ada = own.ada
    template = await template_proposed(own.api, ada.token, STRUCTURE, "small")
    link_id = await link(own.api, ada.token, "small")
    values = {"history": "off", "audience": "Friends", "brand_new": "off"}
    await recorded(own.api, ada.token, scan(link_id, template, values=values))
    before = await history(own.api, ada.token, link_id)
    assert [s["values"] for s in before] == [values]
    for person in await people(own, 2):
        await template_proposed(own.api, person.token, STRUCTURE, "small")
    assert await history(own.api, ada.token, link_id) == before
    assert (await recorded(own.api, ada.token, scan(link_id, template, day=1, values=values)))["unchanged"] is True


async def test_no_value_becomes_a_default_and_nothing_is_judged_by_one_person(own: Small) -> None:
    """What the active template says of the very same setting goes on; what is new is neither known nor counted."""
    ada = own.ada
    template = await template_proposed(own.api, ada.token, STRUCTURE, "small")
    by_key = {s["key"]: s for s in template["settings"]}
    assert [s["key"] for s in template["settings"]] == ["audience", "brand_new", "history"]
    assert {s["defaultKnown"] for s in template["settings"]} == {False}
    assert [s["default"] for s in template["settings"]] == ["everyone", "on", "on"]
    assert (by_key["history"]["risk"], by_key["history"]["recommended"]) == (90, "off")
    assert by_key["brand_new"]["risk"] == 0
    link_id = await link(own.api, ada.token, "small")
    await recorded(
        own.api, ada.token, scan(link_id, template, values={"brand_new": "on", "history": "off", "audience": "Only  me"})
    )
    (only,) = await history(own.api, ada.token, link_id)
    assert only["riskScore"] == 0
    assert only["template"]["hash"] == template["hash"]


async def test_the_second_to_propose_is_told_what_the_first_was(own: Small) -> None:
    """Neither its id nor a time nor anybody's words tell that somebody was there before."""
    ada, bob = own.ada, await own.person()
    first = await template_proposed(own.api, ada.token, STRUCTURE, "small")
    moment = datetime.now(UTC)
    other_words = [s | {"label": "Mine", "category": "mine"} for s in reversed(STRUCTURE)]
    second = await template_proposed(own.api, bob.token, other_words, "small")
    assert datetime.fromisoformat(second["createdAt"]) >= moment
    assert {s["label"] for s in second["settings"]} == {"Mine"}
    assert [s["category"] for s in second["settings"]] == ["ads", "mine", "ads"]
    for own_words in ("createdAt", "settings"):
        del first[own_words], second[own_words]
    assert first == second
    key = parse_global_id(first["id"], field="id")[1]
    assert UUID(key).version == 8, "a uuid of time would tell when it was proposed first"


async def test_versions_do_not_count_what_is_hidden(own: Small) -> None:
    for number in range(3):
        await template_proposed(own.api, own.ada.token, [proposed(f"hidden_{number}")], "small")
    for person in await people(own, 3):
        template = await template_proposed(own.api, person.token, STRUCTURE, "small")
    assert (template["version"], template["state"]) == (3, "ACTIVE")


async def test_the_second_wall_hides_it_too(own: Small) -> None:
    """Asked of the database itself, table by table; the audit of shared nouns is nobody's."""
    bob = await own.person()
    template = await template_proposed(own.api, own.ada.token, STRUCTURE, "small")
    template_id = UUID(parse_global_id(template["id"], field="id")[1])
    tables = ("template WHERE id", "template_setting WHERE template_id", "proposal WHERE template_id",
              "setting_label WHERE template_id", "setting_advice WHERE template_id")  # fmt: skip
    for user in ("fivefold_api", "fivefold_worker"):
        async with own.api.database.connect(user) as connection:
            for person, rows in ((own.ada, (1, 3, 1, 0, 0)), (bob, (0, 0, 0, 0, 0)), (own.curator, (0, 0, 0, 0, 0))):
                for name, value in (("workspace_id", person.workspace_id), ("account_id", person.account_id)):
                    await connection.execute("SELECT set_config($1, $2, false)", f"fivefold.{name}", str(value))
                found = [await connection.fetchval(f"SELECT count(*) FROM privacy.{t} = $1", template_id) for t in tables]
                assert tuple(found) == rows
            if user == "fivefold_api":
                hidden = "UPDATE privacy.template SET state = 'PROPOSED' WHERE shared_at IS NULL"
                assert await connection.execute(hidden) == "UPDATE 0"
            for statement in (
                "INSERT INTO privacy.proposal (workspace_id, account_id, template_id, locale, labels, categories)"
                " VALUES (core.current_workspace_id(), core.current_account_id(), $1, 'en', '{}', '{}')",
                "DELETE FROM privacy.proposal WHERE template_id = $1",
                "UPDATE privacy.template SET shared_at = now() WHERE id = $1",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement, template_id)


async def test_a_curator_may_not_judge_what_is_hidden(own: Small) -> None:
    template = await template_proposed(own.api, own.ada.token, STRUCTURE, "small")
    for document, given in ((ACTIVATE, {}), (REJECT, {"reason": "no"})):
        answer = await own.api(document, {"id": template["id"], **given}, token=own.curator.token)
        assert answer.code == "NOT_FOUND"
    mine = await template_proposed(own.api, own.curator.token, [proposed("curators_own")], "small")
    answer = await own.api(ACTIVATE, {"id": mine["id"]}, token=own.curator.token)
    assert answer.code == "BAD_INPUT"
    assert "quarantine" in answer.body["errors"][0]["message"]


# When enough people agree


async def test_three_people_make_it_everybodys(own: Small) -> None:
    bob = await own.person()
    ids = []
    for person in [own.ada, *await people(own, 2)]:
        template = await template_proposed(own.api, person.token, STRUCTURE, "small")
        ids.append(template["id"])
    assert len(set(ids)) == 1
    assert (template["state"], template["version"]) == ("ACTIVE", 3)
    assert template["summary"] == "3 settings; since version 2 1 added, 3 removed, 0 changed."
    assert template["sharedAt"] == template["createdAt"] == template["activatedAt"]
    found = await seen(own, bob, ids[0])
    assert found["node"] == {"id": ids[0]}
    assert found["platform"]["activeTemplate"] == {"id": ids[0], "version": 3, "settingCount": 3, "previous": {"version": 2}}
    assert [e["node"]["state"] for e in found["platform"]["templates"]["edges"]] == ["ACTIVE", "RETIRED", "RETIRED"]
    active = await template_of(own.api, bob.token, "small")
    assert {s["key"]: s["risk"] for s in active["settings"]} == {"audience": 70, "brand_new": 0, "history": 90}
    await recorded(own.api, bob.token, scan(await link(own.api, bob.token, "small"), active))


async def test_what_is_not_known_is_not_compared(own: Small) -> None:
    """A platform whose active template people brought: nothing is known of its defaults, nothing judged of what is new."""
    for person in await people(own, 3):
        template = await template_proposed(own.api, person.token, [proposed("brand_new")], "small")
    query = '{ platformComparison(slugs: ["small"]) { defaultScore defaultLevel bestScore settings settingsToChange } }'
    assert template["state"] == "ACTIVE"
    assert (await own.api(query, token=own.ada.token)).data["platformComparison"] == [
        {"defaultScore": None, "defaultLevel": None, "bestScore": None, "settings": 1, "settingsToChange": 0}
    ]


async def test_words_are_shared_when_enough_people_sent_the_very_same(own: Small) -> None:
    """Two agree on a label, three on another; a curated label goes on where they do not."""
    labels = [("Alice's diary", "New thing"), ("Bob's diary", "New thing"), ("Bob's diary", "New thing")]
    for person, (diary, new) in zip(await people(own, 3), labels, strict=True):
        settings = [proposed("history", label=diary, category="diary"), proposed("brand_new", label=new, category="fresh")]
        await template_proposed(own.api, person.token, settings, "small")
    bob = await own.person()
    query = '{ platform(slug: "small") { activeTemplate { settings { key label category } } } }'
    settings = (await own.api(query, token=bob.token)).data["platform"]["activeTemplate"]["settings"]
    assert settings == [
        {"key": "brand_new", "label": "New thing", "category": "fresh"},
        {"key": "history", "label": "History", "category": "ads"},
    ]
    fourth = [proposed("history", label="Bob's diary"), proposed("brand_new")]
    await template_proposed(own.api, bob.token, fourth, "small")
    async with own.api.database.connect() as connection:
        rows = await connection.fetch("SELECT key, locale, source, label FROM privacy.setting_label ORDER BY key")
    assert [tuple(row) for row in rows] == [
        ("brand_new", "en", "AGREED", "New thing"),
        ("history", "en", "AGREED", "Bob's diary"),
    ]


async def test_one_person_counts_once(own: Small) -> None:
    """However often, in however many languages, by token and by keys, in workspaces of their own and of others."""
    ada, bob = own.ada, await own.person()
    keys = [await api_key(own.api, ada.token, "snapshots:write") for _ in range(3)]
    async with own.api.database.connect() as connection:
        second = await connection.fetchval(
            "INSERT INTO core.workspace (kind, name) VALUES ('organization', 'Both') RETURNING id"
        )
        for person in (ada, bob):
            await connection.execute(
                "INSERT INTO core.member (workspace_id, account_id, role) VALUES ($1, $2, 'member')", second, person.account_id
            )
    for token in (ada.token, *keys):
        template = await template_proposed(own.api, token, STRUCTURE, "small")
        for locale in ("de", "de-AT", "fr"):
            await template_proposed(own.api, token, STRUCTURE, "small", locale=locale)
    headers = {"Fivefold-Workspace": global_id("Workspace", str(second))}
    given = {"platformSlug": "small", "settings": STRUCTURE, "idempotencyKey": "x"}
    document = "mutation P($input: ProposeTemplateInput!) { proposeTemplate(input: $input) { template { id state } } }"
    answer = await own.api(document, {"input": given}, token=ada.token, **headers)
    assert answer.data["proposeTemplate"]["template"] == {"id": template["id"], "state": "PROPOSED"}
    answer = await own.api(document, {"input": given | {"idempotencyKey": "y"}}, token=bob.token, **headers)
    assert answer.data["proposeTemplate"]["template"]["state"] == "PROPOSED"
    await template_proposed(own.api, bob.token, STRUCTURE, "small")
    assert await state(own.api, template["id"]) == "PROPOSED"
    await template_proposed(own.api, (await own.person()).token, STRUCTURE, "small")
    assert await state(own.api, template["id"]) == "ACTIVE"


async def test_all_at_once_are_all_counted(own: Small) -> None:
    """Without the lock each would see itself only, and the template would be hidden for ever."""
    persons = await people(own, 3)
    for number in range(15):
        settings = [proposed(f"race_{number}"), proposed("history")]
        answers = await asyncio.gather(*(propose(own.api, person.token, settings, "small") for person in persons))
        found = [answer.data["proposeTemplate"]["template"] for answer in answers]
        assert sorted(template["state"] for template in found) == ["ACTIVE", "PROPOSED", "PROPOSED"]
        assert await state(own.api, found[0]["id"]) == "ACTIVE"


async def test_a_crowd_at_once_shares_it_once(own: Small) -> None:
    """Twelve people, each twice: one of them is the third, and everybody is answered."""
    persons = await people(own, 12)
    for number in range(4):
        settings = [proposed(f"crowd_{number}", label="The same words")]
        answers = await asyncio.gather(*(propose(own.api, p.token, settings, "small") for p in [*persons, *persons]))
        states = [answer.data["proposeTemplate"]["template"]["state"] for answer in answers]
        assert 2 <= states.count("PROPOSED") <= 4, "two people, who may both have been counted twice as one"
        async with own.api.database.connect() as connection:
            count = "SELECT count(*) FROM privacy.setting_label WHERE key = $1 AND label = 'The same words'"
            assert await connection.fetchval(count, f"crowd_{number}") == 1


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_how_many_are_enough_is_the_operators_to_say(own: Small, count: int) -> None:
    own.api.http._transport.app.state.service.settings.quarantine_people = count  # type: ignore[attr-defined]
    states = []
    for person in await people(own, count):
        states.append((await template_proposed(own.api, person.token, STRUCTURE, "small"))["state"])
    assert states == ["PROPOSED"] * (count - 1) + ["ACTIVE"]


async def test_two_templates_and_a_curator_at_once_leave_one_active(own: Small) -> None:
    persons = await people(own, 3)
    for number in range(8):
        pages = [[proposed(f"{name}_{number}")] for name in ("left", "right")]
        for person in persons[:2]:
            for settings in pages:
                await template_proposed(own.api, person.token, settings, "small")
        answers = await asyncio.gather(
            *(propose(own.api, persons[2].token, settings, "small") for settings in pages),
            own.api(ACTIVATE, {"id": own.first["id"]}, token=own.curator.token),
        )
        assert [answer.body.get("errors") for answer in answers] == [None] * 3
        async with own.api.database.connect() as connection:
            rows = await connection.fetch(
                "SELECT t.version, t.state FROM privacy.template AS t JOIN privacy.platform AS p ON p.id = t.platform_id"
                " WHERE p.slug = 'small' AND t.version IS NOT NULL"
            )
        assert [row["state"] for row in rows].count("ACTIVE") == 1
    versions = sorted(row["version"] for row in rows if row["version"] > 2)
    assert versions == list(range(3, 3 + 16))


async def test_a_frozen_platform_waits_for_a_curator(own: Small) -> None:
    ada, curator = own.ada, own.curator
    assert (await own.api(FREEZE, {"slug": "small", "on": True}, token=ada.token)).code == "FORBIDDEN"
    assert (await own.api(FREEZE, {"slug": "none", "on": True}, token=curator.token)).code == "NOT_FOUND"
    await own.api(FREEZE, {"slug": "small", "on": True}, token=curator.token)
    for person in [ada, *await people(own, 2)]:
        template = await template_proposed(own.api, person.token, STRUCTURE, "small")
    assert (template["state"], template["version"], template["activatedAt"]) == ("PROPOSED", 3, None)
    assert template["id"] in await waiting(own)
    assert (await own.api(WAITING, token=ada.token)).code == "FORBIDDEN"
    bob = await own.person()
    bobs = scan(await link(own.api, bob.token, "small"), template)
    assert (await record(own.api, bob.token, bobs)).code == "UNKNOWN_TEMPLATE"
    assert (await template_proposed(own.api, bob.token, STRUCTURE, "small"))["id"] == template["id"]
    await recorded(own.api, bob.token, bobs)
    answer = await own.api(ACTIVATE, {"id": template["id"]}, token=curator.token)
    assert answer.data["activateTemplate"]["template"]["state"] == "ACTIVE"
    await own.api(FREEZE, {"slug": "small", "on": False}, token=curator.token)
    for person in await people(own, 3):
        template = await template_proposed(own.api, person.token, [proposed("thawed")], "small")
    assert template["state"] == "ACTIVE"


async def test_what_is_known_is_returned(own: Small) -> None:
    for known, expected in ((own.first, "RETIRED"), (own.second, "ACTIVE")):
        settings = [proposed(s["key"], s["options"]) | {"type": s["type"]} for s in known["settings"]]
        template = await template_proposed(own.api, own.ada.token, settings, "small")
        assert (template["id"], template["state"]) == (known["id"], expected)
        assert {s["defaultKnown"] for s in template["settings"]} == {True}


async def test_rejected_is_rejected(own: Small) -> None:
    """The way to be rid of a bad one that was activated: activate another, reject it. Snapshots against it stay."""
    ada, curator = own.ada, own.curator
    link_id = await link(own.api, ada.token, "small")
    for person in [ada, *await people(own, 2)]:
        template = await template_proposed(own.api, person.token, STRUCTURE, "small")
    await recorded(own.api, ada.token, scan(link_id, template))
    given = {"id": template["id"], "reason": " Not the page. "}
    assert (await own.api(REJECT, given, token=ada.token)).code == "FORBIDDEN"
    assert (await own.api(REJECT, given, token=curator.token)).code == "BAD_INPUT"
    await own.api(ACTIVATE, {"id": own.second["id"]}, token=curator.token)
    for reason in ("", "  ", "x" * 501):
        assert (await own.api(REJECT, given | {"reason": reason}, token=curator.token)).code == "BAD_INPUT"
    for _ in range(2):
        answer = await own.api(REJECT, given, token=curator.token)
        assert answer.data["rejectTemplate"]["template"] == {"state": "REJECTED", "rejectionReason": "Not the page."}
    assert len(await history(own.api, ada.token, link_id)) == 1
    assert (await record(own.api, ada.token, scan(link_id, template, day=1))).code == "UNKNOWN_TEMPLATE"
    assert (await template_proposed(own.api, ada.token, STRUCTURE, "small"))["state"] == "REJECTED"
    answer = await own.api(ACTIVATE, {"id": template["id"]}, token=curator.token)
    assert answer.code == "BAD_INPUT"


# What is refused


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ([], "BAD_INPUT"),
        ([proposed(f"s_{n}") for n in range(251)], "BAD_INPUT"),
        ([proposed("a"), proposed("b"), proposed("a")], "DUPLICATE_SETTING"),
        ([proposed("")], "BAD_INPUT"),
        ([proposed("A")], "BAD_INPUT"),
        ([proposed("a" * 64)], "BAD_INPUT"),
        ([proposed("a\n")], "BAD_INPUT"),
        ([proposed("a", ["off", "on"], type="TOGGLE")], "BAD_INPUT"),
        ([proposed("a", ["x"])], "BAD_INPUT"),
        ([proposed("a", ["x", "x"])], "BAD_INPUT"),
        ([proposed("a", ["x", ""])], "BAD_INPUT"),
        ([proposed("a", ["x", "y" * 101])], "BAD_INPUT"),
        ([proposed("a", ["x", "y\0"])], "BAD_INPUT"),
        ([proposed("a", ["x", "y\n"])], "BAD_INPUT"),
        ([proposed("a", [str(n) for n in range(21)])], "BAD_INPUT"),
        ([proposed("a", label="")], "BAD_INPUT"),
        ([proposed("a", label=" ")], "BAD_INPUT"),
        ([proposed("a", label="x" * 201)], "BAD_INPUT"),
        ([proposed("a", label="x\0")], "BAD_INPUT"),
        ([proposed("a", category="Ads")], "BAD_INPUT"),
        ([proposed("a", category="x" * 41)], "BAD_INPUT"),
    ],
)
async def test_a_structure_has_bounds(small: Small, settings: list[dict[str, Any]], code: str) -> None:
    async with nothing_written(small.api):
        answer = await propose(small.api, small.ada.token, settings, "small")
        assert answer.code == code
        assert answer.body["errors"][0]["extensions"]["field"] == "settings"


BAD_TAGS = ["", "e", "english", "en_US", "en-", "x-private", "en-x-secret", "de-AT-u-co-phonebk", "en\0", "d" * 300]


@pytest.mark.parametrize("locale", BAD_TAGS)
async def test_a_language_is_a_tag(small: Small, locale: str) -> None:
    async with nothing_written(small.api):
        answer = await propose(small.api, small.ada.token, STRUCTURE, "small", locale=locale)
        assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "locale")


async def test_who_may_propose(small: Small) -> None:
    reading = await api_key(small.api, small.ada.token, "privacy:read")
    async with nothing_written(small.api):
        assert (await propose(small.api, reading, STRUCTURE, "small")).code == "FORBIDDEN"
        assert (await propose(small.api, small.ada.token, STRUCTURE, "no-such")).code == "NOT_FOUND"
        assert (await propose(small.api, small.ada.token, STRUCTURE, "small", idempotencyKey="")).code == "BAD_INPUT"
    writing = await api_key(small.api, small.ada.token, "snapshots:write")
    assert (await template_proposed(small.api, writing, [proposed("by_key")], "small"))["state"] == "PROPOSED"


async def test_a_viewer_may_not(small: Small) -> None:
    vera = await small.person()
    async with small.api.database.connect() as connection:
        await connection.execute("UPDATE core.member SET role = 'viewer' WHERE account_id = $1", vera.account_id)
    assert (await propose(small.api, vera.token, STRUCTURE, "small")).code == "FORBIDDEN"


async def test_the_same_key_again_is_one_proposal(small: Small) -> None:
    key = str(uuid4())
    answers = await asyncio.gather(
        *(propose(small.api, small.ada.token, [proposed("again")], "small", idempotencyKey=key) for _ in range(10))
    )
    assert len({str(answer.data) for answer in answers}) == 1
    async with small.api.database.connect() as connection:
        count = await connection.fetchval("SELECT count(*) FROM privacy.proposal WHERE account_id = $1", small.ada.account_id)
    assert count == 1
    other = await propose(small.api, small.ada.token, [proposed("other")], "small", idempotencyKey=key)
    assert other.code == "IDEMPOTENCY_CONFLICT"


async def test_a_flood_ends(small: Small) -> None:
    """So many may wait; what waits may be sent again, and another workspace is not concerned."""
    ada, bob = small.ada, await small.person()
    for number in range(MAX_OPEN):
        await template_proposed(small.api, ada.token, [proposed(f"flood_{number}")], "small")
    async with nothing_written(small.api):
        answer = await propose(small.api, ada.token, [proposed("one_more")], "small")
        assert answer.code == "TOO_MANY_PROPOSALS"
        assert (await propose(small.api, ada.token, [proposed("flood_0")], "small", locale="de")).code == "TOO_MANY_PROPOSALS"
    assert (await template_proposed(small.api, ada.token, [proposed("flood_0")], "small"))["state"] == "PROPOSED"
    assert (await template_proposed(small.api, ada.token, [proposed("elsewhere")], "google"))["state"] == "PROPOSED"
    assert (await template_proposed(small.api, bob.token, [proposed("one_more")], "small"))["state"] == "PROPOSED"


async def test_a_flood_at_once_ends_too(small: Small) -> None:
    ada = small.ada
    pages = [[proposed(f"storm_{number}")] for number in range(MAX_OPEN + 5)]
    answers = await asyncio.gather(*(propose(small.api, ada.token, settings, "small") for settings in pages))
    assert sum("errors" in answer.body for answer in answers) == 5


async def test_languages_of_a_known_one_are_bounded(small: Small) -> None:
    settings = [proposed(s["key"], s["options"], label="Wort") | {"type": s["type"]} for s in small.second["settings"]]
    letters = "abcdefghijklmnopqrstuvwxyz"
    codes = []
    for letter in letters[: MAX_OPEN + 1]:
        answer = await propose(small.api, small.ada.token, settings, "small", locale=f"x{letter}")
        codes += answer.codes
    assert codes == ["TOO_MANY_PROPOSALS"]
