"""A teacher whose every distribution is known: n-grams over real tokens of real solutions.

p(c | a, b) mixes trigram, bigram and unigram counts and is raised to a power, so that its five
most probable tokens hold as much mass as those of a large language model do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Distribution = tuple[NDArray[np.int32], NDArray[np.float64]]  # ids, probabilities, falling

SHARES = (0.70, 0.28, 0.02)  # of trigrams, bigrams and unigrams
START = -1


class NgramTeacher:
    """Interpolated trigrams over token sequences, raised to ``power`` and normalized."""

    def __init__(self, sequences: Sequence[Sequence[int]], *, power: float = 1.0) -> None:
        self.power = power
        self._counts: tuple[dict[tuple[int, ...], Counter[int]], ...] = (
            defaultdict(Counter),
            defaultdict(Counter),
            defaultdict(Counter),
        )
        for sequence in sequences:
            padded = [START, START, *sequence]
            for at in range(2, len(padded)):
                for order in range(3):
                    context = tuple(padded[at - 2 + order : at])
                    self._counts[order][context][padded[at]] += 1
        self._tables = tuple(
            {
                context: (
                    np.fromiter(counter.keys(), np.int32, len(counter)),
                    np.fromiter(counter.values(), np.float64, len(counter)) / counter.total(),
                )
                for context, counter in counts.items()
            }
            for counts in self._counts
        )
        self._size = 1 + max(int(ids.max()) for ids, _ in self._tables[2].values())
        self._dense = lru_cache(maxsize=20_000)(self._distribution)

    def set_power(self, power: float) -> None:
        self.power = power
        self._dense.cache_clear()

    def after(self, tokens: Sequence[int]) -> Distribution:
        """The next token's distribution after ``tokens``, where it is above 1e-7."""
        padded = (START, START, *tokens[-2:])
        return self._dense(padded[-2], padded[-1])

    def _distribution(self, a: int, b: int) -> Distribution:
        mass = np.zeros(self._size)
        total = 0.0
        for table, context, share in zip(self._tables, ((a, b), (b,), ()), SHARES, strict=True):
            if context in table:
                ids, probability = table[context]
                mass[ids] += share * probability
                total += share
        mass = (mass / total) ** self.power
        mass /= mass.sum()
        ids = np.flatnonzero(mass > 1e-7)
        order = ids[np.argsort(-mass[ids], kind="stable")]
        return order.astype(np.int32), mass[order]
