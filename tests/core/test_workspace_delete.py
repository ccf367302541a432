"""Deleted organizations: shut at once for everybody, restored by their owners for a while, and erased after it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from pydantic import BaseModel

from app.core.erasure import erase_due
from app.core.identity import find_valid
from app.core.upkeep import Nothing
from app.kit.context import Actor
from app.kit.db import open_as
from app.kit.graphql import global_id
from app.kit.jobs import Work, enqueue, job
from app.settings import Settings
from tests.conftest import Answer, Api
from tests.factory.jobs import run_jobs, worker_db
from tests.factory.organization import ROLES, ask, do, everyone, organize, prove_address, state

DELETED = "deletedWorkspace { workspaceId name deletedAt restorableUntil }"
LIST = (
    "query($after: String) { deletedWorkspaces(after: $after)"
    " { edges { cursor node { workspaceId name deletedAt restorableUntil } } } }"
)
MINE = "{ workspaces(first: 100) { edges { node { workspaceId } } } }"
WORKSPACE = "{ workspace { id name } }"
RESTORE = "mutation($id: ID!) { restoreWorkspace(id: $id) { membership { workspaceId role } } }"
DUE = "UPDATE core.erasure SET due_at = now() WHERE workspace_id = $1 AND canceled_at IS NULL"
LEDGER = "SELECT canceled_at IS NOT NULL, erased_at IS NOT NULL FROM core.erasure WHERE workspace_id = $1 ORDER BY id"


async def delete(api: Api, who: str, workspace_id: UUID, name: str = "O") -> Answer:
    """From the person's own workspace."""
    given = {"id": global_id("Workspace", str(workspace_id)), "confirmName": name}
    return await do(api, who, None, "deleteWorkspace", DELETED, **given)


async def restore(api: Api, who: str, workspace_id: UUID) -> Answer:
    """From the person's own workspace."""
    return await ask(api, who, None, RESTORE, {"id": global_id("Workspace", str(workspace_id))})


async def listed(api: Api, who: str, query: str) -> list[str]:
    """The ids in a list of somebody's."""
    (found,) = (await ask(api, who, None, query)).data.values()
    return [edge["node"]["workspaceId"] for edge in found["edges"]]


async def erase_now(api: Api) -> None:
    """What is due."""
    async with worker_db(api.database) as db:
        await erase_due.run(Work(db, 1, settings=Settings()), Nothing())


@pytest.mark.parametrize("who", [*ROLES, "stranger"])
async def test_owners_alone_delete_restore_and_see_what_is_deleted(shared: Api, who: str) -> None:
    workspace_id = await everyone(shared)
    before = await state(shared, workspace_id)
    answer = await delete(shared, who, workspace_id)
    if who != "owner":
        assert answer.codes == ["NOT_FOUND" if who == "stranger" else "FORBIDDEN"]
        assert await state(shared, workspace_id) == before
        assert (await delete(shared, "owner", workspace_id)).data
        assert (await restore(shared, who, workspace_id)).codes == ["NOT_FOUND"]
        assert await listed(shared, who, LIST) == []
        assert (await delete(shared, who, workspace_id)).codes == ["NOT_FOUND"]
        assert (await ask(shared, "owner", workspace_id, WORKSPACE)).codes == ["NOT_FOUND"]
    assert await listed(shared, "owner", LIST) == [global_id("Workspace", str(workspace_id))]
    assert (await restore(shared, "owner", workspace_id)).data["restoreWorkspace"]["membership"]["role"] == "OWNER"
    assert await state(shared, workspace_id) == before, "as it was, with members and keys"
    assert (await restore(shared, "owner", workspace_id)).codes == ["NOT_FOUND"]


