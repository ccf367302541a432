"""Domains: proven by DNS before anybody joins, held by whoever proved first, and lost when the record is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import dns.rcode
import pytest

from app.core.domain import ABSENT, MAIL_PROVIDERS, UNANSWERED, check_domain, check_proof, find_domains
from app.core.upkeep import Nothing
from app.kit import dns as kit
from app.kit.embedded import Embedded
from app.kit.errors import AppError
from app.kit.graphql import global_id
from app.kit.jobs import enqueue
from app.settings import Settings
from tests.conftest import Api, copy_of
from tests.factory.dns import Dns, dns_server
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.kit import serving
from tests.factory.organization import ask, do, organize, prove_address, roles_of

FIELDS = "domain { id name recordName recordValue joining role provenAt checkedAt failures }"
VERIFY = f"mutation($id: ID!) {{ verifyDomain(id: $id) {{ {FIELDS} }} }}"
REMOVE = "mutation($id: ID!) { removeDomain(id: $id) { domain { id } } }"
LIST = "{ domains { edges { node { name provenAt failures } } } }"
JOINABLE = (
    "query($after: String) { joinableWorkspaces(after: $after)"
    " { edges { cursor node { workspaceId workspaceName domain role color logoUrl } } } }"
)


@dataclass
class World:
    """The API, and the name server that it asks."""

    api: Api
    dns: Dns

    async def claim(self, who: str, workspace_id: UUID, name: str) -> dict[str, Any]:
        """A claimed domain."""
        answer = await do(self.api, who, workspace_id, "addDomain", FIELDS, name=name)
        found: dict[str, Any] = answer.data["addDomain"]["domain"]
        return found

    def publish(self, *domains: dict[str, Any]) -> None:
        """The records that are asked for, beside what else stands there."""
        for domain in domains:
            self.dns.records.setdefault(domain["recordName"], [["v=spf1 -all"]]).append([domain["recordValue"]])

    async def prove(self, who: str, workspace_id: UUID, name: str, joining: str = "OFF", role: str = "MEMBER") -> str:
        """The id of a proven domain."""
        domain = await self.claim(who, workspace_id, name)
        self.publish(domain)
        assert (await ask(self.api, who, workspace_id, VERIFY, {"id": domain["id"]})).data
        given = {"id": domain["id"], "joining": joining, "role": role}
        assert (await do(self.api, who, workspace_id, "updateDomain", FIELDS, **given)).data
        return str(domain["id"])

    async def day(self) -> None:
        """A day goes by, and what is due is done."""
        async with self.api.database.connect() as admin:
            await admin.execute("UPDATE core.domain SET checked_at = checked_at - interval '1 day'")
        async with worker_db(self.api.database) as db, db.transaction():
            await enqueue(db, find_domains, Nothing())
        await run_jobs(self.api, [find_domains, check_proof], Settings(dns_servers=[self.dns.address]))


@pytest.fixture(scope="module")
async def world(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[World]:
    async with dns_server() as told:
        with copy_of(server, template) as database:
            async with serving(database, jwt_key, dns_servers=[told.address]) as api:
                yield World(api, told)


# Names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" Example.COM. ", "example.com"),
        ("mail.example.co.uk", "mail.example.co.uk"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("me.github.io", "me.github.io"),
        ("例え.jp", "xn--r8jz45g.jp"),
    ],
)
def test_a_domain_is_kept_as_it_goes_over_the_wire(text: str, name: str) -> None:
    assert check_domain(text) == name


@pytest.mark.parametrize(
    "text",
    ["", ".", "localhost", "com", "co.uk", "CO.UK.", "github.io", "*.example.com", "a@example.com", "https://example.com",
     "example..com", ".example.com", "-a.example.com", "exa mple.com", "example.com/x", "example.com:53", "127.0.0.1", "[::1]",
     "_dmarc.example.com", "a" * 64 + ".com", "a." * 130 + "com", "gmail.com", "GMX.de", "xn--a.com", "example\u3002",
     "a\x00.com",
     *sorted(MAIL_PROVIDERS)[:3]],
)  # fmt: skip
def test_what_nobody_owns_alone_is_no_domain(text: str) -> None:
    with pytest.raises(AppError):
        check_domain(text)


# Proof


async def test_a_domain_is_proven_by_its_record_and_by_no_other(world: World) -> None:
    api, workspace_id = world.api, await organize(world.api, ada="owner")
    domain = await world.claim("ada", workspace_id, "Proof.Example.com.")
    assert domain["name"] == "proof.example.com"
    assert domain["recordName"] == "_fivefold-challenge.proof.example.com"
    assert domain["recordValue"].startswith("fivefold-verification=")
    again = await do(api, "ada", workspace_id, "addDomain", FIELDS, name="proof.example.com")
    assert again.code == "BAD_INPUT"
    other = domain["recordValue"][:-1] + ("A" if domain["recordValue"][-1] != "A" else "B")
    for records in (None, [], [["x"]], [[other]], [[domain["recordValue"].upper()]], [[domain["recordValue"] + " "]]):
        if records is not None:
            world.dns.records[domain["recordName"]] = records
        assert (await ask(api, "ada", workspace_id, VERIFY, {"id": domain["id"]})).code == "DOMAIN_NOT_PROVEN", records
    world.dns.records[domain["recordName"]] = [["other"], [domain["recordValue"][:20], domain["recordValue"][20:]]]
    proven = (await ask(api, "ada", workspace_id, VERIFY, {"id": domain["id"]})).data["verifyDomain"]["domain"]
    assert proven["provenAt"] is not None
    assert (await ask(api, "ada", workspace_id, VERIFY, {"id": domain["id"]})).data["verifyDomain"]["domain"]["provenAt"] == (
        proven["provenAt"]
    )


async def test_a_server_that_is_down_proves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "SECONDS", 0.2)
    workspace_id = await organize(world.api, ada="owner")
    domain = await world.claim("ada", workspace_id, "down.example.com")
    world.dns.rcode = dns.rcode.SERVFAIL
    try:
        assert (await ask(world.api, "ada", workspace_id, VERIFY, {"id": domain["id"]})).code == "DOMAIN_NOT_PROVEN"
    finally:
        world.dns.rcode = None


async def test_nobody_squats_and_whoever_proves_first_has_it(world: World) -> None:
    api = world.api
    first, second = await organize(api, ada="owner"), await organize(api, ben="owner")
    squatted, own = (
        await world.claim("ada", first, "shared.example.com"),
        await world.claim("ben", second, "shared.example.com"),
    )
    assert squatted["recordValue"] != own["recordValue"]
    world.publish(squatted, own)
    answers = await asyncio.gather(
        ask(api, "ada", first, VERIFY, {"id": squatted["id"]}), ask(api, "ben", second, VERIFY, {"id": own["id"]})
    )
    assert sorted(code for answer in answers for code in answer.codes) == ["DOMAIN_TAKEN"]
    assert (await ask(api, "ada", first, VERIFY, {"id": own["id"]})).code == "NOT_FOUND"
    winner = ("ada", first, squatted["id"]) if not answers[0].codes else ("ben", second, own["id"])
    loser = ("ben", second, own["id"]) if not answers[0].codes else ("ada", first, squatted["id"])
    assert (await ask(api, winner[0], winner[1], REMOVE, {"id": winner[2]})).data
    assert (await ask(api, loser[0], loser[1], VERIFY, {"id": loser[2]})).data


async def test_a_proof_is_looked_for_each_day_and_ends_after_some_misses(world: World) -> None:
    api, workspace_id = world.api, await organize(world.api, ada="owner", tom="member")
    await prove_address(api, "uma")
    await world.prove("ada", workspace_id, "daily.example.com", "OFFERED")

    async def seen() -> tuple[bool, int]:
        (edge,) = (await ask(api, "ada", workspace_id, LIST)).data["domains"]["edges"]
        return edge["node"]["provenAt"] is not None, edge["node"]["failures"]

    await world.day()
    assert await seen() == (True, 0)
    records = world.dns.records.pop("_fivefold-challenge.daily.example.com")
    for number in range(1, ABSENT):
        await world.day()
        assert await seen() == (True, number)
    world.dns.records["_fivefold-challenge.daily.example.com"] = records
    await world.day()
    assert await seen() == (True, 0), "they count in a row only"
    del world.dns.records["_fivefold-challenge.daily.example.com"]
    for _ in range(ABSENT):
        await world.day()
    assert await seen() == (False, ABSENT)
    assert await roles_of(api, workspace_id) == {"ada": "owner", "tom": "member"}, "who has joined stays"
    world.dns.asked.clear()
    await world.day()
    assert "_fivefold-challenge.daily.example.com" not in world.dns.asked


async def test_a_server_that_is_down_for_days_takes_no_proof_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "SECONDS", 0.2)
    workspace_id = await organize(world.api, ada="owner")
    await world.prove("ada", workspace_id, "outage.example.com")
    world.dns.rcode = dns.rcode.SERVFAIL
    try:
        for _ in range(ABSENT):
            await world.day()
        (edge,) = (await ask(world.api, "ada", workspace_id, LIST)).data["domains"]["edges"]
        assert (edge["node"]["provenAt"] is None, edge["node"]["failures"]) == (False, ABSENT)
        async with world.api.database.connect() as admin:
            await admin.execute("UPDATE core.domain SET failures = $1 WHERE workspace_id = $2", UNANSWERED - 1, workspace_id)
        await world.day()
        (edge,) = (await ask(world.api, "ada", workspace_id, LIST)).data["domains"]["edges"]
        assert edge["node"]["provenAt"] is None
    finally:
        world.dns.rcode = None


# Joining


async def person_at(api: Api, name: str, domain: str, *, proven: bool) -> None:
    """Somebody with an address in a domain."""
    person = await api.person(name)
    async with api.database.connect() as admin:
        await admin.execute("UPDATE core.account SET email = $2 WHERE id = $1", person.account_id, f"{name}@{domain}")
    if proven:
        await prove_address(api, name)


async def join(api: Api, who: str, workspace_id: UUID) -> Any:
    given = {"workspaceId": global_id("Workspace", str(workspace_id))}
    return await do(api, who, None, "joinByDomain", "membership { workspaceId role }", **given)


async def test_who_has_a_proven_address_in_a_proven_domain_may_join(world: World) -> None:
    api, workspace_id = world.api, await organize(world.api, "Acme", ada="owner")
    domain = await world.claim("ada", workspace_id, "acme.example.com")
    given = {"id": domain["id"], "joining": "OFFERED", "role": "VIEWER"}
    assert (await do(api, "ada", workspace_id, "updateDomain", FIELDS, **given)).data
    await person_at(api, "una", "acme.example.com", proven=False)
    await person_at(api, "vic", "acme.example.com", proven=True)
    await person_at(api, "wes", "sub.acme.example.com", proven=True)
    await person_at(api, "xia", "notacme.example.com", proven=True)

    async def shown(who: str) -> list[str]:
        return [
            edge["node"]["workspaceName"] for edge in (await ask(api, who, None, JOINABLE)).data["joinableWorkspaces"]["edges"]
        ]

    assert await shown("vic") == []
    assert (await join(api, "vic", workspace_id)).code == "NOT_FOUND", "claimed is not proven"
    world.publish(domain)
    assert (await ask(api, "ada", workspace_id, VERIFY, {"id": domain["id"]})).data
    for who in ("una", "wes", "xia"):
        assert await shown(who) == []
        assert (await join(api, who, workspace_id)).code == "NOT_FOUND", who
    assert await shown("vic") == ["Acme"]
    look = {"color": "#aabbcc", "logoUrl": "https://cdn.example.com/l.svg"}
    assert (await do(api, "ada", workspace_id, "updateWorkspace", "workspace { version }", version=1, **look)).data
    (edge,) = (await ask(api, "vic", None, JOINABLE)).data["joinableWorkspaces"]["edges"]
    assert edge["node"].items() >= look.items()
    assert (await ask(api, "vic", None, JOINABLE, {"after": edge["cursor"]})).data["joinableWorkspaces"]["edges"] == []
    assert (await join(api, "vic", workspace_id)).data["joinByDomain"]["membership"]["role"] == "VIEWER"
    assert await shown("vic") == []
    assert (await join(api, "vic", workspace_id)).code == "NOT_FOUND"
    await prove_address(api, "una")
    assert await shown("una") == ["Acme"]
    off = {"id": domain["id"], "joining": "OFF"}
    assert (await do(api, "ada", workspace_id, "updateDomain", FIELDS, **off)).data
    assert (await join(api, "una", workspace_id)).code == "NOT_FOUND"
    assert await roles_of(api, workspace_id) == {"ada": "owner", "vic": "viewer"}


async def test_who_proves_an_address_is_in_where_the_organization_wants_it(world: World) -> None:
    api, workspace_id = world.api, await organize(world.api, ada="owner", plan="free")
    id_ = await world.prove("ada", workspace_id, "auto.example.com", "AUTOMATIC", "AUDITOR")
    names = [f"auto{number}" for number in range(6)]
    for name in names:
        await person_at(api, name, "auto.example.com", proven=False)
    assert await roles_of(api, workspace_id) == {"ada": "owner"}
    await asyncio.gather(*(prove_address(api, name) for name in names))
    found = await roles_of(api, workspace_id)
    assert sorted(found.values()) == ["auditor"] * 4 + ["owner"], (
        "as many as the plan allows; the others are proven all the same"
    )
    async with api.database.connect() as admin:
        proven = await admin.fetchval(
            "SELECT count(*) FROM core.account WHERE email LIKE 'auto%' AND email_verified_at IS NOT NULL"
        )
    assert proven == 6
    (late, *_) = set(names) - found.keys()
    assert (await join(api, late, workspace_id)).code == "LIMIT_REACHED"
    assert (await ask(api, "ada", workspace_id, REMOVE, {"id": id_})).data
    assert await roles_of(api, workspace_id) == found


async def test_where_no_owner_is_nobody_joins(world: World) -> None:
    """Its only owner's account is deleted: whoever came first would be the one to whom the organization goes."""
    api, workspace_id = world.api, await organize(world.api, "Empty", lone="owner")
    await world.prove("lone", workspace_id, "lone.example.com", "AUTOMATIC")
    await person_at(api, "eager", "lone.example.com", proven=False)
    assert (await do(api, "lone", None, "deleteAccount", "deletedAt", confirmEmail="lone@example.com")).data
    await prove_address(api, "eager")
    assert (await ask(api, "eager", None, JOINABLE)).data["joinableWorkspaces"]["edges"] == []
    assert (await join(api, "eager", workspace_id)).code == "NOT_FOUND"
    assert await roles_of(api, workspace_id) == {"lone": "owner"}
    async with api.database.connect() as admin:
        assert await admin.fetchval("SELECT core.restore_account($1)", (await api.person("lone")).account_id)
    assert (await join(api, "eager", workspace_id)).data, "as before"


@pytest.mark.parametrize("role", ["OWNER", "ADMIN"])
async def test_nobody_joins_as_a_manager(world: World, role: str) -> None:
    workspace_id = await organize(world.api, ada="owner")
    domain = await world.claim("ada", workspace_id, "roles.example.com")
    answer = await do(world.api, "ada", workspace_id, "updateDomain", FIELDS, id=domain["id"], role=role)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("BAD_INPUT", "role")


async def test_only_so_many_domains_and_none_of_a_person(world: World) -> None:
    workspace_id = await organize(world.api, ada="owner", plan="free")
    first = await do(world.api, "ada", workspace_id, "addDomain", FIELDS, name="one.example.com", idempotencyKey="1")
    again = await do(world.api, "ada", workspace_id, "addDomain", FIELDS, name="one.example.com", idempotencyKey="1")
    assert first.data == again.data
    assert (await do(world.api, "ada", workspace_id, "addDomain", FIELDS, name="two.example.com")).code == "LIMIT_REACHED"
    assert (await do(world.api, "ada", None, "addDomain", FIELDS, name="one.example.com")).code == "BAD_INPUT"
