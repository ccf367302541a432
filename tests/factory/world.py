"""A schema with every shape a field can have, over an endless world that needs no database, in which anything may fail.

What a thing is follows from its key and the world's seed alone, so two executors that walk it find the same, failures too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, cast
from uuid import UUID
from zlib import crc32

import strawberry
from strawberry.schema.config import StrawberryConfig

from app.kit.context import Actor, Context, Info
from app.kit.db import Db
from app.kit.edge import edge
from app.kit.errors import AppError, ErrorCode
from app.kit.executor import Prepared
from app.kit.graphql import JSON, SCALARS, BigInt, mutation, query
from app.kit.graphql import field as computed
from app.kit.password import Hasher
from app.kit.token import KeyRing
from app.settings import Settings

NOBODY = UUID(int=7)


@dataclass
class World:
    """``faults`` percent of everything fail, and what is ``broken``. ``made`` counts what mutations made."""

    seed: int = 0
    faults: int = 0
    broken: tuple[tuple[object, ...], ...] = ()
    made: int = 0
    runs: list[str] = field(default_factory=list)
    keep_rows: bool = False
    actor: Actor = field(default_factory=lambda: Actor(NOBODY, NOBODY, "owner"))

    def number(self, *of: object) -> int:
        """0 to 9999, always the same of the same."""
        return crc32(repr((self.seed, *of)).encode()) % 10_000

    def fails(self, *of: object) -> bool:
        """Whether something fails here."""
        return of in self.broken or self.number("fails", *of) % 100 < self.faults

    async def restart(self) -> None:
        """As Db.restart."""

    def error(self, *of: object) -> Exception:
        """What is raised where something fails."""
        if self.number("kind", *of) % 2:
            return AppError(ErrorCode.NOT_FOUND, f"There is no {of[0]}.", field=str(of[0]))
        return RuntimeError(f"{of[0]} is broken")

    def check(self, *of: object) -> None:
        """Raise, if something fails here."""
        if self.fails("raises", *of):
            raise self.error(*of)


class Row(dict[str, Any]):
    """A row as app/kit/db.py has them."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@strawberry.enum
class Color(Enum):
    """Values as a database would have them."""

    RED = "red"
    GREEN = 2


@strawberry.interface
class Named:
    """Something with a name."""

    name: str


@strawberry.type
class Part:
    """What many things share, but for the last three columns."""

    label: str
    color: Color
    grade: str
    rank: int | None
    tint: Color | None

    @computed(description="Its label, louder.")
    def loud(self) -> str:
        """Of what is shared."""
        return self.label.upper()


@dataclass(frozen=True)
class SharedPart:
    """A part without what is a thing's own."""

    label: str | None
    color: Any

    def loud(self) -> str:
        """As Part."""
        return cast(str, self.label).upper()


PARTS = [SharedPart("first", Color.RED), SharedPart("second", Color.GREEN)]


async def _parts(db: Any, parents: Sequence[Any]) -> list[Any]:
    world = world_of(db)
    world.check("parts")
    found: list[Any] = []
    for parent in parents:
        own: list[tuple[Any, ...]] = []
        for shared in PARTS:
            grade = None if world.fails("grade", parent.key, shared.label) else f"grade of {parent.key}"
            rank = world.number("rank", parent.key) % 3 or None
            tint = (None, Color.RED, Color.GREEN)[world.number("tint", parent.key) % 3]
            own.append((grade, rank, tint))
        found.append((PARTS, own))
    return found


def world_of(db: Any) -> World:
    """Tests pass the world where resolvers expect the database."""
    assert isinstance(db, World)
    return db


