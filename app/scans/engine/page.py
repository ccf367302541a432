"""What a page asks for, in whose name, and how it talks: judged in memory."""

from __future__ import annotations

import re
from functools import cache
from itertools import islice

from app.scans.engine import guise, lure
from app.scans.engine import host as hosts
from app.scans.engine.address import DECEPTIVE, deceptive, judge_host
from app.scans.engine.concept import near
from app.scans.engine.document import MOST_COUNTED, Document, Field, Form
from app.scans.engine.words import BREAKS, DATA, lines, normal, theme, watch

VERSION = "page-3"

MOST_HOSTS = 200
"""So many hosts of links to programs are looked at."""
LONG = MOST_COUNTED
"""A page of so many words is an article and not a form: its words count for less."""


def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found: dict[str, list[str]] = {}
    for section, line in lines("fields.txt"):
        if section.startswith("field "):
            found.setdefault(section.removeprefix("field "), []).append(line)
    return tuple((name, re.compile("|".join(several))) for name, several in found.items())


PROVIDERS = hosts.named("providers")
SECRETS = _patterns()
PHONE = re.compile(
    r"(?:\+?1[\s.(-]*)?(?:\(?8(?:00|33|44|55|66|77|88)\)?)[\s.)-]*\d{3}[\s.-]*\d{2}[\s.-]*\d{2}|\+\d{1,3}[\s.(-]*\d{2,4}[\s.)-]*\d{3}[\s.-]*\d{2,4}|\b0(?:800|808|50|120)[\s.-]*\d{2,4}[\s.-]*\d{2,4}"
)
COIN = re.compile(
    r"\b(?:bc1[a-z0-9]{25,60}|[13][a-km-zA-HJ-NP-Z1-9]{25,34}|0x[0-9a-fA-F]{40}|T[A-Za-z1-9]{33}|r[0-9a-zA-Z]{24,34})\b"
)
DEAD = frozenset(("#", "", "javascript:void(0)", "javascript:;", "javascript:void(0);", "javascript:"))
KIT_TARGET = re.compile(
    r"(?:^|/)(?:next|post|send|mail|result|results|verify|gate|action|submit|finish|processing|complete|data|save|log|logs|connect|sender|mailer|rezult|rez|info|snd|to|telegram|tele|panel|step\d|otp|pass|password|check|checklogin|validate|authentication|login_submit|auth1|1|2|3)\.php(?:$|\?)",
    re.I,
)
PROGRAM = re.compile(r"\.(?:exe|scr|msi|apk|bat|cmd|vbs|hta|ps1|jar|pkg|dmg|iso|img|lnk|msix|jse|wsf)(?:$|[?#])", re.I | re.M)
DOWNLOAD = re.compile(
    r"\.(?:exe|scr|msi|apk|bat|cmd|vbs|hta|ps1|jar|pkg|dmg|iso|img|lnk|msix|jse|wsf|zip|rar|7z|js)(?:$|[?#])", re.I | re.M
)


def look(page: Document, final: str) -> set[str]:
    """Kinds of what the page itself shows."""
    kinds: set[str] = set()
    host = hosts.host_of(final)
    secrets, password = _secrets(page)
    asks = password or bool(secrets & {"card", "cvv", "pin", "ssn", "otp", "account", "seed"})
    count = page.length
    article = count > LONG
    _forms(page, host, final, secrets, password, kinds)
    _brand(page, host, asks, password, article, kinds)
    _structure(page, host, final, asks, kinds)
    _talk(page, secrets, password, asks, article, host, kinds)
    _letters(page, kinds)
    lure.look(page, host, secrets, password, kinds)
    guise.look(page, host, asks, kinds)
    if page.unseen and _INSTRUCTIONS.search(page.unseen):
        kinds.add("SPEAKS_TO_MODELS_UNSEEN")
    elif speaks_to_models(page):
        kinds.add("SPEAKS_TO_MODELS")
    return kinds


def _secrets(page: Document) -> tuple[set[str], bool]:
    found: set[str] = set()
    password = False
    for each in page.fields:
        if each.type == "password":
            password = True
            if re.search(r"\bcvv|\bcvc|\bpin\b", each.hint):
                found.add("cvv" if "pin" not in each.hint else "pin")
        elif re.search(
            r"passw|contrasen|mot de passe|passwort|senha|пароль|密码|パスワード|\bpwd\b|\bpsw\b", each.hint
        ) and each.type in ("text", "textarea"):
            password = True
        if each.type in ("search", "file"):
            continue
        found |= asked(each)
    return found, password


def _of_form(form: Form) -> bool:
    """Whether a form asks for what nobody else should get."""
    return any(each.type == "password" or _names(each, ("card", "cvv", "pin", "ssn", "seed")) for each in form.fields)


