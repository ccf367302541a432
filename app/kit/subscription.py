"""Subscriptions: what was told in the outbox, in order, to everyone who listens.

A *feed* is one question (a caller, a document, its variables) and all who ask it, over whatever connections: what is new is
read and resolved once for all of them, under the caller's own identity. The *hub* of a process asks, some times a second and
only while somebody listens, whether anything was told, and if so which workspaces, and wakes their feeds. Each feed goes
on behind the place that it has reached, so a wake-up too many does no harm, and nothing is skipped whatever fails.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import orjson
import strawberry
from prometheus_client import Counter

from app.kit.context import Info
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import authorize
from app.kit.graphql import field as computed
from app.kit.log import log
from app.kit.page import encode_cursor

if TYPE_CHECKING:
    from app.kit.db import Db

LOOK_SECONDS = 0.05
"""How long after one look at the outbox comes the next."""
REST = 8.0
"""What this process tells is looked for sooner, but not before so many times as long as the last look took have passed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""After a failure, and after many."""
LAG_SECONDS = 1.0
"""How long those who read fast wait for one who reads slowly, before that one goes on alone."""
KEPT_SECONDS = 7 * 86_400.0
SLACK_SECONDS = 3600.0
"""A cursor ends so much before what it needs: its time is that of a row, and rows of older transactions may follow it."""
MAX_CURSOR = 10_000
MAX_XID = 2**63 - 1

PASSING = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMED_OUT, ErrorCode.RATE_LIMITED})
"""What may be better in a moment: a feed waits and reads again from its place."""

Position = tuple[int, UUID, str]
"""A place in the outbox: transaction, row, and which of the row's events, of which each has a name."""
FIRST = UUID(int=0)
LAST = "\U0010ffff"
"""Before every row of a transaction; behind every event of a row."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where somebody begins: behind ``position``, but for transactions below ``until`` that are not among ``running``.

    Those had committed when the moment was noted.
    """

    position: Position
    until: int = 0
    running: frozenset[int] = frozenset()

    def is_new(self, xid: int) -> bool:
        """Whether what a transaction told is news from here on."""
        return xid >= self.until or xid in self.running


def moment_cursor(snapshot: str) -> str:
    """The cursor behind all that a transaction sees, from its pg_snapshot."""
    lowest, until, running = snapshot.split(":")
    return encode_cursor(["Moment", int(time.time()), lowest, until, running])


def _start_at(lowest: str, until: str, running: str) -> Start:
    ids = frozenset(_xid(id_) for id_ in running.split(",") if id_)
    return Start((_xid(lowest), FIRST, ""), _xid(until), ids)


def start(after: str | None, event: str, snapshot: str) -> Start:
    """Where a cursor says to go on, or from the moment of ``snapshot``. Raises BAD_CURSOR, CURSOR_EXPIRED."""
    now = _start_at(*snapshot.split(":"))
    if after is None:
        return now
    found, noted = _read_cursor(after, event)
    if found.position[0] > now.until:
        raise _bad_cursor()  # it was given by another database, or before this one was restored
    if noted < time.time() - (KEPT_SECONDS - SLACK_SECONDS):
        raise AppError(
            ErrorCode.CURSOR_EXPIRED,
            "after is older than the seven days for which events are kept. Read the lists again, and subscribe without it.",
            field="after",
        )
    return found


def _read_cursor(cursor: str, event: str) -> tuple[Start, float]:
    """What a cursor means, and when it was noted."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        values = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError
        name, *rest = values
        if name == "Moment":
            noted, lowest, until, running = rest
            return _start_at(lowest, until, running), float(_xid(noted))
        xid, id_, place = rest
        row = UUID(id_)
        if name != event or str(row) != id_ or row.version != 7:
            raise ValueError
        return Start((_xid(xid), row, place)), (row.int >> 80) / 1000
    except (binascii.Error, UnicodeError, ValueError):
        raise _bad_cursor() from None


def _xid(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_XID):
        raise ValueError(text)
    return int(text)


def _bad_cursor() -> AppError:
    return AppError(
        ErrorCode.BAD_CURSOR,
        "after is no cursor of this subscription. Pass one that an event or eventCursor gave.",
        field="after",
    )


@strawberry.type
class Event:
    """What a subscription brings; ``position`` tells it from all others."""

    position: strawberry.Private[Position]

    @computed(description="Pass it as `after` to go on behind this event.")
    def cursor(self) -> str:
        """The event's place, and what it is an event of."""
        return encode_cursor([type(self).__name__, *self.position])


Brings = TypeVar("Brings", bound=Event)
Read = Callable[["Db", Sequence[Any]], Awaitable[Sequence[Event]]]
"""From rows of the outbox to their events, in order."""


@dataclass(frozen=True)
class Source:
    """What the resolver of a subscription says: where to begin, and how rows become events. The decorator adds the rest."""

    after: str | None
    read: Read
    kind: str = ""
    event: str = ""


