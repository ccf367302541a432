"""Tokens that others signed: their keys by name, fetched within bounds, and what a token must be to be believed.

One key has one algorithm, which its type says, and only algorithms with a private half count: a public key can never be taken
for a shared secret. The keys are fetched when they are first needed, again when they are old, and when a token names one that
is not known, but then at most twice a minute, however many such tokens come. While the issuer cannot be reached, the keys that
are known serve on for some hours.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.kit.errors import AppError, ErrorCode
from app.kit.fetch import FetchError, check_url, fetch_json
from app.kit.log import log
from app.kit.token import CACHE_SECONDS, CACHE_SIZE, FORM, ISSUER, MAX_TOKEN_BYTES, REFUSED_HEADERS, Claims, Profile

Algorithm = Literal["RS256", "ES256", "EdDSA"]
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

MAX_KEYS = 100
FRESH_SECONDS = 600.0
"""Keys older than that are fetched again, beside the request that finds them so."""
WAIT_SECONDS = 1200.0
"""Keys older than that are fetched before they are used, unless the last try failed."""
STALE_SECONDS = 6 * 3600.0
"""Keys older than that are used no more, even while the issuer cannot be reached."""
PAUSE_SECONDS = 30.0
"""The least time between two fetches."""
LEEWAY_SECONDS = 30
MAX_NAME_LENGTH = 400
BEARER_TYPES = frozenset({"", "jwt", "at+jwt"})
ID_TOKEN_TYPES = frozenset({"", "jwt"})

Fetch = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True)
class Key:
    """A public key. ``issuer`` is whose tokens it signs, where a set has keys of several (Microsoft's has)."""

    algorithm: str
    public: PublicKey
    issuer: str | None


def read_keys(document: Any) -> dict[str, Key]:
    """The keys of a JSON Web Key Set that we can use, by name; one without a name is ''. Raises ValueError where it is none."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("is no key set")
    found: dict[str, Key] = {}
    for each in keys[:MAX_KEYS]:
        key = _read_key(each) if isinstance(each, dict) else None
        name = each.get("kid", "") if isinstance(each, dict) else ""
        if key is not None and isinstance(name, str) and len(name) <= MAX_NAME_LENGTH:
            found.setdefault(name, key)
    return found


def _read_key(jwk: dict[str, Any]) -> Key | None:
    """None for a key that does not sign, is too weak, or of a kind that we do not use. One with its private half is lost."""
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]) or "d" in jwk or "k" in jwk:
        return None
    public: Any
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "RSA", _:
                algorithm, public = "RS256", RSAAlgorithm.from_jwk(jwk)
                usable = isinstance(public, RSAPublicKey) and 2048 <= public.key_size <= 8192
                usable = usable and 3 <= public.public_numbers().e < 2**32
            case "EC", "P-256":
                algorithm, public = "ES256", ECAlgorithm.from_jwk(jwk)
                usable = isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1)
            case "OKP", "Ed25519":
                algorithm, public = "EdDSA", OKPAlgorithm.from_jwk(jwk)
                usable = isinstance(public, Ed25519PublicKey)
            case _:
                return None
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    stated, issuer = jwk.get("alg", algorithm), jwk.get("issuer")
    if not usable or stated not in (algorithm, "Ed25519" if algorithm == "EdDSA" else algorithm):
        return None
    return Key(algorithm, public, issuer if isinstance(issuer, str) else None)


class KeySet:
    """The keys behind one address, which may have to be asked for first."""

    def __init__(
        self,
        url: str | Callable[[], Awaitable[str]],
        *,
        fetch: Fetch = fetch_json,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._fetch, self._clock = url, fetch, clock
        self._keys: dict[str, Key] = {}
        self._read_at = self._tried_at = -STALE_SECONDS - PAUSE_SECONDS + clock()
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    async def find(self, name: str | None) -> Key | None:
        """The key of this name, or the only one where a token names none. None where there is none. Raises UNAVAILABLE.

        Who asks for a key that is known never waits because others ask for some that are not.
        """
        age = self._clock() - self._read_at
        known = self._choose(name) if age <= STALE_SECONDS else None
        if known is not None and age > FRESH_SECONDS:
            task = self._refresh()
            if task is not None and age > WAIT_SECONDS and not self._failed:
                await asyncio.shield(task)
                known = self._choose(name)
        elif known is None:
            task = self._refresh()
            if task is not None:
                await asyncio.shield(task)
            if self._clock() - self._read_at > STALE_SECONDS:
                raise AppError(ErrorCode.UNAVAILABLE, "The keys of this token's issuer cannot be read now. Try again later.")
            known = self._choose(name)
        return known

    def _choose(self, name: str | None) -> Key | None:
        if name is not None:
            return self._keys.get(name)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _refresh(self) -> asyncio.Task[None] | None:
        """The fetch under way, a new one if it is time, else None."""
        if self._task is not None and not self._task.done():
            return self._task
        if self._clock() - self._tried_at < PAUSE_SECONDS:
            return None
        self._tried_at = self._clock()
        self._task = asyncio.create_task(self._read())
        return self._task

    async def _read(self) -> None:
        """Nothing is raised: who waits finds the keys, or that there are none."""
        try:
            url = self._url if isinstance(self._url, str) else await self._url()
            self._keys = read_keys(await self._fetch(url))
            self._read_at, self._failed = self._clock(), False
        except (FetchError, ValueError, TypeError) as error:
            self._failed = True
            log.warning("keys cannot be read", problem=str(error)[:300])


def peek(token: str) -> dict[str, Any]:
    """What the middle of a token says, unproven; nothing where it is none. Nothing longer than a token may be is decoded."""
    if len(token) > MAX_TOKEN_BYTES or token.count(".") != 2:
        return {}
    try:
        text = token.split(".")[1].encode()
        claims = orjson.loads(jwt.utils.base64url_decode(text))
    except (ValueError, TypeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def refused() -> AppError:
    """The answer to whatever is not as it must be: which part it was is of use to forgers only."""
    return AppError(ErrorCode.UNAUTHENTICATED, "This token is not valid.")


async def verify(
    token: str,
    keys: KeySet,
    *,
    algorithm: str,
    issuer: str,
    audience: Sequence[str],
    types: frozenset[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, believed. Without ``audience`` the caller asks whom it is for.

    Raises UNAUTHENTICATED, or UNAVAILABLE where the keys cannot be had.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise AppError(ErrorCode.UNAUTHENTICATED, "This token is too long.")
    if not FORM.fullmatch(token):
        raise refused()
    try:
        header = jwt.get_unverified_header(token)
        kid, type_ = header.get("kid"), header.get("typ", "")
        if header.get("alg") != algorithm or REFUSED_HEADERS & header.keys() or not isinstance(type_, str):
            raise refused()
        if type_.lower().removeprefix("application/") not in types or not (kid is None or isinstance(kid, str)):
            raise refused()
        key = await keys.find(kid)
        if key is None or key.algorithm != algorithm:
            raise refused()
        claims = jwt.decode(
            token,
            key.public,
            algorithms=[algorithm],
            audience=list(audience) or None,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "iat", "exp", *(["aud"] if audience else [])], "verify_aud": bool(audience)},
        )
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_NAME_LENGTH or not subject.isprintable():
            raise refused()
        # A token that says that somebody signed out, or that is good only with a key of its holder's, is none to sign in with.
        if "events" in claims or "cnf" in claims:
            raise refused()
        if key.issuer is not None and key.issuer.replace("{tenantid}", str(claims.get("tid"))) != claims["iss"]:
            raise refused()
    except jwt.ExpiredSignatureError:
        raise AppError(ErrorCode.UNAUTHENTICATED, "This token has expired. Get a new one.") from None
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError, KeyError, OverflowError, RecursionError):
        raise refused() from None
    return header, claims


class IssuerConfig(BaseModel):
    """An issuer whose tokens open accounts here. One of ``audience`` and ``authorized_parties`` must be given.

    Claim names that are lists lead into objects: ["user_metadata", "name"].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    audience: list[str] = []
    authorized_parties: list[str] = []
    algorithm: Algorithm = "RS256"
    jwks_url: str = ""
    discovery_url: str = ""
    email_claim: str | list[str] = "email"
    email_verified_claim: str | list[str] = "email_verified"
    name_claim: str | list[str] = "name"
    require_verified_email: bool = True
    trust_email: bool = False

    @field_validator("algorithm", mode="before")
    @classmethod
    def refuse_shared_secrets(cls, value: object) -> object:
        """Who can check such a signature can make it too."""
        if isinstance(value, str) and value.upper().startswith("HS"):
            raise ValueError(
                f"{value} signs with a shared secret and is not taken: switch the issuer to asymmetric keys"
                " (Supabase: Settings, JWT Keys, migrate to ES256) and set algorithm to RS256, ES256 or EdDSA"
            )
        return value

    @field_validator("audience", "authorized_parties", mode="before")
    @classmethod
    def list_one(cls, value: object) -> object:
        """One may be given as itself."""
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def complete(self) -> IssuerConfig:
        """Whom a token is for must be asked, and where the keys are must be known."""
        if self.issuer == ISSUER:
            raise ValueError(f"the issuer {ISSUER} is this service itself")
        if not (self.audience or self.authorized_parties) or not all([*self.audience, *self.authorized_parties]):
            raise ValueError(f"{self.issuer}: give audience (claim aud) or authorized_parties (claim azp): whom tokens are for")
        if self.jwks_url and self.discovery_url:
            raise ValueError(f"{self.issuer}: give jwks_url or discovery_url, not both")
        for url in (self.jwks_url, self.discovery_url or (not self.jwks_url and discovery_of(self.issuer))):
            if url:
                try:
                    check_url(url)
                except ValueError as error:
                    raise ValueError(f"{self.issuer}: {url} {error}") from None
        return self


def discovery_of(issuer: str) -> str:
    """Where OpenID Connect says that an issuer describes itself."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


class Issuer:
    """One issuer, with its keys."""

    def __init__(self, config: IssuerConfig, fetch: Fetch) -> None:
        self.config, self._fetch = config, fetch
        self.keys = KeySet(config.jwks_url or self._discover, fetch=fetch)

    async def _discover(self) -> str:
        """The address of the keys, as the issuer's own description says it. Raises FetchError, ValueError."""
        document = await self._fetch(self.config.discovery_url or discovery_of(self.config.issuer))
        if not isinstance(document, dict) or document.get("issuer") != self.config.issuer:
            raise ValueError(f"what should describe {self.config.issuer} describes another issuer")
        return check_url(str(document.get("jwks_uri")))

    async def verify(self, token: str) -> Claims:
        """Who stands behind a token. Raises UNAUTHENTICATED, UNAVAILABLE."""
        config = self.config
        _, claims = await verify(
            token,
            self.keys,
            algorithm=config.algorithm,
            issuer=config.issuer,
            audience=config.audience,
            types=BEARER_TYPES,
        )
        if config.authorized_parties and claims.get("azp") not in config.authorized_parties:
            raise refused()
        verified = _claim(claims, config.email_verified_claim) is True
        return Claims(
            issuer=config.issuer,
            subject=claims["sub"],
            workspace_id=None,
            scopes=None,
            expires_at=float(claims["exp"]),
            issued_at=float(claims["iat"]),
            signed_in_at=_signed_in_at(claims),
            profile=Profile(
                email=read_address(_claim(claims, config.email_claim)),
                name=read_name(_claim(claims, config.name_claim)),
                acceptable=verified or not config.require_verified_email,
                proven=verified and config.trust_email,
            ),
        )


class Issuers:
    """Those whose tokens are taken beside our own. A verified token is remembered for a minute at most."""

    def __init__(self, configs: Sequence[IssuerConfig] = (), *, fetch: Fetch = fetch_json) -> None:
        self._issuers = {config.issuer: Issuer(config, fetch) for config in configs}
        self._verified: dict[bytes, tuple[float, Claims]] = {}

    def find(self, token: str) -> Issuer | None:
        """The issuer that a token names, if it is one of them. Nothing is proven by that."""
        name = peek(token).get("iss") if self._issuers else None
        return self._issuers.get(name) if isinstance(name, str) else None

    async def verify(self, token: str) -> Claims | None:
        """The claims of a token; None where it names none of the issuers. Raises UNAUTHENTICATED, UNAVAILABLE."""
        issuer = self.find(token)
        if issuer is None:
            return None
        digest, now = hashlib.sha256(token.encode()).digest(), time.time()
        known = self._verified.get(digest)
        if known is None or known[0] < now:
            claims = await issuer.verify(token)
            if len(self._verified) >= CACHE_SIZE:
                self._verified.clear()
            known = self._verified[digest] = (min(now + CACHE_SECONDS, claims.expires_at), claims)
        return known[1]


def _signed_in_at(claims: dict[str, Any]) -> float | None:
    """OpenID Connect's auth_time; None where the issuer does not tell. That a token is new tells nothing: it is refreshed."""
    told = claims.get("auth_time")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= time.time() + LEEWAY_SECONDS:
        return float(told)
    return None


def _claim(claims: Mapping[str, Any], name: str | list[str]) -> Any:
    found: Any = claims
    for each in [name] if isinstance(name, str) else name:
        found = found.get(each) if isinstance(found, dict) else None
    return found


def read_address(value: Any) -> str | None:
    """An e-mail address that somebody else states; None where it is none. It is never repaired: a cut address is another's."""
    if not isinstance(value, str) or len(value) > 254 or not value.isprintable() or any(each.isspace() for each in value):
        return None
    name, at, domain = value.rpartition("@")
    small = value.lower()
    if small.isascii() and not value.isascii():  # the Kelvin sign becomes a k, and its mailbox another's
        return None
    return small if at and name and domain else None


def read_name(value: Any) -> str | None:
    """A name that may be shown: cut, without what cannot be printed; None where there is none."""
    if not isinstance(value, str):
        return None
    return "".join(each for each in value[:1000] if each.isprintable())[:200].strip() or None
