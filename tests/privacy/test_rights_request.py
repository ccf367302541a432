"""Rights requests: states that only follow each other as the protocol says, deadlines that are kept, letters that are right."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.kit.graphql import global_id, parse_global_id
from app.kit.jobs import enqueue
from app.privacy.deadline import RightsAction, expected_by
from app.privacy.platform_contact import Regime
from app.privacy.rights_request import Nothing, Overdue, expire_rights_request, expire_rights_requests
from tests.conftest import Answer, Api
from tests.core.test_workspace import organize
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.privacy import api_key
from tests.privacy.conftest import Small

FIELDS = """
id action regime status reason version extended details openedAt expectedBy closedAt
platform { slug } contact { organization version }
letter { email url postalAddress subject body mailLink }
events { edges { node { version status reason note occurredAt expectedBy } } }
"""
CREATE = f"mutation($input: CreateRightsRequestInput!) {{ createRightsRequest(input: $input) {{ request {{ {FIELDS} }} }} }}"
RESPOND = f"mutation($input: RecordRightsResponseInput!) {{ recordRightsResponse(input: $input) {{ request {{ {FIELDS} }} }} }}"
REVOKE = f"mutation($input: RevokeRightsRequestInput!) {{ revokeRightsRequest(input: $input) {{ request {{ {FIELDS} }} }} }}"
READ = f"query($id: ID!) {{ rightsRequest(id: $id) {{ {FIELDS} }} }}"
LIST = """
query($status: RightsRequestStatus, $slug: String, $first: Int! = 20, $after: String) {
  rightsRequests(status: $status, platformSlug: $slug, first: $first, after: $after) {
    edges { node { id status } } pageInfo { hasNextPage endCursor }
  }
}
"""
NOTIFICATIONS = "{ notifications { edges { node { kind objectId text { title body } } } } }"

DENIALS = [
    "SUSPECTED_FRAUD",
    "INSUF_VERIFICATION",
    "NO_MATCH",
    "CLAIM_NOT_COVERED",
    "OUTSIDE_JURISDICTION",
    "TOO_MANY_REQUESTS",
    "OTHER",
]


async def ask(api: Api, token: str, **other: Any) -> Answer:
    given = {"platformSlug": "openai", "action": "ACCESS", "regime": "GDPR", "idempotencyKey": str(uuid4())} | other
    return await api(CREATE, {"input": given}, token=token)


async def asked(api: Api, token: str, **other: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(api, token, **other)).data["createRightsRequest"]["request"]
    return found


async def respond(api: Api, token: str, request: dict[str, Any], status: str, **other: Any) -> Answer:
    given = {"id": request["id"], "version": request["version"], "status": status, "idempotencyKey": str(uuid4())} | other
    return await api(RESPOND, {"input": given}, token=token)


async def responded(api: Api, token: str, request: dict[str, Any], status: str, **other: Any) -> dict[str, Any]:
    answer = await respond(api, token, request, status, **other)
    found: dict[str, Any] = answer.data["recordRightsResponse"]["request"]
    return found


async def revoke(api: Api, token: str, request: dict[str, Any], **other: Any) -> Answer:
    return await api(REVOKE, {"input": {"id": request["id"]} | other}, token=token)


async def read(api: Api, token: str, request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await api(READ, {"id": request["id"]}, token=token)).data["rightsRequest"]
    return found


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def history(request: dict[str, Any]) -> list[tuple[int, str, str | None]]:
    events = [edge["node"] for edge in reversed(request["events"]["edges"])]
    return [(event["version"], event["status"], event["reason"]) for event in events]


async def test_a_request_is_open_with_a_letter_and_a_deadline(small: Small) -> None:
    made = await asked(small.api, small.ada.token, details="All chats of 2025.")
    assert (made["status"], made["reason"], made["version"], made["extended"]) == ("OPEN", None, 1, False)
    assert (made["platform"]["slug"], made["contact"]) == ("openai", {"organization": "OpenAI Ireland Limited", "version": 1})
    opened = datetime.fromisoformat(made["openedAt"])
    assert abs(opened - datetime.now(UTC)) < timedelta(minutes=1)
    deadline = expected_by(Regime.GDPR, RightsAction.ACCESS, opened, "Europe/Berlin")
    assert datetime.fromisoformat(made["expectedBy"]) == deadline
    letter = made["letter"]
    assert letter["email"] == "dsar@openai.com"
    assert letter["mailLink"].startswith("mailto:dsar@openai.com?subject=Request%20for%20access")
    for word in ("Article 15", "OpenAI Ireland Limited", small.ada.email, "All chats of 2025."):
        assert word in letter["body"]
    assert history(made) == [(1, "OPEN", None)]
    assert await read(small.api, small.ada.token, made) == made


async def test_a_way_through_the_protocol(small: Small) -> None:
    token = small.ada.token
    made = await asked(small.api, token, regime="CCPA", action="DELETION")
    made = await responded(small.api, token, made, "IN_PROGRESS", note="They have it.")
    made = await responded(small.api, token, made, "IN_PROGRESS", reason="NEED_USER_VERIFICATION")
    assert (made["status"], made["reason"], made["closedAt"]) == ("IN_PROGRESS", "NEED_USER_VERIFICATION", None)
    made = await responded(small.api, token, made, "IN_PROGRESS")
    made = await responded(small.api, token, made, "FULFILLED")
    assert (made["status"], made["reason"], made["version"]) == ("FULFILLED", None, 5)
    assert made["closedAt"]
    assert history(made) == [
        (1, "OPEN", None),
        (2, "IN_PROGRESS", None),
        (3, "IN_PROGRESS", "NEED_USER_VERIFICATION"),
        (4, "IN_PROGRESS", None),
        (5, "FULFILLED", None),
    ]
    assert [edge["node"]["note"] for edge in made["events"]["edges"]] == [None, None, None, "They have it.", None]


@pytest.mark.parametrize("reason", DENIALS)
async def test_denials_have_a_reason(small: Small, reason: str) -> None:
    made = await asked(small.api, small.ada.token)
    made = await responded(small.api, small.ada.token, made, "DENIED", reason=reason)
    assert (made["status"], made["reason"]) == ("DENIED", reason)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("DENIED", None), ("DENIED", "NEED_USER_VERIFICATION"), ("IN_PROGRESS", "NO_MATCH"), ("FULFILLED", "OTHER")],
)
async def test_a_reason_fits_its_status(small: Small, status: str, reason: str | None) -> None:
    made = await asked(small.api, small.ada.token)
    answer = await respond(small.api, small.ada.token, made, status, reason=reason)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "reason")
    assert await read(small.api, small.ada.token, made) == made


async def test_what_has_ended_stays_as_it_is(small: Small) -> None:
    token = small.ada.token
    ends = {"FULFILLED": {}, "DENIED": {"reason": "OTHER"}, "REVOKED": {}}
    for end, other in ends.items():
        made = await asked(small.api, token)
        if end == "REVOKED":
            made = (await revoke(small.api, token, made, note="Not needed")).data["revokeRightsRequest"]["request"]
        else:
            made = await responded(small.api, token, made, end, **other)
        assert made["status"] == end
        for status, given in (("IN_PROGRESS", {}), ("FULFILLED", {}), ("DENIED", {"reason": "OTHER"})):
            assert (await respond(small.api, token, made, status, **given)).code == "REQUEST_CLOSED", (end, status)
        assert (await respond(small.api, token, made, "IN_PROGRESS", extended=True)).code == "REQUEST_CLOSED"
        again = await revoke(small.api, token, made)
        assert again.codes == ([] if end == "REVOKED" else ["REQUEST_CLOSED"])
        assert await read(small.api, token, made) == made


async def test_the_database_itself_knows_what_may_follow_what(small: Small) -> None:
    """Whatever a statement says: no status after a final one, none back to open, no version of one's own, no other deadline."""
    made = await asked(small.api, small.ada.token)
    key = parse_global_id(made["id"], field="id")[1]
    async with small.api.database.connect() as admin:

        async def update(what: str) -> None:
            await admin.execute(f"UPDATE privacy.rights_request SET {what} WHERE id = $1", key)

        for what, error in (
            ("status = 'OPEN'", asyncpg.CheckViolationError),
            ("status = 'EXPIRED', closed_at = now()", asyncpg.CheckViolationError),
            ("status = 'FULFILLED'", asyncpg.CheckViolationError),
            ("status = 'DENIED', closed_at = now()", asyncpg.CheckViolationError),
            ("status = 'SENT'", asyncpg.CheckViolationError),
            ("status = 'IN_PROGRESS', expected_by = now() + interval '9 years'", asyncpg.InsufficientPrivilegeError),
        ):
            with pytest.raises(error):
                await update(what)
        await update("status = 'IN_PROGRESS', version = 70, previous_status = NULL")
        row = await admin.fetchrow("SELECT version, previous_status FROM privacy.rights_request WHERE id = $1", key)
        assert tuple(row or ()) == (2, "OPEN")
        await update("status = 'IN_PROGRESS', extended = true, expected_by = expected_by + interval '1 day'")
        for what in ("extended = false", "expected_by = expected_by + interval '1 day'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await update(f"status = 'IN_PROGRESS', {what}")
        await update("status = 'REVOKED', closed_at = now()")
        for status in ("OPEN", "IN_PROGRESS"):
            with pytest.raises(asyncpg.CheckViolationError):
                await update(f"status = '{status}', closed_at = NULL")
        inserted = (
            "INSERT INTO privacy.rights_request SELECT (r).* FROM (SELECT r FROM privacy.rights_request AS r WHERE id = $1)"
        )
        with pytest.raises(asyncpg.CheckViolationError):  # none begins revoked
            await admin.execute(inserted, key)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await admin.execute("UPDATE privacy.rights_request_event SET note = 'x' WHERE request_id = $1", key)
    for statement in ("DELETE FROM privacy.rights_request_event", "DELETE FROM privacy.rights_request"):
        async with small.api.database.connect("fivefold_api") as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_who_has_not_seen_the_last_version_changes_nothing(small: Small) -> None:
    token = small.ada.token
    made = await asked(small.api, token)
    await responded(small.api, token, made, "IN_PROGRESS")
    answer = await respond(small.api, token, made, "FULFILLED")
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("STALE_VERSION", "version")
    for version in (0, -1, 3, 2**31 - 1):
        assert (await respond(small.api, token, made, "FULFILLED", version=version)).code == "STALE_VERSION"
    assert (await read(small.api, token, made))["status"] == "IN_PROGRESS"


async def test_of_many_answers_at_once_one_counts(small: Small) -> None:
    token = small.ada.token
    made = await asked(small.api, token)
    answers = await asyncio.gather(
        *(respond(small.api, token, made, "DENIED", reason=reason) for reason in DENIALS), revoke(small.api, token, made)
    )
    done = [answer for answer in answers if not answer.codes]
    assert len(done) == 1
    assert {code for answer in answers for code in answer.codes} <= {"STALE_VERSION", "REQUEST_CLOSED"}
    assert len(history(await read(small.api, token, made))) == 2


async def test_the_same_key_again_changes_nothing(small: Small) -> None:
    token, key = small.ada.token, str(uuid4())
    made = [await asked(small.api, token, idempotencyKey=key) for _ in range(2)]
    assert made[0] == made[1]
    assert (await ask(small.api, token, idempotencyKey=key, action="DELETION")).code == "IDEMPOTENCY_CONFLICT"
    answers = [await responded(small.api, token, made[0], "IN_PROGRESS", idempotencyKey=key, note="n") for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await respond(small.api, token, made[0], "FULFILLED", idempotencyKey=key)).code == "IDEMPOTENCY_CONFLICT"
    assert len(history(answers[0])) == 2


async def test_a_deadline_is_extended_once(small: Small) -> None:
    token = small.ada.token
    made = await asked(small.api, token, openedAt=days_ago(20))
    longer = await responded(small.api, token, made, "IN_PROGRESS", extended=True)
    opened = datetime.fromisoformat(made["openedAt"])
    deadline = expected_by(Regime.GDPR, RightsAction.ACCESS, opened, "Europe/Berlin", extended=True)
    assert (longer["extended"], datetime.fromisoformat(longer["expectedBy"])) == (True, deadline)
    again = await respond(small.api, token, longer, "IN_PROGRESS", extended=True)
    assert (again.code, again.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "extended")
    assert (await respond(small.api, token, longer, "FULFILLED", extended=True)).code == "BAD_INPUT"
    later = await responded(small.api, token, longer, "IN_PROGRESS")
    assert (later["extended"], later["expectedBy"]) == (True, longer["expectedBy"])
    opt_out = await asked(small.api, token, regime="CCPA", action="SALE_OPT_OUT")
    answer = await respond(small.api, token, opt_out, "IN_PROGRESS", extended=True)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "extended")


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"platformSlug": "nothing"}, "NOT_FOUND", "platformSlug"),
        ({"regime": "GDPR", "action": "SALE_OPT_OUT"}, "BAD_INPUT", "action"),
        ({"regime": "GDPR", "action": "SALE_OPT_IN"}, "BAD_INPUT", "action"),
        ({"regime": "CCPA", "action": "PORTABILITY"}, "BAD_INPUT", "action"),
        ({"details": ""}, "BAD_INPUT", "details"),
        ({"details": "x" * 2001}, "BAD_INPUT", "details"),
        ({"openedAt": "2090-01-01T00:00:00Z"}, "BAD_INPUT", "openedAt"),
        ({"openedAt": "2020-01-01T00:00:00Z"}, "BAD_INPUT", "openedAt"),
        ({"idempotencyKey": ""}, "BAD_INPUT", "idempotencyKey"),
    ],
)
async def test_what_cannot_be_asked(small: Small, wrong: dict[str, Any], code: str, field: str) -> None:
    answer = await ask(small.api, small.ada.token, **wrong)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == (code, field)
    assert (await small.api(LIST, token=small.ada.token)).data["rightsRequests"]["edges"] == []


