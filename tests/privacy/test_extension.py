"""The extension in a real Chromium: what it reads, signs, keeps while there is no network, and what a person sees of it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLEnumType, parse, validate
from playwright.async_api import Page

from app.kit.embedded import Embedded
from app.kit.errors import ErrorCode
from app.kit.house import root
from app.server import create_app
from app.settings import Settings
from tests.conftest import Api, copy_of
from tests.factory.browser import EXTENSION, Browser, Wire, browsing, chromium, extension_id, listening, need, until
from tests.factory.core import Person
from tests.factory.device import revoke
from tests.factory.kit import SCHEMA, root_fields, serving
from tests.factory.privacy import api_key, history, record, scan, template_of, unlink

OPENAI = "https://chatgpt.com/?options=Push, Email|Push|Email|Off"
TOGGLE = '[data-testid="improve-model-toggle"]'
DASHBOARD = """
{
  privacyDashboard {
    links(first: 10) {
      edges { node {
        id label signedSince platform { slug }
        latestSnapshot { device { id name } settings { key value observed } }
      } }
    }
    recentChanges(first: 10) { edges { node { setting newValue origin confidence } } }
  }
}
"""

# What needs no browser


def in_node(script: str, given: Any) -> Any:
    """What a module script answers, with the extension's folder as `folder` and `given`."""
    head = f"const folder = {json.dumps(EXTENSION.as_uri())}; const given = {json.dumps(given)};\n"
    words = [need("node"), "--input-type=module", "--eval", head + script]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def test_signatures_are_those_of_the_vectors() -> None:
    file = json.loads((EXTENSION.parent / "signature.json").read_text(encoding="utf-8"))
    script = """
    const { signedText, utf8 } = await import(`${folder}/canonical.js`);
    const raw = Buffer.from(given.publicKey, "base64url");
    const key = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, true, ["verify"]);
    const found = [];
    for (const { input, signature } of given.vectors) {
      const text = signedText(input);
      const bytes = Buffer.from(signature, "base64url");
      const loose = bytes.toString("base64url") !== signature;
      found.push({ canonical: text, holds: !loose && await crypto.subtle.verify("Ed25519", key, bytes, utf8(text)) });
    }
    console.log(JSON.stringify(found));
    """
    assert in_node(script, file) == [{"canonical": v["canonical"], "holds": v["holds"]} for v in file["vectors"]]


def test_hashes_are_those_of_the_vectors() -> None:
    vectors = json.loads((EXTENSION.parent / "template_hash.json").read_text(encoding="utf-8"))
    script = """
    const { templateHash } = await import(`${folder}/canonical.js`);
    console.log(JSON.stringify(await Promise.all(given.map(({ settings }) => templateHash(settings)))));
    """
    assert in_node(script, vectors) == [vector["hash"] for vector in vectors]


def test_documents_are_valid() -> None:
    documents = re.findall(r"graphql`([^`]+)`", (EXTENSION / "operations.js").read_text())
    assert len(documents) >= 6
    for document in documents:
        assert validate(SCHEMA, parse(document)) == []


def test_the_page_for_developers_names_what_there_is() -> None:
    page = (EXTENSION / "README.md").read_text()
    documents = re.findall(r"```graphql\n(.*?)```", page, re.S)
    assert len(documents) == 5
    for document in documents:
        assert validate(SCHEMA, parse(document)) == []
    known = {code.value for code in ErrorCode}
    enums = {value for type_ in SCHEMA.type_map.values() if isinstance(type_, GraphQLEnumType) for value in type_.values}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", page)) <= known | enums | {"FIVEFOLD_ALLOWED_ORIGINS"}
    fields = {name for _, name, _ in root_fields()}
    named = {"recordSnapshots", "registerDevice", "requireSignature", "revokeDevice"}
    assert named <= set(re.findall(r"\w+", page)) & fields
    for name in re.findall(r"`([a-z.]+\.(?:js|json|html|py))`", page):
        assert (EXTENSION / name).exists() or (root() / name).exists(), name
    rows = dict(re.findall(r"^\| (.*?) \| (`.*) \|$", page[page.index("## Error codes") :], re.M))
    by_word = {words.split()[0]: set(re.findall(r"`(\w+)`", codes)) for words, codes in rows.items() if "give" not in words}
    api_js = (EXTENSION / "api.js").read_text()
    for word, name in {"wait": "TEMPORARY", "stop": "STOPPING"}.items():
        listed = re.search(rf"{name} = new Set\(\[(.*?)\]\)", api_js)
        assert listed is not None
        assert set(re.findall(r'"(\w+)"', listed[1])) == by_word[word] <= known


