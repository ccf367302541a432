"""Outbox: what happened, told to those who listen when it has committed, and never otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.kit.db import Db
from app.kit.sql import File

sql = File("core/outbox")
insert_outbox = sql.exec("insert_outbox")


async def publish(db: Db, kind: str, object_id: UUID, detail: Mapping[str, Any] | None = None) -> None:
    """Tell that something happened to an object of the workspace, in the open transaction.

    ``kind`` is product and event, such as privacy.change_detected; ``detail`` holds what listeners filter by, and no
    personal data: it is kept for seven days, whatever becomes of the object.
    """
    await insert_outbox(db, object_id=object_id, kind=kind, detail=dict(detail or {}))
