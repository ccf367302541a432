"""The API's face: the file that front ends read, descriptions, pages, ids, errors, keys against doing things twice."""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from strawberry.printer import print_schema

from app.core.audit_block import Sealer
from app.kit.errors import ErrorCode
from app.kit.house import root
from app.kit.note import read_private_key
from app.kit.token import create_key
from app.schema import NODE_TYPES, READINGS, schema
from tests.conftest import Api, Database
from tests.core.test_audit_block import seal
from tests.factory.analysis import analyze
from tests.factory.kit import spend, subscribe
from tests.factory.privacy import START, link, record, scan, template_of
from tests.factory.scans import judged, monitored, published, queued, touched
from tests.house.code import trees

SCHEMA: GraphQLSchema = schema._schema

BOUNDED = {
    "Alert.changes": "one for each setting of two templates at most",
    "AcknowledgeChangesPayload.changes": "one for each of 100 ids at most",
    "AuditProof.consistency": "one for each level of a tree, 64 at most",
    "AuditProof.path": "one for each level of a tree, 64 at most",
    "ApiKey.scopes": "there are a handful of scopes",
    "Mutation.submitScans": "one for each of 100 inputs at most",
    "MarkNotificationsReadPayload.notifications": "one for each of 100 ids at most",
    "Member.teams": "100 at most, by LIMIT",
    "Mutation.recordSnapshots": "one for each of 50 inputs at most",
    "ErasurePreview.counts": "one for each table and rule at most",
    "ErasurePreview.soleOwnerships": "the organizations that one person owns alone",
    "Query.signInProviders": "as many as the operator has set up",
    "Query.dataInventory": "one for each column of each table",
    "Plan.prices": "one for each currency and interval",
    "Query.consentPurposes": "100 at most, by LIMIT",
    "Query.creditPacks": "100 at most, by LIMIT",
    "Query.usage": "limits are made by migrations, a handful",
    "Plan.limits": "made by migrations, a handful",
    "OrganizationPrivacy.platforms": "50 at most, by LIMIT",
    "OrganizationPrivacy.subScores": "one for each of four groups at most",
    "OrganizationPrivacy.topExposures": "10 at most, by LIMIT",
    "OverallSubScore.contributions": "one for each platform at most",
    "PlatformComparison.defaultSubScores": "one for each of four groups at most",
    "PlatformLink.subScores": "one for each of four groups at most",
    "PrivacyDashboard.contributions": "one for each platform at most",
    "PrivacyDashboard.subScores": "one for each of four groups at most",
    "Query.platformComparison": "50 at most, by check_size and LIMIT",
    "EngineVerdict.categories": "a set of the enum's values",
    "EngineVerdict.indicators": "a set of a fixed vocabulary",
    "ScanResult.categories": "a set of the enum's values",
    "ScanResult.cookieNames": "50 at most, by constraint",
    "ScanResult.engines": "one for each engine",
    "ScanResult.formHosts": "20 at most, by constraint",
    "ScanResult.indicators": "a set of a fixed vocabulary",
    "ScanResult.unchecked": "a set of the enum's values",
    "Snapshot.subScores": "one for each of four groups at most",
    "SubScore.contributions": "one for each setting at most",
    "NotificationPreferences.channels": "one for each kind",
    "Exposure.stretches": "the newest 20",
    "LinkPlaybook.steps": "30 at most, by check of the files",
    "Platform.contacts": "one for each law at most",
    "PlatformContact.requiredElements": "20 at most, by constraint",
    "PlatformLink.playbooks": "curated files, a handful for a platform",
    "Playbook.steps": "30 at most, by constraint",
    "PlatformConfig.urlPatterns": "50 at most, by constraint",
    "Query.plans": "made by migrations, a handful",
    "Query.nodes": "one for each of 100 ids at most",
    "RecordSnapshotPayload.changes": "one for each setting of two templates at most",
    "SettingAsOf.options": "20 at most, by constraint",
    "SettingsAsOf.settings": "250 at most, by constraint",
    "Snapshot.changes": "one for each setting of two templates at most",
    "Snapshot.riskContributions": "one for each setting at most",
    "Snapshot.settings": "250 at most, by constraint",
    "SnapshotSetting.options": "20 at most, by constraint",
    "SettingDifference.addedOptions": "20 at most, by constraint",
    "SettingDifference.aspects": "one of each",
    "SettingDifference.removedOptions": "20 at most, by constraint",
    "TemplateDiff.added": "250 at most, by constraint",
    "TemplateDiff.changed": "250 at most, by constraint",
    "TemplateDiff.removed": "250 at most, by constraint",
    "Template.settings": "250 at most, by constraint",
    "TemplateAnalysis.categories": "40 at most, by constraint",
    "TemplateAnalysis.recommendations": "10 at most, by constraint",
    "TemplateAnalysis.settings": "250 at most, by constraint",
    "TemplateSetting.options": "20 at most, by constraint",
    "LookupMatch.categories": "one of each",
    "Monitor.alertOn": "one of each",
    "PublishedScan.categories": "one of each",
    "Query.lookup": "50 of each of three sources at most",
    "ScanComparison.addedCategories": "one of each",
    "ScanComparison.changes": "one of each",
    "ScanComparison.facts": "one for each fact and allowed header",
    "ScanComparison.hops": "as many as a fetch follows",
    "HopDifference.changes": "as many as there are values",
    "ScanComparison.indicators": "one for each kind and engine",
    "ScanComparison.removedCategories": "one of each",
    "Webhook.kinds": "100 at most, by constraint",
    "WebhookDelivery.attempts": "100 at most, by LIMIT",
    "Viewer.identities": "the ways in which one person signs in",
}
"""Lists that are no connections, and what bounds them."""

