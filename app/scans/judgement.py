"""Judgements: several engines look at one observation, each says what it found, and their verdicts make one score.

The score is arithmetic that anybody can repeat: 100 * (1 - product of (1 - weight * score)) over the engines, where an engine's
score is 100 * (1 - product of (1 - weight)) over its indicators, weights and scores taken as parts of 1. What could not be
looked at is said, and nothing found is harmless only where the page was seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol

import strawberry
from pydantic import SecretStr

from app.kit.model import Endpoint, Output, Spent, require_packages
from app.scans.engine import address, document, model, page, script, transport
from app.scans.engine import feed as feeds
from app.scans.engine.document import Document
from app.scans.engine.found import BLIND, Found, Unchecked
from app.scans.indicator import KINDS, WEIGHTS_VERSION, Category, Indicator
from app.scans.observation import Observation
from app.scans.url import Url

MALICIOUS_FROM = 70
SUSPICIOUS_FROM = 40
MOST_REASONING = 2000
"""Characters, as in the database."""
IN_THREAD_FROM = 150_000
"""A page of so many bytes is judged beside the event loop."""


@strawberry.enum(name="ScanVerdict", description="What an engine, or all of them together, take an address for.")
class Verdict(Enum):
    """Values as in the database."""

    HARMLESS = strawberry.enum_value("HARMLESS", description="It was looked at, and little was found.")
    SUSPICIOUS = strawberry.enum_value("SUSPICIOUS", description="What was found makes harm likely.")
    MALICIOUS = strawberry.enum_value("MALICIOUS", description="What was found makes harm nearly certain.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="It could not be looked at. That is not clean.")


@strawberry.enum(name="ScanEngine", description="What looks at an address or its page.")
class Engine(Enum):
    """Values as in the database."""

    ADDRESS = strawberry.enum_value("ADDRESS", description="How the address is spelled.")
    REDIRECTS = strawberry.enum_value("REDIRECTS", description="The way from the address to the page.")
    TLS = strawberry.enum_value("TLS", description="Connection and certificates.")
    HEADERS = strawberry.enum_value("HEADERS", description="Headers of the answer.")
    FILES = strawberry.enum_value("FILES", description="What came where it is no page.")
    PAGE = strawberry.enum_value("PAGE", description="Forms, words and structure of the page.")
    SCRIPTS = strawberry.enum_value("SCRIPTS", description="The page's scripts, read and not run.")
    FEED = strawberry.enum_value("FEED", description="A list of known addresses.")
    MODEL = strawberry.enum_value("MODEL", description="A language model.")


WEIGHTS: dict[Engine, int] = {
    Engine.ADDRESS: 100,
    Engine.REDIRECTS: 90,
    Engine.TLS: 80,
    Engine.HEADERS: 90,
    Engine.FILES: 100,
    Engine.PAGE: 100,
    Engine.SCRIPTS: 100,
    Engine.FEED: 100,
    Engine.MODEL: 55,
}
"""How much of an engine's score counts, in hundredths. The model's is below MALICIOUS_FROM: alone it condemns nobody."""


@dataclass(frozen=True)
class EngineVerdict:
    """What one engine says. ``score`` is None and the verdict UNKNOWN where it could not look; ``confidence`` 0..1."""

    engine: Engine
    version: str
    verdict: Verdict
    score: int | None
    confidence: float
    weight: int
    categories: tuple[Category, ...]
    indicators: tuple[Indicator, ...]
    unchecked: Unchecked | None
    milliseconds: int


@dataclass(frozen=True)
class Judgement:
    """What all engines say together. ``score`` is None exactly where the verdict is UNKNOWN."""

    verdict: Verdict
    score: int | None
    weights_version: int
    engines: tuple[EngineVerdict, ...]
    categories: tuple[Category, ...]
    indicators: tuple[Indicator, ...]
    unchecked: tuple[Unchecked, ...]
    reasoning: str
    form_hosts: tuple[str, ...] = ()
    model: str | None = None
    prompt_version: int | None = None
    spent: Spent | None = None
    """What the model took, where it was asked."""


class JudgeSettings(Protocol):
    """What of the operator's settings is meant for judging, see app/settings.py."""

    scan_feed: str
    scan_model: str
    scan_model_url: str
    scan_model_key: SecretStr
    scan_model_seconds: float
    scan_model_output: Output
    scan_model_price_in: Decimal | None
    scan_model_price_out: Decimal | None
    scan_model_currency: str


