"""Egress: requests to addresses that others name. None reaches our own network, whatever they name it.

A name is resolved once, by us, at the moment of connecting. Is any of its addresses not of the public internet, nothing is
connected to; else to one of those that were looked at, under the name that was asked for (Host, SNI, certificate). Redirects
are not followed, the environment names no proxy, nothing is decompressed, and an answer is read as far as was agreed.

The lists are our own: Python's ``is_global`` lets pass what leads elsewhere (NAT64, 6to4, addresses of clouds). Ports are not
asked for behind which something other than the web answers to whoever writes a line.

``send`` makes one request of that. Who follows where others lead does it step by step: ``read_target`` checks an address,
``pin`` finds the one that is connected to, and ``open_link`` connects to that and to no other.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import perf_counter
from typing import Any
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

MOST_PORT = 65535
_WEB_PORTS = frozenset((80, 443))
"""All that is asked for below 1024."""
_CLOSED_PORTS = frozenset(
    (
        # what browsers refuse
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
        # databases, queues, caches
        *(1433, 1521, 2181, 3306, 3351, 5432, 5433, 5672, 5984, 6379, 6380, 7000, 7001, 7474, 7687, 8086, 9042, 9092, 9160),
        *(9200, 9300, 11211, 26257, 27017, 27018, 27019, 28017),
        # who may command machines
        *(2375, 2376, 2379, 2380, 2381, 3389, 4243, 4646, 4647, 5900, 5901, 5985, 5986, 6443, 8200, 8300, 8500, 9001, 9100),
        *(10250, 10255, 10256),
    )
)
_OWN_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "onion", "i2p")
"""Names that mean something else in each network, or nothing in any resolver of the internet."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PLAIN = re.compile(r"""[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+""")
"""ASCII but for what no URL holds as it is."""
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

Address = IPv4Address | IPv6Address


class Failure(Enum):
    """Why there is no answer."""

    URL_REFUSED = "the address is none that is asked for"
    PORT_REFUSED = "nothing of the web answers at this port"
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
    """No address that requests are sent to; the text says what to change, ``failure`` what it would have been."""

    def __init__(self, message: str, failure: Failure = Failure.URL_REFUSED) -> None:
        super().__init__(message)
        self.failure = failure


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


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, as it was read once. ``path`` holds the query too."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None

    @property
    def authority(self) -> str:
        """The host as a request names it, with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def check_url(text: str, *, loopback: bool = False) -> str:
    """The URL as it is asked. Raises BadUrl.

    ``loopback`` allows http and this machine.
    """
    if "#" in text:
        raise BadUrl("A URL to send to ends before its #.")
    return read_target(text, schemes=("https", "http") if loopback else ("https",), loopback=loopback).url


def read_target(text: str, *, schemes: tuple[str, ...], most: int = MOST_URL, loopback: bool = False) -> Target:
    """Where a URL leads. Raises BadUrl.

    Only one way to write an address passes, so that nothing reads another host in it than we do. What is behind # is not
    part of a request. ``loopback`` allows this machine.
    """
    if not 1 <= len(text) <= most or not _PLAIN.fullmatch(text):
        raise BadUrl(f"A URL has at most {most} characters, of ASCII and without spaces; write other names in Punycode.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadUrl("This is no URL: write https://host/path.") from None
    if parts.scheme not in schemes:
        raise BadUrl(f"Only {' and '.join(schemes)} is sent to: write https://host/path.")
    if "@" in parts.netloc:
        raise BadUrl("A URL holds no user and no password: the signature says who sends.")
    if port == 0 or parts.netloc.endswith(":"):
        raise BadUrl("A port is a number from 1 to 65535.", Failure.PORT_REFUSED)
    host = parts.hostname or ""
    literal = _read_literal(host, loopback) if parts.netloc.startswith("[") else _read_name(host, loopback)
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    elif not may_ask(port):
        raise BadUrl("Nothing of the web answers at this port; leave it out, or write another.", Failure.PORT_REFUSED)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(text, parts.scheme, host, port, path, literal)


def may_ask(port: int) -> bool:
    """Whether a port is one that pages are served at, and no mail, no database and nothing that commands."""
    return port in _WEB_PORTS or (1024 <= port <= MOST_PORT and port not in _CLOSED_PORTS)


def _read_literal(host: str, loopback: bool) -> Address:
    try:
        address = ip_address(host)
    except ValueError:
        raise BadUrl("This is no IPv6 address.") from None
    if "%" in host or not may_reach(address, loopback=loopback):
        raise BadUrl("This address is not one of the public internet.", Failure.ADDRESS_REFUSED)
    return address


def _read_name(host: str, loopback: bool) -> Address | None:
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        raise BadUrl("The host is no name: letters, digits and hyphens between dots, and no dot at its end.")
    if _NUMBER.fullmatch(labels[-1]):  # what browsers and resolvers read as a number
        try:
            address = IPv4Address(host)
        except ValueError:
            raise BadUrl("Write an IPv4 address as four numbers.") from None
        if not may_reach(address, loopback=loopback):
            raise BadUrl("This address is not one of the public internet.", Failure.ADDRESS_REFUSED)
        return address
    if loopback and host == "localhost":
        return None
    if len(labels) == 1 or labels[-1] in _OWN_NAMES or ".".join(labels[-2:]) in _OWN_NAMES:
        raise BadUrl("The host is a name of your own network; write one that everybody can reach.", Failure.ADDRESS_REFUSED)
    return None


async def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, each once. Raises Unreachable.

    In threads of its own: names whose servers never answer keep nobody else waiting for a thread.
    """
    try:
        found = await asyncio.get_running_loop().run_in_executor(_resolvers(), _look_up, host, port)
    except (OSError, UnicodeError):
        raise Unreachable(Failure.NAME_NOT_FOUND) from None
    addresses: dict[Address, None] = {}
    for *_, (address, *_) in found:
        try:
            addresses[ip_address(str(address))] = None
        except ValueError:
            raise Unreachable(Failure.ADDRESS_REFUSED) from None
    return list(addresses)


def _look_up(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


@lru_cache(maxsize=1)
def _resolvers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=128, thread_name_prefix="resolve")


async def look(host: str, port: int, *, loopback: bool) -> list[Address]:
    """The addresses of a name, in the resolver's order, if each of them may be reached. Raises Unreachable."""
    addresses = await resolve(host, port)
    if not addresses:
        raise Unreachable(Failure.NAME_NOT_FOUND)
    if len(addresses) > MOST_ADDRESSES or not all(may_reach(each, loopback=loopback) for each in addresses):
        raise Unreachable(Failure.ADDRESS_REFUSED)
    return addresses


async def pin(target: Target, *, loopback: bool = False) -> Address:
    """The one address that a target is asked at: the name is resolved once, and all it has were checked. Raises Unreachable."""
    if target.literal is not None:
        return target.literal
    addresses = await look(target.host, target.port, loopback=loopback)
    if loopback:
        addresses = sorted(addresses, key=lambda each: each.version)  # what listens on this machine often does so by IPv4 alone
    return addresses[0]


class TooMuch(Exception):
    """More was sent than was agreed."""


class Link:
    """An open connection to an address that was looked at, of which at most ``left`` bytes more are read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most_bytes: int) -> None:
        self._reader, self._writer, self.left = reader, writer, most_bytes

    async def read(self, most: int) -> bytes:
        """What has come, b"" at the end. Raises TooMuch, OSError."""
        data = await self._reader.read(most)
        self.left -= len(data)
        if self.left < 0:
            raise TooMuch
        return data

    def write(self, data: bytes) -> None:
        """Requests are small: nothing waits until they were sent. Raises ConnectionResetError where nobody is there."""
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)

    def close(self) -> None:
        """At once: whoever is slow to say goodbye is not waited for."""
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Such as ``ssl_object``."""
        return self._writer.get_extra_info(info)


async def open_link(target: Target, address: Address, *, most_bytes: int, verified: bool = True) -> Link:
    """A connection to the pinned address, by TLS where the target's scheme is https.

    Not ``verified``, whoever answers is listened to: for learning what certificate it is that nobody vouches for.
    Raises OSError, of which ssl.SSLError and ssl.SSLCertVerificationError are kinds.
    """
    context = None
    if target.scheme == "https":
        context = _trust() if verified else _distrust()
    reader, writer = await asyncio.open_connection(
        str(address), target.port, ssl=context, server_hostname=target.host if context else None, limit=65_536
    )
    link = Link(reader, writer, most_bytes)
    if ip_address(writer.get_extra_info("peername")[0]) != address:  # whatever the loop made of it
        link.close()
        raise ConnectionRefusedError
    return link


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
        for address in await look(host, port, loopback=self._loopback):
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


@lru_cache(maxsize=1)
def _distrust() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


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
