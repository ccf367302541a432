"""Erasure: a person with rows in every table is gone from a full dump, also from one that was restored."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from app import people
from app.core.erasure import erase_due, read_ledger
from app.core.upkeep import Nothing
from app.kit.embedded import Embedded, program
from app.kit.errors import SetupError
from app.kit.graphql import global_id
from app.kit.jobs import Work
from app.settings import Settings
from tests.conftest import Api, Database
from tests.factory.core import Person
from tests.factory.jobs import worker_db
from tests.factory.kit import inhabit

WORD = "canarybird"
REQUEST = (
    'mutation($email: String!, $organizations: SoleOrganizations, $key: String = "erase me") { requestErasure(input:'
    " {confirmEmail: $email, soleOrganizations: $organizations, idempotencyKey: $key})"
    " { erasure { id requestedAt dueAt canceledAt erasedAt soleOrganizations } } }"
)
CANCEL = "mutation($id: ID!) { cancelErasure(id: $id) { erasure { id canceledAt } } }"
PREVIEW = (
    "query($organizations: SoleOrganizations = HAND_OVER) { previewErasure(soleOrganizations: $organizations)"
    " { counts { object rule amount reason } soleOwnerships { workspaceId name others } } }"
)
KEPT = "SELECT DISTINCT object FROM core.data_inventory WHERE class <> 'shared' AND erase_rule = 'keep' AND reason IS NOT NULL"
"""Tables that say that something stays, and why: in them the ids of an erased person are pseudonyms."""


def dump(server: Embedded, database: str) -> str:
    """All rows of all tables, as text."""
    return run("pg_dump", "--data-only", "--inserts", server.url(database))


def run(name: str, *words: str) -> str:
    """What one of PostgreSQL's programs prints; it must succeed."""
    done = subprocess.run([str(program(name)), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables_with(text: str, *words: str) -> set[str]:
    """The tables of a dump in whose rows a word stands, also as bytes."""
    wanted = [form for word in words for form in (word.lower(), word.encode().hex())]
    rows = [line.lower() for line in text.splitlines()]
    table, found = "", set()
    for row in rows:
        if row.startswith("insert into "):
            table = re.sub(r"_\d{6}$", "", row.split()[2])  # a partition is its parent
        if any(word in row for word in wanted):
            found.add(table)
    return found


async def erase_now(database: Database, settings: Settings | None = None) -> None:
    """All that was asked for is due now."""
    async with database.connect() as admin:
        await admin.execute("UPDATE core.erasure SET due_at = now() WHERE canceled_at IS NULL AND erased_at IS NULL")
    async with worker_db(database) as db:
        await erase_due.run(Work(db, 1, settings=settings or Settings()), Nothing())


async def organization(api: Api, *members: tuple[Person, str]) -> UUID:
    """An organization with members in roles."""
    async with api.database.connect() as admin:
        place: UUID = await admin.fetchval(
            "INSERT INTO core.workspace (kind, name) VALUES ('organization', 'Guild') RETURNING id"
        )
        for person, role in members:
            await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), $3)", place, person.account_id, role)
    return place