BOUNDED_INPUTS = {
    "AcknowledgeChangesInput.ids": "100 at most, by check_size",
    "CreateWebhookInput.kinds": "repetitions are dropped and unknown ones refused",
    "UpdateWebhookInput.kinds": "repetitions are dropped and unknown ones refused",
    "CreateMonitorInput.alertOn": "repetitions are dropped",
    "UpdateMonitorInput.alertOn": "repetitions are dropped",
    "CreateApiKeyInput.scopes": "repetitions are dropped and unknown ones refused",
    "PublishPlatformContactInput.requiredElements": "20 at most, by check_content",
    "PublishPlatformConfigInput.urlPatterns": "50 at most, by check_content",
    "Query.platformComparison(slugs)": "50 at most, by check_size",
    "Query.nodes(ids)": "100 at most, by check_size",
    "Mutation.markNotificationsRead(ids)": "100 at most, by check_size",
    "Mutation.submitScans(inputs)": "100 at most, by check_size",
    "Mutation.recordSnapshots(inputs)": "50 at most, by check_size",
    "DescribeTemplateInput.settings": "250 at most, by check_size",
    "ProposeTemplateInput.settings": "250 at most, by check_settings",
    "ProposedSettingInput.options": "20 at most, by check_settings",
    "RecordSnapshotInput.values": "250 at most, by check_values",
    "UpdateNotificationPreferencesInput.channels": "each kind once",
    "Subscription.changeDetected(significance)": "a set of the enum's values",
}
"""Lists that clients send, and what bounds them."""

CREATING = {
    "add",
    "create",
    "dispute",
    "give",
    "grant",
    "invite",
    "link",
    "propose",
    "publish",
    "record",
    "register",
    "report",
    "request",
    "start",
    "submit",
    "test",
}
CHANGING = {
    "accept",
    "acknowledge",
    "activate",
    "assign",
    "cancel",
    "change",
    "confirm",
    "decline",
    "delete",
    "describe",
    "disable",
    "dismiss",
    "enable",
    "freeze",
    "join",
    "leave",
    "mark",
    "open",
    "prepare",
    "complete",
    "refresh",
    "reject",
    "remove",
    "replay",
    "require",
    "resend",
    "resolve",
    "reset",
    "restore",
    "resume",
    "review",
    "revoke",
    "rotate",
    "schedule",
    "sign",
    "transfer",
    "unlink",
    "unpublish",
    "update",
    "verify",
    "withdraw",
}
"""First words of mutations: those that make something take an idempotency key, those that end in one state need none."""

