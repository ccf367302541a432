"""Hosts: what somebody registered, what anybody may use, and how names are spelled to be taken for others."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from publicsuffixlist import PublicSuffixList

from app.scans.engine.words import normal

BRANDS = Path(__file__).parents[1] / "data" / "brands.txt"
CONFUSABLES = BRANDS.with_name("confusables.txt")
NAMES = BRANDS.with_name("names.txt")


@cache
def _names() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    section = ""
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            found.setdefault(section, set()).update(line.split())
    return {name: frozenset(words) for name, words in found.items()}


def named(section: str) -> frozenset[str]:
    """A list of the curated file."""
    return _names()[section]


_EXAMPLES = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
RESERVED = named("reserved")
"""Top-level domains that no stranger can have."""
SUSPICIOUS_TLDS = named("suspicious tlds")
SHORTENERS = named("shorteners")
FREE_HOSTS = named("free hosts")
DYNAMIC_HOSTS = named("dynamic hosts")
PASTES = named("pastes")
COLLECTORS = named("collectors")
"""Where anybody may have messages gathered: fine for a guestbook, never for a password."""
COMMON_SERVICES = named("common services")
"""Whose scripts and invisible frames are everywhere."""


@dataclass(frozen=True)
class Brand:
    """``word`` is what hosts are searched for, ``names`` what pages call it. ``common``: the word means other things too.

    ``federated``: many houses bear the name, each with a host of its own, as the savings bank of a town.
    """

    word: str
    names: tuple[str, ...]
    domains: frozenset[str]
    common: bool
    federated: bool = False

    def owns(self, host: str) -> bool:
        """Whether the host is below one of the brand's domains, or is one of many that may bear its name."""
        return below(host, self.domains) or (self.federated and _of_federation(host, self.word))


_NATIONAL = frozenset(("de", "at", "ch", "li", "it", "fr", "lu", "be", "nl", "cz", "hu", "ro", "bz.it"))


@lru_cache(maxsize=1024)
def _of_federation(host: str, word: str) -> bool:
    own, _, tld = registered(host).partition(".")
    parts = set(own.split("-"))
    return (
        tld in _NATIONAL
        and any(word in part for part in parts)
        and not (parts - {word}) & (named("lures") | named("strong lures"))
    )


@cache
def brands() -> tuple[Brand, ...]:
    """All of the curated file."""
    read = []
    for line in BRANDS.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        names, domains, *options = (part.strip() for part in line.split("|"))
        first, *others = (name.strip().lower() for name in names.split(","))
        plain = tuple(dict.fromkeys(normal(name) for name in (first, *others)))
        read.append(Brand(first, plain, frozenset(domains.split()), "common" in options, "federated" in options))
    return tuple(read)


@cache
def brand_words() -> dict[str, Brand]:
    """By the word that hosts are searched for, hyphens left out."""
    return {brand.word.replace("-", "").replace(".", ""): brand for brand in brands()}


@cache
def brand_names() -> dict[str, tuple[Brand, ...]]:
    """By what pages call them. Several lines of the file may be one company: all of them may own a host."""
    names: dict[str, list[Brand]] = {}
    for brand in brands():
        for name in brand.names:
            names.setdefault(name, []).append(brand)
    return {name: tuple(found) for name, found in names.items()}


@cache
def brand_domains() -> frozenset[str]:
    """Everything that belongs to some brand."""
    return frozenset(domain for brand in brands() for domain in brand.domains)


@cache
def _owners() -> dict[str, frozenset[int]]:
    """By domain, which brands own it: their places in the file."""
    found: dict[str, set[int]] = {}
    for place, brand in enumerate(brands()):
        for domain in brand.domains:
            found.setdefault(domain, set()).add(place)
    return {domain: frozenset(places) for domain, places in found.items()}


def owners(host: str) -> frozenset[int]:
    """Which brands own a host: empty for most."""
    found: frozenset[int] = frozenset()
    known = _owners()
    while host:
        found |= known.get(host, frozenset())
        _, _, host = host.partition(".")
    return found


