"""Servers, logs and walks through the schema to test with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, cast
from uuid import uuid4

import httpx
import pytest
import structlog
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from app.core import idempotency
from app.core.usage_counter import use
from app.core.wallet import reserve
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.graphql import global_id
from app.kit.password import Hasher
from app.kit.pool import Pool
from app.kit.sql import Statement
from app.kit.token import KeyRing
from app.schema import schema
from app.server import create_app
from app.settings import Settings
from tests.conftest import Api, Database
from tests.factory.core import Person
from tests.factory.device import register
from tests.factory.privacy import link, proposed, record, scan, template_of, template_proposed
from tests.factory.scans import disputed, judged, monitored, published, queued, touched
from tests.factory.session import sign_in

SCHEMA = build_schema(schema.as_str())
SCALARS: dict[str, Any] = {
    "String": "x",
    "Int": 1,
    "Float": 0.5,
    "Boolean": False,
    "DateTime": "2026-03-01T09:30:00Z",
    "JSON": {},
    "BigInt": "1",
    "Duration": "PT1H",
}


CHEAP = {"password_memory_mib": 8, "password_rounds": 1}
"""Passwords are hashed to be verified, not to be safe."""
HASHER = Hasher(memory_mib=8, rounds=1, at_once=2)


@asynccontextmanager
async def serving(database: Database, jwt_key: Path, **settings: Any) -> AsyncIterator[Api]:
    """The API on a database, with settings that are not those of the fixture ``api``."""
    given: dict[str, Any] = {"database_url": database.url("fivefold_api"), "jwt_keys": [jwt_key], "pool_size": 20}
    given |= {"rate_per_second": 0, "stranger_per_second": 0, **CHEAP} | settings
    app = create_app(Settings(**given))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")
    async with app.router.lifespan_context(app), client as http:
        yield Api(http, database, KeyRing([jwt_key]))


def pool_of(api: Api) -> Pool:
    """The pool behind an API."""
    transport = cast(httpx.ASGITransport, api.http._transport)
    state = cast(Any, transport.app).state
    return cast(Pool, getattr(state, "service", state).pool)


async def db_of(api: Api, name: str = "ada") -> Db:
    """The database as a person sees it in the personal workspace, outside of any request. Close it."""
    person = await api.person(name)
    return Db(pool_of(api), Actor(person.account_id, person.workspace_id, "owner"), uuid4())


def statement(body: str, kind: str = "many") -> Statement:
    """A statement of a test."""
    return Statement("test/statement", f"{kind}_statement", kind, "A test asks.", body, ())


async def claim_as(api: Api, name: str, key: str) -> None:
    """Use an idempotency key in a person's workspace."""
    db = await db_of(api, name)
    try:
        async with db.transaction():
            await idempotency.claim(db, "linkPlatform", key, ["google", "x"])
            await idempotency.settle(db, "linkPlatform", key, uuid4())
    finally:
        await db.close()


async def give(api: Api, person: Person, amount: int, reason: str = "welcome") -> None:
    """Credits from a curator."""
    curator = await api.person("giver", curator=True)
    given = {"workspaceId": person.workspace, "amount": str(amount), "reason": reason, "idempotencyKey": str(uuid4())}
    granting = "mutation($input: GrantCreditsInput!) { grantCredits(input: $input) { available } }"
    assert (await api(granting, {"input": given}, token=curator.token)).data


async def spend(api: Api, name: str, word: str) -> None:
    """A wallet with credits, one of which is held for work."""
    await give(api, await api.person(name), 5, f"{word} reason")
    db = await db_of(api, name)
    try:
        async with db.transaction():
            await use(db, "core.test")
            await reserve(db, 1, key="an id of the work, no word of anybody's", purpose="core.test")
    finally:
        await db.close()


