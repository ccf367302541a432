"""Feeds: Atom and JSON Feed of what changed on platforms' settings pages. Public, without a token and without anybody's data.

What is read is read by nobody, so the policies show what is shared. It is kept for half a minute, so that a crowd of readers
costs the database no more than one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from xml.etree import ElementTree

import orjson
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response

from app.kit.db import look_up
from app.kit.errors import AppError
from app.kit.pool import Pool
from app.kit.sql import File, make
from app.privacy.platform import Platform, get_platform_by_slug
from app.privacy.template import SettingRow, TemplateSetting, settings_by_template, spoken
from app.privacy.template_diff import Difference, SettingAspect, differ

MAX_ENTRIES = 50
SECONDS = 30.0
_MOST_FEEDS = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLUG = re.compile(r"[a-z0-9-]{1,50}")
_NO_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for, escaped or not."""

ALL = "templates"
"""The feed of all platforms."""

ATOM = "http://www.w3.org/2005/Atom"
TYPES = {"atom": "application/atom+xml; charset=utf-8", "json": "application/feed+json; charset=utf-8"}

ElementTree.register_namespace("", ATOM)


@dataclass(frozen=True)
class FeedTemplate:
    """A version that became active."""

    id: UUID
    slug: str
    name: str
    privacy_url: str
    version: int | None
    created_at: datetime
    activated_at: datetime | None
    summary: str
    previous_id: UUID | None


@dataclass(frozen=True)
class Entry:
    """One version, as both kinds of feed tell it."""

    id: str
    title: str
    url: str
    published: datetime
    updated: datetime
    summary: str
    content: str
    tags: list[str]


@dataclass(frozen=True)
class Feed:
    """``entries`` are the newest first."""

    id: str
    title: str
    name: str
    home: str | None
    entries: list[Entry]

    @property
    def updated(self) -> datetime:
        """When something became active last."""
        return max((entry.updated for entry in self.entries), default=_EPOCH)


sql = File("privacy/feed")
list_feed_template = sql.many("list_feed_template", FeedTemplate)


