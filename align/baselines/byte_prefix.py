"""Byte-Prefix Marginalization: the policy ``byte-prefix``, for comparison.

Wang et al. 2026 (arXiv:2607.22334; the abstract, and the behaviour of the published code where the
abstract is silent). A candidate's mass goes to the longest target piece that its bytes begin with;
what matches none is the residual, here the tail, and the source's end is the target's::

    stored  " there" .5  " then" .3        pieces  " the" " th" "n"      row  " the" .8, tail .2

* inside a source token the row is conditioned on the bytes u of it that were written before, and a
  piece reaches no further than that token does;
* target pieces that agree with the text beyond that token, c_1 < ... < c_m, get their share of the
  written candidate's mass: P(c) is the product of the written tokens' probabilities along c, the
  last of them up to c's end. c_i gets P(c_i) - P(c_i+1), c_m all of P(c_m), and the piece that had
  it loses P(c_1). This is the chain-factorized lower bound.

Ours, since the method knows full distributions and byte-level vocabularies alone: where a token
begins, what is not stored is the tail, and within one it is taken to contradict the row, which
came nearer to the truth than the tail; texts are compared as a target that folds whitespace reads
them; rows after the first byte at which both differ are one-hot. The method's mask, which leaves
tokens of blanks out of the loss, is not a matter of projection. O(K) look-ups a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.baselines.byte_streams import NOWHERE, Places, Text, in_contexts, place, text_of
from align.kernels.jit import entry, integer, kernel
from align.projection import APART, EMPTY, EOS, MID, SAME, UNKNOWN_TOKEN, Projection
from align.ragged import Ragged, pointers
from align.sparse import SparseDistributions
from align.vocabulary import (
    SPECIAL,
    UNKNOWN,
    PrefixIndex,
    Vocabulary,
    index_prefixes,
    narrow,
    starts_like,
)

LONGER = 8  # pieces beyond the source token that get a share, the published number
NO_PIECE = -1
ANY_LENGTH = 1 << 30


class Stored(NamedTuple):
    """The source's rows: ``indptr`` (n + 1,), ``ids`` and ``prob`` (entries,), ``rest`` (n,)."""

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    prob: NDArray[np.float64]
    rest: NDArray[np.float64]


class Made(NamedTuple):
    """The target's rows: row i has ``sizes[i]`` entries from ``indptr[i]`` on; ``other`` (m, 2) are
    the mass of the tail and of what contradicts the row."""

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    mass: NDArray[np.float64]
    sizes: NDArray[np.int64]
    other: NDArray[np.float64]


