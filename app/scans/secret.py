"""What of an address is nobody else's business: keys, tokens, links for one person, names and numbers of people.

Recognized is what has a known shape, what a telling name stands before, and what no person would have made up; also under
percent-encoding and base64, however often. Where something is recognized the whole part is masked: too much rather than too
little. Whoever asks for more wants ``masked``, which is all that is stored in clear.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import unquote

MASK = "***"
_DEPTH = 4
"""So many layers of encoding are looked under; what has more is masked unseen."""
_MOST_KNOWN = 8192
_KNOWN: dict[int, bool] = {}
"""What was found in texts, by their hash, which is another in each process: the texts themselves are not here."""

_NAMES = frozenset(
    word
    for line in (
        "token tokens tok auth authorization oauth bearer jwt apikey key keys accesskey secret secrets password passwd",
        "passphrase pwd pass pw pin otp totp mfa tfa code cred creds credential credentials session sess sessionid sid",
        "phpsessid jsessionid aspsessionid cfid cftoken cookie csrf xsrf nonce state sig sign signature hmac hash digest",
        "ticket assertion saml samlresponse samlrequest wresult invite invitation activation activate confirm confirmation",
        "verify verification verifier challenge reset magic recovery unsubscribe optout email mail emailaddress recipient",
        "rcpt user username userid uid login account acct customer member subscriber phone telephone tel mobile msisdn cell",
        "fax whatsapp sms ssn nin iban bic card cardnumber pan cc cvv cvc ccv dob birthday birthdate birth firstname lastname",
        "surname fullname givenname address street zip postcode zipcode passport license licence tax vat patient insurance",
        "awsaccesskeyid guid uuid imei fbclid gclid msclkid dclid mc_eid eid client clientid device deviceid access refresh",
        "private credit security",
    )
    for word in line.split()
)
"""Words in the name of a parameter whose value is masked, whatever it is."""
_LINKS = frozenset(
    word
    for line in (
        "reset verify verification confirm confirmation activate activation invite invitation invitations magic magiclink",
        "unsubscribe optout recover recovery share shared sharing join accept login signin auth oauth callback sso link links",
        "webhook webhooks hook hooks password passwords track click redirect download downloads file files document documents",
        "d s u user users account accounts customer customers profile session sessions view preview email mail r",
    )
    for word in line.split()
)
"""Segments before what may be a link for one person: masked where it is more than plain words."""
_HOLDERS = frozenset(
    word
    for word in "token tokens secret secrets apikey key otp pin sid sessionid jwt passwd pwd bot ssn iban".split()  # noqa: SIM905
)
"""Segments before a secret: masked whatever it is."""

_COMMON = frozenset(
    word
    for line in (
        "index.html index.htm index.php index.jsp index.aspx default.aspx favicon.ico favicon.png favicon.svg robots.txt",
        "apple-touch-icon.png login login.php login.html log-in signin sign-in sign_in logout signup sign-up register account",
        "accounts auth oauth oauth2 authorize sso saml user users profile settings dashboard admin wp-admin wp-login.php",
        "wp-content wp-includes home homepage start main welcome m mobile app web blog news shop store cart checkout search",
        "about contact help support faq terms privacy legal cookies consent download downloads docs documentation api v1 v2",
        "v3 static assets public images image img media css js fonts error errors 403 404 500 maintenance blocked captcha",
        "challenge cdn-cgi verify confirm reset password session redirect go link out en en-us en-gb de de-de fr fr-fr es it",
        "pt pt-br nl pl ru ja zh ko tr ar sv da no fi cs hu ro uk us gb ca au",
    )
    for word in line.split()
)
"""Segments of paths that say nothing: so many sites have them."""

_SHAPES = re.compile(
    "|".join(
        (
            r"(?<![^\s@])[^\s@]+@[^\s@/?&=:;,<>()]+",  # an e-mail address, also of a host without dots
            r"(?<![\w.+-])[\w.+-]+(?:%40|\(at\)|\[at\])[\w-]+(?:\.[\w-]+)+",
            r"eyJ[\w-]{8,}",  # JSON in base64: JWT, JWE, and whatever else begins with {"
            r"\b(?:A3T[A-Z0-9]|AKIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}",
            r"\b(?:gh[pousr]_|github_pat_|glpat-|gldt-|glrt-|glsa_|xox[abeprs]-|xapp-|sk_|pk_|rk_|whsec_|ya29\.|1//0|SG\.)\w",
            r"\b(?:sk|pat|key|npm|hf)[-_][\w-]*(?:[0-9][A-Za-z]|[A-Za-z][0-9])[\w-]*[0-9][\w-]{4,}",
            r"\b(?:npm_|pypi-|dop_v1_|doo_v1_|dor_v1_|shp(?:at|ca|pa|ss)_|hf_|hv[sbr]\.|sq0|EAAC|EAAA|AAAA[\w-]{7}:)\w",
            r"\b(?:lin_api_|dapi|fio-|NRAK-|tfp_|AC|SK)[0-9a-f]{16,}",
            r"\b(?:lin_api_|PMAK-|rubygems_|sntrys_|figd_|atlasv1|ATATT|ATCTT|AGE-SECRET-KEY-|AIza|GOCSPX-|ffk_|LTAI|AKCp)\w",
            r"-----BEGIN",
            r"\b\d{6,12}:[\w-]{20,}",  # bots
            r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b",
            r"\b\d{3}-\d{2}-\d{4}\b",  # social security
            r"\b[A-Z]{2}\d{2}[ ]?(?:[A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{1,4}\b",  # IBAN
            r"(?:\+|\b00)[1-9](?:[ ().-]?\d){6,14}",  # telephone, international
            r"(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)",  # and American
            r"(?<!\d)\d(?:[ -]?\d){11,}",  # cards, and whatever else is as long
            r"\b(?:basic|bearer)\s+\S{6,}",
        )
    )
)
_LOOSE = re.compile(r"\b(?:basic|bearer)\s+\S{6,}|\b[a-z]{2}\d{2}[ ]?(?:[a-z0-9]{4}[ ]?){3,7}[a-z0-9]{1,4}\b", re.IGNORECASE)
_PAIR = re.compile(r"""([\w.\[\]-]{1,64})["']?\s*[=:](?=\s*["']?[^&;,"'\s])""")
_SPLIT = re.compile(r"[/?&;#=:,|\s!$'()*<>\"\[\]{}]+")
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_NUMBER = re.compile("[^0-9]{0,2}[0-9]{9,}[^0-9]{0,2}")
"""Of something or of somebody: nobody can tell."""
_HEX = re.compile(r"(?:0x)?(?=[a-f]*[0-9])[0-9a-fA-F]{16,}")
_FILE = re.compile(r"[a-z_-]{1,40}\.(?:html?|php[0-9]?|aspx?|jspx?|cgi|do|js|css|json|xml|txt|png|jpe?g|gif|svg|ico|pdf)", re.I)
_BIGRAMS = frozenset(
    word
    for line in (
        "er re in te on es en st le ti at se or de nt co ra ar al et ed ro li an tr me ec ri ng ta io it to ns ma el ne ea pe",
        "ge is ex as ch nd pa ct ve pr ce ss am si lo un ca na ic nc em ac fi ol la di ll il he rt rs ut ad ou th ur ha ts so",
        "ke od ee po lt oc ck im om ty rr ap tt sc no da mi ab ni mp sp ep id mo va su bl op ef ag pt oo ul ie sa os sh ev ai",
        "ot us pl yp cr ue fo ig ba cl rc gr ho ls tc be ir ia xe lu ry xt qu vi hi do rm sl iv fe ow nn um ip nf tp bu tu ei",
        "rd pp ff au ru ib pu fa ld ly sy ci eg iz bo tl pi ze dd eb rk gi bi we",
    )
    for word in line.split()
)
"""The pairs of letters that make up two thirds of what people write; of random letters a quarter."""


def mask_host(host: str) -> str:
    """A host whose labels hold no token; addresses and the last two labels stay."""
    if ":" in host:
        return host
    labels = host.split(".")
    return ".".join([MASK if _is_label_secret(label) else label for label in labels[:-2]] + labels[-2:])


def mask_path(path: str) -> str:
    """A path, segment by segment."""
    segments = path.split("/")
    masked = [_mask_segment(each) for each in segments]
    before: set[str] = set()
    for place, segment in enumerate(segments):
        if segment and MASK not in masked[place] and (before & _HOLDERS or (before & _LINKS and not _is_plain(segment))):
            masked[place] = segment if _FILE.fullmatch(segment) else MASK
        if segment:
            before = set(_words(_decode(segment)))
    for begin in range(1, len(segments)):  # base64 has slashes, too
        if segments[begin] and "/" in (tail := "/".join(segments[begin:])) and _unpack(_decode(tail), 12) is not None:
            return "/".join([*masked[:begin], MASK])
    return "/".join(masked)


def mask_query(query: str) -> str:
    """A query, parameter by parameter. Names are shown where they are no secret themselves."""
    if "=" not in query and is_secret(query):
        return MASK
    return "".join(each if each in "&;" else _mask_parameter(each) for each in re.split("([&;])", query))


def mask_step(shown: str, asked: str) -> str:
    """A masked URL that a server named, as a step from the one that was asked for: the words of its path and query are the
    server's, who may say anything there. What stood in the URL that was asked for stays, and what many sites have."""
    origin, path, query = _parts(shown)
    _, asked_path, asked_query = _parts(asked)
    known, pairs = set(asked_path.split("/")), set(asked_query.split("&"))
    steps = [each if not each or each in known or each.lower() in _COMMON else MASK for each in path.split("/")]
    told = dict.fromkeys(each if each in pairs else MASK for each in query.split("&")) if query else {}
    return f"{origin}{'/'.join(steps)}{'?' + '&'.join(told) if told else ''}"


