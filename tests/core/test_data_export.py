"""Exports: everything of a person, nothing of anybody else, fetched once, and whole whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.core import data_export
from app.core.data_export import BuildExport, build_export, mail_export_link
from app.core.upkeep import run as upkeep
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.graphql import global_id
from app.kit.jobs import Work
from app.kit.pool import open_pool
from app.kit.vault import Sealed
from app.settings import Settings
from tests.conftest import Api
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import inhabit
from tests.factory.organization import prove_address
from tests.factory.outbox import Outbox

MAKING = [build_export, mail_export_link]
REQUEST = (
    'mutation($key: String = "export me") { requestExport(input: {idempotencyKey: $key})'
    " { export { id createdAt finishedAt expiresAt size sha256 } } }"
)
EXPORTS = "{ dataExports { edges { node { id finishedAt usedAt size sha256 } } } }"
SETTINGS = "query($id: ID!) { snapshot(id: $id) { settings { key value observed } } }"
LINK = "mutation($id: ID!) { createExportLink(id: $id) { path export { id } } }"


async def made(api: Api, token: str) -> tuple[zipfile.ZipFile, str]:
    """A person's new export, downloaded, and its path."""
    export = (await api(REQUEST, token=token)).data["requestExport"]["export"]
    assert export["finishedAt"] is None
    assert (await api(LINK, {"id": export["id"]}, token=token)).code == "NOT_FOUND", "not finished"
    await run_jobs(api, MAKING)
    path = (await api(LINK, {"id": export["id"]}, token=token)).data["createExportLink"]["path"]
    answer = await api.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    done = (await api(EXPORTS, token=token)).data["dataExports"]["edges"][0]["node"]
    assert (int(done["size"]), done["sha256"]) == (len(answer.content), hashlib.sha256(answer.content).hexdigest())
    assert done["usedAt"]
    return zipfile.ZipFile(io.BytesIO(answer.content)), path


async def test_it_holds_all_of_a_person_and_nothing_of_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_export, "ROWS", 3)  # so that tables have several pages
    ada = await inhabit(api, "ada", "canarybird")
    await inhabit(api, "bob", "somebodyelse")
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM core.data_export")
        await admin.execute("DELETE FROM jobs.pgqueuer")
    archive, path = await made(api, ada.token)
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    files = {each["name"]: each for each in manifest["files"]}
    for name, told in files.items():
        content = archive.read(name)
        assert hashlib.sha256(content).hexdigest() == told["sha256"]
        rows = [json.loads(line) for line in content.splitlines()]
        assert len(rows) == told["rows"] > 0
        properties = json.loads(archive.read(name.replace(".jsonl", ".schema.json")))["properties"]
        assert set(rows[0]) == set(properties)
    async with api.database.connect() as admin:
        expected = await admin.fetchval(
            "SELECT count(*) FROM core.audit_event WHERE workspace_id = $1 AND xid < pg_current_xact_id()", ada.workspace_id
        )
    assert 0 < files["core.audit_event.jsonl"]["rows"] <= expected + 20
    assert {"core.account.jsonl", "core.api_key.jsonl", "privacy.snapshot.jsonl", "privacy.change.jsonl"} <= files.keys()
    (consent,) = map(json.loads, archive.read("core.consent.jsonl").splitlines())
    assert {"purpose", "version", "given_at", "withdrawn_at", "how"} <= consent.keys()
    for line in map(json.loads, archive.read("privacy.snapshot.jsonl").splitlines()):
        asked = {"id": global_id("Snapshot", line["id"])}
        shown = (await api(SETTINGS, asked, token=ada.token)).data["snapshot"]["settings"]
        assert line["settings"] == {each["key"]: each["value"] for each in shown if each["observed"]} != {}
        assert not {"packed", "observed"} & line.keys()
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "canarybird" in everything
    assert ada.email in everything
    assert "somebodyelse" not in everything
    assert "bob@example.com" not in everything
    assert "secret_hash" not in {key for name in files for line in archive.read(name).splitlines() for key in json.loads(line)}
    assert {"table": "core.api_key", "column": "secret_hash"}.items() <= next(
        each for each in manifest["omitted"] if each["column"] == "secret_hash"
    ).items()
    assert (await api.http.get(path)).status_code == 404, "a link works once"


