"""Accesses: the log of every request that a scan made, each hop and the icon, with the address that was connected to.

A row is written, and has committed, before anything is connected to, so the log knows also what a worker touched that was
killed; ``Ahead`` does that for many scans at once. How it went is a second row, written with the end of the scan.

Neither is ever changed. Their INSERTs are audited with every column, URLs and hashes as digests, so the seals of the audit
prove them: ``fivefold audit verify`` names a row that was altered, deleted or made up behind the triggers' back, and a customer
shows with an event's proof what was touched, and when. Rows go after 400 days, or with an erasure, and with them what the audit
told of them; that there was an access and that it was deleted stays provable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from app.core.audit_block import time_of
from app.core.audit_verify import Altered
from app.core.retention import WORKSPACES, Night, OfWorkspace, ask_each
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import BigInt, Node, field, global_id, parse_uuid, query
from app.kit.jobs import Work, job
from app.kit.page import Page, page
from app.kit.pool import Lost
from app.kit.sql import File
from app.scans.network import NOT_KNOWN, Networks
from app.scans.observation import Hop, Observation, Touch
from app.scans.scan import get_purged_scan, scans_by_id
from app.scans.secret import MASK, mask_step
from app.scans.url import parse_url, url_hash

BATCH = 1000
"""So many rows go in one transaction."""
GATHER_SECONDS = 0.003
"""So long what is about to be touched waits for more, to be written together."""


@strawberry.enum(description="What a request of a scan was for.")
class AccessKind(Enum):
    """Values as in the database."""

    PAGE = strawberry.enum_value("PAGE", description="The address that was asked for, or one that it led to.")
    ICON = strawberry.enum_value("ICON", description="The icon of the page.")


@strawberry.type(description="One request of a scan, or the refusal to make it. Never changed: the audit proves each.")
class Access(Node):
    """Seen by all members of the scan's workspace, whoever may see the scan."""

    node_statement = "scans/access.edge_access"
    node_scopes = frozenset({"scans:read", "scans:write"})

    scan_id: strawberry.Private[UUID]

    seq: int = strawberry.field(description="Its place among the requests of one fetch, from 0.")
    kind: AccessKind
    masked_url: str = strawberry.field(
        description="The URL without what might be secret in it; of one that a server named, of its path common words alone."
    )
    address: str | None = strawberry.field(
        description="The address that was connected to, the only one; null where nothing was connected to."
    )
    asn: BigInt | None = strawberry.field(
        description="The number of the network (autonomous system) that announced the address; null where nobody knows it,"
        " or the operator keeps no list of networks."
    )
    port: int = strawberry.field(description="0 where the URL was refused before it was read that far.")
    status: int | None = strawberry.field(description="The status of HTTP, if there was an answer.")
    failure: str | None = strawberry.field(description="Why there was no answer, or why it went no further, as a word.")
    milliseconds: int | None = strawberry.field(description="How long it took; null where nobody knows how it went.")
    content_sha256: str | None = strawberry.field(
        name="contentSha256", description="In hex, of what was read of the page that was reached, or of its icon."
    )
    certificate_sha256: str | None = strawberry.field(
        name="certificateSha256", description="In hex, of the server's certificate as it was sent."
    )
    trial: bool = strawberry.field(description="Whether the worker was allowed to reach its own machine, for trials.")

    @field(name="scanId", description="Global id of the scan.")
    def scan_global_id(self) -> strawberry.ID:
        """For ``scan(id)``."""
        return global_id("Scan", str(self.scan_id))

    @field(description="When it was written down: before anything was connected to, or when it was refused.")
    def recorded_at(self) -> datetime:
        """As its id says."""
        return time_of(self.id)

    @field(
        description="Whether it is known how it went. False while it is under way, and for good where the worker was lost: then"
        " the address was about to be connected to, or was."
    )
    def ended(self) -> bool:
        """As what was written of its end says."""
        return self.status is not None or self.failure is not None


@dataclass(frozen=True)
class Noted:
    """What was written before it was connected to."""

    id: UUID
    scan_id: UUID
    seq: int


@dataclass(frozen=True)
class Old:
    """A workspace with rows past their time."""

    workspace_id: UUID


@dataclass(frozen=True)
class Purged:
    """How many rows went, and how many details."""

    count: int
    details: int


