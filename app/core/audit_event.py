"""Audit events: written by triggers in the same transaction as the change, never changed, readable by those they concern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from app.kit.context import Context, Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import JSON, Node, field, global_id, parse_global_id, query
from app.kit.page import Page, page
from app.kit.sql import File

MAX_ALONE = 100_000
_ALONE: set[tuple[UUID, UUID]] = set()
"""(account, workspace) of people in their own personal workspaces, which those stay."""
READERS = frozenset({"owner", "admin", "auditor"})


@strawberry.enum(description="What happened: a change of a row, or what was done without one.")
class AuditAction(Enum):
    """Values as in the database."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    READ = strawberry.enum_value("READ", description="Somebody read what is personal to others.")
    EXPORT = strawberry.enum_value("EXPORT", description="Data left as a whole.")
    ERASE = strawberry.enum_value("ERASE", description="What was known of somebody was erased.")
    SIGN_IN = "SIGN_IN"
    SIGN_IN_REFUSED = strawberry.enum_value("SIGN_IN_REFUSED", description="Somebody tried to sign in and was not let in.")
    SIGN_OUT = "SIGN_OUT"
    TOKEN_REUSED = strawberry.enum_value("TOKEN_REUSED", description="A token came back that had been used up: it was stolen.")
    RETIRE = strawberry.enum_value("RETIRE", description="Old audit events were deleted; their seals stay.")


@dataclass(frozen=True)
class AuditDetail:
    """What an event changed, as it was hashed."""

    detail: Any


@dataclass(frozen=True)
class Recorded:
    """The event that tells it."""

    event_id: UUID


async def _details(db: Any, parents: Any) -> list[Any]:
    found = await details_by_event(db, event_ids=[parent.id for parent in parents])
    return [row.detail if row else None for row in found]


@strawberry.type(description="One audited change of one row.")
class AuditEvent(Node):
    """``commitment`` proves the detail: sha256 of its salt and its text."""

    node_statement = "core/audit_event.edge_audit_event"
    node_roles = READERS
    node_reads = "core.audit_event"

    actor_id: strawberry.Private[UUID | None]
    api_key_id: strawberry.Private[UUID | None]
    object_id: strawberry.Private[UUID]
    commitment: strawberry.Private[bytes]

    action: AuditAction
    object: str = strawberry.field(description="The table, such as privacy.snapshot.")
    occurred_at: datetime
    request_id: UUID | None = strawberry.field(description="As in the answer's header X-Request-Id.")
    detail: JSON | None = edge(
        _details,
        description="The audited columns; null once the person was forgotten, and of what another member did with a product.",
    )

    @field(name="actorId", description="The account that acted; null for the operator.")
    def actor(self) -> strawberry.ID | None:
        """The id as the API writes it."""
        return global_id("Account", str(self.actor_id)) if self.actor_id else None

    @field(name="apiKeyId", description="The key that was used, if one was.")
    def api_key(self) -> strawberry.ID | None:
        """The id as the API writes it."""
        return global_id("ApiKey", str(self.api_key_id)) if self.api_key_id else None

    @field(name="objectId", description="Global id of the row's type where it has one, of its table otherwise.")
    def object_global_id(self) -> strawberry.ID:
        """snake_case table -> PascalCase type."""
        return global_id("".join(word.title() for word in self.object.split(".")[1].split("_")), str(self.object_id))

    @field(name="commitment", description="sha256 of salt and detail, in hex.")
    def commitment_hex(self) -> str:
        """64 digits."""
        return self.commitment.hex()


sql = File("core/audit_event")
details_by_event = sql.edge("edge_audit_detail", AuditDetail)
audit_events_by_id = sql.edge("edge_audit_event", AuditEvent)
insert_reads = sql.many("insert_reads", Recorded)
insert_action = sql.one("insert_action", Recorded)
page_audit_event = sql.page("page_audit_event", AuditEvent)


async def record_action(
    db: Db, action: AuditAction, object: str, object_id: UUID, detail: Mapping[str, Any] | None = None
) -> UUID:
    """Audit what is no change of a row, in the open transaction: by the caller, in its workspace. The event's id.

    ``detail`` can be erased with the person; secrets do not belong in it.
    """
    made = await insert_action(db, action=action.value, object=object, object_id=object_id, detail=dict(detail or {}))
    assert made is not None
    return made.event_id


async def record_reads(context: Context, reads: Mapping[str, str]) -> None:
    """Audit that what is personal to others is about to be read: tables by the field that shows them, in its own transaction.

    It is recorded before anything is read, so that no answer leaves without it; a reading that fails later was still asked
    for. Nothing is recorded of one's own personal workspace, where there are no others, nor twice in one operation.
    """
    new = {table: field for field, table in reads.items() if table not in context.recorded}
    context.recorded.update(new)
    actor, db = context.actor, context.db
    if not new or (actor.account_id, actor.workspace_id) in _ALONE:
        return
    async with db.transaction():
        made = await insert_reads(db, objects=list(new), fields=list(new.values()))
    db.commits -= 1  # it does no harm twice: what only reads may still be run again when its connection is lost
    if not made:
        if len(_ALONE) >= MAX_ALONE:
            _ALONE.clear()
        _ALONE.add((actor.account_id, actor.workspace_id))


def parse_object_id(value: str) -> UUID:
    """The uuid in a global id of any type, of a change that of its snapshot. Raises BAD_ID."""
    try:
        return UUID(parse_global_id(value, field="objectId")[1].partition(":")[0])
    except ValueError:
        raise AppError(ErrorCode.BAD_ID, "objectId: no object has an id like this.", field="objectId") from None


@strawberry.type
class AuditEventQuery:
    """Root fields that read the audit log."""

    @query(roles=READERS, reads="core.audit_event")
    async def audit_events(
        self,
        info: Info,
        object: str | None = None,
        object_id: strawberry.ID | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[AuditEvent] | None:
        """What was changed in the active workspace, newest first; of one table (privacy.snapshot) or one object."""
        key = None if object_id is None else parse_object_id(object_id)
        return await page(page_audit_event, info.context.db, first, after, object=object, object_id=key)
