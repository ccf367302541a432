"""The embedded server: it starts, goes on, recovers from kills, and refuses what it must."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psycopg
import pytest

from app.kit import embedded
from app.kit.embedded import Embedded
from app.kit.errors import SetupError

_HOLD = """
import signal, sys, time
from pathlib import Path
from app.kit.embedded import Embedded
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
server = Embedded.start(Path(sys.argv[1]), durable=False)
print(server.url(), flush=True)
time.sleep(600)
"""


def _ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question)
        return (cursor.fetchone() or [None])[0] if cursor.description else None


def _hold(data: Path) -> tuple["subprocess.Popen[str]", str]:
    """Another process of ours that keeps a server on ``data``, and its URL."""
    root = Path(embedded.__file__).parents[2]
    words = [sys.executable, "-c", _HOLD, str(data)]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root, start_new_session=True)
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def _postmaster(data: Path) -> int:
    return int((data / "cluster" / "postmaster.pid").read_text().splitlines()[0])


async def test_every_client_gets_in_as_any_role(server: Embedded) -> None:
    _ask(server.url(), 'CREATE ROLE "embedded p@ss/er" LOGIN')
    url = server.url(user="embedded p@ss/er")
    assert _ask(url, "SELECT current_user") == "embedded p@ss/er"
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT session_user") == "embedded p@ss/er"
    await connection.close()
    told = subprocess.run(  # noqa: ASYNC221 - nothing else runs
        [embedded.program("psql"), url, "-Atc", "SELECT current_user"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "embedded p@ss/er"


def test_settings_that_the_rest_relies_on(server: Embedded) -> None:
    assert str(_ask(server.url(), "SHOW server_version")).startswith("18.")
    assert _ask(server.url(), "SHOW server_encoding") == "UTF8"
    assert _ask(server.url(), "SHOW timezone") == "UTC"
    assert _ask(server.url(), "SHOW listen_addresses") == ""
    assert _ask(server.url(), "SELECT datlocale FROM pg_database WHERE datname = 'template1'") == "C.UTF-8"
    assert int(str(_ask(server.url(), "SHOW max_connections"))) >= 200


def test_other_users_of_the_machine_stay_out(server: Embedded) -> None:
    assert (server.data / "socket").stat().st_mode & 0o077 == 0
    rules = _ask(server.url(), "SELECT string_agg(type || ' ' || auth_method, ',') FROM pg_hba_file_rules")
    assert rules == "local peer,local peer"


def test_goes_on_where_it_was_and_is_durable(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mode
    with Embedded.start(tmp_path / "data") as first:
        _ask(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
        assert _ask(first.url(), "SHOW fsync") == "on"
    assert "database system is shut down" in (tmp_path / "data" / "postgres.log").read_text()
    with Embedded.start(tmp_path / "data") as again:
        assert _ask(again.url(), "SELECT answer FROM kept") == 42
    again.stop()
    assert tmp_path.stat().st_mode == before


def test_long_and_odd_paths(tmp_path: Path) -> None:
    data = tmp_path / ("long and, odd 'name' " * 6)
    with Embedded.start(data, durable=False) as server:
        assert _ask(server.url(), "SELECT 1") == 1
        folder = Path(str(_ask(server.url(), "SHOW unix_socket_directories")))
        assert folder.is_dir()
        assert data not in folder.parents
    assert not folder.exists()


def test_second_process_is_refused_and_an_orphan_recovered(tmp_path: Path) -> None:
    data = tmp_path / "data"
    holder, url = _hold(data)
    with pytest.raises(SetupError, match=f"in use by process {holder.pid}"):
        Embedded.start(data)
    assert _ask(url, "CREATE TABLE kept AS SELECT 42 AS answer") is None
    holder.kill()
    holder.communicate()
    orphan = _postmaster(data)
    assert _ask(url, "SELECT answer FROM kept") == 42  # it runs on
    with Embedded.start(data, durable=False) as server:
        assert _postmaster(data) != orphan
        assert _ask(server.url(), "SELECT answer FROM kept") == 42


def test_recovers_when_everything_was_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    holder, url = _hold(data)
    busy = subprocess.Popen([embedded.program("psql"), url, "-qc", "SELECT pg_sleep(600)"], stderr=subprocess.DEVNULL)
    while not _ask(url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        pass
    holder.kill()
    os.kill(_postmaster(data), signal.SIGKILL)  # the sleeping backend lives on without its postmaster
    holder.communicate()
    with Embedded.start(data, durable=False) as server:
        assert _ask(server.url(), "SELECT 1") == 1
    busy.wait()


def test_number_of_the_dead_server_taken_by_another_program(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Embedded.start(data, durable=False).stop()
    other = subprocess.Popen(["sleep", "600"], **({"user": "nobody"} if os.geteuid() == 0 else {}))  # type: ignore[call-overload]
    try:
        stale = f"{other.pid}\n{data}/cluster\n1700000000\n5432\n{data}/socket\n\n  1 1\nready\n"
        (data / "cluster" / "postmaster.pid").write_text(stale)
        with Embedded.start(data, durable=False) as server:
            assert _ask(server.url(), "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / "data" / "cluster.new-abc"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with Embedded.start(tmp_path / "data", durable=False) as server:
        assert _ask(server.url(), "SELECT 1") == 1
    assert not half.exists()


def test_interrupt_to_our_group_does_not_reach_the_server(tmp_path: Path) -> None:
    holder, _ = _hold(tmp_path / "data")
    os.killpg(holder.pid, signal.SIGINT)
    holder.communicate()
    assert holder.returncode != 0
    # the interrupted process stopped it in good order on its way out, which a server hit by the signal itself
    # would have done as well: what tells them apart is its own session
    assert "database system is shut down" in (tmp_path / "data" / "postgres.log").read_text()


def test_server_has_a_session_of_its_own(server: Embedded) -> None:
    pid = _postmaster(server.data)
    assert os.getsid(pid) == pid != os.getsid(0)


def test_missing_wheel_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"pip install 'fivefold\[demo\]'"):
        Embedded.start(tmp_path / "data")


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Embedded.start(data, durable=False).stop()
    (data / "cluster" / "PG_VERSION").write_text("15\n")
    with pytest.raises(SetupError, match=r"did not start on .*: database files are incompatible with server"):
        Embedded.start(data)
    (data / "cluster" / "PG_VERSION").write_text("18\n")
    Embedded.start(data, durable=False).stop()


def test_folder_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"PostgreSQL cannot run on .*: Not a directory"):
        Embedded.start(tmp_path / "file" / "data")
