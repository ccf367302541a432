"""Erased identities: a keyed hash of who is forgotten, so that a token that still works makes no account by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.kit.db import Db
from app.kit.sql import File
from app.kit.vault import VaultSettings, vault_of


class Vaulted(Protocol):
    """A vault, or who has one."""

    def digests(self, purpose: str, data: bytes) -> list[bytes]:
        """A keyed hash for each key."""


@dataclass(frozen=True)
class LeavingIdentity:
    """A way to sign in that goes."""

    issuer: str
    subject: str


sql = File("core/erased_identity")
keep_names = sql.exec("insert_erased_identity")
list_leaving = sql.many("list_leaving_identity", LeavingIdentity)


def erased_names(vault: Vaulted, issuer: str, subject: str) -> list[bytes]:
    """What core.erased_identity keeps of an identity, by each key of the vault; the first is written."""
    return vault.digests("erased identity", f"{issuer}\n{subject}".encode())


async def remember(db: Db, settings: VaultSettings | None, erasure_id: UUID) -> None:
    """In the transaction that erases: keep a keyed hash of each identity that goes, so that its token makes no account.

    Without the operator's keys nothing is kept: nobody waits for being forgotten because of it.
    """
    leaving = await list_leaving(db, id=erasure_id)
    if leaving and settings is not None and settings.vault_keys:
        vault = vault_of(settings)
        await keep_names(db, digests=[erased_names(vault, each.issuer, each.subject)[0] for each in leaving])
