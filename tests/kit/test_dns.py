"""DNS: what a name's records say, and that no answer is not an answer."""

from __future__ import annotations

import dns.rcode
import pytest

from app.kit import dns as kit
from app.kit.errors import SetupError
from tests.factory.dns import dns_server


async def test_records_are_put_together_of_their_parts() -> None:
    async with dns_server() as server:
        server.records["a.example.com"] = [["one"], ["two ", "parts"]]
        assert sorted(await kit.text_records("a.example.com", [server.address])) == ["one", "two parts"]
        server.records["empty.example.com"] = []
        assert await kit.text_records("empty.example.com", [server.address]) == []
        assert await kit.text_records("none.example.com", [server.address]) == []


async def test_no_answer_is_told_apart_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "SECONDS", 0.2)
    async with dns_server() as server:
        server.rcode = dns.rcode.SERVFAIL
        with pytest.raises(kit.NoAnswer):
            await kit.text_records("a.example.com", [server.address])
        server.rcode, server.silent = None, True
        with pytest.raises(kit.NoAnswer):
            await kit.text_records("a.example.com", [server.address])


def test_a_server_is_an_address() -> None:
    assert kit.parse_server("9.9.9.9") == ("9.9.9.9", 53)
    assert kit.parse_server("127.0.0.1:5353") == ("127.0.0.1", 5353)
    assert kit.parse_server("::1") == ("::1", 53)
    assert kit.parse_server("[::1]:5353") == ("::1", 5353)
    for text in ("", "dns.example.com", "1.2.3.4:0", "1.2.3.4:x", "1.2.3.4:70000", "[::1]:x"):
        with pytest.raises(SetupError):
            kit.parse_server(text)
