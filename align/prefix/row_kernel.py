"""Carry a teacher's distributions to another tokenizer: the policy ``prefix``.

The row of a target token that begins at byte b is what the source, having written everything
before b, says about the target token that comes next. For the source token that covers b and the
bytes u of it that lie before b (none on most rows):

* every stored candidate is put in the place of that token, the word it would make is given to the
  target's tokenizer (``retokenize.py``), and the target token at b gets the candidate's mass. A
  candidate that does not begin with u, or whose word has no boundary at b or other tokens before
  it, cannot follow: its mass is *inconsistent* and the row is conditioned on the rest;
* where the store was read (``continuations.py``) and the candidate's word was met in it, whole or
  partly written, its mass is split by the observed continuations; if the word had ended before the
  row, nothing tells what follows, and that part joins the tail;
* the candidate that was really written is followed instead: its mass is spread by the source's
  next distribution, p(c) p(c' | c), up to ``DEPTH`` tokens on or until the word ends. What is left
  of it belongs to the target token that is really there;
* mass that was not stored stays unstored (the tail). In the middle of a source token only a part
  of it can be consistent: as much as there are unstored source ids that begin with u, among all
  unstored ids (an even prior; exact when everything is stored). After a followed token it goes
  where the word written so far would go;
* special and unknown target tokens get nothing; the source's end of sequence is the target's.

Two kernels: ``follow`` lists the teacher's rows that each target row reads, ``assign`` assigns
their mass. Cost: O(K) look-ups per row that is read. Nothing is averaged, and no probability of the
teacher's is multiplied off the path that was written. Sources: chain rule and conditioning on
emitted bytes, arXiv:2410.09303 (exact byte-level conditioning); the target's own tokenization of
each candidate's word, and how partly written words continue, are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.kernels.jit import entry, integer, kernel
from align.prefix.continuations import MOST, Continuations, read_on
from align.prefix.shard_arrays import (
    ANCHOR,
    AT,
    BEGINS,
    CONTEXT,
    COPIED,
    CUT,
    END,
    ID,
    INKS,
    LENGTH,
    NODE,
    NOWHERE,
    OFFSET,
    OWN,
    REST,
    ROLE,
    SILENT,
    STARTS,
    STATE,
    STOP,
    TOKEN,
    WRITTEN,
)
from align.prefix.top_entries import CANDIDATE, INCONSISTENT, READING, TAIL, Assigned
from align.prefix.trie import LONG
from align.projection import MID
from align.vocabulary import SPECIAL, UNKNOWN

DEPTH = 4

# Instead of a target token, beside TAIL and INCONSISTENT.
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
    """What target rows read of the teacher's: a row each in ``rows`` and ``mass``; ``ends`` is
    where the masses end that were assigned from each."""

    rows: NDArray[np.int32]
    mass: NDArray[np.float64]
    ends: NDArray[np.int64]


def readings_for(rows: int) -> Readings:
    """Room for all that so many target rows may read."""
    count = rows * (DEPTH + 2)
    return Readings(
        np.empty((count, READING_COLUMNS), np.int32),
        np.empty((count, 2), np.float64),
        np.empty(count, np.int64),
    )


@entry
def follow(first: int, last: int, shard: Shard, kind: NDArray[np.uint8], readings: Readings) -> int:
    """List what the target rows ``first:last`` read; how much that is.

    Args:
        kind: of every target row; above MID a row reads nothing.
    """
    tokens, table, sums, rules = shard.tokens, shard.table, shard.sums, shard.rules
    rows, mass, count = readings.rows, readings.mass, integer(0)
    for i in range(first, last):
        here, offset, reach, r = table[i, TOKEN], table[i, OFFSET], 1.0, integer(table[i, TOKEN])
        stop = min(r + DEPTH + 1, table[i, STOP]) if kind[i] <= MID else r
        while r < stop:
            _read_row(shard, i, r, rows, count)
            mass[count, REACH], mass[count, SHARE] = reach, 1.0
            count += 1
            reach *= sums[r, WRITTEN]
            # the row's token is certain once its word has ended
            ended = tokens[r, ID] == rules[SOURCE_EOS]
            ended |= tokens[r, CUT] > (offset if r == here else 0)
            r += 1
            if (
                ended
                or reach == 0.0
                or offset == COPIED
                or (r > here + 1 and tokens[r - 1, BEGINS])
            ):
                stop = r
        if kind[i] <= MID and reach > 0.0 and offset != COPIED:
            rows[count, TARGET_ROW], rows[count, SOURCE_ROW] = i, NOWHERE
            mass[count, REACH] = reach
            count += 1
    return count


@kernel
def _read_row(shard: Shard, i: int, r: int, readings: NDArray[np.int32], p: int) -> None:
    """Write reading ``p``: what row ``i`` reads of the teacher's row ``r``."""
    tokens, table, rules = shard.tokens, shard.table, shard.rules
    begins, anchor = tokens[r, BEGINS] > 0, integer(tokens[r, ANCHOR])
    asked, eos = rules[ASKED] > 0, rules[TARGET_EOS]
    unknown = not asked or tokens[r, STATE] == LONG or anchor == NOWHERE
    state = integer(BY_BYTES)
    if not unknown:
        state = token_at(shard, integer(tokens[r, STATE]), anchor, i)
    end, rest, word, own = INCONSISTENT, TAIL, INCONSISTENT, i
    continues = OWN_WORD if anchor != NOWHERE else BY_BYTES
    if r > table[i, TOKEN]:
        word = TAIL if state == ENDED else state
        end, rest = word, TAIL if state == INCONSISTENT else word
        if rules[FOLDS] > 0 and tokens[r, INKS] == 0 and anchor == i:
            end = BY_BYTES if eos == TAIL and unknown else eos
    elif table[i, OFFSET] > 0:
        # the row is inside the token, and so in the next word where the token begins one
        if begins and anchor != NOWHERE:
            continues = INCONSISTENT
        if begins and tokens[r, OWN] != NOWHERE:
            word, own = OWN_WORD, tokens[r, OWN]
    elif begins or unknown or state == ENDED or tokens[r, ID] == rules[SOURCE_EOS]:
        end, word = eos, OWN_WORD
    readings[p, TARGET_ROW], readings[p, SOURCE_ROW] = i, r
    readings[p, END_TOKEN], readings[p, REST_TOKEN] = end, rest
    readings[p, DIRECT] = continues if asked else BY_BYTES
    readings[p, DIRECT + STARTS] = word if asked else BY_BYTES
    readings[p, FIRST], readings[p, FIRST + STARTS] = anchor, own


