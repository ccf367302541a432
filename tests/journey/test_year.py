"""A year of one person: daily scans of twenty accounts, twelve real changes each, in a thousandth of what full copies take."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import pytest

from tests.conftest import Api
from tests.factory.jobs import run_jobs
from tests.factory.privacy import RECORD_MANY, link

DAYS, LINKS, CHANGES = 364, 20, 12
COPY_BYTES = 52_000
"""A settings page of 60 settings with its texts and values as JSON: what a system keeps that stores each scan whole."""
GOAL = 0.999

TEMPLATE = """
query Template($slug: String!) {
  platform(slug: $slug) {
    activeTemplate {
      hash settings { key label description category type options default recommended risk directLink }
    }
  }
}
"""
SIZES = """
    SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS bytes
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'm') AND c.relnamespace::regnamespace::text IN ('core', 'privacy', 'jobs')"""


async def sizes(admin: asyncpg.Connection) -> dict[str, int]:
    return {row["name"]: row["bytes"] for row in await admin.fetch(SIZES)}


async def end_of_week(api: Api, admin: asyncpg.Connection, today: datetime) -> None:
    """What the night's upkeep and autovacuum do in a week: what is past its time goes, and its room is used again."""
    await run_jobs(api)
    for table, moment in (("core.idempotency", "created_at"), ("core.outbox", "created_at"), ("jobs.pgqueuer_log", "created"),
                          ("jobs.effect", "done_at")):  # fmt: skip
        await admin.execute(f"DELETE FROM {table} WHERE {moment} < now()")
    # The story is told in a minute: an alert of three months ago is one of a snapshot that was captured then.
    await admin.execute("DELETE FROM core.notification WHERE object_id < core.uuidv7_floor($1)", today - timedelta(days=90))
    await admin.execute("VACUUM")


def full_copy(template: dict[str, Any], values: dict[str, str]) -> str:
    """What a scan is when it is kept whole."""
    return json.dumps([{**setting, "value": values[setting["key"]]} for setting in template["settings"]])


@pytest.mark.slow
async def test_a_year_takes_a_thousandth_of_full_copies(api: Api) -> None:
    ada, random = await api.person("ada"), Random(7)  # noqa: S311 - a story, no secret
    slugs = ["anthropic", "facebook", "google", "linkedin", "openai"]
    templates = {slug: (await api(TEMPLATE, {"slug": slug}, token=ada.token)).data["platform"]["activeTemplate"]
                 for slug in slugs}  # fmt: skip
    links = [(await link(api, ada.token, slug, f"Account {n}"), slug) for n in range(LINKS // 5) for slug in slugs]
    state = {id_: {s["key"]: s["default"] for s in templates[slug]["settings"]} for id_, slug in links}
    changing = {id_: set(random.sample(range(1, DAYS), CHANGES)) for id_, _ in links}
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=DAYS + 1)
    before: dict[str, int] = {}
    logical = stored = scans = changes = 0
    async with api.database.connect() as admin:
        for week in range(DAYS // 7):
            inputs = []
            for day in range(7 * week, 7 * week + 7):
                for id_, slug in links:
                    if day in changing[id_]:
                        setting = random.choice(templates[slug]["settings"])
                        state[id_][setting["key"]] = random.choice(
                            [option for option in setting["options"] if option != state[id_][setting["key"]]]
                        )
                    copy = full_copy(templates[slug], state[id_])
                    logical += len(copy)
                    stored += len(zlib.compress(copy.encode(), 1))
                    inputs.append(
                        {
                            "linkId": id_,
                            "capturedAt": (start + timedelta(days=day, minutes=random.randrange(600))).isoformat(),
                            "scanMethod": "EXTENSION",
                            "templateHash": templates[slug]["hash"],
                            "values": [{"key": key, "value": value} for key, value in state[id_].items()],
                            "idempotencyKey": f"{id_}/{day}",
                        }
                    )
            for begin in range(0, len(inputs), 50):
                answer = await api(RECORD_MANY, {"inputs": inputs[begin : begin + 50]}, token=ada.token)
                for payload in answer.data["recordSnapshots"]:
                    scans += 1
                    changes += len(payload["changes"])
            await end_of_week(api, admin, start + timedelta(days=7 * week + 7))
            if week == 0:
                before = await sizes(admin)
        after = await sizes(admin)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    taken = sum(grown.values())
    share = ", ".join(f"{name} {bytes_ / 1000:.0f}" for name, bytes_ in sorted(grown.items(), key=lambda item: -item[1]))
    print(  # noqa: T201 - for pytest -s
        f"\n{scans} scans with {changes} changes took {taken / 1000:.0f} kB ({share});"
        f" full copies of these pages {logical / 1e6:.0f} MB, compressed as stored {stored / 1e6:.1f} MB:"
        f" {1 - taken / logical:.3%} and {1 - taken / stored:.2%} less;"
        f" full copies of {COPY_BYTES} bytes {scans * COPY_BYTES / 1e6:.0f} MB: {1 - taken / (scans * COPY_BYTES):.3%} less"
    )
    assert scans == DAYS * LINKS
    assert changes == LINKS * CHANGES
    assert 1 - taken / (scans * COPY_BYTES) >= GOAL
