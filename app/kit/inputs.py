"""Inputs: from the values that graphql-core has coerced to what resolvers take, by functions made once for each type.

Strawberry's own ``convert_arguments`` looks at the types of every field of every input again with every request, which was a
third of what a scan cost. What is not plain here is still given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from strawberry.schema import Schema
from strawberry.types.arguments import StrawberryArgument, _is_leaf_type, convert_argument
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional, has_object_definition
from strawberry.types.enum import has_enum_definition
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

Convert = Callable[[Any], Any]


class Inputs:
    """The functions for one schema."""

    def __init__(self, schema: Schema) -> None:
        self._scalars, self._config = schema.schema_converter.scalar_registry, schema.config
        self._objects: dict[Any, Convert] = {}

    def reader(self, arguments: Sequence[StrawberryArgument]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """From a field's arguments by GraphQL name to those of its resolver; what is left out stays so."""
        names = self._config.name_converter
        known = [(names.from_argument(one), one.python_name, self._of(one.type)) for one in arguments]

        def read(values: Mapping[str, Any]) -> dict[str, Any]:
            return {python: convert(values[name]) for name, python, convert in known if name in values}

        return read

    def _of(self, type_: Any) -> Convert:
        if isinstance(type_, StrawberryMaybe):
            return self._by_library(type_)
        if isinstance(type_, StrawberryOptional):
            return self._of(type_.of_type)  # null is let through by all
        if isinstance(type_, StrawberryList):
            return self._of_list(type_)
        if isinstance(type_, LazyType):
            return self._of(type_.resolve_type())
        if has_enum_definition(type_) or _is_plain_leaf(type_, self._scalars):
            return _same
        if has_object_definition(type_) and type_.__strawberry_definition__.is_input:
            return self._of_object(type_)
        return self._by_library(type_)

    def _of_list(self, type_: StrawberryList) -> Convert:
        convert = self._of(type_.of_type)
        return lambda values: values if values is None or values is UNSET else [convert(value) for value in values]

    def _of_object(self, type_: Any) -> Convert:
        found = self._objects.get(type_)
        if found is not None:
            return found
        definition = type_.__strawberry_definition__
        if definition.from_input is not None:
            return self._by_library(type_)
        known: list[tuple[str, str, Convert]] = []

        def make(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            given = {python: convert(value[name]) for name, python, convert in known if name in value}
            return type_(**(missing | given))

        self._objects[type_] = make  # before its fields are looked at: one of them may be of the same type
        missing = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }
        names = self._config.name_converter
        for field in definition.fields:
            convert = self._of(field.resolve_type(type_definition=definition))
            known.append((names.from_field(field), field.python_name, convert))
        return make

    def _by_library(self, type_: Any) -> Convert:
        return lambda value: convert_argument(value, type_, self._scalars, self._config)


def _same(value: Any) -> Any:
    return value


def _is_plain_leaf(type_: Any, scalars: Any) -> bool:
    from strawberry.relay.types import GlobalID

    return type_ is not GlobalID and _is_leaf_type(type_, scalars)
