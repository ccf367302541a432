"""Recommendations: what to set otherwise, where, and how many points of the risk score that takes away.

They are computed from the latest snapshot of each active link whenever they are asked for, so none is out of date. One that
was dismissed stays away until the setting has another value, or another one is recommended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import field, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.privacy.category import CategoryGroup, group_of
from app.privacy.change import list_labels
from app.privacy.platform_link import PlatformLink, require_link
from app.privacy.risk import RiskLevel

constraint(
    "recommendation_dismissal_reason_length", ErrorCode.BAD_INPUT, "A reason has at most 500 characters.", field="reason"
)


@strawberry.type(description="A setting that exposes more than it needs to.")
class Recommendation:
    """Named by its link and setting."""

    rank: strawberry.Private[str]
    link_id: strawberry.Private[UUID]
    template_id: strawberry.Private[UUID]
    page_label: strawberry.Private[str]

    setting: str = strawberry.field(description="Key of the setting.")
    description: str
    category: str
    level: RiskLevel = strawberry.field(description="How much it matters.")
    current_value: str
    recommended_value: str
    points: int = strawberry.field(description="What it adds to the risk score of the link's latest snapshot.")
    direct_link: str = strawberry.field(description="Where to change it.")
    dismissed_at: datetime | None
    dismissal_reason: str | None

    label: str = edge(
        lambda db, found, locale=None: list_labels(db, found, locale), localized=True, description="The words on the page."
    )
    link: PlatformLink = edge("privacy/platform_link.edge_platform_link", ids="link_id")

    @field(description="The group of its category.")
    def group(self) -> CategoryGroup:
        """See app/privacy/category.py."""
        return group_of(self.category)


@dataclass(frozen=True)
class RecommendationDismissal:
    """What names a recommendation that was dismissed."""

    link_id: UUID
    setting: str


MOST = (("rank", "999999"), ("link_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"), ("setting", ""))

sql = File("privacy/recommendation")
delete_recommendation_dismissal = sql.exec("delete_recommendation_dismissal")
page_recommendation = sql.page("page_recommendation", Recommendation, keyset=MOST)
upsert_recommendation_dismissal = sql.one("upsert_recommendation_dismissal", RecommendationDismissal)


async def get_recommendation(db: Db, link_id: UUID, setting: str, *, dismissed: bool) -> Recommendation | None:
    """One of them; None where the setting is as recommended, or was not seen."""
    found = await page_recommendation.rows(
        db,
        link_id=link_id,
        setting=setting,
        dismissed=dismissed,
        after_rank=MOST[0][1],
        after_link_id=MOST[1][1],
        after_setting=MOST[2][1],
        limit=1,
    )
    return found[0] if found else None


@strawberry.input(description="A recommendation that is not to be shown.")
class DismissRecommendationInput:
    """``reason`` is the person's own words."""

    link_id: strawberry.ID
    setting: str = strawberry.field(description="Key of the setting.")
    reason: str | None = None


@strawberry.input(description="A recommendation that is to be shown again.")
class RestoreRecommendationInput:
    """Named by its link and setting."""

    link_id: strawberry.ID
    setting: str = strawberry.field(description="Key of the setting.")


@strawberry.type(description="The recommendation, dismissed.")
class DismissRecommendationPayload:
    """The recommendation, dismissed."""

    recommendation: Recommendation


@strawberry.type(description="The recommendation, no longer dismissed.")
class RestoreRecommendationPayload:
    """None when there is nothing to recommend any more."""

    recommendation: Recommendation | None = strawberry.field(
        description="Null when the setting is as recommended meanwhile, or was not seen."
    )


@strawberry.type
class RecommendationQuery:
    """Root fields that read recommendations."""

    @query("privacy:read")
    async def recommendations(
        self,
        info: Info,
        link_id: strawberry.ID | None = None,
        level: RiskLevel | None = None,
        dismissed: bool = False,
        first: int = 20,
        after: str | None = None,
    ) -> Page[Recommendation] | None:
        """What to set otherwise, on all active links or one, the most points first; or what was dismissed of it."""
        link = parse_uuid(link_id, "PlatformLink", field="linkId") if link_id else None
        found = await page(
            page_recommendation,
            info.context.db,
            first,
            after,
            link_id=link,
            level=level.value if level else None,
            setting=None,
            dismissed=dismissed,
        )
        if link is not None and not found.rows:
            await require_link(info.context.db, link, field="linkId")
        return found


@strawberry.type
class RecommendationMutation:
    """Root fields by which people decide on recommendations."""

    @mutation()
    async def dismiss_recommendation(
        self, info: Info, input: DismissRecommendationInput
    ) -> DismissRecommendationPayload | None:
        """Not to be told again, until the setting has another value or another one is recommended."""
        link_id = parse_uuid(input.link_id, "PlatformLink", field="linkId")
        db = info.context.db
        async with db.transaction():
            await require_link(db, link_id, field="linkId")
            done = await upsert_recommendation_dismissal(db, link_id=link_id, setting=input.setting, reason=input.reason)
            found = await get_recommendation(db, link_id, input.setting, dismissed=True) if done else None
            if found is None:
                raise AppError(
                    ErrorCode.NOT_FOUND,
                    "Nothing is recommended for this setting of the link; the query recommendations lists what is.",
                    field="setting",
                )
        return DismissRecommendationPayload(recommendation=found)

    @mutation()
    async def restore_recommendation(
        self, info: Info, input: RestoreRecommendationInput
    ) -> RestoreRecommendationPayload | None:
        """To be told again. One that was never dismissed stays as it is."""
        link_id = parse_uuid(input.link_id, "PlatformLink", field="linkId")
        db = info.context.db
        async with db.transaction():
            await require_link(db, link_id, field="linkId")
            await delete_recommendation_dismissal(db, link_id=link_id, setting=input.setting)
            found = await get_recommendation(db, link_id, input.setting, dismissed=False)
        return RestoreRecommendationPayload(recommendation=found)