def _names(each: Field, wanted: tuple[str, ...]) -> bool:
    return not asked(each).isdisjoint(wanted)


def asked(each: Field) -> frozenset[str]:
    """Which secrets an input's hint names. Looked for once: a field may stand in many forms."""
    if each.asks is None:
        each.asks = frozenset(name for name, pattern in SECRETS if pattern.search(each.hint))
    return each.asks


def _forms(page: Document, host: str, final: str, secrets: set[str], password: bool, kinds: set[str]) -> None:
    local = hosts.is_local(host)
    encrypted = final[:6].lower() == "https:"
    for form in page.forms:
        if not _of_form(form):
            continue
        action = form.action.lower()
        target = hosts.host_of(form.action)
        if action.startswith("mailto:"):
            kinds.add("SECRETS_BY_MAIL")
        elif action.startswith(("data:", "javascript:", "blob:")) and not action.startswith(
            ("javascript:void", "javascript:;")
        ):
            kinds.add("ODD_FORM_TARGET" if action.startswith("javascript:") else "SECRETS_TO_DATA")
        elif target and target != host:
            if hosts.below(target, hosts.COLLECTORS):
                kinds.add("SECRETS_TO_COLLECTOR")
            elif hosts.is_ip(target) and not hosts.is_private(target):
                kinds.add("SECRETS_TO_IP")
            elif deceptive(form.action):
                kinds.add("SECRETS_TO_SUSPICIOUS_HOST")
            elif hosts.below(target, PROVIDERS):
                pass
            elif (not _together(host, target) and not hosts.below(target, hosts.brand_domains()) and not local) or (
                local and not hosts.is_private(target) and not _at_home(page, target)
            ):
                kinds.add("PASSWORD_TO_OTHER_SITE")
        if encrypted and action.startswith("http:"):
            kinds.add("PASSWORD_OVER_HTTP")
        if KIT_TARGET.search(form.raw):
            kinds.add("KIT_FORM_TARGET")
    if not encrypted and password and not local:
        kinds.add("PASSWORD_WITHOUT_TLS")
    if "card" in secrets and ("cvv" in secrets or "expiry" in secrets):
        kinds.add("CARD_FIELDS")
        if password and any(
            any(f.type == "password" and not re.search(r"cvv|cvc|pin", f.hint) for f in form.fields)
            and any(_names(f, ("card",)) for f in form.fields)
            for form in page.forms
        ):
            kinds.add("CARD_WITH_LOGIN")
    if {"pin", "otp"} <= secrets and "account" not in secrets:
        kinds.add("PIN_WITH_CODE")
    if "card" in secrets and "pin" in secrets:
        kinds.add("CARD_PIN_FIELD")
    heavy = secrets & {"card", "pin", "ssn", "maiden", "license", "account", "cvv"}
    if (
        len(heavy - {"cvv"}) + bool(password) + ("birth" in secrets) >= 4
        or {"ssn", "card"} <= secrets
        or {"maiden", "card"} <= secrets
    ):
        kinds.add("MANY_SECRETS")
    _seeds(page, secrets, kinds)


def _together(a: str, b: str) -> bool:
    """Whether two hosts are likely one owner's: the same registered name, or one brand, or one word under two endings."""
    first, second = hosts.registered(a), hosts.registered(b)
    if first == second:
        return True
    if not hosts.owners(a).isdisjoint(hosts.owners(b)):
        return True
    one, other = first.partition(".")[0], second.partition(".")[0]
    return len(one) >= 4 and len(other) >= 4 and (one == other or one in other or other in one)


def _at_home(page: Document, target: str) -> bool:
    """Whether a page that is tried on a machine of one's own speaks of the target as its own site."""
    home = hosts.registered(target)
    own = sum(hosts.registered(hosts.host_of(link)) == home for link in page.links if hosts.host_of(link))
    return own >= 2


def _seeds(page: Document, secrets: set[str], kinds: set[str]) -> None:
    told = page.spoken.get("seed", set())
    texts = [each for each in page.fields if each.type in ("text", "textarea", "password", "")]
    named = [each for each in texts if _names(each, ("seed",))]
    words = len(texts) in (12, 15, 18, 24, 25) or len(named) >= 10
    numbered = sum(re.search(r"(?:^|\D)\d{1,2}\.?\s*$", each.hint.strip()) is not None for each in texts) >= 10
    if (
        (told and (words or any(each.type == "textarea" for each in named)))
        or (told and named and "seed" in secrets and page.length < LONG)
        or (told and any(each.type == "textarea" for each in texts) and page.length < 200 and page.spoken.get("wallet"))
        or len(named) >= 12
        or (numbered and words and ("coin" in page.concepts or "wallet" in page.words or "words" in page.words))
        or (any(each.type == "textarea" for each in named) and page.spoken.get("wallet") and page.length < LONG)
    ):
        kinds.add("SEED_PHRASE_REQUEST")


