"""Consents: to the words that hold, one at a time, until they are withdrawn; and what may not be done without."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.core.consent import ConsentRequired, has_consent, hold_consent, require_consent
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.graphql import global_id
from app.kit.pool import open_pool
from tests.conftest import Answer, Api
from tests.factory.kit import db_of
from tests.factory.organization import ROLES, ask, everyone

PUBLISH = (
    "mutation($input: PublishConsentPurposeInput!) { publishConsentPurpose(input: $input)"
    " { purpose { slug version title text renews validFrom } } }"
)
PURPOSES = "{ consentPurposes { slug version title text renews } }"
CONSENT = "{ id purpose version givenAt withdrawnAt replacedAt how holds }"
GIVE = f"mutation($input: GiveConsentInput!) {{ giveConsent(input: $input) {{ consent {CONSENT} }} }}"
WITHDRAW = f"mutation($purpose: String!) {{ withdrawConsent(purpose: $purpose) {{ consent {CONSENT} }} }}"
CONSENTS = f"query($first: Int!) {{ consents(first: $first) {{ edges {{ node {CONSENT} }} }} }}"


async def publish(api: Api, slug: str, /, **given: Any) -> Answer:
    curator = await api.person("curator", curator=True)
    wanted = {"slug": slug, "title": "Your voice", "text": "We make a model of it.", "idempotencyKey": str(uuid4())}
    return await api(PUBLISH, {"input": wanted | given}, token=curator.token)


async def purpose(api: Api, **given: Any) -> str:
    """The slug of a purpose that is nobody else's."""
    slug = f"p{uuid4().hex[:20]}"
    assert (await publish(api, slug, **given)).data["publishConsentPurpose"]["purpose"]["version"] == 1
    return slug


async def give(api: Api, token: str, slug: str, version: int = 1, **given: Any) -> Answer:
    wanted = {"purpose": slug, "version": version, "idempotencyKey": str(uuid4())}
    return await api(GIVE, {"input": wanted | given}, token=token)


async def withdraw(api: Api, token: str, slug: str) -> Answer:
    return await api(WITHDRAW, {"purpose": slug}, token=token)


async def of(api: Api, token: str, slug: str) -> list[dict[str, Any]]:
    """A person's consents of a purpose, newest first."""
    edges = (await api(CONSENTS, {"first": 100}, token=token)).data["consents"]["edges"]
    return [edge["node"] for edge in edges if edge["node"]["purpose"] == slug]


async def holds(api: Api, name: str, slug: str) -> bool:
    """What a product is told, both ways."""
    db = await db_of(api, name)
    try:
        found = await has_consent(db, slug)
        async with db.transaction():
            try:
                await require_consent(db, slug)
            except ConsentRequired:
                assert not found
            else:
                assert found
        return found
    finally:
        await db.close()


