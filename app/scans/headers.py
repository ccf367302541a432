"""Headers in words of our own: what they say of a site's care, and nothing that a site could write into them.

A header is the other side's text as much as a body is. So no value is kept: each header of a short list has a vocabulary, and
what is not in it is called ``other``. Cookies' names are kept where many sites have them, and as a short hash elsewhere, which
is enough to find the same one again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from encodings.aliases import aliases

Header = tuple[bytes, bytes]

MOST_COOKIES = 50
MOST_VALUE = 8_000
"""Of a longer value, that much is looked at."""
OTHER = "other"


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MEDIA = _vocabulary(
    """text/html text/plain text/css text/javascript text/xml text/csv text/calendar text/markdown
    application/xhtml+xml application/xml application/json application/ld+json application/javascript application/pdf
    application/zip application/gzip application/x-gzip application/x-tar application/x-7z-compressed application/vnd.rar
    application/x-rar-compressed application/octet-stream application/x-msdownload application/x-msdos-program
    application/vnd.microsoft.portable-executable application/x-dosexec application/x-msi application/x-apple-diskimage
    application/vnd.android.package-archive application/java-archive application/x-sh application/x-httpd-php
    application/x-shockwave-flash application/hta application/x-iso9660-image application/msword application/rtf
    application/vnd.ms-excel application/vnd.ms-powerpoint application/vnd.ms-excel.sheet.macroenabled.12
    application/vnd.openxmlformats-officedocument.wordprocessingml.document
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
    application/vnd.openxmlformats-officedocument.presentationml.presentation
    application/wasm application/rss+xml application/atom+xml application/x-www-form-urlencoded application/problem+json
    image/png image/jpeg image/gif image/webp image/avif image/svg+xml image/x-icon image/vnd.microsoft.icon image/bmp
    audio/mpeg audio/ogg audio/wav video/mp4 video/webm video/ogg font/woff font/woff2 font/ttf font/otf
    multipart/form-data multipart/mixed"""
)
_CHARSETS = frozenset(aliases.values())
_KINDS = _vocabulary("text application image audio video font multipart message model")
_DIRECTIVES = _vocabulary(
    """default-src script-src script-src-elem script-src-attr style-src style-src-elem style-src-attr img-src font-src
    connect-src media-src object-src frame-src child-src worker-src manifest-src base-uri form-action frame-ancestors sandbox
    report-uri report-to upgrade-insecure-requests block-all-mixed-content require-trusted-types-for trusted-types"""
)
_SOURCES = _vocabulary(
    """'self' 'none' 'unsafe-inline' 'unsafe-eval' 'unsafe-hashes' 'strict-dynamic' 'wasm-unsafe-eval' * https: http: data:
    blob:"""
)
_REFERRER = """no-referrer no-referrer-when-downgrade origin origin-when-cross-origin same-origin strict-origin
strict-origin-when-cross-origin unsafe-url"""
_CACHE = """no-store no-cache private public must-revalidate proxy-revalidate max-age s-maxage immutable no-transform
stale-while-revalidate stale-if-error"""
_ROBOTS = "all noindex nofollow none noarchive nosnippet noimageindex nocache notranslate"
_PRODUCTS = """nginx apache cloudflare openresty litespeed microsoft-iis caddy envoy gws ats varnish akamaighost cloudfront
amazons3 vercel netlify github.com gse tengine awselb gunicorn uvicorn werkzeug jetty tomcat kestrel cowboy lighttpd squarespace
shopify php express asp.net next.js wordpress drupal plesklin pleskwin fastly hcdn tornado waitress hypercorn simplehttp
node.js"""
_COOKIES = _vocabulary(
    """__cf_bm __cflb __cfduid __cfruid __gads __host-session __secure-session _abck _fbp _ga _gat _gcl_au _gid _hjid _pk_id
    _pk_ses _session_id _shopify_s _shopify_y _uetsid _uetvid ak_bmsc asp.net_sessionid aspsessionid auth awsalb awsalbcors
    awselb bm_sz cf_clearance cfid cftoken cookieconsent csrf csrf_token csrftoken incap_ses jsessionid laravel_session lang
    language locale nid optanonconsent phpsessid remember_me sessid session session_id sessionid sid token user visid_incap
    wordpress_test_cookie wp-settings xsrf-token"""
)


def _words(vocabulary: str, separator: str = ",") -> Callable[[str], str]:
    """Those of a list that are known, without what they are set to."""
    known = _vocabulary(vocabulary)

    def summarize(value: str) -> str:
        named = [re.split(r"[=\s(/]", each.strip(), maxsplit=1)[0] for each in value.split(separator)]
        return ", ".join(dict.fromkeys(each if each in known else OTHER for each in named if each))

    return summarize


def media_type(value: str) -> str:
    """The type and, where it is said, the charset: of those that are known."""
    kind, *parameters = value.split(";")
    kind = kind.strip()
    if kind not in _MEDIA:
        family = kind.split("/")[0]
        kind = f"{family}/{OTHER}" if family in _KINDS else OTHER
    for each in parameters:
        name, _, charset = each.strip().partition("=")
        if name == "charset":
            return f"{kind}; charset={_charset(charset)}"
    return kind


def _charset(name: str) -> str:
    """By a table: ``codecs.lookup`` would remember whatever it was ever asked for."""
    name = re.sub(r"[^a-z0-9]", "_", name.strip("\"' ")[:40])
    known = aliases.get(name, name)
    return known.replace("_", "-") if known in _CHARSETS else OTHER


def _transport(value: str) -> str:
    named = {name.strip(): rest.strip('" ') for name, _, rest in (each.partition("=") for each in value.split(";"))}
    age = named.get("max-age", "")
    known = [f"max-age={int(age)}"] if re.fullmatch(r"[0-9]{1,10}", age) else []
    return "; ".join(known + [each for each in ("includesubdomains", "preload") if each in named]) or OTHER


def _policy(value: str) -> str:
    told = []
    for each in value.split(";")[:40]:
        name, *sources = each.split()[:60] or [""]
        if name in _DIRECTIVES:
            told.append(" ".join([name, *dict.fromkeys(_source(source) for source in sources)]))
    return "; ".join(told) or OTHER


def _source(text: str) -> str:
    if text in _SOURCES:
        return text
    if text.startswith("'nonce-"):
        return "nonce"
    if re.match(r"'sha(256|384|512)-", text):
        return "hash"
    return "hosts"


def _disposition(value: str) -> str:
    kind = value.split(";")[0].strip()
    return kind if kind in ("inline", "attachment") else OTHER


def _origin(value: str) -> str:
    return value if value in ("*", "null") else "origin"


def _one_of(vocabulary: str) -> Callable[[str], str]:
    known = frozenset(vocabulary.split("|"))
    return lambda value: value if value in known else OTHER


def _present(value: str) -> str:
    return "present"


_SUMMARIES: Mapping[bytes, Callable[[str], str]] = {
    b"access-control-allow-origin": _origin,
    b"cache-control": _words(_CACHE),
    b"content-disposition": _disposition,
    b"content-encoding": _words("gzip deflate br zstd identity compress"),
    b"content-security-policy": _policy,
    b"content-security-policy-report-only": _policy,
    b"content-type": media_type,
    b"cross-origin-embedder-policy": _one_of("require-corp|credentialless|unsafe-none"),
    b"cross-origin-opener-policy": _one_of("same-origin|same-origin-allow-popups|noopener-allow-popups|unsafe-none"),
    b"cross-origin-resource-policy": _one_of("same-origin|same-site|cross-origin"),
    b"location": _present,
    b"permissions-policy": _present,
    b"referrer-policy": _words(_REFERRER),
    b"refresh": _present,
    b"server": _words(_PRODUCTS, " "),
    b"strict-transport-security": _transport,
    b"www-authenticate": _words("basic bearer digest negotiate ntlm"),
    b"x-content-type-options": _one_of("nosniff"),
    b"x-frame-options": _one_of("deny|sameorigin"),
    b"x-powered-by": _words(_PRODUCTS),
    b"x-robots-tag": _words(_ROBOTS),
    b"x-xss-protection": _one_of("0|1|1; mode=block|1;mode=block"),
}


def summarize(headers: Iterable[Header]) -> dict[str, str]:
    """What the headers of the list say, by lower-case name; the first of each."""
    told: dict[str, str] = {}
    for name, value in headers:
        summary = _SUMMARIES.get(name.lower())
        if summary is not None:
            told.setdefault(name.lower().decode(), summary(value[:MOST_VALUE].decode("latin-1").strip().lower()))
    return told


def header_sha256(headers: Sequence[Header]) -> bytes:
    """Of the names in their order: the same server software, set up the same way, has the same one."""
    return hashlib.sha256(b":".join(name.lower() for name, _ in headers)).digest()


def cookie_names(headers: Iterable[Header]) -> tuple[str, ...]:
    """Of the cookies that it wants to set, sorted: known ones by name, others as # and a short hash."""
    names = {value.split(b"=", 1)[0].strip() for name, value in headers if name.lower() == b"set-cookie"}
    return tuple(sorted(_cookie_name(name) for name in names)[:MOST_COOKIES])


def _cookie_name(name: bytes) -> str:
    text = name.decode("latin-1")
    return text.lower() if text.lower() in _COOKIES else "#" + hashlib.sha256(name).hexdigest()[:12]


def last_of(headers: Iterable[Header], name: bytes) -> str | None:
    """The value of a header as text, the last where there are several."""
    found = [value for each, value in headers if each.lower() == name]
    return found[-1].decode("latin-1").strip() if found else None