@dataclass
class Feeds:
    """The feeds of one process, each read at most twice a minute."""

    pool: Pool
    known: dict[str, tuple[float, Feed | None]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def serve(self, request: Request) -> Response:
        """``/feeds/<name>.atom`` or ``.json``; 304 for who has it, 404 for a platform that there is not."""
        name, kind = request.path_params["name"], request.path_params["kind"]
        try:
            found = await self.find(name) if kind in TYPES else None
        except AppError as error:
            return Response(f"{error.message}\n", 503, {"Retry-After": "30"}, media_type="text/plain")
        if found is None:
            return Response("There is no such feed.\n", 404, media_type="text/plain")
        url = str(request.url.replace(query="", fragment=""))
        body = atom(found, url) if kind == "atom" else json_feed(found, url)
        headers = {
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "Last-Modified": format_datetime(found.updated.replace(microsecond=0), usegmt=True),
            "Cache-Control": "public, max-age=300",
        }
        if is_known(request.headers, headers["ETag"], found.updated):
            return Response(status_code=304, headers=headers)
        return Response(body, headers={**headers, "Content-Type": TYPES[kind]})

    async def find(self, name: str) -> Feed | None:
        """The feed of all platforms or of one; None for what is no platform."""
        if name != ALL and not _SLUG.fullmatch(name):
            return None
        async with self.turn:
            until, found = self.known.get(name, (0.0, None))
            if until < time.monotonic():
                found = await read_feed(self.pool, name)
                if len(self.known) >= _MOST_FEEDS:
                    self.known.clear()
                self.known[name] = (time.monotonic() + SECONDS, found)
            return found


def feeds_of(state: State) -> Feeds:
    """Those of the process whose state it is."""
    if not hasattr(state, "feeds"):
        state.feeds = Feeds(state.service.pool)
    feeds: Feeds = state.feeds
    return feeds


async def serve_feed(request: Request) -> Response:
    """The endpoint."""
    return await feeds_of(request.app.state).serve(request)


async def read_feed(pool: Pool, name: str) -> Feed | None:
    """From the database, as nobody sees it."""
    slug = None if name == ALL else name
    title, label, home = "Privacy settings of platforms: what changed", "platforms", None
    if slug is not None:
        records = await look_up(pool, get_platform_by_slug.statement, {"slug": slug})
        if not records:
            return None
        platform = make(Platform, records[0])
        title, label, home = f"Privacy settings of {platform.name}: what changed", platform.name, platform.privacy_url
    given = {"slug": slug, "limit": MAX_ENTRIES}
    templates = [make(FeedTemplate, record) for record in await look_up(pool, list_feed_template.statement, given)]
    ids = list({id_ for template in templates for id_ in (template.id, template.previous_id) if id_ is not None})
    settings: dict[UUID, list[TemplateSetting]] = {id_: [] for id_ in ids}
    for record in await look_up(pool, settings_by_template.statement, {"template_ids": ids}):
        values = dict(record)
        settings[ids[values.pop("position") - 1]].append(spoken(make(SettingRow, values), ()))
    feed_id = uuid5(NAMESPACE_URL, f"fivefold:privacy/feeds/{name}").urn
    return Feed(feed_id, title, label, home, [tell(template, settings) for template in templates])


def tell(template: FeedTemplate, settings: Mapping[UUID, list[TemplateSetting]]) -> Entry:
    """An entry of one version: what differs from the one before."""
    lines, tags = [f"{len(settings[template.id])} settings."], ["first"]
    if template.previous_id is not None:
        found = differ(settings[template.previous_id], settings[template.id])
        lines, tags = describe(found), tags_of(found)
    assert template.activated_at is not None
    text = [plain(line) for line in lines]
    return Entry(
        id=template.id.urn,
        title=plain(f"{template.name}: settings page, version {template.version}"),
        url=template.privacy_url,
        published=template.created_at,
        updated=template.activated_at,
        summary=plain(template.summary) or text[0],
        content="\n".join(text),
        tags=[template.slug, *tags],
    )


def describe(found: Difference) -> list[str]:
    """One line for each setting that differs; wording apart, which is no news."""
    lines = [f"New: {s.label} ({', '.join(s.options)})" for s in found.added]
    lines += [f"Gone: {s.label}" for s in found.removed]
    for one in found.changed:
        label, before, after = one.after.label, one.before, one.after
        if SettingAspect.DEFAULT in one.aspects:
            lines.append(f"Default of {label}: {before.default_value} -> {after.default_value}")
        if SettingAspect.OPTIONS in one.aspects:
            lines.append(f"Options of {label}: {', '.join(before.options)} -> {', '.join(after.options)}")
        if SettingAspect.TYPE in one.aspects:
            lines.append(f"{label} is shown otherwise.")
    return lines or ["No setting differs."]


def tags_of(found: Difference) -> list[str]:
    """What kinds of change there are, for readers that filter."""
    aspects = {aspect for one in found.changed for aspect in one.aspects}
    tags = {"added": found.added, "removed": found.removed, "default": SettingAspect.DEFAULT in aspects,
            "options": SettingAspect.OPTIONS in aspects}  # fmt: skip
    return [tag for tag, there in tags.items() if there]


def plain(text: str) -> str:
    """One line without what XML cannot hold."""
    return " ".join(_NO_XML.sub("", text).split())


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def atom(feed: Feed, url: str) -> bytes:
    """RFC 4287."""
    root = ElementTree.Element(f"{{{ATOM}}}feed")

    def add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
        child = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
        child.text = text
        return child

    add(root, "id", feed.id)
    add(root, "title", plain(feed.title))
    add(root, "updated", stamp(feed.updated))
    add(add(root, "author"), "name", "Fivefold")
    add(root, "link", rel="self", type="application/atom+xml", href=plain(url))
    if feed.home is not None:
        add(root, "link", rel="alternate", href=feed.home)
    for one in feed.entries:
        entry = add(root, "entry")
        add(entry, "id", one.id)
        add(entry, "title", one.title)
        add(entry, "published", stamp(one.published))
        add(entry, "updated", stamp(one.updated))
        add(entry, "link", rel="alternate", href=one.url)
        for tag in one.tags:
            add(entry, "category", term=tag)
        add(entry, "summary", one.summary, type="text")
        add(entry, "content", one.content, type="text")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def json_feed(feed: Feed, url: str) -> bytes:
    """JSON Feed 1.1."""
    items = [
        {
            "id": one.id,
            "url": one.url,
            "title": one.title,
            "summary": one.summary,
            "content_text": one.content,
            "date_published": stamp(one.published),
            "date_modified": stamp(one.updated),
            "tags": one.tags,
        }
        for one in feed.entries
    ]
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": plain(feed.title),
        "feed_url": url,
        "language": "en",
        "authors": [{"name": "Fivefold"}],
        "items": items,
    }
    return orjson.dumps(document | ({"home_page_url": feed.home} if feed.home is not None else {}))


def is_known(headers: Mapping[str, str], tag: str, updated: datetime) -> bool:
    """Whether the reader has it, by RFC 9110: a tag counts more than a date."""
    if (tags := headers.get("if-none-match")) is not None:
        return "*" in tags or tag in [one.strip().removeprefix("W/") for one in tags.split(",")]
    try:
        since = parsedate_to_datetime(headers.get("if-modified-since", ""))
    except (TypeError, ValueError):
        return False
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return updated.replace(microsecond=0) <= since
