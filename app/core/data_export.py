"""Data exports: all that is known of a person, as a ZIP of JSON lines, made by a job and fetched once by a link.

What is in it is said by the data inventory. The file is kept in the database, in pieces, because the worker that makes it and
the server that hands it out may run on different machines; it goes after seven days. Each piece is sealed with the data key of
the workspace for its place in the file: a dump shows nothing, and no two pieces can be exchanged.

The link is made by the job that mails it, so that it is in the mail and nowhere else, or by the person, who is shown it once.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any
from uuid import UUID

import orjson
import strawberry
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.core.audit_event import AuditAction, record_action
from app.core.data_key import DataKey, VaultSettings, seal, unseal_with
from app.core.email_token import ATTEMPTS, FOOTER, link, new_token, post
from app.core.idempotency import claim, settle
from app.core.notification import NotificationKind, NotificationText, notify, tells
from app.kit.context import Info
from app.kit.db import Db, look_up
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import BigInt, Node, field, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue, job
from app.kit.page import Page, page
from app.kit.pool import Pool
from app.kit.sql import File, make

ROWS = 500
"""So many rows are in memory at once."""
CHUNK = 256 * 1024
MOST = 3
"""So many exports a person may have within seven days."""
JSON_TYPES = {
    "boolean": "boolean",
    "bigint": "integer",
    "integer": "integer",
    "smallint": "integer",
    "text[]": "array",
    "double precision": "number",
    "real": "number",
}
"""What JSON calls a type of PostgreSQL; all others are strings."""
README = """This is what Fivefold knows of you.

Each .jsonl file holds the rows of one table, a JSON object on each line; the .schema.json beside it says what each column is,
what it is for and how long it is kept. manifest.json lists all files with their number of rows and their SHA-256, and says
which columns were left out, and why. Times are in UTC. Bytes are written as \\x and hex digits.
"""


@strawberry.type(description="An export of all that is known of the caller.")
class DataExport(Node):
    """It goes seven days after it was finished."""

    node_statement = "core/data_export.edge_data_export"

    digest: strawberry.Private[bytes | None]

    created_at: datetime
    finished_at: datetime | None = strawberry.field(description="From then on it can be downloaded.")
    expires_at: datetime
    used_at: datetime | None = strawberry.field(description="When it was downloaded last.")
    size: BigInt | None = strawberry.field(description="Bytes of the file.")

    @field(name="sha256", description="Of the whole file, in hex.")
    def sha256(self) -> str | None:
        """64 digits."""
        return self.digest.hex() if self.digest else None


@dataclass(frozen=True)
class Count:
    """How many."""

    count: int


@dataclass(frozen=True)
class OpenExport:
    """Whose it is."""

    id: UUID
    subject_id: UUID
    created_at: datetime


@dataclass(frozen=True)
class ExportColumn:
    """What the inventory says of a column."""

    object: str
    column_name: str
    class_: str
    purpose: str
    retention: str
    included: bool
    reason: str | None
    type: str


@dataclass(frozen=True)
class ExportRow:
    """A row, and its key."""

    key: Any
    content: Any


@dataclass(frozen=True)
class Piece:
    """A piece of the file, sealed, and the key that opens it, wrapped."""

    of_workspace_id: UUID
    export_id: UUID
    data_key_id: UUID
    wrapped: bytes
    content: bytes


@dataclass(frozen=True)
class LinkMail:
    """Whom the link goes to, and until when it is good."""

    email: str
    display_name: str
    expires_at: datetime


@dataclass(frozen=True)
class Taken:
    """The export whose link was used up."""

    export_id: UUID
    size: int


Decoder = Callable[[Db, Any, Sequence[dict[str, Any]]], Awaitable[list[Any]]]
"""The database, the operator's settings, and rows: a value for each."""


@dataclass(frozen=True)
class Decoding:
    """A property that takes the place of columns whose bytes only a product can read."""

    name: str
    columns: tuple[str, ...]
    schema: dict[str, Any]
    decoder: Decoder


DECODINGS: dict[str, Decoding] = {}
"""By table. Filled by the nouns that own them."""


def decodes(table: str, *columns: str, name: str, schema: dict[str, Any]) -> Callable[[Decoder], Decoder]:
    """Say how columns of a table read in an export: a value for each row, whose JSON Schema is ``schema``."""

    def declare(decoder: Decoder) -> Decoder:
        DECODINGS[table] = Decoding(name, columns, schema, decoder)
        return decoder

    return declare


class BuildExport(BaseModel, frozen=True):
    """Which."""

    workspace_id: UUID
    export_id: UUID


sql = File("core/data_export")
count_exports = sql.one("count_data_export", Count)
delete_chunks = sql.exec("delete_data_export_chunk")
exports_by_id = sql.edge("edge_data_export", DataExport)
get_piece = sql.one("get_export_piece", Piece)
get_open_export = sql.one("get_open_export", OpenExport)
insert_chunk = sql.exec("insert_data_export_chunk")
insert_export = sql.one("insert_data_export", DataExport)
list_columns = sql.many("list_export_column", ExportColumn)
list_rows = sql.many("list_export_row", ExportRow)
page_export = sql.page("page_data_export", DataExport)
prepare_link = sql.one("take_export_link", LinkMail)
take_export = sql.one("take_export", Taken)
update_finished = sql.exec("update_finished_export")
update_link = sql.one("update_export_link", DataExport)


