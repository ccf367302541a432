"""Scans: a URL that is to be judged, from the moment it is asked for until it ends.

What may follow what is a constraint of the table; what has ended stays as it is.

| from      | to |
|-----------|----|
| QUEUED    | FETCHING, FAILED |
| FETCHING  | ANALYZING, FAILED, TIMED_OUT |
| ANALYZING | COMPLETED, FAILED, TIMED_OUT |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from app.core.outbox import Told, announce
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, field, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.kit.subscription import Event, Source, subscription
from app.scans.observation import FetchFailure

TABLE = "scans.scan"
URL_KEY = "scans.url"
"""The purpose of the workspace's key by which URLs are found again."""
SCAN_STATE = "scans.scan_state"
SCAN_FINISHED = announce("scans.scan_finished", "Scan", "A scan was completed, failed or timed out: `state` says which.")

FAILURES: dict[str, str] = {
    **{each.name: f"{each.value[0].upper()}{each.value[1:]}." for each in FetchFailure},
    "NOT_STARTED": "No worker took it within an hour.",
    "WORKER_LOST": "Its workers were lost again and again.",
    "PAGE_TOO_HARD": "The page took too long to be judged, or what judged it broke off.",
    "SEALED": "The address cannot be opened any more: the key of the workspace is gone.",
    "INTERNAL": "Something went wrong here, and not on the page's side.",
}
"""What `failure` means."""

if TYPE_CHECKING:
    from app.scans.scan_result import ScanResult


@strawberry.enum(description="How far a scan is.")
class ScanState(Enum):
    """Values as in the database."""

    QUEUED = strawberry.enum_value("QUEUED", description="It waits for a worker.")
    FETCHING = strawberry.enum_value("FETCHING", description="The page is being fetched.")
    ANALYZING = strawberry.enum_value("ANALYZING", description="What was seen is being judged.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="It was judged, and its credit is spent. Final.")
    FAILED = strawberry.enum_value("FAILED", description="It could not be judged; its credit came back. Final.")
    TIMED_OUT = strawberry.enum_value("TIMED_OUT", description="It took too long; its credit came back. Final.")


@strawberry.enum(description="Who may see a scan.")
class ScanVisibility(Enum):
    """Values as in the database."""

    PRIVATE = strawberry.enum_value("PRIVATE", description="The members of the workspace.")
    UNLISTED = strawberry.enum_value("UNLISTED", description="Whoever has its link, once it is published.")
    PUBLIC = strawberry.enum_value("PUBLIC", description="Everybody, once it is published. Never where the URL holds a secret.")


CONSENT = "page_analysis"
"""The purpose that who asks for a scan consents to before words of the page go to a model that somebody else runs."""

PROGRESS = {ScanState.QUEUED: 0, ScanState.FETCHING: 25, ScanState.ANALYZING: 75}
"""In percent; whatever has ended is at 100."""


@strawberry.type(description="A URL that is to be judged.")
class Scan(Node):
    """Seen by all members of its workspace."""

    node_statement = "scans/scan.edge_scan"
    node_scopes = frozenset({"scans:read"})

    account_id: strawberry.Private[UUID]

    state: ScanState
    version: int = strawberry.field(description="Counts its changes from 1.")
    visibility: ScanVisibility
    attempt: int = strawberry.field(description="How often a worker has taken it.")
    failure: str | None = strawberry.field(description="Why it failed or timed out, as a word; null while it has not.")
    host: str
    masked_url: str = strawberry.field(description="The URL without what might be secret in it.")
    has_secrets: bool = strawberry.field(description="Whether something in the URL was recognized as secret.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = strawberry.field(description="When a worker took it first.")
    finished_at: datetime | None

    @field(description="How far it is, in percent.")
    def progress(self) -> int:
        """By its state."""
        return PROGRESS.get(ScanState(self.state), 100)

    @field(name="failureReason", description="`failure` as a sentence; null while there is none.")
    def failure_reason(self) -> str | None:
        """In words of ours; of a word that is not known here, nothing."""
        return FAILURES.get(self.failure) if self.failure else None

    result: Annotated[ScanResult, strawberry.lazy("app.scans.scan_result")] | None = edge(
        "scans/scan_result.edge_scan_result", scan_ids="id", description="What it came to; null until it is COMPLETED."
    )


@dataclass(frozen=True)
class Named:
    """A scan."""

    id: UUID


sql = File("scans/scan")
get_purged_scan = sql.one("get_purged_scan", Named)
list_consented_scan = sql.many("list_consented_scan", Named)
page_scan = sql.page("page_scan", Scan)
scans_by_id = sql.edge("edge_scan", Scan)


async def consented(db: Db, ids: Sequence[UUID]) -> set[UUID]:
    """Those of some scans whose words may go to a model that somebody else runs, at this moment: as who asked for them says."""
    return {each.id for each in await list_consented_scan(db, ids=ids, purpose=CONSENT)}


@strawberry.type
class ScanQuery:
    """Root fields that read scans."""

    @query("scans:read")
    async def scan(self, info: Info, id: strawberry.ID) -> Scan | None:
        """One scan of the workspace."""
        (found,) = await scans_by_id(info.context.db, ids=[parse_uuid(id, "Scan", field="id")])
        return found

    @query("scans:read")
    async def scans(
        self, info: Info, state: ScanState | None = None, host: str | None = None, first: int = 20, after: str | None = None
    ) -> Page[Scan] | None:
        """The workspace's scans, the newest first."""
        chosen = state.value if state else None
        is_open = state in PROGRESS
        return await page(
            page_scan,
            info.context.db,
            first,
            after,
            open=chosen if is_open else None,
            ended=None if is_open else chosen,
            host=host,
        )


@strawberry.type(description="A step of a scan.")
class ScanStateChanged(Event):
    """One event for each state that a scan comes to. ``scan`` is how it stands when the event is read."""

    state: ScanState = strawberry.field(description="The state that it came to.")
    version: int
    progress: int = strawberry.field(description="How far it was then, in percent.")
    scan: Scan


async def _read_states(db: Db, rows: Sequence[Told], *, scan_id: UUID | None) -> list[ScanStateChanged]:
    """The steps that were told, of scans that are there still."""
    rows = [row for row in rows if scan_id is None or row.object_id == scan_id]
    scans = await scans_by_id(db, ids=[row.object_id for row in rows]) if rows else []
    told = [(row, ScanState(row.detail["state"]), scan) for row, scan in zip(rows, scans, strict=True) if scan is not None]
    return [
        ScanStateChanged(
            position=(row.xid, row.id, ""),
            state=state,
            version=row.detail["version"],
            progress=PROGRESS.get(state, 100),
            scan=scan,
        )
        for row, state, scan in told
    ]


@strawberry.type
class ScanSubscription:
    """The root field that tells how far scans are."""

    @subscription(ScanStateChanged, SCAN_STATE, "scans:read")
    async def scan_state(self, info: Info, id: strawberry.ID | None = None, after: str | None = None) -> Source:
        """Each state that a scan comes to, of all scans or of one; behind the cursor `after`, or from now on."""
        scan_id = parse_uuid(id, "Scan", field="id") if id else None
        if scan_id is not None and (await scans_by_id(info.context.db, ids=[scan_id]))[0] is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no such scan in this workspace.", field="id")
        return Source(after, partial(_read_states, scan_id=scan_id))