async def test_a_link_works_once_even_for_two_at_the_same_moment(api: Api) -> None:
    ada, bob = await api.person("ada"), await api.person("bob")
    export = (await api(REQUEST, token=ada.token)).data["requestExport"]["export"]
    assert (await api(REQUEST, token=ada.token)).data["requestExport"]["export"]["id"] == export["id"]
    assert (await api(REQUEST, {"key": "another"}, token=ada.token)).code == "BAD_INPUT", "one at a time"
    await run_jobs(api, MAKING)
    assert (await api(LINK, {"id": export["id"]}, token=bob.token)).code == "NOT_FOUND"
    assert (await api(EXPORTS, token=bob.token)).data["dataExports"]["edges"] == []
    old = (await api(LINK, {"id": export["id"]}, token=ada.token)).data["createExportLink"]["path"]
    path = (await api(LINK, {"id": export["id"]}, token=ada.token)).data["createExportLink"]["path"]
    assert (await api.http.get(old)).status_code == 404, "a new link ends the one before"
    answers = await asyncio.gather(*(api.http.get(path) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404, 404]
    for wrong in ("/exports/x", "/exports/" + "a" * 43, "/exports/%00"):
        assert (await api.http.get(wrong)).status_code == 404
    told = (await api("{ notifications { edges { node { kind } } } }", token=ada.token)).data["notifications"]["edges"]
    assert [each["node"]["kind"] for each in told] == ["EXPORT_READY"]
    async with api.database.connect() as admin:
        steps = await admin.fetch("SELECT action FROM core.audit_event WHERE action = 'EXPORT'")
        assert len(steps) == 2, "made and downloaded"
        await admin.execute("UPDATE core.data_export SET expires_at = now() - interval '1 minute'")
    assert (await api(LINK, {"id": export["id"]}, token=ada.token)).code == "NOT_FOUND"
    async with worker_db(api.database) as db:
        await upkeep(db)
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.data_export_chunk") == 0
        assert await admin.fetchval("SELECT count(*) FROM core.data_export") == 0


async def test_not_more_often_than_somebody_needs(api: Api) -> None:
    ada = await api.person("ada")
    for number in range(3):
        assert (await api(REQUEST, {"key": f"k{number}"}, token=ada.token)).data
        await run_jobs(api, MAKING)
    assert (await api(REQUEST, {"key": "k4"}, token=ada.token)).code == "TOO_SOON"


@pytest.mark.parametrize(
    "step", ["write_export", "delete_chunks", "insert_chunk", "update_finished", "notify", "record_action"]
)
async def test_cut_off_anywhere_it_is_made_whole_in_the_end(api: Api, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The connection goes at a step, as when the worker is killed; the next attempt makes one complete export."""
    ada = await api.person("ada")
    assert (await api(REQUEST, token=ada.token)).data
    async with api.database.connect() as admin:
        export_id = await admin.fetchval("SELECT id FROM core.data_export")
    pool = await open_pool(api.database.url("fivefold_worker"), size=2, name="test", statement_seconds=30)
    payload = BuildExport(workspace_id=ada.workspace_id, export_id=export_id)

    async def dies(*args: Any, **named: Any) -> None:
        async with api.database.connect() as admin:
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
        raise ConnectionError("killed")

    try:
        with monkeypatch.context() as patched:
            patched.setattr(data_export, step, dies)
            db = Db(pool, Actor(ada.account_id, ada.workspace_id, "owner"), ada.workspace_id)
            with pytest.raises(ConnectionError):
                await build_export.run(Work(db, 77, settings=Settings()), payload)
            await db.close()
        async with api.database.connect() as admin:
            assert await admin.fetchval("SELECT count(*) FROM core.data_export_chunk") == 0
    finally:
        await pool.close()
    await run_jobs(api, MAKING)
    path = (await api(LINK, {"id": global_id("DataExport", str(export_id))}, token=ada.token)).data["createExportLink"]["path"]
    whole = (await api.http.get(path)).content
    async with api.database.connect() as admin:
        row = await admin.fetchrow("SELECT size, digest FROM core.data_export")
        assert await admin.fetchval("SELECT count(*) FROM core.notification") == 1
    assert row is not None
    assert (row["size"], row["digest"]) == (len(whole), hashlib.sha256(whole).digest())


async def test_the_file_lies_sealed_in_its_order(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump holds nothing of it; pieces that were altered, exchanged or taken from another export open nowhere."""
    monkeypatch.setattr(data_export, "CHUNK", 500)
    ada = await api.person("ada")
    assert (await api(REQUEST, token=ada.token)).data
    await run_jobs(api, MAKING)
    whole = b""
    async with api.database.connect() as admin:
        pieces = [row["content"] for row in await admin.fetch("SELECT content FROM core.data_export_chunk ORDER BY number")]
        export_id = await admin.fetchval("SELECT id FROM core.data_export")
    assert len(pieces) > 4
    for clear in (b"PK\x03\x04", b"manifest.json", b"README.txt", ada.email.encode()):
        assert [piece for piece in pieces if clear in piece] == []

    async def fetch() -> bytes:
        asked = {"id": global_id("DataExport", str(export_id))}
        path = (await api(LINK, asked, token=ada.token)).data["createExportLink"]["path"]
        return (await api.http.get(path)).content

    whole = await fetch()
    assert ada.email.encode() in zipfile.ZipFile(io.BytesIO(whole)).read("core.account.jsonl")
    exchange = "UPDATE core.data_export_chunk SET content = $1 WHERE number = 2"
    for wrong in (pieces[3], pieces[2][:-1] + bytes([pieces[2][-1] ^ 1]), b"\x01" + b"0" * 600):
        async with api.database.connect() as admin:
            await admin.execute(exchange, wrong)
        with pytest.raises(Sealed):  # the answer is torn off
            await fetch()
        async with api.database.connect() as admin:
            await admin.execute(exchange, pieces[2])
    assert await fetch() == whole
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM core.data_key WHERE workspace_id = $1", ada.workspace_id)
    assert await fetch() == b"", "without the data key it is gone"


async def test_the_link_is_mailed_and_nowhere_else(api: Api, tmp_path: Path) -> None:
    """Made by the job that mails it, once more by another attempt, never over one that the person has made."""
    ada, eve = await api.person("ada"), await api.person("eve")
    await prove_address(api, "ada")
    for person in (ada, eve):
        assert (await api(REQUEST, token=person.token)).data
    outbox = Outbox(tmp_path)
    mails = [mail for mail in await outbox.receive(api) if mail.subject == "Your export is ready" and "#token=" in mail.text]
    assert [mail.to for mail in mails] == ["ada <ada@example.com>"], "eve's address is not proven"
    token = mails[0].token
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT e::text FROM core.data_export AS e UNION ALL SELECT q::text FROM jobs.pgqueuer_log AS q"
        )
        assert [row for (row,) in rows if token in row] == []
        export_id = await admin.fetchval("SELECT id FROM core.data_export WHERE account_id = $1", ada.account_id)
    pool = await open_pool(api.database.url("fivefold_worker"), size=2, name="test", statement_seconds=30)

    async def again() -> str | None:
        """As when the queue hands the same job out once more; the token that is mailed, if any is."""
        db = Db(pool, Actor(ada.account_id, ada.workspace_id, "owner"), ada.workspace_id)
        payload = BuildExport(workspace_id=ada.workspace_id, export_id=export_id)
        await mail_export_link.run(Work(db, 77, settings=outbox.settings), payload)
        await db.close()
        found = await outbox.receive(api)
        return found[0].token if found else None

    try:
        newer = await again()
        assert newer not in (None, token)
        assert (await api.http.get(f"/exports/{token}")).status_code == 404, "another attempt, another link"
        asked = {"id": global_id("DataExport", str(export_id))}
        path = (await api(LINK, asked, token=ada.token)).data["createExportLink"]["path"]
        assert (await api.http.get(f"/exports/{newer}")).status_code == 404, "a new link ends the one before"
        assert await again() is None, "the person's own link is not replaced"
        assert zipfile.ZipFile(io.BytesIO((await api.http.get(path)).content)).testzip() is None
        assert await again() is None, "it was downloaded"
    finally:
        await pool.close()
