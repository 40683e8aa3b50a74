"""Projection by links: the published rule, and its variant over matched vocabularies.

``one-to-one`` (Fu et al. 2023, arXiv:2301.12726, and its code): the tokens are aligned by dynamic
time warping; a target token that is linked to exactly one source token of the same spelling takes
its row, every other is one-hot. Of a row, the sampled candidate is taken first and then the others
as stored; a candidate that is no target piece is dropped, and of two that become the same piece
the first is kept. Nothing is made to sum to 1: what was dropped is the tail::

    " $" {" $": .9, " a": .06, "\\n": .03}   ->   " $" .9, " a" .06, tail .04

``nearest`` (FuseLLM's MinED, Wan et al. 2024, arXiv:2401.10491): the same, but a source id becomes
the target piece at the smallest edit distance (ties: the first in byte order).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from align.dtw import warp
from align.kernels.jit import entry
from align.projection import EOS, RULE, SAME, Projection
from align.ragged import Ragged
from align.sparse import SparseDistributions
from align.vocabulary import SPECIAL, UNKNOWN, Vocabulary, index_prefixes

NO_PIECE = -1
NOT_ASKED = -2
AT_ONCE = 64  # pieces whose distances to all others are held at once


class Made(NamedTuple):
    """Rows of entries, as kernels read and write them: ``indptr`` (rows + 1,), ``ids`` and
    ``logprobs`` (entries,)."""

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]


class LinkRule:
    """Projects with the policy ``one-to-one``, or ``nearest``."""

    def __init__(self, source: Vocabulary, target: Vocabulary, *, nearest: bool) -> None:
        self._source, self._target, self._nearest = source, target, nearest
        self._order = index_prefixes(target).order
        self._pieces = target.pieces(self._order.tolist())
        whole = dict(zip(reversed(self._pieces), reversed(self._order.tolist()), strict=True))
        spells = np.flatnonzero(source.flags & (SPECIAL | UNKNOWN) == 0).tolist()
        self._table = np.full(len(source), NO_PIECE, np.int32)
        for token in spells:
            missing = NOT_ASKED if nearest and source.piece(token) else NO_PIECE
            self._table[token] = whole.get(source.piece(token), missing)

    def project(self, source: Ragged, rows: SparseDistributions, target: Ragged) -> Projection:
        """One row for each target token."""
        self._match(np.unique(rows.ids))
        linked = np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                self._linked(source.sample(s), target.sample(s), int(source.indptr[s]))
                for s in range(len(source))
            ]
        )
        size = np.where(linked >= 0, np.diff(rows.indptr)[linked], 1)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.maximum(size, 1))])
        ids, logprobs = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
        made = Made(indptr, ids, logprobs)
        count = _fill(source.ids, rows, linked, target.ids, self._table, made)
        return self._pack(target, count, indptr, ids, logprobs)

    def _pack(
        self,
        target: Ragged,
        count: NDArray[np.int32],
        indptr: NDArray[np.int64],
        ids: NDArray[np.int32],
        logprobs: NDArray[np.float32],
    ) -> Projection:
        """Close the gaps between rows and account for what they do not store."""
        soft = count > 0
        ends = np.zeros(len(soft), np.bool_)
        if self._target.eos is not None:
            ends[target.indptr[1:][np.diff(target.indptr) > 0] - 1] = True
            ends &= target.ids == self._target.eos
        kind = np.where(soft, SAME, np.where(ends, EOS, RULE)).astype(np.uint8)
        first = indptr[:-1]
        ids[first[~soft]], logprobs[first[~soft]] = target.ids[~soft], 0.0
        size = np.maximum(count, 1)
        used = np.arange(len(ids)) - np.repeat(first, np.diff(indptr)) < np.repeat(
            size, np.diff(indptr)
        )
        packed = np.concatenate([np.zeros(1, np.int64), np.cumsum(size, dtype=np.int64)])
        ids, logprobs = ids[used], logprobs[used]
        kept = np.zeros(len(soft))
        np.add.at(kept, np.repeat(np.arange(len(soft)), size), np.exp(logprobs, dtype=np.float64))
        tail = np.maximum(1 - kept, 0.0) * soft
        with np.errstate(divide="ignore"):
            distributions = SparseDistributions(packed, ids, logprobs, np.log(tail).astype("f4"))
        zero = np.zeros(len(soft), np.float32)
        return Projection(distributions, kind, kept.astype(np.float32), zero)

    def _linked(
        self, source: NDArray[np.int32], target: NDArray[np.int32], start: int
    ) -> NDArray[np.int64]:
        """(m,) the one source token that each target token is linked to, counted in the shard.

        -1 where there are several, and for the end of sequence.
        """
        n, m = len(source), len(target)
        n -= int(n > 0 and source[-1] == self._source.eos)
        m -= int(m > 0 and target[-1] == self._target.eos)
        linked = np.full(len(target), -1, np.int64)
        if n and m:
            pieces = (
                self._source.pieces(source[:n].tolist()),
                self._target.pieces(target[:m].tolist()),
            )
            links = warp(*pieces)[0].links
            counts = np.bincount(links[:, 1], minlength=m)
            linked[links[:, 1]] = links[:, 0] + start
            linked[:m][counts != 1] = -1
        return linked

    def _match(self, tokens: NDArray[np.int32]) -> None:
        """Find the nearest piece of every id of ``tokens`` that has none yet."""
        asked = tokens[self._table[tokens] == NOT_ASKED]
        if len(asked):
            nearest = _nearest(self._source.pieces(asked.tolist()), self._pieces)
            self._table[asked] = self._order[nearest]


def _nearest(asked: Sequence[bytes], pieces: Sequence[bytes]) -> NDArray[np.int64]:
    """Which of ``pieces`` is at the smallest edit distance, in bytes, from each of ``asked``; of
    several the first."""
    parts = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
    found = [cdist(part, pieces, scorer=Levenshtein.distance).argmin(axis=1) for part in parts]
    return np.concatenate(found)


def _fill(
    source: NDArray[np.int32],
    rows: SparseDistributions,
    linked: NDArray[np.int64],
    target: NDArray[np.int32],
    table: NDArray[np.int32],
    made: Made,
) -> NDArray[np.int32]:
    """Write the soft rows into ``made``; (m,) their entries, 0 of a hard one."""
    same = linked >= 0
    same[same] = table[source[linked[same]]] == target[same]
    count = np.zeros(len(linked), np.int32)
    stored = Made(rows.indptr, rows.ids, rows.logprobs)
    _fill_linked(source, stored, np.where(same, linked, -1), table, made, count)
    return count


@entry
def _fill_linked(
    source: NDArray[np.int32],
    stored: Made,
    linked: NDArray[np.int64],
    table: NDArray[np.int32],
    made: Made,
    count: NDArray[np.int32],
) -> None:
    """The walk [sampled, stored...] of every linked row; ``count`` (m,) its entries."""
    for i in range(len(linked)):
        r, base = linked[i], made.indptr[i]
        if r < 0:
            continue
        # the published rule takes the sampled candidate first, wherever it is stored
        for sampled in range(2):
            for e in range(stored.indptr[r], stored.indptr[r + 1]):
                token = table[stored.ids[e]]
                if (stored.ids[e] == source[r]) == (sampled == 1):
                    continue
                # what is no target piece is dropped; its mass becomes part of the tail
                if token < 0 or stored.logprobs[e] == -np.inf:
                    continue
                # a row has few entries: looking through them is cheaper than a set
                listed = False
                for k in range(base, base + count[i]):
                    listed |= made.ids[k] == token
                if not listed:
                    made.ids[base + count[i]] = token
                    made.logprobs[base + count[i]] = stored.logprobs[e]
                    count[i] += 1
