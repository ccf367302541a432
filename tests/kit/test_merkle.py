"""Merkle trees, against the definitions of RFC 9162 written down as they stand there."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.merkle import (
    EMPTY,
    STRIDE,
    Frontier,
    consistency_ranges,
    continues,
    cover,
    includes,
    inclusion_ranges,
    leaf_hash,
    needed,
    node_hash,
    range_hash,
)

LEAVES = [leaf_hash(str(number).encode()) for number in range(201)]


def root(leaves: list[bytes]) -> bytes:
    """MTH of 2.1.1."""
    return _root(tuple(leaves))


@cache
def _root(leaves: tuple[bytes, ...]) -> bytes:
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = max(1 << bit for bit in range(20) if 1 << bit < len(leaves))
    return hashlib.sha256(b"\x01" + _root(leaves[:k]) + _root(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = max(1 << bit for bit in range(20) if 1 << bit < len(leaves))
    return [*path(m, leaves[:k]), root(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), root(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = max(1 << bit for bit in range(20) if 1 << bit < len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), root(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), root(leaves[:k])]


def grow(leaves: list[bytes]) -> tuple[dict[tuple[int, int], bytes], list[bytes]]:
    """The kept nodes, and the root after each leaf."""
    tree, roots = Frontier(), [EMPTY]
    kept: dict[tuple[int, int], bytes] = {}
    for leaf in leaves:
        kept |= {(level, index): made for level, index, made in tree.append(leaf) if level % STRIDE == 0}
        roots.append(tree.root())
    return kept, roots


def hashes(ranges: list[tuple[int, int]], kept: dict[tuple[int, int], bytes]) -> list[bytes]:
    """Of ranges, asking for nothing but what is said to be needed."""
    allowed = {(level, index) for level, first, behind in needed(ranges) for index in range(first, behind)}
    return [range_hash(span, lambda level, index: kept[level, index] if (level, index) in allowed else b"") for span in ranges]


KEPT, ROOTS = grow(LEAVES)


def test_roots_and_proofs_of_every_size_up_to_80_and_around_powers_of_two() -> None:
    kept, roots = KEPT, ROOTS
    for size in (*range(81), *range(126, 131), *range(198, 201)):
        assert roots[size] == root(LEAVES[:size])
        for index in range(size):
            made = hashes(inclusion_ranges(index, size), kept)
            assert made == path(index, LEAVES[:size])
            assert includes(LEAVES[index], index, size, made, roots[size])
        for old in range(size + 1):
            made = hashes(consistency_ranges(old, size), kept)
            assert made == (subproof(old, LEAVES[:size], True) if old else [])
            assert continues(old, size, roots[old], roots[size], made)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_nothing_else_is_proven(data: st.DataObject) -> None:
    """Another leaf, index, size, root, a path with a hash more, less or changed."""
    kept, roots = KEPT, ROOTS
    size = data.draw(st.integers(2, 200))
    index = data.draw(st.integers(0, size - 1))
    proof = hashes(inclusion_ranges(index, size), kept)
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:place], node_hash(proof[place], proof[place]), *proof[place + 1 :]]
    for wrong in (proof[:-1], [*proof, EMPTY], changed, []):
        assert not includes(LEAVES[index], index, size, wrong, roots[size])
    assert not includes(LEAVES[index - 1], index, size, proof, roots[size])
    assert not includes(LEAVES[index], index, size, proof, roots[size - 1])
    for other in (-1, size, index + size):
        assert not includes(LEAVES[index], other, size, proof, roots[size])

    old = data.draw(st.integers(1, size - 1))
    proof = hashes(consistency_ranges(old, size), kept)
    for wrong in (proof[:-1], [*proof, EMPTY], []):
        assert not continues(old, size, roots[old], roots[size], wrong)
    assert not continues(old, size, roots[old - 1], roots[size], proof)
    assert not continues(old, size, roots[old], roots[size - 1], proof)
    assert not continues(size, old, roots[size], roots[old], proof)


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 1), (0, 700), (3, 700), (256, 70_000), (1, 2)])
def test_a_range_is_covered_by_perfect_trees(begin: int, end: int) -> None:
    spans = [(index << level, index + 1 << level) for level, index in cover(begin, end)]
    assert [begin, *(behind for _, behind in spans)][-1] == end or begin == end
    assert all(left[1] == right[0] for left, right in pairwise(spans))


def test_large_trees_need_few_nodes() -> None:
    size = 1_000_003
    ranges = inclusion_ranges(654_321, size)
    assert len(ranges) <= 20
    assert sum(behind - first for _, first, behind in needed(ranges)) < 6 * 256


def test_kept_nodes_stand_for_their_leaves() -> None:
    """A tree of three kept levels would take long; that of two is enough to see one stand for the other."""
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(1000)]
    kept, roots = grow(leaves)
    for index in (0, 255, 256, 700, 999):
        assert includes(leaves[index], index, 1000, hashes(inclusion_ranges(index, 1000), kept), roots[1000])
    for old in (1, 255, 256, 257, 512, 768, 999):
        assert continues(old, 1000, roots[old], roots[1000], hashes(consistency_ranges(old, 1000), kept))


def test_numbers_that_make_no_sense_are_refused() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_ranges(index, size)
    with pytest.raises(ValueError, match="shrink"):
        consistency_ranges(4, 3)
