"""Networks: the numbers in an operator's file, and nothing where it says nothing."""

from __future__ import annotations

import os
import time
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app import doctor
from app.kit.errors import SetupError
from app.scans import network
from app.scans.network import LOOK_SECONDS, NOT_KNOWN, Networks, networks_of
from app.settings import Settings
from tests.factory.mmdb import MADE, write_mmdb

RECORDS: dict[str, Any] = {
    "93.184.215.0/24": {"autonomous_system_number": 15133, "autonomous_system_organization": "Edgecast"},
    "127.0.0.0/8": {"asn": "AS64512", "as_name": "Here"},
    "2606:4700::/32": {"asn": 4_294_967_295},
    "8.8.8.0/24": {"country": "US"},
    "9.9.9.0/24": {"asn": "AS99999999999"},
    "1.1.1.0/24": {"autonomous_system_number": 2**40},
    "1.0.0.0/24": "text",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_mmdb(tmp_path / "asn.mmdb", RECORDS)


def numbers(networks: Networks, *addresses: str) -> list[int | None]:
    return [networks.number_of(ip_address(each)) for each in addresses]


def test_numbers_are_those_of_the_file(file: Path) -> None:
    """As each of the givers writes them; what is no number of a network is none."""
    networks = networks_of(Settings(scan_networks=str(file)))
    assert numbers(networks, "93.184.215.14", "127.0.0.1", "2606:4700::1111") == [15133, 64512, 2**32 - 1]
    assert numbers(networks, "8.8.8.8", "9.9.9.9", "1.1.1.1", "1.0.0.1", "203.0.113.1", "2001:4860::1") == [None] * 6
    assert networks.number_of(None) is None
    assert networks.as_of is not None
    assert int(networks.as_of.timestamp()) == MADE
    assert networks_of(Settings(scan_networks=str(file))) is networks, "one for the process"
    assert networks_of(Settings()) is NOT_KNOWN
    assert numbers(NOT_KNOWN, "93.184.215.14") == [None]
    assert not NOT_KNOWN.is_due(1e9)


def test_a_file_that_is_replaced_is_read_and_a_broken_one_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, now, told = Networks(file), 0.0, list[str]()
    monkeypatch.setattr(
        network, "log", SimpleNamespace(warning=lambda event, **_: told.append(event), info=lambda *_, **__: None)
    )

    def later() -> None:
        nonlocal now
        now += LOOK_SECONDS
        networks.refresh(now)

    later()
    whole = file.read_bytes()
    write_mmdb(file, {"93.184.215.0/24": {"asn": 7}}, MADE + 1)  # written over while it is open
    os.utime(file, (now, now))
    networks.refresh(now + LOOK_SECONDS / 2)
    assert numbers(networks, "93.184.215.14") == [15133], "it is not looked at all the time"
    later()
    assert numbers(networks, "93.184.215.14", "127.0.0.1") == [7, None]
    for broken in (b"", b"nothing", whole[:200], whole[:-40]):
        file.write_bytes(broken)
        later()
        later()
        assert numbers(networks, "93.184.215.14") == [7], "the last good one is asked on"
    file.unlink()
    later()
    assert told == ["the file of networks could not be read"] * 5, "once for each"
    file.write_bytes(whole)
    later()
    assert numbers(networks, "93.184.215.14") == [15133]


@pytest.mark.parametrize("content", [None, b"", b"not MMDB", "other"], ids=["missing", "empty", "text", "other"])
def test_what_cannot_be_read_is_said_at_the_start(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "asn.mmdb"
    if content == "other":
        write_mmdb(file, {"8.8.8.0/24": {"country": "US"}})
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(SetupError, match=r"FIVEFOLD_SCAN_NETWORKS: .*asn\.mmdb cannot be read"):
        networks_of(Settings(scan_networks=str(file)))


def test_the_doctor_says_how_old_it_is(tmp_path: Path) -> None:
    def told(file: Path | None) -> tuple[str, str]:
        check = doctor._examine_networks(Settings(scan_networks=str(file or "")))
        return check.state, check.found

    now = int(time.time())
    young = write_mmdb(tmp_path / "young.mmdb", RECORDS, now - 86_400 - 60)
    old = write_mmdb(tmp_path / "old.mmdb", RECORDS, now - 61 * 86_400)
    assert told(None) == ("ok", "not known: FIVEFOLD_SCAN_NETWORKS is not set")
    assert told(young) == ("ok", "1 days old")
    assert told(old) == ("warning", "61 days old")
    assert told(tmp_path / "none.mmdb")[0] == "failed"
