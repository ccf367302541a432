"""Platforms, links and scans to test with, made through the API or through the curated files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.kit.db import open_as
from app.privacy import curated
from app.privacy.template import SettingType, TemplateSetting

if TYPE_CHECKING:
    from tests.conftest import Answer, Api, Database

LINK = """
mutation Link($input: LinkPlatformInput!) { linkPlatform(input: $input) { link { id label status } } }
"""
UNLINK = """
mutation Unlink($input: UnlinkPlatformInput!) { unlinkPlatform(input: $input) { link { id status unlinkedAt unlinkReason } } }
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
RECORD_MANY = """
mutation RecordMany($inputs: [RecordSnapshotInput!]!) {
  recordSnapshots(inputs: $inputs) { unchanged snapshot { id capturedAt } changes { setting origin } }
}
"""
ACTIVATE = """
mutation Activate($id: ID!) { activateTemplate(id: $id) { template { id version state activatedAt platform { slug } } } }
"""
PUBLISH = """
mutation Publish($input: PublishPlatformConfigInput!) {
  publishPlatformConfig(input: $input) { config { id version validFrom urlPatterns selectors } }
}
"""
CREATE_KEY = """
mutation CreateKey($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }
"""
TEMPLATE = """
query Template($slug: String!) {
  platform(slug: $slug) { activeTemplate { id version hash settings { key type options default recommended risk } } }
}
"""
PROPOSE = """
mutation Propose($input: ProposeTemplateInput!) {
  proposeTemplate(input: $input) {
    template {
      id version state hash summary settingCount createdAt sharedAt activatedAt
      settings { key label description category type options default defaultKnown recommended risk directLink }
    }
  }
}
"""
HISTORY = """
query History($id: ID!) {
  platformLink(id: $id) { id status seenUntil latestSnapshot { id } }
  snapshots(linkId: $id, first: 100) {
    edges {
      node {
        id capturedAt riskScore completionRate confidence configVersion template { hash }
        settings { key value observed }
        changes { setting oldValue newValue origin significance confidence }
      }
    }
  }
}
"""

START = datetime(2026, 3, 2, 9, tzinfo=UTC)

COUNTED = (
    "privacy.snapshot",
    "privacy.change",
    "privacy.platform_link",
    "privacy.platform_config",
    "privacy.template",
    "privacy.proposal",
    "privacy.setting_label",
    "privacy.setting_advice",
    "core.idempotency",
    "core.audit_event",
    "core.audit_detail",
)


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


async def unlink(api: Api, token: str, link_id: str, reason: str | None = None) -> Answer:
    """End a link."""
    return await api(UNLINK, {"input": {"id": link_id, "reason": reason}}, token=token)


def proposed(key: str, options: Sequence[str] = ("on", "off"), **other: Any) -> dict[str, Any]:
    """A setting of proposeTemplate."""
    kind = "TOGGLE" if list(options) == ["on", "off"] else "RADIO"
    return {"key": key, "type": kind, "options": list(options)} | other


async def propose(api: Api, token: str, settings: Sequence[dict[str, Any]], slug: str = "google", **other: Any) -> Answer:
    """Submit a structure."""
    given = {"platformSlug": slug, "settings": list(settings), "idempotencyKey": str(uuid4())} | other
    return await api(PROPOSE, {"input": given}, token=token)


async def template_proposed(
    api: Api, token: str, settings: Sequence[dict[str, Any]], slug: str = "google", **other: Any
) -> dict[str, Any]:
    """The template of a structure that is submitted."""
    found: dict[str, Any] = (await propose(api, token, settings, slug, **other)).data["proposeTemplate"]["template"]
    return found


def scan(
    link_id: str, template: dict[str, Any], *, day: float = 0, values: Mapping[str, str | None] | None = None, **other: Any
) -> dict[str, Any]:
    """The input of recordSnapshot: every setting at its default, but for ``values``; ``day`` counts from START."""
    defaults = {s["key"]: s["default"] for s in template["settings"]}
    return {
        "linkId": link_id,
        "capturedAt": (START + timedelta(days=day)).isoformat(),
        "scanMethod": "EXTENSION",
        "templateHash": template["hash"],
        "values": [{"key": key, "value": value} for key, value in {**defaults, **(values or {})}.items()],
        "idempotencyKey": str(uuid4()),
    } | other


async def record(api: Api, token: str, given: dict[str, Any]) -> Answer:
    """Send a scan."""
    return await api(RECORD, {"input": given}, token=token)


