"""GraphQL over HTTP: from the bytes of a request to the bytes of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from app.kit.errors import AppError, ErrorCode
from app.kit.log import log

MAX_BODY_BYTES = 1024 * 1024
STATUS = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.TIMED_OUT: 503,
}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A well-formed request."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


async def read_request(request: Request) -> GraphQLRequest:
    """The GraphQL request of a POST. Raises BAD_REQUEST with what is wrong."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _bad("Send the request as JSON, with the header `Content-Type: application/json`.")
    body = await _read_body(request)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _bad("The body is not JSON in UTF-8.") from None
    if not isinstance(document, dict):
        raise _bad("The body is not a JSON object with a `query`. Batches are not accepted.")
    query, variables, name = document.get("query"), document.get("variables"), document.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise _bad("`query` is missing, or no string.")
    if not isinstance(variables, dict | None):
        raise _bad("`variables` is no object.")
    if not isinstance(name, str | None):
        raise _bad("`operationName` is no string.")
    return GraphQLRequest(query, variables, name)


async def _read_body(request: Request) -> bytes:
    """At most 1 MiB, whatever the header promised."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _bad("The body is larger than 1 MiB. Send less at once.")
    except ClientDisconnect:
        raise _bad("The body ended too soon.") from None
    return bytes(body)


def _bad(message: str) -> AppError:
    return AppError(ErrorCode.BAD_REQUEST, message)


def answer(result: ExecutionResult, *, executed: bool) -> Response:
    """The answer to a document: 200 once it was executed, whatever its fields say; 400 when it never was."""
    content: dict[str, Any] = {"data": result.data} if executed else {}
    if result.errors:
        content["errors"] = [describe(error, executed=executed) for error in result.errors]
    return _json(content, 200 if executed else 400)


def refuse(error: AppError) -> Response:
    """The answer to a request that does not reach its document."""
    status = STATUS.get(error.code, 400)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return _json({"errors": [describe(error, executed=False)]}, status, headers)


def describe(error: GraphQLError, *, executed: bool) -> dict[str, Any]:
    """An error as the client sees it. What is not meant for clients is logged, and masked as INTERNAL."""
    original = error.original_error or error
    shown: dict[str, Any]
    if isinstance(original, AppError):
        shown = {"message": original.message, "extensions": dict(original.extensions or {})}
    elif not executed and isinstance(original, RecursionError):
        shown = {"message": "The document is nested too deeply.", "extensions": {"code": ErrorCode.BAD_DOCUMENT.value}}
    elif not executed and isinstance(original, GraphQLError | ValueError):  # ValueError: a scalar refused a literal
        shown = {"message": error.message, "extensions": {"code": ErrorCode.BAD_DOCUMENT.value}}
    elif isinstance(original, GraphQLError) and not error.path:
        shown = {"message": error.message, "extensions": {"code": ErrorCode.BAD_VARIABLES.value}}
    else:
        log.error("field failed", path=error.path, exc_info=original)
        message = "Something went wrong on our side. Nothing of this field was changed; tell us the request id."
        shown = {"message": message, "extensions": {"code": ErrorCode.INTERNAL.value}}
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path:
        shown["path"] = error.path
    return shown


def _json(content: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)  # str: asyncpg's own kind of UUID
    return Response(body, status, headers, media_type="application/json")
