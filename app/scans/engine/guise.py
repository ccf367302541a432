"""Guises that need no list of brands: names that a page gives itself and its host only imitates, looks that were taken from
another site, and ways to an account that need no password, such as codes for devices and consents.
"""

from __future__ import annotations

import re
from itertools import islice
from urllib.parse import parse_qs, unquote

from app.scans.engine import host as hosts
from app.scans.engine.address import CHEAP_TLDS, LURES, WEAK_LURES, judge_host, words_of
from app.scans.engine.document import Document
from app.scans.engine.words import normal, split_words

SHORT = 320
MOST_ELEMENTS = 3_000
_DEVICE = re.compile(
    r"//(?:(?:www\.)?(?:login\.)?microsoft(?:online)?\.com/(?:[\w.-]{1,40}/)?(?:oauth2/)?device(?:login|auth)?|aka\.ms/devicelogin"
    r"|(?:www\.|accounts\.)?google\.com/device|github\.com/login/device|login\.live\.com/oauth20_remoteconnect)",
    re.I,
)
_CODE = re.compile(r"(?<![\w-])(?=[A-Z0-9-]{0,9}[A-Z])(?:[A-Z0-9]{3,5}-[A-Z0-9]{3,5}|[A-Z0-9]{8,9})(?![\w-])")
_CONSENT = re.compile(
    r"^https?://(?:login\.microsoftonline\.com|login\.live\.com|accounts\.google\.com|login\.windows\.net)/\S{0,80}(?:authorize|oauth|auth)\S{0,20}\?(\S+)",
    re.I,
)
_SCOPES = re.compile(
    r"\b(?:mail|files|sites|contacts|notes|calendars|mailboxsettings|imap|smtp)\.|full_access|auth/(?:gmail|drive|contacts)|mail\.google",
    re.I,
)
_MANUAL = re.compile(r"\baz login|gh auth|gcloud |docker |curl |--use-device-code|npm |sudo ")
_SHOWN_ADDRESS = re.compile(r"https?://((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,12})(?![\w.-])")
_BAR = re.compile(r"(?:url|address|location|domain|browser|window|title)[-_]?(?:bar|name|path|field|text)\b", re.I)
_UNOFFICIAL = re.compile(
    r"unofficial|(?:not|nor|in no way) (?:be )?(?:affiliated|associated|endorsed|sponsored)|fan ?(?:site|project|page|wiki)\b"
    r"|inoffiziell|nicht verbunden mit|non officiel|no oficial|nao oficial|non ufficiale|niet officieel"
    r"|nieoficjaln|неофициальн|非公式|非官方|비공식"
)
_NO_NAMES = hosts.named("no names")


def unofficial(page: Document) -> bool:
    """Whether the page says that it is not whom it speaks of."""
    return _UNOFFICIAL.search(page.text) is not None


def look(page: Document, host: str, asks: bool, kinds: set[str]) -> None:
    """Adds what is found. ``asks``: whether the page wants secrets."""
    if hosts.below(host, hosts.brand_domains()) and not hosts.below(host, hosts.FREE_HOSTS):
        return
    if page.length <= SHORT:
        _grants(page, host, kinds)
        if "://" in page.text:
            _window(page, host, asks, kinds)
    # Test names are judged as any; a network's own names tell nothing of who made them.
    if asks and (not hosts.is_private(host) or host.rpartition(".")[2] in ("example", "test")):
        _named_like_it(page, host, kinds)
        _taken(page, host, kinds)


def _grants(page: Document, host: str, kinds: set[str]) -> None:
    links = page.all_links
    if (
        ("device" in links or "remoteconnect" in links)
        and _DEVICE.search(links)
        and (_CODE.search(page.raw_text) or "clipboard" in page.script or "execCommand" in page.script)
        and not _MANUAL.search(page.text)
    ):
        kinds.add("DEVICE_CODE_LURE")
    if "authorize" not in links and "oauth" not in links:
        return
    for link in page.links[:100]:
        asked = _CONSENT.match(link)
        if asked is None:
            continue
        given = parse_qs(asked[1][:2000])
        back = hosts.host_of(unquote(given.get("redirect_uri", [""])[0]))
        if not back or not _SCOPES.search(" ".join(given.get("scope", []))):
            continue
        away = hosts.registered(back) != hosts.registered(host)
        if (away and not hosts.below(back, hosts.brand_domains())) or judge_host(host) - {"MANY_HYPHENS", "LURE_WORD_IN_HOST"}:
            kinds.add("CONSENT_LURE")


