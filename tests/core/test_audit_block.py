"""Seals: every finished event once and in order, whatever happens to who seals them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import audit_block
from app.core.audit_block import Block, Event, Sealer, get_last_audit_block, leaf_bytes, list_audit_block, read_leaf, seal_all
from app.core.audit_verify import Report, Trust, verify
from app.kit.context import SYSTEM_ID
from app.kit.db import Db, open_as
from app.kit.errors import SetupError
from app.kit.house import root
from app.kit.note import PrivateKey, read_checkpoint, read_private_key
from app.kit.token import create_key
from app.settings import Settings
from tests.conftest import Api, Database
from tests.factory.kit import inhabit

INSERT = """
INSERT INTO core.audit_event (workspace_id, object_id, form, action, object, commitment)
SELECT $1, uuidv7(), 1, 'DELETE', 'test.row', sha256(n::text::bytea) FROM generate_series(1, $2::integer) AS n
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("audit") / "audit.pem"
    create_key(path)
    return read_private_key(path, "fivefold/audit")


async def seal(database: Database, sealer: Sealer) -> int:
    async with open_as(database.url(), "fivefold_worker") as (pool, _):
        return await seal_all(sealer, pool)


async def check(database: Database, trust: Trust | None = None) -> Report:
    async with open_as(database.url(), "fivefold_owner") as (_, db):
        return await verify(db, trust or Trust())


async def blocks(database: Database) -> list[audit_block.FullBlock]:
    async with open_as(database.url(), "fivefold_owner") as (_, db):
        return await list_audit_block(db, first_number=1, last_number=2**40)


async def happen(database: Database, count: int = 1) -> None:
    """Events of one transaction."""
    async with database.connect() as admin:
        await admin.execute(INSERT, SYSTEM_ID, count)


async def sealed_once(database: Database) -> None:
    """Every event is in one block, and nothing is found."""
    found = [id_ for block in await blocks(database) for id_, _ in audit_block.ids_of(block.leaves)]
    async with database.connect() as admin:
        ids = [row["id"].bytes for row in await admin.fetch("SELECT id FROM core.audit_event")]
    assert sorted(found) == sorted(ids)
    report = await check(database)
    assert (report.findings, report.unsealed, report.events) == ([], 0, len(ids))


ids = st.uuids()
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)
EVENTS = st.builds(
    Event,
    workspace_id=ids,
    id=ids,
    actor_id=st.none() | ids,
    api_key_id=st.none() | ids,
    request_id=st.none() | ids,
    object_id=ids,
    xid=st.integers(0, 2**63 - 1),
    form=st.just(1),
    action=texts,
    object=texts,
    commitment=st.binary(max_size=40),
)


@given(EVENTS, EVENTS)
def test_an_event_is_written_in_one_way_and_read_back(one: Event, other: Event) -> None:
    assert read_leaf(leaf_bytes(one)) == one
    assert (leaf_bytes(one) == leaf_bytes(other)) == (one == other)


@given(st.binary(max_size=250))
def test_what_is_no_leaf_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read_leaf(data)


async def test_a_leaf_has_every_column(house: Database) -> None:
    async with house.connect() as admin:
        rows = await admin.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'core.audit_event'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    assert {row["attname"] for row in rows} == {field.name for field in fields(Event)}


async def test_a_leaf_is_what_sql_says(database: Database, key: PrivateKey) -> None:
    """The layout as the README gives it, written in another language."""
    await happen(database, 3)
    await seal(database, Sealer(key))
    async with database.connect() as admin:
        rows = await admin.fetch(
            r"""
            SELECT id, sha256('\x00'::bytea || int2send(form) || uuid_send(workspace_id) || uuid_send(id)
                || coalesce('\x01'::bytea || uuid_send(actor_id), '\x00')
                || coalesce('\x01'::bytea || uuid_send(api_key_id), '\x00')
                || coalesce('\x01'::bytea || uuid_send(request_id), '\x00') || uuid_send(object_id) || xid8send(xid)
                || int4send(octet_length(convert_to(action, 'UTF8'))) || convert_to(action, 'UTF8')
                || int4send(octet_length(convert_to(object, 'UTF8'))) || convert_to(object, 'UTF8')
                || int4send(octet_length(commitment)) || commitment) AS hash
            FROM core.audit_event
            """
        )
    found = {id_: made for block in await blocks(database) for id_, made in audit_block.ids_of(block.leaves)}
    assert found == {row["id"].bytes: row["hash"] for row in rows}