async def test_nothing_is_left_of_a_person(api: Api, server: Embedded) -> None:
    """Rows in every owned table, in an organization, and in the audit: afterwards pseudonyms, and no word of theirs."""
    ada = await inhabit(api, "ada.lovelace", WORD)
    bob = await inhabit(api, "bob", "other")
    place = await organization(api, (ada, "admin"), (bob, "owner"))
    given = f'platformSlug: "google", label: "{WORD}", idempotencyKey: "k"'
    linking = f"mutation {{ linkPlatform(input: {{{given}}}) {{ link {{ id }} }} }}"
    answer = await api(linking, token=ada.token, Fivefold_Workspace=global_id("Workspace", str(place)))
    assert answer.data
    before = tables_with(dump(server, api.database.name), WORD, ada.email)
    assert len(before) > 8
    async with api.database.connect() as admin:
        await admin.execute("ANALYZE")
    preview = (await api(PREVIEW, token=ada.token)).data["previewErasure"]["counts"]
    assert (await api(REQUEST, {"email": ada.email}, token=ada.token)).data
    await erase_now(api.database)

    text = dump(server, api.database.name)
    assert tables_with(text, WORD, ada.email, "ada.lovelace") == set()
    async with api.database.connect() as admin:
        known = "SELECT tablename, attname FROM pg_stats AS s WHERE lower(s::text) ~ $1"
        assert await admin.fetch(known, f"{WORD}|lovelace") == [], "nor in what the planner remembers"
        kept = {each["object"] for each in await admin.fetch(KEPT)}
        assert tables_with(text, str(ada.workspace_id)) <= kept
        assert tables_with(text, str(ada.account_id)) <= {"core.audit_event", "core.consent", "core.erasure"}
        counts = json.loads(await admin.fetchval("SELECT counts FROM core.erasure WHERE erased_at IS NOT NULL"))
        wrong = await admin.fetchval(
            "SELECT count(*) FROM core.audit_detail AS d JOIN core.audit_event AS e"
            " ON e.workspace_id = d.workspace_id AND e.id = d.event_id"
            " WHERE e.commitment <> sha256(d.salt || convert_to(d.detail::text, 'UTF8'))"
        )
        open_ = "SELECT count(*), count(*) FILTER (WHERE withdrawn_at IS NULL) FROM core.consent WHERE account_id = $1"
        consents = tuple(*await admin.fetch(open_, ada.account_id))
        alone = await admin.fetchval("SELECT count(*) FROM core.audit_event WHERE workspace_id = $1", ada.workspace_id)
    assert wrong == 0, "what is left of the audit verifies"
    assert consents[0] > 0 == consents[1], "that there was a consent is shown, and none is open"
    assert alone > 0, "events stay, without their details"
    told = {row["object"]: int(row["amount"]) for row in preview if row["rule"] == "DELETE"}
    assert {table: counts[table] for table in told if table in counts and table.startswith("privacy.")} == {
        table: amount for table, amount in told.items() if table.startswith("privacy.")
    }
    assert (await api("{ viewer { account { email } } }", token=ada.token)).code == "UNAUTHENTICATED"
    assert (await api("{ platformLinks { edges { node { id } } } }", token=bob.token)).data["platformLinks"]["edges"]


async def test_a_restored_dump_is_erased_again(api: Api, server: Embedded, tmp_path: Path) -> None:
    ada = await inhabit(api, "ada.lovelace", WORD)
    archive = tmp_path / "old.dump"
    run("pg_dump", "-Fc", "-f", str(archive), server.url(api.database.name))
    assert (await api(REQUEST, {"email": ada.email}, token=ada.token)).data
    settings = Settings(erasure_folder=tmp_path / "ledger")
    await erase_now(api.database, settings)
    assert await people.export_ledger(api.database.url(), tmp_path / "ledger.jsonl") == 1
    assert read_ledger(tmp_path / "ledger")[0].id == read_ledger(tmp_path / "ledger.jsonl")[0].id

    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE restored OWNER fivefold_owner")
    try:
        run("pg_restore", "-d", server.url("restored"), str(archive))
        assert tables_with(dump(server, "restored"), WORD)
        assert await people.replay_ledger(server.url("restored"), tmp_path / "ledger.jsonl") == 1
        assert await people.replay_ledger(server.url("restored"), tmp_path / "ledger") == 0, "nobody is there any more"
        assert tables_with(dump(server, "restored"), WORD, ada.email) == set()
    finally:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("DROP DATABASE restored WITH (FORCE)")


def test_a_ledger_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": 5}\n')
    with pytest.raises(SetupError, match="not a ledger"):
        read_ledger(tmp_path)
    with pytest.raises(SetupError, match="cannot be read"):
        read_ledger(tmp_path / "none")


async def test_it_waits_and_can_be_canceled(api: Api) -> None:
    ada = await api.person("ada")
    bob = await api.person("bob")
    wrong = await api(REQUEST, {"email": "bob@example.com"}, token=ada.token)
    assert (wrong.code, wrong.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "confirmEmail")
    first = (await api(REQUEST, {"email": "ADA@example.com"}, token=ada.token)).data["requestErasure"]["erasure"]
    assert first["erasedAt"] is None
    assert first["requestedAt"][:10] < first["dueAt"][:10]
    again = (await api(REQUEST, {"email": "ADA@example.com"}, token=ada.token)).data["requestErasure"]["erasure"]
    assert again == first, "the same key is the same request"
    assert (await api(REQUEST, {"email": ada.email, "key": "other"}, token=ada.token)).code == "BAD_INPUT"
    told = (await api("{ notifications { edges { node { kind text { title } } } } }", token=ada.token)).data
    assert [each["node"]["kind"] for each in told["notifications"]["edges"]] == ["ERASURE_SCHEDULED"]
    async with worker_db(api.database) as db:
        await erase_due.run(Work(db, 1, settings=Settings()), Nothing())
    assert (await api(CANCEL, {"id": first["id"]}, token=bob.token)).code == "NOT_FOUND"
    assert (await api(CANCEL, {"id": first["id"]}, token=ada.token)).data["cancelErasure"]["erasure"]["canceledAt"]
    assert (await api(CANCEL, {"id": first["id"]}, token=ada.token)).code == "NOT_FOUND"
    await erase_now(api.database)
    assert (await api("{ viewer { account { email } } }", token=ada.token)).data
    mine = "{ erasures { edges { node { id canceledAt } } } }"
    assert len((await api(mine, token=ada.token)).data["erasures"]["edges"]) == 1
    assert (await api(mine, token=bob.token)).data["erasures"]["edges"] == []


