"""Edges: one statement for all parents of a level, each parent its own rows, and an error at each parent's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.kit.db import Db
from app.kit.embedded import Embedded
from app.kit.errors import AppError, ErrorCode
from app.kit.sql import BOUND, Statement
from tests.conftest import Api, copy_of
from tests.factory.kit import Lines, listen, serving
from tests.factory.privacy import link, record, scan, template_of

PARENTS = 20
STOCK = "__schema { queryType { name } }"
"""A plan does not describe the schema: with this in it, a document runs on the stock executor."""


@dataclass(frozen=True)
class World:
    """Twenty links of one person; the first fifteen were scanned, each as often as its number says, modulo four."""

    api: Api
    token: str
    scans: dict[str, int]


@pytest.fixture(scope="module")
async def world(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[World]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            ada = await api.person("ada")
            scans = {}
            for number in range(PARENTS):
                slug = ("google", "openai", "facebook")[number % 3]
                found = await template_of(api, ada.token, slug)
                toggle = next(s for s in found["settings"] if s["type"] == "TOGGLE")
                label = f"link {number:02}"
                link_id = await link(api, ada.token, slug, label)
                scans[label] = number % 4 if number < 15 else 0
                for day in range(scans[label]):
                    value = ("on", "off")[day % 2]
                    assert (await record(api, ada.token, scan(link_id, found, day=day, values={toggle["key"]: value}))).data
            yield World(api, ada.token, scans)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    return listen(monkeypatch)


async def ask(world: World, selection: str, stock: str, *, first: int = PARENTS) -> list[dict[str, Any]]:
    """The links with a selection of each."""
    answer = await world.api(
        f"{{ {stock} platformLinks(first: {first}) {{ edges {{ node {{ label {selection} }} }} }} }}", token=world.token
    )
    return [edge["node"] for edge in answer.data["platformLinks"]["edges"]]


SETTINGS = "privacy/template.edge_template_setting"
LEVELS: dict[str, list[str]] = {
    "platform { slug }": ["platform.edge_platform"],
    "latestSnapshot { id }": ["snapshot.edge_snapshot"],
    "platform { activeTemplate { settings { key } } }": [
        "platform.edge_platform",
        "template.edge_active_template",
        "template.edge_template_setting",
    ],
    "snapshots { edges { node { id } } }": ["snapshot.edge_snapshot_of_link"],
    "snapshots(first: 2) { edges { node { changes { setting snapshot { link { platform { name } } } } } } }": [
        "snapshot.edge_snapshot_of_link",
        "change.edge_change_of_snapshot",
        "snapshot.edge_snapshot",
        "platform_link.edge_platform_link",
        "platform.edge_platform",
    ],
    "latestSnapshot { settings { key value } }": ["snapshot.edge_snapshot", "template.edge_template_setting"],
    "latestSnapshot { template { platform { activeConfig { version } } } }": [
        "snapshot.edge_snapshot",
        "template.edge_template",
        "platform.edge_platform",
        "platform_config.edge_active_config",
    ],
    "platform { slug } latestSnapshot { id } snapshots { edges { cursor } }": [
        "platform.edge_platform",
        "snapshot.edge_snapshot",
        "snapshot.edge_snapshot_of_link",
    ],
}


@pytest.mark.parametrize("stock", ["", STOCK], ids=["planned", "stock"])
@pytest.mark.parametrize("selection", LEVELS)
async def test_a_level_is_one_statement(world: World, lines: Lines, selection: str, stock: str) -> None:
    """For twenty parents as for one, on either executor."""
    expected = Counter({"privacy/platform_link.page_platform_link": 1} | {f"privacy/{name}": 1 for name in LEVELS[selection]})
    for first in (PARENTS, 12):
        assert len(await ask(world, selection, stock, first=first)) == first
        ran = Counter(lines.statements)
        # Settings of a template never change, so a process may know them already.
        ran[SETTINGS] = ran[SETTINGS] or expected[SETTINGS]
        assert +ran == expected


@pytest.mark.parametrize("stock", ["", STOCK], ids=["planned", "stock"])
async def test_what_parents_share_is_asked_for_once(world: World, monkeypatch: pytest.MonkeyPatch, stock: str) -> None:
    asked: list[int] = []
    fetch = Db.fetch

    async def counting(self: Db, statement: Statement, args: dict[str, Any]) -> Any:
        asked.extend(len(args["ids"]) for _ in range(statement.id == "privacy/platform.edge_platform"))
        return await fetch(self, statement, args)

    monkeypatch.setattr(Db, "fetch", counting)
    links = await ask(world, "label platform { slug activeTemplate { id } }", stock)
    assert asked == [3]
    for each in links:
        assert each["platform"]["slug"] == ("google", "openai", "facebook")[int(each["label"][-2:]) % 3]


ALL = "SELECT s.id, s.link_id, s.template_id, s.captured_at"
CHOSEN: dict[str, dict[str, str]] = {
    "": {"platform_link.page_platform_link": "SELECT q.id, q.label"},
    "id status latestSnapshot { riskScore }": {
        "platform_link.page_platform_link": "SELECT q.id, q.label, q.latest_snapshot_id, q.status",
        "snapshot.edge_snapshot": "SELECT q.id, q.risk_score",
    },
    "latestSnapshot { riskLevel }": {"snapshot.edge_snapshot": ALL},  # of a row, by a function that may read any column
    "latestSnapshot { settings { key } }": {"snapshot.edge_snapshot": ALL},
    "latestSnapshot { id template { version } }": {"snapshot.edge_snapshot": "SELECT q.id, q.template_id"},
    "snapshots { edges { cursor node { changes { setting } } } pageInfo { endCursor } }": {
        "snapshot.edge_snapshot_of_link": "SELECT q.id, q.position",
        "change.edge_change_of_snapshot": "SELECT q.id, q.setting",
    },
    "a: snapshots { edges { a: node { confidence } } edges { node { riskScore } } }": {
        "snapshot.edge_snapshot_of_link": "SELECT q.confidence, q.id, q.position, q.risk_score",
    },
    "snapshots { edges { cursor } }": {"snapshot.edge_snapshot_of_link": "SELECT k.position, s.id"},
}


@pytest.mark.parametrize("selection", CHOSEN)
async def test_only_what_is_shown_is_fetched(world: World, monkeypatch: pytest.MonkeyPatch, selection: str) -> None:
    asked: dict[str, str] = {}
    variant = Statement.variant

    def noted(self: Statement, given: frozenset[str] = frozenset()) -> tuple[str, tuple[str, ...]]:
        asked[self.id.removeprefix("privacy/")] = self.body.partition("\n")[0]
        return variant(self, given)

    monkeypatch.setattr(Statement, "variant", noted)
    for statement in BOUND.values():  # what other tests have chosen leaves no room for more
        statement.statement._choices.clear()
    await ask(world, selection, "")
    for name, begins in CHOSEN[selection].items():
        assert asked[name] == begins or (" q." not in begins and asked[name].startswith(begins)), name
    chosen = dict(asked)
    await ask(world, selection, STOCK)
    assert not [name for name, text in asked.items() if "q." in text], "objects of a class have all columns"
    assert set(chosen) == set(asked)


async def test_both_executors_hand_out_the_same_rows(world: World) -> None:
    for selection in LEVELS:
        assert await ask(world, selection, "") == await ask(world, selection, STOCK)


@pytest.mark.parametrize("stock", ["", STOCK], ids=["planned", "stock"])
async def test_every_parent_gets_its_own(world: World, stock: str) -> None:
    selection = """
      platform { slug } latestSnapshot { id link { label } }
      snapshots { edges { node { id link { label } changes { setting } } } pageInfo { hasNextPage } }
    """
    nodes = await ask(world, selection, stock)
    assert [node["label"] for node in nodes] == [f"link {number:02}" for number in reversed(range(PARENTS))]
    for node in nodes:
        scans = world.scans[node["label"]]
        snapshots = [edge["node"] for edge in node["snapshots"]["edges"]]
        assert len(snapshots) == scans
        assert node["platform"]["slug"] == ("google", "openai", "facebook")[int(node["label"][-2:]) % 3]
        assert (node["latestSnapshot"] or {}).get("id") == (snapshots[0]["id"] if scans else None)
        assert {snapshot["link"]["label"] for snapshot in snapshots} <= {node["label"]}
        assert [len(snapshot["changes"]) for snapshot in snapshots] == [1] * (scans - 1) + [0] * bool(scans)


@pytest.mark.parametrize("stock", ["", STOCK], ids=["planned", "stock"])
async def test_a_page_below_a_parent_is_cut_for_each(world: World, lines: Lines, stock: str) -> None:
    """Pages of different sizes and cursors at the same level are a statement each, and each parent's own page."""
    selection = "one: snapshots(first: 1) { edges { node { id } } pageInfo { hasNextPage endCursor } } two: snapshots(first: 2) { edges { node { id } } pageInfo { hasNextPage } } all: snapshots { edges { node { id } } }"  # noqa: E501
    for node in await ask(world, selection, stock):
        everything = [edge["node"]["id"] for edge in node["all"]["edges"]]
        for name, size in (("one", 1), ("two", 2)):
            assert [edge["node"]["id"] for edge in node[name]["edges"]] == everything[:size]
            assert node[name]["pageInfo"]["hasNextPage"] == (len(everything) > size)
    assert Counter(lines.statements)["privacy/snapshot.edge_snapshot_of_link"] == 3
    node = next(node for node in await ask(world, selection, stock) if world.scans[node["label"]] == 3)
    after = node["one"]["pageInfo"]["endCursor"]
    behind = await ask(world, f'snapshots(after: "{after}") {{ edges {{ node {{ id }} }} }}', stock)
    (own,) = [each for each in behind if each["label"] == node["label"]]
    assert [edge["node"] for edge in own["snapshots"]["edges"]] == [edge["node"] for edge in node["all"]["edges"]][1:]


