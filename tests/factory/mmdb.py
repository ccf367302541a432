"""A small MMDB file, as providers of numbers of networks give them away: a binary tree of 24-bit records, then the data."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

MADE = 1_790_000_000
_KINDS = {
    "binary_format_major_version": 5,
    "binary_format_minor_version": 5,
    "build_epoch": 9,
    "ip_version": 5,
    "node_count": 6,
    "record_size": 5,
}
"""Of what a file says of itself: readers ask for the very types."""


def _packed(value: Any, kind: int = 0) -> bytes:
    if isinstance(value, str):
        return _head(2, len(value.encode())) + value.encode()
    if isinstance(value, int):
        octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _head(kind or (6 if len(octets) <= 4 else 9), len(octets)) + octets
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_packed(key) + _packed(each, _KINDS.get(key, 0)) for key, each in value.items())
    return _head(11, len(value)) + b"".join(map(_packed, value))


def _head(kind: int, size: int) -> bytes:
    more = b"" if size < 29 else bytes([size - 29])
    least = min(size, 29)
    return bytes([kind << 5 | least]) + more if kind < 8 else bytes([least, kind - 7]) + more


def write_mmdb(file: Path, networks: Mapping[str, Any], made: int = MADE) -> Path:
    """A file that tells a record for each network, IPv4 below ::/96."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for text, record in networks.items():
        network = ip_network(text)
        shift = 96 if isinstance(network, IPv4Network) else 0
        number, length = int(network.network_address), network.prefixlen + shift
        at = 0
        for place in range(length):
            bit = number >> (127 - place) & 1
            if place == length - 1:
                nodes[at][bit] = ("data", len(data))
            else:
                if nodes[at][bit] is None:
                    nodes.append([None, None])
                    nodes[at][bit] = len(nodes) - 1
                at = nodes[at][bit]
        data += _packed(record)
    count = len(nodes)
    tree = b"".join(
        (count if each is None else each if isinstance(each, int) else count + 16 + each[1]).to_bytes(3, "big")
        for node in nodes
        for each in node
    )
    told = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": made,
        "database_type": "Test-ASN",
        "description": {"en": "A test"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": count,
        "record_size": 24,
    }
    file.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _packed(told))
    return file
