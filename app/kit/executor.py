"""The planned executor: from a document to its answer with as little between them as can be.

A known document goes from its text to its plan without being parsed, validated or collected again. The plan is walked
breadth-first: each edge runs once per level, for all parents. The stock executor stays the reference: whatever a plan does
not handle (an error, a null where none may be) is given to it, and it says what the answer is.
"""

from __future__ import annotations

from asyncio import Future
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncpg import Record
from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.schema import Schema
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from app.kit.context import Context
from app.kit.errors import AppError, ErrorCode
from app.kit.log import log
from app.kit.plan import Child, Planner, Run, Selection, Surprise, Unplannable

MAX_DOCUMENTS = 1000
MAX_PLANS = 16
"""Plans of one document: it has one for each combination of its @skip and @include."""


@dataclass(slots=True)
class Document:
    """A valid document; ``switches`` are the variables that @skip and @include look at."""

    ast: DocumentNode
    operations: dict[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDetails]
    switches: tuple[str, ...]
    plans: dict[tuple[Any, ...], Selection | Unplannable] = field(default_factory=dict)


class Executor:
    """Runs documents against one schema. ``fallbacks`` counts by cause what the stock executor had to do."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.fallbacks: dict[str, int] = {}
        self._planner = Planner(schema)
        self._documents: OrderedDict[str, Document] = OrderedDict()

    async def execute(
        self, query: str, variables: dict[str, Any] | None, operation_name: str | None, context: Context
    ) -> ExecutionResult:
        """The answer. Its data are ready for orjson; its errors carry codes once app/kit/http.py has described them.

        Raises BAD_REQUEST when the document has no operation of that name.
        """
        document = self._document(query)
        if isinstance(document, PreExecutionError):
            return document
        operation = _choose(document, operation_name)
        values = _coerce(self.schema, operation, variables or {})
        if values is None:
            return await self._stock(query, variables, operation_name, context, "variables")
        plan = self._plan(document, operation, values)
        if isinstance(plan, Unplannable):
            return await self._stock(query, variables, operation_name, context, str(plan))
        context.db.keep_rows = operation.operation.value == "query"
        try:
            data = await _run(plan, Run(context, values), context)
        except Exception as error:  # noqa: BLE001 - the stock executor turns it into the answer's errors
            await context.db.restart()
            cause = error.code.value if isinstance(error, AppError) else type(error).__name__
            if not isinstance(error, AppError | Surprise):
                log.warning("plan gave up", exc_info=error)
            return await self._stock(query, variables, operation_name, context, cause)
        return ExecutionResult(data=data, errors=None)

    async def _stock(
        self, query: str, variables: dict[str, Any] | None, operation_name: str | None, context: Context, cause: str
    ) -> ExecutionResult:
        self.fallbacks[cause] = self.fallbacks.get(cause, 0) + 1
        context.db.keep_rows = False
        return await self.schema.execute(
            query,
            variable_values=variables,
            operation_name=operation_name,
            context_value=context,
            allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
        )

    def _document(self, query: str) -> Document | PreExecutionError:
        """Parsed and validated, from the cache where it is known."""
        known = self._documents.get(query)
        if known is not None:
            self._documents.move_to_end(query)
            return known
        try:
            ast = parse(query)
        except GraphQLError as error:
            return PreExecutionError(data=None, errors=[error])
        except RecursionError as error:
            return PreExecutionError(data=None, errors=[GraphQLError("nested too deeply", original_error=error)])
        errors = validate(self.schema._schema, ast)
        if errors:
            return PreExecutionError(data=None, errors=errors)
        found = self._documents[query] = _read(ast)
        if len(self._documents) > MAX_DOCUMENTS:
            self._documents.popitem(last=False)
        return found

    def _plan(self, document: Document, operation: OperationDefinitionNode, values: VariableValues) -> Selection | Unplannable:
        key = (operation.name.value if operation.name else None, *(values.coerced.get(name) for name in document.switches))
        plan = document.plans.get(key)
        if plan is None:
            try:
                plan = self._planner.plan(operation, document.fragments, values)
            except Unplannable as reason:
                plan = reason
            except GraphQLError as reason:
                plan = Unplannable(reason.message)
            if len(document.plans) < MAX_PLANS:
                document.plans[key] = plan
        return plan


def _read(ast: DocumentNode) -> Document:
    operations: dict[str | None, OperationDefinitionNode] = {}
    fragments = {}
    for definition in ast.definitions:
        if isinstance(definition, OperationDefinitionNode):
            operations[definition.name.value if definition.name else None] = definition
        elif isinstance(definition, FragmentDefinitionNode):
            fragments[definition.name.value] = FragmentDetails(definition)
    switches = _Switches()
    visit(ast, switches)
    return Document(ast, operations, fragments, tuple(sorted(switches.names)))


class _Switches(Visitor):
    """Finds the variables of @skip and @include."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)


