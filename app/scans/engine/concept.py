"""What a page speaks of, in any of many languages: words by their beginnings, and how near they stand to each other.

Phrases say exactly what somebody wrote once; concepts find who says it otherwise. All are looked for in one pass, and nothing
of a page is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from ahocorasick_rs import BytesAhoCorasick, Implementation

from app.scans.engine.words import lines, normal, spaced, split_words

Places = dict[str, list[int]]


Meanings = dict[str, frozenset[str]]
Parts = dict[str, list[tuple[str, str]]]


@cache
def _lists() -> tuple[Meanings, Parts, Parts, re.Pattern[str], Meanings]:
    """Whole words; beginnings and ends by three letters; what is written without spaces, as a pattern and by meaning."""
    whole: dict[str, set[str]] = {}
    beginnings: dict[str, list[tuple[str, str]]] = {}
    endings: dict[str, list[tuple[str, str]]] = {}
    direct: dict[str, set[str]] = {}
    for section, line in lines("concepts.txt"):
        if not section.startswith("field "):
            for raw in line.split():
                word = spaced(normal(raw.strip("*").replace("_", " "))).strip()
                if _DENSE.search(word):
                    direct.setdefault(word, set()).add(section)
                elif raw.startswith("*"):
                    endings.setdefault(word[-3:], []).append((word, section))
                elif raw.endswith("*"):
                    beginnings.setdefault(word[:3], []).append((word, section))
                else:
                    whole.setdefault(word, set()).add(section)
    pattern = re.compile("|".join(map(re.escape, sorted(direct, key=len, reverse=True))))
    return (
        {word: frozenset(names) for word, names in whole.items()},
        beginnings,
        endings,
        pattern,
        {word: frozenset(names) for word, names in direct.items()},
    )


_NONE: frozenset[str] = frozenset()
_DENSE = re.compile("[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ufdff\U00020000-\U0010ffff]")
"""Letters of scripts that put no spaces between words, and of Korean, which writes what belongs to a word together with it."""
_BESIDE = re.compile(r"(?<=[\u0e01-\u0eff\u2e80-\ud7ff])[a-z][a-z0-9]+|[a-z][a-z0-9]+(?=[\u0e01-\u0eff\u2e80-\ud7ff])")
"""Latin words that stand among those without a space."""
_PREFIXES = ("وال", "بال", "لل", "ال", "و", "ب", "ل")
"""What Arabic writes together with the word after it."""


_ARABIC = re.compile("[\u0621-\u064a]")


@cache
def _search() -> tuple[Callable[..., list[tuple[int, int, int]]], tuple[frozenset[str], ...]]:
    """What finds all words, beginnings and ends in one pass, where spaces stand around each word; their meanings."""
    whole, beginnings, endings, _, _ = _lists()
    told: dict[str, set[str]] = {f" {word} ": set(names) for word, names in whole.items()}
    # What is shorter than the key of its list begins and ends no other word.
    for stem, name in (pair for pairs in beginnings.values() for pair in pairs):
        told.setdefault(f" {stem}" if len(stem) >= 3 else f" {stem} ", set()).add(name)
    for stem, name in (pair for pairs in endings.values() for pair in pairs):
        told.setdefault(f"{stem} " if len(stem) >= 3 else f" {stem} ", set()).add(name)
    search = BytesAhoCorasick([each.encode() for each in told], implementation=Implementation.DFA).find_matches_as_indexes
    return search, tuple(map(frozenset, told.values()))


def meanings(word: str) -> frozenset[str]:
    """The concepts that one word, made normal, belongs to."""
    whole, beginnings, endings, _, _ = _lists()
    found = whole.get(word, _NONE)
    if (stems := beginnings.get(word[:3])) is not None:
        more = {name for stem, name in stems if word.startswith(stem)}
        found = found | more if more else found
    if (stems := endings.get(word[-3:])) is not None:
        more = {name for stem, name in stems if word.endswith(stem)}
        found = found | more if more else found
    if not found and "\u0621" <= word[0] <= "\u064a":
        for prefix in _PREFIXES:
            if word.startswith(prefix) and len(word) - len(prefix) >= 3 and (found := meanings(word[len(prefix) :])):
                break
    return found


def places(text: str) -> Places:
    """Where each concept is spoken of in a text, made normal, counted in words; without spaces two letters are a word."""
    found: Places = {}
    plain = text.isascii()
    if not plain and _ARABIC.search(text):
        for place, word in enumerate(split_words(text)):
            for name in meanings(word):
                found.setdefault(name, []).append(place)
    else:
        search, names_of = _search()
        data = f" {spaced(text)} ".encode("utf-8", "replace")
        place = last = 0
        for number, start, _ in search(data, overlapping=True):
            before = data.rfind(b" ", 0, start + 1)
            if before > last:
                place += len(data[last:before].split())
                last = before
            for name in names_of[number]:
                several = found.setdefault(name, [])
                if several[-1:] != [place]:
                    several.append(place)
    if not plain and _DENSE.search(text):
        _, _, _, pattern, direct = _lists()
        for match in pattern.finditer(text):
            for name in direct[match[0]]:
                found.setdefault(name, []).append(match.start() // 2)
        for match in _BESIDE.finditer(text):
            for name in meanings(match[0]):
                found.setdefault(name, []).append(match.start() // 2)
        for several in found.values():
            several.sort()
    return found


def near(found: Places, one: str, other: str, within: int = 8) -> bool:
    """Whether two concepts are spoken of within so many words of each other, by two words."""
    a, b = found.get(one), found.get(other)
    if not a or not b:
        return False
    i = j = 0
    while i < len(a) and j < len(b):
        apart = a[i] - b[j]
        if apart and abs(apart) <= within:
            return True
        if not apart and ((i + 1 < len(a) and a[i + 1] - b[j] <= within) or (j + 1 < len(b) and b[j + 1] - a[i] <= within)):
            return True
        if apart <= 0:
            i += 1
        else:
            j += 1
    return False
