"""Settings: the environment, read once, wrong values named by their variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from app import settings
from app.kit.errors import SetupError
from app.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours is set, and there is no file that could set one."""
    for name in list(os.environ):
        if name.upper().startswith("FIVEFOLD_") or name.upper() == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return settings.read()


def test_without_any_variable_there_are_defaults() -> None:
    found = settings.read()
    assert (found.database_url, found.jwt_keys, found.allowed_origins) == ("", [], [])
    assert (found.graphiql, found.log_format) == (False, "json"), "nothing is open that was not asked for"
    assert found.pool_size >= 1


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(
        monkeypatch,
        DATABASE_URL="postgresql://fivefold_api@db/fivefold",
        FIVEFOLD_JWT_KEYS="/keys/new.pem, /keys/old.pem,",
        FIVEFOLD_ALLOWED_ORIGINS=" https://app.example ,http://localhost:* ",
        FIVEFOLD_POOL_SIZE="25",
        FIVEFOLD_STATEMENT_SECONDS="2.5",
        FIVEFOLD_GRAPHIQL="true",
        FIVEFOLD_LOG_FORMAT="text",
        FIVEFOLD_NO_SUCH_SETTING="x",
    )
    assert found.database_url == "postgresql://fivefold_api@db/fivefold"
    assert found.jwt_keys == [Path("/keys/new.pem"), Path("/keys/old.pem")]
    assert found.allowed_origins == ["https://app.example", "http://localhost:*"]
    assert (found.pool_size, found.statement_seconds, found.graphiql, found.log_format) == (25, 2.5, True, "text")


def test_the_documented_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, DATABASE_URL="postgresql://right/one", FIVEFOLD_DATABASE_URL="postgresql://wrong/one")
    assert found.database_url == "postgresql://right/one"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FIVEFOLD_POOL_SIZE", "0"),
        ("FIVEFOLD_POOL_SIZE", "-1"),
        ("FIVEFOLD_POOL_SIZE", "501"),
        ("FIVEFOLD_POOL_SIZE", "many"),
        ("FIVEFOLD_POOL_SIZE", "1.5"),
        ("FIVEFOLD_POOL_SIZE", ""),
        ("FIVEFOLD_STATEMENT_SECONDS", "0"),
        ("FIVEFOLD_STATEMENT_SECONDS", "601"),
        ("FIVEFOLD_STATEMENT_SECONDS", "nan"),
        ("FIVEFOLD_STATEMENT_SECONDS", "inf"),
        ("FIVEFOLD_GRAPHIQL", "perhaps"),
        ("FIVEFOLD_LOG_FORMAT", "xml"),
        ("FIVEFOLD_LOG_FORMAT", "json\n"),
        ("FIVEFOLD_LOG_FORMAT", "JSON"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    with pytest.raises(SetupError, match=f"^{variable}: ") as refused:
        read(monkeypatch, **{variable: value})
    assert "pydantic" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "DATABASE_URL is not set"),
        ("mysql://root:secret@db/x", "not a PostgreSQL address"),
        ("db.example:5432", "not a PostgreSQL address"),
        (" postgresql://db/x", "not a PostgreSQL address"),
        ("POSTGRESQL", "not a PostgreSQL address"),
    ],
)
def test_a_database_url_must_be_one(monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    with pytest.raises(SetupError, match=said) as refused:
        read(monkeypatch, DATABASE_URL=url).require_database_url()
    assert "secret" not in str(refused.value)


def test_both_schemes_of_postgresql_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgresql://db/x", "postgres://db/x", "postgresql:///x?host=/run/postgresql"):
        assert read(monkeypatch, DATABASE_URL=url).require_database_url() == url


def test_every_setting_is_described() -> None:
    rows = settings.describe()
    assert [name for name, _, _ in rows] == [
        "DATABASE_URL" if name == "database_url" else f"FIVEFOLD_{name.upper()}" for name in Settings.model_fields
    ]
    assert all(meaning and not meaning.endswith(".") for _, _, meaning in rows)
    defaults = {name: default for name, default, _ in rows}
    assert defaults["FIVEFOLD_LOG_FORMAT"] == "json"
    assert defaults["DATABASE_URL"] == ""


def test_settings_can_be_given_in_code_too() -> None:
    """As the demo and the tests do."""
    given: dict[str, Any] = {"database_url": "postgresql://x", "jwt_keys": [Path("a")], "allowed_origins": ["https://a"]}
    found = Settings(**given)
    assert (found.database_url, found.jwt_keys, found.allowed_origins) == ("postgresql://x", [Path("a")], ["https://a"])


def test_a_model_needs_an_endpoint_and_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match=r"^FIVEFOLD_ANALYSIS_URL is not set"):
        read(monkeypatch, FIVEFOLD_ANALYSIS_MODEL="small-model-1")
    monkeypatch.setenv("FIVEFOLD_ANALYSIS_URL", "https://model.example/v1")
    assert settings.read().analysis_model == "small-model-1"
    with pytest.raises(SetupError, match=r"^FIVEFOLD_ANALYSIS_MODEL: "):
        read(monkeypatch, FIVEFOLD_ANALYSIS_MODEL="rules-9")
    monkeypatch.delenv("FIVEFOLD_ANALYSIS_MODEL")
    with pytest.raises(SetupError, match=r"^FIVEFOLD_ANALYSIS_PRICE_IN: "):
        read(monkeypatch, FIVEFOLD_ANALYSIS_PRICE_IN="-1")


def test_the_key_of_the_model_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, FIVEFOLD_ANALYSIS_KEY="sk-secret")
    assert found.analysis_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in f"{found} {found!r} {found.model_dump()} {settings.describe()}"


def test_a_dns_server_is_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, FIVEFOLD_DNS_SERVERS="9.9.9.9, [::1]:5353").dns_servers == ["9.9.9.9", "[::1]:5353"]
    with pytest.raises(SetupError, match=r"^FIVEFOLD_DNS_SERVERS: dns.example.com is not an address"):
        read(monkeypatch, FIVEFOLD_DNS_SERVERS="dns.example.com")
