"""Platforms: services whose privacy settings are watched. Shared by everyone, written from the curated files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from app.kit.context import Info
from app.kit.edge import edge, page_edge
from app.kit.graphql import Node, query
from app.kit.page import Page, page
from app.kit.sql import File

if TYPE_CHECKING:
    from app.privacy.platform_config import PlatformConfig
    from app.privacy.platform_contact import PlatformContact
    from app.privacy.template import Template

ANY_KEY = ("snapshots:write", "privacy:read")


@strawberry.type(description="A service whose privacy settings are watched.")
class Platform(Node):
    """Found by its slug."""

    node_statement = "privacy/platform.edge_platform"
    node_scopes = frozenset({"privacy:read"})

    slug: str
    name: str
    domain: str
    website_url: str
    privacy_url: str = strawberry.field(description="Where its privacy settings begin.")

    active_template: Annotated[Template, strawberry.lazy("app.privacy.template")] | None = edge(
        "privacy/template.edge_active_template",
        platform_ids="id",
        description="The template that scans are taken against today.",
    )
    active_config: Annotated[PlatformConfig, strawberry.lazy("app.privacy.platform_config")] | None = edge(
        "privacy/platform_config.edge_active_config",
        platform_ids="id",
        description="How its settings pages are found and read today.",
    )
    templates: Page[Annotated[Template, strawberry.lazy("app.privacy.template")]] = page_edge(
        "privacy/template.edge_template_of_platform",
        platform_ids="id",
        description="Its versions that everybody sees, the newest first.",
    )
    contacts: list[Annotated[PlatformContact, strawberry.lazy("app.privacy.platform_contact")]] = edge(
        "privacy/platform_contact.edge_platform_contact_of_platform",
        many=True,
        size=2,
        platform_ids="id",
        description="Whom to write to under each law, in the newest version.",
    )


sql = File("privacy/platform")
platforms_by_id = sql.edge("edge_platform", Platform)
get_platform_by_slug = sql.one("get_platform_by_slug", Platform)
lock_platform = sql.one("lock_platform", Platform)
page_platform = sql.page("page_platform", Platform, keyset=(("slug", ""),))
upsert_platform = sql.one("upsert_platform", Platform)


@strawberry.type
class PlatformQuery:
    """Root fields that read platforms."""

    @query(*ANY_KEY)
    async def platforms(self, info: Info, first: int = 20, after: str | None = None) -> Page[Platform] | None:
        """All platforms, by slug."""
        return await page(page_platform, info.context.db, first, after)

    @query(*ANY_KEY)
    async def platform(self, info: Info, slug: str) -> Platform | None:
        """One platform by its slug, such as google."""
        return await get_platform_by_slug(info.context.db, slug=slug)
