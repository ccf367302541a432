"""Curators: the few people who may write shared nouns. Granted and revoked on the command line, and audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.kit.sql import File


@dataclass(frozen=True)
class CuratorGrant:
    """A grant that was made or taken back."""

    id: UUID
    granted_at: datetime


@dataclass(frozen=True)
class Curator:
    """A person on the list."""

    id: UUID
    email: str
    display_name: str
    granted_at: datetime


sql = File("core/curator")
delete_curator = sql.one("delete_curator", CuratorGrant)
insert_curator = sql.one("insert_curator", CuratorGrant)
list_curator = sql.many("list_curator", Curator)
