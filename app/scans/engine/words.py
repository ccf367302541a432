"""Phrases by which deceptive pages talk, by theme: matched in the words of a page, never kept.

A phrase is looked for only if its longest word is among the page's words, so a page of many words costs little. What is
written without spaces is looked for directly.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


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


@cache
def _index() -> tuple[dict[str, list[tuple[str, str]]], list[tuple[str, str]]]:
    """Phrases by their longest word, and those without spaces between words."""
    by_word: dict[str, list[tuple[str, str]]] = {}
    direct: list[tuple[str, str]] = []
    for name in TALK:
        for plain in phrases()[name]:
            if any(ord(c) > 0x0590 for c in plain):
                # Scripts written without spaces, or with forms that split differently.
                direct.append((name, plain))
            else:
                by_word.setdefault(max(WORD.findall(plain), key=len), []).append((name, plain))
    return by_word, direct


WORD = re.compile(r"[^\W_]+")
_INVISIBLE = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD, 0x180E, 0x2061, 0x2062, 0x2063, 0x2064])
_QUOTES = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-", 0x2011: "-", 0x2010: "-", 0xA0: " "}
_FOLD = _INVISIBLE | _QUOTES


def normal(text: str) -> str:
    """Lower case, one space between words, no accents, no invisible letters, plain quotes."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = text.translate(_FOLD).lower()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        if any("\u00c0" <= c <= "\u024f" or "\u0370" <= c <= "\u03ff" for c in text):
            decomposed = unicodedata.normalize("NFD", text)
            text = "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")
            text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


_BREAKS = str.maketrans(
    dict.fromkeys("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u00ab\u00bb\u2026\u201e\u3001\u3002\uff0c\uff01\u00bf\u00a1", " ")
)


def split_words(text: str) -> list[str]:
    """The words of a text that was made normal, in order: as WORD finds them, in a fifth of the time."""
    return text.translate(_BREAKS).split()


def spoken(text: str, words: set[str]) -> dict[str, set[str]]:
    """The phrases that a text, made normal, holds: by theme."""
    by_word, direct = _index()
    found: dict[str, set[str]] = {}
    for word in words & by_word.keys():
        for name, phrase in by_word[word]:
            if phrase in text:
                found.setdefault(name, set()).add(phrase)
    if text and max(text) > "\u0590":
        for name, phrase in direct:
            if phrase in text:
                found.setdefault(name, set()).add(phrase)
    return found
