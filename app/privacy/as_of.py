"""Settings as of a moment: what was known of a link's settings then, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.graphql import parse_uuid, query
from app.privacy.platform_link import require_link
from app.privacy.retention import refuse_purged
from app.privacy.scan import EARLIEST, LOOK_BACK
from app.privacy.snapshot import Held, Snapshot, first_id, hold, list_snapshot_after, list_snapshot_before
from app.privacy.template import SettingType, Template, TemplateSetting, settings_of
from app.privacy.values import unpack


@strawberry.type(description="A setting as it was known at a moment.")
class SettingAsOf:
    """What the snapshot did not see is taken from older ones."""

    key: str
    label: str
    description: str
    category: str
    type: SettingType
    options: list[str]
    default_value: str = strawberry.field(name="default")
    recommended: str
    risk: int
    direct_link: str
    value: str | None = strawberry.field(description="As it was last seen; null when it had never been seen.")
    observed: bool = strawberry.field(description="Whether the snapshot saw it; otherwise an older one did, or none.")
    observed_at: datetime | None = strawberry.field(description="When a scan is known to have seen this value, the last time.")


@strawberry.type(description="What was known of a link's settings at a moment.")
class SettingsAsOf:
    """``stretches`` are what held before and then, the oldest first."""

    template_id: strawberry.Private[UUID]
    stretches: strawberry.Private[Sequence[Held]]

    at: datetime
    certain: bool = strawberry.field(
        description="True when scans before and behind the moment saw the same, and none between them anything else."
    )
    seen_until: datetime = strawberry.field(description="The last scan that saw the same, be it before or behind the moment.")
    next_seen_at: datetime | None = strawberry.field(
        description="The first scan that saw something else; null when there is none yet."
    )
    snapshot: Snapshot = strawberry.field(description="The first that saw it so.")

    template: Template = edge("privacy/template.edge_template", ids="template_id")
    settings: list[SettingAsOf] = edge(
        lambda db, found: _settings(db, found),
        own=("value", "observed", "observed_at"),
        description="All settings of its template.",
    )


async def settings_as_of(db: Db, link_id: UUID, at: datetime) -> SettingsAsOf | None:
    """What was known at a moment, None before the first capture. Raises NOT_FOUND, NO_LONGER_KEPT.

    Looks at 20 snapshots on either side.
    """
    link = await require_link(db, link_id, field="linkId")
    if at < EARLIEST:
        await refuse_purged(db, link_id)
        return None
    bound = first_id(at + timedelta(microseconds=1))
    before = await list_snapshot_before(db, link_id=link_id, id=bound, limit=LOOK_BACK + 1)
    if not before:
        await refuse_purged(db, link_id)
        return None
    # Behind the last id of the moment itself, which is what the statement wants.
    behind = await list_snapshot_after(db, link_id=link_id, id=UUID(int=bound.int - 1), limit=LOOK_BACK + 1)
    snapshots = [*reversed(before), *behind]
    stretches = hold(snapshots, link.seen_until if snapshots[-1].id == link.latest_snapshot_id else None)
    then = max(index for index, held in enumerate(stretches) if held.snapshot.captured_at <= at)
    held = stretches[then]
    return SettingsAsOf(
        template_id=held.snapshot.template_id,
        stretches=stretches[: then + 1],
        at=at,
        certain=at <= held.until,
        seen_until=held.until,
        next_seen_at=stretches[then + 1].snapshot.captured_at if then + 1 < len(stretches) else None,
        snapshot=held.snapshot,
    )


Own = tuple[str | None, bool, datetime | None]


async def _settings(db: Db, found: Sequence[SettingsAsOf]) -> list[tuple[list[TemplateSetting], list[Own]]]:
    """The settings of each template with what was known of them."""
    templates = await settings_of(db, [held.snapshot.template_id for one in found for held in one.stretches])
    answers = []
    for one in found:
        *older, held = one.stretches
        values = _values(templates, held)
        moment = held.until if held.until <= one.at else held.snapshot.captured_at
        known: dict[str, Own] = {key: (value, True, moment) for key, value in values.items()}
        for earlier in reversed(older):
            for key, value in _values(templates, earlier).items():
                known.setdefault(key, (value, False, earlier.until))
        settings = templates[one.template_id]
        answers.append((settings, [known.get(setting.key, (None, False, None)) for setting in settings]))
    return answers


def _values(templates: dict[UUID, list[TemplateSetting]], held: Held) -> dict[str, str]:
    return unpack(templates[held.snapshot.template_id], held.snapshot.packed, held.snapshot.observed)


@strawberry.type
class AsOfQuery:
    """The root field that looks back."""

    @query("privacy:read")
    async def settings_as_of(self, info: Info, link_id: strawberry.ID, at: datetime) -> SettingsAsOf | None:
        """The settings of a link as they were known at a moment; null before the first capture, an error if purged."""
        return await settings_as_of(info.context.db, parse_uuid(link_id, "PlatformLink", field="linkId"), at)
