"""The price of linking two tokens: the edit distance of their spellings, spaces left out.

    price("Ġearns", "▁earn") = 1      price("12", "▁$12") = 1      price(" $", "s") = 1

Fu et al. 2023 (arXiv:2301.12726, published notebook on aligning Codex with Flan-T5) compare the
teacher's token without spaces with the student's piece without markers, character by character.
Levenshtein's distance (insert, delete, replace, each 1); O(a b) per pair of lengths a, b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import allocating, kernel


class Spellings(NamedTuple):
    """Different spellings behind one another: ``indptr`` (U + 1,), ``characters``, code points."""

    indptr: NDArray[np.int64]
    characters: NDArray[np.int32]


def spellings(pieces: Sequence[bytes]) -> tuple[NDArray[np.int32], Spellings]:
    """Which spelling each piece has (n,), and the different spellings.

    Spaces are left out. A byte that is no UTF-8 counts as a character of its own, so that a
    character which is split over tokens has a spelling too.
    """
    order: dict[str, int] = {}
    which = np.empty(len(pieces), np.int32)
    for i, piece in enumerate(pieces):
        text = piece.decode("utf-8", "surrogateescape").replace(" ", "")
        which[i] = order.setdefault(text, len(order))
    indptr = np.cumsum([0] + [len(text) for text in order]).astype(np.int64)
    characters = np.array([ord(c) for text in order for c in text], np.int32)
    return which, Spellings(indptr, characters)


def prices(source: Spellings, target: Spellings) -> NDArray[np.int32]:
    """(different source spellings, different target spellings) edit distances."""
    return _prices(*source, *target)


@allocating
def _prices(
    a_ptr: NDArray[np.int64],
    a: NDArray[np.int32],
    b_ptr: NDArray[np.int64],
    b: NDArray[np.int32],
) -> NDArray[np.int32]:
    rows, columns = len(a_ptr) - 1, len(b_ptr) - 1
    table = np.empty((rows, columns), np.int32)
    longest = 0
    for v in range(columns):
        longest = max(longest, b_ptr[v + 1] - b_ptr[v])
    row = np.empty(longest + 1, np.int32)
    signs_a, signs_b = _signatures(a_ptr, a), _signatures(b_ptr, b)
    for u in range(rows):
        one = a[a_ptr[u] : a_ptr[u + 1]]
        for v in range(columns):
            other = b[b_ptr[v] : b_ptr[v + 1]]
            if signs_a[u] & signs_b[v] == 0:  # no character in common: replace them all
                table[u, v] = max(len(one), len(other))
            else:
                table[u, v] = _distance(one, other, row)
    return table


@allocating
def _signatures(indptr: NDArray[np.int64], characters: NDArray[np.int32]) -> NDArray[np.int64]:
    """(U,) a bit for every character modulo 64."""
    signs = np.zeros(len(indptr) - 1, np.int64)
    for u in range(len(signs)):
        for k in range(indptr[u], indptr[u + 1]):
            signs[u] |= np.int64(1) << np.int64(characters[k] & 63)
    return signs


@kernel
def _distance(one: NDArray[np.int32], other: NDArray[np.int32], row: NDArray[np.int32]) -> int:
    """Levenshtein's distance with one rolling row; ``row`` holds len(other) + 1 values."""
    for j in range(len(other) + 1):
        row[j] = j
    for i in range(len(one)):
        corner = row[0]
        row[0] = i + 1
        for j in range(len(other)):
            replaced = corner + (one[i] != other[j])
            corner = row[j + 1]
            row[j + 1] = min(replaced, corner + 1, row[j] + 1)
    return int(row[len(other)])
