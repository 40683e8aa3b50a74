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

The kernels, in their order: ``readings.follow`` and ``describe`` list the teacher's rows that each
target row reads; ``assign`` says which tokens get their mass, ``read_on`` where a word began
before the row; ``top_entries`` adds up and chooses. Cost: O(K) look-ups per row that
is read. Nothing is averaged, and no probability of the teacher's is multiplied off the path that
was written. Sources: chain rule and conditioning on emitted bytes, arXiv:2410.09303 (exact
byte-level conditioning); the target's own tokenization of each candidate's word, and how partly
written words continue, are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import entry, integer, kernel
from align.prefix.continuations import Continuations
from align.prefix.readings import (
    ASKED,
    BY_BYTES,
    DIRECT,
    END_TOKEN,
    ENDED,
    FIRST,
    INCONSISTENT,
    OWN_WORD,
    REACH,
    REST_TOKEN,
    SHARE,
    SOURCE_ROW,
    TAIL,
    TARGET_ROW,
    Readings,
    Shard,
    token_at,
)
from align.prefix.shard_arrays import (
    AT,
    CONTEXT,
    COPIED,
    COUNTED,
    END,
    FIRST_TOKEN,
    ID,
    LENGTH,
    NODE,
    NOWHERE,
    OFFSET,
    REST,
    ROLE,
    SILENT,
    STARTS,
    WRITTEN,
)
from align.prefix.trie import LONG
from align.vocabulary import SPECIAL, UNKNOWN

# Instead of a target token, beside those of ``readings``.
CONTINUED = -6  # all that followed the word, by its block of the continuations
READ_ON = -7  # the word began before the row, and is still to be read up to it

# Columns of ``Assigned.tokens``.
GIVEN = 0  # the target token, or what stands for it
DETAIL = 1  # for CONTINUED the block of the continuations, else the candidate's entry or NOWHERE

# Columns of ``Assigned.mass``.
MASS = 0
MET = 1  # for CONTINUED: the share of the words that were met that begin like the rows before


PARTS = 5  # of a reading, beside its candidates


class Assigned(NamedTuple):
    """What masses are assigned to.

    The candidates of reading p are ``ptr[p]:ptr[p + 1]`` of ``tokens`` (room, 2) and ``mass``
    (room, 2); its other masses are ``part_tokens[p]`` (PARTS,) and ``part_mass[p]`` (PARTS,).
    ``counts`` (3,) are the number of target tokens of candidates, continuations included, and the
    numbers of candidates and of readings with a part that are BY_BYTES.
    """

    ptr: NDArray[np.int64]
    tokens: NDArray[np.int32]
    mass: NDArray[np.float64]
    part_tokens: NDArray[np.int32]
    part_mass: NDArray[np.float64]
    counts: NDArray[np.int64]


def assigned_for(readings: int, candidates: int) -> Assigned:
    """Room for what ``readings`` of ``candidates`` assign."""
    return Assigned(
        np.zeros(readings + 1, np.int64),
        np.empty((candidates, 2), np.int32),
        np.empty((candidates, 2), np.float64),
        np.full((readings, PARTS), TAIL, np.int32),
        np.zeros((readings, PARTS), np.float64),
        np.zeros(3, np.int64),
    )


