"""Fetching a page that may be anybody's: what it leads to is seen, and nothing else is reached.

Every address is checked before anything is sent to it, each hop anew (kit/egress.py): all that a name resolves to must be of
the public internet, and one of them is connected to. Nothing is sent but a fixed request: no cookies, no referrer, no
credentials, no proxy of the environment. All that comes back is bounded: time over the whole, bytes on the wire, headers, bytes
unpacked.

A certificate that nobody vouches for is a fact, and the scan goes on: such pages are what a scanner is asked about, and there
is nothing in the request to steal. But an address that has secrets in it is not told to whoever answers there.

What the other side does is never an exception here: it is a failure in the observation.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from ipaddress import ip_address
from time import perf_counter
from urllib.parse import urljoin
from uuid import UUID

import h11
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from app.kit.egress import Address, BadUrl, Link, Target, TooMuch, Unreachable, open_link, pin, read_target
from app.kit.errors import AppError
from app.kit.http1 import Http1
from app.scans.headers import cookie_names, header_sha256, last_of, media_type, summarize
from app.scans.observation import FetchFailure, Hop, Observation, Tls, TlsProblem, Touch
from app.scans.url import MOST_URL, Url, parse_url

USER_AGENT = "Mozilla/5.0 (compatible; Fivefold/1; URL scan)"
_HEADERS = [
    (b"User-Agent", USER_AGENT.encode()),
    (b"Accept", b"text/html,application/xhtml+xml,*/*;q=0.8"),
    (b"Accept-Language", b"en"),
    (b"Accept-Encoding", b"gzip, deflate"),
]
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_PARTS = 20_000
"""Pieces of one body: each costs time, however small it is."""
_READ = 65_536
"""Read at once, so that of what follows the headers some was read with them."""
_OVERHEAD = 256 * 1024
"""On the wire, beside headers and body: the sizes of pieces."""
_FAVICON_SECONDS = 3.0
_HEAD = 65_536
"""So far into a page its head is looked for."""
_HTML = ("text/html", "application/xhtml+xml")
_META = re.compile(rb"<meta\b[^>]{0,2000}", re.IGNORECASE)
_REFRESH = re.compile(r"[0-9.]{0,10}+[\s;,]{0,10}+(?:url\s{0,5}=\s{0,5})?+[\"']?+([^\"']+)", re.IGNORECASE)
_ICON = re.compile(rb"<link\b[^>]{0,2000}", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?<![a-z-])([a-z-]{1,20})\s{0,10}=\s{0,10}(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE)


@dataclass(frozen=True)
class FetchLimits:
    """How much is taken of a page: seconds and bytes over all that one scan asks for, ``redirects`` hops after the first."""

    seconds: float = 20.0
    redirects: int = 10
    headers: int = 200
    header_bytes: int = 65_536
    body_bytes: int = 2 * 1024 * 1024
    favicon: bool = True
    favicon_bytes: int = 131_072


DEFAULT_LIMITS = FetchLimits()


class _Failed(Exception):
    """The chain ends here."""

    def __init__(self, failure: FetchFailure) -> None:
        super().__init__(failure.name)
        self.failure = failure


Before = Callable[[Touch], Awaitable[UUID]]
"""Writes down what is about to be touched, and names what was written. Nothing is connected to before it has answered."""


async def observe(
    url: str, limits: FetchLimits = DEFAULT_LIMITS, *, loopback: bool = False, before: Before | None = None
) -> Observation:
    """What is seen of an address, within bounds. Raises nothing for what the network does, but what ``before`` raises.

    ``loopback`` allows this machine: for tests and trials. ``before`` is asked before each request.
    """
    chain = _Chain(url, limits, loopback, before)
    try:
        async with asyncio.timeout(limits.seconds):
            await chain.follow()
            if limits.favicon and chain.failure is None:
                await chain.ask_favicon()
    except TimeoutError:
        chain.run_out()
    finally:
        chain.close()
    return chain.observed()


class _Visit:
    """One request under way; told as a Hop when it has ended, however it did."""

    def __init__(self, seq: int, url: str) -> None:
        self.seq, self.url, self.port = seq, url, 0
        self.parsed: Url | None = None  # held, so that whoever writes it down need not read it again
        self.begun = perf_counter()
        self.address: Address | None = None
        self.access_id: UUID | None = None
        self.status: int | None = None
        self.failure: FetchFailure | None = None
        self.tls: Tls | None = None
        self.headers: Mapping[str, str] = {}
        self.raw: list[tuple[bytes, bytes]] = []
        self.link: Link | None = None
        self.http: Http1 | None = None
        self.body = b""
        self.read = self.truncated = False
        self.target: Target | None = None

    def hop(self) -> Hop:
        """As far as it came."""
        return Hop(
            seq=self.seq,
            url=self.url,
            address=self.address,
            port=self.port,
            status=self.status,
            failure=self.failure,
            milliseconds=int((perf_counter() - self.begun) * 1000),
            tls=self.tls,
            headers=self.headers,
            access_id=self.access_id,
        )


class _Chain:
    """What one scan asks for, one request after the other."""

    def __init__(self, url: str, limits: FetchLimits, loopback: bool, before: Before | None) -> None:
        self._url, self._limits, self._loopback, self._before = url, limits, loopback, before
        self._hops: list[Hop] = []
        self._links: list[Link] = []
        self._visit = _Visit(0, url)
        self._favicon: _Visit | None = None
        self._favicon_hop: Hop | None = None
        self._favicon_sha256: bytes | None = None
        self._refresh: str | None = None
        self.failure: FetchFailure | None = None

    async def follow(self) -> None:
        """From the address to a page, or to where there is no way on."""
        url, seen = self._url, set[str]()
        while True:
            self._visit = visit = _Visit(len(self._hops), url[:MOST_URL])
            try:
                parsed = _parse(url)
                visit.url, visit.parsed = parsed.canonical, parsed
                if visit.url in seen:
                    raise _Failed(FetchFailure.REDIRECT_LOOP)
                if len(seen) > self._limits.redirects:
                    raise _Failed(FetchFailure.TOO_MANY_REDIRECTS)
                seen.add(visit.url)
                await self._ask(visit, parsed)
                location = _location(visit)
                if location is None:
                    await self._read(visit, self._limits.body_bytes)
            except _Failed as failed:
                self._end(visit, failed.failure)
                return
            if location is None:
                self._refresh = _refresh(visit)
                self._hops.append(visit.hop())
                return
            if visit.link is not None:
                visit.link.close()
            self._hops.append(visit.hop())
            url = location

    def _end(self, visit: _Visit, failure: FetchFailure) -> None:
        visit.failure = self.failure = failure
        self._hops.append(visit.hop())

    def run_out(self) -> None:
        """Of time: what was under way has failed. The icon is not worth a page."""
        if self._favicon is not None:
            self._end_favicon(self._favicon, FetchFailure.TIMED_OUT)
        elif len(self._hops) <= self._visit.seq:
            self._visit.truncated = self._visit.read
            self._end(self._visit, FetchFailure.TIMED_OUT)

    def close(self) -> None:
        """Whatever is still open."""
        for link in self._links:
            link.close()

    async def _ask(self, visit: _Visit, parsed: Url) -> None:
        """Send the request, and read the headers of the answer. Raises _Failed."""
        try:
            target = read_target(visit.url, schemes=("http", "https"), most=MOST_URL, loopback=self._loopback)
        except BadUrl as bad:
            raise _Failed(FetchFailure[bad.failure.name]) from None
        visit.target, visit.port = target, target.port
        try:
            address = await pin(target, loopback=self._loopback)
        except Unreachable as unreachable:
            raise _Failed(FetchFailure[unreachable.failure.name]) from None
        await self._touch(visit, address)
        await self._connect(visit, target, parsed)
        await self._request(visit, target)

    async def _touch(self, visit: _Visit, address: Address) -> None:
        """From now on the address is one that was touched, and that is written down if anybody wants to know."""
        if self._before is not None:
            begun = perf_counter()
            touch = Touch(visit.seq, visit.url, address, visit.port, visit is self._favicon)
            visit.access_id = await self._before(touch)
            visit.begun += perf_counter() - begun  # the other side is not to blame for that
        visit.address = address

    async def _connect(self, visit: _Visit, target: Target, parsed: Url) -> None:
        assert visit.address is not None
        wire = self._limits.header_bytes + _READ  # more only when the headers were read
        problem: ssl.SSLCertVerificationError | None = None
        try:
            visit.link = await open_link(target, visit.address, most_bytes=wire)
        except ssl.SSLCertVerificationError as error:
            problem = error
        except (OSError, EOFError) as error:
            raise _Failed(_connecting(target, error)) from None
        if problem is not None:
            try:
                visit.link = await open_link(target, visit.address, most_bytes=wire, verified=False)
            except (OSError, EOFError) as error:
                raise _Failed(_connecting(target, error)) from None
        assert visit.link is not None
        self._links.append(visit.link)
        visit.http = Http1(visit.link)
        if target.scheme == "https":
            visit.tls = _tls(visit.link.get_extra_info("ssl_object"), target.host, problem)
            if problem is not None and parsed.has_secrets:
                raise _Failed(FetchFailure.TLS_FAILED)

    async def _request(self, visit: _Visit, target: Target) -> None:
        assert visit.http is not None
        headers = [(b"Host", target.authority.encode()), *_HEADERS]
        try:
            answer = await visit.http.ask("GET", target.path.encode(), headers)
        except TooMuch:
            raise _Failed(FetchFailure.HEADERS_TOO_LARGE) from None
        except h11.ProtocolError as error:
            raise _Failed(_protocol(error)) from None
        except (OSError, EOFError):
            raise _Failed(FetchFailure.CONNECTION_FAILED) from None
        visit.status, raw = answer.status_code, answer.headers.raw_items()
        if (
            len(raw) > self._limits.headers
            or sum(len(name) + len(value) + 4 for name, value in raw) > self._limits.header_bytes
        ):
            raise _Failed(FetchFailure.HEADERS_TOO_LARGE)
        visit.raw, visit.headers = raw, summarize(raw)
        if visit.status == 101 or not 100 <= visit.status <= 599:
            visit.status = visit.status if 100 <= visit.status <= 599 else None
            raise _Failed(FetchFailure.BAD_ANSWER)

    async def _read(self, visit: _Visit, most: int) -> None:
        """The body, unpacked, up to ``most`` bytes; what breaks off is kept as far as it came. Raises _Failed."""
        assert visit.http is not None
        assert visit.link is not None
        visit.link.left += most + _OVERHEAD
        unpack, parts = _Unpacker(visit.raw, most), 0
        visit.read = True
        try:
            while not unpack.full and parts < _MOST_PARTS and (part := await visit.http.part()) is not None:
                parts += 1
                unpack.feed(part)
        except (TooMuch, zlib.error, h11.ProtocolError, OSError, EOFError):
            visit.truncated = True
        finally:  # when time has run out, too
            visit.body = unpack.body()
        visit.truncated = visit.truncated or unpack.full or not unpack.ended or parts >= _MOST_PARTS

    async def ask_favicon(self) -> None:
        """The icon of a page: where the page says it is, one request, no redirects. Where it names none, none is asked for."""
        page = self._visit
        kind = page.headers.get("content-type", "")
        if page.target is None or page.status != 200 or not kind.startswith(_HTML):
            return
        named = _icon(page.body)
        url = None if named is None else _absolute(page.url, named)
        if url is None:
            return
        self._favicon = visit = _Visit(len(self._hops), url[:MOST_URL])
        try:
            async with asyncio.timeout(_FAVICON_SECONDS):
                await self._fetch_favicon(visit, page, url)
        except _Failed as failed:
            self._end_favicon(visit, failed.failure)
        except TimeoutError:
            self._end_favicon(visit, FetchFailure.TIMED_OUT)
        else:
            self._end_favicon(visit, None)

    async def _fetch_favicon(self, visit: _Visit, page: _Visit, url: str) -> None:
        parsed = _parse(url)
        visit.url, visit.parsed = parsed.canonical, parsed
        assert page.target is not None
        if parsed.origin == _parse(page.url).origin and page.http is not None and page.http.ready:
            # The connection to the address that was looked at is still open, and nothing has to be resolved again.
            assert page.address is not None
            assert page.link is not None
            visit.port, visit.tls, visit.http = page.port, page.tls, page.http
            await self._touch(visit, page.address)
            visit.link, page.link.left = page.link, self._limits.header_bytes + _READ
            await self._request(visit, replace(page.target, url=parsed.canonical, path=_path(parsed)))
        else:
            await self._ask(visit, parsed)
        if visit.status != 200 or visit.headers.get("content-type", "").startswith("text/"):  # a page that says there is none
            return
        await self._read(visit, self._limits.favicon_bytes)
        if visit.body and not visit.truncated:
            self._favicon_sha256 = hashlib.sha256(visit.body).digest()

    def _end_favicon(self, visit: _Visit, failure: FetchFailure | None) -> None:
        visit.failure = failure
        self._favicon_hop, self._favicon = visit.hop(), None

    def observed(self) -> Observation:
        """All of it."""
        visit = self._visit
        return Observation(
            url=self._url,
            hops=tuple(self._hops),
            final_url=visit.url,
            status=visit.status,
            headers=visit.headers,
            content_type=_content_type(visit),
            content_sha256=hashlib.sha256(visit.body).digest() if visit.read else None,
            size=len(visit.body),
            truncated=visit.truncated,
            body=visit.body,
            favicon_sha256=self._favicon_sha256,
            header_sha256=header_sha256(visit.raw) if visit.raw else None,
            cookie_names=cookie_names(visit.raw),
            failure=self.failure,
            refresh=self._refresh,
            favicon=self._favicon_hop,
            loopback=self._loopback,
        )


class _Unpacker:
    """A body in one of the packings that were asked for, up to a bound: what is packed small does not unpack large here."""

    def __init__(self, headers: list[tuple[bytes, bytes]], most: int) -> None:
        packed = [each.strip() for name, value in headers if name.lower() == b"content-encoding" for each in value.split(b",")]
        kinds = [each.lower() for each in packed if each.lower() not in (b"", b"identity")]
        if len(kinds) > 1 or (kinds and kinds[0] not in (b"gzip", b"x-gzip", b"deflate")):
            raise _Failed(FetchFailure.ENCODING_REFUSED)
        self._packed = bool(kinds)
        self._engine = zlib.decompressobj(47) if kinds else None  # 47: gzip or zlib, as its first bytes say
        self._fresh = True
        self._left, self._kept = most, list[bytes]()
        self.full = False

    @property
    def ended(self) -> bool:
        """Whether what was packed came to its end."""
        return self._engine is None or self._engine.eof or self._fresh

    def feed(self, part: bytes) -> None:
        """Bytes of the wire. Raises zlib.error."""
        if self._engine is None:
            self._keep(part)
            return
        while part and not self.full:
            if self._engine.eof:  # another member follows, as with files that were put together
                self._engine = zlib.decompressobj(47)
            try:
                made = self._engine.decompress(part, self._left + 1)
            except zlib.error:
                if not self._fresh:
                    raise
                self._engine = zlib.decompressobj(-15)  # deflate as some servers understand it, without a header
                made = self._engine.decompress(part, self._left + 1)
            self._fresh = False
            self._keep(made)
            part = self._engine.unused_data

    def _keep(self, part: bytes) -> None:
        if len(part) > self._left:
            self.full, part = True, part[: self._left]
        if part:
            self._kept.append(part)
            self._left -= len(part)

    def body(self) -> bytes:
        """All that was unpacked."""
        return b"".join(self._kept)


def _parse(url: str) -> Url:
    try:
        return parse_url(url)
    except AppError:
        raise _Failed(FetchFailure.URL_REFUSED) from None


def _path(url: Url) -> str:
    return url.path + ("" if url.query is None else f"?{url.query}")


def _connecting(target: Target, error: BaseException) -> FetchFailure:
    broken = isinstance(error, (ssl.SSLError, ConnectionResetError, ConnectionAbortedError))  # by TLS, or in the middle of it
    return FetchFailure.TLS_FAILED if target.scheme == "https" and broken else FetchFailure.CONNECTION_FAILED


def _protocol(error: h11.ProtocolError) -> FetchFailure:
    return FetchFailure.HEADERS_TOO_LARGE if error.error_status_hint == 431 else FetchFailure.BAD_ANSWER


def _location(visit: _Visit) -> str | None:
    """Where an answer leads, if it does. Raises _Failed."""
    if visit.status not in _REDIRECTS:
        return None
    found = {value.strip() for name, value in visit.raw if name.lower() == b"location"} - {b""}
    if not found:
        return None
    if len(found) > 1:
        raise _Failed(FetchFailure.BAD_REDIRECT)
    url = _absolute(visit.url, _text(found.pop()))
    if url is None:
        raise _Failed(FetchFailure.BAD_REDIRECT)
    return url


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _absolute(base: str, reference: str) -> str | None:
    """Where a reference on a page leads, read as browsers read it."""
    reference = re.sub(r"[\t\r\n]", "", reference).strip()
    head, mark, tail = reference.partition("?")
    if not re.match(r"[a-z][a-z0-9+.-]*:", head, re.IGNORECASE) or re.match(r"https?:", head, re.IGNORECASE):
        head = head.replace("\\", "/")
    # However many slashes stand there, what follows them is a host; the library takes a third for the beginning of a path.
    head = re.sub(r"^(https?:)?/{3,}", r"\1//", head, flags=re.IGNORECASE)
    try:
        url = urljoin(base, head + mark + tail)
    except ValueError:
        return None
    return url.partition("#")[0] or None


def _refresh(visit: _Visit) -> str | None:
    """Where a page would send a browser by itself: by its header, or by what stands in its head."""
    told = last_of(visit.raw, b"refresh")
    if told is None and visit.headers.get("content-type", "").startswith(_HTML):
        for tag in _META.finditer(visit.body, 0, _HEAD):
            named = _attributes(tag[0])
            if named.get("http-equiv", "").strip().lower() == "refresh":
                told = named.get("content")
                break
    found = _REFRESH.match(told.strip()[:MOST_URL]) if told else None
    return _absolute(visit.url, found[1]) if found else None


def _icon(body: bytes) -> str | None:
    for tag in _ICON.finditer(body, 0, _HEAD):
        named = _attributes(tag[0])
        if "icon" in named.get("rel", "").lower().split() and named.get("href"):
            return named["href"]
    return None


def _attributes(tag: bytes) -> dict[str, str]:
    return {name.lower(): unescape(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(_text(tag))}


def _content_type(visit: _Visit) -> str | None:
    told = last_of(visit.raw, b"content-type")
    return media_type(told.lower()).partition(";")[0] if told else None


_PROBLEMS = {
    9: TlsProblem.NOT_YET_VALID,
    10: TlsProblem.EXPIRED,
    18: TlsProblem.SELF_SIGNED,
    62: TlsProblem.WRONG_NAME,
    64: TlsProblem.WRONG_NAME,
}
"""By OpenSSL's numbers."""


