"""The migration wrapper: order and refusals, kills at every moment, drift, two runs at once, reviews."""

import random
import secrets
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.kit import bootstrap, migrate
from app.kit.embedded import Embedded
from app.kit.errors import SetupError
from app.kit.migration import ledger
from app.kit.migration.files import read
from app.kit.migration.locks import MODES, Catalog, locks

HEADER = """-- Why:      {id} is needed.
-- Change:   as its statements say,
--           and no more.
-- Locks:    none.
-- Data:     none.
-- Old code: does not care.
-- Rollback: takes it back.
"""
TIMEOUTS = "SET LOCAL lock_timeout = '3s';\nSET LOCAL statement_timeout = '60s';\n\n"

A, B, C, D = (
    "20300101_01_pre_shop_create_schema",
    "20300101_02_pre_shop_create_item",
    "20300102_01_post_shop_fill_item",
    "20300103_01_pre_shop_create_index",
)

# runs `up` in a process of its own that kills itself at a named moment, or waits to be killed
_RUN = """
import os, sys
from pathlib import Path
from app.kit import migrate
url, folder, moment = sys.argv[1:]
def die():
    os.kill(os.getpid(), 9)
def on_step(step):
    print(step.stage, step.id, step.number, flush=True)
    if moment == f"{step.stage} {step.id}":
        die()
write = migrate.ledger.write
def first_die(connection, migration, milliseconds):
    if moment == f"unrecorded {migration.id}":
        die()
    write(connection, migration, milliseconds)
migrate.ledger.write = first_die
print(migrate.up(url, folder=Path(folder), on_step=on_step), flush=True)
"""


