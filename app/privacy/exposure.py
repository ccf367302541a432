"""Exposure: how long a setting left a person exposed, and who made it so. Worked out from the history when asked for.

A stretch begins with the first scan that saw the setting more exposing than recommended and ends with the first that saw
otherwise, or did not find the setting any more. At least it lasted from the first to the last of the scans that saw it so; at
most from the last scan before that saw otherwise to the first one after. Time before a link's first scan is not counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, cast
from uuid import UUID

import strawberry

from app.kit.context import Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import parse_uuid, query
from app.kit.page import Page, check_size, cut, keyset_arguments
from app.kit.sql import File, Paged
from app.privacy import risk
from app.privacy.origin import Origin
from app.privacy.platform_link import PlatformLink, require_link
from app.privacy.template import TemplateSetting, settings_of
from app.privacy.values import unpack

MOST_SNAPSHOTS = 10_000
"""Of one link, the newest: days before them are not counted."""
CHUNK = 1000
LINKS = 20
MOST_STRETCHES = 20
LAST_ID = UUID(int=2**128 - 1)
DAY_SECONDS = 86400


@dataclass(frozen=True)
class WatchedLink:
    """A link and how far its history reaches."""

    id: UUID
    seen_until: datetime | None
    unlinked_at: datetime | None


@dataclass(frozen=True)
class Sighting:
    """A snapshot without what does not matter here."""

    id: UUID
    template_id: UUID
    captured_at: datetime
    previous_seen_until: datetime | None
    packed: bytes
    observed: bytes | None


@dataclass(frozen=True)
class ChangeOrigin:
    """Who is likely to have made a change."""

    origin: Origin
    confidence: float


@dataclass(frozen=True)
class Seen:
    """What scans saw from ``captured_at`` to ``until``: by key the value of each setting that exposed, None of one that did
    not. ``known`` are all keys of the page, seen or not."""

    snapshot_id: UUID
    captured_at: datetime
    until: datetime
    exposing: Mapping[str, str | None]
    known: frozenset[str]


@dataclass
class Stretch:
    """A time in which a setting exposed the person. ``changes`` are the snapshots that it began with or moved in; it began
    before the first scan where ``after`` is None, and lasts where ``before`` is."""

    value: str
    after: datetime | None
    first: datetime
    last: datetime
    before: datetime | None = None
    changes: list[UUID] = field(default_factory=list)
    ended_by: UUID | None = None

    def seconds(self, begin: datetime | None, end: datetime) -> tuple[float, float]:
        """How long it lasted within a window, at least and at most; one that lasts may do so until the window's end."""
        least = _overlap(self.first, self.last, begin, end)
        return least, max(least, _overlap(self.after or self.first, self.before or end, begin, end))


def _overlap(first: datetime, last: datetime, begin: datetime | None, end: datetime) -> float:
    return max(0.0, (min(last, end) - (max(first, begin) if begin else first)).total_seconds())


def find_stretches(history: Iterable[Seen]) -> dict[str, list[Stretch]]:
    """The stretches of each setting in a history, the oldest first. What was not seen has not changed."""
    found: dict[str, list[Stretch]] = defaultdict(list)
    running: dict[str, Stretch] = {}
    otherwise: dict[str, datetime] = {}
    known: frozenset[str] = frozenset()

    def end(key: str, seen: Seen) -> None:
        stretch = running.pop(key)
        stretch.before, stretch.ended_by = seen.captured_at, seen.snapshot_id

    for seen in history:
        if seen.known is not known:
            known = seen.known
            for key in [key for key in running if key not in known]:
                end(key, seen)
                otherwise[key] = seen.captured_at
        for key, value in seen.exposing.items():
            stretch = running.get(key)
            if value is None:
                if stretch is not None:
                    end(key, seen)
                otherwise[key] = seen.until
            elif stretch is None:
                changes = [seen.snapshot_id]
                stretch = Stretch(value, otherwise.get(key), seen.captured_at, seen.until, changes=changes)
                running[key] = stretch
                found[key].append(stretch)
            else:
                stretch.last = seen.until
                if value != stretch.value:
                    stretch.value = value
                    stretch.changes.append(seen.snapshot_id)
    return found


@strawberry.type(description="A time in which a setting exposed the person.")
class ExposureStretch:
    """Its days are those within the window that was asked for."""

    value: str = strawberry.field(description="What it was set to, at last.")
    started_after: datetime | None = strawberry.field(
        description="The last scan that saw otherwise; null when the first scan of all saw it so."
    )
    first_seen_at: datetime
    last_seen_at: datetime
    ended_before: datetime | None = strawberry.field(description="The first scan that saw otherwise; null while it lasts.")
    days_at_least: float = strawberry.field(description="Between scans that saw it so.")
    days_at_most: float = strawberry.field(description="With the time around them of which no scan tells.")
    started_by: Origin | None = strawberry.field(description="Who is likely to have made it so; null when it always was.")
    started_by_confidence: float | None
    ended_by: Origin | None = strawberry.field(description="Who is likely to have ended it; null while it lasts.")
    ended_by_confidence: float | None
    changed_by_user: bool = strawberry.field(
        description="Whether the person made it so, or set it to something else that exposes as well."
    )


