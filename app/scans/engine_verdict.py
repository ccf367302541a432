"""Verdicts of engines: what each of them said of a scan, and how much that counted."""

from __future__ import annotations

from uuid import UUID

import strawberry

from app.kit.edge import edge
from app.kit.sql import File
from app.scans.engine.found import Unchecked
from app.scans.indicator import Category, ScanIndicator
from app.scans.judgement import Engine, Verdict


@strawberry.type(description="What one engine says of a scan.")
class EngineVerdict:
    """Its score counts by its weight, see app/scans/judgement.py."""

    scan_id: strawberry.Private[UUID]

    engine: Engine
    version: str = strawberry.field(description="Of the engine; of a model, its name and the prompt's version.")
    verdict: Verdict
    score: int | None = strawberry.field(description="0..100, higher is riskier; null where it could not look.")
    confidence: float = strawberry.field(description="0..1: how sure it is.")
    weight: int = strawberry.field(description="0..100: how much of its score counts.")
    categories: list[Category]
    unchecked: Unchecked | None = strawberry.field(description="Why it could not look, or not at all of it.")
    milliseconds: int

    indicators: list[ScanIndicator] = edge(
        "scans/indicator.edge_indicator_of_engine",
        many=True,
        scan_ids="scan_id",
        engines="engine",
        description="What it found, the weightiest first.",
    )


sql = File("scans/engine_verdict")
verdicts_by_scan = sql.edge("edge_engine_verdict", EngineVerdict)
insert_engine_verdicts = sql.exec("insert_engine_verdict")