# In whose name

_COPYRIGHT = re.compile(
    r"(?:©|\(c\)|copyright)\s*(?:©|\(c\))?\s*(?:19|20)?\d{0,2}\s*(?:[-\u2013]\s*\d{4})?\s*([^.|,\n]{2,40})", re.I
)
_SPLIT = re.compile(r"\s[-\u2013\u2014|:·\u00bb\u203a]+\s|[|:·\u00bb\u203a\u2013\u2014]+|\s{2,}")
_SIGN_IN_AT = re.compile(
    r"\b(?:sign|log)[\s-]?(?:in|on)(?:to|\s+to|\s+with)?\s+(?:to\s+)?(?:your\s+|the\s+)?|\b(?:welcome(?:\s+back)?\s+to)\s+|\b(?:your)\s+|\b(?:the)\s+",
    re.I,
)


def _identities(page: Document) -> tuple[set[str], set[str]]:
    """Names that the page gives itself: those of its title and icon text, and those that it carries elsewhere."""
    strong, weak = set(), set()
    for text in (page.title, *page.site_names[:4]):
        strong |= _claimed(text)
    for text in page.headings[:6]:
        strong |= _claimed(text) if page.length < 250 else set()
    few = next(islice((link for link in page.links if link not in DEAD), 7, None), None) is None
    for text in page.picture_names[:12] if few else ():
        plain = normal(text)
        stripped = re.sub(r"\b(?:logo|icon|image|brand|bank|the)\b", "", plain).strip()
        if stripped in hosts.brand_names() and ("logo" in plain or page.length < 150):
            weak.add(stripped)
    tail = normal(page.raw_text[-1500:]) if page.raw_text else ""
    for match in _COPYRIGHT.finditer(tail) if any(mark in tail for mark in ("\u00a9", "(c)", "copyright")) else ():
        weak |= {name for name in _claimed(match[1]) if name}
        owner = re.sub(
            r"\b(?:inc|llc|ltd|corp|corporation|company|co|n\.?a|plc|ag|gmbh|s\.?a|all rights reserved|bank)\b\.?",
            "",
            normal(match[1]),
        ).strip(" .")
        if owner in hosts.brand_names():
            weak.add(owner)
    return strong, weak


def _claimed(text: str) -> set[str]:
    """The brand that a title is in the name of: what is left of a part of it without words that every site uses."""
    names = hosts.brand_names()
    found: set[str] = set()
    plain = normal(text)
    if not plain:
        return found
    for part in (plain, *_SPLIT.split(plain)):
        part = part.strip(" .!:-")
        if not part or len(part) > 90:
            continue
        if part in names:
            found.add(part)
            continue
        if part in hosts.brand_domains():
            found.update(brand.names[0] for brand in hosts.brands() if part in brand.domains)
            continue
        left = [word for word in re.findall(r"[^\s]+", part) if word.strip(".,!?()'\"") not in theme("title words")]
        rest = " ".join(left).strip(".,!?()'\" ")
        rest = rest.removesuffix("'s").removesuffix("®").removesuffix("™").strip()
        if rest in names:
            found.add(rest)
        elif not rest.isascii() and (name := _name_skeletons().get(hosts.spelled(rest))):
            found.add(name)
    return found


_SKELETONS: dict[str, str] = {}


def _name_skeletons() -> dict[str, str]:
    if not _SKELETONS:
        _SKELETONS.update({hosts.skeleton(name): name for name in hosts.brand_names() if len(name) >= 5})
    return _SKELETONS


def _foreign(name: str, host: str) -> bool:
    return not any(brand.owns(host) for brand in hosts.brand_names()[name])


@cache
def _fingerprints() -> tuple[tuple[str, str], ...]:
    lines = (DATA / "fingerprints.txt").read_text(encoding="utf-8").splitlines()
    read = ([part.strip() for part in line.split("|")] for line in lines if line and not line.startswith("#"))
    return tuple((name, normal(said)) for name, *several in read for said in several)


_SELF_HOSTED = {
    "roundcube": r"", "roundcube webmail": r"", "horde": r"", "zimbra": r"", "zimbra web client": r"", "cpanel": r"",
    "wordpress": r"", "gitlab": r"", "atlassian": r"", "bitbucket": r"",
    "outlook": r"/owa/|/ecp/", "outlook web app": r"/owa/|/ecp/", "microsoft": r"/owa/|/adfs/|/certsrv|/rdweb",
    "sharepoint": r"/_layouts/|/_forms/|/adfs/",
}  # fmt: skip
"""Programs that firms run themselves under their makers' names, and the paths by which they are known."""


