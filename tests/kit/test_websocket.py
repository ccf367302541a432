"""graphql-transport-ws over a real socket: every message, every close code, and clients that mean harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from app.kit import websocket
from app.kit.embedded import Embedded
from app.kit.errors import AppError, ErrorCode
from tests.conftest import Database, copy_of
from tests.factory.privacy import api_key
from tests.factory.socket import PROTOCOL, Server, listening, narrow, until

LISTEN = "subscription { scanRequested { cursor link { id } } }"
PING: dict[str, Any] = {"type": "ping"}


@pytest.fixture(scope="module")
async def live(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Server]:
    """One server for all: nobody here needs more than a connection."""
    with copy_of(server, template) as database:
        async with listening(database, jwt_key) as running:
            yield running


async def token_of(live: Server, name: str = "ada") -> str:
    return (await live.api.person(name)).token


# The handshake


@pytest.mark.parametrize("offered", [["graphql-ws"], ["chat", "graphql-ws"], None])
async def test_another_subprotocol_is_not_acceptable(live: Server, offered: list[Subprotocol] | None) -> None:
    async with live.handshake(subprotocols=offered) as client:
        assert await client.closed() == (4406, "Subprotocol not acceptable")


async def test_ours_is_chosen_among_others(live: Server) -> None:
    async with live.handshake(subprotocols=["graphql-ws", PROTOCOL]) as client:
        assert client.connection.subprotocol == PROTOCOL


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost",
        "https://localhost:3000",
        "http://localhost:3000.evil.example",
        "http://localhost:3000@evil.example",
        "http://localhost:",
        "http://LOCALHOST:3000/",
        "file://",
    ],
)
async def test_a_page_from_elsewhere_is_refused_at_the_handshake(live: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with live.handshake(origin=Origin(origin)):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://localhost:5173", None])
async def test_our_pages_and_programs_may_connect(live: Server, origin: str | None) -> None:
    async with live.handshake(origin=origin) as client:
        await client.init(await token_of(live))


async def test_only_this_path_takes_websockets(live: Server) -> None:
    for path in ("/", "/healthz", "/graphql/", "/metrics"):
        with pytest.raises(InvalidStatus) as refused:
            async with live.handshake(uri=live.url.replace("/graphql", path)):
                pass
        assert refused.value.response.status_code in (403, 404), path


# Who calls


async def test_a_token_in_the_handshake_will_do(live: Server) -> None:
    headers = {"Authorization": f"Bearer {await token_of(live)}"}
    async with live.handshake(additional_headers=headers) as client:
        await client.init(None)


async def test_the_payload_goes_before_the_handshake(live: Server) -> None:
    async with live.handshake(additional_headers={"Authorization": "Bearer nonsense"}) as client:
        await client.init(await token_of(live))


@pytest.mark.parametrize("name", ["authorization", "AUTHORIZATION"])
async def test_names_are_spelled_as_one_likes(live: Server, name: str) -> None:
    async with live.handshake() as client:
        await client.init(None, **{name: f"Bearer {await token_of(live)}"})


@pytest.mark.parametrize("payload", [{}, None, {"Authorization": "Bearer x"}, {"Authorization": ""}, {"Authorization": None}])
async def test_a_stranger_is_forbidden(live: Server, payload: Any) -> None:
    async with live.handshake() as client:
        await client.send({"type": "connection_init", "payload": payload})
        code, reason = await client.closed()
        assert (code, bool(reason)) == (4403, True)


async def test_strangers_cannot_try_tokens_for_nothing(database: Database, jwt_key: Path) -> None:
    """Each refused handshake costs their network what a refused request does; who has a token pays nothing for them."""
    async with listening(database, jwt_key, stranger_burst=50, stranger_per_second=0.001) as server:
        codes = []
        for _ in range(52):
            async with server.handshake() as client:
                await client.send({"type": "connection_init", "payload": {"Authorization": "Bearer x"}})
                codes.append(await client.closed())
        assert [code for code, _ in codes] == [4403] * 50 + [1013] * 2
        assert "without a token" in codes[-1][1]
        async with server.handshake() as client:
            await client.init(await token_of(server))


async def test_one_cannot_connect_to_a_workspace_of_others(live: Server) -> None:
    ada, ben = await live.api.person("ada"), await live.api.person("ben")
    async with live.handshake() as client:
        await client.init(ada.token, **{"Fivefold-Workspace": ada.workspace})
    async with live.handshake() as client:
        given = {"Authorization": f"Bearer {ada.token}", "Fivefold-Workspace": ben.workspace}
        await client.send({"type": "connection_init", "payload": given})
        assert (await client.closed())[0] == 4403


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AppError(ErrorCode.UNAVAILABLE, "The database cannot be reached."), (1013, "The database cannot be reached.")),
        (AppError(ErrorCode.TIMED_OUT, "The database took too long."), (1013, "The database took too long.")),
        (RuntimeError("secret"), (4500, "Something went wrong on our side. Try again later.")),
    ],
)
async def test_what_is_our_fault_is_not_called_forbidden(
    live: Server, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[int, str]
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("app.core.identity.Callers.authenticate", fail)
    async with live.handshake() as client:
        await client.send({"type": "connection_init"})
        assert await client.closed() == expected


async def test_a_key_connects(live: Server) -> None:
    async with live.handshake() as client:
        await client.init(await api_key(live.api, await token_of(live)))


@pytest.mark.parametrize("wrong", [1, [], {"a": 1}, True])
@pytest.mark.parametrize("name", ["Authorization", "Fivefold-Workspace"])
async def test_what_names_the_caller_is_text(live: Server, name: str, wrong: Any) -> None:
    async with live.handshake() as client:
        await client.send({"type": "connection_init", "payload": {name: wrong}})
        assert (await client.closed())[0] == 4400


async def test_one_introduces_oneself_once(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.send({"type": "connection_init"})
        assert await client.closed() == (4429, "Too many initialisation requests")


async def test_one_introduces_oneself_soon(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "INIT_SECONDS", 0.05)
    async with live.handshake() as client:
        assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_nothing_is_subscribed_to_before(live: Server) -> None:
    async with live.handshake() as client:
        await client.send({"id": "1", "type": "subscribe", "payload": {"query": LISTEN}})
        assert await client.closed() == (4401, "Unauthorized")


# Messages


async def test_a_ping_is_answered_at_any_time(live: Server) -> None:
    async with live.handshake() as client:
        await client.send(PING)
        assert await client.receive() == {"type": "pong"}
        await client.init(await token_of(live))
        await client.send(PING | {"payload": {"a": [1, None, "ä"]}})
        assert await client.receive() == {"type": "pong", "payload": {"a": [1, None, "ä"]}}


async def test_a_pong_is_heard_and_means_nothing(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        for pong in ({"type": "pong"}, {"type": "pong", "payload": {}}, {"type": "pong", "payload": None}):
            await client.send(pong)
        await client.settle()
        assert client.received == []


MALFORMED: list[Any] = [
    "",
    " ",
    "{",
    "null",
    "1",
    "1e999",
    "9" * 5000,
    '"subscribe"',
    "[]",
    "[" * 2000,
    '{"type":' * 2000,
    "{}",
    '{"type": null}',
    '{"type": 1}',
    '{"type": ["ping"]}',
    '{"type": "PING"}',
    '{"type": ""}',
    '{"type": "connection_ack"}',
    '{"type": "next", "id": "1", "payload": {"data": {}}}',
    '{"type": "error", "id": "1", "payload": []}',
    '{"type": "start", "id": "1", "payload": {"query": "{a}"}}',
    '{"type": "connection_terminate"}',
    '{"type": "' + "x" * 10_000 + '"}',
    '{"type": "ping", "payload": 1}',
    '{"type": "ping", "payload": []}',
    '{"type": "pong", "payload": "x"}',
    '{"type": "connection_init", "payload": "x"}',
    '{"type": "connection_init", "payload": [1]}',
    '{"type": "complete"}',
    '{"type": "complete", "id": null}',
    '{"type": "complete", "id": 1}',
    '{"type": "complete", "id": ""}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": "1"}',
    '{"type": "subscribe", "id": "1", "payload": null}',
    '{"type": "subscribe", "id": "1", "payload": "subscription { a }"}',
    '{"type": "subscribe", "id": "1", "payload": []}',
    '{"type": "subscribe", "id": "1", "payload": {}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": {}}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": "x"}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "operationName": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "extensions": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"documentId": 7}}',
    '{"type": "subscribe", "payload": {"query": "{a}"}}',
    '{"type": "subscribe", "id": 1, "payload": {"query": "{a}"}}',
    '{"type": "subscribe", "id": "", "payload": {"query": "{a}"}}',
    '{"type": "subscribe", "id": "' + "x" * 257 + '", "payload": {"query": "{a}"}}',
    '{"type": "ping", "payload": {"\\ud800": 1}}',
    '{"type": "ping"} {"type": "ping"}',
    "{'type': 'ping'}",
    '{"type": "ping", "payload": NaN}',
    "\ufeff" + '{"type": "ping"}',
    b'{"type": "ping"}',
    b"",
    b"\x00\xff",
]


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
async def test_what_is_malformed_ends_the_connection(live: Server, message: Any) -> None:
    """With a reason, after what came before was answered, and before what comes behind it."""
    async with live.open(await token_of(live)) as client:
        await client.settle()
        await client.send(message)
        await client.send(PING)
        code, reason = await client.closed()
        assert code == 4400, reason
        assert 0 < len(reason.encode()) <= 123
        assert client.received == []


async def test_what_is_malformed_before_the_introduction_too(live: Server) -> None:
    async with live.handshake() as client:
        await client.send("hello")
        assert (await client.closed())[0] == 4400


async def test_a_message_too_long_ends_the_connection(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.send('{"type": "ping", "payload": {"a": "' + "x" * websocket.MAX_MESSAGE_BYTES + '"}}')
        assert (await client.closed())[0] in (1006, 1009)


async def test_an_unknown_name_in_a_message_is_passed_over(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.send(PING | {"id": "7", "more": {}})
        assert await client.receive() == {"type": "pong"}


async def test_completing_what_is_not_there_is_nothing(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.send({"id": "nothing", "type": "complete"})
        await client.settle()
        assert client.received == []


async def test_an_id_names_one_subscription(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.subscribe("a", LISTEN)
        await client.send({"id": "a", "type": "subscribe", "payload": {"query": LISTEN}})
        assert await client.closed() == (4409, "Subscriber for a already exists")


async def test_an_id_is_free_again_after_complete_and_after_an_error(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        for _ in range(3):
            await client.subscribe("a", LISTEN)
            await client.send({"id": "a", "type": "complete"})
        await client.subscribe("a", "subscription { nothing }")
        assert await client.error("a") == "BAD_DOCUMENT"
        await client.subscribe("a", LISTEN)
        assert client.received == []


async def test_a_long_id_makes_a_short_reason(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.subscribe("ä" * 256, LISTEN)
        await client.send({"id": "ä" * 256, "type": "subscribe", "payload": {"query": LISTEN}})
        code, reason = await client.closed()
        assert (code, len(reason.encode())) == (4409, 123)


async def test_twenty_at_once_and_no_more(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        for number in range(websocket.MAX_OPERATIONS):
            await client.subscribe(str(number), LISTEN)
        assert client.received == []
        await client.subscribe("more", LISTEN)
        assert await client.error("more") == "TOO_COMPLEX"
        await client.send({"id": "7", "type": "complete"})
        await client.subscribe("more", LISTEN)
        assert client.received == []
        await client.subscribe("still", LISTEN)
        assert await client.error("still") == "TOO_COMPLEX"


# How it ends


async def test_whoever_leaves_is_forgotten(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.subscribe("1", LISTEN)
        (held,) = live.service.sockets
        assert (len(live.service.hub), len(held.operations)) == (1, 1)
    await gone(live)
    assert len(live.service.hub) == 0
    assert "fivefold_sockets 0.0" in (await live.api.http.get("/metrics")).text


async def test_whoever_vanishes_is_forgotten(live: Server) -> None:
    async with live.open(await token_of(live)) as client:
        await client.subscribe("1", LISTEN)
        client.connection.transport.abort()
    await gone(live)
    assert len(live.service.hub) == 0


async def gone(live: Server) -> None:
    """Wait until no connection is left."""
    await until(lambda: not live.service.sockets)


async def test_whoever_does_not_read_is_let_go(live: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings are no longer read once their answers have no room; after a while the connection is dropped."""
    monkeypatch.setattr(websocket, "STUCK_SECONDS", 0.2)
    monkeypatch.setattr(websocket, "MAX_WAITING", 2)
    async with live.handshake(sock=narrow(live.url), max_queue=1, compression=None) as client:
        await client.init(await token_of(live))
        (held,) = live.service.sockets

        async def flood() -> None:
            while True:
                await client.send(PING | {"payload": {"a": "x" * 100_000}})

        flooding = asyncio.create_task(flood())
        try:
            await gone(live)
        finally:
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            client.connection.transport.abort()
        assert held.closed == (1013, "too slow")
        assert len(held._waiting) == 0
