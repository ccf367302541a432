"""A set that was written before its authors looked at an engine: hostile and honest cases over the same layouts.

It was halved by a hash of the cases' names at once. Whoever changes an engine looks at one half only; the other is measured.
"""

from __future__ import annotations

from tests.scans.labelled.blind.case import Blind, read


def blind() -> list[Blind]:
    """All of them."""
    return read("hostile", harmful=True) + read("honest", harmful=False)
