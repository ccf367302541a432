"""The hub and its feeds over an outbox that is made up: whoever listens hears everything once, in order, whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Counter

from app.kit import subscription
from app.kit.errors import AppError, ErrorCode
from app.kit.page import encode_cursor
from app.kit.subscription import FIRST, LAST, Batch, Hub, Position, Start, Subscriber, moment_cursor, start

KIND = "privacy.test"
WORKSPACES = (UUID(int=1), UUID(int=2))
SENT = Counter("test_events", "Events", registry=None)


@dataclass
class Outbox:
    """Transactions that run, and the rows of those that committed: (transaction, workspace)."""

    next_xid: int = 100
    running: dict[int, UUID] = field(default_factory=dict)
    rows: list[tuple[int, UUID]] = field(default_factory=list)
    failing: int = 0

    def begin(self, workspace: UUID) -> None:
        self.running[self.next_xid] = workspace
        self.next_xid += 1

    def commit(self, which: int) -> None:
        if self.running:
            xid = sorted(self.running)[which % len(self.running)]
            self.rows.append((xid, self.running.pop(xid)))

    @property
    def horizon(self) -> int:
        return min(self.running, default=self.next_xid)

    @property
    def snapshot(self) -> str:
        return f"{self.horizon}:{self.next_xid}:{','.join(map(str, self.running))}"

    def check(self) -> None:
        if self.failing:
            self.failing -= 1
            raise AppError(ErrorCode.UNAVAILABLE, "The database cannot be reached.")

    async def ask(self, workspaces: list[UUID], since: int | None) -> tuple[int, list[tuple[UUID, str]]]:
        horizon, rows = self.horizon, list(self.rows)
        await asyncio.sleep(0)
        self.check()
        told = {w for xid, w in rows if since is not None and since <= xid < horizon and w in workspaces}
        return horizon, [(workspace, KIND) for workspace in told]

    async def read(self, workspace: UUID, position: Position) -> Batch:
        horizon, rows = self.horizon, sorted(self.rows)
        await asyncio.sleep(0)
        self.check()
        found = [
            (xid, FIRST, "event") for xid, w in rows if w == workspace and xid < horizon and (xid, FIRST, "event") > position
        ]
        messages = [(each, str(each[0])) for each in found[:3]]
        if len(found) > 3:
            return Batch(messages, messages[-1][0], more=True)
        return Batch(messages, max(position, (horizon, FIRST, "")))


@dataclass
class Line:
    """A connection that has no room while it is slow."""

    got: list[str] = field(default_factory=list)
    slow: bool = False
    ended: list[AppError] = field(default_factory=list)
    rooms: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return self.slow

    def send(self, text: str) -> None:
        self.got.append(text)

    async def room(self) -> None:
        if self.slow:
            self.rooms.append(asyncio.get_running_loop().create_future())
            await self.rooms[-1]

    def hurry(self) -> None:
        self.slow = False
        for room in self.rooms:
            if not room.done():
                room.set_result(None)


@dataclass
class Listening:
    """Somebody who listens, and what that one should hear: whatever the beginning did not know."""

    line: Line
    subscriber: Subscriber
    workspace: UUID

    @property
    def heard(self) -> list[int]:
        return [int(text.rpartition(":")[2].rstrip("}")) for text in self.line.got]


@dataclass
class World:
    """What happens is drawn; what must hold is looked at in the end."""

    outbox: Outbox = field(default_factory=Outbox)
    listening: list[Listening] = field(default_factory=list)
    hub: Hub = field(init=False)

    def __post_init__(self) -> None:
        self.hub = Hub(self.outbox.ask, turns=2)

    async def do(self, word: str, number: int) -> None:
        workspace = WORKSPACES[number % 2]
        chosen = self.listening[number % len(self.listening)] if self.listening else None
        if word == "begin":
            self.outbox.begin(workspace)
        elif word == "commit":
            self.outbox.commit(number)
        elif word == "listen":
            self.listen(workspace, start(None, "Test", self.outbox.snapshot))
        elif word == "resume" and chosen is not None:
            self.listen(chosen.workspace, Start(chosen.subscriber.position, *self.rest_of(chosen)))
        elif word == "again" and chosen is not None:
            self.listen(chosen.workspace, chosen.subscriber.start)
        elif word == "leave" and chosen is not None:
            self.hub.remove(chosen.subscriber)
            self.listening.remove(chosen)
            chosen.line.hurry()
        elif word == "slow" and chosen is not None:
            chosen.line.slow = True
        elif word == "fast" and chosen is not None:
            chosen.line.hurry()
        elif word == "fail":
            self.outbox.failing = number % 3
        elif word == "poll":
            await self.poll()
        else:
            for _ in range(number % 7):
                await asyncio.sleep(0)

    @staticmethod
    def rest_of(chosen: Listening) -> tuple[int, frozenset[int]]:
        return chosen.subscriber.start.until, chosen.subscriber.start.running

    def listen(self, workspace: UUID, begin: Start) -> None:
        line = Line()
        subscriber = Subscriber(line, "1", begin, SENT, line.ended.append)
        self.hub.add(subscriber, workspace, workspace, KIND, lambda position: self.outbox.read(workspace, position))
        self.listening.append(Listening(line, subscriber, workspace))

    async def poll(self) -> None:
        if self.hub._feeds:
            try:
                await self.hub._poll()
            except AppError:
                return

    async def settle(self) -> None:
        """Everything commits, everybody reads, the database answers."""
        self.outbox.failing = 0
        while self.outbox.running:
            self.outbox.commit(0)
        for each in self.listening:
            each.line.hurry()
        for _ in range(3):
            await self.poll()
            await until(lambda: not any(feed.task for feeds in self.hub._feeds.values() for feed in feeds))

    def check(self) -> None:
        for each in self.listening:
            begin = each.subscriber.start
            told = [xid for xid, workspace in sorted(self.outbox.rows) if workspace == each.workspace]
            assert each.heard == [xid for xid in told if (xid, FIRST, "event") > begin.position and begin.is_new(xid)]
            assert each.line.ended == []


async def until(holds: Callable[[], bool]) -> None:
    """Let the feeds run until it does."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - a feed has no event for it
            await asyncio.sleep(0)


