"""What the tests of the core share: one API for all tests of a file that leave no mark on each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.kit.embedded import Embedded
from tests.conftest import Api, copy_of
from tests.factory.kit import Lines, listen, serving


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
