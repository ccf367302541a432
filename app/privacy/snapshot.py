"""Snapshots: what a person's settings were at a moment. Never changed; an unchanged scan adds none."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import rfc8785
import strawberry

from app.core.data_export import decodes
from app.core.device import Device
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.graphql import Node, field, parse_uuid, query
from app.kit.locale import parse_locale
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy import risk
from app.privacy.change import Change
from app.privacy.platform_link import PlatformLink, require_link
from app.privacy.score import MOST_GROUPS, RiskContribution, ScoreLevel, SubScore, contributions, level_of, sub_scores
from app.privacy.template import SettingType, Template, TemplateSetting, settings_of, templates_by_id
from app.privacy.values import unpack, unpack_places

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.enum(description="How the settings were read.")
class ScanMethod(Enum):
    """Values as in the database."""

    EXTENSION = 1
    CRAWLER = 2
    OCR = 3


@strawberry.type(description="A setting of a template with the value that a snapshot saw.")
class SnapshotSetting:
    """``value`` is null when the setting was not observed; that is not the default."""

    key: str
    label: str
    description: str
    category: str
    type: SettingType
    options: list[str]
    default_value: str = strawberry.field(name="default")
    default_known: bool
    recommended: str
    risk: int
    direct_link: str
    value: str | None = strawberry.field(description="One of the options; null when it was not observed.")
    observed: bool


@strawberry.type(description="What a person's settings were at a moment.")
class Snapshot(Node):
    """``packed`` and ``observed`` are explained in app/privacy/values.py."""

    node_statement = "privacy/snapshot.edge_snapshot"
    node_scopes = frozenset({"privacy:read"})

    link_id: strawberry.Private[UUID]
    template_id: strawberry.Private[UUID]
    packed: strawberry.Private[bytes]
    observed: strawberry.Private[bytes | None]

    captured_at: datetime
    scan_method: ScanMethod
    config_version: int = strawberry.field(
        description="Version of the platform's config at the capture; 0 where there was none."
    )
    risk_score: int | None = strawberry.field(description="0..100, higher is riskier; null when nothing was observed.")
    risk_formula: int = strawberry.field(description="Version of the formula that made the score.")
    confidence: float = strawberry.field(description="0..1: how sure the reading was, on average.")
    completion_rate: float = strawberry.field(description="0..1: share of the template's settings that were observed.")
    previous_seen_until: datetime | None = strawberry.field(
        description="Until when unchanged scans confirmed the snapshot before this one; null when none did."
    )

    link: PlatformLink = edge("privacy/platform_link.edge_platform_link", ids="link_id")
    template: Template = edge("privacy/template.edge_template", ids="template_id")
    device: Device | None = edge(
        "privacy/snapshot.edge_device_of_snapshot",
        snapshot_ids="id",
        description="Whose signature was verified when it arrived; null of an unsigned scan.",
    )
    changes: list[Change] = edge(
        "privacy/change.edge_change_of_snapshot",
        many=True,
        snapshot_ids="id",
        description="What differs from the snapshot before.",
    )
    settings: list[SnapshotSetting] = edge(
        lambda db, snapshots, locale=None: list_settings(db, snapshots, locale),
        own=("value", "observed"),
        localized=True,
        description="All settings of its template, with what was seen.",
    )
    content_hash: str = edge(
        lambda db, snapshots: list_hashes(db, snapshots),
        description="Lower-case hex SHA-256 of RFC 8785 JSON over { template, values }: Template.hash, and the value of each "
        "setting by key that was observed. Alerts compare these; README.md says how the audit proves them.",
    )
    risk_contributions: list[RiskContribution] = edge(
        lambda db, snapshots: list_contributions(db, snapshots),
        description="What makes the risk score, the most first; the points add up to it.",
    )
    sub_scores: list[SubScore] = edge(
        lambda db, snapshots: list_sub_scores(db, snapshots),
        size=MOST_GROUPS,
        description="The risk score by group of categories.",
    )

    @field(description="What the risk score means; null when nothing was observed.")
    def risk_level(self) -> ScoreLevel | None:
        """By thirds of the scale."""
        return level_of(self.risk_score)


@dataclass(frozen=True)
class Confirmation:
    """The unchanged scans next to a moment, of those that are remembered."""

    last_before: datetime | None
    first_behind: datetime | None


sql = File("privacy/snapshot")
devices_by_snapshot = sql.edge("edge_device_of_snapshot", Device)
get_confirmation = sql.one("get_confirmation", Confirmation)
snapshots_by_id = sql.edge("edge_snapshot", Snapshot)
snapshots_by_link = sql.edge("edge_snapshot_of_link", Snapshot)
insert_snapshot = sql.exec("insert_snapshot")
list_snapshot_after = sql.many("list_snapshot_after", Snapshot)
list_snapshot_before = sql.many("list_snapshot_before", Snapshot)
page_snapshot = sql.page("page_snapshot", Snapshot)
update_previous_seen_until = sql.exec("update_previous_seen_until")


def new_id(captured_at: datetime) -> UUID:
    """A uuidv7 of the capture's microsecond, whose random part begins with now: ids sort by capture, then by arrival."""
    now = time.time_ns() >> 8
    return UUID(int=first_id(captured_at).int | now << 8 | secrets.randbits(8))