async def subscribe(api: Api, person: Person, word: str) -> None:
    """What the payment provider would have told of a customer."""
    rows = (
        "INSERT INTO core.billing_customer (workspace_id, provider_customer_id) VALUES ($1, 'cus_' || $2 || $1::text)",
        "INSERT INTO core.billing_event (workspace_id, occurred_at, provider_event_id, type, state, detail)"
        " VALUES ($1, now(), 'evt_' || $2 || $1::text, 'invoice.paid', 'APPLIED', '{}')",
        "INSERT INTO core.credit_purchase (workspace_id, provider_payment_id) VALUES ($1, 'pi_' || $2 || $1::text)",
        "INSERT INTO core.subscription (workspace_id, observed_at, plan, status, provider_subscription_id)"
        " VALUES ($1, now(), 'enterprise', 'active', 'sub_' || $1::text)",
        "INSERT INTO core.invoice (workspace_id, observed_at, issued_at, amount_due, amount_paid, currency, status, number,"
        " provider_invoice_id) VALUES ($1, now(), now(), 900, 900, 'EUR', 'paid', 'F-1', 'in_' || $1::text)",
    )
    async with api.database.connect() as admin:
        for row in rows:
            await admin.execute(row.replace("$1", f"'{person.workspace_id}'::uuid").replace("$2", f"'{word}'"))


async def consent(api: Api, person: Person) -> None:
    """A consent to a purpose that nothing asks for."""
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.consent_purpose (slug, version, title, text, valid_from)"
            " VALUES ('inhabiting', 1, 'Inhabiting', 'That there are rows.', now()) ON CONFLICT DO NOTHING"
        )
    giving = "mutation($input: GiveConsentInput!) { giveConsent(input: $input) { consent { holds } } }"
    given = {"purpose": "inhabiting", "version": 1, "idempotencyKey": "inhabiting"}
    assert (await api(giving, {"input": given}, token=person.token)).data