WORDS = (
    "begin",
    "begin",
    "commit",
    "commit",
    "listen",
    "resume",
    "again",
    "leave",
    "slow",
    "fast",
    "fail",
    "poll",
    "poll",
    "turn",
)
STEPS = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 50)), min_size=20, max_size=60)


@pytest.fixture(autouse=True, scope="module")
def at_once() -> Any:
    """Nothing waits for the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscription, "LAG_SECONDS", 0.0005)
        patch.setattr(subscription, "SLICE", 1)
        patch.setattr(subscription, "FIRST_PAUSE", 0.0)
        patch.setattr(subscription, "LONGEST_PAUSE", 0.0)
        yield


@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_everyone_hears_everything_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    """Whoever comes when, resumes, reads slowly or leaves, whichever transaction commits last, whatever fails meanwhile."""

    async def run() -> None:
        world = World()
        for word, number in steps:
            await world.do(word, number)
        await world.settle()
        world.check()
        for each in list(world.listening):
            world.hub.remove(each.subscriber)
        assert len(world.hub) == 0
        assert not world.hub._shared

    asyncio.run(run())


def test_what_this_process_told_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it was told while a look was under way."""
    monkeypatch.setattr(subscription, "LOOK_SECONDS", 1000.0)
    monkeypatch.setattr(subscription, "REST", 0.0)

    async def run() -> None:
        world = World()
        world.listen(WORKSPACES[0], start(None, "Test", world.outbox.snapshot))
        running = asyncio.create_task(world.hub.run())
        for turns in range(5):
            for _ in range(turns):
                await asyncio.sleep(0)
            world.outbox.begin(WORKSPACES[0])
            world.outbox.commit(0)
            world.hub.look()
            await until(lambda: world.listening[0].heard == [xid for xid, _ in world.outbox.rows])
        running.cancel()

    asyncio.run(run())


