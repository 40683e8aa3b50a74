"""Read the two texts of a sample side by side and mark where their tokens end.

The texts are cut into sections, each marked on both sides (``marks.py``)::

    source  "Natalia sold." "\\n" "She {x}"        target  " Natalia sold. She ?x?"
    EMPTY    ""        | " "          the space that the target puts in front
    PLAIN    "Natalia sold."
    OPAQUE   "\\n"      | " "
    PLAIN    "She "
    window   "{x}"     | "?x?"        the sections of its cheapest path (``path.py``)

Plain text costs a comparison a symbol; only gaps that differ and windows cost more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import LITERAL, WINDOW
from align.exact.boundaries import AT, END, FOLDS, OPAQUE, TARGET, add_gap, add_plain, add_section
from align.exact.byte_symbols import UNKNOWN_SYMBOL, gap_end, gap_length, gap_start
from align.exact.edit_path import NO_PATH, cheapest_path
from align.exact.window_sections import follow
from align.exact.windows import RUN, Elements, find_end, restart
from align.kernels.jit import allocating, kernel


@kernel
def read_plain(
    symbols: NDArray[np.uint16], tokens: NDArray[np.int32], state: NDArray[np.int64]
) -> bool:
    """Write the marks of both sides as long as no window is needed; whether one is.

    Args:
        symbols: the source's and behind them the target's.
        tokens: (3, n + m) where each token ends in ``symbols``; room for its mark, and for notes.
        state: (STATES,) see ``marks.py``.
    """
    end_a, end_b = state[END], state[TARGET + END]
    while True:
        a, b = state[AT], state[TARGET + AT]
        size = _read_same(symbols, tokens, state)
        if a + size == end_a and b + size == end_b:
            add_plain(tokens, state, end_a, end_b)
            return False
        i, j = _behind_unknown(symbols, a + size, end_a, b + size, end_b)
        if i > 0:
            add_plain(tokens, state, a + size, b + size)
            add_section(tokens, state, i, j, OPAQUE, WINDOW)
            continue
        size, differs = _back_up(symbols, a, end_a, b, end_b, size)
        add_plain(tokens, state, a + size, b + size)
        a, b = gap_end(symbols, a + size, end_a), gap_end(symbols, b + size, end_b)
        add_gap(symbols, tokens, state, a, b, LITERAL)
        if differs:
            return True
        if a == end_a and b == end_b:
            return False


@kernel
def _read_same(
    symbols: NDArray[np.uint16], tokens: NDArray[np.int32], state: NDArray[np.int64]
) -> int:
    """How many symbols from here on are the same, where one blank may stand for another.

    Between ASCII ink this is the usual gap. It is noted in ``tokens[2]``, for ``add_plain``.
    """
    x, y = np.uint64(state[AT]), np.uint64(state[TARGET + AT])
    end_x, end_y = np.uint64(state[END]), np.uint64(state[TARGET + END])
    start, one, step = x, np.uint64(1), np.uint64(16)
    folds = 0
    while True:
        while x + step <= end_x and y + step <= end_y:
            different = np.uint16(0)
            for k in range(16):
                different |= symbols[x + np.uint64(k)] ^ symbols[y + np.uint64(k)]
            if different:
                break
            x, y = x + step, y + step
        while x < end_x and y < end_y and symbols[x] == symbols[y]:
            x, y = x + one, y + one
        if x == start or x + one >= end_x or y + one >= end_y:
            break
        before, behind = symbols[x - one], symbols[x + one]
        blank = symbols[x] <= 0x20 and symbols[y] <= 0x20 and behind == symbols[y + one]
        if not (blank and 0x20 < before < 0x7F and 0x20 < behind < 0x7F):
            break
        tokens[2, folds] = x
        folds += 1
        x, y = x + one, y + one
    state[FOLDS] = folds
    return int(np.int64(x - start))


@kernel
def _common(symbols: NDArray[np.uint16], a: int, end_a: int, b: int, end_b: int) -> int:
    """The number of symbols from ``a`` and ``b`` on that are the same on both sides."""
    size, at = np.uint64(min(end_a - a, end_b - b)), np.uint64(0)
    x, y, step = np.uint64(a), np.uint64(b), np.uint64(16)
    while at + step <= size:
        different = np.uint16(0)
        for k in range(16):
            different |= symbols[x + at + np.uint64(k)] ^ symbols[y + at + np.uint64(k)]
        if different:
            break
        at += step
    while at < size and symbols[x + at] == symbols[y + at]:
        at += np.uint64(1)
    return int(np.int64(at))


@kernel
def _behind_unknown(
    symbols: NDArray[np.uint16], a: int, end_a: int, b: int, end_b: int
) -> tuple[int, int]:
    """Where the usual window ends, one unknown token against a little ink; zeros for others."""
    if a < end_a and b < end_b:
        if symbols[b] == UNKNOWN_SYMBOL:
            return _ink_for_unknown(symbols, a, end_a, b + 1, end_b), b + 1
        if symbols[a] == UNKNOWN_SYMBOL:
            behind = _ink_for_unknown(symbols, b, end_b, a + 1, end_a)
            return (a + 1, behind) if behind > 0 else (0, 0)
    return 0, 0


@kernel
def _ink_for_unknown(symbols: NDArray[np.uint16], at: int, end: int, other: int, stop: int) -> int:
    """The first place behind ink from ``at`` on at which a run agrees with that at ``other``."""
    last = min(at + 16, end - RUN)
    if other + RUN > stop:
        return 0
    while at < last and symbols[at] != UNKNOWN_SYMBOL and gap_length(symbols, at, end) == 0:
        at += 1
        same = True
        for k in range(RUN):
            value = symbols[other + k]
            same &= value == symbols[at + k] and value != UNKNOWN_SYMBOL
        if same:
            return at
    return 0


@kernel
def _back_up(
    symbols: NDArray[np.uint16], a: int, end_a: int, b: int, end_b: int, same: int
) -> tuple[int, bool]:
    """How many of the ``same`` symbols from ``a`` and ``b`` on are literal text for certain, and
    whether more than a gap differs behind them.

    Not certain are a character that goes on differently, a gap that does, and unknown tokens
    behind which the texts differ: they may stand for different texts.
    """
    at = same
    if _continues(symbols, a + same, end_a) or _continues(symbols, b + same, end_b):
        at = _character_start(symbols[a:end_a], same)
    at = gap_start(symbols, a, a + at) - a
    i, j = gap_end(symbols, a + at, end_a), gap_end(symbols, b + at, end_b)
    if i == end_a and j == end_b:
        return at, False
    same_gap = i - a == j - b <= same
    if not same_gap and i < end_a and j < end_b and symbols[i] == symbols[j]:
        return at, False
    while at > 0 and symbols[a + at - 1] == UNKNOWN_SYMBOL:
        at = gap_start(symbols, a, a + at - 1) - a
    return at, True


@kernel
def _character_start(x: NDArray[np.uint16], same: int) -> int:
    """Where the character starts that ends behind ``same``; ``same`` where there is none."""
    back = 1
    while back <= min(3, same) and _continues(x, same - back, same):
        back += 1
    return same - back if back <= min(3, same) and 0xC0 <= x[same - back] < 0x100 else same


@kernel
def _continues(symbols: NDArray[np.uint16], at: int, end: int) -> bool:
    """Whether the byte at ``at`` is one inside a character of several bytes."""
    return at < end and 0x80 <= symbols[at] < 0xC0


@kernel
def scan_on(
    symbols: NDArray[np.uint16],
    tokens: NDArray[np.int32],
    state: NDArray[np.int64],
    elements: Elements,
) -> None:
    """Write the marks of what is left, of which something differs; ``elements`` is room."""
    differs = True
    while differs:
        _add_window(symbols, tokens, state, elements)
        differs = read_plain(symbols, tokens, state)


@allocating
def _add_window(
    symbols: NDArray[np.uint16],
    tokens: NDArray[np.int32],
    state: NDArray[np.int64],
    elements: Elements,
) -> None:
    """Add the window that begins here."""
    a, b, end_a, end_b = state[AT], state[TARGET + AT], state[END], state[TARGET + END]
    restart(elements, a, b)
    # which side goes first depends on what they hold, so that exchanging them changes nothing
    one = int(_comes_later(symbols, a, end_a, b, end_b))
    i, j = find_end(elements, symbols, (end_a, end_b), one)
    at, beside = one * elements.half, (1 - one) * elements.half
    steps = np.empty(i + j, np.uint8)
    values, starts = elements.values, elements.starts
    count, _ = cheapest_path(values[at : at + i], values[beside : beside + j], steps)
    if count != NO_PATH:
        follow(symbols, tokens, state, elements, steps[:count], one)
    elif one == 0:
        add_section(tokens, state, starts[at + i], starts[beside + j], OPAQUE, WINDOW)
    else:
        add_section(tokens, state, starts[beside + j], starts[at + i], OPAQUE, WINDOW)


@kernel
def _comes_later(symbols: NDArray[np.uint16], a: int, end_a: int, b: int, end_b: int) -> bool:
    """Whether the source's text stands behind the target's in lexicographic order."""
    at = _common(symbols, a, end_a, b, end_b)
    if a + at == end_a or b + at == end_b:
        return end_a - a > end_b - b
    return bool(symbols[a + at] > symbols[b + at])
