"""Letters: one for every lawful request, filled in without a trace of the form, safe in a link."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.privacy.deadline import RightsAction
from app.privacy.letter import Words, letters, write
from app.privacy.platform_contact import ContactQuality, PlatformContact, Regime

ONLY = {
    RightsAction.PORTABILITY: Regime.GDPR,
    RightsAction.SALE_OPT_OUT: Regime.CCPA,
    RightsAction.SALE_OPT_IN: Regime.CCPA,
}
LAWFUL = [(regime, action) for regime in Regime for action in RightsAction if ONLY.get(action, regime) is regime]
WORDS = Words("Small Ltd", "Small", "Ada", "ada@example.com", "2026-03-02", "2026-04-02", ["name", "e-mail"], "All of 2025.")
CONTACT = PlatformContact(
    id=UUID(int=1),
    platform_id=UUID(int=2),
    digest=b"",
    regime=Regime.GDPR,
    version=1,
    organization="Small Ltd",
    email="privacy@small.example",
    url="https://small.example/privacy",
    postal_address="1 Small Street",
    required_elements=["name"],
    quality=ContactQuality.IMPORTED,
    verified_at=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_there_is_one_for_every_lawful_request_and_no_other() -> None:
    assert letters().keys() == set(LAWFUL)


@pytest.mark.parametrize(("regime", "action"), LAWFUL)
def test_all_words_are_in_it(regime: Regime, action: RightsAction) -> None:
    letter = write(regime, action, WORDS, CONTACT)
    assert "$" not in letter.subject + letter.body
    for word in ("Small Ltd", "Ada", "ada@example.com", "2026-03-02", "2026-04-02", "- name:", "- e-mail:", "All of 2025."):
        assert word in letter.body, word
    assert (letter.email, letter.url, letter.postal_address) == (CONTACT.email, CONTACT.url, CONTACT.postal_address)
    assert "\n\n\n" not in write(regime, action, replace(WORDS, details=None), CONTACT).body


def test_without_a_contact_it_is_written_all_the_same() -> None:
    letter = write(Regime.GDPR, RightsAction.ACCESS, replace(WORDS, elements=[]), None)
    assert (letter.email, letter.mail_link) == (None, None)
    assert "ada@example.com" in letter.body


@given(st.text(max_size=200), st.text(min_size=1, max_size=200))
def test_what_is_filled_in_stays_text(name: str, details: str) -> None:
    """No placeholder is filled in twice, and no header of the mail can be added."""
    words = replace(WORDS, name=name, details=details)
    letter = write(Regime.GDPR, RightsAction.ACCESS, words, CONTACT)
    assert name in letter.body
    assert details in letter.body
    assert letter.mail_link is not None
    parts = urlsplit(letter.mail_link)
    assert (parts.scheme, unquote(parts.path)) == ("mailto", "privacy@small.example")
    fields = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert fields.keys() == {"subject", "body"}
    assert fields["subject"] == [letter.subject]
    assert fields["body"][0].replace("\r\n", "\n") == letter.body.replace("\r\n", "\n")
    assert not set(letter.mail_link) & set(' \r\n"<>')