def test_those_who_ask_the_same_end_up_in_one_feed() -> None:
    async def run() -> None:
        world = World()
        for _ in range(5):
            world.listen(WORKSPACES[0], start(None, "Test", world.outbox.snapshot))
            world.outbox.begin(WORKSPACES[0])
            world.outbox.commit(0)
        world.listen(WORKSPACES[0], Start((0, FIRST, "")))
        world.listening[2].line.slow = True
        await world.poll()
        await asyncio.sleep(0.01)
        assert len(world.hub) > 1
        await world.settle()
        assert len(world.hub) == 1
        assert [len(each.heard) for each in world.listening] == [5, 4, 3, 2, 1, 5]

    asyncio.run(run())


def test_one_who_is_slow_alone_does_not_hold_up_who_comes_later() -> None:
    async def run() -> None:
        world = World()
        world.listen(WORKSPACES[0], Start((0, FIRST, "")))
        world.listening[0].line.slow = True
        world.outbox.begin(WORKSPACES[0])
        world.outbox.commit(0)
        await world.poll()
        await asyncio.sleep(0.005)
        world.listen(WORKSPACES[0], start(None, "Test", world.outbox.snapshot))
        world.outbox.begin(WORKSPACES[0])
        world.outbox.commit(0)
        await world.poll()
        await until(lambda: bool(world.listening[1].heard))
        assert world.listening[1].heard == [101]
        await world.settle()
        assert world.listening[0].heard == [100, 101]

    asyncio.run(run())


# Cursors


@given(st.integers(0, 2**40), st.lists(st.integers(0, 30), max_size=40, unique=True), st.integers(1, 40))
def test_a_moment_is_a_cursor_of_every_subscription(lowest: int, running: list[int], more: int) -> None:
    ids = frozenset(lowest + each for each in running if each < more)
    snapshot = f"{lowest}:{lowest + more}:{','.join(map(str, sorted(ids)))}"
    later = f"{lowest + more}:{lowest + more}:"
    for event in ("One", "Other"):
        begin = start(moment_cursor(snapshot), event, later)
        assert begin == start(None, event, snapshot)
        for xid in range(lowest, lowest + more + 3):
            assert begin.is_new(xid) is (xid >= lowest + more or xid in ids)


def test_a_moment_of_many_transactions_is_still_a_cursor() -> None:
    """As many as PostgreSQL may run at once on a large server."""
    snapshot = f"{2**40}:{2**40 + 600}:{','.join(str(2**40 + each) for each in range(500))}"
    assert len(start(moment_cursor(snapshot), "Any", f"{2**41}:{2**41}:").running) == 500


def test_positions_are_in_the_order_of_delivery() -> None:
    early, late = UUID("01a1fd87-e0b0-7e51-bff3-adc5afcf862d"), UUID("01a1fd87-e0b1-7e51-bff3-adc5afcf862d")
    places: list[Position] = [(1, FIRST, ""), (1, early, ""), (1, early, "a"), (1, early, "z"), (1, early, LAST), (1, late, ""),
                              (2, FIRST, ""), (2, early, "")]  # fmt: skip
    assert places == sorted(places)


def test_a_cursor_says_when_it_was_noted() -> None:
    now = f"{int(time.time() * 1000):012x}"
    row = f"{now[:8]}-{now[8:]}-7e51-bff3-adc5afcf862d"
    begin = start(encode_cursor(["Test", 5, row, "a:b,c"]), "Test", "9:9:")
    assert begin.position == (5, UUID(row), "a:b,c")
