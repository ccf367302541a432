"""A page as it was served, parsed in memory: forms, links, frames, scripts and words. Nothing of it outlives a judgement.

**lxml** (libxml2, fuzzed for twenty years) is told to fetch nothing. Bytes, nodes and decoded strings are bounded.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from typing import TypeVar
from urllib.parse import unquote, urljoin

from ahocorasick_rs import BytesAhoCorasick, Implementation
from lxml import etree

from app.scans.engine import host as hosts
from app.scans.engine.concept import Places, places
from app.scans.engine.words import normal, split_words, spoken, watch

MOST_BYTES = 2 * 1024 * 1024
"""So much of a page is parsed."""
MOST_ATTRIBUTES = 2_500
CROWDED_FROM = 32_000
"""A page of fewer bytes has no room for tags that would take long."""
MOST_SCRIPT = 400_000
MOST_HANDLERS = 50_000
MOST_TEXT = 200_000
MOST_SORTED = 200_000
MOST_LINKS = 3_000
MOST_LINK_TEXTS = 200
MOST_ELEMENTS = 20_000
"""Forms, scripts, pictures and their like that are looked at; links are bounded apart."""
MOST_FORMS = 300
MOST_BUTTONS = 50
"""Forms after which no button that leads elsewhere counts."""
MOST_FIELDS = 1_000
MOST_FRAMES = 200
MOST_SOURCES = 500
MOST_LABELS = 500_000
"""Characters beside inputs that are read."""
MOST_INSIDE = 64
"""Elements inside a heading or label with which it still counts as one."""
MOST_STYLE = 2_000
MOST_COUNTED = 450
"""Of a page of more words it does not matter how many there are."""
ENOUGH = 4_000
"""Characters that hold more words than that, as a rule."""
MOST_DECODED = 200_000
MOST_LAYERS = 3

_TAGS = (
    "form", "input", "textarea", "select", "button", "script", "iframe", "frame", "meta", "title", "link", "img", "h1", "h2",
    "body", "embed", "object", "audio", "video",
)  # fmt: skip
MOST_PRICES = 60
MOST_TOLD = 12_000
T = TypeVar("T")
Get = Callable[[str], str | None]
_TEXTS = etree.XPath("descendant::text()", smart_strings=False)


@dataclass
class Field:
    """An input of a form: its type, and what names it to people and programs."""

    type: str
    hint: str
    asks: frozenset[str] | None = None
    """Which secrets the hint names, as soon as somebody has looked."""


@dataclass
class Form:
    """Where a form goes, whole, and what it asks for."""

    action: str
    raw: str
    method: str
    fields: list[Field] = field(default_factory=list)
    of_button: bool = False
    """Whether it is another form's fields, sent elsewhere."""


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
    too_deep: bool = False
    cut: bool = False
    """Whether it holds more than is looked at."""
    hidden_html: list[str] = field(default_factory=list)
    written: bool = False
    written_form: bool = False
    roots: list[etree._Element] = field(default_factory=list, repr=False)
    unpacked: list[str] = field(default_factory=list)
    unseen: str = ""
    canonical: str = ""
    """Which address the page says is its own."""
    saved_from: str = ""
    """Where a browser took it from, as browsers note in what they save."""

    @cached_property
    def text(self) -> str:
        """The words as they are compared."""
        return normal(self.raw_text)

    @cached_property
    def length(self) -> int:
        """How many words there are; of many only that."""
        few = len(split_words(self.text[:ENOUGH]))
        return few if few > MOST_COUNTED or len(self.text) <= ENOUGH else len(split_words(self.text))

    @cached_property
    def words(self) -> set[str]:
        """Each word once."""
        return set(split_words(self.text))

    @cached_property
    def first_words(self) -> list[str]:
        """The words of the beginning, in order."""
        return split_words(self.text[:MOST_TOLD])

    @cached_property
    def concepts(self) -> Places:
        """Where, in the beginning, each concept is spoken of."""
        return places(self.text[:MOST_TOLD])

    @cached_property
    def options(self) -> str:
        """What may be chosen from lists, made normal, one to a line."""
        found = (each for root in self.roots for each in root.iter("option") if each.text)
        return "\n".join(normal(each.text[:60]) for each in islice(found, MOST_PRICES) if each.text)

    @cached_property
    def prices(self) -> list[tuple[str, str]]:
        """What is struck out, and what stands after it."""
        struck = (each for root in self.roots for each in root.iter("del", "s", "strike") if each.text)
        pairs = ((each.text, _after(each)) for each in islice(struck, MOST_PRICES))
        return [(before[:40], now[:40]) for before, now in pairs if before and now]

    @cached_property
    def spoken(self) -> dict[str, set[str]]:
        """Phrases by theme, the title included."""
        found = spoken(self.text)
        for theme, phrases in spoken(normal(self.title)).items():
            found.setdefault(theme, set()).update(phrases)
        return found

    @cached_property
    def all_links(self) -> str:
        """Every link once, one to a line."""
        return "\n".join(dict.fromkeys(self.links))

    @cached_property
    def link_texts(self) -> list[str]:
        """How the first links are called."""
        links = (link for root in self.roots for link in root.iter("a") if link.get("href") is not None)
        return [(link.text or "").strip()[:80] for link in islice(links, MOST_LINK_TEXTS)]

    @cached_property
    def hidden_links(self) -> int:
        """Links to casinos, pills or the like which are not to be seen."""
        links = self.all_links.lower()
        if "hidden links" not in self.spoken and not any(word in links for word in _SPAM_WORDS):
            return 0
        return sum(map(_hidden_links, self.roots))

    @property
    def fields(self) -> list[Field]:
        """Of all forms, and those in none; each once, also where several buttons of its form lead elsewhere."""
        own = (form.fields for form in self.forms if not form.of_button)
        return [each for fields in (*own, self.loose) for each in fields]

    def merge(self, other: Document) -> None:
        """What was written by a script is a part of the page."""
        for name in (
            "headings", "site_names", "forms", "loose", "links", "script_sources", "frames", "icons", "pictures",
            "picture_names", "styles", "roots",
        ):  # fmt: skip
            getattr(self, name).extend(getattr(other, name))
        self.title = self.title or other.title
        self.refresh = self.refresh or other.refresh
        self.raw_text += " " + other.raw_text
        self.script += "\n" + other.script
        self.handlers += "\n" + other.handlers
        self.cut = self.cut or other.cut


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
    body, crowded = _sparse(body[:MOST_BYTES])
    try:
        root = etree.HTML(body, parser=parser)
    except (etree.XMLSyntaxError, ValueError, AssertionError):
        return None
    if root is None:
        return None
    document = Document(address)
    document.too_deep = _ended_early(parser)
    if layer == 0:
        document.unseen = _unseen(body[:MOST_TEXT], root)
        if saved := _SAVED.search(body, 0, MOST_STYLE) if b"<!--" in body[:MOST_STYLE] else None:
            document.saved_from = (saved[1] or saved[2]).decode("utf-8", "replace")
    _collect(root, document)
    # XPath is three times as fast, but where much is nested deeply it sorts for long.
    texts = _TEXTS(root) if len(body) < MOST_SORTED else root.itertext()
    document.raw_text = " ".join(texts)[:MOST_TEXT]
    document.cut = document.cut or crowded
    if layer < MOST_LAYERS:
        _unwrap(document, layer)
    return document


