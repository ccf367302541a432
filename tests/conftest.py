"""What all tests share: one PostgreSQL server for the session, fast and not safe."""

from collections.abc import Iterator

import pytest

from app.kit.embedded import Embedded


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A fresh cluster for the whole session."""
    with Embedded.start(tmp_path_factory.mktemp("postgres"), durable=False) as running:
        yield running
