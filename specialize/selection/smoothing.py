"""Scores averaged over neighbouring checkpoints, and how sure a difference of two averages is.

Averaging the scores of successive checkpoints lowers their noise (Heineman et al. 2025,
arXiv:2508.13144, section 5). With a window of 3 the scores 20, 50, 35, 60 by step become 35, 35,
48.3, 47.5: each is the mean of its own and its neighbours' on both sides, of those that exist.

A chosen checkpoint is still one checkpoint: smoothing says which region of a run is good, the raw
scores beside it what this one answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from specialize.artifacts.selection import Candidate
from specialize.errors import ConfigurationError
from specialize.selection.paired_tests import Paired

_ZERO = 1e-12  # of a weight


def check_window(window: int) -> int:
    """``window``, if as many neighbours can stand before a checkpoint as after it.

    Raises:
        ConfigurationError: it is even or below 1.
    """
    if window < 1 or window % 2 == 0:
        raise ConfigurationError(
            f"smooth counts a checkpoint with as many neighbours before as after it, so it is "
            f"odd (1: no smoothing), got {window}"
        )
    return window


def windows(names: Sequence[str], window: int) -> dict[str, tuple[str, ...]]:
    """Each name with those whose scores are averaged for it; at both ends there are fewer.

    Args:
        names: the trained checkpoints, by step.
        window: how many are averaged, odd.
    """
    reach = check_window(window) // 2
    return {name: tuple(names[max(0, i - reach) : i + reach + 1]) for i, name in enumerate(names)}


def smoothed(candidates: Sequence[Candidate], window: int) -> list[Candidate]:
    """The same checkpoints with the mean of every set's score over each one's window.

    Args:
        candidates: by step, with scores of the same sets.
        window: as in ``windows``.
    """
    known = {candidate.checkpoint: candidate for candidate in candidates}
    averaged = windows(list(known), window)
    return [
        replace(
            candidate,
            in_distribution=_means([known[n].in_distribution for n in averaged[name]]),
            out_of_distribution=_means([known[n].out_of_distribution for n in averaged[name]]),
            general=_means([known[n].general for n in averaged[name]]),
        )
        for name, candidate in known.items()
    ]


def _means(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: fmean(each[name] for each in scores) for name in scores[0]}


def contrast(
    first: Sequence[str], second: Sequence[str], compare: Callable[[str, str], Paired]
) -> tuple[float, float] | None:
    """Mean accuracy of the ``first`` checkpoints less that of the ``second``, and its variance.

    An example's part in it is d = sum of c_a y_a, with y_a 1 where checkpoint a is right and
    weights c that add up to 0. As y is 0 or 1, the mean of d^2 is -sum over a < b of
    c_a c_b D_ab, with D_ab the share of examples that only one of the two answers: pairs of
    checkpoints suffice. For one checkpoint against one it is McNemar's variance.

    Args:
        first: checkpoints, of equal weight.
        second: checkpoints, of equal weight; those in both weigh what is left.
        compare: the counts of two checkpoints over the examples of a set.

    Returns:
        None where the two have no example in common.
    """
    weights = dict.fromkeys([*first, *second], 0.0)
    for names, sign in ((first, 1.0), (second, -1.0)):
        for name in names:
            weights[name] += sign / len(names)
    weights = {name: weight for name, weight in weights.items() if abs(weight) > _ZERO}
    if not weights:
        return 0.0, 0.0
    difference, square, total = 0.0, 0.0, 0
    base = next(iter(weights))
    for one, other in combinations(weights, 2):
        counts = compare(one, other)
        if not counts.total:
            return None
        square -= weights[one] * weights[other] * counts.discordant / counts.total
        if one == base:  # the weights add up to 0, so differences from any one checkpoint do
            difference -= weights[other] * counts.difference
        total = min(total or counts.total, counts.total)
    return difference, max(0.0, square - difference**2) / total
