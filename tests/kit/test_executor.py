"""The planned executor answers as the stock executor does: random operations over the whole schema, also when much fails."""

from __future__ import annotations

import gc
import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from app.kit.db import Db
from app.kit.embedded import Embedded
from app.kit.errors import AppError, ErrorCode
from app.kit.plan import Plan, Selection
from app.kit.pool import open_pool
from app.kit.sql import Statement
from app.privacy import template as privacy_template
from app.schema import NODE_TYPES, schema
from tests.conftest import copy_of
from tests.factory.kit import Lines
from tests.factory.operation import Dice, Maker, Operation, proof
from tests.factory.stage import Answer, Stage, fill, playing

pytestmark = [  # the stock executor drops what it has not begun when a sibling fails
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS = 80
"""Mutations on a pair of databases before a fresh one: links end and keys are revoked."""

WRITTEN = (
    "core.api_key",
    "core.idempotency",
    "core.audit_event",
    "core.audit_detail",
    "privacy.platform_link",
    "privacy.snapshot",
    "privacy.change",
    "privacy.platform_config",
)
"""Tables that mutations add to."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Errors are expected by the hundred."""
    for module in ("http", "executor"):
        monkeypatch.setattr(f"app.kit.{module}.log", Lines().logger())
    yield
    gc.collect()  # what was dropped is heard of now, while it is still ignored


@pytest.fixture(scope="module")
async def filled(server: Embedded, template: str) -> AsyncIterator[str]:
    """The name of a seeded database, to be copied."""
    with copy_of(server, template) as database:
        await fill(database)
        yield database.name


@pytest.fixture(scope="module")
async def stage(server: Embedded, filled: str) -> AsyncIterator[Stage]:
    """A seeded database on which only queries run."""
    with copy_of(server, filled) as database:
        async with playing(database) as opened:
            yield opened


# Two databases that say the same

UUID_FORM = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MOMENT_FORM = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"
VARYING = re.compile(rf"{UUID_FORM}|{MOMENT_FORM}|ffk_[\w-]+|\b[0-9a-f]{{64}}\b")


@dataclass
class Twins:
    """Two copies of the seeded database: the planned executor writes in one, the stock executor in the other.

    ``ids`` are uuids made in the first, with those made for the same thing in the second.
    """

    server: Embedded
    filled: str
    rounds: int = 0
    ids: dict[str, str] = field(default_factory=dict)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def stages(self) -> tuple[Stage, Stage]:
        """Both, from time to time fresh ones."""
        if self.rounds % ROUNDS == 0:
            await self.close()
            self.ids.clear()
            self.pair = (await self._copy(), await self._copy())
        self.rounds += 1
        return self.pair

    async def _copy(self) -> Stage:
        database = self._open.enter_context(copy_of(self.server, self.filled))
        return await self._open.enter_async_context(playing(database))

    async def close(self) -> None:
        """Drop them."""
        await self._open.aclose()

    def alike(self, one: Any, other: Any) -> bool:
        """Whether two answers say the same, but for what is made anew each time: ids, secrets, salts, and the present."""
        if isinstance(one, dict) and isinstance(other, dict):
            return list(one) == list(other) and all(self.alike(one[key], other[key]) for key in one)
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(self.alike, one, other))
        if isinstance(one, str) and isinstance(other, str):
            left, right = _readable(one), _readable(other)
            if VARYING.sub("#", left) != VARYING.sub("#", right):
                return False
            return all(map(self._twins, VARYING.findall(left), VARYING.findall(right)))
        return type(one) is type(other) and one == other

    def _twins(self, one: str, other: str) -> bool:
        if re.fullmatch(UUID_FORM, one):
            return self.ids.setdefault(one, other) == other
        if re.fullmatch(MOMENT_FORM, one):
            early = datetime.now(UTC) - timedelta(minutes=30)
            return one == other or min(datetime.fromisoformat(one), datetime.fromisoformat(other)) > early
        return len(one) == len(other)