async def test_nobody_gets_in_and_all_are_back_after_it(shared: Api) -> None:
    workspace_id = await everyone(shared)
    given = {"name": "K", "scopes": ["privacy:read"]}
    made = await do(shared, "admin", workspace_id, "createApiKey", "secret apiKey { id }", **given)
    secret = made.data["createApiKey"]["secret"]
    async with shared.database.connect() as admin:
        key_id = await admin.fetchval("SELECT id FROM core.api_key WHERE workspace_id = $1", workspace_id)
    people = {role: (await shared.person(role)).account_id for role in ROLES}
    actors = [Actor(each, workspace_id, role) for role, each in people.items()]
    actors.append(Actor(people["admin"], workspace_id, "admin", api_key_id=key_id))
    own = (await shared.person("owner")).workspace_id
    actors.append(Actor(people["owner"], own, "owner"))
    seen: dict[tuple[bool, str], object] = {}
    for deleted in (False, True, False):
        async with open_as(shared.database.url(), "fivefold_api") as (pool, _):
            valid = await find_valid(pool, actors)
        assert valid == ({actors[-1]} if deleted else set(actors)), "so sockets end"
        for role in ROLES:
            answer = await ask(shared, role, workspace_id, WORKSPACE)
            assert answer.codes == (["NOT_FOUND"] if deleted else [])
            seen.setdefault((deleted, role), answer.body.get("errors"))
            mine = await listed(shared, role, MINE)
            assert (global_id("Workspace", str(workspace_id)) in mine) is not deleted
            assert (await ask(shared, role, None, WORKSPACE)).data
        answer = await shared("{ platforms { edges { node { id } } } }", token=secret)
        assert answer.codes == (["UNAUTHENTICATED"] if deleted else [])
        done = await (restore(shared, "owner", workspace_id) if deleted else delete(shared, "owner", workspace_id))
        assert done.data
    stranger = await ask(shared, "stranger", workspace_id, WORKSPACE)
    assert seen[True, "owner"] == stranger.body["errors"], "as strangers hear"


async def test_the_other_owners_are_told_where_they_can_read_it(api: Api) -> None:
    """In their personal workspaces, for nobody gets into the other; not who did it, nor who is no owner."""
    workspace_id = await organize(api, ada="owner", ben="owner", cora="admin")
    assert (await delete(api, "ada", workspace_id)).data
    await run_jobs(api)
    await run_jobs(api)
    asked = "{ notifications(kind: SECURITY_ALERT) { edges { node { text { title body } } } } }"
    found = {name: (await ask(api, name, None, asked)).data["notifications"]["edges"] for name in ("ada", "ben", "cora")}
    texts = {name: [edge["node"]["text"]["title"] for edge in edges] for name, edges in found.items()}
    assert texts == {"ada": [], "ben": ["An organization of yours was deleted"], "cora": []}
    assert "deleted “O”" in found["ben"][0]["node"]["text"]["body"]


async def test_what_leads_in_leads_nowhere_meanwhile(api: Api) -> None:
    workspace_id = await organize(api, owner="owner")
    await prove_address(api, "mia")
    mia = await api.person("mia")
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.domain (workspace_id, name, challenge, proven_at, checked_at, joining)"
            " VALUES ($1, 'example.com', repeat('x', 43), now(), now(), 'OFFERED')",
            workspace_id,
        )
    assert (await do(api, "owner", workspace_id, "inviteMember", "invitation { id }", email=mia.email)).data
    waiting = "SELECT (SELECT count(*) FROM core.list_own_invitation()), (SELECT count(*) FROM core.list_joinable())"
    joining = "SELECT count(*) FROM core.join_by_domain($1)"
    answering = "SELECT outcome FROM core.answer_invitation(NULL, (SELECT max(id::text)::uuid FROM core.invitation), true)"
    for deleted in (True, False):
        if deleted:
            assert (await delete(api, "owner", workspace_id)).data
        else:
            assert (await restore(api, "owner", workspace_id)).data
        async with api.database.connect() as admin:
            await admin.execute("SELECT set_config('fivefold.account_id', $1, false)", str(mia.account_id))
            assert [tuple(row) for row in await admin.fetch(waiting)] == [(0, 0) if deleted else (1, 1)]
            assert await admin.fetchval(joining, workspace_id) == (0 if deleted else 1)
            assert await admin.fetchval(answering) == ("GONE" if deleted else "MEMBER")
            members = await admin.fetchval("SELECT count(*) FROM core.member WHERE workspace_id = $1", workspace_id)
        assert members == (1 if deleted else 2)