def below(host: str, domains: frozenset[str]) -> bool:
    """Whether a host is one of these or below one of them."""
    while host:
        if host in domains:
            return True
        _, _, host = host.partition(".")
    return False


@cache
def _list() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=4096)
def registered(host: str) -> str:
    """What somebody registered: the last label before a public suffix and what follows. A host without one is itself."""
    if is_ip(host):
        return host
    return _list().privatesuffix(host) or host


@lru_cache(maxsize=4096)
def is_ip(host: str) -> bool:
    """Whether a host is an address and no name."""
    if ":" not in host and not host[-1:].isdigit():
        return False
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Whether the host is of a machine or network of one's own: nothing can be said by its name."""
    if is_ip(host):
        address = ip_address(host.strip("[]"))
        return address.is_private and not any(address in network for network in _EXAMPLES if network.version == address.version)
    return "." not in host or host.rpartition(".")[2] in RESERVED


def is_local(host: str) -> bool:
    """Whether the host is this machine or has no name of the public network at all."""
    return is_private(host) and (is_ip(host) or host == "localhost" or host.endswith(".localhost"))


MOST_HOST = 255
_PLAIN = re.compile(r"(?:https?:)?//([A-Za-z0-9.-]+)(?=[/?#]|\Z)")
"""Addresses whose host is what stands there; all others are taken apart by the library."""


@lru_cache(maxsize=64)  # several engines look at the same one
def split(address: str) -> SplitResult | None:
    """The parts of an address, None where it is none."""
    try:
        parts = urlsplit(address.strip())
        _ = parts.port
        _ = parts.hostname
    except ValueError:
        return None
    return parts


def host_of(address: str) -> str:
    """The host of an address in lower case, or nothing, as where it is too long for a name."""
    if plain := _PLAIN.match(address):
        host = plain[1].lower()
    elif address[:2] in ("//", "ht", "HT", "Ht"):
        parts = split(address)
        host = (parts.hostname or "") if parts else ""
    else:
        return ""
    return host.rstrip(".") if len(host) <= MOST_HOST else ""


def shown(host: str) -> str:
    """A host as people see it: Punycode decoded."""
    if "xn--" not in host:
        return host
    labels = []
    for label in host.split("."):
        if label.startswith("xn--"):
            with suppress(UnicodeError):
                label = label[4:].encode().decode("punycode")
        labels.append(label)
    return ".".join(labels)


@cache
def _same() -> dict[int, str]:
    """Letters that look like Latin ones, of the curated file: what they look like, then which."""
    pairs = (
        line.split(maxsplit=1) for line in CONFUSABLES.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")
    )
    return {ord(c): plain for plain, others in pairs for c in others if c != " "}


@lru_cache(maxsize=8192)
def skeleton(word: str) -> str:
    """What a hurried eye sees of a part of a host or of a brand's name. Remembered, so nothing for words of pages."""
    return spelled(word)


def spelled(text: str) -> str:
    """Accents off, look-alike letters of other scripts and digits as Latin ones, i as l."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    plain = plain.translate(_same()).replace("rn", "m").replace("vv", "w").replace("cl", "d")
    return plain.replace("i", "l")


def scripts_in(word: str) -> set[str]:
    """The scripts of a word's letters, as far as they matter for confusion."""
    found = set()
    for c in word:
        if c.isascii():
            if c.isalpha():
                found.add("LATIN")
        elif c.isalpha():
            name = unicodedata.name(c, "OTHER")
            found.add(name.split()[0])
    return found


def one_apart(a: str, b: str) -> bool:
    """Whether one letter was changed, left out, added or swapped with its neighbor. Not for equal words."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    i = 0
    while i < min(len(a), len(b)) and a[i] == b[i]:
        i += 1
    rest_a, rest_b = a[i:], b[i:]
    if len(a) == len(b):
        return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    return rest_a[1:] == rest_b if len(a) > len(b) else rest_a == rest_b[1:]


TOKENS = re.compile(r"[^\W_]+", re.UNICODE)
