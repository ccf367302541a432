"""A real Chromium with the extension in it, settings pages under their platforms' names, and a network that can be cut."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import BrowserContext, Page, Playwright, async_playwright, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

EXTENSION = Path(__file__).parents[1] / "privacy" / "extension"
PAGES = {"chatgpt.com": "chatgpt.html", "www.linkedin.com": "linkedin.html"}
"""Which copy stands for which host of the platforms' configs."""
PATIENCE = 30.0
"""Seconds until what a test waits for is missing."""

T = TypeVar("T")


def chromium() -> str:
    """Where Chromium is. Debian: apt-get install chromium."""
    return need("chromium", "chromium-browser", "google-chrome-for-testing")


def need(*names: str) -> str:
    """A program that Python's packages do not bring. Without it a test is skipped, but fails in CI, which must have it."""
    for name in names:
        if found := shutil.which(name):
            return found
    if os.environ.get("FIVEFOLD_CI"):
        pytest.fail(f"no {names[0]} is on the PATH, and FIVEFOLD_CI says that there must be one")
    pytest.skip(f"no {names[0]} is on the PATH")


def extension_id() -> str:
    """What Chromium makes of the manifest's key: the first 128 bits of its hash, written in the letters a to p."""
    key = b64decode(json.loads((EXTENSION / "manifest.json").read_text())["key"])
    return "".join(chr(ord("a") + int(digit, 16)) for digit in hashlib.sha256(key).hexdigest()[:32])


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """The first answer that holds; what it is waited for shows no event to us."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        answer = await ask()
        if holds(answer):
            return answer
        assert asyncio.get_running_loop().time() < deadline, f"still {answer!r}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def listening(app: ASGIApp, **options: Any) -> AsyncIterator[int]:
    """An ASGI application behind uvicorn on a port of its own."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: _started(server), bool)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def _started(server: uvicorn.Server) -> bool:
    return server.started


@dataclass
class Wire:
    """A port that leads to another, until the wire is cut. ``deaf`` lets requests through and loses the answers."""

    target: int
    port: int = 0
    deaf: bool = False
    lost: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def mend(self) -> None:
        """Let everything through."""
        self.deaf = False
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Nothing answers any more, on open connections neither."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._copy(reader, back, False), self._copy(there, writer, True))
        finally:
            self._open -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if answers and self.deaf:
                    self.lost += 1
                    break
                sink.write(data)
                await sink.drain()
        sink.transport.abort()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody trusts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pages of the test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in PAGES])
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


async def _page(request: Request) -> Response:
    return FileResponse(EXTENSION / "pages" / PAGES[request.url.hostname or ""])


@dataclass
class Browser:
    """Chromium with the extension; ``options`` is its options page, from which it can be asked."""

    playwright: Playwright
    profile: Path
    arguments: list[str]
    context: BrowserContext = field(init=False)
    options: Page = field(init=False)

    async def start(self) -> None:
        """Open it, with what it kept from the last time."""
        self.context = await self.playwright.chromium.launch_persistent_context(
            self.profile,
            executable_path=chromium(),
            headless=False,
            ignore_default_args=["--disable-extensions"],
            args=self.arguments,
        )
        self.options = await self.context.new_page()
        await self.options.goto(f"chrome-extension://{extension_id()}/options.html")

    async def tell(self, **message: Any) -> Any:
        """What the service worker answers to the extension's own pages."""
        answer = await self.options.evaluate("message => chrome.runtime.sendMessage(message)", message)
        assert "error" not in answer, answer
        return answer.get("value")

    async def state(self) -> dict[str, Any]:
        """What the popup shows."""
        found: dict[str, Any] = await self.tell(type="state")
        return found

    async def connect(self, endpoint: str, api_key: str) -> None:
        """As a person does it in the options."""
        await self.options.fill("#endpoint", endpoint)
        await self.options.fill("#key", api_key)
        await self.options.evaluate("document.getElementById('status').textContent = ''")
        await self.options.click("#connection button")
        await expect(self.options.locator("#status")).to_have_text("Connected.")

    async def watch(self, slug: str) -> None:
        """Choose a platform."""
        await self.options.click(f"#watch-{slug}")
        await expect(self.options.locator("#status")).to_have_text(re.compile("is watched"))


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Browser]:
    """Chromium with the extension. The pages' hosts are granted beforehand: a prompt has no button that we could press."""
    chromium()
    copy = folder / "extension"
    shutil.copytree(EXTENSION, copy, ignore=shutil.ignore_patterns("pages", "*.md"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["host_permissions"] = [f"https://{host}/*" for host in PAGES]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    paths = certificate(folder)
    pages = listening(Starlette(routes=[Route("/{path:path}", _page)]), ssl_certfile=str(paths[0]), ssl_keyfile=str(paths[1]))
    async with pages as port, async_playwright() as playwright:
        hosts = "".join(f"MAP {host} 127.0.0.1:{port}," for host in PAGES)
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--ignore-certificate-errors",
            f"--disable-extensions-except={copy}",
            f"--load-extension={copy}",
            f"--host-resolver-rules={hosts}MAP * ~NOTFOUND,EXCLUDE 127.0.0.1",
        ]
        browser = Browser(playwright, folder / "profile", arguments)
        await browser.start()
        try:
            yield browser
        finally:
            await browser.context.close()
