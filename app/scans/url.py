"""Addresses: one canonical form of each, what of it may be shown, and the expressions by which it is looked up.

What programs could read in two ways is refused (user info, backslashes, control characters, spare slashes); what has many
spellings gets one (case, ports, dots, percent-encoding, names in other scripts, numbers for hosts), so that whoever guards
the network sees the address that would be connected to. A fragment is no part of it: it is never sent, and often a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes
from weakref import WeakValueDictionary

import idna
from publicsuffixlist import PublicSuffixList

from app.kit.errors import AppError, ErrorCode
from app.scans.secret import MASK, mask_host, mask_path, mask_query

MOST_URL = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
# What browsers do not connect to (Fetch standard, "bad port"): servers of other protocols may take a request for their own.
BAD_PORTS = frozenset(
    int(port)
    for line in (
        "1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135",
        "137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719",
        "1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080",
    )
    for port in line.split()
)
_SCHEME = re.compile(r"(https?):(/*)", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH = _UNRESERVED | frozenset(b"/!$&'()*+,;=:@[]")
_QUERY = _PATH | frozenset(b"?")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Url:
    """An address in its one form. Showing it shows what may be shown."""

    scheme: str
    host: str = field(repr=False)  # as it is asked: a name in Punycode, four numbers, or IPv6 without its brackets
    port: int
    path: str = field(repr=False)
    query: str | None = field(repr=False)
    masked: str
    masked_host: str
    has_secrets: bool

    @property
    def canonical(self) -> str:
        """The whole of it: to be sealed, hashed and asked for, and not to be shown."""
        return self.origin + self.path + _tail(self.query)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return _origin(self.scheme, self.host, self.port)

    def expressions(self) -> list[str]:
        """Host suffixes and path prefixes, as Safe Browsing makes them; the most exact first, 30 at most."""
        path, query = _browsing(self.path), _tail(None if self.query is None else _plain(self.query))
        found = dict.fromkeys(host + each for host in _suffixes(self.host) for each in _prefixes(path, query))
        return list(found)

    def __str__(self) -> str:
        return self.masked


_KEY = os.urandom(32)
_IN_USE: WeakValueDictionary[bytes, Url] = WeakValueDictionary()
"""Addresses that somebody holds, by a hash of what was written: one that is scanned is read when it is fetched, judged and
written down. When the scan has ended nothing of it is here."""


def parse_url(text: str) -> Url:
    """The address that somebody wrote. Raises BAD_INPUT, and never repeats what was written."""
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=_KEY).digest()
    found = _IN_USE.get(digest)
    if found is None:
        found = _IN_USE[digest] = _read(text)
    return found


def _read(text: str) -> Url:
    text = text.strip(" \t\r\n")
    if not 1 <= len(text) <= MOST_URL:
        raise _bad(f"A URL has 1 to {MOST_URL} characters.")
    if _CONTROL.search(text):
        raise _bad("A URL has no control characters; write them percent-encoded if they belong to it.")
    begin = _SCHEME.match(text)
    if begin is None:
        raise _bad("Only http and https are scanned: write https://host/path.")
    if begin[2] != "//":
        raise _bad("Two slashes stand before the host: write https://host/path.")
    scheme, rest = begin[1].lower(), text[begin.end() :].partition("#")[0]
    rest, mark, query = rest.partition("?")
    if "\\" in rest:
        raise _bad("Programs read backslashes differently; write / or %5C.")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise _bad("A URL holds no user and no password: leave out what stands before the @.")
    host, port = _split_port(authority, scheme)
    canonical_path = _remove_dots(_encode(slash + path, _PATH)) or "/"
    canonical_query = _encode(query, _QUERY) if mark else None
    origin = _origin(scheme, host, port)
    if len(origin + canonical_path + _tail(canonical_query)) > MOST_URL:
        raise _bad(f"A URL has 1 to {MOST_URL} characters when all that needs it is percent-encoded.")
    shown_host, shown_path = mask_host(host), mask_path(canonical_path)
    shown_query = None if canonical_query is None else mask_query(canonical_query)
    shown = _origin(scheme, shown_host, port) + shown_path + _tail(shown_query)
    return Url(
        scheme=scheme,
        host=host,
        port=port,
        path=canonical_path,
        query=canonical_query,
        masked=shown if len(shown) <= MOST_URL else shown[: MOST_URL - len(MASK)] + MASK,
        masked_host=shown_host,
        has_secrets=(shown_host, shown_path, shown_query) != (host, canonical_path, canonical_query),
    )


def url_hash(key: bytes, canonical: str) -> bytes:
    """By what an address is found again without being stored: HMAC-SHA256 under the workspace's own key."""
    return hmac.digest(key, canonical.encode(), "sha256")


def expression_hash(expression: str) -> bytes:
    """SHA-256 of an expression: what everybody who knows the address can compute, and nobody else."""
    return hashlib.sha256(expression.encode()).digest()


def _bad(message: str) -> AppError:
    return AppError(ErrorCode.BAD_INPUT, message, field="url")


def _tail(query: str | None) -> str:
    return "" if query is None else f"?{query}"


