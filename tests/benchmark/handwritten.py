"""The floor in Python: an endpoint written by hand for one page, with the same statements, authentication, rate charge,
transaction, metrics and log line as Fivefold's."""

from __future__ import annotations

import base64
import time
from typing import Any
from uuid import uuid4

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.core.identity import authenticate
from app.kit.db import Db
from app.kit.http import JSON, negotiate, read_request
from app.kit.log import log
from app.kit.sql import BOUND
from app.kit.trace import read_trace
from app.privacy.dashboard import get_dashboard
from app.privacy.template import settings_of
from app.privacy.values import unpack
from app.server import Service

END = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def gid(prefix: bytes, id_: Any) -> str:
    """A global id."""
    return base64.b64encode(prefix + str(id_).encode()).decode()


async def dashboard(request: Request) -> Response:
    """POST /dashboard: full when the query names settings, light otherwise."""
    service: Service = request.app.state.service
    clock = time.perf_counter()
    request_id = uuid4()
    trace = read_trace(request.headers.get("traceparent"))
    statements: list[str] = []
    with structlog.contextvars.bound_contextvars(request_id=str(request_id), trace_id=trace.trace_id):
        negotiate(request.headers.get("accept"))
        db = Db(service.pool, None, request_id, statements, service.metrics.statement_seconds)
        try:
            asked = await read_request(request)
            actor = await authenticate(db, service.keys, request.headers.get("authorization"), None)
            await service.limiter.charge(db, actor.workspace_id, 651)
            db.enter(actor)
            data = await _data(db, full="settings" in (asked.query or ""))
        finally:
            await db.close()
        seconds = time.perf_counter() - clock
        service.metrics.requests.labels("dashboard", 200).inc()
        service.metrics.request_seconds.labels("dashboard").observe(seconds)
        log.info("dashboard", operation="dashboard", status=200, milliseconds=round(seconds * 1000, 2), statements=statements)
    content = {"data": {"privacyDashboard": data}, "extensions": {"cost": {"requested": 651, "maximum": 50_000}}}
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    headers = {"X-Request-Id": str(request_id), "traceparent": trace.traceparent}
    return Response(body, headers=headers, media_type=f"{JSON}; charset=utf-8")


async def _data(db: Db, *, full: bool) -> dict[str, Any]:
    (figures,) = await db.fetch(get_dashboard.statement, {})
    page = BOUND["privacy/platform_link.page_platform_link"].statement
    links = (await db.fetch(page, {"after_id": END, "limit": 21, "status": "ACTIVE"}))[:20]
    ids = [link["platform_id"] for link in links]
    edge_platform = BOUND["privacy/platform.edge_platform"].statement
    platforms = {row["position"]: row for row in await db.fetch(edge_platform, {"ids": ids})}
    ids = [link["latest_snapshot_id"] for link in links]
    edge_snapshot = BOUND["privacy/snapshot.edge_snapshot"].statement
    snapshots = {row["position"]: row for row in await db.fetch(edge_snapshot, {"ids": ids})}
    templates = await settings_of(db, [row["template_id"] for row in snapshots.values()]) if full else {}
    edges = []
    for position, link in enumerate(links, 1):
        platform, row = platforms[position], snapshots[position]
        snapshot = {
            "id": gid(b"Snapshot:", row["id"]),
            "riskScore": row["risk_score"],
            "completionRate": row["completion_rate"],
            "confidence": row["confidence"],
            "capturedAt": row["captured_at"],
        }
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
        edges.append(
            {
                "node": {
                    "id": gid(b"PlatformLink:", link["id"]),
                    "label": link["label"],
                    "status": link["status"],
                    "platform": {
                        "id": gid(b"Platform:", platform["id"]),
                        "slug": platform["slug"],
                        "name": platform["name"],
                    },
                    "latestSnapshot": snapshot,
                }
            }
        )
    return {"overallScore": figures["overall_score"], "coverage": figures["coverage"], "links": {"edges": edges}}