def _make(world: World, kind: Any, key: str) -> Any:
    """A thing, or one row of things."""
    columns = {
        "key": key,
        "name": f"name of {key}",
        "text": f"text of {key}",
        "maybe_text": key[-3:],
        "number": world.number("number", key),
        "ratio": world.number("ratio", key) / 16,
        "flag": world.number("flag", key) % 2 == 0,
        "when": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=world.number("when", key), microseconds=len(key) % 2),
        "big": world.number("big", key) * 10**12,
        "color": "red" if world.number("color", key) % 2 else 2,
        "maybe_color": 2,
        "colors": ["red", 2][: world.number("colors", key) % 3],
        "loose_colors": ["red", None, 2],
        "texts": [key, "two"],
        "loose_texts": [None, key],
        "maybe_texts": [key],
        "bigs": [1, 2**60],
        "uuid": UUID(int=world.number("uuid", key)),
        "json": {"key": [key, None, 1.5]},
    }
    for column, value in columns.items():
        if column == "key" or not world.fails(column, key):
            continue
        if isinstance(value, list) and world.number("item", column, key) % 2:
            columns[column] = [*value, None]
        elif "color" in column and isinstance(value, str | int) and world.number("odd", key) % 3 == 0:
            columns[column] = "no color"
        else:
            columns[column] = None
    if kind is Other:
        columns = {name: columns[name] for name in ("key", "name", "number")}
    if world.keep_rows and kind is Thing:
        return Row(columns)

    def as_enum(value: Any) -> Any:
        if isinstance(value, list):
            return [as_enum(item) for item in value]
        return Color(value) if value in ("red", 2) else value

    return kind(**{name: as_enum(value) if "color" in name else value for name, value in columns.items()})


def _one(name: str, kind: str = "Thing", *, many: bool = False, loose: bool = False) -> Any:
    async def batch(db: Any, parents: Sequence[Any]) -> list[Any]:
        world = world_of(db)
        world.check(name)

        def one(key: str) -> Any:
            if world.fails("missing", key) or (loose and world.number("null", key) % 4 == 0):
                return None
            if world.fails("item", key):
                return world.error(name, key)
            return _make(world, globals()[kind], key)

        keys = [f"{parent.key}/{name}" for parent in parents]
        if not many:
            return [one(key) for key in keys]
        return [
            None if loose and world.fails("list", key) else [one(f"{key}{i}") for i in range(world.number("size", key) % 4)]
            for key in keys
        ]

    return batch


async def _notes(db: Any, parents: Sequence[Any]) -> list[Any]:
    world = world_of(db)
    world.check("notes")
    return [
        None
        if world.number("notes", parent.key) % 5 == 0
        else [world.error("note", parent.key) if world.fails("note", parent.key) else parent.key, None, "note"]
        for parent in parents
    ]


async def _mood(db: Any, parents: Sequence[Any]) -> list[Any]:
    world = world_of(db)
    return [None if world.fails("mood", parent.key) else Color.GREEN for parent in parents]


@strawberry.type
class Other(Named):
    """A second kind of what has a name."""

    key: strawberry.Private[str]

    number: int
    thing: Thing = edge(_one("thing"))


@strawberry.type
class Thing(Named):
    """One field of every shape."""

    key: strawberry.Private[str]

    text: str
    maybe_text: str | None
    number: int
    ratio: float
    flag: bool
    when: datetime
    big: BigInt
    color: Color
    maybe_color: Color | None
    colors: list[Color]
    loose_colors: list[Color | None] | None
    texts: list[str]
    loose_texts: list[str | None]
    maybe_texts: list[str] | None
    bigs: list[BigInt]
    uuid: UUID | None
    json: JSON | None

    one: Thing = edge(_one("one"))
    maybe: Thing | None = edge(_one("maybe", loose=True))
    many: list[Thing] = edge(_one("many", many=True))
    loose: list[Thing | None] | None = edge(_one("loose", many=True, loose=True))
    items: list[Thing] | None = edge(_one("items", many=True))
    other: Other | None = edge(_one("other", "Other", loose=True))
    notes: list[str | None] | None = edge(_notes)
    mood: Color = edge(_mood)
    parts: list[Part] = edge(_parts, own=("grade", "rank", "tint"))

    @computed(description="Its text, louder.")
    def loud(self) -> str:
        """Fails where there is no text."""
        return self.text.upper()

    @computed(description="Its text, lower.")
    def low(self) -> str | None:
        """Fails where there is no text."""
        return self.text.lower()

    @computed(description="Two of its texts.")
    def pair(self) -> list[str]:
        """Fails in the second, where there is none."""
        return [self.name, self.text]

    @computed(description="A number of times.")
    def times(self, number: int = 2, color: Color | None = None) -> int:
        """With arguments, and not async."""
        return number * len(self.name) + (color is Color.RED)

    @computed(description="Asked for alone.")
    async def slow(self, info: Info, name: str = "slow") -> Thing | None:
        """With info and arguments."""
        world = world_of(info.context.db)
        world.check("slow", self.key)
        return cast(Thing, _make(world, Thing, f"{self.key}/{name}"))


