"""Scans to test with."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from app.kit.graphql import global_id, parse_uuid
from app.scans.flow import find_neglected, run_scans
from app.settings import Settings
from tests.conftest import Answer, Api
from tests.factory.core import Person
from tests.factory.jobs import FOLDER, run_jobs

SCAN = (
    "INSERT INTO scans.scan (workspace_id, id, account_id, reservation_id, deadline_at, host, masked_url, has_secrets,"
    " url_hash, url_sealed) SELECT workspace_id, uuidv7(), $2, id, now() + interval '1 hour', $3::text || '.example.com',"
    " 'https://' || $3::text || '.example.com/', false, sha256(convert_to($3::text, 'UTF8')), decode(repeat('78', 80), 'hex')"
    " FROM core.reservation WHERE workspace_id = $1 LIMIT 1 RETURNING id"
)
SUBMIT = """
mutation($input: SubmitScanInput!) {
  submitScan(input: $input) { reused cost scan { id state version visibility maskedUrl host hasSecrets progress } }
}
"""
LOOPBACK: dict[str, Any] = {"mail_folder": Path(FOLDER.name), "scan_loopback": True, "scan_seconds": 2, "scan_judges": 0}
"""Settings of a worker that may fetch from this machine."""


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


RESULT = (
    "INSERT INTO scans.scan_result (workspace_id, scan_id, verdict, score, weights_version, categories, unchecked, reasoning,"
    " http_status, content_type, headers, final_host, cookie_names, form_hosts, content_hash)"
    " SELECT workspace_id, id, 'SUSPICIOUS', 45, 1, '{PHISHING}', '{NO_MODEL}', 'A test.', 200, 'text/html',"
    " '{\"server\": \"nginx\"}', host, '{session}', ARRAY[host], sha256(convert_to(host, 'UTF8'))"
    " FROM scans.scan WHERE id = $1"
)
VERDICT = (
    "INSERT INTO scans.engine_verdict (workspace_id, scan_id, engine, version, verdict, score, confidence, weight, categories,"
    " milliseconds) SELECT workspace_id, id, 'ADDRESS', 'address-1', 'SUSPICIOUS', 45, 0.9, 100, '{PHISHING}', 1"
    " FROM scans.scan WHERE id = $1"
)
INDICATOR = (
    "INSERT INTO scans.indicator (workspace_id, scan_id, engine, kind, weight, evidence)"
    " SELECT workspace_id, id, 'ADDRESS', 'BRAND_MISSPELLED', 45, 'ADDRESS' FROM scans.scan WHERE id = $1"
)


async def judged(api: Api, person: Person, word: str = "plain") -> str:
    """A completed scan with its result, as a worker would have written it; its global id."""
    scan_id = await completed(api, person, word)
    async with api.database.connect() as admin:
        for statement in (RESULT, VERDICT, INDICATOR):
            await admin.execute(statement, parse_uuid(scan_id, "Scan", field="id"))
    return scan_id


DISPUTE = "mutation($input: DisputeScanInput!) { disputeScan(input: $input) { dispute { id state } } }"


async def disputed(api: Api, person: Person, word: str = "plain") -> str:
    """An open dispute of a scan; its global id."""
    given = {"scanId": await judged(api, person, word), "claim": "FALSE_ALARM", "reason": f"{word} reason"}
    answer = await api(DISPUTE, {"input": given | {"idempotencyKey": f"{word} dispute"}}, token=person.token)
    return str(answer.data["disputeScan"]["dispute"]["id"])


ACCESS = (
    "INSERT INTO scans.access (workspace_id, scan_id, address, port, milliseconds, seq, kind, masked_url, url_hash)"
    " VALUES ($1, $2, '93.184.215.14', 443, 0, 0, 'PAGE', 'https://' || $3::text || '.example.com/',"
    " sha256(convert_to($3::text, 'UTF8'))) RETURNING id"
)
OUTCOME = "INSERT INTO scans.access_outcome (workspace_id, access_id, milliseconds, status) VALUES ($1, $2, 12, 200)"


async def touched(api: Api, person: Person, scan: str, word: str = "plain") -> str:
    """What a scan has touched: one page, which answered; the global id of that access."""
    async with api.database.connect() as admin:
        made = await admin.fetchval(ACCESS, person.workspace_id, parse_uuid(scan, "Scan", field="id"), word)
        await admin.execute(OUTCOME, person.workspace_id, made)
    return global_id("Access", str(made))


async def submit(api: Api, person: Person, url: str, **given: Any) -> Answer:
    """Ask for a scan, with a key of its own unless one is given."""
    return await api(SUBMIT, {"input": {"url": url, "idempotencyKey": str(uuid4())} | given}, token=person.token)


async def submitted(api: Api, person: Person, url: str, **given: Any) -> dict[str, Any]:
    """What was answered when it was not refused."""
    payload: dict[str, Any] = (await submit(api, person, url, **given)).data["submitScan"]
    return payload


async def run(api: Api, **settings: Any) -> None:
    """Run all that waits, as a worker would."""
    await run_jobs(api, [run_scans, find_neglected], Settings(**LOOPBACK | settings))


async def states(api: Api, person: Person) -> list[str]:
    """The states of a person's scans, the oldest first."""
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT state FROM scans.scan WHERE workspace_id = $1 ORDER BY id", person.workspace_id)
    return [row["state"] for row in rows]


async def credits_of(api: Api, person: Person) -> tuple[int, int]:
    """What is available, and what is held."""
    wallet = (await api("{ wallet { available reserved } }", token=person.token)).data["wallet"]
    return int(wallet["available"]), int(wallet["reserved"])


PUBLISH = "mutation($input: PublishScanInput!) { publishScan(input: $input) { token published { publicationId } } }"


async def published(api: Api, person: Person, scan_id: str, visibility: str = "PUBLIC") -> tuple[str, str | None]:
    """A judged scan that others may see; the publication's global id, and the token of an unlisted one."""
    given = {"scanId": scan_id, "visibility": visibility, "idempotencyKey": f"{scan_id} publication"}
    made = (await api(PUBLISH, {"input": given}, token=person.token)).data["publishScan"]
    return made["published"]["publicationId"], made["token"]


MONITOR = "mutation($input: CreateMonitorInput!) { createMonitor(input: $input) { monitor { id } } }"


async def monitored(api: Api, person: Person, word: str = "plain") -> str:
    """A URL that is scanned again and again; the monitor's global id."""
    given = {"url": f"https://{word}.example.com/", "intervalHours": 24, "idempotencyKey": f"{word} monitor"}
    return str((await api(MONITOR, {"input": given}, token=person.token)).data["createMonitor"]["monitor"]["id"])
