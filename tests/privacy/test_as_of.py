"""Settings as of a moment: what was known then, how sure that is, and that no order of arrival changes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.graphql import global_id
from app.privacy.scan import LOOK_BACK
from tests.factory.privacy import api_key, history, link, recorded, scan
from tests.privacy.conftest import Small
from tests.privacy.test_scan import ONLY_SHARED, Sent, content, moment, record_all, record_many, sent, told

FIELDS = """
  at certain seenUntil nextSeenAt snapshot { id capturedAt } template { hash }
  settings { key label type options default recommended risk value observed observedAt }
"""
AS_OF = f"query AsOf($link: ID!, $at: DateTime!) {{ settingsAsOf(linkId: $link, at: $at) {{ {FIELDS} }} }}"


async def as_of(small: Small, link_id: str, day: float) -> dict[str, Any]:
    answer = await small.api(AS_OF, {"link": link_id, "at": moment(day)}, token=small.ada.token)
    found: dict[str, Any] = answer.data["settingsAsOf"]
    return found


async def ads(small: Small, link_id: str, day: float) -> Any:
    """What was known of one setting, and how sure all of it is."""
    found = await as_of(small, link_id, day)
    setting = next(s for s in found["settings"] if s["key"] == "ads")
    return setting["value"], found["certain"], found["seenUntil"], found["nextSeenAt"]


async def test_between_two_scans_that_saw_the_same_it_is_certain(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    for day, value in ((0, "off"), (10, "off"), (20, "on")):
        await recorded(small.api, small.ada.token, scan(link_id, small.second, day=day, values={"ads": value}))
    assert await ads(small, link_id, 0) == ("off", True, moment(10), moment(20))
    assert await ads(small, link_id, 5) == ("off", True, moment(10), moment(20))
    assert await ads(small, link_id, 10) == ("off", True, moment(10), moment(20))
    assert await ads(small, link_id, 10.01) == ("off", False, moment(10), moment(20))
    assert await ads(small, link_id, 20) == ("on", True, moment(20), None)
    assert await ads(small, link_id, 300) == ("on", False, moment(20), None)


async def test_all_that_was_known_is_told(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.first, values={"audience": "Only me"}))
    await recorded(small.api, small.ada.token, scan(link_id, small.second, day=1))
    found = await as_of(small, link_id, 0.5)
    (first, _) = await history(small.api, small.ada.token, link_id)
    assert found["snapshot"] == {"id": first["id"], "capturedAt": moment(0)}
    assert (found["at"], found["template"]["hash"]) == (moment(0.5), small.first["hash"])
    assert {s["key"]: s["value"] for s in found["settings"]} == first["values"]
    assert all(s["observed"] and s["observedAt"] == moment(0) for s in found["settings"])
    assert [s["key"] for s in found["settings"]] == [s["key"] for s in small.first["settings"]]


async def test_what_a_scan_did_not_see_is_taken_from_older_ones(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    blind = {"ads": None, "news": None}
    await recorded(small.api, token, scan(link_id, small.second, values={"ads": "off", "news": None}))
    await recorded(small.api, token, scan(link_id, small.second, day=4, values={"ads": "off", "news": None}))
    await recorded(small.api, token, scan(link_id, small.second, day=6, values=blind))
    await recorded(small.api, token, scan(link_id, small.second, day=8, values=blind))
    for day, seen_at in ((6, 6), (7, 6), (8, 8), (9, 8)):
        settings = {s["key"]: s for s in (await as_of(small, link_id, day))["settings"]}
        assert (settings["ads"]["value"], settings["ads"]["observed"], settings["ads"]["observedAt"]) == (
            "off",
            False,
            moment(4),
        )
        assert (settings["news"]["value"], settings["news"]["observed"], settings["news"]["observedAt"]) == (None, False, None)
        assert (settings["history"]["observed"], settings["history"]["observedAt"]) == (True, moment(seen_at))


async def test_it_looks_back_as_far_as_promised(small: Small) -> None:
    token = small.ada.token
    for blind, expected in ((LOOK_BACK, "off"), (LOOK_BACK + 1, None)):
        link_id = await link(small.api, token, "small", f"blind {blind}")
        inputs = [scan(link_id, small.second, values={"ads": "off"})]
        for day in range(1, blind + 1):
            inputs.append(scan(link_id, small.second, day=day, values={"ads": None, "history": ("on", "off")[day % 2]}))
        assert (await record_many(small.api, token, inputs)).codes == []
        assert (await ads(small, link_id, blind))[0] == expected


@pytest.mark.parametrize("at", ["2014-12-31T23:59:59Z", "0001-01-01T00:00:00.000001Z", moment(-1), moment(-0.00001)])
async def test_before_the_first_capture_there_is_nothing(small: Small, at: str) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    for _ in range(2):
        assert (await small.api(AS_OF, {"link": link_id, "at": at}, token=small.ada.token)).data == {"settingsAsOf": None}
        await recorded(small.api, small.ada.token, scan(link_id, small.second))


async def test_the_last_moment_of_all(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.second))
    answer = await small.api(AS_OF, {"link": link_id, "at": "9999-12-31T23:59:59.999998Z"}, token=small.ada.token)
    assert answer.data["settingsAsOf"]["certain"] is False


async def test_others_ask_in_vain(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.second))
    ben = await small.person()
    for token, id_, code in (
        (ben.token, link_id, "NOT_FOUND"),
        (small.ada.token, global_id("PlatformLink", str(uuid4())), "NOT_FOUND"),
        (small.ada.token, global_id("Snapshot", str(uuid4())), "BAD_ID"),
        (await api_key(small.api, small.ada.token), link_id, "FORBIDDEN"),
    ):
        assert (await small.api(AS_OF, {"link": id_, "at": moment(0)}, token=token)).code == code
    reader = await api_key(small.api, small.ada.token, "privacy:read")
    assert (await small.api(AS_OF, {"link": link_id, "at": moment(0)}, token=reader)).data["settingsAsOf"]["certain"] is True


# Late captures


async def test_a_confirmation_that_comes_late_is_kept(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    for day, value in ((0, "off"), (20, "on"), (7, "off"), (3, "off"), (12, "off")):
        await recorded(small.api, small.ada.token, scan(link_id, small.second, day=day, values={"ads": value}))
    assert await ads(small, link_id, 11) == ("off", True, moment(12), moment(20))
    assert await ads(small, link_id, 13) == ("off", False, moment(12), moment(20))


async def test_a_late_capture_cuts_what_was_confirmed_around_it(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    days = [(day, "off") for day in range(10)] + [(20, "on"), (5.5, "on")]
    for day, value in days:
        await recorded(small.api, token, scan(link_id, small.second, day=day, values={"ads": value}))
    assert await ads(small, link_id, 3) == ("off", True, moment(5), moment(5.5))
    assert await ads(small, link_id, 5.2) == ("off", False, moment(5), moment(5.5))
    assert await ads(small, link_id, 5.5) == ("on", True, moment(5.5), moment(6))
    assert await ads(small, link_id, 7) == ("off", True, moment(9), moment(20))
    assert [s["capturedAt"] for s in await history(small.api, token, link_id)] == [moment(d) for d in (0, 5.5, 6, 20)]


async def test_once_keys_are_gone_the_cut_is_coarser_and_says_so(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    for day in range(10):
        await recorded(small.api, token, scan(link_id, small.second, day=day, values={"ads": "off"}))
    async with small.api.database.connect() as connection:
        await connection.execute("DELETE FROM core.idempotency WHERE workspace_id = $1", small.ada.workspace_id)
    await recorded(small.api, token, scan(link_id, small.second, day=5.5, values={"ads": "on"}))
    assert await ads(small, link_id, 3) == ("off", False, moment(0), moment(5.5))
    assert await ads(small, link_id, 7) == ("on", False, moment(5.5), moment(9))
    assert await ads(small, link_id, 9) == ("off", True, moment(9), None)


async def test_a_late_capture_that_agrees_with_the_next_is_one_with_it(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    for day, value in ((0, "off"), (10, "on"), (12, "on"), (6, "on")):
        await recorded(small.api, token, scan(link_id, small.second, day=day, values={"ads": value}))
    for day in (6, 8, 10, 11):
        assert await ads(small, link_id, day) == ("on", True, moment(12), None)
    await recorded(small.api, token, scan(link_id, small.second, day=8, values={"ads": "off"}))
    assert await ads(small, link_id, 7) == ("on", False, moment(6), moment(8))
    assert await ads(small, link_id, 11) == ("on", True, moment(12), None)


def asked(days: Sequence[float]) -> str:
    """Many moments in one document."""
    found = [f'd{n}: settingsAsOf(linkId: $link, at: "{moment(day)}") {{ ...Known }}' for n, day in enumerate(days)]
    return f"query All($link: ID!) {{ {' '.join(found)} }} fragment Known on SettingsAsOf {{ {FIELDS} }}"


async def known(small: Small, link_id: str, days: Sequence[float]) -> list[Any]:
    """What is known of every moment, and all changes that were ever told; without ids."""
    answers: list[Any] = []
    for start in range(0, len(days), 20):
        answer = await small.api(asked(days[start : start + 20]), {"link": link_id}, token=small.ada.token)
        answers += answer.data.values()
    for found in answers:
        if found is not None:
            del found["snapshot"]["id"]
    changes = [(s["capturedAt"], told(s)) for s in await history(small.api, small.ada.token, link_id) if s["changes"]]
    return [*answers, changes]


@given(
    st.lists(sent(), min_size=2, max_size=9, unique_by=lambda s: s[0]),
    st.randoms(use_true_random=False),
)
@ONLY_SHARED
async def test_whatever_two_devices_send_when_the_same_is_known(shared: Small, scans: list[Sent], random: Any) -> None:
    """Scans that repeat, confirm and contradict each other, in order and in any order."""
    arrived = list(scans)
    random.shuffle(arrived)
    days = sorted({moment_ for day, _, _ in scans for moment_ in (day - 0.5, day, day + 0.5)})
    in_order = await record_all(shared, sorted(scans))
    shuffled = await record_all(shared, arrived)
    assert await known(shared, shuffled, days) == await known(shared, in_order, days)


@given(st.lists(sent(), min_size=1, max_size=9, unique_by=lambda s: s[0]))
@ONLY_SHARED
async def test_as_of_a_scan_is_what_it_saw(shared: Small, scans: list[Sent]) -> None:
    link_id = await record_all(shared, scans)
    for one in scans:
        found = await as_of(shared, link_id, one[0])
        second, values = content(one)
        assert found["certain"] is True
        assert found["template"]["hash"] == (shared.second if second else shared.first)["hash"]
        assert {(s["key"], s["value"]) for s in found["settings"] if s["observed"]} == {v for v in values if v[1] is not None}
