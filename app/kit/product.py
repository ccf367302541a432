"""The front door of a module: everything it adds to the system, in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from app.kit.db import Db
from app.kit.jobs import Job


@dataclass(frozen=True)
class Product:
    """``name`` is also the PostgreSQL schema. ``nodes`` are the types that ``node(id)`` may return.

    ``proven`` are functions that compare append-only tables with what the audit was told, see app/core/audit_verify.py.
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
    proven: Sequence[Callable[[Db, int], Awaitable[Sequence[Any]]]] = ()
