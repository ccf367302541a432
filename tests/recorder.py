"""What the tests ran: each statement that reached PostgreSQL, and whether the rows were what their class says."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin
from uuid import UUID

import asyncpg

from app.kit.sql import BOUND, Statement, columns

_ID = re.compile(r"/\* (\S+) \*/")
_PLAIN = (bool, bytes, datetime, float, int, str, UUID)


class Recorder:
    """Listens to every fetch of asyncpg in this process."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.problems: list[str] = []

    def install(self) -> None:
        """Listen from now on: the one place through which pools and plain connections go."""
        fetch = asyncpg.Connection.fetch

        async def recorded(connection: Any, query: str, *args: Any, **options: Any) -> Any:
            records = await fetch(connection, query, *args, **options)
            if match := _ID.match(query):
                self.hear(match[1], query, records)
            return records

        setattr(asyncpg.Connection, "fetch", recorded)  # noqa: B010 - what is typed as overloads cannot be assigned

    def hear(self, id_: str, text: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Note a statement that succeeded, and what is wrong with its rows."""
        self.texts.add(text)
        bound = BOUND.get(id_)
        if bound is None or bound.row is NoneType:
            return
        if bound.statement.kind == "one" and len(records) > 1:
            self.problems.append(f"{id_} returned {len(records)} rows, and is :one")
        for record in records:
            for name, hint in columns(cast(Hashable, bound.row)).items():
                if name in record and not fits(record[name], hint):
                    self.problems.append(f"{id_}.{name} is {record[name]!r}, the class says {hint}")

    def missing(self, statements: Mapping[str, Statement]) -> Iterator[str]:
        """The statements that never ran, and the optional lines that were never sent."""
        for id_, statement in statements.items():
            ran = [text for text in self.texts if text.startswith(f"/* {id_} */")]
            if not ran:
                yield id_
            for name in statement.optional if ran else ():
                without = {text for text, params in statement.variants() if name not in params}
                if without.issuperset(ran):
                    yield f"{id_} with {name}"


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from PostgreSQL is what a field says, before enums are made of texts and numbers."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(value, inside[0])
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inside)
    if origin is list:
        return isinstance(value, list) and all(fits(each, inside[0]) for each in value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return value in {member.value for member in hint}
    if hint in _PLAIN:
        return type(value) is hint or (hint in (UUID, datetime) and isinstance(value, hint))
    return value is None if hint is NoneType else value is not None or hint is Any
