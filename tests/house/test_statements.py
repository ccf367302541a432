"""Every statement below sql/: bound once, called with its parameters, returning what its class says, written one way."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Hashable, Iterator
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin
from uuid import UUID

import psycopg
import pytest
from psycopg.pq import ExecStatus

from app.kit.graphql import JSON, BigInt
from app.kit.house import root
from app.kit.sql import BOUND, IDENTITY, Paged, PerKey, Statement, columns
from app.schema import NODE_TYPES
from tests.conftest import Database
from tests.house.code import bindings, edge_fields, statements, uses

KINDS = {
    "activate": ("one",),
    "answer": ("one",),
    "assign": ("one",),
    "begin": ("one", "many"),
    "buy": ("one",),
    "change": ("one",),
    "confirm": ("one", "exec"),
    "count": ("one",),
    "create": ("one", "exec"),
    "delete": ("one", "exec"),
    "edge": ("edge",),
    "end": ("one", "many"),
    "enqueue": ("exec",),
    "expire": ("one", "many"),
    "freeze": ("one",),
    "get": ("one",),
    "grant": ("one",),
    "insert": ("one", "many", "exec"),
    "link": ("one",),
    "list": ("many",),
    "lock": ("one", "many", "exec"),
    "measure": ("exec",),
    "meet": ("one",),
    "open": ("one",),
    "page": ("page",),
    "propose": ("one",),
    "receive": ("one",),
    "refresh": ("one",),
    "refuse": ("one",),
    "reject": ("one",),
    "renew": ("exec",),
    "request": ("one",),
    "reserve": ("one",),
    "reset": ("one",),
    "resolve": ("one",),
    "retire": ("exec",),
    "revoke": ("one", "exec"),
    "set": ("exec",),
    "settle": ("one",),
    "start": ("one",),
    "take": ("one", "many"),
    "unlink": ("one",),
    "update": ("one", "exec"),
    "upsert": ("one", "exec"),
    "use": ("one",),
    "verify": ("one",),
    "withdraw": ("one",),
}
"""The closed list of first words, with the kinds that each may be."""

OPERATOR = {
    "core/credential.set_password": "the operator gives the demo's people their passwords",
    "core/audit_block.list_detail_without_event": "the audit is verified on the command line",
    "core/audit_proof.get_any_event": "operators and auditors prove on the command line",
    "core/audit_block.list_sealed_event": "the audit is verified on the command line",
    "core/audit_block.list_verified_event": "the audit is verified on the command line",
    "scans/access.list_altered_access": "the audit is verified on the command line",
    "core/account.get_account_by_email": "the command line names people by their e-mail",
    "core/curator.delete_curator": "curators are granted and revoked on the command line",
    "core/curator.insert_curator": "curators are granted and revoked on the command line",
    "core/curator.list_curator": "curators are granted and revoked on the command line",
    "core/data_key.lock_data_keys": "the command line wraps every workspace's key anew",
    "core/data_key.update_data_keys": "the command line wraps every workspace's key anew",
    "core/workspace.get_personal_workspace": "the command line acts for people by their e-mail",
    "core/plan.update_plan": "the operator gives the demo's people their plans",
    "core/erasure.insert_erasure_by_email": "the command line names people by their e-mail",
    "core/erasure.list_ledger": "the ledger leaves the database on the command line",
    "core/erasure.update_superseded_erasure": "after a restore, on the command line",
    "core/erasure.upsert_erasure": "after a restore, on the command line",
    "privacy/perf.get_perf_count": "people to measure with",
    "privacy/perf.insert_perf_accounts": "people to measure with",
    "privacy/perf.insert_perf_links": "people to measure with",
    "privacy/platform.upsert_platform": "loads the curated files",
    "privacy/playbook.insert_playbook": "loads the curated files",
    "privacy/playbook.insert_playbook_step": "loads the curated files",
    "privacy/template.insert_template": "loads the curated files",
    "privacy/template.insert_template_setting": "loads the curated files",
    "privacy/template.list_curated_template": "loads the curated files",
}
"""Statements that only the owner of the tables may run, and why nobody else needs them."""

WORKER = {
    "core/wallet.end_reservations": "only jobs end reservations in batches",
    "kit/jobs.update_job_key": "only the job that runs gives its key away",
    "scans/flow.begin_analysis": "only jobs scan",
    "scans/flow.end_scan": "only jobs scan",
    "scans/flow.expire_scan": "only jobs scan",
    "scans/flow.take_scan": "only jobs scan",
    "scans/flow.update_lease": "only jobs scan",
    "core/email_token.take_email_token": "only jobs mail",
    "core/sign_up.take_sign_up": "only jobs mail",
    "core/data_export.delete_data_export_chunk": "only jobs make exports",
    "core/data_export.get_open_export": "only jobs make exports",
    "core/data_export.insert_data_export_chunk": "only jobs make exports",
    "core/data_export.list_export_row": "only jobs make exports",
    "core/data_export.take_export_link": "only jobs mail",
    "core/consent.lock_consent_of": "for jobs; requests require the caller's own",
    "core/data_export.update_finished_export": "only jobs make exports",
    "privacy/template_analysis.list_withheld_word": "only jobs ask models",
    "core/erased_identity.insert_erased_identity": "only jobs erase",
    "core/erased_identity.list_leaving_identity": "only jobs erase",
    "core/erasure.take_erased": "only jobs erase",
    "core/security_alert.list_other_owner": "a job tells the owners of what was deleted",
    "core/workspace.get_rest": "only jobs rest",
    "core/audit_block.get_audit_moment": "only the worker seals",
    "core/audit_block.insert_audit_block": "only the worker seals",
    "core/audit_block.list_event_between": "only the worker seals",
    "core/audit_retirement.delete_retired_detail": "only the worker retires",
    "core/audit_retirement.retire_audit_month": "only the worker retires",
    "core/audit_block.list_unsealed_event": "only the worker seals",
    "core/invitation.take_invitation": "only jobs mail",
    "core/notification.list_notification_in_mail": "only jobs mail",
    "core/notification.take_waiting_mail": "only jobs mail",
    "core/notification.update_mail_time": "only jobs mail",
    "core/notification.update_mailed": "only jobs mail",
    "core/notification_preference.get_reader": "only jobs mail, and make digests",
    "core/security_alert.insert_security_alerts": "only jobs look for what is suspicious",
    "core/security_alert.list_watched": "only jobs look for what is suspicious",
    "core/security_alert.take_security_watch": "only jobs look for what is suspicious",
    "core/webhook.update_webhook_health": "only jobs deliver",
    "scans/access.delete_old_access": "only jobs purge",
    "scans/access.insert_access": "only jobs fetch",
    "scans/access.insert_access_ahead": "only jobs fetch",
    "scans/access.insert_access_outcome": "only jobs fetch",
    "scans/across.list_old_access": "only jobs purge",
    "core/webhook_delivery.insert_webhook_attempt": "only jobs deliver",
    "scans/engine_verdict.insert_engine_verdict": "only jobs judge",
    "scans/indicator.insert_indicator": "only jobs judge",
    "scans/scan_result.insert_scan_result": "only jobs judge",
    "scans/dispute.get_dispute_teller": "only jobs tell",
    "scans/across.list_purgeable": "only jobs purge",
    "scans/retention.delete_old_scan": "only jobs purge",
    "scans/scan.list_consented_scan": "only jobs show pages to a model",
    "scans/submission.count_scan_together": "only jobs tell",
    "scans/monitor.list_watchful": "only jobs monitor",
    "scans/monitor.lock_compared_monitor": "only jobs monitor",
    "scans/monitor.lock_due_monitor": "only jobs monitor",
    "scans/monitor.update_compared": "only jobs monitor",
    "scans/monitor.update_paused": "only jobs monitor",
    "scans/monitor.update_pending": "only jobs monitor",
    "privacy/digest.get_digest": "only jobs make digests",
    "privacy/digest.list_change_by_origin": "only jobs make digests",
    "privacy/digest.update_digest_week": "only jobs make digests",
    "core/billing_event.get_billing_event": "only jobs do what the provider told",
    "core/billing_event.update_billing_event": "only jobs do what the provider told",
    "core/billing_customer.list_leaving_customer": "only jobs erase",
    "core/credit_purchase.settle_payment": "only jobs do what the provider told",
    "core/invoice.upsert_invoice": "only jobs do what the provider told",
    "core/subscription.update_ended_grace": "only jobs end what is over",
    "core/subscription.update_ended_trial": "only jobs end what is over",
    "core/subscription.update_plan_followed": "only jobs do what the provider told",
    "core/subscription.upsert_subscription": "only jobs do what the provider told",
    "core/wallet.buy_credits": "only jobs book what was paid for",
    "core/wallet.expire_reservations": "only jobs give back what was forgotten",
    "kit/jobs.count_job": "a request may add jobs and see none",
    "kit/jobs.delete_effect": "the nightly upkeep",
    "kit/jobs.delete_job_log": "the nightly upkeep",
    "kit/jobs.delete_job_statistics": "the nightly upkeep",
    "kit/jobs.get_queue": "a request may add jobs and see none",
    "kit/jobs.insert_effect": "only the worker does jobs",
    "privacy/retention.delete_snapshot": "only jobs purge",
    "privacy/retention.delete_snapshot_detail": "only jobs purge",
    "privacy/retention.insert_purged_snapshot": "only jobs purge",
    "privacy/template_analysis.upsert_template_analysis": "only jobs make analyses; curators review them",
}
"""Statements besides those across workspaces that only the worker may run, and why."""

NEVER_NULL: dict[tuple[str, str], str] = {
    ("privacy/across.list_crowd_flip", "old_value"): "equals that of other changes, and NULL equals nothing",
    ("privacy/across.list_crowd_flip", "new_value"): "equals that of other changes, and NULL equals nothing",
    ("privacy/template.edge_template_setting", "platform_id"): "the policy of what is joined outside names the same table",
}
"""(statement, column) of a column that may be NULL in its table and cannot be NULL here, with the reason."""

NARROWER = {
    ("core.domain", "role"): "nobody joins as an owner or admin without being asked",
    ("core.workspace", "default_role"): "who is invited becomes neither owner nor admin unless the invitation says so",
    ("core.notification", "kind"): "a kind is added by the code alone; the table has room for as many as a set of kinds",
    ("core.workspace", "kind"): "the system workspace is nobody's: no policy shows it to anyone",
}
"""(table, column) whose CHECK allows values that the enum of the API has not, with the reason."""

TYPES: dict[str, object] = {
    "bool": bool,
    "bytea": bytes,
    "float8": float,
    "int2": int,
    "int4": int,
    "int8": int,
    "text": str,
    "timestamptz": datetime,
    "uuid": UUID,
}

WORDS = {"by", "conflict", "delete", "exists", "insert", "nothing", "ordinality", "partition", "set", "update", "values"}
"""Keywords that PostgreSQL does not reserve and that are no names here either."""
SMALL = frozenset({"current_user", "false", "null", "session_user", "true"})
"""Reserved words that are values."""


def role_of(statement: Statement) -> str:
    """Who runs it."""
    if statement.id in OPERATOR:
        return "fivefold_owner"
    return "fivefold_worker" if statement.file.endswith("/across") or statement.id in WORKER else "fivefold_api"


def bare(statement: Statement) -> str:
    """The body without strings and comments."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", statement.body)


