"""One vocabulary on both sides: what both spell with the same ids is carried over as it is.

The two sides of a text may differ in their end alone: a scored or a cut text has none, its target
ends with one. Then the source gets the end that the target has, as a certain row, or loses the one
that the target lacks, and both sides are the same ids::

    source   5 9          rows a b        target   5 9 1    ->   5 9 1   a b {1: 1}
    source   5 9 1        rows a b c      target   5 9      ->   5 9     a b
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.prefix.rule import text_of
from align.ragged import Ragged, pointers
from align.sparse import SparseDistributions


def with_ends_of(
    source: Ragged, rows: SparseDistributions, target: Ragged, eos: int
) -> tuple[Ragged, SparseDistributions, NDArray[np.int64]]:
    """The source with the target's ends, where nothing but the end differs.

    Args:
        source: ids of every sample. rows: one for each of them.
        target: ids of the same samples in the same vocabulary.
        eos: the end of sequence.

    Returns:
        Tokens and rows of the source, and where in ``target`` the ends are that it was given.
    """
    texts = text_of(source, eos), text_of(target, eos)
    same = _same_ids(*texts)
    ended = [
        side.lengths > text.lengths for side, text in zip((source, target), texts, strict=True)
    ]
    given, taken = same & ended[1] & ~ended[0], same & ended[0] & ~ended[1]
    if not given.any() and not taken.any():
        return source, rows, np.zeros(0, np.int64)
    kept = np.ones(len(source.ids), np.bool_)
    kept[source.indptr[1:][taken] - 1] = False
    size = np.diff(rows.indptr)
    entry = np.repeat(kept, size)
    at = pointers(kept)[source.indptr[1:][given]]  # where the new ends go among what is kept
    entries = pointers(size[kept])[at]
    ended_rows = SparseDistributions(
        pointers(np.insert(size[kept], at, 1)),
        np.insert(rows.ids[entry], entries, eos).astype(np.int32),
        np.insert(rows.logprobs[entry], entries, 0.0).astype(np.float32),
        np.insert(rows.tail[kept], at, -np.inf).astype(np.float32),
    )
    lengths = source.lengths + given.astype(np.int64) - taken.astype(np.int64)
    tokens = Ragged(pointers(lengths), np.insert(source.ids[kept], at, eos).astype(np.int32))
    return tokens, ended_rows, target.indptr[1:][given] - 1


def _same_ids(one: Ragged, other: Ragged) -> NDArray[np.bool_]:
    """(samples,) whether both have the same ids."""
    same: NDArray[np.bool_] = one.lengths == other.lengths
    sides = [side.ids[np.repeat(same, side.lengths)] for side in (one, other)]
    owner = np.repeat(np.flatnonzero(same), one.lengths[same])
    same[owner[sides[0] != sides[1]]] = False
    return same
