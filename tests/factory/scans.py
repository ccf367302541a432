"""Scans to test with."""

from __future__ import annotations

from app.kit.graphql import global_id
from tests.conftest import Api
from tests.factory.core import Person

SCAN = (
    "INSERT INTO scans.scan (workspace_id, id, account_id, reservation_id, deadline_at, host, masked_url, has_secrets,"
    " url_hash, url_sealed) SELECT workspace_id, uuidv7(), $2, id, now(), $3::text || '.example.com',"
    " 'https://' || $3::text || '.example.com/', false, sha256(convert_to($3::text, 'UTF8')), decode(repeat('78', 80), 'hex')"
    " FROM core.reservation WHERE workspace_id = $1 LIMIT 1 RETURNING id"
)


async def queued(api: Api, person: Person, word: str = "plain") -> str:
    """A scan that waits, paid for by a reservation that the person has; its global id."""
    async with api.database.connect() as admin:
        return global_id("Scan", str(await admin.fetchval(SCAN, person.workspace_id, person.account_id, word)))
