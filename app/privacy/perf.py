"""Perf: made-up people in any number, to measure with: ``fivefold seed perf N``.

One in a hundred has twenty links with a year's monthly scans, the others three with two. Rows are written in bulk, by the
operator; they are audited like all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from uuid import UUID

from app.kit.db import Db
from app.kit.sql import File
from app.privacy import risk
from app.privacy.platform import page_platform
from app.privacy.snapshot import new_id
from app.privacy.template import TemplateSetting, active_templates_by_platform, settings_of
from app.privacy.values import pack, unpack

CHUNK = 500
AT_ONCE = 2
"""Connections that write."""
BUSY_EACH = 100
BUSY_LINKS, BUSY_SCANS = 20, 12
LINKS, SCANS = 3, 2
VARIANTS = 40


@dataclass(frozen=True)
class PerfAccount:
    """One that was made."""

    account_id: UUID
    workspace_id: UUID


@dataclass(frozen=True)
class PerfCount:
    """How many there are."""

    people: int


@dataclass(frozen=True)
class Made:
    """How many were made, and the e-mails of the first and the last."""

    count: int
    first: str
    last: str


sql = File("privacy/perf")
get_perf_count = sql.one("get_perf_count", PerfCount)
insert_perf_accounts = sql.many("insert_perf_accounts", PerfAccount)
insert_perf_links = sql.exec("insert_perf_links")


@dataclass(frozen=True)
class Variant:
    """A way in which people set a platform."""

    packed: bytes
    risk_score: int | None


@dataclass(frozen=True)
class Page:
    """A platform with its settings, ways to set them, and one setting that differs from scan to scan."""

    platform_id: UUID
    template_id: UUID
    flips: TemplateSetting
    variants: Sequence[Variant]


async def load(dbs: Sequence[Db], count: int, issuer: str, step: Callable[[], None]) -> Made:
    """Make ``count`` people more, over all connections at once; ``step`` is called after each of ``size(count)`` chunks."""
    found = await get_perf_count(dbs[0])
    assert found is not None  # a count always has a row
    first = found.people + 1
    pages = await _pages(dbs[0])
    now = datetime.now(UTC).replace(microsecond=0)
    begins = iter(range(first, first + count, CHUNK))

    async def work(db: Db) -> None:
        for begin in begins:
            numbers = list(range(begin, min(begin + CHUNK, first + count)))
            random = Random(begin)  # noqa: S311 - data, no secret
            async with db.transaction():
                accounts = await insert_perf_accounts(db, numbers=numbers, issuer=issuer)
                await _load_links(db, list(zip(numbers, accounts, strict=True)), pages, random, now)
            step()

    async with asyncio.TaskGroup() as tasks:
        for db in dbs:
            tasks.create_task(work(db))
    return Made(count, email(first), email(first + count - 1))


def email(number: int) -> str:
    """Of the person of that number."""
    return f"perf-{number}@example.invalid"


def size(count: int) -> int:
    """How many steps that takes."""
    return -(-count // CHUNK)


async def _pages(db: Db) -> list[Page]:
    random = Random(1)  # noqa: S311 - data, no secret
    platforms = await page_platform.rows(db, after_slug="", limit=100)
    templates = await active_templates_by_platform(db, platform_ids=[platform.id for platform in platforms])
    pages = []
    for platform, template in zip(platforms, templates, strict=True):
        if template is None:
            continue
        settings = (await settings_of(db, [template.id]))[template.id]
        pages.append(Page(platform.id, template.id, settings[0], [_variant(settings, random) for _ in range(VARIANTS)]))
    return pages


def _variant(settings: Sequence[TemplateSetting], random: Random) -> Variant:
    """A fifth of the settings is not as the platform sets them."""
    values = {s.key: random.choice(s.options) if random.random() < 0.2 else s.default_value for s in settings}
    packed, _ = pack(settings, values)
    return Variant(packed, risk.assess(settings, unpack(settings, packed, None)).score)


async def _load_links(
    db: Db, accounts: Sequence[tuple[int, PerfAccount]], pages: Sequence[Page], random: Random, now: datetime
) -> None:
    links: list[tuple[object, ...]] = []
    snapshots: list[tuple[object, ...]] = []
    changes: list[tuple[object, ...]] = []
    for number, account in accounts:
        most, scans = (BUSY_LINKS, BUSY_SCANS) if number % BUSY_EACH == 0 else (LINKS, SCANS)
        workspace_id = account.workspace_id
        for label, page in list(product(range(1, 5), pages))[:most]:
            link_id = new_id(now)
            for scan in range(scans):
                moment = now - timedelta(days=30 * (scans - 1 - scan), seconds=random.randrange(86_400))
                variant = random.choice(page.variants)
                id_ = new_id(moment)
                snapshots.append((workspace_id, id_, link_id, page.template_id, moment, variant.risk_score, variant.packed))
                if scan:
                    old, new = random.sample(page.flips.options, 2)
                    changes.append((workspace_id, id_, page.flips.key, old, new))
            links.append((workspace_id, link_id, account.account_id, page.platform_id, f"Account {label}", id_, moment))
    workspace_ids, ids, account_ids, platform_ids, labels, latest_snapshot_ids, seen_until = zip(*links, strict=True)
    scanned_workspace_ids, snapshot_ids, link_ids, template_ids, moments, risk_scores, packed = zip(*snapshots, strict=True)
    changed_workspace_ids, changed_snapshot_ids, settings, old_values, new_values = zip(*changes, strict=True)
    await insert_perf_links(
        db,
        linked_at=now,
        risk_formula=risk.FORMULA,
        workspace_ids=workspace_ids,
        ids=ids,
        account_ids=account_ids,
        platform_ids=platform_ids,
        labels=labels,
        latest_snapshot_ids=latest_snapshot_ids,
        seen_until=seen_until,
        scanned_workspace_ids=scanned_workspace_ids,
        snapshot_ids=snapshot_ids,
        link_ids=link_ids,
        template_ids=template_ids,
        moments=moments,
        risk_scores=risk_scores,
        packed=packed,
        changed_workspace_ids=changed_workspace_ids,
        changed_snapshot_ids=changed_snapshot_ids,
        settings=settings,
        old_values=old_values,
        new_values=new_values,
    )
