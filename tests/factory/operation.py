"""Random operations that are valid for a schema: fragments, aliases, merged fields, variables, @skip and @include."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    parse,
)
from hypothesis import HealthCheck, settings

FULL = os.environ.get("FIVEFOLD_PROOF", "quick") == "full"

T = TypeVar("T")

Composite = GraphQLObjectType | GraphQLInterfaceType

WRONG: Sequence[Any] = (None, [], {}, "no value of this type", 12.5, 2**40, True)
"""What a client may send in a variable of any type."""


def proof(quick: int, full: int) -> settings:
    """How many examples; those of the quick proof are always the same ones."""
    return settings(
        max_examples=full if FULL else quick,
        derandomize=not FULL,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Dice:
    """Where chance comes from: ``roll(n)`` is 0 to n - 1, and 0 is the simplest."""

    roll: Callable[[int], int]

    def choice(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[self.roll(len(values))]

    def chance(self, percent: int) -> bool:
        """Seldom or often True."""
        return self.roll(100) >= 100 - percent


@dataclass(frozen=True)
class Operation:
    """A document, the operation of it to run, and its variables."""

    text: str
    variables: dict[str, Any]
    name: str | None = None

    @property
    def is_mutation(self) -> bool:
        """Whether it writes."""
        return self.text.startswith("mutation")


@dataclass(frozen=True)
class Pool:
    """What inputs are filled with, by ``field.argument``, ``Input.field``, name or type, whichever is found first.

    ``good`` values make operations succeed, ``odd`` ones are of the right type and mostly refused. The good values of an input
    type are whole objects.
    """

    good: Mapping[str, Sequence[Any]]
    odd: Mapping[str, Sequence[Any]]

    def pick(self, dice: Dice, names: Sequence[str]) -> Any:
        """A good value, or now and then an odd one."""
        odd = next((self.odd[name] for name in names if name in self.odd), ())
        good = next((self.good[name] for name in names if name in self.good), ())
        return dice.choice(odd if not good or (odd and dice.chance(8)) else good)


@dataclass
class Entry:
    """A field under its response key."""

    parent: str
    field: str
    type: str
    arguments: str
    leaf: bool
    below: Scope

    def is_like(self, other: Entry) -> bool:
        """Whether both may stand under one key."""
        if (self.field, self.arguments, self.type) != (other.field, other.arguments, other.type):
            return False
        return self.leaf or (self.parent == other.parent and self.below.takes(other.below))


@dataclass
class Scope:
    """What is selected of one object so far, by response key, through whatever fragments."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def takes(self, other: Scope) -> bool:
        """Whether the two merge."""
        return all(key not in self.entries or self.entries[key].is_like(entry) for key, entry in other.entries.items())

    def add(self, other: Scope) -> None:
        """Merge a copy of the other into this one."""
        for key, entry in other.entries.items():
            if key not in self.entries:
                values = vars(entry) | {"below": Scope()}
                self.entries[key] = Entry(**values)
            self.entries[key].below.add(entry.below)


@dataclass(frozen=True)
class Fragment:
    """A fragment that is complete and may be spread wherever its type fits."""

    name: str
    on: Composite
    scope: Scope
    text: str


