"""Analyzers: what a template's settings mean for a person, told by rules, or by a language model that an operator has set.

A model's answer is hostile input: the model reads labels that strangers may have written, and may have been talked into
anything. So it gets no tools and nothing but the template; its answer must fit ``Content``, name only what the template has,
and hold plain text without markup and without addresses other than the template's own; and a curator can veto it.
"""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol
from urllib.parse import urlsplit

import orjson
import strawberry
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from app.kit.errors import SetupError
from app.kit.model import Endpoint, ModelFailed, ModelFailure, Output, Spent, ask_model, require_packages, since
from app.privacy.risk import assess, exposes
from app.privacy.template import SettingType, TemplateSetting

if TYPE_CHECKING:
    pass

RULES = "rules-1"
"""The name under which analyses are kept that no model has made."""
NO_PROMPT = 0

MAX_CONTENT_BYTES = 400_000


@strawberry.enum(description="Why a model gave no analysis that could be kept.")
class AnalysisFailure(Enum):
    """Values as in the database."""

    TIMED_OUT = strawberry.enum_value("TIMED_OUT", description="No whole answer in time.")
    UNREACHABLE = strawberry.enum_value("UNREACHABLE", description="No connection, or one that broke.")
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="The provider had enough of us, or wants to be paid.")
    PROVIDER_ERROR = strawberry.enum_value("PROVIDER_ERROR", description="The provider failed.")
    UNAUTHORIZED = strawberry.enum_value("UNAUTHORIZED", description="The provider refused the operator's key.")
    REJECTED = strawberry.enum_value("REJECTED", description="The provider refused the request; no such model, perhaps.")
    REFUSED = strawberry.enum_value("REFUSED", description="The model would not answer.")
    TOO_LARGE = strawberry.enum_value("TOO_LARGE", description="The answer was too long to be read.")
    MALFORMED = strawberry.enum_value("MALFORMED", description="The answer was not what was asked for.")
    HOSTILE = strawberry.enum_value("HOSTILE", description="The answer held markup or foreign addresses.")


TRIES = {
    AnalysisFailure.UNAUTHORIZED: 1,
    AnalysisFailure.REJECTED: 1,
    AnalysisFailure.REFUSED: 3,
    AnalysisFailure.TOO_LARGE: 3,
    AnalysisFailure.MALFORMED: 3,
    AnalysisFailure.HOSTILE: 3,
    AnalysisFailure.TIMED_OUT: 5,
}
"""How often it is worth trying: answers cost money whatever they are. Others pass with time, see MOST_TRIES."""
MOST_TRIES = 10


# What an analysis is


def clean(value: object) -> object:
    """One line: no control, formatting or private characters, single spaces."""
    if not isinstance(value, str):
        return value
    shown = (" " if c.isspace() else c for c in unicodedata.normalize("NFC", value))
    return " ".join("".join(c for c in shown if unicodedata.category(c)[0] != "C").split())


def _text(longest: int) -> Any:
    return Annotated[str, BeforeValidator(clean), StringConstraints(min_length=1, max_length=longest)]


if TYPE_CHECKING:
    Sentence = str
    Paragraph = str
    Summary = str
else:
    Sentence, Paragraph, Summary = _text(400), _text(800), _text(1200)
Score = Annotated[int, Field(ge=0, le=100)]


class CategoryContent(BaseModel):
    """What the settings of one category have in common."""

    model_config = ConfigDict(extra="forbid")

    category: str = Field(max_length=40)
    risk_score: Score
    insight: Paragraph


class SettingContent(BaseModel):
    """What one setting means."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=63)
    risk_score: Score
    impact: Paragraph
    recommendation: Sentence


class Content(BaseModel):
    """An analysis of one template."""

    model_config = ConfigDict(extra="forbid")

    summary: Summary
    risk_score: Score
    recommendations: list[Sentence] = Field(min_length=1, max_length=10)
    categories: list[CategoryContent] = Field(min_length=1, max_length=40)
    settings: list[SettingContent] = Field(min_length=1, max_length=250)


@dataclass(frozen=True)
class Subject:
    """What is analyzed: a platform's name and domain and the settings of one of its templates. No person is in it."""

    platform: str
    domain: str
    settings: Sequence[TemplateSetting]


