"""Crowd evidence: what many unrelated people see change the same way at the same time, none of them changed.

Changes that look like the person's own, of the same setting from and to the same value on pages of the same structure, seen
within a window by enough people who have nothing to do with each other, get the platform as their origin, and the proof is
kept. What a person was seen doing, or says that they did, is neither evidence nor ever given another origin. Where very many
look, a few do the same by chance, so a crowd is also a share of those who looked at the page.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.kit.db import Db
from app.kit.edge import edge
from app.kit.jobs import Work, job
from app.kit.sql import File
from app.privacy.platform import Platform
from app.privacy.snapshot import first_id

HORIZON = timedelta(days=14)
"""A flip counts for so long after its capture."""
MOST_WITNESSES = 50_000
BATCH = 500
LAST_OF_ID = 2**62 - 1


@strawberry.type(description="The proof that a platform changed a setting: unrelated people who saw the same at the same time.")
class CrowdEvidence:
    """Shared by all whom it is about; it names nobody."""

    platform_id: strawberry.Private[UUID]

    setting: str = strawberry.field(description="Key of the setting.")
    old_value: str
    new_value: str
    people: int = strawberry.field(description="How many of them have nothing to do with each other, at least.")
    window_hours: int = strawberry.field(description="Within how many hours so many saw it.")
    first_seen_at: datetime
    last_seen_at: datetime
    relabeled: int = strawberry.field(description="How many changes have this origin because of it.")

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")


@dataclass(frozen=True)
class Flip:
    """A setting that went from one value to another for as many people."""

    platform_id: UUID
    structure_hash: bytes
    setting: str
    old_value: str
    new_value: str
    people: int


@dataclass(frozen=True)
class Witness:
    """Somebody who saw a flip. ``organizations`` are those that the account belongs to."""

    captured_at: datetime
    account_id: UUID
    organizations: list[str]


@dataclass(frozen=True)
class Crowd:
    """From when to when enough unrelated people saw a flip, and how many."""

    first: datetime
    last: datetime
    people: int


@dataclass(frozen=True)
class Onlookers:
    """How many people looked at a page."""

    people: int


@dataclass(frozen=True)
class EvidenceId:
    """A proof that is there."""

    id: UUID


@dataclass(frozen=True)
class Relabeled:
    """How many changes got another origin."""

    count: int


sql = File("privacy/crowd_evidence")
evidence_by_change = sql.edge("edge_crowd_evidence", CrowdEvidence)

across = File("privacy/across")
count_onlooker = across.one("count_crowd_onlooker", Onlookers)
get_evidence = across.one("get_crowd_evidence", EvidenceId)
insert_evidence = across.one("insert_crowd_evidence", EvidenceId)
list_flip = across.many("list_crowd_flip", Flip)
list_witness = across.many("list_crowd_witness", Witness)
relabel_changes = across.one("update_change_of_crowd", Relabeled)
update_evidence = across.exec("update_crowd_evidence")


def find_crowds(witnesses: Iterable[Witness], *, people: int, window: timedelta) -> list[Crowd]:
    """The crowds among who saw a flip, the oldest first: windows with enough unrelated people, joined where they overlap.

    Who belongs to an organization is related to all its members, and through them to theirs.
    """
    seen = sorted(witnesses, key=lambda witness: witness.captured_at)
    circle_of = _circles(seen)
    within: deque[tuple[datetime, object]] = deque()
    counts: Counter[object] = Counter()
    spans: list[list[datetime]] = []
    for witness in seen:
        circle = circle_of[witness.account_id]
        within.append((witness.captured_at, circle))
        counts[circle] += 1
        while within[0][0] < witness.captured_at - window:
            _, left = within.popleft()
            counts[left] -= 1
            if not counts[left]:
                del counts[left]
        if len(counts) >= people:
            if spans and within[0][0] <= spans[-1][1]:
                spans[-1][1] = witness.captured_at
            else:
                spans.append([within[0][0], witness.captured_at])
    return [
        Crowd(first, last, len({circle_of[w.account_id] for w in seen if first <= w.captured_at <= last}))
        for first, last in spans
    ]


def _circles(witnesses: Sequence[Witness]) -> dict[UUID, object]:
    """Something for each account that is the same for related ones: the root of a tree of accounts and organizations."""
    parents: dict[object, object] = {}

    def root(node: object) -> object:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for witness in witnesses:
        for organization in witness.organizations:
            parents[root(organization)] = root(witness.account_id)
    return {witness.account_id: root(witness.account_id) for witness in witnesses}


class CrowdSettings(Protocol):
    """What of the operator's settings is meant for crowds; see app/settings.py."""

    crowd_people: int
    crowd_share: float
    crowd_hours: int


class LookForCrowds(BaseModel, frozen=True):
    """What a crowd is, the operator has set."""


@job("privacy.look_for_crowds", LookForCrowds, cron="*/15 * * * *", concurrency=1)
async def look_for_crowds(work: Work, payload: LookForCrowds) -> None:
    """Find crowds, keep their proofs, and give their changes the platform as origin.

    Each step is a transaction that finds what is left to do: stopped anywhere and begun again, it comes to the same.
    """
    rule: CrowdSettings = work.settings
    since_id = first_id(datetime.now(UTC) - HORIZON)
    for flip in await list_flip(work.db, since_id=since_id, people=rule.crowd_people, hours=rule.crowd_hours):
        witnesses = await list_witness(
            work.db,
            since_id=since_id,
            platform_id=flip.platform_id,
            structure_hash=flip.structure_hash,
            setting=flip.setting,
            old_value=flip.old_value,
            new_value=flip.new_value,
            limit=MOST_WITNESSES,
        )
        for crowd in find_crowds(witnesses, people=rule.crowd_people, window=timedelta(hours=rule.crowd_hours)):
            onlookers = await count_onlooker(work.db, platform_id=flip.platform_id, first_seen_at=crowd.first)
            assert onlookers is not None
            if crowd.people < onlookers.people * rule.crowd_share:
                continue
            await _relabel(work.db, flip, crowd, await _keep(work.db, flip, crowd, rule.crowd_hours))


async def _keep(db: Db, flip: Flip, crowd: Crowd, hours: int) -> UUID:
    """The proof, new or with more people."""
    async with db.transaction():
        found = await get_evidence(
            db,
            platform_id=flip.platform_id,
            structure_hash=flip.structure_hash,
            setting=flip.setting,
            old_value=flip.old_value,
            new_value=flip.new_value,
            first_seen_at=crowd.first,
            last_seen_at=crowd.last,
        )
        if found is None:
            found = await insert_evidence(
                db,
                platform_id=flip.platform_id,
                structure_hash=flip.structure_hash,
                setting=flip.setting,
                old_value=flip.old_value,
                new_value=flip.new_value,
                first_seen_at=crowd.first,
                last_seen_at=crowd.last,
                people=crowd.people,
                window_hours=hours,
            )
        else:
            await update_evidence(db, id=found.id, first_seen_at=crowd.first, last_seen_at=crowd.last, people=crowd.people)
    assert found is not None
    return found.id


async def _relabel(db: Db, flip: Flip, crowd: Crowd, evidence_id: UUID) -> None:
    last_id = UUID(int=first_id(crowd.last).int | LAST_OF_ID)
    while True:
        async with db.transaction():
            done = await relabel_changes(
                db,
                id=evidence_id,
                setting=flip.setting,
                old_value=flip.old_value,
                new_value=flip.new_value,
                first_id=first_id(crowd.first),
                last_id=last_id,
                limit=BATCH,
            )
        assert done is not None
        if done.count < BATCH:
            return
