"""Scores: how many of how many were right, how sure that is, and one line of scores.jsonl.

One worked record, a line of ``scores.jsonl``::

    {"accuracy": {"correct": 262, "total": 1000}, "by_task": {}, "checkpoint": "step-000400",
     "format": "zero-shot-cot", "role": "out-of-distribution", "set": "svamp",
     "split": "validation", "step": 400, "unanswered": 3}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import NormalDist

from specialize.errors import InputError
from specialize.io.files import write_atomically


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``correct`` of ``total`` answers."""

    correct: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.total or self.total == 0:
            raise ValueError(
                f"accuracy of {self.correct} correct of {self.total}: both must be whole, "
                f"0 <= correct <= total and total >= 1"
            )

    @property
    def value(self) -> float:
        """Share of correct answers, 0 to 1."""
        return self.correct / self.total

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Wilson score interval of the share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

        Unlike value +- z * standard error it stays inside [0, 1] and has a width at 0 and at 1.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        n, p = self.total, self.value
        centre = p + z * z / (2 * n)
        spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
        # The bounds are exact at the ends; only rounding could put them past 0 and 1.
        return (0.0 if self.correct == 0 else low), (1.0 if self.correct == n else high)

    def __add__(self, other: Accuracy) -> Accuracy:
        return Accuracy(self.correct + other.correct, self.total + other.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointScore:
    """What one checkpoint scored on one split of one set, asked in one format.

    ``checkpoint`` is ``step-000000`` for the student before training and ``teacher-<name>``, with
    step -1, for a teacher. ``by_task`` holds the parts of a set that has tasks; ``unanswered``
    counts responses in which no answer was found (they count as wrong).
    """

    checkpoint: str
    step: int
    set: str
    split: str
    role: str
    format: str
    accuracy: Accuracy
    by_task: Mapping[str, Accuracy] = field(default_factory=dict)
    unanswered: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.unanswered <= self.accuracy.total:
            raise ValueError(
                f"{self.unanswered} unanswered of {self.accuracy.total} answers "
                f"({self.checkpoint}, {self.set})"
            )
        if self.by_task:
            correct = sum(part.correct for part in self.by_task.values())
            total = sum(part.total for part in self.by_task.values())
            if (correct, total) != (self.accuracy.correct, self.accuracy.total):
                raise ValueError(
                    f"tasks of {self.set} add up to {correct} of {total}, but the set has "
                    f"{self.accuracy.correct} of {self.accuracy.total}"
                )

    @property
    def macro_average(self) -> float:
        """Mean over tasks of each task's share; the plain share for a set without tasks."""
        if not self.by_task:
            return self.accuracy.value
        return sum(part.value for part in self.by_task.values()) / len(self.by_task)

    def to_json(self) -> str:
        """One line, keys sorted."""
        return json.dumps(
            {
                "checkpoint": self.checkpoint,
                "step": self.step,
                "set": self.set,
                "split": self.split,
                "role": self.role,
                "format": self.format,
                "accuracy": _as_json(self.accuracy),
                "by_task": {task: _as_json(part) for task, part in self.by_task.items()},
                "unanswered": self.unanswered,
            },
            sort_keys=True,
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, line: str) -> CheckpointScore:
        """The score written by ``to_json``.

        Raises:
            ValueError: the line is not JSON, or a key is missing, unknown or of the wrong type.
        """
        values = json.loads(line)
        if not isinstance(values, dict) or set(values) != _TYPES.keys():
            raise ValueError(f"a score has the keys {', '.join(sorted(_TYPES))}")
        for key, wanted in _TYPES.items():
            if type(values[key]) is not wanted:
                raise ValueError(f"{key} must be {wanted.__name__}, got {values[key]!r}")
        tasks = {task: _from_json(part) for task, part in values.pop("by_task").items()}
        return cls(accuracy=_from_json(values.pop("accuracy")), by_task=tasks, **values)


_TYPES: Mapping[str, type] = {
    "checkpoint": str,
    "step": int,
    "set": str,
    "split": str,
    "role": str,
    "format": str,
    "accuracy": dict,
    "by_task": dict,
    "unanswered": int,
}


def _as_json(accuracy: Accuracy) -> dict[str, int]:
    return {"correct": accuracy.correct, "total": accuracy.total}


def _from_json(values: object) -> Accuracy:
    if not isinstance(values, dict) or set(values) != {"correct", "total"}:
        raise ValueError(f"an accuracy is {{correct, total}}, got {values!r}")
    correct, total = values["correct"], values["total"]
    if type(correct) is not int or type(total) is not int:
        raise ValueError(f"an accuracy counts whole answers, got {values!r}")
    return Accuracy(correct, total)


def write_scores(path: Path, scores: Iterable[CheckpointScore]) -> None:
    """Write ``scores`` to ``path``, one line each; the file is replaced whole or not at all."""
    write_atomically(path, "".join(score.to_json() + "\n" for score in scores).encode())


def read_scores(path: Path) -> list[CheckpointScore]:
    """The scores in a ``scores.jsonl``.

    Raises:
        InputError: the file is missing or a line is no score; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise InputError(
            f"scores {path}: {error.strerror}; run specialize evaluate first"
        ) from None
    scores = []
    for number, line in enumerate(filter(None, lines), 1):
        try:
            scores.append(CheckpointScore.from_json(line))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: {error}; evaluate again") from None
    return scores
