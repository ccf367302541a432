"""Migrations: yoyo and plain SQL, wrapped so that a kill at any moment needs no repair by hand.

yoyo gives the order, the transaction and its tables; what it lacks is added here. One run at a time holds a session
advisory lock (polled, never waited for: a waiting session would stop CREATE INDEX CONCURRENTLY in the other). The
first act of each migration's transaction takes a second lock, because the backend of a killed run works on for a
while and keeps what it locked. The last act writes the ledger. A migration without a transaction takes its own path:
one IF [NOT] EXISTS statement that may safely run twice, an invalid index of a failed attempt removed first.

The URL's role becomes ``fivefold_owner`` when it connects; session locks and start-up options need a direct
connection, not a pooler in transaction mode. Inside a migration ``search_path`` is pg_catalog alone: a name without
its schema fails instead of landing somewhere.

Every function takes ``folder`` for other migrations than the house's and raises ``SetupError`` with one sentence.
"""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import MigrationStep

from app.kit.bootstrap import PROVEN
from app.kit.errors import SetupError
from app.kit.migration import ledger
from app.kit.migration.files import Migration, Script, read
from app.kit.migration.ledger import release
from app.kit.migration.locks import Lock
from app.kit.migration.review import FileReview, Finding, Review, StatementReview, review_files, show, squawk

__all__ = [
    "Check", "FileReview", "Finding", "Lock", "Planned", "Releases", "Review", "StatementReview", "Status", "Step",
    "down", "pending", "plan", "release", "releases", "review", "show", "squawk", "status", "up", "verify",
]  # fmt: skip

_RUN, _TRANSACTION = 5_502_735_001, 5_502_735_002  # advisory locks of this database: one run, one migration
_POLL = 0.1  # seconds
_RETRIES = (1.0, 2.0, 4.0, 8.0)  # seconds to wait after a lock timeout or a deadlock
_GUARDED = re.compile(rf"CREATE OR REPLACE TRIGGER |DROP TABLE (?:{'|'.join(map(re.escape, PROVEN))})\b", re.I)
"""What the guard of the audit lets nobody do by hand, and files of before have not asked for."""
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\S+) ON (?:ONLY )?(\S+?)\.", re.I)


@dataclass(frozen=True)
class Planned:
    """One migration of the plan; ``pending`` is None when no database was asked."""

    id: str
    phase: str
    headers: dict[str, str]
    depends: tuple[str, ...]
    transactional: bool
    minimum_release: str | None
    pending: bool | None


@dataclass(frozen=True)
class Status:
    """One migration of the folder or the ledger; ``state`` is pending, ok, or what differs, in one sentence."""

    id: str
    phase: str
    applied_at: datetime | None
    applied_by: str | None
    state: str


@dataclass(frozen=True)
class Step:
    """Progress of ``up`` and ``down``.

    Stages: waiting (another run holds the lock), begin, statement (before each; ``number`` of ``total``), retry,
    recorded (the ledger is written, the transaction still open), committed, done.
    """

    id: str
    direction: str  # up or down
    stage: str
    number: int = 0
    total: int = 0


@dataclass(frozen=True)
class Check:
    """The result of verifying one applied migration; ``message`` says what failed."""

    id: str
    passed: bool
    message: str = ""


@dataclass(frozen=True)
class Releases:
    """What ``serve`` must know: pending ids by phase, applied ids that this code does not know, and what they ask."""

    pending_pre: list[str]
    pending_post: list[str]
    unknown: list[str]
    minimum_release: str | None

    @property
    def too_old(self) -> bool:
        """Whether an applied migration demands a newer release than this one."""
        return self.minimum_release is not None and _numbers(release()) < _numbers(self.minimum_release)


OnStep = Callable[[Step], None]


def plan(folder: Path | None = None, url: str | None = None) -> list[Planned]:
    """The migrations in their order, checked; with a URL also which of them are pending there."""
    applied = ledger.entries(url) if url else None
    return [
        Planned(
            id=migration.id,
            phase=migration.phase,
            headers=migration.headers,
            depends=migration.depends,
            transactional=migration.transactional,
            minimum_release=migration.minimum_release,
            pending=None if applied is None else migration.id not in applied,
        )
        for migration in read(folder)
    ]