@entry
def assign(shard: Shard, readings: Readings, assigned: Assigned) -> None:
    """Assign the masses that are read: of candidates, and the parts beside them: of new words, if
    they have one token, of what spells nothing, of the end of sequence, of what is not stored."""
    entries, prob, spans = shard.entries, shard.prob, shard.spans
    rows, reaches, table, sums = readings.rows, readings.mass, shard.table, shard.sums
    tokens, mass, asked, n = assigned.tokens, assigned.mass, shard.rules[ASKED] > 0, 0
    parts, part_mass, counts = assigned.part_tokens, assigned.part_mass, assigned.counts
    ptr, row_ptr = assigned.ptr, shard.row_ptr
    for p in range(len(rows)):
        i, r, reach = rows[p, TARGET_ROW], rows[p, SOURCE_ROW], reaches[p, REACH]
        ptr[p + 1] = n
        if r == NOWHERE:
            parts[p, 0], part_mass[p, 0] = table[i, ID], reach
            continue
        copied, one_token = table[i, OFFSET] == COPIED, rows[p, DIRECT + STARTS] != OWN_WORD
        # new words that all get one token have one mass, which is a part
        roles = STARTS if asked and one_token else WRITTEN
        for e in range(row_ptr[r], row_ptr[r + 1]):
            role, token, detail, node = entries[e, ROLE], entries[e, ID], e, entries[e, NODE]
            # the written token leads to the next reading; what spells nothing is a part
            if prob[e] == 0.0 or (role >= roles and not copied):
                continue
            if not copied:
                token = rows[p, DIRECT + role] if node != LONG else BY_BYTES
                if token == OWN_WORD:
                    anchor, token = rows[p, FIRST + role], spans[node, FIRST_TOKEN]
                    if anchor != i:
                        token = READ_ON if anchor < i else TAIL
                    elif spans[node, CONTEXT] >= 0:
                        token, detail = CONTINUED, spans[node, CONTEXT]
            tokens[n, GIVEN], tokens[n, DETAIL] = token, detail
            mass[n, MASS], mass[n, MET] = reach * prob[e], 1.0
            n += 1
        ptr[p + 1] = n
        # of what is not stored, only the share that agrees with the bytes before the row can follow
        rest, share = reach * sums[r, REST], reaches[p, SHARE]
        part_mass[p, 4] = rest * share
        if not copied:
            if asked and one_token:
                parts[p, 0], part_mass[p, 0] = rows[p, DIRECT + STARTS], reach * sums[r, STARTS]
            part_mass[p, 1], part_mass[p, 3] = reach * sums[r, SILENT], rest * (1.0 - share)
            parts[p, 2], part_mass[p, 2] = rows[p, END_TOKEN], reach * sums[r, END]
            parts[p, 3], parts[p, 4] = INCONSISTENT, rows[p, REST_TOKEN]
            by_bytes = parts[p, 0] == BY_BYTES or parts[p, 2] == BY_BYTES
            counts[2] += by_bytes or parts[p, 4] == BY_BYTES


@entry
def read_on(
    shard: Shard,
    continuations: Continuations,
    readings: NDArray[np.int32],
    assigned: Assigned,
) -> None:
    """Read words that began before their row up to it."""
    ptr, tokens, mass, flags = assigned.ptr, assigned.tokens, assigned.mass, shard.flags
    entries, spans, counts = shard.entries, shard.spans, assigned.counts
    steps, left, table, ids = continuations.steps, continuations.left, shard.table, shard.ids
    for p in range(len(readings)):
        for k in range(ptr[p], ptr[p + 1]):
            if tokens[k, GIVEN] == READ_ON:
                e = tokens[k, DETAIL]
                node, anchor = entries[e, NODE], integer(readings[p, FIRST + entries[e, ROLE]])
                i, block = integer(readings[p, TARGET_ROW]), integer(spans[node, CONTEXT])
                # never met again in the store: it stays the word as it is written
                if block < 0:
                    start, length = integer(spans[node, AT]), integer(spans[node, LENGTH])
                    token = token_at(ids, start, length, table, anchor, i)
                    if token == ENDED or (token >= 0 and flags[token] & (SPECIAL | UNKNOWN)):
                        token = TAIL
                    tokens[k, GIVEN] = token
                else:
                    block, mass[k, MET] = _follow_block(steps, left, table, block, anchor, i)
                    tokens[k, GIVEN], tokens[k, DETAIL] = CONTINUED, block
            if tokens[k, GIVEN] == CONTINUED:
                counts[0] += steps[tokens[k, DETAIL], 0]
            counts[0] += 1
            counts[1] += tokens[k, GIVEN] == BY_BYTES


@kernel
def _follow_block(
    steps: NDArray[np.int32],
    left: NDArray[np.float32],
    table: NDArray[np.int32],
    block: int,
    anchor: int,
    i: int,
) -> tuple[int, float]:
    """What followed the tokens of rows ``anchor:i`` in words with a block at ``block``.

    Returns:
        The block of what followed, or 0, and the share of the words in which these tokens were
        read.
    """
    met = 1.0
    for row in range(anchor, i):
        token = table[row, COUNTED]
        step, end = block + 1, block + 1 + steps[block, 1]
        while step < end and steps[step, 0] != token:
            step += 1
        # words that went on otherwise were not met, and of an end nothing follows
        met = left[step - 1] - left[step] if step < end else 0.0
        block = integer(steps[step, 1]) if step < end else 0
    return block, met
