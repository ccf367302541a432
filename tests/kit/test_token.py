"""Keys and tokens: what a ring signs it verifies, and nothing else."""

from __future__ import annotations

import base64
import stat
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from app.kit import token
from app.kit.errors import AppError, SetupError
from app.kit.token import KeyRing, create_key

HOUR = timedelta(hours=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Our clock, to be moved by hand; PyJWT keeps its own."""
    hands = SimpleNamespace(now=time.time())
    monkeypatch.setattr(token, "time", SimpleNamespace(time=lambda: hands.now))
    return hands


def public_of(private: Path, path: Path) -> Path:
    key = load_pem_private_key(private.read_bytes(), password=None)
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def made(path: Path) -> Path:
    create_key(path)
    return path


def test_a_token_says_what_was_signed(jwt_key: Path) -> None:
    ring = KeyRing([jwt_key])
    workspace = uuid4()
    claims = ring.verify(ring.sign("someone", lifetime=HOUR, workspace_id=workspace, scopes=["a:b", "c:d"]))
    assert (claims.issuer, claims.subject, claims.workspace_id) == ("fivefold", "someone", workspace)
    assert claims.scopes == frozenset({"a:b", "c:d"})


def test_no_scope_at_all_is_not_every_scope(jwt_key: Path) -> None:
    ring = KeyRing([jwt_key])
    assert ring.verify(ring.sign("someone", lifetime=HOUR)).scopes is None
    assert ring.verify(ring.sign("someone", lifetime=HOUR, scopes=[])).scopes == frozenset()


def test_a_remembered_token_does_not_outlive_its_expiry(jwt_key: Path, clock: SimpleNamespace) -> None:
    ring = KeyRing([jwt_key])
    signed = ring.sign("someone", lifetime=timedelta(seconds=30))
    expires_at = ring.verify(signed).expires_at
    clock.now = expires_at - 0.001
    assert ring.verify(signed).subject == "someone"
    clock.now = expires_at
    with pytest.raises(AppError, match="expired") as refused:
        ring.verify(signed)
    assert refused.value.code_name == "UNAUTHENTICATED"


def test_a_token_is_remembered_for_a_minute_and_not_longer(
    jwt_key: Path, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing([jwt_key])
    signed = ring.sign("someone", lifetime=HOUR)
    decoded: list[str] = []
    decode = jwt.decode

    def counted(given: str, *args: Any, **options: Any) -> Any:
        decoded.append(given)
        return decode(given, *args, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    begun = clock.now
    for after, times in ((0, 1), (59, 1), (61, 2), (120, 2), (122, 3)):
        clock.now = begun + after
        ring.verify(signed)
        assert len(decoded) == times, after


def test_the_memory_of_tokens_is_bounded(jwt_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token, "CACHE_SIZE", 3)
    ring = KeyRing([jwt_key])
    for number in range(10):
        ring.verify(ring.sign(str(number), lifetime=HOUR))
        assert len(ring._verified) <= 3


def test_a_refused_token_is_not_remembered(jwt_key: Path, tmp_path: Path) -> None:
    ring = KeyRing([jwt_key])
    foreign = KeyRing([made(tmp_path / "foreign.pem")]).sign("someone", lifetime=HOUR)
    for _ in range(2):
        with pytest.raises(AppError):
            ring.verify(foreign)
    assert ring._verified == {}


def test_keys_rotate_without_a_moment_in_which_tokens_fail(tmp_path: Path) -> None:
    old, new = made(tmp_path / "old.pem"), made(tmp_path / "new.pem")
    before = KeyRing([old]).sign("someone", lifetime=HOUR)
    both = KeyRing([new, old])
    assert both.verify(before).subject == "someone"
    after = both.sign("someone", lifetime=HOUR)
    assert jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]
    assert KeyRing([new]).verify(after).subject == "someone"
    with pytest.raises(AppError):
        KeyRing([new]).verify(before)


def test_a_ring_of_public_keys_verifies_and_does_not_sign(jwt_key: Path, tmp_path: Path) -> None:
    ring = KeyRing([public_of(jwt_key, tmp_path / "public.pem")])
    assert ring.verify(KeyRing([jwt_key]).sign("someone", lifetime=HOUR)).subject == "someone"
    with pytest.raises(SetupError, match="FIVEFOLD_JWT_KEYS"):
        ring.sign("someone", lifetime=HOUR)


def test_a_ring_without_keys_verifies_nothing(jwt_key: Path) -> None:
    with pytest.raises(AppError):
        KeyRing([]).verify(KeyRing([jwt_key]).sign("someone", lifetime=HOUR))


def test_the_name_of_a_key_is_its_thumbprint() -> None:
    """The example of RFC 8037, appendix A.3."""
    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert token._thumbprint(Ed25519PublicKey.from_public_bytes(raw)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_new_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(made(tmp_path / "key.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [None, b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "ec"]
)
def test_a_key_that_is_none_is_named(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "key.pem"
    if content == "ec":
        key = generate_ec_key(SECP256R1())
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SetupError, match=r"FIVEFOLD_JWT_KEYS.*key\.pem") as refused:
        KeyRing([path])
    assert "AAAA" not in str(refused.value)


@given(
    garbage=st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,80}(\.[A-Za-z0-9_-]{0,80}){0,4}", fullmatch=True))
)
def test_garbage_is_refused_and_never_an_accident(jwt_key: Path, garbage: str) -> None:
    with pytest.raises(AppError) as refused:
        KeyRing([jwt_key]).verify(garbage)
    assert refused.value.code_name == "UNAUTHENTICATED"


@given(data=st.data(), subject=st.uuids())
def test_no_character_of_a_token_can_be_another(jwt_key: Path, data: st.DataObject, subject: UUID) -> None:
    ring = KeyRing([jwt_key])
    signed = ring.sign(str(subject), lifetime=HOUR)
    # The last character of a signature holds four bits that no decoder reads.
    place = data.draw(st.integers(0, len(signed) - 2))
    other = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda c: c != signed[place]))
    with pytest.raises(AppError):
        ring.verify(signed[:place] + other + signed[place + 1 :])


@pytest.mark.parametrize("spelled", ["{}=", "{}==", "{} ", "{}\n", "{}\0", "={}", "{}.", ".{}"])
def test_a_token_has_one_spelling(jwt_key: Path, spelled: str) -> None:
    """The library reads some of these like the token itself."""
    ring = KeyRing([jwt_key])
    with pytest.raises(AppError):
        ring.verify(spelled.format(ring.sign("someone", lifetime=HOUR)))


def test_a_token_is_at_most_8_kilobytes(jwt_key: Path) -> None:
    ring = KeyRing([jwt_key])
    assert ring.verify(ring.sign("x" * 4000, lifetime=HOUR)).subject == "x" * 4000
    with pytest.raises(AppError, match="too long"):
        ring.verify(ring.sign("x" * 8000, lifetime=HOUR))