async def test_a_consent_is_given_and_withdrawn_and_given_again(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    assert not await holds(shared, "ada", slug)
    given = (await give(shared, ada.token, slug, how="onboarding/2")).data["giveConsent"]["consent"]
    assert (given["version"], given["withdrawnAt"], given["how"], given["holds"]) == (1, None, "onboarding/2", True)
    assert (await give(shared, ada.token, slug)).data["giveConsent"]["consent"] == given
    assert await holds(shared, "ada", slug)
    ended = (await withdraw(shared, ada.token, slug)).data["withdrawConsent"]["consent"]
    assert (ended["id"], ended["holds"]) == (given["id"], False)
    assert ended["withdrawnAt"] >= given["givenAt"]
    assert (await withdraw(shared, ada.token, slug)).data["withdrawConsent"]["consent"] == ended
    assert not await holds(shared, "ada", slug)
    again = (await give(shared, ada.token, slug)).data["giveConsent"]["consent"]
    assert again["id"] != given["id"]
    assert await of(shared, ada.token, slug) == [again, ended]
    async with shared.database.connect() as admin:
        told = await admin.fetch(
            "SELECT action FROM core.audit_event WHERE object = 'core.consent' AND object_id::text IN"
            " (SELECT id::text FROM core.consent WHERE purpose = $1) ORDER BY id", slug
        )  # fmt: skip
    assert [action for (action,) in told] == ["INSERT", "UPDATE", "INSERT"]


async def test_a_repeated_request_gives_once(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    first = await give(shared, ada.token, slug, idempotencyKey=slug)
    await withdraw(shared, ada.token, slug)
    repeated = await give(shared, ada.token, slug, idempotencyKey=slug)
    assert repeated.data["giveConsent"]["consent"]["id"] == first.data["giveConsent"]["consent"]["id"]
    assert not await holds(shared, "ada", slug), "what was withdrawn is not given again by a late repetition"
    assert (await give(shared, ada.token, slug, 2, idempotencyKey=slug)).code == "IDEMPOTENCY_CONFLICT"


async def test_a_newer_version_asks_again_unless_it_renews(shared: Api) -> None:
    ada, ben, slug = await shared.person("ada"), await shared.person("ben"), await purpose(shared)
    await give(shared, ada.token, slug)
    assert (await publish(shared, slug, renews=True)).data["publishConsentPurpose"]["purpose"]["version"] == 2
    assert await holds(shared, "ada", slug), "the new version means the same"
    assert (await give(shared, ben.token, slug)).code == "STALE_VERSION"
    assert (await give(shared, ben.token, slug, 2)).data
    assert (await publish(shared, slug, text="And we sell it.")).data
    assert not await holds(shared, "ada", slug)
    assert (await publish(shared, slug, renews=True)).data
    assert not await holds(shared, "ada", slug), "what the version before had ended is not renewed"
    assert not await holds(shared, "ben", slug)
    assert [each["holds"] for each in await of(shared, ada.token, slug)] == [False]
    newest = (await give(shared, ada.token, slug, 4)).data["giveConsent"]["consent"]
    assert await holds(shared, "ada", slug)
    after = await of(shared, ada.token, slug)
    assert [(each["version"], each["replacedAt"] is None, each["withdrawnAt"]) for each in after] == [
        (4, True, None),
        (1, False, None),
    ]
    assert after[0]["id"] == newest["id"]
    assert after[1]["replacedAt"] <= after[0]["givenAt"]
    found = [each for each in (await shared(PURPOSES, token=ada.token)).data["consentPurposes"] if each["slug"] == slug]
    assert [(each["version"], each["renews"]) for each in found] == [(4, True)]


async def test_a_version_to_come_changes_nothing_yet(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    await give(shared, ada.token, slug)
    assert (await publish(shared, slug, validFrom="2099-01-01T00:00:00Z")).data
    assert await holds(shared, "ada", slug)
    assert (await give(shared, ada.token, slug, 2)).code == "STALE_VERSION"
    assert (await publish(shared, slug)).code == "BAD_INPUT", "it would begin before the one that is announced"


async def test_what_needs_a_consent_says_which(shared: Api) -> None:
    await shared.person("ada")
    slug, db = await purpose(shared), await db_of(shared, "ada")
    try:
        for name, version in ((slug, 1), ("nothing_of_the_kind", None)):
            with pytest.raises(ConsentRequired) as raised:
                async with db.transaction():
                    await require_consent(db, name)
            error = raised.value.copy()
            assert error.extensions == {"code": "CONSENT_REQUIRED", "consent": {"purpose": name, "version": version}}
    finally:
        await db.close()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"purpose": "nothing_of_the_kind"}, "NOT_FOUND"),
        ({"version": 0}, "STALE_VERSION"),
        ({"version": 2}, "STALE_VERSION"),
        ({"version": -(2**31)}, "STALE_VERSION"),
        ({"how": ""}, "BAD_INPUT"),
        ({"how": "Ada Lovelace, 12 Long Lane"}, "BAD_INPUT"),
        ({"idempotencyKey": ""}, "BAD_INPUT"),
    ],
)
async def test_bad_consents_are_not_given(shared: Api, given: dict[str, Any], code: str) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    assert (await give(shared, ada.token, slug, **given)).code == code
    assert await of(shared, ada.token, slug) == []


