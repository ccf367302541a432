"""Usage: counts of enough people only, bytes that are measured, and everybody whom a new page concerns told once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.graphql import parse_global_id
from app.privacy.template_usage import break_even, measure_template_usage
from tests.conftest import Api
from tests.factory.core import Person
from tests.factory.jobs import run_jobs
from tests.factory.privacy import ACTIVATE, link, proposed, recorded, scan, template_proposed, unlink
from tests.privacy.conftest import Small

USAGE = """
query Usage($id: ID!) {
  node(id: $id) { ... on Template { usage { snapshots users lastUsedAt averageScanMilliseconds measuredAt } } }
  storageReport(templateId: $id) {
    templateBytes fullCopyBytes fullCopyStoredBytes breakEvenUsers storedBreakEvenUsers measuredAt template { id }
    own { ...Figures } everyone { ...Figures }
  }
}
fragment Figures on StorageFigures { snapshots snapshotBytes fullCopyBytes fullCopyStoredBytes saving storedSaving }
"""
LISTED = (
    '{ platform(slug: "small") { templates { edges { node { usage'
    " { snapshots users lastUsedAt averageScanMilliseconds measuredAt } } } } } }"
)
RADIUS = "query R($id: ID!) { blastRadius(templateId: $id) { people links reason template { version } } }"
TOLD = "{ notifications { edges { node { kind objectId text { title body } } } } }"


async def measure(api: Api) -> None:
    """As the worker does every quarter of an hour."""
    async with api.database.connect("fivefold_worker") as connection:
        await connection.execute("SELECT privacy.measure_template_usage()")


async def use(small: Small, person: Person, template: dict[str, Any], **values: str) -> str:
    """A link with a scan."""
    link_id = await link(small.api, person.token, "small", label=str(uuid4())[:8])
    await recorded(small.api, person.token, scan(link_id, template, values=values))
    return link_id


async def usage(small: Small, template: dict[str, Any], person: Person | None = None) -> Any:
    """As somebody sees it."""
    return (await small.api(USAGE, {"id": template["id"]}, token=(person or small.ada).token)).data


async def test_usage_is_told_of_five_people_or_more(own: Small) -> None:
    persons = [await own.person() for _ in range(5)]
    for person in persons[:4]:
        for _ in range(2):
            await use(own, person, own.second)
    await measure(own.api)
    for asking in (own.ada, own.curator, persons[0]):
        assert (await usage(own, own.second, asking))["node"]["usage"] is None
        assert (await usage(own, own.second, asking))["storageReport"]["everyone"] is None
    await use(own, persons[4], own.second, history="off")
    assert (await usage(own, own.second))["node"]["usage"] is None, "not measured yet"
    await measure(own.api)
    for asking in (own.ada, own.curator):
        told = (await usage(own, own.second, asking))["node"]["usage"]
        assert (told["snapshots"], told["users"], told["lastUsedAt"]) == ("9", "5", "2026-03-02T00:00:00Z")
        listed = (await own.api(LISTED, token=asking.token)).data["platform"]["templates"]["edges"]
        assert [edge["node"]["usage"] for edge in listed] == [told, None]
    assert (await usage(own, own.first))["node"]["usage"] is None
    async with own.api.database.connect("fivefold_api") as connection:
        assert await connection.fetchval("SELECT min(people) FROM privacy.template_usage") == 5


async def test_how_long_scans_take_is_the_average_of_each_links_last(own: Small) -> None:
    persons = [await own.person() for _ in range(5)]
    links = [await use(own, person, own.second) for person in persons]
    await measure(own.api)
    assert (await usage(own, own.second))["node"]["usage"]["averageScanMilliseconds"] is None
    for person, link_id, milliseconds in zip(persons[:3], links, (1000, 2000, 6001), strict=False):
        for day, took in ((1, 90_000), (2, milliseconds)):
            await recorded(own.api, person.token, scan(link_id, own.second, day=day, durationMilliseconds=took))
    await measure(own.api)
    assert (await usage(own, own.second))["node"]["usage"]["averageScanMilliseconds"] == "3000"


async def test_bytes_are_those_of_the_database(own: Small) -> None:
    persons = [await own.person() for _ in range(5)]
    for person in persons:
        await use(own, person, own.second, history="off")
    await measure(own.api)
    report = (await usage(own, own.second, persons[0]))["storageReport"]
    key = UUID(parse_global_id(own.second["id"], field="id")[1])
    async with own.api.database.connect() as connection:
        sizes = await connection.fetch("SELECT pg_column_size(s.*) AS size FROM privacy.snapshot AS s")
        content = await connection.fetchval("SELECT content FROM privacy.template_copy WHERE template_id = $1", key)
    measured = int(report["everyone"]["snapshotBytes"])
    assert measured / sum(row["size"] for row in sizes) == pytest.approx(1, abs=0.05), "a row differs by a few bytes of header"
    assert int(report["own"]["snapshotBytes"]) * 5 / measured == pytest.approx(1, abs=0.05)
    assert int(report["fullCopyBytes"]) == len(content.encode())
    assert (report["own"]["snapshots"], report["everyone"]["snapshots"]) == ("1", "5")
    assert int(report["everyone"]["fullCopyBytes"]) == 5 * len(content.encode())
    people = report["breakEvenUsers"]
    size, copy = measured / 5, len(content.encode())
    template = int(report["templateBytes"])
    assert template + people * size < people * copy
    assert template + (people - 1) * size >= (people - 1) * copy
    paid = 1 - (template + 5 * size) / (5 * copy)
    assert report["everyone"]["saving"] == pytest.approx(paid, abs=1e-6)
    nothing = (await usage(own, own.first, persons[0]))["storageReport"]
    assert (nothing["breakEvenUsers"], nothing["own"]["saving"], nothing["own"]["snapshotBytes"]) == (None, None, "0")


async def test_a_large_page_is_stored_compressed(api: Api) -> None:
    """Both are told: what a full copy is as text, and what PostgreSQL makes of it."""
    ada = await api.person("ada")
    await measure(api)
    query = '{ platform(slug: "google") { activeTemplate { id } } }'
    template = (await api(query, token=ada.token)).data["platform"]["activeTemplate"]
    report = (await api(USAGE, {"id": template["id"]}, token=ada.token)).data["storageReport"]
    assert int(report["fullCopyBytes"]) > 2 * int(report["fullCopyStoredBytes"]) > 1000


async def test_before_a_measurement_nothing_is_made_up(own: Small) -> None:
    await use(own, own.ada, own.second)
    report = (await usage(own, own.second))["storageReport"]
    assert (report["fullCopyBytes"], report["fullCopyStoredBytes"], report["breakEvenUsers"]) == (None, None, None)
    assert (report["own"]["saving"], report["own"]["fullCopyBytes"], report["everyone"]) == (None, None, None)
    assert int(report["own"]["snapshotBytes"]) > 0


async def test_a_hidden_template_has_no_report(small: Small) -> None:
    bob = await small.person()
    hidden = await template_proposed(small.api, bob.token, [proposed("report_me")], "small")
    for person in (small.ada, small.curator):
        for document, field in ((USAGE, "storageReport"), (RADIUS, "blastRadius")):
            answer = await small.api(document, {"id": hidden["id"]}, token=person.token)
            assert answer.body["data"][field] is None
            assert answer.codes == (["FORBIDDEN"] if field == "blastRadius" and person is small.ada else ["NOT_FOUND"])


async def test_a_measurement_again_is_the_newer_one(own: Small) -> None:
    persons = [await own.person() for _ in range(5)]
    links = [await use(own, person, own.second) for person in persons]
    await asyncio.gather(measure(own.api), measure(own.api))
    async with own.api.database.connect() as connection:
        assert await connection.fetchval("SELECT count(*) FROM privacy.template_usage") == 1
    for person, link_id in zip(persons, links, strict=True):
        await recorded(own.api, person.token, scan(link_id, own.second, day=1, values={"news": "off"}))
    await measure(own.api)
    assert (await usage(own, own.second))["node"]["usage"]["snapshots"] == "10"


async def test_the_job_measures(own: Small) -> None:
    for _ in range(5):
        await use(own, await own.person(), own.second)
    async with own.api.database.connect() as connection:
        ask = "SELECT jobs.enqueue($1, ARRAY[$2]::bytea[], ARRAY[NULL]::text[], interval '0', 0)"
        await connection.execute(ask, measure_template_usage.name, b"{}")
    await run_jobs(own.api)
    assert (await usage(own, own.second))["node"]["usage"]["users"] == "5"


@given(st.integers(0, 10**5), st.integers(0, 10**5), st.integers(1, 1000), st.integers(0, 10**7))
def test_break_even_is_the_first_that_pays(template: int, copy: int, snapshots: int, total: int) -> None:
    found = break_even(template, copy, snapshots, total)

    def pays(people: int) -> bool:
        return template * snapshots + people * total < people * copy * snapshots

    if found is None:
        assert not pays(10**9)
    else:
        assert pays(found)
        assert found == 1 or not pays(found - 1)


# Whom it concerns


async def test_everybody_whom_it_concerns_is_told_once(own: Small) -> None:
    """In one job, across workspaces; not who has seen it, never scanned, or ended the link."""
    concerned = [await own.person() for _ in range(6)]
    for person in concerned:
        for _ in range(2):
            await use(own, person, own.second)
    seen, never, ended, elsewhere = [await own.person() for _ in range(4)]
    await use(own, seen, own.first)
    await link(own.api, never.token, "small")
    await unlink(own.api, ended.token, await use(own, ended, own.second))
    await link(own.api, elsewhere.token, "google")
    radius = (await own.api(RADIUS, {"id": own.first["id"]}, token=own.curator.token)).data["blastRadius"]
    assert radius == {"people": "6", "links": "12", "reason": None, "template": {"version": 1}}
    await run_jobs(own.api)
    told_before = {p: await told(own.api, p) for p in (*concerned, seen, never, ended, elsewhere)}
    for _ in range(3):
        await own.api(ACTIVATE, {"id": own.first["id"]}, token=own.curator.token)
    await run_jobs(own.api)
    for person in concerned:
        (new,) = [n for n in await told(own.api, person) if n not in told_before[person]]
        assert (new["kind"], new["objectId"]) == ("TEMPLATE_CHANGE", own.first["id"])
    for person in (seen, never, ended, elsewhere):
        assert await told(own.api, person) == told_before[person]


async def told(api: Api, person: Person) -> list[Any]:
    """The notifications of somebody."""
    return [edge["node"] for edge in (await api(TOLD, token=person.token)).data["notifications"]["edges"]]


async def test_people_who_agree_tell_the_others(own: Small) -> None:
    """An activation without a curator is told as well."""
    await use(own, own.ada, own.second)
    for _ in range(3):
        template = await template_proposed(own.api, (await own.person()).token, [proposed("agreed")], "small")
    await run_jobs(own.api)
    assert template["id"] in {n["objectId"] for n in await told(own.api, own.ada)}


async def test_what_was_taken_back_is_not_told(own: Small) -> None:
    await use(own, own.ada, own.second)
    before = await told(own.api, own.ada)
    await run_jobs(own.api)
    for template in (own.first, own.second):
        await own.api(ACTIVATE, {"id": template["id"]}, token=own.curator.token)
    await run_jobs(own.api)
    assert own.first["id"] not in {n["objectId"] for n in await told(own.api, own.ada) if n not in before}


async def test_few_are_not_counted(small: Small) -> None:
    for _ in range(2):
        await use(small, await small.person(), small.second)
    answer = await small.api(RADIUS, {"id": small.first["id"]}, token=small.curator.token)
    radius = answer.data["blastRadius"]
    assert (radius["people"], radius["links"]) == (None, None)
    assert radius["reason"]
    assert (await small.api(RADIUS, {"id": small.first["id"]}, token=small.ada.token)).code == "FORBIDDEN"
    async with small.api.database.connect("fivefold_api") as connection:
        key = UUID(parse_global_id(small.first["id"], field="id")[1])
        assert await connection.fetch("SELECT * FROM privacy.count_affected($1)", key) == []
