"""One case of the blind set: what a scan would have seen, and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """`hops` are the addresses before `url`, each with its status; `body` None is an address whose page was not to be had."""

    name: str
    url: str
    body: str | None
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    hops: tuple[tuple[str, int], ...] = ()
