"""node and nodes: every object again by its global id, and nothing by anything else."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.kit.embedded import Embedded
from app.kit.graphql import global_id
from app.schema import NODE_TYPES
from tests.conftest import Api, copy_of
from tests.factory.analysis import analyze, review
from tests.factory.core import Person
from tests.factory.kit import Lines, call, inhabit, nodes_of, serving, shared_nodes
from tests.factory.privacy import template_of

NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

World = tuple[Api, Person, dict[str, list[str]]]


@pytest.fixture(scope="module")
async def world(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[World]:
    """A person and the ids of all nodes that she may see."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            ada, curator = await inhabit(api, "ada"), await api.person("curator", curator=True)
            made = await analyze(api, curator.token, (await template_of(api, ada.token))["id"])
            assert (await review(api, curator.token, made["id"])).data
            yield api, ada, await nodes_of(api, ada) | await shared_nodes(api)


@pytest.mark.parametrize("name", sorted(NODE_TYPES))
async def test_every_type_of_node_is_found_again(world: World, name: str) -> None:
    api, ada, ids = world
    for given in ids[name][:3]:
        assert (await api(NODE, {"id": given}, token=ada.token)).data == {"node": {"__typename": name, "id": given}}
        answer = await api(*call("query", "node", {"ID": given}, depth=2, node=name), token=ada.token)
        assert answer.data["node"]["id"] == given


async def test_nodes_come_in_the_order_of_their_ids(world: World) -> None:
    api, ada, ids = world
    asked = [each for some in ids.values() for each in some][:60] + [global_id("Snapshot", str(uuid4())) for _ in range(10)]
    asked += asked[:20]
    Random(1).shuffle(asked)  # noqa: S311 - an order, no secret
    found = (await api(NODES, {"ids": asked}, token=ada.token)).data["nodes"]
    known = {each for some in ids.values() for each in some}
    assert [node["id"] if node else None for node in found] == [each if each in known else None for each in asked]


async def test_nodes_take_one_statement_for_each_type(world: World, lines: Lines) -> None:
    api, ada, ids = world
    asked = ids["AuditEvent"][:10] + ids["PlatformLink"] + ids["Platform"] + ids["AuditEvent"][:5]
    assert None not in (await api(NODES, {"ids": asked}, token=ada.token)).data["nodes"]
    assert sorted(lines.statements) == [
        "core/audit_event.edge_audit_event",
        "privacy/platform.edge_platform",
        "privacy/platform_link.edge_platform_link",
    ]


@pytest.mark.parametrize(
    ("count", "code"), [(0, "BAD_PAGE_SIZE"), (1, None), (100, None), (101, "BAD_PAGE_SIZE"), (5000, "BAD_PAGE_SIZE")]
)
async def test_nodes_take_1_to_100_ids(world: World, count: int, code: str | None) -> None:
    api, ada, ids = world
    answer = await api(NODES, {"ids": ids["Platform"][:1] * count}, token=ada.token)
    assert answer.codes == ([code] if code else [])
    if code is None:
        assert len(answer.data["nodes"]) == count


def text_id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


BAD_IDS = [
    "",
    " ",
    "x",
    "====",
    "%%%",
    "\0",
    "\U0001f511",
    "A" * 100_000,
    "0198f8f8-0000-7000-8000-000000000000",
    text_id("PlatformLink"),
    text_id("PlatformLink:"),
    text_id("PlatformLink:x"),
    text_id(":0198f8f8-0000-7000-8000-000000000000"),
    text_id("platformlink:0198f8f8-0000-7000-8000-000000000000"),
    text_id("Query:0198f8f8-0000-7000-8000-000000000000"),
    text_id("Member:0198f8f8-0000-7000-8000-000000000000"),
    text_id("Node:0198f8f8-0000-7000-8000-000000000000"),
    text_id("__Type:x"),
    text_id("PlatformLink:0198f8f8-0000-7000-8000-000000000000:x"),
    text_id("PlatformLink:0198f8f8-0000-7000-8000-00000000000'"),
    text_id("PlatformLink:0198f8f8-0000-7000-8000-000000000000\0"),
    text_id("PlatformLink:" + "9" * 5000),
    text_id("Change:x:ads"),
    text_id("Change"),
    base64.b64encode(b"PlatformLink:\xff\xfe").decode(),
    text_id("PlatformLink:0198f8f8-0000-7000-8000-000000000000").rstrip("="),
    text_id("PlatformLink:0198f8f8-0000-7000-8000-000000000000") + "====",
    text_id("PlatformLink:0198f8f8-0000-7000-8000-000000000000") + "\n",
]


