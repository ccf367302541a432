"""The payment provider: Stripe, by its own library, in threads and with time-outs. What is sent twice has the same key.

Its answers come back as plain dictionaries. Without a secret key there is none, and whoever asks is told so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from app.kit.errors import AppError, ErrorCode
from app.kit.log import log

if TYPE_CHECKING:
    import stripe

TIMEOUT = 15.0
RETRIES = 2
"""The library's own, with the same idempotency key."""
TOLERANCE = 300
"""Seconds that a signature may be old."""


class BillingSettings(Protocol):
    """What the operator says of payments, see app/settings.py."""

    stripe_secret_key: SecretStr
    stripe_webhook_secrets: Sequence[SecretStr]
    stripe_url: str
    billing_return_url: str
    billing_grace_days: int


@lru_cache(maxsize=4)
def _client(key: str, url: str) -> stripe.StripeClient:
    import stripe  # large, and few installations take payments

    return stripe.StripeClient(
        key,
        base_addresses={"api": url},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=TIMEOUT),
    )


def is_configured(settings: BillingSettings) -> bool:
    """Whether there is a provider to ask."""
    return bool(settings.stripe_secret_key.get_secret_value())


async def ask(settings: BillingSettings, call: Callable[[stripe.StripeClient], Any]) -> dict[str, Any]:
    """Let the provider do something. Raises BILLING_NOT_CONFIGURED, BILLING_UNAVAILABLE, IDEMPOTENCY_CONFLICT.

    Call it outside of any transaction: it takes as long as it takes.
    """
    if not is_configured(settings):
        raise AppError(
            ErrorCode.BILLING_NOT_CONFIGURED,
            "This installation takes no payments: its operator has set no FIVEFOLD_STRIPE_SECRET_KEY.",
        )
    import stripe

    client = _client(settings.stripe_secret_key.get_secret_value(), settings.stripe_url)
    try:
        answer = await asyncio.to_thread(call, client)
    except stripe.IdempotencyError:
        raise AppError(
            ErrorCode.IDEMPOTENCY_CONFLICT,
            "This idempotency key was used with other input. Use a new key for new input.",
            field="idempotencyKey",
        ) from None
    except stripe.StripeError as error:  # its text may repeat what was sent, the key among it
        log.error("payment provider", reason=type(error).__name__, status=error.http_status, code=error.code)
        raise AppError(
            ErrorCode.BILLING_UNAVAILABLE, "The payment provider did not take this. Nothing was charged; try again later."
        ) from None
    found: dict[str, Any] = answer.to_dict()
    return found


def is_signed(settings: BillingSettings, body: bytes, header: str | None) -> bool:
    """Whether the provider sent it, not longer ago than TOLERANCE. Any of the secrets will do: they are rotated."""
    import stripe

    for secret in settings.stripe_webhook_secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret.get_secret_value(), TOLERANCE)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        return True
    return False
