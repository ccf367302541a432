"""API keys: what a key may do, for how long, and what is left of its secret."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type

from app.kit.graphql import global_id
from app.schema import PUBLIC
from tests.conftest import Answer, Api
from tests.factory.core import Person
from tests.factory.kit import SCHEMA, call, root_fields
from tests.factory.privacy import link, record, scan, template_of

KEYS = "{ apiKeys(first: 100) { edges { node { id name hint scopes createdAt expiresAt lastUsedAt revokedAt } } } }"
CREATE = """
mutation Create($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { secret apiKey { id name hint scopes createdAt expiresAt lastUsedAt revokedAt } }
}
"""
REVOKE = "mutation Revoke($id: ID!) { revokeApiKey(id: $id) { apiKey { id revokedAt } } }"
PLATFORMS = "{ platforms { edges { cursor } } }"

NEEDS_NO_TOKEN = {("query" if name == "signInProviders" else "mutation", name) for name in PUBLIC}
WRITER_MAY = NEEDS_NO_TOKEN | {
    ("query", "platforms"),
    ("query", "platform"),
    ("query", "platformLinks"),
    ("query", "eventCursor"),
    ("mutation", "linkPlatform"),
    ("mutation", "recordSnapshot"),
    ("mutation", "recordSnapshots"),
    ("mutation", "registerDevice"),
    ("mutation", "proposeTemplate"),
    ("mutation", "reportScanFailure"),
    ("mutation", "requestScan"),
    ("query", "templateDiff"),
}
READER_MAY = NEEDS_NO_TOKEN | {
    ("query", name)
    for name in (
        "node",
        "nodes",
        "platforms",
        "platform",
        "platformLinks",
        "platformLink",
        "snapshot",
        "snapshots",
        "changes",
        "privacyDashboard",
        "eventCursor",
        "recommendations",
        "platformComparison",
        "plans",
        "organizationPrivacy",
        "playbooks",
        "alerts",
        "exposures",
        "purgedSnapshots",
        "retention",
        "settingsAsOf",
        "storageReport",
        "templateDiff",
    )
}
SCANNER_READS = NEEDS_NO_TOKEN | {
    ("query", name)
    for name in (
        "accessLog",
        "compareScans",
        "disputes",
        "lookup",
        "lookupKey",
        "monitors",
        "publishedScan",
        "publishedScans",
        "purgedScans",
        "relatedPublishedScans",
        "relatedScans",
        "scan",
        "scanRetention",
        "scans",
        "sharedScan",
        "urlHistory",
    )
}
SCANNER_WRITES = NEEDS_NO_TOKEN | {
    ("mutation", name)
    for name in (
        "createMonitor",
        "deleteMonitor",
        "disputeScan",
        "publishScan",
        "submitScan",
        "submitScans",
        "unpublishScan",
        "updateMonitor",
        "withdrawDispute",
    )
}


async def make(api: Api, token: str, *scopes: str, **given: Any) -> Answer:
    return await api(CREATE, {"input": {"name": "A key", "scopes": list(scopes) or ["snapshots:write"]} | given}, token=token)


async def made(api: Api, token: str, *scopes: str) -> tuple[str, str]:
    """(secret, global id) of a new key."""
    payload = (await make(api, token, *scopes)).data["createApiKey"]
    return payload["secret"], payload["apiKey"]["id"]


async def find_key(api: Api, token: str, key_id: str) -> dict[str, Any]:
    edges = (await api(KEYS, token=token)).data["apiKeys"]["edges"]
    (found,) = [edge["node"] for edge in edges if edge["node"]["id"] == key_id]
    assert isinstance(found, dict)
    return found


async def set_column(api: Api, secret: str, column: str, value: str) -> None:
    """Move a time of a key, as an administrator."""
    async with api.database.connect() as admin:
        changed = await admin.execute(
            f"UPDATE core.api_key SET {column} = {value} WHERE secret_hash = $1", hashlib.sha256(secret.encode()).digest()
        )
    assert changed == "UPDATE 1"


async def test_a_key_is_shown_once_and_listed_without_its_secret(api: Api) -> None:
    ada = await api.person("ada")
    payload = (await make(api, ada.token, "snapshots:write", "privacy:read", "snapshots:write")).data["createApiKey"]
    secret, key = payload["secret"], payload["apiKey"]
    assert secret.startswith("ffk_")
    assert len(secret) >= 40
    assert key["hint"] == secret[:8]
    assert key["scopes"] == ["privacy:read", "snapshots:write"]
    assert (key["expiresAt"], key["lastUsedAt"], key["revokedAt"]) == (None, None, None)
    answer = await api(KEYS, token=ada.token)
    assert [edge["node"] for edge in answer.data["apiKeys"]["edges"]] == [key]
    assert secret not in str(answer.body)


async def test_a_secret_is_nowhere_in_the_database_and_its_hash_in_one_place(api: Api) -> None:
    ada = await api.person("ada")
    secret, _ = await made(api, ada.token)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert (await api(PLATFORMS, token=secret)).data
    async with api.database.connect() as admin:
        tables = await admin.fetch(
            """
            SELECT c.oid::regclass::text FROM pg_class AS c
            WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
            """
        )
        holding = [
            table
            for (table,) in tables
            if await admin.fetchval(
                f"SELECT EXISTS (SELECT FROM {table} AS t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0)",
                secret[8:],
                digest,
            )
        ]
    assert holding == ["core.api_key"]
    assert len(tables) > 20


async def test_wrong_keys_are_all_refused_alike(api: Api) -> None:
    ada = await api.person("ada")
    revoked, revoked_id = await made(api, ada.token)
    expired, _ = await made(api, ada.token)
    good, _ = await made(api, ada.token)
    assert (await api(REVOKE, {"id": revoked_id}, token=ada.token)).data
    await set_column(api, expired, "expires_at", "now() - interval '1 second'")
    wrong = [revoked, expired, "ffk_", "ffk_" + "x" * 43, good[:-1], good + "x", good.swapcase(), good[4:], "ffk_" + "x" * 9000]
    answers = [await api(PLATFORMS, token=key) for key in wrong]
    for key, answer in zip(wrong, answers, strict=True):
        assert (answer.status, answer.code, key) == (401, "UNAUTHENTICATED", key)
    messages = {
        answer.body["errors"][0]["message"] for key, answer in zip(wrong, answers, strict=True) if key.startswith("ffk_")
    }
    assert len(messages) == 1, "one can tell a revoked key from one that never was"
    assert (await api(PLATFORMS, token=good)).data


async def test_a_key_ends_at_its_moment(api: Api) -> None:
    ada = await api.person("ada")
    secret, key_id = await made(api, ada.token)
    await set_column(api, secret, "expires_at", "now() + interval '1 hour'")
    assert (await api(PLATFORMS, token=secret)).data
    assert (await find_key(api, ada.token, key_id))["expiresAt"].endswith("Z")
    await set_column(api, secret, "expires_at", "clock_timestamp()")
    assert (await api(PLATFORMS, token=secret)).code == "UNAUTHENTICATED"


async def test_the_use_of_a_key_is_noted_at_most_once_a_minute(api: Api) -> None:
    ada = await api.person("ada")
    secret, key_id = await made(api, ada.token)
    assert (await find_key(api, ada.token, key_id))["lastUsedAt"] is None
    await api(PLATFORMS, token=secret)
    first = (await find_key(api, ada.token, key_id))["lastUsedAt"]
    assert first is not None
    await api(PLATFORMS, token=secret)
    assert (await find_key(api, ada.token, key_id))["lastUsedAt"] == first
    await set_column(api, secret, "last_used_at", "now() - interval '58 seconds'")
    before = (await find_key(api, ada.token, key_id))["lastUsedAt"]
    await api(PLATFORMS, token=secret)
    assert (await find_key(api, ada.token, key_id))["lastUsedAt"] == before
    await set_column(api, secret, "last_used_at", "now() - interval '61 seconds'")
    await api(PLATFORMS, token=secret)
    assert (await find_key(api, ada.token, key_id))["lastUsedAt"] > first


async def test_a_wrong_key_notes_no_use(api: Api) -> None:
    ada = await api.person("ada")
    secret, key_id = await made(api, ada.token)
    await api(REVOKE, {"id": key_id}, token=ada.token)
    await api(PLATFORMS, token=secret)
    assert (await find_key(api, ada.token, key_id))["lastUsedAt"] is None


async def test_a_key_in_use_elsewhere_does_not_wait_for_its_note(api: Api) -> None:
    """A request whose transaction holds the key's row must not stop the others of the same key."""
    ada = await api.person("ada")
    secret, _ = await made(api, ada.token)
    async with api.database.connect() as admin, admin.transaction():
        await admin.execute("SELECT FROM core.api_key FOR UPDATE")
        assert (await api(PLATFORMS, token=secret)).data


