"""Alerts: one for each snapshot with changes that the person was not seen making, with two hashes that the audit proves."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.core.notification import Significance
from app.kit.graphql import global_id, parse_global_id
from app.privacy.alert import worth_telling
from app.privacy.origin import Finding, Origin
from app.privacy.snapshot import content_hash
from tests.conftest import Api
from tests.core.test_member import gather
from tests.factory.core import Person
from tests.factory.notification import MARK, notifications, update
from tests.factory.privacy import api_key, link, record, recorded, scan, template_of
from tests.privacy.conftest import Small

ALERTS = """
query Alerts($linkId: ID, $unreadOnly: Boolean! = false, $first: Int! = 100, $after: String) {
  alerts(linkId: $linkId, unreadOnly: $unreadOnly, first: $first, after: $after) {
    edges {
      cursor
      node {
        createdAt readAt beforeHash afterHash
        notification { id kind objectId text { title body } }
        link { id label }
        snapshot { ...Content }
        previousSnapshot { ...Content }
        changes { setting origin significance confidence }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
fragment Content on Snapshot {
  id contentHash
  template { id hash settings { key options default } }
  settings { key value observed }
}
"""


async def alerts(api: Api, token: str, **given: Any) -> list[dict[str, Any]]:
    """Newest first."""
    headers = {"fivefold_workspace": given.pop("workspace")} if "workspace" in given else {}
    return [edge["node"] for edge in (await api(ALERTS, given, token=token, **headers)).data["alerts"]["edges"]]


async def changed(small: Small, person: Person, values: dict[str, str | None], **other: Any) -> str:
    """A link with two scans, the second with these values and what the person was seen doing: its id."""
    label = other.pop("label", "Personal")
    link_id = await link(small.api, person.token, "small", label)
    await recorded(small.api, person.token, scan(link_id, small.second))
    second = scan(link_id, small.second, day=1, values=values)
    for value in second["values"]:
        value["userAction"] = value["key"] in other.get("acted", ())
    await recorded(small.api, person.token, second)
    return link_id


# When there is one


async def test_what_nobody_was_seen_doing_is_told_with_both_hashes(small: Small) -> None:
    link_id = await changed(small, small.ada, {"history": "off", "audience": "Friends"})
    (found,) = await alerts(small.api, small.ada.token)
    assert found["link"] == {"id": link_id, "label": "Personal"}
    assert (found["beforeHash"], found["afterHash"]) == (
        found["previousSnapshot"]["contentHash"],
        found["snapshot"]["contentHash"],
    )
    assert found["beforeHash"] != found["afterHash"]
    assert [change["setting"] for change in found["changes"]] == ["audience", "history"]
    assert found["notification"]["objectId"] == found["snapshot"]["id"]
    assert found["notification"]["text"] == {
        "title": "Small (Personal): 2 settings changed",
        "body": "Audience: everyone -> Friends (you, it seems)\nHistory: on -> off (you, it seems)\n\n"
        f"Before: sha256:{found['beforeHash']}\nAfter:  sha256:{found['afterHash']}",
    }


async def test_what_the_person_was_seen_doing_is_not_told(small: Small) -> None:
    await changed(small, small.ada, {"history": "off", "audience": "Friends"}, acted=["history", "audience"])
    assert await alerts(small.api, small.ada.token) == []
    await changed(small, small.ada, {"history": "off", "audience": "Friends"}, acted=["history"], label="other")
    assert len(await alerts(small.api, small.ada.token)) == 1, "one of two was not"


async def test_a_first_and_an_unchanged_scan_tell_nothing(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    for day in range(3):
        await recorded(small.api, small.ada.token, scan(link_id, small.second, day=day))
    assert await alerts(small.api, small.ada.token) == []


async def test_noise_is_not_told(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    given_ = {"audience": "Only me", "keep": "A year", "ads": "off"}
    await recorded(small.api, small.ada.token, scan(link_id, small.first, values=given_))
    later = scan(link_id, small.first, day=101, values=given_ | {"audience": "Only me"})
    assert (await recorded(small.api, small.ada.token, later))["unchanged"]
    assert await alerts(small.api, small.ada.token) == []


async def test_a_repeated_scan_tells_once(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.second))
    given_ = scan(link_id, small.second, day=1, values={"history": "off"})
    await asyncio.gather(*(record(small.api, small.ada.token, given_) for _ in range(5)))
    assert len(await alerts(small.api, small.ada.token)) == 1


async def test_a_refused_scan_tells_nothing(small: Small) -> None:
    link_id = await changed(small, small.ada, {})
    refused = scan(link_id, small.second, day=2, values={"history": "no such option"})
    assert (await record(small.api, small.ada.token, refused)).code == "UNKNOWN_OPTION"
    assert await alerts(small.api, small.ada.token) == []


async def test_a_late_capture_is_told_and_the_next_one_compares_with_it(small: Small) -> None:
    link_id = await changed(small, small.ada, {"history": "off"})
    (first,) = await alerts(small.api, small.ada.token)
    late = scan(link_id, small.second, day=0.5, values={"audience": "Friends"})
    await recorded(small.api, small.ada.token, late)
    told, before = await alerts(small.api, small.ada.token)
    assert before["afterHash"] == first["afterHash"]
    assert before["beforeHash"] == told["afterHash"] != first["beforeHash"]
    assert told["beforeHash"] == first["beforeHash"]


async def test_what_a_late_capture_had_seen_before_is_told_as_that(small: Small) -> None:
    link_id = await changed(small, small.ada, {"history": "off"})
    await recorded(small.api, small.ada.token, scan(link_id, small.second, day=0.5, values={"history": "off"}))
    titles = [each["notification"]["text"]["title"] for each in await alerts(small.api, small.ada.token)]
    assert titles == ["Small (Personal): 1 setting changed", "Small (Personal): changed earlier"]


@pytest.mark.parametrize(
    ("minimum", "told"),
    [("NOISE", 1), ("WORDING", 1), ("VALUE", 1), ("DEFAULT_FLIP", 0), ("NEW_SETTING", 0), ("REMOVED_SETTING", 0)],
)
async def test_alerts_begin_at_the_significance_that_the_person_wants(small: Small, minimum: str, told: int) -> None:
    person = await small.person()
    await update(small.api, person.token, minimumSignificance=minimum)
    await changed(small, person, {"history": "off"})
    assert len(await alerts(small.api, person.token)) == told


async def test_a_new_setting_reaches_who_wants_no_less_than_new_ones(small: Small) -> None:
    await update(small.api, small.ada.token, minimumSignificance="NEW_SETTING")
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.first))
    await recorded(small.api, small.ada.token, scan(link_id, small.second, day=1))
    (found,) = await alerts(small.api, small.ada.token)
    body = found["notification"]["text"]["body"]
    assert "News: new, set to on (the platform changed its page)" in body
    assert "Gone: gone, was on (the platform changed its page)" in body
    assert "Ads: on -> off (the platform has a new default)" in body


def finding(origin: Origin, significance: Significance, confidence: float) -> Finding:
    return Finding("a", "on", "off", origin, significance, confidence)


@given(
    st.lists(st.builds(finding, st.sampled_from(Origin), st.sampled_from(Significance), st.sampled_from([0.5, 0.8, 0.95, 1.0])))
)
def test_the_rule(findings: list[Finding]) -> None:
    told = worth_telling(findings)
    due = [f for f in findings if f.significance is not Significance.NOISE and (f.origin, f.confidence) != (Origin.USER, 1)]
    assert (told is not None) is bool(due)
    if told is not None:
        assert all(told.rank >= f.significance.rank for f in due)
        assert told in {f.significance for f in due}


# Whose it is


async def test_in_an_organization_it_goes_to_who_linked_the_account_alone(own: Small) -> None:
    workspace, people = await gather(own.api)
    api, member = own.api, people["member"]
    linking = "mutation L($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id } } }"
    asked = {"platformSlug": "small", "label": "Ours", "idempotencyKey": "ours"}
    made = await api(linking, {"input": asked}, token=member.token, fivefold_workspace=workspace)
    link_id = made.data["linkPlatform"]["link"]["id"]
    recording = "mutation R($input: RecordSnapshotInput!) { recordSnapshot(input: $input) { unchanged } }"
    for day, value in enumerate(("on", "off")):
        given_ = scan(link_id, own.second, day=day, values={"history": value})
        assert (await api(recording, {"input": given_}, token=member.token, fivefold_workspace=workspace)).data
    for role, person in people.items():
        found = await alerts(api, person.token, workspace=workspace)
        assert len(found) == (role == "member"), role
        assert len(await notifications(api, person.token, workspace=workspace)) == (role == "member"), role


async def test_keys_that_may_read_read_alerts(small: Small) -> None:
    await changed(small, small.ada, {"history": "off"})
    (mine,) = await alerts(small.api, small.ada.token)
    assert await alerts(small.api, await api_key(small.api, small.ada.token, "privacy:read")) == [mine]
    writing = await api_key(small.api, small.ada.token, "snapshots:write")
    assert (await small.api("{ alerts { edges { node { afterHash } } } }", token=writing)).code == "FORBIDDEN"


async def test_nobody_else_sees_them(small: Small) -> None:
    link_id = await changed(small, small.ada, {"history": "off"})
    ben = await small.person()
    assert await alerts(small.api, ben.token) == []
    assert (await small.api(ALERTS, {"linkId": link_id}, token=ben.token)).code == "NOT_FOUND"
    assert (await small.api(ALERTS, {"linkId": "x"}, token=small.ada.token)).code == "BAD_ID"
    assert (await small.api(ALERTS, {"linkId": global_id("Snapshot", str(UUID(int=1)))}, token=ben.token)).code == "BAD_ID"


async def test_filters_and_pages(small: Small) -> None:
    one = await changed(small, small.ada, {"history": "off"}, label="one")
    two = await changed(small, small.ada, {"history": "off"}, label="two")
    await recorded(small.api, small.ada.token, scan(two, small.second, day=2, values={"ads": "on"}))
    labels = [each["link"]["label"] for each in await alerts(small.api, small.ada.token)]
    assert labels == ["two", "two", "one"]
    assert len(await alerts(small.api, small.ada.token, linkId=two)) == 2
    (first,) = await alerts(small.api, small.ada.token, linkId=one)
    await small.api(MARK, {"ids": [first["notification"]["id"]]}, token=small.ada.token)
    assert await alerts(small.api, small.ada.token, linkId=one, unreadOnly=True) == []
    (read,) = await alerts(small.api, small.ada.token, linkId=one)
    assert read["readAt"] is not None
    seen, after = [], None
    for _ in range(3):
        page = (await small.api(ALERTS, {"first": 1, "after": after}, token=small.ada.token)).data["alerts"]
        seen += [edge["node"]["link"]["label"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == labels
    assert not page["pageInfo"]["hasNextPage"]


# The proof


def recompute(content: dict[str, Any]) -> str:
    """The content hash as a stranger computes it, from what the API shows alone."""
    values = {setting["key"]: setting["value"] for setting in content["settings"] if setting["observed"]}
    return hashlib.sha256(rfc8785.dumps({"template": content["template"]["hash"], "values": values})).hexdigest()


def digests(content: dict[str, Any]) -> dict[str, str | None]:
    """What the audit told of the row when it was written, as README.md says to compute it from what the API shows."""
    settings = content["template"]["settings"]
    values = [next(s for s in content["settings"] if s["key"] == setting["key"]) for setting in settings]
    packed, observed = b"", bytearray((len(settings) + 7) // 8)
    for place, (setting, value) in enumerate(zip(settings, values, strict=True)):
        if value["observed"]:
            observed[place // 8] |= 1 << place % 8
            if value["value"] != setting["default"]:
                packed += bytes([place, setting["options"].index(value["value"])])
    complete = all(value["observed"] for value in values)
    return {
        "sha256:packed": hashlib.sha256(packed).hexdigest(),
        "sha256:observed": None if complete else hashlib.sha256(observed).hexdigest(),
    }


async def audited(api: Api, token: str, snapshot_id: str) -> dict[str, Any]:
    """The audit's word of the snapshot."""
    query = 'query A($id: ID!) { auditEvents(object: "privacy.snapshot", objectId: $id) { edges { node { action detail } } } }'
    ((event,),) = [(await api(query, {"id": snapshot_id}, token=token)).data["auditEvents"]["edges"]]
    assert event["node"]["action"] == "INSERT"
    detail: dict[str, Any] = event["node"]["detail"]
    return detail


@pytest.mark.parametrize(
    "values",
    [
        {"history": "off"},
        {"history": "off", "audience": "Only  me", "keep": "A day"},
        {"history": "off", "news": None},
        {"history": "off", "news": None, "ads": None, "keep": None, "audience": None},
    ],
)
async def test_both_hashes_can_be_recomputed_and_the_audit_proves_them(small: Small, values: dict[str, str | None]) -> None:
    person = await small.person()
    await changed(small, person, values)
    (found,) = await alerts(small.api, person.token)
    for hash_, content in ((found["beforeHash"], "previousSnapshot"), (found["afterHash"], "snapshot")):
        assert hash_ == recompute(found[content])
        detail = await audited(small.api, person.token, found[content]["id"])
        assert {key: detail[key] for key in ("sha256:packed", "sha256:observed")} == digests(found[content])
        assert global_id("Template", detail["template_id"]) == found[content]["template"]["id"]


async def test_a_row_that_was_altered_is_noticed(own: Small) -> None:
    """By whoever owns the tables: the hash of the alert is another than was mailed, and the audit's digest does not fit."""
    await changed(own, own.ada, {"history": "off"})
    (before,) = await alerts(own.api, own.ada.token)
    snapshot_id = UUID(parse_global_id(before["snapshot"]["id"], field="id")[1])
    async with own.api.database.connect() as admin:
        await admin.execute("ALTER TABLE privacy.snapshot DISABLE TRIGGER immutable")
        await admin.execute("UPDATE privacy.snapshot SET packed = $1 WHERE id = $2", b"\x02\x02", snapshot_id)
    (after,) = await alerts(own.api, own.ada.token)
    assert after["beforeHash"] == before["beforeHash"]
    assert after["afterHash"] == recompute(after["snapshot"]) != before["afterHash"]
    detail = await audited(own.api, own.ada.token, before["snapshot"]["id"])
    assert digests(before["snapshot"])["sha256:packed"] == detail["sha256:packed"]
    assert digests(after["snapshot"])["sha256:packed"] != detail["sha256:packed"]


async def test_the_hash_is_of_the_content_alone(small: Small) -> None:
    """Two people, two moments, the same page and the same values: the same hash. One value not seen: another."""
    ben, cleo = await small.person(), await small.person()
    one = await changed(small, ben, {"history": "off"})
    two = await changed(small, cleo, {"history": "off"})
    assert one != two
    assert (await alerts(small.api, ben.token))[0]["afterHash"] == (await alerts(small.api, cleo.token))[0]["afterHash"]
    values = {"a": "on", "b": "off"}
    assert content_hash(b"1" * 32, values) != content_hash(b"2" * 32, values)
    assert content_hash(b"1" * 32, values) != content_hash(b"1" * 32, {"a": "on"})
    assert content_hash(b"1" * 32, {"b": "off", "a": "on"}) == content_hash(b"1" * 32, values)


async def test_hashes_of_many_snapshots_are_one_level(small: Small) -> None:
    """A history with hashes costs no statement for each snapshot."""
    link_id = await changed(small, small.ada, {"history": "off"})
    query = (
        "query H($id: ID!) { snapshots(linkId: $id) { edges { node { ...Content } } } }" + ALERTS[ALERTS.index("fragment") :]
    )
    found = (await small.api(query, {"id": link_id}, token=small.ada.token)).data["snapshots"]["edges"]
    assert [edge["node"]["contentHash"] for edge in found] == [recompute(edge["node"]) for edge in found]


async def test_more_changes_than_words_are_counted(own: Small) -> None:
    template = await template_of(own.api, own.ada.token, "facebook")
    link_id = await link(own.api, own.ada.token, "facebook")
    await recorded(own.api, own.ada.token, scan(link_id, template))
    values = {s["key"]: next(o for o in s["options"] if o != s["default"]) for s in template["settings"]}
    await recorded(own.api, own.ada.token, scan(link_id, template, day=1, values=values))
    (found,) = await alerts(own.api, own.ada.token)
    assert found["notification"]["text"]["title"] == f"Facebook (Personal): {len(values)} settings changed"
    assert f"and {len(values) - 20} more" in found["notification"]["text"]["body"]


def test_findings_say_nothing_of_nothing() -> None:
    assert worth_telling([]) is None
    certain = finding(Origin.USER, Significance.VALUE, 1.0)
    assert worth_telling([certain]) is None
    assert worth_telling([certain, replace(certain, confidence=0.8)]) is Significance.VALUE
