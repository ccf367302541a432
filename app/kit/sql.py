"""Named statements: read from sql/, numbered for asyncpg, bound to the class whose rows they return.

A file holds statements of one noun::

    -- name: page_snapshot :page
    -- Newest first; the id is the time of the capture.
    SELECT ... WHERE s.link_id = :link_id
        AND s.origin = :origin  -- if :origin

A line that ends ``-- if :origin`` is sent only when the caller gives that parameter, so an optional filter never turns an
index condition into a filter. ``:workspace_id`` and ``:account_id`` are filled from the caller's identity; nobody passes them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import cache, cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args
from uuid import UUID

from app.kit.house import root

if TYPE_CHECKING:
    from asyncpg import Record

    from app.kit.db import Db

Row = TypeVar("Row")

Keyset = tuple[tuple[str, str | int], ...]
"""Columns that order a page, each with the value that the first page starts behind."""

MOST_CHOICES = 8
"""For so many choices of its columns a statement is prepared, on each connection; whoever makes others gets all of them."""

KINDS = ("one", "many", "page", "edge", "exec")
IDENTITY = ("workspace_id", "account_id")
"""Parameters that only the query layer fills."""

_CHOICE = "SELECT {}\nFROM (\n{}\n) AS q"
_HEAD = re.compile(rf"^-- name: (?P<name>[a-z][a-z0-9_]*) :(?P<kind>{'|'.join(KINDS)})$", re.M)
_HEAD_OF_ANY_FORM = re.compile(r"^[ \t]*--[ \t]*name\b", re.M | re.I)
_CONDITION = re.compile(r"\s*-- if :(?P<name>[a-z_][a-z0-9_]*)$")
_TOKEN = re.compile(
    r"'(?:[^']|'')*'"  # a string
    r'|"(?:[^"]|"")*"'  # a quoted identifier
    r"|--[^\n]*"  # a comment
    r"|::"  # a cast, not a parameter
    r"|:(?P<name>[a-z_][a-z0-9_]*)"
)


@dataclass(frozen=True)
class Literal:
    """A statement with its values."""

    id: str
    text: str


@dataclass(frozen=True)
class Statement:
    """One named statement; ``optional`` are the parameters whose lines may be left out."""

    file: str
    name: str
    kind: str
    why: str
    body: str
    optional: tuple[str, ...]
    _variants: dict[frozenset[str], tuple[str, tuple[str, ...]]] = field(default_factory=dict, compare=False, repr=False)
    _choices: dict[frozenset[str], Statement] = field(default_factory=dict, compare=False, repr=False)

    @property
    def id(self) -> str:
        """``privacy/snapshot.page_snapshot``, as it stands in logs and in pg_stat_activity."""
        return f"{self.file}.{self.name}"

    def variant(self, given: frozenset[str] = frozenset()) -> tuple[str, tuple[str, ...]]:
        """The text to send when these optional parameters are given, and its parameters in order."""
        found = self._variants.get(given)
        if found is None:
            found = self._variants[given] = self._compile(given)
        return found

    def choose(self, columns: frozenset[str]) -> Statement:
        """The same of these columns only: the planner leaves out what makes the others. All of them where that is too much."""
        found = self._choices.get(columns)
        if found is None:
            if len(self._choices) >= MOST_CHOICES:
                return self
            names = ", ".join(f"q.{column}" for column in sorted(columns))
            body = _CHOICE.format(names, self.body)
            found = self._choices[columns] = replace(self, body=body, _variants={}, _choices={})
        return found

    def variants(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every text that can be sent."""
        for size in range(len(self.optional) + 1):
            for given in combinations(self.optional, size):
                yield self.variant(frozenset(given))

    def _compile(self, given: frozenset[str]) -> tuple[str, tuple[str, ...]]:
        lines = []
        for line in self.body.splitlines():
            condition = _CONDITION.search(line)
            if condition is None:
                lines.append(line)
            elif condition["name"] in given:
                lines.append(line[: condition.start()])
        numbers: dict[str, int] = {}

        def number(match: re.Match[str]) -> str:
            name = match["name"]
            return match[0] if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

        text = _TOKEN.sub(number, "\n".join(lines))
        return f"/* {self.id} */ {text}", tuple(numbers)


