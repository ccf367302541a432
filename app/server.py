"""The API server: composition root. A request goes straight through ``Service.graphql`` below."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
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
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from app.core.api_key_network import note_network
from app.core.audit_block import fetch_lag
from app.core.audit_event import record_reads
from app.core.health import find_problems
from app.core.identity import REFUSED, Caller, Callers
from app.core.rate_bucket import RateLimiter, bucket_id
from app.core.sign_in import open_providers
from app.kit import console
from app.kit.context import NOBODY, Client, Context
from app.kit.db import UNDO_SECONDS, Db
from app.kit.document import Documents, Invalid, read_trusted
from app.kit.errors import AppError, ErrorCode
from app.kit.executor import Executor, has_keys
from app.kit.graphql import UNAUTHENTICATED
from app.kit.http import JSON, answer, negotiate, read_client, read_headers, read_request, refuse, reject
from app.kit.jwks import Issuers
from app.kit.limits import MAX_COST
from app.kit.locale import accepted
from app.kit.log import log
from app.kit.metrics import CONTENT_TYPE_LATEST, Metrics
from app.kit.password import Hasher
from app.kit.pool import Pool, in_doubt, open_pool
from app.kit.replica import HEADER, Replica
from app.kit.token import KeyRing
from app.kit.trace import Export, open_exporter, read_trace
from app.kit.websocket import Socket, refuse_handshake
from app.live import Live
from app.schema import NODE_TYPES, PUBLIC, READINGS, ROUTES, SCOPES, schema
from app.settings import Settings

SCHEMA_HASH = hashlib.sha256(schema.as_str().encode()).hexdigest()[:16]

TOO_LATE = "The request took too long; nothing was changed."

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


@dataclass(slots=True)
class _Call:
    """One request as it becomes known: its operation's name for logs and metrics, and its connection."""

    name: str
    db: Db


