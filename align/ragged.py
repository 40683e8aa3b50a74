"""Token sequences of many samples, one after another, as kernels want them.

samples   [5, 9], [], [7]
indptr    0, 2, 2, 3
ids       5, 9, 7
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ragged:
    """``len(self)`` token sequences.

    Attributes:
        indptr: (samples + 1,) int64; sample s owns ``ids[indptr[s]:indptr[s + 1]]``.
        ids: (tokens,) int32.
    """

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.indptr.ndim != 1 or len(self.indptr) == 0 or self.indptr[0] != 0:
            raise ValueError("indptr must be one-dimensional and start at 0")
        if (self.indptr[1:] < self.indptr[:-1]).any() or self.indptr[-1] != len(self.ids):
            raise ValueError(
                f"indptr must never fall and must end at {len(self.ids)}, the number of ids; "
                f"it ends at {self.indptr[-1]}"
            )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(samples,) how many tokens each sample has."""
        return np.diff(self.indptr)

    def sample(self, index: int) -> NDArray[np.int32]:
        """The tokens of sample ``index``, as a view."""
        return self.ids[self.indptr[index] : self.indptr[index + 1]]


def ragged(samples: Sequence[Sequence[int] | NDArray[np.int32]]) -> Ragged:
    """``samples`` one after another.

    Args:
        samples: the token ids of each.

    Returns:
        All ids in one array, with the offset of each sample.
    """
    indptr = pointers(np.array([len(sample) for sample in samples], np.int64))
    parts = [np.asarray(sample, np.int32) for sample in samples]
    return Ragged(indptr, np.concatenate([np.zeros(0, np.int32), *parts]))


def pointers(lengths: NDArray[np.integer] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """(len(lengths) + 1,) where each begins, and the last ends, when they follow one another."""
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr
