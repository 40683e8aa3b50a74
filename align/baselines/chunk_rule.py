"""Projection by the likelihood of aligned blocks: the policy ``chunk``.

Approximate likelihood matching (Minixhofer et al. 2025, arXiv:2503.20083): no candidate is carried
over, only how likely the teacher found what was written. The first target token of each aligned
block gets the product of the block's source probabilities, and the rest is tail; the block's other
tokens are one-hot. With one entry and a tail the loss is the binary one of the paper, exact for
blocks of one target token::

    source  " $" .9  "12" .7      target  " $12"      row  " $12" .63, tail .37
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.projection import EMPTY, RULE, SAME, Projection
from align.ragged import Ragged
from align.spans import align_batch
from align.sparse import SparseDistributions
from align.vocabulary import Vocabulary


class ChunkRule:
    """Projects with the policy ``chunk``."""

    def __init__(self, source: Vocabulary, target: Vocabulary, *, threads: int) -> None:
        self._source, self._target, self._threads = source, target, threads

    def project(self, source: Ragged, rows: SparseDistributions, target: Ragged) -> Projection:
        """One row for each target token."""
        blocks = align_batch(self._source, self._target, source, target, threads=self._threads)
        starts = np.repeat(np.arange(len(source)), np.diff(blocks.indptr))
        begin = source.indptr[starts] + blocks.groups[:, 0]
        end = source.indptr[starts] + blocks.groups[:, 1]
        first = target.indptr[starts] + blocks.groups[:, 2]
        both = (end > begin) & (blocks.groups[:, 3] > blocks.groups[:, 2])
        written = _written(source, rows)
        stored = _between(np.isfinite(written), begin, end) == end - begin
        likely = _between(np.where(np.isfinite(written), written, 0.0), begin, end)
        kind = np.full(len(target.ids), RULE, np.uint8)
        kind[first[both]] = np.where(stored, SAME, EMPTY)[both]
        logprobs = np.zeros(len(target.ids))
        logprobs[first[both]] = np.where(stored, likely, 0.0)[both]
        kept = np.exp(logprobs)
        with np.errstate(divide="ignore"):
            tail = np.log1p(-kept)
        distributions = SparseDistributions(
            np.arange(len(target.ids) + 1, dtype=np.int64),
            target.ids,
            logprobs.astype(np.float32),
            tail.astype(np.float32),
        )
        zero = np.zeros(len(target.ids), np.float32)
        return Projection(distributions, kind, kept.astype(np.float32), zero)


def _written(source: Ragged, rows: SparseDistributions) -> NDArray[np.float64]:
    """(n,) log-probability of each source token in its row, -inf where it is not stored."""
    found = np.full(len(source.ids), -np.inf)
    owner = rows.row_of_entry()
    written = rows.ids == source.ids[owner]
    found[owner[written]] = np.minimum(rows.logprobs[written], 0.0)
    return found


def _between(
    values: NDArray[np.floating] | NDArray[np.bool_],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The sum of ``values[begin:end]`` of each block."""
    so_far = np.concatenate([np.zeros(1), np.cumsum(values, dtype=np.float64)])
    sums: NDArray[np.float64] = so_far[end] - so_far[begin]
    return sums
