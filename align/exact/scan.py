"""Read the two texts of a sample side by side and cut them into sections.

Plain text costs a comparison a symbol; only gaps that differ cost more. Where more differs than a
gap, a window begins, of which ``windows`` finds the sections; reading then goes on after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import FOLDED, LITERAL, WINDOW
from align.exact.byte_symbols import UNKNOWN_SYMBOL, gap_end, gap_length, gap_start
from align.exact.elements import RUN
from align.exact.sections import CONTINUATION, EMPTY, OPAQUE, PLAIN, add, add_gap
from align.kernels.jit import integer, kernel


@kernel
def scan_plain(
    symbols: NDArray[np.uint16], middle: int, end: int, sections: NDArray[np.int32]
) -> int:
    """Write the sections of two texts that differ in blanks, a first space and unknown tokens.

    They are those of ``scan``, which takes much longer to compile.

    Args:
        symbols: the source's up to ``middle``, and the target's up to ``end``.

    Returns:
        The number of sections, 0 where the texts differ in more.
    """
    a, b, count = integer(0), integer(middle), integer(0)
    plain, literal, ends = integer(PLAIN), integer(LITERAL), (middle, end)
    # SentencePiece puts a space before a text: nearly every pair of tokenizers differs in it
    if 0 < middle < end - 1 and symbols[b] == 0x20 and symbols[0] == symbols[b + 1]:
        if not 0x20 < symbols[0] < 0x7F:
            return 0
        count = add(sections, count, (a, b), plain, literal)
        b += 1
        count = add(sections, count, (a, b), integer(EMPTY), integer(FOLDED))
    while True:
        a, b, count = _read_same(symbols, (a, b), ends, sections, count)
        if a == middle and b == end:
            return add(sections, count, (a, b), plain, literal)
        i, j = _after_unknown(symbols, (a, b), ends)
        if i == 0:
            return 0
        count = add(sections, count, (a, b), plain, literal)
        count = add(sections, count, (i, j), integer(OPAQUE), integer(WINDOW))
        a, b = i, j


@kernel
def scan(
    symbols: NDArray[np.uint16],
    starts: tuple[int, int],
    ends: tuple[int, int],
    sections: NDArray[np.int32],
    count: int,
) -> tuple[int, bool]:
    """Append the sections of both sides up to the next window.

    Args:
        symbols: the source's, followed by the target's.
        starts: where the two sides begin, or go on after ``count`` sections.
        ends: where they end.

    Returns:
        The number of sections, and whether a window begins after them.
    """
    (a, b), (end_a, end_b) = starts, ends
    plain, literal = integer(PLAIN), integer(LITERAL)  # of one type: ``add`` is compiled once
    while True:
        start, other_start, before = a, b, count
        a, b, count = _read_same(symbols, (a, b), ends, sections, count)
        if a == end_a and b == end_b:
            return add(sections, count, (a, b), plain, literal), False
        i, j = _after_unknown(symbols, (a, b), ends)
        if i > 0:
            count = add(sections, count, (a, b), plain, literal)
            count = add(sections, count, (i, j), integer(OPAQUE), integer(WINDOW))
            a, b = i, j
            continue
        size, differs = _back_up(symbols, (start, other_start), ends, a - start)
        a, b = start + size, other_start + size
        # blanks that were written as sections lie beyond what is certain
        while count > before and sections[count - 1, 0] >= a:
            count -= 1
        count = add(sections, count, (a, b), plain, literal)
        i, j = gap_end(symbols, a, end_a), gap_end(symbols, b, end_b)
        count = add_gap(symbols, sections, count, (a, b), (i, j), literal)
        a, b = i, j
        if differs or (a == end_a and b == end_b):
            return count, differs


@kernel
def _read_same(
    symbols: NDArray[np.uint16],
    starts: tuple[int, int],
    ends: tuple[int, int],
    sections: NDArray[np.int32],
    count: int,
) -> tuple[int, int, int]:
    """Read as long as the symbols are the same, where one blank may stand for another.

    Between ASCII ink that is the usual gap. Before each such blank a section ends, plain as what
    follows it, whose kind FOLDED belongs to the token that goes on there.

    Returns:
        Where reading stopped on both sides, and the number of sections.
    """
    (a, b), (end_a, end_b) = starts, ends
    while True:
        while a < end_a and b < end_b and symbols[a] == symbols[b]:
            a, b = a + 1, b + 1
        if a == starts[0] or a + 1 >= end_a or b + 1 >= end_b:
            return a, b, count
        before, after = symbols[a - 1], symbols[a + 1]
        # between ink of one byte no character is cut, and no run of blanks was folded
        blank = symbols[a] <= 0x20 and symbols[b] <= 0x20 and after == symbols[b + 1]
        if not (blank and 0x20 < before < 0x7F and 0x20 < after < 0x7F):
            return a, b, count
        count = add(sections, count, (a, b), integer(PLAIN), integer(FOLDED))
        a, b = a + 1, b + 1


@kernel
def _after_unknown(
    symbols: NDArray[np.uint16], starts: tuple[int, int], ends: tuple[int, int]
) -> tuple[int, int]:
    """Where the usual difference ends, one unknown token against a little ink; zeros for others."""
    (a, b), (end_a, end_b) = starts, ends
    if a == end_a or b == end_b:
        return 0, 0
    swapped = symbols[b] != UNKNOWN_SYMBOL
    if swapped:  # let the unknown token be on the side ``b``
        if symbols[a] != UNKNOWN_SYMBOL:
            return 0, 0
        a, b, end_a, end_b = b, a, end_b, end_a
    b += 1
    # a token that is unknown hides a few symbols; what hides more is left to a window
    last = min(a + 16, end_a - RUN) if b + RUN <= end_b else a
    while a < last and symbols[a] != UNKNOWN_SYMBOL and gap_length(symbols, a, end_a) == 0:
        a += 1
        size = 0
        while size < RUN and symbols[a + size] == symbols[b + size] != UNKNOWN_SYMBOL:
            size += 1
        if size == RUN:
            return (b, a) if swapped else (a, b)
    return 0, 0


@kernel
def _back_up(
    symbols: NDArray[np.uint16], starts: tuple[int, int], ends: tuple[int, int], same: int
) -> tuple[int, bool]:
    """The number of the ``same`` symbols from ``starts`` on that are literal text for certain, and
    whether more than a gap differs after them.

    Not certain are a character that goes on differently, a gap that does, and unknown tokens
    after which the texts differ: they may stand for different texts.
    """
    (a, b), (end_a, end_b) = starts, ends
    at = same
    while at > 0 and (
        (a + at < end_a and symbols[a + at] & CONTINUATION == 0x80)
        or (b + at < end_b and symbols[b + at] & CONTINUATION == 0x80)
    ):
        at -= 1
    at = gap_start(symbols, a, a + at) - a
    i, j = gap_end(symbols, a + at, end_a), gap_end(symbols, b + at, end_b)
    if i == end_a and j == end_b:
        return at, False
    same_gap = i - a == j - b and i - a <= same
    if not same_gap and i < end_a and j < end_b and symbols[i] == symbols[j]:
        return at, False
    while at > 0 and symbols[a + at - 1] == UNKNOWN_SYMBOL:
        at = gap_start(symbols, a, a + at - 1) - a
    return at, True
