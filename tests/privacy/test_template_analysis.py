"""Analyses of templates: made once whoever has them, shown to those whose plan has them, and reviewed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from app.kit.graphql import global_id, parse_uuid
from app.kit.jobs import Work, enqueue, job
from app.privacy.analyzer import MOST_TRIES, TRIES, AnalysisFailure, read_prompt
from app.privacy.template_analysis import (
    Nothing,
    analyze_template,
    analyze_templates,
    approve_analyses,
    request_analysis,
)
from app.settings import Settings
from tests.conftest import Answer, Api
from tests.factory import model as fake
from tests.factory.analysis import ANALYSES, WHOLE, analyses_of, analyze, hurry, refresh, review
from tests.factory.core import Person
from tests.factory.jobs import run_jobs, runner, worker_db
from tests.factory.model import KEY, MODEL, FakeModel, fake_model
from tests.factory.privacy import (
    ACTIVATE,
    api_key,
    link,
    load_files,
    proposed,
    record,
    scan,
    template_of,
    template_proposed,
    write_template,
)
from tests.privacy.conftest import FIRST, SECOND, Small

OF_PLATFORM = f"""
query Of($slug: String!) {{ platform(slug: $slug) {{ activeTemplate {{ id analysisAvailability analysis {{ {WHOLE} }} }} }} }}
"""
DESCRIBE = "mutation D($input: DescribeTemplateInput!) { describeTemplate(input: $input) { template { id } } }"
NODE = "query Node($id: ID!) { node(id: $id) { id ... on TemplateAnalysis { summary } } }"
RULES = "rules-1"


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    """A decent model."""
    async with fake_model() as running:
        yield running


@pytest.fixture
async def curator(api: Api) -> Person:
    """Who reviews."""
    return await api.person("curator", curator=True)


async def google(api: Api, person: Person) -> dict[str, Any]:
    """The active template of Google as a person sees it."""
    answer = await api(OF_PLATFORM, {"slug": "google"}, token=person.token)
    found: dict[str, Any] = answer.data["platform"]["activeTemplate"]
    return found


async def ask(api: Api, *template_ids: str) -> None:
    """Have templates analyzed, as activation does."""
    async with worker_db(api.database) as db, db.transaction():
        for template_id in template_ids:
            await request_analysis(db, parse_uuid(template_id, "Template", field="id"))


async def jobs_of(api: Api, name: str = "privacy.analyze_template") -> list[str]:
    async with api.database.connect() as connection:
        rows = await connection.fetch("SELECT status::text FROM jobs.pgqueuer WHERE entrypoint = $1 ORDER BY id", name)
    return [row[0] for row in rows]


async def run_cron(api: Api, which: Any, settings: Settings | None = None) -> None:
    """Run a repeated job now, and what it asks for."""
    async with worker_db(api.database) as db, db.transaction():
        await enqueue(db, which, Nothing())
    await run_jobs(api, settings=settings)


# Once


async def test_fifty_people_one_call(own: Small, model: FakeModel) -> None:
    """One template, fifty people who record scans of it, every way in which an analysis is asked for: one request."""
    api, curator, settings = own.api, own.curator, model.settings()
    await run_jobs(api, settings=settings)
    assert model.calls == 1, "the template's activation asked for it"
    people = [await api.person(f"person-{n}") for n in range(50)]

    async def scan_of(person: Person) -> None:
        link_id = await link(api, person.token, "small")
        await record(api, person.token, scan(link_id, own.second))
        await record(api, person.token, scan(link_id, own.second, day=1, values={"ads": "on"}))

    await asyncio.gather(*(scan_of(person) for person in people))
    await run_cron(api, analyze_templates, settings)
    await asyncio.gather(*(refresh(api, curator.token, own.second["id"]) for _ in range(5)))
    await run_jobs(api, settings=settings)
    await api(ACTIVATE, {"id": own.first["id"]}, token=curator.token)
    await api(ACTIVATE, {"id": own.second["id"]}, token=curator.token)
    of_small = [r for r in model.requests if fake.document(r)["service"] == "Small"]
    assert len(of_small) == 1, "and the scans of fifty people no more"
    assert len(await analyses_of(api, curator.token, own.second["id"])) == 1


async def test_parallel_requests_are_one_job(api: Api, curator: Person, model: FakeModel) -> None:
    template = await template_of(api, curator.token)
    await asyncio.gather(*(refresh(api, curator.token, template["id"]) for _ in range(20)))
    assert await jobs_of(api) == ["queued"]
    await run_jobs(api, settings=model.settings())
    assert model.calls == 1


async def test_a_model_sees_the_template_and_nothing_of_anybody(own: Small, model: FakeModel) -> None:
    """Scans, labels of links, names: none of it is in what was sent, whole headers and bodies."""
    api = own.api
    link_id = await link(api, own.ada.token, "small", label="Adas secret account")
    await record(api, own.ada.token, scan(link_id, own.second, values={"audience": "Friends", "keep": "A day"}))
    await run_jobs(api, settings=model.settings())
    (request,), (headers,) = model.requests, model.headers
    sent = json.dumps([request, headers])
    for told in ("ada", "Adas secret", str(own.ada.workspace_id), str(own.ada.account_id), link_id, 'example.com"', "value"):
        assert told not in sent.replace("example.com/settings", ""), told
    settings = {s["key"]: s for s in fake.document(request)["settings"]}
    assert settings.keys() == {s["key"] for s in own.second["settings"]}
    assert settings["audience"]["default"] == "everyone", "the template's default, not what Ada has"


async def test_activation_asks_and_the_sweep_finds_what_was_lost(own: Small, model: FakeModel) -> None:
    api = own.api
    assert await jobs_of(api) == ["queued"], "Small activated its second template through the API"
    async with api.database.connect() as connection:
        await connection.execute("DELETE FROM jobs.pgqueuer")
    await run_cron(api, analyze_templates, model.settings())
    found = await analyses_of(api, own.curator.token)
    assert len(found) == model.calls == 6, "five curated platforms and the small one"
    assert {a["state"] for a in found} == {"PROPOSED"}
    await run_cron(api, analyze_templates, model.settings())
    assert model.calls == 6
    assert own.first["id"] not in {a["template"]["id"] for a in found}, "what is not active any more is left alone"


async def test_what_was_never_active_is_not_analyzed(own: Small, model: FakeModel, tmp_path: Any) -> None:
    """Before that it may be the text of one person, which goes to no outside model."""
    api = own.api
    write_template(tmp_path / "curated", "small", 3, [*SECOND, *FIRST[4:]])
    await load_files(api.database, tmp_path / "curated")
    async with api.database.connect() as connection:
        third = await connection.fetchval("SELECT id FROM privacy.template WHERE summary = 'Version 3.'")
        await connection.execute("DELETE FROM jobs.pgqueuer")
    template_id = global_id("Template", str(third))
    assert (await refresh(api, own.curator.token, template_id)).code == "NOT_FOUND"
    await ask(api, template_id)
    await run_jobs(api, settings=model.settings())
    assert model.calls == 0
    assert await analyses_of(api, own.curator.token) == []
    await api(ACTIVATE, {"id": template_id}, token=own.curator.token)
    await run_jobs(api, settings=model.settings())
    assert model.calls == 1


async def test_what_waits_in_quarantine_goes_to_no_model(own: Small, model: FakeModel) -> None:
    """Two of three have proposed it: no way leads to an analysis. With the third there is one, without anybody's own words."""
    api = own.api
    await run_jobs(api, settings=model.settings())
    assert model.calls == 1, "of what is active"
    people = [await own.person() for _ in range(3)]

    async def propose_as(number: int) -> str:
        structure = [proposed("history", label=f"Diary of person {number}"), proposed("quite_new", label=f"Mine {number}")]
        return str((await template_proposed(api, people[number].token, structure, "small"))["id"])

    template_id = await propose_as(0)
    assert await propose_as(1) == template_id
    assert (await refresh(api, own.curator.token, template_id)).code == "NOT_FOUND"
    await ask(api, template_id)
    await run_cron(api, analyze_templates, model.settings())
    assert {fake.document(r)["settings"][0]["key"] for r in model.requests if fake.document(r)["service"] == "Small"} == {"ads"}
    assert template_id not in {a["template"]["id"] for a in await analyses_of(api, own.curator.token)}
    calls = model.calls
    assert await propose_as(2) == template_id
    await run_jobs(api, settings=model.settings())
    assert model.calls == calls + 1
    sent = fake.document(model.requests[-1])
    assert {s["key"]: (s["default"], s["risk"]) for s in sent["settings"]} == {"history": (None, 90), "quite_new": (None, 0)}
    assert "Diary" not in json.dumps(model.requests)
    assert "Mine" not in json.dumps(model.requests)


