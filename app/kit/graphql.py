"""What every type and every root field of the schema is made with: global ids, nodes, queries, mutations, scalars."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NewType, TypeVar
from uuid import UUID

import strawberry
from strawberry.types.scalar import ScalarDefinition

from app.kit.context import NOBODY, Actor, Context, Info
from app.kit.errors import AppError, ErrorCode

T = TypeVar("T")

WRITERS = frozenset({"owner", "admin", "member"})
MANAGERS = frozenset({"owner", "admin"})

JSON = strawberry.scalars.JSON
BigInt = NewType("BigInt", int)


_NO_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?")
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_DURATION = re.compile(
    r"P(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})S)?)?"
)
_LONGEST_DURATION = 3653 * 86_400
_DIGITS = re.compile(r"-?[0-9]{1,19}")


def _parse_datetime(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("A DateTime is a string such as 2026-03-01T09:30:00Z.")
    if _NO_OFFSET.fullmatch(value):
        raise ValueError("A DateTime needs an offset: end it with Z, or with one such as +02:00.")
    try:
        moment = datetime.fromisoformat(value.upper() if _RFC_3339.fullmatch(value) else "")
    except ValueError as error:
        raise ValueError("A DateTime is RFC 3339, such as 2026-03-01T09:30:00Z.") from error
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("This DateTime is out of range.") from error
    if moment.replace(tzinfo=None) in (datetime.min, datetime.max):  # the driver writes these two as -infinity and infinity
        raise ValueError("This DateTime is out of range.")
    return moment


def _serialize_datetime(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_duration(value: object) -> timedelta:
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    else:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None or not any(found.groups()):
            raise ValueError("A Duration is ISO 8601 in weeks to seconds, such as PT6H, or a whole number of seconds.")
        weeks, days, hours, minutes, rest = (int(each or 0) for each in found.groups())
        seconds = (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + rest
    if not 0 <= seconds <= _LONGEST_DURATION:
        raise ValueError("A Duration is not negative, and at most ten years.")
    return timedelta(seconds=seconds)


def _parse_big_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not _DIGITS.fullmatch(str(value)):
        raise ValueError("A BigInt is a whole number of up to 64 bits, or a string of its digits.")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("A BigInt fits 64 bits.")
    return number


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment, RFC 3339 in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_serialize_datetime,
        parse_value=_parse_datetime,
    ),
    timedelta: strawberry.scalar(
        name="Duration",
        description="A length of time: ISO 8601 in weeks to seconds, such as PT6H, or a whole number of seconds.",
        serialize=lambda value: f"PT{int(value.total_seconds())}S",
        parse_value=_parse_duration,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of up to 64 bits, written as a string of digits.",
        serialize=str,
        parse_value=_parse_big_int,
    ),
    UUID: strawberry.scalar(
        name="UUID",
        description="A name that was made up at random or of the time, such as 01234567-89ab-7def-8123-456789abcdef.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
        serialize=str,
        parse_value=lambda value: UUID(str(value)),
    ),
}


def field(*, name: str | None = None, size: int | None = None, description: str | None) -> Callable[[Callable[..., Any]], Any]:
    """A field that is computed from the object, or read when it is selected. ``size`` is as in app/kit/edge.py."""
    metadata = None if size is None else {"size": size}
    return lambda resolver: strawberry.field(resolver=resolver, name=name, description=description, metadata=metadata)


@strawberry.interface(description="An object that can be fetched again by its global id.")
class Node:
    """``id`` is the row's uuid; the API shows the global id made from it."""

    id: strawberry.Private[UUID]

    node_statement: ClassVar[str]
    """Which :edge statement fetches nodes of this type, with ``:ids``."""
    node_scopes: ClassVar[frozenset[str]] = frozenset()
    """What a key needs one of; by default no key sees a node."""
    node_roles: ClassVar[frozenset[str] | None] = None
    """Which roles see it; None for all."""
    node_reads: ClassVar[str | None] = None
    """The table, where it shows what is personal to others: that it is read is audited."""

    @field(name="id", description="Global id: opaque, unique across all types.")
    def global_id(self) -> strawberry.ID:
        """The row's uuid with the name of its type."""
        return global_id(type(self).__name__, self.node_key())

    def node_key(self) -> str:
        """What identifies the object among those of its type."""
        return str(self.id)

    @classmethod
    def node_arguments(cls, keys: list[str]) -> dict[str, list[Any]]:
        """The arrays that ``node_statement`` takes for the keys of global ids. Raises ValueError."""
        return {"ids": [UUID(key) for key in keys]}


def global_id(type_name: str, key: str) -> strawberry.ID:
    """base64 of ``Type:key``, as Relay's servers write it."""
    return strawberry.ID(base64.b64encode(f"{type_name}:{key}".encode()).decode())