class AnalysisFailed(Exception):
    """An attempt gave nothing. Its text is the failure's name alone: what providers say may hold the operator's key."""

    def __init__(self, failure: AnalysisFailure, spent: Spent) -> None:
        super().__init__(failure.name)
        self.failure = failure
        self.spent = spent


# What a model gets to see


def message_for(subject: Subject) -> str:
    """All that a model gets to see of a template: one JSON document, so that no label can pretend to stand outside of it."""
    document = {
        "service": subject.platform,
        "settings": [
            {
                "key": s.key,
                "label": s.label,
                "description": s.description,
                "category": s.category,
                "type": s.type.value,
                "options": s.options,
                "default": s.default_value if s.default_known else None,
                "recommended": s.recommended,
                "risk": s.risk,
            }
            for s in subject.settings
        ],
    }
    return orjson.dumps(document).decode()


def hash_of(subject: Subject) -> bytes:
    """SHA-256 of what an analysis is made of: when it differs, the analysis is of something else."""
    return hashlib.sha256(message_for(subject).encode()).digest()


# Judging an answer

_DOT = "[.\u3002\uff61\uff0e]"
_URL = re.compile(r"[a-z][a-z0-9+.-]*:(?://|\\\\)\S*", re.I)
_SCHEME = re.compile(r"\b(?:javascript|vbscript|data|blob|mailto|tel|sms|intent|file)\s*:\s*\S", re.I)
_HOST = re.compile(rf"[\w-]+(?:{_DOT}[\w-]+)*{_DOT}(?:[^\W\d_]{{2,24}}|xn--[a-z0-9-]+)(?![\w-])", re.I)
_ADDRESS = re.compile(r"\S@\S|(?<![\w.])//\w|\b\d{1,3}(?:\.\d{1,3}){3}\b|\[[0-9a-f:]+\]", re.I)
_MARKUP = re.compile(r"<\s*[a-z/!?]|&(?:#x?[0-9a-f]+|[a-z]{2,8});|\]\s*[(\[]|!\[|`|\{\{|\$\{", re.I)


def judge(content: Content, subject: Subject) -> AnalysisFailure | None:
    """What is wrong with an answer that has the right form, or None."""
    keys, categories = [s.key for s in content.settings], [c.category for c in content.categories]
    named = {s.key for s in subject.settings}, {s.category for s in subject.settings}
    if len(set(keys)) < len(keys) or len(set(categories)) < len(categories):
        return AnalysisFailure.MALFORMED
    if not set(keys) <= named[0] or not set(categories) <= named[1]:
        return AnalysisFailure.MALFORMED
    if len(content.model_dump_json().encode()) > MAX_CONTENT_BYTES:
        return AnalysisFailure.TOO_LARGE
    texts = [
        content.summary,
        *content.recommendations,
        *(c.insight for c in content.categories),
        *(text for s in content.settings for text in (s.impact, s.recommendation)),
    ]
    links = frozenset(s.direct_link for s in subject.settings)
    hosts = frozenset({subject.domain.lower(), *(urlsplit(link).hostname or "" for link in links)})
    return None if all(harmless(text, links, hosts) for text in texts) else AnalysisFailure.HOSTILE


def harmless(text: str, links: frozenset[str] = frozenset(), hosts: frozenset[str] = frozenset()) -> bool:
    """Whether a text is plain and leads nowhere but to ``links`` and names no host but ``hosts``."""
    # As a reader's eye or a browser takes it: wide letters as plain ones.
    seen = unicodedata.normalize("NFKC", text)
    for link in sorted(links, key=len, reverse=True):
        # Whole links only: what follows must not make another address of them.
        seen = re.sub(re.escape(link) + r"(?=[.,;:!?)\"'\u201d]*(?:\s|$))", " ", seen)
    if any(pattern.search(seen) for pattern in (_URL, _SCHEME, _MARKUP, _ADDRESS)):
        return False
    return all(match[0].lower() in hosts for match in _HOST.finditer(seen))