async def inhabit(api: Api, name: str, word: str = "plain") -> Person:
    """A person with rows in every owned table; ``word`` stands wherever there is room for one."""
    person = await api.person(name)
    template = await template_of(api, person.token)
    toggle = next(s for s in template["settings"] if s["type"] == "TOGGLE" and s["default"] != s["recommended"])
    link_id = await link(api, person.token, label=f"{word} label")
    for day, value in enumerate((toggle["default"], toggle["recommended"])):
        answer = await record(api, person.token, scan(link_id, template, day=day, values={toggle["key"]: value}))
        assert answer.data["recordSnapshot"]["unchanged"] is False
    change = (await api("{ changes(first: 1) { edges { node { id } } } }", token=person.token)).data["changes"]["edges"][0][
        "node"
    ]
    seen = f'mutation {{ acknowledgeChanges(input: {{ids: ["{change["id"]}"], note: "{word} note"}}) {{ changes {{ id }} }} }}'
    assert (await api(seen, token=person.token)).data
    other = next(s["key"] for s in template["settings"] if s["default"] != s["recommended"] and s["key"] != toggle["key"])
    dismissing = (
        f'mutation {{ dismissRecommendation(input: {{linkId: "{link_id}", setting: "{other}", reason: "{word} reason"}})'
    )
    assert (await api(f"{dismissing} {{ recommendation {{ setting }} }} }}", token=person.token)).data
    asking = f'platformSlug: "google", action: ACCESS, regime: GDPR, details: "{word} details", idempotencyKey: "{word}"'
    creating = f"mutation {{ createRightsRequest(input: {{{asking}}}) {{ request {{ id }} }} }}"
    assert (await api(creating, token=person.token)).data
    ended = await link(api, person.token, label=f"{word} ended")
    unlinking = f'mutation {{ unlinkPlatform(input: {{id: "{ended}", reason: "{word} reason"}}) {{ link {{ id }} }} }}'
    assert (await api(unlinking, token=person.token)).data
    key = f'mutation {{ createApiKey(input: {{name: "{word} key", scopes: ["privacy:read"]}}) {{ secret }} }}'
    assert (await api(key, token=person.token)).data
    await register(api, person.token, name=f"{word} device")
    await sign_in(api, person, agent=f"{word} browser")
    preferring = "mutation { updateNotificationPreferences(input: {weeklyDigest: true}) { preferences { weeklyDigest } } }"
    assert (await api(preferring, token=person.token)).data
    await template_proposed(api, person.token, [proposed(f"{word}_setting", label=f"{word} label", category=word)])
    keeping = "mutation { updateRetention(input: {keep: FOREVER}) { retention { keep } } }"
    assert (await api(keeping, token=person.token)).data
    keeping = "mutation { updateScanRetention(input: {keep: FOREVER}) { retention { keep } } }"
    assert (await api(keeping, token=person.token)).data
    async with api.database.connect() as admin:  # what purges of an older snapshot and scan would have left
        await admin.execute(
            "INSERT INTO scans.purged_scan (workspace_id, id, finished_at, state) VALUES ($1, uuidv7(), now(), 'FAILED')",
            person.workspace_id,
        )
        await admin.execute(
            "INSERT INTO privacy.purged_snapshot (workspace_id, id, link_id, captured_at, change_count, change_hash)"
            " SELECT workspace_id, uuidv7(), id, now(), 0, sha256('') FROM privacy.platform_link"
            " WHERE workspace_id = $1 LIMIT 1",
            person.workspace_id,
        )
    await spend(api, name, word)
    exporting = f'mutation {{ requestExport(input: {{idempotencyKey: "{word} export"}}) {{ export {{ id }} }} }}'
    assert (await api(exporting, token=person.token)).data
    async with api.database.connect() as admin:  # as the job makes it
        await admin.execute(
            "INSERT INTO core.data_export_chunk SELECT workspace_id, id, 0, $2 FROM core.data_export WHERE workspace_id = $1",
            person.workspace_id,
            b"\x01" + f"{word} file".rjust(60).encode(),
        )
        await admin.execute("UPDATE core.data_export SET finished_at = now() WHERE workspace_id = $1", person.workspace_id)
    erasing = f'mutation {{ requestErasure(input: {{confirmEmail: "{person.email}", idempotencyKey: "{word} erasing"}})'
    asked = await api(f"{erasing} {{ erasure {{ id }} }} }}", token=person.token)
    canceling = f'mutation {{ cancelErasure(id: "{asked.data["requestErasure"]["erasure"]["id"]}") {{ erasure {{ id }} }} }}'
    assert (await api(canceling, token=person.token)).data
    await subscribe(api, person, word)
    await consent(api, person)
    # Personal workspaces have none of these by the API, and the same walls.
    async with api.database.connect() as admin:  # personal workspaces have none of these by the API, and the same walls
        for of_organizations in (
            "INSERT INTO core.invitation (workspace_id, account_id, email, role)"
            " VALUES ($1, $2, $3::text || '@example.net', 'viewer')",
            "INSERT INTO core.domain (workspace_id, name, challenge)"
            " SELECT $1, $3::text || '.example.net', repeat('x', 43) WHERE $2::uuid IS NOT NULL",
            "WITH team AS (INSERT INTO core.team (workspace_id, name, description) VALUES ($1, $3::text, $3) RETURNING id)"
            " INSERT INTO core.team_member (workspace_id, team_id, account_id) SELECT $1, id, $2 FROM team",
        ):
            await admin.execute(of_organizations, person.workspace_id, person.account_id, word)
    await claim_as(api, name, f"{word} idempotency key")
    hook = f'url: "https://example.com/{word}", kinds: ["privacy.scan_requested"], description: "{word} webhook"'
    creating = f'mutation {{ createWebhook(input: {{{hook}, idempotencyKey: "{word}"}}) {{ webhook {{ id }} }} }}'
    hook_id = (await api(creating, token=person.token)).data["createWebhook"]["webhook"]["id"]
    testing = f'mutation {{ testWebhook(input: {{id: "{hook_id}", idempotencyKey: "{word}"}}) {{ delivery {{ id }} }} }}'
    assert (await api(testing, token=person.token)).data
    async with api.database.connect() as admin:  # what jobs would have written
        await admin.execute(
            "INSERT INTO core.webhook_attempt (workspace_id, delivery_id, milliseconds, failure)"
            " SELECT workspace_id, id, 1, 'TIMED_OUT' FROM core.webhook_delivery WHERE workspace_id = $1",
            person.workspace_id,
        )
        await admin.execute(
            "INSERT INTO core.api_key_network (workspace_id, api_key_id, network)"
            " SELECT k.workspace_id, k.id, substring(sha256(convert_to($2, 'UTF8')) FOR 16) FROM core.api_key AS k"
            " WHERE k.workspace_id = $1 ON CONFLICT DO NOTHING",
            person.workspace_id,
            word,
        )
        await admin.execute(
            "INSERT INTO core.security_alert (workspace_id, object_id, event_at, kind, key, detail)"
            " VALUES ($1, $2, now(), 'NEW_CLIENT', 'k', jsonb_build_object('client', $3::text))",
            person.workspace_id,
            person.account_id,
            word,
        )
    await touched(api, person, await queued(api, person, word), word)
    await disputed(api, person, word)
    await published(api, person, await judged(api, person, f"{word}.published"), "UNLISTED")
    async with api.database.connect() as admin:  # what only a public one would have, which others see
        await admin.execute(
            "INSERT INTO scans.publication_address SELECT workspace_id, id, '93.184.215.14' FROM scans.publication"
            " WHERE workspace_id = $1",
            person.workspace_id,
        )
    await monitored(api, person, word)
    return person