def parameters(statement: Statement) -> set[str]:
    """All that it can take."""
    return set(statement.variant(frozenset(statement.optional))[1])


@pytest.fixture(scope="module")
def sessions(house: Database) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """A session of each role, in which a table without its schema is not found."""
    roles = ("fivefold_owner", "fivefold_api", "fivefold_worker")
    made = {role: psycopg.connect(house.url(), options=f"-c search_path= -c role={role}", autocommit=True) for role in roles}
    yield made
    for connection in made.values():
        connection.close()


# Who binds and who calls


def test_each_is_bound_once() -> None:
    assert Counter(binding.id for binding in bindings()) == Counter(statements().keys())
    assert BOUND.keys() >= statements().keys()


def test_the_lists_above_name_statements() -> None:
    assert OPERATOR.keys() | {id_ for id_, _ in NEVER_NULL} <= statements().keys()


def test_each_has_a_caller() -> None:
    called = {use.id for use in uses()} | {field.id for field in edge_fields()}
    called |= {node.node_statement for node in NODE_TYPES.values()}
    assert statements().keys() == called


def test_callers_pass_the_parameters_it_takes() -> None:
    problems = []
    for use in uses():
        statement, given = statements()[use.id], use.given
        if given is None:
            problems.append(f"{use.where}: {use.id} is used as .{use.how}, which no test can follow")
            continue
        if use.how != "statement" and given & set(IDENTITY):
            problems.append(f"{use.where}: {use.id} is given {given & set(IDENTITY)}, which only the query layer fills")
        if use.how in ("page", "rows"):
            given |= {"limit"} | {f"after_{column}" for column, _ in _keyset(use.id)}
        problems += _misfit(use.where, statement, given, filled=use.how != "statement")
    for field in edge_fields():
        given = frozenset(field.columns)
        if field.paged:
            given |= {"limit"} | {f"after_{column}" for column, _ in _keyset(field.id)}
        problems += _misfit(field.where, statements()[field.id], given, filled=True)
    for node in NODE_TYPES.values():
        given = frozenset(node.node_arguments([]))
        problems += _misfit(node.__name__, statements()[node.node_statement], given, filled=True)
    assert problems == []


