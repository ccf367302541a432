"""Pages that were made to take long are judged like any other: these would take hours where work grew with the square."""

from __future__ import annotations

import pytest

from app.scans.engine.document import CROWDED_FROM, MOST_ATTRIBUTES, read
from app.scans.engine.words import normal
from app.scans.judgement import Engine, engines_of, judge
from app.scans.url import parse_url
from app.settings import Settings
from tests.factory.hostile import PAGES
from tests.factory.observed import observed

ADDRESS = "https://rowing.example.org/x"
SIZE = 250_000


@pytest.fixture(scope="module")
def engines() -> object:
    return engines_of(Settings())


@pytest.mark.parametrize("name", PAGES)
async def test_page_that_is_made_to_take_long_is_judged(name: str, engines: object) -> None:
    judged = await judge(parse_url(ADDRESS), observed(ADDRESS, PAGES[name](SIZE)), engines)  # type: ignore[arg-type]
    assert [each.engine for each in judged.engines] == list(Engine)


def test_tags_are_read_up_to_a_bound_and_what_follows_them_is_seen() -> None:
    tag = "<p " + " ".join(f"a{number}='>'" for number in range(MOST_ATTRIBUTES * 4)) + ">"
    page = read(f"{tag}<input type=password>".encode(), ADDRESS, "charset=utf-8")
    assert page is not None
    assert page.cut
    assert [each.type for each in page.fields] == ["password"]
    assert len(next(page.roots[0].iter("p")).attrib) == MOST_ATTRIBUTES


def test_honest_page_is_left_as_it_is() -> None:
    script = "<script>if (a<b) {" + "call('x', y => y > 1 && y<z, 'words');\n" * 2000 + "}</script>"
    page = read(f"<p title='a > b'>words{script}".encode(), ADDRESS, "charset=utf-8")
    assert page is not None
    assert len(script) > CROWDED_FROM
    assert (page.cut, page.script) == (False, script[8:-9])


def test_words_have_an_end() -> None:
    assert max(map(len, normal("\u00e9" + "a" * 5_000).split())) <= 500
