"""Bearer tokens: JWTs signed with Ed25519, one algorithm, verified as strictly as the standard allows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from app.kit.errors import AppError, ErrorCode, SetupError
from app.kit.vault import VaultSettings, vault_of

ISSUER = "fivefold"
AUDIENCE = "fivefold-api"
ALGORITHM = "EdDSA"

NO_KEY = "no signing key: set FIVEFOLD_JWT_KEYS to the path of an Ed25519 private key in PEM form"
MAX_TOKEN_BYTES = 8192
CACHE_SECONDS = 60.0
CACHE_SIZE = 10_000
FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""RFC 7515: base64url without padding. The library takes padding too, which would be a second spelling of the same token."""
REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit"})
"""Header parameters by which a token could bring its own key, or extensions that we do not understand."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What another issuer says of a person.

    ``acceptable``: it is enough for an account. ``proven``: the issuer is trusted to know that the address is the person's.
    """

    email: str | None
    name: str | None
    acceptable: bool
    proven: bool


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. ``scopes`` None means all that the account may do."""

    issuer: str
    subject: str
    workspace_id: UUID | None
    scopes: frozenset[str] | None
    expires_at: float
    issued_at: float = 0.0
    signed_in_at: float | None = None
    """When the person showed who it is, as far as the token tells; a session knows it better."""
    session_id: UUID | None = None
    profile: Profile | None = None
    """Of other issuers' tokens: what an account is made from when nobody has come with this subject before."""


class Others(Protocol):
    """Issuers beside ourselves, see app/kit/jwks.py."""

    async def verify(self, token: str) -> Claims | None:
        """The claims of a token of theirs; None where it names none of them."""


class KeyRing:
    """The keys of FIVEFOLD_JWT_KEYS: every one verifies, the first private one signs. Rotate by putting a new one first."""

    def __init__(self, paths: list[Path], others: Others | None = None, vault: VaultSettings | None = None) -> None:
        """``vault`` names those who were erased, for ``digests``."""
        self._others, self._vault = others, vault
        self._public: dict[str, Ed25519PublicKey] = {}
        self._signing: tuple[str, Ed25519PrivateKey] | None = None
        self._verified: dict[bytes, tuple[float, Claims]] = {}
        for path in paths:
            private, public = _load(path)
            kid = _thumbprint(public)
            self._public[kid] = public
            if private is not None and self._signing is None:
                self._signing = (kid, private)

    def sign(
        self,
        subject: str,
        *,
        lifetime: timedelta,
        workspace_id: UUID | None = None,
        scopes: list[str] | None = None,
        session_id: UUID | None = None,
    ) -> str:
        """A token for one subject. Raises SetupError when there is no private key."""
        if self._signing is None:
            raise SetupError(NO_KEY)
        kid, key = self._signing
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
        }
        if workspace_id is not None:
            claims["workspace"] = str(workspace_id)
        if scopes is not None:
            claims["scope"] = " ".join(scopes)
        if session_id is not None:
            claims["sid"] = str(session_id)
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid})

    def derive(self, purpose: str, data: bytes) -> bytes:
        """32 bytes that nobody can compute without the signing key: the same for the same. Raises SetupError as ``sign``."""
        if self._signing is None:
            raise SetupError(NO_KEY)
        secret = self._signing[1].private_bytes_raw()
        own = hmac.digest(secret, f"fivefold {purpose}".encode(), "sha256")
        return hmac.digest(own, data, "sha256")

    def digests(self, purpose: str, data: bytes) -> list[bytes]:
        """As the vault's; none where there is no vault."""
        return [] if self._vault is None or not self._vault.vault_keys else vault_of(self._vault).digests(purpose, data)

    async def identify(self, token: str) -> Claims:
        """The claims of a token, ours or another issuer's. Raises UNAUTHENTICATED, UNAVAILABLE."""
        theirs = None if self._others is None else await self._others.verify(token)
        return self.verify(token) if theirs is None else theirs

    def verify(self, token: str) -> Claims:
        """The claims of a token. Raises UNAUTHENTICATED. A verified token is remembered for a minute at most."""
        if len(token) > MAX_TOKEN_BYTES:
            raise AppError(ErrorCode.UNAUTHENTICATED, "This token is too long.")
        digest = hashlib.sha256(token.encode()).digest()
        now = time.time()
        known = self._verified.get(digest)
        if known is None or known[0] < now:
            claims = self._verify(token)
            if len(self._verified) >= CACHE_SIZE:
                self._verified.clear()
            known = self._verified[digest] = (now + CACHE_SECONDS, claims)
        if known[1].expires_at <= now:
            raise AppError(ErrorCode.UNAUTHENTICATED, "This token has expired. Get a new one.")
        return known[1]

    def _verify(self, token: str) -> Claims:
        refused = AppError(ErrorCode.UNAUTHENTICATED, "This token is not valid.")
        if not FORM.fullmatch(token):
            raise refused
        try:
            header = jwt.get_unverified_header(token)
            key = self._public.get(str(header.get("kid")))
            if key is None or header.get("alg") != ALGORITHM or REFUSED_HEADERS & header.keys():
                raise refused
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["iss", "aud", "sub", "iat", "exp"]},
            )
            workspace = claims.get("workspace")
            scope = claims.get("scope")
            session = claims.get("sid")
            return Claims(
                issuer=claims["iss"],
                subject=claims["sub"],
                workspace_id=UUID(workspace) if workspace is not None else None,
                scopes=frozenset(scope.split()) if scope is not None else None,
                expires_at=float(claims["exp"]),
                issued_at=float(claims["iat"]),
                signed_in_at=float(claims["iat"]) if session is None else None,
                session_id=UUID(session) if session is not None else None,
            )
        except jwt.ExpiredSignatureError:
            raise AppError(ErrorCode.UNAUTHENTICATED, "This token has expired. Get a new one.") from None
        except (jwt.PyJWTError, ValueError, AttributeError, TypeError, RecursionError):
            raise refused from None


def create_key(path: Path) -> None:
    """Write a new private key in PEM form, readable by nobody else."""
    path.touch(mode=0o600)
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _load(path: Path) -> tuple[Ed25519PrivateKey | None, Ed25519PublicKey]:
    try:
        pem = path.read_bytes()
        if b"PRIVATE KEY" in pem:
            private = load_pem_private_key(pem, password=None)
            if isinstance(private, Ed25519PrivateKey):
                return private, private.public_key()
        else:
            public = load_pem_public_key(pem)
            if isinstance(public, Ed25519PublicKey):
                return None, public
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SetupError(f"FIVEFOLD_JWT_KEYS: cannot read the key {path}: {error}") from error
    raise SetupError(f"FIVEFOLD_JWT_KEYS: {path} is not an Ed25519 key; tokens are signed with EdDSA only")


def _thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: the key's own name, so that no two keys share an id."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
