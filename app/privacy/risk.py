"""The risk score: how exposed a snapshot leaves a person, with what each setting adds to it.

Formula 1: of the weight of all settings that were seen, the share that exposes the person, in hundredths. A setting's
weight is its ``risk``. A toggle exposes when it is not as recommended; of other settings the options are listed from the
most to the least exposing, so one behind the recommended is as good. What was not seen neither helps nor harms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import strawberry

from app.privacy.template import SettingType, TemplateSetting

FORMULA = 1


@strawberry.enum(description="How much a setting exposes while it is not as recommended, by its `risk`.")
class RiskLevel(Enum):
    """As page_recommendation has them too."""

    HIGH = strawberry.enum_value("HIGH", description="60 to 100.")
    MEDIUM = strawberry.enum_value("MEDIUM", description="40 to 59.")
    LOW = strawberry.enum_value("LOW", description="1 to 39.")


def level_of(risk: int) -> RiskLevel:
    """The level of a setting's risk."""
    return RiskLevel.HIGH if risk >= 60 else RiskLevel.MEDIUM if risk >= 40 else RiskLevel.LOW


@dataclass(frozen=True)
class Assessment:
    """``score`` 0..100, None when nothing was seen; ``points`` by key add up to it."""

    score: int | None
    points: dict[str, int]


def exposes(setting: TemplateSetting, value: str) -> bool:
    """Whether the value leaves the person more exposed than the recommended one. What nobody has judged exposes nobody."""
    if not setting.risk:
        return False
    if setting.type is SettingType.TOGGLE:
        return value != setting.recommended
    return setting.options.index(value) < setting.options.index(setting.recommended)


def assess(settings: Sequence[TemplateSetting], values: Mapping[str, str]) -> Assessment:
    """The score of the values by key, and what each setting that exposes adds to it."""
    total = sum(s.risk for s in settings if s.key in values)
    if not total:
        return Assessment(None, {})
    exposed = {s.key: 100 * s.risk for s in settings if s.key in values and exposes(s, values[s.key])}
    score = rounded(sum(exposed.values()), total)
    return Assessment(score, share_out(score, exposed, total))


def rounded(parts: int, whole: int) -> int:
    """``parts / whole`` rounded half up, in whole numbers."""
    return (2 * parts + whole) // (2 * whole)


def share_out(score: int, parts: Mapping[str, int], whole: int) -> dict[str, int]:
    """Points by key, near ``part / whole``, that add up to the score: the method of the largest remainder."""
    points = {key: part // whole for key, part in parts.items()}
    by_remainder = sorted(parts, key=lambda key: (-(parts[key] % whole), key))
    for key in by_remainder[: score - sum(points.values())]:
        points[key] += 1
    return points
