"""A set that was written before its authors looked at an engine: hostile and honest cases, halved by a hash of their names."""

from __future__ import annotations

import hashlib

from tests.scans.labelled.blind import honest_a, honest_b, hostile_a, hostile_b
from tests.scans.labelled.blind.case import Case

HOSTILE: list[Case] = hostile_a.CASES + hostile_b.CASES
HONEST: list[Case] = honest_a.CASES + honest_b.CASES


def sealed(case: Case) -> bool:
    """Whether the case belongs to the half that nobody tuned against."""
    return hashlib.sha256(f"fivefold:{case.name}".encode()).digest()[0] & 1 == 1