@entry
def assign(
    first: int,
    last: int,
    shard: Shard,
    continuations: Continuations,
    readings: Readings,
    assigned: Assigned,
) -> int:
    """Assign the mass of the readings ``first:last``; the one for which there may be no room."""
    row_ptr, sums, entries, prob = shard.row_ptr, shard.sums, shard.entries, shard.prob
    rows, masses, ends, used = readings.rows, readings.mass, readings.ends, assigned.used
    table, asked, none = shard.table, shard.rules[ASKED] > 0, integer(NOWHERE)
    room, token = len(assigned.mass), none
    for p in range(first, last):
        i, r, reach = rows[p, TARGET_ROW], rows[p, SOURCE_ROW], masses[p, REACH]
        if r == NOWHERE:
            give(assigned, integer(table[i, ID]), reach, rows, p, none)
            ends[p] = used[0]
            continue
        start, stop = row_ptr[r], row_ptr[r + 1]
        if used[0] + (stop - start) * (MOST + 2) + READING_COLUMNS > room:
            return p
        copied, token = table[i, OFFSET] == COPIED, integer(rows[p, DIRECT + STARTS])
        # new words that get one token have one mass; those that are asked about do not
        single = asked and token != OWN_WORD
        roles = STARTS if single else WRITTEN
        for e in range(start, stop):
            if copied:
                give(assigned, integer(entries[e, ID]), reach * prob[e], rows, p, none)
            elif entries[e, ROLE] < roles and prob[e] > 0.0:
                _assign_candidate(shard, continuations, readings, p, e, assigned)
        rest, share = reach * sums[r, REST], masses[p, SHARE]
        if single and not copied:
            give(assigned, token, reach * sums[r, STARTS], rows, p, none)
        if not copied:
            give(assigned, integer(TAIL), reach * sums[r, SILENT], rows, p, none)
            give(assigned, integer(rows[p, END_TOKEN]), reach * sums[r, END], rows, p, none)
            give(assigned, integer(INCONSISTENT), rest * (1.0 - share), rows, p, none)
        token = integer(TAIL) if copied else integer(rows[p, REST_TOKEN])
        give(assigned, token, rest * share, rows, p, none)
        ends[p] = used[0]
    return last


