"""Signing in with a password: who is let in, what a stranger learns, and who is stopped for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.core.credential import set_password
from app.core.rate_bucket import bucket_id
from app.kit.db import open_as
from app.kit.embedded import Embedded
from app.kit.password import Hasher
from app.kit.pool import Pool
from tests.conftest import Answer, Api, copy_of
from tests.factory.core import Person
from tests.factory.kit import HASHER, listen, pool_of, serving
from tests.factory.session import sign_in

VIEWER = "{ viewer { account { email } } }"
SIGN_IN = """
mutation SignIn($input: SignInInput!) { signIn(input: $input) { tokens { accessToken refreshToken } } }
"""
CHANGE = "mutation Change($input: ChangePasswordInput!) { changePassword(input: $input) { endedSessions } }"
AUDIT = '{ auditEvents(object: "core.account") { edges { node { action actorId detail } } } }'
GOOD = "correct horse battery staple"
OTHER = "another horse battery staple"


@pytest.fixture(scope="module")
async def unlimited(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    """The API of this file, for tests that are not about limits."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, sign_in_attempts=0) as api:
            yield api


async def with_password(api: Api, name: str, password: str = GOOD, hasher: Hasher = HASHER) -> Person:
    """A person with a password."""
    person = await api.person(name)
    async with open_as(api.database.url(), "fivefold_owner") as (_, db), db.transaction():
        await set_password(db, owner_id=person.account_id, password_hash=await hasher.hash(password))
    return person


async def attempt(api: Api, email: str, password: str = GOOD, **headers: str) -> Answer:
    return await api(SIGN_IN, {"input": {"email": email, "password": password}}, **headers)


async def works(api: Api, access: str) -> bool:
    return not (await api(VIEWER, token=access)).codes


async def hash_of(api: Api, person: Person) -> str:
    async with api.database.connect() as admin:
        found = await admin.fetchval("SELECT password_hash FROM core.credential WHERE account_id = $1", person.account_id)
    return str(found)


async def test_the_password_opens_a_session(unlimited: Api) -> None:
    ada = await with_password(unlimited, "ada")
    tokens = (await attempt(unlimited, "  ADA@example.com ")).data["signIn"]["tokens"]
    assert (await unlimited(VIEWER, token=tokens["accessToken"])).data["viewer"]["account"]["email"] == ada.email
    events = (await unlimited(AUDIT, token=ada.token)).data["auditEvents"]["edges"]
    assert events[0]["node"]["action"] == "SIGN_IN"
    assert events[0]["node"]["detail"]["method"] == "PASSWORD"


async def test_the_same_characters_are_the_same_password(unlimited: Api) -> None:
    """Keyboards compose them differently."""
    await with_password(unlimited, "composed", "Ångström straße ﬁ")
    assert not (await attempt(unlimited, "composed@example.com", "A\u030angstro\u0308m straße fi")).codes


@pytest.mark.parametrize(
    "password",
    ["", " ", GOOD.upper(), GOOD + " ", " " + GOOD, GOOD[:-1], "x" * 201, "x" * 100_000, "\0", GOOD + "\0", "' OR true --"],
)
async def test_every_other_password_is_refused_alike(unlimited: Api, password: str) -> None:
    """With an account, without one, and with one that has no password: one answer, byte for byte."""
    await with_password(unlimited, "known")
    await unlimited.person("passwordless")
    emails = (
        "known@example.com",
        "passwordless@example.com",
        "nobody@example.com",
        "",
        "x" * 5000,
        "a\0b",
        "%",
        "KNOWN@EXAMPLE.COM",
    )
    answers = [await attempt(unlimited, email, password) for email in emails]
    assert {answer.code for answer in answers} <= {"UNAUTHENTICATED", "BAD_INPUT"}
    same = {repr(answer.body["errors"]) for answer, email in zip(answers, emails, strict=True) if "\0" not in email}
    assert len(same) == 1
    assert {answer.status for answer in answers} == {200}


