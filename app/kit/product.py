"""The front door of a module: everything it adds to the system, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """``name`` is also the PostgreSQL schema. ``nodes`` are the types that ``node(id)`` may return."""

    name: str
    queries: Sequence[type] = ()
    mutations: Sequence[type] = ()
    nodes: Sequence[type] = ()
    scopes: Sequence[str] = ()