_SAVED = re.compile(rb"<!--\s*+(?:saved from url=\(\d+\)(https?://[^\s>]{4,200})|Mirrored from ([^\s>]{4,200}) by HTTrack)")
_ATTRIBUTE = rb"[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+|))?+"
_CROWDED = re.compile(rb"(<[A-Za-z][^\s/>]*+(?:%b){0,%d}+)(?:%b)*+" % (_ATTRIBUTE, MOST_ATTRIBUTES, _ATTRIBUTE))
_SCRIPT_TAG = re.compile(rb"</?script\b", re.I)
_LONG_TAG = re.compile(rb">[^>]{4000}")
_HIDDEN_END = re.compile(rb"=\s*+(?:\"[^\">]*+>|'[^'>]*+>)")


def _sparse(body: bytes) -> tuple[bytes, bool]:
    """A page with no more attributes in a tag than a person would write, and whether any were left out.

    libxml2 walks the list of a tag's attributes for each one that it adds: half a million of them would take it minutes.
    """
    if len(body) < CROWDED_FROM:
        return body, False
    if 0 <= body.find(b">") < 4000 and not _LONG_TAG.search(body) and not _HIDDEN_END.search(body):
        return body, False
    scripts = [(match.start(), match[0][:2] == b"</") for match in _SCRIPT_TAG.finditer(body)]
    cut = False

    def thinned(match: re.Match[bytes]) -> bytes:
        nonlocal cut
        if match.end() == match.end(1):
            return match[0]
        last = bisect_left(scripts, (match.start(), False)) - 1
        if last >= 0 and not scripts[last][1] and match[0][:7].lower() != b"<script":
            return b"< " + match[0][1:]  # a comparison: no tag begins so, and nothing is lost
        cut = True
        return match[1]

    return _CROWDED.sub(thinned, body), cut