async def test_everything_is_sealed_once_and_in_order(api: Api, key: PrivateKey) -> None:
    sealer = Sealer(key)
    await inhabit(api, "ada")
    assert await seal(api.database, sealer) > 20
    for count in (1, 2, 300):
        await happen(api.database, count)
        assert await seal(api.database, sealer) == count
    assert await seal(api.database, sealer) == 0, "nothing happened, so no block is made"
    made = await blocks(api.database)
    assert [block.number for block in made] == list(range(1, len(made) + 1))
    assert read_checkpoint(made[-1].checkpoint).signed_by(key.public)
    async with api.database.connect() as admin:
        rows = await admin.fetch("SELECT id FROM core.audit_event ORDER BY xid, id")
    assert b"".join(row["id"].bytes for row in rows) == b"".join(i for b in made for i, _ in audit_block.ids_of(b.leaves))
    await sealed_once(api.database)


async def test_blocks_are_cut_between_transactions(
    database: Database, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_block, "MAX_EVENTS", 5)
    await seal(database, Sealer(key))
    before = len(await blocks(database))
    for count in (2, 2, 2, 9, 1, 5, 1):
        await happen(database, count)
    await seal(database, Sealer(key))
    sizes = [block.size - block.first for block in (await blocks(database))[before:]]
    assert sizes == [4, 2, 9, 1, 5, 1]
    await sealed_once(database)


async def test_what_commits_late_is_sealed_late_and_never_skipped(database: Database, key: PrivateKey) -> None:
    """A transaction that is open while others commit and are to be sealed: nothing above it is sealed before it ends."""
    sealer = Sealer(key)
    await seal(database, sealer)
    async with database.connect() as slow:
        open_ = slow.transaction()
        await open_.start()
        await slow.execute(INSERT, SYSTEM_ID, 2)
        await happen(database, 3)
        assert await seal(database, sealer) == 0
        report = await check(database)
        assert (report.unsealed, report.findings) == (3, [])
        await open_.commit()
    assert await seal(database, sealer) == 5
    await sealed_once(database)


async def test_an_aborted_transaction_leaves_no_gap(database: Database, key: PrivateKey) -> None:
    sealer = Sealer(key)
    async with database.connect() as admin:
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute(INSERT, SYSTEM_ID, 2)
        await transaction.rollback()
    await happen(database)
    await seal(database, sealer)
    await sealed_once(database)


async def test_many_sealers_make_one_chain(database: Database, key: PrivateKey) -> None:
    """While others write, and each sealer remembers an end that may not be the end any more."""

    async def write() -> None:
        for _ in range(20):
            await happen(database, 3)

    async def work() -> None:
        sealer = Sealer(key)
        for _ in range(15):
            await seal(database, sealer)

    await asyncio.gather(write(), write(), work(), work(), work())
    await seal(database, Sealer(key))
    await sealed_once(database)


