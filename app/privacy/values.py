"""The packed form of a snapshot's values: against a template, in as few bytes as will hold them.

``packed`` is a pair of bytes, position and option index, for each observed setting that differs from its default.
``observed`` is a bit map of the positions that were read, or None when all were: "as the default" and "never seen"
are different things.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.privacy.template import TemplateSetting


def pack(settings: Sequence[TemplateSetting], values: Mapping[str, str]) -> tuple[bytes, bytes | None]:
    """``(packed, observed)`` of values by key. Every value must be an option of its setting; keys left out were not seen."""
    packed = bytearray()
    observed = bytearray((len(settings) + 7) // 8)
    seen = 0
    for setting in sorted(settings, key=lambda s: s.place):
        value = values.get(setting.key)
        if value is None:
            continue
        seen += 1
        observed[setting.place // 8] |= 1 << setting.place % 8
        if value != setting.default_value:
            packed += bytes((setting.place, setting.options.index(value)))
    return bytes(packed), None if seen == len(settings) else bytes(observed)


def unpack_places(settings: Sequence[TemplateSetting], packed: bytes, observed: bytes | None) -> list[str | None]:
    """The value at each place, None where none was seen. ``settings`` are a whole template in its order."""
    values: list[str | None] = [setting.default_value for setting in settings]
    for place, option in zip(packed[::2], packed[1::2], strict=True):
        values[place] = settings[place].options[option]
    if observed is not None:
        for place in range(len(values)):
            if not observed[place // 8] >> place % 8 & 1:
                values[place] = None
    return values


def unpack(settings: Sequence[TemplateSetting], packed: bytes, observed: bytes | None) -> dict[str, str]:
    """The values by key of the settings that were seen, in the settings' order."""
    values = unpack_places(sorted(settings, key=lambda s: s.place), packed, observed)
    return {s.key: value for s in settings if (value := values[s.place]) is not None}
