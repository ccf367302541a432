"""Traces: the caller's trace goes on through us, and becomes spans where OpenTelemetry is configured."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.kit.errors import SetupError

_TRACEPARENT = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$")


@dataclass(frozen=True, slots=True)
class Trace:
    """W3C trace context of one request: ids in lower-case hex, ``flags`` 01 when it is sampled."""

    trace_id: str
    span_id: str
    parent_id: str | None
    flags: str

    @property
    def traceparent(self) -> str:
        """The header's value that names our span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def read_trace(header: str | None) -> Trace:
    """Our span in the caller's trace, or in a new one when the header is missing or wrong."""
    match = _TRACEPARENT.match(header or "")
    ids = secrets.token_hex(24)
    span_id = ids[:16]
    if match is None:
        return Trace(ids[16:], span_id, None, "00")
    return Trace(match[1], span_id, match[2], match[3])


Export = Callable[[Trace, str, int, int, dict[str, Any]], None]
"""Called with the trace, a name, start and end in nanoseconds since 1970, and attributes."""


def open_exporter(endpoint: str) -> Export:
    """Sends each request as a span to an OTLP/HTTP endpoint. Raises SetupError when OpenTelemetry is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
    except ImportError:
        raise SetupError("FIVEFOLD_OTLP_ENDPOINT needs OpenTelemetry: pip install 'fivefold[telemetry]'") from None
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
    resource = Resource.create({"service.name": "fivefold-api"})

    def context(trace: Trace, span_id: str, *, remote: bool) -> SpanContext:
        return SpanContext(int(trace.trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))

    def export(trace: Trace, name: str, start: int, end: int, attributes: dict[str, Any]) -> None:
        processor.on_end(
            ReadableSpan(
                name=name,
                context=context(trace, trace.span_id, remote=False),
                parent=context(trace, trace.parent_id, remote=True) if trace.parent_id else None,
                resource=resource,
                attributes=attributes,
                kind=SpanKind.SERVER,
                start_time=start,
                end_time=end,
            )
        )

    return export
