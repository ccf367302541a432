"""Mail: one message to one person, handed to an SMTP server or written to a folder.

What is sent twice after a crash has the same Message-ID, by which mail programs know it again; a folder holds one file of it.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aiosmtplib
from pydantic import SecretStr

from app.kit.errors import SetupError

TIMEOUT = 30.0
"""Seconds that a server may take for each step of the conversation."""
MOST_SUBJECT = 200
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_POLICY = SMTP.clone(cte_type="7bit")  # so that every server takes it


class MailSettings(Protocol):
    """What the operator says of mail, see app/settings.py."""

    smtp_url: SecretStr
    mail_folder: Path | None
    mail_from: str


@dataclass(frozen=True)
class Mail:
    """``id`` names it: the same mail again has the same. ``text`` is plain; its HTML is made from it."""

    id: str
    to: str
    name: str
    subject: str
    text: str


@dataclass(frozen=True)
class Outgoing:
    """Where mail goes: a server, or a folder; ``chosen`` by the operator, or by default."""

    sender: str
    server: str | None = None
    port: int = 0
    user: str | None = None
    password: str | None = None
    tls: bool = False
    folder: Path | None = None
    chosen: bool = True

    def __str__(self) -> str:
        """For people; never the password. Of a relative folder it says whose: others start elsewhere than the worker."""
        if self.folder is not None:
            named = self.folder if self.folder.is_absolute() else f"{self.folder}, below where the worker was started"
            return f"to files in {named}" if self.chosen else f"to files in {named}, and {UNSENT}"
        return f"to {self.server}:{self.port}{' by TLS' if self.tls else ''}{f' as {self.user}' if self.user else ''}"


OUTBOX = Path(".fivefold-mail")
"""Where mail is written while nobody has said where it goes: below the folder that the worker was started in."""
UNSENT = "nobody gets it: set FIVEFOLD_SMTP_URL, or FIVEFOLD_MAIL_FOLDER for a folder of your choice"


class AddressRefused(Exception):
    """No mail can go to this address, now or later."""


def outgoing(settings: MailSettings) -> Outgoing:
    """Where mail goes by the settings: a server, a folder, or else a folder that we choose. Raises SetupError."""
    sender, address = parseaddr(settings.mail_from)[1], settings.smtp_url.get_secret_value()
    if not _ADDRESS.fullmatch(sender) or not settings.mail_from.isprintable():
        raise SetupError("FIVEFOLD_MAIL_FROM is not an address such as Fivefold <no-reply@example.com>")
    if address and settings.mail_folder is not None:
        raise SetupError("FIVEFOLD_SMTP_URL and FIVEFOLD_MAIL_FOLDER are both set: mail goes to one of them")
    if settings.mail_folder is not None:
        return Outgoing(settings.mail_from, folder=settings.mail_folder)
    if not address:
        return Outgoing(settings.mail_from, folder=OUTBOX, chosen=False)
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.query:
        raise SetupError("FIVEFOLD_SMTP_URL is like smtp://user:password@host:587, or smtps:// for TLS from the first byte")
    user, password = (unquote(part) if part else None for part in (url.username, url.password))
    tls = url.scheme == "smtps"
    return Outgoing(settings.mail_from, url.hostname, port or (465 if tls else 587 if user else 25), user, password, tls=tls)


def compose(mail: Mail, sender: str) -> EmailMessage:
    """The message. Whatever a name or a subject holds, it stays in its header. Raises AddressRefused."""
    if not is_address(mail.to):
        raise AddressRefused("this is not an address that mail can be sent to")
    name, address = parseaddr(sender)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(_line(name), addr_spec=address)
    message["To"] = Address(_line(mail.name), addr_spec=mail.to)
    message["Subject"] = _line(mail.subject)[:MOST_SUBJECT]
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    paragraphs = "".join(f"<p>{_markup(paragraph)}</p>\n" for paragraph in mail.text.split("\n\n"))
    message.add_alternative(f"<!doctype html>\n<html><body>\n{paragraphs}</body></html>\n", subtype="html")
    return message


def is_address(text: str) -> bool:
    """Whether mail can be sent there, as far as the form tells."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


def _line(text: str) -> str:
    """One line of characters that can be shown."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _markup(text: str) -> str:
    return html.escape(text.strip("\n")).replace("\n", "<br>\n")


async def send(mail: Mail, to: Outgoing) -> None:
    """Hand it over. Raises AddressRefused, or whatever went wrong: then it was not accepted, as far as can be known."""
    message = compose(mail, to.sender)
    if to.folder is not None:
        await asyncio.to_thread(_write, to.folder, mail.id, message.as_bytes())
        return
    try:
        await _hand_over(message, mail.to, to)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        if all(each.code >= 500 for each in refused.recipients):
            raise AddressRefused("the server takes no mail for this address") from None
        raise


async def _hand_over(message: EmailMessage, recipient: str, to: Outgoing) -> None:
    await aiosmtplib.send(
        message,
        sender=parseaddr(to.sender)[1],
        recipients=[recipient],
        hostname=to.server,
        port=to.port,
        username=to.user,
        password=to.password,
        use_tls=to.tls,
        # A password goes only through TLS; without one, TLS is used where the server offers it.
        start_tls=False if to.tls else True if to.user else None,
        timeout=TIMEOUT,
    )


def _write(folder: Path, name: str, content: bytes) -> None:
    """A whole file or none, once for a mail however often it is sent."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{name}.{uuid4()}"  # two who write the same do not meet
    part.touch(mode=0o600)  # mails hold tokens that open accounts
    part.write_bytes(content)
    os.replace(part, folder / f"{name}.eml")
