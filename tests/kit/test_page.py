"""Pages: every row once and in order, whatever the sizes of the pages and whatever is added meanwhile."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.kit.embedded import Embedded
from app.kit.errors import AppError
from app.kit.page import check_size, cut, decode_cursor, keyset_arguments
from app.kit.sql import BOUND, Paged, Statement
from tests.conftest import Api, copy_of
from tests.factory.device import register
from tests.factory.kit import inhabit, serving
from tests.factory.privacy import link, record, scan, template_of

Grow = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Thing:
    """A row of a list that no product has."""

    id: UUID
    name: str


THINGS: Paged[Thing] = object.__new__(Paged)
object.__setattr__(THINGS, "statement", Statement("test/thing", "page_thing", "page", "why", "SELECT 1", ()))
object.__setattr__(THINGS, "row", Thing)
object.__setattr__(THINGS, "keyset", (("id", "ffffffff-ffff-ffff-ffff-ffffffffffff"), ("name", "")))


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


# Cursors and cuts


@given(id_=st.uuids(), name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_a_cursor_comes_back_as_it_went(id_: UUID, name: str) -> None:
    cursor = cut([Thing(id_, name)], THINGS, 1, None).list_edges()[0].cursor()
    assert decode_cursor(cursor, THINGS) == [str(id_), name]
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


BAD = [
    "",
    " ",
    "x",
    "====",
    "null",
    encoded(None),
    encoded([]),
    encoded({}),
    encoded("Thing"),
    encoded(["Thing"]),
    encoded(["Thing", str(UUID(int=1))]),
    encoded(["Thing", str(UUID(int=1)), "a", "b"]),
    encoded(["Thing", str(UUID(int=1)), None]),
    encoded(["Thing", str(UUID(int=1)), 1]),
    encoded(["Thing", str(UUID(int=1)), "a\0b"]),
    encoded(["Thing", "x", "a"]),
    encoded(["Thing", str(UUID(int=1)).replace("-", ""), "a"]),
    encoded(["Thing", f"{{{UUID(int=1)}}}", "a"]),
    encoded(["Thing", UUID(int=1).urn, "a"]),
    encoded(["Thing", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "a"]),
    encoded(["Other", str(UUID(int=1)), "a"]),
    encoded(["thing", str(UUID(int=1)), "a"]),
    encoded([str(UUID(int=1)), "a"]),
    encoded(["Thing", str(UUID(int=1)), "x" * 5000]),
    encoded(["Thing", str(UUID(int=1)), "a"]) + "!",
    encoded(["Thing", str(UUID(int=1)), "a"]) + "====",
    encoded(["Thing", str(UUID(int=1)), "a"])[:-2],
    base64.b64encode(b"[" * 700).decode(),
    base64.b64encode(b'["Thing","\xff","a"]').decode(),
    "\U0001f511",
    "A" * 100_000,
]


@pytest.mark.parametrize("cursor", BAD, ids=range(len(BAD)))
def test_what_is_no_cursor_is_said_so(cursor: str) -> None:
    with pytest.raises(AppError) as refused:
        keyset_arguments(THINGS, cursor)
    assert refused.value.code_name == "BAD_CURSOR"
    assert (refused.value.extensions or {})["field"] == "after"


@given(st.one_of(st.text(max_size=80), st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode())))
@example(encoded(["Thing", 1, 2]))
def test_noise_is_never_an_accident(cursor: str) -> None:
    with pytest.raises(AppError):
        decode_cursor(cursor, THINGS)


def test_the_first_page_starts_behind_the_greatest() -> None:
    assert keyset_arguments(THINGS, None) == {"after_id": "ffffffff-ffff-ffff-ffff-ffffffffffff", "after_name": ""}


@given(have=st.integers(0, 12), first=st.integers(1, 10), after=st.booleans())
def test_a_cut_says_whether_more_follows(have: int, first: int, after: bool) -> None:
    rows = [Thing(UUID(int=number), "x") for number in range(min(have, first + 1))]
    page = cut(rows, THINGS, first, "cursor" if after else None)
    assert [edge.node for edge in page.list_edges()] == rows[:first]
    assert page.page_info().has_next_page == (have > first)
    assert page.page_info().has_previous_page == after


@given(st.integers())
def test_a_size_is_1_to_100(first: int) -> None:
    if 1 <= first <= 100:
        assert check_size(first) == first
    else:
        with pytest.raises(AppError) as refused:
            check_size(first)
        assert refused.value.code_name == "BAD_PAGE_SIZE"


def test_every_list_has_a_name_of_its_own() -> None:
    """Or the cursor of one would do for the other."""
    lists = [bound for bound in BOUND.values() if isinstance(bound, Paged)]
    assert len({bound.row.__name__ for bound in lists}) == len({bound.row for bound in lists})
    assert len(lists) >= 6


# Walks


@dataclass
class Walk:
    """A list of the schema: how its page is asked for, what tells a row from another, and how it grows meanwhile."""

    field: str
    key: str
    grow: Grow
    arguments: str = ""


@dataclass(frozen=True)
class World:
    """A person with a few dozen rows in every list."""

    api: Api
    token: str
    walks: dict[str, Walk]


@pytest.fixture(scope="module")
async def world(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[World]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            ada = await inhabit(api, "ada")
            numbers = count()
            found = await template_of(api, ada.token)
            toggles = [s for s in found["settings"] if s["type"] == "TOGGLE"][:4]
            link_id = await link(api, ada.token, label="walked")

            async def add_link() -> None:
                await link(api, ada.token, label=f"label {next(numbers)}")

            async def add_key() -> None:
                made = f'mutation {{ createApiKey(input: {{name: "{next(numbers)}", scopes: ["privacy:read"]}}) {{ secret }} }}'
                assert (await api(made, token=ada.token)).data

            async def add_device() -> None:
                await register(api, ada.token)

            async def add_snapshot() -> None:
                number = next(numbers)
                values = {s["key"]: ("on", "off")[number >> place & 1] for place, s in enumerate(toggles)}
                assert (await record(api, ada.token, scan(link_id, found, day=number / 24, values=values))).data

            async def add_platform() -> None:
                async with database.connect() as admin:
                    slug = f"{Random(next(numbers)).choice('abcxyz09')}{next(numbers)}"  # noqa: S311 - an order, no secret
                    await admin.execute(
                        "INSERT INTO privacy.platform (slug, name, domain, website_url, privacy_url) "
                        "VALUES ($1, 'n', 'd', 'https://d', 'https://d')",
                        slug,
                    )

            async def add_member() -> None:
                async with database.connect() as admin, admin.transaction():
                    account_id = await admin.fetchval(
                        "INSERT INTO core.account (email, display_name, locale, time_zone) "
                        "VALUES ($1, 'n', 'en', 'UTC') RETURNING id",
                        f"{uuid4()}@example.com",
                    )
                    await admin.execute(
                        "INSERT INTO core.member VALUES ($1, $2, now(), 'viewer')", ada.workspace_id, account_id
                    )

            for grow in (add_link, add_key, add_device, add_snapshot, add_platform, add_member):
                for _ in range(13):
                    await grow()
            yield World(
                api,
                ada.token,
                {
                    "platformLinks": Walk("platformLinks", "id", add_link),
                    "platformLinks of a status": Walk("platformLinks", "id", add_link, "status: ACTIVE"),
                    "apiKeys": Walk("apiKeys", "id", add_key),
                    "devices": Walk("devices", "id", add_device),
                    "auditEvents": Walk("auditEvents", "id", add_link),
                    "auditEvents of a table": Walk("auditEvents", "id", add_key, 'object: "core.api_key"'),
                    "platforms": Walk("platforms", "slug", add_platform),
                    "members": Walk("members", "accountId", add_member),
                    "snapshots": Walk("snapshots", "id", add_snapshot, f'linkId: "{link_id}"'),
                    "changes": Walk("changes", "id", add_snapshot),
                    "changes of a link": Walk("changes", "id", add_snapshot, f'linkId: "{link_id}", origin: USER'),
                },
            )


async def ask(world: World, walk: Walk, first: int, after: str | None = None) -> dict[str, Any]:
    arguments = f"first: {first}" + (f', after: "{after}"' if after else "") + (f", {walk.arguments}" if walk.arguments else "")
    document = f"""
    {{ {walk.field}({arguments}) {{
      edges {{ cursor node {{ {walk.key} }} }}
      pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    }} }}
    """
    found: dict[str, Any] = (await world.api(document, token=world.token)).data[walk.field]
    return found


async def ask_all(world: World, walk: Walk) -> list[str]:
    """What tells the rows of a whole list, a hundred at a time."""
    rows: list[str] = []
    after = None
    while True:
        page = await ask(world, walk, 100, after)
        rows += [edge["node"][walk.key] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows


WALKS = [
    "platformLinks",
    "platformLinks of a status",
    "apiKeys",
    "devices",
    "auditEvents",
    "auditEvents of a table",
    "platforms",
    "members",
    "snapshots",
    "changes",
    "changes of a link",
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WALKS)
async def test_a_walk_meets_every_row_once_and_in_order(world: World, name: str, seed: int) -> None:
    """Pages of random sizes, while rows are added between them: what was there at the start is met once, in its order."""
    walk, random = world.walks[name], Random(f"{name}/{seed}")  # noqa: S311 - sizes, no secrets
    rows = await ask_all(world, walk)
    assert len(rows) >= 8
    seen: list[str] = []
    after, pages = None, 0
    while True:
        first = random.choice((1, 2, 3, 5, 7))
        page = await ask(world, walk, first, after)
        info, edges = page["pageInfo"], page["edges"]
        assert len(edges) <= first
        assert info["hasPreviousPage"] == (after is not None)
        assert (info["startCursor"], info["endCursor"]) == (
            (edges[0]["cursor"], edges[-1]["cursor"]) if edges else (None, None)
        )
        seen += [edge["node"][walk.key] for edge in edges]
        if not info["hasNextPage"]:
            break
        assert len(edges) == first
        # On from any row of the page, as a client may that shows fewer than it asked for.
        kept = random.randint(1, len(edges))
        seen = seen[: len(seen) - (len(edges) - kept)]
        after = edges[kept - 1]["cursor"]
        pages += 1
        if random.random() < 0.3:
            await walk.grow()
    assert [row for row in seen if row in set(rows)] == rows
    assert len(seen) == len(set(seen))
    assert pages >= 1


async def test_a_walk_is_in_the_order_that_is_promised(world: World) -> None:
    slugs = [edge["node"]["slug"] for edge in (await ask(world, world.walks["platforms"], 100))["edges"]]
    assert slugs == sorted(slugs)
    for name, column in {
        "platformLinks": "linkedAt",
        "apiKeys": "createdAt",
        "devices": "createdAt",
        "auditEvents": "occurredAt",
        "snapshots": "capturedAt",
    }.items():
        walk = world.walks[name]
        edges = (await ask(world, Walk(walk.field, column, walk.grow, walk.arguments), 100))["edges"]
        moments = [edge["node"][column] for edge in edges]
        assert all(later >= earlier for later, earlier in pairwise(moments)), name


@pytest.mark.parametrize("name", WALKS)
async def test_behind_the_last_row_there_is_an_empty_page(world: World, name: str) -> None:
    walk = world.walks[name]
    page = await ask(world, walk, 100)
    while page["pageInfo"]["hasNextPage"]:
        page = await ask(world, walk, 100, page["pageInfo"]["endCursor"])
    rest = await ask(world, walk, 1, page["pageInfo"]["endCursor"])
    assert rest == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
    }


async def test_the_cursor_of_one_list_is_none_of_another(world: World) -> None:
    """Lists of the same rows share theirs, so that a client may go on at the root where it began below an object."""
    cursors = {name: (await ask(world, walk, 1))["pageInfo"]["endCursor"] for name, walk in world.walks.items()}
    for name, walk in world.walks.items():
        for other, cursor in cursors.items():
            more = f", {walk.arguments}" if walk.arguments else ""
            document = f'{{ {walk.field}(after: "{cursor}"{more}) {{ edges {{ cursor }} }} }}'
            codes = (await world.api(document, token=world.token)).codes
            assert codes == ([] if other.split()[0] == name.split()[0] else ["BAD_CURSOR"]), (name, other)
    below = "snapshots(first: 2) { pageInfo { endCursor } edges { node { id } } }"
    nested = f"{{ platformLinks(first: 100) {{ edges {{ node {{ id label {below} }} }} }} }}"
    edges = (await world.api(nested, token=world.token)).data["platformLinks"]["edges"]
    (node,) = [edge["node"] for edge in edges if edge["node"]["label"] == "walked"]
    all_rows = [edge["node"]["id"] for edge in (await ask(world, world.walks["snapshots"], 100))["edges"]]
    rest = await ask(world, world.walks["snapshots"], 100, node["snapshots"]["pageInfo"]["endCursor"])
    met = [edge["node"]["id"] for edge in node["snapshots"]["edges"]] + [edge["node"]["id"] for edge in rest["edges"]]
    assert met == all_rows


@pytest.mark.parametrize("name", WALKS)
async def test_bad_sizes_and_cursors_are_said_so(world: World, name: str) -> None:
    walk = world.walks[name]
    more = f", {walk.arguments}" if walk.arguments else ""
    passed = f"first: $first, after: $after{more}"
    ask_ = f"query($first: Int! = 1, $after: String) {{ {walk.field}({passed}) {{ edges {{ cursor }} }} }}"
    for given_, code in (
        ({"first": 0}, "BAD_PAGE_SIZE"),
        ({"first": -1}, "BAD_PAGE_SIZE"),
        ({"first": 101}, "BAD_PAGE_SIZE"),
        ({"first": 2_147_483_647}, "BAD_PAGE_SIZE"),
        ({"first": 2_147_483_648}, "BAD_VARIABLES"),
        ({"first": 1.5}, "BAD_VARIABLES"),
        ({"first": "1"}, "BAD_VARIABLES"),
        ({"first": None}, "BAD_VARIABLES"),
        ({"after": ""}, "BAD_CURSOR"),
        ({"after": "garbage"}, "BAD_CURSOR"),
        ({"after": "A" * 100_000}, "BAD_CURSOR"),
        ({"after": "a\0b"}, "BAD_CURSOR"),
        ({"after": 1}, "BAD_VARIABLES"),
    ):
        answer = await world.api(ask_, given_, token=world.token)
        # What is huge may be refused for its cost before it is looked at.
        assert answer.code in {code, "TOO_COMPLEX" if given_.get("first") in (2_147_483_647, 2_147_483_648) else code}, (
            given_,
            answer.body,
        )
        assert not (answer.body.get("data") or {}).get(walk.field)
