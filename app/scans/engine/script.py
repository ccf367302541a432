"""Scripts of a page, read and not run: marks of what they do, and of hiding it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from app.scans.engine import host as hosts
from app.scans.engine import lure, stealth
from app.scans.engine.address import judge_host
from app.scans.engine.document import Document
from app.scans.engine.page import DOWNLOAD, asked, download
from app.scans.engine.words import Marks, normal

VERSION = "script-3"

MINERS = hosts.named("miners")
COMMANDS = re.compile(
    r"powershell(?:\.exe)?\s+[-/]|-enc(?:odedcommand)?\s+[A-Za-z0-9+/]{20}|mshta(?:\.exe)?\s+\S*(?:http|javascript)|WScript\.Shell|Scripting\.FileSystemObject|Shell\.Application|ADODB\.Stream"
    r"|certutil(?:\.exe)?\s+-|bitsadmin\s+/|regsvr32\s+/|rundll32|IEX\s*\(|Invoke-Expression|\biex\b.{0,40}(?:iwr|irm|DownloadString)|\birm\b\s+\S+\s*\|\s*iex|Invoke-WebRequest|DownloadString\("
    r"|cmd(?:\.exe)?\s+/c|curl\s+[^'\"\n]{0,120}\|\s*(?:ba|z)?sh\b|osascript\s+-e|msiexec\s+/",
    re.I,
)
_COMMAND_MARKS = (
    "powershell", "-enc", "mshta", "wscript", "scripting.file", "shell.application", "adodb", "certutil", "bitsadmin",
    "regsvr32", "rundll32", "iex", "invoke-", "| ", "|iex", "downloadstring", "cmd", "curl ", "osascript", "msiexec",
)  # fmt: skip
_CLIPBOARD = re.compile(r"clipboard\.writeText|execCommand\(\s*['\"]copy|clipboardData\.setData|ClipboardEvent", re.I)
_SENDS = (
    "fetch(", "fetch (", "xmlhttprequest", "sendbeacon", "new image", "$.post", "$.ajax", "$.get", "axios.", "websocket",
    ".src", "wss:",
)  # fmt: skip
_ADDRESS = re.compile(r"['\"`](?:https?:|wss?:)?//([a-z0-9.-]{3,100}|\d+\.\d+\.\d+\.\d+)(?::\d+)?(?=[/'\"`?:])", re.I)
_GATHERS = re.compile(
    r"(?:\+=|\.push\()\s*+\w*\.?(?:key|string|e\.|event\.|ev\.)|(?:keys|log|buffer|typed)\w{0,40}+\s*+(?:\+=|\.push)"
    r"|new image|sendbeacon"
)
_CARD = re.compile(
    r"card.?num|cc.?num|cc_number|cardnumber|card\[number|\bcvv|\bcvc|cc_cid|cc-?exp|expir|payment\[cc|billing\[", re.I
)
_MINES = re.compile(r"\.(?:Anonymous|User|Token)\s*\([^)]{0,160}throttle", re.I)
_MONEY = ("card", "cvv", "pin", "seed")
_GUARD_MARKS = (
    "keycode", "f12", "ctrlkey", "debugger", "devtools", "beforeunload", "fullscreen", "alert", "pushstate", "popstate", "play",
    "webdriver", "headless", "phantom", "selenium", "useragent", "audio", "lock",
)  # fmt: skip
_LEAVES = re.compile(r"location(?:\.href|\.replace|\.assign)?\s*(?:=|\()\s*['\"`](https?://[^'\"`\s]{4,300})", re.I)
_GOES = re.compile(
    r"(?:window\.|document\.|top\.|self\.|parent\.)?location(?:\.href)?\s*=\s*['\"`]([^'\"`\s]{4,500})"
    r"|location\.(?:replace|assign)\(\s*['\"`]([^'\"`\s]{4,500})",
    re.I,
)


_HIDING_MARKS = (
    "eval(", "function(", "constructor", "settimeout(", "eval(function(p,a,c", "document.write", "_0x", "while(!![])",
    "debugger", "fromcharcode", "![]", "atob", "'v", '"v', "'al", '"al', "window[", "\\x", "\\u00", "charcodeat(",
)  # fmt: skip
_SPRAYS = ("%u9090", "%u0c0c", "%u0a0a", "\\u9090\\u9090", "\\x90\\x90\\x90")
_OTHER_MARKS = (
    "//", "/bot", "webhook", "password", "phrase", "btoa", "new image", "checkout", "sendbeacon", "encodeuricomponent",
    "json.stringify", "blob", "createobjecturl", "mssaveoropenblob", ".click(", ".click()", "uint8array", "location",
    "createelement(", "contextmenu", "classid", "createobject", "onkey", "'key", '"key',
)  # fmt: skip
_ASKS_WALLET = (
    "eth_requestaccounts", "window.ethereum", "window.solana", "web3modal", "walletconnect", "connectwallet", "ethers.",
    "tronweb",
)  # fmt: skip
_SURE_OF_WALLET = (
    "drainer", "setapprovalforall", "increaseallowance", "maxuint256", "0xffffffff", "eth_sign'", 'eth_sign"',
    "signalltransactions", "getbalance",
)  # fmt: skip
_TAKES_WALLET = (
    "setapprovalforall", "increaseallowance", "drainer", "signalltransactions", "approve(", "permit(", "transferfrom",
    'eth_sign"', "eth_sign'", "seaport", "maxuint256", "0xffffffff", "eth_sendtransaction",
    "systemprogram.transfer",
)  # fmt: skip
_MARKS = Marks((
    *MINERS, *_COMMAND_MARKS, *_SENDS, *_GUARD_MARKS, *_HIDING_MARKS, *_SPRAYS, *_OTHER_MARKS, *_ASKS_WALLET, *_SURE_OF_WALLET,
    *_TAKES_WALLET,
))  # fmt: skip
"""All that scripts are searched for literally: in one pass, before any pattern is tried. Ask ``marks`` for one of these."""
MOST_OUTSIDE = 200
"""Hosts that a script names of which so many are looked at."""


def look(page: Document, final: str) -> set[str]:
    """Kinds of what the scripts hold."""
    kinds: set[str] = set()
    script = page.script
    whole = f"{script}\n{page.handlers}" if page.handlers else script
    if page.script_sources:
        sources = " ".join(page.script_sources).lower()
        if any(mark in sources for mark in MINERS):
            kinds.add("CRYPTO_MINER")
        if "drainer" in sources:
            kinds.add("WALLET_DRAINER")
    if not whole or whole.isspace():
        return kinds
    lower = whole.lower()
    marks = _MARKS.within(lower)
    host = hosts.host_of(final)
    if _any(MINERS, marks) or ("throttle" in lower and _MINES.search(script)):
        kinds.add("CRYPTO_MINER")
    password = any(each.type == "password" for each in page.fields)
    _hiding(script, lower, marks, page, kinds)
    _sending(script, lower, marks, page, host, password, kinds)
    _programs(whole, lower, marks, page, kinds)
    _guarding(lower, marks, host, kinds)
    _wallets(marks, page, kinds)
    stealth.look(page, host, _secret(page, password), kinds)
    return kinds


def _secret(page: Document, password: bool) -> bool:
    return password or any(not asked(each).isdisjoint(_MONEY) for each in page.fields)


def _any(wanted: Iterable[str], marks: dict[str, bool]) -> bool:
    return any(marks[mark] for mark in wanted)


def _hiding(script: str, lower: str, marks: dict[str, bool], page: Document, kinds: set[str]) -> None:
    layers = 0
    if marks["eval("] or (marks["function("] and marks["constructor"]) or marks["settimeout("]:
        if re.search(
            r"\beval\s*\(\s*(?:atob|unescape|decodeURI\w*|String\.fromCharCode|function\s*\(\s*p\s*,\s*a\s*,\s*c|[\w$.]+\s*\(\s*['\"`][A-Za-z0-9+/%\\]{40}|\w+\.join|\w+\.replace)",
            script,
            re.I,
        ):
            layers += 2 if "eval(function(p,a,c" not in lower.replace(" ", "") else 1
        elif re.search(
            r"(?:new\s+Function|Function|setTimeout)\s*\(\s*(?:atob|unescape|decodeURI\w*|String\.fromCharCode)", script
        ):
            layers += 2
    if marks["document.write"] and re.search(
        r"document\.write(?:ln)?\s*\(\s*(?:window\.)?(?:unescape|atob|decodeURI\w*|String\.fromCharCode)", script, re.I
    ):
        layers += 1
    if marks["_0x"] and len(set(re.findall(r"\b_0x[0-9a-f]{3,6}\b", script[:60_000]))) >= 8:
        layers += 1
        if marks["debugger"] or (marks["![]"] and "while(!![])" in lower.replace(" ", "")):
            layers += 1
    if (marks["\\x"] and lower.count("\\x") > 60) or (marks["\\u00"] and lower.count("\\u00") > 60):
        layers += 1
    if marks["fromcharcode"] and marks["charcodeat("] and re.search(r"charcodeat\([^)]{0,30}\)\s*(?:\^|-|\+)", lower):
        layers += 1
    if marks["fromcharcode"] and re.search(r"(?:\d{2,3}\s*,\s*){40}", script):
        layers += 1
    if marks["![]"] and re.search(r"\[\]\s*\[\s*\(?!\[\]|\(!\[\]\+\[\]\)\[", script):
        layers += 2
    if marks["atob"] and re.search(r"['\"`][A-Za-z0-9+/]{3000,}={0,2}['\"`]", script):
        layers += 1
    if _any(("'v", '"v', "'al", '"al', "window[", "\\x"), marks) and re.search(
        r"['\"](?:e['\"]\s*\+\s*['\"]v|ev['\"]\s*\+\s*['\"]al)|window\[\s*['\"](?:ev|\\x65)|\[['\"]\\x", script
    ):
        layers += 1
    if layers >= 2:
        kinds.add("HEAVILY_OBFUSCATED_SCRIPT")
    elif layers:
        kinds.add("OBFUSCATED_SCRIPT")
    if page.written_form:
        kinds.add("HIDDEN_FORM")
    elif page.written and layers:
        kinds.add("HIDDEN_PAGE")
    if _any(_SPRAYS, marks) or re.search(
        r"classid\s*+=?\s*+.{0,6}clsid:|CreateObject\s*\(\s*[\"'](?:WScript|Scripting|Shell|ADODB|MSXML2|Microsoft\.XMLHTTP)",
        script if marks["classid"] or marks["createobject"] else "",
        re.I,
    ):
        kinds.add("EXPLOIT_MARKS")


def _outside(script: str, host: str) -> set[str]:
    """Hosts that a script names and that are neither the page's own nor everybody's."""
    home = hosts.registered(host)
    found = set()
    named = dict.fromkeys(match[1].lower() for match in _ADDRESS.finditer(script))
    for other in islice((name.rstrip(".") for name in named), MOST_OUTSIDE):
        if "." in other and hosts.registered(other) != home:
            found.add(other)
    return found


def _sending(
    script: str, lower: str, marks: dict[str, bool], page: Document, host: str, password: bool, kinds: set[str]
) -> None:
    sends = _any(_SENDS, marks)
    outside = _outside(script, host) if marks["//"] else set()
    strange = {other for other in outside if not hosts.below(other, hosts.COMMON_SERVICES) and other != "www.w3.org"}
    collects = {other for other in outside if hosts.below(other, hosts.COLLECTORS)}
    secrets = password or any(_CARD.search(each.hint) for each in page.fields)
    seed = any(re.search(r"seed|phrase|mnemonic|private.?key|recovery", each.hint) for each in page.fields)
    if (
        collects
        and (("api.telegram.org" in collects and marks["/bot"]) or marks["webhook"] or secrets or seed)
        and (secrets or seed or marks["password"] or marks["phrase"])
    ):
        kinds.add("SECRETS_TO_COLLECTOR")
    if not sends:
        _leaving(script if marks["location"] else "", host, password, kinds)
        return
    cards = len(set(_CARD.findall(lower))) if strange else 0
    takes = (password or strange) and re.search(
        r"queryselector|getelement|\.value|serialize|formdata|addeventlistener|\.val\(", lower
    ) is not None
    if cards >= 2 and takes and strange:
        sure = _any(("btoa", "new image", "checkout", "sendbeacon", "encodeuricomponent", "json.stringify"), marks)
        kinds.add("SKIMMER" if sure else "OBFUSCATED_SCRIPT")
    keys = (
        strange
        and _any(("onkey", "'key", '"key'), marks)
        and re.search(r"onkey(?:press|down|up)\b|addeventlistener\(\s*['\"]key(?:press|down|up)|\.on\(\s*['\"]key", lower)
    )
    if keys and strange and re.search(r"\.key\b|keycode|\.which|charcode|fromcharcode", lower) and _GATHERS.search(lower):
        kinds.add("KEY_LOGGER")
    if password and strange and marks["wss:"] and re.search(r"formdata|\.value", lower):
        kinds.add("SECRETS_SENT_BY_SCRIPT")
    named = password and takes and re.search(r"passw|\bpwd\b|\bpass\b", lower) is not None
    if named and any(not _brand(other) for other in strange) and re.search(r"\.value|formdata|serialize|\.val\(", lower):
        kinds.add("SECRETS_SENT_BY_SCRIPT")
    _leaving(script if marks["location"] else "", host, password, kinds)


def _brand(host: str) -> bool:
    return hosts.below(host, hosts.brand_domains())


_IMITATES = frozenset(("BRAND_LOOKALIKE", "BRAND_ADDRESS_IN_HOST", "BRAND_WITH_LURE_IN_HOST", "MIXED_SCRIPTS_IN_HOST"))


def _leaving(script: str, host: str, password: bool, kinds: set[str]) -> None:
    owners = hosts.owners(host)
    for address in islice(dict.fromkeys(match[1] for match in _LEAVES.finditer(script)), MOST_OUTSIDE):
        target = hosts.host_of(address)
        if judge_host(target) & _IMITATES and hosts.registered(target) != hosts.registered(host):
            kinds.add("SENT_TO_ODD_HOST")
        if not password:
            continue
        if (
            target
            and _brand(target)
            and hosts.registered(target) != hosts.registered(host)
            and not re.search(r"oauth|authorize|/sso|/saml|client_id", address)
            and owners.isdisjoint(hosts.owners(target))
        ):
            kinds.add("LEAVES_AFTER_SECRET")


def _programs(whole: str, lower: str, marks: dict[str, bool], page: Document, kinds: set[str]) -> None:
    if marks["blob"] and (marks["createobjecturl"] or marks["mssaveoropenblob"]):
        big = re.search(r"['\"`][A-Za-z0-9+/\s]{200,}={0,2}['\"`]", whole) is not None
        named = re.search(r"\.download\s*=|mssaveoropenblob|setattribute\(\s*['\"]download", lower) is not None
        if (
            named
            and marks[".click("]
            and (marks["atob"] or marks["uint8array"])
            and (big or DOWNLOAD.search(whole.replace("'", '"').replace('"', "?")) is not None)
        ):
            kinds.add("SMUGGLED_FILE")
    if _any(_COMMAND_MARKS, marks) and COMMANDS.search(whole):
        # Manuals copy the command that they show.
        if not _CLIPBOARD.search(whole):
            kinds.add("COMMANDS_IN_SCRIPT")
        elif not COMMANDS.search(page.raw_text) or lure.TURNS["pretext"].search(normal(page.title)):
            kinds.add("COMMAND_TO_CLIPBOARD")
    for match in _GOES.finditer(whole) if marks["location"] else ():
        target = match[1] or match[2]
        if DOWNLOAD.search(target) and not re.search(
            r"addEventListener\(\s*['\"]click|onclick\s*=", whole[max(0, match.start() - 200) : match.start()]
        ):
            kinds.add(download(target, hosts.host_of(page.address)))
    if (
        marks["createelement("]
        and marks[".click()"]
        and re.search(r"createelement\(\s*['\"]a['\"]\s*\)", lower)
        and re.search(r"href\s*=\s*['\"][^'\"]+\.(?:exe|scr|msi|apk|hta|vbs|iso|js|zip|bat)['\"]", lower)
    ):
        kinds.add("DOWNLOADS_BY_ITSELF")


def _guarding(lower: str, marks: dict[str, bool], host: str, kinds: set[str]) -> None:
    if marks["contextmenu"] and re.search(r"contextmenu[^;]{0,120}(?:preventdefault|return\s+false|false)", lower, re.S):
        kinds.add("BLOCKS_MENU")
    if not _any(_GUARD_MARKS, marks):
        return
    keys = re.search(
        r"keycode\s*===?\s*123|['\"]f12['\"]|ctrlkey[^;]{0,60}shiftkey[^;]{0,60}(?:73|74|['\"]i['\"])|ctrlkey[^;]{0,60}(?:85|['\"]u['\"])",
        lower,
    )
    if keys or re.search(r"setinterval\([^)]{0,80}debugger|debugger\s*+;?\s*+\}\s*+,\s*+\d+|devtools", lower, re.S):
        kinds.add("BLOCKS_TOOLS")
    traps = sum(
        mark is not None
        for mark in (
            re.search(r"onbeforeunload\s*=|['\"]beforeunload['\"]", lower),
            re.search(r"requestfullscreen|webkitrequestfullscreen", lower),
            re.search(
                r"(?:while\s*\(\s*(?:true|1)\s*\)|for\s*\(\s*;\s*;\s*\)|setinterval)[^}]{0,200}(?:alert|print|confirm)\s*\(",
                lower,
                re.S,
            ),
            re.search(
                r"history\.pushstate[^}]{0,200}popstate|popstate[^}]{0,200}history\.(?:pushstate|go|forward)|for\s*+\([^)]{0,200}+\)\s*+\{?\s*+history\.pushstate",
                lower,
                re.S,
            ),
            re.search(r"keyboard\.lock|requestpointerlock|\.autoplay|new audio\(|\.play\(\)", lower),
        )
    )
    if traps >= 2:
        kinds.add("TRAPS_VISITOR")
    if re.search(r"navigator\.webdriver|headlesschrome|phantomjs|__selenium|callphantom", lower) or re.search(
        r"useragent[^;]{0,80}(?:bot|crawl|spider)[^;]{0,120}(?:location|remove|innerhtml)", lower, re.S
    ):
        kinds.add("LOOKS_FOR_ROBOTS")
        home = hosts.registered(host)
        away = (hosts.host_of(match[1]) for match in islice(_LEAVES.finditer(lower), MOST_OUTSIDE))
        if any(_brand(each) and hosts.registered(each) != home for each in away):
            kinds.add("SENDS_ROBOTS_AWAY")


def _wallets(marks: dict[str, bool], page: Document, kinds: set[str]) -> None:
    if not (_any(_ASKS_WALLET, marks) and _any(_TAKES_WALLET, marks)):
        return
    said = page.spoken.get("wallet", ())
    sure = _any(_SURE_OF_WALLET, marks)
    # Markets ask for such rights as well: what they do not do is give something away.
    claims = len(page.concepts.get("claim", ()))
    if marks["drainer"] or (claims and said and (len(said) >= 2 or sure)) or (sure and claims >= 2):
        kinds.add("WALLET_DRAINER")


def leads(page: Document, final: str) -> str:
    """Where a script sends visitors at once, if that is all that the page does; else nothing."""
    if ("location" not in page.script and "location" not in page.handlers) or page.length > 40 or page.fields:
        return ""
    home = hosts.registered(hosts.host_of(final))
    for match in _GOES.finditer(f"{page.script}\n{page.handlers}"):
        target = match[1] or match[2]
        host = hosts.host_of(target)
        if host and hosts.registered(host) != home:
            return target
    return ""
