"""Platforms: the registry that extensions and people read."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from app.privacy import curated
from tests.conftest import Api
from tests.factory.privacy import api_key

PLATFORMS = """
query Platforms($first: Int!, $after: String) {
  platforms(first: $first, after: $after) {
    edges { cursor node { slug name domain websiteUrl privacyUrl activeTemplate { version } activeConfig { version } } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}
"""
SLUGS = ["anthropic", "facebook", "google", "linkedin", "openai"]


async def pages(api: Api, token: str, first: int) -> list[list[str]]:
    """The slugs, page by page."""
    found: list[list[str]] = []
    after: str | None = None
    while True:
        page = (await api(PLATFORMS, {"first": first, "after": after}, token=token)).data["platforms"]
        found.append([edge["node"]["slug"] for edge in page["edges"]])
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_the_curated_platforms_are_listed_by_slug(api: Api) -> None:
    ada = await api.person()
    page = (await api(PLATFORMS, {"first": 100, "after": None}, token=ada.token)).data["platforms"]
    nodes = [edge["node"] for edge in page["edges"]]
    assert [node["slug"] for node in nodes] == SLUGS
    files = {p.slug: p for p in curated.read()}
    for node in nodes:
        file = files[node["slug"]]
        assert (node["name"], node["domain"]) == (file.name, file.domain)
        assert (node["websiteUrl"], node["privacyUrl"]) == (file.website_url, file.privacy_url)
        assert node["activeTemplate"]["version"] == len(file.template)
        assert node["activeConfig"]["version"] == len(file.config)


@pytest.mark.parametrize("first", [1, 2, 4, 5, 100])
async def test_pages_hold_each_once(api: Api, first: int) -> None:
    ada = await api.person()
    found = await pages(api, ada.token, first)
    assert [slug for page in found for slug in page] == SLUGS
    assert all(len(page) == first for page in found[:-1])


@pytest.mark.parametrize("first", [-1, 0, 101])
async def test_a_page_has_1_to_100(api: Api, first: int) -> None:
    ada = await api.person()
    answer = await api(PLATFORMS, {"first": first, "after": None}, token=ada.token)
    assert answer.code == "BAD_PAGE_SIZE"


@pytest.mark.parametrize("slug", ["", "Google", "google ", "no-such", "g' OR true --", "x" * 100_000])
async def test_no_such_platform_is_null(api: Api, slug: str) -> None:
    ada = await api.person()
    answer = await api("query P($slug: String!) { platform(slug: $slug) { id } }", {"slug": slug}, token=ada.token)
    assert answer.data == {"platform": None}


async def test_a_nul_is_bad_input(api: Api) -> None:
    ada = await api.person()
    answer = await api("query P($slug: String!) { platform(slug: $slug) { id } }", {"slug": "a\0"}, token=ada.token)
    assert answer.code == "BAD_INPUT"


async def test_a_platform_is_a_node(api: Api) -> None:
    ada = await api.person()
    platform = (await api('{ platform(slug: "google") { id } }', token=ada.token)).data["platform"]
    query = "query N($id: ID!) { node(id: $id) { id ... on Platform { slug activeConfig { id } } } }"
    node = (await api(query, {"id": platform["id"]}, token=ada.token)).data["node"]
    assert (node["id"], node["slug"]) == (platform["id"], "google")
    query = "query N($id: ID!) { node(id: $id) { ... on PlatformConfig { version selectors } } }"
    config = (await api(query, {"id": node["activeConfig"]["id"]}, token=ada.token)).data["node"]
    assert config["version"] == 1
    assert config["selectors"]


async def test_an_extension_reads_what_it_needs_with_its_key(api: Api) -> None:
    ada = await api.person()
    key = await api_key(api, ada.token)
    assert await pages(api, key, 100) == [SLUGS]
    query = """{ platform(slug: "google") {
      activeTemplate { hash settings { key options } } activeConfig { version urlPatterns selectors } } }"""
    platform: dict[str, Any] = (await api(query, token=key)).data["platform"]
    assert platform["activeConfig"]["urlPatterns"]
    assert platform["activeConfig"]["selectors"].keys() == {s["key"] for s in platform["activeTemplate"]["settings"]}


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO privacy.platform (slug, name, domain, website_url, privacy_url) VALUES ('x', 'x', 'x', 'https://x', 'https://x')",
        "UPDATE privacy.platform SET slug = 'x'",
        "UPDATE privacy.platform SET website_url = 'https://example.com'",
        "DELETE FROM privacy.platform",
    ],
)
async def test_the_api_s_role_does_not_write_platforms(api: Api, sql: str) -> None:
    curator = await api.person("curator", curator=True)
    async with api.database.connect("fivefold_api") as connection:
        await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(curator.account_id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)


async def test_only_a_curator_renames_one(api: Api) -> None:
    """The right that locking the row asks for is given to nobody else."""
    ada = await api.person()
    async with api.database.connect("fivefold_api") as connection:
        await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(ada.account_id))
        assert await connection.execute("UPDATE privacy.platform SET name = 'Mine'") == "UPDATE 0"
