"""Accesses: what was touched is written down once, and whoever alters it is found."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app import audit, people
from app.core.audit_block import Sealer
from app.core.audit_verify import ALTERED
from app.core.erasure import erase_due
from app.core.retention import Night
from app.core.upkeep import Nothing
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.egress import is_public
from app.kit.embedded import Embedded
from app.kit.graphql import global_id, parse_uuid
from app.kit.jobs import enqueue
from app.kit.note import read_private_key
from app.kit.pool import open_pool
from app.kit.token import create_key
from app.scans.access import BATCH, Ahead, purge_accesses, record_accesses, record_all_accesses
from app.scans.fetch import observe
from app.scans.network import NOT_KNOWN, Networks, networks_of
from app.scans.observation import FetchFailure, Hop, Observation, Tls, Touch
from app.scans.url import url_hash
from app.settings import Settings
from tests.conftest import Api, Database, copy_of
from tests.core.test_audit_block import seal
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import inhabit, serving
from tests.factory.mmdb import write_mmdb
from tests.factory.scans import queued, touched
from tests.factory.web import MARKER, hostile_web, redirect

KEY = bytes(range(32))
ENTRY = (
    "id scanId seq kind maskedUrl address asn port status failure milliseconds contentSha256 certificateSha256 trial recordedAt"
    " ended"
)
LOG = (
    "query($id: ID!, $first: Int, $after: String) { accessLog(scanId: $id, first: $first, after: $after)"
    f" {{ edges {{ cursor node {{ {ENTRY} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
)
TLS = Tls("TLSv1.3", "x", b"c" * 32, "", datetime.now(UTC), datetime.now(UTC), True)
PUBLIC = ip_address("93.184.215.14")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    file = write_mmdb(tmp_path_factory.mktemp("networks") / "asn.mmdb", {"93.184.215.0/24": {"asn": "AS15133"}})
    return networks_of(Settings(scan_networks=str(file)))


def seen(*hops: Hop, **given: Any) -> Observation:
    return Observation(url=hops[0].url, hops=hops, final_url=hops[-1].url, **given)


def hop(seq: int = 0, url: str = "https://example.com/", **given: Any) -> Hop:
    said: dict[str, Any] = {"address": PUBLIC, "port": 443, "status": 200, "milliseconds": 5} | given
    return Hop(seq, url, **said)


@pytest.fixture(scope="module")
async def ada(shared: Api) -> Person:
    return await inhabit(shared, "ada", "ada")


@asynccontextmanager
async def worker(api: Api, person: Person) -> AsyncIterator[Db]:
    """The worker at work for somebody."""
    pool = await open_pool(api.database.url("fivefold_worker"), size=1, name="test", statement_seconds=30)
    db = Db(pool, Actor(person.account_id, person.workspace_id, "owner"), uuid4())
    try:
        yield db
    finally:
        await db.close()
        await pool.close()


@asynccontextmanager
async def ahead(api: Api, person: Person, networks: Networks = NOT_KNOWN) -> AsyncIterator[tuple[Ahead, Db]]:
    """What writes before somebody's scans touch anything."""
    async with worker(api, person) as db:
        writes = Ahead(db, KEY, trial=False, networks=networks)
        try:
            yield writes, db
        finally:
            await writes.close()


async def record(api: Api, person: Person, scan: str, *observations: Observation, networks: Networks = NOT_KNOWN) -> None:
    """As a scan's job does it."""
    async with worker(api, person) as db:
        for each in observations:
            async with db.transaction():
                await record_accesses(db, parse_uuid(scan, "Scan", field="id"), each, KEY, networks)


async def log(api: Api, person: Person, scan: str) -> list[dict[str, Any]]:
    """The first first."""
    edges = (await api(LOG, {"id": scan, "first": 100}, token=person.token)).data["accessLog"]["edges"]
    return [edge["node"] for edge in reversed(edges)]


