"""The floor in Python: an endpoint written by hand for each workload, with the same statements, authentication, rate charge,
transaction, metrics and log line as Fivefold's, and nothing else."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.kit.db import Db
from app.kit.http import JSON, negotiate, read_headers, read_request
from app.kit.log import log
from app.kit.sql import BOUND
from app.kit.trace import read_trace
from app.privacy.dashboard import get_dashboard
from app.privacy.template import settings_of
from app.privacy.values import unpack
from app.server import Service

END = "ffffffff-ffff-ffff-ffff-ffffffffffff"
COST = {"lookup": 1, "light": 61, "full": 651, "list": 301, "page": 21, "nested": 200}

Data = dict[str, Any]


def gid(prefix: bytes, id_: Any) -> str:
    """A global id."""
    return base64.b64encode(prefix + str(id_).encode()).decode()


def uuid_of(global_id: str) -> UUID:
    """The uuid in a global id."""
    return UUID(base64.b64decode(global_id).partition(b":")[2].decode())


def uuid_of_cursor(cursor: str) -> UUID:
    """The uuid in a cursor."""
    return UUID(orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[1])


async def respond(request: Request, name: str, find: Callable[[Db, Data], Awaitable[Data | bytes]]) -> Response:
    """What every endpoint does around its data."""
    service: Service = request.app.state.service
    clock = time.perf_counter()
    request_id = uuid4()
    headers = read_headers(request)
    trace = read_trace(headers.get("traceparent"))
    statements: list[str] = []
    with structlog.contextvars.bound_contextvars(request_id=str(request_id), trace_id=trace.trace_id):
        negotiate(headers.get("accept"))
        db = Db(service.pool, None, request_id, statements, service.metrics.time_statement)
        try:
            asked = await read_request(request, headers)
            actor = (await service.callers.authenticate(db, headers.get("authorization"), None, anew=True)).actor
            await service.limiter.charge(db, actor.workspace_id, COST[name])
            db.enter(actor)
            data = await find(db, asked.variables)
        finally:
            await db.close()
        seconds = time.perf_counter() - clock
        service.metrics.requests.labels(name, 200).inc()
        service.metrics.request_seconds.labels(name).observe(seconds)
        log.info("answer", operation=name, status=200, milliseconds=round(seconds * 1000, 2), statements=statements)
    if isinstance(data, bytes):
        body = data
    else:
        content = {"data": data, "extensions": {"cost": {"requested": COST[name], "maximum": 50_000}}}
        body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    told = {"X-Request-Id": str(request_id), "traceparent": trace.traceparent}
    return Response(body, headers=told, media_type=f"{JSON}; charset=utf-8")


SNAPSHOT = frozenset({"id", "risk_score", "completion_rate", "confidence", "captured_at"})
PACKED = SNAPSHOT | {"template_id", "packed", "observed"}
PLATFORM = frozenset({"id", "slug", "name"})
LINKED = frozenset({"id", "label", "status", "linked_at"})
LINK = frozenset({"id", "label", "status", "platform_id", "latest_snapshot_id"})


async def fetch(db: Db, statement: str, columns: frozenset[str], **args: Any) -> Sequence[Any]:
    """These columns of the rows of a statement."""
    return await db.fetch(BOUND[statement].statement.choose(columns), args)


async def by_id(db: Db, statement: str, columns: frozenset[str], ids: Iterable[Any]) -> dict[UUID, Any]:
    """The row of each of the ids."""
    return {row["id"]: row for row in await fetch(db, statement, columns, ids=list(dict.fromkeys(ids)))}


def a_snapshot(row: Any) -> Data:
    """What all lists show of a snapshot."""
    return {
        "id": gid(b"Snapshot:", row["id"]),
        "riskScore": row["risk_score"],
        "completionRate": row["completion_rate"],
        "confidence": row["confidence"],
        "capturedAt": row["captured_at"],
    }


def connection(nodes: Iterable[Data]) -> Data:
    """Nodes in their edges."""
    return {"edges": [{"node": node} for node in nodes]}


async def with_snapshots(db: Db, links: Sequence[Any], *, full: bool = False) -> Data:
    """Links, each with its platform and its latest snapshot."""
    platforms = await by_id(
        db, "privacy/platform.edge_platform", frozenset({"id", "slug", "name"}), (link["platform_id"] for link in links)
    )
    snapshots = await by_id(
        db, "privacy/snapshot.edge_snapshot", PACKED if full else SNAPSHOT, (link["latest_snapshot_id"] for link in links)
    )
    templates = await settings_of(db, [row["template_id"] for row in snapshots.values()]) if full else {}
    nodes = []
    for link in links:
        platform, row = platforms[link["platform_id"]], snapshots[link["latest_snapshot_id"]]
        snapshot = a_snapshot(row)
        if full:
            settings = templates[row["template_id"]]
            values = unpack(settings, row["packed"], row["observed"])
            snapshot["settings"] = [
                {
                    "key": s.key,
                    "label": s.label,
                    "category": s.category,
                    "value": values.get(s.key),
                    "observed": s.key in values,
                    "recommended": s.recommended,
                    "risk": s.risk,
                }
                for s in settings
            ]
        nodes.append(
            {
                "id": gid(b"PlatformLink:", link["id"]),
                "label": link["label"],
                "status": link["status"],
                "platform": {"id": gid(b"Platform:", platform["id"]), "slug": platform["slug"], "name": platform["name"]},
                "latestSnapshot": snapshot,
            }
        )
    return connection(nodes)


async def page_links(db: Db, first: int, **where: Any) -> Sequence[Any]:
    """The first links."""
    return (await fetch(db, "privacy/platform_link.page_platform_link", LINK, after_id=END, limit=first + 1, **where))[:first]


async def dashboard(db: Db, *, full: bool) -> Data:
    (figures,) = await db.fetch(get_dashboard.statement, {})
    links = await with_snapshots(db, await page_links(db, 20, status="ACTIVE"), full=full)
    return {"privacyDashboard": {"overallScore": figures["overall_score"], "coverage": figures["coverage"], "links": links}}


async def lookup(db: Db, variables: Data) -> Data:
    (row,) = await fetch(db, "privacy/platform_link.edge_platform_link", LINKED, ids=[uuid_of(variables["id"])])
    link = {"id": variables["id"], "label": row["label"], "status": row["status"], "linkedAt": row["linked_at"]}
    return {"platformLink": link}


async def light(db: Db, variables: Data) -> Data:
    return await dashboard(db, full=False)


async def full(db: Db, variables: Data) -> Data:
    return await dashboard(db, full=True)


async def links_of_100(db: Db, variables: Data) -> Data:
    return {"platformLinks": await with_snapshots(db, await page_links(db, 100))}


async def page(db: Db, variables: Data) -> Data:
    link_id, after_id = uuid_of(variables["linkId"]), uuid_of_cursor(variables["after"])
    rows = await fetch(db, "privacy/snapshot.page_snapshot", SNAPSHOT, link_id=link_id, after_id=after_id, limit=21)
    shown = connection(a_snapshot(row) for row in rows[:20])
    return {"snapshots": {**shown, "pageInfo": {"hasNextPage": len(rows) > 20}}}


async def nested(db: Db, variables: Data) -> Data:
    links = await page_links(db, 20)
    ids = [link["id"] for link in links]
    few = frozenset({"position", "id", "risk_score", "captured_at"})
    rows = await fetch(db, "privacy/snapshot.edge_snapshot_of_link", few, link_ids=ids, after_id=END, limit=4)
    by_link: dict[int, list[Any]] = {position: [] for position in range(1, len(links) + 1)}
    for row in rows:
        by_link[row["position"]].append(row)
    shown = [row for rows in by_link.values() for row in rows[:3]]
    changes: dict[UUID, list[Data]] = {row["id"]: [] for row in shown}
    few = frozenset({"id", "setting", "old_value", "new_value", "origin"})
    for row in await fetch(db, "privacy/change.edge_change_of_snapshot", few, snapshot_ids=list(changes)):
        change = {
            "setting": row["setting"],
            "oldValue": row["old_value"],
            "newValue": row["new_value"],
            "origin": row["origin"],
        }
        changes[row["id"]].append(change)
    nodes = []
    for position, link in enumerate(links, 1):
        snapshots = connection(
            {
                "id": gid(b"Snapshot:", row["id"]),
                "riskScore": row["risk_score"],
                "capturedAt": row["captured_at"],
                "changes": changes[row["id"]],
            }
            for row in by_link[position][:3]
        )
        nodes.append({"id": gid(b"PlatformLink:", link["id"]), "label": link["label"], "snapshots": snapshots})
    return {"platformLinks": connection(nodes)}


def route(prefix: str, name: str, find: Callable[[Db, Data], Awaitable[Data | bytes]]) -> Route:
    """POST /prefix/name."""

    async def endpoint(request: Request) -> Response:
        return await respond(request, name, find)

    return Route(f"/{prefix}/{name}", endpoint, methods=["POST"])


PAGES = {"lookup": lookup, "light": light, "full": full, "list": links_of_100, "page": page, "nested": nested}
routes = [route("handwritten", name, find) for name, find in PAGES.items()]
