"""GraphQL over HTTP: from the bytes of a request to the bytes of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import parse_qs

import orjson
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from app.kit.context import Client
from app.kit.errors import AppError, ErrorCode
from app.kit.log import log

MAX_BODY_BYTES = 1024 * 1024
JSON = "application/json"
GRAPHQL = "application/graphql-response+json"

STATUS = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.ADDRESS_TAKEN: 403,
    ErrorCode.ACCOUNT_DELETED: 403,
    ErrorCode.ACCOUNT_ERASED: 403,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.NOT_ACCEPTABLE: 406,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.TIMED_OUT: 503,
}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A well-formed request: a document or the id of a registered one. ``reading`` allows queries only."""

    query: str | None
    document_id: str | None
    variables: dict[str, Any]
    operation_name: str | None
    reading: bool


@lru_cache(maxsize=64)
def negotiate(accept: str | None) -> str | None:
    """The media type to answer in: the client's preference of the two, JSON when it has none; None when it wants neither."""
    if not accept or not accept.strip():
        return JSON
    best, quality = None, 0.0
    for part in accept.split(","):
        name, _, rest = part.strip().partition(";")
        weight = next((p.strip()[2:] for p in rest.split(";") if p.strip().startswith("q=")), "1")
        try:
            given = float(weight)
        except ValueError:
            given = 0.0
        matches = {GRAPHQL: GRAPHQL, JSON: JSON, "*/*": JSON, "application/*": JSON}.get(name.strip().lower())
        if matches and given > quality:
            best, quality = matches, given
    return best


def read_headers(request: HTTPConnection) -> dict[str, str]:
    """Each header by its name in lower case, the first of those that come twice: looked at often, so it is read once."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.headers.raw)}


async def read_request(request: Request, headers: Mapping[str, str]) -> GraphQLRequest:
    """The GraphQL request of a POST or GET. Raises BAD_REQUEST with what is wrong."""
    if request.method == "GET":
        return _read_query_string(request)
    kind, _, parameters = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != JSON or ("charset" in parameters.lower() and "utf-8" not in parameters.lower()):
        raise _bad("Send the request as JSON in UTF-8, with the header `Content-Type: application/json`.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _bad("Send the body as it is, without `Content-Encoding`.")
    return check(_parse_json(await _read_body(request), "The body"), reading=False)


def _read_query_string(request: Request) -> GraphQLRequest:
    try:
        given = parse_qs(request.url.query, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise _bad("The query string is not URL-encoded UTF-8.") from None
    repeated = [name for name, values in given.items() if len(values) > 1]
    if repeated:
        raise _bad(f"{repeated[0][:40]} is given twice.")
    found: dict[str, Any] = {name: values[0] for name, values in given.items()}
    for name in ("variables", "extensions"):
        if name in found:
            found[name] = _parse_json(found[name].encode(), f"`{name}`")
    return check(found, reading=True)


def check(document: Any, *, reading: bool) -> GraphQLRequest:
    """The request in a parsed body, however it came. Raises BAD_REQUEST."""
    if not isinstance(document, dict):
        raise _bad("The body is not a JSON object with a `query`. Batches are not accepted.")
    query, name = document.get("query"), document.get("operationName")
    variables, extensions = document.get("variables"), document.get("extensions")
    if not isinstance(query, str | None) or not isinstance(name, str | None):
        raise _bad("`query` and `operationName` are strings.")
    if not isinstance(variables, dict | None) or not isinstance(extensions, dict | None):
        raise _bad("`variables` and `extensions` are objects.")
    document_id = document.get("documentId") or _persisted(extensions or {})
    if not isinstance(document_id, str | None):
        raise _bad("`documentId` is a string.")
    if not (query and query.strip()) and not document_id:
        raise _bad("`query` is missing.")
    if query and len(query) > MAX_BODY_BYTES:
        raise _bad("`query` is too long.")
    return GraphQLRequest(query or None, document_id, variables or {}, name or None, reading)


def _persisted(extensions: dict[str, Any]) -> str | None:
    """The older way to name a registered document."""
    given = extensions.get("persistedQuery")
    digest = given.get("sha256Hash") if isinstance(given, dict) else None
    return f"sha256:{digest}" if isinstance(digest, str) else None


def read_client(request: HTTPConnection, headers: Mapping[str, str]) -> Client:
    """From where it comes: what uvicorn made of the connection and, behind a proxy that is trusted, of its headers."""
    address = network_of(request.client.host if request.client else "")
    agent = headers.get("user-agent", "")
    if not agent.isprintable():
        agent = "".join(each for each in agent if each.isprintable())
    return Client(address, agent[:200].strip())


@lru_cache(maxsize=4096)
def network_of(host: str) -> str:
    """What a client can be told by: an IPv4 address, or the /64 of an IPv6 one, in which a client has as many as it likes."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def _parse_json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _bad(f"{what} is not JSON in UTF-8.") from None


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


