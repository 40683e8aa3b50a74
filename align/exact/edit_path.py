"""The cheapest edit path through a window, in a band that is certified to hold it.

Elements (``windows.py``) of both sides are matched, exchanged, or left out. An unknown token takes
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
from align.exact.windows import GAP_ELEMENT
from align.kernels.jit import allocating, kernel

EXCHANGE = 24
OMIT = 16
ABSORB = 4
OMIT_GAP = 1

# Steps of a path; ABSORBED_* goes on with the unknown token of the other side.
MATCHED, EXCHANGED, OMITTED_ONE, OMITTED_OTHER, ABSORBED_ONE, ABSORBED_OTHER = range(6)

NO_PATH = -1  # the certified band would need more than MAX_CELLS
MAX_CELLS = 1 << 24

_FAR = 1 << 30


@allocating
def cheapest_path(
    one: NDArray[np.uint16], other: NDArray[np.uint16], steps: NDArray[np.uint8]
) -> tuple[int, int]:
    """Write the cheapest path into ``steps``, first step first; its length, and its cost.

    ``steps`` has room for n + m. The length is NO_PATH where the band would be too large.
    """
    n, m = len(one), len(other)
    least = _least_step(one, other)
    off = abs(m - n)
    width = 8
    while True:
        low, high = max(min(0, m - n) - width, -n), min(max(0, m - n) + width, m)
        if (n + 1) * (high - low + 1) > MAX_CELLS:
            return NO_PATH, 0
        choice = np.empty((n + 1, high - low + 1), np.uint8)
        cost = _fill(one, other, low, high, choice)
        if (low == -n and high == m) or cost < least * (off + 2 * (width + 1)):
            return _trace(choice, n, m, low, steps), cost
        width *= 2


@kernel
def _least_step(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> int:
    """The cost of the cheapest step off the diagonal that these elements allow."""
    least = OMIT
    for side in (one, other):
        for value in side:
            if value == GAP_ELEMENT:
                return OMIT_GAP
            if value == UNKNOWN_SYMBOL:
                least = ABSORB
    return least


@allocating
def _fill(
    one: NDArray[np.uint16],
    other: NDArray[np.uint16],
    low: int,
    high: int,
    choice: NDArray[np.uint8],
) -> int:
    """Fill the diagonals ``low:high + 1`` of D; ``choice[i, j - i - low]`` is the step into a cell.

    Returns the cost of the last cell. Two rows of D are kept, stored by diagonal;
    the cell beyond ``high`` stays out of reach.
    """
    n, m = len(one), len(other)
    row = np.full(high - low + 2, _FAR, np.int64)
    for i in range(n + 1):
        first, last = max(i + low, 0), min(i + high, m)
        left = _FAR
        for j in range(first, last + 1):
            d = j - i - low
            best, step = _FAR, MATCHED
            if i == 0 and j == 0:
                best = 0
            if i > 0 and j > 0:
                extra, kind = _diagonal(one[i - 1], other[j - 1])
                best, step = row[d] + extra, kind
            if i > 0:
                extra, kind = _off(one[i - 1], other[j - 1] if j > 0 else GAP_ELEMENT)
                if row[d + 1] + extra < best:
                    best = row[d + 1] + extra
                    step = ABSORBED_ONE if kind else OMITTED_ONE
            if j > 0:
                extra, kind = _off(other[j - 1], one[i - 1] if i > 0 else GAP_ELEMENT)
                if left + extra < best:
                    best = left + extra
                    step = ABSORBED_OTHER if kind else OMITTED_OTHER
            choice[i, d] = step
            row[d] = best
            left = best
    return int(row[m - n - low])


@kernel
def _diagonal(a: int, b: int) -> tuple[int, int]:
    """Cost and step of putting ``a`` against ``b``."""
    if a == b:
        return 0, MATCHED
    if a == GAP_ELEMENT or b == GAP_ELEMENT:
        return _FAR, EXCHANGED
    if a == UNKNOWN_SYMBOL or b == UNKNOWN_SYMBOL:
        return ABSORB, MATCHED
    return EXCHANGE, EXCHANGED


@kernel
def _off(a: int, beside: int) -> tuple[int, bool]:
    """Cost of ``a`` alone behind ``beside`` of the other side, and whether that absorbs it."""
    if a == GAP_ELEMENT:
        return OMIT_GAP, False
    if beside == UNKNOWN_SYMBOL:
        return ABSORB, True
    return OMIT, False


@kernel
def _trace(choice: NDArray[np.uint8], n: int, m: int, low: int, steps: NDArray[np.uint8]) -> int:
    """Follow ``choice`` back from the last cell; the number of steps."""
    i, j, count = n, m, 0
    while i > 0 or j > 0:
        step = choice[i, j - i - low]
        steps[count] = step
        count += 1
        if step in (MATCHED, EXCHANGED):
            i, j = i - 1, j - 1
        elif step in (OMITTED_ONE, ABSORBED_ONE):
            i -= 1
        else:
            j -= 1
    for k in range(count // 2):
        steps[k], steps[count - 1 - k] = steps[count - 1 - k], steps[k]
    return count