def pending(url: str, folder: Path | None = None) -> list[str]:
    """The ids that ``up`` would apply, in order."""
    applied = ledger.entries(url)
    return [migration.id for migration in read(folder) if migration.id not in applied]


def status(url: str, folder: Path | None = None) -> list[Status]:
    """Every migration of the folder, then those that only the ledger knows."""
    migrations, applied = read(folder), ledger.entries(url)
    rows = []
    for migration in migrations:
        entry = applied.pop(migration.id, None)
        state = ledger.drift(migration, entry) or "ok" if entry else "pending"
        at, by = (entry.applied_at, entry.applied_by) if entry else (None, None)
        rows.append(Status(migration.id, migration.phase, at, by, state))
    for entry in applied.values():
        phase = "post" if "_post_" in entry.id else "pre"
        rows.append(Status(entry.id, phase, entry.applied_at, entry.applied_by, str(ledger.drift(None, entry))))
    return rows


def releases(url: str, folder: Path | None = None) -> Releases:
    """What stands between this code and that database; reads only, as any of the login roles."""
    migrations, applied = read(folder), ledger.entries(url)
    waiting = [migration for migration in migrations if migration.id not in applied]
    unknown = sorted(applied.keys() - {migration.id for migration in migrations})
    asked = [minimum for id_ in unknown if (minimum := applied[id_].minimum_release)]
    return Releases(
        pending_pre=[migration.id for migration in waiting if migration.phase == "pre"],
        pending_post=[migration.id for migration in waiting if migration.phase == "post"],
        unknown=unknown,
        minimum_release=max(asked, key=_numbers, default=None),
    )


def review(url: str | None = None, folder: Path | None = None) -> list[Review]:
    """For each pending migration (every one without a URL): its SQL, the locks it takes, what the linters say."""
    migrations = read(folder)
    applied = ledger.entries(url) if url else {}
    return review_files([migration for migration in migrations if migration.id not in applied], migrations)


def up(
    url: str,
    *,
    until: str | None = None,
    phase: str | None = None,
    on_step: OnStep | None = None,
    folder: Path | None = None,
) -> list[str]:
    """Apply what is pending, up to and including ``until``, or only one ``phase``; returns the ids applied now."""
    migrations = read(folder)
    if until and until not in {migration.id for migration in migrations}:
        raise SetupError(f"There is no migration {until}.")
    done: list[str] = []
    with _session(url, migrations, "up", on_step) as (backend, applied):
        for migration in migrations:
            if migration.id not in applied and phase in (None, migration.phase):
                if missing := [other for other in migration.depends if other not in applied and other not in done]:
                    raise SetupError(f"{migration.id} depends on {missing[0]}, which is not applied yet.")
                _run(url, backend, migration, "up", on_step)
                done.append(migration.id)
            if migration.id == until:
                break
    return done


def down(url: str, to: str | None = None, *, on_step: OnStep | None = None, folder: Path | None = None) -> list[str]:
    """Roll back the last applied migration, or everything from the last one down to and including ``to``."""
    migrations = read(folder)
    done: list[str] = []
    with _session(url, migrations, "down", on_step) as (backend, applied):
        if to is not None and to not in applied:
            raise SetupError(f"Migration {to} is not applied, so there is nothing to roll back.")
        for migration in reversed(migrations):
            if migration.id in applied:
                _run(url, backend, migration, "down", on_step)
                done.append(migration.id)
                if to in (None, migration.id):
                    break
    return done


def verify(url: str, folder: Path | None = None) -> list[Check]:
    """Check every applied migration: digests of its files, then its assertions, each in a read-only transaction.

    An assertion passes when it raises nothing and, if it returns rows, at least one and only true values.
    """
    known = {migration.id: migration for migration in read(folder)}
    checks = []
    ledger.check_owner(url)
    with ledger.become_owner(url) as connection:
        for entry in ledger.fetch(connection).values():
            migration = known.get(entry.id)
            problem = ledger.drift(migration, entry)
            if problem is None and migration is not None and migration.verify is not None:
                problem = _assert(connection, migration.verify)
            checks.append(Check(entry.id, problem is None, problem or ""))
    return checks


