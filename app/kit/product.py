"""The front door of a module: everything it adds to the system, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from app.kit.jobs import Job


@dataclass(frozen=True)
class Product:
    """``name`` is also the PostgreSQL schema. ``nodes`` are the types that ``node(id)`` may return.

    ``routes`` are what it answers beside GraphQL; their endpoints find the process's ``Service`` in ``request.app.state``.
    """

    name: str
    queries: Sequence[type] = ()
    mutations: Sequence[type] = ()
    subscriptions: Sequence[type] = ()
    nodes: Sequence[type] = ()
    scopes: Sequence[str] = ()
    jobs: Sequence[Job[Any]] = ()
    routes: Sequence[Route] = ()
