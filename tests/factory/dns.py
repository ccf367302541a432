"""A name server to test with: it says what it is told to say, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class Dns:
    """TXT records by name, each a list of its parts; ``rcode`` or ``silent`` where it does not answer."""

    port: int = 0
    records: dict[str, list[list[str]]] = field(default_factory=dict)
    rcode: dns.rcode.Rcode | None = None
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """For the setting dns_servers."""
        return f"127.0.0.1:{self.port}"

    def answer(self, data: bytes) -> bytes | None:
        """The answer to a question."""
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text().rstrip(".").lower()
        self.asked.append(name)
        if self.silent:
            return None
        response = dns.message.make_response(question)
        response.flags |= dns.flags.RA
        if self.rcode is not None:
            response.set_rcode(self.rcode)
        elif name not in self.records:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records[name]:
            texts = [" ".join(f'"{part}"' for part in parts) for parts in self.records[name]]
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *texts))
        return response.to_wire()


class _Server(asyncio.DatagramProtocol):
    def __init__(self, told: Dns) -> None:
        self.told = told

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.told.answer(data)
        if answer is not None:
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def dns_server() -> AsyncIterator[Dns]:
    """On a free port of this machine."""
    told = Dns()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Server(told), local_addr=("127.0.0.1", 0))
    told.port = transport.get_extra_info("sockname")[1]
    try:
        yield told
    finally:
        transport.close()
