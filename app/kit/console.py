"""GraphiQL, the query page for a browser, served from files of our own so that it works without internet.

The vendored files and where they come from: console/README.md beside this module. The page may hold a token, so it is
for the demo on loopback: it is never cached, and its policy lets it load from and talk to this server only.
"""

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parent / "console"
STYLES = ("graphiql.min.css", "console.css")
SCRIPTS = ("react.min.js", "react-dom.min.js", "graphiql.min.js", "console.js")  # in the order they need each other
TYPES = {".css": "text/css", ".js": "text/javascript"}  # the system's own table differs from machine to machine

# Scripts only as files from here: nothing inline, no eval. data: is for the fonts and images inside graphiql.min.css.
# The nonce is for one <style> element that an open dialog or menu adds; the editors set styles from script, which no
# policy forbids, so 'unsafe-inline' is not needed.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src data:; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fivefold GraphiQL</title>
<link rel="icon" href="data:,">
{styles}
<script type="application/json" id="settings">{settings}</script>
{scripts}
</head>
<body>
<div id="console"><p>Loading GraphiQL. It needs JavaScript.</p></div>
</body>
</html>
"""


def routes() -> list[BaseRoute]:
    """One route per file the page loads, below /console/."""
    return [Route(address(name), _asset(name)) for name in STYLES + SCRIPTS]


def wanted(request: Request) -> bool:
    """Whether a GET of the GraphQL endpoint is a person's browser asking for the page and not a query in the URL."""
    html = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and html and "query" not in request.query_params


def page(*, endpoint: str, token: str | None, example: str) -> Response:
    """The page as HTML. `endpoint` is a path of this server ("/graphql"), `example` the query a new tab starts with.

    With a token the header editor starts with `Authorization: Bearer <token>`, without one the value is empty.
    """
    nonce = secrets.token_urlsafe(16)
    authorization = f"Bearer {token}" if token else ""
    settings = {
        "endpoint": endpoint,
        "headers": json.dumps({"Authorization": authorization}, indent=2),
        "example": example,
        "nonce": nonce,
    }
    html = PAGE.format(
        styles="\n".join(f'<link rel="stylesheet" href="{escape(address(name))}">' for name in STYLES),
        # Inside a script element only "<" can end or change the element; \u003c means the same to JSON.
        settings=json.dumps(settings).replace("<", "\\u003c"),
        scripts="\n".join(f'<script defer src="{escape(address(name))}"></script>' for name in SCRIPTS),
    )
    return HTMLResponse(
        html,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        },
    )


@cache
def address(name: str) -> str:
    """The path of an asset. The content's hash is in it, so a browser may keep it forever and still gets a new one."""
    digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
    return f"/console/{digest[:16]}/{name}"


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    path = FOLDER / name
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

    async def answer(_: Request) -> Response:
        return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)

    return answer
