"""The GraphiQL page and its files: types, caching, policy, escaping, and that nothing comes from anywhere else."""

import hashlib
import json
import re
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.kit import console

VENDORED = sorted(console.FOLDER.glob("*.min.*"))


class Page(HTMLParser):
    """What a browser would see: every element with its attributes, and the text inside script elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside_scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and data.strip():
            self.inside_scripts.append(data)

    def loaded(self) -> list[str]:
        return [url for _, attrs in self.elements for name in ("src", "href") if (url := attrs.get(name))]


def client(token: str | None = "secret", example: str = "query Me { viewer { id } }") -> httpx.AsyncClient:
    async def graphql(request: Request) -> Response:
        if console.wanted(request):
            return console.page(endpoint="/graphql", token=token, example=example)
        return PlainTextResponse("not the page")

    app = Starlette(routes=[Route("/graphql", graphql, methods=["GET", "POST"]), *console.routes()])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def fetch_page(token: str | None = "secret", example: str = "query Me { viewer { id } }") -> httpx.Response:
    async with client(token, example) as browser:
        return await browser.get("/graphql", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})


def settings(answer: httpx.Response) -> dict[str, str]:
    (text,) = Page(answer.text).inside_scripts
    found: dict[str, str] = json.loads(text)
    return found


async def test_page_is_html_that_no_cache_keeps() -> None:
    answer = await fetch_page()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("method", "url", "accept"),
    [
        ("GET", "/graphql", "*/*"),
        ("GET", "/graphql", "application/json"),
        ("GET", "/graphql?query={viewer{id}}", "text/html"),
        ("POST", "/graphql", "text/html"),
    ],
)
async def test_other_requests_do_not_get_the_page(method: str, url: str, accept: str) -> None:
    async with client() as browser:
        answer = await browser.request(method, url, headers={"Accept": accept})
    assert answer.text == "not the page"


async def test_policy_names_no_other_origin_and_no_eval() -> None:
    answer = await fetch_page()
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    nonce = settings(answer)["nonce"]
    allowed = {"'none'", "'self'", "data:", f"'nonce-{nonce}'"}
    assert {source for sources in policy.values() for source in sources.split()} <= allowed


async def test_nonce_is_new_for_each_page() -> None:
    assert settings(await fetch_page())["nonce"] != settings(await fetch_page())["nonce"]


async def test_page_loads_only_our_files_and_runs_nothing_inline() -> None:
    page = Page((await fetch_page()).text)
    assert [url for url in page.loaded() if not re.match(r"/console/[0-9a-f]{16}/[a-z.-]+$", url)] == ["data:,"]
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    assert all(("src" in attrs) != (attrs.get("type") == "application/json") for attrs in scripts)
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on") or name == "style"]


async def test_every_file_the_page_loads_is_served_with_its_type_and_kept_forever() -> None:
    types = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
    async with client() as browser:
        html = (await browser.get("/graphql", headers={"Accept": "text/html"})).text
        urls = [url for url in Page(html).loaded() if url.startswith("/")]
        assert len(urls) == len(console.STYLES + console.SCRIPTS)
        for url in urls:
            answer = await browser.get(url)
            name = url.rsplit("/", 1)[1]
            assert answer.status_code == 200
            assert answer.content == (console.FOLDER / name).read_bytes()
            assert answer.headers["content-type"] == types[name.rsplit(".", 1)[1]]
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_only_the_listed_files_are_served() -> None:
    digest = console.address("console.js").split("/")[2]
    async with client() as browser:
        for url in ("/console/", "/console/console.js", f"/console/{digest}/README.md"):
            assert (await browser.get(url)).status_code == 404


async def test_settings_carry_endpoint_token_and_example() -> None:
    found = settings(await fetch_page("abc.def-1", "query Two {\n  two\n}"))
    assert found["endpoint"] == "/graphql"
    assert json.loads(found["headers"]) == {"Authorization": "Bearer abc.def-1"}
    assert found["example"] == "query Two {\n  two\n}"


async def test_without_a_token_the_authorization_header_is_empty() -> None:
    assert json.loads(settings(await fetch_page(None))["headers"]) == {"Authorization": ""}


@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>alert(1)</script>",
        "</SCRIPT ><img src=x onerror=alert(1)>",
        "<!--<script>",
        '"}</script>',
        "{styles} {0} \\u003c \u2028 \u00e9 &lt; '",
    ],
)
async def test_token_and_example_cannot_leave_the_settings(hostile: str) -> None:
    answer = await fetch_page(hostile, hostile)
    found = settings(answer)
    assert found["example"] == hostile
    assert json.loads(found["headers"]) == {"Authorization": f"Bearer {hostile}"}
    tags = [tag for tag, _ in Page(answer.text).elements]
    assert tags == [tag for tag, _ in Page((await fetch_page()).text).elements]
    assert answer.text.count("<!--") == 0


def test_vendored_files_are_the_ones_the_readme_names() -> None:
    readme = (console.FOLDER / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", readme, re.MULTILINE))
    assert named == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDORED}


def test_every_vendored_file_is_used() -> None:
    ours = {"console.css", "console.js"}
    assert {path.name for path in VENDORED} == set(console.STYLES + console.SCRIPTS) - ours


@pytest.mark.parametrize("name", console.STYLES)
def test_styles_load_nothing_but_what_they_contain(name: str) -> None:
    css = (console.FOLDER / name).read_text(encoding="utf-8")
    assert "@import" not in css
    assert [url for url in re.findall(r"url\(\s*[\"']?([^\"')]{0,40})", css) if not url.startswith("data:")] == []


@pytest.mark.parametrize("name", console.SCRIPTS)
def test_scripts_need_no_eval_no_worker_and_no_other_script(name: str) -> None:
    script = (console.FOLDER / name).read_text(encoding="utf-8")
    assert re.findall(r"\b(?:eval|Worker|import|importScripts)\(|\bnew Function\b|sourceMappingURL", script) == []