@pytest.mark.parametrize("stock", ["", STOCK], ids=["planned", "stock"])
async def test_an_error_of_an_edge_is_an_error_at_each_place(world: World, monkeypatch: pytest.MonkeyPatch, stock: str) -> None:
    """Each with a path of its own; what is beside the field is shown."""
    fetch = Db.fetch

    async def failing(self: Db, statement: Statement, args: dict[str, Any]) -> Any:
        if statement.id == "privacy/snapshot.edge_snapshot":
            raise AppError(ErrorCode.TIMED_OUT, "The database took too long.")
        return await fetch(self, statement, args)

    monkeypatch.setattr(Db, "fetch", failing)
    document = f"{{ {stock} platformLinks {{ edges {{ node {{ label latestSnapshot {{ id }} platform {{ slug }} }} }} }} }}"
    answer = await world.api(document, token=world.token)
    assert answer.codes == ["TIMED_OUT"] * PARENTS
    assert [error["path"] for error in answer.body["errors"]] == [
        ["platformLinks", "edges", place, "node", "latestSnapshot"] for place in range(PARENTS)
    ]
    for edge in answer.body["data"]["platformLinks"]["edges"]:
        assert edge["node"]["latestSnapshot"] is None
        assert edge["node"]["platform"]["slug"] in ("google", "openai", "facebook")


