"""Purposes of consent: versions that curators add and nobody changes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import Api
from tests.core.test_consent import PUBLISH, PURPOSES, publish, purpose


@pytest.mark.parametrize(
    "given",
    [
        {"slug": "Big Words"},
        {"title": ""},
        {"text": ""},
        {"text": "x" * 10001},
        {"renews": True},
        {"validFrom": "2020-01-01T00:00:00Z"},
    ],
)
async def test_bad_purposes_are_not_published(shared: Api, given: dict[str, Any]) -> None:
    slug = f"p{uuid4().hex[:20]}"
    assert (await publish(shared, slug, **given)).code == "BAD_INPUT"
    assert slug not in str((await shared(PURPOSES, token=(await shared.person("ada")).token)).body)


async def test_curators_alone_publish_once_and_nothing_is_rewritten(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    given = {"slug": slug, "title": "x", "text": "x", "idempotencyKey": "x"}
    assert (await shared(PUBLISH, {"input": given}, token=ada.token)).code == "FORBIDDEN"
    once = [await publish(shared, slug, idempotencyKey=slug) for _ in range(2)]
    assert once[0].data == once[1].data
    assert (await publish(shared, slug, idempotencyKey=slug, text="other")).code == "IDEMPOTENCY_CONFLICT"
    async with shared.database.connect() as admin:
        for change in ("UPDATE core.consent_purpose SET text = 'other'", "DELETE FROM core.consent_purpose"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(change)


async def test_two_versions_at_once_have_two_numbers(shared: Api) -> None:
    slug = await purpose(shared)
    answers = await asyncio.gather(*(publish(shared, slug) for _ in range(6)))
    assert {code for answer in answers for code in answer.codes} <= {"STALE_VERSION", "BAD_INPUT"}
    async with shared.database.connect() as admin:
        versions = await admin.fetch("SELECT version FROM core.consent_purpose WHERE slug = $1 ORDER BY 1", slug)
    done = sum(not answer.codes for answer in answers)
    assert [version for (version,) in versions] == list(range(1, done + 2))