sql = File("scans/access")
accesses_by_id = sql.edge("edge_access", Access)
delete_old_access = sql.one("delete_old_access", Purged)
insert_access = sql.exec("insert_access")
insert_access_ahead = sql.many("insert_access_ahead", Noted)
insert_access_outcome = sql.exec("insert_access_outcome")
list_altered_access = sql.many("list_altered_access", Altered)
list_old_access = File("scans/across").many("list_old_access", Old)
page_access = sql.page("page_access", Access)


async def record_accesses(db: Db, scan_id: UUID, observation: Observation, key: bytes, networks: Networks = NOT_KNOWN) -> None:
    """Write down every request of an observation, in the open transaction. ``key`` is the workspace's, for ``url_hash``."""
    await record_all_accesses(db, [(scan_id, observation)], key, networks)


async def record_all_accesses(
    db: Db, observed: Iterable[tuple[UUID, Observation]], key: bytes, networks: Networks = NOT_KNOWN
) -> None:
    """As ``record_accesses``, of many scans of one workspace: how went what was written before, and what was refused."""
    asked = [each for scan_id, observation in observed for each in _requests(scan_id, observation)]
    noted = [(each.hop.access_id, each) for each in asked if each.hop.access_id is not None]
    if noted:
        await insert_access_outcome(
            db,
            access_ids=[access_id for access_id, _ in noted],
            milliseconds=[each.hop.milliseconds for _, each in noted],
            statuses=[each.hop.status for _, each in noted],
            failures=[each.hop.failure and each.hop.failure.name for _, each in noted],
            contents=[each.content_sha256 for _, each in noted],
            certificates=[each.hop.tls and each.hop.tls.certificate_sha256 for _, each in noted],
        )
    asked = [each for each in asked if each.hop.access_id is None]
    if not asked:
        return
    urls = [_told(each.hop.url, each.asked, key) for each in asked]
    await insert_access(
        db,
        scan_ids=[each.scan_id for each in asked],
        trials=[each.trial for each in asked],
        addresses=[each.hop.address for each in asked],
        asns=[networks.number_of(each.hop.address) for each in asked],
        ports=[each.hop.port for each in asked],
        milliseconds=[each.hop.milliseconds for each in asked],
        seqs=[each.hop.seq for each in asked],
        statuses=[each.hop.status for each in asked],
        kinds=[each.kind.value for each in asked],
        failures=[each.hop.failure and each.hop.failure.name for each in asked],
        masked_urls=[masked for masked, _ in urls],
        url_hashes=[hashed for _, hashed in urls],
        contents=[each.content_sha256 for each in asked],
        certificates=[each.hop.tls and each.hop.tls.certificate_sha256 for each in asked],
    )


@dataclass(frozen=True)
class _Asked:
    scan_id: UUID
    touch: Touch
    begun: str
    written: asyncio.Future[UUID]


