"""Mail: to a server that may refuse, hang or break off, or to a folder; no text gets out of its place."""

from __future__ import annotations

import asyncio
import stat
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit import mail as kit
from app.kit.errors import SetupError
from app.kit.mail import AddressRefused, Mail, Outgoing, compose, outgoing, send
from app.settings import Settings
from tests.factory.smtp import Smtp, smtp_server

SENDER = "Fivefold <no-reply@example.com>"
HELLO = Mail("notification-1", "ada@example.org", "Ada", "Hello", "One <b>\nTwo & three\n\nFour")


def settings(**given: Any) -> Settings:
    return Settings(**({"mail_from": SENDER} | given))


def to(server: Smtp) -> Outgoing:
    found = outgoing(settings(smtp_url=server.url))
    assert found is not None
    return found


def read(message: EmailMessage) -> EmailMessage:
    """As it arrives."""
    return message_from_bytes(message.as_bytes(), policy=default)


def parts(message: EmailMessage) -> tuple[str, ...]:
    plain, markup = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert markup is not None
    return tuple(part.get_content().replace("\r\n", "\n") for part in (plain, markup))


async def test_a_mail_arrives_in_text_and_html() -> None:
    async with smtp_server() as server:
        await send(HELLO, to(server))
    (message,) = server.received
    assert server.envelopes == [("MAIL FROM:<no-reply@example.com>", ["RCPT TO:<ada@example.org>"])]
    assert (message["From"], message["To"], message["Subject"]) == (SENDER, "Ada <ada@example.org>", "Hello")
    assert message["Message-ID"] == "<notification-1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    plain, markup = parts(message)
    assert plain == "One <b>\nTwo & three\n\nFour\n"
    assert "<p>One &lt;b&gt;<br>\nTwo &amp; three</p>\n<p>Four</p>" in markup


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("CONNECT", "554 go away"),
        ("CONNECT", "DROP"),
        ("EHLO", "DROP"),
        ("MAIL", "451 later"),
        ("MAIL", "550 never"),
        ("RCPT", "450 grey-listed"),
        ("DATA", "554 no"),
        ("END", "452 full"),
        ("END", "nonsense"),
    ],
)
async def test_what_is_refused_is_not_sent(verb: str, answer: str) -> None:
    async with smtp_server() as server:
        server.refuse[verb] = answer
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send(HELLO, to(server))
        assert server.received == []


async def test_a_person_whom_the_server_does_not_know_is_not_tried_again() -> None:
    async with smtp_server() as server:
        server.refuse["RCPT"] = "550 no such person"
        with pytest.raises(AddressRefused):
            await send(HELLO, to(server))
        assert server.received == []