class Maker:
    """Makes one operation, ``depth`` objects deep. ``wrong`` percent of its variables have a value of another type."""

    def __init__(self, schema: GraphQLSchema, pool: Pool, dice: Dice, *, depth: int = 7, wrong: int = 2) -> None:
        self.schema, self.pool, self.dice, self.depth, self.wrong = schema, pool, dice, depth, wrong
        self.fields_left = dice.choice([12, 6, 25, 50])
        self.declared: dict[str, str] = {}
        self.given: dict[str, Any] = {}
        self.fragments: list[Fragment] = []
        self.aliases = 0

    def make(self, kind: str) -> Operation:
        """An operation of this kind, query or mutation."""
        root = self.schema.query_type if kind == "query" else self.schema.mutation_type
        assert root is not None
        body = self._selection(root, Scope(), self.depth, most=3)
        if kind == "query" and self.dice.chance(2):
            body = body.removesuffix("}") + 'introspected: __type(name: "Query") { name } }'
        parts = self._used(body)
        used = [name for name in self.declared if any(re.search(rf"\${name}\b", part) for part in parts)]
        head = f"({', '.join(self.declared[name] for name in used)})" if used else ""
        name = "Asked" if self.dice.chance(70) else None
        text = f"{kind} {name or ''}{head} {body}"
        if name and self.dice.chance(15):
            text += " query Other { __typename }"
        variables = {key: value for key, value in self.given.items() if key in used}
        if self.dice.chance(10):
            variables["unknown"] = 1
        return Operation(" ".join([text, *parts[1:]]), variables, name)

    def _used(self, body: str) -> list[str]:
        """The body and the fragments that it leads to."""
        parts = [body]
        for part in parts:  # grows while it is read
            names = re.findall(r"\.\.\.(F\d+)\b", part)
            parts += [f.text for f in self.fragments if f.name in names and f.text not in parts]
        return parts

    # Selections

    def _selection(self, type_: Composite, scope: Scope, depth: int, most: int = 4) -> str:
        count = self.dice.roll(most) + 1 if self.fields_left > 0 else 1
        parts = [self._part(type_, scope, depth if self.fields_left > 0 else 0) for _ in range(count)]
        return f"{{ {' '.join(parts)} }}"

    def _part(self, type_: Composite, scope: Scope, depth: int) -> str:
        choice = self.dice.roll(100)
        if isinstance(type_, GraphQLInterfaceType) and depth > 0:
            choice += 40
        if choice < 75 or depth <= 0:
            return self._field(type_, scope, depth)
        if choice < 80:
            return self._typename(scope)
        if choice < 110:
            on = self._condition(type_)
            condition = f" on {on.name}" if on is not type_ or self.dice.chance(50) else ""
            return f"...{condition}{self._directive()} {self._selection(on, scope, depth - 1)}"
        return self._spread(type_, scope, depth)

    def _typename(self, scope: Scope) -> str:
        key = "kind" if self.dice.chance(20) else "__typename"
        if key in scope.entries and scope.entries[key].field != "__typename":
            key = "__typename"  # a field of the schema is called that
        scope.entries.setdefault(key, Entry("", "__typename", "String!", "", True, Scope()))
        return key if key == "__typename" else f"{key}: __typename"

    def _condition(self, type_: Composite) -> Composite:
        """A type that a fragment inside of this one may be on."""
        others = self.schema.get_possible_types(type_) if isinstance(type_, GraphQLInterfaceType) else type_.interfaces
        chosen: Composite = self.dice.choice([type_, *others])
        return chosen

    def _spread(self, type_: Composite, scope: Scope, depth: int) -> str:
        fitting = [f for f in self.fragments if f.on is type_ or f.on in getattr(type_, "interfaces", ())]
        fitting = [f for f in fitting if scope.takes(f.scope)]
        if fitting and self.dice.chance(50):
            fragment = self.dice.choice(fitting)
        else:
            on, own = self._condition(type_), Scope()
            body = self._selection(on, own, depth - 1)
            if not scope.takes(own):
                return self._typename(scope)
            name = f"F{len(self.fragments)}"
            fragment = Fragment(name, on, own, f"fragment {name} on {on.name} {body}")
            self.fragments.append(fragment)
        scope.add(fragment.scope)
        return f"...{fragment.name}{self._directive()}"

    def _field(self, type_: Composite, scope: Scope, depth: int) -> str:
        self.fields_left -= 1
        again = [key for key, entry in scope.entries.items() if entry.parent == type_.name]
        if again and self.dice.chance(15):
            key = self.dice.choice(again)
            found = type_.fields[scope.entries[key].field]
            return self._written(key, scope.entries[key], found, depth)
        leaves = [name for name, found in type_.fields.items() if is_leaf_type(get_named_type(found.type))]
        others = [name for name in type_.fields if name not in leaves] if depth > 0 else []
        if not leaves and not others:
            return self._typename(scope)
        name = self.dice.choice(others if others and (not leaves or self.dice.chance(55)) else leaves)
        found = type_.fields[name]
        leaf = is_leaf_type(get_named_type(found.type))
        arguments = self._arguments(found, name)
        entry = Entry(type_.name, name, str(found.type), arguments, leaf, Scope())
        key = self.dice.choice(["a", "b", *type_.fields]) if self.dice.chance(20) else name
        if key in scope.entries and not scope.entries[key].is_like(entry):
            self.aliases += 1
            key = f"as{self.aliases}"
        return self._written(key, scope.entries.setdefault(key, entry), found, depth)

    def _written(self, key: str, entry: Entry, found: GraphQLField, depth: int) -> str:
        below = get_named_type(found.type)
        alias = "" if key == entry.field else f"{key}: "
        text = f"{alias}{entry.field}{entry.arguments}{self._directive()}"
        if isinstance(below, GraphQLObjectType | GraphQLInterfaceType):
            # Neither edges nor nodes of a page bring the end nearer.
            step = 0 if below.name.endswith(("Edge", "Connection")) and depth > 1 else 1
            text += f" {self._selection(below, entry.below, depth - step)}"
        return text

    def _directive(self) -> str:
        if not self.dice.chance(8):
            return ""
        name, value = self.dice.choice(["skip", "include"]), self.dice.choice(["true", "false"])
        if self.dice.chance(60):
            variable = self.dice.choice(["yes", "no", "maybe"])
            if variable not in self.declared:
                self.declared[variable] = f"${variable}: Boolean! = false" if self.dice.chance(30) else f"${variable}: Boolean!"
                if "=" not in self.declared[variable] or self.dice.chance(50):
                    self.given[variable] = self.dice.chance(50)
            value = f"${variable}"
        return f" @{name}(if: {value})"

    # Arguments

    def _arguments(self, found: GraphQLField, name: str) -> str:
        parts = []
        for key, argument in found.args.items():
            if is_required_argument(argument) or self.dice.chance(85 if key == "first" else 35):
                value = self._value(argument.type, (f"{name}.{key}", key))
                parts.append(f"{key}: {self._given(argument, argument.type, value)}")
        return f"({', '.join(parts)})" if parts else ""

    def _value(self, type_: Any, names: tuple[str, ...]) -> Any:
        """A value as a client would send it in JSON."""
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, names)
        return None if self.dice.chance(5) else self._present(type_, names)

    def _present(self, type_: Any, names: tuple[str, ...]) -> Any:
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, names) for _ in range(self.dice.choice([1, 2, 1, 3, 0, 6]))]
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_)
        if isinstance(type_, GraphQLEnumType):
            return self.dice.choice(list(type_.values))
        return self.pool.pick(self.dice, (*names, type_.name))

    def _object(self, type_: GraphQLInputObjectType) -> dict[str, Any]:
        made = dict(self.pool.pick(self.dice, [type_.name])) if type_.name in self.pool.good else {}
        for key, found in type_.fields.items():
            if key in made and not self.dice.chance(5):
                continue
            if is_required_input_field(found) or self.dice.chance(20):
                made[key] = self._value(found.type, (f"{type_.name}.{key}", key))
        return made

    def _given(self, place: GraphQLArgument | GraphQLInputField | None, type_: Any, value: Any) -> str:
        """The value written where it is wanted, or a variable that holds it."""
        if self.dice.chance(35):
            return self._variable(place, type_, value)
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(inner, GraphQLList) and isinstance(value, list):
            return f"[{', '.join(self._given(None, inner.of_type, item) for item in value)}]"
        if isinstance(inner, GraphQLInputObjectType) and isinstance(value, dict):
            parts = (f"{key}: {self._given(inner.fields[key], inner.fields[key].type, item)}" for key, item in value.items())
            return f"{{{', '.join(parts)}}}"
        return literal(inner, value)

    def _variable(self, place: GraphQLArgument | GraphQLInputField | None, type_: Any, value: Any) -> str:
        name = f"v{len(self.declared)}"
        required = isinstance(type_, GraphQLNonNull)
        optional = type_.of_type if required else type_
        has_default = place is not None and place.default is not None
        shown, leave_out = str(type_), False
        if required and self.dice.chance(30):
            shown = f"{optional} = {literal(optional, value)}"
            leave_out = self.dice.chance(50)
        elif required and has_default and self.dice.chance(40):
            shown, leave_out = str(optional), self.dice.chance(50)
        elif not required and self.dice.chance(30):
            shown, leave_out = (f"{optional}!", False) if value is not None and self.dice.chance(40) else (str(optional), True)
        self.declared[name] = f"${name}: {shown}"
        if not leave_out:
            self.given[name] = self.dice.choice(WRONG) if self.dice.chance(self.wrong) else value
        return f"${name}"


