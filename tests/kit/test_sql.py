"""Named statements: how files are read, parameters numbered, optional lines left out and rows made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit import sql
from app.kit.sql import BOUND, MOST_CHOICES, File, Statement, columns, load, make
from tests.conftest import Api
from tests.factory.kit import db_of

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write sql/test/noun.sql in a house of its own; its name."""
    monkeypatch.setattr(sql, "root", lambda: tmp_path)
    (tmp_path / "sql" / "test").mkdir(parents=True)

    def file(text: str) -> str:
        (tmp_path / "sql" / "test" / "noun.sql").write_text(text, encoding="utf-8")
        return "test/noun"

    return file


def statement(body: str, *optional: str) -> Statement:
    return Statement("test/noun", "get_noun", "one", "A test asks.", body, optional)


def compiled(body: str, *given: str, optional: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...]]:
    text, params = statement(body, *optional).variant(frozenset(given))
    return text.removeprefix("/* test/noun.get_noun */ "), params


# Files


def test_a_file_holds_statements_by_name(write: Write) -> None:
    found = load(
        write(
            """-- Nouns: what this file is about.
-- Table: test.noun

-- name: get_noun :one
-- Why it is
-- as it is.
SELECT n.id
FROM test.noun AS n
WHERE n.id = :id;

-- name: list_noun :many
-- All of them.
SELECT n.id FROM test.noun AS n;
"""
        )
    )
    assert list(found) == ["get_noun", "list_noun"]
    one = found["get_noun"]
    assert (one.id, one.kind, one.why) == ("test/noun.get_noun", "one", "Why it is as it is.")
    assert one.variant() == ("/* test/noun.get_noun */ SELECT n.id\nFROM test.noun AS n\nWHERE n.id = $1", ("id",))
    assert found["list_noun"].variant() == ("/* test/noun.list_noun */ SELECT n.id FROM test.noun AS n", ())


@pytest.mark.parametrize(
    "text",
    [
        "-- name: get_noun :one\nSELECT 1;",
        "-- name: get_noun :one\n-- Why.\n",
        "-- name: get_noun :one\n-- Why.\n;",
        "-- name: get_noun :one\n-- Why.\nSELECT 1;\n-- name: get_noun :one\n-- Why.\nSELECT 2;",
        "-- name: get_noun :one\n\n\nSELECT 1;",
    ],
)
def test_a_statement_without_why_body_or_own_name_is_refused(write: Write, text: str) -> None:
    with pytest.raises(ValueError, match="get_noun needs a why, a body and a name of its own"):
        load(write(text))


@pytest.mark.parametrize(
    "head",
    ["-- name: get_noun :two", "-- name: Get_Noun :one", "--name: get_noun :one", " -- name: get_noun :one", "-- Name: x", ""],
)
def test_a_head_that_is_none_is_refused(write: Write, head: str) -> None:
    """Or the statement would become part of the one before it, in silence."""
    one = "-- name: list_noun :many\n-- Why.\nSELECT 1;\n"
    for text in (f"{head}\n-- Why.\nSELECT 1;", *([f"{one}{head}\n-- Why.\nSELECT 1;"] if head else [])):
        with pytest.raises(ValueError, match=r"sql/test/noun\.sql: a statement begins"):
            load(write(text))


def test_a_file_that_is_missing_is_an_error(write: Write) -> None:
    with pytest.raises(FileNotFoundError):
        load("test/other")


def test_a_statement_is_bound_as_what_it_is(write: Write) -> None:
    file = File(write("-- name: get_noun :one\n-- Why.\nSELECT 1;"))
    for kind in ("many", "page", "edge"):
        with pytest.raises(TypeError, match=r"test/noun\.get_noun is :one"):
            getattr(file, kind)("get_noun", Noun)
    with pytest.raises(TypeError):
        file.exec("get_noun")
    with pytest.raises(KeyError):
        file.one("no_noun", Noun)
    bound = file.one("get_noun", Noun)
    assert BOUND.pop("test/noun.get_noun") is bound


# Parameters


