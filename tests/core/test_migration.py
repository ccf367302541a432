"""Migrations: curators see what was applied, nobody else does."""

from __future__ import annotations

from app.kit.migration.files import read
from tests.conftest import Api
from tests.factory.privacy import api_key

MIGRATIONS = """
query Migrations($first: Int!, $after: String) {
  migrations(first: $first, after: $after) {
    edges { node { name release appliedAt milliseconds } } pageInfo { hasNextPage endCursor }
  }
}
"""


async def test_a_curator_sees_what_was_applied(api: Api) -> None:
    curator = await api.person("curator", curator=True)
    names: list[str] = []
    after, more = None, True
    while more:
        found = (await api(MIGRATIONS, {"first": 7, "after": after}, token=curator.token)).data["migrations"]
        names += [edge["node"]["name"] for edge in found["edges"]]
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    assert names == sorted((migration.id for migration in read()), reverse=True)


async def test_nobody_else_does(api: Api) -> None:
    ada, curator = await api.person("ada"), await api.person("curator", curator=True)
    for token in (ada.token, await api_key(api, curator.token, "privacy:read")):
        assert (await api(MIGRATIONS, {"first": 1}, token=token)).code == "FORBIDDEN"
