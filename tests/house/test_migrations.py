"""Every migration: there and back again without a trace, reviewed, and taking the locks that it says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import psycopg
import pytest

from app.kit import bootstrap, migrate
from app.kit.embedded import Embedded, program
from app.kit.migration.files import REQUIRED, Migration, Script, read
from app.kit.migration.locks import MODES, UNKNOWN, Catalog, Lock, locks


@cache
def migrations() -> list[Migration]:
    """All of them, in order."""
    return read()


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all files takes a fifth of a second, and here it would be done five hundred times."""
    monkeypatch.setattr(migrate, "read", lambda folder=None: migrations())


@pytest.fixture(scope="module")
def url(server: Embedded) -> str:
    """The migrator's address of a database that bootstrap has made, and nobody else uses."""
    bootstrap.run(server.url("house_migrations"))
    return server.url("house_migrations", "fivefold_migrator")


def dump(server: Embedded, database: str) -> str:
    """All objects with owners, grants and comments, without the ledger and without what differs from run to run."""
    words = [str(program("pg_dump")), "--schema-only", "--exclude-schema=migration", server.url(database)]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.M)


def test_each_goes_up_and_down_without_a_trace(server: Embedded, url: str) -> None:
    """Each comes twice: had the second time made something else, the next one's way down would not lead to ``before``."""
    bare = before = dump(server, "house_migrations")
    for migration in migrations():
        assert migrate.up(url, until=migration.id) == [migration.id]
        assert [check for check in migrate.verify(url) if not check.passed] == []
        after = dump(server, "house_migrations")
        assert after != before, f"{migration.id} changes nothing"
        assert migrate.down(url) == [migration.id]
        assert dump(server, "house_migrations") == before, f"{migration.id}, or the one before, leaves or takes too much"
        assert migrate.up(url, until=migration.id) == [migration.id]
        before = after
    assert dump(server, "house_migrations") == before, "the last one makes something else the second time"
    migrate.down(url, migrations()[0].id)
    assert dump(server, "house_migrations") == bare


def test_the_header_is_complete() -> None:
    for migration in migrations():
        assert list(migration.headers)[: len(REQUIRED)] == list(REQUIRED), migration.id
        for field in REQUIRED:
            assert re.fullmatch(r"\S.*[.]", migration.headers[field]), f"{migration.id}: {field} is a sentence"
    assert [migration.id for migration in migrations() if not migration.depends] == [migrations()[0].id]


def test_a_migration_stays_in_its_schema() -> None:
    """Though a product's trigger may listen to a table of the core."""
    for migration in migrations():
        module = migration.id.split("_")[3]
        made = re.findall(
            r"^(?:CREATE|ALTER|DROP) (?:TABLE|SCHEMA|FUNCTION) ([a-z_]+)(?!.*ENABLE ALWAYS TRIGGER)", migration.up.text, re.M
        )
        assert set(made) <= {module}, migration.id


def test_a_table_is_commented_where_it_is_made() -> None:
    for migration in migrations():
        for table in re.findall(r"^CREATE TABLE (\S+)", migration.up.text, re.M):
            comment = rf"^COMMENT ON TABLE {re.escape(table)} IS '(owned|shared|identity|system)\. \S"
            assert re.search(comment, migration.up.text, re.M), table


def test_the_review_finds_nothing_unexplained() -> None:
    assert migrate.squawk(), "squawk is not installed"
    reviews = migrate.review()
    assert len(reviews) == len(migrations())
    assert [finding for review in reviews for finding in review.unexplained] == []


def test_every_explanation_explains_something() -> None:
    """A reason without a finding would hide the next one."""
    scripts = {script.path.name: script for migration in migrations() for script in (migration.up, migration.rollback)}
    for review in migrate.review():
        for file in (review.up, review.rollback):
            for statement in scripts[file.file].statements:
                found = {finding.rule for finding in file.findings if statement.first <= finding.line <= statement.last}
                assert statement.allowed.keys() <= found, f"{file.file}, line {statement.first}"


def test_locks_are_those_that_the_review_prints(server: Embedded) -> None:
    """Each file runs in a transaction. What it locks of the relations that were there before is what the review told;
    of a rollback it may tell more, because tables may refer to others that later migrations brought."""
    bootstrap.run(server.url("house_locks"))
    catalog = Catalog.of(migrations())
    problems = []
    with psycopg.connect(
        server.url("house_locks"), options="-c role=fivefold_owner -c fivefold.audit_ddl=allowed"
    ) as connection:
        for script in [m.up for m in migrations()] + [m.rollback for m in reversed(migrations())]:
            taken, told = run(connection, script), strong((lock.relation, lock.mode) for lock in flat(script, catalog))
            if not taken.items() <= told.items() or (taken != told and not script.path.name.endswith(".rollback.sql")):
                problems.append(f"{script.path.name}: takes {taken}, the review says {told}")
    assert problems == []


def run(connection: psycopg.Connection[Any], script: Script) -> dict[str, str]:
    """Run a file in one transaction; the strongest lock on each table that was there before, a partition's as its parent's."""
    before = dict(connection.execute(RELATIONS).fetchall())
    connection.commit()
    taken = []
    for statement in script.statements:
        connection.execute(statement.text.encode())
        taken += [(before[oid], mode) for oid, mode in connection.execute(LOCKS).fetchall() if oid in before]
    connection.commit()
    return strong(taken)


def flat(script: Script, catalog: Catalog) -> Iterator[Lock]:
    """The locks of all statements of a file, as far as its text tells them."""
    return (lock for found in locks(script, catalog) for lock in found if lock.mode != UNKNOWN)


def strong(taken: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The strongest lock on each relation, of those that stop a reader, a writer or other maintenance."""
    found: dict[str, str] = {}
    for relation, mode in sorted(taken, key=lambda pair: MODES.index(pair[1])):
        if MODES.index(mode) > MODES.index("ROW EXCLUSIVE"):
            found[relation] = mode
    return found


RELATIONS = (
    "SELECT c.oid::int8, coalesce(i.inhparent, c.oid)::regclass::text FROM pg_class AS c"
    " LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid WHERE c.relkind IN ('r', 'p', 'v', 'm')"
    " AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"
)
LOCKS = (
    "SELECT relation::int8, trim(upper(regexp_replace(replace(mode, 'Lock', ''), '([A-Z])', ' \\1', 'g')))"
    " FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted"
)


def test_the_header_tells_the_locks() -> None:
    """By mode and relation, or that there are none."""
    catalog = Catalog.of(migrations())
    for migration in migrations():
        header = migration.headers["Locks"]
        told = strong((lock.relation, lock.mode) for lock in flat(migration.up, catalog))
        assert [pair for pair in told.items() if not all(word in header for word in pair)] == [], migration.id
        assert bool(told) is not header.startswith("none on "), migration.id