def _readable(text: str) -> str:
    """A text with what a global id or a cursor hides."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except ValueError:
        return text


@pytest.fixture(scope="module")
async def twins(server: Embedded, filled: str) -> AsyncIterator[Twins]:
    """A pair of databases to write in."""
    opened = Twins(server, filled)
    yield opened
    await opened.close()


async def rows(stage: Stage) -> list[int]:
    """The rows of every table that mutations add to."""
    async with stage.database.connect() as connection:
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in WRITTEN)
        return list(await connection.fetchrow(f"SELECT {counts}") or ())


async def assert_clean(stage: Stage) -> None:
    """No connection was kept, and none went back with an open transaction."""
    assert stage.pool.get_idle_size() == stage.pool.get_size()
    async with stage.pool.acquire() as connection:
        assert not connection.is_in_transaction()


# Random operations


@st.composite
def questions(draw: st.DrawFn, stage: Stage, kind: str) -> tuple[Operation, str]:
    """Something to ask, and who asks."""
    dice = Dice(lambda sides: draw(st.integers(0, sides - 1)))
    operation = Maker(schema._schema, stage.inputs, dice).make(kind)
    if "activateTemplate" in operation.text or "publishPlatformConfig" in operation.text:
        return operation, "curator"
    return operation, dice.choice(list(stage.actors)) if dice.chance(20) else "ada"


async def ask(stage: Stage, operation: Operation, name: str) -> Answer:
    """The planned answer; operations that are too big for anyone are drawn again."""
    try:
        return await stage.planned(operation, stage.actors[name])
    except AppError as error:
        if error.code is not ErrorCode.TOO_COMPLEX:
            raise
        reject()


OF_THIS_MOMENT = ("eventCursor", "exposures")
"""Fields whose answer may be another a moment later."""

OWN = {"nodes": len(NODE_TYPES) - 1}
"""Statements of a root field beyond the first: by default one more, which looks whether an empty list's owner is there."""


def edges(selection: Selection) -> int:
    """What is fetched: a statement for each place in the document, however many objects are there."""
    return sum(1 + sum(map(edges, child.selections.values())) for child in selection.children)


@proof(quick=90, full=5000)
@given(data=st.data())
async def test_queries_are_answered_as_by_the_stock_executor(stage: Stage, data: st.DataObject) -> None:
    operation, name = data.draw(questions(stage, "query"))
    answer = await ask(stage, operation, name)
    stock = await stage.stock(operation, stage.actors[name])
    assert answer.text == stock.text or any(field in operation.text for field in OF_THIS_MOMENT)
    assert "INTERNAL" not in answer.codes
    assert answer.fallback is None or answer.errors or answer.fallback == "introspection"
    if answer.fallback is None and not answer.errors:
        (plan,) = stage.documents.find(operation.text, None).plans.values()
        assert isinstance(plan, Plan)
        assert len(answer.statements) <= edges(plan.root) + sum(OWN.get(n[0].name.value, 1) for n in plan.nodes.values())


@proof(quick=50, full=2500)
@given(data=st.data())
async def test_mutations_are_answered_as_by_the_stock_executor(twins: Twins, data: st.DataObject) -> None:
    one, other = await twins.stages()
    operation, name = data.draw(questions(one, "mutation"))
    answer, stock = await ask(one, operation, name), await other.stock(operation, other.actors[name])
    assert twins.alike([answer.data, answer.errors], [stock.data, stock.errors]), (answer, stock)
    assert await rows(one) == await rows(other)
    assert "INTERNAL" not in answer.codes
    assert answer.fallback is None or answer.errors


# Operations of which much fails