def subscription(event: type[Brings], kind: str, *scopes: str) -> Callable[[Callable[..., Awaitable[Source]]], Any]:
    """A root field that brings what the outbox tells of ``kind``. Keys need one of ``scopes``."""

    def decorate(resolver: Callable[..., Awaitable[Source]]) -> Any:
        @functools.wraps(resolver)
        async def guarded(self: Any, info: Info, **args: Any) -> Source:
            authorize(info.context.actor, frozenset(scopes))
            return replace(await resolver(self, info, **args), kind=kind, event=event.__name__)

        # Strawberry reads from the signature what the field brings.
        shown = inspect.signature(resolver).replace(return_annotation=AsyncGenerator[event, None])  # type: ignore[valid-type]
        guarded.__signature__ = shown  # type: ignore[attr-defined]
        return strawberry.subscription(resolver=guarded, description=" ".join((resolver.__doc__ or "").split()))

    return decorate


@dataclass(slots=True)
class Batch:
    """Some events as they are sent, where the next begin, whether there are more, and how long to wait before them."""

    messages: list[tuple[Position, str]]
    position: Position
    more: bool = False
    pause: float = 0.0


class Line(Protocol):
    """What a subscriber writes to: a connection, in which messages wait to be sent."""

    @property
    def full(self) -> bool:
        """Whether too many are waiting."""

    def send(self, text: str) -> None:
        """Put a message at the end of those that wait."""

    async def room(self) -> None:
        """Wait until it is full no longer."""


class Subscriber:
    """One operation of one connection. ``end`` is called when it is over for a reason of ours; ``sent`` counts events."""

    __slots__ = ("begun", "count", "end", "feed", "head", "line", "position", "sent", "start")

    def __init__(self, line: Line, id_: str, start: Start, sent: Counter, end: Callable[[AppError], None]) -> None:
        self.line, self.start, self.position, self.sent, self.end = line, start, start.position, sent, end
        self.head = f'{{"id":{orjson.dumps(id_).decode()},"type":"next","payload":'
        self.count = 0
        self.begun = time.monotonic()
        self.feed: Feed | None = None

    def offer(self, messages: Iterable[tuple[Position, str]]) -> None:
        """Send what lies behind the place that this subscriber has reached."""
        before = self.count
        for position, payload in messages:
            if position > self.position and self.start.is_new(position[0]):
                self.line.send(f"{self.head}{payload}}}")
                self.position = position
                self.count += 1
        if self.count > before:
            self.sent.inc(self.count - before)


