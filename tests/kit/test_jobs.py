"""Jobs: with the transaction that asks for them, again until they succeed, and once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgqueuer.adapters.persistence.schema_ddl import render_install
from pgqueuer.domain.settings import DBSettings
from pydantic import BaseModel

from app.core.outbox import publish
from app.core.upkeep import run as upkeep
from app.kit.db import Db, open_as
from app.kit.jobs import Job, Work, enqueue, enqueue_many, job
from app.kit.runner import FIRST_DELAY, LONGEST_DELAY, retry_delay
from app.schema import JOBS
from tests.conftest import Api, Database
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, worker_db


class Note(BaseModel):
    """Whom to tell, and what of."""

    workspace_id: UUID
    object_id: UUID


@job("core.test", Note)
async def tell(work: Work, payload: Note) -> None:
    async with work.once() as db:
        await publish(db, "core.test", payload.object_id)


async def ask(api: Api, person: Person, *ids: UUID, dedupe: str | None = None, job: Job[Note] = tell) -> None:
    async with open_as(api.database.url(), "fivefold_api") as (pool, _):
        db = Db(pool, person.actor, uuid4())
        async with db.transaction():
            await enqueue_many(db, job, [(Note(workspace_id=person.workspace_id, object_id=id_), dedupe) for id_ in ids])
        await db.close()


async def told(database: Database) -> list[UUID]:
    async with database.connect() as connection:
        return [row[0] for row in await connection.fetch("SELECT object_id FROM core.outbox WHERE kind = 'core.test'")]


async def queue(database: Database) -> list[tuple[str, int]]:
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.fetch("SELECT status::text, attempts FROM jobs.pgqueuer ORDER BY id")]


async def test_a_job_is_done_in_the_workspace_that_asked(api: Api) -> None:
    ada, id_ = await api.person("ada"), uuid4()
    await ask(api, ada, id_)
    await run_jobs(api, [tell])
    assert await told(api.database) == [id_]
    assert await queue(api.database) == []


async def test_what_is_rolled_back_asks_for_nothing(api: Api) -> None:
    ada = await api.person("ada")
    async with open_as(api.database.url(), "fivefold_api") as (pool, _):
        db = Db(pool, ada.actor, uuid4())
        with suppress(RuntimeError):
            async with db.transaction():
                await enqueue(db, tell, Note(workspace_id=ada.workspace_id, object_id=uuid4()))
                raise RuntimeError("no")
        await db.close()
    assert await queue(api.database) == []


async def test_a_key_that_waits_adds_nothing(api: Api) -> None:
    ada, first = await api.person("ada"), uuid4()
    await ask(api, ada, first, uuid4(), dedupe="one")
    await ask(api, ada, uuid4(), dedupe="one")
    await run_jobs(api, [tell])
    assert await told(api.database) == [first]
    await ask(api, ada, uuid4(), dedupe="one")
    await run_jobs(api, [tell])
    assert len(await told(api.database)) == 2


async def test_a_job_that_was_done_is_not_done_again(api: Api) -> None:
    """As after a worker that was killed between its commit and saying so: the job is there, and so is its effect."""
    ada, id_ = await api.person("ada"), uuid4()
    await ask(api, ada, id_)
    async with api.database.connect() as connection:
        rows = await connection.fetch("SELECT * FROM jobs.pgqueuer")
        await run_jobs(api, [tell])
        await connection.execute(
            "INSERT INTO jobs.pgqueuer (id, priority, status, entrypoint, payload) VALUES ($1, 0, 'queued', $2, $3)",
            rows[0]["id"], rows[0]["entrypoint"], rows[0]["payload"],
        )  # fmt: skip
    await run_jobs(api, [tell])
    assert await told(api.database) == [id_]
    assert await queue(api.database) == []


async def test_a_failure_is_tried_again_and_held_in_the_end(api: Api) -> None:
    """Nothing of the exception's text is kept: it may be about a person."""

    @job("core.fail", Note, attempts=3)
    async def fail(work: Work, payload: Note) -> None:
        async with work.once() as db:
            await publish(db, "core.test", payload.object_id)
            raise ValueError("secret of a person")

    ada = await api.person("ada")
    await ask(api, ada, uuid4(), job=fail)
    async with api.database.connect() as connection:
        for attempts in (1, 2):
            await run_jobs(api, [fail])
            assert await queue(api.database) == [("queued", attempts)]
            assert await connection.fetchval("SELECT execute_after > now() FROM jobs.pgqueuer")
            await connection.execute("UPDATE jobs.pgqueuer SET execute_after = now()")
        await run_jobs(api, [fail])
        assert await queue(api.database) == [("failed", 2)]
        log = await connection.fetchval("SELECT string_agg(traceback::text, '') FROM jobs.pgqueuer_log")
    assert "ValueError" in log
    assert "secret" not in log
    assert await told(api.database) == []