def test_it_may_no_more_than_it_needs() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    assert set(manifest["permissions"]) == {"alarms", "scripting", "storage"}
    assert "host_permissions" not in manifest, "a person grants the hosts of each platform"
    assert manifest["content_security_policy"]["extension_pages"].startswith("default-src 'none'; script-src 'self';")
    for file in EXTENSION.glob("*.js"):
        text = re.sub(r"//.*", "", file.read_text())
        assert not re.search(r"\beval\b|new Function|innerHTML|importScripts|import\(|document\.write|\.click\(", text), (
            file.name
        )
        assert re.findall(r"https?://\S+", text) == [], file.name
    for file in EXTENSION.glob("*.html"):
        assert re.findall(r'(?:src|href)="([^"]+)"', file.read_text()) != []
        assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]+)"', file.read_text()))


def test_without_a_browser_ci_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And nobody else does."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FIVEFOLD_CI", "1")
    with pytest.raises(pytest.fail.Exception, match="chromium"):
        chromium()
    monkeypatch.delenv("FIVEFOLD_CI")
    with pytest.raises(pytest.skip.Exception, match="chromium"):
        chromium()
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh")
    program.chmod(0o755)
    assert chromium() == str(program)


# In the browser


@dataclass
class World:
    """A person with a browser, whose extension reaches the API over a wire."""

    api: Api
    ada: Person
    browser: Browser
    wire: Wire
    secret: str

    async def open(self, address: str) -> Page:
        """A page in a tab of its own."""
        page = await self.browser.context.new_page()
        await page.goto(address)
        return page

    async def node(self, slug: str = "openai") -> dict[str, Any]:
        """The link of a platform on the dashboard."""
        edges = (await self.api(DASHBOARD, token=self.ada.token)).data["privacyDashboard"]["links"]["edges"]
        (found,) = [edge["node"] for edge in edges if edge["node"]["platform"]["slug"] == slug]
        assert isinstance(found, dict)
        return found

    async def values(self, slug: str = "openai") -> dict[str, str]:
        """What the dashboard shows that was seen."""
        latest = (await self.node(slug))["latestSnapshot"]
        return {s["key"]: s["value"] for s in latest["settings"] if s["observed"]} if latest else {}

    async def history(self, slug: str = "openai") -> list[dict[str, Any]]:
        """The snapshots of a platform, the oldest first."""
        return await history(self.api, self.ada.token, (await self.node(slug))["id"])

    async def sent(self) -> None:
        """Nothing waits any more."""
        await until(self.browser.state, lambda state: state["waiting"] == 0)


@pytest.fixture
async def world(server: Embedded, template: str, jwt_key: Path, tmp_path: Path) -> AsyncIterator[World]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api, browsing(tmp_path) as browser:
            origin = f"chrome-extension://{extension_id()}"
            app = create_app(Settings(database_url=database.url("fivefold_api"), jwt_keys=[jwt_key], allowed_origins=[origin]))
            async with app.router.lifespan_context(app), listening(app) as port:
                wire = Wire(port)
                await wire.mend()
                ada = await api.person("ada")
                secret = await api_key(api, ada.token)
                await browser.connect(f"http://127.0.0.1:{wire.port}/graphql", secret)
                yield World(api, ada, browser, wire, secret)
                await wire.cut()