async def test_every_request_is_a_row(shared: Api, ada: Person) -> None:
    scan = await queued(shared, ada)
    async with hostile_web() as web:
        web.pages["/start"] = redirect(f"/reset?token={MARKER}{MARKER}{MARKER}")
        web.pages["/reset"] = redirect("/phishing")
        found = await observe(web.url("/start"), loopback=True)
        assert [each.status for each in found.requests] == [302, 302, 200, 200]
        await record(shared, ada, scan, found)
        rows = await log(shared, ada, scan)
        assert [(row["seq"], row["kind"], row["status"], row["failure"]) for row in rows] == [
            (0, "PAGE", 302, None),
            (1, "PAGE", 302, None),
            (2, "PAGE", 200, None),
            (3, "ICON", 200, None),
        ]
        assert {(row["address"], row["port"], row["trial"], row["scanId"]) for row in rows} == {
            ("127.0.0.1", web.port, True, scan)
        }
        assert found.content_sha256 is not None
        assert found.favicon_sha256 is not None
        assert [row["contentSha256"] for row in rows] == [None, None, found.content_sha256.hex(), found.favicon_sha256.hex()]
        assert rows[0]["maskedUrl"] == web.url("/start")
        assert MARKER not in str(rows)
        urls = [web.url("/start"), web.url("/phishing"), web.url("/favicon.ico")]
        async with shared.database.connect() as admin:
            hashes = {row[0] for row in await admin.fetch("SELECT url_hash FROM scans.access WHERE scan_id = $1", key_of(scan))}
        assert {url_hash(KEY, url) for url in urls} < hashes


async def test_networks_are_written_before_they_are_touched(shared: Api, ada: Person, networks: Networks) -> None:
    """And of what was refused there is none; what the file does not know stays unknown."""
    scan, other = await queued(shared, ada), ip_address("8.8.8.8")
    async with ahead(shared, ada, networks) as (log_ahead, _):
        await log_ahead.note(key_of(scan), Touch(0, "https://example.com/", PUBLIC, 443, False))
    assert [(row["asn"], row["ended"]) for row in await log(shared, ada, scan)] == [("15133", False)]
    refused = hop(2, address=None, port=0, status=None, failure=FetchFailure.ADDRESS_REFUSED)
    await record(shared, ada, scan, seen(hop(0), hop(1, address=other), refused), networks=networks)
    assert [row["asn"] for row in await log(shared, ada, scan)] == ["15133", "15133", None, None]


def key_of(scan: str) -> UUID:
    return parse_uuid(scan, "Scan", field="id")


async def test_many_scans_are_told_at_once(shared: Api, ada: Person) -> None:
    scans = [await queued(shared, ada) for _ in range(3)]
    async with worker(shared, ada) as db, db.transaction():
        told = [(key_of(scan), seen(*(hop(seq) for seq in range(count)))) for count, scan in enumerate(scans, 1)]
        await record_all_accesses(db, told, KEY)
        await record_all_accesses(db, [], KEY)
    assert [[row["seq"] for row in await log(shared, ada, scan)] for scan in scans] == [[0], [0, 1], [0, 1, 2]]