async def test_revoking_again_keeps_the_first_moment(api: Api) -> None:
    ada = await api.person("ada")
    _, key_id = await made(api, ada.token)
    first = (await api(REVOKE, {"id": key_id}, token=ada.token)).data["revokeApiKey"]["apiKey"]
    assert first["revokedAt"] is not None
    assert (await api(REVOKE, {"id": key_id}, token=ada.token)).data["revokeApiKey"]["apiKey"] == first
    assert (await find_key(api, ada.token, key_id))["revokedAt"] == first["revokedAt"], "revoked keys stay in the list"


async def test_a_key_of_somebody_else_is_no_key(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    secret, key_id = await made(api, ada.token)
    for other in (key_id, global_id("ApiKey", str(uuid4()))):
        answer = await api(REVOKE, {"id": other}, token=ben.token)
        assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NOT_FOUND", "id")
    for bad in ("", "x", str(uuid4()), global_id("PlatformLink", str(uuid4())), global_id("ApiKey", "x")):
        assert (await api(REVOKE, {"id": bad}, token=ben.token)).code == "BAD_ID"
    assert (await api(PLATFORMS, token=secret)).data


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"name": ""}, "BAD_INPUT", "name"),
        ({"name": "x" * 101}, "BAD_INPUT", "name"),
        ({"name": "a\0b"}, "BAD_INPUT", None),
        ({"scopes": []}, "UNKNOWN_SCOPE", "scopes"),
        ({"scopes": ["everything"]}, "UNKNOWN_SCOPE", "scopes"),
        ({"scopes": ["snapshots:write", ""]}, "UNKNOWN_SCOPE", "scopes"),
        ({"scopes": ["snapshots:write\0"]}, "UNKNOWN_SCOPE", "scopes"),
        ({"scopes": ["SNAPSHOTS:WRITE"]}, "UNKNOWN_SCOPE", "scopes"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "BAD_INPUT", "expiresAt"),
        ({"expiresAt": "0001-01-01T00:00:00.000001Z"}, "BAD_INPUT", "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59.999999Z"}, "BAD_VARIABLES", None),
        ({"idempotencyKey": ""}, "BAD_INPUT", "idempotencyKey"),
        ({"idempotencyKey": "x" * 201}, "BAD_INPUT", "idempotencyKey"),
        ({"idempotencyKey": "a\0b"}, "BAD_INPUT", None),
    ],
)
async def test_bad_input_makes_no_key(shared: Api, given: dict[str, Any], code: str, field: str | None) -> None:
    ada = await shared.person("ada")
    answer = await make(shared, ada.token, **given)
    assert answer.code == code
    if field:
        assert answer.body["errors"][0]["extensions"]["field"] == field
    assert (await shared(KEYS, token=ada.token)).data["apiKeys"]["edges"] == []


