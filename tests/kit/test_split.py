"""Splitting SQL: nothing that may hide a semicolon ends a statement, and nothing that looks like a comment is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.kit.migration.split import split, strip_comments

PIECES = [
    "x",
    "12.5",
    "'it''s; -- no comment'",
    r"E'a \'; /* b'",
    r"'C:\'",
    '"odd;name"',
    '"a""b;"',
    "$$; '$$",
    "$body$ BEGIN; $$ END; -- ' $body$",
    "name$of$thing",
    "$1",
    "(a; b (c;))",
    "/* one; /* two; */ three; */",
    "/**/",
    "-- until the line ends; '\n",
    "=",
    "BEGIN",
    "CASE WHEN x THEN y END",
]
"""What a statement may hold, each complete."""

FUNCTION = """
CREATE OR REPLACE FUNCTION core.f() RETURNS int LANGUAGE sql
BEGIN ATOMIC
    SELECT CASE WHEN true THEN 1 ELSE 2 END;
    SELECT 'END;' /* END; */;
END;
"""


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in split(text)]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: " ".join(["SELECT", *pieces])), max_size=4))
def test_statements_that_are_joined_come_apart_again(statements: list[str]) -> None:
    text = ";".join([*statements, " -- the end; '\n"])
    assert parts(text) == [f"{statement};" for statement in statements]
    assert strip_comments(strip_comments(text)) == strip_comments(text)
    assert [code.split() for code in parts(strip_comments(text))] == [
        code.split() for statement in statements if (code := f"{strip_comments(statement)};")
    ]


def test_the_last_needs_no_semicolon() -> None:
    assert parts("SELECT 1;SELECT 2") == ["SELECT 1;", "SELECT 2"]
    assert parts("; ;\n;SELECT 1;;--;\n/* ; */") == ["SELECT 1;"]


def test_a_body_of_sql_is_one_statement() -> None:
    assert parts(f"{FUNCTION}SELECT 1;{FUNCTION}") == [FUNCTION.rstrip(), "\nSELECT 1;", FUNCTION.rstrip()]
    assert parts("BEGIN; SELECT 1; END;") == ["BEGIN;", " SELECT 1;", " END;"]


def test_what_never_ends_goes_to_the_end() -> None:
    for open_ in ("'a; b", '"a; b', "$$ a; b", "/* a; /* b */ ;", "(a; b"):
        assert parts(f"SELECT 1; SELECT {open_}")[0] == "SELECT 1;", open_


def test_comments_become_blanks() -> None:
    assert strip_comments("a--b\nc/* d /* e */ f */'-- g' $$/* h */$$") == "a \nc '-- g' $$/* h */$$"
