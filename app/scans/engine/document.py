"""A page as it was served, parsed in memory: forms, links, frames, scripts and words. Nothing of it outlives a judgement.

**lxml** (libxml2, fuzzed for twenty years) is told to fetch nothing. Bytes, nodes and decoded strings are bounded.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from urllib.parse import unquote, urljoin

from lxml import etree

from app.scans.engine import host as hosts
from app.scans.engine.words import WORD, normal, split_words, spoken

MOST_BYTES = 2 * 1024 * 1024
"""So much of a page is parsed."""
MOST_SCRIPT = 400_000
MOST_TEXT = 200_000
MOST_LINKS = 3_000
MOST_DECODED = 200_000
MOST_LAYERS = 3

_TAGS = (
    "form", "input", "textarea", "select", "button", "a", "script", "iframe", "frame", "meta", "base", "title", "link", "img",
    "h1", "h2", "body", "embed", "object", "audio", "video",
)  # fmt: skip


@dataclass
class Field:
    """An input of a form: its type, and what names it to people and programs."""

    type: str
    hint: str


@dataclass
class Form:
    """Where a form goes, whole, and what it asks for."""

    action: str
    raw: str
    method: str
    fields: list[Field] = field(default_factory=list)


@dataclass
class Frame:
    """A frame of another page."""

    src: str
    hidden: bool


@dataclass
class Document:
    """What the engines look at."""

    address: str
    title: str = ""
    headings: list[str] = field(default_factory=list)
    site_names: list[str] = field(default_factory=list)
    description: str = ""
    forms: list[Form] = field(default_factory=list)
    loose: list[Field] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    link_texts: list[str] = field(default_factory=list)
    script: str = ""
    script_sources: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    icons: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    picture_names: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    refresh: str = ""
    handlers: str = ""
    raw_text: str = ""
    hidden_links: int = 0
    too_deep: bool = False
    hidden_html: list[str] = field(default_factory=list)
    written: bool = False
    written_form: bool = False

    @cached_property
    def text(self) -> str:
        """The words as they are compared."""
        return normal(self.raw_text)

    @cached_property
    def word_list(self) -> list[str]:
        """Every word in order."""
        return split_words(self.text)

    @cached_property
    def words(self) -> set[str]:
        """Each word once."""
        return set(self.word_list)

    @cached_property
    def spoken(self) -> dict[str, set[str]]:
        """Phrases by theme, the title included."""
        title = normal(self.title)
        found = spoken(self.text, self.words)
        for theme, phrases in spoken(title, set(WORD.findall(title))).items():
            found.setdefault(theme, set()).update(phrases)
        return found

    @cached_property
    def all_links(self) -> str:
        """Every link, one to a line."""
        return "\n".join(self.links)

    @property
    def fields(self) -> list[Field]:
        """Of all forms, and those in none."""
        return [each for form in self.forms for each in form.fields] + self.loose

    def merge(self, other: Document) -> None:
        """What was written by a script is a part of the page."""
        for name in (
            "headings", "site_names", "forms", "loose", "links", "link_texts", "script_sources", "frames", "icons", "pictures",
            "picture_names", "styles",
        ):  # fmt: skip
            getattr(self, name).extend(getattr(other, name))
        self.title = self.title or other.title
        self.refresh = self.refresh or other.refresh
        self.raw_text += " " + other.raw_text
        self.script += "\n" + other.script
        self.handlers += "\n" + other.handlers
        self.hidden_links += other.hidden_links


def read(body: bytes, address: str, content_type: str = "", layer: int = 0) -> Document | None:
    """The page, or None where nothing could be parsed."""
    parser = etree.HTMLParser(
        recover=True,
        huge_tree=True,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
        encoding=_encoding(content_type, body),
    )
    try:
        root = etree.HTML(body[:MOST_BYTES], parser=parser)
    except (etree.XMLSyntaxError, ValueError, AssertionError):
        return None
    if root is None:
        return None
    document = Document(address)
    document.too_deep = any("depth" in entry.message.lower() for entry in parser.error_log if "xcessive" in entry.message)
    _collect(root, document)
    if layer < MOST_LAYERS:
        _unwrap(document, layer)
    return document


def _encoding(content_type: str, body: bytes) -> str | None:
    """That of the header, as browsers take it, unless a mark at the beginning says otherwise."""
    if body[:3] == b"\xef\xbb\xbf":
        return "utf-8"
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    match = re.search(r"charset\s*=\s*[\"']?([\w.:-]{2,30})", content_type, re.I)
    if match:
        try:
            return codecs.lookup(match[1]).name if match[1].lower() not in ("utf-7", "utf7") else None
        except LookupError:
            return None
    if re.search(rb"<meta[^>]{0,200}charset", body[:2048], re.I):
        return None
    try:
        body[:MOST_BYTES].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _collect(root: etree._Element, page: Document) -> None:
    base = page.address
    current: Form | None = None
    forms: dict[etree._Element, Form] = {}
    by_id: dict[str, Form] = {}
    scripts: list[str] = []
    handlers: list[str] = []
    length = 0
    for element in root.iter(*_TAGS):
        tag, get = element.tag, element.get
        if tag == "a":
            href = get("href")
            if href is not None and len(page.links) < MOST_LINKS:
                page.links.append(_join(base, href))
                if len(page.link_texts) < 200:
                    page.link_texts.append((element.text or "").strip()[:80])
        elif tag == "script":
            source = get("src")
            if source:
                page.script_sources.append(_join(base, source))
            elif (
                element.text
                and length < MOST_SCRIPT
                and (get("type") or "").lower() not in ("application/ld+json", "application/json")
            ):
                scripts.append(element.text[: MOST_SCRIPT - length])
                length += len(element.text)
            if (get("language") or get("type") or "").lower() in ("vbscript", "text/vbscript"):
                scripts.append("<vbscript>")
        elif tag == "img":
            if len(page.pictures) < 400:
                page.pictures.append(_join(base, get("src") or ""))
                page.picture_names.append(get("alt") or "")
            if get("onerror"):
                handlers.append(get("onerror") or "")
        elif tag == "input" or tag == "textarea" or tag == "select":
            kind = (get("type") or tag).lower() if tag == "input" else tag
            if kind in ("submit", "button", "image", "reset", "hidden", "checkbox", "radio"):
                continue
            hint = " ".join(
                filter(
                    None,
                    (
                        get("name"),
                        get("id"),
                        get("placeholder"),
                        get("autocomplete"),
                        get("aria-label"),
                        get("title"),
                        get("pattern") and "",
                    ),
                )
            )
            entry = Field(kind, f"{hint} {_label(element)}"[:300].lower())
            owner = by_id.get(get("form") or "") or _owner(element, forms)
            (owner.fields if owner else page.loose).append(entry)
            if kind == "password" and owner is None and current is not None and not current.fields:
                current.fields.append(entry)  # a form that was closed too early by broken markup
        elif tag == "form":
            raw = (get("action") or "").strip()
            current = Form(_join(base, raw) if raw else base, raw, (get("method") or "get").lower())
            forms[element] = current
            by_id[get("id") or ""] = current
            page.forms.append(current)
            if get("onsubmit"):
                handlers.append(get("onsubmit") or "")
        elif tag == "button":
            target = get("formaction")
            if target:
                owner = _owner(element, forms)
                page.forms.append(Form(_join(base, target), target, "post", owner.fields if owner else []))
            if get("onclick"):
                handlers.append(get("onclick") or "")
        elif tag == "iframe" or tag == "frame" or tag == "embed" or tag == "object":
            source = get("src") or get("data") or ""
            page.frames.append(Frame(_join(base, source) if source else "", _hidden(element)))
            if get("srcdoc"):
                page.hidden_html.append(get("srcdoc") or "")
            if source[:5].lower() == "data:":
                page.hidden_html.append(_data(source))
        elif tag == "meta":
            _meta(element, page)
        elif tag == "title":
            page.title = page.title or " ".join("".join(element.itertext()).split())[:300]
        elif tag in ("h1", "h2"):
            if len(page.headings) < 20:
                page.headings.append(" ".join("".join(element.itertext()).split())[:200])
        elif tag == "link":
            relation = (get("rel") or "").lower()
            if "icon" in relation:
                page.icons.append(_join(base, get("href") or ""))
            elif "stylesheet" in relation:
                page.styles.append(_join(base, get("href") or ""))
        elif tag == "base":
            base = _join(page.address, get("href") or "") if get("href") else base
        elif tag == "body":
            handlers += [
                f"{name}={get(name)}"
                for name in ("onload", "oncontextmenu", "onbeforeunload", "onkeydown", "onselectstart", "oncopy")
                if get(name)
            ]
        elif tag in ("audio", "video") and element.get("autoplay") is not None:
            handlers.append(f"{tag}.autoplay")
    page.script = "\n".join(scripts)
    page.handlers = "\n".join(handlers)
    _hidden_links(root, page)
    etree.strip_elements(root, "script", "style", "noscript", "template", with_tail=False)
    page.raw_text = " ".join(t for t in root.itertext() if t)[:MOST_TEXT]


def _owner(element: etree._Element, forms: dict[etree._Element, Form]) -> Form | None:
    if not forms:
        return None
    for parent in element.iterancestors("form"):
        return forms.get(parent)
    return None


def _label(element: etree._Element) -> str:
    """The words just before an input, or of the label around it."""
    parent = element.getparent()
    before = element.getprevious()
    told = []
    if parent is not None and parent.tag == "label":
        told.append("".join(parent.itertext())[:80])
    elif before is not None:
        told += [("".join(before.itertext()) if before.tag == "label" else "")[:80], (before.tail or "")[:80]]
    elif parent is not None:
        told.append((parent.text or "")[:80])
    return " ".join(told)


def _meta(element: etree._Element, page: Document) -> None:
    content = element.get("content") or ""
    name = (element.get("property") or element.get("name") or "").lower()
    if (element.get("http-equiv") or "").lower() == "refresh":
        match = re.search(r"url\s*=\s*['\"]?\s*([^'\"\s]+)", content, re.I)
        delay = re.match(r"\s*(\d+)", content)
        if match and int((delay[1] if delay else "0")[:6]) <= 30:
            page.refresh = page.refresh or _join(page.address, match[1])
    elif name in ("og:site_name", "application-name", "apple-mobile-web-app-title", "author", "copyright"):
        page.site_names.append(content[:100])
    elif name in ("description", "og:title"):
        page.description += " " + content[:300]


def _join(base: str, href: str) -> str:
    href = href.strip()
    if not href or href[0] == "#":
        return "#"
    lower = href[:11].lower()
    if lower.startswith(("http://", "https://")):
        return href[:2000]
    if lower.startswith(("javascript:", "data:", "mailto:", "tel:", "about:", "blob:", "vbscript:")):
        return href[:200]
    if lower[0] == "/" and lower[1:2] not in ("/", "\\"):
        return _origin(base) + href[:2000]
    try:
        return urljoin(base, href[:2000])
    except ValueError:
        return ""


@lru_cache(maxsize=256)
def _origin(address: str) -> str:
    parts = hosts.split(address)
    return f"{parts.scheme}://{parts.netloc}" if parts and parts.netloc else ""


_INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\D|$)|(?:left|top|text-indent)\s*:\s*-\d{3,}"
    r"|(?:width|height)\s*:\s*[01](?:px)?\s*(?:;|$)|font-size\s*:\s*[01](?:px)?\b",
    re.I,
)


def _hidden(element: etree._Element) -> bool:
    if element.get("width", "9") in ("0", "1", "0px", "1px") or element.get("height", "9") in ("0", "1", "0px", "1px"):
        return True
    if element.get("hidden") is not None or _INVISIBLE.search(element.get("style") or ""):
        return True
    parent = element.getparent()
    return parent is not None and bool(_INVISIBLE.search(parent.get("style") or "")) and parent.tag != "noscript"


_SPAM = re.compile(
    r"casino|viagra|cialis|poker|payday|porn|escort|replica|slot(?:s|\b)|betting|judi|togel|xanax|essay|levitra|gacor", re.I
)
_SPAM_WORDS = (
    "casino", "viagra", "cialis", "poker", "payday", "porn", "escort", "replica", "slot", "betting", "judi", "togel", "xanax",
    "essay", "levitra", "gacor",
)  # fmt: skip


def _hidden_links(root: etree._Element, page: Document) -> None:
    told = "\n".join((*page.links, *page.link_texts)).lower()
    if not any(word in told for word in _SPAM_WORDS):
        return
    for element in root.iter("div", "span", "p", "ul", "marquee", "section", "td"):
        if element.tag == "marquee" or _INVISIBLE.search(element.get("style") or ""):
            for link in element.iter("a"):
                if _SPAM.search(link.get("href") or "") or _SPAM.search(link.text or ""):
                    page.hidden_links += 1


# What scripts write

_BASE64 = re.compile(r"['\"`]([A-Za-z0-9+/\s]{40,}={0,2})['\"`]")
_PERCENT = re.compile(r"['\"`]((?:[^'\"`%\n]{0,20}%[0-9A-Fa-f]{2}){10,}[^'\"`\n]{0,200000})['\"`]")
_HEX = re.compile(r"((?:\\x[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}){10,})")
_CODES = re.compile(
    r"fromCharCode(?:\.apply)?\s*\(\s*(?:\w+\s*,\s*)?\[?\s*((?:0x[0-9a-f]+|\d{1,5})(?:\s*,\s*(?:0x[0-9a-f]+|\d{1,5})){8,})",
    re.I,
)
_WRITTEN = re.compile(r"(?:document\.write(?:ln)?|innerHTML|outerHTML|insertAdjacentHTML|srcdoc)\b")
_QUOTED = re.compile(r"'((?:[^'\\\n]|\\.){30,20000})'|\"((?:[^\"\\\n]|\\.){30,20000})\"|`((?:[^`\\]|\\.){30,60000})`", re.S)


def _data(address: str) -> str:
    head, _, data = address.partition(",")
    if "html" not in head.lower() and "svg" not in head.lower():
        return ""
    if ";base64" in head.lower():
        return _plain(data)
    return unquote(data[:MOST_DECODED])


def _plain(text: str) -> str:
    data = re.sub(r"\s", "", text)[:MOST_DECODED]
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def decoded(script: str) -> list[str]:
    """What stands encoded in a script, as far as it becomes text by one step."""
    found: list[str] = []
    if "atob" in script or "base64" in script.lower():
        found += [_plain(match[1]) for match, _ in zip(_BASE64.finditer(script), range(40), strict=False)]
    if script.count("%") > 20 and ("unescape" in script or "decodeURI" in script):
        found += [unquote(match[1][:MOST_DECODED]) for match, _ in zip(_PERCENT.finditer(script), range(20), strict=False)]
    if "\\x" in script or "\\u00" in script:
        for match, _ in zip(_HEX.finditer(script), range(200), strict=False):
            digits = match[1].replace("\\u00", "").replace("\\x", "")
            found.append(bytes.fromhex(digits).decode("utf-8", "replace"))
    if "fromCharCode" in script:
        for match, _ in zip(_CODES.finditer(script), range(20), strict=False):
            numbers = [int(n, 16) if n[:2].lower() == "0x" else int(n) for n in re.split(r"\s*,\s*", match[1])]
            found.append("".join(chr(n) for n in numbers[:MOST_DECODED] if n < 0x110000))
    return [text for text in found if text and _readable(text)]


def _readable(text: str) -> bool:
    sample = text[:400]
    return sum(c.isprintable() or c.isspace() for c in sample) > 0.9 * len(sample) and "\ufffd" not in sample[:100]


def _unwrap(page: Document, layer: int) -> None:
    """Adds what is written by scripts, or spelled out in frames and addresses, to the page."""
    written: list[str] = []
    scripts: list[str] = []
    for text in decoded(page.script) if page.script else ():
        (written if _MARKUP.search(text) else scripts).append(text)
    written += [html for html in page.hidden_html if html]
    page.hidden_html = []
    page.written = bool(written)
    hidden = len(written)
    if page.script and _WRITTEN.search(page.script):
        for match, _ in zip(_QUOTED.finditer(page.script), range(200), strict=False):
            text = match[1] or match[2] or match[3] or ""
            if _MARKUP.search(text):
                written.append(text.replace('\\"', '"').replace("\\'", "'").replace("\\/", "/").replace("\\n", "\n"))
    if scripts:
        page.script += "\n" + "\n".join(scripts)[:MOST_DECODED]
    budget = MOST_DECODED
    for number, html in enumerate(written[:40]):
        budget -= len(html)
        if budget < 0:
            break
        inner = read(html.encode("utf-8", "replace"), page.address, "charset=utf-8", layer + 1)
        if inner is not None:
            if number < hidden and any(each.type == "password" for each in inner.fields):
                page.written_form = True
            page.written_form = page.written_form or inner.written_form
            page.merge(inner)


_MARKUP = re.compile(r"<\s*(?:form|input|html|body|script|iframe|div|a|img|meta|table|h1|button)\b", re.I)


def hosts_of_forms(page: Document) -> tuple[str, ...]:
    """Where the page's forms go: hosts only, sorted, at most 20."""
    found = {hosts.host_of(form.action) for form in page.forms} - {""}
    return tuple(sorted(found))[:20]
