"""Live updates over a real server and real sockets: what comes to whom, in which order, and that nothing is lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from playwright.async_api import async_playwright

from app.core.outbox import publish
from app.kit import bootstrap, migrate, subscription, websocket
from app.kit.db import Db, open_as
from app.kit.embedded import Embedded
from app.kit.graphql import global_id, parse_uuid
from app.kit.page import encode_cursor
from app.privacy.schedule import SCAN_REQUESTED
from tests.conftest import Database, copy_of
from tests.factory.browser import chromium
from tests.factory.core import Person, create_person
from tests.factory.kit import listen
from tests.factory.organization import account, ask, do, organize
from tests.factory.privacy import api_key, link, record, scan, template_of, unlink
from tests.factory.session import sign_in
from tests.factory.socket import Client, Server, listening, narrow, until

SCANS = "subscription Scans($after: String) { scanRequested(after: $after) { cursor requestedAt reason link { id label } } }"
CHANGES = """
subscription Changes($after: String, $linkId: ID, $significance: [Significance!]) {
  changeDetected(after: $after, linkId: $linkId, significance: $significance) {
    cursor
    change { id setting oldValue newValue origin significance snapshot { id riskScore link { id label platform { slug } } } }
  }
}
"""
TELL = (
    "INSERT INTO core.outbox (workspace_id, object_id, kind, detail)"
    " SELECT $1, $2, 'privacy.scan_requested', jsonb_build_object('reason', 'MANUAL') FROM generate_series(1, $3) RETURNING id"
)


@pytest.fixture(scope="module")
async def shared(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Server]:
    """One server for all who only need people of their own."""
    with copy_of(server, template) as database:
        async with listening(database, jwt_key) as running:
            yield running


@pytest.fixture
async def live(database: Database, jwt_key: Path) -> AsyncIterator[Server]:
    """A server on a database of the test's own."""
    async with listening(database, jwt_key) as running:
        yield running


async def someone(live: Server) -> tuple[Person, str, UUID]:
    """Somebody new with a link: its global id and its uuid."""
    person = await live.api.person(f"person-{len(live.api.people)}")
    link_id = await link(live.api, person.token)
    return person, link_id, parse_uuid(link_id, "PlatformLink", field="id")


async def tell(live: Server, person: Person, link_id: UUID, count: int = 1) -> list[UUID]:
    """Ask for scans of a link, all in one transaction; the ids of the rows."""
    async with live.api.database.connect() as connection:
        return [row[0] for row in await connection.fetch(TELL, person.workspace_id, link_id, count)]


def rows_of(events: Sequence[dict[str, Any]]) -> list[UUID]:
    """Which rows of the outbox events are of."""
    return [row_of(event["cursor"]) for event in events]


def row_of(cursor: str) -> UUID:
    return subscription._read_cursor(cursor, "ScanRequested")[0].position[1]


async def flip(live: Server, person: Person, link_id: str, template: dict[str, Any], day: float, *keys: str) -> list[Any]:
    """Scan a link, with some settings as recommended; the changes."""
    values = {s["key"]: s["recommended"] for s in template["settings"] if s["key"] in keys}
    answer = await record(live.api, person.token, scan(link_id, template, day=day, values=values))
    changes: list[Any] = answer.data["recordSnapshot"]["changes"]
    return changes


# What comes


async def test_each_change_of_a_scan_is_one_event(shared: Server) -> None:
    ada, link_id, _ = await someone(shared)
    template = await template_of(shared.api, ada.token)
    keys = sorted(s["key"] for s in template["settings"] if s["default"] != s["recommended"])[:3]
    async with shared.open(ada.token) as client:
        await client.subscribe("1", CHANGES)
        await flip(shared, ada, link_id, template, 0)
        made = await flip(shared, ada, link_id, template, 1, *keys)
        assert [change["setting"] for change in made] == keys
        events = await client.events(3)
        told = [{name: event["change"][name] for name in made[0] if name in event["change"]} for event in events]
        assert told == [{name: change[name] for name in told[0]} for change in made]
        assert {event["change"]["snapshot"]["link"]["id"] for event in events} == {link_id}
        assert len({event["cursor"] for event in events}) == 3
        # An unchanged scan is no news.
        await flip(shared, ada, link_id, template, 2, *keys)
        await flip(shared, ada, link_id, template, 3, *keys[:2])
        assert [event["change"]["setting"] for event in await client.events(1)] == keys[2:]


async def test_one_resumes_between_the_changes_of_one_scan(shared: Server) -> None:
    ada, link_id, _ = await someone(shared)
    template = await template_of(shared.api, ada.token)
    keys = sorted(s["key"] for s in template["settings"] if s["default"] != s["recommended"])[:4]
    async with shared.open(ada.token) as client:
        await client.subscribe("1", CHANGES)
        await flip(shared, ada, link_id, template, 0)
        await flip(shared, ada, link_id, template, 1, *keys)
        events = await client.events(4)
        for place, event in enumerate(events):
            await client.subscribe(f"after {place}", CHANGES, {"after": event["cursor"]})
            assert await client.events(3 - place, f"after {place}") == events[place + 1 :]