async def test_names_and_moments_at_the_edge_are_taken(api: Api) -> None:
    ada = await api.person("ada")
    for name in ("x", "x" * 100, "\U0001f511" * 100, " ", "'; DROP TABLE core.api_key; --"):
        assert (await make(api, ada.token, name=name)).data["createApiKey"]["apiKey"]["name"] == name
    latest = (await make(api, ada.token, expiresAt="9999-12-31T23:59:59.999998Z")).data["createApiKey"]["apiKey"]
    assert latest["expiresAt"] == "9999-12-31T23:59:59.999998Z"


async def test_a_repeated_request_makes_no_second_key_and_shows_no_secret(api: Api) -> None:
    ada = await api.person("ada")
    given = {"expiresAt": "2099-01-01T00:00:00+02:00", "idempotencyKey": "once"}
    first = (await make(api, ada.token, **given)).data["createApiKey"]
    again = (await make(api, ada.token, **given)).data["createApiKey"]
    assert again == {"secret": None, "apiKey": first["apiKey"]}
    same_moment = (await make(api, ada.token, **given | {"expiresAt": "2098-12-31T22:00:00Z"})).data["createApiKey"]
    assert same_moment["apiKey"] == first["apiKey"]
    for other in ({"name": "Other"}, {"expiresAt": None}, {"scopes": ["privacy:read"]}):
        assert (await make(api, ada.token, **given | other)).code == "IDEMPOTENCY_CONFLICT"
    assert len((await api(KEYS, token=ada.token)).data["apiKeys"]["edges"]) == 1


