"""Egress: requests to addresses that others name. None reaches our own network, whatever they name it.

A name is resolved once, by us, at the moment of connecting. Is any of its addresses not of the public internet, nothing is
connected to; else to one of those that were looked at, under the name that was asked for (Host, SNI, certificate). Redirects
are not followed, the environment names no proxy, nothing is decompressed, and an answer is read as far as was agreed.

The lists are our own: Python's ``is_global`` lets pass what leads elsewhere (NAT64, 6to4, addresses of clouds).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import perf_counter
from urllib.parse import urlsplit

import httpcore2

MOST_URL = 2000
MOST_ADDRESSES = 32
"""A name with more of them is not tried."""

_NOT_PUBLIC_4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform
        "169.254.0.0/16",  # link-local; the metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
"""All that was ever given out for the internet: NAT64, mapped, compatible, local and multicast addresses lie outside."""
_NOT_PUBLIC_6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocol assignments, Teredo, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4: holds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface identifier whose lower half is an IPv4 address."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

Address = IPv4Address | IPv6Address


class Failure(Enum):
    """Why there is no answer."""

    ADDRESS_REFUSED = "the name leads into a network that is not public"
    NAME_NOT_FOUND = "the name has no address"
    CONNECTION_FAILED = "no connection, or it broke off"
    TLS_FAILED = "no connection that could be trusted: the certificate is not valid for this name"
    TIMED_OUT = "no answer in time"
    BAD_ANSWER = "the answer was not HTTP"


class Unreachable(Exception):
    """No answer. Its text is that of the failure, and never of what the other side said."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class BadUrl(ValueError):
    """No address that requests are sent to; the text says what to change."""


@dataclass(frozen=True)
class Reply:
    """What was answered; ``body`` as far as it was wanted."""

    status: int
    milliseconds: int
    body: bytes = b""


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet and of nothing else."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address not in _PUBLIC_6 or any(address in network for network in _NOT_PUBLIC_6):
        return False
    return int(address) >> 32 & 0xFFFFFFFF not in _ISATAP


def may_reach(address: Address, *, loopback: bool) -> bool:
    """As ``is_public``; with ``loopback`` also this machine, for tests and trials."""
    return is_public(address) or (loopback and any(address in network for network in _LOOPBACK))


def check_url(text: str, *, loopback: bool = False) -> str:
    """The URL as it is asked. Raises BadUrl.

    Only one way to write an address passes, so that nothing reads another host in it than we do. ``loopback`` allows http
    and this machine.
    """
    if not 1 <= len(text) <= MOST_URL or not all("!" <= each <= "~" for each in text) or re.search(r'[\\<>"^`{|}]', text):
        raise BadUrl(f"A URL has at most {MOST_URL} characters, of ASCII and without spaces; write other names in Punycode.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadUrl("This is no URL: write https://host/path.") from None
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        raise BadUrl("Only https is sent to: write https://host/path.")
    if "@" in parts.netloc:
        raise BadUrl("A URL holds no user and no password: the signature says who sends.")
    if "#" in text:
        raise BadUrl("A URL to send to ends before its #.")
    if port == 0 or parts.netloc.endswith(":"):
        raise BadUrl("A port is a number from 1 to 65535.")
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        _check_literal(host, loopback)
    else:
        _check_name(host, loopback)
    return text


def _check_literal(host: str, loopback: bool) -> None:
    try:
        address = ip_address(host)
    except ValueError:
        raise BadUrl("This is no IPv6 address.") from None
    if "%" in host or not may_reach(address, loopback=loopback):
        raise BadUrl("This address is not one of the public internet.")


def _check_name(host: str, loopback: bool) -> None:
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        raise BadUrl("The host is no name: letters, digits and hyphens between dots, and no dot at its end.")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):  # what browsers and resolvers read as a number
        try:
            address = IPv4Address(host)
        except ValueError:
            raise BadUrl("Write an IPv4 address as four numbers.") from None
        if not may_reach(address, loopback=loopback):
            raise BadUrl("This address is not one of the public internet.")
    elif len(labels) == 1 and not (loopback and host == "localhost"):
        raise BadUrl("The host is a name of your own network; write one that everybody can reach.")


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, each once. Raises Unreachable."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(Failure.NAME_NOT_FOUND) from None
    addresses: dict[Address, None] = {}
    for *_, (address, *_) in found:
        try:
            addresses[ip_address(str(address))] = None
        except ValueError:
            raise Unreachable(Failure.ADDRESS_REFUSED) from None
    return list(addresses)


class _Guarded(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were looked at, and to no other: between looking and connecting nobody resolves again."""

    def __init__(self, *, loopback: bool) -> None:
        self._plain, self._loopback = httpcore2.AnyIOBackend(), loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await resolve(host, port)
        if not addresses:
            raise Unreachable(Failure.NAME_NOT_FOUND)
        if len(addresses) > MOST_ADDRESSES or not all(may_reach(each, loopback=self._loopback) for each in addresses):
            raise Unreachable(Failure.ADDRESS_REFUSED)
        for address in addresses:
            try:
                return await self._plain.connect_tcp(str(address), port, timeout=timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        raise Unreachable(Failure.CONNECTION_FAILED)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise Unreachable(Failure.ADDRESS_REFUSED)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Whom this machine trusts; read once, for it takes as long as a request."""
    return httpcore2.default_ssl_context()


async def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    seconds: float = 10.0,
    most_bytes: int = 0,
    loopback: bool = False,
) -> Reply:
    """One request, and at most ``most_bytes`` of what is answered; whatever its status is. All of it within ``seconds``.

    Raises BadUrl, Unreachable.
    """
    check_url(url, loopback=loopback)
    begun = perf_counter()
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    try:
        async with (
            asyncio.timeout(seconds),
            httpcore2.AsyncConnectionPool(network_backend=_Guarded(loopback=loopback), ssl_context=_trust()) as pool,
            pool.stream(method, url, headers=given, content=body) as response,
        ):
            kept = b""
            if most_bytes:
                async for part in response.aiter_stream():
                    kept += part[: most_bytes - len(kept)]
                    if len(kept) == most_bytes:
                        break
            return Reply(response.status, int((perf_counter() - begun) * 1000), kept)
    except Unreachable:
        raise
    except (TimeoutError, httpcore2.TimeoutException):
        raise Unreachable(Failure.TIMED_OUT) from None
    except httpcore2.ProtocolError as error:
        hung_up = str(error).startswith("Server disconnected")  # the library tells it by its words only
        raise Unreachable(Failure.CONNECTION_FAILED if hung_up else Failure.BAD_ANSWER) from None
    except (httpcore2.NetworkError, OSError) as error:
        raise Unreachable(Failure.TLS_FAILED if _is_tls(error) else Failure.CONNECTION_FAILED) from None


def _is_tls(error: BaseException | None) -> bool:
    """Whether trust is what failed, somewhere below."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
