"""An interval for results of several training runs on the same questions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_DRAWS = 10_000


def crossed_interval(
    differences: NDArray[np.integer | np.floating], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the mean of a table whose rows and columns were both drawn by chance.

    Both are drawn again, each by itself, so that what the answers to one question, or those of one
    training run, have in common is not counted as several observations (the pigeonhole bootstrap,
    Owen 2007, doi:10.1214/07-AOAS122, whose variance is rather too large than too small where rows
    are many; a few seeds cannot show more than their own spread). Percentile interval.

    Args:
        differences: (seeds, questions) first model's score less the second's, or any sum of scores.
    """
    seeds, questions = differences.shape
    of_seeds, of_questions = _drawn(seeds, seed), _drawn(questions, seed + 1)
    means = ((of_questions @ differences.T) * of_seeds).sum(1) / (seeds * questions)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@lru_cache(maxsize=8)  # a page asks for a hundred intervals of one shape
def _drawn(count: int, seed: int) -> NDArray[np.float64]:
    """(draws, count) how often each of ``count`` is drawn, with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=_DRAWS).astype(np.float64)
