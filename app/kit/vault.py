"""The vault: what must be read again and never lies anywhere in clear, sealed with AES-256-GCM.

Two floors. Values are sealed with a data key; data keys are sealed ("wrapped") with a key of the operator, which is in no
database. A sealed value names the key that opens it and is bound to its place: in another row it does not open.

    version (1 byte) | id of the key (16) | nonce (12) | ciphertext and tag

Nonces are 96 random bits: a key may seal 2**32 values before two of them come near to meeting, and a data key seals those of
one workspace. What cannot be opened says nothing of why, and no error holds a key or a value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.kit.errors import SetupError

KEY_BYTES = 32
VERSION = b"\x01"
_HEADER, _NONCE, _TAG = 17, 12, 16
OVERHEAD = _HEADER + _NONCE + _TAG
"""So many bytes longer than the value is what it is sealed into."""
_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)?")


class VaultSettings(Protocol):
    """What the operator says of the vault, see app/settings.py."""

    vault_keys: list[Path]


class Sealed(Exception):
    """It does not open: altered, cut off, moved from its place, or sealed with another key. Which of these is not told."""

    def __init__(self) -> None:
        super().__init__("a sealed value cannot be opened")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lies: table, column, row, workspace. It opens nowhere else."""

    table: str
    column: str
    row_id: UUID
    workspace_id: UUID

    def __bytes__(self) -> bytes:
        """The associated data. No part can hold the separator, so no two places have the same."""
        assert _NAME.fullmatch(self.table)
        assert _NAME.fullmatch(self.column)
        return f"{self.table}|{self.column}|{self.row_id}|{self.workspace_id}".encode()


@dataclass(frozen=True, slots=True)
class Key:
    """256 bits and the name by which sealed values know them. Showing it shows the name."""

    id: UUID
    secret: bytes = field(repr=False)

    def seal(self, place: Place, value: bytes) -> bytes:
        """The value, to be opened with this key at this place alone."""
        header, nonce = VERSION + self.id.bytes, os.urandom(_NONCE)
        return header + nonce + AESGCM(self.secret).encrypt(nonce, value, header + bytes(place))

    def open(self, place: Place, sealed: bytes) -> bytes:
        """The value. Raises Sealed."""
        if len(sealed) < OVERHEAD or key_id(sealed) != self.id:
            raise Sealed
        header, nonce, rest = sealed[:_HEADER], sealed[_HEADER : _HEADER + _NONCE], sealed[_HEADER + _NONCE :]
        try:
            return AESGCM(self.secret).decrypt(nonce, rest, header + bytes(place))
        except InvalidTag:
            raise Sealed from None


def key_id(sealed: bytes) -> UUID:
    """By which key it was sealed, as it says of itself. Raises Sealed."""
    if len(sealed) < OVERHEAD or sealed[:1] != VERSION:
        raise Sealed
    return UUID(bytes=sealed[1:_HEADER])


class Vault:
    """The operator's keys: the first seals, every one opens. Rotate by putting a new one first."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = {key.id: key for key in keys}
        self.first = keys[0].id if keys else None

    @property
    def key_ids(self) -> list[UUID]:
        """The names of all, the one that seals first."""
        return list(self._keys)

    def seal(self, place: Place, value: bytes) -> bytes:
        """The value, sealed with the first key. Raises SetupError where there is none."""
        if self.first is None:
            raise SetupError(UNSET)
        return self._keys[self.first].seal(place, value)

    def open(self, place: Place, sealed: bytes) -> bytes:
        """The value. Raises Sealed, also where the key that it names is not here."""
        key = self._keys.get(key_id(sealed))
        if key is None:
            raise Sealed
        return key.open(place, sealed)

    def digests(self, purpose: str, data: bytes) -> list[bytes]:
        """A hash of 32 bytes for each key, the one that seals first: nobody without the key can tell what it is of."""
        return [hmac.digest(hmac.digest(key.secret, f"fivefold {purpose}".encode(), "sha256"), data, "sha256")
                for key in self._keys.values()]  # fmt: skip


UNSET = (
    "FIVEFOLD_VAULT_KEYS is not set, and secrets are kept sealed: make a key with `openssl rand -base64 32 > vault.key` "
    "and set it to the path of that file"
)


def vault_of(settings: VaultSettings) -> Vault:
    """The vault by the settings; its files are read once. Raises SetupError, which names the file and not what it holds."""
    return _read(tuple(settings.vault_keys))


@lru_cache(maxsize=64)
def _read(paths: tuple[Path, ...]) -> Vault:
    keys = [_load(path) for path in paths]
    if len({key.id for key in keys}) < len(keys):
        raise SetupError("FIVEFOLD_VAULT_KEYS names the same key twice")
    return Vault(keys)


def _load(path: Path) -> Key:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SetupError(f"FIVEFOLD_VAULT_KEYS: cannot read {path}: {error.strerror}") from None
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise SetupError(f"FIVEFOLD_VAULT_KEYS: {path} is not a key: 32 random bytes in base64, as `openssl rand -base64 32`")
    return named(secret)


def named(secret: bytes) -> Key:
    """A key of the operator. Its name is made of it, so nobody has to choose one; it tells nothing of 256 random bits."""
    return Key(UUID(bytes=hashlib.sha256(b"fivefold vault key\n" + secret).digest()[:16]), secret)


def create_key(path: Path) -> None:
    """Write a fresh key, readable by its owner alone. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")


def new_key() -> Key:
    """A fresh data key."""
    return Key(new_id(), os.urandom(KEY_BYTES))


def new_id() -> UUID:
    """A uuidv7 (RFC 9562), for a row that holds a sealed value: the value names its row before there is one."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=number & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62)