def _misfit(where: str, statement: Statement, given: frozenset[str], *, filled: bool) -> list[str]:
    taken = parameters(statement)
    missing = taken - set(statement.optional) - set(IDENTITY if filled else ()) - given
    problems = [f"{where}: {statement.id} misses {sorted(missing)}"] if missing else []
    return problems + ([f"{where}: {statement.id} takes no {sorted(given - taken)}"] if given - taken else [])


def _keyset(id_: str) -> Any:
    bound = BOUND[id_]
    assert isinstance(bound, Paged | PerKey)
    return bound.keyset


def test_edges_take_columns_of_their_class_and_give_what_they_say() -> None:
    problems = []
    for field in edge_fields():
        owner = columns(vars(sys.modules[field.module])[field.owner])
        problems += [f"{field.where}: {column} is no column" for column in field.columns.values() if column not in owner]
        if BOUND[field.id].row.__name__ != field.type:
            problems.append(f"{field.where}: {field.id} returns {BOUND[field.id].row.__name__}")
        if field.paged is not ("limit" in parameters(statements()[field.id])):
            problems.append(f"{field.where}: edge or page_edge? {field.id} {'pages' if not field.paged else 'does not page'}")
    assert problems == []


def test_nodes_are_fetched_as_what_they_are() -> None:
    assert {node.__name__: BOUND[node.node_statement].row for node in NODE_TYPES.values()} == NODE_TYPES


