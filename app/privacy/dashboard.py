"""The privacy dashboard: one consistent picture of a workspace, in a handful of statements."""

from __future__ import annotations

import strawberry

from app.kit.context import Info
from app.kit.graphql import field, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy import risk
from app.privacy.change import Change, page_change
from app.privacy.platform_link import PlatformLink, PlatformLinkStatus, page_platform_link
from app.privacy.score import (
    MOST_GROUPS,
    OverallSubScore,
    PlatformContribution,
    ScoreLevel,
    level_of,
    overall_contributions,
    overall_sub_scores,
)


@strawberry.type(description="How a workspace stands.")
class PrivacyDashboard:
    """Figures over all active links, whatever page of them is shown."""

    overall_score: int | None = strawberry.field(
        description="0..100, higher is riskier: the mean over links; null before the first snapshot."
    )
    coverage: float = strawberry.field(description="0..1: share of all settings that the latest snapshots saw.")

    @field(description="What the overall score means; null before the first snapshot.")
    def overall_level(self) -> ScoreLevel | None:
        """By thirds of the scale."""
        return level_of(self.overall_score)

    @field(description="Version of the formula that makes scores and sub-scores.")
    def formula(self) -> int:
        """As app/privacy/risk.py has it."""
        return risk.FORMULA

    @field(description="What makes the overall score, by platform, the most first; the points add up to it.")
    async def contributions(self, info: Info) -> list[PlatformContribution]:
        """One for each platform that has a score."""
        return await overall_contributions(info.context.db)

    @field(size=MOST_GROUPS, description="The score by group of categories, over all active links.")
    async def sub_scores(self, info: Info) -> list[OverallSubScore]:
        """Three groups, or four."""
        return await overall_sub_scores(info.context.db)

    @field(description="The active links, newest first.")
    async def links(self, info: Info, first: int = 20, after: str | None = None) -> Page[PlatformLink]:
        """A page of them."""
        status = PlatformLinkStatus.ACTIVE.value
        return await page(page_platform_link, info.context.db, first, after, status=status)

    @field(description="Changes across all links, the newest capture first.")
    async def recent_changes(self, info: Info, first: int = 20, after: str | None = None) -> Page[Change]:
        """A page of them."""
        return await page(page_change, info.context.db, first, after)


sql = File("privacy/dashboard")
get_dashboard = sql.one("get_dashboard", PrivacyDashboard)


@strawberry.type
class DashboardQuery:
    """The root field of the dashboard."""

    @query("privacy:read")
    async def privacy_dashboard(self, info: Info) -> PrivacyDashboard | None:
        """How the active workspace stands."""
        found = await get_dashboard(info.context.db)
        assert found is not None  # an aggregate always has a row
        return found
