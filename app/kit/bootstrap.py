r"""What an administrator does once for a cluster and its database: roles, the database, its settings and guards.

Roles belong to the whole cluster, so no migration makes or drops them. Everything here may run again at any time: what
exists stays, what is missing is added. The text of every step comes from this file, for ``run`` and for the printed
psql script alike, so that a DBA who runs the script by hand gets the same result.

| role               | login | purpose |
|--------------------|-------|---------|
| fivefold_owner     | no    | owns schemas, tables and the partition maker; migrations act as this role |
| fivefold_definer   | no    | owns the audit functions; may only insert into the audit |
| fivefold_migrator  | yes   | may become the owner (SET), has none of its rights before (no INHERIT) |
| fivefold_api       | yes   | the API server |
| fivefold_worker    | yes   | the background jobs |
| fivefold_auditor   | yes   | reads the audit |

No superuser is needed, a role with CREATEROLE and CREATEDB will do, except for the event triggers: PostgreSQL lets only
superusers make those. They guard the audit against the owner's own mistakes: no drop, no detached partition, no rewrite, no
trigger before INSERT, and none that was ENABLE ALWAYS and is less afterwards, unless the transaction says
``SET LOCAL fivefold.audit_ddl = 'allowed'``.
Before and after each ALTER the triggers that fire always are compared, so that a migration may build the audit in as
many steps as it likes while nothing once protected can slip back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.kit.errors import SetupError

OWNER = "fivefold_owner"
LOGINS = ("fivefold_migrator", "fivefold_api", "fivefold_worker", "fivefold_auditor")
ROLES = {OWNER: "NOLOGIN", "fivefold_definer": "NOLOGIN", **dict.fromkeys(LOGINS, "LOGIN")}
PROVEN = ("scans.access", "scans.access_outcome")
"""Append-only tables outside of the audit whose rows it proves: guarded as it is."""
EVENT_TRIGGERS = ("fivefold_guard_drop", "fivefold_guard_rewrite", "fivefold_guard_before", "fivefold_guard_after")
MINIMUM_VERSION = 180000

_SETTINGS = {
    # a request that waits longer has lost its caller; an open transaction holds back vacuum and every sealer
    "fivefold_api": {
        "statement_timeout": "15s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "15s",
        "transaction_timeout": "60s",
    },
    "fivefold_worker": {
        "statement_timeout": "5min",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "60s",
    },
    "fivefold_auditor": {"statement_timeout": "5min", "default_transaction_read_only": "on"},
}
_NOT_OURS = {"postgres", "template0", "template1"}


@dataclass(frozen=True)
class _Step:
    """One statement: ``why`` is its comment and, unless the statement reports itself by NOTICE, its report."""

    why: str
    text: str
    reports: bool = False
    optional: bool = False


def connect(url: str, *, database: str | None = None, **options: str) -> psycopg.Connection[Any]:
    """Connect in autocommit mode to PostgreSQL 18 or newer; ``options`` are settings for the session.

    Raises ``SetupError`` with one sentence that names the host and the reason and never the password.
    """
    try:
        if "://" in url and urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise ValueError
        given = conninfo_to_dict(url)
    except (psycopg.ProgrammingError, ValueError):
        shape = "postgresql://user:password@host:5432/database"
        raise SetupError(f"The database URL cannot be read: it looks like {shape}.") from None
    settings = [f"-c {name}={_escape(value)}" for name, value in options.items()]
    joined = " ".join([str(given.get("options") or ""), *settings]).strip()
    values: dict[str, Any] = {"connect_timeout": 10, "application_name": "fivefold", **given}
    values |= {"dbname": database} if database else {}
    values |= {"options": joined} if joined else {}
    try:
        connection = psycopg.connect(make_conninfo(**values), autocommit=True)
    except psycopg.OperationalError as error:
        place = f"{given.get('host') or 'the local server'}:{given.get('port') or 5432}"
        who = given.get("user") or "you"
        what = f"Cannot connect to database {values.get('dbname') or who} on {place} as {who}"
        raise SetupError(f"{what}: {_reason(error)}.") from None
    if connection.info.server_version < MINIMUM_VERSION:
        found = connection.info.parameter_status("server_version")
        connection.close()
        raise SetupError(f"Fivefold needs PostgreSQL 18 or newer; this server is version {found}.")
    return connection


def statements(database: str) -> list[str]:
    """The whole work as a psql script, one entry per statement: readable by a DBA, runnable with ``psql -f``."""
    name = _quote(database)
    create = _create_database(database).text.replace("'", "''")
    told = (
        "-- Run with psql as a role that has CREATEROLE and CREATEDB; as a superuser for the event triggers as well.\n"
        "-- No password is set here. Where the server asks for one, give each login role its own, which psql hashes\n"
        "-- before it leaves the machine:  \\password fivefold_api"
    )
    exists = f"SELECT '{create}'\nWHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {_literal(database)}) \\gexec"
    become = (
        "SELECT format('SET ROLE %I', pg_get_userbyid(datdba))\nFROM pg_database WHERE datname = current_database() \\gexec"
    )
    return [
        told,
        *(_printed(step) for step in _cluster_steps()),
        f"-- {_create_database(database).why}\n{exists}",
        f"\\connect {name}",
        f"-- what follows is done as the owner of the database\n{become}",
        *(_printed(step) for step in _database_steps(database)),
        f"SET ROLE {OWNER};",
        *(_printed(step) for step in _schema_steps()),
        "RESET ROLE;",
        *(_printed(step) for step in _role_steps(database)),
        "-- only a superuser may do the rest; for others it fails, and all else works without it",
        *(_printed(step) for step in _guard_steps()),
    ]


def run(database_url: str) -> list[str]:
    """Do it, as the URL's role; create the URL's database where it is missing. Returns what was done, line by line."""
    try:
        database = str(conninfo_to_dict(database_url).get("dbname") or "")
    except psycopg.ProgrammingError:
        database = ""
    if not database:
        connect(database_url).close()  # says what is wrong with the URL, if it is the URL
        raise SetupError("The database URL names no database: it looks like postgresql://user@host:5432/database.")
    if database in _NOT_OURS:
        raise SetupError(f"Fivefold needs a database of its own, not {database}: name another one in the database URL.")
    done: list[str] = []
    _ensure_database(database_url, database, done)
    with connect(database_url) as connection:
        _perform(connection, _cluster_steps(), done)
        asked = connection.execute(
            "SELECT pg_get_userbyid(datdba), pg_has_role(datdba, 'SET') FROM pg_database WHERE datname = %s",
            (database,),
        ).fetchone()
        assert asked is not None
        owner, may = asked
        if not may:
            raise SetupError(
                f"Database {database} belongs to {owner}, which this role may not become: ask {owner} to run this."
            )
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
        _perform(connection, _database_steps(database), done)
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
        _perform(connection, _schema_steps(), done)
        connection.execute("RESET ROLE")
        _perform(connection, _role_steps(database), done)
        asked = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if asked and asked[0]:
            _perform(connection, _guard_steps(), done)
        else:
            done.append("skipped the event triggers that guard the audit: only a superuser may make them")
    return done


def _ensure_database(url: str, database: str, done: list[str]) -> None:
    try:
        connect(url).close()
        return
    except SetupError as error:
        missing = error
    try:
        connection = connect(url, database="postgres")
    except SetupError:
        raise missing from None
    with connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).rowcount:
            raise missing
        _perform(connection, _cluster_steps(), done)
        _perform(connection, [_create_database(database)], done)


def _perform(connection: psycopg.Connection[Any], steps: list[_Step], done: list[str]) -> None:
    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        if (diagnostic.message_primary or "").startswith("fivefold: "):
            done.append(str(diagnostic.message_primary).removeprefix("fivefold: "))

    connection.add_notice_handler(note)
    for step in steps:
        try:
            connection.execute(step.text.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            reason = error.diag.message_primary
            if not step.optional:
                raise SetupError(f"The role of the database URL may not do this ({step.why}): {reason}.") from None
            done.append(f"skipped ({step.why}): {reason}")
            continue
        if not step.reports:
            done.append(step.why)
    connection.remove_notice_handler(note)


def _cluster_steps() -> list[_Step]:
    roles = ",\n        ".join(f"('{name}', '{login}')" for name, login in ROLES.items())
    make = f"""
