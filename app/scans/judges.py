"""Judges: processes that look at pages, so that whatever a page makes of an engine, the worker goes on.

A page that keeps an engine busy for too long, or takes its process down, costs that process and is an end of that scan alone;
the others that it was given are given to the next one. A page comes to a judge by a pipe and stays in its memory: there is no
file, no core is dumped, and nothing of the worker's secrets is in its environment. What comes back is names and numbers, which
are looked up anew here, so a process that a page took over can say nothing that an engine could not; and, where a model will be
asked, what it is told, which is a page's words in any case.

``serve`` is such a process: frames of four bytes of length and as many bytes, until its input ends.
"""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import resource
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import IO, Protocol
from weakref import WeakKeyDictionary

import orjson

from app.kit.log import log
from app.scans.engine import feed as feeds
from app.scans.engine.found import Unchecked
from app.scans.indicator import KINDS, Category, Indicator
from app.scans.judgement import Engine, Engines, EngineVerdict, Looked, Verdict, look
from app.scans.observation import Observation
from app.scans.url import Url

SECONDS = 10.0
"""Longest time of one page; ordinary ones take some thousandths."""
START_SECONDS = 60.0
"""Longest time until a process is ready, however busy the machine is."""
MOST_TRIES = 3
"""So often a page is given to another judge, because the one that had it was lost over another page."""
_MOST_ANSWER = 1024 * 1024
_OF_NO_PAGE = b",[],null]"
"""How an answer ends that holds names of ours alone: no host, no word."""
_READ = 256 * 1024
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


class JudgesSettings(Protocol):
    """What the operator says of judges, see app/settings.py."""

    scan_feed: str
    scan_judges: int


class TooHard(Exception):
    """A page took a judge too long, or took it down."""


class _Again(Exception):
    """The judge was lost over another page."""


@dataclass(eq=False)
class _Case:
    answer: asyncio.Future[bytes]


class Judges:
    """So many processes, each started when it is needed first and after each loss."""

    def __init__(self, count: int, feed: str = "") -> None:
        self._all = [_Judge(feed) for _ in range(count)]

    async def start(self) -> None:
        """Now, rather than with the first page."""
        await asyncio.gather(*(each.start() for each in self._all))

    async def look(self, url: Url, seen: Observation, now: datetime, *, telling: bool = False) -> Looked:
        """As ``judgement.look``, elsewhere. Raises TooHard."""
        frame = pickle.dumps((url, seen, now, telling), protocol=pickle.HIGHEST_PROTOCOL)
        for _ in range(MOST_TRIES):
            judge = min(self._all, key=lambda each: each.busy)
            try:
                answer = await judge.ask(frame)
            except _Again:
                continue
            return _heard_before(answer) if answer.endswith(_OF_NO_PAGE) else _heard(answer)
        raise TooHard

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(each.close() for each in self._all))


class _Judge:
    """One process, which works on what it is given in turn."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._cases: deque[_Case] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def busy(self) -> int:
        """How many pages it has."""
        return len(self._cases)

    async def start(self) -> Process:
        """The process, a new one if there is none."""
        async with self._starting:
            if self._process is None:
                environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
                command = [sys.executable, "-c", "from app.scans.judges import serve; serve()", self._feed]
                process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
                assert process.stdout is not None
                try:
                    async with asyncio.timeout(START_SECONDS):
                        await process.stdout.readexactly(4)  # an empty frame: from now on time counts
                except BaseException:
                    _kill(process)
                    raise
                self._process = process
                self._listening = asyncio.create_task(self._listen(process))
            return self._process

    async def ask(self, frame: bytes) -> bytes:
        """What it says of a page. Raises TooHard, or _Again where the page is not to blame."""
        process = await self.start()
        assert process.stdin is not None
        case = _Case(asyncio.get_running_loop().create_future())
        self._cases.append(case)
        if len(self._cases) == 1:
            self._watch_over(process)
        process.stdin.writelines((len(frame).to_bytes(4), frame))
        return await case.answer

    async def close(self) -> None:
        """Whoever waits gets no answer."""
        self._closing = True
        if self._process is not None and self._listening is not None:
            listening = self._listening
            _kill(self._process)
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, process: Process) -> None:
        """Hand out what it says, until it ends; then the page that it was at is to blame."""
        assert process.stdout is not None
        try:
            async for answer in _answers(process.stdout):
                if not self._cases:
                    break
                case = self._cases.popleft()
                self._watch_over(process)
                if not case.answer.done():  # its scan may have run out of time
                    case.answer.set_result(answer)
        except OSError:
            pass
        finally:
            self._process = None
            self._watch_over(None)
            lost, self._cases = self._cases, deque()
            for place, case in enumerate(lost):
                if not case.answer.done():
                    case.answer.set_exception(_Again() if place else TooHard())
            _kill(process)
        ended = await process.wait()
        if not self._closing:
            log.warning("a judge was lost", pages=len(lost), ended=ended)

    def _watch_over(self, process: Process | None) -> None:
        """Whoever is at a page for too long is ended; the time runs anew with each page."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if process is not None and self._cases:
            self._watch = asyncio.get_running_loop().call_later(SECONDS, _kill, process)


