"""Errors: a closed list of codes, each with a sentence, and constraints that mean one of them."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest
from graphql import GraphQLError, GraphQLSchema

import app
from app.kit import errors
from app.kit.db import _meaning
from app.kit.errors import CONSTRAINTS, AppError, ErrorCode
from tests.conftest import Database
from tests.factory.kit import SCHEMA


def test_a_code_is_its_name() -> None:
    for code in ErrorCode:
        error = AppError(code, "A sentence.", field="id")
        assert error.extensions == {"code": code.name, "field": "id"}
        assert error.code_name == code.name
        assert (error.message, error.code) == ("A sentence.", code)
    assert AppError(ErrorCode.INTERNAL, "x").extensions == {"code": "INTERNAL"}


def test_the_schema_lists_the_codes() -> None:
    assert isinstance(SCHEMA, GraphQLSchema)
    listed = SCHEMA.type_map["ErrorCode"]
    assert set(listed.values) == {code.name for code in ErrorCode}  # type: ignore[attr-defined]
    assert all(value.description for value in listed.values.values())  # type: ignore[attr-defined]


def test_a_copy_is_another_error_that_says_the_same() -> None:
    """Executors write a path into the error that they raise: shared ones would take that of another field."""
    error = AppError(ErrorCode.NOT_FOUND, "There is none.", field="id")
    copy = error.copy()
    copy.path = ["elsewhere"]
    assert copy is not error
    assert error.path is None
    assert (copy.code, copy.message, copy.extensions) == (error.code, error.message, error.extensions)
    assert isinstance(copy, GraphQLError)


def test_every_code_is_used_by_somebody() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(app.__file__).parent.rglob("*.py"))
    unused = [code.name for code in ErrorCode if len(re.findall(rf"ErrorCode\.{code.name}\b", source)) == 0]
    assert unused == []


async def test_every_constraint_that_is_explained_exists(house: Database) -> None:
    """A constraint that was renamed would be INTERNAL from then on."""
    async with house.connect() as admin:
        known = {
            name
            for (name,) in await admin.fetch(
                "SELECT conname::text FROM pg_constraint UNION SELECT relname::text FROM pg_class WHERE relkind = 'i'"
                " UNION SELECT (regexp_matches(prosrc, $$CONSTRAINT = '(\\w+)'$$, 'g'))[1] FROM pg_proc"  # raised by functions
            )
        }
    assert set(CONSTRAINTS) - known == set()
    assert len(CONSTRAINTS) >= 8


def test_a_violation_is_what_its_noun_says_it_is() -> None:
    for name, expected in CONSTRAINTS.items():
        violation = asyncpg.CheckViolationError("secret details of a row")
        violation.constraint_name = name
        explained = _meaning(violation)
        assert explained is not None
        assert explained is not expected, "a path would be written into it"
        assert (explained.code, explained.message, explained.extensions) == (
            expected.code,
            expected.message,
            expected.extensions,
        )
        assert "secret" not in explained.message


def test_a_violation_that_nobody_explains_stays_unknown() -> None:
    violation = asyncpg.UniqueViolationError("x")
    for name in ("nobody_knows_it", "", None):
        violation.constraint_name = name
        assert _meaning(violation) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (asyncpg.QueryCanceledError("x"), "TIMED_OUT"),
        (asyncpg.LockNotAvailableError("x"), "TIMED_OUT"),
        (asyncpg.DeadlockDetectedError("x"), "UNAVAILABLE"),
        (asyncpg.SerializationError("x"), "UNAVAILABLE"),
        (asyncpg.CharacterNotInRepertoireError("x"), "BAD_INPUT"),
        (asyncpg.UntranslatableCharacterError("x"), "BAD_INPUT"),
        (asyncpg.UndefinedTableError("x"), None),
        (asyncpg.InsufficientPrivilegeError("x"), None),
        (asyncpg.DataError("x"), None),
        (ValueError("x"), None),
        (KeyError("x"), None),
    ],
)
def test_what_the_database_says_means_something_to_a_client(error: Exception, code: str | None) -> None:
    explained = _meaning(error)
    assert (explained.code_name if explained else None) == code


def test_a_constraint_is_explained_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "CONSTRAINTS", {})
    errors.constraint("test_name", ErrorCode.BAD_INPUT, "A sentence.", field="name")
    assert errors.CONSTRAINTS["test_name"].extensions == {"code": "BAD_INPUT", "field": "name"}
