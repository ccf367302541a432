"""Snapshots: read as they were, never changed, and small."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import seed
from app.core.account import Account, create_account
from app.kit.db import Db, open_as
from app.kit.graphql import global_id
from app.privacy.platform_link import link_account
from app.privacy.risk import assess
from app.privacy.snapshot import new_id
from app.privacy.template import settings_of
from app.privacy.values import pack
from tests.conftest import Api
from tests.factory.privacy import (
    START,
    api_key,
    choice,
    history,
    link,
    load_files,
    recorded,
    scan,
    template_of,
    toggle,
    write_platform,
)
from tests.privacy.conftest import Small

SNAPSHOT = """
query Snapshot($id: ID!) {
  snapshot(id: $id) {
    id capturedAt scanMethod configVersion riskScore riskFormula confidence completionRate
    link { id label platform { slug } } template { hash version }
    settings { key label description category type options default recommended risk directLink value observed }
    changes { setting }
  }
}
"""
PAGE = """
query Page($id: ID!, $first: Int!, $after: String) {
  snapshots(linkId: $id, first: $first, after: $after) { edges { node { id capturedAt } } pageInfo { hasNextPage endCursor } }
}
"""
EDGE = """
query Edge($first: Int!) {
  platformLinks {
    edges { node { label snapshots(first: $first) { edges { node { id } } pageInfo { hasNextPage endCursor } } } }
  }
}
"""

moments = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(st.lists(moments, min_size=2, max_size=20))
@settings(deadline=None)
def test_ids_sort_by_capture_then_by_arrival(captures: list[datetime]) -> None:
    made = [(captured_at, arrival, new_id(captured_at)) for arrival, captured_at in enumerate(captures)]
    assert sorted(made) == sorted(made, key=lambda m: m[2])


@given(moments)
@settings(deadline=None)
def test_an_id_is_a_uuidv7_of_the_capture(captured_at: datetime) -> None:
    made = new_id(captured_at)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(captured_at.timestamp() * 1_000_000) // 1000


async def test_a_snapshot_reads_as_it_was_sent(api: Api) -> None:
    ada = await api.person()
    template = await template_of(api, ada.token)
    link_id = await link(api, ada.token)
    sent = {s["key"]: s["options"][-1] for s in template["settings"]} | {template["settings"][3]["key"]: None}
    given_ = scan(link_id, template, values=sent, capturedAt="2026-03-02T11:00:00.123456+02:00", scanMethod="CRAWLER")
    made = (await recorded(api, ada.token, given_))["snapshot"]
    shown = (await api(SNAPSHOT, {"id": made["id"]}, token=ada.token)).data["snapshot"]
    assert shown["capturedAt"] == "2026-03-02T09:00:00.123456Z"
    assert shown["scanMethod"] == "CRAWLER"
    assert shown["configVersion"] == 1
    assert shown["riskFormula"] == 1
    assert shown["link"] == {"id": link_id, "label": "Personal", "platform": {"slug": "google"}}
    assert shown["template"] == {"hash": template["hash"], "version": 1}
    assert {s["key"]: s["value"] for s in shown["settings"]} == sent
    assert [s["key"] for s in shown["settings"]] == [s["key"] for s in template["settings"]], "the order of the page"
    assert [s["key"] for s in shown["settings"] if not s["observed"]] == [template["settings"][3]["key"]]
    assert shown["completionRate"] == pytest.approx(1 - 1 / len(sent))
    assert shown["changes"] == []


@pytest.mark.parametrize("moment", [START - timedelta(days=365), datetime(2015, 1, 1, tzinfo=UTC)])
async def test_a_capture_before_the_first_config_says_so(api: Api, moment: datetime) -> None:
    ada = await api.person()
    given_ = scan(await link(api, ada.token), await template_of(api, ada.token), capturedAt=moment.isoformat())
    made = (await recorded(api, ada.token, given_))["snapshot"]
    assert (await api(SNAPSHOT, {"id": made["id"]}, token=ada.token)).data["snapshot"]["configVersion"] == 0


async def test_confidence_is_the_mean_over_what_was_seen(api: Api) -> None:
    ada = await api.person()
    template = await template_of(api, ada.token)
    given_ = scan(await link(api, ada.token), template)
    values = given_["values"][:4]
    values[0]["confidence"], values[1]["confidence"], values[2]["confidence"] = 0.5, 0.7, 0
    values[2]["value"] = None
    made = (await recorded(api, ada.token, given_ | {"values": values}))["snapshot"]
    assert made["confidence"] == pytest.approx((0.5 + 0.7 + 1) / 3, abs=1e-4)
    assert made["completionRate"] == pytest.approx(3 / len(template["settings"]))


@pytest.mark.parametrize("first", [1, 2, 5, 100])
async def test_a_history_is_paged_newest_capture_first(small: Small, first: int) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    for day in (3, 1, 4, 0, 2):
        values = {"ads": "on" if day % 2 else "off"}
        await recorded(small.api, token, scan(link_id, small.second, day=day, values=values))
    found: list[str] = []
    after = None
    while True:
        data = (await small.api(PAGE, {"id": link_id, "first": first, "after": after}, token=token)).data["snapshots"]
        found += [edge["node"]["capturedAt"] for edge in data["edges"]]
        if not data["pageInfo"]["hasNextPage"]:
            break
        after = data["pageInfo"]["endCursor"]
    assert found == [(START + timedelta(days=day)).isoformat().replace("+00:00", "Z") for day in (4, 3, 2, 1, 0)]


async def test_each_link_has_a_page_of_its_own(small: Small) -> None:
    token = small.ada.token
    for label, days in (("one", 1), ("many", 4), ("none", 0)):
        link_id = await link(small.api, token, "small", label)
        for day in range(days):
            await recorded(small.api, token, scan(link_id, small.second, day=day, values={"ads": ("on", "off")[day % 2]}))
    edges = (await small.api(EDGE, {"first": 2}, token=token)).data["platformLinks"]["edges"]
    found = {e["node"]["label"]: e["node"]["snapshots"] for e in edges}
    assert {label: len(page["edges"]) for label, page in found.items()} == {"one": 1, "many": 2, "none": 0}
    assert [label for label, page in found.items() if page["pageInfo"]["hasNextPage"]] == ["many"]


async def test_old_snapshots_are_explained_by_the_template_they_were_taken_against(small: Small) -> None:
    token = small.ada.token
    link_id = await link(small.api, token, "small")
    await recorded(small.api, token, scan(link_id, small.first))
    await recorded(small.api, token, scan(link_id, small.second, day=1))
    old, new = await history(small.api, token, link_id)
    assert "gone" in old["values"]
    assert "gone" not in new["values"]
    assert (old["values"]["audience"], new["values"]["audience"]) == ("Everyone", "everyone")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("query Q($id: ID!) { snapshots(linkId: $id) { edges { cursor } } }", "NOT_FOUND"),
        ("query Q($id: ID!) { snapshot(id: $id) { id } }", "BAD_ID"),
    ],
)
async def test_ids_that_lead_nowhere(api: Api, query: str, code: str) -> None:
    ada = await api.person()
    answer = await api(query, {"id": global_id("PlatformLink", str(uuid4()))}, token=ada.token)
    assert answer.code == code
    answer = await api(query, {"id": str(uuid4())}, token=ada.token)
    assert answer.code == "BAD_ID"


async def test_nobody_reads_the_snapshots_of_another(small: Small) -> None:
    ben = await small.person()
    link_id = await link(small.api, small.ada.token, "small")
    made = (await recorded(small.api, small.ada.token, scan(link_id, small.second)))["snapshot"]
    assert (await small.api(SNAPSHOT, {"id": made["id"]}, token=ben.token)).data == {"snapshot": None}
    assert (await small.api(PAGE, {"id": link_id, "first": 1}, token=ben.token)).code == "NOT_FOUND"
    node = await small.api("query N($id: ID!) { nodes(ids: [$id, $id]) { id } }", {"id": made["id"]}, token=ben.token)
    assert node.data == {"nodes": [None, None]}


async def test_an_extension_s_key_does_not_read_back(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    made = (await recorded(small.api, small.ada.token, scan(link_id, small.second)))["snapshot"]
    key = await api_key(small.api, small.ada.token)
    for query, variables in (
        (SNAPSHOT, {"id": made["id"]}),
        (PAGE, {"id": link_id, "first": 1}),
        ("{ platformLinks { edges { node { latestSnapshot { id } } } } }", {}),
        ("{ platformLinks { edges { node { snapshots { edges { cursor } } } } } }", {}),
    ):
        answer = await small.api(query, variables, token=key)
        assert set(answer.codes) == {"FORBIDDEN"}
        assert made["id"] not in str(answer.body)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE privacy.snapshot SET packed = '\\x0001'",
        "UPDATE privacy.snapshot SET captured_at = now()",
        "UPDATE privacy.snapshot SET workspace_id = workspace_id",
        "DELETE FROM privacy.snapshot",
        "TRUNCATE privacy.snapshot CASCADE",
    ],
)
@pytest.mark.parametrize("user", ["fivefold_api", "fivefold_worker"])
async def test_a_snapshot_is_never_changed(small: Small, user: str, sql: str) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.second))
    async with small.api.database.connect(user) as connection:
        await connection.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(small.ada.workspace_id))
        # The worker purges what is past its time; what is a link's latest holds against it too.
        purging = user == "fivefold_worker" and sql.startswith("DELETE")
        with pytest.raises(asyncpg.ForeignKeyViolationError if purging else asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql)


async def test_a_snapshot_is_not_updated_even_by_the_administrator(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    await recorded(small.api, small.ada.token, scan(link_id, small.second))
    async with small.api.database.connect() as connection:
        for before in ("SELECT 1", "SET session_replication_role = replica"):
            await connection.execute(before)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute("UPDATE privacy.snapshot SET risk_score = 0")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute("UPDATE privacy.snapshot SET previous_seen_until = now(), link_id = uuidv7()")


async def test_the_audit_proves_the_values_and_does_not_tell_them(small: Small) -> None:
    link_id = await link(small.api, small.ada.token, "small")
    sent = scan(link_id, small.second, values={"audience": "Only  me", "news": None})
    made = (await recorded(small.api, small.ada.token, sent))["snapshot"]
    async with small.api.database.connect() as connection:
        row: Any = await connection.fetchrow(
            "SELECT d.detail ->> 'sha256:packed' = encode(sha256(s.packed), 'hex') AS packed,"
            " d.detail ->> 'sha256:observed' = encode(sha256(s.observed), 'hex') AS observed, d.detail::text AS text,"
            " e.commitment = sha256(d.salt || convert_to(d.detail::text, 'UTF8')) AS committed"
            " FROM privacy.snapshot s JOIN core.audit_event e ON e.object_id = s.id"
            " JOIN core.audit_detail d ON d.event_id = e.id"
            " WHERE s.id = $1 AND e.action = 'INSERT'",
            UUID(base64.b64decode(made["id"]).decode().partition(":")[2]),
        )
    assert (row["packed"], row["observed"], row["committed"]) == (True, True, True)
    assert "Only  me" not in row["text"]
    assert '"packed"' not in row["text"]


# Storage

SETTINGS, WORKSPACES, LINKS, WEEKS = 60, 20, 4, 250
MAX_BYTES = 260
"""Heap and indexes of privacy.snapshot for each row, settings of a template being 60."""

SIZES = """
SELECT pg_table_size('privacy.snapshot') AS heap, pg_indexes_size('privacy.snapshot') AS indexes,
    (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('core.audit_event')) AS event,
    pg_total_relation_size('core.audit_detail') AS detail,
    pg_total_relation_size('privacy.change') AS change,
    pg_total_relation_size('core.idempotency') AS idempotency