# Rules

_BANDS = ((80, "very much"), (60, "much"), (40, "something telling"), (20, "a limited detail"), (1, "little"))
"""What a risk means, as app/privacy/data/README.md has it; a risk of 0 is one that nobody judged."""


def by_rules(subject: Subject) -> Content:
    """What follows from the template itself: its risks, categories, defaults and recommendations. Nothing is guessed."""
    settings = subject.settings
    exposed = _exposed(settings)
    unknown = sum(not s.default_known for s in settings)
    by_category: dict[str, list[TemplateSetting]] = {}
    for setting in settings:
        by_category.setdefault(setting.category, []).append(setting)
    summary = (
        f"{_count(len(settings), 'setting')} in {_count(len(by_category), 'category', 'categories')}. "
        f"{_exposed_of(exposed, len(settings))} in a new account."
    )
    if exposed:
        summary += f" The weightiest: {_listed(exposed[:3])}."
    if unknown:
        summary += f" What a new account has is not known of {_count(unknown, 'setting')}."
    return Content(
        summary=summary,
        risk_score=_score(settings),
        recommendations=[f"Set {_name(s)} to {_quote(s.recommended, s)}." for s in exposed[:7]]
        or ["Compare each setting with what is recommended." if unknown else "Keep the defaults: each is as recommended."],
        categories=[
            CategoryContent(category=category, risk_score=_score(group), insight=_insight(group))
            for category, group in sorted(by_category.items())
        ],
        settings=[_by_rules(setting) for setting in settings],
    )


def _score(settings: Sequence[TemplateSetting]) -> int:
    """As of a snapshot in which everything is at its default, as far as that is known."""
    score = assess(settings, {s.key: s.default_value for s in settings if s.default_known}).score
    return 0 if score is None else score


def _exposed(settings: Sequence[TemplateSetting]) -> list[TemplateSetting]:
    """What exposes a new account more than recommended, the weightiest first."""
    found = (s for s in settings if s.default_known and exposes(s, s.default_value))
    return sorted(found, key=lambda s: (-s.risk, s.key))


def _insight(group: Sequence[TemplateSetting]) -> str:
    exposed = _exposed(group)
    told = f"{_exposed_of(exposed, len(group))} in a new account"
    return f"{told}: {_listed(exposed[:3])}{' and others' if exposed[3:] else ''}." if exposed else f"{told}."


def _by_rules(setting: TemplateSetting) -> SettingContent:
    told = _shown(setting.description, 300)
    if not setting.risk:
        unknown = "Nobody has judged yet what it exposes."
        return SettingContent(
            key=setting.key, risk_score=0, impact=f"{told} {unknown}".strip(), recommendation="Look at it yourself."
        )
    band = next(name for least, name in _BANDS if setting.risk >= least)
    recommended, default = _quote(setting.recommended, setting), _quote(setting.default_value, setting)
    exposed = bool(_exposed([setting]))
    if not setting.default_known:
        advice = f"Choose {recommended}; what a new account has is not known."
    elif setting.default_value == setting.recommended:
        advice = f"Keep {recommended}, which a new account has."
    elif exposed:
        advice = f"Choose {recommended}; a new account has {default}."
    else:
        advice = f"{recommended} is recommended; {default}, which a new account has, exposes no more."
    toggle = setting.type is SettingType.TOGGLE
    while_ = f"While it is not {recommended}" if toggle else f"With a choice that is laxer than {recommended}"
    return SettingContent(
        key=setting.key,
        risk_score=setting.risk if exposed else 0,
        impact=f"{told} {while_}, it exposes {band} ({setting.risk} of 100).".strip(),
        recommendation=advice[0].upper() + advice[1:],
    )


