"""Scale: with 100,000 scans of one workspace, and as many of others, no list reads more than it shows."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.conftest import Database
from tests.house.code import statements

SCANS = 100_000
"""Of one workspace; as many more are spread over others."""
WORKSPACES = 500
MOST_PAGES = 400
"""Of 8 kB, for a page of 20 rows: an index is gone down and 20 rows are looked up in a table or two."""

FILL = """
SET session_replication_role = replica;
SET fivefold.audit_ddl = 'allowed';
ALTER TABLE scans.scan DISABLE TRIGGER ALL;
ALTER TABLE scans.scan_result DISABLE TRIGGER ALL;
ALTER TABLE scans.access DISABLE TRIGGER ALL;
ALTER TABLE scans.publication DISABLE TRIGGER ALL;
ALTER TABLE scans.publication_address DISABLE TRIGGER ALL;
CREATE TEMPORARY TABLE place AS SELECT uuidv7() AS id, n FROM generate_series(1, {others}) AS n;
CREATE TEMPORARY TABLE made AS
SELECT CASE WHEN g.n <= {scans} THEN '{one}'::uuid ELSE p.id END AS workspace_id, uuidv7() AS id, g.n
FROM generate_series(1, 2 * {scans}) AS g (n)
JOIN place AS p ON p.n = 1 + g.n % {others};
INSERT INTO scans.scan (workspace_id, id, account_id, reservation_id, deadline_at, state, previous_state, failure, finished_at,
    lease_until, host, masked_url, has_secrets, url_hash, url_sealed)
SELECT m.workspace_id, m.id, '{one}', '{one}', now(), CASE WHEN m.n % 5000 = 0 THEN 'FAILED' ELSE 'COMPLETED' END,
    'ANALYZING', CASE WHEN m.n % 5000 = 0 THEN 'A_TEST' END, now(), NULL,
    'h' || m.n % 50 || '.example.com', 'https://x.example.com/', false, sha256(int4send(m.n % 50)),
    decode(repeat('78', 80), 'hex')
FROM made AS m;
INSERT INTO scans.scan_result (workspace_id, scan_id, verdict, score, weights_version, categories, unchecked, reasoning,
    headers, cookie_names, form_hosts, content_hash, favicon_hash, certificate_hash)
SELECT m.workspace_id, m.id, 'HARMLESS', 1, 1, '{{}}', '{{}}', 'x', '{{}}', '{{}}', '{{}}', sha256(int4send(m.n % 3)),
    sha256(int4send(m.n % 3)), sha256(int4send(m.n % 3))
FROM made AS m;
INSERT INTO scans.publication (workspace_id, id, scan_id, scanned_at, visibility, verdict, score, host, masked_url, categories,
    content_hash, favicon_hash, certificate_hash, expression_hash)
SELECT m.workspace_id, uuidv7(), m.id, now(), 'PUBLIC', 'HARMLESS', 1, 'x.example.com', 'https://x.example.com/', '{{}}',
    sha256(int4send(m.n % 3)), sha256(int4send(m.n % 3)), sha256(int4send(m.n % 3)), sha256(int4send(m.n))
FROM made AS m
WHERE m.n % 10 = 0;
INSERT INTO scans.publication_address (workspace_id, publication_id, address, asn)
SELECT p.workspace_id, p.id, ('93.184.215.' || a.n)::inet, 64512
FROM scans.publication AS p
CROSS JOIN generate_series(1, 2) AS a (n);
INSERT INTO scans.access (workspace_id, scan_id, address, asn, port, milliseconds, seq, status, kind, masked_url, url_hash)
SELECT m.workspace_id, m.id, ('93.184.215.' || m.n % 5)::inet, 64512 + m.n % 2, 443, 12, 0, 200, 'PAGE', 'https://x.example.com/',
    sha256(int4send(m.n % 50))
