"""The flow of scans: how workers take what waits, fetch it, judge it and end it, many at once.

One job at a time does all that waits in a workspace. It takes scans as it has room, fetches them together, and writes what came
of them in one transaction for as many as have come: states, how accesses went, credits and what listeners are told commit
together. What is about to be touched is written before it is (app/scans/access.py). Taking, touching and ending have a
connection each, so that none waits for another. A scan is written by the version that was taken, so whoever lost it writes
nothing.

A worker that dies leaves its scans with a lease. The same job, which the queue gives to another worker, takes them at once; any
other does when the lease is over. What was taken ten times in vain fails, what is over its time is timed out: both give the
credit back.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel

from app.core.data_key import VaultSettings, derive_key, unseal_all
from app.core.upkeep import Nothing
from app.core.wallet import release_all, settle_all
from app.kit.errors import AppError
from app.kit.jobs import Work, enqueue, enqueue_many, job
from app.kit.log import log
from app.kit.pool import Lost
from app.kit.sql import File
from app.scans.access import Ahead, record_all_accesses
from app.scans.fetch import FetchLimits, observe
from app.scans.judgement import Engines, Judgement, JudgeSettings, Verdict, engines_of, judge
from app.scans.judges import JudgesSettings, TooHard, judges_of
from app.scans.network import NetworkSettings, networks_of
from app.scans.observation import FetchFailure, Observation
from app.scans.scan import TABLE, URL_KEY, ScanState, consented
from app.scans.scan_result import Outcome, record_results
from app.scans.url import Url, parse_url

PATIENCE = timedelta(seconds=180)
"""A scan that has begun ends within that time, whatever becomes of its workers."""
LEASE = timedelta(seconds=120)
JUDGING_SECONDS = 20.0
"""Longest time from a page that was fetched to its judgement."""
MOST_ATTEMPTS = 10
TURN_SECONDS = 10.0
"""A job takes no more after that, so that a worker that is to stop comes to an end; another job goes on."""
GATHER_SECONDS = 0.05
"""So long what has come waits for more, to be written together."""
MOST_TOGETHER = 128
"""No longer than until so many have come."""
MOST_OVERDUE = 500
MOST_WORKSPACES = 1000


class ScanSettings(VaultSettings, JudgeSettings, JudgesSettings, NetworkSettings, Protocol):
    """What the operator says of scans, see app/settings.py."""

    scan_loopback: bool
    scan_seconds: float
    scan_at_once: int


class Tenant(BaseModel, frozen=True):
    """The workspace whose scans are run."""

    workspace_id: UUID


@dataclass(frozen=True)
class Taken:
    """A scan that is this worker's until its lease is over."""

    id: UUID
    state: ScanState
    version: int
    url_sealed: bytes


@dataclass(frozen=True)
class Moved:
    """A scan, as it stands after a step."""

    id: UUID
    reservation_id: UUID
    state: ScanState
    version: int


@dataclass(frozen=True)
class Neglected:
    """A workspace in which something waits for too long."""

    workspace_id: UUID


sql = File("scans/flow")
begin_analysis = sql.many("begin_analysis", Moved)
end_scan = sql.many("end_scan", Moved)
expire_scan = sql.many("expire_scan", Moved)
take_scan = sql.many("take_scan", Taken)
update_lease = sql.exec("update_lease")
list_neglected = File("scans/across").many("list_neglected", Neglected)


@job("scans.run", Tenant)
async def run_scans(work: Work, payload: Tenant) -> None:
    """All that waits in a workspace, for a while; then another job goes on."""
    await work.take_over(run_scans, str(payload.workspace_id))
    async with work.db.transaction():
        await update_lease(work.db, job_id=work.job_id)
        overdue = await expire_scan(work.db, most_attempts=MOST_ATTEMPTS, limit=MOST_OVERDUE)
        await release_all(work.db, [each.reservation_id for each in overdue])
    if await _Flow(work).run():
        async with work.db.transaction():
            await enqueue(work.db, run_scans, payload, dedupe=str(payload.workspace_id))


@job("scans.find_neglected", Nothing, cron="* * * * *")
async def find_neglected(work: Work, payload: Nothing) -> None:
    """Every minute: where scans are overdue, or wait and no job seems to be about. A look that was missed is made up for."""
    found = await list_neglected(work.db, limit=MOST_WORKSPACES)
    async with work.db.transaction():
        asked = [(Tenant(workspace_id=each.workspace_id), str(each.workspace_id)) for each in found]
        await enqueue_many(work.db, run_scans, asked)


