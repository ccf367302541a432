"""Signed notes and checkpoints, the formats of transparency logs (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).

A note is a text, an empty line, and a line for each signature::

    fivefold/audit
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — fivefold/audit Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/...

The first three lines are the log's name, its number of leaves and the root of its tree; others may follow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, load_pem_public_key

from app.kit.errors import SetupError

MAX_BYTES = 1 << 20
_ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies notes; ``id`` is the hint by which its signatures are found."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that name the key and whose it is."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether the signature of a note's text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs notes of one log."""

    public: PublicKey
    _key: Ed25519PrivateKey

    def sign(self, text: str) -> bytes:
        """64 bytes."""
        return self._key.sign(text.encode())


@dataclass(frozen=True)
class Checkpoint:
    """A note about a log. ``text`` is what is signed, ``signatures`` are (name of a key, its id, signature)."""

    text: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def signed_by(self, key: PublicKey) -> bool:
        """Whether one of the signatures is the key's."""
        mine = [signature for name, id_, signature in self.signatures if (name, id_) == (key.name, key.id)]
        return any(key.verifies(self.text, signature) for signature in mine)


def write_note(text: str, name: str, key_id: bytes, signature: bytes) -> str:
    """A text with its one signature."""
    return f"{text}\n— {name} {base64.b64encode(key_id + signature).decode()}\n"


def read_checkpoint(note: str) -> Checkpoint:
    """Take a note apart; its signatures are not verified here. Raises ValueError with a sentence."""
    text, separator, rest = note.rpartition("\n\n")
    lines = text.split("\n")
    if len(note.encode()) > MAX_BYTES or not separator or not rest.endswith("\n") or len(lines) < 3 or "" in lines:
        raise ValueError("This is no checkpoint: it has a text of three lines or more, an empty line, and signatures.")
    signatures = []
    for line in rest[:-1].split("\n"):
        match = _SIGNATURE.fullmatch(line)
        try:
            raw = base64.b64decode(match[2], validate=True) if match else b""
        except binascii.Error:
            raw = b""
        if match is None or len(raw) < 5:
            raise ValueError("This is no checkpoint: a line below the empty one is no signature.")
        signatures.append((match[1], raw[:4], raw[4:]))
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error:
        root = b""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]) or len(root) != 32:
        raise ValueError("This is no checkpoint: its second line is a number, its third a hash in base64.")
    return Checkpoint(text + "\n", lines[0], int(lines[1]), root, tuple(signatures))


def check_name(name: str) -> str:
    """A log's name, or SetupError."""
    if not _NAME.fullmatch(name):
        raise SetupError("FIVEFOLD_AUDIT_ORIGIN: the name of a log has neither spaces nor +, such as example.com/audit")
    return name


def read_private_key(path: Path, name: str) -> PrivateKey:
    """The Ed25519 key in a PEM file, to sign as ``name``. Raises SetupError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SetupError(f"FIVEFOLD_AUDIT_KEY: cannot read the key {path}: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SetupError(f"FIVEFOLD_AUDIT_KEY: {path} is not an Ed25519 key")
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PrivateKey(PublicKey(check_name(name), raw), key)


def read_public_key(path: Path, name: str) -> PublicKey:
    """A key to verify with: a PEM file, public or private, or a line ``name+id+base64``. Raises SetupError."""
    try:
        data = path.read_bytes()
        if b"PRIVATE KEY" in data:
            return read_private_key(path, name).public
        if b"PUBLIC KEY" in data:
            key = load_pem_public_key(data)
            if not isinstance(key, Ed25519PublicKey):
                raise SetupError(f"{path} is not an Ed25519 key")
            return PublicKey(name, key.public_bytes(Encoding.Raw, PublicFormat.Raw))
        return parse_public_key(data.decode().strip())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SetupError(f"cannot read the key {path}: {error}") from error


def parse_public_key(line: str) -> PublicKey:
    """``name+id+base64``, as ``str(key)`` writes it. Raises ValueError."""
    parts = line.split("+", 2)
    raw = base64.b64decode(parts[2], validate=True) if len(parts) == 3 else b""
    if len(raw) != 33 or raw[:1] != _ED25519:
        raise ValueError("a key is written name+id+base64, or is a PEM file")
    key = PublicKey(parts[0], raw[1:])
    if parts[1] != key.id.hex():
        raise ValueError("the key's id is not that of its name and bytes")
    return key