async def organization(api: Api, **roles: str) -> tuple[str, dict[str, Person]]:
    """A workspace with a member of each role; (its global id, person by role)."""
    people = {}
    async with api.database.connect() as admin:
        workspace_id = await admin.fetchval("INSERT INTO core.workspace (kind, name) VALUES ('organization', 'O') RETURNING id")
        for name, role in roles.items():
            people[role] = await api.person(name)
            await admin.execute(
                "INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, people[role].account_id, role
            )
    return global_id("Workspace", str(workspace_id)), people


async def test_keys_are_for_owners_and_admins(api: Api) -> None:
    workspace, people = await organization(api, ada="owner", ben="admin", cora="member", dora="viewer", emil="auditor")
    given = {"input": {"name": "k", "scopes": ["snapshots:write"]}}
    for role, person in people.items():
        allowed = role in ("owner", "admin")
        answer = await api(CREATE, given, token=person.token, fivefold_workspace=workspace)
        assert answer.codes == ([] if allowed else ["FORBIDDEN"]), role
        if allowed:
            key = answer.data["createApiKey"]["apiKey"]["id"]
        assert (await api(KEYS, token=person.token, fivefold_workspace=workspace)).codes == ([] if allowed else ["FORBIDDEN"])
        node = await api(
            "query($id: ID!) { node(id: $id) { id } }", {"id": key}, token=person.token, fivefold_workspace=workspace
        )
        assert node.data["node"] == ({"id": key} if allowed else None)
    for role in ("member", "viewer", "auditor"):
        answer = await api(REVOKE, {"id": key}, token=people[role].token, fivefold_workspace=workspace)
        assert answer.code == "FORBIDDEN"
    assert (await api(REVOKE, {"id": key}, token=people["owner"].token)).code == "NOT_FOUND", "the personal workspace has none"


async def test_a_key_has_the_role_that_its_maker_has_now(api: Api) -> None:
    workspace, people = await organization(api, ada="admin")
    answer = await api(
        CREATE,
        {"input": {"name": "k", "scopes": ["snapshots:write"]}},
        token=people["admin"].token,
        fivefold_workspace=workspace,
    )
    secret = answer.data["createApiKey"]["secret"]
    linking = call("mutation", "linkPlatform", {"platformSlug": "google", "label": "x", "idempotencyKey": "1"})
    assert (await api(*linking, token=secret)).codes == []
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.member SET role = 'viewer' WHERE role = 'admin'")
    assert (await api(*linking, token=secret)).code == "FORBIDDEN"


async def test_a_key_is_bound_to_its_workspace(api: Api) -> None:
    ada = await api.person("ada")
    secret, _ = await made(api, ada.token)
    workspace, _ = await organization(api, ada="owner")
    assert (await api(PLATFORMS, token=secret, fivefold_workspace=ada.workspace)).data
    answer = await api(PLATFORMS, token=secret, fivefold_workspace=workspace)
    assert (answer.status, answer.code) == (404, "NOT_FOUND"), "its maker is in there, the key is not"


MAY = {"snapshots:write": WRITER_MAY, "privacy:read": READER_MAY, "scans:read": SCANNER_READS, "scans:write": SCANNER_WRITES}


@pytest.mark.parametrize("scope", MAY)
async def test_a_key_can_do_what_its_scope_says_and_nothing_else(api: Api, scope: str) -> None:
    """Of every root field of the schema, so that none is added without a thought of keys."""
    ada = await api.person("ada", curator=True)
    secret, key_id = await made(api, ada.token, scope)
    values = {"ID": key_id, "slug": "google", "platformSlug": "google", "label": "L", "idempotencyKey": "1"}
    seen = set()
    for kind, name, _ in root_fields():
        answer = await api(*call(kind, name, values), token=secret)
        assert "INTERNAL" not in answer.codes, name
        if answer.codes != ["FORBIDDEN"]:
            assert "FORBIDDEN" not in answer.codes
            seen.add((kind, name))
    assert seen == MAY[scope]
    assert (await find_key(api, ada.token, key_id))["revokedAt"] is None


async def test_two_scopes_are_both(api: Api) -> None:
    ada = await api.person("ada")
    secret, key_id = await made(api, ada.token, "snapshots:write", "privacy:read")
    values = {"ID": key_id, "slug": "google", "platformSlug": "google", "label": "L", "idempotencyKey": "1"}
    seen = set()
    for kind, name, _ in root_fields():
        if "FORBIDDEN" not in (await api(*call(kind, name, values), token=secret)).codes:
            seen.add((kind, name))
    assert seen == WRITER_MAY | READER_MAY


