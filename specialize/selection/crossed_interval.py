"""An interval for results of several training runs on the same questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DRAWS = 10_000


def crossed_interval(
    differences: NDArray[np.integer], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the mean of a table whose rows and columns were both drawn by chance.

    Both are drawn again, each by itself, so that what the answers to one question, or those of one
    training run, have in common is not counted as several observations (the pigeonhole bootstrap,
    Owen 2007, doi:10.1214/07-AOAS122, whose variance is rather too large than too small where rows
    are many; a few seeds cannot show more than their own spread). Percentile interval.

    Args:
        differences: (seeds, questions) first model's score less the second's.
    """
    seeds, questions = differences.shape
    rng = np.random.default_rng(seed)
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=_DRAWS)
    of_questions = rng.multinomial(questions, np.full(questions, 1 / questions), size=_DRAWS)
    means = ((of_questions @ differences.T) * of_seeds).sum(1) / (seeds * questions)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
