"""The planned executor: from a document to its answer with as little between them as can be.

A known document goes from its text to its plan without being parsed, validated or collected again. The plan is walked
breadth-first: each edge runs once per level, for all parents. The stock executor stays the reference: whatever a plan does
not handle (an error, a null where none may be) is given to it, and it says what the answer is.
"""

from __future__ import annotations

import re
from asyncio import Future
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import isawaitable
from itertools import chain
from typing import Any

from asyncpg import Record
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    execute,
    value_from_ast_untyped,
)
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.extensions import SchemaExtension
from strawberry.schema import Schema
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from app.kit.context import Context
from app.kit.document import Document, Invalid
from app.kit.errors import AppError, ErrorCode
from app.kit.log import log
from app.kit.metrics import Metrics
from app.kit.plan import Child, Plan, Planner, Run, Selection, Surprise, Unplannable
from app.kit.written import Written

_WRITTEN = Written()
"""What many parents share is kept for as long as it is the same list: see there."""
MAX_PLANS = 16
"""Plans of one document: it has one for each combination of its @skip and @include."""
SLOW = frozenset({ErrorCode.TIMED_OUT, ErrorCode.UNAVAILABLE})
"""A database that is overloaded is not asked the same again."""


class Prepared(SchemaExtension):
    """Gives the stock executor the document of the context, which was parsed and validated before."""

    def on_parse(self) -> Iterator[None]:
        """Nothing is left to parse."""
        self.execution_context.graphql_document = self.execution_context.context.ast
        yield

    def on_validate(self) -> Iterator[None]:
        """What is valid has no errors; without a document in the context, Strawberry looks for them."""
        if self.execution_context.context.ast is not None:
            self.execution_context.pre_execution_errors = []
        yield


class Executor:
    """Runs documents against one schema. The metric ``fallbacks`` counts by cause what the stock executor had to do."""

    def __init__(self, schema: Schema, metrics: Metrics) -> None:
        self.schema = schema
        self.metrics = metrics
        self._planner = Planner(schema)

    def prepare(self, documents: Iterable[Document]) -> None:
        """Plan documents that have no @skip and @include before anyone asks for them."""
        for document in documents:
            for operation in document.operations.values():
                if not document.switches:
                    self.plan(document, operation, VariableValues({}, {}))

    async def execute(
        self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any], context: Context
    ) -> ExecutionResult:
        """The answer. Its data are ready for orjson; app/kit/http.py describes its errors. Raises Invalid."""
        values = _coerce(self.schema, operation, variables)
        plan = self.plan(document, operation, values)
        if isinstance(plan, Unplannable):
            return await self._stock(document, operation, variables, context, str(plan))
        writing = operation.operation.value == "mutation"
        context.db.keep_rows = not writing
        (data,) = plan.root.of_objects([None])
        done: list[str] = []
        try:
            await _run(plan.root, Run(context, values), data, done)
        except Exception as error:  # noqa: BLE001 - the stock executor turns it into the answer's errors
            await context.db.restart()
            cause = error.code.name if isinstance(error, AppError) else type(error).__name__
            if not isinstance(error, AppError | Surprise):
                log.warning("plan gave up", exc_info=error)
            rest = _without(operation, plan, done if writing else ())
            result = await self._stock(document, rest, variables, context, cause)
            if result.data is not None:
                result.data = data | result.data  # data have every root field, in order
            return result
        return ExecutionResult(data=data, errors=None)

    async def source(
        self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any], context: Context
    ) -> Any:
        """What the resolver of a subscription says of where its events come from. Raises AppError, Invalid."""
        values = _coerce(self.schema, operation, variables)
        try:
            fetch = self._planner.source(operation, document.fragments, values)
            if fetch is None:
                raise AppError(ErrorCode.BAD_DOCUMENT, "The document skips its only field.")
            (source,) = await fetch(Run(context, values), [None])
        except AppError:
            raise
        except GraphQLError as error:  # an argument whose variable was null, say
            raise Invalid([error], ErrorCode.BAD_VARIABLES) from None
        return source

    async def events(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
        context: Context,
        events: Sequence[Any],
    ) -> list[ExecutionResult]:
        """The answer for each event of a subscription, all of them a level of one plan. Raises AppError that will pass."""
        values = _coerce(self.schema, operation, variables)
        plan = self.plan(document, operation, values)
        cause = str(plan)
        if isinstance(plan, Plan):
            (child,) = plan.root.children
            context.db.keep_rows = True
            try:
                made = await _complete(child, Run(context, values), events, child.shape.required)
                return [ExecutionResult(data={child.key: one}, errors=None) for one in made]
            except Exception as error:
                await context.db.restart()
                if isinstance(error, AppError) and error.code in SLOW:
                    raise
                cause = error.code.name if isinstance(error, AppError) else type(error).__name__
                if not isinstance(error, AppError | Surprise):
                    log.warning("plan gave up", exc_info=error)
        context.db.keep_rows = False
        self.metrics.fallbacks.labels(cause).inc()
        return [await self._stock_event(document, operation, variables, context, event) for event in events]

    async def _stock_event(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
        context: Context,
        event: Any,
    ) -> ExecutionResult:
        """One event on the library's executor, for which it is the root value."""
        made = execute(
            self.schema._schema,
            DocumentNode(definitions=(operation, *(f.definition for f in document.fragments.values()))),
            root_value=event,
            context_value=context,
            variable_values=variables,
            operation_name=_name(operation),
            hide_suggestions=True,
        )
        result = await made if isawaitable(made) else made
        for error in result.errors or ():
            if isinstance(error.original_error, AppError) and error.original_error.code in SLOW:
                raise error.original_error
        return ExecutionResult(data=result.data, errors=result.errors)

    def plan(self, document: Document, operation: OperationDefinitionNode, values: VariableValues) -> Plan | Unplannable:
        """The plan for these answers to @skip and @include, made when it is wanted first."""
        switches = (values.coerced.get(name) for name in document.switches)
        # Another operation of the document may have a variable of that name that is no switch.
        key = (_name(operation), *(on if isinstance(on, bool) else None for on in switches))
        plan = document.plans.get(key)
        if plan is None:
            try:
                plan = self._planner.plan(operation, document.fragments, values)
            except Unplannable as reason:
                plan = reason
            except GraphQLError:
                plan = Unplannable("argument")  # one that is wrong; the stock executor says which
            if len(document.plans) < MAX_PLANS:
                document.plans[key] = plan
        return plan

    async def _stock(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
        context: Context,
        cause: str,
    ) -> ExecutionResult:
        self.metrics.fallbacks.labels(cause).inc()
        context.db.keep_rows = False
        context.ast = DocumentNode(definitions=(operation, *(f.definition for f in document.fragments.values())))
        return await self.schema.execute(
            document.text,
            variable_values=variables,
            operation_name=_name(operation),
            context_value=context,
            allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
        )


