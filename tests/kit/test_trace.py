"""Traces: taken up, given back, and sent to a collector where one is configured."""

from __future__ import annotations

import asyncio
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from app.kit.trace import read_trace
from app.server import create_app
from app.settings import Settings
from tests.conftest import Api, Database

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_callers_trace_goes_on() -> None:
    trace = read_trace(PARENT)
    assert trace.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert trace.parent_id == "b7ad6b7169203331"
    assert re.fullmatch(rf"00-{trace.trace_id}-(?!{trace.parent_id})[0-9a-f]{{16}}-01", trace.traceparent)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        PARENT.upper(),
        PARENT + "0",
        "ff" + PARENT[2:],
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
    ],
)
def test_a_wrong_header_begins_a_new_trace(header: str | None) -> None:
    trace = read_trace(header)
    assert trace.parent_id is None
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", trace.traceparent)


async def test_the_answer_names_our_span(api: Api) -> None:
    ada = await api.person()
    answer = await api("{ __typename }", token=ada.token, traceparent=PARENT)
    assert answer.headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")


async def test_a_collector_gets_a_span_for_each_request(database: Database, api: Api, jwt_key: Path) -> None:
    received: list[tuple[str, bytes]] = []
    came = threading.Event()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=collector.serve_forever, daemon=True)
    thread.start()
    ada = await api.person()
    settings = Settings(
        database_url=database.url("fivefold_api"),
        jwt_keys=[jwt_key],
        otlp_endpoint=f"http://127.0.0.1:{collector.server_port}",
    )
    app = create_app(settings)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http,
        ):
            headers = {"Authorization": f"Bearer {ada.token}", "traceparent": PARENT}
            await http.post("/graphql", json={"query": "{ viewer { role } }"}, headers=headers)
            assert await asyncio.to_thread(came.wait, 20)
    finally:
        collector.shutdown()
        collector.server_close()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert bytes.fromhex("0af7651916cd43dd8448eb211c80319c") in body
    assert bytes.fromhex("b7ad6b7169203331") in body
