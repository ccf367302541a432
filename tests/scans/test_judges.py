"""Judges: a page may take a process down, or keep it busy, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.scans import judges as module
from app.scans.engine.feed import open_feed
from app.scans.judgement import Engines, combine, judge, look
from app.scans.judges import Judges, TooHard, end_judges, judges_of
from app.scans.observation import Hop, Observation
from app.scans.url import parse_url
from app.settings import Settings
from tests.factory.web import INSTRUCTING, PAGE, PHISHING, SECRETS

URL = parse_url("https://paypa1.example.com/login")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def seen(body: bytes) -> Observation:
    """A page, as it was fetched."""
    hop = Hop(0, URL.canonical, address=None, port=443, status=200)
    return Observation(
        url=URL.canonical, hops=(hop,), final_url=URL.canonical, status=200, content_type="text/html", size=len(body), body=body
    )


@pytest.fixture(scope="module")
async def judges() -> AsyncIterator[Judges]:
    made = Judges(1)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "body", [b"", PAGE, PHISHING, INSTRUCTING, SECRETS], ids=["none", "plain", "phishing", "told", "secrets"]
)
async def test_what_is_judged_elsewhere_is_judged_the_same(judges: Judges, body: bytes) -> None:
    engines = Engines(open_feed(""), clock=lambda: NOW)
    here = await judge(URL, seen(body), engines)
    there = await judge(URL, seen(body), replace(engines, elsewhere=judges))
    assert [replace(each, milliseconds=0) for each in there.engines] == [replace(each, milliseconds=0) for each in here.engines]
    assert replace(there, engines=()) == replace(here, engines=())


async def test_many_are_judged_in_turn(judges: Judges) -> None:
    bodies = [PHISHING, PAGE] * 20
    found = await asyncio.gather(*(judges.look(URL, seen(body), NOW) for body in bodies))
    engines = Engines(open_feed(""))
    expected = [combine(look(URL, seen(body), engines, NOW).verdicts).score for body in (PHISHING, PAGE)] * 20
    assert [combine(each.verdicts).score for each in found] == expected


async def test_words_of_a_page_come_back_for_a_model_alone_and_are_not_remembered(judges: Judges) -> None:
    remembered = module._heard_before.cache_info().currsize
    told = await judges.look(URL, seen(PHISHING), NOW, telling=True)
    assert told.message == look(URL, seen(PHISHING), Engines(open_feed("")), NOW, telling=True).message is not None
    assert module._heard_before.cache_info().currsize == remembered
    assert (await judges.look(URL, seen(PHISHING), NOW)).message is None


@dataclass(frozen=True)
class Trap:
    """What ends or stops the process that unpacks it, as a page might that finds a fault of a parser."""

    kind: str

    def __reduce__(self) -> Any:
        return (os._exit, (3,)) if self.kind == "ends" else (signal.pause, ())


@pytest.mark.parametrize("kind", ["ends", "hangs"])
async def test_one_page_costs_its_own_scan_alone(judges: Judges, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Those behind it are judged by the next process."""
    await judges.look(URL, seen(PAGE), NOW)
    if kind == "hangs":
        monkeypatch.setattr(module, "SECONDS", 0.3)
    address: Any = Trap(kind)
    bad = replace(seen(PAGE), hops=(Hop(0, URL.canonical, address=address, port=443),))
    trapped = asyncio.create_task(judges.look(URL, bad, NOW))
    await asyncio.sleep(0)
    behind = [asyncio.create_task(judges.look(URL, seen(PHISHING), NOW)) for _ in range(5)]
    with pytest.raises(TooHard):
        await trapped
    monkeypatch.setattr(module, "SECONDS", 30.0)
    for looked in await asyncio.gather(*behind):
        assert combine(looked.verdicts).score


@pytest.mark.parametrize(
    "answer", [b"no", b"[]", b'[[["SHELL"]],[],null]', b'[[["PAGE","1","HARMLESS",0,1,1,[],["MADE_UP"],null,1]],[],null]']
)
def test_only_names_of_ours_are_heard(answer: bytes) -> None:
    with pytest.raises(TooHard):
        module._heard(answer)


async def test_a_worker_has_them_once_and_ends_them() -> None:
    assert judges_of(Settings(scan_judges=0)) is None
    made = judges_of(Settings(scan_judges=1))
    assert made is not None
    assert judges_of(Settings(scan_judges=1)) is made
    await made.start()
    process = made._all[0]._process
    assert process is not None
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()  # noqa: ASYNC240
    assert b"DATABASE_URL" not in environment
    await end_judges()
    assert process.returncode is not None
    assert judges_of(Settings(scan_judges=1)) is not made
    with suppress(LookupError):
        await end_judges()
