"""Logs: a line is JSON for machines or text for people, with what belongs to its request and to no other."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
import structlog
from graphql import GraphQLError
from pydantic import BaseModel

from app.kit import log
from tests.conftest import Database

Logged = Callable[[], list[str]]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Logged]]:
    """Configure logging to a text in memory; put everything back afterwards."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def configure(log_format: str) -> Logged:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        log.configure(log_format)
        return lambda: stream.getvalue().split("\n")[:-1]

    yield configure
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)


def test_a_line_is_json(configured: Callable[[str], Logged]) -> None:
    lines = configured("json")
    id_ = uuid4()
    structlog.get_logger().info("graphql", status=200, statements=["a/b.c"], id=id_, text='line\nfeed "quoted" é\U0001f511')
    (line,) = lines()
    told = orjson.loads(line)
    assert datetime.fromisoformat(told.pop("timestamp")).utcoffset() is not None
    assert told == {
        "event": "graphql",
        "level": "info",
        "status": 200,
        "statements": ["a/b.c"],
        "id": str(id_),
        "text": 'line\nfeed "quoted" é\U0001f511',
    }


def test_what_json_does_not_know_is_told_all_the_same(configured: Callable[[str], Logged]) -> None:
    """A log that fails takes the request with it."""
    lines = configured("json")
    for value in ({1: 2}, {1, 2}, b"\xff", object(), 2**70, float("nan"), ValueError("x"), "\ud800", {(1, 2): 3}):
        structlog.get_logger().info("odd", value=value)
    assert len(lines()) == 9
    assert all(json.loads(line)["event"] == "odd" for line in lines())


def test_an_error_has_its_traceback_in_its_line(configured: Callable[[str], Logged]) -> None:
    lines = configured("json")
    try:
        raise ZeroDivisionError("the reason")
    except ZeroDivisionError as error:
        structlog.get_logger().error("failed", exc_info=error)
    (line,) = lines()
    told = orjson.loads(line)
    assert told["level"] == "error"
    assert "Traceback" in told["exception"]
    assert "ZeroDivisionError: the reason" in told["exception"]


def test_debug_is_not_told(configured: Callable[[str], Logged]) -> None:
    lines = configured("json")
    structlog.get_logger().debug("quiet")
    assert lines() == []


async def test_requests_at_once_keep_their_own_ids(configured: Callable[[str], Logged]) -> None:
    lines = configured("json")

    async def request(number: int) -> None:
        with structlog.contextvars.bound_contextvars(request_id=number):
            for _ in range(3):
                await asyncio.sleep(0)
                structlog.get_logger().info("step", number=number)

    await asyncio.gather(*(request(number) for number in range(20)))
    structlog.get_logger().info("after")
    told = [orjson.loads(line) for line in lines()]
    assert len(told) == 61
    assert all(line["request_id"] == line["number"] for line in told[:-1])
    assert "request_id" not in told[-1]


def test_text_is_for_people(configured: Callable[[str], Logged]) -> None:
    lines = configured("text")
    structlog.get_logger().info("graphql", status=200)
    (line,) = lines()
    assert "graphql" in line
    assert "status=200" in line
    assert "\x1b" not in line, "no color where there is no terminal"
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(line)


def test_warnings_of_libraries_take_the_same_way(configured: Callable[[str], Logged]) -> None:
    lines = configured("json")
    logging.getLogger("asyncpg").warning("a library warns")
    logging.getLogger("asyncpg").info("a library chats")
    assert lines() == ["a library warns"]


def test_what_a_line_says_is_one_line(configured: Callable[[str], Logged]) -> None:
    """No text can forge a second line."""
    lines = configured("json")
    forged: Any = 'x\n{"event": "graphql", "status": 200}\r\n\u2028'
    structlog.get_logger().info(forged, value=forged)
    (line,) = lines()
    assert orjson.loads(line)["event"] == forged


SECRET = "a secret's value"


class Given(BaseModel):
    """What somebody sent."""

    number: int


async def _fail(kind: str, database: Database) -> None:
    """Raise what holds a value in its text, as it reaches a log."""
    held = {"value": SECRET}  # a variable of a frame
    async with database.connect() as connection:
        match kind:
            case "argument":
                await connection.fetch("SELECT $1::int", held["value"])
            case "syntax":
                await connection.fetch("SELECT CAST($1::text AS uuid)", held["value"])
            case "detail":
                await connection.execute("CREATE TEMP TABLE t (a text UNIQUE, b int CHECK (b > 0))")
                await connection.execute("INSERT INTO t VALUES ($1, -1)", held["value"])
            case "wrapped":
                try:
                    await connection.fetch("SELECT $1::int", held["value"])
                except asyncpg.DataError as error:
                    raise GraphQLError(str(error), original_error=error) from None
            case "grouped":
                async with asyncio.TaskGroup() as group:
                    group.create_task(connection.fetch("SELECT $1::int", held["value"]))
            case "model":
                Given.model_validate({"number": held["value"]})


@pytest.mark.parametrize("kind", ["argument", "syntax", "detail", "wrapped", "grouped", "model"])
@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_values_are_not_told(configured: Callable[[str], Logged], database: Database, log_format: str, kind: str) -> None:
    """Where something failed and why: in lines of ours and in those of libraries. Not what about."""
    lines = configured(log_format)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - of every kind
        await _fail(kind, database)
    structlog.get_logger().error("failed", exc_info=raised.value)
    logging.getLogger("asyncio").error(f"Task exception was never retrieved: {raised.value!r}", exc_info=raised.value)
    told = "\n".join(lines())
    assert "in _fail" in told
    assert type(raised.value).__name__ in told
    assert {"argument": "query argument $1", "detail": "t_b_check"}.get(kind, "") in told
    assert SECRET not in told
    assert "secret" not in told
