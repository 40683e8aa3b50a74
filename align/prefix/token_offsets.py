"""Where in the source each target token begins.

The blocks of an alignment say it for the first token of a block; for the others the bytes of the
block are read on both sides at once::

    source  " $" "12"      target  " $1" "2"      one block
    " $1" begins in token 0 at byte 0, "2" in token 1 at byte 1

Where the target folds whitespace or a block differs in it, a run counts as one space on both
sides, and what leads the text counts as nothing. A block that differs in more gives only its first
place away.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import FOLDED, WINDOW, Side
from align.kernels.jit import kernel
from align.prefix.word_states import is_space
from align.vocabulary import SPECIAL, UNKNOWN

NOWHERE = -1


class Places(NamedTuple):
    """``token`` (m,) int32: the source token, counted within the sample, in which a target token
    begins, or NOWHERE; ``offset`` (m,) int32: at which of its bytes."""

    token: NDArray[np.int32]
    offset: NDArray[np.int32]


class Words(NamedTuple):
    """Per source token, counted within the sample: ``anchor`` (n,) the target token with which the
    word before it begins, ``begin`` (n,) the one that begins where it begins; NOWHERE if none."""

    anchor: NDArray[np.int32]
    begin: NDArray[np.int32]


def nowhere(count: int) -> Places:
    """Places of ``count`` target tokens, to be found."""
    return Places(np.full(count, NOWHERE, np.int32), np.zeros(count, np.int32))


@kernel
def find_places(
    begin: int,
    end: int,
    source: Side,
    target: Side,
    group_ptr: NDArray[np.int64],
    groups: NDArray[np.int32],
    kind: NDArray[np.uint8],
    folds: bool,
    places: Places,
) -> None:
    """The places of the target tokens of samples ``begin:end``.

    ``groups`` (G, 4) and ``kind`` (G,) are those of ``Blocks``, of sample s from ``group_ptr[s]``
    on; ``folds`` says whether the target folds whitespace.
    """
    for s in range(begin, end):
        at = target.indptr[s]
        for g in range(group_ptr[s], group_ptr[s + 1]):
            first, last = groups[g, 0], groups[g, 1]
            while first < last and _is_silent(source, s, first):
                first += 1
            if first == last or groups[g, 2] == groups[g, 3]:
                continue
            row = at + groups[g, 2]
            places.token[row] = first
            if folds and row > at and _ends_in_space(target, row - 1):
                places.token[row] = _behind_first_space(source, s, first)
            if groups[g, 3] - groups[g, 2] > 1:
                block = (s, first, last, groups[g, 2], groups[g, 3])
                fold = folds or kind[g] == FOLDED
                if kind[g] == WINDOW or not _read_block(source, target, places, block, fold):
                    places.token[at + groups[g, 2] + 1 : at + groups[g, 3]] = NOWHERE


@kernel
def _ends_in_space(side: Side, at: int) -> bool:
    """Whether token ``at`` of all samples ends in whitespace."""
    token = side.ids[at]
    end = side.bytes_ptr[token + 1]
    return bool(end > side.bytes_ptr[token] and is_space(side.data[end - 1]))


@kernel
def _behind_first_space(side: Side, s: int, j: int) -> int:
    """The token behind the one with which the whitespace before token ``j`` begins: from there on
    the source may stop writing more of it."""
    start = side.indptr[s]
    while j > 1 and _ends_in_space(side, start + j - 2):
        token = side.ids[start + j - 1]
        for at in range(side.bytes_ptr[token], side.bytes_ptr[token + 1]):
            if not is_space(side.data[at]):
                return j
        j -= 1
    return j


@kernel
def _is_silent(side: Side, s: int, j: int) -> bool:
    """Whether token ``j`` of sample ``s`` is special: no text, and none meant."""
    token = side.ids[side.indptr[s] + j]
    silent = side.bytes_ptr[token] == side.bytes_ptr[token + 1]
    return bool(silent and side.flags[token] & SPECIAL)


@kernel
def _read_block(
    source: Side,
    target: Side,
    places: Places,
    block: tuple[int, int, int, int, int],
    fold: bool,
) -> bool:
    """Place the target tokens of a block; False where the two sides differ."""
    s, j, last, first_row, last_row = block
    start = target.indptr[s]
    space = _after_space(source, s, j, fold)
    behind = _after_space(target, s, first_row, fold)
    here = j, 0  # behind the last byte that both have read
    j, offset = _next_byte(source, s, (j, 0, last), space, fold)
    for i in range(first_row, last_row):
        if i > first_row:
            if here[0] == source.indptr[s + 1] - source.indptr[s]:
                return False
            places.token[start + i], places.offset[start + i] = here
        token = target.ids[start + i]
        for at in range(target.bytes_ptr[token], target.bytes_ptr[token + 1]):
            byte = target.data[at]
            white = is_space(byte)
            if white and behind:
                continue
            behind = white and fold
            if j == last:
                return False
            mine = _byte(source, s, j, offset)
            if mine != byte and not (fold and white and is_space(mine)):
                return False
            here = _behind(source, s, j, offset, fold)
            j, offset = _next_byte(source, s, (j, offset + 1, last), is_space(mine), fold)
    if fold and j < last and is_space(_byte(source, s, j, offset)):  # dropped behind the text
        j, offset = _next_byte(source, s, (j, offset, last), True, fold)
    return j == last


@kernel
def _byte(side: Side, s: int, j: int, offset: int) -> int:
    return int(side.data[side.bytes_ptr[side.ids[side.indptr[s] + j]] + offset])


@kernel
def _behind(side: Side, s: int, j: int, offset: int, fold: bool) -> tuple[int, int]:
    """The place behind byte ``offset`` of token ``j``: the next token where nothing follows in it.

    Whitespace behind whitespace is nothing where runs ``fold``.
    """
    token = side.ids[side.indptr[s] + j]
    swallows = fold and is_space(_byte(side, s, j, offset))
    at = side.bytes_ptr[token] + offset + 1
    while swallows and at < side.bytes_ptr[token + 1] and is_space(side.data[at]):
        at += 1
    return (j + 1, 0) if at == side.bytes_ptr[token + 1] else (j, offset + 1)


@kernel
def _after_space(side: Side, s: int, j: int, fold: bool) -> bool:
    """Whether whitespace before token ``j`` swallows whitespace in it; so does the text's start."""
    start = side.indptr[s]
    while fold and j > 0:
        token = side.ids[start + j - 1]
        if side.bytes_ptr[token] < side.bytes_ptr[token + 1]:
            return is_space(side.data[side.bytes_ptr[token + 1] - 1])
        if not _is_silent(side, s, j - 1):
            return False
        j -= 1
    return fold