def paths_to_history() -> Iterator[tuple[str, ...]]:
    """Every way by fields without arguments from what a writing key may call to a snapshot or a change."""
    history = {"Snapshot", "SnapshotConnection", "ChangeConnection", "Change", "SnapshotSetting", "AuditEvent"}
    for kind, name, field in root_fields():
        if (kind, name) in WRITER_MAY:
            waiting: list[tuple[tuple[str, ...], Any]] = [((kind, name), get_named_type(field.type))]
            while waiting:
                path, type_ = waiting.pop()
                assert not isinstance(type_, GraphQLInterfaceType)
                if not isinstance(type_, GraphQLObjectType) or len(path) > 8:
                    continue
                for each, inner in type_.fields.items():
                    if each not in path:
                        found = get_named_type(inner.type)
                        if found.name in history and not (found.name == "Snapshot" and each == "snapshot"):
                            yield *path, each
                        waiting.append(((*path, each), found))


def nested(path: tuple[str, ...]) -> str:
    """The selection of a path below its root field."""
    document = "__typename"
    for name in reversed(path):
        document = f"{name} {{ {document} }}"
    return document


async def test_a_writing_key_finds_no_way_to_the_history(api: Api) -> None:
    """A stolen key may add a scan and see what that scan changed; what was before it stays hidden."""
    ada = await api.person("ada")
    secret, _ = await made(api, ada.token, "snapshots:write")
    template = await template_of(api, ada.token)
    link_id = await link(api, ada.token)
    await record(api, ada.token, scan(link_id, template))
    setting = next(s for s in template["settings"] if s["type"] == "TOGGLE")
    paths = sorted(paths_to_history())
    tried: set[tuple[str, ...]] = set()
    for kind, root, *path in paths:
        given: dict[str, Any] = {"ID": link_id, "platformSlug": "google", "idempotencyKey": str(len(tried))}
        if root.startswith("record"):
            one = scan(link_id, template, day=1 + len(tried), values={setting["key"]: ("on", "off")[len(tried) % 2]})
            given = {"input": one} if root == "recordSnapshot" else {"inputs": [one]}
        elif root == "requestScan":  # one link is not asked for again so soon
            given["ID"] = await link(api, ada.token, label=f"Link {len(tried)}")
        elif root == "linkPlatform":
            given = {"input": {"platformSlug": "google", "label": str(len(tried)), "idempotencyKey": str(len(tried))}}
        elif root == "platform":
            given = {"slug": "google"}
        head, variables = call(kind, root, given)
        document = f"{head[: head.index('{ __typename')]} {{ {nested(tuple(path))} }} }}"
        answer = await api(document, variables, token=secret)
        # What the scan itself brought is told to who sent it; the way goes over nothing but the new snapshot.
        own = root.startswith("record") and "link" not in path
        assert ("FORBIDDEN" in answer.codes) == (not own), (root, path, answer.body)
        tried.add((root, *path))
    assert ("platformLinks", "edges", "node", "latestSnapshot") in tried
    assert ("platformLinks", "edges", "node", "snapshots") in tried
    assert ("recordSnapshot", "snapshot", "link", "snapshots") in tried
    assert len(tried) == len(paths)


async def test_a_forbidden_edge_is_an_error_at_each_of_its_places(api: Api) -> None:
    ada = await api.person("ada")
    secret, _ = await made(api, ada.token, "snapshots:write")
    for label in ("a", "b", "c"):
        await link(api, ada.token, label=label)
    answer = await api("{ platformLinks { edges { node { label latestSnapshot { id } } } } }", token=secret)
    assert answer.codes == ["FORBIDDEN"] * 3
    paths = [error["path"] for error in answer.body["errors"]]
    assert paths == [["platformLinks", "edges", place, "node", "latestSnapshot"] for place in range(3)]
    edges = answer.body["data"]["platformLinks"]["edges"]
    assert [edge["node"] for edge in edges] == [{"label": label, "latestSnapshot": None} for label in "cba"]


def test_the_scopes_above_are_in_the_schema() -> None:
    known = {(kind, name) for kind, name, _ in root_fields()}
    assert known >= WRITER_MAY | READER_MAY
    assert SCHEMA.subscription_type is not None
    assert set(SCHEMA.subscription_type.fields) == {"changeDetected", "scanRequested", "scanState"}, (
        "tests/test_live.py tries them with keys"
    )