async def test_what_is_touched_is_written_before(shared: Api, ada: Person) -> None:
    """Of many scans together; and how it went afterwards, which nobody knows of those whose worker was lost."""
    scans = [await queued(shared, ada) for _ in range(5)]
    touch = Touch(0, "https://example.com/?token=abcdefgh12345678", PUBLIC, 443, icon=False)
    async with ahead(shared, ada) as (log_ahead, db):
        ids = await asyncio.gather(*(log_ahead.note(key_of(scan), touch) for scan in scans))
        assert db.statements == ["scans/access.insert_access_ahead"]
        (row,) = await log(shared, ada, scans[0])
        assert (row["address"], row["port"], row["kind"], row["maskedUrl"]) == (
            "93.184.215.14",
            443,
            "PAGE",
            "https://example.com/?token=***",
        )
        assert row["id"] == global_id("Access", str(ids[0]))
        assert [row[each] for each in ("status", "failure", "milliseconds", "contentSha256", "ended")] == [None] * 4 + [False]
        icon = await log_ahead.note(key_of(scans[0]), replace(touch, seq=1, icon=True))
    gone: dict[str, Any] = {"status": None, "failure": FetchFailure.CONNECTION_FAILED}
    await record(
        shared,
        ada,
        scans[0],
        seen(hop(access_id=ids[0], tls=TLS), content_sha256=b"b" * 32, favicon=hop(1, access_id=icon, **gone)),
    )
    asked = ("kind", "status", "failure", "milliseconds", "contentSha256", "certificateSha256", "ended")
    assert [[row[each] for each in asked] for row in await log(shared, ada, scans[0])] == [
        ["PAGE", 200, None, 5, (b"b" * 32).hex(), (b"c" * 32).hex(), True],
        ["ICON", None, "CONNECTION_FAILED", 5, None, None, True],
    ]
    for scan in scans[1:]:
        assert [row["ended"] for row in await log(shared, ada, scan)] == [False]


async def test_what_no_row_may_hold_is_not_touched_and_keeps_no_other_back(shared: Api, ada: Person) -> None:
    scans = [await queued(shared, ada) for _ in range(3)]
    touch = Touch(0, "https://example.com/", PUBLIC, 443, icon=False)
    own = replace(touch, address=ip_address("10.0.0.1"))
    async with ahead(shared, ada) as (log_ahead, _):
        asked = [log_ahead.note(key_of(scan), each) for scan, each in zip(scans, (touch, own, touch), strict=True)]
        said = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, UUID) for each in said] == [True, False, True]
    assert isinstance(said[1], asyncpg.CheckViolationError)
    assert [len(await log(shared, ada, scan)) for scan in scans] == [1, 0, 1]


async def test_whoever_waits_when_it_is_over_is_told(shared: Api, ada: Person) -> None:
    scan = await queued(shared, ada)
    async with ahead(shared, ada) as (log_ahead, _):
        waiting = asyncio.create_task(log_ahead.note(key_of(scan), Touch(0, "https://example.com/", PUBLIC, 443, icon=False)))
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await log(shared, ada, scan) == []


async def test_what_was_refused_is_told_without_an_address(shared: Api, ada: Person) -> None:
    scan = await queued(shared, ada)
    async with hostile_web() as web:
        for url in ("http://10.0.0.1/x", "file:///etc/passwd", "http://user:secret@example.com/"):
            web.pages["/away"] = redirect(url)
            await record(shared, ada, scan, await observe(web.url("/away"), loopback=True))
    rows = await log(shared, ada, scan)
    assert [(row["address"], row["status"], row["failure"]) for row in rows[1::2]] == [
        (None, None, "ADDRESS_REFUSED"),
        (None, None, "URL_REFUSED"),
        (None, None, "URL_REFUSED"),
    ]
    assert [row["maskedUrl"] for row in rows[1::2]] == ["http://10.0.0.1/***", "***", "***"], "a server named it"


async def test_the_audit_tells_the_whole_row(shared: Api, ada: Person) -> None:
    """What its event holds is enough to prove each column; URLs and hashes as digests."""
    scan = await queued(shared, ada)
    await record(shared, ada, scan, seen(hop(tls=TLS), content_sha256=b"b" * 32))
    (row,) = await log(shared, ada, scan)
    asked = (
        'query($id: ID!) { auditEvents(object: "scans.access", objectId: $id)'
        " { edges { node { action objectId detail } } } node(id: $id) { id } }"
    )
    found = (await shared(asked, {"id": row["id"]}, token=ada.token)).data
    ((edge,), node) = found["auditEvents"]["edges"], found["node"]
    assert (edge["node"]["action"], edge["node"]["objectId"], node["id"]) == ("INSERT", row["id"], row["id"])
    detail = edge["node"]["detail"]
    assert detail.pop("scan_id") == str(key_of(scan))
    assert detail == {
        "address": "93.184.215.14",
        "asn": None,
        "port": 443,
        "milliseconds": 5,
        "seq": 0,
        "status": 200,
        "trial": False,
        "kind": "PAGE",
        "failure": None,
        "sha256:masked_url": hashlib.sha256(b"https://example.com/").hexdigest(),
        "sha256:url_hash": hashlib.sha256(url_hash(KEY, "https://example.com/")).hexdigest(),
        "sha256:content_sha256": hashlib.sha256(b"b" * 32).hexdigest(),
        "sha256:certificate_sha256": hashlib.sha256(b"c" * 32).hexdigest(),
    }


