"""The floor of the database: one SQL statement for each workload, which returns the answer's JSON as PostgreSQL writes it.

Around it the same as around the hand-written endpoints: authentication, rate charge, transaction, metrics and log line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from app.kit.db import Db
from app.kit.sql import Statement
from tests.benchmark.handwritten import Data, route, uuid_of, uuid_of_cursor

SNAPSHOT = """
    'id', translate(encode(('Snapshot:' || s.id)::bytea, 'base64'), E'\\n', ''), 'riskScore', s.risk_score,
    'completionRate', coalesce(bit_count(s.observed)::float8 / t.setting_count, 1), 'confidence', s.confidence,
    'capturedAt', s.captured_at
"""
SETTINGS = """
    , 'settings', (
        SELECT json_agg(json_build_object(
            'key', n.key, 'label', n.label, 'category', n.category, 'value', v.value, 'observed', v.value IS NOT NULL,
            'recommended', n.recommended, 'risk', n.risk) ORDER BY n.position)
        FROM privacy.template_setting AS n
        LEFT JOIN (
            SELECT get_byte(s.packed, 2 * d.place) AS position, get_byte(s.packed, 2 * d.place + 1) AS option
            FROM generate_series(0, length(s.packed) / 2 - 1) AS d (place)
        ) AS p ON p.position = n.position
        CROSS JOIN LATERAL (
            SELECT CASE WHEN s.observed IS NULL OR get_bit(s.observed, n.position) = 1
                THEN coalesce(n.options[p.option + 1], n.default_value) END AS value
        ) AS v
        WHERE n.template_id = s.template_id
    )
"""
LINKS = """
    SELECT json_build_object('edges', coalesce(json_agg(json_build_object('node', json_build_object(
        'id', translate(encode(('PlatformLink:' || l.id)::bytea, 'base64'), E'\\n', ''), 'label', l.label, 'status', l.status,
        'platform', json_build_object(
            'id', translate(encode(('Platform:' || p.id)::bytea, 'base64'), E'\\n', ''), 'slug', p.slug, 'name', p.name),
        'latestSnapshot', json_build_object({snapshot})
    )) ORDER BY l.id DESC), '[]'))
    FROM (
        SELECT * FROM privacy.platform_link AS k
        WHERE k.workspace_id = :workspace_id {where}
        ORDER BY k.id DESC LIMIT {limit}
    ) AS l
    JOIN privacy.platform AS p ON p.id = l.platform_id
    JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
    JOIN privacy.template AS t ON t.id = s.template_id
"""
DASHBOARD = """
SELECT json_build_object('data', json_build_object('privacyDashboard', json_build_object(
    'overallScore', f.overall_score, 'coverage', f.coverage, 'links', ({links}))))::text AS answer
FROM (
    SELECT round(avg(s.risk_score))::integer AS overall_score,
        coalesce(sum(coalesce(bit_count(s.observed), t.setting_count))::float8 / nullif(sum(t.setting_count), 0), 0) AS coverage
    FROM privacy.platform_link AS l
    JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
    JOIN privacy.template AS t ON t.id = s.template_id
    WHERE l.workspace_id = :workspace_id AND l.status = 'ACTIVE'
) AS f
"""
TWENTY = {"where": "AND k.status = 'ACTIVE'", "limit": 20}
LOOKUP = """
SELECT json_build_object('data', json_build_object('platformLink', (
    SELECT json_build_object(
        'id', translate(encode(('PlatformLink:' || l.id)::bytea, 'base64'), E'\\n', ''), 'label', l.label, 'status', l.status,
        'linkedAt', l.linked_at)
    FROM privacy.platform_link AS l WHERE l.workspace_id = :workspace_id AND l.id = :id)))::text AS answer
"""
PAGE = f"""
SELECT json_build_object('data', json_build_object('snapshots', json_build_object(
    'edges', json_agg(json_build_object('node', json_build_object({SNAPSHOT})) ORDER BY s.id DESC) FILTER (WHERE s.place <= 20),
    'pageInfo', json_build_object('hasNextPage', count(*) > 20))))::text AS answer
FROM (
    SELECT h.*, row_number() OVER (ORDER BY h.id DESC) AS place
    FROM privacy.snapshot AS h
    WHERE h.workspace_id = :workspace_id AND h.link_id = :link_id AND h.id < :after_id
    ORDER BY h.id DESC LIMIT 21
) AS s
JOIN privacy.template AS t ON t.id = s.template_id
"""
NESTED = """
SELECT json_build_object('data', json_build_object('platformLinks', json_build_object(
    'edges', json_agg(json_build_object('node', json_build_object(
        'id', translate(encode(('PlatformLink:' || l.id)::bytea, 'base64'), E'\\n', ''), 'label', l.label, 'snapshots', h.shown
    )) ORDER BY l.id DESC))))::text AS answer
FROM (SELECT * FROM privacy.platform_link AS k WHERE k.workspace_id = :workspace_id ORDER BY k.id DESC LIMIT 20) AS l
CROSS JOIN LATERAL (
    SELECT json_build_object('edges', json_agg(json_build_object('node', json_build_object(
        'id', translate(encode(('Snapshot:' || s.id)::bytea, 'base64'), E'\\n', ''), 'riskScore', s.risk_score,
        'capturedAt', s.captured_at, 'changes', (
            SELECT coalesce(json_agg(json_build_object(
                'setting', c.setting, 'oldValue', c.old_value, 'newValue', c.new_value, 'origin', c.origin)
                ORDER BY c.setting), '[]')
            FROM privacy.change AS c WHERE c.workspace_id = :workspace_id AND c.snapshot_id = s.id)
    )) ORDER BY s.id DESC)) AS shown
    FROM (
        SELECT * FROM privacy.snapshot AS g
        WHERE g.workspace_id = :workspace_id AND g.link_id = l.id ORDER BY g.id DESC LIMIT 3
    ) AS s
) AS h
"""
STATEMENTS = {
    "lookup": LOOKUP,
    "light": DASHBOARD.format(links=LINKS.format(snapshot=SNAPSHOT, **TWENTY)),
    "full": DASHBOARD.format(links=LINKS.format(snapshot=SNAPSHOT + SETTINGS, **TWENTY)),
    "list": "SELECT json_build_object('data', json_build_object('platformLinks', ("
    + LINKS.format(snapshot=SNAPSHOT, where="", limit=100)
    + ")))::text AS answer",
    "page": PAGE,
    "nested": NESTED,
}
ARGUMENTS: dict[str, Callable[[Data], dict[str, Any]]] = {
    "lookup": lambda given: {"id": uuid_of(given["id"])},
    "page": lambda given: {"link_id": uuid_of(given["linkId"]), "after_id": uuid_of_cursor(given["after"])},
}


def _none(given: Data) -> dict[str, Any]:
    return {}


def _page(name: str) -> Callable[[Db, Data], Awaitable[Data | bytes]]:
    statement = Statement("benchmark/one", name, "one", "The whole answer.", STATEMENTS[name], ())
    arguments = ARGUMENTS.get(name, _none)

    async def find(db: Db, variables: Data) -> Data | bytes:
        (row,) = await db.fetch(statement, arguments(variables))
        answer: str = row["answer"]
        return answer.encode()

    return find


routes = [route("one-statement", name, _page(name)) for name in STATEMENTS]
