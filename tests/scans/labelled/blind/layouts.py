"""Layouts of pages that cases fill with words: the same layouts serve honest and hostile pages, so that no judgement can
learn the layout instead of what the page does."""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Sequence

BOOTSTRAP = '<link rel="stylesheet" href="https://cdn.jsdelivr.net/npm/bootstrap@5.3.2/dist/css/bootstrap.min.css">'
JQUERY = '<script src="https://code.jquery.com/jquery-3.7.1.min.js"></script>'
ANALYTICS = (
    '<script async src="https://www.googletagmanager.com/gtag/js?id=G-4QX1"></script><script>window.dataLayer='
    "window.dataLayer||[];function gtag(){dataLayer.push(arguments)}gtag('js',new Date());gtag('config','G-4QX1');</script>"
)
FONTS = '<link href="https://fonts.googleapis.com/css2?family=Inter:wght@400;600&display=swap" rel="stylesheet">'


def page(title: str, body: str, *, lang: str = "en", head: str = "") -> str:
    return (
        f'<!DOCTYPE html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head><body>{body}</body></html>'
    )


def field(name: str, label: str, kind: str = "text") -> str:
    return f'<label for="{name}">{label}</label><input id="{name}" name="{name}" type="{kind}" placeholder="{label}">'


def fields(*specs: tuple[str, str, str]) -> str:
    return "".join(field(*spec) for spec in specs)


def form(action: str, inside: str, button: str, *, method: str = "post", more: str = "") -> str:
    return f'<form action="{action}" method="{method}" {more}>{inside}<button type="submit">{button}</button></form>'


def card(title: str, heading: str, lead: str, form_: str, foot: str = "", *, lang: str = "en", head: str = "") -> str:
    """A log-in card in the middle, as thousands of sites have it."""
    return page(
        title,
        f'<div class="container py-5"><div class="row justify-content-center"><div class="col-md-5"><div class="card shadow">'
        f'<div class="card-body p-4"><h1 class="h4 mb-3">{heading}</h1><p class="text-muted">{lead}</p>{form_}</div></div>'
        f'<p class="small mt-3 text-center">{foot}</p></div></div></div>',
        lang=lang,
        head=BOOTSTRAP + head,
    )


def table(title: str, heading: str, lead: str, form_: str, foot: str = "", *, lang: str = "en", head: str = "") -> str:
    """A page laid out with tables, as kits and old intranets are."""
    return page(
        title,
        f'<table width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td bgcolor="#003366" height="60">'
        f'<img src="images/logo.gif" alt="" width="180"></td></tr><tr><td align="center"><table width="480"><tr><td>'
        f'<font face="Arial" size="4"><b>{heading}</b></font><br><font size="2">{lead}</font></td></tr><tr><td>{form_}</td>'
        f"</tr></table></td></tr><tr><td><font size=1>{foot}</font></td></tr></table>",
        lang=lang,
        head=head,
    )


def boxed(title: str, heading: str, lead: str, form_: str, foot: str = "", *, lang: str = "en", head: str = "") -> str:
    """Inline styles and absolute boxes over a picture, as copies of well-known log-ins are."""
    return page(
        title,
        f"<style>body{{margin:0;background:url(bg.jpg) center/cover;font-family:'Segoe UI',Arial}}.b{{position:absolute;"
        f"top:50%;left:50%;transform:translate(-50%,-50%);width:440px;padding:44px;background:#fff}}</style>"
        f'<div class="b"><img src="data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=" '
        f'height="24" alt=""><div role="heading">{heading}</div><div>{lead}</div>{form_}<div>{foot}</div></div>',
        lang=lang,
        head=head,
    )


