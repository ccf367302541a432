"""What is recognized in an address, under which disguises, and what is left to be read."""

import base64
import random
import re
import secrets
import string
import uuid
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.scans.secret import mask_step
from app.scans.url import parse_url

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
SECRETS = {
    "mail": "anna.schmidt+news@example.com",
    "mail without a dot": "root@localhost",
    "jwt": JWT,
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "gitlab": "glpat-abcdefghijklmnopqrst",
    "slack": "xoxb-17653672481-19874698323",
    "stripe": "sk_live_abcdefgh",
    "google": "AIzaSyD-abcdefghijklmnopqrstuvwxyz01234",
    "bot": "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "openai": "sk-proj-a1B2c3D4e5F6g7H8i9J0",
    "uuid": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "card": "4111111111111111",
    "card in groups": "4111-1111-1111-1111",
    "telephone": "+491701234567",
    "telephone in groups": "+49 170 123 45 67",
    "American": "555-123-4567",
    "national": "01701234567",
    "social security": "078-05-1120",
    "iban": "DE89370400440532013000",
    "sha": "9f86d081884c7d659a2feaa0c55ad015",
    "credentials": "password=hunter2",
    "json": '{"email":"x"}',
    "link": "https://example.com/reset?token=abc",
}
DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: quote(text, safe=""),
    "twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every octet": lambda text: "".join(f"%{octet:02x}" for octet in text.encode()),
    "six times": lambda text: quote(text + "%25" + "25" * 6 + "41", safe=""),
    "base64": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 twice": lambda text: base64.urlsafe_b64encode(base64.b64encode(text.encode())).decode().rstrip("="),
    "base32": lambda text: base64.b32encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
}
PLACES = {
    "path": "https://example.com/x/{}/y",
    "last segment": "https://example.com/x/{}",
    "query": "https://example.com/?q={}",
    "second": "https://example.com/?page=2&q={}&lang=en",
    "bare": "https://example.com/?{}",
    "name": "https://example.com/?{}=1",
    "matrix": "https://example.com/a;v={}/b",
    "inside": "https://example.com/?next=https%3A%2F%2Fexample.org%2F{}%2Fz",
    "prefixed": "https://example.com/?q=hello,{}",
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("kind", SECRETS)
def test_masked_wherever_and_however(kind: str, disguise: str) -> None:
    hidden = DISGUISES[disguise](SECRETS[kind])
    for place in PLACES.values():
        url = parse_url(place.format(hidden))
        assert url.has_secrets, place
        assert "***" in url.masked
        assert not [each for each in (hidden, SECRETS[kind], quote(SECRETS[kind], safe="")) if each in url.masked], place
        assert url.masked.startswith("https://example.com/")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://x.example/?token=a&page=2", "https://x.example/?token=***&page=2"),
        ("https://x.example/?access_token=a&accessToken=b&X-Amz-Signature=c", None),
        ("https://x.example/?PHPSESSID=1;user=2", "https://x.example/?PHPSESSID=***;user=***"),
        ("https://x.example/?p%61ssword=a", "https://x.example/?password=***"),
        ("https://x.example/?user[email]=a&firstName=b", "https://x.example/?user[email]=***&firstName=***"),
        ("https://x.example/cart;jsessionid=a/b", "https://x.example/cart;jsessionid=***/b"),
        ("https://x.example/reset-password/abc123", "https://x.example/reset-password/***"),
        ("https://x.example/verify/kQz7", "https://x.example/verify/***"),
        ("https://x.example/token/hello", "https://x.example/token/***"),
        ("https://x.example/invite/summer-party", "https://x.example/invite/summer-party"),
        ("https://hooks.example/services/T0AB/B0CD/x1Yz", "https://hooks.example/services/T0AB/B0CD/x1Yz"),
        ("https://x.example/u/anna.schmidt", "https://x.example/u/anna.schmidt"),
        ("https://d41d8cd98f00b204e980.collect.example/", "https://***.collect.example/"),
        ("https://x.example/?email=", "https://x.example/?email="),
    ],
)
def test_telling_names(text: str, masked: str | None) -> None:
    url = parse_url(text)
    if masked is None:
        assert url.masked.count("***") == 3
    else:
        assert url.masked == masked


