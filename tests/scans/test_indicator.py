"""The vocabulary of indicators: fixed names, our own sentences."""

from __future__ import annotations

import re

from app.scans.indicator import KINDS


def test_kinds_are_names_with_a_weight_and_a_sentence() -> None:
    for name, kind in KINDS.items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,47}", name)
        assert 0 <= kind.weight <= 100
        assert kind.categories
        assert kind.sentence.endswith(".")
        assert len(kind.sentence) <= 120
