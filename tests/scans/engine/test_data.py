"""The curated files: each says where it comes from, and means what it says."""

from __future__ import annotations

import re

import pytest

from app.scans.engine import lure
from app.scans.engine.concept import places
from app.scans.engine.page import SECRETS
from app.scans.engine.words import DATA, lines, normal

FILES = sorted(DATA.rglob("*.txt"))


@pytest.mark.parametrize("name", [str(each.relative_to(DATA)) for each in FILES])
def test_files_say_where_they_come_from(name: str) -> None:
    head = (DATA / name).read_text(encoding="utf-8")
    assert re.search(r"^# source: \S", head, re.M)
    assert re.search(r"^# as of: 20\d\d-\d\d-\d\d$", head, re.M)
    assert re.search(r"^# changed by: \S", head, re.M)


def test_words_of_all_languages_are_found_in_their_own_texts() -> None:
    known = {section for section, _ in lines("concepts.txt")}
    for section, line in lines("concepts.txt"):
        if section.startswith("field "):
            assert section.removeprefix("field ") in dict(SECRETS)
            continue
        for word in (each for each in line.split() if not each.startswith("*")):
            text = normal(word.strip("*").replace("_", " "))
            assert section in places(text), (section, word)
    assert {"account", "withdraw", "charity"} <= known


def test_patterns_for_pasting_name_the_words_by_which_they_are_tried() -> None:
    told = (DATA / "patterns.txt").read_text(encoding="utf-8").partition("[paste]")[2].partition("\n[")[0]
    assert all(" => " in line for line in told.splitlines() if line and not line.startswith("#"))
    for text in ("ctrl + v", "strg-v", "paste this", "pegue", "einfugen", "dan vao", "⌘ v"):
        assert lure.TURNS["paste"].search(text)
        assert any(word in text for word in lure.PASTING)
