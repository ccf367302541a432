"""Categories: each of the curated files' is in one group, and the tables that say so agree."""

from __future__ import annotations

import re

from app.privacy import category
from app.privacy.category import GROUPS, CategoryGroup, group_of
from app.privacy.curated import DATA, read


def test_every_category_of_the_files_has_a_group() -> None:
    used = {setting.category for platform in read() for template in platform.template for setting in template.setting}
    assert used == GROUPS.keys()
    assert {group_of(each) for each in used} == set(CategoryGroup) - {CategoryGroup.OTHER}


def test_a_category_that_nobody_knows_is_another() -> None:
    assert group_of("weather") is CategoryGroup.OTHER


def test_the_tables_for_readers_say_the_same() -> None:
    shown = dict(re.findall(r"\| ([A-Z_]+) +\| (`.*`)", category.__doc__ or ""))
    told = {name: re.findall(r"`(\w+)`", text) for name, text in shown.items()}
    by_group: dict[str, list[str]] = {}
    for name, group in GROUPS.items():
        by_group.setdefault(group.name, []).append(name)
    assert told == by_group
    readme = dict(re.findall(r"^\| `(\w+)` \| .* \| `([A-Z_]+)` \|$", (DATA / "README.md").read_text(), re.M))
    assert readme == {name: group.name for name, group in GROUPS.items()}
