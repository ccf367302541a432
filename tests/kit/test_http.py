"""GraphQL over HTTP: what is no request is said so with a code, requests are logged, browsers are let in by origin."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.kit.embedded import Embedded
from app.kit.errors import AppError, ErrorCode
from app.kit.http import STATUS, refuse
from app.server import origin_pattern
from tests.conftest import Answer, Api, copy_of
from tests.factory.core import Person
from tests.factory.kit import Lines, call, listen, pool_of, root_fields, serving

VIEWER = "{ viewer { role } }"
CODES = {code.name for code in ErrorCode}


@pytest.fixture(scope="module")
async def shared(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, allowed_origins=["http://localhost:*", "https://app.example"]) as api:
            yield api


@pytest.fixture
async def ada(shared: Api) -> Person:
    return await shared.person("ada")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    return listen(monkeypatch)


async def post(api: Api, token: str, body: bytes | Any, **headers: str) -> Answer:
    """POST bytes, or anything as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await api.http.post("/graphql", content=content, headers=given)
    return Answer(answer.status_code, answer.json(), answer.headers)


def assert_error(answer: Answer, code: str, status: int) -> None:
    """One coded error, no data, and nothing of our insides."""
    assert (answer.code, answer.status) == (code, status), answer.body
    assert "data" not in answer.body
    told = json.dumps(answer.body)
    for inside in ("Traceback", "asyncpg", "site-packages", "strawberry", "graphql-core", "line 1 column", "orjson", "SELECT"):
        assert inside not in told
    UUID(answer.headers["x-request-id"])


# What is no request


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "application/jsonx",
        "*/*",
        "application/json; charset=utf-16",
    ],
)
async def test_what_is_not_sent_as_json_is_refused(shared: Api, ada: Person, kind: str) -> None:
    assert_error(await post(shared, ada.token, {"query": VIEWER}, content_type=kind), "BAD_REQUEST", 400)


@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON", "application/json;charset=UTF-8", " application/json ; x=y"]
)
async def test_json_is_json_however_it_is_written(shared: Api, ada: Person, kind: str) -> None:
    assert (await post(shared, ada.token, {"query": VIEWER}, content_type=kind)).data == {"viewer": {"role": "OWNER"}}


BODIES: dict[str, bytes | Any] = {
    "empty": b"",
    "no JSON": b"{viewer{role}}",
    "half": b'{"query": "{ viewer { role } }"',
    "two": b'{"query": "{ viewer { role } }"}{}',
    "null": b"null",
    "a number": b"1",
    "a string": b'"x"',
    "a list": b"[]",
    "a batch": [{"query": VIEWER}, {"query": VIEWER}],
    "nothing in it": {},
    "no query": {"variables": {}},
    "query null": {"query": None},
    "query empty": {"query": ""},
    "query blank": {"query": " \n"},
    "query a number": {"query": 1},
    "query a list": {"query": [VIEWER]},
    "variables a list": {"query": VIEWER, "variables": []},
    "variables a string": {"query": VIEWER, "variables": "{}"},
    "operationName a number": {"query": VIEWER, "operationName": 1},
    "not UTF-8": b'{"query": "{ viewer { role } }", "x": "\xff\xfe"}',
    "UTF-16": '{"query": "{ viewer { role } }"}'.encode("utf-16"),
    "a lone surrogate": b'{"query": "{ viewer { role } }", "variables": {"x": "\\ud800"}}',
    "deeply nested": b'{"query": "{ viewer { role } }", "variables": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "never closed": b"[" * 500_000,
    "NaN": b'{"query": "{ viewer { role } }", "variables": {"x": NaN}}',
    "more than 1 MiB": b'{"query": "{ viewer { role } }", "x": "' + b"x" * 1024 * 1024 + b'"}',
}


@pytest.mark.parametrize("body", BODIES)
async def test_what_is_no_request_is_refused(shared: Api, ada: Person, body: str) -> None:
    assert_error(await post(shared, ada.token, BODIES[body]), "BAD_REQUEST", 400)
    assert (await shared(VIEWER, token=ada.token)).data