def _choose(document: Document, name: str | None) -> OperationDefinitionNode:
    if name is None and len(document.operations) == 1:
        return next(iter(document.operations.values()))
    found = document.operations.get(name)
    if name is None or found is None:
        known = ", ".join(sorted(str(n) for n in document.operations))[:200]
        raise AppError(ErrorCode.BAD_REQUEST, f"Say in `operationName` which operation to run: {known}.")
    return found


def _coerce(schema: Schema, operation: OperationDefinitionNode, given: dict[str, Any]) -> VariableValues | None:
    """The variables as the schema has them; None when one is wrong, which the stock executor explains."""
    if not operation.variable_definitions:
        return VariableValues({}, {})
    values = get_variable_values(schema._schema, operation.variable_definitions, given)
    return values if isinstance(values, VariableValues) else None


async def _run(plan: Selection, run: Run, context: Context) -> dict[str, Any]:
    """The answer's data. A root field that fails is remembered, so that it is not run a second time."""
    (data,) = plan.of_objects([None])
    for child in plan.children:
        outcome: Future[Any] = Future()
        try:
            values = await child.fetch(run, [None])
            outcome.set_result(values[0])
        except Exception as error:
            outcome.set_exception(error)
            outcome.exception()  # read here, or the loop complains of an error that nobody looked at
            if isinstance(error, AppError) or not context.db.keep_rows:
                context.outcomes[child.key] = outcome
            raise
        if not context.db.keep_rows:
            context.outcomes[child.key] = outcome
        context.db.keep_rows, rows_before = True, context.db.keep_rows
        await _fill(child, run, [data], values)
        context.db.keep_rows = rows_before
    return data


async def _select(selections: Mapping[str, Selection], run: Run, sources: Sequence[Any]) -> list[dict[str, Any]]:
    """The dictionaries of some objects, children and all."""
    if len(selections) > 1:
        return await _select_by_type(selections, run, sources)
    (selection,) = selections.values()
    build = selection.of_rows if isinstance(sources[0], Record | dict) else selection.of_objects
    made = build(sources)
    for child in selection.children:
        await _fill(child, run, made, await child.fetch(run, sources))
    return made


async def _select_by_type(selections: Mapping[str, Selection], run: Run, sources: Sequence[Any]) -> list[dict[str, Any]]:
    """Objects of an interface: each type at once, then back in their order."""
    by_type: dict[str, list[int]] = {}
    for index, source in enumerate(sources):
        by_type.setdefault(type(source).__name__, []).append(index)
    made: list[dict[str, Any]] = [{}] * len(sources)
    for name, indexes in by_type.items():
        part = await _select({name: selections[name]}, run, [sources[index] for index in indexes])
        for index, one in zip(indexes, part, strict=True):
            made[index] = one
    return made


async def _fill(child: Child, run: Run, parents: list[dict[str, Any]], values: Sequence[Any]) -> None:
    """Put a child's values into its parents: leaves as they are, objects once they are made, lists in their places."""
    key, shape = child.key, child.shape
    if shape.required and None in values:
        raise Surprise(key)
    if not shape.many:
        made = await _complete(child, run, values, False)
        for parent, one in zip(parents, made, strict=True):
            parent[key] = one
        return
    flat = [one for value in values if value is not None for one in value]
    made = await _complete(child, run, flat, shape.item_required)
    at = 0
    for parent, value in zip(parents, values, strict=True):
        if value is not None:
            parent[key] = made[at : at + len(value)]
            at += len(value)


async def _complete(child: Child, run: Run, values: Sequence[Any], required: bool) -> list[Any]:
    """Each value as it is shown; None stays None where it may."""
    live = [value for value in values if value is not None]
    if required and len(live) < len(values):
        raise Surprise(child.key)
    if child.selections:
        made = await _select(child.selections, run, live) if live else []
    else:
        made = [child.convert(value) for value in live] if child.convert else live
    if len(live) == len(values):
        return made
    rest = iter(made)
    return [None if value is None else next(rest) for value in values]
