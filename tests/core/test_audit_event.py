"""The audit: what changed, by whom, provable from SQL, and not to be altered by anyone who logs in, the owner included."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from app.core.audit_event import AuditAction, record_action
from app.kit.context import SYSTEM_ID
from app.kit.embedded import Embedded
from app.kit.graphql import global_id, parse_global_id
from tests.conftest import Api, Database, copy_of
from tests.factory.core import Person
from tests.factory.kit import db_of, inhabit, nodes_of, serving
from tests.factory.organization import ask, everyone
from tests.factory.privacy import link, record, scan, template_of

REFUSED = asyncpg.InsufficientPrivilegeError
NEEDED = (asyncpg.DependentObjectsStillExistError, asyncpg.FeatureNotSupportedError)
LOGINS = ("fivefold_api", "fivefold_worker", "fivefold_auditor", "fivefold_migrator")
POWERFUL = ("owner", "administrator", "administrator as replica")
EVENTS = """
{ auditEvents(first: 100) { edges { node {
  id action object objectId actorId apiKeyId requestId occurredAt detail commitment
} } pageInfo { hasNextPage } } }
"""
VERIFY = """
SELECT e.id, e.action, e.object, e.commitment = sha256(d.salt || convert_to(d.detail::text, 'UTF8')) AS proven
FROM core.audit_event AS e
LEFT JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id
"""
CLIENTS: list[dict[str, str]] = [
    {},
    {"TimeZone": "Asia/Tokyo", "DateStyle": "German, DMY", "IntervalStyle": "sql_standard"},
    {"TimeZone": "America/St_Johns", "bytea_output": "escape", "extra_float_digits": "-15"},
    {
        "TimeZone": "-03:30",
        "DateStyle": "SQL, MDY",
        "bytea_output": "escape",
        "search_path": "pg_temp",
        "quote_all_identifiers": "on",
    },
]
"""Settings of a session that change how a row becomes text."""


@dataclass(frozen=True)
class World:
    """A person with events in this month's partition, and one event in each of the others."""

    api: Api
    ada: Person
    partitions: list[str]

    @property
    def tables(self) -> list[str]:
        return ["core.audit_event", "core.audit_detail", *self.partitions]


@pytest.fixture(scope="module")
async def world(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[World]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            ada = await inhabit(api, "ada")
            await api.person("cora", curator=True)
            async with database.connect() as admin:
                partitions = await partitions_of(admin)
                for name in partitions:
                    # A row trigger that has no row to fire for would prove nothing.
                    moment = f"'{name[-6:-2]}-{name[-2:]}-15'::timestamptz"
                    await admin.execute(
                        f"""
                        INSERT INTO core.audit_event (workspace_id, id, object_id, form, action, object, commitment)
                        VALUES ($1, core.uuidv7_floor({moment}), $1, 1, 'DELETE', 'test.row', sha256('x'))
                        """,
                        SYSTEM_ID,
                    )
            yield World(api, ada, partitions)


async def partitions_of(admin: asyncpg.Connection) -> list[str]:
    rows = await admin.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'core.audit_event'::regclass ORDER BY 1"
    )
    return [name for (name,) in rows]