async def test_other_words_are_analyzed_when_the_last_was_said(own: Small, model: FakeModel) -> None:
    """A curator who judges settings one by one has the template analyzed once more, not once for each."""
    api = own.api
    await run_jobs(api, settings=model.settings())
    (first,) = await analyses_of(api, own.curator.token)
    await review(api, own.curator.token, first["id"])
    for risk in (10, 20, 30):
        described = {"templateId": own.second["id"], "settings": [{"key": "ads", "risk": risk}]}
        assert (await api(DESCRIBE, {"input": described}, token=own.curator.token)).data
    await run_jobs(api, settings=model.settings())
    assert model.calls == 1, "not yet"
    await hurry(api.database)
    await run_jobs(api, settings=model.settings())
    assert model.calls == 2
    assert {s["key"]: s["risk"] for s in fake.document(model.requests[-1])["settings"]}["ads"] == 30
    (second,) = await analyses_of(api, own.curator.token)
    assert (second["id"], second["state"]) == (first["id"], "PROPOSED")
    assert second["inputHash"] != first["inputHash"]


async def test_a_worker_killed_while_the_model_thinks(own: Small, model: FakeModel) -> None:
    """What it had picked is analyzed by the next, once. The answer that nobody heard is no cost that is known."""
    model.gate.clear()
    assert (await refresh(own.api, own.curator.token, own.second["id"])).data
    given = model.settings().model_dump(include={name for name in Settings.model_fields if name.startswith("analysis_")})
    environment = {f"FIVEFOLD_{name.upper()}": str(value) for name, value in given.items()} | {"FIVEFOLD_ANALYSIS_KEY": KEY}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "worker",
        env=os.environ | environment | {"DATABASE_URL": own.api.database.url("fivefold_worker")},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    while asked_of_small(model) < 1:
        assert worker.returncode is None
        await asyncio.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    assert await analyses_of(own.api, own.curator.token, own.second["id"]) == []
    async with own.api.database.connect() as admin:  # found again after a heartbeat, which is not waited for here
        await admin.execute("UPDATE jobs.pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL")
    model.gate.set()
    await run_jobs(own.api, settings=model.settings())
    await ask(own.api, own.second["id"])
    await run_jobs(own.api, settings=model.settings())
    assert asked_of_small(model) == 2
    (found,) = await analyses_of(own.api, own.curator.token, own.second["id"])
    assert (found["state"], found["model"], found["attempts"]) == ("PROPOSED", MODEL, 1)
    assert (found["inputTokens"], found["outputTokens"], found["costMicros"]) == ("1000", "200", "650")