class Row(dict[str, Any]):
    """A row as app/kit/db.py has them: asyncpg's own cannot be made by others."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Bomb(bytes):
    """A column that a computed field cannot read."""

    def hex(self, *_: Any) -> str:
        """What the computed fields of the schema do with bytes."""
        raise AppError(ErrorCode.NOT_FOUND, "It went away.") if self else RuntimeError("never")


@dataclass(frozen=True)
class Faults:
    """What fails, by statement, column and row: for the same seed always the same, whoever asks and in whatever order."""

    seed: int
    share: int

    def number(self, *of: object) -> int:
        """0 to 99, always the same of the same."""
        return crc32(repr((self.seed, *of)).encode()) % 100

    def check(self, statement: Statement) -> None:
        """Fail a whole statement."""
        number = self.number(statement.id)
        if number < self.share:
            raise AppError(ErrorCode.NOT_FOUND, "It went away.") if number % 3 else RuntimeError("broken")

    def spoil(self, statement: Statement, record: Any) -> Any:
        """A row, some of whose columns became null, or hold a null, or cannot be read."""
        row = Row(record)
        plain = [value for value in record.values() if isinstance(value, str | int | float) and "ffk_" not in str(value)]
        plain = plain[1:] if "position" in row else plain
        for column, value in row.items():
            if column == "position" or self.number(statement.id, column) >= 2 * self.share:
                continue
            number = self.number(statement.id, column, plain)
            if number < 30:
                row[column] = None
            elif number < 60 and isinstance(value, list):
                row[column] = [*value, None]
            elif number < 60 and isinstance(value, bytes):
                row[column] = Bomb(value[: number % 2])
        return row


@contextmanager
def failing(faults: Faults) -> Iterator[None]:
    """Every statement under these faults; what the process remembers of rows is forgotten before each execution."""
    fetch, restart = Db.fetch, Db.restart

    async def fetch_with_faults(self: Db, statement: Statement, args: dict[str, Any]) -> list[Any]:
        faults.check(statement)
        return [faults.spoil(statement, record) for record in await fetch(self, statement, args)]

    async def restart_and_forget(self: Db) -> None:
        privacy_template._SETTINGS.clear()
        await restart(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Db, "fetch", fetch_with_faults)
        patch.setattr(Db, "restart", restart_and_forget)
        patch.setattr(privacy_template, "_SETTINGS", {})
        yield


@proof(quick=60, full=4000)
@given(data=st.data(), seed=st.integers(0, 10**6), share=st.sampled_from([3, 10, 25]))
async def test_queries_fail_as_with_the_stock_executor(stage: Stage, data: st.DataObject, seed: int, share: int) -> None:
    operation, name = data.draw(questions(stage, "query"))
    with failing(Faults(seed, share)):
        answer = await ask(stage, operation, name)
    with failing(Faults(seed, share)):
        stock = await stage.stock(operation, stage.actors[name])
    assert answer.text == stock.text or any(field in operation.text for field in OF_THIS_MOMENT)
    await assert_clean(stage)


@proof(quick=30, full=2000)
@given(data=st.data(), seed=st.integers(0, 10**6), share=st.sampled_from([3, 10]))
async def test_mutations_fail_as_with_the_stock_executor(twins: Twins, data: st.DataObject, seed: int, share: int) -> None:
    one, other = await twins.stages()
    operation, name = data.draw(questions(one, "mutation"))
    with failing(Faults(seed, share)):
        answer = await ask(one, operation, name)
    with failing(Faults(seed, share)):
        stock = await other.stock(operation, other.actors[name])
    assert twins.alike([answer.data, answer.errors], [stock.data, stock.errors]), (answer, stock)
    assert await rows(one) == await rows(other)
    await assert_clean(one)


# Every field, and what it costs

CURATED = ("activateTemplate", "publishPlatformConfig")


@pytest.fixture
async def fresh(server: Embedded, filled: str) -> AsyncIterator[Stage]:
    """A seeded database of the test's own."""
    with copy_of(server, filled) as database:
        async with playing(database) as opened:
            yield opened


async def planned(stage: Stage, text: str, **variables: Any) -> Answer:
    """Ada's question, or the curator's, which must run without the stock executor."""
    actor = stage.actors["curator" if any(name in text for name in CURATED) else "ada"]
    answer = await stage.planned(Operation(text, variables), actor)
    assert (answer.errors, answer.fallback) == ([], None)
    return answer


