"""No content: no column that could hold any, and nothing of a page, a header, a form or an address's secret anywhere after."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from graphql import GraphQLObjectType
from starlette.responses import JSONResponse

from app.scans import headers, observation
from app.schema import schema
from tests.conftest import Database
from tests.factory.core import Person
from tests.factory.kit import give
from tests.factory.model import KEY, MODEL, by_text, by_tool, fake_model
from tests.factory.receiver import Receiver, receiving
from tests.factory.web import Web, certificate, hostile_web, redirect, reply
from tests.test_canary import Canaries, dump, served, working

FORBIDDEN = re.compile(
    r"(?:^|_)(?:body|bodies|content|html|dom|text|markup|source|document|page|raw|payload|screenshots?|image|snapshot|title|"
    r"excerpt|quote|snippet|form_?values?|values?|cookies?|inner|outer|response)(?:$|_)"
)
"""Names of what would be content, at any depth; camelCase is read as snake_case."""
ONLY_HASHES_AND_KINDS = {"content_hash", "content_sha256", "content_type", "cookie_names"}
"""What has such a word in its name and holds a hash, a MIME type, or names."""


@pytest.fixture(scope="module")
def catalog(house: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(house.url(), autocommit=True) as connection:
        yield connection


COLUMNS = (
    "SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), c.oid FROM pg_class AS c"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.relnamespace = 'scans'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1, 2"
)
FIXED = {"uuid", "integer", "bigint", "smallint", "boolean", "timestamp with time zone", "double precision", "inet"}
BOUNDING = re.compile(r"length\(|octet_length\(|cardinality\(|<@ ARRAY|= ANY \(ARRAY|~ '\^|holds_\w+_only\(")


def test_no_column_is_named_for_content(catalog: psycopg.Connection[Any]) -> None:
    columns = catalog.execute(COLUMNS).fetchall()
    assert len(columns) > 60
    named = {f"{table}.{column}" for table, column, *_ in columns if FORBIDDEN.search(column)}
    assert {each for each in named if each.split(".")[1] not in ONLY_HASHES_AND_KINDS} == set()


def test_every_column_that_could_hold_words_is_bounded(catalog: psycopg.Connection[Any]) -> None:
    """By a CHECK, or a foreign key to what is; nothing is longer than what it is there for."""
    unbounded = []
    for table, column, number, kind, oid in catalog.execute(COLUMNS).fetchall():
        if kind in FIXED or (table, column) == ("scan", "previous_state"):  # copied from state by the trigger
            continue
        assert kind in ("text", "text[]", "bytea", "jsonb"), f"{table}.{column}: {kind} is no type for facts"
        rules = catalog.execute(
            "SELECT contype::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s AND %s = ANY (conkey)",
            (oid, number),
        ).fetchall()
        of_column = [rule for kind_, rule in rules if kind_ == "f" or (kind_ == "c" and BOUNDING.search(rule))]
        if not of_column:
            unbounded.append(f"{table}.{column}")
        sizes = [int(each) for rule in of_column for each in re.findall(r"(?:<= |AND )\(?(\d+)\)?", rule)]
        assert max(sizes, default=0) <= 8300, f"{table}.{column} is longer than an address and its seal"
    assert unbounded == []


def test_json_holds_headers_that_are_listed_and_nothing_else(catalog: psycopg.Connection[Any]) -> None:
    """The one JSON column refuses names of content and objects at any depth."""
    json = [(table, column) for table, column, _, kind, _ in catalog.execute(COLUMNS).fetchall() if kind == "jsonb"]
    assert json == [("scan_result", "headers")]
    allowed = "SELECT scans.holds_headers_only(%s::text::jsonb)"
    for good in ({}, {"server": "nginx"}, *({name.decode(): "other"} for name in headers._SUMMARIES)):
        assert catalog.execute(allowed, (orjson.dumps(good).decode(),)).fetchone() == (True,)
    bad: list[Any] = [[], "x", 1, None, {"server": {"body": "x"}}, {"server": ["x"]}, {"server": "x" * 5000}]
    names = ("body", "content", "html", "text", "screenshot", "dom", "domContent", "pageContent", "responseBody", "set-cookie")
    bad += [{name: "x"} for name in names] + [{"server": "x", name: {"a": 1}} for name in names]
    for each in bad:
        assert catalog.execute(allowed, (orjson.dumps(each).decode(),)).fetchone() != (True,), each


def test_no_field_of_the_api_is_named_for_content() -> None:
    wrong = []
    for name in (
        "Scan",
        "ScanResult",
        "EngineVerdict",
        "ScanIndicator",
        "ScanAccess",
        "PublishedScan",
        "ScanComparison",
        "Monitor",
    ):
        kind = schema._schema.type_map.get(name)
        if isinstance(kind, GraphQLObjectType):
            snake = {re.sub(r"([A-Z])", r"_\1", field).lower(): field for field in kind.fields}
            wrong += [f"{name}.{field}" for word, field in snake.items() if FORBIDDEN.search(word)]
    assert [each for each in wrong if each.split(".")[1] not in ("contentType", "contentSha256", "cookieNames")] == []


def test_what_was_read_shows_itself_to_nobody() -> None:
    """An observation in a log line or an error tells no body."""
    fields = observation.Observation.__dataclass_fields__
    assert fields["body"].repr is False


def marker(place: str) -> str:
    """Recognizable, and nothing that anybody would have made up as a word."""
    return f"c4n4ry{place.encode().hex()[:12]}7f3a91e2d8"


PLAIN = {
    "plainlocation": "lanternmeadowquietly",
    "plainquery": "orchardsilverwinter",
    "plainrefresh": "harborvelvetautumn",
    "plainicon": "cedarcopperevening",
    "plaincookie": "marbleriverthunder",
    "plainfile": "willowamberharvest",
    "plainform": "saffronislandmorning",
    "plaincertificate": "garnetforestbridge",
    "plainmodel": "juniperhollowcandle",
    "plainquote": "we sail at midnight with lanterns",
}
"""Words that anybody might write, where nothing tells that they are somebody's: a server is not shown saying them either."""
PLACES = (
    "title", "comment", "prose", "formvalue", "formaction", "script", "style", "meta", "attribute", "server", "xheader",
    "cookie", "mime", "csp", "location", "locationquery", "error", "icon", "json", "refresh", "disposition", "urlsecret",
    "urlpath", "fragment",
)  # fmt: skip