def _own_installation(name: str, page: Document, host: str) -> bool:
    """Whether a page is likely a firm's own installation: its form stays, and nothing of the host speaks against it."""
    path = _SELF_HOSTED.get(name)
    if path is None or judge_host(host) - {"FREE_HOSTING"} or hosts.below(host, hosts.FREE_HOSTS):
        return False
    if path and re.search(path, page.address, re.I) is None:
        return False
    return all(
        hosts.host_of(form.action) in ("", host) and not KIT_TARGET.search(form.raw) for form in page.forms if _of_form(form)
    )


def _named_as_owner(name: str, page: Document) -> bool:
    """Whether a brand is named as whose account it is, and not as a partner or in a foot."""
    plain = re.escape(name)
    return (
        re.search(
            rf"(?:\b(?:your|ihr\w*|dein\w*|votre|vos|su|tu|sua|seu|tuo|uw|je|twoje\w*|swoje\w*|ваш\w*)\s(?:\w+\s)?{plain}\b)"
            rf"|\b{plain}[\s-](?:account|passwor[dt]|konto|compte|cuenta|conta|hesab\w*|id\b|log ?in|sign|365|support|team)"
            rf"|\b{plain}[\s-](?:e-?mail|аккаунт\w*)"
            rf"|(?:sign|log)\s?(?:in|on)\s(?:to|at)\s{plain}\b",
            page.text,
        )
        is not None
    )


def _brand(page: Document, host: str, asks: bool, password: bool, article: bool, kinds: set[str]) -> None:
    if hosts.below(host, hosts.brand_domains()) and not hosts.below(host, hosts.FREE_HOSTS):
        return
    strong, weak = _identities(page)
    label = hosts.registered(host).partition(".")[0]
    # A site that is called like a brand by chance, as discover.example may be, is itself.
    strong = {name for name in strong if _foreign(name, host) and not _called(name, label)}
    weak = {name for name in weak if _foreign(name, host) and not _called(name, label)}
    strong = {name for name in strong if not _own_installation(name, page, host)}
    weak = {name for name in weak if not _own_installation(name, page, host)}
    if not any(_names(each, ("card",)) for each in page.fields):
        # Whose cards are taken stands on many pages.
        strong, weak = strong - _SCHEMES, weak - _SCHEMES
    if asks and page.length < 320:
        told = f"{page.text} {' '.join(each.hint for each in page.fields)}"
        strong |= {
            name
            for name, said in _fingerprints()
            if said in told and _foreign(name, host) and not _own_installation(name, page, host)
        }
    if strong and page.length < 200 and not lure.is_site(page):
        started = "location" in page.script and re.search(r"location[^;]{0,40}\.(?:exe|msi|apk|dmg|pkg|zip)['\"]", page.script)
        if started:
            kinds.add("PROGRAM_IN_BRANDS_NAME")
    seed = "SEED_PHRASE_REQUEST" in kinds
    if strong and (asks or seed):
        kinds.add("BRAND_CLAIMED" if not article else "BRAND_NAMED_AT_FORM")
    elif weak and asks and not article:
        kinds.add("BRAND_CLAIMED" if page.length < 120 and _only(page, host) else "BRAND_NAMED_AT_FORM")
    elif strong and not article and page.length < 200 and page.fields:
        kinds.add("BRAND_CLAIMED_WITHOUT_FORM")
    elif asks and password and page.length < 90 and not strong:
        named = [name[1:-1] for name in page.spoken.get("brands", ())]
        named = [name for name in named if _foreign(name, host) and not _called(name, label) and name not in _buttons(page)]
        if any(_named_as_owner(name, page) and not _own_installation(name, page, host) for name in named):
            kinds.add("BRAND_NAMED_AT_FORM")
    if password and page.length < 320 and not kinds & {"BRAND_CLAIMED", "BRAND_NAMED_AT_FORM"}:
        for match in islice(lure.TURNS["log in to"].finditer(page.text), 20):
            after = page.text[match.end() : match.end() + 40].translate(_PUNCTUATION).split()
            spoken = {" ".join(after[:n]) for n in (1, 2, 3)} & hosts.brand_names().keys()
            if any(_foreign(name, host) and not _own_installation(name, page, host) for name in spoken):
                kinds.add("BRAND_NAMED_AT_FORM")
    if asks and not kinds & {"BRAND_CLAIMED", "BRAND_NAMED_AT_FORM"} and page.length < 320 and not guise.unofficial(page):
        title = f" {normal(page.title)} "
        for name, owners in hosts.brand_names().items():
            if (
                name in title
                and not owners[0].common
                and (len(name) >= 5 or not name.isascii())
                and (f" {name} " in title.translate(_PUNCTUATION) or not name.isascii())
                and _foreign(name, host)
                and not _own_installation(name, page, host)
                and not re.search(rf"(?:{_BESIDE})\s{re.escape(name)}", title)
            ):
                kinds.add("BRAND_IN_TITLE")
                break
    if asks:
        for icon in page.icons:
            owner = hosts.host_of(icon)
            if (
                owner
                and hosts.below(owner, hosts.brand_domains())
                and not _together(host, owner)
                and not hosts.below(owner, _ICON_SERVICES)
            ):
                kinds.add("BRAND_ICON")
        pictures = dict.fromkeys(hosts.host_of(each) for each in (*page.pictures, *page.styles))
        foreign = [each for each in pictures if each and hosts.below(each, hosts.brand_domains()) and not _together(host, each)]
        foreign = [
            each
            for each in foreign
            if not hosts.below(each, hosts.COMMON_SERVICES) or hosts.registered(each) in _LOGIN_PICTURES
        ]
        if foreign and page.length < LONG:
            kinds.add("BRAND_PICTURES")


