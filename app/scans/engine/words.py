"""Phrases by which deceptive pages talk, by theme: matched in the words of a page, never kept.

**ahocorasick_rs** looks for all of them at once, so what a page costs depends on its length and not on how many there are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick, Implementation

DATA = Path(__file__).parents[1] / "data"


def lines(name: str) -> Iterator[tuple[str, str]]:
    """The lines of a curated file, and those of every language, each with the section that it stands in."""
    section = ""
    for file in (DATA / name, *sorted((DATA / "languages").glob("*.txt"))):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                yield section, line


@cache
def phrases() -> dict[str, tuple[str, ...]]:
    """All of the curated file, made normal, by theme."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (DATA / "phrases.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(section, []).extend(normal(phrase) for phrase in line.split("|"))
    return {name: tuple(dict.fromkeys(each for each in several if each)) for name, several in found.items()}


@cache
def theme(name: str) -> frozenset[str]:
    """The phrases of one theme."""
    return frozenset(phrases()[name])


TALK = (
    "threat", "mailbox", "document", "parcel", "refund", "support", "prize", "giveaway", "invest", "advance", "ransom",
    "update", "command", "allow", "cracked", "pharmacy", "shop", "cure", "illegal", "violence", "adult", "wallet", "seed",
)  # fmt: skip
"""Themes that pages are searched for; the others are lists of words."""


class Marks:
    """Finds which of many strings a text holds, in one pass."""

    def __init__(self, marks: Iterable[str]) -> None:
        self._marks = tuple(dict.fromkeys(marks))
        self._none = dict.fromkeys(self._marks, False)
        told = [each.encode() for each in self._marks]
        self._search = BytesAhoCorasick(told, implementation=Implementation.DFA).find_matches_as_indexes

    def within(self, text: str) -> dict[str, bool]:
        """For each of them whether the text holds it. Whoever asks for another gets a KeyError, and not a wrong no."""
        found = {match[0] for match in self._search(text.encode("utf-8", "replace"), overlapping=True)}
        return self._none | {self._marks[place]: True for place in found}


_watched: dict[str, tuple[str, ...]] = {}


def watch(theme: str, words: Iterable[str]) -> tuple[str, ...]:
    """Have words looked for with the phrases, also inside of other words: in the same pass, so nearly for nothing."""
    _watched[theme] = tuple(words)
    _talk.cache_clear()
    return _watched[theme]


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What is looked for. ``begins`` and ``ends``: its longest word stands there, and may not be a part of a longer one."""

    text: str
    themes: tuple[str, ...]
    begins: bool = False
    ends: bool = False


@cache
def _talk() -> tuple[Callable[..., list[tuple[int, int, int]]], tuple[_Phrase, ...]]:
    """What finds the phrases of all themes in one pass, and these."""
    themes: dict[str, list[str]] = {}
    for name, several in ({name: phrases()[name] for name in TALK} | _watched).items():
        for phrase in several:
            themes.setdefault(phrase, []).append(name)
    told = tuple(_phrase(text, tuple(names)) for text, names in themes.items())
    return BytesAhoCorasick([each.text.encode() for each in told]).find_matches_as_indexes, told


def _phrase(text: str, themes: tuple[str, ...]) -> _Phrase:
    # Scripts written without spaces, or with forms that split differently, have no words to look at.
    if themes[0] in _watched or any(c > "\u0590" for c in text):
        return _Phrase(text, themes)
    longest = max(WORD.findall(text), key=len)
    return _Phrase(text, themes, text.startswith(longest), text.endswith(longest))


def spoken(text: str) -> dict[str, set[str]]:
    """The phrases that a text, made normal, holds: by theme."""
    search, told = _talk()
    data = f" {text} ".encode("utf-8", "replace")
    found: dict[str, set[str]] = {}
    for place, start, end in search(data, overlapping=True):
        phrase = told[place]
        if (phrase.begins and not _is_break(data[max(0, start - 4) : start], -1)) or (
            phrase.ends and not _is_break(data[end : end + 4], 0)
        ):
            continue
        for theme in phrase.themes:
            found.setdefault(theme, set()).add(phrase.text)
    return found


def _is_break(around: bytes, place: int) -> bool:
    """Whether no word goes on there. Of a character cut in two only the near one is looked at."""
    return not around or around.decode("utf-8", "ignore")[place] in BREAKS


WORD = re.compile(r"[^\W_]+")
_INVISIBLE = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD, 0x180E, 0x2061, 0x2062, 0x2063, 0x2064])
_QUOTES = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-", 0x2011: "-", 0x2010: "-", 0xA0: " "}
_LETTERS = {
    0x142: "l",
    0x131: "i",
    0xF8: "o",
    0x111: "d",
    0xDF: "ss",
    0xE6: "ae",
    0x153: "oe",
    0x141: "l",
    0xD8: "o",
    0x110: "d",
}
"""Letters that are typed without their strokes, and that no decomposition takes apart."""
_FOLD = _INVISIBLE | _QUOTES | _LETTERS


_SPACES = str.maketrans(dict.fromkeys("\t\n\v\f\r\x1c\x1d\x1e\x1f", " "))
_ENDLESS = re.compile(r"(\S{500})(?=\S)")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_ACCENTED = re.compile("[\u00c0-\u024f\u0370-\u03ff\u1e00-\u1eff]")


def normal(text: str) -> str:
    """Lower case, one space between words, no accents, no invisible letters, plain quotes."""
    if text.isascii():
        return _one_space(text.lower())
    text = text.translate(_FOLD).lower()
    if not text.isascii():
        # Marks upon marks are sorted by the library in a time that grows with the square of their number.
        text = unicodedata.normalize("NFKC", _ENDLESS.sub(r"\1 ", text))
        if _ACCENTED.search(text):
            text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return " ".join(text.split())


def _one_space(text: str) -> str:
    """What joining what ``split`` finds would give, in half of the time."""
    text = text.translate(_SPACES)
    while "  " in text:
        text = text.replace("   ", " ").replace("  ", " ")
    return text.strip(" ")


BREAKS = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u00ab\u00bb\u2026\u201e\u3001\u3002\uff0c\uff01\u00bf\u00a1\u0964\u060c\u061f"
"""What stands between words."""
_BREAKS = str.maketrans(dict.fromkeys(BREAKS, " "))


def split_words(text: str) -> list[str]:
    """The words of a text that was made normal, in order: as WORD finds them, in a fifth of the time."""
    return spaced(text).split()


def spaced(text: str) -> str:
    """The same with a space for each sign that stands between words."""
    return text.translate(_BREAKS)
