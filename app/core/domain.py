"""Domains: an organization proves by DNS that a domain is its own, and people with a proven address in it may join.

Any number may claim a domain; whoever shows its own challenge in the domain's TXT record first has it, for as long as the
record is there: it is looked for again each day.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from uuid import UUID

import idna
import strawberry
from publicsuffixlist import PublicSuffixList
from pydantic import BaseModel

from app.core.idempotency import claim, settle
from app.core.member import Role, stand
from app.core.plan import LimitReached, check_limit
from app.core.upkeep import Nothing
from app.core.workspace import Membership, get_membership
from app.kit.context import Info
from app.kit.db import Db
from app.kit.dns import NoAnswer, text_records
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import MANAGERS, Node, field, global_id, mutation, parse_uuid, query
from app.kit.jobs import Work, enqueue_many, job
from app.kit.log import log
from app.kit.page import Page, page
from app.kit.sql import File

RECORD = "_fivefold-challenge"
VALUE = "fivefold-verification="
MOST_CHECKS = 10_000
"""So many are looked up in an hour."""
ABSENT = 3
"""A proof ends when its record was not there on so many days in a row."""
UNANSWERED = 10
"""And when no server said anything for so many: one that is down takes no proof with it."""

MAIL_PROVIDERS = frozenset(
    name
    for line in (
        "126.com 163.com aim.com aol.com bluewin.ch btinternet.com comcast.net daum.net duck.com email.com fastmail.com",
        "fastmail.fm free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net",
        "hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr hushmail.com icloud.com inbox.com inbox.ru laposte.net",
        "libero.it list.ru live.com mac.com mail.com mail.ru mailbox.org mailinator.com me.com msn.com naver.com",
        "orange.fr outlook.com outlook.de pm.me posteo.de proton.me protonmail.com qq.com rediffmail.com rocketmail.com",
        "seznam.cz sfr.fr sina.com t-online.de tuta.io tutanota.com vodafone.de wanadoo.fr web.de wp.pl yahoo.co.jp",
        "yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.com yandex.ru ymail.com zoho.com",
    )
    for name in line.split()
)
"""Domains whose addresses belong to anybody. Their owners could prove them, and would let the world in: the list is a courtesy
to people, no wall, for none but the provider can set the record."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

constraint("domain_name_key", ErrorCode.BAD_INPUT, "This domain is on the list.", field="name")
constraint(
    "domain_proven_name_idx",
    ErrorCode.DOMAIN_TAKEN,
    "Another organization has proven this domain. It is free when the record of that organization is gone for some days.",
)
constraint("domain_role_known", ErrorCode.BAD_INPUT, "role is MEMBER, VIEWER or AUDITOR.", field="role")


@strawberry.enum(description="What a proven domain does for people with a proven address in it.")
class Joining(Enum):
    """Values as in the database."""

    OFF = strawberry.enum_value("OFF", description="Nothing.")
    OFFERED = strawberry.enum_value("OFFERED", description="They see it in joinableWorkspaces and may joinByDomain.")
    AUTOMATIC = strawberry.enum_value(
        "AUTOMATIC", description="Who proves such an address from now on is a member at once; others may joinByDomain."
    )


@strawberry.type(description="A domain that the organization says is its own. For owners and admins.")
class Domain(Node):
    """Proven while its record is found."""

    node_statement = "core/domain.edge_domain"
    node_roles = MANAGERS

    challenge: strawberry.Private[str]

    name: str = strawberry.field(description="As it goes over the wire: lower case, xn-- for other scripts.")
    joining: Joining
    role: Role = strawberry.field(description="What who joins becomes.")
    created_at: datetime
    proven_at: datetime | None = strawberry.field(description="Null while it is not proven, or not any more.")
    checked_at: datetime | None = strawberry.field(description="When it was looked for last.")
    failures: int = strawberry.field(description="How often in a row the record was not found.")

    @field(description="Where the TXT record goes.")
    def record_name(self) -> str:
        """A name of its own, so that nothing else is touched."""
        return f"{RECORD}.{self.name}"

    @field(description="What the TXT record holds.")
    def record_value(self) -> str:
        """Of use for this workspace alone."""
        return VALUE + self.challenge


@strawberry.type(description="An organization that the caller may join.")
class JoinableWorkspace:
    """By the domain of the caller's proven address."""

    workspace_id: strawberry.Private[UUID]

    workspace_name: str
    color: str | None
    logo_url: str | None
    domain: str
    role: Role

    @field(name="workspaceId", description="Pass it to joinByDomain.")
    def workspace_global_id(self) -> strawberry.ID:
        """The id as the API writes it."""
        return global_id("Workspace", str(self.workspace_id))


@dataclass(frozen=True)
class Domains:
    """How many there are."""

    domains: int


@dataclass(frozen=True)
class Joined:
    """What became of it, and of which limit."""

    outcome: str
    reached: int | None
    used: int | None
    plan: str | None


@dataclass(frozen=True)
class DomainDue:
    """A proof that is to be checked again."""

    workspace_id: UUID
    domain_id: UUID


