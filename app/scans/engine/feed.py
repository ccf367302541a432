"""A local list of known addresses: hosts or paths, plain or hashed, read again when the file changes.

One to a line: ``example.net``, ``example.net/path``, or ``sha256:`` and the hash of such an expression; then, after a space,
``malware``, ``phishing`` or ``scam`` where that is known. ``# date: 2026-11-20`` says as of when the list is. An expression
counts for all hosts below it and all paths that begin with it, as Safe Browsing has it.
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from urllib.parse import unquote

from app.kit.errors import SetupError
from app.kit.log import log
from app.scans.engine import host as hosts
from app.scans.engine.found import Found, Unchecked

VERSION = "feed-1"
DEFAULT = Path(__file__).parents[1] / "data" / "feed.txt"
MOST_BYTES = 512 * 1024 * 1024
OLD = timedelta(days=7)
LOOK_SECONDS = 2.0

_KINDS = {"malware": "KNOWN_MALWARE", "phishing": "KNOWN_PHISHING", "scam": "KNOWN_SCAM", "": "KNOWN_BAD"}
_HASHED = re.compile(r"sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Listed:
    """A list as it was read: by SHA-256 of the expression. ``as_of`` is what the file says, or when it was written."""

    kinds: dict[bytes, str]
    as_of: datetime
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.kinds)

    @cached_property
    def _ordered(self) -> list[bytes]:
        return sorted(self.kinds)

    def beginning_with(self, prefix: bytes, most: int) -> list[tuple[bytes, str]]:
        """The hashes that begin so, with their kinds, in their order."""
        first = bisect_left(self._ordered, prefix)
        found = takewhile(lambda digest: digest.startswith(prefix), islice(self._ordered, first, first + most))
        return [(digest, self.kinds[digest]) for digest in found]

    def find(self, expressions: Iterable[str]) -> str:
        """The kind of the first expression that is listed, or nothing."""
        for expression in expressions:
            kind = self.kinds.get(hashlib.sha256(expression.encode()).digest())
            if kind is not None:
                return kind
        return ""


def read(file: Path) -> Listed:
    """The list in a file. Lines that are none are counted, not guessed at. Raises OSError and ValueError."""
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"the list has more than {MOST_BYTES} bytes")
    kinds: dict[bytes, str] = {}
    as_of = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    skipped = 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.strip()
            if text.startswith("#"):
                if match := re.fullmatch(r"#\s*date:\s*(\d{4}-\d\d-\d\d)(?:T[\d:]+Z?)?\s*", text):
                    try:
                        as_of = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
                    except ValueError:
                        skipped += 1
                continue
            if not text:
                continue
            address, _, category = text.partition(" ")
            kind = _KINDS.get(category.strip().lower())
            digest = _digest(address)
            if kind is None or digest is None:
                skipped += 1
                continue
            kinds[digest] = kind
    return Listed(kinds, as_of, skipped)


def _digest(address: str) -> bytes | None:
    if match := _HASHED.fullmatch(address):
        return bytes.fromhex(match[1])
    expression = re.sub(r"^https?://", "", address.lower() if "/" not in address else address)
    host, slash, path = expression.partition("/")
    host = host.lower().rstrip(".")
    if not re.fullmatch(r"[\w.-]{1,253}|\[[0-9a-f:]+\]", host):
        return None
    return hashlib.sha256(f"{host}/{path if slash else ''}".encode()).digest()


def expressions_of(address: str) -> list[str]:
    """Host suffixes and path prefixes of an address that a page or a redirect names."""
    parts = hosts.split(address)
    host = hosts.host_of(address)
    if parts is None or not host:
        return []
    labels = host.split(".")
    least = hosts.registered(host).count(".") + 1
    names = [host] if hosts.is_ip(host) else [".".join(labels[i:]) for i in range(max(0, len(labels) - least) + 1)][-5:]
    names = list(dict.fromkeys([host, *names]))
    path = unquote(parts.path) or "/"
    steps = [part for part in path.split("/")[1:-1] if part][:3]
    prefixes = [path, "/", *("/" + "/".join(steps[: n + 1]) + "/" for n in range(len(steps)))]
    if parts.query:
        prefixes.insert(0, f"{path}?{parts.query}")
    return list(dict.fromkeys(name + prefix for name in names for prefix in prefixes))


@dataclass
class Feed:
    """The list of one file, followed: looked at again when it was written, kept when it can no longer be read."""

    file: Path
    listed: Listed | None = None
    _mark: tuple[int, int, int] | None = field(default=None, repr=False)
    _looked: float = field(default=float("-inf"), repr=False)

    def refresh(self, now: float) -> None:
        """Reads the file where it changed since; ``now`` is of a monotonic clock."""
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            stat = os.stat(self.file)
            mark = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if mark == self._mark:
                return
            listed = read(self.file)
        except (OSError, ValueError) as error:
            log.warning("the list of known addresses could not be read", file=str(self.file), error=type(error).__name__)
            self._mark = None
            return
        self.listed, self._mark = listed, mark
        counted = {"entries": len(listed), "skipped": listed.skipped}
        log.info("the list of known addresses was read", as_of=listed.as_of.isoformat(), **counted)

    def look(self, expressions: Iterable[str], way: Iterable[str], used: Iterable[str], now: datetime) -> Found:
        """``expressions``: of the address itself; ``way``: where it led; ``used``: what its page loads and fills."""
        found = Found()
        if self.listed is None:
            return Found(unchecked=[Unchecked.FEED_MISSING], blind=True)
        if now - self.listed.as_of > OLD:
            found.unchecked = [Unchecked.FEED_OLD]
        if kind := self.listed.find(expressions):
            found.kinds.add(kind)
        for address in way:
            if kind := self.listed.find(expressions_of(address)):
                found.kinds.add(kind)
        if any(self.listed.find(expressions_of(address)) for address in used):
            found.kinds.add("USES_KNOWN_BAD")
        return found


def open_feed(path: str) -> Feed:
    """The list that an operator has set, or the small one that comes with the program. Raises SetupError."""
    feed = Feed(Path(path) if path else DEFAULT)
    feed.refresh(0.0)
    if feed.listed is None:
        raise SetupError(f"FIVEFOLD_SCAN_FEED: {feed.file} cannot be read as a list of addresses.")
    return feed
