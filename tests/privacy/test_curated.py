"""Curated files: bad ones are refused by name, good ones are loaded once, and later versions wait for a curator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import seed
from app.kit.db import open_as
from app.kit.errors import SetupError
from app.privacy import curated
from tests.conftest import Api, Database
from tests.factory.privacy import (
    choice,
    load_files,
    nothing_written,
    template_of,
    toggle,
    write_platform,
    write_template,
)

SETTINGS = [toggle("ads"), choice("audience", ["Everyone", "Friends", "Only me"])]

# What is wrong, the file that is, words of the sentence, and how it came to be so.
Mistake = tuple[str, str, str, Callable[[Path], Any]]


def setting_is(words: str, **wrong: Any) -> Mistake:
    return (
        f"a setting with {', '.join(f'{k} {v!r:.30}' for k, v in wrong.items())}",
        "template-1.toml",
        words,
        lambda data: write_template(data, "small", 1, [SETTINGS[0] | wrong, SETTINGS[1]]),
    )


def text(file: str, content: str | bytes) -> Callable[[Path], Any]:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda data: (data / "small" / file).write_bytes(raw)


def replaced(file: str, old: str, new: str) -> Callable[[Path], Any]:
    def change(data: Path) -> None:
        path = data / "small" / file
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))

    return change


MISTAKES: list[Mistake] = [
    setting_is("setting.0.key", key="Ads"),
    setting_is("setting.0.key", key="a" * 64),
    setting_is("setting.0.label", label=""),
    setting_is("setting.0.label", label="x" * 201),
    setting_is("setting.0.description", description="x" * 1001),
    setting_is("setting.0.category", category="Other Things"),
    setting_is("setting.0.type", type="text"),
    setting_is("setting.0.type", type=1),
    setting_is("on", options=["off", "on"]),
    setting_is("setting.0.options", options=["on"]),
    setting_is("setting.0.options", options=[f"{n}" for n in range(21)], type="radio"),
    setting_is("setting.0.options.1", options=["on", "x" * 101], type="radio"),
    setting_is("setting.0.options.0", options=[1, 2], type="radio"),
    setting_is("repeat", options=["on", "off", "on"], type="radio"),
    setting_is("must be options", default="maybe"),
    setting_is("must be options", recommended="On"),
    setting_is("setting.0.risk", risk=0),
    setting_is("setting.0.risk", risk=101),
    setting_is("setting.0.direct_link", direct_link="http://example.com"),
    setting_is("setting.0.direct_link", direct_link="javascript:alert(1)"),
    setting_is("setting.0.note", note="x"),
    ("a key twice", "template-1.toml", "keys repeat: ads", lambda d: write_template(d, "small", 1, [SETTINGS[0]] * 2)),
    ("251 settings", "template-1.toml", "250", lambda d: write_template(d, "small", 1, [toggle(f"s{n}") for n in range(251)])),
    ("no setting", "template-1.toml", "setting", text("template-1.toml", 'version = 1\nsummary = ""\n')),
    (
        "a setting that is a string",
        "template-1.toml",
        "setting.0",
        text("template-1.toml", 'version = 1\nsummary = ""\nsetting = ["x"]\n'),
    ),
    ("another version inside", "template-1.toml", "version is 2", replaced("template-1.toml", "version = 1", "version = 2")),
    ("a gap", "platform.toml", "[1, 3]", lambda d: write_template(d, "small", 3, SETTINGS)),
    (
        "a version in words",
        "template-new.toml",
        "version",
        lambda d: (d / "small/template-1.toml").rename(d / "small/template-new.toml"),
    ),
    ("no TOML", "template-1.toml", "TOML", text("template-1.toml", "version = = 1")),
    ("no text", "template-1.toml", "TOML", text("template-1.toml", b"\xff\xfe\x00")),
    ("no UTF-8", "platform.toml", "TOML", text("platform.toml", "name = 'ä'".encode("latin-1"))),
    ("an empty platform", "platform.toml", "slug", text("platform.toml", "")),
    ("no template", "platform.toml", "template", lambda d: (d / "small/template-1.toml").unlink()),
    ("no platform", "platform.toml", "platform.toml", lambda d: (d / "small/platform.toml").unlink()),
    ("a platform's extra field", "platform.toml", "script", lambda d: write_platform(d, "small", SETTINGS, script="x")),
    (
        "another slug",
        "platform.toml",
        "one name",
        lambda d: write_platform(d, "small", SETTINGS).write_text(
            (d / "small/platform.toml").read_text().replace('slug = "small"', 'slug = "smaller"')
        ),
    ),
    ("a plain website", "platform.toml", "website_url", lambda d: write_platform(d, "small", SETTINGS, website_url="http://x")),
    ("no config", "platform.toml", "config", lambda d: write_platform(d, "small", SETTINGS, configs=())),
    (
        "a config's script",
        "platform.toml",
        "config.0",
        replaced("platform.toml", "[config.selectors]", "script = 'x'\n[config.selectors]"),
    ),
    (
        "a config for every host",
        "platform.toml",
        "url_patterns.0",
        replaced("platform.toml", "https://example.com/*", "https://*/*"),
    ),
    (
        "a moment without zone",
        "platform.toml",
        "valid_from",
        replaced("platform.toml", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
    ),
    ("a date", "platform.toml", "valid_from", replaced("platform.toml", "2026-01-01T00:00:00Z", "2026-01-01")),
    (
        "configs out of order",
        "platform.toml",
        "later moment",
        lambda d: write_platform(d, "small", SETTINGS, configs=("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z")),
    ),
    (
        "configs at one moment",
        "platform.toml",
        "later moment",
        lambda d: write_platform(d, "small", SETTINGS, configs=("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00")),
    ),
]


@pytest.mark.parametrize(("file", "words", "change"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_bad_file_is_refused_by_name(tmp_path: Path, file: str, words: str, change: Callable[[Path], Any]) -> None:
    write_platform(tmp_path, "another", SETTINGS)
    write_platform(tmp_path, "small", SETTINGS)
    assert len(curated.read(tmp_path)) == 2
    change(tmp_path)
    with pytest.raises(SetupError) as refused:
        curated.read(tmp_path)
    sentence = str(refused.value)
    assert str(tmp_path / "small" / file) in sentence
    assert words in sentence.replace(str(tmp_path), "")
    assert "\n" not in sentence


def test_files_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_platform(tmp_path, "small", *[[toggle(f"s{n}")] for n in range(12)])
    (platform,) = curated.read(tmp_path)
    assert [template.version for template in platform.template] == list(range(1, 13))


def test_our_own_files_are_good() -> None:
    lines = seed.check()
    assert [line.partition(":")[0] for line in lines] == ["anthropic", "facebook", "google", "linkedin", "openai"]


# Loading


async def test_what_is_loaded_is_what_the_file_says(api: Api, tmp_path: Path) -> None:
    ada = await api.person()
    write_platform(tmp_path, "small", SETTINGS)
    lines = await load_files(api.database, tmp_path)
    assert lines == ["small: config 1", "small: template 1, 2 settings", "small: template 1 is active"]
    shown = await template_of(api, ada.token, "small")
    assert [(s["key"], s["type"], s["options"], s["default"], s["recommended"], s["risk"]) for s in shown["settings"]] == [
        ("ads", "TOGGLE", ["on", "off"], "on", "off", 50),
        ("audience", "RADIO", ["Everyone", "Friends", "Only me"], "Everyone", "Only me", 50),
    ]


async def test_loading_twice_adds_nothing(api: Api) -> None:
    async with nothing_written(api):
        assert await load_files(api.database) == []
        assert await seed.load_curated(api.database.url()) == []


async def test_loading_at_the_same_time_adds_once(api: Api, tmp_path: Path) -> None:
    write_platform(tmp_path, "small", SETTINGS, [*SETTINGS, toggle("new")])
    found = await asyncio.gather(*(load_files(api.database, tmp_path) for _ in range(5)))
    assert sorted(map(len, found)) == [0, 0, 0, 0, 4]


async def test_a_later_version_waits(api: Api, tmp_path: Path) -> None:
    ada = await api.person()
    write_platform(tmp_path, "small", SETTINGS)
    await load_files(api.database, tmp_path)
    before = await template_of(api, ada.token, "small")
    write_template(tmp_path, "small", 2, [*SETTINGS, toggle("new")])
    assert await load_files(api.database, tmp_path) == ["small: template 2, 3 settings"]
    assert await load_files(api.database, tmp_path) == []
    assert await template_of(api, ada.token, "small") == before
    async with api.database.connect() as connection:
        state = await connection.fetchval("SELECT state FROM privacy.template WHERE summary = 'Version 2.'")
    assert state == "PROPOSED"


async def test_a_new_platform_starts_with_its_newest(api: Api, tmp_path: Path) -> None:
    ada = await api.person()
    write_platform(tmp_path, "small", SETTINGS, [*SETTINGS, toggle("new")])
    await load_files(api.database, tmp_path)
    assert (await template_of(api, ada.token, "small"))["version"] == 2


async def test_a_platform_s_own_words_may_change(api: Api, tmp_path: Path) -> None:
    ada = await api.person()
    write_platform(tmp_path, "small", SETTINGS)
    await load_files(api.database, tmp_path)
    write_platform(tmp_path, "small", SETTINGS, name="Smaller")
    assert await load_files(api.database, tmp_path) == []
    assert (await api('{ platform(slug: "small") { name } }', token=ada.token)).data["platform"] == {"name": "Smaller"}


async def test_a_published_version_that_was_edited_is_refused(api: Api, tmp_path: Path) -> None:
    """Snapshots are read by it: what it says may not change under them."""
    write_platform(tmp_path, "small", SETTINGS)
    await load_files(api.database, tmp_path)
    write_template(tmp_path, "small", 1, SETTINGS[:1])
    async with nothing_written(api):
        with pytest.raises(SetupError, match=r"small/template-1.toml differs from what was published") as refused:
            await load_files(api.database, tmp_path)
    assert "\n" not in str(refused.value)


async def test_one_bad_file_loads_nothing(api: Api, tmp_path: Path) -> None:
    write_platform(tmp_path, "good", SETTINGS)
    write_platform(tmp_path, "small", [SETTINGS[0] | {"risk": 0}])
    async with nothing_written(api):
        with pytest.raises(SetupError, match=r"small/template-1.toml"):
            await load_files(api.database, tmp_path)


async def test_it_needs_the_owner_of_the_tables(database: Database, tmp_path: Path) -> None:
    write_platform(tmp_path, "small", SETTINGS)
    for role in ("fivefold_api", "fivefold_worker"):
        async with open_as(database.url(), role) as (_, db):
            with pytest.raises(Exception, match=r"permission denied|row-level security"):
                await curated.load(db, tmp_path)