def has_keys(operation: OperationDefinitionNode, variables: dict[str, Any]) -> bool:
    """Whether each root field of a mutation has idempotency keys for all it creates: then it may be sent twice.

    A field that has none may still be safe to repeat, but nobody says so.
    """
    fields = operation.selection_set.selections
    if not all(isinstance(field, FieldNode) for field in fields):
        return False  # a fragment: whoever wants to be repeated writes it plainly
    return all(
        any(_has_key(value_from_ast_untyped(argument.value, variables)) for argument in getattr(field, "arguments", None) or ())
        for field in fields
    )


def _has_key(value: Any) -> bool:
    """An input with a key of its own, or a batch each of whose inputs has one."""
    if not isinstance(value, dict):
        return False
    batches = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict)]
    return bool(value.get("idempotencyKey")) or any(all(_has_key(one) for one in batch) for batch in batches)


def _name(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


def _without(operation: OperationDefinitionNode, plan: Plan, done: Collection[str]) -> OperationDefinitionNode:
    """The operation without the root fields that are done: what they read may have changed since."""
    nodes = tuple(node for key, nodes in plan.nodes.items() if key not in done for node in nodes)
    return replace(operation, selection_set=SelectionSetNode(selections=nodes))


def _coerce(schema: Schema, operation: OperationDefinitionNode, given: dict[str, Any]) -> VariableValues:
    """The variables as the schema has them. Raises Invalid."""
    if not operation.variable_definitions:
        return VariableValues({}, {})
    values = get_variable_values(schema._schema, operation.variable_definitions, given, hide_suggestions=True)
    if not isinstance(values, VariableValues):
        for error in values:
            error.message = unsaid(error.message, given)
        raise Invalid(values, ErrorCode.BAD_VARIABLES)
    return values


def unsaid(message: str, given: Any) -> str:
    """A message without the texts that were sent: what is in the wrong place may be a password. Names of fields stay."""
    for text in sorted(_texts(given), key=len, reverse=True):
        for form in (text, repr(text)[1:-1]):
            message = message.replace(form, "…")
    return re.sub(r"[^\s']{60,}", "…", message)  # the library shortens long ones itself


def _texts(given: Any) -> Iterator[str]:
    """Every text of at least four characters in a value, however deep."""
    waiting = [given]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if len(each) >= 4:
                yield each
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


async def _run(root: Selection, run: Run, data: dict[str, Any], done: list[str]) -> None:
    """Fill the answer's data, and note what is done. How a root field ended is kept where it must not run a second time."""
    db, outcomes = run.context.db, run.context.outcomes
    reading = db.keep_rows
    for child in root.children:
        outcome: Future[Any] = Future()
        try:
            values = await child.fetch(run, [None])
            outcome.set_result(values[0])
        except Exception as error:
            outcome.set_exception(error)
            outcome.exception()  # read here, or the loop complains of an error that nobody looked at
            if not reading or (isinstance(error, AppError) and error.code in SLOW):
                outcomes[child.key] = outcome
            raise
        if not reading:
            outcomes[child.key] = outcome
        db.keep_rows = True
        await _fill(child, run, [data], values)
        db.keep_rows = reading
        done.append(child.key)


async def _select(selections: Mapping[str, Selection], run: Run, sources: Sequence[Any]) -> list[dict[str, Any]]:
    """The dictionaries of some objects, children and all."""
    if len(selections) > 1:
        return await _select_by_type(selections, run, sources)
    (selection,) = selections.values()
    rows = all(issubclass(kind, Record | dict) for kind in _kinds(sources))
    made = (selection.of_rows if rows else selection.of_objects)(sources)
    for child in selection.children:
        await _fill(child, run, made, await child.fetch(run, sources))
    return made


def _kinds(values: Sequence[Any]) -> set[type]:
    """The classes of values. Raises Surprise when one of them is the error that it ended in."""
    kinds = set(map(type, values))
    if any(issubclass(kind, Exception) for kind in kinds):
        raise Surprise("an error in the place of a value")
    return kinds


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
    if not shape.many:
        made = await _complete(child, run, values, shape.required)
        for parent, one in zip(parents, made, strict=True):
            parent[key] = one
        return
    if shape.required and any(value is None for value in values):
        raise Surprise(key)
    if child.overlay is not None:
        _fill_shared(child, parents, values)
        return
    if len(values) == 1:
        (value,) = values
        parents[0][key] = None if value is None else await _complete_all(child, run, value)
        return
    flat = list(chain.from_iterable(value for value in values if value is not None))
    made = await _complete_all(child, run, flat)
    at = 0
    for parent, value in zip(parents, values, strict=True):
        if value is not None:
            parent[key] = made[at : at + len(value)]
            at += len(value)


def _fill_shared(child: Child, parents: list[dict[str, Any]], values: Sequence[Any]) -> None:
    """Lists whose rows many parents share: each shared list is made once, and copied with each parent's own columns."""
    (selection,) = child.selections.values()
    assert child.overlay is not None
    made: dict[int, Callable[[Sequence[tuple[Any, ...]]], list[Any]]] = {}
    for parent, (shared, own) in zip(parents, values, strict=True):
        put_in = made.get(id(shared))
        if put_in is None:
            build = partial(selection.of_objects, shared)
            forms = _WRITTEN.find(shared, child.overlay, build)
            put_in = made[id(shared)] = partial(child.overlay, build()) if forms is None else forms.put_in
        parent[child.key] = put_in(own)


async def _complete_all(child: Child, run: Run, values: Sequence[Any]) -> list[Any]:
    """The items of lists as they are shown."""
    made = await _complete(child, run, values, child.shape.item_required)
    return child.wrap(made) if child.wrap is not None else made


async def _complete(child: Child, run: Run, values: Sequence[Any], required: bool) -> list[Any]:
    """Each value as it is shown; None stays None where it may."""
    live = [value for value in values if value is not None]
    if required and len(live) < len(values):
        raise Surprise(child.key)
    if not live:
        made = live
    elif child.selections:
        if len(set(map(id, live))) == len(live):
            made = await _select(child.selections, run, live)
        else:  # what parents share is made once, and all that is below it
            rows = {id(value): value for value in live}
            by_row = dict(zip(rows, await _select(child.selections, run, list(rows.values())), strict=True))
            made = [by_row[id(value)] for value in live]
    else:
        _kinds(live)
        made = [child.convert(value) for value in live] if child.convert else live
    if len(live) == len(values):
        return made
    rest = iter(made)
    return [None if value is None else next(rest) for value in values]
