"""Workspaces: the tenants. Everything owned is owned by one of them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from app.core.plan import Plan
from app.kit.edge import edge
from app.kit.graphql import Node
from app.kit.sql import File


@strawberry.enum(description="Every account has one personal workspace; organizations have members.")
class WorkspaceKind(Enum):
    """Values as in the database; the system workspace is never anyone's."""

    PERSONAL = "personal"
    ORGANIZATION = "organization"


@strawberry.type(description="What people, keys and all data belong to.")
class Workspace(Node):
    """The caller's active workspace."""

    node_statement = "core/workspace.edge_workspace"

    kind: WorkspaceKind
    name: str
    created_at: datetime

    plan: Plan = edge("core/plan.edge_plan_of_workspace", workspace_ids="id")


sql = File("core/workspace")
get_workspace = sql.one("get_workspace", Workspace)
get_personal_workspace = sql.one("get_personal_workspace", Workspace)
workspaces_by_id = sql.edge("edge_workspace", Workspace)
