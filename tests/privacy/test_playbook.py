"""Playbooks: loaded once, never edited, and done as far as the latest snapshot shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.server
from app.kit.errors import SetupError
from app.privacy.curated import read
from app.privacy.playbook import PlaybookStep, StepState, state_of
from app.privacy.values import pack, unpack
from tests.conftest import Api
from tests.factory.kit import Lines
from tests.factory.privacy import api_key, link, load_files, recorded, scan, setting, write_platform
from tests.privacy.conftest import FIRST, Small

PLAYBOOKS = """
query Playbooks($slug: String!, $first: Int! = 20, $after: String) {
  playbooks(platformSlug: $slug, first: $first, after: $after) {
    edges { node { id slug version title summary platform { slug } steps { number text setting target directLink } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
PROGRESS = """
query Progress($id: ID!) {
  platformLink(id: $id) { playbooks {
    done toDo playbook { slug version } steps { number setting target currentValue state text directLink }
  } }
}
"""

STEPS = [
    {"text": "Stop ads.", "setting": "ads", "target": "off", "direct_link": "https://example.com/ads"},
    {"text": "Fewer see it.", "setting": "audience", "target": "Friends", "direct_link": "https://example.com/audience"},
    {"text": "Log out elsewhere.", "direct_link": "https://example.com/devices"},
]


def write_playbook(data: Path, slug: str, name: str, steps: list[dict[str, Any]], **other: Any) -> None:
    """Write playbook-<name>.toml."""
    head = {"version": 1, "title": name.title(), "summary": "Helps."} | other
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in head.items())
    for step in steps:
        text += "\n[[step]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in step.items())
    (data / slug / f"playbook-{name}.toml").write_text(text)


async def listed(api: Api, token: str, slug: str) -> list[dict[str, Any]]:
    answer = await api(PLAYBOOKS, {"slug": slug}, token=token)
    return [edge["node"] for edge in answer.data["playbooks"]["edges"]]


async def progress(api: Api, token: str, link_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api(PROGRESS, {"id": link_id}, token=token)).data["platformLink"]["playbooks"]
    return found


async def test_the_curated_ones_are_there(small: Small) -> None:
    for platform in read():
        shown = await listed(small.api, small.ada.token, platform.slug)
        assert [p["slug"] for p in shown] == sorted(p.slug for p in platform.playbook)
        for playbook, curated in zip(shown, sorted(platform.playbook, key=lambda p: p.slug), strict=True):
            assert (playbook["version"], playbook["platform"]["slug"]) == (curated.version, platform.slug)
            assert [s["number"] for s in playbook["steps"]] == list(range(1, len(curated.step) + 1))
            assert [(s["setting"], s["target"], s["directLink"]) for s in playbook["steps"]] == [
                (s.setting, s.target, s.direct_link) for s in curated.step
            ]
    node = "query($id: ID!) { node(id: $id) { ... on Playbook { slug } } }"
    assert (await small.api(node, {"id": shown[0]["id"]}, token=small.ada.token)).data["node"] == {"slug": shown[0]["slug"]}


async def test_pages_hold_each_once(small: Small) -> None:
    answer = await small.api(PLAYBOOKS, {"slug": "google", "first": 2}, token=small.ada.token)
    first = answer.data["playbooks"]
    assert first["pageInfo"]["hasNextPage"]
    given = {"slug": "google", "first": 2, "after": first["pageInfo"]["endCursor"]}
    rest = (await small.api(PLAYBOOKS, given, token=small.ada.token)).data["playbooks"]
    slugs = [e["node"]["slug"] for e in (*first["edges"], *rest["edges"])]
    assert slugs == [p["slug"] for p in await listed(small.api, small.ada.token, "google")]


async def test_a_new_version_takes_the_place_of_the_old(own: Small, tmp_path: Path) -> None:
    data = tmp_path / "books"
    write_platform(data, "other", FIRST)
    write_playbook(data, "other", "calm", STEPS)
    added = await load_files(own.api.database, data)
    assert "other: playbook calm 1, 3 steps" in added
    assert await load_files(own.api.database, data) == []
    write_playbook(data, "other", "calm", STEPS[:1])
    with pytest.raises(SetupError, match="give it another version"):
        await load_files(own.api.database, data)
    write_playbook(data, "other", "calm", STEPS[:1], version=2)
    assert await load_files(own.api.database, data) == ["other: playbook calm 2, 1 steps"]
    assert [(p["slug"], p["version"], len(p["steps"])) for p in await listed(own.api, own.ada.token, "other")] == [
        ("calm", 2, 1)
    ]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([STEPS[0] | {"target": "never"}], "no setting ads"),
        ([STEPS[0] | {"setting": "nothing"}], "no setting nothing"),
        ([{"text": "x", "setting": "ads", "direct_link": "https://x.example/"}], "given together"),
        ([STEPS[0] | {"direct_link": "http://x.example/"}], "direct_link"),
        ([], "step"),
    ],
)
def test_a_file_that_leads_nowhere_is_refused(tmp_path: Path, steps: list[dict[str, Any]], message: str) -> None:
    write_platform(tmp_path, "small", FIRST)
    write_playbook(tmp_path, "small", "calm", steps)
    with pytest.raises(SetupError, match=message):
        read(tmp_path)


async def test_steps_are_done_as_the_latest_snapshot_shows(own: Small, tmp_path: Path) -> None:
    data = tmp_path / "books"
    write_platform(data, "other", FIRST)
    write_playbook(data, "other", "calm", STEPS)
    await load_files(own.api.database, data)
    token = own.ada.token
    answer = await own.api(
        '{ platform(slug: "other") { activeTemplate { id version hash settings { key type options default } } } }', token=token
    )
    template = answer.data["platform"]["activeTemplate"]
    link_id = await link(own.api, token, "other")
    (before,) = await progress(own.api, token, link_id)
    assert (before["done"], before["toDo"], before["playbook"]) == (0, 0, {"slug": "calm", "version": 1})
    assert [s["state"] for s in before["steps"]] == ["UNKNOWN"] * 3
    await recorded(own.api, token, scan(link_id, template, values={"audience": "Only me"}))
    (shown,) = await progress(own.api, token, link_id)
    assert [(s["setting"], s["currentValue"], s["state"]) for s in shown["steps"]] == [
        ("ads", "on", "TO_DO"),
        ("audience", "Only me", "DONE"),  # stricter than the target
        (None, None, "UNKNOWN"),
    ]
    assert (shown["done"], shown["toDo"]) == (1, 1)
    await recorded(own.api, token, scan(link_id, template, day=1, values={"ads": "off", "audience": None}))
    (shown,) = await progress(own.api, token, link_id)
    assert [s["state"] for s in shown["steps"]] == ["DONE", "UNKNOWN", "UNKNOWN"]


async def test_a_platform_without_any(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    assert await progress(small.api, small.ada.token, link_id) == []
    assert await listed(small.api, small.ada.token, "small") == []


async def test_refusals(small: Small) -> None:
    answer = await small.api(PLAYBOOKS, {"slug": "nothing"}, token=small.ada.token)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NOT_FOUND", "platformSlug")
    assert (await small.api(PLAYBOOKS, {"slug": "google", "first": 0}, token=small.ada.token)).code == "BAD_PAGE_SIZE"
    assert (await small.api(PLAYBOOKS, {"slug": "google", "after": "x"}, token=small.ada.token)).code == "BAD_CURSOR"
    link_id = await link(small.api, small.ada.token, "small", str(uuid4()))
    key = await api_key(small.api, small.ada.token, "snapshots:write")
    assert (await small.api("{ platformLinks { edges { node { playbooks { done } } } } }", token=key)).code == "FORBIDDEN"
    ben = await small.person()
    assert (await small.api(PROGRESS, {"id": link_id}, token=ben.token)).data == {"platformLink": None}


async def test_statements_do_not_grow_with_links(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(app.server, "log", lines.logger())
    counts = []
    for slugs in (["google"], ["facebook", "openai", "linkedin"]):
        for slug in slugs:
            await link(small.api, small.ada.token, slug, slug)
        asked = "{ platformLinks { edges { node { playbooks { done steps { state } } } } } }"
        edges = (await small.api(asked, token=small.ada.token)).data["platformLinks"]["edges"]
        assert all(edge["node"]["playbooks"] for edge in edges)
        counts.append(sorted(lines.statements))
    assert counts[0] == counts[1]


@given(st.integers(0, 3), st.integers(0, 4), st.booleans())
def test_a_step_is_done_at_its_target_or_behind_it(target: int, value: int, observed: bool) -> None:
    options = ["a", "b", "c", "d"]
    choice = setting(0, "choice", options)
    step = PlaybookStep(number=1, text="x", setting="choice", target=options[target], direct_link="https://example.com")
    seen = unpack([choice], *pack([choice], {"choice": options[value % 4]} if observed else {}))
    state = state_of(step, choice, seen.get("choice"))
    expected = StepState.DONE if value % 4 >= target else StepState.TO_DO
    assert state is (expected if observed else StepState.UNKNOWN)
    assert state_of(step, None, "a") is StepState.UNKNOWN
    assert state_of(step, setting(0, "choice", ["x", "y"]), "x") is StepState.UNKNOWN