@dataclass(frozen=True, eq=False)
class Looked:
    """What all engines but the model found, in order, and the hosts of forms; ``message``: what a model is told of the page.

    Pages of which the same is said share one: it is known by its identity.
    """

    verdicts: tuple[EngineVerdict, ...]
    form_hosts: tuple[str, ...] = ()
    message: str | None = None


class Elsewhere(Protocol):
    """Looks at pages in another process, see judges.py."""

    async def look(self, url: Url, seen: Observation, now: datetime, *, telling: bool = False) -> Looked:
        """As ``look``, elsewhere."""
        ...


@dataclass
class Engines:
    """What judges. ``elsewhere`` looks at pages in place of this process."""

    feed: feeds.Feed
    model: Endpoint | None = None
    elsewhere: Elsewhere | None = None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def ask_others(self) -> bool:
        """Whether words of pages go to a machine that is not the operator's: then somebody must consent to that."""
        return self.model is not None and not self.model.is_own


def engines_of(settings: JudgeSettings) -> Engines:
    """What an operator has set. Raises SetupError where that cannot work."""
    feed = followed(settings.scan_feed)
    if not settings.scan_model:
        return Engines(feed)
    require_packages("FIVEFOLD_SCAN_MODEL")
    endpoint = Endpoint(
        model=settings.scan_model,
        url=settings.scan_model_url,
        key=settings.scan_model_key,
        seconds=settings.scan_model_seconds,
        output=settings.scan_model_output,
        price_in=settings.scan_model_price_in,
        price_out=settings.scan_model_price_out,
        currency=settings.scan_model_currency,
    )
    return Engines(feed, endpoint)


@lru_cache(maxsize=4)
def followed(path: str) -> feeds.Feed:
    """A list, read once by a process and then only when it changes; one that could not be read is tried again."""
    return feeds.open_feed(path)


async def judge(url: Url, observation: Observation, engines: Engines, consented: bool = True) -> Judgement:
    """What all engines say of an address and of what was seen of it. Never raises for what a page holds, but TooHard elsewhere.

    ``consented`` is whether the page's words may be shown to a model that somebody else runs.
    """
    now = engines.clock()
    asking = engines.model if consented or not engines.ask_others else None
    telling = asking is not None
    if engines.elsewhere is not None:
        looked = await engines.elsewhere.look(url, observation, now, telling=telling)
    else:
        engines.feed.refresh(time.monotonic())
        if len(observation.body) >= IN_THREAD_FROM:
            looked = await asyncio.to_thread(look, url, observation, engines, now, telling=telling)
        else:
            looked = look(url, observation, engines, now, telling=telling)
    if asking is None:
        why = Unchecked.NO_MODEL if engines.model is None else Unchecked.NO_CONSENT
        return _without_model(looked, why) if not looked.form_hosts else _combined(looked, no_model(why))
    verdict, spent = await _ask(asking, looked)
    asked = looked.message is not None
    return replace(
        _combined(looked, verdict),
        model=asking.model if asked else None,
        prompt_version=model.PROMPT_VERSION if asked else None,
        spent=spent,
    )


def _combined(looked: Looked, verdict: EngineVerdict) -> Judgement:
    return combine((*looked.verdicts, verdict), looked.form_hosts)


@lru_cache(maxsize=256)
def _without_model(looked: Looked, why: Unchecked) -> Judgement:
    """Remembered, since a judge's answers are: most pages have the same few. Nothing of a page is in it."""
    return _combined(looked, no_model(why))


