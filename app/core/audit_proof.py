"""Audit proofs: that an event is in the sealed log, for whoever it concerns, to be verified by anyone without a database."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import strawberry

from app.core.audit_block import (
    Event,
    fetch_hashes,
    get_last_audit_block,
    ids_of,
    leaf_bytes,
    list_audit_block_of,
    list_audit_key,
)
from app.core.audit_event import READERS
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import BigInt, global_id, parse_uuid, query
from app.kit.merkle import consistency_ranges, inclusion_ranges
from app.kit.note import PublicKey
from app.kit.sql import File


@dataclass(frozen=True)
class Proof:
    """Of one event in the tree of the newest checkpoint. ``consistency`` leads there from a smaller tree, if one was named."""

    leaf: bytes
    index: int
    size: int
    path: Sequence[bytes]
    checkpoint: str
    consistency: Sequence[bytes]


@strawberry.type(description="That an event is in the sealed log. The README has twenty lines that verify it without us.")
class AuditProof:
    """Hashes and bytes in base64."""

    event_id: strawberry.ID
    leaf: str = strawberry.field(description="The event's bytes as they were sealed, in base64.")
    index: BigInt = strawberry.field(description="Its place among all events, from 0.")
    size: BigInt = strawberry.field(description="How many events the checkpoint is about.")
    path: list[str] = strawberry.field(description="RFC 9162 inclusion proof: hashes from the leaf up, in base64.")
    checkpoint: str = strawberry.field(description="The signed checkpoint with the root that the path leads to.")
    consistency: list[str] = strawberry.field(
        description="RFC 9162 consistency proof from the tree of `since` events to this one; empty without `since`."
    )


@strawberry.type(description="The newest seal of the audit. Who keeps it can prove later that nothing before it was changed.")
class AuditCheckpoint:
    """A signed note of a transparency log."""

    checkpoint: str = strawberry.field(description="The signed note: name, number of events, root, and more.")
    size: BigInt = strawberry.field(description="How many events it is about.")
    sealed_at: datetime
    public_key: str = strawberry.field(description="The key that signed, as name+id+base64. Keep it; do not ask for it again.")


sql = File("core/audit_proof")
get_own_event = sql.one("get_own_event", Event)
get_any_event = sql.one("get_any_event", Event)


async def make_proof(db: Db, event: Event, since: int | None = None) -> Proof | None:
    """None while the event is not sealed. Raises ValueError when ``since`` is more than there is."""
    last = await get_last_audit_block(db)
    if last is None:
        return None
    wanted = event.id.bytes
    index = None
    for era in range(last.era, -1, -1):
        for block in await list_audit_block_of(db, era=era, xids=[event.xid]):
            index = next((block.first + at for at, (id_, _) in enumerate(ids_of(block.leaves)) if id_ == wanted), index)
    if index is None:
        return None
    path, steps = inclusion_ranges(index, last.size), consistency_ranges(last.size if since is None else since, last.size)
    hashes = await fetch_hashes(db, [*path, *steps])
    return Proof(leaf_bytes(event), index, last.size, hashes[: len(path)], last.checkpoint, hashes[len(path) :])


def text_of(data: bytes) -> str:
    """In base64."""
    return base64.b64encode(data).decode()


@strawberry.type
class AuditProofQuery:
    """Root fields that prove."""

    @query()
    async def audit_proof(self, info: Info, id: strawberry.ID, since: BigInt | None = None) -> AuditProof | None:
        """The proof of an event of one's own doing, or of the active workspace for those who read its log; null for others.

        NOT_SEALED for a second or so after it happened. `since` is the size of a checkpoint that was kept.
        """
        context = info.context
        event_id = parse_uuid(id, "AuditEvent", field="id")
        event = await get_own_event(context.db, id=event_id, reads_all=context.actor.role in READERS)
        if event is None:
            return None
        try:
            proof = await make_proof(context.db, event, since)
        except ValueError:
            raise AppError(ErrorCode.BAD_INPUT, "since: the log has fewer events than that.", field="since") from None
        if proof is None:
            raise AppError(ErrorCode.NOT_SEALED, "The event is not sealed yet. Ask again in a few seconds.", field="id")
        return AuditProof(
            event_id=global_id("AuditEvent", str(event_id)),
            leaf=text_of(proof.leaf),
            index=BigInt(proof.index),
            size=BigInt(proof.size),
            path=[text_of(each) for each in proof.path],
            checkpoint=proof.checkpoint,
            consistency=[text_of(each) for each in proof.consistency],
        )

    @query()
    async def audit_checkpoint(self, info: Info) -> AuditCheckpoint | None:
        """The newest checkpoint of the audit; null while nothing is sealed."""
        last = await get_last_audit_block(info.context.db)
        if last is None:
            return None
        keys = [PublicKey(key.origin, key.public_key) for key in await list_audit_key(info.context.db)]
        key = next(key for key in keys if (key.name, key.id) == (last.origin, last.key_id))
        return AuditCheckpoint(
            checkpoint=last.checkpoint, size=BigInt(last.size), sealed_at=last.sealed_at, public_key=str(key)
        )
