"""The front-end example: types that are made from the schema, and a page that shows what happens while it happens."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from graphql import parse, validate
from playwright.async_api import async_playwright, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.kit.house import root
from app.server import create_app
from app.settings import Settings
from tests.conftest import Database
from tests.factory.browser import Wire, chromium, listening, need
from tests.factory.kit import SCHEMA, serving
from tests.factory.privacy import link, recorded, scan, template_of

FRONTEND = Path(__file__).parent / "frontend"
CACHE = Path(tempfile.gettempdir()) / "fivefold-npm"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder, and what it said."""
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def must(folder: Path, *words: str) -> None:
    """A command that must succeed."""
    done = run(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with exactly the packages of its lock file, none of whose scripts has run."""
    need("npm")
    folder = tmp_path_factory.mktemp("frontend") / "copy"
    shutil.copytree(FRONTEND, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "generated.ts"))
    must(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={CACHE}")
    return folder


def generate(folder: Path) -> subprocess.CompletedProcess[str]:
    """Make the types from the API's schema."""
    return run(folder, "node", "generate.mjs", str(root() / "schema.graphql"))


def test_documents_are_valid() -> None:
    assert validate(SCHEMA, parse((FRONTEND / "src" / "dashboard.graphql").read_text())) == []


@pytest.mark.slow
def test_types_are_made_from_the_schema_and_fit(installed: Path) -> None:
    done = generate(installed)
    assert done.returncode == 0, done.stderr
    must(installed, "npx", "--no-install", "tsc", "--noEmit")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "right", "wrong", "complaint"),
    [
        ("dashboard.graphql", "overallScore", "overallScores", "overallScores"),
        ("dashboard.graphql", "($after: String)", "($after: Int)", "after"),
        ("main.ts", "latestSnapshot.riskScore", "latestSnapshot.confidence", "confidence"),
        ("main.ts", 'origin === "USER"', 'origin === "NOBODY"', "NOBODY"),
        ("main.ts", "overallScore === null ?", "overallScore.toFixed() ?", "overallScore"),
        ("main.ts", "({ after })", "({ behind: after })", "behind"),
    ],
)
def test_what_does_not_fit_the_schema_does_not_pass(
    installed: Path, tmp_path: Path, file: str, right: str, wrong: str, complaint: str
) -> None:
    """A document in the generator, code in the type checker, by the name of what is wrong."""
    folder = tmp_path / "copy"
    shutil.copytree(installed, folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(installed / "node_modules")
    source = folder / "src" / file
    text = source.read_text()
    assert text.count(right) >= 1
    source.write_text(text.replace(right, wrong, 1))
    done = generate(folder)
    if file.endswith(".ts"):
        assert done.returncode == 0, done.stderr
        done = run(folder, "npx", "--no-install", "tsc", "--noEmit")
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr


@pytest.mark.slow
async def test_a_change_is_on_the_page_as_soon_as_it_is_known(installed: Path, database: Database, jwt_key: Path) -> None:
    """A change that came while the connection was lost is on it too, once, when it is back."""
    program = chromium()
    assert generate(installed).returncode == 0
    must(installed, "npm", "run", "build")
    async with serving(database, jwt_key) as api, async_playwright() as playwright:
        ada = await api.person("ada")
        template = await template_of(api, ada.token)
        key = next(s["key"] for s in template["settings"] if s["type"] == "TOGGLE")
        link_id = await link(api, ada.token)

        async def flip(day: int) -> None:
            await recorded(api, ada.token, scan(link_id, template, day=day, values={key: ("on", "off")[day % 2]}))

        await flip(0)
        settings = Settings(
            database_url=database.url("fivefold_api"), jwt_keys=[jwt_key], allowed_origins=["http://127.0.0.1:*"]
        )
        app = create_app(settings)
        page_app = Starlette(routes=[Mount("/", StaticFiles(directory=installed, html=True))])
        async with app.router.lifespan_context(app), listening(app) as port, listening(page_app) as page_port:
            wire = Wire(port)
            await wire.mend()
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{page_port}/index.html")
            await page.fill('[name="url"]', f"http://127.0.0.1:{wire.port}/graphql")
            await page.fill('[name="token"]', ada.token)
            async with page.expect_websocket() as opened:
                await page.click("button")
            await (await opened.value).wait_for_event("framereceived", lambda frame: "pong" in frame)
            await expect(page.locator("#links li")).to_have_count(1)
            await expect(page.locator("#links li")).to_contain_text("Google")
            await expect(page.locator("#score")).to_contain_text("of 100")
            await flip(1)
            await expect(page.locator("#changes li")).to_have_count(1)
            await wire.cut()
            await flip(2)
            await asyncio.gather(wire.mend(), flip(3))
            await expect(page.locator("#changes li")).to_have_count(3)
            await page.fill('[name="token"]', "wrong")
            await page.click("button")
            await expect(page.locator("#status")).not_to_be_empty()
            await browser.close()
            await wire.cut()