"""


@dataclass
class Stored:
    """One link's settings as they go."""

    workspace_id: UUID
    link_id: UUID
    values: dict[str, str]


async def test_bytes_of_a_snapshot(api: Api, tmp_path: Path) -> None:
    """Many people's weekly scans, in the order in which they would come: one of each link a week, over years."""
    random = Random(260)  # noqa: S311 - an example, no secret
    page = [toggle(f"setting_{n}") if n % 3 else choice(f"setting_{n}", ["a", "b", "c", "d"]) for n in range(SETTINGS)]
    write_platform(tmp_path, "wide", page)
    await load_files(api.database, tmp_path)
    async with open_as(api.database.url(), "fivefold_owner") as (pool, db):
        template_id = await pool.fetchval("SELECT id FROM privacy.template WHERE setting_count = $1", SETTINGS)
        settings_ = (await settings_of(db, [template_id]))[template_id]
        people = [await seed.as_person(pool, db, await _account(db, n)) for n in range(WORKSPACES)]
        stored = []
        for person in people:
            for n in range(LINKS):
                async with person.transaction():
                    made = await link_account(person, platform_slug="wide", label=str(n))
                values = {s.key: s.default_value for s in settings_}
                values |= {s.key: s.recommended for s in random.sample(settings_, 10)}
                stored.append(Stored(person.actor.workspace_id, made.id, values))
            await person.close()
    snapshots, changes, keys = [], [], []
    for week in range(WEEKS):
        for one in stored:
            captured_at = START - timedelta(weeks=WEEKS - week) + timedelta(minutes=random.randrange(600))
            changed = random.sample(settings_, random.choice([1, 1, 2, 3]))
            before = dict(one.values)
            # People move to and fro around what they chose: one in six settings is not as the default.
            one.values |= {s.key: random.choice(s.options) if random.random() < 0.3 else s.default_value for s in changed}
            unread = {s.key for s in random.sample(settings_, 3)} if random.random() < 0.1 else set()
            seen = {key: value for key, value in one.values.items() if key not in unread}
            packed, observed = pack(settings_, seen)
            id_ = new_id(captured_at)
            seen_until = captured_at - timedelta(days=1)  # daily scans in between found nothing new
            row = (one.workspace_id, id_, one.link_id, template_id, captured_at, 0.97, 1, assess(settings_, seen).score, 1, 1)
            snapshots.append((*row, packed, observed, seen_until))
            changes += [(one.workspace_id, id_, s.key, before[s.key], one.values[s.key]) for s in changed]
            keys.append((one.workspace_id, str(uuid4()), id_))
    async with api.database.connect() as connection:
        empty = await connection.fetchrow(SIZES)
        await connection.executemany(
            "INSERT INTO privacy.snapshot (workspace_id, id, link_id, template_id, captured_at, confidence, config_version,"
            " risk_score, risk_formula, scan_method, packed, observed, previous_seen_until)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            snapshots,
        )
        await connection.executemany(
            "INSERT INTO privacy.change (workspace_id, snapshot_id, confidence, setting, old_value, new_value, origin,"
            " significance) VALUES ($1, $2, 0.776, $3, $4, $5, 'USER', 'VALUE')",
            changes,
        )
        await connection.executemany(
            "INSERT INTO core.idempotency (workspace_id, field, key, result_id, created, input_hash)"
            " VALUES ($1, 'recordSnapshot', $2, $3, true, sha256($2::text::bytea))",
            keys,
        )
        full = await connection.fetchrow(SIZES)
        audited = await connection.fetchval("SELECT count(*) FROM core.audit_event WHERE object = 'privacy.snapshot'")
    assert empty is not None
    assert full is not None
    rows = len(snapshots)
    assert rows >= 20_000
    assert audited == rows
    each = {name: (full[name] - empty[name]) / rows for name in ("event", "detail", "change", "idempotency")}
    heap, indexes = full["heap"] / rows, full["indexes"] / rows
    deviating = sum(len(s[-3]) for s in snapshots) / 2 / rows
    print(  # noqa: T201 - for pytest -s
        f"\nbytes of each of {rows} snapshots of {SETTINGS} settings, {deviating:.1f} not as the default:"
        f" heap {heap:.0f} + indexes {indexes:.0f} = {heap + indexes:.0f}; beside it {len(changes) / rows:.2f} changes"
        f" {each['change']:.0f}, audit event {each['event']:.0f} + detail {each['detail']:.0f}, key {each['idempotency']:.0f}"
    )
    assert 8 <= deviating <= 15, "the example is no longer like people's settings"
    assert heap + indexes <= MAX_BYTES


async def _account(db: Db, n: int) -> Account:
    return await create_account(db, email=f"p{n}@example.com", display_name="P")
