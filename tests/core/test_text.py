"""Text that others will read."""

from __future__ import annotations

import pytest

from app.core.text import check_line
from app.kit.errors import AppError


def test_a_name_in_any_script_is_a_name() -> None:
    for name in ("x", "Müller & Söhne", "株式会社", "שלום", "👩‍👩‍👧 Family", "x" * 200):
        assert check_line(f" {name} ", 200) == name


@pytest.mark.parametrize("name", ["", "\t", "x" * 201, "a\nb", "a\u2028b", "a\x1bb", "a\u202eb", "a\u2066b", "https://x"])
def test_what_hides_or_leads_away_is_none(name: str) -> None:
    with pytest.raises(AppError):
        check_line(name, 200)
