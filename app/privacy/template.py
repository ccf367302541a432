"""Templates: what a platform's settings page looks like, stored once for everyone. Their settings never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import rfc8785
import strawberry

from app.core.notification import NotificationKind, NotificationText, tells
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, field, mutation, parse_uuid
from app.kit.sql import File
from app.privacy.platform import Platform, lock_platform, platforms_by_id


@strawberry.enum(description="How the setting is shown on the platform's page.")
class SettingType(Enum):
    """Values as in the database."""

    TOGGLE = "TOGGLE"
    RADIO = "RADIO"
    SELECT = "SELECT"


@strawberry.enum(description="A platform has one active template; retired ones still explain older snapshots.")
class TemplateState(Enum):
    """Values as in the database."""

    PROPOSED = "PROPOSED"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


@strawberry.type(description="One setting of a platform's privacy pages.")
class TemplateSetting:
    """``place`` is its position in packed snapshots, from 0."""

    place: strawberry.Private[int]

    key: str = strawberry.field(description="Stable name across versions.")
    label: str = strawberry.field(description="The words on the page.")
    description: str
    category: str
    type: SettingType
    options: list[str] = strawberry.field(description='All values it can have; a toggle has "on" and "off".')
    default_value: str = strawberry.field(name="default", description="What the platform sets for a new account.")
    recommended: str = strawberry.field(description="What protects the person best.")
    risk: int = strawberry.field(description="1..100: how much it exposes while it is not as recommended.")
    direct_link: str


@strawberry.type(description="One version of one platform's settings page.")
class Template(Node):
    """``hash`` says what was scanned: equal structures have equal hashes."""

    node_statement = "privacy/template.edge_template"
    node_scopes = frozenset({"privacy:read"})

    platform_id: strawberry.Private[UUID]
    structure_hash: strawberry.Private[bytes]

    version: int
    state: TemplateState
    summary: str = strawberry.field(description="What this version holds, or what changed since the one before.")
    setting_count: int
    created_at: datetime
    activated_at: datetime | None

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")
    settings: list[TemplateSetting] = edge("privacy/template.edge_template_setting", many=True, template_ids="id")

    @field(
        name="hash",
        description="Lower-case hex SHA-256 of RFC 8785 JSON over [{ key, type, options }] of its settings sorted by key: "
        "pass it with recordSnapshot.",
    )
    def hash_hex(self) -> str:
        """64 digits."""
        return self.structure_hash.hex()


sql = File("privacy/template")
activate = sql.one("activate_template", Template)
active_templates_by_platform = sql.edge("edge_active_template", Template)
templates_by_id = sql.edge("edge_template", Template)
settings_by_template = sql.edge("edge_template_setting", TemplateSetting)
insert_template = sql.one("insert_template", Template)
insert_template_setting = sql.exec("insert_template_setting")
list_template = sql.many("list_template", Template)
retire_template = sql.exec("retire_template")


_SETTINGS: dict[UUID, list[TemplateSetting]] = {}
_MOST_TEMPLATES = 2000


async def settings_of(db: Db, template_ids: Iterable[UUID]) -> dict[UUID, list[TemplateSetting]]:
    """The settings of templates, by id. They never change, so a process that has read them keeps them."""
    wanted = list(dict.fromkeys(template_ids))
    missing = [template_id for template_id in wanted if template_id not in _SETTINGS]
    if missing:
        if len(_SETTINGS) + len(missing) > _MOST_TEMPLATES:
            _SETTINGS.clear()
            missing = wanted
        _SETTINGS.update(zip(missing, await settings_by_template.groups(db, template_ids=missing), strict=True))
    return {template_id: _SETTINGS[template_id] for template_id in wanted}


def structure_hash(settings: Iterable[tuple[str, SettingType, Sequence[str]]]) -> bytes:
    """SHA-256 of RFC 8785 JSON over ``[{key, type, options}]`` sorted by key, each as the API shows it.

    Labels, risk, defaults and times stay outside: they change without the page being another.
    """
    by_key = sorted(settings, key=lambda setting: setting[0])
    structure = [{"key": key, "type": kind.value, "options": list(options)} for key, kind, options in by_key]
    return hashlib.sha256(rfc8785.dumps(structure)).digest()


@tells(NotificationKind.TEMPLATE_CHANGE, "Template")
async def tell_template_changes(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    """Whose page changed, and how its curators put it."""
    templates = await templates_by_id(db, ids=[notification.object_id for notification in notifications])
    platforms = await platforms_by_id(db, ids=[template.platform_id if template else None for template in templates])
    return [
        NotificationText(title=f"{platform.name} changed its privacy settings", body=template.summary)
        if template is not None and platform is not None
        else NotificationText(title="A platform changed its privacy settings", body="Scan again to see what it means for you.")
        for template, platform in zip(templates, platforms, strict=True)
    ]


@strawberry.type(description="The template that is active now.")
class ActivateTemplatePayload:
    """The template that is active now."""

    template: Template


@strawberry.type
class TemplateMutation:
    """Root fields by which curators publish templates."""

    @mutation(curator=True)
    async def activate_template(self, info: Info, id: strawberry.ID) -> ActivateTemplatePayload | None:
        """Make a template the active one of its platform, a retired one too: that is the way back."""
        template_id = parse_uuid(id, "Template", field="id")
        db = info.context.db
        async with db.transaction():
            (found,) = await templates_by_id(db, ids=[template_id])
            if found is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such template.", field="id")
            await lock_platform(db, id=found.platform_id)
            (found,) = await templates_by_id(db, ids=[template_id])
            if found is not None and found.state is not TemplateState.ACTIVE:
                await retire_template(db, platform_id=found.platform_id, but_id=template_id)
                found = await activate(db, id=template_id)
        assert found is not None
        return ActivateTemplatePayload(template=found)
