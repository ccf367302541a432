"""Verifying the audit: everything is computed again from the rows, and what was altered is named.

Two passes, both of bounded memory. The first goes along the blocks: chain, tree, signatures, checkpoints. The second goes
along the events by transaction and looks each up among the leaves of the block that must hold it; what is left over was
deleted, what is found in none was made up. Nothing is asked of the database but rows: hashes are computed here.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.core.audit_block import (
    LEAF_BYTES,
    NO_BLOCK,
    Block,
    FullBlock,
    fetch_hashes,
    get_last_audit_block,
    ids_of,
    leaf_bytes,
    list_audit_block,
    list_audit_key,
    list_audit_node,
    list_detail_without_event,
    list_sealed_event,
    list_verified_event,
    load_frontier,
    time_of,
)
from app.core.audit_retirement import find_retired
from app.kit.db import Db
from app.kit.merkle import STRIDE, Frontier, consistency_ranges, continues, leaf_hash
from app.kit.note import Checkpoint, PublicKey
from app.kit.sql import make

MAX_FINDINGS = 1000
"""Named; what is more is counted."""
MAX_REMEMBERED = 200_000
TOLERANCE = timedelta(seconds=60)
"""By how much the clocks of two machines that were the database one after the other may differ."""
LAST_XID = 2**63 - 1


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was sealed. ``what`` is an event's id, or block and number, or the checkpoint."""

    kind: str
    what: str
    message: str


