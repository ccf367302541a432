"""Who is likely to have changed a setting: the rule table, first match wins.

| structure | config  | default | value                                               | origin                       |
|-----------|---------|---------|-----------------------------------------------------|------------------------------|
| same      | same    | same    | differs, and the person was seen changing it        | USER, certain                |
| same      | same    | same    | differs                                             | USER, assumed                |
| any       | same    | changed | new value = new default, and not the old value      | PLATFORM_DEFAULT             |
| changed   | same    | any     | setting appeared, vanished, or its options changed  | PLATFORM_STRUCTURE           |
| any       | changed | any     | the text differs, but not once normalized           | TECHNICAL                    |
| otherwise |         |         |                                                     | UNKNOWN                      |

Two things are known only of many changes. Where a new config came and at least half of a page of the same structure, and eight
settings of it, differ at once, the page is read differently: what would be UNKNOWN is TECHNICAL. And what unrelated people see
flip the same way at the same time is PLATFORM_CROWD, see app/privacy/crowd_evidence.py.

A default may change without the structure: it is no part of the structure's hash. The same default in other words has
not changed, nor has one that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from enum import Enum

import strawberry

from app.core.notification import Significance as Significance
from app.privacy.template import TemplateSetting


@strawberry.enum(description="Who is likely to have made a change.")
class Origin(Enum):
    """Values as in the database."""

    USER = strawberry.enum_value("USER", description="The person.")
    PLATFORM_DEFAULT = strawberry.enum_value("PLATFORM_DEFAULT", description="The platform, by a new default.")
    PLATFORM_STRUCTURE = strawberry.enum_value("PLATFORM_STRUCTURE", description="The platform, by other settings or options.")
    PLATFORM_CROWD = strawberry.enum_value(
        "PLATFORM_CROWD", description="The platform, as many unrelated people saw the same at the same time; see `evidence`."
    )
    TECHNICAL = strawberry.enum_value("TECHNICAL", description="Nobody: the page is read differently.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="More than one explanation fits.")


ASSUMED_USER = 0.8
LIKELY = 0.95
GUESS = 0.5

READ_ANEW = 8
"""So many settings that differ at once, and half of all, say that the page is read differently."""


@dataclass(frozen=True)
class Sight:
    """What was known of all settings at one capture."""

    structure_hash: bytes
    config_version: int
    settings: Mapping[str, TemplateSetting]
    values: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """One setting that differs. ``confidence`` 0..1 is 1 only when the person was seen changing it."""

    setting: str
    old_value: str | None
    new_value: str | None
    origin: Origin
    significance: Significance
    confidence: float


def compare(
    before: Sight, after: Sight, *, acted: Set[str], confidence: Mapping[str, float], otherwise: float
) -> list[Finding]:
    """What differs between two captures, by key.

    ``acted`` are the settings that the person was seen changing; ``confidence`` of the reading by key, ``otherwise`` where
    a key is missing. A setting that one of the captures has but did not see is not compared.
    """
    findings = []
    for key in sorted(before.settings.keys() | after.settings.keys()):
        old, new = before.values.get(key), after.values.get(key)
        if key in before.settings and key in after.settings:
            if old is None or new is None or old == new:
                continue
        elif old is None and new is None:
            continue
        origin, significance, rule = _judge(before, after, key, old, new, key in acted)
        reading = 1.0 if rule == 1.0 else min(rule, rule * confidence.get(key, otherwise))
        findings.append(Finding(key, old, new, origin, significance, round(reading, 4)))
    return _read_anew(before, after, findings)


def _read_anew(before: Sight, after: Sight, findings: list[Finding]) -> list[Finding]:
    """The findings, TECHNICAL where a new config reads a whole page of the same structure differently."""
    if before.structure_hash != after.structure_hash or before.config_version == after.config_version:
        return findings
    differing = [f for f in findings if f.significance is Significance.VALUE and f.origin is Origin.UNKNOWN]
    seen = len(before.values.keys() & after.values.keys())
    if len(differing) < READ_ANEW or 2 * len(differing) < seen:
        return findings
    return [replace(f, origin=Origin.TECHNICAL) if f in differing else f for f in findings]


def _judge(
    before: Sight, after: Sight, key: str, old: str | None, new: str | None, acted: bool
) -> tuple[Origin, Significance, float]:
    same_structure = before.structure_hash == after.structure_hash
    same_config = before.config_version == after.config_version
    was, is_ = before.settings.get(key), after.settings.get(key)
    if was is None or is_ is None:
        kind = Significance.NEW_SETTING if was is None else Significance.REMOVED_SETTING
        return (Origin.PLATFORM_STRUCTURE, kind, LIKELY) if same_config else (Origin.UNKNOWN, kind, GUESS)
    known = was.default_known and is_.default_known
    same_default = not known or _normalized(was.default_value) == _normalized(is_.default_value)
    same_words = _normalized(old) == _normalized(new)
    if same_structure and same_config and same_default:
        return Origin.USER, Significance.VALUE, 1.0 if acted else ASSUMED_USER
    if same_config and not same_default and new == is_.default_value:
        return Origin.PLATFORM_DEFAULT, Significance.DEFAULT_FLIP, LIKELY
    if same_config and was.options != is_.options:
        return Origin.PLATFORM_STRUCTURE, Significance.WORDING if same_words else Significance.VALUE, LIKELY
    if not same_config and same_words:
        return Origin.TECHNICAL, Significance.NOISE, LIKELY
    return Origin.UNKNOWN, Significance.VALUE, GUESS


def _normalized(value: str | None) -> str:
    """Without what a reader of pages may get differently: case, and the amount of white space."""
    return " ".join((value or "").casefold().split())