@dataclass(eq=False)
class _Scan:
    """A scan under way: what was seen of it, and what it came to."""

    id: UUID
    state: ScanState
    version: int
    url: str
    parsed: Url | None = None
    """Held while the scan is under way, so that all who ask for it read it once."""
    observation: Observation | None = None
    judgement: Judgement | None = None
    failure: str | None = None
    """Why it ends without a judgement."""
    logged: bool = False

    @property
    def end(self) -> ScanState | None:
        """In which state it is to end; None while it is under way."""
        if self.failure is not None:
            return ScanState.TIMED_OUT if self.failure == FetchFailure.TIMED_OUT.name else ScanState.FAILED
        return ScanState.COMPLETED if self.judgement is not None else None


class _Flow:
    """The scans of one job's run."""

    def __init__(self, work: Work) -> None:
        settings: ScanSettings = work.settings
        self._work, self._db, self._settings = work, work.db, settings
        self._taker = work.db.beside()
        self._engines: Engines = replace(engines_of(settings), elsewhere=judges_of(settings))
        self._networks = networks_of(settings)
        self._limits = FetchLimits(seconds=settings.scan_seconds)
        self._most = settings.scan_at_once
        self._waiting: deque[_Scan] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._fetching = 0
        self._taking: asyncio.Task[None] | None = None
        self._come: dict[_Scan, None] = {}
        self._news = asyncio.Event()
        self._full = False
        self._lost: Lost | None = None
        self._key = b""
        self._ahead: Ahead | None = None
        self._consented: set[UUID] = set()

    async def run(self) -> bool:
        """Until nothing waits, or the turn is over; whether more may wait then. Raises Lost where the database is."""
        until = monotonic() + TURN_SECONDS
        await self._db.pause()
        if self._networks.is_due(monotonic()):
            await asyncio.to_thread(self._networks.refresh, monotonic())
        try:
            await self._take(2 * self._most)
            while self._running or self._come or self._taking:
                await self._gather()
                taking = self._taking
                if taking is not None and taking.done():
                    self._taking = None
                    taking.result()
                # What is fetched next is here before it is begun, so that nothing stands still while the database is asked.
                if self._full and self._taking is None and len(self._waiting) <= self._most and monotonic() < until:
                    self._taking = asyncio.create_task(self._take(2 * self._most - len(self._waiting)))
                    self._taking.add_done_callback(lambda _: self._news.set())
                await self._keep()
            if self._lost is not None:
                raise self._lost
            return self._full
        finally:
            under_way = [*self._running, *([self._taking] if self._taking else [])]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            if self._ahead is not None:
                await self._ahead.close()
            await self._taker.close()
            urllib.parse.clear_cache()  # type: ignore[attr-defined]  # the library remembers the last addresses that it has taken apart

    async def _take(self, room: int) -> None:
        """As many as there is room for."""
        db = self._taker
        try:
            async with db.transaction():
                taken = await take_scan(
                    db,
                    job_id=self._work.job_id,
                    most_attempts=MOST_ATTEMPTS,
                    patience=PATIENCE,
                    lease=LEASE,
                    limit=room,
                )
                sealed = [(each.id, each.url_sealed) for each in taken]
                if taken and self._ahead is None:
                    self._key = await derive_key(db, self._settings, URL_KEY)
                    self._ahead = Ahead(db.beside(), self._key, trial=self._settings.scan_loopback, networks=self._networks)
                urls = await unseal_all(db, self._settings, TABLE, "url_sealed", sealed)
                if taken and self._engines.ask_others:
                    self._consented |= await consented(db, [each.id for each in taken])
        finally:
            await db.pause()
        self._full = len(taken) == room
        self._waiting.extend(
            _Scan(each.id, ScanState(each.state), each.version, (url or b"").decode())
            for each, url in zip(taken, urls, strict=True)
        )
        self._begin()

    def _begin(self) -> None:
        """What is fetched has a place until it was; what is judged still does not keep others from being fetched."""
        while self._waiting and self._fetching < self._most and len(self._running) < 2 * self._most:
            task = asyncio.create_task(self._scan(self._waiting.popleft()))
            self._fetching += 1
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._begin()
        self._news.set()

    async def _scan(self, scan: _Scan) -> None:
        """Fetch and judge. Whatever goes wrong is an end of the scan, not of the job."""
        try:
            async with asyncio.timeout(self._settings.scan_seconds + JUDGING_SECONDS):
                await self._fetch(scan)
                if scan.failure is None and scan.observation is not None:
                    await self._judge(scan, scan.observation)
        except Lost as error:
            self._lost = error
            return
        except TimeoutError:
            scan.failure = FetchFailure.TIMED_OUT.name
        except TooHard:
            scan.failure = "PAGE_TOO_HARD"
        except Exception as error:  # noqa: BLE001 - what a page makes of an engine must not end the scans beside it
            log.error("scan failed", scan_id=str(scan.id), error=type(error).__name__)
            scan.failure = "INTERNAL"
        self._tell(scan)

    async def _judge(self, scan: _Scan, seen: Observation) -> None:
        """What was not fetched whole fails, unless what is known without it is enough to warn of it."""
        if seen.failure is None:
            self._tell(scan)
        judgement = await judge(parse_url(scan.url), seen, self._engines, scan.id in self._consented)
        if seen.failure is None or judgement.verdict in (Verdict.SUSPICIOUS, Verdict.MALICIOUS):
            scan.judgement = judgement
        else:
            scan.failure = seen.failure.name

    async def _fetch(self, scan: _Scan) -> None:
        assert self._ahead is not None
        try:
            if not scan.url:
                scan.failure = "SEALED"
                return
            with suppress(AppError):  # whoever reads it next says so
                scan.parsed = parse_url(scan.url)
            scan.observation = await observe(
                scan.url,
                self._limits,
                loopback=self._settings.scan_loopback,
                before=partial(self._ahead.note, scan.id),
            )
        finally:
            self._fetching -= 1
            self._begin()

    def _tell(self, scan: _Scan) -> None:
        self._come[scan] = None
        self._news.set()

    async def _gather(self) -> None:
        """Wait until something has come, and a moment longer for more. Raises Lost."""
        until: float | None = None
        while (self._running or self._taking) and len(self._come) < MOST_TOGETHER:
            if self._lost is not None:
                raise self._lost
            if self._come:
                until = until or monotonic() + GATHER_SECONDS
                if monotonic() >= until:
                    return
            if self._taking is not None and self._taking.done():
                return
            self._news.clear()
            try:
                async with asyncio.timeout(None if until is None else until - monotonic()):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _keep(self) -> None:
        """Write what has come, in one transaction; if that fails, each in its own, so that one keeps no other from its end."""
        come, self._come = list(self._come), {}
        if not come:
            return
        try:
            await self._write(come)
        except Lost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a row is refused for
            log.error("scans cannot be written together", scans=len(come), error=type(error).__name__)
            for scan in come:
                await self._write_alone(scan)

    async def _write_alone(self, scan: _Scan) -> None:
        try:
            await self._write([scan])
        except Lost:
            raise
        except Exception as error:  # noqa: BLE001 - it ends without what cannot be written
            log.error("scan cannot be written", scan_id=str(scan.id), error=type(error).__name__)
            scan.failure = "INTERNAL"
            await self._write([scan])

    async def _write(self, come: Sequence[_Scan]) -> None:
        fresh = [scan for scan in come if scan.observation is not None and not scan.logged]
        try:
            async with self._db.transaction():
                # What was touched is told, also of scans that somebody else has ended meanwhile.
                seen = [(scan.id, scan.observation) for scan in fresh if scan.observation is not None]
                await record_all_accesses(self._db, seen, self._key, self._networks)
                versions = await self._begin_analysis(come)
                await self._end([scan for scan in come if scan.end is not None and scan.id in versions], versions)
        finally:
            await self._db.pause()
        for scan in fresh:
            scan.logged = True
        for scan in come:
            if versions.get(scan.id, scan.version) != scan.version:
                scan.state, scan.version = ScanState.ANALYZING, versions[scan.id]

    async def _begin_analysis(self, come: Sequence[_Scan]) -> dict[UUID, int]:
        """The versions of those that are this worker's still, with what was fetched on its way."""
        fetched = {
            scan.id: scan.version
            for scan in come
            if scan.state is ScanState.FETCHING and scan.observation is not None and scan.failure is None
        }
        versions = {scan.id: scan.version for scan in come if scan.id not in fetched}
        if fetched:
            moved = await begin_analysis(self._db, ids=list(fetched), versions=list(fetched.values()))
            versions |= {each.id: each.version for each in moved}
        return versions

    async def _end(self, ending: Sequence[_Scan], versions: dict[UUID, int]) -> None:
        if not ending:
            return
        ended = await end_scan(
            self._db,
            ids=[scan.id for scan in ending],
            versions=[versions[scan.id] for scan in ending],
            states=[scan.end.value for scan in ending if scan.end is not None],
            failures=[scan.failure for scan in ending],
        )
        done = {each.id for each in ended if each.state is ScanState.COMPLETED}
        await settle_all(self._db, [each.reservation_id for each in ended if each.id in done])
        await release_all(self._db, [each.reservation_id for each in ended if each.id not in done])
        await record_results(
            self._db,
            [
                Outcome(scan.id, scan.observation, scan.judgement)
                for scan in ending
                if scan.id in done and scan.observation is not None and scan.judgement is not None
            ],
        )