def _parts(shown: str) -> tuple[str, str, str]:
    scheme, _, rest = shown.partition("://")
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    return f"{scheme}://{host}", slash + path, query


def is_secret(text: str) -> bool:
    """Whether there is anything in a text that is not to be shown."""
    return _holds(text, 0)


def _mask_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not equals:
        return MASK if is_secret(name) else name
    shown = MASK if is_secret(name) else name
    return f"{shown}={MASK if value and (_is_telling(_decode(name)) or is_secret(value)) else value}"


def _mask_segment(segment: str) -> str:
    """A segment; what stands behind its semicolons are parameters."""
    head, *parameters = segment.split(";")
    if "=" in head:
        return ";".join(map(_mask_parameter, segment.split(";")))
    return ";".join([MASK if is_secret(head) else head, *map(_mask_parameter, parameters)])


def _is_telling(name: str) -> bool:
    """Whether a name says that its value is a secret or a person's."""
    words = _words(name)
    return not _NAMES.isdisjoint(words) or "".join(words) in _NAMES or any(a + b in _NAMES for a, b in pairwise(words))


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", text)]


def _decode(text: str) -> str:
    for _ in range(_DEPTH):
        if (plain := unquote(text)) == text:
            break
        text = plain
    return text


def _holds(text: str, depth: int) -> bool:
    """As ``_look``. Remembered by hash: what was looked at is not kept, for it may be the secret."""
    key = hash((text, depth))
    known = _KNOWN.get(key)
    if known is None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[key] = _look(text, depth)
    return known