async def test_a_late_capture_tells_what_is_new_behind_it(shared: Server) -> None:
    """The scan behind it shows a change that nobody was told of; what was told before is not told again."""
    ada, link_id, _ = await someone(shared)
    template = await template_of(shared.api, ada.token)
    first, second = sorted(s["key"] for s in template["settings"] if s["default"] != s["recommended"])[:2]
    async with shared.open(ada.token) as client:
        await client.subscribe("1", CHANGES)
        await flip(shared, ada, link_id, template, 0)
        await flip(shared, ada, link_id, template, 10, first)
        assert (await client.event())["change"]["setting"] == first
        await flip(shared, ada, link_id, template, 5, second)
        events = [event["change"] for event in await client.events(2)]
        assert [event["setting"] for event in events] == [second, second]
        assert len({event["snapshot"]["id"] for event in events}) == 2
        await flip(shared, ada, link_id, template, 11, first, second)
        assert (await client.event())["change"]["setting"] == second


async def test_one_may_listen_to_one_link_and_to_what_matters(shared: Server) -> None:
    ada, link_id, _ = await someone(shared)
    other = await link(shared.api, ada.token, label="Other")
    template = await template_of(shared.api, ada.token)
    key = next(s["key"] for s in template["settings"] if s["default"] != s["recommended"])
    async with shared.open(ada.token) as client:
        await client.subscribe("link", CHANGES, {"linkId": other})
        await client.subscribe("other", CHANGES, {"significance": ["NEW_SETTING"]})
        await client.subscribe("value", CHANGES, {"significance": ["VALUE", "NEW_SETTING"]})
        for each in (link_id, other):
            await flip(shared, ada, each, template, 0)
            await flip(shared, ada, each, template, 1, key)
        got: dict[str, list[str]] = {"link": [], "value": []}
        for _ in range(3):
            message = await client.message()
            got[message["id"]].append(message["payload"]["data"]["changeDetected"]["change"]["snapshot"]["link"]["id"])
        assert got == {"link": [other], "value": [link_id, other]}


async def test_a_request_to_scan_is_an_event_while_the_link_lasts(shared: Server) -> None:
    ada, link_id, id_ = await someone(shared)
    ended = await link(shared.api, ada.token, label="Ended")
    await unlink(shared.api, ada.token, ended)
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        await tell(shared, ada, parse_uuid(ended, "PlatformLink", field="id"))
        await tell(shared, ada, id_)
        event = await client.event()
        assert event["link"] == {"id": link_id, "label": "Personal"}
        assert event["reason"] == "MANUAL"
        assert event["requestedAt"].endswith("Z")


async def test_nobody_is_told_of_another_workspace(shared: Server) -> None:
    """Two people ask the same; each hears of the own, whoever comes first."""
    (ada, ada_link, ada_id), (ben, ben_link, ben_id) = await someone(shared), await someone(shared)
    async with shared.open(ada.token) as at_ada, shared.open(ben.token) as at_ben:
        await at_ada.subscribe("1", SCANS)
        await at_ben.subscribe("1", SCANS)
        for _ in range(3):
            await tell(shared, ada, ada_id)
            assert (await at_ada.event())["link"]["id"] == ada_link
            await tell(shared, ben, ben_id)
            assert (await at_ben.event())["link"]["id"] == ben_link
        assert await at_ada.silence() == await at_ben.silence() == []


async def test_the_cursor_of_another_workspace_opens_nothing(shared: Server) -> None:
    (ada, _, ada_id), (ben, ben_link, ben_id) = await someone(shared), await someone(shared)
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        await tell(shared, ada, ada_id)
        cursor = (await client.event())["cursor"]
        await tell(shared, ada, ada_id)
    async with shared.open(ben.token) as client:
        await client.subscribe("1", SCANS, {"after": cursor})
        await tell(shared, ben, ben_id)
        assert (await client.event())["link"]["id"] == ben_link


async def test_a_row_that_points_elsewhere_shows_nothing(shared: Server) -> None:
    """Should a row ever name another's object, whoever hears it sees nothing of that."""
    (ada, ada_link, ada_id), (_, _, ben_id) = await someone(shared), await someone(shared)
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        await tell(shared, ada, ben_id)
        await tell(shared, ada, ada_id)
        assert (await client.event())["link"]["id"] == ada_link


# Keys


