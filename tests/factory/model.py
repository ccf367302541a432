"""A language model to test with: a real HTTP server on loopback that speaks OpenAI's chat completions, as well or as badly
as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.settings import Settings

KEY = "sk-test-0123456789-do-not-tell"
MODEL = "small-model-1"

Answer = Callable[[dict[str, Any]], Any]
"""What a request, as JSON, is answered with: a response, or the analysis that a well-behaved model returns."""


def good(request: dict[str, Any]) -> dict[str, Any]:
    """What a decent model answers."""
    settings = document(request)["settings"]
    return {
        "summary": "A new account exposes a lot.",
        "risk_score": 71,
        "recommendations": [f"Set {settings[0]['label']} to {settings[0]['recommended']}."],
        "categories": [
            {"category": name, "risk_score": 60, "insight": f"What {name} has in common."}
            for name in sorted({s["category"] for s in settings})
        ],
        "settings": [
            {
                "key": s["key"],
                "risk_score": s["risk"],
                "impact": "It is told on.",
                "recommendation": f"Choose {s['recommended']}.",
            }
            for s in settings
        ],
    }


def document(request: dict[str, Any]) -> dict[str, Any]:
    """The template in a request: its last message."""
    content = request["messages"][-1]["content"]
    found: dict[str, Any] = json.loads(content if isinstance(content, str) else content[0]["text"])
    return found


def changed(**fields: Any) -> Answer:
    """A good answer but for these fields."""
    return lambda request: good(request) | fields


def by_tool(
    request: dict[str, Any], arguments: Any, *, name: str | None = None, usage: Any = None, **other: Any
) -> JSONResponse:
    """A completion that calls the tool of the request, or another."""
    tool = name or (request.get("tools") or [{"function": {"name": "none"}}])[0]["function"]["name"]
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": text}}
    return completion({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls", usage, **other)


def by_text(text: str, *, finish: str = "stop", usage: Any = None, **message: Any) -> JSONResponse:
    """A completion in words."""
    return completion({"role": "assistant", "content": text, **message}, finish, usage)


def completion(message: dict[str, Any], finish: str, usage: Any = None, **other: Any) -> JSONResponse:
    """A chat completion of one message; it took 1,000 tokens in and 200 out unless ``usage`` says otherwise."""
    told = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200} if usage is None else usage
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": f"{MODEL}-2026-09-01",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": told,
    }
    return JSONResponse({name: value for name, value in (body | other).items() if value != "absent"})


def failing(status: int, **headers: str) -> Answer:
    """An error as providers word it: the key that they got is in its text."""
    error = {"message": f"Incorrect API key provided: {KEY}", "type": "some_error", "code": None, "param": None}
    return lambda request: JSONResponse({"error": error}, status, headers)


def raw(text: str | bytes, media_type: str = "application/json", **headers: str) -> Answer:
    """Any body."""
    return lambda request: Response(text, media_type=media_type, headers=headers)


def endless(chunk: bytes, pause: float = 0) -> Answer:
    """A body that never ends."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield chunk
            await asyncio.sleep(pause)

    return lambda request: StreamingResponse(body(), media_type="application/json")


@dataclass
class FakeModel:
    """``answers`` are given in turn, the last one for ever; ``requests`` and ``headers`` are what came."""

    url: str
    answers: list[Answer] = field(default_factory=lambda: [good])
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Set unless a test holds answers back."""

    def settings(self, **other: Any) -> Settings:
        """Of an operator who has set this model."""
        given: dict[str, Any] = {
            "analysis_model": MODEL,
            "analysis_url": self.url,
            "analysis_key": KEY,
            "analysis_seconds": 20,
            "analysis_price_in": "0.25",
            "analysis_price_out": "2",
        }
        return Settings(**(given | other))

    def will(self, *answers: Answer) -> None:
        """What it answers from now on."""
        self.answers = list(answers)

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.requests)

    async def answer(self, request: Request) -> Response:
        """One chat completion."""
        asked = await request.json()
        self.requests.append(asked)
        self.headers.append(dict(request.headers))
        await self.gate.wait()
        given = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(asked)
        return given if isinstance(given, Response) else _in_form(asked, given)


def _in_form(asked: dict[str, Any], analysis: Any) -> Response:
    return by_tool(asked, analysis) if asked.get("tools") else by_text(json.dumps(analysis))


@asynccontextmanager
async def fake_model(answers: Sequence[Answer] = (good,)) -> AsyncIterator[FakeModel]:
    """A model on a port of its own."""
    opened = socket.create_server(("127.0.0.1", 0))
    model = FakeModel(f"http://127.0.0.1:{opened.getsockname()[1]}/v1", list(answers))
    model.gate.set()
    app = Starlette(routes=[Route("/v1/chat/completions", model.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    running = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        yield model
    finally:
        model.gate.set()
        server.should_exit = server.force_exit = True
        await running
        opened.close()