def page() -> bytes:
    say = {place: marker(place) for place in PLACES} | PLAIN
    return f"""<!doctype html><html><head><title>Sign in {say["title"]}</title>
<meta name="description" content="{say["meta"]}"><link rel="icon" href="/{say["plainicon"]}.ico">
<style>.{say["style"]} {{}}</style></head><body class="{say["attribute"]}"><!-- {say["comment"]} -->
<p>{say["prose"]} {say["plainquote"]}</p><form action="/in/{say["formaction"]}/{say["plainform"]}" method="post">
<input type="password" name="p" value="{say["formvalue"]}"></form>
<script>eval(unescape("{say["script"]}")); var token = "{say["script"]}";</script></body></html>""".encode()


def pages(web: Web) -> None:
    sent: dict[str, Any] = {
        "Server": f"nginx {marker('server')}",
        "X_Token": marker("xheader"),
        "Set_Cookie": f"{PLAIN['plaincookie']}={marker('cookie')}",
        "Content_Security_Policy": f"default-src 'nonce-{marker('csp')}'",
        "Refresh": f"99; url=/{marker('refresh')}/{PLAIN['plainrefresh']}",
        "Content_Disposition": f'inline; filename="{marker("disposition")} {PLAIN["plainfile"]}.html"',
    }
    web.pages["/page"] = reply(page(), **sent)
    web.pages["/hop"] = redirect(f"/to/{marker('location')}?session={marker('locationquery')}")
    web.pages[f"/to/{marker('location')}"] = reply(page(), kind=f"text/html; charset={marker('mime')}", **sent)
    web.pages["/plain"] = redirect(f"/{PLAIN['plainlocation']}?{PLAIN['plainquery']}=1")
    web.pages[f"/{PLAIN['plainlocation']}"] = reply(page(), **sent)
    web.pages[f"/{PLAIN['plainicon']}.ico"] = reply(b"\x00\x00\x01\x00" + marker("icon").encode(), kind="image/x-icon")
    web.pages["/error"] = reply(f"<h1>{marker('error')}</h1>".encode(), status=f"500 {marker('error')}", **sent)
    web.pages["/json"] = reply(orjson.dumps({"value": marker("json")}), kind="application/json")
    web.pages["/broken"] = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nX: " + marker("error").encode() + b"\r\n\r\n" + page()
    web.pages[f"/reset/{marker('urlpath')}"] = reply(page())


def quoting(request: dict[str, Any]) -> Any:
    """A model that a page has talked into quoting it: in each place of an answer, in turn."""
    said = f"{PLAIN['plainmodel']} {PLAIN['plainquote']} {marker('prose')}"
    good = {"score": 90, "confidence": 1.0, "reasons": ["DECEPTION"]}
    answers = (
        lambda: by_tool(request, good | {"reasons": [said]}),
        lambda: by_tool(request, good | {"quote": said}),
        lambda: by_text(said),
        lambda: by_tool(request, good | {"score": said}),
        lambda: by_tool(request, good, name=said),
        lambda: JSONResponse({"error": {"message": said, "type": said, "code": said}}, status_code=400),
        lambda: by_tool(request, good, content=said, refusal=said),
    )
    turns.append(1)
    return answers[len(turns) % len(answers)]()


turns: list[int] = []