@asynccontextmanager
async def acting(database: Database, who: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of a login role, or of somebody more powerful."""
    async with database.connect(who if who in LOGINS else "postgres") as connection:
        if who == "owner":
            await connection.execute("SET ROLE fivefold_owner")
        elif who == "administrator as replica":
            await connection.execute("SET session_replication_role = replica")
        yield connection


async def assert_refused(connection: asyncpg.Connection, text: str) -> None:
    with pytest.raises((REFUSED, *NEEDED)) as refused:
        async with connection.transaction():
            await connection.execute(text)
    assert refused.value.sqlstate == "42501" or (refused.value.sqlstate in ("2BP01", "0A000") and text in WITHOUT_CASCADE), text


async def state_of(world: World) -> tuple[Any, ...]:
    """A digest of every event and detail, and of what protects them."""
    async with world.api.database.connect() as admin:
        return tuple(
            [
                await admin.fetchval(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t")
                for table in ("core.audit_event", "core.audit_detail")
            ]
            + [
                await admin.fetch(
                    """
                    SELECT t.tgrelid::regclass::text, t.tgname::text, t.tgenabled::text FROM pg_trigger AS t
                    WHERE t.tgrelid::regclass::text LIKE 'core.audit%' ORDER BY 1, 2
                    """
                )
            ]
        )


# What nobody can do


@pytest.mark.parametrize("who", [*LOGINS, *POWERFUL])
async def test_nobody_updates_deletes_or_truncates(world: World, who: str) -> None:
    """In the parent, in each partition, by a key or all at once, with or without what else a statement may say."""
    before = await state_of(world)
    async with acting(world.api.database, who) as connection:
        for table in world.tables:
            column = "salt = salt" if table == "core.audit_detail" else "actor_id = NULL"
            for text in (
                f"UPDATE {table} SET {column}",
                f"UPDATE ONLY {table} SET workspace_id = workspace_id"
                if table != "core.audit_event"
                else f"DELETE FROM {table}",
                f"DELETE FROM {table}",
                f"DELETE FROM {table} WHERE workspace_id IS NOT NULL RETURNING workspace_id",
                f"TRUNCATE {table}",
                f"TRUNCATE {table} RESTART IDENTITY CASCADE",
                f"WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone",
                f"MERGE INTO {table} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
            ):
                await assert_refused(connection, text)
        await assert_refused(
            connection, "TRUNCATE core.workspace CASCADE" if who in LOGINS else "TRUNCATE core.audit_event, core.audit_detail"
        )
    assert await state_of(world) == before


@pytest.mark.parametrize("who", LOGINS)
async def test_nobody_who_logs_in_forges_an_event(world: World, who: str) -> None:
    """Not by INSERT, not by COPY, not by the trigger function on a table of one's own."""
    workspace, ada = world.ada.workspace_id, world.ada.account_id
    before = await state_of(world)
    async with acting(world.api.database, who) as connection:
        for name, value in (("workspace_id", workspace), ("account_id", ada), ("audit_ddl", "allowed")):
            await connection.execute("SELECT set_config($1, $2, false)", f"fivefold.{name}", str(value))
        values = f"VALUES ('{workspace}', '{ada}', 1, 'INSERT', 'x', sha256('x'))"
        event = f"(workspace_id, object_id, form, action, object, commitment) {values}"
        for table in ("core.audit_event", *world.partitions):
            await assert_refused(connection, f"INSERT INTO {table} {event}")
            await assert_refused(connection, f"INSERT INTO {table} {event} ON CONFLICT DO NOTHING")
        for text in (
            f"INSERT INTO core.audit_detail VALUES ('{workspace}', uuidv7(), sha256('x'), '{{}}')",
            "COPY core.audit_event FROM PROGRAM 'true'",
            "SET ROLE fivefold_definer; INSERT INTO core.audit_detail SELECT * FROM core.audit_detail"
            if who != "fivefold_migrator"
            else "INSERT INTO core.audit_detail SELECT * FROM core.audit_detail",
            "CREATE TRIGGER mine AFTER INSERT ON core.idempotency REFERENCING NEW TABLE AS new_rows "
            "FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'result_id', 'key')",
            "ALTER FUNCTION core.record_audit() RESET ALL",
            "CREATE OR REPLACE FUNCTION core.current_account_id() RETURNS uuid LANGUAGE sql RETURN NULL",
        ):
            await assert_refused(connection, text)
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("SELECT core.record_audit()")
    async with world.api.database.connect() as admin:
        assert not await admin.fetchval("SELECT has_function_privilege($1, 'core.record_audit()', 'EXECUTE')", who)
    assert await state_of(world) == before


async def test_an_identity_of_others_forges_nothing(world: World) -> None:
    """A login that declares Ben writes rows of Ben's workspace, or none: it cannot make Ada's log speak of Ben."""
    ben = await world.api.person("ben")
    async with world.api.database.connect("fivefold_api") as connection:
        for workspace_id, account_id, row_workspace, row_account in (
            (world.ada.workspace_id, world.ada.account_id, ben.workspace_id, ben.account_id),
            (world.ada.workspace_id, ben.account_id, ben.workspace_id, ben.account_id),
            (uuid4(), ben.account_id, ben.workspace_id, ben.account_id),
        ):
            await connection.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(workspace_id))
            await connection.execute("SELECT set_config('fivefold.account_id', $1, false)", str(account_id))
            with pytest.raises(REFUSED):
                await connection.execute(
                    """
                    INSERT INTO privacy.platform_link (workspace_id, account_id, platform_id, label)
                    SELECT $1, $2, p.id, 'forged' FROM privacy.platform AS p LIMIT 1
                    """,
                    row_workspace,
                    row_account,
                )
    async with world.api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.audit_detail WHERE detail::text LIKE '%forged%'") == 0


