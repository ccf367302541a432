"""What ``fivefold audit`` does: verify, checkpoint, proof, seal."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson

from app.core.audit_block import Event, get_last_audit_block, open_sealer, public_key_of, read_leaf, seal_all, time_of
from app.core.audit_proof import get_any_event, make_proof, text_of
from app.core.audit_retirement import retire as retire_months
from app.core.audit_verify import Report, Trust
from app.core.audit_verify import verify as verify_rows
from app.core.health import fetch_login
from app.kit.bootstrap import OWNER
from app.kit.context import OPERATOR
from app.kit.db import Db, open_as
from app.kit.errors import SetupError
from app.kit.graphql import parse_uuid
from app.kit.merkle import continues, includes, leaf_hash
from app.kit.note import Checkpoint, PublicKey, read_checkpoint, read_public_key
from app.kit.pool import open_pool
from app.schema import PRODUCTS
from app.settings import Settings

AUDITOR = "fivefold_auditor"
LONGEST_SECONDS = 6 * 3600
NOTHING = "Nothing is sealed yet: set FIVEFOLD_AUDIT_KEY and run `fivefold worker`, or `fivefold audit seal`."


@asynccontextmanager
async def open_reader(url: str) -> AsyncIterator[tuple[Db, bool]]:
    """Who reads every event, and whether details too: the owner, or the auditor, who may not. Raises SetupError."""
    pool = await open_pool(url, size=1, name="fivefold-audit", statement_seconds=10)
    try:
        login = (await fetch_login(pool)).name
    finally:
        await pool.close()
    if login in ("fivefold_api", "fivefold_worker"):
        raise SetupError(f"{login} sees the events of one workspace only: let DATABASE_URL log in as {AUDITOR}.")
    owner = login != AUDITOR
    pool = await open_pool(url, size=1, name="fivefold-audit", statement_seconds=LONGEST_SECONDS, role=OWNER if owner else None)
    try:
        db = Db(pool, OPERATOR, uuid4())
        try:
            yield db, owner
        finally:
            await db.close()
    finally:
        await pool.close()


async def verify(
    url: str,
    settings: Settings,
    *,
    first: int = 1,
    last: int | None = None,
    checkpoints: Sequence[Path] = (),
    keys: Sequence[Path] = (),
) -> Report:
    """Everything from rows; see app/core/audit_verify.py. Raises SetupError for files that cannot be read."""
    kept = [open_checkpoint(path) for path in checkpoints]
    trusted = trusted_keys(settings, keys)
    proven = [table for product in PRODUCTS for table in product.proven]
    async with open_reader(url) as (db, details):
        return await verify_rows(db, Trust(trusted, kept), first=first, last=last, with_detail=details, proven=proven)


async def checkpoint(url: str) -> str:
    """The newest. Raises SetupError where nothing is sealed."""
    async with open_reader(url) as (db, _):
        last = await get_last_audit_block(db)
    if last is None:
        raise SetupError(NOTHING)
    return last.checkpoint


async def seal(url: str, settings: Settings) -> int:
    """All that has ended; how many events. Raises SetupError without a key."""
    sealer = open_sealer(settings)
    if sealer is None:
        raise SetupError("FIVEFOLD_AUDIT_KEY is not set: it is the path of an Ed25519 private key in PEM form.")
    async with open_as(url, "fivefold_worker") as (pool, _):
        return await seal_all(sealer, pool)


async def prove(url: str, event: str, against: Path | None) -> dict[str, Any]:
    """The proof of an event as JSON. Raises SetupError for an event that there is not, or that is not sealed yet."""
    old = open_checkpoint(against) if against else None
    try:
        event_id = UUID(event) if "-" in event else parse_uuid(event, "AuditEvent", field="EVENT_ID")
    except ValueError:
        raise SetupError("EVENT_ID is a uuid, or the global id of an AuditEvent.") from None
    async with open_reader(url) as (db, _):
        found = await get_any_event(db, id=event_id)
        if found is None:
            raise SetupError(f"There is no event {event_id}; of a retired month only proofs that were kept are left.")
        try:
            proof = await make_proof(db, found, old.size if old else None)
        except ValueError:
            raise SetupError(f"{against}: the log has fewer events than this checkpoint: its end is missing.") from None
    if proof is None:
        raise SetupError("The event is not sealed yet: try again in a few seconds.")
    return {
        "event": _event(found),
        "leaf": text_of(proof.leaf),
        "index": proof.index,
        "size": proof.size,
        "path": [text_of(each) for each in proof.path],
        "checkpoint": proof.checkpoint,
        "since": old.size if old else None,
        "consistency": [text_of(each) for each in proof.consistency],
    }


def _event(event: Event) -> dict[str, Any]:
    """For people, and JSON."""
    return asdict(event) | {"commitment": event.commitment.hex(), "occurred_at": time_of(event.id)}


def verify_offline(
    settings: Settings, proofs: Sequence[Path], checkpoints: Sequence[Path], keys: Sequence[Path]
) -> list[dict[str, Any]]:
    """Whether proofs hold against checkpoints that were kept, by keys that were; without a database. Raises SetupError."""
    trusted = trusted_keys(settings, keys)
    if not trusted or not (proofs or checkpoints):
        raise SetupError("Pass --proof FILE, as `fivefold audit proof` writes it, or --checkpoint FILE; and --key FILE.")
    kept = {path: open_checkpoint(path) for path in checkpoints}
    found = []
    for path, checkpoint in kept.items():
        signed = any(checkpoint.signed_by(key) for key in trusted)
        message = f"{checkpoint.size} events" if signed else "No key that is trusted signed it."
        found.append({"file": str(path), "proven": signed, "message": message, "event": None})
    for path in proofs:
        message, event = _check_proof(path, trusted, list(kept.values()))
        found.append({"file": str(path), "proven": not message, "message": message, "event": event and _event(event)})
    return found


def _check_proof(path: Path, trusted: Sequence[PublicKey], kept: Sequence[Checkpoint]) -> tuple[str, Event | None]:
    """What is wrong with a proof, if anything, and the event that it is of."""
    try:
        given = orjson.loads(path.read_bytes())
        leaf, steps = b64decode(given["leaf"], validate=True), [b64decode(each, validate=True) for each in given["path"]]
        consistency = [b64decode(each, validate=True) for each in given.get("consistency") or ()]
        index, checkpoint = int(given["index"]), read_checkpoint(given["checkpoint"])
        event = read_leaf(leaf)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(f"{path} is no proof: {error}") from None
    if not any(checkpoint.signed_by(key) for key in trusted):
        return "No key that is trusted signed its checkpoint.", event
    if not includes(leaf_hash(leaf), index, checkpoint.size, steps, checkpoint.root):
        return "The event is not in the log of its checkpoint.", event
    for old in kept:
        if old.origin != checkpoint.origin:
            return f"The checkpoint of {old.size} events is of another log.", event
        if old.size == checkpoint.size and old.root == checkpoint.root:
            continue
        if not continues(old.size, checkpoint.size, old.root, checkpoint.root, consistency):
            return (
                f"It is not proven that the log continues the checkpoint of {old.size} events: make it with --against.",
                event,
            )
    return "", event


def show_proof(one: dict[str, Any]) -> str:
    """For people."""
    event = one["event"]
    what = (
        f"{event['action']} of {event['object']} {event['object_id']}, {event['occurred_at']:%Y-%m-%d %H:%M:%S} UTC"
        if event
        else ""
    )
    return f"{'ok     ' if one['proven'] else 'FAILED '} {one['file']}  {one['message'] or what}"


async def retire(url: str, settings: Settings) -> list[str]:
    """Months that are older than FIVEFOLD_AUDIT_MONTHS: which of them went. One that was altered stays."""
    async with open_as(url, "fivefold_worker") as (_, db):
        return await retire_months(db, settings.audit_months)


def public_key(settings: Settings) -> PublicKey:
    """Of the operator's key. Raises SetupError without one."""
    key = public_key_of(settings)
    if key is None:
        raise SetupError("FIVEFOLD_AUDIT_KEY is not set: it is the path of an Ed25519 private key in PEM form.")
    return key