@kernel
def _assign_candidate(
    shard: Shard,
    continuations: Continuations,
    readings: Readings,
    p: int,
    e: int,
    assigned: Assigned,
) -> None:
    """Assign the mass of candidate ``e`` of reading ``p`` to what its word is, or how it went on
    elsewhere."""
    steps, left, rows, entries = (
        continuations.steps,
        continuations.left,
        readings.rows,
        shard.entries,
    )
    i, role = integer(rows[p, TARGET_ROW]), entries[e, ROLE]
    node, candidate = integer(entries[e, NODE]), integer(entries[e, ID])
    token, anchor = integer(rows[p, DIRECT + role]), integer(rows[p, FIRST + role])
    mass = readings.mass[p, REACH] * shard.prob[e]
    if node == LONG:
        token = integer(BY_BYTES)
    elif token == OWN_WORD:
        block, token = integer(shard.spans[node, CONTEXT]), integer(TAIL)
        if anchor <= i and block < 0:
            token = token_at(shard, node, anchor, i)
        elif anchor <= i:
            block, share = read_on(continuations, block, shard.table, shard.flags, anchor, i)
            give(assigned, integer(INCONSISTENT), mass * (1.0 - share), rows, p, candidate)
            if block > 0:
                share = np.float64(left[block])
            for k in range(block + 1, block + 1 + steps[block, 0]):
                give(assigned, integer(steps[k, 0]), mass * (share - left[k]), rows, p, candidate)
                share = np.float64(left[k])
            mass *= share
    give(assigned, integer(TAIL) if token == ENDED else token, mass, rows, p, candidate)


@kernel
def token_at(shard: Shard, node: int, anchor: int, i: int) -> int:
    """The token of a word for row ``i`` where the rows from ``anchor`` on are its first tokens.

    TAIL where it is special, or where the row is before the word; ENDED where the word ends with
    the row before, and INCONSISTENT where it has other tokens.
    """
    ids, table = shard.ids, shard.table
    start, length, count = shard.spans[node, AT], shard.spans[node, LENGTH], i - anchor
    for k in range(min(count, length)):
        if ids[start + k] != table[anchor + k, ID]:
            return INCONSISTENT
    if count < 0:
        return TAIL
    if count >= length:
        return ENDED if count == length else INCONSISTENT
    token = integer(ids[start + count])
    return TAIL if shard.flags[token] & (SPECIAL | UNKNOWN) else token


@kernel
def give(
    assigned: Assigned, token: int, mass: float, readings: NDArray[np.int32], p: int, candidate: int
) -> None:
    """Assign ``mass`` of reading ``p`` to ``token``, on behalf of ``candidate`` or none."""
    if mass > 0.0:
        tokens, used = assigned.tokens, assigned.used
        k = used[0]
        tokens[k, ID], tokens[k, READING], tokens[k, CANDIDATE] = token, p, candidate
        assigned.mass[k] = mass
        used[0] = k + 1


def share_inside(shard: Shard, readings: Readings, count: int, side: Side, prior: Prior) -> None:
    """Write SHARE of the readings inside a source token: of the unstored source ids, those that
    begin with the bytes of the token that come before the row.

    Args:
        readings: ``count`` of them.
        side: the source.
    """
    table, row_ptr, entries = shard.table, shard.row_ptr, shard.entries
    i, r = (readings.rows[:count, k].astype(np.int64) for k in (TARGET_ROW, SOURCE_ROW))
    inside = np.flatnonzero((table[i, OFFSET] > 0) & (table[i, TOKEN] == r))
    if not len(inside):
        return
    row, offset = r[inside], table[i[inside], OFFSET].astype(np.int64)
    sizes = row_ptr[row + 1] - row_ptr[row]
    owner = np.repeat(np.arange(len(row)), sizes)
    e = np.arange(len(owner)) + (row_ptr[row] - np.cumsum(sizes) + sizes)[owner]
    stored = (entries[e, ROLE] < WRITTEN) & (shard.prob[e] > 0)
    start, written = side.bytes_ptr[entries[e, ID]], side.bytes_ptr[side.ids[row]]
    alike = stored & (side.bytes_ptr[entries[e, ID] + 1] - start >= offset[owner])
    for k in range(int(offset.max())):
        on = np.flatnonzero(alike & (offset[owner] > k))
        alike[on] = side.data[start[on] + k] == side.data[written[owner[on]] + k]
    known = shard.sums[row, WRITTEN] > 0
    unstored = prior.pieces - known - np.bincount(owner, stored, len(row))
    unstored_alike = prior.alike[written + offset] - known - np.bincount(owner, alike, len(row))
    share = np.maximum(unstored_alike, 0) / np.maximum(unstored, 1)
    readings.mass[inside, SHARE] = np.where(unstored > 0, share, 0.0)