async def test_parallel_givers_and_withdrawers_leave_one_history(shared: Api) -> None:
    """At any moment at most one is open, and none begins before the one before has ended."""
    ada, slug = await shared.person("ada"), await purpose(shared)
    answers = await asyncio.gather(
        *(give(shared, ada.token, slug) if i % 3 else withdraw(shared, ada.token, slug) for i in range(24))
    )
    assert [answer.codes for answer in answers if answer.codes] == []
    async with shared.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT given_at, withdrawn_at FROM core.consent WHERE purpose = $1 ORDER BY given_at, id", slug
        )
    assert rows
    for before, after in pairwise(rows):
        assert before["withdrawn_at"] is not None
        assert before["given_at"] <= before["withdrawn_at"] <= after["given_at"]


async def test_a_withdrawal_waits_for_what_relies_on_the_consent(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    await give(shared, ada.token, slug)
    db = await db_of(shared, "ada")
    try:
        async with db.transaction():
            await require_consent(db, slug)
            waiting = asyncio.create_task(withdraw(shared, ada.token, slug))
            async with shared.database.connect() as admin:
                while not await admin.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ):
                    assert not waiting.done()
                    await asyncio.sleep(0.01)
            assert await has_consent(db, slug)
        assert (await waiting).data["withdrawConsent"]["consent"]["withdrawnAt"]
    finally:
        await db.close()
    assert not await holds(shared, "ada", slug)


async def test_every_role_consents_for_itself_alone(shared: Api) -> None:
    place, slug = await everyone(shared), await purpose(shared)
    ids = {}
    for role in ROLES:
        given = {"purpose": slug, "version": 1, "idempotencyKey": f"{slug} {role}"}
        ids[role] = (await ask(shared, role, place, GIVE, {"input": given})).data["giveConsent"]["consent"]["id"]
    assert len(set(ids.values())) == len(ROLES)
    node = "query($id: ID!) { node(id: $id) { id } }"
    for role in ROLES:
        edges = (await ask(shared, role, place, CONSENTS, {"first": 100})).data["consents"]["edges"]
        assert [edge["node"]["id"] for edge in edges] == [ids[role]]
        for other in ROLES:
            found = (await ask(shared, role, place, node, {"id": ids[other]})).data["node"]
            assert (found is not None) is (role == other)
    assert (await ask(shared, "owner", place, WITHDRAW, {"purpose": slug})).data["withdrawConsent"]["consent"]["withdrawnAt"]
    async with shared.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.consent WHERE purpose = $1 AND withdrawn_at IS NULL", slug) == 4
    assert not await holds(shared, "member", slug), "in another workspace it says nothing"


