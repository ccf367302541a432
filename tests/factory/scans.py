"""Scans to test with."""

from __future__ import annotations

from app.kit.graphql import global_id, parse_uuid
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


STEP = (
    "UPDATE scans.scan SET state = $2,"
    " failure = CASE WHEN $2 IN ('FAILED', 'TIMED_OUT') THEN 'A_TEST' END,"
    " finished_at = CASE WHEN $2 IN ('COMPLETED', 'FAILED', 'TIMED_OUT') THEN now() END,"
    " lease_until = CASE WHEN $2 IN ('FETCHING', 'ANALYZING') THEN now() END WHERE id = $1"
)


async def completed(api: Api, person: Person, word: str = "plain") -> str:
    """A scan of which nothing more is known than that it was judged; its global id."""
    scan_id = await queued(api, person, word)
    async with api.database.connect() as admin:
        for state in ("FETCHING", "ANALYZING", "COMPLETED"):
            await admin.execute(STEP, parse_uuid(scan_id, "Scan", field="id"), state)
    return scan_id


DISPUTE = "mutation($input: DisputeScanInput!) { disputeScan(input: $input) { dispute { id state } } }"


async def disputed(api: Api, person: Person, word: str = "plain") -> str:
    """An open dispute of a scan; its global id."""
    given = {"scanId": await completed(api, person, word), "claim": "FALSE_ALARM", "reason": f"{word} reason"}
    answer = await api(DISPUTE, {"input": given | {"idempotencyKey": f"{word} dispute"}}, token=person.token)
    return str(answer.data["disputeScan"]["dispute"]["id"])


ACCESS = (
    "INSERT INTO scans.access (workspace_id, scan_id, address, port, milliseconds, seq, status, kind, masked_url, url_hash)"
    " VALUES ($1, $2, '93.184.215.14', 443, 12, 0, 200, 'PAGE', 'https://' || $3::text || '.example.com/',"
    " sha256(convert_to($3::text, 'UTF8'))) RETURNING id"
)


async def touched(api: Api, person: Person, scan: str, word: str = "plain") -> str:
    """What a scan has touched: one page; the global id of that access."""
    async with api.database.connect() as admin:
        return global_id(
            "Access", str(await admin.fetchval(ACCESS, person.workspace_id, parse_uuid(scan, "Scan", field="id"), word))
        )
