"""Audit blocks: the seals. Who changes a sealed event, even as a superuser, is found out by anyone who kept a checkpoint.

All events are the leaves of one Merkle tree that only grows. About every second the worker takes those whose transactions
have ended, appends them in the order of (xid, id), and signs the tree's new root: a block. What is signed is a checkpoint in
the format of transparency logs (app/kit/note.py); it names the block before, so the blocks are a chain too.

Which events a block holds is said by their transactions alone: all below its horizon, the oldest transaction that was still
running, and none of the blocks before. So an event that commits late is never below a horizon, and one that appears there
later was made up. Where a dump was restored, transactions are counted anew: there an era begins. Its first block seals
whatever is there unsealed; an event that an earlier era holds is not sealed twice, whatever its number.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg

from app.kit.context import OPERATOR
from app.kit.db import Db, look_up
from app.kit.errors import AppError
from app.kit.log import log
from app.kit.merkle import STRIDE, Frontier, Range, cover, leaf_hash, needed, range_hash
from app.kit.note import PrivateKey, PublicKey, read_private_key, write_note
from app.kit.pool import Pool
from app.kit.sql import File, make

MAX_MISSED = 1000
"""Checkpoints that are written again, at a time."""
MAX_EVENTS = 10_000
"""Of one block, unless one transaction has more."""
INTERVAL_SECONDS = 1.0
LEAF_BYTES = 48
NO_BLOCK = bytes(32)
"""What the first block names as the one before it."""
FORM = 1


class AuditSettings(Protocol):
    """What sealing needs of app/settings.py."""

    audit_key: Path | None
    audit_origin: str
    audit_checkpoints: Path | None


@dataclass(frozen=True)
class Block:
    """A seal. ``horizon`` and ``next_xid`` are of the moment it was made, see the table's comments."""

    number: int
    first: int
    size: int
    cluster: int
    horizon: int
    next_xid: int
    sealed_at: datetime
    era: int
    origin: str
    root: bytes
    previous: bytes
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """What is signed: every column but the leaves, which the root stands for."""
        return (
            f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
            f"block {self.number} from {self.first} previous {self.previous.hex()}\n"
            f"sealed {self.sealed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}\n"
            f"transactions below {self.horizon} next {self.next_xid} era {self.era} cluster {self.cluster}\n"
        )

    @property
    def digest(self) -> bytes:
        """By which the next block names this one."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def checkpoint(self) -> str:
        """The signed note."""
        return write_note(self.text, self.origin, self.key_id, self.signature)


@dataclass(frozen=True)
class FullBlock(Block):
    """A seal with its leaves."""

    leaves: bytes


@dataclass(frozen=True)
class Leaves:
    """Leaves of a block, or a piece of them: ``first`` is the position of the first."""

    first: int
    leaves: bytes


@dataclass(frozen=True)
class NumberedLeaves(Leaves):
    """All leaves of a block."""

    number: int


@dataclass(frozen=True)
class KeptNode:
    """A perfect subtree that is kept."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True)
class AuditMoment:
    """``elsewhere``: there are events that no transaction of this cluster can have written."""

    horizon: int
    next_xid: int
    sealed_at: datetime
    cluster: int
    elsewhere: bool


@dataclass(frozen=True)
class AuditLag:
    """Events that wait to be sealed, and the age of the oldest in seconds; how many blocks there are."""

    unsealed: int
    seconds: float
    blocks: int


@dataclass(frozen=True)
class Taken:
    """Whether we are the sealer."""

    taken: bool


@dataclass(frozen=True)
class AuditKey:
    """A key that has sealed, by the database's own word."""

    public_key: bytes
    origin: str


@dataclass(frozen=True)
class Event:
    """Every column of an event."""

    workspace_id: UUID
    id: UUID
    actor_id: UUID | None
    api_key_id: UUID | None
    request_id: UUID | None
    object_id: UUID
    xid: int
    form: int
    action: str
    object: str
    commitment: bytes


@dataclass(frozen=True)
class UnsealedEvent(Event):
    """``behind`` is up to which transaction the list reaches."""

    behind: int


@dataclass(frozen=True)
class VerifiedEvent(Event):
    """With what is left of its detail."""

    salt: bytes | None
    detail: str | None


@dataclass(frozen=True)
class LostDetail:
    """A detail without an event."""

    event_id: UUID


