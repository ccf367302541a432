"""Platform configs: what curators publish reaches extensions, so nothing hostile may get in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import Answer, Api
from tests.factory.privacy import PUBLISH, api_key, load_files, nothing_written, write_platform
from tests.privacy.conftest import FIRST, SECOND, Small

ACTIVE = """
query Active($slug: String!) { platform(slug: $slug) { activeConfig { id version validFrom urlPatterns selectors } } }
"""


def config(**other: Any) -> dict[str, Any]:
    """The input of publishPlatformConfig."""
    return {
        "platformSlug": "google",
        "urlPatterns": ["https://myaccount.google.com/*"],
        "selectors": {"web_and_app_activity": '[role="switch"]'},
        "validFrom": "2026-11-01T00:00:00Z",
        "idempotencyKey": str(uuid4()),
    } | other


async def publish(api: Api, token: str, **other: Any) -> Answer:
    return await api(PUBLISH, {"input": config(**other)}, token=token)


async def active(api: Api, token: str, slug: str = "google") -> dict[str, Any]:
    found: dict[str, Any] = (await api(ACTIVE, {"slug": slug}, token=token)).data["platform"]["activeConfig"]
    return found


async def test_a_version_is_valid_from_its_moment(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    first = await active(api, curator.token)
    made = (await publish(api, curator.token)).data["publishPlatformConfig"]["config"]
    assert made["version"] == first["version"] + 1
    assert made["selectors"] == {"web_and_app_activity": '[role="switch"]'}
    assert await active(api, curator.token) == made
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = (await publish(api, curator.token, validFrom=tomorrow)).data["publishPlatformConfig"]["config"]
    assert later["version"] == made["version"] + 1
    assert await active(api, curator.token) == made


async def test_a_version_says_how_often_the_platform_bears_being_asked(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    query = '{ platform(slug: "google") { activeConfig { rateLimit { requestsPerMinute cooldownMinutes } } } }'

    async def limits() -> dict[str, int]:
        found: dict[str, int] = (await api(query, token=curator.token)).data["platform"]["activeConfig"]["rateLimit"]
        return found

    assert await limits() == {"requestsPerMinute": 60, "cooldownMinutes": 15}, "that of the curated file"
    await publish(api, curator.token)
    assert await limits() == {"requestsPerMinute": 30, "cooldownMinutes": 15}, "that of a version which says nothing"
    given = {"requestsPerMinute": 10_000, "cooldownMinutes": 0}
    await publish(api, curator.token, validFrom="2026-11-02T00:00:00Z", rateLimit=given)
    assert await limits() == given


async def test_the_same_key_is_one_version(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    given = config()
    answers = await asyncio.gather(*(api(PUBLISH, {"input": given}, token=curator.token) for _ in range(8)))
    assert {answer.data["publishPlatformConfig"]["config"]["version"] for answer in answers} == {2}
    other = await api(PUBLISH, {"input": given | {"selectors": {"a": "#b"}}}, token=curator.token)
    assert other.code == "IDEMPOTENCY_CONFLICT"


async def test_versions_published_at_once_have_numbers_of_their_own(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    days = [f"2026-10-{day:02}T00:00:00Z" for day in range(1, 9)]
    answers = await asyncio.gather(*(publish(api, curator.token, validFrom=day) for day in days))
    assert sorted(a.data["publishPlatformConfig"]["config"]["version"] for a in answers) == list(range(2, 10))


async def test_two_cannot_begin_at_one_moment(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    await publish(api, curator.token)
    async with nothing_written(api):
        answer = await publish(api, curator.token)
    assert answer.code == "BAD_INPUT"
    assert answer.body["errors"][0]["extensions"]["field"] == "validFrom"


async def test_only_curators_publish(api: Api) -> None:
    ada, curator = await api.person(), await api.person("curator", curator=True)
    key = await api_key(api, curator.token, "snapshots:write", "privacy:read")
    async with nothing_written(api):
        for token in (ada.token, key):
            assert (await publish(api, token)).code == "FORBIDDEN"


DEEP: dict[str, Any] = {"a": "#b"}
for _ in range(300):
    DEEP = {"a": DEEP}

HOSTILE: list[tuple[str, dict[str, Any], str]] = [
    ("plain http", {"urlPatterns": ["http://myaccount.google.com/*"]}, "urlPatterns"),
    ("javascript", {"urlPatterns": ["javascript:alert(1)"]}, "urlPatterns"),
    ("javascript behind https", {"urlPatterns": ["https://a.example/*", "javascript:alert(1)//https://"]}, "urlPatterns"),
    ("data", {"urlPatterns": ["data:text/html,<script>"]}, "urlPatterns"),
    ("file", {"urlPatterns": ["file:///etc/passwd"]}, "urlPatterns"),
    ("every scheme", {"urlPatterns": ["*://myaccount.google.com/*"]}, "urlPatterns"),
    ("every page", {"urlPatterns": ["<all_urls>"]}, "urlPatterns"),
    ("every host", {"urlPatterns": ["https://*/*"]}, "urlPatterns"),
    ("every host of a top level", {"urlPatterns": ["https://*.com*/*"]}, "urlPatterns"),
    ("no host", {"urlPatterns": ["https://"]}, "urlPatterns"),
    ("no path", {"urlPatterns": ["https://myaccount.google.com"]}, "urlPatterns"),
    ("credentials", {"urlPatterns": ["https://google.com@evil.example/*"]}, "urlPatterns"),
    ("a blank", {"urlPatterns": ["https://a.example/a b"]}, "urlPatterns"),
    ("a line feed at the end", {"urlPatterns": ["https://a.example/*\n"]}, "urlPatterns"),
    ("a NUL in a pattern", {"urlPatterns": ["https://a.example/\0"]}, "urlPatterns"),
    ("no pattern", {"urlPatterns": []}, "urlPatterns"),
    ("51 patterns", {"urlPatterns": [f"https://a{n}.example/*" for n in range(51)]}, "urlPatterns"),
    ("a long pattern", {"urlPatterns": ["https://a.example/" + "a" * 500]}, "urlPatterns"),
    ("no selector", {"selectors": {}}, "selectors"),
    ("a list", {"selectors": ["#a"]}, "selectors"),
    ("a string", {"selectors": "#a"}, "selectors"),
    ("a number", {"selectors": 1}, "selectors"),
    ("a selector that is a number", {"selectors": {"a": 1}}, "selectors"),
    ("a selector that is null", {"selectors": {"a": None}}, "selectors"),
    ("a selector that is an object", {"selectors": {"a": {"script": "x"}}}, "selectors"),
    ("an empty selector", {"selectors": {"a": ""}}, "selectors"),
    ("a long selector", {"selectors": {"a": "x" * 501}}, "selectors"),
    ("almost a megabyte", {"selectors": {"a": "x" * 1_000_000}}, "selectors"),
    ("a key in capitals", {"selectors": {"A": "#a"}}, "selectors"),
    ("a prototype's key", {"selectors": {"__proto__": "#a"}}, "selectors"),
    ("a long key", {"selectors": {"a" * 64: "#a"}}, "selectors"),
    ("251 selectors", {"selectors": {f"k{n}": "#a" for n in range(251)}}, "selectors"),
    ("no request", {"rateLimit": {"requestsPerMinute": 0, "cooldownMinutes": 5}}, "rateLimit"),
    ("too many requests", {"rateLimit": {"requestsPerMinute": 10_001, "cooldownMinutes": 5}}, "rateLimit"),
    ("a cooldown into the past", {"rateLimit": {"requestsPerMinute": 1, "cooldownMinutes": -1}}, "rateLimit"),
    ("a cooldown of more than a week", {"rateLimit": {"requestsPerMinute": 1, "cooldownMinutes": 10_081}}, "rateLimit"),
    ("a moment before all of this", {"validFrom": "1970-01-01T00:00:00Z"}, "validFrom"),
]


@pytest.mark.parametrize(("other", "field"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
async def test_hostile_content_is_refused(shared: Small, other: dict[str, Any], field: str) -> None:
    async with nothing_written(shared.api):
        answer = await publish(shared.api, shared.curator.token, **other)
    assert answer.code == "BAD_INPUT"
    (error,) = answer.body["errors"]
    assert error["extensions"]["field"] == field
    assert field in error["message"]
    assert len(error["message"]) < 400


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"selectors": {"a": "#\0"}}, "BAD_INPUT"),
        ({"selectors": DEEP}, "BAD_INPUT"),
        ({"selectors": {"a": "x" * 10_000_000}}, "BAD_REQUEST"),
        ({"selectors": None}, "BAD_VARIABLES"),
        ({"urlPatterns": None}, "BAD_VARIABLES"),
        ({"urlPatterns": [1]}, "BAD_VARIABLES"),
        ({"urlPatterns": {"a": "https://a.example/*"}}, "BAD_VARIABLES"),
        ({"validFrom": "2026-11-01"}, "BAD_VARIABLES"),
        ({"validFrom": "2026-11-01T00:00:00"}, "BAD_VARIABLES"),
        ({"validFrom": 0}, "BAD_VARIABLES"),
        ({"rateLimit": {"requestsPerMinute": 1}}, "BAD_VARIABLES"),
        ({"rateLimit": {"requestsPerMinute": 1.5, "cooldownMinutes": 1}}, "BAD_VARIABLES"),
        ({"platformSlug": "no-such"}, "NOT_FOUND"),
        ({"platformSlug": "\0"}, "BAD_INPUT"),
        ({"idempotencyKey": ""}, "BAD_INPUT"),
        ({"idempotencyKey": "x" * 201}, "BAD_INPUT"),
        ({"script": "alert(1)"}, "BAD_VARIABLES"),
    ],
)
async def test_what_is_not_even_content_is_refused_as_such(shared: Small, other: dict[str, Any], code: str) -> None:
    async with nothing_written(shared.api):
        answer = await publish(shared.api, shared.curator.token, **other)
    assert answer.code == code


async def test_a_literal_number_of_any_size_is_refused(shared: Small) -> None:
    document = """mutation { publishPlatformConfig(input: {platformSlug: "google", urlPatterns: ["https://a.example/*"],
      selectors: {a: %s}, validFrom: "2026-11-02T00:00:00Z", idempotencyKey: "n"}) { config { version } } }"""
    for number in ("1", "9" * 400, "1e400"):
        async with nothing_written(shared.api):
            answer = await shared.api(document % number, token=shared.curator.token)
        assert answer.code == "BAD_INPUT"


@pytest.mark.parametrize(
    "pattern", ["https://*.google.com/*", "https://a.example/", "https://mail.google.com/mail/*", "https://a.example/ä?b=*"]
)
async def test_what_extensions_use_is_accepted(api: Api, pattern: str) -> None:
    curator = await api.person("curator", curator=True)
    made = (await publish(api, curator.token, urlPatterns=[pattern])).data["publishPlatformConfig"]["config"]
    assert made["urlPatterns"] == [pattern]


async def test_publishing_is_audited(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    await publish(api, curator.token)
    async with api.database.connect() as connection:
        row = await connection.fetchrow(
            "SELECT e.actor_id, d.detail -> 'selectors' AS selectors FROM core.audit_event e"
            " JOIN core.audit_detail d ON d.event_id = e.id"
            " WHERE e.object = 'privacy.platform_config' ORDER BY e.id DESC LIMIT 1"
        )
    assert row is not None
    assert row["actor_id"] == curator.account_id
    assert "web_and_app_activity" in row["selectors"]


async def test_files_and_curators_may_take_turns(own: Small, tmp_path: Path) -> None:
    """A version that a curator published takes a number that the next version of the file would have had."""
    made = await publish(own.api, own.curator.token, platformSlug="small", validFrom="2026-09-01T00:00:00Z")
    assert made.data["publishPlatformConfig"]["config"]["version"] == 3
    moments = ["2026-01-01T00:00:00Z", "2026-10-01T00:00:00Z"]
    write_platform(tmp_path / "other", "small", FIRST, SECOND, configs=moments)
    assert await load_files(own.api.database, tmp_path / "other") == ["small: config 4"]
    assert await load_files(own.api.database, tmp_path / "other") == []
    assert (await active(own.api, own.ada.token, "small"))["version"] == 4


async def test_the_database_refuses_who_is_no_curator(api: Api) -> None:
    ada, curator = await api.person(), await api.person("curator", curator=True)
    insert = """INSERT INTO privacy.platform_config (platform_id, version, valid_from, url_patterns, selectors)
        SELECT id, 99, now(), ARRAY['https://a.example/*'], '{}' FROM privacy.platform LIMIT 1"""
    for account, key in ((ada.account_id, ""), (curator.account_id, str(uuid4())), ("", "")):
        async with api.database.connect("fivefold_api") as connection:
            await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(account))
            await connection.execute("SELECT set_config('fivefold.api_key_id', $1, false)", key)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(insert)


@pytest.mark.parametrize("sql", ["UPDATE privacy.platform_config SET version = 9", "DELETE FROM privacy.platform_config"])
@pytest.mark.parametrize("user", ["fivefold_api", "fivefold_worker", "postgres"])
async def test_a_version_that_was_published_stays(api: Api, user: str, sql: str) -> None:
    async with api.database.connect(user) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)
