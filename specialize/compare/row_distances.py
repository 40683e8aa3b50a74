"""How far apart two sparse distributions of one position are, of which neither is known whole.

    first    {7: .50, 3: .30}  tail .20        second   {7: .45, 9: .35}  tail .20

Both masses are known of token 7 alone. Everything else is one class, .50 against .55: merging
classes lowers a divergence or leaves it (data processing; Cover & Thomas, Elements of Information
Theory, 2.8), so that what is found is a lower bound, whatever the tails hold.

* ``kl_least``, ``tv_least``: over the tokens that both list and one class of all others. Certain.
* ``tv_most``: as if no other token had mass in both. Certain. No such bound of the KL exists.
* ``kl``: each token that only one of them lists is a class as well, and what is left of the tails
  the last. An estimate: the other's tail is shared among such tokens and the rest in the
  proportions of the one that lists them, none getting more than its least entry. Where both list
  the same tokens nothing is estimated, and it is ``kl_least``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions

Floats = NDArray[np.float64]
_IDS = 1 << 31  # every id is below it, so that row and id make one number


@dataclass(frozen=True, slots=True)
class RowDistances:
    """What R pairs of rows differ by, (R,) each.

    Attributes:
        kl, kl_least: nats, KL(first || second); infinite where the second excludes what the first
            does not.
        reverse, reverse_least: KL(second || first).
        tv_least, tv_most: total variation, 0 to 1.
        top1: whether the likeliest entry is the same token.
        alike: whether both list the same tokens.
    """

    kl: Floats
    kl_least: Floats
    reverse: Floats
    reverse_least: Floats
    tv_least: Floats
    tv_most: Floats
    top1: NDArray[np.bool_]
    alike: NDArray[np.bool_]


def row_distances(first: SparseDistributions, second: SparseDistributions) -> RowDistances:
    """The distances of each row of ``first`` from the row of ``second`` in its place.

    Args:
        first: R rows, entries most probable first; each is scaled to a mass of 1.
        second: R rows over the same vocabulary.

    Raises:
        ValueError: not as many rows.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} rows cannot be compared with {len(second)}")
    one, other = _Side.of(first), _Side.of(second)
    at = one.places_in(other)
    common = at >= 0
    mine, theirs = one.where(~common), other.without(at[common])
    p, q, row = one.mass[common], other.mass[at[common]], one.row[common]
    rests = one.tail + mine.total(), other.tail + theirs.total()
    given, left_second = other.shared(mine, one.unlisted(theirs))
    taken, left_first = one.shared(theirs, other.unlisted(mine))

    def divergence(forward: bool) -> tuple[Floats, Floats]:
        def part(a: Floats, b: Floats) -> Floats:
            return _part(a, b) if forward else _part(b, a)

        shared = np.bincount(row, part(p, q), len(first))
        estimate = shared + part(left_first, left_second)
        estimate += mine.total(part(mine.mass, given)) + theirs.total(part(taken, theirs.mass))
        return np.maximum(estimate, 0), np.maximum(shared + part(*rests), 0)

    near = np.bincount(row, np.abs(p - q), len(first))
    return RowDistances(
        *divergence(True),
        *divergence(False),
        (near + np.abs(rests[0] - rests[1])) / 2,
        np.minimum((near + rests[0] + rests[1]) / 2, 1),
        one.best == other.best,
        (mine.count() == 0) & (theirs.count() == 0),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """Rows as probabilities: of E entries (E,), of R rows (R,)."""

    row: NDArray[np.int64]
    ids: NDArray[np.int64]
    mass: Floats
    tail: Floats
    least: Floats  # of an entry; a token that is not listed has no more
    best: NDArray[np.int64]  # the likeliest entry; -1 where there is none

    @classmethod
    def of(cls, rows: SparseDistributions) -> _Side:
        row, count = rows.row_of_entry(), len(rows)
        mass = np.exp(rows.logprobs.astype(np.float64))
        tail = np.exp(rows.tail.astype(np.float64))
        total = np.bincount(row, mass, count) + tail
        scale = np.where(total > 0, total, 1)
        mass, tail = mass / scale[row], tail / scale
        least = np.ones(count)
        np.minimum.at(least, row, mass)
        best, some = np.full(count, -1, np.int64), np.diff(rows.indptr) > 0
        best[some] = rows.ids[rows.indptr[:-1][some]]
        return cls(row, rows.ids.astype(np.int64), mass, tail, least, best)

    def places_in(self, other: _Side) -> NDArray[np.int64]:
        """(E,) where each entry's token is among the other's entries of the row; -1: nowhere."""
        mine, theirs = self.row * _IDS + self.ids, other.row * _IDS + other.ids
        if not len(theirs):
            return np.full(len(mine), -1, np.int64)
        order = np.argsort(theirs, kind="stable")
        at = order[np.minimum(np.searchsorted(theirs, mine, sorter=order), len(theirs) - 1)]
        return np.where(theirs[at] == mine, at, -1)

    def where(self, wanted: NDArray[np.bool_]) -> _Side:
        """The entries of which ``wanted`` (E,) is True."""
        kept = (self.row[wanted], self.ids[wanted], self.mass[wanted])
        return _Side(*kept, self.tail, self.least, self.best)

    def without(self, places: NDArray[np.int64]) -> _Side:
        """The entries that are not at ``places``."""
        wanted = np.ones(len(self.row), np.bool_)
        wanted[places] = False
        return self.where(wanted)

    def total(self, values: Floats | None = None) -> Floats:
        """(R,) the sum of ``values`` (E,), or of the masses, over each row."""
        weights = self.mass if values is None else values
        return np.asarray(np.bincount(self.row, weights, len(self.tail)), np.float64)

    def count(self) -> NDArray[np.int64]:
        """(R,) how many entries each row has."""
        return np.bincount(self.row, minlength=len(self.tail))

    def unlisted(self, foreign: _Side) -> Floats:
        """(R,) about what of the tail is of no token that the entries ``foreign`` name either."""
        named = foreign.total(np.minimum(foreign.mass, self.least[foreign.row]))
        return np.maximum(self.tail - named, self.tail / (foreign.count() + 1))

    def shared(self, foreign: _Side, rest: Floats) -> tuple[Floats, Floats]:
        """The tail shared among tokens that are not listed here.

        Args:
            foreign: entries of another side, none of which is listed here.
            rest: (R,) mass of what is listed nowhere, on that side.

        Returns:
            (E,) what each of ``foreign`` gets, and (R,) what is left.
        """
        whole = foreign.total() + rest
        scale = self.tail / np.where(whole > 0, whole, 1)
        got = np.minimum(foreign.mass * scale[foreign.row], self.least[foreign.row])
        return got, np.maximum(self.tail - foreign.total(got), rest * scale)


def _part(p: Floats, q: Floats) -> Floats:
    """p log(p / q), elementwise; 0 for p = 0, infinite for q = 0 under a p above it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0)
    return found