@job("core.build_export", BuildExport, concurrency=2)
async def build_export(work: Work, payload: BuildExport) -> None:
    """One picture of all tables, in a file without a name, which a killed worker leaves nowhere; then one transaction."""
    db = work.db
    asked = await get_open_export(db, id=payload.export_id)
    if asked is None:
        return
    with tempfile.TemporaryFile() as file:
        await write_export(db, work.settings, asked, file)
        await db.restart()
        size, digest = file.tell(), hashlib.sha256()
        file.seek(0)
        async with work.once():
            await delete_chunks(db, export_id=asked.id)
            number = 0
            while content := file.read(CHUNK):
                digest.update(content)
                place = piece_id(asked.id, number)
                sealed = await seal(db, work.settings, "core.data_export_chunk", "content", place, content)
                await insert_chunk(db, export_id=asked.id, number=number, content=sealed)
                number += 1
            await update_finished(db, id=asked.id, size=size, digest=digest.digest())
            await notify(db, asked.subject_id, NotificationKind.EXPORT_READY, None)
            await enqueue(db, mail_export_link, payload)
            await record_action(db, AuditAction.EXPORT, "core.data_export", asked.id, {"step": "made", "size": size})


def piece_id(export_id: UUID, number: int) -> UUID:
    """Names a piece of a file: what is sealed for one opens at no other place."""
    return UUID(bytes=hashlib.sha256(export_id.bytes + number.to_bytes(8, "big")).digest()[:16])


@job("core.mail_export_link", BuildExport, attempts=ATTEMPTS, concurrency=4)
async def mail_export_link(work: Work, payload: BuildExport) -> None:
    """Make the link, keep its hash, mail it: another attempt makes another one. Only to an address that is proven."""
    token = new_token()
    async with work.db.transaction():
        mail = await prepare_link(work.db, id=payload.export_id, link_hash=token.hash)
    if mail is None:
        return
    text = "All that is known of you can be downloaded once, for seven days."
    if work.settings.app_url:
        text += link(work.settings, "export", token.secret)
    else:
        text += f"\n\nIt is at this address of the API: /exports/{token.secret}"
    text += "\n\nIf it was not you who asked, sign out everywhere, and change how you sign in."
    await post(work, f"export-{payload.export_id}", mail.email, mail.display_name, "Your export is ready", text + FOOTER)


