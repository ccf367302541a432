"""The curated data files keep every rule of their README, and each rule notices when it is broken."""

import copy
import itertools
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

DATA = Path(__file__).resolve().parents[2] / "app" / "privacy" / "data"

# Where a platform's own pages live. A link anywhere else would send people away from the platform.
DOMAINS = {
    "google": ("google.com", "youtube.com"),
    "facebook": ("facebook.com",),
    "linkedin": ("linkedin.com",),
    "openai": ("chatgpt.com", "openai.com"),
    "anthropic": ("claude.ai", "claude.com", "anthropic.com"),
}
CATEGORIES = {
    "activity", "ads", "ai_training", "location", "messaging",
    "personalization", "retention", "security", "sharing", "visibility",
}  # fmt: skip
TYPES = {"toggle", "radio", "select"}
SETTING_FIELDS = {
    "key", "label", "description", "category", "type", "options", "default", "recommended", "risk", "direct_link",
}  # fmt: skip
PLATFORM_FIELDS = {"slug", "name", "domain", "website_url", "privacy_url", "config"}
CONFIG_FIELDS = {"version", "valid_from", "url_patterns", "rate_limit", "selectors"}

Table = dict[str, Any]


def load(slug: str) -> tuple[Table, list[Table]]:
    """The platform's table and its templates, sorted by the number in their file names."""
    folder = DATA / slug
    files = sorted(folder.glob("template-*.toml"), key=lambda file: int(file.stem.removeprefix("template-")))
    return tomllib.loads((folder / "platform.toml").read_text()), [tomllib.loads(file.read_text()) for file in files]


def below(host: str | None, slug: str) -> bool:
    """Whether a host name is one of the platform's domains or below one."""
    return any(host == domain or (host or "").endswith("." + domain) for domain in DOMAINS[slug])


def is_link(url: str, slug: str) -> bool:
    """Whether a url is https, on the platform, and carries no credentials, port or blanks."""
    parts = urlsplit(url)
    plain = parts.netloc == parts.hostname and not re.search(r"\s", url)
    return parts.scheme == "https" and plain and below(parts.hostname, slug)


def is_pattern(pattern: str, slug: str) -> bool:
    """Whether it is an https match pattern, as browser extensions know them, within the platform's domains."""
    match = re.fullmatch(r"https://(?:\*\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(/[^\s#]*)", pattern)
    return match is not None and below(match[1], slug)