def _exposed_of(exposed: Sequence[TemplateSetting], count: int) -> str:
    who = "The one setting" if count == 1 else f"{len(exposed) or 'None'} of {count} settings"
    if count == 1 and not exposed:
        return "The one setting exposes no more than recommended"
    return f"{who} {'exposes' if len(exposed) == 1 else 'expose'} more than recommended"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _listed(settings: Sequence[TemplateSetting]) -> str:
    return ", ".join(_name(s) for s in settings)


def _shown(text: str, longest: int) -> str:
    """The page's words, cut; nothing where they are no plain text."""
    shown = str(clean(text))
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1].rstrip()}\u2026"
    # As it will stand: in quotes, or before other words.
    return shown if harmless(f"\u201c{shown}\u201d {shown} x") else ""


def _name(setting: TemplateSetting) -> str:
    return f"\u201c{_shown(setting.label, 80) or setting.key}\u201d"


def _quote(option: str, setting: TemplateSetting) -> str:
    """An option as it stands on the page, or its place where that is no plain text."""
    shown = _shown(option, 100)
    return f"\u201c{shown}\u201d" if shown else f"option {setting.options.index(option) + 1}"


# Models


class AnalysisSettings(Protocol):
    """What of the operator's settings is meant for analyses; see app/settings.py. No model: by rules."""

    analysis_model: str
    analysis_url: str
    analysis_key: SecretStr
    analysis_seconds: float
    analysis_output: Output
    analysis_price_in: Decimal | None
    analysis_price_out: Decimal | None
    analysis_currency: str
    analysis_auto_approve_hours: float


@dataclass(frozen=True)
class Prompt:
    """The instructions and the number under which their answers are kept."""

    version: int
    text: str


def read_prompt(file: Path = Path(__file__).parent / "data" / "analysis-prompt.md") -> Prompt:
    """The prompt; its first line says its version, which whoever changes a word raises."""
    first, _, text = file.read_text(encoding="utf-8").partition("\n")
    if not (match := re.fullmatch(r"version: ([1-9]\d{0,8})", first)):
        raise SetupError(f"{file}: the first line is version: and a number")
    return Prompt(int(match[1]), text.strip())


@dataclass(frozen=True)
class Analyzer:
    """The model that an operator has set, or the rules where none is."""

    model: str
    prompt_version: int
    settings: AnalysisSettings | None = None

    async def analyze(self, subject: Subject) -> tuple[Content, Spent]:
        """An analysis that may be kept, and what it took. Raises AnalysisFailed."""
        if self.settings is None:
            started = time.perf_counter()
            return by_rules(subject), Spent(since(started), 0, 0, 0, "USD")
        return await ask_analyst(self.settings, subject)


RULES_ANALYZER = Analyzer(RULES, NO_PROMPT)


def analyzer_of(settings: AnalysisSettings) -> Analyzer:
    """What analyzes in this process. Raises SetupError where a model is set that cannot be asked."""
    if not settings.analysis_model:
        return RULES_ANALYZER
    require_packages("FIVEFOLD_ANALYSIS_MODEL")
    return Analyzer(settings.analysis_model, read_prompt().version, settings)


async def ask_analyst(settings: AnalysisSettings, subject: Subject) -> tuple[Content, Spent]:
    """One request to the operator's model. Raises AnalysisFailed, whatever goes wrong."""

    def judged(content: Content) -> ModelFailure | None:
        failure = judge(content, subject)
        return None if failure is None else ModelFailure[failure.name]

    try:
        return await ask_model(endpoint_of(settings), Content, "analysis", read_prompt().text, message_for(subject), judged)
    except ModelFailed as failed:
        raise AnalysisFailed(AnalysisFailure[failed.failure.name], failed.spent) from None


def endpoint_of(settings: AnalysisSettings) -> Endpoint:
    """Where analyses are asked for."""
    return Endpoint(
        model=settings.analysis_model,
        url=settings.analysis_url,
        key=settings.analysis_key,
        seconds=settings.analysis_seconds,
        output=settings.analysis_output,
        price_in=settings.analysis_price_in,
        price_out=settings.analysis_price_out,
        currency=settings.analysis_currency,
    )