async def test_a_key_listens_in_its_scopes(shared: Server) -> None:
    ada, link_id, id_ = await someone(shared)
    template = await template_of(shared.api, ada.token)
    key = next(s["key"] for s in template["settings"] if s["default"] != s["recommended"])
    writer, reader = await api_key(shared.api, ada.token), await api_key(shared.api, ada.token, "privacy:read")
    async with shared.open(writer) as at_writer, shared.open(reader) as at_reader:
        await at_writer.subscribe("no", CHANGES)
        assert await at_writer.error("no") == "FORBIDDEN"
        await at_writer.subscribe("1", SCANS)
        await at_reader.subscribe("1", SCANS)
        await at_reader.subscribe("2", CHANGES)
        await tell(shared, ada, id_)
        assert (await at_writer.event())["link"]["id"] == (await at_reader.event())["link"]["id"] == link_id
        await flip(shared, ada, link_id, template, 0)
        await flip(shared, ada, link_id, template, 1, key)
        assert (await at_reader.event("2"))["change"]["setting"] == key


async def test_an_edge_that_a_key_may_not_go_is_an_error_of_its_event(shared: Server) -> None:
    """The event comes, with null where it may not look, and the next comes too."""
    ada, link_id, id_ = await someone(shared)
    writer = await api_key(shared.api, ada.token)
    async with shared.open(writer) as client:
        await client.subscribe("1", "subscription { scanRequested { link { id latestSnapshot { id } } } }")
        for _ in range(2):
            await tell(shared, ada, id_)
            payload = (await client.message())["payload"]
            assert payload["data"] == {"scanRequested": {"link": {"id": link_id, "latestSnapshot": None}}}
            (error,) = payload["errors"]
            assert (error["extensions"]["code"], error["path"]) == ("FORBIDDEN", ["scanRequested", "link", "latestSnapshot"])
            assert row_of(payload["extensions"]["cursor"]), "without it nobody could go on behind an event that selects none"


async def test_whoever_may_call_no_longer_is_let_go(shared: Server) -> None:
    ada, link_id, id_ = await someone(shared)
    secret = await api_key(shared.api, ada.token)
    async with shared.open(secret) as by_key, shared.open(ada.token) as by_token:
        await by_key.subscribe("1", SCANS)
        await by_token.subscribe("1", SCANS)
        await shared.service.recheck()
        (keys,) = (await shared.api("{ apiKeys { edges { node { id } } } }", token=ada.token)).data.values()
        revoking = f'mutation {{ revokeApiKey(id: "{keys["edges"][0]["node"]["id"]}") {{ apiKey {{ id }} }} }}'
        assert (await shared.api(revoking, token=ada.token)).data
        await shared.service.recheck()
        assert (await by_key.closed())[0] == 4403
        await tell(shared, ada, id_)
        assert (await by_token.event())["link"]["id"] == link_id
        async with shared.api.database.connect() as connection:
            await connection.execute("UPDATE core.member SET role = 'viewer' WHERE account_id = $1", ada.account_id)
        await shared.service.recheck()
        assert (await by_token.closed())[0] == 4403
    assert by_key.received == []


async def test_a_membership_that_ended_ends_the_connection(live: Server) -> None:
    ada, ben = await live.api.person("ada"), await live.api.person("ben")
    async with live.api.database.connect() as connection:
        await connection.execute("INSERT INTO core.member (workspace_id, account_id, role) VALUES ($1, $2, 'member')",
                                 ada.workspace_id, ben.account_id)  # fmt: skip
        async with live.open(ben.token, **{"Fivefold-Workspace": ada.workspace}) as client, live.open(ben.token) as own:
            await client.subscribe("1", SCANS)
            await connection.execute("DELETE FROM core.member WHERE workspace_id = $1 AND account_id = $2",
                                     ada.workspace_id, ben.account_id)  # fmt: skip
            await live.service.recheck()
            assert (await client.closed())[0] == 4403
            await own.settle()


async def test_a_session_that_ended_ends_its_connections(live: Server) -> None:
    """And not those of another session of the same person."""
    ada = await live.api.person("ada")
    one, other = await sign_in(live.api, ada), await sign_in(live.api, ada)
    async with live.open(one.access_token) as client, live.open(other.access_token) as own:
        await client.subscribe("1", SCANS)
        await own.subscribe("1", SCANS)
        assert (await live.api("mutation { signOut { session { id } } }", token=one.access_token)).data
        await live.service.recheck()
        assert (await client.closed())[0] == 4403
        await own.settle()


async def test_who_is_removed_hears_nothing_more_by_token_or_by_key(live: Server) -> None:
    """Of that organization; what is one's own goes on."""
    workspace_id = await organize(live.api, ada="owner", ben="admin")
    ben, header = await live.api.person("ben"), {"Fivefold-Workspace": global_id("Workspace", str(workspace_id))}
    making = 'mutation { createApiKey(input: {name: "k", scopes: ["snapshots:write"]}) { secret } }'
    secret = (await ask(live.api, "ben", workspace_id, making)).data["createApiKey"]["secret"]
    async with live.open(ben.token, **header) as by_token, live.open(secret) as by_key, live.open(ben.token) as own:
        for client in (by_token, by_key, own):
            await client.subscribe("1", SCANS)
        await live.service.recheck()
        given = {"accountId": await account(live.api, "ben")}
        assert (await do(live.api, "ada", workspace_id, "removeMember", "accountId", **given)).data
        await live.service.recheck()
        assert (await by_token.closed())[0] == 4403
        assert (await by_key.closed())[0] == 4403
        await own.settle()


