"""Lookups: what is known of a hash, to whom, and of which URL."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import pytest

from app.core.data_key import derive_key
from app.scans.engine.feed import Feed
from app.scans.lookup import MOST, parse_prefix
from app.scans.scan import URL_KEY
from app.scans.url import parse_url, url_hash
from tests.conftest import Api
from tests.factory.kit import db_of
from tests.factory.scans import judged
from tests.scans.test_publication import LOOKUP, found, person


async def test_own_scans_are_found_by_the_workspaces_key_alone(shared: Api) -> None:
    ruth, eve = await person(shared, "ruth"), await person(shared, "eve")
    key = "{ lookupKey }"
    assert (await shared(key, token=ruth.token)).data == {"lookupKey": None}
    db = await db_of(shared, "ruth")
    try:
        async with db.transaction():
            secret = await derive_key(db, pool_settings(shared), URL_KEY)
    finally:
        await db.close()
    told = (await shared(key, token=ruth.token)).data["lookupKey"]
    assert bytes.fromhex(told) == secret
    url, scan_id, older = "https://ruth.example.com/", await judged(shared, ruth, "ruth"), await judged(shared, ruth, "old")
    hashed = hmac.digest(secret, url.encode(), "sha256")
    assert hashed == url_hash(secret, parse_url(url).canonical)
    async with shared.database.connect() as admin:
        await admin.execute("ALTER TABLE scans.scan DISABLE TRIGGER step")
        await admin.execute("UPDATE scans.scan SET url_hash = $2 WHERE workspace_id = $1", ruth.workspace_id, hashed)
        await admin.execute("ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER step")
    (match,) = await found(shared, ruth, hashed.hex()[:8])
    assert (match["source"], match["fullHash"], match["scan"]["id"]) == ("OWN", hashed.hex(), older), "the newest alone"
    assert await found(shared, eve, hashed.hex()) == []
    history = "query($url: String!) { urlHistory(url: $url) { edges { node { id } } } }"
    for spelling in (url, "HTTPS://RUTH.example.com:443/./#x"):
        edges = (await shared(history, {"url": spelling}, token=ruth.token)).data["urlHistory"]["edges"]
        assert [edge["node"]["id"] for edge in edges] == [older, scan_id]
    for who, other in ((ruth, url + "x"), (eve, url)):
        assert (await shared(history, {"url": other}, token=who.token)).data == {"urlHistory": {"edges": []}}
    assert (await shared(history, {"url": "ftp://x"}, token=ruth.token)).code == "BAD_INPUT"


def pool_settings(api: Api) -> Any:
    """The settings of the API's process."""
    return api.http._transport.app.state.service.settings  # type: ignore[attr-defined]


@pytest.mark.parametrize("prefix", ["", "00", "000000", "0000000", "000000000", "ABCDEF01", "0000000g", "0" * 66, "%%%%%%%%"])
async def test_a_prefix_is_long_enough_to_tell_and_short_enough_to_hide(shared: Api, prefix: str) -> None:
    assert (await shared(LOOKUP, {"prefix": prefix}, token=(await shared.person("ada")).token)).code == "BAD_INPUT"


def test_prefixes_are_ranges() -> None:
    low, high = parse_prefix("00ff00ff")
    assert (low, high) == (b"\x00\xff\x00\xff" + bytes(28), b"\x00\xff\x00\xff" + b"\xff" * 28)
    assert parse_prefix("ab" * 32) == (b"\xab" * 32,) * 2


async def test_the_list_of_known_hosts_is_looked_up(shared: Api) -> None:
    """That which comes with the program holds nothing but what is reserved for tests."""
    ada = await shared.person("ada")
    everything = Feed(Path(parse_prefix.__code__.co_filename).parent / "data" / "feed.txt")
    everything.refresh(0.0)
    assert everything.listed
    for digest in list(everything.listed.kinds)[:3]:
        matches = await found(shared, ada, digest.hex()[:8])
        assert ("FEED", digest.hex(), "MALICIOUS") in [(m["source"], m["fullHash"], m["verdict"]) for m in matches]


def test_of_a_list_no_more_is_answered_than_agreed(tmp_path: Path) -> None:
    file = tmp_path / "feed"
    file.write_text("".join(f"sha256:00000000{number:056x} malware\n" for number in range(MOST + 10)))
    feed = Feed(file)
    feed.refresh(0.0)
    assert feed.listed is not None
    assert len(feed.listed.beginning_with(bytes(4), MOST)) == MOST
    assert len(feed.listed.beginning_with(bytes(31) + b"\x05", MOST)) == 1
    assert feed.listed.beginning_with(b"\xff" * 4, MOST) == []
