"""Which rows of a teacher carry the loss: early ones, uncertain ones, those of surprising tokens.

A store has the k most probable entries of a row and the mass p_t of everything else, so entropy and
probability are known within bounds only. A row passes where the bound that is on the safe side
passes, so that every row that passes does so in truth too:

    entropy       at least  -sum p_i log p_i - p_t log p_t: that of the row with everything else as
                  one class, which merging classes can only have lowered
    own token     its entry; where it has none, at most p_t

With k entries over V tokens the entropy itself is at most p_t log(V - k) above its bound. A row of
one certain entry (a text without a teacher's rows, or a token without a partner) has entropy 0 and
probability 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from align.ragged import pointers
from align.sparse import SparseDistributions, concatenate
from specialize.config.row_filter import RowFilter
from specialize.rows.targets import Target

_FEW = 4096  # targets whose rows are looked at together


def filtered(targets: Sequence[Target], wanted: RowFilter) -> tuple[list[Target], Counter[str]]:
    """``targets`` in which only rows that pass are learned; those without any are left out.

    Returns:
        The targets, and how many rows did not pass and how many targets have none left.
    """
    if wanted.passes_all:
        return list(targets), Counter()
    kept: list[Target] = []
    lost: Counter[str] = Counter()
    for start in range(0, len(targets), _FEW):
        some = targets[start : start + _FEW]
        bounds = pointers(np.array([len(target.ids) for target in some]))
        before = np.concatenate([target.carries_loss() for target in some])
        passing = before & passes(
            concatenate([target.distributions for target in some]),
            np.concatenate([target.ids for target in some]),
            shares(before, bounds),
            wanted,
        )
        lost["rows_filtered"] += int(before.sum() - passing.sum())
        for target, (first, last) in zip(some, pairwise(bounds.tolist()), strict=True):
            learned = passing[first:last]
            if learned.any():
                kept.append(replace(target, learned=learned))
    lost["no_row_passes"] = len(targets) - len(kept)
    return kept, lost


def shares(carries: NDArray[np.bool_], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R,) the share of a target's rows with loss that come before each row.

    Args:
        carries: (R,) whether a row carries the loss.
        bounds: (targets + 1,) where each target begins.
    """
    before = np.concatenate([[0], np.cumsum(carries)])
    lengths = np.diff(bounds)
    place = before[:-1] - np.repeat(before[bounds[:-1]], lengths)
    total = np.repeat(before[bounds[1:]] - before[bounds[:-1]], lengths)
    found: NDArray[np.float64] = place / np.maximum(total, 1)
    return found


def passes(
    rows: SparseDistributions,
    ids: NDArray[np.int32],
    share: NDArray[np.float64],
    wanted: RowFilter,
) -> NDArray[np.bool_]:
    """(R,) whether each row meets every condition.

    Args:
        rows: R of them. ids: (R,) the target's own tokens.
        share: (R,) of the target's rows that come before.
    """
    passing = np.ones(len(rows), np.bool_)
    if wanted.first_share is not None:
        passing &= share < wanted.first_share
    if wanted.min_entropy is not None:
        passing &= least_entropy(rows) > wanted.min_entropy
    if wanted.max_probability is not None:
        passing &= most_probability(rows, ids) < wanted.max_probability
    return passing


def least_entropy(rows: SparseDistributions) -> NDArray[np.float64]:
    """(R,) nats, that every row's entropy has at least."""
    terms = _surprise(rows.logprobs.astype(np.float64))
    stored = np.bincount(rows.row_of_entry(), weights=terms, minlength=len(rows))
    return stored + _surprise(rows.tail.astype(np.float64))


def _surprise(logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """-p log p, 0 at p = 0."""
    possible = np.isfinite(logprobs)
    finite = np.where(possible, logprobs, 0.0)
    return -np.exp(finite) * finite


def most_probability(rows: SparseDistributions, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """(R,) that each row gives its token of ``ids`` (R,) at most."""
    owner = rows.row_of_entry()
    own = rows.ids == ids[owner]
    found = np.exp(rows.tail.astype(np.float64))
    found[owner[own]] = np.exp(rows.logprobs[own].astype(np.float64))
    return found
