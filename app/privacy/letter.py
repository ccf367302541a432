"""Letters: the words of a request to a platform. Sending them is the person's own doing: nothing is sent from here."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from string import Template as Text
from urllib.parse import quote

import strawberry
from pydantic import BaseModel, ConfigDict

from app.privacy.curated import DATA
from app.privacy.deadline import RightsAction
from app.privacy.platform_contact import PlatformContact, Regime

FILE = DATA / "letters.toml"


@strawberry.type(description="A letter to a platform, ready to be sent by the person.")
class RightsLetter:
    """Plain text."""

    email: str | None = strawberry.field(description="Where to; null where the platform wants another way.")
    url: str | None = strawberry.field(description="The platform's form or page for such requests.")
    postal_address: str | None
    subject: str
    body: str
    mail_link: str | None = strawberry.field(
        description="Opens the letter in the person's mail program (RFC 6068); null without an address."
    )


class CuratedLetter(BaseModel):
    """A ``[[letter]]`` of letters.toml."""

    model_config = ConfigDict(extra="forbid")

    regime: Regime
    action: RightsAction
    subject: str
    body: str


class CuratedLetters(BaseModel):
    """letters.toml."""

    model_config = ConfigDict(extra="forbid")

    letter: list[CuratedLetter]


@dataclass(frozen=True)
class Words:
    """What is filled in. ``date`` and ``deadline`` are days."""

    organization: str
    platform: str
    name: str
    email: str
    date: str
    deadline: str
    elements: list[str]
    details: str | None


@cache
def letters() -> dict[tuple[Regime, RightsAction], CuratedLetter]:
    """By law and by what is asked for."""
    found = CuratedLetters.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
    return {(letter.regime, letter.action): letter for letter in found.letter}


def write(regime: Regime, action: RightsAction, words: Words, contact: PlatformContact | None) -> RightsLetter:
    """The letter, addressed to the contact if one is known. What is filled in is text and nothing else."""
    letter = letters()[regime, action]
    filled = {
        "organization": words.organization,
        "platform": words.platform,
        "name": words.name,
        "email": words.email,
        "date": words.date,
        "deadline": words.deadline,
        "elements": "\n".join(f"- {element}:" for element in words.elements)
        or f"- email address of the account: {words.email}",
        "details": f"\n{words.details}\n" if words.details else "",
    }
    subject = letter.subject
    body = Text(letter.body.strip()).substitute(filled)
    email = contact.email if contact else None
    sent = body.replace("\r\n", "\n").replace("\n", "\r\n")
    return RightsLetter(
        email=email,
        url=contact.url if contact else None,
        postal_address=contact.postal_address if contact else None,
        subject=subject,
        body=body,
        mail_link=f"mailto:{quote(email, safe='@')}?subject={quote(subject, safe='')}&body={quote(sent, safe='')}"
        if email
        else None,
    )
