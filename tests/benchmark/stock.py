"""What one would write first: Strawberry and asyncpg as their documentation shows them. A pool with its defaults, a
DataLoader for each kind of row, a connection and a transaction that declares the caller for each load; parser and
validation caches and orjson on top. The same statements, authentication and answers as Fivefold's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import strawberry
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from app.kit.context import Actor
from app.kit.db import Db
from app.kit.graphql import SCALARS, global_id
from app.kit.pool import Row
from app.kit.sql import BOUND, Statement
from app.privacy.dashboard import get_dashboard
from app.privacy.template import TemplateSetting, settings_by_template
from app.privacy.values import unpack
from tests.benchmark.handwritten import END, uuid_of, uuid_of_cursor


@strawberry.type
class Setting:
    key: str
    label: str
    category: str
    value: str | None
    observed: bool
    recommended: str
    risk: int


@strawberry.type
class Platform:
    id: strawberry.ID
    slug: str
    name: str


@strawberry.type
class Change:
    setting: str
    old_value: str | None
    new_value: str | None
    origin: str


@strawberry.type
class Snapshot:
    id: strawberry.ID
    risk_score: int | None
    completion_rate: float
    confidence: float
    captured_at: datetime
    row: strawberry.Private[Any]

    @strawberry.field
    async def settings(self, info: strawberry.Info) -> list[Setting]:
        settings: list[TemplateSetting] = await info.context["settings"].load(self.row["template_id"])
        values = unpack(settings, self.row["packed"], self.row["observed"])
        return [
            Setting(
                key=s.key,
                label=s.label,
                category=s.category,
                value=values.get(s.key),
                observed=s.key in values,
                recommended=s.recommended,
                risk=s.risk,
            )
            for s in settings
        ]

    @strawberry.field
    async def changes(self, info: strawberry.Info) -> list[Change]:
        rows = await info.context["changes"].load(self.row["id"])
        return [
            Change(setting=r["setting"], old_value=r["old_value"], new_value=r["new_value"], origin=r["origin"]) for r in rows
        ]


def a_snapshot(row: Any) -> Snapshot:
    return Snapshot(
        id=global_id("Snapshot", str(row["id"])),
        risk_score=row["risk_score"],
        completion_rate=row["completion_rate"],
        confidence=row["confidence"],
        captured_at=row["captured_at"],
        row=row,
    )


@strawberry.type
class SnapshotEdge:
    node: Snapshot


@strawberry.type
class PageInfo:
    has_next_page: bool


@strawberry.type
class SnapshotPage:
    edges: list[SnapshotEdge]
    page_info: PageInfo


def a_page(rows: list[Any], first: int) -> SnapshotPage:
    edges = [SnapshotEdge(node=a_snapshot(row)) for row in rows[:first]]
    return SnapshotPage(edges=edges, page_info=PageInfo(has_next_page=len(rows) > first))


@strawberry.type
class Link:
    id: strawberry.ID
    label: str
    status: str
    linked_at: datetime
    row: strawberry.Private[Any]

    @strawberry.field
    async def platform(self, info: strawberry.Info) -> Platform:
        row = await info.context["platforms"].load(self.row["platform_id"])
        return Platform(id=global_id("Platform", str(row["id"])), slug=row["slug"], name=row["name"])

    @strawberry.field
    async def latest_snapshot(self, info: strawberry.Info) -> Snapshot | None:
        return a_snapshot(await info.context["snapshots"].load(self.row["latest_snapshot_id"]))

    @strawberry.field
    async def snapshots(self, info: strawberry.Info, first: int = 20) -> SnapshotPage:
        return a_page(await info.context["source"].history(first).load(self.row["id"]), first)


@strawberry.type
class Edge:
    node: Link


@strawberry.type
class Page:
    edges: list[Edge]


def a_link(row: Any) -> Link:
    id_ = strawberry.ID(global_id("PlatformLink", str(row["id"])))
    return Link(id=id_, label=row["label"], status=row["status"], linked_at=row["linked_at"], row=row)


async def page_links(source: Source, first: int, **where: Any) -> Page:
    page = BOUND["privacy/platform_link.page_platform_link"].statement
    rows = await source.fetch(page, {"after_id": END, "limit": first + 1, **where})
    return Page(edges=[Edge(node=a_link(row)) for row in rows[:first]])


@strawberry.type
class Dashboard:
    overall_score: int | None
    coverage: float

    @strawberry.field
    async def links(self, info: strawberry.Info, first: int = 20) -> Page:
        return await page_links(info.context["source"], first, status="ACTIVE")


@strawberry.type
class Query:
    @strawberry.field
    async def privacy_dashboard(self, info: strawberry.Info) -> Dashboard:
        (row,) = await info.context["source"].fetch(get_dashboard.statement, {})
        return Dashboard(overall_score=row["overall_score"], coverage=row["coverage"])

    @strawberry.field
    async def platform_link(self, info: strawberry.Info, id: strawberry.ID) -> Link | None:
        return a_link(await info.context["links"].load(uuid_of(id)))

    @strawberry.field
    async def platform_links(self, info: strawberry.Info, first: int = 20) -> Page:
        return await page_links(info.context["source"], first)

    @strawberry.field
    async def snapshots(
        self, info: strawberry.Info, link_id: strawberry.ID, first: int = 20, after: str | None = None
    ) -> SnapshotPage:
        args = {"link_id": uuid_of(link_id), "after_id": uuid_of_cursor(after) if after else END, "limit": first + 1}
        page = BOUND["privacy/snapshot.page_snapshot"].statement
        return a_page(await info.context["source"].fetch(page, args), first)


class Source:
    """Rows for one request: every load takes a connection from the pool and declares the caller in a transaction."""

    def __init__(self, pool: asyncpg.Pool, actor: Actor) -> None:
        self.pool, self.actor = pool, actor
        self.histories: dict[int, DataLoader[Any, Any]] = {}

    async def fetch(self, statement: Statement, args: dict[str, Any]) -> list[asyncpg.Record]:
        given = {**args, "workspace_id": self.actor.workspace_id}
        text, params = statement.variant(frozenset(name for name in statement.optional if name in args))
        async with self.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(
                "SELECT set_config('fivefold.workspace_id', $1, true), set_config('fivefold.account_id', $2, true)",
                str(self.actor.workspace_id),
                str(self.actor.account_id),
            )
            return await connection.fetch(text, *(given[name] for name in params))

    def loader(self, statement: str) -> DataLoader[Any, Any]:
        async def load(keys: list[Any]) -> list[Any]:
            found = {row["id"]: row for row in await self.fetch(BOUND[statement].statement, {"ids": keys})}
            return [found.get(key) for key in keys]

        return DataLoader(load)

    def grouped(self, statement: str, keys_name: str, column: str, **args: Any) -> DataLoader[Any, Any]:
        async def load(keys: list[Any]) -> list[Any]:
            found: dict[Any, list[asyncpg.Record]] = {key: [] for key in keys}
            for row in await self.fetch(BOUND[statement].statement, {keys_name: keys, **args}):
                found[row[column]].append(row)
            return [found[key] for key in keys]

        return DataLoader(load)

    def history(self, first: int) -> DataLoader[Any, Any]:
        if first not in self.histories:
            history = self.grouped(
                "privacy/snapshot.edge_snapshot_of_link", "link_ids", "link_id", after_id=END, limit=first + 1
            )
            self.histories[first] = history
        return self.histories[first]

    async def settings(self, ids: list[Any]) -> list[Any]:
        unique = list(dict.fromkeys(ids))
        found: dict[Any, list[asyncpg.Record]] = {id_: [] for id_ in unique}
        for row in await self.fetch(settings_by_template.statement, {"template_ids": unique}):
            found[unique[row["position"] - 1]].append(row)
        return [found[id_] for id_ in ids]


class Stock(GraphQL[Any, None]):
    """The library's own ASGI view."""

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        service = request.app.state.service
        if not hasattr(request.app.state, "stock_pool"):
            request.app.state.stock_pool = await asyncpg.create_pool(service.settings.require_database_url(), record_class=Row)
        db = Db(service.pool, None, uuid4())
        try:
            actor = (await service.callers.authenticate(db, request.headers.get("authorization"), None, anew=True)).actor
        finally:
            await db.close()
        source = Source(request.app.state.stock_pool, actor)
        return {
            "source": source,
            "links": source.loader("privacy/platform_link.edge_platform_link"),
            "changes": source.grouped("privacy/change.edge_change_of_snapshot", "snapshot_ids", "id"),
            "platforms": source.loader("privacy/platform.edge_platform"),
            "snapshots": source.loader("privacy/snapshot.edge_snapshot"),
            "settings": DataLoader(source.settings),
        }

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)


config = StrawberryConfig(scalar_map=SCALARS)
view = Stock(strawberry.Schema(Query, config=config, extensions=[ParserCache, ValidationCache]))
