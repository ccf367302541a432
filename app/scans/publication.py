"""Publications: what the owner of a scan lets others know: a copy, which goes with one word, or with the scan.

PUBLIC is found by everybody, in the list and by ``lookup``; never where something in the URL was recognized as secret.
UNLISTED is found by whoever has the link: its 256 random bits are told once, and the database has their hash. An id would be no
secret: it tells a time, and stands in logs.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.kit.context import Info
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import field, global_id, mutation, parse_uuid, query
from app.kit.page import Page, page
from app.kit.sql import File
from app.scans.indicator import Category
from app.scans.judgement import Verdict
from app.scans.scan import Scan, ScanState, ScanVisibility, scans_by_id
from app.scans.url import expression_hash, parse_url

constraint("publication_scan_key", ErrorCode.BAD_INPUT, "This scan is published; see unpublishScan.", field="scanId")


@strawberry.type(description="What somebody let others know of a scan. Whose it is nobody is told.")
class PublishedScan:
    """``publicationId`` is not the scan's: it leads to nothing else."""

    id: strawberry.Private[UUID]

    host: str
    masked_url: str = strawberry.field(description="The URL without what might be secret in it.")
    verdict: Verdict
    score: int | None = strawberry.field(description="0 to 100; null where the verdict is UNKNOWN.")
    categories: list[Category]
    scanned_at: datetime
    content_sha256: str | None = strawberry.field(description="In hex.")
    certificate_sha256: str | None = strawberry.field(description="In hex.")

    @field(name="publicationId", description="Global id of the publication, for publishedScan.")
    def publication(self) -> strawberry.ID:
        """As others know it."""
        return global_id("Publication", str(self.id))


@dataclass(frozen=True)
class Gone:
    """What was published before."""

    id: UUID


sql = File("scans/publication")
delete_publication = sql.one("delete_publication", Gone)
get_own_publication = sql.one("get_own_publication", PublishedScan)
get_publication = sql.one("get_publication", PublishedScan)
insert_publication = sql.one("insert_publication", PublishedScan)
insert_publication_address = sql.exec("insert_publication_address")
page_publication = sql.page("page_publication", PublishedScan)
page_publication_of_address = sql.page("page_publication_of_address", PublishedScan)
page_publication_of_network = sql.page("page_publication_of_network", PublishedScan)
page_related_publication = sql.page("page_related_publication", PublishedScan)


@strawberry.input(description="What to let others know, and whom.")
class PublishScanInput:
    """``visibility`` is PUBLIC or UNLISTED."""

    scan_id: strawberry.ID
    visibility: ScanVisibility
    idempotency_key: str


@strawberry.type(description="What others see.")
class PublishScanPayload:
    """What others see."""

    published: PublishedScan
    token: str | None = strawberry.field(
        description="Of an UNLISTED scan: whoever has it sees the scan by sharedScan. Shown this once; null when repeated."
    )


@strawberry.type(description="Nobody else sees the scan any more.")
class UnpublishScanPayload:
    """Nobody else sees the scan any more."""

    scan_id: strawberry.Private[UUID]

    scan: Scan = edge("scans/scan.edge_scan", ids="scan_id")


@strawberry.type
class PublicationQuery:
    """Root fields that read what was published, by anybody."""

    @query("scans:read")
    async def published_scans(
        self, info: Info, host: str | None = None, first: int = 20, after: str | None = None
    ) -> Page[PublishedScan] | None:
        """What is public, the newest first."""
        return await page(page_publication, info.context.db, first, after, host=host)

    @query("scans:read")
    async def published_scan(self, info: Info, id: strawberry.ID) -> PublishedScan | None:
        """One that is public; null where it is not, or not any more."""
        return await get_publication(info.context.db, id=parse_uuid(id, "Publication", field="id"), token_hash=None)

    @query("scans:read")
    async def shared_scan(self, info: Info, token: str) -> PublishedScan | None:
        """One that is unlisted, for whoever has its token; null where it is not, or not any more."""
        return await get_publication(info.context.db, id=None, token_hash=_hash(token))


@strawberry.type
class PublicationMutation:
    """Root fields that let others know, or not any more."""

    @mutation("scans:write")
    async def publish_scan(self, info: Info, input: PublishScanInput) -> PublishScanPayload | None:
        """Let others know what came of a completed scan. PUBLIC is refused where something in the URL looks like a secret."""
        scan_id = parse_uuid(input.scan_id, "Scan", field="scanId")
        db = info.context.db
        async with db.transaction():
            done = await claim(db, "publishScan", input.idempotency_key, [str(scan_id), input.visibility.value])
            if done is not None:
                found = await get_own_publication(db, scan_id=scan_id)
                if found is None:
                    raise AppError(ErrorCode.NOT_FOUND, "It was published by this key, and is not any more. Use a new key.")
                return PublishScanPayload(published=found, token=None)
            (scan,) = await scans_by_id(db, ids=[scan_id])
            if scan is None:
                raise AppError(ErrorCode.NOT_FOUND, "There is no such scan in this workspace.", field="scanId")
            if input.visibility is ScanVisibility.PRIVATE:
                raise AppError(ErrorCode.BAD_INPUT, "visibility is PUBLIC or UNLISTED.", field="visibility")
            if ScanState(scan.state) is not ScanState.COMPLETED:
                raise AppError(ErrorCode.BAD_INPUT, "Only a COMPLETED scan can be published.", field="scanId")
            public = input.visibility is ScanVisibility.PUBLIC
            if public and scan.has_secrets:
                message = "Something in this URL looks like a secret, so its scan cannot be PUBLIC. Choose UNLISTED."
                raise AppError(ErrorCode.BAD_INPUT, message, field="visibility")
            token = None if public else secrets.token_urlsafe(32)
            made = await insert_publication(
                db,
                scan_id=scan_id,
                visibility=input.visibility.value,
                expression_hash=expression_hash(parse_url(scan.masked_url).expressions()[0]) if public else None,
                token_hash=None if token is None else _hash(token),
            )
            assert made is not None
            if public:
                await insert_publication_address(db, id=made.id, scan_id=scan_id)
            await settle(db, "publishScan", input.idempotency_key, made.id)
        return PublishScanPayload(published=made, token=token)

    @mutation("scans:write")
    async def unpublish_scan(self, info: Info, scan_id: strawberry.ID) -> UnpublishScanPayload | None:
        """Let nobody else see a scan any more, at once. Its link is of no use from then on, also if it is published again."""
        found = parse_uuid(scan_id, "Scan", field="scanId")
        async with info.context.db.transaction():
            gone = await delete_publication(info.context.db, scan_id=found)
        if gone is None:
            raise AppError(ErrorCode.NOT_FOUND, "No such scan of this workspace is published.", field="scanId")
        return UnpublishScanPayload(scan_id=found)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
