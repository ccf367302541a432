"""node and nodes: any object again by its global id."""

from __future__ import annotations

import strawberry

from app.core.audit_event import record_reads
from app.kit.context import Info
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, may, parse_global_id, query
from app.kit.page import check_size
from app.kit.sql import BOUND, PerKey


@strawberry.type
class NodeQuery:
    """Root fields that fetch by global id."""

    @query("privacy:read")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """One object, or null when there is none that the caller may see."""
        return (await _fetch(info, [id], field="id"))[0]

    @query("privacy:read")
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        """1 to 100 objects in the order of their ids, null for each that the caller may not see."""
        check_size(len(ids), field="ids")
        return await _fetch(info, ids, field="ids")


async def _fetch(info: Info, ids: list[strawberry.ID], *, field: str) -> list[Node | None]:
    """One statement per type that is named, whatever the number of ids."""
    types = info.context.node_types
    keys: dict[str, list[str]] = {}
    asked: list[tuple[str, int]] = []
    for value in ids:
        name, key = parse_global_id(value, field=field)
        asked.append((name, len(keys.setdefault(name, []))))
        keys[name].append(key)
    found: dict[str, list[Node | None]] = {}
    for name, of_type in keys.items():
        try:
            arguments = types[name].node_arguments(of_type)
        except (KeyError, ValueError):
            raise AppError(ErrorCode.BAD_ID, f"{field}: no object has an id like this.", field=field) from None
        if not may(info.context.actor, types[name].node_scopes, types[name].node_roles):
            found[name] = [None] * len(of_type)
            continue
        if types[name].node_reads is not None:
            await record_reads(info.context, {field: str(types[name].node_reads)})
        statement = BOUND[types[name].node_statement]
        assert isinstance(statement, PerKey)
        found[name] = await statement(info.context.db, **arguments)
    return [found[name][index] for name, index in asked]