CURATORS_ONLY = {
    "activateTemplate",
    "assignPlan",
    "blastRadius",
    "describeTemplate",
    "freezePlatform",
    "grantCredits",
    "migrations",
    "openDisputes",
    "proposedTemplates",
    "publishConsentPurpose",
    "publishCreditPack",
    "publishPlanPrice",
    "publishPlatformConfig",
    "publishPlatformContact",
    "refreshTemplateAnalysis",
    "rejectTemplate",
    "resolveDispute",
    "reviewTemplateAnalysis",
    "templateAnalyses",
    "updatePlanLimit",
}
"""Root fields that are for curators; others are FORBIDDEN whatever they ask for."""

NODE_KEYS = {
    "Account": "SELECT id::text FROM core.account WHERE id = $2 AND $1::uuid IS NOT NULL",
    "Workspace": "SELECT id::text FROM core.workspace WHERE id = $1 AND $2::uuid IS NOT NULL",
    "Identity": "SELECT id::text FROM core.identity WHERE account_id = $2 AND $1::uuid IS NOT NULL",
    "ApiKey": "SELECT id::text FROM core.api_key WHERE workspace_id = $1 AND account_id = $2",
    "SecurityAlert": "SELECT id::text FROM core.security_alert WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Webhook": "SELECT id::text FROM core.webhook WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "WebhookDelivery": "SELECT id::text FROM core.webhook_delivery WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Notification": "SELECT id::text FROM core.notification WHERE workspace_id = $1 AND account_id = $2",
    "Domain": "SELECT id::text FROM core.domain WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Invitation": "SELECT id::text FROM core.invitation WHERE workspace_id = $1 AND account_id = $2",
    "Team": "SELECT id::text FROM core.team WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Device": "SELECT id::text FROM core.device WHERE workspace_id = $1 AND account_id = $2",
    "Session": "SELECT id::text FROM core.session WHERE account_id = $2 AND $1::uuid IS NOT NULL",
    "DataExport": "SELECT id::text FROM core.data_export WHERE workspace_id = $1 AND account_id = $2",
    "Consent": "SELECT id::text FROM core.consent WHERE workspace_id = $1 AND account_id = $2",
    "Erasure": "SELECT id::text FROM core.erasure WHERE account_id = $2 AND $1::uuid IS NOT NULL",
    "AuditEvent": "SELECT id::text FROM core.audit_event WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Monitor": "SELECT id::text FROM scans.monitor WHERE workspace_id = $1 AND account_id = $2",
    "Dispute": "SELECT id::text FROM scans.dispute WHERE workspace_id = $1 AND account_id = $2",
    "Access": "SELECT id::text FROM scans.access WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Scan": "SELECT id::text FROM scans.scan WHERE workspace_id = $1 AND account_id = $2",
    "PlatformLink": "SELECT id::text FROM privacy.platform_link WHERE workspace_id = $1 AND account_id = $2",
    "Snapshot": "SELECT id::text FROM privacy.snapshot WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "Reservation": "SELECT id::text FROM core.reservation WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "PlanSubscription": "SELECT id::text FROM core.subscription WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
    "RightsRequest": "SELECT id::text FROM privacy.rights_request WHERE workspace_id = $1 AND account_id = $2",
    "Change": "SELECT snapshot_id || ':' || setting FROM privacy.change WHERE workspace_id = $1 AND $2::uuid IS NOT NULL",
}
SHARED_KEYS = {
    "Platform": "SELECT id::text FROM privacy.platform",
    "PlatformConfig": "SELECT id::text FROM privacy.platform_config",
    "PlatformContact": "SELECT id::text FROM privacy.platform_contact",
    "Playbook": "SELECT id::text FROM privacy.playbook",
    "Template": "SELECT id::text FROM privacy.template",
    "Plan": "SELECT id::text FROM core.plan",
    "TemplateAnalysis": "SELECT id::text FROM privacy.template_analysis",
}
"""Where the keys of nodes are: a new type of node needs a line in one of the two."""


