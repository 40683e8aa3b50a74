"""The sections of a window, from the cheapest path through it.

Between two elements that are put against each other lies a *node*: gaps, and what is left out on
either side. Both sides may share a boundary at a node where a gap is matched, and otherwise only if
what is on both sides of it is matched, or is the window's edge: beside exchanged elements, and
where ink is left out, nothing is known of where one character ends and the next begins::

    source  { x }         ? absorbs "{", x is matched, ? absorbs "}"
    target  ? x ?         sections  "{"|"?"   "x"|"x"   "}"|"?"

    source  C2 BD         the character ½, all exchanged or left out
    target  1 E2 81 84 2  one section

A window in which one side has nothing at all is left out as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import LITERAL, WINDOW
from align.exact.edit_path import (
    ABSORBED_ONE,
    EXCHANGED,
    MATCHED,
    OMITTED_ONE,
    OMITTED_OTHER,
)
from align.exact.elements import GAP_ELEMENT, Elements
from align.exact.sections import OPAQUE, add, add_gap
from align.kernels.jit import entry, integer, kernel

_EDGE, _SURE, _UNSURE = range(3)  # what is beside a node

# Columns of a node: pairs of elements, of ``one`` and ``other``.
_START, _FIRST, _LAST, _STOP = 0, 2, 4, 6  # its start, before and after its omitted ink, its end
_EARLY, _LATE = 8, 9  # whether a gap is matched before all that ink, and whether after it


def follow(
    symbols: NDArray[np.uint16],
    sections: NDArray[np.int32],
    count: int,
    elements: Elements,
    steps: NDArray[np.uint8],
) -> int:
    """Append the sections of the window that ``steps`` lead through; their number."""
    return int(_follow(symbols, sections, count, elements, steps, np.empty(10, np.int64)))


@entry
def _follow(
    symbols: NDArray[np.uint16],
    sections: NDArray[np.int32],
    count: int,
    elements: Elements,
    steps: NDArray[np.uint8],
    node: NDArray[np.int64],
) -> int:
    k, left = integer(0), integer(_EDGE)
    node[_STOP] = node[_STOP + 1] = 0
    while True:
        k = _read_node(elements, steps, k, node)
        right = _EDGE if k == len(steps) else (_SURE if steps[k] == MATCHED else _UNSURE)
        end, stop, kind = _sections_of(node, left, right)
        if end >= 0:
            # nothing may lie between two nodes: no section is empty on both sides
            starts = _symbols(elements, node, end)
            if starts[0] > sections[count - 1, 0] or starts[1] > sections[count - 1, 1]:
                count = add(sections, count, starts, integer(OPAQUE), integer(WINDOW))
            ends = _symbols(elements, node, stop)
            count = add_gap(symbols, sections, count, starts, ends, kind)
        if k == len(steps):
            return count
        left = right
        # what was exchanged, and what an unknown token goes on to absorb, is no node
        if steps[k] == MATCHED or steps[k] == EXCHANGED:
            k, node[_STOP], node[_STOP + 1] = k + 1, node[_STOP] + 1, node[_STOP + 1] + 1
        while k < len(steps) and steps[k] >= ABSORBED_ONE:
            side = steps[k] - ABSORBED_ONE
            node[_STOP + side] += 1
            k, left = k + 1, _SURE


@kernel
def _symbols(elements: Elements, node: NDArray[np.int64], column: int) -> tuple[int, int]:
    """The symbols of source and target at which a pair of elements begins."""
    one = elements.starts[0, node[column]]
    other = elements.starts[1, node[column + 1]]
    return (other, one) if elements.swapped else (one, other)


@kernel
def _read_node(
    elements: Elements, steps: NDArray[np.uint8], k: int, node: NDArray[np.int64]
) -> int:
    """Read a node from step ``k`` on, where the one before ended; the step after it."""
    i, j = node[_STOP], node[_STOP + 1]
    node[_START], node[_START + 1] = i, j
    node[_FIRST], node[_EARLY], node[_LATE] = -1, 0, 0
    while k < len(steps):
        step = steps[k]
        if step == MATCHED and elements.values[0, i] == GAP_ELEMENT:
            k, i, j = k + 1, i + 1, j + 1
            node[_LATE] = 1
            node[_EARLY] |= node[_FIRST] < 0
            continue
        if step != OMITTED_ONE and step != OMITTED_OTHER:
            break
        ink = elements.values[0, i] if step == OMITTED_ONE else elements.values[1, j]
        # a gap that is left out hides nothing; ink that is may be a part of a character
        if ink != GAP_ELEMENT and node[_FIRST] < 0:
            node[_FIRST], node[_FIRST + 1] = i, j
        i, j, k = i + (step == OMITTED_ONE), j + (step == OMITTED_OTHER), k + 1
        if ink != GAP_ELEMENT:
            node[_LAST], node[_LAST + 1], node[_LATE] = i, j, 0
    node[_STOP], node[_STOP + 1] = i, j
    return k


@kernel
def _sections_of(node: NDArray[np.int64], left: int, right: int) -> tuple[int, int, int]:
    """The columns of a node at which the section before it and the gap in it end, and the gap's
    kind; -1 where both sides cannot share a boundary at the node."""
    omits = node[_FIRST] >= 0
    if node[_EARLY] or node[_LATE]:
        end = _START if node[_EARLY] or not omits else _LAST
        stop = _STOP if node[_LATE] or not omits else _FIRST
        return end, stop, WINDOW if omits and node[_EARLY] and node[_LATE] else LITERAL
    # beside such ink only the window's edge is certain
    if omits and not (left == _EDGE and right == _EDGE):
        left = _EDGE if left == _EDGE else _UNSURE
        right = _EDGE if right == _EDGE else _UNSURE
    if left == _UNSURE and right == _EDGE:
        return _LAST if omits else _START, _STOP, LITERAL
    if left == _EDGE and right == _UNSURE:
        return _START, _FIRST if omits else _STOP, LITERAL
    if left == _UNSURE or right == _UNSURE:
        return -1, -1, LITERAL
    return _START, _STOP, WINDOW if omits else LITERAL
