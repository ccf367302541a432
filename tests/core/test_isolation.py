"""One workspace and another: nothing of the one is seen, changed or hinted at from the other, by the API or by SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from app.kit import bootstrap
from app.kit.embedded import Embedded
from app.kit.graphql import global_id, parse_global_id
from app.schema import NODE_TYPES
from tests.conftest import Answer, Api, copy_of
from tests.factory.core import Person
from tests.factory.kit import CURATORS_ONLY, SCHEMA, SHARED_KEYS, call, inhabit, nodes_of, pool_of, root_fields, serving
from tests.factory.privacy import template_of

CANARY = "canary"
LOGINS = ("fivefold_api", "fivefold_worker")
WITHOUT_TABLE = ("core.account", "core.identity", "core.workspace", "core.member", "core.curator")
"""Tables that are not owned and still hold people: each of their rows is hidden from strangers too."""


@dataclass(frozen=True)
class World:
    """Ada, who asks, and Ben, whose rows all carry the word canary where there is room for one."""

    api: Api
    ada: Person
    ben: Person
    ids: dict[str, list[str]]
    owned: list[str]
    partitions: list[str]

    @property
    def tables(self) -> list[str]:
        return [*self.owned, *self.partitions]


@pytest.fixture(scope="module")
async def world(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[World]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            yield await settle(api)


async def settle(api: Api) -> World:
    ada, ben = await inhabit(api, "ada"), await inhabit(api, f"{CANARY}-ben", CANARY)
    async with api.database.connect() as admin:
        tables = await admin.fetch(
            """
            SELECT c.oid::regclass::text AS name, coalesce(obj_description(c.oid) LIKE 'owned.%', false) AS owned,
                c.relispartition AS partition
            FROM pg_class AS c
            WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'migration')
                AND c.relkind IN ('r', 'p')
            ORDER BY 1
            """
        )
        owned = [row["name"] for row in tables if row["owned"]]
        partitions = [row["name"] for row in tables if row["partition"]]
        told = await admin.fetch("SELECT id::text FROM core.audit_event WHERE actor_id = $1", ben.account_id)
    ids = await nodes_of(api, ben)
    ids["AuditEvent"] += [global_id("AuditEvent", key) for (key,) in told]
    return World(api, ada, ben, ids, owned, partitions)


async def rows_of(connection: asyncpg.Connection, table: str, workspace_id: UUID) -> list[dict[str, Any]]:
    rows = await connection.fetch(
        f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE t.workspace_id = $1 ORDER BY 1", workspace_id
    )
    return [orjson.loads(row[0]) for row in rows]


async def everything_of(world: World, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Every row of a person's workspace in every owned table, as an administrator sees them."""
    async with world.api.database.connect() as admin:
        return {table: await rows_of(admin, table, person.workspace_id) for table in world.owned}


def tells(answer: Answer, world: World) -> list[str]:
    """What of Ben is in an answer."""
    text = orjson.dumps(answer.body).decode()
    uuids = {str(world.ben.account_id), str(world.ben.workspace_id)}
    asked_with = {each for some in world.ids.values() for each in some}
    return [word for word in (CANARY, *uuids, *asked_with) if word in text]


async def test_ben_has_rows_wherever_rows_are_owned(world: World) -> None:
    """Or nothing below would prove anything: a new owned table needs a row here."""
    rows = await everything_of(world, world.ben)
    assert [table for table, found in rows.items() if not found] == []
    assert set(NODE_TYPES) - set(SHARED_KEYS) == set(world.ids)
    assert [name for name, found in world.ids.items() if not found] == []
    assert len(world.partitions) >= 13
    assert set(world.owned) >= {"core.api_key", "core.audit_event", "core.audit_detail", "core.idempotency", "privacy.snapshot"}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name, _ in root_fields()])