def _window(page: Document, host: str, asks: bool, kinds: set[str]) -> None:
    """A drawn window of a browser, with the address of a brand in its bar."""
    if not (asks or page.frames or page.script):
        return
    shown = {match[1] for match in islice(_SHOWN_ADDRESS.finditer(page.text), 20)}
    if not any(hosts.below(each, hosts.brand_domains()) and hosts.registered(each) != hosts.registered(host) for each in shown):
        return
    for root in page.roots:
        for element in islice(root.iter("div", "span", "p", "header", "section"), MOST_ELEMENTS):
            named = f"{element.get('id') or ''} {element.get('class') or ''}"
            if len(named) > 4 and _BAR.search(named[:300]) and "://" in "".join(islice(element.itertext(), 12)):
                kinds.add("DRAWN_BROWSER")
                return


def names_of(page: Document) -> set[str]:
    """Words by which the page calls itself: of its title, its own names, and what its first pictures are called."""
    told = " ".join((page.title, *page.site_names[:3], *page.picture_names[:3]))
    return {word for word in split_words(normal(told)[:400]) if len(word) >= 4 and word not in _NO_NAMES and word not in LURES}


def _named_like_it(page: Document, host: str, kinds: set[str]) -> None:
    """Hosts made of the name that the page bears and of words of signing in, where nothing is known of who owns them."""
    own, _, tld = hosts.shown(hosts.registered(host)).partition(".")
    tokens = hosts.TOKENS.findall(own)
    names = names_of(page)
    before = set(hosts.TOKENS.findall(host.removesuffix(hosts.registered(host))))
    if before & names and tokens and all(words_of([each]) & LURES for each in tokens):
        if words_of(tokens) & LURES - WEAK_LURES:
            kinds.add("NAME_WITH_LURE_IN_HOST")
        return
    if len(tokens) < 2 and len(own) < 12:
        return
    called = {token for token in tokens if any(token.startswith(name) or name == token for name in names)}
    rest = [token for token in tokens if token not in called]
    if not called and len(tokens) == 1:
        name = next((each for each in sorted(names, key=len, reverse=True) if own.startswith(each)), "")
        called, rest = ({name}, [own.removeprefix(name)]) if name else (set(), [])
    if not called or not rest:
        return
    lures = {word for word in words_of(rest) if word in LURES} | {_lure_of(each) for each in rest} - {""}
    foreign = any(len(each) > 3 and not each.isdigit() and not words_of([each]) & LURES and not _lure_of(each) for each in rest)
    if foreign or not lures:
        return
    cheap = tld in CHEAP_TLDS or tld in hosts.SUSPICIOUS_TLDS
    if len(lures) >= 2 or (lures - WEAK_LURES and cheap):
        kinds.add("NAME_WITH_LURE_IN_HOST")
    elif lures - WEAK_LURES:
        kinds.add("NAME_WITH_WORD_IN_HOST")


def _lure_of(word: str) -> str:
    """The word of signing in that a compound begins with, as German ones do: sicherheitsverfahren."""
    if words_of([word]) & LURES:
        return ""
    return next((word[:n] for n in range(len(word) - 1, 6, -1) if word[:n] in LURES), "")


def _taken(page: Document, host: str, kinds: set[str]) -> None:
    """Pages that were saved from another site, or show its icon and logo under a name of their own."""
    home = hosts.registered(host)
    source = hosts.host_of(page.saved_from if "//" in page.saved_from else f"//{page.saved_from}") if page.saved_from else ""
    if source and hosts.registered(source) != home and not _akin(source, host):
        kinds.add("SAVED_PAGE")
        return
    places = [hosts.host_of(each) for each in (page.canonical, *page.icons[:3], *page.pictures[:4])]
    others = {
        hosts.registered(each)
        for each in places
        if each and hosts.registered(each) != home and not hosts.below(each, hosts.COMMON_SERVICES | hosts.FREE_HOSTS)
    }
    if not others or any(each and hosts.registered(each) == home for each in places):
        return
    names = names_of(page)
    label = host.partition(".")[0]
    tenant = any(name in label for name in names) and not judge_host(host) & {
        "FREE_HOSTING",
        "SUSPICIOUS_TLD",
        "LURE_WORDS_IN_HOST",
    }
    if tenant and label != home.partition(".")[0]:
        return  # a firm's own corner on a host of many firms
    for other in others:
        word = other.partition(".")[0].replace("-", "")
        if not _akin(other, host) and any(
            word.startswith(name[:8]) or name.startswith(word) for name in names if len(word) >= 4
        ):
            targets = {hosts.registered(hosts.host_of(form.action)) for form in page.forms}
            if other not in targets:
                kinds.add("LOOK_OF_OTHER_SITE")


def _akin(a: str, b: str) -> bool:
    """Whether two hosts may be one owner's: one is called as the other is, and by nothing more than that."""
    one, other = (hosts.registered(each).partition(".")[0].replace("-", "") for each in (a, b))
    return one == other or not hosts.owners(a).isdisjoint(hosts.owners(b))
