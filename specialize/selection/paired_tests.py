"""Two models on the same examples: who is right where the other is wrong.

One worked comparison: of 500 examples both models are right on 210, only the first on 31, only
the second on 18. The difference is 2.6 points, and McNemar's exact test gives p = 0.085.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, comb, sqrt
from statistics import NormalDist
from typing import Protocol

import numpy as np

_DRAWS = 10_000


class Graded(Protocol):
    """An example's answer, judged: a prediction or its grade."""

    @property
    def id(self) -> str: ...

    @property
    def correct(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Paired:
    """Counts over ``total`` examples that both models answered."""

    only_first: int
    only_second: int
    total: int

    def __post_init__(self) -> None:
        if min(self.only_first, self.only_second) < 0 or self.discordant > self.total:
            raise ValueError(
                f"{self.only_first} and {self.only_second} examples of {self.total} cannot be "
                f"answered correctly by one model only"
            )

    @property
    def discordant(self) -> int:
        return self.only_first + self.only_second

    @property
    def difference(self) -> float:
        """Share right by the first less share right by the second; 0 without examples."""
        return (self.only_first - self.only_second) / self.total if self.total else 0.0

    @property
    def p_value(self) -> float:
        """McNemar's exact two-sided test: Binomial(discordant, 1/2) (doi:10.1007/BF02295996)."""
        n, k = self.discordant, min(self.only_first, self.only_second)
        tail = sum(comb(n, i) for i in range(k + 1))
        return min(1.0, float(Fraction(2 * tail, 1 << n)))

    def __add__(self, other: Paired) -> Paired:
        return Paired(
            self.only_first + other.only_first,
            self.only_second + other.only_second,
            self.total + other.total,
        )


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values of several tests, adjusted so that all may be read together.

    Holm 1979, "A simple sequentially rejective multiple test procedure": the i-th smallest of n is
    multiplied by n - i + 1, never less than those before it, never above 1.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted


def pair(first: Sequence[Graded], second: Sequence[Graded]) -> Paired:
    """Compare two models' answers, example by example; those of one model only are left out."""
    correct = {answer.id: answer.correct for answer in second}
    both = [(answer.correct, correct[answer.id]) for answer in first if answer.id in correct]
    return Paired(sum(a and not b for a, b in both), sum(b and not a for a, b in both), len(both))


def difference_interval(
    parts: Sequence[tuple[float, Paired]], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Paired bootstrap interval of a weighted sum of differences, each set resampled by itself.

    Resampling n pairs with replacement is a multinomial draw of the counts, so no example is
    touched (percentile interval, 10,000 draws; Efron & Tibshirani 1993, chapter 13). Half a pair
    is added to each of the four outcomes (Agresti & Min 2005, doi:10.1002/sim.1781): where two
    models never differ, the interval still has the width of what so few examples cannot show.

    Args:
        parts: a weight and the counts of each set.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros(_DRAWS)
    for weight, counts in parts:
        if counts.total:
            alike = counts.total - counts.discordant
            cells = np.array([counts.only_first + 0.5, counts.only_second + 0.5, alike + 1.0])
            pairs = counts.total + 2
            draws = rng.multinomial(pairs, cells / pairs, size=_DRAWS)
            drawn += weight * (draws[:, 0] - draws[:, 1]) / pairs
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def examples_to_separate(counts: Paired, *, level: float = 0.05, power: float = 0.8) -> int | None:
    """How many examples would show such a difference; None where there is no difference.

    For a two-sided McNemar test (Miettinen 1968, doi:10.2307/2528321, normal approximation).

    Args:
        counts: the examples that both, one or neither answered.
        level: of the test, two-sided.
        power: the share of such samples in which the test shows it.
    """
    if counts.difference == 0:
        return None
    rate = counts.discordant / counts.total
    gap = abs(counts.difference)
    z_level, z_power = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)
    spread = z_level * sqrt(rate) + z_power * sqrt(max(0.0, rate - gap * gap))
    return ceil(spread * spread / (gap * gap))
