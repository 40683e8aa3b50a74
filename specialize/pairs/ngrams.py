"""A teacher whose every distribution is known: n-grams over real tokens of real texts.

p(c | a, b) mixes trigram, bigram and unigram counts and is raised to a power, so that its five
most probable tokens hold as much mass as those of a large language model do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Distribution = tuple[NDArray[np.int32], NDArray[np.float64]]  # ids, probabilities, falling
After = Callable[[Sequence[int]], Distribution]

SHARES = (0.70, 0.28, 0.02)  # of trigrams, bigrams and unigrams
START = -1
SHARP = 5  # entries whose mass is set


class NgramTeacher:
    """Interpolated trigrams over token sequences, raised to ``power`` and normalized."""

    def __init__(self, sequences: Iterable[Sequence[int]], *, power: float = 1.0) -> None:
        self.power = power
        counts: tuple[dict[tuple[int, ...], Counter[int]], ...] = (
            defaultdict(Counter),
            defaultdict(Counter),
            defaultdict(Counter),
        )
        for sequence in sequences:
            padded = [START, START, *sequence]
            for at in range(2, len(padded)):
                for order in range(3):
                    counts[order][tuple(padded[at - 2 + order : at])][padded[at]] += 1
        self._ids = np.array(sorted(counts[2][()]), np.int32)  # those that were ever seen
        self._tables = tuple(
            {context: self._row(counter) for context, counter in table.items()} for table in counts
        )
        self._known = lru_cache(maxsize=20_000)(self._distribution)

    def _row(self, counter: Counter[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        seen = np.fromiter(counter.keys(), np.int32, len(counter))
        shares = np.fromiter(counter.values(), np.float64, len(counter)) / counter.total()
        return np.searchsorted(self._ids, seen), shares

    def set_power(self, power: float) -> None:
        self.power = power
        self._known.cache_clear()

    def after(self, tokens: Sequence[int]) -> Distribution:
        """The next token's distribution after ``tokens``, where it is above 1e-7."""
        padded = (START, START, *tokens[-2:])
        return self._known(padded[-2], padded[-1])

    def _distribution(self, a: int, b: int) -> Distribution:
        mass = np.zeros(len(self._ids))
        total = 0.0
        for table, context, share in zip(self._tables, ((a, b), (b,), ()), SHARES, strict=True):
            if context in table:
                places, probability = table[context]
                mass[places] += share * probability
                total += share
        mass = (mass / total) ** self.power
        mass /= mass.sum()
        likely = np.flatnonzero(mass > 1e-7)
        order = likely[np.argsort(-mass[likely], kind="stable")]
        return self._ids[order], mass[order]


def temper(
    set_power: Callable[[float], None],
    after: Sequence[After],
    texts: Sequence[Sequence[int]],
    top_mass: float,
    best: int = SHARP,
) -> float:
    """Set the power at which the ``best`` tokens hold ``top_mass``; what they hold then.

    Args:
        after: what follows the tokens of each of ``texts``.
        top_mass: the mean over all positions of ``texts``.
    """
    low, high, held = 0.05, 8.0, 0.0
    for _ in range(12):
        power = (low + high) / 2
        set_power(power)
        held = float(
            np.mean([m for f, t in zip(after, texts, strict=True) for m in _tops(f, t, best)])
        )
        low, high = (power, high) if held < top_mass else (low, power)
    return held


def _tops(follow: After, text: Sequence[int], best: int) -> list[float]:
    return [float(follow(text[:at])[1][:best].sum()) for at in range(len(text))]
