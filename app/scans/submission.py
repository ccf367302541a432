"""Submissions: what asks for scans. Idempotency, quota, credit, scan, job and what listeners are told commit together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import strawberry
from pydantic import BaseModel

from app.core.data_export import decodes
from app.core.data_key import derive_key, seal, unseal_all
from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.core.usage_counter import use
from app.core.wallet import reserve
from app.kit.context import Info
from app.kit.db import Db
from app.kit.egress import BadUrl, read_target
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation
from app.kit.jobs import Work, enqueue, gather, job
from app.kit.page import check_size
from app.kit.sql import File
from app.kit.vault import new_id
from app.scans.flow import ScanSettings, Tenant, run_scans
from app.scans.scan import PROGRESS, TABLE, URL_KEY, Scan, ScanState, ScanVisibility, scans_by_id
from app.scans.url import MOST_URL, Url, parse_url, url_hash

COST = 1
MOST_AT_ONCE = 100
HOLD = timedelta(hours=24)
"""Longer than any scan waits and runs: its credit is there when it ends."""

LOOK_AGAIN = timedelta(seconds=10)
"""So often it is looked whether all that was submitted together has ended."""


@dataclass(frozen=True)
class Together:
    """How far some scans are, and what they came to."""

    under_way: int
    completed: int
    risky: int
    failed: int


@dataclass(frozen=True)
class Fresh:
    """A scan that is young enough."""

    id: UUID


sql = File("scans/submission")
count_scan_together = sql.one("count_scan_together", Together)
get_fresh_scan = sql.one("get_fresh_scan", Fresh)
insert_scan = sql.one("insert_scan", Scan)


@strawberry.input(description="What to scan.")
class SubmitScanInput:
    """``freshness`` saves a scan where there is one."""

    url: str = strawberry.field(description="http or https, up to 2048 characters, without user and password.")
    idempotency_key: str
    visibility: ScanVisibility = strawberry.field(
        default=ScanVisibility.PRIVATE, description="PUBLIC is refused for a URL in which something is recognized as secret."
    )
    freshness: timedelta | None = strawberry.field(
        default=None,
        description="A completed scan of this URL by this workspace, of the same visibility and no older than this, is "
        "answered again and costs nothing. Without it, or 0, the URL is scanned anew.",
    )


@strawberry.type(description="The scan, and what it costs.")
class SubmitScanPayload:
    """``reused`` where there was one that is fresh enough."""

    scan: Scan
    reused: bool = strawberry.field(description="Whether it is a scan that was made before, because it is fresh enough.")
    cost: int = strawberry.field(description="Credits held for it: spent when it completes, given back when it does not.")


def check_target(url: Url, *, loopback: bool) -> None:
    """Raise BAD_INPUT for what could never be fetched: it costs nothing to say so now."""
    try:
        read_target(url.canonical, schemes=("http", "https"), most=MOST_URL, loopback=loopback)
    except BadUrl as bad:
        raise AppError(ErrorCode.BAD_INPUT, str(bad), field="url") from None


async def submit(db: Db, settings: ScanSettings, given: SubmitScanInput, batch_id: UUID | None = None) -> SubmitScanPayload:
    """Ask for a scan in the open transaction. Raises BAD_INPUT, IDEMPOTENCY_CONFLICT, LIMIT_REACHED, INSUFFICIENT_CREDITS.

    ``batch_id`` names the request that asks for many: its end is told with theirs, if that is who made it.
    """
    seconds = None if given.freshness is None else int(given.freshness.total_seconds())
    done = await claim(db, "submitScan", given.idempotency_key, [given.url, given.visibility.name, seconds])
    if done is not None:
        assert done.result_id is not None
        (found,) = await scans_by_id(db, ids=[done.result_id])
        if found is None:
            raise AppError(ErrorCode.NOT_FOUND, "The scan that this key asked for was deleted. Use a new key.")
        return SubmitScanPayload(scan=found, reused=not done.created, cost=COST if done.created else 0)
    url = parse_url(given.url)
    check_target(url, loopback=settings.scan_loopback)
    if given.visibility is ScanVisibility.PUBLIC and url.has_secrets:
        message = "Something in this URL looks like a secret, so its scan cannot be PUBLIC. Choose PRIVATE or UNLISTED."
        raise AppError(ErrorCode.BAD_INPUT, message, field="visibility")
    hashed = url_hash(await derive_key(db, settings, URL_KEY), url.canonical)
    if given.freshness:
        fresh = await get_fresh_scan(db, url_hash=hashed, visibility=given.visibility.value, freshness=given.freshness)
        if fresh is not None:
            (found,) = await scans_by_id(db, ids=[fresh.id])
            assert found is not None
            await settle(db, "submitScan", given.idempotency_key, fresh.id, created=False)
            return SubmitScanPayload(scan=found, reused=True, cost=0)
    made = await create(db, settings, url, hashed, given.visibility, batch_id=batch_id)
    await settle(db, "submitScan", given.idempotency_key, made.id)
    return SubmitScanPayload(scan=made, reused=False, cost=COST)


async def create(
    db: Db,
    settings: ScanSettings,
    url: Url,
    hashed: bytes,
    visibility: ScanVisibility,
    account_id: UUID | None = None,
    batch_id: UUID | None = None,
) -> Scan:
    """A scan that waits, paid for, with the job that runs it. Raises LIMIT_REACHED, INSUFFICIENT_CREDITS.

    ``account_id`` is who asks, where that is not the caller: a job asks for somebody.
    """
    await use(db, "scans.scans")
    scan_id = new_id()
    sealed = await seal(db, settings, TABLE, "url_sealed", scan_id, url.canonical.encode())
    reservation_id = await reserve(db, COST, key=f"scans.scan:{scan_id}", purpose="scans.scan", hold=HOLD)
    made = await insert_scan(
        db,
        id=scan_id,
        member_id=account_id or db.actor.account_id,
        reservation_id=reservation_id,
        batch_id=batch_id,
        visibility=visibility.value,
        host=url.masked_host,
        masked_url=url.masked,
        has_secrets=url.has_secrets,
        url_hash=hashed,
        url_sealed=sealed,
    )
    assert made is not None
    workspace_id = db.actor.workspace_id
    await gather(db, run_scans, Tenant(workspace_id=workspace_id), str(workspace_id))
    return made


class TellFinished(BaseModel, frozen=True):
    """Whom to tell when these scans have ended, and which request asked for them."""

    workspace_id: UUID
    member_id: UUID
    scan_ids: list[UUID]
    request: str


@job("scans.tell_finished", TellFinished)
async def tell_finished(work: Work, payload: TellFinished) -> None:
    """Look whether all have ended, which each does within its time; then say once what they came to."""
    await work.take_over(tell_finished, payload.request)
    async with work.once() as db:
        found = await count_scan_together(db, ids=payload.scan_ids, batch_id=_batch(payload.request))
        assert found is not None  # an aggregate always has a row
        if found.under_way:
            await enqueue(db, tell_finished, payload, dedupe=payload.request, delay=LOOK_AGAIN)
        elif found.completed or found.failed:  # or they went meanwhile
            told = {"completed": found.completed, "risky": found.risky, "failed": found.failed}
            await notify(db, payload.member_id, NotificationKind.SCANS_FINISHED, None, told)


@tells(NotificationKind.SCANS_FINISHED, None)
async def tell_counts(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """How many ended how."""
    return [_counted(each.detail) for each in notifications]


def _counted(told: dict[str, int]) -> NotificationText:
    judged, failed = told["completed"], told["failed"]
    body = f"{judged} judged, {told['risky']} of them suspicious or malicious; {failed} failed and cost nothing."
    ended = judged + failed
    return NotificationText(title="1 scan has ended" if ended == 1 else f"{ended} scans have ended", body=body)


def _request(db: Db, inputs: Sequence[SubmitScanInput]) -> str:
    """What the same request is again, when it is repeated."""
    asked = "\n".join([str(db.actor.workspace_id), *(each.idempotency_key for each in inputs)])
    return hashlib.sha256(asked.encode()).hexdigest()


def _batch(request: str) -> UUID:
    return UUID(hex=request[:32])


async def _follow(db: Db, request: str, answers: Sequence[Any]) -> None:
    """Have somebody told when what was submitted together has ended. Of a request that is repeated one job waits, or none; of
    requests that overlap each tells of the scans that it made itself."""
    made = [each.scan for each in answers if isinstance(each, SubmitScanPayload) and not each.reused]
    waiting = [scan.id for scan in made if ScanState(scan.state) in PROGRESS]
    if len(waiting) < 2 or db.actor.account_id is None:
        return
    asked = TellFinished(workspace_id=db.actor.workspace_id, member_id=db.actor.account_id, scan_ids=waiting, request=request)
    async with db.transaction():
        await enqueue(db, tell_finished, asked, dedupe=asked.request, delay=LOOK_AGAIN)


@strawberry.type
class SubmissionMutation:
    """Root fields that ask for scans."""

    @mutation("scans:write")
    async def submit_scan(self, info: Info, input: SubmitScanInput) -> SubmitScanPayload | None:
        """Have a URL judged, for one credit: it is held now, spent when the scan completes, and comes back when it does not."""
        async with info.context.db.transaction():
            return await submit(info.context.db, info.context.settings, input)

    @mutation("scans:write")
    async def submit_scans(self, info: Info, inputs: list[SubmitScanInput]) -> list[SubmitScanPayload | None] | None:
        """Have 1 to 100 URLs judged, each in its own transaction with its own debit: null, with an error at its place, for each
        that was refused. Those before and after it stand. When all have ended, whoever asked is told once."""
        check_size(len(inputs), field="inputs", most=MOST_AT_ONCE)
        answers: list[Any] = []
        request = _request(info.context.db, inputs)
        for given in inputs:
            try:
                async with info.context.db.transaction():
                    answers.append(await submit(info.context.db, info.context.settings, given, _batch(request)))
            except Exception as error:  # noqa: BLE001 - an item that is an exception becomes the error of that item
                answers.append(error)
        await _follow(info.context.db, request, answers)
        return answers


@decodes(
    TABLE, "url_sealed", name="url", schema={"type": ["string", "null"], "description": "The URL; null where its key is gone."}
)
async def _urls(db: Db, settings: ScanSettings, rows: Sequence[dict[str, Any]]) -> list[str | None]:
    sealed = [(UUID(row["id"]), bytes.fromhex(row["url_sealed"].removeprefix("\\x"))) for row in rows]
    return [None if url is None else url.decode() for url in await unseal_all(db, settings, TABLE, "url_sealed", sealed)]
