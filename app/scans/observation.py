"""What was seen of an address: in memory only, and judged there.

Nothing here is written anywhere as it is. The body and the addresses are for engines; what is kept of them are hashes, masked
addresses and words of fixed vocabularies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import pairwise
from uuid import UUID

from app.kit.egress import Address


class FetchFailure(Enum):
    """Why a request had no answer, or the chain ended before a page."""

    URL_REFUSED = "the address is none that is asked for: its scheme, its spelling, a user in it"
    PORT_REFUSED = "nothing of the web answers at this port"
    ADDRESS_REFUSED = "the name leads into a network that is not public"
    NAME_NOT_FOUND = "the name has no address"
    CONNECTION_FAILED = "no connection, or it broke off"
    TLS_FAILED = "no TLS, or none over which an address with secrets in it is sent"
    TIMED_OUT = "not all of it came in time"
    BAD_ANSWER = "the answer was not HTTP"
    HEADERS_TOO_LARGE = "more headers than are read"
    BAD_REDIRECT = "it leads to several places at once"
    REDIRECT_LOOP = "it leads to where one was before"
    TOO_MANY_REDIRECTS = "it leads on and on"
    ENCODING_REFUSED = "the body is packed in a way that was not asked for"


class TlsProblem(Enum):
    """Why nobody vouches for a certificate."""

    EXPIRED = "its time is over"
    NOT_YET_VALID = "its time has not come"
    WRONG_NAME = "it is for another name"
    SELF_SIGNED = "it vouches for itself"
    UNTRUSTED = "nobody whom this machine trusts has signed it"


@dataclass(frozen=True)
class Tls:
    """Facts of a connection. ``issuer`` only where it is vouched for: else they are words of the other side."""

    protocol: str
    cipher: str
    certificate_sha256: bytes
    issuer: str
    not_before: datetime
    not_after: datetime
    names_match: bool
    problem: TlsProblem | None = None


@dataclass(frozen=True)
class Hop:
    """One request, or the refusal to make it: then ``address`` is None.

    ``headers`` are summaries in words of our own, see headers.py. ``url`` is whole, and is masked before it is shown or kept.
    ``access_id`` names what was written of it before, see ``Touch``.
    """

    seq: int
    url: str = field(repr=False)
    address: Address | None
    port: int
    status: int | None = None
    failure: FetchFailure | None = None
    milliseconds: int = 0
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    access_id: UUID | None = None


@dataclass(frozen=True)
class Touch:
    """A request that is about to be made: the page or its icon, at the address that was looked at. ``url`` is canonical."""

    seq: int
    url: str = field(repr=False)
    address: Address
    port: int
    icon: bool


@dataclass(frozen=True)
class Observation:
    """All that a fetch saw. ``failure`` is None where a page was reached, whatever its status.

    ``body`` is unpacked and cut at the bound; ``truncated`` says that there was, or should have been, more; ``content_sha256``
    is of what was read. ``refresh`` is where the page would send a browser by itself; nobody followed it. ``favicon`` is the
    request for the icon, no part of the chain. ``loopback`` says that this machine was allowed: a trial.
    """

    url: str = field(repr=False)
    hops: tuple[Hop, ...]
    final_url: str = field(repr=False)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    content_sha256: bytes | None = None
    size: int = 0
    truncated: bool = False
    body: bytes = field(default=b"", repr=False)
    favicon_sha256: bytes | None = None
    header_sha256: bytes | None = None
    cookie_names: tuple[str, ...] = ()
    failure: FetchFailure | None = None
    refresh: str | None = field(default=None, repr=False)
    favicon: Hop | None = None
    loopback: bool = False

    @property
    def requests(self) -> Iterator[Hop]:
        """Every address that was touched or refused, in order."""
        yield from self.hops
        if self.favicon is not None:
            yield self.favicon

    @property
    def downgraded(self) -> bool:
        """Whether the chain left https for http."""
        schemes = [hop.url[:6].lower() == "https:" for hop in self.hops]
        return any(before and not after for before, after in pairwise(schemes))
