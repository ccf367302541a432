"""Keyset pages as Relay connections: one generic type, one way to page."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import orjson
import strawberry

from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import field
from app.kit.sql import Paged, PerKey

if TYPE_CHECKING:
    from app.kit.db import Db

T = TypeVar("T")

Listing: TypeAlias = Paged[Any] | PerKey[Any]
"""A statement that pages: its rows' class tells one list's cursors from another's, its keyset what is in them."""

MAX_PAGE = 100
MAX_CURSOR = 1000


@strawberry.type(name="Edge", description="A row of a page and the cursor behind it.")
class PageEdge(Generic[T]):
    """One row of a page. Its cursor is made when it is asked for."""

    statement: strawberry.Private[Any]

    node: T

    @field(description="Pass it as `after` to go on behind this row.")
    def cursor(self) -> str:
        """What is listed, and the row's values of the keyset's columns."""
        name, keyset = self.statement.row.__name__, self.statement.keyset
        return encode_cursor([name, *(getattr(self.node, column) for column, _ in keyset)])


@strawberry.type(description="Where a page ends and whether more follows.")
class PageInfo:
    """Relay's PageInfo; pages only go forward, so ``has_previous_page`` tells whether a cursor was given."""

    page: strawberry.Private[Any]

    has_next_page: bool
    has_previous_page: bool

    @field(description="Cursor of the first row.")
    def start_cursor(self) -> str | None:
        """None on an empty page."""
        return self._cursor(0)

    @field(description="Cursor of the last row: pass it as `after` for the next page.")
    def end_cursor(self) -> str | None:
        """None on an empty page."""
        return self._cursor(-1)

    def _cursor(self, place: int) -> str | None:
        return self.page.edge(self.page.rows[place]).cursor() if self.page.rows else None


@strawberry.type(name="Connection", description="One page of a longer list.")
class Page(Generic[T]):
    """A keyset page: rows that come later do not shift it. ``more`` follow; its cursors are those of ``statement``.

    What is around the rows is made when somebody looks at it: a plan goes to the rows themselves, see app/kit/plan.py.
    """

    rows: strawberry.Private[list[T]]
    statement: strawberry.Private[Any]
    more: strawberry.Private[bool]
    after: strawberry.Private[str | None]

    @field(name="edges", description=None)
    def list_edges(self) -> list[PageEdge[T]]:
        """Each row with its cursor."""
        return [self.edge(row) for row in self.rows]

    @field(description=None)
    def page_info(self) -> PageInfo:
        """Where it ends."""
        return PageInfo(page=self, has_next_page=self.more, has_previous_page=self.after is not None)

    def edge(self, row: T) -> PageEdge[T]:
        """A row of it with its cursor."""
        return PageEdge(statement=self.statement, node=row)


def check_size(first: int, *, field: str = "first", most: int = MAX_PAGE) -> int:
    """``first`` if it is 1 to ``most``. Raises BAD_PAGE_SIZE."""
    if not 1 <= first <= most:
        raise AppError(ErrorCode.BAD_PAGE_SIZE, f"{field} is {first}; ask for 1 to {most}.", field=field)
    return first


def encode_cursor(values: list[Any]) -> str:
    """Opaque to clients: the class of what is listed, and the keyset of the last row they have."""
    return base64.urlsafe_b64encode(orjson.dumps([str(value) for value in values])).decode().rstrip("=")


def decode_cursor(cursor: str, statement: Listing) -> list[Any]:
    """The keyset values of a cursor; a column that starts at a number is one. Raises BAD_CURSOR."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        values = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(values, list) or not all(isinstance(v, str) and "\0" not in v for v in values):
            raise ValueError
        name, *keys = values
        if name != statement.row.__name__:
            raise ValueError
        for index, (value, (column, start)) in enumerate(zip(keys, statement.keyset, strict=True)):
            if (column == "id" or column.endswith("_id")) and str(UUID(value)) != value:
                raise ValueError
            if isinstance(start, int):
                keys[index] = int(value)
                if str(keys[index]) != value or not 0 <= keys[index] <= 2147483647:
                    raise ValueError
    except (binascii.Error, UnicodeError, ValueError):
        raise AppError(
            ErrorCode.BAD_CURSOR,
            "after is not a cursor of this list. Pass an endCursor that it returned.",
            field="after",
        ) from None
    return keys


def keyset_arguments(statement: Listing, after: str | None) -> dict[str, Any]:
    """The parameters ``:after_<column>`` of a page statement."""
    values = [start for _, start in statement.keyset] if after is None else decode_cursor(after, statement)
    return {f"after_{column}": value for (column, _), value in zip(statement.keyset, values, strict=True)}


def cut(rows: list[T], statement: Listing, first: int, after: str | None) -> Page[T]:
    """The page of rows that were fetched one more than asked."""
    return Page(rows=rows[:first], statement=statement, more=len(rows) > first, after=after)


async def page(statement: Paged[T], db: Db, first: int, after: str | None, **args: Any) -> Page[T]:
    """Run a :page statement and cut its rows. Raises BAD_PAGE_SIZE, BAD_CURSOR."""
    check_size(first)
    rows = await statement.rows(db, db.shown, limit=first + 1, **keyset_arguments(statement, after), **args)
    return cut(rows, statement, first, after)