async def test_one_failure_does_not_hold_up_the_others(api: Api) -> None:
    @job("core.fail", Note)
    async def fail(work: Work, payload: Note) -> None:
        raise ValueError

    ada, ids = await api.person("ada"), [uuid4() for _ in range(30)]
    await ask(api, ada, *ids, job=fail)
    await ask(api, ada, *ids)
    await run_jobs(api, [fail, tell])
    assert set(await told(api.database)) == set(ids)


async def test_slow_work_does_not_starve_other_work(api: Api) -> None:
    """A capped job that waits for somebody else leaves room, however many of it wait."""
    released = asyncio.Event()
    most = running = 0

    @job("core.slow", Note, concurrency=2)
    async def slow(work: Work, payload: Note) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await released.wait()
        running -= 1

    @job("core.quick", Note)
    async def quick(work: Work, payload: Note) -> None:
        while running < 2:  # noqa: ASYNC110 - however fast it is, both places are taken
            await asyncio.sleep(0.01)
        released.set()

    ada = await api.person("ada")
    await ask(api, ada, *(uuid4() for _ in range(40)), job=slow)
    await ask(api, ada, uuid4(), job=quick)
    await asyncio.wait_for(run_jobs(api, [slow, quick]), 30)
    assert most == 2


async def test_a_long_dashboard_does_not_starve_the_queue(api: Api) -> None:
    """Requests that read for a long time hold neither jobs nor the worker's connections."""
    ada, ids = await api.person("ada"), [uuid4() for _ in range(200)]
    async with api.database.connect("fivefold_api") as reader:
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1 FROM core.outbox")
        await ask(api, ada, *ids)
        await run_jobs(api, [tell])
        assert set(await told(api.database)) == set(ids)
        await reader.execute("ROLLBACK")


async def test_requests_see_no_jobs(api: Api) -> None:
    async with api.database.connect("fivefold_api") as connection:
        for table in ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics", "effect"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SELECT * FROM jobs.{table}")


async def test_the_tables_are_the_librarys(house: Database) -> None:
    """But for the trigger that would notify at each commit: a newer library that wants others says so here."""
    script = render_install(DBSettings(db_schema="jobs"), create_schema=False)
    script = script[: script.index("CREATE FUNCTION")].replace("jobs.", "other.")
    async with house.connect() as connection, connection.transaction():
        await connection.execute(f"CREATE SCHEMA other; {script}")
        shape = """
            SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
                SELECT format('%s.%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull) AS line
                FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND c.relname <> 'effect'
                UNION ALL
                SELECT indexdef FROM pg_indexes WHERE schemaname = $1::text AND tablename <> 'effect'
            ) AS shape"""
        ours, theirs = [await connection.fetchval(shape, name) for name in ("jobs", "other")]
        await connection.execute("DROP SCHEMA other CASCADE")
    assert ours == theirs.replace("other.", "jobs.")


