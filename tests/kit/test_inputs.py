"""Inputs: resolvers are given what Strawberry itself would give them."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, parse
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import convert_arguments

from app.kit.inputs import Inputs


@strawberry.enum
class Color(Enum):
    RED = "red"
    BLUE = "blue"


@strawberry.input
class Tree:
    name: str
    color: Color | None
    colors: list[Color | None] | None = None
    tags: list[str] = strawberry.field(default_factory=lambda: ["new"])
    branches: list[Tree] | None = None
    size: int = 3
    left_out: str | None = strawberry.UNSET


@strawberry.input
class Patch:
    label: strawberry.Maybe[str | None]


@strawberry.type
class Query:
    @strawberry.field
    def grow(
        self,
        tree: Tree | None = None,
        trees: list[Tree | None] | None = None,
        ids: list[strawberry.ID] | None = None,
        patch: Patch | None = None,
        shade: Color = Color.BLUE,
        camel_case: int = 1,
    ) -> str:
        return ""


schema = strawberry.Schema(Query)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "(tree: null, trees: null, ids: null, patch: null)",
        '(tree: {name: "a"})',
        '(tree: {name: "a", color: null, colors: [RED, null, BLUE], leftOut: null, size: 7, tags: []})',
        '(tree: {name: "a", color: RED, branches: [{name: "b", branches: [{name: "c", colors: null}]}]})',
        '(trees: [null, {name: "a", tags: ["x"]}], ids: ["1", "2"], shade: RED, camelCase: 2)',
        '(patch: {label: "x"})',
        "(patch: {label: null})",
        "(patch: {})",
    ],
)
def test_it_is_what_the_library_makes(given: str) -> None:
    field: Any = schema._schema.query_type.fields["grow"]  # type: ignore[union-attr]
    declared = field.extensions["strawberry-definition"]
    document: Any = parse("{ grow" + given + " }")
    node = document.definitions[0].selection_set.selections[0]
    try:
        values = get_argument_values(field, node, VariableValues({}, {}))
    except GraphQLError as error:
        pytest.fail(error.message)
    expected = convert_arguments(values, declared.arguments, schema.schema_converter.scalar_registry, schema.config)
    for _ in range(2):
        assert Inputs(schema).reader(declared.arguments)(values) == expected


def test_no_two_calls_share_a_list() -> None:
    field: Any = schema._schema.query_type.fields["grow"]  # type: ignore[union-attr]
    read = Inputs(schema).reader(field.extensions["strawberry-definition"].arguments)
    values = {"ids": ["1"]}
    read(values)["ids"].append("2")
    assert read(values) == {"ids": ["1"]}
    assert read({"tree": {"name": "a"}})["tree"].tags == ["new"]