async def recorded(api: Api, token: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a scan that must succeed led to."""
    found: dict[str, Any] = (await record(api, token, given)).data["recordSnapshot"]
    return found


async def history(api: Api, token: str, link_id: str) -> list[dict[str, Any]]:
    """The snapshots of a link as the API shows them, the oldest first; ``values`` are those that were seen."""
    data = (await api(HISTORY, {"id": link_id}, token=token)).data
    nodes: list[dict[str, Any]] = [edge["node"] for edge in reversed(data["snapshots"]["edges"])]
    for node in nodes:
        node["values"] = {s["key"]: s["value"] for s in node.pop("settings") if s["observed"]}
    return nodes


async def link_state(api: Api, token: str, link_id: str) -> dict[str, Any]:
    """A link with ``seenUntil`` and ``latestSnapshot { id }``."""
    found: dict[str, Any] = (await api(HISTORY, {"id": link_id}, token=token)).data["platformLink"]
    return found


async def api_key(api: Api, token: str, *scopes: str) -> str:
    """The secret of a new key of the person's workspace, used once: from which network it comes is written down by then."""
    secret = await fresh_api_key(api, token, *scopes)
    await api("{ __typename }", token=secret)
    return secret


async def fresh_api_key(api: Api, token: str, *scopes: str) -> str:
    """The secret of a new key of the person's workspace."""
    given = {"name": "extension", "scopes": list(scopes) or ["snapshots:write"]}
    return str((await api(CREATE_KEY, {"input": given}, token=token)).data["createApiKey"]["secret"])


async def counts(api: Api) -> dict[str, int]:
    """Rows by table, whoever owns them."""
    async with api.database.connect() as connection:
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in COUNTED}


@asynccontextmanager
async def nothing_written(api: Api) -> AsyncIterator[None]:
    """Fail when a row was added or went away, in any table that a mutation of this product writes."""
    before = await counts(api)
    yield
    assert await counts(api) == before


# Curated files


def toggle(key: str, *, default: str = "on", recommended: str = "off", **other: Any) -> dict[str, Any]:
    """A ``[[setting]]`` that is on or off."""
    return choice(key, ["on", "off"], default=default, recommended=recommended, type="toggle", **other)


def choice(key: str, options: Sequence[str], **other: Any) -> dict[str, Any]:
    """A ``[[setting]]``; the most exposing option is the default, the last is recommended."""
    return {
        "key": key,
        "label": key.replace("_", " ").title(),
        "description": "Says what it does.",
        "category": "ads",
        "type": "radio",
        "options": list(options),
        "default": options[0],
        "recommended": options[-1],
        "risk": 50,
        "direct_link": "https://example.com/settings",
    } | other


def write_template(data: Path, slug: str, version: int, settings: Sequence[dict[str, Any]], **other: Any) -> Path:
    """Write template-<version>.toml. ``other`` replaces or adds top-level values."""
    head = {"version": version, "summary": f"Version {version}."} | other
    path = data / slug / f"template-{version}.toml"
    path.write_text(_table(head) + "".join(f"\n[[setting]]\n{_table(s)}" for s in settings), encoding="utf-8")
    return path


def write_platform(
    data: Path,
    slug: str,
    *templates: Sequence[dict[str, Any]],
    configs: Sequence[str] = ("2026-01-01T00:00:00Z",),
    **other: Any,
) -> Path:
    """Write a platform's folder: its templates, and one config that begins at each moment of ``configs``."""
    (data / slug).mkdir(parents=True, exist_ok=True)
    for version, settings in enumerate(templates, 1):
        write_template(data, slug, version, settings)
    head = {
        "slug": slug,
        "name": slug.title(),
        "domain": "example.com",
        "website_url": "https://example.com",
        "privacy_url": "https://example.com/privacy",
    } | other
    text = _table(head)
    for version, moment in enumerate(configs, 1):
        text += f'\n[[config]]\nversion = {version}\nvalid_from = {moment}\nurl_patterns = ["https://example.com/*"]\n'
        text += f'\n[config.selectors]\na = "#a{version}"\n'
    path = data / slug / "platform.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _table(values: dict[str, Any]) -> str:
    """Strings, numbers and lists of them are written in TOML as in JSON."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


async def load_files(database: Database, data: Path = curated.DATA) -> list[str]:
    """Load a folder of curated files as `fivefold seed` does."""
    async with open_as(database.url(), "fivefold_owner") as (_, db):
        return await curated.load(db, data)


def setting(place: int, key: str, options: Sequence[str] = ("on", "off"), **other: Any) -> TemplateSetting:
    """A setting as the code reads it from the database."""
    toggles = list(options) == ["on", "off"]
    values: dict[str, Any] = {
        "place": place,
        "key": key,
        "label": key,
        "description": "",
        "category": "ads",
        "type": SettingType.TOGGLE if toggles else SettingType.RADIO,
        "options": list(options),
        "default_value": options[0],
        "default_known": True,
        "recommended": options[-1],
        "risk": 50,
        "direct_link": "https://example.com/settings",
    }
    return TemplateSetting(**(values | other))
