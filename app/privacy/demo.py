"""Demo data of the privacy product: half a year of weekly scans, with people and platforms changing settings.

Everything goes through the same functions as the API's mutations. It is deterministic for a given start, and every scan
has an idempotency key, so that a demo that was stopped half-way goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import strawberry

from app.kit.db import Db
from app.kit.graphql import global_id
from app.privacy.curated import activate_version
from app.privacy.failure import ReportScanFailureInput, report
from app.privacy.platform import get_platform_by_slug, lock_platform
from app.privacy.platform_config import insert_platform_config, list_platform_config
from app.privacy.platform_link import PlatformLink, get_link_by_label, link_account
from app.privacy.rhythm import ScanFailure, ScanFrequency, Weekday
from app.privacy.scan import AnyConfidence, RecordSnapshotInput, SettingValueInput, record
from app.privacy.schedule import ScheduleScansInput, choose
from app.privacy.snapshot import ScanMethod
from app.privacy.template import Template, TemplateSetting, list_template, settings_of
from app.privacy.template_analysis import find_subject, keep_by_rules, update_due_analyses

WEEKS = 26
NEW_TEMPLATE_WEEK = 15
"""From this week on platforms show the second version of their settings page, where the files have one."""

SELDOM_USED = "Old account"
"""Not scanned between a new config and the new template: it meets both at once, so differences may be technical."""

ACCOUNTS = {
    "ada@example.com": [
        ("google", "Personal"),
        ("linkedin", "Work"),
        ("linkedin", SELDOM_USED),
        ("openai", "Personal"),
    ],
    "ben@example.com": [("google", "Family"), ("facebook", "Personal"), ("anthropic", "Work")],
    "chiara@example.com": [
        ("facebook", "Personal"),
        ("linkedin", "Work"),
        ("openai", "Work"),
        ("anthropic", "Personal"),
    ],
}

SCHEDULES = {
    ("ada@example.com", "google", "Personal"): (ScanFrequency.DAILY, "07:30", None),
    ("ada@example.com", "linkedin", "Work"): (ScanFrequency.WEEKLY, "18:00", Weekday.FRIDAY),
    ("ben@example.com", "anthropic", "Work"): (ScanFrequency.MANUAL, None, None),
    ("chiara@example.com", "openai", "Work"): (ScanFrequency.DAILY, "22:15", None),
}
"""Chosen times; all other links are scanned once a week."""

FAILURES = {
    ("ada@example.com", "linkedin", SELDOM_USED): (ScanFailure.SIGNED_OUT, "redirected to the sign-in page"),
    ("ada@example.com", "openai", "Personal"): (ScanFailure.TRANSIENT, "net::ERR_TIMED_OUT"),
    ("ben@example.com", "facebook", "Personal"): (ScanFailure.LAYOUT_CHANGED, "3 of 24 selectors matched"),
}
"""What went wrong after the last scan: one link is disconnected, one waits for its next try, one for another config."""


async def load(people: dict[str, Db], owner: Db, end: datetime, progress: Callable[[], None]) -> None:
    """Scans of every demo person, week by week up to ``end``; ``people`` maps e-mail to a Db as that person."""
    slugs = sorted({slug for accounts in ACCOUNTS.values() for slug, _ in accounts})
    versions = {slug: await _versions(owner, slug) for slug in slugs}
    start = end - timedelta(weeks=WEEKS - 1)
    stories = [
        Story(
            people[email],
            await _link(people[email], slug, label, start),
            versions[slug],
            Random(f"{email}/{slug}/{label}"),  # noqa: S311 - a story, no secret
            idle_from=await _new_config(owner, slug, start) if label == SELDOM_USED else None,
        )
        for email, accounts in ACCOUNTS.items()
        for slug, label in accounts
    ]
    for week in range(WEEKS):
        if week in (0, NEW_TEMPLATE_WEEK):
            for found in versions.values():
                await _activate(owner, found[-1 if week else 0][0])
        for story in stories:
            await story.scan(week, start + timedelta(weeks=week))
            progress()
    for found in versions.values():
        await _analyze(owner, found[-1][0])
    for (email, slug, label), schedule in SCHEDULES.items():
        await _schedule(people[email], slug, label, *schedule, end)
    for (email, slug, label), failure in FAILURES.items():
        await _fail(people[email], slug, label, *failure, end)


def size() -> int:
    """How often ``load`` reports progress."""
    return WEEKS * sum(len(accounts) for accounts in ACCOUNTS.values())


Version = tuple[Template, list[TemplateSetting]]


async def _versions(db: Db, slug: str) -> list[Version]:
    """The templates of a platform, the oldest first, each with its settings."""
    platform = await get_platform_by_slug(db, slug=slug)
    assert platform is not None
    templates = sorted(await list_template(db, platform_id=platform.id), key=lambda t: t.version)
    settings = await settings_of(db, [t.id for t in templates])
    return [(template, settings[template.id]) for template in templates]


async def _new_config(db: Db, slug: str, start: datetime) -> datetime:
    """Since when a platform's newest config is valid: before the new template. Where it is not, it is published again."""
    platform = await get_platform_by_slug(db, slug=slug)
    assert platform is not None
    newest = (await list_platform_config(db, platform_id=platform.id))[0]
    if start < newest.valid_from < start + timedelta(weeks=NEW_TEMPLATE_WEEK - 1):
        return newest.valid_from
    valid_from = start + timedelta(weeks=NEW_TEMPLATE_WEEK - 5)
    async with db.transaction():
        await lock_platform(db, id=platform.id)
        await insert_platform_config(
            db,
            platform_id=platform.id,
            valid_from=valid_from,
            url_patterns=newest.url_patterns,
            selectors=newest.selectors,
            requests_per_minute=newest.requests_per_minute,
            cooldown_minutes=newest.cooldown_minutes,
        )
    return valid_from


