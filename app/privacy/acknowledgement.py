"""Acknowledgements: the person has seen a change, and may say that they made it. Open again when the setting changes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import mutation, parse_global_id
from app.kit.page import check_size
from app.kit.sql import File
from app.privacy.change import Change, changes_by_key
from app.privacy.origin import Finding, Significance
from app.privacy.reopening import ReopenReason

constraint("acknowledgement_note_length", ErrorCode.BAD_INPUT, "A note has at most 500 characters.", field="note")

SILENT = frozenset({Significance.NOISE, Significance.WORDING})
"""Changes that open nothing again."""
CLAIMABLE = frozenset({Significance.VALUE, Significance.DEFAULT_FLIP})
"""Changes that a person can have made."""


@strawberry.type(description="That the person has seen a change.")
class Acknowledgement:
    """Whose link it is: nobody else sees its changes."""

    acknowledged_at: datetime
    mine: bool = strawberry.field(description="The person says that they made the change.")
    note: str | None
    reopened_at: datetime | None = strawberry.field(description="Since when it is to be looked at again; null while it is not.")
    reopen_reason: ReopenReason | None


@dataclass(frozen=True)
class _Named:
    """A change as its global id names it."""

    snapshot_id: UUID
    setting: str


sql = File("privacy/acknowledgement")
acknowledgements_by_change = sql.edge("edge_acknowledgement", Acknowledgement)
claim_changes = sql.exec("update_change_claimed")
delete_acknowledgements = sql.exec("delete_acknowledgement")
insert_acknowledgements = sql.exec("insert_acknowledgement")
move_acknowledgements = sql.exec("update_acknowledgement_place")


def reopened(findings: Sequence[Finding]) -> list[str]:
    """The settings of which all that was acknowledged before is open again."""
    return [finding.setting for finding in findings if finding.significance not in SILENT]


async def keep_acknowledged(
    db: Db, snapshot_id: UUID, old: Sequence[Change], new: Sequence[Finding], *, late_id: UUID, late: Sequence[Finding]
) -> None:
    """The changes of a snapshot were told anew because of a late one: what was acknowledged goes with the change.

    It stays where the change is the same, moves where the late snapshot shows it now, and is gone where nobody does.
    """
    same = {_essence(finding) for finding in new}
    gone = [change for change in old if _essence(change) not in same]
    earlier = {_essence(finding) for finding in late}
    if moved := [change.setting for change in gone if _essence(change) in earlier]:
        await move_acknowledgements(db, snapshot_id=snapshot_id, late_id=late_id, settings=moved)
    if lost := [change.setting for change in gone if _essence(change) not in earlier]:
        await delete_acknowledgements(db, snapshot_id=snapshot_id, settings=lost)
    await claim_changes(db, snapshot_ids=[snapshot_id, late_id])


def _essence(change: Change | Finding) -> tuple[str, str | None, str | None]:
    return change.setting, change.old_value, change.new_value


def _parse(ids: Sequence[str]) -> list[_Named]:
    found = []
    for given in dict.fromkeys(ids):
        name, key = parse_global_id(given, field="ids")
        snapshot_id, _, setting = key.partition(":")
        try:
            if name != "Change":
                raise ValueError
            found.append(_Named(UUID(snapshot_id), setting))
        except ValueError:
            raise AppError(ErrorCode.BAD_ID, "ids holds one that is not the id of a Change.", field="ids") from None
    return found


@strawberry.input(description="Changes that the person has seen.")
class AcknowledgeChangesInput:
    """Changes that the person has seen."""

    ids: list[strawberry.ID] = strawberry.field(description="1 to 100 of them.")
    mine: bool = strawberry.field(
        default=False, description="True: the person made all of them, which makes their origin USER beyond doubt."
    )
    note: str | None = strawberry.field(default=None, description="The person's own words, at most 500 characters.")


@strawberry.type(description="The changes, acknowledged.")
class AcknowledgeChangesPayload:
    """The changes, in the order of the ids."""

    changes: list[Change]


@strawberry.type
class AcknowledgementMutation:
    """Root fields by which people say what they have seen."""

    @mutation()
    async def acknowledge_changes(self, info: Info, input: AcknowledgeChangesInput) -> AcknowledgeChangesPayload | None:
        """Say that the person has seen changes, all of them or none. Again it keeps its first moment."""
        check_size(len(input.ids), field="ids")
        named = _parse(input.ids)
        keys: dict[str, list[Any]] = {
            "snapshot_ids": [one.snapshot_id for one in named],
            "settings": [one.setting for one in named],
        }
        db = info.context.db
        async with db.transaction():
            found = await changes_by_key(db, snapshot_ids=keys["snapshot_ids"], settings=keys["settings"])
            if None in found:
                raise AppError(ErrorCode.NOT_FOUND, "ids holds a change that is not in this workspace.", field="ids")
            for change in found:
                if input.mine and change is not None and change.significance not in CLAIMABLE:
                    raise AppError(
                        ErrorCode.BAD_INPUT,
                        f"Nobody but the platform can have made the change of {change.setting!r}. Acknowledge it without mine.",
                        field="mine",
                    )
            await insert_acknowledgements(
                db, snapshot_ids=keys["snapshot_ids"], settings=keys["settings"], mine=input.mine, note=input.note
            )
            if input.mine:
                await claim_changes(db, snapshot_ids=keys["snapshot_ids"])
            changed = await changes_by_key(db, snapshot_ids=keys["snapshot_ids"], settings=keys["settings"])
        return AcknowledgeChangesPayload(changes=[change for change in changed if change is not None])
