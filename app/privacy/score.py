"""Scores: sub-scores by group of categories, levels, and what makes them. Formula 1 of app/privacy/risk.py throughout.

A link's sub-score is the formula over the settings of one group. Over all links a figure is the mean of those that have one,
rounded half up, so that every link counts alike; a platform's points are its links' part of that sum. Coverage says what
share of the settings was seen, those of links that were never scanned among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import strawberry

from app.kit.db import Db
from app.kit.edge import edge
from app.kit.sql import File
from app.privacy import risk
from app.privacy.category import CategoryGroup, group_of
from app.privacy.platform import Platform
from app.privacy.template import TemplateSetting, settings_of
from app.privacy.values import unpack


@strawberry.enum(description="What a score from 0 to 100 means.")
class ScoreLevel(Enum):
    """Thirds of the scale."""

    MINIMAL = strawberry.enum_value("MINIMAL", description="0 to 33.")
    MODERATE = strawberry.enum_value("MODERATE", description="34 to 66.")
    HIGH = strawberry.enum_value("HIGH", description="67 to 100.")


MOST_GROUPS = len(CategoryGroup)


def level_of(score: int | None) -> ScoreLevel | None:
    """The level of a score; none without one."""
    if score is None:
        return None
    return ScoreLevel.MINIMAL if score <= 33 else ScoreLevel.MODERATE if score <= 66 else ScoreLevel.HIGH


@strawberry.type(description="What one setting adds to a score.")
class RiskContribution:
    """The points of all contributions add up to the score."""

    key: str
    label: str
    points: int
    direct_link: str


@strawberry.type(description="How exposed the settings of one group leave a person on one platform.")
class SubScore:
    """Of one link or snapshot."""

    group: CategoryGroup
    score: int | None = strawberry.field(description="0..100, higher is riskier; null when none of its settings was seen.")
    level: ScoreLevel | None
    coverage: float = strawberry.field(description="0..1: share of the group's settings that were seen.")
    settings: int = strawberry.field(description="How many settings the group has.")
    formula: int = strawberry.field(description="Version of the formula that made the score.")
    contributions: list[RiskContribution] = strawberry.field(
        description="What makes the score, the most first; the points add up to it."
    )


@strawberry.type(description="What the links of one platform add to a score over all links.")
class PlatformContribution:
    """The points of all platforms add up to the score."""

    platform_id: strawberry.Private[UUID]

    links: int = strawberry.field(description="How many links of the platform have a score.")
    points: int

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")


@strawberry.type(description="How exposed the settings of one group leave a person, over all links.")
class OverallSubScore:
    """The mean over links that have a score in the group."""

    group: CategoryGroup
    score: int | None = strawberry.field(
        description="0..100, higher is riskier: the mean over links; null when nothing was seen."
    )
    level: ScoreLevel | None
    coverage: float = strawberry.field(
        description="0..1: share of the group's settings that the latest snapshots saw, links never scanned among them."
    )
    links: int = strawberry.field(description="How many links have a score in the group.")
    settings: int = strawberry.field(description="How many settings the group has, over all links.")
    formula: int = strawberry.field(description="Version of the formula that made the score.")
    contributions: list[PlatformContribution] = strawberry.field(
        description="What makes the score, the most first; the points add up to it."
    )


@dataclass(frozen=True)
class LatestValues:
    """The values of a link that was scanned."""

    link_id: UUID
    platform_id: UUID
    template_id: UUID
    risk_score: int | None
    packed: bytes
    observed: bytes | None


@dataclass(frozen=True)
class ScoredLink:
    """A link with what its latest snapshot saw; ``packed`` is None when it was never scanned."""

    link_id: UUID
    platform_id: UUID
    template_id: UUID | None
    risk_score: int | None
    packed: bytes | None
    observed: bytes | None


sql = File("privacy/score")
values_by_link = sql.edge("edge_scored_link", LatestValues)
list_scored_link = sql.many("list_scored_link", ScoredLink)


def sub_scores(settings: Sequence[TemplateSetting], values: Mapping[str, str]) -> list[SubScore]:
    """The sub-scores of one template's values by key: the three groups, and OTHER where it has settings."""
    of_group: dict[CategoryGroup, list[TemplateSetting]] = {group: [] for group in CategoryGroup}
    for setting in settings:
        of_group[group_of(setting.category)].append(setting)
    found = []
    for group, members in of_group.items():
        if not members and group is CategoryGroup.OTHER:
            continue
        assessment = risk.assess(members, values)
        found.append(
            SubScore(
                group=group,
                score=assessment.score,
                level=level_of(assessment.score),
                coverage=sum(s.key in values for s in members) / len(members) if members else 0.0,
                settings=len(members),
                formula=risk.FORMULA,
                contributions=contributions(members, assessment.points),
            )
        )
    return found


