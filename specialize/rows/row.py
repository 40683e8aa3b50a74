"""One row of training: a prompt, the target's tokens, and a distribution for each of them.

    Row(key=("gsm8k/train/00000", 3), objective=0, prompt_ids=[27, 10, ...], target_ids=[..., 1],
        distributions=<one row per target token>)

A hard label is a distribution of one entry, so that one loss serves every row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field

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


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """What is known of rows without reading them; every column (rows,) int64.

    Attributes:
        prompt, target: tokens of each.
        learned: target tokens that carry the loss.
        unknown: target tokens that stand for text outside the vocabulary; 0 where nobody counted.
        objective: the position in the recipe.
        example: of ``names``.
        names: ids of the examples.
    """

    prompt: NDArray[np.int64]
    target: NDArray[np.int64]
    learned: NDArray[np.int64]
    unknown: NDArray[np.int64]
    objective: NDArray[np.int64]
    example: NDArray[np.int64]
    names: Sequence[str]


def lengths_of(rows: Sequence[Row]) -> Lengths:
    """What rows in memory know of themselves."""
    numbers: dict[str, int] = {}
    columns = [
        (len(row.prompt_ids), len(row.target_ids), row.learned_count, 0, row.objective,
         numbers.setdefault(row.key[0], len(numbers)))
        for row in rows
    ]  # fmt: skip
    prompt, target, learned, unknown, objective, example = (
        np.array(columns, np.int64).reshape(-1, 6).T
    )
    return Lengths(prompt, target, learned, unknown, objective, example, list(numbers))


@dataclass(frozen=True, slots=True)
class RowSet:
    """Every row of a run, objective by objective, and what was left out.

    Attributes:
        objectives: names, in the recipe's order.
        formats: the format of each objective; micro-batches hold rows of one format.
        rows: ordered by objective, then by example and sample.
        dropped: per objective, reason -> rows left out.
        known: the lengths, where reading the rows for them would take long.
        identity: what ``digest`` is then.
        lengths: of the rows, in their order.
        format_of_row: (rows,) equal numbers for equal formats.
    """

    objectives: tuple[str, ...]
    formats: tuple[str, ...]
    rows: Sequence[Row]
    dropped: Mapping[str, Mapping[str, int]]
    known: InitVar[Lengths | None] = None
    identity: str | None = field(default=None, repr=False)
    lengths: Lengths = field(init=False, repr=False, compare=False)
    format_of_row: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self, known: Lengths | None) -> None:
        if len(self.objectives) != len(self.formats):
            raise ValueError(f"{len(self.objectives)} objectives but {len(self.formats)} formats")
        lengths = lengths_of(self.rows) if known is None else known
        object.__setattr__(self, "lengths", lengths)
        formats = np.array([self.formats.index(name) for name in self.formats], np.int64)
        object.__setattr__(self, "format_of_row", formats[lengths.objective])

    def __len__(self) -> int:
        return len(self.rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """Per objective: rows, prompt tokens, target tokens, how many of these carry the loss where
        not all do, and what was dropped and why."""
        found = {}
        for number, name in enumerate(self.objectives):
            mine = self.lengths.objective == number
            found[name] = {
                "rows": int(mine.sum()),
                "prompt_tokens": int(self.lengths.prompt[mine].sum()),
                "target_tokens": int(self.lengths.target[mine].sum()),
                **self._learned(mine),
                **self.dropped.get(name, {}),
            }
        return found

    def _learned(self, rows: NDArray[np.bool_]) -> dict[str, int]:
        learned = int(self.lengths.learned[rows].sum())
        return {"learned_tokens": learned} if learned < self.lengths.target[rows].sum() else {}

    @property
    def digest(self) -> str:
        """sha256 of every key, prompt, target and distribution, and of what carries the loss; or
        ``identity``."""
        if self.identity is not None:
            return self.identity
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
