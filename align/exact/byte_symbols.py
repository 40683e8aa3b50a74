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

from align.kernels.jit import kernel
from align.vocabulary import SPECIAL, UNKNOWN

UNKNOWN_SYMBOL = 256  # stands for text that the token does not spell
SPECIAL_SYMBOL = 257  # stands for no text

# Short pieces are copied in whole steps, over their ends; the next piece writes over the rest.
_SHORT = 8
_AT_ONCE = 24


@kernel
def most_symbols(
    indptr: NDArray[np.int64],
    ids: NDArray[np.int32],
    starts: NDArray[np.int64],
    first: int,
    last: int,
) -> int:
    """Room for the symbols of the longest of the samples ``first:last``; -1 if an id is not known.

    ``starts`` (V + 1,) is where the bytes of every id start.
    """
    most = 0
    for s in range(first, last):
        size, greatest = 0, np.uint32(0)
        for t in range(np.uint64(indptr[s]), np.uint64(indptr[s + 1])):
            greatest = max(greatest, np.uint32(ids[t]))  # in which a negative one is large
        if indptr[s] < indptr[s + 1] and greatest + 1 >= len(starts):
            return -1
        for t in range(np.uint64(indptr[s]), np.uint64(indptr[s + 1])):
            v = np.uint64(ids[t])
            size += max(starts[v + np.uint64(1)] - starts[v], 1)
        most = max(most, size)
    return most + _AT_ONCE


@kernel
def lay_out(
    ids: NDArray[np.int32],
    vocabulary: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]],
    symbols: NDArray[np.uint16],
    ends: NDArray[np.int32],
    at: int,
) -> int:
    """Write the symbols of tokens from ``at`` on, and where each token ends; the last end.

    ``vocabulary`` is where the bytes of every id start, the bytes, and the flags. Unsigned indices
    spare the test for negative ones, which costs more than the copy.
    """
    starts, data, flags = vocabulary
    safe = len(data) - _AT_ONCE
    to = np.uint64(at)
    for t in range(np.uint64(len(ids))):
        v = np.uint64(ids[t])
        start = np.uint64(starts[v])
        size = np.uint64(starts[v + np.uint64(1)]) - start
        if size == 0:
            symbols[to] = _silent(flags[v])
            size = np.uint64(1)
        elif size <= _AT_ONCE and start <= safe:
            for k in range(_SHORT):
                symbols[to + np.uint64(k)] = data[start + np.uint64(k)]
            if size > _SHORT:
                for k in range(_SHORT, _AT_ONCE):
                    symbols[to + np.uint64(k)] = data[start + np.uint64(k)]
        else:
            for k in range(size):
                symbols[to + k] = data[start + k]
        to += size
        ends[t] = to
    return int(np.int64(to))


@kernel
def _silent(flags: int) -> int:
    """The symbol of a token that spells nothing."""
    return SPECIAL_SYMBOL if flags & SPECIAL and not flags & UNKNOWN else UNKNOWN_SYMBOL


@kernel
def gap_length(symbols: NDArray[np.uint16], at: int, end: int) -> int:
    """How many symbols the gap character at ``at`` has; 0 where there is none."""
    if at >= end:
        return 0
    one = symbols[at]
    if one <= 0x20 or one == 0x7F or one == SPECIAL_SYMBOL:
        return 1
    if one == 0xC2 and at + 1 < end:
        two = symbols[at + 1]
        return 2 if two == 0x85 or two == 0x8F or two == 0x9F or two == 0xA0 else 0
    if 0xE1 <= one <= 0xEF and at + 2 < end:
        return 3 if _is_wide_gap(one, symbols[at + 1], symbols[at + 2]) else 0
    return 0


@kernel
def _is_wide_gap(one: int, two: int, three: int) -> bool:
    """Whether three bytes are U+1680, 2000-200F, 2028, 2029, 202F, 205F, 2581, 3000, FEFF, FFFD."""
    if one == 0xE2:
        general = two == 0x80 and (0x80 <= three <= 0x8F or three in (0xA8, 0xA9, 0xAF))
        return general or (two == 0x81 and three == 0x9F) or (two == 0x96 and three == 0x81)
    if one == 0xEF:
        return (two == 0xBB and three == 0xBF) or (two == 0xBF and three == 0xBD)
    return (one == 0xE1 and two == 0x9A and three == 0x80) or (
        one == 0xE3 and two == 0x80 and three == 0x80
    )


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
    while at > low:
        if symbols[at - 1] < 0x80 or symbols[at - 1] == SPECIAL_SYMBOL:
            size = gap_length(symbols, at - 1, at)
        elif at - 2 >= low and gap_length(symbols, at - 2, at) == 2:
            size = 2
        else:
            size = gap_length(symbols, at - 3, at) if at - 3 >= low else 0
            size = size if size == 3 else 0
        if size == 0:
            return at
        at -= size
    return at