# What PostgreSQL says of it


def test_each_may_be_run_by_its_role(sessions: dict[str, psycopg.Connection[Any]]) -> None:
    """EXPLAIN asks for the rights that running it asks for; preparing alone would not."""
    problems = []
    for statement in statements().values():
        for text, _ in statement.variants():
            try:
                sessions[role_of(statement)].execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode())
            except psycopg.Error as error:
                problems.append(f"{statement.id} as {role_of(statement)}: {error.diag.message_primary}")
    assert problems == []


def test_only_the_owner_may_run_what_is_listed_as_the_operators(sessions: dict[str, psycopg.Connection[Any]]) -> None:
    allowed = []
    for id_ in OPERATOR:
        try:
            sessions["fivefold_api"].execute(f"EXPLAIN (GENERIC_PLAN) {statements()[id_].variant()[0]}".encode())
            allowed.append(id_)
        except psycopg.errors.InsufficientPrivilege:
            pass
    # Their policies show the API no row but the caller's own, and let it write none of others.
    assert sorted(id_ for id_ in allowed if not id_.startswith("privacy/perf.")) == [
        "core/account.get_account_by_email",
        "core/audit_block.list_detail_without_event",
        "core/audit_block.list_sealed_event",
        "core/audit_block.list_verified_event",
        "core/audit_proof.get_any_event",
        "core/curator.list_curator",
        "core/erasure.list_ledger",
        "core/erasure.update_superseded_erasure",
        "core/workspace.get_personal_workspace",
        "privacy/template.list_curated_template",
        "scans/access.list_altered_access",
    ]