async def _ask(endpoint: Endpoint, looked: Looked) -> tuple[EngineVerdict, Spent | None]:
    """The model's verdict and what it took. How much it counts falls with its confidence, and never reaches what condemns."""
    version = f"{endpoint.model}/{model.PROMPT_VERSION}"[:100]
    if looked.message is None:
        why = next((v.unchecked for v in looked.verdicts if v.engine is Engine.PAGE and v.unchecked), Unchecked.EMPTY)
        return _verdict(Engine.MODEL, version, Found(unchecked=[why], blind=True), 0.0), None
    started = time.perf_counter()
    said = await model.look(endpoint, looked.message, instructed="SPEAKS_TO_MODELS" in _kinds(looked.verdicts))
    found = _verdict(Engine.MODEL, version, said.found, time.perf_counter() - started)
    if said.score is None:
        return found, said.spent
    weight = round(WEIGHTS[Engine.MODEL] * said.confidence)
    indicators = tuple(replace(each, weight=weight * said.score // 100) for each in found.indicators)
    weighed = replace(
        found,
        verdict=verdict_of(said.score),
        score=said.score,
        confidence=said.confidence,
        weight=weight,
        indicators=indicators,
        categories=_categories(indicators),
    )
    return weighed, said.spent


def no_model(why: Unchecked) -> EngineVerdict:
    """What is said of the model where none is asked."""
    return _verdict(Engine.MODEL, "none", Found(unchecked=[why], blind=True), 0.0)


@dataclass
class _Seen:
    """The page as it was parsed, if there was one."""

    page: Document | None
    found: Found


def _kinds(verdicts: Sequence[EngineVerdict]) -> set[str]:
    return {each.kind for verdict in verdicts for each in verdict.indicators}


def look(url: Url, seen: Observation, engines: Engines, now: datetime, *, telling: bool = False) -> Looked:
    """Every engine but the model; with ``telling`` also what a model is to be told."""
    verdicts: list[EngineVerdict] = []

    def run(engine: Engine, version: str, looks: Callable[[], Found]) -> None:
        started = time.perf_counter()
        found = looks()
        verdicts.append(_verdict(engine, version, found, time.perf_counter() - started))

    final = seen.final_url or url.canonical
    parsed = _parse(seen, final)
    run(Engine.ADDRESS, address.VERSION, lambda: address.look(url.canonical, final))
    run(Engine.REDIRECTS, transport.REDIRECTS, lambda: transport.redirects(seen))
    run(Engine.TLS, transport.TLS, lambda: transport.tls(seen, now))
    run(Engine.HEADERS, transport.HEADERS, lambda: transport.headers(seen))
    run(Engine.FILES, transport.FILES, lambda: transport.files(seen))
    run(Engine.PAGE, page.VERSION, lambda: _page(parsed, final))
    run(Engine.SCRIPTS, script.VERSION, lambda: _scripts(parsed, final))
    run(Engine.FEED, feeds.VERSION, lambda: _feed(url, seen, parsed.page, engines, now))
    if parsed.page is None:
        return Looked(tuple(verdicts))
    told = model.message_for(parsed.page, seen.final_url, _kinds(verdicts)) if telling else None
    return Looked(tuple(verdicts), document.hosts_of_forms(parsed.page), told)


def _parse(seen: Observation, final: str) -> _Seen:
    """The page, and all that keeps it from being seen whole."""
    found = Found()
    if seen.status is None:
        refused = seen.failure in transport.REFUSED
        return _Seen(None, Found(unchecked=[Unchecked.REFUSED_ADDRESS if refused else Unchecked.UNREACHABLE], blind=True))
    if seen.failure is not None:
        # A chain that broke after its first answers: what it led to was not seen.
        refused = seen.failure in transport.REFUSED
        found.unchecked.append(Unchecked.REFUSED_ADDRESS if refused else Unchecked.UNREACHABLE)
    if seen.status in (401, 403, 407, 429, 451, 503):
        found.unchecked.append(Unchecked.ACCESS_DENIED)
    elif seen.status >= 400:
        found.unchecked.append(Unchecked.ERROR_ANSWER)
    if not seen.body.strip():
        found.unchecked.append(Unchecked.EMPTY)
        return _Seen(None, Found(unchecked=found.unchecked, blind=True))
    plain = not transport.is_page(seen)
    if plain and (transport.magic(seen.body) or not transport.is_text(seen)):
        found.unchecked.append(Unchecked.NOT_A_PAGE)
        return _Seen(None, Found(unchecked=found.unchecked, blind=True))
    parsed = _text(seen, final) if plain else document.read(seen.body, final, seen.content_type or "")
    if parsed is None:
        found.unchecked.append(Unchecked.EMPTY)
        return _Seen(None, Found(unchecked=found.unchecked, blind=True))
    if seen.truncated or parsed.cut or len(seen.body) > document.MOST_BYTES:
        found.unchecked.append(Unchecked.TRUNCATED)
    if parsed.too_deep:
        found.unchecked.append(Unchecked.TOO_DEEP)
    if seen.refresh and not parsed.refresh:
        parsed.refresh = seen.refresh
    onward = parsed.refresh or script.leads(parsed, final)
    if onward and onward != final:
        found.unchecked.append(Unchecked.LEADS_ELSEWHERE)
        parsed.refresh = onward
    elif not parsed.length and not parsed.fields and not parsed.pictures:
        found.unchecked.append(Unchecked.MADE_BY_SCRIPTS if parsed.script or parsed.script_sources else Unchecked.EMPTY)
    elif parsed.length < 12 and not parsed.fields and not parsed.links and (parsed.script or parsed.script_sources):
        found.unchecked.append(Unchecked.MADE_BY_SCRIPTS)
    return _Seen(parsed, found)


def _text(seen: Observation, final: str) -> Document:
    """Plain text as a page of words only; programs in text as a page of one script."""
    text = seen.body[: document.MOST_TEXT].decode("utf-8", "replace")
    kind = (seen.content_type or "").lower()
    if "javascript" in kind or "/js" in kind:
        return Document(final, script=text, raw_text="script")
    return Document(final, raw_text=text)


def _page(parsed: _Seen, final: str) -> Found:
    if parsed.page is None:
        return parsed.found
    return Found(page.look(parsed.page, final), list(parsed.found.unchecked))


def _scripts(parsed: _Seen, final: str) -> Found:
    if parsed.page is None:
        return Found(unchecked=list(parsed.found.unchecked), blind=True)
    found = Found(script.look(parsed.page, final))
    if parsed.page.script.strip() or parsed.page.script_sources:
        found.unchecked = [Unchecked.SCRIPTS_NOT_RUN]
    return found


def _feed(url: Url, seen: Observation, parsed: Document | None, engines: Engines, now: datetime) -> Found:
    way = {hop.url for hop in seen.hops} | ({seen.final_url} if seen.final_url else set())
    used: list[str] = []
    if parsed is not None:
        used = [
            *(form.action for form in parsed.forms),
            *parsed.script_sources[:200],
            *(frame.src for frame in parsed.frames[:100]),
        ]
        if parsed.refresh:
            used.append(parsed.refresh)
    return engines.feed.look(url.expressions(), way - {url.canonical}, dict.fromkeys(used), now)


def _verdict(engine: Engine, version: str, found: Found, seconds: float) -> EngineVerdict:
    return _stated(engine, version, frozenset(found.kinds), tuple(found.unchecked), found.blind, round(seconds * 1000))


@lru_cache(maxsize=4096)
def _stated(
    engine: Engine, version: str, kinds: frozenset[str], unchecked: tuple[Unchecked, ...], blind: bool, milliseconds: int
) -> EngineVerdict:
    """The verdict of what an engine found. Remembered: most pages have the same few."""
    indicators = tuple(
        sorted(
            (Indicator(engine.name, kind, KINDS[kind].weight, KINDS[kind].evidence) for kind in kinds),
            key=lambda each: (-each.weight, each.kind),
        )
    )
    blocked = next((each for each in unchecked if each in BLIND), unchecked[0] if unchecked else None)
    blind = (blind or any(each in BLIND for each in unchecked)) and not indicators
    score = None if blind else together(each.weight for each in indicators)
    return EngineVerdict(
        engine=engine,
        version=version,
        verdict=verdict_of(score),
        score=score,
        confidence=0.0 if blind else 0.5 if blocked in BLIND else 0.9,
        weight=WEIGHTS[engine],
        categories=_categories(indicators),
        indicators=indicators,
        unchecked=blocked,
        milliseconds=milliseconds,
    )


def together(weights: Any) -> int:
    """Weights 0..100 as independent grounds: 100 * (1 - product of (1 - weight / 100)), rounded."""
    rest = 1.0
    for weight in weights:
        rest *= 1 - weight / 100
    return round(100 * (1 - rest))


def verdict_of(score: int | None) -> Verdict:
    """What a score means."""
    if score is None:
        return Verdict.UNKNOWN
    if score >= MALICIOUS_FROM:
        return Verdict.MALICIOUS
    return Verdict.SUSPICIOUS if score >= SUSPICIOUS_FROM else Verdict.HARMLESS


def _categories(indicators: Sequence[Indicator]) -> tuple[Category, ...]:
    """What the indicators point to, the weightiest first; trifles name no category but adult content."""
    weights: dict[Category, int] = {}
    for each in indicators:
        for category in KINDS[each.kind].categories:
            if each.weight >= 20 or category is Category.ADULT_CONTENT:
                weights[category] = max(weights.get(category, 0), each.weight)
    return tuple(sorted(weights, key=lambda category: (-weights[category], category.value)))


def combine(verdicts: Sequence[EngineVerdict], form_hosts: tuple[str, ...] = ()) -> Judgement:
    """All verdicts as one. Nothing found is UNKNOWN where the page was not seen whole."""
    score = without = together([v.weight * v.score / 100 for v in verdicts if v.score and v.engine is not Engine.MODEL])
    if any(v.score for v in verdicts if v.engine is Engine.MODEL):
        score = together([v.weight * v.score / 100 for v in verdicts if v.score])
    if score >= MALICIOUS_FROM > without and without < SUSPICIOUS_FROM:
        # The model can be talked to by the page: it adds to what others saw and replaces nobody.
        score = MALICIOUS_FROM - 1
    unchecked = tuple(dict.fromkeys(v.unchecked for v in verdicts if v.unchecked is not None))
    blind = any(v.unchecked in BLIND for v in verdicts if v.engine is Engine.PAGE)
    final = None if blind and score < SUSPICIOUS_FROM else score
    indicators = tuple(sorted((i for v in verdicts for i in v.indicators), key=lambda i: (-i.weight, i.engine, i.kind)))
    verdict = verdict_of(final)
    categories = _categories(indicators)
    if verdict is Verdict.HARMLESS or verdict is Verdict.UNKNOWN:
        categories = tuple(each for each in categories if each is Category.ADULT_CONTENT)
    elif not categories:
        categories = (Category.SUSPICIOUS,)
    return Judgement(
        verdict=verdict,
        score=final,
        weights_version=WEIGHTS_VERSION,
        engines=tuple(verdicts),
        categories=categories,
        indicators=indicators,
        unchecked=unchecked,
        reasoning=reason(verdict, indicators, unchecked),
        form_hosts=form_hosts,
    )


_OPENINGS = {
    Verdict.HARMLESS: "Little was found that speaks against it.",
    Verdict.SUSPICIOUS: "What was found makes harm likely.",
    Verdict.MALICIOUS: "What was found makes harm nearly certain.",
    Verdict.UNKNOWN: "It could not be judged, which is not the same as harmless.",
}
_UNSEEN = {
    Unchecked.UNREACHABLE: "Nothing answered.",
    Unchecked.REFUSED_ADDRESS: "The way led where this scanner does not go.",
    Unchecked.ERROR_ANSWER: "The server answered with an error.",
    Unchecked.ACCESS_DENIED: "The server did not show the page.",
    Unchecked.NOT_A_PAGE: "What came is a file that is not looked into.",
    Unchecked.TRUNCATED: "Only the beginning of the page was read.",
    Unchecked.TOO_DEEP: "The page was not read to its end.",
    Unchecked.EMPTY: "The page holds nothing.",
    Unchecked.MADE_BY_SCRIPTS: "The page is made by scripts, which are not run.",
    Unchecked.LEADS_ELSEWHERE: "The page sends visitors on to where nobody looked.",
}


def reason(verdict: Verdict, indicators: Sequence[Indicator], unchecked: Sequence[Unchecked]) -> str:
    """Why, in sentences of ours: the weightiest grounds first, then what was not seen."""
    told = [_OPENINGS[verdict]]
    least = 20 if verdict in (Verdict.SUSPICIOUS, Verdict.MALICIOUS) else 5
    told += list(dict.fromkeys(KINDS[each.kind].sentence for each in indicators if each.weight >= least))[:8]
    told += [_UNSEEN[each] for each in unchecked if each in _UNSEEN]
    return " ".join(told)[:MOST_REASONING]