def literal(type_: Any, value: Any) -> str:
    """A value as it stands in a document."""
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if value is None:
        return "null"
    if isinstance(inner, GraphQLList):
        return f"[{', '.join(literal(inner.of_type, item) for item in value)}]"
    if isinstance(inner, GraphQLInputObjectType):
        return f"{{{', '.join(f'{key}: {literal(inner.fields[key].type, item)}' for key, item in value.items())}}}"
    if isinstance(inner, GraphQLEnumType):
        return str(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {literal(inner, item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(literal(inner, item) for item in value)}]"
    return json.dumps(value)


def everything(type_: Any, depth: int) -> str:
    """All fields of an object, and of the objects behind them, ``depth`` deep; of an interface its own."""
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    parts = ["__typename"]
    for name, found in named.fields.items():
        below = get_named_type(found.type)
        if is_leaf_type(below):
            parts.append(name)
        elif depth > 1:
            step = 0 if below.name.endswith(("Edge", "Connection")) else 1
            parts.append(f"{name} {everything(below, depth - step)}")
    return f"{{ {' '.join(parts)} }}"


def reached(schema: GraphQLSchema, text: str, asked: OperationDefinitionNode, data: Any) -> set[tuple[str, str]]:
    """The fields as (type, field) that an answer has a value or null for. Objects of an interface must show ``__typename``."""
    document = parse(text)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    root = schema.get_root_type(asked.operation)
    assert root is not None
    found: set[tuple[str, str]] = set()

    def visit(selections: Any, type_: Any, value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                visit(selections, type_, item)
        elif isinstance(value, dict):
            name = value.get("__typename", "") if isinstance(type_, GraphQLInterfaceType) else type_.name
            if name:
                visit_object(selections, schema.type_map[name], value)

    def visit_object(selections: Any, type_: Any, value: dict[str, Any]) -> None:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                if key in value and not node.name.value.startswith("__"):
                    found.add((type_.name, node.name.value))
                    if node.selection_set:
                        visit(node.selection_set, get_named_type(type_.fields[node.name.value].type), value[key])
                continue
            inside = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = inside.type_condition.name.value if inside.type_condition else type_.name
            if condition in (type_.name, *(each.name for each in type_.interfaces)):
                visit_object(inside.selection_set, type_, value)

    visit(asked.selection_set, root, data)
    return found
