"""Templates: the hash that extensions compute too, and who may say which one is active."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id, parse_global_id
from app.privacy.template import SettingType, structure_hash
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.privacy import (
    ACTIVATE,
    api_key,
    link,
    load_files,
    nothing_written,
    record,
    recorded,
    scan,
    template_of,
    write_template,
)
from tests.privacy.conftest import FIRST, SECOND, Small

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "template_hash.json").read_text(encoding="utf-8"))

STATES = "SELECT version, state FROM privacy.template WHERE platform_id = (SELECT id FROM privacy.platform WHERE slug = $1)"
PLATFORM = """
query Platform($slug: String!) {
  platform(slug: $slug) {
    activeTemplate {
      hash version state settingCount summary createdAt activatedAt platform { slug }
      settings { key label description category type options default recommended risk directLink }
    }
  }
}
"""


def canonical(settings: list[dict[str, Any]]) -> str:
    """RFC 8785 of ``[{key, options, type}]`` by hand: what an extension without our code would write."""
    return "[" + ",".join(_object(s) for s in sorted(settings, key=lambda s: s["key"].encode("utf-16-be"))) + "]"


def _object(one: dict[str, Any]) -> str:
    options = ",".join(_string(option) for option in one["options"])
    return f'{{"key":{_string(one["key"])},"options":[{options}],"type":{_string(one["type"])}}}'


def _string(text: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    return '"' + "".join(short.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text) + '"'


def by_app(settings: list[dict[str, Any]]) -> str:
    return structure_hash((s["key"], SettingType[s["type"]], s["options"]) for s in settings).hex()


# The hash


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_vectors_hold(vector: dict[str, Any]) -> None:
    assert canonical(vector["settings"]) == vector["canonical"]
    assert hashlib.sha256(vector["canonical"].encode()).hexdigest() == vector["hash"]
    assert by_app(vector["settings"]) == vector["hash"]
    assert json.loads(vector["canonical"]) == [
        {name: s[name] for name in ("key", "options", "type")} for s in sorted(vector["settings"], key=lambda s: s["key"])
    ]


def test_vectors_show_what_counts() -> None:
    hashes = {v["name"]: v["hash"] for v in VECTORS}
    assert len(VECTORS) >= 6
    assert hashes["one toggle"] == hashes["one toggle, everything else about it different"]
    assert hashes["three settings"] == hashes["three settings in another order"]
    assert hashes["options in their order"] != hashes["options in another order"]
    assert hashes["a composed character"] != hashes["a decomposed character"]
    assert hashes["options in their order"] != hashes["another type"]
    assert any(len(s) > 3 for v in VECTORS for s in v["settings"]), "no vector has fields that stay outside"


async def test_every_active_template_has_the_hash_of_what_it_shows(api: Api) -> None:
    ada = await api.person()
    for slug in ("anthropic", "facebook", "google", "linkedin", "openai"):
        shown = (await api(PLATFORM, {"slug": slug}, token=ada.token)).data["platform"]["activeTemplate"]
        assert shown["hash"] == hashlib.sha256(canonical(shown["settings"]).encode()).hexdigest()
        assert shown["settingCount"] == len(shown["settings"]) >= 12
        assert shown["platform"] == {"slug": slug}
        assert shown["state"] == "ACTIVE"
        assert shown["summary"]
        assert shown["activatedAt"] >= shown["createdAt"]
        for setting in shown["settings"]:
            assert {setting["default"], setting["recommended"]} <= set(setting["options"])
            assert setting["type"] != "TOGGLE" or setting["options"] == ["on", "off"]
            assert 1 <= setting["risk"] <= 100
            assert setting["directLink"].startswith("https://")
            assert setting["label"]
            assert setting["description"]


async def test_a_template_is_a_node(api: Api) -> None:
    ada = await api.person()
    template = await template_of(api, ada.token)
    query = "query N($id: ID!) { node(id: $id) { id ... on Template { hash } } }"
    answer = await api(query, {"id": template["id"]}, token=ada.token)
    assert answer.data["node"] == {"id": template["id"], "hash": template["hash"]}


# Activation


async def states(api: Api, slug: str = "small") -> dict[int, str]:
    async with api.database.connect() as connection:
        return {row["version"]: row["state"] for row in await connection.fetch(STATES, slug)}


async def activate(api: Api, token: str, template_id: str) -> Any:
    return await api(ACTIVATE, {"id": template_id}, token=token)


async def test_the_way_back_is_to_activate_a_retired_one(own: Small) -> None:
    assert await states(own.api) == {1: "RETIRED", 2: "ACTIVE"}
    answer = await activate(own.api, own.curator.token, own.first["id"])
    assert answer.data["activateTemplate"]["template"]["state"] == "ACTIVE"
    assert answer.data["activateTemplate"]["template"]["platform"] == {"slug": "small"}
    assert await states(own.api) == {1: "ACTIVE", 2: "RETIRED"}
    assert (await template_of(own.api, own.ada.token, "small"))["id"] == own.first["id"]


async def test_scans_are_taken_against_retired_templates_too(own: Small) -> None:
    """An extension learns of a new template some time after its activation."""
    link_id = await link(own.api, own.ada.token, "small")
    found = await recorded(own.api, own.ada.token, scan(link_id, own.first))
    assert found["snapshot"]["completionRate"] == 1


async def test_activating_what_is_active_changes_nothing(own: Small) -> None:
    async with nothing_written(own.api):
        answer = await activate(own.api, own.curator.token, own.second["id"])
        assert answer.data["activateTemplate"]["template"]["state"] == "ACTIVE"


async def test_an_activation_is_audited(own: Small) -> None:
    await activate(own.api, own.curator.token, own.first["id"])
    async with own.api.database.connect() as connection:
        found = await connection.fetch(
            "SELECT e.actor_id, d.detail ->> 'state' AS state"
            " FROM core.audit_event e JOIN core.audit_detail d ON d.event_id = e.id"
            " WHERE e.object = 'privacy.template' AND e.action = 'UPDATE' ORDER BY e.id DESC LIMIT 2"
        )
    assert {row["state"] for row in found} == {'["ACTIVE", "RETIRED"]', '["RETIRED", "ACTIVE"]'}
    assert {row["actor_id"] for row in found} == {own.curator.account_id}


async def test_only_curators_activate(own: Small) -> None:
    key = await api_key(own.api, own.curator.token, "snapshots:write", "privacy:read")
    async with nothing_written(own.api):
        for token in (own.ada.token, key):
            answer = await activate(own.api, token, own.first["id"])
            assert answer.code == "FORBIDDEN"
            assert answer.body["data"] is None or answer.body["data"]["activateTemplate"] is None
    assert await states(own.api) == {1: "RETIRED", 2: "ACTIVE"}


@pytest.mark.parametrize(
    ("template_id", "code"),
    [
        (global_id("Template", str(UUID(int=7))), "NOT_FOUND"),
        (global_id("Platform", str(UUID(int=7))), "BAD_ID"),
        (str(UUID(int=7)), "BAD_ID"),
        (global_id("Template", "not a uuid"), "BAD_ID"),
        ("", "BAD_ID"),
    ],
)
async def test_activating_what_is_none(api: Api, template_id: str, code: str) -> None:
    curator = await api.person("curator", curator=True)
    answer = await activate(api, curator.token, template_id)
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"]["field"] == "id"


async def test_two_activations_at_once_leave_one_active(own: Small) -> None:
    ids = [own.first["id"], own.second["id"]]
    for _ in range(5):
        answers = await asyncio.gather(*(activate(own.api, own.curator.token, ids[n % 2]) for n in range(8)))
        assert [a.data["activateTemplate"]["template"]["state"] for a in answers] == ["ACTIVE"] * 8
        assert sorted((await states(own.api)).values()) == ["ACTIVE", "RETIRED"]


async def test_a_proposed_template_takes_no_scans_until_a_curator_says_so(own: Small, tmp_path: Path) -> None:
    settings = [s for s in SECOND if s["key"] != "news"]
    write_template(tmp_path / "curated", "small", 3, settings)
    await load_files(own.api.database, tmp_path / "curated")
    assert await states(own.api) == {1: "RETIRED", 2: "ACTIVE", 3: "PROPOSED"}
    async with own.api.database.connect() as connection:
        row = await connection.fetchrow("SELECT id, structure_hash FROM privacy.template WHERE summary = 'Version 3.'")
    assert row is not None
    proposed = {"hash": row["structure_hash"].hex(), "settings": [s for s in own.second["settings"] if s["key"] != "news"]}
    given = scan(await link(own.api, own.ada.token, "small"), proposed)
    async with nothing_written(own.api):
        assert (await record(own.api, own.ada.token, given)).code == "UNKNOWN_TEMPLATE"
    await activate(own.api, own.curator.token, global_id("Template", str(row["id"])))
    assert (await recorded(own.api, own.ada.token, given))["unchanged"] is False


# The second wall: what the database says to the same people


async def declare(connection: asyncpg.Connection, person: Person, api_key_id: UUID | None = None) -> None:
    """Say who is calling, as the API does with BEGIN."""
    names = {"workspace_id": person.workspace_id, "account_id": person.account_id, "api_key_id": api_key_id or ""}
    for name, value in names.items():
        await connection.execute("SELECT set_config($1, $2, false)", f"fivefold.{name}", str(value))


async def test_the_database_refuses_who_is_no_curator(own: Small) -> None:
    template_id = UUID(parse_global_id(own.first["id"], field="id")[1])
    update = "UPDATE privacy.template SET state = 'RETIRED' WHERE state = 'ACTIVE'"
    async with own.api.database.connect("fivefold_api") as connection:
        for person, key in ((own.ada, None), (own.curator, uuid4())):
            await declare(connection, person, key)
            assert await connection.execute(update) == "UPDATE 0"
            assert await connection.fetch("SELECT FROM privacy.platform FOR NO KEY UPDATE") == []
        await declare(connection, own.curator)
        assert await connection.execute(update) != "UPDATE 0"
        for column in ("structure_hash = '\\x00'", "summary = 'x'", "version = 9", "setting_count = 1"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE privacy.template SET {column} WHERE id = $1", template_id)


@pytest.mark.parametrize("user", ["fivefold_api", "fivefold_worker"])
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO privacy.template (platform_id, version, structure_hash, setting_count, state, summary)"
        " SELECT id, 99, sha256(''), 1, 'ACTIVE', '' FROM privacy.platform",
        "DELETE FROM privacy.template",
        "UPDATE privacy.template_setting SET recommended = default_value",
        "DELETE FROM privacy.template_setting",
        "INSERT INTO privacy.template_setting SELECT * FROM privacy.template_setting",
        "TRUNCATE privacy.template CASCADE",
    ],
)
async def test_nobody_rewrites_a_template(api: Api, user: str, sql: str) -> None:
    curator = await api.person("curator", curator=True)
    async with api.database.connect(user) as connection:
        await declare(connection, curator)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)


async def test_settings_do_not_change_even_for_the_owner(api: Api) -> None:
    async with api.database.connect() as connection:
        for sql in ("UPDATE privacy.template_setting SET risk = 1", "DELETE FROM privacy.template_setting"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(sql)


async def test_there_is_never_a_second_active_one(own: Small) -> None:
    async with own.api.database.connect() as connection:
        with pytest.raises(asyncpg.UniqueViolationError, match="template_one_active_idx"):
            await connection.execute("UPDATE privacy.template SET state = 'ACTIVE' WHERE summary LIKE 'Version _.'")


def test_the_small_platform_changes_in_every_way() -> None:
    """What tests of scans rely on."""
    first, second = ({s["key"]: s for s in page} for page in (FIRST, SECOND))
    assert (first.keys() - second.keys(), second.keys() - first.keys()) == ({"gone"}, {"news"})
    assert first["ads"]["options"] == second["ads"]["options"]
    assert first["ads"]["default"] != second["ads"]["default"]
    assert first["history"] == second["history"]
