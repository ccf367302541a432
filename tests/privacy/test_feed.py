"""Feeds: what stands in them, that both kinds say the same, and that nothing hidden and nothing hostile gets through."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.graphql import parse_global_id
from app.privacy.feed import MAX_ENTRIES, Entry, Feed, atom, feeds_of, json_feed, plain
from tests.conftest import Api
from tests.factory.privacy import ACTIVATE, proposed, template_proposed
from tests.privacy.conftest import Small

TEXTS = ("id", "title", "updated", "published", "summary", "content")
A = "{http://www.w3.org/2005/Atom}"


def parse(body: bytes) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """A feed and its entries; fails where RFC 4287 is not kept."""
    root = ElementTree.fromstring(body)  # noqa: S314 - our own
    assert root.tag == f"{A}feed"
    head = {name: root.findtext(f"{A}{name}", "") for name in ("id", "title", "updated")}
    assert all(head.values())
    assert root.find(f"{A}author/{A}name") is not None
    links = root.findall(f"{A}link")
    assert [link.get("rel") for link in links].count("self") == 1
    entries: list[dict[str, Any]] = []
    for entry in root.findall(f"{A}entry"):
        found: dict[str, Any] = {name: entry.findtext(f"{A}{name}", "") for name in TEXTS}
        assert all(found.values())
        assert [e.tag for e in entry].count(f"{A}id") == 1
        assert UUID(found["id"].removeprefix("urn:uuid:"))
        datetime.fromisoformat(found["updated"])
        link = entry.find(f"{A}link")
        assert link is not None
        entries.append({**found, "url": link.get("href"), "tags": [c.get("term") for c in entry.findall(f"{A}category")]})
    assert head["updated"] == max((e["updated"] for e in entries), default="1970-01-01T00:00:00Z")
    assert len({e["id"] for e in entries}) == len(entries)
    return head, entries


async def fetch(api: Api, path: str, **headers: str) -> httpx.Response:
    """As a reader of feeds would, without a token."""
    return await api.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def fresh(api: Api, path: str) -> httpx.Response:
    """As the first reader after half a minute."""
    feeds_of(api.http._transport.app.state).known.clear()  # type: ignore[attr-defined]
    return await fetch(api, path)


async def test_a_feed_tells_what_changed(own: Small) -> None:
    answer = await fetch(own.api, "/feeds/small.atom")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    head, (second, first) = parse(answer.content)
    assert head["title"] == "Privacy settings of Small: what changed"
    assert second["id"] == f"urn:uuid:{parse_global_id(own.second['id'], field='id')[1]}"
    assert (second["summary"], second["title"]) == ("Version 2.", "Small: settings page, version 2")
    assert second["content"].splitlines() == [
        "New: News (on, off)",
        "Gone: Gone",
        "Default of Ads: on -> off",
        "Default of Audience: Everyone -> everyone",
        "Options of Audience: Everyone, Friends, Only me -> everyone, Friends, Only me",
        "Default of Keep: For ever -> A year",
        "Options of Keep: For ever, A year, A month -> For ever, A year, A month, A day",
    ]
    assert second["tags"] == ["small", "added", "removed", "default", "options"]
    assert (first["content"], first["tags"]) == ("5 settings.", ["small", "first"])


async def test_both_kinds_say_the_same(own: Small) -> None:
    for name in ("small", "templates"):
        head, entries = parse((await fetch(own.api, f"/feeds/{name}.atom")).content)
        answer = await fetch(own.api, f"/feeds/{name}.json")
        assert answer.headers["content-type"] == "application/feed+json; charset=utf-8"
        feed = answer.json()
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["feed_url"] == f"http://api/feeds/{name}.json"
        assert feed["title"] == head["title"]
        assert [
            (i["id"], i["title"], i["summary"], i["content_text"], i["date_modified"], i["tags"]) for i in feed["items"]
        ] == [(e["id"], e["title"], e["summary"], e["content"], e["updated"], e["tags"]) for e in entries]
    assert {e["tags"][0] for e in entries} == {"anthropic", "facebook", "google", "linkedin", "openai", "small"}


async def test_the_way_back_is_news_of_the_same_entry(own: Small) -> None:
    _, before = parse((await fetch(own.api, "/feeds/small.atom")).content)
    await own.api(ACTIVATE, {"id": own.first["id"]}, token=own.curator.token)
    _, after = parse((await fresh(own.api, "/feeds/small.atom")).content)
    assert [e["id"] for e in after] == [before[1]["id"], before[0]["id"]]
    assert after[0]["updated"] > before[1]["updated"]


async def test_nothing_hidden_is_told(own: Small) -> None:
    names = ("small.atom", "small.json", "templates.atom", "templates.json")
    before = [(await fetch(own.api, f"/feeds/{name}")).content for name in names]
    persons = [await own.person() for _ in range(3)]
    settings = [proposed("history", label="A secret <of> mine"), proposed("brand_new", label="Mine & mine alone")]
    for person in persons[:2]:
        await template_proposed(own.api, person.token, settings, "small")
    assert [(await fresh(own.api, f"/feeds/{name}")).content for name in names] == before
    await template_proposed(own.api, persons[2].token, settings, "small")
    _, entries = parse((await fresh(own.api, "/feeds/small.atom")).content)
    assert entries[0]["content"].splitlines()[0] == "New: Mine & mine alone (on, off)"
    assert entries[0]["summary"] == "2 settings; since version 2 1 added, 4 removed, 0 changed."
    body = (await fetch(own.api, "/feeds/templates.json")).text
    assert not re.search(r"proposal|workspace|@example|submitted|secret", body)
    for person in persons:
        assert str(person.account_id) not in body


async def test_a_reader_that_has_it_gets_304(own: Small) -> None:
    answer = await fetch(own.api, "/feeds/small.atom")
    tag, modified = answer.headers["etag"], answer.headers["last-modified"]
    assert answer.headers["cache-control"] == "public, max-age=300"
    late = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    early = "Thu, 01 Jan 2015 00:00:00 GMT"
    cases: list[tuple[dict[str, str], int]] = [
        ({"If_None_Match": tag}, 304),
        ({"If_None_Match": f'"x", W/{tag}'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"x"'}, 200),
        ({"If_None_Match": '"x"', "If_Modified_Since": late}, 200),
        ({"If_Modified_Since": modified}, 304),
        ({"If_Modified_Since": late}, 304),
        ({"If_Modified_Since": early}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Modified_Since": ""}, 200),
        ({"If_Modified_Since": "Mon, 99 Foo 0000 99:99:99 GMT"}, 200),
    ]
    for headers, status in cases:
        again = await fetch(own.api, "/feeds/small.atom", **headers)
        assert (again.status_code, again.headers["etag"]) == (status, tag), headers
        assert bool(again.content) is (status == 200)


NO_FEEDS = ["nothing.atom", "nothing.json", "Small.atom", "small.xml", "small", "%2e%2e.atom", "a'--.atom", "small%00.atom",
            "x" * 300 + ".json", ".atom", "templates.atom.json"]  # fmt: skip


@pytest.mark.parametrize("path", NO_FEEDS)
async def test_what_is_no_feed(shared: Small, path: str) -> None:
    assert (await fetch(shared.api, f"/feeds/{path}")).status_code == 404


async def test_only_reading_is_allowed(shared: Small) -> None:
    assert (await shared.api.http.post("/feeds/small.atom")).status_code == 405
    answer = await shared.api.http.head("/feeds/small.atom")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_crowd_costs_one_reading(own: Small) -> None:
    async with own.api.database.connect() as connection:
        await fresh(own.api, "/feeds/small.atom")
        await connection.execute("UPDATE privacy.platform SET name = 'Other' WHERE slug = 'small'")
        answers = await asyncio.gather(*(fetch(own.api, "/feeds/small.atom") for _ in range(20)))
        assert len({answer.content for answer in answers}) == 1
        assert b"Small" in answers[0].content
        assert b"Other" in (await fresh(own.api, "/feeds/small.atom")).content


async def test_a_platform_without_a_template_has_an_empty_feed(own: Small) -> None:
    async with own.api.database.connect() as connection:
        await connection.execute(
            "INSERT INTO privacy.platform (slug, name, domain, website_url, privacy_url)"
            " VALUES ('bare', 'Bare', 'example.com', 'https://example.com', 'https://example.com/privacy')"
        )
    head, entries = parse((await fetch(own.api, "/feeds/bare.atom")).content)
    assert (head["updated"], entries) == ("1970-01-01T00:00:00Z", [])


async def test_a_feed_has_an_end(own: Small) -> None:
    async with own.api.database.connect() as connection:
        await connection.execute(
            "INSERT INTO privacy.template (platform_id, version, structure_hash, setting_count, state, summary, activated_at)"
            " SELECT p.id, 100 + n, sha256(n::text::bytea), 1, 'RETIRED', 'Old.', now() - n * interval '1 day'"
            " FROM privacy.platform AS p CROSS JOIN generate_series(1, 60) AS n WHERE p.slug = 'small'"
        )
    _, entries = parse((await fetch(own.api, "/feeds/small.atom")).content)
    assert len(entries) == MAX_ENTRIES


@given(st.text(), st.text(), st.text())
def test_any_text_is_well_formed(label: str, summary: str, host: str) -> None:
    """Labels are of people and curators, the address of whoever asks."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    entry = Entry(f"urn:uuid:{UUID(int=1)}", plain(label) or "x", "https://example.com", moment, moment, plain(summary) or "x",
                  plain(label) or "x", ["a"])  # fmt: skip
    feed = Feed(f"urn:uuid:{UUID(int=2)}", "Title", "x", None, [entry])
    url = "http://" + host.encode("utf-8", "ignore").decode()
    _, (found,) = parse(atom(feed, url))
    assert found["title"] == (plain(label) or "x")
    assert json.loads(json_feed(feed, url))["items"][0]["summary"] == (plain(summary) or "x")