async def test_it_is_looked_again_soon_enough(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself: nobody calls recheck."""
    from app import live as module

    assert module.RECHECK_SECONDS <= 30
    monkeypatch.setattr(module, "RECHECK_SECONDS", 0.05)
    task = asyncio.create_task(live.service._recheck_often())
    ada = await live.api.person("ada")
    secret = await api_key(live.api, ada.token)
    try:
        async with live.open(secret) as client, live.api.database.connect() as connection:
            await connection.execute("UPDATE core.api_key SET expires_at = now() - interval '1 second'")
            assert (await client.closed())[0] == 4403
    finally:
        task.cancel()


async def test_a_token_that_ends_ends_the_connection(shared: Server) -> None:
    ada, _, _ = await someone(shared)
    token = shared.api.keys.sign(str(ada.account_id), lifetime=timedelta(seconds=2))
    async with shared.open(token) as client:
        await client.subscribe("1", SCANS)
        assert await client.closed() == (4403, "This token has expired. Get a new one.")


# Documents


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "BAD_DOCUMENT"),
        ("subscription { nothing }", "BAD_DOCUMENT"),
        ("subscription { scanRequested { nothing } }", "BAD_DOCUMENT"),
        ("subscription { scanRequested { cursor } changeDetected { cursor } }", "BAD_DOCUMENT"),
        ("subscription { __typename }", "BAD_DOCUMENT"),
        ("subscription { a: scanRequested { cursor } b: scanRequested { cursor } }", "BAD_DOCUMENT"),
        ("subscription ($x: Boolean!) { scanRequested @skip(if: $x) { cursor } }", "BAD_DOCUMENT"),
        ("query { viewer { role } }", "BAD_REQUEST"),
        ("{ __schema { types { name } } }", "BAD_REQUEST"),
        ("mutation { unlinkPlatform(input: {id: \"x\"}) { link { id } } }", "BAD_REQUEST"),
        ("subscription A { scanRequested { cursor } } subscription B { scanRequested { cursor } }", "BAD_REQUEST"),
        ("subscription { scanRequested(after: 1) { cursor } }", "BAD_DOCUMENT"),
        ("subscription ($a: String!) { scanRequested(after: $a) { cursor } }", "BAD_VARIABLES"),
        ('subscription { scanRequested(after: "x") { cursor } }', "BAD_CURSOR"),
        ('subscription { changeDetected(linkId: "x") { cursor } }', "BAD_ID"),
        ("subscription { changeDetected(significance: []) { cursor } }", "BAD_INPUT"),
        ("subscription { changeDetected(significance: [NOTHING]) { cursor } }", "BAD_DOCUMENT"),
        ("subscription { scanRequested { " + " ".join(f"a{n}: cursor" for n in range(60)) + " } }", "TOO_COMPLEX"),
        ("subscription { scanRequested { link " + "{ platform " * 17 + "{ id }" + " }" * 17 + " } }", "TOO_COMPLEX"),
        ("subscription { scanRequested { link { snapshots(first: 100) { edges { node { settings { key } link {"
         " snapshots(first: 100) { edges { node { id settings { key } } } } } } } } } } }", "TOO_COMPLEX"),
        ("subscription { scanRequested { " + "cursor " * 3000 + "} }", "TOO_COMPLEX"),
        ("subscription { ...F } fragment F on Subscription { ...F { cursor } }", "BAD_DOCUMENT"),
        ("subscription { scanRequested { link } }", "BAD_DOCUMENT"),
    ],
)  # fmt: skip
async def test_what_cannot_be_subscribed_to_is_an_error_of_its_operation(shared: Server, query: str, code: str) -> None:
    """With the code that HTTP would give it; the connection goes on."""
    ada = await shared.api.person("ada")
    async with shared.open(ada.token) as client:
        await client.subscribe("wrong", query)
        found = await client.error("wrong")
        assert found == code or (code == "TOO_COMPLEX" and found == "BAD_DOCUMENT" and "cursor cursor" in query)
        await client.subscribe("wrong", SCANS)
        assert client.received == []


async def test_a_skipped_field_is_nothing_to_listen_to(shared: Server) -> None:
    ada = await shared.api.person("ada")
    async with shared.open(ada.token) as client:
        query = "subscription ($x: Boolean!) { ... @skip(if: $x) { scanRequested { cursor } } }"
        await client.subscribe("1", query, {"x": True})
        assert await client.error() in ("BAD_DOCUMENT", "BAD_VARIABLES")


async def test_one_operation_is_chosen_by_name(shared: Server) -> None:
    ada, _, id_ = await someone(shared)
    both = "subscription A { scanRequested { cursor } } query B { viewer { role } }"
    async with shared.open(ada.token) as client:
        payload: dict[str, Any] = {"query": both, "operationName": "A", "extensions": {}, "variables": None}
        await client.send({"id": "1", "type": "subscribe", "payload": payload})
        await client.settle()
        await tell(shared, ada, id_)
        assert (await client.event())["cursor"]


async def test_over_http_one_is_told_where_to_go(shared: Server) -> None:
    ada = await shared.api.person("ada")
    answer = await shared.api("subscription { scanRequested { cursor } }", token=ada.token)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    assert "graphql-transport-ws" in answer.body["errors"][0]["message"]


async def test_only_registered_documents_where_that_is_asked_for(database: Database, jwt_key: Path, tmp_path: Path) -> None:
    (tmp_path / "Scans.graphql").write_text(SCANS, encoding="utf-8")
    async with listening(database, jwt_key, trusted_documents=tmp_path, trusted_only=True) as live:
        ada = await live.api.person("ada")
        async with live.open(ada.token) as client:
            await client.subscribe("1", CHANGES)
            assert await client.error() == "UNTRUSTED_DOCUMENT"
            for given in ({"documentId": "Scans"}, {"query": SCANS}):
                await client.send({"id": "x", "type": "subscribe", "payload": given})
                await client.send({"id": "x", "type": "complete"})
            await client.settle()
            assert client.received == []


async def test_asking_and_hearing_are_charged(database: Database, jwt_key: Path) -> None:
    """Who has nothing left is refused; events wait until they can be paid, and are not lost."""
    async with listening(database, jwt_key, rate_per_second=30_000, rate_burst=50_000) as live:
        ada, _, id_ = await someone(live)
        heavy = (
            "subscription { scanRequested { cursor link { snapshots(first: 100) { edges { node { settings { key } } } } } } }"
        )
        async with live.open(ada.token) as client:
            await client.subscribe("1", heavy)
            rows = await tell(live, ada, id_, 60)
            assert rows_of(await client.events(60)) == rows
            codes = []
            for number in range(20):
                await client.subscribe(f"more {number}", heavy)
                codes += [message["payload"][0]["extensions"]["code"] for message in client.received]
                client.received.clear()
            assert "RATE_LIMITED" in codes
            assert set(codes) <= {"RATE_LIMITED", "TOO_COMPLEX"}


# Where one goes on


async def test_what_was_told_before_is_not_told_and_what_comes_is(shared: Server) -> None:
    ada, _, id_ = await someone(shared)
    await tell(shared, ada, id_, 3)
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        rows = await tell(shared, ada, id_, 3)
        assert rows_of(await client.events(3)) == rows


async def test_a_moment_noted_by_a_query_is_where_one_goes_on(shared: Server) -> None:
    ada, _, id_ = await someone(shared)
    await tell(shared, ada, id_)
    cursor = (await shared.api("{ eventCursor }", token=await api_key(shared.api, ada.token))).data["eventCursor"]
    rows = await tell(shared, ada, id_, 3)
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS, {"after": cursor})
        events = await client.events(3)
        assert rows_of(events) == rows
        for place, event in enumerate(events[:-1]):
            await client.subscribe(f"after {place}", SCANS, {"after": event["cursor"]})
            assert rows_of(await client.events(2 - place, f"after {place}")) == rows[place + 1 :]


async def test_an_earlier_transaction_that_commits_later_is_not_skipped(live: Server) -> None:
    """Its event comes first, also to whoever listens only since it began, and also over a reconnect."""
    ada, _, id_ = await someone(live)
    async with live.api.database.connect() as slow, live.api.database.connect() as fast:
        async with live.open(ada.token) as client:
            before = (await live.api("{ eventCursor }", token=ada.token)).data["eventCursor"]
            transaction = slow.transaction()
            await transaction.start()
            (early,) = [row[0] for row in await slow.fetch(TELL, ada.workspace_id, id_, 1)]
            cursor = (await live.api("{ eventCursor }", token=ada.token)).data["eventCursor"]
            await client.subscribe("during", SCANS)
            (late,) = [row[0] for row in await fast.fetch(TELL, ada.workspace_id, id_, 1)]
            await client.subscribe("behind", SCANS)
            after = (await live.api("{ eventCursor }", token=ada.token)).data["eventCursor"]
            assert await client.silence() == []
            await transaction.commit()
            assert rows_of(await client.events(2, "during")) == [early, late]
            assert rows_of([await client.event("behind")]) == [early]
        (last,) = await tell(live, ada, id_)
        async with live.open(ada.token) as client:
            for at, expected in ((before, [early, late, last]), (cursor, [early, late, last]), (after, [early, last])):
                await client.subscribe("1", SCANS, {"after": at})
                assert rows_of(await client.events(len(expected))) == expected
                await client.send({"id": "1", "type": "complete"})


async def test_what_was_rolled_back_is_never_told(shared: Server) -> None:
    ada, _, id_ = await someone(shared)
    async with shared.open(ada.token) as client, shared.api.database.connect() as connection:
        await client.subscribe("1", SCANS)
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetch(TELL, ada.workspace_id, id_, 1)
        await transaction.rollback()
        rows = await tell(shared, ada, id_)
        assert rows_of([await client.event()]) == rows


OTHER = encode_cursor(["ChangeDetected", 700, "01a1fd87-e0b0-7e51-bff3-adc5afcf862d", "ads"])


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "=",
        "ä",
        "\0",
        "W10",
        "WzFd",
        "bnVsbA",
        "e30",
        "A" * 20_000,
        OTHER,
        encode_cursor(["ScanRequested"]),
        encode_cursor(["ScanRequested", -1, "01a1fd87-e0b0-7e51-bff3-adc5afcf862d", ""]),
        encode_cursor(["ScanRequested", 2**63, "01a1fd87-e0b0-7e51-bff3-adc5afcf862d", ""]),
        encode_cursor(["ScanRequested", "٣", "01a1fd87-e0b0-7e51-bff3-adc5afcf862d", ""]),
        encode_cursor(["ScanRequested", "1e3", "01a1fd87-e0b0-7e51-bff3-adc5afcf862d", ""]),
        encode_cursor(["ScanRequested", 700, "01A1FD87-E0B0-7E51-BFF3-ADC5AFCF862D", ""]),
        encode_cursor(["ScanRequested", 700, "nothing", ""]),
        encode_cursor(["ScanRequested", 700, "00000000-0000-4000-8000-000000000000", ""]),
        encode_cursor(["ScanRequested", 700, "01a1fd87-e0b0-7e51-bff3-adc5afcf862d", "", ""]),
        encode_cursor(["Moment", 1, 2, 3]),
        encode_cursor(["Moment", 1, 2, 3, "4;5"]),
        encode_cursor(["Moment", "now", 2, 3, ""]),
        encode_cursor(["PlatformLink", "01a1fd87-e0b0-7e51-bff3-adc5afcf862d"]),
    ],
)
async def test_what_is_no_cursor_is_refused(shared: Server, cursor: str) -> None:
    ada = await shared.api.person("ada")
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS, {"after": cursor})
        assert await client.error() == "BAD_CURSOR"


async def test_a_cursor_from_the_future_is_none_of_ours(shared: Server) -> None:
    """It was given by a database that this one was restored from, say: waiting for it would be in vain."""
    ada = await shared.api.person("ada")
    now = f"{int(time.time() * 1000):012x}"
    cursor = encode_cursor(["ScanRequested", 2**62, f"{now[:8]}-{now[8:]}-7e51-bff3-adc5afcf862d", ""])
    async with shared.open(ada.token) as client:
        await client.subscribe("1", SCANS, {"after": cursor})
        assert await client.error() == "BAD_CURSOR"


@pytest.mark.parametrize(("days", "known"), [(0.0, True), (6.9, True), (7.01, False), (400.0, False)])
async def test_a_cursor_lives_as_long_as_what_it_is_behind(shared: Server, days: float, known: bool) -> None:
    ada = await shared.api.person("ada")
    noted = time.time() - days * 86_400
    row = f"{int(noted * 1000):012x}"
    for cursor in (
        encode_cursor(["ScanRequested", 700, f"{row[:8]}-{row[8:]}-7e51-bff3-adc5afcf862d", ""]),
        encode_cursor(["Moment", int(noted), 700, 705, "701,703"]),
    ):
        async with shared.open(ada.token) as client:
            await client.subscribe("1", SCANS, {"after": cursor})
            assert client.received == [] if known else await client.error() == "CURSOR_EXPIRED"


async def test_nothing_is_lost_and_nothing_comes_twice_in_a_storm(live: Server) -> None:
    """Many transactions that commit in any order, and one who is thrown out again and again and goes on from its cursor."""
    ada, _, id_ = await someone(live)
    dice = random.Random(7)  # noqa: S311 - a test's own
    cursor = (await live.api("{ eventCursor }", token=ada.token)).data["eventCursor"]
    total = 240

    async def write(count: int) -> None:
        async with live.api.database.connect() as connection:
            for _ in range(count):
                async with connection.transaction():
                    await connection.fetch(TELL, ada.workspace_id, id_, 1)
                    await asyncio.sleep(dice.random() * 0.02)

    writing = asyncio.gather(*(write(total // 8) for _ in range(8)))
    seen: list[UUID] = []
    while len(seen) < total:
        async with live.open(ada.token) as client:
            await client.subscribe("1", SCANS, {"after": cursor})
            for event in await client.events(min(dice.randint(1, 25), total - len(seen))):
                seen.append(row_of(event["cursor"]))
                cursor = event["cursor"]
            if dice.random() < 0.5:
                client.connection.transport.abort()
    await writing
    async with live.api.database.connect() as connection:
        told = [row[0] for row in await connection.fetch("SELECT id FROM core.outbox ORDER BY xid, id")]
    assert seen == told


async def test_the_database_may_restart(
    tmp_path_factory: pytest.TempPathFactory, jwt_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens goes on listening, and hears what was told after it."""
    monkeypatch.setattr(subscription, "LONGEST_PAUSE", 0.3)
    folder = tmp_path_factory.mktemp("pg")  # short: a socket with a long path moves when it starts again
    with Embedded.start(folder, durable=False) as server:
        database = Database("fivefold", server)
        bootstrap.run(database.url())
        migrate.up(database.url())
    async with _listening_again(folder, jwt_key) as (live, restart):
        async with open_as(live.api.database.url(), "fivefold_owner") as (_, db):
            ada = await create_person(db, live.api.keys, "ada@example.com")
        link_id = uuid4()
        async with live.api.database.connect() as connection:
            await connection.execute(
                "WITH p AS (INSERT INTO privacy.platform (slug, name, domain, website_url, privacy_url)"
                " VALUES ('small', 'Small', 'example.com', 'https://example.com', 'https://example.com/p') RETURNING id)"
                " INSERT INTO privacy.platform_link (workspace_id, id, account_id, platform_id, label)"
                " SELECT $1, $2, $3, id, 'Mine' FROM p",
                ada.workspace_id, link_id, ada.account_id,
            )  # fmt: skip
        async with live.open(ada.token) as client:
            await client.subscribe("1", SCANS)
            first = await tell(live, ada, link_id)
            event = await client.event()
            await restart()
            second = await tell(live, ada, link_id, 2)
            assert rows_of([event, *await client.events(2)]) == first + second
            await client.subscribe("2", SCANS, {"after": event["cursor"]})
            assert rows_of(await client.events(2, "2")) == second


def _listening_again(folder: Path, jwt_key: Path) -> Any:
    """A server on an embedded cluster, and what restarts that cluster."""
    from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        running = ExitStack()
        server = running.enter_context(Embedded.start(folder, durable=False))

        async def restart() -> None:
            running.close()
            running.enter_context(Embedded.start(folder, durable=False))

        async with AsyncExitStack() as stack:
            stack.callback(running.close)
            live = await stack.enter_async_context(listening(Database("fivefold", server), jwt_key))
            yield live, restart

    return opened()


# Many, and slow ones

WIDE = "subscription { scanRequested { cursor link { " + " ".join(f"a{n}: label" for n in range(48)) + " } } }"


async def test_those_who_ask_the_same_are_answered_by_one_reading(shared: Server) -> None:
    ada, _, id_ = await someone(shared)
    clients: list[Client] = []
    async with shared.open(ada.token) as one, shared.open(ada.token) as two, shared.open(ada.token) as three:
        clients = [one, two, three]
        cursor = (await shared.api("{ eventCursor }", token=ada.token)).data["eventCursor"]
        for client in clients:
            await client.subscribe("x", SCANS)
            await client.subscribe("y", SCANS, {"after": cursor})
        before = len(shared.service.hub)
        rows = await tell(shared, ada, id_, 3)
        for client in clients:
            got: dict[str, list[UUID]] = {"x": [], "y": []}
            for _ in range(6):
                message = await client.message()
                got[message["id"]].append(row_of(message["payload"]["data"]["scanRequested"]["cursor"]))
            assert got == {"x": rows, "y": rows}
        assert before <= 2
        assert len(shared.service.hub) == 1


async def test_one_who_reads_slowly_delays_nobody_and_loses_nothing(
    database: Database, jwt_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "LAG_SECONDS", 0.1)
    monkeypatch.setattr(websocket, "MAX_WAITING", 5)
    monkeypatch.setattr(websocket, "STUCK_SECONDS", 600)
    async with listening(database, jwt_key, send_buffer=8192) as live:
        ada, _, id_ = await someone(live)
        async with live.api.database.connect() as connection:
            await connection.execute("UPDATE privacy.platform_link SET label = repeat('x', 100)")
        async with live.handshake(sock=narrow(live.url), max_queue=1) as slow, live.handshake() as fast:
            await slow.init(ada.token)
            (held,) = (each for each in live.service.sockets if each.client is not None)
            await fast.init(ada.token)
            for client in (slow, fast):
                await client.subscribe("1", WIDE)
            rows = await tell(live, ada, id_, 100)
            most = 0
            for row in rows:
                assert row_of((await fast.event())["cursor"]) == row
                most = max(most, len(held._waiting))
            assert held.full, "it reads nothing, so its messages wait"
            assert most <= websocket.MAX_WAITING + subscription.SLICE + 1
            assert rows_of(await slow.events(100)) == rows
            # It has caught up, and is one of those who ask the same again.
            rows = await tell(live, ada, id_, 2)
            assert rows_of(await slow.events(2)) == rows_of(await fast.events(2)) == rows
            await until(lambda: len(live.service.hub) == 1)


async def test_each_subscription_leaves_a_line_and_is_counted(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listen(monkeypatch)
    monkeypatch.setattr("app.live.log", lines.logger())
    ada, _, id_ = await someone(live)
    async with live.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        await tell(live, ada, id_, 2)
        await client.events(2)
        text = (await live.api.http.get("/metrics")).text
        assert 'fivefold_subscriptions{kind="privacy.scan_requested"} 1.0' in text
        assert 'fivefold_events_total{kind="privacy.scan_requested"} 2.0' in text
        assert "fivefold_sockets 1.0" in text
        await client.send({"id": "1", "type": "complete"})
        await client.settle()
    (line,) = [line for line in lines if line["event"] == "subscription"]
    assert (line["kind"], line["events"], line["reason"]) == ("privacy.scan_requested", 2, "completed")
    assert 'fivefold_subscriptions{kind="privacy.scan_requested"} 0.0' in (await live.api.http.get("/metrics")).text


async def test_a_subscription_that_breaks_ends_with_a_masked_error(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, _, id_ = await someone(live)
    async with live.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        async with live.api.database.connect() as connection:
            await connection.execute(TELL.replace("'MANUAL'", "'SECRET'"), ada.workspace_id, id_, 1)
        message = await client.message()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "INTERNAL")
        assert "SECRET" not in str(message)
        await client.subscribe("1", SCANS)
        rows = await tell(live, ada, id_)
        assert rows_of([await client.event()]) == rows


async def test_a_server_that_stops_says_so(database: Database, jwt_key: Path) -> None:
    """With a code after which clients come back."""
    async with listening(database, jwt_key) as live:
        ada = await live.api.person("ada")
        async with live.open(ada.token) as client:
            await client.subscribe("1", SCANS)
            live.uvicorn.should_exit = True
            assert (await client.closed())[0] == 1012


async def test_nobody_asks_while_nobody_listens(live: Server) -> None:
    ada, _, _ = await someone(live)
    async with live.open(ada.token) as client:
        await client.settle()
        hub = live.service.hub
        assert not hub._busy.is_set()
        await client.subscribe("1", SCANS)
        assert hub._busy.is_set()
        await client.send({"id": "1", "type": "complete"})
        await client.settle()
        await until(lambda: not hub._busy.is_set())


async def test_publish_is_heard_from_business_code(live: Server) -> None:
    """As schedules and mutations tell it."""
    ada, link_id, id_ = await someone(live)
    async with live.open(ada.token) as client:
        await client.subscribe("1", SCANS)
        db = Db(live.service.pool, ada.actor, uuid4())
        async with db.transaction():
            await publish(db, SCAN_REQUESTED, id_, {"reason": "SCHEDULE"})
        await db.close()
        event = await client.event()
        assert (event["reason"], event["link"]["id"]) == ("SCHEDULE", link_id)


async def test_the_function_shows_who_was_told_and_nothing_else(live: Server) -> None:
    ada, _, id_ = await someone(live)
    await tell(live, ada, id_)
    async with live.api.database.connect("fivefold_api") as connection:
        rows = await connection.fetch("SELECT * FROM core.list_news($1, 0)", [ada.workspace_id, uuid4()])
        assert [(row["told_workspace_id"], row["kind"]) for row in rows] == [(ada.workspace_id, SCAN_REQUESTED)]
        assert len(await connection.fetch("SELECT * FROM core.list_news('{}', 0)")) == 1
        horizon = rows[0]["horizon"]
        assert [await connection.fetchval("SELECT core.has_news($1)", since) for since in (0, horizon)] == [True, False]
        assert await connection.fetch("SELECT * FROM core.outbox") == []
    async with live.api.database.connect("fivefold_worker") as connection:
        for asked in ("core.list_news('{}', 0)", "core.has_news(0)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {asked}")


# GraphiQL


async def test_graphiql_listens_too(database: Database, jwt_key: Path) -> None:
    """In a real browser: the page runs a subscription, shows its events, and stops when it is told to."""
    program = chromium()
    async with listening(database, jwt_key, graphiql=True, allowed_origins=[]) as live, async_playwright() as playwright:
        ada, link_id, id_ = await someone(live)
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            await page.goto(f"{live.api.http.base_url}/graphql")
            await page.wait_for_selector(".graphiql-execute-button")
            # Its editors: the query, its variables, the headers, the answer.
            written = {
                0: "subscription { scanRequested { reason link { id } } }",
                2: f'{{"Authorization": "Bearer {ada.token}"}}',
            }
            for place, text in written.items():
                fill = "([place, text]) => document.querySelectorAll('.CodeMirror')[place].CodeMirror.setValue(text)"
                await page.evaluate(fill, [place, text])
            await page.wait_for_timeout(1000)  # it looks at what was written a moment later, and shows no sign of it
            await page.click(".graphiql-execute-button")
            await until(lambda: len(live.service.hub) == 1)
            await tell(live, ada, id_)
            await page.wait_for_function("id => document.querySelector('.result-window').innerText.includes(id)", arg=link_id)
            await page.click(".graphiql-execute-button")
            await until(lambda: not live.service.sockets)
            assert problems == []
        finally:
            await browser.close()
