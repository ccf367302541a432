"""Shared rows as bytes: the same JSON as of dictionaries, kept only where a list is shared again, and never much of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from app.kit import written
from app.kit.http import write
from app.kit.plan import Surprise
from app.kit.written import Written

ROWS = [{"key": "a", "value": None}, {"key": "é", "value": None}]


def overlay(rows: Sequence[dict[str, Any]], owns: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    if any(own == ("never",) for own in owns):
        raise Surprise("value")
    return [{**row, "value": own[0]} for row, own in zip(rows, owns, strict=True)]


def rows() -> list[dict[str, Any]]:
    return ROWS


def test_the_bytes_are_those_of_dictionaries() -> None:
    kept, shared = Written(), ["any list"]
    assert kept.find(shared, overlay, rows) is None  # it may never come again
    for own in ([("on",), (None,)], [("on",), ("off",)], [("on",), (None,)]):
        forms = kept.find(shared, overlay, rows)
        assert forms is not None
        assert write({"data": forms.put_in(own)}) == write({"data": overlay(ROWS, own)})
    assert forms is not None
    assert [set(known) for known in forms.known] == [{("on",)}, {(None,), ("off",)}]


def test_a_value_that_may_not_be_is_a_surprise_each_time() -> None:
    kept, shared = Written(), ["any list"]
    kept.find(shared, overlay, rows)
    forms = kept.find(shared, overlay, rows)
    assert forms is not None
    for _ in range(2):
        with pytest.raises(Surprise):
            forms.put_in([("on",), ("never",)])


def test_a_row_of_many_forms_is_made_anew() -> None:
    kept, shared = Written(), ["any list"]
    kept.find(shared, overlay, rows)
    forms = kept.find(shared, overlay, rows)
    assert forms is not None
    for number in range(2 * written.MOST_FORMS):
        made = forms.put_in([(number,), ("on",)])
        assert orjson.loads(write(made))[0] == {"key": "a", "value": number}
    assert [len(known) for known in forms.known] == [written.MOST_FORMS, 1]


def test_lists_make_room_and_two_of_the_same_content_are_two() -> None:
    kept = Written()
    lists = [["any list"] for _ in range(written.MOST_LISTS + 1)]
    for shared in lists:
        assert kept.find(shared, overlay, rows) is None
    assert kept.find(lists[1], overlay, rows) is not None
    assert kept.find(lists[0], overlay, rows) is None  # the first had to go
    assert len(kept._lists) == written.MOST_LISTS
