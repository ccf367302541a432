"""The chart of a report, as SVG: written here, since bars and words need no library and no display."""

from __future__ import annotations

from html import escape
from typing import Any

COLORS = {
    "Fivefold": "#0b6e4f",
    "hand-written": "#8fb8a8",
    "one statement": "#c3d5cc",
    "stock Strawberry": "#c8553d",
    "PostGraphile": "#4d6cc1",
    "Mercurius": "#e0a458",
    "Yoga + Drizzle": "#9a6fb0",
}
BAR, GAP, LEFT, WIDTH, HEAD, WORDS = 13, 18, 150, 820, 54, 140


def draw(report: dict[str, Any]) -> str:
    """Bars for each case at the middle concurrency: requests per second, each group to its own scale."""
    middle = sorted({case["connections"] for case in report["cases"]})
    chosen = middle[len(middle) // 2] if middle else 0
    cases = [case for case in report["cases"] if case["connections"] == chosen]
    parts, y = [], HEAD
    for case in cases:
        away = f", database {case['delay_ms']:g} ms away" if case["delay_ms"] else ""
        parts.append(_text(12, y, f"{case['title']}{away}", weight="bold"))
        y += 8
        rates = {name: each["requests_per_second"] for name, each in case["contenders"].items()}
        most = max(rates.values(), default=1)
        for name, rate in rates.items():
            length = max(rate / most * (WIDTH - LEFT - WORDS), 1)
            color = COLORS.get(name, "#888")
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{color}"/>')
            parts.append(_text(LEFT - 8, y + 9, name, anchor="end"))
            low, high = min(case["contenders"][name]["rates"]), max(case["contenders"][name]["rates"])
            parts.append(_text(LEFT + length + 6, y + 9, f"{rate:.0f} ({low:.0f} to {high:.0f})"))
            y += BAR
        y += GAP
    title = f"Requests per second, {chosen} at once, {report['accounts']:,} accounts"
    head = [_text(12, 20, title, size=15, weight="bold"), _text(12, 36, "median of the rounds, and lowest to highest")]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
        ' font-family="system-ui, sans-serif" font-size="11" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>\n' + "\n".join([*head, *parts]) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, *, size: int = 11, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">'
        f"{escape(words)}</text>"
    )