def literal(statement: Statement, args: Mapping[str, UUID | str | bool | None]) -> Literal:
    """A statement with its values in it, to go behind another in one text. Of a text, hex digits are written: nothing that it
    holds can break out."""

    def write(match: re.Match[str]) -> str:
        return match[0] if match["name"] is None else _literal(args[match["name"]])

    return Literal(statement.id, f"/* {statement.id} */ {_TOKEN.sub(write, statement.body)}")


def _literal(value: UUID | str | bool | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, UUID):
        return f"'{value}'::uuid"
    return f"convert_from(decode('{value.encode().hex()}', 'hex'), 'UTF8')"


def load(file: str) -> dict[str, Statement]:
    """The statements of ``sql/<file>.sql`` by name. Raises ValueError for a wrong head, a double name, a missing why."""
    source = (root() / "sql" / f"{file}.sql").read_text(encoding="utf-8")
    heads = list(_HEAD.finditer(source))
    if not heads or len(heads) != len(_HEAD_OF_ANY_FORM.findall(source)):
        raise ValueError(f"sql/{file}.sql: a statement begins `-- name: verb_noun :kind`, kind being one of {', '.join(KINDS)}")
    found: dict[str, Statement] = {}
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        lines = source[head.end() : following.start() if following else len(source)].strip().splitlines()
        size = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
        why = " ".join(line.removeprefix("--").strip() for line in lines[:size])
        body = "\n".join(lines[size:]).strip().removesuffix(";")
        if not why or not body or head["name"] in found:
            raise ValueError(f"sql/{file}.sql: {head['name']} needs a why, a body and a name of its own")
        optional = dict.fromkeys(m["name"] for line in body.splitlines() if (m := _CONDITION.search(line)))
        found[head["name"]] = Statement(file, head["name"], head["kind"], why, body, tuple(optional))
    return found


@cache
def columns(row: Any) -> dict[str, Any]:
    """The columns that a row class is made of, with their types; fields that are resolved otherwise are none."""
    found = {}
    for f in fields(row):
        if f.init:
            home = next(c for c in row.__mro__ if f.name in vars(c).get("__annotations__", {}))
            hint = vars(home)["__annotations__"][f.name]
            found[f.name] = eval(hint, vars(sys.modules[home.__module__])) if isinstance(hint, str) else hint  # noqa: S307
    return found


@cache
def _enums(row: Any) -> dict[str, type[Enum]]:
    """The columns that are enums: PostgreSQL sends their values as text or numbers."""
    return {
        name: candidate
        for name, hint in columns(row).items()
        for candidate in (hint, *get_args(hint), *(each for inner in get_args(hint) for each in get_args(inner)))
        if isinstance(candidate, type) and issubclass(candidate, Enum)
    }


def make(row: type[Row], record: Mapping[str, Any] | Record) -> Row:
    """One row as its class: columns by name, text or numbers of an enum as the enum, in lists as well."""
    values = dict(record)
    for name, enum in _enums(cast("Any", row)).items():
        if values.get(name) is not None:
            value = values[name]
            values[name] = [enum(each) for each in value] if isinstance(value, list) else enum(value)
    return row(**values)


@dataclass(frozen=True, slots=True)
class Shown:
    """What an answer shows of the rows of a class."""

    row: Any
    columns: frozenset[str]


@dataclass(frozen=True)
class Bound(Generic[Row]):
    """A statement and the class of its rows."""

    statement: Statement
    row: type[Row]

    def __post_init__(self) -> None:
        BOUND[self.statement.id] = self

    def choose(self, shown: Shown | None) -> Statement:
        """The statement of what is shown of its rows, and of what hands them out and pages on behind them."""
        if shown is None or shown.row is not self.row:
            return self.statement
        return self.statement.choose(shown.columns | self.always)

    @cached_property
    def always(self) -> frozenset[str]:
        """Columns that are asked for whatever is shown."""
        return frozenset()


BOUND: dict[str, Bound[Any]] = {}
"""Every bound statement by id: what edges name, and what the tests of the house go through."""


class One(Bound[Row]):
    """At most one row."""

    async def __call__(self, db: Db, **args: Any) -> Row | None:
        """The row, or None."""
        records = await db.fetch(self.statement, args)
        return make(self.row, records[0]) if records else None


class Many(Bound[Row]):
    """All rows, in the statement's order."""

    async def __call__(self, db: Db, **args: Any) -> list[Row]:
        """The rows."""
        return [make(self.row, record) for record in await db.fetch(self.statement, args)]


