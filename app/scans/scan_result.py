"""Results: what a scan came to, which is kept, and of what was seen only facts: hashes, statuses, words of our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import strawberry

from app.kit.db import Db
from app.kit.edge import edge
from app.kit.graphql import JSON, BigInt
from app.kit.sql import File
from app.scans.engine import host as hosts
from app.scans.engine.found import Unchecked
from app.scans.engine_verdict import EngineVerdict, insert_engine_verdicts
from app.scans.indicator import Category, ScanIndicator, insert_indicators
from app.scans.judgement import Judgement, Verdict
from app.scans.observation import Observation
from app.scans.secret import mask_host

MOST_HEADERS = 8_000
"""Bytes of the headers' summaries together, a little less than the database takes."""
MOST_HEADER = 2_000
_KIND = re.compile(r"[a-z0-9.+/_ =;-]{1,120}")


@strawberry.type(description="What a scan came to. Nothing of the page is kept.")
class ScanResult:
    """There as soon as the scan is COMPLETED."""

    scan_id: strawberry.Private[UUID]

    verdict: Verdict
    score: int | None = strawberry.field(description="0..100, higher is riskier; null when the verdict is UNKNOWN.")
    weights_version: int = strawberry.field(description="Scores of two versions do not compare.")
    categories: list[Category] = strawberry.field(description="What it is suspected of, the likeliest first.")
    unchecked: list[Unchecked] = strawberry.field(description="What was not looked at, and why.")
    reasoning: str = strawberry.field(description="Why, in fixed sentences.")
    http_status: int | None
    content_type: str | None
    headers: JSON = strawberry.field(description="Headers of the answer by name, summarized in fixed words.")
    final_host: str | None = strawberry.field(description="The host that answered in the end.")
    cookie_names: list[str] = strawberry.field(description="Names of cookies it wanted to set; unusual ones as # and a hash.")
    form_hosts: list[str] = strawberry.field(description="Where the forms of the page go.")
    tls_protocol: str | None
    tls_issuer: str | None = strawberry.field(description="Who vouches for the certificate, where somebody does.")
    tls_not_before: datetime | None
    tls_not_after: datetime | None
    tls_problem: str | None = strawberry.field(description="Why nobody vouches for the certificate, as a word.")
    model: str | None = strawberry.field(description="The language model that was asked.")
    prompt_version: int | None
    model_input_tokens: BigInt | None = strawberry.field(
        description="What the model took, as output and cost; null when not told."
    )
    model_output_tokens: BigInt | None
    model_cost_micros: BigInt | None = strawberry.field(description="Millionths of the currency; null when not known.")
    model_currency: str | None = strawberry.field(description="ISO 4217, such as USD.")
    content_sha256: str | None
    header_sha256: str | None = strawberry.field(description="Of the names of headers in their order.")
    favicon_sha256: str | None
    certificate_sha256: str | None

    engines: list[EngineVerdict] = edge(
        "scans/engine_verdict.edge_engine_verdict",
        many=True,
        scan_ids="scan_id",
        description="What each engine says: the contributions that make the score.",
    )
    indicators: list[ScanIndicator] = edge(
        "scans/indicator.edge_indicator", many=True, scan_ids="scan_id", description="What was found, the weightiest first."
    )


@dataclass(frozen=True)
class Outcome:
    """What is to be written of a scan of the workspace."""

    scan_id: UUID
    observation: Observation
    judgement: Judgement


sql = File("scans/scan_result")
results_by_scan = sql.edge("edge_scan_result", ScanResult)
insert_scan_results = sql.exec("insert_scan_result")