def test_columns_fit_the_class(sessions: dict[str, psycopg.Connection[Any]]) -> None:
    problems = []
    catalog = Catalog(sessions["fivefold_owner"])
    for statement in statements().values():
        row = BOUND[statement.id].row
        expected = {} if row is NoneType else dict(columns(cast(Hashable, row)))
        if statement.kind == "edge" and not by_id(statement):
            expected["position"] = int
        for text, _ in statement.variants():
            found = describe(sessions[role_of(statement)], text)
            if statement.kind == "exec":
                problems += [f"{statement.id}: :exec returns {column.name}" for column in found if column.type != "void"]
                continue
            if sorted(column.name for column in found) != sorted(expected):
                problems.append(f"{statement.id}: returns {[c.name for c in found]}, the class has {list(expected)}")
                continue
            outer = outer_relations(sessions[role_of(statement)], text)
            for column in found:
                hint = expected[column.name]
                problems += [f"{statement.id}.{column.name}: {problem}" for problem in catalog.misfits(column, hint)]
                if column.table and (statement.id, column.name) not in NEVER_NULL and not optional(hint):
                    if not catalog.not_null(column):
                        problems.append(f"{statement.id}.{column.name}: may be NULL in its table, the class denies it")
                    elif catalog.tables[column.table] in outer:
                        problems.append(f"{statement.id}.{column.name}: comes through an outer join, the class denies NULL")
    assert problems == []


class Column:
    """A column of a result: its name, type and the table and number that it comes from (0 for an expression)."""

    def __init__(self, result: psycopg.pq.abc.PGresult, index: int, types: dict[int, str]) -> None:
        self.name = (result.fname(index) or b"").decode()
        self.type = types[result.ftype(index)]
        self.table, self.number = result.ftable(index), result.ftablecol(index)


def describe(connection: psycopg.Connection[Any], text: str) -> list[Column]:
    """What a statement returns, without running it."""
    types = dict(connection.execute("SELECT oid::int8, typname FROM pg_type").fetchall())
    prepared = connection.pgconn.prepare(b"house", text.encode())
    assert prepared.status == ExecStatus.COMMAND_OK, prepared.error_message.decode()
    result = connection.pgconn.describe_prepared(b"house")
    connection.execute("DEALLOCATE house")
    return [Column(result, index, types) for index in range(result.nfields)]


def outer_relations(connection: psycopg.Connection[Any], text: str) -> set[str]:
    """The tables on a side of an outer join that may be missing, as the planner sees it after removing needless ones."""
    row = connection.execute(f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])

    def walk(node: dict[str, Any], missing: bool) -> Iterator[str]:
        if missing and "Relation Name" in node:
            yield f"{node['Schema']}.{node['Relation Name']}"
        gone = {"Left": ("Inner",), "Right": ("Outer",), "Full": ("Inner", "Outer")}.get(node.get("Join Type", ""), ())
        for child in node.get("Plans", ()):
            if child["Parent Relationship"] in (
                "InitPlan",
                "SubPlan",
            ):  # a condition, of a policy perhaps, and no source of rows
                continue
            yield from walk(child, missing or child["Parent Relationship"] in gone)

    return set(walk(plan[0]["Plan"], False))


