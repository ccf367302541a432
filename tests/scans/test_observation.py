"""Observations: what follows from what was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.scans.fetch import DEFAULT_LIMITS, observe
from app.scans.observation import Hop, Observation
from tests.factory.web import certificate, hostile_web, rebinding, redirect

BARE = replace(DEFAULT_LIMITS, favicon=False)


async def test_a_downgrade_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = certificate(tmp_path, "good.example.com")
    rebinding(monkeypatch, ["127.0.0.1"])
    async with hostile_web(context) as secure, hostile_web() as web:
        secure.pages["/down"] = redirect(web.url("/"))
        found = await observe(secure.url("/down", "good.example.com"), BARE, loopback=True)
        assert found.downgraded
        assert [hop.tls is not None for hop in found.hops] == [True, False]
        web.pages["/up"] = redirect(secure.url("/", "good.example.com"))
        assert not (await observe(web.url("/up"), BARE, loopback=True)).downgraded


def test_every_request_is_told() -> None:
    hops = tuple(Hop(seq=seq, url="https://example.com/", address=None, port=443) for seq in range(3))
    found = Observation(url="https://example.com/", hops=hops[:2], final_url="https://example.com/", favicon=hops[2])
    assert tuple(found.requests) == hops
    assert not found.downgraded
    assert tuple(replace(found, favicon=None).requests) == hops[:2]


def test_what_was_seen_is_not_shown_by_accident() -> None:
    hop = Hop(seq=0, url="https://example.com/SECRET", address=None, port=443)
    found = Observation(
        url="https://example.com/SECRET", hops=(hop,), final_url="https://example.com/SECRET", body=b"SECRET", refresh="SECRET"
    )
    assert "SECRET" not in repr(found)
