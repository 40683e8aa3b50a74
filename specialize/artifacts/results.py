"""The results of a run in memory: its scores and predictions, each file read at most once.

    results = RunResults(run)
    results.scores                                              the lines of scores.jsonl
    results.grades("step-000200", "svamp", "test", "zero-shot-cot")         who is right where
    results.predictions("step-000200", "svamp", "test", "zero-shot-cot")    with the texts

Evaluation puts what it computed in here, so that a selection in the same process reads nothing.
Grades are kept without the texts: a run with many checkpoints has more text than memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from specialize.artifacts.lengthened import Lengthened, read_lengthened
from specialize.artifacts.predictions import (
    Grade,
    Prediction,
    PredictionFile,
    Settings,
    read_questions,
)
from specialize.artifacts.scores import CheckpointScore, read_scores, write_scores
from specialize.records import Example

SCORES = "scores.jsonl"


class RunResults:
    """What the models of one run answered and scored; files are read when first asked for."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._scores: tuple[CheckpointScore, ...] | None = None
        self._grades: dict[Path, tuple[Grade, ...]] = {}
        self._predictions: dict[Path, tuple[Prediction, ...]] = {}
        self._settings: dict[Path, Settings | None] = {}
        self._questions: dict[tuple[str, str], Mapping[str, Example]] = {}

    @property
    def scores(self) -> tuple[CheckpointScore, ...]:
        """All scores of the run, in the file's order.

        Raises:
            InputError: the run has no ``scores.jsonl``, or a line of it is not a score.
        """
        if self._scores is None:
            self._scores = tuple(read_scores(self.run / SCORES))
        return self._scores

    @property
    def lengthened(self) -> tuple[Lengthened, ...]:
        """When the run was lengthened; empty for most."""
        return read_lengthened(self.run)

    @property
    def is_scored(self) -> bool:
        """Whether anything was evaluated to the end."""
        return self._scores is not None or (self.run / SCORES).exists()

    def grades(self, checkpoint: str, set_: str, split: str, format_: str) -> tuple[Grade, ...]:
        """Which examples the model answered correctly, in the set's order; () if not asked."""
        file = PredictionFile.of(self.run, checkpoint, set_, split, format_)
        if file.path not in self._grades:
            found = self._predictions.get(file.path) or file.read()
            self._grades[file.path] = tuple(prediction.grade for prediction in found)
        return self._grades[file.path]

    def predictions(
        self, checkpoint: str, set_: str, split: str, format_: str
    ) -> tuple[Prediction, ...]:
        """What the model wrote for each example, in the set's order; () if it was not asked."""
        file = PredictionFile.of(self.run, checkpoint, set_, split, format_)
        if file.path not in self._predictions:
            self._predictions[file.path] = tuple(file.read())
        return self._predictions[file.path]

    def settings(self, checkpoint: str, set_: str, split: str, format_: str) -> Settings | None:
        """What the predictions hold under; None if the model was not asked."""
        file = PredictionFile.of(self.run, checkpoint, set_, split, format_)
        if file.path not in self._settings:
            self._settings[file.path] = file.settings()
        return self._settings[file.path]

    def questions(self, set_: str, split: str) -> Mapping[str, Example]:
        """The examples of a split by id; empty where none were kept."""
        if (set_, split) not in self._questions:
            self._questions[set_, split] = read_questions(self.run, set_, split)
        return self._questions[set_, split]

    def keep(self, file: PredictionFile, predictions: Iterable[Prediction]) -> None:
        """Note the final predictions of one file, so that their grades need not be read."""
        self._grades[file.path] = tuple(prediction.grade for prediction in predictions)

    def replace_scores(self, scores: Sequence[CheckpointScore]) -> None:
        """Make these the run's scores, here and in ``scores.jsonl``."""
        write_scores(self.run / SCORES, scores)
        self._scores = tuple(scores)
