"""Text that others will read, in mails too."""

from __future__ import annotations

import unicodedata

from app.kit.errors import AppError, ErrorCode

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_line(name: str, most: int, *, field: str = "name") -> str:
    """A name: one line, nothing hidden, no web address. Raises BAD_INPUT."""
    name = name.strip()
    if not 1 <= len(name) <= most:
        raise AppError(ErrorCode.BAD_INPUT, f"A name has 1 to {most} characters.", field=field)
    if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") or each in _BIDIRECTIONAL for each in name):
        raise AppError(ErrorCode.BAD_INPUT, "A name is one line of characters that can be seen.", field=field)
    if "://" in name:
        raise AppError(ErrorCode.BAD_INPUT, "A name holds no web address; leave out the part with ://.", field=field)
    return name
