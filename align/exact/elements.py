"""The elements of a window: a symbol of ink each, and one for every gap.

text      "a" " " "\\n" "b"        elements  a GAP b        starts  0 1 3 4
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.exact.byte_symbols import gap_end
from align.kernels.jit import entry

RUN = 8  # elements that must agree after a window
GAP_ELEMENT = 0x20


class Elements(NamedTuple):
    """Elements of two sides from a window's start on, as far as they were read.

    ``values`` (2, room) and ``starts`` (2, room + 1) are the elements and the symbols at which they
    begin; ``read`` (2, 3) holds of each side how many were read, the symbol at which reading goes
    on, and the one at which the side ends. The rows are source and target, or ``swapped``.
    """

    values: NDArray[np.uint16]
    starts: NDArray[np.int64]
    read: NDArray[np.int64]
    swapped: bool


def elements_from(
    starts: tuple[int, int], ends: tuple[int, int], swapped: bool, size: int
) -> Elements:
    """Room for ``size`` elements of each side, of the symbols ``starts:ends`` of source and target;
    nothing is read yet."""
    order = (1, 0) if swapped else (0, 1)
    read = np.array([(0, starts[side], ends[side]) for side in order], np.int64)
    return Elements(
        np.empty((2, size), np.uint16), np.empty((2, size + 1), np.int64), read, swapped
    )


@entry
def read_elements(elements: Elements, symbols: NDArray[np.uint16]) -> bool:
    """Read elements of both sides until there is no more room; whether a text goes on there."""
    values, starts, read = elements.values, elements.starts, elements.read
    more = False
    for side in range(2):
        count, at, end = read[side, 0], read[side, 1], read[side, 2]
        starts[side, count] = at
        while count < values.shape[1] and at < end:
            # a whole gap is one element: its length must not count as a difference
            after = gap_end(symbols, at, end)
            values[side, count] = GAP_ELEMENT if after > at else symbols[at]
            at = max(after, at + 1)
            count += 1
            # one start more than elements: it says where the last one ends
            starts[side, count] = at
        # kept, so that a window that turns out larger is read on from here
        read[side, 0], read[side, 1] = count, at
        more |= at < end
    return more
