"""Running the API server: what must hold before it takes requests, and the loop itself."""

from __future__ import annotations

import errno
import gc
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from app.core.data_key import check_keys
from app.core.health import fetch_login
from app.kit import migrate
from app.kit.bootstrap import connect
from app.kit.document import Documents, read_trusted
from app.kit.errors import SetupError
from app.kit.joined import Joined
from app.kit.log import log
from app.kit.pool import open_pool
from app.kit.websocket import MAX_MESSAGE_BYTES
from app.schema import schema
from app.server import create_app
from app.settings import Settings

SILENT_SECONDS = 60


async def check_login(url: str, role: str) -> None:
    """Refuse an old server, a login that the policies do not hold back, and a cluster without our roles."""
    connect(url).close()
    pool = await open_pool(url, size=1, name="fivefold-check", statement_seconds=10)
    try:
        login = await fetch_login(pool)
    finally:
        await pool.close()
    if login.missing_roles:
        raise SetupError(f"The database lacks the role {login.missing_roles[0]}: run `fivefold bootstrap` as an administrator.")
    if login.passes_policies:
        raise SetupError(f"{login.name} passes by the isolation of tenants: let DATABASE_URL log in as {role}.")


def check_migrations(url: str) -> None:
    """Refuse a database that lacks what this code needs, or that needs newer code."""
    status = migrate.releases(url)
    if status.pending_pre:
        raise SetupError(
            f"The database lacks {len(status.pending_pre)} migrations that this code needs, first {status.pending_pre[0]}: "
            "run `fivefold migrate up`."
        )
    if status.too_old:
        raise SetupError(f"The database needs release {status.minimum_release} or newer of this program.")
    for name in status.pending_post:
        log.warning("migration pending", migration=name)


async def check_vault(url: str, settings: Settings) -> None:
    """Refuse to begin without the keys that secrets are sealed with: the first who needs one would be told of an error."""
    pool = await open_pool(url, size=1, name="fivefold-check", statement_seconds=10)
    try:
        await check_keys(pool, settings)
    finally:
        await pool.close()


def check_documents(settings: Settings) -> None:
    """Refuse trusted documents that cannot be read or do not fit the schema, before a server has begun to open."""
    if settings.trusted_documents:
        Documents(schema._schema, read_trusted(settings.trusted_documents))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SetupError when the port is taken or the address is none of ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except (OSError, OverflowError) as error:
        opened.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise SetupError(f"Port {port} on {host} is in use: stop what uses it, or pass another --port.") from None
        raise SetupError(f"Cannot listen on {host} port {port}: {error}.") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # whoever stops reading is let go, whatever waits for it
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000)
    opened.listen(1024)
    return opened


def calm_collector() -> None:
    """What is there now stays: the collector need not look at it again, nor run for the objects of each answer."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def config(app: Starlette, trusted_proxies: Sequence[str] = (), *, port: int = 8000) -> uvicorn.Config:
    """How uvicorn serves the application, at ``port`` where it is given no socket. Only proxies that are trusted say for
    whom they ask."""
    return uvicorn.Config(
        app,
        http=Joined,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=10,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # its tables take tens of kilobytes of each connection
    )


def run(
    settings: Settings, opened: socket.socket, *, console_token: str | None = None, ready: Callable[[], object] = lambda: None
) -> None:
    """Serve until a signal comes; open requests are finished first. ``ready`` is called before the first is taken."""
    server = uvicorn.Server(config(create_app(settings, console_token=console_token), settings.trusted_proxies))
    calm_collector()
    ready()
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has shut down
        server.run(sockets=[opened])
    if not server.started:
        raise SetupError("The server could not start; the lines above say why.")