DO $do$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        {roles}) AS role (name, login)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.login);
            RAISE NOTICE 'fivefold: created role % (%)', wanted.name, wanted.login;
        END IF;
    END LOOP;
END
$do$"""
    grant = """
DO $do$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('fivefold_owner', 'fivefold_migrator'),
        ('fivefold_definer', 'fivefold_owner')) AS link (role, member)
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_auth_members
            WHERE roleid = wanted.role::regrole AND member = wanted.member::regrole AND set_option
        ) THEN
            EXECUTE format('GRANT %I TO %I WITH SET TRUE, INHERIT FALSE', wanted.role, wanted.member);
            RAISE NOTICE 'fivefold: % may become %', wanted.member, wanted.role;
        END IF;
    END LOOP;
    IF NOT pg_has_role('fivefold_owner', 'SET') THEN
        EXECUTE format('GRANT fivefold_owner TO %I WITH SET TRUE, INHERIT FALSE', current_user);
        RAISE NOTICE 'fivefold: % may become fivefold_owner', current_user;
    END IF;
END
$do$"""
    return [
        _Step("the roles", make, reports=True),
        _Step("who may become whom: an ability to SET ROLE, never inherited rights", grant, reports=True),
    ]


def _create_database(database: str) -> _Step:
    # the builtin locale sorts alike on every machine and in every release: no index breaks when libc is upgraded
    text = (
        f"CREATE DATABASE {_quote(database)} OWNER {OWNER} TEMPLATE template0 ENCODING 'UTF8' "
        "LOCALE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    )
    return _Step(f"created database {database}, owned by {OWNER}", text)


def _database_steps(database: str) -> list[_Step]:
    name, logins = _quote(database), ", ".join(LOGINS)
    # without this, a role that is no superuser could not come back: it does not inherit the owner's rights
    admit = f"""
