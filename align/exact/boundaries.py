"""Marks: where the tokens of two sides end, on one common scale, and the blocks that follow.

Each side writes a mark for each of its tokens, section by section as the two texts are read side
by side. A boundary that both may share gets the same place on both sides; one that can not be
shared (inside a character that the other side spells otherwise, inside whitespace that the other
side folds) gets a place that only its own side uses. Blocks then are a merge::

    source  "."  "\\n"  "She"      places  1  (1)  5        (1): can not be shared
    target  "."  " She"           places  1  5
    blocks  {.} <-> {.}   {\\n, She} <-> { She}

A token that adds nothing to what both sides share is drawn *forward* into the next block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import FOLDED, LITERAL, WINDOW
from align.kernels.jit import allocating, kernel

# How the boundaries are marked in a section in which the sides differ. In plain text every one may
# be shared.
OPAQUE = 1  # only the one at the section's end may be
EMPTY = 2  # all count as the start: the other side has nothing here

# The state of reading, and that of the target ``TARGET`` numbers on.
TOKEN = 0  # the first token that has no mark yet
AT = 1  # the symbol at which the next section starts
KIND = 2  # how far that token agrees, as far as it was read
LAST_TOKEN = 3  # behind the side's tokens
END = 4  # behind the side's symbols
SOURCE, TARGET = 0, 5
PLACE = 10  # of the next section on the common scale
FOLDS = 11  # blanks that stand for other blanks in the plain text being read
STATES = 12

_PLACE_BITS = 4  # mark = place << 4 | who << 2 | kind; who is 0 where the boundary may be shared


@kernel
def begin(state: NDArray[np.int64], n: int, m: int, middle: int) -> None:
    """The state before a sample of n and m tokens, the source's ending at symbol ``middle``."""
    state[:] = 0
    state[LAST_TOKEN], state[END] = n, middle
    state[TARGET + TOKEN], state[TARGET + AT], state[TARGET + LAST_TOKEN] = n, middle, n + m


@kernel
def add_plain(
    tokens: NDArray[np.int32], state: NDArray[np.int64], stop: int, target_stop: int
) -> None:
    """Mark the tokens of both sides that end in the next section, of plain text.

    ``tokens`` (3, n + m): where each token ends, strictly rising; its mark; and in the first places
    the source's symbols in the section that are blanks and stand for another blank.
    """
    length, shift = stop - state[AT], state[TARGET + AT] - state[AT]
    folds = state[FOLDS]
    while folds > 0 and tokens[2, folds - 1] >= stop:
        folds -= 1
    _mark_plain(tokens, state, SOURCE, stop)
    _mark_plain(tokens, state, TARGET, target_stop)
    state[PLACE] += length
    for k in range(folds):
        at = int(tokens[2, k])
        _note_fold(tokens, state, SOURCE, at)
        _note_fold(tokens, state, TARGET, at + shift)


@kernel
def _note_fold(tokens: NDArray[np.int32], state: NDArray[np.int64], side: int, at: int) -> None:
    """Let the token that holds symbol ``at`` be FOLDED at least."""
    low = 0 if side == SOURCE else state[LAST_TOKEN]
    high = state[side + TOKEN]
    while low < high:
        middle = (low + high) // 2
        if tokens[0, middle] > at:
            high = middle
        else:
            low = middle + 1
    if low == state[side + TOKEN]:
        state[side + KIND] = max(state[side + KIND], FOLDED)
    elif tokens[1, low] & 3 == LITERAL:
        tokens[1, low] |= FOLDED


@kernel
def add_section(
    tokens: NDArray[np.int32],
    state: NDArray[np.int64],
    stop: int,
    target_stop: int,
    form: int,
    kind: int,
) -> None:
    """Mark the tokens of both sides that end in the next section, which differs."""
    _mark_other(tokens, state, SOURCE, stop, form, kind)
    _mark_other(tokens, state, TARGET, target_stop, form, kind)
    state[PLACE] += form == OPAQUE


@kernel
def add_gap(
    symbols: NDArray[np.uint16],
    tokens: NDArray[np.int32],
    state: NDArray[np.int64],
    stop: int,
    target_stop: int,
    kind: int,
) -> None:
    """Add a section that is a gap, which one side may lack; ``kind`` is the least it can be."""
    a, b = state[AT], state[TARGET + AT]
    if stop == a and target_stop == b:
        return
    if stop == a or target_stop == b:
        add_section(tokens, state, stop, target_stop, EMPTY, max(kind, FOLDED))
        return
    same = stop - a == target_stop - b
    if same:
        for k in range(stop - a):
            same &= symbols[a + k] == symbols[b + k]
    if same and kind == LITERAL:
        state[FOLDS] = 0
        add_plain(tokens, state, stop, target_stop)
    else:
        add_section(tokens, state, stop, target_stop, OPAQUE, max(kind, FOLDED))


