"""The API server: composition root. A request goes straight through ``_graphql`` below."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from uuid import UUID, uuid4

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from strawberry.types.execution import PreExecutionError

from app.core.health import find_problems
from app.core.identity import authenticate
from app.kit import console
from app.kit.context import Context
from app.kit.db import Db, Pool, open_pool
from app.kit.errors import AppError, ErrorCode
from app.kit.executor import Executor
from app.kit.http import GraphQLRequest, answer, read_request, refuse
from app.kit.log import log
from app.kit.token import KeyRing
from app.schema import NODE_TYPES, SCOPES, schema
from app.settings import Settings

SCHEMA_HASH = hashlib.sha256(schema.as_str().encode()).hexdigest()[:16]

EXAMPLE = """\
# Fivefold: how exposed am I, and what changed lately?
query Dashboard {
  privacyDashboard {
    overallScore
    coverage
    links(first: 10) {
      edges {
        node {
          id
          label
          status
          platform { id slug name }
          latestSnapshot {
            id
            riskScore
            completionRate
            confidence
            capturedAt
            settings { key label category value observed recommended risk }
          }
        }
      }
    }
    recentChanges(first: 10) {
      edges {
        node { setting label oldValue newValue origin significance confidence detectedAt }
      }
    }
  }
}
"""


def create_app(settings: Settings, *, console_token: str | None = None) -> Starlette:
    """The ASGI application. ``console_token`` is prefilled in GraphiQL: for the demo on loopback only."""
    keys = KeyRing(settings.jwt_keys)
    executor = Executor(schema)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.pool = await open_pool(
            settings.require_database_url(),
            size=settings.pool_size,
            name="fivefold-api",
            statement_seconds=settings.statement_seconds,
        )
        try:
            yield
        finally:
            await app.state.pool.close()

    async def graphql(request: Request) -> Response:
        if settings.graphiql and console.wanted(request):
            return console.page(endpoint="/graphql", token=console_token, example=EXAMPLE)
        if request.method != "POST":
            return refuse(AppError(ErrorCode.BAD_REQUEST, "Send GraphQL requests with POST."))
        return await _graphql(request, request.app.state.pool, keys, executor)

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": version("fivefold"), "schema": SCHEMA_HASH})

    async def readyz(request: Request) -> Response:
        problems = await find_problems(request.app.state.pool)
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *(console.routes() if settings.graphiql else ()),
        ],
        middleware=[
            # A page that holds a token answers to its own names only: a foreign name that resolves here must not read it.
            *([Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])] if console_token else ()),
            Middleware(
                CORSMiddleware,
                allow_origin_regex=origin_pattern(settings.allowed_origins),
                allow_methods=["POST"],
                allow_headers=["Authorization", "Content-Type", "Fivefold-Workspace", "X-Request-Id"],
                expose_headers=["X-Request-Id"],
                max_age=86_400,
            ),
        ],
        lifespan=lifespan,
    )


def origin_pattern(origins: list[str]) -> str:
    """A pattern of the allowed origins; a port may be ``*``. Without any, nothing matches."""
    return "|".join(re.escape(origin).replace(r":\*", r":\d+") for origin in origins) or r"(?!)"


async def _graphql(request: Request, pool: Pool, keys: KeyRing, executor: Executor) -> Response:
    """One request: who calls, what is asked, one connection for it, the answer, one line in the log."""
    started = time.perf_counter()
    request_id = _request_id(request)
    db: Db | None = None
    asked: GraphQLRequest | None = None
    with structlog.contextvars.bound_contextvars(request_id=str(request_id)):
        try:
            actor = await authenticate(
                pool, keys, request.headers.get("authorization"), request.headers.get("fivefold-workspace")
            )
            asked = await read_request(request)
            db = Db(pool, actor, request_id)
            context = Context(actor, db, request_id, NODE_TYPES, SCOPES)
            result = await executor.execute(asked.query, asked.variables, asked.operation_name, context)
            response = answer(result, executed=not isinstance(result, PreExecutionError))
        except AppError as error:
            response = refuse(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is not for clients
            log.error("request failed", exc_info=error)
            response = refuse(AppError(ErrorCode.INTERNAL, "Something went wrong on our side; tell us the request id."))
        finally:
            if db is not None:
                await db.close()
        response.headers["X-Request-Id"] = str(request_id)
        log.info(
            "graphql",
            operation=asked.operation_name if asked else None,
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 2),
            statements=db.statements if db else [],
        )
    return response


def _request_id(request: Request) -> UUID:
    """The caller's X-Request-Id where it is a uuid, so that its logs and ours meet; else a new one."""
    try:
        return UUID(request.headers.get("x-request-id", ""))
    except ValueError:
        return uuid4()
