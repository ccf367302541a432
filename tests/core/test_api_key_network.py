"""Networks of API keys: whose key is used from elsewhere learns of it, and nobody reads anywhere where that was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import api_key_network, upkeep
from app.core.api_key_network import hash_network, widen
from tests.conftest import Api
from tests.core.test_security_alert import alerts, told, watch
from tests.factory.jobs import worker_db
from tests.factory.privacy import fresh_api_key

ASK = "{ platforms(first: 1) { edges { cursor } } }"


@asynccontextmanager
async def at(api: Api, *addresses: str) -> AsyncIterator[list[Api]]:
    """The API as it is reached from other addresses."""
    app = cast(Any, cast(httpx.ASGITransport, api.http._transport).app)
    clients = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(each, 1)), base_url="http://api") for each in addresses
    ]
    yield [Api(client, api.database, api.keys) for client in clients]
    for client in clients:
        await client.aclose()


async def noted(api: Api) -> list[bytes]:
    """The hashes that are kept."""
    async with api.database.connect() as admin:
        return [row["network"] for row in await admin.fetch("SELECT network FROM core.api_key_network")]


async def test_a_key_that_is_used_from_elsewhere_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of its first network, nor of another address there; once a day of others, however many. Each is in the audit."""
    ada = await api.person("ada")
    secret = await fresh_api_key(api, ada.token)
    async with at(api, "203.0.113.7", "203.0.113.200", "198.51.100.4", "2001:db8:1:2::3", "2001:db8:1:9::3") as places:
        for place in places[:2]:
            assert (await place(ASK, token=secret)).data
        await watch(api)
        assert "KEY_ELSEWHERE" not in await alerts(api, ada)
        for place in places:
            assert (await place(ASK, token=secret)).data
        monkeypatch.setattr(api_key_network, "_SEEN", {})  # as another process
        await asyncio.gather(*(place(ASK, token=secret) for place in places))
        await watch(api)
        await watch(api)
        assert (await alerts(api, ada)).count("KEY_ELSEWHERE") == 1
        (alert,) = [each for each in await told(api, ada) if each["text"]["title"] == "An API key was used from a new place"]
        assert "The key “extension”" in alert["text"]["body"]
        found = await noted(api)
        assert sorted(found) == sorted(
            hash_network(secret, each) for each in ("203.0.113.0", "198.51.100.0", "2001:db8:1::/64")
        ), "one for each network"
        assert (await places[0]("{ apiKeys { edges { node { id } } } }", token=ada.token)).data, "no key, nothing noted"
        assert len(await noted(api)) == 3
    asked = '{ auditEvents(object: "core.api_key", first: 20) { edges { node { action detail } } } }'
    events = [edge["node"] for edge in (await api(asked, token=ada.token)).data["auditEvents"]["edges"]]
    assert [event["detail"]["networks"] for event in events if event["action"] == "SIGN_IN"] == [2, 1, 0]


async def test_what_is_kept_tells_nothing_and_goes(api: Api) -> None:
    ada = await api.person("ada")
    secret = await fresh_api_key(api, ada.token)
    async with at(api, "203.0.113.7", "", "no address") as places:
        for place in places:
            assert (await place(ASK, token=secret)).data, "who cannot be placed is let in"
    assert len(await noted(api)) == 1
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.api_key_network SET seen_at = now() - interval '89 days'")
    async with worker_db(api.database) as db:
        await upkeep.run(db)
        assert len(await noted(api)) == 1
        async with api.database.connect() as admin:
            await admin.execute("UPDATE core.api_key_network SET seen_at = seen_at - interval '2 days'")
        await upkeep.run(db)
    assert await noted(api) == []


async def test_no_more_than_so_many_are_noted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key_network, "MOST", 2)
    ada = await api.person("ada")
    secret = await fresh_api_key(api, ada.token)
    async with at(api, *(f"198.51.{each}.1" for each in range(5))) as places:
        for place in places:
            assert (await place(ASK, token=secret)).data
    assert len(await noted(api)) == 2


@given(st.ip_addresses(v=4), st.integers(0, 255))
def test_who_moves_within_a_network_is_not_elsewhere(address: Any, last: int) -> None:
    near = f"{str(address).rpartition('.')[0]}.{last}"
    assert widen(str(address)) == widen(near)
    assert hash_network("s", near) == hash_network("s", str(address)) != hash_network("t", near)
