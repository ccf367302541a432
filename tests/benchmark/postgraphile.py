"""How PostGraphile is asked the same: its own spelling of each workload, and the way back to the common shape.

What Fivefold computes in Python it is given as functions of the database, which is how one extends it.
"""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from tests.benchmark import load
from tests.benchmark.handwritten import uuid_of
from tests.benchmark.workload import Workload

FUNCTIONS = """
CREATE TYPE privacy.shown_setting AS (
    key text, label text, category text, value text, observed boolean, recommended text, risk integer);

CREATE FUNCTION privacy.snapshot_completion_rate(s privacy.snapshot) RETURNS float8 LANGUAGE sql STABLE AS $$
    SELECT coalesce(bit_count(s.observed)::float8 / t.setting_count, 1) FROM privacy.template AS t WHERE t.id = s.template_id
$$;

CREATE FUNCTION privacy.snapshot_settings(s privacy.snapshot) RETURNS privacy.shown_setting[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(
        (n.key, n.label, n.category, v.value, v.value IS NOT NULL, n.recommended, n.risk)::privacy.shown_setting
        ORDER BY n.position)
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
$$;

CREATE TYPE privacy.dashboard_figures AS (overall_score integer, coverage float8);

CREATE FUNCTION privacy.dashboard_figures() RETURNS privacy.dashboard_figures LANGUAGE sql STABLE AS $$
    SELECT (round(avg(s.risk_score))::integer,
        coalesce(sum(coalesce(bit_count(s.observed), t.setting_count))::float8 / nullif(sum(t.setting_count), 0), 0)
    )::privacy.dashboard_figures
    FROM privacy.platform_link AS l
    JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
    JOIN privacy.template AS t ON t.id = s.template_id
    WHERE l.workspace_id = core.current_workspace_id() AND l.status = 'ACTIVE'
$$;

GRANT EXECUTE ON FUNCTION privacy.snapshot_completion_rate, privacy.snapshot_settings, privacy.dashboard_figures
TO fivefold_api;
"""

SNAPSHOT = "id: rowId riskScore completionRate confidence capturedAt"
SETTINGS = " settings { key label category value observed recommended risk }"
LINK = f"""
id: rowId label status
platform: platformByPlatformId {{ id: rowId slug name }}
latestSnapshot: snapshotByWorkspaceIdAndLatestSnapshotId {{ {SNAPSHOT}%s }}
"""
DASHBOARD = f"""
query Dashboard {{
  figures: dashboardFigures {{ overallScore coverage }}
  links: allPlatformLinks(first: 20, orderBy: ROW_ID_DESC, condition: {{status: "ACTIVE"}}) {{ edges {{ node {{ {LINK} }} }} }}
}}
"""
LOOKUP = """
query Lookup($workspace: UUID!, $id: UUID!) {
  platformLink: platformLinkByWorkspaceIdAndRowId(workspaceId: $workspace, rowId: $id) { id: rowId label status linkedAt }
}
"""
LIST = f"""
query List {{ platformLinks: allPlatformLinks(first: 100, orderBy: ROW_ID_DESC) {{ edges {{ node {{ {LINK % ""} }} }} }} }}
"""
HISTORY = "snapshots: allSnapshots(first: %d, after: $after, orderBy: ROW_ID_DESC, condition: {linkId: $link})"
PAGE = f"""
query Page($link: UUID!, $after: Cursor) {{
  {HISTORY % 20} {{ edges {{ node {{ {SNAPSHOT} }} }} pageInfo {{ hasNextPage }} }}
}}
"""
CURSOR = f"query ($link: UUID!, $after: Cursor) {{ {HISTORY % 980} {{ pageInfo {{ endCursor }} }} }}"
NESTED = """
query Nested {
  platformLinks: allPlatformLinks(first: 20, orderBy: ROW_ID_DESC) {
    edges {
      node {
        id: rowId label
        snapshots: snapshotsByWorkspaceIdAndLinkId(first: 3, orderBy: ROW_ID_DESC) {
          edges {
            node {
              id: rowId riskScore capturedAt
              changes: changesByWorkspaceIdAndSnapshotId(orderBy: SETTING_ASC) { nodes { setting oldValue newValue origin } }
            }
          }
        }
      }
    }
  }
}
"""
QUERIES = {
    "lookup": LOOKUP,
    "light": DASHBOARD % "",
    "full": DASHBOARD % SETTINGS,
    "list": LIST,
    "page": PAGE,
    "nested": NESTED,
}


async def extend(admin: asyncpg.Connection) -> None:
    """Give the database what PostGraphile needs, once."""
    if not await admin.fetchval("SELECT to_regtype('privacy.shown_setting') IS NOT NULL"):
        async with admin.transaction():
            await admin.execute("SET LOCAL event_triggers = off")  # they keep the schema as it was migrated, and rightly
            await admin.execute(FUNCTIONS)


async def find_cursor(port: int, workload: Workload) -> str:
    """Its own cursor before page 50."""
    sent = {"query": CURSOR, "variables": {"link": str(uuid_of(workload.variables["linkId"]))}}
    answer = await load.ask(port, load.request("/graphql", json.dumps(sent).encode(), workload.token))
    cursor: str = answer["snapshots"]["pageInfo"]["endCursor"]
    return cursor


def body(workload: Workload, cursor: str | None) -> dict[str, Any]:
    """What to send."""
    variables: dict[str, Any] = {}
    if workload.name == "lookup":
        variables = {"workspace": workload.workspace, "id": str(uuid_of(workload.variables["id"]))}
    elif workload.name == "page":
        variables = {"link": str(uuid_of(workload.variables["linkId"])), "after": cursor}
    return {"query": QUERIES[workload.name], "variables": variables}


def reshape(workload: Workload, data: Any) -> Any:
    """What came, in the common shape."""
    if workload.name in ("light", "full"):
        return {"privacyDashboard": {**data["figures"], "links": data["links"]}}
    if workload.name == "nested":
        for link in data["platformLinks"]["edges"]:
            for snapshot in link["node"]["snapshots"]["edges"]:
                snapshot["node"]["changes"] = snapshot["node"]["changes"]["nodes"]
    return data
