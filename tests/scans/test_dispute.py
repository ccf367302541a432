"""Disputes: who opens, withdraws and resolves them, and what each of them sees."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from app.scans.dispute import tell_dispute
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.kit import give, spend
from tests.factory.scans import DISPUTE, completed, disputed, queued

WITHDRAW = "mutation($id: ID!) { withdrawDispute(id: $id) { dispute { state resolvedAt } } }"
RESOLVE = "mutation($input: ResolveDisputeInput!) { resolveDispute(input: $input) { state } }"
MINE = "{ disputes { edges { node { id state claim reason answer scan { id maskedUrl } } } } }"
OPEN = (
    "{ openDisputes(first: 100) { edges { cursor node { disputeId claim reason host maskedUrl createdAt } }"
    " pageInfo { hasNextPage endCursor } } }"
)


async def person(api: Api, name: str, **how: Any) -> Person:
    found = await api.person(name, **how)
    if not how.get("curator"):
        await give(api, found, 5)
        await spend(api, name, name)
    return found


def asked(scan_id: str, **other: Any) -> dict[str, Any]:
    return {"input": {"scanId": scan_id, "claim": "FALSE_ALARM", "reason": "r", "idempotencyKey": str(uuid4())} | other}


async def test_a_dispute_is_resolved_by_a_curator(shared: Api) -> None:
    ada, eve, curator = await person(shared, "ada"), await person(shared, "eve"), await shared.person("cu", curator=True)
    dispute = await disputed(shared, ada, "ada")
    page = (await shared(OPEN, token=curator.token)).data["openDisputes"]
    (seen,) = [each["node"] for each in page["edges"]]
    assert page["pageInfo"] == {"hasNextPage": False, "endCursor": page["edges"][0]["cursor"]}
    assert seen.pop("createdAt")
    assert seen == {
        "disputeId": dispute,
        "claim": "FALSE_ALARM",
        "reason": "ada reason",
        "host": "ada.example.com",
        "maskedUrl": "https://ada.example.com/",
    }
    given = {"input": {"id": dispute, "accepted": True, "answer": "You are right."}}
    for other in (ada, eve):
        assert (await shared(OPEN, token=other.token)).code == "FORBIDDEN"
        assert (await shared(RESOLVE, given, token=other.token)).code == "FORBIDDEN"
        assert other is ada or (await shared(WITHDRAW, {"id": dispute}, token=other.token)).code == "NOT_FOUND"
    assert (await shared(RESOLVE, given, token=curator.token)).data == {"resolveDispute": {"state": "ACCEPTED"}}
    assert (await shared(RESOLVE, given, token=curator.token)).code == "NOT_FOUND"
    assert (await shared(WITHDRAW, {"id": dispute}, token=ada.token)).code == "BAD_INPUT"
    (mine,) = (await shared(MINE, token=ada.token)).data["disputes"]["edges"]
    assert mine["node"] | {"scan": None, "id": dispute} == mine["node"] | {"scan": None}
    assert (mine["node"]["state"], mine["node"]["answer"]) == ("ACCEPTED", "You are right.")
    assert (await shared(MINE, token=eve.token)).data == {"disputes": {"edges": []}}
    await run_jobs(shared, [tell_dispute])
    told = "{ notifications(kind: DISPUTE_RESOLVED) { edges { node { objectId text { title body } } } } }"
    (notification,) = (await shared(told, token=ada.token)).data["notifications"]["edges"]
    assert notification["node"] == {
        "objectId": dispute,
        "text": {"title": "ada.example.com: your dispute was accepted", "body": "https://ada.example.com/\n\nYou are right."},
    }


async def test_what_can_be_disputed(shared: Api) -> None:
    grace, eve = await person(shared, "grace"), await person(shared, "mallory")
    waiting, judged = await queued(shared, grace, "waiting"), await completed(shared, grace, "judged")
    assert (await shared(DISPUTE, asked(waiting), token=grace.token)).code == "BAD_INPUT"
    assert (await shared(DISPUTE, asked(judged), token=eve.token)).code == "NOT_FOUND"
    for reason in ("", "   ", "x" * 501):
        assert (await shared(DISPUTE, asked(judged, reason=reason), token=grace.token)).code == "BAD_INPUT"
    given = asked(judged, claim="MISSED_THREAT")
    first, again = (await shared(DISPUTE, given, token=grace.token), await shared(DISPUTE, given, token=grace.token))
    assert first.data == again.data
    assert (await shared(DISPUTE, asked(judged), token=grace.token)).code == "BAD_INPUT", "one is open"
    dispute = first.data["disputeScan"]["dispute"]["id"]
    for _ in range(2):
        withdrawn = (await shared(WITHDRAW, {"id": dispute}, token=grace.token)).data["withdrawDispute"]["dispute"]
        assert withdrawn["state"] == "WITHDRAWN"
        assert withdrawn["resolvedAt"]
    assert (await shared(DISPUTE, asked(judged), token=grace.token)).data, "and may be disputed again"
    filtered = "{ disputes(state: WITHDRAWN) { edges { node { id } } } }"
    assert len((await shared(filtered, token=grace.token)).data["disputes"]["edges"]) == 1


async def test_no_more_are_open_than_the_plan_allows(shared: Api) -> None:
    """Five at once on the least plan, also when they come at once; and what two curators decide at once is decided once."""
    joan = await person(shared, "joan", plan="free")
    scans = [await completed(shared, joan, f"w{number}") for number in range(8)]
    answers = await asyncio.gather(*(shared(DISPUTE, asked(scan_id), token=joan.token) for scan_id in scans))
    assert sorted(answer.code for answer in answers if "errors" in answer.body) == ["LIMIT_REACHED"] * 3
    usage = (await shared("{ usage { name used limit } }", token=joan.token)).data["usage"]
    assert {"name": "scans.open_disputes", "used": "5", "limit": "5"} in usage
    curator = await shared.person("cu", curator=True)
    dispute = next(answer.data["disputeScan"]["dispute"]["id"] for answer in answers if "errors" not in answer.body)
    given = [{"input": {"id": dispute, "accepted": accepted}} for accepted in (True, False)]
    both = await asyncio.gather(*(shared(RESOLVE, each, token=curator.token) for each in given))
    assert sorted(str(each.code) for each in both if "errors" in each.body) == ["NOT_FOUND"]
