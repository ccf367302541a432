"""Seeds: the curated files for every installation, and the demo's people for trying it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from app.core.account import Account, create_account, get_account_by_email, make_account
from app.core.curator import insert_curator
from app.core.plan import update_plan
from app.core.wallet import buy
from app.core.workspace import get_personal_workspace
from app.kit.context import OPERATOR, Actor
from app.kit.db import Db, open_as
from app.kit.errors import SetupError
from app.kit.pool import Pool
from app.kit.token import ISSUER
from app.privacy import curated
from app.privacy import demo as privacy_demo
from app.privacy import perf as privacy_perf
from app.scans import demo as scans_demo
from app.settings import Settings

CREDITS = 200
"""What each of the demo's people may spend."""
CURATOR = ("curator@example.com", "Charlie Curator", "en-GB", "Europe/London")
PEOPLE = [
    ("ada@example.com", "Ada Lindqvist", "sv-SE", "Europe/Stockholm", "premium"),
    ("ben@example.com", "Ben Okafor", "en-US", "America/New_York", "pro"),
    ("chiara@example.com", "Chiara Conti", "it-IT", "Europe/Rome", "pro"),
]


@dataclass(frozen=True)
class Progress:
    """Where long work reports: ``total`` once, then ``step`` as often."""

    total: Callable[[int], None]
    step: Callable[[], None]


async def load_curated(url: str) -> list[str]:
    """Load the curated files, as an administrator. Returns a line for each thing that was new."""
    async with open_as(url, "fivefold_owner") as (_, db):
        return await curated.load(db)


async def load_demo(url: str, progress: Progress, settings: Settings | None = None) -> list[str]:
    """The curated files and the demo's people with half a year of scans. Again: goes on where it was, or does nothing.

    Scans of URLs are sealed, so they are there only with ``settings`` that name keys of the vault.
    """
    async with open_as(url, "fivefold_owner") as (pool, db):
        lines = await curated.load(db)
        if await get_account_by_email(db, email=CURATOR[0]) is not None:
            return [*lines, "the demo's people are there"]
        accounts = [await _person(db, *person) for *person, _ in PEOPLE]
        progress.total(privacy_demo.size())
        for account, (*_, plan) in zip(accounts, PEOPLE, strict=True):
            async with db.transaction():
                await update_plan(db, personal_account_id=account.id, plan=plan)
        people = {account.email: await as_person(pool, db, account) for account in accounts}
        # Counted from when the first of them was made, so that an interrupted seed comes to the same scans again.
        end = accounts[0].created_at.replace(minute=0, second=0, microsecond=0)
        try:
            for person in people.values():
                async with person.transaction():
                    await buy(person, CREDITS, key="demo")
            await privacy_demo.load(people, db, end, progress.step)
            if settings is not None and settings.vault_keys:
                await scans_demo.load(people, settings, end)
        finally:
            for person in people.values():
                await person.close()
        async with db.transaction():  # last, and at once: the curator says that the rest is complete
            email, display_name, locale, time_zone = CURATOR
            curator = await make_account(
                db,
                email=email,
                display_name=display_name,
                locale=locale,
                time_zone=time_zone,
                issuer=None,
                subject=None,
                email_verified=True,
            )
            assert curator is not None
            await insert_curator(db, curator_id=curator.id)
        return [*lines, f"people: {', '.join(account.email for account in accounts)}; curator: {curator.email}"]


async def load_perf(url: str, count: int, progress: Progress) -> list[str]:
    """The curated files and so many made-up people more, to measure with."""
    async with open_as(url, "fivefold_owner") as (pool, db):
        lines = await curated.load(db)
        progress.total(privacy_perf.size(count))
        others = [Db(pool, OPERATOR, uuid4()) for _ in range(privacy_perf.AT_ONCE - 1)]
        try:
            made = await privacy_perf.load([db, *others], count, ISSUER, progress.step)
        finally:
            for other in others:
                await other.close()
    return [*lines, f"{made.count} people, {made.first} to {made.last}; every {privacy_perf.BUSY_EACH}th is busy"]


async def as_person(pool: Pool, operator: Db, account: Account) -> Db:
    """The database as a person in the personal workspace."""
    workspace = await get_personal_workspace(operator, personal_account_id=account.id)
    assert workspace is not None
    return Db(pool, Actor(account.id, workspace.id, "owner"), uuid4())


async def _person(db: Db, email: str, display_name: str, locale: str, time_zone: str) -> Account:
    found = await get_account_by_email(db, email=email)
    return found or await create_account(db, email=email, display_name=display_name, locale=locale, time_zone=time_zone)


def check() -> list[str]:
    """Read the curated files without a database. Returns a line for each platform. Raises SetupError."""
    platforms = curated.read()
    if not platforms:
        raise SetupError("there are no curated files in app/privacy/data")
    return [
        f"{p.slug}: {len(p.config)} configs, templates of {', '.join(str(len(t.setting)) for t in p.template)} settings, "
        f"{len(p.playbook)} playbooks, {len(p.contact)} contacts"
        for p in platforms
    ]