class Check(BaseModel, frozen=True):
    """Which proof is to be checked again."""

    workspace_id: UUID
    domain_id: UUID


sql = File("core/domain")
count_domain = sql.one("count_domain", Domains)
delete_domain = sql.one("delete_domain", Domain)
domains_by_id = sql.edge("edge_domain", Domain)
get_joined = sql.one("get_joined", Joined)
insert_domain = sql.one("insert_domain", Domain)
list_domain_due = File("core/across").many("list_domain_due", DomainDue)
page_domain = sql.page("page_domain", Domain)
page_joinable = sql.page("page_joinable", JoinableWorkspace, keyset=(("workspace_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),))
update_domain = sql.one("update_domain", Domain)
update_proof = sql.one("update_proof", Domain)


@strawberry.input(description="A domain of the organization.")
class AddDomainInput:
    """It does nothing until it is proven."""

    name: str = strawberry.field(description="Such as example.com, without @ and *.")
    idempotency_key: str | None = None


@strawberry.input(description="What is to change. What is left out stays.")
class UpdateDomainInput:
    """Who may join, and as what."""

    id: strawberry.ID
    joining: Joining | None = None
    role: Role | None = strawberry.field(default=None, description="MEMBER, VIEWER or AUDITOR.")


@strawberry.input(description="Which organization.")
class JoinByDomainInput:
    """``workspace_id`` as `joinableWorkspaces` shows it."""

    workspace_id: strawberry.ID


@strawberry.type(description="The domain, with the record that proves it.")
class AddDomainPayload:
    """The domain, with the record that proves it."""

    domain: Domain


@strawberry.type(description="The domain as it is now.")
class UpdateDomainPayload:
    """The domain as it is now."""

    domain: Domain


@strawberry.type(description="The domain, proven.")
class VerifyDomainPayload:
    """The domain, proven."""

    domain: Domain


@strawberry.type(description="The domain that is off the list.")
class RemoveDomainPayload:
    """The domain that is off the list."""

    domain: Domain


@strawberry.type(description="The workspace that the caller is in now.")
class JoinByDomainPayload:
    """The workspace that the caller is in now."""

    membership: Membership


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def check_domain(text: str) -> str:
    """A domain as it goes over the wire, that one organization can own. Raises BAD_INPUT."""
    name = text.strip().lower().removesuffix(".")
    try:
        name = idna.encode(name, uts46=True).decode().lower() if name else ""
    except idna.IDNAError:
        name = ""
    labels = name.split(".")
    whole = len(labels) > 1 and len(name) <= 240 and all(_LABEL.fullmatch(label) for label in labels)
    if not whole or labels[-1].isdigit():
        raise AppError(ErrorCode.BAD_INPUT, "This is no domain. Pass one such as example.com, without @ and *.", field="name")
    if _suffixes().privatesuffix(name) is None:
        message = "This is a public suffix, under which anybody can have a domain. Pass one of yours below it."
        raise AppError(ErrorCode.BAD_INPUT, message, field="name")
    if name in MAIL_PROVIDERS:
        message = "Addresses of this domain belong to anybody. Pass a domain of the organization's own."
        raise AppError(ErrorCode.BAD_INPUT, message, field="name")
    return name


async def _look(name: str, challenge: str, servers: list[str]) -> bool:
    """Whether the record is there. Raises NoAnswer."""
    return VALUE + challenge in await text_records(f"{RECORD}.{name}", servers)


def _missing() -> AppError:
    return AppError(ErrorCode.NOT_FOUND, "There is no such domain in this workspace.", field="id")


async def _require(db: Db, id: str) -> Domain:
    (found,) = await domains_by_id(db, ids=[parse_uuid(id, "Domain", field="id")])
    if found is None:
        raise _missing()
    return found


@strawberry.type
class DomainQuery:
    """Root fields that read domains, and what one may join by them."""

    @query(roles=MANAGERS)
    async def domains(self, info: Info, first: int = 20, after: str | None = None) -> Page[Domain] | None:
        """The domains of the active workspace, the newest first. Owners and admins only."""
        return await page(page_domain, info.context.db, first, after)

    @query()
    async def joinable_workspaces(
        self, info: Info, first: int = 20, after: str | None = None
    ) -> Page[JoinableWorkspace] | None:
        """What the caller may join by the domain of the own proven address."""
        return await page(page_joinable, info.context.db, first, after)


@strawberry.type
class DomainMutation:
    """Root fields that claim and prove domains, and by which people join."""

    @mutation(roles=MANAGERS)
    async def add_domain(self, info: Info, input: AddDomainInput) -> AddDomainPayload | None:
        """Claim a domain. The answer says which TXT record proves it; verifyDomain looks for that."""
        db = info.context.db
        async with db.transaction():
            if input.idempotency_key is not None:
                done = await claim(db, "addDomain", input.idempotency_key, [input.name])
                if done is not None:
                    (found,) = await domains_by_id(db, ids=[done.result_id])
                    if found is None:
                        raise _missing()
                    return AddDomainPayload(domain=found)
            await stand(db, db.actor.account_id)
            await check_limit(db, "core.domains", _count)
            domain = await insert_domain(db, name=check_domain(input.name), challenge=secrets.token_urlsafe(32))
            assert domain is not None
            if input.idempotency_key is not None:
                await settle(db, "addDomain", input.idempotency_key, domain.id)
        return AddDomainPayload(domain=domain)

    @mutation(roles=MANAGERS)
    async def verify_domain(self, info: Info, id: strawberry.ID) -> VerifyDomainPayload | None:
        """Look for the domain's TXT record now. Raises DOMAIN_NOT_PROVEN; DOMAIN_TAKEN where another organization has proven
        it before."""
        db = info.context.db
        found = await _require(db, id)
        await db.restart()  # no transaction is held open while a server takes its time
        try:
            there = await _look(found.name, found.challenge, info.context.settings.dns_servers)
        except NoAnswer:
            message = f"No name server answered for {found.record_name()}. Try again in some minutes."
            raise AppError(ErrorCode.DOMAIN_NOT_PROVEN, message, field="id") from None
        if not there:
            message = (
                f"There is no TXT record {found.record_name()} with {found.record_value()} yet; it may take an hour to show."
            )
            raise AppError(ErrorCode.DOMAIN_NOT_PROVEN, message, field="id")
        async with db.transaction():
            await stand(db, db.actor.account_id)
            domain = await update_proof(db, id=found.id, proven=True, failures=0)
            if domain is None:
                raise _missing()
        return VerifyDomainPayload(domain=domain)

    @mutation(roles=MANAGERS)
    async def update_domain(self, info: Info, input: UpdateDomainInput) -> UpdateDomainPayload | None:
        """Say who may join by a domain, and as what. It counts while the domain is proven."""
        db = info.context.db
        async with db.transaction():
            found = await _require(db, input.id)
            await stand(db, db.actor.account_id)
            joining, role = (None if each is None else each.value for each in (input.joining, input.role))
            domain = await update_domain(db, id=found.id, joining=joining, role=role)
            if domain is None:
                raise _missing()
        return UpdateDomainPayload(domain=domain)

    @mutation(roles=MANAGERS)
    async def remove_domain(self, info: Info, id: strawberry.ID) -> RemoveDomainPayload | None:
        """Give a domain up, proven or not. Who has joined by it stays a member."""
        db = info.context.db
        async with db.transaction():
            found = await _require(db, id)
            await stand(db, db.actor.account_id)
            domain = await delete_domain(db, id=found.id)
            if domain is None:
                raise _missing()
        return RemoveDomainPayload(domain=domain)

    @mutation(roles=None)
    async def join_by_domain(self, info: Info, input: JoinByDomainInput) -> JoinByDomainPayload | None:
        """Become a member of an organization that has proven the domain of the caller's proven address and offers it."""
        to, db = parse_uuid(input.workspace_id, "Workspace", field="workspaceId"), info.context.db
        async with db.transaction():
            done = await get_joined(db, to_workspace_id=to)
            if done is None:
                message = "There is no such workspace to join. Pass a workspaceId that `joinableWorkspaces` returned."
                raise AppError(ErrorCode.NOT_FOUND, message, field="workspaceId")
            if done.outcome == "LIMIT":
                raise LimitReached("core.members", done.reached or 0, done.used or 0, str(done.plan))
            membership = await get_membership(db, of_workspace_id=to)
        assert membership is not None
        return JoinByDomainPayload(membership=membership)


async def _count(db: Db) -> int:
    found = await count_domain(db)
    assert found is not None
    return found.domains


@job("core.find_domains", Nothing, cron="23 * * * *")
async def find_domains(work: Work, payload: Nothing) -> None:
    """Every hour: which proofs were not checked for most of a day."""
    due = await list_domain_due(work.db, limit=MOST_CHECKS)
    if due:
        async with work.db.transaction():
            checks = [Check(workspace_id=each.workspace_id, domain_id=each.domain_id) for each in due]
            await enqueue_many(work.db, check_proof, [(check, str(check.domain_id)) for check in checks])


@job("core.check_domain", Check, concurrency=8)
async def check_proof(work: Work, payload: Check) -> None:
    """Look for one record again. Only some misses in a row, one a day, end the proof; who joined by it stays."""
    db = work.db
    (found,) = await domains_by_id(db, ids=[payload.domain_id])
    if found is None or found.proven_at is None:
        return
    await db.restart()
    try:
        there, most = await _look(found.name, found.challenge, work.settings.dns_servers), ABSENT
    except NoAnswer:
        there, most = False, UNANSWERED
    failures = 0 if there else found.failures + 1
    proven = failures < most
    async with db.transaction():
        await update_proof(db, id=found.id, proven=proven, failures=failures)
    if not proven:
        log.warning("domain not proven any more", domain_id=str(found.id), workspace_id=str(payload.workspace_id))
