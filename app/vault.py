"""What the command line does with the keys that secrets are sealed with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.core import data_key
from app.core.data_key import Rotation, fetch_key_use
from app.kit.db import open_as
from app.kit.vault import VaultSettings, vault_of


@dataclass(frozen=True)
class KeyStatus:
    """A key of the operator. ``state`` is seals for the first, opens for the others that are here, missing."""

    key_id: UUID
    state: str
    data_keys: int


async def status(url: str, settings: VaultSettings) -> list[KeyStatus]:
    """Every key that is here or in use, the one that seals first. Raises SetupError."""
    vault = vault_of(settings)
    async with open_as(url, "fivefold_owner") as (pool, _):
        uses = {use.kek_id: use.data_keys for use in await fetch_key_use(pool)}
    known = [KeyStatus(each, "seals" if each == vault.first else "opens", uses.pop(each, 0)) for each in vault.key_ids]
    return known + [KeyStatus(each, "missing", count) for each, count in uses.items()]


async def rotate(url: str, settings: VaultSettings) -> Rotation:
    """Wrap every data key with the first key. Raises SetupError."""
    vault = vault_of(settings)
    async with open_as(url, "fivefold_owner") as (_, db):
        return await data_key.rotate(db, vault)
