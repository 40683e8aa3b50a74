"""What one system scores less another on the same questions, and how sure that is.

Answers of one cluster are not independent: only clusters are drawn again, and only whole clusters
change sign under the null hypothesis (Miller 2024, arXiv:2411.00640, on clustered errors). With a
question a cluster and scores of 0 and 1 the test is McNemar's and the interval the one of reports.

One worked comparison: of 220 questions both systems solve 110, only the first 12, only the second
30. The difference is 8.2 points; an unpaired z test gives p = 0.080, McNemar's exact one 0.008.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, erfc, exp, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from specialize.selection.paired_tests import Paired, difference_interval, examples_to_separate

_DRAWS = 10_000
_LEVEL, _POWER = 0.05, 0.8


@dataclass(frozen=True, slots=True)
class Difference:
    """The second system's mean score less the first's.

    Attributes:
        answers: that both gave.
        clusters: of answers that are independent of one another.
        interval: of 95 %, paired.
        p_value: of the paired test; ``p_unpaired`` is what a z test says that forgets the pairs.
        needed: answers that would show such a difference with a power of 0.8; None where there
            is none.
    """

    answers: int
    clusters: int
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    p_unpaired: float
    needed: int | None


def difference(
    first: NDArray[np.float64], second: NDArray[np.float64], clusters: NDArray[np.int64]
) -> Difference:
    """Compare two systems' scores of the same answers.

    Args:
        first: (answers,) scores of the first system.
        second: (answers,) scores of the second system.
        clusters: (answers,) a number for each answer, equal within a cluster.
    """
    apart = second - first
    _, members = np.unique(clusters, return_inverse=True)
    sums = np.bincount(members, weights=apart).astype(np.float64)
    sizes = np.bincount(members)
    mean = float(apart.mean())
    if sizes.max() == 1 and np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all():
        counts = Paired(int((apart > 0).sum()), int((apart < 0).sum()), len(apart))
        interval, needed = difference_interval([(1.0, counts)]), examples_to_separate(counts)
    else:
        interval, needed = _interval(sums, sizes), _needed(sums, sizes, mean)
    return Difference(
        answers=len(apart),
        clusters=len(sums),
        first=float(first.mean()),
        second=float(second.mean()),
        difference=mean,
        interval=interval,
        p_value=sign_flip_p(sums),
        p_unpaired=_unpaired(first, second),
        needed=needed,
    )


def sign_flip_p(sums: NDArray[np.float64]) -> float:
    """Two-sided p: how often random signs of the clusters give a total as far from 0 as theirs.

    Exact where all sums are halves of whole numbers: the totals of clusters of one magnitude are
    binomial, those of all magnitudes their convolution. Otherwise 10,000 draws of the signs, the
    observed one counted among them (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).

    Args:
        sums: (clusters,) differences summed over each cluster.
    """
    magnitudes = np.abs(sums[sums != 0])
    if not len(magnitudes):
        return 1.0
    observed = abs(float(sums.sum()))
    doubled = np.rint(2 * magnitudes).astype(np.int64)
    if np.allclose(doubled, 2 * magnitudes, rtol=0, atol=1e-9):
        chances = np.ones(1)
        for magnitude, count in zip(*np.unique(doubled, return_counts=True), strict=True):
            chances = np.convolve(chances, _spread(int(count), int(magnitude)))
        totals = np.abs(np.arange(len(chances)) - (len(chances) - 1) // 2)
        return min(1.0, float(chances[totals >= round(2 * observed)].sum()))
    signs = np.random.default_rng(0).integers(0, 2, (_DRAWS, len(magnitudes)), dtype=np.int8)
    totals = np.abs((2.0 * signs - 1) @ magnitudes)
    return float((1 + (totals >= observed - 1e-9).sum()) / (1 + _DRAWS))


def _spread(count: int, magnitude: int) -> NDArray[np.float64]:
    """Chances of every total of ``count`` signs times ``magnitude``, from least to greatest."""
    logs = [
        lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1) - count * log(2)
        for k in range(count + 1)
    ]
    chances = np.zeros(2 * magnitude * count + 1)
    chances[:: 2 * magnitude] = [exp(value) for value in logs]
    return chances


def _interval(sums: NDArray[np.float64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """Percentile bootstrap over clusters; those alike are drawn as one outcome of a multinomial."""
    kinds, counts = np.unique(np.stack([sums, sizes], 1), axis=0, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(sums), counts / len(sums), size=_DRAWS)
    means = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _needed(sums: NDArray[np.float64], sizes: NDArray[np.int64], mean: float) -> int | None:
    """Answers in clusters like these, by the normal approximation."""
    if mean == 0 or len(sums) < 2:
        return None
    spread = float(((sums - sizes * mean) ** 2).sum() / (len(sums) - 1))  # of a cluster's sum
    an_answer = spread / float(sizes.mean())
    z = NormalDist().inv_cdf(1 - _LEVEL / 2) + NormalDist().inv_cdf(_POWER)
    return ceil(z * z * an_answer / (mean * mean))


def _unpaired(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The two-sided z test of two means as if the questions were different ones."""
    if len(first) < 2:
        return 1.0
    error = sqrt((first.var(ddof=1) + second.var(ddof=1)) / len(first))
    apart = abs(float(second.mean() - first.mean()))
    return erfc(apart / error / sqrt(2)) if error else float(apart == 0)