WITHOUT_CASCADE = (
    "DROP TABLE core.audit_event",
    "DROP TABLE core.audit_detail",
    "ALTER TABLE core.audit_detail ALTER COLUMN detail TYPE jsonb USING '{}'::jsonb",
    "ALTER TABLE core.audit_event ALTER COLUMN actor_id TYPE uuid USING NULL::uuid",
)
"""What PostgreSQL refuses before the guards are asked, because functions and policies stand on it."""
DDL = [
    "DROP TABLE core.audit_detail CASCADE",
    "ALTER TABLE core.audit_event DETACH PARTITION {partition}",
    "DROP TABLE {partition}",
    "DROP TABLE core.audit_event",
    "DROP TABLE core.audit_event CASCADE",
    "DROP TABLE core.audit_detail",
    "DROP SCHEMA core CASCADE",
    "DROP TRIGGER append_only ON core.audit_event",
    "DROP TRIGGER append_only_truncate ON core.audit_event",
    "DROP TRIGGER append_only_truncate ON {partition}",
    "DROP TRIGGER append_only ON core.audit_detail",
    "DROP FUNCTION core.refuse_change() CASCADE",
    "CREATE OR REPLACE FUNCTION core.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER TABLE core.audit_event DISABLE TRIGGER append_only",
    "ALTER TABLE core.audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE core.audit_event DISABLE TRIGGER USER",
    "ALTER TABLE core.audit_event ENABLE TRIGGER ALL",
    "ALTER TABLE core.audit_event ENABLE REPLICA TRIGGER append_only",
    "ALTER TABLE core.audit_detail DISABLE TRIGGER append_only_truncate",
    "ALTER TABLE {partition} DISABLE TRIGGER ALL",
    "ALTER TABLE {partition} ENABLE TRIGGER append_only",
    "ALTER TABLE {partition} DISABLE TRIGGER append_only_truncate",
    "ALTER TABLE core.audit_event DROP COLUMN commitment",
    "ALTER TABLE core.audit_detail DROP COLUMN salt",
    "CREATE RULE silent AS ON INSERT TO core.audit_event DO INSTEAD NOTHING",
    "CREATE RULE silent AS ON INSERT TO core.audit_detail DO INSTEAD NOTHING",
    "ALTER TABLE core.audit_detail ALTER COLUMN detail TYPE jsonb USING '{{}}'::jsonb",
    "ALTER TABLE core.audit_event ALTER COLUMN commitment TYPE bytea USING sha256('x')",
    "ALTER TABLE core.audit_event ALTER COLUMN actor_id TYPE uuid USING NULL::uuid",
    "CREATE TRIGGER silent BEFORE INSERT ON core.audit_event FOR EACH ROW EXECUTE FUNCTION core.refuse_change()",
    "CREATE TRIGGER silent BEFORE INSERT OR UPDATE ON {partition} FOR EACH ROW EXECUTE FUNCTION core.refuse_change()",
    "CREATE TRIGGER silent BEFORE INSERT ON core.audit_detail FOR EACH ROW EXECUTE FUNCTION core.refuse_change()",
]


@pytest.mark.parametrize("who", [*LOGINS, *POWERFUL])
@pytest.mark.parametrize("text", DDL)
async def test_nobody_takes_the_walls_down(world: World, who: str, text: str) -> None:
    """Unless the transaction says that it may, which only a rollback of the migration does."""
    before = await state_of(world)
    async with acting(world.api.database, who) as connection:
        if who in LOGINS:
            await connection.execute("SELECT set_config('fivefold.audit_ddl', 'allowed', false)")
        await assert_refused(connection, text.format(partition=world.partitions[3]))
    assert await state_of(world) == before


async def test_a_partition_is_not_detached_aside(world: World) -> None:
    """CONCURRENTLY commits half way, so it must be stopped before it begins."""
    for who in ("fivefold_migrator", *POWERFUL):
        async with acting(world.api.database, who) as connection:
            with pytest.raises(REFUSED):
                await connection.execute(f"ALTER TABLE core.audit_event DETACH PARTITION {world.partitions[3]} CONCURRENTLY")
    async with world.api.database.connect() as admin:
        assert await partitions_of(admin) == world.partitions


async def test_the_events_of_others_are_read_by_the_auditor_and_their_details_by_nobody(world: World) -> None:
    async with world.api.database.connect("fivefold_auditor") as auditor:
        workspaces = await auditor.fetch("SELECT DISTINCT workspace_id FROM core.audit_event")
        assert {SYSTEM_ID, world.ada.workspace_id} <= {row["workspace_id"] for row in workspaces}
        for text in (
            "SELECT detail FROM core.audit_detail",
            "SELECT salt FROM core.audit_detail",
            *(f"SELECT FROM {partition}" for partition in world.partitions),
            "SELECT FROM core.api_key",
            "SELECT FROM privacy.platform_link",
        ):
            with pytest.raises(REFUSED):
                await auditor.execute(text)


# What every event proves


@pytest.mark.parametrize("settings", CLIENTS)
async def test_every_commitment_is_proven_from_sql(world: World, settings: dict[str, str]) -> None:
    """Whatever the settings of who reads: what was hashed is what is stored."""
    async with world.api.database.connect() as admin:
        for name, value in settings.items():
            await admin.execute("SELECT set_config($1, $2, false)", name, value)
        rows = [row for row in await admin.fetch(VERIFY) if row["object"] != "test.row"]
    assert len(rows) > 20
    assert [row for row in rows if row["proven"] is not True] == []


async def test_a_commitment_is_proven_outside_of_the_database_too(world: World) -> None:
    async with world.api.database.connect() as admin:
        rows = await admin.fetch(
            """
            SELECT e.commitment, d.salt, d.detail::text AS text
            FROM core.audit_event AS e JOIN core.audit_detail AS d ON d.event_id = e.id
            """
        )
    for row in rows:
        assert hashlib.sha256(row["salt"] + row["text"].encode()).digest() == row["commitment"]
    assert len({row["salt"] for row in rows}) == len(rows), "a salt serves once"