class Service:
    """What one server process holds: opened with its pool, used by every request."""

    def __init__(self, settings: Settings, pool: Pool, keys: KeyRing, export: Export | None) -> None:
        trusted = read_trusted(settings.trusted_documents) if settings.trusted_documents else {}
        self.settings, self.pool, self.keys, self.export = settings, pool, keys, export
        # What is cut off must be undone within the request's time too.
        self._seconds = max(settings.request_seconds - 2 * UNDO_SECONDS, settings.request_seconds / 2)
        self.documents = Documents(schema._schema, trusted, trusted_only=settings.trusted_only)
        self.providers = open_providers(settings)
        self.metrics = Metrics()
        self.replica = self._find_replica()
        self.callers = Callers(keys)
        self.executor = Executor(schema, self.metrics)
        self.executor.prepare(self.documents)
        self.hasher = Hasher(
            memory_mib=settings.password_memory_mib, rounds=settings.password_rounds, at_once=settings.password_threads
        )
        self.limiter = RateLimiter(per_second=settings.rate_per_second, burst=settings.rate_burst)
        self.strangers = RateLimiter(
            per_second=settings.stranger_per_second, burst=settings.stranger_burst, whom="Your network, without a token,"
        )
        self.live = Live(
            settings,
            pool,
            keys,
            self.callers,
            self.hasher,
            self.documents,
            self.executor,
            self.limiter,
            self.strangers,
            self.metrics,
        )

    def _find_replica(self) -> Replica | None:
        settings = self.settings
        if not settings.read_url:
            return None

        def connect() -> Awaitable[Pool]:
            return open_pool(
                settings.read_url,
                size=settings.pool_size,
                name="fivefold-api-read",
                statement_seconds=settings.statement_seconds,
                acquire_seconds=min(settings.acquire_seconds, 1.0),  # then there is the primary
                connect_seconds=settings.connect_seconds,
                patient=False,
            )

        return Replica(self.pool, connect, max_lag=settings.read_lag_seconds, reads=self.metrics.reads)

    async def graphql(self, request: Request) -> Response:
        """One request: who calls, what is asked, what it costs, one connection for it, the answer, one line in the log."""
        started, clock = time.time_ns(), time.perf_counter()
        headers = read_headers(request)
        request_id = _request_id(headers)
        trace = read_trace(headers.get("traceparent"))
        statements: list[str] = []
        with structlog.contextvars.bound_contextvars(request_id=str(request_id), trace_id=trace.trace_id):
            name, response = await self._answer(request, headers, request_id, statements)
            seconds = time.perf_counter() - clock
            response.raw_headers += [
                (b"x-request-id", str(request_id).encode()),
                (b"traceparent", trace.traceparent.encode()),
            ]
            self.metrics.count_request(name, response.status_code, seconds)
            log.info(
                "graphql",
                operation=name,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 2),
                statements=statements,
            )
            if self.export is not None:
                facts = {"request_id": str(request_id), "http.response.status_code": response.status_code}
                self.export(trace, f"graphql {name}", started, time.time_ns(), {**facts, "statements": statements})
        return response

    async def _answer(
        self, request: Request, headers: Mapping[str, str], request_id: UUID, statements: list[str]
    ) -> tuple[str, Response]:
        """The operation's name for logs and metrics, and the answer, whatever happens."""
        media_type = negotiate(headers.get("accept"))
        call = _Call("unknown", Db(self.pool, None, request_id, statements, self.metrics.time_statement))
        try:
            if media_type is None:
                wanted = "Accept application/graphql-response+json or application/json."
                raise AppError(ErrorCode.NOT_ACCEPTABLE, wanted)
            async with asyncio.timeout(self._seconds):
                response = await self._execute(request, headers, request_id, call, media_type)
        except TimeoutError:
            late = in_doubt() if call.db.commits else AppError(ErrorCode.TIMED_OUT, TOO_LATE)
            self.metrics.errors.labels(late.code_name).inc()
            response = refuse(late, media_type or JSON)
        except Invalid as invalid:
            self.metrics.errors.labels(invalid.code.name).inc()
            response = reject(invalid.errors, invalid.code, media_type or JSON)
        except AppError as error:
            self.metrics.errors.labels(error.code_name).inc()
            response = refuse(error, media_type or JSON)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is not for clients
            log.error("request failed", exc_info=error)
            self.metrics.errors.labels(ErrorCode.INTERNAL.name).inc()
            masked = AppError(ErrorCode.INTERNAL, "Something went wrong on our side; tell us the request id.")
            response = refuse(masked, media_type or JSON)
        finally:
            await call.db.close()
        if self.replica is not None and call.db.position is not None and (token := self.replica.token(call.db.position)):
            response.headers[HEADER] = token
        return call.name, response

    async def _execute(
        self, request: Request, headers: Mapping[str, str], request_id: UUID, call: _Call, media_type: str
    ) -> Response:
        """What is asked, by whom, for how much; then the answer. Raises AppError, Invalid."""
        db = call.db
        asked = await read_request(request, headers)
        client = read_client(request, headers)
        # A replica may not know yet who is not let in any more.
        caller = await self._authenticate(headers, db, client, anew=self.replica is not None)
        actor = caller.actor
        document = self.documents.find(asked.query, asked.document_id)
        operation = document.choose(asked.operation_name)
        if actor is NOBODY and not document.roots(operation) <= PUBLIC:
            raise AppError(ErrorCode.UNAUTHENTICATED, UNAUTHENTICATED)
        call.name = self.documents.label(document, operation)
        if asked.reading and operation.operation.value != "query":
            raise AppError(ErrorCode.METHOD_NOT_ALLOWED, "Send mutations with POST; GET only reads.")
        if operation.operation.value == "subscription":
            raise AppError(ErrorCode.BAD_REQUEST, "Subscribe over WebSocket, with the subprotocol graphql-transport-ws.")
        cost = document.cost(schema._schema, operation, asked.variables)
        if actor is not NOBODY:
            await self.limiter.charge(db, actor.workspace_id, cost)
        else:
            await self.strangers.charge(db, bucket_id("stranger", client.network), cost)
        reads = document.roots(operation) & READINGS.keys()
        writing = bool(reads) or operation.operation.value == "mutation"
        db.enter(actor)
        if caller.check is not None and not writing:
            db.expect(caller.check)
        elif caller.check is not None and not await db.begin(caller.check, writing=True):
            actor = (await self._authenticate(headers, db, client, anew=True)).actor
            db.enter(actor)
        db.languages = accepted(headers.get("accept-language"))
        await note_network(db, headers.get("authorization"), client)
        context = Context(actor, db, request_id, NODE_TYPES, SCOPES, self.settings, self.keys, self.hasher, client)
        await record_reads(context, {name: READINGS[name].object for name in reads if READINGS[name].may(actor)})
        if self.replica is not None:
            if operation.operation.value == "query":
                db.read_from(self.replica, self.replica.read_token(headers.get(HEADER.lower())))
            else:
                db.tell = True
        noted = db.commits  # that something is read is audited first, and once
        try:
            result = await self.executor.execute(document, operation, asked.variables, context)
        except Invalid:
            if not await db.is_confirmed():
                await self._authenticate(headers, db, client, anew=True)
            raise
        if db.lost and (db.commits == noted or has_keys(operation, asked.variables)):
            self.metrics.retries.inc()
            await db.renew()
            context = replace(context, loaders={}, outcomes={}, ast=None)
            result = await self.executor.execute(document, operation, asked.variables, context)
        if not await db.is_confirmed():
            actor = (await self._authenticate(headers, db, client, anew=True)).actor
            db.enter(actor)
            context = replace(context, actor=actor, loaders={}, outcomes={}, ast=None, recorded=set())
            result = await self.executor.execute(document, operation, asked.variables, context)
        if db.news:
            self.live.hub.look()
        for error in result.errors or ():
            self.metrics.errors.labels(getattr(error.original_error or error, "code_name", "INTERNAL")).inc()
        return answer(result, media_type, {"cost": {"requested": cost, "maximum": MAX_COST}})

    async def _authenticate(self, headers: Mapping[str, str], db: Db, client: Client, *, anew: bool) -> Caller:
        """Who asks. Raises AppError, and whoever is refused pays for it."""
        if "authorization" not in headers:
            return Caller(NOBODY)
        try:
            return await self.callers.authenticate(db, headers["authorization"], headers.get("fivefold-workspace"), anew=anew)
        except AppError as refused:
            if refused.code in REFUSED:
                await self.strangers.charge(db, bucket_id("stranger", client.network), 1)
            raise

    async def measure(self) -> None:
        """Ask the database for the gauges that it knows; one that does not answer leaves them unknown."""
        try:
            lag = await fetch_lag(self.pool)
        except AppError:
            self.metrics.audit_lag.set(math.nan)
            self.metrics.audit_unsealed.set(math.nan)
        else:
            self.metrics.audit_lag.set(lag.seconds)
            self.metrics.audit_unsealed.set(lag.unsealed)

    def text(self) -> bytes:
        """The metrics, with the gauges of this moment."""
        idle = self.pool.get_idle_size()
        self.metrics.connections.labels("idle").set(idle)
        self.metrics.connections.labels("busy").set(self.pool.get_size() - idle)
        if self.replica is not None:
            self.metrics.replica_lag.set(-1 if self.replica.lag is None else self.replica.lag)
            size, idle = self.replica.size()
            self.metrics.replica_connections.labels("idle").set(idle)
            self.metrics.replica_connections.labels("busy").set(size - idle)
        self.metrics.waiting.set(self.pool.waiting)
        self.metrics.rounds.set(self.pool.round)
        self.metrics.documents.set(len(self.documents))
        return self.metrics.text()