def covers(pattern: str, url: str) -> bool:
    """Whether an extension with this match pattern runs on this url; the fragment never counts."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), url.split("#")[0]) is not None


def is_sentence(text: str) -> bool:
    """Whether it is one line of prose with one full stop, at its end."""
    return bool(re.fullmatch(r"[A-Z0-9][^\n]{9,198}\.", text)) and not re.search(r"[.!?]\s", text)


def is_selector(text: str) -> bool:
    """Whether brackets and quotes of a CSS selector are balanced and it is not a generated class."""
    outside = re.sub(r'"[^"]*"', "", text)
    balanced = text.count('"') % 2 == 0 and all(outside.count(a) == outside.count(b) for a, b in ("[]", "()"))
    return text == text.strip() != "" and balanced and "." not in outside


def setting_problems(setting: Table, slug: str) -> list[str]:
    """What is wrong with one setting, one sentence each; nothing when all is well."""
    if set(setting) != SETTING_FIELDS:
        return [f"fields {sorted(set(setting) ^ SETTING_FIELDS)} missing or unknown"]
    options, default, recommended = setting["options"], setting["default"], setting["recommended"]
    found = []
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", setting["key"]):
        found.append("key is not lower case with underscores, 1 to 63 characters")
    if not 1 <= len(setting["label"]) <= 100 or setting["label"] != setting["label"].strip():
        found.append("label is not 1 to 100 characters")
    if not is_sentence(setting["description"]):
        found.append("description is not one sentence")
    if setting["category"] not in CATEGORIES:
        found.append("category is not in the closed list")
    if setting["type"] not in TYPES:
        found.append("type is not in the closed list")
    if setting["type"] == "toggle" and options != ["on", "off"]:
        found.append("a toggle's options are not on, off")
    if not 2 <= len(options) <= 20 or len(set(options)) != len(options):
        found.append("options are not 2 to 20 different ones")
    if not all(isinstance(option, str) and 1 <= len(option.strip()) <= len(option) <= 100 for option in options):
        found.append("an option is not 1 to 100 characters")
    if default not in options or recommended not in options:
        found.append("default or recommended is not an option")
    elif setting["type"] != "toggle" and options.index(recommended) < options.index(default):
        found.append("recommended is more exposing than the default")
    if type(setting["risk"]) is not int or not 1 <= setting["risk"] <= 100:
        found.append("risk is not a whole number from 1 to 100")
    if not is_link(setting["direct_link"], slug):
        found.append("direct_link is not https on the platform's domains")
    return [f"{setting['key']}: {problem}" for problem in found]


def template_problems(template: Table, slug: str) -> list[str]:
    """What is wrong with one template, settings included."""
    if set(template) != {"version", "summary", "setting"}:
        return ["template has missing or unknown fields"]
    found = [problem for setting in template["setting"] for problem in setting_problems(setting, slug)]
    keys = [setting["key"] for setting in template["setting"]]
    if len(keys) != len(set(keys)):
        found.append("a key occurs twice")
    if len(keys) < 12:
        found.append("fewer than 12 settings")
    if not is_sentence(template["summary"]):
        found.append("summary is not one sentence")
    return found


def config_problems(config: Table, slug: str, keys: set[str]) -> list[str]:
    """What is wrong with one config; `keys` are those of all templates of the platform."""
    if set(config) != CONFIG_FIELDS:
        return ["config has missing or unknown fields"]
    found, selectors = [], config["selectors"]
    if not isinstance(config["valid_from"], datetime) or config["valid_from"].tzinfo != UTC:
        found.append("valid_from is not a time in UTC")
    if not config["url_patterns"] or not all(is_pattern(pattern, slug) for pattern in config["url_patterns"]):
        found.append("url_patterns are not https match patterns on the platform's domains")
    if set(selectors) != keys:
        found.append(f"selectors differ from the templates' keys by {sorted(set(selectors) ^ keys)}")
    if not all(is_selector(selector) for selector in selectors.values()):
        found.append("a selector is not CSS that lasts")
    if len(set(selectors.values())) != len(selectors):
        found.append("two settings share a selector")
    return found


def platform_problems(slug: str, platform: Table, templates: list[Table]) -> list[str]:
    """What is wrong with a platform's files; an empty list when they keep every rule."""
    if set(platform) != PLATFORM_FIELDS or not templates or not platform["config"]:
        return ["platform has missing or unknown fields, no config or no template"]
    found = [problem for template in templates for problem in template_problems(template, slug)]
    configs = platform["config"]
    keys = {setting["key"] for template in templates for setting in template["setting"]}
    found += [problem for config in configs for problem in config_problems(config, slug, keys)]
    if platform["slug"] != slug or not re.fullmatch(r"[a-z0-9-]+", slug):
        found.append("slug is not the folder's name in lower case")
    if not platform["name"].strip() or platform["domain"] not in DOMAINS[slug]:
        found.append("name is empty or domain is not the platform's")
    if not is_link(platform["website_url"], slug) or not is_link(platform["privacy_url"], slug):
        found.append("website_url or privacy_url is not https on the platform's domains")
    if [template["version"] for template in templates] != list(range(1, len(templates) + 1)):
        found.append("template versions do not count from 1 as their file names do")
    if [config["version"] for config in configs] != list(range(1, len(configs) + 1)):
        found.append("config versions do not count from 1")
    if any(str(a["valid_from"]) >= str(b["valid_from"]) for a, b in itertools.pairwise(configs)):
        found.append("configs are not in the order of their time")
    if any(a["setting"] == b["setting"] for a, b in itertools.combinations(templates, 2)):
        found.append("two templates are identical")
    links = [platform["privacy_url"], *(setting["direct_link"] for setting in templates[-1]["setting"])]
    if unread := [url for url in links if not any(covers(pattern, url) for pattern in configs[-1]["url_patterns"])]:
        found.append(f"no url pattern covers {unread}")
    return found


