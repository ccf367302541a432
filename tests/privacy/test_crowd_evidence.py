"""Crowd evidence: who is unrelated, what a window is, and that whatever is killed the same changes are the platform's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.jobs import Work, enqueue
from app.privacy import crowd_evidence
from app.privacy.crowd_evidence import Crowd, LookForCrowds, Witness, find_crowds, look_for_crowds
from app.settings import Settings
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.privacy import START, link, recorded, scan
from tests.privacy.conftest import Small
from tests.privacy.test_acknowledgement import ACKNOWLEDGE
from tests.privacy.test_change import changes

NOW = datetime.now(UTC)

EVIDENCE = """
{
  changes(first: 100) {
    edges {
      node {
        id setting oldValue newValue origin confidence
        evidence { setting oldValue newValue people windowHours firstSeenAt lastSeenAt relabeled platform { slug } }
      }
    }
  }
}
"""


async def flip(
    small: Small, person: Person, hours: float, *, acted: bool = False, to: str = "on", label: str = "Personal"
) -> str:
    """A link on which ``ads`` was off ten days ago, and ``to`` so many hours ago; its id."""
    link_id = await link(small.api, person.token, "small", label)
    before = (NOW - timedelta(days=10)).isoformat()
    await recorded(
        small.api, person.token, scan(link_id, small.second, capturedAt=before, values={"ads": "off", "history": "on"})
    )
    await see(small, person, link_id, hours, acted=acted, ads="on")
    return link_id


async def see(small: Small, person: Person, link_id: str, hours: float, *, acted: bool = False, **values: str) -> None:
    moment = (NOW - timedelta(hours=hours)).isoformat()
    given_ = scan(link_id, small.second, capturedAt=moment, values=values)
    for entry in given_["values"]:
        entry["userAction"] = acted and entry["key"] == "ads"
    await recorded(small.api, person.token, given_)


async def look(api: Api, people: int = 3, hours: int = 48, share: float = 0.01) -> None:
    """What the worker does every quarter of an hour."""
    async with worker_db(api.database) as db, db.transaction():
        await enqueue(db, look_for_crowds, LookForCrowds())
    await run_jobs(api, settings=Settings(crowd_people=people, crowd_hours=hours, crowd_share=share))


async def told(small: Small, person: Person) -> list[dict[str, Any]]:
    answer = await small.api(EVIDENCE, token=person.token)
    return [edge["node"] for edge in answer.data["changes"]["edges"]]


async def origins(small: Small, people: Sequence[Person]) -> list[str]:
    return [change["origin"] for person in people for change in await changes(small.api, person.token)]


async def proofs(api: Api) -> list[dict[str, Any]]:
    async with api.database.connect() as connection:
        rows = await connection.fetch("SELECT * FROM privacy.crowd_evidence ORDER BY id")
        return [dict(row) for row in rows]


async def people(small: Small, count: int) -> list[Person]:
    return [await small.person() for _ in range(count)]


# Who is a crowd


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def witness(hours: float, account: int, *organizations: str) -> Witness:
    return Witness(at(hours), UUID(int=account), list(organizations))


def crowds(*witnesses: Witness, most: int = 3, hours: int = 48) -> list[Crowd]:
    return find_crowds(witnesses, people=most, window=timedelta(hours=hours))


def test_a_window_moves() -> None:
    assert crowds(witness(0, 1), witness(40, 2), witness(80, 3)) == []
    assert crowds(witness(0, 1), witness(40, 2), witness(48, 3)) == [Crowd(at(0), at(48), 3)]
    assert crowds(witness(0, 1), witness(40, 2), witness(48.1, 3)) == []
    late = [witness(0, 1), witness(1, 2), witness(2, 3), witness(50, 4), witness(51, 5), witness(98, 6)]
    assert crowds(*reversed(late)) == [Crowd(at(0), at(2), 3), Crowd(at(50), at(98), 3)]
    assert crowds(*late, witness(49, 7)) == [Crowd(at(0), at(98), 7)], "windows that overlap are one crowd"


def test_one_person_is_one_however_often() -> None:
    assert crowds(witness(0, 1), witness(1, 1), witness(2, 1), witness(3, 2)) == []


def test_members_of_a_common_organization_are_one() -> None:
    assert crowds(witness(0, 1, "a"), witness(1, 2, "a"), witness(2, 3, "a"), witness(3, 4)) == []
    assert crowds(witness(0, 1, "a"), witness(1, 2, "b"), witness(2, 3, "c")) == [Crowd(at(0), at(2), 3)]
    chain = [witness(0, 1, "a"), witness(1, 2, "a", "b"), witness(2, 3, "b"), witness(3, 4)]
    assert crowds(*chain) == [], "the first and the third know the second"


HOURS = st.integers(0, 200)
MEMBERS = st.builds(witness, HOURS, st.integers(1, 6), st.sampled_from(["a", "b"]))
WITNESSES = st.lists(MEMBERS | st.builds(witness, HOURS, st.integers(7, 12)), max_size=14)


@given(WITNESSES, st.integers(2, 4), st.integers(1, 60))
def test_everybody_in_a_full_window_is_in_a_crowd_and_nobody_else(witnesses: list[Witness], most: int, hours: int) -> None:
    """Against all windows that begin with somebody; who shares an organization counts once."""
    of = {name: {w.account_id for w in witnesses if name in w.organizations} for name in "ab"}
    both = of["a"] & of["b"]

    def circle(one: Witness) -> object:
        if not one.organizations:
            return one.account_id
        return "ab" if both else one.organizations[0]

    window = timedelta(hours=hours)
    covered = set()
    for first in witnesses:
        inside = [w for w in witnesses if first.captured_at <= w.captured_at <= first.captured_at + window]
        if len({circle(w) for w in inside}) >= most:
            covered |= {w.captured_at for w in inside}
    found = find_crowds(witnesses, people=most, window=window)
    assert {w.captured_at for w in witnesses if any(c.first <= w.captured_at <= c.last for c in found)} == covered
    assert all(a.last < b.first for a, b in pairwise(found))
    assert all(c.people >= most for c in found)


# Through the worker


async def test_what_unrelated_people_see_at_once_the_platform_did(own: Small) -> None:
    crowd, (doer, other) = await people(own, 3), await people(own, 2)
    for hours, person in zip((40, 20, 1), crowd, strict=True):
        await flip(own, person, hours)
    await flip(own, doer, 5, acted=True)
    await see(own, other, await flip(own, other, 5), 3, ads="off")
    await look(own.api)
    assert await origins(own, crowd) == ["PLATFORM_CROWD"] * 3
    assert await origins(own, [doer]) == ["USER"], "whoever was seen doing it did it"
    (change,) = await told(own, crowd[0])
    assert change["confidence"] == 0.95
    evidence = change["evidence"]
    assert (evidence["people"], evidence["relabeled"], evidence["windowHours"]) == (4, 4, 48), "one turned it off again"
    assert evidence["platform"] == {"slug": "small"}
    assert (evidence["setting"], evidence["oldValue"], evidence["newValue"]) == ("ads", "off", "on")
    assert {c["origin"] for c in await told(own, other)} == {"PLATFORM_CROWD", "USER"}
    assert {c["origin"]: c["evidence"] is None for c in await told(own, other)} == {"PLATFORM_CROWD": False, "USER": True}
    assert [c["evidence"] for c in await told(own, doer)] == [None]
    (proof,) = await proofs(own.api)
    persons = {str(value) for person in [*crowd, doer, other] for value in (person.account_id, person.workspace_id)}
    assert not persons & {str(value) for value in proof.values()}, "a proof names nobody"
    async with own.api.database.connect() as connection:
        rows = await connection.fetch(
            "SELECT e.workspace_id, d.detail ->> 'origin' AS origin FROM core.audit_event AS e"
            " JOIN core.audit_detail AS d ON d.event_id = e.id WHERE e.object = 'privacy.change' AND e.action = 'UPDATE'"
        )
    assert {row["workspace_id"] for row in rows} == {person.workspace_id for person in [*crowd, other]}
    assert {row["origin"] for row in rows} == {'["USER", "PLATFORM_CROWD"]'}


async def test_too_few_prove_nothing(own: Small) -> None:
    ann, bob = await people(own, 2)
    for label in ("one", "two"):
        await flip(own, ann, 5, label=label)
    await flip(own, bob, 5)
    await look(own.api)
    assert await origins(own, [ann, bob]) == ["USER"] * 3
    assert await proofs(own.api) == []


async def test_colleagues_prove_nothing(own: Small) -> None:
    crowd = await people(own, 4)
    async with own.api.database.connect() as connection:
        insert = "INSERT INTO core.workspace (kind, name) VALUES ('organization', 'Co') RETURNING id"
        organization = await connection.fetchval(insert)
        for person in crowd[:2]:
            insert = "INSERT INTO core.member (workspace_id, account_id, role) VALUES ($1, $2, 'member')"
            await connection.execute(insert, organization, person.account_id)
    for person in crowd[:3]:
        await flip(own, person, 5)
    await look(own.api)
    assert await origins(own, crowd[:3]) == ["USER"] * 3
    await flip(own, crowd[3], 4)
    await look(own.api)
    assert await origins(own, crowd) == ["PLATFORM_CROWD"] * 4, "with a third outsider colleagues are right too"
    assert [proof["people"] for proof in await proofs(own.api)] == [3]


async def test_who_comes_late_joins(own: Small) -> None:
    crowd = await people(own, 6)
    for person in crowd[:3]:
        await flip(own, person, 30)
    await look(own.api)
    before = await proofs(own.api)
    await flip(own, crowd[3], 28)
    await flip(own, crowd[4], 31)
    await look(own.api)
    await flip(own, crowd[5], 30 + 49)
    await look(own.api)
    assert await origins(own, crowd) == ["PLATFORM_CROWD"] * 5 + ["USER"], "the last was too early"
    (proof,) = await proofs(own.api)
    assert (proof["id"], proof["people"], proof["relabeled"]) == (before[0]["id"], 5, 5)
    await look(own.api)
    assert await proofs(own.api) == [proof]


async def test_a_few_among_many_who_looked_are_chance(own: Small) -> None:
    crowd = await people(own, 3)
    for person in crowd:
        await flip(own, person, 5)
    others = await people(own, 3)
    for person in others:
        link_id = await link(own.api, person.token, "small")
        await see(own, person, link_id, 1, ads="off")
    await look(own.api, share=0.51)
    assert await origins(own, crowd) == ["USER"] * 3
    assert await proofs(own.api) == []
    await look(own.api, share=0.5)
    assert await origins(own, crowd) == ["PLATFORM_CROWD"] * 3


async def test_the_same_comes_of_it_wherever_it_is_killed(own: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the first batch, between batches, and after the last one."""
    crowd = await people(own, 7)
    for person in crowd:
        await flip(own, person, 5)
    monkeypatch.setattr(crowd_evidence, "BATCH", 2)
    relabel = crowd_evidence.relabel_changes
    left = 0

    class Killed(Exception):
        pass

    async def die(db: Any, **args: Any) -> Any:
        nonlocal left
        if not left:
            raise Killed
        left -= 1
        return await relabel(db, **args)

    async with worker_db(own.api.database) as db:
        for survived in (0, 1, 2):
            left = survived
            monkeypatch.setattr(crowd_evidence, "relabel_changes", die)
            with pytest.raises(Killed):
                await look_for_crowds.run(Work(db, 1, settings=Settings(crowd_people=7)), LookForCrowds())
    monkeypatch.setattr(crowd_evidence, "relabel_changes", relabel)
    await look(own.api, people=7)
    assert await origins(own, crowd) == ["PLATFORM_CROWD"] * 7
    assert [(proof["people"], proof["relabeled"]) for proof in await proofs(own.api)] == [(7, 7)]


