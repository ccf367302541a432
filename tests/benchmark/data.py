"""The data of the benchmark: one person with a dashboard, one with long lists, and any number of others beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg

from app import seed
from app.core.account import create_account, get_account_by_email
from app.core.workspace import get_personal_workspace
from app.kit import bootstrap, migrate
from app.kit.db import open_as
from app.kit.graphql import global_id
from app.kit.page import encode_cursor
from app.kit.token import KeyRing, create_key
from app.privacy import risk
from app.privacy.curated import CuratedPlatform, load_platform
from app.privacy.snapshot import new_id
from app.privacy.template import settings_of
from app.privacy.values import pack, unpack
from tests.benchmark import crowd

PLATFORMS, SETTINGS = 4, 30
LINKS, SCANS, CHANGES = 20, 3, 2
LISTED, DEPTH = 280, 1_100
EMAIL, LISTER = "bench@example.com", "lister@example.com"


@dataclass(frozen=True)
class World:
    """What the workloads need to know: tokens of two people, and global ids. ``page_50`` is the cursor before that page."""

    token: str
    workspace: str
    lister: str
    listers_workspace: str
    link: str
    deep_link: str
    page_50: str


def platform(number: int) -> CuratedPlatform:
    """A platform with a template of 30 toggles."""
    settings = [
        {
            "key": f"setting_{n}",
            "label": f"Setting number {n} of platform {number}",
            "description": "A setting.",
            "category": "activity",
            "type": "toggle",
            "options": ["on", "off"],
            "default": "on",
            "recommended": "off",
            "risk": n + 1,
            "direct_link": f"https://bench{number}.example/{n}",
        }
        for n in range(SETTINGS)
    ]
    return CuratedPlatform.model_validate(
        {
            "slug": f"bench-{number}",
            "name": f"Bench {number}",
            "domain": f"bench{number}.example",
            "website_url": f"https://bench{number}.example",
            "privacy_url": f"https://bench{number}.example/privacy",
            "config": [
                {
                    "version": 1,
                    "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
                    "url_patterns": [f"https://bench{number}.example/*"],
                    "selectors": {"setting_0": "#setting"},
                }
            ],
            "template": [{"version": 1, "summary": "Thirty toggles.", "setting": settings}],
        }
    )


async def prepare(url: str, key: Path, accounts: int = 0) -> World:
    """Make the database and its data where they are missing, with so many other people beside."""
    bootstrap.run(url)
    migrate.up(url)
    if not key.exists():
        create_key(key)
    admin = await asyncpg.connect(url)
    try:
        ids = [await _person(url, admin, LINKS, lambda _: SCANS, EMAIL)]
        ids.append(await _person(url, admin, LISTED, lambda number: DEPTH if number == LISTED - 1 else 1, LISTER))
        there = await admin.fetchval("SELECT count(*) FROM core.account WHERE email LIKE 'perf-%'")
        if accounts and not there:
            await crowd.fill(url, accounts)
        elif there < accounts:
            await seed.load_perf(url, accounts - there, seed.Progress(lambda total: None, lambda: None))
        await admin.execute("VACUUM (ANALYZE)")  # as autovacuum would have done by and by
        workspace, listers = [await admin.fetchval(WORKSPACE, id_) for id_ in ids]
        link, deep_link = [await admin.fetchval(FIRST_LINK, id_) for id_ in ids]
        page_50 = encode_cursor(["Snapshot", await admin.fetchval(LAST_OF_PAGE_49, deep_link)])
    finally:
        await admin.close()
    token, lister = [KeyRing([key]).sign(str(id_), lifetime=timedelta(days=1)) for id_ in ids]
    return World(token, str(workspace), lister, str(listers), _global(link), _global(deep_link), page_50)


WORKSPACE = "SELECT w.id FROM core.workspace AS w WHERE w.personal_account_id = $1"
FIRST_LINK = "SELECT l.id FROM privacy.platform_link AS l WHERE l.account_id = $1 ORDER BY l.id LIMIT 1"
LAST_OF_PAGE_49 = "SELECT s.id FROM privacy.snapshot AS s WHERE s.link_id = $1 ORDER BY s.id DESC LIMIT 1 OFFSET 979"
LATEST = """
UPDATE privacy.platform_link AS l SET latest_snapshot_id = s.id, seen_until = s.captured_at
FROM (
    SELECT DISTINCT ON (n.link_id) n.* FROM privacy.snapshot AS n WHERE n.workspace_id = $1 ORDER BY n.link_id, n.id DESC
) AS s
WHERE l.workspace_id = s.workspace_id AND l.id = s.link_id
"""


def _global(id_: UUID) -> str:
    return global_id("PlatformLink", str(id_))


async def _person(url: str, admin: asyncpg.Connection, count: int, scans: Callable[[int], int], email: str) -> UUID:
    """Someone with so many links, and of each so many scans, every one with two changes. Rows are copied, and audited."""
    async with open_as(url, "fivefold_owner") as (_, owner):
        account = await get_account_by_email(owner, email=email)
        if account is not None:
            return account.id
        for number in range(PLATFORMS):
            async with owner.transaction():
                await load_platform(owner, platform(number))
        account = await create_account(owner, email=email, display_name="Bench")
        workspace = await get_personal_workspace(owner, personal_account_id=account.id)
        templates = await admin.fetch(
            "SELECT t.id, t.platform_id FROM privacy.template AS t JOIN privacy.platform AS p ON p.id = t.platform_id"
            " WHERE p.slug LIKE 'bench-%' ORDER BY p.slug"
        )
        settings = await settings_of(owner, [template["id"] for template in templates])
    assert workspace is not None
    random, now = Random(email), datetime.now(UTC).replace(microsecond=0)  # noqa: S311 - data, no secret
    links, snapshots, changes = [], [], []
    for number in range(count):
        template = templates[number % len(templates)]
        of_page, link_id = settings[template["id"]], new_id(now - timedelta(minutes=number))
        links.append((workspace.id, link_id, account.id, template["platform_id"], f"Account {number}", now, "WEEKLY"))
        for scan in range(scans(number)):
            moment = now - timedelta(days=1, hours=scan, seconds=number)
            packed, _ = pack(of_page, {setting.key: random.choice(setting.options) for setting in of_page})
            score = risk.assess(of_page, unpack(of_page, packed, None)).score
            id_ = new_id(moment)
            row = (workspace.id, id_, link_id, template["id"], moment, 1, 1, score, risk.FORMULA, 1.0, packed)
            snapshots.append(row)
            for setting in of_page[:CHANGES]:
                changes.append((workspace.id, id_, setting.key, "on", "off", "USER", "VALUE", 0.8))
    async with admin.transaction():
        for table, rows, columns in (
            ("platform_link", links, "workspace_id id account_id platform_id label linked_at frequency"),
            ("snapshot", snapshots, SNAPSHOT),
            ("change", changes, "workspace_id snapshot_id setting old_value new_value origin significance confidence"),
        ):
            await admin.copy_records_to_table(table, schema_name="privacy", records=rows, columns=columns.split())
        await admin.execute(LATEST, workspace.id)
    return account.id


SNAPSHOT = (
    "workspace_id id link_id template_id captured_at scan_method config_version risk_score risk_formula confidence packed"
)