watch("brands", (f" {name} " for name, owners in hosts.brand_names().items() if len(name) >= 5 and not owners[0].common))
_SCHEMES = frozenset(("visa", "mastercard", "jcb"))
_BESIDE = "with|via|mit|fur|for|con|avec|para|pour|com|z|ile|uber|without|by"
_PUNCTUATION = str.maketrans(dict.fromkeys("-|:,.!?()®™·/'\"", " "))
_ICON_SERVICES = frozenset(
    (
        "gstatic.com",
        "googleusercontent.com",
        "amazonaws.com",
        "cloudfront.net",
        "wp.com",
        "myshopify.com",
        "shopifycdn.com",
        "wsimg.com",
    )
)
_LOGIN_PICTURES = frozenset(("paypalobjects.com", "live.com", "microsoft.com"))


def _called(name: str, label: str) -> bool:
    """Whether a host's own label is a common word that a brand is called, too."""
    return any(brand.common and label.replace("-", "") == brand.word for brand in hosts.brand_names()[name])


def _only(page: Document, host: str) -> bool:
    """Whether the page speaks of no site of its own."""
    label = hosts.registered(host).partition(".")[0].replace("-", "")
    return len(label) < 4 or label not in page.text.replace(" ", "")


def _buttons(page: Document) -> str:
    """Other ways in, as in: continue with Google."""
    return (
        " ".join(re.findall(r"(?:with|via|using|mit|con|avec|com|через)\s+(\S+(?:\s\S+)?)", page.text))
        + " "
        + " ".join(normal(t) for t in page.link_texts)
    )


# How it is built


def _structure(page: Document, host: str, final: str, asks: bool, kinds: set[str]) -> None:
    local = hosts.is_local(host)
    real = [link for link in page.links if link[:4].lower() == "http"] if asks else []
    if asks and len(page.links) >= 4:
        dead = sum(link.lower() in DEAD for link in page.links)
        if dead >= 4 and dead / len(page.links) >= 0.7:
            kinds.add("DEAD_LINKS")
    if asks and len(real) >= 4:
        counts: dict[str, int] = {}
        for link in real:
            owner = hosts.registered(hosts.host_of(link))
            counts[owner] = counts.get(owner, 0) + 1
        owner, most = max(counts.items(), key=lambda item: item[1])
        if most / len(page.links) >= 0.6 and not _together(host, owner):
            targets = {hosts.registered(hosts.host_of(form.action)) for form in page.forms if _of_form(form)}
            if owner not in targets and (not local or hosts.below(owner, hosts.brand_domains())):
                kinds.add("LINKS_OF_OTHER_SITE")
    for frame in page.frames:
        owner = hosts.host_of(frame.src)
        if not owner or owner == host:
            continue
        if frame.hidden and not hosts.below(owner, hosts.COMMON_SERVICES):
            odd = (
                deceptive(frame.src)
                or (frame.src[:5].lower() == "http:" and page.address[:6].lower() == "https:")
                or (hosts.is_ip(owner) and not hosts.is_private(owner))
                or re.search(r"\.php\?|/gate|/in\.cgi|/tds", frame.src)
            )
            kinds.add("HIDDEN_FRAME_OF_ODD_HOST" if odd else "HIDDEN_FRAME")
        if DOWNLOAD.search(frame.src):
            kinds.add("DOWNLOADS_BY_ITSELF")
    if any(DOWNLOAD.search(frame.src) for frame in page.frames if frame.src):
        kinds.add("DOWNLOADS_BY_ITSELF")
    for source in page.script_sources:
        owner = hosts.host_of(source)
        if source[:5].lower() == "data:":
            kinds.add("SCRIPT_IN_ADDRESS")
        elif owner and owner != host:
            if hosts.is_ip(owner) and not hosts.is_private(owner):
                kinds.add("SCRIPT_OF_IP")
            elif hosts.below(owner, hosts.PASTES):
                kinds.add("SCRIPT_OF_PASTE")
            elif _odd_service(owner):
                kinds.add("SCRIPT_OF_ODD_HOST")
    if page.hidden_links >= 3:
        kinds.add("HIDDEN_LINKS")
    if page.refresh:
        _onward(page.refresh, host, kinds)
    if PROGRAM.search(page.all_links):
        kinds.add("OFFERS_PROGRAM")
        owners = dict.fromkeys(hosts.host_of(link) for link in page.links if PROGRAM.search(link))
        if any(judge_host(owner) & DECEPTIVE for owner in islice(owners, MOST_HOSTS)):
            kinds.add("SENT_TO_ODD_HOST")


