"""The schema: what all products offer, merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types
from strawberry.types.execution import ExecutionContext

from app import core, privacy, scans
from app.kit.errors import ErrorCode
from app.kit.executor import Prepared
from app.kit.graphql import SCALARS, Node, Reading
from app.kit.product import Product

PRODUCTS: Sequence[Product] = (core.product, privacy.product, scans.product)

NODE_TYPES: Mapping[str, type[Node]] = {node.__name__: node for product in PRODUCTS for node in product.nodes}
ROUTES = [route for product in PRODUCTS for route in product.routes]
JOBS = [job for product in PRODUCTS for job in product.jobs]
SCOPES = frozenset(scope for product in PRODUCTS for scope in product.scopes)


class Schema(strawberry.Schema):
    """Errors are logged by the server, which knows the request; not by the library."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: see app/server.py."""


def build() -> Schema:
    """The schema of all products."""
    types: list[Any] = [ErrorCode, *NODE_TYPES.values()]
    return Schema(
        query=merge_types("Query", tuple(t for product in PRODUCTS for t in product.queries)),
        mutation=merge_types("Mutation", tuple(t for product in PRODUCTS for t in product.mutations)),
        subscription=merge_types("Subscription", tuple(t for product in PRODUCTS for t in product.subscriptions)),
        types=types,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
        extensions=[Prepared],
    )


schema = build()


def _roots() -> Mapping[str, Mapping[Any, Any]]:
    """What app/kit/graphql.py noted of each root field, by its name."""
    definitions = [schema.schema_converter.type_map[name].definition for name in ("Query", "Mutation")]
    fields = [field for definition in definitions for field in getattr(definition, "fields", ())]
    return {schema.config.name_converter.get_graphql_name(field): field.metadata for field in fields}


PUBLIC = frozenset(name for name, noted in _roots().items() if noted.get("public"))
"""The root fields that need no token."""
READINGS: Mapping[str, Reading] = {name: noted["reading"] for name, noted in _roots().items() if noted.get("reading")}
"""Those that show what is personal to others."""