async def test_no_root_field_takes_an_id_of_somebody_else(world: World, kind: str, name: str) -> None:
    """With each id of Ben in each place where an id may stand: null, an empty page or NOT_FOUND, and nothing changed."""
    before = await everything_of(world, world.ben)
    template = await template_of(world.api, world.ada.token)
    for type_name, ids in world.ids.items():
        for given in ids:
            values = {
                "ID": given,
                "deviceId": None,  # goes with a signature; tests/privacy/test_signature.py asks with one of somebody else
                "idempotencyKey": str(uuid4()),
                "label": str(uuid4()),
                "platformSlug": "google",
                "slug": "google",
                "scopes": ["privacy:read"],
                "templateHash": template["hash"],
                "values": [{"key": s["key"], "value": s["default"]} for s in template["settings"]],
            }
            document, variables = call(kind, name, values, depth=3, node=type_name)
            if "$" not in document or given not in orjson.dumps(variables).decode():
                return
            answer = await world.api(document, variables, token=world.ada.token)
            assert set(answer.codes) <= {"NOT_FOUND", "BAD_ID", "FORBIDDEN"}, (type_name, answer.body)
            assert "FORBIDDEN" not in answer.codes or name in CURATORS_ONLY, "one can tell that it exists"
            found = (answer.body.get("data") or {}).get(name)
            assert found in (None, [None]) or found["edges"] == [], (type_name, answer.body)
            assert tells(answer, world) == []
            missing = await world.api(
                *call(kind, name, values | {"ID": twin(given)}, depth=3, node=type_name), token=world.ada.token
            )
            assert without_path(missing) == without_path(answer), "one can tell an id of Ben from one that never was"
    assert await everything_of(world, world.ben) == before


def twin(given: str) -> str:
    """An id like this one that nobody has."""
    name, key = parse_global_id(given, field="id")
    return global_id(name, str(uuid4()) + key[36:])


def without_path(answer: Answer) -> Any:
    return answer.status, answer.body.get("data"), [error["message"] for error in answer.body.get("errors", [])]


@pytest.mark.parametrize("deep", [2, 3])
async def test_no_list_shows_rows_of_somebody_else(world: World, deep: int) -> None:
    seen = set()
    for kind, name, field in root_fields():
        if kind == "query" and "ID" not in {str(a.type).strip("[]!") for a in field.args.values()} - {None}:
            document, variables = call(kind, name, {"slug": "google"}, depth=deep)
            assert tells(await world.api(document, variables, token=world.ada.token), world) == [], name
            if tells(await world.api(document, variables, token=world.ben.token), world):
                seen.add(name)
    assert seen >= {"viewer", "workspaces", "apiKeys", "platformLinks", "privacyDashboard"}, "the canaries do not sing"


async def test_filtered_lists_show_no_rows_of_somebody_else(world: World) -> None:
    for document in (
        "{ auditEvents(first: 100) { edges { node { id actorId objectId detail commitment } } } }",
        '{ auditEvents(first: 100, object: "privacy.platform_link") { edges { node { objectId detail } } } }',
        "{ changes(first: 100) { edges { node { id snapshot { id link { label } } } } } }",
        "{ platformLinks(first: 100, status: UNLINKED) { edges { node { id unlinkReason } } } }",
        "{ members(first: 100) { edges { node { accountId person { displayName email } } } } }",
    ):
        assert tells(await world.api(document, token=world.ada.token), world) == []
        assert tells(await world.api(document, token=world.ben.token), world) != []


