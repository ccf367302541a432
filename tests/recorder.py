"""What the tests ran: each statement that reached PostgreSQL, and each field that a plan answered; and whether the rows were
what their class says."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin
from uuid import UUID

import asyncpg
from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    visit,
)
from strawberry.types.execution import ExecutionResult

from app.kit.document import Document
from app.kit.executor import Executor
from app.kit.pool import Session
from app.kit.sql import BOUND, Statement, columns
from app.schema import schema
from tests.factory.operation import reached

_ID = re.compile(r"/\* (\S+) \*/")
_PLAIN = (bool, bytes, datetime, float, int, str, UUID)


class Recorder:
    """Listens to every fetch of asyncpg and every answer of the executor in this process."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.problems: list[str] = []
        self.fields: set[tuple[str, str]] = set()
        self._selected: dict[str, set[tuple[str, str]]] = {}

    def install(self) -> None:
        """Listen from now on, at the places through which everything goes."""
        self._listen_to_fetches()
        self._listen_to_plans()

    def _listen_to_plans(self) -> None:
        execute, events, stock, stock_event = Executor.execute, Executor.events, Executor._stock, Executor._stock_event
        given_up = ContextVar("given_up", default=False)

        async def executed(self_: Executor, document: Document, *args: Any) -> ExecutionResult:
            given_up.set(False)
            result = await execute(self_, document, *args)
            if not given_up.get() and result.errors is None and self_.schema is schema:
                self.answer(document.text, args[0], result.data)
            return result

        async def told(self_: Executor, document: Document, *args: Any) -> list[ExecutionResult]:
            given_up.set(False)
            results = await events(self_, document, *args)
            for result in results if not given_up.get() and self_.schema is schema else ():
                self.answer(document.text, args[0], result.data)
            return results

        async def stocked(self_: Executor, *args: Any) -> Any:
            given_up.set(True)
            return await stock(self_, *args)

        async def stocked_event(self_: Executor, *args: Any) -> Any:
            given_up.set(True)
            return await stock_event(self_, *args)

        for name, wrapped in (("execute", executed), ("events", told), ("_stock", stocked), ("_stock_event", stocked_event)):
            setattr(Executor, name, wrapped)

    def answer(self, text: str, operation: OperationDefinitionNode, data: Any) -> None:
        """Note the fields of an answer of a plan; a document whose fields are all known is looked at no more."""
        key = f"{operation.name.value if operation.name else ''} {text}"
        if key not in self._selected:
            self._selected[key] = selected(schema._schema, text)
        if not self._selected[key] <= self.fields:
            self.fields |= reached(schema._schema, text, operation, data)

    def unplanned(self) -> Iterator[str]:
        """The fields of the schema that no plan answered."""
        for type_ in schema._schema.type_map.values():
            if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
                yield from (f"{type_.name}.{name}" for name in type_.fields if (type_.name, name) not in self.fields)

    def _listen_to_fetches(self) -> None:
        fetch = asyncpg.Connection.fetch

        async def recorded(connection: Any, query: str, *args: Any, **options: Any) -> Any:
            records = await fetch(connection, query, *args, **options)
            if match := _ID.match(query):
                self.hear(match[1], query, records)
            return records

        cursor = asyncpg.Connection.cursor

        def streamed(connection: Any, query: str, *args: Any, **options: Any) -> Any:
            if _ID.match(query):
                self.texts.add(query)
            return cursor(connection, query, *args, **options)

        execute = asyncpg.Connection.execute

        async def executed(connection: Any, query: str, *args: Any, **options: Any) -> Any:
            done = await execute(connection, query, *args, **options)
            self.texts.update(match[0] for match in _ID.finditer(query))  # behind BEGIN, with values in it
            return done

        announce = Session.announce

        def announced(session: Session, text: str) -> bool:
            self.texts.update(match[0] for match in _ID.finditer(text))  # if it fails, so does what follows it
            return announce(session, text)

        setattr(Session, "announce", announced)  # noqa: B010 - as below
        setattr(asyncpg.Connection, "execute", executed)  # noqa: B010 - as below
        setattr(asyncpg.Connection, "cursor", streamed)  # noqa: B010 - as below
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


def selected(schema: GraphQLSchema, text: str) -> set[tuple[str, str]]:
    """The fields as (type, field) that a document selects of object types."""
    types, found = TypeInfo(schema), set[tuple[str, str]]()

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent = types.get_parent_type()
            if isinstance(parent, GraphQLObjectType) and not node.name.value.startswith("__"):
                found.add((parent.name, node.name.value))

    visit(parse(text), TypeInfoVisitor(types, Fields()))
    return found


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