@pytest.mark.parametrize("settings", CLIENTS)
async def test_the_settings_of_who_writes_change_nothing(world: World, settings: dict[str, str]) -> None:
    """The same row written by sessions that show times, bytes and floats differently has the same detail."""
    details = []
    for each in ({}, settings):
        async with world.api.database.connect("fivefold_api") as connection:
            for name, value in each.items():
                await connection.execute("SELECT set_config($1, $2, false)", name, value)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT set_config('fivefold.workspace_id', $1, true)", str(world.ada.workspace_id))
            await connection.execute("SELECT set_config('fivefold.account_id', $1, true)", str(world.ada.account_id))
            await connection.execute(
                """
                INSERT INTO core.api_key (workspace_id, id, account_id, name, hint, secret_hash, scopes, expires_at)
                VALUES ($1, '0198f8f8-0000-7000-8000-000000000001', $2, E'\\u00e9"\\\\', 'ffk_test', pg_catalog.sha256('s'),
                    ARRAY['privacy:read'], '2031-07-01 12:00:00.123456+09')
                """,
                world.ada.workspace_id,
                world.ada.account_id,
            )
            await connection.execute(
                """
                INSERT INTO privacy.snapshot (workspace_id, id, link_id, template_id, captured_at, confidence, config_version,
                    risk_formula, scan_method, packed, observed)
                SELECT s.workspace_id, '0198f8f8-0000-7000-8000-000000000002', s.link_id, s.template_id,
                    '2031-07-01 12:00:00.123456+09', 0.1, 1, 1, 1, '\\x0001ff5c'::bytea, NULL
                FROM privacy.snapshot AS s LIMIT 1
                """
            )
            rows = await connection.fetch(
                """
                SELECT e.object, d.detail::text,
                    e.commitment = pg_catalog.sha256(d.salt || pg_catalog.convert_to(d.detail::text, 'UTF8'))
                FROM core.audit_event AS e JOIN core.audit_detail AS d ON d.event_id = e.id
                WHERE e.object_id IN ('0198f8f8-0000-7000-8000-000000000001', '0198f8f8-0000-7000-8000-000000000002')
                ORDER BY e.object
                """
            )
            await transaction.rollback()
        details.append([tuple(row) for row in rows])
    assert details[0] == details[1]
    (_, key, proven), (_, snapshot, also_proven) = details[0]
    assert proven
    assert also_proven
    assert orjson.loads(key)["expires_at"] == "2031-07-01T03:00:00.123456+00:00"
    assert orjson.loads(snapshot)["sha256:packed"] == hashlib.sha256(b"\x00\x01\xff\x5c").hexdigest()
    assert orjson.loads(snapshot)["sha256:observed"] is None


@pytest.mark.parametrize("settings", CLIENTS)
async def test_bytes_are_told_alike_by_everyone(world: World, settings: dict[str, str]) -> None:
    async with world.api.database.connect() as admin:
        for name, value in settings.items():
            await admin.execute("SELECT set_config($1, $2, false)", name, value)
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute("UPDATE privacy.template SET structure_hash = pg_catalog.sha256('x') WHERE state = 'ACTIVE'")
        details = await admin.fetch(
            "SELECT d.detail::text FROM core.audit_detail AS d JOIN core.audit_event AS e ON e.id = d.event_id "
            "WHERE e.object = 'privacy.template' AND e.action = 'UPDATE' AND e.xid = pg_catalog.pg_current_xact_id()"
        )
        await transaction.rollback()
    expected = "\\x" + hashlib.sha256(b"x").hexdigest()
    assert {orjson.loads(text)["structure_hash"][1] for (text,) in details} == {expected}


async def test_an_event_carries_what_a_seal_will_need(world: World) -> None:
    async with world.api.database.connect() as admin:
        rows = await admin.fetch("SELECT * FROM core.audit_event WHERE object <> 'test.row'")
        horizon = await admin.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        assert await admin.fetchval("SELECT bool_and(xid < pg_snapshot_xmin(pg_current_snapshot())) FROM core.audit_event")
    assert {row["form"] for row in rows} == {1}
    assert all(0 < int(row["xid"]) < horizon for row in rows)
    assert all(len(row["commitment"]) == 32 for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


async def test_the_events_of_one_transaction_share_its_number(api: Api) -> None:
    ada = await api.person("ada")
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT object, xid FROM core.audit_event WHERE action = 'INSERT' ORDER BY id DESC LIMIT 4")
        assert {row["object"] for row in rows} == {"core.account", "core.identity", "core.workspace", "core.member"}
        assert len({row["xid"] for row in rows}) == 1
        await link(api, ada.token, label="a")
        await link(api, ada.token, label="b")
        numbers = await admin.fetch("SELECT xid FROM core.audit_event WHERE object = 'privacy.platform_link'")
    assert len({number for (number,) in numbers} | {rows[0]["xid"]}) == 3


# What is told of each change


async def events(api: Api, *, after: UUID | None = None) -> list[dict[str, Any]]:
    """Every event with its detail, the oldest first; those behind one event."""
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            """
            SELECT e.*, d.detail::text AS detail FROM core.audit_event AS e
            LEFT JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id
            WHERE ($1::uuid IS NULL OR e.id > $1) AND e.object NOT LIKE 'test.%' ORDER BY e.id
            """,
            after,
        )
    return [dict(row) | {"detail": orjson.loads(row["detail"] or "null")} for row in rows]