@pytest.mark.slow
async def test_a_toggle_is_on_the_dashboard_offline_and_online(world: World) -> None:
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    first = await until(world.values, bool)
    assert first == {
        "improve_model_for_everyone": "on",
        "include_audio_recordings": "off",
        "include_video_recordings": "off",
        "enable_memory": "on",
        "reference_chat_history": "on",
        "temporary_chat_personalization": "Personalized",
        "recommendation_notifications": "Push, Email",
    }
    node = await world.node()
    assert node["signedSince"] is not None
    assert node["latestSnapshot"]["device"]["name"].startswith("Browser extension")
    unsigned = scan(node["id"], await template_of(world.api, world.ada.token, "openai"))
    assert (await record(world.api, world.secret, unsigned)).code == "SIGNATURE_REQUIRED"

    await page.click(TOGGLE)
    await until(world.values, lambda values: values["improve_model_for_everyone"] == "off")
    (change,) = (await world.history())[-1]["changes"]
    assert (change["setting"], change["origin"], change["confidence"]) == ("improve_model_for_everyone", "USER", 1)

    # Two changes without a network: both wait, and both arrive, each at its moment.
    await world.wire.cut()
    for count, (action, value) in enumerate([("check", "on"), ("select", "Off")], 1):
        if action == "check":
            await page.click(TOGGLE)
        else:
            await page.focus("#recommendations")
            await page.keyboard.type(value)
        await until(world.browser.state, lambda state, count=count: state["waiting"] == count)  # type: ignore[misc]
    assert len(await world.history()) == 2
    assert (await world.browser.state())["pause"]["tries"] >= 1
    await world.wire.mend()
    await world.sent()
    snapshots = await world.history()
    assert [[(c["setting"], c["newValue"], c["origin"], c["confidence"]) for c in s["changes"]] for s in snapshots] == [
        [],
        [("improve_model_for_everyone", "off", "USER", 1)],
        [("improve_model_for_everyone", "on", "USER", 1)],
        [("recommendation_notifications", "Off", "USER", 1)],
    ]
    recent = (await world.api(DASHBOARD, token=world.ada.token)).data["privacyDashboard"]["recentChanges"]["edges"]
    assert [edge["node"]["newValue"] for edge in recent] == ["Off", "on", "off"]
    assert (await world.browser.state())["dropped"] == []


@pytest.mark.slow
async def test_what_waits_outlives_the_browser(world: World) -> None:
    """Closed without a network, opened with one: the same key signs what was queued, and nothing must be set again."""
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    await until(world.values, bool)
    device = (await world.node())["latestSnapshot"]["device"]["id"]
    await world.wire.cut()
    await page.click(TOGGLE)
    await until(world.browser.state, lambda state: state["waiting"] == 1)
    await world.browser.context.close()
    await world.wire.mend()
    await world.browser.start()
    await until(world.values, lambda values: values["improve_model_for_everyone"] == "off")
    assert (await world.node())["latestSnapshot"]["device"]["id"] == device
    await (await world.open(OPENAI)).click("#elsewhere")
    await until(world.values, lambda values: values["reference_chat_history"] == "off")


@pytest.mark.slow
async def test_an_answer_that_is_lost_makes_nothing_twice(world: World) -> None:
    """Of the registration, the link and the scan: each was done, and each is asked for again."""
    world.wire.deaf = True
    with pytest.raises(AssertionError, match="cannot be reached"):
        await world.browser.tell(type="watch", slug="openai", label="Personal")
    world.wire.deaf = False
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    await until(world.values, bool)
    lost = world.wire.lost
    world.wire.deaf = True
    await page.click(TOGGLE)
    await until(world.history, lambda snapshots: len(snapshots) == 2)
    assert world.wire.lost > lost
    world.wire.deaf = False
    await world.sent()
    assert len(await world.history()) == 2
    query = "{ devices { edges { node { id } } } platformLinks { edges { node { id } } } }"
    data = (await world.api(query, token=world.ada.token)).data
    assert (len(data["devices"]["edges"]), len(data["platformLinks"]["edges"])) == (1, 1)


@pytest.mark.slow
async def test_what_a_script_of_the_page_does_nobody_has_done(world: World) -> None:
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    await until(world.values, bool)
    await page.click("#elsewhere")
    await until(world.values, lambda values: values["reference_chat_history"] == "off")
    (change,) = (await world.history())[-1]["changes"]
    assert change["setting"] == "reference_chat_history"
    assert change["confidence"] < 1


@pytest.mark.slow
async def test_a_page_that_has_changed_is_proposed_and_recorded(world: World) -> None:
    await world.browser.watch("openai")
    await world.open(f"{OPENAI}|Carrier pigeon")
    await until(world.values, bool)
    query = """query Template($id: ID!) { platformLink(id: $id) {
      latestSnapshot { template { state settings { key options } } }
    } }"""
    answer = await world.api(query, {"id": (await world.node())["id"]}, token=world.ada.token)
    template = answer.data["platformLink"]["latestSnapshot"]["template"]
    assert template["state"] == "PROPOSED"
    (options,) = [s["options"] for s in template["settings"] if s["key"] == "recommendation_notifications"]
    assert options == ["Push, Email", "Push", "Email", "Off", "Carrier pigeon"]
    await world.sent()
    assert (await world.browser.state())["dropped"] == []