def _look(text: str, depth: int) -> bool:
    text = _decode(text)
    if depth > _DEPTH or re.search("%[0-9A-Fa-f]{2}", text):
        return True
    spaced = text.replace("+", " ")
    if any(shape.search(each) for shape in (_SHAPES, _LOOSE) for each in (text, spaced)):
        return True
    if any(_is_telling(pair[1]) for pair in _PAIR.finditer(text)):
        return True
    parts = [text, *_SPLIT.split(text)]
    return any(_NUMBER.fullmatch(part) or _is_random(part) or _is_packed(part, depth) for part in parts)


def _is_packed(text: str, depth: int) -> bool:
    """Whether base64 or base32 of something readable."""
    inner = _unpack(text, 6)
    return inner is not None and (len(inner) >= 9 or _holds(inner, depth + 1))


def _unpack(text: str, least: int) -> str | None:
    """What base64 or base32 holds, where that is text of at least so many characters."""
    plain = text.rstrip("=.~")
    if len(plain) < 8 or not re.fullmatch(r"[\w+/-]+", plain, re.ASCII):
        return None
    candidates: list[tuple[str, int, Callable[[str], bytes]]]
    candidates = [(plain.replace("-", "+").replace("_", "/"), 4, base64.b64decode)]
    if re.fullmatch("[A-Z2-7]+|[a-z2-7]+", plain):
        candidates.append((plain.upper(), 8, base64.b32decode))
    for each, block, decode in candidates:
        try:
            inner = decode(each + "=" * (-len(each) % block)).decode()
        except (binascii.Error, ValueError):
            continue
        if len(inner) >= least and inner.isprintable():
            return inner
    return None


def _is_label_secret(label: str) -> bool:
    return not label.startswith("xn--") and (_is_random(label) or (len(label) >= 12 and _is_packed(label, 0)))


def _is_plain(text: str) -> bool:
    """Whether a segment is words that a person wrote, or a short number."""
    text = _decode(text)
    if _FILE.fullmatch(text):
        return True
    return re.fullmatch(r"[0-9]{1,8}|v[0-9.]+|[A-Za-z]?[a-z]{0,15}(?:[-_. ][A-Za-z]?[a-z]{0,15})*", text) is not None


def _is_random(text: str) -> bool:
    """Whether nobody made this up: too many changes of letter case and digits, or letters that do not follow each other."""
    if _HEX.search(text):
        return True
    return any(map(_is_random_run, re.split("[^A-Za-z0-9]+", text))) or _is_mixed(re.sub("[-_~]", "", text))


def _is_random_run(text: str) -> bool:
    if len(text) < 8 or not text.isascii():
        return False
    runs = _RUN.findall(text)
    numbers = sum(run.isdigit() for run in runs)
    if _is_mixed(text) or (len(text) >= 10 and len(runs) > numbers >= 2) or (len(text) >= 20 and numbers):
        return True
    words = [run.lower() for run in runs if not run.isdigit()]
    pairs = [word[place : place + 2] for word in words for place in range(len(word) - 1)]
    return len(pairs) >= 6 and sum(pair in _BIGRAMS for pair in pairs) / len(pairs) < (0.6 if len(text) >= 16 else 0.55)


def _is_mixed(text: str) -> bool:
    runs = _RUN.findall(text)
    return len(runs) >= 4 and len(text) >= 8 and text.isalnum() and text.isascii() and len(text) / len(runs) < 3
