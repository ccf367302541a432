"""Plans: every shape a field can have, whatever fails; what is kept of a document, and for how long."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from strawberry.types.graphql import OperationType

from app.kit.document import Documents, Invalid
from app.kit.errors import AppError, ErrorCode
from app.kit.executor import Executor
from app.kit.http import describe
from app.kit.metrics import Metrics
from tests.factory.kit import Lines
from tests.factory.operation import Dice, Maker, Operation, Pool
from tests.factory.world import World, context_of, schema

pytestmark = [  # the stock executor drops what it has not begun when a sibling fails
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FULL = os.environ.get("FIVEFOLD_PROOF", "quick") == "full"
INPUTS = Pool(
    {"first": [1]},
    {
        "String": ["a", "b", "", '\u00e4 "x"'],
        "keys": ["a", "b", "c", ""],
        "Int": [0, 1, 2, 3, 4],
        "number": [0, 1, 2, 3, 4, 5],
    },
)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are expected by the thousand."""
    for module in ("http", "executor"):
        monkeypatch.setattr(f"app.kit.{module}.log", Lines().logger())


@st.composite
def operations(draw: st.DrawFn, kind: str) -> Operation:
    return Maker(schema._schema, INPUTS, Dice(lambda sides: draw(st.integers(0, sides - 1))), depth=4).make(kind)


EXECUTOR = Executor(schema, Metrics())
DOCUMENTS = Documents(schema._schema)


async def planned(operation: Operation, world: World) -> Any:
    try:
        document = DOCUMENTS.find(operation.text, None)
        chosen = document.choose(operation.name)
        result = await EXECUTOR.execute(document, chosen, operation.variables, context_of(world))
    except Invalid as invalid:
        return shown(None, invalid.errors)
    return shown(result.data, result.errors)


async def stock(operation: Operation, world: World) -> Any:
    result = await schema.execute(
        operation.text,
        variable_values=operation.variables,
        operation_name=operation.name,
        context_value=context_of(world),
        allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
    )
    return shown(result.data, result.errors)


def shown(data: Any, errors: Any) -> Any:
    described = [describe(error) if error.path else error.formatted for error in errors or ()]
    found = orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z).decode()
    return found, sorted(orjson.dumps(error, option=orjson.OPT_SORT_KEYS).decode() for error in described)


@pytest.mark.parametrize("faults", [0, 1, 10])
@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_both_executors_answer_the_same(kind: str, faults: int, runner: Any) -> None:
    @settings(
        max_examples=3000 if FULL else 60,
        deadline=None,
        derandomize=not FULL,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation=operations(kind), seed=st.integers(0, 10**6))
    def check(operation: Operation, seed: int) -> None:
        one, other = World(seed, faults), World(seed, faults)
        try:
            answer = runner.run(planned(operation, one))
        except AppError as error:
            if error.code is not ErrorCode.TOO_COMPLEX:
                raise
            reject()
        assert answer == runner.run(stock(operation, other))
        if kind == "mutation":
            assert one.runs == other.runs
            assert one.made == other.made

    check()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """A loop for many short runs."""
    with asyncio.Runner() as r:
        yield r
