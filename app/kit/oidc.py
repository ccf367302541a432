"""Providers at which people sign in: OpenID Connect by code flow with PKCE, and GitHub, which has OAuth 2 only.

What a provider says goes through the same narrow door whichever it is: bounded transport, one algorithm, its own issuer, our
client id, our nonce. Its words never reach a person; they may be anybody's.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx2
import joserfc.errors
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from app.kit.errors import AppError
from app.kit.fetch import Bounded, FetchError, check_url, fetch_json
from app.kit.jwks import (
    ID_TOKEN_TYPES,
    LEEWAY_SECONDS,
    MAX_NAME_LENGTH,
    Algorithm,
    Fetch,
    IssuerConfig,
    KeySet,
    peek,
    read_address,
    read_name,
    verify,
)
from app.kit.log import log
from app.kit.token import Profile

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

DESCRIPTION_SECONDS = 3600.0
MOST_AT_ONCE = 32
"""So many callbacks of a process ask a provider at the same time: one that hangs does not take the process with it."""
PAUSE_SECONDS = 10.0
"""A provider that could not be reached is not asked again for so long."""
GITHUB = "https://github.com"
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ProviderConfig(BaseModel):
    """A provider. Google, GitHub and Microsoft have settings of their own; others are found by their discovery URL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[a-z]([a-z-]{0,28}[a-z])?$")
    kind: Literal["oidc", "google", "microsoft", "github"] = "oidc"
    url: str = Field(min_length=1, max_length=500)
    client_id: str = Field(min_length=1, max_length=500)
    client_secret: SecretStr = SecretStr("")
    client_authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    algorithm: Algorithm = "RS256"
    scopes: list[str] = ["openid", "email", "profile"]
    require_verified_email: bool = True
    trust_email: bool = False

    @field_validator("algorithm", mode="before")
    @classmethod
    def refuse_shared_secrets(cls, value: object) -> object:
        """As for issuers."""
        return IssuerConfig.refuse_shared_secrets(value)

    @model_validator(mode="after")
    def complete(self) -> ProviderConfig:
        """The address may be asked, and says where a provider describes itself."""
        try:
            check_url(self.url)
        except ValueError as error:
            raise ValueError(f"{self.name}: {self.url} {error}") from None
        if self.kind != "github" and not self.url.endswith("/.well-known/openid-configuration"):
            raise ValueError(f"{self.name}: url must end with /.well-known/openid-configuration")
        if self.kind != "github" and "openid" not in self.scopes:
            raise ValueError(f"{self.name}: scopes must have openid")
        return self


def google(client_id: str, client_secret: SecretStr) -> ProviderConfig:
    """Google. It knows whose an address is where it runs the mailbox, see ``_knows``."""
    url = "https://accounts.google.com/.well-known/openid-configuration"
    return ProviderConfig(
        name="google", kind="google", url=url, client_id=client_id, client_secret=client_secret, trust_email=True
    )


def microsoft(client_id: str, client_secret: SecretStr, tenant: str) -> ProviderConfig:
    """Microsoft, for one tenant or by template for many. An administrator of any tenant writes any address into the claim."""
    url = f"https://login.microsoftonline.com/{quote(tenant, safe='')}/v2.0/.well-known/openid-configuration"
    return ProviderConfig(
        name="microsoft",
        kind="microsoft",
        url=url,
        client_id=client_id,
        client_secret=client_secret,
        client_authentication="client_secret_post",
        require_verified_email=False,
    )


def github(client_id: str, client_secret: SecretStr) -> ProviderConfig:
    """GitHub. The primary address, if it is verified."""
    return ProviderConfig(
        name="github",
        kind="github",
        url=GITHUB,
        client_id=client_id,
        client_secret=client_secret,
        client_authentication="client_secret_post",
        scopes=["read:user", "user:email"],
        trust_email=True,
    )


class ProviderError(ValueError):
    """Why a sign-in did not come about: a word for the front end, a sentence for the person, and the cause for the log."""

    def __init__(self, word: str, sentence: str, cause: str = "") -> None:
        super().__init__(f"{word}: {cause}")
        self.word, self.sentence, self.cause = word, sentence, cause


@dataclass(frozen=True)
class Proof:
    """Who signed in, as the provider says, believed."""

    issuer: str
    subject: str
    profile: Profile


