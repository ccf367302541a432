"""Contacts: whom to write to under which law; curators publish versions, and everyone reads the newest."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from app.privacy.curated import read
from tests.conftest import Answer, Api
from tests.factory.privacy import api_key, load_files
from tests.privacy.conftest import Small

CONTACTS = """
query Contacts($slug: String!) {
  platform(slug: $slug) { contacts {
    id regime version organization email url postalAddress requiredElements quality verifiedAt createdAt platform { slug }
  } }
}
"""
PUBLISH = """
mutation Publish($input: PublishPlatformContactInput!) {
  publishPlatformContact(input: $input) { contact { id regime version organization email quality verifiedAt } }
}
"""
GOOD = {
    "platformSlug": "small",
    "regime": "GDPR",
    "organization": "Small Ltd",
    "email": "privacy@small.example",
    "requiredElements": ["name"],
    "quality": "VERIFIED",
    "verifiedAt": "2026-03-01T09:00:00Z",
}


async def contacts(api: Api, token: str, slug: str = "small") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api(CONTACTS, {"slug": slug}, token=token)).data["platform"]["contacts"]
    return found


async def publish(small: Small, **other: Any) -> Answer:
    given = GOOD | {"idempotencyKey": str(uuid4())} | other
    return await small.api(PUBLISH, {"input": given}, token=small.curator.token)


async def test_the_curated_ones_are_there_and_honest(small: Small) -> None:
    for platform in read():
        shown = {c["regime"]: c for c in await contacts(small.api, small.ada.token, platform.slug)}
        assert shown.keys() == {"GDPR", "CCPA"}
        for each in platform.contact:
            contact = shown[each.regime.name]
            assert (contact["organization"], contact["email"], contact["url"]) == (each.organization, each.email, each.url)
            assert (contact["quality"], contact["verifiedAt"]) == ("IMPORTED", None)
            assert contact["requiredElements"] == each.required_elements
            assert contact["platform"]["slug"] == platform.slug


async def test_loading_again_adds_nothing(api: Api) -> None:
    assert await load_files(api.database) == []


async def test_curators_publish_versions(own: Small) -> None:
    first = (await publish(own)).data["publishPlatformContact"]["contact"]
    assert (first["version"], first["quality"]) == (1, "VERIFIED")
    second = (await publish(own, email="dpo@small.example", quality="TESTED")).data["publishPlatformContact"]["contact"]
    other = (await publish(own, regime="CCPA", verifiedAt=None, quality="SCRAPED")).data["publishPlatformContact"]["contact"]
    assert (second["version"], other["version"]) == (2, 1)
    shown = await contacts(own.api, own.ada.token)
    assert [(c["regime"], c["version"], c["email"]) for c in shown] == [
        ("CCPA", 1, "privacy@small.example"),
        ("GDPR", 2, "dpo@small.example"),
    ]
    node = "query($id: ID!) { node(id: $id) { ... on PlatformContact { version email } } }"
    found = (await own.api(node, {"id": first["id"]}, token=own.ada.token)).data["node"]
    assert found == {"version": 1, "email": "privacy@small.example"}


async def test_the_same_key_again_is_the_same_version(own: Small) -> None:
    key = str(uuid4())
    answers = [(await publish(own, idempotencyKey=key)).data for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await publish(own, idempotencyKey=key, organization="Other")).code == "IDEMPOTENCY_CONFLICT"
    assert len(await contacts(own.api, own.ada.token)) == 1


async def test_two_at_once_have_versions_of_their_own(own: Small) -> None:
    answers = await asyncio.gather(*(publish(own, organization=f"Small {n}") for n in range(4)))
    assert sorted(a.data["publishPlatformContact"]["contact"]["version"] for a in answers) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"email": None}, None),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.example?subject=x"}, "email"),
        ({"email": "a\n@b.example"}, "email"),
        ({"url": "http://small.example"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"organization": ""}, "organization"),
        ({"organization": "a\nBcc: x"}, "organization"),
        ({"postalAddress": ""}, "postalAddress"),
        ({"postalAddress": "\0"}, "postalAddress"),
        ({"requiredElements": ["x"] * 21}, "requiredElements"),
        ({"requiredElements": ["x" * 201]}, "requiredElements"),
        ({"verifiedAt": None}, None),
        ({"quality": "IMPORTED"}, None),
        ({"verifiedAt": "2090-01-01T00:00:00Z"}, None),
    ],
)
async def test_what_is_no_contact_is_refused(small: Small, wrong: dict[str, Any], field: str | None) -> None:
    answer = await publish(small, **wrong)
    assert answer.code == "BAD_INPUT", answer.body
    assert answer.body["errors"][0]["extensions"].get("field") == field
    assert await contacts(small.api, small.ada.token) == []


async def test_others_publish_nothing(small: Small) -> None:
    given = {"input": GOOD | {"idempotencyKey": str(uuid4())}}
    assert (await small.api(PUBLISH, given, token=small.ada.token)).code == "FORBIDDEN"
    key = await api_key(small.api, small.curator.token, "snapshots:write", "privacy:read")
    assert (await small.api(PUBLISH, given, token=key)).code == "FORBIDDEN"
    assert (await publish(small, platformSlug="nothing")).code == "NOT_FOUND"
