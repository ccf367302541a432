"""What scripts do behind a page's back: where they lead, whence they load, and to whom they tell what was typed.

Read and not run. Addresses that are spelled out are others' business; here it is those that are put together.
"""

from __future__ import annotations

import base64
import binascii
import re
from itertools import islice
from typing import TYPE_CHECKING

from app.scans.engine import host as hosts
from app.scans.engine.address import deceptive

if TYPE_CHECKING:
    from app.scans.engine.document import Document

_ENCODED = re.compile(r"atob\(\s*['\"`]([A-Za-z0-9+/]{10,2000}={0,2})['\"`]")
_QUOTED = re.compile(r"['\"`]((?:aHR0c|d3M6|d3NzOi|Ly9)[A-Za-z0-9+/]{8,400}={0,2})['\"`]")
"""What begins as an encoded address does."""
_CODES = re.compile(r"fromCharCode\(\s*((?:\d{2,3}\s*,\s*){8,400}\d{2,3})\s*\)")
_ADDRESS = re.compile(
    r"^\s*(?:(?:https?|wss?):)?(?://)?((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24}|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?(?:[/?#]\S*)?\s*$",
    re.I,
)
_LEADS_HIDDEN = re.compile(
    r"location(?:\.href|\.replace|\.assign)?\s*(?:=|\()\s*(?:window\.)?(?:atob\s*\(|unescape\s*\(\s*['\"`]|decodeURI\w*\s*\(\s*(?:['\"`]%|escape\s*\(|atob)|String\.fromCharCode)",
    re.I,
)
_LEADS_ODD = re.compile(r"location(?:\.href|\.replace|\.assign)?\s*(?:=|\()\s*['\"`]\s*data:text/html", re.I)
_LOADS = re.compile(r"createElement\(\s*['\"`]script|<scr|<script|importScripts\(|new\s+WebSocket|\.src\s*=|location", re.I)
_SPLIT = re.compile(
    r"['\"`]ht['\"`]\s*\+\s*['\"`]tp|['\"`]htt['\"`]\s*\+\s*['\"`]p|['\"`]h['\"`]\s*\+\s*['\"`]t['\"`]\s*\+|\[\s*['\"`]wri['\"`]\s*\+|\[\s*['\"`]loc['\"`]\s*\+\s*['\"`]ation"
    r"|\.split\(\s*['\"`]{2}\s*\)\.reverse\(\)\.join\(",
    re.I,
)
_SPLIT_MARKS = ("'ht", '"ht', "`ht", "'h'", '"h"', "'wri", '"wri', "'loc", '"loc', "reverse()")
_CLOAKS = re.compile(
    r"document\.referrer[^;{}]{0,80}(?:google|bing|yahoo|yandex|baidu|search)[\s\S]{0,160}?location(?:\.href)?(?:\s*=[^=]|\.(?:replace|assign)\()"
    r"|(?:google|bing|yahoo)[^;{}]{0,60}(?:test|indexOf|match|includes)\(\s*document\.referrer[\s\S]{0,160}?location(?:\.href)?(?:\s*=[^=]|\.(?:replace|assign)\()",
    re.I,
)
_TAKES_ALL = re.compile(
    r"queryselectorall\(\s*['\"`](?:input|form)|new formdata|serialize(?:array)?\(|\.elements\b"
    r"|getelementsbytagname\(\s*['\"`]input"
    r"|:input\b|\.val\(\)|this\.value|addeventlistener\(\s*['\"`](?:blur|change|input|keyup|keydown|submit)|\bon(?:blur|change|submit|keyup)\s*="
)
_SENDS = re.compile(r"new image|\.src\s*=|sendbeacon\(|websocket|fetch\(|xmlhttprequest|\$\.(?:post|get|ajax)|axios")
_SENDS_SILENTLY = re.compile(r"new image\b[\s\S]{0,80}src|sendbeacon\(|new websocket")
_SPELLED = re.compile(r"['\"`]((?:https?:|wss?:)?//[^'\"`\s]{4,200})")
_PACKS = re.compile(r"btoa\(|json\.stringify|encodeuricomponent|\.value|formdata|object\.fromentries")
_MAILS = re.compile(r"\bemailjs\s*\.\s*send|\bEmail\.send\s*\(|smtpjs", re.I)
_TELEGRAM = re.compile(r"api\.telegram\.org/bot|/bot\d{8,10}:[A-Za-z0-9_-]{20,}")


