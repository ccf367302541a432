"""Platform configs: how a settings page is found and read. A change is a new version, valid until the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import strawberry
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import JSON, Node, mutation
from app.kit.sql import File
from app.privacy.platform import get_platform_by_slug, lock_platform

constraint(
    "platform_config_platform_id_valid_from_key",
    ErrorCode.BAD_INPUT,
    "A version of this platform's config begins at that moment; pass another validFrom.",
    field="validFrom",
)

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)

UrlPattern: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^https://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+/[^\s\x00]*$", max_length=500)
]
"""A match pattern with a host of its own: one for all hosts would have extensions read every page a person opens."""
SettingKey: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Selector: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class RateLimitContent(BaseModel):
    """How often a platform bears being asked."""

    model_config = ConfigDict(extra="forbid")

    requests_per_minute: int = Field(default=30, ge=1, le=10_000)
    cooldown_minutes: int = Field(default=15, ge=0, le=10_080)


class ConfigContent(BaseModel):
    """What an outside document must be to become a config: patterns of https pages, CSS selectors by setting key.

    There is no place for a script: what an extension runs comes with the extension.
    """

    model_config = ConfigDict(extra="forbid")

    url_patterns: list[UrlPattern] = Field(min_length=1, max_length=50)
    selectors: dict[SettingKey, Selector] = Field(min_length=1, max_length=250)
    rate_limit: RateLimitContent = Field(default_factory=RateLimitContent)


@strawberry.type(description="How often a platform bears being asked.")
class RateLimit:
    """The scheduler and requestScan keep to it."""

    requests_per_minute: int = strawberry.field(
        description="Scans requested per minute of the clock, of all people together: 1 to 10000."
    )
    cooldown_minutes: int = strawberry.field(
        description="How long after a scan or a request a link is not requested again: 0 to 10080."
    )


async def _rate_limits(db: Db, configs: Sequence[PlatformConfig]) -> list[RateLimit]:
    """Two of their own columns."""
    return [
        RateLimit(requests_per_minute=config.requests_per_minute, cooldown_minutes=config.cooldown_minutes)
        for config in configs
    ]


@strawberry.type(description="How a platform's settings pages are found and read.")
class PlatformConfig(Node):
    """One version; valid from its moment until the next version's."""

    node_statement = "privacy/platform_config.edge_platform_config"
    node_scopes = frozenset({"privacy:read"})

    requests_per_minute: strawberry.Private[int]
    cooldown_minutes: strawberry.Private[int]

    version: int
    valid_from: datetime
    url_patterns: list[str] = strawberry.field(description="Match patterns of the pages, as browser extensions use them.")
    selectors: JSON = strawberry.field(description="Setting key -> CSS selector.")

    rate_limit: RateLimit = edge(_rate_limits, description="How often the platform bears being asked.")


@dataclass(frozen=True)
class ConfigVersion:
    """Which version of a platform's config it is."""

    version: int


sql = File("privacy/platform_config")
active_configs_by_platform = sql.edge("edge_active_config", PlatformConfig)
get_config_version = sql.one("get_config_version", ConfigVersion)
platform_configs_by_id = sql.edge("edge_platform_config", PlatformConfig)
insert_platform_config = sql.one("insert_platform_config", PlatformConfig)
list_platform_config = sql.many("list_platform_config", PlatformConfig)


@strawberry.input(description="How often a platform bears being asked.")
class RateLimitInput:
    """As RateLimit."""

    requests_per_minute: int = strawberry.field(description="1 to 10000.")
    cooldown_minutes: int = strawberry.field(description="0 to 10080.")


@strawberry.input(description="A new version of a platform's config.")
class PublishPlatformConfigInput:
    """``selectors`` is an object of setting key -> CSS selector."""

    platform_slug: str
    url_patterns: list[str]
    selectors: JSON
    valid_from: datetime
    idempotency_key: str
    rate_limit: RateLimitInput | None = strawberry.field(
        default=None, description="30 requests per minute and a cooldown of 15 minutes when left out."
    )


@strawberry.type(description="The new version.")
class PublishPlatformConfigPayload:
    """The new version."""

    config: PlatformConfig


NAMES = {
    "url_patterns": "urlPatterns",
    "rate_limit": "rateLimit",
    "requests_per_minute": "requestsPerMinute",
    "cooldown_minutes": "cooldownMinutes",
}


def check_content(url_patterns: Any, selectors: Any, rate_limit: RateLimitInput | None = None) -> ConfigContent:
    """A valid config. Raises BAD_INPUT, which names the first wrong place."""
    limit = {} if rate_limit is None else {"rate_limit": asdict(rate_limit)}
    try:
        return ConfigContent.model_validate({"url_patterns": url_patterns, "selectors": selectors, **limit})
    except ValidationError as error:
        first = error.errors()[0]
        field, *rest = (NAMES.get(str(part), str(part)) for part in first["loc"])
        place = ".".join((field, *rest))
        raise AppError(ErrorCode.BAD_INPUT, f"{place[:100]}: {first['msg']}.", field=field) from None


@strawberry.type
class PlatformConfigMutation:
    """Root fields by which curators publish configs."""

    @mutation(curator=True)
    async def publish_platform_config(
        self, info: Info, input: PublishPlatformConfigInput
    ) -> PublishPlatformConfigPayload | None:
        """Add a version of a platform's config. Older versions stay, so older snapshots can be explained."""
        db = info.context.db
        given = [input.platform_slug, input.url_patterns, input.selectors, input.valid_from]
        if input.rate_limit is not None:
            given.append(asdict(input.rate_limit))
        async with db.transaction():
            done = await claim(db, "publishPlatformConfig", input.idempotency_key, given)
            if done is not None:
                (config,) = await platform_configs_by_id(db, ids=[done.result_id])
            else:
                content = check_content(input.url_patterns, input.selectors, input.rate_limit)
                if input.valid_from < EARLIEST:
                    raise AppError(ErrorCode.BAD_INPUT, f"validFrom lies before {EARLIEST.year}.", field="validFrom")
                platform = await get_platform_by_slug(db, slug=input.platform_slug)
                if platform is None:
                    raise AppError(ErrorCode.NOT_FOUND, "There is no platform of this slug.", field="platformSlug")
                await lock_platform(db, id=platform.id)
                config = await insert_platform_config(
                    db,
                    platform_id=platform.id,
                    valid_from=input.valid_from,
                    url_patterns=content.url_patterns,
                    selectors=content.selectors,
                    requests_per_minute=content.rate_limit.requests_per_minute,
                    cooldown_minutes=content.rate_limit.cooldown_minutes,
                )
                assert config is not None
                await settle(db, "publishPlatformConfig", input.idempotency_key, config.id)
        assert config is not None
        return PublishPlatformConfigPayload(config=config)
