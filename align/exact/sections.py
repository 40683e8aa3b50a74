"""The sections of two texts, as they are read side by side.

Each section is a row (source end, target end, form, kind), in symbols; it starts where the one
before it ends. What a form means for the tokens that end in such a section is in ``boundaries``::

    source  "Natalia sold." "\\n" "She {x}"        target  " Natalia sold. She ?x?"
    EMPTY    ""        | " "          the space that the target puts in front
    PLAIN    "Natalia sold."
    OPAQUE   "\\n"      | " "
    PLAIN    "She "
    OPAQUE   "{"       | "?"          from the window ``{x}`` against ``?x?``, see ``windows``
    PLAIN    "x"
    OPAQUE   "}"       | "?"
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import FOLDED, LITERAL
from align.kernels.jit import integer, kernel

PLAIN = 0  # both sides hold the same symbols, and every boundary may be shared
OPAQUE = 1  # they differ, and only the boundary at the section's end may be shared
EMPTY = 2  # one side has nothing, and all boundaries count as the section's start

FORM, KIND = 2, 3  # columns
COLUMNS = 4


@kernel
def add(
    sections: NDArray[np.int32], count: int, ends: tuple[int, int], form: int, kind: int
) -> int:
    """Append a section; the number of sections after it."""
    sections[count, 0] = ends[0]
    sections[count, 1] = ends[1]
    sections[count, FORM] = form
    sections[count, KIND] = kind
    return count + 1


@kernel
def add_gap(
    symbols: NDArray[np.uint16],
    sections: NDArray[np.int32],
    count: int,
    starts: tuple[int, int],
    ends: tuple[int, int],
    kind: int,
) -> int:
    """Append the sections of a gap, which one side may lack.

    A gap that both sides have, but write differently, is plain in its common end, and then in the
    common start of what is left. Where one side has a single blank it may have folded the run of
    the other, which then stays whole.

    Args:
        kind: the least kind of the gap; above LITERAL the gap is known to differ.
    """
    (a, b), (i, j) = starts, ends
    blank = i - a == 1 and symbols[a] == 0x20
    differs = kind != LITERAL or blank != (j - b == 1 and symbols[b] == 0x20)
    while not differs and i > a and j > b and symbols[i - 1] == symbols[j - 1]:
        i, j = i - 1, j - 1
    while i < ends[0] and j < ends[1] and 0x80 <= symbols[i] < 0xC0:  # inside a character
        i, j = i + 1, j + 1
    size = 0
    while not differs and size < min(i - a, j - b) and symbols[a + size] == symbols[b + size]:
        size += 1
    while size > 0 and _splits(symbols, a + size, i, b + size, j):
        size -= 1
    plain, literal = (
        integer(PLAIN),
        integer(LITERAL),
    )  # one type, so that ``add`` is compiled once
    if size > 0:
        count = add(sections, count, (a + size, b + size), plain, literal)
    if i > a + size or j > b + size:
        form = OPAQUE if i > a + size and j > b + size else EMPTY
        count = add(sections, count, (i, j), form, max(kind, FOLDED))
    return add(sections, count, ends, plain, literal) if i < ends[0] else count


@kernel
def _splits(symbols: NDArray[np.uint16], i: int, end: int, j: int, other_end: int) -> bool:
    """Whether a character goes on at ``i`` or at ``j``."""
    first = i < end and 0x80 <= symbols[i] < 0xC0
    return first or (j < other_end and 0x80 <= symbols[j] < 0xC0)
