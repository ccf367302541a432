"""Bootstrap: idempotent, without superuser where it can be, and a guard that keeps the audit standing."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.kit import bootstrap
from app.kit.embedded import Embedded, program
from app.kit.errors import SetupError

# the audit as a migration builds it, many steps between the table and its last protection
AUDIT = """
CREATE SCHEMA core;
CREATE TABLE core.audit_event (workspace_id uuid, id uuid, note text, PRIMARY KEY (workspace_id, id))
    PARTITION BY RANGE (id);
CREATE TABLE core.audit_detail (event_id uuid, detail text);
CREATE FUNCTION core.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
    AS $$ BEGIN RAISE EXCEPTION 'append-only' USING ERRCODE = '42501'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_event
    FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.audit_event EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_detail
    FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.audit_event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.audit_event ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only;
CREATE FUNCTION core.create_audit_partition(name text, low uuid, high uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    EXECUTE format('CREATE TABLE core.%I (LIKE core.audit_event INCLUDING DEFAULTS)', name);
    EXECUTE format('ALTER TABLE core.%I ADD CONSTRAINT bound CHECK (id >= %L AND id < %L)', name, low, high);
    EXECUTE format('ALTER TABLE core.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.%I '
        'EXECUTE FUNCTION core.refuse_change()', name);
    EXECUTE format('ALTER TABLE core.%I ENABLE ALWAYS TRIGGER append_only_truncate', name);
    EXECUTE format('ALTER TABLE core.audit_event ATTACH PARTITION core.%I FOR VALUES FROM (%L) TO (%L)',
        name, low, high);
    EXECUTE format('ALTER TABLE core.%I DROP CONSTRAINT bound', name);
END $$;
CREATE SCHEMA scans;
CREATE TABLE scans.access (id uuid, note text);
CREATE FUNCTION scans.keep_access() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
    AS $$ BEGIN RAISE EXCEPTION 'append-only' USING ERRCODE = '42501'; END $$;
CREATE FUNCTION core.record() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER append_only BEFORE UPDATE ON scans.access FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_delete BEFORE DELETE ON scans.access FOR EACH ROW EXECUTE FUNCTION scans.keep_access();
CREATE TRIGGER audit_insert AFTER INSERT ON scans.access FOR EACH ROW EXECUTE FUNCTION core.record();
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER append_only_delete;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_insert;
GRANT USAGE ON SCHEMA core TO fivefold_worker;
GRANT EXECUTE ON FUNCTION core.create_audit_partition(text, uuid, uuid) TO fivefold_worker;
"""
LOW, MIDDLE, HIGH = (f"{digit}0000000-0000-0000-0000-000000000000" for digit in "012")


@pytest.fixture
def database(server: Embedded) -> Iterator[str]:
    """The name of a new database that bootstrap has made."""
    name = f"bootstrap_{uuid.uuid4().hex}"
    bootstrap.run(server.url(name))
    yield name
    _one(server.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def owner(server: Embedded, database: str) -> Iterator[psycopg.Connection[Any]]:
    """The owner's connection to it, with the audit built."""
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute("SET ROLE fivefold_owner")
        connection.execute(AUDIT.encode())
        with psycopg.connect(server.url(database, "fivefold_worker"), autocommit=True) as worker:
            worker.execute("SELECT core.create_audit_partition('audit_event_1', %s, %s)", (LOW, MIDDLE))
        yield connection


def _one(url: str, *statements: str) -> Any:
    """Run the statements; the value that the last one returns, if any."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_makes_database_roles_and_settings(server: Embedded, database: str) -> None:
    url = server.url(database)
    assert _one(url, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()") == "fivefold_owner"
    assert _one(url, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    logins = _one(
        url,
        "SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^fivefold_' AND rolcanlogin",
    )
    assert logins == sorted(bootstrap.LOGINS)
    for login in bootstrap.LOGINS:
        mine = server.url(database, login)
        assert _one(mine, "SHOW timezone") == "UTC"
        assert _one(mine, "SELECT has_schema_privilege('migration', 'USAGE')") is True
        for table in ("TABLE public.mine", "TEMPORARY TABLE mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                _one(mine, "SET default_transaction_read_only = off", f"CREATE {table} (x int)")
    assert _one(server.url(database, "fivefold_api"), "SHOW statement_timeout") == "15s"
    assert _one(server.url(database, "fivefold_auditor"), "SHOW default_transaction_read_only") == "on"


def test_strangers_may_not_connect(server: Embedded, database: str) -> None:
    _one(server.url(), "CREATE ROLE bootstrap_stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _one(server.url(database, "bootstrap_stranger"), "SELECT 1")


def test_only_the_migrator_may_become_the_owner_and_only_by_asking(server: Embedded, database: str) -> None:
    assert _one(server.url(database, "fivefold_migrator"), "SELECT pg_has_role('fivefold_owner', 'USAGE')") is False
    assert _one(server.url(database, "fivefold_migrator"), "SELECT pg_has_role('fivefold_owner', 'SET')") is True
    assert _one(server.url(database, "fivefold_migrator"), "SELECT pg_has_role('fivefold_definer', 'SET')") is True
    for login in set(bootstrap.LOGINS) - {"fivefold_migrator"}:
        assert _one(server.url(database, login), "SELECT pg_has_role('fivefold_owner', 'MEMBER')") is False


def test_again_changes_nothing(server: Embedded, database: str) -> None:
    dump = [str(program("pg_dumpall")), "-d", server.url(), "--schema-only", "--restrict-key=same"]
    before = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    again = bootstrap.run(server.url(database))
    assert subprocess.run(dump, capture_output=True, text=True, check=True).stdout == before
    assert not [line for line in again if "created" in line or "skipped" in line]


def test_printed_script_does_the_same(server: Embedded, tmp_path: Path) -> None:
    with Embedded.start(tmp_path / "other", durable=False) as other:
        script = "\n\n".join(bootstrap.statements("Odd 'name' 100%"))
        assert "\\password" in script
        assert "PASSWORD '" not in script
        for _ in range(2):
            words = [str(program("psql")), other.url(), "-v", "ON_ERROR_STOP=1", "-qf", "-"]
            told = subprocess.run(words, input=script, text=True, capture_output=True)
            assert told.returncode == 0, told.stderr
        dump = [str(program("pg_dumpall")), "--schema-only", "--restrict-key=same", "-d"]
        printed = subprocess.run([*dump, other.url()], capture_output=True, text=True, check=True).stdout
        assert not [line for line in bootstrap.run(other.url("Odd 'name' 100%")) if "created" in line]
        assert subprocess.run([*dump, other.url()], capture_output=True, text=True, check=True).stdout == printed


def test_without_superuser(tmp_path: Path) -> None:
    with Embedded.start(tmp_path / "managed", durable=False) as managed:
        _one(managed.url(), "CREATE ROLE managed_admin LOGIN CREATEROLE CREATEDB")
        url = managed.url("fivefold", "managed_admin")
        first = bootstrap.run(url)
        assert "created role fivefold_owner (NOLOGIN)" in first
        assert [line for line in first if line.startswith("skipped")] == [
            "skipped the event triggers that guard the audit: only a superuser may make them"
        ]
        bootstrap.run(url)
        assert _one(url, "SET ROLE fivefold_owner", "CREATE SCHEMA core", "SELECT current_user::text") == "fivefold_owner"
        assert _one(managed.url("fivefold", "fivefold_migrator"), "SELECT pg_has_role('fivefold_owner', 'SET')") is True
        # a later visit by a superuser adds what was missing
        assert "created event trigger fivefold_guard_drop" in bootstrap.run(managed.url("fivefold"))


def test_database_that_belongs_to_somebody_else(server: Embedded) -> None:
    _one(server.url(), "CREATE ROLE bootstrap_somebody LOGIN", "CREATE DATABASE theirs OWNER bootstrap_somebody")
    bootstrap.run(server.url("theirs"))
    question = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'migration'"
    assert _one(server.url("theirs"), question) == "fivefold_owner"
    assert _one(server.url("theirs", "fivefold_migrator"), "SET ROLE fivefold_owner", "CREATE SCHEMA core") is None


def test_role_that_may_not_gets_one_sentence(server: Embedded, database: str) -> None:
    with pytest.raises(SetupError, match=r"may not do this .* permission denied"):
        bootstrap.run(server.url(database, "fivefold_api"))
    with pytest.raises(SetupError, match="database of its own, not postgres"):
        bootstrap.run(server.url("postgres"))
    _one(server.url(), "CREATE ROLE bootstrap_nothing LOGIN")
    with pytest.raises(SetupError, match=r"may not do this .*: permission denied"):
        bootstrap.run(server.url("bootstrap_never_made", "bootstrap_nothing"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://me:hidden@127.0.0.1:1/x",
            "Cannot connect to database x on 127.0.0.1:1 as me: Connection refused.",
        ),
        ("postgresql+asyncpg://me:hidden@127.0.0.1/x", "The database URL cannot be read"),
        ("hidden", "The database URL cannot be read"),
        ("postgresql://me:hidden@127.0.0.1/", "names no database|Cannot connect"),
        ("postgresql://me:hidden@127.0.0.1/x?nonsense=1", "The database URL cannot be read"),
    ],
)
def test_bad_urls_are_one_sentence_without_the_password(url: str, said: str) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        bootstrap.run(url)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


ATTACKS = [
    "DROP TABLE core.audit_event",
    "DROP TABLE core.audit_event_1",
    "DROP TABLE core.audit_detail",
    "DROP SCHEMA core CASCADE",
    "DROP FUNCTION core.refuse_change() CASCADE",
    "DROP TRIGGER append_only ON core.audit_event",
    "DROP TRIGGER append_only_truncate ON core.audit_event_1",
    "DROP TRIGGER append_only ON core.audit_detail",
    "DROP OWNED BY fivefold_owner CASCADE",
    "ALTER TABLE core.audit_event DISABLE TRIGGER append_only",
    "ALTER TABLE core.audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE core.audit_event ENABLE TRIGGER ALL",
    "ALTER TABLE core.audit_event_1 DISABLE TRIGGER append_only_truncate",
    "ALTER TABLE core.audit_event_1 ENABLE REPLICA TRIGGER append_only_truncate",
    "ALTER TABLE core.audit_detail ENABLE TRIGGER append_only",
    "ALTER TABLE core.audit_detail DISABLE TRIGGER USER",
    "ALTER TABLE core.audit_event DETACH PARTITION core.audit_event_1",
    "ALTER TABLE core.audit_event DETACH PARTITION core.audit_event_1 CONCURRENTLY",
    "ALTER TABLE core.audit_event RENAME TO other",
    "ALTER TABLE core.audit_event_1 RENAME TO other",
    "ALTER TABLE core.audit_detail SET SCHEMA public",
    "ALTER SCHEMA core RENAME TO other",
    "ALTER TABLE core.audit_event DROP COLUMN note",
    "CREATE OR REPLACE FUNCTION core.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE RULE quiet AS ON INSERT TO core.audit_event DO INSTEAD NOTHING",
    "DO $$ BEGIN ALTER TABLE core.audit_detail DISABLE TRIGGER ALL; END $$",
    "DROP TABLE scans.access",
    "DROP SCHEMA scans CASCADE",
    "CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE ON core.audit_event FOR EACH ROW EXECUTE FUNCTION core.record()",
    "CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE ON scans.access FOR EACH ROW EXECUTE FUNCTION core.record()",
    "CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access FOR EACH ROW EXECUTE FUNCTION core.refuse_change()",
    "DROP TRIGGER append_only ON scans.access",
    "DROP TRIGGER audit_insert ON scans.access",
    "DROP FUNCTION scans.keep_access() CASCADE",
    "ALTER TABLE scans.access DISABLE TRIGGER append_only_delete",
    "ALTER TABLE scans.access DISABLE TRIGGER USER",
    "ALTER TABLE scans.access ENABLE TRIGGER audit_insert",
    "ALTER TABLE scans.access RENAME TO other",
    "ALTER TABLE scans.access SET SCHEMA core",
    "ALTER SCHEMA scans RENAME TO other",
    "ALTER TABLE scans.access DROP COLUMN note",
    "ALTER TABLE scans.access ALTER COLUMN note TYPE integer USING 1",
    "CREATE OR REPLACE FUNCTION scans.keep_access() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "CREATE TRIGGER swallow BEFORE INSERT ON scans.access FOR EACH ROW EXECUTE FUNCTION core.record()",
    "CREATE RULE quiet AS ON INSERT TO scans.access DO INSTEAD NOTHING",
    "DROP SCHEMA guard CASCADE",
    "ALTER EVENT TRIGGER fivefold_guard_drop DISABLE",
    "SET event_triggers = off",
]


def test_every_attack_on_the_audit_is_refused(owner: psycopg.Connection[Any]) -> None:
    state = "SELECT array_agg((tgrelid::regclass, tgname, tgenabled)::text ORDER BY oid) FROM pg_trigger"
    before = owner.execute(state.encode()).fetchone()
    through = []
    for attack in ATTACKS:
        try:
            owner.execute(attack.encode())
            through.append(attack)
        except psycopg.errors.InsufficientPrivilege:
            pass
    assert through == []
    assert owner.execute(state.encode()).fetchone() == before
    assert owner.execute("SELECT count(*) FROM pg_inherits WHERE inhdetachpending").fetchone() == (0,)


def test_guard_holds_for_a_superuser_in_replica_role(server: Embedded, database: str, owner: Any) -> None:
    with psycopg.connect(server.url(database), autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("DROP TABLE core.audit_detail")


def test_a_guard_of_before_hears_of_more_after_a_later_visit(server: Embedded, database: str) -> None:
    heard = "SELECT evttags FROM pg_event_trigger WHERE evtname = 'fivefold_guard_before'"
    made = "CREATE EVENT TRIGGER fivefold_guard_before ON ddl_command_start WHEN TAG IN ('ALTER TABLE')"
    now = _one(server.url(database), heard)
    _one(server.url(database), "DROP EVENT TRIGGER fivefold_guard_before", f"{made} EXECUTE FUNCTION guard.protect_audit()")
    bootstrap.run(server.url(database))
    assert _one(server.url(database), heard) == now
    assert "CREATE TRIGGER" in now


def test_rollback_of_a_migration_may(owner: psycopg.Connection[Any]) -> None:
    with owner.transaction():
        owner.execute("SET LOCAL fivefold.audit_ddl = 'allowed'")
        owner.execute("ALTER TABLE core.audit_event DETACH PARTITION core.audit_event_1")
        owner.execute("DROP SCHEMA core, scans CASCADE")
    owner.execute(AUDIT.encode())  # and the flag is gone with its transaction
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("DROP TABLE core.audit_detail")


def test_partition_maker_and_other_changes_pass(server: Embedded, database: str, owner: psycopg.Connection[Any]) -> None:
    with psycopg.connect(server.url(database, "fivefold_worker"), autocommit=True) as worker:
        worker.execute("SELECT core.create_audit_partition('audit_event_2', %s, %s)", (MIDDLE, HIGH))
    enabled = (
        "SELECT array_agg(DISTINCT tgenabled::text), count(*) FROM pg_trigger WHERE tgrelid = 'core.audit_event_2'::regclass"
    )
    assert owner.execute(enabled).fetchone() == (["A"], 2)
    for change in (
        "CREATE TABLE core.other (x int)",
        "CREATE TRIGGER refused BEFORE DELETE ON core.other FOR EACH ROW EXECUTE FUNCTION core.refuse_change()",
        "ALTER TABLE core.other DISABLE TRIGGER refused",
        "ALTER TABLE core.other RENAME TO renamed",
        "DROP TABLE core.renamed",
        "ALTER TABLE core.audit_event ADD COLUMN more text",
        "COMMENT ON TABLE core.audit_event IS 'more'",
        "CREATE INDEX ON core.audit_event (note)",
        "CREATE OR REPLACE FUNCTION core.free() RETURNS int LANGUAGE sql RETURN 1",
        "ALTER FUNCTION core.free() STABLE",
        "DROP FUNCTION core.free()",
        "CREATE OR REPLACE FUNCTION core.record() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER later AFTER INSERT ON scans.access FOR EACH ROW EXECUTE FUNCTION core.record()",
        "ALTER TABLE scans.access ADD CONSTRAINT access_note_length CHECK (length(note) < 9)",
        "ALTER TABLE scans.access DROP CONSTRAINT access_note_length",
        "ALTER TABLE scans.access ADD CONSTRAINT access_pkey PRIMARY KEY (id)",
        "CREATE TABLE scans.outcome (id uuid REFERENCES scans.access (id))",
        "DROP TABLE scans.outcome",
    ):
        owner.execute(sql.SQL(change))