class Catalog:
    """What the database says of the columns that statements return."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.tables: dict[int, str] = dict(connection.execute("SELECT oid::int8, oid::regclass::text FROM pg_class").fetchall())
        self.attributes: dict[tuple[int, int], tuple[str, bool]] = {
            (table, number): (name, not_null)
            for table, number, name, not_null in connection.execute(
                "SELECT attrelid::int8, attnum::int4, attname, attnotnull FROM pg_attribute WHERE attnum > 0"
            )
        }
        self.checks: dict[tuple[int, int], str] = {
            (table, number): definition
            for table, number, definition in connection.execute(
                "SELECT conrelid::int8, conkey[1]::int4, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE contype = 'c' AND conname LIKE '%\\_known' AND cardinality(conkey) = 1"
            )
        }

    def not_null(self, column: Column) -> bool:
        """Whether the column of its table is NOT NULL."""
        return self.attributes[column.table, column.number][1]

    def misfits(self, column: Column, hint: Any) -> Iterator[str]:
        """What is wrong between a column and the hint of its field, nullability apart."""
        inner = plain(hint)
        if isinstance(inner, type) and issubclass(inner, Enum):
            kind = {"text": str, "int2": int}.get(column.type)
            if kind is None or not all(isinstance(member.value, kind) for member in inner):
                yield f"{column.type} is no {inner.__name__}"
            elif column.table and (self.tables[column.table], column.name) not in NARROWER:
                known = self._known(column)
                if known != {str(member.value) for member in inner}:
                    yield f"the table allows {known}, {inner.__name__} has {[member.value for member in inner]}"
        elif column.type in ("json", "jsonb"):
            if inner not in (Any, JSON):
                yield f"{column.type} is no {inner}"
        elif column.type == "_text" and get_origin(inner) is list and issubclass(get_args(inner)[0], Enum):
            known, members = self._known(column), {str(member.value) for member in get_args(inner)[0]}
            if column.table and known != members:
                yield f"the table allows {known}, {inner} has {members}"
        elif column.type.startswith("_"):
            if get_origin(inner) is not list or get_args(inner)[0] is not TYPES.get(column.type[1:]):
                yield f"{column.type} is no {inner}"
        elif inner is not TYPES.get(column.type) and not (inner is BigInt and column.type == "int8"):
            yield f"{column.type} is no {inner}"

    def _known(self, column: Column) -> set[str]:
        """The values that the column's CHECK (<table>_<column>_known) allows."""
        definition = self.checks.get((column.table, column.number), "")
        if bounds := re.search(r">= (\d+)\) AND .* <= (\d+)\)", definition):
            return {str(value) for value in range(int(bounds[1]), int(bounds[2]) + 1)}
        if listed := re.search(r"ARRAY\[([\d, ]+)\]", definition):
            return set(listed[1].split(", "))
        return set(re.findall(r"'([^']+)'", definition))


def optional(hint: Any) -> bool:
    """Whether None is allowed."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return hint is Any or (get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint))


def plain(hint: Any) -> Any:
    """The hint without strawberry's Private and without None."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    rest = [arg for arg in get_args(hint) if arg is not NoneType] if get_origin(hint) in (Union, UnionType) else [hint]
    return rest[0] if len(rest) == 1 else hint


# How it is written


def test_names_begin_with_a_verb_of_the_list() -> None:
    assert list(KINDS) == sorted(KINDS)
    verbs = {statement.id: statement.name.partition("_")[0] for statement in statements().values()}
    assert [id_ for id_, verb in verbs.items() if statements()[id_].kind not in KINDS.get(verb, ())] == []
    assert set(KINDS) - set(verbs.values()) - {"count"} == set(), "a verb that nothing begins with"


def test_statements_stand_in_order_and_say_why() -> None:
    by_file: dict[str, list[str]] = {}
    for statement in statements().values():
        by_file.setdefault(statement.file, []).append(statement.name)
        assert re.fullmatch(r"[A-Z].*\.", statement.why), f"{statement.id}: the why is a sentence"
    assert [file for file, names in by_file.items() if names != sorted(names)] == []


def test_files_say_what_they_hold() -> None:
    """The first lines are for the reader; what stands before the first name reaches no loader."""
    for path in (root() / "sql").rglob("*.sql"):
        head, _, rest = path.read_text(encoding="utf-8").partition("\n-- name: ")
        assert rest, path
        assert re.fullmatch(r"-- [A-Z].*\.\n(?:--.*\n)*", head), f"{path.name}: begins with a sentence about its noun"


def test_pages_are_keyset_pages() -> None:
    problems = []
    for id_, statement in statements().items():
        taken = {name for name in parameters(statement) if name == "limit" or name.startswith("after_")}
        if statement.kind != "page" and not (statement.kind == "edge" and taken):
            problems += [f"{id_}: {name} is for pages" for name in taken if name != "limit"]
            continue
        keyset = [column for column, _ in _keyset(id_)]
        if taken != {"limit", *(f"after_{column}" for column in keyset)}:
            problems.append(f"{id_}: takes {sorted(taken)}, its keyset is {keyset}")
        bounds = re.search(r"(?:WHERE|AND) \(?([a-z_., ]+?)\)? ([<>]) \(?(:after[a-z_:, ]+)", bare(statement))
        order = re.search(r"ORDER BY ([^\n]+)\n\s*LIMIT :limit$", bare(statement), re.M)
        if bounds is None or order is None:
            problems.append(f"{id_}: has no bound behind which it begins, or no ORDER BY before LIMIT :limit")
            continue
        direction = " DESC" if bounds[2] == "<" else ""
        if re.findall(r":after_([a-z_]+)", bounds[3]) != keyset:
            problems.append(f"{id_}: its bound is {bounds[3]}, its keyset is {keyset}")
        if order[1] != ", ".join(f"{column}{direction}" for column in bounds[1].split(", ")):
            problems.append(f"{id_}: is ordered by {order[1]}, bounded by {bounds[1]}")
    assert problems == []


