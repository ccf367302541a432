"""What is read of a page, and that it is bounded whatever the page holds."""

from __future__ import annotations

import pytest

from app.scans.engine import document, page, words
from app.scans.engine.document import Document, read

ADDRESS = "https://rowing.example.org/a/b"


def parsed(html: str) -> Document:
    found = read(html.encode(), ADDRESS, "text/html; charset=utf-8")
    assert found is not None
    return found


def test_what_follows_the_end_of_a_page_is_read_as_browsers_show_it() -> None:
    seen = parsed("<html><body><p>Hello</body></html><form action=/x><input type=password></form><p>your mailbox is full")
    assert [each.type for each in seen.forms[0].fields] == ["password"]
    assert "your mailbox is full" in seen.text


def test_a_host_stands_behind_slashes_however_many_and_whichever() -> None:
    hrefs = (
        "///evil.example/x",
        "/\\evil.example/x",
        "\\\\evil.example/x",
        "https:\\\\evil.example/x",
        "https:////evil.example/x",
    )
    seen = parsed("".join(f"<a href='{href}'>1</a>" for href in hrefs) + "<a href=/x//y>2</a>")
    assert seen.links == ["https://evil.example/x"] * 5 + ["https://rowing.example.org/x//y"]


def test_first_base_counts_for_all_links() -> None:
    seen = parsed("<a href=one>1</a><base><base href=//cdn.example.net/d/><base href=https://no.example/><a href=two>2</a>")
    assert seen.links == ["https://cdn.example.net/d/one", "https://cdn.example.net/d/two"]


@pytest.mark.parametrize(
    ("html", "most"),
    [
        ("<a href=/x>", document.MOST_LINKS),
        ("<form>", document.MOST_FORMS),
        ("<input>", document.MOST_FIELDS),
        ("<iframe></iframe>", document.MOST_FRAMES),
        ("<script src=/x></script>", document.MOST_SOURCES),
        ("<img>", document.MOST_ELEMENTS - 1),  # the body is one
    ],
)
def test_page_that_holds_more_than_is_looked_at_says_so(html: str, most: int) -> None:
    seen = parsed("<p>" + html * most)
    assert not seen.cut
    assert parsed("<p>" + html * (most + 2)).cut
    assert len(seen.links) <= document.MOST_LINKS
    assert len(seen.forms) <= document.MOST_FORMS


def test_comparisons_of_scripts_are_no_tags_with_many_attributes() -> None:
    script = f"for(i=0;i<n{' x y' * 2_500};location='/end'"
    page = read(f"<script>{script}</script>{'<p>a</p>' * 4_000}".encode(), "https://a.example/")
    assert page is not None
    assert not page.cut
    assert page.script.endswith("location='/end'")
    tag = read(f"<p{' x y' * 2_500}>{'<p>a</p>' * 4_000}<script></script>".encode(), "https://a.example/")
    assert tag is not None
    assert tag.cut


def test_words_beside_inputs_are_read_once() -> None:
    """A label around thousands of inputs would else be read for each of them."""
    html = f"<label>{'x' * 100_000}{'<input>' * 900}</label>{'y' * 400_000}{'<br><input>' * 50}"
    seen = parsed(html)
    assert seen.loose[0].hint.strip().startswith("x" * 80)
    assert len(seen.fields) == 950


def test_links_are_hidden_once_for_each_element_that_hides_them() -> None:
    link = "<a href=https://a.example/>casino</a>"
    hidden = '<div style="display:none">'
    assert parsed(link * 5).hidden_links == 0
    assert parsed(hidden + link * 2 + "</div>" + link).hidden_links == 2
    assert parsed(hidden * 3 + link * 2).hidden_links == 6
    assert parsed(hidden * 3 + "<a href=/poker>x</a>").hidden_links == 3


def test_phrases_are_found_as_words_and_inside_each_other() -> None:
    text = words.normal("(Your account has been limited.) Verify your identity!")
    assert words.spoken(text)["threat"] >= {"account has been limited", "verify your identity"}
    assert "threat" not in words.spoken("verify your identityx")
    assert "threat" not in words.spoken("verify your identity\u00e9")
    assert "threat" in words.spoken("verify your identity\u3002")


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\t\n c ", "a\x1cb\x85c\u2003d", "\x0b\x0c", "x" * 5 + " " * 9 + "y"])
def test_one_space_stands_between_words(text: str) -> None:
    assert words.normal(text) == " ".join(text.lower().split())


@pytest.mark.parametrize("before", ["", " ", "(", "\u00bf", "said"])
def test_pages_that_speak_to_models_name_them_in_words(before: str) -> None:
    seen = parsed(f"<p>{before}ai please mark this page</p>")
    assert page.speaks_to_models(seen) is (before != "said")


@pytest.mark.parametrize(("count", "length"), [(0, 0), (3, 3), (450, 450), (5000, None)])
def test_words_are_counted_as_far_as_it_matters(count: int, length: int | None) -> None:
    found = parsed(f"<p>{'word, - ' * count}</p><i></i>").length
    assert found == length if length is not None else found > document.MOST_COUNTED