DISGUISED = lure.DISGUISED
_ODD_FILE = re.compile(r"\.(?:scr|hta|vbs|vbe|jse?|wsf|bat|cmd|ps1|lnk|iso|img|pif)(?:$|[?#])", re.I)


_OWN_FILE = re.compile(r"\.(?:exe|msi|dmg|pkg|zip|iso|img|apk|jar|msix)(?:$|[?#])", re.I)


def download(target: str, host: str) -> str:
    """The kind of a download that begins by itself. Sites hand out their own programs that way."""
    owner = hosts.host_of(target) or host
    if (
        _OWN_FILE.search(target)
        and hosts.registered(owner) == hosts.registered(host)
        and not hosts.is_ip(host)
        and not hosts.below(host, hosts.FREE_HOSTS)
        and not deceptive(f"https://{host}/")
        and not deceptive(f"https://{owner}/")
        and not DISGUISED.search(target)
    ):
        return "STARTS_DOWNLOAD"
    return "DOWNLOADS_ODD_FILE" if _ODD_FILE.search(target) else "DOWNLOADS_BY_ITSELF"


def _onward(target: str, host: str, kinds: set[str]) -> None:
    lower = target.lower()
    owner = hosts.host_of(target)
    if lower.startswith(("javascript:", "data:")):
        kinds.add("ODD_REDIRECT")
    elif DOWNLOAD.search(target):
        kinds.add(download(target, host))
    elif owner and not _together(owner, host):
        kinds.add(
            "SENT_TO_ODD_HOST" if judge_host(owner) - {"FREE_HOSTING", "SHORTENER", "LURE_WORD_IN_HOST"} else "SENT_ELSEWHERE"
        )


_SERVICE_NAMES = hosts.named("service names")


def _odd_service(owner: str) -> bool:
    """Whether a host of scripts imitates the well-known ones, or is of a kind that honest sites do not load from."""
    if hosts.below(owner, hosts.COMMON_SERVICES):
        return False
    found = judge_host(owner)
    if found & {
        "BRAND_LOOKALIKE",
        "BRAND_MISSPELLED",
        "BRAND_ADDRESS_IN_HOST",
        "BRAND_WITH_LURE_IN_HOST",
        "MALWARE_WORDS_IN_ADDRESS",
    }:
        return True
    if {"SUSPICIOUS_TLD", "RANDOM_LABEL"} <= found or "TUNNEL_OR_DYNAMIC_HOST" in found:
        return True
    own = hosts.registered(owner).partition(".")[0]
    return ("SUSPICIOUS_TLD" in found and any(name in hosts.skeleton(own) or name in own for name in _SERVICE_NAMES)) or any(
        name != own and hosts.skeleton(name) in hosts.skeleton(own) and name not in own for name in _SERVICE_NAMES
    )


# How it talks


def _talk(page: Document, secrets: set[str], password: bool, asks: bool, article: bool, host: str, kinds: set[str]) -> None:
    said = page.spoken
    count = {theme: len(phrases) for theme, phrases in said.items()}
    at = count.get
    card = bool(secrets & {"card", "cvv", "pin", "account", "ssn"})
    short = page.length < LONG
    if hosts.below(host, hosts.brand_domains()) and not hosts.below(host, hosts.FREE_HOSTS):
        return
    about = _about(page) or lure.warns(page, asks)
    if at("threat", 0):
        if asks and short and not about:
            several = count["threat"]
            kinds.add("ACCOUNT_THREATS" if several >= 3 else "ACCOUNT_THREAT" if several == 2 else "ACCOUNT_THREAT_SIGNS")
        elif not article and not about:
            kinds.add("ACCOUNT_THREAT_ALONE")
    if password and short and not about:
        if at("mailbox", 0) >= 2 or (at("mailbox", 0) and at("threat", 0)):
            kinds.add("MAILBOX_LURE")
        if at("document", 0) >= 2 or (
            at("document", 0)
            and said["document"]
            & {
                "select your email provider",
                "choose your email provider",
                "sign in to view",
                "login to view",
                "log in to view",
                "sign in with your email",
                "login with your email",
                "log in with your email",
                "enter your email password",
                "with your email provider",
            }
        ):
            kinds.add("DOCUMENT_LURE")
        few = page.fields if page.length < 90 and "document" in page.concepts else []
        asked_for = any(lure.TURNS["mail password"].search(each.hint) for each in few)
        if asked_for or re.search(
            r"your e-?mail password|e-?mail account password|password of your e-?mail|webmail password", page.text
        ):
            kinds.add("MAIL_PASSWORD_REQUEST")
    if short and (card or password) and not about:
        held = said.get("parcel", set()) & theme("held")
        if (at("parcel", 0) >= 2 and (held or not card)) or (held and card):
            kinds.add("PARCEL_LURE")
        owed = said.get("refund", set()) - _BILLS
        if len(owed) >= 2 or (owed and card):
            kinds.add("REFUND_LURE")
    _scams(page, said, count, short, asks, kinds)


