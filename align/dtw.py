"""Monotone alignment of two token sequences by dynamic time warping: the published rule.

    D[i, j] = c(s_i, t_j) + min(D[i-1, j-1], D[i-1, j], D[i, j-1]),   D[0, 0] = c(s_0, t_0)

with c of ``cost.py``. The way back prefers the diagonal, then up (i-1, j), then left (i, j-1), as
the code of Fu et al. 2023 (arXiv:2301.12726) does; the recurrence is Sakoe & Chiba's (1978,
doi:10.1109/TASSP.1978.1163055). Every token gets at least one link. It is kept for reproduction
and as an oracle: an edit distance knows no positions, so that a short token is "near" any other.
O(n m) time, one byte of memory per cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from align.alignment import Alignment
from align.cost import prices, spellings
from align.kernels.jit import allocating

_DIAGONAL, _UP, _LEFT = 0, 1, 2


def warp(source: Sequence[bytes], target: Sequence[bytes]) -> tuple[Alignment, int]:
    """The cheapest monotone path through the prices of all pairs, and what it costs.

    Args:
        source: n pieces as they stand in the text. target: m pieces. Neither may be empty.
    """
    if not source or not target:
        raise ValueError(
            f"every token needs a partner, but there are {len(source)} source and {len(target)} "
            f"target tokens"
        )
    source_of, source_spellings = spellings(source)
    target_of, target_spellings = spellings(target)
    table = prices(source_spellings, target_spellings)
    links, cost = warp_tokens(source_of, target_of, table)
    return Alignment(links, len(source), len(target)), cost


@allocating
def warp_tokens(
    source: NDArray[np.int32], target: NDArray[np.int32], table: NDArray[np.int32]
) -> tuple[NDArray[np.int32], int]:
    """Links (L, 2) and cost; ``source`` (n,) and ``target`` (m,) index the rows and columns of
    ``table``."""
    n, m = len(source), len(target)
    moves = np.empty((n, m), np.uint8)
    total = np.empty(m, np.int64)
    for i in range(n):
        row = table[source[i]]
        corner = np.int64(0)
        for j in range(m):
            price = row[target[j]]
            if i == 0:
                best, move = (total[j - 1], _LEFT) if j > 0 else (np.int64(0), _DIAGONAL)
            elif j == 0:
                best, move = total[0], _UP
            else:
                best, move = corner, _DIAGONAL
                if total[j] < best:
                    best, move = total[j], _UP
                if total[j - 1] < best:
                    best, move = total[j - 1], _LEFT
            corner = total[j]
            total[j] = best + price
            moves[i, j] = move
    return _way_back(moves), total[m - 1]


@allocating
def _way_back(moves: NDArray[np.uint8]) -> NDArray[np.int32]:
    n, m = moves.shape
    links = np.empty((n + m - 1, 2), np.int32)
    at = n + m - 1
    i, j = n - 1, m - 1
    while True:
        at -= 1
        links[at, 0], links[at, 1] = i, j
        if i == 0 and j == 0:
            return links[at:].copy()
        move = moves[i, j]
        if move != _LEFT:
            i -= 1
        if move != _UP:
            j -= 1