@strawberry.type(description="How long a setting left a person more exposed than recommended.")
class Exposure:
    """One setting of one link."""

    link_id: strawberry.Private[UUID]

    setting: str = strawberry.field(description="Key of the setting.")
    label: str
    risk: int = strawberry.field(description="1..100: how much it exposes.")
    recommended: str
    direct_link: str
    value: str = strawberry.field(description="What it is or was set to, at last.")
    ongoing: bool = strawberry.field(description="Whether the last scan that saw the setting saw it so.")
    since: datetime = strawberry.field(description="The scan that saw it first, of the last stretch.")
    days_at_least: float = strawberry.field(description="Sum over its stretches: days between scans that saw it so.")
    days_at_most: float = strawberry.field(description="The same with the time around them of which no scan tells.")
    stretch_count: int
    summary: str = strawberry.field(description="The last stretch in a sentence, in English.")
    stretches: list[ExposureStretch] = strawberry.field(description="The newest 20, the newest first.")

    link: PlatformLink = edge("privacy/platform_link.edge_platform_link", ids="link_id")


sql = File("privacy/exposure")
list_sighting = sql.many("list_sighting", Sighting)
list_watched_link = sql.many("list_watched_link", WatchedLink)
origins_by_change = sql.edge("edge_change_origin", ChangeOrigin)

LISTING = cast("Paged[Exposure]", SimpleNamespace(row=Exposure, keyset=(("link_id", str(LAST_ID)), ("setting", ""))))
"""No statement pages what is computed; its cursors are made and read as all others."""


@dataclass(frozen=True)
class Found:
    """An exposure before it is told: ``end`` is where the window ends for its link."""

    link_id: UUID
    setting: TemplateSetting
    stretches: Sequence[Stretch]
    end: datetime


@dataclass(frozen=True)
class Window:
    """What is asked for."""

    begin: datetime | None
    end: datetime


async def _history(db: Db, link: WatchedLink) -> tuple[list[Seen], dict[str, TemplateSetting]]:
    """What scans of a link saw, the oldest first, and each setting as the newest of their templates has it."""
    rows: list[Sighting] = []
    while len(rows) < MOST_SNAPSHOTS:
        more = await list_sighting(db, link_id=link.id, id=rows[-1].id if rows else LAST_ID, limit=CHUNK)
        rows += more
        if len(more) < CHUNK:
            break
    rows.reverse()
    templates = await settings_of(db, [row.template_id for row in rows])
    latest = {s.key: s for row_id in dict.fromkeys(row.template_id for row in rows) for s in templates[row_id]}
    known = {id_: frozenset(s.key for s in settings) for id_, settings in templates.items()}
    by_key = {id_: {s.key: s for s in settings} for id_, settings in templates.items()}
    read: dict[tuple[UUID, bytes, bytes | None], dict[str, str | None]] = {}
    found = []
    ends = [*[row.previous_seen_until for row in rows[1:]], link.seen_until][: len(rows)]
    for row, confirmed in zip(rows, ends, strict=True):
        content = row.template_id, row.packed, row.observed
        exposing = read.get(content)
        if exposing is None:
            settings = by_key[row.template_id]
            values = unpack(templates[row.template_id], row.packed, row.observed)
            exposing = {key: value if risk.exposes(settings[key], value) else None for key, value in values.items()}
            read[content] = exposing
        found.append((row, exposing, confirmed))
    return [
        Seen(row.id, row.captured_at, max(row.captured_at, confirmed or row.captured_at), exposing, known[row.template_id])
        for row, exposing, confirmed in found
    ], latest


async def _find(db: Db, link: WatchedLink, window: Window) -> list[Found]:
    """The exposures of a link that touch a window, by key of the setting."""
    history, settings = await _history(db, link)
    end = min(window.end, link.unlinked_at) if link.unlinked_at else window.end
    if link.seen_until is not None and link.unlinked_at is not None:
        end = max(end, min(link.seen_until, window.end))
    found = []
    for key, stretches in sorted(find_stretches(history).items()):
        touched = [
            s
            for s in stretches
            if (s.after or s.first) <= end and (window.begin is None or s.before is None or s.before > window.begin)
        ]
        if touched:
            found.append(Found(link.id, settings[key], touched, end))
    return found


async def exposures(db: Db, *, link_id: UUID | None, window: Window, first: int, after: str | None) -> Page[Exposure]:
    """A page of exposures, links newest first, each link's settings by key. Raises BAD_PAGE_SIZE, BAD_CURSOR."""
    check_size(first)
    behind = keyset_arguments(LISTING, after)
    last_link, last_setting = UUID(behind["after_link_id"]), behind["after_setting"]
    found: list[Found] = []
    id_ = last_link
    while len(found) <= first:
        links = await list_watched_link(db, id=id_, link_id=link_id, limit=LINKS)
        for link in links:
            if len(found) <= first:
                more = await _find(db, link, window)
                found += [f for f in more if link.id != last_link or f.setting.key > last_setting]
        if len(links) < LINKS:
            break
        id_ = UUID(int=links[-1].id.int - 1)
    rows = await _tell(db, found[: first + 1], window)
    return cut(rows, LISTING, first, after)