def _origin(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{'' if port == DEFAULT_PORTS[scheme] else f':{port}'}"


def _split_port(authority: str, scheme: str) -> tuple[str, int]:
    if authority.startswith("["):
        literal, end, after = authority[1:].partition("]")
        if not end or (after and not after.startswith(":")):
            raise _bad("An IPv6 address stands in brackets: https://[2001:db8::1]/.")
        host, digits = _host_6(literal), after[1:]
    else:
        name, _, digits = authority.partition(":")
        host = _host(name)
    if not digits:
        return host, DEFAULT_PORTS[scheme]
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65535:
        raise _bad("A port is a number from 1 to 65535.")
    if int(digits) in BAD_PORTS:
        raise _bad("Web servers have other ports: browsers do not connect to this one either.")
    return host, int(digits)


def _host_6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise _bad("This is no IPv6 address.") from None
    if address.scope_id is not None:
        raise _bad("An address has no zone: leave out what stands behind the %.")
    mapped = address.ipv4_mapped
    if mapped is not None:  # Python's spelling of these differs by version
        return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"
    return str(address)


def _host(text: str) -> str:
    """A host as it is asked: mapped, in Punycode and lower case, without its last dot; numbers as IPv4."""
    try:
        name = unquote_to_bytes(text).decode() if "%" in text else text
        name = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except (UnicodeError, idna.IDNAError):
        raise _bad_host() from None
    name = name.removesuffix(".")
    labels = name.split(".")
    if _is_number(labels[-1]):
        return _host_4(labels)
    name = ".".join(map(_label, labels))
    if len(name) > 253:
        raise _bad_host()
    return name


def _label(text: str) -> str:
    label = text
    if not label.isascii():
        try:
            label = idna.alabel(label).decode()
        except (UnicodeError, idna.IDNAError):
            raise _bad_host() from None
    elif label.startswith("xn--"):  # names that IDNA 2008 does not allow any more are registered, so only the spelling counts
        try:
            plain = label[4:].encode().decode("punycode")
            if plain.isascii() or not plain.isprintable() or f"xn--{plain.encode('punycode').decode()}" != label:
                raise _bad_host()
        except UnicodeError:
            raise _bad_host() from None
    if not _LABEL.fullmatch(label):
        raise _bad_host()
    return label


def _bad_host() -> AppError:
    return _bad("The host is no name: letters, digits and hyphens between single dots, up to 253 characters in Punycode.")


def _is_number(label: str) -> bool:
    """What browsers read as a number, and resolvers too."""
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", label) is not None


def _host_4(labels: list[str]) -> str:
    """Decimal, octal or hexadecimal, of one to four parts: the last fills what is left."""
    if len(labels) > 4:
        raise _bad("This is no IPv4 address.")
    try:
        *heads, last = map(_number, labels)
    except ValueError:
        raise _bad("This is no IPv4 address.") from None
    if any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        raise _bad("This is no IPv4 address.")
    return str(IPv4Address(last + sum(head << 8 * (3 - place) for place, head in enumerate(heads))))


def _number(text: str) -> int:
    if not _is_number(text):
        raise ValueError
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if len(text) > 1 and text.startswith("0") else int(text)


def _encode(text: str, allowed: frozenset[int]) -> str:
    """Each octet in its one spelling: as itself where that is allowed, else as % and upper-case digits."""
    parts, end = [], 0
    for escape in _ESCAPE.finditer(text):
        octet = int(escape[1], 16)
        parts.append(_quote(text[end : escape.start()], allowed))
        parts.append(chr(octet) if octet in _UNRESERVED else f"%{octet:02X}")
        end = escape.end()
    parts.append(_quote(text[end:], allowed))
    return "".join(parts)


def _quote(text: str, allowed: frozenset[int]) -> str:
    return "".join(chr(octet) if octet in allowed else f"%{octet:02X}" for octet in text.encode())


def _remove_dots(path: str) -> str:
    """RFC 3986, 5.2.4. Spare slashes stay: servers tell them apart."""
    if not path:
        return ""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
            continue
        if place == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


@cache
def _suffix_list() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=1024)
def _suffixes(host: str) -> tuple[str, ...]:
    """The host, and up to four that end like it: from what somebody registered, never what many share."""
    if ":" in host:
        return (f"[{host}]",)
    registered = None if _is_number(host.rpartition(".")[2]) else _suffix_list().privatesuffix(host)
    if registered is None:
        return (host,)
    labels = host.split(".")
    least = registered.count(".") + 1
    counts = range(min(least + 3, len(labels)), least - 1, -1)
    return tuple(dict.fromkeys([host, *(".".join(labels[-count:]) for count in counts)]))


def _unescape(text: str) -> bytes:
    """Until nothing is left to unescape, as Safe Browsing has it; each round is shorter."""
    octets = text.encode()
    while (shorter := unquote_to_bytes(octets)) != octets:
        octets = shorter
    return octets


def _escape(octets: bytes) -> str:
    return "".join(chr(octet) if 32 < octet < 127 and octet not in b"#%" else f"%{octet:02X}" for octet in octets)


def _plain(text: str) -> str:
    """Escaped once, whatever was escaped in it how often; what is canonical and holds no escape is so already."""
    return _escape(_unescape(text)) if "%" in text else text


def _browsing(path: str) -> str:
    """A path as Safe Browsing wants it: unescaped to the end, without dots and spare slashes."""
    plain = _plain(path)
    return re.sub("/{2,}", "/", _remove_dots(plain)) if "//" in plain or "/." in plain else plain


def _prefixes(path: str, query: str) -> list[str]:
    """The path with its query and without, and up to four that it begins with."""
    parts = path.split("/")[1:-1]
    heads = ["/" + "".join(f"{part}/" for part in parts[:count]) for count in range(min(4, len(parts) + 1))]
    return list(dict.fromkeys([path + query, path, *heads]))
