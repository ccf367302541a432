"""Organizations: how their people stand together, and never how one of them does.

What counts are the links in the organization's own workspace; personal workspaces are nobody else's. There a member sees the
own links alone (policy ``person`` on privacy.platform_link and on what hangs on it), whatever the role. The figures are made
by privacy.organization_aggregate(), which tells nothing of fewer than five people and rounds what it tells; its text says
why. What five people cannot prevent: four who join against the fifth learn that one's score to some 12 points.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import strawberry

from app.core.workspace import WorkspaceKind, get_workspace
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.graphql import query
from app.kit.sql import File
from app.privacy.category import GROUPS, CategoryGroup
from app.privacy.comparison import MOST_PLATFORMS, list_compared_platform
from app.privacy.platform import Platform
from app.privacy.score import MOST_GROUPS, ScoreLevel, level_of
from app.privacy.template import settings_of

REPORTERS = frozenset({"owner", "admin", "auditor"})
MOST_EXPOSURES = 10


@strawberry.enum(description="Why a figure is not told.")
class SuppressionReason(Enum):
    """Beside each figure that may be null."""

    TOO_FEW_PEOPLE = strawberry.enum_value("TOO_FEW_PEOPLE", description="It would be made of fewer than five people.")
    NOT_AN_ORGANIZATION = strawberry.enum_value("NOT_AN_ORGANIZATION", description="The workspace is a person's own.")


@strawberry.enum(description="How many of those whose setting was seen expose more than needed.")
class ExposureShare(Enum):
    """Values as in the database. Neither says that all do."""

    MANY = strawberry.enum_value("MANY", description="Half of them or more.")
    MOST = strawberry.enum_value("MOST", description="Four fifths of them or more.")


@strawberry.type(description="The people of an organization in one group of categories.")
class OrganizationSubScore:
    """Null with a reason below five people."""

    group: CategoryGroup
    people: int | None
    average_score: int | None = strawberry.field(description="0..100, higher is riskier: the mean over people, to 5 points.")
    level: ScoreLevel | None
    coverage: float | None = strawberry.field(description="0..1: share of the group's settings that was seen, to 0.05.")
    reason: SuppressionReason | None


@strawberry.type(description="The people of an organization on one platform.")
class OrganizationPlatform:
    """Null with a reason below five people, nobody at all among them: that a platform is listed says nothing."""

    platform_id: strawberry.Private[UUID]

    people: int | None
    average_score: int | None = strawberry.field(description="0..100, higher is riskier: the mean over people, to 5 points.")
    level: ScoreLevel | None
    coverage: float | None = strawberry.field(description="0..1: share of all settings that was seen, to 0.05.")
    reason: SuppressionReason | None

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")


@strawberry.type(description="A setting that exposes half of an organization's people or more.")
class OrganizationExposure:
    """Of those whose setting was seen, five at least."""

    platform_id: strawberry.Private[UUID]

    setting: str = strawberry.field(description="Key of the setting.")
    label: str = strawberry.field(description="The words on the page.")
    share: ExposureShare
    recommended_value: str
    direct_link: str

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")


@strawberry.type(description="How the people of an organization stand together.")
class OrganizationPrivacy:
    """Of links in the organization's workspace; a person counts once, however many links."""

    people: int | None = strawberry.field(description="Who has an active link with a score; null below five.")
    reason: SuppressionReason | None = strawberry.field(description="Why the figures are null; null when they are told.")
    linked_platforms: int | None = strawberry.field(description="How many platforms at least five people have linked.")
    average_score: int | None = strawberry.field(description="0..100, higher is riskier: the mean over people, to 5 points.")
    level: ScoreLevel | None
    coverage: float | None = strawberry.field(description="0..1: share of all settings that was seen, to 0.05.")
    sub_scores: list[OrganizationSubScore] = strawberry.field(
        metadata={"size": MOST_GROUPS}, description="By group of categories."
    )
    platforms: list[OrganizationPlatform] = strawberry.field(description="Every platform that has an active template, by slug.")
    top_exposures: list[OrganizationExposure] = strawberry.field(
        metadata={"size": MOST_EXPOSURES}, description="Ten at most, the greatest risk first."
    )


@dataclass(frozen=True)
class OrganizationAggregate:
    """A figure of five people or more; ``part`` is ALL, GROUP, PLATFORM or EXPOSURE."""

    people: int | None
    platform_id: UUID | None
    coverage: float | None
    score: int | None
    part: str
    name: str | None
    share: ExposureShare | None


sql = File("privacy/organization")
list_organization_aggregate = sql.many("list_organization_aggregate", OrganizationAggregate)


async def organization_privacy(db: Db) -> OrganizationPrivacy:
    """Of the caller's workspace."""
    workspace = await get_workspace(db)
    assert workspace is not None
    organization = workspace.kind is WorkspaceKind.ORGANIZATION
    found: list[OrganizationAggregate] = []
    if organization:
        groups = [group.name for group in GROUPS.values()]
        found = await list_organization_aggregate(db, categories=list(GROUPS), groups=groups)
    few = SuppressionReason.TOO_FEW_PEOPLE if organization else SuppressionReason.NOT_AN_ORGANIZATION
    platforms = await list_compared_platform(db, slugs=None, limit=MOST_PLATFORMS)
    all_ = next((each for each in found if each.part == "ALL"), None)
    by_group = {each.name: each for each in found if each.part == "GROUP"}
    by_platform = {each.platform_id: each for each in found if each.part == "PLATFORM"}

    def told(each: OrganizationAggregate | None) -> dict[str, object]:
        return {
            "people": each and each.people,
            "average_score": each and each.score,
            "level": level_of(each.score) if each else None,
            "coverage": each and each.coverage,
            "reason": None if each else few,
        }

    shown = [group for group in CategoryGroup if group is not CategoryGroup.OTHER or group.name in by_group]
    return OrganizationPrivacy(
        **told(all_),  # type: ignore[arg-type]
        linked_platforms=len(by_platform) if all_ else None,
        sub_scores=[
            OrganizationSubScore(group=group, **told(by_group.get(group.name)))  # type: ignore[arg-type]
            for group in shown
        ],
        platforms=[
            OrganizationPlatform(platform_id=p.platform_id, **told(by_platform.get(p.platform_id)))  # type: ignore[arg-type]
            for p in platforms
        ],
        top_exposures=await _exposures(db, {p.platform_id: p.template_id for p in platforms}, found),
    )


async def _exposures(db: Db, templates: dict[UUID, UUID], found: list[OrganizationAggregate]) -> list[OrganizationExposure]:
    """Those whose setting is still on the page, in the words of the active template."""
    settings = await settings_of(db, templates.values()) if found else {}
    shown = []
    for each in found:
        if each.part == "EXPOSURE" and each.platform_id in templates and each.share is not None:
            setting = next((s for s in settings[templates[each.platform_id]] if s.key == each.name), None)
            if setting is not None:
                shown.append(
                    OrganizationExposure(
                        platform_id=each.platform_id,
                        setting=setting.key,
                        label=setting.label,
                        share=each.share,
                        recommended_value=setting.recommended,
                        direct_link=setting.direct_link,
                    )
                )
    return shown


@strawberry.type
class OrganizationQuery:
    """The root field of organizations."""

    @query("privacy:read", roles=REPORTERS)
    async def organization_privacy(self, info: Info) -> OrganizationPrivacy | None:
        """How the people of the active workspace stand together: for owners, admins and auditors, from five people on."""
        return await organization_privacy(info.context.db)