async def write_export(db: Db, settings: Any, asked: OpenExport, file: IO[bytes]) -> None:
    """The ZIP, from one reading transaction; never more than a few hundred rows in memory."""
    columns = await list_columns(db)
    told: list[dict[str, Any]] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        for table in dict.fromkeys(column.object for column in columns if column.included):
            name, digest, count, after = f"{table}.jsonl", hashlib.sha256(), 0, None
            first = await list_rows(db, export_id=asked.id, object=table, after=None, size=ROWS)
            if not first:
                continue
            with archive.open(name, "w", force_zip64=True) as entry:
                rows = first
                while rows:
                    for content in await readable(db, settings, table, [row.content for row in rows]):
                        line = orjson.dumps(content) + b"\n"
                        digest.update(line)
                        entry.write(line)
                    count, after = count + len(rows), rows[-1].key
                    rows = await list_rows(db, export_id=asked.id, object=table, after=after, size=ROWS)
            archive.writestr(f"{table}.schema.json", orjson.dumps(schema_of(table, columns), option=orjson.OPT_INDENT_2))
            told.append({"name": name, "rows": count, "sha256": digest.hexdigest()})
        inventory = hashlib.sha256(repr(columns).encode()).hexdigest()
        omitted = [
            {"table": each.object, "column": each.column_name, "reason": each.reason or "It is, or protects, a credential."}
            for each in columns
            if not each.included
        ]
        manifest: dict[str, Any] = {"format": 1, "created_at": asked.created_at, "inventory_sha256": inventory}
        manifest |= {"files": told, "omitted": omitted}
        archive.writestr("manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


async def readable(db: Db, settings: Any, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as a person reads them: with what a product makes of its bytes in their place."""
    decoding = DECODINGS.get(table)
    if decoding is None:
        return rows
    values = await decoding.decoder(db, settings, rows)
    return [
        {key: value for key, value in row.items() if key not in decoding.columns} | {decoding.name: value}
        for row, value in zip(rows, values, strict=True)
    ]


def schema_of(table: str, columns: Sequence[ExportColumn]) -> dict[str, Any]:
    """JSON Schema of a line of a file."""
    decoding = DECODINGS.get(table)
    decoded = decoding.columns if decoding is not None else ()
    properties: dict[str, Any] = {
        each.column_name: ({} if each.type == "jsonb" else {"type": [JSON_TYPES.get(each.type, "string"), "null"]})
        | {"description": f"{each.type}; {each.class_}, for {each.purpose}; kept: {each.retention}"}
        for each in columns
        if each.object == table and each.included and each.column_name not in decoded
    }
    if decoding is not None:
        properties[decoding.name] = decoding.schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": table,
        "type": "object",
        "properties": properties,
    }


async def serve_export(request: Request) -> Response:
    """``/exports/{token}``: the file, once."""
    service = request.app.state.service
    token = request.path_params["token"]
    used = hashlib.sha256(token.encode()).digest()
    try:
        records = await look_up(service.pool, take_export.statement, {"link_hash": used})
    except AppError as error:
        return Response(f"{error.message}\n", 503, {"Retry-After": "30"}, media_type="text/plain")
    if not records:
        message = "This link was used, or has expired, or never was one. Ask for another with createExportLink.\n"
        return Response(message, 404, media_type="text/plain", headers={"Cache-Control": "no-store"})
    taken = make(Taken, records[0])
    headers = {
        "Content-Disposition": 'attachment; filename="fivefold-export.zip"',
        "Content-Length": str(taken.size),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(pieces(service.pool, service.settings, used), media_type="application/zip", headers=headers)


async def pieces(pool: Pool, settings: VaultSettings, used: bytes) -> AsyncIterator[bytes]:
    """One at a time; between them no connection is held. Raises Sealed in the middle of the answer, which tears it off."""
    number = 0
    while records := await look_up(pool, get_piece.statement, {"used_hash": used, "number": number}):
        piece = make(Piece, records[0])
        key = DataKey(piece.data_key_id, piece.of_workspace_id, piece.wrapped)
        place = piece_id(piece.export_id, number)
        yield unseal_with(settings, key, "core.data_export_chunk", "content", place, piece.content)
        number += 1


@tells(NotificationKind.EXPORT_READY, None)
async def _ready(db: Db, notifications: Sequence[Any]) -> list[NotificationText]:
    body = "All that is known of you here can be downloaded for seven days, by a link that works once. If it was not you who "
    body += "asked, change how you sign in."
    return [NotificationText(title="Your export is ready", body=body) for _ in notifications]


@strawberry.input(description="That one wants all that is known of oneself.")
class RequestExportInput:
    """Of the caller, in whatever workspace it is."""

    idempotency_key: str


@strawberry.type(description="The export that will be made.")
class RequestExportPayload:
    """The export that will be made."""

    export: DataExport


@strawberry.type(description="A link that works once.")
class CreateExportLinkPayload:
    """A link that works once."""

    export: DataExport
    path: str = strawberry.field(description="Below the address of this API. Shown this once; a new one ends it.")


@strawberry.type
class DataExportQuery:
    """Root fields that tell of exports."""

    @query(roles=frozenset({"owner"}))
    async def data_exports(self, info: Info, first: int = 20, after: str | None = None) -> Page[DataExport] | None:
        """The caller's exports of the last seven days, newest first; asked for in the personal workspace."""
        return await page(page_export, info.context.db, first, after)


@strawberry.type
class DataExportMutation:
    """Root fields that make exports."""

    @mutation(roles=frozenset({"owner"}))
    async def request_export(self, info: Info, input: RequestExportInput) -> RequestExportPayload | None:
        """Ask for all that is known of the caller, in the personal workspace. A notification tells when it is ready."""
        db, actor = info.context.db, info.context.actor
        async with db.transaction():
            done = await claim(db, "requestExport", input.idempotency_key, [])
            if done is not None:
                (found,) = await exports_by_id(db, ids=[done.result_id])
                if found is None:
                    raise AppError(ErrorCode.NOT_FOUND, "That export is gone; ask for another with a new key.")
                return RequestExportPayload(export=found)
            before = await count_exports(db)
            if before is not None and before.count >= MOST:
                raise AppError(ErrorCode.TOO_SOON, f"{MOST} exports were asked for within seven days; use one of them.")
            made = await insert_export(db)
            if made is None:
                message = "An export is being made already, or this is not your personal workspace: leave the header out."
                raise AppError(ErrorCode.BAD_INPUT, message)
            await enqueue(db, build_export, BuildExport(workspace_id=actor.workspace_id, export_id=made.id))
            await settle(db, "requestExport", input.idempotency_key, made.id)
        return RequestExportPayload(export=made)

    @mutation(roles=frozenset({"owner"}))
    async def create_export_link(self, info: Info, id: strawberry.ID) -> CreateExportLinkPayload | None:
        """A link to a finished export: whoever has it first downloads the file. It ends the link before."""
        export_id = parse_uuid(id, "DataExport", field="id")
        token = secrets.token_urlsafe(32)
        async with info.context.db.transaction():
            linked = await update_link(info.context.db, id=export_id, link_hash=hashlib.sha256(token.encode()).digest())
        if linked is None:
            raise AppError(ErrorCode.NOT_FOUND, "There is no finished export by this id; it may have expired.", field="id")
        return CreateExportLinkPayload(export=linked, path=f"/exports/{token}")
