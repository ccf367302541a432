"""What the tests of the core share: one API for all tests of a file that leave no mark on each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.kit.embedded import Embedded
from tests.conftest import Api, copy_of
from tests.factory.journey import FRONT, PUBLIC, Browser, another, configs
from tests.factory.kit import Lines, listen, serving
from tests.factory.provider import TestProvider, running


@pytest.fixture(scope="module")
async def shared(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """The API on a database that the tests of one file share."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            yield api


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What the server logs, instead of standard error."""
    return listen(monkeypatch)


@pytest.fixture(scope="session")
def provider_server() -> Iterator[TestProvider]:
    """A provider that answers, for all tests."""
    with running() as started:
        yield started


@pytest.fixture
def provider(provider_server: TestProvider) -> TestProvider:
    """The same, as it is at first: whatever a test made of it is forgotten."""
    provider_server.reset()
    return provider_server


@pytest.fixture(scope="module")
async def site(server: Embedded, template: str, jwt_key: Path, provider_server: TestProvider) -> AsyncIterator[Api]:
    """The API with the provider set up in each of its kinds, on a database that the tests of one file share."""
    with copy_of(server, template) as database:
        origins = [FRONT, "http://localhost:*"]
        async with serving(
            database, jwt_key, providers=configs(provider_server), public_url=PUBLIC, allowed_origins=origins
        ) as api:
            yield api


@pytest.fixture
async def browser(site: Api, provider: TestProvider) -> AsyncIterator[Browser]:
    """A browser in which nobody is signed in anywhere."""
    async with another(site) as opened:
        yield opened