async def test_who_becomes_a_member_again_is_asked_again(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    given = (await give(shared, ada.token, slug)).data["giveConsent"]["consent"]
    async with shared.database.connect() as admin:
        await admin.execute("UPDATE core.member SET joined_at = clock_timestamp() WHERE account_id = $1", ada.account_id)
    assert not await holds(shared, "ada", slug)
    again = (await give(shared, ada.token, slug)).data["giveConsent"]["consent"]
    assert again["id"] != given["id"]
    assert await holds(shared, "ada", slug)


async def test_no_key_and_no_stranger_consents(shared: Api) -> None:
    ada, slug = await shared.person("ada"), await purpose(shared)
    making = 'mutation { createApiKey(input: {name: "k", scopes: ["snapshots:write", "privacy:read"]}) { secret } }'
    secret = (await shared(making, token=ada.token)).data["createApiKey"]["secret"]
    for token, code in ((secret, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        assert (await give(shared, token, slug)).code == code  # type: ignore[arg-type]
        assert (await withdraw(shared, token, slug)).code == code  # type: ignore[arg-type]
        assert (await shared(CONSENTS, {"first": 1}, token=token)).code == code
    eve = await shared.person("eve")
    await give(shared, ada.token, slug)
    assert (await withdraw(shared, eve.token, slug)).data == {"withdrawConsent": {"consent": None}}
    assert (await withdraw(shared, eve.token, "nothing_of_the_kind")).code == "NOT_FOUND"
    elsewhere = await shared(
        WITHDRAW, {"purpose": slug}, token=eve.token, fivefold_workspace=global_id("Workspace", str(ada.workspace_id))
    )
    assert elsewhere.code == "NOT_FOUND"
    assert await holds(shared, "ada", slug)


async def test_the_api_cannot_rewrite_what_was_agreed(shared: Api) -> None:
    """By SQL, as the person: neither the words nor the moments, and what has ended stays ended."""
    ada, slug = await shared.person("ada"), await purpose(shared)
    await give(shared, ada.token, slug)
    await withdraw(shared, ada.token, slug)
    async with shared.database.connect("fivefold_api") as connection:
        await connection.execute(
            "SELECT set_config('fivefold.workspace_id', $1, false), set_config('fivefold.account_id', $2, false)",
            str(ada.workspace_id),
            str(ada.account_id),
        )
        assert await connection.fetchval("SELECT count(*) FROM core.consent WHERE purpose = $1", slug) == 1
        assert await connection.execute("UPDATE core.consent SET withdrawn_at = NULL WHERE purpose = $1", slug) == "UPDATE 0"
        for change in ("SET version = 2", "SET given_at = now()", "SET account_id = uuidv7()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE core.consent {change}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM core.consent")


async def test_an_export_holds_them_and_an_erasure_keeps_that_there_was_one(shared: Api) -> None:
    """The inventory says both; the words of the condition are those by which exports find a person's rows."""
    async with shared.database.connect() as admin:
        rules = await admin.fetch(
            "SELECT DISTINCT export_rule, erase_rule FROM core.data_inventory WHERE object = 'core.consent'"
        )
        asked = (
            "SELECT core.person_condition('core.consent', $1, (SELECT jsonb_agg(to_jsonb(l)) FROM core.list_subject() AS l))"
        )
        assert [tuple(rule) for rule in rules] == [("include", "keep")]
        assert "t.account_id = ANY ($1)" in await admin.fetchval(asked, False)
        assert await admin.fetchval(asked, True) is None


async def test_who_goes_withdraws_by_it(shared: Api) -> None:
    """No consent stays open behind a member who left; who comes back is asked again."""
    slug, workspace_id = await purpose(shared), await everyone(shared)
    wanted = {"purpose": slug, "version": 1, "idempotencyKey": "here"}
    assert (await ask(shared, "member", workspace_id, GIVE, {"input": wanted})).data
    assert (await ask(shared, "viewer", workspace_id, GIVE, {"input": wanted})).codes == ["IDEMPOTENCY_CONFLICT"], "not theirs"
    assert (await ask(shared, "viewer", workspace_id, GIVE, {"input": wanted | {"idempotencyKey": "mine"}})).data
    assert (await ask(shared, "member", workspace_id, "mutation { leaveWorkspace { workspaceId } }")).data
    async with shared.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT account_id, withdrawn_at IS NULL AS open FROM core.consent WHERE workspace_id = $1", workspace_id
        )
    people = {role: (await shared.person(role)).account_id for role in ("member", "viewer")}
    assert {row["account_id"]: row["open"] for row in rows} == {people["member"]: False, people["viewer"]: True}


async def test_a_job_holds_a_consent_as_requests_do(shared: Api) -> None:
    """While its transaction lasts a withdrawal waits; after one, or without, nothing holds. Nobody else's counts."""
    slug, ada, eve = await purpose(shared), await shared.person("held"), await shared.person("other")
    assert (await give(shared, ada.token, slug)).data
    pool = await open_pool(shared.database.url("fivefold_worker"), size=1, name="test", statement_seconds=10)
    db = Db(pool, Actor(UUID(int=1), ada.workspace_id, "owner"), uuid4())
    try:
        async with db.transaction():
            assert await hold_consent(db, ada.account_id, slug)
            assert not await hold_consent(db, eve.account_id, slug)
            assert not await hold_consent(db, ada.account_id, "nothing_of_the_kind")
            withdrawal = asyncio.create_task(withdraw(shared, ada.token, slug))
            async with shared.database.connect() as admin:
                waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
                while not await admin.fetchval(waits, shared.database.name):
                    assert not withdrawal.done()
                    await asyncio.sleep(0.01)
        assert (await withdrawal).data
        async with db.transaction():
            assert not await hold_consent(db, ada.account_id, slug)
    finally:
        await db.close()
        await pool.close()