def firm(
    title: str,
    paragraphs: Sequence[str],
    *,
    nav: Sequence[str] = ("Home", "About", "Contact"),
    foot: str = "",
    lang: str = "en",
    head: str = "",
    extra: str = "",
) -> str:
    """A site with navigation, text and a foot: the everyday page."""
    links = "".join(f'<li><a href="/{n.lower().replace(" ", "-")}">{n}</a></li>' for n in nav)
    text = "".join(f"<p>{p}</p>" for p in paragraphs)
    return page(
        title,
        f'<header><a href="/"><img src="/img/logo.svg" alt="{title}"></a><nav><ul>{links}</ul></nav></header><main><h1>{title}'
        f"</h1>{text}{extra}</main><footer>{foot}</footer>",
        lang=lang,
        head=FONTS + head,
    )


def article(title: str, by: str, paragraphs: Sequence[str], *, lang: str = "en", head: str = "", extra: str = "") -> str:
    text = "".join(f"<p>{p}</p>" for p in paragraphs)
    return page(
        title,
        f'<article itemscope itemtype="https://schema.org/Article"><h1>{title}</h1><p class="byline">{by}</p>{text}{extra}'
        f'</article><aside><h2>More</h2><ul><li><a href="/archive">Archive</a></li><li><a href="/feed.xml">RSS</a></li></ul></aside>',
        lang=lang,
        head=f'<meta property="og:type" content="article"><link rel="canonical" href="/p/1">{FONTS}{ANALYTICS}{head}',
    )


def shop(
    title: str,
    banner: str,
    goods: Sequence[tuple[str, str, str]],
    *,
    buy: str = "Add to cart",
    foot: str = "",
    lang: str = "en",
    head: str = "",
    extra: str = "",
) -> str:
    """A grid of goods: name, price before, price now."""
    tiles = "".join(
        f'<li class="product"><img src="/media/{i}.jpg" alt="{name}" loading="lazy"><h3>{name}</h3><del>{before}</del> '
        f'<ins>{now}</ins><button data-id="{i}">{buy}</button></li>'
        for i, (name, before, now) in enumerate(goods)
    )
    return page(
        title,
        f'<div class="announcement">{banner}</div><h1>{title}</h1><ul class="products">{tiles}</ul>{extra}<footer>{foot}</footer>',
        lang=lang,
        head=JQUERY + head,
    )


def notice(title: str, heading: str, steps: Sequence[str], script: str = "", *, lang: str = "en", extra: str = "") -> str:
    """A dialog in the middle of an empty page."""
    items = "".join(f"<li>{s}</li>" for s in steps)
    return page(
        title,
        f'<div class="overlay"><div class="dialog"><h2>{heading}</h2><ol>{items}</ol>{extra}</div></div>'
        + (f"<script>{script}</script>" if script else ""),
        lang=lang,
        head="<style>.overlay{position:fixed;inset:0;background:#f5f5f5}.dialog{max-width:420px;margin:12vh auto}</style>",
    )


def landing(
    title: str, hero: str, points: Sequence[str], action: str, *, lang: str = "en", head: str = "", foot: str = ""
) -> str:
    """One long page that wants one click."""
    items = "".join(f'<div class="col"><h3>{p}</h3></div>' for p in points)
    return page(
        title,
        f'<section class="hero"><h1>{hero}</h1>{action}</section><section class="grid">{items}</section><footer>{foot}</footer>',
        lang=lang,
        head=BOOTSTRAP + head,
    )


def shell(
    title: str, bundle: str = "/assets/index-4f1c9a2b.js", *, lang: str = "en", head: str = "", root: str = "root"
) -> str:
    """What a single-page application sends: nearly nothing."""
    return page(
        title,
        f'<noscript>You need to enable JavaScript to run this app.</noscript><div id="{root}"></div>',
        lang=lang,
        head=f'<script type="module" crossorigin src="{bundle}"></script><link rel="stylesheet" href="/assets/index-88c1.css">{head}',
    )


def letter(title: str, rows: Sequence[str], foot: str, *, lang: str = "en") -> str:
    """A newsletter in the browser."""
    cells = "".join(f'<tr><td style="padding:16px;font-family:Georgia">{r}</td></tr>' for r in rows)
    return page(
        title,
        f'<center><table width="600" role="presentation">{cells}<tr><td style="font-size:11px">{foot}</td></tr></table></center>',
        lang=lang,
    )
