"""What is packed comes back as it was, in few bytes, and what was not seen stays unseen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.privacy.template import TemplateSetting
from app.privacy.values import pack, unpack
from tests.factory.privacy import setting

Scanned = tuple[list[TemplateSetting], dict[str, str]]


@st.composite
def scanned(draw: st.DrawFn, most: int = 250) -> Scanned:
    """A template of up to 250 settings, given in any order, and the values of those that were seen."""
    size = draw(st.one_of(st.integers(1, 20), st.just(most)))
    random = draw(st.randoms(use_true_random=False))
    template, values = [], {}
    for place in range(size):
        options = [f"option {n}" for n in range(random.randint(2, 20))]
        template.append(setting(place, f"key_{place}", options, default_value=random.choice(options)))
    part = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    for one in template:
        if random.random() < part:
            values[one.key] = random.choice(one.options)
    random.shuffle(template)
    return template, values


@given(scanned())
@settings(deadline=None)
def test_what_is_packed_comes_back(example: Scanned) -> None:
    template, values = example
    packed, observed = pack(template, values)
    assert unpack(template, packed, observed) == values


@given(scanned())
@settings(deadline=None)
def test_the_form_does_not_depend_on_the_order_of_anything(example: Scanned) -> None:
    template, values = example
    backwards = dict(reversed(values.items()))
    assert pack(template, values) == pack(template[::-1], backwards)


@given(scanned())
@settings(deadline=None)
def test_only_what_differs_takes_room(example: Scanned) -> None:
    template, values = example
    packed, observed = pack(template, values)
    differing = [s for s in template if s.key in values and values[s.key] != s.default_value]
    assert len(packed) == 2 * len(differing)
    assert (observed is None) == (len(values) == len(template))
    assert observed is None or len(observed) == (len(template) + 7) // 8
    assert observed is None or int.from_bytes(observed).bit_count() == len(values)


def test_the_largest_template_fits_its_columns() -> None:
    template = [setting(n, f"key_{n}", [str(o) for o in range(20)]) for n in range(250)]
    packed, _ = pack(template, {s.key: "19" for s in template})
    assert len(packed) == 500
    _, observed = pack(template, {s.key: "19" for s in template[1:]})
    assert observed is not None
    assert len(observed) == 32


def test_the_bytes_are_as_documented() -> None:
    """Snapshots outlive the code that wrote them, so their bytes may not change."""
    template = [setting(n, f"key_{n}", ["a", "b", "c"]) for n in range(10)]
    assert pack(template, {"key_0": "a", "key_3": "c", "key_9": "b"}) == (bytes([3, 2, 9, 1]), bytes([0b00001001, 0b00000010]))
    assert pack(template, {s.key: "a" for s in template}) == (b"", None)
    assert pack(template, {}) == (b"", bytes(2))


def test_as_the_default_and_never_seen_are_different() -> None:
    template = [setting(0, "a"), setting(1, "b")]
    assert pack(template, {"a": "on"}) != pack(template, {"b": "on"})
    assert unpack(template, *pack(template, {"a": "on"})) == {"a": "on"}


def test_a_value_that_is_no_option_is_not_packed() -> None:
    with pytest.raises(ValueError, match="maybe"):
        pack([setting(0, "a")], {"a": "maybe"})
