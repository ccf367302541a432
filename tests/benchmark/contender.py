"""Who is measured: where it listens, how it is asked, and how its answer is compared with Fivefold's."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.benchmark import load, postgraphile
from tests.benchmark.server import Server
from tests.benchmark.workload import Workload

PYTHON = ("Fivefold", "hand-written", "one statement", "stock Strawberry")
NODE = {"PostGraphile": "postgraphile", "Mercurius": "mercurius", "Yoga + Drizzle": "yoga"}
NAMES = (*PYTHON, *NODE)


@dataclass(frozen=True)
class Contender:
    """One of them. ``body`` writes what it is asked, ``reshape`` turns its answer into the shape of the common schema."""

    name: str
    server: Server
    path: Callable[[Workload], str]
    body: Callable[[Workload], dict[str, Any]]
    reshape: Callable[[Workload, Any], Any] = lambda workload, data: data

    def request(self, workload: Workload) -> bytes:
        """The bytes to send."""
        return load.request(self.path(workload), json.dumps(self.body(workload)).encode(), workload.token)

    async def answer(self, workload: Workload) -> Any:
        """What it says, in a form that can be compared."""
        data = await load.ask(self.server.port, self.request(workload))
        return plain(self.reshape(workload, data)) if isinstance(data, dict) else data


def by_text(workload: Workload) -> dict[str, Any]:
    """The document itself, which everybody here remembers."""
    return {"query": workload.query, "variables": workload.variables}


def by_id(workload: Workload) -> dict[str, Any]:
    """The document's hash where it is trusted."""
    if not workload.trusted:
        return by_text(workload)
    return {"documentId": f"sha256:{workload.document_id}", "variables": workload.variables}


def in_python(server: Server) -> list[Contender]:
    """Those that share the process of ``serve.py``."""
    fivefold, handwritten, statement, stock = PYTHON
    return [
        Contender(fivefold, server, lambda workload: "/graphql", by_id),
        Contender(handwritten, server, lambda workload: f"/handwritten/{workload.name}", by_text),
        Contender(statement, server, lambda workload: f"/one-statement/{workload.name}", by_text),
        Contender(stock, server, lambda workload: "/stock/", by_text),
    ]


async def in_node(name: str, server: Server, asked: Sequence[Workload]) -> Contender:
    """One of the peers. Raises RuntimeError."""
    if name != "PostGraphile":
        return Contender(name, server, lambda workload: "/graphql", by_text)
    cursors = [await postgraphile.find_cursor(server.port, workload) for workload in asked if workload.name == "page"]
    cursor = cursors[0] if cursors else None
    return Contender(
        name, server, lambda workload: "/graphql", lambda workload: postgraphile.body(workload, cursor), postgraphile.reshape
    )


def plain(value: Any, key: str = "") -> Any:
    """Equal where the meaning is: ids without their types, moments as moments, fractions to ten digits."""
    if isinstance(value, dict):
        return {name: plain(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if key == "id":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2] or value
        except (binascii.Error, UnicodeDecodeError):
            return value
    if key in ("capturedAt", "linkedAt"):
        return datetime.fromisoformat(value)
    return round(value, 10) if isinstance(value, float) else value
