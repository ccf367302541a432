"""Live updates: composition of a process's WebSocket connections, what they may ask, and the feeds that answer."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson
from graphql import OperationDefinitionNode, VariableNode, Visitor, visit

from app.core.api_key_network import note_network
from app.core.identity import REFUSED, Callers, find_valid
from app.core.outbox import read_moment, read_news, read_told
from app.core.rate_bucket import RateLimited, RateLimiter, bucket_id
from app.kit.context import Actor, Context
from app.kit.db import Db
from app.kit.document import Document, Documents, Invalid
from app.kit.errors import AppError, ErrorCode
from app.kit.executor import Executor
from app.kit.http import GraphQLRequest, describe, describe_all, read_client, read_headers, write
from app.kit.limits import MAX_COST
from app.kit.log import log
from app.kit.metrics import Metrics
from app.kit.password import Hasher
from app.kit.pool import Pool
from app.kit.subscription import FIRST, LAST, Batch, Hub, Position, Source, Subscriber, start
from app.kit.token import KeyRing
from app.kit.websocket import FORBIDDEN, Client, Socket
from app.schema import NODE_TYPES, SCOPES, schema
from app.settings import Settings

RECHECK_SECONDS = 20.0
"""A key that was revoked, or a membership that ended, ends its connections within so long."""
CALLERS = 1000
"""How many are looked up at once."""
ROWS = 20
EVENTS = 200
"""What a feed reads at once, at most: rows of the outbox, and events that it resolves."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a feed resolves its events by: who asks, and what."""

    actor: Actor
    document: Document
    operation: OperationDefinitionNode
    variables: dict[str, Any]
    source: Source
    cost: int
    request_id: UUID

    @property
    def key(self) -> tuple[Any, ...]:
        """What is equal for those who ask the same. Where each begins is not part of it."""
        name = self.operation.name.value if self.operation.name else None
        own = _only_after(self.document, self.operation)
        asked = {key: value for key, value in self.variables.items() if key != own}
        return self.actor, id(self.document), name, sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()


class Running:
    """A subscription of a connection, from its beginning to its line in the log."""

    def __init__(self, live: Live, socket: Socket, client: Client, id_: str, kind: str) -> None:
        self.live, self.socket, self.client, self.id, self.kind = live, socket, client, id_, kind
        self.subscriber: Subscriber | None = None

    def stop(self, reason: str) -> None:
        """See Operation."""
        subscriber, self.subscriber = self.subscriber, None
        if subscriber is None:
            return
        self.live.hub.remove(subscriber)
        self.live.metrics.subscriptions.labels(self.kind).dec()
        log.info(
            "subscription",
            request_id=str(self.client.request_id),
            kind=self.kind,
            seconds=round(time.monotonic() - subscriber.begun, 3),
            events=subscriber.count,
            reason=reason,
        )

    def fail(self, error: AppError) -> None:
        """It ends because of this."""
        self.live.metrics.errors.labels(error.code_name).inc()
        self.stop(error.code_name)
        self.socket.fail(self.id, error)


