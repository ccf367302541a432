"""Platform contacts: whom to write to under which law, what one must tell to be recognized, and how sure we are of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import rfc8785
import strawberry
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import Node, mutation
from app.kit.sql import File
from app.privacy.platform import Platform, get_platform_by_slug, lock_platform

CLOCK_TOLERANCE = timedelta(minutes=5)

Email = Annotated[str, StringConstraints(pattern=r"^[^\s@<>,;:?&%\"]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$", max_length=254)]
"""As a mailto link can hold it unchanged."""
Url = Annotated[str, StringConstraints(pattern=r"^https://[^\s\x00]+$", max_length=500)]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=200)]


@strawberry.enum(description="The law under which a person asks a platform for something.")
class Regime(Enum):
    """Values as in the database."""

    GDPR = strawberry.enum_value("GDPR", description="General Data Protection Regulation, of the European Union.")
    CCPA = strawberry.enum_value("CCPA", description="California Consumer Privacy Act.")


@strawberry.enum(description="How sure it is that a contact answers.")
class ContactQuality(Enum):
    """Values as in the database, the surest first."""

    TESTED = strawberry.enum_value("TESTED", description="A request that was sent there was answered.")
    VERIFIED = strawberry.enum_value("VERIFIED", description="Somebody has read it on the platform's own page.")
    IMPORTED = strawberry.enum_value("IMPORTED", description="Taken over from a published directory or policy, not checked.")
    SCRAPED = strawberry.enum_value("SCRAPED", description="Read by a program.")


class ContactContent(BaseModel):
    """What an outside document must be to become a contact."""

    model_config = ConfigDict(extra="forbid")

    regime: Regime
    organization: Line
    email: Email | None = None
    url: Url | None = None
    postal_address: Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", min_length=1, max_length=500)] | None = None
    required_elements: list[Line] = Field(max_length=20)
    quality: ContactQuality
    verified_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def fits(self) -> ContactContent:
        """Some way to write there; and whoever says that it was checked says when."""
        if not (self.email or self.url or self.postal_address):
            raise ValueError("give an email, a url or a postal address")
        checked = self.quality in (ContactQuality.TESTED, ContactQuality.VERIFIED)
        if checked is not (self.verified_at is not None):
            raise ValueError("verifiedAt is given for TESTED and VERIFIED, and for nothing else")
        if self.verified_at is not None and self.verified_at > datetime.now(UTC) + CLOCK_TOLERANCE:
            raise ValueError("verifiedAt lies in the future")
        return self

    def digest(self) -> bytes:
        """Of what it says."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(mode="json"))).digest()


@strawberry.type(description="Whom to write to on one platform under one law.")
class PlatformContact(Node):
    """One version; the newest counts."""

    node_statement = "privacy/platform_contact.edge_platform_contact"
    node_scopes = frozenset({"privacy:read"})

    platform_id: strawberry.Private[UUID]
    digest: strawberry.Private[bytes]

    regime: Regime
    version: int
    organization: str = strawberry.field(description="Who is responsible there.")
    email: str | None
    url: str | None = strawberry.field(description="A form or page for such requests.")
    postal_address: str | None
    required_elements: list[str] = strawberry.field(description="What one must tell to be recognized.")
    quality: ContactQuality
    verified_at: datetime | None = strawberry.field(description="When it was tested or verified; null when it was not.")
    created_at: datetime

    platform: Platform = edge("privacy/platform.edge_platform", ids="platform_id")


sql = File("privacy/platform_contact")
contacts_by_id = sql.edge("edge_platform_contact", PlatformContact)
contacts_by_platform = sql.edge("edge_platform_contact_of_platform", PlatformContact)
insert_platform_contact = sql.one("insert_platform_contact", PlatformContact)
list_platform_contact = sql.many("list_platform_contact", PlatformContact)


async def add_contact(db: Db, platform_id: UUID, content: ContactContent) -> PlatformContact:
    """The next version; callers hold the platform's row."""
    made = await insert_platform_contact(
        db,
        platform_id=platform_id,
        regime=content.regime.value,
        organization=content.organization,
        email=content.email,
        url=content.url,
        postal_address=content.postal_address,
        required_elements=content.required_elements,
        quality=content.quality.value,
        verified_at=content.verified_at,
        digest=content.digest(),
    )
    assert made is not None
    return made


@strawberry.input(description="A new version of a platform's contact.")
class PublishPlatformContactInput:
    """At least one of email, url and postal address."""

    platform_slug: str
    regime: Regime
    organization: str
    required_elements: list[str]
    quality: ContactQuality
    idempotency_key: str
    email: str | None = None
    url: str | None = None
    postal_address: str | None = None
    verified_at: datetime | None = None


@strawberry.type(description="The new version.")
class PublishPlatformContactPayload:
    """The new version."""

    contact: PlatformContact


FIELDS = {"postal_address": "postalAddress", "required_elements": "requiredElements", "verified_at": "verifiedAt"}


def check_content(given: dict[str, Any]) -> ContactContent:
    """A valid contact. Raises BAD_INPUT, which names the first wrong place."""
    try:
        return ContactContent(**given)
    except ValidationError as error:
        first = error.errors()[0]
        place = [FIELDS.get(str(part), str(part)) for part in first["loc"]]
        message = f"{'.'.join(place)}: {first['msg']}." if place else f"{first['msg'].removeprefix('Value error, ')}."
        raise AppError(ErrorCode.BAD_INPUT, message, field=place[0] if place else None) from None


@strawberry.type
class PlatformContactMutation:
    """Root fields by which curators publish contacts."""

    @mutation(curator=True)
    async def publish_platform_contact(
        self, info: Info, input: PublishPlatformContactInput
    ) -> PublishPlatformContactPayload | None:
        """Add a version of a platform's contact. Older versions stay, so that it is known whom older requests went to."""
        db = info.context.db
        values = {
            "regime": input.regime,
            "organization": input.organization,
            "email": input.email,
            "url": input.url,
            "postal_address": input.postal_address,
            "required_elements": input.required_elements,
            "quality": input.quality,
            "verified_at": input.verified_at,
        }
        given = [input.platform_slug, values | {"regime": input.regime.name, "quality": input.quality.name}]
        async with db.transaction():
            done = await claim(db, "publishPlatformContact", input.idempotency_key, given)
            if done is not None:
                (contact,) = await contacts_by_id(db, ids=[done.result_id])
            else:
                content = check_content(values)
                platform = await get_platform_by_slug(db, slug=input.platform_slug)
                if platform is None:
                    raise AppError(ErrorCode.NOT_FOUND, "There is no platform of this slug.", field="platformSlug")
                await lock_platform(db, id=platform.id)
                contact = await add_contact(db, platform.id, content)
                await settle(db, "publishPlatformContact", input.idempotency_key, contact.id)
        assert contact is not None
        return PublishPlatformContactPayload(contact=contact)
