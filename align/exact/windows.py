"""The window in which two texts differ: where it ends, and the sections that it adds.

From the first symbols that differ on, each side is read as *elements*: a symbol of ink each, and
one for every gap. The window ends at the nearest place from which ``RUN`` known elements agree, or
at which both texts end agreeing::

    source  << 48/2=24>>      elements  < < 4 8 / 2 = 2 4
    target  ? 48/2=24>>       elements  ? 4 8 / 2 = 2 4        window  "<<" against "?"

Near places are tried in the order of their distance, the sum of both sides; further ones are found
through a table of runs, so that a long window costs time in proportion to its length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import WINDOW
from align.exact.byte_symbols import UNKNOWN_SYMBOL
from align.exact.edit_path import cheapest_path
from align.exact.elements import RUN, Elements, elements_from, read_elements
from align.exact.sections import OPAQUE, add
from align.exact.window_sections import follow
from align.kernels.jit import entry

_NEAR = 48  # distance up to which every place is tried
_FAR = 768  # elements of each side that are searched next; then four times as many


def add_window(
    symbols: NDArray[np.uint16], sections: NDArray[np.int32], count: int, ends: tuple[int, int]
) -> int:
    """Append the sections of the window that begins after ``count`` sections; their number.

    Args:
        symbols: the source's, followed by the target's.
        ends: where the two sides end.
    """
    starts: tuple[int, int] = tuple(sections[count - 1, :2].tolist())
    # which side goes first depends on what they hold, so that exchanging them changes nothing
    swapped = bool(_comes_later(symbols, starts[::-1], ends[::-1]))
    elements, (i, j) = _find_end(symbols, starts, ends, swapped)
    path, _ = cheapest_path(elements.values[0, :i], elements.values[1, :j])
    if path is not None:
        return follow(symbols, sections, count, elements, path)
    stop = int(elements.starts[0, i]), int(elements.starts[1, j])
    return add(sections, count, stop[::-1] if swapped else stop, OPAQUE, WINDOW)


def _find_end(
    symbols: NDArray[np.uint16], starts: tuple[int, int], ends: tuple[int, int], swapped: bool
) -> tuple[Elements, tuple[int, int]]:
    """The elements of both sides, and how many of them are in the window."""
    size = _NEAR
    while True:
        elements = elements_from(starts, ends, swapped, size + RUN)
        more = read_elements(elements, symbols)
        if size == _NEAR:
            i, j = _nearest(elements, size)
        else:
            one, other = (elements.values[k, : elements.read[k, 0]] for k in (0, 1))
            i, j = _first_common_run(one, other)
            if i < 0 and not more:
                i, j = _common_end(one, other)
        if i >= 0:
            return elements, (i, j)
        size = 4 * size if size >= _FAR else _FAR


@entry
def _comes_later(
    symbols: NDArray[np.uint16], starts: tuple[int, int], ends: tuple[int, int]
) -> bool:
    """Whether the first text comes after the second in lexicographic order, a prefix first."""
    (a, b), (end_a, end_b) = starts, ends
    while a < end_a and b < end_b and symbols[a] == symbols[b]:
        a, b = a + 1, b + 1
    # a prefix comes first: the order must not depend on which side is which
    if a == end_a or b == end_b:
        return end_a - a > end_b - b
    return bool(symbols[a] > symbols[b])


@entry
def _nearest(elements: Elements, reach: int) -> tuple[int, int]:
    """The numbers of elements of both sides in the window, ``reach`` at most together; (-1, -1)
    where it is larger."""
    one, other, read = elements.values[0], elements.values[1], elements.read
    n, m = read[0, 0], read[1, 0]
    ended = read[0, 1] == read[0, 2] and read[1, 1] == read[1, 2]
    for distance in range(1, min(reach, n + m) + 1):
        for step in range(distance + 2):  # the most even division first
            i = distance // 2 + (-((step + 1) // 2) if step % 2 == 1 else step // 2)
            j = distance - i
            if i < 0 or j < 0 or i > n or j > m:
                continue
            size, most = 0, min(n - i, m - j)
            # two unknown tokens may stand for different texts: they prove nothing
            while size < min(RUN, most) and one[i + size] == other[j + size] != UNKNOWN_SYMBOL:
                size += 1
            # fewer than a run are enough where both texts end with it
            if size == RUN or (size == most and n - i == m - j and ended):
                return i, j
    return -1, -1


def _first_common_run(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> tuple[int, int]:
    """Where the first run of known elements begins that both sides have, when they are read in
    step; (-1, -1) where there is none."""
    if min(len(one), len(other)) < RUN:
        return -1, -1
    texts, size = (one.tobytes(), other.tobytes()), 2 * RUN
    known = [
        np.convolve(side == UNKNOWN_SYMBOL, np.ones(RUN), "valid") == 0 for side in (one, other)
    ]
    seen: tuple[dict[bytes, int], dict[bytes, int]] = {}, {}
    for step in range(max(len(one), len(other)) - RUN + 1):
        runs = [text[2 * step : 2 * step + size] for text in texts]
        found: list[tuple[int, int]] = []
        for side in (0, 1):
            if step < len(known[side]) and known[side][step]:
                seen[side].setdefault(runs[side], step)
        if runs[0] in seen[1] and runs[0] in seen[0]:
            found.append((step, seen[1][runs[0]]))
        if runs[1] in seen[0] and runs[1] in seen[1]:
            found.append((seen[0][runs[1]], step))
        if found:
            return min(found, key=min)
    return -1, -1


def _common_end(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> tuple[int, int]:
    """Where the longest common end of known elements begins."""
    size = min(len(one), len(other))
    mine, its = one[::-1][:size], other[::-1][:size]
    differs = np.append((mine != its) | (mine == UNKNOWN_SYMBOL), True)
    common = int(np.argmax(differs))
    return len(one) - common, len(other) - common