def contributions(settings: Sequence[TemplateSetting], points: Mapping[str, int]) -> list[RiskContribution]:
    """What each setting adds, the most first."""
    found = [
        RiskContribution(key=s.key, label=s.label, points=points[s.key], direct_link=s.direct_link)
        for s in settings
        if s.key in points
    ]
    return sorted(found, key=lambda c: (-c.points, c.key))


async def sub_scores_of_links(db: Db, link_ids: Sequence[UUID]) -> list[list[SubScore]]:
    """Of the latest snapshot of each link; none for a link that was never scanned."""
    latest = await values_by_link(db, link_ids=list(link_ids))
    templates = await settings_of(db, [found.template_id for found in latest if found is not None])
    return [
        []
        if found is None
        else sub_scores(templates[found.template_id], unpack(templates[found.template_id], found.packed, found.observed))
        for found in latest
    ]


async def overall_sub_scores(db: Db) -> list[OverallSubScore]:
    """Of the workspace: the three groups, and OTHER where a link has settings of it."""
    links = await list_scored_link(db)
    templates = await settings_of(db, [link.template_id for link in links if link.template_id is not None])
    of_links: list[tuple[UUID, SubScore]] = []
    for link in links:
        if link.template_id is not None:
            settings = templates[link.template_id]
            values = {} if link.packed is None else unpack(settings, link.packed, link.observed)
            of_links += [(link.platform_id, each) for each in sub_scores(settings, values)]
    found = []
    for group in CategoryGroup:
        members = [(platform_id, each) for platform_id, each in of_links if each.group is group]
        if not members and group is CategoryGroup.OTHER:
            continue
        settings_count = sum(each.settings for _, each in members)
        seen = sum(round(each.coverage * each.settings) for _, each in members)
        scores = [(platform_id, each.score) for platform_id, each in members if each.score is not None]
        score = mean([score for _, score in scores])
        found.append(
            OverallSubScore(
                group=group,
                score=score,
                level=level_of(score),
                coverage=seen / settings_count if settings_count else 0.0,
                links=len(scores),
                settings=settings_count,
                formula=risk.FORMULA,
                contributions=platform_contributions(scores),
            )
        )
    return found


async def overall_contributions(db: Db) -> list[PlatformContribution]:
    """What each platform adds to the overall score, the most first."""
    links = await list_scored_link(db)
    return platform_contributions([(link.platform_id, link.risk_score) for link in links if link.risk_score is not None])


def mean(scores: Sequence[int]) -> int | None:
    """The mean of scores, rounded half up; none of none."""
    return risk.rounded(sum(scores), len(scores)) if scores else None


def platform_contributions(scores: Sequence[tuple[UUID, int]]) -> list[PlatformContribution]:
    """The points of each platform, of the mean of its links' scores and those of others."""
    total = mean([score for _, score in scores])
    if total is None:
        return []
    links = Counter(platform_id for platform_id, _ in scores)
    parts: Counter[str] = Counter()
    for platform_id, score in scores:
        parts[str(platform_id)] += score
    points = risk.share_out(total, parts, len(scores))
    found = [PlatformContribution(platform_id=id_, links=count, points=points[str(id_)]) for id_, count in links.items()]
    return sorted(found, key=lambda c: (-c.points, str(c.platform_id)))