@dataclass(frozen=True)
class Description:
    """What a provider says of itself. ``issuer`` may be a template, of Microsoft's."""

    issuer: str
    authorize_url: str
    token_url: str
    keys_url: str
    userinfo_url: str | None = None
    states_issuer: bool = False


@dataclass
class Provider:
    """One provider in one process: its description and keys are kept for a while."""

    config: ProviderConfig
    redirect_url: str
    fetch: Fetch = fetch_json
    _description: Description | None = field(default=None, init=False)
    _until: float = field(default=0.0, init=False)
    _proving: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.keys = KeySet(self._keys_url, fetch=self.fetch)

    async def _keys_url(self) -> str:
        return (await self.describe()).keys_url

    async def describe(self) -> Description:
        """What the provider says of itself. Raises ProviderError."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + PAUSE_SECONDS  # who comes meanwhile takes what there is
            try:
                self._description = _github(self.config) if self.config.kind == "github" else await self._discover()
                self._until = now + DESCRIPTION_SECONDS
            except (FetchError, ValueError) as error:
                log.warning("provider cannot be reached", provider=self.config.name, problem=str(error)[:300])
        if self._description is None:
            raise ProviderError("PROVIDER_UNAVAILABLE", "The provider cannot be reached now. Try again later.")
        return self._description

    async def _discover(self) -> Description:
        url = self.config.url
        document = await self.fetch(url)
        if not isinstance(document, dict):
            raise ValueError("is no description of a provider")
        issuer = url.removesuffix("/.well-known/openid-configuration")
        stated = document.get("issuer")
        if self.config.kind == "microsoft":  # many tenants: a template, or the one of personal accounts
            if not isinstance(stated, str) or not stated.startswith(f"{issuer.rsplit('/', 2)[0]}/"):
                raise ValueError(f"describes another issuer than {issuer}")
        elif not isinstance(stated, str) or stated.rstrip("/") != issuer or len(stated) > MAX_NAME_LENGTH:
            raise ValueError(f"describes another issuer than {issuer}")
        userinfo = document.get("userinfo_endpoint")
        return Description(
            issuer=stated,
            authorize_url=check_url(str(document.get("authorization_endpoint"))),
            token_url=check_url(str(document.get("token_endpoint"))),
            keys_url=check_url(str(document.get("jwks_uri"))),
            userinfo_url=check_url(userinfo) if isinstance(userinfo, str) else None,
            states_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _client(self) -> AsyncOAuth2Client:
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # large, and every process reads settings

        return AsyncOAuth2Client(
            client_id=self.config.client_id,
            client_secret=self.config.client_secret.get_secret_value() or None,
            token_endpoint_auth_method=self.config.client_authentication if self.config.client_secret else "none",
            scope=" ".join(self.config.scopes),
            redirect_uri=self.redirect_url,
            code_challenge_method="S256",
            transport=Bounded(),
            trust_env=False,
        )

    async def authorize_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes. Raises ProviderError."""
        description = await self.describe()
        more = {} if self.config.kind == "github" else {"nonce": nonce}
        async with self._client() as client:
            url, _ = client.create_authorization_url(description.authorize_url, state=state, code_verifier=verifier, **more)
        return str(url)

    async def prove(self, *, code: str, issuer: str | None, nonce: str, verifier: str) -> Proof:
        """Who signed in, from the code that the browser brought; ``issuer`` is who sent it, if said. Raises ProviderError."""
        if self._proving >= MOST_AT_ONCE:
            raise ProviderError(
                "PROVIDER_UNAVAILABLE", "Too many people sign in at this moment. Try again in a moment.", "busy"
            )
        self._proving += 1
        try:
            return await self._prove(code, issuer, nonce, verifier)
        finally:
            self._proving -= 1

    async def _prove(self, code: str, issuer: str | None, nonce: str, verifier: str) -> Proof:
        from authlib.integrations.base_client import OAuthError

        description = await self.describe()
        if (issuer is None and description.states_issuer) or issuer not in (None, *self._senders(description)):
            raise ProviderError("PROVIDER_MISMATCH", "The answer came from another provider. Start again.")
        try:
            async with self._client() as client:
                token = await client.fetch_token(
                    description.token_url, grant_type="authorization_code", code=code, code_verifier=verifier
                )
            if self.config.kind == "github":
                return await self._ask_github(str(token["access_token"]))
            return await self._read_id_token(description, token, nonce)
        except ProviderError:
            raise
        except OAuthError as error:
            cause = re.sub(r"[^a-z_]", "", str(error.error))[:40]
            raise ProviderError("PROVIDER_REFUSED", "The provider did not accept this sign-in. Start again.", cause) from None
        except AppError as error:
            raise ProviderError("PROVIDER_INVALID", "The provider's answer is not valid. Start again.", error.message) from None
        except (FetchError, httpx2.HTTPError) as error:
            raise ProviderError(
                "PROVIDER_UNAVAILABLE", "The provider cannot be reached now. Try again later.", str(error)[:300]
            ) from None
        except (joserfc.errors.JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderError(
                "PROVIDER_INVALID", "The provider's answer is not valid. Start again.", type(error).__name__
            ) from None

    def _senders(self, description: Description) -> tuple[str, ...]:
        if self.config.kind == "github":
            return (description.issuer, f"{description.issuer}/login/oauth")
        return (description.issuer,)

    async def _read_id_token(self, description: Description, token: Any, nonce: str) -> Proof:
        from authlib.oidc.core import CodeIDToken

        text, access = token["id_token"], token.get("access_token")
        if not isinstance(text, str) or not isinstance(access, str):
            raise TypeError("no tokens")
        issuer = description.issuer
        if self.config.kind == "microsoft":
            tenant = peek(text).get("tid")
            if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
                raise ValueError("no tenant")
            issuer = issuer.replace("{tenantid}", tenant)
        header, claims = await verify(
            text,
            self.keys,
            algorithm=self.config.algorithm,
            issuer=issuer,
            audience=[self.config.client_id],
            types=ID_TOKEN_TYPES,
        )
        params = {"nonce": nonce, "client_id": self.config.client_id, "access_token": access}
        CodeIDToken(claims, header, params=params).validate(leeway=LEEWAY_SECONDS)
        said = claims
        if "email" not in claims and description.userinfo_url is not None:
            info = await fetch_json(description.userinfo_url, bearer=access)
            if not isinstance(info, dict) or info.get("sub") != claims["sub"]:
                raise ValueError("the answer is about somebody else")
            said = {**claims, **{name: info[name] for name in ("email", "email_verified", "name") if name in info}}
        verified = said.get("email_verified") is True
        profile = Profile(
            email=read_address(said.get("email")),
            name=read_name(said.get("name")),
            acceptable=verified or not self.config.require_verified_email,
            proven=verified and self.config.trust_email and self._knows(said),
        )
        return Proof(issuer, claims["sub"], profile)

    def _knows(self, claims: dict[str, Any]) -> bool:
        """Google runs the mailboxes of gmail.com and of organizations; of others it only once saw that they could be read."""
        if self.config.kind != "google":
            return True
        email = str(claims.get("email")).lower()
        return email.endswith("@gmail.com") or isinstance(claims.get("hd"), str)

    async def _ask_github(self, access: str) -> Proof:
        """There is no ID token: the API is asked who holds the access token, which came straight from the provider."""
        root = "https://api.github.com" if self.config.url == GITHUB else f"{self.config.url}/api/v3"
        person = await fetch_json(f"{root}/user", bearer=access)
        emails = await fetch_json(f"{root}/user/emails", bearer=access)
        number = person["id"]
        if type(number) is not int or not isinstance(emails, list):
            raise TypeError("no person")
        primary = [each.get("email") for each in emails if each.get("primary") is True and each.get("verified") is True]
        email = read_address(primary[0]) if len(primary) == 1 else None
        profile = Profile(
            email=email,
            name=read_name(person.get("name")) or read_name(person.get("login")),
            acceptable=True,
            proven=email is not None and self.config.trust_email,
        )
        return Proof(self.config.url, str(number), profile)


def _github(config: ProviderConfig) -> Description:
    """GitHub does not describe itself. Its own servers elsewhere have the same paths."""
    return Description(
        issuer=config.url,
        authorize_url=f"{config.url}/login/oauth/authorize",
        token_url=f"{config.url}/login/oauth/access_token",
        keys_url="",
    )
