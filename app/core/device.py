"""Devices: browsers and programs whose key signs what they send. The private half never leaves them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import rfc8785
import strawberry
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from strawberry.utils.str_converters import to_camel_case

from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, field, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File

KEY_LENGTH = 32
SIGNATURE_LENGTH = 64
UNSIGNED = frozenset({"signature"})
"""What a signature cannot cover: itself."""

constraint("device_name_length", ErrorCode.BAD_INPUT, "A name has 1 to 100 characters.", field="name")
constraint(
    "device_public_key_key",
    ErrorCode.BAD_INPUT,
    "This key is registered already. Go on with its device, or make a new key pair: a revoked key does not come back.",
    field="publicKey",
)


@strawberry.type(description="A browser or program that signs what it sends: what others make up in its name is refused.")
class Device(Node):
    """Revoked ones stay in the list."""

    node_statement = "core/device.edge_device"

    public_key: strawberry.Private[bytes]

    name: str
    created_at: datetime
    last_used_at: datetime | None = strawberry.field(
        description="When it last signed something new; noted at most once a minute."
    )
    revoked_at: datetime | None

    @field(name="publicKey", description="Its Ed25519 key, 32 bytes as base64url.")
    def public_key_text(self) -> str:
        """43 characters."""
        return encode(self.public_key)


sql = File("core/device")
devices_by_id = sql.edge("edge_device", Device)
insert_device = sql.one("insert_device", Device)
page_device = sql.page("page_device", Device)
revoke = sql.one("revoke_device", Device)
update_device_use = sql.exec("update_device_use")


def encode(value: bytes) -> str:
    """base64url without padding, as JSON Web Keys have it."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def decode(text: str, length: int) -> bytes | None:
    """The bytes of a base64url text without padding; None for any other text, also for another spelling of the same bytes."""
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return value if len(value) == length and encode(value) == text else None


def canonical(form: str, given: Any) -> bytes:
    """What is signed: a line that says what it is, and RFC 8785 JSON of the input, see ``plain``."""
    return f"fivefold {form}\n".encode() + rfc8785.dumps(plain(given))


def plain(given: Any) -> Any:
    """An input as a client sends it, without what is null or false and without the signature; a DateTime in UTC, milliseconds.

    A field that is added to an input later is signed as soon as a client sends it.
    """
    if is_dataclass(given):
        sent = {to_camel_case(f.name): plain(getattr(given, f.name)) for f in fields(given) if f.name not in UNSIGNED}
        return {name: value for name, value in sent.items() if value is not None and value is not False}
    if isinstance(given, list):
        return [plain(item) for item in given]
    if isinstance(given, datetime):
        return given.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return given.name if isinstance(given, Enum) else given


async def verify(db: Db, form: str, given: Any) -> Device | None:
    """The device that has signed an input, revoked or not; None when nobody says so. Raises AppError.

    ``given`` has ``device_id`` and ``signature``.
    """
    if given.device_id is None and given.signature is None:
        return None
    if given.device_id is None or given.signature is None:
        missing = "deviceId" if given.device_id is None else "signature"
        raise AppError(ErrorCode.BAD_INPUT, "Send deviceId and signature, both or neither.", field=missing)
    device_id = parse_uuid(given.device_id, "Device", field="deviceId")
    (device,) = await devices_by_id(db, ids=[device_id])
    if device is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such device in this workspace.", field="deviceId")
    signature = decode(given.signature, SIGNATURE_LENGTH)
    try:
        if signature is None:
            raise BadSignatureError
        VerifyKey(device.public_key).verify(canonical(form, given), signature)
    except (BadSignatureError, ValueError):  # the second of text that no JSON can hold
        raise AppError(
            ErrorCode.SIGNATURE_INVALID,
            "The signature is not this device's over this input. Sign the bytes that the page for extension developers "
            "describes, and send 64 bytes as base64url without padding.",
            field="signature",
        ) from None
    return device


def refuse_revoked(device: Device) -> None:
    """Raise DEVICE_REVOKED. When it was captured does not count: whoever holds the key writes any moment."""
    if device.revoked_at is not None:
        raise AppError(
            ErrorCode.DEVICE_REVOKED,
            "This device was revoked, and nothing that it signed is taken any more. Register a new key.",
            field="deviceId",
        )


async def note_use(db: Db, device: Device) -> None:
    """Note that something it signed was taken."""
    if device.last_used_at is None or device.last_used_at < datetime.now(UTC) - timedelta(minutes=1):
        await update_device_use(db, id=device.id)


@strawberry.input(description="A device's public key, and what people call it.")
class RegisterDeviceInput:
    """``public_key`` is the raw Ed25519 key."""

    name: str
    public_key: str = strawberry.field(description="Raw Ed25519 public key, 32 bytes as base64url without padding.")
    idempotency_key: str


@strawberry.type(description="The registered device.")
class RegisterDevicePayload:
    """The registered device."""

    device: Device


@strawberry.type(description="The device whose signature counts no longer.")
class RevokeDevicePayload:
    """The device whose signature counts no longer."""

    device: Device


@strawberry.type
class DeviceQuery:
    """Root fields that read devices."""

    @query()
    async def devices(self, info: Info, first: int = 20, after: str | None = None) -> Page[Device] | None:
        """The devices of the active workspace, newest first, revoked ones too."""
        return await page(page_device, info.context.db, first, after)


@strawberry.type
class DeviceMutation:
    """Root fields that register and revoke devices."""

    @mutation("snapshots:write")
    async def register_device(self, info: Info, input: RegisterDeviceInput) -> RegisterDevicePayload | None:
        """Make a device's key known, once. What it signs from now on can be told from a forgery."""
        db = info.context.db
        async with db.transaction():
            done = await claim(db, "registerDevice", input.idempotency_key, [input.name, input.public_key])
            if done is None:
                device = await insert_device(db, name=input.name, public_key=check_key(input.public_key))
                assert device is not None
                await settle(db, "registerDevice", input.idempotency_key, device.id)
            else:
                (device,) = await devices_by_id(db, ids=[done.result_id])
                assert device is not None
        return RegisterDevicePayload(device=device)

    @mutation()
    async def revoke_device(self, info: Info, id: strawberry.ID) -> RevokeDevicePayload | None:
        """End a device's signature at once. Revoking it again changes nothing."""
        device_id = parse_uuid(id, "Device", field="id")
        async with info.context.db.transaction():
            revoked = await revoke(info.context.db, id=device_id)
        if revoked is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no such device in this workspace.", field="id")
        return RevokeDevicePayload(device=revoked)


def check_key(text: str) -> bytes:
    """A public key under which only its owner can sign. Raises BAD_INPUT for a point of low order or off the curve, too."""
    key = decode(text, KEY_LENGTH)
    if key is None:
        message = "publicKey is not a raw Ed25519 key: 32 bytes as base64url without padding, 43 characters."
        raise AppError(ErrorCode.BAD_INPUT, message, field="publicKey")
    if not crypto_core_ed25519_is_valid_point(key):
        message = "publicKey is no key that Ed25519 would make: under a weak one anybody's signature holds. Make a new pair."
        raise AppError(ErrorCode.BAD_INPUT, message, field="publicKey")
    return key