@pytest.mark.slow
async def test_what_will_never_be_taken_is_given_up_and_shown(world: World) -> None:
    """Here because the link was ended elsewhere; its pages are not read any more, either."""
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    await until(world.values, bool)
    await unlink(world.api, world.ada.token, (await world.node())["id"])
    await page.click(TOGGLE)
    state = await until(world.browser.state, lambda state: bool(state["dropped"]) and not state["watched"])
    assert [(entry["slug"], entry["code"]) for entry in state["dropped"]] == [("openai", "LINK_ENDED")]
    assert state["waiting"] == 0
    popup = await world.open(f"chrome-extension://{extension_id()}/popup.html")
    await popup.wait_for_selector("#dropped li")
    assert "LINK_ENDED" in (await popup.text_content("#dropped") or "")


@pytest.mark.slow
async def test_a_page_that_asks_for_a_password_is_reported(world: World) -> None:
    """Where settings were read before: a page on which none ever were says nothing."""
    await world.browser.watch("openai")
    await world.open("https://chatgpt.com/elsewhere?signed-out")
    await world.open(OPENAI)
    await until(world.values, bool)
    await world.open("https://chatgpt.com/?signed-out")
    query = "query Health($id: ID!) { platformLink(id: $id) { health } }"
    link_id = (await world.node())["id"]

    async def health() -> str:
        return str((await world.api(query, {"id": link_id}, token=world.ada.token)).data["platformLink"]["health"])

    await until(health, lambda found: found == "DISCONNECTED")


@pytest.mark.slow
async def test_a_revoked_browser_stops_until_a_person_connects_it_again(world: World) -> None:
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    await until(world.values, bool)
    first = (await world.node())["latestSnapshot"]["device"]["id"]
    await revoke(world.api, world.ada.token, first)
    await page.click(TOGGLE)
    state = await until(world.browser.state, lambda state: state["stopped"] is not None)
    assert (state["stopped"]["code"], state["waiting"]) == ("DEVICE_REVOKED", 1)
    await world.browser.connect(f"http://127.0.0.1:{world.wire.port}/graphql", world.secret)
    await until(world.values, lambda values: values["improve_model_for_everyone"] == "off")
    assert (await world.node())["latestSnapshot"]["device"]["id"] != first


@pytest.mark.slow
async def test_the_private_key_cannot_be_read_and_pages_learn_nothing(world: World) -> None:
    await world.browser.watch("openai")
    page = await world.open(OPENAI)
    await until(world.values, bool)
    script = """
    async () => {
      const { get } = await import("/store.js");
      const { pair } = await get("keys", "device");
      const tries = ["raw", "pkcs8", "jwk"].map((form) => crypto.subtle.exportKey(form, pair.privateKey));
      return (await Promise.allSettled(tries)).map((one) => one.status).concat(String(pair.privateKey.extractable));
    }
    """
    assert await world.browser.options.evaluate(script) == ["rejected", "rejected", "rejected", "false"]
    assert await page.evaluate("typeof chrome === 'undefined' || !chrome.runtime?.sendMessage")
    assert await page.evaluate("Object.keys(globalThis).filter((name) => name.includes('fivefold'))") == []


@pytest.mark.slow
async def test_links_and_radio_buttons_are_read_too(world: World) -> None:
    """Two platforms side by side; a page that is not watched is not read."""
    page = await world.open("https://www.linkedin.com/mypreferences/d/categories/privacy")
    await world.browser.watch("linkedin")
    await page.reload()
    first = await until(lambda: world.values("linkedin"), bool)
    assert first == {
        "generative_ai_data": "on",
        "two_step_verification": "off",
        "discover_by_email": "Anyone",
        "ads_age_range": "on",
    }
    await page.click("#e3")
    await until(lambda: world.values("linkedin"), lambda values: values["discover_by_email"] == "Nobody")
    (change,) = (await world.history("linkedin"))[-1]["changes"]
    assert (change["setting"], change["origin"], change["confidence"]) == ("discover_by_email", "USER", 1)
    elsewhere = await world.open("https://www.linkedin.com/feed/")
    await elsewhere.click("#e2")
    await asyncio.gather(page.click('[role="switch"]'), world.sent())
    assert len(await world.history("linkedin")) == 2