def test_edges_say_which_key_a_row_answers() -> None:
    """SELECT k.position, ... FROM unnest(:keys::type[]) WITH ORDINALITY AS k (key, position), or = ANY(:keys) by id."""
    keys = re.compile(r"\bFROM unnest\((:\w+::\w+\[\](, )?)+\) WITH ORDINALITY AS k \([a-z_, ]+, position\)")
    asked = re.compile(r"\b(?:WHERE|AND) [a-z]\.id = ANY\(:(\w+)::uuid\[\]\)")
    for statement in statements().values():
        if statement.kind == "edge" and by_id(statement):
            assert asked.findall(bare(statement)) == list(parameters(statement) - set(IDENTITY)), statement.id
        elif statement.kind == "edge":
            assert statement.body.startswith("SELECT k.position, "), statement.id
            assert keys.search(statement.body), statement.id


def by_id(statement: Statement) -> bool:
    """Whether the rows of an edge say by ``id`` whose they are."""
    bound = BOUND[statement.id]
    assert isinstance(bound, PerKey)
    return bound.by_id


def test_owned_rows_are_asked_for_by_workspace(house: Database) -> None:
    kinds = table_kinds(house)
    problems = []
    for statement in statements().values():
        named = {kinds[table] for table in re.findall(r"\b[a-z]+\.[a-z_]+\b", bare(statement)) if table in kinds}
        taken = parameters(statement)
        if statement.file.endswith("/across") or statement.id in OPERATOR:
            continue
        if "owned" in named and "workspace_id" not in taken:
            problems.append(f"{statement.id}: names an owned table and no :workspace_id")
        if "identity" in named and not taken & set(IDENTITY):
            problems.append(f"{statement.id}: names a table of identities and neither :workspace_id nor :account_id")
    assert problems == []


def table_kinds(house: Database) -> dict[str, str]:
    """owned, shared, identity or system, by table."""
    with psycopg.connect(house.url()) as connection:
        rows = connection.execute(
            "SELECT oid::regclass::text, split_part(obj_description(oid), '.', 1) FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text IN ('core', 'privacy', 'scans')"
        )
        return dict(rows.fetchall())


def test_stars_stand_only_in_lateral_subqueries() -> None:
    for statement in statements().values():
        opened: list[str] = []
        for match in re.finditer(r"(\w+) ?\(|\(|\)|(?:SELECT|,|\w\.)\s*\*", bare(statement)):
            if match[0].endswith("("):
                opened.append(match[1] or "")
            elif match[0] == ")":
                opened.pop()
            else:
                assert opened[-1:] == ["LATERAL"], f"{statement.id}: {match[0]}"


def test_keywords_are_upper_case(house: Database) -> None:
    with psycopg.connect(house.url()) as connection:
        reserved = {word for (word,) in connection.execute("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")}
    small = (reserved | WORDS) - SMALL
    problems = []
    for statement in statements().values():
        # A name behind a dot, of a parameter, or of a function is none.
        for word in re.findall(r"(?<![:.\w])[A-Za-z_]+\b(?!\()", bare(statement)):
            if word in small and not re.search(rf"\bAS {word}\b|\({word}\b|\b{word},|\.{word}\b", statement.body):
                problems.append(f"{statement.id}: {word}")
    assert problems == []


OTHER_SCHEMA = {"core/migration": "migration", "kit/jobs": "jobs"}
"""Files whose tables lie in a schema that is no product's."""


def test_a_product_names_only_itself_and_the_core(house: Database) -> None:
    with psycopg.connect(house.url()) as connection:
        schemas = {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'")}
    for statement in statements().values():
        named = set(re.findall(r"(?<![:.\w])([a-z_]+)\.[a-z_]+", statement.body)) & schemas
        own = OTHER_SCHEMA.get(statement.file, statement.file.split("/")[0])
        assert named <= {"core", own}, statement.id
