"""Exposure: how long a setting left a person exposed, by arithmetic that adds up, and in words that are true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.graphql import global_id
from app.privacy.exposure import DAY_SECONDS, ExposureStretch, Seen, Stretch, find_stretches, summarize
from app.privacy.origin import Origin
from tests.conftest import Api
from tests.factory.privacy import START, api_key, link, load_files, recorded, scan, template_of, toggle, unlink, write_platform
from tests.privacy.conftest import Small
from tests.privacy.test_scan import moment

EXPOSURES = """
query Exposures($link: ID, $from: DateTime, $until: DateTime, $first: Int!, $after: String) {
  exposures(linkId: $link, from: $from, until: $until, first: $first, after: $after) {
    edges {
      node {
        setting label value ongoing since daysAtLeast daysAtMost stretchCount summary link { id }
        stretches {
          value startedAfter firstSeenAt lastSeenAt endedBefore daysAtLeast daysAtMost startedBy startedByConfidence endedBy
          endedByConfidence changedByUser
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


async def exposures(api: Api, token: str, *, first: int = 100, **given_: Any) -> list[dict[str, Any]]:
    """The exposures of all pages."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await api(EXPOSURES, {"first": first, "after": after} | given_, token=token)).data["exposures"]
        found += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def exposure(small: Small, link_id: str, setting: str, **given_: Any) -> dict[str, Any]:
    (found,) = [e for e in await exposures(small.api, small.ada.token, link=link_id, **given_) if e["setting"] == setting]
    return found


async def scans(small: Small, link_id: str, days: list[tuple[float, str | None]], acted: tuple[float, ...] = ()) -> None:
    """Scans that saw ``history`` so, on these days; the person was seen changing it on some."""
    for day, value in days:
        one = scan(link_id, small.second, day=day, values={"history": value})
        for entry in one["values"]:
            entry["userAction"] = entry["key"] == "history" and day in acted
        await recorded(small.api, small.ada.token, one)


# Arithmetic

KEYS = ("a", "b")
SEEN = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["much", "some", None]))
HISTORY = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), SEEN), min_size=1, max_size=12)


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def told(steps: list[tuple[int, int, dict[str, str | None]]]) -> list[Seen]:
    """A history of gaps between snapshots and of how long each held."""
    day, found = 0, []
    for gap, held, exposing in steps:
        day += gap + 1
        found.append(Seen(UUID(int=day), at(day), at(day + held), exposing, frozenset(KEYS)))
        day += held
    return found


@given(HISTORY)
def test_a_stretch_is_what_scans_in_a_row_saw(steps: list[tuple[int, int, dict[str, str | None]]]) -> None:
    history = told(steps)
    found = find_stretches(history)
    for key in KEYS:
        seen = [one for one in history if key in one.exposing]
        groups = [list(group) for _, group in groupby(seen, key=lambda one: one.exposing[key] is not None)]
        expected = []
        for place, group in enumerate(groups):
            if group[0].exposing[key] is not None:
                after = groups[place - 1][-1].until if place else None
                before = groups[place + 1][0].captured_at if place + 1 < len(groups) else None
                expected.append((after, group[0].captured_at, group[-1].until, before, group[-1].exposing[key]))
        assert [(s.after, s.first, s.last, s.before, s.value) for s in found.get(key, [])] == expected


@given(HISTORY, st.integers(-1, 80), st.integers(0, 80), st.integers(0, 80))
def test_days_of_two_windows_are_the_days_of_both(
    steps: list[tuple[int, int, dict[str, str | None]]], begin: int, first: int, second: int
) -> None:
    cut, end = at(begin + first), at(begin + first + second)
    for stretches in find_stretches(told(steps)).values():
        for one in stretches:
            whole = one.seconds(at(begin), end)
            left, right = one.seconds(at(begin), cut), one.seconds(cut, end)
            assert whole == (left[0] + right[0], left[1] + right[1]) or one.last > end
            assert 0 <= whole[0] <= whole[1]
            assert whole[0] <= (end - at(begin)).total_seconds()
        assert all(a.before is not None and a.before <= (b.after or b.first) for a, b in pairwise(stretches))


@given(HISTORY)
def test_all_days_of_a_setting_are_at_most_the_days_of_the_history(steps: list[tuple[int, int, dict[str, str | None]]]) -> None:
    history = told(steps)
    end = history[-1].until + timedelta(days=3)
    for stretches in find_stretches(history).values():
        assert sum(s.seconds(None, end)[1] for s in stretches) <= (end - history[0].captured_at).total_seconds()


def test_a_setting_that_is_gone_exposes_nobody() -> None:
    pages = frozenset({"a", "b"}), frozenset({"b"})
    shown: list[dict[str, str | None]] = [{"a": "much"}, {"b": None}, {"a": "much"}]
    history = [
        Seen(UUID(int=day), at(day), at(day + 2), exposing, pages[day == 10])
        for day, exposing in zip((0, 10, 20), shown, strict=True)
    ]
    first, second = find_stretches(history)["a"]
    assert (first.last, first.before, first.ended_by) == (at(2), at(10), UUID(int=10))
    assert (second.after, second.first, second.before) == (at(10), at(20), None)


# In words


def stretch(least: float, most: float, **other: Any) -> ExposureStretch:
    values: dict[str, Any] = {
        "value": "on", "started_after": None, "first_seen_at": at(0), "last_seen_at": at(least), "ended_before": None,
        "days_at_least": least, "days_at_most": most, "started_by": None, "started_by_confidence": None, "ended_by": None,
        "ended_by_confidence": None, "changed_by_user": False,
    }  # fmt: skip
    return ExposureStretch(**(values | other))


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (stretch(41, 41.9), "Location has been set to “on” for 41 days without you changing it."),
        (stretch(41, 44, ended_before=at(44)), "Location was set to “on” for 41 to 44 days without you changing it."),
        (stretch(0, 0.5), "Location has been set to “on” for less than a day without you changing it."),
        (stretch(1, 1), "Location has been set to “on” for 1 day without you changing it."),
        (stretch(0, 1.2), "Location has been set to “on” for up to 1 day without you changing it."),
        (stretch(0, 9), "Location has been set to “on” for up to 9 days without you changing it."),
        (
            stretch(9, 9, changed_by_user=True, started_by=Origin.USER, started_by_confidence=1.0),
            "Location has been set to “on” for 9 days since you set it so.",
        ),
        (
            stretch(9, 9, changed_by_user=True, started_by=Origin.USER, started_by_confidence=0.8),
            "Location has been set to “on” for 9 days; you probably set it so.",
        ),
        (
            stretch(9, 9, changed_by_user=True, started_by=Origin.PLATFORM_DEFAULT),
            "Location has been set to “on” for 9 days; you changed it meanwhile.",
        ),
    ],
)
def test_summaries(one: ExposureStretch, sentence: str) -> None:
    assert summarize("Location", one) == sentence


# Through the API


async def test_41_days_without_you_changing_it(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await scans(small, link_id, [(0, "on"), (20, "on"), (20.5, None), (41, "on"), (42, "off")])
    found = await exposure(small, link_id, "history", until=moment(60))
    assert found["summary"] == "History was set to “on” for 41 to 42 days without you changing it."
    assert (found["daysAtLeast"], found["daysAtMost"], found["ongoing"], found["stretchCount"]) == (41, 42, False, 1)
    (one,) = found["stretches"]
    assert one == {
        "value": "on", "startedAfter": None, "firstSeenAt": moment(0), "lastSeenAt": moment(41), "endedBefore": moment(42),
        "daysAtLeast": 41, "daysAtMost": 42, "startedBy": None, "startedByConfidence": None, "endedBy": "USER",
        "endedByConfidence": 0.8, "changedByUser": False,
    }  # fmt: skip


async def test_who_made_it_so_is_told(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await scans(small, link_id, [(0, "off"), (3, "off"), (5, "on"), (8, "on"), (9, "off"), (12, "on"), (14, "on")], acted=(5,))
    found = await exposure(small, link_id, "history", until=moment(14))
    assert (found["daysAtLeast"], found["daysAtMost"]) == (5, 6 + 5), "3 to 9, and 9 to 14 of which the end is not known"
    assert found["since"] == moment(12)
    newest, oldest = found["stretches"]
    assert (oldest["startedBy"], oldest["startedByConfidence"], oldest["changedByUser"]) == ("USER", 1, True)
    assert (oldest["startedAfter"], oldest["endedBefore"], oldest["daysAtLeast"], oldest["daysAtMost"]) == (
        moment(3),
        moment(9),
        3,
        6,
    )
    assert (newest["startedBy"], newest["startedByConfidence"], newest["endedBefore"]) == ("USER", 0.8, None)
    assert found["ongoing"] is True
    assert found["summary"] == "History has been set to “on” for 2 to 5 days; you probably set it so."


async def test_a_default_that_flipped_is_not_the_person(small: Small) -> None:
    """The other way round than the files have it: first the new page, then the old one again."""
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.second))
    await recorded(small.api, small.ada.token, scan(link_id, small.first, day=1))
    found = await exposure(small, link_id, "ads", until=moment(5))
    (one,) = found["stretches"]
    assert (one["startedBy"], one["changedByUser"], one["startedAfter"]) == ("PLATFORM_DEFAULT", False, moment(0))
    gone = await exposure(small, link_id, "news", until=moment(5))
    assert (gone["ongoing"], gone["stretches"][0]["endedBy"]) == (False, "PLATFORM_STRUCTURE")


async def test_from_one_exposing_value_to_another_is_one_stretch(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    for day, audience in enumerate(("everyone", "Friends", "Friends", "Only  me")):
        await recorded(small.api, small.ada.token, scan(link_id, small.second, day=day, values={"audience": audience}))
    found = await exposure(small, link_id, "audience", until=moment(9))
    assert (found["stretchCount"], found["value"], found["daysAtLeast"], found["daysAtMost"]) == (1, "Friends", 2, 3)
    assert found["stretches"][0]["changedByUser"] is True


async def test_a_window_cuts_and_adds_up(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await scans(small, link_id, [(0, "on"), (10, "on"), (20, "off"), (30, "on"), (40, "on")])
    whole = await exposure(small, link_id, "history", until=moment(50))
    assert (whole["daysAtLeast"], whole["daysAtMost"]) == (20, 20 + 30)
    for cut in (5, 10, 15, 25, 35, 45):
        left = [e for e in await exposures(small.api, small.ada.token, until=moment(cut)) if e["setting"] == "history"]
        right = await exposure(small, link_id, "history", **{"from": moment(cut), "until": moment(50)})
        assert sum(e["daysAtLeast"] for e in (*left, right)) == 20
        assert sum(e["daysAtMost"] for e in (*left, right)) == 50
    window: dict[str, Any] = {"from": moment(20), "until": moment(20.5)}
    after = await exposures(small.api, small.ada.token, **window)
    assert "history" in {e["setting"] for e in after}, "it may have begun just after that scan"


async def test_an_ended_link_is_not_counted_on(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    now = datetime.now(UTC)
    for days in (3, 2):
        await recorded(
            small.api, small.ada.token, scan(link_id, small.second, capturedAt=(now - timedelta(days=days)).isoformat())
        )
    await unlink(small.api, small.ada.token, link_id)
    async with small.api.database.connect() as connection:
        await connection.execute(
            "UPDATE privacy.platform_link SET unlinked_at = $1 WHERE workspace_id = $2",
            now - timedelta(days=1),
            small.ada.workspace_id,
        )
    found = await exposure(small, link_id, "history")
    assert (found["daysAtLeast"], found["daysAtMost"]) == (1, 2)


@pytest.mark.parametrize("first", [1, 2, 3, 100])
async def test_pages_hold_each_once(small: Small, first: int) -> None:
    token = small.ada.token
    ids = [await link(small.api, token, "small", label) for label in ("one", "none", "two")]
    for id_ in (ids[0], ids[2]):
        await recorded(small.api, token, scan(id_, small.second))
    found = [(e["link"]["id"], e["setting"]) for e in await exposures(small.api, token, first=first)]
    assert found == [(id_, key) for id_ in (ids[2], ids[0]) for key in ("audience", "history", "keep", "news")]
    assert [e["setting"] for e in await exposures(small.api, token, first=first, link=ids[0])] == [key for _, key in found[:4]]
    assert await exposures(small.api, token, first=first, link=ids[1]) == []


async def test_bad_questions(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    ben = await small.person()
    for token, variables, code in (
        (small.ada.token, {"link": str(uuid4())}, "BAD_ID"),
        (small.ada.token, {"link": global_id("PlatformLink", str(uuid4()))}, "NOT_FOUND"),
        (ben.token, {"link": link_id}, "NOT_FOUND"),
        (small.ada.token, {"first": 0}, "BAD_PAGE_SIZE"),
        (small.ada.token, {"first": 101}, "BAD_PAGE_SIZE"),
        (small.ada.token, {"after": "x"}, "BAD_CURSOR"),
        (small.ada.token, {"from": moment(1), "until": moment(1)}, "BAD_INPUT"),
        (small.ada.token, {"from": "2099-01-01T00:00:00Z"}, "BAD_INPUT"),
        (await api_key(small.api, small.ada.token), {}, "FORBIDDEN"),
    ):
        assert (await small.api(EXPOSURES, {"first": 5} | variables, token=token)).code == code
    assert await exposures(small.api, ben.token) == []


async def test_a_long_history(api: Api, tmp_path: Path) -> None:
    """More snapshots than are read at a time, all of which count."""
    ada = await api.person()
    write_platform(tmp_path, "long", [toggle("on_and_off"), toggle("always")])
    await load_files(api.database, tmp_path)
    template = await template_of(api, ada.token, "long")
    link_id = await link(api, ada.token, "long")
    await recorded(api, ada.token, scan(link_id, template))
    async with api.database.connect() as connection:
        await connection.execute(
            """
            INSERT INTO privacy.snapshot (workspace_id, id, link_id, template_id, captured_at, confidence, config_version,
                risk_score, risk_formula, scan_method, packed)
            SELECT s.workspace_id, uuidv7(n * interval '1 hour' + ($1 - now())), s.link_id, s.template_id,
                $1 + n * interval '1 hour', 1, 1, 50, 1, 1, CASE WHEN n % 2 = 1 THEN '\\x0001'::bytea ELSE '\\x' END
            FROM privacy.snapshot AS s CROSS JOIN generate_series(1, 2400) AS n
            """,
            START,
        )
        await connection.execute("UPDATE privacy.platform_link SET seen_until = $1", START + timedelta(hours=2400))
    found = await exposures(api, ada.token, until=moment(100))
    assert [(e["setting"], e["stretchCount"]) for e in found] == [("always", 1), ("on_and_off", 1201)]
    assert (found[0]["daysAtLeast"], found[0]["daysAtMost"]) == (100, 100)
    assert (found[1]["daysAtLeast"], found[1]["daysAtMost"]) == (0, 100)
    assert len(found[1]["stretches"]) == 20


def test_a_day_is_a_day() -> None:
    """Also where clocks are changed: moments are in UTC."""
    one = Stretch("on", None, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC))
    assert one.seconds(None, datetime(2026, 4, 1, tzinfo=UTC)) == (2 * DAY_SECONDS, 4 * DAY_SECONDS)
