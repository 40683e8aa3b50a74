"""One row of training: a prompt, the target's tokens, and a distribution for each of them.

    Row(key=("gsm8k/train/00000", 3), objective=0, prompt_ids=[27, 10, ...], target_ids=[..., 1],
        distributions=<one row per target token>)

A hard label is a distribution of one entry, so that one loss serves every row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions


@dataclass(frozen=True, slots=True)
class Row:
    """What the student reads, what it should write, and how sure the teacher was.

    ``key`` is (example id, sample); ``objective`` the position in the recipe. ``prompt_ids`` (S,)
    and ``target_ids`` (T,) are int32; the target ends with the end of sequence. ``learned`` (T,) is
    True where a token carries the loss (None: everywhere); the others are only read.
    """

    key: tuple[str, int]
    objective: int
    prompt_ids: NDArray[np.int32]
    target_ids: NDArray[np.int32]
    distributions: SparseDistributions
    learned: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if not len(self.prompt_ids) or not len(self.target_ids):
            raise ValueError(f"row {self.key} has an empty prompt or target")
        if len(self.target_ids) != len(self.distributions):
            raise ValueError(
                f"row {self.key} has {len(self.target_ids)} target tokens but "
                f"{len(self.distributions)} distributions"
            )
        if self.learned is not None and self.learned.shape != self.target_ids.shape:
            raise ValueError(
                f"row {self.key} has {len(self.target_ids)} target tokens but says of "
                f"{len(self.learned)} whether they carry the loss"
            )

    def carries_loss(self) -> NDArray[np.bool_]:
        """(T,) whether each target token does."""
        return np.ones(len(self.target_ids), np.bool_) if self.learned is None else self.learned

    @property
    def learned_count(self) -> int:
        """Target tokens that carry the loss."""
        return len(self.target_ids) if self.learned is None else int(self.learned.sum())


@dataclass(frozen=True, slots=True)
class RowSet:
    """Every row of a run, objective by objective, and what was left out.

    Attributes:
        objectives: names, in the recipe's order.
        formats: the format of each objective; micro-batches hold rows of one format.
        rows: ordered by objective, then by example and sample.
        dropped: per objective, reason -> rows left out.
        prompt_lengths, target_lengths, objective: (rows,) of the rows, in their order.
        learned_lengths: (rows,) target tokens that carry the loss.
        format_of_row: (rows,) equal numbers for equal formats.
    """

    objectives: tuple[str, ...]
    formats: tuple[str, ...]
    rows: tuple[Row, ...]
    dropped: Mapping[str, Mapping[str, int]]
    prompt_lengths: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    target_lengths: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    learned_lengths: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    objective: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    format_of_row: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.objectives) != len(self.formats):
            raise ValueError(f"{len(self.objectives)} objectives but {len(self.formats)} formats")
        columns = {
            "prompt_lengths": [len(row.prompt_ids) for row in self.rows],
            "target_lengths": [len(row.target_ids) for row in self.rows],
            "learned_lengths": [row.learned_count for row in self.rows],
            "objective": [row.objective for row in self.rows],
            "format_of_row": [self.formats.index(self.formats[r.objective]) for r in self.rows],
        }
        for name, values in columns.items():
            object.__setattr__(self, name, np.array(values, np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """Per objective: rows, prompt tokens, target tokens, how many of these carry the loss where
        not all do, and what was dropped and why."""
        found = {}
        for number, name in enumerate(self.objectives):
            mine = self.objective == number
            found[name] = {
                "rows": int(mine.sum()),
                "prompt_tokens": int(self.prompt_lengths[mine].sum()),
                "target_tokens": int(self.target_lengths[mine].sum()),
                **self._learned(mine),
                **self.dropped.get(name, {}),
            }
        return found

    def _learned(self, rows: NDArray[np.bool_]) -> dict[str, int]:
        learned = int(self.learned_lengths[rows].sum())
        return {"learned_tokens": learned} if learned < self.target_lengths[rows].sum() else {}

    @property
    def digest(self) -> str:
        """sha256 of every key, prompt, target and distribution, and of what carries the loss."""
        total = hashlib.sha256()
        for row in self.rows:
            total.update(f"{row.key[0]}\0{row.key[1]}\0{row.objective}\0".encode())
            rows = row.distributions
            entries = (rows.indptr, rows.ids, rows.logprobs, rows.tail)
            learned = () if row.learned is None else (row.learned,)
            for values in (row.prompt_ids, row.target_ids, *entries, *learned):
                total.update(len(values).to_bytes(8, "little"))
                total.update(np.ascontiguousarray(values).tobytes())
        return total.hexdigest()