async def record_results(db: Db, outcomes: Sequence[Outcome]) -> None:
    """Write results, verdicts and indicators of several scans of one workspace, in the caller's transaction."""
    if not outcomes:
        return
    rows = [_row(outcome) for outcome in outcomes]
    await insert_scan_results(
        db,
        scan_ids=[row["scan_ids"] for row in rows],
        verdicts=[row["verdicts"] for row in rows],
        scores=[row["scores"] for row in rows],
        weights_versions=[row["weights_versions"] for row in rows],
        categories=[row["categories"] for row in rows],
        unchecked=[row["unchecked"] for row in rows],
        reasonings=[row["reasonings"] for row in rows],
        http_statuses=[row["http_statuses"] for row in rows],
        content_types=[row["content_types"] for row in rows],
        headers=[row["headers"] for row in rows],
        final_hosts=[row["final_hosts"] for row in rows],
        cookie_names=[row["cookie_names"] for row in rows],
        form_hosts=[row["form_hosts"] for row in rows],
        tls_protocols=[row["tls_protocols"] for row in rows],
        tls_issuers=[row["tls_issuers"] for row in rows],
        tls_not_befores=[row["tls_not_befores"] for row in rows],
        tls_not_afters=[row["tls_not_afters"] for row in rows],
        tls_problems=[row["tls_problems"] for row in rows],
        models=[row["models"] for row in rows],
        prompt_versions=[row["prompt_versions"] for row in rows],
        model_input_tokens=[row["model_input_tokens"] for row in rows],
        model_output_tokens=[row["model_output_tokens"] for row in rows],
        model_cost_micros=[row["model_cost_micros"] for row in rows],
        model_currencies=[row["model_currencies"] for row in rows],
        content_hashes=[row["content_hashes"] for row in rows],
        header_hashes=[row["header_hashes"] for row in rows],
        favicon_hashes=[row["favicon_hashes"] for row in rows],
        certificate_hashes=[row["certificate_hashes"] for row in rows],
    )
    verdicts = [(o.scan_id, v) for o in outcomes for v in o.judgement.engines]
    await insert_engine_verdicts(
        db,
        scan_ids=[scan_id for scan_id, _ in verdicts],
        engines=[v.engine.name for _, v in verdicts],
        versions=[v.version for _, v in verdicts],
        verdicts=[v.verdict.name for _, v in verdicts],
        scores=[v.score for _, v in verdicts],
        confidences=[v.confidence for _, v in verdicts],
        weights=[v.weight for _, v in verdicts],
        categories=[_joined(c.name for c in v.categories) for _, v in verdicts],
        unchecked=[v.unchecked.name if v.unchecked else None for _, v in verdicts],
        milliseconds=[v.milliseconds for _, v in verdicts],
    )
    found = [(scan_id, i) for scan_id, v in verdicts for i in v.indicators]
    await insert_indicators(
        db,
        scan_ids=[scan_id for scan_id, _ in found],
        engines=[i.engine for _, i in found],
        kinds=[i.kind for _, i in found],
        weights=[i.weight for _, i in found],
        evidence=[i.evidence.name for _, i in found],
    )


def _row(outcome: Outcome) -> dict[str, Any]:
    """The columns of a result by the names of the statement's parameters."""
    seen, judged, spent = outcome.observation, outcome.judgement, outcome.judgement.spent
    tls = next((hop.tls for hop in reversed(seen.hops) if hop.tls is not None), None)
    host = hosts.host_of(seen.final_url)
    return {
        "scan_ids": outcome.scan_id,
        "verdicts": judged.verdict.name,
        "scores": judged.score,
        "weights_versions": judged.weights_version,
        "categories": _joined(c.name for c in judged.categories),
        "unchecked": _joined(u.name for u in judged.unchecked),
        "reasonings": judged.reasoning,
        "http_statuses": seen.status if seen.status is not None and 100 <= seen.status <= 599 else None,
        "content_types": kind if (kind := seen.content_type) and _KIND.fullmatch(kind) else None,
        "headers": _headers(seen.headers.items()),
        "final_hosts": mask_host(host)[:255] if host else None,
        "cookie_names": _joined(seen.cookie_names[:50]),
        "form_hosts": _joined(dict.fromkeys(mask_host(each)[:255] for each in judged.form_hosts)),
        "tls_protocols": tls.protocol[:20] or None if tls else None,
        "tls_issuers": tls.issuer[:200] if tls else None,
        "tls_not_befores": tls.not_before if tls else None,
        "tls_not_afters": tls.not_after if tls else None,
        "tls_problems": tls.problem.name if tls and tls.problem else None,
        "models": judged.model,
        "prompt_versions": judged.prompt_version,
        "model_input_tokens": spent.input_tokens if spent else None,
        "model_output_tokens": spent.output_tokens if spent else None,
        "model_cost_micros": spent.cost_micros if spent else None,
        "model_currencies": spent.currency if spent else None,
        "content_hashes": seen.content_sha256,
        "header_hashes": seen.header_sha256,
        "favicon_hashes": seen.favicon_sha256,
        "certificate_hashes": tls.certificate_sha256 if tls else None,
    }


def _joined(words: Iterable[str]) -> str:
    """Names without spaces as one text, which the statement takes apart."""
    return " ".join(words)


def _headers(headers: Iterable[tuple[str, str]]) -> str:
    """As JSON, as many as the database takes."""
    kept: dict[str, str] = {}
    left = MOST_HEADERS
    for name, value in headers:
        left -= len(orjson.dumps({name: value[:MOST_HEADER]})) + 2
        if left < 0:
            break
        kept[name] = value[:MOST_HEADER]
    return orjson.dumps(kept).decode()
