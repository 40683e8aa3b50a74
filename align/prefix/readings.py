"""What a target row reads of the teacher's rows: along the path that was written.

target token begins in    source token r        r + 1              r + 2
reads                     row r, mass 1         row r + 1, p(r)    row r + 2, p(r) p(r + 1)

Up to ``DEPTH`` tokens on, or until the word ends; what is left of the mass then belongs to the
target token that is really there. For each teacher's row that is read it is noted what the masses
of its parts go to, see ``row_kernel``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.kernels.jit import entry, integer, kernel
from align.prefix.shard_arrays import (
    ANCHOR,
    AT,
    BEGINS,
    COPIED,
    CUT,
    ID,
    INKS,
    LENGTH,
    NOWHERE,
    OFFSET,
    OWN,
    ROLE,
    STARTS,
    STATE,
    STOP,
    TOKEN,
    WRITTEN,
)
from align.prefix.trie import LONG
from align.projection import MID
from align.vocabulary import SPECIAL, UNKNOWN

DEPTH = 4

# Instead of a target token.
TAIL = -1  # undetermined: the mass joins the tail
INCONSISTENT = -2  # the candidate contradicts what comes before the row
ENDED = -3  # the word is the tokens before the row
BY_BYTES = -4  # nothing was asked about the word, see ``next_token``
OWN_WORD = -5  # that of the candidate's own word

# Columns of ``Readings.rows``.
TARGET_ROW = 0  # the row that reads
SOURCE_ROW = 1  # the teacher's row that is read; NOWHERE: what is left of the path
END_TOKEN = 2  # what gets the mass of the end of sequence
REST_TOKEN = 3  # what gets the mass that is not stored
DIRECT = 4  # + role: what gets the mass of candidates, or OWN_WORD
FIRST = 6  # + role: the target token with which their words begin
READING_COLUMNS = 8

# Columns of ``Readings.mass``.
REACH = 0  # the mass of the path that leads to the teacher's row
SHARE = 1  # of the mass that is not stored, what begins like the token that was written

# ``Shard.rules``.
SOURCE_EOS = 0  # or -1
TARGET_EOS = 1  # or -1
FOLDS = 2  # whether the target folds whitespace
ASKED = 3  # whether its tokenizer was asked


class Shard(NamedTuple):
    """What the kernels read: ``tokens``, ``row_ptr`` and ``entries`` of ``shard_arrays.Source``,
    ``spans`` and ``ids`` of its ``Words``.

    ``sums`` (n, ROLES) are the masses of the teacher's rows by role, ``prob`` (stored,) those of
    candidates; ``table`` are the target's tokens, ``flags`` (V,) those of its ids.
    """

    tokens: NDArray[np.int32]
    row_ptr: NDArray[np.int64]
    entries: NDArray[np.int32]
    sums: NDArray[np.float32]
    prob: NDArray[np.float32]
    table: NDArray[np.int32]
    flags: NDArray[np.uint8]
    spans: NDArray[np.int32]
    ids: NDArray[np.int32]
    rules: NDArray[np.int64]


class Prior(NamedTuple):
    """What is known of unstored source ids: ``alike`` (bytes,) of ``vocabulary.count_prefixes`` of
    the source, and the number of its ``pieces`` that spell anything."""

    alike: NDArray[np.int32]
    pieces: int


class Readings(NamedTuple):
    """What target rows read: ``rows`` (room, READING_COLUMNS) and ``mass`` (room, 2); row k of the
    target has ``bounds[k]:bounds[k + 1]`` of them."""

    rows: NDArray[np.int32]
    mass: NDArray[np.float64]
    bounds: NDArray[np.int64]


def readings_for(rows: int) -> Readings:
    """Room for all that ``rows`` target rows may read."""
    count = rows * (DEPTH + 2)
    return Readings(
        np.empty((count, READING_COLUMNS), np.int32),
        np.empty((count, 2), np.float64),
        np.zeros(rows + 1, np.int64),
    )


@entry
def follow(
    first: int, last: int, shard: Shard, kind: NDArray[np.uint8], readings: Readings
) -> tuple[int, int]:
    """List what the target rows ``first:last`` read.

    Args:
        kind: of every target row; above MID a row reads nothing.

    Returns:
        How many of the teacher's rows that are, and how many candidates they have.
    """
    tokens, table, sums, eos = shard.tokens, shard.table, shard.sums, shard.rules[SOURCE_EOS]
    rows, mass, bounds, row_ptr = readings.rows, readings.mass, readings.bounds, shard.row_ptr
    count = candidates = integer(0)
    for i in range(first, last):
        bounds[i - first + 1] = count
        if kind[i] > MID:
            continue
        here, offset, reach = integer(table[i, TOKEN]), table[i, OFFSET], 1.0
        stop = here + 1 if offset == COPIED else min(here + DEPTH + 1, table[i, STOP])
        r = here
        while r < stop and reach > 0.0:
            rows[count, TARGET_ROW], rows[count, SOURCE_ROW] = i, r
            mass[count, REACH], mass[count, SHARE] = reach, 1.0
            count, candidates = count + 1, candidates + row_ptr[r + 1] - row_ptr[r]
            reach *= sums[r, WRITTEN]
            # the row's token is certain once its word has ended
            cut = tokens[r, CUT] > (offset if r == here else 0)
            if cut or tokens[r, ID] == eos or (r > here and tokens[r, BEGINS] > 0):
                stop = r
            r += 1
        if reach > 0.0 and offset != COPIED:
            rows[count, TARGET_ROW], rows[count, SOURCE_ROW] = i, NOWHERE
            mass[count, REACH] = reach
            count += 1
        bounds[i - first + 1] = count
    return count, candidates


@entry
def describe(shard: Shard, readings: NDArray[np.int32]) -> None:
    """Write into ``Readings.rows`` what the masses of the teacher's rows go to."""
    tokens, table, spans, ids = shard.tokens, shard.table, shard.spans, shard.ids
    asked, folds, eos = shard.rules[ASKED] > 0, shard.rules[FOLDS] > 0, shard.rules[TARGET_EOS]
    flags, source_eos = shard.flags, shard.rules[SOURCE_EOS]
    for p in range(len(readings)):
        i, r = readings[p, TARGET_ROW], readings[p, SOURCE_ROW]
        if r == NOWHERE:
            continue
        begins, anchor, node = tokens[r, BEGINS] > 0, tokens[r, ANCHOR], tokens[r, STATE]
        end, rest, word, own, state = INCONSISTENT, TAIL, INCONSISTENT, i, BY_BYTES
        inside = r == table[i, TOKEN] and table[i, OFFSET] > 0
        unknown = not asked or node == LONG or anchor == NOWHERE
        continues = OWN_WORD if anchor != NOWHERE else BY_BYTES
        if not (unknown or inside):
            start, length = integer(spans[node, AT]), integer(spans[node, LENGTH])
            state = token_at(ids, start, length, table, integer(anchor), integer(i))
            if state >= 0 and flags[state] & (SPECIAL | UNKNOWN):
                state = TAIL
        if inside:
            # the row is in the next word where the token begins one
            if begins and anchor != NOWHERE:
                continues = INCONSISTENT
            if begins and tokens[r, OWN] != NOWHERE:
                word, own = OWN_WORD, tokens[r, OWN]
        elif r > table[i, TOKEN]:
            end = word = TAIL if state == ENDED else state
            rest = TAIL if state == INCONSISTENT else word
            if folds and tokens[r, INKS] == 0 and anchor == i:
                end = BY_BYTES if eos == TAIL and unknown else eos
        elif begins or unknown or state == ENDED or tokens[r, ID] == source_eos:
            end, word = eos, OWN_WORD
        readings[p, END_TOKEN], readings[p, REST_TOKEN] = end, rest
        readings[p, DIRECT] = continues if asked else BY_BYTES
        readings[p, DIRECT + STARTS] = word if asked else BY_BYTES
        readings[p, FIRST], readings[p, FIRST + STARTS] = anchor, own