async def test_pages_of_another_structure_are_another_flip(own: Small) -> None:
    crowd = await people(own, 4)
    for person in crowd[:2]:
        await flip(own, person, 5)
    first = Small(own.api, own.ada, own.curator, own.second, own.first)
    for person in crowd[2:]:
        await flip(first, person, 5)
    await look(own.api)
    assert set(await origins(own, crowd)) == {"USER"}


async def test_a_late_scan_leaves_what_is_proven(own: Small) -> None:
    crowd = await people(own, 3)
    links = [await flip(own, person, 5) for person in crowd]
    await look(own.api)
    await see(own, crowd[0], links[0], 20, ads="off", history="off")
    found = {c["setting"]: c for c in await told(own, crowd[0])}
    assert found["ads"]["origin"] == "PLATFORM_CROWD"
    assert found["ads"]["evidence"]["people"] == 3
    assert found["history"]["origin"] == "USER"


async def test_who_says_that_they_did_it_did_it(own: Small) -> None:
    crowd = await people(own, 3)
    for person in crowd:
        await flip(own, person, 5)
    await look(own.api)
    (change,) = await told(own, crowd[0])
    answer = await own.api(ACKNOWLEDGE, {"input": {"ids": [change["id"]], "mine": True}}, token=crowd[0].token)
    assert answer.data["acknowledgeChanges"]["changes"][0]["origin"] == "USER"
    await look(own.api)
    assert await origins(own, crowd) == ["USER", "PLATFORM_CROWD", "PLATFORM_CROWD"]
    assert (await told(own, crowd[0]))[0]["evidence"] is None


