"""Languages: tags as they are written, what is fallen back to, what a browser asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.errors import AppError
from app.kit.locale import MAX_LANGUAGES, accepted, fallbacks, parse_locale


@pytest.mark.parametrize(
    ("given_", "tag"),
    [
        ("de", "de"),
        ("DE-at", "de-AT"),
        ("ZH-hANT-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sl-rozaj-1994", "sl-rozaj-1994"),
        ("fil", "fil"),
    ],
)
def test_a_tag_is_written_by_convention(given_: str, tag: str) -> None:
    assert parse_locale(given_, field="locale") == tag
    assert parse_locale(tag, field="locale") == tag


@pytest.mark.parametrize("tag", ["", "d", "deutsch-", "de_AT", "de-x-me", "x-me", "de--AT", " de", "de\n", "a" * 40, "*"])
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_locale(tag, field="locale")
    assert caught.value.code_name == "BAD_INPUT"


def test_fallbacks_end_in_the_language() -> None:
    assert fallbacks("zh-Hant-TW") == ("zh-Hant-TW", "zh-Hant", "zh")
    assert fallbacks("de") == ("de",)


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (None, ()),
        ("", ()),
        ("de-AT", ("de-AT", "de")),
        ("en;q=0.5, de-at, fr;q=0.9", ("de-AT", "de", "fr", "en")),
        ("de;q=0, en", ("en",)),
        ("*, de;q=0.1", ("de",)),
        ("de;q=2, en;q=x, fr", ("fr",)),
        ("de-DE,de;q=0.9", ("de-DE", "de")),
        (",".join(f"a{chr(97 + n)}" for n in range(26)), tuple(f"a{chr(97 + n)}" for n in range(MAX_LANGUAGES))),
    ],
)
def test_what_a_browser_asks_for(header: str | None, languages: tuple[str, ...]) -> None:
    assert accepted(header) == languages


@given(st.text(max_size=200))
def test_any_header_is_read(header: str) -> None:
    for tag in accepted(header):
        assert parse_locale(tag, field="locale") == tag
