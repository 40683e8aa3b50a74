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
from align.prefix.row_kernel import BY_BYTES, SOURCE_ROW, TARGET_ROW
from align.prefix.shard_arrays import ID, OFFSET, TOKEN
from align.prefix.top_entries import CANDIDATE, INCONSISTENT, READING, TAIL, Assigned
from align.prefix.word_states import is_space
from align.vocabulary import MARKER, PrefixIndex, narrow, starts_like


def spell(
    assigned: Assigned,
    readings: NDArray[np.int32],
    sides: tuple[Side, Side],
    table: NDArray[np.int32],
    index: PrefixIndex,
    folds: bool,
) -> None:
    """Replace every BY_BYTES in ``assigned`` by the token that the bytes tell.

    Args:
        readings: what the masses come from, see ``row_kernel.Readings``.
        sides: source and target. table: the target's tokens.
        index: the target's pieces; ``folds`` says whether it folds whitespace.
    """
    asked = np.flatnonzero(assigned.tokens[: assigned.used[0], ID] == BY_BYTES)
    if not len(asked):
        return
    source, target = sides
    reading = assigned.tokens[asked, READING]
    rows = readings[reading, TARGET_ROW].astype(np.int64)
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
    read, candidate = readings[reading, SOURCE_ROW], assigned.tokens[asked, CANDIDATE]
    jobs = np.stack([here, read, offset, candidate, lead, folds & ~lead & after_space], axis=1)
    tokens = np.empty(len(jobs), np.int32)
    _spell(jobs, source, index, folds, tokens)
    assigned.tokens[asked, ID] = tokens


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
    if low < high:
        token = index.order[low]
        if index.indptr[token + 1] - index.indptr[token] == depth + 1:
            best = integer(token)
    return low, high, depth + 1, best
