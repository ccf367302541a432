"""The dashboard: right by hand, and cheap whatever its size."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import app.server
from app.kit.embedded import Embedded
from tests.conftest import Api
from tests.factory.kit import Lines, serving
from tests.factory.privacy import (
    RECORD_MANY,
    link,
    load_files,
    recorded,
    scan,
    template_of,
    toggle,
    unlink,
    write_platform,
)
from tests.privacy.conftest import Small

DASHBOARD = """
query Dashboard($first: Int!, $links: String, $changes: String) {
  privacyDashboard {
    overallScore coverage
    links(first: $first, after: $links) {
      edges { node {
        id label status platform { id slug name }
        latestSnapshot {
          id riskScore completionRate confidence capturedAt
          settings { key label category value observed recommended risk }
        }
      } }
      pageInfo { hasNextPage endCursor }
    }
    recentChanges(first: $first, after: $changes) {
      edges { node { setting label oldValue newValue origin significance confidence detectedAt } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
MAX_STATEMENTS = 8


async def dashboard(api: Api, token: str, first: int = 20, **cursors: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api(DASHBOARD, {"first": first} | cursors, token=token)).data["privacyDashboard"]
    return found


# Figures


async def test_before_the_first_link_there_is_nothing(api: Api) -> None:
    ada = await api.person()
    shown = await dashboard(api, ada.token)
    assert (shown["overallScore"], shown["coverage"]) == (None, 0)
    assert shown["links"]["edges"] == shown["recentChanges"]["edges"] == []


async def test_links_never_scanned_lower_the_coverage(small: Small) -> None:
    """Five settings of one link were seen, and none of the five of the other and the 21 of the third."""
    token = small.ada.token
    await recorded(small.api, token, scan(await link(small.api, token, "small", "seen"), small.second))
    assert (await dashboard(small.api, token))["coverage"] == 1
    await link(small.api, token, "small", "not seen")
    google = await link(small.api, token, "google")
    shown = await dashboard(small.api, token)
    settings = (await template_of(small.api, token))["settings"]
    assert shown["coverage"] == pytest.approx(5 / (5 + 5 + len(settings)))
    assert shown["links"]["edges"][0]["node"] | {"platform": None} == {
        "id": google,
        "label": "Personal",
        "status": "ACTIVE",
        "platform": None,
        "latestSnapshot": None,
    }


async def test_figures_against_a_computation_by_hand(small: Small) -> None:
    """Risks of version 2: ads 50, history 90, audience 70, keep 20, news 30; 260 together."""
    token = small.ada.token

    async def scanned(label: str, **values: str | None) -> None:
        given = scan(await link(small.api, token, "small", label), small.second, values=values)
        await recorded(small.api, token, given)

    await scanned("all exposed", ads="on", keep="For ever")  # 260 of 260: 100
    await scanned("half seen", ads="on", history="off", audience=None, keep=None, news=None)  # 50 of 140: 36
    await scanned("safe", ads="off", history="off", audience="Only  me", keep="A day", news="off")  # 0
    await scanned("blind", ads=None, history=None, audience=None, keep=None, news=None)  # no score
    shown = await dashboard(small.api, token)
    scores = {e["node"]["label"]: e["node"]["latestSnapshot"]["riskScore"] for e in shown["links"]["edges"]}
    assert scores == {"all exposed": 100, "half seen": 36, "safe": 0, "blind": None}
    assert shown["overallScore"] == 45  # (100 + 36 + 0) / 3 = 45.33
    assert shown["coverage"] == pytest.approx((5 + 2 + 5 + 0) / 20)
    rates = {e["node"]["label"]: e["node"]["latestSnapshot"]["completionRate"] for e in shown["links"]["edges"]}
    assert rates == {"all exposed": 1, "half seen": 0.4, "safe": 1, "blind": 0}


async def test_ended_links_do_not_count(small: Small) -> None:
    token = small.ada.token
    bad = await link(small.api, token, "small", "bad")
    await recorded(small.api, token, scan(bad, small.second, values={"ads": "on", "keep": "For ever"}))
    good = await link(small.api, token, "small", "good")
    await recorded(small.api, token, scan(good, small.second, values={"history": "off"}))
    before = await dashboard(small.api, token)
    await unlink(small.api, token, bad)
    after = await dashboard(small.api, token)
    assert before["overallScore"] > after["overallScore"]
    assert after["overallScore"] == after["links"]["edges"][0]["node"]["latestSnapshot"]["riskScore"]
    assert [e["node"]["label"] for e in after["links"]["edges"]] == ["good"]


async def test_figures_do_not_depend_on_the_page(small: Small) -> None:
    token = small.ada.token
    for n in range(5):
        values = {"ads": "on"} if n % 2 else {"history": "off"}
        await recorded(small.api, token, scan(await link(small.api, token, "small", str(n)), small.second, values=values))
    whole, part = await dashboard(small.api, token), await dashboard(small.api, token, first=2)
    assert (part["overallScore"], part["coverage"]) == (whole["overallScore"], whole["coverage"])


async def test_both_lists_page(small: Small) -> None:
    token = small.ada.token
    for n in range(3):
        link_id = await link(small.api, token, "small", str(n))
        await recorded(small.api, token, scan(link_id, small.second, day=n))
        await recorded(small.api, token, scan(link_id, small.second, day=n + 10, values={"ads": "on", "history": "off"}))
    whole = await dashboard(small.api, token)
    found: dict[str, list[Any]] = {"links": [], "recentChanges": []}
    cursors: dict[str, str] = {}
    for _ in range(3):
        page = await dashboard(small.api, token, first=2, **cursors)
        for name, rows in found.items():
            if len(rows) < len(whole[name]["edges"]):
                rows += page[name]["edges"]
                assert page[name]["pageInfo"]["hasNextPage"] == (len(rows) < len(whole[name]["edges"]))
        cursors = {"links": page["links"]["pageInfo"]["endCursor"] or cursors["links"],
                   "changes": page["recentChanges"]["pageInfo"]["endCursor"] or cursors["changes"]}  # fmt: skip
    assert found == {name: whole[name]["edges"] for name in found}
    assert [e["node"]["label"] for e in whole["links"]["edges"]] == ["2", "1", "0"]
    assert len(whole["recentChanges"]["edges"]) == 6
    moments = [e["node"]["detectedAt"] for e in whole["recentChanges"]["edges"]]
    assert moments == sorted(moments, reverse=True)


async def test_people_see_their_own(small: Small) -> None:
    await recorded(small.api, small.ada.token, scan(await link(small.api, small.ada.token, "small"), small.second))
    ben = await small.person()
    shown = await dashboard(small.api, ben.token)
    assert (shown["overallScore"], shown["coverage"], shown["links"]["edges"]) == (None, 0, [])


async def test_a_dashboard_is_one_picture(small: Small) -> None:
    """While scans come in, the score above is always that of the snapshot below."""
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.second))
    scans = [scan(link_id, small.second, day=1 + n, values={"ads": ("on", "off")[n % 2]}) for n in range(30)]

    async def write() -> None:
        for given in scans:
            await recorded(small.api, token, given)

    async def read() -> None:
        for _ in range(30):
            shown = await dashboard(small.api, token)
            assert shown["overallScore"] == shown["links"]["edges"][0]["node"]["latestSnapshot"]["riskScore"]

    await asyncio.gather(write(), read(), read())


# Statements


async def grow(api: Api, data: Path, links: int) -> str:
    """A person with links of a platform of 40 settings, each scanned twice with changes; the token."""
    write_platform(data, "large", [toggle(f"setting_{n}") for n in range(40)])
    await load_files(api.database, data)
    person = await api.person(f"p{links}")
    template = await template_of(api, person.token, "large")
    ids = [await link(api, person.token, "large", str(n)) for n in range(links)]
    for day in (0, 7):
        values: dict[str, str | None] = {f"setting_{n}": "off" for n in range(day)}
        inputs = [scan(link_id, template, day=day, values=values) for link_id in ids]
        answer = await api(RECORD_MANY, {"inputs": inputs}, token=person.token)
        assert None not in answer.data["recordSnapshots"]
    return person.token


async def test_statements_do_not_grow_with_links_or_settings(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    monkeypatch.setattr(app.server, "log", lines.logger())
    found = {}
    for links in (1, 20):
        token = await grow(api, tmp_path / "curated", links)
        shown = await dashboard(api, token)
        assert len(shown["links"]["edges"]) == links
        assert sum(len(e["node"]["latestSnapshot"]["settings"]) for e in shown["links"]["edges"]) == 40 * links
        assert len(shown["recentChanges"]["edges"]) == min(20, 7 * links)
        found[links] = lines.request["statements"]
    assert sorted(found[1]) == sorted(found[20])
    assert "core/identity.confirm_caller" in found[20]
    assert len(found[20]) <= MAX_STATEMENTS
    print(f"\nstatements of a dashboard, 20 links x 40 settings: {found[20]}")  # noqa: T201 - for pytest -s


async def test_statements_as_the_server_counts_them(api: Api, server: Embedded, jwt_key: Path, tmp_path: Path) -> None:
    """PostgreSQL's own log knows of every statement, whoever sends it."""
    token = await grow(api, tmp_path / "curated", 20)
    async with api.database.connect() as connection:
        await connection.execute(f"ALTER DATABASE {api.database.name} SET log_statement = 'all'")
    file = server.data / "postgres.log"
    async with serving(api.database, jwt_key, pool_size=1) as logged:
        await dashboard(logged, token)
        end = file.stat().st_size
        await dashboard(logged, token)
        with file.open("rb") as log:
            log.seek(end)
            text = log.read().decode()
    sent = [match[1] for match in re.finditer(r"LOG:  (?:execute [^:]*|statement): (.*)", text)]
    named = [statement for statement in sent if statement.startswith("/* ")]
    assert 0 < len(named) < MAX_STATEMENTS
    control = [statement for statement in sent if not statement.startswith("/* ")]
    print(f"\nPostgreSQL logged {[s.split()[1] for s in named]}; to begin, end and clean up {control}")  # noqa: T201 - for pytest -s
    # One transaction: begun once, with the identity and who calls in the same message, and what was read in before ended there.
    (begun,) = [statement for statement in control if "BEGIN" in statement]
    assert begun.removeprefix("COMMIT; ").startswith(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL fivefold.workspace_id"
    )
    assert "/* core/identity.confirm_caller */" in begun
    assert {statement for statement in control if statement != begun} <= {"COMMIT"}


async def test_a_batch_keeps_each_link_apart(api: Api, tmp_path: Path) -> None:
    """What `grow` relies on: one request, one snapshot for each link."""
    token = await grow(api, tmp_path / "curated", 3)
    shown = await dashboard(api, token)
    assert len({e["node"]["latestSnapshot"]["id"] for e in shown["links"]["edges"]}) == 3
