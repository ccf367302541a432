"""Comparisons: what is other between two scans, and which have something in common. Facts and hashes; there is no content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from itertools import zip_longest
from typing import Any
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import BigInt, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.scans.indicator import Category
from app.scans.judgement import Engine
from app.scans.publication import (
    PublishedScan,
    page_publication_of_address,
    page_publication_of_network,
    page_related_publication,
)
from app.scans.scan import Scan

BAND = 20
"""A score of 0 to 100 is in one of five bands: what moves within one is no news."""


@strawberry.enum(description="What may be other from one scan of a URL to the next.")
class ScanChange(Enum):
    """Values as in the database."""

    VERDICT = strawberry.enum_value("VERDICT", description="The verdict.")
    SCORE = strawberry.enum_value("SCORE", description="The score, by more than a fifth of its range or into another fifth.")
    CONTENT = strawberry.enum_value("CONTENT", description="The hash of the page.")
    CERTIFICATE = strawberry.enum_value("CERTIFICATE", description="The server's certificate.")
    TARGET = strawberry.enum_value("TARGET", description="Where it leads in the end.")


@strawberry.enum(description="What scans may have in common.")
class ScanRelation(Enum):
    """By what relatedScans looks."""

    CONTENT = strawberry.enum_value("CONTENT", description="The same page, to the last byte.")
    FAVICON = strawberry.enum_value("FAVICON", description="The same icon.")
    CERTIFICATE = strawberry.enum_value("CERTIFICATE", description="The same certificate.")
    ADDRESS = strawberry.enum_value("ADDRESS", description="An address that both connected to.")
    NETWORK = strawberry.enum_value("NETWORK", description="The network (autonomous system) of such an address, by its number.")


@strawberry.enum(description="What may be other of a step of the way.")
class HopChange(Enum):
    """By what steps are told apart."""

    ADDED = strawberry.enum_value("ADDED", description="Only the later scan took it.")
    REMOVED = strawberry.enum_value("REMOVED", description="Only the earlier scan took it.")
    URL = strawberry.enum_value("URL", description="The URL, also where it looks the same without what might be secret.")
    ADDRESS = strawberry.enum_value("ADDRESS", description="The address that was connected to.")
    NETWORK = strawberry.enum_value("NETWORK", description="The network of that address, where both are known.")
    STATUS = strawberry.enum_value("STATUS", description="The status of HTTP, or that there was none.")


@strawberry.type(description="A fact that is other, as text; null where there was none.")
class FactDifference:
    """``name`` is a field of ScanResult, or ``header:`` and the name of one."""

    name: str
    before: str | None
    after: str | None


@strawberry.type(description="A ground of a verdict that came or went.")
class IndicatorDifference:
    """Named by engine and kind; its weight is that of the scan which has it."""

    engine: Engine
    kind: str
    weight: int
    added: bool = strawberry.field(description="Whether the later scan has it, and the earlier has not.")


@strawberry.type(description="A step of the way that a scan took.")
class ComparedHop:
    """As the access log has it."""

    seq: int = strawberry.field(description="Its place on the way, from 0.")
    masked_url: str
    address: str | None = strawberry.field(description="The address that was connected to; null where nothing was.")
    asn: BigInt | None = strawberry.field(description="The number of its network, where it is known.")
    status: int | None = strawberry.field(description="The status of HTTP, if there was an answer.")
    url_hash: strawberry.Private[str]


@strawberry.type(description="A step of the way that is other.")
class HopDifference:
    """A step of each scan that are the same place of the way, or a step that one of them alone took."""

    before: ComparedHop | None
    after: ComparedHop | None
    changes: list[HopChange]


@strawberry.type(description="What is other between two scans: facts, and never content.")
class ScanComparison:
    """``before`` and ``after`` as they were given."""

    before_id: strawberry.Private[UUID]
    after_id: strawberry.Private[UUID]

    same_url: bool = strawberry.field(description="Whether both are scans of the same URL.")
    changes: list[ScanChange] = strawberry.field(description="What a monitor would tell of.")
    added_categories: list[Category]
    removed_categories: list[Category]
    indicators: list[IndicatorDifference]
    facts: list[FactDifference]
    hops: list[HopDifference]

    before: Scan = edge("scans/scan.edge_scan", ids="before_id")
    after: Scan = edge("scans/scan.edge_scan", ids="after_id")


@dataclass(frozen=True)
class ScanFact:
    """What is compared of a scan. ``indicators`` are "engine kind weight", ``hops`` objects as ``ComparedHop`` has them."""

    id: UUID
    url_hash: str
    verdict: str
    score: int | None
    categories: list[str]
    http_status: int | None
    content_type: str | None
    final_host: str | None
    tls_protocol: str | None
    tls_issuer: str | None
    headers: Any
    content: str | None
    certificate: str | None
    favicon: str | None
    indicators: list[str]
    hops: Any


@dataclass(frozen=True)
class Pivot:
    """By what others may be like a scan."""

    content_hash: bytes | None
    favicon_hash: bytes | None
    certificate_hash: bytes | None
    addresses: list[str]
    asns: list[int]


sql = File("scans/comparison")
facts_by_scan = sql.edge("edge_scan_fact", ScanFact)
get_pivot = sql.one("get_pivot", Pivot)
page_related_scan = sql.page("page_related_scan", Scan)
page_scan_of_address = sql.page("page_scan_of_address", Scan)
page_scan_of_network = sql.page("page_scan_of_network", Scan)


def changes(before: ScanFact, after: ScanFact) -> list[ScanChange]:
    """What is worth telling, in the order of the enum. What is not known of either is no change."""
    found = {
        ScanChange.VERDICT: before.verdict != after.verdict,
        ScanChange.SCORE: _other_score(before.score, after.score),
        ScanChange.CONTENT: _other(before.content, after.content),
        ScanChange.CERTIFICATE: _other(before.certificate, after.certificate),
        ScanChange.TARGET: _other(_target(before), _target(after)),
    }
    return [change for change, is_other in found.items() if is_other]


async def changes_between(db: Db, before_id: UUID, after_id: UUID) -> list[ScanChange]:
    """As ``changes``, of two scans of the workspace; nothing where one of them has no result."""
    before, after = await facts_by_scan(db, ids=[before_id, after_id])
    return [] if before is None or after is None else changes(before, after)


def compare(before: ScanFact, after: ScanFact) -> ScanComparison:
    """All that is other."""
    return ScanComparison(
        before_id=before.id,
        after_id=after.id,
        same_url=before.url_hash == after.url_hash,
        changes=changes(before, after),
        added_categories=[Category(each) for each in after.categories if each not in before.categories],
        removed_categories=[Category(each) for each in before.categories if each not in after.categories],
        indicators=[
            *_lacking(before.indicators, after.indicators, False),
            *_lacking(after.indicators, before.indicators, True),
        ],
        facts=[
            FactDifference(name=name, before=was, after=now)
            for name, was, now in _pairs(_facts(before), _facts(after))
            if was != now
        ],
        hops=list(_way(_hops(before), _hops(after))),
    )


def _other_score(before: int | None, after: int | None) -> bool:
    if before is None or after is None:
        return False  # the verdict tells of that
    return min(before // BAND, 4) != min(after // BAND, 4) or abs(before - after) > BAND


def _other(before: str | None, after: str | None) -> bool:
    return before is not None and after is not None and before != after


def _target(fact: ScanFact) -> str | None:
    return fact.hops[-1]["url_hash"] if fact.hops else fact.final_host


def _hops(fact: ScanFact) -> list[ComparedHop]:
    return [ComparedHop(**each) for each in fact.hops]


def _way(before: list[ComparedHop], after: list[ComparedHop]) -> Iterator[HopDifference]:
    """What is other of two ways: steps with the same URL are the same step, so that one more does not make all others new."""
    same = SequenceMatcher(None, [hop.url_hash for hop in before], [hop.url_hash for hop in after], autojunk=False)
    for _, first, last, begin, end in same.get_opcodes():
        for was, now in zip_longest(before[first:last], after[begin:end]):
            found = _hop_changes(was, now)
            if found:
                yield HopDifference(before=was, after=now, changes=found)


def _hop_changes(was: ComparedHop | None, now: ComparedHop | None) -> list[HopChange]:
    if was is None or now is None:
        return [HopChange.ADDED if was is None else HopChange.REMOVED]
    other = {
        HopChange.URL: was.url_hash != now.url_hash,
        HopChange.ADDRESS: was.address != now.address,
        HopChange.NETWORK: was.asn is not None and now.asn is not None and was.asn != now.asn,
        HopChange.STATUS: was.status != now.status,
    }
    return [change for change, is_other in other.items() if is_other]


def _lacking(those: list[str], other: list[str], added: bool) -> Iterable[IndicatorDifference]:
    known = {each.rpartition(" ")[0] for each in other}
    for each in those:
        name, _, weight = each.rpartition(" ")
        if name not in known:
            engine, kind = name.split(" ")
            yield IndicatorDifference(engine=Engine(engine), kind=kind, weight=int(weight), added=added)


def _facts(fact: ScanFact) -> dict[str, str | None]:
    plain: dict[str, Any] = {
        "verdict": fact.verdict,
        "score": fact.score,
        "httpStatus": fact.http_status,
        "contentType": fact.content_type,
        "finalHost": fact.final_host,
        "tlsProtocol": fact.tls_protocol,
        "tlsIssuer": fact.tls_issuer,
        "contentSha256": fact.content,
        "certificateSha256": fact.certificate,
        "faviconSha256": fact.favicon,
    }
    headers = {f"header:{name}": str(value) for name, value in sorted((fact.headers or {}).items())}
    return {name: None if value is None else str(value) for name, value in plain.items()} | headers


def _pairs(before: dict[str, str | None], after: dict[str, str | None]) -> list[tuple[str, str | None, str | None]]:
    return [(name, before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]


@strawberry.type
class ComparisonQuery:
    """Root fields that hold scans against each other."""

    @query("scans:read")
    async def compare_scans(self, info: Info, before_id: strawberry.ID, after_id: strawberry.ID) -> ScanComparison | None:
        """What is other between two completed scans of the workspace. Null where one is not there, or was not judged."""
        ids = [parse_uuid(before_id, "Scan", field="beforeId"), parse_uuid(after_id, "Scan", field="afterId")]
        before, after = await facts_by_scan(info.context.db, ids=ids)
        return None if before is None or after is None else compare(before, after)

    @query("scans:read")
    async def related_scans(
        self, info: Info, scan_id: strawberry.ID, by: ScanRelation, first: int = 20, after: str | None = None
    ) -> Page[Scan] | None:
        """Other scans of the workspace with the same page, icon or certificate, or an address or network in common, the newest
        first."""
        db = info.context.db
        found, pivot = await _pivot_of(db, scan_id)
        if by is ScanRelation.ADDRESS:
            return await page(page_scan_of_address, db, first, after, scan_id=found, addresses=pivot.addresses)
        if by is ScanRelation.NETWORK:
            return await page(page_scan_of_network, db, first, after, scan_id=found, asns=pivot.asns)
        content, favicon, certificate = _hashes(pivot, by)
        return await page(
            page_related_scan,
            db,
            first,
            after,
            scan_id=found,
            content_hash=content,
            favicon_hash=favicon,
            certificate_hash=certificate,
        )

    @query("scans:read")
    async def related_published_scans(
        self, info: Info, scan_id: strawberry.ID, by: ScanRelation, first: int = 20, after: str | None = None
    ) -> Page[PublishedScan] | None:
        """What anybody made PUBLIC that has something in common with a scan of the workspace, the newest first. Scans that are
        not public are never looked at."""
        db = info.context.db
        found, pivot = await _pivot_of(db, scan_id)
        if by is ScanRelation.ADDRESS:
            return await page(page_publication_of_address, db, first, after, scan_id=found, addresses=pivot.addresses)
        if by is ScanRelation.NETWORK:
            return await page(page_publication_of_network, db, first, after, scan_id=found, asns=pivot.asns)
        content, favicon, certificate = _hashes(pivot, by)
        return await page(
            page_related_publication,
            db,
            first,
            after,
            scan_id=found,
            content_hash=content,
            favicon_hash=favicon,
            certificate_hash=certificate,
        )


async def _pivot_of(db: Db, scan_id: strawberry.ID) -> tuple[UUID, Pivot]:
    found = parse_uuid(scan_id, "Scan", field="scanId")
    pivot = await get_pivot(db, scan_id=found)
    if pivot is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such scan in this workspace.", field="scanId")
    return found, pivot


def _hashes(pivot: Pivot, by: ScanRelation) -> tuple[bytes | None, bytes | None, bytes | None]:
    """The hash of page, icon or certificate by which others are found; None for the other two."""
    none = b""  # which no hash is
    return (
        (pivot.content_hash or none) if by is ScanRelation.CONTENT else None,
        (pivot.favicon_hash or none) if by is ScanRelation.FAVICON else None,
        (pivot.certificate_hash or none) if by is ScanRelation.CERTIFICATE else None,
    )