async def test_a_level_of_twenty_is_one_statement_for_each_edge(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy_template, "_SETTINGS", {})
    answer = await planned(
        stage,
        """
        {
          changes(first: 20) {
            edges {
              node {
                snapshot {
                  changes { id }
                  link { platform { activeTemplate { id } activeConfig { id } } snapshots(first: 3) { edges { node { id } } } }
                  template { settings { key } }
                  settings { key }
                  riskContributions { key }
                }
              }
            }
          }
        }
        """,
    )
    assert len(answer.data["changes"]["edges"]) == 20
    assert Counter(answer.statements) == {
        "privacy/change.page_change": 1,
        "privacy/change.edge_change_of_snapshot": 1,
        "privacy/snapshot.edge_snapshot": 1,
        "privacy/platform_link.edge_platform_link": 1,
        "privacy/platform.edge_platform": 1,
        "privacy/template.edge_active_template": 1,
        "privacy/platform_config.edge_active_config": 1,
        "privacy/snapshot.edge_snapshot_of_link": 1,
        "privacy/template.edge_template": 1,
        "privacy/template.edge_template_setting": 1,  # for the templates, and for what the snapshots show of them
    }


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("{ viewer { role curator } }", []),
        ("{ viewer { account { email } } }", ["core/account.get_account"]),
        ("{ privacyDashboard { coverage } }", ["privacy/dashboard.get_dashboard"]),
        ("{ platformLinks { edges { cursor } pageInfo { endCursor } } }", ["privacy/platform_link.page_platform_link"]),
        ("{ platformLinks { edges { node { id label } } } }", ["privacy/platform_link.page_platform_link"]),
        ("{ platforms { edges { node { id activeConfig @skip(if: true) { id } } } } }", ["privacy/platform.page_platform"]),
        ("{ __typename }", []),
    ],
)
async def test_what_is_not_selected_is_not_fetched(stage: Stage, text: str, statements: list[str]) -> None:
    assert (await planned(stage, text)).statements == statements


# What is left to the stock executor


@pytest.mark.parametrize(
    ("text", "fallback"),
    [
        ("{ __schema { queryType { name } } }", "introspection"),
        ('{ viewer { role } __type(name: "Query") { name } }', "introspection"),
        ('{ node(id: "x") { id } }', "BAD_ID"),
        ("{ platformLinks(first: 0) { edges { cursor } } }", "BAD_PAGE_SIZE"),
        ('{ platformLinks(after: "x") { edges { cursor } } }', "BAD_CURSOR"),
        ("query ($first: Int) { platformLinks(first: $first) { edges { cursor } } }", "GraphQLError"),
        ("query ($no: Boolean = false) { __typename @skip(if: $no) }", "argument"),
    ],
)
async def test_introspection_and_errors_are_left_to_the_stock_executor(stage: Stage, text: str, fallback: str) -> None:
    operation = Operation(text, {"first": None, "no": None})
    answer = await stage.planned(operation, stage.actors["ada"])
    assert answer.fallback == fallback
    assert answer.text == (await stage.stock(operation, stage.actors["ada"])).text
    assert bool(answer.errors) != (fallback == "introspection")


async def test_a_slow_edge_fails_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = Statement.variant

    def slow(self: Statement, given: frozenset[str] = frozenset()) -> tuple[str, tuple[str, ...]]:
        text, params = variant(self, given)
        if self.id == "privacy/snapshot.edge_snapshot":
            text = f"WITH slow AS MATERIALIZED (SELECT pg_sleep(60)) SELECT q.* FROM slow, ({text}) AS q"
        return text, params

    operation = Operation("{ platformLinks { edges { node { label latestSnapshot { id } platform { slug } } } } }", {})
    expected = (await planned(stage, operation.text)).data
    for edge in expected["platformLinks"]["edges"]:
        edge["node"]["latestSnapshot"] = None
    monkeypatch.setattr(Statement, "variant", slow)
    pool = await open_pool(stage.database.url("fivefold_api"), size=2, name="slow", statement_seconds=0.2)
    hurried = replace(stage, pool=pool)
    answer = await hurried.planned(operation, stage.actors["ada"])
    assert answer.text == (await hurried.stock(operation, stage.actors["ada"])).text
    assert (answer.fallback, answer.codes, answer.data) == ("TIMED_OUT", {"TIMED_OUT"}, expected)
    await assert_clean(hurried)
    await pool.close()