async def _answers(told: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What a judge says, as many at once as have come, until it ends or says too much. Raises OSError."""
    come = bytearray()
    while data := await told.read(_READ):
        come += data
        while len(come) >= 4:
            end = 4 + int.from_bytes(come[:4])
            if end > 4 + _MOST_ANSWER:
                return
            if len(come) < end:
                break
            yield bytes(come[4:end])
            del come[:end]


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()


_running: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, str], Judges]] = WeakKeyDictionary()


def judges_of(settings: JudgesSettings) -> Judges | None:
    """Those of this process and event loop; None where the worker itself looks at pages."""
    if settings.scan_judges == 0:
        return None
    here = _running.setdefault(asyncio.get_running_loop(), {})
    key = (settings.scan_judges, settings.scan_feed)
    return here.setdefault(key, Judges(*key))


async def end_judges() -> None:
    """End those of this event loop, if there are any."""
    for judges in _running.pop(asyncio.get_running_loop(), {}).values():
        await judges.close()


def tell(looked: Looked) -> bytes:
    """What a judge answers: names and numbers, and what a model is told of the page where one will be asked."""
    return orjson.dumps(
        [
            [
                [
                    each.engine.name,
                    each.version,
                    each.verdict.name,
                    each.score,
                    each.confidence,
                    each.weight,
                    [category.name for category in each.categories],
                    [indicator.kind for indicator in each.indicators],
                    each.unchecked and each.unchecked.name,
                    each.milliseconds,
                ]
                for each in looked.verdicts
            ],
            looked.form_hosts,
            looked.message,
        ]
    )


def _heard(answer: bytes) -> Looked:
    """What was answered, each name looked up. Raises TooHard where one is none of ours."""
    try:
        verdicts, form_hosts, message = orjson.loads(answer)
        return Looked(
            tuple(_verdict(*each) for each in verdicts),
            tuple(str(each) for each in form_hosts),
            None if message is None else str(message),
        )
    except (KeyError, TypeError, ValueError):
        raise TooHard from None


_heard_before = lru_cache(maxsize=256)(_heard)
"""Most pages are answered as others were. Only answers that could be of any page are remembered."""


def _verdict(
    engine: str,
    version: str,
    verdict: str,
    score: int | None,
    confidence: float,
    weight: int,
    categories: list[str],
    kinds: list[str],
    unchecked: str | None,
    milliseconds: int,
) -> EngineVerdict:
    return EngineVerdict(
        engine=Engine[engine],
        version=version,
        verdict=Verdict[verdict],
        score=score,
        confidence=confidence,
        weight=weight,
        categories=tuple(Category[each] for each in categories),
        indicators=tuple(Indicator(engine, kind, KINDS[kind].weight, KINDS[kind].evidence) for kind in kinds),
        unchecked=None if unchecked is None else Unchecked[unchecked],
        milliseconds=milliseconds,
    )


def main(feed: str, asked: IO[bytes], told: IO[bytes]) -> None:
    """Judge what is asked until that ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a page is in no file, not even of a process that it took down
    engines = Engines(feeds.open_feed(feed))
    told.write(bytes(4))
    told.flush()
    while head := asked.read(4):
        url, seen, now, telling = pickle.loads(asked.read(int.from_bytes(head)))  # noqa: S301 - of the worker, by a pipe of its own
        engines.feed.refresh(time.monotonic())
        signal.alarm(2 * math.ceil(SECONDS))  # ends this process, should nobody be left who does
        answer = tell(look(url, seen, engines, now, telling=telling))
        signal.alarm(0)
        told.write(len(answer).to_bytes(4) + answer)
        told.flush()


def serve() -> None:
    """What is asked comes by the standard input, and is answered by the standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed is no answer
    main(sys.argv[1], sys.stdin.buffer, answers)
