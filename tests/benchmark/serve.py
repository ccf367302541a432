"""All endpoints in Python in one application, so that they share interpreter, pool and settings: ``serve PORT``."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from app import serve, settings
from app.kit import log
from app.server import create_app
from app.settings import Settings
from tests.benchmark import handwritten, one_statement, stock


def create(given: Settings) -> Starlette:
    """The application."""
    app = create_app(given)
    app.router.routes += [*handwritten.routes, *one_statement.routes, Mount("/stock", stock.view)]
    return app


if __name__ == "__main__":
    log.configure("json")
    app = create(settings.read())
    serve.calm_collector()
    uvicorn.Server(serve.config(app, port=int(sys.argv[1]))).run()
