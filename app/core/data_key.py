"""Data keys: one for each workspace, which seals its secrets. Without it they are gone, whatever copies there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.kit.db import Db, look_up
from app.kit.errors import SetupError
from app.kit.log import log
from app.kit.pool import Pool
from app.kit.sql import File, make
from app.kit.vault import KEY_BYTES, UNSET, Key, Place, Sealed, Vault, new_key, vault_of
from app.kit.vault import VaultSettings as VaultSettings

BATCH = 200
"""So many data keys are wrapped anew in one transaction."""


@dataclass(frozen=True)
class DataKey:
    """A workspace's key, wrapped."""

    id: UUID
    workspace_id: UUID
    wrapped: bytes


@dataclass(frozen=True)
class KeyUse:
    """How many data keys are wrapped with a key of the operator."""

    kek_id: UUID
    data_keys: int


@dataclass(frozen=True)
class Rotation:
    """What a rotation did. ``refused`` data keys could not be opened: their key is missing, or they were altered."""

    key_id: UUID
    wrapped: int
    refused: int


sql = File("core/data_key")
get_data_key = sql.one("get_data_key", DataKey)
insert_data_key = sql.exec("insert_data_key")
list_key_use = sql.many("list_key_use", KeyUse)
lock_data_keys = sql.many("lock_data_keys", DataKey)
update_data_keys = sql.exec("update_data_keys")


def _place(data_key_id: UUID, workspace_id: UUID) -> Place:
    return Place("core.data_key", "wrapped", data_key_id, workspace_id)


async def seal(db: Db, settings: VaultSettings, table: str, column: str, row_id: UUID, value: bytes) -> bytes:
    """Seal a value for a row of the caller's workspace, in the open transaction. The workspace's first makes its data key.

    ``row_id`` is the id of the row that will hold it, see ``new_id``.
    """
    key = await _take_key(db, vault_of(settings))
    return key.seal(Place(table, column, row_id, db.actor.workspace_id), value)


async def _take_key(db: Db, vault: Vault) -> Key:
    """The workspace's data key, made where there is none."""
    workspace_id = db.actor.workspace_id
    found = await get_data_key(db)
    if found is None:
        fresh = new_key()
        wrapped = vault.seal(_place(fresh.id, workspace_id), fresh.secret)
        await insert_data_key(db, id=fresh.id, kek_id=vault.first, wrapped=wrapped)  # nothing where another was faster
        found = await get_data_key(db)
        assert found is not None
    return Key(found.id, vault.open(_place(found.id, workspace_id), found.wrapped))


async def derive_key(db: Db, settings: VaultSettings, purpose: str) -> bytes:
    """256 bits of the workspace's own for one purpose, such as "scans.url": always the same, and of no use for another.

    In the open transaction: the workspace's first makes its data key.
    """
    return _derive(await _take_key(db, vault_of(settings)), purpose)


async def find_derived_key(db: Db, settings: VaultSettings, purpose: str) -> bytes | None:
    """As ``derive_key``, and None where the workspace has no data key: nothing was derived from it then. Raises Sealed."""
    found = await get_data_key(db)
    if found is None:
        return None
    opened = vault_of(settings).open(_place(found.id, db.actor.workspace_id), found.wrapped)
    return _derive(Key(found.id, opened), purpose)


def _derive(key: Key, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=key.id.bytes, info=purpose.encode()).derive(key.secret)


async def unseal(db: Db, settings: VaultSettings, table: str, column: str, row_id: UUID, sealed: bytes) -> bytes:
    """The value that was sealed for this row of the caller's workspace. Raises Sealed, also when the data key is gone."""
    workspace_id = db.actor.workspace_id
    found = await get_data_key(db)
    if found is None:
        raise Sealed
    key = Key(found.id, vault_of(settings).open(_place(found.id, workspace_id), found.wrapped))
    return key.open(Place(table, column, row_id, workspace_id), sealed)


def unseal_with(settings: VaultSettings, key: DataKey, table: str, column: str, row_id: UUID, sealed: bytes) -> bytes:
    """As ``unseal``, where there is no caller and a function of the database has found the wrapped key. Raises Sealed."""
    opened = Key(key.id, vault_of(settings).open(_place(key.id, key.workspace_id), key.wrapped))
    return opened.open(Place(table, column, row_id, key.workspace_id), sealed)


async def unseal_all(
    db: Db, settings: VaultSettings, table: str, column: str, sealed: Sequence[tuple[UUID, bytes]]
) -> list[bytes | None]:
    """As ``unseal``, of many rows by their ids with one look at the data key; None for each that does not open."""
    workspace_id = db.actor.workspace_id
    found = await get_data_key(db) if sealed else None
    if found is None:
        return [None] * len(sealed)
    key = Key(found.id, vault_of(settings).open(_place(found.id, workspace_id), found.wrapped))
    return [_opened(key, Place(table, column, row_id, workspace_id), value) for row_id, value in sealed]


def _opened(key: Key, place: Place, value: bytes) -> bytes | None:
    try:
        return key.open(place, value)
    except Sealed:
        return None


async def fetch_key_use(pool: Pool) -> list[KeyUse]:
    """Which of the operator's keys data keys are wrapped with, over all workspaces."""
    return [make(KeyUse, record) for record in await look_up(pool, list_key_use.statement, {})]


async def check_keys(pool: Pool, settings: VaultSettings) -> None:
    """Refuse to begin without keys, or without one that is in use. Raises SetupError."""
    vault = vault_of(settings)
    if vault.first is None:
        raise SetupError(UNSET)
    missing = [use for use in await fetch_key_use(pool) if use.kek_id not in vault.key_ids]
    if missing:
        raise SetupError(lacking(missing))


def lacking(missing: Sequence[KeyUse]) -> str:
    """What an operator must put right, in a sentence."""
    count = sum(use.data_keys for use in missing)
    names = ", ".join(str(use.kek_id) for use in missing)
    return f"FIVEFOLD_VAULT_KEYS lacks a key that {count} workspaces need: add the file of key {names} until it is rotated"


async def rotate(db: Db, vault: Vault, on_batch: Callable[[int], None] = lambda _: None) -> Rotation:
    """Wrap every data key with the first key. By the owner of the tables.

    Each batch commits for itself, so that one that was cut off is run again and goes on; requests meanwhile seal and unseal,
    for what a data key seals does not change. One that is wrapped with an older key by a process that was not restarted yet
    is found by the next run: run it until ``status`` names one key only, then take the old one away.
    """
    if vault.first is None:
        raise SetupError(UNSET)
    wrapped = refused = 0
    since = UUID(int=0)
    while True:
        async with db.transaction():
            batch = await lock_data_keys(db, kek_id=vault.first, since_id=since, limit=BATCH)
            ids, workspace_ids, anew = [], [], []
            for each in batch:
                place = _place(each.id, each.workspace_id)
                try:
                    secret = vault.open(place, each.wrapped)
                except Sealed:
                    refused += 1
                    log.error("data key cannot be opened", data_key=str(each.id))
                    continue
                ids.append(each.id)
                workspace_ids.append(each.workspace_id)
                anew.append(vault.seal(place, secret))
            if ids:
                await update_data_keys(db, ids=ids, workspace_ids=workspace_ids, kek_id=vault.first, wrapped=anew)
        wrapped += len(ids)
        on_batch(wrapped)
        if len(batch) < BATCH:
            return Rotation(vault.first, wrapped, refused)
        since = batch[-1].id
