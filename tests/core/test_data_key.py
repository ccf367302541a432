"""Data keys: made with a workspace's first secret, wrapped anew while all goes on, and nobody's but the workspace's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app import doctor, serve
from app import vault as command
from app.core import data_key
from app.core.data_key import derive_key, fetch_key_use, find_derived_key, rotate, seal, unseal
from app.kit.context import Actor
from app.kit.db import Db, open_as
from app.kit.errors import SetupError
from app.kit.house import root
from app.kit.vault import Place, Sealed, Vault, create_key, new_key, vault_of
from app.settings import Settings
from tests.conftest import Api, Database
from tests.factory.kit import db_of, pool_of

AT = ("core.webhook", "secret")


def keys(tmp_path: Path, *names: str) -> Settings:
    """Settings with these keys, made where they are missing."""
    paths = [tmp_path / f"{name}.key" for name in names]
    for path in paths:
        if not path.exists():
            create_key(path)
    return Settings(vault_keys=paths)


async def sealed_by(api: Api, settings: Settings, name: str = "ada") -> tuple[UUID, bytes]:
    db, row_id = await db_of(api, name), uuid4()
    try:
        async with db.transaction():
            return row_id, await seal(db, settings, *AT, row_id, f"secret of {name}".encode())
    finally:
        await db.close()


async def opened_by(api: Api, settings: Settings, row_id: UUID, sealed: bytes, name: str = "ada") -> bytes:
    db = await db_of(api, name)
    try:
        return await unseal(db, settings, *AT, row_id, sealed)
    finally:
        await db.close()


async def many(database: Database, settings: Settings, count: int) -> None:
    """Workspaces with a data key each, wrapped with the first key of the settings."""
    vault = vault_of(settings)
    async with database.connect() as admin:
        ids = await admin.fetch(
            "INSERT INTO core.workspace (kind, name) SELECT 'organization', 'O' FROM generate_series(1, $1) RETURNING id", count
        )
        rows = []
        for (workspace_id,) in ids:
            key = new_key()
            wrapped = vault.seal(Place("core.data_key", "wrapped", key.id, workspace_id), key.secret)
            rows.append((workspace_id, key.id, vault.first, wrapped))
        await admin.executemany("INSERT INTO core.data_key (workspace_id, id, kek_id, wrapped) VALUES ($1, $2, $3, $4)", rows)


async def ask(database: Database, question: str, *args: Any) -> Any:
    async with database.connect() as admin:
        return await admin.fetchval(question, *args)


async def test_derived_keys_are_of_one_workspace_and_purpose(api: Api, tmp_path: Path) -> None:
    """And stay the same when the operator's key is another: what was hashed with them is found again."""
    settings, found = keys(tmp_path, "old"), []
    for name in ("ada", "grace"):
        db = await db_of(api, name)
        try:
            assert await find_derived_key(db, settings, "scans.url") is None, "there is no data key, so nothing to find"
            for purpose in ("scans.url", "scans.lookup"):
                async with db.transaction():
                    found.append(await derive_key(db, settings, purpose))
                assert await find_derived_key(db, settings, purpose) == found[-1]
        finally:
            await db.close()
    assert {len(each) for each in found} == {32}
    assert len(set(found)) == 4
    both = keys(tmp_path, "new", "old")
    async with open_as(api.database.url(), "fivefold_owner") as (_, owner):
        await rotate(owner, vault_of(both))
    db = await db_of(api, "ada")
    try:
        assert await find_derived_key(db, keys(tmp_path, "new"), "scans.url") == found[0]
        with pytest.raises(Sealed):
            await find_derived_key(db, settings, "scans.url")
    finally:
        await db.close()