def asked_of_small(model: FakeModel) -> int:
    """How often it was asked of the small platform."""
    return sum(fake.document(request)["service"] == "Small" for request in model.requests)


async def test_a_slow_model_leaves_the_worker_to_others(api: Api, curator: Person, model: FakeModel) -> None:
    """Two at a time, and everything else goes on meanwhile."""
    done = asyncio.Event()

    class Other(BaseModel):
        pass

    @job("privacy.other", Other)
    async def other(work: Work, payload: Other) -> None:
        done.set()

    model.gate.clear()
    data = (await api("{ platforms { edges { node { activeTemplate { id } } } } }", token=curator.token)).data
    await ask(api, *(edge["node"]["activeTemplate"]["id"] for edge in data["platforms"]["edges"]))
    async with runner(api.database, [analyze_template, other], model.settings()) as started:
        draining = asyncio.create_task(started.drain())
        while model.calls < 2:  # noqa: ASYNC110 - the worker's own pace
            await asyncio.sleep(0.01)
        async with worker_db(api.database) as db, db.transaction():
            await enqueue(db, other, Other())
        await asyncio.wait_for(done.wait(), 30)
        assert model.calls == 2
        async with api.database.connect() as connection:
            held = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
            )
        assert held == 0, "no transaction waits for a model"
        model.gate.set()
        await draining
    assert model.calls == 5


