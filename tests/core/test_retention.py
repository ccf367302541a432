"""Retention: how long is kept, and finding where something is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from app.core import retention
from app.core.retention import FIRST, Retention, RetentionPeriod, ask_each, oldest_kept
from app.privacy.retention import purge_workspace
from tests.conftest import Api
from tests.factory.jobs import worker_db

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keep", "days"),
    [
        (RetentionPeriod.THIRTY_DAYS, 30),
        (RetentionPeriod.NINETY_DAYS, 90),
        (RetentionPeriod.ONE_YEAR, 365),
        (RetentionPeriod.FOREVER, None),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_how_long_is_kept(keep: RetentionPeriod, days: int | None) -> None:
    assert oldest_kept(Retention(keep=keep), NOW) == (None if days is None else NOW - timedelta(days=days))


async def test_each_workspace_is_asked_for_once(shared: Api) -> None:
    """Page by page, in a transaction each, until nothing follows."""
    people = sorted([(await shared.person(name)).workspace_id for name in ("ada", "ben", "eve")])
    asked: list[UUID] = []

    async def find(after: UUID) -> list[UUID]:
        asked.append(after)
        return [each for each in people if each > after][:2]

    async with worker_db(shared.database) as db:
        await ask_each(db, purge_workspace, find)
        await ask_each(db, purge_workspace, find)
    assert asked == [FIRST, people[1], people[2]] * 2
    async with shared.database.connect() as admin:
        payloads = await admin.fetch("SELECT payload FROM jobs.pgqueuer WHERE entrypoint = 'privacy.purge_workspace'")
    told = [retention.OfWorkspace.model_validate_json(cast(Any, row["payload"])).workspace_id for row in payloads]
    assert sorted(told) == people