async def test_a_secret_opens_in_its_row_and_workspace_alone(api: Api, tmp_path: Path) -> None:
    settings = keys(tmp_path, "a")
    row_id, sealed = await sealed_by(api, settings)
    assert await opened_by(api, settings, row_id, sealed) == b"secret of ada"
    with pytest.raises(Sealed):
        await opened_by(api, settings, uuid4(), sealed)
    with pytest.raises(Sealed):  # who has no data key
        await opened_by(api, settings, row_id, sealed, "ben")
    await sealed_by(api, settings, "ben")
    with pytest.raises(Sealed):  # and who has
        await opened_by(api, settings, row_id, sealed, "ben")
    with pytest.raises(Sealed):  # without the operator's key
        await opened_by(api, keys(tmp_path, "b"), row_id, sealed)


async def test_a_workspace_has_one_data_key_however_many_ask_at_once(api: Api, tmp_path: Path) -> None:
    settings = keys(tmp_path, "a")
    await api.person("ada")
    made = await asyncio.gather(*(sealed_by(api, settings) for _ in range(8)))
    assert await ask(api.database, "SELECT count(*) FROM core.data_key") == 1
    for row_id, sealed in made:
        assert await opened_by(api, settings, row_id, sealed) == b"secret of ada"


async def test_a_data_key_that_was_moved_to_another_workspace_opens_nothing(api: Api, tmp_path: Path) -> None:
    settings = keys(tmp_path, "a")
    row_id, sealed = await sealed_by(api, settings)
    ben = await api.person("ben")
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.data_key SET workspace_id = $1", ben.workspace_id)
    with pytest.raises(Sealed):
        await opened_by(api, settings, row_id, sealed, "ben")


async def test_without_its_data_key_a_secret_is_gone(api: Api, tmp_path: Path) -> None:
    settings = keys(tmp_path, "a")
    row_id, sealed = await sealed_by(api, settings)
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM core.data_key")
    with pytest.raises(Sealed):
        await opened_by(api, settings, row_id, sealed)
    await sealed_by(api, settings)  # a new one seals what comes, and opens nothing of before
    with pytest.raises(Sealed):
        await opened_by(api, settings, row_id, sealed)


async def test_nobody_sees_or_changes_the_data_keys_of_others(api: Api, tmp_path: Path) -> None:
    await sealed_by(api, keys(tmp_path, "a"))
    ben = await api.person("ben")
    for role in ("fivefold_api", "fivefold_worker"):
        async with api.database.connect(role) as other, other.transaction():
            await other.execute("SELECT set_config('fivefold.workspace_id', $1, true)", str(ben.workspace_id))
            assert await other.fetchval("SELECT count(*) FROM core.data_key") == 0
            for text in ("UPDATE core.data_key SET wrapped = wrapped", "DELETE FROM core.data_key"):
                with pytest.raises(Exception, match="permission denied"):
                    async with other.transaction():
                        await other.execute(text)


async def test_the_audit_tells_of_data_keys_and_not_what_they_hold(api: Api, tmp_path: Path) -> None:
    await sealed_by(api, keys(tmp_path, "a"))
    detail = orjson.loads(await ask(api.database, "SELECT detail FROM core.audit_detail WHERE detail ? 'kek_id'"))
    assert set(detail) == {"id", "kek_id"}


async def test_rotation_wraps_anew_and_changes_no_secret(api: Api, tmp_path: Path) -> None:
    old, both, new = keys(tmp_path, "a"), keys(tmp_path, "b", "a"), keys(tmp_path, "b")
    row_id, sealed = await sealed_by(api, old)
    assert await opened_by(api, both, row_id, sealed) == b"secret of ada"
    url = api.database.url()
    states = [(each.state, each.data_keys) for each in await command.status(url, both)]
    assert states == [("seals", 0), ("opens", 1)]
    done = await command.rotate(url, both)
    assert (done.key_id, done.wrapped, done.refused) == (vault_of(new).first, 1, 0)
    assert await opened_by(api, new, row_id, sealed) == b"secret of ada"
    with pytest.raises(Sealed):
        await opened_by(api, old, row_id, sealed)
    assert (await command.rotate(url, both)).wrapped == 0, "again does nothing"
    assert [(each.state, each.data_keys) for each in await command.status(url, new)] == [("seals", 1)]
    assert [(each.state, each.data_keys) for each in await command.status(url, old)] == [("seals", 0), ("missing", 1)]