async def nodes_of(api: Api, person: Person) -> dict[str, list[str]]:
    """The global ids of every node that is a person's own, by type."""
    async with api.database.connect() as admin:
        found = {name: await admin.fetch(query, person.workspace_id, person.account_id) for name, query in NODE_KEYS.items()}
    return {name: [global_id(name, key) for (key,) in rows] for name, rows in found.items()}


async def shared_nodes(api: Api) -> dict[str, list[str]]:
    """The global ids of every node that all share, by type."""
    async with api.database.connect() as admin:
        found = {name: await admin.fetch(query) for name, query in SHARED_KEYS.items()}
    return {name: [global_id(name, key) for (key,) in rows] for name, rows in found.items()}


class Lines(list[dict[str, Any]]):
    """What was logged, one dict per line."""

    def logger(self) -> Any:
        """A logger like the one of app/kit/log.py that keeps its lines here."""
        return structlog.wrap_logger(
            None,
            processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, self._keep],
            wrapper_class=structlog.make_filtering_bound_logger(20),
        )

    def _keep(self, logger: Any, method: str, line: MutableMapping[str, Any]) -> NoReturn:
        self.append(dict(line))
        raise structlog.DropEvent

    @property
    def request(self) -> dict[str, Any]:
        """The line of the last request."""
        return next(line for line in reversed(self) if line["event"] == "graphql")

    @property
    def statements(self) -> list[str]:
        """What the last request ran, but for the look-up of its caller."""
        known = ("core/identity.get_caller_by_", "core/identity.confirm_caller")
        return [each for each in self.request["statements"] if not each.startswith(known)]


def listen(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Keep what the server logs from now on, instead of writing it to standard error."""
    kept = Lines()
    for module in ("app.server", "app.kit.http", "app.kit.executor"):
        monkeypatch.setattr(f"{module}.log", kept.logger())
    return kept


def root_fields() -> Iterator[tuple[str, str, GraphQLField]]:
    """Every root field of the schema as (query or mutation, name, field)."""
    for kind, root in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type)):
        assert root is not None
        for name, field in root.fields.items():
            yield kind, name, field


def call(
    kind: str, name: str, values: Mapping[str, Any], *, depth: int = 1, node: str = "Account"
) -> tuple[str, dict[str, Any]]:
    """A document that calls one root field, and its variables: required ones and every id, from ``values`` by name or type.

    ``depth`` objects are selected below it, with all their fields; of a Node those of the type ``node``.
    """
    root = SCHEMA.query_type if kind == "query" else SCHEMA.mutation_type
    assert root is not None
    field = root.fields[name]
    given = {
        key: argument
        for key, argument in field.args.items()
        if is_required_argument(argument) or key in values or get_named_type(argument.type).name == "ID"
    }
    variables = {key: value_of(key, argument.type, values) for key, argument in given.items()}
    head = ", ".join(f"${key}: {argument.type}" for key, argument in given.items())
    passed = ", ".join(f"{key}: ${key}" for key in given)
    arguments = f"({passed})" if passed else ""
    return f"{kind}{f'({head})' if head else ''} {{ {name}{arguments} {selection(field.type, depth, node)} }}", variables


def value_of(name: str, type_: Any, values: Mapping[str, Any]) -> Any:
    """A value that an input of this name and type takes."""
    if isinstance(type_, GraphQLNonNull):
        return value_of(name, type_.of_type, values)
    if name in values:
        return values[name]
    if isinstance(type_, GraphQLList):
        return [value_of(name, type_.of_type, values)]
    if isinstance(type_, GraphQLInputObjectType):
        wanted = {k: f for k, f in type_.fields.items() if is_required_input_field(f) or get_named_type(f.type).name == "ID"}
        return {k: value_of(k, f.type, values) for k, f in wanted.items()}
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    return (SCALARS | dict(values))[type_.name]


def selection(type_: Any, depth: int, node: str) -> str:
    """All fields that need no arguments, ``depth`` objects deep."""
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    if isinstance(named, GraphQLInterfaceType):
        return f"{{ __typename ... on {node} {selection(SCHEMA.type_map[node], depth, node)} }}"
    parts = ["__typename"]
    for name, field in cast(GraphQLObjectType, named).fields.items():
        inner = get_named_type(field.type)
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif depth > 1:
            # Neither edges nor a page's information are a step further from the root.
            step = 0 if inner.name.endswith(("Edge", "Connection")) else 1
            parts.append(f"{name} {selection(field.type, depth - step, node)}")
    return f"{{ {' '.join(parts)} }}"
