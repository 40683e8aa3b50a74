"""The cheapest edit path through a window, in a band that is certified to hold it.

Elements (``elements.py``) of both sides are matched, exchanged, or left out. An unknown token takes
the place of one element or more::

    D[i, j] = min(D[i-1, j-1] + 0 equal | ABSORB one of them unknown | EXCHANGE both of ink,
                  D[i-1, j] + OMIT | OMIT_GAP a gap | ABSORB where element j is unknown,
                  D[i, j-1] + the same with the sides exchanged)

A path that leaves the diagonals between 0 and m - n by more than w takes at least |m - n| + 2(w+1)
steps off the diagonal. So a path found in the band whose cost is less than the cheapest such steps
is the one the full matrix gives, and every tie is seen; else w is doubled (Ukkonen 1985,
doi:10.1016/S0019-9958(85)80046-2). Ties: diagonal, then ``one`` alone, then ``other``. O(nw).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.exact.byte_symbols import UNKNOWN_SYMBOL
from align.exact.elements import GAP_ELEMENT
from align.kernels.jit import entry, kernel

EXCHANGE = 24
OMIT = 16
ABSORB = 4
OMIT_GAP = 1

# Steps of a path; ABSORBED_* goes on with the unknown token of the other side.
MATCHED, EXCHANGED, OMITTED_ONE, OMITTED_OTHER, ABSORBED_ONE, ABSORBED_OTHER = range(6)

MAX_CELLS = 1 << 24

_OUT_OF_REACH = 1 << 30


def cheapest_path(
    one: NDArray[np.uint16], other: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8] | None, int]:
    """The steps of the cheapest path, and its cost.

    Args:
        one: (n,) elements of one side.
        other: (m,) elements of the other.

    Returns:
        The steps in order, None where the certified band would need more than MAX_CELLS.
    """
    n, m = len(one), len(other)
    least = _least_step(one, other)
    width = 8
    while True:
        low, high = max(min(0, m - n) - width, -n), min(max(0, m - n) + width, m)
        if (n + 1) * (high - low + 1) > MAX_CELLS:
            return None, 0
        choice = np.empty((n + 1, high - low + 1), np.uint8)
        row = np.full(high - low + 2, _OUT_OF_REACH, np.int64)
        _fill(one, other, low, row, choice)
        cost = int(row[m - n - low])
        if (low == -n and high == m) or cost < least * (abs(m - n) + 2 * (width + 1)):
            steps = np.empty(n + m, np.uint8)
            return steps[_trace(choice, m, low, steps) :], cost
        width *= 2


def _least_step(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> int:
    """The cost of the cheapest step off the diagonal that these elements allow."""
    if (one == GAP_ELEMENT).any() or (other == GAP_ELEMENT).any():
        return OMIT_GAP
    return ABSORB if (one == UNKNOWN_SYMBOL).any() or (other == UNKNOWN_SYMBOL).any() else OMIT


@entry
def _fill(
    one: NDArray[np.uint16],
    other: NDArray[np.uint16],
    low: int,
    row: NDArray[np.int64],
    choice: NDArray[np.uint8],
) -> None:
    """Fill the diagonals from ``low`` on of D; ``choice[i, j - i - low]`` is the step into a cell.

    ``row`` holds the current row of D by diagonal, and ends one diagonal beyond ``choice``, out of
    reach; after the last row it holds what the last cell costs.
    """
    n, m = len(one), len(other)
    for i in range(n + 1):
        left = _OUT_OF_REACH
        # by diagonals, so that a cell's upper neighbour is the next place of the same row
        for d in range(max(0, -i - low), min(choice.shape[1], m - i - low + 1)):
            j = i + d + low
            best, step = 0 if i == 0 and j == 0 else _OUT_OF_REACH, MATCHED
            if i > 0 and j > 0:
                cost = _together(one[i - 1], other[j - 1])
                best, step = row[d] + cost, MATCHED if cost < EXCHANGE else EXCHANGED
            # strictly less, so that a tie stays with the step that was tried first
            if i > 0:
                cost = _alone(one[i - 1], j > 0 and other[j - 1] == UNKNOWN_SYMBOL)
                if row[d + 1] + cost < best:
                    best = row[d + 1] + cost
                    step = ABSORBED_ONE if cost == ABSORB else OMITTED_ONE
            if j > 0:
                cost = _alone(other[j - 1], i > 0 and one[i - 1] == UNKNOWN_SYMBOL)
                if left + cost < best:
                    best = left + cost
                    step = ABSORBED_OTHER if cost == ABSORB else OMITTED_OTHER
            choice[i, d], row[d], left = step, best, best


@kernel
def _together(a: int, b: int) -> int:
    """The cost of putting ``a`` against ``b``."""
    if a == b:
        return 0
    # no ink takes the place of a gap: that would move a word's boundary
    if a == GAP_ELEMENT or b == GAP_ELEMENT:
        return _OUT_OF_REACH
    return ABSORB if a == UNKNOWN_SYMBOL or b == UNKNOWN_SYMBOL else EXCHANGE


@kernel
def _alone(a: int, after_unknown: bool) -> int:
    """The cost of ``a`` alone; an unknown token of the other side before it may absorb it."""
    if a == GAP_ELEMENT:
        return OMIT_GAP
    return ABSORB if after_unknown else OMIT


@entry
def _trace(choice: NDArray[np.uint8], m: int, low: int, steps: NDArray[np.uint8]) -> int:
    """Follow ``choice`` back from the last cell; where in ``steps`` the path begins."""
    i, j, at = choice.shape[0] - 1, m, len(steps)
    while i > 0 or j > 0:
        # filled from the end, since the path is known backwards only
        at -= 1
        step = choice[i, j - i - low]
        steps[at] = step
        if step != OMITTED_OTHER and step != ABSORBED_OTHER:
            i -= 1
        if step != OMITTED_ONE and step != ABSORBED_ONE:
            j -= 1
    return at
