"""The window in which two texts differ: where it ends, and its elements.

From the first symbols that differ on, each side is read as *elements*: a symbol of ink each, and
one for every gap. The window ends at the nearest place from which ``RUN`` known elements agree, or
at which both texts end agreeing::

    source  << 48/2=24>>      elements  < < 4 8 / 2 = 2 4
    target  ? 48/2=24>>       elements  ? 4 8 / 2 = 2 4        window  "<<" against "?"

Near places are tried in the order of their distance, the sum of both sides; further ones are found
through a table of runs, so that a long window costs time in proportion to its length.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.exact.byte_symbols import UNKNOWN_SYMBOL, gap_end
from align.kernels.hash_table import PRIME
from align.kernels.jit import allocating, kernel

RUN = 8  # elements that must agree behind a window
GAP_ELEMENT = 0x20

_NEAR = 48  # distance up to which every place is tried


class Elements(NamedTuple):
    """Elements of both sides from the window's start on, as far as they were read.

    ``values`` and ``starts`` (the symbol at which each begins) hold the source's first, and from
    ``half`` on the target's. ``read`` is (number read, symbol at which reading goes on) of the
    source, then of the target.
    """

    values: NDArray[np.uint16]
    starts: NDArray[np.int64]
    read: NDArray[np.int64]
    half: int


@allocating
def room_for_elements(symbols: int) -> Elements:
    """Elements with room for any of texts that have so many symbols together."""
    half = symbols + 1
    return Elements(
        np.empty(2 * half, np.uint16), np.empty(2 * half, np.int64), np.zeros(4, np.int64), half
    )


@kernel
def restart(elements: Elements, at: int, target_at: int) -> None:
    """Begin anew at these symbols of the two sides."""
    elements.read[:] = (0, at, 0, target_at)
    elements.starts[0], elements.starts[elements.half] = at, target_at


@kernel
def _read_to(
    elements: Elements, symbols: NDArray[np.uint16], end: int, side: int, wanted: int
) -> bool:
    """Read until one side (0, 1) has ``wanted`` elements; False where its text has fewer."""
    values, starts, read = elements.values, elements.starts, elements.read
    count, at, base = read[2 * side], read[2 * side + 1], side * elements.half
    while count < wanted and at < end:
        behind = gap_end(symbols, at, end)
        if behind > at:
            values[base + count] = GAP_ELEMENT
            at = behind
        else:
            values[base + count] = symbols[at]
            at += 1
        count += 1
        starts[base + count] = at
    read[2 * side], read[2 * side + 1] = count, at
    return bool(count >= wanted)


@kernel
def find_end(
    elements: Elements, symbols: NDArray[np.uint16], ends: tuple[int, int], one: int
) -> tuple[int, int]:
    """How many elements of the sides ``one`` and ``1 - one`` the window holds.

    ``ends`` are those of source and target. ``one`` must depend on what the sides hold only; then
    so does the result.
    """
    values, read = elements.values, elements.read
    other = 1 - one
    at, beside = one * elements.half, other * elements.half
    for distance in range(1, _NEAR + 1):
        more = _read_to(elements, symbols, ends[one], one, distance + RUN)
        more |= _read_to(elements, symbols, ends[other], other, distance + RUN)
        n, m = read[2 * one], read[2 * other]
        ended = read[1] == ends[0] and read[3] == ends[1]
        for step in range(distance + 2):  # the most even division first
            i = distance // 2 + (-(step + 1) // 2 if step % 2 else step // 2)
            if not max(0, distance - m) <= i <= min(distance, n):
                continue
            j = distance - i
            if _agree(values, at + i, at + n, beside + j, beside + m, ended):
                return i, j
        if not more and distance >= n + m:
            break
    return _find_far(elements, symbols, ends, one)


@kernel
def _agree(
    values: NDArray[np.uint16], i: int, end: int, j: int, other_end: int, ended: bool
) -> bool:
    """Whether the elements from ``i`` and ``j`` on agree, for a run or to both ends."""
    n, m = end - i, other_end - j
    size = min(RUN, n, m)
    for k in range(size):
        if values[i + k] != values[j + k] or values[i + k] == UNKNOWN_SYMBOL:
            return False
    return size == RUN or (n == m and ended)


@kernel
def _find_far(
    elements: Elements, symbols: NDArray[np.uint16], ends: tuple[int, int], one: int
) -> tuple[int, int]:
    """``find_end`` beyond the near places: the first run that both sides have had."""
    values, read, other = elements.values, elements.read, 1 - one
    at, beside = one * elements.half, other * elements.half
    reach = 16 * _NEAR
    while True:
        more = _read_to(elements, symbols, ends[one], one, reach + RUN)
        more |= _read_to(elements, symbols, ends[other], other, reach + RUN)
        size = 1
        while size < 4 * reach:
            size *= 2
        mine = values[at : at + read[2 * one]]
        its = values[beside : beside + read[2 * other]]
        found = _first_common_run(mine, its, reach, size)
        if found[0] >= 0:
            return found
        if not more:
            return _common_end(mine, its)
        reach *= 4


@allocating
def _first_common_run(
    one: NDArray[np.uint16], other: NDArray[np.uint16], reach: int, size: int
) -> tuple[int, int]:
    """Places of the first run that comes up on both sides, read in step; (-1, -1) if none does."""
    seen = np.full((2, size), -1, np.int32)
    for step in range(reach):
        best = (-1, -1)
        here, there = _hash(one, step, size), _hash(other, step, size)
        if here >= 0 and seen[0, here] < 0:
            seen[0, here] = step
        if there >= 0 and seen[1, there] < 0:
            seen[1, there] = step
        if here >= 0 and _same_run(one, step, other, seen[1, here]):
            best = (step, seen[1, here])
        nearer = there >= 0 and (best[0] < 0 or seen[0, there] < best[1])
        if nearer and _same_run(one, seen[0, there], other, step):
            best = (seen[0, there], step)
        if best[0] >= 0:
            return best
    return -1, -1


@kernel
def _hash(values: NDArray[np.uint16], at: int, size: int) -> int:
    """A slot for the run at ``at``; -1 where there is no whole run of known elements."""
    if at + RUN > len(values):
        return -1
    mixed = np.uint64(0)
    for k in range(RUN):
        if values[at + k] == UNKNOWN_SYMBOL:
            return -1
        mixed = (mixed ^ np.uint64(values[at + k])) * PRIME
    return int(np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(size - 1)))


@kernel
def _same_run(one: NDArray[np.uint16], i: int, other: NDArray[np.uint16], j: int) -> bool:
    """Whether the runs at ``i`` and ``j`` are the same; False where either is negative."""
    if i < 0 or j < 0:
        return False
    same = True
    for k in range(RUN):
        same &= one[i + k] == other[j + k]
    return same


@kernel
def _common_end(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> tuple[int, int]:
    """Where the longest common end of known elements begins."""
    i, j = len(one), len(other)
    while i > 0 and j > 0 and one[i - 1] == other[j - 1] != UNKNOWN_SYMBOL:
        i, j = i - 1, j - 1
    return i, j
