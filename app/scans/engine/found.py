"""What an engine returns: kinds of the vocabulary, and why it could not look, if so."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import strawberry


@strawberry.enum(name="ScanUnchecked", description="What was not looked at, and why. What is not looked at is not clean.")
class Unchecked(Enum):
    """Values as in the database."""

    UNREACHABLE = strawberry.enum_value("UNREACHABLE", description="Nothing answered, or nothing that could be read.")
    REFUSED_ADDRESS = strawberry.enum_value("REFUSED_ADDRESS", description="The way led where this scanner does not go.")
    ERROR_ANSWER = strawberry.enum_value("ERROR_ANSWER", description="The server answered with an error instead of a page.")
    ACCESS_DENIED = strawberry.enum_value("ACCESS_DENIED", description="The server does not let this scanner see the page.")
    NOT_A_PAGE = strawberry.enum_value("NOT_A_PAGE", description="What came is a file of a kind that is not looked into.")
    TRUNCATED = strawberry.enum_value("TRUNCATED", description="Only the beginning of the page was read.")
    TOO_DEEP = strawberry.enum_value("TOO_DEEP", description="The page is nested too deeply to be read to its end.")
    EMPTY = strawberry.enum_value("EMPTY", description="The page holds nothing that could be judged.")
    MADE_BY_SCRIPTS = strawberry.enum_value(
        "MADE_BY_SCRIPTS", description="The page is made by scripts, which are read and not run."
    )
    LEADS_ELSEWHERE = strawberry.enum_value(
        "LEADS_ELSEWHERE", description="The page sends visitors on, and where it sends them was not visited."
    )
    SCRIPTS_NOT_RUN = strawberry.enum_value("SCRIPTS_NOT_RUN", description="The page's scripts were read and not run.")
    NO_TLS_FACTS = strawberry.enum_value("NO_TLS_FACTS", description="There was no encrypted connection to look at.")
    NO_REDIRECTS = strawberry.enum_value("NO_REDIRECTS", description="No way was walked that could be looked at.")
    HOST_NOT_PUBLIC = strawberry.enum_value("HOST_NOT_PUBLIC", description="The host has no public name to judge it by.")
    FEED_MISSING = strawberry.enum_value("FEED_MISSING", description="The list of known addresses could not be read.")
    FEED_OLD = strawberry.enum_value("FEED_OLD", description="The list of known addresses is old.")
    NO_MODEL = strawberry.enum_value("NO_MODEL", description="No language model is set.")
    NO_CONSENT = strawberry.enum_value(
        "NO_CONSENT", description="Somebody else runs the language model, and who asked for the scan does not consent to that."
    )
    MODEL_FAILED = strawberry.enum_value("MODEL_FAILED", description="The language model gave no answer that counts.")


BLIND = frozenset(
    {
        Unchecked.UNREACHABLE,
        Unchecked.REFUSED_ADDRESS,
        Unchecked.ERROR_ANSWER,
        Unchecked.ACCESS_DENIED,
        Unchecked.NOT_A_PAGE,
        Unchecked.TRUNCATED,
        Unchecked.TOO_DEEP,
        Unchecked.EMPTY,
        Unchecked.MADE_BY_SCRIPTS,
        Unchecked.LEADS_ELSEWHERE,
    }
)
"""With one of these, nothing found does not mean harmless."""


@dataclass
class Found:
    """``kinds`` are unique. ``blind`` where the engine could judge nothing at all."""

    kinds: set[str] = field(default_factory=set)
    unchecked: list[Unchecked] = field(default_factory=list)
    blind: bool = False
