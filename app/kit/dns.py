"""DNS: the TXT records of a name, asked of the machine's resolver or of those that the operator names."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.kit.errors import SetupError

if TYPE_CHECKING:
    import dns.asyncresolver

SECONDS = 4.0
"""A look-up takes no longer, retries included."""
MOST_RECORDS = 50
"""More of one name are not looked at."""


class NoAnswer(Exception):
    """No server said whether the name has records: not the same as none."""


def parse_server(text: str) -> tuple[str, int]:
    """Address and port of a DNS server, such as 9.9.9.9, 127.0.0.1:5353 or [::1]:5353. Raises SetupError."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        return str(ipaddress.ip_address(host)), int(port) if 0 < int(port) < 65536 else int("")
    except ValueError:
        raise SetupError(f"FIVEFOLD_DNS_SERVERS: {text} is not an address such as 9.9.9.9 or 127.0.0.1:5353") from None


def resolver(servers: Sequence[str]) -> dns.asyncresolver.Resolver:
    """Ask these servers, or those of the machine. Raises NoAnswer where it has none."""
    import dns.asyncresolver  # few processes ask DNS

    if not servers:
        try:
            found = dns.asyncresolver.Resolver()
        except (dns.resolver.NoResolverConfiguration, OSError):
            raise NoAnswer from None
    else:
        found = dns.asyncresolver.Resolver(configure=False)
        pairs = [parse_server(server) for server in servers]
        found.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in pairs]
    found.lifetime, found.timeout = SECONDS, SECONDS / 2
    found.search = []
    return found


async def text_records(name: str, servers: Sequence[str]) -> list[str]:
    """The TXT records of a whole name, each put together of its parts; none where there are none. Raises NoAnswer."""
    import dns.exception
    import dns.resolver

    try:
        answer = await resolver(servers).resolve(f"{name}.", "TXT", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError):
        raise NoAnswer from None
    records = [b"".join(record.strings) for record in answer][:MOST_RECORDS]
    return [record.decode("ascii", "replace") for record in records]
