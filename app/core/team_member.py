"""Team members: who makes teams and says who belongs to them. Owners and admins do, for members of the workspace."""

from __future__ import annotations

from uuid import UUID

import strawberry

from app.core.idempotency import claim, settle
from app.core.member import Member, members_by_account, no_member, stand
from app.core.team import (
    MOST_NAME,
    MOST_TEAMS,
    Team,
    count_team,
    delete_team,
    insert_team,
    no_team,
    teams_by_id,
    update_team,
)
from app.core.text import check_line
from app.kit.context import Info
from app.kit.db import Db
from app.kit.errors import AppError, ErrorCode
from app.kit.graphql import MANAGERS, mutation, parse_uuid
from app.kit.sql import File

sql = File("core/team_member")
delete_team_member = sql.exec("delete_team_member")
insert_team_member = sql.exec("insert_team_member")
teams_by_member = sql.edge("edge_team_of_member", Team)


@strawberry.input(description="A new team.")
class CreateTeamInput:
    """Empty at first."""

    name: str = strawberry.field(description="1 to 100 characters.")
    description: str = strawberry.field(default="", description="At most 500 characters.")
    idempotency_key: str | None = None


@strawberry.input(description="What is to change. What is left out stays.")
class UpdateTeamInput:
    """``version`` is that of the state which the caller has seen."""

    id: strawberry.ID
    version: int
    name: str | None = None
    description: str | None = None


@strawberry.input(description="Who is to belong to which team.")
class AddTeamMemberInput:
    """A member of the workspace."""

    team_id: strawberry.ID
    account_id: strawberry.ID
    idempotency_key: str | None = None


@strawberry.input(description="Who is to belong to which team no longer.")
class RemoveTeamMemberInput:
    """The member stays in the workspace."""

    team_id: strawberry.ID
    account_id: strawberry.ID


@strawberry.type(description="The new team.")
class CreateTeamPayload:
    """The new team."""

    team: Team


@strawberry.type(description="The team as it is now.")
class UpdateTeamPayload:
    """The team as it is now."""

    team: Team


@strawberry.type(description="The team that is gone.")
class DeleteTeamPayload:
    """The team that is gone."""

    team: Team


@strawberry.type(description="The member, with its teams.")
class AddTeamMemberPayload:
    """The member, with its teams."""

    member: Member


@strawberry.type(description="The member, with its teams.")
class RemoveTeamMemberPayload:
    """The member, with its teams."""

    member: Member


async def _manage(db: Db, team_id: UUID | None = None, *, field: str = "id") -> None:
    """Take one's turn, as somebody who may still manage, in an organization. Raises AppError."""
    if team_id is not None and (await teams_by_id(db, ids=[team_id]))[0] is None:
        raise no_team(field)
    await stand(db, db.actor.account_id)


async def _team(db: Db, team_id: UUID | None) -> Team:
    (found,) = await teams_by_id(db, ids=[team_id])
    if found is None:
        raise no_team("id")
    return found


async def _in_team(db: Db, account_id: UUID) -> Member:
    (member,) = await members_by_account(db, ids=[account_id])
    if member is None:
        raise no_member()
    return member


def _check_description(description: str) -> str:
    if len(description) > 500:
        raise AppError(ErrorCode.BAD_INPUT, "A description has at most 500 characters.", field="description")
    return description.strip()


@strawberry.type
class TeamMutation:
    """Root fields that change teams and who belongs to them."""

    @mutation(roles=MANAGERS)
    async def create_team(self, info: Info, input: CreateTeamInput) -> CreateTeamPayload | None:
        """Make a team. Owners and admins only, in an organization; 100 at most."""
        db = info.context.db
        async with db.transaction():
            if input.idempotency_key is not None:
                done = await claim(db, "createTeam", input.idempotency_key, [input.name, input.description])
                if done is not None:
                    return CreateTeamPayload(team=await _team(db, done.result_id))
            await _manage(db)
            counted = await count_team(db)
            if counted is None or counted.teams >= MOST_TEAMS:
                raise AppError(ErrorCode.BAD_INPUT, f"A workspace has {MOST_TEAMS} teams at most. Delete one first.")
            name = check_line(input.name, MOST_NAME)
            team = await insert_team(db, name=name, description=_check_description(input.description))
            assert team is not None
            if input.idempotency_key is not None:
                await settle(db, "createTeam", input.idempotency_key, team.id)
        return CreateTeamPayload(team=team)

    @mutation(roles=MANAGERS)
    async def update_team(self, info: Info, input: UpdateTeamInput) -> UpdateTeamPayload | None:
        """Change a team's name or description. Owners and admins only."""
        team_id, db = parse_uuid(input.id, "Team", field="id"), info.context.db
        async with db.transaction():
            await _manage(db, team_id)
            name = None if input.name is None else check_line(input.name, MOST_NAME)
            description = None if input.description is None else _check_description(input.description)
            team = await update_team(db, id=team_id, version=input.version, name=name, description=description)
            if team is None:
                message = f"The team has another version than {input.version}. Read it again and decide anew."
                raise AppError(ErrorCode.STALE_VERSION, message, field="version")
        return UpdateTeamPayload(team=team)

    @mutation(roles=MANAGERS)
    async def delete_team(self, info: Info, id: strawberry.ID) -> DeleteTeamPayload | None:
        """End a team; its members stay in the workspace. Owners and admins only."""
        team_id, db = parse_uuid(id, "Team", field="id"), info.context.db
        async with db.transaction():
            await _manage(db, team_id)
            team = await delete_team(db, id=team_id)
            if team is None:
                raise no_team("id")
        return DeleteTeamPayload(team=team)

    @mutation(roles=MANAGERS)
    async def add_team_member(self, info: Info, input: AddTeamMemberInput) -> AddTeamMemberPayload | None:
        """Let a member of the workspace belong to a team; who does already stays. Owners and admins only."""
        team_id = parse_uuid(input.team_id, "Team", field="teamId")
        account_id, db = parse_uuid(input.account_id, "Account", field="accountId"), info.context.db
        async with db.transaction():
            if input.idempotency_key is not None:
                done = await claim(db, "addTeamMember", input.idempotency_key, [input.team_id, input.account_id])
                if done is not None:
                    return AddTeamMemberPayload(member=await _in_team(db, account_id))
            await _manage(db, team_id, field="teamId")
            member = await _in_team(db, account_id)
            await insert_team_member(db, team_id=team_id, member_id=account_id)
            if input.idempotency_key is not None:
                await settle(db, "addTeamMember", input.idempotency_key, account_id)
        return AddTeamMemberPayload(member=member)

    @mutation(roles=MANAGERS)
    async def remove_team_member(self, info: Info, input: RemoveTeamMemberInput) -> RemoveTeamMemberPayload | None:
        """Let a member belong to a team no longer; who did not does not. Owners and admins only."""
        team_id = parse_uuid(input.team_id, "Team", field="teamId")
        account_id, db = parse_uuid(input.account_id, "Account", field="accountId"), info.context.db
        async with db.transaction():
            await _manage(db, team_id, field="teamId")
            member = await _in_team(db, account_id)
            await delete_team_member(db, team_id=team_id, member_id=account_id)
        return RemoveTeamMemberPayload(member=member)