@pytest.mark.parametrize("stock", ["", STOCK], ids=["planned", "stock"])
async def test_a_bad_page_below_a_parent_is_said_so(world: World, stock: str) -> None:
    for arguments, code in {
        "first: 0": "BAD_PAGE_SIZE",
        "first: 101": "BAD_PAGE_SIZE",
        'after: "x"': "BAD_CURSOR",
        'after: ""': "BAD_CURSOR",
        "first: -1": "BAD_PAGE_SIZE",
    }.items():
        below = f"snapshots({arguments}) {{ edges {{ cursor }} }}"
        document = f"{{ {stock} platformLinks(first: 2) {{ edges {{ node {{ {below} }} }} }} }}"
        answer = await world.api(document, token=world.token)
        assert set(answer.codes) == {code}, arguments
        # A page may not be null, so the nearest list that may be is.
        assert answer.body["data"]["platformLinks"] is None
        assert answer.body["errors"][0]["path"][-1] == "snapshots"


async def test_without_parents_nothing_is_asked(world: World, lines: Lines) -> None:
    ben = await world.api.person("ben")
    document = "{ platformLinks { edges { node { platform { slug } snapshots { edges { node { changes { setting } } } } } } } }"
    for stock in ("", STOCK):
        assert (await world.api(document.replace("{", f"{{ {stock}", 1), token=ben.token)).data["platformLinks"] == {
            "edges": []
        }
        assert lines.statements == ["privacy/platform_link.page_platform_link"]


async def test_edges_of_a_mutation_are_one_statement_too(world: World, lines: Lines) -> None:
    found = await template_of(world.api, world.token)
    links = [await link(world.api, world.token, label=f"batch {number}") for number in range(5)]
    document = """
    mutation($inputs: [RecordSnapshotInput!]!) { recordSnapshots(inputs: $inputs) {
      changes { setting } snapshot { link { label platform { slug } } settings { key } }
    } }
    """
    answer = await world.api(document, {"inputs": [scan(link_id, found) for link_id in links]}, token=world.token)
    assert [each["snapshot"]["link"]["label"] for each in answer.data["recordSnapshots"]] == [f"batch {n}" for n in range(5)]
    counted = Counter(lines.statements)
    for name in ("platform.edge_platform", "platform_link.edge_platform_link"):
        assert counted[f"privacy/{name}"] == 1, name
    assert "privacy/change.edge_change_of_snapshot" not in counted, "what was just written is not read back"


async def test_a_thousand_parents_are_one_statement(world: World, lines: Lines) -> None:
    """Every setting of every snapshot of every link: the level is as wide as it likes."""
    selection = "snapshots(first: 20) { edges { node { settings { key value observed } riskContributions { points } } } }"
    await ask(world, selection, "")
    assert sum(1 for name in lines.statements if name.startswith("privacy/snapshot")) == 1
    assert Counter(lines.statements)[SETTINGS] <= 2
