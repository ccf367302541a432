"""Templates: what a platform's settings page looks like, stored once for everyone. Their settings never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import rfc8785
import strawberry
from pydantic import BaseModel

from app.core.notification import NotificationKind, NotificationText, notify_many, tells
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, field, mutation, parse_uuid
from app.kit.jobs import Work, enqueue, job
from app.kit.locale import DEFAULT, fallbacks, parse_locale
from app.kit.sql import File
from app.privacy.platform import Platform, lock_platform, platforms_by_id
from app.privacy.reopening import reopen_acknowledgements

if TYPE_CHECKING:
    from app.privacy.template_usage import TemplateUsage

constraint("template_rejection_reason_length", ErrorCode.BAD_INPUT, "A reason has 1 to 500 characters.", field="reason")

if TYPE_CHECKING:
    from app.privacy.template_analysis import TemplateAnalysis


@strawberry.enum(description="How the setting is shown on the platform's page.")
class SettingType(Enum):
    """Values as in the database."""

    TOGGLE = "TOGGLE"
    RADIO = "RADIO"
    SELECT = "SELECT"


@strawberry.enum(description="A platform has one active template; retired ones still explain older snapshots.")
class TemplateState(Enum):
    """Values as in the database."""

    PROPOSED = strawberry.enum_value("PROPOSED", description="Not yet active; `sharedAt` tells whether others see it.")
    ACTIVE = strawberry.enum_value("ACTIVE", description="The platform's page as it is today.")
    RETIRED = strawberry.enum_value("RETIRED", description="Was active once, and may be again.")
    REJECTED = strawberry.enum_value("REJECTED", description="Refused by a curator: snapshots stay, new scans are not taken.")


@strawberry.enum(description="Why a template has an analysis for the caller, or none.")
class AnalysisAvailability(Enum):
    """Values of the API only."""

    AVAILABLE = strawberry.enum_value("AVAILABLE", description="There is one.")
    IN_PREPARATION = strawberry.enum_value("IN_PREPARATION", description="None was approved yet.")
    NOT_IN_PLAN = strawberry.enum_value("NOT_IN_PLAN", description="The workspace's plan has no analyses.")


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
    default_value: str = strawberry.field(
        name="default", description="What the platform sets for a new account; where `defaultKnown` is false, the first option."
    )
    default_known: bool = strawberry.field(
        description="False where people proposed the template: no value of any person ever becomes a default."
    )
    recommended: str = strawberry.field(description="What protects the person best; says nothing while `risk` is 0.")
    risk: int = strawberry.field(
        description="1..100: how much it exposes while it is not as recommended; 0 while nobody has judged it."
    )
    direct_link: str


@dataclass(frozen=True)
class SettingRow:
    """A setting as it is stored; ``words`` are [label, description] by language."""

    place: int
    platform_id: UUID
    shared: bool
    key: str
    label: str
    description: str
    category: str
    type: SettingType
    options: list[str]
    default_value: str
    default_known: bool
    recommended: str
    risk: int
    direct_link: str
    words: Any


@dataclass(frozen=True)
class OwnProposal:
    """What a workspace itself said of a template."""

    submitted_at: datetime
    locale: str
    labels: Any
    categories: Any


@strawberry.type(description="One version of one platform's settings page.")
class Template(Node):
    """``hash`` says what was scanned: equal structures have equal hashes."""

    node_statement = "privacy/template.edge_template"
    node_scopes = frozenset({"privacy:read"})

    platform_id: strawberry.Private[UUID]
    structure_hash: strawberry.Private[bytes]
    recorded_at: strawberry.Private[datetime]

    version: int = strawberry.field(description="Counts what was shared of a platform; 0 before that.")
    state: TemplateState
    summary: str = strawberry.field(description="What this version holds, or what changed since the one before.")
    setting_count: int
    activated_at: datetime | None
    shared_at: datetime | None = strawberry.field(
        description="Since when everybody sees it; null while only workspaces that proposed it do."
    )
    rejection_reason: str | None = strawberry.field(description="A curator's words; null unless it was rejected.")

    created_at: datetime = edge(
        lambda db, templates: list_created_at(db, templates),
        description="When it was shared; before that, when this workspace proposed it.",
    )
    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")
    previous: Annotated[Template, strawberry.lazy("app.privacy.template")] | None = edge(
        "privacy/template.edge_previous_template",
        platform_ids="platform_id",
        versions="version",
        description="The version before that was active once.",
    )
    usage: Annotated[TemplateUsage, strawberry.lazy("app.privacy.template_usage")] | None = edge(
        "privacy/template_usage.edge_template_usage",
        template_ids="id",
        description="How much it is used, over all workspaces; null while fewer than five people use it.",
    )
    settings: list[TemplateSetting] = edge(
        lambda db, templates, locale=None: list_template_settings(db, templates, locale),
        localized=True,
        description="In the order of the page.",
    )
    analysis: Annotated[TemplateAnalysis, strawberry.lazy("app.privacy.template_analysis")] | None = edge(
        "privacy/template_analysis.edge_approved_analysis",
        template_ids="id",
        scope="privacy:read",
        description="What its settings mean: the newest analysis that was approved; null when analysisAvailability says why.",
    )
    analysis_availability: AnalysisAvailability = edge(
        lambda db, templates: _list_availability(db, templates),
        scope="privacy:read",
        description="Whether there is an analysis for the caller.",
    )

    @field(
        name="hash",
        description="Lower-case hex SHA-256 of RFC 8785 JSON over [{ key, type, options }] of its settings sorted by key: "
        "pass it with recordSnapshot.",
    )
    def hash_hex(self) -> str:
        """64 digits."""
        return self.structure_hash.hex()


@dataclass(frozen=True)
class CuratedRow:
    """What a curated file brought."""

    id: UUID
    platform_id: UUID
    file_version: int | None
    structure_hash: bytes
    activated_at: datetime | None


@dataclass(frozen=True)
class AffectedMember:
    """Somebody whom a new template concerns."""

    workspace_id: UUID
    account_id: UUID


NEWEST_VERSION = (("version", 2147483647),)

sql = File("privacy/template")
activate = sql.one("activate_template", Template)
active_templates_by_platform = sql.edge("edge_active_template", Template)
own_proposals = sql.edge("edge_own_proposal", OwnProposal)
previous_templates = sql.edge("edge_previous_template", Template)
templates_by_id = sql.edge("edge_template", Template)
templates_by_platform = sql.edge("edge_template_of_platform", Template, keyset=NEWEST_VERSION)
settings_by_template = sql.edge("edge_template_setting", SettingRow)
insert_template = sql.one("insert_template", Template)
insert_template_setting = sql.exec("insert_template_setting")
list_curated_template = sql.many("list_curated_template", CuratedRow)
list_template = sql.many("list_template", Template)
reject = sql.one("reject_template", Template)
retire_template = sql.exec("retire_template")

list_affected_member = File("privacy/across").many("list_affected_member", AffectedMember)


@dataclass(slots=True)
class _Known:
    """A shared template's settings, and the lists that were made of them: one for each choice of languages there are."""

    until: float
    rows: list[SettingRow]
    languages: frozenset[str]
    lists: dict[tuple[str, ...], list[TemplateSetting]] = dataclass_field(default_factory=dict)


