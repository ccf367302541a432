"""Shared rows as the bytes of their JSON: what many parents share is written once for each form that their own columns give it.

The settings of a template are the same for everybody but for what each person has chosen, and there are as many choices as
options. So a row's few forms are kept as JSON, and an answer copies them instead of making and writing dictionaries anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orjson import Fragment

from app.kit.http import write
from app.kit.plan import Overlay

MOST_LISTS = 64
MOST_FORMS = 24
"""Of one row; a row that has more is made anew each time, as where an own column is a moment."""


@dataclass(slots=True)
class Forms:
    """One shared list, for one selection of its columns. Holds both, so that nothing else can have their ids."""

    shared: Sequence[Any]
    overlay: Overlay
    rows: list[dict[str, Any]] = field(default_factory=list)
    known: list[dict[tuple[Any, ...], Fragment]] = field(default_factory=list)

    def put_in(self, own: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The rows with one parent's own columns. Raises Surprise."""
        found: list[Any] = [forms.get(values) for forms, values in zip(self.known, own, strict=True)]
        if None in found:
            for place, values in enumerate(own):
                if found[place] is None:
                    found[place] = self._make(place, values)
        return found

    def _make(self, place: int, values: tuple[Any, ...]) -> Any:
        (made,) = self.overlay([self.rows[place]], [values])
        if len(self.known[place]) >= MOST_FORMS:
            return made
        fragment = self.known[place][values] = Fragment(write(made))
        return fragment


class Written:
    """The lists that were shared lately."""

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[int, int], Forms] = OrderedDict()

    def find(self, shared: Sequence[Any], overlay: Overlay, build: Callable[[], list[dict[str, Any]]]) -> Forms | None:
        """The forms of a list that was seen before; None where it is new, and may be of this one request."""
        key = id(shared), id(overlay)
        forms = self._lists.get(key)
        if forms is None:
            self._lists[key] = Forms(shared, overlay)
            if len(self._lists) > MOST_LISTS:
                self._lists.popitem(last=False)
            return None
        self._lists.move_to_end(key)
        if not forms.rows:
            forms.rows = build()
            forms.known = [{} for _ in forms.rows]
        return forms
