"""Links and scans to test with, made through the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from tests.conftest import Answer, Api

LINK = """
mutation Link($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id label status } } }
"""
RECORD = """
mutation Record($input: RecordSnapshotInput!) {
  recordSnapshot(input: $input) {
    unchanged
    snapshot { id capturedAt riskScore completionRate confidence }
    changes { setting oldValue newValue origin significance confidence }
  }
}
"""
TEMPLATE = """
query Template($slug: String!) {
  platform(slug: $slug) { activeTemplate { id version hash settings { key type options default recommended risk } } }
}
"""

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


async def template_of(api: Api, token: str, slug: str = "google") -> dict[str, Any]:
    """The active template of a platform, as an extension sees it."""
    answer = await api(TEMPLATE, {"slug": slug}, token=token)
    found: dict[str, Any] = answer.data["platform"]["activeTemplate"]
    return found


async def link(api: Api, token: str, slug: str = "google", label: str = "Personal") -> str:
    """The global id of a new link."""
    given = {"platformSlug": slug, "label": label, "idempotencyKey": str(uuid4())}
    answer = await api(LINK, {"input": given}, token=token)
    return str(answer.data["linkPlatform"]["link"]["id"])


def scan(
    link_id: str, template: dict[str, Any], *, day: float = 0, values: dict[str, str | None] | None = None, **other: Any
) -> dict[str, Any]:
    """The input of recordSnapshot: every setting at its default, but for ``values``; ``day`` counts from START."""
    defaults = {s["key"]: s["default"] for s in template["settings"]}
    return {
        "linkId": link_id,
        "capturedAt": (START + timedelta(days=day)).isoformat(),
        "scanMethod": "EXTENSION",
        "templateHash": template["hash"],
        "values": [{"key": key, "value": value} for key, value in (defaults | (values or {})).items()],
        "idempotencyKey": str(uuid4()),
    } | other


async def record(api: Api, token: str, given: dict[str, Any]) -> Answer:
    """Send a scan."""
    return await api(RECORD, {"input": given}, token=token)