@dataclass
class Report:
    """What was verified, and what was found."""

    blocks: int = 0
    events: int = 0
    unsealed: int = 0
    details: int = 0
    forgotten: int = 0
    retired: int = 0
    retired_months: int = 0
    eras: int = 0
    details_read: bool = True
    pinned: bool = False
    checkpoints: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    def find(self, kind: str, what: str, message: str) -> None:
        """Name it, or count it when there is too much."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(kind, what, message))
        else:
            self.more += 1


@dataclass(frozen=True)
class Trust:
    """``pinned`` keys were kept outside the database, as the checkpoints were."""

    pinned: Sequence[PublicKey] = ()
    checkpoints: Sequence[Checkpoint] = ()


@dataclass(frozen=True)
class Altered:
    """A row of an append-only table that is not what its event was told. ``kind`` is one of ALTERED."""

    id: UUID
    kind: str


Prover = Callable[[Db, int], Awaitable[Sequence[Altered]]]

ALTERED = {
    "ROW_CHANGED": "It is not what it was when it was written.",
    "ROW_DELETED": "It was written, and it is gone, and no event says that it was deleted.",
    "ROW_INSERTED": "No event says that it was written.",
    "ROW_UNPROVEN": "What the audit was told of it is gone, and it is still there.",
}


async def verify(
    db: Db,
    trust: Trust,
    *,
    first: int = 1,
    last: int | None = None,
    with_detail: bool = True,
    proven: Sequence[Prover] = (),
) -> Report:
    """Verify blocks ``first`` to ``last``, and every event that they hold or should hold. Without bounds, all there is.

    That includes the tables of ``proven``, whose rows the audit was told whole: each function compares those of one with what
    it was told, and names so many at most.
    """
    report = Report(details_read=with_detail, pinned=bool(trust.pinned), checkpoints=len(trust.checkpoints))
    end = await get_last_audit_block(db)
    keys = {(key.origin, PublicKey(key.origin, key.public_key).id): PublicKey(key.origin, key.public_key)
            for key in await list_audit_key(db)}  # fmt: skip
    keys |= {(key.name, key.id): key for key in trust.pinned}
    blocks = _Blocks(db, trust, keys, report)
    await blocks.run(first, end.number if end and last is None else last or 0, end, whole=last is None)
    retired, forged = await find_retired(db)
    for event_id in forged:
        report.find("RETIREMENT_FORGED", str(event_id), "No sealed event says that its month was retired when it might be.")
    report.retired_months = len(retired)
    events = _Events(db, retired, report, blocks)
    await events.run(first, blocks.through, whole=last is None, with_detail=with_detail)
    if with_detail and first == 1 and last is None:
        for lost in await list_detail_without_event(db, limit=MAX_FINDINGS):
            if not events.is_retired(lost.event_id.bytes):
                report.find("DETAIL_WITHOUT_EVENT", str(lost.event_id), "There is a detail of this event, and no event.")
        for table in proven:
            for row in await table(db, MAX_FINDINGS):
                if not events.is_retired(row.id.bytes):
                    report.find(row.kind, str(row.id), ALTERED[row.kind])
    return report


class _Blocks:
    """The first pass."""

    def __init__(self, db: Db, trust: Trust, keys: dict[tuple[str, bytes], PublicKey], report: Report) -> None:
        self._db, self._trust, self._keys, self._report = db, trust, keys, report
        self._kept: list[tuple[int, int, bytes]] = []
        self._open = sorted(trust.checkpoints, key=lambda checkpoint: checkpoint.size)
        self._untrusted: list[int] = []
        self._broken: int | None = None
        self.through = 0
        self.eras: set[int] = set()
        self.horizon_before = 0
        self.last: Block | None = None

    async def run(self, first: int, last: int, end: Block | None, *, whole: bool) -> None:
        """Blocks of these numbers, in order."""
        tree, before = await self._begin(first)
        expected = first
        records = self._db.stream(list_audit_block.statement, {"first_number": first, "last_number": last}, prefetch=20)
        async for record in records:
            block = make(FullBlock, record)
            if block.number != expected:
                which = f"{expected}" if block.number == expected + 1 else f"{expected} to {block.number - 1}"
                self._report.find("BLOCK_MISSING", f"block {which}", "It was removed: the numbers have a gap.")
            await self._check(block, before, tree)
            before, expected = block, block.number + 1
            self.through = block.number
            self.eras.add(block.era)
            self._report.blocks += 1
        self.last = before
        self._report.eras = len(self.eras)
        await self._compare_nodes()
        ended = end is not None and before is not None and before.number == end.number
        self._end(tree, before, ended or (whole and first <= 1))

    async def _begin(self, first: int) -> tuple[Frontier, Block | None]:
        """The tree before the first block, and the block there."""
        if first <= 1:
            self._reach(Frontier())
            return Frontier(), None
        found = await list_audit_block(self._db, first_number=first - 1, last_number=first - 1)
        if not found:
            return Frontier(), None
        before = found[0]
        self.horizon_before = before.horizon
        tree = await load_frontier(self._db, before.size)
        if tree.root() != before.root:
            self._report.find("BLOCK_CHANGED", f"block {before.number}", "What is kept of the tree does not give its root.")
        while self._open and self._open[0].size <= before.size:
            old = self._open.pop(0)
            path = await fetch_hashes(self._db, consistency_ranges(old.size, before.size))
            if not continues(old.size, before.size, old.root, before.root, path):
                self._differs(old)
        return tree, before

    async def _check(self, block: FullBlock, before: Block | None, tree: Frontier) -> None:
        name, report = f"block {block.number}", self._report
        if before is not None or block.number == 1:
            if block.previous != (before.digest if before else NO_BLOCK):
                report.find("LINK_BROKEN", name, "It does not name the block before as that is: one of the two was changed.")
            if before is not None and block.era == before.era and block.horizon <= before.horizon:
                report.find("BLOCK_CHANGED", name, "It reaches no further than the block before.")
        key = self._keys.get((block.origin, block.key_id))
        if key is None:
            report.find("KEY_UNKNOWN", name, f"It was sealed with a key that nobody knows: {block.key_id.hex()}.")
        elif not key.verifies(block.text, block.signature):
            report.find("BLOCK_CHANGED", name, "It is not what was signed: it was changed, or moved, or signed by another key.")
        if self._trust.pinned:
            if key in self._trust.pinned and key is not None and key.verifies(block.text, block.signature):
                self._untrusted.clear()  # what it signed is all that came before
            else:
                self._untrusted.append(block.number)
                del self._untrusted[100:]
        if self._broken is None and block.first != tree.size:
            self._broken = block.number
            report.find("BLOCK_CHANGED", name, f"It begins at leaf {block.first}, where the tree has {tree.size} leaves.")
        if len(block.leaves) != (block.size - block.first) * LEAF_BYTES:
            report.find("BLOCK_CHANGED", name, "It has more or fewer leaves than it says.")
        if self._broken is None:
            for _, made in ids_of(block.leaves):
                self._kept += [node for node in tree.append(made) if node[0] and node[0] % STRIDE == 0]
                self._reach(tree)
            if tree.root() != block.root or tree.size != block.size:
                self._broken = block.number
                report.find(
                    "BLOCK_CHANGED", name, "Its leaves do not give its root: one of them was changed, moved or replaced."
                )
            elif len(self._kept) >= 500:
                await self._compare_nodes()

    def _reach(self, tree: Frontier) -> None:
        """Checkpoints of a tree of this size."""
        while self._open and self._open[0].size <= tree.size:
            old = self._open.pop(0)
            if old.size < tree.size or old.root != tree.root():
                self._differs(old)

    def _differs(self, checkpoint: Checkpoint) -> None:
        message = "The log is not the one that this was taken of: what it had then was changed."
        self._report.find("CHECKPOINT_DIFFERS", f"checkpoint of {checkpoint.size}", message)

    async def _compare_nodes(self) -> None:
        """What is kept of the tree, for proofs."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        found = await list_audit_node(
            self._db,
            levels=[level for level, _, _ in kept],
            begins=[index for _, index, _ in kept],
            ends=[index + 1 for _, index, _ in kept],
        )
        there = {(node.level, node.index): node.hash for node in found}
        for level, index, made in kept:
            if there.get((level, index)) != made:
                self._report.find("NODE_CHANGED", f"node {level}/{index}", "A kept node of the tree is not that of its leaves.")

    def _end(self, tree: Frontier, before: Block | None, at_end: bool) -> None:
        report = self._report
        for checkpoint in self._trust.checkpoints:
            name = f"checkpoint of {checkpoint.size}"
            if not any(checkpoint.signed_by(key) for key in self._trust.pinned or self._keys.values()):
                report.find("CHECKPOINT_UNSIGNED", name, "No key that is trusted signed it.")
            if before is not None and checkpoint.origin != before.origin:
                report.find("CHECKPOINT_DIFFERS", name, f"It is of another log: {checkpoint.origin}.")
        if self._broken is not None:
            if before is not None and before.number > self._broken:
                message = f"The roots of the blocks behind block {self._broken} cannot be checked."
                report.find("BLOCKS_UNCHECKED", f"block {self._broken + 1} to {before.number}", message)
            for checkpoint in self._open:
                self._differs(checkpoint)
        elif at_end:
            for checkpoint in self._open:
                message = f"The end is missing: it had {checkpoint.size} leaves, and has {tree.size}."
                report.find("TRUNCATED", f"checkpoint of {checkpoint.size}", message)
        if self._untrusted:
            message = "It was not signed by a key that is trusted, nor was any block behind it."
            report.find("UNTRUSTED", f"block {self._untrusted[0]}", message)


