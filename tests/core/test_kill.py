"""kill -9 of a real worker between any two steps of an export and of an erasure: whole in the end, once, and never half."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.kit import inhabit
from tests.factory.mortal import mortals
from tests.factory.organization import prove_address
from tests.factory.outbox import Outbox

EXPORT = 'mutation { requestExport(input: {idempotencyKey: "killed"}) { export { id } } }'
LINK = "mutation($id: ID!) { createExportLink(id: $id) { path } }"
ERASE = 'mutation($email: String!) { requestErasure(input: {confirmEmail: $email, idempotencyKey: "k"}) { erasure { id } } }'
BUILDING = [
    ("core/data_export.get_open_export", "before", 1),
    ("core/data_export.list_export_row", "after", 7),
    ("core/data_export.list_export_row", "after", 31),
    ("core/data_export.delete_data_export_chunk", "after", 1),
    ("core/data_export.insert_data_export_chunk", "after", 1),
    ("core/data_export.update_finished_export", "after", 1),
    ("core/notification.insert_notification", "after", 1),
    ("COMMIT", "before", 1),
]
MAILING = [
    ("COMMIT", "after", 1),  # of the export: the queue does not know yet that it is done
    ("core/data_export.take_export_link", "before", 1),
    ("core/data_export.take_export_link", "after", 1),
    ("COMMIT", "after", 1),  # of the link, whose mail is not sent yet
]
ERASING = [
    ("core/across.list_due_erasure", "after", 1),
    ("core/erased_identity.list_leaving_identity", "before", 1),  # the line is in the file, and nothing has happened
    ("core/erased_identity.list_leaving_identity", "after", 1),
    ("core/erased_identity.insert_erased_identity", "after", 1),
    ("core/erasure.take_erased", "before", 1),
    ("core/erasure.take_erased", "after", 1),
    ("COMMIT", "before", 1),
]


async def test_an_export_is_made_once_and_whole(api: Api, tmp_path: Path) -> None:
    ada = await api.person("ada")
    await prove_address(api, "ada")
    export_id = (await api(EXPORT, token=ada.token)).data["requestExport"]["export"]["id"]
    state = (
        "SELECT (SELECT count(*) FROM core.data_export WHERE finished_at IS NOT NULL),"
        " (SELECT count(*) FROM core.data_export_chunk) > 0, (SELECT count(*) FROM core.notification WHERE kind = 7),"
        " (SELECT count(*) FROM core.audit_event WHERE action = 'EXPORT')"
    )
    async with mortals(api.database, tmp_path) as run, api.database.connect() as admin:
        for step in BUILDING:
            assert await run(*step), step
            assert tuple(*await admin.fetch(state)) == (0, False, 0, 0), step
        made = None
        for step in MAILING:
            assert await run(*step), step
            assert tuple(*await admin.fetch(state)) == (1, True, 1, 1), step
            row = tuple(*await admin.fetch("SELECT finished_at, digest FROM core.data_export"))
            assert made in (None, row), "it is not made again"
            made = row
        assert not await run()
        assert tuple(*await admin.fetch(state)) == (1, True, 1, 1)
        digest = await admin.fetchval("SELECT digest FROM core.data_export")
        assert await admin.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint LIKE 'core.%export%'") == 0
    outbox = Outbox(tmp_path / "mail")
    (mail,) = [each for each in await outbox.receive(api) if "#token=" in each.text]
    whole = (await api.http.get(f"/exports/{mail.token}")).content
    assert hashlib.sha256(whole).digest() == digest
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
    assert (await api(LINK, {"id": export_id}, token=ada.token)).data


async def rows_of(admin: Any, person: Person) -> dict[str, int]:
    """How many rows of each table name somebody or their workspace, the ledgers' apart."""
    tables = await admin.fetch(
        "SELECT DISTINCT i.object FROM core.data_inventory AS i JOIN pg_attribute AS a ON a.attrelid = i.object::regclass"
        " AND a.attname = i.column_name WHERE i.erase_rule = 'delete' AND i.column_name = 'workspace_id'"
    )
    counted = " UNION ALL ".join(
        f"SELECT '{row['object']}', count(*) FROM {row['object']} WHERE workspace_id = $1" for row in tables
    )
    return {name: count for name, count in await admin.fetch(counted, person.workspace_id) if count}


async def test_an_erasure_leaves_nothing_half(api: Api, tmp_path: Path) -> None:
    ada, ben = await inhabit(api, "ada", "canarybird"), await api.person("ben")
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM jobs.pgqueuer")
        await admin.execute(
            "INSERT INTO core.identity (account_id, issuer, subject) VALUES ($1, 'https://id.example', 'ada')", ada.account_id
        )
        await admin.execute("UPDATE core.erasure SET canceled_at = now() WHERE canceled_at IS NULL")
        await admin.execute("INSERT INTO core.erasure (account_id, due_at) VALUES ($1, now())", ada.account_id)
        before = await rows_of(admin, ada)
        assert len(before) > 10
        async with mortals(api.database, tmp_path) as run:
            for step in ERASING:
                assert await run(*step), step
                assert await rows_of(admin, ada) == before, step
                assert await admin.fetchval("SELECT count(*) FROM core.erased_identity") == 0, step
            assert await run("COMMIT", "after"), "killed right after it happened"
            assert await rows_of(admin, ada) == {}
            assert not await run(), "nothing is left to do"
        told = await admin.fetch(
            "SELECT (SELECT count(*) FROM core.erasure WHERE erased_at IS NOT NULL),"
            " (SELECT count(*) FROM core.audit_event WHERE action = 'ERASE'), (SELECT count(*) FROM core.erased_identity)"
        )
        assert tuple(*told) == (1, 1, 1)
    assert len(list((tmp_path / "ledger").glob("*.jsonl"))) == 1
    assert (await api("{ viewer { account { email } } }", token=ada.token)).code == "UNAUTHENTICATED"
    assert (await api("{ viewer { account { email } } }", token=ben.token)).data
