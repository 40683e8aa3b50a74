"""The rows of a run in numbers, each made when it is asked for.

A campaign's rows do not fit into memory: 300,000 responses in two formats are 66 million target
positions with their distributions. What is kept of a row is where its prompt and its target are
(``Found``, ``Ids``), a few dozen bytes; the plan needs lengths alone, and a micro-batch reads its
rows from the stores, at about a quarter of a millisecond each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from specialize.records import Example
from specialize.rows.found import Column, Found
from specialize.rows.ids import Ids
from specialize.rows.objectives import Read
from specialize.rows.row import Lengths, Row


@dataclass(frozen=True, slots=True, eq=False)
class ObjectiveRows:
    """The rows of one objective: their targets, and (n,) where their prompts begin and how long
    these are."""

    found: Found
    prompt_start: Column
    prompt_length: Column

    def __len__(self) -> int:
        return len(self.found)


class KeptRows(Sequence[Row]):
    """Rows that are read from stores and from ids, objective after objective.

    Args:
        examples: that ``Found.example`` counts.
        parts: of every objective.
        reads: of every objective, what makes a target.
        prompts: the ids of all prompts.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        parts: Sequence[ObjectiveRows],
        reads: Sequence[Read],
        prompts: Ids,
    ) -> None:
        self._examples, self._parts, self._reads, self._prompts = examples, parts, reads, prompts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number, part, i = self._place(index)
        found = part.found
        example, sample = self._examples[int(found.example[i])], int(found.sample[i])
        length = int(found.length[i])
        target = self._reads[number](example, sample, length, found.where[:, i].tolist())
        prompt = self._prompts.read(int(part.prompt_start[i]), int(part.prompt_length[i]))
        key = (example.id, sample)
        return Row(key, number, prompt, target.ids, target.distributions, target.learned)

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    def lengths(self) -> Lengths:
        """Of all rows."""

        def joined(columns: Sequence[NDArray[np.int64]]) -> Column:
            return np.concatenate([np.zeros(0, np.int64), *columns])

        parts, found = self._parts, [part.found for part in self._parts]
        return Lengths(
            prompt=joined([part.prompt_length for part in parts]),
            target=joined([each.length for each in found]),
            learned=joined([each.learned for each in found]),
            unknown=joined([each.unknown for each in found]),
            objective=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            example=joined([each.example for each in found]),
            names=[example.id for example in self._examples],
        )

    def _place(self, index: int) -> tuple[int, ObjectiveRows, int]:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"row {index} of {count}")
        index %= count
        number = int(np.searchsorted(self._ends, index, side="right"))
        part = self._parts[number]
        return number, part, index - int(self._ends[number]) + len(part)


def digest_of(
    examples: Sequence[Example], parts: Sequence[ObjectiveRows], content: Mapping[str, str]
) -> str:
    """sha256 of what the rows are: keys, lengths, places, and the digests of what is there.

    Args:
        examples: that ``Found.example`` counts.
        parts: of every objective.
        content: digests of the stores and of the ids, by name.
    """
    total = hashlib.sha256()
    for name, digest in sorted(content.items()):
        total.update(f"{name}\0{digest}\0".encode())
    for example in examples:
        total.update(f"{example.id}\0".encode())
    for part in parts:
        found = part.found
        for column in (found.example, found.sample, found.length, found.learned,
                       found.where, part.prompt_start, part.prompt_length):  # fmt: skip
            total.update(f"{column.shape}\0".encode())
            total.update(np.ascontiguousarray(column).data)
    return total.hexdigest()
