"""Teams: some members of an organization, by a name. Members are listed by team, and show theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import strawberry

from app.kit.context import Info
from app.kit.errors import AppError, ErrorCode, constraint
from app.kit.graphql import Node, query
from app.kit.page import Page, page
from app.kit.sql import File

MOST_NAME = 100
MOST_TEAMS = 100
"""A workspace has so many at most, so that a member's are a short list."""

constraint("team_name_key", ErrorCode.BAD_INPUT, "Another team has this name.", field="name")
constraint("team_description_length", ErrorCode.BAD_INPUT, "A description has at most 500 characters.", field="description")


@strawberry.type(description="Some members of an organization.")
class Team(Node):
    """``members(teamId:)`` lists who belongs to it."""

    node_statement = "core/team.edge_team"

    name: str
    description: str
    version: int = strawberry.field(description="Pass it to updateTeam: it tells which state you have seen.")
    created_at: datetime


@dataclass(frozen=True)
class Teams:
    """How many there are."""

    teams: int


sql = File("core/team")
count_team = sql.one("count_team", Teams)
delete_team = sql.one("delete_team", Team)
insert_team = sql.one("insert_team", Team)
page_team = sql.page("page_team", Team)
teams_by_id = sql.edge("edge_team", Team)
update_team = sql.one("update_team", Team)


def no_team(field: str) -> AppError:
    """There is none."""
    return AppError(ErrorCode.NOT_FOUND, "There is no such team in this workspace.", field=field)


@strawberry.type
class TeamQuery:
    """Root fields that read teams."""

    @query()
    async def teams(self, info: Info, first: int = 20, after: str | None = None) -> Page[Team] | None:
        """The teams of the active workspace, the newest first."""
        return await page(page_team, info.context.db, first, after)
