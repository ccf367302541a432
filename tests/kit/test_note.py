"""Signed notes: those of the format's own examples are understood, and nothing that is nearly one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.errors import SetupError
from app.kit.note import PrivateKey, parse_public_key, read_checkpoint, read_private_key, read_public_key, write_note
from app.kit.token import create_key

EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
TEXT = "fivefold/audit\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nblock 1\n"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("note") / "audit.pem"
    create_key(path)
    return read_private_key(path, "fivefold/audit")


def test_the_example_of_the_format_is_understood() -> None:
    found = read_checkpoint(EXAMPLE)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    ((name, key_id, signature),) = found.signatures
    assert (name, len(key_id), len(signature)) == ("example.com/behind-the-sofa", 4, 64)


def test_a_note_is_its_keys_and_no_others(key: PrivateKey, tmp_path: Path) -> None:
    note = write_note(TEXT, key.public.name, key.public.id, key.sign(TEXT))
    assert read_checkpoint(note).signed_by(key.public)
    assert not read_checkpoint(note.replace("block 1", "block 2")).signed_by(key.public)
    create_key(tmp_path / "other.pem")
    other = read_private_key(tmp_path / "other.pem", "fivefold/audit")
    assert not read_checkpoint(note).signed_by(other.public)
    renamed = read_private_key(tmp_path / "other.pem", "fivefold/other")
    forged = write_note(TEXT, key.public.name, key.public.id, renamed.sign(TEXT))
    assert not read_checkpoint(forged).signed_by(key.public)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        TEXT,
        EXAMPLE.rstrip("\n"),
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("CsUY", "!!"),
        EXAMPLE.replace("CsUY", "CsU"),
        EXAMPLE.replace("— ", "- "),
        EXAMPLE.replace("Az3g", "*"),
        EXAMPLE.replace("\n20852163", "\n\n20852163"),
        EXAMPLE + "more\n",
        "x" * (1 << 21),
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        read_checkpoint(note)


@given(st.text(max_size=300))
def test_any_text_is_refused_or_understood(text: str) -> None:
    with suppress(ValueError):
        read_checkpoint(text)


def test_keys_are_read_as_pem_and_as_lines(key: PrivateKey, tmp_path: Path) -> None:
    line = tmp_path / "audit.key"
    line.write_text(f"{key.public}\n", encoding="utf-8")
    assert read_public_key(line, "whatever") == key.public == parse_public_key(str(key.public))
    for bad in ("", "a+b", f"{key.public}x", str(key.public).replace(key.public.id.hex(), "00000000"), "a+00000000+AAAA"):
        line.write_text(bad, encoding="utf-8")
        with pytest.raises(SetupError):
            read_public_key(line, "x")
    with pytest.raises(SetupError):
        read_private_key(tmp_path / "missing.pem", "x")
    create_key(tmp_path / "key.pem")
    with pytest.raises(SetupError, match="ORIGIN"):
        read_private_key(tmp_path / "key.pem", "a name with spaces")
