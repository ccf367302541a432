"""The data inventory: what every column of every table holds of a person, why, and what becomes of it."""

from __future__ import annotations

from enum import Enum

import strawberry

from app.kit.context import Info
from app.kit.graphql import query
from app.kit.sql import File


@strawberry.enum(description="What a column holds.")
class DataClass(Enum):
    """Values as in the database."""

    IDENTIFIER = strawberry.enum_value("identifier", description="It names a person.")
    PERSONAL = strawberry.enum_value("personal", description="It tells of a person.")
    SENSITIVE = strawberry.enum_value("sensitive", description="It tells of a person what few should know.")
    SECRET = strawberry.enum_value("secret", description="It is, or protects, a credential.")
    TECHNICAL = strawberry.enum_value("technical", description="Ids, times and other bookkeeping.")
    SHARED = strawberry.enum_value("shared", description="It is about nobody.")


@strawberry.enum(description="What it is kept for.")
class DataPurpose(Enum):
    """Values as in the database."""

    ACCOUNT = "account"
    SECURITY = "security"
    SERVICE = "service"
    BILLING = "billing"
    AUDIT = "audit"
    OPERATION = "operation"


@strawberry.enum(description="Whether a person's export holds it.")
class ExportRule(Enum):
    """Values as in the database."""

    INCLUDE = "include"
    OMIT = "omit"


@strawberry.enum(description="What becomes of it when a person is erased.")
class EraseRule(Enum):
    """Values as in the database."""

    DELETE = strawberry.enum_value("delete", description="It is deleted with its row.")
    ANONYMIZE = strawberry.enum_value("anonymize", description="It is overwritten; the row stays.")
    KEEP = strawberry.enum_value("keep", description="It stays, for the reason that is given.")


@strawberry.type(description="One column of one table, classified.")
class DataColumn:
    """Written by the migration that makes the column."""

    object: str = strawberry.field(description="The table, such as core.account.")
    column_name: str
    class_: DataClass = strawberry.field(name="class", description="What it holds.")
    purpose: DataPurpose
    export_rule: ExportRule
    erase_rule: EraseRule
    retention: str = strawberry.field(description="How long without erasure: account, workspace, or a time such as 90 days.")
    reason: str | None = strawberry.field(description="Why it is kept, or left out of an export, where it is.")


list_data_inventory = File("core/data_inventory").many("list_data_inventory", DataColumn)


@strawberry.type
class DataInventoryQuery:
    """The root field that says what is kept."""

    @query()
    async def data_inventory(self, info: Info) -> list[DataColumn] | None:
        """Every column of every table: what it holds, why, and what becomes of it."""
        return await list_data_inventory(info.context.db)
