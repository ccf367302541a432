"""Diffs: what two versions of a settings page have apart from each other, for people, curators and the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import strawberry

from app.kit.context import Info
from app.kit.edge import LOCALE
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import parse_uuid, query
from app.kit.locale import parse_locale
from app.privacy.platform import ANY_KEY
from app.privacy.template import Template, TemplateSetting, no_template, settings_of, templates_by_id


@strawberry.enum(description="What differs of a setting between two templates.")
class SettingAspect(Enum):
    """In the order in which it matters."""

    DEFAULT = strawberry.enum_value("DEFAULT", description="What the platform sets for a new account, where both are known.")
    OPTIONS = strawberry.enum_value("OPTIONS", description="The values it can have, or their order.")
    TYPE = "TYPE"
    RECOMMENDED = strawberry.enum_value("RECOMMENDED", description="What protects best, where both are judged.")
    RISK = strawberry.enum_value("RISK", description="How much it exposes, where both are judged.")
    LABEL = strawberry.enum_value("LABEL", description="The words on the page.")
    CATEGORY = "CATEGORY"


@strawberry.type(description="A setting that both templates have and that is not the same.")
class SettingDifference:
    """``before`` and ``after`` are whole settings."""

    key: str
    aspects: list[SettingAspect] = strawberry.field(description="What differs; what matters most first.")
    added_options: list[str]
    removed_options: list[str]
    before: TemplateSetting
    after: TemplateSetting


@strawberry.type(description="What one template has apart from another of the same platform.")
class TemplateDiff:
    """Lists are by key."""

    same_structure: bool = strawberry.field(description="Whether both have one hash: keys, types and options are the same.")
    added: list[TemplateSetting]
    removed: list[TemplateSetting]
    changed: list[SettingDifference]
    from_template: Template = strawberry.field(name="from")
    to_template: Template = strawberry.field(name="to")


@dataclass(frozen=True)
class Difference:
    """What differs between two lists of settings."""

    added: list[TemplateSetting]
    removed: list[TemplateSetting]
    changed: list[SettingDifference]


def aspects_of(before: TemplateSetting, after: TemplateSetting) -> list[SettingAspect]:
    """What differs of one setting. What is not known, or not judged, does not differ from anything."""
    known = before.default_known and after.default_known
    judged = bool(before.risk and after.risk)
    differs = {
        SettingAspect.DEFAULT: known and before.default_value != after.default_value,
        SettingAspect.OPTIONS: before.options != after.options,
        SettingAspect.TYPE: before.type is not after.type,
        SettingAspect.RECOMMENDED: judged and before.recommended != after.recommended,
        SettingAspect.RISK: judged and before.risk != after.risk,
        SettingAspect.LABEL: before.label != after.label,
        SettingAspect.CATEGORY: before.category != after.category,
    }
    return [aspect for aspect, differing in differs.items() if differing]


def differ(before: Sequence[TemplateSetting], after: Sequence[TemplateSetting]) -> Difference:
    """What differs, by key."""
    old, new = {s.key: s for s in before}, {s.key: s for s in after}
    changed = []
    for key in sorted(old.keys() & new.keys()):
        was, is_ = old[key], new[key]
        if aspects := aspects_of(was, is_):
            changed.append(
                SettingDifference(
                    key=key,
                    aspects=aspects,
                    added_options=[option for option in is_.options if option not in was.options],
                    removed_options=[option for option in was.options if option not in is_.options],
                    before=was,
                    after=is_,
                )
            )
    return Difference(
        added=[new[key] for key in sorted(new.keys() - old.keys())],
        removed=[old[key] for key in sorted(old.keys() - new.keys())],
        changed=changed,
    )


@strawberry.type
class TemplateDiffQuery:
    """The root field that compares templates."""

    @query(*ANY_KEY)
    async def template_diff(
        self,
        info: Info,
        from_id: strawberry.ID,
        to_id: strawberry.ID,
        locale: Annotated[str | None, strawberry.argument(description=LOCALE)] = None,
    ) -> TemplateDiff | None:
        """What a template has apart from another of the same platform: settings added, removed and changed."""
        ids = [parse_uuid(from_id, "Template", field="fromId"), parse_uuid(to_id, "Template", field="toId")]
        tag = None if locale is None else parse_locale(locale, field="locale")
        before, after = await templates_by_id(info.context.db, ids=ids)
        if before is None:
            raise no_template("fromId")
        if after is None:
            raise no_template("toId")
        if before.platform_id != after.platform_id:
            message = "These templates are of two platforms. Pass two of the same one."
            raise AppError(ErrorCode.BAD_INPUT, message, field="toId")
        settings = await settings_of(info.context.db, ids, tag)
        found = differ(settings[before.id], settings[after.id])
        return TemplateDiff(
            same_structure=before.structure_hash == after.structure_hash,
            added=found.added,
            removed=found.removed,
            changed=found.changed,
            from_template=before,
            to_template=after,
        )