@kernel
def _next_byte(
    side: Side, s: int, at: tuple[int, int, int], after_space: bool, fold: bool
) -> tuple[int, int]:
    """The next byte that counts, as token and offset; the token ``last`` where there is none."""
    j, offset, last = at
    while j < last:
        token = side.ids[side.indptr[s] + j]
        size = side.bytes_ptr[token + 1] - side.bytes_ptr[token]
        while offset < size:
            if not (fold and after_space and is_space(side.data[side.bytes_ptr[token] + offset])):
                return j, offset
            offset += 1
        j, offset = j + 1, 0
    return last, 0


@kernel
def place_ends(
    begin: int,
    end: int,
    source: Side,
    target: Side,
    fold: bool,
    ends: NDArray[np.bool_],
    places: Places,
) -> None:
    """Place the end of sequence of the target where ``ends`` (samples,) says that both have one.

    It begins with the source's, or with the whitespace before that where the target ``folds`` it
    away.
    """
    for s in range(begin, end):
        if not ends[s]:
            continue
        here = source.indptr[s + 1] - source.indptr[s] - 1, 0
        for j in range(here[0] - 1, -1 if fold else here[0], -1):
            token = source.ids[source.indptr[s] + j]
            size = source.bytes_ptr[token + 1] - source.bytes_ptr[token]
            while size > 0 and is_space(_byte(source, s, j, size - 1)):
                size -= 1
                here = j, size
            if size > 0 or _is_unknown(source, token):
                break
        i = target.indptr[s + 1] - 1
        places.token[i], places.offset[i] = here


@kernel
def _is_unknown(side: Side, token: int) -> bool:
    return bool(side.flags[token] & UNKNOWN)


@kernel
def find_words(
    begin: int,
    end: int,
    source: Side,
    target: Side,
    places: Places,
    begins: NDArray[np.bool_],
    cut: NDArray[np.int32],
    words: Words,
) -> None:
    """Which target token begins with each source token, and with the word before it.

    ``begins`` (n,) marks source tokens that begin a new word, ``cut`` (V,) tells where in its bytes
    a source id begins its last word, if not in front.
    """
    for s in range(begin, end):
        start, row, stop = source.indptr[s], target.indptr[s], target.indptr[s + 1]
        first, anchor = row, 0
        for j in range(source.indptr[s + 1] - start):
            words.anchor[start + j], words.begin[start + j] = anchor, NOWHERE
            row = _row_at(places, row, stop, j, 0)
            if row < stop and places.token[row] == j and places.offset[row] == 0:
                words.begin[start + j] = row - first
            inside = cut[source.ids[start + j]]
            if inside > 0:
                found = _row_at(places, row, stop, j, inside)
                hit = found < stop and places.token[found] == j and places.offset[found] == inside
                anchor = found - first if hit else NOWHERE
            elif begins[start + j]:
                anchor = words.begin[start + j]


@kernel
def _row_at(places: Places, row: int, end: int, j: int, offset: int) -> int:
    """The first row from ``row`` on that begins at (``j``, ``offset``) or behind it."""
    while row < end:
        token = places.token[row]
        if token > j or (token == j and places.offset[row] >= offset):
            return row
        row += 1
    return row