async def test_an_organization_is_not_left_without_an_owner(api: Api) -> None:
    ada, bob, eve = [await api.person(name) for name in ("ada", "bob", "eve")]
    shared = await organization(api, (ada, "owner"), (bob, "member"), (eve, "admin"))
    empty = await organization(api, (ada, "owner"))
    owned = (await api(PREVIEW, token=ada.token)).data["previewErasure"]["soleOwnerships"]
    assert [each["others"] for each in owned] == [2, 0]
    refused = await api(REQUEST, {"email": ada.email}, token=ada.token)
    assert refused.body["errors"][0]["extensions"] | {"x": 1} == {"code": "BAD_INPUT", "field": "soleOrganizations", "x": 1}
    assert (await api(REQUEST, {"email": ada.email, "organizations": "HAND_OVER"}, token=ada.token)).data
    await erase_now(api.database)
    async with api.database.connect() as admin:
        members = await admin.fetch("SELECT account_id, role FROM core.member WHERE workspace_id = $1", shared)
        roles = {each["account_id"]: each["role"] for each in members}
        assert roles == {bob.account_id: "member", eve.account_id: "owner"}
        assert await admin.fetchval("SELECT name FROM core.workspace WHERE id = $1", shared) == "Guild"
        gone = "SELECT name FROM core.workspace WHERE id = $1 AND erased_at IS NOT NULL"
        assert await admin.fetchval(gone, empty) == "erased"


async def test_an_organization_goes_where_its_only_owner_says_so(api: Api) -> None:
    ada, bob = [await api.person(name) for name in ("ada", "bob")]
    shared = await organization(api, (ada, "owner"), (bob, "member"))
    assert (await api(REQUEST, {"email": ada.email, "organizations": "ERASE"}, token=ada.token)).data
    await erase_now(api.database)
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.member WHERE workspace_id = $1", shared) == 0
        assert await admin.fetchval("SELECT count(*) FROM core.account WHERE id = $1", bob.account_id) == 1


async def test_only_what_is_due_is_erased(api: Api) -> None:
    """The function itself looks: whoever calls it cannot erase anybody who did not ask, nor before the time."""
    ada = await api.person("ada")
    made = (await api(REQUEST, {"email": ada.email}, token=ada.token)).data["requestErasure"]["erasure"]
    assert made
    async with api.database.connect("fivefold_worker") as worker:
        asked = await worker.fetchval("SELECT count(*) FROM core.erasure")
        assert asked == 0, "without an identity it sees none"
    async with api.database.connect() as admin:
        erasure_id = await admin.fetchval("SELECT id FROM core.erasure")
    async with api.database.connect("fivefold_worker") as worker:
        assert await worker.fetchval("SELECT core.erase($1)", erasure_id) is False
    async with api.database.connect("fivefold_api") as stranger:
        with pytest.raises(Exception, match="permission denied"):
            await stranger.fetchval("SELECT core.erase($1)", erasure_id)
    async with api.database.connect() as admin:
        await admin.execute("SET ROLE fivefold_owner")
        with pytest.raises(Exception, match="by an erasure alone"):
            await admin.fetchval("SELECT core.forget_person($1, '{}', '{}')", [ada.workspace_id])


async def test_the_command_line_erases_too(api: Api, tmp_path: Path) -> None:
    """And notes it where a worker would, so that a dump of before does not bring anybody back."""
    ada = await api.person("ada")
    with pytest.raises(SetupError, match="no account"):
        await people.request_erasure(api.database.url(), "nobody@example.com", days=0, organizations=False)
    due = await people.request_erasure(api.database.url(), ada.email, days=14, organizations=False)
    assert due.account_id == ada.account_id
    settings = Settings(erasure_folder=tmp_path / "ledger")
    await people.request_erasure(api.database.url(), ada.email, days=0, organizations=False, settings=settings)
    assert [line.account_id for line in read_ledger(tmp_path / "ledger")] == [ada.account_id]
    assert (await api("{ viewer { account { email } } }", token=ada.token)).code == "UNAUTHENTICATED"
