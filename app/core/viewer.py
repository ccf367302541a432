"""The viewer: who is calling, in which workspace, allowed what."""

from __future__ import annotations

import strawberry

from app.core.account import Account, get_account
from app.core.identity import Identity, list_identity
from app.core.member import Role
from app.core.workspace import Workspace, get_workspace
from app.kit.context import Info
from app.kit.graphql import field, query


@strawberry.type(description="The caller.")
class Viewer:
    """Nothing is read that is not selected."""

    role: Role = strawberry.field(description="The caller's role in the active workspace.")
    curator: bool = strawberry.field(description="Whether the caller may write shared nouns.")

    @field(description="The caller's own account.")
    async def account(self, info: Info) -> Account:
        """There is one, or the token would not have been accepted."""
        found = await get_account(info.context.db)
        assert found is not None
        return found

    @field(description="The active workspace.")
    async def workspace(self, info: Info) -> Workspace:
        """There is one, or the token would not have been accepted."""
        found = await get_workspace(info.context.db)
        assert found is not None
        return found

    @field(description="The ways in which the caller signs in.")
    async def identities(self, info: Info) -> list[Identity]:
        """A handful at most."""
        return await list_identity(info.context.db)


@strawberry.type
class ViewerQuery:
    """The root field that says who is calling."""

    @query()
    async def viewer(self, info: Info) -> Viewer | None:
        """Who is calling, in which workspace."""
        actor = info.context.actor
        return Viewer(role=Role(actor.role), curator=actor.curator)