async def test_a_note_is_bounded(small: Small) -> None:
    made = await asked(small.api, small.ada.token)
    for note in ("", "x" * 2001):
        assert (await respond(small.api, small.ada.token, made, "IN_PROGRESS", note=note)).code == "BAD_INPUT"
        assert (await revoke(small.api, small.ada.token, made, note=note)).code == "BAD_INPUT"
    assert await read(small.api, small.ada.token, made) == made


async def test_a_platform_that_nobody_has_a_contact_of(small: Small) -> None:
    made = await asked(small.api, small.ada.token, platformSlug="small")
    assert (made["contact"], made["letter"]["email"], made["letter"]["mailLink"]) == (None, None, None)
    assert "To Small" in made["letter"]["body"]


async def test_lists_filter_and_page(small: Small) -> None:
    token = small.ada.token
    made = [await asked(small.api, token, platformSlug=slug) for slug in ("openai", "google", "google")]
    await revoke(small.api, token, made[1])

    async def listed(**given: Any) -> list[str]:
        return [e["node"]["id"] for e in (await small.api(LIST, given, token=token)).data["rightsRequests"]["edges"]]

    ids = [each["id"] for each in reversed(made)]
    assert await listed() == ids
    assert await listed(slug="google") == ids[:2]
    assert await listed(status="REVOKED") == [made[1]["id"]]
    assert await listed(status="OPEN", slug="google") == [made[2]["id"]]
    page = (await small.api(LIST, {"first": 2}, token=token)).data["rightsRequests"]
    assert await listed(first=2, after=page["pageInfo"]["endCursor"]) == ids[2:]
    assert (await small.api(LIST, {"slug": "nothing"}, token=token)).code == "NOT_FOUND"