class Ahead:
    """Writes what is about to be touched before it is, in a transaction for all that ask at about the same time.

    ``db`` is used by nobody else, and lent a connection for each transaction only. ``key`` is the workspace's, for
    ``url_hash``; ``trial`` says whether this machine may be reached, ``networks`` whose addresses are.
    """

    def __init__(self, db: Db, key: bytes, *, trial: bool, networks: Networks = NOT_KNOWN) -> None:
        self._db, self._key, self._trial, self._networks = db, key, trial, networks
        self._asked: list[_Asked] = []
        self._under_way: list[_Asked] = []
        self._begun: dict[UUID, str] = {}
        self._writing: asyncio.Task[None] | None = None

    async def note(self, scan_id: UUID, touch: Touch) -> UUID:
        """Once this has answered, the log has it. Raises what kept it from being written: then nothing may be touched."""
        begun = self._begun.setdefault(scan_id, touch.url)
        asked = _Asked(scan_id, touch, "" if touch.seq == 0 else begun, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await asked.written

    async def close(self) -> None:
        """Whoever waits still is told nothing more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        for each in (*self._under_way, *self._asked):
            each.written.cancel()
        await self._db.close()

    async def _write_all(self) -> None:
        """While anybody asks. What asks while a transaction is under way goes with the next."""
        try:
            await asyncio.sleep(GATHER_SECONDS)
            while self._asked:
                self._under_way, self._asked = self._asked, []
                await self._write_each(self._under_way)
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._writing = None

    async def _write_each(self, asked: Sequence[_Asked]) -> None:
        """Together; if that fails, each alone, so that one which no row may hold keeps no other back."""
        try:
            await self._write(asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever asked
            if len(asked) > 1 and not isinstance(error, Lost):
                for each in asked:
                    await self._write_each([each])
                return
            for each in asked:
                if not each.written.done():
                    each.written.set_exception(error)

    async def _write(self, asked: Sequence[_Asked]) -> None:
        urls = [_told(each.touch.url, each.begun, self._key) for each in asked]
        try:
            async with self._db.transaction():
                noted = await insert_access_ahead(
                    self._db,
                    trial=self._trial,
                    scan_ids=[each.scan_id for each in asked],
                    addresses=[each.touch.address for each in asked],
                    asns=[self._networks.number_of(each.touch.address) for each in asked],
                    ports=[each.touch.port for each in asked],
                    seqs=[each.touch.seq for each in asked],
                    kinds=[(AccessKind.ICON if each.touch.icon else AccessKind.PAGE).value for each in asked],
                    masked_urls=[masked for masked, _ in urls],
                    url_hashes=[hashed for _, hashed in urls],
                )
        finally:
            await self._db.pause()
        ids = {(each.scan_id, each.seq): each.id for each in noted}
        for each in asked:
            if not each.written.done():  # its scan may have run out of time
                each.written.set_result(ids[each.scan_id, each.touch.seq])


@dataclass(frozen=True)
class _Request:
    scan_id: UUID
    trial: bool
    hop: Hop
    kind: AccessKind
    content_sha256: bytes | None
    asked: str
    """The URL that the scan began with, or nothing where this is it."""


def _requests(scan_id: UUID, observation: Observation) -> Iterator[_Request]:
    begun = observation.hops[0].url if observation.hops else ""
    for hop in observation.hops:
        content = observation.content_sha256 if hop is observation.hops[-1] else None
        yield _Request(scan_id, observation.loopback, hop, AccessKind.PAGE, content, "" if hop.seq == 0 else begun)
    if observation.favicon is not None:
        icon = observation.favicon_sha256
        yield _Request(scan_id, observation.loopback, observation.favicon, AccessKind.ICON, icon, begun)


def _told(url: str, asked: str, key: bytes) -> tuple[str, bytes]:
    """A URL as it is shown and as it is found; one that cannot be read is not shown at all.

    Behind the one that was ``asked`` for, a server has named it: its words are shown no more than those of a page.
    """
    try:
        parsed = parse_url(url)
    except AppError:
        return MASK, url_hash(key, url)
    if not asked:
        return parsed.masked, url_hash(key, parsed.canonical)
    try:
        begun = parse_url(asked).masked
    except AppError:
        begun = MASK
    return mask_step(parsed.masked, begun), url_hash(key, parsed.canonical)


async def find_altered_accesses(db: Db, limit: int) -> Sequence[Altered]:
    """Rows of any workspace that are not what the audit was told of them, as the owner of the tables."""
    return await list_altered_access(db, limit=limit)


@job("scans.purge_workspace_accesses", OfWorkspace, concurrency=2, priority=-10)
async def purge_workspace_accesses(work: Work, payload: OfWorkspace) -> None:
    """A batch at a time, each complete in itself: cut off anywhere, the rest is found again."""
    while True:
        async with work.db.transaction():
            purged = await delete_old_access(work.db, limit=BATCH)
        if purged is None or purged.count < BATCH:
            return


@job("scans.purge_accesses", Night, cron="10 3 * * *")
async def purge_accesses(work: Work, payload: Night) -> None:
    """Every night, for each workspace with something to purge, a job of its own."""

    async def find(after: UUID) -> list[UUID]:
        return [each.workspace_id for each in await list_old_access(work.db, after=after, limit=WORKSPACES)]

    await ask_each(work.db, purge_workspace_accesses, find)


@strawberry.type
class AccessQuery:
    """The root field that reads the log."""

    @query("scans:read")
    async def access_log(
        self, info: Info, scan_id: strawberry.ID, first: int = 20, after: str | None = None
    ) -> Page[Access] | None:
        """What one scan of the workspace touched, the last request first; kept for 400 days."""
        key = parse_uuid(scan_id, "Scan", field="scanId")
        (scan,) = await scans_by_id(info.context.db, ids=[key])
        if scan is None and await get_purged_scan(info.context.db, id=key) is None:  # the log is kept for longer
            raise AppError(ErrorCode.NOT_FOUND, "There is no such scan in this workspace.", field="scanId")
        return await page(page_access, info.context.db, first, after, scan_id=key)