def parse_global_id(value: str, *, field: str) -> tuple[str, str]:
    """The type name and key of a global id. Raises BAD_ID."""
    try:
        name, separator, key = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        name, separator, key = "", "", ""
    if not separator or not name.isidentifier():
        raise AppError(
            ErrorCode.BAD_ID,
            f"{field} is not a global id. Pass the `id` of an object as the API returned it.",
            field=field,
        )
    return name, key


def parse_uuid(value: str, type_name: str, *, field: str) -> UUID:
    """The uuid in a global id of one type. Raises BAD_ID for another type or a bare uuid."""
    name, key = parse_global_id(value, field=field)
    if name != type_name:
        raise AppError(ErrorCode.BAD_ID, f"{field} is the id of a {name[:60]}; pass the id of a {type_name}.", field=field)
    try:
        return UUID(key)
    except ValueError:
        raise AppError(ErrorCode.BAD_ID, f"{field} is not a global id of a {type_name}.", field=field) from None


def may(actor: Actor, scopes: frozenset[str], roles: frozenset[str] | None) -> bool:
    """Whether the caller's key has one of the scopes, and its role is one of the roles."""
    return (actor.scopes is None or bool(actor.scopes & scopes)) and (roles is None or actor.role in roles)


UNAUTHENTICATED = "Send a token or an API key in the header `Authorization: Bearer ...`."


def authorize(actor: Actor, scopes: frozenset[str], roles: frozenset[str] | None = None, curator: bool = False) -> None:
    """Raise FORBIDDEN unless the caller's key has one of the scopes, and its role is one of the roles."""
    if actor is NOBODY:
        raise AppError(ErrorCode.UNAUTHENTICATED, UNAUTHENTICATED)
    if actor.scopes is not None and not actor.scopes & scopes:
        needed = " or ".join(sorted(scopes)) or "a person's token"
        raise AppError(ErrorCode.FORBIDDEN, f"This key may not do that: it needs {needed}.")
    if curator and not actor.curator:
        raise AppError(ErrorCode.FORBIDDEN, "Only a curator may do this.")
    if roles is not None and actor.role not in roles:
        raise AppError(ErrorCode.FORBIDDEN, f"Your role in this workspace, {actor.role}, may not do this.")


Resolver = TypeVar("Resolver", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Reading:
    """A root field that shows what is personal to others: ``object`` is the table that it reads."""

    object: str
    scopes: frozenset[str]
    roles: frozenset[str] | None
    curator: bool

    def may(self, actor: Actor) -> bool:
        """Whether the caller will be answered."""
        return may(actor, self.scopes, self.roles) and (actor.curator or not self.curator)


def _field(
    resolver: Resolver,
    scopes: frozenset[str],
    roles: frozenset[str] | None,
    curator: bool = False,
    public: bool = False,
    reads: str | None = None,
) -> Any:
    @functools.wraps(resolver)
    async def guarded(self: Any, info: Info, **args: Any) -> Any:
        # Only the stock executor's info has a path; a plan runs each root field once and needs no outcome of an earlier run.
        path = getattr(info, "path", None)
        if path is not None and path.key in info.context.outcomes:
            return info.context.outcomes.pop(path.key).result()
        if not public:
            authorize(info.context.actor, scopes, roles, curator)
        return await resolver(self, info, **args)

    description = " ".join((resolver.__doc__ or "").split())
    reading = None if reads is None else Reading(reads, scopes, roles, curator)
    metadata = {"public": public, "reading": reading}
    return strawberry.field(resolver=guarded, description=description, metadata=metadata)


def query(
    *scopes: str, roles: frozenset[str] | None = None, curator: bool = False, reads: str | None = None
) -> Callable[[Resolver], Any]:
    """A root field that reads. Keys need one of ``scopes``; people need one of ``roles`` if given, or to be curators.

    ``reads`` is the table, such as core.member, of what is personal to others: that it is read is audited.
    """
    return lambda resolver: _field(resolver, frozenset(scopes), roles, curator, reads=reads)


def public_query() -> Callable[[Resolver], Any]:
    """A root field that reads what everybody may know, before there is a token. See ``public_mutation``."""
    return lambda resolver: _field(resolver, frozenset(), None, public=True)


def mutation(*scopes: str, roles: frozenset[str] | None = WRITERS, curator: bool = False) -> Callable[[Resolver], Any]:
    """A root field that writes; the resolver opens its transactions with ``info.context.db.transaction()``."""
    return lambda resolver: _field(resolver, frozenset(scopes), roles, curator)


def public_mutation() -> Callable[[Resolver], Any]:
    """A root field for those who have no token yet. Its caller may be ``NOBODY``, to whom every policy hides every row."""
    return lambda resolver: _field(resolver, frozenset(), None, public=True)


def require_scope(context: Context, scope: str) -> None:
    """For edges that lead from what a key may see to what it may not."""
    authorize(context.actor, frozenset({scope}))