async def test_all_ids_at_once_are_all_nobodys(world: World) -> None:
    ids = [each for some in world.ids.values() for each in some][:99]
    own = (await world.api("{ viewer { account { id } } }", token=world.ada.token)).data["viewer"]["account"]["id"]
    answer = await world.api("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [*ids, own]}, token=world.ada.token)
    assert answer.data["nodes"] == [None] * len(ids) + [{"id": own}]


async def test_a_cursor_of_somebody_else_leads_nowhere(world: World) -> None:
    page = "query($after: String) { platformLinks(after: $after) { edges { cursor node { label } } } }"
    theirs = (await world.api(page, token=world.ben.token)).data["platformLinks"]["edges"]
    for edge in theirs:
        assert tells(await world.api(page, {"after": edge["cursor"]}, token=world.ada.token), world) == []


async def test_a_key_of_an_idempotent_request_belongs_to_its_workspace(world: World) -> None:
    """The key that Ben used says nothing to Ada: neither his link nor that it was used."""
    linking = "mutation($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id label } } }"
    given = {"platformSlug": "google", "label": "mine", "idempotencyKey": f"{CANARY} idempotency key"}
    answer = await world.api(linking, {"input": given}, token=world.ada.token)
    assert answer.data["linkPlatform"]["link"]["label"] == "mine"
    assert (await world.api(linking, {"input": given}, token=world.ben.token)).code == "IDEMPOTENCY_CONFLICT"


@asynccontextmanager
async def as_role(world: World, role: str, person: Person | None = None, **settings: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of a login role that declared an identity, undone at the end."""
    async with world.api.database.connect(role) as connection:
        transaction = connection.transaction()
        await transaction.start()
        if person is not None:
            settings = {"workspace_id": str(person.workspace_id), "account_id": str(person.account_id)} | settings
        for name, value in settings.items():
            await connection.execute("SELECT set_config($1, $2, true)", f"fivefold.{name}", value)
        try:
            yield connection
        finally:
            await transaction.rollback()


async def count_visible(connection: asyncpg.Connection, query: str, *args: Any) -> int:
    """Rows that a query shows; 0 where the role may not ask at all. The transaction goes on."""
    try:
        async with connection.transaction():
            return int(await connection.fetchval(f"SELECT count(*) FROM ({query}) AS q", *args))
    except asyncpg.InsufficientPrivilegeError:
        return 0


@pytest.mark.parametrize("role", LOGINS)
async def test_without_an_identity_no_table_shows_a_row(world: World, role: str) -> None:
    for value in (None, "", str(uuid4())):
        settings = {} if value is None else {"workspace_id": value, "account_id": value}
        async with as_role(world, role, None, **settings) as connection:
            for table in (*world.tables, *WITHOUT_TABLE):
                assert await count_visible(connection, f"SELECT FROM {table}") == 0, (table, settings)


@pytest.mark.parametrize("role", LOGINS)
async def test_a_malformed_identity_is_an_error_and_no_row(world: World, role: str) -> None:
    for value in ("abc", "*", "NULL", "' OR true --", str(world.ben.workspace_id)[:-1], f"{world.ben.workspace_id} "):
        for table in world.tables:
            async with as_role(world, role, workspace_id=value, account_id=value) as connection:
                with suppress(asyncpg.InvalidTextRepresentationError, asyncpg.InsufficientPrivilegeError):
                    assert await connection.fetch(f"SELECT FROM {table}") == [], (table, value)


@pytest.mark.parametrize("role", LOGINS)
async def test_an_identity_shows_its_own_rows_alone(world: World, role: str) -> None:
    own = 0
    async with as_role(world, role, world.ada) as connection:
        for table in world.tables:
            assert await count_visible(connection, f"SELECT FROM {table} WHERE workspace_id <> $1", world.ada.workspace_id) == 0
            own += await count_visible(connection, f"SELECT FROM {table} WHERE workspace_id = $1", world.ada.workspace_id)
        for table, column in {
            "core.account": "id",
            "core.identity": "account_id",
            "core.member": "account_id",
            "core.workspace": "personal_account_id",
        }.items():
            assert await count_visible(connection, f"SELECT FROM {table} WHERE {column} = $1", world.ben.account_id) == 0
            assert await count_visible(connection, f"SELECT FROM {table}") == 1
    assert own > 0


@pytest.mark.parametrize("role", [*LOGINS, "fivefold_auditor", "fivefold_migrator"])
async def test_a_partition_shows_nothing_to_anyone_who_logs_in(world: World, role: str) -> None:
    """The policies of the parent do not protect it; having no grant does."""
    async with as_role(world, role, world.ben) as connection:
        for partition in world.partitions:
            for query in (
                f"SELECT FROM {partition}",
                f"SELECT FROM ONLY {partition}",
                f"INSERT INTO {partition} DEFAULT VALUES",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute(query)


@pytest.mark.parametrize("role", LOGINS)
async def test_no_trick_of_a_query_shows_more(world: World, role: str) -> None:
    """Functions that raise, set operations, joins, lateral sub-queries, statistics, files: the policy comes first."""
    tricks = [
        "SELECT FROM privacy.platform_link WHERE label LIKE 'canary%' OR true AND account_id <> core.current_account_id()",
        "SELECT FROM privacy.platform_link WHERE label LIKE 'canary%' AND 1 / (length(label) - length(label)) > 0",
        "SELECT FROM privacy.platform AS p JOIN privacy.platform_link AS l ON true WHERE l.label LIKE 'canary%'",
        "SELECT FROM privacy.platform AS p, LATERAL (SELECT FROM privacy.platform_link WHERE label LIKE 'canary%') AS l",
        "TABLE core.api_key EXCEPT SELECT * FROM core.api_key WHERE workspace_id = core.current_workspace_id()",
        "SELECT FROM pg_stats WHERE schemaname IN ('core', 'privacy') AND most_common_vals::text LIKE '%canary%'",
        "SELECT FROM pg_stats WHERE tablename = 'platform_link'",
        "SELECT FROM pg_statistic",
        "SELECT FROM pg_read_file('postgresql.conf')",
        "SELECT FROM pg_ls_dir('.')",
    ]
    async with world.api.database.connect() as admin:
        await admin.execute("ANALYZE")
    async with as_role(world, role, world.ada) as connection:
        for trick in tricks:
            assert await count_visible(connection, trick) == 0, trick


@pytest.mark.parametrize("role", LOGINS)
async def test_a_row_of_somebody_else_cannot_be_written(world: World, role: str) -> None:
    """A copy of each of Ben's rows, and one like it with new keys: refused by grant or by policy, never by its uniqueness."""
    rows = await everything_of(world, world.ben)
    async with as_role(world, role, world.ada) as connection:
        for table, found in rows.items():
            for row in (found[0], {k: str(uuid4()) if k == "id" else v for k, v in found[0].items()}):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await insert(connection, table, row)


async def insert(connection: asyncpg.Connection, table: str, row: dict[str, Any]) -> None:
    """A row as to_jsonb told it, but for what the table computes itself."""
    stored = await connection.fetchval(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        table,
    )
    await connection.execute(
        f"INSERT INTO {table} ({stored}) SELECT {stored} FROM jsonb_populate_record(NULL::{table}, $1::text::jsonb)",
        orjson.dumps(row).decode(),
    )


async def columns_to_update(connection: asyncpg.Connection, role: str, table: str) -> list[str]:
    rows = await connection.fetch(
        """
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = $2::text::regclass AND attnum > 0 AND NOT attisdropped
            AND has_column_privilege($1, attrelid, attnum, 'UPDATE')
        """,
        role,
        table,
    )
    return [name for (name,) in rows]


@pytest.mark.parametrize("role", LOGINS)
async def test_a_row_of_somebody_else_cannot_be_changed_or_deleted(world: World, role: str) -> None:
    before = await everything_of(world, world.ben)
    changeable = 0
    async with as_role(world, role, world.ada) as connection:
        for table in world.tables:
            columns = await columns_to_update(connection, role, table)
            assert "workspace_id" not in columns, f"{role} may move rows of {table} to another workspace"
            changeable += len(columns)
            ben = world.ben.workspace_id
            tries = [f"UPDATE {table} SET {column} = {column} WHERE workspace_id = '{ben}'" for column in columns]
            tries += [f"DELETE FROM {table} WHERE workspace_id = '{ben}'", f"UPDATE {table} SET workspace_id = '{ben}'"]
            tries += [f"TRUNCATE {table}", f"SELECT FROM {table} WHERE workspace_id = '{ben}' FOR UPDATE"]
            for text in tries:
                try:
                    async with connection.transaction():
                        assert (await connection.execute(text)).split()[-1] == "0", text
                except asyncpg.InsufficientPrivilegeError:
                    pass
    assert await everything_of(world, world.ben) == before
    assert changeable > 0 or role == "fivefold_worker"


async def test_a_child_cannot_hang_on_a_parent_of_somebody_else(world: World) -> None:
    """Even for the administrator, whom no policy stops, the composite key does not find the parent."""
    rows = await everything_of(world, world.ben)
    ada = {"workspace_id": str(world.ada.workspace_id)}
    snapshot = rows["privacy.snapshot"][0] | ada | {"id": str(uuid4())}
    change = rows["privacy.change"][0] | ada
    api_key = rows["core.api_key"][0] | ada | {"id": str(uuid4()), "secret_hash": "\\x" + "00" * 32}
    platform_link = rows["privacy.platform_link"][0] | ada | {"id": str(uuid4()), "label": "stolen"}
    for table, row in {
        "privacy.snapshot": snapshot,
        "privacy.change": change,
        "core.api_key": api_key,
        "privacy.platform_link": platform_link,
    }.items():
        async with world.api.database.connect() as connection:
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await insert(connection, table, row)


@pytest.mark.parametrize("role", [*LOGINS, "fivefold_auditor", "fivefold_migrator"])
async def test_no_login_role_can_become_more(world: World, role: str) -> None:
    bootstrap.run(world.api.database.url())  # a copy of a database has not the rights of its template
    async with world.api.database.connect(role) as connection:
        becoming = {"postgres", "fivefold_owner", "fivefold_definer", *LOGINS, "fivefold_auditor", "fivefold_migrator"} - {role}
        if role == "fivefold_migrator":
            becoming -= {"fivefold_owner", "fivefold_definer"}
        for other in becoming:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SET ROLE {other}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SET SESSION AUTHORIZATION {other}")
        for text in (
            "SET session_replication_role = replica",
            "CREATE TABLE public.mine (x int)",
            "CREATE TEMP TABLE mine (x int)",
            "CREATE SCHEMA mine",
            "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
            "CREATE EXTENSION pg_trgm",
            "ALTER TABLE privacy.platform_link DISABLE ROW LEVEL SECURITY",
            "CREATE POLICY mine ON privacy.platform_link USING (true)",
            "COPY privacy.platform_link TO PROGRAM 'cat'",
            "DO $$ BEGIN PERFORM lo_import('x'); END $$",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(text)


async def test_row_security_cannot_be_switched_off(world: World) -> None:
    """The setting makes the query fail; it does not show the rows."""
    for role in LOGINS:
        async with as_role(world, role, world.ada) as connection:
            await connection.execute("SET LOCAL row_security = off")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("SELECT FROM core.audit_event")


async def test_a_session_keeps_nothing_of_the_caller_before(world: World) -> None:
    """One connection serves one workspace after the other."""
    pool = pool_of(world.api)
    for person in (world.ada, world.ben) * 5:
        assert (await world.api("{ platformLinks { edges { node { label } } } }", token=person.token)).data
        async with pool.acquire() as connection:
            values = await connection.fetchrow(
                """
                SELECT current_setting('fivefold.workspace_id', true) AS a, current_setting('fivefold.account_id', true) AS b,
                    current_setting('fivefold.api_key_id', true) AS c, current_setting('fivefold.request_id', true) AS d
                """
            )
            assert values is not None
            assert all(not value for value in values.values())
            assert await connection.fetch("SELECT FROM privacy.platform_link") == []


async def test_an_owned_table_has_the_walls_of_all_the_others(world: World) -> None:
    """Row security forced, a policy by workspace for whoever may read, and a primary key that begins with the workspace."""
    async with world.api.database.connect() as admin:
        for table in world.owned:
            row = await admin.fetchrow(
                """
                SELECT c.relrowsecurity AND c.relforcerowsecurity AS forced,
                    (SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                     WHERE i.indrelid = c.oid AND i.indisprimary) AS first_key,
                    (SELECT bool_and(pg_get_expr(p.polqual, p.polrelid) LIKE '%current_workspace_id()%')
                     FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'tenant') AS tenant
                FROM pg_class AS c WHERE c.oid = $1::text::regclass
                """,
                table,
            )
            assert row is not None
            assert (row["forced"], row["first_key"], row["tenant"]) == (True, "workspace_id", True), table
        for partition in world.partitions:
            grants = await admin.fetch(
                "SELECT grantee::text FROM information_schema.role_table_grants WHERE table_schema || '.' || table_name = $1",
                partition,
            )
            assert {grantee for (grantee,) in grants} <= {"fivefold_owner", "postgres"}


def test_every_type_that_a_person_owns_is_tried() -> None:
    """A Node of the schema is either shared or has ids in this file's world."""
    nodes = {t.name for t in SCHEMA.get_possible_types(SCHEMA.type_map["Node"])}  # type: ignore[arg-type]
    assert nodes == set(NODE_TYPES)


async def test_what_is_due_is_all_that_the_worker_sees_of_others(world: World) -> None:
    """The purge crosses workspaces: keys past their week, and not one younger."""
    async with world.api.database.connect() as admin:
        aged = await admin.execute(
            "UPDATE core.idempotency SET created_at = now() - interval '8 days' WHERE workspace_id = $1", world.ben.workspace_id
        )
    async with as_role(world, "fivefold_worker") as connection:
        assert aged == f"UPDATE {await connection.fetchval('SELECT count(*) FROM core.idempotency')}" != "UPDATE 0"
    async with as_role(world, "fivefold_api") as connection:
        assert await connection.fetch("SELECT FROM core.idempotency") == []
