"""Reopening: a template that has a setting otherwise opens what people acknowledged of it, once, whatever is killed."""

from __future__ import annotations

import pytest

from app.privacy import reopening
from tests.factory.jobs import run_jobs
from tests.factory.privacy import ACTIVATE, link, recorded, scan
from tests.privacy.conftest import Small
from tests.privacy.test_acknowledgement import acknowledge, listed, read
from tests.privacy.test_change import changes


async def activate(small: Small, id_: str) -> None:
    answer = await small.api(ACTIVATE, {"id": id_}, token=small.curator.token)
    assert answer.codes == []
    await run_jobs(small.api)


async def test_another_template_opens_what_it_has_otherwise(own: Small) -> None:
    """Changes of the second page; then the first is active again, which has two of the three otherwise."""
    link_id = await link(own.api, own.ada.token, "small")
    await recorded(own.api, own.ada.token, scan(link_id, own.second))
    values = {"ads": "on", "history": "off", "news": "off"}
    await recorded(own.api, own.ada.token, scan(link_id, own.second, day=1, values=values))
    found = {c["setting"]: c["id"] for c in await changes(own.api, own.ada.token)}
    await acknowledge(own, list(found.values()))
    await activate(own, own.second["id"])
    assert await listed(own, acknowledged=True) == {"ads", "history", "news"}, "it was active before"
    await activate(own, own.first["id"])
    assert await listed(own, acknowledged=True) == {"history"}
    opened = {key: (await read(own, id_))["acknowledgement"] for key, id_ in found.items()}
    assert {key: one["reopenReason"] for key, one in opened.items()} == {"ads": "TEMPLATE", "history": None, "news": "TEMPLATE"}
    await acknowledge(own, [found["ads"]])
    await run_jobs(own.api)
    assert await listed(own, acknowledged=True) == {"ads", "history"}, "what is seen again stays so"
    await activate(own, own.second["id"])
    assert await listed(own, acknowledged=True) == {"ads", "history"}, "that is how it was when it changed"


async def test_everybody_s_are_opened_in_batches(own: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [await own.person() for _ in range(5)]
    ids = {}
    for person in people:
        link_id = await link(own.api, person.token, "small")
        for day, value in ((0, "off"), (1, "on")):
            await recorded(own.api, person.token, scan(link_id, own.second, day=day, values={"ads": value}))
        (change,) = await changes(own.api, person.token)
        ids[person.email] = change["id"]
    monkeypatch.setattr(reopening, "BATCH", 2)
    mine = [Small(own.api, person, own.curator, own.first, own.second) for person in people]
    for one in mine[:4]:
        await acknowledge(one, [ids[one.ada.email]])
    await activate(own, own.first["id"])
    for one in mine[:4]:
        assert await listed(one, acknowledged=False) == {"ads"}
    async with own.api.database.connect() as connection:
        assert await connection.fetchval("SELECT count(*) FROM privacy.acknowledgement WHERE reopen_reason = 'TEMPLATE'") == 4
