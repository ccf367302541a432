"""The harness itself: everybody it can start answers the same, and what it finds becomes a report. Nothing is timed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.settings import Settings
from tests.benchmark import contender, data, load, peer, postgraphile, proxy, reads, record, report
from tests.benchmark.__main__ import at, peers, socket_of
from tests.benchmark.server import in_this_process
from tests.benchmark.workload import workloads
from tests.conftest import Database


async def test_everybody_answers_the_same_and_it_becomes_a_report(database: Database, jwt_key: Path, tmp_path: Path) -> None:
    world = await data.prepare(database.url(), jwt_key, accounts=2)
    async with database.connect() as admin:
        await postgraphile.extend(admin)
    asked = workloads(world)
    trusted = tmp_path / "trusted.json"
    trusted.write_text(json.dumps({each.name: each.query for each in asked if each.trusted}))
    found: dict[str, Any] = {"missing": {}, "cases": [], "accounts": 2}
    there = peer.install(only_if_there=True)
    url = database.url("fivefold_api")
    with proxy.delaying(socket_of(url), tmp_path / "away", 1.0) as away:
        given = Settings(
            database_url=at(url, away.folder),
            jwt_keys=[jwt_key],
            trusted_documents=trusted,
            rate_per_second=10**7,
            rate_burst=10**7,
        )
        async with (
            in_this_process(given) as python,
            peers(contender.NAMES, asked, there, at(url, away.folder), jwt_key, tmp_path, found["missing"]) as others,
        ):
            contenders = [*contender.in_python(python), *others]
            names = contender.NAMES if there.node else contender.PYTHON
            assert [each.name for each in contenders] == list(names)
            for workload in asked:
                case = await reads.measure(
                    workload, contenders, connections=2, delay=1.0, rounds=1, seconds=0.02, trips=away.trips
                )
                assert not case.trouble
                assert all(each.trips[0] >= 1 for each in case.found.values())
                report.show_case(case)
                found["cases"].append(case.as_json())
            url = database.url("fivefold_api")
            links = await record.all_links_of(database.url(), world.listers_workspace)
            await record.write_script(python.port, world.lister, url, links, tmp_path / "record.sql")
            assert (await record.pgbench(tmp_path / "record.sql", url, clients=2, seconds=1)).scans > 0
    report.write(tmp_path, found)
    cases = json.loads((tmp_path / "report.json").read_text())["cases"]
    assert [case["workload"] for case in cases] == ["lookup", "light", "full", "list", "page", "nested"]
    assert all(set(case["fivefold_through"]) == set(names) - {"Fivefold"} for case in cases)
    drawn = ElementTree.parse(tmp_path / "chart.svg").getroot()  # noqa: S314 - our own text
    assert len(drawn.findall("{http://www.w3.org/2000/svg}rect")) == 1 + len(asked) * len(names)


def test_answers_are_compared_by_what_they_mean() -> None:
    ours = {"id": "UGxhdGZvcm06MDE5", "capturedAt": "2026-01-01T00:00:00Z", "confidence": 0.1 + 0.2, "value": None}
    theirs = {"value": None, "id": "019", "capturedAt": "2026-01-01T01:00:00.000+01:00", "confidence": 0.3}
    assert contender.plain(ours) == contender.plain(theirs)
    assert reads.difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ".a[1].b: 2 against 3"


async def test_the_load_generator_tells_what_a_server_refuses() -> None:
    assert await load.ceiling(300, 2, seconds=0.02) > 0
    with pytest.raises(OSError, match="Connect"):
        await load.ask(1, load.request("/", b"", ""))


def test_a_chunked_answer_is_joined() -> None:
    assert load._join_chunks(b'5\r\n{"a":\r\n3;x=y\r\n 1}\r\n0\r\n\r\n') == b'{"a": 1}'


def test_a_report_names_no_folders() -> None:
    words = ["--rounds", "3", "--data", "/x/here", "--out", "/x/there", "--delays", "0"]
    assert report.command("tests.benchmark", words) == "python -m tests.benchmark --rounds 3 --delays 0"
