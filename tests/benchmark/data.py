"""The data of the benchmark: one person with 20 links, each with a snapshot of 30 settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import strawberry

from app.core.account import create_account, get_account_by_email
from app.kit import bootstrap, migrate
from app.kit.db import Db, open_as
from app.kit.graphql import global_id
from app.kit.token import KeyRing, create_key
from app.privacy.curated import CuratedPlatform, load_platform
from app.privacy.platform_link import link_account
from app.privacy.scan import AnyConfidence, RecordSnapshotInput, SettingValueInput, record
from app.privacy.snapshot import ScanMethod
from app.privacy.template import structure_hash
from app.seed import as_person

PLATFORMS, LINKS_EACH, SETTINGS = 4, 5, 30
EMAIL = "bench@example.com"

LIGHT = """
query Light {
  privacyDashboard {
    overallScore
    coverage
    links(first: 20) {
      edges {
        node {
          id label status
          platform { id slug name }
          latestSnapshot { id riskScore completionRate confidence capturedAt }
        }
      }
    }
  }
}
"""
FULL = LIGHT.replace("Light", "Full").replace(
    "capturedAt }", "capturedAt settings { key label category value observed recommended risk } }"
)


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


async def prepare(url: str, key: Path) -> str:
    """Make the database and its data. Returns a token."""
    bootstrap.run(url)
    migrate.up(url)
    if not key.exists():
        create_key(key)
    platforms = [platform(number) for number in range(PLATFORMS)]
    async with open_as(url, "fivefold_owner") as (pool, owner):
        account = await get_account_by_email(owner, email=EMAIL)
        if account is None:
            for one in platforms:
                async with owner.transaction():
                    await load_platform(owner, one)
            account = await create_account(owner, email=EMAIL, display_name="Bench")
            person = await as_person(pool, owner, account)
            for one in platforms:
                for label in range(LINKS_EACH):
                    await _record(person, one, f"Account {label}")
            await person.close()
        return KeyRing([key]).sign(str(account.id), lifetime=timedelta(days=1))


async def _record(person: Db, one: CuratedPlatform, label: str) -> None:
    random = Random(f"{one.slug}/{label}")  # noqa: S311 - data, no secret
    settings = one.template[0].setting
    async with person.transaction():
        link = await link_account(person, platform_slug=one.slug, label=label)
    given = RecordSnapshotInput(
        link_id=strawberry.ID(global_id("PlatformLink", str(link.id))),
        captured_at=datetime.now(UTC),
        scan_method=ScanMethod.EXTENSION,
        template_hash=structure_hash((s.key, s.type, s.options) for s in settings).hex(),
        values=[SettingValueInput(key=s.key, value=random.choice(s.options)) for s in settings],
        idempotency_key=f"bench-{link.id}",
    )
    async with person.transaction():
        await record(person, given, AnyConfidence())