def trusted_keys(settings: Settings, paths: Sequence[Path]) -> list[PublicKey]:
    """Those that were given, or else the operator's own; none leaves it to the database's word."""
    own = public_key_of(settings) if not paths else None
    return [own] if own else [read_public_key(path, settings.audit_origin) for path in paths]


def open_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint that was kept. Raises SetupError."""
    try:
        return read_checkpoint(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: {error}") from None


def show(report: Report) -> str:
    """For people."""
    lines = [f"{finding.kind:20} {finding.what}  {finding.message}" for finding in report.findings]
    if report.more:
        lines.append(f"and {report.more} more")
    told = f"{report.details} details proven, {report.forgotten} forgotten"
    lines.append(
        f"{report.blocks} blocks, {report.events} sealed events, {report.unsealed} not sealed yet, "
        f"{report.retired} of {report.retired_months} retired months; "
        + (told if report.details_read else "details not read: this login may not")
    )
    if not report.pinned:
        lines.append("The keys are the database's own word: pass --key with one that was kept elsewhere.")
    if not report.checkpoints:
        lines.append("Whether the end is missing is not known: pass --checkpoint with one that was kept elsewhere.")
    lines.append(
        "FAILED: the audit is not as it was sealed." if report.findings or report.more else "ok: the audit is as it was sealed."
    )
    return "\n".join(lines)
