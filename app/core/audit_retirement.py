"""Audit retirement: events are kept for so many months; then their month goes as a whole, and its seals stay.

A month goes only when every event in it is as it was sealed: what was altered is evidence. That it went is an event itself,
whose leaf names the month; verification takes missing events for retired only where that leaf is sealed, or waits to be.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from app.core.audit_block import find_sealed, get_last_audit_block, leaf_bytes, list_pages, read_leaf, time_of
from app.core.audit_proof import get_any_event
from app.core.upkeep import Nothing
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.jobs import Work, job
from app.kit.log import log
from app.kit.merkle import leaf_hash
from app.kit.sql import File

SHORTEST = timedelta(days=89)
"""Three months, as the database counts them, are no fewer days."""
ATTEMPTS = 20
"""To get the lock that a drop takes, half a second each, so that no mutation waits for longer."""


class RetirementSettings(Protocol):
    """What it needs of app/settings.py."""

    audit_months: int


@dataclass(frozen=True)
class Month:
    """A month that is there, by its first day and the ids of its events."""

    month: str
    begins: UUID
    ends: UUID


@dataclass(frozen=True)
class Retirement:
    """A month that is gone, and the event that says so as it is sealed."""

    begins: UUID
    ends: UUID
    event_id: UUID
    leaf: bytes


sql = File("core/audit_retirement")
delete_retired_detail = sql.exec("delete_retired_detail")
list_audit_retirement = sql.many("list_audit_retirement", Retirement)
list_retirable_month = sql.many("list_retirable_month", Month)
retire_audit_month = sql.exec("retire_audit_month")


async def retire(db: Db, months: int) -> list[str]:
    """Retire what is older than so many months: the first days of the months that went. What was altered stays, and is told."""
    done = []
    for month in await list_retirable_month(db, months=months):
        events = await _compare(db, month)
        if events is None:
            log.error("audit month is not as it was sealed, so it stays: run `fivefold audit verify`", month=month.month)
            continue
        await _drop(db, month, events)
        done.append(month.month)
    for retirement in await list_audit_retirement(db):  # those of a run that was cut off, too
        async with db.transaction():
            await delete_retired_detail(db, begins=retirement.begins, ends=retirement.ends)
    return done


async def _compare(db: Db, month: Month) -> int | None:
    """How many events the month has; None when one is not sealed, or not as it was sealed."""
    last, count = await get_last_audit_block(db), 0
    async for page in list_pages(db, month.begins, UUID(int=month.ends.int - 1)):
        sealed = await find_sealed(db, last.era, page) if last else {}
        if any(sealed.get(event.id.bytes) != leaf_hash(leaf_bytes(event)) for event in page):
            return None
        count += len(page)
    return count


async def _drop(db: Db, month: Month, events: int) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with db.transaction():
                await retire_audit_month(db, month=month.month, events=events)
        except AppError as error:
            if error.code is not ErrorCode.TIMED_OUT or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(0.5)
        else:
            log.info("audit month retired", month=month.month, events=events)
            return


async def find_retired(db: Db) -> tuple[list[tuple[bytes, bytes]], list[UUID]]:
    """Months that were retired by the seals' own word, as (begin, end) of ids; and events of those that only it names."""
    true, forged = [], []
    last = await get_last_audit_block(db)
    for retirement in await list_audit_retirement(db):
        try:
            event = read_leaf(retirement.leaf)
        except (ValueError, OverflowError):
            event = None
        held = False
        if event is not None and event.id == retirement.event_id:
            sealed = await find_sealed(db, last.era, [event]) if last else {}
            held = sealed.get(event.id.bytes) == leaf_hash(retirement.leaf)
            if event.id.bytes not in sealed:  # it waits to be
                row = await get_any_event(db, id=event.id)
                held = row is not None and leaf_bytes(row) == retirement.leaf
        if (
            event is not None
            and held
            and (event.action, event.object, event.object_id) == ("RETIRE", "core.audit_event", retirement.begins)
            and time_of(event.id) - time_of(retirement.ends) >= SHORTEST
            and timedelta(days=27) < time_of(retirement.ends) - time_of(retirement.begins) < timedelta(days=32)
        ):
            true.append((retirement.begins.bytes, retirement.ends.bytes))
        else:
            forged.append(retirement.event_id)
    return true, forged


@job("core.retire_audit", Nothing, cron="47 3 * * *")
async def retire_audit(work: Work, payload: Nothing) -> None:
    """Every night."""
    settings: RetirementSettings = work.settings
    await retire(work.db, settings.audit_months)