def _ended_early(parser: etree.HTMLParser) -> bool:
    """Whether it was nested too deeply to be read on: that error is the last one."""
    error = parser.error_log.last_error
    return error is not None and error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT


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
    for late in list(root.itersiblings()):
        root.append(late)  # what follows the end of the page is shown in it
    page.roots.append(root)
    base = page.address
    for element in root.iter("base"):
        if href := element.get("href"):
            base = _join(base, href)
            break
    hrefs = [href for link in islice(root.iter("a"), MOST_ELEMENTS) if (href := link.get("href")) is not None]
    if len(hrefs) > MOST_LINKS:
        page.cut = True
        del hrefs[MOST_LINKS:]
    joined = {href: _join(base, href) for href in dict.fromkeys(hrefs)}
    page.links = [joined[href] for href in hrefs]
    _Elements(page, base).read(root)
    etree.strip_elements(root, "script", "style", "noscript", "template", with_tail=False)


@dataclass
class _Elements:
    """The elements of a page on their way into a Document."""

    page: Document
    base: str
    forms: dict[etree._Element, Form] = field(default_factory=dict)
    by_id: dict[str, Form] = field(default_factory=dict)
    current: Form | None = None
    scripts: list[str] = field(default_factory=list)
    script_room: int = MOST_SCRIPT
    handlers: list[str] = field(default_factory=list)
    fields: int = 0
    labels: dict[etree._Element, str] = field(default_factory=dict)
    label_room: int = MOST_LABELS

    def read(self, root: etree._Element) -> None:
        """All that count, in their order, up to the bounds."""
        page = self.page
        elements = root.iter(*_TAGS)
        for element in islice(elements, MOST_ELEMENTS):
            _READ[element.tag](self, element, element.get)
        page.cut = page.cut or next(elements, None) is not None
        page.script = "\n".join(self.scripts)
        page.handlers = "\n".join(self.handlers)[:MOST_HANDLERS]

    def join(self, href: str) -> str:
        """An address that the page names, whole."""
        return _join(self.base, href)

    def script(self, element: etree._Element, get: Get) -> None:
        source, kind = get("src"), (get("type") or "").lower()
        if source:
            self.add(self.page.script_sources, self.join(source), MOST_SOURCES)
        elif self.script_room > 0 and kind not in ("application/ld+json", "application/json") and (text := element.text):
            self.scripts.append(text[: self.script_room])
            self.script_room -= len(text)
        if (get("language") or kind).lower() in ("vbscript", "text/vbscript"):
            self.scripts.append("<vbscript>")

    def picture(self, element: etree._Element, get: Get) -> None:
        if len(self.page.pictures) < 400:
            self.page.pictures.append(self.join(get("src") or ""))
            self.page.picture_names.append((get("alt") or "")[:300])
        if handler := get("onerror"):
            self.handlers.append(handler)

    def input(self, element: etree._Element, get: Get) -> None:
        tag = element.tag
        kind = (get("type") or "text").lower() if tag == "input" else tag
        if kind in ("submit", "button", "image", "reset", "hidden", "checkbox", "radio"):
            return
        self.fields += 1
        if self.fields > MOST_FIELDS:
            self.page.cut = True
            return
        told = (get("name"), get("id"), get("placeholder"), get("autocomplete"), get("aria-label"), get("title"))
        entry = Field(kind, normal(f"{' '.join(filter(None, told))} {self.label(element)}"[:300]))
        owner = self.by_id.get(get("form") or "") or self.owner(element)
        (owner.fields if owner else self.page.loose).append(entry)
        if kind == "password" and owner is None and self.current is not None and not self.current.fields:
            self.current.fields.append(entry)  # a form that was closed too early by broken markup

    def form(self, element: etree._Element, get: Get) -> None:
        raw = (get("action") or "").strip()
        form = Form(self.join(raw) if raw else self.base, raw, (get("method") or "get").lower())
        if not self.add(self.page.forms, form, MOST_FORMS):
            return
        self.current = self.forms[element] = self.by_id[get("id") or ""] = form
        if handler := get("onsubmit"):
            self.handlers.append(handler)

    def button(self, element: etree._Element, get: Get) -> None:
        if target := get("formaction"):
            owner = self.owner(element)
            form = Form(self.join(target), target, "post", owner.fields if owner else [], of_button=True)
            self.add(self.page.forms, form, MOST_BUTTONS)
        if handler := get("onclick"):
            self.handlers.append(handler)

    def frame(self, element: etree._Element, get: Get) -> None:
        source = get("src") or get("data") or ""
        if len(self.page.frames) >= MOST_FRAMES:
            self.page.cut = True
            return
        self.page.frames.append(Frame(self.join(source) if source else "", _hidden(element)))
        if html := get("srcdoc"):
            self.page.hidden_html.append(html)
        if source[:5].lower() == "data:":
            self.page.hidden_html.append(_data(source))

    def meta(self, element: etree._Element, get: Get) -> None:
        _meta(element, self.page)

    def title(self, element: etree._Element, get: Get) -> None:
        self.page.title = self.page.title or " ".join(_inside(element).split())[:300]

    def heading(self, element: etree._Element, get: Get) -> None:
        if len(self.page.headings) < 20:
            self.page.headings.append(" ".join(_inside(element).split())[:200])

    def link(self, element: etree._Element, get: Get) -> None:
        relation = (get("rel") or "").lower()
        if "icon" in relation:
            self.add(self.page.icons, self.join(get("href") or ""), MOST_FRAMES)
        elif "stylesheet" in relation:
            self.add(self.page.styles, self.join(get("href") or ""), MOST_SOURCES)
        elif relation == "canonical":
            self.page.canonical = self.page.canonical or self.join(get("href") or "")

    def body(self, element: etree._Element, get: Get) -> None:
        for name in ("onload", "oncontextmenu", "onbeforeunload", "onkeydown", "onselectstart", "oncopy"):
            if handler := get(name):
                self.handlers.append(f"{name}={handler}")

    def sound(self, element: etree._Element, get: Get) -> None:
        if get("autoplay") is not None:
            self.handlers.append(f"{element.tag}.autoplay")

    def add(self, to: list[T], what: T, most: int) -> bool:
        """Whether there was room for it."""
        if len(to) < most:
            to.append(what)
            return True
        self.page.cut = True
        return False

    def owner(self, element: etree._Element) -> Form | None:
        """The form around an element."""
        if self.forms:
            for parent in element.iterancestors("form"):
                return self.forms.get(parent)
        return None

    def label(self, element: etree._Element) -> str:
        """The words just before an input, or of the label around it."""
        parent = element.getparent()
        before = element.getprevious()
        if parent is not None and parent.tag == "label":
            found = self.labels.get(parent)
            if found is None:
                found = self.labels[parent] = self.some(_inside(parent))
            return found
        if before is not None:
            return f"{self.some(_inside(before)) if before.tag == 'label' else ''} {self.some(before.tail)}"
        return self.some(parent.text) if parent is not None else ""

    def some(self, text: str | None) -> str:
        """The beginning of a text, as long as not too many were read."""
        if not text or self.label_room < 0:
            return ""
        self.label_room -= len(text)
        return text[:80]