FROM made AS m;
ANALYZE scans.scan, scans.scan_result, scans.access, scans.publication, scans.publication_address;
"""

LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
HASH = "sha256(int4send({}))"
NOBODY = {"scan_id": f"'{LAST}'", "content_hash": "NULL", "favicon_hash": "NULL", "certificate_hash": "NULL"}
LISTS: list[tuple[str, dict[str, str]]] = [
    ("scans/scan.page_scan", {}),
    ("scans/scan.page_scan", {"ended": "'FAILED'"}),
    ("scans/scan.page_scan", {"ended": "'COMPLETED'"}),
    ("scans/scan.page_scan", {"ended": "'TIMED_OUT'"}),
    ("scans/scan.page_scan", {"open": "'QUEUED'"}),
    ("scans/scan.page_scan", {"host": "'h7.example.com'"}),
    ("scans/scan.page_scan", {"host": "'nobody.example.com'", "ended": "'COMPLETED'"}),
    ("scans/lookup.page_url_history", {"url_hash": HASH.format(7)}),
    ("scans/submission.get_fresh_scan", {"url_hash": HASH.format(7), "visibility": "'PRIVATE'", "freshness": "'1 hour'"}),
    ("scans/access.page_access", {"scan_id": "$SCAN"}),
    ("scans/comparison.page_related_scan", {"scan_id": f"'{LAST}'", "content_hash": HASH.format(2)}),
    ("scans/comparison.page_related_scan", {"scan_id": f"'{LAST}'", "favicon_hash": HASH.format(2)}),
    ("scans/comparison.page_related_scan", {"scan_id": f"'{LAST}'", "certificate_hash": HASH.format(2)}),
    ("scans/comparison.page_scan_of_address", {"scan_id": f"'{LAST}'", "addresses": "'{93.184.215.1,93.184.215.2,8.8.8.8}'"}),
    ("scans/comparison.page_scan_of_network", {"scan_id": f"'{LAST}'", "asns": "'{64512,64513,1}'"}),
    *(
        ("scans/publication.page_related_publication", NOBODY | {f"{each}_hash": HASH.format(2)})
        for each in ("content", "favicon", "certificate")
    ),
    ("scans/publication.page_publication_of_address", NOBODY | {"addresses": "'{93.184.215.1,93.184.215.2,8.8.8.8}'"}),
    ("scans/publication.page_publication_of_network", NOBODY | {"asns": "'{64512,1}'"}),
    ("scans/dispute.page_dispute", {}),
    ("scans/monitor.page_monitor", {}),
]


def pages(connection: psycopg.Connection[Any], name: str, given: dict[str, str], workspace: str) -> tuple[int, set[str]]:
    """How many pages a statement looks at with a plan for all values, and which tables it reads whole."""
    statement = statements()[name]
    text, names = statement.variant(frozenset(given) & frozenset(statement.optional))
    values = {"workspace_id": f"'{workspace}'", "after_id": f"'{LAST}'", "limit": "21"} | given
    connection.execute(f"PREPARE listed AS {text}".encode())
    asked = f"EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) EXECUTE listed({', '.join(values[each] for each in names)})"
    row = connection.execute(asked.encode()).fetchone()
    connection.execute("DEALLOCATE listed")
    assert row is not None
    plan = row[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], whole(plan)


def whole(plan: dict[str, Any]) -> set[str]:
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(whole(child) for child in plan.get("Plans", ())))


@pytest.mark.slow
def test_no_list_of_scans_reads_more_than_it_shows(database: Database) -> None:
    one = "01900000-0000-7000-8000-000000000001"
    with psycopg.connect(database.url(), autocommit=True) as admin:
        admin.execute(FILL.format(one=one, scans=SCANS, others=WORKSPACES).encode())
        scan = admin.execute("SELECT id FROM made WHERE workspace_id = %s OFFSET 500 LIMIT 1", (one,)).fetchone()[0]  # type: ignore[index]
        other = str(admin.execute("SELECT id FROM place LIMIT 1").fetchone()[0])  # type: ignore[index]
        admin.execute("SET plan_cache_mode = force_generic_plan")
        admin.execute("SET ROLE fivefold_api")
        read, tables = {}, {}
        for workspace in (one, other):
            admin.execute("SELECT set_config('fivefold.workspace_id', %s, false)", (workspace,))
            for name, given in LISTS:
                case = f"{name} {given} in {'one' if workspace == one else 'many'}"
                read[case], tables[case] = pages(
                    admin, name, {key: value.replace("$SCAN", f"'{scan}'") for key, value in given.items()}, workspace
                )
    assert {case: found for case, found in tables.items() if found - {"dispute", "monitor"}} == {}, "empty tables apart"
    assert {case: count for case, count in read.items() if count > MOST_PAGES} == {}