_SETTINGS: dict[UUID, _Known] = {}
_MOST_TEMPLATES = 2000
_SECONDS = 30.0
"""How long another process may show words and judgements that a curator has replaced."""


def forget_settings(template_id: UUID) -> None:
    """Read them again: what is said of them has changed."""
    _SETTINGS.pop(template_id, None)


async def settings_of(db: Db, template_ids: Iterable[UUID], locale: str | None = None) -> dict[UUID, list[TemplateSetting]]:
    """The settings of templates, by id, with labels in a language, or in the caller's.

    A process keeps those of shared templates for a while. What is in quarantine is read again each time: it is not the same
    for two workspaces.
    """
    languages = db.languages if locale is None else fallbacks(locale)
    wanted = list(dict.fromkeys(template_ids))
    found: dict[UUID, list[TemplateSetting]] = {}
    missing = []
    for template_id in wanted:
        known = _SETTINGS.get(template_id)
        if known is not None and known.until > monotonic():
            found[template_id] = _in(known, languages)
        else:
            missing.append(template_id)
    if missing:
        if len(_SETTINGS) + len(missing) > _MOST_TEMPLATES:
            _SETTINGS.clear()
        quarantined = {}
        groups = await settings_by_template.groups(db, template_ids=missing)
        for template_id, rows in zip(missing, groups, strict=True):
            if rows and not rows[0].shared:
                quarantined[template_id] = rows
                continue
            languages_of = frozenset(language for row in rows for language in row.words or ())
            known = _Known(monotonic() + _SECONDS, rows, languages_of)
            if rows:
                _SETTINGS[template_id] = known
            found[template_id] = _in(known, languages)
        if quarantined:
            found |= await _in_quarantine(db, quarantined, locale)
    return {template_id: found[template_id] for template_id in wanted}