def _write(folder: Path, id_: str, up: str, rollback: str, *, header: str = "", verify: str = "") -> None:
    alone = "transactional: false" in header
    (folder / f"{id_}.sql").write_text(HEADER.format(id=id_) + header + "\n" + ("" if alone else TIMEOUTS) + up)
    (folder / f"{id_}.rollback.sql").write_text(("" if alone else TIMEOUTS) + rollback)
    if verify:
        (folder / f"{id_}.verify.sql").write_text(verify)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four migrations: a schema, a table, rows, and an index that is built outside of a transaction."""
    folder = tmp_path / "some [odd] folder"
    folder.mkdir()
    _write(folder, A, "CREATE SCHEMA shop;\n", "DROP SCHEMA shop;\n")
    _write(
        folder,
        B,
        "CREATE TABLE shop.item (id int PRIMARY KEY, name text NOT NULL);\nSELECT '100% :x' AS printed;\n",
        "DROP TABLE shop.item;\n",
        header=f"-- depends: {A}\n",
        verify="SELECT to_regclass('shop.item') IS NOT NULL AS made;\nDO $$ BEGIN PERFORM 1; END $$;\n",
    )
    _write(
        folder,
        C,
        "INSERT INTO shop.item SELECT n, 'item; ' || n FROM generate_series(1, 10) AS n;\n",
        "DELETE FROM shop.item;\n",
        header=f"-- depends: {B}\n",
        verify="SELECT count(*) = 10, bool_and(name LIKE 'item;%') FROM shop.item;\n",
    )
    _write(
        folder,
        D,
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS item_name_idx ON shop.item (name);\n",
        "DROP INDEX CONCURRENTLY IF EXISTS shop.item_name_idx;\n",
        header=f"-- depends: {B}\n-- transactional: false\n",
    )
    return folder


@pytest.fixture
def url(server: Embedded) -> Iterator[str]:
    """The migrator's URL of a new database."""
    name = f"migrate_{uuid.uuid4().hex}"
    bootstrap.run(server.url(name))
    yield server.url(name, "fivefold_migrator")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _ask(url: str, question: str) -> Any:
    with psycopg.connect(url, options="-c role=fivefold_owner", autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row[0] if row else None


def _start(url: str, folder: Path, moment: str = "") -> "subprocess.Popen[str]":
    root = Path(migrate.__file__).parents[2]
    words = [sys.executable, "-c", _RUN, url, str(folder), moment]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


def _check_complete(url: str, *more: str) -> None:
    assert _ask(url, "SELECT array_agg(id ORDER BY id) FROM migration.ledger") == [A, B, C, D, *more]
    marked = _ask(url, "SELECT array_agg(migration_id::text ORDER BY migration_id) FROM migration._yoyo_migration")
    assert marked == [A, B, C, D, *more]
    assert _ask(url, "SELECT count(*) FROM migration.yoyo_lock") == 0
    assert _ask(url, "SELECT count(*) FROM shop.item") == 10
    assert _ask(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'shop.item_name_idx'::regclass") is True


# --- order and refusals, without a database


def test_plan_gives_order_and_headers(folder: Path) -> None:
    planned = migrate.plan(folder)
    assert [(each.id, each.phase, each.pending) for each in planned] == [
        (A, "pre", None), (B, "pre", None), (C, "post", None), (D, "pre", None),
    ]  # fmt: skip
    assert planned[0].headers["Change"] == "as its statements say, and no more."
    assert planned[1].depends == (A,)
    assert [each.transactional for each in planned] == [True, True, True, False]


def test_depends_comes_before_the_name(folder: Path) -> None:
    early = "20290101_01_pre_shop_create_early"
    _write(folder, early, "CREATE TABLE shop.early ();\n", "DROP TABLE shop.early;\n", header=f"-- depends: {D}\n")
    assert [each.id for each in migrate.plan(folder)] == [A, B, C, D, early]


def _change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / f"{C}.rollback.sql").unlink(), f"{C}.sql has no {C}.rollback.sql"),
        (lambda folder: (folder / f"{C}.sql").unlink(), f"{C}.rollback.sql has no {C}.sql"),
        (lambda folder: (folder / "20300101_create.sql").touch(), "20300101_create.sql is not named"),
        (lambda folder: (folder / f"{A}.py").touch(), f"{A}.py is not named"),
        (lambda folder: (folder / "20301301_01_pre_a_b_c.sql").touch(), "does not begin with a date"),
        (lambda folder: (folder / f"{C}.rollback.sql").write_text("-- nothing\n"), "holds no statement"),
        (_change(f"{A}.sql", "-- Why:", "-- Reason:"), "'Reason' is no field of the header"),
        (_change(f"{A}.sql", "-- Change:", "-- Why:"), "says 'Why' twice"),
        (_change(f"{A}.sql", "-- Data:", "-- Minimum release: 1\n-- Data:"), "a number like 0.2.0"),
        (_change(f"{B}.sql", "CREATE TABLE", "BEGIN;\nCREATE TABLE"), f"{B}.sql, line 13: BEGIN is not for"),
        (_change(f"{B}.rollback.sql", "DROP TABLE", "COMMIT;\nDROP TABLE"), "line 4: COMMIT is not for"),
        (_change(f"{B}.verify.sql", "SELECT", "ROLLBACK; SELECT"), "ROLLBACK is not for"),
        (_change(f"{B}.sql", f"depends: {A}", "depends: nothing"), "depends on nothing, which does not exist"),
        (_change(f"{A}.sql", "-- Rollback", f"-- depends: {C}\n-- Rollback"), "in a circle: .*item"),
        (_change(f"{B}.sql", "CREATE TABLE", f"-- depends: {A}\nCREATE TABLE"), "only in the comments before any"),
        (_change(f"{D}.sql", "IF NOT EXISTS ", ""), f"{D}.sql is not transactional"),
        (_change(f"{D}.rollback.sql", "DROP", "SELECT 1;\nDROP"), f"{D}.rollback.sql is not transactional"),
        (_change(f"{D}.sql", "nal: false", "nal: no"), "either true or false"),
    ],
)  # fmt: skip
def test_plan_refuses_broken_files(folder: Path, change: Callable[[Path], None], said: str) -> None:
    change(folder)
    with pytest.raises(SetupError, match=said):
        migrate.plan(folder)


# --- up, down, status, verify


