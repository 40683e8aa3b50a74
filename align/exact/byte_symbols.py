"""The tokens of a sample as one run of symbols, and which symbols are gaps.

A symbol is a byte; a token that spells nothing becomes one symbol of its own, so that no token is
empty::

    tokens   "She"  <unk>  " x"  </s>
    symbols  S h e  256    ' ' x 257        ends 3, 4, 6, 7

Between the other symbols ("ink") lie gaps: whitespace, what normalizers turn into a space or drop,
and special tokens. The list of such characters is what SentencePiece's ``nmt_nfkc`` does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.kernels.jit import kernel
from align.vocabulary import SPECIAL, UNKNOWN

UNKNOWN_SYMBOL = 256  # text that the token does not spell
SPECIAL_SYMBOL = 257  # no text

# Characters beyond ASCII that are gaps.
GAPS = (
    *(0x85, 0x8F, 0x9F, 0xA0, 0x1680, *range(0x2000, 0x2010)),
    *(0x2028, 0x2029, 0x202F, 0x205F, 0x2581, 0x3000, 0xFEFF, 0xFFFD),
)


def most_symbols(side: Side, first: int, last: int) -> int:
    """The number of symbols of the longest of the samples ``first:last``."""
    sizes = np.maximum(np.diff(side.bytes_ptr), 1)
    start, stop = side.indptr[first], side.indptr[last]
    before = np.zeros(stop - start + 1, np.int64)
    np.cumsum(sizes[side.ids[start:stop]], out=before[1:])
    bounds = before[side.indptr[first : last + 1] - start]
    return int(np.diff(bounds).max(initial=0))


@kernel
def lay_out(
    side: Side, s: int, symbols: NDArray[np.uint16], at: int, ends: NDArray[np.int32]
) -> int:
    """Write the symbols of sample ``s`` from ``at`` on.

    Returns:
        The end of the last token. ``ends`` (tokens of all samples,) receives that of each.
    """
    for t in range(side.indptr[s], side.indptr[s + 1]):
        token = side.ids[t]
        start, stop = side.bytes_ptr[token], side.bytes_ptr[token + 1]
        for k in range(start, stop):
            symbols[at + k - start] = side.data[k]
        at += stop - start
        if start == stop:
            # a token that spells nothing must not share its end with the one before
            silent = side.flags[token] & (SPECIAL | UNKNOWN) == SPECIAL
            symbols[at] = SPECIAL_SYMBOL if silent else UNKNOWN_SYMBOL
            at += 1
        # counted in the array that both sides share, so that no section needs two scales
        ends[t] = at
    return at


@kernel
def gap_length(symbols: NDArray[np.uint16], at: int, end: int) -> int:
    """The number of symbols of the gap character at ``at``; 0 where there is none."""
    if at >= end:
        return 0
    one = symbols[at]
    if one <= 0x20 or one == 0x7F or one == SPECIAL_SYMBOL:
        return 1
    # all gaps beyond ASCII have two or three bytes in UTF-8
    size = 2 if one < 0xE0 else 3
    if one < 0xC2 or one > 0xEF or at + size > end:
        return 0
    point = one & (0x1F if size == 2 else 0xF)
    for k in range(at + 1, at + size):
        if symbols[k] & ~0x3F != 0x80:
            return 0
        point = point << 6 | symbols[k] & 0x3F
    for gap in GAPS:
        if point == gap:
            return size
    return 0


@kernel
def gap_end(symbols: NDArray[np.uint16], at: int, end: int) -> int:
    """Where the gap that starts at ``at`` ends; ``at`` itself where there is none."""
    size = gap_length(symbols, at, end)
    while size > 0:
        at += size
        size = gap_length(symbols, at, end)
    return at


@kernel
def gap_start(symbols: NDArray[np.uint16], low: int, at: int) -> int:
    """Where the gap that ends at ``at`` starts, not before ``low``."""
    # going back, where a character begins is not known: try every length that a gap can have
    size = 1
    while size <= 3 and at - size >= low:
        if gap_length(symbols, at - size, at) == size:
            at, size = at - size, 0
        size += 1
    return at