@strawberry.type
class Box:
    """What a mutation makes: objects in attributes, and how many had been made then."""

    key: strawberry.Private[str]

    made: int
    thing: Thing
    maybe: Thing | None
    things: list[Thing | None] | None

    async def _now(db: Any, parents: Sequence[Any]) -> list[int]:  # noqa: N805
        return [world_of(db).made for _ in parents]

    made_by_now: int = edge(_now)
    more: list[Thing] = edge(_one("more", many=True))


def _box(world: World, name: str, number: int) -> Any:
    """Make a box, or raise."""
    world.runs.append(name)
    key = f"{name} {number}"
    world.check("before", key)
    world.made += 1
    if world.fails("after", key):
        return None
    rows, world.keep_rows = world.keep_rows, False
    things = [_make(world, Thing, f"{key}/{i}") if i else None for i in range(3)]
    box = Box(
        key=key,
        made=world.made,
        thing=_make(world, Thing, key),
        maybe=None if world.fails("maybe", key) else _make(world, Thing, f"{key}/maybe"),
        things=None if world.fails("things", key) else things,
    )
    world.keep_rows = rows
    return box


@strawberry.input
class Wish:
    """Nested input."""

    name: str
    number: int = 1
    colors: list[Color] | None = None
    wishes: list[Wish] | None = None


@strawberry.type
class Query:
    """Fields that read."""

    @query()
    async def thing(self, info: Info, key: str = "thing") -> Thing:
        """Always there."""
        world = world_of(info.context.db)
        world.check("thing", key)
        return cast(Thing, None if world.fails("no thing", key) else _make(world, Thing, key))

    @query()
    async def maybe(self, info: Info, key: str, color: Color | None = None, wish: Wish | None = None) -> Thing | None:
        """Seldom there."""
        world = world_of(info.context.db)
        world.check("maybe", key, color, wish)
        return cast(Thing, _make(world, Thing, f"{key} {color} {wish}"))

    @query()
    async def named(self, info: Info, keys: list[str]) -> list[Named | None]:
        """Of more kinds than one."""
        world = world_of(info.context.db)
        world.check("named")
        rows, world.keep_rows = world.keep_rows, False
        found = [_make(world, (Thing, Other)[world.number(key) % 2], key) if key else None for key in keys]
        world.keep_rows = rows
        return found

    @query()
    async def word(self, info: Info, length: int = 3) -> str:
        """A leaf."""
        world_of(info.context.db).check("word", length)
        return "word"[:length]


@strawberry.type
class Mutation:
    """Fields that write."""

    @mutation()
    async def make(self, info: Info, wish: Wish) -> Box:
        """One box."""
        return cast(Box, _box(world_of(info.context.db), "make", wish.number))

    @mutation()
    async def try_to_make(self, info: Info, number: int = 0) -> Box | None:
        """A box, or null."""
        return cast(Box, _box(world_of(info.context.db), "try", number))

    @mutation()
    async def make_many(self, info: Info, numbers: list[int]) -> list[Box | None]:
        """One box for each number, or its error."""
        boxes: list[Any] = []
        for number in numbers:
            try:
                boxes.append(_box(world_of(info.context.db), "many", number))
            except Exception as error:  # noqa: BLE001 - as recordSnapshots does
                boxes.append(error)
        return boxes

    @mutation()
    async def count(self, info: Info) -> int:
        """Count one more."""
        world = world_of(info.context.db)
        world.runs.append("count")
        world.made += 1
        return world.made


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    types=[Other],
    config=StrawberryConfig(scalar_map=SCALARS),
    extensions=[Prepared],
)
schema.process_errors = lambda errors, execution_context=None: None  # type: ignore[method-assign]


def context_of(world: World) -> Context:
    """What resolvers get."""
    return Context(
        world.actor,
        cast(Db, world),
        NOBODY,
        {},
        frozenset(),
        Settings(),
        KeyRing([]),
        Hasher(memory_mib=8, rounds=1, at_once=1),
    )
