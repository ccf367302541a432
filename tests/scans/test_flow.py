"""The flow of scans: each ends once, whoever is killed, and the credits add up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.core.wallet import check_books
from app.kit.embedded import Embedded
from app.kit.pool import Lost
from app.scans import flow
from app.scans.scan import FAILURES
from tests.conftest import Api, copy_of
from tests.factory.core import Person
from tests.factory.kit import give, pool_of, serving
from tests.factory.mmdb import write_mmdb
from tests.factory.scans import LOOPBACK, credits_of, run, states, submitted
from tests.factory.web import PAGE, Web, hostile_web, rebinding, redirect, reply

FINAL = {"COMPLETED", "FAILED", "TIMED_OUT"}
BULK = "mutation($inputs: [SubmitScanInput!]!) { submitScans(inputs: $inputs) { scan { id } } }"


@pytest.fixture(scope="module")
async def local(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """An API that takes addresses of this machine, and its worker does."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, scan_loopback=True) as api:
            yield api


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with hostile_web() as listening:
        listening.pages["/page"] = reply(PAGE)
        yield listening


async def told(api: Api, person: Person) -> dict[str, list[str]]:
    """The states that listeners were told of each scan, and after them what webhooks are."""
    async with api.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT object_id, kind, detail->>'state' AS state FROM core.outbox WHERE workspace_id = $1 ORDER BY xid, id",
            person.workspace_id,
        )
    steps: dict[str, list[str]] = {}
    for row in rows:
        steps.setdefault(str(row["object_id"]), []).append(row["state"] if row["kind"] == "scans.scan_state" else row["kind"])
    return {key: sorted(found, key=lambda each: each == "scans.scan_finished") for key, found in steps.items()}


async def test_a_scan_goes_its_way(local: Api, web: Web, tmp_path: Path) -> None:
    ada = await local.person("ada")
    await give(local, ada, 5)
    await submitted(local, ada, web.url("/page"))
    await run(local, scan_networks=str(write_mmdb(tmp_path / "asn.mmdb", {"127.0.0.0/8": {"asn": "AS64512"}})))
    assert await states(local, ada) == ["COMPLETED"]
    assert await credits_of(local, ada) == (4, 0)
    (steps,) = (await told(local, ada)).values()
    assert steps == ["QUEUED", "FETCHING", "ANALYZING", "COMPLETED", "scans.scan_finished"]
    async with local.database.connect() as admin:
        row = await admin.fetchrow("SELECT version, attempt, failure FROM scans.scan WHERE workspace_id = $1", ada.workspace_id)
    assert row is not None
    assert tuple(row) == (4, 1, None)
    assert (await check_books(pool_of(local))).wrong == 0
    scans = "{ scans { edges { node { id result { verdict score httpStatus engines { engine verdict } } } } } }"
    scan = (await local(scans, token=ada.token)).data["scans"]["edges"][0]["node"]
    assert (scan["result"]["verdict"], scan["result"]["httpStatus"]) == ("HARMLESS", 200)
    assert {"ADDRESS", "PAGE", "TLS"} <= {each["engine"] for each in scan["result"]["engines"]}
    log = "query($id: ID!) { accessLog(scanId: $id) { edges { node { maskedUrl address asn status } } } }"
    logged = (await local(log, {"id": scan["id"]}, token=ada.token)).data["accessLog"]["edges"]
    seen = {"maskedUrl": web.url("/page"), "address": "127.0.0.1", "asn": "64512", "status": 200}
    assert [each["node"] for each in logged] == [seen]


