"""The sections of two texts, as they are read side by side.

Each section is a row (source end, target end, form, kind), in symbols; it starts where the one
before it ends. What a form means for the tokens that end in such a section is in ``boundaries``::

    source  "Natalia sold." "\\n" "She {x}"        target  " Natalia sold. She ?x?"
    EMPTY    ""        | " "          the space that the target puts before the text
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

CONTINUATION = ~0x3F  # bits that are 0x80 in the bytes inside a character


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
    other_blank = j - b == 1 and symbols[b] == 0x20
    if kind == LITERAL and blank == other_blank:
        # the end first: the blank before a word belongs to the word's token on both sides
        while i > a and j > b and symbols[i - 1] == symbols[j - 1]:
            i, j = i - 1, j - 1
        # the common end must not begin inside a character
        while i < ends[0] and symbols[i] & CONTINUATION == 0x80:
            i, j = i + 1, j + 1
        while a < i and b < j and symbols[a] == symbols[b]:
            a, b = a + 1, b + 1
        # what follows the common start may be the middle of a character, of either side
        while a > starts[0] and (
            (a < i and symbols[a] & CONTINUATION == 0x80)
            or (b < j and symbols[b] & CONTINUATION == 0x80)
        ):
            a, b = a - 1, b - 1
        if a > starts[0]:
            count = add(sections, count, (a, b), integer(PLAIN), kind)
    if i > a or j > b:
        form = OPAQUE if i > a and j > b else EMPTY
        count = add(sections, count, (i, j), form, max(kind, FOLDED))
    return add(sections, count, ends, integer(PLAIN), kind) if i < ends[0] else count