def _assert(connection: psycopg.Connection[Any], script: Script) -> str | None:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute("SET LOCAL search_path = pg_catalog")
            for statement in script.statements:
                cursor = connection.execute(statement.text.encode())
                rows = cursor.fetchall() if cursor.description else [(True,)]
                if not rows or not all(value is True for row in rows for value in row):
                    return f"{script.path.name}, line {statement.first}: {'not true' if rows else 'no row'}."
    except psycopg.Error as error:
        return f"{script.path.name}, line {statement.first}: {_told(error)}."
    return None


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo's backend on our connection, with its tables in schema migration."""

    def connect(self, dburi: DatabaseURI) -> psycopg.Connection[Any]:
        self.schema = "migration"
        return ledger.become_owner(dburi.args["url"])

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """yoyo's columns; its own way fails for a user without a name and waits for a name server."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": os.environ.get("USER") or str(os.getuid()),
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


@contextmanager
def _session(
    url: str, migrations: list[Migration], direction: str, on_step: OnStep | None
) -> Iterator[tuple[_Backend, dict[str, ledger.Entry]]]:
    """Hold the run's lock, with yoyo's tables in order and no drift; gives the backend and what is applied."""
    ledger.check_owner(url)
    uri = DatabaseURI("postgresql+psycopg", None, None, None, None, "", {"url": url})
    with _Backend(uri, "_yoyo_migration") as backend:
        connection: psycopg.Connection[Any] = backend.connection
        try:
            _take_lock(connection, "pg_try_advisory_lock", _RUN, Step("", direction, "waiting"), on_step)
            ledger.create(connection)
            backend.create_lock_table()
            backend.break_lock()  # the advisory lock is the lock: a row left there is of a killed run
            backend.ensure_internal_schema_updated()
            applied = ledger.fetch(connection)
            ledger.refuse_drift(migrations, applied)
            _repair(backend, migrations, applied)
        except psycopg.Error as error:
            raise SetupError(f"The migration tables cannot be used: {_told(error)}.") from error
        yield backend, applied


def _repair(backend: _Backend, migrations: list[Migration], applied: dict[str, ledger.Entry]) -> None:
    """Make yoyo's table say what the ledger says."""
    marked = set(backend.get_applied_migration_hashes())
    backend.mark_migrations([m.source for m in migrations if m.id in applied and m.source.hash not in marked])
    backend.unmark_migrations([m.source for m in migrations if m.id not in applied and m.source.hash in marked])


def _run(url: str, backend: _Backend, migration: Migration, direction: str, on_step: OnStep | None) -> None:
    """Apply or roll back one migration, again after a lock timeout, then tell yoyo's tables."""
    for attempt, delay in enumerate((*_RETRIES, None), start=1):
        try:
            _tell(on_step, migration.id, direction, "begin")
            if migration.transactional:
                _run_in_transaction(backend, migration, direction, on_step)
            else:
                _run_alone(url, migration, direction, on_step)
            break
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if delay is None:
                raise _failure(migration, direction, error) from error
            _tell(on_step, migration.id, direction, "retry", attempt, len(_RETRIES))
            time.sleep(delay)
        except psycopg.Error as error:
            raise _failure(migration, direction, error) from error
    _tell(on_step, migration.id, direction, "committed")
    try:
        backend.log_migration(migration.source, "apply" if direction == "up" else "rollback")
        with backend.transaction():
            change = backend.mark_one if direction == "up" else backend.unmark_one
            change(migration.source, log=False)
    except psycopg.Error as error:
        raise SetupError(f"{migration.id} is complete, but the connection broke after it: {_told(error)}.") from error
    _tell(on_step, migration.id, direction, "done")


