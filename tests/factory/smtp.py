"""An SMTP server to test with: it keeps what it accepts, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class Smtp:
    """``refuse`` is what it answers instead, by verb; ``END`` stands for the end of the data, ``HANG`` for no answer."""

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    accepted: Callable[[], None] = lambda: None
    """Called when a mail was taken, before that is answered."""
    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    sessions: int = 0
    hung: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.received]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        sender, recipients = "", list[str]()
        answer = self.refuse.get("CONNECT", "220 ready")
        while True:
            if answer == "HANG":
                self.hung.set()
                await reader.read()
                break
            if answer == "DROP":
                break
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
            line = (await reader.readline()).decode()
            verb = line[:4].strip().upper()
            if verb in ("", "QUIT"):
                break
            answer = self.refuse.get(verb, "250 fine")
            if verb == "MAIL":
                sender, recipients = line.strip(), []
            elif verb == "RCPT" and answer.startswith("250"):
                recipients.append(line.strip())
            elif verb == "DATA" and "DATA" not in self.refuse:
                writer.write(b"354 go on\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                answer = self.refuse.get("END", "250 taken")
                if answer.startswith("250") or answer == "DROP":
                    self.received.append(message_from_bytes(data[:-3].replace(b"\n..", b"\n."), policy=default))
                    self.envelopes.append((sender, recipients))
                    self.accepted()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def smtp_server() -> AsyncIterator[Smtp]:
    """A server on loopback."""
    server = Smtp()
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