async def test_a_body_of_1_mib_is_read_and_no_more(shared: Api, ada: Person) -> None:
    body = b'{"query": "{ viewer { role } }", "x": "%s"}'
    room = 1024 * 1024 - len(body % b"")
    assert (await post(shared, ada.token, body % (b"x" * room))).data
    assert_error(await post(shared, ada.token, body % (b"x" * (room + 1))), "BAD_REQUEST", 400)


async def test_a_body_without_end_is_not_read_to_its_end(shared: Api, ada: Person) -> None:
    """Whatever Content-Length says, or where it says nothing."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200 * 1024 * 1024:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {ada.token}"}
    answer = await shared.http.post("/graphql", content=endless(), headers=headers)
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert sent <= 2 * 1024 * 1024


async def test_an_unknown_part_of_a_request_is_left_alone(shared: Api, ada: Person) -> None:
    parts: list[dict[str, Any]] = [
        {"extensions": {}},
        {"extensions": None},
        {"variables": None},
        {"operationName": None},
        {"x": 1},
    ]
    for more in parts:
        assert (await post(shared, ada.token, {"query": VIEWER} | more)).data == {"viewer": {"role": "OWNER"}}


# What is no document


DOCUMENTS: dict[str, str] = {
    "a brace too few": "{ viewer { role }",
    "a word": "viewer",
    "an empty selection": "{ viewer { } }",
    "an unknown field": "{ nothing }",
    "an unknown field inside": "{ viewer { nothing } }",
    "no selection": "{ viewer }",
    "a selection of a leaf": "{ viewer { role { x } } }",
    "an unknown argument": "{ viewer(x: 1) { role } }",
    "a missing argument": "{ platform { slug } }",
    "an argument of another type": "{ platform(slug: 1) { slug } }",
    "an enum that is none": "{ platformLinks(status: NOTHING) { edges { cursor } } }",
    "an unknown type": "query($x: Nothing) { viewer { role } }",
    "an unknown variable": "{ platform(slug: $x) { slug } }",
    "an unknown fragment": "{ ...Nothing }",
    "a fragment that spreads itself": "{ ...A } fragment A on Query { viewer { role } ...A }",
    "an unknown directive": "{ viewer @nothing { role } }",
    "two operations of one name": "query A { viewer { role } } query A { viewer { role } }",
    "an anonymous one beside another": "{ viewer { role } } query A { viewer { role } }",
    "one name for two fields": "{ viewer { x: role x: curator } }",
    "a number that is no number": "{ platforms(first: 1.5) { edges { cursor } } }",
    "a lone surrogate": '{ platform(slug: "\\uD800") { slug } }',
    "a control character": "{ viewer { role \x07 } }",
    "a definition": "type A { x: Int } { viewer { role } }",
}


@pytest.mark.parametrize("media_type", ["application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("document", DOCUMENTS)
async def test_what_does_not_fit_the_schema_is_refused(shared: Api, ada: Person, document: str, media_type: str) -> None:
    answer = await post(shared, ada.token, {"query": DOCUMENTS[document]}, accept=media_type)
    assert set(answer.codes) == {"BAD_DOCUMENT"}, answer.body
    assert "data" not in answer.body
    # A client of plain JSON reads the body, whatever the status; the newer type says it with the status.
    assert answer.status == (200 if media_type == "application/json" else 400)
    told = json.dumps(answer.body).replace("Did you mean 'viewer { ... }'", "")  # it says no name that was not sent
    assert "Did you mean" not in told


async def test_a_document_without_operation_is_refused(shared: Api, ada: Person) -> None:
    for document in ("fragment A on Query { viewer { role } }", "#", " "):
        answer = await post(shared, ada.token, {"query": document})
        assert set(answer.codes) <= {"BAD_DOCUMENT", "BAD_REQUEST"}
        assert "data" not in answer.body


TWO = 'query A { viewer { role } } query B { viewer { curator } } mutation C { revokeApiKey(id: "x") { apiKey { id } } }'


async def test_of_several_operations_one_must_be_named(shared: Api, ada: Person, lines: Lines) -> None:
    """Never the first one, just because nobody said which."""
    for name in (None, "", "Nothing", "a", "A B"):
        answer = await post(shared, ada.token, {"query": TWO, "operationName": name})
        assert_error(answer, "BAD_REQUEST", 400)
        assert lines.statements == []
    assert (await post(shared, ada.token, {"query": TWO, "operationName": "B"})).data == {"viewer": {"curator": False}}
    assert (await post(shared, ada.token, {"query": TWO, "operationName": "C"})).code == "BAD_ID"


async def test_a_name_that_is_none_of_the_document_is_refused(shared: Api, ada: Person) -> None:
    for query in (VIEWER, "query A { viewer { role } }"):
        assert_error(await post(shared, ada.token, {"query": query, "operationName": "B"}), "BAD_REQUEST", 400)


VARIABLES: list[Any] = [
    {},
    {"x": None},
    {"x": "1"},
    {"x": 1.5},
    {"x": True},
    {"x": [1, 2]},
    {"x": {"y": 1}},
    {"x": 2**31},
    {"x": -(2**31) - 1},
    {"y": 1},
]


@pytest.mark.parametrize("variables", VARIABLES, ids=range(len(VARIABLES)))
async def test_variables_that_do_not_fit_are_refused(shared: Api, ada: Person, lines: Lines, variables: Any) -> None:
    document = "query($x: Int!) { platforms(first: $x) { edges { cursor } } }"
    answer = await post(shared, ada.token, {"query": document, "variables": variables})
    assert "data" not in answer.body
    assert set(answer.codes) <= {"BAD_VARIABLES", "TOO_COMPLEX"}
    assert "INTERNAL" not in str(lines)
    assert lines.statements == []


WEIRD = {
    "NUL": "a\0b",
    "long": "x" * 50_000,
    "quotes": "'\"`;--\\",
    "format": "%s %(x)s {0} {x} $1 :x",
    "beyond the plane": "\U0001f511\U0010ffff",
    "right to left": "\u202e\u200f\u0627",
    "control": "".join(map(chr, range(1, 32))),
    "not a character": "\ufffe\uffff",
    "empty": "",
}


@pytest.mark.parametrize("weird", WEIRD)
async def test_no_text_is_an_accident_anywhere(shared: Api, weird: str, lines: Lines) -> None:
    """In every input of every root field of the schema."""
    cora = await shared.person("cora", curator=True)
    text = WEIRD[weird]
    for name, value in (("all of them", None), ("slug", "google"), ("platformSlug", "google"), ("scopes", ["privacy:read"])):
        values: dict[str, Any] = {"ID": text, "String": text} | ({} if value is None else {name: value})
        for kind, field, definition in root_fields():
            optional = {key: text for key in definition.args if key in ("after", "object")}
            answer = await shared(*call(kind, field, values | optional), token=cora.token)
            assert "INTERNAL" not in answer.codes, (field, answer.body)
            assert set(answer.codes) <= CODES
    assert [line for line in lines if line["event"] != "graphql" and line["level"] == "error"] == []


# Other methods


async def test_reading_may_be_asked_for_by_get_and_nothing_else(shared: Api, ada: Person) -> None:
    headers = {"Authorization": f"Bearer {ada.token}"}
    answer = await shared.http.get("/graphql", params={"query": VIEWER}, headers=headers)
    assert answer.json()["data"] == {"viewer": {"role": "OWNER"}}
    writing = 'mutation { revokeApiKey(id: "x") { apiKey { id } } }'
    answer = await shared.http.get("/graphql", params={"query": writing}, headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    for asked in ("", "query=", f"query={VIEWER}&variables=x", f"query={VIEWER}&query={VIEWER}", "query=%FF"):
        answer = await shared.http.get(f"/graphql?{asked}", headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")
    assert (await shared.http.get("/graphql", params={"query": VIEWER})).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
async def test_other_methods_are_not_allowed(shared: Api, ada: Person, method: str) -> None:
    answer = await shared.http.request(
        method, "/graphql", json={"query": VIEWER}, headers={"Authorization": f"Bearer {ada.token}"}
    )
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_other_places_are_not_found(shared: Api) -> None:
    for path in ("/", "/graphql/", "/graphql/x", "/../etc/passwd", "/docs", "/openapi.json", "/console", "/%00"):
        answer = await shared.http.get(path, follow_redirects=False)
        assert answer.status_code in (307, 404)
        assert "Traceback" not in answer.text


# Request ids and logs


async def test_a_request_id_comes_back_and_is_in_every_line(shared: Api, ada: Person, lines: Lines) -> None:
    asked = uuid4()
    for sent in (str(asked), str(asked).upper(), f"{{{asked}}}"):
        answer = await post(shared, ada.token, {"query": VIEWER}, x_request_id=sent)
        assert answer.headers["x-request-id"] == str(asked)
        assert lines.request["request_id"] == str(asked)
    for sent in ("", "1", "x" * 5000, "'; DROP TABLE x; --", f"{asked}\t"):
        made = (await post(shared, ada.token, {"query": VIEWER}, x_request_id=sent)).headers["x-request-id"]
        assert UUID(made) != asked or sent.strip() == str(asked)
        assert lines.request["request_id"] == made
    assert len({line["request_id"] for line in lines if line["request_id"] != str(asked)}) >= 4


async def test_refusals_have_a_request_id_and_a_line_too(shared: Api, ada: Person, lines: Lines) -> None:
    asked = str(uuid4())
    for token, body in (
        ("wrong", {"query": VIEWER}),
        (ada.token, b"x"),
        (ada.token, {"query": "{"}),
        (ada.token, {"query": TWO}),
    ):
        answer = await post(shared, token, body, x_request_id=asked)
        assert answer.headers["x-request-id"] == asked
        assert (lines.request["request_id"], lines.request["status"]) == (asked, answer.status)
    assert len(lines) == 4


async def test_a_line_says_what_ran_and_never_who_said_what(shared: Api, ada: Person, lines: Lines) -> None:
    """Statement names, status and time; no token, no variable, no document."""
    made = 'mutation($name: String!) { createApiKey(input: {name: $name, scopes: ["privacy:read"]}) { secret } }'
    secret = (await shared(made, {"name": "a private name"}, token=ada.token)).data["createApiKey"]["secret"]
    assert lines.statements == ["core/workspace.get_workspace", "core/api_key.insert_api_key"]
    await shared("{ __typename }", token=secret)
    assert lines.request["statements"] == ["core/identity.get_caller_by_api_key", "core/api_key_network.upsert_api_key_network"]
    await shared("{ platforms { edges { node { slug } } } }", token=secret)
    assert lines.request["statements"] == ["core/identity.get_caller_by_api_key", "privacy/platform.page_platform"]
    assert lines.request["status"] == 200
    assert lines.request["milliseconds"] >= 0
    await shared(VIEWER, token=f"{ada.token}x")
    await shared('query Secretive { platform(slug: "a private slug") { slug } }', token=ada.token)
    await post(shared, ada.token, b'{"query": "a private document"')
    told = str(lines)
    for secret_ in (ada.token, ada.token[:40], secret, "a private", ada.email, "Bearer"):
        assert secret_ not in told


async def test_what_fails_within_is_logged_and_masked(
    shared: Api, ada: Person, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any, **options: Any) -> Any:
        raise ZeroDivisionError("a private reason")

    monkeypatch.setattr("app.core.viewer.get_account.__class__.__call__", broken)
    answer = await shared("{ viewer { role account { email } } }", token=ada.token)
    assert answer.code == "INTERNAL"
    assert "private" not in json.dumps(answer.body)
    assert "ZeroDivision" not in json.dumps(answer.body)
    failed = [line for line in lines if line["event"] == "field failed"]
    assert isinstance(failed[0]["exc_info"], ZeroDivisionError)
    assert failed[0]["request_id"] == answer.headers["x-request-id"]


async def test_what_fails_around_it_is_logged_and_masked(
    shared: Api, ada: Person, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any, **options: Any) -> Any:
        raise ZeroDivisionError("a private reason")

    monkeypatch.setattr("app.core.identity.Callers.authenticate", broken)
    answer = await post(shared, ada.token, {"query": VIEWER})
    assert_error(answer, "INTERNAL", 500)
    assert "private" not in json.dumps(answer.body)
    assert any(isinstance(line.get("exc_info"), ZeroDivisionError) for line in lines)
    monkeypatch.undo()
    assert (await shared(VIEWER, token=ada.token)).data
    assert pool_of(shared).get_idle_size() == pool_of(shared).get_size()


# Browsers


async def preflight(api: Api, origin: str, **headers: str) -> httpx.Response:
    asked = {"origin": origin, "access-control-request-method": "POST"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return await api.http.options("/graphql", headers=asked)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://localhost:1", "https://app.example"])
async def test_an_allowed_origin_is_let_in(shared: Api, ada: Person, origin: str) -> None:
    wanted = "authorization, content-type, fivefold-workspace, x-request-id"
    answer = await preflight(shared, origin, access_control_request_headers=wanted)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in wanted.split(", "))
    assert int(answer.headers["access-control-max-age"]) >= 600
    assert "access-control-allow-credentials" not in answer.headers, "a bearer is sent by hand, so nothing else need be"
    asked = await post(shared, ada.token, {"query": VIEWER}, origin=origin)
    assert asked.headers["access-control-allow-origin"] == origin
    assert "x-request-id" in asked.headers["access-control-expose-headers"].lower()
    assert "origin" in asked.headers["vary"].lower()
    refused = await post(shared, "wrong", {"query": VIEWER}, origin=origin)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, origin), "or a browser could not read why"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost",
        "https://localhost:3000",
        "http://localhost:3000.evil.example",
        "http://localhost:3000/",
        "http://localhost:x",
        "http://localhost.evil.example:3000",
        "https://app.example.evil.example",
        "https://appXexample",
        "https://sub.app.example",
        "http://app.example",
        "null",
        "*",
        "",
    ],
)
async def test_a_foreign_origin_is_not(shared: Api, ada: Person, origin: str) -> None:
    answer = await preflight(shared, origin)
    assert answer.status_code == 400 or not origin
    assert "access-control-allow-origin" not in answer.headers
    asked = await post(shared, ada.token, {"query": VIEWER}, origin=origin)
    assert "access-control-allow-origin" not in asked.headers


async def test_a_header_or_method_that_nobody_needs_is_not(shared: Api) -> None:
    answer = await preflight(shared, "https://app.example", access_control_request_headers="cookie")
    assert answer.status_code == 400
    assert (await preflight(shared, "https://app.example", access_control_request_method="DELETE")).status_code == 400


def test_without_origins_nobody_is_let_in() -> None:
    for origin in ("", "null", "http://localhost:3000", "x"):
        assert not re.fullmatch(origin_pattern([]), origin)
    assert re.fullmatch(origin_pattern(["chrome-extension://abc.def"]), "chrome-extension://abc.def")
    assert not re.fullmatch(origin_pattern(["chrome-extension://abc.def"]), "chrome-extension://abcXdef")


# Health


async def test_health_is_for_everyone(shared: Api) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await shared.http.get(path)).status_code == 200
        assert (await shared.http.post(path)).status_code == 405


def test_every_status_belongs_to_a_code() -> None:
    for code in ErrorCode:
        status = refuse(AppError(code, "x"), "application/json").status_code
        assert status == STATUS.get(code, 400)
        assert 400 <= status < 600