class _Lane:
    """The blocks of one era, one after the other as transactions pass by, and the leaves of the present one."""

    def __init__(self, records: AsyncIterator[Any], report_missing: Any) -> None:
        self._records, self._missing = records, report_missing
        self._moments: deque[tuple[int, datetime]] = deque()
        self.leaves: dict[bytes, bytes] = {}
        self.block: FullBlock | None = None
        self.earliest: datetime | None = None

    async def reach(self, xid: int) -> None:
        """The block that holds events of this transaction."""
        while self.block is None or self.block.horizon <= xid:
            if not await self.advance():
                break
        while self._moments and self._moments[0][0] <= xid:
            self.earliest = self._moments.popleft()[1]

    async def advance(self) -> bool:
        """Take the next block; False when there is none."""
        if self.block is not None and self.leaves:
            self._missing(self.leaves, self.block.number)
        self.leaves = {}
        record = await anext(self._records, None)
        if record is None:
            return False
        self.block = make(FullBlock, record)
        self._moments.append((self.block.next_xid, self.block.sealed_at))
        self.leaves = dict(ids_of(self.block.leaves))
        return True


class _Events:
    """The second pass."""

    def __init__(self, db: Db, retired: Sequence[tuple[bytes, bytes]], report: Report, blocks: _Blocks) -> None:
        self._db, self._retired, self._report, self._blocks = db, retired, report, blocks
        self._missing: dict[bytes, int] = {}
        self._extra: dict[bytes, int] = {}
        self._closing: dict[bytes, tuple[bytes, int]] = {}

    def is_retired(self, id_: bytes) -> bool:
        """Whether the event's month was retired."""
        return any(begin <= id_ < end for begin, end in self._retired)

    async def run(self, first: int, through: int, *, whole: bool, with_detail: bool) -> None:
        """All events that blocks of these numbers hold, and with ``whole`` those that none holds."""
        lanes: list[_Lane] = []
        for era in sorted(self._blocks.eras):
            given = {"first_number": first, "last_number": through, "era": era}
            lane = _Lane(self._db.stream(list_audit_block.statement, given, prefetch=2), self._lose)
            if era > 0 and await lane.advance() and lane.block is not None:
                self._closing |= {id_: (made, lane.block.number) for id_, made in lane.leaves.items()}
                lane.leaves = {}
            lanes.append(lane)
        one_era = self._blocks.eras <= {0}
        last = self._blocks.last
        until = LAST_XID if whole or not one_era else last.horizon if last else 0
        since = self._blocks.horizon_before if one_era else 0
        rows = (
            self._db.stream(list_verified_event.statement, {"since": since, "until": until}, prefetch=2000)
            if with_detail
            else self._db.stream(list_sealed_event.statement, {"since": since, "until": until}, prefetch=2000)
        )
        async for record in rows:
            await self._check(record, lanes, complete=one_era or (whole and first <= 1))
        for lane in lanes:
            while await lane.advance():
                pass
        for id_, (_, number) in self._closing.items():
            self._lose({id_: b""}, number)
        self._tell()

    async def _check(self, event: Any, lanes: list[_Lane], *, complete: bool) -> None:
        id_, xid, report = event["id"].bytes, event["xid"], self._report
        try:
            made = leaf_hash(leaf_bytes(event))
        except (ValueError, OverflowError):
            made = b""
        found, lane = None, None
        for lane in lanes:
            await lane.reach(xid)
            found = lane.leaves.pop(id_, None)
            if found is not None:
                break
        closing = self._closing.pop(id_, None) if found is None else None
        if found is not None or closing is not None:
            report.events += 1
            if made != (found or (closing and closing[0])):
                report.find("EVENT_CHANGED", str(event["id"]), _told(event, "It is not what was sealed."))
        elif lane is not None and lane.block is not None and xid < lane.block.horizon:
            if complete:
                self._add(id_, xid)
        else:
            report.unsealed += 1
        if closing is None and lane is not None:
            self._check_date(event, lane, found is not None)
        if not report.details_read:
            return
        if event["salt"] is not None:
            report.details += 1
            if hashlib.sha256(event["salt"] + (event["detail"] or "").encode()).digest() != event["commitment"]:
                report.find("DETAIL_CHANGED", str(event["id"]), _told(event, "Its detail is not what it was when it happened."))
        else:
            report.forgotten += 1

    def _check_date(self, event: Any, lane: _Lane, sealed: bool) -> None:
        """An event's id tells its time, which lies between its transaction's beginning and the seal."""
        moment = time_of(event["id"])
        if lane.earliest is not None and moment < lane.earliest - TOLERANCE:
            message = f"It says {moment:%Y-%m-%d %H:%M:%S}, but was written after {lane.earliest:%Y-%m-%d %H:%M:%S} UTC."
            self._report.find("EVENT_MISDATED", str(event["id"]), _told(event, message))
        elif sealed and lane.block is not None and moment > lane.block.sealed_at + TOLERANCE:
            message = f"It says {moment:%Y-%m-%d %H:%M:%S}, but was sealed at {lane.block.sealed_at:%Y-%m-%d %H:%M:%S} UTC."
            self._report.find("EVENT_MISDATED", str(event["id"]), _told(event, message))

    def _lose(self, leaves: dict[bytes, bytes], number: int) -> None:
        for id_ in leaves:
            if self.is_retired(id_):
                self._report.retired += 1
            elif len(self._missing) < MAX_REMEMBERED:
                self._missing[id_] = number
            else:
                self._report.more += 1

    def _add(self, id_: bytes, xid: int) -> None:
        if len(self._extra) < MAX_REMEMBERED:
            self._extra[id_] = xid
        else:
            self._report.more += 1

    def _tell(self) -> None:
        """What is missing at one transaction and stands at another was changed there."""
        for id_, number in self._missing.items():
            if self._extra.pop(id_, None) is not None:
                self._report.find("EVENT_CHANGED", str(UUID(bytes=id_)), f"Its transaction is not that of block {number}.")
            else:
                self._report.find("EVENT_DELETED", str(UUID(bytes=id_)), f"Block {number} holds it, and it is gone.")
        for id_, xid in self._extra.items():
            message = f"It was inserted later: everything up to its transaction, {xid}, was sealed without it."
            self._report.find("EVENT_INSERTED", str(UUID(bytes=id_)), message)


def _told(event: Any, message: str) -> str:
    return f"{event['action']} of {event['object']}: {message}"