class Exec(Bound[Row]):
    """No rows."""

    async def __call__(self, db: Db, **args: Any) -> None:
        """Run it."""
        await db.fetch(self.statement, args)


@dataclass(frozen=True)
class Paged(Bound[Row]):
    """One row more than asked, from a keyset on: ``keyset`` is (column, where the first page starts)."""

    keyset: Keyset

    @cached_property
    def always(self) -> frozenset[str]:
        """See Bound."""
        return frozenset(column for column, _ in self.keyset)

    async def rows(self, db: Db, shown: Shown | None = None, /, **args: Any) -> list[Row]:
        """The rows behind ``:after_<column>``, ``:limit`` at most. See app/kit/page.py."""
        records = await db.fetch(self.choose(shown) if db.keep_rows else self.statement, args)
        return cast("list[Row]", records) if db.keep_rows else [make(self.row, record) for record in records]


@dataclass(frozen=True)
class PerKey(Bound[Row]):
    """Rows for many keys at once: parameters are arrays, one element for each key.

    A row's ``position`` says which key (from 1) it answers. Of one array, a statement may ask ``= ANY(:ids)`` instead, and
    its rows say by ``id`` whose they are: the planner then looks up the keys, where it may compare each key with each row of
    a workspace otherwise.
    """

    keyset: Keyset

    @cached_property
    def by_id(self) -> bool:
        """Whether rows say by ``id`` whose they are."""
        return "k.position" not in self.statement.body

    @cached_property
    def always(self) -> frozenset[str]:
        """See Bound."""
        paged = [column for column, _ in self.keyset if f":after_{column}" in self.statement.body]
        return frozenset({"id" if self.by_id else "position", *paged})

    async def groups(self, db: Db, **args: Any) -> list[list[Row]]:
        """The rows of each key, in the order of the keys. Every array has one element per key."""
        return [[self._make(record) for record in group] for group in await self.records(db, **args)]

    async def records(self, db: Db, shown: Shown | None = None, /, **args: Any) -> list[list[Record]]:
        """As ``groups``, the rows as they came: for what only shows them."""
        statement = self.choose(shown)
        if self.by_id:
            (keys,) = args.values()
            of_key: dict[Any, list[Record]] = {key: [] for key in keys}
            for record in await db.fetch(statement, args):
                of_key[record["id"]].append(record)
            return [of_key[key] for key in keys]
        size = max(len(value) for value in args.values() if isinstance(value, list | tuple))
        found: list[list[Record]] = [[] for _ in range(size)]
        for record in await db.fetch(statement, args):
            found[record["position"] - 1].append(record)
        return found

    def _make(self, record: Record) -> Row:
        values = dict(record)
        values.pop("position", None)
        return make(self.row, values)

    async def __call__(self, db: Db, **args: Any) -> list[Row | None]:
        """The one row of each key, or None."""
        return [rows[0] if rows else None for rows in await self.groups(db, **args)]


class File:
    """The statements of one noun, bound by name: ``snapshot = File("privacy/snapshot")``."""

    def __init__(self, name: str) -> None:
        self.statements = load(name)

    def _statement(self, name: str, kind: str) -> Statement:
        statement = self.statements[name]
        if statement.kind != kind:
            raise TypeError(f"{statement.id} is :{statement.kind}, not :{kind}")
        return statement

    def one(self, name: str, row: type[Row]) -> One[Row]:
        """A statement of at most one row."""
        return One(self._statement(name, "one"), row)

    def many(self, name: str, row: type[Row]) -> Many[Row]:
        """A statement of all its rows."""
        return Many(self._statement(name, "many"), row)

    def page(self, name: str, row: type[Row], keyset: Keyset | None = None) -> Paged[Row]:
        """A statement of one keyset page; by default newest first by ``id``."""
        return Paged(self._statement(name, "page"), row, keyset or NEWEST_FIRST)

    def edge(self, name: str, row: type[Row], keyset: Keyset | None = None) -> PerKey[Row]:
        """A statement of the rows of many keys, each cut to a page where it takes ``:limit``."""
        return PerKey(self._statement(name, "edge"), row, keyset or NEWEST_FIRST)

    def exec(self, name: str) -> Exec[None]:
        """A statement without rows."""
        return Exec(self._statement(name, "exec"), type(None))


NEWEST_FIRST: Keyset = (("id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),)
"""The first page starts behind the greatest uuid: a cursor that is never NULL stays an index condition."""
