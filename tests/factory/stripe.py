"""A payment provider on this machine: it answers the calls of Stripe's library, and its events are signed as Stripe's are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import httpx
from stripe import WebhookSignature

from app.core.billing_event import apply_billing_event
from tests.conftest import Api
from tests.factory.jobs import run_jobs

SECRET = "whsec_of_the_tests"
KEY = "sk_test_of_the_tests"
BEGIN = 1_790_000_000
_numbers = count(1)


@dataclass
class Provider:
    """``objects`` by path are what it says now; ``calls`` are (method, path, body, idempotency key)."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    answers: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    broken: bool = False
    url: str = ""
    turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: str, key: str | None) -> tuple[int, dict[str, Any]]:
        """As Stripe would: the same key with the same body is answered the same."""
        with self.turn:
            self.calls.append((method, path, body, key))
            if self.broken:
                return 402, {"error": {"type": "card_error", "code": "card_declined", "message": KEY}}
            if method == "GET" and "?" in path:
                return 200, self.find(path)
            if method == "DELETE" and path in self.objects:
                if self.objects[path]["status"] == "canceled":
                    return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "no such"}}
                self.objects[path]["status"] = "canceled"
                return 200, self.objects[path]
            if key in self.answers:
                known, answer = self.answers[key]
                if known != path + body:
                    return 400, {"error": {"type": "idempotency_error", "message": "other parameters"}}
                return 200, answer
            if method == "GET" or path in self.objects:
                found = self.objects.get(path)
                if found is None:
                    return 404, {"error": {"type": "invalid_request_error", "message": "no such object"}}
                if "cancel_at_period_end=true" in body.lower():
                    found["cancel_at_period_end"] = True
                return 200, found
            name, number = path.removeprefix("/v1/").replace("/", "_"), next(_numbers)
            made = {"id": f"{name}_{number}", "object": name, "url": f"https://pay.example/{name}/{number}"}
            if key is not None:
                self.answers[key] = (path + body, made)
            return 200, made

    def find(self, path: str) -> dict[str, Any]:
        """A list: the objects under the path that have what is asked for."""
        base, _, query = path.partition("?")
        wanted = dict(parse_qsl(query))
        wanted.pop("limit", None)
        found = [
            each
            for name, each in self.objects.items()
            if name.startswith(f"{base}/") and all(each.get(key) == value for key, value in wanted.items())
        ]
        return {"object": "list", "url": base, "has_more": False, "data": found}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        status, answer = self.provider.answer(self.command, self.path, body, self.headers.get("idempotency-key"))
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names are those of http.server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def provider() -> Iterator[Provider]:
    """It runs until the end of the block."""
    made = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": made}))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def event(kind: str, found: dict[str, Any], created: int = BEGIN, id_: str | None = None) -> dict[str, Any]:
    """As Stripe sends it."""
    id_ = id_ or f"evt_{next(_numbers)}"
    return {"id": id_, "object": "event", "type": kind, "created": created, "livemode": False, "data": {"object": found}}


def subscription(workspace_id: UUID, status: str = "active", id_: str = "sub_1", **given: Any) -> dict[str, Any]:
    """A subscription as Stripe describes it."""
    period = {"current_period_start": BEGIN, "current_period_end": BEGIN + 30 * 86400}
    item = {"id": "si_1", "price": {"id": "price_pro"}, "quantity": 1} | period
    made: dict[str, Any] = {
        "id": id_,
        "object": "subscription",
        "status": status,
        "customer": f"cus_{workspace_id}",
        "items": {"data": [item]},
    }
    made |= {"cancel_at_period_end": False, "metadata": {"workspace_id": str(workspace_id)}, "trial_end": None}
    if status == "canceled":
        made["ended_at"] = BEGIN + 5
    return made | given


async def send(
    api: Api, told: dict[str, Any] | bytes, *, secret: str = SECRET, at: int | None = None, **headers: str
) -> httpx.Response:
    """POST an event, signed."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    signature = WebhookSignature.generate_signature_header(body.decode(errors="replace"), secret, at)
    sent = {"Stripe-Signature": signature, "Content-Type": "application/json"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return await api.http.post("/webhooks/stripe", content=body, headers=sent)


async def tell(api: Api, *told: dict[str, Any], settings: Any = None) -> None:
    """Send events, and do what they say, one after the other."""
    for each in told:
        assert (await send(api, each)).status_code == 200
        await run_jobs(api, [apply_billing_event], settings)


async def sell(api: Api) -> None:
    """Prices and a pack, as a curator would publish them."""
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.plan_price (plan_id, amount, valid_from, currency, billing_interval, provider_price_id)"
            " SELECT id, 900, now(), 'EUR', 'MONTH', 'price_' || slug FROM core.plan WHERE slug <> 'free'"
        )
        await admin.execute(
            "INSERT INTO core.credit_pack (slug, unit, credits, amount, valid_from, currency, provider_price_id)"
            " VALUES ('small', 'credit', 100, 500, now(), 'EUR', 'price_small')"
        )


async def bought(api: Api, workspace_id: UUID, session: str, **given: Any) -> dict[str, Any]:
    """The object of an event that says that a pack was paid."""
    async with api.database.connect() as admin:
        pack = await admin.fetchval("SELECT id FROM core.credit_pack WHERE slug = 'small'")
    metadata = {"workspace_id": str(workspace_id), "credit_pack_id": str(pack)}
    made = {"id": session, "object": "checkout.session", "mode": "payment", "payment_status": "paid", "metadata": metadata}
    return made | {"customer": f"cus_{workspace_id}"} | given


def charge(order: dict[str, Any], refunded: int, **given: Any) -> dict[str, Any]:
    """The charge of an order, of 500 cents, as Stripe describes it."""
    made = {"id": f"ch_{order['id']}", "object": "charge", "status": "succeeded", "amount": 500, "amount_refunded": refunded}
    shared = {name: order[name] for name in ("payment_intent", "customer", "metadata")}
    return made | shared | {"refunded": refunded == 500, "disputed": False} | given


def dispute(order: dict[str, Any], status: str, amount: int = 500) -> dict[str, Any]:
    """A dispute, which names neither customer nor workspace."""
    made = {"id": f"dp_{order['id']}", "object": "dispute", "amount": amount, "status": status, "metadata": {}}
    return made | {"charge": f"ch_{order['id']}", "payment_intent": order["payment_intent"]}


async def plan_of(api: Api, workspace_id: UUID) -> str:
    """The slug of a workspace's plan."""
    async with api.database.connect() as admin:
        return str(await admin.fetchval("SELECT plan FROM core.workspace WHERE id = $1", workspace_id))