DO $do$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
        EXECUTE format('GRANT CONNECT ON DATABASE {name.replace("%", "%%").replace("'", "''")} TO %I', session_user);
    END IF;
END
$do$"""
    return [
        _Step(f"nobody connects to {database} unless it is granted", f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
        _Step(f"may connect: {logins}", f"GRANT CONNECT ON DATABASE {name} TO {logins}"),
        _Step("may connect: the administrator", admit),
        _Step(f"{OWNER} may create schemas", f"GRANT CREATE, CONNECT ON DATABASE {name} TO {OWNER}"),
        _Step("times are shown in UTC", f"ALTER DATABASE {name} SET timezone = 'UTC'"),
        _Step("nothing can be made in schema public", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    ]


def _schema_steps() -> list[_Step]:
    return [
        _Step("schema migration: what was applied", "CREATE SCHEMA IF NOT EXISTS migration"),
        _Step("who may look there", f"GRANT USAGE ON SCHEMA migration TO {', '.join(LOGINS)}"),
    ]


def _role_steps(database: str) -> list[_Step]:
    return [
        _Step(
            f"{role}: {setting} {value}",
            f"ALTER ROLE {role} IN DATABASE {_quote(database)} SET {setting} = '{value}'",
            optional=True,
        )
        for role, settings in _SETTINGS.items()
        for setting, value in settings.items()
    ]


_GUARD = r"""
CREATE OR REPLACE FUNCTION guard.protect_audit() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = ''
AS $function$
DECLARE
    protected oid[];
    always    text[];
    culprit   text;
BEGIN
    IF current_setting('fivefold.audit_ddl', true) = 'allowed' THEN
        RETURN;
    END IF;

    IF TG_EVENT = 'sql_drop' THEN
        -- a detached partition loses the triggers that its parent gave it, so DETACH arrives here too
        SELECT gone.object_identity INTO culprit
        FROM pg_event_trigger_dropped_objects() AS gone
        WHERE gone.object_type IN ('table', 'table column', 'trigger')
            AND (
                gone.address_names[1] = 'core' AND gone.address_names[2] LIKE 'audit\_%'
                -- what checks the foreign key of another table goes with that
                OR gone.address_names[1] || '.' || gone.address_names[2] = ANY ({proven})
                    AND coalesce(gone.address_names[3], '') NOT LIKE 'RI\_ConstraintTrigger\_%'
            )
        LIMIT 1;
    ELSE
        SELECT array_agg(relation) INTO protected
        FROM (
            SELECT to_regclass('core.audit_detail')::oid
            UNION ALL
            SELECT to_regclass('core.audit_block')::oid
            UNION ALL
            SELECT to_regclass('core.audit_node')::oid
            UNION ALL
            SELECT to_regclass('core.audit_retirement')::oid
            UNION ALL
            SELECT to_regclass('core.audit_event')::oid
            UNION ALL
            SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('core.audit_event')
            UNION ALL
            -- by the catalogs, because whoever replaces a function may not use all schemas
            SELECT c.oid
            FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname || '.' || c.relname = ANY ({proven})
        ) AS audit (relation)
        WHERE relation IS NOT NULL;

        SELECT coalesce(array_agg(oid || ' on ' || tgrelid::regclass), '{}') INTO always
        FROM pg_trigger
        WHERE tgrelid = ANY (protected) AND NOT tgisinternal AND tgenabled = 'A';

        IF TG_EVENT = 'table_rewrite' THEN
            -- ALTER COLUMN .. TYPE .. USING writes every row anew and no row trigger fires
            SELECT relation::regclass::text INTO culprit
            FROM unnest(protected) AS relation
            WHERE relation = pg_event_trigger_table_rewrite_oid();
        ELSIF TG_EVENT = 'ddl_command_start' THEN
            PERFORM set_config('fivefold.audit_always', array_to_string(always, ','), true);
            -- it commits half way, before the end of the command could be refused, and always is a statement of its own
            IF current_query() ~* 'detach' AND current_query() ~* 'concurrently' AND current_query() ~* 'audit|u&' THEN
                culprit := 'a partition of core.audit_event';
            END IF;
        ELSIF TG_TAG IN ('ALTER TABLE', 'ALTER SCHEMA', 'CREATE TRIGGER') THEN
            -- CREATE OR REPLACE makes another trigger of one that was there, which does not fire always then
            SELECT 'trigger ' || gone INTO culprit
            FROM unnest(string_to_array(current_setting('fivefold.audit_always', true), ',')) AS gone
            WHERE gone <> ALL (always)
            LIMIT 1;
        END IF;
        IF TG_EVENT = 'ddl_command_end' AND culprit IS NULL AND TG_TAG NOT IN ('ALTER TABLE', 'ALTER SCHEMA') THEN
            SELECT object_identity INTO culprit
            FROM pg_event_trigger_ddl_commands() AS command
            -- a trigger before INSERT (4) could swallow every event to come
            WHERE EXISTS (
                SELECT FROM pg_trigger
                WHERE tgrelid = ANY (protected) AND (
                    tgfoid = command.objid AND (tgrelid::regclass::text <> ALL ({proven}) OR tgname LIKE 'append\_only%')
                    OR oid = command.objid AND tgtype & 4 > 0
                        AND (tgtype & 2 > 0 OR tgrelid::regclass::text <> ALL ({proven}))
                )
            )
                OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = ANY (protected) AND oid = command.objid)
            LIMIT 1;
        END IF;
    END IF;

    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION '% would weaken the audit: %', TG_TAG, culprit
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Only a rollback of its migration may, after SET LOCAL fivefold.audit_ddl = ''allowed''.';
    END IF;