async def last(api: Api) -> UUID:
    """The newest event; those made up for later months are no events of a change."""
    async with api.database.connect() as admin:
        found: UUID = await admin.fetchval(
            "SELECT id FROM core.audit_event WHERE object NOT LIKE 'test.%' ORDER BY id DESC LIMIT 1"
        )
    return found


def plain(global_id_: str) -> UUID:
    return UUID(parse_global_id(global_id_, field="id")[1])


async def test_an_event_names_actor_key_and_request(api: Api) -> None:
    ada = await api.person("ada")
    made = 'mutation { createApiKey(input: {name: "k", scopes: ["snapshots:write"]}) { secret apiKey { id } } }'
    key = (await api(made, token=ada.token)).data["createApiKey"]
    await api("{ __typename }", token=key["secret"])  # from which network it comes is an event of its own, once
    linking = 'mutation { linkPlatform(input: {platformSlug: "google", label: "%s", idempotencyKey: "%s"}) { link { id } } }'
    for token, key_id in ((ada.token, None), (key["secret"], plain(key["apiKey"]["id"]))):
        before, request_id = await last(api), uuid4()
        label = "by key" if key_id else "by person"
        answer = await api(linking % (label, label), token=token, x_request_id=str(request_id))
        (event,) = await events(api, after=before)
        link_id = plain(answer.data["linkPlatform"]["link"]["id"])
        assert (event["workspace_id"], event["actor_id"], event["api_key_id"]) == (ada.workspace_id, ada.account_id, key_id)
        assert (event["request_id"], event["object_id"]) == (request_id, link_id)
        assert (event["action"], event["object"]) == ("INSERT", "privacy.platform_link")
        assert event["detail"].keys() == {"id", "account_id", "platform_id", "label", "status", "unlink_reason"}
        assert (event["detail"]["id"], event["detail"]["label"]) == (str(link_id), label)


async def test_an_update_tells_what_was_and_what_is(api: Api) -> None:
    ada = await api.person("ada")
    link_id = await link(api, ada.token)
    before = await last(api)
    unlinking = "mutation($id: ID!, $reason: String) { unlinkPlatform(input: {id: $id, reason: $reason}) { link { id } } }"
    for reason in ("moved on", "again"):
        assert (await api(unlinking, {"id": link_id, "reason": reason}, token=ada.token)).data
    (event,) = await events(api, after=before)
    assert (event["action"], event["object"], event["object_id"]) == ("UPDATE", "privacy.platform_link", plain(link_id))
    assert event["detail"] == {"status": ["ACTIVE", "UNLINKED"], "unlink_reason": [None, "moved on"]}


async def test_a_deletion_tells_what_is_gone(api: Api) -> None:
    """A late capture takes the place before another: the changes of that one are deleted and written anew."""
    ada = await api.person("ada")
    template = await template_of(api, ada.token)
    toggle = next(s for s in template["settings"] if s["type"] == "TOGGLE" and s["default"] != s["recommended"])
    link_id = await link(api, ada.token)
    await record(api, ada.token, scan(link_id, template, day=0))
    later = (await record(api, ada.token, scan(link_id, template, day=9, values={toggle["key"]: toggle["recommended"]}))).data
    before = await last(api)
    assert (await record(api, ada.token, scan(link_id, template, day=5, values={toggle["key"]: toggle["recommended"]}))).data
    found = {event["action"]: event for event in await events(api, after=before) if event["object"] == "privacy.change"}
    assert found.keys() == {"DELETE"}
    event = found["DELETE"]
    assert event["object_id"] == plain(later["recordSnapshot"]["snapshot"]["id"])
    assert event["detail"].keys() == {"snapshot_id", "setting", "origin", "significance"}
    assert event["actor_id"] == ada.account_id


async def test_a_change_of_many_rows_is_an_event_for_each(api: Api) -> None:
    people = [await api.person(name) for name in ("ada", "ben", "cora")]
    before = await last(api)
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.account SET locale = 'de' WHERE display_name <> 'ben'")
        await admin.execute("UPDATE core.account SET locale = 'de'")
    found = await events(api, after=before)
    assert [event["detail"] for event in found] == [{"locale": ["en", "de"]}] * 3
    assert {event["object_id"] for event in found} == {person.account_id for person in people}
    assert {event["workspace_id"] for event in found} == {SYSTEM_ID}
    assert {event["actor_id"] for event in found} == {None}


async def test_a_row_that_is_given_another_key_is_told_too(api: Api) -> None:
    """The old and the new row have no key in common; neither may vanish from the log."""
    ada, ben = await api.person("ada"), await api.person("ben")
    async with api.database.connect() as admin:
        workspace_id = await admin.fetchval("INSERT INTO core.workspace (kind, name) VALUES ('organization', 'O') RETURNING id")
        await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), 'owner')", workspace_id, ada.account_id)
        before = await last(api)
        await admin.execute("UPDATE core.member SET account_id = $2 WHERE workspace_id = $1", workspace_id, ben.account_id)
    found = await events(api, after=before)
    assert {(event["action"], event["object"], event["workspace_id"]) for event in found} == {
        ("UPDATE", "core.member", workspace_id)
    }
    assert {event["object_id"] for event in found} == {ada.account_id, ben.account_id}


