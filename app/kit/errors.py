"""Errors: one closed list of codes that clients may rely on, and what an operator is told."""

from __future__ import annotations

from enum import Enum

import strawberry
from graphql import GraphQLError


@strawberry.enum(description="Why a request was not carried out: `extensions.code` of every error. The list is closed.")
class ErrorCode(Enum):
    """The value is the code; the sentence beside it is for people and may change."""

    BAD_REQUEST = strawberry.enum_value(
        "BAD_REQUEST", description="Not a GraphQL request, or not one for this transport: subscriptions go over WebSocket."
    )
    METHOD_NOT_ALLOWED = strawberry.enum_value("METHOD_NOT_ALLOWED", description="Mutations are sent with POST.")
    NOT_ACCEPTABLE = strawberry.enum_value("NOT_ACCEPTABLE", description="We answer in none of the accepted media types.")
    BAD_DOCUMENT = strawberry.enum_value("BAD_DOCUMENT", description="The document does not parse or does not fit the schema.")
    BAD_VARIABLES = strawberry.enum_value("BAD_VARIABLES", description="A variable does not fit its type.")
    TOO_COMPLEX = strawberry.enum_value("TOO_COMPLEX", description="The document asks for too much at once.")
    UNTRUSTED_DOCUMENT = strawberry.enum_value(
        "UNTRUSTED_DOCUMENT", description="Only registered documents run here, and this is none of them."
    )
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="Too much was asked for lately; see Retry-After.")
    UNAUTHENTICATED = strawberry.enum_value("UNAUTHENTICATED", description="No bearer token, or one that is not valid.")
    ADDRESS_TAKEN = strawberry.enum_value(
        "ADDRESS_TAKEN", description="Another account has the e-mail address that this sign-in names; sign in there and link."
    )
    ACCOUNT_DELETED = strawberry.enum_value(
        "ACCOUNT_DELETED", description="The account was deleted; until it is erased restoreAccount brings it back."
    )
    ACCOUNT_ERASED = strawberry.enum_value(
        "ACCOUNT_ERASED", description="The account of this sign-in was erased; startAnew makes a new one, if that is meant."
    )
    PROOF_NEEDED = strawberry.enum_value(
        "PROOF_NEEDED", description="A token is not enough for this: pass the password, or sign in again and do it then."
    )
    SOLE_OWNER = strawberry.enum_value(
        "SOLE_OWNER", description="Others would be left in an organization without an owner: make one of them its owner first."
    )
    IDENTITY_TAKEN = strawberry.enum_value("IDENTITY_TAKEN", description="This identity signs in to another account.")
    LAST_WAY_IN = strawberry.enum_value(
        "LAST_WAY_IN", description="Nobody could sign in to the account any more: add another way before."
    )
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="The caller is known and may not do this.")
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="There is no such object, or it belongs to someone else.")
    BAD_ID = strawberry.enum_value("BAD_ID", description="Not a global id of the expected type.")
    BAD_CURSOR = strawberry.enum_value("BAD_CURSOR", description="Not a cursor of this connection.")
    CURSOR_EXPIRED = strawberry.enum_value(
        "CURSOR_EXPIRED", description="The cursor is older than the events that are kept: read the lists again."
    )
    BAD_PAGE_SIZE = strawberry.enum_value("BAD_PAGE_SIZE", description="A page or list is shorter or longer than allowed.")
    BAD_INPUT = strawberry.enum_value("BAD_INPUT", description="A value is outside what the field allows.")
    IDEMPOTENCY_CONFLICT = strawberry.enum_value(
        "IDEMPOTENCY_CONFLICT", description="This idempotency key was used with other input."
    )
    ALREADY_LINKED = strawberry.enum_value("ALREADY_LINKED", description="The platform is linked under this label.")
    LIMIT_REACHED = strawberry.enum_value(
        "LIMIT_REACHED", description="The workspace's plan allows no more; `extensions.limit` has name, limit, used and plan."
    )
    INSUFFICIENT_CREDITS = strawberry.enum_value(
        "INSUFFICIENT_CREDITS",
        description="The wallet holds less than this takes; `extensions.credits` has unit, needed and available.",
    )
    BILLING_NOT_CONFIGURED = strawberry.enum_value(
        "BILLING_NOT_CONFIGURED", description="This installation takes no payments: its operator has set no provider."
    )
    BILLING_UNAVAILABLE = strawberry.enum_value(
        "BILLING_UNAVAILABLE", description="The payment provider cannot be reached or did not take it; nothing was charged."
    )
    ALREADY_SUBSCRIBED = strawberry.enum_value(
        "ALREADY_SUBSCRIBED", description="The workspace has what is asked for, or more."
    )
    TRIAL_USED = strawberry.enum_value("TRIAL_USED", description="The workspace has tried a plan before.")
    RESERVATION_CLOSED = strawberry.enum_value(
        "RESERVATION_CLOSED", description="The reservation has ended; it stays as it is."
    )
    CONSENT_REQUIRED = strawberry.enum_value(
        "CONSENT_REQUIRED",
        description="This needs the caller's consent, which was not given, was withdrawn, or was to an older text; "
        "`extensions.consent` has purpose and version.",
    )
    LINK_ENDED = strawberry.enum_value("LINK_ENDED", description="The platform link was ended.")
    UNKNOWN_TEMPLATE = strawberry.enum_value("UNKNOWN_TEMPLATE", description="No template of the platform has this hash.")
    TOO_MANY_PROPOSALS = strawberry.enum_value(
        "TOO_MANY_PROPOSALS", description="This workspace has proposed as much of this platform as may wait."
    )
    UNKNOWN_SETTING = strawberry.enum_value("UNKNOWN_SETTING", description="The template has no setting of this key.")
    UNKNOWN_OPTION = strawberry.enum_value("UNKNOWN_OPTION", description="The setting has no such option.")
    DUPLICATE_SETTING = strawberry.enum_value("DUPLICATE_SETTING", description="A setting is given twice.")
    VALUE_TOO_LONG = strawberry.enum_value("VALUE_TOO_LONG", description="A value is longer than any option may be.")
    UNSURE_SCAN = strawberry.enum_value("UNSURE_SCAN", description="The scan is less sure of what it read than is taken here.")
    CAPTURED_IN_FUTURE = strawberry.enum_value(
        "CAPTURED_IN_FUTURE", description="The capture lies more than five minutes ahead of the server's clock."
    )
    STALE_VERSION = strawberry.enum_value(
        "STALE_VERSION", description="It has changed since it was read. Read it again and decide anew."
    )
    REQUEST_CLOSED = strawberry.enum_value("REQUEST_CLOSED", description="The rights request has ended; it stays as it is.")
    ALREADY_INVITED = strawberry.enum_value("ALREADY_INVITED", description="An invitation waits for this address.")
    ALREADY_MEMBER = strawberry.enum_value("ALREADY_MEMBER", description="This is a member.")
    INVITATION_CLOSED = strawberry.enum_value(
        "INVITATION_CLOSED", description="The invitation was answered or revoked; it stays as it is."
    )
    EMAIL_NOT_VERIFIED = strawberry.enum_value("EMAIL_NOT_VERIFIED", description="The account's address must be proven first.")
    DOMAIN_NOT_PROVEN = strawberry.enum_value("DOMAIN_NOT_PROVEN", description="The domain's TXT record was not found.")
    DOMAIN_TAKEN = strawberry.enum_value("DOMAIN_TAKEN", description="Another organization has proven the domain.")
    LAST_OWNER = strawberry.enum_value("LAST_OWNER", description="An organization keeps at least one owner.")
    UNKNOWN_SCOPE = strawberry.enum_value("UNKNOWN_SCOPE", description="No scope of that name exists.")
    SIGNATURE_INVALID = strawberry.enum_value(
        "SIGNATURE_INVALID", description="The signature is not that of the device over this input."
    )
    SIGNATURE_REQUIRED = strawberry.enum_value(
        "SIGNATURE_REQUIRED", description="Only signed scans are taken here: register a device and sign."
    )
    DEVICE_REVOKED = strawberry.enum_value("DEVICE_REVOKED", description="The device was revoked; register a new key.")
    NO_LONGER_KEPT = strawberry.enum_value(
        "NO_LONGER_KEPT", description="What is asked for was deleted when its retention ended."
    )
    TOO_SOON = strawberry.enum_value(
        "TOO_SOON", description="This was asked for a short while ago; `extensions.retryAt` says from when on it may be again."
    )
    NOT_SEALED = strawberry.enum_value("NOT_SEALED", description="The event waits to be sealed, for a second or so: ask again.")
    TIMED_OUT = strawberry.enum_value("TIMED_OUT", description="The database took too long; nothing was changed.")
    UNAVAILABLE = strawberry.enum_value(
        "UNAVAILABLE",
        description="The database or an issuer cannot be reached, or was lost; `extensions.written` says no, or unknown "
        "where a change may have been made.",
    )
    INTERNAL = strawberry.enum_value("INTERNAL", description="Our fault. Tell us the request id.")


class AppError(GraphQLError):
    """An error that the client sees as it is: a code, a sentence that says what to change, the field to blame."""

    def __init__(self, code: ErrorCode, message: str, *, field: str | None = None) -> None:
        super().__init__(message, extensions={"code": code.value} | ({"field": field} if field else {}))
        self.code = code

    @property
    def code_name(self) -> str:
        """The code as clients see it."""
        return self.code.name

    def copy(self) -> AppError:
        """The same error, fresh: executors write the path of a field into the one they raise."""
        return AppError(self.code, self.message, field=(self.extensions or {}).get("field"))


class SetupError(Exception):
    """What an operator must put right before the program can run: one sentence, no traceback, exit code 1."""


CONSTRAINTS: dict[str, AppError] = {}
"""Name of a database constraint -> what its violation means to a client. Filled by the nouns that own them."""


def constraint(name: str, code: ErrorCode, message: str, *, field: str | None = None) -> None:
    """Say what the violation of a named constraint means."""
    CONSTRAINTS[name] = AppError(code, message, field=field)
