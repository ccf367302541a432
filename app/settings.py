"""Settings: the environment, read once into one model. Every variable is listed by ``fivefold --help``."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.kit.errors import SetupError
from app.kit.fetch import check_url
from app.kit.jwks import IssuerConfig
from app.kit.oidc import ProviderConfig, github, google, microsoft


class Settings(BaseSettings):
    """``DATABASE_URL`` and ``FIVEFOLD_*``."""

    model_config = SettingsConfigDict(env_prefix="FIVEFOLD_", extra="ignore", populate_by_name=True)

    database_url: str = Field(
        default="",
        validation_alias="DATABASE_URL",
        description="The one connection setting: an api login for serve, an administrator for migrate and bootstrap",
    )
    jwt_keys: Annotated[list[Path], NoDecode] = Field(
        default=[],
        description="Paths of Ed25519 keys in PEM form, separated by commas; the first private one signs tokens",
    )
    vault_keys: Annotated[list[Path], NoDecode] = Field(
        default=[],
        description="Paths of files with 32 random bytes in base64, separated by commas; the first seals secrets, all open",
    )
    alert_refused: int = Field(
        default=5, ge=1, le=10_000, description="So many refused sign-ins to an account raise a security alert"
    )
    alert_refused_minutes: int = Field(default=15, ge=1, le=1440, description="Within how many minutes they come")
    alert_exports: int = Field(default=3, ge=1, le=10_000, description="So many exports by one person in a day raise an alert")
    alert_reads: int = Field(
        default=100, ge=1, le=1_000_000, description="So many audited reads by one person in an hour raise an alert"
    )
    scan_loopback: bool = Field(default=False, description="Scans may fetch from this machine: for trials and tests only")
    scan_seconds: float = Field(default=20.0, gt=0, le=60, description="Longest time of fetching one page, redirects and all")
    scan_at_once: int = Field(default=64, ge=1, le=500, description="So many pages one job fetches at once")
    scan_judges: int = Field(
        default=max(1, min(4, (os.cpu_count() or 2) // 2)),
        ge=0,
        le=64,
        description="So many processes look at pages for a worker, by default half as many as processors, 1 to 4; with 0 it"
        " does so itself, and a page that keeps an engine busy keeps the worker busy",
    )
    webhook_loopback: bool = Field(
        default=False, description="Webhooks may go to this machine, and by http: for trials and tests only"
    )
    webhook_seconds: float = Field(default=10.0, gt=0, le=60, description="Longest time of one attempt of a webhook")
    webhook_failing_days: float = Field(
        default=5.0, gt=0, le=365, description="A webhook that has failed for so many days without a success is disabled"
    )
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Origins of front ends and extensions, separated by commas, that may call from a browser",
    )
    public_url: str = Field(
        default="",
        description="Where browsers reach this server, such as https://api.example.com: providers send them back there",
    )
    google_client_id: str = Field(default="", description="Sign in with Google: the client id of its console")
    google_client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that client")
    github_client_id: str = Field(default="", description="Sign in with GitHub: the client id of its OAuth app")
    github_client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that app")
    microsoft_client_id: str = Field(default="", description="Sign in with Microsoft: the application id of Entra")
    microsoft_client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that application")
    microsoft_tenant: str = Field(
        default="common",
        pattern="^[A-Za-z0-9.-]{1,100}$",
        description="Who may sign in with Microsoft: common, organizations, consumers, or one tenant",
    )
    providers: Annotated[list[ProviderConfig], NoDecode] = Field(
        default=[],
        description="Other OpenID Connect providers: a JSON list, or its file, of name, url, client_id and client_secret",
    )
    issuers: Annotated[list[IssuerConfig], NoDecode] = Field(
        default=[],
        description="Issuers such as Clerk, Supabase or Auth0 whose tokens are taken: a JSON list, or its file; see README.md",
    )
    trusted_documents: Path | None = Field(
        default=None, description="Registered documents: a JSON file of id -> text, or a folder of .graphql files"
    )
    trusted_only: bool = Field(default=False, description="Refuse documents that are not registered")
    rate_per_second: float = Field(
        default=5000, ge=0, description="Objects that a workspace may ask for each second; 0 switches the limit off"
    )
    rate_burst: float = Field(default=150_000, ge=50_000, description="Objects that a workspace may ask for at once")
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Addresses or networks of proxies, separated by commas, whose X-Forwarded-For is believed",
    )
    app_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s#?]+)?$",
        description="Where your front end is; links in mails lead there. Without it mails hold the bare token",
    )
    sign_in_attempts: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="Wrong passwords for an account from one network in ten minutes; other limits follow from it; 0 is none",
    )
    stranger_per_second: float = Field(
        default=20, ge=0, description="Objects that a network may ask for each second without a token; 0 switches the limit off"
    )
    stranger_burst: float = Field(default=1000, ge=50, description="Objects that a network may ask for at once without a token")
    password_memory_mib: int = Field(
        default=64, ge=8, le=4096, description="Memory of hashing one password, in MiB; more is safer and takes longer"
    )
    password_rounds: int = Field(default=3, ge=1, le=100, description="Passes over that memory")
    password_threads: int = Field(
        default=4, ge=1, le=64, description="Passwords hashed at once by one server process: so many times that memory"
    )
    access_minutes: float = Field(default=15, gt=0, le=1440, description="An access token is good for so long")
    session_days: float = Field(default=90, gt=0, le=3650, description="Who signed in stays so for so long at most")
    session_idle_days: float = Field(default=30, gt=0, le=3650, description="A session ends after so long without refresh")
    proof_minutes: float = Field(
        default=15, gt=0, le=1440, description="Who signed in so lately need not show a password to be erased or deleted"
    )
    refresh_grace_seconds: float = Field(
        default=10,
        ge=0,
        le=60,
        description="A refresh whose answer was lost is answered again, to the same client, for so long; 0 turns it off",
    )
    otlp_endpoint: str = Field(default="", description="Send a span for each request to this OTLP/HTTP collector")
    quarantine_people: int = Field(
        default=3, ge=1, le=1000, description="Different people who must propose a template before others see it"
    )
    pool_size: int = Field(default=10, ge=1, le=500, description="Connections of one server process")
    statement_seconds: float = Field(default=10.0, gt=0, le=600, description="Longest time of one statement")
    read_url: str = Field(
        default="", description="A streaming replica that queries read from, as DATABASE_URL; mutations stay on the primary"
    )
    read_lag_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="A replica that is further behind is not read from"
    )
    acquire_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Longest wait for a database connection, or for a database that is away"
    )
    connect_seconds: float = Field(
        default=4.0, gt=0, le=60, description="Longest time of connecting to the database, all hosts of its address together"
    )
    request_seconds: float = Field(default=30.0, gt=0, le=900, description="Longest time of one request, whatever it waits for")
    job_seconds: float = Field(default=60.0, gt=0, le=3600, description="Longest time of one statement of a job")
    setting_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="A setting that was read with less confidence counts as not read; 0.6 is a good value",
    )
    scan_confidence: float = Field(
        default=0.0, ge=0, le=1, description="A scan with less confidence on average is refused; 0.7 is a good value"
    )
    crowd_people: int = Field(
        default=5,
        ge=2,
        le=1_000_000,
        description="So many unrelated people see the same change before it is the platform's",
    )
    crowd_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="And so large a share of those who looked at the page in that time: chance is less",
    )
    crowd_hours: int = Field(default=48, ge=1, le=336, description="Within how many hours they see it")
    analysis_model: str = Field(
        default="",
        max_length=100,
        description="Language model that analyzes templates, as its endpoint calls it; without one, rules do",
    )
    analysis_url: str = Field(
        default="", description="The model's OpenAI-compatible endpoint, such as https://api.openai.com/v1"
    )
    analysis_key: SecretStr = Field(default=SecretStr(""), description="Key for that endpoint, if it wants one")
    analysis_seconds: float = Field(default=120.0, gt=0, le=1800, description="Longest time of one answer of the model")
    analysis_output: Literal["tool", "native", "prompted"] = Field(
        default="tool",
        description="How the model is made to answer in form: by a tool call, by a response format, or by words alone",
    )
    analysis_price_in: Decimal | None = Field(default=None, ge=0, le=1_000_000, description="Price of a million tokens read")
    analysis_price_out: Decimal | None = Field(
        default=None, ge=0, le=1_000_000, description="Price of a million tokens written"
    )
    analysis_currency: str = Field(default="USD", pattern="^[A-Z]{3}$", description="Currency of the two prices")
    analysis_auto_approve_hours: float = Field(
        default=72.0, ge=0, le=8760, description="An analysis is approved by itself after so many hours; 0 is never"
    )
    scan_feed: str = Field(
        default="", description="File with known harmful addresses, read again when it changes; by default a small one of tests"
    )
    scan_networks: str = Field(
        default="",
        description="MMDB file with the numbers of networks (ASN) of DB-IP, IPinfo or MaxMind, read again when it changes;"
        " without one networks are not known",
    )
    scan_model: str = Field(
        default="", max_length=80, description="Language model that judges pages, as its endpoint calls it; by default none"
    )
    scan_model_url: str = Field(default="", description="The model's OpenAI-compatible endpoint")
    scan_model_key: SecretStr = Field(default=SecretStr(""), description="Key for that endpoint, if it wants one")
    scan_model_seconds: float = Field(default=15.0, gt=0, le=20, description="Longest time of one opinion of the model")
    scan_model_output: Literal["tool", "native", "prompted"] = Field(
        default="tool", description="How it is made to answer in form: by a tool call, by a response format, or by words alone"
    )
    scan_model_price_in: Decimal | None = Field(
        default=None, ge=0, le=1_000_000, description="Price of a million tokens read by it"
    )
    scan_model_price_out: Decimal | None = Field(
        default=None, ge=0, le=1_000_000, description="Price of a million tokens written by it"
    )
    scan_model_currency: str = Field(default="USD", pattern="^[A-Z]{3}$", description="Currency of its two prices")
    dns_servers: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="DNS servers that prove domains, by address, separated by commas; by default those of the machine",
    )
    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="Mail goes to this server: smtp://user:password@host:587, or smtps:// for TLS from the first byte",
    )
    mail_folder: Path | None = Field(
        default=None, description="Mail is written to this folder instead, a file each; with neither, to .fivefold-mail"
    )
    mail_from: str = Field(
        default="Fivefold <no-reply@localhost>", max_length=300, description="Whom mail comes from; the domain names messages"
    )
    erasure_days: int = Field(
        default=14, ge=0, le=30, description="Days between asking to be erased and being erased, to think again"
    )
    restore_days: int = Field(
        default=30, ge=1, le=365, description="Days to restore a deleted account or organization in, before it is erased"
    )
    erasure_folder: Path | None = Field(
        default=None,
        description="Each erasure is noted in this folder as well, outside of every backup, to be replayed after a restore",
    )
    audit_key: Path | None = Field(
        default=None,
        description="Path of the Ed25519 private key in PEM form that seals the audit; without one nothing is sealed",
    )
    audit_origin: str = Field(
        default="fivefold/audit",
        pattern=r"^[^\s+]{1,200}$",
        description="Name of the audit log in its checkpoints, such as example.com/audit; keep it for ever",
    )
    audit_months: int = Field(
        default=84,
        ge=3,
        le=1200,
        description="Months of the audit older than so many are deleted once sealed; their seals stay",
    )
    audit_checkpoints: Path | None = Field(
        default=None, description="Folder for a copy of each checkpoint; let it be one that the database's people cannot change"
    )
    stripe_secret_key: SecretStr = Field(
        default=SecretStr(""), description="Secret key of the Stripe account that takes payments; none are taken without it"
    )
    stripe_webhook_secrets: Annotated[list[SecretStr], NoDecode] = Field(
        default=[], description="Secrets that sign what Stripe sends to /webhooks/stripe, separated by commas, old and new"
    )
    stripe_url: str = Field(
        default="https://api.stripe.com", pattern="^https?://", description="Where Stripe is asked; another for tests"
    )
    billing_return_url: str = Field(default="", description="Page of the front end to which people come back from paying")
    billing_grace_days: int = Field(default=7, ge=0, le=90, description="For so many days a plan stays after a payment failed")
    graphiql: bool = Field(default=False, description="Serve GraphiQL at /graphql; demo does")
    log_format: str = Field(default="json", pattern="^(json|text)$", description="json, or text for people")

    @field_validator(
        "jwt_keys", "vault_keys", "allowed_origins", "trusted_proxies", "stripe_webhook_secrets", "dns_servers", mode="before"
    )
    @classmethod
    def split(cls, value: object) -> object:
        """A list from a text with commas."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("dns_servers")
    @classmethod
    def check_servers(cls, value: list[str]) -> list[str]:
        """Addresses, each with a port perhaps. Raises SetupError."""
        if value:
            from app.kit.dns import parse_server  # few processes ask DNS

            for server in value:
                parse_server(server)
        return value

    @field_validator("providers", "issuers", mode="before")
    @classmethod
    def read_list(cls, value: object) -> object:
        """A list from JSON, or from a file that has it."""
        if not isinstance(value, str) or not value.strip():
            return [] if isinstance(value, str) else value
        try:
            text = value if value.lstrip().startswith("[") else Path(value).read_text()
            return json.loads(text)
        except (OSError, ValueError) as error:
            raise ValueError(f"neither a JSON list nor a file with one: {type(error).__name__}") from None

    @model_validator(mode="after")
    def complete_sign_in(self) -> Settings:
        """Issuers and providers are told apart by their names, and a provider knows where to send people back."""
        for kind, names in (
            ("FIVEFOLD_ISSUERS", [each.issuer for each in self.issuers]),
            ("FIVEFOLD_PROVIDERS", [each.name for each in self.all_providers()]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{kind}: {max(names, key=names.count)} is there twice")
        if self.all_providers():
            try:
                check_url(self.public_url)
            except ValueError as error:
                raise ValueError(f"FIVEFOLD_PUBLIC_URL {error}; it is needed to sign in at a provider") from None
        return self

    def all_providers(self) -> list[ProviderConfig]:
        """Those with settings of their own, then the others."""
        found = []
        if self.google_client_id:
            found.append(google(self.google_client_id, self.google_client_secret))
        if self.github_client_id:
            found.append(github(self.github_client_id, self.github_client_secret))
        if self.microsoft_client_id:
            found.append(microsoft(self.microsoft_client_id, self.microsoft_client_secret, self.microsoft_tenant))
        return [*found, *self.providers]

    @model_validator(mode="after")
    def complete_model(self) -> Settings:
        """A model has an endpoint, and a name of its own."""
        if self.analysis_model.startswith("rules-"):
            raise ValueError("FIVEFOLD_ANALYSIS_MODEL: names that begin with rules- are those of the rules")
        if self.analysis_model and not self.analysis_url.startswith(("https://", "http://")):
            raise ValueError("FIVEFOLD_ANALYSIS_URL is not set to an https or http address, and a model is")
        if self.scan_model and not self.scan_model_url.startswith(("https://", "http://")):
            raise ValueError("FIVEFOLD_SCAN_MODEL_URL is not set to an https or http address, and FIVEFOLD_SCAN_MODEL is")
        return self

    def require_database_url(self) -> str:
        """DATABASE_URL, or SetupError when it is not set or of another database."""
        if not self.database_url:
            raise SetupError("DATABASE_URL is not set; set it to postgresql://user@host/database")
        if not self.database_url.startswith(("postgresql://", "postgres://")):
            raise SetupError("DATABASE_URL is not a PostgreSQL address; it begins with postgresql://")
        return self.database_url


def read() -> Settings:
    """The settings of this process. Raises SetupError, which names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of settings that do not fit together
            raise SetupError(first["msg"].removeprefix("Value error, ")) from None
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"FIVEFOLD_{name.upper()}"
        raise SetupError(f"{variable}: {first['msg']}") from None


def describe() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias) if field.validation_alias else f"FIVEFOLD_{name.upper()}"
        default = "" if field.default in ("", []) else str(field.default)
        rows.append((variable, default, field.description or ""))
    return rows