async def test_rotation_goes_on_where_it_was_cut_off(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_key, "BATCH", 7)
    old, both = keys(tmp_path, "a"), keys(tmp_path, "b", "a")
    await many(api.database, old, 30)

    class Cut(Exception):
        pass

    def cut(count: int) -> None:
        if count >= 14:
            raise Cut

    async with open_as(api.database.url(), "fivefold_owner") as (pool, db):
        with pytest.raises(Cut):
            await rotate(db, vault_of(both), cut)
        assert sorted(use.data_keys for use in await fetch_key_use(pool)) == [14, 16]
        assert (await rotate(db, vault_of(both))).wrapped == 16
        assert [(use.kek_id, use.data_keys) for use in await fetch_key_use(pool)] == [(vault_of(both).first, 30)]


async def test_a_killed_rotation_leaves_every_key_whole(api: Api, tmp_path: Path) -> None:
    """kill -9 while secrets are sealed and opened: none is lost, and the next run ends what was begun."""
    old, both, new = keys(tmp_path, "a"), keys(tmp_path, "b", "a"), keys(tmp_path, "b")
    row_id, sealed = await sealed_by(api, old)
    await many(api.database, old, 3000)
    environment = {
        **os.environ,
        "DATABASE_URL": api.database.url(),
        "FIVEFOLD_VAULT_KEYS": ",".join(str(path) for path in both.vault_keys),
    }
    words = [sys.executable, "-m", "app", "vault", "rotate", "--json"]
    begun = await asyncio.to_thread(subprocess.Popen, words, env=environment, cwd=root(), stdout=subprocess.PIPE)
    question = "SELECT count(*) FROM core.data_key WHERE kek_id = $1"
    while begun.poll() is None and await ask(api.database, question, vault_of(new).first) == 0:
        assert await opened_by(api, both, row_id, sealed) == b"secret of ada"
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    done = await ask(api.database, question, vault_of(new).first)
    assert done > 0
    assert await opened_by(api, both, row_id, sealed) == b"secret of ada"
    again = await asyncio.to_thread(subprocess.run, words, env=environment, cwd=root(), capture_output=True, check=True)
    assert orjson.loads(again.stdout)["wrapped"] >= 0
    assert await ask(api.database, question, vault_of(new).first) == 3001
    assert await opened_by(api, new, row_id, sealed) == b"secret of ada"


async def test_two_rotations_at_once_and_new_data_keys_meanwhile(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_key, "BATCH", 5)
    old, both, new = keys(tmp_path, "a"), keys(tmp_path, "b", "a"), keys(tmp_path, "b")
    await many(api.database, old, 40)
    for name in "cdef":
        await api.person(name)

    async def run() -> int:
        async with open_as(api.database.url(), "fivefold_owner") as (_, db):
            return (await rotate(db, vault_of(both))).wrapped

    sealing = asyncio.gather(*(sealed_by(api, both, name) for name in "cdef"))
    counts, made = await asyncio.gather(asyncio.gather(run(), run()), sealing)
    assert sum(counts) == 40
    for name, (row_id, sealed) in zip("cdef", made, strict=True):
        assert await opened_by(api, new, row_id, sealed, name) == f"secret of {name}".encode()


async def test_what_cannot_be_opened_is_counted_and_left_alone(api: Api, tmp_path: Path) -> None:
    lost, old, both = keys(tmp_path, "lost"), keys(tmp_path, "a"), keys(tmp_path, "b", "a")
    await many(api.database, lost, 3)
    row_id, sealed = await sealed_by(api, old)
    done = await command.rotate(api.database.url(), both)
    assert (done.wrapped, done.refused) == (1, 3)
    assert await opened_by(api, both, row_id, sealed) == b"secret of ada"
    assert (await command.rotate(api.database.url(), keys(tmp_path, "b", "lost"))).wrapped == 3


async def examined(database: Database, settings: Settings) -> doctor.Check:
    found = await doctor.examine(database.url(), settings)
    return next(check for check in found if check.name == "vault")


