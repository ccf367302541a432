"""The risk score: how exposed a snapshot leaves a person, with what each setting adds to it.

Formula 1: of the weight of all settings that were seen, the share that exposes the person, in hundredths. A setting's
weight is its ``risk``. A toggle exposes when it is not as recommended; of other settings the options are listed from the
most to the least exposing, so one behind the recommended is as good. What was not seen neither helps nor harms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.privacy.template import SettingType, TemplateSetting

FORMULA = 1


@dataclass(frozen=True)
class Assessment:
    """``score`` 0..100, None when nothing was seen; ``points`` by key add up to it."""

    score: int | None
    points: dict[str, int]


def exposes(setting: TemplateSetting, value: str) -> bool:
    """Whether the value leaves the person more exposed than the recommended one."""
    if setting.type is SettingType.TOGGLE:
        return value != setting.recommended
    return setting.options.index(value) < setting.options.index(setting.recommended)


def assess(settings: Sequence[TemplateSetting], values: Mapping[str, str]) -> Assessment:
    """The score of the values by key, and what each setting that exposes adds to it."""
    total = sum(s.risk for s in settings if s.key in values)
    if not total:
        return Assessment(None, {})
    exposed = {s.key: s.risk for s in settings if s.key in values and exposes(s, values[s.key])}
    score = (200 * sum(exposed.values()) + total) // (2 * total)  # rounded half up, in whole numbers
    # Largest remainder: the points are whole and still add up to the score.
    points = {key: 100 * risk // total for key, risk in exposed.items()}
    by_remainder = sorted(exposed, key=lambda key: (-(100 * exposed[key] % total), key))
    for key in by_remainder[: score - sum(points.values())]:
        points[key] += 1
    return Assessment(score, points)