async def test_the_worker_gives_no_other_origin(own: Small) -> None:
    crowd = await people(own, 3)
    for person in crowd:
        await flip(own, person, 5)
    async with own.api.database.connect("fivefold_worker") as connection:
        await connection.execute(
            "SELECT set_config('fivefold.workspace_id', $1, false)", "00000000-0000-7000-8000-000000000000"
        )
        assert await connection.fetchval("SELECT count(*) FROM privacy.change") == 3
        for sql in ("origin = 'TECHNICAL'", "confidence = 1", "origin = 'PLATFORM_CROWD', confidence = 1", "new_value = 'off'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE privacy.change SET {sql}")
        await connection.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(uuid4()))
        assert await connection.fetchval("SELECT count(*) FROM privacy.change") == 0
        assert await connection.fetchval("SELECT count(*) FROM core.member") == 0


async def test_the_rule_is_the_operators(own: Small) -> None:
    assert (Settings().crowd_people, Settings().crowd_hours) == (5, 48)
    crowd = await people(own, 5)
    for hours, person in enumerate(crowd):
        await flip(own, person, 1 + 15 * hours)
    for rule in ({"people": 5, "hours": 48}, {"people": 6, "hours": 300}):
        await look(own.api, **rule)
        assert set(await origins(own, crowd)) == {"USER"}
    await look(own.api, people=4, hours=48)
    assert set(await origins(own, crowd)) == {"PLATFORM_CROWD"}