class Live:
    """The connections of a process. ``run`` must be running."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        keys: KeyRing,
        callers: Callers,
        hasher: Hasher,
        documents: Documents,
        executor: Executor,
        limiter: RateLimiter,
        strangers: RateLimiter,
        metrics: Metrics,
    ) -> None:
        self.settings, self.pool, self.keys, self.callers, self.documents = settings, pool, keys, callers, documents
        self.hasher = hasher
        self.executor, self.limiter, self.strangers, self.metrics = executor, limiter, strangers, metrics
        self.hub = Hub(partial(read_news, pool), turns=max(1, pool.get_max_size() // 2))
        self.sockets: set[Socket] = set()

    async def run(self) -> None:
        """Listen for news, and look again who may still call. Ends when it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run())
            group.create_task(self._recheck_often())

    async def serve(self, socket: Socket) -> None:
        """One connection, from its handshake to its end."""
        self.sockets.add(socket)
        self.metrics.sockets.inc()
        try:
            await socket.run()
        finally:
            self.sockets.discard(socket)
            self.metrics.sockets.dec()
            code, reason = socket.closed or (1006, "")
            if code >= 4000:
                log.info("connection refused", code=code, reason=reason)

    async def connect(self, socket: Socket, authorization: str | None, workspace: str | None) -> Client:
        """See Service."""
        request_id = uuid4()
        db = Db(self.pool, None, request_id, [], self.metrics.time_statement)
        try:
            caller = read_client(socket.websocket, read_headers(socket.websocket))
            try:
                actor = (await self.callers.authenticate(db, authorization, workspace, anew=True)).actor
            except AppError as refused:
                if refused.code in REFUSED:
                    await self.strangers.charge(db, bucket_id("stranger", caller.network), 1)
                raise
            db.enter(actor)
            await note_network(db, authorization, caller)
        finally:
            await db.close()
        return Client(actor, request_id)

    async def subscribe(self, socket: Socket, client: Client, id_: str, asked: GraphQLRequest) -> Running:
        """See Service: what is asked, for how much, from where on; then it listens."""
        actor = client.actor
        db = Db(self.pool, None, client.request_id, [], self.metrics.time_statement)
        try:
            document = self.documents.find(asked.query, asked.document_id)
            operation = document.choose(asked.operation_name)
            if operation.operation.value != "subscription":
                raise AppError(ErrorCode.BAD_REQUEST, "Send queries and mutations over HTTP; here are subscriptions only.")
            cost = document.cost(schema._schema, operation, asked.variables)
            await self.limiter.charge(db, actor.workspace_id, cost)
            db.enter(actor)
            context = Context(actor, db, client.request_id, NODE_TYPES, SCOPES, self.settings, self.keys, self.hasher)
            source: Source = await self.executor.source(document, operation, asked.variables, context)
            begin = start(source.after, source.event, await read_moment(db))
        finally:
            await db.close()
        question = Question(actor, document, operation, asked.variables, source, cost, client.request_id)
        running = Running(self, socket, client, id_, source.kind)
        running.subscriber = Subscriber(socket, id_, begin, self.metrics.events.labels(source.kind), running.fail)
        self.metrics.subscriptions.labels(source.kind).inc()
        self.hub.add(running.subscriber, question.key, actor.workspace_id, source.kind, partial(self._read, question))
        return running

    def describe(self, error: Exception) -> list[dict[str, Any]]:
        """See Service."""
        if isinstance(error, Invalid):
            self.metrics.errors.labels(error.code.name).inc()
            return describe_all(error.errors, error.code)
        known = error if isinstance(error, AppError) else None
        if known is None:
            log.error("subscription not begun", exc_info=error)
            known = AppError(ErrorCode.INTERNAL, "Something went wrong on our side. Try again later.")
        self.metrics.errors.labels(known.code_name).inc()
        return [describe(known)]

    async def _read(self, question: Question, position: Position) -> Batch:
        """The next events of a feed, resolved under the identity of those who ask."""
        db = Db(self.pool, question.actor, question.request_id, [], self.metrics.time_statement)
        context = Context(question.actor, db, question.request_id, NODE_TYPES, SCOPES, self.settings, self.keys, self.hasher)
        try:
            rows = await read_told(db, question.source.kind, position, ROWS)
            found = [event for event in await question.source.read(db, rows) if event.position > position] if rows else []
            # A batch asks for no more objects than a document may.
            events = found[: max(1, min(EVENTS, MAX_COST // max(1, question.cost)))]
            if len(events) < len(found):
                reached, more = events[-1].position, True
            elif len(rows) == ROWS:
                reached, more = (rows[-1].xid, rows[-1].id, LAST), True
            else:
                lowest, _, _ = (await read_moment(db)).split(":")
                reached, more = max(position, (int(lowest), FIRST, "")), False
            asked = question.document, question.operation, question.variables
            results = await self.executor.events(*asked, context, events) if events else []
        finally:
            await db.close()
        cost = {"requested": question.cost, "maximum": MAX_COST}
        messages = []
        for event, result in zip(events, results, strict=True):
            payload: dict[str, Any] = {"data": result.data}
            if result.errors:
                payload["errors"] = [describe(error) for error in result.errors]
            # The cursor is here too: data may be null, and whoever goes on must get past this event.
            payload["extensions"] = {"cost": cost, "cursor": event.cursor()}
            messages.append((event.position, write(payload).decode()))
        return Batch(messages, reached, more, await self._charge(question, len(events)))

    async def _charge(self, question: Question, events: int) -> float:
        """Pay for what was read. Who cannot waits before more is read; nothing is lost by that."""
        if not events:
            return 0.0
        db = Db(self.pool, None, question.request_id, [], self.metrics.time_statement)
        try:
            await self.limiter.charge(db, question.actor.workspace_id, question.cost * events)
        except RateLimited as error:
            return float((error.extensions or {})["retryAfter"])
        except AppError:
            return 1.0
        finally:
            await db.close()
        return 0.0

    async def recheck(self) -> None:
        """End the connections of those who may call no longer, or whose role is another now."""
        by_actor: dict[Actor, list[Socket]] = {}
        for socket in self.sockets:
            if socket.client is not None and socket.closed is None:
                by_actor.setdefault(socket.client.actor, []).append(socket)
        actors = list(by_actor)
        for at in range(0, len(actors), CALLERS):
            asked = actors[at : at + CALLERS]
            valid = await find_valid(self.pool, asked)
            for actor in asked:
                if actor not in valid:
                    for socket in by_actor[actor]:
                        socket.close(FORBIDDEN, "Your key, session or membership has ended, or your role has changed.")

    async def _recheck_often(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self.recheck()
            except Exception as error:  # noqa: BLE001 - it is tried again soon
                log.warning("callers not checked", exc_info=error)

    async def stop(self, task: asyncio.Task[None]) -> None:
        """End what ``run`` began."""
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _only_after(document: Document, operation: OperationDefinitionNode) -> str | None:
    """The variable that says where to begin, if it says nothing else: askers who differ in it alone share a feed."""
    uses = _Uses()
    visit(document.ast, uses)
    for node in operation.selection_set.selections:
        for argument in getattr(node, "arguments", None) or ():
            if argument.name.value == "after" and isinstance(argument.value, VariableNode):
                name = argument.value.name.value
                return name if uses.counts[name] == 1 else None
    return None


class _Uses(Visitor):
    """Counts how often each variable is used; where it is declared does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def enter_variable(self, node: VariableNode, key: Any, *_: Any) -> None:
        """``variable`` is its place in a declaration."""
        if key != "variable":
            self.counts[node.name.value] = self.counts.get(node.name.value, 0) + 1
