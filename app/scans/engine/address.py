"""Addresses judged by their spelling alone: it is all there is where a page cannot be fetched."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from urllib.parse import unquote

from app.scans.engine import host as hosts
from app.scans.engine.found import Found, Unchecked

VERSION = "address-3"

LURES = hosts.named("lures")
"""Words of signing in and of urgency, in hosts."""
STRONG_LURES = hosts.named("strong lures")
WEAK_LURES = hosts.named("weak lures")
"""Words that honest hosts have as often."""
CHEAP_TLDS = hosts.named("cheap tlds")
PATH_LURES = hosts.named("path lures")
URGENT_PATH = hosts.named("urgent path")
SCAM_WORDS = hosts.named("scam words")
MALWARE_WORDS = hosts.named("malware words")
PROGRAMS = hosts.named("programs")
DOCUMENTS = hosts.named("documents")
ARCHIVES = hosts.named("archives")
BILLS = hosts.named("bills")
KITS = re.compile(
    r"/wp-(?:content|includes|admin)/(?!plugins/[a-z0-9-]+/assets/)[^?]{0,120}?/?(?:login|signin|sign-in|verify|verification|account|secure|update|bank"
    r"|paypal|apple|office|onedrive|sharepoint|dhl|netflix|outlook|webmail|adobe|docu)[a-z0-9_-]{0,20}(?:\.php|\.html?|/)"
    r"|/\.well-known/(?!acme-challenge|security\.txt|openid|oauth|assetlinks|apple-app|change-password|webfinger|jwks|host-meta|nodeinfo)"
    r"[^?]*\.(?:php|html?)|/(?:cgi-bin|~[a-z0-9]+)/[^?]*(?:webscr|login|signin|verify)"
    r"|[?&]cmd=_(?:login|flow|account|update)|/(?:webscr|ebayisapi\.dll)\b|/(?:signin|login|account|verify)/[0-9a-f]{32}(?:/|$)"
    r"|/(?:myaccount|customer_center|secure-code|customer-idpp)[^/]{0,30}/",
    re.I,
)
UPDATES = re.compile(
    r"(?:chrome|firefox|browser|flash|adobe-?flash|java|edge|teams|zoom)[-_]?(?:update|upgrade|installer|setup)", re.I
)
CRACKS = re.compile(
    r"\b(?:crack(?:ed)?|keygen|warez|activator|kms-?pico|license-key|full-version-free|mod-?apk|free-robux)\b", re.I
)
DROPPERS = re.compile(
    r"/(?:[\w.-]*\.)?(?:mips(?:el)?|mpsl|arm(?:[4-7]|v[4-7]l?)?|x86(?:_64)?|i[3-6]86|ppc|sh4|spc|sparc|m68k|arc|elf|mozi\.[am])$|/[\w.-]{1,24}\.sh$",
    re.I,
)
"""How those who take over small devices name their programs, by the processor."""
REDIRECT_NAMES = re.compile(
    r"[?&](?:url|u|r|redirect|redirect_?ur[il]|redir|next|return|return_?(?:to|url)|returnurl|goto|go|dest|destination|target|link|out"
    r"|continue|rurl|checkout_url|q)=(?:https?(?::|%3a)|//|%2f%2f)([^&]*)",
    re.I,
)
MAIL = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}\.[a-z]{2,}", re.I)
CARRIERS = hosts.named("carriers")
"""How those are called who carry pages of others under their addresses."""
HONEST_NEIGHBORS = hosts.named("honest neighbors")
"""Words that are one letter away from a brand and mean something by themselves."""


@lru_cache(maxsize=1024)
def judge_host(host: str) -> frozenset[str]:
    """What the spelling of a host tells. Remembered: pages name the same hosts again and again."""
    kinds: set[str] = set()
    if hosts.is_ip(host):
        if not hosts.is_private(host):
            kinds.add("IP_HOST")
        return frozenset(kinds)
    seen = hosts.shown(host)
    registered = hosts.shown(hosts.registered(host))
    labels = seen.split(".")
    own, _, tld = registered.partition(".")
    if hosts.below(host, hosts.brand_domains()) and not hosts.below(host, hosts.FREE_HOSTS):
        return frozenset(kinds)
    reserved = host.rpartition(".")[2] in hosts.RESERVED
    suspicious = tld in hosts.SUSPICIOUS_TLDS or host.rpartition(".")[2] in hosts.SUSPICIOUS_TLDS
    if suspicious:
        kinds.add("SUSPICIOUS_TLD")
    if hosts.below(host, hosts.DYNAMIC_HOSTS):
        kinds.add("TUNNEL_OR_DYNAMIC_HOST")
    elif hosts.below(host, hosts.FREE_HOSTS):
        kinds.add("FREE_HOSTING")
    if host in hosts.SHORTENERS or registered in hosts.SHORTENERS:
        kinds.add("SHORTENER")
    before = labels[: max(len(labels) - tld.count(".") - 1, 1)] if "." in registered else labels
    if len(before) > 4:
        kinds.add("MANY_SUBDOMAINS")
    if any(label.count("-") >= 3 and not label.startswith("xn--") for label in before):
        kinds.add("MANY_HYPHENS")
    for label in before:
        if len(hosts.scripts_in(label) - {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "KATAKANA-HIRAGANA"}) > 1:
            kinds.add("MIXED_SCRIPTS_IN_HOST")
    if any(_random(part) for label in before if not label.startswith("xn--") for part in label.split("-")):
        kinds.add("RANDOM_LABEL")
    tokens = [token for label in before for token in hosts.TOKENS.findall(label)]
    words = words_of(tokens)
    lures = {word for word in words if word in LURES}
    strong = {word for word in words if word in STRONG_LURES}
    _brands(host, seen, registered, own, before, tokens, lures, strong, kinds)
    if "BRAND_IN_HOST" in kinds and tld in CHEAP_TLDS:
        kinds.add("BRAND_UNDER_CHEAP_TLD")
    if len(lures) >= 3 or (len(strong) >= 2 and len(lures) >= 2):
        kinds.add("LURE_WORDS_IN_HOST")
    elif strong - WEAK_LURES and not reserved and "-" in own:
        kinds.add("LURE_WORD_IN_HOST")
    if set(tokens) & SCAM_WORDS or len({"free", "gift", "claim", "bonus", "reward", "rewards", "win"} & set(words)) >= 2:
        kinds.add("SCAM_WORDS_IN_ADDRESS")
    if set(tokens) & MALWARE_WORDS:
        kinds.add("MALWARE_WORDS_IN_ADDRESS")
    return frozenset(kinds)


def words_of(tokens: list[str]) -> set[str]:
    """The words, and those that are run together: securelogin is secure and login."""
    found = set(tokens)
    for token in tokens:
        if 8 <= len(token) <= 40 and token not in LURES:
            rest = token
            parts = []
            while rest:
                part = next((rest[:n] for n in range(min(len(rest), 14), 3, -1) if rest[:n] in LURES), "")
                if not part:
                    break
                parts.append(part)
                rest = rest[len(part) :]
            if not rest:
                found.update(parts)
    return found


def _brands(
    host: str,
    seen: str,
    registered: str,
    own: str,
    before: list[str],
    tokens: list[str],
    lures: set[str],
    strong: set[str],
    kinds: set[str],
) -> None:
    words = hosts.brand_words()
    parents = seen[: -len(registered)].rstrip(".") if seen.endswith(registered) else ""
    carried = "SUSPICIOUS_TLD" not in kinds and not set(tokens) & SCAM_WORDS and _carries(registered)
    for domain in _domains_in(parents):
        if carried:
            kinds.add("ADDRESS_CARRIED_IN_HOST")
        elif not hosts.below(host, hosts.brand_words()[domain].domains if domain in words else frozenset((domain,))):
            kinds.add("BRAND_ADDRESS_IN_HOST")
    joined = seen.replace("-", "").replace(".", "")
    for token in {*tokens, *(label.replace("-", "") for label in before)}:
        exact = words.get(token)
        if exact is not None:
            if exact.owns(host):
                return
            if exact.common:
                others = {
                    word for label in before if token in hosts.TOKENS.findall(label) for word in hosts.TOKENS.findall(label)
                }
                if hosts.below(host, hosts.DYNAMIC_HOSTS | hosts.FREE_HOSTS) and others & LURES - {token}:
                    kinds.add("BRAND_WITH_WEAK_LURE_IN_HOST")
                if token != own and (others | set(parents.split("."))) & (strong - WEAK_LURES) and len(lures) > 0:
                    kinds.add("BRAND_WITH_LURE_IN_HOST" if len(lures - {token}) > 1 else "BRAND_IN_HOST")
                continue
            if lures - WEAK_LURES - {token} or len(lures - {token}) >= 2:
                kinds.add("BRAND_WITH_LURE_IN_HOST")
            else:
                kinds.add("BRAND_WITH_WEAK_LURE_IN_HOST" if lures - {token} else "BRAND_IN_HOST")
            continue
        if len(token) < 5:
            continue
        looks = _skeletons().get(hosts.skeleton(token))
        if looks is not None and looks.word != token and len(looks.word) >= 5 and token not in HONEST_NEIGHBORS:
            if not looks.owns(host):
                kinds.add("BRAND_LOOKALIKE")
            continue
        if len(token) >= 6 and token not in HONEST_NEIGHBORS:
            for word, brand in _neighbors(token):
                if token != word and hosts.one_apart(token, word) and not brand.owns(host):
                    kinds.add("BRAND_LOOKALIKE" if strong - WEAK_LURES else "BRAND_MISSPELLED")
                    break
            else:
                if _twice_apart(token, host):
                    kinds.add("BRAND_LOOKALIKE")
    # Run together with other words: paypalsecurelogin, secure-paypai-login was found above.
    for word, brand in _long_words():
        if word in joined and not brand.owns(host) and not any(token == word for token in tokens):
            inside = next((token for token in tokens if word in token), "")
            rest = inside.replace(word, "", 1)
            if inside and (rest in LURES or any(lure in rest for lure in STRONG_LURES) or strong):
                kinds.add("BRAND_WITH_LURE_IN_HOST")
            elif inside and len(rest) <= 12:
                kinds.add("BRAND_IN_HOST")
    for token in tokens:
        if len(token) > 7:
            shape = hosts.skeleton(token)
            for word, brand in _long_skeletons():
                if word in shape and len(token) > len(word) and brand.word not in token and not brand.owns(host):
                    kinds.add("BRAND_LOOKALIKE")
    if kinds & {"BRAND_WITH_LURE_IN_HOST", "BRAND_LOOKALIKE"}:
        kinds -= {"BRAND_IN_HOST", "BRAND_WITH_WEAK_LURE_IN_HOST"}
    elif "BRAND_WITH_WEAK_LURE_IN_HOST" in kinds:
        kinds.discard("BRAND_IN_HOST")


def _carries(registered: str) -> bool:
    """Whether a registered name says that others' addresses stand before it, and nothing of signing in."""
    own, _, tld = registered.partition(".")
    tokens = hosts.TOKENS.findall(own)
    return (
        tld not in CHEAP_TLDS
        and not words_of(tokens) & LURES
        and any(word in CARRIERS or word.endswith(("hosting", "hoster", "mirror", "mirrors", "proxy")) for word in tokens)
    )


