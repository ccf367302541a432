"""Networks of API keys: a key that is used from where it never was is told to its owner, see app/core/security_alert.py.

Of a network, the /24 or /48, a hash is kept, keyed with the secret of the key itself. The database has a hash of that only, so
what is noted tells nobody where anybody was, not even who holds all of it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, ip_interface, ip_network
from uuid import UUID

from app.kit.context import Client
from app.kit.db import Db
from app.kit.sql import File

MOST = 500
"""Of one key."""
MAX_SEEN = 100_000


@dataclass(frozen=True)
class NotedNetwork:
    """The event that tells it, where the network is new."""

    event_id: UUID | None


sql = File("core/api_key_network")
upsert_api_key_network = sql.one("upsert_api_key_network", NotedNetwork)

_SEEN: dict[tuple[UUID, str], date] = {}
"""(key, network) -> the day for which it is noted. The network as it came: it is no file, and forgotten with the process."""


def widen(network: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 network: who moves within is not elsewhere."""
    address = ip_interface(network).ip
    return str(ip_network((address, 24 if isinstance(address, IPv4Address) else 48), strict=False))


def hash_network(secret: str, network: str) -> bytes:
    """16 bytes that only who has the key's secret can make of it."""
    return hmac.digest(secret.encode(), f"network {widen(network)}".encode(), hashlib.sha256)[:16]


async def note_network(db: Db, authorization: str | None, client: Client) -> None:
    """Note from where the key is used, in a transaction of its own: once a day and process. Raises AppError."""
    key_id, today = db.actor.api_key_id, datetime.now(UTC).date()
    if key_id is None or not client.network or _SEEN.get((key_id, client.network)) == today:
        return
    secret = (authorization or "").partition(" ")[2].strip()
    async with db.transaction():
        noted = await upsert_api_key_network(db, api_key_id=key_id, network=hash_network(secret, client.network), most=MOST)
    db.commits -= 1  # it does no harm twice
    if noted is None:
        return
    if len(_SEEN) >= MAX_SEEN:
        _SEEN.clear()
    _SEEN[key_id, client.network] = today
