"""All three endpoints in one application, so that they share interpreter, pool and settings: ``serve PORT``."""

from __future__ import annotations

import sys

import uvicorn
from starlette.routing import Mount, Route

from app import serve, settings
from app.kit import log
from app.server import create_app
from tests.benchmark import handwritten, stock

app = create_app(settings.read())
app.router.routes.append(Route("/dashboard", handwritten.dashboard, methods=["POST"]))
app.router.routes.append(Mount("/stock", stock.view))

if __name__ == "__main__":
    log.configure("json")
    serve.calm_collector()
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