async def test_bookkeeping_is_no_event(api: Api) -> None:
    """An unchanged scan, the use of a key and the pointer to the latest snapshot are no changes that anyone made."""
    ada = await api.person("ada")
    template = await template_of(api, ada.token)
    link_id = await link(api, ada.token)
    before = await last(api)
    await record(api, ada.token, scan(link_id, template))
    assert [event["object"] for event in await events(api, after=before)] == ["privacy.snapshot"]
    before = await last(api)
    assert (await record(api, ada.token, scan(link_id, template, day=3))).data["recordSnapshot"]["unchanged"] is True
    made = 'mutation { createApiKey(input: {name: "k", scopes: ["privacy:read"]}) { secret } }'
    secret = (await api(made, token=ada.token)).data["createApiKey"]["secret"]
    for _ in range(2):
        assert (await api("{ platforms { edges { cursor } } }", token=secret)).data
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT last_used_at IS NOT NULL FROM core.api_key")
        await admin.execute("UPDATE core.api_key SET last_used_at = now(), name = name")
        assert await admin.fetchval("SELECT seen_until > linked_at OR seen_until IS NOT NULL FROM privacy.platform_link")
    told = [event["object"] for event in await events(api, after=before)]
    assert told == ["core.api_key"] * 2, "that there is a key, and from which network it came first"


async def test_what_is_rolled_back_was_never_told(api: Api) -> None:
    ada = await api.person("ada")
    before = await last(api)
    linking = 'mutation { linkPlatform(input: {platformSlug: "google", label: "", idempotencyKey: "1"}) { link { id } } }'
    assert (await api(linking, token=ada.token)).code == "BAD_INPUT"
    assert await events(api, after=before) == []


async def test_no_secret_becomes_detail(world: World) -> None:
    """Neither a hash of a secret nor a packed value; nor is there any event of a table that holds only hashes."""
    async with world.api.database.connect() as admin:
        hidden = [value.hex() for (value,) in await admin.fetch("SELECT secret_hash FROM core.api_key")]
        hidden += [value.hex() for (value,) in await admin.fetch("SELECT packed FROM privacy.snapshot WHERE packed <> ''")]
        hidden += [value.hex() for (value,) in await admin.fetch("SELECT input_hash FROM core.idempotency")]
        details = [text for (text,) in await admin.fetch("SELECT detail::text FROM core.audit_detail")]
        objects = {name for (name,) in await admin.fetch("SELECT DISTINCT object FROM core.audit_event")}
    assert len(hidden) >= 3
    for value in hidden:
        assert not any(value in text for text in details)
    for word in ("secret_hash", '"packed"', '"observed"', "last_used_at", "seen_until", "hashed"):
        assert not any(word in text for text in details), word
    assert "core.idempotency" not in objects


async def test_every_audited_table_records_whatever_the_session_says(world: World) -> None:
    """Its triggers fire always: also for a superuser that calls itself a replica."""
    async with world.api.database.connect() as admin:
        rows = await admin.fetch(
            """
            SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger
            WHERE tgname LIKE 'audit\\_%'
            """
        )
        assert {enabled for _, _, enabled in rows} == {"A"}
        assert len({table for table, _, _ in rows}) >= 10
        before = await last(world.api)
        await admin.execute("SET session_replication_role = replica")
        await admin.execute("UPDATE core.account SET locale = 'fr' WHERE id = $1", world.ada.account_id)
    (event,) = await events(world.api, after=before)
    assert event["detail"] == {"locale": ["en", "fr"]}


async def test_the_owner_is_told_of_as_well(world: World) -> None:
    """Who runs the database changes nothing in silence."""
    before = await last(world.api)
    async with acting(world.api.database, "owner") as owner, owner.transaction():
        await owner.execute("UPDATE privacy.platform SET name = name || '!' WHERE slug = 'google'")
        await owner.execute("DELETE FROM core.curator WHERE account_id = (SELECT c.account_id FROM core.curator AS c LIMIT 1)")
    found = await events(world.api, after=before)
    assert [(event["action"], event["object"], event["actor_id"]) for event in found] == [
        ("UPDATE", "privacy.platform", None),
        ("DELETE", "core.curator", None),
    ]


# What the API shows


async def test_the_api_shows_the_log_of_the_workspace(world: World) -> None:
    page = (await world.api(EVENTS, token=world.ada.token)).data["auditEvents"]
    nodes = [edge["node"] for edge in page["edges"]]
    assert not page["pageInfo"]["hasNextPage"]
    async with world.api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT id, object, commitment FROM core.audit_event WHERE workspace_id = $1 ORDER BY id DESC",
            world.ada.workspace_id,
        )
    assert [(n["id"], n["object"], n["commitment"]) for n in nodes] == [
        (global_id("AuditEvent", str(row["id"])), row["object"], row["commitment"].hex()) for row in rows
    ]
    assert {None, global_id("Account", str(world.ada.account_id))} <= {n["actorId"] for n in nodes}
    assert all(n["detail"] for n in nodes)
    types = {n["object"]: global_name(n["objectId"]) for n in nodes}
    assert types["privacy.platform_link"] == "PlatformLink"
    assert types["core.api_key"] == "ApiKey"
    own = await nodes_of(world.api, world.ada)
    found = {n["objectId"] for n in nodes}
    assert set(own["PlatformLink"] + own["ApiKey"] + own["Snapshot"] + own["Workspace"]) <= found