_READ: dict[str, Callable[[_Elements, etree._Element, Get], None]] = {
    "form": _Elements.form, "input": _Elements.input, "textarea": _Elements.input, "select": _Elements.input,
    "button": _Elements.button, "script": _Elements.script, "iframe": _Elements.frame, "frame": _Elements.frame,
    "embed": _Elements.frame, "object": _Elements.frame, "meta": _Elements.meta, "title": _Elements.title,
    "link": _Elements.link, "img": _Elements.picture, "h1": _Elements.heading, "h2": _Elements.heading,
    "body": _Elements.body, "audio": _Elements.sound, "video": _Elements.sound,
}  # fmt: skip


def _after(element: etree._Element) -> str:
    """The words that follow an element, in the next one or bare."""
    bare = (element.tail or "").strip()
    following = element.getnext()
    return bare or (following.text or "" if following is not None else "")


def _inside(element: etree._Element, most: int = MOST_INSIDE, between: str = "") -> str:
    """The words in an element; of one that holds more than so many others, those before its first part."""
    if not len(element) or next(islice(element.iter(), most, None), None) is not None:
        return element.text or ""
    return between.join(element.itertext())


def _meta(element: etree._Element, page: Document) -> None:
    content = element.get("content") or ""
    name = (element.get("property") or element.get("name") or "").lower()
    if (element.get("http-equiv") or "").lower() == "refresh":
        match = re.search(r"url\s*+=\s*+['\"]?\s*+([^'\"\s]+)", content, re.I)
        delay = re.match(r"\s*(\d+)", content)
        if match and int((delay[1] if delay else "0")[:6]) <= 30:
            page.refresh = page.refresh or _join(page.address, match[1])
    elif name in ("og:site_name", "application-name", "apple-mobile-web-app-title", "author", "copyright"):
        page.site_names.append(content[:100])
    elif name in ("description", "og:title"):
        page.description += " " + content[:300]