async def test_the_role_of_the_worker_prunes(api: Api) -> None:
    ada = await api.person("ada")
    await ask(api, ada, uuid4())
    await run_jobs(api, [tell])
    async with api.database.connect() as connection:
        await connection.execute("UPDATE jobs.pgqueuer_log SET created = created - interval '8 days'")
        await connection.execute("UPDATE jobs.effect SET done_at = done_at - interval '31 days'")
        await connection.execute(
            "INSERT INTO jobs.pgqueuer_statistics (created, count, priority, status, entrypoint)"
            " VALUES (now() - interval '91 days', 1, 0, 'successful', 'x'), (now(), 1, 0, 'successful', 'x')"
        )
        async with worker_db(api.database) as db:
            await upkeep(db)
        counted = [
            await connection.fetchval(f"SELECT count(*) FROM jobs.{t}")
            for t in ("pgqueuer_log", "pgqueuer_statistics", "effect")
        ]
    assert counted == [0, 1, 0]


@given(st.integers(0, 1000), st.floats(0, 1))
def test_delays_grow_and_end(attempts: int, chance: float) -> None:
    delay = retry_delay(attempts, chance)
    assert FIRST_DELAY / 2 <= delay <= LONGEST_DELAY
    assert retry_delay(attempts + 1, chance) >= delay
    assert retry_delay(attempts, 1) <= 2 * retry_delay(attempts, 0) + timedelta(microseconds=1)


def test_every_job_has_a_name_of_its_own() -> None:
    names = [job.name for job in JOBS]
    assert len(set(names)) == len(names)
    for each in JOBS:
        if each.cron is not None:
            each.payload()  # a repeated job is told nothing


def start_worker(database: Database, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": database.url("fivefold_worker")}
    command = [sys.executable, "-m", "tests.factory.worker", *options]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.slow
async def test_killed_again_and_again_every_job_is_done_once(api: Api) -> None:
    ada, ids = await api.person("ada"), [uuid4() for _ in range(600)]
    await ask(api, ada, *ids)
    rounds = 0
    while len(done := await told(api.database)) < len(ids) and rounds < 60:
        rounds += 1
        workers = [start_worker(api.database, "--heartbeat", "0.5") for _ in range(2)]
        for worker in workers:
            assert worker.stderr is not None
            while '"worker started"' not in await asyncio.to_thread(worker.stderr.readline):
                assert worker.poll() is None
        before = len(done)
        while len(await told(api.database)) < min(before + 60, len(ids)):  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.005)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        for worker in workers:
            worker.wait()
            assert worker.stderr is not None
            worker.stderr.close()
    assert sorted(await told(api.database)) == sorted(ids)
    assert rounds > 3


@pytest.mark.slow
async def test_a_worker_waits_for_a_lost_database(api: Api) -> None:
    """Its sessions are ended under it: it comes back by itself, and what waits is done."""
    ada, ids = await api.person("ada"), [uuid4() for _ in range(50)]
    worker = start_worker(api.database)
    assert worker.stderr is not None
    while '"worker started"' not in await asyncio.to_thread(worker.stderr.readline):
        assert worker.poll() is None
    async with api.database.connect() as admin:
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fivefold_worker'")
    await ask(api, ada, *ids)
    while len(await told(api.database)) < len(ids):
        assert worker.poll() is None
        await asyncio.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    await asyncio.to_thread(worker.communicate)
    assert worker.returncode == 0


@pytest.mark.slow
async def test_a_signal_ends_a_worker_when_its_jobs_have_ended(api: Api) -> None:
    ada, ids = await api.person("ada"), [uuid4() for _ in range(100)]
    await ask(api, ada, *ids)
    worker = start_worker(api.database)
    assert worker.stderr is not None
    lines = []
    while '"job done"' not in (line := await asyncio.to_thread(worker.stderr.readline)):
        assert worker.poll() is None
        lines.append(line)
    worker.send_signal(signal.SIGTERM)
    _, rest = await asyncio.to_thread(worker.communicate)
    assert worker.returncode == 0
    told = [line for line in rest.splitlines() if line.startswith("{")]  # asyncio may say how a child of its own ended
    assert json.loads(told[-1])["event"] == "worker stopped"
    assert not [row for row in await queue(api.database) if row[0] == "picked"]