async def test_certificates_are_told_by_their_hash(shared: Api, ada: Person) -> None:
    scan = await queued(shared, ada)
    await record(shared, ada, scan, seen(hop(tls=TLS), hop(1, address=None, status=None, failure=FetchFailure.NAME_NOT_FOUND)))
    rows = await log(shared, ada, scan)
    assert [row["certificateSha256"] for row in rows] == [(b"c" * 32).hex(), None]
    assert rows[0]["recordedAt"].startswith(f"{datetime.now(UTC):%Y-}")


async def test_the_log_is_read_in_pages_by_its_workspace_alone(shared: Api, ada: Person) -> None:
    eve, scan = await shared.person("eve"), await queued(shared, ada)
    await record(shared, ada, scan, seen(*(hop(seq) for seq in range(5))))
    answer = await shared(LOG, {"id": scan, "first": 2}, token=ada.token)
    page = answer.data["accessLog"]
    assert ([edge["node"]["seq"] for edge in page["edges"]], page["pageInfo"]["hasNextPage"]) == ([4, 3], True)
    assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
    rest = await shared(LOG, {"id": scan, "first": 9, "after": page["pageInfo"]["endCursor"]}, token=ada.token)
    assert [edge["node"]["seq"] for edge in rest.data["accessLog"]["edges"]] == [2, 1, 0]
    assert (await shared(LOG, {"id": scan}, token=eve.token)).code == "NOT_FOUND"
    assert (await shared(LOG, {"id": global_id("Scan", str(uuid4()))}, token=ada.token)).code == "NOT_FOUND"
    assert (await shared(LOG, {"id": str(uuid4())}, token=ada.token)).code == "BAD_ID"
    node = page["edges"][0]["node"]["id"]
    one = "query($id: ID!) { node(id: $id) { ... on Access { seq } } }"
    assert (await shared(one, {"id": node}, token=ada.token)).data == {"node": {"seq": 4}}
    assert (await shared(one, {"id": node}, token=eve.token)).data == {"node": None}


