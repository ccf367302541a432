"""The ledger: what was applied, with the digest of both files, by whom, and by which release.

Its row is written inside the migration's own transaction, so it is there exactly when the migration is. yoyo's own
tables beside it are written afterwards and put right from the ledger when a kill came in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg

from app.kit.bootstrap import LOGINS, OWNER, connect
from app.kit.errors import SetupError
from app.kit.migration.files import Migration

# idle limits would cut our lock's session while a long migration runs on another
_SESSION = {"idle_session_timeout": "0", "idle_in_transaction_session_timeout": "0", "transaction_timeout": "0"}

_TABLE = f"""
CREATE TABLE IF NOT EXISTS migration.ledger (
    id              text        PRIMARY KEY,
    sha256          bytea       NOT NULL,
    rollback_sha256 bytea       NOT NULL,
    applied_by      text        NOT NULL DEFAULT session_user,
    applied_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms     bigint      NOT NULL,
    app_release     text        NOT NULL,
    minimum_release text
);
COMMENT ON TABLE migration.ledger IS 'What was applied; written by fivefold migrate inside each migration.';
GRANT SELECT ON migration.ledger TO {", ".join(LOGINS)}
"""


@dataclass(frozen=True)
class Entry:
    """One row."""

    id: str
    sha256: bytes
    rollback_sha256: bytes
    applied_by: str
    applied_at: datetime
    minimum_release: str | None


def release() -> str:
    """The release of this program; 0.0.0 where it runs without having been installed."""
    try:
        return version("fivefold")
    except PackageNotFoundError:
        return "0.0.0"


def check_owner(url: str) -> None:
    """``SetupError`` where bootstrap has not run or the URL's role may not become the owner."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT to_regrole(%(owner)s) IS NOT NULL AND to_regnamespace('migration') IS NOT NULL, session_user,"
            " (SELECT pg_has_role(oid, 'SET') FROM pg_roles WHERE rolname = %(owner)s)",
            {"owner": OWNER},
        ).fetchone()
        assert row is not None
        if not row[0]:
            raise SetupError("The database roles or the schema migration are missing: run fivefold bootstrap.")
        if not row[2]:
            raise SetupError(
                f"Role {row[1]} may not become {OWNER}: migrate with the login fivefold_migrator or an administrator."
            )


def become_owner(url: str) -> psycopg.Connection[Any]:
    """A connection of the URL's role that acts as the owner."""
    return connect(url, role=OWNER, **_SESSION)


def create(connection: psycopg.Connection[Any]) -> None:
    """Make the ledger where it is missing; the connection is the owner's."""
    if connection.execute("SELECT to_regclass('migration.ledger') IS NULL AS missing").fetchone() == (True,):
        with connection.transaction():
            connection.execute(_TABLE)


def entries(url: str) -> dict[str, Entry]:
    """The ledger by id; any of the login roles may ask. Empty before the first migration."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT to_regnamespace('migration') IS NOT NULL,"
            " (SELECT pg_has_role(oid, 'SET') FROM pg_roles WHERE rolname = %s)",
            (OWNER,),
        ).fetchone()
        if not row or not row[0]:
            raise SetupError("The database roles or the schema migration are missing: run fivefold bootstrap.")
        if row[1]:
            connection.execute(f"SET ROLE {OWNER}")
        try:
            return fetch(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise SetupError(
                "The role of the database URL may not read migration.ledger: use one of Fivefold's logins."
            ) from None


def fetch(connection: psycopg.Connection[Any]) -> dict[str, Entry]:
    """As ``entries``, over a connection that may read it."""
    if connection.execute("SELECT to_regclass('migration.ledger') IS NULL AS missing").fetchone() == (True,):
        return {}
    rows = connection.execute(
        "SELECT id, sha256, rollback_sha256, applied_by, applied_at, minimum_release FROM migration.ledger ORDER BY id"
    )
    return {row[0]: Entry(*row) for row in rows}


def write(connection: psycopg.Connection[Any], migration: Migration, milliseconds: int) -> None:
    """Record a migration; harmless when it is recorded already, as after a kill of one without a transaction."""
    connection.execute(
        "INSERT INTO migration.ledger (id, sha256, rollback_sha256, duration_ms, app_release, minimum_release)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
        (
            migration.id,
            migration.up.sha256,
            migration.rollback.sha256,
            milliseconds,
            release(),
            migration.minimum_release,
        ),
    )


def erase(connection: psycopg.Connection[Any], id_: str) -> None:
    """Forget a migration that was rolled back."""
    connection.execute("DELETE FROM migration.ledger WHERE id = %s", (id_,))


def drift(migration: Migration | None, entry: Entry) -> str | None:
    """What is wrong between an entry and its files, in one sentence; None when nothing is."""
    if migration is None:
        return f"{entry.id} was applied, but this code has no {entry.id}.sql: it is older, or the file was removed."
    for script, recorded in ((migration.up, entry.sha256), (migration.rollback, entry.rollback_sha256)):
        if script.sha256 != recorded:
            return f"{script.path.name} was changed after it had been applied: restore it and write a new migration."
    return None


def refuse_drift(migrations: list[Migration], applied: dict[str, Entry]) -> None:
    """Raise ``SetupError`` for the first applied migration whose files are not what was applied."""
    known = {migration.id: migration for migration in migrations}
    for id_, entry in applied.items():
        if problem := drift(known.get(id_), entry):
            raise SetupError(problem)
