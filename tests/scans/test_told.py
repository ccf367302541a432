"""Who else is told: the model of somebody else with consent alone, webhooks signed, people as they prefer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from app.kit.embedded import Embedded
from app.kit.model import Endpoint
from app.scans import submission
from app.settings import Settings
from tests.conftest import Api, copy_of
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.kit import give, serving
from tests.factory.model import KEY, MODEL, FakeModel, fake_model
from tests.factory.receiver import receiving
from tests.factory.scans import LOOPBACK, run, submitted
from tests.factory.web import Web, hostile_web, reply
from tests.factory.webhook import deliver, deliveries, made

WORDS = "<title>Rowing</title><p>We row on Sundays at the lake with all members of the club and some guests.</p>"
CONSENT = (
    'mutation { giveConsent(input: {purpose: "page_analysis", version: 1, how: "settings", idempotencyKey: "pages"})'
    " { consent { holds } } }"
)
WITHDRAW = 'mutation { withdrawConsent(purpose: "page_analysis") { consent { holds } } }'
RESULT = (
    "query($id: ID!) { scan(id: $id) { state result { verdict unchecked model modelInputTokens modelOutputTokens"
    " modelCostMicros modelCurrency engines { engine unchecked } } } }"
)


@pytest.fixture(scope="module")
async def local(server: Embedded, template: str, jwt_key: Any) -> AsyncIterator[Api]:
    """An API that takes addresses of this machine, for pages and for webhooks."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, scan_loopback=True, webhook_loopback=True) as api:
            yield api


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with hostile_web() as listening:
        listening.pages["/page"] = reply(WORDS.encode())
        yield listening


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with fake_model([lambda request: {"score": 0, "confidence": 1.0, "reasons": []}]) as running:
        yield running


async def scanned(api: Api, who: Person, web: Web, model: FakeModel, **settings: Any) -> dict[str, Any]:
    scan = (await submitted(api, who, web.url("/page")))["scan"]
    given = {"scan_model": MODEL, "scan_model_url": model.url, "scan_model_key": KEY}
    await run(api, **given | settings)
    found = (await api(RESULT, {"id": scan["id"]}, token=who.token)).data["scan"]
    assert found["state"] == "COMPLETED"
    return dict(found["result"])


def model_of(result: dict[str, Any]) -> Any:
    return next(each["unchecked"] for each in result["engines"] if each["engine"] == "MODEL")