def _tls(connection: ssl.SSLObject, host: str, error: ssl.SSLCertVerificationError | None) -> Tls | None:
    der = connection.getpeercert(True)
    cipher = connection.cipher()
    if not der:
        return None
    issuer, not_before, not_after, names = _certificate(der)
    return Tls(
        protocol=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate_sha256=hashlib.sha256(der).digest(),
        issuer=issuer if error is None else "",
        not_before=not_before,
        not_after=not_after,
        names_match=error is None or any(_matches(host, name) for name in names),
        problem=None if error is None else _PROBLEMS.get(error.verify_code, TlsProblem.UNTRUSTED),
    )


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=512)
def _certificate(der: bytes) -> tuple[str, datetime, datetime, tuple[str, ...]]:
    """Issuer, validity and names; of one that cannot be read, nothing."""
    try:
        found = x509.load_der_x509_certificate(der)
        named = found.issuer.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME) or found.issuer.get_attributes_for_oid(
            x509.NameOID.COMMON_NAME
        )
        issuer = re.sub(r"[^ -~]", "?", str(named[0].value))[:100] if named else ""
        begin, end = found.not_valid_before_utc, found.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return "", _NEVER, _NEVER, ()
    try:
        told = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return issuer, begin, end, ()
    names = told.get_values_for_type(x509.DNSName)
    return issuer, begin, end, (*names, *map(str, told.get_values_for_type(x509.IPAddress)))


def _matches(host: str, name: str) -> bool:
    """Whether a name of a certificate is the host's; a star stands for the first label."""
    name = name.lower().removesuffix(".")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            return ip_address(name) == ip_address(host)
        except ValueError:
            return False
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:] and "." in name[2:]
    return host == name
