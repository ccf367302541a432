"""Sets that were written before their authors looked at what engines make of them, and measured so.

``halves`` is the first set, over layouts that hostile and honest pages share; it was halved by a hash of the cases' names at
once, and the sealed half was looked at, case by case, only when the other was done. ``fresh`` are later sets, each written in
another style and first measured untouched. Once measured, all may be learned from: the next figure to believe is that of
cases that nobody has written yet.
"""

from __future__ import annotations

from tests.scans.labelled.blind.case import Blind, read


def halves() -> list[Blind]:
    """The first set."""
    return read("hostile", harmful=True) + read("honest", harmful=False)


def fresh(name: str) -> list[Blind]:
    """A later set: "fresh" or "last"."""
    return read(f"{name}_hostile", harmful=True) + read(f"{name}_honest", harmful=False)