async def test_a_model_of_others_is_asked_with_consent_alone(
    local: Api, web: Web, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without, it is one more thing that was not looked at; withdrawn, from the next scan on."""
    ada = await local.person("ada")
    await give(local, ada, 10)
    assert (await scanned(local, ada, web, model))["model"] == MODEL, "the operator's own machine is nobody else's"
    monkeypatch.setattr(Endpoint, "is_own", False)
    without = await scanned(local, ada, web, model)
    assert (without["verdict"], without["model"], model.calls) == ("HARMLESS", None, 1)
    assert "NO_CONSENT" in without["unchecked"]
    assert model_of(without) == "NO_CONSENT"
    assert (await local(CONSENT, token=ada.token)).data
    consented = await scanned(local, ada, web, model)
    assert (consented["model"], model.calls, model_of(consented)) == (MODEL, 2, None)
    ben = await local.person("ben")
    await give(local, ben, 1)
    assert model_of(await scanned(local, ben, web, model)) == "NO_CONSENT", "another's consent is another's"
    assert (await local(WITHDRAW, token=ada.token)).data == {"withdrawConsent": {"consent": {"holds": False}}}
    assert model_of(await scanned(local, ada, web, model)) == "NO_CONSENT"
    assert model.calls == 2


async def test_what_a_model_took_is_kept_and_told(local: Api, web: Web, model: FakeModel) -> None:
    """Also of an answer that was good for nothing."""
    grace = await local.person("grace")
    await give(local, grace, 10)
    prices = {"scan_model_price_in": "0.25", "scan_model_price_out": "2", "scan_model_currency": "EUR"}
    priced = await scanned(local, grace, web, model, **prices)
    told = ("modelInputTokens", "modelOutputTokens", "modelCostMicros", "modelCurrency")
    assert [priced[name] for name in told] == ["1000", "200", "650", "EUR"]
    free = await scanned(local, grace, web, model)
    assert [free[name] for name in told] == ["1000", "200", None, None]
    model.will(lambda request: {"score": 1000})
    failed = await scanned(local, grace, web, model, **prices)
    assert (model_of(failed), [failed[name] for name in told]) == ("MODEL_FAILED", ["1000", "200", "650", "EUR"])


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://ollama:11434/v1", True),
        ("https://models.internal/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://[2606:4700::1111]/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_whose_a_model_is(url: str, own: bool) -> None:
    assert Endpoint("m", url, SecretStr(""), 1).is_own is own


BULK = "mutation($inputs: [SubmitScanInput!]!) { submitScans(inputs: $inputs) { reused scan { id } } }"
NOTES = "{ notifications { edges { node { kind objectId text { title body } } } } }"


async def test_a_webhook_is_told_of_each_end_signed(local: Api, web: Web) -> None:
    """Of a judged one and of a failed one, once each, with nothing of the page or the address."""
    joan, other = await local.person("joan"), await local.person("other")
    for person in (joan, other):
        await give(local, person, 5)
    async with receiving() as receiver, receiving() as strange:
        _, secret = await made(local, joan.token, receiver.url, kinds=["scans.scan_finished"])
        await made(local, other.token, strange.url, kinds=["scans.scan_finished"])
        good = (await submitted(local, joan, web.url("/page")))["scan"]["id"]
        bad = (await submitted(local, joan, web.url("/nowhere", "127.0.0.2")))["scan"]["id"]
        await run(local)
        await deliver(local)
        await deliver(local)
        came = {each.told["data"]["objectId"]: each for each in receiver.received}
        assert strange.received == []
    assert came.keys() == {good, bad}
    assert len(receiver.received) == 2
    for scan, state in ((good, "COMPLETED"), (bad, "FAILED")):
        assert came[scan].verify(secret)
        assert not came[scan].verify("whsec_" + "A" * 32)
        told = came[scan].told
        assert (told["type"], told["workspace"]) == ("scans.scan_finished", joan.workspace)
        assert told["data"] == {"objectId": scan, "state": state, "version": told["data"]["version"]}
    assert {each["status"] for each in await deliveries(local, joan.token)} == {"DELIVERED"}


async def test_requests_that_overlap_tell_of_each_scan_once(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of what it made: also where a part is repeated, in another order, or all of it."""
    monkeypatch.setattr(submission, "LOOK_AGAIN", submission.LOOK_AGAIN * 0)
    ruth = await local.person("ruth")
    await give(local, ruth, 20)
    inputs = [{"url": web.url(f"/page?{n}"), "idempotencyKey": f"overlap {n}"} for n in range(5)]
    for part in (inputs[:3], inputs[2:], inputs[2::-1], inputs[:3], inputs[1:3]):
        assert (await local(BULK, {"inputs": part}, token=ruth.token)).codes == []
    await run(local)
    for _ in range(2):
        await run_jobs(local, [submission.tell_finished], Settings(**LOOPBACK))
        edges = (await local(NOTES, token=ruth.token)).data["notifications"]["edges"]
        assert sorted(edge["node"]["text"]["title"] for edge in edges) == ["2 scans have ended", "3 scans have ended"]


async def test_who_submits_many_is_told_once_when_all_have_ended(local: Api, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while one is under way, not again when the request is repeated, and not where it is not wanted."""
    monkeypatch.setattr(submission, "LOOK_AGAIN", submission.LOOK_AGAIN * 0)
    mary = await local.person("mary")
    await give(local, mary, 20)
    web.pages["/many"] = reply(WORDS.encode())
    urls = [web.url("/many?1"), web.url("/many?2"), web.url("/lost", "127.0.0.2"), "ftp://x.example/"]
    inputs = [{"url": url, "idempotencyKey": f"many {place}"} for place, url in enumerate(urls)]
    first = (await local(BULK, {"inputs": inputs}, token=mary.token)).body["data"]["submitScans"]
    assert [each is None for each in first] == [False, False, False, True]

    async def look() -> list[dict[str, Any]]:
        await run_jobs(local, [submission.tell_finished], Settings(**LOOPBACK))
        return [edge["node"] for edge in (await local(NOTES, token=mary.token)).data["notifications"]["edges"]]

    async with local.database.connect() as admin:
        asked = "SELECT payload FROM jobs.pgqueuer WHERE entrypoint = 'scans.tell_finished'"
        await local(BULK, {"inputs": inputs}, token=mary.token)
        assert len(await admin.fetch(asked)) == 1, "a repeated request waits no second time"
    await run(local)
    told = [
        {
            "kind": "SCANS_FINISHED",
            "objectId": None,
            "text": {
                "title": "3 scans have ended",
                "body": "2 judged, 0 of them suspicious or malicious; 1 failed and cost nothing.",
            },
        }
    ]
    assert await look() == told
    await local(BULK, {"inputs": inputs}, token=mary.token)
    assert await look() == told
    one = [{"url": web.url("/many?3"), "idempotencyKey": "one"}]
    await local(BULK, {"inputs": one}, token=mary.token)
    await run(local)
    assert await look() == told, "of one there is a subscription"
    quiet = "mutation { updateNotificationPreferences(input: {channels: [{kind: SCANS_FINISHED, inApp: false, email: false}]})"
    assert (await local(f"{quiet} {{ preferences {{ weeklyDigest }} }} }}", token=mary.token)).data
    more = [{"url": web.url(f"/many?{n}"), "idempotencyKey": f"more {n}"} for n in range(4, 6)]
    await local(BULK, {"inputs": more}, token=mary.token)
    await run(local)
    await look()
    async with local.database.connect() as admin:
        written = "SELECT count(*) FROM core.notification WHERE workspace_id = $1"
        assert await admin.fetchval(written, mary.workspace_id) == 1, "what is not wanted is not written"
