"""Proposals: how a structure that the server does not know becomes a template, for its proposers at once and for all later.

A proposal holds what is on a page, never what a person chose there: it has no place for a value. Its id is made of the
structure alone, so the first to propose it and the second are told the same. What is neither structure nor agreed by enough
different people (words, categories) is shown to nobody else.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from uuid import UUID

import strawberry
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import mutation, query
from app.kit.locale import DEFAULT, parse_locale
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.platform import Platform, get_platform_by_slug
from app.privacy.platform_config import SettingKey
from app.privacy.template import (
    SettingType,
    Template,
    TemplateSetting,
    active_templates_by_platform,
    announce,
    settings_of,
    structure_hash,
    templates_by_id,
)

MAX_OPEN = 20
"""How many proposals of a workspace may wait on one platform, and in how many languages it may describe one template."""
MAX_SETTINGS = 250

Text = r"^[^\x00-\x1f\x7f-\x9f]*$"
Option = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=Text)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=Text)]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]


@strawberry.input(description="A setting as it is on the page. There is no place for its value: that belongs into a snapshot.")
class ProposedSettingInput:
    """What is on the page, not what was chosen there."""

    key: str = strawberry.field(description="Stable name: a lower-case letter, then up to 62 letters, digits and _.")
    type: SettingType
    options: list[str] = strawberry.field(description='2 to 20, in the order of the page; a toggle has "on" and "off".')
    label: str | None = strawberry.field(default=None, description="The words on the page, 200 characters at most.")
    category: str | None = strawberry.field(default=None, description="Lower-case letters and _, such as ads.")


@strawberry.input(description="A structure that a platform's page has.")
class ProposeTemplateInput:
    """What is on the page, in the words of one language."""

    platform_slug: str
    settings: list[ProposedSettingInput] = strawberry.field(description="1 to 250; their order does not matter.")
    idempotency_key: str
    locale: str = strawberry.field(default=DEFAULT, description="BCP 47 tag of the language of the labels, such as de-AT.")


@strawberry.type(description="The template of the structure that was proposed.")
class ProposeTemplatePayload:
    """Scans against it are taken at once, whatever its state; but not when it was rejected."""

    template: Template


@strawberry.type(description="The platform.")
class FreezePlatformPayload:
    """The platform."""

    platform: Platform


class ProposedSetting(BaseModel):
    """What an outside document must be to become a setting."""

    model_config = ConfigDict(extra="forbid")

    key: SettingKey
    type: SettingType
    options: list[Option] = Field(min_length=2, max_length=20)
    label: Label | None
    category: Category | None

    @model_validator(mode="after")
    def fits(self) -> ProposedSetting:
        """Options differ; a toggle is on or off."""
        if len(set(self.options)) != len(self.options):
            raise ValueError("options repeat")
        if self.type is SettingType.TOGGLE and self.options != ["on", "off"]:
            raise ValueError('the options of a toggle are "on" and "off"')
        return self


@dataclass(frozen=True)
class Outcome:
    """KNOWN, REJECTED, QUARANTINED, SHARED, ACTIVATED, or FULL when nothing was done."""

    template_id: UUID
    outcome: str


sql = File("privacy/proposal")
freeze = sql.one("freeze_platform", Platform)
page_proposed_template = sql.page("page_proposed_template", Template)
propose = sql.one("propose_template", Outcome)


def check_settings(given: Sequence[ProposedSettingInput]) -> list[ProposedSetting]:
    """The settings by key. Raises BAD_INPUT, which names the first wrong place, or DUPLICATE_SETTING."""
    if not 1 <= len(given) <= MAX_SETTINGS:
        raise AppError(ErrorCode.BAD_INPUT, f"settings has {len(given)} entries; send 1 to {MAX_SETTINGS}.", field="settings")
    found = []
    for index, one in enumerate(given):
        try:
            found.append(ProposedSetting.model_validate(vars(one)))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(("settings", str(index), *(str(part) for part in first["loc"])))
            raise AppError(ErrorCode.BAD_INPUT, f"{place}: {first['msg']}.", field="settings") from None
    repeated = [key for key, count in Counter(one.key for one in found).items() if count > 1]
    if repeated:
        raise AppError(
            ErrorCode.DUPLICATE_SETTING, f"{repeated[0]!r} is given twice. Send each setting once.", field="settings"
        )
    return sorted(found, key=lambda one: one.key)


def template_id_of(platform_id: UUID, structure: bytes) -> UUID:
    """A uuid made of the structure: it tells neither when it was proposed first nor whether it was."""
    digest = hashlib.sha256(b"privacy.template:" + platform_id.bytes + structure).digest()
    return UUID(int=int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(0x3 << 62) | 8 << 76 | 2 << 62)


def summarize(settings: Sequence[ProposedSetting], active: Mapping[str, TemplateSetting], version: int) -> str:
    """What a structure has that the active one has not."""
    if not active:
        return f"{len(settings)} settings."
    keys = {one.key for one in settings}
    both = [one for one in settings if one.key in active]
    added, removed = len(keys - active.keys()), len(active.keys() - keys)
    changed = sum((one.type, one.options) != (active[one.key].type, active[one.key].options) for one in both)
    return f"{len(settings)} settings; since version {version} {added} added, {removed} removed, {changed} changed."


async def submit(db: Db, platform: Platform, settings: Sequence[ProposedSetting], locale: str, people: int) -> Outcome:
    """Submit a structure in the open transaction. Raises TOO_MANY_PROPOSALS."""
    structure = structure_hash((one.key, one.type, one.options) for one in settings)
    (active,) = await active_templates_by_platform(db, platform_ids=[platform.id])
    known = (await settings_of(db, [active.id]))[active.id] if active else []
    found = await propose(
        db,
        platform_id=platform.id,
        template_id=template_id_of(platform.id, structure),
        structure_hash=structure,
        settings=[{"key": one.key, "type": one.type.value, "options": one.options} for one in settings],
        locale=locale,
        labels={one.key: one.label for one in settings if one.label is not None},
        categories={one.key: one.category for one in settings if one.category is not None},
        people=people,
        open_at_most=MAX_OPEN,
        summary=summarize(settings, {s.key: s for s in known}, active.version if active else 0),
    )
    assert found is not None
    if found.outcome == "FULL":
        raise AppError(
            ErrorCode.TOO_MANY_PROPOSALS,
            f"{MAX_OPEN} proposals of this workspace wait on this platform, or describe this template. "
            "Propose what is stable on the page: keys and options must not hold what differs from person to person.",
            field="settings",
        )
    if found.outcome == "ACTIVATED":
        await announce(db, found.template_id)
    return found


@strawberry.type
class ProposalQuery:
    """The root field of what waits for curators."""

    @query(curator=True)
    async def proposed_templates(self, info: Info, first: int = 20, after: str | None = None) -> Page[Template] | None:
        """Templates past quarantine that were never active: those of frozen platforms, and of files. For curators."""
        return await page(page_proposed_template, info.context.db, first, after)


@strawberry.type
class ProposalMutation:
    """Root fields by which people bring templates, and curators say whether that is enough."""

    @mutation("snapshots:write")
    async def propose_template(self, info: Info, input: ProposeTemplateInput) -> ProposeTemplatePayload | None:
        """Submit the structure of a page. It can be scanned against at once; others see it when enough people submitted it."""
        db = info.context.db
        given: dict[str, Any] = asdict(input)
        key = given.pop("idempotency_key")
        async with db.transaction():
            done = await claim(db, "proposeTemplate", key, given)
            if done is None:
                locale = parse_locale(input.locale, field="locale")
                settings = check_settings(input.settings)
                platform = await get_platform_by_slug(db, slug=input.platform_slug)
                if platform is None:
                    raise AppError(ErrorCode.NOT_FOUND, "There is no platform of this slug.", field="platformSlug")
                found = await submit(db, platform, settings, locale, info.context.settings.quarantine_people)
                template_id = found.template_id
                await settle(db, "proposeTemplate", key, template_id, created=found.outcome != "KNOWN")
            else:
                assert done.result_id is not None
                template_id = done.result_id
            (template,) = await templates_by_id(db, ids=[template_id])
        assert template is not None
        return ProposeTemplatePayload(template=template)

    @mutation(curator=True)
    async def freeze_platform(self, info: Info, platform_slug: str, frozen: bool = True) -> FreezePlatformPayload | None:
        """While a platform is frozen, what enough people proposed is shared, but becomes active by a curator's word only."""
        db = info.context.db
        async with db.transaction():
            platform = await freeze(db, slug=platform_slug, frozen=frozen)
            if platform is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no platform of this slug.", field="platformSlug")
        return FreezePlatformPayload(platform=platform)