async def test_what_is_refused(shared: Api) -> None:
    workspace_id = await organize(shared, "Guild", owner="owner")
    assert (await delete(shared, "owner", workspace_id, "guild")).body["errors"][0]["extensions"] == {
        "code": "BAD_INPUT",
        "field": "confirmName",
    }
    own = await shared.person("owner")
    assert (await delete(shared, "owner", own.workspace_id, "owner")).codes == ["BAD_INPUT"]
    assert (await do(shared, "owner", None, "deleteWorkspace", DELETED, confirmName="owner")).codes == ["BAD_INPUT"]
    other = await shared.person("other")
    assert (await delete(shared, "owner", other.workspace_id, "other")).codes == ["NOT_FOUND"]
    wrong = {"id": global_id("Account", str(own.account_id)), "confirmName": "Guild"}
    assert (await do(shared, "owner", None, "deleteWorkspace", DELETED, **wrong)).codes == ["BAD_ID"]
    active = await do(shared, "owner", workspace_id, "deleteWorkspace", DELETED, confirmName=" Guild ")
    found = active.data["deleteWorkspace"]["deletedWorkspace"]
    first = (await ask(shared, "owner", None, LIST)).data["deletedWorkspaces"]["edges"][0]
    assert found == first["node"]
    after = (await ask(shared, "owner", None, LIST, {"after": first["cursor"]})).data["deletedWorkspaces"]["edges"]
    assert found not in [edge["node"] for edge in after]
    assert found["deletedAt"] < found["restorableUntil"]
    assert (await delete(shared, "owner", workspace_id, "Guild")).codes == ["NOT_FOUND"]
    async with shared.database.connect() as admin:
        days = await admin.fetchval(
            "SELECT due_at - now() > interval '29 days' FROM core.erasure WHERE workspace_id = $1", workspace_id
        )
        told = await admin.fetch(
            "SELECT d.detail::text, e.actor_id FROM core.audit_event AS e"
            " JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id"
            " WHERE e.workspace_id = $1 AND e.object = 'core.workspace' AND e.action = 'UPDATE'",
            workspace_id,
        )
    assert days
    assert [("deleted_at" in text, actor) for text, actor in told] == [(True, own.account_id)]


async def test_of_many_at_once_one_deletes_and_one_restores(api: Api) -> None:
    workspace_id = await organize(api, ada="owner", ben="owner")
    for act, field in ((delete, "deleteWorkspace"), (restore, "restoreWorkspace")):
        answers = await asyncio.gather(*(act(api, who, workspace_id) for who in ("ada", "ben") * 3))
        assert sorted(code for answer in answers for code in answer.codes) == ["NOT_FOUND"] * 5, field
    async with api.database.connect() as admin:
        assert [tuple(row) for row in await admin.fetch(LEDGER, workspace_id)] == [(True, False)]


async def test_after_its_time_it_is_erased_and_not_restored(api: Api) -> None:
    workspace_id = await organize(api, "Guildhall", ada="owner", ben="member")
    kept = await organize(api, ada="owner")
    assert (await delete(api, "ada", workspace_id, "Guildhall")).data
    assert (await delete(api, "ada", kept)).data
    assert (await restore(api, "ada", kept)).data
    async with api.database.connect() as admin:
        await admin.execute(DUE, workspace_id)
        assert (await restore(api, "ada", workspace_id)).codes == ["NOT_FOUND"]
        assert await listed(api, "ada", LIST) == []
        await erase_now(api)
        assert await admin.fetchval("SELECT name FROM core.workspace WHERE id = $1", workspace_id) == "erased"
        assert await admin.fetchval("SELECT count(*) FROM core.member WHERE workspace_id = $1", workspace_id) == 0
        assert [tuple(row) for row in await admin.fetch(LEDGER, workspace_id)] == [(False, True)]
        assert await admin.fetchval("SELECT count(*) FROM core.member WHERE workspace_id = $1", kept) == 1
    assert (await restore(api, "ada", workspace_id)).codes == ["NOT_FOUND"]
    assert (await ask(api, "ben", workspace_id, WORKSPACE)).codes == ["NOT_FOUND"]
    assert (await ask(api, "ben", None, WORKSPACE)).data