def test_up_verify_down_to_empty_and_up_again(url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert migrate.pending(url, folder) == [A, B, C, D]
        steps: list[migrate.Step] = []
        assert migrate.up(url, folder=folder, on_step=steps.append) == [A, B, C, D]
        _check_complete(url)
        assert [step.stage for step in steps if step.id == B] == [
            "begin", "statement", "statement", "statement", "statement", "recorded", "committed", "done",
        ]  # fmt: skip
        assert migrate.up(url, folder=folder) == []
        assert migrate.verify(url, folder) == [migrate.Check(id_, True) for id_ in (A, B, C, D)]
        assert migrate.down(url, folder=folder) == [D]
        assert migrate.down(url, A, folder=folder) == [C, B, A]
        assert _ask(url, "SELECT count(*) FROM migration.ledger") == 0
        assert _ask(url, "SELECT count(*) FROM migration._yoyo_migration") == 0
        assert _ask(url, "SELECT to_regnamespace('shop') IS NULL") is True
        assert migrate.down(url, folder=folder) == []
    assert capsys.readouterr().out == ""  # yoyo prints what a SELECT returns; commands with --json must not


def test_until_phase_and_status(url: str, folder: Path) -> None:
    assert migrate.up(url, until=A, folder=folder) == [A]
    assert migrate.up(url, phase="pre", folder=folder) == [B, D]
    assert [(row.id, row.phase, row.state) for row in migrate.status(url, folder)] == [
        (A, "pre", "ok"), (B, "pre", "ok"), (C, "post", "pending"), (D, "pre", "ok"),
    ]  # fmt: skip
    assert [each.pending for each in migrate.plan(folder, url)] == [False, False, True, False]
    first = migrate.status(url, folder)[0]
    assert first.applied_by == "fivefold_migrator"
    assert first.applied_at is not None
    with pytest.raises(SetupError, match="There is no migration x"):
        migrate.up(url, until="x", folder=folder)
    with pytest.raises(SetupError, match="is not applied"):
        migrate.down(url, C, folder=folder)


def test_names_land_in_their_schema_and_belong_to_the_owner(url: str, folder: Path) -> None:
    migrate.up(url, folder=folder)
    assert _ask(url, "SELECT tableowner FROM pg_tables WHERE tablename = 'item'") == "fivefold_owner"
    assert _ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    unqualified = "20300104_01_pre_shop_create_stray"
    _write(folder, unqualified, "CREATE TABLE stray ();\n", "DROP TABLE stray;\n")
    with pytest.raises(SetupError, match=f"{unqualified}.sql, line 12: .*nothing of it was kept"):
        migrate.up(url, folder=folder)
    assert migrate.pending(url, folder) == [unqualified]


def test_failed_migration_says_where_and_leaves_nothing(url: str, folder: Path) -> None:
    broken = "20300104_01_pre_shop_break_item"
    _write(folder, broken, "ALTER TABLE shop.item ADD COLUMN x int;\n\nSELECT 1 / 0;\n", "SELECT 1;\n")
    with pytest.raises(SetupError) as caught:
        migrate.up(url, folder=folder)
    assert str(caught.value) == f"{broken}.sql, line 14: division by zero (nothing of it was kept)."
    _check_complete(url)
    assert _ask(url, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.item'::regclass AND attname = 'x'") == 0


def test_verify_says_what_fails(url: str, folder: Path) -> None:
    migrate.up(url, folder=folder)
    for text, said in (
        ("SELECT true;\nSELECT true, 1 = 2;\n", f"{C}.verify.sql, line 2: not true."),
        ("SELECT true WHERE false;\n", f"{C}.verify.sql, line 1: no row."),
        ("SELECT NULL::boolean;\n", f"{C}.verify.sql, line 1: not true."),
        ("DO $$ BEGIN RAISE 'no such thing'; END $$;\n", f"{C}.verify.sql, line 1: no such thing."),
        ("DELETE FROM shop.item;\n", f"{C}.verify.sql, line 1: cannot execute DELETE in a read-only transaction."),
    ):
        (folder / f"{C}.verify.sql").write_text(text)
        assert [check for check in migrate.verify(url, folder) if not check.passed] == [migrate.Check(C, False, said)]


def test_waits_for_a_lock_and_tries_again(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.up(url, until=B, folder=folder)
    monkeypatch.setattr(migrate, "_RETRIES", (0.0, 0.0))
    for path in folder.glob("*_post_*"):
        path.write_text(path.read_text().replace("'3s'", "'10ms'"))
    stages: list[str] = []
    with psycopg.connect(url, options="-c role=fivefold_owner") as holder:
        holder.execute("LOCK TABLE shop.item")
        with pytest.raises(SetupError, match="canceling statement due to lock timeout"):
            migrate.up(url, until=C, folder=folder)

        def on_step(step: migrate.Step) -> None:
            stages.append(step.stage)
            if step.stage == "retry":
                holder.rollback()

        assert migrate.up(url, until=C, folder=folder, on_step=on_step) == [C]
    assert stages.count("retry") == 1


# --- drift


@pytest.mark.parametrize("name", [f"{B}.sql", f"{B}.rollback.sql"])
def test_changed_file_is_refused(url: str, folder: Path, name: str) -> None:
    migrate.up(url, until=C, folder=folder)
    with (folder / name).open("a") as file:
        file.write("-- harmless\n")
    for act in (migrate.up, migrate.down):
        with pytest.raises(SetupError, match=f"{name} was changed after it had been applied"):
            act(url, folder=folder)
    assert [row.state.split()[0] for row in migrate.status(url, folder)] == ["ok", name, "ok", "pending"]
    assert [check.id for check in migrate.verify(url, folder) if not check.passed] == [B]
    assert migrate.pending(url, folder) == [D]


def test_removed_file_is_refused(url: str, folder: Path) -> None:
    migrate.up(url, folder=folder)
    for path in folder.glob(f"{D}.*"):
        path.unlink()
    with pytest.raises(SetupError, match=f"{D} was applied, but this code has no {D}.sql"):
        migrate.up(url, folder=folder)
    assert migrate.status(url, folder)[-1].state.startswith(f"{D} was applied")


# --- serve


def test_releases_as_the_api_sees_them(server: Embedded, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = server.url(str(conninfo_to_dict(url)["dbname"]), "fivefold_api")
    before = migrate.releases(api, folder)
    assert (before.pending_pre, before.pending_post) == ([A, B, D], [C])
    _change(f"{D}.sql", "-- depends", "-- Minimum release: 0.10.0\n-- depends")(folder)
    migrate.up(url, folder=folder)
    for id_ in (C, D):
        for path in folder.glob(f"{id_}.*"):
            path.unlink()
    newer = migrate.releases(api, folder)
    assert newer == migrate.Releases([], [], [C, D], "0.10.0")
    monkeypatch.setattr(migrate, "release", lambda: "0.9.1")
    assert newer.too_old
    monkeypatch.setattr(migrate, "release", lambda: "0.10.0")
    assert not newer.too_old


# --- kills


@pytest.mark.parametrize(
    "moment",
    [
        f"begin {A}", f"statement {B}", f"unrecorded {B}", f"recorded {B}", f"committed {B}", f"done {B}", f"begin {D}",
        f"statement {D}", f"unrecorded {D}", f"recorded {D}", f"committed {D}",
    ],
)  # fmt: skip
def test_kill_at_a_named_moment(url: str, folder: Path, moment: str) -> None:
    killed = _start(url, folder, moment)
    out, _ = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, out
    id_ = moment.split()[1]
    recorded = _ask(url, "SELECT array_agg(id ORDER BY id) FROM migration.ledger") or []
    marked = _ask(url, "SELECT array_agg(migration_id::text) FROM migration._yoyo_migration") or []
    if moment.startswith("committed"):
        assert id_ in recorded  # and yoyo alone would now run it a second time
        assert id_ not in marked
    migrate.up(url, folder=folder)
    _check_complete(url)
    assert migrate.down(url, A, folder=folder) == [D, C, B, A]


def _hold_up(url: str, folder: Path) -> tuple[str, psycopg.Connection[Any]]:
    """A migration whose statement lasts as long as the returned connection stays open, and a moment longer."""
    slow = "20300104_01_pre_shop_wait_item"
    wait = "SET LOCAL lock_timeout = '60s';\nSELECT pg_advisory_xact_lock(7), pg_sleep(0.2);\n"
    _write(folder, slow, f"ALTER TABLE shop.item ADD COLUMN x int;\n{wait}", "SELECT 1;\n", header=f"-- depends: {D}\n")
    holder = psycopg.connect(url, autocommit=True)
    holder.execute("SELECT pg_advisory_lock(7)")
    return slow, holder


def _wait_for(run: "subprocess.Popen[str]", holder: psycopg.Connection[Any]) -> None:
    """Until the run's statement stands in the server, waiting for what ``holder`` holds."""
    question = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted"
    while holder.execute(question).fetchone() != (1,):
        assert run.poll() is None, run.communicate()


def test_kill_during_a_long_statement(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_RETRIES", ())
    slow, holder = _hold_up(url, folder)
    run = _start(url, folder)
    _wait_for(run, holder)
    run.kill()
    run.communicate()
    stages: list[str] = []

    def on_step(step: migrate.Step) -> None:
        stages.append(step.stage)
        if step.stage == "waiting":  # for the orphaned backend, which goes on and keeps its lock on the table
            holder.close()

    assert migrate.up(url, folder=folder, on_step=on_step) == [slow]
    assert "waiting" in stages
    assert _ask(url, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.item'::regclass AND attname = 'x'") == 1


def test_kill_at_random_moments(url: str, folder: Path) -> None:
    seed = secrets.randbelow(1 << 30)
    dice = random.Random(seed)  # noqa: S311 - of moments, not of secrets
    for number in range(3, 9):
        _write(
            folder,
            f"203001{number:02d}_05_pre_shop_create_t{number}",
            f"CREATE TABLE shop.t{number} ();\nSELECT pg_sleep(0.02);\n",
            f"DROP TABLE shop.t{number};\n",
            header=f"-- depends: {A}\n",
        )
    ids = [each.id for each in migrate.plan(folder)]
    for _ in range(8):
        run = _start(url, folder)
        assert run.stdout is not None
        for _ in range(dice.randrange(30)):
            run.stdout.readline()
        threading.Event().wait(dice.random() / 50)
        run.kill()
        run.communicate()
    migrate.up(url, folder=folder)
    assert _ask(url, "SELECT array_agg(id ORDER BY id) FROM migration.ledger") == sorted(ids), f"seed {seed}"
    assert _ask(url, "SELECT count(*) FROM migration._yoyo_migration") == len(ids), f"seed {seed}"
    assert _ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'shop'") == 7, f"seed {seed}"


def test_invalid_index_of_a_failed_attempt_is_built_again(url: str, folder: Path) -> None:
    migrate.up(url, until=C, folder=folder)
    with psycopg.connect(url, options="-c role=fivefold_owner", autocommit=True) as connection:
        connection.execute("UPDATE shop.item SET name = 'same'")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY item_name_idx ON shop.item (name)")
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (1,)
    assert migrate.up(url, folder=folder) == [D]
    assert _ask(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'shop.item_name_idx'::regclass") is True


def test_two_runs_at_once(url: str, folder: Path) -> None:
    slow, holder = _hold_up(url, folder)
    first = _start(url, folder)
    _wait_for(first, holder)
    others = [_start(url, folder) for _ in range(2)]
    first_words: list[str] = []
    for other in others:
        assert other.stdout is not None
        first_words.append(other.stdout.readline().strip())
    holder.close()
    said = [run.communicate() for run in (first, *others)]
    assert first_words == ["waiting  0", "waiting  0"]
    assert [run.returncode for run in (first, *others)] == [0, 0, 0], said
    assert [out.splitlines()[-1] for out, _ in said] == [str([A, B, C, D, slow]), "[]", "[]"]
    _check_complete(url, slow)


# --- who may, and what cannot be reached


def test_setup_errors_are_one_sentence(server: Embedded, url: str, folder: Path, tmp_path: Path) -> None:
    database = str(conninfo_to_dict(url)["dbname"])
    with pytest.raises(SetupError, match="Role fivefold_api may not become fivefold_owner"):
        migrate.up(server.url(database, "fivefold_api"), folder=folder)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE never_bootstrapped")
    for act in (migrate.up, migrate.pending):
        with pytest.raises(SetupError, match="run fivefold bootstrap"):
            act(server.url("never_bootstrapped"), folder=folder)
    with pytest.raises(SetupError) as caught:
        migrate.status("postgresql://me:hidden@127.0.0.1:1/x", folder)
    assert str(caught.value) == "Cannot connect to database x on 127.0.0.1:1 as me: Connection refused."
    with pytest.raises(SetupError, match="There is no folder"):
        migrate.plan(tmp_path / "none")


def test_old_server_is_refused(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MINIMUM_VERSION", 190000)
    with pytest.raises(SetupError, match="needs PostgreSQL 18 or newer; this server is version 18"):
        migrate.up(url, folder=folder)


def test_options_of_the_url_are_kept(url: str, folder: Path) -> None:
    # an administrator's URL with options of its own still becomes the owner
    assert migrate.up(url + "&options=-c%20work_mem%3D8MB", folder=folder) == [A, B, C, D]
    with ledger.become_owner(url + "&options=-c%20work_mem%3D8MB") as connection:
        assert connection.execute("SELECT current_user, current_setting('work_mem')").fetchone() == (
            "fivefold_owner",
            "8MB",
        )


# --- review


def _findings(folder: Path) -> set[tuple[str, str, bool]]:
    reviews = migrate.review(folder=folder)
    found = [finding for each in reviews for finding in (*each.up.findings, *each.rollback.findings)]
    return {(finding.rule, finding.file, finding.explained is not None) for finding in found}


def test_review_of_good_files_is_quiet(folder: Path) -> None:
    (folder / f"{B}.sql").write_text((folder / f"{B}.sql").read_text().replace("id int", "id bigint"))
    assert {finding for finding in _findings(folder) if not finding[2]} == set()
    assert ("ban-drop-table", f"{B}.rollback.sql", True) in _findings(folder)


def test_shown_review_says_all_a_reviewer_needs(folder: Path) -> None:
    text = "\n".join(map(migrate.show, migrate.review(folder=folder)))
    assert f"--- {B}.sql" in text
    assert "CREATE TABLE shop.item (id int PRIMARY KEY" in text
    assert "lock     line 4: ACCESS EXCLUSIVE on shop.item" in text
    assert "FINDING  line 13: prefer-bigint-over-int: " in text
    assert "allowed  line 4: ban-drop-table: reverses its own migration" in text


BAD = """
CREATE POLICY all_rows ON shop.item USING ( (true) );
CREATE POLICY all_writes ON shop.item WITH CHECK (TRUE);
ALTER TABLE shop.item DISABLE TRIGGER ALL;
DO $$ BEGIN EXECUTE 'ALTER TABLE shop.item DISABLE TRIGGER ALL'; END $$;
DROP TRIGGER audit ON shop.item;
CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
GRANT SELECT ON shop.item TO PUBLIC;
CREATE TABLE loose (id bigint);
DROP TABLE shop.other;
"""


def test_review_finds_and_an_explanation_explains(folder: Path) -> None:
    bad = "20300104_01_pre_shop_spoil_item"
    for file in (f"{bad}.sql", f"{bad}.rollback.sql"):
        (folder / file).write_text(BAD)
    ours = {
        "always-true-policy", "disable-trigger", "drop-trigger", "definer-search-path", "grant-to-public",
        "missing-timeout", "unqualified-name",
    }  # fmt: skip
    rules = {(rule, file) for rule, file, explained in _findings(folder) if not explained}
    assert {(rule, file) for rule in ours for file in (f"{bad}.sql", f"{bad}.rollback.sql")} <= rules
    assert ("missing-header", f"{bad}.sql") in rules
    assert ("ban-drop-table", f"{bad}.rollback.sql") in rules  # its own up file did not make that table
    by_line = [f.line for each in migrate.review(folder=folder) for f in each.up.findings if f.file == f"{bad}.sql"]
    assert {2, 3, 4, 5, 6, 7, 8, 9} <= set(by_line)

    rest = "ban-drop-table, prefer-robust-stmts"
    allowed = "".join(
        f"-- allow {', '.join(sorted(ours))}, {rest}: it is a test.\n{line};\n" for line in BAD.strip().split(";\n") if line
    ).replace(";;", ";")
    for file in (f"{bad}.sql", f"{bad}.rollback.sql"):
        (folder / file).write_text((HEADER.format(id=bad) + "\n" if file == f"{bad}.sql" else "") + allowed)
    left = {finding for finding in _findings(folder) if not finding[2] and bad in finding[1]}
    assert left == set()


def test_words_in_strings_and_bodies_are_not_commands(folder: Path) -> None:
    quiet = "20300104_01_pre_shop_comment_item"
    up = (
        "COMMENT ON TABLE shop.item IS 'USING (true); SECURITY DEFINER; GRANT x TO someone; CREATE TABLE loose';\n"
        "CREATE POLICY narrow ON shop.item USING (id > 0 AND true);\n"
        "GRANT SELECT ON shop.item TO fivefold_api;\n"
        "CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' RETURN 1;\n"
    )
    _write(folder, quiet, up, "DROP FUNCTION shop.f();\nDROP POLICY narrow ON shop.item;\n")
    assert {finding for finding in _findings(folder) if quiet in finding[1] and not finding[2]} == set()


def test_explanation_after_a_trailing_comment_belongs_to_the_next_statement(folder: Path) -> None:
    _write(
        folder,
        "20300104_01_pre_shop_grant_item",
        "SELECT 1; -- one\n-- allow grant-to-public: it is a test.\nGRANT SELECT ON shop.item TO PUBLIC;\n"
        "GRANT UPDATE ON shop.item TO PUBLIC;\n",
        "REVOKE ALL ON shop.item FROM PUBLIC;\n",
    )
    found = [f for each in migrate.review(folder=folder) for f in each.up.findings if f.rule == "grant-to-public"]
    assert [(f.line, f.explained) for f in found] == [(14, "it is a test."), (15, None)]


BEFORE = """
CREATE SCHEMA shop;
CREATE TABLE shop.parent (id int PRIMARY KEY);
CREATE TABLE shop.child (id int PRIMARY KEY, parent_id int CONSTRAINT child_fk REFERENCES shop.parent (id));
CREATE TABLE shop.item (id int PRIMARY KEY, parent_id int, name text);
CREATE INDEX item_name_idx ON shop.item (name);
CREATE TABLE shop.parted (id int) PARTITION BY RANGE (id);
CREATE TABLE shop.part PARTITION OF shop.parted FOR VALUES FROM (1) TO (2);
CREATE TABLE shop.loose (id int);
CREATE VIEW shop.shown AS SELECT id FROM shop.item;
CREATE FUNCTION shop.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER fired AFTER INSERT ON shop.child FOR EACH ROW EXECUTE FUNCTION shop.f();
CREATE POLICY tenant ON shop.child USING (id > 0);
ALTER TABLE shop.item ADD CONSTRAINT item_fk FOREIGN KEY (parent_id) REFERENCES shop.parent (id) NOT VALID;
"""

LOCKING = """
CREATE TABLE shop.made (id int, child_id int REFERENCES shop.child (id));
CREATE TABLE shop.made (LIKE shop.item);
CREATE TABLE shop.made PARTITION OF shop.parted FOR VALUES FROM (3) TO (4);
CREATE TABLE shop.made () INHERITS (shop.loose);
CREATE TABLE shop.made AS SELECT i.id FROM shop.item AS i JOIN shop.child AS c ON c.id = i.id;
CREATE INDEX made_idx ON shop.item (id);
DROP INDEX shop.item_name_idx;
DROP TABLE shop.child;
DROP TABLE shop.loose, shop.part;
ALTER TABLE shop.item ADD COLUMN x int;
ALTER TABLE shop.item ADD COLUMN x int REFERENCES shop.child (id);
ALTER TABLE shop.item ADD CONSTRAINT made_fk FOREIGN KEY (parent_id) REFERENCES shop.child (id) NOT VALID;
ALTER TABLE shop.item ADD CONSTRAINT positive CHECK (id > 0);
ALTER TABLE shop.item ADD CONSTRAINT positive CHECK (id > 0 AND id < 9) NOT VALID, ALTER COLUMN id SET STATISTICS 5;
ALTER TABLE shop.child DROP CONSTRAINT child_fk;
ALTER TABLE shop.child DISABLE TRIGGER fired;
ALTER TABLE shop.child ENABLE ALWAYS TRIGGER fired;
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.item ALTER COLUMN name SET STATISTICS 100;
ALTER TABLE shop.item SET (fillfactor = 70);
ALTER TABLE shop.item OWNER TO CURRENT_USER;
ALTER TABLE shop.parted ATTACH PARTITION shop.loose FOR VALUES FROM (5) TO (6);
ALTER TABLE shop.parted DETACH PARTITION shop.part;
ALTER TABLE shop.loose RENAME COLUMN id TO key;
CREATE TRIGGER made AFTER INSERT ON shop.item FOR EACH ROW EXECUTE FUNCTION shop.f();
DROP TRIGGER fired ON shop.child;
CREATE POLICY made ON shop.item USING (id > 0);
ALTER POLICY tenant ON shop.child USING (id > 1);
DROP POLICY tenant ON shop.child;
COMMENT ON TABLE shop.item IS 'x';
COMMENT ON COLUMN shop.item.name IS 'x';
COMMENT ON CONSTRAINT child_fk ON shop.child IS 'x';
COMMENT ON TRIGGER fired ON shop.child IS 'x';
COMMENT ON POLICY tenant ON shop.child IS 'x';
INSERT INTO shop.loose SELECT id FROM shop.child;
UPDATE shop.loose SET id = 1;
DELETE FROM shop.loose USING shop.part WHERE shop.loose.id = shop.part.id;
TRUNCATE shop.loose;
LOCK TABLE shop.loose IN SHARE MODE;
SELECT id FROM shop.loose FOR UPDATE;
CREATE VIEW shop.made AS SELECT id FROM shop.loose;
DROP VIEW shop.shown;
GRANT SELECT ON shop.item TO CURRENT_USER;
CREATE STATISTICS shop.made ON id, parent_id FROM shop.item;
ANALYZE shop.item;
CREATE FUNCTION shop.g() RETURNS int LANGUAGE sql RETURN 1;
"""


def test_locks_are_those_that_the_server_takes(url: str, folder: Path) -> None:
    _write(folder, "20290101_01_pre_shop_create_all", BEFORE, "DROP SCHEMA shop CASCADE;\n")
    for path in folder.glob("2030*"):
        path.unlink()
    order = {mode.replace(" ", "").lower() + "lock": rank for rank, mode in enumerate(MODES)}
    with psycopg.connect(url, options="-c role=fivefold_owner", autocommit=True) as connection:
        connection.execute(BEFORE.encode())
        for text in LOCKING.strip().splitlines():
            _write(folder, "20290102_01_pre_shop_change_all", text, "SELECT 1;\n")
            migrations = read(folder)
            told = {lock.relation: lock.mode for lock in locks(migrations[1].up, Catalog.of(migrations))[-1]}
            held: dict[str, int] = {}
            with connection.transaction(force_rollback=True):
                names: dict[int, str] = dict(connection.execute("SELECT oid, oid::regclass::text FROM pg_class").fetchall())
                connection.execute(text.encode())
                rows = connection.execute("SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid()").fetchall()
                for relation, mode in rows:
                    name = names.get(relation, "")
                    if name.startswith("shop.") and not name.endswith(("_pkey", "_idx")):
                        held[name] = max(held.get(name, 0), order[mode.lower()])
            assert {name: MODES[rank] for name, rank in held.items()} == told, text