REPEATABLE = {
    "createExportLink": "each is another link, and ends the one before",
    "requestEmailVerification": "twice is two mails, and both tokens are good",
    "requestAccountRestore": "as requestPasswordReset",
    "startAnew": "the account is found by its token the second time",
    "requestPasswordReset": "twice is two mails, and a stranger has no workspace that could keep a key",
}
"""Those that begin like the first and take no key, with the reason."""

CURATORS = {"blastRadius", "migrations", "openDisputes", "proposedTemplates", "templateAnalyses"}
"""Root fields that only curators may read."""

NOT_OURS = {"messageId": "a header of what is sent", "requestId": "names a request, which is no object"}
"""Names like an id's of what is none."""

ROOTS = ("Query", "Mutation", "Subscription")
JSON_FIELDS = ("detail", "selectors")
"""What is told as it is stored, in which an id is a column."""
BUILT_IN = ("Boolean", "Float", "ID", "Int", "String")
BARE_UUID = "01234567-89ab-7def-8123-456789abcdef"


def types() -> Iterator[GraphQLNamedType]:
    """Every type of ours: not introspection's, not a scalar of the specification."""
    return (kind for name, kind in SCHEMA.type_map.items() if not name.startswith("__") and name not in BUILT_IN)


def objects() -> Iterator[GraphQLObjectType]:
    """Every object type."""
    return (t for t in types() if isinstance(t, GraphQLObjectType))


def roots() -> Iterator[tuple[str, str, GraphQLField]]:
    """Every root field with its operation and name."""
    of_kind = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
    for kind, of in of_kind.items():
        assert of is not None
        yield from ((kind, name, field) for name, field in of.fields.items())


def is_list(kind: GraphQLOutputType | GraphQLInputType) -> bool:
    """Whether it is a list, non-null or not."""
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)


# The file


def test_the_file_is_up_to_date() -> None:
    file = root() / "schema.graphql"
    assert file.exists(), "run `fivefold schema`"
    assert file.read_text(encoding="utf-8") == schema.as_str() + "\n", "run `fivefold schema` and review the difference"
    assert print_schema(schema) == schema.as_str()


def test_every_type_and_root_field_is_described() -> None:
    assert sorted(t.name for t in types() if not (t.description or "").strip() and t.name not in ROOTS) == []
    assert [name for _, name, field in roots() if not re.fullmatch(r"[A-Z0-9].*[.]", field.description or "", re.S)] == []


