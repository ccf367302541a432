"""What engines make of addresses and pages."""

from __future__ import annotations

import pytest

from app.scans.engine import address, words
from app.scans.engine.document import read
from app.scans.indicator import KINDS
from app.scans.judgement import together


@pytest.mark.parametrize(
    ("url", "least", "most"),
    [
        ("https://www.paypal.com/signin", 0, 5),
        ("http://paypa1.com/login", 70, 100),
        ("http://xn--pypal-4ve.com/", 70, 100),
        ("https://xn--bcher-kva.de/", 0, 5),
        ("http://secure-paypal-login.com/", 70, 100),
        ("https://paypal.com.secure-login.verify-account.xyz/webscr?cmd=_login", 70, 100),
        ("https://login.microsoftonline.com/common/oauth2/authorize?redirect_uri=https://foo.example/", 0, 20),
        ("https://evil.example/invoice.pdf.exe", 70, 100),
        ("https://www.python.org/ftp/python/3.12/python-3.12.exe", 0, 39),
        ("https://bit.ly/abc", 0, 10),
        ("http://127.0.0.1:8081/login", 0, 10),
        ("http://8.8.8.8/", 5, 39),
        ("https://news.example.org/paypal-phishing-login-scam-warning.html", 0, 10),
        ("https://discover.example.com/", 0, 10),
        ("https://finance.yahoo.com/", 0, 5),
    ],
)
def test_addresses(url: str, least: int, most: int) -> None:
    kinds = address.look(url, url).kinds
    assert least <= together(KINDS[kind].weight for kind in kinds) <= most, kinds


def test_text_is_compared_without_disguise() -> None:
    assert words.normal("V\u00e9rifiez\u00a0votre  co\u200bmpte") == "verifiez votre compte"
    text = words.normal("Bitte best\u00e4tigen Sie Ihre Identit\u00e4t")
    assert words.spoken(text) == {"threat": {"bestatigen sie ihre identitat"}}


def test_what_a_script_writes_is_part_of_the_page() -> None:
    page = read(
        b"<script>document.write(atob('PGZvcm0gYWN0aW9uPSIvYSI+PGlucHV0IHR5cGU9InBhc3N3b3JkIj48L2Zvcm0+'))</script>",
        "https://a.example/",
    )
    assert page is not None
    assert page.written_form
    assert [each.type for each in page.fields] == ["password"]
