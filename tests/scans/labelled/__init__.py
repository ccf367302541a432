"""Addresses and pages with their labels, made for tests: what engines are measured by. Nobody's real page is among them.

Cases of which ``held_out`` is true are measured and not tuned on: whoever changes an engine looks at the others only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One address with the page that it leads to; ``html`` None where nothing answers."""

    name: str
    harmful: bool
    url: str
    html: str | None
    way: tuple[str, ...] = ()
    content_type: str = "text/html; charset=utf-8"

    @property
    def held_out(self) -> bool:
        """A third of them, by name."""
        return crc32(self.name.encode()) % 3 == 0


def cases() -> Iterator[Case]:
    """All of them, of benign.jsonl and malicious.jsonl."""
    for name in ("benign", "malicious"):
        for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            given = json.loads(line)
            way = tuple(given.pop("way", ()))
            yield Case(harmful=name == "malicious", way=way, **given)
