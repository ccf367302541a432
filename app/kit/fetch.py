"""Documents of other services: small, soon, from the very address that was asked, or not at all.

The addresses are the operator's configuration, or stand in documents that such an address served. So it is not asked whether
an address is private; what is bound is what the other side can do to us: send without end, take its time, send us elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson

MAX_BYTES = 256 * 1024
SECONDS = 5.0


class FetchError(httpx2.TransportError):
    """Why there is no document, in words for the operator's log: addresses and numbers, nothing that was sent."""


def check_url(url: str) -> str:
    """The address, if it may be asked: https, or http on this machine. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if not url.isascii() or not url.isprintable() or any(each in url for each in " \\") or not host or port == 0:
        raise ValueError("is not an address")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("has a user, a password or a fragment, which an address must not have here")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("must begin with https://")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Bounded(httpx2.AsyncBaseTransport):
    """A transport that reads a whole response within bounds. Raises FetchError."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, seconds: float = SECONDS) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=_tls(), trust_env=False)
        self._max_bytes, self._seconds = max_bytes, seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response with its body, of an address that may be asked."""
        where = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}{request.url.path}"[:200]
        try:
            check_url(str(request.url))
        except ValueError as error:
            raise FetchError(f"{where} {error}") from None
        request.headers["Accept-Encoding"] = "identity"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(request, where)
        except TimeoutError:
            raise FetchError(f"{where} took more than {self._seconds:g} seconds") from None
        except FetchError:
            raise
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise FetchError(f"{where} cannot be read: {type(error).__name__}") from None

    async def _read(self, request: httpx2.Request, where: str) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        try:
            if 300 <= response.status_code < 400:
                raise FetchError(f"{where} sends us elsewhere, which is not followed: {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise FetchError(f"{where} answers compressed, which was not asked for")
            body = bytearray()
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            async for part in response.stream:
                body += part
                if len(body) > self._max_bytes:
                    raise FetchError(f"{where} sends more than {self._max_bytes} bytes")
        finally:
            await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=bytes(body), request=request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


async def fetch_json(url: str, *, bearer: str | None = None) -> Any:
    """The JSON at an address. Raises FetchError."""
    headers = {"Accept": "application/json", "User-Agent": "Fivefold"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    async with httpx2.AsyncClient(transport=Bounded(), trust_env=False) as client:
        response = await client.get(url, headers=headers)
    if response.status_code != 200:
        raise FetchError(f"{url[:200]} answers {response.status_code}")
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise FetchError(f"{url[:200]} is not JSON") from None


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates of all authorities takes longer than a request."""
    return ssl.create_default_context()