async def _tell(db: Db, found: Sequence[Found], window: Window) -> list[Exposure]:
    """What was found with who made it so."""
    shown = [(one, list(reversed(one.stretches))[:MOST_STRETCHES]) for one in found]
    pairs = [
        (snapshot_id, one.setting.key)
        for one, stretches in shown
        for stretch in stretches
        for snapshot_id in (*stretch.changes, *([stretch.ended_by] if stretch.ended_by else []))
    ]
    origins: dict[tuple[UUID, str], ChangeOrigin | None] = {}
    if pairs:
        ids, keys = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        origins = dict(zip(pairs, await origins_by_change(db, snapshot_ids=ids, settings=keys), strict=True))
    return [_exposure(one, stretches, window, origins) for one, stretches in shown]


def _exposure(
    one: Found,
    shown: Sequence[Stretch],
    window: Window,
    origins: Mapping[tuple[UUID, str], ChangeOrigin | None],
) -> Exposure:
    setting, total = one.setting, [stretch.seconds(window.begin, one.end) for stretch in one.stretches]
    told = [_stretch(stretch, setting.key, one, window, origins) for stretch in shown]
    return Exposure(
        link_id=one.link_id,
        setting=setting.key,
        label=setting.label,
        risk=setting.risk,
        recommended=setting.recommended,
        direct_link=setting.direct_link,
        value=told[0].value,
        ongoing=told[0].ended_before is None,
        since=told[0].first_seen_at,
        days_at_least=_days(sum(least for least, _ in total)),
        days_at_most=_days(sum(most for _, most in total)),
        stretch_count=len(one.stretches),
        summary=summarize(setting.label, told[0]),
        stretches=told,
    )


def _stretch(
    stretch: Stretch,
    key: str,
    one: Found,
    window: Window,
    origins: Mapping[tuple[UUID, str], ChangeOrigin | None],
) -> ExposureStretch:
    least, most = stretch.seconds(window.begin, one.end)
    made = [origins.get((snapshot_id, key)) for snapshot_id in stretch.changes]
    ended = origins.get((stretch.ended_by, key)) if stretch.ended_by else None
    return ExposureStretch(
        value=stretch.value,
        started_after=stretch.after,
        first_seen_at=stretch.first,
        last_seen_at=stretch.last,
        ended_before=stretch.before,
        days_at_least=_days(least),
        days_at_most=_days(most),
        started_by=made[0].origin if made[0] else None,
        started_by_confidence=made[0].confidence if made[0] else None,
        ended_by=ended.origin if ended else None,
        ended_by_confidence=ended.confidence if ended else None,
        changed_by_user=any(change is not None and change.origin is Origin.USER for change in made),
    )


def _days(seconds: float) -> float:
    return round(seconds / DAY_SECONDS, 2)


def summarize(label: str, stretch: ExposureStretch) -> str:
    """A stretch in a sentence: what, how long, and by whom."""
    least, most = int(stretch.days_at_least), int(stretch.days_at_most)
    if most < 1:
        long = "less than a day"
    elif least == most:
        long = "1 day" if most == 1 else f"{most} days"
    else:
        long = f"{least} to {most} days" if least else f"up to {most} day{'s' if most > 1 else ''}"
    begin = f"{label} {'has been' if stretch.ended_before is None else 'was'} set to “{stretch.value}” for {long}"
    if not stretch.changed_by_user:
        return f"{begin} without you changing it."
    if stretch.started_by is not Origin.USER:
        return f"{begin}; you changed it meanwhile."
    return f"{begin} since you set it so." if stretch.started_by_confidence == 1 else f"{begin}; you probably set it so."


@strawberry.type
class ExposureQuery:
    """The root field of exposures."""

    @query("privacy:read")
    async def exposures(
        self,
        info: Info,
        link_id: strawberry.ID | None = None,
        begin: Annotated[datetime | None, strawberry.argument(name="from")] = None,
        until: datetime | None = None,
        first: int = 20,
        after: str | None = None,
    ) -> Page[Exposure] | None:
        """How long settings left the person exposed, on all links or one; days are those between `from` and `until` (now)."""
        link = parse_uuid(link_id, "PlatformLink", field="linkId") if link_id else None
        # To the end of the minute: who asks again at once is told the same.
        now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        window = Window(begin, min(until, now) if until else now)
        if begin is not None and begin >= window.end:
            raise AppError(ErrorCode.BAD_INPUT, "from is not before until, nor before now. Send an earlier one.", field="from")
        found = await exposures(info.context.db, link_id=link, window=window, first=first, after=after)
        if link is not None and not found.rows:
            await require_link(info.context.db, link, field="linkId")
        return found