@pytest.mark.parametrize(
    "text",
    [
        "https://www.example.com/2024/05/12/technology/artificial-intelligence-hollywood-screenwriters.html",
        "https://en.wikipedia.org/wiki/Internationalization_and_localization",
        "https://github.com/python/cpython/blob/main/Lib/urllib/parse.py",
        "https://secure-paypal-login.example.ru/webscr/update/index.html",
        "https://example.com/auth/login.php?cmd=_login-run&page=2&sort=asc&lang=en-US",
        "https://example.com/how-to-reset-your-password-in-10-easy-steps",
        "https://example.com/products/iphone-15-pro?color=blue&size=128gb",
        "https://example.com/Datenschutzerklaerung/Bundesverfassungsgericht",
        "https://support-verification.s3.us-east-1.amazonaws.com/index.html",
        "https://xn--mnchen-3ya.example/stra%C3%9Fe?q=caf%C3%A9",
        "https://example.com/oauth2/v2.0/authorize?response_type=id",
    ],
)
def test_words_stay(text: str) -> None:
    """What nobody would hide is shown, so that a list of scans can be read."""
    url = parse_url(text)
    assert (url.masked, url.has_secrets) == (url.canonical, False)


ALPHABETS = {
    "base64url": string.ascii_letters + string.digits + "-_",
    "base62": string.ascii_letters + string.digits,
    "base36": string.ascii_lowercase + string.digits,
    "base32": string.ascii_uppercase + "234567",
    "hex": "0123456789abcdef",
}


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_random_parts(alphabet: str) -> None:
    """Of tokens with 100 bits or more hardly one is taken for words: fewer than 1 in 100, of a thousand of each length."""
    draw = random.Random(7)  # noqa: S311 - the same every time
    for length in (22, 26, 32, 43):
        tokens = ["".join(draw.choices(ALPHABETS[alphabet], k=length)) for _ in range(1000)]
        shown = [token for token in tokens if not parse_url(f"https://example.com/{token}").has_secrets]
        assert len(shown) < 10, shown


@given(st.binary(min_size=24, max_size=64), st.sampled_from(sorted(PLACES)))
def test_no_session_is_shown(octets: bytes, place: str) -> None:
    """Under a telling name a value is masked whatever it is."""
    value = octets.hex()
    assert value not in parse_url(PLACES[place].format(value)).masked
    for name in ("session", "sig", "refresh_token"):
        assert value[:9] not in parse_url(f"https://example.com/?{name}={value[:9]}").masked


@given(st.uuids())
def test_no_uuid_is_shown(each: uuid.UUID) -> None:
    for spelling in (str(each), each.hex, each.urn):
        assert spelling not in parse_url(f"https://example.com/f/{spelling}?x={spelling}").masked


@given(st.emails())
def test_no_address_is_shown(address: str) -> None:
    for spelling in (quote(address, safe=""), quote(quote(address, safe=""), safe="")):
        shown = parse_url(f"https://example.com/{spelling}/?q={spelling}&x=1").masked
        assert shown == "https://example.com/***/?q=***&x=1"


def test_what_we_make_ourselves() -> None:
    for _ in range(200):
        token = secrets.token_urlsafe(32)
        assert token not in parse_url(f"https://example.com/join/{token}?t={token}").masked


NEWS = "example.com/news/today?page=2"


@pytest.mark.parametrize(
    ("shown", "asked", "step"),
    [
        (f"https://www.{NEWS}", f"http://{NEWS}", f"https://www.{NEWS}"),
        ("https://example.com/en/login", "https://example.com/", "https://example.com/en/login"),
        ("https://example.com/the/words/of/a/page", "https://example.com/of", "https://example.com/***/***/of/***/***"),
        ("https://example.com/?the=words&of=a", "https://example.com/?of=a", "https://example.com/?***&of=a"),
        ("https://example.com/?words", "https://example.com/", "https://example.com/?***"),
        ("https://example.com/***?token=***", "https://example.com/***?token=***", "https://example.com/***?token=***"),
        ("https://example.com/Login;words=1", "https://example.com/", "https://example.com/***"),
        ("https://example.com/favicon.ico", "***", "https://example.com/favicon.ico"),
        ("http://[2001:db8::1]:8080/", "https://example.com/", "http://[2001:db8::1]:8080/"),
    ],
    ids=range(9),
)
def test_a_server_says_nothing_by_where_it_leads(shown: str, asked: str, step: str) -> None:
    assert mask_step(shown, asked) == step


@given(st.text(alphabet="abcdefghij/?&=;.%", max_size=60))
def test_no_word_of_a_server_is_shown(tail: str) -> None:
    """Unless it was asked for, or many sites have it."""
    shown = mask_step(f"https://example.com/{tail}", "https://example.com/")
    assert not re.search("[a-j]{3}", shown.partition("example.com/")[2])
