"""Key sets: which keys count, when they are fetched, and that a flood reaches nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from app.kit.errors import AppError, SetupError
from app.kit.fetch import FetchError
from app.kit.jwks import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, WAIT_SECONDS, IssuerConfig, KeySet, peek, read_keys
from app.settings import read
from tests.factory.provider import SigningKey

KEYS = {name: SigningKey.new(name, algorithm) for name, algorithm in (("r", "RS256"), ("e", "ES256"), ("d", "EdDSA"))}


def jwk(name: str, **more: Any) -> dict[str, Any]:
    both = KEYS[name].jwk() | more
    return {key: value for key, value in both.items() if value is not None}


def test_a_key_has_the_algorithm_of_its_type() -> None:
    found = read_keys({"keys": [jwk(name, alg=None, use=None) for name in KEYS]})
    assert {name: key.algorithm for name, key in found.items()} == {"r": "RS256", "e": "ES256", "d": "EdDSA"}
    assert read_keys({"keys": [jwk("d", alg="Ed25519")]})["d"].algorithm == "EdDSA"


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"},
        jwk("r", alg="HS256"),
        jwk("r", alg="RS512"),
        jwk("r", alg="none"),
        jwk("e", alg="RS256"),
        jwk("r", use="enc"),
        jwk("e", key_ops=["sign"]),
        jwk("e", kid=7),
        jwk("e", kid="x" * 500),
        jwk("e", x="AAAA"),
        jwk("e", x=None),
        jwk("e", crv="P-384"),
        jwk("d", crv="X25519"),
        jwk("d", x="!"),
        jwk("e", d="AAAA"),
        jwk("r", n="AQAB"),
        jwk("r", e="AQ"),
        jwk("r", n=7),
        RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True),  # noqa: S505 - that is the point
        ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True),
        {},
        [],
        "key",
        None,
    ],
)
def test_keys_that_do_not_count(key: Any) -> None:
    assert set(read_keys({"keys": [key, jwk("d")]})) == {"d"}


@pytest.mark.parametrize("document", [None, [], "x", {}, {"keys": None}, {"keys": {}}, {"keys": "x"}])
def test_what_is_no_key_set(document: Any) -> None:
    with pytest.raises(ValueError, match="is no key set"):
        read_keys(document)


def test_the_first_key_of_a_name_and_no_more_than_a_hundred() -> None:
    other = SigningKey.new("e")
    assert read_keys({"keys": [jwk("e"), other.jwk()]})["e"].public == KEYS["e"].private.public_key()
    assert len(read_keys({"keys": [jwk("d", kid=str(number)) for number in range(500)]})) == 100


class Source:
    """Where the keys are, with a clock."""

    def __init__(self) -> None:
        self.now, self.fetched, self.keys = 1000.0, 0, ["e"]
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.set = KeySet("https://keys.example", fetch=self.fetch, clock=lambda: self.now)

    async def fetch(self, url: str) -> Any:
        self.fetched += 1
        await self.gate.wait()
        if self.down:
            raise FetchError("down")
        return {"keys": [jwk(name) for name in self.keys]}

    async def knows(self, name: str | None = "e") -> bool:
        return await self.set.find(name) is not None


async def test_keys_are_fetched_once() -> None:
    source = Source()
    assert all(await asyncio.gather(*(source.knows() for _ in range(100))))
    assert source.fetched == 1
    assert await source.knows(None), "the only key serves tokens that name none"
    source.keys = ["e", "r"]
    source.now += PAUSE_SECONDS
    assert await source.knows("r")
    assert not await source.knows(None), "of two, none is meant"


async def test_a_flood_of_unknown_names_reaches_nobody() -> None:
    source = Source()
    assert await source.knows()
    assert not any(await asyncio.gather(*(source.knows(f"made up {number}") for number in range(1000))))
    assert source.fetched == 1
    source.now += PAUSE_SECONDS
    source.gate.clear()
    flood = [asyncio.create_task(source.knows(f"made up {number}")) for number in range(1000)]
    await asyncio.sleep(0)
    assert await source.knows(), "who has a known key does not wait"
    assert not any(task.done() for task in flood)
    flood[0].cancel()
    source.gate.set()
    assert not any(await asyncio.gather(*flood[1:]))
    assert source.fetched == 2


async def test_a_new_key_is_found_and_an_old_one_forgotten() -> None:
    source = Source()
    assert await source.knows()
    source.keys = ["r"]
    assert not await source.knows("r")
    source.now += PAUSE_SECONDS
    assert await source.knows("r")
    assert not await source.knows("e")


async def test_a_key_that_was_withdrawn_is_forgotten_in_time() -> None:
    source = Source()
    assert await source.knows()
    source.keys = ["r"]
    source.now += FRESH_SECONDS + 1
    assert await source.knows(), "it is fetched beside this request"
    await asyncio.sleep(0)
    assert not await source.knows()
    source.keys = ["e"]
    source.now += WAIT_SECONDS + 1
    assert not await source.knows("r"), "after a long silence it is fetched before"


async def test_while_nobody_is_there_the_keys_serve_on_for_a_time() -> None:
    source = Source()
    assert await source.knows()
    source.down = True
    for _ in range(20):
        source.now += (STALE_SECONDS - 60) / 20
        assert await source.knows()
        await asyncio.sleep(0)
    fetched = source.fetched
    assert fetched <= 21
    source.now += 61
    with pytest.raises(AppError) as refused:
        await source.knows()
    assert refused.value.code_name == "UNAVAILABLE"
    with pytest.raises(AppError):
        await source.knows()
    assert source.fetched == fetched + 1
    source.down = False
    source.now += PAUSE_SECONDS
    assert await source.knows()


def test_a_peek_decodes_nothing_large() -> None:
    assert peek("x.eyJpc3MiOiJhIn0.y") == {"iss": "a"}
    for token in ("", "x", "a.b", "a.b.c.d", "a.e30.b" + "x" * 9000, "a.WzFd.b", "a.!!.b", "a.bm8.b", "ä.ä.ä"):
        assert peek(token) == {}


GOOD = {"issuer": "https://issuer.example", "audience": "app"}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"algorithm": "HS256"}, "asymmetric keys"),
        ({"algorithm": "hs512"}, "asymmetric keys"),
        ({"algorithm": "none"}, "RS256"),
        ({"algorithm": ["RS256", "ES256"]}, "RS256"),
        ({"audience": []}, "audience"),
        ({"audience": [""]}, "audience"),
        ({"issuer": "fivefold"}, "this service itself"),
        ({"issuer": "http://issuer.example"}, "https"),
        ({"issuer": "no address"}, "is not an address"),
        ({"jwks_url": "http://169.254.169.254/"}, "https"),
        ({"jwks_url": "https://a.example", "discovery_url": "https://a.example"}, "not both"),
        ({"secret": "x"}, "Extra"),
    ],
)
def test_an_issuer_that_is_set_up_wrongly_is_refused_at_the_start(config: dict[str, Any], problem: str) -> None:
    assert IssuerConfig.model_validate(GOOD).audience == ["app"]
    with pytest.raises(ValidationError, match=problem):
        IssuerConfig.model_validate(GOOD | config)


def test_settings_say_what_is_wrong_without_repeating_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv(
        "FIVEFOLD_ISSUERS", '[{"issuer": "https://x.supabase.co/auth/v1", "audience": "a", "algorithm": "HS256"}]'
    )
    with pytest.raises(SetupError, match=r"FIVEFOLD_ISSUERS: .*HS256.*asymmetric"):
        read()
    file = tmp_path / "issuers.json"
    file.write_text('[{"issuer": "https://x.example", "audience": "a"}]')
    monkeypatch.setenv("FIVEFOLD_ISSUERS", str(file))
    assert read().issuers[0].algorithm == "RS256"
    for wrong in ("/nowhere.json", "[", '{"a": 1}', '["x"]'):
        monkeypatch.setenv("FIVEFOLD_ISSUERS", wrong)
        with pytest.raises(SetupError, match="FIVEFOLD_ISSUERS"):
            read()
    file.write_text('[{"issuer": "https://x.example", "audience": "a"}, {"issuer": "https://x.example", "audience": "b"}]')
    monkeypatch.setenv("FIVEFOLD_ISSUERS", str(file))
    with pytest.raises(SetupError, match="there twice"):
        read()
    monkeypatch.delenv("FIVEFOLD_ISSUERS")
    provider = '{"name": "p", "url": "http://p.example", "client_id": "c", "client_secret": "canary"}'
    monkeypatch.setenv("FIVEFOLD_PROVIDERS", f"[{provider}]")
    with pytest.raises(SetupError) as refused:
        read()
    assert "canary" not in str(refused.value)
    monkeypatch.delenv("FIVEFOLD_PROVIDERS")
    monkeypatch.setenv("FIVEFOLD_GOOGLE_CLIENT_ID", "c")
    with pytest.raises(SetupError, match="FIVEFOLD_PUBLIC_URL"):
        read()
    monkeypatch.setenv("FIVEFOLD_PUBLIC_URL", "https://api.example")
    monkeypatch.setenv("FIVEFOLD_GITHUB_CLIENT_ID", "c")
    monkeypatch.setenv("FIVEFOLD_MICROSOFT_CLIENT_ID", "c")
    monkeypatch.setenv("FIVEFOLD_MICROSOFT_CLIENT_SECRET", "canary")
    settings = read()
    assert [(each.name, each.trust_email) for each in settings.all_providers()] == [
        ("google", True),
        ("github", True),
        ("microsoft", False),
    ]
    assert "canary" not in repr(settings)