def structure(template: Table) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What the template hash is made of, by key: type and options."""
    return {setting["key"]: (setting["type"], tuple(setting["options"])) for setting in template["setting"]}


def test_folders_are_the_platforms_and_hold_nothing_else() -> None:
    assert {folder.name for folder in DATA.iterdir() if folder.is_dir()} == set(DOMAINS)
    for slug in DOMAINS:
        names = [file.name for file in (DATA / slug).iterdir()]
        assert [
            name
            for name in names
            if not re.fullmatch(r"platform\.toml|contact\.toml|(template-[1-9]\d*|playbook-[a-z0-9-]+)\.toml", name)
        ] == []


@pytest.mark.parametrize("slug", DOMAINS)
def test_files_keep_every_rule(slug: str) -> None:
    assert platform_problems(slug, *load(slug)) == []


def test_readme_lists_the_same_closed_lists() -> None:
    readme = (DATA / "README.md").read_text()
    section = readme.split("| category | about | group of sub-scores |")[1].split("| risk |")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == CATEGORIES
    types = re.search(r"^Types: (.*)\.$", readme, re.MULTILINE)
    assert types
    assert set(re.findall(r"`(\w+)`", types[1])) == TYPES


def test_every_category_is_used() -> None:
    used = {setting["category"] for slug in DOMAINS for template in load(slug)[1] for setting in template["setting"]}
    assert used == CATEGORIES


def test_linkedin_changes_its_structure() -> None:
    platform, templates = load("linkedin")
    before, after = (structure(template) for template in templates)
    assert len(platform["config"]) == 2
    assert "generative_ai_data" in after.keys() - before.keys()
    assert before.keys() - after.keys(), "no setting vanishes"
    changed = {key: (before[key][1], after[key][1]) for key in before.keys() & after.keys() if before[key] != after[key]}
    only_case = {key for key, (old, new) in changed.items() if [o.lower() for o in old] == [n.lower() for n in new]}
    assert only_case == {"active_status"}
    assert changed.keys() - only_case == {"discover_by_email"}
    assert platform["config"][0]["selectors"]["active_status"] != platform["config"][1]["selectors"]["active_status"]


def test_openai_flips_one_default_and_nothing_else() -> None:
    before, after = load("openai")[1]
    assert structure(before) == structure(after)
    flipped = [(a, b) for a, b in zip(before["setting"], after["setting"], strict=True) if a != b]
    assert [(a["key"], a["default"], b["default"]) for a, b in flipped] == [("marketing_privacy", "off", "on")]
    assert all({**a, "default": ""} == {**b, "default": ""} for a, b in flipped)


Change = Callable[[Table, list[Table]], Any]

# One deliberate mistake per rule, and words of the problem it must lead to. The settings are the first of LinkedIn's
# template 2: [0] is a radio, [1] is a toggle.
MISTAKES: list[tuple[str, Change]] = [
    ("not lower case", lambda p, t: t[1]["setting"][0].update(key="Bad-Key")),
    ("missing or unknown", lambda p, t: t[1]["setting"][0].pop("risk")),
    ("missing or unknown", lambda p, t: t[1]["setting"][0].update(note="x")),
    ("label is not", lambda p, t: t[1]["setting"][0].update(label="")),
    ("not one sentence", lambda p, t: t[1]["setting"][0].update(description="It does this. And that as well.")),
    ("category is not", lambda p, t: t[1]["setting"][0].update(category="other")),
    ("type is not", lambda p, t: t[1]["setting"][0].update(type="text")),
    ("toggle's options", lambda p, t: t[1]["setting"][1].update(options=["off", "on"])),
    ("different ones", lambda p, t: t[1]["setting"][0]["options"].append("Private mode")),
    ("different ones", lambda p, t: t[1]["setting"][0].update(options=["Private mode"])),
    ("different ones", lambda p, t: t[1]["setting"][0]["options"].extend(str(i) for i in range(18))),
    ("an option is not", lambda p, t: t[1]["setting"][0]["options"].append("x" * 101)),
    ("an option is not", lambda p, t: t[1]["setting"][0]["options"].append(" ")),
    ("is not an option", lambda p, t: t[1]["setting"][0].update(default="private mode")),
    ("is not an option", lambda p, t: t[1]["setting"][0].update(recommended="private mode")),
    ("more exposing", lambda p, t: t[1]["setting"][0].update(default="Private mode", recommended="Your name and headline")),
    ("risk is not", lambda p, t: t[1]["setting"][0].update(risk=0)),
    ("risk is not", lambda p, t: t[1]["setting"][0].update(risk=101)),
    ("risk is not", lambda p, t: t[1]["setting"][0].update(risk=True)),
    ("direct_link is not", lambda p, t: t[1]["setting"][0].update(direct_link="http://www.linkedin.com/mypreferences/d/a")),
    ("direct_link is not", lambda p, t: t[1]["setting"][0].update(direct_link="https://notlinkedin.com/mypreferences/d/a")),
    ("direct_link is not", lambda p, t: t[1]["setting"][0].update(direct_link="https://linkedin.com@example.org/")),
    ("no url pattern", lambda p, t: t[1]["setting"][0].update(direct_link="https://www.linkedin.com/feed/")),
    ("occurs twice", lambda p, t: t[1]["setting"].append(t[1]["setting"][0])),
    ("fewer than 12", lambda p, t: t[1].update(setting=t[1]["setting"][:11])),
    ("summary is not", lambda p, t: t[1].update(summary="changed")),
    ("identical", lambda p, t: t[1].update(setting=t[0]["setting"])),
    ("template versions", lambda p, t: t[1].update(version=3)),
    ("selectors differ", lambda p, t: p["config"][0]["selectors"].pop("read_receipts")),
    ("selectors differ", lambda p, t: p["config"][1]["selectors"].update(extra="#extra")),
    ("not CSS", lambda p, t: p["config"][1]["selectors"].update(read_receipts='[role="switch"')),
    ("not CSS", lambda p, t: p["config"][1]["selectors"].update(read_receipts="div.x1lliihq")),
    ("share a selector", lambda p, t: (s := p["config"][1]["selectors"]).update(read_receipts=s["ads_gender"])),
    ("match patterns", lambda p, t: p["config"][1]["url_patterns"].append("*://www.linkedin.com/*")),
    ("match patterns", lambda p, t: p["config"][1]["url_patterns"].append("https://*/*")),
    ("match patterns", lambda p, t: p["config"][1]["url_patterns"].clear()),
    ("time in UTC", lambda p, t: p["config"][1].update(valid_from=datetime(2026, 9, 1))),
    ("order of their time", lambda p, t: p["config"][0].update(valid_from=p["config"][1]["valid_from"])),
    ("config versions", lambda p, t: p["config"][1].update(version=1)),
    ("config has", lambda p, t: p["config"][1].update(script="x")),
    ("slug is not", lambda p, t: p.update(slug="Linked In")),
    ("domain is not", lambda p, t: p.update(domain="example.org")),
    ("privacy_url is not", lambda p, t: p.update(privacy_url="https://example.org/")),
    ("no config or no template", lambda p, t: p.update(config=[])),
    ("no config or no template", lambda p, t: t.clear()),
]  # fmt: skip


@pytest.mark.parametrize(("words", "change"), MISTAKES, ids=[f"{n}-{words}" for n, (words, _) in enumerate(MISTAKES)])
def test_a_mistake_is_noticed(words: str, change: Change) -> None:
    platform, templates = copy.deepcopy(load("linkedin"))
    change(platform, templates)
    assert any(words in problem for problem in platform_problems("linkedin", platform, templates))


@pytest.mark.parametrize("slug", DOMAINS)
def test_playbooks_lead_to_settings_of_the_newest_template(slug: str) -> None:
    files = sorted((DATA / slug).glob("playbook-*.toml"))
    assert len(files) >= 2
    settings = {setting["key"]: setting for setting in load(slug)[1][-1]["setting"]}
    for file in files:
        playbook = tomllib.loads(file.read_text())
        keys = [step["setting"] for step in playbook["step"] if "setting" in step]
        assert len(keys) == len(set(keys)) >= 1, file
        for step in playbook["step"]:
            assert is_link(step["direct_link"], slug), step
            assert re.fullmatch(r"[A-Z][^\n]+\.", step["text"]), step
            if "setting" in step:
                setting = settings[step["setting"]]
                assert (step["target"], step["direct_link"]) == (setting["recommended"], setting["direct_link"])


@pytest.mark.parametrize("slug", DOMAINS)
def test_contacts_are_graded_and_on_the_platform(slug: str) -> None:
    contacts = tomllib.loads((DATA / slug / "contact.toml").read_text())["contact"]
    assert {contact["regime"] for contact in contacts} == {"GDPR", "CCPA"}
    for contact in contacts:
        assert below(urlsplit(contact["url"]).hostname, slug), contact
        assert "email" not in contact or below(contact["email"].partition("@")[2], slug), contact
        assert (contact["quality"] in ("TESTED", "VERIFIED")) is ("verified_at" in contact)
