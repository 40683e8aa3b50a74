"""Projection by links: the published rule, and its variant over matched vocabularies.

``one-to-one`` (Fu et al. 2023, arXiv:2301.12726, and its code): the tokens are aligned by dynamic
time warping; a target token that is linked to exactly one source token of the same spelling takes
its row, every other is one-hot. Of a row, the sampled candidate is taken first and then the others
as stored; a candidate that is no target piece is dropped, and of two that become the same piece
the first is kept. Nothing is made to sum to 1: what was dropped is the tail::

    " $" {" $": .9, " a": .06, "\\n": .03}   ->   " $" .9, " a" .06, tail .04

``chunk`` (approximate likelihood matching, Minixhofer et al. 2025, arXiv:2503.20083): no candidate
is carried over, only how likely the teacher found what was written. The first target token of each
aligned block gets the product of the block's source probabilities, and the rest is tail; the
block's other tokens are one-hot. With one entry and a tail the loss is the binary one of the paper,
exact for blocks of one target token.

``nearest`` (FuseLLM's MinED, Wan et al. 2024, arXiv:2401.10491): the same, but a source id becomes
the target piece at the smallest edit distance (ties: the first in byte order).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.dtw import warp
from align.kernels.jit import allocating
from align.projection import EMPTY, EOS, RULE, SAME, Projection
from align.ragged import Ragged
from align.spans import align_batch
from align.sparse import SparseDistributions
from align.vocabulary import SPECIAL, UNKNOWN, PrefixIndex, Vocabulary, index_prefixes

NO_PIECE = -1
NOT_ASKED = -2


class LinkRule:
    """Projects with the policy ``one-to-one``, or ``nearest``."""

    def __init__(self, source: Vocabulary, target: Vocabulary, *, nearest: bool) -> None:
        self._source, self._target, self._nearest = source, target, nearest
        self._index = index_prefixes(target)
        whole = {target.piece(v): v for v in reversed(self._index.order.tolist())}
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
        count = _fill(source.ids, rows, linked, target.ids, self._table, (indptr, ids, logprobs))
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
            self._table[asked] = _nearest(
                asked, self._source.indptr, self._source.data, self._index
            )


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


@allocating
def _nearest(
    asked: NDArray[np.int32],
    indptr: NDArray[np.int64],
    data: NDArray[np.uint8],
    index: PrefixIndex,
) -> NDArray[np.int32]:
    """The piece at the smallest edit distance from each id of ``asked``, in bytes."""
    found = np.empty(len(asked), np.int32)
    for a in range(len(asked)):
        piece = data[indptr[asked[a]] : indptr[asked[a] + 1]]
        best = 1 << 30
        for token in index.order:
            other = index.data[index.indptr[token] : index.indptr[token + 1]]
            if abs(len(piece) - len(other)) < best:
                distance = _edit_distance(piece, other, best)
                if distance < best:
                    best, found[a] = distance, token
    return found


@allocating
def _edit_distance(one: NDArray[np.uint8], other: NDArray[np.uint8], limit: int) -> int:
    """Levenshtein distance, or ``limit`` where it is not below that. O(nm)."""
    row = np.arange(len(other) + 1)
    for i in range(len(one)):
        diagonal, row[0] = row[0], i + 1
        lowest = row[0]
        for j in range(len(other)):
            cost = diagonal + (one[i] != other[j])
            diagonal = row[j + 1]
            row[j + 1] = min(cost, diagonal + 1, row[j] + 1)
            lowest = min(lowest, row[j + 1])
        if lowest >= limit:
            return limit
    return int(row[len(other)])


def _fill(
    source: NDArray[np.int32],
    rows: SparseDistributions,
    linked: NDArray[np.int64],
    target: NDArray[np.int32],
    table: NDArray[np.int32],
    out: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
) -> NDArray[np.int32]:
    """Write the soft rows into ``out`` = (indptr, ids, logprobs); (m,) their entries, 0 if hard."""
    same = linked >= 0
    same[same] = table[source[linked[same]]] == target[same]
    linked = np.where(same, linked, -1)
    return _fill_linked(source, (rows.indptr, rows.ids, rows.logprobs), linked, table, out)


@allocating
def _fill_linked(
    source: NDArray[np.int32],
    rows: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    linked: NDArray[np.int64],
    table: NDArray[np.int32],
    out: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
) -> NDArray[np.int32]:
    """The walk [sampled, stored...] of every linked row; the number of entries of each."""
    row_ptr, stored, logprobs = rows
    indptr, ids, out_logprobs = out
    count = np.zeros(len(linked), np.int32)
    for i in range(len(linked)):
        r, base = linked[i], indptr[i]
        if r < 0:
            continue
        for first in (True, False):
            for e in range(row_ptr[r], row_ptr[r + 1]):
                token = table[stored[e]]
                if (stored[e] == source[r]) != first or token < 0 or np.isneginf(logprobs[e]):
                    continue
                seen = False
                for k in range(base, base + count[i]):
                    seen |= ids[k] == token
                if not seen:
                    ids[base + count[i]], out_logprobs[base + count[i]] = token, logprobs[e]
                    count[i] += 1
    return count
