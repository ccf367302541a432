"""What the tests of the privacy product share: a small platform whose page changed once, and an API on it for a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.kit.embedded import Embedded
from app.kit.graphql import global_id
from tests.conftest import Api, copy_of
from tests.factory.core import Person
from tests.factory.kit import serving
from tests.factory.privacy import ACTIVATE, START, choice, load_files, template_of, toggle, write_platform, write_template

CONFIG_DAY = 100
"""The second config of the small platform is valid from so many days after START."""

FIRST = [
    toggle("ads"),
    toggle("history", risk=90),
    choice("audience", ["Everyone", "Friends", "Only me"], risk=70),
    choice("keep", ["For ever", "A year", "A month"], type="select", risk=20),
    toggle("gone", risk=10),
]
"""Version 1: what the small platform's settings page held."""

SECOND = [
    toggle("ads", default="off"),
    toggle("history", risk=90),
    choice("audience", ["everyone", "Friends", "Only  me"], risk=70),
    choice("keep", ["For ever", "A year", "A month", "A day"], type="select", risk=20, default="A year"),
    toggle("news", risk=30),
]
"""Version 2: a default flipped, words changed, an option and another default came, a setting went and one came."""


@dataclass(frozen=True)
class Small:
    """The small platform, both of whose templates were active once; the second is."""

    api: Api
    ada: Person
    curator: Person
    first: dict[str, Any]
    second: dict[str, Any]

    async def person(self) -> Person:
        """Somebody new."""
        return await self.api.person(f"person-{len(self.api.people)}")

    def __repr__(self) -> str:
        return "Small()"  # what failing examples show


async def make_small(api: Api, data: Path) -> Small:
    """Load the small platform as time went by."""
    ada, curator = await api.person("ada"), await api.person("curator", curator=True)
    moments = ["2026-01-01T00:00:00Z", (START + timedelta(days=CONFIG_DAY)).isoformat()]
    write_platform(data, "small", FIRST, configs=moments)
    await load_files(api.database, data)
    first = await template_of(api, ada.token, "small")
    write_template(data, "small", 2, SECOND)
    await load_files(api.database, data)
    async with api.database.connect() as connection:
        second = await connection.fetchval("SELECT id FROM privacy.template WHERE summary = 'Version 2.'")
    answer = await api(ACTIVATE, {"id": global_id("Template", str(second))}, token=curator.token)
    assert answer.data["activateTemplate"]["template"]["version"] == 2
    return Small(api, ada, curator, first, await template_of(api, ada.token, "small"))


@pytest.fixture
async def own(api: Api, tmp_path: Path) -> Small:
    """The small platform in a database of the test's own: for what changes templates and configs."""
    return await make_small(api, tmp_path / "curated")


@pytest.fixture(scope="module")
async def shared(
    server: Embedded, template: str, jwt_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Small]:
    """The small platform in a database for the module: for refusals, and for examples that bring links of their own."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            yield await make_small(api, tmp_path_factory.mktemp("curated"))


@pytest.fixture
async def small(shared: Small) -> Small:
    """The same, with a person who has no link yet."""
    return replace(shared, ada=await shared.person())