@pytest.mark.parametrize("bad", BAD_IDS, ids=range(len(BAD_IDS)))
async def test_what_is_no_id_is_said_so(world: World, bad: str) -> None:
    api, ada, ids = world
    answer = await api(NODE, {"id": bad}, token=ada.token)
    assert (answer.code, answer.body["data"]) == ("BAD_ID", {"node": None})
    assert answer.body["errors"][0]["extensions"]["field"] == "id"
    many = await api(NODES, {"ids": [ids["Platform"][0], bad]}, token=ada.token)
    assert (many.code, many.body["errors"][0]["extensions"]["field"]) == ("BAD_ID", "ids")


async def test_a_change_is_named_by_snapshot_and_setting(world: World) -> None:
    api, ada, ids = world
    (change,) = ids["Change"]
    key = base64.b64decode(change).decode()
    for other in (key[:-1], key + "x", key.rpartition(":")[0] + ":", key.upper(), key + "'", key + ":x"):
        assert (await api(NODE, {"id": text_id(other)}, token=ada.token)).body["data"] == {"node": None}
    answer = await api(NODE, {"id": text_id(key + "\0")}, token=ada.token)
    assert answer.code in ("BAD_ID", "BAD_INPUT")


async def test_one_row_has_one_id(world: World) -> None:
    """A uuid may be written in many ways; what is answered is always the id as the API writes it."""
    api, ada, ids = world
    given = ids["PlatformLink"][0]
    uuid = UUID(base64.b64decode(given).decode().partition(":")[2])
    for written in (str(uuid).upper(), uuid.hex, f"{{{uuid}}}", uuid.urn):
        answer = await api(NODE, {"id": text_id(f"PlatformLink:{written}")}, token=ada.token)
        assert answer.codes in ([], ["BAD_ID"])
        if not answer.codes:
            assert answer.data["node"]["id"] == given


async def test_ids_of_random_bytes_are_never_an_accident(world: World) -> None:
    api, ada, _ = world
    random = Random(2)  # noqa: S311 - noise, no secret
    pieces: list[Any] = [
        "PlatformLink",
        "Change",
        ":",
        "0198f8f8-0000-7000-8000-000000000000",
        "\0",
        "é",
        "'",
        "-",
        "{",
        "}",
        " ",
    ]
    for _ in range(60):
        text = "".join(random.choices(pieces, k=random.randint(0, 6)))
        answer = await api(NODE, {"id": text_id(text)}, token=ada.token)
        assert set(answer.codes) <= {"BAD_ID", "BAD_INPUT"}, text
        assert answer.body["data"] == {"node": None}, text


async def test_a_key_sees_no_node_unless_its_scope_says_so(world: World) -> None:
    api, ada, ids = world
    seen: dict[str, set[str]] = {}
    for scope in ("privacy:read", "snapshots:write"):
        made = f'mutation {{ createApiKey(input: {{name: "k", scopes: ["{scope}"]}}) {{ secret }} }}'
        secret = (await api(made, token=ada.token)).data["createApiKey"]["secret"]
        seen[scope] = set()
        for name, some in ids.items():
            answer = await api(NODE, {"id": some[0]}, token=secret)
            if answer.body["data"] != {"node": None}:
                seen[scope].add(name)
    assert seen == {
        "privacy:read": {name for name, kind in NODE_TYPES.items() if "privacy:read" in kind.node_scopes},
        "snapshots:write": set(),
    }