@pytest.mark.parametrize(
    ("body", "text", "params"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::text, x::uuid", "SELECT $1::text, x::uuid", ("a",)),
        ("SELECT ':a', '''', ':a''b', :a", "SELECT ':a', '''', ':a''b', $1", ("a",)),
        ('SELECT ":a", "x"":b", :a', 'SELECT ":a", "x"":b", $1', ("a",)),
        ("SELECT 1 -- :a and ':b\n, :c", "SELECT 1 -- :a and ':b\n, $1", ("c",)),
        ("SELECT x[1:2], y[:a]", "SELECT x[1:2], y[$1]", ("a",)),
        ("SELECT :a_1, :a1, :a", "SELECT $1, $2, $3", ("a_1", "a1", "a")),
        ("SELECT ':a'", "SELECT ':a'", ()),
        ("SELECT a:b", "SELECT a$1", ("b",)),
        ("SELECT '%', x % 2, '$1', :a", "SELECT '%', x % 2, '$1', $1", ("a",)),
        ("SELECT 'é', :a", "SELECT 'é', $1", ("a",)),
    ],
)
def test_parameters_are_numbered_where_they_are_parameters(body: str, text: str, params: tuple[str, ...]) -> None:
    assert compiled(body) == (text, params)


pieces = st.lists(
    st.one_of(
        st.sampled_from(["SELECT", "a", ",", "(", ")", "x::uuid", "1", "-- no :param 'here\n", "\n", "$$", "%s"]),
        st.text("abc:'-\" \n", max_size=8).map(lambda t: "'" + t.replace("'", "''") + "'"),
        st.text("abc:'-\" ", max_size=8).map(lambda t: '"' + t.replace('"', '""') + '"'),
        st.from_regex(r":[a-z_][a-z0-9_]{0,5}", fullmatch=True),
    ),
    max_size=25,
)


@given(pieces)
def test_what_stands_in_quotes_and_comments_stays(parts: list[str]) -> None:
    """Whatever a body is made of: the parameters are numbered in their order, and nothing else is touched."""
    text, params = compiled(" ".join(parts))
    wanted = [part[1:] for part in parts if part.startswith(":")]
    assert list(params) == list(dict.fromkeys(wanted))
    numbers = {name: f"${place}" for place, name in enumerate(params, 1)}
    assert text.split("\n") == " ".join(
        numbers[p[1:]] if p.startswith(":") else p for p in parts
    ).splitlines() or text == "\n".join(" ".join(numbers[p[1:]] if p.startswith(":") else p for p in parts).splitlines())


# Optional lines


BODY = """SELECT n.id
FROM test.noun AS n
WHERE n.workspace_id = :workspace_id
    AND n.label = :label  -- if :label
    AND n.status = :status  -- if :status
    AND n.id < :after_id
    AND lower(n.label) = lower(:label)  -- if :label"""


def test_a_line_is_sent_only_with_its_parameter() -> None:
    one = statement(BODY, "label", "status")
    assert compiled(BODY, optional=("label", "status"))[1] == ("workspace_id", "after_id")
    text, params = one.variant(frozenset({"label"}))
    assert params == ("workspace_id", "label", "after_id")
    assert "status" not in text
    assert text.count("$2") == 2
    assert "-- if" not in text
    assert len({text for text, _ in one.variants()}) == 4


def test_the_optional_parameters_are_found_in_the_file(write: Write) -> None:
    found = load(write(f"-- name: list_noun :many\n-- Why.\n{BODY};"))["list_noun"]
    assert found.optional == ("label", "status")
    for text, params in found.variants():
        assert sorted(set(re.findall(r"\$(\d+)", text)), key=int) == [str(n) for n in range(1, len(params) + 1)]


def test_a_variant_is_made_once() -> None:
    one = statement(BODY, "label", "status")
    assert one.variant(frozenset({"label"})) is one.variant(frozenset({"label"}))