sql = File("core/audit_block")
get_audit_lag = sql.one("get_audit_lag", AuditLag)
get_audit_moment = sql.one("get_audit_moment", AuditMoment)
get_last_audit_block = sql.one("get_last_audit_block", Block)
insert_audit_block = sql.exec("insert_audit_block")
list_audit_block = sql.many("list_audit_block", FullBlock)
list_audit_block_of = sql.many("list_audit_block_of", NumberedLeaves)
list_audit_checkpoint = sql.many("list_audit_checkpoint", Block)
list_audit_key = sql.many("list_audit_key", AuditKey)
list_audit_leaf = sql.many("list_audit_leaf", Leaves)
list_audit_node = sql.many("list_audit_node", KeptNode)
list_detail_without_event = sql.many("list_detail_without_event", LostDetail)
list_event_between = sql.many("list_event_between", Event)
list_sealed_event = sql.many("list_sealed_event", Event)
list_unsealed_event = sql.many("list_unsealed_event", UnsealedEvent)
list_verified_event = sql.many("list_verified_event", VerifiedEvent)
take_audit_seal = sql.one("take_audit_seal", Taken)


def leaf_bytes(event: Any) -> bytes:
    """An event as it is sealed, form 1: every column, in this order, lengths and numbers big-endian.

    form 2 bytes; workspace_id, id 16 each; actor_id, api_key_id, request_id: one byte 0, or one byte 1 and 16; object_id 16;
    xid 8; action, object: length in 4 bytes and UTF-8; commitment: length in 4 bytes and the bytes. Raises ValueError for
    another form.
    """
    if event.form != FORM:
        raise ValueError(f"no such form: {event.form}")
    action, object_ = event.action.encode(), event.object.encode()
    return b"".join(
        (
            event.form.to_bytes(2, "big"),
            event.workspace_id.bytes,
            event.id.bytes,
            *(
                b"\x00" if each is None else b"\x01" + each.bytes
                for each in (event.actor_id, event.api_key_id, event.request_id)
            ),
            event.object_id.bytes,
            event.xid.to_bytes(8, "big"),
            len(action).to_bytes(4, "big"),
            action,
            len(object_).to_bytes(4, "big"),
            object_,
            len(event.commitment).to_bytes(4, "big"),
            event.commitment,
        )
    )


def read_leaf(data: bytes) -> Event:
    """What was sealed. Raises ValueError for anything that ``leaf_bytes`` does not write."""
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        if at > len(data):
            raise ValueError("a leaf ends too early")
        return data[at - count : at]

    def number(count: int) -> int:
        return int.from_bytes(take(count), "big")

    def optional() -> UUID | None:
        return UUID(bytes=take(16)) if take(1) == b"\x01" else None

    form = number(2)
    workspace_id, id_ = UUID(bytes=take(16)), UUID(bytes=take(16))
    actor_id, api_key_id, request_id = optional(), optional(), optional()
    object_id, xid = UUID(bytes=take(16)), number(8)
    action, object_ = take(number(4)).decode(), take(number(4)).decode()
    event = Event(workspace_id, id_, actor_id, api_key_id, request_id, object_id, xid, form, action, object_, take(number(4)))
    if leaf_bytes(event) != data:
        raise ValueError("a leaf is written in one way only")
    return event


def time_of(id_: UUID) -> datetime:
    """The time in a uuidv7."""
    return datetime.fromtimestamp(int.from_bytes(id_.bytes[:6], "big") / 1000, UTC)


def ids_of(leaves: bytes) -> Iterable[tuple[bytes, bytes]]:
    """(id, hash) of each leaf."""
    return ((leaves[at : at + 16], leaves[at + 16 : at + LEAF_BYTES]) for at in range(0, len(leaves), LEAF_BYTES))


async def fetch_kept(db: Db, ranges: Sequence[Range]) -> Mapping[tuple[int, int], bytes]:
    """The nodes and leaves that the hashes of ranges are made of, by level and index."""
    wanted = needed(ranges)
    spans = [span for span in wanted if span[0] == 0]
    pieces = await list_audit_leaf(db, begins=[s[1] for s in spans], ends=[s[2] for s in spans]) if spans else []
    found = {(0, piece.first + place): made for piece in pieces for place, (_, made) in enumerate(ids_of(piece.leaves))}
    spans = [span for span in wanted if span[0] > 0]
    if spans:
        levels, begins, ends = ([span[place] for span in spans] for place in range(3))
        for node in await list_audit_node(db, levels=levels, begins=begins, ends=ends):
            found[node.level, node.index] = node.hash
    return found