def _in(known: _Known, languages: tuple[str, ...]) -> list[TemplateSetting]:
    """The list in the first of the languages that there are; the same list for the same choice."""
    chosen = tuple(language for language in languages if language in known.languages)
    made = known.lists.get(chosen)
    if made is None:
        made = known.lists[chosen] = [spoken(row, chosen) for row in known.rows]
    return made


def spoken(row: SettingRow, languages: tuple[str, ...]) -> TemplateSetting:
    """A setting with its label in the first of the languages that there is."""
    label, description = row.label, row.description
    words = row.words or {}
    for language in (*languages, DEFAULT):
        if language in words:
            label, description = words[language][0], words[language][1] or description
            break
    return TemplateSetting(
        place=row.place,
        key=row.key,
        label=label,
        description=description,
        category=row.category,
        type=row.type,
        options=row.options,
        default_value=row.default_value,
        default_known=row.default_known,
        recommended=row.recommended,
        risk=row.risk,
        direct_link=row.direct_link,
    )


async def _in_quarantine(
    db: Db, quarantined: dict[UUID, list[SettingRow]], locale: str | None
) -> dict[UUID, list[TemplateSetting]]:
    """Settings that only their proposers see: judged as the active template judges the same ones, in one's own words."""
    ids = list(quarantined)
    platforms = [rows[0].platform_id for rows in quarantined.values()]
    active = await active_templates_by_platform(db, platform_ids=platforms)
    public = await settings_of(db, [template.id for template in active if template is not None], locale)
    own = await own_proposals.groups(db, template_ids=ids)
    found = {}
    for template_id, template, proposals in zip(ids, active, own, strict=True):
        judged = {s.key: s for s in public[template.id]} if template is not None else {}
        labels: dict[str, str] = {}
        categories: dict[str, str] = {}
        for proposal in proposals:
            labels |= proposal.labels
            categories |= proposal.categories
        found[template_id] = [
            _proposed(spoken(row, ()), judged.get(row.key), labels.get(row.key), categories.get(row.key))
            for row in quarantined[template_id]
        ]
    return found


def _proposed(
    setting: TemplateSetting, judged: TemplateSetting | None, label: str | None, category: str | None
) -> TemplateSetting:
    if judged is not None and (judged.type, judged.options) == (setting.type, setting.options):
        setting.label, setting.description, setting.category = judged.label, judged.description, judged.category
        setting.recommended, setting.risk, setting.direct_link = judged.recommended, judged.risk, judged.direct_link
    elif category is not None:
        setting.category = category
    if label is not None:
        setting.label = label
    return setting


async def list_template_settings(
    db: Db, templates: Sequence[Template], locale: str | None = None
) -> list[list[TemplateSetting]]:
    """The settings of each template. Raises BAD_INPUT."""
    tag = None if locale is None else parse_locale(locale, field="locale")
    found = await settings_of(db, [template.id for template in templates], tag)
    return [found[template.id] for template in templates]


async def list_created_at(db: Db, templates: Sequence[Template]) -> list[datetime]:
    """A template in quarantine began, for each of its proposers, when they proposed it."""
    hidden = [template.id for template in templates if template.shared_at is None]
    if not hidden:
        return [template.recorded_at for template in templates]
    own = dict(zip(hidden, await own_proposals.groups(db, template_ids=hidden), strict=True))
    return [
        template.recorded_at if template.shared_at is not None else min(proposal.submitted_at for proposal in own[template.id])
        for template in templates
    ]


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


