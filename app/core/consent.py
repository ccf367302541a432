"""Consents: that a member agreed to a version of a purpose, in a workspace, until it is withdrawn.

What a product may do with a consent only, it asks for with ``require_consent``, or in a job with ``hold_consent``, in the
transaction that does it: a withdrawal waits for it, or it finds the withdrawal. Who leaves a workspace withdraws by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from app.core.consent_purpose import get_consent_purpose
from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, mutation, query
from app.kit.page import Page, page
from app.kit.sql import File

constraint(
    "consent_how_form",
    ErrorCode.BAD_INPUT,
    "how is the name of a place, such as settings or onboarding/2: 1 to 60 small letters, digits and . _ / -.",
    field="how",
)


@strawberry.type(description="That the caller agreed to a version of a purpose, in this workspace.")
class Consent(Node):
    """Seen by nobody but the person; ended ones stay."""

    node_statement = "core/consent.edge_consent"

    purpose: str
    version: int
    given_at: datetime
    withdrawn_at: datetime | None
    replaced_at: datetime | None = strawberry.field(description="When the caller agreed anew.")
    how: str = strawberry.field(description="Where it was given, such as settings.")
    holds: bool = strawberry.field(
        description="Whether it counts now: open, of a version that counts, and given since the caller became a member."
    )


@dataclass(frozen=True)
class ConsentKey:
    """Names a consent."""

    id: UUID


@dataclass(frozen=True)
class OpenConsent:
    """Neither withdrawn nor replaced; whether it counts is another matter."""

    id: UUID
    version: int
    holds: bool


@dataclass(frozen=True)
class HeldConsent:
    """Whether it counts, until the transaction ends."""

    holds: bool


@dataclass(frozen=True)
class Turn:
    """That it is the caller's turn."""

    taken: bool


sql = File("core/consent")
consents_by_id = sql.edge("edge_consent", Consent)
get_consent = sql.one("get_consent", ConsentKey)
get_held_consent = sql.one("lock_consent_of", HeldConsent)
get_last_consent = sql.one("get_last_consent", ConsentKey)
insert_consent = sql.one("insert_consent", ConsentKey)
lock_consent = sql.one("lock_consent", Turn)
lock_open_consent = sql.one("lock_open_consent", OpenConsent)
page_consent = sql.page("page_consent", Consent)
replace = sql.exec("update_replaced_consent")
withdraw = sql.exec("update_withdrawn_consent")


class ConsentRequired(AppError):
    """``extensions.consent`` has the purpose and the version to ask for; none where nothing of the kind is published."""

    def __init__(self, purpose: str, version: int | None) -> None:
        message = f"This needs your consent to {purpose}: read it in consentPurposes, and give it by giveConsent."
        super().__init__(ErrorCode.CONSENT_REQUIRED, message)
        self.purpose, self.version = purpose, version
        self.extensions = {**(self.extensions or {}), "consent": {"purpose": purpose, "version": version}}

    def copy(self) -> ConsentRequired:
        """See AppError."""
        return ConsentRequired(self.purpose, self.version)


async def has_consent(db: Db, purpose: str) -> bool:
    """Whether the caller's consent holds at this moment; to rely on it, require it."""
    return await get_consent(db, purpose=purpose) is not None


async def require_consent(db: Db, purpose: str) -> None:
    """Hold the caller's consent until the end of the transaction, which this must be in. Raises CONSENT_REQUIRED."""
    found = await lock_open_consent(db, purpose=purpose)
    if found is None or not found.holds:
        current = await get_consent_purpose(db, purpose=purpose)
        raise ConsentRequired(purpose, current.version if current else None)


async def hold_consent(db: Db, account_id: UUID, purpose: str) -> bool:
    """For jobs: whether a person's consent holds in the job's workspace. It does until the end of the open transaction."""
    held = await get_held_consent(db, subject_id=account_id, purpose=purpose)
    return held is not None and held.holds


@strawberry.input(description="What the caller agrees to.")
class GiveConsentInput:
    """A person's own token is needed; no API key may consent."""

    purpose: str
    version: int = strawberry.field(description="The version that was shown, which must be the one that holds now.")
    how: str = strawberry.field(default="api", description="Where it is given, such as settings or onboarding/2.")
    idempotency_key: str


@strawberry.type(description="The consent that holds.")
class GiveConsentPayload:
    """The consent that holds."""

    consent: Consent


@strawberry.type(description="The consent that holds no longer.")
class WithdrawConsentPayload:
    """The consent that holds no longer."""

    consent: Consent | None = strawberry.field(description="Null where none was ever given.")


@strawberry.type
class ConsentQuery:
    """The root field that lists one's own consents."""

    @query()
    async def consents(self, info: Info, first: int = 20, after: str | None = None) -> Page[Consent] | None:
        """What the caller consented to in the active workspace, newest first, with what has ended."""
        return await page(page_consent, info.context.db, first, after)


@strawberry.type
class ConsentMutation:
    """Root fields by which one consents and withdraws."""

    @mutation(roles=None)
    async def give_consent(self, info: Info, input: GiveConsentInput) -> GiveConsentPayload | None:
        """Agree to the version of a purpose that holds now. Agreeing again changes nothing."""
        db, key = info.context.db, input.idempotency_key
        async with db.transaction():
            # Keys belong to the workspace, and a consent to one of its members: another's key is not answered with theirs.
            given = [str(info.context.actor.account_id), input.purpose, input.version, input.how]
            done = await claim(db, "giveConsent", key, given)
            if done is None:
                consent_id = await give(db, input)
                await settle(db, "giveConsent", key, consent_id)
            else:
                assert done.result_id is not None  # settled by whoever claimed it
                consent_id = done.result_id
            consent = await read_consent(db, consent_id)
        return GiveConsentPayload(consent=consent)

    @mutation(roles=None)
    async def withdraw_consent(self, info: Info, purpose: str) -> WithdrawConsentPayload | None:
        """Take a consent back, at once. Withdrawing again changes nothing."""
        db = info.context.db
        async with db.transaction():
            await lock_consent(db, purpose=purpose)
            await withdraw(db, purpose=purpose)
            last = await get_last_consent(db, purpose=purpose)
            if last is None and await get_consent_purpose(db, purpose=purpose) is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such purpose; see consentPurposes.", field="purpose")
            consent = await read_consent(db, last.id) if last else None
        return WithdrawConsentPayload(consent=consent)


async def give(db: Db, given: GiveConsentInput) -> UUID:
    """The consent that holds afterward. Raises NOT_FOUND, STALE_VERSION."""
    await lock_consent(db, purpose=given.purpose)
    current = await get_consent_purpose(db, purpose=given.purpose)
    if current is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such purpose; see consentPurposes.", field="purpose")
    if given.version != current.version:
        message = f"Version {current.version} of this purpose holds now: read it in consentPurposes, and consent to that."
        raise AppError(ErrorCode.STALE_VERSION, message, field="version")
    found = await lock_open_consent(db, purpose=given.purpose)
    if found is not None and found.holds and found.version == current.version:
        return found.id
    if found is not None:
        await replace(db, id=found.id)
    made = await insert_consent(db, purpose=given.purpose, version=given.version, how=given.how)
    assert made is not None
    return made.id


async def read_consent(db: Db, consent_id: UUID) -> Consent:
    """A consent that is known to exist."""
    (found,) = await consents_by_id(db, ids=[consent_id])
    assert found is not None
    return found
