"""A seeded database with everyone who may ask, and both executors on it: what one answers, the other must."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import dict_row
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from app import seed
from app.kit.context import Actor, Context
from app.kit.db import Db
from app.kit.document import Documents, Invalid
from app.kit.executor import Executor, unsaid
from app.kit.graphql import global_id
from app.kit.http import describe
from app.kit.metrics import Metrics
from app.kit.page import encode_cursor
from app.kit.password import Hasher
from app.kit.pool import Pool as DatabasePool
from app.kit.pool import open_pool
from app.kit.token import KeyRing
from app.schema import NODE_TYPES, SCOPES, schema
from app.settings import Settings
from tests.conftest import Database
from tests.factory.device import REGISTER, new_device
from tests.factory.operation import Operation, Pool

EMAILS = ("ada@example.com", "ben@example.com", "curator@example.com")
LISTED = ("ApiKey", "AuditEvent", "Device", "Member", "PlatformLink", "Snapshot")
"""What is listed by a uuid alone."""
REQUEST = UUID("0199aaaa-0000-7000-8000-000000000000")
"""The id of every request, so that answers that show it are equal."""

HASHER = Hasher(memory_mib=8, rounds=1, at_once=1)

_KEY = """
mutation Key($name: String!) { createApiKey(input: {name: $name, scopes: ["privacy:read"]}) { apiKey { id } } }
"""


@dataclass(frozen=True)
class Answer:
    """What a client would get, and what it took. Errors are sorted: their own order says nothing."""

    data: Any
    errors: list[dict[str, Any]]
    statements: list[str]
    fallback: str | None = None
    """Why the stock executor was needed, if it was."""

    @property
    def text(self) -> str:
        """As it is sent, data in the order of their keys."""
        return orjson.dumps({"data": self.data, "errors": self.errors}).decode()

    @property
    def codes(self) -> set[str]:
        """Of its errors."""
        return {error.get("extensions", {}).get("code", "BAD_VARIABLES") for error in self.errors}


@dataclass
class Stage:
    """Both executors on one database."""

    database: Database
    pool: DatabasePool
    executor: Executor
    documents: Documents
    actors: dict[str, Actor]
    inputs: Pool

    @property
    def fallbacks(self) -> dict[str, int]:
        """How often the stock executor was needed, by cause."""
        (metric,) = self.executor.metrics.fallbacks.collect()
        return {s.labels["cause"]: int(s.value) for s in metric.samples if s.name.endswith("_total")}

    async def planned(self, operation: Operation, actor: Actor) -> Answer:
        """As the server runs it."""
        document = self.documents.find(operation.text, None)
        chosen = document.choose(operation.name)

        async def run(context: Context) -> ExecutionResult:
            return await self.executor.execute(document, chosen, operation.variables, context)

        before = self.fallbacks
        answer = await self._answer(run, actor)
        return replace(answer, fallback=next((c for c, n in self.fallbacks.items() if n > before.get(c, 0)), None))

    async def stock(self, operation: Operation, actor: Actor) -> Answer:
        """As Strawberry runs it: the reference. But for what it repeats of variables that do not fit, which we never say."""

        async def run(context: Context) -> ExecutionResult:
            result = await schema.execute(
                operation.text,
                variable_values=operation.variables,
                operation_name=operation.name,
                context_value=context,
                allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
            )
            for error in result.errors or ():
                if error.path is None:
                    error.message = unsaid(error.message, operation.variables)
            return result

        return await self._answer(run, actor)

    async def _answer(self, run: Any, actor: Actor) -> Answer:
        db = Db(self.pool, actor, REQUEST)
        try:
            result = await run(
                Context(actor, db, REQUEST, NODE_TYPES, SCOPES, Settings(sign_in_attempts=0), KeyRing([]), HASHER)
            )
        except Invalid as bad:
            result = ExecutionResult(data=None, errors=bad.errors)
        finally:
            await db.close()
        shown = [describe(error) if error.path else error.formatted for error in result.errors or ()]
        data, errors = orjson.loads(orjson.dumps([result.data, shown], default=str, option=orjson.OPT_UTC_Z))
        return Answer(data, sorted(errors, key=lambda error: orjson.dumps(error, option=orjson.OPT_SORT_KEYS)), db.statements)


async def fill(database: Database) -> None:
    """Seed it, and leave no connection behind: it is to be copied."""
    await seed.load_demo(database.url(), seed.Progress(lambda total: None, lambda: None))
    async with playing(database) as stage:
        ada = stage.actors["ada"]
        keys = [await stage.stock(Operation(_KEY, {"name": name}), ada) for name in ("phone", "laptop")]
        revoked = keys[0].data["createApiKey"]["apiKey"]["id"]
        await stage.stock(Operation("mutation($id: ID!) { revokeApiKey(id: $id) { apiKey { id } } }", {"id": revoked}), ada)
        links = await stage.stock(Operation("{ platformLinks { edges { node { id } } } }", {}), ada)
        ended = links.data["platformLinks"]["edges"][0]["node"]["id"]
        await stage.stock(
            Operation("mutation($id: ID!) { unlinkPlatform(input: {id: $id}) { link { id } } }", {"id": ended}), ada
        )
        for name in ("Browser", "Lost phone", "Laptop"):
            given = {"name": name, "publicKey": new_device().public_key, "idempotencyKey": name}
            made = await stage.stock(Operation(REGISTER, {"input": given}), ada)
        lost = {"id": made.data["registerDevice"]["device"]["id"]}
        await stage.stock(Operation("mutation($id: ID!) { revokeDevice(id: $id) { device { id } } }", lost), ada)
        fresh = {"platformSlug": "google", "label": "Never scanned", "idempotencyKey": "fresh"}
        link = "mutation($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id } } }"
        await stage.stock(Operation(link, {"input": fresh}), ada)


@asynccontextmanager
async def playing(database: Database) -> AsyncIterator[Stage]:
    """The executors on a database that ``fill`` has filled, or is filling."""
    with psycopg.connect(database.url(), row_factory=dict_row) as connection:
        actors, inputs = _actors(connection), _inputs(connection)
    pool = await open_pool(database.url("fivefold_api"), size=4, name="stage", statement_seconds=10)
    try:
        yield Stage(database, pool, Executor(schema, Metrics()), Documents(schema._schema), actors, inputs)
    finally:
        await pool.close()


def _actors(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, Actor]:
    """Who may ask: people of every role, a curator, and keys."""
    people = connection.execute(
        "SELECT a.email::text, a.id, w.id AS workspace_id "
        "FROM core.account a JOIN core.workspace w ON w.personal_account_id = a.id"
    ).fetchall()
    by_email = {p["email"]: (p["id"], p["workspace_id"]) for p in people}
    (ada, own), (ben, other), (curator, third) = (by_email[email] for email in EMAILS)
    key = connection.execute("SELECT id FROM core.api_key ORDER BY id LIMIT 1").fetchone()
    key_id = key["id"] if key else uuid4()
    return {
        "ada": Actor(ada, own, "owner"),
        "ben": Actor(ben, other, "admin"),
        "curator": Actor(curator, third, "owner", curator=True),
        "viewer": Actor(ada, own, "viewer"),
        "auditor": Actor(ada, own, "auditor"),
        "reading key": Actor(ada, own, "owner", api_key_id=key_id, scopes=frozenset({"privacy:read"})),
        "writing key": Actor(ada, own, "owner", api_key_id=key_id, scopes=frozenset({"snapshots:write"})),
        "key": Actor(ada, own, "owner", api_key_id=key_id, scopes=SCOPES),
    }


def _inputs(connection: psycopg.Connection[dict[str, Any]]) -> Pool:
    """Real ids and keys of every kind, and wrong ones."""

    def column(statement: str) -> list[Any]:
        return [next(iter(row.values())) for row in connection.execute(statement)]

    ids: dict[str, list[str]] = {}
    for name in NODE_TYPES:
        # A type of this name without more is the root of all subscriptions.
        table = "subscription" if name == "PlanSubscription" else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        product = NODE_TYPES[name].__module__.split(".")[1]
        key = "snapshot_id || ':' || setting" if name == "Change" else "id::text"
        keys = column(f"SELECT {key} FROM {product}.{table} ORDER BY 1")
        # The ends and some of the middle: a database has thousands of events.
        ids[name] = [global_id(name, k) for k in [*keys[:6], *keys[len(keys) // 2 :][:6], *keys[-6:]]]
    some = [ids[name][place] for name in NODE_TYPES for place in (0, -1, len(ids[name]) // 2) if ids[name]]
    uuids = [str(UUID(b64decode(id_).decode().partition(":")[2][:36])) for id_ in some]
    garbage = [
        "",
        "x",
        "Snapshot:1",
        str(uuid4()),
        global_id("Snapshot", "1"),
        global_id("Nothing", str(uuid4())),
        "\U0001f600",
    ]
    gone = [global_id(name, str(uuid4())) for name in ("Snapshot", "PlatformLink", "Template", "ApiKey", "Device")]
    slugs = column("SELECT slug FROM privacy.platform ORDER BY slug")
    scans = _scans(connection)
    links = ids["PlatformLink"] * 3 + gone[:2]
    good: dict[str, list[Any]] = {
        "ID": some + gone,
        "linkId": links,
        "platformLink.id": links,
        "snapshot.id": ids["Snapshot"],
        "revokeApiKey.id": ids["ApiKey"],
        "revokeDevice.id": ids["Device"],
        "publicKey": [new_device().public_key for _ in range(5)],
        "activateTemplate.id": ids["Template"],
        "rejectTemplate.id": ids["Template"],
        "templateId": ids["Template"],
        "ProposeTemplateInput": [
            {
                "platformSlug": slug,
                "settings": [{"key": key, "type": "TOGGLE", "options": ["on", "off"]} for key in ("a", "b", "c")[:size]],
                "idempotencyKey": f"proposal-{slug}-{size}",
            }
            for slug in slugs
            for size in (1, 2, 3)
        ],
        "locale": ["en", "de", "de-AT", "zh-Hant"],
        "options": ["on", "off", "maybe"],
        "recommended": ["on", "off"],
        "risk": [0, 1, 50, 100],
        "category": ["ads", "people"],
        "directLink": ["https://example.com/settings"],
        "AcknowledgeChangesInput.ids": ids["Change"],
        "UnlinkPlatformInput.id": ids["PlatformLink"],
        "markNotificationsRead.ids": ids["Notification"],
        "from": ["22:00", "23:30"],
        "until": ["07:00", "06:45"],
        "DismissRecommendationInput.linkId": ids["PlatformLink"],
        "RestoreRecommendationInput.linkId": ids["PlatformLink"],
        "first": [1, 2, 3, 2, 1, 5, 20],
        "after": [encode_cursor([name, u]) for u in uuids[:40] for name in LISTED]
        + [encode_cursor(["Platform", s]) for s in slugs]
        + [encode_cursor(["Template", number]) for number in (1, 2, 3)]
        + _change_cursors(connection),
        "slug": slugs,
        "platformSlug": slugs,
        "slugs": slugs,
        "setting": sorted({value["key"] for scan in scans for value in scan["values"]}),
        "object": ["privacy.snapshot", "privacy.platform_link", "core.api_key", "core.device", "core.account"],
        "templateHash": [scan["templateHash"] for scan in scans],
        "key": sorted({value["key"] for scan in scans for value in scan["values"]}),
        "value": ["on", "off"],
        "confidence": [0, 0.5, 1, 0.25],
        "scopes": ["privacy:read", "snapshots:write"],
        "label": ["Personal", "Work", "Third", "Fourth", "  Fifth "],
        "name": ["extension", "phone"],
        "reason": ["moved", "\u00fcber", ""],
        "idempotencyKey": [f"key-{number}" for number in range(300)],
        "at": [scan["capturedAt"] for scan in scans],
        "exposures.from": [scan["capturedAt"] for scan in scans],
        "exposures.until": [scan["capturedAt"] for scan in scans],
        "capturedAt": [scan["capturedAt"] for scan in scans],
        "occurredAt": [scan["capturedAt"] for scan in scans],
        "durationMilliseconds": [0, 900, 3_600_000],
        "ScheduleScansInput.at": ["09:00", "23:59", "00:00"],
        "requestsPerMinute": [1, 30],
        "cooldownMinutes": [0, 15],
        "validFrom": ["2026-06-01T00:00:00Z", "2030-01-01T00:00:00+02:00"],
        "expiresAt": ["2036-01-01T00:00:00Z", "2001-01-01T00:00:00Z"],
        "urlPatterns": ["https://example.com/*"],
        "selectors": [{"a": "#a"}, {}],
        "RecordSnapshotInput": scans,
    }
    odd: dict[str, list[Any]] = {
        "ID": garbage,
        "linkId": garbage + some,
        "id": garbage + some,
        "first": [0, -1, 100, 101, 2**31 - 1, -(2**31)],
        "after": ["", "x", "bnVsbA", encode_cursor(["x"]), encode_cursor(["a", "b"]), encode_cursor([]), "\u00e4"],
        "String": ["", "x" * 300, "nul \0", "\u00e4 'quoted' \"twice\" \\ \n", "\U0001f600"],
        "Int": [0, -1],
        "BigInt": ["0", "-1"],
        "Float": [-1, 2, 0],
        "Duration": ["PT1H", "P1D", "PT0S", "-PT1S", "1 hour", "", "P400D"],
        "Boolean": [True, False],
        "DateTime": ["1999-01-01T00:00:00Z", "2090-01-01T00:00:00+02:00", "0001-01-02T00:00:00Z"],
        "JSON": [{}, [], {"a": {"b": [1, None, 1.5]}}, "text", 7, True],
    }
    return Pool(good, odd)


def _change_cursors(connection: psycopg.Connection[dict[str, Any]]) -> list[str]:
    rows = connection.execute("SELECT snapshot_id, setting FROM privacy.change ORDER BY 1, 2 LIMIT 8")
    return [encode_cursor(["Change", row["snapshot_id"], row["setting"]]) for row in rows]


def _scans(connection: psycopg.Connection[dict[str, Any]]) -> list[dict[str, Any]]:
    """Scans that would be taken: every link against the active template of its platform, at some moments."""
    rows = connection.execute(
        """
        SELECT l.id, t.structure_hash, jsonb_agg(jsonb_build_array(s.key, s.options) ORDER BY s.position) AS settings
        FROM privacy.platform_link l
        JOIN privacy.template t ON t.platform_id = l.platform_id AND t.state = 'ACTIVE'
        JOIN privacy.template_setting s ON s.template_id = t.id
        GROUP BY l.id, t.structure_hash ORDER BY l.id
        """
    ).fetchall()
    now = datetime.now(UTC)
    return [
        {
            "linkId": global_id("PlatformLink", str(row["id"])),
            "capturedAt": (now - timedelta(days=days)).isoformat(),
            "scanMethod": "EXTENSION",
            "templateHash": bytes(row["structure_hash"]).hex(),
            "values": [{"key": key, "value": options[days % len(options)]} for key, options in row["settings"][:3]],
            "idempotencyKey": f"scan-{row['id']}-{days}",
        }
        for row in rows
        for days in (0, 1, 40, 100)
    ]