async def test_requests_are_the_persons_own(small: Small) -> None:
    made = await asked(small.api, small.ada.token)
    ben = (await small.person()).token
    assert (await small.api(READ, {"id": made["id"]}, token=ben)).data == {"rightsRequest": None}
    assert (await respond(small.api, ben, made, "FULFILLED")).code == "NOT_FOUND"
    assert (await revoke(small.api, ben, made)).code == "NOT_FOUND"
    assert (await small.api(READ, {"id": global_id("Snapshot", str(uuid4()))}, token=ben)).code == "BAD_ID"
    key = await api_key(small.api, small.ada.token, "snapshots:write", "privacy:read")
    assert (await small.api(READ, {"id": made["id"]}, token=key)).code == "FORBIDDEN"
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert (await small.api(node, {"id": made["id"]}, token=key)).data == {"node": None}
    assert (await small.api(node, {"id": made["id"]}, token=small.ada.token)).data == {"node": {"id": made["id"]}}


async def test_in_an_organization_they_are_the_members_own(small: Small) -> None:
    owner, member = await small.person(), await small.person()
    names = [person.email.partition("@")[0] for person in (owner, member)]
    workspace = await organize(small.api, "O", **{names[0]: "owner", names[1]: "member"})

    async def within(person: Person, document: str, variables: dict[str, Any] | None = None) -> Answer:
        return await small.api(document, variables, token=person.token, fivefold_workspace=workspace)

    given = {"platformSlug": "openai", "action": "ACCESS", "regime": "GDPR", "idempotencyKey": str(uuid4())}
    made = (await within(member, CREATE, {"input": given})).data["createRightsRequest"]["request"]
    assert (await within(owner, READ, {"id": made["id"]})).data == {"rightsRequest": None}
    assert (await within(owner, LIST)).data["rightsRequests"]["edges"] == []
    assert (await within(owner, REVOKE, {"input": {"id": made["id"]}})).code == "NOT_FOUND"
    assert (await within(member, READ, {"id": made["id"]})).data["rightsRequest"]["status"] == "OPEN"


