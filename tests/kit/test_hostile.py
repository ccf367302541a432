"""Hostile requests: each is answered with a code, nothing of our insides is in the answer, and the next request works."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from app.kit.errors import ErrorCode
from tests.conftest import Api

CODES = {code.name for code in ErrorCode}
INSIDE = re.compile(
    r"Traceback|File \"|asyncpg|strawberry|graphql-core|psycopg|/app/|/site-packages/|core\.|privacy\.\w+_|SELECT |relation|"
    r"object at 0x|Did you mean|dataclass|NoneType",
    re.I,
)


def deep(opening: str, closing: str, middle: str, levels: int) -> str:
    """Something inside something inside something."""
    return opening * levels + middle + closing * levels


DOCUMENTS = [
    "",
    " ",
    "{",
    "}",
    "{}",
    "{viewer{}}",
    "\x00",
    "\ufeff",
    "#" * 10_000,
    "{" * 500,
    "{" * 100_000,
    "[" * 1000,
    deep("{a", "}", "b", 300),
    deep("{viewer", "}", "{role}", 100),
    "{viewer{role" + " role" * 3000 + "}}",
    "{" + " ".join(f"a{n}:viewer{{role}}" for n in range(500)) + "}",
    "{viewer{" + " ".join(f"a{n}:role" for n in range(400)) + "}}",
    "query A{viewer{role}} query B{viewer{role}}",
    "query A{viewer{role}} query A{viewer{role}}",
    "subscription {a}",
    "subscription {viewer{role}}",
    "mutation {a}",
    "type A{a:Int}",
    "schema{query:Q}",
    "fragment A on Query{viewer{role}}",
    "fragment A on Query{...A}{...A}",
    "fragment A on Query{...B}fragment B on Query{...A}{...A}",
    "{...A}",
    "{viewer{...on Nothing{a}}}",
    "{viewer @skip(if:1){role}}",
    "{viewer @skip{role}}",
    "{viewer @unknown{role}}",
    "query($a:Nothing){viewer{role}}",
    "query($a:Int!){viewer{role}}",
    "query($a:[[[[[Int]]]]]){viewer{role}}",
    'query($a:Int="x"){viewer{role}}',
    "query($a:ID!,$a:ID!){node(id:$a){id}}",
    "{node(id:null){id}}",
    "{node{id}}",
    "{node(id:1){id}}",
    '{node(id:"' + "A" * 100_000 + '"){id}}',
    '{node(id:"\\u0000"){id}}',
    '{node(id:"VmlzaXQ6"){id}}',
    '{node(id:"U25hcHNob3Q6eA=="){id}}',
    '{node(id:"Q2hhbmdlOng="){id}}',
    '{node(id:"X19jbGFzc19fOng="){id}}',
    "{nodes(ids:[]){id}}",
    "{nodes(ids:[" + ",".join(['"x"'] * 101) + "]){id}}",
    '{nodes(ids:["x"]){id}}',
    "{platformLinks(first:0){edges{node{id}}}}",
    "{platformLinks(first:-1){edges{node{id}}}}",
    "{platformLinks(first:101){edges{node{id}}}}",
    "{platformLinks(first:2147483648){edges{node{id}}}}",
    "{platformLinks(first:" + "9" * 400 + "){edges{node{id}}}}",
    "{platformLinks(first:1.5){edges{node{id}}}}",
    '{platformLinks(first:"1"){edges{node{id}}}}',
    '{platformLinks(after:"x"){edges{node{id}}}}',
    '{platformLinks(after:"W10"){edges{node{id}}}}',
    '{platformLinks(after:"WyJhIl0"){edges{node{id}}}}',
    '{platformLinks(after:"' + "W" * 10_000 + '"){edges{node{id}}}}',
    "{platformLinks(status:NOTHING){edges{node{id}}}}",
    "{platformLinks(first:100){edges{node{snapshots(first:100){edges{node{settings{key}}}}}}}}",
    '{snapshots(linkId:"x"){edges{node{id}}}}',
    '{snapshot(id:"00000000-0000-7000-8000-000000000000"){id}}',
    "{changes(origin:NOBODY){edges{node{id}}}}",
    '{auditEvents(objectId:"x"){edges{node{id}}}}',
    'mutation{linkPlatform(input:{platformSlug:"nothing",label:"a",idempotencyKey:"k1"}){link{id}}}',
    'mutation{linkPlatform(input:{platformSlug:"google",label:"",idempotencyKey:"k2"}){link{id}}}',
    'mutation{linkPlatform(input:{platformSlug:"google",label:"a",idempotencyKey:""}){link{id}}}',
    'mutation{linkPlatform(input:{platformSlug:"google",label:"\\u0000",idempotencyKey:"k3"}){link{id}}}',
    'mutation{linkPlatform(input:{platformSlug:"google",label:"' + "a" * 5000 + '",idempotencyKey:"k4"}){link{id}}}',
    'mutation{linkPlatform(input:{platformSlug:"google",label:"a",idempotencyKey:"' + "k" * 300 + '"}){link{id}}}',
    "mutation{linkPlatform(input:{}){link{id}}}",
    "mutation{linkPlatform(input:null){link{id}}}",
    'mutation{unlinkPlatform(input:{id:"x"}){link{id}}}',
    'mutation{revokeApiKey(id:"x"){apiKey{id}}}',
    'mutation{activateTemplate(id:"x"){template{id}}}',
    'mutation{createApiKey(input:{name:"",scopes:["snapshots:write"]}){secret}}',
    'mutation{createApiKey(input:{name:"a",scopes:[]}){secret}}',
    'mutation{createApiKey(input:{name:"a",scopes:["root"]}){secret}}',
    'mutation{createApiKey(input:{name:"a",scopes:["privacy:read"],expiresAt:"2000-01-01T00:00:00Z"}){secret}}',
    'mutation{createApiKey(input:{name:"a",scopes:["privacy:read"],expiresAt:"yesterday"}){secret}}',
    'mutation{createApiKey(input:{name:"a",scopes:["privacy:read"],expiresAt:"2999-01-01"}){secret}}',
    "mutation{recordSnapshots(inputs:[]){unchanged}}",
]

BODIES: list[Any] = [
    b"",
    b"null",
    b"1",
    b'"x"',
    b"[]",
    b"[null]",
    b"{}",
    b"{",
    b"[" * 100_000,
    b'{"query":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"query":1}',
    b'{"query":null}',
    b'{"query":["{viewer{role}}"]}',
    b'{"query":{"a":1}}',
    b'[{"query":"{viewer{role}}"}]',
    b'{"query":"{viewer{role}}","variables":1}',
    b'{"query":"{viewer{role}}","variables":[]}',
    b'{"query":"{viewer{role}}","variables":"{}"}',
    b'{"query":"{viewer{role}}","operationName":1}',
    b'{"query":"{viewer{role}}","operationName":"Nothing"}',
    b'{"query":"{viewer{role}}","extensions":1}',
    b'{"documentId":1}',
    b'{"documentId":"nothing"}',
    b'{"extensions":{"persistedQuery":{"sha256Hash":"nothing"}}}',
    b'{"query":"\xff\xfe"}',
    b'{"query":"\\ud800"}',
    b'{"query":"{viewer{role}}"' + b" " * (1024 * 1024) + b"}",
    b'{"a":' + b"9" * 5000 + b"}",
    gzip.compress(b'{"query":"{viewer{role}}"}'),
    '{"query":"{viewer{role}}"}'.encode("utf-16"),
    json.dumps({"query": "query($i:Int!){platformLinks(first:$i){edges{node{id}}}}", "variables": {"i": 10**30}}).encode(),
    json.dumps({"query": "query($i:Int!){platformLinks(first:$i){edges{node{id}}}}", "variables": {"i": "1"}}).encode(),
    json.dumps({"query": "query($i:Int!){platformLinks(first:$i){edges{node{id}}}}", "variables": {}}).encode(),
    json.dumps({"query": "query($i:Int=5){platformLinks(first:$i){edges{node{id}}}}", "variables": {"i": None}}).encode(),
    json.dumps({"query": "query($i:[ID!]!){nodes(ids:$i){id}}", "variables": {"i": ["x"] * 60_000}}).encode(),
    json.dumps({"query": "query($i:[ID!]!){nodes(ids:$i){id}}", "variables": {"i": [{"a": 1}]}}).encode(),
]

HEADERS: list[dict[str, str]] = [
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer x"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Bearer ffk_"},
    {"Authorization": "Bearer ffk_' OR 1=1 --"},
    {"Authorization": "Bearer " + "x" * 60_000},
    {"Fivefold-Workspace": "x"},
    {"Fivefold-Workspace": "00000000-0000-7000-8000-000000000000"},
    {"Fivefold-Workspace": "V29ya3NwYWNlOjAwMDAwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMA=="},
    {"Accept": "text/css"},
    {"Accept": "application/json;q=0"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Encoding": "gzip"},
]


async def check(api: Api, token: str, body: bytes, headers: dict[str, str]) -> None:
    """One request: coded errors, nothing inside."""
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"} | headers
    answer = await api.http.post("/graphql", content=body, headers=sent)
    assert answer.status_code < 500, answer.text
    errors = answer.json()["errors"]
    assert errors
    assert {error["extensions"]["code"] for error in errors} <= CODES - {"INTERNAL"}, errors
    told = json.dumps([{k: v for k, v in error.items() if k != "path"} for error in errors])
    assert not INSIDE.search(told), told[:400]
    assert len(told) < 20_000
    assert (await api("{ viewer { role } }", token=token)).data == {"viewer": {"role": "OWNER"}}


@pytest.mark.parametrize("number", range(0, len(DOCUMENTS), 12))
async def test_hostile_documents(api: Api, number: int) -> None:
    ada = await api.person()
    for document in DOCUMENTS[number : number + 12]:
        await check(api, ada.token, json.dumps({"query": document}).encode(), {})


async def test_hostile_bodies(api: Api) -> None:
    ada = await api.person()
    for body in BODIES:
        await check(api, ada.token, body, {})


async def test_hostile_headers(api: Api) -> None:
    ada = await api.person()
    for headers in HEADERS:
        await check(api, ada.token, b'{"query":"{viewer{role}}"}', headers)