# What is kept


async def test_without_a_model_rules_answer(api: Api, curator: Person) -> None:
    template = await template_of(api, curator.token)
    found = await analyze(api, curator.token, template["id"])
    assert (found["model"], found["promptVersion"], found["state"], found["failure"]) == (RULES, 0, "PROPOSED", None)
    assert (found["inputTokens"], found["outputTokens"], found["costMicros"], found["currency"]) == ("0", "0", "0", "USD")
    assert [s["key"] for s in found["settings"]] == [s["key"] for s in template["settings"]]
    assert found["summary"].startswith(f"{len(template['settings'])} settings in ")
    assert 0 <= found["riskScore"] <= 100
    assert len(found["inputHash"]) == 64


async def test_a_model_and_all_it_took_is_told(api: Api, curator: Person, model: FakeModel) -> None:
    template = await template_of(api, curator.token)
    found = await analyze(api, curator.token, template["id"], model.settings(analysis_currency="EUR"))
    assert (found["model"], found["promptVersion"], found["attempts"]) == (MODEL, read_prompt().version, 1)
    assert (found["inputTokens"], found["outputTokens"], found["costMicros"], found["currency"]) == (
        "1000",
        "200",
        "650",
        "EUR",
    )
    assert int(found["durationMs"]) >= 0
    said = fake.good(model.requests[0])
    assert found["summary"] == said["summary"]
    assert found["riskScore"] == said["risk_score"]
    assert [c["insight"] for c in found["categories"]] == [c["insight"] for c in said["categories"]]
    assert found["settings"] == [
        {"key": s["key"], "riskScore": s["risk_score"], "impact": s["impact"], "recommendation": s["recommendation"]}
        for s in said["settings"]
    ]
    created, approved = (datetime.fromisoformat(found[name]) for name in ("createdAt", "autoApproveAt"))
    assert approved - created == timedelta(hours=72)


async def fail(api: Api, curator: Person, model: FakeModel, answer: Any) -> list[dict[str, Any]]:
    """Have Google analyzed by a model that fails until nobody tries any more."""
    template = await template_of(api, curator.token)
    model.will(answer)
    assert (await refresh(api, curator.token, template["id"])).data
    for _ in range(MOST_TRIES + 2):
        await run_jobs(api, settings=model.settings())
        if not await jobs_of(api):
            break
        assert await jobs_of(api) == ["queued"]
        assert [a["state"] for a in await analyses_of(api, curator.token)] == ["FAILED"], "nothing half-done"
        await hurry(api.database)
    assert await jobs_of(api) == [], "nothing is held: what failed is kept with the analyses"
    return await analyses_of(api, curator.token)


FAILING = {
    AnalysisFailure.UNAUTHORIZED: fake.failing(401),
    AnalysisFailure.HOSTILE: fake.changed(summary="<script>alert(1)</script>"),
    AnalysisFailure.MALFORMED: fake.changed(risk_score=-1),
    AnalysisFailure.PROVIDER_ERROR: fake.failing(500),
}


@pytest.mark.parametrize("failure", FAILING, ids=lambda failure: failure.name)
async def test_what_fails_is_tried_again_and_in_the_end_rules_answer(
    api: Api, curator: Person, model: FakeModel, failure: AnalysisFailure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    by_rules, failed = await fail(api, curator, model, FAILING[failure])
    tries = TRIES.get(failure, MOST_TRIES)
    assert model.calls == failed["attempts"] == tries
    assert (by_rules["model"], by_rules["state"], by_rules["attempts"]) == (RULES, "PROPOSED", 1)
    assert (failed["model"], failed["state"], failed["failure"]) == (MODEL, "FAILED", failure.value)
    assert (failed["summary"], failed["riskScore"], failed["settings"], failed["categories"]) == ("", None, [], [])
    answered = failure in (AnalysisFailure.HOSTILE, AnalysisFailure.MALFORMED)
    assert failed["costMicros"] == (str(650 * tries) if answered else None), "of all attempts"
    # The key that the provider repeated in its answers is nowhere.
    async with api.database.connect() as connection:
        tables = await connection.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace::regnamespace::text IN ('core', 'privacy', 'jobs')"
        )
        for table in tables:
            rows = await connection.fetch(f"SELECT t::text FROM {table['name']} AS t WHERE t::text LIKE '%{KEY}%'")
            assert rows == [], table["name"]
    assert KEY not in caplog.text
    # The sweep is content with what rules said.
    await run_cron(api, analyze_templates, model.settings())
    google_calls = [r for r in model.requests if fake.document(r)["service"] == "Google"]
    assert len(google_calls) == tries


