"""What all tests share: one PostgreSQL server for the session, a database of its own for each test, the API on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import httpx
import psycopg
import pytest
from psutil import virtual_memory  # type: ignore[import-untyped]  # the wheel of PostgreSQL brings it

from app import seed
from app.kit import bootstrap, log, migrate
from app.kit.db import open_as
from app.kit.embedded import Embedded
from app.kit.token import KeyRing, create_key
from app.kit.vault import create_key as create_vault_key
from app.server import create_app
from app.settings import Settings
from tests.factory.cluster import Cluster
from tests.factory.core import Person, create_person
from tests.house.code import statements
from tests.recorder import Recorder

log.configure("json")
_keys = TemporaryDirectory(prefix="fivefold-keys-")
create_vault_key(Path(_keys.name) / "vault.key")
os.environ["FIVEFOLD_VAULT_KEYS"] = f"{_keys.name}/vault.key"
"""Every Settings() finds it, those of other processes too."""
_numbers = count(1)
_recorder = Recorder()
_recorder.install()

_SHARED_MEMORY, _FOLDER, _ROOM = Path("/dev/shm"), "fivefold-tests", 3 << 30  # noqa: S108 - made with mode 0700

LONGEST = {"canary", "chaos", "extension", "frontend", "jobs", "migrations", "replica", "retention", "scan", "year"}
"""Files with a test of many seconds: by ``--no-loadscope-reorder`` processes get files in the order that they have here."""

_FULL = pytest.StashKey[bool]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files whose tests take longest begin, so that no process has one left when the others are done.

    And whether all tests run: all is every test of every file, those marked slow apart.
    """
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONGEST)
    option, by_name = config.getoption, any("::" in argument for argument in config.args)
    narrowed = option("keyword") or option("markexpr") not in ("", "not slow") or option("lf", None) or option("deselect")
    everywhere = {item.path for item in items} >= set(Path(__file__).parent.rglob("test_*.py"))
    config.stash[_FULL] = everywhere and not narrowed and not by_name


def pytest_testnodedown(node: Any) -> None:
    """A process of ``pytest -n`` has ended: what it ran counts as run here."""
    told = getattr(node, "workeroutput", {})
    _recorder.texts.update(told.get("statements", ()))
    _recorder.fields.update(tuple(field) for field in told.get("fields", ()))
    node.config.stash[_FULL] = told.get("full", False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """When all tests ran: fail for statements and lines that none ran in its own process, and fields that no plan answered."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput |= {
            "statements": sorted(_recorder.texts),
            "fields": sorted(_recorder.fields),
            "full": config.stash.get(_FULL, False),
        }
    elif config.stash.get(_FULL, False) and session.exitstatus == pytest.ExitCode.OK:
        missing = [*sorted(_recorder.missing(statements())), *_recorder.unplanned()]
        if missing:
            config.get_terminal_writer().write("\nno test ran:\n    " + "\n    ".join(missing) + "\n")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def rows_are_as_declared() -> Iterator[None]:
    """Fail the test in which a row came that is not what its class says."""
    yield
    problems, _recorder.problems = _recorder.problems, []
    assert problems == []


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for clusters, in memory where that has room: a database has a thousand files, and hundreds are made."""
    left = list(_SHARED_MEMORY.glob(f"{_FOLDER}-*")) if _SHARED_MEMORY.is_dir() else []
    for folder in left:  # of sessions that were killed
        if not Path(f"/proc/{folder.name.split('-')[-1]}").exists():
            rmtree(folder, ignore_errors=True)
    if not _SHARED_MEMORY.is_dir() or min(disk_usage(_SHARED_MEMORY).free, virtual_memory().available) < _ROOM:
        yield tmp_path_factory.mktemp("postgres")
        return
    folder = _SHARED_MEMORY / f"{_FOLDER}-{os.getpid()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(memory: Path) -> Iterator[Embedded]:
    """A fresh cluster for the whole session, fast and not safe."""
    with Embedded.start(memory / "server", durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def jwt_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that signs the tokens of all tests."""
    path = tmp_path_factory.mktemp("keys") / "jwt.pem"
    create_key(path)
    return path


@pytest.fixture(scope="session")
def vault_key() -> Path:
    """The key that seals the secrets of all tests."""
    return Path(os.environ["FIVEFOLD_VAULT_KEYS"])


@pytest.fixture(scope="session")
async def template(server: Embedded) -> str:
    """A database with roles, migrations and curated files, to be copied for each test."""
    url = server.url("fivefold_template")
    bootstrap.run(url)
    migrate.up(url)
    await seed.load_curated(url)
    return "fivefold_template"


@dataclass(frozen=True)
class Database:
    """A database of its own; ``url`` by login role."""

    name: str
    server: Embedded | Cluster

    def url(self, user: str = "postgres") -> str:
        """The address for a role; postgres is the administrator."""
        return self.server.url(self.name, user)

    @asynccontextmanager
    async def connect(self, user: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
        """A plain connection as a role, with no identity declared."""
        connection = await asyncpg.connect(self.url(user))
        try:
            yield connection
        finally:
            await connection.close()


@contextmanager
def copy_of(server: Embedded | Cluster, template: str) -> Iterator[Database]:
    """A copy of a database, dropped at the end."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER fivefold_owner STRATEGY file_copy".encode())
    yield Database(name, server)
    with psycopg.connect(server.url(), autocommit=True) as connection:  # another: servers restart in some tests
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database(server: Embedded, template: str) -> Iterator[Database]:
    """A copy of the template, dropped after the test."""
    with copy_of(server, template) as copy:
        yield copy


@pytest.fixture(scope="session")
def house(server: Embedded, template: str) -> Iterator[Database]:
    """A copy of the template for questions only: nobody writes there."""
    with copy_of(server, template) as copy:
        yield copy


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: dict[str, Any]
    headers: httpx.Headers

    @property
    def data(self) -> Any:
        """The data of an answer without errors."""
        assert "errors" not in self.body, self.body["errors"]
        return self.body["data"]

    @property
    def codes(self) -> list[str]:
        """The codes of its errors, in order."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]

    @property
    def code(self) -> str:
        """The code of its one error."""
        (code,) = self.codes
        return str(code)


@dataclass
class Api:
    """The API, called as a front end would."""

    http: httpx.AsyncClient
    database: Database
    keys: KeyRing
    people: dict[str, Person] = field(default_factory=dict)

    async def __call__(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """POST a document; ``headers`` by name with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=sent)
        return Answer(response.status_code, response.json(), response.headers)

    async def person(self, name: str = "ada", *, curator: bool = False, plan: str = "enterprise") -> Person:
        """A person with account and personal workspace; the same one for the same name."""
        if name not in self.people:
            async with open_as(self.database.url(), "fivefold_owner") as (_, db):
                self.people[name] = await create_person(db, self.keys, f"{name}@example.com", curator=curator, plan=plan)
        return self.people[name]


@pytest.fixture
async def api(database: Database, jwt_key: Path) -> AsyncIterator[Api]:
    """The API on a database of its own."""
    settings = Settings(
        database_url=database.url("fivefold_api"),
        jwt_keys=[jwt_key],
        allowed_origins=["http://localhost:*"],
        pool_size=20,
        password_memory_mib=8,
        password_rounds=1,
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        yield Api(http, database, KeyRing([jwt_key]))
