"""Scans: who sees them, and what may follow what."""

from __future__ import annotations

import asyncpg
import pytest

from tests.conftest import Api
from tests.factory.kit import inhabit

SCANS = "{ scans { edges { node { id state version visibility progress maskedUrl host } } } }"


async def test_a_scan_is_seen_in_its_workspace_alone(shared: Api) -> None:
    ada, eve = await inhabit(shared, "ada", "ada"), await shared.person("eve")
    (edge,) = (await shared(SCANS, token=ada.token)).data["scans"]["edges"]
    node = edge["node"]
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
    for filtering in ('host: "ada.example.com"', "state: QUEUED"):
        found = (await shared(f"{{ scans({filtering}) {{ edges {{ node {{ id }} }} }} }}", token=ada.token)).data
        assert len(found["scans"]["edges"]) == 1
    for filtering in ('host: "example.com"', "state: COMPLETED"):
        found = (await shared(f"{{ scans({filtering}) {{ edges {{ node {{ id }} }} }} }}", token=ada.token)).data
        assert found["scans"]["edges"] == []


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