_SLASHES = ("/", "\\")
_HOST_FOLLOWS = re.compile(r"\A(https?:)?[/\\]{2,}", re.IGNORECASE)
"""However many slashes stand there, and whichever, browsers read a host behind them."""


def _join(base: str, href: str) -> str:
    href = href.strip()
    if not href or href[0] == "#":
        return "#"
    lower = href[:11].lower()
    if lower[1:2] in _SLASHES or "\\" in lower or ":///" in lower:
        href = _HOST_FOLLOWS.sub(r"\1//", href, count=1)
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


_TO_MODELS = BytesAhoCorasick(
    [b"instruction", b"prompt", b"assistant", b"language model", b"llm", b"scanner", b"classif", b"verdict"],
    implementation=Implementation.DFA,
)


_STYLED = etree.XPath("(descendant::*[@style])[position() <= 100]")
_HIDDEN = etree.XPath("(descendant::*[@hidden])[position() <= 40]")
_UNSEEN = (b"<!--", b"hidden", b"style")


def _unseen(body: bytes, root: etree._Element) -> str:
    """Words that no visitor sees, in comments and hidden elements; only of pages that may speak to machines."""
    lower = body.lower()
    if not any(mark in lower for mark in _UNSEEN) or not _TO_MODELS.find_matches_as_indexes(lower):
        return ""
    told: list[str] = []
    start = 0
    while len(told) < 40 and (start := body.find(b"<!--", start)) >= 0 and (end := body.find(b"-->", start)) >= 0:
        told.append(body[start + 4 : min(end, start + 1500)].decode("utf-8", "replace"))
        start = end
    for element in _STYLED(root):
        style = (element.get("style") or "")[:MOST_STYLE]
        if _INVISIBLE.search(style) or _SAME_COLOR.search(style):
            told.append(_inside(element, 200, " ")[:1500])
    for element in _HIDDEN(root):
        told.append(_inside(element, 200, " ")[:1500])
    return normal(" ".join(told)[:20_000])


_SAME_COLOR = re.compile(r"(?<![-\w])color\s*:\s*(?:#fff(?:fff)?\b|white\b|transparent|rgba\([^)]*,\s*0(?:\.0\d*)?\s*\))", re.I)
_INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\D|$)|(?:left|top|text-indent)\s*:\s*-\d{3,}"
    r"|(?:width|height)\s*:\s*[01](?:px)?\s*(?:;|$)|font-size\s*:\s*[01](?:px)?\b",
    re.I,
)


def _hidden(element: etree._Element) -> bool:
    if element.get("width", "9") in ("0", "1", "0px", "1px") or element.get("height", "9") in ("0", "1", "0px", "1px"):
        return True
    if element.get("hidden") is not None or _INVISIBLE.search((element.get("style") or "")[:MOST_STYLE]):
        return True
    parent = element.getparent()
    return parent is not None and bool(_INVISIBLE.search((parent.get("style") or "")[:MOST_STYLE])) and parent.tag != "noscript"