async def test_no_row_of_somebody_elses_scan(shared: Api, ada: Person) -> None:
    eve, scan = await shared.person("eve"), await queued(shared, ada)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await record(shared, eve, scan, seen(hop()))
    assert await log(shared, ada, scan) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"address": "127.0.0.1"}, "access_address_public"),
        ({"address": "10.0.0.1", "trial": True}, "access_address_public"),
        ({"address": "::ffff:127.0.0.1", "trial": True}, "access_address_public"),
        ({"address": "64:ff9b::a9fe:a9fe"}, "access_address_public"),
        ({"address": "93.184.0.0/16"}, "access_address_public"),
        ({"address": "168.63.129.16"}, "access_address_public"),
        ({"address": None}, "access_refused_has_failure"),
        ({"port": 65536}, "access_port_range"),
        ({"status": 600}, "access_status_range"),
        ({"seq": -1}, "access_seq_not_negative"),
        ({"kind": "BODY"}, "access_kind_known"),
        ({"failure": "page said <b>no</b>"}, "access_failure_form"),
        ({"masked_url": ""}, "access_masked_url_length"),
        ({"url_hash": b"x"}, "access_url_hash_length"),
        ({"content_sha256": b"<html>"}, "access_content_length"),
        ({"certificate_sha256": b"x"}, "access_certificate_length"),
        ({"milliseconds": -1}, "access_milliseconds_not_negative"),
    ],
    ids=lambda value: value if isinstance(value, str) else "_".join(map(str, value.values()))[:20].replace("/", "-"),
)
async def test_what_no_row_may_say(shared: Api, ada: Person, change: dict[str, Any], rule: str) -> None:
    """What the code makes sure of, made sure of once more where it lies: an address of ours cannot even be written down."""
    scan = await queued(shared, ada)
    row = {
        "workspace_id": ada.workspace_id,
        "scan_id": key_of(scan),
        "address": "93.184.215.14",
        "port": 443,
        "milliseconds": 1,
        "seq": 0,
        "status": 200,
        "trial": False,
        "kind": "PAGE",
        "failure": None,
        "masked_url": "https://example.com/",
        "url_hash": b"h" * 32,
        "content_sha256": None,
        "certificate_sha256": None,
    } | change
    casts = ["::text::inet" if name == "address" else "" for name in row]
    marks = ", ".join(f"${place}{cast}" for place, cast in enumerate(casts, 1))
    async with shared.database.connect() as admin:
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await admin.execute(f"INSERT INTO scans.access ({', '.join(row)}) VALUES ({marks})", *row.values())
    assert refused.value.constraint_name == rule


EDGES = """
0.255.255.255 1.0.0.0 9.255.255.255 10.0.0.0 11.0.0.0 100.63.255.255 100.64.0.0 100.127.255.255 100.128.0.0 126.255.255.255
127.0.0.1 128.0.0.0 168.63.129.15 168.63.129.16 168.63.129.17 169.253.255.255 169.254.0.0 169.255.0.0 172.15.255.255 172.16.0.0
172.31.255.255 172.32.0.0 191.255.255.255 192.0.0.192 192.0.1.0 192.0.2.0 192.0.3.0 192.31.196.0 192.31.197.0 192.52.193.1
192.88.98.255 192.88.99.0 192.88.100.0 192.167.255.255 192.168.0.0 192.169.0.0 192.175.48.0 198.17.255.255 198.18.0.0 198.20.0.0
198.51.100.0 198.51.101.0 203.0.113.0 203.0.114.0 223.255.255.255 224.0.0.0 255.255.255.255 1fff::1 2000::1 2001::1
2001:1ff:ffff::1 2001:200::1 2001:db8::1 2001:db9::1 2001:0db8:ffff::1 2002::1 2003::1 2606:4700::5efe:808:808
2606:4700::200:5efe:808:808 2606:4700::100:5efe:808:808 2620:4f:8000::1 2620:4f:8001::1 3ffe::1 3fff::1 3fff:1000::1 4000::1 ::
::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::808:808 fc00::1 fe80::1 ff02::1
"""


async def test_the_database_knows_the_same_addresses(shared: Api) -> None:
    random = Random(7)  # noqa: S311 - the same ones with each run
    found = [ip_address(each) for each in EDGES.split()]
    found += [IPv4Address(random.getrandbits(32)) for _ in range(3000)]
    found += [IPv6Address(random.getrandbits(128)) for _ in range(1000)]
    found += [IPv6Address(0x2 << 124 | random.getrandbits(125)) for _ in range(2000)]
    async with shared.database.connect() as admin:
        said = await admin.fetch("SELECT scans.is_public(a) FROM unnest($1::inet[]) AS a", found)
    assert [(str(each), row[0]) for each, row in zip(found, said, strict=True)] == [
        (str(each), is_public(each)) for each in found
    ]