async def test_a_server_that_breaks_off_after_the_data_may_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can know: it counts as not sent, and the next attempt has the same Message-ID."""
    async with smtp_server() as server:
        server.refuse["END"] = "DROP"
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send(HELLO, to(server))
        server.refuse.clear()
        await send(HELLO, to(server))
    assert server.ids == ["<notification-1@example.com>"] * 2


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "RCPT", "END"])
async def test_a_server_that_hangs_is_given_up(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "TIMEOUT", 0.2)
    async with smtp_server() as server:
        server.refuse[verb] = "HANG"
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send(HELLO, to(server))
        assert server.hung.is_set()


async def test_what_comes_after_the_server_has_taken_it_does_not_matter() -> None:
    async with smtp_server() as server:
        server.refuse["QUIT"] = "DROP"
        await send(HELLO, to(server))
    assert len(server.received) == 1


async def test_a_password_goes_through_tls_or_not_at_all() -> None:
    async with smtp_server() as server:
        found = outgoing(settings(smtp_url=f"smtp://ada:secret@127.0.0.1:{server.port}"))
        assert found is not None
        with pytest.raises(aiosmtplib.SMTPException):
            await send(HELLO, found)
        assert server.received == []


async def test_nobody_listens() -> None:
    with pytest.raises((aiosmtplib.SMTPException, OSError)):
        await send(HELLO, Outgoing(SENDER, "127.0.0.1", 1))


async def test_a_folder_holds_each_mail_once(tmp_path: Path) -> None:
    found = outgoing(settings(mail_folder=tmp_path / "mail"))
    assert found is not None
    await asyncio.gather(*(send(HELLO, found) for _ in range(20)))
    await send(Mail("notification-2", *list(vars(HELLO).values())[1:]), found)
    assert sorted(path.name for path in (tmp_path / "mail").iterdir()) == ["notification-1.eml", "notification-2.eml"]
    message = message_from_bytes((tmp_path / "mail" / "notification-1.eml").read_bytes(), policy=default)
    assert message["Subject"] == "Hello"


# Nothing gets out of its place

texts = st.text(st.characters(codec="utf-8"), max_size=300)


@given(name=texts, subject=texts, text=texts)
def test_no_text_makes_a_header_or_markup(name: str, subject: str, text: str) -> None:
    message = read(compose(Mail("n", "ada@example.org", name, subject, text), SENDER))
    assert sorted(set(message.keys())) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip
    assert len(message.keys()) == 8
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.org"]
    assert all(len(line) <= 998 for line in message.as_bytes().splitlines())
    markup = parts(message)[1]
    assert markup.count("<") == markup.replace("<p>", "").count("<") + markup.count("<p>")
    for tag in ("<!doctype html>", "<html>", "</html>", "<body>", "</body>", "<p>", "</p>", "<br>"):
        markup = markup.replace(tag, "")
    assert "<" not in markup


@pytest.mark.parametrize(
    "header", ["Hello\r\nBcc: eve@example.org", "Hello\nBcc: eve@example.org", "Hello\r\n\r\nBody", "Hello\u2028Bcc: eve", "\0"]
)
async def test_a_line_break_in_a_header_is_none(header: str) -> None:
    async with smtp_server() as server:
        await send(Mail("n", "ada@example.org", header, header, "text"), to(server))
    (message,) = server.received
    assert message["Bcc"] is None
    assert server.envelopes[0][1] == ["RCPT TO:<ada@example.org>"]
    assert message["Subject"] == " ".join(header.replace("\0", " ").split())


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@example.org, eve@example.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org>\r\nRCPT TO:<eve@example.org",
        "<ada@example.org>",
        "ada @example.org",
        "\u00e4da@example.org",
        "ada@ex\u00e4mple.org",
        "a" * 65 + "@example.org",
        "ada@" + "a." * 130 + "org",
    ],
)
async def test_only_one_plain_address(address: str) -> None:
    async with smtp_server() as server:
        with pytest.raises(AddressRefused):
            await send(Mail("n", address, "Ada", "Hello", "text"), to(server))
        assert server.sessions == 0


# Settings


def test_by_default_mail_goes_to_files_and_says_that_nobody_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = outgoing(Settings())
    assert found.folder is not None
    assert found.folder.absolute() == tmp_path / ".fivefold-mail"
    assert str(found).startswith("to files in .fivefold-mail, below where the worker was started, and nobody gets it")
    assert outgoing(Settings(mail_folder=tmp_path)).chosen
    assert str(outgoing(Settings(mail_folder=tmp_path))) == f"to files in {tmp_path}"
    assert str(outgoing(Settings(mail_folder=Path("out")))) == "to files in out, below where the worker was started"


async def test_mail_in_files_is_for_the_operator_alone(tmp_path: Path) -> None:
    """It holds tokens that open accounts."""
    folder = tmp_path / "mail"
    await send(Mail("n", "ada@example.com", "Ada", "Hello", "text"), outgoing(settings(mail_folder=folder)))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())] == [0o700, 0o600]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("smtp://mail.example.com", "to mail.example.com:25"),
        ("smtp://ada:p%40ss@mail.example.com", "to mail.example.com:587 as ada"),
        ("smtps://ada:hush-hush@mail.example.com", "to mail.example.com:465 by TLS as ada"),
        ("smtp://[::1]:2525", "to ::1:2525"),
    ],
)
def test_where_it_goes_is_told_without_the_password(url: str, told: str) -> None:
    given_ = settings(smtp_url=url)
    found = outgoing(given_)
    assert str(found) == told
    for secret in ("hush-hush", "p%40ss", "p@ss"):
        assert secret not in str(found) + str(given_) + repr(given_)
    assert found is not None
    assert found.password in (None, "hush-hush", "p@ss")


@pytest.mark.parametrize(
    "given_",
    [
        {"smtp_url": "mail.example.com"},
        {"smtp_url": "http://mail.example.com"},
        {"smtp_url": "smtp://"},
        {"smtp_url": "smtp://host:port"},
        {"smtp_url": "smtp://host:99999"},
        {"smtp_url": "smtp://host/path"},
        {"smtp_url": "smtp://host?x=1"},
        {"smtp_url": "smtp://[::1"},
        {"smtp_url": "smtp://host", "mail_folder": Path("mail")},
        {"mail_from": "nobody"},
        {"mail_from": "A <a@b>\r\nBcc: eve@example.org <c>"},
    ],
)
def test_wrong_settings_are_told(given_: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match=r"FIVEFOLD_(SMTP_URL|MAIL_FROM)"):
        outgoing(settings(**given_))