async def test_an_unknown_address_takes_the_same_work(unlimited: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash is verified by the same parameters, and the same statements run."""
    await with_password(unlimited, "timed")
    seen: list[list[str]] = []
    asked: list[str | None] = []
    verify = Hasher._verify

    def counted(self: Hasher, known: str | None, password: str) -> bool:
        asked.append((known or self._nobodys).rsplit("$", 2)[0])
        return verify(self, known, password)

    monkeypatch.setattr(Hasher, "_verify", counted)

    lines = listen(monkeypatch)
    for email in ("timed@example.com", "nobody-timed@example.com"):
        await attempt(unlimited, email, OTHER)
        seen.append(lines.request["statements"])
    assert seen[0] == seen[1]
    assert len(asked) == 2
    assert asked[0] == asked[1]


async def test_a_refusal_is_told_to_the_owner_and_names_no_stranger(unlimited: Api) -> None:
    eve = await with_password(unlimited, "told")
    await attempt(unlimited, "told@example.com", OTHER, user_agent="curl/8")
    (event,) = [e["node"] for e in (await unlimited(AUDIT, token=eve.token)).data["auditEvents"]["edges"]
                if e["node"]["action"] == "SIGN_IN_REFUSED"]  # fmt: skip
    assert event["actorId"] is None
    assert event["detail"]["client"] == "curl/8"
    await attempt(unlimited, "very-unknown@example.com", OTHER)
    async with unlimited.database.connect() as admin:
        rows = await admin.fetch(
            "SELECT d.detail::text FROM core.audit_event AS e JOIN core.audit_detail AS d"
            " ON d.workspace_id = e.workspace_id AND d.event_id = e.id"
            " WHERE e.action = 'SIGN_IN_REFUSED' AND e.workspace_id = core.system_workspace_id()"
        )
        everything = await admin.fetchval("SELECT string_agg(t::text, ' ') FROM core.audit_detail AS t")
    assert {row[0] for row in rows} == {"{}"}
    assert "very-unknown" not in everything
    assert GOOD not in everything


async def test_old_parameters_are_replaced_at_the_next_sign_in(unlimited: Api) -> None:
    person = await with_password(unlimited, "aged", hasher=Hasher(memory_mib=9, rounds=2, at_once=1))
    old = await hash_of(unlimited, person)
    assert "m=9216,t=2" in old
    assert not (await attempt(unlimited, "aged@example.com")).codes
    new = await hash_of(unlimited, person)
    assert "m=8192,t=1" in new
    assert not (await attempt(unlimited, "aged@example.com")).codes
    assert await hash_of(unlimited, person) == new
    async with unlimited.database.connect() as admin:
        events = await admin.fetch("SELECT action FROM core.audit_event WHERE object_id = $1 AND object = 'core.credential'",
                                   person.account_id)  # fmt: skip
    assert [row["action"] for row in events] == ["INSERT"], "hashing anew is no change"


async def change(api: Api, token: str, current: str, new: str) -> Answer:
    return await api(CHANGE, {"input": {"currentPassword": current, "newPassword": new}}, token=token)


async def test_changing_a_password_ends_the_other_sessions(unlimited: Api) -> None:
    await with_password(unlimited, "changing")
    mine, other = [(await attempt(unlimited, "changing@example.com")).data["signIn"]["tokens"] for _ in range(2)]
    assert (await change(unlimited, mine["accessToken"], OTHER, OTHER)).codes == ["BAD_INPUT"]
    assert await works(unlimited, other["accessToken"])
    assert (await change(unlimited, mine["accessToken"], GOOD, OTHER)).data == {"changePassword": {"endedSessions": 1}}
    assert await works(unlimited, mine["accessToken"])
    assert not await works(unlimited, other["accessToken"])
    assert (await attempt(unlimited, "changing@example.com")).codes == ["UNAUTHENTICATED"]
    assert not (await attempt(unlimited, "changing@example.com", OTHER)).codes


@pytest.mark.parametrize(
    "password",
    ["", "short", "x" * 11, "x" * 12, "ab" * 20, "x y z " * 40, "choosing@example.com", "CHOOSING@example.com", "ﬁ" * 101],
)
async def test_a_weak_password_is_refused_with_a_reason(unlimited: Api, password: str) -> None:
    person = await with_password(unlimited, "choosing")
    answer = await change(unlimited, person.token, GOOD, password)
    assert answer.codes == ["BAD_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == "newPassword"


async def test_a_sign_in_that_loses_against_a_change_opens_nothing(unlimited: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is verified, then becomes another, then the session would be opened."""
    person = await with_password(unlimited, "late")
    verify = Hasher.verify

    async def slow(self: Hasher, known: str | None, password: str) -> bool:
        right = await verify(self, known, password)
        await with_password(unlimited, "late", OTHER)
        return right

    monkeypatch.setattr(Hasher, "verify", slow)
    assert (await attempt(unlimited, person.email)).codes == ["UNAUTHENTICATED"]


async def test_signing_in_holds_no_connection_while_it_hashes(server: Embedded, template: str, jwt_key: Path) -> None:
    """Or a few who sign in would stop everybody else."""
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, pool_size=2, password_threads=1, sign_in_attempts=0) as api:
            await with_password(api, "ada")
            pool: Pool = pool_of(api)
            seen: list[int] = []
            verify = Hasher._verify

            def watched(self: Hasher, known: str | None, password: str) -> bool:
                seen.append(pool.get_size() - pool.get_idle_size())
                return verify(self, known, password)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Hasher, "_verify", watched)
                answers = await asyncio.gather(*(attempt(api, "ada@example.com") for _ in range(10)))
            assert [answer.codes for answer in answers] == [[]] * 10
            assert len(seen) == 10
            await attempt(api, "ada@example.com")


async def limited(api: Api, email: str, password: str, times: int) -> list[Answer]:
    return [await attempt(api, email, password) for _ in range(times)]


