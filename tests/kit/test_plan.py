"""Plans: every shape that a field can have, whatever fails; what is kept of a document, and for how long."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from graphql import FieldNode
from graphql.execution.values import VariableValues
from hypothesis import given, reject
from hypothesis import strategies as st
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from app.kit import document as kit_document
from app.kit import plan as kit_plan
from app.kit.document import Documents, Invalid
from app.kit.errors import AppError, ErrorCode
from app.kit.executor import MAX_PLANS, Executor
from app.kit.http import describe
from app.kit.metrics import Metrics
from app.kit.plan import Planner
from tests.factory.kit import Lines
from tests.factory.operation import Dice, Maker, Operation, Pool, proof
from tests.factory.world import World, context_of, schema

pytestmark = [  # the stock executor drops what it has not begun when a sibling fails
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

INPUTS = Pool(
    {},
    {
        "String": ["a", "b", "", '\u00e4 "quoted"'],
        "keys": ["a", "b", "c", ""],
        "Int": [0, 1, 2, 3, 4],
    },
)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Errors are expected by the thousand."""
    for module in ("http", "executor"):
        monkeypatch.setattr(f"app.kit.{module}.log", Lines().logger())
    yield
    gc.collect()  # what was dropped is heard of now, while it is still ignored


class Bench:
    """Both executors on a schema of which every field may fail."""

    def __init__(self) -> None:
        self.documents = Documents(schema._schema)
        self.executor = Executor(schema, Metrics())

    async def planned(self, operation: Operation, world: World) -> tuple[str, list[str]]:
        """As the server runs it."""
        document = self.documents.find(operation.text, None)
        try:
            result = await self.executor.execute(
                document, document.choose(operation.name), operation.variables, context_of(world)
            )
        except Invalid as invalid:
            result = ExecutionResult(data=None, errors=invalid.errors)
        return shown(result)

    async def stock(self, operation: Operation, world: World) -> tuple[str, list[str]]:
        """As Strawberry runs it: the reference."""
        result = await schema.execute(
            operation.text,
            variable_values=operation.variables,
            operation_name=operation.name,
            context_value=context_of(world),
            allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
        )
        return shown(result)

    @property
    def fallbacks(self) -> set[str]:
        """Why the stock executor was needed so far."""
        (metric,) = self.executor.metrics.fallbacks.collect()
        return {sample.labels["cause"] for sample in metric.samples}


def shown(result: ExecutionResult) -> tuple[str, list[str]]:
    """The data as they are sent, and the errors in an order of ours: their own says nothing."""
    errors = [describe(error) if error.path else error.formatted for error in result.errors or ()]
    data = orjson.dumps(result.data, default=str, option=orjson.OPT_UTC_Z).decode()
    return data, sorted(orjson.dumps(error, option=orjson.OPT_SORT_KEYS).decode() for error in errors)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@st.composite
def operations(draw: st.DrawFn, kind: str) -> Operation:
    return Maker(schema._schema, INPUTS, Dice(lambda sides: draw(st.integers(0, sides - 1))), depth=4).make(kind)


# Random operations in a world in which nothing, little or much fails

BENCH = Bench()


@pytest.mark.parametrize("kind", ["query", "mutation"])
@pytest.mark.parametrize("faults", [0, 1, 10])
@proof(quick=60, full=4000)
@given(data=st.data(), seed=st.integers(0, 10**6))
async def test_both_executors_answer_the_same(kind: str, faults: int, data: st.DataObject, seed: int) -> None:
    operation = data.draw(operations(kind))
    one, other = World(seed, faults), World(seed, faults)
    try:
        answer = await BENCH.planned(operation, one)
    except AppError as error:
        if error.code is not ErrorCode.TOO_COMPLEX:
            raise
        reject()
    assert answer == await BENCH.stock(operation, other)
    if kind == "mutation":
        assert (one.runs, one.made) == (other.runs, other.made)


@pytest.mark.parametrize(
    ("text", "fallback"),
    [
        ("{ thing { one { many { text parts { grade tint } } } } }", None),
        (
            'mutation { makeMany(numbers: [1, 2]) { madeByNow thing { slow(name: "x") { times(number: 3, color: RED) } } } }',
            None,
        ),
        ("{ thing { text } __typename }", None),
        ("{ thing { __typename } __schema { queryType { name } } }", "introspection"),
    ],
)
async def test_a_plan_needs_nobody(bench: Bench, text: str, fallback: str | None) -> None:
    operation = Operation(text, {})
    assert await bench.planned(operation, World()) == await bench.stock(operation, World())
    assert bench.fallbacks == ({fallback} if fallback else set())


async def test_causes_are_few_whatever_clients_send(bench: Bench) -> None:
    for number in range(20):
        text = f"query ($v{number}: Boolean = true, $n{number}: Int) {{ word(length: $n{number}) @skip(if: $v{number}) }}"
        for values in ({f"v{number}": None}, {f"v{number}": False, f"n{number}": None}):
            operation = Operation(text, values)
            assert await bench.planned(operation, World()) == await bench.stock(operation, World())
    assert bench.fallbacks == {"argument", "GraphQLError"}


async def test_an_item_that_is_its_error_is_one_even_where_nothing_of_it_is_read(bench: Bench) -> None:
    world = World(broken=(("raises", "before", "many 1"),))
    operation = Operation("mutation { makeMany(numbers: [1, 0, 1]) { __typename } }", {})
    data, errors = await bench.planned(operation, world)
    assert (data, len(errors), world.runs) == ('{"makeMany":[null,{"__typename":"Box"},null]}', 2, ["many"] * 3)