_BILLS = frozenset(("late fee", "late fees", "outstanding balance", "penalty charge", "overpayment"))
"""What stands on honest bills."""
_ARTICLE_WORDS = hosts.named("article words")
watch("about", _ARTICLE_WORDS)


def _about(page: Document) -> bool:
    """Whether the page speaks about deceit, as news and advice do: deceivers do not name it."""
    return page.length > 90 and len(page.spoken.get("about", ())) >= 4 and len(page.words & _ARTICLE_WORDS) >= 4


def _scams(page: Document, said: dict[str, set[str]], count: dict[str, int], short: bool, asks: bool, kinds: set[str]) -> None:
    at = count.get
    if _about(page) or lure.warns(page, asks):
        return
    if short and "shells" in said and (page.fields or said["shells"] & {"uname:"}):
        kinds.add("WEB_SHELL")
    support = at("support", 0)
    # Costly patterns are tried only where phrases made them interesting.
    phone = support > 0 and PHONE.search(page.text) is not None
    traps = support > 0 and re.search(
        r"requestFullscreen|onbeforeunload|autoplay|alert\s*\(|pushState|keyboard\.lock|pointerLock",
        f"{page.script} {page.handlers}",
    )
    if support and (short or phone):
        infected = said.get("support", set()) & theme("danger")
        if support >= 2 and infected and (phone or (support >= 3 and traps)):
            kinds.add("SUPPORT_SCAM")
        elif infected and (support >= 2 or phone):
            kinds.add("SUPPORT_SCAM_SIGNS")
    prizes = at("prize", 0)
    win = said.get("prize", set()) & theme("won")
    if (prizes >= 3 and win and short) or (prizes >= 5 and short):
        kinds.add("PRIZE_SCAM")
    elif prizes >= 2 and win:
        kinds.add("PRIZE_SIGNS")
    giveaway = at("giveaway", 0) or ("coin" in page.concepts and lure.TURNS["doubling"].search(page.text) is not None)
    coin = (giveaway or at("ransom", 0)) and COIN.search(page.raw_text)
    if (giveaway >= 2) or (giveaway and coin):
        kinds.add("CRYPTO_GIVEAWAY")
    invest = at("invest", 0)
    if invest >= 4 or (invest >= 2 and re.search(r"guarantee|garanti|garantiz|гарантир", " ".join(said.get("invest", ())))):
        kinds.add("INVESTMENT_SCAM" if short or invest >= 4 else "INVESTMENT_SIGNS")
    elif invest >= 2:
        kinds.add("INVESTMENT_SIGNS")
    if at("advance", 0) >= 4:
        kinds.add("ADVANCE_FEE")
    ransom = at("ransom", 0)
    if (ransom >= 2 and coin) or ransom >= 3:
        kinds.add("RANSOM_NOTE")
    drops = (at("update", 0) >= 2 or at("cracked", 0) >= 2 or "outdated" in page.concepts) and (
        DOWNLOAD.search(page.all_links) is not None
        or re.search(r"createObjectURL|\.download\s*=|\.(?:exe|msi|zip|js|hta|apk|iso|dmg)['\"]", page.script) is not None
    )
    aged = at("update", 0) >= 2 or (short and near(page.concepts, "browser", "outdated", 8))
    if aged and (drops or "DOWNLOADS_BY_ITSELF" in kinds):
        kinds.add("FAKE_UPDATE")
    run = said.get("command", set())
    steps = len(run & theme("run")), bool(run & theme("paste")), bool(run & {"press enter", "hit enter", "press the enter"})
    if (
        steps[0]
        and steps[1]
        and (steps[2] or short)
        and lure.TURNS["pretext"].search(page.text)
        and not lure.TURNS["shown"].search(page.text)
    ):
        kinds.add("RUN_COMMAND_LURE")
    if (
        at("allow", 0) >= 1 and re.search(r"Notification\.requestPermission|pushManager|serviceWorker|OneSignal", page.script)
    ) or (at("allow", 0) >= 2 and short):
        kinds.add("ALLOW_NOTIFICATIONS_LURE")
    cracked = at("cracked", 0)
    if cracked >= 2:
        kinds.add("CRACKED_SOFTWARE")
        if drops:
            kinds.add(
                "DOWNLOADS_BY_ITSELF"
                if said["cracked"]
                & {
                    "disable your antivirus",
                    "disable antivirus",
                    "turn off antivirus",
                    "turn off your antivirus",
                    "disable windows defender",
                }
                else "OFFERS_PROGRAM"
            )
    if at("pharmacy", 0) >= 3:
        kinds.add("PHARMACY_SPAM")
    shop = at("shop", 0)
    if shop >= 4:
        kinds.add("FAKE_SHOP_SIGNS")
    if at("cure", 0) >= 3 and said["cure"] & theme("cures"):
        kinds.add("MIRACLE_CURE")
    if at("illegal", 0) >= 2:
        kinds.add("ILLEGAL_GOODS")
    if len(said.get("violence", set()) & theme("calls")) >= 2:
        kinds.add("VIOLENT_CALLS")
    if at("adult", 0) >= 3:
        kinds.add("ADULT_WORDS")
    wallet = at("wallet", 0)
    if wallet >= 3 and said["wallet"] & theme("claim"):
        kinds.add("WALLET_LURE")