async def test_what_was_not_answered_in_time_expires(own: Small) -> None:
    api, token = own.api, own.ada.token
    late = await asked(api, token, openedAt=days_ago(40))
    waiting = await responded(api, token, await asked(api, token, openedAt=days_ago(50)), "IN_PROGRESS")
    longer = await asked(api, token, openedAt=days_ago(40))
    longer = await responded(api, token, longer, "IN_PROGRESS", extended=True)
    answered = await responded(api, token, await asked(api, token, openedAt=days_ago(40)), "FULFILLED")
    ccpa = await asked(api, token, openedAt=days_ago(40), regime="CCPA")
    fresh = await asked(api, token)
    for _ in range(2):  # the second time nothing is left to do
        await ask_for_cron(own)
        await run_jobs(api)
    states = {request["id"]: await read(api, token, request) for request in (late, waiting, longer, answered, ccpa, fresh)}
    assert [state["status"] for state in states.values()] == [
        "EXPIRED",
        "EXPIRED",
        "IN_PROGRESS",
        "FULFILLED",
        "OPEN",
        "OPEN",
    ]
    assert history(states[late["id"]]) == [(1, "OPEN", None), (2, "EXPIRED", None)]
    assert states[late["id"]]["closedAt"] >= late["expectedBy"]
    assert (await respond(api, token, states[late["id"]], "FULFILLED")).code == "REQUEST_CLOSED"
    assert (await revoke(api, token, late)).code == "REQUEST_CLOSED"
    told = [edge["node"] for edge in (await api(NOTIFICATIONS, token=token)).data["notifications"]["edges"]]
    assert {each["objectId"] for each in told} == {late["id"], waiting["id"]}
    assert {each["kind"] for each in told} == {"RIGHTS_REQUEST_OVERDUE"}
    assert told[0]["text"]["title"] == "OpenAI did not answer your request in time"
    assert len(told) == 2