@kernel
def _mark_plain(tokens: NDArray[np.int32], state: NDArray[np.int64], side: int, stop: int) -> None:
    """Mark one side in a section of which both sides hold the same symbols."""
    t, last = np.uint64(state[side + TOKEN]), np.uint64(state[side + LAST_TOKEN])
    if stop == state[side + AT]:
        return
    shift = state[PLACE] - state[side + AT]
    carried = state[side + KIND]
    if t < last and tokens[0, t] <= stop:
        tokens[1, t] = (tokens[0, t] + shift) << _PLACE_BITS | carried
        t, carried = t + np.uint64(1), np.int64(LITERAL)
        while t < last and tokens[0, t] <= stop:
            tokens[1, t] = (tokens[0, t] + shift) << _PLACE_BITS
            t += np.uint64(1)
    state[side + TOKEN], state[side + AT], state[side + KIND] = t, stop, carried


@kernel
def _mark_other(
    tokens: NDArray[np.int32], state: NDArray[np.int64], side: int, stop: int, form: int, kind: int
) -> None:
    """Mark one side in a section of form OPAQUE or EMPTY."""
    t, last, place = state[side + TOKEN], state[side + LAST_TOKEN], state[PLACE]
    if stop == state[side + AT]:
        return
    first, who = (0, 1) if side == SOURCE else (state[LAST_TOKEN], 2)
    carried = max(state[side + KIND], kind)
    while t < last and tokens[0, t] <= stop:
        if form == OPAQUE and tokens[0, t] == stop:
            tokens[1, t] = (place + 1) << _PLACE_BITS | carried
        else:
            before = tokens[1, t - 1] >> _PLACE_BITS if t > first else 0
            shared = form == EMPTY and before != place
            tokens[1, t] = place << _PLACE_BITS | (0 if shared else who << 2) | carried
        t, carried = t + 1, kind
    if t > first and tokens[0, t - 1] == stop:
        carried = LITERAL
    state[side + TOKEN], state[side + AT], state[side + KIND] = t, stop, carried


@kernel
def merge(
    marks: NDArray[np.int32],
    n: int,
    m: int,
    groups: NDArray[np.int32],
    kinds: NDArray[np.uint8],
    at: int,
) -> int:
    """Write the blocks of one sample from row ``at`` on; the row behind them.

    ``marks`` (n + m,) of both sides. There are at most min(n, m) blocks, or one. Tokens behind the
    last shared boundary belong to the last block.
    """
    i, j, one = np.uint64(0), np.uint64(n), np.uint64(1)
    last_i, last_j = np.uint64(n), np.uint64(n + m)
    a, b, to, kind = 0, 0, np.uint64(at), 0
    while i < last_i and j < last_j:
        here, there = marks[i], marks[j]
        if here >> 2 == there >> 2:
            i, j = i + one, j + one
            kind |= (here | there) & 3
            groups[to, 0], groups[to, 1], groups[to, 2] = a, i, b
            a, b = int(np.int64(i)), int(np.int64(j)) - n
            groups[to, 3] = b
            kinds[to] = min(kind, WINDOW)
            to, kind = to + one, 0
        elif here >> 2 < there >> 2:
            kind |= here & 3
            i += one
        else:
            kind |= there & 3
            j += one
    behind = int(np.int64(to))
    if a == n and b == m:
        return behind
    if behind == at:
        groups[at, 0], groups[at, 2], kinds[at] = 0, 0, LITERAL
        behind += 1
    groups[behind - 1, 1], groups[behind - 1, 3] = n, m
    worst = max(_worst(marks, a, n), _worst(marks, n + b, n + m))
    kinds[behind - 1] = max(kinds[behind - 1], worst)
    return behind


@kernel
def _worst(marks: NDArray[np.int32], first: int, last: int) -> int:
    """The highest kind of the tokens ``first:last``."""
    kind = LITERAL
    for t in range(first, last):
        kind = max(kind, marks[t] & 3)
    return kind


@kernel
def mark_ends(
    ends: NDArray[np.int32], glued: NDArray[np.bool_], who: int, marks: NDArray[np.int32]
) -> None:
    """Marks of one side whose ends in a common text are known.

    No boundary before a token that is glued to the one before it, or that ends where it does.
    """
    for t in range(len(ends)):
        last = t + 1 == len(ends)
        shared = last or not (glued[t + 1] or ends[t + 1] == ends[t])
        # below the shared mark of the same place, which may still come
        marks[t] = (ends[t] << _PLACE_BITS) - (0 if shared else who << 2)


@allocating
def link_blocks(
    marks: NDArray[np.int32], n: int, groups: NDArray[np.int32], swapped: bool
) -> NDArray[np.int32]:
    """Links (L, 2) that chain the tokens of every block: those whose stretches overlap.

    ``marks`` are those of ``n`` source tokens, then the target's. Where two boundaries that can
    not be shared have the same place, ``swapped`` says which side goes first.
    """
    size = 0
    for g in range(len(groups)):
        a, b, c, d = groups[g]
        size += b - a + d - c - 1 if b > a and d > c else 0
    links = np.empty((size, 2), np.int32)
    count = 0
    for g in range(len(groups)):
        i, b, j, d = groups[g]
        while i < b and j < d:
            links[count] = i, j
            count += 1
            if i + 1 == b and j + 1 == d:
                break
            here, there = marks[i] >> _PLACE_BITS, marks[n + j] >> _PLACE_BITS
            on = here < there or (here == there and not swapped)
            on = i + 1 < b and (j + 1 == d or on)
            i, j = i + on, j + (not on)
    return links
