"""SQL text as PostgreSQL's own client reads it: where a statement ends, and what is comment.

sqlparse, which yoyo splits with, needs eight seconds for the files of the house. Here one regular expression knows all that
may hide a semicolon: strings, quoted names, dollar quotes and comments; as in psql one inside parentheses ends nothing, nor
one in a function's ``BEGIN ATOMIC ... END``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\* )
    | [eE]'(?:[^'\\]|\\.|'')*'
    | '[^']*'
    | "[^"]*"
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$ .*? \$(?P=tag)\$
    | (?P<word> [^\W\d][\w$]* )
    | (?P<sign> [();] )
    """,
    re.S | re.X,
)
_BRACKET = re.compile(r"/\*|\*/")
_ROUTINE = re.compile(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b")


def split(text: str) -> Iterator[tuple[int, int]]:
    """The spans of the statements, each with the comments and blanks before it and its semicolon.

    What is left behind the last semicolon is one more, unless it is comments and blanks.
    """
    start = position = parentheses = blocks = 0
    words: list[str] = []
    empty = True
    for kind, begin, end in _tokens(text):
        empty = empty and not text[position:begin].strip()
        position = end
        if kind == "comment":
            continue
        if text[begin] == ";" and parentheses <= 0 and not blocks:
            if not empty:
                yield start, end
            start, parentheses, words, empty = end, 0, [], True
            continue
        empty = False
        parentheses += (text[begin] == "(") - (text[begin] == ")")
        if kind == "word":
            word = text[begin:end].upper()
            words = words if len(words) == 4 else [*words, word]
            if word == "BEGIN" or (word == "CASE" and blocks):
                blocks += _ROUTINE.match(" ".join(words)) is not None
            elif word == "END" and blocks:
                blocks -= 1
    if not empty or text[position:].strip():
        yield start, len(text)


def strip_comments(text: str) -> str:
    """The text with a blank for each comment."""
    kept, position = [], 0
    for kind, begin, end in _tokens(text):
        if kind == "comment":
            kept += [text[position:begin], " "]
            position = end
    return "".join([*kept, text[position:]])


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Comments, words, signs and what is quoted, as (kind, begin, end); what lies between is none of them."""
    position = 0
    while match := _TOKEN.search(text, position):
        position = match.end()
        if match[0] == "/*":
            depth = 1
            while depth and (bracket := _BRACKET.search(text, position)):
                depth += 1 if bracket[0] == "/*" else -1
                position = bracket.end()
            position = len(text) if depth else position
        yield match.lastgroup or "quoted", match.start(), position
