"""The target token that the bytes tell, where the target's tokenizer was not asked.

The longest target piece that is a prefix of what a candidate still has to say; a piece equal to it
is the longest there can be. Used where no tokenizer is at hand, and for words too long to follow::

    bytes before the row " sp"     candidate " spend"     says "end"     piece "en" or "end"
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.kernels.jit import entry, integer, kernel
from align.prefix.readings import (
    BY_BYTES,
    FOLDS,
    INCONSISTENT,
    SOURCE_ROW,
    TAIL,
    TARGET_ROW,
    Shard,
)
from align.prefix.row_kernel import DETAIL, GIVEN, Assigned
from align.prefix.shard_arrays import ID, OFFSET, TOKEN
from align.prefix.word_states import is_space
from align.vocabulary import MARKER, PrefixIndex, narrow, starts_like


def spell(
    assigned: Assigned,
    readings: NDArray[np.int32],
    shard: Shard,
    sides: tuple[Side, Side],
    index: PrefixIndex,
) -> None:
    """Replace every BY_BYTES in ``assigned`` by the token that the bytes tell.

    Args:
        readings: what the masses come from, see ``Readings.rows``.
        sides: source and target.
        index: the target's pieces.
    """
    tokens, parts = assigned.tokens, assigned.part_tokens
    if assigned.counts[1]:
        asked = np.flatnonzero(tokens[: assigned.ptr[-1], GIVEN] == BY_BYTES)
        reading = np.searchsorted(assigned.ptr, asked, "right") - 1
        candidates = shard.entries[tokens[asked, DETAIL], ID]
        tokens[asked, GIVEN] = _spelled(readings[reading], candidates, shard, sides, index)
    if assigned.counts[2]:
        unknown = parts == BY_BYTES
        none = np.full(int(unknown.sum()), -1, np.int32)
        reading = np.nonzero(unknown)[0]
        parts[unknown] = _spelled(readings[reading], none, shard, sides, index)


def _spelled(
    readings: NDArray[np.int32],
    candidates: NDArray[np.int32],
    shard: Shard,
    sides: tuple[Side, Side],
    index: PrefixIndex,
) -> NDArray[np.int32]:
    """The token for each reading if its source token were the candidate; -1: if the text ended
    before it."""
    rows, read = readings[:, TARGET_ROW].astype(np.int64), readings[:, SOURCE_ROW]
    folds = bool(shard.rules[FOLDS])
    source, target, table = sides[0], sides[1], shard.table
    here, offset = table[rows, TOKEN].astype(np.int64), table[rows, OFFSET].astype(np.int64)
    sample = np.searchsorted(target.indptr, rows, "right") - 1
    begin = source.bytes_ptr[source.ids[here]]
    at_start = here == source.indptr[sample]
    space = np.append(is_space(source.data), False)
    # a marker at the text's start is a space that the source may lack
    lead = at_start & (rows == target.indptr[sample]) & (offset == 0)
    lead &= (target.flags[target.ids[rows]] & MARKER > 0) & (folds | ~space[begin])
    end_before = source.bytes_ptr[source.ids[here - 1] + 1]
    spells = end_before > source.bytes_ptr[source.ids[here - 1]]
    before = np.where(offset > 0, begin + offset, np.where(spells, end_before, 0)) - 1
    after_space = space[before] | (at_start & (offset == 0))
    jobs = np.stack([here, read, offset, candidates, lead, folds & ~lead & after_space], axis=1)
    tokens = np.empty(len(jobs), np.int32)
    _spell(jobs, source, index, folds, tokens)
    return tokens


# Columns of what is spelled: the source token and the byte in it at which the text begins, the
# token that the candidate (-1: none) replaces; whether a space comes before all, and whether
# whitespace at the start is swallowed.
_HERE, _READ, _OFFSET, _CANDIDATE, _LEAD, _SWALLOWS = range(6)


@entry
def _spell(
    jobs: NDArray[np.int64],
    source: Side,
    index: PrefixIndex,
    folds: bool,
    tokens: NDArray[np.int32],
) -> None:
    """``tokens`` (jobs,) receives the longest piece that begins each text, TAIL where none does."""
    for k in range(len(jobs)):
        job = jobs[k]
        here, read, candidate = job[_HERE], job[_READ], job[_CANDIDATE]
        # inside a token, only candidates that spell what was written before the row can follow
        if here == read and not starts_like(
            source.bytes_ptr, source.data, candidate, source.ids[here], job[_OFFSET]
        ):
            tokens[k] = INCONSISTENT
            continue
        low, high, depth, best, swallows = 0, len(index.order), 0, TAIL, job[_SWALLOWS]
        if job[_LEAD]:
            low, high, depth, best = _feed(index, low, high, depth, best, integer(32))
            swallows = integer(folds)
        for j in range(here, read + 1):
            token = integer(source.ids[j]) if j < read else candidate
            start = source.bytes_ptr[token] + (job[_OFFSET] if j == here else 0)
            end = source.bytes_ptr[token + 1] if token >= 0 else start
            for at in range(start, end):
                byte = integer(source.data[at])
                # the target's normalizer makes one space of a run, so its pieces know no other
                if folds and (byte == 32 or 9 <= byte <= 13):
                    byte = integer(32)
                    if swallows:
                        continue
                swallows = integer(byte == 32)
                if low < high:
                    low, high, depth, best = _feed(index, low, high, depth, best, byte)
        tokens[k] = best


@kernel
def _feed(
    index: PrefixIndex, low: int, high: int, depth: int, best: int, byte: int
) -> tuple[int, int, int, int]:
    """Range, depth and longest whole piece after one more byte."""
    low, high = narrow(index, low, high, depth, byte)
    # the shortest of the pieces that begin so comes first; only it can end here
    if low < high:
        token = index.order[low]
        if index.indptr[token + 1] - index.indptr[token] == depth + 1:
            best = integer(token)
    return low, high, depth + 1, best
