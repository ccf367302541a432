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


def unpack(settings: Sequence[TemplateSetting], packed: bytes, observed: bytes | None) -> dict[str, str]:
    """The values by key of the settings that were seen, in the settings' order."""
    differing = dict(zip(packed[::2], packed[1::2], strict=True))
    values = {}
    for setting in settings:
        if observed is not None and not observed[setting.place // 8] >> setting.place % 8 & 1:
            continue
        option = differing.get(setting.place)
        values[setting.key] = setting.default_value if option is None else setting.options[option]
    return values