async def test_a_root_field_that_was_too_slow_is_not_run_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faults, "check", lambda self, statement: (_ for _ in ()).throw(TOO_SLOW))
    with failing(Faults(0, 0)):
        answer = await stage.planned(Operation("{ platformLinks { edges { cursor } } }", {}), stage.actors["ada"])
    assert (answer.codes, answer.data) == ({"TIMED_OUT"}, {"platformLinks": None})
    assert answer.statements == []


TOO_SLOW = AppError(ErrorCode.TIMED_OUT, "Too slow.")


@pytest.mark.parametrize("broken", ["privacy/platform.edge_platform", "core/idempotency.update_idempotency"])
async def test_a_mutation_runs_once_whatever_fails_behind_it(
    fresh: Stage, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(self: Faults, statement: Statement) -> None:
        if statement.id == broken:
            raise RuntimeError("broken")

    monkeypatch.setattr(Faults, "check", check)
    link = 'linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { label %s } }'
    fields = [link % ("One", 1, ""), link % ("Two", 2, "platform { slug }"), link % ("Three", 3, "")]
    text = "mutation { " + " ".join(f"m{number}: {text}" for number, text in enumerate(fields)) + " }"
    entered = Counter[str]()
    transaction = Db.transaction

    def counted(self: Db) -> Any:
        entered["transaction"] += 1
        return transaction(self)

    monkeypatch.setattr(Db, "transaction", counted)
    before = await rows(fresh)
    with failing(Faults(0, 0)):
        answer = await fresh.planned(Operation(text, {}), fresh.actors["ada"])
    added = (await rows(fresh))[WRITTEN.index("privacy.platform_link")] - before[WRITTEN.index("privacy.platform_link")]
    assert (answer.fallback, answer.codes, entered["transaction"]) == ("RuntimeError", {"INTERNAL"}, 3)
    if broken.startswith("core"):
        assert (answer.data, added) == ({"m0": None, "m1": None, "m2": None}, 0)
    else:
        assert (answer.data["m0"], answer.data["m1"], answer.data["m2"]) == (
            {"link": {"label": "One"}},
            None,
            {"link": {"label": "Three"}},
        )
        assert added == 3


async def test_a_mutation_shows_what_it_left_when_a_later_one_fails(fresh: Stage) -> None:
    answer = await planned(fresh, "{ platformLinks { edges { node { id } } } }")
    link = answer.data["platformLinks"]["edges"][-1]["node"]["id"]
    scans = [scan for scan in fresh.inputs.good["RecordSnapshotInput"] if scan["linkId"] == link]
    late = max(scans, key=lambda scan: str(scan["capturedAt"]))
    moment = datetime.now(UTC).isoformat()
    text = """
    mutation ($one: RecordSnapshotInput!, $two: RecordSnapshotInput!) {
      one: recordSnapshot(input: $one) { snapshot { link { seenUntil } } }
      two: recordSnapshot(input: $two) { snapshot { link { seenUntil } } }
      three: unlinkPlatform(input: {id: "x"}) { link { id } }
    }
    """
    variables = {"one": late, "two": late | {"capturedAt": moment, "idempotencyKey": "later"}}
    answer = await fresh.planned(Operation(text, variables), fresh.actors["ada"])
    assert answer.codes == {"BAD_ID"}
    one, two = (answer.data[key]["snapshot"]["link"]["seenUntil"] for key in ("one", "two"))
    assert one < two
