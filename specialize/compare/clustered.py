"""Means over the positions of texts, group by group, with intervals in which a text is one draw.

    add(text (R,), group (R,), {"tv": (R,)})   text after text   ->   Mean(.0123, (.0110, .0136))

Positions of a text are not independent. The mean of a group is the ratio of two sums over texts, of
values and of positions; its variance is that of the ratio's linear part between texts (Cochran
1977, Sampling Techniques, 6.4, with the number of texts less 1). Only sums are kept, so that memory
does not grow with the texts. An interval of no width says that no text differed, not that none
would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over ``rows`` positions of ``texts`` texts, with its interval of 95 %.

    ``interval`` is None of a single text. Values that are not finite are in none of them; ``rows``
    says how many were.
    """

    mean: float
    interval: tuple[float, float] | None
    rows: int
    texts: int


class Tally:
    """Sums over texts, in ``groups`` groups.

    Args:
        names: of the values.
    """

    def __init__(self, names: tuple[str, ...], groups: int) -> None:
        self.names = names
        self._sums = np.zeros((len(names), groups, 6))  # texts, n, n n, s, s s, s n

    def add(
        self, text: NDArray[np.int64], group: NDArray[np.int64], values: Mapping[str, Floats]
    ) -> None:
        """Count the positions of whole texts.

        Args:
            text: (R,) which text a position is of, from 0; a text is in one call alone.
            group: (R,) which group it is of.
            values: (R,) under each name.
        """
        if not len(text):
            return
        groups, texts = self._sums.shape[1], int(text.max()) + 1
        cell = text * groups + group
        for sums, name in zip(self._sums, self.names, strict=True):
            finite = np.isfinite(values[name])
            kept, size = cell[finite], texts * groups
            n = np.bincount(kept, minlength=size).reshape(texts, groups).astype(np.float64)
            s = np.bincount(kept, values[name][finite], size).reshape(texts, groups)
            sums += np.stack([n > 0, n, n * n, s, s * s, s * n], axis=-1).sum(axis=0)

    def mean(self, name: str, group: int) -> Mean | None:
        """The mean of the values ``name`` in a group; None where it has no position."""
        texts, n, nn, s, ss, sn = self._sums[self.names.index(name), group].tolist()
        if not n:
            return None
        mean = s / n
        interval = None
        if texts > 1:
            squares = max(ss - 2 * mean * sn + mean * mean * nn, 0.0)
            error = _Z * sqrt(squares * texts / (texts - 1)) / n
            interval = (mean - error, mean + error)
        return Mean(mean, interval, int(n), int(texts))
