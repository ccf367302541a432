"""Scans: who sees them, what may follow what, and who is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.kit.embedded import Embedded
from app.kit.graphql import parse_uuid
from tests.conftest import Api, copy_of
from tests.factory.kit import give, inhabit
from tests.factory.scans import submit
from tests.factory.socket import Server, listening

SCANS = "{ scans { edges { node { id state version visibility progress maskedUrl host } } } }"


async def test_a_scan_is_seen_in_its_workspace_alone(shared: Api) -> None:
    ada, eve = await inhabit(shared, "ada", "ada"), await shared.person("eve")
    listed = [edge["node"] for edge in (await shared(SCANS, token=ada.token)).data["scans"]["edges"]]
    (node,) = [each for each in listed if each["state"] == "QUEUED"]
    assert node | {"id": ""} == {
        "id": "",
        "state": "QUEUED",
        "version": 1,
        "visibility": "PRIVATE",
        "progress": 0,
        "maskedUrl": "https://ada.example.com/",
        "host": "ada.example.com",
    }
    one = "query($id: ID!) { scan(id: $id) { id } node(id: $id) { id } }"
    assert (await shared(one, {"id": node["id"]}, token=ada.token)).data == {
        "scan": {"id": node["id"]},
        "node": {"id": node["id"]},
    }
    assert (await shared(one, {"id": node["id"]}, token=eve.token)).data == {"scan": None, "node": None}
    for filtering, ids in (
        ('host: "ada.example.com"', [each["id"] for each in listed if each["host"] == "ada.example.com"]),
        ("state: QUEUED", [node["id"]]),
        ('host: "example.com"', []),
        ("state: TIMED_OUT", []),
    ):
        found = (await shared(f"{{ scans({filtering}) {{ edges {{ node {{ id }} }} }} }}", token=ada.token)).data
        assert [edge["node"]["id"] for edge in found["scans"]["edges"]] == ids, filtering


ALLOWED = {
    "QUEUED": {"FETCHING", "FAILED"},
    "FETCHING": {"ANALYZING", "FAILED", "TIMED_OUT"},
    "ANALYZING": {"COMPLETED", "FAILED", "TIMED_OUT"},
}
WAY: dict[str, list[str]] = {
    "QUEUED": [],
    "FETCHING": ["FETCHING"],
    "ANALYZING": ["FETCHING", "ANALYZING"],
    "COMPLETED": ["FETCHING", "ANALYZING", "COMPLETED"],
    "FAILED": ["FAILED"],
    "TIMED_OUT": ["FETCHING", "TIMED_OUT"],
}
STEP = (
    "UPDATE scans.scan SET state = $2,"
    " failure = CASE WHEN $2 IN ('FAILED', 'TIMED_OUT') THEN 'A_TEST' END,"
    " finished_at = CASE WHEN $2 IN ('COMPLETED', 'FAILED', 'TIMED_OUT') THEN now() END,"
    " lease_until = CASE WHEN $2 IN ('FETCHING', 'ANALYZING') THEN now() END WHERE id = $1"
)


async def test_the_database_says_what_may_follow_what(shared: Api) -> None:
    """Every pair of states, by the administrator himself."""
    person = await inhabit(shared, "grace", "grace")
    async with shared.database.connect() as admin:
        scan_id = await admin.fetchval("SELECT id FROM scans.scan WHERE workspace_id = $1", person.workspace_id)
        for state, way in WAY.items():
            for following in WAY:
                transaction = admin.transaction()
                await transaction.start()
                for step in way:
                    await admin.execute(STEP, scan_id, step)
                if following in ALLOWED.get(state, ()):
                    await admin.execute(STEP, scan_id, following)
                    version = await admin.fetchval("SELECT version FROM scans.scan WHERE id = $1", scan_id)
                    assert version == len(way) + 2
                elif following != state:
                    with pytest.raises(asyncpg.CheckViolationError, match="scan_transition_allowed"):
                        await admin.execute(STEP, scan_id, following)
                await transaction.rollback()


STATES = """
subscription States($id: ID, $after: String) {
  scanState(id: $id, after: $after) { cursor state version progress scan { id maskedUrl } }
}
"""


@pytest.fixture(scope="module")
async def live(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Server]:
    with copy_of(server, template) as database:
        async with listening(database, jwt_key) as running:
            yield running


async def asked(live: Server, name: str, host: str) -> str:
    """A scan that was asked for; its global id."""
    answer = await submit(live.api, await live.api.person(name), f"https://{host}/")
    return str(answer.data["submitScan"]["scan"]["id"])


async def test_each_state_is_told_once_to_its_own_workspace(live: Server) -> None:
    ada, eve = await live.api.person("ada"), await live.api.person("eve")
    for person in (ada, eve):
        await give(live.api, person, 3)
    async with live.open(ada.token) as hers, live.open(eve.token) as other:
        await hers.subscribe("1", STATES)
        await other.subscribe("1", STATES)
        first = await asked(live, "ada", "one.example.com")
        event = await hers.event()
        assert event.pop("cursor")
        assert event == {
            "state": "QUEUED",
            "version": 1,
            "progress": 0,
            "scan": {"id": first, "maskedUrl": "https://one.example.com/"},
        }
        theirs = await asked(live, "eve", "two.example.com")
        assert (await other.event())["scan"]["id"] == theirs
        assert await hers.silence() == []
    second = await asked(live, "ada", "three.example.com")
    async with live.open(ada.token) as again:
        await again.subscribe("1", STATES, {"id": second})
        assert await again.silence() == [], "what was before is told behind a cursor only"


TELL = (
    "INSERT INTO core.outbox (workspace_id, object_id, kind, detail) SELECT workspace_id, id, 'scans.scan_state',"
    " jsonb_build_object('state', state, 'version', version) FROM scans.scan WHERE id = $1"
)


async def test_who_comes_back_has_missed_nothing_and_a_stranger_hears_nothing(live: Server) -> None:
    """Also after the end, when there is nothing more to tell; whatever cursor a stranger brings."""
    joan, mallory = await live.api.person("joan"), await live.api.person("mallory")
    await give(live.api, joan, 3)
    scan = await asked(live, "joan", "four.example.com")

    async def step(*steps: str) -> None:
        async with live.api.database.connect() as admin:
            for state in steps:
                async with admin.transaction():
                    await admin.execute(STEP, parse_uuid(scan, "Scan", field="id"), state)
                    await admin.execute(TELL, parse_uuid(scan, "Scan", field="id"))

    async with live.open(joan.token) as hers:
        await hers.subscribe("1", STATES, {"id": scan})
        await step("FETCHING")
        first = await hers.event()
        assert (first["state"], first["progress"]) == ("FETCHING", 25)
    await step("ANALYZING", "COMPLETED")
    async with live.open(joan.token) as again:
        await again.subscribe("1", STATES, {"id": scan, "after": first["cursor"]})
        missed = await again.events(2)
        assert [(event["state"], event["progress"]) for event in missed] == [("ANALYZING", 75), ("COMPLETED", 100)]
        assert await again.silence() == []
        await again.subscribe("2", STATES, {"id": scan})
        await again.subscribe("3", STATES, {"id": scan, "after": missed[-1]["cursor"]})
        assert await again.silence() == [], "what has ended tells nothing more"
    async with live.open(mallory.token) as other:
        for place, after in enumerate((None, first["cursor"])):
            await other.subscribe(str(place), STATES, {"id": scan, "after": after})
            assert await other.error(str(place)) == "NOT_FOUND"
        await other.subscribe("all", STATES, {"after": first["cursor"]})
        assert await other.silence() == [], "somebody else's cursor is a moment and nothing else"
