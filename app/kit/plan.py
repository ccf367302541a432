"""Plans: a document compiled against the schema once, so that running it is fetching rows and filling dictionaries.

For every object type that a document selects there is one *selection*: a generated function that makes the dictionaries of
all its parents at once, and *children*, the fields that lead to other objects. What is not selected is in neither. Whatever
has no place here raises Unplannable, and the document runs on the stock executor.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.schema import Schema
from strawberry.types.field import StrawberryField

from app.kit.context import Context
from app.kit.edge import Edge
from app.kit.graphql import Node
from app.kit.inputs import Inputs
from app.kit.page import Page, PageEdge, PageInfo
from app.kit.sql import Shown

NATIVE = frozenset({"ID", "String", "Int", "Float", "Boolean", "DateTime", "UUID", "JSON"})
"""Scalars whose column orjson writes as the schema's own serializer would."""


class Unplannable(Exception):
    """The document has something that plans do not know; the text names it."""


class Surprise(Exception):
    """A value that the schema does not allow: the stock executor knows what that means for the answer."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan."""

    context: Context
    variables: VariableValues


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """What a resolver may ask of its ``info``."""

    context: Context


Fetch = Callable[[Run, Sequence[Any]], Awaitable[Sequence[Any]]]
Build = Callable[[Sequence[Any]], list[dict[str, Any]]]
Arguments = Callable[[Run], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """The wrapping of a field's type; lists of lists are unplannable."""

    required: bool
    many: bool
    item_required: bool


@dataclass(slots=True)
class Child:
    """A field whose value is fetched for all parents at once; ``selection`` by type name, empty for a leaf."""

    key: str
    fetch: Fetch
    shape: Shape
    selections: dict[str, Selection]
    convert: Callable[[Any], Any] | None = None
    overlay: Overlay | None = None
    wrap: Wrap | None = None
    """Of a page's edges: the selections are those of the rows then, and ``fetch`` reads these."""


Wrap = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""Puts each of a page's rows, as it is shown, into its edge."""
Overlay = Callable[[Sequence[dict[str, Any]], Sequence[tuple[Any, ...]]], list[dict[str, Any]]]
"""Copies of what many parents share, with each one's own columns put in."""


@dataclass(frozen=True, slots=True)
class Own:
    """A selected column that is a parent's own, where others are shared; ``index`` is its place in the edge's ``own``."""

    key: str
    index: int
    required: bool
    convert: Callable[[Any], Any] | None


@dataclass(slots=True)
class Selection:
    """What a document selects of one object type; ``shown``: of the rows that it is made of, or of those of a page."""

    of_rows: Build
    of_objects: Build
    children: list[Child] = field(default_factory=list)
    own: list[Own] = field(default_factory=list)
    shown: Shown | None = None
    wrap: Wrap | None = None
    """Of an edge of which nothing but the row is selected."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation: what it selects, and the nodes of each root field."""

    root: Selection
    nodes: dict[str, list[FieldNode]]


class Planner:
    """Makes plans for one schema."""

    def __init__(self, schema: Schema) -> None:
        self.strawberry = schema
        self.inputs = Inputs(schema)
        self.schema: GraphQLSchema = schema._schema

    def plan(
        self, operation: OperationDefinitionNode, fragments: dict[str, FragmentDetails], variables: VariableValues
    ) -> Plan:
        """The plan of an operation. ``variables`` decide @skip and @include only. Raises Unplannable."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        return _Compiler(self, operation, fragments, variables).root(root)

    def source(
        self, operation: OperationDefinitionNode, fragments: dict[str, FragmentDetails], variables: VariableValues
    ) -> Fetch | None:
        """How a subscription is asked where its events come from; None when its one field is skipped."""
        root = self.schema.subscription_type
        assert root is not None
        return _Compiler(self, operation, fragments, variables).source(root)


class _Compiler:
    """One document with one answer to each @skip and @include."""

    def __init__(
        self,
        planner: Planner,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
    ) -> None:
        self.planner, self.operation, self.fragments, self.variables = planner, operation, fragments, variables

    def root(self, root: GraphQLObjectType) -> Plan:
        collected = collect_fields(self.planner.schema, self.fragments, self.variables, root, self.operation)
        nodes = {key: [found.node for found in details] for key, details in collected.grouped_field_set.items()}
        return Plan(self._selection(root, collected), nodes)

    def source(self, root: GraphQLObjectType) -> Fetch | None:
        collected = collect_fields(self.planner.schema, self.fragments, self.variables, root, self.operation)
        for details in collected.grouped_field_set.values():
            node = details[0].node
            definition = root.fields[node.name.value]
            declared = definition.extensions["strawberry-definition"]
            return _fetch(declared, self._arguments(declared, definition, node))
        return None

    def _selection(self, parent: GraphQLObjectType, collected: Any, own: tuple[str, ...] = ()) -> Selection:
        if collected.new_defer_usages:
            raise Unplannable("defer")
        source = _Source(parent.name)
        children = []
        owned = []
        for key, details in collected.grouped_field_set.items():
            name = details[0].node.name.value
            if name == "__typename":
                source.add_constant(key, parent.name)
            elif name.startswith("__"):
                raise Unplannable("introspection")
            elif (column := parent.fields[name].extensions["strawberry-definition"].python_name) in own:
                source.add_constant(key, None)
                named, shape = _unwrap(parent.fields[name])
                owned.append(Own(key, own.index(column), shape.required, _converter(named)))
            elif (child := self._field(source, parent, key, parent.fields[name], details)) is not None:
                source.add_constant(key, None)  # keeps the order of the selection; filled when it was fetched
                children.append(child)
        of_rows, of_objects = source.compile("{row}[{name!r}]"), source.compile("{row}.{name}")
        selection = Selection(of_rows, of_objects, children, owned, _shown(parent, source, children))
        if issubclass(parent.extensions["strawberry-definition"].origin, PageEdge) and not source.before and len(children) == 1:
            selection.wrap = source.compile_wrap(children[0].key)
        return selection

    def _field(
        self, source: _Source, parent: GraphQLObjectType, key: str, definition: GraphQLField, details: list[FieldDetails]
    ) -> Child | None:
        """A leaf goes into the source; anything that must be fetched is a child."""
        declared = definition.extensions["strawberry-definition"]
        assert isinstance(declared, StrawberryField)
        if declared.extensions:
            raise Unplannable("field extension")
        named, shape = _unwrap(definition)
        found: Edge | None = declared.metadata.get("edge")
        selections = self._selections(named, details, found.own if found else ())
        if declared.python_name == "list_edges" and issubclass(parent.extensions["strawberry-definition"].origin, Page):
            (selection,) = selections.values()
            if selection.wrap is not None:
                (node,) = selection.children
                source.columns.add("rows")
                return Child(key, _rows_of, replace(shape, item_required=True), node.selections, wrap=selection.wrap)
        if not selections and found is None:
            if declared.base_resolver is None:
                source.add_column(key, declared.python_name, named, shape)
                return None
            if declared.base_resolver.wrapped_func is Node.global_id:
                source.add_global_id(key, declared, parent)
                return None
            if not declared.base_resolver.is_async and not definition.args and not declared.base_resolver.info_parameter:
                source.add_computed(key, declared.base_resolver.wrapped_func, named, shape)
                return None
        arguments = self._arguments(declared, definition, details[0].node)
        convert = None if selections else _converter(named)
        overlay = _overlay(selections[named.name], len(found.own)) if found and found.own else None
        source.add_child(declared)
        shown = selections[named.name].shown if len(selections) == 1 and named.name in selections else None
        return Child(key, _fetch(declared, arguments, shown), shape, selections, convert, overlay)

    def _selections(
        self, named: GraphQLNamedType, details: list[FieldDetails], own: tuple[str, ...] = ()
    ) -> dict[str, Selection]:
        """By name of the concrete type; empty for a leaf."""
        if isinstance(named, GraphQLObjectType):
            possible = [named]
        elif isinstance(named, GraphQLInterfaceType):
            possible = list(self.planner.schema.get_possible_types(named))
        elif isinstance(named, GraphQLScalarType | GraphQLEnumType):
            return {}
        else:
            raise Unplannable("union")
        return {
            concrete.name: self._selection(
                concrete,
                collect_subfields(self.planner.schema, self.fragments, self.variables, self.operation, concrete, details),
                own,
            )
            for concrete in possible
        }

    def _arguments(self, declared: StrawberryField, definition: GraphQLField, node: FieldNode) -> Arguments:
        """Constant arguments are read once; others for each run."""
        if not definition.args:
            return lambda run: {}
        convert = self.planner.inputs.reader(declared.arguments)

        def read(variables: VariableValues) -> dict[str, Any]:
            return convert(get_argument_values(definition, node, variables))

        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        varying = {name: value for name, value in given.items() if _names_variable(value)}
        if not varying:
            constant = read(VariableValues({}, {}))
            return lambda run: constant
        config = self.planner.strawberry.config
        python_names = {config.name_converter.from_argument(one): one.python_name for one in declared.arguments}
        plain = {
            python_names[name]: value.name.value
            for name, value in varying.items()
            if isinstance(value, VariableNode) and _is_plain(definition.args[name].type)
        }
        if len(plain) < len(varying):
            return lambda run: read(run.variables)
        first: dict[str, Any] = {}  # as the first run read them: all but the plain ones stay so

        def fill(run: Run) -> dict[str, Any]:
            coerced = run.variables.coerced
            if not all(name in coerced for name in plain.values()):
                return read(run.variables)
            if not first:
                first.update(read(run.variables))
            return first | {name: coerced[variable] for name, variable in plain.items()}

        return fill


def _is_plain(type_: Any) -> bool:
    """Whether a coerced variable of this type is what the resolver takes."""
    named = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    return isinstance(named, GraphQLScalarType) and named.name in ("ID", "String", "Int", "Boolean")


def _names_variable(node: Any) -> bool:
    class Found(Visitor):
        """Looks for a variable anywhere in a value."""

        seen = False

        def enter_variable(self, *_: Any) -> None:
            self.seen = True

    found = Found()
    visit(node, found)
    return found.seen or isinstance(node, VariableNode)


def _unwrap(definition: GraphQLField) -> tuple[GraphQLNamedType, Shape]:
    type_: Any = definition.type
    required = isinstance(type_, GraphQLNonNull)
    type_ = type_.of_type if required else type_
    many, item_required = isinstance(type_, GraphQLList), False
    if many:
        type_ = type_.of_type
        item_required = isinstance(type_, GraphQLNonNull)
        type_ = type_.of_type if item_required else type_
    if isinstance(type_, GraphQLList):
        raise Unplannable("list of lists")
    return type_, Shape(required, many, item_required)


def _shown(parent: GraphQLObjectType, source: _Source, children: Sequence[Child]) -> Shown | None:
    """What is shown of a type's rows; of a page, what is shown of the rows on it. None where that is not known."""
    row_class = parent.extensions["strawberry-definition"].origin
    if row_class is PageInfo:
        return Shown(PageInfo, frozenset())
    if not issubclass(row_class, Page | PageEdge):
        return None if source.whole else Shown(row_class, frozenset(source.columns))
    below = [each.shown for child in children for each in child.selections.values()]
    known = [each for each in below if each is not None and each.row is not PageInfo]
    if None in below or len({each.row for each in known}) != 1:
        return None
    return Shown(known[0].row, frozenset[str]().union(*(each.columns for each in known)))


def _fetch(declared: StrawberryField, arguments: Arguments, shown: Shown | None = None) -> Fetch:
    """How a child gets its values: its edge, its resolver for each parent, or an attribute that holds them."""
    found: Edge | None = declared.metadata.get("edge")
    if found is not None:

        async def fetch_edge(run: Run, parents: Sequence[Any]) -> Sequence[Any]:
            return await found.fetch(run.context, parents, shown, **arguments(run))

        return fetch_edge
    resolver = declared.base_resolver
    name = declared.python_name
    if resolver is None:

        async def read_attribute(run: Run, parents: Sequence[Any]) -> Sequence[Any]:
            return [getattr(parent, name) for parent in parents]

        return read_attribute
    function: Any = resolver.wrapped_func
    takes_info, is_async = resolver.info_parameter is not None, resolver.is_async

    async def call(run: Run, parents: Sequence[Any]) -> Sequence[Any]:
        given = arguments(run)
        if takes_info:
            given = given | {"info": PlanInfo(run.context)}
        run.context.db.shown = shown
        try:
            return [await function(parent, **given) if is_async else function(parent, **given) for parent in parents]
        finally:
            run.context.db.shown = None

    return call


async def _rows_of(run: Run, pages: Sequence[Page[Any]]) -> Sequence[Any]:
    """The rows of pages."""
    return [page.rows for page in pages]


def _overlay(selection: Selection, count: int) -> Overlay:
    """``{**shared, "value": own0}`` for each row, as generated text: nothing is faster for a few keys."""
    if selection.children:
        raise Unplannable("edge below shared rows")
    names = "".join(f"own{index}, " for index in range(count))
    namespace: dict[str, Any] = {"Surprise": Surprise}
    lines, items = ["def overlay(rows, owns):"], ""
    for own in selection.own:
        value = f"own{own.index}"
        if own.required:
            lines.append(f"    if None in [{value} for {names} in owns]: raise Surprise({own.key!r})")
        if own.convert is not None:
            namespace[f"convert{own.index}"] = own.convert
            value = f"None if {value} is None else convert{own.index}({value})"
        items += f", {own.key!r}: {value}"
    lines.append(f"    return [{{**row{items}}} for row, ({names}) in zip(rows, owns, strict=True)]")
    exec("\n".join(lines), namespace)  # noqa: S102 - keys are GraphQL names
    overlay: Overlay = namespace["overlay"]
    return overlay


def _converter(named: GraphQLNamedType) -> Callable[[Any], Any] | None:
    """From a column's value to the answer's; None where they are the same."""
    if isinstance(named, GraphQLEnumType):
        names = _enum_names(named)
        return names.__getitem__
    assert isinstance(named, GraphQLScalarType)
    return None if named.name in NATIVE else named.serialize


def _enum_names(named: GraphQLEnumType) -> Mapping[Any, str]:
    """The name of each value, whether it comes as the database's text or number or as the member."""
    members = named.wrapped_cls  # type: ignore[attr-defined]
    names = {value.value: name for name, value in named.values.items()}
    return {key: names[member.value] for member in members for key in (member.value, member)}


class _Source:
    """The Python text of a function that makes the dictionaries of one selection."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name
        self.columns: set[str] = set()
        self.whole = False  # whether something is made of a row that may read any of its columns
        self.items: list[str] = []
        self.before: list[str] = []
        self.names: dict[str, Any] = {"Surprise": Surprise}

    def add_constant(self, key: str, value: str | None) -> None:
        self.items.append(f"{key!r}: {value!r}")

    def add_child(self, declared: StrawberryField) -> None:
        """What it takes to fetch a child."""
        found: Edge | None = declared.metadata.get("edge")
        if found is not None:
            self.columns.update(column for _, column in found.columns)
            self.whole |= not isinstance(found.source, str)
        elif declared.base_resolver is None:
            self.columns.add(declared.python_name)
        else:
            self.whole = True

    def add_column(self, key: str, column: str, named: GraphQLNamedType, shape: Shape) -> None:
        self.columns.add(column)
        self._add(key, f"ROW<{column}>", named, shape)

    def add_computed(self, key: str, function: Any, named: GraphQLNamedType, shape: Shape) -> None:
        self.whole = True
        self._add(key, f"{self._bind(function)}(row)", named, shape)

    def add_global_id(self, key: str, declared: StrawberryField, parent: GraphQLObjectType) -> None:
        """As Node.global_id, with the type's name made bytes once."""
        row_class = parent.extensions["strawberry-definition"].origin
        prefix, encode = f"{parent.name}:".encode(), self._bind(b2a_base64)
        node_key = "str(ROW<id>)"
        self.columns.add("id")
        if row_class.node_key is not Node.node_key:
            self.whole = True
            node_key = f"{self._bind(row_class.node_key)}(row)"
        # In place: a call of a function for each id costs half as much again.
        self.items.append(f"{key!r}: {encode}({prefix!r} + {node_key}.encode(), newline=False).decode()")

    def _add(self, key: str, value: str, named: GraphQLNamedType, shape: Shape) -> None:
        variable = f"v{len(self.before)}"
        self.before.append(f"{variable} = {value}")
        convert = _converter(named)
        name = self._bind(convert) if convert else None
        if shape.many:
            missing = f" or None in {variable}" if shape.item_required else ""
            item = f"{name}(i)" if shape.item_required else f"None if i is None else {name}(i)"
            shown = f"[{item} for i in {variable}]" if name else variable
        else:
            missing, shown = "", f"{name}({variable})" if name else variable
        if shape.required:
            self.before.append(f"if {variable} is None{missing}: raise Surprise({self.type_name + '.' + key!r})")
        elif missing or name:
            if missing:
                self.before.append(f"if {variable} is not None and None in {variable}: raise Surprise({key!r})")
            shown = f"None if {variable} is None else {shown}"
        self.items.append(f"{key!r}: {shown}")

    def _bind(self, value: Any) -> str:
        name = f"f{len(self.names)}"
        self.names[name] = value
        return name

    def compile_wrap(self, key: str) -> Wrap:
        """The function that puts each row under ``key``, beside what is the same for all."""
        items = (f"{key!r}: row" if item == f"{key!r}: None" else item for item in self.items)
        namespace: dict[str, Any] = {}
        exec(f"def wrap(rows): return [{{{', '.join(items)}}} for row in rows]", namespace)  # noqa: S102 - as below
        wrap: Wrap = namespace["wrap"]
        return wrap

    def compile(self, access: str) -> Build:
        """The function. ``access`` says how a column of ``row`` is read: by item from a row, by attribute from an object."""

        def read(text: str) -> str:
            parts = text.split("ROW<")
            return parts[0] + "".join(
                access.format(row="row", name=part[: part.index(">")]) + part[part.index(">") + 1 :] for part in parts[1:]
            )

        lines = ["def build(rows):", "    made = []", "    for row in rows:"]
        lines += [f"        {read(line)}" for line in self.before]
        lines += ["        made.append({" + ", ".join(read(item) for item in self.items) + "})", "    return made"]
        namespace = dict(self.names)
        exec("\n".join(lines), namespace)  # noqa: S102 - names come from the schema, keys are GraphQL names
        build: Build = namespace["build"]
        return build