def first_id(captured_at: datetime) -> UUID:
    """The smallest id that ``new_id`` may make of a capture: bounds of a range of captures."""
    milliseconds, microseconds = divmod((captured_at - EPOCH) // timedelta(microseconds=1), 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | microseconds << 66 | 2 << 62)


def content(snapshot: Snapshot) -> tuple[UUID, bytes, bytes | None]:
    """What a scan must see again to confirm the snapshot."""
    return snapshot.template_id, snapshot.packed, snapshot.observed


@dataclass(frozen=True)
class Held:
    """A snapshot, and the last moment at which scans saw the same: it held until then."""

    snapshot: Snapshot
    until: datetime


def hold(snapshots: Sequence[Snapshot], seen_until: datetime | None) -> list[Held]:
    """How long each of neighboring snapshots held, the oldest first; ``seen_until`` is of the last of them.

    Where a late scan was put before one that saw the same, both are one.
    """
    found: list[Held] = []
    behind: list[Snapshot | None] = [*snapshots[1:], None]
    for snapshot, after in zip(snapshots, behind, strict=True):
        confirmed = seen_until if after is None else after.previous_seen_until
        until = max(confirmed or snapshot.captured_at, snapshot.captured_at)
        previous = found[-1] if found else None
        if previous and previous.until == snapshot.captured_at and content(previous.snapshot) == content(snapshot):
            found[-1] = Held(previous.snapshot, until)
        else:
            found.append(Held(snapshot, until))
    return found


async def list_settings(
    db: Db, snapshots: Sequence[Snapshot], locale: str | None = None
) -> list[tuple[list[TemplateSetting], list[tuple[str | None, bool]]]]:
    """Each snapshot's template settings, which it shares with others, and its own (value, observed) of each."""
    tag = None if locale is None else parse_locale(locale, field="locale")
    templates = await settings_of(db, [snapshot.template_id for snapshot in snapshots], tag)
    found = []
    for snapshot in snapshots:
        settings = templates[snapshot.template_id]
        values = unpack_places(settings, snapshot.packed, snapshot.observed)
        found.append((settings, [(value, value is not None) for value in values]))
    return found


def content_hash(structure_hash: bytes, values: Mapping[str, str]) -> str:
    """What a snapshot says, as 64 hex digits that anyone can compute from what the API shows: see Snapshot.contentHash."""
    return hashlib.sha256(rfc8785.dumps({"template": structure_hash.hex(), "values": dict(values)})).hexdigest()


async def list_hashes(db: Db, snapshots: Sequence[Snapshot]) -> list[str]:
    """The hash of each snapshot's content, computed from its row: a row that was altered has another."""
    ids = list(dict.fromkeys(snapshot.template_id for snapshot in snapshots))
    settings = await settings_of(db, ids)
    templates = {template.id: template for template in await templates_by_id(db, ids=ids) if template is not None}
    return [
        content_hash(
            templates[snapshot.template_id].structure_hash,
            unpack(settings[snapshot.template_id], snapshot.packed, snapshot.observed),
        )
        for snapshot in snapshots
    ]


async def hashes_by_snapshot(db: Db, ids: Sequence[UUID | None]) -> list[str | None]:
    """The hash of each snapshot's content, None where there is none."""
    found = await snapshots_by_id(db, ids=ids)
    hashes = iter(await list_hashes(db, [snapshot for snapshot in found if snapshot is not None]))
    return [next(hashes) if snapshot is not None else None for snapshot in found]


async def list_contributions(db: Db, snapshots: Sequence[Snapshot]) -> list[list[RiskContribution]]:
    """What adds to each snapshot's score, the most first."""
    templates = await settings_of(db, [snapshot.template_id for snapshot in snapshots])
    found = []
    for snapshot in snapshots:
        settings = templates[snapshot.template_id]
        points = risk.assess(settings, unpack(settings, snapshot.packed, snapshot.observed)).points
        found.append(contributions(settings, points))
    return found


async def list_sub_scores(db: Db, snapshots: Sequence[Snapshot]) -> list[list[SubScore]]:
    """Each snapshot's sub-scores."""
    templates = await settings_of(db, [snapshot.template_id for snapshot in snapshots])
    return [sub_scores(templates[s.template_id], unpack(templates[s.template_id], s.packed, s.observed)) for s in snapshots]


@strawberry.type
class SnapshotQuery:
    """Root fields that read snapshots."""

    @query("privacy:read")
    async def snapshot(self, info: Info, id: strawberry.ID) -> Snapshot | None:
        """One snapshot of the workspace."""
        (found,) = await snapshots_by_id(info.context.db, ids=[parse_uuid(id, "Snapshot", field="id")])
        return found

    @query("privacy:read")
    async def snapshots(
        self, info: Info, link_id: strawberry.ID, first: int = 20, after: str | None = None
    ) -> Page[Snapshot] | None:
        """The history of one link, the newest capture first."""
        link = parse_uuid(link_id, "PlatformLink", field="linkId")
        found = await page(page_snapshot, info.context.db, first, after, link_id=link)
        if not found.rows:
            await require_link(info.context.db, link, field="linkId")
        return found


@decodes(
    "privacy.snapshot",
    "packed",
    "observed",
    name="settings",
    schema={
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "What each setting was, by its key; settings that were not read are missing.",
    },
)
async def _settings(db: Db, _operator: Any, rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    settings = await settings_of(db, {UUID(row["template_id"]) for row in rows})
    return [
        unpack(
            settings[UUID(row["template_id"])],
            bytes.fromhex(row["packed"].removeprefix("\\x")),
            None if row["observed"] is None else bytes.fromhex(row["observed"].removeprefix("\\x")),
        )
        for row in rows
    ]
