"""What a page wants and why it says that it wants it, in any language: grounds are two or three concepts that stand together.

A single word never counts. Who warns of deceit, and who is a government, says the same words and is left alone.
"""

from __future__ import annotations

import re
from functools import cache

from app.scans.engine import guise
from app.scans.engine import host as hosts
from app.scans.engine.address import DROPPERS, deceptive, judge_host
from app.scans.engine.concept import Places, near, places
from app.scans.engine.document import Document
from app.scans.engine.words import DATA, normal

MOST_SEARCHED = 50_000
FEW = 120
"""A page of no more words has room for a pretext and for nothing that would explain a command."""
SHORT = 320
"""A page of more words is no form with a pretext."""
GOVERNMENT = re.compile(
    r"(?:^|\.)(?:(?:gov|mil|gob|gouv|gub|go|gv|admin|nhs|police)\.[a-z]{2}|gov|mil|gouv\.fr|europa\.eu|bund\.de|gc\.ca|admin\.ch)$"
)
PHONE = re.compile(r"(?:\+?\d{1,3}[\s.(-]{0,2})?(?:\(?\d{2,4}\)?[\s.-]){2,4}\d{2,4}\b|\b0?8\d{2}[\s.-]\d{3}[\s.-]\d{4}")
MESSENGER = re.compile(
    r"//(?:t\.me|telegram\.me|wa\.me|api\.whatsapp\.com|chat\.whatsapp\.com)/|^(?:whatsapp|tg):", re.I | re.M
)
FREE_MAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:gmail|yahoo|outlook|hotmail|proton|protonmail|yandex|mail|aol|gmx|tutanota)\.[a-z.]{2,6}",
    re.I,
)
COIN = re.compile(r"\b(?:bc1[a-z0-9]{25,60}|[13][a-km-zA-HJ-NP-Z1-9]{25,34}|0x[0-9a-fA-F]{40}|T[A-Za-z1-9]{33})\b")
PERCENT = re.compile(r"(?:\b|-)(?:8[5-9]|9[0-9])\s?%")