async def test_a_later_attempt_may_succeed_and_pays_for_all(api: Api, curator: Person, model: FakeModel) -> None:
    model.will(fake.failing(500), fake.changed(risk_score=101), fake.good)
    template = await template_of(api, curator.token)
    assert (await refresh(api, curator.token, template["id"])).data
    for _ in range(3):
        await run_jobs(api, settings=model.settings())
        await hurry(api.database)
    (found,) = await analyses_of(api, curator.token)
    assert (found["state"], found["failure"], found["attempts"], found["costMicros"]) == ("PROPOSED", None, 3, "1300")
    assert found["inputTokens"] == "2000"


async def test_what_failed_for_good_can_be_asked_for_again(api: Api, curator: Person, model: FakeModel) -> None:
    await fail(api, curator, model, fake.failing(401))
    model.will(fake.good)
    template = await template_of(api, curator.token)
    found = {a["model"]: a for a in [await analyze(api, curator.token, template["id"], model.settings())]
             + await analyses_of(api, curator.token)}  # fmt: skip
    assert found[MODEL]["state"] == "PROPOSED"
    assert found[MODEL]["attempts"] == 2
    assert model.calls == 2


async def test_another_model_or_prompt_is_another_analysis_the_same_is_none(
    api: Api, curator: Person, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = await template_of(api, curator.token)
    for _ in range(3):
        await analyze(api, curator.token, template["id"], model.settings())
    assert model.calls == 1
    await analyze(api, curator.token, template["id"], model.settings(analysis_model="other-model"))
    assert model.calls == 2
    prompt = read_prompt()
    monkeypatch.setattr("app.privacy.analyzer.read_prompt", lambda: type(prompt)(prompt.version + 1, prompt.text))
    await analyze(api, curator.token, template["id"], model.settings())
    await analyze(api, curator.token, template["id"], model.settings())
    assert model.calls == 3
    found = await analyses_of(api, curator.token, template["id"])
    assert {(a["model"], a["promptVersion"]) for a in found} == {(MODEL, 1), ("other-model", 1), (MODEL, 2)}


async def test_what_has_changed_since_is_analyzed_and_reviewed_again(api: Api, curator: Person, model: FakeModel) -> None:
    template = await template_of(api, curator.token)
    first = await analyze(api, curator.token, template["id"], model.settings())
    await review(api, curator.token, first["id"])
    async with api.database.connect() as connection:
        await connection.execute("UPDATE privacy.template_analysis SET input_hash = sha256('another')")
    second = await analyze(api, curator.token, template["id"], model.settings())
    assert model.calls == 2
    assert second["id"] == first["id"]
    assert (second["state"], second["reviewedAt"], second["reviewerId"]) == ("PROPOSED", None, None)
    assert second["inputHash"] == first["inputHash"]


async def test_a_failure_does_not_take_away_what_there_is(api: Api, curator: Person, model: FakeModel) -> None:
    template = await template_of(api, curator.token)
    first = await analyze(api, curator.token, template["id"], model.settings())
    await review(api, curator.token, first["id"])
    async with api.database.connect() as connection:
        await connection.execute("UPDATE privacy.template_analysis SET input_hash = sha256('another')")
    model.will(fake.failing(401))
    await analyze(api, curator.token, template["id"], model.settings())
    states = {a["model"]: a["state"] for a in await analyses_of(api, curator.token)}
    assert states == {MODEL: "APPROVED", RULES: "PROPOSED"}


# Who sees it


async def test_it_is_seen_once_approved_and_by_those_whose_plan_has_it(api: Api, curator: Person) -> None:
    template = await template_of(api, curator.token)
    people = {plan: await api.person(plan, plan=plan) for plan in ("free", "pro", "premium", "enterprise")}
    with_it = {"premium", "enterprise"}

    async def seen() -> dict[str, tuple[str, bool]]:
        found = {plan: await google(api, person) for plan, person in people.items()}
        return {plan: (t["analysisAvailability"], t["analysis"] is not None) for plan, t in found.items()}

    def expected(state: str, shown: bool) -> dict[str, tuple[str, bool]]:
        return {plan: (state, shown) if plan in with_it else ("NOT_IN_PLAN", False) for plan in people}

    assert await seen() == expected("IN_PREPARATION", False)
    found = await analyze(api, curator.token, template["id"])
    assert await seen() == expected("IN_PREPARATION", False), "proposed, not approved"
    await review(api, curator.token, found["id"])
    assert await seen() == expected("AVAILABLE", True)
    for plan, person in people.items():
        node = (await api(NODE, {"id": found["id"]}, token=person.token)).data["node"]
        assert (node is not None) is (plan in with_it), "by its id neither"
    await review(api, curator.token, found["id"], "VETO")
    assert await seen() == expected("IN_PREPARATION", False)
    assert (await api(NODE, {"id": found["id"]}, token=people["premium"].token)).data["node"] is None


async def test_the_plan_is_that_of_the_workspace_and_of_this_moment(api: Api, curator: Person) -> None:
    template = await template_of(api, curator.token)
    ada = await api.person("ada", plan="free")
    await review(api, curator.token, (await analyze(api, curator.token, template["id"]))["id"])
    assign = "mutation A($input: AssignPlanInput!) { assignPlan(input: $input) { plan { slug } } }"
    for plan, shown in (("premium", True), ("pro", False), ("enterprise", True)):
        given = {"input": {"workspaceId": ada.workspace, "plan": plan}}
        assert (await api(assign, given, token=curator.token)).data
        assert ((await google(api, ada))["analysis"] is not None) is shown


async def test_a_curator_reviews_whatever_the_own_plan_says(api: Api) -> None:
    curator = await api.person("curator", curator=True, plan="free")
    found = await analyze(api, curator.token, (await template_of(api, curator.token))["id"])
    assert (await google(api, curator))["analysisAvailability"] == "IN_PREPARATION"
    assert (await review(api, curator.token, found["id"])).data
    assert (await google(api, curator))["analysisAvailability"] == "AVAILABLE"


async def test_the_newest_approved_one_is_shown(api: Api, curator: Person, model: FakeModel) -> None:
    ada = await api.person("ada")
    template = await template_of(api, curator.token)
    by_rules = await analyze(api, curator.token, template["id"])
    await review(api, curator.token, by_rules["id"])
    by_model = await analyze(api, curator.token, template["id"], model.settings())
    shown = (await google(api, ada))["analysis"]
    assert (shown["id"], shown["model"]) == (by_rules["id"], RULES)
    await review(api, curator.token, by_model["id"])
    shown = (await google(api, ada))["analysis"]
    assert (shown["id"], shown["model"]) == (by_model["id"], MODEL)
    await review(api, curator.token, by_model["id"], "VETO", "Wrong about ads.")
    assert (await google(api, ada))["analysis"]["id"] == by_rules["id"]


async def test_a_key_that_only_writes_sees_none(api: Api, curator: Person) -> None:
    await review(api, curator.token, (await analyze(api, curator.token, (await template_of(api, curator.token))["id"]))["id"])
    ada = await api.person("ada")
    asked = 'query { platform(slug: "google") { activeTemplate { id analysis { id } } } }'
    writing = await api_key(api, ada.token, "snapshots:write")
    reading = await api_key(api, ada.token, "privacy:read")
    assert (await api(asked, token=writing)).code == "FORBIDDEN"
    assert (await api(asked, token=reading)).data["platform"]["activeTemplate"]["analysis"] is not None


async def test_a_page_of_templates_is_one_statement(api: Api, curator: Person) -> None:
    for edge in (await api("{ platforms { edges { node { activeTemplate { id } } } } }", token=curator.token)).data[
        "platforms"
    ]["edges"]:
        await review(api, curator.token, (await analyze(api, curator.token, edge["node"]["activeTemplate"]["id"]))["id"])
    ada = await api.person("ada")
    asked = "{ platforms { edges { node { slug activeTemplate { analysis { model settings { key } } settings { key } } } } } }"
    data = (await api(asked, token=ada.token)).data
    for edge in data["platforms"]["edges"]:
        template = edge["node"]["activeTemplate"]
        assert [s["key"] for s in template["analysis"]["settings"]] == [s["key"] for s in template["settings"]]


# Reviewing


async def test_reviews_are_for_curators(api: Api, curator: Person) -> None:
    template = await template_of(api, curator.token)
    found = await analyze(api, curator.token, template["id"])
    ada = await api.person("ada")
    key = await api_key(api, curator.token, "privacy:read", "snapshots:write")
    for token in (ada.token, key):
        assert (await review(api, token, found["id"])).code == "FORBIDDEN"
        assert (await refresh(api, token, template["id"])).code == "FORBIDDEN"
        assert (await api(ANALYSES, {}, token=token)).code == "FORBIDDEN"
    assert (await analyses_of(api, curator.token))[0]["state"] == "PROPOSED"


async def test_approving_twice_is_once(api: Api, curator: Person) -> None:
    other = await api.person("other", curator=True)
    found = await analyze(api, curator.token, (await template_of(api, curator.token))["id"])
    first = (await review(api, curator.token, found["id"], reason="Checked.")).data["reviewTemplateAnalysis"]["analysis"]
    assert (first["state"], first["reviewReason"]) == ("APPROVED", "Checked.")
    assert first["reviewerId"] == global_id("Account", str(curator.account_id))
    again = (await review(api, other.token, found["id"], reason="Me too.")).data["reviewTemplateAnalysis"]["analysis"]
    assert again == first
    assert await audited(api, found["id"]) == [("INSERT", "PROPOSED"), ("UPDATE", "APPROVED")]


async def test_a_veto_stands(api: Api, curator: Person, model: FakeModel) -> None:
    template = await template_of(api, curator.token)
    found = await analyze(api, curator.token, template["id"], model.settings())
    vetoed = (await review(api, curator.token, found["id"], "VETO", "It is wrong.")).data["reviewTemplateAnalysis"]["analysis"]
    assert vetoed["state"] == "VETOED"
    assert (await review(api, curator.token, found["id"], "VETO")).data["reviewTemplateAnalysis"]["analysis"] == vetoed
    refused = await review(api, curator.token, found["id"])
    assert refused.code == "BAD_INPUT"
    assert refused.body["errors"][0]["extensions"]["field"] == "verdict"
    await analyze(api, curator.token, template["id"], model.settings())
    async with api.database.connect() as connection:
        await connection.execute("UPDATE privacy.template_analysis SET auto_approve_at = now()")
    await run_cron(api, approve_analyses)
    assert [a["state"] for a in await analyses_of(api, curator.token, template["id"])] == ["VETOED"]
    assert model.calls == 1


async def test_of_many_verdicts_at_once_the_veto_wins(api: Api, curator: Person) -> None:
    found = await analyze(api, curator.token, (await template_of(api, curator.token))["id"])
    verdicts = ["APPROVE", "VETO"] * 10
    answers: list[Answer] = await asyncio.gather(*(review(api, curator.token, found["id"], v) for v in verdicts))
    assert {code for answer in answers for code in answer.codes} <= {"BAD_INPUT"}
    assert (await analyses_of(api, curator.token))[0]["state"] == "VETOED"
    assert len(await audited(api, found["id"])) in (2, 3)


async def test_there_is_nothing_to_review_in_a_failure(api: Api, curator: Person, model: FakeModel) -> None:
    _, failed = await fail(api, curator, model, fake.failing(401))
    for verdict in ("APPROVE", "VETO"):
        assert (await review(api, curator.token, failed["id"], verdict)).code == "BAD_INPUT"


async def test_bad_reviews(api: Api, curator: Person) -> None:
    found = await analyze(api, curator.token, (await template_of(api, curator.token))["id"])
    gone = global_id("TemplateAnalysis", str(uuid4()))
    assert (await review(api, curator.token, gone)).code == "NOT_FOUND"
    assert (await review(api, curator.token, found["template"]["id"])).code == "BAD_ID"
    assert (await review(api, curator.token, found["id"], "MAYBE")).code == "BAD_VARIABLES"
    assert (await review(api, curator.token, found["id"], reason="x" * 501)).code == "BAD_INPUT"
    assert (await review(api, curator.token, found["id"], reason="nul \0")).code == "BAD_INPUT"
    assert (await refresh(api, curator.token, global_id("Template", str(uuid4())))).code == "NOT_FOUND"
    assert (await refresh(api, curator.token, found["id"])).code == "BAD_ID"
    assert (await analyses_of(api, curator.token))[0]["state"] == "PROPOSED"


async def test_nobody_objected_in_time(api: Api, curator: Person) -> None:
    template = await template_of(api, curator.token)
    await analyze(api, curator.token, template["id"], Settings(analysis_auto_approve_hours=1))
    await run_cron(api, approve_analyses)
    assert (await analyses_of(api, curator.token))[0]["state"] == "PROPOSED", "its hour is not over"
    async with api.database.connect() as connection:
        await connection.execute("UPDATE privacy.template_analysis SET auto_approve_at = now()")
    await run_cron(api, approve_analyses)
    (found,) = await analyses_of(api, curator.token)
    assert (found["state"], found["reviewerId"]) == ("APPROVED", None)
    assert found["reviewedAt"] is not None
    await run_cron(api, approve_analyses)
    assert await audited(api, found["id"]) == [("INSERT", "PROPOSED"), ("UPDATE", "APPROVED")]


async def test_with_no_delay_nothing_approves_itself(api: Api, curator: Person) -> None:
    found = await analyze(
        api, curator.token, (await template_of(api, curator.token))["id"], Settings(analysis_auto_approve_hours=0)
    )
    assert found["autoApproveAt"] is None
    await run_cron(api, approve_analyses)
    assert (await analyses_of(api, curator.token))[0]["state"] == "PROPOSED"


async def test_curators_list_by_template_and_state(api: Api, curator: Person) -> None:
    edges = (await api("{ platforms { edges { node { activeTemplate { id } } } } }", token=curator.token)).data["platforms"][
        "edges"
    ]
    ids = [edge["node"]["activeTemplate"]["id"] for edge in edges]
    made = [(await analyze(api, curator.token, id_))["id"] for id_ in ids]
    await review(api, curator.token, made[0])
    assert [a["id"] for a in await analyses_of(api, curator.token)] == made[::-1]
    assert [a["id"] for a in await analyses_of(api, curator.token, ids[1])] == [made[1]]
    assert [a["id"] for a in await analyses_of(api, curator.token, state="APPROVED")] == [made[0]]
    assert await analyses_of(api, curator.token, ids[1], "APPROVED") == []
    page = (await api(ANALYSES, {"first": 2}, token=curator.token)).data["templateAnalyses"]
    assert [edge["node"]["id"] for edge in page["edges"]] == made[:-3:-1]
    after = {"first": 2, "after": page["pageInfo"]["endCursor"]}
    page = (await api(ANALYSES, after, token=curator.token)).data["templateAnalyses"]
    assert [edge["node"]["id"] for edge in page["edges"]] == made[-3:-5:-1]


async def audited(api: Api, analysis_id: str) -> list[tuple[str, str | None]]:
    """The audit's events of an analysis with the state that each led to, if it tells one."""
    async with api.database.connect() as connection:
        rows = await connection.fetch(
            "SELECT e.action, coalesce(d.detail -> 'state' ->> 1, d.detail ->> 'state') AS state FROM core.audit_event AS e"
            " JOIN core.audit_detail AS d ON d.event_id = e.id"
            " WHERE e.object = 'privacy.template_analysis' AND e.object_id = $1 ORDER BY e.id",
            parse_uuid(analysis_id, "TemplateAnalysis", field="id"),
        )
    return [(row["action"], row["state"]) for row in rows]
