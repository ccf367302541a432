"""One case of the blind set: what a scan would have seen, and what is true of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.scans.labelled.blind import layouts

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Blind:
    """``hops`` are the addresses before ``url``, each with its status; ``body`` None is a page that was not to be had."""

    name: str
    harmful: bool
    url: str
    body: bytes | None
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    hops: tuple[tuple[str, int], ...] = ()

    @property
    def sealed(self) -> bool:
        """Of the half whose cases nobody looked at, one by one, while engines were tuned."""
        return sha256(f"fivefold:{self.name}".encode()).digest()[0] & 1 == 1


def read(name: str, *, harmful: bool) -> list[Blind]:
    """The cases of a file: a layout's name, and what it is filled with."""
    lines = (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [_case(json.loads(line), harmful) for line in lines]


def _case(given: dict[str, Any], harmful: bool) -> Blind:
    layout, of, more = given.pop("layout"), given.pop("of", []), given.pop("with", {})
    text: str | None = None if layout is None else of[0] if layout == "raw" else getattr(layouts, layout)(*of, **more)
    # Bytes of files that are no text stand in the file as letters of the same numbers.
    binary = not given.get("kind", "text/html").startswith(("text/", "application/j", "application/rss", "application/hta"))
    body = None if text is None else text.encode("latin-1" if binary else "utf-8")
    given["hops"] = tuple((url, status) for url, status in given.get("hops", ()))
    return Blind(harmful=harmful, body=body, **given)
