"""What an objective trains on, in numbers: whose target, how long, and where it is to be read.

Two responses to example 7, in the store of one teacher::

    example  7    7        place among all examples
    sample   0    1
    length   112  98       tokens of the target
    learned  112  98       of these, how many carry the loss
    unknown  0    1        of these, how many stand for text outside the vocabulary
    where    0    0        (shards of each teacher, then rows in them), or one offset into ``Ids``
             4    5

A few numbers a target, whatever it holds: so plans are made without the targets themselves.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]
_FIELDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """n targets; every column (n,) int64, ``where`` (places, n)."""

    example: Column
    sample: Column
    length: Column
    learned: Column
    unknown: Column
    where: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.example)

    def take(self, which: NDArray[np.bool_] | Column) -> Found:
        """The targets of a mask, or in another order."""
        return Found(
            self.example[which], self.sample[which], self.length[which], self.learned[which],
            self.unknown[which], self.where[:, which],
        )  # fmt: skip

    def in_order(self) -> Found:
        """By example, then by sample."""
        return self.take(np.lexsort((self.sample, self.example)))

    def at(self, where: NDArray[np.int64]) -> Found:
        """The same targets, to be read elsewhere."""
        return replace(self, where=where)


class FoundWriter:
    """Collects targets one by one; ``places`` numbers say where each is."""

    def __init__(self, places: int) -> None:
        self._width = _FIELDS + places
        self._cells = array("q")

    def add(
        self, example: int, sample: int, length: int, learned: int, unknown: int, *where: int
    ) -> None:
        """One more target."""
        self._cells.extend((example, sample, length, learned, unknown, *where))

    def found(self) -> Found:
        """All of them, in the order in which they were added."""
        cells = np.frombuffer(self._cells, np.int64) if self._cells else np.zeros(0, np.int64)
        table = np.ascontiguousarray(cells.reshape(-1, self._width).T)
        example, sample, length, learned, unknown = table[:_FIELDS]
        return Found(example, sample, length, learned, unknown, table[_FIELDS:])
