"""Lookups: is this known? Asked with the beginning of a hash, so that the URL itself never leaves whoever asks.

Of the beginning everything that begins so is answered, and whoever asked compares the rest. There are two hashes of a URL:

- SHA-256 of its expressions, as Safe Browsing makes them: for what is public: published scans and the list of known hosts.
- HMAC-SHA-256 of its canonical form under the workspace's ``lookupKey``: for the workspace's own scans. Nobody else can make
  it, and the database holds no other hash of a URL that is not public.

A published verdict is answered for the very URL that was scanned, and not for others of its host.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Protocol
from uuid import UUID

import strawberry

from app.core.data_key import find_derived_key
from app.kit.context import Info
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import query
from app.kit.page import Page, page
from app.kit.sql import File
from app.scans.engine.feed import DEFAULT, Feed
from app.scans.indicator import Category
from app.scans.judgement import Verdict
from app.scans.scan import URL_KEY, Scan
from app.scans.url import parse_url, url_hash

MOST = 50
"""So many matches of each source are answered: a longer prefix finds the others."""
HASH_BYTES = 32
CATEGORIES = {"KNOWN_MALWARE": Category.MALWARE, "KNOWN_PHISHING": Category.PHISHING, "KNOWN_SCAM": Category.SCAM}
_PREFIX = re.compile(r"(?:[0-9a-f]{2}){4,32}")


class FeedSettings(Protocol):
    """What the operator says of the list, see app/settings.py."""

    scan_feed: str


@strawberry.enum(description="From where a match is known.")
class LookupSource(Enum):
    """Who says so."""

    OWN = strawberry.enum_value("OWN", description="A scan of the workspace, by the keyed hash of the URL.")
    PUBLISHED = strawberry.enum_value(
        "PUBLISHED", description="A scan that somebody published, by SHA-256 of the URL's first expression."
    )
    FEED = strawberry.enum_value("FEED", description="The list of known hosts, by SHA-256 of an expression.")


@strawberry.type(description="Something that begins as was asked. It is about the URL only if the whole hash is the URL's.")
class LookupMatch:
    """No match is no verdict: it is not known, which is not clean."""

    scan_id: strawberry.Private[UUID | None]

    full_hash: str = strawberry.field(description="All 32 bytes in hex: compare them with the URL's own.")
    source: LookupSource
    verdict: Verdict
    score: int | None
    categories: list[Category]
    scanned_at: datetime | None = strawberry.field(description="When it was scanned; null for the list of known hosts.")

    scan: Scan | None = edge("scans/scan.edge_scan", ids="scan_id", description="Of the workspace's own.")


@dataclass(frozen=True)
class OwnMatch:
    """A scan of the workspace."""

    scan_id: UUID
    full_hash: str
    scanned_at: datetime | None
    verdict: str
    score: int | None
    categories: list[str]


@dataclass(frozen=True)
class PublishedMatch:
    """A scan that somebody published."""

    full_hash: str
    scanned_at: datetime
    verdict: str
    score: int | None
    categories: list[str]


sql = File("scans/lookup")
list_own_match = sql.many("list_own_match", OwnMatch)
list_published_match = sql.many("list_published_match", PublishedMatch)
page_url_history = sql.page("page_url_history", Scan)


def parse_prefix(text: str) -> tuple[bytes, bytes]:
    """The first and the last hash that begin so. Raises BAD_INPUT."""
    if not _PREFIX.fullmatch(text):
        message = "hashPrefix is the first 4 to 32 bytes of a hash, in small hexadecimal digits."
        raise AppError(ErrorCode.BAD_INPUT, message, field="hashPrefix")
    octets = bytes.fromhex(text)
    return octets.ljust(HASH_BYTES, b"\x00"), octets.ljust(HASH_BYTES, b"\xff")


@strawberry.type
class LookupQuery:
    """Root fields that tell what is known of a URL."""

    @query("scans:read")
    async def lookup(self, info: Info, hash_prefix: str) -> list[LookupMatch] | None:
        """What is known of hashes that begin so: the workspace's own scans, published ones, and the list of known hosts."""
        low, high = parse_prefix(hash_prefix)
        db = info.context.db
        own = [
            _match(LookupSource.OWN, each, each.scan_id) for each in await list_own_match(db, low=low, high=high, limit=MOST)
        ]
        published: dict[str, LookupMatch] = {}
        for each in await list_published_match(db, low=low, high=high, limit=MOST):  # the newest of each hash comes first
            published.setdefault(each.full_hash, _match(LookupSource.PUBLISHED, each))
        return [*own, *published.values(), *await _feed_matches(info.context.settings, bytes.fromhex(hash_prefix))]

    @query("scans:read")
    async def lookup_key(self, info: Info) -> str | None:
        """The key of the workspace's hashes of URLs, in hex; null where it has scanned nothing. It tells nothing of others."""
        key = await find_derived_key(info.context.db, info.context.settings, URL_KEY)
        return None if key is None else key.hex()

    @query("scans:read")
    async def url_history(self, info: Info, url: str, first: int = 20, after: str | None = None) -> Page[Scan] | None:
        """The workspace's scans of one URL, however it is spelled, the newest first."""
        db, canonical = info.context.db, parse_url(url).canonical
        key = await find_derived_key(db, info.context.settings, URL_KEY)
        hashed = b"" if key is None else url_hash(key, canonical)  # nothing has that hash
        return await page(page_url_history, db, first, after, url_hash=hashed)


def _match(source: LookupSource, found: OwnMatch | PublishedMatch, scan_id: UUID | None = None) -> LookupMatch:
    return LookupMatch(
        scan_id=scan_id,
        full_hash=found.full_hash,
        source=source,
        verdict=Verdict(found.verdict),
        score=found.score,
        categories=[Category(each) for each in found.categories],
        scanned_at=found.scanned_at,
    )


@cache
def _feed(path: str) -> Feed:
    return Feed(Path(path) if path else DEFAULT)


async def _feed_matches(settings: FeedSettings, prefix: bytes) -> list[LookupMatch]:
    feed = _feed(settings.scan_feed)
    await asyncio.to_thread(feed.refresh, monotonic())
    found = [] if feed.listed is None else feed.listed.beginning_with(prefix, MOST)
    return [
        LookupMatch(
            scan_id=None,
            full_hash=digest.hex(),
            source=LookupSource.FEED,
            verdict=Verdict.MALICIOUS,
            score=None,
            categories=[CATEGORIES[kind]] if kind in CATEGORIES else [],
            scanned_at=None,
        )
        for digest, kind in found
    ]
