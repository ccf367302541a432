"""Comparisons: platforms side by side, by what they set for a new account and what it takes to put that right.

All figures but the caller's own come from the active templates, which everyone shares.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import field, query
from app.kit.page import check_size
from app.kit.sql import File
from app.privacy import risk
from app.privacy.platform import Platform
from app.privacy.risk import RiskLevel
from app.privacy.score import MOST_GROUPS, ScoreLevel, SubScore, level_of, sub_scores
from app.privacy.template import Template, TemplateSetting, settings_of

MOST_PLATFORMS = 50


@strawberry.type(description="How the caller's own links of a platform stand.")
class OwnScore:
    """Of active links."""

    links: int
    scored_links: int = strawberry.field(description="How many of them have a score.")
    score: int | None = strawberry.field(description="0..100, higher is riskier: the mean over links; null before a snapshot.")
    coverage: float = strawberry.field(description="0..1: share of all settings that the latest snapshots saw.")

    @field(description="What the score means; null without one.")
    def level(self) -> ScoreLevel | None:
        """By thirds of the scale."""
        return level_of(self.score)


@strawberry.type(description="A platform beside others.")
class PlatformComparison:
    """Of its active template."""

    platform_id: strawberry.Private[UUID]
    template_id: strawberry.Private[UUID]

    default_score: int | None = strawberry.field(
        description="0..100, higher is riskier: everything as the platform sets it; null while no default is known and judged."
    )
    default_level: ScoreLevel | None
    best_score: int | None = strawberry.field(
        description="0..100: everything as recommended, which is the least that can be reached; null while nothing is judged."
    )
    formula: int = strawberry.field(description="Version of the formula that makes the scores.")
    settings: int
    high_risk_settings: int
    medium_risk_settings: int
    low_risk_settings: int
    settings_to_change: int = strawberry.field(description="How many settings expose more than needed unless one changes them.")
    pages_to_visit: int = strawberry.field(description="How many pages one must open to change them all.")
    default_sub_scores: list[SubScore] = strawberry.field(
        metadata={"size": MOST_GROUPS},
        description="The default score by group of categories; coverage is that of a full scan.",
    )

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")
    template: Template = edge("privacy/template.edge_template", ids="template_id")
    own: OwnScore | None = edge(
        "privacy/comparison.edge_own_score",
        platform_ids="platform_id",
        description="How the caller stands there; null without an active link.",
    )


@dataclass(frozen=True)
class ComparedPlatform:
    """A platform with its active template."""

    platform_id: UUID
    slug: str
    template_id: UUID


sql = File("privacy/comparison")
list_compared_platform = sql.many("list_compared_platform", ComparedPlatform)
own_score_by_platform = sql.edge("edge_own_score", OwnScore)


def compare_platform(platform: ComparedPlatform, settings: list[TemplateSetting]) -> PlatformComparison:
    """What its active template says."""
    defaults = {s.key: s.default_value for s in settings if s.default_known}
    default = risk.assess(settings, defaults)
    best = risk.assess(settings, {s.key: s.recommended for s in settings})
    levels = Counter(risk.level_of(s.risk) for s in settings)
    to_change = [s for s in settings if s.default_known and risk.exposes(s, s.default_value)]
    return PlatformComparison(
        platform_id=platform.platform_id,
        template_id=platform.template_id,
        default_score=default.score,
        default_level=level_of(default.score),
        best_score=best.score,
        formula=risk.FORMULA,
        settings=len(settings),
        high_risk_settings=levels[RiskLevel.HIGH],
        medium_risk_settings=levels[RiskLevel.MEDIUM],
        low_risk_settings=levels[RiskLevel.LOW],
        settings_to_change=len(to_change),
        pages_to_visit=len({s.direct_link for s in to_change}),
        default_sub_scores=sub_scores(settings, defaults),
    )


@strawberry.type
class ComparisonQuery:
    """The root field that compares platforms."""

    @query("privacy:read")
    async def platform_comparison(self, info: Info, slugs: list[str] | None = None) -> list[PlatformComparison] | None:
        """Platforms with an active template side by side: 1 to 50 in the order of the slugs given, or all of them by slug."""
        db = info.context.db
        if slugs is not None:
            check_size(len(slugs), field="slugs", most=MOST_PLATFORMS)
        found = {p.slug: p for p in await list_compared_platform(db, slugs=slugs, limit=MOST_PLATFORMS)}
        wanted = list(dict.fromkeys(slugs)) if slugs is not None else list(found)
        missing = [slug for slug in wanted if slug not in found]
        if missing:
            raise AppError(
                ErrorCode.NOT_FOUND,
                f"No platform with an active template has the slug {missing[0][:60]!r}; the query platforms lists them.",
                field="slugs",
            )
        templates = await settings_of(db, [found[slug].template_id for slug in wanted])
        return [compare_platform(found[slug], templates[found[slug].template_id]) for slug in wanted]
