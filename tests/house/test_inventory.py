"""The data inventory against the catalog: no column is forgotten, and every row about a person can be found as theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import Database

COLUMNS = (
    "SELECT a.attrelid::regclass::text, a.attname::text, t.typname::text, a.attnotnull FROM pg_attribute AS a"
    " JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS t ON t.oid = a.atttypid"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped"
    " AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'"
)
"""Of every table of every schema that is not PostgreSQL's own; a partition counts as its parent."""

MANDATORY = (
    "SELECT c.conrelid::regclass::text, c.confrelid::regclass::text FROM pg_constraint AS c"
    " WHERE c.contype = 'f' AND c.conparentid = 0 AND NOT EXISTS (SELECT FROM pg_attribute AS a"
    "   WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) AND NOT a.attnotnull)"
)
"""Tables whose rows cannot be there without a row of another."""

Inventory = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def connection(house: Database) -> Iterator[psycopg.Connection[Any]]:
    """For questions."""
    with psycopg.connect(house.url(), autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def inventory(connection: psycopg.Connection[Any]) -> Inventory:
    """What was classified, by table and column."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        found = cursor.execute("SELECT * FROM core.data_inventory").fetchall()
    return {(row["object"], row["column_name"]): row for row in found}


@pytest.fixture(scope="module")
def subjects(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], str]:
    """The columns that say whose a row is."""
    found = connection.execute("SELECT object, column_name, kind FROM core.list_subject()").fetchall()
    return {(table, column): kind for table, column, kind in found}


def test_every_column_is_classified_and_every_entry_is_a_column(
    connection: psycopg.Connection[Any], inventory: Inventory
) -> None:
    """A migration that makes a column adds its line to core.data_inventory; one that drops it takes the line away."""
    columns = {(table, column) for table, column, _, _ in connection.execute(COLUMNS)}
    assert sorted(columns - inventory.keys()) == []
    assert sorted(inventory.keys() - columns) == []


def test_every_subject_is_a_column(subjects: dict[tuple[str, str], str], inventory: Inventory) -> None:
    assert subjects.keys() <= inventory.keys()


def test_no_secret_leaves(inventory: Inventory) -> None:
    """A secret, and what protects one, is neither exported nor kept when its owner is erased."""
    secrets = {key: row for key, row in inventory.items() if row["class"] == "secret"}
    assert secrets
    assert [key for key, row in secrets.items() if row["export_rule"] != "omit"] == []
    named_so = {key for key in inventory if key[1].endswith(("secret", "secret_hash", "token_hash", "password_hash"))}
    assert sorted(key for key in named_so if inventory[key]["class"] != "secret") == []


def test_what_is_shared_stays_shared(inventory: Inventory) -> None:
    """What is about nobody is in nobody's export, and no erasure touches it."""
    shared = [row for row in inventory.values() if row["class"] == "shared"]
    assert {(row["export_rule"], row["erase_rule"]) for row in shared} == {("omit", "keep")}


def test_who_a_row_is_about_is_an_identifier(inventory: Inventory, subjects: dict[tuple[str, str], str]) -> None:
    """A column that names an account is classified so; what stays in it after an erasure is said with its reason."""
    accounts = {key for key, kind in subjects.items() if kind == "account" and key[0] != "core.account"}
    assert sorted(key for key in accounts if inventory[key]["class"] != "identifier") == []
    assert sorted(key for key in accounts if inventory[key]["erase_rule"] == "keep" and not inventory[key]["reason"]) == []


def test_what_is_overwritten_can_be(connection: psycopg.Connection[Any], inventory: Inventory) -> None:
    """With NULL, or else, in a text, with a word."""
    columns = {(table, column): (type_, not_null) for table, column, type_, not_null in connection.execute(COLUMNS)}
    overwritten = {key for key, row in inventory.items() if row["erase_rule"] == "anonymize"}
    assert sorted(key for key in overwritten if columns[key][1] and columns[key][0] != "text") == []


def test_rows_about_people_are_found(
    connection: psycopg.Connection[Any], inventory: Inventory, subjects: dict[tuple[str, str], str]
) -> None:
    """By a column that says whose they are, or by a row that they cannot be without. A table that is about people and is not
    found so needs a foreign key, or a line in core.data_subject."""
    about = ("identifier", "personal", "sensitive", "secret")
    due = {key[0] for key, row in inventory.items() if row["class"] in about and row["erase_rule"] != "keep"}
    found = {key[0] for key in subjects if inventory[key]["erase_rule"] != "keep"}
    mandatory = connection.execute(MANDATORY).fetchall()
    while more := {child for child, parent in mandatory if parent in found and child not in found}:
        found |= more
    assert sorted(due - found) == []


def test_the_planner_keeps_no_words_of_people(connection: psycopg.Connection[Any]) -> None:
    """Statistics hold values of rows, and go on holding them when the rows are erased. For a new column its migration says
    ``ALTER TABLE ... ALTER COLUMN ... SET STATISTICS 0``; what a CHECK lists the words of tells of nobody."""
    found = connection.execute(
        "SELECT i.object || '.' || i.column_name FROM core.data_inventory AS i"
        " JOIN pg_attribute AS a ON a.attrelid = i.object::regclass AND a.attname = i.column_name"
        " WHERE i.class IN ('identifier', 'personal', 'sensitive', 'secret') AND a.attstattarget IS DISTINCT FROM 0"
        " AND a.atttypid IN ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype, 'bytea'::regtype, 'inet'::regtype)"
        " AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = a.attrelid AND c.contype = 'c'"
        "   AND a.attnum = ANY (c.conkey) AND pg_get_constraintdef(c.oid) ~ '(= ANY \\(|<@ )\\(?ARRAY\\[')"
        " ORDER BY 1"
    ).fetchall()
    assert [row[0] for row in found] == []
