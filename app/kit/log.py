"""Structured logs: one line per event, JSON for machines or text for people; the request id is in every line of a request."""

from __future__ import annotations

import json
import logging
import sys

import orjson
import structlog


def configure(log_format: str) -> None:
    """Once per process. ``log_format`` is json or text."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # asyncpg and uvicorn log through the standard library; their warnings take the same way.
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING, force=True)


def _dumps(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:  # a huge number, a key that is no text: a line must not take its request with it
        return json.dumps(event, default=repr, skipkeys=True)


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
