"""People to test with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.core.account import create_account
from app.core.curator import insert_curator
from app.core.plan import update_plan
from app.core.workspace import get_personal_workspace
from app.kit.context import Actor
from app.kit.db import Db
from app.kit.graphql import global_id
from app.kit.token import KeyRing


@dataclass(frozen=True)
class Person:
    """An account in its personal workspace, with a token."""

    email: str
    token: str
    account_id: UUID
    workspace_id: UUID

    @property
    def actor(self) -> Actor:
        """Who the person is to the query layer."""
        return Actor(self.account_id, self.workspace_id, "owner")

    @property
    def workspace(self) -> str:
        """Global id of the workspace."""
        return global_id("Workspace", str(self.workspace_id))


async def create_person(db: Db, keys: KeyRing, email: str, *, curator: bool = False, plan: str = "enterprise") -> Person:
    """Make an account, as the operator; its plan limits nothing."""
    account = await create_account(db, email=email, display_name=email.partition("@")[0], time_zone="Europe/Berlin")
    workspace = await get_personal_workspace(db, personal_account_id=account.id)
    assert workspace is not None
    async with db.transaction():
        await update_plan(db, personal_account_id=account.id, plan=plan)
    if curator:
        async with db.transaction():
            await insert_curator(db, curator_id=account.id)
    return Person(email, keys.sign(str(account.id), lifetime=timedelta(hours=1)), account.id, workspace.id)