@kernel
def token_at(
    ids: NDArray[np.int32],
    start: int,
    length: int,
    table: NDArray[np.int32],
    anchor: int,
    i: int,
) -> int:
    """The token for row ``i`` of the word ``ids[start:start + length]``, where the rows from
    ``anchor`` on are its first tokens.

    TAIL where the row is before the word; ENDED where the word ends with the row before, and
    INCONSISTENT where it has other tokens.
    """
    k, count = 0, i - anchor
    # compared token by token: the word counts only where the written rows spell its beginning
    while k < min(count, length) and ids[start + k] == table[anchor + k, ID]:
        k += 1
    if count < 0:
        return TAIL
    if k < min(count, length) or count > length:
        return INCONSISTENT
    return integer(ids[start + count]) if count < length else ENDED


@entry
def share_inside(
    shard: Shard, readings: Readings, side: Side, alike: NDArray[np.int32], pieces: int
) -> None:
    """Write SHARE of the readings inside a source token: of the unstored source ids, those that
    begin with the bytes of the token that come before the row.

    Args:
        side: the source.
        alike: of each byte of its vocabulary, see ``vocabulary.count_prefixes``.
        pieces: the number of its ids that spell anything.
    """
    table, row_ptr, entries, prob = shard.table, shard.row_ptr, shard.entries, shard.prob
    starts, data, rows, sums = side.bytes_ptr, side.data, readings.rows, shard.sums
    for p in range(len(rows)):
        i, r = rows[p, TARGET_ROW], rows[p, SOURCE_ROW]
        offset = table[i, OFFSET]
        if offset <= 0 or table[i, TOKEN] != r:
            continue
        written = starts[side.ids[r]]
        # the written token is stored, and always like itself
        stored = like = 1 if sums[r, WRITTEN] > 0.0 else 0
        for e in range(row_ptr[r], row_ptr[r + 1]):
            if entries[e, ROLE] >= WRITTEN or prob[e] == 0.0:
                continue
            start, size, k = starts[entries[e, ID]], starts[entries[e, ID] + 1], 0
            size -= start
            while k < min(offset, size) and data[start + k] == data[written + k]:
                k += 1
            stored += 1
            like += k == offset
        # the tail is taken to be spread evenly over the ids that are not stored
        share = max(0, alike[written + offset] - like) / max(1, pieces - stored)
        readings.mass[p, SHARE] = share if pieces > stored else 0.0