def hidden_addresses(script: str) -> list[str]:
    """Addresses that stand encoded in a script, each alone."""
    found: list[str] = []
    if "atob" in script:
        encoded = {match[1] for pattern in (_ENCODED, _QUOTED) for match in islice(pattern.finditer(script), 40)}
        for each in encoded:
            try:
                text = base64.b64decode(each + "=" * (-len(each) % 4)).decode("ascii")
            except (binascii.Error, ValueError):
                continue
            if _ADDRESS.match(text):
                found.append(text.strip())
    if "fromCharCode" in script:
        for match, _ in zip(_CODES.finditer(script), range(20), strict=False):
            text = "".join(chr(int(n)) for n in re.split(r"\s*,\s*", match[1]) if int(n) < 0x250)
            if _ADDRESS.match(text):
                found.append(text.strip())
    return found


def look(page: Document, host: str, secrets: bool, kinds: set[str]) -> None:
    """Adds what is hidden. ``secrets``: whether the page asks for a password, a card or the words of a wallet."""
    script = page.script
    if page.handlers:
        script = f"{script}\n{page.handlers}"
    if _LEADS_ODD.search(script) and "location" in script:
        kinds.add("ODD_REDIRECT")
    if "location" in script and _LEADS_HIDDEN.search(script):
        kinds.add("HIDDEN_REDIRECT")
    if "referrer" in script and _CLOAKS.search(script):
        kinds.add("CLOAKING")
    hidden = hidden_addresses(script)
    strange = [each for each in hidden if _strange(each, host)]
    if strange and _LOADS.search(script):
        kinds.add("HIDDEN_ADDRESS")
    if any(mark in script for mark in _SPLIT_MARKS) and _SPLIT.search(script) and _LOADS.search(script):
        kinds.add("HIDDEN_ADDRESS")
    if any(_loader(text, host) for text in page.unpacked):
        kinds.add("HIDDEN_LOADER")
    if not secrets:
        return
    lower = script.lower()
    if _MAILS.search(script) or _TELEGRAM.search(script):
        kinds.add("SECRETS_TO_COLLECTOR")
    if not (_TAKES_ALL.search(lower) or ".value" in lower) or not _PACKS.search(lower):
        return
    if not strange and not _SENDS.search(lower):
        return
    posing = any(_strange(each, host) and _poses(each) for each in _SPELLED.findall(lower)) if "//" in lower else False
    if strange or posing or (_SENDS_SILENTLY.search(lower) and any(_strange(each, host) for each in _SPELLED.findall(lower))):
        kinds.add("SKIMMER")


def _strange(address: str, host: str) -> bool:
    match = _ADDRESS.match(address)
    other = match[1].lower() if match else ""
    return (
        bool(other)
        and hosts.registered(other) != hosts.registered(host)
        and not hosts.below(other, hosts.COMMON_SERVICES)
        and not hosts.below(other, hosts.brand_domains())
    )


_SERVICES = hosts.named("service names")


def _poses(address: str) -> bool:
    """Whether an address is named like a well-known service that it is not, or is deceptive."""
    match = _ADDRESS.match(address)
    own = hosts.registered(match[1].lower()).partition(".")[0] if match else ""
    return any(name in own or hosts.skeleton(name) in hosts.skeleton(own) for name in _SERVICES) or deceptive(
        f"https:{address[address.find('//') :]}"
    )


def _loader(text: str, host: str) -> bool:
    """Whether what stood encoded in a script fetches another script, or is a frame or form of a stranger."""
    if not re.search(r"createElement\(\s*['\"`](?:script|iframe)|<script[^>]{0,80}src|<iframe[^>]{0,200}src", text, re.I):
        return False
    named = re.findall(r"(?:https?:)?//([a-z0-9.-]{4,100}\.[a-z]{2,24}|\d{1,3}(?:\.\d{1,3}){3})", text, re.I)
    return any(_strange(each, host) for each in named) or any(deceptive(f"https://{each}/") for each in named)