async def test_nobody_changes_a_row(shared: Api, ada: Person) -> None:
    """Neither a login by its grants, nor an administrator while the triggers stand, whatever he says of replication."""
    access = await touched(shared, ada, await queued(shared, ada))
    key = parse_uuid(access, "Access", field="id")
    texts = [
        text.format(table)
        for table in ("scans.access", "scans.access_outcome")
        for text in ("UPDATE {} SET status = 404", "DELETE FROM {}", "TRUNCATE {} CASCADE")
    ]
    for login in ("fivefold_api", "fivefold_worker"):
        async with shared.database.connect(login) as connection:
            await connection.execute("SELECT set_config('fivefold.workspace_id', $1, false)", str(ada.workspace_id))
            for text in texts:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(text)
    async with shared.database.connect("fivefold_api") as connection:
        for table in ("access", "access_outcome"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"INSERT INTO scans.{table} DEFAULT VALUES")
    async with shared.database.connect() as admin:
        for role in ("origin", "replica", "local"):
            await admin.execute(f"SET session_replication_role = {role}")
            for text in texts:
                with pytest.raises(asyncpg.PostgresError, match="append-only"):
                    await admin.execute(text)
        assert await admin.fetchval("SELECT status FROM scans.access_outcome WHERE access_id = $1", key) == 200


# Proof


@dataclass(frozen=True)
class Kept:
    """A database whose accesses are sealed, and who may say so."""

    database: Database
    key_file: Path
    accesses: list[UUID]
    ada: Person
    eve: Person

    async def tamper(self, *texts: str) -> None:
        """As a superuser who has switched off all that is in the way."""
        async with self.database.connect() as admin:
            await admin.execute("SET fivefold.audit_ddl = 'allowed'; SET session_replication_role = replica")
            for table in ("scans.access", "scans.access_outcome", "core.audit_event", "core.audit_detail"):
                await admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for text in texts:
                await admin.execute(text)

    async def findings(self, url: str | None = None) -> list[tuple[str, str]]:
        report = await audit.verify(url or self.database.url(), Settings(), keys=[self.key_file])
        assert all(each.message for each in report.findings)
        return sorted((each.kind, each.what) for each in report.findings)


@pytest.fixture(scope="module")
async def sealed(
    networks: Networks, server: Embedded, template: str, jwt_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Kept]:
    folder = tmp_path_factory.mktemp("sealed")
    create_key(folder / "audit.pem")
    key = read_private_key(folder / "audit.pem", "fivefold/audit")
    (folder / "public.txt").write_text(f"{key.public}\n", encoding="utf-8")
    with copy_of(server, template) as database:
        async with serving(database, jwt_key) as api:
            ada, eve = await inhabit(api, "ada", "ada"), await inhabit(api, "eve", "eve")
            scan = await queued(api, ada)
            await record(api, ada, scan, seen(*(hop(seq, tls=TLS) for seq in range(4)), content_sha256=b"b" * 32))
            async with ahead(api, ada) as (log_ahead, _):
                noted = [
                    await log_ahead.note(key_of(scan), Touch(seq, "https://example.com/", PUBLIC, 443, False)) for seq in (4, 5)
                ]
            await record(api, ada, scan, seen(hop(4, access_id=noted[0], tls=TLS), content_sha256=b"b" * 32))
            async with database.connect() as admin:
                rows = await admin.fetch("SELECT id FROM scans.access WHERE scan_id = $1 ORDER BY id", key_of(scan))
        await seal(database, Sealer(key))
        yield Kept(database, folder / "public.txt", [row["id"] for row in rows], ada, eve)


@pytest.fixture
def kept(server: Embedded, sealed: Kept) -> Iterator[Kept]:
    with copy_of(server, sealed.database.name) as database:
        yield replace(sealed, database=database)


CHANGES = (
    "address = '1.1.1.1'",
    "address = NULL, status = NULL, failure = 'NAME_NOT_FOUND'",
    "asn = 15133",
    "port = 80",
    "milliseconds = 1",
    "seq = 9",
    "status = 404",
    "status = NULL",
    "trial = true",
    "kind = 'ICON'",
    "failure = 'TIMED_OUT'",
    "masked_url = 'https://example.org/'",
    "url_hash = sha256('x')",
    "content_sha256 = sha256('x')",
    "certificate_sha256 = NULL",
    "scan_id = (SELECT id FROM scans.scan ORDER BY id LIMIT 1)",
)