def _run_in_transaction(backend: _Backend, migration: Migration, direction: str, on_step: OnStep | None) -> None:
    def work(connection: psycopg.Connection[Any]) -> None:
        waiting = Step(migration.id, direction, "waiting")
        _take_lock(connection, "pg_try_advisory_xact_lock", _TRANSACTION, waiting, on_step)
        connection.execute("SET LOCAL search_path = pg_catalog")
        _execute(connection, migration, direction, on_step)

    # one step for all statements: yoyo would put each into a savepoint, and print what a SELECT returns
    migration.source.steps = [MigrationStep(0, work, work)]
    with backend.copy() as other:
        migration.source.process_steps(other, "apply" if direction == "up" else "rollback")


def _run_alone(url: str, migration: Migration, direction: str, on_step: OnStep | None) -> None:
    with ledger.become_owner(url) as connection:
        waiting = Step(migration.id, direction, "waiting")
        _take_lock(connection, "pg_try_advisory_lock", _TRANSACTION, waiting, on_step)
        connection.execute("SET search_path = pg_catalog")
        script = migration.up if direction == "up" else migration.rollback
        if match := _INDEX.match(script.statements[0].code):
            broken = connection.execute(
                "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_index AS i"
                " JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                " WHERE NOT i.indisvalid AND c.relname = %s AND n.nspname = %s",
                (match[1].strip('"'), match[2].strip('"')),
            ).fetchone()
            if broken:
                connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {broken[0]}".encode())
        _execute(connection, migration, direction, on_step)


def _execute(connection: psycopg.Connection[Any], migration: Migration, direction: str, on_step: OnStep | None) -> None:
    """The statements in the file's order, then the ledger."""
    script = migration.up if direction == "up" else migration.rollback
    started = time.monotonic()
    for number, statement in enumerate(script.statements, start=1):
        _tell(on_step, migration.id, direction, "statement", number, len(script.statements))
        try:
            with _guard_told(connection, statement.code):
                connection.execute(statement.text.encode())
        except psycopg.Error as error:
            error.add_note(f"{script.path.name}, line {statement.first}")
            raise
    if direction == "up":
        ledger.write(connection, migration, int((time.monotonic() - started) * 1000))
    else:
        ledger.erase(connection, migration.id)
    _tell(on_step, migration.id, direction, "recorded")


@contextmanager
def _guard_told(connection: psycopg.Connection[Any], code: str) -> Iterator[None]:
    """Tell the guard that a statement is of a migration, where it would refuse it otherwise; and of none that follows."""
    if not _GUARDED.match(code):
        yield
        return
    said = "SELECT set_config('fivefold.audit_ddl', %s, true)"
    before = connection.execute("SELECT current_setting('fivefold.audit_ddl', true)").fetchone()
    connection.execute(said, ("allowed",))
    yield
    connection.execute(said, ((before and before[0]) or "",))


def _take_lock(connection: psycopg.Connection[Any], function: str, key: int, waiting: Step, on_step: OnStep | None) -> None:
    told = False
    while connection.execute(f"SELECT {function}(%s)".encode(), (key,)).fetchone() != (True,):
        if on_step and not told:
            on_step(waiting)
            told = True
        time.sleep(_POLL)


def _tell(on_step: OnStep | None, id_: str, direction: str, stage: str, number: int = 0, total: int = 0) -> None:
    if on_step:
        on_step(Step(id_, direction, stage, number, total))


def _failure(migration: Migration, direction: str, error: psycopg.Error) -> SetupError:
    """One sentence; where rolling back failed as well because the connection is gone, the first error counts."""
    first: BaseException = error
    while not getattr(first, "__notes__", None) and isinstance(first.__context__, psycopg.Error):
        first = first.__context__
    where = (getattr(first, "__notes__", None) or [migration.id])[0]
    kept = "nothing of it was kept" if migration.transactional else "it may be run again"
    return SetupError(f"{where}: {_told(first)} ({kept}).")


def _told(error: BaseException) -> str:
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (message or str(error).strip().splitlines()[0]).rstrip(".")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])