async def test_too_many_wrong_passwords_are_stopped_and_reveal_nothing(api: Api) -> None:
    await with_password(api, "ada")
    for email in ("ada@example.com", "nobody@example.com"):
        answers = await limited(api, email, OTHER, 12)
        assert [answer.code for answer in answers] == ["UNAUTHENTICATED"] * 10 + ["RATE_LIMITED"] * 2, email
        assert {answer.status for answer in answers[10:]} == {429}
        assert all(0 < int(answer.headers["retry-after"]) <= 60 for answer in answers[10:])
    assert (await attempt(api, "ada@example.com")).code == "RATE_LIMITED", "even the right one, from there"
    assert (await attempt(api, "ADA@example.com ")).code == "RATE_LIMITED"


async def test_one_document_cannot_try_many_times(api: Api) -> None:
    await with_password(api, "ada")
    fields = " ".join(
        f's{n}: signIn(input: {{email: "ada@example.com", password: "wrong {n}"}}) {{ tokens {{ accessToken }} }}'
        for n in range(15)
    )
    answer = await api(f"mutation {{ {fields} }}")
    assert sorted(answer.codes) == ["RATE_LIMITED"] * 5 + ["UNAUTHENTICATED"] * 10
    assert answer.status == 429


async def test_a_good_sign_in_costs_nothing(api: Api) -> None:
    await with_password(api, "ada")
    answers = await limited(api, "ada@example.com", GOOD, 15)
    assert [answer.codes for answer in answers] == [[]] * 15


async def test_the_owner_comes_in_while_strangers_from_everywhere_try(api: Api) -> None:
    """The account's own bucket is empty; who signed in from a network before is not asked for it there."""
    ada = await with_password(api, "ada")
    await empty(api, "sign in", "ada@example.com")
    refused = await attempt(api, "ada@example.com")
    assert refused.code == "RATE_LIMITED"
    assert int(refused.headers["retry-after"]) <= 180, "and not for long"
    await sign_in(api, ada, network="127.0.0.1")
    assert not (await attempt(api, "ada@example.com")).codes


async def empty(api: Api, *names: str) -> None:
    """As if others had used it up."""
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.rate_bucket (workspace_id, refilled_at, tokens) VALUES ($1, now(), 0)"
            " ON CONFLICT (workspace_id) DO UPDATE SET refilled_at = now(), tokens = 0",
            bucket_id(*names),
        )


async def test_strangers_in_general_are_limited_by_network(server: Embedded, template: str, jwt_key: Path) -> None:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, stranger_per_second=0.01, stranger_burst=50) as api:
            person = await api.person("ada")
            document = 'mutation { refreshSession(input: {refreshToken: "x"}) { tokens { accessToken } } }'
            answers = [await api(document) for _ in range(60)]
            assert {answer.code for answer in answers[:20]} == {"UNAUTHENTICATED"}
            assert (answers[-1].code, answers[-1].status) == ("RATE_LIMITED", 429)
            assert int(answers[-1].headers["retry-after"]) > 0
            assert (await api(VIEWER, token="x.y.z")).code == "RATE_LIMITED", "so is who guesses"  # noqa: S106
            assert (await api(VIEWER, token=person.token)).data, "who has a token is no stranger"


async def test_the_proxys_header_is_believed_only_where_it_is_said(api: Api) -> None:
    """Or everybody would come from wherever they like."""
    await with_password(api, "ada")
    answers = [
        await attempt(api, "ada@example.com", OTHER, x_forwarded_for=f"198.51.100.{n}", forwarded=f"for=198.51.100.{n}")
        for n in range(12)
    ]
    assert answers[-1].code == "RATE_LIMITED"


async def test_the_hash_is_nobodys_to_read(unlimited: Api) -> None:
    person = await with_password(unlimited, "hidden")
    hashed = await hash_of(unlimited, person)
    async with unlimited.database.connect("fivefold_api") as connection:
        assert await connection.fetch("SELECT FROM core.credential") == []
    for role in ("fivefold_worker", "fivefold_auditor"):
        async with unlimited.database.connect(role) as connection:
            with pytest.raises(Exception, match="permission denied"):
                await connection.fetch("SELECT FROM core.credential")
    async with unlimited.database.connect() as admin:
        told = await admin.fetchval("SELECT string_agg(d::text, ' ') FROM core.audit_detail AS d")
    assert hashed not in told


async def test_an_api_key_changes_no_password(unlimited: Api) -> None:
    person = await with_password(unlimited, "keyed")
    key = f'mutation {{ createApiKey(input: {{name: "{uuid4()}", scopes: ["privacy:read"]}}) {{ secret }} }}'
    made: dict[str, Any] = (await unlimited(key, token=person.token)).data
    assert (await change(unlimited, made["createApiKey"]["secret"], GOOD, OTHER)).codes == ["FORBIDDEN"]