async def fetch_hashes(db: Db, ranges: Sequence[Range]) -> list[bytes]:
    """The hashes of ranges."""
    kept = await fetch_kept(db, ranges)
    return [range_hash(span, lambda level, index: kept[level, index]) for span in ranges]


async def fetch_lag(pool: Pool) -> AuditLag:
    """How far the seals lag behind. Raises AppError."""
    (record,) = await look_up(pool, get_audit_lag.statement, {})
    return make(AuditLag, record)


async def _pages(pages: Iterable[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
    """Pages that are there."""
    for page in pages:
        yield page


async def list_pages(db: Db, begins: UUID, ends: UUID) -> AsyncIterator[list[Event]]:
    """Every event between two ids, both included, in the order of (xid, id)."""
    xid, id_ = 0, UUID(int=0)
    while page := await list_event_between(db, begins=begins, ends=ends, past_xid=xid, past_id=id_, max_rows=MAX_EVENTS):
        yield page
        xid, id_ = page[-1].xid, page[-1].id


async def find_sealed(db: Db, newest_era: int, events: Sequence[Event]) -> dict[bytes, bytes]:
    """Those of the events that some block holds: the hashes of their leaves by id."""
    xids = sorted({event.xid for event in events})
    ids = {event.id.bytes for event in events}
    found: dict[bytes, bytes] = {}
    for era in range(newest_era + 1):
        for block in await list_audit_block_of(db, era=era, xids=xids):
            found |= {id_: made for id_, made in ids_of(block.leaves) if id_ in ids}
    return found


class Sealer:
    """Makes blocks, one ``seal`` at a time. It remembers the end of the tree, and reads it again when somebody else went on."""

    def __init__(self, key: PrivateKey, checkpoints: Path | None = None) -> None:
        self._key, self._folder = key, checkpoints
        self._end: tuple[bytes, Frontier] | None = None
        self._exported = False

    async def seal(self, db: Db) -> int | None:
        """Seal what has ended, ``MAX_EVENTS`` or so: how many events. None when another sealer is at it."""
        async with db.transaction():
            taken = await take_audit_seal(db)
            if taken is None or not taken.taken:
                return None
            last, moment = await get_last_audit_block(db), await get_audit_moment(db)
            assert moment is not None
            counted = last is None or (last.cluster == moment.cluster and last.horizon <= moment.next_xid)
            restored = not counted or (last is None and moment.elsewhere)
            block = await (self._begin_era if restored else self._continue)(db, last, moment)
        if self._folder is not None:
            await self._export_missed(db)
            if block is not None:
                self._exported = False  # should writing it fail
                self.export(block)
                self._exported = True
        return 0 if block is None else block.size - block.first

    async def _continue(self, db: Db, last: Block | None, moment: AuditMoment) -> Block | None:
        """What has ended since the last block; None when nothing has."""
        since = last.horizon if last else 0
        found = await list_unsealed_event(db, since=since, until=moment.horizon, max_rows=MAX_EVENTS)
        if not found:
            return None
        behind = found[0].behind
        events: Sequence[Event] = found
        if last is not None and last.era > 0:  # numbers of transactions that were used elsewhere before
            sealed = await find_sealed(db, last.era, found)
            events = [event for event in found if event.id.bytes not in sealed]
        return await self._append(db, last, moment, _pages([events]), era=last.era if last else 0, horizon=behind)

    async def _begin_era(self, db: Db, last: Block | None, moment: AuditMoment) -> Block | None:
        """Where transactions are counted anew: all that is there and in no block, found by looking at each once."""
        log.warning("audit begins an era", cluster=moment.cluster, elsewhere=moment.elsewhere)
        era = last.era if last else 0

        async def unsealed() -> AsyncIterator[Sequence[Event]]:
            async for page in list_pages(db, UUID(int=0), UUID(int=2**128 - 1)):
                sealed = set(await find_sealed(db, era, page)) if last else set()
                yield [event for event in page if event.id.bytes not in sealed]

        return await self._append(db, last, moment, unsealed(), era=era + 1, horizon=moment.horizon)

    async def _append(
        self, db: Db, last: Block | None, moment: AuditMoment, pages: AsyncIterator[Sequence[Event]], *, era: int, horizon: int
    ) -> Block:
        tree = await self._load(db, last)
        first = tree.size
        leaves, kept = bytearray(), []
        async for events in pages:  # of which no more than leaves are remembered
            for event in events:
                made = leaf_hash(leaf_bytes(event))
                leaves += event.id.bytes + made
                kept += [node for node in tree.append(made) if node[0] and node[0] % STRIDE == 0]
        unsigned = Block(
            number=last.number + 1 if last else 1,
            first=first,
            size=tree.size,
            cluster=moment.cluster,
            horizon=horizon,
            next_xid=moment.next_xid,
            sealed_at=moment.sealed_at,
            era=era,
            origin=self._key.public.name,
            root=tree.root(),
            previous=last.digest if last else NO_BLOCK,
            key_id=self._key.public.id,
            signature=b"",
        )
        block = Block(**{**unsigned.__dict__, "signature": self._key.sign(unsigned.text)})
        await insert_audit_block(
            db,
            number=block.number,
            first=block.first,
            size=block.size,
            cluster=block.cluster,
            horizon=block.horizon,
            next_xid=block.next_xid,
            sealed_at=block.sealed_at,
            era=block.era,
            origin=block.origin,
            root=block.root,
            previous=block.previous,
            key_id=block.key_id,
            signature=block.signature,
            leaves=bytes(leaves),
            public_key=self._key.public.raw,
            levels=[level for level, _, _ in kept],
            indexes=[index for _, index, _ in kept],
            hashes=[made for _, _, made in kept],
        )
        self._end = (block.digest, tree)
        return block

    async def _load(self, db: Db, last: Block | None) -> Frontier:
        """The end of the tree, to be grown. What is remembered is good as long as it is that of the last block."""
        end, self._end = self._end, None  # a transaction that fails leaves nothing remembered
        if last is None:
            return Frontier()
        if end is not None and end[0] == last.digest:
            return end[1]
        return await load_frontier(db, last.size)

    async def _export_missed(self, db: Db) -> None:
        """Write the checkpoints since the newest that is there: those of a sealer that died before, or could not write.

        Into an empty folder the last one alone: it stands for all before it.
        """
        if self._folder is None or self._exported:
            return
        sizes = [int(file.stem) for file in self._folder.glob("*.txt") if file.stem.isdigit()]
        last = await get_last_audit_block(db)
        size = max(sizes) if sizes else last.size - 1 if last else 0
        while missed := await list_audit_checkpoint(db, past_size=size, limit=MAX_MISSED):
            for block in missed:
                self.export(block)
            size = missed[-1].size
        await db.restart()
        self._exported = True

    def export(self, block: Block) -> None:
        """Write a checkpoint into the folder, whole or not at all; one that is there stays."""
        if self._folder is None:
            return
        target = self._folder / f"{block.size:020}.txt"
        if target.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(block.checkpoint, encoding="utf-8")
        draft.replace(target)


async def load_frontier(db: Db, size: int) -> Frontier:
    """The perfect subtrees of the first ``size`` leaves, from what is kept."""
    spans = [(index << level, index + 1 << level) for level, index in cover(0, size)]
    return Frontier(size, await fetch_hashes(db, spans))


def open_sealer(settings: AuditSettings) -> Sealer | None:
    """The sealer of the operator's key; None without one. Raises SetupError for a key that cannot be read."""
    if settings.audit_key is None:
        return None
    return Sealer(read_private_key(settings.audit_key, settings.audit_origin), settings.audit_checkpoints)


def public_key_of(settings: AuditSettings) -> PublicKey | None:
    """The operator's own key, to verify with."""
    return read_private_key(settings.audit_key, settings.audit_origin).public if settings.audit_key else None


async def seal_all(sealer: Sealer, pool: Pool) -> int:
    """Seal until nothing is left that has ended; how many events."""
    db = Db(pool, OPERATOR, uuid4())
    total = 0
    try:
        while count := await sealer.seal(db):
            total += count
    finally:
        await db.close()
    return total


async def seal_until(stopped: asyncio.Event, sealer: Sealer | None, pool: Pool) -> None:
    """Seal about every second. A failure is told and tried again: what is not sealed yet waits."""
    if sealer is None:
        log.warning("the audit is not sealed: FIVEFOLD_AUDIT_KEY is not set")
        return
    while not stopped.is_set():
        try:
            await seal_all(sealer, pool)
        except (AppError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            log.warning("sealing failed", exc_info=error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), INTERVAL_SECONDS)
