"""The vault's own rules, without a database."""

from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.errors import SetupError
from app.kit.vault import OVERHEAD, Key, Place, Sealed, Vault, create_key, key_id, named, new_id, new_key, vault_of
from app.settings import Settings

PLACE = Place("core.webhook", "secret", uuid4(), uuid4())
words = st.from_regex(r"[a-z_]{1,10}\.[a-z_]{1,10}", fullmatch=True)
places = st.builds(Place, words, st.from_regex(r"[a-z_]{1,10}", fullmatch=True), st.uuids(), st.uuids())


@given(place=places, value=st.binary(max_size=300))
def test_what_is_sealed_opens_at_its_place(place: Place, value: bytes) -> None:
    key = new_key()
    sealed = key.seal(place, value)
    assert key.open(place, sealed) == value
    assert (len(sealed), key_id(sealed)) == (len(value) + OVERHEAD, key.id)
    assert len(value) < 8 or value not in sealed
    assert key.seal(place, value) != sealed, "a nonce is used once"


@given(value=st.binary(max_size=40), place=st.integers(0), bit=st.integers(0, 7))
def test_one_other_bit_does_not_open(value: bytes, place: int, bit: int) -> None:
    key = new_key()
    sealed = bytearray(key.seal(PLACE, value))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(Sealed) as refused:
        key.open(PLACE, bytes(sealed))
    assert str(refused.value) == str(Sealed()), "one error, whatever is wrong"


@given(value=st.binary(max_size=40), cut=st.integers(1, 100), end=st.booleans())
def test_what_was_cut_or_grew_does_not_open(value: bytes, cut: int, end: bool) -> None:
    key = new_key()
    sealed = key.seal(PLACE, value)
    for wrong in (sealed[:-cut] if end else sealed[cut:], sealed + b"\0" * cut, b"\0" * cut + sealed, b""):
        with pytest.raises(Sealed):
            key.open(PLACE, wrong)


@given(here=places, there=places)
def test_it_opens_nowhere_else(here: Place, there: Place) -> None:
    key = new_key()
    sealed = key.seal(here, b"secret")
    if here == there:
        assert key.open(there, sealed) == b"secret"
    else:
        with pytest.raises(Sealed):
            key.open(there, sealed)


def test_each_part_of_the_place_counts() -> None:
    key, sealed_at = new_key(), PLACE
    sealed = key.seal(sealed_at, b"secret")
    for wrong in (
        Place("core.webhoo", "secret", PLACE.row_id, PLACE.workspace_id),
        Place("core.webhook", "url", PLACE.row_id, PLACE.workspace_id),
        Place("core.webhook", "secret", uuid4(), PLACE.workspace_id),
        Place("core.webhook", "secret", PLACE.row_id, uuid4()),
        Place("core.webhook", "secret", PLACE.workspace_id, PLACE.row_id),
    ):
        with pytest.raises(Sealed):
            key.open(wrong, sealed)


def test_another_key_does_not_open_even_under_the_same_name() -> None:
    key = new_key()
    sealed = key.seal(PLACE, b"secret")
    for other in (new_key(), Key(key.id, os.urandom(32)), Key(uuid4(), key.secret)):
        with pytest.raises(Sealed):
            other.open(PLACE, sealed)
    with pytest.raises(Sealed):
        Vault([named(os.urandom(32))]).open(PLACE, sealed)


def test_the_first_key_seals_and_every_one_opens() -> None:
    old, new = named(os.urandom(32)), named(os.urandom(32))
    sealed = Vault([old]).seal(PLACE, b"secret")
    both = Vault([new, old])
    assert both.open(PLACE, sealed) == b"secret"
    assert key_id(both.seal(PLACE, b"x")) == new.id == both.first
    with pytest.raises(Sealed):
        Vault([new]).open(PLACE, sealed)
    with pytest.raises(SetupError, match="FIVEFOLD_VAULT_KEYS is not set"):
        Vault([]).seal(PLACE, b"x")


def test_showing_a_key_shows_its_name_alone() -> None:
    key = new_key()
    for text in (repr(key), str(key), repr(Vault([key])), f"{[key]}"):
        assert repr(key.secret) not in text
        assert key.secret.hex() not in text
    assert str(key.id) in repr(key)
    assert key.secret not in pickle.dumps(Sealed())


def test_the_name_of_a_key_is_made_of_it() -> None:
    secret = os.urandom(32)
    assert named(secret) == named(secret) != named(os.urandom(32))
    assert named(secret).id.bytes not in secret


def test_keys_come_from_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a.key", tmp_path / "b.key"]
    for path in paths:
        create_key(path)
        assert path.stat().st_mode & 0o077 == 0, "for its owner alone"
    vault = vault_of(Settings(vault_keys=paths))
    assert vault.first == named(base64.b64decode(paths[0].read_bytes())).id
    assert len(vault.key_ids) == 2
    assert vault_of(Settings(vault_keys=paths)) is vault, "files are not read for every secret"
    with pytest.raises(FileExistsError):
        create_key(paths[0])
    with pytest.raises(SetupError, match="twice"):
        vault_of(Settings(vault_keys=[paths[0], paths[0]]))


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"secretsecret", base64.b64encode(b"x" * 31), base64.b64encode(b"x" * 33), b"x" * 32, b"\xff" * 44],
)
def test_what_is_no_key_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.key"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=r"FIVEFOLD_VAULT_KEYS: .*wrong\.key is not a key") as refused:
        vault_of(Settings(vault_keys=[path]))
    assert not content.strip() or content.decode("latin-1").strip() not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot read .*none\.key: No such file"):
        vault_of(Settings(vault_keys=[tmp_path / "none.key"]))


def test_new_ids_are_uuidv7() -> None:
    ids = [new_id() for _ in range(100)]
    assert {(each.version, each.variant) for each in ids} == {(7, UUID(int=0x8 << 60).variant)}
    assert len(set(ids)) == 100
    assert [each.int >> 80 for each in ids] == sorted(each.int >> 80 for each in ids), "by time"
