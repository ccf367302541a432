"""Purposes: what people may consent to. A version never changes; a newer one says whether everybody is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.plan_price import check_moment
from app.kit.context import Info
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import mutation, query
from app.kit.sql import File

constraint(
    "consent_purpose_slug_form",
    ErrorCode.BAD_INPUT,
    "A slug is 1 to 40 small letters, digits and underscores, a letter first.",
    field="slug",
)
constraint("consent_purpose_title_length", ErrorCode.BAD_INPUT, "A title has 1 to 120 characters.", field="title")
constraint("consent_purpose_text_length", ErrorCode.BAD_INPUT, "A text has 1 to 10000 characters.", field="text")
constraint(
    "consent_purpose_renews_something",
    ErrorCode.BAD_INPUT,
    "The first version renews nothing: leave renews out.",
    field="renews",
)
constraint(
    "consent_purpose_version_key",
    ErrorCode.STALE_VERSION,
    "Another version was published at this moment: read it and decide anew.",
    field="slug",
)


@strawberry.type(description="What people may consent to, in the words that hold now.")
class ConsentPurpose:
    """One version; ``version`` counts from 1."""

    slug: str
    version: int
    title: str
    text: str = strawberry.field(description="What is agreed to, word for word.")
    renews: bool = strawberry.field(description="Whether consents to the version before hold for this one too.")
    valid_from: datetime


@dataclass(frozen=True)
class PublishedPurpose:
    """What was written."""

    id: UUID


sql = File("core/consent_purpose")
get_consent_purpose = sql.one("get_consent_purpose", ConsentPurpose)
get_published_purpose = sql.one("get_published_purpose", ConsentPurpose)
insert_consent_purpose = sql.one("insert_consent_purpose", PublishedPurpose)
list_consent_purpose = sql.many("list_consent_purpose", ConsentPurpose)


@strawberry.input(description="The next version of what people may consent to, from now on or from a moment to come.")
class PublishConsentPurposeInput:
    """A slug that is not there yet is a new purpose."""

    slug: str
    title: str
    text: str
    renews: bool = strawberry.field(
        default=False, description="True for a text that means the same: consents to the version before go on to hold."
    )
    valid_from: datetime | None = None
    idempotency_key: str


@strawberry.type(description="The version that was published.")
class PublishConsentPurposePayload:
    """The version that was published."""

    purpose: ConsentPurpose


@strawberry.type
class ConsentPurposeQuery:
    """The root field that lists what may be consented to."""

    @query()
    async def consent_purposes(self, info: Info) -> list[ConsentPurpose] | None:
        """What may be consented to, each in the version that holds now; a hundred at most."""
        return await list_consent_purpose(info.context.db)


@strawberry.type
class ConsentPurposeMutation:
    """The root field by which curators say what is asked for."""

    @mutation(curator=True)
    async def publish_consent_purpose(
        self, info: Info, input: PublishConsentPurposeInput
    ) -> PublishConsentPurposePayload | None:
        """Publish the next version of a purpose. Unless it renews, who consented before is asked again."""
        db, key = info.context.db, input.idempotency_key
        given = [input.slug, input.title, input.text, input.renews, input.valid_from]
        async with db.transaction():
            done = await claim(db, "publishConsentPurpose", key, given)
            if done is None:
                check_moment(input.valid_from)
                made = await insert_consent_purpose(
                    db,
                    slug=input.slug,
                    title=input.title,
                    text=input.text,
                    renews=input.renews,
                    valid_from=input.valid_from,
                )
                if made is None:
                    message = "A version of this purpose begins then or later; pass a moment after it."
                    raise AppError(ErrorCode.BAD_INPUT, message, field="validFrom")
                await settle(db, "publishConsentPurpose", key, made.id)
                published = await get_published_purpose(db, id=made.id)
            else:
                published = await get_published_purpose(db, id=done.result_id)
            assert published is not None
        return PublishConsentPurposePayload(purpose=published)