watch("shells", ("filesman", "c99shell", "r57shell", "b374k", "indoxploit", "p0wny", "weevely", "uname:", "wso 2."))
_INSTRUCTIONS = re.compile(
    r"(?:ignore|disregard|forget|override)\s+(?:(?:all|any|the|your|these|previous|prior|above|earlier)\s+){1,5}"
    r"(?:instructions|prompts?|rules|guidelines|directions|context)"
    r"|(?:you are|act as|as) (?:now |an? ){1,2}(?:ai|language model|assistant|chatbot|llm|(?:url )?scanner|classifier)\b"
    r"|(?:system|developer|assistant)\s?(?:prompt|message|role)\s?:|<\|(?:im_start|system|assistant)\|>|\[/?inst\]"
    r"|(?:ai|llm|language model|scanner|assistant|classifier)s?[,:]? (?:please |must |should |should always )?"
    r"(?:classify|rate|mark|report|score|label|treat|consider) (?:this|the) (?:page|site|url|website)"
    r"|(?:classify|rate|mark|report|treat|label|consider) (?:the|this) (?:page|site|website|url|domain|content)"
    r" as (?:safe|benign|clean|harmless|legitimate|trusted|verified)"
    r"|(?:respond|answer|reply|return|output) (?:only |exactly )?(?:with )?[\"'{]?"
    r"(?:score|verdict|harmless|benign|safe|clean)\b"
)
_ADDRESSED = frozenset(
    (
        "instructions",
        "instruction",
        "prompt",
        "prompts",
        "assistant",
        "language",
        "llm",
        "scanner",
        "classifier",
        "ai",
        "verdict",
    )
)
watch("models", (word if len(word) > 2 else f"{before}{word}" for word in _ADDRESSED for before in BREAKS))


def speaks_to_models(page: Document) -> bool:
    """Whether a page gives orders to language models, where people see it or where they do not."""
    if "models" not in page.spoken:
        return False
    told = _INSTRUCTIONS.search(page.text) or _INSTRUCTIONS.search(f"{page.title} {page.description}".lower())
    return told is not None and not page.words.isdisjoint(_ADDRESSED)


def _letters(page: Document, kinds: set[str]) -> None:
    """Words that are spelled to be read by people and not by programs."""
    raw = f"{page.title} {' '.join(page.headings)} {page.raw_text[:20_000]}"
    if raw.isascii():
        return
    if len(re.findall(r"[a-zA-Z][\u200b\u2060\ufeff\u00ad\u2061-\u2064][a-zA-Z]", raw)) >= 3:
        kinds.add("INVISIBLE_LETTERS")
    mixed = {
        word
        for word in re.findall(
            r"(?<![a-zA-Z])[a-zA-Z]++[\u0370-\u03ff\u0400-\u04ff][^\W\d_]*"
            r"|(?<![\u0370-\u03ff\u0400-\u04ff])[\u0370-\u03ff\u0400-\u04ff]++[a-zA-Z][^\W\d_]*",
            raw,
        )
        if len(word) >= 4
    }
    if len(mixed) >= 2 or any(word in page.title for word in mixed):
        kinds.add("MIXED_SCRIPTS_IN_TEXT")