SUBMIT = "mutation($inputs: [SubmitScanInput!]!) { submitScans(inputs: $inputs) { scan { id maskedUrl } } }"
HOOK = (
    'mutation($url: String!) { createWebhook(input: {url: $url, idempotencyKey: "w", kinds: ["scans.scan_finished"]})'
    " { webhook { id } } }"
)
EVERYTHING = (
    "{ scans(first: 100) { edges { node { id state failure maskedUrl host } } }"
    " notifications { edges { node { text { body } } } }"
    " auditEvents(first: 100) { edges { node { detail } } } webhookDeliveries { edges { node { id } } }"
    " publishedScans { edges { node { maskedUrl } } } monitors { edges { node { maskedUrl } } } }"
)


@pytest.mark.slow
async def test_nothing_of_a_page_is_found_anywhere(
    database: Database, jwt_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real server, real worker, real pages; then the whole dump, logs, metrics, answers and webhooks are searched."""
    for name in ("FIVEFOLD_SCAN_LOOPBACK", "FIVEFOLD_WEBHOOK_LOOPBACK"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("FIVEFOLD_SCAN_SECONDS", "3")
    canaries, log, answers = Canaries(), tmp_path / "log", bytearray()
    for place in PLACES:
        canaries.plant(place, marker(place))
        canaries.plant(place, base64.b64encode(marker(place).encode()))
    for place, words in PLAIN.items():
        canaries.plant(place, words)
    names = [f"{PLAIN['plaincertificate']}.example.com", f"www.{PLAIN['plaincertificate']}.example.com"]
    async with (
        hostile_web() as web,
        hostile_web(certificate(tmp_path, *names)) as secure,
        fake_model([quoting]) as model,
        served(database, jwt_key, log) as api,
        receiving() as receiver,
    ):
        pages(web)
        pages(secure)
        ada = await api.person("ada")
        await give(api, ada, 50)
        assert (await api(HOOK, {"url": receiver.url}, token=ada.token)).data
        secret = marker("urlsecret")
        paths = [
            "/page",
            "/hop",
            "/plain",
            "/error",
            "/json",
            "/broken",
            f"/reset/{marker('urlpath')}",
            f"/page?token={secret}#{marker('fragment')}",
        ]
        urls = [*map(web.url, paths), secure.url("/plain")]
        inputs = [{"url": url, "idempotencyKey": f"key {place}"} for place, url in enumerate(urls)]
        answer = await api(SUBMIT, {"inputs": inputs}, token=ada.token)
        answers.extend(str(answer.body).encode())
        for bad in (f"ftp://{secret}/", f"https://{secret}@example.com/", f"https://example.com:0/{secret}", secret):
            refused = await api(SUBMIT, {"inputs": [{"url": bad, "idempotencyKey": "b"}]}, token=ada.token)
            assert "errors" in refused.body
            answers.extend(str(refused.body).encode())
            asked = await api(
                "query($url: String!) { urlHistory(url: $url) { edges { cursor } } }", {"url": bad}, token=ada.token
            )
            answers.extend(str(asked.body).encode())
        asking = {"FIVEFOLD_SCAN_MODEL": MODEL, "FIVEFOLD_SCAN_MODEL_URL": model.url, "FIVEFOLD_SCAN_MODEL_KEY": KEY}
        with working(database, log, FIVEFOLD_SCAN_LOOPBACK="true", FIVEFOLD_WEBHOOK_LOOPBACK="true", **asking):
            await _until_all_ended(database, ada, len(urls), receiver)
        everything = await api(EVERYTHING, token=ada.token)
        assert {edge["node"]["state"] for edge in everything.data["scans"]["edges"]} >= {"COMPLETED"}
        answers.extend(str(everything.body).encode())
        metrics = (await api.http.get("/metrics")).content
    whole, written = await asyncio.to_thread(dump, database), await asyncio.to_thread(log.read_bytes)
    assert model.calls >= 6, "each way of answering was tried"
    assert f"/{PLAIN['plainlocation']}?{PLAIN['plainquery']}=1" in secure.paths
    assert f"/{PLAIN['plainicon']}.ico" in web.paths
    assert b"COPY scans.scan_result" in whole
    assert b"COPY scans.access" in whole
    assert canaries.found(whole) == [], "in the dump"
    assert canaries.found(written) == [], "in the logs"
    assert canaries.found(metrics) == [], "in the metrics"
    assert canaries.found(bytes(answers)) == [], "in answers"
    told = b"".join(each.body + str(each.headers).encode() for each in receiver.received)
    assert canaries.found(told) == [], "in webhooks"
    assert {marker("location"), marker("urlpath")} <= {part for path in web.paths for part in path.split("?")[0].split("/")}


async def _until_all_ended(database: Database, person: Person, count: int, receiver: Receiver) -> None:
    ended = "SELECT count(*) FROM scans.scan WHERE workspace_id = $1 AND state IN ('COMPLETED', 'FAILED', 'TIMED_OUT')"
    async with database.connect() as admin, asyncio.timeout(120):
        while await admin.fetchval(ended, person.workspace_id) < count or len(receiver.received) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