def test_a_choice_is_the_same_statement_of_some_columns() -> None:
    one = statement(
        "SELECT n.id, n.label\nFROM test.noun AS n\nWHERE n.id = :id\n    AND n.label = :label  -- if :label", "label"
    )
    chosen = one.choose(frozenset({"label", "at"}))
    assert chosen.id == one.id
    text, params = chosen.variant()
    assert text.split("\n")[0] == "/* test/noun.get_noun */ SELECT q.at, q.label"
    assert params == ("id",)
    assert chosen.variant(frozenset({"label"}))[1] == ("id", "label")
    assert one.variant()[0].startswith("/* test/noun.get_noun */ SELECT n.id")
    assert one.choose(frozenset({"at", "label"})) is chosen


def test_choices_of_one_statement_are_bounded() -> None:
    one = statement("SELECT 1 AS a")
    made = [one.choose(frozenset({f"c{n}"})) for n in range(MOST_CHOICES)]
    assert len(set(map(id, made))) == MOST_CHOICES
    assert one.choose(frozenset({"another"})) is one, "all of them"
    assert one.choose(frozenset({"c0"})) is made[0]


async def test_a_parameter_that_is_null_leaves_its_line_out(api: Api) -> None:
    db = await db_of(api)
    listing = statement(
        "SELECT p.slug\nFROM privacy.platform AS p\nWHERE true\n    AND p.slug = :slug  -- if :slug\nORDER BY p.slug", "slug"
    )
    everything = [row["slug"] for row in await db.fetch(listing, {"slug": None})]
    assert len(everything) == 5
    assert [row["slug"] for row in await db.fetch(listing, {"slug": "google"})] == ["google"]
    assert await db.fetch(listing, {"slug": ""}) == [], "empty is not null"
    assert [row["slug"] for row in await db.fetch(listing, {})] == everything
    await db.close()


# Rows


class Color(Enum):
    RED = "red"
    ONE = 1


@dataclass
class Noun:
    """A row."""

    id: int
    color: Color | None
    label: str | None = None


def test_a_row_is_made_by_the_names_of_its_columns() -> None:
    assert make(Noun, {"label": "x", "color": "red", "id": 1}) == Noun(1, Color.RED, "x")
    assert make(Noun, {"id": 1, "color": None}) == Noun(1, None)
    assert make(Noun, {"id": 1, "color": 1}).color is Color.ONE
    assert list(columns(Noun)) == ["id", "color", "label"]


@pytest.mark.parametrize("record", [{"id": 1}, {"id": 1, "color": None, "other": 2}, {"id": 1, "color": "green"}])
def test_a_row_that_does_not_fit_is_an_error(record: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        make(Noun, record)


async def test_groups_answer_each_key_in_its_place(api: Api, write: Write) -> None:
    """Keys without rows, keys given twice and rows out of order: every key has its own."""
    file = File(
        write(
            """-- name: edge_noun :edge
-- Why.
SELECT k.position, n.n AS id, 'red' AS color, NULL::text AS label
FROM unnest(:keys::integer[]) WITH ORDINALITY AS k (key, position)
CROSS JOIN LATERAL generate_series(1, k.key) AS n (n)
ORDER BY n.n DESC, k.position;
"""
        )
    )
    nouns = file.edge("edge_noun", Noun)
    BOUND.pop("test/noun.edge_noun")
    db = await db_of(api)
    keys = [2, 0, 3, 2, 0]
    assert [[row.id for row in rows] for rows in await nouns.groups(db, keys=keys)] == [list(range(key, 0, -1)) for key in keys]
    assert [row and row.id for row in await nouns(db, keys=keys)] == [2, None, 3, 2, None]
    assert await nouns.groups(db, keys=[]) == []
    assert all(row is None or row.color is Color.RED for row in await nouns(db, keys=keys))
    await db.close()


def test_statements_say_who_they_are() -> None:
    """In pg_stat_activity and in slow logs, by the first words of their text."""
    for id_, bound in BOUND.items():
        for text, _ in bound.statement.variants():
            assert text.startswith(f"/* {id_} */ ")


def test_numbers_have_no_gap() -> None:
    for bound in BOUND.values():
        for text, params in bound.statement.variants():
            used = sorted({int(n) for n in re.findall(r"\$(\d+)", text)})
            assert used == list(range(1, len(params) + 1)), bound.statement.id
            assert all(later - earlier == 1 for earlier, later in pairwise(used))
