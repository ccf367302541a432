"""Edges: fields that lead to other rows, fetched once per level for all parents.

``platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")`` reads: take ``platform_id`` of every parent
on this level, run that statement once with all of them as ``:ids``, and hand each parent its row. N+1 cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

from app.kit.context import Context, Info
from app.kit.errors import AppError
from app.kit.graphql import require_scope
from app.kit.page import check_size, cut, keyset_arguments
from app.kit.sql import BOUND, PerKey

Fetch = Callable[..., Any]


@dataclass(frozen=True)
class Edge:
    """How the parents of one level get their rows: ``fetch(db, parents, **arguments)`` answers in their order."""

    fetch: Fetch
    scope: str | None


def edge(
    source: str | Fetch, *, many: bool = False, scope: str | None = None, description: str | None = None, **columns: str
) -> Any:
    """A field whose rows come from an :edge statement, or from an async function of ``(db, parents)``.

    ``columns`` maps parameters of the statement to columns of the parent. ``scope`` is what a key needs beyond its root field.
    """
    found = Edge(partial(_rows, source, many, columns) if isinstance(source, str) else source, scope)

    async def resolve(self: Any, info: Info) -> Any:
        return await _load(found, info.context, self)

    return strawberry.field(resolver=resolve, description=description, metadata={"edge": found})


def page_edge(source: str, *, scope: str | None = None, description: str | None = None, **columns: str) -> Any:
    """A field that pages the rows of each parent: ``:limit`` and ``:after_id`` apply to each one alone."""
    found = Edge(partial(_pages, source, columns), scope)

    async def resolve(self: Any, info: Info, first: int = 20, after: str | None = None) -> Any:
        return await _load(found, info.context, self, first=first, after=after)

    return strawberry.field(resolver=resolve, description=description, metadata={"edge": found})


async def _rows(source: str, many: bool, columns: dict[str, str], db: Any, parents: Sequence[Any]) -> list[Any]:
    statement = BOUND[source]
    assert isinstance(statement, PerKey)
    keys = {param: [getattr(parent, column) for parent in parents] for param, column in columns.items()}
    return await (statement.groups(db, **keys) if many else statement(db, **keys))


async def _pages(
    source: str, columns: dict[str, str], db: Any, parents: Sequence[Any], first: int, after: str | None
) -> list[Any]:
    statement = BOUND[source]
    assert isinstance(statement, PerKey)
    check_size(first)
    keys = {param: [getattr(parent, column) for parent in parents] for param, column in columns.items()}
    groups = await statement.groups(db, **keys, limit=first + 1, **keyset_arguments(statement.keyset, after))
    return [cut(rows, statement.keyset, first, after) for rows in groups]


async def _load(found: Edge, context: Context, parent: Any, **arguments: Any) -> Any:
    """Wait for the level: every parent that asks in the same turn of the loop is answered by one fetch."""
    if found.scope is not None:
        require_scope(context, found.scope)
    key = (found.fetch, tuple(arguments.items()))
    loader = context.loaders.get(key)
    if loader is None:

        async def load(parents: list[Any]) -> Sequence[Any]:
            try:
                answers: Sequence[Any] = await found.fetch(context.db, parents, **arguments)
            except AppError as error:
                # One error object per parent: the executor writes the path of the field into it.
                return [AppError(error.code, error.message, field=(error.extensions or {}).get("field")) for _ in parents]
            return answers

        loader = context.loaders[key] = DataLoader(load_fn=load, cache=False)
    return await loader.load(parent)
