"""Reopening: when a platform has a setting otherwise than before, what people had acknowledged of it is open again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import strawberry

from app.kit.db import Db
from app.kit.sql import File

BATCH = 1000


@strawberry.enum(description="Why a change that was acknowledged is open again.")
class ReopenReason(Enum):
    """Values as in the database."""

    CHANGED_AGAIN = strawberry.enum_value("CHANGED_AGAIN", description="The setting changed again.")
    TEMPLATE = strawberry.enum_value(
        "TEMPLATE", description="The platform's active template has it with another default, recommendation or options."
    )


@dataclass(frozen=True)
class Reopened:
    """How many were opened."""

    count: int


update_acknowledgements_of_template = File("privacy/across").one("update_acknowledgement_of_template", Reopened)


async def reopen_acknowledgements(db: Db, template_id: UUID) -> None:
    """Open what was acknowledged, batch by batch: one that is open is not due, so that a repetition goes on where it was."""
    while True:
        async with db.transaction():
            found = await update_acknowledgements_of_template(db, template_id=template_id, limit=BATCH)
        assert found is not None
        if found.count < BATCH:
            return