OUTCOMES = (
    "milliseconds = 1",
    "status = 404",
    "status = NULL, failure = 'TIMED_OUT'",
    "content_sha256 = sha256('x')",
    "certificate_sha256 = NULL",
)


async def test_whatever_is_altered_in_a_sealed_row_is_named(kept: Kept) -> None:
    assert await kept.findings() == []
    assert await kept.findings(kept.database.url("fivefold_auditor")) == []
    first, second, third, last, noted, lost = kept.accesses
    await kept.tamper(
        "ALTER TABLE scans.access_outcome DROP CONSTRAINT access_outcome_access_fkey",
        "CREATE SCHEMA was",
        "CREATE TABLE was.access AS SELECT * FROM scans.access",
        "CREATE TABLE was.access_outcome AS SELECT * FROM scans.access_outcome",
    )
    for change in OUTCOMES:
        await kept.tamper(f"UPDATE scans.access_outcome SET {change} WHERE access_id = '{noted}'")
        assert await kept.findings() == [("ROW_CHANGED", str(noted))], change
        await kept.tamper(
            "DELETE FROM scans.access_outcome", "INSERT INTO scans.access_outcome SELECT * FROM was.access_outcome"
        )
    await kept.tamper(
        "INSERT INTO scans.access_outcome (workspace_id, access_id, milliseconds, status)"
        f" SELECT workspace_id, id, 5, 200 FROM scans.access WHERE id = '{lost}'"
    )
    assert await kept.findings() == [("ROW_INSERTED", str(lost))]
    await kept.tamper("DELETE FROM scans.access_outcome")
    assert ("ROW_DELETED", str(noted)) in await kept.findings()
    await kept.tamper("INSERT INTO scans.access_outcome SELECT * FROM was.access_outcome")
    for change in CHANGES:
        await kept.tamper(f"UPDATE scans.access SET {change} WHERE id = '{second}'")
        assert await kept.findings() == [("ROW_CHANGED", str(second))], change
        await kept.tamper("DELETE FROM scans.access", "INSERT INTO scans.access SELECT * FROM was.access")
    assert await kept.findings() == []
    await kept.tamper(
        f"DELETE FROM scans.access WHERE id = '{first}'",
        f"UPDATE scans.access SET id = uuidv7() WHERE id = '{last}'",
        f"DELETE FROM core.audit_detail WHERE event_id = (SELECT id FROM core.audit_event WHERE object_id = '{third}')",
    )
    kinds = [kind for kind, _ in await kept.findings()]
    assert kinds == ["ROW_DELETED", "ROW_DELETED", "ROW_INSERTED", "ROW_UNPROVEN"]
    assert set(kinds) < set(ALTERED)
    told = audit.show(await audit.verify(kept.database.url(), Settings(), keys=[kept.key_file]))
    assert "FAILED" in told
    assert str(first) in told


async def test_rows_from_before_there_were_networks_are_what_was_told(kept: Kept) -> None:
    """Nothing was told of a network, and they have none; who writes one into them is named."""
    await kept.tamper("UPDATE core.audit_detail SET detail = detail - 'asn' WHERE detail ? 'asn'")
    assert {kind for kind, _ in await kept.findings()} == {"DETAIL_CHANGED"}, "by the seals, which this test has broken"
    await kept.tamper(f"UPDATE scans.access SET asn = 7 WHERE id = '{kept.accesses[0]}'")
    assert ("ROW_CHANGED", str(kept.accesses[0])) in await kept.findings()