_SPAM = re.compile(
    r"casino|viagra|cialis|poker|payday|porn|escort|replica|slot(?:s|\b)|betting|judi|togel|xanax|essay|levitra|gacor", re.I
)
_SPAM_WORDS = watch("hidden links", (
    "casino", "viagra", "cialis", "poker", "payday", "porn", "escort", "replica", "slot", "betting", "judi", "togel", "xanax",
    "essay", "levitra", "gacor",
))  # fmt: skip
_HIDING = ("div", "span", "p", "ul", "marquee", "section", "td")


def _hidden_links(root: etree._Element) -> int:
    """How many such links stand in elements that nobody sees; once for each of these."""
    depths: dict[etree._Element, int] = {}
    return sum(
        _hidden_depth(link, depths)
        for link in islice(root.iter("a"), MOST_LINKS)
        if _SPAM.search((link.get("href") or "")[:2000]) or _SPAM.search((link.text or "")[:2000])
    )


def _hidden_depth(link: etree._Element, depths: dict[etree._Element, int]) -> int:
    """How many elements around a link hide it. Each is looked at once."""
    around = []
    depth = 0
    for parent in link.iterancestors(*_HIDING):
        known = depths.get(parent)
        if known is not None:
            depth = known
            break
        around.append(parent)
    for parent in reversed(around):
        if parent.tag == "marquee" or _INVISIBLE.search((parent.get("style") or "")[:MOST_STYLE]):
            depth += 1
        depths[parent] = depth
    return depth


# What scripts write

_BASE64 = re.compile(r"['\"`](={0,2}[A-Za-z0-9+/\s]{40,}={0,2})['\"`]")
_PERCENT = re.compile(r"['\"`]((?:[^'\"`%\n]{0,20}+%[0-9A-Fa-f]{2}){10,}+[^'\"`\n]{0,200000}+)['\"`]")
_HEX = re.compile(r"((?:\\x[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}){10,})")
_CODES = re.compile(
    r"fromCharCode(?:\.apply)?\s*+\(\s*+(?:\w++\s*+,\s*+)?\[?\s*+((?:0x[0-9a-f]+|\d{1,5})(?:\s*+,\s*+(?:0x[0-9a-f]+|\d{1,5})){8,})",
    re.I,
)
_WRITTEN = re.compile(r"(?:document\.write(?:ln)?|innerHTML|outerHTML|insertAdjacentHTML|srcdoc)\b")
_QUOTE = re.compile("['\"`]")
_QUOTES = (("'", r"\n", 20_000), ('"', r"\n", 20_000), ("`", "", 60_000))
"""How strings begin, what they cannot hold, and how long they are at most."""
_INSIDE = {quote: (re.compile(rf"(?:[^{quote}\\{end}]++|\\.)*+", re.S), most) for quote, end, most in _QUOTES}
MOST_QUOTES = 50_000


def _quoted(script: str) -> Iterator[str]:
    """The longer strings of a script. Where one does not end, what could begin inside of it does not end either."""
    place = 0
    open_until = dict.fromkeys(_INSIDE, 0)
    for _ in range(MOST_QUOTES):
        begin = _QUOTE.search(script, place)
        if begin is None:
            return
        quote, place = begin[0], begin.end()
        if place <= open_until[quote]:
            continue
        inside, most = _INSIDE[quote]
        found = inside.match(script, place)
        end = found.end() if found else place
        if not script.startswith(quote, end) or end - place > most:
            open_until[quote] = end
        elif end - place >= 30:
            yield script[place:end]
            place = end + 1


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
        quoted = [match[1] for match in islice(_BASE64.finditer(script), 40)]
        found += [_plain(each) for each in quoted]
        if "reverse()" in script:
            found += [_plain(each[::-1]) for each in quoted]
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
    page.unpacked = decoded(page.script) if page.script else []
    for text in page.unpacked:
        (written if _MARKUP.search(text) else scripts).append(text)
    written += [html for html in page.hidden_html if html]
    page.hidden_html = []
    page.written = bool(written)
    hidden = len(written)
    if page.script and _WRITTEN.search(page.script):
        for text in islice(_quoted(page.script), 200):
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