def global_name(value: str) -> str:
    return parse_global_id(value, field="id")[0]


async def test_the_log_is_filtered_by_table_and_by_object(world: World) -> None:
    document = """
    query($object: String, $id: ID) {
      auditEvents(object: $object, objectId: $id, first: 100) { edges { node { object objectId } } }
    }
    """
    own = await nodes_of(world.api, world.ada)
    link_id = own["PlatformLink"][0]

    async def ask(**given: Any) -> list[tuple[str, str]]:
        edges = (await world.api(document, given, token=world.ada.token)).data["auditEvents"]["edges"]
        return [(edge["node"]["object"], edge["node"]["objectId"]) for edge in edges]

    everything = await ask()
    assert await ask(object="privacy.snapshot") == [pair for pair in everything if pair[0] == "privacy.snapshot"] != []
    # What is kept of a link elsewhere is told of the link: its table names another type in the id.
    by_uuid = [pair for pair in everything if plain(pair[1]) == plain(link_id)]
    assert await ask(id=link_id) == by_uuid
    assert ("privacy.platform_link", link_id) in by_uuid
    assert await ask(object="privacy.snapshot", id=link_id) == []
    for nothing in ("", "nothing", "PRIVACY.SNAPSHOT", "%", "x" * 10_000):
        assert await ask(object=nothing) == []
    # A change has no uuid of its own: what is told of it is told of its snapshot.
    of_change = await ask(id=own["Change"][0])
    assert {plain(found) for _, found in of_change} == {
        UUID(parse_global_id(own["Change"][0], field="id")[1].partition(":")[0])
    }


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"id": "x"}, "BAD_ID"),
        ({"id": ""}, "BAD_ID"),
        ({"id": global_id("Account", "x")}, "BAD_ID"),
        ({"id": global_id("Account", "")}, "BAD_ID"),
        ({"id": global_id("Platform", "0198f8f8-0000-7000-8000-00000000000g")}, "BAD_ID"),
        ({"object": "a\0b"}, "BAD_INPUT"),
    ],
)
async def test_a_bad_filter_is_said_so(world: World, given: dict[str, str], code: str) -> None:
    document = "query($object: String, $id: ID) { auditEvents(object: $object, objectId: $id) { edges { cursor } } }"
    answer = await world.api(document, given, token=world.ada.token)
    assert (answer.code, answer.body["data"]) == (code, {"auditEvents": None})


@pytest.mark.parametrize(
    ("role", "allowed"), [("owner", True), ("admin", True), ("auditor", True), ("member", False), ("viewer", False)]
)
async def test_the_log_is_for_owners_admins_and_auditors(shared: Api, role: str, allowed: bool) -> None:
    person = await shared.person(role)
    async with shared.database.connect() as admin:
        workspace_id = await admin.fetchval("INSERT INTO core.workspace (kind, name) VALUES ('organization', 'O') RETURNING id")
        await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, person.account_id, role)
        event_id = await admin.fetchval("SELECT id FROM core.audit_event WHERE workspace_id = $1 LIMIT 1", workspace_id)
    workspace = global_id("Workspace", str(workspace_id))
    answer = await shared(EVENTS, token=person.token, fivefold_workspace=workspace)
    assert answer.codes == ([] if allowed else ["FORBIDDEN"])
    asked = {"id": global_id("AuditEvent", str(event_id))}
    node = await shared("query($id: ID!) { node(id: $id) { id } }", asked, token=person.token, fivefold_workspace=workspace)
    assert node.data == {"node": asked if allowed else None}


async def test_an_event_without_its_detail_is_still_shown(world: World) -> None:
    """Once a person was forgotten, the event and its commitment stay."""
    async with world.api.database.connect() as admin:
        event_id = await admin.fetchval(
            """
            INSERT INTO core.audit_event (workspace_id, object_id, form, action, object, commitment)
            VALUES ($1, $1, 1, 'DELETE', 'test.forgotten', sha256('x')) RETURNING id
            """,
            world.ada.workspace_id,
        )
    document = "query($id: ID!) { node(id: $id) { ... on AuditEvent { detail commitment } } }"
    answer = await world.api(document, {"id": global_id("AuditEvent", str(event_id))}, token=world.ada.token)
    assert answer.data["node"] == {"detail": None, "commitment": hashlib.sha256(b"x").hexdigest()}


