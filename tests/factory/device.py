"""Devices to test with: key pairs, and scans that they sign as an extension does."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from tests.conftest import Answer, Api

REGISTER = """
mutation Register($input: RegisterDeviceInput!) {
  registerDevice(input: $input) { device { id name publicKey createdAt lastUsedAt revokedAt } }
}
"""
REVOKE = "mutation Revoke($id: ID!) { revokeDevice(id: $id) { device { id revokedAt } } }"
REQUIRE = """
mutation Require($input: RequireSignatureInput!) { requireSignature(input: $input) { link { id signedSince } } }
"""


@dataclass(frozen=True)
class Signer:
    """A key pair, and the id of its device where it is registered."""

    key: Ed25519PrivateKey
    id: str = ""

    @property
    def public_key(self) -> str:
        """As it is registered."""
        return encode(self.key.public_key().public_bytes_raw())

    def sign(self, given: dict[str, Any], *, form: str = "recordSnapshot 1") -> dict[str, Any]:
        """The input of recordSnapshot with device and signature. The moment is cut to milliseconds."""
        moment = datetime.fromisoformat(given["capturedAt"]).astimezone(UTC)
        captured_at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        named = {**given, "capturedAt": captured_at, "deviceId": self.id}
        return named | {"signature": encode(self.key.sign(canonical(named, form)))}


def encode(value: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def canonical(given: dict[str, Any], form: str = "recordSnapshot 1") -> bytes:
    """What is signed, made from what is sent and without the code of the app."""
    return f"fivefold {form}\n".encode() + rfc8785.dumps(strip(given))


def strip(value: Any) -> Any:
    """JSON without the signature, null and false."""
    if isinstance(value, dict):
        inner = {name: strip(each) for name, each in value.items() if name != "signature"}
        return {name: each for name, each in inner.items() if each is not None and each is not False}
    return [strip(each) for each in value] if isinstance(value, list) else value


def new_device() -> Signer:
    """A key pair that nobody knows yet."""
    return Signer(Ed25519PrivateKey.generate())


async def register_key(api: Api, token: str, public_key: str, **other: Any) -> Answer:
    """Ask for a key to be registered."""
    given = {"name": "Browser", "publicKey": public_key, "idempotencyKey": str(uuid4())} | other
    return await api(REGISTER, {"input": given}, token=token)


async def register(api: Api, token: str, signer: Signer | None = None, *, name: str = "Browser") -> Signer:
    """A registered device of the caller's workspace."""
    pair = signer or new_device()
    answer = await register_key(api, token, pair.public_key, name=name)
    return Signer(pair.key, answer.data["registerDevice"]["device"]["id"])


async def revoke(api: Api, token: str, device_id: str) -> Answer:
    """End a device."""
    return await api(REVOKE, {"id": device_id}, token=token)


async def require_signature(api: Api, token: str, link_id: str, *, required: bool) -> Answer:
    """Close a link to unsigned scans, or open it again."""
    return await api(REQUIRE, {"input": {"linkId": link_id, "required": required}}, token=token)
