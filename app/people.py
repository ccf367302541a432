"""What the command line does with people: curators, and tokens for development."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from app.core.account import Account, create_account, get_account_by_email
from app.core.api_key import check_scopes
from app.core.billing_customer import stop_paying
from app.core.credential import set_password
from app.core.curator import Curator, delete_curator, insert_curator, list_curator
from app.core.erased_identity import remember
from app.core.erasure import Due, erase, insert_erasure_by_email, line_of, list_ledger, note, read_ledger, replay
from app.kit.db import Db, open_as
from app.kit.errors import AppError, SetupError
from app.kit.graphql import parse_uuid
from app.kit.password import Hasher
from app.kit.token import KeyRing
from app.kit.vault import VaultSettings
from app.schema import SCOPES
from app.settings import Settings


async def grant_curator(url: str, email: str) -> str:
    """Make an account a curator; says so. Raises SetupError."""
    async with open_as(url, "fivefold_owner") as (_, db):
        account = await _find(db, email)
        async with db.transaction():
            granted = await insert_curator(db, curator_id=account.id)
        return f"{account.email} is a curator now" if granted else f"{account.email} is a curator already"


async def revoke_curator(url: str, email: str) -> str:
    """Take it back; says so. Raises SetupError."""
    async with open_as(url, "fivefold_owner") as (_, db):
        account = await _find(db, email)
        async with db.transaction():
            revoked = await delete_curator(db, curator_id=account.id)
        return f"{account.email} is no curator any more" if revoked else f"{account.email} was no curator"


async def list_curators(url: str) -> list[Curator]:
    """The oldest first."""
    async with open_as(url, "fivefold_owner") as (_, db):
        return await list_curator(db)


async def request_erasure(url: str, email: str, *, days: int, organizations: bool, settings: Settings | None = None) -> Due:
    """Schedule the erasure of an account, or do it where ``days`` is 0. Raises SetupError.

    With ``settings`` what is paid for ends first, or a worker does it later where the provider is away; and what happens at
    once is noted outside of the database before, as by a worker.
    """
    async with open_as(url, "fivefold_owner") as (_, db):
        async with db.transaction():
            due = await insert_erasure_by_email(db, email=email, days=days, organizations=organizations)
        if due is None:
            raise SetupError(f"there is no account {email}")
        if days == 0:
            try:
                if settings is not None:
                    await stop_paying(db, settings, due.id)
            except AppError:
                message = "the payment provider did not cancel what is paid for: a worker tries again, and erases then"
                raise SetupError(message) from None
            if settings is not None:
                await asyncio.to_thread(note, settings.erasure_folder, due)
            async with db.transaction():
                await remember(db, settings, due.id)
                await erase(db, id=due.id)
        return due


async def export_ledger(url: str, path: Path) -> int:
    """Write all erasures that happened to a file; how many."""
    async with open_as(url, "fivefold_owner") as (_, db):
        found = await list_ledger(db)
    await asyncio.to_thread(path.write_bytes, b"".join(line_of(due) for due in found))
    return len(found)


async def replay_ledger(url: str, path: Path, vault: VaultSettings | None = None) -> int:
    """Erase again whom a restored dump brought back; how many. ``path`` is a file, or the folder of FIVEFOLD_ERASURE_FOLDER."""
    lines = read_ledger(path)
    async with open_as(url, "fivefold_owner") as (_, db):
        return await replay(db, lines, vault)


async def mint(
    url: str,
    keys: list[Path],
    *,
    email: str,
    workspace: str | None,
    scopes: list[str] | None,
    lifetime: timedelta,
    create: bool,
) -> str:
    """A bearer token of an account. Raises SetupError, or AppError for a bad id or scope."""
    ring = KeyRing(keys)
    workspace_id: UUID | None = parse_uuid(workspace, "Workspace", field="--workspace") if workspace else None
    checked = check_scopes(scopes, SCOPES) if scopes is not None else None
    async with open_as(url, "fivefold_owner") as (_, db):
        account = await get_account_by_email(db, email=email)
        if account is None and create:
            account = await create_account(db, email=email, display_name=email.partition("@")[0])
        if account is None:
            raise SetupError(f"There is no account {email}; pass --create to make it.")
        return ring.sign(str(account.id), lifetime=lifetime, workspace_id=workspace_id, scopes=checked)


async def give_password(url: str, hasher: Hasher, emails: list[str], password: str) -> None:
    """The same password for each of these people: for the demo. Raises SetupError."""
    async with open_as(url, "fivefold_owner") as (_, db):
        for email in emails:
            account = await _find(db, email)
            hashed = await hasher.hash(password)
            async with db.transaction():
                await set_password(db, owner_id=account.id, password_hash=hashed)


async def _find(db: Db, email: str) -> Account:
    account = await get_account_by_email(db, email=email)
    if account is None:
        raise SetupError(f"There is no account {email}.")
    return account