async def test_what_is_no_change_of_a_row_is_told_like_one(shared: Api) -> None:
    """Its detail is committed to; it goes with the transaction; who is nobody's concern gets none of it."""
    db, other = await db_of(shared, "cleo"), await shared.person("dan")
    person = await shared.person("cleo")
    try:
        async with db.transaction():
            event_id = await record_action(db, AuditAction.READ, "core.member", person.account_id, {"count": 2})
        with suppress(ZeroDivisionError):
            async with db.transaction():
                await record_action(db, AuditAction.EXPORT, "core.account", person.account_id)
                raise ZeroDivisionError
        for action in (AuditAction.INSERT, AuditAction.UPDATE, AuditAction.DELETE):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with db.transaction():
                    await record_action(db, action, "core.account", person.account_id)
    finally:
        await db.close()
    document = "{ auditEvents { edges { node { id action object actorId detail commitment } } } }"
    (first, *_) = (await shared(document, token=person.token)).data["auditEvents"]["edges"]
    node = first["node"]
    assert (node["id"], node["action"], node["object"]) == (global_id("AuditEvent", str(event_id)), "READ", "core.member")
    assert (node["actorId"], node["detail"]) == (global_id("Account", str(person.account_id)), {"count": 2})
    assert node["id"] not in str((await shared(document, token=other.token)).body)
    async with shared.database.connect() as admin:
        right = await admin.fetchval(
            """
            SELECT sha256(d.salt || convert_to(d.detail::text, 'UTF8')) = e.commitment
            FROM core.audit_event AS e JOIN core.audit_detail AS d ON d.event_id = e.id WHERE e.id = $1
            """,
            event_id,
        )
    assert right


@pytest.mark.parametrize("login", ["fivefold_api", "fivefold_worker", "fivefold_auditor"])
async def test_nobody_tells_of_another_workspace(shared: Api, login: str) -> None:
    person = await shared.person("cleo")
    async with shared.database.connect(login) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(
                "SELECT core.append_audit($1, $2, 'READ', 'core.account', $2, '{}')", person.workspace_id, person.account_id
            )


# What is read of others


async def test_what_is_read_of_others_is_told_before_it_is_read(shared: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an operation and table, also when the answer is lost; not of what is refused, nor of one's own."""
    workspace_id = await everyone(shared)
    reading = "{ a: members { edges { node { role } } } b: members(first: 1) { edges { node { role } } } }"

    async def reads() -> list[tuple[str, UUID, Any]]:
        async with shared.database.connect() as admin:
            rows = await admin.fetch(
                """
                SELECT e.object, e.actor_id, d.detail ->> 'field' AS field
                FROM core.audit_event AS e JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id
                WHERE e.workspace_id = $1 AND e.action = 'READ' ORDER BY e.id
                """,
                workspace_id,
            )
        return [tuple(row) for row in rows]

    people = {role: await shared.person(role) for role in ("owner", "viewer", "auditor", "member")}
    ids = {role: person.account_id for role, person in people.items()}
    assert (await ask(shared, "viewer", workspace_id, reading)).data["a"]["edges"]
    expected = [("core.member", ids["viewer"], "members")]
    assert await reads() == expected
    assert (
        await ask(shared, "auditor", workspace_id, "{ auditEvents { edges { node { id } } } members { edges { cursor } } }")
    ).data
    expected += [("core.audit_event", ids["auditor"], "auditEvents"), ("core.member", ids["auditor"], "members")]
    assert sorted((await reads())[1:]) == sorted(expected[1:])
    assert (await ask(shared, "member", workspace_id, "{ auditEvents { edges { node { id } } } }")).code == "FORBIDDEN"
    assert len(await reads()) == 3
    async with shared.database.connect() as admin:
        event_id = await admin.fetchval("SELECT id FROM core.audit_event WHERE workspace_id = $1 LIMIT 1", workspace_id)
    asked = {"id": global_id("AuditEvent", str(event_id))}
    node = "query($id: ID!) { node(id: $id) { id } again: node(id: $id) { id } }"
    assert (await ask(shared, "owner", workspace_id, node, asked)).data["again"] == asked
    assert (await reads())[3:] == [("core.audit_event", ids["owner"], "id")]
    invite = 'mutation { inviteMember(input: {email: "guest@example.com"}) { invitation { id } } }'
    invited = (await ask(shared, "owner", workspace_id, invite)).data["inviteMember"]["invitation"]["id"]
    assert len(await reads()) == 4, "what one makes is no reading"
    assert (await ask(shared, "owner", workspace_id, "{ invitations { edges { node { email } } } }")).data
    assert (await ask(shared, "owner", workspace_id, "query($id: ID!) { node(id: $id) { id } }", {"id": invited})).data["node"]
    told = [("core.invitation", ids["owner"], "invitations"), ("core.invitation", ids["owner"], "id")]
    assert (await reads())[4:] == told

    async def fail(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.core.member.page", fail)
    assert (await ask(shared, "owner", workspace_id, reading)).codes == ["INTERNAL", "INTERNAL"]
    assert (await reads())[6:] == [("core.member", ids["owner"], "members")], "the answer was lost, the asking was not"
    monkeypatch.undo()

    before = await last(shared)
    own = await shared.person("alone")
    for _ in range(2):
        assert (await shared(reading, token=own.token)).data["a"]["edges"]
        assert (await shared(EVENTS, token=own.token)).data["auditEvents"]["edges"]
    async with shared.database.connect() as admin:
        assert not await admin.fetchval(
            "SELECT count(*) FROM core.audit_event WHERE action = 'READ' AND id > $1 AND workspace_id = $2",
            before,
            own.workspace_id,
        )
