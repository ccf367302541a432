"""The front door of a module: everything it adds to the system, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from app.kit.jobs import Job
from app.kit.sql import Many


@dataclass(frozen=True)
class Product:
    """``name`` is also the PostgreSQL schema. ``nodes`` are the types that ``node(id)`` may return.

    ``proven`` are statements that compare append-only tables with what the audit was told, see app/core/audit_verify.py.
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
    proven: Sequence[Many[Any]] = ()
