"""Rows as a store keeps them: the k most probable entries, in half precision, of mass 1.

{7: .90003, 3: .06, 9: .03}, tail .00997    k = 2    {7: .9, 3: .06}, tail .04
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.ragged import pointers
from align.sparse import SparseDistributions
from specialize.store.half import exp_half


def stored_rows(rows: SparseDistributions, k: int) -> SparseDistributions:
    """The ``k`` most probable entries of every row, the others in its tail, rounded.

    Entries come most probable first (ties: lower id first); such without mass are left out. The
    values are those of half precision, of which every row still makes 1: its largest part takes up
    what rounding changes in the others, as far as the entries stay in order.
    """
    return _whole_in_half(_first_entries(_sorted(rows), k))


def _sorted(rows: SparseDistributions) -> SparseDistributions:
    """The same rows, entries most probable first; itself where they are so already."""
    ids, logprobs, indptr = rows.ids, rows.logprobs, rows.indptr
    falls: NDArray[np.bool_] = logprobs[1:] < logprobs[:-1]
    ends = indptr[1:-1]
    falls[ends[(ends > 0) & (ends < len(ids))] - 1] = True  # neighbours in different rows
    at = np.flatnonzero(~falls)
    alike = logprobs[at + 1] == logprobs[at]
    if (alike & (ids[at + 1] > ids[at])).all():
        return rows
    if alike.all():  # rows as they are projected: only what is alike is out of order
        wrong = np.zeros(len(ids), np.bool_)
        wrong[at] = wrong[at + 1] = True
        stretch = np.append(0, np.cumsum(falls))
    else:
        stretch = rows.row_of_entry()
        wrong = np.isin(stretch, stretch[at])
    place = np.flatnonzero(wrong)
    order = place[np.lexsort((ids[place], -logprobs[place], stretch[place]))]
    ids, logprobs = ids.copy(), logprobs.copy()
    ids[place], logprobs[place] = rows.ids[order], rows.logprobs[order]
    return SparseDistributions(indptr, ids, logprobs, rows.tail)


def _first_entries(rows: SparseDistributions, k: int) -> SparseDistributions:
    """The first ``k`` entries of sorted rows as far as they have mass; the others join the tail."""
    size = np.diff(rows.indptr)
    empty = np.isneginf(rows.logprobs)
    if size.max(initial=0) <= k and not empty.any():
        return rows
    row = np.repeat(np.arange(len(rows)), size)
    inside = np.arange(len(row)) - rows.indptr[row] < k
    tail = rows.tail
    if not inside.all():
        mass = np.exp(tail.astype(np.float64))
        np.add.at(mass, row[~inside], np.exp(rows.logprobs[~inside].astype(np.float64)))
        with np.errstate(divide="ignore"):
            tail = np.log(mass).astype(np.float32)
    kept = inside & ~empty
    counts = np.bincount(row[kept], minlength=len(rows))
    return SparseDistributions(pointers(counts), rows.ids[kept], rows.logprobs[kept], tail)


def _whole_in_half(rows: SparseDistributions) -> SparseDistributions:
    """Sorted rows in half precision, each still of mass 1."""
    entries, tail = rows.logprobs.astype(np.float16), rows.tail.astype(np.float16)
    size, first = np.diff(rows.indptr), rows.indptr[:-1]
    some = size > 0
    mass, rest = exp_half(entries), exp_half(tail)
    stored, best = np.zeros((2, len(rows)))
    stored[some] = np.add.reduceat(mass, first[some]) if len(mass) else 0.0
    best[some] = mass[first[some]]
    in_entry = some & (best >= rest)
    own = np.where(in_entry, best, rest)
    whole = np.log(np.maximum(1 - (stored + rest - own), own / 2)).astype(np.float16)
    entries[first[in_entry]] = whole[in_entry]
    tail = np.where(in_entry, tail, whole)
    several = first[in_entry & (size > 1)]
    entries[several] = np.maximum(entries[several], entries[several + 1])
    return SparseDistributions(rows.indptr, rows.ids, _single(entries), _single(tail))


def _single(values: NDArray[np.float16]) -> NDArray[np.float32]:
    return values.astype(np.float32)