def test_names_are_spelled_as_graphql_spells_them() -> None:
    for kind in types():
        assert re.fullmatch(r"[A-Z][A-Za-z]*", kind.name), kind.name
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            assert [name for name in kind.fields if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == [], kind.name
        if isinstance(kind, GraphQLEnumType):
            assert [value for value in kind.values if not re.fullmatch(r"[A-Z][A-Z_]*", value)] == [], kind.name
    for british in ("isation", "ise(", "colour", "cancelled", "behaviour", "licence"):
        assert british not in schema.as_str()


# Pages and lists


def test_connections_are_pages_and_pages_are_connections() -> None:
    for kind in objects():
        paged = list(kind.fields) == ["edges", "pageInfo"]
        assert paged is kind.name.endswith("Connection"), kind.name
        if paged:
            edge = get_named_type(kind.fields["edges"].type)
            assert isinstance(edge, GraphQLObjectType)
            assert set(edge.fields) == {"node", "cursor"}
            assert kind.name == f"{get_named_type(edge.fields['node'].type)}Connection"


def test_pages_are_asked_for_alike() -> None:
    for kind in objects():
        for name, field in kind.fields.items():
            paged = str(get_named_type(field.type)).endswith("Connection")
            if kind.name == "Subscription":
                assert str(field.args["after"].type) == "String", name
                assert "cursor" in cast(GraphQLObjectType, get_named_type(field.type)).fields, name
                continue
            assert {"first", "after"} <= field.args.keys() if paged else not {"first", "after"} & field.args.keys(), name
            if paged:
                assert (str(field.args["first"].type), field.args["first"].default_value) == ("Int!", 20), name
                assert str(field.args["after"].type) == "String", name
            assert not {"limit", "offset", "page"} & field.args.keys(), name


def test_lists_are_bounded_or_connections() -> None:
    lists = {f"{kind.name}.{name}" for kind in objects() for name, field in kind.fields.items()
             if is_list(field.type) and name != "edges"}  # fmt: skip
    assert lists == set(BOUNDED)
    inputs = {f"{kind.name}.{name}" for kind in types() if isinstance(kind, GraphQLInputObjectType)
              for name, field in kind.fields.items() if is_list(field.type)}  # fmt: skip
    inputs |= {f"{kind.name}.{name}({argument})" for kind in objects() for name, field in kind.fields.items()
               for argument, given in field.args.items() if is_list(given.type)}  # fmt: skip
    assert inputs == set(BOUNDED_INPUTS)


# Ids


def test_what_is_named_an_id_is_an_id() -> None:
    problems = []
    for kind in types():
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            for name, field in kind.fields.items():
                given = {name: field.type} | {n: a.type for n, a in getattr(field, "args", {}).items()}
                for word, of in given.items():
                    named = bool(re.fullmatch(r"ids?|\w+Ids?", word)) and word not in NOT_OURS
                    if named is not (str(get_named_type(of)) == "ID"):
                        problems.append(f"{kind.name}.{name}: {word} is {of}")
    assert problems == []


def test_nodes_are_what_the_schema_says() -> None:
    assert {kind.name for kind in objects() if any(i.name == "Node" for i in kind.interfaces)} == set(NODE_TYPES)


def takes_ids() -> list[tuple[str, str, GraphQLField]]:
    """Root fields with an ID among their arguments or inside of an input."""
    return [(kind, name, field) for kind, name, field in roots() if any("ID" in leaves(a.type) for a in field.args.values())]


def leaves(kind: GraphQLInputType) -> set[str]:
    """The names of the scalars that an argument is made of."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        return set().union(*(leaves(field.type) for field in named.fields.values()))
    return {named.name}


def sample(kind: GraphQLInputType) -> Any:
    """A value of an input type, with a bare uuid for every ID."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type)]
    if isinstance(kind, GraphQLInputObjectType):
        return {name: sample(field.type) for name, field in kind.fields.items()}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    known = {"ID": BARE_UUID, "DateTime": "2026-03-01T09:30:00Z", "Boolean": True, "Int": 1, "Float": 1.0, "JSON": {},
             "BigInt": "1"}  # fmt: skip
    return known.get(kind.name, "x")


async def test_a_bare_uuid_is_no_id(api: Api) -> None:
    """Asked of every root field that takes one, wherever in its input."""
    curator = await api.person("curator", curator=True)
    assert len(takes_ids()) >= 11
    for kind, name, field in (each for each in takes_ids() if each[0] != "subscription"):
        given = {n: sample(a.type) for n, a in field.args.items() if "ID" in leaves(a.type) or is_required_argument(a)}
        declared = ", ".join(f"${n}: {field.args[n].type}" for n in given)
        passed = ", ".join(f"{n}: ${n}" for n in given)
        selected = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
        answer = await api(f"{kind} Ask({declared}) {{ {name}({passed}){selected} }}", given, token=curator.token)
        assert answer.codes == ["BAD_ID"], f"{name}: {answer.body}"


async def test_every_id_that_comes_out_is_a_global_id(api: Api, tmp_path: Path) -> None:
    """Every field of every type that can be reached is read, two objects deep, and looked at."""
    ada, curator = await api.person("ada"), await api.person("curator", curator=True)
    template = await template_of(api, ada.token)
    await analyze(api, curator.token, template["id"])
    await subscribe(api, ada, "x")
    await spend(api, "ada", "x")
    scan_id = await queued(api, ada)
    await touched(api, ada, scan_id)
    judged_id = await judged(api, ada, "judged")
    public, _ = await published(api, ada, judged_id, "PUBLIC")
    _, token = await published(api, ada, await judged(api, ada, "unlisted"), "UNLISTED")
    await monitored(api, ada)
    link_id = await link(api, ada.token)
    await record(api, ada.token, scan(link_id, template))
    flipped = {template["settings"][0]["key"]: template["settings"][0]["recommended"]}
    newest = (await record(api, ada.token, scan(link_id, template, day=1, values=flipped))).data["recordSnapshot"]["snapshot"][
        "id"
    ]
    wanted = 'platformSlug: "google", action: ACCESS, regime: GDPR, idempotencyKey: "1"'
    creating = f"mutation {{ createRightsRequest(input: {{{wanted}}}) {{ request {{ id }} }} }}"
    request = (await api(creating, token=ada.token)).data["createRightsRequest"]["request"]["id"]
    create_key(tmp_path / "audit.pem")
    await seal(api.database, Sealer(read_private_key(tmp_path / "audit.pem", "fivefold/audit")))
    event = (await api("{ auditEvents(first: 1) { edges { node { id } } } }", token=ada.token)).data["auditEvents"]["edges"][0]
    given = {"auditProof": f'id: "{event["node"]["id"]}"',
             "platform": 'slug: "google"', "rightsRequest": f'id: "{request}"', "playbooks": 'platformSlug: "google"',
             "platformLink": f'id: "{link_id}"', "snapshot": f'id: "{newest}"',
             "snapshots": f'linkId: "{link_id}"', "purgedSnapshots": f'linkId: "{link_id}"',
             "settingsAsOf": f'linkId: "{link_id}", at: "{START.isoformat()}"',
             "templateDiff": f'fromId: "{template["id"]}", toId: "{template["id"]}"',
             "storageReport": f'templateId: "{template["id"]}"', "blastRadius": f'templateId: "{template["id"]}"',
             "scan": f'id: "{scan_id}"', "accessLog": f'scanId: "{scan_id}"',
             "publishedScan": f'id: "{public}"', "sharedScan": f'token: "{token}"', "lookup": 'hashPrefix: "00000000"',
             "urlHistory": 'url: "https://example.com/"', "relatedScans": f'scanId: "{judged_id}", by: CONTENT',
             "relatedPublishedScans": f'scanId: "{judged_id}", by: CONTENT',
             "compareScans": f'beforeId: "{judged_id}", afterId: "{judged_id}"',
             "node": f'id: "{link_id}"', "nodes": f'ids: ["{newest}"]'}  # fmt: skip
    assert SCHEMA.query_type is not None
    seen: set[str] = set()
    for name, field in SCHEMA.query_type.fields.items():
        arguments = f"({given[name]})" if name in given else ""
        asking = curator if name in CURATORS else ada
        answer = await api(f"{{ {name}{arguments} {selection(get_named_type(field.type), 2)} }}", token=asking.token)
        assert answer.data[name] is not None, name
        for key, value in found_ids(answer.data):
            text = base64.b64decode(value, validate=True).decode()
            assert re.fullmatch(r"[A-Z][A-Za-z]+:\S+", text), f"{name}: {key} is {value!r}"
            seen.add(text.partition(":")[0])
    assert seen >= set(NODE_TYPES) - {
        "ApiKey",
        "Dispute",
        "DataExport",
        "Consent",
        "Device",
        "Domain",
        "Erasure",
        "Invitation",
        "Reservation",
        "SecurityAlert",
        "Session",
        "Team",
        "Webhook",
        "WebhookDelivery",
    }


def selection(kind: GraphQLNamedType, depth: int) -> str:
    """All fields of a type, objects to a depth; pages ask for two rows."""
    if is_leaf_type(kind):
        return ""
    fields = cast(GraphQLObjectType, kind).fields
    parts = []
    for name, field in fields.items():
        inner = get_named_type(field.type)
        if depth or is_leaf_type(inner):
            page = str(inner).endswith("Connection")
            deeper = depth if page or str(kind).endswith(("Connection", "Edge")) else depth - 1
            parts.append(f"{name}{'(first: 2)' if page else ''} {selection(inner, deeper)}")
    return "{ " + " ".join(["__typename", *parts]) + " }"


def found_ids(value: Any) -> Iterator[tuple[str, str]]:
    """Every value under a name that is an id's."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and re.fullmatch(r"id|\w+Id", key) and key not in NOT_OURS:
                yield key, inner
            if key not in JSON_FIELDS:
                yield from found_ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from found_ids(inner)


# Errors and repetitions


OTHERS = {"AuditEvent": "core.audit_event", "Invitation": "core.invitation", "Person": "core.member"}
"""Types that show what is personal to others, and the table that is read."""


def _shows(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """The types of OTHERS that an object type leads to, not through an interface: what it finds, node() looks after."""
    found = SCHEMA.type_map[name]
    if name in OTHERS or name in seen or not isinstance(found, GraphQLObjectType):
        return {name} & OTHERS.keys()
    types = (get_named_type(field.type).name for field in found.fields.values())
    return {shown for each in types for shown in _shows(each, seen | {name})}


def test_what_shows_others_says_what_it_reads() -> None:
    """So that it is audited, see app/core/audit_event.py. What a mutation answers with is told by what it changed."""
    query = SCHEMA.query_type
    assert query is not None
    shown = {name: _shows(get_named_type(field.type).name) for name, field in query.fields.items()}
    assert {name: {OTHERS[each] for each in types} for name, types in shown.items() if types} == {
        name: {reading.object} for name, reading in READINGS.items()
    }
    nodes = {name: {OTHERS[each] for each in _shows(name)} for name in NODE_TYPES}
    assert {name: tables for name, tables in nodes.items() if tables} == {
        name: {node.node_reads} for name, node in NODE_TYPES.items() if node.node_reads
    }


def test_error_codes_are_their_names_and_all_in_use() -> None:
    assert [code for code in ErrorCode if code.name != str(code.value)] == []
    named = {node.attr for module, tree in trees().items() if module != "app.kit.errors" for node in ast.walk(tree)
             if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ErrorCode"}  # fmt: skip
    assert named - {"value", "name"} == {code.name for code in ErrorCode}


def test_every_mutation_says_whether_it_creates() -> None:
    for _, name, field in (each for each in roots() if each[0] == "mutation"):
        verb = re.match(r"[a-z]+", name)
        assert verb is not None
        assert verb[0] in CREATING | CHANGING, f"{name}: is it one that creates something?"
        takes = any("idempotencyKey" in getattr(get_named_type(a.type), "fields", {}) for a in field.args.values())
        assert takes is (verb[0] in CREATING and name not in REPEATABLE), name


def test_mutations_answer_with_a_payload_of_their_own() -> None:
    for _, name, field in (each for each in roots() if each[0] == "mutation"):
        word = name.removesuffix("s") if isinstance(field.type, GraphQLList) else name
        assert str(get_named_type(field.type)) == f"{word[0].upper()}{word[1:]}Payload", name


OWN_PASSWORDS = {
    "ChangeEmailInput.password",
    "ChangePasswordInput.currentPassword",
    "ChangePasswordInput.newPassword",
    "ConfirmSignUpInput.password",
    "DeleteAccountInput.password",
    "PrepareLinkInput.password",
    "RequestErasureInput.password",
    "RestoreAccountInput.password",
    "RequestPasswordResetInput.email",
    "ResetPasswordInput.password",
    "ResetPasswordInput.token",
    "SignInInput.password",
    "SignUpInput.password",
}
"""By which people sign in to Fivefold itself."""
CREDENTIALS = re.compile(r"password|passwd|credential|cookie|session_?token|login|user_?name|totp|otp\b", re.I)
SCRIPTS = re.compile(r"(?<!de)(?<!sub)script|eval|command|\bcode\b|javascript", re.I)


def test_nobody_can_hand_over_credentials_or_scripts(house: Database) -> None:
    """Of a platform's accounts nothing is kept by which one could sign in, and no configuration holds what would be run."""
    inputs = [
        f"{name}.{field}"
        for name, type_ in SCHEMA.type_map.items()
        if isinstance(type_, GraphQLInputObjectType)
        for field in type_.fields
    ]
    assert len(inputs) > 20
    found = {name for name in inputs if CREDENTIALS.search(name) or SCRIPTS.search(name)}
    assert found == OWN_PASSWORDS
    with psycopg.connect(house.url()) as connection:
        columns = [
            name
            for (name,) in connection.execute(
                "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'privacy'"
            )
        ]
    assert len(columns) > 50
    assert [name for name in columns if CREDENTIALS.search(name) or SCRIPTS.search(name)] == []