async def ask_for_cron(own: Small) -> None:
    """As the worker's clock does."""
    async with worker_db(own.api.database) as db, db.transaction():
        await enqueue(db, expire_rights_requests, Nothing())


async def test_an_answer_that_comes_before_the_job_counts(own: Small) -> None:
    """The job was asked for, and the platform answered meanwhile."""
    made = await asked(own.api, own.ada.token, openedAt=days_ago(40))
    async with worker_db(own.api.database) as db, db.transaction():
        payload = Overdue(workspace_id=own.ada.workspace_id, request_id=parse_global_id(made["id"], field="id")[1])
        await enqueue(db, expire_rights_request, payload)
    await responded(own.api, own.ada.token, made, "FULFILLED")
    await run_jobs(own.api)
    assert (await read(own.api, own.ada.token, made))["status"] == "FULFILLED"
    assert (await own.api(NOTIFICATIONS, token=own.ada.token)).data["notifications"]["edges"] == []


async def test_the_worker_sees_of_others_what_is_overdue_alone(own: Small) -> None:
    await asked(own.api, own.ada.token)
    late = await asked(own.api, own.ada.token, openedAt=days_ago(40))
    async with own.api.database.connect("fivefold_worker") as connection, connection.transaction():
        assert await connection.fetch("SELECT id FROM privacy.rights_request") == []
        await connection.execute("SELECT set_config('fivefold.workspace_id', core.system_workspace_id()::text, true)")
        rows = await connection.fetch("SELECT id::text FROM privacy.rights_request")
        assert [row[0] for row in rows] == [parse_global_id(late["id"], field="id")[1]]
        assert await connection.fetch("SELECT id FROM privacy.rights_request_event") == []