@pytest.mark.parametrize("first", ["restore", "erase"])
async def test_a_restore_and_the_erasure_at_once(api: Api, first: str) -> None:
    """The one that comes second waits for the first, and finds nothing to do."""
    workspace_id = await organize(api, ada="owner")
    ada = await api.person("ada")
    assert (await delete(api, "ada", workspace_id)).data
    async with api.database.connect() as one, api.database.connect() as two, api.database.connect() as admin:
        erasure_id = await admin.fetchval("SELECT id FROM core.erasure WHERE workspace_id = $1", workspace_id)
        for each in (one, two):
            await each.execute("SELECT set_config('fivefold.account_id', $1, false)", str(ada.account_id))
        acts = [("SELECT core.restore_workspace($1)", workspace_id), ("SELECT core.erase($1)", erasure_id)]
        if first == "erase":
            acts.reverse()
        soon = "UPDATE core.erasure SET due_at = clock_timestamp() + interval '0.5 seconds' WHERE id = $1"
        await admin.execute(soon, erasure_id)
        began = one.transaction()
        await began.start()
        if first == "erase":
            await one.execute(DUE, workspace_id)
        assert await one.fetchval(*acts[0]) is True
        if first == "restore":  # the time is over while the restore is under way
            while not await admin.fetchval("SELECT due_at <= now() FROM core.erasure WHERE id = $1", erasure_id):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        pid = await two.fetchval("SELECT pg_backend_pid()")
        second = asyncio.create_task(two.fetchval(*acts[1]))
        blocked = "SELECT cardinality(pg_blocking_pids($1)) > 0"
        while not second.done() and not await admin.fetchval(blocked, pid):  # noqa: ASYNC110 - another process's wait
            await asyncio.sleep(0.01)
        await began.commit()
        assert await second is False
        restored = await admin.fetchval("SELECT deleted_at IS NULL FROM core.workspace WHERE id = $1", workspace_id)
        members = await admin.fetchval("SELECT count(*) FROM core.member WHERE workspace_id = $1", workspace_id)
        ledger = [tuple(row) for row in await admin.fetch(LEDGER, workspace_id)]
    assert (restored, members, ledger) == ((True, 1, [(True, False)]) if first == "restore" else (False, 0, [(False, True)]))


class Chore(BaseModel):
    """Something to do in a workspace."""

    workspace_id: UUID


async def test_its_jobs_rest(api: Api) -> None:
    """They wait without being a failure, and are done when it is there again."""
    done: list[UUID] = []
    paid: list[UUID] = []

    @job("core.try_rest", Chore, attempts=1)
    async def chore(work: Work, payload: Chore) -> None:
        async with work.once():
            done.append(payload.workspace_id)

    @job("core.try_money", Chore, rests=False)
    async def money(work: Work, payload: Chore) -> None:
        async with work.once():
            paid.append(payload.workspace_id)

    resting, awake = await organize(api, ada="owner"), await organize(api, ada="owner")
    assert (await delete(api, "ada", resting)).data
    async with worker_db(api.database) as db, db.transaction():
        for each in (resting, awake):
            await enqueue(db, chore, Chore(workspace_id=each))
        await enqueue(db, money, Chore(workspace_id=resting))
    await run_jobs(api, [chore, money])
    assert (done, paid) == ([awake], [resting])
    async with api.database.connect() as admin:
        waiting = "SELECT status::text FROM jobs.pgqueuer WHERE entrypoint = 'core.try_rest' AND execute_after > now()"
        assert [row[0] for row in await admin.fetch(waiting)] == ["queued"]
        assert (await restore(api, "ada", resting)).data
        await admin.execute("UPDATE jobs.pgqueuer SET execute_after = now() WHERE entrypoint = 'core.try_rest'")
    await run_jobs(api, [chore])
    assert done == [awake, resting]
