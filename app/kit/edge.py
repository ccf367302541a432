"""Edges: fields that lead to other rows, fetched once per level for all parents.

``platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")`` reads: take ``platform_id`` of every
parent on this level, run that statement once with all of them as ``:ids``, and hand each parent its row. N+1 cannot be
written. The planned executor asks an edge for a whole level; on the stock executor the level gathers in a loader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any

import strawberry
from asyncpg import Record
from strawberry.dataloader import DataLoader

from app.kit.context import Context, Info
from app.kit.errors import AppError
from app.kit.graphql import require_scope
from app.kit.page import check_size, cut, keyset_arguments
from app.kit.sql import BOUND, PerKey, Shown

LOCALE = "BCP 47 tag of the language of labels, such as de-AT; by default what Accept-Language asks for, else English."

Batch = Callable[..., Any]
"""An async function of the database and all parents of a level, which answers in their order; with ``localized`` it is
given the ``locale`` that was asked for."""


@dataclass(frozen=True)
class Edge:
    """Where the rows of a field come from: an :edge statement and the parent's columns that it takes, or a function."""

    source: str | Batch
    columns: tuple[tuple[str, str], ...] = ()
    many: bool = False
    paged: bool = False
    scope: str | None = None
    own: tuple[str, ...] = ()

    async def fetch(
        self, context: Context, parents: Sequence[Any], shown: Shown | None = None, **arguments: Any
    ) -> Sequence[Any]:
        """The answer of each parent: a row or None, its rows, or its page of them. Raises AppError."""
        if self.scope is not None:
            require_scope(context, self.scope)
        if not isinstance(self.source, str):
            answers: Sequence[Any] = await self.source(context.db, parents, **arguments)
            return answers if context.db.keep_rows or not self.own else [self._merge(*answer) for answer in answers]
        statement = BOUND[self.source]
        assert isinstance(statement, PerKey)
        db = context.db
        rows_of = partial(statement.records, db, shown) if db.keep_rows else partial(statement.groups, db)
        by_item = isinstance(parents[0], Record)  # twice as fast as by attribute
        keys = {
            param: [parent[column] if by_item else getattr(parent, column) for parent in parents]
            for param, column in self.columns
        }
        if self.paged:
            first, after = check_size(arguments["first"]), arguments["after"]
            cursor = keyset_arguments(statement, after)
            groups = await rows_of(**keys, **cursor, limit=first + 1)
            return [cut(rows, statement, first, after) for rows in groups]
        if len(keys) == 1 and statement.by_id and not self.many and db.keep_rows:
            ((param, ids),) = keys.items()
            row_of = {row["id"]: row for row in await db.fetch(statement.choose(shown), {param: list(dict.fromkeys(ids))})}
            return [row_of.get(id_) for id_ in ids]
        asked = list(zip(*keys.values(), strict=True))
        places = {key: place for place, key in enumerate(dict.fromkeys(asked))}
        if len(places) < len(asked):  # parents that share a key share its rows
            keys = dict(zip(keys, map(list, zip(*places, strict=True)), strict=True))
        groups = await rows_of(**keys)
        if len(places) < len(asked):
            groups = [groups[places[key]] for key in asked]
        return groups if self.many else [rows[0] if rows else None for rows in groups]

    def _merge(self, shared: Sequence[Any], own: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Shared rows with each parent's own columns, as the stock executor reads them."""
        merged = zip(shared, own, strict=True)
        return [SimpleNamespace(**vars(row), **dict(zip(self.own, values, strict=True))) for row, values in merged]


def edge(
    source: str | Batch,
    *,
    many: bool = False,
    scope: str | None = None,
    own: tuple[str, ...] = (),
    size: int | None = None,
    localized: bool = False,
    description: str | None = None,
    **columns: str,
) -> Any:
    """A field whose rows come from an :edge statement, or from a function of all parents.

    ``columns`` maps parameters of the statement to columns of the parent; ``many`` says that a parent has a list of rows;
    ``scope`` is what a key needs beyond its root field. With ``own``, many parents share their rows but for these columns:
    the function answers each parent with (shared rows, the own values of each), and what is shared is built once. ``size``
    is how long a list that is shorter than most can be, for the document's cost. ``localized`` gives the field an argument
    ``locale``, and the function the same.
    """
    found = Edge(source, tuple(columns.items()), many=many, scope=scope, own=own)

    async def resolve_localized(
        self: Any,
        info: Info,
        locale: Annotated[str | None, strawberry.argument(description=LOCALE)] = None,
    ) -> Any:
        return await _load(found, info.context, self, locale=locale)

    async def resolve(self: Any, info: Info) -> Any:
        return await _load(found, info.context, self)

    metadata = {"edge": found} if size is None else {"edge": found, "size": size}
    resolver = resolve_localized if localized else resolve
    return strawberry.field(resolver=resolver, description=description, metadata=metadata)


def page_edge(source: str, *, scope: str | None = None, description: str | None = None, **columns: str) -> Any:
    """A field that pages the rows of each parent: ``:limit`` and ``:after_<column>`` apply to each one alone."""
    found = Edge(source, tuple(columns.items()), paged=True, scope=scope)

    async def resolve(self: Any, info: Info, first: int = 20, after: str | None = None) -> Any:
        return await _load(found, info.context, self, first=first, after=after)

    return strawberry.field(resolver=resolve, description=description, metadata={"edge": found})


async def _load(found: Edge, context: Context, parent: Any, **arguments: Any) -> Any:
    """Wait for the level: every parent that asks in the same turn of the loop is answered by one fetch."""
    key = (found, tuple(arguments.items()))
    loader = context.loaders.get(key)
    if loader is None:

        async def load(parents: list[Any]) -> Sequence[Any]:
            try:
                return await found.fetch(context, parents, **arguments)
            except AppError as error:
                # One error object per parent: the executor writes the path of the field into it.
                return [error.copy() for _ in parents]

        loader = context.loaders[key] = DataLoader(load_fn=load, cache=False)
    return await loader.load(parent)