def _patterns() -> tuple[dict[str, re.Pattern[str]], dict[str, tuple[str, ...]]]:
    found: dict[str, list[str]] = {}
    marks: dict[str, list[str]] = {}
    section = ""
    for line in (DATA / "patterns.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:-1].replace(" ", "").isalpha():
            section = line[1:-1]
        elif line and not line.startswith("#"):
            before, arrow, pattern = line.partition(" => ")
            found.setdefault(section, []).append(pattern if arrow else line)
            marks.setdefault(section, []).extend(each.strip() for each in before.split("|") if arrow)
    return {name: re.compile("|".join(several)) for name, several in found.items()}, {
        name: tuple(several) for name, several in marks.items()
    }


TURNS, _MARKS = _patterns()
"""Of the curated file, by name."""
PASTING = _MARKS["paste"]
"""One of these is in whatever the pattern for pasting matches: looking for them costs a tenth."""
CARD_SHOPS = hosts.named("gift card shops")
MESSENGERS = frozenset(("whatsapp", "telegram", "signal", "viber", "zalo", "line", "wechat"))
_CARD_CODE = re.compile(r"code|\bpin\b|number|nummer|numero|kod\b|codigo|codice|номер|код|番号|卡号|رقم")
PACKAGE = re.compile(r"\.apk(?:$|[?#])", re.I | re.M)
FILES = re.compile(r"\.(?:exe|scr|msi|apk|bat|cmd|vbs|hta|ps1|jar|pkg|dmg|iso|img|lnk|msix|zip|rar|7z)(?:$|[?#])", re.I | re.M)
DISGUISED = re.compile(
    r"\.(?:pdf|docx?|xlsx?|pptx?|jpe?g|png|txt|mp4|zip)[\s_]*\.(?:exe|scr|com|pif|js|jse|vbs|vbe|hta|lnk|bat|cmd|iso|img|ps1|msi|wsf|url)(?:$|[?#])"
    r"|\.(?:scr|pif|hta|lnk|vbe|jse|wsf)(?:$|[?#])|^(?:file|search-ms|ms-appinstaller|ms-msdt|ms-search):|^\\\\\\\\",
    re.I | re.M,
)
LISTING = re.compile(r"^index of\b", re.I)
KIT_FILES = re.compile(
    r"/(?:[\w.-]{0,60}(?:office|o365|paypal|chase|wells|dhl|netflix|apple|amazon|bank|outlook|onedrive|webmail|adobe|facebook|instagram|usps|scampage|scama)[\w.-]{0,60}\.(?:zip|rar)"
    r"|(?:shell|c99|r57|wso|alfa|b374k|mini|up|uploader|mailer|leaf|leafmailer|antibots?|rezult|results?|vu|logs?|victims?)\.(?:php|txt|html))$",
    re.I | re.M,
)
ODD_HOST = frozenset(
    ("FREE_HOSTING", "TUNNEL_OR_DYNAMIC_HOST", "SUSPICIOUS_TLD", "IP_HOST", "RANDOM_LABEL", "LURE_WORDS_IN_HOST")
)
"""What a host may be like that gives no reason for trust."""
_BRAND_HOSTS = frozenset(("BRAND_IN_HOST", "BRAND_WITH_WEAK_LURE_IN_HOST", "BRAND_WITH_LURE_IN_HOST", "BRAND_LOOKALIKE"))
FORM_SERVICES = hosts.named("form services")
"""Where anybody sets up a form in minutes, and nobody his log-in."""


def look(page: Document, host: str, secrets: set[str], password: bool, kinds: set[str]) -> None:
    """Adds what the page's words amount to, beside what it asks for."""
    if hosts.below(host, hosts.brand_domains()) and not hosts.below(host, hosts.FREE_HOSTS):
        return
    card = "card" in secrets and bool(secrets & {"cvv", "expiry", "pin"})
    asks = password or bool(secrets & {"card", "cvv", "pin", "ssn", "otp", "account", "seed"})
    spelled = judge_host(host)
    _offers(page, kinds)
    _framed(page, host, kinds)
    if spelled & _BRAND_HOSTS and page.fields and page.length <= SHORT and TURNS["pairing"].search(page.text):
        named = page.words & MESSENGERS and any(name in host for name in MESSENGERS)
        if named and _phones(page, secrets):
            kinds.add("MESSENGER_CODE")
    if asks:
        _odd_place(page, host, spelled, secrets, password, kinds)
    if not page.length:
        return
    found = page.concepts
    _spam(page, found, host, kinds)
    if warns(page, asks) or GOVERNMENT.search(host):
        return
    if page.length <= SHORT:
        if asks:
            _pretexts(page, found, secrets, password, card, spelled, kinds)
        _parcels(page, found, card, asks, kinds)
        _promises(page, found, card, kinds)
        _alarms(page, found, kinds)
        _onward(page, found, host, asks, kinds)
    if commanded(page):
        kinds.add("RUN_COMMAND_LURE")


@cache
def _bank_names() -> tuple[str, ...]:
    """Names in whose lists people look for their bank: of all brands, since banks are not marked."""
    return tuple(name for name, owners in hosts.brand_names().items() if len(name) >= 3)


def warns(page: Document, asks: bool) -> bool:
    """Whether the page speaks about deceit: in its title, or again and again, and without wanting what deceivers want."""
    found = page.concepts
    told = found.get("deceit", ())
    if asks:
        return bool(told) or "never" in found
    if not told and "fake" not in found:
        return False
    head = places(head) if (head := normal(" ".join((page.title, *page.headings[:4])))) else {}
    if not told and "fake" not in head:
        return False
    if COIN.search(page.raw_text[:20_000]) or FREE_MAIL.search(page.raw_text[:20_000]):
        return len(told) >= 4
    return len(told) >= 2 or "deceit" in head or "fake" in head


def _phones(page: Document, secrets: set[str]) -> bool:
    """Whether the page asks for a telephone's number."""
    return "phone" in secrets or any(each.type == "tel" for each in page.fields)


def _odd_place(page: Document, host: str, spelled: frozenset[str], secrets: set[str], password: bool, kinds: set[str]) -> None:
    """Secrets that are asked for where nobody honest asks for them."""
    if spelled & {"BRAND_IN_HOST"} and not guise.unofficial(page):
        kinds.add("BRAND_HOST_ASKS")
    if spelled & ODD_HOST and ({"card", "cvv"} <= secrets or (password and secrets & {"pin", "ssn"})):
        kinds.add("CARD_ON_ODD_HOST")
    if password and spelled & (ODD_HOST - {"IP_HOST"}):
        kinds.add("PASSWORD_ON_ODD_HOST")
    phones = _phones(page, secrets)
    if "pin" in secrets and phones:
        kinds.add("PIN_WITH_PHONE")
    if "otp" in secrets and "telegram" in page.words and (password or any(each.type == "tel" for each in page.fields)):
        kinds.add("MESSENGER_CODE")
    targets = {hosts.host_of(form.action) for form in page.forms}
    if hosts.below(host, FORM_SERVICES) or any(hosts.below(each, FORM_SERVICES) for each in targets):
        if password or secrets & {"card", "pin", "ssn", "otp", "seed"}:
            kinds.add("SECRETS_IN_FORM_SERVICE")
    elif password or secrets & {"card", "pin", "seed"}:
        for form in page.forms:
            target = hosts.host_of(form.action)
            if (
                target
                and hosts.registered(target) != hosts.registered(host)
                and (hosts.below(target, hosts.FREE_HOSTS) or hosts.below(target, hosts.DYNAMIC_HOSTS) or "hook" in form.action)
                and form.fields
            ):
                kinds.add("SECRETS_TO_FREE_HOST")


def _pretexts(
    page: Document, found: Places, secrets: set[str], password: bool, card: bool, spelled: frozenset[str], kinds: set[str]
) -> None:
    """Why secrets are wanted: an account in danger, a full mailbox, a document, a refund, a fine."""
    pressed = near(found, "blocked", "today", 8) or (
        "urgent" in found and (re.search(r"\d", page.text) is not None or len(found["urgent"]) >= 2)
    )
    if (near(found, "account", "blocked", 6) or near(found, "service", "blocked", 4)) and ("verify" in found or pressed):
        sure = "verify" in found and pressed
        kinds.add("ACCOUNT_THREATS" if sure else "ACCOUNT_THREAT_SIGNS")
    elif near(found, "account", "verify", 5) and pressed:
        kinds.add("ACCOUNT_THREAT_SIGNS")
    if password and (near(found, "mailbox", "full", 8) or near(found, "mailbox", "blocked", 8)):
        kinds.add("MAILBOX_LURE")
    if (
        password
        and near(found, "document", "view", 6)
        and spelled & {"FREE_HOSTING", "TUNNEL_OR_DYNAMIC_HOST", "SUSPICIOUS_TLD", "RANDOM_LABEL"}
    ):
        kinds.add("DOCUMENT_LURE")
    money = TURNS["amount"].search(page.text) is not None
    strong = card or password or bool(secrets & {"ssn", "pin", "otp", "card"})
    if "trade" in found and not card:
        return
    owed = _owed(found) and strong and (money or card) and not ("trade" in found and password)
    fined = "toll" in found and card and ("urgent" in found or money) and "trade" not in found
    if (
        (owed and (card or secrets & {"card", "pin", "ssn"}))
        or fined
        or (card and money and "receive" in found and "trade" not in found)
    ):
        kinds.add("REFUND_LURE")
    elif owed or (password and money and "receive" in found and "trade" not in found):
        kinds.add("REFUND_SIGNS")
    if card and TURNS["age"].search(page.text):
        kinds.add("AGE_BY_CARD")
    if (
        (password or "pin" in secrets)
        and page.options
        and sum(f"\n{name}" in f"\n{page.options}" for name in _bank_names()) >= 3
    ):
        kinds.add("BANK_CHOICE")


def _owed(found: Places) -> bool:
    """Whether money is owed to the visitor, and not only the rules of a shop for giving it back are linked."""
    paid = found.get("payout", ())
    return any(not near({"payout": [place], "policy": found.get("policy", [])}, "payout", "policy", 2) for place in paid)


def _parcels(page: Document, found: Places, card: bool, asks: bool, kinds: set[str]) -> None:
    held = near(found, "parcel", "held", 7)
    fee = "fee" in found and (near(found, "parcel", "fee", 14) or held)
    if ((held or (fee and "trade" not in found)) and fee and (card or asks) and "fulfil" in found) or (held and card):
        kinds.add("PARCEL_LURE")
    elif held and (fee or "verify" in found) and any(len(form.fields) >= 2 for form in page.forms):
        kinds.add("PARCEL_SIGNS")


def _denied(found: Places, name: str) -> bool:
    """Whether a word of refusal stands just before the concept, as in: not guaranteed."""
    return any(0 < at - no <= 2 for at in found.get(name, ()) for no in found.get("no", ()))


def _promises(page: Document, found: Places, card: bool, kinds: set[str]) -> None:
    """Prizes and riches."""
    links = page.all_links
    acts = bool(page.fields or page.script or page.refresh or any(hosts.host_of(link) for link in page.links[:60]))
    if near(found, "prize", "congratulations", 16) and near(found, "prize", "you", 5):
        more = card or "bait" in found or "share" in found or "urgent" in found or TURNS["amount"].search(page.text) is not None
        kinds.add("PRIZE_SCAM" if more and (acts or "survey" in found or "fee" in found) else "PRIZE_SIGNS")
    elif "prize" in found and "share" in found and "survey" in found and "whatsapp:" in links.lower():
        kinds.add("PRIZE_SCAM")
    elif near(found, "prize", "you", 5) and "PASSWORD_ON_ODD_HOST" in kinds:
        kinds.add("PRIZE_SIGNS")
    signs = 0
    if near(found, "profit", "guarantee", 8) and not _denied(found, "guarantee"):
        signs += 1
    amount = TURNS["amount"].search(page.text) is not None or "%" in page.text
    if amount and near(found, "profit", "daily", 7):
        signs += 1
    if near(found, "no", "risk", 3) and "profit" in found:
        signs += 1
    if amount and "deposit" in found and "profit" in found:
        signs += 1
    contact = bool(MESSENGER.search(links))
    if contact and "profit" in found and "daily" in found and amount:
        signs += 2
    if (
        signs >= 2
        and (page.fields or contact or (signs >= 3 and acts))
        and not ("risk" in found and not near(found, "no", "risk", 3))
    ):
        kinds.add("INVESTMENT_SCAM")
    elif signs >= 2:
        kinds.add("INVESTMENT_SIGNS")


def _alarms(page: Document, found: Places, kinds: set[str]) -> None:
    """Computers that are said to be infected."""
    if not near(found, "infected", "device", 7):
        return
    script = f"{page.script} {page.handlers}"
    traps = re.search(
        r"requestFullscreen|onbeforeunload|beforeunload|autoplay|(?:alert|confirm)\s*\(|pushState|keyboard\.lock", script
    )
    phone = PHONE.search(page.text) is not None and ("call" in found or "urgent" in found)
    counted = TURNS["counted"].search(page.text) is not None
    if not traps and not counted and is_site(page):
        return  # somebody who repairs computers
    if (phone and (counted or traps or "urgent" in found or near(found, "call", "urgent", 6))) or (counted and traps):
        kinds.add("SUPPORT_SCAM")
    elif phone or counted or traps:
        kinds.add("SUPPORT_SCAM_SIGNS")
    if counted and ("urgent" in found or near(found, "account", "blocked", 6)):
        kinds.add("SUPPORT_SCAM")


def is_site(page: Document) -> bool:
    """Whether the page stands among others of its site: what is set up to deceive is one page, as a rule."""
    home = hosts.registered(hosts.host_of(page.address))
    own = {link.partition("#")[0] for link in page.links[:60] if hosts.registered(hosts.host_of(link)) == home}
    return len(own - {page.address}) >= 3


def _onward(page: Document, found: Places, host: str, asks: bool, kinds: set[str]) -> None:
    """Pages that only lead on: by a link, a picture to scan, a frame, or a call."""
    threat = near(found, "account", "blocked", 6) and ("verify" in found or "urgent" in found)
    lead = [link for link in page.links[:60] if hosts.registered(hosts.host_of(link)) != hosts.registered(host)]
    if (threat or kinds & {"PRIZE_SIGNS", "PRIZE_SCAM", "PARCEL_SIGNS"}) and any(deceptive(link) for link in lead):
        kinds.add("LURES_ONWARD")
    if threat and "qr" in page.words and not asks:
        kinds.add("QR_LURE")
    if "remote" in found and "call" in found and PHONE.search(page.text) and ("payout" in found or "infected" in found):
        kinds.add("SUPPORT_SCAM")
    amount = TURNS["amount"].search(page.text) is not None
    if "remote" in found and "call" in found and "charged" in found and amount and PHONE.search(page.text):
        kinds.add("SUPPORT_SCAM")
    if near(found, "no", "untraceable", 8) or near(found, "only", "untraceable", 8):
        means = {page.first_words[i] for i in found["untraceable"] if i < len(page.first_words)}
        if len(means) >= 2 or "coin" in found:
            kinds.add("UNTRACEABLE_PAYMENT")
    wallets = ("charity" in found or "withdraw" in found) and COIN.search(page.raw_text[:MOST_SEARCHED]) is not None
    if any(near(found, "withdraw", each, 16) for each in ("fee", "tax", "deposit")) and "fulfil" in found:
        pressed = "urgent" in found or near(found, "account", "blocked", 8)
        if pressed and (wallets or MESSENGER.search(page.all_links)):
            kinds.add("ADVANCE_FEE")
    if near(found, "fee", "fulfil", 5) and near(found, "fee", "untraceable", 10) and MESSENGER.search(page.all_links):
        kinds.add("ADVANCE_FEE")
    if "charity" in found and wallets and "iban" not in page.words and found.keys() & {"urgent", "today"}:
        kinds.add("UNTRACEABLE_PAYMENT")
    shops = len(page.words & CARD_SHOPS) >= 2 and TURNS["gift card"].search(page.text) is not None
    if shops and any(_CARD_CODE.search(each.hint) for each in page.fields):
        kinds.add("GIFT_CARD_CODES")
    if (
        "fee" in found
        and found.keys() & {"loan", "coin", "prize"}
        and near(found, "upfront", "fulfil", 5)
        and not _denied(found, "upfront")
    ):
        kinds.add("ADVANCE_FEE")
    told = len({page.first_words[i] for i in found.get("recorded", ()) if i < len(page.first_words)})
    if "coin" in found and told >= 3 and "fulfil" in found and "urgent" in found:
        kinds.add("RANSOM_NOTE")


def _framed(page: Document, host: str, kinds: set[str]) -> None:
    """Pages that are nothing but a frame of what anybody may set up."""
    frames = [each for each in page.frames if hosts.host_of(each.src)]
    if len(frames) != 1 or page.length > 25 or page.fields or page.pictures:
        return
    other = hosts.host_of(frames[0].src)
    if hosts.registered(other) == hosts.registered(host) or hosts.below(other, hosts.COMMON_SERVICES):
        return
    free = any(hosts.below(each, hosts.FREE_HOSTS | hosts.DYNAMIC_HOSTS) for each in (host, other))
    if deceptive(frames[0].src) or (free and not frames[0].hidden):
        kinds.add("FRAMED_ELSEWHERE")


def commanded(page: Document) -> bool:
    """Whether visitors are told to paste a command under a pretext. Manuals show the command and need none."""
    text = page.text
    if page.length > SHORT or not any(word in text for word in PASTING):
        return False
    if not TURNS["paste"].search(text) or not TURNS["run dialog"].search(text):
        return False
    if not TURNS["enter"].search(text) and "clipboard" not in page.script and "execCommand" not in page.script:
        return False
    if TURNS["shown"].search(text) is None:
        return TURNS["pretext"].search(text) is not None
    return page.length <= FEW and TURNS["sure pretext"].search(text) is not None


_SCRIPT_FILE = re.compile(
    r"//([^/\s]{4,100})/\S*(?:[_-](?:setup|update|installer?)[\w.]{0,12}|(?:setup|update|installer)[_-][\w.-]{1,40})\.(?:jse?|vbs|wsf)(?:$|[?#])",
    re.I | re.M,
)
"""Programs that are handed out as scripts, which Windows runs where they are opened."""


def _offers(page: Document, kinds: set[str]) -> None:
    """Programs that are offered under another name, or with the advice to look away."""
    links = page.all_links
    if page.refresh:
        links = f"{links}\n{page.refresh}"
    if not links:
        return
    if DISGUISED.search(links):
        kinds.add("OFFERS_DISGUISED_PROGRAM")
    elif any(mark in links for mark in (".js", ".vbs", ".wsf")):
        owners, known = {match[1].lower() for match in _SCRIPT_FILE.finditer(links)}, hosts.brand_domains()
        if any(not hosts.below(each, known) and not hosts.below(each, hosts.COMMON_SERVICES) for each in owners):
            kinds.add("OFFERS_DISGUISED_PROGRAM")
    if FILES.search(links):
        if TURNS["archive password"].search(page.text[:MOST_SEARCHED]):
            kinds.add("PASSWORDED_ARCHIVE")
        if TURNS["guards off"].search(page.text[:MOST_SEARCHED]):
            kinds.add("WANTS_GUARDS_OFF")
        elif PACKAGE.search(links) and TURNS["strange sources"].search(page.text):
            kinds.add("APP_OUTSIDE_STORE")
    if LISTING.search(page.title) and (
        KIT_FILES.search(links) or sum(DROPPERS.search(link) is not None for link in page.links[:100]) >= 2
    ):
        kinds.add("KIT_IN_LISTING")


def _spam(page: Document, found: Places, host: str, kinds: set[str]) -> None:
    """Goods that nobody sells so, and words that are there for search engines."""
    title = {name for name, at in found.items() if at[0] < 14}
    casino, pills = len(found.get("casino", ())), len(found.get("pills", ()))
    counterfeit, luxury = len(found.get("counterfeit", ())), len(found.get("luxury", ()))
    if (counterfeit >= 1 and (luxury >= 1 or counterfeit >= 3) and "counterfeit" in title and page.length < 1200) or (
        luxury >= 1 and "luxury" in title and PERCENT.search(page.text) and TURNS["cheaper"].search(page.text)
    ):
        kinds.add("COUNTERFEIT_GOODS")
    if (
        pills >= 3
        and near(found, "no", "pills", 12)
        and TURNS["prescription"].search(page.text)
        and not TURNS["prescription needed"].search(page.text)
    ):
        kinds.add("PHARMACY_SPAM")
    if casino >= 12 and casino / page.length > 0.12:
        kinds.add("STUFFED_WORDS")
    if (casino >= 3 or pills >= 2 or counterfeit >= 2) and (
        GOVERNMENT.search(host) or re.search(r"\.(?:edu|ac)(?:\.[a-z]{2})?$", host)
    ):
        kinds.add("STUFFED_WORDS")
    if page.length < 600:
        _prices(page, kinds)


_NUMBER = re.compile(r"\d[\d.,\s]*\d|\d")


def _number(text: str) -> float:
    """A price, whichever of point and comma its cents follow."""
    match = _NUMBER.search(text)
    if match is None:
        return 0.0
    digits = match[0].replace(" ", "")
    cents = re.search(r"[.,](\d{2})$", digits)
    whole = re.sub(r"\D", "", digits[:-3] if cents else digits)
    return float(f"{whole or 0}.{cents[1] if cents else 0}")


def _prices(page: Document, kinds: set[str]) -> None:
    """Everything at a fraction of its price: most of three prices or more fell by five sixths."""
    pairs = [(_number(before), _number(now)) for before, now in page.prices]
    cut = [now / before for before, now in pairs if before > now > 0]
    deep = sum(each <= 0.17 for each in cut)
    if (deep >= 2 and deep >= 0.6 * len(pairs)) or (
        len(pairs) + page.text.count("%") >= 2
        and PERCENT.search(page.text)
        and TURNS["cheaper"].search(page.text)
        and TURNS["sell off"].search(page.text)
    ):
        kinds.add("FAKE_SHOP_SIGNS")
