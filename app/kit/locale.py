"""Languages: what a client asks for, and what is shown where there is nothing in it. Tags are BCP 47."""

from __future__ import annotations

import re
from functools import lru_cache

from app.kit.errors import AppError, ErrorCode

DEFAULT = "en"
MAX_LANGUAGES = 10

_TAG = re.compile(r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*", re.I)
_ACCEPTED = re.compile(r"\s*([A-Za-z0-9-]{1,35})\s*(?:;\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?")


def parse_locale(value: str, *, field: str) -> str:
    """A language tag as it is written by convention, such as de or zh-Hant-TW. Raises BAD_INPUT."""
    tag = _canonical(value)
    if tag is None:
        raise AppError(
            ErrorCode.BAD_INPUT,
            f"{field} is no language tag. Send one of BCP 47, such as en, de-AT or zh-Hant, without extensions.",
            field=field,
        )
    return tag


def _canonical(value: str) -> str | None:
    """``zh-hant-tw`` is written zh-Hant-TW; None for what is no tag: extensions and private use are none here."""
    if len(value) > 35 or not _TAG.fullmatch(value):
        return None
    language, *rest = value.lower().split("-")
    parts = [language]
    for part in rest:
        script = len(part) == 4 and part.isalpha()
        region = len(part) == 2 or (len(part) == 3 and part.isdigit())
        parts.append(part.title() if script else part.upper() if region else part)
    return "-".join(parts)


def fallbacks(tag: str) -> tuple[str, ...]:
    """The tag, then what is less exact, ending in the language: de-AT, de."""
    parts = tag.split("-")
    return tuple("-".join(parts[:size]) for size in range(len(parts), 0, -1))


@lru_cache(maxsize=1024)
def accepted(header: str | None) -> tuple[str, ...]:
    """The languages of an ``Accept-Language`` header with their fallbacks, the dearest first. What is no tag is left out."""
    wanted = []
    for part in (header or "")[:1000].split(",")[:MAX_LANGUAGES]:
        match = _ACCEPTED.fullmatch(part)
        tag = _canonical(match[1]) if match else None
        quality = float(match[2] or 1) if match else 0.0
        if tag is not None and quality > 0:
            wanted.append((quality, tag))
    wanted.sort(key=lambda pair: -pair[0])
    return tuple(dict.fromkeys(one for _, tag in wanted for one in fallbacks(tag)))