class TemplateActivated(BaseModel, frozen=True):
    """A template has become the active one."""

    template_id: UUID


@job("privacy.template_activated", TemplateActivated)
async def tell_affected(work: Work, payload: TemplateActivated) -> None:
    """Everybody whose settings were last seen with another template of the platform, in one go, whatever their workspace.

    What they had acknowledged of a setting that is otherwise now is open again.
    """
    await reopen_acknowledgements(work.db, payload.template_id)
    async with work.once() as db:
        (template,) = await templates_by_id(db, ids=[payload.template_id])
        if template is None or template.state is not TemplateState.ACTIVE:
            return  # it was taken back before anybody was told
        affected = await list_affected_member(db, template_id=payload.template_id)
        told = [(member.workspace_id, member.account_id, payload.template_id) for member in affected]
        await notify_many(db, told, NotificationKind.TEMPLATE_CHANGE)


async def announce(db: Db, template_id: UUID) -> None:
    """In the transaction of an activation: one job tells all whom it concerns, one has it analyzed."""
    from app.privacy.template_analysis import request_analysis  # which needs Template

    await enqueue(db, tell_affected, TemplateActivated(template_id=template_id), dedupe=str(template_id))
    await request_analysis(db, template_id)


async def _list_availability(db: Db, templates: Sequence[Template]) -> list[AnalysisAvailability]:
    from app.privacy.template_analysis import list_availability  # which needs Template

    return await list_availability(db, templates)


@strawberry.type(description="The template that is active now.")
class ActivateTemplatePayload:
    """The template that is active now."""

    template: Template


@strawberry.type(description="The template, rejected.")
class RejectTemplatePayload:
    """The template, rejected."""

    template: Template


async def lock_template(db: Db, template_id: UUID, *, field: str = "id") -> Template:
    """The template as it is now, with its platform's row locked: activations take turns. Raises NOT_FOUND, BAD_INPUT."""
    (found,) = await templates_by_id(db, ids=[template_id])
    if found is None:
        raise no_template(field)
    if found.shared_at is None:  # seen by a curator who proposed it
        raise AppError(
            ErrorCode.BAD_INPUT,
            "This template is in quarantine: too few people have proposed it, and curators judge what everybody sees.",
            field=field,
        )
    await lock_platform(db, id=found.platform_id)
    (found,) = await templates_by_id(db, ids=[template_id])
    assert found is not None
    return found


def no_template(field: str) -> AppError:
    """The same for a template that never was and one that only others see."""
    return AppError(ErrorCode.NOT_FOUND, "There is no such template.", field=field)


@strawberry.type
class TemplateMutation:
    """Root fields by which curators publish templates."""

    @mutation(curator=True)
    async def activate_template(self, info: Info, id: strawberry.ID) -> ActivateTemplatePayload | None:
        """Make a template the active one of its platform, a retired one too: that is the way back."""
        template_id = parse_uuid(id, "Template", field="id")
        db = info.context.db
        async with db.transaction():
            found: Template | None = await lock_template(db, template_id)
            assert found is not None
            if found.state is TemplateState.REJECTED:
                raise AppError(ErrorCode.BAD_INPUT, "This template was rejected; what was rejected stays so.", field="id")
            if found.state is not TemplateState.ACTIVE:
                await retire_template(db, platform_id=found.platform_id, but_id=template_id)
                found = await activate(db, id=template_id)
                await announce(db, template_id)
        assert found is not None
        return ActivateTemplatePayload(template=found)

    @mutation(curator=True)
    async def reject_template(self, info: Info, id: strawberry.ID, reason: str) -> RejectTemplatePayload | None:
        """Refuse a template that is not active: scans against it are no longer taken. Snapshots that are there stay."""
        template_id = parse_uuid(id, "Template", field="id")
        db = info.context.db
        async with db.transaction():
            found: Template | None = await lock_template(db, template_id)
            assert found is not None
            if found.state is TemplateState.ACTIVE:
                raise AppError(ErrorCode.BAD_INPUT, "This template is active. Activate another one first.", field="id")
            found = await reject(db, id=template_id, reason=reason.strip())
        assert found is not None
        return RejectTemplatePayload(template=found)