@lru_cache(maxsize=1)
def _skeletons() -> dict[str, hosts.Brand]:
    return {hosts.skeleton(word): brand for word, brand in hosts.brand_words().items() if len(word) >= 5}


@lru_cache(maxsize=1)
def _long_words() -> tuple[tuple[str, hosts.Brand], ...]:
    return tuple((word, brand) for word, brand in hosts.brand_words().items() if len(word) >= 6 and not brand.common)


@lru_cache(maxsize=1)
def _long_skeletons() -> tuple[tuple[str, hosts.Brand], ...]:
    return tuple((word, brand) for word, brand in _skeletons().items() if len(word) >= 7 and not brand.common)


def _without(word: str) -> set[str]:
    """The word, and all that is left of it without one letter: words one apart share one of these."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


@lru_cache(maxsize=1)
def _by_neighbor() -> dict[str, list[tuple[str, hosts.Brand]]]:
    found: dict[str, list[tuple[str, hosts.Brand]]] = {}
    for word, brand in _long_words():
        for each in _without(word):
            found.setdefault(each, []).append((word, brand))
    return found


def _neighbors(token: str) -> list[tuple[str, hosts.Brand]]:
    """Brands that may be one letter away, in the order of the file."""
    if len(token) > 24:
        return []
    known = _by_neighbor()
    return list(dict.fromkeys(pair for each in _without(token) for pair in known.get(each, ())))


@lru_cache(maxsize=1)
def _long_shapes() -> dict[str, list[tuple[str, hosts.Brand]]]:
    found: dict[str, list[tuple[str, hosts.Brand]]] = {}
    for shape, brand in _long_skeletons():
        if len(shape) >= 10:
            found.setdefault(shape[:2], []).append((shape, brand))
    return found


def _twice_apart(token: str, host: str) -> bool:
    """Whether a long brand is spelled with look-alike letters and one more letter wrong."""
    if not 9 <= len(token) <= 24:
        return False
    shape = hosts.skeleton(token)
    return any(
        hosts.one_apart(shape, other) and not brand.owns(host) and brand.word.replace("-", "") not in token
        for other, brand in _long_shapes().get(shape[:2], ())
    )


def _domains_in(parents: str) -> set[str]:
    """Addresses of brands that stand before what was registered, as in paypal.com.example.net or paypal-com.example.net."""
    labels = parents.replace("-", ".").split(".") if parents else []
    return {
        ".".join(labels[i:j])
        for i in range(len(labels))
        for j in range(i + 2, min(i + 4, len(labels)) + 1)
        if ".".join(labels[i:j]) in hosts.brand_domains()
    }


def _random(label: str) -> bool:
    """Whether a label looks generated: long, and its letters follow no language."""
    if not label.isascii() or label.startswith("xn--"):
        return False
    plain = label
    if len(plain) < 12 or plain.isdigit():
        return False
    digits = sum(c.isdigit() for c in plain)
    vowels = sum(c in "aeiouy" for c in plain)
    length = len(plain)
    entropy = -sum(n / length * math.log2(n / length) for n in Counter(plain).values())
    turns = sum(a.isdigit() != b.isdigit() for a, b in pairwise(plain))
    runs = max((len(run) for run in re.findall(r"[bcdfghjklmnpqrstvwxz]+", plain)), default=0)
    return (
        (digits >= 3 and turns >= 4 and entropy > 3) or (vowels / length < 0.2 and entropy > 2.8) or (runs >= 6 and entropy > 3)
    )


def judge_path(address: str, host: str, kinds: set[str]) -> None:
    """What follows the host."""
    parts = hosts.split(address)
    if parts is None:
        kinds.add("ENCODED_ADDRESS")
        return
    path, query = unquote(parts.path), parts.query
    lower = path.lower()
    owned = hosts.below(host, hosts.brand_domains())
    if len(address) > 220:
        kinds.add("LONG_ADDRESS")
    if address.count("%") > 12 and not re.search(r"%[c-f][0-9a-f]", address, re.I):
        kinds.add("ENCODED_ADDRESS")
    if parts.port not in (None, 80, 443, 8080, 8443) and not hosts.is_private(host):
        kinds.add("ODD_PORT")
    if "@" in parts.netloc:
        kinds.add("USER_INFO")
    name = lower.rsplit("/", 1)[-1]
    _files(name, kinds)
    if hosts.is_ip(host) and not hosts.is_private(host) and DROPPERS.search(lower):
        kinds.add("DROPPER_PATH")
    tokens = set(hosts.TOKENS.findall(lower.replace("_", "-")))
    lures = tokens & PATH_LURES
    if (len(lures) >= 3 or len(lures & URGENT_PATH) >= 2) and not owned:
        kinds.add("LURE_WORDS_IN_PATH")
    if KITS.search(path if not query else f"{path}?{query}") and not owned:
        kinds.add("KIT_PATH")
    if not owned:
        _brands_in_path(lower, tokens, host, kinds)
    if UPDATES.search(name) and (name.rpartition(".")[2] in PROGRAMS or name.endswith(".zip")) and not owned:
        kinds.add("DOWNLOAD_LURE_IN_ADDRESS")
    if CRACKS.search(lower.replace("_", "-")) and not owned:
        kinds.add("DOWNLOAD_LURE_IN_ADDRESS")
    if tokens & SCAM_WORDS and tokens & {
        "claim",
        "free",
        "win",
        "winner",
        "reward",
        "bonus",
        "prize",
        "now",
        "index",
        "double",
    }:
        kinds.add("SCAM_WORDS_IN_ADDRESS")
    if (
        tokens & (MALWARE_WORDS - {"miner", "malware", "trojan", "ransomware"})
        and name.rpartition(".")[2] in PROGRAMS | ARCHIVES
    ):
        kinds.add("MALWARE_WORDS_IN_ADDRESS")
    if query:
        if (found := REDIRECT_NAMES.search("?" + query)) is not None:
            target = hosts.host_of("http://" + unquote(found[1]).lstrip("/"))
            if target and hosts.registered(target) != hosts.registered(host):
                kinds.add("REDIRECT_PARAMETER")
                if judge_host(target) & DECEPTIVE:
                    kinds.add("OPEN_REDIRECT_USED")
        if MAIL.search(query) and lures:
            kinds.add("ADDRESS_OF_PERSON")


def _brands_in_path(lower: str, tokens: set[str], host: str, kinds: set[str]) -> None:
    words = hosts.brand_words()
    for segment in lower.split("/"):
        if "." in segment and segment.removeprefix("www.") in hosts.brand_domains() and lower.split("/", 2)[1] == segment:
            kinds.add("BRAND_ADDRESS_IN_PATH")
    # Headlines name brands as well: only short segments count.
    short = {
        token
        for segment in lower.split("/")
        if len(found := hosts.TOKENS.findall(segment.replace("_", "-"))) <= 4
        for token in found
    }
    tokens = tokens & short
    named = [words[token] for token in tokens if token in words and not words[token].common and not words[token].owns(host)]
    if named and hosts.below(host, hosts.FREE_HOSTS) and re.search(r"/(?!index\.)[\w-]+\.html?$", lower) and tokens:
        last = set(hosts.TOKENS.findall(lower.rsplit("/", 1)[-1].replace("_", "-")))
        if len(last) <= 4 and any(brand.word in last for brand in named):
            kinds.add("BRAND_IN_PATH_OF_FREE_HOST")
    strong = {
        "verify",
        "verification",
        "webscr",
        "suspended",
        "unlock",
        "confirm",
        "validate",
        "secure",
        "signin",
        "login",
        "logon",
        "signon",
        "update",
    }
    if hosts.is_ip(host) and not hosts.is_private(host):
        named = [words[token] for token in tokens if token in words]
    if named and tokens & strong and re.search(r"\.php|\.html?$|/$|cmd=", lower):
        kinds.add("BRAND_WITH_LURE_IN_PATH")


def _files(name: str, kinds: set[str]) -> None:
    stem, dot, ending = name.rpartition(".")
    if not dot:
        return
    if ending in PROGRAMS - {"com", "js"}:
        kinds.add("EXECUTABLE_ADDRESS")
        inner = stem.rstrip(" _").rpartition(".")[2] if "." in stem else ""
        if inner in DOCUMENTS - {"html", "htm", "zip", "txt"} or "  " in name:
            kinds.add("DOUBLE_EXTENSION")
    elif ending == "js" and stem.rpartition(".")[2] in {"pdf", "doc", "docx", "xls", "xlsx"}:
        kinds.add("DOUBLE_EXTENSION")
    if ending in ARCHIVES | PROGRAMS - {"com", "js"} and set(hosts.TOKENS.findall(stem.replace("_", "-"))) & BILLS:
        kinds.add("ARCHIVE_LURE")


DECEPTIVE = frozenset(
    {
        "BRAND_LOOKALIKE",
        "BRAND_MISSPELLED",
        "BRAND_ADDRESS_IN_HOST",
        "BRAND_WITH_LURE_IN_HOST",
        "BRAND_WITH_WEAK_LURE_IN_HOST",
        "MIXED_SCRIPTS_IN_HOST",
        "LURE_WORDS_IN_HOST",
        "SUSPICIOUS_TLD",
        "IP_HOST",
        "SCAM_WORDS_IN_ADDRESS",
        "MALWARE_WORDS_IN_ADDRESS",
        "TUNNEL_OR_DYNAMIC_HOST",
        "RANDOM_LABEL",
        "DOUBLE_EXTENSION",
    }
)
"""What makes a host deceptive where another page names it: any that weighs something by itself."""


def deceptive(address: str) -> bool:
    """Whether an address that a page names would be suspicious by itself."""
    host = hosts.host_of(address)
    return bool(host) and bool(judge_host(host) & DECEPTIVE)


def look(address: str, final: str) -> Found:
    """The address that was asked for and the one that answered. Hosts in between are nobody's guilt."""
    found = Found()
    for each in dict.fromkeys((address, final)):
        host = hosts.host_of(each)
        if not host:
            continue
        found.kinds |= judge_host(host)
        judge_path(each, host, found.kinds)
        if hosts.is_private(host):
            found.unchecked = [Unchecked.HOST_NOT_PUBLIC]
    return found
