"""Observations to judge, made without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from app.scans.observation import FetchFailure, Hop, Observation, Tls


def observed(
    url: str,
    body: str | bytes = "",
    *,
    way: Sequence[str] = (),
    status: int | None = 200,
    content_type: str | None = "text/html; charset=utf-8",
    headers: Mapping[str, str] | None = None,
    tls: Tls | None = None,
    failure: FetchFailure | None = None,
    truncated: bool = False,
) -> Observation:
    """What a fetch of ``url`` saw, led over ``way`` to its end, the last of them."""
    steps = [url, *way]
    data = body.encode() if isinstance(body, str) else body
    hops = [Hop(n, step, IPv4Address("192.0.2.1"), 443, 302, tls=tls) for n, step in enumerate(steps[:-1])]
    hops.append(Hop(len(hops), steps[-1], IPv4Address("192.0.2.1"), 443, status, failure, tls=tls))
    return Observation(
        url=url,
        hops=tuple(hops),
        final_url=steps[-1],
        status=status,
        headers=headers or {},
        content_type=content_type if status is not None else None,
        body=data,
        size=len(data),
        truncated=truncated,
        failure=failure,
    )