@dataclass(slots=True, eq=False)
class Feed:
    """One question and those who ask it. ``key`` says which; those who lag behind have a feed of their own, without."""

    hub: Hub
    key: Any
    workspace_id: UUID
    kind: str
    read: Callable[[Position], Awaitable[Batch]]
    position: Position
    shared: bool
    subscribers: dict[Subscriber, None] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    awake: bool = False

    def wake(self) -> None:
        """There may be something new."""
        self.awake = True
        if self.task is None:
            self.task = asyncio.create_task(self._run())

    def add(self, subscriber: Subscriber) -> None:
        """From now on for this one too."""
        self.subscribers[subscriber] = None
        subscriber.feed = self

    async def _run(self) -> None:
        try:
            while self.awake and self.subscribers:
                self.awake = False
                await self._advance()
                self.hub.join(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text is not for clients
            known = error if isinstance(error, AppError) else None
            if known is None:
                log.error("subscription failed", kind=self.kind, exc_info=error)
                known = AppError(ErrorCode.INTERNAL, "Something went wrong on our side. Go on from your last cursor.")
            for subscriber in list(self.subscribers):
                self.hub.remove(subscriber)
                subscriber.end(known.copy())
        finally:
            self.task = None

    async def _advance(self) -> None:
        """Read and send until there is nothing more."""
        pause, more = FIRST_PAUSE, True
        while more and self.subscribers:
            try:
                async with self.hub.turns:
                    batch = await self.read(self.position)
            except AppError as error:
                if error.code not in PASSING:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            for at in range(0, len(batch.messages), SLICE):
                part = batch.messages[at : at + SLICE]
                for subscriber in list(self.subscribers):
                    subscriber.offer(part)
                self.position = part[-1][0]  # whoever comes now begins behind it, or alone
                await self._wait_for_slow()
            self.position, more = batch.position, batch.more
            if batch.pause:
                await asyncio.sleep(batch.pause)

    async def _wait_for_slow(self) -> None:
        """Until everyone has room; where others wait too, not long: who has none by then goes on alone."""
        while full := [subscriber for subscriber in self.subscribers if subscriber.line.full]:
            waiting = [asyncio.ensure_future(subscriber.line.room()) for subscriber in full]
            try:
                await asyncio.wait(waiting, timeout=LAG_SECONDS)
            finally:
                for each in waiting:
                    each.cancel()
            for subscriber in full:
                if subscriber.line.full and subscriber in self.subscribers and len(self.subscribers) > 1:
                    self.hub.part(subscriber)


SLICE = 100
"""Events that are sent before it is looked who has no room."""

Ask = Callable[[list[UUID], int | None], Awaitable[tuple[int, Sequence[tuple[UUID, str]]]]]
"""Which of the workspaces were told something from a transaction on, of which kind, and up to where that is known."""


class Hub:
    """The feeds of a process. ``turns`` bounds how many of them use the database at once."""

    def __init__(self, ask: Ask, turns: int) -> None:
        self.turns = asyncio.Semaphore(turns)
        self._ask = ask
        self._shared: dict[Any, Feed] = {}
        self._feeds: dict[UUID, dict[Feed, None]] = {}
        self._list: list[UUID] | None = None
        self._fresh: set[UUID] = set()
        self._horizon: int | None = None
        self._busy = asyncio.Event()
        self._told = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(feeds) for feeds in self._feeds.values())

    def add(
        self, subscriber: Subscriber, key: Any, workspace_id: UUID, kind: str, read: Callable[[Position], Awaitable[Batch]]
    ) -> None:
        """Somebody listens from now on."""
        shared = self._shared.get(key)
        if shared is not None and subscriber.position >= shared.position:
            shared.add(subscriber)
            return
        feed = Feed(self, key, workspace_id, kind, read, subscriber.position, shared=shared is None)
        self._open(feed, subscriber)
        if self._horizon is None or self._horizon > subscriber.position[0]:
            feed.wake()

    def remove(self, subscriber: Subscriber) -> None:
        """Somebody listens no longer."""
        feed, subscriber.feed = subscriber.feed, None
        if feed is not None:
            feed.subscribers.pop(subscriber, None)
            if not feed.subscribers:
                self._close(feed)

    def part(self, subscriber: Subscriber) -> None:
        """Let one who reads slowly go on alone, from the place that was reached."""
        feed = subscriber.feed
        assert feed is not None
        self.remove(subscriber)
        alone = Feed(self, feed.key, feed.workspace_id, feed.kind, feed.read, subscriber.position, shared=False)
        self._open(alone, subscriber)
        alone.wake()

    def join(self, feed: Feed) -> None:
        """Whoever has caught up goes on with the others again."""
        shared = self._shared.get(feed.key)
        if feed.shared or not feed.subscribers or (shared is not None and shared.position > feed.position):
            return
        if shared is None:
            feed.shared, self._shared[feed.key] = True, feed
            return
        for subscriber in list(feed.subscribers):
            # Nothing lies between what was sent last and the end of what was read.
            subscriber.position = max(subscriber.position, feed.position)
            feed.subscribers.pop(subscriber)
            shared.add(subscriber)
        self._close(feed)

    def look(self) -> None:
        """This process has told something: look soon. What others tell is found without."""
        self._told.set()

    async def run(self) -> None:
        """Ask what is new for as long as somebody listens. Ends when it is cancelled."""
        failed = 0.0
        while True:
            if not self._feeds:
                self._busy.clear()
                self._horizon = None
                await self._busy.wait()
            self._told.clear()
            begun = time.monotonic()
            try:
                await self._poll()
                failed = 0.0
            except Exception as error:  # noqa: BLE001 - listening goes on, whatever happens to one question
                if not failed:
                    log.warning("outbox not read", exc_info=error)
                failed = min(failed * 2 or FIRST_PAUSE, LONGEST_PAUSE)
                await asyncio.sleep(failed)
            else:
                await self._rest(REST * (time.monotonic() - begun))

    async def _rest(self, least: float) -> None:
        """Until the next look, at least so long."""
        least = min(least, LOOK_SECONDS)
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS - least):
                await self._told.wait()

    async def _poll(self) -> None:
        if self._list is None:
            self._list = list(self._feeds)
        fresh, self._fresh = self._fresh, set()
        try:
            self._horizon, news = await self._ask(self._list, self._horizon)
        except BaseException:
            self._fresh |= fresh
            raise
        for workspace_id, kind in news:
            self._wake(workspace_id, kind)
        for workspace_id in fresh:  # what was told to these before this question, nobody has asked for
            self._wake(workspace_id, None)

    def _wake(self, workspace_id: UUID, kind: str | None) -> None:
        for feed in list(self._feeds.get(workspace_id, ())):
            if kind is None or feed.kind == kind:
                feed.wake()

    def _open(self, feed: Feed, subscriber: Subscriber) -> None:
        feed.add(subscriber)
        if feed.shared:
            self._shared[feed.key] = feed
        if feed.workspace_id not in self._feeds:
            self._feeds[feed.workspace_id] = {}
            self._fresh.add(feed.workspace_id)
            self._list = None
        self._feeds[feed.workspace_id][feed] = None
        self._busy.set()

    def _close(self, feed: Feed) -> None:
        if feed.shared:
            del self._shared[feed.key]
        del self._feeds[feed.workspace_id][feed]
        if not self._feeds[feed.workspace_id]:
            del self._feeds[feed.workspace_id]
            self._fresh.discard(feed.workspace_id)
            self._list = None