async def test_a_missing_key_is_named_at_the_start_and_by_doctor(api: Api, tmp_path: Path) -> None:
    old, both, other = keys(tmp_path, "a"), keys(tmp_path, "b", "a"), keys(tmp_path, "b")
    name = str(vault_of(old).first)
    url = api.database.url("fivefold_api")
    await serve.check_vault(url, other)  # nothing is sealed yet
    assert (await examined(api.database, old)).state == "ok"
    await sealed_by(api, old)
    await serve.check_vault(url, both)
    await serve.check_vault(api.database.url("fivefold_worker"), both)
    for wrong, words in ((other, f"lacks a key that 1 workspaces need.*{name}"), (Settings(vault_keys=[]), "is not set")):
        with pytest.raises(SetupError, match=words):
            await serve.check_vault(url, wrong)
        check = await examined(api.database, wrong)
        assert check.state == "failed"
        assert "FIVEFOLD_VAULT_KEYS" in check.found
    check = await examined(api.database, both)
    assert (check.state, name in check.found, "vault rotate" in check.found) == ("warning", True, True)
    (tmp_path / "bad.key").write_text("bad")
    assert (await examined(api.database, Settings(vault_keys=[tmp_path / "bad.key"]))).state == "failed"
    unable = [check for check in await doctor.examine(api.database.url("fivefold_auditor"), old) if check.name == "vault"]
    assert [check.state for check in unable] in ([], ["warning"])


def command_line(words: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "500"} | variables
    return subprocess.run([sys.executable, "-m", "app", *words], env=environment, cwd=root(), capture_output=True, text=True)


async def test_neither_server_nor_worker_begins_without_keys(database: Database, tmp_path: Path) -> None:
    for words, role in ((["serve", "--port", "1"], "fivefold_api"), (["worker"], "fivefold_worker")):
        said = command_line(words, DATABASE_URL=database.url(role), FIVEFOLD_VAULT_KEYS="")
        assert (said.returncode, said.stdout) == (1, "")
        assert "FIVEFOLD_VAULT_KEYS is not set" in said.stderr
        assert "Traceback" not in said.stderr


async def test_the_command_line_tells_of_keys(api: Api, tmp_path: Path) -> None:
    settings = keys(tmp_path, "a")
    await many(api.database, settings, 2)
    url = api.database.url()
    paths = str(settings.vault_keys[0])
    told = command_line(["vault", "status"], DATABASE_URL=url, FIVEFOLD_VAULT_KEYS=paths)
    assert (told.returncode, told.stdout) == (0, f"{vault_of(settings).first}  seals    2 data keys\n")
    other = str(keys(tmp_path, "b").vault_keys[0])
    told = command_line(["vault", "status", "--json"], DATABASE_URL=url, FIVEFOLD_VAULT_KEYS=other)
    assert told.returncode == 1
    assert [row["state"] for row in orjson.loads(told.stdout)] == ["seals", "missing"]
    told = command_line(["vault", "rotate"], DATABASE_URL=url, FIVEFOLD_VAULT_KEYS=other)
    assert told.returncode == 1
    assert "2 could not be opened" in told.stdout
    told = command_line(["vault", "rotate"], DATABASE_URL=url, FIVEFOLD_VAULT_KEYS=f"{other},{paths}")
    assert (told.returncode, told.stdout.split(";")[0].split(" wrapped")[0]) == (0, "2 data keys")
    told = command_line(["vault", "rotate"], DATABASE_URL=url, FIVEFOLD_VAULT_KEYS="")
    assert (told.returncode, "FIVEFOLD_VAULT_KEYS is not set" in told.stderr) == (1, True)


async def test_an_actor_without_a_workspace_seals_nothing(api: Api, tmp_path: Path) -> None:
    db = Db(pool_of(api), Actor(uuid4(), uuid4(), "owner"), uuid4())
    try:
        with pytest.raises(Exception, match="data_key_workspace_id_fkey"):
            async with db.transaction():
                await seal(db, keys(tmp_path, "a"), *AT, uuid4(), b"x")
    finally:
        await db.close()
    with pytest.raises(SetupError):
        await rotate(db, Vault([]))
