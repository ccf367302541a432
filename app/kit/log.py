"""Structured logs: one line per event, JSON for machines or text for people; the request id is in every line of a request.

Of an exception they hold where it was and what, never the values that it was about, nor those of a frame's variables.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from traceback import TracebackException

import asyncpg
import orjson
import structlog
from pydantic import ValidationError


def configure(log_format: str) -> None:
    """Once per process. ``log_format`` is json or text."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_dumps)
        if log_format == "json"
        # By default it would show the variables of each frame.
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*shared, structlog.processors.ExceptionRenderer(lambda raised: describe(raised[1])), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # asyncpg and uvicorn log through the standard library; their warnings take the same way.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _dumps(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:  # a huge number, a key that is no text: a line must not take its request with it
        return json.dumps(event, default=repr, skipkeys=True)


def describe(error: BaseException) -> str:
    """The traceback of an exception and of those behind it, without the values that they were about."""
    hidden = _hidden(error)
    report = TracebackException.from_exception(error)
    for each in _reports(report):
        each._str = _hide(each._str, hidden)  # type: ignore[attr-defined]  # the text may have several lines, indented later
    return "".join(report.format()).rstrip("\n")


def _masked(error: BaseException) -> str | None:
    """What may be told of an exception whose text holds values; None where the text may stay."""
    if isinstance(error, asyncpg.PostgresError):
        # DETAIL holds whole rows; the message of a data exception (22) holds the value, after a colon or in quotes.
        message = str(error.args[0]) if error.args else ""
        if str(error.sqlstate or "").startswith("22"):
            message = re.split(r"[:\"']", message, maxsplit=1)[0]
        names = (getattr(error, name, None) for name in ("constraint_name", "table_name", "column_name"))
        return " ".join([message, f"[{error.sqlstate}]", *(name for name in names if name)])
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return f"{error.title}: " + "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in found)
    return None


def _behind(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """An exception and all that led to it, each once."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    group = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (error.__cause__, error.__context__, getattr(error, "original_error", None), *group):
        yield from _behind(each, seen)


def _hidden(error: BaseException) -> Mapping[str, str]:
    """What must not be told, by the text that is told instead."""
    texts = {str(each): masked for each in _behind(error, set()) if (masked := _masked(each)) is not None}
    return {text: masked for text, masked in texts.items() if text}


def _hide(text: str, hidden: Mapping[str, str]) -> str:
    for secret, masked in hidden.items():
        text = text.replace(secret, masked).replace(repr(secret)[1:-1], masked)
    return text


def _reports(report: TracebackException) -> Iterator[TracebackException]:
    yield report
    for each in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if each is not None:
            yield from _reports(each)


class _Formatter(logging.Formatter):
    """The message, and an exception as ``describe`` tells it; asyncio writes exceptions into messages too."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return record.getMessage()
        return f"{_hide(record.getMessage(), _hidden(error))}\n{describe(error)}"


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