@pytest.mark.parametrize("at", ["get_last_audit_block", "list_unsealed_event", "insert_audit_block", "COMMIT", "export"])
async def test_a_sealer_that_dies_at_any_step_leaves_a_whole_chain(
    database: Database, key: PrivateKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: str
) -> None:
    """The same sealer goes on, and another one does."""
    sealer = Sealer(key, tmp_path)
    await happen(database)
    await seal(database, sealer)
    await happen(database, 2)

    class Killed(Exception):
        pass

    async def die(*args: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        if at == "COMMIT":
            end = Db._end

            async def lose(self: Db, text: str) -> None:
                if text == "COMMIT" and self._begun:
                    await end(self, "ROLLBACK")
                    raise Killed
                await end(self, text)

            broken.setattr(Db, "_end", lose)
        elif at == "export":
            broken.setattr(Sealer, "export", lambda self, block: (_ for _ in ()).throw(Killed()))
        else:
            broken.setattr(audit_block, at, die)
        with pytest.raises(Killed):
            await seal(database, sealer)
    await seal(database, sealer)
    await happen(database)
    await seal(database, Sealer(key, tmp_path))
    await sealed_once(database)
    newest = (await blocks(database))[-1]
    assert (tmp_path / f"{newest.size:020}.txt").read_text() == newest.checkpoint


def start_sealer(step: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.factory.sealer", step]
    return subprocess.Popen(command, env=environment, cwd=root(), stdout=subprocess.PIPE)


@pytest.mark.parametrize("step", ["list_unsealed_event", "insert_audit_block", "_end", "export"])
async def test_a_killed_process_leaves_a_whole_chain(database: Database, key: PrivateKey, tmp_path: Path, step: str) -> None:
    """kill -9 before a step of a real process; who comes next goes on and writes the checkpoint that is missing."""
    create_key(tmp_path / "audit.pem")
    folder = tmp_path / "checkpoints"
    environment = {
        **os.environ,
        "DATABASE_URL": database.url("fivefold_worker"),
        "FIVEFOLD_AUDIT_KEY": str(tmp_path / "audit.pem"),
    }
    environment |= {"FIVEFOLD_AUDIT_CHECKPOINTS": str(folder)}
    await happen(database, 3)
    await seal(database, audit_block.Sealer(read_private_key(tmp_path / "audit.pem", "fivefold/audit"), folder))
    await happen(database, 300)
    with start_sealer(step, environment) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == f"{step}\n".encode()
        await happen(database, 2)
        process.send_signal(signal.SIGKILL)
    own = audit_block.open_sealer(Settings(audit_key=tmp_path / "audit.pem", audit_checkpoints=folder))
    assert own is not None
    await seal(database, own)
    await sealed_once(database)
    kept = {file.name: file.read_text() for file in folder.glob("*.txt")}
    assert kept == {f"{block.size:020}.txt": block.checkpoint for block in (await blocks(database))}


@pytest.mark.parametrize("login", ["fivefold_api", "fivefold_worker", "fivefold_auditor", "fivefold_migrator"])
async def test_nobody_writes_blocks(database: Database, key: PrivateKey, login: str) -> None:
    await happen(database)
    await seal(database, Sealer(key))
    async with database.connect(login) as connection:
        for text in (
            "UPDATE core.audit_block SET root = root",
            "DELETE FROM core.audit_block",
            "TRUNCATE core.audit_block",
            "INSERT INTO core.audit_node VALUES (8, 5, sha256('x'))",
            "DELETE FROM core.audit_node",
            "INSERT INTO core.audit_key (public_key, origin) VALUES (sha256('x'), 'x')",
            "DROP TABLE core.audit_block",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(text)


async def test_not_even_an_owner_takes_the_walls_of_the_seals_down(database: Database, key: PrivateKey) -> None:
    await happen(database)
    await seal(database, Sealer(key))
    for replica in ("origin", "replica"):
        async with database.connect() as admin:
            await admin.execute(f"SET session_replication_role = {replica}")
            for table in ("block", "node", "retirement"):
                for text in (
                    "ALTER TABLE {} DISABLE TRIGGER USER",
                    "ALTER TABLE {} ENABLE TRIGGER ALL",
                    "DROP TABLE {} CASCADE",
                    "TRUNCATE {}",
                ):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await admin.execute(text.format(f"core.audit_{table}"))
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute("DELETE FROM core.audit_block")


async def test_the_worker_appends_only_at_the_end_and_of_what_has_ended(database: Database, key: PrivateKey) -> None:
    await happen(database)
    await seal(database, Sealer(key))
    async with open_as(database.url(), "fivefold_worker") as (_, db):
        last = await get_last_audit_block(db)
        assert last is not None
        good = {"number": last.number + 1, "first": last.size, "size": last.size + 1, "horizon": last.horizon + 1}
        for wrong in ({"number": 1}, {"first": 0}, {"size": 0}, {"size": last.size}, {"horizon": 1}, {"horizon": 2**60},
                      {"era": 2}, {"number": last.number + 2}):  # fmt: skip
            block = Block(**{**last.__dict__, **good, **wrong})
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
                async with db.transaction():
                    await audit_block.insert_audit_block(
                        db,
                        **block.__dict__,
                        leaves=bytes(48 * max(block.size - block.first, 0)),
                        public_key=key.public.raw,
                        levels=[],
                        indexes=[],
                        hashes=[],
                    )


async def test_another_key_goes_on(database: Database, key: PrivateKey, tmp_path: Path) -> None:
    """Who trusts the new key trusts what the old one sealed, because the new one's tree begins with it."""
    create_key(tmp_path / "new.pem")
    new = read_private_key(tmp_path / "new.pem", "fivefold/audit")
    await happen(database)
    await seal(database, Sealer(key))
    old = len(await blocks(database))
    await happen(database)
    await seal(database, Sealer(new))
    assert (await check(database, Trust(pinned=[new.public]))).findings == []
    assert (await check(database, Trust(pinned=[new.public, key.public]))).findings == []
    (finding,) = (await check(database, Trust(pinned=[key.public]))).findings
    assert (finding.kind, finding.what) == ("UNTRUSTED", f"block {old + 1}")


async def test_without_a_key_nothing_is_sealed_and_a_bad_one_is_told(tmp_path: Path) -> None:
    assert audit_block.open_sealer(Settings()) is None
    with pytest.raises(SetupError, match="FIVEFOLD_AUDIT_KEY"):
        audit_block.open_sealer(Settings(audit_key=tmp_path / "missing.pem"))


async def test_large_trees_go_on_from_what_is_kept(database: Database, key: PrivateKey) -> None:
    """Past a kept node, by sealers that remember nothing."""
    for count in (100, 155, 1, 1, 300, 212):
        await happen(database, count)
        await seal(database, Sealer(key))
    async with database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.audit_node WHERE level = 8") >= 2
    await sealed_once(database)