END
$function$""".replace("{proven}", f"ARRAY[{', '.join(map(repr, PROVEN))}]")

_COMPARED = "'ALTER TABLE', 'ALTER SCHEMA', 'CREATE TRIGGER'"
_EVENTS = {
    "fivefold_guard_drop": ("sql_drop", ""),
    "fivefold_guard_rewrite": ("table_rewrite", ""),
    "fivefold_guard_before": ("ddl_command_start", _COMPARED),
    "fivefold_guard_after": (
        "ddl_command_end",
        f"{_COMPARED}, 'CREATE FUNCTION', 'ALTER FUNCTION', 'ALTER ROUTINE', 'CREATE RULE'",
    ),
}
"""What each hears of, and of which commands."""


def _guard_steps() -> list[_Step]:
    steps = [
        _Step("schema guard, out of the owner's reach", "CREATE SCHEMA IF NOT EXISTS guard"),
        _Step("the function that protects the audit", _GUARD),
    ]
    for name, (event, tags) in _EVENTS.items():
        heard = f" WHEN TAG IN ({tags})" if tags else ""
        make = f"""
DO $do$
BEGIN
    IF EXISTS (
        SELECT FROM pg_event_trigger
        WHERE evtname = '{name}' AND coalesce(evttags, '{{}}') <> ARRAY[{tags}]::text[]
    ) THEN
        DROP EVENT TRIGGER {name};
    END IF;
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = '{name}') THEN
        CREATE EVENT TRIGGER {name} ON {event}{heard}
            EXECUTE FUNCTION guard.protect_audit();
        RAISE NOTICE 'fivefold: created event trigger {name}';
    END IF;
END
$do$"""
        steps.append(_Step(f"event trigger {name}", make, reports=True))
        steps.append(_Step(f"{name} fires always", f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS"))
    return steps


def _printed(step: _Step) -> str:
    return f"-- {step.why}\n{step.text.strip()};"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) else name


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escape(value: str) -> str:
    """A value inside libpq's ``options``, where a space would end it."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _reason(error: Exception) -> str:
    """The last cause in libpq's several lines, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if "failed: " in line] or [str(error).strip().splitlines()[0]]
    return lines[0].rsplit("failed: ", 1)[-1].removeprefix("FATAL:").strip().rstrip(".")
