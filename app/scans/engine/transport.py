"""How the page came: redirects, TLS, headers, and what came where that is no page. Weak signs, but for disguises."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise
from urllib.parse import unquote

from app.scans.engine import host as hosts
from app.scans.engine.address import PROGRAMS, deceptive, judge_host
from app.scans.engine.found import Found, Unchecked
from app.scans.engine.script import COMMANDS
from app.scans.observation import FetchFailure, Observation, TlsProblem

REDIRECTS = "redirects-1"
TLS = "tls-1"
HEADERS = "headers-1"
FILES = "files-2"

FRESH = timedelta(days=2)
"""Certificates are renewed every few weeks by everybody: only hours tell a little."""

REFUSED = frozenset((FetchFailure.URL_REFUSED, FetchFailure.PORT_REFUSED, FetchFailure.ADDRESS_REFUSED))

_PROBLEMS = {
    TlsProblem.EXPIRED: "CERTIFICATE_EXPIRED",
    TlsProblem.NOT_YET_VALID: "CERTIFICATE_EXPIRED",
    TlsProblem.WRONG_NAME: "CERTIFICATE_OF_OTHER",
    TlsProblem.SELF_SIGNED: "SELF_SIGNED",
    TlsProblem.UNTRUSTED: "CERTIFICATE_UNTRUSTED",
}
_PROTECTION = (
    "content-security-policy",
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
)
_PROGRAM_TYPES = re.compile(
    r"x-msdownload|x-msdos-program|portable-executable|x-dosexec|x-msi|android\.package|java-archive|hta|x-sh\b|x-bat|vbscript",
    re.I,
)
_TYPE_OF = {
    "pdf": "pdf",
    "jpg": "image",
    "jpeg": "image",
    "png": "image",
    "gif": "image",
    "zip": "zip",
    "css": "css",
    "mp4": "video",
    "doc": "msword",
}


def redirects(seen: Observation) -> Found:
    """The way from the address to the page."""
    found = Found()
    if not seen.hops:
        return Found(unchecked=[Unchecked.NO_REDIRECTS], blind=True)
    if len(seen.hops) == 1:
        return found
    steps = [hop.url for hop in seen.hops]
    names = [hosts.host_of(step) for step in steps]
    owners = [hosts.registered(name) for name in names if name]
    crossed = sum(a != b for a, b in pairwise(owners))
    if len(steps) > 5:
        found.kinds.add("MANY_REDIRECTS")
    if crossed >= 3:
        found.kinds.add("MANY_SITES_CROSSED")
    if any(a[:6].lower() == "https:" and b[:5].lower() == "http:" for a, b in pairwise(steps)) and not hosts.is_private(
        names[-1]
    ):
        found.kinds.add("DOWNGRADED")
    if len(steps) > 1 and names[-1] and names[0] != names[-1]:
        first, last = names[0], names[-1]
        if hosts.is_ip(last) and not hosts.is_ip(first) and not hosts.is_private(last):
            found.kinds.add("REDIRECTED_TO_IP")
        elif "SUSPICIOUS_TLD" in judge_host(last) and "SUSPICIOUS_TLD" not in judge_host(first):
            found.kinds.add("REDIRECTED_TO_SUSPICIOUS_TLD")
        if hosts.registered(first) != hosts.registered(last):
            parts = hosts.split(steps[0])
            if parts is not None and last in unquote(parts.query).lower() and deceptive(steps[-1]):
                found.kinds.add("OPEN_REDIRECT_USED")
            ending = hosts.split(steps[-1])
            if ending is not None and ending.path.rpartition(".")[2].lower() in PROGRAMS - {"com", "js"}:
                found.kinds.add("REDIRECTED_TO_PROGRAM")
    last_hop = seen.hops[-1]
    if (
        last_hop.failure is FetchFailure.URL_REFUSED
        and len(steps) > 1
        and not steps[-1].lower().startswith(("http:", "https:"))
    ):
        found.kinds.add("ODD_REDIRECT")
    return found


def tls(seen: Observation, now: datetime) -> Found:
    """The connection over which the page came, and certificates on the way."""
    found = Found()
    facts = [hop.tls for hop in seen.hops if hop.tls is not None]
    last = seen.hops[-1] if seen.hops else None
    if (
        last is not None
        and last.status is not None
        and last.url[:5].lower() == "http:"
        and not hosts.is_private(hosts.host_of(last.url))
    ):
        found.kinds.add("NO_TLS")
    if not facts:
        found.unchecked = [Unchecked.NO_TLS_FACTS]
        found.blind = not found.kinds
        return found
    for fact in facts:
        if fact.problem is not None:
            found.kinds.add(_PROBLEMS[fact.problem])
        elif not fact.names_match:
            found.kinds.add("CERTIFICATE_OF_OTHER")
        elif now - fact.not_before < FRESH:
            found.kinds.add("CERTIFICATE_FRESH")
        if fact.protocol in ("SSLv3", "TLSv1", "TLSv1.1"):
            found.kinds.add("OLD_TLS")
    return found


def headers(seen: Observation) -> Found:
    """Headers of the answer. Most honest sites set few of them, so what is missing weighs next to nothing."""
    found = Found()
    if seen.status is None:
        return Found(unchecked=[Unchecked.UNREACHABLE], blind=True)
    told = seen.headers
    kind = (seen.content_type or "").partition(";")[0].strip().lower()
    if not any(name in told for name in _PROTECTION):
        found.kinds.add("NO_SECURITY_HEADERS")
    if "refresh" in told:
        found.kinds.add("REFRESH_HEADER")
    parts = hosts.split(seen.final_url)
    name = unquote(parts.path).rsplit("/", 1)[-1].lower() if parts else ""
    ending = name.rpartition(".")[2] if "." in name else ""
    attached = told.get("content-disposition", "").startswith("attachment")
    if attached and (ending in PROGRAMS - {"js", "com"} or _PROGRAM_TYPES.search(kind)):
        found.kinds.add("PROGRAM_ATTACHED")
    expected = _TYPE_OF.get(ending)
    if expected and kind and expected not in kind and "octet-stream" not in kind and 200 <= seen.status < 300:
        if _PROGRAM_TYPES.search(kind):
            found.kinds.add("DISGUISED_ATTACHMENT")
        elif "html" in kind:
            found.kinds.add("TYPE_MISMATCH")
    return found


def magic(body: bytes) -> str:
    """What bytes are, by how they begin."""
    head = body[:512]
    if head[:2] == b"MZ" and (b"PE\0\0" in body[:4096] or b"DOS mode" in body[:512] or len(body) < 512):
        return "program"
    if head[:4] in (b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf"):
        return "program"
    if head[:4] == b"PK\x03\x04":
        return "package" if b"AndroidManifest.xml" in body[:200_000] or b"META-INF/MANIFEST.MF" in body[:4096] else "archive"
    if head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return "office"
    if head[:4] == b"L\x00\x00\x00" and head[4:8] == b"\x01\x14\x02\x00":
        return "program"
    if head[:6] == b"Rar!\x1a\x07" or head[:6] == b"7z\xbc\xaf\x27\x1c" or head[:2] == b"\x1f\x8b":
        return "archive"
    if head[:5] == b"%PDF-":
        return "pdf"
    if (
        head[:8] == b"\x89PNG\r\n\x1a\n"
        or head[:3] == b"\xff\xd8\xff"
        or head[:4] in (b"GIF8", b"RIFF", b"OggS", b"wOFF", b"wOF2")
    ):
        return "media"
    return ""


_HTML = re.compile(
    rb"<\s*(?:!doctype\s+html|html|head|body|script|form|title|meta|iframe|svg|div|table|h1|p|a|style|br|img|input)\b", re.I
)


def is_page(seen: Observation) -> bool:
    """Whether what came is shown as a page: by its type, or, where there is none that counts, by how it begins."""
    kind = (seen.content_type or "").partition(";")[0].strip().lower()
    if "html" in kind or kind in ("image/svg+xml", "application/xml", "text/xml"):
        return not magic(seen.body)
    if kind in ("", "other", "text/plain", "application/octet-stream", "text/other", "application/other") and not magic(
        seen.body
    ):
        return _HTML.search(seen.body[:1024]) is not None
    return False


def is_text(seen: Observation) -> bool:
    """Whether what came is text that can be read as such."""
    kind = (seen.content_type or "").partition(";")[0].strip().lower()
    return kind in (
        "text/plain",
        "text/markdown",
        "text/csv",
        "text/javascript",
        "application/javascript",
        "application/x-sh",
        "application/hta",
        "application/octet-stream",
        "",
    ) or kind.startswith("text/")


_FETCHES = re.compile(r"\b(?:wget|curl|tftp|ftpget)\b[^\n]{0,200}\b\d{1,3}(?:\.\d{1,3}){3}\b", re.I)
"""Programs that are fetched from a bare network address."""


def files(seen: Observation) -> Found:
    """What came where it is no page."""
    found = Found()
    if seen.status is None or not seen.body:
        return Found(unchecked=[Unchecked.UNREACHABLE if seen.status is None else Unchecked.EMPTY], blind=True)
    kind = (seen.content_type or "").partition(";")[0].strip().lower()
    parts = hosts.split(seen.final_url)
    name = unquote(parts.path).rsplit("/", 1)[-1].lower() if parts else ""
    ending = name.rpartition(".")[2] if "." in name else ""
    what = magic(seen.body)
    if what in ("program", "package") or (_PROGRAM_TYPES.search(kind) and what in ("", "archive")):
        posed = kind.startswith(("image/", "text/", "audio/", "video/", "font/")) or "pdf" in kind
        posed = posed or (
            ending in ("jpg", "jpeg", "png", "gif", "pdf", "txt", "css", "doc", "docx", "mp3", "mp4", "html", "svg")
            and what == "program"
        )
        found.kinds.add("DISGUISED_PROGRAM" if posed else "PROGRAM")
        host = hosts.host_of(seen.final_url)
        if judge_host(host) & {
            "SUSPICIOUS_TLD",
            "IP_HOST",
            "RANDOM_LABEL",
            "TUNNEL_OR_DYNAMIC_HOST",
            "BRAND_LOOKALIKE",
            "BRAND_MISSPELLED",
            "BRAND_WITH_LURE_IN_HOST",
            "BRAND_IN_HOST",
        }:
            found.kinds.add("PROGRAM_FROM_ODD_HOST")
    if not what and not is_page(seen) and is_text(seen):
        text = seen.body[:200_000].decode("utf-8", "replace")
        if text.startswith("#!") and "chmod" in text and _FETCHES.search(text):
            found.kinds.add("COMMAND_SCRIPT")
        code = ending in ("hta", "vbs", "js", "jse", "wsf", "ps1", "bat", "cmd", "sh") or "hta" in kind or "script" in kind
        if COMMANDS.search(text) and (
            code
            or (
                len(text) < 4000
                and not re.search(r"^#+ |```|<p>", text, re.M)
                and re.match(
                    r"\s*(?:@echo|#!|powershell|\$|IEX|Set\s|On Error|Dim\s|cmd|curl|wget|Invoke|function|var\s)", text, re.I
                )
            )
        ):
            if code and ending in ("sh", "ps1") and not re.search(r"-enc|hidden|DownloadString|FromBase64|bypass", text, re.I):
                found.kinds.add("PROGRAM")
            else:
                found.kinds.add("COMMAND_SCRIPT")
    return found