async def test_a_name_that_leads_to_us_costs_nothing(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is connected to, the log says so, and the credit comes back."""
    guy = await local.person("guy")
    await give(local, guy, 3)
    log = "query($id: ID!) { accessLog(scanId: $id) { edges { node { address status failure trial } } } }"
    for addresses in (["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:169.254.169.254"]):
        rebinding(monkeypatch, addresses)
        made = await submitted(local, guy, f"http://rebinding.example.com:{web.port}/")
        await run(local, scan_loopback=False)
        (edge,) = (await local(log, {"id": made["scan"]["id"]}, token=guy.token)).data["accessLog"]["edges"]
        assert edge["node"] == {"address": None, "status": None, "failure": "ADDRESS_REFUSED", "trial": False}
    assert web.connections == 0
    assert await states(local, guy) == ["FAILED"] * 3
    assert await credits_of(local, guy) == (3, 0)


@pytest.mark.parametrize(
    ("path", "state", "failure"), [("/slow-head", "TIMED_OUT", "TIMED_OUT"), ("/loop", "FAILED", "REDIRECT_LOOP")]
)
async def test_what_cannot_be_fetched_gives_the_credit_back(local: Api, web: Web, path: str, state: str, failure: str) -> None:
    person = await local.person(f"back.{state}")
    await give(local, person, 1)
    await submitted(local, person, web.url(path))
    await run(local, scan_seconds=0.3)
    assert await states(local, person) == [state]
    assert await credits_of(local, person) == (1, 0)
    asked = "{ scans { edges { node { failure failureReason progress finishedAt } } } }"
    scans = (await local(asked, token=person.token)).data["scans"]
    assert scans["edges"][0]["node"]["failure"] == failure
    assert scans["edges"][0]["node"]["failureReason"] == FAILURES[failure]
    assert scans["edges"][0]["node"]["progress"] == 100


async def test_what_is_known_without_its_page_is_said(
    local: Api, web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A page that does not answer at an address that is listed: the warning is worth its credit, and says what was not seen."""
    person = await local.person("known")
    await give(local, person, 2)
    (tmp_path / "feed.txt").write_text("# date: 2026-11-20\nlisted.example.org phishing\n", encoding="utf-8")
    rebinding(monkeypatch, ["127.0.0.1"])
    for host in ("listed.example.org", "unlisted.example.org"):
        await submitted(local, person, f"http://{host}:{web.port}/loop")
    await run(local, scan_feed=str(tmp_path / "feed.txt"))
    asked = "{ scans { edges { node { host state failure result { verdict score unchecked httpStatus } } } } }"
    found = [edge["node"] for edge in (await local(asked, token=person.token)).data["scans"]["edges"]]
    assert [(each["host"], each["state"], each["failure"]) for each in found] == [
        ("unlisted.example.org", "FAILED", "REDIRECT_LOOP"),
        ("listed.example.org", "COMPLETED", None),
    ]
    assert found[0]["result"] is None
    assert found[1]["result"]["verdict"] == "MALICIOUS"
    assert "UNREACHABLE" in found[1]["result"]["unchecked"]
    assert await credits_of(local, person) == (1, 0)
    for steps in (await told(local, person)).values():
        assert steps[-1] == "scans.scan_finished"


OVERDUE = "UPDATE scans.scan SET deadline_at = now() WHERE workspace_id = $1"
LOST = "UPDATE scans.scan SET lease_until = now() WHERE workspace_id = $1 AND lease_until IS NOT NULL"
FETCHING = (
    "UPDATE scans.scan SET state = 'FETCHING', attempt = attempt + 1, lease_until = now() + interval '1 hour',"
    " job_id = 0 WHERE workspace_id = $1"
)
ANALYZING = "UPDATE scans.scan SET state = 'ANALYZING' WHERE workspace_id = $1"
TRIED = "UPDATE scans.scan SET attempt = 10 WHERE workspace_id = $1"


@pytest.mark.parametrize(
    ("steps", "state", "failure"),
    [
        ([OVERDUE], "FAILED", "NOT_STARTED"),
        ([FETCHING, OVERDUE], "TIMED_OUT", "TIMED_OUT"),
        ([FETCHING, ANALYZING, OVERDUE], "TIMED_OUT", "TIMED_OUT"),
        ([FETCHING, TRIED, LOST], "FAILED", "WORKER_LOST"),
        ([FETCHING, LOST], "COMPLETED", None),
        ([FETCHING, ANALYZING, LOST], "COMPLETED", None),
        ([FETCHING], "FETCHING", None),
    ],
    ids=["never-taken", "fetching", "analyzing", "tried-often", "lost", "lost-analyzing", "somebody-elses"],
)
async def test_what_is_overdue_or_lost(local: Api, web: Web, steps: list[str], state: str, failure: str | None) -> None:
    person = await local.person(f"overdue{uuid4().hex}")
    await give(local, person, 1)
    await submitted(local, person, web.url("/page"))
    async with local.database.connect() as admin:
        await admin.execute("DELETE FROM jobs.pgqueuer")  # as if its job had been lost
        for step in steps:
            await admin.execute(step, person.workspace_id)
        await admin.execute("SELECT jobs.enqueue('scans.find_neglected', ARRAY['{}'::bytea], ARRAY[NULL], '0', 0)")
    await run(local)
    assert await states(local, person) == [state]
    async with local.database.connect() as admin:
        assert await admin.fetchval("SELECT failure FROM scans.scan WHERE workspace_id = $1", person.workspace_id) == failure
    assert await credits_of(local, person) == {"COMPLETED": (0, 0), "FETCHING": (0, 1)}.get(state, (1, 0))


async def test_who_lost_a_scan_writes_nothing(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is fetched somebody else ends it: what the fetch has seen comes too late."""
    person = await local.person("late")
    await give(local, person, 1)
    await submitted(local, person, web.url("/page"))
    observe = flow.observe  # type: ignore[attr-defined]

    async def slowly(*given: Any, **options: Any) -> Any:
        seen = await observe(*given, **options)
        async with local.database.connect() as admin:
            await admin.execute(
                "UPDATE scans.scan SET state = 'TIMED_OUT', failure = 'TIMED_OUT', finished_at = now(), lease_until = NULL"
                " WHERE workspace_id = $1",
                person.workspace_id,
            )
        return seen

    monkeypatch.setattr(flow, "observe", slowly)
    await run(local)
    assert await states(local, person) == ["TIMED_OUT"]
    async with local.database.connect() as admin:
        held = "SELECT status FROM core.reservation WHERE workspace_id = $1"
        assert await admin.fetchval(held, person.workspace_id) == "HELD", "whoever ended it releases it"


async def test_nothing_is_touched_that_the_log_does_not_take(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is lost is no end of a scan: its job fails, and is tried again."""
    person = await local.person("unwritten")
    await give(local, person, 1)
    await submitted(local, person, web.url("/page"))

    async def lost(*given: Any) -> Any:
        raise Lost("It is away.", written=False)

    monkeypatch.setattr(flow.Ahead, "note", lost)  # type: ignore[attr-defined]
    await run(local)
    assert web.connections == 0
    assert await states(local, person) == ["FETCHING"]
    assert await credits_of(local, person) == (0, 1)
    async with local.database.connect() as admin:
        asked = "UPDATE jobs.pgqueuer SET execute_after = now() WHERE entrypoint = 'scans.run' RETURNING attempts"
        assert await admin.fetchval(asked) == 1
    monkeypatch.undo()
    await run(local)
    assert await states(local, person) == ["COMPLETED"]


async def test_an_engine_that_fails_ends_its_scan_alone(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await local.person("failing")
    await give(local, person, 3)
    web.pages["/other"] = reply(PAGE)
    for path in ("/page", "/other", "/page"):
        await submitted(local, person, web.url(path))
    judge = flow.judge  # type: ignore[attr-defined]

    async def badly(url: Any, *given: Any) -> Any:
        if url.path == "/other":
            raise RuntimeError("secret words of a page")
        return await judge(url, *given)

    monkeypatch.setattr(flow, "judge", badly)
    await run(local)
    assert await states(local, person) == ["COMPLETED", "FAILED", "COMPLETED"]
    assert await credits_of(local, person) == (1, 0)


async def test_what_cannot_be_written_ends_its_scan_alone(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that the database refuses keeps no other from its end."""
    person = await local.person("refused")
    await give(local, person, 3)
    web.pages["/other"] = reply(PAGE)
    for path in ("/page", "/other", "/page"):
        await submitted(local, person, web.url(path))
    judge = flow.judge  # type: ignore[attr-defined]

    async def at_length(url: Any, *given: Any) -> Any:
        judgement = await judge(url, *given)
        return replace(judgement, reasoning="x" * 5000) if url.path == "/other" else judgement

    monkeypatch.setattr(flow, "judge", at_length)
    await run(local)
    assert await states(local, person) == ["COMPLETED", "FAILED", "COMPLETED"]
    assert await credits_of(local, person) == (1, 0)
    for steps in (await told(local, person)).values():
        assert steps[-1] == "scans.scan_finished"
        assert len(steps) == len(set(steps))


async def test_what_is_asked_for_while_a_job_runs_is_not_forgotten(
    local: Api, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever submits while the last look of a job is over, and its row still there, gets a job of their own."""
    person = await local.person("meanwhile")
    await give(local, person, 2)
    await submitted(local, person, web.url("/page"))
    work = flow._Flow.run

    async def and_then(self: Any) -> bool:
        more = await work(self)
        if len(await states(local, person)) == 1:
            await submitted(local, person, web.url("/page"))
        return more

    monkeypatch.setattr(flow._Flow, "run", and_then)
    await run(local)
    assert await states(local, person) == ["COMPLETED", "COMPLETED"]


async def test_a_long_queue_is_worked_off_in_turns(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await local.person("turns")
    await give(local, person, 30)
    for _ in range(30):
        await submitted(local, person, web.url("/page"))
    monkeypatch.setattr(flow, "TURN_SECONDS", 0.0)
    await run(local, scan_at_once=4)
    assert await states(local, person) == ["COMPLETED"] * 30
    assert await credits_of(local, person) == (0, 0)


@dataclass
class Killed:
    """A person whose scans are run by workers that are killed, and a page that answers nobody until the first of them was."""

    local: Api
    web: Web
    person: Person
    environment: dict[str, str]
    was: asyncio.Event
    unanswered: list[tuple[str, bool]]

    def start(self) -> subprocess.Popen[bytes]:
        """A worker of its own process."""
        command = [sys.executable, "-m", "tests.factory.scanner"]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def until(self, reached: Callable[[Counter[str]], bool]) -> Counter[str]:
        """How many scans are in each state, once that is so."""
        text = "SELECT state, count(*) FROM scans.scan WHERE workspace_id = $1 GROUP BY state"
        async with asyncio.timeout(240), self.local.database.connect() as admin:
            while True:
                found = Counter({row[0]: row[1] for row in await admin.fetch(text, self.person.workspace_id)})
                if reached(found):
                    return found
                await asyncio.sleep(0.02)  # other processes end them

    async def run(self, reached: Callable[[Counter[str]], bool]) -> Counter[str]:
        """A worker until that is so; then it is killed."""
        worker = self.start()
        try:
            return await self.until(reached)
        finally:
            worker.kill()
            worker.wait()
            self.was.set()

    async def answer(self, web: Web, query: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Who is asked looks at once whether the log says so, and keeps whoever asks waiting until the kill."""
        if not self.was.is_set():
            self.unanswered += [row for row in await self.touched() if row[0] == "/page/1"]
            await self.was.wait()
        writer.write(reply(PAGE))

    async def touched(self) -> list[tuple[str, bool]]:
        """The path of each access, and whether it is known how it went. Where a page led is shown masked, and known here."""
        text = (
            "SELECT CASE a.seq WHEN 0 THEN s.masked_url ELSE replace(s.masked_url, '/way/', '/page/') END,"
            " o.access_id IS NOT NULL"
            " FROM scans.access AS a JOIN scans.scan AS s ON s.workspace_id = a.workspace_id AND s.id = a.scan_id"
            " LEFT JOIN scans.access_outcome AS o ON o.workspace_id = a.workspace_id AND o.access_id = a.id"
            " WHERE a.workspace_id = $1 AND a.address IS NOT NULL ORDER BY a.id"
        )
        async with self.local.database.connect() as admin:
            return [(urlsplit(url).path, ended) for url, ended in await admin.fetch(text, self.person.workspace_id)]


@pytest.fixture
async def killed(local: Api, web: Web, vault_key: Path) -> Killed:
    environment = os.environ | {
        "DATABASE_URL": local.database.url("fivefold_worker"),
        "FIVEFOLD_VAULT_KEYS": str(vault_key),
        "FIVEFOLD_SCAN_LOOPBACK": "true",
        "FIVEFOLD_SCAN_AT_ONCE": "8",
        "FIVEFOLD_MAIL_FOLDER": str(LOOPBACK["mail_folder"]),
    }
    return Killed(local, web, await local.person(f"killed{uuid4().hex}"), environment, asyncio.Event(), [])


@pytest.mark.slow
async def test_workers_are_killed_and_each_scan_ends_once(killed: Killed) -> None:
    """kill -9, again and again, while some pages cannot be fetched, and some lead to others.

    Each scan ends once, the credits add up, and the log has every request that reached the server: each was there before.
    """
    local, web, person, many = killed.local, killed.web, killed.person, 1000
    await give(local, person, many)
    for n in range(many):
        web.pages |= {f"/page/{n}": reply(PAGE), f"/broken/{n}": redirect(f"/broken/{n}"), f"/way/{n}": redirect(f"/page/{n}")}
    web.pages["/page/1"] = killed.answer
    urls = [web.url(f"/{('broken', 'page', 'page', 'way', 'page', 'page')[n % 6]}/{n}") for n in range(many)]
    for start in range(0, many, 60):
        inputs = [{"url": url, "idempotencyKey": url} for url in urls[start : start + 60]]
        assert (await local(BULK, {"inputs": inputs}, token=person.token)).data
    for kill_at in (20, 150, 280, 410, 540, 670, 800, 930):
        await killed.run(lambda found, least=kill_at: sum(found[state] for state in FINAL) >= least)  # type: ignore[misc]
    found = await killed.run(lambda found: set(found) <= FINAL)
    broken = len(range(0, many, 6))
    assert found == {"COMPLETED": many - broken, "FAILED": broken}
    assert await credits_of(local, person) == (broken, 0)
    assert (await check_books(pool_of(local))).wrong == 0
    for steps in (await told(local, person)).values():
        assert sum(step in FINAL for step in steps) == 1
        assert steps[-1] == "scans.scan_finished"
        assert len(steps) == len(set(steps))
    async with local.database.connect() as admin:
        ended = "SELECT status, count(*) FROM core.reservation WHERE workspace_id = $1 GROUP BY status"
        said = {tuple(row) for row in await admin.fetch(ended, person.workspace_id)}
        assert said == {("SETTLED", many - broken), ("RELEASED", broken)}
    assert killed.unanswered == [("/page/1", False)], "what is asked is in the log before it is asked"
    touched, asked = await killed.touched(), Counter(web.paths)
    logged, known = Counter(path for path, _ in touched), Counter(path for path, ended in touched if ended)
    assert [path for path in asked if logged[path] < asked[path]] == []
    assert [path for path in known if known[path] > asked[path]] == []
    assert (logged["/page/1"], known["/page/1"]) == (2, 1)