async def test_who_alters_row_and_detail_alike_is_named_by_the_seal(kept: Kept) -> None:
    second = kept.accesses[1]
    event = f"SELECT id FROM core.audit_event WHERE object_id = '{second}'"
    detail = f"UPDATE core.audit_detail SET detail = detail || '{{\"status\": 404}}' WHERE event_id = ({event})"
    await kept.tamper(f"UPDATE scans.access SET status = 404 WHERE id = '{second}'", detail)
    ((kind, _),) = await kept.findings()
    assert kind == "DETAIL_CHANGED"
    again = (
        "UPDATE core.audit_event AS e SET commitment = sha256(d.salt || convert_to(d.detail::text, 'UTF8'))"
        f" FROM core.audit_detail AS d WHERE d.event_id = e.id AND e.object_id = '{second}'"
    )
    await kept.tamper(again)
    ((kind, _),) = await kept.findings()
    assert kind == "EVENT_CHANGED"


# What goes


OLD = (
    "INSERT INTO scans.access (workspace_id, id, scan_id, address, port, milliseconds, seq, status, kind, masked_url, url_hash)"
    " SELECT $1, core.uuidv7_floor(now() - make_interval(days => $3) + make_interval(secs => n)), $2, '1.1.1.1', 443, 1, 0,"
    " 200, 'PAGE', 'https://example.com/', sha256('x') FROM generate_series(1, $4::integer) AS n RETURNING id"
)


ENDED = (
    "INSERT INTO scans.access_outcome (workspace_id, access_id, milliseconds, status)"
    " SELECT workspace_id, id, 1, 200 FROM scans.access WHERE id = ANY ($1)"
)


async def test_what_is_past_its_time_goes_and_nothing_else(kept: Kept, jwt_key: Path) -> None:
    """With what the audit told of it; and verifying finds nothing amiss."""
    async with serving(kept.database, jwt_key) as api:
        ada = kept.ada
        scan = await queued(api, ada)
        async with api.database.connect() as admin:
            old = [row[0] for row in await admin.fetch(OLD, ada.workspace_id, key_of(scan), 401, BATCH + 5)]
            young = [row[0] for row in await admin.fetch(OLD, ada.workspace_id, key_of(scan), 399, 3)]
            await admin.execute(ENDED, old)
            await admin.execute(ENDED, young)
        async with worker_db(api.database) as db, db.transaction():
            await enqueue(db, purge_accesses, Night())
        await run_jobs(api)
        async with api.database.connect() as admin:
            left = {row[0] for row in await admin.fetch("SELECT id FROM scans.access")}
            told = (
                "SELECT count(*) FROM core.audit_event WHERE object = 'scans.access' AND action = $1 AND object_id = ANY ($2)"
            )
            assert not left & set(old)
            assert await admin.fetchval("SELECT count(*) FROM scans.access_outcome WHERE access_id = ANY ($1)", old) == 0
            assert await admin.fetchval("SELECT count(*) FROM scans.access_outcome WHERE access_id = ANY ($1)", young) == 3
            assert left >= {*young, *kept.accesses}
            assert await admin.fetchval(told, "INSERT", old) == await admin.fetchval(told, "DELETE", old) == BATCH + 5
            details = "SELECT count(*) FROM core.audit_detail JOIN core.audit_event ON id = event_id WHERE object_id = ANY ($1)"
            assert await admin.fetchval(details, old) == 0
            assert await admin.fetchval(details, young) == 6
        assert await kept.findings() == []


async def test_who_is_forgotten_leaves_no_access(kept: Kept, jwt_key: Path) -> None:
    async with serving(kept.database, jwt_key) as api:
        ada, eve = kept.ada, kept.eve
        await people.request_erasure(api.database.url(), ada.email, days=0, organizations=False)
        async with worker_db(api.database) as db, db.transaction():
            await enqueue(db, erase_due, Nothing())
        await run_jobs(api)
        async with api.database.connect() as admin:
            (row,) = await admin.fetch("SELECT DISTINCT workspace_id FROM scans.access")
            assert row["workspace_id"] == eve.workspace_id
        assert await kept.findings() == []
