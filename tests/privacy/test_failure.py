"""Failures: what an extension tells of them, how the link's health follows, and what sets it right again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.kit.graphql import global_id
from app.privacy.rhythm import WINDOW
from tests.conftest import Answer, Api
from tests.factory.notification import notifications, update
from tests.factory.privacy import api_key, link, nothing_written, recorded, scan, template_of, unlink
from tests.privacy.conftest import Small
from tests.privacy.test_schedule import asked, execute, limit, next_at, request, resume, schedule, state, tick

REPORT = """
mutation Report($input: ReportScanFailureInput!) {
  reportScanFailure(input: $input) { counted link { id health schedule { nextScanAt stoppedAt awaitedUntil } } }
}
"""


def failure(link_id: str, kind: str = "TRANSIENT", **other: Any) -> dict[str, Any]:
    """The input of reportScanFailure, of now."""
    return {
        "linkId": link_id,
        "occurredAt": datetime.now(UTC).isoformat(),
        "failure": kind,
        "scanMethod": "EXTENSION",
        "idempotencyKey": str(uuid4()),
    } | other


async def report(api: Api, token: str, link_id: str, kind: str = "TRANSIENT", **other: Any) -> Answer:
    return await api(REPORT, {"input": failure(link_id, kind, **other)}, token=token)


async def reported(api: Api, token: str, link_id: str, kind: str = "TRANSIENT", **other: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await report(api, token, link_id, kind, **other)).data["reportScanFailure"]
    return found


async def succeed(api: Api, token: str, link_id: str, **other: Any) -> None:
    moment = {"capturedAt": datetime.now(UTC).isoformat()} | other
    await recorded(api, token, scan(link_id, await template_of(api, token), **moment))


async def test_five_in_a_row_stop_the_requests(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    before = await next_at(api, ada.token, link_id)
    for count in range(1, 5):
        found = (await reported(api, ada.token, link_id, detail="net::ERR_TIMED_OUT"))["link"]
        assert found["health"] == "WARNING"
        assert datetime.fromisoformat(found["schedule"]["nextScanAt"]) <= before
        assert (await state(api, ada.token, link_id))["lastScan"]["consecutiveFailures"] == count
    found = (await reported(api, ada.token, link_id))["link"]
    assert found["health"] == "FAILING"
    assert found["schedule"]["stoppedAt"]
    assert found["schedule"]["nextScanAt"] is None
    assert await tick(api, datetime.now(UTC) + timedelta(days=40)) == 0
    assert await asked(api) == []


async def test_a_retry_comes_before_the_schedule(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await reported(api, ada.token, link_id)
    moment = await next_at(api, ada.token, link_id)
    assert moment <= datetime.now(UTC) + timedelta(minutes=5)
    assert await tick(api, moment) == 1


async def test_a_scan_sets_everything_right(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    for _ in range(5):
        await reported(api, ada.token, link_id, occurredAt=(datetime.now(UTC) - timedelta(minutes=1)).isoformat())
    await succeed(api, ada.token, link_id, durationMilliseconds=1234)
    found = await state(api, ada.token, link_id)
    assert found["health"] == "HEALTHY"
    assert found["schedule"]["stoppedAt"] is None
    assert datetime.fromisoformat(found["schedule"]["nextScanAt"]) >= datetime.now(UTC) + timedelta(days=3)
    assert found["lastScan"]["status"] == "COMPLETED"
    assert found["lastScan"]["durationMilliseconds"] == 1234
    assert found["lastScan"]["consecutiveFailures"] == 0
    assert (await reported(api, ada.token, link_id))["link"]["health"] == "WARNING", "counting begins anew"


async def test_an_unchanged_scan_sets_it_right_as_well(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await succeed(api, ada.token, link_id, capturedAt=(datetime.now(UTC) - timedelta(hours=2)).isoformat())
    await request(api, ada.token, link_id)
    await reported(api, ada.token, link_id, "SIGNED_OUT", occurredAt=(datetime.now(UTC) - timedelta(hours=1)).isoformat())
    assert (await state(api, ada.token, link_id))["health"] == "DISCONNECTED"
    await succeed(api, ada.token, link_id, durationMilliseconds=7)
    found = await state(api, ada.token, link_id)
    assert (found["health"], found["lastScan"]["status"], found["lastScan"]["durationMilliseconds"]) == (
        "HEALTHY",
        "COMPLETED",
        7,
    )
    assert found["schedule"]["nextScanAt"] is not None


async def test_a_scan_from_before_the_failure_proves_nothing(api: Api) -> None:
    """An offline queue is sent after the failure was told of."""
    ada = await api.person()
    link_id = await link(api, ada.token)
    await reported(api, ada.token, link_id, "SIGNED_OUT")
    await succeed(api, ada.token, link_id, capturedAt=(datetime.now(UTC) - timedelta(hours=1)).isoformat())
    found = await state(api, ada.token, link_id)
    assert (found["health"], found["lastScan"]["status"]) == ("DISCONNECTED", "FAILED")


async def test_a_failure_from_before_the_last_scan_does_not_count(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    moment = datetime.now(UTC)
    await succeed(api, ada.token, link_id, capturedAt=moment.isoformat())
    for ago in (timedelta(), timedelta(seconds=1), timedelta(days=2)):
        found = await reported(api, ada.token, link_id, "SIGNED_OUT", occurredAt=(moment - ago).isoformat())
        assert found["counted"] is False
        assert found["link"]["health"] == "HEALTHY"
    assert (await state(api, ada.token, link_id))["lastScan"]["failure"] is None


async def test_the_same_report_counts_once(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    given = failure(link_id, idempotencyKey="once")
    answers = await asyncio.gather(*(api(REPORT, {"input": given}, token=ada.token) for _ in range(10)))
    assert [answer.data["reportScanFailure"]["counted"] for answer in answers] == [True] * 10
    assert (await state(api, ada.token, link_id))["lastScan"]["consecutiveFailures"] == 1
    assert (await report(api, ada.token, link_id, "BLOCKED", idempotencyKey="once")).code == "IDEMPOTENCY_CONFLICT"


async def test_reports_at_once_are_all_counted(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await asyncio.gather(*(reported(api, ada.token, link_id) for _ in range(5)))
    found = await state(api, ada.token, link_id)
    assert (found["lastScan"]["consecutiveFailures"], found["health"]) == (5, "FAILING")


async def test_what_was_signed_out_waits_for_the_person(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    found = (await reported(api, ada.token, link_id, "SIGNED_OUT", detail="login page"))["link"]
    assert (found["health"], found["schedule"]["nextScanAt"]) == ("DISCONNECTED", None)
    assert await tick(api, datetime.now(UTC) + timedelta(days=90)) == 0
    again = (await resume(api, ada.token, link_id)).data["resumeScans"]["link"]
    assert (again["health"], again["schedule"]["stoppedAt"]) == ("HEALTHY", None)
    assert datetime.fromisoformat(again["schedule"]["nextScanAt"]) > datetime.now(UTC)
    last = (await state(api, ada.token, link_id))["lastScan"]
    assert (last["status"], last["failure"], last["detail"]) == ("FAILED", "SIGNED_OUT", "login page"), "what happened stays"
    before = await state(api, ada.token, link_id)
    await resume(api, ada.token, link_id)
    assert await state(api, ada.token, link_id) == before, "a link that is well stays as it is"


async def test_a_changed_layout_waits_for_another_config(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    link_id, other = await link(api, ada.token), await link(api, ben.token)
    elsewhere = await link(api, ada.token, "linkedin")
    for token, id_ in ((ada.token, link_id), (ben.token, other), (ada.token, elsewhere)):
        assert (await reported(api, token, id_, "LAYOUT_CHANGED"))["link"]["health"] == "FAILING"
    assert await tick(api, datetime.now(UTC) + timedelta(days=40)) == 0
    await limit(api, 30, 0)
    await tick(api, datetime.now(UTC))
    assert (await state(api, ada.token, link_id))["health"] == "HEALTHY"
    assert (await state(api, ben.token, other))["health"] == "HEALTHY"
    assert (await state(api, ada.token, elsewhere))["health"] == "FAILING", "another platform's config is none"
    assert await tick(api, await next_at(api, ada.token, link_id)) >= 1


async def test_a_config_of_the_future_is_waited_for(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await reported(api, ada.token, link_id, "LAYOUT_CHANGED")
    await execute(
        api,
        "INSERT INTO privacy.platform_config (platform_id, version, valid_from, url_patterns, selectors)"
        " SELECT platform_id, 9, now() + interval '1 day', ARRAY['https://example.com/*'], '{}' FROM privacy.platform_link",
    )
    await tick(api, datetime.now(UTC))
    assert (await state(api, ada.token, link_id))["health"] == "FAILING"
    await tick(api, datetime.now(UTC) + timedelta(days=1, minutes=1))
    assert (await state(api, ada.token, link_id))["health"] == "HEALTHY"


async def test_a_layout_that_an_old_config_did_not_fit_recovers_at_once(api: Api) -> None:
    """The report comes from an offline queue, of before the config that is valid now."""
    ada = await api.person()
    link_id = await link(api, ada.token)
    await limit(api, 30, 0)
    await reported(api, ada.token, link_id, "LAYOUT_CHANGED", occurredAt=(datetime.now(UTC) - timedelta(days=2)).isoformat())
    await tick(api, datetime.now(UTC))
    assert (await state(api, ada.token, link_id))["health"] == "HEALTHY"


async def test_a_request_that_nobody_answers_is_missed(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    now = await next_at(api, ada.token, link_id)
    assert await tick(api, now) == 1
    assert await tick(api, now + WINDOW - timedelta(seconds=1)) == 0
    assert (await state(api, ada.token, link_id))["health"] == "HEALTHY"
    late = now + WINDOW
    await tick(api, late)
    found = await state(api, ada.token, link_id)
    assert (found["health"], found["lastScan"]["failure"]) == ("WARNING", "TRANSIENT")
    for _ in range(4):
        late = await next_at(api, ada.token, link_id)
        assert await tick(api, late) == 1, "it is asked for again"
        await tick(api, late + WINDOW)
    found = await state(api, ada.token, link_id)
    assert (found["health"], found["schedule"]["nextScanAt"]) == ("FAILING", None)
    assert len(await asked(api)) == 5


async def test_an_answered_request_is_not_missed(api: Api) -> None:
    ada = await api.person()
    for answer in ("scan", "failure"):
        link_id = await link(api, ada.token, label=answer)
        await schedule(api, ada.token, link_id, "MANUAL")
        await request(api, ada.token, link_id)
        if answer == "scan":
            await succeed(api, ada.token, link_id)
        else:
            await reported(api, ada.token, link_id)
        before = await state(api, ada.token, link_id)
        assert before["schedule"]["awaitedUntil"] is None
        await tick(api, datetime.now(UTC) + timedelta(days=2))
        assert await state(api, ada.token, link_id) == before


async def test_stopping_and_going_on_is_told_in_the_audit_and_counting_is_not(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    events = "{ auditEvents(first: 50) { edges { node { detail } } } }"

    async def told() -> list[list[str]]:
        edges = (await api(events, token=ada.token)).data["auditEvents"]["edges"]
        return [list(edge["node"]["detail"]) for edge in reversed(edges)]

    before = await told()
    await reported(api, ada.token, link_id)
    assert await told() == before
    await reported(api, ada.token, link_id, "SIGNED_OUT")
    await resume(api, ada.token, link_id)
    assert (await told())[len(before) :] == [["stopped_at"], ["stopped_at"]]


async def test_a_manual_link_fails_without_being_asked(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    await schedule(api, ada.token, link_id, "MANUAL")
    found = (await reported(api, ada.token, link_id))["link"]
    assert (found["health"], found["schedule"]["nextScanAt"]) == ("WARNING", None)
    assert await tick(api, datetime.now(UTC) + timedelta(days=9)) == 0


async def test_a_partial_scan_is_said_to_be_one(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    assert (await state(api, ada.token, link_id))["lastScan"] is None
    template = await template_of(api, ada.token)
    unread = {template["settings"][0]["key"]: None}
    await recorded(api, ada.token, scan(link_id, template, values=unread))
    assert (await state(api, ada.token, link_id))["lastScan"]["status"] == "PARTIAL"


@pytest.mark.parametrize(
    ("other", "code", "field"),
    [
        ({"failure": "OTHER"}, "BAD_VARIABLES", None),
        ({"detail": "x" * 201}, "BAD_INPUT", "detail"),
        ({"detail": "\0"}, "BAD_INPUT", None),
        ({"occurredAt": "2090-01-01T00:00:00Z"}, "CAPTURED_IN_FUTURE", "occurredAt"),
        ({"occurredAt": "2014-12-31T00:00:00Z"}, "BAD_INPUT", "occurredAt"),
        ({"linkId": "x"}, "BAD_ID", "linkId"),
        ({"linkId": global_id("PlatformLink", str(uuid4()))}, "NOT_FOUND", "linkId"),
        ({"scanMethod": None}, "BAD_VARIABLES", None),
        ({"idempotencyKey": ""}, "BAD_INPUT", "idempotencyKey"),
    ],
)
async def test_a_bad_report_changes_nothing(small: Small, other: dict[str, Any], code: str, field: str | None) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    before = await state(small.api, small.ada.token, link_id)
    async with nothing_written(small.api):
        answer = await report(small.api, small.ada.token, link_id, **other)
    assert answer.code == code
    assert answer.body["errors"][0]["extensions"].get("field") == field
    assert await state(small.api, small.ada.token, link_id) == before


async def test_only_who_may_write_reports_and_only_of_their_own(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    link_id = await link(api, ada.token)
    assert (await report(api, ben.token, link_id)).code == "NOT_FOUND"
    assert (await report(api, await api_key(api, ada.token, "privacy:read"), link_id)).code == "FORBIDDEN"
    assert (await reported(api, await api_key(api, ada.token), link_id))["counted"] is True
    await unlink(api, ada.token, link_id)
    assert (await report(api, ada.token, link_id)).code == "LINK_ENDED"


@pytest.mark.parametrize("milliseconds", [-1, 3_600_001])
async def test_a_duration_is_one(small: Small, milliseconds: int) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    given = scan(link_id, small.second, durationMilliseconds=milliseconds)
    query = "mutation R($input: RecordSnapshotInput!) { recordSnapshot(input: $input) { unchanged } }"
    answer = await small.api(query, {"input": given}, token=small.ada.token)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "durationMilliseconds")


async def test_who_linked_it_is_told_once_when_requests_stop(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    for _ in range(4):
        await reported(api, ada.token, link_id)
    assert await notifications(api, ada.token) == []
    await reported(api, ada.token, link_id)
    await reported(api, ada.token, link_id)
    (told,) = await notifications(api, ada.token)
    assert (told["kind"], told["objectId"]) == ("LINK_FAILING", link_id)
    assert told["text"] == {"title": "Google (Personal) cannot be read any more", "body": "Its last scans failed."}
    await succeed(api, ada.token, link_id)
    await reported(api, ada.token, link_id, "SIGNED_OUT")
    assert [each["text"]["body"][:8] for each in await notifications(api, ada.token)] == ["Sign in ", "Its last"]


async def test_a_repeated_report_tells_once(api: Api) -> None:
    ada = await api.person()
    link_id = await link(api, ada.token)
    given = {"input": failure(link_id, "SIGNED_OUT")}
    await asyncio.gather(*(api(REPORT, given, token=ada.token) for _ in range(5)))
    assert len(await notifications(api, ada.token)) == 1


async def test_people_whose_requests_nobody_answers_are_told(api: Api) -> None:
    """By the scheduler, whatever their workspace; who does not want it is not."""
    ada, ben, cleo = await api.person("ada"), await api.person("ben"), await api.person("cleo")
    links = [await link(api, person.token) for person in (ada, ben, cleo)]
    await update(api, ben.token, channels=[{"kind": "LINK_FAILING", "inApp": False, "email": False}])
    now = datetime.now(UTC)
    await execute(
        api,
        "UPDATE privacy.platform_link SET requested_at = $1, awaited_until = $2, consecutive_failures = 4,"
        " last_failure = 'TRANSIENT', last_failure_at = $1",
        now - WINDOW,
        now - timedelta(minutes=1),
    )
    await reported(api, cleo.token, links[2])  # somebody heard of it before the scheduler did
    await tick(api, now)
    await tick(api, now)
    told = [[each["objectId"] for each in await notifications(api, person.token)] for person in (ada, ben, cleo)]
    assert told == [[links[0]], [], [links[2]]]
