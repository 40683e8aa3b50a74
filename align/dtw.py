"""Monotone alignment of two token sequences by dynamic time warping: the published rule.

    D[i, j] = c(s_i, t_j) + min(D[i-1, j-1], D[i-1, j], D[i, j-1]),   D[0, 0] = c(s_0, t_0)

The price c of linking two tokens is the edit distance of their spellings, spaces left out: Fu et
al. 2023 (arXiv:2301.12726, published notebook on aligning Codex with Flan-T5) compare the teacher's
token without spaces with the student's piece without markers, character by character::

    c("Ġearns", "▁earn") = 1      c("12", "▁$12") = 1      c(" $", "s") = 1

The way back prefers the diagonal, then up (i-1, j), then left (i, j-1), as their code does; the
recurrence is Sakoe & Chiba's (1978, doi:10.1109/TASSP.1978.1163055). Every token gets at least one
link. It is kept for reproduction and as a reference: an edit distance knows no positions, so that a
short token is "near" any other. O(n m) time, one byte of memory per cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from align.alignment import Alignment
from align.kernels.jit import entry, integer

_DIAGONAL, _UP, _LEFT = 0, 1, 2


def warp(source: Sequence[bytes], target: Sequence[bytes]) -> tuple[Alignment, int]:
    """The cheapest monotone path through the prices of all pairs, and what it costs.

    Args:
        source: n pieces as they appear in the text.
        target: m pieces. Neither side may be empty.

    Raises:
        ValueError: a side is empty.

    >>> links, cost = warp([b" $", b"12"], [b" $12"])
    >>> links.links.tolist(), cost
    ([[0, 0], [1, 0]], 3)
    """
    if not source or not target:
        raise ValueError(
            f"every token needs a partner, but there are {len(source)} source and {len(target)} "
            f"target tokens"
        )
    (source_of, one), (target_of, other) = spellings(source), spellings(target)
    moves = np.empty((len(source), len(target)), np.uint8)
    total = np.zeros(len(target), np.int64)
    _warp(source_of, target_of, prices(one, other), total, moves)
    return Alignment(_way_back(moves), *moves.shape), int(total[-1])


def spellings(pieces: Sequence[bytes]) -> tuple[NDArray[np.int32], list[str]]:
    """Which spelling each piece has (n,), and the different spellings.

    Spaces are left out. A byte that is no UTF-8 counts as a character of its own, so that a
    character which is split over tokens has a spelling too.
    """
    order: dict[str, int] = {}
    which = np.empty(len(pieces), np.int32)
    for i, piece in enumerate(pieces):
        text = piece.decode("utf-8", "surrogateescape").replace(" ", "")
        which[i] = order.setdefault(text, len(order))
    return which, list(order)


def prices(source: Sequence[str], target: Sequence[str]) -> NDArray[np.int32]:
    """(n, m) Levenshtein's distances: insert, delete, replace, each 1."""
    return cdist(source, target, scorer=Levenshtein.distance, dtype=np.int32)


@entry
def _warp(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    table: NDArray[np.int32],
    total: NDArray[np.int64],
    moves: NDArray[np.uint8],
) -> None:
    """Fill D row by row; ``moves`` (n, m) is the step into each cell.

    ``source`` (n,) and ``target`` (m,) index the rows and columns of ``table``; ``total`` (m,) is
    the current row of D, and at last its last one.
    """
    for i in range(len(source)):
        corner = integer(0)  # D[i-1, j-1]
        for j in range(len(target)):
            best, move = total[j], _UP
            # ties go to the diagonal, and up before left, as in the published code
            if i == 0 or (j > 0 and corner <= best):
                best, move = corner, _DIAGONAL
            if j > 0 and (i == 0 or total[j - 1] < best):
                best, move = total[j - 1], _LEFT
            # the row is overwritten in place: keep what the next cell has on its diagonal
            corner = total[j]
            total[j] = best + table[source[i], target[j]]
            moves[i, j] = move


def _way_back(moves: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Links (L, 2) along the steps that lead to the last cell."""
    i, j = moves.shape[0] - 1, moves.shape[1] - 1
    links = [(i, j)]
    while i > 0 or j > 0:
        move = moves[i, j]
        i, j = i - (move != _LEFT), j - (move != _UP)
        links.append((i, j))
    return np.array(links[::-1], np.int32)