class BytePrefixRule:
    """Projects with the policy ``byte-prefix``."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self._spelled = in_contexts(source, folds=target.folds)
        self._target, self._index = target, index_prefixes(target)
        eos = (-1 if side.eos is None else side.eos for side in (source, target))
        self._ends = next(eos), next(eos)

    def project(self, source: Ragged, rows: SparseDistributions, target: Ragged) -> Projection:
        """One row for each target token."""
        its = self._target, target
        text = text_of(self._spelled, source, *its, folds=self._target.folds)
        places = place(text, *its, self._ends)
        with np.errstate(under="ignore"):
            prob = np.exp(rows.logprobs.astype(np.float64))
            stored = Stored(rows.indptr, rows.ids, prob, np.exp(rows.tail.astype(np.float64)))
        kind = self._kinds(target, places)
        size = np.ones(len(kind), np.int64)
        soft = kind <= MID
        size[soft] = np.diff(rows.indptr)[places.token[soft]] + LONGER + 1
        indptr = pointers(size)
        room = np.empty(indptr[-1], np.int32), np.zeros(indptr[-1])
        made = Made(indptr, *room, np.zeros(len(kind), np.int64), np.zeros((len(kind), 2)))
        _make_rows(text, stored, places, self._index, np.array(self._ends), made)
        return self._pack(target, kind, made)

    def _kinds(self, target: Ragged, places: Places) -> NDArray[np.uint8]:
        kind = np.where(places.offset > 0, MID, SAME).astype(np.uint8)
        kind[places.token == NOWHERE] = APART
        silent = self._target.flags[target.ids] & (SPECIAL | UNKNOWN) > 0
        ends = target.ids == self._ends[1]
        kind[silent & ~ends] = UNKNOWN_TOKEN
        kind[ends & (places.token == NOWHERE)] = EOS
        places.token[kind > MID] = NOWHERE
        return kind

    def _pack(self, target: Ragged, kind: NDArray[np.uint8], made: Made) -> Projection:
        """Condition the rows on what does not contradict them; what has no entry is one-hot."""
        empty = made.sizes == 0
        kind[empty & (kind <= MID)] = EMPTY
        first = made.indptr[:-1]
        made.ids[first[empty]], made.mass[first[empty]] = target.ids[empty], 1.0
        made.other[empty] = 0.0
        size = np.where(empty, 1, made.sizes)
        used = np.arange(made.indptr[-1]) - np.repeat(first, np.diff(made.indptr)) < np.repeat(
            size, np.diff(made.indptr)
        )
        ids, mass = made.ids[used], made.mass[used]
        owner = np.repeat(np.arange(len(kind)), size)
        kept = np.bincount(owner, mass, minlength=len(kind))
        left = kept + made.other[:, 0]
        with np.errstate(divide="ignore"):
            logprobs = np.log(mass / left[owner]).astype(np.float32)
            tail = np.log(made.other[:, 0] / left).astype(np.float32)
        return Projection(
            SparseDistributions(pointers(size), ids, logprobs, tail),
            kind,
            (kept / left).astype(np.float32),
            made.other[:, 1].astype(np.float32),
        )


@entry
def _make_rows(
    text: Text,
    stored: Stored,
    places: Places,
    index: PrefixIndex,
    ends: NDArray[np.int64],
    made: Made,
) -> None:
    """Fill the rows that have a place."""
    for i in range(len(places.token)):
        k, offset = integer(places.token[i]), integer(places.offset[i])
        if k == NOWHERE:
            continue
        reach = _size_of(text, k, text.ids[k]) - offset if offset else integer(ANY_LENGTH)
        tail, wrong = 0.0, stored.rest[k]
        # within a token what is not stored more likely contradicts the text than not (see above)
        if offset == 0:
            tail, wrong = wrong, tail
        for e in range(stored.indptr[k], stored.indptr[k + 1]):
            token, p = integer(stored.ids[e]), stored.prob[e]
            if offset and not _agrees(text, k, token, offset):
                wrong += p
                continue
            piece = _longest(text, index, k, token, offset, reach)
            if token == ends[0]:
                piece = integer(ends[1])
            if piece < 0:
                tail += p
            else:
                _add(made, i, piece, p)
        made.other[i, 0], made.other[i, 1] = tail, wrong
        if k < places.stop[i]:
            _follow_text(text, stored, index, places.stop[i], k, offset, i, made)
        _close_gaps(made, i)


@kernel
def _size_of(text: Text, k: int, token: int) -> int:
    """The number of bytes of ``token`` in the place of source token k."""
    spelled = token + text.shift[k]
    return integer(text.bytes_ptr[spelled + 1] - text.bytes_ptr[spelled])


@kernel
def _agrees(text: Text, k: int, token: int, size: int) -> bool:
    """Whether ``token``, in the place of source token k, has its first ``size`` bytes."""
    shift = text.shift[k]
    one, other = integer(token + shift), integer(text.ids[k] + shift)
    return starts_like(text.bytes_ptr, text.data, one, other, size)


@kernel
def _longest(text: Text, index: PrefixIndex, k: int, token: int, offset: int, reach: int) -> int:
    """The longest piece that the bytes of ``token`` from ``offset`` on begin with, of at most
    ``reach`` bytes."""
    low, high, best = 0, len(index.order), integer(NO_PIECE)
    start = text.bytes_ptr[token + text.shift[k]] + offset
    for at in range(min(_size_of(text, k, token) - offset, reach)):
        low, high = narrow(index, low, high, at, integer(text.data[start + at]))
        if low == high:
            break
        if _ends_at(index, low, at + 1):
            best = integer(index.order[low])
    return best


@kernel
def _ends_at(index: PrefixIndex, low: int, size: int) -> bool:
    """Whether the first piece from ``low`` on has ``size`` bytes: no shorter one begins so."""
    piece = index.order[low]
    return integer(index.indptr[piece + 1] - index.indptr[piece]) == size


@kernel
def _add(made: Made, i: int, piece: int, mass: float) -> None:
    """Give ``mass`` to ``piece`` in row i; of less than nothing is left nothing."""
    start = made.indptr[i]
    # a row has few entries: looking through them is cheaper than a table
    for e in range(start, start + made.sizes[i]):
        if made.ids[e] == piece:
            made.mass[e] = max(made.mass[e] + mass, 0.0)
            return
    made.ids[start + made.sizes[i]], made.mass[start + made.sizes[i]] = piece, mass
    made.sizes[i] += 1


@kernel
def _follow_text(
    text: Text,
    stored: Stored,
    index: PrefixIndex,
    stop: int,
    k: int,
    offset: int,
    i: int,
    made: Made,
) -> None:
    """Give the pieces that reach beyond source token k their share of what was written."""
    low, high, depth, found = 0, len(index.order), 0, 0
    holder, reach, j = integer(NO_PIECE), 1.0, k
    while j < stop and low < high and found < LONGER:
        written = integer(text.ids[j])
        start = text.bytes_ptr[written + text.shift[j]]
        for at in range(offset if j == k else 0, _size_of(text, j, written)):
            low, high = narrow(index, low, high, depth, integer(text.data[start + at]))
            depth += 1
            if low == high or found == LONGER:
                break
            if _ends_at(index, low, depth):
                piece = integer(index.order[low])
                if j > k:
                    # nested events: the longer the piece, the less of the mass
                    mass = reach * _prefix_mass(text, stored, j, at + 1)
                    _take(made, i, holder, mass)
                    _add(made, i, piece, mass)
                    found += 1
                holder = piece
        reach *= _prefix_mass(text, stored, j, ANY_LENGTH)
        j += 1


@kernel
def _take(made: Made, i: int, holder: int, mass: float) -> None:
    """Take ``mass`` from the piece that had it, or from the tail where none did."""
    if holder == NO_PIECE:
        made.other[i, 0] = max(made.other[i, 0] - mass, 0.0)
    else:
        _add(made, i, holder, -mass)


@kernel
def _prefix_mass(text: Text, stored: Stored, j: int, size: int) -> float:
    """The mass of what begins with the first ``size`` bytes of source token j, or of what spells
    the same where it has fewer."""
    length, mass = _size_of(text, j, integer(text.ids[j])), 0.0
    for e in range(stored.indptr[j], stored.indptr[j + 1]):
        token = integer(stored.ids[e])
        # an end spells as little as whitespace that is swallowed, but does not stand for it
        silent = text.bytes_ptr[token + 1] == text.bytes_ptr[token]
        if silent or (size > length and _size_of(text, j, token) != length):
            continue
        if _agrees(text, j, token, min(size, length)):
            mass += stored.prob[e]
    return mass


@kernel
def _close_gaps(made: Made, i: int) -> None:
    """Close the gaps that entries without mass leave."""
    start, to = made.indptr[i], made.indptr[i]
    for e in range(start, start + made.sizes[i]):
        if made.mass[e] > 0.0:
            made.ids[to], made.mass[to] = made.ids[e], made.mass[e]
            to += 1
    made.sizes[i] = to - start
