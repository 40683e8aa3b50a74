"""The sections of a window, from the cheapest path through it.

Between two elements that are put against each other lies a *node*: gaps, and what is left out on
either side. Both sides may share a boundary at a node where a gap is matched, and otherwise only if
what stands on both sides of it is matched, or is the window's edge: beside exchanged elements, and
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
from align.exact.boundaries import AT, OPAQUE, TARGET, add_gap, add_section
from align.exact.edit_path import (
    ABSORBED_ONE,
    ABSORBED_OTHER,
    EXCHANGED,
    MATCHED,
    OMITTED_ONE,
    OMITTED_OTHER,
)
from align.exact.windows import GAP_ELEMENT, Elements
from align.kernels.jit import kernel

_EDGE, _SURE, _UNSURE = range(3)  # what stands beside a node

# Elements of both sides at a node's start, before the first ink left out and behind the last (-1
# where none is); whether a gap is matched before all that ink, and whether behind it.
Node = tuple[int, int, int, int, int, int, bool, bool]


@kernel
def follow(
    symbols: NDArray[np.uint16],
    tokens: NDArray[np.int32],
    state: NDArray[np.int64],
    elements: Elements,
    steps: NDArray[np.uint8],
    one: int,
) -> None:
    """Add the sections of the window that ``steps`` lead through.

    ``symbols``, ``tokens`` and ``state`` as of ``scan``; ``one`` is the side (0 source, 1 target)
    that the path calls so.
    """
    k, i, j, left = 0, 0, 0, _EDGE
    while True:
        node, k, i, j = _read_node(elements, steps, one, (k, i, j))
        right = _beside(steps, k)
        last, stop, kind = _sections_of(node, (i, j), (left, right))
        if last[0] >= 0:
            a, b = elements.starts[last[0]], elements.starts[elements.half + last[1]]
            if a > state[AT] or b > state[TARGET + AT]:
                add_section(tokens, state, a, b, OPAQUE, WINDOW)
            a, b = elements.starts[stop[0]], elements.starts[elements.half + stop[1]]
            add_gap(symbols, tokens, state, a, b, kind)
        if k == len(steps):
            return
        left = right
        if steps[k] in (MATCHED, EXCHANGED):
            k, i, j = k + 1, i + 1, j + 1
        while k < len(steps) and steps[k] in (ABSORBED_ONE, ABSORBED_OTHER):
            on_source = (steps[k] == ABSORBED_ONE) == (one == 0)
            i, j, k = i + on_source, j + (not on_source), k + 1
            left = _SURE


@kernel
def _beside(steps: NDArray[np.uint8], k: int) -> int:
    """What the step after a node says of it; more of what is absorbed is no node at all."""
    if k == len(steps):
        return _EDGE
    return _SURE if steps[k] == MATCHED else _UNSURE


@kernel
def _read_node(
    elements: Elements, steps: NDArray[np.uint8], one: int, at: tuple[int, int, int]
) -> tuple[Node, int, int, int]:
    """Read the steps of a node.

    Returns:
        The node, then step and elements behind it.
    """
    values, half = elements.values, elements.half
    k, i, j = at
    first, last, early, late = (-1, -1), (-1, -1), False, False
    while k < len(steps):
        step = steps[k]
        if step == MATCHED and values[i] == GAP_ELEMENT:
            k, i, j, late = k + 1, i + 1, j + 1, True
            early |= first[0] < 0
            continue
        if step not in (OMITTED_ONE, OMITTED_OTHER):
            break
        on_source = (step == OMITTED_ONE) == (one == 0)
        ink = values[i if on_source else half + j] != GAP_ELEMENT
        if ink and first[0] < 0:
            first = (i, j)
        i, j, k = i + on_source, j + (not on_source), k + 1
        if ink:
            last, late = (i, j), False
    return (at[1], at[2], first[0], first[1], last[0], last[1], early, late), k, i, j


@kernel
def _sections_of(
    node: Node, behind: tuple[int, int], sides: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Where the section before a node ends and where the gap at the node ends, in elements of both
    sides, and the gap's kind; -1 where both sides can not share a boundary at the node."""
    left, right = sides
    start, stop = (node[0], node[1]), behind
    omits = node[2] >= 0
    if node[6] or node[7]:
        start = start if node[6] or not omits else (node[4], node[5])
        stop = stop if node[7] or not omits else (node[2], node[3])
        return start, stop, WINDOW if omits and node[6] and node[7] else LITERAL
    if omits and not (left == _EDGE and right == _EDGE):
        left = _EDGE if left == _EDGE else _UNSURE
        right = _EDGE if right == _EDGE else _UNSURE
    if left == _UNSURE and right == _EDGE:
        return (node[4], node[5]) if omits else start, stop, LITERAL
    if left == _EDGE and right == _UNSURE:
        return start, (node[2], node[3]) if omits else stop, LITERAL
    if left == _UNSURE or right == _UNSURE:
        return (-1, -1), stop, LITERAL
    return start, stop, WINDOW if omits else LITERAL
