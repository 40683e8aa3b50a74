"""A teacher whose every distribution is known: n-grams over real tokens of real texts.

p(c | a, b) mixes trigram, bigram and unigram counts and is raised to a power, so that its five
most probable tokens hold as much mass as those of a large language model do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Distribution = tuple[NDArray[np.int32], NDArray[np.float64]]  # ids, probabilities, falling
After = Callable[[Sequence[int]], Distribution]

SHARES = (0.70, 0.28, 0.02)  # of trigrams, bigrams and unigrams
START = -1
SHARP = 5  # entries whose mass is set


@dataclass(frozen=True, slots=True)
class _Table:
    """What follows each context: of context ``contexts[i]`` the entries ``indptr[i]`` on."""

    contexts: NDArray[np.int64]
    indptr: NDArray[np.int64]
    places: NDArray[np.int64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, contexts: NDArray[np.int64], places: NDArray[np.int64], span: int) -> _Table:
        """The table of pairs of a context and a place below ``span``."""
        pairs, counts = np.unique(contexts * span + places, return_counts=True)
        known, starts = np.unique(pairs // span, return_index=True)
        indptr = np.append(starts, len(pairs)).astype(np.int64)
        totals = np.add.reduceat(counts, starts) if len(starts) else counts
        return cls(known, indptr, pairs % span, counts / np.repeat(totals, np.diff(indptr)))

    def after(self, context: int) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Places and their shares; None where the context was never seen."""
        at = int(np.searchsorted(self.contexts, context))
        if at == len(self.contexts) or self.contexts[at] != context:
            return None
        entries = slice(int(self.indptr[at]), int(self.indptr[at + 1]))
        return self.places[entries], self.shares[entries]


class NgramTeacher:
    """Interpolated trigrams over token sequences, raised to ``power`` and normalized."""

    def __init__(self, sequences: Iterable[Sequence[int]], *, power: float = 1.0) -> None:
        self.power = power
        arrays = [np.asarray([START, START, *sequence], np.int64) for sequence in sequences]
        flat = np.concatenate([np.zeros(0, np.int64), *arrays])
        known = np.unique(flat)
        self._ids = known[known != START].astype(np.int32)  # those that were ever seen
        begins = np.zeros(len(flat) + 1, np.bool_)
        begins[np.cumsum([0] + [len(array) for array in arrays])] = True
        c = np.flatnonzero(~begins[:-1] & ~np.roll(begins, 1)[:-1])
        places = np.where(flat == START, len(self._ids), np.searchsorted(self._ids, flat))
        span = len(self._ids) + 1
        self._tables = tuple(
            _Table.of(context, places[c], span)
            for context in (places[c - 2] * span + places[c - 1], places[c - 1], 0 * c)
        )
        self._places = dict(zip([*self._ids.tolist(), START], range(span), strict=True))
        self._known = lru_cache(maxsize=20_000)(self._distribution)

    def set_power(self, power: float) -> None:
        self.power = power
        self._known.cache_clear()

    def after(self, tokens: Sequence[int]) -> Distribution:
        """The next token's distribution after ``tokens``, where it is above 1e-7."""
        padded = (START, START, *tokens[-2:])
        return self._known(padded[-2], padded[-1])

    def _distribution(self, a: int, b: int) -> Distribution:
        first, second = self._places.get(a), self._places.get(b)
        pair = None if first is None or second is None else first * (len(self._ids) + 1) + second
        mass = np.zeros(len(self._ids))
        total = 0.0
        for table, context, share in zip(self._tables, (pair, second, 0), SHARES, strict=True):
            found = None if context is None else table.after(context)
            if found is not None:
                places, probability = found
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
