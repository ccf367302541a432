"""Limits: what a document asks for is counted before anything of it runs, in no time."""

from __future__ import annotations

from contextlib import suppress

import pytest
from graphql import FieldNode, GraphQLNamedType, OperationDefinitionNode, parse

from app.kit.document import Documents, Invalid
from app.kit.errors import AppError, ErrorCode
from app.kit.limits import MAX_ALIASES, MAX_DEPTH, MAX_ROOT_FIELDS, PLAIN_LIST_COST, Scale, Weight
from app.schema import schema
from tests.conftest import Api

GRAPHQL = schema._schema


def cost(query: str, **variables: object) -> int:
    """What a query costs."""
    document = Documents(GRAPHQL).find(query, None)
    return document.cost(GRAPHQL, document.choose(None), variables)


def code_of(query: str) -> ErrorCode:
    """Why a query is refused."""
    with pytest.raises(AppError) as caught:
        Documents(GRAPHQL).find(query, None)
    return caught.value.code


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 0),
        ("{ viewer { role } }", 1),
        ("{ platformLinks { edges { node { id } } } }", 20),
        ("{ platformLinks(first: 7) { edges { node { id } } pageInfo { endCursor } } }", 7),
        ("{ platformLinks(first: 7) { edges { node { platform { id } } } } }", 7 + 7),
        ("{ platformLinks(first: 7) { edges { node { snapshots(first: 3) { edges { node { id } } } } } } }", 7 + 21),
        ('{ a: node(id: "x") { id } b: node(id: "y") { id } }', 2),
        ('{ nodes(ids: ["x", "y", "z"]) { id } }', 3),
        ('{ snapshot(id: "x") { settings { key } } }', 1 + PLAIN_LIST_COST),
        ('{ snapshot(id: "x") { subScores { group } } }', 1 + 4),
        ('{ snapshot(id: "x") { subScores { contributions { key } } } }', 1 + 4 + 4 * PLAIN_LIST_COST),
        ("fragment L on PlatformLink { platform { id } } { platformLinks(first: 2) { edges { node { ...L ...L } } } }", 2 + 4),
        ("{ platformLinks(first: 2) { ... on PlatformLinkConnection { edges { node { platform { id } } } } } }", 2 + 2),
    ],
)
def test_cost_is_the_objects_that_are_asked_for(query: str, expected: int) -> None:
    assert cost(query) == expected


def test_cost_follows_the_variables() -> None:
    links = "platformLinks(first: $first) { edges { node { id } } }"
    query = f"query Q($first: Int = 5, $ids: [ID!] = []) {{ {links} nodes(ids: $ids) {{ id }} }}"
    documents = Documents(GRAPHQL)
    document = documents.find(query, None)
    operation = document.choose(None)
    figures = [
        document.cost(GRAPHQL, operation, given)
        for given in ({"first": 9, "ids": ["a", "b"]}, {"first": 30, "ids": []}, {"first": 9, "ids": ["a", "b"]})
    ]
    assert figures == [11, 30, 11]


def test_too_deep_too_many_aliases_too_many_root_fields_are_refused() -> None:
    nested = "id"
    for _ in range(MAX_DEPTH):
        nested = f"latestSnapshot {{ link {{ {nested} }} }}"
    assert code_of(f'{{ platformLink(id: "x") {{ {nested} }} }}') is ErrorCode.TOO_COMPLEX
    aliases = " ".join(f"a{n}: role" for n in range(MAX_ALIASES + 1))
    assert code_of(f"{{ viewer {{ {aliases} }} }}") is ErrorCode.TOO_COMPLEX
    roots = " ".join(["viewer { role }"] * (MAX_ROOT_FIELDS + 1))
    assert code_of(f"{{ {roots} }}") is ErrorCode.TOO_COMPLEX
    pages = "{ platformLinks(first: 100) { edges { node { snapshots(first: 100) { edges { node { settings { key } } } } } } } }"
    assert code_of(pages) is ErrorCode.TOO_COMPLEX


SPREADS = ["...F{n} ...F{n}", "a: link {{ latestSnapshot {{ ...F{n} }} }} b: link {{ latestSnapshot {{ ...F{n} }} }}"]


@pytest.mark.parametrize("body", SPREADS)
def test_fragments_that_double_with_each_level_are_weighed_once_each(body: str) -> None:
    levels = 24
    fragments = [f"fragment F{n} on Snapshot {{ {body.format(n=n + 1)} }}" for n in range(levels)]
    document = " ".join([*fragments, f"fragment F{levels} on Snapshot {{ id }}", '{ snapshot(id: "x") { ...F0 } }'])
    parsed = parse(document)
    scale = Scale(GRAPHQL, parsed, {})
    visited = 0
    weigh = scale._field

    def count(node: FieldNode, parent: GraphQLNamedType | None) -> Weight:
        nonlocal visited
        visited += 1
        return weigh(node, parent)

    scale._field = count  # type: ignore[method-assign]
    operation = parsed.definitions[-1]
    assert isinstance(operation, OperationDefinitionNode)
    with suppress(AppError):
        scale.check(operation)
    assert visited <= 4 * levels + 2
    if "link" in body:
        assert code_of(document) is ErrorCode.TOO_COMPLEX
    else:
        assert cost(document) == 1


@pytest.mark.parametrize(
    "document",
    [
        "fragment A on Viewer { ...A } { viewer { ...A } }",
        "fragment A on Viewer { ...B } fragment B on Viewer { ...A } { viewer { ...A } }",
        "{ viewer { ...Nowhere } }",
        "{ nothing { at { all } } }",
        "{ viewer(wrong: 1) { role } }",
        "fragment A on Nowhere { id } { viewer { ...A } }",
        "{",
        "",
    ],
)
def test_what_is_not_valid_is_told_so(document: str) -> None:
    with pytest.raises(Invalid):
        Documents(GRAPHQL).find(document, None)


async def test_the_answer_says_what_it_cost(api: Api) -> None:
    ada = await api.person()
    answer = await api("{ platformLinks(first: 3) { edges { node { id } } } }", token=ada.token)
    assert answer.body["extensions"]["cost"] == {"requested": 3, "maximum": 50_000}