_LITERAL = re.compile(r'"(?:[^"\\]|\\.){4,}"')
"""A text of a document as its errors quote it: it may be a password."""


def _bad(message: str) -> AppError:
    return AppError(ErrorCode.BAD_REQUEST, message)


def answer(result: ExecutionResult, media_type: str, extensions: dict[str, Any]) -> Response:
    """The answer to a document that was executed: 200, whatever its fields say, unless all of it is to be sent again later."""
    content: dict[str, Any] = {"data": result.data}
    if result.errors:
        content["errors"] = [describe(error) for error in result.errors]
    content["extensions"] = extensions
    for error in result.errors or ():
        again = (getattr(error.original_error or error, "extensions", None) or {}).get("retryAfter")
        if again is not None and not any((result.data or {}).values()):
            status = STATUS.get(getattr(error.original_error or error, "code", ErrorCode.RATE_LIMITED), 429)
            return _respond(content, status, media_type, {"Retry-After": str(again)})
    return _respond(content, 200, media_type)


def reject(errors: list[GraphQLError], code: ErrorCode, media_type: str) -> Response:
    """The answer to a document that was not executed. Plain JSON says so with 200, as its older clients expect."""
    return _respond({"errors": describe_all(errors, code)}, 400 if media_type == GRAPHQL else 200, media_type)


def describe_all(errors: list[GraphQLError], code: ErrorCode) -> list[dict[str, Any]]:
    """The errors of a document that was not executed, as the client sees them; without the texts that it holds."""
    return [_show(error, _LITERAL.sub('"…"', error.message), {"code": code.value}) for error in errors]


def refuse(error: AppError, media_type: str) -> Response:
    """The answer to a request that does not reach its document."""
    status = STATUS.get(error.code, 400)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 405: {"Allow": "POST"}}.get(status, {})
    retry_after = (error.extensions or {}).get("retryAfter")
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return _respond({"errors": [describe(error)]}, status, media_type, headers)


def describe(error: GraphQLError) -> dict[str, Any]:
    """An error as the client sees it. What is not meant for clients is logged, and masked as INTERNAL."""
    original = error.original_error or error
    if isinstance(original, AppError):
        return _show(error, original.message, dict(original.extensions or {}))
    if isinstance(original, GraphQLError) and original.nodes:  # an argument whose variable was null, say
        return _show(error, original.message, {"code": ErrorCode.BAD_VARIABLES.value})
    log.error("field failed", path=error.path, exc_info=original)
    message = "Something went wrong on our side. Nothing of this field was changed; tell us the request id."
    return _show(error, message, {"code": ErrorCode.INTERNAL.value})


def _show(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": message, "extensions": extensions}
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path:
        shown["path"] = error.path
    return shown


def write(content: Any) -> bytes:
    """JSON of what executors answer."""
    return orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)  # str: asyncpg's own kind of UUID


def _respond(content: dict[str, Any], status: int, media_type: str, headers: dict[str, str] | None = None) -> Response:
    return Response(write(content), status, headers, media_type=f"{media_type}; charset=utf-8")