class _Straight:
    """Leads what comes to /graphql to the service, past routes and what they wrap: there each frame of a WebSocket lives as
    long as its connection, and a small query spends a twentieth of its time."""

    def __init__(
        self, app: ASGIApp, answer: Callable[[Request], Awaitable[Response]], listen: Callable[[WebSocket], Awaitable[None]]
    ) -> None:
        self.app, self.answer, self.listen = app, answer, listen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != "/graphql":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self.listen(WebSocket(scope, receive, send))
        elif scope["method"] == "POST":
            response = await self.answer(Request(scope, receive, send))
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def create_app(settings: Settings, *, console_token: str | None = None) -> Starlette:
    """The ASGI application. ``console_token`` is prefilled in GraphiQL: for the demo on loopback only."""
    keys = KeyRing(settings.jwt_keys, Issuers(settings.issuers) if settings.issuers else None, settings)
    allowed = re.compile(origin_pattern(settings.allowed_origins))
    export = open_exporter(settings.otlp_endpoint) if settings.otlp_endpoint else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pool = await open_pool(
            settings.require_database_url(),
            size=settings.pool_size,
            name="fivefold-api",
            statement_seconds=settings.statement_seconds,
            acquire_seconds=settings.acquire_seconds,
            connect_seconds=settings.connect_seconds,
        )
        try:
            service = app.state.service = Service(settings, pool, keys, export)
            live = asyncio.create_task(service.live.run())
            if service.replica is not None:
                await service.replica.start()
            try:
                yield
            finally:
                if service.replica is not None:
                    await service.replica.stop()
                await service.live.stop(live)
                service.hasher.close()
        finally:
            await pool.close()

    async def graphql(request: Request) -> Response:
        if settings.graphiql and console.wanted(request):
            return console.page(endpoint="/graphql", token=console_token, example=EXAMPLE)
        service: Service = request.app.state.service
        return await service.graphql(request)

    async def listen(websocket: WebSocket) -> None:
        origin = websocket.headers.get("origin")
        if origin is not None and not allowed.fullmatch(origin) and not (settings.graphiql and is_own(websocket, origin)):
            await refuse_handshake(websocket)
            return
        live: Live = websocket.app.state.service.live
        await live.serve(Socket(websocket, live))

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": version("fivefold"), "schema": SCHEMA_HASH})

    async def readyz(request: Request) -> Response:
        problems = await find_problems(request.app.state.service.pool)
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    async def metrics(request: Request) -> Response:
        service: Service = request.app.state.service
        await service.measure()
        return Response(service.text(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *ROUTES,
            *(console.routes() if settings.graphiql else ()),
        ],
        middleware=[
            # A page that holds a token answers to its own names only: a foreign name that resolves here must not read it.
            *([Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])] if console_token else ()),
            Middleware(
                CORSMiddleware,
                allow_origin_regex=allowed.pattern,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", "Fivefold-Workspace", HEADER, "X-Request-Id", "traceparent"],
                expose_headers=[HEADER, "X-Request-Id", "Retry-After", "traceparent"],
                max_age=86_400,
            ),
            Middleware(_Straight, answer=graphql, listen=listen),
        ],
        lifespan=lifespan,
    )


def origin_pattern(origins: list[str]) -> str:
    """A pattern of the allowed origins; a port may be ``*``. Without any, nothing matches."""
    return "|".join(re.escape(origin).replace(r":\*", r":\d+") for origin in origins) or r"(?!)"


def is_own(websocket: WebSocket, origin: str) -> bool:
    """Whether a handshake comes from a page of ours: GraphiQL's."""
    return origin.partition("://")[2] == websocket.headers.get("host")


def _request_id(headers: Mapping[str, str]) -> UUID:
    """The caller's X-Request-Id where it is a uuid, so that its logs and ours meet; else a new one."""
    if "x-request-id" in headers:
        with suppress(ValueError):
            return UUID(headers["x-request-id"])
    return uuid4()