async def test_what_a_mutation_read_stands_when_a_later_one_fails(bench: Bench) -> None:
    world = World(broken=(("raises", "before", "try 3"),))
    text = """
    mutation {
      __typename
      one: make(wish: {name: "x", number: 1}) { made madeByNow }
      two: make(wish: {name: "x", number: 2}) { made madeByNow }
      three: tryToMake(number: 3) { made }
      four: count
    }
    """
    data, errors = await bench.planned(Operation(text, {}), world)
    box = '{"made":%d,"madeByNow":%d}'
    assert data == '{"__typename":"Mutation","one":' + box % (1, 1) + ',"two":' + box % (2, 2) + ',"three":null,"four":3}'
    assert (len(errors), world.runs) == (1, ["make", "make", "try", "count"])


# What is kept of a document


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a document was parsed, validated, collected, and given to the stock executor."""
    counted = Counter[str]()

    def count(module: Any, name: str) -> None:
        original = getattr(module, name)

        def called(*args: Any, **options: Any) -> Any:
            counted[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(module, name, called)

    count(kit_document, "parse")
    count(kit_document, "validate")
    count(kit_plan, "collect_fields")
    count(kit_plan, "collect_subfields")
    count(kit_plan, "get_argument_values")
    return counted


async def test_a_known_document_is_run_and_nothing_else(bench: Bench, work: Counter[str]) -> None:
    operation = Operation("query ($name: String!) { word(length: 2) thing(key: $name) { one { text } } }", {"name": "x"})
    first = await bench.planned(operation, World())
    assert work == {"parse": 1, "validate": 1, "collect_fields": 1, "collect_subfields": 2, "get_argument_values": 2}
    work.clear()
    for name in ("x", "y"):
        again = await bench.planned(Operation(operation.text, {"name": name}), World())
        assert (again == first) == (name == "x")
    assert not work  # the argument that names a variable is the variable's value


async def test_what_the_stock_executor_is_given_is_not_parsed_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'query Broken { named(keys: ["a", "", "b"]) { ...F } } fragment F on Named { name } query Whole { word }'
    operation, broken = Operation(text, {}, "Broken"), (("raises", "named"),)
    expected = await bench.stock(operation, World(broken=broken))
    monkeypatch.setattr("strawberry.schema.schema.parse", None)
    monkeypatch.setattr("strawberry.schema.schema.validate_document", None)
    assert await bench.planned(operation, World(broken=broken)) == expected
    assert len(expected[1]) == 1


@pytest.mark.parametrize(
    "text", ["{ nothing }", "{ word", "{ ...F }", "query A { word } query A { word }", "{ word(length: 1.5) }"]
)
async def test_a_document_that_is_not_valid_is_not_kept(bench: Bench, work: Counter[str], text: str) -> None:
    for _ in range(2):
        with pytest.raises(Invalid):
            bench.documents.find(text, None)
    assert work["parse"] == 2
    assert len(bench.documents) == 0


async def test_old_documents_make_room(bench: Bench, work: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_document, "MAX_DOCUMENTS", 3)
    texts = [f"query Q{number} {{ word }}" for number in range(4)]
    for text in [*texts[:3], texts[0], texts[3], texts[0], texts[1]]:
        await bench.planned(Operation(text, {}), World())
    assert work["parse"] == 5  # the second was the one not asked for, and had to come again
    assert len(bench.documents) == 3


async def test_plans_of_one_document_are_bounded(bench: Bench) -> None:
    names = "abcdef"
    head = ", ".join(f"${name}: Boolean!" for name in names)
    text = f"query ({head}) {{ __typename {' '.join(f'{name}: word @skip(if: ${name})' for name in names)} }}"
    for number in range(2 ** len(names)):
        hidden = {name: bool(number >> place & 1) for place, name in enumerate(names)}
        data, _ = await bench.planned(Operation(text, hidden), World())
        assert list(orjson.loads(data)) == ["__typename", *(name for name in names if not hidden[name])]
    assert len(bench.documents.find(text, None).plans) == MAX_PLANS
    assert bench.fallbacks == set()


async def test_operations_of_one_document_have_plans_of_their_own(bench: Bench) -> None:
    text = """
    query One($x: Boolean!) { word @skip(if: $x) __typename }
    query Two($x: [String!]!) { named(keys: $x) { name } }
    mutation Three($x: Int!) { tryToMake(number: $x) { made } }
    """
    for name, value in (("One", True), ("Two", ["a"]), ("One", False), ("Three", 7), ("Two", ["a", "b"]), ("Three", 8)):
        operation = Operation(text, {"x": value}, name)
        assert await bench.planned(operation, World()) == await bench.stock(operation, World())
    assert len(bench.documents.find(text, None).plans) == 4
    assert bench.fallbacks == set()


async def test_documents_are_planned_ahead(bench: Bench, work: Counter[str]) -> None:
    document = bench.documents.find("query A { word } query B { thing { text } }", None)
    bench.executor.prepare([document])
    work.clear()
    await bench.planned(Operation(document.text, {}, "B"), World())
    assert not work


async def test_a_plan_keeps_the_nodes_of_its_root_fields() -> None:
    document = Documents(schema._schema).find("{ word ...F a: word } fragment F on Query { word }", None)
    plan = Planner(schema).plan(document.choose(None), document.fragments, VariableValues({}, {}))
    assert {key: len(nodes) for key, nodes in plan.nodes.items()} == {"word": 2, "a": 1}
    assert all(isinstance(node, FieldNode) for nodes in plan.nodes.values() for node in nodes)
