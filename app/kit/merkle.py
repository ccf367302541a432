"""Merkle trees as in RFC 9162: roots, proofs that a leaf is in a tree, proofs that one tree continues another.

Hashes are SHA-256; a leaf is hashed behind the byte 0, two nodes behind the byte 1. ``range`` below is always a pair
(begin, end) of leaf positions, whose hash is the root of the tree of those leaves alone. A perfect subtree is named by its
level and its index on that level: (3, 2) is that of the leaves 16 to 23.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Range = tuple[int, int]
Perfect = tuple[int, int]

EMPTY = hashlib.sha256(b"").digest()
STRIDE = 8
"""Nodes are kept on every eighth level; those in between are hashed again when they are wanted, 255 at most."""


def leaf_hash(data: bytes) -> bytes:
    """Of a leaf's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two hashes below."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """The perfect subtrees that a growing tree consists of, the largest first: all that is needed to go on."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add the hash of a leaf. Yields (level, index, hash) of each perfect subtree that it completes, its own first."""
        made, level, index = leaf, 0, self.size
        yield 0, index, made
        while index & 1:
            made = node_hash(self.hashes.pop(), made)
            level, index = level + 1, index >> 1
            yield level, index, made
        self.hashes.append(made)
        self.size += 1

    def root(self) -> bytes:
        """Of the tree so far."""
        return _fold(self.hashes)


def _fold(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY
    made = hashes[-1]
    for each in reversed(hashes[:-1]):
        made = node_hash(each, made)
    return made


def cover(begin: int, end: int) -> list[Perfect]:
    """The perfect subtrees that a range consists of, the first first."""
    found = []
    while begin < end:
        level = min((begin & -begin).bit_length() - 1 if begin else 64, (end - begin).bit_length() - 1)
        found.append((level, begin >> level))
        begin += 1 << level
    return found


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Whose hashes prove that a leaf is in a tree, from the leaf up."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    begin, end, found = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin = middle
    return found[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Whose hashes prove that the tree of the first ``old`` leaves is the beginning of that of ``new``."""
    if not 0 <= old <= new:
        raise ValueError("a tree does not shrink")
    if old in (0, new):
        return []
    begin, end, whole, found = 0, new, True, []
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin, whole = middle, False
    return ([] if whole else [(begin, end)]) + found[::-1]


def _split(size: int) -> int:
    """The greatest power of two below ``size``."""
    return int(1 << (size - 1).bit_length() - 1)


def needed(ranges: Iterable[Range]) -> list[tuple[int, int, int]]:
    """(level, first, behind) of the kept nodes that the hashes of ranges are made of; level 0 are the leaves."""
    found = set()
    for begin, end in ranges:
        for level, index in cover(begin, end):
            kept = level - level % STRIDE
            found.add((kept, index << level - kept, index + 1 << level - kept))
    return sorted(found)


def range_hash(span: Range, kept: Callable[[int, int], bytes]) -> bytes:
    """The hash of a range, from the kept nodes that ``needed`` names, by level and index."""
    return _fold([_perfect(level, index, kept) for level, index in cover(*span)])


def _perfect(level: int, index: int, kept: Callable[[int, int], bytes]) -> bytes:
    base = level - level % STRIDE
    hashes = [kept(base, place) for place in range(index << level - base, index + 1 << level - base)]
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[place : place + 2]) for place in range(0, len(hashes), 2)]
    return hashes[0]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that the tree of this root has the hash of a leaf at the index (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, made = index, size - 1, leaf
    for each in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            made = node_hash(each, made)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            made = node_hash(made, each)
        place, last = place >> 1, last >> 1
    return last == 0 and made == root


def continues(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the new tree begins with the old one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and old_root == (EMPTY if old == 0 else new_root)
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, each)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
