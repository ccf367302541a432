"""Limits of a document: what it would cost is known before anything of it runs.

One pass over the document, each fragment once: a fragment's figures are kept and added where it is spread, so that spreads
of spreads, which double with each level, cost nothing to refuse. Cost is the number of objects that are asked for (Saleor's
measure): a page of ten links with ten snapshots each is 10 + 100, whatever the rows turn out to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
)

from app.kit.errors import AppError, ErrorCode

MAX_TOKENS = 2_000
MAX_DEPTH = 16
MAX_ALIASES = 50
MAX_ROOT_FIELDS = 20
MAX_COST = 50_000
PLAIN_LIST_COST = 30
"""What a plain list without a declared ``size`` is taken for: they are bounded; settings of a template are the longest."""

_ENDLESS = 10**12
"""Figures stop growing here; it is far beyond every limit."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Figures of a selection: levels below it, aliases and fields in it, objects it asks for."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0
    cost: int = 0


class Scale:
    """Weighs one document with one set of variables. It need not be valid: what is unknown weighs nothing."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self.sizes: set[str] = set()
        """Names of the variables that the cost depends on."""
        self._schema, self._variables = schema, variables
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._weights: dict[str, Weight] = {}

    def check(self, operation: OperationDefinitionNode) -> int:
        """The cost of an operation. Raises TOO_COMPLEX, which says what there is too much of."""
        weight = self._selection(operation.selection_set, self._schema.get_root_type(operation.operation))
        _refuse("levels", weight.depth, MAX_DEPTH)
        _refuse("aliases", weight.aliases, MAX_ALIASES)
        _refuse("root fields", weight.fields, MAX_ROOT_FIELDS)
        _refuse("objects", weight.cost, MAX_COST)
        return weight.cost

    def _selection(self, selections: SelectionSetNode, parent: GraphQLNamedType | None) -> Weight:
        parts = [self._part(node, parent) for node in selections.selections]
        return Weight(
            max((part.depth for part in parts), default=0),
            min(sum(part.aliases for part in parts), _ENDLESS),
            min(sum(part.fields for part in parts), _ENDLESS),
            min(sum(part.cost for part in parts), _ENDLESS),
        )

    def _part(self, node: Any, parent: GraphQLNamedType | None) -> Weight:
        if isinstance(node, FieldNode):
            return self._field(node, parent)
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        assert isinstance(node, InlineFragmentNode)
        on = self._schema.get_type(node.type_condition.name.value) if node.type_condition else parent
        return self._selection(node.selection_set, on)

    def _fragment(self, name: str) -> Weight:
        known = self._weights.get(name)
        if known is None:
            self._weights[name] = Weight()  # what a fragment that spreads itself finds; validation refuses it later
            fragment = self._fragments.get(name)
            if fragment is not None:
                on = self._schema.get_type(fragment.type_condition.name.value)
                self._weights[name] = self._selection(fragment.selection_set, on)
            known = self._weights[name]
        return known

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Weight:
        aliases = 1 if node.alias else 0
        if node.selection_set is None:
            return Weight(1, aliases, 1, 0)
        known = parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}
        found = known.get(node.name.value)
        inner = self._selection(node.selection_set, get_named_type(found.type) if found else None)
        own, times = self._size(found, node) if found else (0, 1)
        return Weight(1 + inner.depth, aliases + inner.aliases, 1, min(own + times * inner.cost, _ENDLESS))

    def _size(self, found: GraphQLField, node: FieldNode) -> tuple[int, int]:
        """How many objects a field asks for, and how often it repeats what is inside."""
        named = get_named_type(found.type)
        if named.name == "PageInfo" or named.name.endswith("Edge") or (node.name.value == "node" and not found.args):
            return 0, 1  # counted where the page is sized
        for argument in node.arguments or ():
            definition = found.args.get(argument.name.value)
            if definition is not None and _asks_for_each(definition.type):
                length = self._length(argument.value)
                return length, length
        if "first" in found.args:
            given = next((a.value for a in node.arguments or () if a.name.value == "first"), None)
            first = self._number(given, found.args["first"].default_value)
            return first, first
        if isinstance(get_nullable_type(found.type), GraphQLList):
            declared = found.extensions.get("strawberry-definition")
            size = declared.metadata.get("size", PLAIN_LIST_COST) if declared is not None else PLAIN_LIST_COST
            return size, size
        return 1, 1

    def _number(self, given: Any, default: Any) -> int:
        """``first`` as it will be; a number out of range is refused when the page is read."""
        value = default
        if isinstance(given, IntValueNode):
            value = int(given.value[:12])
        elif isinstance(given, VariableNode):
            self.sizes.add(given.name.value)
            value = self._variables.get(given.name.value, default)
        return max(0, value) if isinstance(value, int) else 1

    def _length(self, given: Any) -> int:
        """A list of ids or inputs asks for as many objects."""
        if isinstance(given, VariableNode):
            self.sizes.add(given.name.value)
            given = self._variables.get(given.name.value)
            return len(given) if isinstance(given, list) else 1
        return len(given.values) if isinstance(given, ListValueNode) else 1


def _asks_for_each(kind: GraphQLInputType) -> bool:
    """Whether an argument is a list of ids or inputs; one of enum values only filters."""
    return isinstance(get_nullable_type(kind), GraphQLList) and not isinstance(get_named_type(kind), GraphQLEnumType)


def _refuse(what: str, found: int, most: int) -> None:
    if found > most:
        told = str(found) if found < _ENDLESS else "endless"
        raise AppError(ErrorCode.TOO_COMPLEX, f"The document asks for {told} {what}; {most} are allowed. Ask for less at once.")