async def _activate(db: Db, template: Template) -> None:
    async with db.transaction():
        await lock_platform(db, id=template.platform_id)
        await activate_version(db, template)


async def _analyze(db: Db, template: Template) -> None:
    """What a job would do, and a curator: the demo shows analyses from the beginning."""
    async with db.transaction():
        subject = await find_subject(db, template.id)
        assert subject is not None
        await keep_by_rules(db, template.id, subject, approve_after=timedelta())
        await update_due_analyses(db)


async def _link(db: Db, slug: str, label: str, start: datetime) -> PlatformLink:
    async with db.transaction():
        found = await get_link_by_label(db, slug=slug, label=label)
        return found or await link_account(db, platform_slug=slug, label=label, linked_at=start - timedelta(hours=12))


async def _schedule(
    db: Db, slug: str, label: str, frequency: ScanFrequency, at: str | None, weekday: Weekday | None, now: datetime
) -> None:
    link_id = strawberry.ID(await _id_of(db, slug, label))
    async with db.transaction():
        await choose(db, ScheduleScansInput(link_id=link_id, frequency=frequency, at=at, weekday=weekday), now)


async def _fail(db: Db, slug: str, label: str, failure: ScanFailure, detail: str, end: datetime) -> None:
    link_id = strawberry.ID(await _id_of(db, slug, label))
    given = ReportScanFailureInput(
        link_id=link_id,
        occurred_at=end,
        failure=failure,
        scan_method=ScanMethod.EXTENSION,
        idempotency_key=f"demo-failure-{link_id}",
        detail=detail,
    )
    async with db.transaction():
        await report(db, given, end)


async def _id_of(db: Db, slug: str, label: str) -> str:
    link = await get_link_by_label(db, slug=slug, label=label)
    assert link is not None
    return global_id("PlatformLink", str(link.id))


class Story:
    """One link's half year: what its settings are, week by week."""

    def __init__(
        self, db: Db, link: PlatformLink, versions: list[Version], random: Random, *, idle_from: datetime | None
    ) -> None:
        self.db, self.link, self.versions, self.random, self.idle_from = db, link, versions, random, idle_from
        self.settings = versions[0][1]
        self.values = {s.key: s.default_value for s in self.settings}
        for setting in self.random.sample(self.settings, 4):
            self.values[setting.key] = setting.recommended

    async def scan(self, week: int, captured_at: datetime) -> None:
        """Change what this week changes, and record what an extension would read."""
        if self.idle_from is not None and self.idle_from <= captured_at and week < NEW_TEMPLATE_WEEK:
            return
        if week == NEW_TEMPLATE_WEEK:
            self._follow(self.versions[-1][1])
        acted = self._act()
        unread = {s.key for s in self.random.sample(self.settings, 2)} if self.random.random() < 0.1 else set()
        template, settings = self.versions[-1 if week >= NEW_TEMPLATE_WEEK else 0]
        values = [
            SettingValueInput(
                key=s.key,
                value=None if s.key in unread else self.values[s.key],
                confidence=round(self.random.uniform(0.9, 1), 2),
                user_action=s.key in acted,
            )
            for s in settings
        ]
        given = RecordSnapshotInput(
            link_id=strawberry.ID(global_id("PlatformLink", str(self.link.id))),
            captured_at=captured_at + timedelta(minutes=self.random.randrange(600)) - timedelta(minutes=600),
            scan_method=ScanMethod.EXTENSION,
            template_hash=template.structure_hash.hex(),
            values=values,
            idempotency_key=f"demo-{self.link.id}-{week}",
        )
        async with self.db.transaction():
            await record(self.db, given, AnyConfidence())

    def _follow(self, settings: list[TemplateSetting]) -> None:
        """The platform shows another version: new settings come with their default, and a default may have flipped."""
        before = {s.key: s for s in self.settings}
        values = {}
        for setting in settings:
            old = before.get(setting.key)
            value = self.values.get(setting.key, setting.default_value)
            if old is not None and old.default_value != setting.default_value and value == old.default_value:
                value = setting.default_value
            if value not in setting.options and old is not None:
                value = setting.options[old.options.index(value)] if value in old.options[: len(setting.options)] else value
            values[setting.key] = value if value in setting.options else setting.default_value
        self.settings, self.values = settings, values

    def _act(self) -> set[str]:
        """Now and then the person changes a setting; mostly to what is recommended, and not always seen doing it."""
        if self.random.random() > 0.2:
            return set()
        setting = self.random.choice(self.settings)
        value = setting.recommended if self.random.random() < 0.7 else self.random.choice(setting.options)
        if value == self.values[setting.key]:
            return set()
        self.values[setting.key] = value
        return {setting.key} if self.random.random() < 0.5 else set()
