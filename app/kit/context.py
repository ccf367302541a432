"""Who is calling, and what a resolver may use: one object per operation."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import strawberry
from graphql import DocumentNode

if TYPE_CHECKING:
    from app.kit.db import Db
    from app.kit.graphql import Node
    from app.kit.password import Hasher
    from app.kit.token import KeyRing


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller in one workspace. ``scopes`` is None for a person, who may do what the role allows.

    ``expires_at`` is when a token ends, for what lasts longer than a request; it does not tell one caller from another.
    ``signed_in_at`` is when a token without a session says that the person proved who it is.
    ``session_id`` is that of the token, which ends with it; None for a key, and for a token of the command line.
    """

    account_id: UUID
    workspace_id: UUID
    role: str
    curator: bool = False
    api_key_id: UUID | None = None
    scopes: frozenset[str] | None = None
    session_id: UUID | None = None
    expires_at: float | None = field(default=None, compare=False)
    signed_in_at: float | None = field(default=None, compare=False)


SYSTEM_ID = UUID("00000000-0000-7000-8000-000000000000")
"""The workspace of what belongs to no customer; as an account it stands for the operator, who has none."""

NOBODY = Actor(account_id=UUID(int=0), workspace_id=UUID(int=0), role="nobody")
"""A caller without a token: every policy hides every row, and only public root fields answer."""

OPERATOR = Actor(account_id=SYSTEM_ID, workspace_id=SYSTEM_ID, role="owner")
"""The command line."""


@dataclass(frozen=True, slots=True)
class Client:
    """From where a request comes, as far as it can be known; nothing of it is proven but the network.

    ``network`` is an IPv4 address or the /64 of an IPv6 address, ``agent`` what the program calls itself.
    """

    network: str = ""
    agent: str = ""


@dataclass(slots=True)
class Context:
    """What every resolver gets as ``info.context``. ``loaders`` are the edges in flight, see app/kit/edge.py.

    ``outcomes`` are root fields that the planned executor has run before it gave up: they are not run again; ``ast`` is what
    is left of the document then.
    ``node_types`` and ``scopes`` are what the products offer together, see app/schema.py.
    ``settings`` are the operator's, see app/settings.py: what a noun needs of them it says with a Protocol of its own.
    ``keys`` sign and verify tokens, ``hasher`` hashes passwords; ``client`` is from where the request comes.
    """

    actor: Actor
    db: Db
    request_id: UUID
    node_types: Mapping[str, type[Node]]
    scopes: frozenset[str]
    settings: Any
    keys: KeyRing
    hasher: Hasher
    client: Client = Client()
    loaders: dict[Any, Any] = field(default_factory=dict)
    outcomes: dict[str | int, Future[Any]] = field(default_factory=dict)
    ast: DocumentNode | None = None
    recorded: set[str] = field(default_factory=set)
    """Tables whose reading by this operation is audited by now."""


Info = strawberry.Info[Context, None]
